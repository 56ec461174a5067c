//! Viator Partner API v2 for one merchant partner: search, products, availability, holds, bookings, cancellations.
//!
//! Facts: the published partner API (key and version headers, error shape, amounts as JSON numbers, the partner's booking
//! reference unique). Amounts are in the currency of the account ([`crate::money`]). Deliberately not here: carts, affiliate links,
//! reviews, the modified-since feed.

mod bookings;
mod catalogue;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

pub(crate) use bookings::BOOKING;

use crate::clock::utc;
use crate::store::StoreError;
use crate::world::{Faulty, Shared, faults, same};

const PROVIDER: &str = "viator";

/// The routes of the supplier.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: operation, declined };
    Router::new()
        .route("/search/freetext", post(catalogue::search))
        .route("/products/{code}", get(catalogue::product))
        .route("/availability/check", post(catalogue::availability))
        .route("/bookings/hold", post(bookings::hold))
        .route("/bookings/book", post(bookings::book))
        .route("/bookings/status", post(bookings::status))
        .route("/bookings/cancel-reasons", get(bookings::cancel_reasons))
        .route("/bookings/{reference}/cancel-quote", get(bookings::cancel_quote))
        .route("/bookings/{reference}/cancel", post(bookings::cancel))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "The resource was not found") })
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(Arc::clone(world), admitted))
        .with_state(Arc::clone(world))
}

fn operation(_: &Method, path: &str) -> &'static str {
    match path {
        "/search/freetext" => "search",
        "/availability/check" => "availability",
        "/bookings/hold" => "hold",
        "/bookings/book" => "book",
        "/bookings/status" => "status",
        "/bookings/cancel-reasons" => "cancel_reasons",
        _ if path.starts_with("/products/") => "product",
        _ if path.ends_with("/cancel-quote") => "cancel_quote",
        _ if path.ends_with("/cancel") => "cancel",
        _ => "other",
    }
}

/// How the supplier says no: a booking is answered as rejected, everything else by `code` and `status`.
fn declined(params: &Map<String, Value>) -> Response {
    let text = |field: &str| params.get(field).and_then(Value::as_str);
    if text("op") == Some("book") {
        let reason = text("code").unwrap_or("BOOKABLE_ITEM_IS_NO_LONGER_AVAILABLE");
        return axum::Json(json!({"status": "REJECTED", "rejectionReasonCode": reason})).into_response();
    }
    let status = params.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    let code = text("code").unwrap_or("BAD_REQUEST").to_owned();
    let message = text("message").unwrap_or("The supplier declined this request").to_owned();
    Refusal { status, code, message }.into_response()
}

/// A refusal as the supplier writes it.
pub(super) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
}

/// An error body on its way out; the outermost layer adds time and tracking id.
#[derive(Clone)]
struct Errors(Value);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the supplier could not use the book");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Something went wrong")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(Errors(json!({"code": self.code, "message": self.message})));
        answer
    }
}

/// What a handler answers.
pub(super) type Answer = Result<axum::Json<Value>, Refusal>;

/// The JSON body of a request.
pub(super) struct Body(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes =
            Bytes::from_request(request, state).await.map_err(|_| Refusal::bad("The body could not be read"))?;
        let body: Value = serde_json::from_slice(&bytes).map_err(|_| Refusal::bad("The body is not JSON"))?;
        if body.is_object() { Ok(Self(body)) } else { Err(Refusal::bad("The body is not an object")) }
    }
}

/// A required text field.
pub(super) fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    let found = body[field].as_str().filter(|text| !text.is_empty());
    found.ok_or_else(|| Refusal::bad(format!("{field} is required")))
}

/// Checks key and version, and puts the tracking headers on every answer.
async fn admitted(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let mut answer = match entry(&world, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let id = world.ids.uuid("viator");
    if let Some(Errors(mut body)) = answer.extensions_mut().remove::<Errors>() {
        body["timestamp"] = json!(utc(world.now_us()));
        body["trackingId"] = json!(id);
        answer = (answer.status(), axum::Json(body)).into_response();
    }
    let json = HeaderValue::from_static("application/json;version=2.0");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    for (name, value) in [
        ("x-unique-id", id.as_str()),
        ("ratelimit-limit", "150"),
        ("ratelimit-remaining", "149"),
        ("ratelimit-reset", "10"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn entry(world: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match header("exp-api-key") {
        None => return Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Missing API key")),
        Some(key) if !same(key, &world.credentials.viator_key) => {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Invalid API key"));
        }
        Some(_) => {}
    }
    match header("accept") {
        None => Err(Refusal::new(StatusCode::BAD_REQUEST, "MISSING_HEADER_VALUE", "Missing header: Accept")),
        Some(accept) if !accept.replace(' ', "").contains("application/json;version=2.0") => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_HEADER_VALUE", "Accept must name version=2.0"))
        }
        Some(_) => Ok(()),
    }
}
