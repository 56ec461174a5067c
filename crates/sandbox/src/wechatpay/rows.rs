//! What can be wrong with a notification of this channel, row by row.
//!
//! Deliberately not here: how it is sealed and signed (`notice`).

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::rows::{
    By, NOBODY, Table, Wrong, edit, endless, mislabelled, off, says, sends, set, signed, wraps, written_again,
};

const SIGNATURE: &str = "wechatpay-signature";

pub(crate) const ROWS: Table = &[
    ("WH-01", sends(|headers, _| drop(headers.remove(SIGNATURE)))),
    ("WH-03", sends(|headers, _| set(headers, "wechatpay-nonce", "other"))),
    ("WH-04", signed(By::Stranger)),
    ("WH-05", sends(|headers, _| edit(headers, SIGNATURE, |text| text.trim_end_matches('=').to_owned()))),
    ("WH-06", sends(written_again)),
    ("WH-07", sends(mislabelled)),
    ("WH-10", off(-3600)),
    ("WH-11", off(330)),
    ("WH-12", off(-360)),
    ("WH-13", wraps(|envelope| envelope["summary"] = endless())),
    ("WH-16", says(|resource| resource["mchid"] = json!("1900000000"))),
    ("WH-17", says(|resource| resource["amount"]["total"] = less(&resource["amount"]["total"]))),
    ("WH-18", says(|resource| resource["amount"]["currency"] = json!("HKD"))),
    ("WH-19", wraps(new_kind)),
    ("WH-20", says(|resource| resource["out_trade_no"] = json!(NOBODY))),
    ("WH-27", sends(of_cards)),
    ("WX-01", sends(|headers, _| edit(headers, SIGNATURE, |text| format!("WECHATPAY/SIGNTEST/{text}")))),
    ("WX-02", sends(|headers, _| set(headers, "wechatpay-serial", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"))),
    ("WX-05", wraps(broken_seal)),
    ("WX-06", wraps(|envelope| envelope["resource"]["algorithm"] = json!("AEAD_SM4_GCM"))),
    ("WX-08", says(unpaid)),
    ("WX-09", says(|resource| resource["appid"] = json!("wx0000000000000000"))),
    ("WX-10", says(|resource| resource["amount"]["currency"] = json!("HKD"))),
    ("WX-11", Wrong { same_id: true, ..says(unpaid) }),
];

/// Whether a notification tells of money.
pub(crate) fn is_of_money(envelope: &Value) -> bool {
    envelope["event_type"] == "TRANSACTION.SUCCESS"
}

fn less(amount: &Value) -> Value {
    json!(amount.as_i64().unwrap_or_default() - 1)
}

/// Success outside, and nothing paid inside.
fn unpaid(resource: &mut Value) {
    resource["trade_state"] = json!("NOTPAY");
}

fn new_kind(envelope: &mut Value) {
    envelope["event_type"] = json!("COUPON.USE");
    envelope["resource"]["original_type"] = json!("coupon");
}

fn broken_seal(envelope: &mut Value) {
    let sealed = envelope["resource"]["ciphertext"].as_str().unwrap_or_default();
    let other = if sealed.starts_with('A') { "B" } else { "A" };
    let broken = format!("{other}{}", sealed.get(1..).unwrap_or_default());
    envelope["resource"]["ciphertext"] = json!(broken);
}

/// The event of another channel, with that channel's header.
fn of_cards(headers: &mut HeaderMap, body: &mut String) {
    headers.clear();
    set(
        headers,
        "stripe-signature",
        "t=1795141500,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    );
    *body = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}).to_string();
}
