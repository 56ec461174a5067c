//! Everything about an order that has a time: one list, ascending, from which screens, calendars and wake-ups read.
//!
//! Deliberately not here: what happens then (see [`crate::booking::decide`]), and pauses between questions.

use super::{AttemptState, ItemState, Offer, Order, OrderItem, OrderState};
use crate::{id::ItemId, policy::Terms, time::UtcMicros};

/// What a moment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineKind {
    /// What is held, or its price, lapses.
    HoldLapses,
    /// The payment closes.
    PayBy,
    /// A cancellation quote lapses.
    QuoteLapses,
    /// From then on cancelling costs something.
    FreeCancelEnds,
    /// It begins: departure, pick-up, start.
    Begins,
}

/// A moment that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When.
    pub at: UtcMicros,
    /// What about.
    pub kind: DeadlineKind,
    /// The item, where it is about one.
    pub item: Option<ItemId>,
}

/// Every deadline the order has as it stands, ascending.
#[must_use]
pub fn deadlines(order: &Order) -> Vec<Deadline> {
    let mut found: Vec<Deadline> = order.items.iter().flat_map(|item| of_item(order, item)).collect();
    if order.state == OrderState::PaymentPending {
        let open = order.attempts.iter().find(|attempt| AttemptState::OPEN.contains(&attempt.state));
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
    let free_until = || item.terms().and_then(Terms::free_until);
    let moments = [
        (DeadlineKind::HoldLapses, item.lapses_at().filter(|at| held && at.0 < i64::MAX)),
        (DeadlineKind::QuoteLapses, item.cancel_quote.as_ref().map(|quote| quote.expires_at).filter(|_| quotable)),
        (DeadlineKind::FreeCancelEnds, booked.then(free_until).flatten()),
        (DeadlineKind::Begins, booked.then(|| begins_at(item)).flatten()),
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
