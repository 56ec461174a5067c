//! What the stub answers for the card channel: three pages, told apart by their ids, and successes about something else.

use super::{NOW_S, PAYMENT, REPEATED};
use serde_json::{Value, json};

/// A page nobody used yet.
pub(super) const OPEN: &str = "cs_test_open";
/// A page whose money is set aside.
pub(super) const HELD: &str = "cs_test_held";
/// A page that was paid.
pub(super) const PAID: &str = "cs_test_paid";

fn intent(status: &str, method: &str) -> Value {
    let received = if status == "succeeded" { 29_901 } else { 0 };
    let capturable = if status == "requires_capture" { 29_901 } else { 0 };
    json!({"id": "pi_1", "object": "payment_intent", "amount": 29_901, "amount_received": received,
        "amount_capturable": capturable, "currency": "cny", "status": status, "capture_method": method, "livemode": false,
        "metadata": {"attempt": PAYMENT}, "latest_charge": {"id": "ch_1", "created": NOW_S, "metadata": {}}})
}

/// What a read of this path shows.
pub(super) fn read(path: &str) -> Value {
    let (id, status, money) = match path {
        _ if path.contains(HELD) => (HELD, "complete", intent("requires_capture", "manual")),
        _ if path.contains(PAID) => (PAID, "complete", intent("succeeded", "automatic")),
        _ => (OPEN, "open", Value::Null),
    };
    json!({"id": id, "object": "checkout.session", "status": status, "payment_status": "unpaid", "amount_total": 29_901,
        "currency": "cny", "client_reference_id": PAYMENT, "metadata": {"attempt": PAYMENT}, "livemode": false,
        "payment_intent": money, "url": null})
}

/// A success about something else.
pub(super) fn foreign(path: &str) -> Value {
    match path {
        "/v1/refunds" => json!({"id": "re_1", "amount": 100, "currency": "cny", "status": "succeeded",
            "metadata": {"refund": "another"}, "payment_intent": intent("succeeded", "automatic")}),
        _ if path.starts_with("/v1/payment_intents/") => {
            let mut another = intent("succeeded", "manual");
            another["id"] = "pi_2".into();
            another
        }
        _ => {
            let mut another = read(PAID);
            another["client_reference_id"] = "another".into();
            another
        }
    }
}

/// The channel's error body.
pub(super) fn error(kind: &str) -> String {
    json!({"error": {"type": kind, "code": "card_declined", "message": REPEATED}}).to_string()
}

/// What is said to a key that is wrong or was revoked.
pub(super) fn wrong_key() -> String {
    json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}).to_string()
}
