//! What the channel's answers mean: where an order stands, what was taken, what was given back; and that each belongs to the
//! question.
//!
//! Deliberately not here: asking, and what follows from an answer.

use super::{
    Ending, integrity, intent, is_plain,
    wire::{self, AuthorizationStatus, CaptureStatus, OrderStatus},
};
use crate::{
    pay::{PaymentSeen, RefundSeen},
    store::attempts::Attempt,
};
use zhiyou_domain::{
    money::Money,
    port::{Outcome, payments::PaymentState},
    time::UtcMicros,
};

/// Where an order stands.
pub(super) enum Stand {
    /// As seen; nobody waits for us.
    Seen(PaymentSeen),
    /// The payer approved this amount, and the channel waits for us.
    Approved(Money),
}

/// Where an order stands. Captures decide before authorisations, and both before the order's own word. `asked` is the total
/// where it was read before: some answers leave it out.
pub(super) fn stand(attempt: &Attempt, order: &wire::Order, asked: Option<Money>) -> Result<Stand, &'static str> {
    let [unit] = order.purchase_units.as_slice() else { return Err("not one purchase") };
    let (captures, set_aside) = (&unit.payments.captures, &unit.payments.authorizations);
    let number = attempt.attempt_id.bare();
    let numbers = unit.custom_id.iter();
    let numbers = numbers.chain(captures.iter().filter_map(|capture| capture.custom_id.as_ref()));
    let mut numbers = numbers.chain(set_aside.iter().filter_map(|part| part.custom_id.as_ref())).peekable();
    if (asked.is_none() && numbers.peek().is_none()) || numbers.any(|other| *other != number) {
        return Err("about another payment");
    }
    if order.intent.is_some_and(|other| other != intent(attempt)) {
        return Err("charged where it should be set aside, or the reverse");
    }
    let total = match (&unit.amount, asked) {
        (Some(amount), _) => amount.money()?,
        (None, Some(asked)) => asked,
        (None, None) => return Err("without an amount"),
    };
    let seen = |state| Ok(Stand::Seen(PaymentSeen { total: Some(total), ..PaymentSeen::bare(state) }));
    let paid = |capture: &&wire::Capture| {
        matches!(capture.status, CaptureStatus::Completed | CaptureStatus::PartiallyRefunded | CaptureStatus::Refunded)
    };
    let mut good = captures.iter().filter(paid);
    match (good.next(), good.next()) {
        (Some(capture), None) => return captured(capture, total).map(Stand::Seen),
        (Some(_), Some(_)) => return Err("money was taken twice"),
        (None, _) => {}
    }
    if captures.iter().any(|capture| matches!(capture.status, CaptureStatus::Pending | CaptureStatus::Unknown)) {
        return seen(PaymentState::Processing);
    }
    if let Some(part) = set_aside.last() {
        return match part.status {
            AuthorizationStatus::Created if is_plain(&part.id) => Ok(Stand::Seen(PaymentSeen {
                transaction_id: Some(part.id.clone()),
                total: Some(total),
                ..PaymentSeen::bare(PaymentState::Authorised)
            })),
            AuthorizationStatus::Created => Err("set aside without a number"),
            AuthorizationStatus::Captured
            | AuthorizationStatus::PartiallyCaptured
            | AuthorizationStatus::Pending
            | AuthorizationStatus::Unknown => seen(PaymentState::Processing),
            AuthorizationStatus::Voided | AuthorizationStatus::Expired => seen(PaymentState::Closed),
            AuthorizationStatus::Denied => seen(PaymentState::Failed),
        };
    }
    match order.status {
        OrderStatus::Approved | OrderStatus::Completed if !captures.is_empty() => seen(PaymentState::Failed),
        OrderStatus::Approved => Ok(Stand::Approved(total)),
        OrderStatus::Created | OrderStatus::Saved | OrderStatus::PayerActionRequired => {
            seen(PaymentState::RequiresAction)
        }
        OrderStatus::Voided => seen(PaymentState::Closed),
        OrderStatus::Completed | OrderStatus::Unknown => seen(PaymentState::Processing),
    }
}

/// Money that was taken.
pub(super) fn captured(capture: &wire::Capture, total: Money) -> Result<PaymentSeen, &'static str> {
    let amount = capture.amount.as_ref().ok_or("paid without an amount")?.money()?;
    if !is_plain(&capture.id) {
        return Err("paid without a number");
    }
    let paid_at_us = capture.create_time.as_deref().map(UtcMicros::parse_rfc3339).transpose();
    Ok(PaymentSeen {
        state: PaymentState::Captured,
        transaction_id: Some(capture.id.clone()),
        total: Some(total),
        taken: (amount != total).then_some(amount),
        paid_at_us: paid_at_us.map_err(|_| "an unreadable time")?,
    })
}

/// A refund's answer names our refund and, by a link, the capture; the total is not in it, so ours stands in.
pub(super) fn refund_seen(number: &str, attempt: &Attempt, ending: Ending) -> Outcome<RefundSeen> {
    match ending.outcome::<wire::Refund>() {
        Outcome::Done(refund) => {
            let capture = attempt.transaction_id.as_deref().unwrap_or_default();
            let elsewhere =
                |link: &wire::Link| link.rel == "up" && !link.href.ends_with(&format!("/captures/{capture}"));
            if refund.custom_id.as_deref() != Some(number) || refund.links.iter().any(elsewhere) {
                return integrity("the answer is about another refund");
            }
            let amount = match refund.amount.money() {
                Ok(amount) if is_plain(&refund.id) => amount,
                Ok(_) => return integrity("a refund without an id"),
                Err(problem) => return integrity(problem),
            };
            Outcome::Done(RefundSeen {
                state: refund.status.ours(),
                payment_number: attempt.attempt_id.bare(),
                amount,
                total: attempt.amount,
                provider_ref: Some(refund.id),
            })
        }
        Outcome::NotSent(reason) => Outcome::NotSent(reason),
        Outcome::Declined(reason) => Outcome::Declined(reason),
        Outcome::Unknown(reason) => Outcome::Unknown(reason),
    }
}
