//! Everything about an order that has a time: one list, ascending, from which screens, calendars, the table of deadlines
//! and wake-ups read.
//!
//! What lapses acts by itself (see [`crate::booking::decide`]). The others are announced: each becomes a fact once, in
//! order, however long the program slept. Deliberately not here: pauses between questions.

use super::{ItemState, Offer, Order, OrderItem, OrderState, cart};
use crate::{id::ItemId, policy::Terms, time::UtcMicros};
use serde::{Deserialize, Serialize};

/// How long before free cancellation ends, and before a departure when airlines open check-in, it is announced, minutes.
/// Airlines differ between 24 and 48 hours; all of them are open at 24.
const ANNOUNCED_BEFORE_MIN: i64 = 24 * 60;

/// What a moment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineKind {
    /// What is held, or its price, lapses.
    HoldLapses,
    /// The payment closes.
    PayBy,
    /// A cancellation quote lapses.
    QuoteLapses,
    /// A day is left to cancel for nothing.
    FreeCancelSoon,
    /// From then on cancelling costs something.
    FreeCancelEnds,
    /// Check-in of a flight is open.
    CheckIn,
    /// It begins: departure, pick-up, start.
    Begins,
}

impl DeadlineKind {
    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::HoldLapses => "hold_lapses",
            Self::PayBy => "pay_by",
            Self::QuoteLapses => "quote_lapses",
            Self::FreeCancelSoon => "free_cancel_soon",
            Self::FreeCancelEnds => "free_cancel_ends",
            Self::CheckIn => "check_in",
            Self::Begins => "begins",
        }
    }

    /// Whether reaching it is written down; what lapses has facts of its own.
    #[must_use]
    pub const fn is_announced(self) -> bool {
        !matches!(self, Self::HoldLapses | Self::PayBy)
    }
}

/// A moment that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub at: UtcMicros,
    /// What about.
    pub kind: DeadlineKind,
    /// The item, where it is about one.
    pub item: Option<ItemId>,
}

/// The earliest deadline that is still to be announced.
#[must_use]
pub fn next_announced(order: &Order) -> Option<Deadline> {
    waited_for(order).into_iter().find(|deadline| deadline.kind.is_announced())
}

/// The deadlines that still have to be acted on: those of the table.
#[must_use]
pub fn waited_for(order: &Order) -> Vec<Deadline> {
    deadlines(order).into_iter().filter(|deadline| !order.reached.contains(deadline)).collect()
}

/// Every deadline the order has as it stands, ascending.
#[must_use]
pub fn deadlines(order: &Order) -> Vec<Deadline> {
    let mut found: Vec<Deadline> = order.items.iter().flat_map(|item| of_item(order, item)).collect();
    if order.state == OrderState::PaymentPending {
        let open = cart::payable(order);
        found.extend(open.map(|attempt| Deadline { at: attempt.pay_by, kind: DeadlineKind::PayBy, item: None }));
    }
    found.sort_unstable();
    found
}

fn of_item(order: &Order, item: &OrderItem) -> impl Iterator<Item = Deadline> {
    let (held, quotable) = (
        matches!(order.state, OrderState::Draft | OrderState::PaymentPending)
            && !matches!(item.state, ItemState::Failed | ItemState::Expired | ItemState::Cancelled),
        OrderState::CANCELLABLE_BY_QUOTE.contains(&order.state),
    );
    let booked = ItemState::BOOKED.contains(&item.state);
    let free_until = booked.then(|| item.terms().and_then(Terms::free_until)).flatten();
    let begins = booked.then(|| begins_at(item)).flatten();
    let flies = matches!(item.offer, Some(Offer::Flight(_)));
    let before = |at: UtcMicros| at.plus_minutes(-ANNOUNCED_BEFORE_MIN);
    // A day's notice makes sense only where there was more than a day.
    let noticed = free_until.map(before).filter(|at| order.confirmed.as_ref().is_some_and(|cart| cart.at < *at));
    let moments = [
        (DeadlineKind::HoldLapses, item.lapses_at().filter(|at| held && at.0 < i64::MAX)),
        (DeadlineKind::QuoteLapses, item.cancel_quote.as_ref().map(|quote| quote.expires_at).filter(|_| quotable)),
        (DeadlineKind::FreeCancelSoon, noticed),
        (DeadlineKind::FreeCancelEnds, free_until),
        (DeadlineKind::CheckIn, begins.filter(|_| flies).map(before)),
        (DeadlineKind::Begins, begins),
    ];
    let id = item.wanted.id;
    moments.into_iter().filter_map(move |(kind, at)| Some(Deadline { at: at?, kind, item: Some(id) }))
}

/// The instant an item begins, where it has one: a stay begins on a day and not at a moment.
#[must_use]
pub fn begins_at(item: &OrderItem) -> Option<UtcMicros> {
    match item.offer.as_ref()? {
        Offer::Flight(offer) => offer.segments.first()?.departs.to_utc().ok(),
        Offer::Activity(option) => option.starts.to_utc().ok(),
        Offer::Car(_) => match &item.wanted.request {
            crate::plan::ItemRequest::Car { starts, .. } => starts.to_utc().ok(),
            _ => None,
        },
        Offer::Hotel(_) => None,
    }
}
