//! Refunds: accepted at once, settled later, never more than was paid, and once per merchant's number.
//!
//! Source: the refund pages. How a refund ends is the scenario's `refund_outcome` (SUCCESS when unset); `PROCESSING` leaves
//! it open until that rule changes, or until `settle_ms` on the sandbox's clock. Deliberately not here: the abnormal-refund
//! API.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::notice::{self, Event};
use super::transactions::{PAYMENT, is_number};
use super::{Answer, PROVIDER, Refusal, Wire};
use crate::clock::beijing;
use crate::money::CNY;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind refunds are kept under; their id is the merchant's refund number, their link the payment's number.
pub(crate) const REFUND: &str = "refund";

const YEAR_US: i64 = 365 * 24 * 3600 * 1_000_000;

/// `POST /v3/refund/domestic/refunds`.
pub(super) async fn create(State(world): State<Shared>, body: Bytes) -> Answer {
    let body: Value = serde_json::from_slice(&body).map_err(|_| Refusal::param("body", "不是JSON"))?;
    let number = body["out_refund_no"].as_str().filter(|number| is_number(number, 1, 64));
    let number = number.ok_or_else(|| Refusal::param("out_refund_no", "1-64个字符"))?;
    let mut book = world.book().await?;
    settle_due(&world, &mut book).await?;
    if let Some(known) = book.get(REFUND, number).await? {
        return repeated(&body, known);
    }
    let mut payment = paid(&mut book, &body).await?;
    let refund = check_amounts(&world, &mut book, &payment, &body).await?;
    let document = open(&world, &payment, &body, refund);
    book.put(REFUND, &document).await?;
    payment.wire["trade_state"] = json!("REFUND");
    payment.wire["trade_state_desc"] = json!("转入退款");
    book.put(PAYMENT, &payment).await?;
    world.commit(book).await?;
    Ok(Wire(document.wire).into_response())
}

/// The same number again refunds nothing new: the same request shows the refund, another one is refused.
fn repeated(body: &Value, known: Document) -> Answer {
    if known.inner["amount"] == body["amount"] {
        return Ok(Wire(known.wire).into_response());
    }
    Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试"))
}

async fn paid(book: &mut Book, body: &Value) -> Result<Document, Refusal> {
    let payment = match (body["transaction_id"].as_str(), body["out_trade_no"].as_str()) {
        (Some(id), _) => book.linked(PAYMENT, id).await?.pop(),
        (None, Some(number)) => book.get(PAYMENT, number).await?,
        (None, None) => return Err(Refusal::param("out_trade_no", "与transaction_id二选一")),
    };
    let payment = payment.ok_or_else(missing)?;
    if ["SUCCESS", "REFUND"].contains(&payment.text("trade_state")) {
        return Ok(payment);
    }
    Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "订单未支付，不能退款"))
}

async fn check_amounts(world: &World, book: &mut Book, payment: &Document, body: &Value) -> Result<i64, Refusal> {
    let amount = |field: &str| body["amount"][field].as_i64();
    let total = payment.wire["amount"]["total"].as_i64().unwrap_or_default();
    let refund =
        amount("refund").filter(|refund| *refund >= 1).ok_or_else(|| Refusal::param("amount.refund", "正整数"))?;
    if body["amount"]["currency"] != CNY {
        return Err(Refusal::param("amount.currency", "只支持CNY"));
    }
    if amount("total") != Some(total) {
        return Err(Refusal::param("amount.total", "与原订单金额不一致"));
    }
    let earlier = book.linked(REFUND, &payment.id).await?;
    let mut taken: i64 = 0;
    for earlier in earlier.iter().filter(|earlier| earlier.text("status") != "CLOSED") {
        taken = taken.saturating_add(earlier.wire["amount"]["refund"].as_i64().unwrap_or_default());
    }
    if taken.saturating_add(refund) > total {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "申请退款金额大于订单剩余可退金额"));
    }
    if world.now_us() > payment.number("created_us").saturating_add(YEAR_US) || earlier.len() >= 50 {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "TRADE_ERROR", "订单已超过退款期限或次数"));
    }
    Ok(refund)
}

fn open(world: &World, payment: &Document, body: &Value, refund: i64) -> Document {
    let (outcome, due_us) = fate(world);
    let total = &payment.wire["amount"]["total"];
    let wire = json!({
        "refund_id": format!("50300{}", world.ids.digits("refund", 24)),
        "out_refund_no": body["out_refund_no"],
        "transaction_id": payment.wire["transaction_id"],
        "out_trade_no": payment.id,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": beijing(world.now_us()),
        "status": "PROCESSING",
        "funds_account": "AVAILABLE",
        "amount": {
            "total": total, "refund": refund, "payer_total": total, "payer_refund": refund,
            "settlement_refund": refund, "settlement_total": total, "discount_refund": 0, "currency": CNY,
        },
    });
    let inner = json!({"amount": body["amount"], "notify_url": body["notify_url"], "outcome": outcome});
    let mut document =
        Document::new(body["out_refund_no"].as_str().unwrap_or_default(), wire, inner).linked(&payment.id);
    document.due_us = due_us;
    document
}

/// How and when the next refund ends.
fn fate(world: &World) -> (String, Option<i64>) {
    let params = world.switches.strike(PROVIDER, "refund_outcome").unwrap_or_default();
    let asked =
        ["value", "outcome", "refund_outcome"].iter().find_map(|key| params.get(*key)?.as_str()).unwrap_or("SUCCESS");
    let wait_us = params.get("settle_ms").and_then(Value::as_i64).map(|ms| ms.saturating_mul(1000));
    let now_us = world.now_us();
    match asked {
        "PROCESSING" => ("SUCCESS".to_owned(), wait_us.map(|wait_us| now_us.saturating_add(wait_us))),
        outcome => (outcome.to_owned(), Some(now_us.saturating_add(wait_us.unwrap_or(0)))),
    }
}

/// `GET /v3/refund/domestic/refunds/{number}`.
pub(super) async fn query(State(world): State<Shared>, Path(number): Path<String>) -> Answer {
    let mut book = world.book().await?;
    settle_due(&world, &mut book).await?;
    let refund = book.get(REFUND, &number).await?.ok_or_else(missing)?;
    world.commit(book).await?;
    Ok(Wire(refund.wire).into_response())
}

fn missing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "RESOURCE_NOT_EXISTS", "资源不存在")
}

/// Ends the refunds that are due, with their notifications.
pub(crate) async fn settle_refunds(world: &World) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    book.commit().await
}

/// After a rule changed: refunds that were left open end as the rule now says.
pub(crate) async fn reconsider(world: &World) -> Result<(), StoreError> {
    let rule = world.switches.word(PROVIDER, "refund_outcome");
    let outcome = rule.unwrap_or_else(|| "SUCCESS".to_owned());
    if outcome == "PROCESSING" {
        return Ok(());
    }
    let mut book = world.book().await?;
    for mut refund in book.all(REFUND).await? {
        if refund.text("status") == "PROCESSING" && refund.due_us.is_none() {
            refund.inner["outcome"] = json!(outcome);
            refund.due_us = Some(world.now_us());
            book.put(REFUND, &refund).await?;
        }
    }
    world.commit(book).await
}

async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut refund in book.due(REFUND, world.now_us()).await? {
        let outcome = refund.hidden("outcome").to_owned();
        refund.due_us = None;
        refund.wire["status"] = json!(outcome);
        if outcome == "SUCCESS" {
            refund.wire["success_time"] = json!(beijing(world.now_us()));
        }
        book.put(REFUND, &refund).await?;
        announce(world, book, &refund, &outcome).await?;
    }
    Ok(())
}

async fn announce(world: &World, book: &mut Book, refund: &Document, outcome: &str) -> Result<(), StoreError> {
    let shown = &refund.wire;
    let amount = &shown["amount"];
    let mut resource = json!({
        "mchid": world.credentials.mchid,
        "out_trade_no": shown["out_trade_no"],
        "transaction_id": shown["transaction_id"],
        "out_refund_no": shown["out_refund_no"],
        "refund_id": shown["refund_id"],
        "refund_status": outcome,
        "user_received_account": shown["user_received_account"],
        "amount": {
            "total": amount["total"], "refund": amount["refund"],
            "payer_total": amount["payer_total"], "payer_refund": amount["payer_refund"],
        },
    });
    if outcome == "SUCCESS" {
        resource["success_time"] = shown["success_time"].clone();
    }
    let summary = match outcome {
        "SUCCESS" => "退款成功",
        "CLOSED" => "退款关闭",
        _ => "退款异常",
    };
    let event = Event { event_type: format!("REFUND.{outcome}"), original_type: "refund", summary };
    let url = refund.inner["notify_url"].as_str().unwrap_or_default();
    notice::announce(world, book, &refund.id, url, event, &resource).await
}
