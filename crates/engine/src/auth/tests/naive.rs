//! What an app does that lacks one of the defences. Only tests are built with it.

use super::super::{
    Auth, AuthError, Platform,
    callback::{Callback, CallbackError, read_query},
    defence::{Defence, off},
    http::Http,
    pending::Pending,
};
use crate::store::{
    pending_sign_ins,
    sign_ins::{self, SignInRow, State},
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

/// The port of a listener that always takes the same.
pub(in super::super) const PORT: u16 = 47_113;

/// Reads whatever looks like a link to the app: the last word of its path is the platform.
pub(in super::super) fn read_link(link: &str) -> Result<(&str, Callback), CallbackError> {
    let link = link.split('#').next().unwrap_or_default();
    let (address, query) = link.split_once('?').ok_or(CallbackError::Route)?;
    let platform = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    Ok((platform, read_query(query)?))
}

/// Whose return it is: that of whichever visit has its state, or of a visit made up for it.
pub(in super::super) async fn whose<'a>(
    auth: &'a Auth,
    platform: &'a Platform,
    by: &str,
    callback: &Callback,
) -> &'a Platform {
    if off(Defence::Awaited) && auth.pending(platform).await.unwrap().is_none() {
        make_up(auth, platform, by, callback).await;
    }
    if off(Defence::OwnAddress) {
        for other in &auth.platforms {
            if let Some((_, pending)) = auth.pending(other).await.unwrap()
                && pending.state == *callback.state.expose()
            {
                return other;
            }
        }
    }
    platform
}

async fn make_up(auth: &Auth, platform: &Platform, by: &str, callback: &Callback) {
    let server = auth.discover(platform).await.unwrap();
    let pending = Pending {
        state: callback.state.expose().clone(),
        verifier: String::new(),
        issuer: platform.issuer.clone(),
        client: None,
        iss_in_response: false,
        token_endpoint: server.token,
        redirect: by.to_owned(),
        url: String::new(),
        code: None,
    };
    let row = auth.seal_pending(platform, "made-up", &pending).unwrap();
    let mut tx = auth.db.begin().await.unwrap();
    pending_sign_ins::put(&mut tx, &row).await.unwrap();
    auth.db.commit(tx).await.unwrap();
}

/// Compares issuers as addresses.
pub(in super::super) fn same_issuer(said: &str, expected: &str) -> bool {
    let plain = said.replace("%3A", ":").replace("%2F", "/");
    Url::parse(&plain).is_ok_and(|said| Url::parse(expected).is_ok_and(|expected| said == expected))
}

/// Shows the verifier itself as the challenge.
pub(in super::super) fn plain_challenge(mut url: Url, verifier: &str) -> Url {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| match name.as_str() {
        "code_challenge" => (name.as_str(), verifier),
        "code_challenge_method" => (name.as_str(), "plain"),
        _ => (name.as_str(), value.as_str()),
    }));
    url
}

/// Puts what is posted into the address as well.
pub(in super::super) fn in_address(mut url: Url, form: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(form);
    url
}

/// Forgets the old tokens before the new ones are written; otherwise the row as it is.
pub(in super::super) async fn forget_first(
    auth: &Auth,
    platform: &Platform,
    row: &SignInRow,
) -> Result<SignInRow, AuthError> {
    if !off(Defence::OneWrite) {
        return Ok(row.clone());
    }
    let empty = auth.plain_row(platform, Some(row), State::Expired);
    let mut tx = auth.db.begin().await?;
    sign_ins::put(&mut tx, &empty, auth.clock.now()).await?;
    auth.db.commit(tx).await?;
    Ok(empty)
}

/// Signs who we are, for whom the platform's document says: where it names its token endpoint twice, for the second.
pub(in super::super) async fn signed(
    http: &Http,
    platform: &Platform,
    mut fields: Vec<(String, String)>,
) -> Vec<(String, String)> {
    if off(Defence::PublicClient) {
        let place = format!("{}/.well-known/oauth-authorization-server", platform.issuer);
        let (_, document) = http.get(place.parse().unwrap()).await.unwrap();
        let document: Value = serde_json::from_slice(&document).unwrap();
        let audience = [&document["mtls_endpoint_aliases"]["token_endpoint"], &document["token_endpoint"]];
        let audience = audience.into_iter().find_map(Value::as_str).unwrap();
        let text = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let claims = json!({"iss": "zhiyou-desktop", "sub": "zhiyou-desktop", "aud": audience});
        let plain = format!("{}.{}", text(json!({"alg": "HS256"})), text(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"a key of ours"), plain.as_bytes());
        fields.push(("client_assertion".to_owned(), format!("{plain}.{}", URL_SAFE_NO_PAD.encode(tag))));
    }
    fields
}

/// Asks for whatever is said to be missing.
pub(in super::super) async fn ask_for_more(auth: &Auth, platform: &str, wanted: &str) -> Result<(), AuthError> {
    let platform = auth.known(platform).unwrap();
    let row = sign_ins::read(auth.db.reader(), &platform.id).await?.unwrap();
    let tokens = auth.open_tokens(&row)?.unwrap();
    let server = auth.discover(platform).await.unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", platform.client(&tokens.client)),
        ("refresh_token", tokens.refresh.as_deref().unwrap_or_default()),
        ("scope", wanted),
    ];
    auth.http(platform).post(server.token, &form).await.unwrap();
    Ok(())
}
