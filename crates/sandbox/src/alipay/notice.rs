//! Asynchronous notices: a form that carries its own signature, sent again until the answer is exactly `success`.
//!
//! Source: the asynchronous notice page. The signature covers every field but `sign` and `sign_type`; `notify_time` is the
//! moment of sending, so every try is signed anew under the same `notify_id`. Deliberately not here: the retrying itself
//! (`notify`).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};

use super::trades::BUYER;
use super::{PROVIDER, sign};
use crate::clock::beijing_plain;
use crate::money;
use crate::notify::{self, Variant};
use crate::rows::{self, By};
use crate::store::{Book, Document, StoreError};
use crate::world::World;

/// Seconds between tries: 4 m, 10 m, 10 m, 1 h, 2 h, 6 h and 15 h.
pub(crate) const RETRY_S: [i64; 7] = [240, 600, 600, 3600, 7200, 21_600, 54_000];

/// What has to come back, and nothing else.
const TAKEN: &str = "success";

/// Writes a notice about a trade into the book; about one of its refunds when a number is given.
pub(super) async fn announce(
    world: &World,
    book: &mut Book,
    about: &str,
    trade: &Document,
    refund: Option<&str>,
) -> Result<(), StoreError> {
    let (url, Some(keys)) = (trade.hidden("notify_url"), &world.credentials.alipay) else { return Ok(()) };
    if url.is_empty() {
        return Ok(());
    }
    let paid = &trade.wire["total_amount"];
    let bills = json!([{"amount": paid, "fundChannel": "ALIPAYACCOUNT"}]).to_string();
    let mut fields = json!({
        "app_id": keys.app_id,
        "auth_app_id": keys.app_id,
        "buyer_id": BUYER,
        "buyer_pay_amount": paid,
        "charset": "utf-8",
        "fund_bill_list": bills,
        "gmt_create": beijing_plain(trade.number("created_us")),
        "gmt_payment": trade.wire["send_pay_date"],
        "invoice_amount": paid,
        "notify_id": format!("{}{}", beijing_plain(world.now_us()).get(..10).unwrap_or_default().replace('-', ""), world.ids.digits("notice", 26)),
        "notify_type": "trade_status_sync",
        "out_trade_no": trade.id,
        "point_amount": "0.00",
        "receipt_amount": paid,
        "seller_id": keys.seller_id,
        "subject": trade.inner["subject"],
        "total_amount": paid,
        "trade_no": trade.link,
        "trade_status": trade.wire["trade_status"],
        "version": "1.0",
    });
    if !trade.hidden("passback_params").is_empty() {
        fields["passback_params"] = trade.inner["passback_params"].clone();
    }
    if trade.inner["by_certificate"] == json!(true) {
        fields["alipay_cert_sn"] = json!(keys.alipay_cert_sn);
    }
    if let Some(number) = refund {
        fields["gmt_refund"] = json!(format!("{}.000", beijing_plain(world.now_us())));
        fields["out_biz_no"] = json!(number);
        // Everything given back so far, not this refund alone.
        fields["refund_fee"] = json!(money::text(trade.number("refunded_fen")));
    }
    notify::enqueue(world, book, PROVIDER, about, url, &fields).await
}

/// Headers and body of one try to deliver a notice, signed now.
pub(crate) fn notification(world: &World, fields: &Value, variant: Variant) -> Option<(HeaderMap, String)> {
    let wrong = rows::of(super::ROWS, variant);
    let mut fields = fields.clone();
    wrong.said(&mut fields);
    let mut form = texts(fields.as_object()?);
    form.insert("notify_time".to_owned(), beijing_plain(world.now_us()));
    let keys = world.credentials.alipay.as_ref()?;
    let mut body = match wrong.by {
        By::Provider => signed(world, form)?,
        By::ForAnother | By::Stranger => signed_by(&keys.app_private_key_pem, form)?,
    };
    match variant {
        Variant::Genuine | Variant::Row(_) => {}
        Variant::Corrupt => drop(body.insert("total_amount".to_owned(), "0.01".to_owned())),
        Variant::Probe => drop(body.insert("sign".to_owned(), "bm90IGEgc2lnbmF0dXJl".to_owned())),
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Mozilla/4.0"));
    Some(wrong.sent(headers, url::form_urlencoded::Serializer::new(String::new()).extend_pairs(body).finish()))
}

fn texts(fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The fields with the channel's signature and its scheme, which is not signed.
pub(super) fn signed(world: &World, fields: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    signed_by(&world.credentials.alipay.as_ref()?.alipay_private_key_pem, fields)
}

fn signed_by(private_pem: &str, mut fields: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let sign = sign::sign(private_pem, &sign::content(&fields))?;
    fields.insert("sign".to_owned(), sign);
    fields.insert("sign_type".to_owned(), "RSA2".to_owned());
    Some(fields)
}

/// Whether this answer means that the notice was taken.
pub(crate) fn taken(status: u16, text: &str) -> bool {
    status == 200 && text == TAKEN
}
