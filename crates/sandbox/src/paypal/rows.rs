//! What can be wrong with a notification of this channel, row by row.
//!
//! Deliberately not here: how it is signed, and the certificates that only look like the channel's (`notice`).

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::notice::{EXPIRED, STRANGERS, checksum};
use crate::rows::{
    By, NOBODY, Table, Wrong, edit, endless, mislabelled, of_another, off, says, sends, set, signed, written_again,
};

const DAY_S: i64 = 24 * 3600;
const CERTIFICATE: &str = "paypal-cert-url";

pub(crate) const ROWS: Table = &[
    ("WH-01", sends(|headers, _| drop(headers.remove("paypal-transmission-sig")))),
    ("WH-03", sends(|headers, _| set(headers, "paypal-transmission-id", "69cd13f0-d67a-11e5-baa3-778b53f4ae55"))),
    ("WH-04", signed(By::Stranger)),
    (
        "WH-05",
        sends(|headers, _| edit(headers, "paypal-transmission-sig", |text| text.trim_end_matches('=').to_owned())),
    ),
    ("WH-06", sends(written_again)),
    ("WH-07", sends(mislabelled)),
    ("WH-10", off(-5 * DAY_S)),
    ("WH-11", off(330)),
    ("WH-12", off(360)),
    ("WH-13", says(|event| event["summary"] = endless())),
    ("WH-17", says(|event| amount(event)["value"] = json!("0.01"))),
    ("WH-18", says(|event| amount(event)["currency_code"] = json!("JPY"))),
    ("WH-19", says(|event| event["resource_type"] = json!("something-new"))),
    ("WH-20", says(|event| event["resource"]["purchase_units"][0]["custom_id"] = json!(NOBODY))),
    ("WH-27", sends(of_another)),
    ("PP-01", sends(|headers, _| edit(headers, CERTIFICATE, |url| url.replace("127.0.0.1", "127.0.0.1.evil.example")))),
    ("PP-02", sends(|headers, _| edit(headers, CERTIFICATE, |url| named(url, STRANGERS)))),
    ("PP-03", sends(|headers, _| edit(headers, CERTIFICATE, |url| named(url, EXPIRED)))),
    ("PP-05", signed(By::ForAnother)),
    ("PP-06", sends(|headers, _| set(headers, "paypal-auth-algo", "SHA1withRSA"))),
    ("PP-07", Wrong { same_id: true, ..sends(forged) }),
    ("PP-09", says(|event| event["resource"]["status"] = json!("COMPLETED"))),
    ("PP-10", says(pending)),
];

/// Whether a notification tells of money: an approval is all there is before the merchant takes it.
pub(crate) fn is_of_money(event: &Value) -> bool {
    event["event_type"] == "CHECKOUT.ORDER.APPROVED"
}

fn amount(event: &mut Value) -> &mut Value {
    &mut event["resource"]["purchase_units"][0]["amount"]
}

/// The same address with another certificate's name.
fn named(url: &str, name: &str) -> String {
    url.rsplit_once('/').map(|(path, _)| format!("{path}/{name}")).unwrap_or_default()
}

/// A payment that is under way, said with a number of ours.
fn pending(event: &mut Value) {
    let number = event["resource"]["purchase_units"][0]["custom_id"].clone();
    event["event_type"] = json!("PAYMENT.CAPTURE.PENDING");
    event["resource_type"] = json!("capture");
    event["resource"] = json!({"id": "3C679366HH908993F", "status": "PENDING", "custom_id": number});
}

/// Another body with the same checksum, so that the signature fits it too: money that never came.
fn forged(_: &mut HeaderMap, body: &mut String) {
    let mut event: Value = serde_json::from_str(body).unwrap_or_default();
    pending(&mut event);
    event["event_type"] = json!("PAYMENT.CAPTURE.COMPLETED");
    event["resource"]["status"] = json!("COMPLETED");
    let with = |bits: u128| {
        let mut event = event.clone();
        event["summary"] = json!(format!("{bits:096b}"));
        event.to_string()
    };
    if let Some(bits) = bits_for(|bits| checksum(with(bits).as_bytes()), checksum(body.as_bytes())) {
        *body = with(bits);
    }
}

/// Which of 96 letters have to be ones for the wanted checksum. Turning one always changes the same bits of it.
fn bits_for(sum: impl Fn(u128) -> u32, wanted: u32) -> Option<u128> {
    let base = sum(0);
    let mut rows: Vec<(u32, u128)> = (0..96).map(|at| 1 << at).map(|bit| (sum(bit) ^ base, bit)).collect();
    let (mut left, mut chosen) = (base ^ wanted, 0);
    for bit in (0..32).map(|at| 1_u32 << at) {
        let Some(at) = rows.iter().position(|(effect, _)| effect & bit != 0) else { continue };
        let pivot = rows.swap_remove(at);
        for row in rows.iter_mut().filter(|row| row.0 & bit != 0) {
            *row = (row.0 ^ pivot.0, row.1 ^ pivot.1);
        }
        if left & bit != 0 {
            (left, chosen) = (left ^ pivot.0, chosen ^ pivot.1);
        }
    }
    (left == 0).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_body_has_the_checksum_of_the_genuine_one_and_says_something_else() {
        let genuine = json!({"id": "WH-1", "summary": "x", "resource": {"purchase_units": [{"custom_id": "N"}]}});
        let mut body = genuine.to_string();
        forged(&mut HeaderMap::new(), &mut body);
        assert_eq!(checksum(body.as_bytes()), checksum(genuine.to_string().as_bytes()));
        assert!(body.contains("PAYMENT.CAPTURE.COMPLETED"));
    }
}
