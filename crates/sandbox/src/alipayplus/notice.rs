//! Notifications of how payments and refunds ended, sent again until the answer is the one the channel wants.
//!
//! Sources: notifyPayment and notifyRefund pages. The signature covers the path of the merchant's address, the time of sending
//! and the body; every try is signed anew. Deliberately not here: the retrying itself (`notify`).

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{PROVIDER, sign};
use crate::clock::beijing;
use crate::notify::{self, Variant};
use crate::rows::{self, By};
use crate::store::{Book, Document, StoreError};
use crate::world::World;

/// Seconds between tries: 2 m, 10 m, 10 m, 1 h, 2 h, 6 h and 15 h.
pub(crate) const RETRY_S: [i64; 7] = [120, 600, 600, 3600, 7200, 21_600, 54_000];

/// Writes a notification of a payment's end into the book.
pub(super) async fn of_payment(world: &World, book: &mut Book, payment: &Document) -> Result<(), StoreError> {
    let paid = payment.text("paymentStatus") == "SUCCESS";
    let mut body = json!({
        "notifyType": "PAYMENT_RESULT",
        "result": {
            "resultCode": payment.wire["paymentResultCode"], "resultStatus": if paid { "S" } else { "F" },
            "resultMessage": payment.wire["paymentResultMessage"],
        },
    });
    for field in ["paymentRequestId", "paymentId", "paymentAmount", "paymentCreateTime", "paymentTime"] {
        if let Some(value) = payment.wire.get(field) {
            body[field] = value.clone();
        }
    }
    send(world, book, &payment.id, payment.hidden("notify_url"), &body).await
}

/// Writes a notification of a refund's end into the book.
pub(super) async fn of_refund(world: &World, book: &mut Book, refund: &Document) -> Result<(), StoreError> {
    let done = refund.text("refundStatus") == "SUCCESS";
    let (code, status) = if done { ("SUCCESS", "S") } else { ("PROCESS_FAIL", "F") };
    let mut body = json!({
        "notifyType": "REFUND_RESULT",
        "result": {"resultCode": code, "resultStatus": status, "resultMessage": code.to_lowercase()},
    });
    for field in ["refundStatus", "refundRequestId", "refundId", "refundAmount", "refundTime"] {
        if let Some(value) = refund.wire.get(field) {
            body[field] = value.clone();
        }
    }
    send(world, book, &refund.id, refund.hidden("notify_url"), &body).await
}

async fn send(world: &World, book: &mut Book, about: &str, url: &str, body: &Value) -> Result<(), StoreError> {
    if url.is_empty() {
        return Ok(());
    }
    notify::enqueue(world, book, PROVIDER, about, url, body).await
}

/// Headers and body of one try to deliver a notification to this address, signed now.
pub(crate) fn notification(world: &World, url: &str, body: &Value, variant: Variant) -> Option<(HeaderMap, String)> {
    let keys = world.credentials.alipayplus.as_ref()?;
    let address = url::Url::parse(url).ok()?;
    let wrong = rows::of(super::ROWS, variant);
    let mut body = body.clone();
    wrong.said(&mut body);
    let time = beijing(world.now_us().saturating_add(wrong.off_s * 1_000_000));
    let genuine = body.to_string();
    let path = if variant == Variant::Probe { "/elsewhere" } else { address.path() };
    let client_id = if wrong.by == By::ForAnother { "SOMEBODYELSE00920" } else { &keys.client_id };
    let stranger = wrong.by == By::Stranger;
    let pem = if stranger { &keys.merchant_private_key_pem } else { &keys.alipay_private_key_pem };
    let signature = sign::header(pem, path, client_id, &time, &genuine)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    for (name, value) in [("client-id", client_id), ("request-time", &time), ("signature", &signature)] {
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    let sent = if variant == Variant::Corrupt {
        body["paymentAmount"]["value"] = json!("1");
        body.to_string()
    } else {
        genuine
    };
    Some(wrong.sent(headers, sent))
}

/// Whether this answer means that the notification was taken.
pub(crate) fn taken(status: u16, text: &str) -> bool {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    status == 200 && said["result"]["resultStatus"] == "S" && said["result"]["resultCode"] == "SUCCESS"
}
