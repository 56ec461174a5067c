//! Alipay+ for one merchant: payments on the channel's page, questions, cancellation, refunds and signed notifications, in the
//! interface for merchants (`/ams`, Antom) and in the one for acquirers (`/aps`), which is the same book behind other words.
//!
//! Facts: docs.antom.com and docs.alipayplus.com (the calls, payment status, cancel, notifyPayment, notifyRefund),
//! `global-open-sdk-python`, `ant-intl-alipayplus-mcp`. How a refund ends is the scenario's `refund_outcome` (`SUCCESS` when
//! unset; `PROCESSING` ends after `settle_ms` on the sandbox's clock, as `then` says). Deliberately not here: payments without a
//! page, disputes, customs, statements; how notifications are tried again (`notify`).

mod notice;
mod page;
mod payments;
mod refunds;
mod rows;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use notice::{RETRY_S, notification, taken};
pub(crate) use payments::payments;
pub(crate) use refunds::refunds;
pub(crate) use rows::{ROWS, is_of_money};

use crate::clock;
use crate::keys::{KeyError, private_pem, public_pem, rsa, secret};
use crate::net::Cut;
use crate::store::StoreError;
use crate::world::{Shared, World, literal_host, vanish};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "alipayplus";

/// What the merchant's dashboard shows.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    client_id: String,
    merchant_private_key_pem: String,
    merchant_public_key_pem: String,
    alipay_public_key_pem: String,
    alipay_private_key_pem: String,
}

impl Credentials {
    /// Two RSA keys and a client id, which does not begin as those of the provider's own test world do.
    pub(crate) fn make() -> Result<Self, KeyError> {
        let (merchant, alipay) = (rsa()?, rsa()?);
        Ok(Self {
            client_id: format!("5Y{}", secret(15)?.to_uppercase()),
            merchant_private_key_pem: private_pem(&merchant)?,
            merchant_public_key_pem: public_pem(&merchant)?,
            alipay_public_key_pem: public_pem(&alipay)?,
            alipay_private_key_pem: private_pem(&alipay)?,
        })
    }

    /// As `GET /credentials` shows them: everything but the channel's private key.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "merchant_private_key_pem": self.merchant_private_key_pem,
            "merchant_public_key_pem": self.merchant_public_key_pem,
            "alipay_public_key_pem": self.alipay_public_key_pem,
        })
    }
}

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    let page = Router::new()
        .route("/cashier", get(page::ask).post(page::decide))
        .layer(middleware::from_fn_with_state(world.urls.alipayplus.clone(), literal_host));
    Router::new()
        .route("/ams/api/v1/payments/{call}", post(called))
        .route("/aps/api/v1/payments/{call}", post(called))
        .merge(page)
        .with_state(Arc::clone(world))
}

/// Whose interface is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    Merchant,
    Acquirer,
}

/// A call of either interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Pay,
    InquiryPayment,
    Cancel,
    Refund,
    InquiryRefund,
}

impl Call {
    fn of(path: &str) -> Option<(Dialect, Self)> {
        let (dialect, name) = match path.strip_prefix("/ams/api/v1/payments/") {
            Some(name) => (Dialect::Merchant, name),
            None => (Dialect::Acquirer, path.strip_prefix("/aps/api/v1/payments/")?),
        };
        let call = match (name, dialect) {
            ("pay", _) => Self::Pay,
            ("inquiryPayment", _) => Self::InquiryPayment,
            ("cancel", Dialect::Merchant) | ("cancelPayment", Dialect::Acquirer) => Self::Cancel,
            ("refund", _) => Self::Refund,
            ("inquiryRefund", Dialect::Merchant) => Self::InquiryRefund,
            _ => return None,
        };
        Some((dialect, call))
    }

    /// Its name in the scenario API.
    const fn op(self) -> &'static str {
        match self {
            Self::Pay => "create",
            Self::InquiryPayment => "query",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
            Self::InquiryRefund => "query_refund",
        }
    }
}

/// A good answer: done, or under way.
pub(super) struct Good {
    under_way: Option<&'static str>,
    wire: Value,
}

impl Good {
    /// `S`.
    pub(super) fn done(wire: Value) -> Self {
        Self { under_way: None, wire }
    }

    /// `U` with a code that says what is going on.
    pub(super) fn under_way(code: &'static str, wire: Value) -> Self {
        Self { under_way: Some(code), wire }
    }
}

/// A refusal as the channel writes it.
pub(super) struct Refusal {
    status: &'static str,
    code: String,
    message: String,
    /// Whether the answer is signed: to a stranger it is not.
    signed: bool,
}

impl Refusal {
    /// `F`: a failure for good.
    pub(super) fn failed(code: &str, message: &str) -> Self {
        Self { status: "F", code: code.to_owned(), message: message.to_owned(), signed: true }
    }

    /// A missing or wrong parameter.
    pub(super) fn parameter(name: &str) -> Self {
        Self::failed("PARAM_ILLEGAL", &format!("The parameter {name} is illegal."))
    }

    fn stranger(code: &str, message: &str) -> Self {
        Self { signed: false, ..Self::failed(code, message) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the payment channel could not use the book");
        Self {
            status: "U",
            ..Self::failed("UNKNOWN_EXCEPTION", "An API calling is failed, which is caused by unknown reasons.")
        }
    }
}

/// What a call answers.
pub(super) type Answer = Result<Good, Refusal>;

/// Every call comes here: known, signed, under the switches, answered with a signature.
async fn called(
    State(world): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let switches = &world.switches;
    if let Ok(wait_ms @ 1..) = u64::try_from(switches.amount(PROVIDER, "latency_ms", 0)) {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    let path = uri.path();
    let Some((dialect, call)) = Call::of(path) else {
        return sealed(&world, path, Err(Refusal::failed("NO_INTERFACE_DEF", "API is not defined.")));
    };
    let asked = match read(&world, path, &headers, &body) {
        Ok(asked) => asked,
        Err(refusal) => return sealed(&world, path, Err(refusal)),
    };
    if let Some(params) = switches.strike_op(PROVIDER, "time_out_before", call.op()) {
        return vanish(&cut, &params).await;
    }
    let answer = match switches.strike_op(PROVIDER, "decline", call.op()) {
        Some(params) => Err(declined(&params)),
        None => match call {
            Call::Pay => payments::pay(&world, dialect, &asked).await,
            Call::InquiryPayment => payments::inquire(&world, dialect, &asked).await,
            Call::Cancel => payments::cancel(&world, &asked).await,
            Call::Refund => refunds::create(&world, dialect, &asked).await,
            Call::InquiryRefund => refunds::inquire(&world, &asked).await,
        },
    };
    if answer.is_ok()
        && let Some(params) = switches.strike_op(PROVIDER, "act_then_time_out", call.op())
    {
        return vanish(&cut, &params).await;
    }
    sealed(&world, path, answer)
}

fn declined(params: &Map<String, Value>) -> Refusal {
    let code = params.get("code").and_then(Value::as_str).unwrap_or("ACCESS_DENIED");
    let status = if params.get("status").is_some_and(|status| status == "U") { "U" } else { "F" };
    Refusal { status, ..Refusal::failed(code, "The request was declined.") }
}

/// The body of a request that is the merchant's.
fn read(world: &World, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    let broken = || Refusal::failed("SYSTEM_ERROR", "A system error occurred.");
    let keys = world.credentials.alipayplus.as_ref().ok_or_else(broken)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("client-id") != keys.client_id {
        return Err(Refusal::stranger("CLIENT_INVALID", "The client is invalid."));
    }
    let time = text("request-time");
    if time.parse::<jiff::Timestamp>().is_err() {
        return Err(Refusal::parameter("request-time"));
    }
    if !sign::verified(&keys.merchant_public_key_pem, text("signature"), path, &keys.client_id, time, body) {
        return Err(Refusal::stranger("INVALID_SIGNATURE", "The signature is invalid."));
    }
    let json = text(header::CONTENT_TYPE.as_str()).to_ascii_lowercase().starts_with("application/json");
    if !json {
        return Err(Refusal::failed("MEDIA_TYPE_NOT_ACCEPTABLE", "The server does not implement the media type."));
    }
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(|| Refusal::parameter("body"))
}

/// The answer as it is sent, and the signature over exactly its bytes.
fn sealed(world: &World, path: &str, answer: Answer) -> Response {
    let Some(keys) = &world.credentials.alipayplus else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (wire, signed) = match answer {
        Ok(Good { under_way, mut wire }) => {
            wire["result"] = match under_way {
                None => json!({"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success."}),
                Some(code) => json!({"resultCode": code, "resultStatus": "U", "resultMessage": "in process"}),
            };
            (wire, true)
        }
        Err(Refusal { status, code, message, signed }) => {
            (json!({"result": {"resultCode": code, "resultStatus": status, "resultMessage": message}}), signed)
        }
    };
    let body = wire.to_string();
    let kind = (header::CONTENT_TYPE, "application/json;charset=UTF-8".to_owned());
    if !signed {
        return ([kind], body).into_response();
    }
    let time = clock::beijing(world.now_us());
    let spoilt = world.switches.strike(PROVIDER, "bad_response_signature").is_some();
    let about = if spoilt { "/elsewhere" } else { path };
    let Some(signature) = sign::header(&keys.alipay_private_key_pem, about, &keys.client_id, &time, &body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let name = |text: &'static str| header::HeaderName::from_static(text);
    let headers = [
        kind,
        (name("client-id"), keys.client_id.clone()),
        (name("response-time"), time),
        (name("signature"), signature),
    ];
    (headers, body).into_response()
}

/// A text of a request; empty when absent.
pub(super) fn text<'a>(asked: &'a Value, name: &str) -> &'a str {
    asked[name].as_str().unwrap_or_default()
}

/// A number of the merchant's: 1 to 64 characters that are not special.
pub(super) fn number(asked: &Value, name: &str) -> Result<String, Refusal> {
    let given = text(asked, name);
    let plain = given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if given.is_empty() || given.len() > 64 || !plain {
        return Err(Refusal::parameter(name));
    }
    Ok(given.to_owned())
}

/// An amount in smallest units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Amount {
    pub(super) minor: i64,
    pub(super) currency: String,
}

impl Amount {
    /// Currencies this merchant's contract has.
    const CURRENCIES: [&'static str; 5] = ["CNY", "EUR", "HKD", "SGD", "USD"];

    /// Reads `{"currency","value"}`. Everything is text here; the provider's own client for acquirers writes a number, which
    /// is read too.
    pub(super) fn read(wire: &Value, name: &str) -> Result<Self, Refusal> {
        let currency = text(wire, "currency");
        if !Self::CURRENCIES.contains(&currency) {
            return Err(Refusal::failed("CURRENCY_NOT_SUPPORT", "The currency is not supported."));
        }
        let value = match &wire["value"] {
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        let minor = value.filter(|minor| (1..=1_000_000_000_000).contains(minor));
        Ok(Self { minor: minor.ok_or_else(|| Refusal::parameter(name))?, currency: currency.to_owned() })
    }

    /// As the channel writes it.
    pub(super) fn wire(&self) -> Value {
        json!({"currency": self.currency, "value": self.minor.to_string()})
    }
}

/// A number of the channel's: the day in China, and digits.
pub(super) fn fresh_number(world: &World, what: &str) -> String {
    let day = clock::beijing(world.now_us()).get(..10).unwrap_or_default().replace('-', "");
    format!("{day}{}", world.ids.digits(what, 26))
}

/// Ends what is due, with its notifications, and tells when something is due next.
pub(crate) async fn settle(world: &World) -> Result<Option<i64>, StoreError> {
    let mut book = world.book().await?;
    payments::settle_due(world, &mut book).await?;
    refunds::settle_due(world, &mut book).await?;
    let next = [book.next_due(payments::PAYMENT).await?, book.next_due(refunds::REFUND).await?];
    book.commit().await?;
    Ok(next.into_iter().flatten().min())
}
