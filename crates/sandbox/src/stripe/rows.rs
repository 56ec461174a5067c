//! What can be wrong with an event of this channel, row by row.
//!
//! Deliberately not here: how it is signed (`events`).

use serde_json::{Value, json};

use crate::rows::{By, NOBODY, Table, edit, endless, mislabelled, of_another, off, says, sends, signed};

const SIGNATURE: &str = "stripe-signature";

pub(crate) const ROWS: Table = &[
    ("WH-01", sends(|headers, _| drop(headers.remove(SIGNATURE)))),
    ("WH-03", sends(|headers, _| edit(headers, SIGNATURE, another_second))),
    ("WH-04", signed(By::Stranger)),
    (
        "WH-05",
        sends(|headers, _| {
            edit(headers, SIGNATURE, |text| text.to_uppercase().replace("T=", "t=").replace("V1=", "v1="))
        }),
    ),
    ("WH-06", sends(|_, body| *body = compact(body))),
    ("WH-07", sends(mislabelled)),
    ("WH-10", off(-3600)),
    ("WH-11", off(330)),
    ("WH-12", off(-360)),
    ("WH-13", says(|event| event["data"]["object"]["description"] = endless())),
    ("WH-16", says(|event| event["account"] = json!("acct_2Another"))),
    ("WH-17", says(|event| event["data"]["object"]["amount_received"] = json!(1))),
    ("WH-18", says(|event| event["data"]["object"]["currency"] = json!("hkd"))),
    ("WH-19", says(|event| event["type"] = json!("something.quite.new"))),
    ("WH-20", says(|event| event["data"]["object"]["metadata"]["attempt"] = json!(NOBODY))),
    ("WH-27", sends(of_another)),
    ("ST-01", sends(|headers, _| edit(headers, SIGNATURE, |text| text.replace("v1=", "v2=")))),
    ("ST-03", sends(|headers, _| edit(headers, SIGNATURE, |text| format!("{text},t=1")))),
    ("ST-04", says(|event| event["livemode"] = json!(true))),
    ("ST-05", says(|event| event["data"]["object"]["amount_received"] = json!(1))),
    ("ST-06", says(|event| event["account"] = json!("acct_2Another"))),
    ("ST-07", says(thin)),
];

/// Whether an event tells of money.
pub(crate) fn is_of_money(event: &Value) -> bool {
    event["type"] == "payment_intent.succeeded"
}

/// The time of the header, a second later than was signed.
fn another_second(header: &str) -> String {
    let (time, rest) = header.split_once(',').unwrap_or_default();
    let at: i64 = time.trim_start_matches("t=").parse().unwrap_or_default();
    format!("t={},{rest}", at + 1)
}

/// This channel writes its JSON over lines.
fn compact(body: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap_or_default().to_string()
}

/// The other format of events, which only names what it is about.
fn thin(event: &mut Value) {
    let object = &event["data"]["object"];
    let related = json!({"id": object["id"], "type": object["object"], "url": "/v1/payment_intents"});
    event["object"] = json!("v2.core.event");
    event["related_object"] = related;
    event["data"] = Value::Null;
}
