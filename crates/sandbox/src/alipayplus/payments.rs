//! Payments: opened, asked about, cancelled; and what the page may do with one.
//!
//! Sources: pay, inquiryPayment, cancel and payment-status pages. Nobody can pay after the expiry (14 minutes unless the
//! merchant says otherwise): the payment fails then. Cancelling closes what is open, gives back what is paid, is content with
//! what failed, and is possible until a quarter past midnight in China. Deliberately not here: refunds, the page itself.

use serde_json::{Value, json};

use super::{Amount, Answer, Dialect, Good, PROVIDER, Refusal, fresh_number, notice, number, refunds, text};
use crate::clock::beijing;
use crate::store::{Book, Document, StoreError};
use crate::world::World;

/// The kind payments are kept under; the id is the merchant's number, the link the channel's.
pub(super) const PAYMENT: &str = "alipayplus_payment";
/// What pages are named by; they belong to a payment.
pub(super) const CODE: &str = "alipayplus_code";

const MINUTE_US: i64 = 60 * 1_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
const PATIENCE_US: i64 = 14 * MINUTE_US;
/// How long after midnight a payment of the day before can be cancelled.
const WINDOW_US: i64 = 15 * MINUTE_US;

pub(super) const PROCESSING: &str = "PROCESSING";
pub(super) const SUCCESS: &str = "SUCCESS";
const FAIL: &str = "FAIL";
const CANCELLED: &str = "CANCELLED";

/// `pay`. The same number again is the same payment while it is open, and its end afterwards.
pub(super) async fn pay(world: &World, dialect: Dialect, asked: &Value) -> Answer {
    let id = number(asked, "paymentRequestId")?;
    let amount = Amount::read(&asked["paymentAmount"], "paymentAmount")?;
    check(dialect, asked)?;
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    if let Some(known) = book.get(PAYMENT, &id).await? {
        return again(&known, &amount);
    }
    let now_us = world.now_us();
    let expires_us = match text(asked, "paymentExpiryTime") {
        "" => now_us.saturating_add(PATIENCE_US),
        time => match time.parse::<jiff::Timestamp>() {
            Ok(at) if at.as_microsecond() > now_us => at.as_microsecond(),
            _ => return Err(Refusal::parameter("paymentExpiryTime")),
        },
    };
    let own = fresh_number(world, "alipayplus payment");
    let code = world.ids.code("alipayplus code", 32);
    let wire = json!({
        "paymentRequestId": id,
        "paymentId": own,
        "paymentAmount": amount.wire(),
        "paymentCreateTime": beijing(now_us),
        "paymentStatus": PROCESSING,
        "paymentResultCode": "PAYMENT_IN_PROCESS",
        "paymentResultMessage": "The payment is in process.",
    });
    let order = &asked["order"];
    let inner = json!({
        "minor": amount.minor, "currency": amount.currency, "created_us": now_us, "paid_us": 0, "back_minor": 0,
        "description": order["orderDescription"], "notify_url": asked["paymentNotifyUrl"],
        "redirect_url": asked["paymentRedirectUrl"], "page": format!("{}/cashier?code={code}", world.urls.alipayplus),
        "acquirer": dialect == Dialect::Acquirer,
    });
    let mut payment = Document::new(&id, wire, inner).linked(&own);
    payment.due_us = Some(expires_us);
    book.put(PAYMENT, &payment).await?;
    book.put(CODE, &Document::new(code, Value::Null, json!({})).linked(&id)).await?;
    world.commit(book).await?;
    Ok(opened(&payment))
}

fn check(dialect: Dialect, asked: &Value) -> Result<(), Refusal> {
    let order = &asked["order"];
    let needed = [
        ("paymentRedirectUrl", text(asked, "paymentRedirectUrl")),
        ("paymentMethod", text(&asked["paymentMethod"], "paymentMethodType")),
        ("order.referenceOrderId", text(order, "referenceOrderId")),
        ("order.orderDescription", text(order, "orderDescription")),
    ];
    if let Some((name, _)) = needed.iter().find(|(_, value)| value.is_empty()) {
        return Err(Refusal::parameter(name));
    }
    if text(order, "orderDescription").chars().count() > 256 {
        return Err(Refusal::parameter("order.orderDescription"));
    }
    Amount::read(&order["orderAmount"], "order.orderAmount")?;
    let page = match dialect {
        Dialect::Merchant => text(asked, "productCode") == "CASHIER_PAYMENT",
        Dialect::Acquirer => asked["paymentFactor"]["isCashierPayment"] == json!(true),
    };
    if page { Ok(()) } else { Err(Refusal::parameter("productCode")) }
}

fn opened(payment: &Document) -> Good {
    let page = payment.hidden("page");
    let mut wire = json!({"normalUrl": page, "redirectActionForm": {"method": "GET", "redirectUrl": page}});
    for field in ["paymentRequestId", "paymentId", "paymentAmount", "paymentCreateTime"] {
        wire[field] = payment.wire[field].clone();
    }
    Good::under_way("PAYMENT_IN_PROCESS", wire)
}

fn again(known: &Document, amount: &Amount) -> Answer {
    if known.number("minor") != amount.minor || known.hidden("currency") != amount.currency {
        let message = "The amount or currency is different from the previous request.";
        return Err(Refusal::failed("REPEAT_REQ_INCONSISTENT", message));
    }
    match known.text("paymentStatus") {
        PROCESSING => Ok(opened(known)),
        SUCCESS => Ok(Good::done(known.wire.clone())),
        CANCELLED => Err(Refusal::failed("ORDER_IS_CANCELED", "The order has been canceled.")),
        _ => Err(Refusal::failed(known.text("paymentResultCode"), known.text("paymentResultMessage"))),
    }
}

/// The payment a call names, by the channel's number before the merchant's.
pub(super) async fn named(book: &mut Book, asked: &Value) -> Result<Document, Refusal> {
    let payment = match (text(asked, "paymentId"), text(asked, "paymentRequestId")) {
        ("", "") => return Err(Refusal::parameter("paymentRequestId")),
        ("", number) => book.get(PAYMENT, number).await?,
        (own, _) => book.linked(PAYMENT, own).await?.pop(),
    };
    payment.ok_or_else(|| Refusal::failed("ORDER_NOT_EXIST", "The order does not exist."))
}

/// `inquiryPayment`: success of the question says nothing about the payment.
pub(super) async fn inquire(world: &World, dialect: Dialect, asked: &Value) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let payment = named(&mut book, asked).await?;
    world.commit(book).await?;
    let mut wire = payment.wire;
    // The payer pays while the answer is on its way.
    if wire["paymentStatus"] == SUCCESS && world.switches.strike(PROVIDER, "stale_answer").is_some() {
        wire["paymentStatus"] = json!(PROCESSING);
        wire["paymentResultCode"] = json!("PAYMENT_IN_PROCESS");
        if let Some(fields) = wire.as_object_mut() {
            fields.remove("paymentTime");
        }
    }
    if dialect == Dialect::Acquirer {
        let status = match wire["paymentStatus"].as_str() {
            Some(SUCCESS) => "S",
            Some(PROCESSING) => "U",
            _ => "F",
        };
        wire["paymentResult"] = json!({
            "resultStatus": status, "resultCode": wire["paymentResultCode"], "resultMessage": wire["paymentResultMessage"],
        });
        wire["acquirerId"] = json!("1022172000000000001");
        if let Some(fields) = wire.as_object_mut() {
            fields.retain(|name, _| {
                !["paymentStatus", "paymentResultCode", "paymentResultMessage"].contains(&name.as_str())
            });
        }
    }
    Ok(Good::done(wire))
}

/// `cancel` and `cancelPayment`.
pub(super) async fn cancel(world: &World, asked: &Value) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let mut payment = named(&mut book, asked).await?;
    let now_us = world.now_us();
    match payment.text("paymentStatus") {
        // It stays what it is.
        FAIL | CANCELLED => {}
        _ if payment.number("back_minor") > 0 => {
            return Err(Refusal::failed("PROCESS_FAIL", "A general business failure occurred. Do not retry."));
        }
        _ if now_us > last_moment(payment.number("created_us")) => {
            return Err(Refusal::failed("CANCEL_WINDOW_EXCEED", "The cancelation is out of the cancelable period."));
        }
        status => {
            if status == SUCCESS {
                refunds::take_back(world, &mut book, &mut payment).await?;
            }
            end(&mut payment, CANCELLED, "ORDER_IS_CANCELED", "The order has been canceled.");
            book.put(PAYMENT, &payment).await?;
        }
    }
    world.commit(book).await?;
    Ok(Good::done(json!({
        "paymentRequestId": payment.id, "paymentId": payment.link, "cancelTime": beijing(now_us),
    })))
}

/// A quarter past the midnight in China after this moment.
fn last_moment(created_us: i64) -> i64 {
    let eight = 8 * 60 * MINUTE_US;
    let day = created_us.saturating_add(eight).div_euclid(DAY_US).saturating_add(1);
    day.saturating_mul(DAY_US).saturating_sub(eight).saturating_add(WINDOW_US)
}

fn end(payment: &mut Document, status: &str, code: &str, message: &str) {
    payment.wire["paymentStatus"] = json!(status);
    payment.wire["paymentResultCode"] = json!(code);
    payment.wire["paymentResultMessage"] = json!(message);
    payment.due_us = None;
}

/// Fails the payments whose time is over.
pub(super) async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut payment in book.due(PAYMENT, world.now_us()).await? {
        end(&mut payment, FAIL, "ORDER_IS_CLOSED", "The order is closed.");
        book.put(PAYMENT, &payment).await?;
        notice::of_payment(world, book, &payment).await?;
    }
    Ok(())
}

/// What the payer decides on the page about a payment that is open.
pub(super) async fn decided(
    world: &World,
    book: &mut Book,
    mut payment: Document,
    wallet: &str,
    pays: bool,
) -> Result<(), StoreError> {
    let for_page = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|op| op == "page");
    let refused = world.switches.strike_where(PROVIDER, "decline", for_page).is_some();
    if pays && !refused {
        let now_us = world.now_us();
        end(&mut payment, SUCCESS, "SUCCESS", "success.");
        payment.wire["paymentTime"] = json!(beijing(now_us));
        payment.wire["paymentMethodType"] = json!(wallet);
        payment.wire["pspCustomerInfo"] = json!({"pspName": wallet, "pspCustomerId": "2088102534368455"});
        payment.inner["paid_us"] = json!(now_us);
    } else {
        end(&mut payment, FAIL, "USER_BALANCE_NOT_ENOUGH", "The user balance is not enough.");
    }
    book.put(PAYMENT, &payment).await?;
    notice::of_payment(world, book, &payment).await
}

/// Every payment as the control port's book shows it.
pub(crate) async fn payments(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let shown = |payment: &Document| {
        let paid = payment.number("paid_us") > 0;
        let kept = paid && payment.text("paymentStatus") == SUCCESS;
        json!({
            "channel": PROVIDER,
            "out_trade_no": payment.id,
            "transaction_id": if paid { json!(payment.link) } else { Value::Null },
            "state": payment.wire["paymentStatus"],
            "total_fen": payment.number("minor"),
            "taken_fen": if kept { payment.number("minor") } else { 0 },
            "currency": payment.hidden("currency"),
        })
    };
    Ok(book.all(PAYMENT).await?.iter().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_can_be_cancelled_until_a_quarter_past_midnight_in_china() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        for created in ["2026-11-20T00:00:00+08:00", "2026-11-20T23:59:59+08:00"] {
            assert_eq!(last_moment(at(created)), at("2026-11-21T00:15:00+08:00"), "{created}");
        }
    }
}
