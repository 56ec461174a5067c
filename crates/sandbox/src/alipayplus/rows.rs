//! What can be wrong with a notification of this channel, row by row.
//!
//! Deliberately not here: how it is signed (`notice`).

use serde_json::{Value, json};

use crate::rows::{
    By, NOBODY, Table, edit, endless, mislabelled, of_another, off, says, sends, set, signed, written_again,
};

const DAY_S: i64 = 24 * 3600;

pub(crate) const ROWS: Table = &[
    ("WH-01", sends(|headers, _| drop(headers.remove("signature")))),
    ("WH-03", sends(|headers, _| set(headers, "client-id", "SOMEBODYELSE00920"))),
    ("WH-04", signed(By::Stranger)),
    ("WH-05", sends(|headers, _| edit(headers, "signature", |text| text.replace("RSA256", "RSA1")))),
    ("WH-06", sends(written_again)),
    ("WH-07", sends(mislabelled)),
    ("WH-10", off(-3 * DAY_S)),
    ("WH-11", off(330)),
    ("WH-12", off(360)),
    ("WH-13", says(|body| body["metadata"] = endless())),
    ("WH-16", signed(By::ForAnother)),
    ("WH-17", says(|body| body["paymentAmount"]["value"] = json!("1"))),
    ("WH-18", says(|body| body["paymentAmount"]["currency"] = json!("JPY"))),
    ("WH-19", says(|body| body["notifyType"] = json!("SOMETHING_NEW"))),
    ("WH-20", says(|body| body["paymentRequestId"] = json!(NOBODY))),
    ("WH-27", sends(of_another)),
];

/// Whether a notification tells of money.
pub(crate) fn is_of_money(body: &Value) -> bool {
    body["notifyType"] == "PAYMENT_RESULT" && body["result"]["resultStatus"] == "S"
}
