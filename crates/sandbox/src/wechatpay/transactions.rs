//! Payments: create with re-entry, query, close; and what the phone may do with a code, a page or signed parameters.
//!
//! Sources: payment and close-order pages. What a payer is given lives as long as its kind says, a payment until `time_expire`
//! (seven days by default); neither closes by itself. Deliberately not here: the kinds (`kinds`), refunds (`refunds`).

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::kinds::{self, Kind};
use super::notice::{self, Event};
use super::{Answer, PROVIDER, Refusal, Wire};
use crate::clock::beijing;
use crate::money::CNY;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind payments are kept under; their id is the merchant's number.
pub(crate) const PAYMENT: &str = "payment";
/// The kind of what payers are given: codes, and numbers of prepared payments; they belong to a payment.
const CODE: &str = "payment_code";

const MINUTE_US: i64 = 60 * 1_000_000;
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// `POST /v3/pay/transactions/{native|h5|jsapi|app}`.
pub(super) async fn create(State(world): State<Shared>, Path(kind): Path<String>, body: Bytes) -> Answer {
    let kind = Kind::of(&kind).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", "接口不存在"))?;
    let wish = Wish::read(&world, kind, &body)?;
    let mut book = world.book().await?;
    let mut payment = match book.get(PAYMENT, &wish.number).await? {
        Some(payment) => wish.reenter(payment)?,
        None => wish.document(&world),
    };
    let name = current_name(&world, &mut book, kind, &mut payment).await?;
    book.put(PAYMENT, &payment).await?;
    world.commit(book).await?;
    Ok(Wire(kind.answer(&world, &name)).into_response())
}

/// The create call, checked.
struct Wish {
    kind: Kind,
    number: String,
    body: Value,
    total: i64,
    expires_us: i64,
}

impl Wish {
    fn read(world: &World, kind: Kind, bytes: &Bytes) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::param("body", "不是JSON"))?;
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        for (field, longest) in [("appid", 32), ("mchid", 32), ("description", 127), ("notify_url", 255)] {
            if text(field).is_empty() || text(field).chars().count() > longest {
                return Err(Refusal::param(field, "必填或过长"));
            }
        }
        if text("appid") != world.credentials.appid || text("mchid") != world.credentials.mchid {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配"));
        }
        if !is_number(text("out_trade_no"), 6, 32) {
            return Err(Refusal::param("out_trade_no", "6-32个字符，只能是数字、大小写字母_-|*"));
        }
        if url::Url::parse(text("notify_url"))
            .map_or(true, |url| url.query().is_some() || !["http", "https"].contains(&url.scheme()))
        {
            return Err(Refusal::param("notify_url", "必须为可访问的URL，不能携带参数"));
        }
        let total = body["amount"]["total"]
            .as_i64()
            .filter(|total| *total >= 1)
            .ok_or_else(|| Refusal::param("amount.total", "单位为分的正整数"))?;
        if !["", CNY].contains(&body["amount"]["currency"].as_str().unwrap_or_default()) {
            return Err(Refusal::param("amount.currency", "只支持CNY"));
        }
        kind.check(&body)?;
        let expires_us = expiry(world.now_us(), &body["time_expire"])?;
        Ok(Self { kind, number: text("out_trade_no").to_owned(), total, expires_us, body })
    }

    /// The same number again: the same parameters for the same kind give the payment again, anything else is refused.
    fn reenter(&self, payment: Document) -> Result<Document, Refusal> {
        match payment.text("trade_state") {
            "SUCCESS" | "REFUND" => return Err(Refusal::new(StatusCode::BAD_REQUEST, "ORDERPAID", "该订单已支付")),
            "CLOSED" => return Err(Refusal::new(StatusCode::BAD_REQUEST, "ORDER_CLOSED", "该订单已关闭")),
            "NOTPAY" => {}
            _ => return Err(Refusal::new(StatusCode::FORBIDDEN, "TRADE_ERROR", "交易错误")),
        }
        if payment.inner["request"] == self.body && kind_of(&payment) == self.kind {
            return Ok(payment);
        }
        Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致"))
    }

    fn document(&self, world: &World) -> Document {
        let mut wire = json!({
            "appid": self.body["appid"],
            "mchid": self.body["mchid"],
            "out_trade_no": self.number,
            "trade_state": "NOTPAY",
            "trade_state_desc": "订单未支付",
            "amount": {"total": self.total, "currency": CNY},
        });
        if let Some(attach) = self.body["attach"].as_str() {
            wire["attach"] = json!(attach);
        }
        let inner = json!({"kind": self.kind.word(), "request": self.body, "expires_us": self.expires_us, "created_us": world.now_us()});
        Document::new(&self.number, wire, inner)
    }
}

/// The last moment to pay: RFC 3339 with an offset; raised to one minute ahead, refused beyond 90 days.
fn expiry(now_us: i64, given: &Value) -> Result<i64, Refusal> {
    let Some(text) = given.as_str() else { return Ok(now_us.saturating_add(7 * DAY_US)) };
    let at: jiff::Timestamp = text.parse().map_err(|_| Refusal::param("time_expire", "格式为rfc3339"))?;
    if at.as_microsecond() <= now_us || at.as_microsecond() > now_us.saturating_add(90 * DAY_US) {
        return Err(Refusal::param("time_expire", "早于当前时间或超过90天"));
    }
    Ok(at.as_microsecond().max(now_us.saturating_add(MINUTE_US)))
}

/// Whether a merchant's number has the documented length and characters.
pub(super) fn is_number(text: &str, shortest: usize, longest: usize) -> bool {
    (shortest..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-|*@".contains(&byte))
}

/// How a payment is paid; one of a book made before there were others is paid by code.
fn kind_of(payment: &Document) -> Kind {
    Kind::of(payment.hidden("kind")).unwrap_or(Kind::Native)
}

async fn current_name(
    world: &World,
    book: &mut Book,
    kind: Kind,
    payment: &mut Document,
) -> Result<String, StoreError> {
    let now_us = world.now_us();
    if payment.number("code_made_us").saturating_add(kind.lives_us(world)) <= now_us
        || payment.hidden("code").is_empty()
    {
        let name = kind.name(world);
        payment.inner["code"] = json!(name);
        payment.inner["code_made_us"] = json!(now_us);
        book.put(CODE, &Document::new(name, Value::Null, json!({"made_us": now_us})).linked(&payment.id)).await?;
    }
    Ok(payment.hidden("code").to_owned())
}

/// `GET /v3/pay/transactions/out-trade-no/{number}?mchid=`.
pub(super) async fn query_by_number(
    State(world): State<Shared>,
    Path(number): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    own_merchant(&world, query.get("mchid").map(String::as_str))?;
    let mut book = world.book().await?;
    let payment = book.get(PAYMENT, &number).await?.ok_or_else(missing)?;
    Ok(Wire(payment.wire).into_response())
}

/// `GET /v3/pay/transactions/id/{transaction_id}?mchid=`.
pub(super) async fn query_by_id(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    own_merchant(&world, query.get("mchid").map(String::as_str))?;
    let mut book = world.book().await?;
    let payment = book.linked(PAYMENT, &id).await?.pop().ok_or_else(missing)?;
    Ok(Wire(payment.wire).into_response())
}

/// `POST /v3/pay/transactions/out-trade-no/{number}/close`.
pub(super) async fn close(State(world): State<Shared>, Path(number): Path<String>, body: Bytes) -> Answer {
    let body: Value = serde_json::from_slice(&body).map_err(|_| Refusal::param("body", "不是JSON"))?;
    own_merchant(&world, body["mchid"].as_str())?;
    let mut book = world.book().await?;
    let mut payment = book.get(PAYMENT, &number).await?.ok_or_else(missing)?;
    match payment.text("trade_state") {
        "SUCCESS" | "REFUND" => return Err(Refusal::new(StatusCode::BAD_REQUEST, "ORDERPAID", "该订单已支付")),
        "CLOSED" => return Err(Refusal::new(StatusCode::BAD_REQUEST, "ORDER_CLOSED", "该订单已关闭")),
        _ => {}
    }
    payment.wire["trade_state"] = json!("CLOSED");
    payment.wire["trade_state_desc"] = json!("订单已关闭");
    book.put(PAYMENT, &payment).await?;
    world.commit(book).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn own_merchant(world: &World, mchid: Option<&str>) -> Result<(), Refusal> {
    match mchid {
        Some(mchid) if mchid == world.credentials.mchid => Ok(()),
        Some(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "MCH_NOT_EXISTS", "商户号不存在")),
        None => Err(Refusal::param("mchid", "必填")),
    }
}

fn missing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "ORDER_NOT_EXIST", "订单不存在")
}

/// What a phone sees after scanning, or when it is handed a payment.
pub(crate) struct Scanned {
    pub(crate) description: String,
    pub(crate) total: i64,
    /// `payable`, `expired`, or the trade state in lower case.
    pub(crate) state: String,
    payment: Document,
}

/// Looks up what a phone was given; none when it is nothing of this channel.
pub(crate) async fn scan(world: &World, book: &mut Book, text: &str) -> Result<Option<Scanned>, StoreError> {
    match kinds::named(world, text.trim()) {
        Some((kind, name)) => find(world, book, kind, &name).await,
        None => Ok(None),
    }
}

/// Looks up the payment a page for phones was made for.
pub(super) async fn on_page(world: &World, book: &mut Book, prepay_id: &str) -> Result<Option<Scanned>, StoreError> {
    find(world, book, Kind::H5, prepay_id).await
}

async fn find(world: &World, book: &mut Book, kind: Kind, name: &str) -> Result<Option<Scanned>, StoreError> {
    let Some(code) = book.get(CODE, name).await? else { return Ok(None) };
    let Some(payment) = book.get(PAYMENT, &code.link).await? else { return Ok(None) };
    if kind_of(&payment) != kind {
        return Ok(None);
    }
    let now_us = world.now_us();
    let over =
        now_us >= payment.number("expires_us") || now_us >= code.number("made_us").saturating_add(kind.lives_us(world));
    let state = match payment.text("trade_state") {
        "NOTPAY" if over => "expired".to_owned(),
        "NOTPAY" => "payable".to_owned(),
        other => other.to_lowercase(),
    };
    Ok(Some(Scanned {
        description: payment.inner["request"]["description"].as_str().unwrap_or_default().to_owned(),
        total: payment.wire["amount"]["total"].as_i64().unwrap_or_default(),
        state,
        payment,
    }))
}

/// Takes the money of a payable code, once; with the `decline` switch the bank refuses instead. Answers the new state.
pub(crate) async fn pay(world: &World, book: &mut Book, scanned: Scanned) -> Result<String, StoreError> {
    let mut payment = scanned.payment;
    if scanned.state != "payable" {
        return Ok(scanned.state);
    }
    let for_phone = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|op| op == "pay");
    if world.switches.strike_where(PROVIDER, "decline", for_phone).is_some() {
        payment.wire["trade_state"] = json!("PAYERROR");
        payment.wire["trade_state_desc"] = json!("支付失败(其他原因，如银行返回失败)");
        book.put(PAYMENT, &payment).await?;
        return Ok("payerror".to_owned());
    }
    charge(world, &mut payment);
    book.put(PAYMENT, &payment).await?;
    let event =
        Event { event_type: "TRANSACTION.SUCCESS".to_owned(), original_type: "transaction", summary: "支付成功" };
    let url = payment.inner["request"]["notify_url"].as_str().unwrap_or_default();
    notice::announce(world, book, &payment.id, url, event, &payment.wire).await?;
    Ok("success".to_owned())
}

/// Who pays: the payer that was named, else the traveller.
fn payer(payment: &Document) -> &str {
    payment.inner["request"]["payer"]["openid"].as_str().unwrap_or("oSandboxTraveller0000000001")
}

fn charge(world: &World, payment: &mut Document) {
    let id = format!("42000{}", world.ids.digits("transaction", 23));
    let total = payment.wire["amount"]["total"].clone();
    payment.wire["transaction_id"] = json!(id);
    payment.wire["trade_type"] = json!(kind_of(payment).trade_type());
    payment.wire["trade_state"] = json!("SUCCESS");
    payment.wire["trade_state_desc"] = json!("支付成功");
    payment.wire["bank_type"] = json!("OTHERS");
    payment.wire["success_time"] = json!(beijing(world.now_us()));
    payment.wire["payer"] = json!({"openid": payer(payment)});
    payment.wire["amount"] = json!({"total": total, "payer_total": total, "currency": CNY, "payer_currency": CNY});
    payment.link = id;
}
