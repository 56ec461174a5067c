//! Notifications: prove who spoke, then only note whom to ask about.
//!
//! The signature covers a checksum of the body that anybody can forge another body for, so no notification brings money,
//! takes it away or closes anything: each one is a hint, and the question that follows decides. Its transmission id and its
//! event id may each be used for one content only. Deliberately not here: storing and applying, which is the inbox's.

use super::{
    Paypal,
    sign::{ProofError, Transmission},
    wire,
};
use crate::pay::{Notice, NoticeContent, Refused};
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use zhiyou_domain::time::UtcMicros;

pub(super) async fn read(
    channel: &Paypal,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcMicros,
) -> Result<Notice, Refused> {
    let transmission = Transmission::read(headers, now).map_err(refused)?;
    let key = channel.certificates.key(transmission.certificate_url, now).await.map_err(refused)?;
    transmission.verify(&key, &channel.webhook_id, body).map_err(refused)?;
    let event: wire::Event = serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))?;
    Ok(Notice {
        event_id: transmission.id.to_owned(),
        second_id: Some(event.id.clone()),
        digest: hex::encode(digest::digest(&digest::SHA256, body)),
        content: said(event, body),
    })
}

#[cfg(not(test))]
fn said(event: wire::Event, _: &[u8]) -> NoticeContent {
    content(event)
}

/// Without the rule that a notification is a hint, the body would be believed.
#[cfg(test)]
fn said(event: wire::Event, body: &[u8]) -> NoticeContent {
    if crate::defence::off(crate::defence::Defence::HintOnly) { tests::believed(body) } else { content(event) }
}

fn refused(error: ProofError) -> Refused {
    match error {
        ProofError::Unreachable(_) => Refused::Unprovable(error.to_string()),
        ProofError::Header(_)
        | ProofError::Algorithm
        | ProofError::Window
        | ProofError::Address
        | ProofError::Certificate(_)
        | ProofError::Wrong => Refused::NotAuthentic(error.to_string()),
    }
}

/// Whom it is about. An order carries our number in its purchase unit, what follows from it carries it itself; a refund
/// carries the refund's.
fn content(event: wire::Event) -> NoticeContent {
    let of_unit = || event.resource.purchase_units.first().and_then(|unit| unit.custom_id.clone());
    let found = match event.resource_type.as_str() {
        "checkout-order" => of_unit().map(NoticeContent::PaymentHint),
        "capture" | "authorization" => event.resource.custom_id.clone().map(NoticeContent::PaymentHint),
        "refund" => event.resource.custom_id.clone().map(NoticeContent::RefundHint),
        _ => None,
    };
    found.unwrap_or_else(|| NoticeContent::Ignored(format!("{} of {}", event.event_type, event.resource_type)))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::super::standing::captured;
    use super::{NoticeContent, wire};

    /// What a reader does that trusts the body: money came, as it says.
    pub(super) fn believed(body: &[u8]) -> NoticeContent {
        let event: serde_json::Value = serde_json::from_slice(body).unwrap();
        let capture: wire::Capture = serde_json::from_value(event["resource"].clone()).unwrap();
        let total = capture.amount.as_ref().unwrap().money().unwrap();
        NoticeContent::Payment(capture.custom_id.clone().unwrap(), captured(&capture, total).unwrap())
    }
}
