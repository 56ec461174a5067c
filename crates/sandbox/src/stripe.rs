//! Stripe for one account: Checkout Sessions with their hosted page, payment intents, refunds, webhook endpoints and signed
//! events, in API version 2026-10-28.endive.
//!
//! Facts: docs.stripe.com/api. Bodies are forms, unknown parameters are refused, and a key given with a request makes it
//! happen once. Deliberately not here: customers, subscriptions, other ways to pay than cards and two wallets, and how
//! notifications are tried again (`notify`).

mod disputes;
mod events;
mod expand;
mod form;
mod idempotency;
mod intents;
mod movements;
mod page;
mod refunds;
mod rows;
mod sessions;
mod wallets;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use events::notification;
pub(crate) use rows::{ROWS, is_of_money};
pub(crate) use wallets::{Scanned, pay, scan};

use crate::keys::{self, KeyError};
use crate::store::{Book, StoreError};
use crate::world::{Faulty, Shared, World, bearer, faults, literal_host, same};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "stripe";
/// The version this account speaks.
const VERSION: &str = "2026-10-28.endive";

/// What the merchant's console shows.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Credentials {
    secret_key: String,
    account_id: String,
    /// Every endpoint signs with the first; while it is rolled, with both.
    webhook_secrets: Vec<String>,
}

impl Credentials {
    pub(crate) fn make() -> Result<Self, KeyError> {
        Ok(Self {
            secret_key: format!("sk_test_{}", keys::secret(43)?),
            account_id: format!("acct_{}", keys::secret(16)?),
            webhook_secrets: vec![format!("whsec_{}", keys::secret(32)?), format!("whsec_{}", keys::secret(32)?)],
        })
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        !self.secret_key.is_empty() && !self.account_id.is_empty() && self.webhook_secrets.len() == 2
    }

    /// As `GET /credentials` shows them.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "secret_key": self.secret_key,
            "account_id": self.account_id,
            "webhook_secrets": self.webhook_secrets,
        })
    }
}

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: operation, declined };
    let keyed = idempotency::Keyed::new(world);
    let api = Router::new()
        .route("/v1/checkout/sessions", post(sessions::create).get(sessions::list))
        .route("/v1/checkout/sessions/{id}", get(sessions::retrieve))
        .route("/v1/checkout/sessions/{id}/expire", post(sessions::expire))
        .route("/v1/payment_intents", post(intents::create).get(intents::list))
        .route("/v1/payment_intents/{id}", get(intents::retrieve))
        .route("/v1/payment_intents/{id}/confirm", post(intents::confirm))
        .route("/v1/payment_intents/{id}/capture", post(intents::capture))
        .route("/v1/payment_intents/{id}/cancel", post(intents::cancel))
        .route("/v1/charges", get(intents::list_charges))
        .route("/v1/charges/{id}", get(intents::retrieve_charge))
        .route("/v1/balance_transactions", get(movements::list))
        .route("/v1/balance_transactions/{id}", get(movements::retrieve))
        .route("/v1/refunds", post(refunds::create).get(refunds::list))
        .route("/v1/refunds/{id}", get(refunds::retrieve))
        .route("/v1/disputes/{id}", get(disputes::retrieve))
        .route("/v1/events", get(events::list))
        .route("/v1/events/{id}", get(events::retrieve))
        .route("/v1/webhook_endpoints", post(events::register).get(events::endpoints))
        .route("/v1/webhook_endpoints/{id}", get(events::endpoint).delete(events::forget))
        .fallback(|| async {
            Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "Unrecognized request URL").into_response()
        })
        .layer(middleware::from_fn_with_state(keyed, idempotency::once))
        .layer(middleware::from_fn_with_state(Arc::clone(world), authorised));
    let pages = Router::new()
        .route("/c/pay/{id}", get(page::show).post(page::pay))
        .route("/c/pay/{id}/challenge", get(page::challenge).post(page::answer))
        .route("/c/pay/{id}/wallet", get(wallets::show).post(wallets::answer))
        .layer(middleware::from_fn_with_state(Arc::clone(world), page::own_page));
    pages
        .merge(api)
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(world.urls.stripe.clone(), literal_host))
        .with_state(Arc::clone(world))
}

fn operation(method: &Method, path: &str) -> &'static str {
    let post = method == Method::POST;
    match path {
        _ if path.starts_with("/c/pay/") => "page",
        _ if path.ends_with("/expire") => "close",
        _ if path.ends_with("/capture") => "capture",
        _ if path.ends_with("/cancel") => "void",
        "/v1/refunds" if post => "refund",
        _ if path.starts_with("/v1/refunds") => "query_refund",
        _ if path.starts_with("/v1/webhook_endpoints") => "endpoints",
        "/v1/balance_transactions" => "bill",
        _ if post => "create",
        _ => "query",
    }
}

fn declined(params: &Map<String, Value>) -> Response {
    let code = params.get("code").and_then(Value::as_str).unwrap_or("card_declined");
    let card = ["card_declined", "expired_card", "insufficient_funds"].contains(&code);
    let (status, kind) = if card {
        (StatusCode::PAYMENT_REQUIRED, "card_error")
    } else {
        (StatusCode::BAD_REQUEST, "invalid_request_error")
    };
    Refusal { code: Some(code.to_owned()), ..Refusal::new(status, kind, "Declined by the scenario") }.into_response()
}

/// A refusal as the channel writes it: `{"error":{"type","code","message","param"}}`.
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<String>,
    message: String,
    param: Option<String>,
    /// More fields of the error.
    extra: Option<Box<Value>>,
    /// Whether the request began to happen, so that its key remembers this answer.
    begun: bool,
}

/// Marks an answer that a key remembers.
#[derive(Clone, Copy)]
pub(super) struct Begun;

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, message: message.into(), param: None, extra: None, begun: false }
    }

    /// 400 that names a parameter; nothing happened.
    pub(super) fn param(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            param: Some(param.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }

    /// 400 because of the state of a thing; the key remembers it.
    pub(super) fn state(code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            code: code.map(str::to_owned),
            begun: true,
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }

    /// 404: there is no such thing.
    pub(super) fn missing(what: &str, id: &str) -> Self {
        Self {
            code: Some("resource_missing".to_owned()),
            param: Some("id".to_owned()),
            ..Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("No such {what}: '{id}'"))
        }
    }

    /// 402: the card's bank refused.
    pub(super) fn card(error: &Value) -> Self {
        Self {
            code: error["code"].as_str().map(str::to_owned),
            extra: Some(Box::new(
                json!({"decline_code": error["decline_code"], "payment_intent": error["payment_intent"]}),
            )),
            begun: true,
            ..Self::new(
                StatusCode::PAYMENT_REQUIRED,
                "card_error",
                error["message"].as_str().unwrap_or("Your card was declined."),
            )
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the payment channel could not use the book");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "An error occurred")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(code) = self.code {
            error["doc_url"] = json!(format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-")));
            error["code"] = json!(code);
        }
        if let Some(param) = self.param {
            error["param"] = json!(param);
        }
        let more = self.extra.as_deref().and_then(Value::as_object);
        for (name, value) in more.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            error[name] = value.clone();
        }
        let mut response = (self.status, axum::Json(json!({"error": error}))).into_response();
        if self.begun {
            response.extensions_mut().insert(Begun);
        }
        response
    }
}

/// What a handler answers.
pub(super) type Answer = Result<axum::Json<Value>, Refusal>;

/// Checks key and version, and names every answer.
async fn authorised(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let key = world.credentials.stripe.as_ref().map(|account| account.secret_key.as_str()).unwrap_or_default();
    let version = request.headers().get("stripe-version").map(HeaderValue::as_bytes);
    let mut response = if !bearer(request.headers()).is_some_and(|token| same(token, key)) {
        Refusal::new(StatusCode::UNAUTHORIZED, "invalid_request_error", "Invalid API Key provided").into_response()
    } else if version.is_some_and(|version| version != VERSION.as_bytes()) {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_request_error", "Invalid Stripe API version").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&format!("req_{}", world.ids.code("request", 14))) {
        headers.entry("request-id").or_insert(id);
    }
    headers.insert("stripe-version", HeaderValue::from_static(VERSION));
    response
}

/// `prefix_` and letters and digits.
pub(super) fn new_id(world: &World, prefix: &str) -> String {
    format!("{prefix}_{}", world.ids.code(prefix, 24))
}

/// Whole seconds since the epoch, as the channel writes instants.
pub(super) fn seconds(us: i64) -> i64 {
    us.div_euclid(1_000_000)
}

/// Whether this answer means that the notification was taken.
pub(crate) fn taken(status: u16, _: &str) -> bool {
    (200..300).contains(&status)
}

/// Seconds between tries: three in a few hours in a test account.
pub(crate) const RETRY_S: [i64; 3] = [60, 600, 3600];

/// Every payment as the control port's book shows it.
pub(crate) async fn payments(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    sessions::shown(book).await
}

/// Every refund as the control port's book shows it.
pub(crate) async fn refunds(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    refunds::shown(book).await
}

/// Does what is due (pages that end, authorisations that lapse, refunds that settle), and tells when something is due next.
pub(crate) async fn settle(world: &World) -> Result<Option<i64>, StoreError> {
    let mut book = world.book().await?;
    let now_us = world.now_us();
    let mut changed = sessions::end_due(world, &mut book, now_us).await?;
    changed |= intents::lapse_due(world, &mut book, now_us).await?;
    changed |= refunds::settle_due(world, &mut book, now_us).await?;
    changed |= disputes::decide_due(world, &mut book).await?;
    let mut next: Option<i64> = None;
    for kind in [sessions::SESSION, intents::INTENT, refunds::REFUND] {
        next = [next, book.next_due(kind).await?].into_iter().flatten().min();
    }
    if changed {
        world.commit(book).await?;
    }
    Ok(next)
}

/// Headers of a delivery beside its signature.
fn delivery_headers(signature: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", HeaderValue::from_str(signature).ok()?);
    headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert("user-agent", HeaderValue::from_static("Stripe/1.0 (+https://stripe.com/docs/webhooks)"));
    Some(headers)
}
