//! The cart: what exactly is confirmed, what it costs, and where its money is.
//!
//! The hash names the cart by its items, prices, seats, terms and payee, so that a confirmation can only ever mean what
//! was shown. Deliberately not here: changing an order.

use super::{Attempt, ItemState, Order, OrderItem, RefundProgress};
use crate::{
    money::{Money, MoneyError},
    port::payments::DisputeState,
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
    let refunds = |wanted: &dyn Fn(RefundProgress) -> bool| {
        Money::sum(currency, order.refunds.iter().filter(|r| wanted(r.state)).map(|r| r.amount))
    };
    let refunded = refunds(&|state| state == RefundProgress::Succeeded)?;
    let moving = |state| !matches!(state, RefundProgress::Succeeded | RefundProgress::Failed);
    let refund_in_transit = refunds(&moving)?;
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

/// The attempt whose money pays for the order: the first one that was taken or set aside.
#[must_use]
pub fn paying_attempt(order: &Order) -> Option<&Attempt> {
    order.attempts.iter().find(|attempt| attempt.received().is_some())
}
