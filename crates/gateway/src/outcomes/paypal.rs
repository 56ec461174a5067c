//! What the stub answers for PayPal: an order that was approved or whose money is set aside, and successes about something else.

use super::{PAYMENT, REPEATED};
use serde_json::{Value, json};

/// The order every payment is kept under.
pub(super) const ORDER: &str = "ORD1";
/// What was taken of it.
pub(super) const TAKEN: &str = "CAP1";

/// An order: approved, or with its money set aside.
fn order(aside: bool, intent: &str) -> Value {
    let mut unit = json!({"custom_id": PAYMENT, "amount": {"currency_code": "USD", "value": "299.01"}});
    if aside {
        unit["payments"] = json!({"authorizations": [{"id": "AUT1", "status": "CREATED", "custom_id": PAYMENT}]});
    }
    let status = if aside { "COMPLETED" } else { "APPROVED" };
    json!({"id": ORDER, "status": status, "intent": intent, "purchase_units": [unit], "links": []})
}

/// The token every other request needs.
pub(super) fn token() -> Value {
    json!({"access_token": "A21AA", "token_type": "Bearer", "expires_in": 32_400})
}

/// What a read of the order shows.
pub(super) fn read(aside: bool, authorise: bool) -> Value {
    order(aside, if authorise { "AUTHORIZE" } else { "CAPTURE" })
}

/// A success about something else.
pub(super) fn foreign(path: &str) -> Value {
    match path {
        "/v2/checkout/orders" => {
            let mut opened = order(false, "CAPTURE");
            opened["status"] = "PAYER_ACTION_REQUIRED".into();
            opened["links"] = json!([{"rel": "payer-action", "href": "https://evil.example/checkoutnow?token=ORD1"}]);
            opened
        }
        _ if path.starts_with("/v2/checkout/orders/ORD1/") => {
            let mut another = order(false, "CAPTURE");
            another["id"] = "ORD2".into();
            another
        }
        _ => json!({"id": "OTHER", "status": "COMPLETED", "custom_id": "another",
            "amount": {"currency_code": "USD", "value": "1.00"}}),
    }
}

/// The provider's error body.
pub(super) fn error(issue: &str) -> String {
    json!({"name": "UNPROCESSABLE_ENTITY", "message": REPEATED, "details": [{"issue": issue}]}).to_string()
}

/// What is said to a secret that is wrong or was revoked, instead of a token.
pub(super) fn wrong_secret() -> String {
    json!({"error": "invalid_client", "error_description": "Client Authentication failed"}).to_string()
}
