//! Notifications: prove who spoke and that all of it is genuine, then only note whom to ask about.
//!
//! The signature covers the whole body, so a success in it did happen. It need not hold any more: cancelling gives back what
//! was paid, and the channel keeps sending an older notification for a day. So none brings money or takes it away: each is a
//! reason to ask, and the answer decides. A dispute cannot be asked about: what its notification says is recorded. There is no
//! event id; a notification is the same when it says the same about the same number, and then its body has to be the same.
//! Deliberately not here: storing and applying, which is the inbox's.

use super::{AlipayPlus, sign::Claim, wire};
use crate::{
    defence::{Defence, off},
    pay::{DisputeSeen, Notice, NoticeContent, Refused},
};
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use zhiyou_domain::{port::payments::DisputeState, time::UtcMicros};

/// The channel tries again for a day (docs.antom.com, notifyRefund: eight times within 24 hours); whether it signs anew then is
/// written nowhere. A second day allows for a clock that is off.
const OLDEST_S: i64 = 2 * 24 * 3600;
/// Notifications from this far ahead of our clock, seconds, are refused.
const AHEAD_S: i64 = 300;

pub(super) fn read(channel: &AlipayPlus, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
    let refused = |error: super::sign::ProofError| Refused::NotAuthentic(error.to_string());
    let claim = Claim::read(headers, "request-time").map_err(refused)?;
    let at = UtcMicros::parse_rfc3339(claim.time).map_err(|_| Refused::NotAuthentic("no time".to_owned()))?;
    let near = at >= now.plus_seconds(-OLDEST_S) && at <= now.plus_seconds(AHEAD_S);
    if !near && !off(Defence::Window) {
        return Err(Refused::NotAuthentic("sent long ago or in the future".to_owned()));
    }
    claim.verify(&channel.key, &channel.notify_path, body).map_err(refused)?;
    let event: wire::Event = serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))?;
    Ok(Notice {
        event_id: event_id(&event, body),
        second_id: None,
        digest: digest_of(body),
        content: if claim.client_id == channel.client_id {
            said(&event, body)
        } else {
            NoticeContent::Foreign("about another merchant".to_owned())
        },
    })
}

fn digest_of(body: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, body))
}

/// What an event is told apart by: what kind it is, whom it is about and how that ended. A kind without a number of ours, and
/// what is told of a dispute, is told apart by its whole body.
fn event_id(event: &wire::Event, body: &[u8]) -> String {
    let event = match event {
        wire::Event::Dispute(dispute) => return format!("DISPUTE.{}.{}", dispute.dispute_id, digest_of(body)),
        wire::Event::Result(event) => event,
    };
    let number = match event.notify_type.as_str() {
        "REFUND_RESULT" => event.refund_request_id.clone(),
        _ => event.payment_request_id.clone(),
    };
    let number = number.unwrap_or_else(|| digest_of(body));
    format!("{}.{number}.{:?}", event.notify_type, event.result.result_status)
}

#[cfg(not(test))]
fn said(event: &wire::Event, _: &[u8]) -> NoticeContent {
    content(event)
}

/// Without the rule that a notification is a hint, the body would be believed.
#[cfg(test)]
fn said(event: &wire::Event, body: &[u8]) -> NoticeContent {
    if off(Defence::HintOnly) { tests::believed(body) } else { content(event) }
}

/// Whom it is about.
fn content(event: &wire::Event) -> NoticeContent {
    let event = match event {
        wire::Event::Dispute(dispute) => return disputed(dispute),
        wire::Event::Result(event) => event,
    };
    let found = match event.notify_type.as_str() {
        "PAYMENT_RESULT" | "PAYMENT_PENDING" => event.payment_request_id.clone().map(NoticeContent::PaymentHint),
        "REFUND_RESULT" => event.refund_request_id.clone().map(NoticeContent::RefundHint),
        _ => None,
    };
    found.unwrap_or_else(|| NoticeContent::Ignored(event.notify_type.clone()))
}

/// What is recorded of a dispute. How much one is about that is not lost need not be said; of any other one nobody guesses it.
fn disputed(dispute: &wire::Dispute) -> NoticeContent {
    let kind = dispute.dispute_notification_type;
    let Some(state) = dispute.state() else { return NoticeContent::Ignored(format!("{kind:?}, decides nothing")) };
    match dispute.about() {
        Ok(None) if state != DisputeState::Won => {
            let id = dispute.dispute_id.as_str();
            tracing::error!(id, ?kind, "a dispute that does not say how much: somebody has to look at the channel");
            NoticeContent::Ignored(format!("{kind:?} without an amount"))
        }
        Ok(amount) => {
            let dispute_id = dispute.dispute_id.clone();
            let seen = DisputeSeen { dispute_id, amount, state, as_of_us: None };
            NoticeContent::Dispute(dispute.payment_request_id.clone(), seen)
        }
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::super::{read, wire};
    use super::NoticeContent;

    /// What a reader does that trusts the body: money came, as it says.
    pub(super) fn believed(body: &[u8]) -> NoticeContent {
        let mut event: serde_json::Value = serde_json::from_slice(body).unwrap();
        event["paymentStatus"] = "SUCCESS".into();
        let payment: wire::Payment = serde_json::from_value(event).unwrap();
        NoticeContent::Payment(payment.payment_request_id.clone(), read(&payment).unwrap())
    }
}
