//! How facts change an order: total, exhaustive, and pure.
//!
//! A fact that does not fit is an error and changes nothing; a repeated report is no error and changes nothing.
//! Deliberately not here: deciding what to do next.

mod cancel;
mod changes;
mod money;
mod steps;

use super::{
    CancellationState, Confirmation, Ending, Fact, Hold, ItemState, Offer, OpenStep, Order, OrderItem, OrderState,
    PaymentPart, SeatChoice, SeatChosen, SecondChance, TimelineEntry, TimelineKind,
};
use crate::{
    defect::{Defect, planted},
    id::ItemId,
    money::Money,
    plan::Priority,
    port::{Reason, ReasonCode},
    time::UtcMicros,
};

/// A fact that does not fit the order's state. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Illegal(pub String);

pub(super) fn illegal<T>(why: impl Into<String>) -> Result<T, Illegal> {
    Err(Illegal(why.into()))
}

impl Order {
    /// The order made by its first fact.
    ///
    /// # Errors
    /// [`Illegal`] when the fact is not [`Fact::Created`].
    pub fn create(at: UtcMicros, fact: &Fact) -> Result<Self, Illegal> {
        let Fact::Created { order: new } = fact else { return illegal("an order begins with its creation") };
        let items = new.items.iter().map(|wanted| OrderItem {
            wanted: wanted.clone(),
            state: ItemState::Planned,
            offer: None,
            earlier_offer: None,
            seats: SeatChoice::NotApplicable,
            hold: None,
            instant: false,
            supplier_order: None,
            reference: None,
            documents: Vec::new(),
            instructions: None,
            loyalty: None,
            cancel_quote: None,
            proposed: None,
            next_change: None,
            changes_kept: 0,
            change_answers: 0,
            failure: None,
            holds_ended: 0,
            not_sent: 0,
        });
        let mut order = Self {
            id: new.id,
            kind: new.kind,
            plan: new.plan,
            budget: new.budget,
            repairs: new.repairs,
            created_at: at,
            version: 1,
            state: OrderState::Draft,
            ending: None,
            required_platforms: new.required_platforms.clone(),
            signed_in: std::collections::BTreeSet::new(),
            items: items.collect(),
            confirmed: None,
            attempts: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            cancellation: None,
            open_steps: Vec::new(),
            timeline: Vec::new(),
            debts: Vec::new(),
            reached: std::collections::BTreeSet::new(),
            ledger: Vec::new(),
            second_chance: None,
        };
        order.note(at, TimelineKind::Created, None, None, None);
        Ok(order)
    }

    /// The order after one more fact.
    ///
    /// # Errors
    /// [`Illegal`] when the fact does not fit; the order given is unchanged.
    pub fn apply(&self, at: UtcMicros, fact: &Fact) -> Result<Self, Illegal> {
        let mut next = self.clone();
        next.advance_by(at, fact)?;
        Ok(next)
    }

    /// The same in place, for whoever has a copy to fall back on: after an error this order is in no state at all.
    ///
    /// # Errors
    /// [`Illegal`] when the fact does not fit.
    pub(crate) fn advance_by(&mut self, at: UtcMicros, fact: &Fact) -> Result<(), Illegal> {
        self.version += 1;
        self.take(at, fact)
    }

    fn take(&mut self, at: UtcMicros, fact: &Fact) -> Result<(), Illegal> {
        match fact {
            Fact::Created { .. } => illegal("an order is created once"),
            Fact::SignedIn { platform } => {
                self.signed_in.insert(platform.clone());
                Ok(())
            }
            Fact::SignInLost { platform } => {
                self.signed_in.remove(platform);
                Ok(())
            }
            Fact::OfferFound { item, offer } => self.offer_found(at, *item, offer),
            Fact::OfferMissing { item, reason } | Fact::PricingRefused { item, reason } => {
                self.fail_item(at, *item, reason)
            }
            Fact::SeatsChosen { item, seats } => self.seats_chosen(at, *item, seats),
            Fact::FlightPriced { item, price } => self.priced(at, *item, Hold::price_of_flight(price)),
            Fact::Quoted { item, quote } => self.priced(at, *item, Hold::of_quote(quote)),
            Fact::BookingReported { item, booking } => self.booking_reported(at, *item, booking),
            Fact::StepStarted { key } => self.step_started(at, key),
            Fact::StepEnded { key, end } => self.step_ended(at, key, end),
            Fact::HoldsLapsed => self.holds_lapsed(at),
            Fact::Confirmed { cart_hash, total, parts, pay_by } => {
                self.confirmed(at, cart_hash, *total, parts)?;
                self.open_part(at, *pay_by)
            }
            Fact::PaymentRetried { attempt, channel, pay_by, authorise, instalments, screening } => {
                let how = (*authorise, *instalments);
                self.retry_payment(at, (*attempt, *channel), how, screening.as_ref(), *pay_by)
            }
            Fact::DisputeReported { status, source } => self.dispute_reported(at, status, *source),
            Fact::PaymentShown { attempt, action } => self.payment_shown(*attempt, action),
            Fact::PaymentReported { status, source } => self.payment_reported(at, status, *source),
            Fact::CancelRequested => self.cancel_requested(at),
            Fact::PayByPassed => self.pay_by_passed(at),
            Fact::CancelQuoteRequested { quote, items, reason } => self.cancel_quote_requested(*quote, items, *reason),
            Fact::ItemCancelQuoted { item, quote } => self.item_cancel_quoted(at, *item, quote),
            Fact::ItemCancelRefused { item, reason } => self.item_cancel_refused(at, *item, reason.code),
            Fact::CancelAccepted { quote, refund } => self.cancel_accepted(at, *quote, *refund),
            Fact::RefundDecided { refund, attempt, amount } => self.refund_decided(at, *refund, *attempt, *amount),
            Fact::RefundReported { status, source } => self.refund_reported(at, status, *source),
            Fact::GivenBack { refund, attempt, amount } => self.given_back(at, *refund, *attempt, *amount),
            Fact::ItemGivenUp { item, reason } => self.fail_item(at, *item, reason),
            Fact::DeadlineReached { deadline } => self.deadline_reached(at, *deadline),
            Fact::SupplierCancelled { item, refund, source } => self.supplier_cancelled(at, *item, *refund, *source),
            Fact::ChangeProposed { item, offer, change_id } => {
                self.change_proposed(at, *item, offer, change_id.as_deref())
            }
            Fact::ChangeSettled { item, change_id, kept } => self.change_settled(at, *item, change_id, *kept),
            Fact::ChangeAccepted { item } => self.change_accepted(at, *item),
            Fact::DebtDue { key } => self.debt_due(at, key),
            Fact::DebtSettled { debt } => self.settle_by_person(at, *debt),
            Fact::OfferFoundAgain { item, offer, seats } => self.offer_found_again(at, *item, offer, seats),
            Fact::SecondChanceAccepted => self.second_chance_accepted(at),
            Fact::SecondChanceRefused => self.second_chance_refused(),
            Fact::BookingFinished => self.booking_finished(at),
            Fact::UnwindFinished => self.unwind_finished(),
        }
    }

    pub(super) fn go(&mut self, to: OrderState) -> Result<(), Illegal> {
        if !self.state.may_become(to) {
            return illegal(format!("{} cannot become {}", self.state.word(), to.word()));
        }
        self.state = to;
        if matches!(to, OrderState::Cancelled | OrderState::Failed) {
            self.forget_prices();
        }
        Ok(())
    }

    /// A price that was only checked leaves nothing at the supplier to let go of.
    fn forget_prices(&mut self) {
        let firm = |item: &OrderItem| item.hold.as_ref().is_some_and(|hold| hold.firm);
        for item in self.items.iter_mut().filter(|item| item.state == ItemState::Held && !firm(item)) {
            item.state = ItemState::Cancelled;
        }
    }

    pub(super) fn note(
        &mut self,
        at: UtcMicros,
        kind: TimelineKind,
        item: Option<ItemId>,
        amount: Option<Money>,
        reference: Option<String>,
    ) {
        self.timeline.push(TimelineEntry { seq: self.version, at, kind, item, amount, reference });
    }

    pub(super) fn item_mut(&mut self, id: ItemId) -> Result<&mut OrderItem, Illegal> {
        self.items.iter_mut().find(|item| item.wanted.id == id).ok_or_else(|| Illegal(format!("no item {id}")))
    }

    /// Whether offers, prices and holds are being gathered: before confirmation, or again for late money.
    pub(super) const fn is_holding(&self) -> bool {
        matches!(self.state, OrderState::Draft) || matches!(self.second_chance, Some(SecondChance::Trying { .. }))
    }

    fn expect(&self, allowed: &[OrderState], what: &str) -> Result<(), Illegal> {
        if allowed.contains(&self.state) { Ok(()) } else { illegal(format!("{what} in state {}", self.state.word())) }
    }

    fn offer_found(&mut self, at: UtcMicros, item: ItemId, offer: &Offer) -> Result<(), Illegal> {
        self.expect(&[OrderState::Draft], "an offer")?;
        let place = self.item_mut(item)?;
        if place.state != ItemState::Planned || place.offer.is_some() {
            return illegal("a second offer for one item");
        }
        let (price, instant, seats) = match offer {
            Offer::Flight(flight) => (flight.total, !flight.holdable, SeatChoice::Pending),
            Offer::Hotel(_) | Offer::Car(_) | Offer::Activity(_) => (offer.total(), false, SeatChoice::NotApplicable),
        };
        place.instant = instant;
        place.seats = seats;
        place.offer = Some(offer.clone());
        self.note(at, TimelineKind::OfferFound, Some(item), Some(price), None);
        Ok(())
    }

    fn seats_chosen(&mut self, at: UtcMicros, item: ItemId, seats: &[SeatChosen]) -> Result<(), Illegal> {
        self.expect(&[OrderState::Draft], "a choice of seats")?;
        let place = self.item_mut(item)?;
        if place.state != ItemState::Planned || !matches!(place.offer, Some(Offer::Flight(_))) {
            return illegal("seats are chosen for an offered flight before it is held");
        }
        place.seats = SeatChoice::Made { seats: seats.to_vec() };
        let kind = if seats.is_empty() { TimelineKind::SeatsSkipped } else { TimelineKind::SeatsChosen };
        self.note(at, kind, Some(item), None, None);
        Ok(())
    }

    fn priced(&mut self, at: UtcMicros, item: ItemId, hold: Hold) -> Result<(), Illegal> {
        if !self.is_holding() {
            return illegal("a price nobody waits for");
        }
        let price = hold.price;
        let currency = self.budget.currency();
        let place = self.item_mut(item)?;
        if place.state != ItemState::Planned {
            return illegal("a price for an item that is not waiting for one");
        }
        if price.currency() != currency {
            let reason = Reason::new(ReasonCode::NotAllowed, "priced in another currency than the order is charged in");
            return self.fail_item(at, item, &reason);
        }
        place.state = ItemState::Held;
        place.hold = Some(hold);
        self.note(at, TimelineKind::Priced, Some(item), Some(price), None);
        Ok(())
    }

    /// An item cannot be had. Before confirmation a must-have ends the order; later the end of booking decides.
    pub(super) fn fail_item(&mut self, at: UtcMicros, item: ItemId, reason: &Reason) -> Result<(), Illegal> {
        let draft = self.state == OrderState::Draft;
        let place = self.item_mut(item)?;
        if !matches!(place.state, ItemState::Planned | ItemState::Held | ItemState::Booking) {
            return illegal("only an item that is not booked yet can fail");
        }
        place.state = ItemState::Failed;
        place.failure = Some(reason.code);
        let must = place.wanted.priority == Priority::MustHave;
        self.note(at, TimelineKind::ItemFailed, Some(item), None, None);
        let none_left = self.items.iter().all(|item| item.state == ItemState::Failed);
        if draft && (must || none_left) {
            self.ending = Some(Ending::ItemFailed);
            self.go(OrderState::Cancelled)?;
            self.note(at, TimelineKind::OrderFailed, None, None, None);
        }
        Ok(())
    }

    fn holds_lapsed(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        self.expect(&[OrderState::Draft], "a lapse of holds")?;
        self.ending = Some(Ending::Expired);
        self.go(OrderState::Cancelled)?;
        for item in &mut self.items {
            let lapsed = item.lapses_at().is_some_and(|lapse| lapse <= at);
            if lapsed && matches!(item.state, ItemState::Planned | ItemState::Held) {
                item.state = ItemState::Expired;
            }
        }
        self.note(at, TimelineKind::Expired, None, None, None);
        Ok(())
    }

    fn confirmed(
        &mut self,
        at: UtcMicros,
        cart_hash: &str,
        total: Money,
        parts: &[PaymentPart],
    ) -> Result<(), Illegal> {
        self.expect(&[OrderState::Draft], "a confirmation")?;
        if super::cart::hash(self).as_deref() != Some(cart_hash) || super::cart::total(self).ok() != Some(total) {
            return illegal("the confirmed cart is not this cart");
        }
        super::cart::check_parts(total, parts)?;
        if total.exceeds(self.budget).unwrap_or(true) {
            return illegal("the total exceeds the budget");
        }
        if super::cart::lapses_at(self).is_none_or(|lapse| lapse <= at) && !planted(Defect::StaleCart) {
            return illegal("a hold is past its time");
        }
        if !self.missing_platforms().is_empty() {
            return illegal("a sign-in is missing");
        }
        if let Some(conflict) = super::graph::conflicts(self).first() {
            return illegal(format!("{} cannot follow {}: {:?}", conflict.item, conflict.after, conflict.problem));
        }
        let commit_order = super::risk::commit_order(self, at);
        self.confirmed =
            Some(Confirmation { cart_hash: cart_hash.to_owned(), total, parts: parts.to_vec(), at, commit_order });
        self.go(OrderState::PaymentPending)?;
        self.note(at, TimelineKind::Confirmed, None, Some(total), None);
        Ok(())
    }

    fn cancel_requested(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        self.expect(OrderState::CANCELLABLE_FREE, "ending without cost")?;
        let open = self.attempts.iter().any(|attempt| super::AttemptState::OPEN.contains(&attempt.state));
        if self.ending == Some(Ending::Traveller) || planted(Defect::CancelLost) && open {
            return Ok(());
        }
        self.ending = Some(Ending::Traveller);
        self.note(at, TimelineKind::CancelledByTraveller, None, None, None);
        if self.state == OrderState::Draft {
            self.go(OrderState::Cancelled)?;
        }
        self.end_if_no_money_open(at)
    }

    fn pay_by_passed(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        self.expect(&[OrderState::PaymentPending], "the end of the time to pay")?;
        self.ending.get_or_insert(Ending::Expired);
        self.end_if_no_money_open(at)
    }

    fn booking_finished(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        self.expect(&[OrderState::PaymentProcessing], "the end of booking")?;
        let booked = self.items.iter().any(|item| ItemState::CANCELLABLE.contains(&item.state));
        let failed = |item: &&OrderItem| item.state == ItemState::Failed && item.hold.is_some();
        let must_failed = self.items.iter().filter(failed).any(|item| item.wanted.priority == Priority::MustHave);
        let any_failed = self.items.iter().any(|item| failed(&item));
        if must_failed || !booked {
            return self.fail(at);
        }
        self.go(if any_failed { OrderState::PartiallyConfirmed } else { OrderState::Confirmed })?;
        self.note(at, TimelineKind::OrderConfirmed, None, None, None);
        Ok(())
    }

    /// Nothing more is booked; what was booked is undone, and money is on its way back from the same moment on.
    pub(super) fn fail(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        self.ending = Some(Ending::ItemFailed);
        self.go(OrderState::Failed)?;
        self.note(at, TimelineKind::OrderFailed, None, None, None);
        self.go(OrderState::RefundRequested)
    }

    fn unwind_finished(&mut self) -> Result<(), Illegal> {
        self.expect(&[OrderState::RefundRequested], "the end of undoing")?;
        if let Some(cancellation) = self.cancellation.as_mut().filter(|c| c.state == CancellationState::Accepted) {
            cancellation.state = CancellationState::Done;
        }
        let live = self.items.iter().any(|item| ItemState::BOOKED.contains(&item.state));
        let given_back = [super::RefundProgress::Succeeded, super::RefundProgress::CameBack];
        let any_refund = self.refunds.iter().any(|refund| given_back.contains(&refund.state));
        self.go(match (live, any_refund) {
            (true, _) => OrderState::PartiallyConfirmed,
            (false, true) => OrderState::Refunded,
            (false, false) => OrderState::Cancelled,
        })
    }

    pub(super) fn close_step(&mut self, key: &super::StepKey) -> Result<OpenStep, Illegal> {
        let index = self.open_steps.iter().position(|step| step.key == *key);
        index.map(|index| self.open_steps.remove(index)).ok_or_else(|| Illegal("the step is not open".to_owned()))
    }
}
