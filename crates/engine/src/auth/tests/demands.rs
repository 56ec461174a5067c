//! Attacks by platforms that demand more than a public client gives: that it sign who it is, and that it ask for more (rows
//! OA-24 and 59).

use super::{super::defence::Defence, attack::*, *};
use crate::member;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const TURKISH: &str = "turkish-airlines";
/// Where a signature of ours would let somebody in as us.
const HONEST: &str = "https://id.honest.example/token";

/// A platform where every client has to sign, which names an honest platform as the one to sign for.
async fn signing(pushes: bool) -> Hostile {
    Hostile::start(move |line| async move {
        match line.as_str() {
            "POST /par" => ("201 Created", json!({"request_uri": "urn:x", "expires_in": 90}).to_string()),
            "POST /token" => ("400 Bad Request", json!({"error": "invalid_client"}).to_string()),
            _ => {
                let mut document: Value = serde_json::from_str(&metadata().1).unwrap();
                document["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
                document["mtls_endpoint_aliases"] = json!({"token_endpoint": HONEST});
                if pushes {
                    document["pushed_authorization_request_endpoint"] = json!("{issuer}/par");
                }
                ("200 OK", document.to_string())
            }
        }
    })
    .await
}

/// For whom the signatures are that a platform was given.
fn signed_for(platform: &Hostile) -> Vec<String> {
    let heard = platform.heard.lock().unwrap().clone();
    let bodies = heard.iter().filter_map(|request| request.split_once("\r\n\r\n")).map(|(_, body)| body.to_owned());
    let fields = bodies.flat_map(|body| {
        let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        fields
    });
    let assertions = fields.filter(|(name, _)| name == "client_assertion");
    assertions
        .map(|(_, text)| {
            let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            claims["aud"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn oa_24_a_platform_that_wants_us_to_sign_who_we_are_gets_no_signature_and_no_code() {
    stands(Defence::PublicClient, async || {
        let pushing = signing(true).await;
        let opened = begun(&pushing.issuer).await;
        let signatures = signed_for(&pushing);
        assert_eq!(opened, !signatures.is_empty());
        let plain = signing(false).await;
        let app = App::at(&plain.issuer).await;
        if app.auth.start(CLUB, DeepLink).await.is_ok() {
            let link = return_for(&app.visited(), "code-of-the-visit", &plain.issuer);
            assert!(app.auth.deep_link(&link).await);
        } else {
            assert!(app.browser.opened.lock().unwrap().is_empty());
        }
        vec![
            ("a signature that is good elsewhere", signatures == [HONEST]),
            ("a code", plain.was_asked("POST /token") > 0),
        ]
    })
    .await;
}

/// A platform whose interface finds every token too narrow.
async fn insatiable() -> Hostile {
    Hostile::start(|line| async move {
        match line.as_str() {
            "GET /.well-known/oauth-protected-resource/mcp" => ("404 Not Found", String::new()),
            "POST /register" => ("201 Created", json!({"client_id": "client-of-the-visit"}).to_string()),
            "POST /token" => {
                let tokens = json!({"access_token": "access-token", "token_type": "Bearer",
                    "refresh_token": "refresh-token", "expires_in": 3600});
                ("200 OK", tokens.to_string())
            }
            "POST /mcp" => (
                "403 Forbidden\r\nwww-authenticate: Bearer error=\"insufficient_scope\", scope=\"member admin\"",
                String::new(),
            ),
            _ => {
                let mut document: Value = serde_json::from_str(&metadata().1).unwrap();
                document["registration_endpoint"] = json!("{issuer}/register");
                ("200 OK", document.to_string())
            }
        }
    })
    .await
}

#[tokio::test]
async fn oa_59_an_interface_that_wants_more_allowed_again_and_again_is_asked_once_and_gets_no_more() {
    stands(Defence::ScopesFixed, async || {
        let platform = insatiable().await;
        let app = App::with(vec![turkish(&platform.issuer)], true, TestBrowser::default(), true).await;
        app.auth.start(TURKISH, DeepLink).await.unwrap();
        let link = return_for(&app.visited(), "code-of-the-visit", &platform.issuer);
        assert!(app.auth.deep_link(&link).await);
        let fault = member::read(&app.auth, TURKISH).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::AuthRequired, "{fault}: sign in again, and allow it");
        let (tries, tokens) = (platform.was_asked("POST /mcp"), platform.was_asked("POST /token"));
        assert!((1..=2).contains(&tries), "{tries}");
        assert!(tries == 2 || tokens == 1, "asked once, and nothing was fetched for it");
        assert_eq!(app.browser.opened.lock().unwrap().len(), 1, "nobody is sent to the platform for it");
        assert!(connected(&app.auth.view(TURKISH).await.unwrap().state), "the sign-in stands for what it allows");
        let more = platform.heard.lock().unwrap().iter().any(|request| request.contains("admin"));
        vec![("more than the platform's file says", more)]
    })
    .await;
}
