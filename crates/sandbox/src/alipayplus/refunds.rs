//! Refunds: never more than was paid, once per merchant's number, done at once unless the scenario says otherwise.
//!
//! Sources: refund, inquiryRefund and notifyRefund pages. A repeated number answers with what became of it; another amount
//! under it is refused. Deliberately not here: fees given back.

use serde_json::{Value, json};

use super::payments::{PAYMENT, SUCCESS, named};
use super::{Amount, Answer, Dialect, Good, PROVIDER, Refusal, fresh_number, notice, number, text};
use crate::clock::beijing;
use crate::store::{Book, Document, StoreError};
use crate::world::World;

/// The kind refunds are kept under; the id is the merchant's number, the link the payment's.
pub(super) const REFUND: &str = "alipayplus_refund";
const YEAR_US: i64 = 365 * 24 * 3600 * 1_000_000;
/// How long a refund that takes its time takes, unless the scenario says.
const SETTLE_MS: i64 = 3_600_000;

const PROCESSING: &str = "PROCESSING";
const DONE: &str = "SUCCESS";
const FAIL: &str = "FAIL";

/// `refund`: a merchant names the channel's number of the payment, an acquirer its own.
pub(super) async fn create(world: &World, dialect: Dialect, asked: &Value) -> Answer {
    let id = number(asked, "refundRequestId")?;
    let amount = Amount::read(&asked["refundAmount"], "refundAmount")?;
    if dialect == Dialect::Merchant && text(asked, "paymentId").is_empty() {
        return Err(Refusal::parameter("paymentId"));
    }
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let mut payment = named(&mut book, asked).await?;
    if let Some(known) = book.get(REFUND, &id).await? {
        if known.number("minor") != amount.minor
            || known.hidden("currency") != amount.currency
            || known.link != payment.id
        {
            let message = "The amount or currency is different from the previous request.";
            return Err(Refusal::failed("REPEAT_REQ_INCONSISTENT", message));
        }
        return ended(&known, &payment);
    }
    if payment.text("paymentStatus") != SUCCESS {
        return Err(Refusal::failed("ORDER_STATUS_INVALID", "The order status is invalid."));
    }
    if amount.currency != payment.hidden("currency") {
        return Err(Refusal::parameter("refundAmount.currency"));
    }
    let left = payment.number("minor").saturating_sub(payment.number("back_minor"));
    if amount.minor > left {
        return Err(Refusal::failed(
            "REFUND_AMOUNT_EXCEED",
            "The refund amount exceeds the amount that can be refunded.",
        ));
    }
    if world.now_us() > payment.number("paid_us").saturating_add(YEAR_US) {
        return Err(Refusal::failed("REFUND_WINDOW_EXCEED", "The refund date is out of the refundable period."));
    }
    let refund = open(world, &mut book, &mut payment, &id, &amount, text(asked, "refundNotifyUrl")).await?;
    world.commit(book).await?;
    ended(&refund, &payment)
}

fn ended(refund: &Document, payment: &Document) -> Answer {
    let mut wire = refund.wire.clone();
    let status = refund.text("refundStatus").to_owned();
    wire["paymentId"] = json!(payment.link);
    if let Some(fields) = wire.as_object_mut() {
        fields.remove("refundStatus");
    }
    match status.as_str() {
        DONE => Ok(Good::done(wire)),
        PROCESSING => Ok(Good::under_way("REFUND_IN_PROCESS", wire)),
        _ => Err(Refusal::failed("PROCESS_FAIL", "A general business failure occurred. Do not retry.")),
    }
}

/// Writes a refund that ends as the scenario says.
async fn open(
    world: &World,
    book: &mut Book,
    payment: &mut Document,
    id: &str,
    amount: &Amount,
    notify_url: &str,
) -> Result<Document, StoreError> {
    let params = world.switches.strike(PROVIDER, "refund_outcome").unwrap_or_default();
    let word = |names: [&str; 3]| names.iter().find_map(|name| params.get(*name)?.as_str()).map(str::to_owned);
    let outcome = word(["value", "outcome", "refund_outcome"]).unwrap_or_else(|| DONE.to_owned());
    let wire = json!({
        "refundRequestId": id,
        "refundId": fresh_number(world, "alipayplus refund"),
        "refundAmount": amount.wire(),
        "refundStatus": outcome,
    });
    let inner = json!({
        "minor": amount.minor, "currency": amount.currency, "notify_url": notify_url,
        "then": params.get("then").and_then(Value::as_str).unwrap_or(DONE),
    });
    let mut refund = Document::new(id, wire, inner).linked(&payment.id);
    if outcome == PROCESSING {
        let wait_ms = params.get("settle_ms").and_then(Value::as_i64).unwrap_or(SETTLE_MS);
        refund.due_us = Some(world.now_us().saturating_add(wait_ms.saturating_mul(1000)));
    }
    if outcome != FAIL {
        payment.inner["back_minor"] = json!(payment.number("back_minor").saturating_add(amount.minor));
        book.put(PAYMENT, payment).await?;
    }
    finish(world, book, refund).await
}

/// Keeps a refund, and tells of one that has ended.
async fn finish(world: &World, book: &mut Book, mut refund: Document) -> Result<Document, StoreError> {
    if refund.text("refundStatus") == DONE {
        refund.wire["refundTime"] = json!(beijing(world.now_us()));
    }
    book.put(REFUND, &refund).await?;
    if refund.text("refundStatus") != PROCESSING {
        notice::of_refund(world, book, &refund).await?;
    }
    Ok(refund)
}

/// Gives everything back, as cancelling a paid payment does; nobody is told.
pub(super) async fn take_back(world: &World, book: &mut Book, payment: &mut Document) -> Result<(), StoreError> {
    let amount = Amount { minor: payment.number("minor"), currency: payment.hidden("currency").to_owned() };
    let wire = json!({
        "refundRequestId": format!("{}_cancel", payment.id), "refundId": fresh_number(world, "alipayplus refund"),
        "refundAmount": amount.wire(), "refundStatus": DONE, "refundTime": beijing(world.now_us()),
    });
    let inner = json!({"minor": amount.minor, "currency": amount.currency, "notify_url": "", "then": DONE});
    let refund = Document::new(format!("{}_cancel", payment.id), wire, inner).linked(&payment.id);
    book.put(REFUND, &refund).await?;
    payment.inner["back_minor"] = json!(amount.minor);
    Ok(())
}

/// `inquiryRefund`: success of the question says nothing about the refund.
pub(super) async fn inquire(world: &World, asked: &Value) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let refund = match (text(asked, "refundId"), text(asked, "refundRequestId")) {
        ("", "") => return Err(Refusal::parameter("refundRequestId")),
        ("", number) => book.get(REFUND, number).await?,
        (own, _) => book.all(REFUND).await?.into_iter().find(|refund| refund.text("refundId") == own),
    };
    world.commit(book).await?;
    let refund = refund.ok_or_else(|| Refusal::failed("REFUND_NOT_EXIST", "The refund does not exist."))?;
    Ok(Good::done(refund.wire))
}

/// Ends the refunds that are due.
pub(super) async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut refund in book.due(REFUND, world.now_us()).await? {
        refund.due_us = None;
        refund.wire["refundStatus"] = json!(refund.hidden("then"));
        if refund.text("refundStatus") == FAIL
            && let Some(mut payment) = book.get(PAYMENT, &refund.link).await?
        {
            let back = payment.number("back_minor").saturating_sub(refund.number("minor"));
            payment.inner["back_minor"] = json!(back);
            book.put(PAYMENT, &payment).await?;
        }
        finish(world, book, refund).await?;
    }
    Ok(())
}

/// Every refund as the control port's book shows it.
pub(crate) async fn refunds(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let shown = |refund: &Document| {
        json!({
            "channel": PROVIDER,
            "out_refund_no": refund.id,
            "out_trade_no": refund.link,
            "refund_fen": refund.number("minor"),
            "currency": refund.hidden("currency"),
            "state": refund.wire["refundStatus"],
        })
    };
    Ok(book.all(REFUND).await?.iter().map(shown).collect())
}
