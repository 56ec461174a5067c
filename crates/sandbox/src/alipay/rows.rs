//! What can be wrong with a notice of this channel, row by row.
//!
//! A notice signs no header and no time, names no currency, and its fields may come in any order: rows about those are not
//! here. Deliberately not here: how it is signed (`notice`).

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::rows::{By, NOBODY, Table, endless, mislabelled, of_another, says, sends, signed};

pub(crate) const ROWS: Table = &[
    ("WH-01", sends(|_, body| rewrite(body, |name, _| (name != "sign").then(String::new)))),
    ("WH-04", signed(By::Stranger)),
    ("WH-05", sends(|_, body| replace(body, "sign", |sign| sign.trim_end_matches('=').to_owned()))),
    ("WH-07", sends(mislabelled)),
    ("WH-13", says(|fields| fields["passback_params"] = endless())),
    ("WH-16", says(|fields| fields["seller_id"] = json!("2088531800000001"))),
    ("WH-17", says(|fields| fields["total_amount"] = json!("0.01"))),
    ("WH-19", says(|fields| fields["notify_type"] = json!("something_new"))),
    ("WH-20", says(|fields| fields["out_trade_no"] = json!(NOBODY))),
    ("WH-27", sends(of_another)),
    ("AL-01", sends(|_, body| replace(body, "sign_type", |_| "RSA".to_owned()))),
    ("AL-02", sends(|_, body| body.push_str("&total_amount=0.01"))),
    ("AL-03", says(|fields| fields["passback_params"] = json!("a&b=c+d%2Be f%20g\u{1F600}\"'<>/\\;"))),
    ("AL-04", says(|fields| fields["total_amount"] = odd(&fields["total_amount"]))),
    ("AL-05", says(|fields| fields["app_id"] = json!("2021000000000001"))),
    ("AL-06", says(|fields| fields["trade_status"] = json!("WAIT_BUYER_PAY"))),
    ("AL-09", says(refunded)),
    ("AL-10", says(|fields| fields["alipay_cert_sn"] = json!("b7d7d6ee2ab8d8ad0d4c9e8f3b1a2c3d"))),
];

/// Whether a notice tells of money.
pub(crate) fn is_of_money(fields: &Value) -> bool {
    fields["trade_status"] == "TRADE_SUCCESS" && fields["gmt_refund"].is_null()
}

/// The right amount with a third decimal.
fn odd(amount: &Value) -> Value {
    json!(format!("{}0", amount.as_str().unwrap_or_default()))
}

/// A part that was given back by hand, in the words of a payment.
fn refunded(fields: &mut Value) {
    fields["gmt_refund"] = json!("2026-11-20 11:00:00.123");
    fields["refund_fee"] = json!("0.01");
    fields["out_biz_no"] = json!("by-hand-1");
}

/// Keeps the fields that `kept` answers for; an empty text leaves one as it is.
fn rewrite(body: &mut String, kept: impl Fn(&str, &str) -> Option<String>) {
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(body.as_bytes()) {
        if let Some(other) = kept(&name, &value) {
            written.append_pair(&name, if other.is_empty() { &value } else { &other });
        }
    }
    *body = written.finish();
}

fn replace(body: &mut String, field: &str, change: impl Fn(&str) -> String) {
    rewrite(body, |name, value| Some(if name == field { change(value) } else { String::new() }));
}
