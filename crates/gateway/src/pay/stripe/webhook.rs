//! Notifications: verify on the raw bytes, compare world and account, read the object.
//!
//! Source: docs.stripe.com/api/events. The object is as it was when the event happened and events come in any order: only
//! money that came or was set aside is taken from it, everything else is a reason to ask. Deliberately not here: storing and
//! applying, which is the inbox's.

use super::{Stripe, amount, wire};
use crate::{
    defence::{Defence, off},
    pay::{DisputeSeen, Notice, NoticeContent, PaymentSeen, Refused},
};
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zhiyou_domain::{port::payments::PaymentState, time::UtcMicros};

/// Events of another format carry no object and are never sent to this address.
const OBJECT: &str = "event";

pub(super) fn read(channel: &Stripe, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
    channel.secrets.verify(headers, body, now).map_err(|error| Refused::NotAuthentic(error.to_string()))?;
    let value: Value = parse(body)?;
    let event: wire::Event = parse(body)?;
    if event.object != OBJECT && !off(Defence::WholeEvents) {
        return Err(Refused::Unreadable(format!("{} is another kind of event", event.object)));
    }
    let content = match belongs(channel, &event) {
        Ok(()) => content(channel, &event)?,
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    };
    Ok(Notice { event_id: event.id, second_id: None, digest: fingerprint(value), content })
}

/// The same event may come with another count of endpoints that still wait for it.
fn fingerprint(mut event: Value) -> String {
    if let Some(fields) = event.as_object_mut() {
        fields.remove("pending_webhooks");
    }
    hex::encode(digest::digest(&digest::SHA256, event.to_string().as_bytes()))
}

fn belongs(channel: &Stripe, event: &wire::Event) -> Result<(), &'static str> {
    if event.livemode != Some(channel.live) && !off(Defence::World) {
        return Err("about the other world, test or live");
    }
    match &event.account {
        Some(account) if Some(account) != channel.account_id.as_ref() && !off(Defence::Merchant) => {
            Err("about another account")
        }
        Some(_) | None => Ok(()),
    }
}

fn content(channel: &Stripe, event: &wire::Event) -> Result<NoticeContent, Refused> {
    let object = match &event.data {
        Some(data) => &data.object,
        None => return Err(Refused::Unreadable("an event without an object".to_owned())),
    };
    let kind = event.kind.as_str();
    if kind.starts_with("payment_intent.") {
        return intent(channel, event, &part(object)?);
    }
    if kind.starts_with("checkout.session.") {
        return Ok(session(channel, event, &part(object)?));
    }
    if kind.starts_with("refund.") {
        let refund: wire::Refund = part(object)?;
        return Ok(hint(refund.metadata.as_ref(), wire::REFUND, NoticeContent::RefundHint, kind));
    }
    if kind == "charge.refunded" {
        // Which refund it was, its own events tell.
        let charge: wire::Charge = part(object)?;
        return Ok(hint(charge.metadata.as_ref(), wire::ATTEMPT, NoticeContent::PaymentHint, kind));
    }
    if kind.starts_with("charge.dispute.") {
        return Ok(dispute(channel, kind, &part(object)?));
    }
    Ok(NoticeContent::Ignored(kind.to_owned()))
}

/// A dispute names the channel's payment only.
fn dispute(channel: &Stripe, kind: &str, dispute: &wire::Dispute) -> NoticeContent {
    let Some(state) = dispute.status.ours() else { return NoticeContent::Ignored(format!("{kind}, only asked about")) };
    if dispute.livemode != channel.live {
        return NoticeContent::Foreign("about the other world, test or live".to_owned());
    }
    let payment = match &dispute.payment_intent {
        Some(wire::Related::Id(id)) => id.clone(),
        Some(wire::Related::Object(intent)) => intent.id.clone(),
        None => return NoticeContent::Ignored(format!("{kind} without a payment")),
    };
    match amount::read(dispute.amount, &dispute.currency) {
        Ok(amount) => {
            let dispute_id = dispute.id.clone();
            NoticeContent::Dispute(payment, DisputeSeen { dispute_id, amount: Some(amount), state, as_of_us: None })
        }
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    }
}

fn hint(
    metadata: Option<&wire::Metadata>,
    key: &str,
    content: fn(String) -> NoticeContent,
    kind: &str,
) -> NoticeContent {
    match metadata.and_then(|metadata| metadata.get(key)) {
        Some(number) => content(number.clone()),
        None => NoticeContent::Ignored(format!("{kind} without a number of ours")),
    }
}

fn intent(channel: &Stripe, event: &wire::Event, intent: &wire::Intent) -> Result<NoticeContent, Refused> {
    let Some(number) = intent.metadata.as_ref().and_then(|metadata| metadata.get(wire::ATTEMPT)) else {
        return Ok(NoticeContent::Ignored(format!("{} without a number of ours", event.kind)));
    };
    if intent.status == wire::IntentStatus::Succeeded && intent.amount_received.is_none() {
        return Ok(NoticeContent::PaymentHint(number.clone()));
    }
    Ok(match channel.read_intent(number, intent, wire::SessionStatus::Unknown) {
        Ok(seen) => match seen.state {
            PaymentState::Captured | PaymentState::Authorised => {
                let paid_at_us = seen.paid_at_us.or_else(|| moment(event));
                NoticeContent::Payment(number.clone(), PaymentSeen { paid_at_us, ..seen })
            }
            PaymentState::NotFound
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Failed
            | PaymentState::Closed => NoticeContent::PaymentHint(number.clone()),
        },
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    })
}

/// A session says enough only when it was paid in full as it ended; how much of an authorisation was taken it never says.
fn session(channel: &Stripe, event: &wire::Event, session: &wire::Session) -> NoticeContent {
    let Some(number) = session.client_reference_id.clone() else {
        return NoticeContent::Ignored(format!("{} without a number of ours", event.kind));
    };
    if let Err(problem) = channel.is_about(&number, session) {
        return NoticeContent::Foreign(problem.to_owned());
    }
    let ended = ["checkout.session.completed", "checkout.session.async_payment_succeeded"];
    let paid = session.status == Some(wire::SessionStatus::Complete)
        && session.payment_status == Some(wire::PaymentStatus::Paid)
        && ended.contains(&event.kind.as_str());
    let transaction_id = match &session.payment_intent {
        Some(wire::Related::Id(id)) => id.clone(),
        Some(wire::Related::Object(intent)) => intent.id.clone(),
        None => return NoticeContent::PaymentHint(number),
    };
    if !paid {
        return NoticeContent::PaymentHint(number);
    }
    match Stripe::total(session) {
        Ok(total) => {
            let seen = PaymentSeen {
                state: PaymentState::Captured,
                transaction_id: Some(transaction_id),
                total: Some(total),
                taken: None,
                paid_at_us: moment(event),
            };
            NoticeContent::Payment(number, seen)
        }
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    }
}

fn moment(event: &wire::Event) -> Option<UtcMicros> {
    event.created.map(|seconds| UtcMicros(0).plus_seconds(seconds))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))
}

fn part<T: DeserializeOwned>(object: &Value) -> Result<T, Refused> {
    T::deserialize(object).map_err(|error| Refused::Unreadable(error.to_string()))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
