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

use super::consent::{check, field, is_registered};
use super::{CLIENT_ID, PROVIDER, Problem, client_of};
use crate::keys;
use crate::store::{Document, StoreError};
use crate::world::{Shared, World};

/// Pushed requests, by their number.
const PUSHED: &str = "oauth_pushed";
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const LIVES_S: i64 = 90;

/// `POST /par`.
pub(super) async fn push(
    State(world): State<Shared>,
    Form(fields): Form<HashMap<String, String>>,
) -> Result<Response, Problem> {
    if !world.switches.rule(PROVIDER, "par", false) {
        return Err(Problem { status: StatusCode::NOT_FOUND, error: "invalid_request" });
    }
    if field(&fields, "client_id") != CLIENT_ID {
        return Err(Problem { status: StatusCode::UNAUTHORIZED, error: "invalid_client" });
    }
    // RFC 9126 §2.1: a pushed request names no other one.
    if fields.contains_key("request_uri") || !is_registered(field(&fields, "redirect_uri")) {
        return Err(Problem::new("invalid_request"));
    }
    check(&world, &fields).map_err(Problem::new)?;
    let secret = keys::secret(32).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let number = format!("{PREFIX}{secret}");
    let inner = json!({
        "fields": fields,
        "client": client_of(&world),
        "expires_us": world.now_us().saturating_add(LIVES_S.saturating_mul(1_000_000)),
    });
    let mut book = world.book().await?;
    book.put(PUSHED, &Document::new(&number, Value::Null, inner)).await?;
    book.commit().await?;
    let body = json!({"request_uri": number, "expires_in": LIVES_S});
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// The request that a browser's number stands for; `None` when the number is not, or no longer, good for this client.
pub(super) async fn take(
    world: &World,
    number: &str,
    client: &str,
) -> Result<Option<HashMap<String, String>>, StoreError> {
    let mut book = world.book().await?;
    let Some(pushed) = book.get(PUSHED, number).await? else { return Ok(None) };
    if pushed.hidden("client") != client || world.now_us() >= pushed.number("expires_us") {
        return Ok(None);
    }
    if !world.switches.rule(PROVIDER, "par_reusable", false) {
        book.remove(PUSHED, number).await?;
        book.commit().await?;
    }
    Ok(serde_json::from_value(pushed.inner["fields"].clone()).ok())
}
