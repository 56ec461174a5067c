//! PayPal for one merchant: access tokens, orders, authorisations, captures, refunds, the list of transactions, the page where
//! the payer approves, disputes, and signed notifications.
//!
//! Facts: paypal-rest-api-specifications (Orders v2, Payments v2, Webhooks v1), the TypeScript server SDK. How a capture or a
//! refund ends is the scenario's `capture_outcome` or `refund_outcome` (`COMPLETED` when unset); `PENDING` leaves it open until
//! that rule changes, or until `settle_ms` on the sandbox's clock. Deliberately not here: cards, vaults, shipping, payouts; how
//! notifications are tried again (`notify`).

mod amount;
mod captures;
mod disputes;
mod notice;
mod orders;
mod page;
mod refunds;
mod replay;
mod reports;
mod rows;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use notice::{checksum, notification};
pub(crate) use rows::{ROWS, is_of_money};

use crate::keys::{self, KeyError};
use crate::store::{Book, StoreError};
use crate::world::{Faulty, Shared, World, faults, literal_host};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "paypal";

/// What the merchant's console shows.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    client_id: String,
    client_secret: String,
    webhook_id: String,
    /// The two little authorities that notifications' certificates lead up to: the one they are issued under, and its root.
    authority_pem: String,
    certificate_id: String,
    certificate_pem: String,
    certificate_private_pem: String,
    /// The same authority's, past its time.
    #[serde(default)]
    expired_certificate_pem: String,
}

impl Credentials {
    pub(crate) fn make() -> Result<Self, KeyError> {
        let key = keys::rsa()?;
        let certificate_private_pem = keys::private_pem(&key)?;
        let [authority_pem, certificate_pem, expired_certificate_pem] = notice::certificates(&certificate_private_pem)?;
        Ok(Self {
            client_id: format!("A{}", keys::secret(79)?),
            client_secret: format!("E{}", keys::secret(79)?),
            webhook_id: keys::secret(17)?.to_uppercase(),
            authority_pem,
            certificate_id: format!("CERT-{}", keys::secret(24)?.to_lowercase()),
            certificate_pem,
            certificate_private_pem,
            expired_certificate_pem,
        })
    }

    /// As `GET /credentials` shows them.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "webhook_id": self.webhook_id,
            "certificate_roots_pem": self.authority_pem,
        })
    }
}

/// The credentials of this sandbox; every start makes what is missing.
fn credentials(world: &World) -> Result<&Credentials, Refusal> {
    world.credentials.paypal.as_ref().ok_or_else(Refusal::broken)
}

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: operation, declined };
    let merchant = Router::new()
        .route("/v2/checkout/orders", post(orders::create))
        .route("/v2/checkout/orders/{id}", get(orders::show).patch(orders::patch))
        .route("/v2/checkout/orders/{id}/capture", post(orders::capture))
        .route("/v2/checkout/orders/{id}/authorize", post(orders::authorize))
        .route("/v2/payments/authorizations/{id}", get(captures::show_authorization))
        .route("/v2/payments/authorizations/{id}/capture", post(captures::take))
        .route("/v2/payments/authorizations/{id}/void", post(captures::void))
        .route("/v2/payments/captures/{id}", get(captures::show))
        .route("/v2/payments/captures/{id}/refund", post(refunds::create))
        .route("/v2/payments/refunds/{id}", get(refunds::show))
        .route("/v1/customer/disputes/{id}", get(disputes::show))
        .route("/v1/reporting/transactions", get(reports::list))
        .route("/v1/notifications/webhooks/{id}", get(notice::show_webhook).patch(notice::patch_webhook))
        .route("/v1/notifications/verify-webhook-signature", post(notice::verify))
        .layer(middleware::from_fn_with_state(Arc::clone(world), token::authorised));
    let page = Router::new()
        .route("/checkoutnow", get(page::ask).post(page::decide))
        .layer(middleware::from_fn_with_state(world.urls.paypal.clone(), literal_host));
    Router::new()
        .route("/v1/oauth2/token", post(token::grant))
        .route("/v1/notifications/certs/{id}", get(notice::certificate))
        .merge(merchant)
        .fallback(|| async { Refusal::missing() })
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(Arc::clone(world), orders::card_declined))
        .merge(page)
        .with_state(Arc::clone(world))
}

fn operation(method: &Method, path: &str) -> &'static str {
    let ends = |end: &str| path.ends_with(end);
    match path {
        "/v1/oauth2/token" => "token",
        "/v2/checkout/orders" => "create",
        "/v1/reporting/transactions" => "bill",
        _ if path.starts_with("/v1/customer/disputes/") => "dispute",
        _ if path.starts_with("/v1/notifications/certs/") => "certificate",
        _ if path.starts_with("/v1/notifications/") => "webhook",
        _ if path.starts_with("/v2/checkout/") && ends("/capture") => "capture",
        _ if ends("/authorize") => "authorize",
        _ if path.starts_with("/v2/payments/authorizations/") && ends("/capture") => "take",
        _ if ends("/void") => "void",
        _ if ends("/refund") => "refund",
        _ if path.starts_with("/v2/payments/refunds/") => "query_refund",
        _ if *method == Method::PATCH => "patch",
        _ => "query",
    }
}

fn declined(params: &Map<String, Value>) -> Response {
    let issue = params.get("issue").and_then(Value::as_str).unwrap_or("INSTRUMENT_DECLINED");
    let mut answer = Refusal::issue(issue, "The requested action could not be performed.").into_response();
    if ["INSTRUMENT_DECLINED", "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING", "PAYER_ACTION_REQUIRED"].contains(&issue) {
        answer.extensions_mut().insert(orders::CardDeclined);
    }
    answer
}

/// A refusal as the channel writes it.
pub(super) struct Refusal {
    status: StatusCode,
    name: &'static str,
    issue: String,
    description: String,
    field: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, name: &'static str, issue: &str, description: &str) -> Self {
        Self { status, name, issue: issue.to_owned(), description: description.to_owned(), field: None }
    }

    /// 422: understood, and not to be done.
    pub(super) fn issue(issue: &str, description: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", issue, description)
    }

    /// 422 about a field.
    pub(super) fn value(field: &'static str, issue: &str) -> Self {
        Self { field: Some(field), ..Self::issue(issue, "The value of a field cannot be used.") }
    }

    /// 400: a field is missing or malformed.
    pub(super) fn malformed(field: &'static str, issue: &str) -> Self {
        let description = "The value of a field is missing or does not have the expected form.";
        Self { field: Some(field), ..Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", issue, description) }
    }

    /// 404.
    pub(super) fn missing() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "RESOURCE_NOT_FOUND",
            "INVALID_RESOURCE_ID",
            "Specified resource ID does not exist. Please check the resource ID and try again.",
        )
    }

    fn broken() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            "",
            "An internal server error has occurred.",
        )
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the payment channel could not use the book");
        Self::broken()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let debug_id = keys::secret(13).unwrap_or_default().to_lowercase();
        let message = match self.name {
            "INVALID_REQUEST" => "Request is not well-formed, syntactically incorrect, or violates schema.",
            "RESOURCE_NOT_FOUND" => "The specified resource does not exist.",
            "UNPROCESSABLE_ENTITY" => {
                "The requested action could not be performed, semantically incorrect, or failed business validation."
            }
            _ => "An internal server error has occurred.",
        };
        let mut body = json!({"name": self.name, "message": message, "debug_id": debug_id});
        if !self.issue.is_empty() {
            let mut detail = json!({"issue": self.issue, "description": self.description});
            if let Some(field) = self.field {
                detail["field"] = json!(field);
                detail["location"] = json!("body");
            }
            body["details"] = json!([detail]);
            let href = format!("https://developer.paypal.com/docs/api/orders/v2/#error-{}", self.issue);
            body["links"] = json!([{"href": href, "rel": "information_link", "method": "GET"}]);
        }
        (self.status, [("paypal-debug-id", debug_id)], Wire(body)).into_response()
    }
}

/// JSON under the content type the channel uses.
pub(super) struct Wire(pub(super) Value);

impl IntoResponse for Wire {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

/// What a handler answers.
pub(super) type Answer = Result<Response, Refusal>;

/// A request's JSON body; an empty one is an empty object.
pub(super) fn read_body(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    let json = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !json.starts_with("application/json") {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "INVALID_REQUEST",
            "UNSUPPORTED_MEDIA_TYPE",
            "The server does not support the request payload's media type.",
        ));
    }
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::malformed("/", "MALFORMED_REQUEST_JSON"))
}

/// Whether the caller wants to see everything.
pub(super) fn full(headers: &HeaderMap) -> bool {
    headers.get("prefer").is_some_and(|prefer| prefer == "return=representation")
}

/// The same object with only what a minimal answer shows.
pub(super) fn brief(wire: &Value, fields: &[&str]) -> Value {
    let shown = fields.iter().filter_map(|field| Some(((*field).to_owned(), wire.get(*field)?.clone())));
    Value::Object(shown.collect())
}

/// A 17-character id.
pub(super) fn fresh_id(world: &World, what: &str) -> String {
    world.ids.code(what, 17).to_uppercase()
}

/// Seconds since the epoch as the channel writes instants.
pub(super) fn instant(us: i64) -> String {
    crate::clock::instant(us).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How the scenario wants the next capture or refund to end, and when: the word, and the moment if it ends by itself.
pub(super) fn fate(world: &World, rule: &str) -> (String, Option<i64>) {
    let params = world.switches.strike(PROVIDER, rule).unwrap_or_default();
    let asked = ["value", "outcome", rule].iter().find_map(|key| params.get(*key)?.as_str()).unwrap_or("COMPLETED");
    let wait_us = params.get("settle_ms").and_then(Value::as_i64).map(|ms| ms.saturating_mul(1000));
    (asked.to_owned(), wait_us.map(|wait_us| world.now_us().saturating_add(wait_us)))
}

/// Whether this answer means that the notification was taken.
pub(crate) fn taken(status: u16, _: &str) -> bool {
    (200..300).contains(&status)
}

/// Seconds between tries: 25 tries in about three days; the provider tells only the number and the span.
pub(crate) const RETRY_S: [i64; 25] = [
    60, 120, 300, 600, 1200, 1800, 3600, 3600, 7200, 7200, 10_800, 10_800, 14_400, 14_400, 14_400, 14_400, 14_400,
    14_400, 14_400, 14_400, 14_400, 14_400, 14_400, 14_400, 14_400,
];

/// Every payment as the control port's book shows it.
pub(crate) async fn payments(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let mut shown = Vec::new();
    for order in book.all(orders::ORDER).await? {
        let taken = book.linked(captures::CAPTURE, &order.id).await?.pop();
        let set_aside = book.linked(captures::AUTHORIZATION, &order.id).await?.pop();
        let last = taken.as_ref().or(set_aside.as_ref());
        shown.push(json!({
            "channel": PROVIDER,
            "out_trade_no": order.link,
            "transaction_id": last.map(|last| last.id.clone()),
            "state": last.map_or(order.text("status"), |last| last.text("status")),
            "total_fen": order.number("minor"),
            "taken_fen": taken.as_ref().map_or(0, |taken| taken.number("taken_minor")),
            "currency": order.hidden("currency"),
        }));
    }
    Ok(shown)
}

/// Every refund as the control port's book shows it.
pub(crate) async fn refunds(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let mut shown = Vec::new();
    for refund in book.all(refunds::REFUND).await? {
        shown.push(json!({
            "channel": PROVIDER,
            "out_refund_no": refund.wire["custom_id"],
            "out_trade_no": refund.hidden("custom_id"),
            "refund_fen": refund.number("minor"),
            "currency": refund.hidden("currency"),
            "state": refund.wire["status"],
        }));
    }
    Ok(shown)
}

/// Ends the captures and refunds that are due, with their notifications, and tells when something is due next.
pub(crate) async fn settle(world: &World) -> Result<Option<i64>, StoreError> {
    let mut book = world.book().await?;
    captures::settle_due(world, &mut book).await?;
    refunds::settle_due(world, &mut book).await?;
    let next = [book.next_due(captures::CAPTURE).await?, book.next_due(refunds::REFUND).await?];
    book.commit().await?;
    Ok(next.into_iter().flatten().min())
}

/// After a rule changed: what was left open ends as the rule now says.
pub(crate) async fn reconsider(world: &World) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    for (kind, rule) in [(captures::CAPTURE, "capture_outcome"), (refunds::REFUND, "refund_outcome")] {
        let outcome = world.switches.word(PROVIDER, rule).unwrap_or_else(|| "COMPLETED".to_owned());
        if outcome == "PENDING" {
            continue;
        }
        for mut open in book.all(kind).await? {
            if open.text("status") == "PENDING" && open.due_us.is_none() {
                open.inner["outcome"] = json!(outcome);
                open.due_us = Some(world.now_us());
                book.put(kind, &open).await?;
            }
        }
    }
    disputes::reconsider(world, &mut book).await?;
    world.commit(book).await
}
