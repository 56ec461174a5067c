//! Trade bills: one CSV a Beijing day, made at ten the next morning, asked for by a signed call and downloaded with a token.
//!
//! Source: the pages "get-trade-bill" and on the format of trade bills. A payment is on the day it was paid, a refund on the day
//! it was accepted. A day without either has no bill. Deliberately not here: compressed files, bills of accounts' flow.

use std::collections::HashMap;

use aws_lc_rs::digest;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::{Answer, PAYMENT, PROVIDER, REFUND, Refusal, Wire};
use crate::bill::{self, Item};
use crate::clock::{beijing_plain, from_beijing};
use crate::money::{self, CNY};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// Where bills are downloaded.
pub(super) const DOWNLOAD: &str = "/v3/billdownload/file";
/// The kind files are kept under; their id is the token.
const FILE: &str = "wechatpay_bill";
const TOKEN_LIVES_US: i64 = 5 * 60 * 1_000_000;
const HOUR_US: i64 = 3600 * 1_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const HEAD: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,\
                    货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,\
                    商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";
const SUMS_HEAD: &str = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";

/// `GET /v3/bill/tradebill?bill_date=&bill_type=`.
pub(super) async fn place(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let date = query.get("bill_date").map(String::as_str).unwrap_or_default();
    let from_us =
        from_beijing(&format!("{date} 00:00:00")).ok_or_else(|| Refusal::param("bill_date", "格式为yyyy-MM-DD"))?;
    let kind = query.get("bill_type").map_or("ALL", String::as_str);
    if kind != "ALL" || query.keys().any(|name| !["bill_date", "bill_type"].contains(&name.as_str())) {
        return Err(Refusal::param("bill_type", "只支持ALL"));
    }
    let made_us = from_us.saturating_add(DAY_US + 10 * HOUR_US);
    if world.now_us() > from_us.saturating_add(90 * DAY_US) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "账单日期超过三个月"));
    }
    if world.now_us() < made_us || bill::is_missing(&world, PROVIDER) {
        return Err(none());
    }
    super::settle_refunds(&world).await?;
    let mut book = world.book().await?;
    let mut items = items(&mut book, from_us).await?;
    if items.is_empty() {
        return Err(none());
    }
    if let Some(wish) = bill::wish(&world, PROVIDER) {
        bill::plant(&mut items, &wish, "SUCCESS", || format!("42000{}", world.ids.digits("bill", 23)));
    }
    let types = types(&mut book).await?;
    let file = file(&world, &items, &types);
    let hash = hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, file.as_bytes()));
    let token = world.ids.code("bill token", 32);
    let kept = Document::new(&token, Value::String(file), json!({"made_us": world.now_us()}));
    book.put(FILE, &kept).await?;
    book.commit().await?;
    let url = format!("{}{DOWNLOAD}?token={token}", world.urls.wechatpay);
    Ok(Wire(json!({"hash_type": "SHA1", "hash_value": hash, "download_url": url})).into_response())
}

fn none() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
}

/// `GET /v3/billdownload/file?token=`. The rule `bill_cut` loses the file's last row on the way.
pub(super) async fn download(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let token = query.get("token").map(String::as_str).unwrap_or_default();
    let mut book = world.book().await?;
    let file = book.get(FILE, token).await?;
    let file = file.filter(|file| world.now_us() < file.number("made_us").saturating_add(TOKEN_LIVES_US));
    let file = file.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "token无效或已过期"))?;
    let mut text = file.wire.as_str().unwrap_or_default().to_owned();
    if world.switches.rule(PROVIDER, "bill_cut", false) {
        text.truncate(text.trim_end().rfind('\n').unwrap_or(0));
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// What happened on the day that began then.
async fn items(book: &mut Book, from_us: i64) -> Result<Vec<Item>, StoreError> {
    let on_day = |item: &Item| (from_us..from_us.saturating_add(DAY_US)).contains(&item.at_us);
    let instant = |text: &str| text.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_microsecond);
    let mut items = Vec::new();
    for payment in book.all(PAYMENT).await? {
        if !["SUCCESS", "REFUND"].contains(&payment.text("trade_state")) {
            continue;
        }
        items.push(Item {
            refund: false,
            own: payment.link.clone(),
            merchants: payment.id.clone(),
            payment: payment.link.clone(),
            payment_merchants: payment.id.clone(),
            minor: payment.wire["amount"]["total"].as_i64().unwrap_or_default(),
            currency: CNY.to_owned(),
            at_us: instant(payment.text("success_time")),
            state: "SUCCESS".to_owned(),
        });
    }
    for refund in book.all(REFUND).await? {
        items.push(Item {
            refund: true,
            own: refund.text("refund_id").to_owned(),
            merchants: refund.id.clone(),
            payment: refund.text("transaction_id").to_owned(),
            payment_merchants: refund.link.clone(),
            minor: refund.wire["amount"]["refund"].as_i64().unwrap_or_default(),
            currency: CNY.to_owned(),
            at_us: instant(refund.text("create_time")),
            state: refund.text("status").to_owned(),
        });
    }
    items.retain(on_day);
    // The newest first, as the channel writes them.
    items.sort_by_key(|item| std::cmp::Reverse(item.at_us));
    Ok(items)
}

/// What the channel keeps of an amount, fen: 0.60 percent, rounded.
const fn fee(minor: i64) -> i64 {
    minor.saturating_mul(60).saturating_add(5_000).div_euclid(10_000)
}

/// How each payment was paid, by the merchant's number.
async fn types(book: &mut Book) -> Result<HashMap<String, String>, StoreError> {
    let payments = book.all(PAYMENT).await?;
    Ok(payments.into_iter().map(|payment| (payment.id.clone(), payment.text("trade_type").to_owned())).collect())
}

fn file(world: &World, items: &[Item], types: &HashMap<String, String>) -> String {
    let mut text = format!("\u{feff}{HEAD}\r\n");
    let (mut paid, mut back, mut fees): (i64, i64, i64) = (0, 0, 0);
    for item in items {
        let own_fee = if item.refund { -fee(item.minor) } else { fee(item.minor) };
        fees = fees.saturating_add(own_fee);
        if item.refund {
            back = back.saturating_add(item.minor);
        } else {
            paid = paid.saturating_add(item.minor);
        }
        let trade_type = types.get(&item.payment_merchants).map_or("NATIVE", String::as_str);
        text.push_str(&row(world, item, trade_type, own_fee));
    }
    let sums = [
        items.len().to_string(),
        money::text(paid),
        money::text(back),
        "0.00".to_owned(),
        format!("{}000", money::text(fees)),
        money::text(paid),
        money::text(back),
    ];
    text.push_str(&format!("{SUMS_HEAD}\r\n`{}\r\n", sums.join(",`")));
    text
}

fn row(world: &World, item: &Item, trade_type: &str, fee: i64) -> String {
    let amount = money::text(item.minor);
    let (paid, back) = if item.refund { ("0.00", amount.as_str()) } else { (amount.as_str(), "0.00") };
    let or_zero = |text: &str| if item.refund { text.to_owned() } else { "0".to_owned() };
    let only_back = |text: &str| if item.refund { text.to_owned() } else { String::new() };
    let fields = [
        beijing_plain(item.at_us),
        world.credentials.appid.clone(),
        world.credentials.mchid.clone(),
        "0".to_owned(),
        String::new(),
        item.payment.clone(),
        item.payment_merchants.clone(),
        "oSandboxTraveller0000000001".to_owned(),
        trade_type.to_owned(),
        if item.refund { "REFUND" } else { "SUCCESS" }.to_owned(),
        "OTHERS".to_owned(),
        item.currency.clone(),
        paid.to_owned(),
        "0.00".to_owned(),
        or_zero(&item.own),
        or_zero(&item.merchants),
        back.to_owned(),
        "0.00".to_owned(),
        only_back("ORIGINAL"),
        only_back(&item.state),
        // Free text can hold what separates the fields.
        "智游, 行程,`含税".to_owned(),
        String::new(),
        format!("{}000", money::text(fee)),
        "0.60%".to_owned(),
        paid.to_owned(),
        back.to_owned(),
        String::new(),
    ];
    format!("`{}\r\n", fields.join(",`"))
}
