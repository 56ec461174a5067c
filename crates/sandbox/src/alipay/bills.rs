//! Bills of trades: one archive a Beijing day, made at nine the next morning, asked for by a signed call and there for thirty
//! seconds.
//!
//! Sources: alipay.data.dataservice.bill.downloadurl.query, and a published bill (`vectors/alipay`). Payments and refunds are on
//! the day they happened. A day without either has no bill. Deliberately not here: months, bills of accounts' flow, fees.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::GBK;
use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};

use super::refunds::REFUND;
use super::trades::TRADE;
use super::{Answer, Asked, PROVIDER, Refusal};
use crate::bill::{self, Item};
use crate::clock::{beijing_plain, from_beijing};
use crate::money::{self, CNY};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// Where bills are downloaded.
pub(super) const DOWNLOAD: &str = "/downloadBillFile.resource";
/// The kind files are kept under; their id is the token.
const FILE: &str = "alipay_bill";
const LIVES_US: i64 = 30 * 1_000_000;
const HOUR_US: i64 = 3600 * 1_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const HEAD: &str = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,\
                    订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,\
                    券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";

/// `alipay.data.dataservice.bill.downloadurl.query`.
pub(super) async fn place(world: &Shared, asked: &Asked) -> Answer {
    let date = asked.text("bill_date");
    let Some(from_us) = from_beijing(&format!("{date} 00:00:00")) else {
        return Err(Refusal::gateway("40004", "isv.invalid-arguments", "入参不合法"));
    };
    if asked.text("bill_type") != "trade" {
        return Err(Refusal::gateway("40004", "isv.invalid-arguments", "入参不合法"));
    }
    let none = || Refusal::gateway("40004", "isp.bill_not_exist", "账单不存在");
    if world.now_us() < from_us.saturating_add(DAY_US + 9 * HOUR_US) || bill::is_missing(world, PROVIDER) {
        return Err(none());
    }
    let mut book = world.book().await?;
    let mut items = items(&mut book, from_us).await?;
    if items.is_empty() {
        return Err(none());
    }
    if let Some(wish) = bill::wish(world, PROVIDER) {
        bill::plant(&mut items, &wish, "REFUND_SUCCESS", || format!("20261120{}", world.ids.digits("bill", 20)));
    }
    let archive = STANDARD.encode(archive(world, date, from_us, &items));
    let token = world.ids.code("alipay bill", 32);
    let kept = Document::new(&token, Value::String(archive), json!({"made_us": world.now_us()}));
    book.put(FILE, &kept).await?;
    book.commit().await?;
    Ok(json!({"bill_download_url": format!("{}{DOWNLOAD}?bizType=trade&fileId={token}", world.urls.alipay)}))
}

/// `GET /downloadBillFile.resource?fileId=`. The rule `bill_cut` loses the file's last bytes on the way.
pub(super) async fn download(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Response {
    let token = query.get("fileId").map(String::as_str).unwrap_or_default();
    let file = match kept(&world, token).await {
        Ok(Some(file)) => file,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "a bill could not be read from the book");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut bytes = STANDARD.decode(file.wire.as_str().unwrap_or_default()).unwrap_or_default();
    if world.switches.rule(PROVIDER, "bill_cut", false) {
        bytes.truncate(bytes.len().saturating_sub(8));
    }
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

async fn kept(world: &World, token: &str) -> Result<Option<Document>, StoreError> {
    let file = world.book().await?.get(FILE, token).await?;
    Ok(file.filter(|file| world.now_us() < file.number("made_us").saturating_add(LIVES_US)))
}

/// What happened on the day that began then.
async fn items(book: &mut Book, from_us: i64) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let trades = book.all(TRADE).await?;
    for trade in trades.iter().filter(|trade| trade.number("paid_us") > 0) {
        items.push(Item {
            refund: false,
            own: trade.link.clone(),
            merchants: trade.id.clone(),
            payment: trade.link.clone(),
            payment_merchants: trade.id.clone(),
            minor: trade.number("total_fen"),
            currency: CNY.to_owned(),
            at_us: trade.number("paid_us"),
            state: "TRADE_SUCCESS".to_owned(),
        });
    }
    for refund in book.all(REFUND).await? {
        items.push(Item {
            refund: true,
            own: refund.text("trade_no").to_owned(),
            merchants: refund.hidden("number").to_owned(),
            payment: refund.text("trade_no").to_owned(),
            payment_merchants: refund.link.clone(),
            minor: refund.number("fen"),
            currency: CNY.to_owned(),
            at_us: from_beijing(refund.hidden("at")).unwrap_or(i64::MIN),
            state: refund.text("refund_status").to_owned(),
        });
    }
    items.retain(|item| (from_us..from_us.saturating_add(DAY_US)).contains(&item.at_us));
    items.sort_by_key(|item| item.at_us);
    Ok(items)
}

/// The archive: the details and their sums, both in GBK.
fn archive(world: &World, date: &str, from_us: i64, items: &[Item]) -> Vec<u8> {
    let seller = world.credentials.alipay.as_ref().map(|keys| keys.seller_id.clone()).unwrap_or_default();
    let name = format!("{seller}0156_{}", date.replace('-', ""));
    let line = "-".repeat(41);
    let head = |title: &str| {
        let until = beijing_plain(from_us.saturating_add(DAY_US));
        let from = beijing_plain(from_us);
        format!(
            "#支付宝{title}查询\r\n#账号：[{seller}0156]\r\n#起始日期：[{from}]   终止日期：[{until}]\r\n#{line}{title}列表{line}\r\n"
        )
    };
    let (mut rows, mut sums) = (String::new(), [(0_i64, 0_i64); 2]);
    for item in items {
        rows.push_str(&row(item));
        if let Some((count, sum)) = sums.get_mut(usize::from(item.refund)) {
            *count = count.saturating_add(1);
            *sum = sum.saturating_add(if item.refund { -item.minor } else { item.minor });
        }
    }
    let [(paid, in_fen), (back, out_fen)] = sums;
    let details = format!(
        "{}{HEAD}\r\n{rows}#{line}业务明细列表结束{line}\r\n#交易合计：{paid}笔，商家实收共{}元，商家优惠共0.00元\r\n\
         #退款合计：{back}笔，商家实收退款共{}元，商家优惠退款共0.00元\r\n#导出时间：[{}]\r\n",
        head("业务明细"),
        money::text(in_fen),
        money::text(out_fen),
        beijing_plain(world.now_us()),
    );
    let summary =
        format!("{}门店编号,门店名称,交易订单总笔数,退款订单总笔数\r\n合计\t,\t,{paid},{back}\r\n", head("业务汇总"));
    zipped(&[(&format!("{name}_业务明细.csv"), &details), (&format!("{name}_业务明细(汇总).csv"), &summary)])
}

fn row(item: &Item) -> String {
    let (kind, sign) = if item.refund { ("退款", "-") } else { ("交易", "") };
    let (amount, at) = (format!("{sign}{}", money::text(item.minor)), beijing_plain(item.at_us));
    let request = if item.refund { item.merchants.as_str() } else { "" };
    let (trade, number) = (&item.payment, &item.payment_merchants);
    // Free text can hold what separates the fields.
    let bought = "智游, 行程";
    format!(
        "{trade}\t,{number}\t,{kind}\t,{bought},{at},{at},\t,\t,\t,\t,*行(tra***@sandbox.test)\t,{amount},{amount},0.00,0.00,\
         0.00,0.00,0.00,,0.00\t,0.00,{request}\t,0.00,0.00,{bought}\r\n"
    )
}

/// A ZIP archive of texts, deflated, in GBK as the names are.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut zip, mut directory): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    let long = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    for (name, text) in files {
        let (name, text) = (GBK.encode(name).0, GBK.encode(text).0);
        let body = compress_to_vec(&text, 6);
        // Version 2.0, no flags, deflated, no time.
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        common.extend(crate::paypal::checksum(&text).to_le_bytes());
        common.extend([long(body.len()), long(text.len())].concat());
        common.extend([short(name.len()), [0, 0]].concat());
        let at = long(zip.len());
        zip.extend([b"PK\x03\x04", common.as_slice(), &name, &body].concat());
        directory.extend([b"PK\x01\x02", &[20, 0][..], &common, &[0; 10], &at, &name].concat());
    }
    let (count, at) = (short(files.len()), long(zip.len()));
    zip.extend_from_slice(&directory);
    zip.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &long(directory.len()), &at, &[0, 0]].concat());
    zip
}
