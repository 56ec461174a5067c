//! Pushed authorization requests (RFC 9126): the request is posted first, and the browser carries only its number.
//!
//! Offered with the rule `par`, demanded with `par_required`. A number is good once, for 90 seconds, for the client that
//! pushed it (`par_reusable` lets it be used again). Deliberately not here: what a request may ask (see `consent`).

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::consent::{check, field};
use super::{Here, Problem, register};
use crate::keys;
use crate::store::{Document, StoreError};

/// Pushed requests, by their number.
const PUSHED: &str = "pushed";
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const LIVES_S: i64 = 90;

/// `POST /par`.
pub(super) async fn push(
    State(here): State<Here>,
    Form(fields): Form<HashMap<String, String>>,
) -> Result<Response, Problem> {
    if !here.rule("par") {
        return Err(Problem { status: StatusCode::NOT_FOUND, error: "invalid_request" });
    }
    let Some(client) = register::known(&here, field(&fields, "client_id")).await? else {
        return Err(Problem { status: StatusCode::UNAUTHORIZED, error: "invalid_client" });
    };
    // RFC 9126 §2.1: a pushed request names no other one.
    if fields.contains_key("request_uri") || !client.comes_back_to(&here, field(&fields, "redirect_uri")) {
        return Err(Problem::new("invalid_request"));
    }
    check(&here, &fields).map_err(Problem::new)?;
    let secret = keys::secret(32).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let number = format!("{PREFIX}{secret}");
    let inner = json!({
        "fields": fields,
        "client": here.client_of(field(&fields, "client_id")),
        "expires_us": here.world.now_us().saturating_add(LIVES_S.saturating_mul(1_000_000)),
    });
    let mut book = here.world.book().await?;
    book.put(&here.kind(PUSHED), &Document::new(&number, Value::Null, inner)).await?;
    book.commit().await?;
    let body = json!({"request_uri": number, "expires_in": LIVES_S});
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// The request that a browser's number stands for; `None` when the number is not, or no longer, good for this client.
pub(super) async fn take(
    here: &Here,
    number: &str,
    client: &str,
) -> Result<Option<HashMap<String, String>>, StoreError> {
    let mut book = here.world.book().await?;
    let Some(pushed) = book.get(&here.kind(PUSHED), number).await? else { return Ok(None) };
    if pushed.hidden("client") != client || here.world.now_us() >= pushed.number("expires_us") {
        return Ok(None);
    }
    if !here.rule("par_reusable") {
        book.remove(&here.kind(PUSHED), number).await?;
        book.commit().await?;
    }
    Ok(serde_json::from_value(pushed.inner["fields"].clone()).ok())
}
