//! Where every unit of money is: a double-entry ledger per order.
//!
//! Each entry moves an amount from one account to another, so the accounts always sum to zero per currency. Entries are
//! made by [`super::Order::apply`] only, beside the state they explain; [`position`] reads them, and
//! [`super::cart::money_map`] reckons the same figures from the states alone, so that each checks the other.
//! Deliberately not here: the merchant's own book-keeping.

use super::{Order, Source, risk};
use crate::{
    id::{AttemptId, ItemId, RefundId},
    money::{Currency, Money, MoneyError},
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose money it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "account", rename_all = "snake_case")]
pub enum Account {
    /// The traveller's own.
    Traveller,
    /// Held for the traveller, from one payment.
    Held {
        /// Payment.
        attempt: AttemptId,
    },
    /// A supplier has it for an item.
    Supplier {
        /// Item.
        item: ItemId,
    },
    /// On its way back.
    InTransit {
        /// Refund.
        refund: RefundId,
    },
}

/// One movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position of the fact in the journal.
    pub seq: u64,
    /// From.
    pub from: Account,
    /// To.
    pub to: Account,
    /// How much; positive.
    pub amount: Money,
    /// Where the word that caused it came from.
    pub source: Source,
}

/// Where the money stands. The figures but `refundable_now` add up: paid = held + committed + in transit + returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Received from the traveller.
    pub paid: Figure,
    /// With us.
    pub held: Figure,
    /// With suppliers.
    pub committed: Figure,
    /// What cancelling everything now would bring back.
    pub refundable_now: Figure,
    /// On its way back.
    pub refund_in_transit: Figure,
    /// Came back.
    pub returned: Figure,
    /// What somebody still has to settle by hand.
    pub debts: Figure,
}

/// A figure and the weakest word it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Amount.
    pub amount: Money,
    /// Where it was heard; `None` when nothing moved yet.
    pub source: Option<Source>,
}

/// Balance of every account that was ever used, in one currency; the sum is zero.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn balances(entries: &[Entry], currency: Currency) -> Result<BTreeMap<Account, Money>, MoneyError> {
    let mut balances = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.amount.currency() == currency) {
        let from = balances.entry(entry.from).or_insert(Money::zero(currency));
        *from = from.minus(entry.amount)?;
        let to = balances.entry(entry.to).or_insert(Money::zero(currency));
        *to = to.plus(entry.amount)?;
    }
    Ok(balances)
}

/// Where the money of an order stands at `now`.
///
/// # Errors
/// [`MoneyError`] when currencies mix.
pub fn position(order: &Order, now: UtcMicros) -> Result<Position, MoneyError> {
    let currency = order.budget.currency();
    let zero = Money::zero(currency);
    let balances = balances(&order.ledger, currency)?;
    let sum = |wanted: fn(&Account) -> bool| -> Result<Figure, MoneyError> {
        let amount = Money::sum(currency, balances.iter().filter(|(account, _)| wanted(account)).map(|(_, m)| *m))?;
        let touching = order.ledger.iter().filter(|entry| wanted(&entry.from) || wanted(&entry.to));
        Ok(Figure { amount, source: touching.map(|entry| entry.source).max() })
    };
    let (held, committed, refund_in_transit) = (
        sum(|account| matches!(account, Account::Held { .. }))?,
        sum(|account| matches!(account, Account::Supplier { .. }))?,
        sum(|account| matches!(account, Account::InTransit { .. }))?,
    );
    let moved = |wanted: fn(&Entry) -> bool| -> Result<Figure, MoneyError> {
        let entries = order.ledger.iter().filter(|entry| wanted(entry));
        let amount = Money::sum(currency, entries.clone().map(|entry| entry.amount))?;
        Ok(Figure { amount, source: entries.map(|entry| entry.source).max() })
    };
    let lost = risk::exposure(order, now)?.loss;
    let refundable = if committed.amount.is_positive() { committed.amount.minus(lost)? } else { zero };
    let open = order.debts.iter().filter(|debt| debt.settled.is_none()).filter_map(|debt| debt.amount);
    // What was given back and could not be kept was paid once all the same.
    let came = moved(|entry| entry.from == Account::Traveller && !matches!(entry.to, Account::InTransit { .. }))?;
    let arrived = moved(|entry| matches!(entry.from, Account::InTransit { .. }) && entry.to == Account::Traveller)?;
    let came_back = moved(|entry| entry.from == Account::Traveller && matches!(entry.to, Account::InTransit { .. }))?;
    // What was only set aside and let go was never paid.
    let released = moved(|entry| matches!(entry.from, Account::Held { .. }) && entry.to == Account::Traveller)?;
    Ok(Position {
        paid: Figure { amount: came.amount.minus(released.amount)?, source: came.source.max(released.source) },
        held,
        committed,
        refundable_now: Figure {
            amount: if refundable.is_positive() { refundable } else { zero },
            source: Some(Source::Local),
        },
        refund_in_transit,
        returned: Figure {
            amount: arrived.amount.minus(came_back.amount)?,
            source: arrived.source.max(came_back.source),
        },
        debts: Figure { amount: Money::sum(currency, open.filter(|m| m.currency() == currency))?, source: None },
    })
}
