//! Access tokens: granted for the app's secret, good for nine hours, asked for by every other call.
//!
//! Source: the authentication page. Deliberately not here: tokens of other people's accounts.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Refusal, Wire, credentials};
use crate::keys;
use crate::store::Document;
use crate::world::{Shared, bearer, same};

const TOKEN: &str = "paypal_token";
const LIVES_S: i64 = 32_400;

/// `POST /v1/oauth2/token`.
pub(super) async fn grant(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let app = credentials(&world)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok()).unwrap_or_default();
    if !same(&String::from_utf8_lossy(&given), &format!("{}:{}", app.client_id, app.client_secret)) {
        return Ok(oauth_error("invalid_client", "Client Authentication failed"));
    }
    if !url::form_urlencoded::parse(&body).any(|(name, value)| name == "grant_type" && value == "client_credentials") {
        let error = json!({"error": "unsupported_grant_type", "error_description": "Grant Type is NULL"});
        return Ok((StatusCode::BAD_REQUEST, Wire(error)).into_response());
    }
    let text = format!("A21AA{}", keys::secret(90).map_err(|_| Refusal::broken())?);
    let mut book = world.book().await?;
    let expires_us = world.now_us().saturating_add(LIVES_S * 1_000_000);
    book.put(TOKEN, &Document::new(&text, Value::Null, json!({"expires_us": expires_us}))).await?;
    book.commit().await?;
    Ok(Wire(json!({
        "scope": "https://uri.paypal.com/services/payments/payment https://uri.paypal.com/services/payments/refund",
        "access_token": text,
        "token_type": "Bearer",
        "app_id": "APP-80W284485P519543T",
        "expires_in": LIVES_S,
        "nonce": super::instant(world.now_us()),
    }))
    .into_response())
}

/// Lets a request with a good token pass. The switch `forget_tokens` makes the channel refuse the token it is shown.
pub(super) async fn authorised(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let presented = bearer(request.headers()).unwrap_or_default().to_owned();
    match is_good(&world, &presented).await {
        Ok(true) => next.run(request).await,
        Ok(false) => oauth_error("invalid_token", "Token signature verification failed"),
        Err(refusal) => refusal.into_response(),
    }
}

async fn is_good(world: &Shared, presented: &str) -> Result<bool, Refusal> {
    let mut book = world.book().await?;
    if world.switches.strike(super::PROVIDER, "forget_tokens").is_some() {
        book.remove(TOKEN, presented).await?;
        book.commit().await?;
        return Ok(false);
    }
    let known = book.get(TOKEN, presented).await?;
    Ok(known.is_some_and(|token| world.now_us() < token.number("expires_us")))
}

fn oauth_error(error: &str, description: &str) -> Response {
    (StatusCode::UNAUTHORIZED, Wire(json!({"error": error, "error_description": description}))).into_response()
}
