//! WeChat Pay API v3 for one direct merchant: payments by code, on the page for phones, inside of WeChat and by its SDK, queries,
//! close, refunds, trade bills, platform certificates and signed notifications.
//!
//! Facts: pay.weixin.qq.com merchant documentation (request signature, native, H5, JSAPI and app payment, refunds, payment
//! notice). The body and the signature are judged on the raw bytes. Deliberately not here: the other trade types, partners,
//! bills of other kinds.

mod bills;
mod h5;
mod kinds;
mod notice;
mod refunds;
mod rows;
mod sign;
mod transactions;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

pub(crate) use notice::notification;
pub(crate) use refunds::{REFUND, reconsider as reconsider_refunds, settle_refunds};
pub(crate) use rows::{ROWS, is_of_money};
pub(crate) use sign::Keys;
pub(crate) use transactions::{PAYMENT, Scanned, pay, scan};

use crate::store::StoreError;
use crate::world::{Faulty, Shared, faults};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "wechatpay";

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: operation, declined };
    Router::new()
        .route("/v3/pay/transactions/{kind}", post(transactions::create))
        .route("/v3/pay/transactions/out-trade-no/{number}", get(transactions::query_by_number))
        .route("/v3/pay/transactions/id/{id}", get(transactions::query_by_id))
        .route("/v3/pay/transactions/out-trade-no/{number}/close", post(transactions::close))
        .route("/v3/refund/domestic/refunds", post(refunds::create))
        .route("/v3/refund/domestic/refunds/{number}", get(refunds::query))
        .route("/v3/bill/tradebill", get(bills::place))
        .route(bills::DOWNLOAD, get(bills::download))
        .route("/v3/certificates", get(notice::certificates))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "接口不存在") })
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(Arc::clone(world), signed))
        .with_state(Arc::clone(world))
        .merge(h5::router(world))
}

fn operation(method: &Method, path: &str) -> &'static str {
    match (method, path) {
        (_, path) if path.ends_with("/close") => "close",
        (&Method::POST, "/v3/refund/domestic/refunds") => "refund",
        (&Method::GET, path) if path.starts_with("/v3/refund/") => "query_refund",
        (&Method::POST, _) => "create",
        (_, "/v3/certificates") => "certificates",
        (_, "/v3/bill/tradebill") => "bill",
        (_, bills::DOWNLOAD) => "download",
        _ => "query",
    }
}

fn declined(params: &Map<String, Value>) -> Response {
    let code = params.get("code").and_then(Value::as_str).unwrap_or("RULE_LIMIT");
    (StatusCode::FORBIDDEN, axum::Json(json!({"code": code, "message": "业务规则限制"}))).into_response()
}

/// A refusal as the channel writes it: `{"code","message"}`.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Option<Value>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None }
    }

    /// 400 PARAM_ERROR that names the field.
    pub(super) fn param(field: &str, issue: &str) -> Self {
        let detail = json!({"field": field, "issue": issue, "location": "body"});
        Self {
            detail: Some(detail), ..Self::new(StatusCode::BAD_REQUEST, "PARAM_ERROR", format!("参数错误: {field}"))
        }
    }

    fn unsigned() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "SIGN_ERROR", "签名错误")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the payment channel could not use the book");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "SYSTEM_ERROR", "系统异常，请稍后重试")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"code": self.code, "message": self.message});
        if let Some(detail) = self.detail {
            body["detail"] = detail;
        }
        (self.status, Wire(body)).into_response()
    }
}

/// Compact JSON under the content type the channel uses.
pub(super) struct Wire(pub(super) Value);

impl IntoResponse for Wire {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], self.0.to_string()).into_response()
    }
}

/// What a handler answers.
pub(super) type Answer = Result<Response, Refusal>;

/// Checks the request's signature over its raw bytes, and signs the answer over its own.
async fn signed(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, 1_000_000).await else {
        return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "PARAM_ERROR", "请求过大").into_response();
    };
    if let Err(refusal) = check(&world, &parts, &bytes) {
        return refusal.into_response();
    }
    // A bill's file is proved by its hash and carries no signature.
    if parts.uri.path() == bills::DOWNLOAD {
        return next.run(Request::from_parts(parts, Body::from(bytes))).await;
    }
    let asked = parts.headers.get("Wechatpay-Serial").and_then(|serial| serial.to_str().ok()).map(str::to_owned);
    let answer = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    seal(&world, asked.as_deref(), answer).await
}

fn check(world: &Shared, parts: &axum::http::request::Parts, body: &Bytes) -> Result<(), Refusal> {
    let header =
        |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header(header::USER_AGENT).is_empty() || !header(header::ACCEPT).contains("application/json") {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "PARAM_ERROR", "Http头缺少Accept或User-Agent"));
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let text = std::str::from_utf8(body).map_err(|_| Refusal::unsigned())?;
    let verified = world.pay_keys.verify_request(
        &world.credentials,
        header(header::AUTHORIZATION),
        [parts.method.as_str(), target, text],
        world.now_us() / 1_000_000,
    );
    if verified { Ok(()) } else { Err(Refusal::unsigned()) }
}

async fn seal(world: &Shared, asked: Option<&str>, answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, 1_000_000).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if let Ok(id) = HeaderValue::from_str(&world.ids.uuid("request")) {
        parts.headers.insert("Request-ID", id);
    }
    if parts.status.is_success() {
        let Some(mut headers) = notice::signature_headers(world, asked, &bytes) else {
            return Refusal::new(StatusCode::BAD_REQUEST, "PARAM_ERROR", "平台证书序列号错误").into_response();
        };
        if world.switches.strike(PROVIDER, "bad_response_signature").is_some() {
            headers.insert("Wechatpay-Signature", HeaderValue::from_static("bm90IGEgc2lnbmF0dXJl"));
        }
        parts.headers.extend(headers);
    }
    Response::from_parts(parts, Body::from(bytes))
}
