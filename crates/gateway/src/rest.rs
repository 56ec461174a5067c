//! The REST surface: orders paid by scanning a code, for a merchant's own pages and back ends.
//!
//! The addresses are those of the payment plan. Whoever calls is named by a signed token, and sees only what is theirs; the
//! channel's callback is admitted by its own signature alone. What a payment is, and every rule about money, is the desk's.
//! Deliberately not here: confirming a booking (only money that arrived does), issuing tokens, a catalogue of prices.

mod confirmations;
pub(crate) mod defence;
pub(crate) mod orders;
pub(crate) mod problem;
mod qrcode;
pub(crate) mod token;
pub(crate) mod view;

use crate::{
    config::RestConfig,
    gate::{Gate, Word},
    inbox::{self, Inbox},
    mcp::scope::Resource,
    pay::desk::Desk,
    store::updates,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{future::Future, str::FromStr, sync::Arc};
use token::Tokens;
use tokio_util::task::TaskTracker;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use zhiyou_domain::id::{ConfirmationId, OrderId};

/// Largest request, bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest client key, bytes.
const KEY_BYTES_MAX: usize = 128;

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Rest {
    desk: Desk,
    gate: Gate,
    inbox: Inbox,
    tokens: Arc<Tokens>,
    tracker: TaskTracker,
}

/// Every route with its method, as the description has to name it.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<Rest>)> {
    vec![
        ("post", "/api/v1/payment/orders/create", post(create_order)),
        ("get", "/api/v1/payment/orders/{order_id}", get(get_order)),
        ("post", "/api/v1/payment/orders/{order_id}/cancel", post(cancel_order)),
        ("post", "/api/v1/payment/orders/{order_id}/refund", post(refund_order)),
        ("get", "/api/v1/payment/confirmations/{confirmation_id}", get(show_confirmation)),
        ("post", "/api/v1/payment/confirmations/{confirmation_id}/approve", post(approve)),
        ("post", "/api/v1/payment/confirmations/{confirmation_id}/deny", post(deny)),
        ("post", "/api/v1/payment/confirmations/{confirmation_id}/code", post(show_confirmation_code)),
        ("post", "/api/v1/payment/wxpay/create", post(create_payment)),
        ("get", "/api/v1/payment/wxpay/qrcode/{order_id}", get(show_code)),
        ("post", "/api/v1/payment/wxpay/callback", post(callback)),
        ("get", "/api/health", get(health)),
        ("get", "/api/health/db", get(health_db)),
        ("get", "/api/openapi.json", get(description)),
    ]
}

/// The routes under `/api`; what is for `agents` opens none of them.
pub(crate) fn router(config: &RestConfig, agents: &Resource, gate: Gate, inbox: Inbox, tracker: TaskTracker) -> Router {
    let rest = Rest { desk: gate.desk.clone(), gate, inbox, tokens: Arc::new(Tokens::new(config, agents)), tracker };
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, method)| router.route(path, method))
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "not this way")
        })
        .route("/api/{*rest}", axum::routing::any(|| async { Problem::not_found() }))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(rest)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Zhiyou payments", description = "Orders paid by scanning a code. Amounts are minor units, never decimals."),
    paths(
        create_order, get_order, cancel_order, refund_order, show_confirmation, approve, deny, show_confirmation_code,
        create_payment, show_code, callback, health, health_db, description
    ),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = description.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Who calls.
struct Caller(String);

impl FromRequestParts<Rest> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let token = token::shown(&parts.headers);
        rest.tokens.subject(token, rest.desk.clock.now()).map(Self).map_err(|error| {
            tracing::debug!(%error, "a caller was refused");
            // One answer for every refusal: a forger learns nothing from it.
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "a valid token is needed")
        })
    }
}

/// What an address names, an order or a confirmation; anything else is not found.
struct Named<T>(T);

impl<T: FromStr> FromRequestParts<Rest> for Named<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, rest).await;
        path.ok().and_then(|Path(text)| text.parse().ok()).map(Self).ok_or_else(Problem::not_found)
    }
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid(&if path == "." {
            "the body is not as described".to_owned()
        } else {
            format!("{path} is not as described")
        })
    })?;
    reader.end().map_err(|_| Problem::invalid("the body is not as described"))?;
    Ok(read)
}

fn client_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    if plain {
        Ok(key.to_owned())
    } else {
        Err(Problem::new(StatusCode::BAD_REQUEST, "key_missing", "Idempotency-Key has to be 1 to 128 plain characters"))
    }
}

impl Rest {
    /// Runs what has an effect on its own task: a caller who goes away cannot cut it in two.
    async fn whole<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        self.tracker.spawn(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request ended without an answer");
            Err(Problem::internal())
        })
    }
}

/// Creates an order; the same key again answers the same order.
#[utoipa::path(post, path = "/api/v1/payment/orders/create", request_body = view::NewOrder, security(("token" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 128 plain characters, unique per order")),
    responses((status = 201, body = view::OrderView), (status = 200, body = view::OrderView, description = "Created before"),
        (status = 400, body = problem::ProblemBody), (status = 401, body = problem::ProblemBody),
        (status = 409, body = problem::ProblemBody, description = "The key was used for another order")))]
async fn create_order(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let (key, wish) = (client_key(&headers)?, body::<view::NewOrder>(&bytes)?);
    let (status, order) = orders::create(&rest.desk, subject, key, wish).await?;
    Ok((status, Json(order)).into_response())
}

/// Where an order stands. An open payment is asked about at the channel.
#[utoipa::path(get, path = "/api/v1/payment/orders/{order_id}", security(("token" = [])),
    params(("order_id" = String, Path)),
    responses((status = 200, body = view::OrderView), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody)))]
async fn get_order(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<OrderId>,
) -> Result<Json<view::OrderView>, Problem> {
    let desk = rest.desk.clone();
    rest.whole(async move { orders::status(&desk, &subject, id).await }).await.map(Json)
}

/// Cancels an order that is not paid. Money that came first stays, and the answer says so.
#[utoipa::path(post, path = "/api/v1/payment/orders/{order_id}/cancel", security(("token" = [])),
    params(("order_id" = String, Path)),
    responses((status = 200, body = view::OrderView), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody), (status = 409, body = problem::ProblemBody, description = "Paid"),
        (status = 503, body = problem::ProblemBody, description = "Not known; ask again")))]
async fn cancel_order(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<OrderId>,
) -> Result<Json<view::OrderView>, Problem> {
    let desk = rest.desk.clone();
    rest.whole(async move { orders::cancel(&desk, &subject, id).await }).await.map(Json)
}

/// Gives money back, all that is left or a part; the same key again gives back once.
#[utoipa::path(post, path = "/api/v1/payment/orders/{order_id}/refund", request_body = view::NewRefund,
    security(("token" = [])),
    params(("order_id" = String, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 128 plain characters, unique per refund")),
    responses((status = 200, body = view::RefundView), (status = 400, body = problem::ProblemBody),
        (status = 401, body = problem::ProblemBody), (status = 404, body = problem::ProblemBody),
        (status = 409, body = problem::ProblemBody), (status = 422, body = problem::ProblemBody),
        (status = 503, body = problem::ProblemBody, description = "Not known; ask again with the same key")))]
async fn refund_order(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<OrderId>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<view::RefundView>, Problem> {
    let (key, wish) = (client_key(&headers)?, body::<view::NewRefund>(&bytes)?);
    let desk = rest.desk.clone();
    rest.whole(async move { orders::refund(&desk, &subject, id, key, wish).await }).await.map(Json)
}

/// What an agent wants done, as its customer is asked.
#[utoipa::path(get, path = "/api/v1/payment/confirmations/{confirmation_id}", security(("token" = [])),
    params(("confirmation_id" = String, Path)),
    responses((status = 200, body = confirmations::ConfirmationView), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody)))]
async fn show_confirmation(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<ConfirmationId>,
) -> Result<Json<confirmations::ConfirmationView>, Problem> {
    let asked = rest.gate.show(&subject, id).await?;
    Ok(Json(confirmations::view(&asked, rest.desk.clock.now())))
}

/// The customer says yes: the agent's same call goes on. Said before, it changes nothing.
#[utoipa::path(post, path = "/api/v1/payment/confirmations/{confirmation_id}/approve", security(("token" = [])),
    params(("confirmation_id" = String, Path)),
    responses((status = 200, body = confirmations::ConfirmationView), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody), (status = 409, body = problem::ProblemBody, description = "Too late")))]
async fn approve(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<ConfirmationId>,
) -> Result<Json<confirmations::ConfirmationView>, Problem> {
    let asked = rest.gate.say(&subject, id, Word::Yes).await?;
    Ok(Json(confirmations::view(&asked, rest.desk.clock.now())))
}

/// The customer says no.
#[utoipa::path(post, path = "/api/v1/payment/confirmations/{confirmation_id}/deny", security(("token" = [])),
    params(("confirmation_id" = String, Path)),
    responses((status = 200, body = confirmations::ConfirmationView), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody), (status = 409, body = problem::ProblemBody, description = "Too late")))]
async fn deny(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<ConfirmationId>,
) -> Result<Json<confirmations::ConfirmationView>, Problem> {
    let asked = rest.gate.say(&subject, id, Word::No).await?;
    Ok(Json(confirmations::view(&asked, rest.desk.clock.now())))
}

/// A code the customer can tell the agent instead of approving; show it only after what is asked was shown.
#[utoipa::path(post, path = "/api/v1/payment/confirmations/{confirmation_id}/code", security(("token" = [])),
    params(("confirmation_id" = String, Path)),
    responses((status = 200, body = confirmations::ConfirmationCode), (status = 401, body = problem::ProblemBody),
        (status = 404, body = problem::ProblemBody), (status = 409, body = problem::ProblemBody, description = "Decided, or too late")))]
async fn show_confirmation_code(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<ConfirmationId>,
) -> Result<Json<confirmations::ConfirmationCode>, Problem> {
    Ok(Json(confirmations::ConfirmationCode { code: rest.gate.code(&subject, id).await? }))
}

/// Opens the order's payment at WeChat Pay; again, it is the same payment.
#[utoipa::path(post, path = "/api/v1/payment/wxpay/create", request_body = view::NewPayment, security(("token" = [])),
    responses((status = 200, body = view::CodeView), (status = 400, body = problem::ProblemBody),
        (status = 401, body = problem::ProblemBody), (status = 404, body = problem::ProblemBody),
        (status = 409, body = problem::ProblemBody), (status = 422, body = problem::ProblemBody),
        (status = 503, body = problem::ProblemBody, description = "Not known; ask again")))]
async fn create_payment(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    bytes: Bytes,
) -> Result<Json<view::CodeView>, Problem> {
    let wish = body::<view::NewPayment>(&bytes)?;
    let Ok(id) = wish.order_id.parse() else { return Err(Problem::not_found()) };
    let desk = rest.desk.clone();
    rest.whole(async move { orders::open(&desk, &subject, id).await }).await.map(Json)
}

/// The code to scan, as a picture or, by Accept, as JSON.
#[utoipa::path(get, path = "/api/v1/payment/wxpay/qrcode/{order_id}", security(("token" = [])),
    params(("order_id" = String, Path)),
    responses((status = 200, content((String = "image/svg+xml"), (view::CodeView = "application/json"))),
        (status = 401, body = problem::ProblemBody), (status = 404, body = problem::ProblemBody),
        (status = 409, body = problem::ProblemBody, description = "Nothing to scan: not opened, or over")))]
async fn show_code(
    State(rest): State<Rest>,
    Caller(subject): Caller,
    Named(id): Named<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let code = orders::code(&rest.desk, &subject, id).await?;
    qrcode::answer(&headers, code)
}

/// Where WeChat Pay sends its signed notifications; the same inbox as `/notify/wechatpay`.
#[utoipa::path(post, path = "/api/v1/payment/wxpay/callback", request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "Kept"), (status = 400, description = "Genuine, and not about us"),
        (status = 401, description = "Not genuine")))]
async fn callback(State(rest): State<Rest>, request: Request) -> Response {
    inbox::from_named(rest.inbox, "wechatpay", request).await
}

/// Whether the gateway answers.
#[utoipa::path(get, path = "/api/health", responses((status = 200, description = "It does")))]
async fn health() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Whether the gateway's database answers.
#[utoipa::path(get, path = "/api/health/db",
    responses((status = 200, description = "It does"), (status = 503, body = problem::ProblemBody)))]
async fn health_db(State(rest): State<Rest>) -> Result<Response, Problem> {
    match updates::newest(rest.desk.store.reader()).await {
        Ok(_) => Ok(Json(json!({"status": "ok"})).into_response()),
        Err(error) => {
            tracing::error!(%error, "the gateway's database does not answer");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database", "the database does not answer"))
        }
    }
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
async fn description() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let described = serde_json::to_value(Description::openapi()).unwrap();
        let mut served: Vec<String> = routes().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        let paths = described["paths"].as_object().unwrap();
        let mut named: Vec<String> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        served.sort();
        named.sort();
        assert_eq!(served, named);
        let open = ["/api/v1/payment/wxpay/callback", "/api/health", "/api/health/db", "/api/openapi.json"];
        for (path, methods) in paths {
            for operation in methods.as_object().unwrap().values() {
                assert_eq!(operation.get("security").is_none(), open.contains(&path.as_str()), "{path}");
            }
        }
    }

    #[test]
    fn a_refused_body_is_named_without_quoting_it() {
        let refused = |text: &str| body::<view::NewOrder>(&Bytes::from(text.to_owned())).unwrap_err();
        let decimal =
            refused(r#"{"kind":"travel","reference":"r","description":"d","amount":{"minor":200.5,"currency":"CNY"}}"#);
        assert_eq!(decimal.to_string(), "invalid_request: amount.minor is not as described");
        let secret = refused(r#"{"kind":"Amelia"}"#).to_string();
        assert!(!secret.contains("Amelia"), "{secret}");
        assert!(client_key(&HeaderMap::new()).is_err());
    }
}
