//! Refunds: at once, never more than was paid, once per merchant's number; the last one closes the trade.
//!
//! Source: alipay.trade.refund and fastpay.refund.query pages. A repeated number moves nothing again (`fund_change` N) and
//! shows the sum so far; another amount under it is refused. Deliberately not here: refunds that take their time.

use serde_json::{Value, json};

use super::trades::{PAID, TRADE, end, is_number, named, settle_due};
use super::{Answer, Asked, PROVIDER, Refusal, notice};
use crate::clock::beijing_plain;
use crate::money;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind refunds are kept under; the id is payment and number, the link the payment.
pub(super) const REFUND: &str = "alipay_refund";
const YEAR_US: i64 = 365 * 24 * 3600 * 1_000_000;

/// `alipay.trade.refund`.
pub(super) async fn create(world: &Shared, asked: &Asked) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let mut trade = named(&mut book, asked).await?;
    let fen = money::minor(asked.text("refund_amount")).filter(|fen| *fen > 0);
    let fen = fen.ok_or_else(|| Refusal::business("INVALID_PARAMETER", "参数无效: refund_amount"))?;
    let left = trade.number("total_fen").saturating_sub(trade.number("refunded_fen"));
    // Only a refund of everything may go without a number.
    let number = match asked.text("out_request_no") {
        "" if fen == trade.number("total_fen") => trade.id.clone(),
        number if is_number(number) => number.to_owned(),
        _ => return Err(Refusal::business("INVALID_PARAMETER", "参数无效: out_request_no")),
    };
    if let Some(earlier) = book.get(REFUND, &key(&trade, &number)).await? {
        if earlier.number("fen") != fen {
            return Err(Refusal::business("DISCORDANT_REPEAT_REQUEST", "退款请求号重复且金额不一致").about(&trade.id));
        }
        return Ok(shown(&trade, "N"));
    }
    if trade.number("paid_us") == 0 || trade.text("trade_status") != PAID {
        return Err(Refusal::business("TRADE_STATUS_ERROR", "交易状态不合法").about(&trade.id));
    }
    if fen > left {
        return Err(Refusal::business("REASON_TRADE_REFUND_FEE_ERR", "退款金额无效").about(&trade.id));
    }
    if world.now_us() > trade.number("created_us").saturating_add(YEAR_US) {
        return Err(Refusal::business("TRADE_HAS_FINISHED", "交易已完结").about(&trade.id));
    }
    // Accepted, and nothing comes of it: a question finds nothing, and the same number again gives back.
    if world.switches.strike(PROVIDER, "nothing_made").is_some() {
        return Ok(shown(&trade, "N"));
    }
    give_back(world, &mut book, &mut trade, &number, fen).await?;
    world.commit(book).await?;
    Ok(shown(&trade, "Y"))
}

fn key(trade: &Document, number: &str) -> String {
    format!("{} {number}", trade.id)
}

fn shown(trade: &Document, fund_change: &str) -> Value {
    json!({
        "buyer_logon_id": trade.wire["buyer_logon_id"],
        "buyer_user_id": trade.wire["buyer_user_id"],
        "fund_change": fund_change,
        "gmt_refund_pay": trade.inner["refunded_at"],
        "out_trade_no": trade.id,
        "refund_fee": money::text(trade.number("refunded_fen")),
        "send_back_fee": money::text(trade.number("refunded_fen")),
        "trade_no": trade.link,
    })
}

async fn give_back(
    world: &World,
    book: &mut Book,
    trade: &mut Document,
    number: &str,
    fen: i64,
) -> Result<(), StoreError> {
    let at = beijing_plain(world.now_us());
    let refund = json!({
        "out_request_no": number,
        "out_trade_no": trade.id,
        "refund_amount": money::text(fen),
        "refund_status": "REFUND_SUCCESS",
        "total_amount": trade.wire["total_amount"],
        "trade_no": trade.link,
    });
    let document = Document::new(key(trade, number), refund, json!({"fen": fen, "at": at, "number": number}));
    book.put(REFUND, &document.linked(&trade.id)).await?;
    let so_far = trade.number("refunded_fen").saturating_add(fen);
    trade.inner["refunded_fen"] = json!(so_far);
    trade.inner["refunded_at"] = json!(at);
    if so_far >= trade.number("total_fen") {
        end(trade);
    }
    book.put(TRADE, trade).await?;
    notice::announce(world, book, number, trade, Some(number)).await
}

/// Gives everything that is left back, as cancelling a paid trade does.
pub(super) async fn take_back(world: &World, book: &mut Book, trade: &mut Document) -> Result<(), StoreError> {
    let left = trade.number("total_fen").saturating_sub(trade.number("refunded_fen"));
    let number = format!("{}_cancel", trade.id);
    give_back(world, book, trade, &number, left).await
}

/// `alipay.trade.fastpay.refund.query`: success of the question says nothing about the refund.
pub(super) async fn query(world: &Shared, asked: &Asked) -> Answer {
    let mut book = world.book().await?;
    let trade = named(&mut book, asked).await?;
    if asked.text("out_request_no").is_empty() {
        return Err(Refusal::business("INVALID_PARAMETER", "参数无效: out_request_no"));
    }
    let Some(refund) = book.get(REFUND, &key(&trade, asked.text("out_request_no"))).await? else {
        return Ok(json!({}));
    };
    let mut answer = refund.wire;
    let options = asked.content["query_options"].as_array().cloned().unwrap_or_default();
    if options.iter().any(|option| option == "gmt_refund_pay") {
        answer["gmt_refund_pay"] = refund.inner["at"].clone();
    }
    Ok(answer)
}

/// Every refund as the control port's book shows it.
pub(crate) async fn refunds(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let shown = |refund: &Document| {
        json!({
            "channel": PROVIDER,
            "out_refund_no": refund.hidden("number"),
            "out_trade_no": refund.link,
            "refund_fen": refund.number("fen"),
            "state": refund.wire["refund_status"],
        })
    };
    Ok(book.all(REFUND).await?.iter().map(shown).collect())
}
