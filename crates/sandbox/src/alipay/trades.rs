//! Payments: what the merchant asked for in advance, the trade that exists from the scan on, query, close and cancel; and what
//! a phone may do with a code.
//!
//! Sources: alipay.trade.precreate, query, close and cancel pages. A code is good for two hours, a payment until its
//! `time_expire` (15 days by default), when the channel closes the trade by itself. Whether closing before the scan stops a
//! later one is promised nowhere, so here it does not. Deliberately not here: refunds (`refunds`), the page (`cashier`).

use serde_json::{Value, json};

use super::{Answer, Asked, PROVIDER, Refusal, notice, refunds};
use crate::clock::{beijing_plain, from_beijing};
use crate::money;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// What was asked for in advance; the id is the merchant's number.
const ADVANCE: &str = "alipay_advance";
/// Codes and page tokens; they belong to what was asked for in advance.
const CODE: &str = "alipay_code";
/// The kind trades are kept under; the id is the merchant's number, the link the channel's.
pub(super) const TRADE: &str = "alipay_trade";

const MINUTE_US: i64 = 60 * 1_000_000;
const CODE_LIVES_US: i64 = 120 * MINUTE_US;
const PATIENCE_US: i64 = 15 * 24 * 60 * MINUTE_US;
const CODE_PREFIX: &str = "https://qr.alipay.com/";
/// Largest payment, fen.
const LARGEST_FEN: i64 = 10_000_000_000;

pub(super) const WAITING: &str = "WAIT_BUYER_PAY";
pub(super) const PAID: &str = "TRADE_SUCCESS";
pub(super) const CLOSED: &str = "TRADE_CLOSED";

/// `alipay.trade.precreate`.
pub(super) async fn precreate(world: &Shared, asked: &Asked) -> Answer {
    let code = advance(world, asked).await?;
    Ok(json!({"out_trade_no": asked.text("out_trade_no"), "qr_code": format!("{CODE_PREFIX}{code}")}))
}

/// Keeps what is asked for and answers its code; the same number again gives the code again.
pub(super) async fn advance(world: &World, asked: &Asked) -> Result<String, Refusal> {
    let mut book = world.book().await?;
    let code = advanced(world, &mut book, asked).await?;
    world.commit(book).await?;
    Ok(code)
}

async fn advanced(world: &World, book: &mut Book, asked: &Asked) -> Result<String, Refusal> {
    let wish = Wish::read(world, asked)?;
    settle_due(world, book).await?;
    if let Some(trade) = book.get(TRADE, &wish.number).await? {
        match trade.text("trade_status") {
            WAITING => {}
            CLOSED => return Err(Refusal::business("TRADE_HAS_CLOSE", "交易已经关闭").about(&wish.number)),
            _ => return Err(Refusal::business("TRADE_HAS_SUCCESS", "交易已被支付").about(&wish.number)),
        }
    }
    let mut kept = match book.get(ADVANCE, &wish.number).await? {
        Some(kept) if kept.inner["content"] == asked.content => kept,
        Some(_) => return Err(Refusal::business("CONTEXT_INCONSISTENT", "交易信息被篡改").about(&wish.number)),
        None => wish.document(world, asked),
    };
    let now_us = world.now_us();
    if kept.hidden("code").is_empty() || kept.number("code_made_us").saturating_add(CODE_LIVES_US) <= now_us {
        let code = format!("bax{}", world.ids.code("alipay code", 21).to_lowercase());
        kept.inner["code"] = json!(code);
        kept.inner["code_made_us"] = json!(now_us);
        book.put(CODE, &Document::new(code, Value::Null, json!({"made_us": now_us})).linked(&kept.id)).await?;
    }
    book.put(ADVANCE, &kept).await?;
    Ok(kept.hidden("code").to_owned())
}

/// A payment asked for, checked.
struct Wish {
    number: String,
    total_fen: i64,
    expires_us: i64,
    /// How long the trade lives from the scan on, where the merchant gave that instead.
    lives_us: Option<i64>,
}

impl Wish {
    fn read(world: &World, asked: &Asked) -> Result<Self, Refusal> {
        let wrong = |sub_msg| Err(Refusal::business("INVALID_PARAMETER", sub_msg));
        let number = asked.text("out_trade_no");
        if !is_number(number) {
            return wrong("参数无效: out_trade_no");
        }
        let amount = &asked.content["total_amount"];
        let amount = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        let Some(total_fen) = money::minor(&amount).filter(|fen| (1..=LARGEST_FEN).contains(fen)) else {
            return wrong("参数无效: total_amount");
        };
        let subject = asked.text("subject");
        if subject.is_empty() || subject.chars().count() > 256 {
            return wrong("参数无效: subject");
        }
        let now_us = world.now_us();
        let expires_us = match asked.text("time_expire") {
            "" => now_us.saturating_add(PATIENCE_US),
            text => match from_beijing(text) {
                Some(at) if at > now_us && at <= now_us.saturating_add(PATIENCE_US) => at,
                _ => return wrong("参数无效: time_expire"),
            },
        };
        let lives_us = match asked.text("timeout_express") {
            "" => None,
            text => match span_us(text) {
                Some(span) => Some(span),
                None => return wrong("参数无效: timeout_express"),
            },
        };
        if instalments(&asked.content).is_err() {
            return wrong("参数无效: extend_params");
        }
        Ok(Self { number: number.to_owned(), total_fen, expires_us, lives_us })
    }

    fn document(&self, world: &World, asked: &Asked) -> Document {
        let inner = json!({
            "content": asked.content,
            "subject": asked.text("subject"),
            "total_fen": self.total_fen,
            "expires_us": self.expires_us,
            "lives_us": self.lives_us,
            "notify_url": asked.common("notify_url"),
            "return_url": asked.common("return_url"),
            "by_certificate": asked.by_certificate(),
            "passback_params": asked.text("passback_params"),
            "created_us": world.now_us(),
        });
        Document::new(&self.number, Value::Null, inner)
    }
}

/// The 花呗 instalments asked for: 3, 6 or 12, all of whose cost one side bears.
fn instalments(content: &Value) -> Result<Option<&str>, &'static str> {
    let params = &content["extend_params"];
    match (params["hb_fq_num"].as_str(), params["hb_fq_seller_percent"].as_str()) {
        (None, None) => Ok(None),
        (Some(count @ ("3" | "6" | "12")), Some("0" | "100")) => Ok(Some(count)),
        _ => Err("instalments that are not offered"),
    }
}

/// `30m`, `2h` or `1d` in microseconds.
fn span_us(text: &str) -> Option<i64> {
    let count: i64 = text.get(..text.len().checked_sub(1)?)?.parse().ok().filter(|count| *count > 0)?;
    let unit = match text.as_bytes().last()? {
        b'm' => MINUTE_US,
        b'h' => 60 * MINUTE_US,
        b'd' => 24 * 60 * MINUTE_US,
        _ => return None,
    };
    count.checked_mul(unit).filter(|span| *span <= PATIENCE_US)
}

/// Whether a merchant's number has the documented length and characters.
pub(super) fn is_number(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The trade a call names, by the channel's number before the merchant's.
pub(super) async fn named(book: &mut Book, asked: &Asked) -> Result<Document, Refusal> {
    let trade = match (asked.text("trade_no"), asked.text("out_trade_no")) {
        ("", "") => return Err(Refusal::business("INVALID_PARAMETER", "参数无效: out_trade_no和trade_no不能同时为空")),
        ("", number) => book.get(TRADE, number).await?,
        (trade_no, _) => book.linked(TRADE, trade_no).await?.pop(),
    };
    trade.ok_or_else(|| Refusal::business("TRADE_NOT_EXIST", "交易不存在").about(asked.text("out_trade_no")))
}

/// `alipay.trade.query`.
pub(super) async fn query(world: &Shared, asked: &Asked) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let trade = named(&mut book, asked).await?;
    world.commit(book).await?;
    Ok(trade.wire)
}

/// `alipay.trade.close`.
pub(super) async fn close(world: &Shared, asked: &Asked) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let mut trade = named(&mut book, asked).await?;
    match trade.text("trade_status") {
        WAITING => end(&mut trade),
        CLOSED => return Err(Refusal::business("TRADE_HAS_CLOSE", "交易已经关闭").about(&trade.id)),
        _ => return Err(Refusal::business("TRADE_STATUS_ERROR", "交易状态不合法").about(&trade.id)),
    }
    book.put(TRADE, &trade).await?;
    world.commit(book).await?;
    Ok(json!({"out_trade_no": trade.id, "trade_no": trade.link}))
}

/// `alipay.trade.cancel`: closes what is unpaid, gives back what is paid, and is content with what does not exist.
pub(super) async fn cancel(world: &Shared, asked: &Asked) -> Answer {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let mut answer = json!({"out_trade_no": asked.text("out_trade_no"), "retry_flag": "N"});
    let Ok(mut trade) = named(&mut book, asked).await else { return Ok(answer) };
    answer["trade_no"] = json!(trade.link);
    match trade.text("trade_status") {
        WAITING => {
            end(&mut trade);
            book.put(TRADE, &trade).await?;
            answer["action"] = json!("close");
        }
        PAID => {
            refunds::take_back(world, &mut book, &mut trade).await?;
            answer["action"] = json!("refund");
        }
        _ => {}
    }
    world.commit(book).await?;
    Ok(answer)
}

/// Closes a trade, paid or not.
pub(super) fn end(trade: &mut Document) {
    trade.wire["trade_status"] = json!(CLOSED);
    trade.due_us = None;
}

/// Closes the trades whose time is over, and tells when the next one's is.
pub(crate) async fn settle(world: &World) -> Result<Option<i64>, StoreError> {
    let mut book = world.book().await?;
    settle_due(world, &mut book).await?;
    let next = book.next_due(TRADE).await?;
    book.commit().await?;
    Ok(next)
}

pub(super) async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut trade in book.due(TRADE, world.now_us()).await? {
        end(&mut trade);
        book.put(TRADE, &trade).await?;
    }
    Ok(())
}

/// What a payer sees after scanning, or on the page.
pub(crate) struct Scanned {
    pub(crate) description: String,
    pub(crate) total: i64,
    /// `payable`, `expired`, `success`, `refund` or `closed`.
    pub(crate) state: &'static str,
    pub(super) return_url: String,
    pub(super) number: String,
}

/// Looks a scanned text up; none when it is no code of this channel. Scanning is what makes the trade.
pub(crate) async fn scan(world: &World, book: &mut Book, text: &str) -> Result<Option<Scanned>, StoreError> {
    match text.trim().strip_prefix(CODE_PREFIX) {
        Some(code) => open(world, book, code).await,
        None => Ok(None),
    }
}

/// Looks up what a merchant's app handed over; being handed over is what makes the trade.
pub(super) async fn handed_over(world: &World, book: &mut Book, asked: &Asked) -> Result<Option<Scanned>, StoreError> {
    if asked.text("product_code") != "QUICK_MSECURITY_PAY" {
        return Ok(None);
    }
    let code = match book.get(ADVANCE, asked.text("out_trade_no")).await? {
        Some(kept) if kept.inner["content"] == asked.content => kept.hidden("code").to_owned(),
        Some(_) => return Ok(None),
        None => match advanced(world, book, asked).await {
            Ok(code) => code,
            Err(_) => return Ok(None),
        },
    };
    open(world, book, &code).await
}

/// As [`scan`], by the bare code.
pub(super) async fn open(world: &World, book: &mut Book, code: &str) -> Result<Option<Scanned>, StoreError> {
    let Some(code) = book.get(CODE, code).await? else { return Ok(None) };
    let Some(kept) = book.get(ADVANCE, &code.link).await? else { return Ok(None) };
    settle_due(world, book).await?;
    let now_us = world.now_us();
    let over = now_us >= kept.number("expires_us") || now_us >= code.number("made_us").saturating_add(CODE_LIVES_US);
    let state = match book.get(TRADE, &kept.id).await? {
        Some(trade) => match trade.text("trade_status") {
            WAITING if over => "expired",
            WAITING => "payable",
            CLOSED if trade.number("refunded_fen") > 0 => "refund",
            CLOSED if now_us >= trade.number("expires_us") => "expired",
            CLOSED => "closed",
            _ => "success",
        },
        None if over => "expired",
        None => {
            book.put(TRADE, &trade(world, &kept)).await?;
            "payable"
        }
    };
    let subject = kept.hidden("subject");
    let description = match instalments(&kept.inner["content"]) {
        Ok(Some(count)) => format!("{subject}（花呗分期 {count} 期 · {count} instalments）"),
        Ok(None) | Err(_) => subject.to_owned(),
    };
    Ok(Some(Scanned {
        description,
        total: kept.number("total_fen"),
        state,
        return_url: kept.hidden("return_url").to_owned(),
        number: kept.id,
    }))
}

fn trade(world: &World, kept: &Document) -> Document {
    let now_us = world.now_us();
    let trade_no = format!(
        "{}{}",
        beijing_plain(now_us).get(..10).unwrap_or_default().replace('-', ""),
        world.ids.digits("trade", 20)
    );
    let fen = kept.number("total_fen");
    let lapses_us = kept.inner["lives_us"].as_i64().map_or(i64::MAX, |lives_us| now_us.saturating_add(lives_us));
    let expires_us = kept.number("expires_us").min(lapses_us);
    let wire = json!({
        "buyer_logon_id": "tra***@sandbox.test",
        "buyer_pay_amount": "0.00",
        "buyer_user_id": BUYER,
        "invoice_amount": "0.00",
        "out_trade_no": kept.id,
        "point_amount": "0.00",
        "receipt_amount": "0.00",
        "total_amount": money::text(fen),
        "trade_no": trade_no,
        "trade_status": WAITING,
    });
    let inner = json!({
        "total_fen": fen, "subject": kept.inner["subject"], "notify_url": kept.inner["notify_url"],
        "by_certificate": kept.inner["by_certificate"], "passback_params": kept.inner["passback_params"],
        "paid_off": matches!(instalments(&kept.inner["content"]), Ok(Some(_))),
        "created_us": now_us, "expires_us": expires_us, "refunded_fen": 0,
    });
    let mut trade = Document::new(&kept.id, wire, inner).linked(trade_no);
    trade.due_us = Some(expires_us);
    trade
}

/// The traveller's account.
pub(super) const BUYER: &str = "2088102534368455";

/// Takes the money of a payable code, once; with the `decline` switch the bank refuses instead, and the payer may try again.
/// Answers the new state.
pub(crate) async fn pay(world: &World, book: &mut Book, scanned: &Scanned) -> Result<&'static str, StoreError> {
    if scanned.state != "payable" {
        return Ok(scanned.state);
    }
    let for_phone = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|op| op == "pay");
    if world.switches.strike_where(PROVIDER, "decline", for_phone).is_some() {
        return Ok("payerror");
    }
    let Some(mut trade) = book.get(TRADE, &scanned.number).await? else { return Ok("expired") };
    let now_us = world.now_us();
    let amount = trade.wire["total_amount"].clone();
    for field in ["buyer_pay_amount", "invoice_amount", "receipt_amount"] {
        trade.wire[field] = amount.clone();
    }
    trade.wire["trade_status"] = json!(PAID);
    trade.wire["send_pay_date"] = json!(beijing_plain(now_us));
    // 花呗 is a credit of the channel's own.
    let fund = if trade.inner["paid_off"] == true { "PCREDIT" } else { "ALIPAYACCOUNT" };
    trade.wire["fund_bill_list"] = json!([{"amount": amount, "fund_channel": fund}]);
    trade.inner["paid_us"] = json!(now_us);
    trade.due_us = None;
    book.put(TRADE, &trade).await?;
    notice::announce(world, book, &trade.id, &trade, None).await?;
    Ok("success")
}

/// Every trade as the control port's book shows it; what nobody scanned is none.
pub(crate) async fn payments(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let shown = |trade: &Document| {
        let paid = trade.number("paid_us") > 0;
        json!({
            "channel": PROVIDER,
            "out_trade_no": trade.id,
            "transaction_id": if paid { json!(trade.link) } else { Value::Null },
            "state": trade.wire["trade_status"],
            "total_fen": trade.number("total_fen"),
            "taken_fen": if paid { trade.number("total_fen") } else { 0 },
        })
    };
    Ok(book.all(TRADE).await?.iter().map(shown).collect())
}
