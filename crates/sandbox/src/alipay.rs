//! Alipay OpenAPI (`/gateway.do`) for one merchant: codes to scan, the hosted pages, the string for its SDK, queries, close, cancel, refunds,
//! bills and signed notices.
//!
//! Facts: opendocs.alipay.com (signing, alipay.trade.*, asynchronous notice) and the official clients. Parameters of query and
//! form are one set before the signature is judged; an answer's signature covers its inner object as sent. Deliberately not
//! here: how notices are tried again (`notify`), the newer REST interface, other products.

mod bills;
mod cashier;
mod keys;
mod notice;
mod refunds;
mod rows;
pub(crate) mod sign;
mod trades;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

pub(crate) use keys::Credentials;
pub(crate) use notice::{RETRY_S, notification, taken};
pub(crate) use refunds::refunds;
pub(crate) use rows::{ROWS, is_of_money};
pub(crate) use trades::{Scanned, pay, payments, settle};

use crate::net::Cut;
use crate::store::{Book, StoreError};
use crate::world::{Shared, World, vanish};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "alipay";

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    Router::new()
        .route("/gateway.do", get(gateway).post(gateway))
        .route(bills::DOWNLOAD, get(bills::download))
        .route("/cashier/{token}", get(cashier::page))
        .route("/cashier/{token}/{decision}", post(cashier::decide))
        .with_state(Arc::clone(world))
}

/// A request's parameters, query and form together.
pub(super) struct Asked {
    parameters: BTreeMap<String, String>,
    content: Value,
}

impl Asked {
    /// A common parameter; empty when absent.
    pub(super) fn common(&self, name: &str) -> &str {
        self.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A text of `biz_content`; empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.content[name].as_str().unwrap_or_default()
    }

    /// Whether the merchant works with certificates.
    pub(super) fn by_certificate(&self) -> bool {
        !self.common("app_cert_sn").is_empty()
    }
}

/// A refusal as the channel writes it: `code`, `msg`, `sub_code`, `sub_msg`.
pub(super) struct Refusal {
    code: &'static str,
    sub_code: String,
    sub_msg: &'static str,
    /// What the answer says besides.
    rest: Value,
}

impl Refusal {
    /// 40004 with a code of the payment products.
    pub(super) fn business(sub_code: &str, sub_msg: &'static str) -> Self {
        Self { code: "40004", sub_code: format!("ACQ.{sub_code}"), sub_msg, rest: json!({}) }
    }

    fn gateway(code: &'static str, sub_code: &str, sub_msg: &'static str) -> Self {
        Self { code, sub_code: sub_code.to_owned(), sub_msg, rest: json!({}) }
    }

    /// The same refusal, naming the payment.
    pub(super) fn about(mut self, number: &str) -> Self {
        self.rest = json!({"out_trade_no": number});
        self
    }

    fn wire(self) -> Value {
        let msg = match self.code {
            "20000" => "Service Currently Unavailable",
            "40001" => "Missing Required Arguments",
            "40002" => "Invalid Arguments",
            "40006" => "Insufficient Permissions",
            _ => "Business Failed",
        };
        let mut wire = self.rest;
        for (name, value) in
            [("code", self.code), ("msg", msg), ("sub_code", &self.sub_code), ("sub_msg", self.sub_msg)]
        {
            wire[name] = json!(value);
        }
        wire
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the payment channel could not use the book");
        Self::gateway("20000", "isp.unknow-error", "系统繁忙")
    }
}

/// What a call answers inside.
pub(super) type Answer = Result<Value, Refusal>;

/// The one address of the interface: a call, or a page to open.
async fn gateway(
    State(world): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let (asked, checked) = read(&world, query.as_deref().unwrap_or_default(), &body);
    let name = asked.common("method").to_owned();
    let page = name.ends_with(".page.pay") || name.ends_with(".wap.pay");
    if method == Method::GET && !page {
        return (StatusCode::METHOD_NOT_ALLOWED, "POST").into_response();
    }
    let op = operation(&name);
    let outcome = match checked {
        Ok(()) => {
            if let Some(params) = world.switches.strike_op(PROVIDER, "time_out_before", op) {
                return vanish(&cut, &params).await;
            }
            match world.switches.strike_op(PROVIDER, "decline", op) {
                Some(params) => Err(declined(&params)),
                None if page => match cashier::open_page(&world, &asked).await {
                    Ok(address) => return (StatusCode::FOUND, [(header::LOCATION, address)]).into_response(),
                    Err(refusal) => Err(refusal),
                },
                None => call(&world, &name, &asked).await,
            }
        }
        Err(refusal) => Err(refusal),
    };
    let done = outcome.is_ok();
    let mut inner = outcome.unwrap_or_else(Refusal::wire);
    if done {
        inner["code"] = json!("10000");
        inner["msg"] = json!("Success");
        if let Some(params) = world.switches.strike_op(PROVIDER, "act_then_time_out", op) {
            return vanish(&cut, &params).await;
        }
    }
    sealed(&world, &name, &asked, &inner)
}

fn operation(method: &str) -> &'static str {
    match method {
        "alipay.trade.query" => "query",
        "alipay.trade.close" => "close",
        "alipay.trade.cancel" => "cancel",
        "alipay.trade.refund" => "refund",
        "alipay.trade.fastpay.refund.query" => "query_refund",
        "alipay.data.dataservice.bill.downloadurl.query" => "bill",
        _ => "create",
    }
}

async fn call(world: &Shared, method: &str, asked: &Asked) -> Answer {
    match method {
        "alipay.trade.precreate" => trades::precreate(world, asked).await,
        "alipay.trade.query" => trades::query(world, asked).await,
        "alipay.trade.close" => trades::close(world, asked).await,
        "alipay.trade.cancel" => trades::cancel(world, asked).await,
        "alipay.trade.refund" => refunds::create(world, asked).await,
        "alipay.trade.fastpay.refund.query" => refunds::query(world, asked).await,
        "alipay.data.dataservice.bill.downloadurl.query" => bills::place(world, asked).await,
        "" => Err(Refusal::gateway("40001", "isv.missing-method", "缺少方法名参数")),
        _ => Err(Refusal::gateway("40002", "isv.invalid-method", "不存在的方法名")),
    }
}

fn declined(params: &Map<String, Value>) -> Refusal {
    let code = params.get("code").and_then(Value::as_str).unwrap_or("TRADE_STATUS_ERROR");
    Refusal::business(code.strip_prefix("ACQ.").unwrap_or(code), "交易状态不合法")
}

const HANDED_OVER: &str = "alipay.trade.app.pay";

/// Looks up what a phone was given: a code, or the string a merchant's app hands to the channel's. None when it is nothing of
/// this channel, or not signed by the merchant.
pub(crate) async fn scan(world: &World, book: &mut Book, text: &str) -> Result<Option<Scanned>, StoreError> {
    if !text.contains(HANDED_OVER) {
        return trades::scan(world, book, text).await;
    }
    match read(world, text.trim(), b"") {
        (asked, Ok(())) if asked.common("method") == HANDED_OVER => trades::handed_over(world, book, &asked).await,
        _ => Ok(None),
    }
}

/// Merges query and form, and judges what every request needs.
fn read(world: &World, query: &str, body: &[u8]) -> (Asked, Result<(), Refusal>) {
    let mut parameters = BTreeMap::new();
    let mut repeated = false;
    let pairs = url::form_urlencoded::parse(query.as_bytes()).chain(url::form_urlencoded::parse(body));
    for (name, value) in pairs {
        repeated |= parameters.insert(name.into_owned(), value.into_owned()).is_some();
    }
    let text = parameters.get("biz_content").map(String::as_str).unwrap_or("{}");
    let content: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
    let readable = content.is_some();
    let asked = Asked { parameters, content: content.unwrap_or_default() };
    let checked = if repeated {
        Err(Refusal::gateway("40002", "isv.invalid-parameter", "参数重复"))
    } else {
        check(world, &asked, readable)
    };
    (asked, checked)
}

fn check(world: &World, asked: &Asked, readable: bool) -> Result<(), Refusal> {
    let Some(keys) = &world.credentials.alipay else {
        return Err(Refusal::gateway("20000", "isp.unknow-error", "系统繁忙"));
    };
    let wrong = |sub_code: &str, sub_msg| Err(Refusal::gateway("40002", sub_code, sub_msg));
    for (name, sub_code, sub_msg) in [
        ("app_id", "isv.missing-app-id", "缺少AppId参数"),
        ("method", "isv.missing-method", "缺少方法名参数"),
        ("sign_type", "isv.missing-signature-type", "缺少签名类型参数"),
        ("sign", "isv.missing-signature", "缺少签名参数"),
        ("timestamp", "isv.missing-timestamp", "缺少时间戳参数"),
        ("version", "isv.missing-version", "缺少版本参数"),
    ] {
        if asked.common(name).is_empty() {
            return Err(Refusal::gateway("40001", sub_code, sub_msg));
        }
    }
    if asked.common("app_id") != keys.app_id {
        return wrong("isv.invalid-app-id", "无效的AppID参数");
    }
    if asked.common("sign_type") != "RSA2" {
        return wrong("isv.invalid-signature-type", "无效的签名类型");
    }
    if !["", "JSON", "json"].contains(&asked.common("format")) {
        return wrong("isv.invalid-format", "无效的数据格式");
    }
    if !asked.common("charset").eq_ignore_ascii_case("utf-8") {
        return wrong("isv.invalid-charset", "字符集错误");
    }
    if crate::clock::from_beijing(asked.common("timestamp")).is_none() {
        return wrong("isv.invalid-timestamp", "非法的时间戳参数");
    }
    let certificates = (asked.common("app_cert_sn"), asked.common("alipay_root_cert_sn"));
    if certificates != ("", "") && certificates != (keys.app_cert_sn.as_str(), keys.alipay_root_cert_sn.as_str()) {
        return wrong("isv.invalid-app-cert-sn", "应用公钥证书或根证书序列号错误");
    }
    if !sign::verified(&keys.app_public_key_pem, &asked.parameters) {
        return wrong("isv.invalid-signature", "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配");
    }
    if !readable {
        return wrong("isv.invalid-parameter", "biz_content不是JSON");
    }
    Ok(())
}

/// The answer as it is sent: the inner object, and the signature over exactly its text. Slashes are escaped, as the channel
/// does, so that a client that writes the object anew before checking fails.
fn sealed(world: &World, method: &str, asked: &Asked, inner: &Value) -> Response {
    let Some(keys) = &world.credentials.alipay else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let text = inner.to_string().replace('/', "\\/");
    let spoilt = world.switches.strike(PROVIDER, "bad_response_signature").is_some();
    let signature = if spoilt { None } else { sign::sign(&keys.alipay_private_key_pem, &text) };
    let signature = signature.unwrap_or_else(|| "bm90IGEgc2lnbmF0dXJl".to_owned());
    let key =
        if method.is_empty() { "error_response".to_owned() } else { format!("{}_response", method.replace('.', "_")) };
    let serial =
        if asked.by_certificate() { format!("\"alipay_cert_sn\":\"{}\",", keys.alipay_cert_sn) } else { String::new() };
    // Any text may be the method's name.
    let key = json!(key);
    let body = format!("{{{key}:{text},{serial}\"sign\":\"{signature}\"}}");
    ([(header::CONTENT_TYPE, "text/html;charset=utf-8")], body).into_response()
}
