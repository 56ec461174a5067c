//! Attacks by platforms: what their metadata and their answers say (rows OA-09, 10, 25 to 33, 48 to 51 and 64).

use super::{
    super::{
        defence::Defence,
        http::Http,
        metadata::{check, discover},
        resolver,
    },
    attack::*,
    *,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

/// For each case a platform whose metadata is changed so; whether a page was opened.
async fn with_metadata(cases: &[(&'static str, Value)]) -> Seen {
    let (mut seen, club) = (Vec::new(), Club::start().await);
    for (name, merge) in cases {
        club.switch(json!({"reset": true})).await;
        club.switch(json!({"switch": "patch", "op": "metadata", "times": 9, "merge": merge})).await;
        seen.push((*name, begun(&club.issuer).await));
    }
    seen
}

/// For each case a platform whose token answer is changed so; whether the app was signed in.
async fn with_token_answer(cases: &[(&'static str, Value)]) -> Seen {
    let (mut seen, club) = (Vec::new(), Club::start().await);
    for (name, merge) in cases {
        let app = signed_in_with(&club, merge).await;
        let state = app.state().await;
        assert!(connected(&state) || (failed(&state, "provider") && row(&app).await.unwrap().tokens.is_none()));
        seen.push((*name, connected(&state)));
    }
    seen
}

async fn signed_in_with(club: &Club, merge: &Value) -> App {
    club.switch(json!({"reset": true})).await;
    club.switch(json!({"switch": "patch", "op": "token", "merge": merge})).await;
    let app = App::at(&club.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let lines = Lines::listen();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    assert!(lines.heard().len() <= 1, "{:?}", lines.heard());
    app
}

#[tokio::test]
async fn oa_09_a_platform_that_promises_no_proof_key_is_not_visited() {
    stands(Defence::ProofKeyPromise, async || {
        with_metadata(&[
            ("none", json!({"code_challenge_methods_supported": null})),
            ("empty", json!({"code_challenge_methods_supported": []})),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_10_a_platform_that_takes_plain_proof_keys_only_is_not_visited() {
    stands(Defence::ProofKeyPromise, async || {
        with_metadata(&[
            ("plain", json!({"code_challenge_methods_supported": ["plain"]})),
            ("another spelling", json!({"code_challenge_methods_supported": ["s256"]})),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_25_metadata_of_another_issuer_is_not_used() {
    stands(Defence::MetadataIssuer, async || {
        with_metadata(&[
            ("another", json!({"issuer": "https://evil.example"})),
            ("a slash more", json!({"issuer": "{issuer}/"})),
            ("empty", json!({"issuer": ""})),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_26_an_evil_platform_cannot_name_an_honest_ones_endpoints() {
    stands(Defence::OwnHosts, async || {
        let honest = Club::with(&[json!({"switch": "omit_iss", "times": 9})]).await;
        let page = format!("{}/authorize", honest.issuer);
        let evil = Hostile::start(move |line| {
            let page = page.clone();
            async move {
                if line == "POST /token" {
                    return ("400 Bad Request", "{}".to_owned());
                }
                let (status, body) = metadata();
                let body = body.replace("{issuer}/authorize", &page);
                (status, body.replace(r#","authorization_response_iss_parameter_supported":true"#, ""))
            }
        })
        .await;
        let app = App::at(&evil.issuer).await;
        if app.auth.start(CLUB, DeepLink).await.is_ok() {
            app.auth.deep_link(&decide(&app.visited(), "approve").await).await;
        } else {
            assert!(app.browser.opened.lock().unwrap().is_empty());
        }
        vec![("an honest code at an evil endpoint", evil.was_asked("POST /token") > 0)]
    })
    .await;
    // The other way about: an honest token endpoint would get codes, and the app would believe its answer.
    let seen = with_metadata(&[
        ("token", json!({"token_endpoint": format!("{}/token", issuer())})),
        ("revocation", json!({"revocation_endpoint": format!("{}/revoke", issuer())})),
        ("push", json!({"pushed_authorization_request_endpoint": format!("{}/par", issuer())})),
    ])
    .await;
    assert!(seen.iter().all(|(_, opened)| !opened), "{seen:?}");
}

#[tokio::test]
async fn oa_27_addresses_of_other_kinds_are_never_opened() {
    stands(Defence::SafeScheme, async || {
        with_metadata(
            &["javascript:evil", "file:///etc/passwd", "data:text/html,evil", "smb://host/share", "ftp://host/x"]
                .map(|address| (address, json!({"authorization_endpoint": address}))),
        )
        .await
    })
    .await;
    assert_eq!(with_metadata(&[("unc", json!({"authorization_endpoint": "\\\\host\\share"}))]).await, [("unc", false)]);
}

#[tokio::test]
async fn oa_28_addresses_with_what_a_shell_would_read_are_never_opened() {
    stands(Defence::PlainCharacters, async || {
        with_metadata(
            &["$(id)", ";id", "`id`", "|id", "'id", "\"id", "^id", "<id", "{id}", "!id", " id"]
                .map(|tail| (tail, json!({"authorization_endpoint": format!("{{issuer}}/authorize{tail}")}))),
        )
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_29_plain_http_beyond_this_machine_is_refused() {
    stands(Defence::SafeScheme, async || {
        with_metadata(
            &["authorization_endpoint", "token_endpoint", "revocation_endpoint"]
                .map(|name| (name, json!({name: "http://id.example.com/x"}))),
        )
        .await
    })
    .await;
    let push = json!({"pushed_authorization_request_endpoint": "http://id.example.com/x"});
    assert_eq!(with_metadata(&[("push", push)]).await, [("push", false)]);
}

#[tokio::test]
async fn oa_30_a_token_endpoint_that_redirects_is_not_followed() {
    stands(Defence::NoRedirects, async || {
        let mut seen = Vec::new();
        for (name, status) in [("307", 307), ("308", 308)] {
            let thief = Hostile::start(|_| async { ("200 OK", "{}".to_owned()) }).await;
            let club = Club::with(&[json!({"switch": "answer", "op": "token", "status": status,
                "headers": {"location": format!("{}/thief", thief.issuer)}})])
            .await;
            let app = App::at(&club.issuer).await;
            app.auth.start(CLUB, DeepLink).await.unwrap();
            assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
            assert!(failed(&app.state().await, "provider") && row(&app).await.unwrap().tokens.is_none());
            seen.push((name, thief.was_asked("POST /thief") > 0));
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_31_addresses_of_this_machine_and_of_private_networks_are_refused() {
    stands(Defence::PublicHosts, async || {
        [
            "https://169.254.169.254",
            "https://10.0.0.8",
            "https://127.0.0.1",
            "https://0x7f000001",
            "https://2130706433",
            "https://127.1",
            "https://[::1]",
            "https://[fe80::1]",
            "https://[::ffff:127.0.0.1]",
            "https://localhost",
            "https://router.local",
            "https://metadata.internal",
            "https://intranet",
        ]
        .map(|issuer| {
            let body = json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/a"),
                "token_endpoint": format!("{issuer}/t"), "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"]})
            .to_string();
            (issuer, check(body.as_bytes(), issuer, &[], false).is_ok())
        })
        .to_vec()
    })
    .await;
    let named =
        ["http://169.254.169.254/token", "https://10.0.0.8/token", "http://0x7f000001/token", "https://[fe80::1]/t"]
            .map(|address| (address, json!({"token_endpoint": address})));
    assert!(with_metadata(&named).await.iter().all(|(_, opened)| !opened));
}

#[tokio::test]
async fn oa_32_a_name_that_is_pointed_at_this_machine_is_not_connected_to() {
    stands(Defence::CheckedConnection, async || {
        let mut seen = Vec::new();
        for (name, first) in [("at once", None), ("the second time", Some("198.51.100.1:0"))] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let connected = tokio::spawn(async move { listener.accept().await.map(drop) });
            let asked = Arc::new(AtomicU64::new(0));
            let count = asked.clone();
            // Whatever was answered before counts for nothing: every answer is checked.
            let look_up: resolver::LookUp = Arc::new(move |_| {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let address = first.filter(|_| number == 0).unwrap_or("127.0.0.1:0").parse().unwrap();
                Box::pin(async move { Ok(vec![address]) })
            });
            if first.is_some() {
                drop(look_up("rebind.example.com".to_owned()).await);
            }
            let http = Http::with(false, Duration::from_secs(5), look_up).unwrap();
            assert!(discover(&http, &club(&format!("https://rebind.example.com:{port}")), false).await.is_err());
            assert!(asked.load(std::sync::atomic::Ordering::SeqCst) > 0);
            let reached = tokio::time::timeout(Duration::from_millis(100), connected).await.is_ok();
            seen.push((name, reached));
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_33_a_document_that_is_too_large_is_not_read() {
    let sound = |size: usize| {
        let body = metadata().1;
        json!({"switch": "answer", "op": "metadata", "times": 9, "body": body, "size": size})
    };
    stands(Defence::SmallAnswers, async || {
        vec![("a megabyte", begun(&Club::with(&[sound(1_000_000)]).await.issuer).await)]
    })
    .await;
    assert!(begun(&Club::with(&[sound(60_000)]).await.issuer).await, "the size alone was refused");
    for body in ["[".repeat(60_000), "{\"issuer\":".repeat(6_000), "null".to_owned(), String::new()] {
        let club = Club::with(&[json!({"switch": "answer", "op": "metadata", "times": 9, "body": body})]).await;
        assert!(!begun(&club.issuer).await);
    }
    // A compressed answer is not unpacked: a small one cannot become a large one.
    let mut bomb = sound(0);
    bomb["headers"] = json!({"content-encoding": "gzip"});
    bomb["body"] = json!("\u{1f}\u{8b}\u{8}\u{0}");
    assert!(!begun(&Club::with(&[bomb]).await.issuer).await);
}

#[tokio::test]
async fn oa_33_a_platform_that_never_answers_is_not_waited_for_forever() {
    stands(Defence::Patience, async || {
        let club =
            Club::with(&[json!({"switch": "time_out_before", "op": "metadata", "mode": "hang", "times": 9})]).await;
        let http = Http::with(true, Duration::from_millis(100), resolver::system()).unwrap();
        let platform = super::club(&club.issuer);
        let asking = discover(&http, &platform, true);
        let ended = tokio::time::timeout(Duration::from_millis(800), asking).await;
        assert!(ended.as_ref().is_err() || ended.as_ref().is_ok_and(Result::is_err));
        vec![("silence", ended.is_err())]
    })
    .await;
}

#[tokio::test]
async fn oa_48_a_token_of_another_type_is_not_taken() {
    stands(Defence::BearerOnly, async || {
        with_token_answer(&["mac", "N_A", "DPoP"].map(|kind| (kind, json!({"token_type": kind})))).await
    })
    .await;
    assert_eq!(with_token_answer(&[("no type", json!({"token_type": null}))]).await, [("no type", false)]);
}

#[tokio::test]
async fn oa_49_more_than_was_asked_is_not_taken_and_less_is_kept_as_it_is() {
    stands(Defence::ScopeChecked, async || {
        with_token_answer(&[
            ("more", json!({"scope": "profile loyalty admin"})),
            ("something else", json!({"scope": "admin"})),
        ])
        .await
    })
    .await;
    let app = signed_in_with(&Club::start().await, &json!({"scope": "profile"})).await;
    let tokens = app.auth.open_tokens(&row(&app).await.unwrap()).unwrap().unwrap();
    assert_eq!(tokens.scopes, ["profile"]);
}

#[tokio::test]
async fn oa_50_a_nonsense_lifetime_is_a_short_one() {
    stands(Defence::Lifetime, async || {
        let (mut seen, club) = (Vec::new(), Club::start().await);
        for (name, value) in [
            ("negative", json!(-5)),
            ("ten to the twelve", json!(1_000_000_000_000_u64)),
            ("a fraction", json!(1.5)),
            ("a text", json!("soon")),
        ] {
            let app = signed_in_with(&club, &json!({"expires_in": value})).await;
            let stored = row(&app).await.unwrap();
            let lives = app.auth.open_tokens(&stored).unwrap().map(|tokens| tokens.expires_at_us - app.clock.now().0);
            seen.push((name, !lives.is_some_and(|us| (1..=24 * 3600 * 1_000_000).contains(&us))));
        }
        seen
    })
    .await;
    let app = signed_in_with(&Club::start().await, &json!({"expires_in": null, "id_token": "not.a.token"})).await;
    let tokens = app.auth.open_tokens(&row(&app).await.unwrap()).unwrap().unwrap();
    assert_eq!(tokens.expires_at_us - app.clock.now().0, 600 * 1_000_000, "none at all");
}

#[tokio::test]
async fn oa_51_an_answer_with_an_error_in_it_is_an_error() {
    stands(Defence::ErrorWins, async || {
        with_token_answer(&["invalid_grant", "server_error", ""].map(|error| (error, json!({"error": error})))).await
    })
    .await;
}

#[tokio::test]
async fn oa_64_what_is_asked_is_pushed_where_it_can_be_and_the_browser_carries_a_number_only() {
    stands(Defence::Pushed, async || {
        let club = Club::with(&[json!({"switch": "par"})]).await;
        let app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let visit = app.visited();
        let names: Vec<_> = visit.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let open = names != ["client_id", "request_uri"];
        let link = decide(&visit, "approve").await;
        if !open {
            let again = client().get(visit).send().await.unwrap();
            assert_eq!(again.status(), 400, "the number is good once");
        }
        assert!(app.auth.deep_link(&link).await && connected(&app.state().await));
        vec![("scope, address and state to read and to change on the way", open)]
    })
    .await;
}

#[tokio::test]
async fn oa_64_a_push_that_fails_ends_the_start_and_nothing_is_asked_openly_instead() {
    stands(Defence::PushOrNothing, async || {
        let (mut seen, club) = (Vec::new(), Club::start().await);
        for (name, answer) in [
            ("refused", json!({"status": 400, "body": {"error": "invalid_request"}})),
            ("down", json!({"status": 503})),
            ("redirected", json!({"status": 307, "headers": {"location": "{issuer}/par2"}})),
            ("not created", json!({"status": 200, "body": {"request_uri": "urn:x", "expires_in": 90}})),
            ("no number", json!({"status": 201, "body": {"expires_in": 90}})),
            ("no life", json!({"status": 201, "body": {"request_uri": "urn:x"}})),
            ("dead at once", json!({"status": 201, "body": {"request_uri": "urn:x", "expires_in": 0}})),
            ("not printable", json!({"status": 201, "body": {"request_uri": "urn:\n", "expires_in": 90}})),
            ("too large", json!({"status": 201, "body": {"request_uri": "urn:x", "expires_in": 90}, "size": 100_000})),
            ("not JSON", json!({"status": 201, "body": "<html>"})),
        ] {
            let mut switch = json!({"switch": "answer", "op": "par"});
            switch.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
            for switch in [json!({"reset": true}), json!({"switch": "par"}), switch] {
                club.switch(switch).await;
            }
            seen.push((name, begun(&club.issuer).await));
        }
        seen
    })
    .await;
    let nowhere = json!({"require_pushed_authorization_requests": true});
    assert_eq!(with_metadata(&[("nowhere", nowhere)]).await, [("nowhere", false)]);
}

#[tokio::test]
async fn oa_64_a_request_that_somebody_else_pushed_or_that_was_used_is_refused() {
    stands(Defence::State, async || {
        let club = Club::with(&[json!({"switch": "par"}), json!({"switch": "other_client"})]).await;
        let app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let page = client().get(app.visited()).send().await.unwrap();
        assert_eq!((page.status().as_u16(), page.headers().get("location")), (400, None));
        assert!(waiting(&app.state().await));
        // The attacker's own request, put into the victim's address, comes back with the attacker's state.
        let thief = App::at(&club.issuer).await;
        thief.auth.start(CLUB, DeepLink).await.unwrap();
        let link = decide(&thief.visited(), "approve").await;
        vec![("the attacker's own request", delivered(&app, &link).await)]
    })
    .await;
}

#[tokio::test]
async fn oa_31_the_sandboxs_ease_is_for_the_sandboxs_own_platforms() {
    stands(Defence::StrictAbroad, async || {
        let mut seen = Vec::new();
        let own = Hostile::start(|_| async { metadata() }).await;
        let foreign = Platform { id: "foreign".to_owned(), sandbox: false, ..club(&own.issuer) };
        let app = App::of(vec![club(&issuer()), foreign]).await;
        app.auth.start("zz-club", DeepLink).await.unwrap();
        app.auth.cancel("zz-club").await.unwrap();
        let started = app.auth.start("foreign", DeepLink).await;
        if let Err(fault) = &started {
            assert_eq!(fault.code, FaultCode::ProviderUnavailable);
            assert!(own.asked.lock().unwrap().is_empty(), "it was asked");
        }
        seen.push(("plain HTTP to this machine", started.is_ok()));
        // What is asked is not what is refused: no connection is made to find that out.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let knocked = tokio::spawn(async move { listener.accept().await.map(drop) });
        let foreign = Platform { id: "foreign".to_owned(), sandbox: false, ..club(&address) };
        let app = App::of(vec![foreign]).await;
        assert!(app.auth.start("foreign", DeepLink).await.is_err());
        seen.push(("TLS to this machine", tokio::time::timeout(Duration::from_millis(100), knocked).await.is_ok()));
        seen
    })
    .await;
}

#[tokio::test]
async fn a_code_of_another_client_and_a_return_with_another_state_sign_nobody_in() {
    let club = Club::with(&[json!({"switch": "other_client"})]).await;
    let app = App::at(&club.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    assert!(failed(&app.state().await, "provider") && row(&app).await.unwrap().tokens.is_none());
    club.switch(json!({"switch": "patch", "op": "return", "merge": {"state": "another"}})).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(!delivered(&app, &decide(&app.visited(), "approve").await).await);
    assert!(waiting(&app.state().await));
}

#[tokio::test]
async fn oa_65_a_resource_that_speaks_for_another_is_not_signed_in_to() {
    stands(Defence::Resource, async || {
        let mut seen = Vec::new();
        for (name, merge) in [
            ("another resource", json!({"resource": "https://evil.example/mcp"})),
            ("nearly this resource", json!({"resource": "{issuer}/mcp/"})),
            ("another issuer before it", json!({"authorization_servers": ["https://evil.example"]})),
            ("no issuer before it", json!({"authorization_servers": []})),
        ] {
            let switch = json!({"provider": "turkish", "switch": "patch", "op": "resource", "merge": merge});
            let club = Club::with(&[switch]).await;
            let platforms = vec![turkish(&club.turkish)];
            let app = App::with(platforms, true, TestBrowser::default(), true).await;
            let started = app.auth.start("turkish-airlines", Loopback).await;
            assert_eq!(started.is_ok(), !app.browser.opened.lock().unwrap().is_empty(), "{name}");
            seen.push((name, started.is_ok()));
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn a_resource_that_says_nothing_of_itself_is_what_the_platforms_file_says() {
    let switch = |status: u16| json!({"provider": "turkish", "switch": "answer", "op": "resource", "status": status});
    for (status, begins) in [(404, true), (503, false), (200, false)] {
        let club = Club::with(&[switch(status)]).await;
        let app = App::with(vec![turkish(&club.turkish)], true, TestBrowser::default(), true).await;
        assert_eq!(app.auth.start("turkish-airlines", Loopback).await.is_ok(), begins, "{status}");
    }
}
