//! `Idempotency-Key`: the first answer to a request is given again for a day, and other parameters under its key are refused.
//!
//! Source: docs.stripe.com/api/idempotent_requests. What was refused before it began is not remembered. Deliberately not here:
//! what a request does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Begun, Refusal};
use crate::store::{Document, StoreError};
use crate::world::Shared;

/// The kind remembered answers are kept under; their id is the key.
const KEY: &str = "stripe_key";
const DAY_US: i64 = 24 * 3600 * 1_000_000;
const KEY_CHARS_MAX: usize = 255;
const BODY_BYTES_MAX: usize = 1_000_000;

/// The keys of requests that are under way.
#[derive(Clone)]
pub(super) struct Keyed {
    world: Shared,
    busy: Arc<Mutex<HashSet<String>>>,
}

/// Frees a key however its request ends.
struct Busy<'a>(&'a Keyed, &'a str);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(self.1);
    }
}

impl Keyed {
    pub(super) fn new(world: &Shared) -> Self {
        Self { world: Arc::clone(world), busy: Arc::default() }
    }

    fn begin<'a>(&'a self, key: &'a str) -> Option<Busy<'a>> {
        let new = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        new.then(|| Busy(self, key))
    }
}

/// Lets a request with a key happen once.
pub(super) async fn once(State(keyed): State<Keyed>, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let Some(key) = key.filter(|_| request.method() == Method::POST) else { return next.run(request).await };
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return Refusal::param("Idempotency-Key", "parameter_invalid", "A key has 1 to 255 characters").into_response();
    }
    let Some(_busy) = keyed.begin(&key) else {
        let refusal =
            Refusal::new(StatusCode::CONFLICT, "idempotency_error", "Another request with this key is under way");
        return Refusal { code: Some("idempotency_key_in_use".to_owned()), ..refusal }.into_response();
    };
    match keyed.answer(&key, request, next).await {
        Ok(response) => response,
        Err(error) => Refusal::from(error).into_response(),
    }
}

impl Keyed {
    async fn answer(&self, key: &str, request: Request, next: Next) -> Result<Response, StoreError> {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
            return Ok(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "too long").into_response());
        };
        let asked = json!([parts.uri.path(), String::from_utf8_lossy(&bytes)]);
        let mut book = self.world.book().await?;
        let known = book.get(KEY, key).await?;
        drop(book);
        let fresh = |known: &Document| self.world.now_us() < known.number("made_us").saturating_add(DAY_US);
        if let Some(known) = known.filter(fresh) {
            return Ok(if known.inner["asked"] == asked { again(&known) } else { other(key) });
        }
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        let status = response.status();
        let begun = status.is_success() || status.is_server_error() || response.extensions().get::<Begun>().is_some();
        if !begun {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let wire: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let inner = json!({"asked": asked, "status": status.as_u16(), "made_us": self.world.now_us()});
        let mut book = self.world.book().await?;
        book.put(KEY, &Document::new(key, wire, inner)).await?;
        self.world.commit(book).await?;
        Ok(Response::from_parts(head, Body::from(bytes)))
    }
}

fn again(known: &Document) -> Response {
    let status = known.inner["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], known.wire.to_string()).into_response();
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

fn other(key: &str) -> Response {
    let text = format!(
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}'."
    );
    Refusal::new(StatusCode::BAD_REQUEST, "idempotency_error", text).into_response()
}
