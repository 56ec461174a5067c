//! The cart: what exactly is confirmed, what it costs, and where its money is.
//!
//! The hash names the cart by its items, prices, seats, terms and payee, so that a confirmation can only ever mean what
//! was shown. Deliberately not here: changing an order.

use super::{Attempt, AttemptState, Illegal, ItemState, Order, OrderItem, PaymentPart, Refund, RefundProgress};
use crate::{
    defect::{Defect, planted},
    money::{Money, MoneyError},
    port::payments::{Channel, DisputeState},
    time::UtcMicros,
};
use sha2::{Digest, Sha256};

/// Who receives the money.
pub const PAYEE: &str = "Zhiyou";

/// Items that are held or priced and would be booked.
pub fn cart_items(order: &Order) -> impl Iterator<Item = &OrderItem> {
    order.items.iter().filter(|item| item.state != ItemState::Failed && item.state != ItemState::Expired)
}

/// Sum of what is held so far.
///
/// # Errors
/// [`MoneyError::CurrencyMismatch`] when a supplier priced in another currency than the order's.
pub fn total(order: &Order) -> Result<Money, MoneyError> {
    Money::sum(order.budget.currency(), cart_items(order).filter_map(OrderItem::price))
}

/// Whether every item that is still wanted is held or priced, and there is at least one.
#[must_use]
pub fn is_complete(order: &Order) -> bool {
    let mut any = false;
    cart_items(order).all(|item| {
        any = true;
        item.state == ItemState::Held && item.hold.is_some()
    }) && any
}

/// The earliest moment something in the cart lapses.
#[must_use]
pub fn lapses_at(order: &Order) -> Option<UtcMicros> {
    cart_items(order).filter_map(OrderItem::lapses_at).min()
}

/// Hash of a complete cart, 64 hex characters; `None` while something is missing.
#[must_use]
pub fn hash(order: &Order) -> Option<String> {
    if !is_complete(order) {
        return None;
    }
    let total = total(order).ok()?;
    let items: Vec<_> = cart_items(order)
        .map(|item| {
            serde_json::json!({
                "id": item.wanted.id,
                "offer": item.offer,
                "hold": item.hold,
                "seats": item.chosen_seats(),
                "supplier_order": item.supplier_order,
            })
        })
        .collect();
    let cart = serde_json::json!({ "order": order.id, "items": items, "total": total, "payee": PAYEE });
    Some(hex::encode(Sha256::digest(cart.to_string())))
}

/// Where the money of an order is; all in the charge currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoneyMap {
    /// Received from the traveller.
    pub paid: Money,
    /// With suppliers: booked items, and what cancelling kept.
    pub committed: Money,
    /// With us.
    pub held: Money,
    /// On its way back.
    pub refund_in_transit: Money,
    /// Came back.
    pub refunded: Money,
}

/// Where the money is now. The four places add up to what was paid.
///
/// # Errors
/// [`MoneyError`] when currencies mix.
pub fn money_map(order: &Order) -> Result<MoneyMap, MoneyError> {
    let currency = order.budget.currency();
    let lost = order.disputes.iter().filter(|dispute| dispute.state == DisputeState::Lost);
    let paid = Money::sum(currency, order.attempts.iter().filter_map(Attempt::received))?
        .minus(Money::sum(currency, lost.map(|dispute| dispute.amount))?)?;
    let refunds = |wanted: &dyn Fn(&Refund) -> bool| {
        Money::sum(currency, order.refunds.iter().filter(|refund| wanted(refund)).map(|refund| refund.amount))
    };
    let refunded = refunds(&|refund| refund.state == RefundProgress::Succeeded || order.is_given_otherwise(refund))?;
    let refund_in_transit = refunds(&|refund| RefundProgress::OPEN.contains(&refund.state))?;
    let committed = Money::sum(currency, order.items.iter().filter_map(kept_by_supplier))?;
    let held = paid.minus(committed)?.minus(refunded)?.minus(refund_in_transit)?;
    Ok(MoneyMap { paid, committed, held, refund_in_transit, refunded })
}

/// What a supplier has of an item: its price while it is booked, what was not given back once it is cancelled.
#[must_use]
pub fn kept_by_supplier(item: &OrderItem) -> Option<Money> {
    let price = item.price()?;
    if ItemState::BOOKED.contains(&item.state) {
        return Some(price);
    }
    match (item.state, &item.cancel_quote) {
        (ItemState::Cancelled, Some(quote)) => price.minus(quote.refund).ok(),
        _ => None,
    }
}

/// Channels one cart may be split over, beside a credit.
pub const CHANNELS_MAX: usize = 2;

/// Whether a cart may be paid like this: a credit, one or two channels, or both, that add up. What sets money aside comes
/// first, so that nothing is taken before it is clear that the others work, wherever a channel allows that; a credit always
/// does, and is the first of all.
///
/// # Errors
/// [`Illegal`] says what is wrong.
pub fn check_parts(total: Money, parts: &[PaymentPart]) -> Result<(), Illegal> {
    let wrong = |text: &str| Err(Illegal(text.to_owned()));
    let credit = parts.first().is_some_and(|first| first.channel == Channel::Credit);
    let channels = parts.len() - usize::from(credit);
    if parts.is_empty() || channels > CHANNELS_MAX {
        return wrong("a cart is paid by one or two payments, beside a credit");
    }
    let is_credit = |part: &PaymentPart| part.channel == Channel::Credit;
    if parts.iter().any(|part| part.credit.is_some() != is_credit(part) || is_credit(part) && !part.authorise) {
        return wrong("a credit is named, and set aside at first; nothing else is drawn from one");
    }
    let sum = Money::sum(total.currency(), parts.iter().map(|part| part.amount));
    if sum != Ok(total) || parts.iter().any(|part| !part.amount.is_positive()) {
        return wrong("the payments do not add up to the total");
    }
    let pairs =
        || parts.iter().enumerate().flat_map(|(n, first)| parts.iter().skip(n + 1).map(move |second| (first, second)));
    if pairs().any(|(first, second)| first.attempt == second.attempt || first.channel == second.channel) {
        return wrong("two payments need two ids and two channels");
    }
    if pairs().any(|(first, second)| second.authorise && !first.authorise) {
        return wrong("what sets money aside comes before what takes it at once");
    }
    Ok(())
}

/// The attempt whose money pays for a part of the order: of those that were taken or set aside the one whose money came
/// first, so that what comes late never takes its place.
#[must_use]
pub fn paying_attempt(order: &Order, part: usize) -> Option<&Attempt> {
    let received = order.attempts.iter().filter(|attempt| attempt.part == part && attempt.received().is_some());
    received.min_by_key(|attempt| attempt.arrived)
}

/// The payments the order has, one per part that is paid; in the order in which suppliers get their money from them: the
/// credit first, because the traveller's own money is worth more to the traveller; then what was taken at once before what
/// was set aside, so that as little as possible is taken only to be given back.
#[must_use]
pub fn paying_attempts(order: &Order) -> Vec<&Attempt> {
    let mut paying: Vec<&Attempt> = parts(order).filter_map(|(part, _)| paying_attempt(order, part)).collect();
    paying.sort_by_key(|attempt| rank(attempt));
    paying
}

/// By what payments are put into the order in which suppliers get their money from them; what comes back goes the other way.
pub(super) fn rank(attempt: &Attempt) -> (bool, bool) {
    (attempt.channel != Channel::Credit, attempt.authorise)
}

/// What is confirmed to be paid, numbered.
fn parts(order: &Order) -> impl Iterator<Item = (usize, &PaymentPart)> {
    order.confirmed.iter().flat_map(|confirmed| confirmed.parts.iter().enumerate())
}

/// The first part that is not paid yet; `None` when there is nothing left to pay.
#[must_use]
pub fn unpaid_part(order: &Order) -> Option<(usize, &PaymentPart)> {
    parts(order).find(|(part, _)| paying_attempt(order, *part).is_none())
}

/// Whether everything confirmed is paid, or set aside for us.
#[must_use]
pub fn is_paid(order: &Order) -> bool {
    let begun = planted(Defect::PartIsWhole) && !paying_attempts(order).is_empty();
    order.confirmed.is_some() && (unpaid_part(order).is_none() || begun)
}

/// The payment that can be paid now.
#[must_use]
pub fn payable(order: &Order) -> Option<&Attempt> {
    order.attempts.iter().find(|attempt| AttemptState::PAYABLE.contains(&attempt.state))
}

/// How much of what suppliers have comes from one payment.
///
/// # Errors
/// [`MoneyError`] when currencies mix.
pub fn kept_of(order: &Order, attempt: &Attempt) -> Result<Money, MoneyError> {
    let currency = attempt.amount.currency();
    let mut rest = Money::sum(currency, order.items.iter().filter_map(kept_by_supplier))?;
    for paying in paying_attempts(order) {
        let received = paying.received().unwrap_or(Money::zero(currency));
        let free = received.minus(order.disputed(paying.id, currency)?)?;
        // What is disputed more than once over bears nothing, nor does what cannot be taken; it must not make the others
        // bear more.
        let free = if free.is_positive() && !paying.refused { free } else { Money::zero(currency) };
        let share = if rest.exceeds(free)? { free } else { rest };
        if paying.id == attempt.id {
            return Ok(share);
        }
        rest = rest.minus(share)?;
    }
    Ok(Money::zero(currency))
}
