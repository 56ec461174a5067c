//! How the beginning and the end of a step change an order.

use super::{Illegal, illegal};
use crate::{
    defect::{Defect, planted},
    id::ItemId,
    order::{
        AttemptState, Hold, ItemState, Op, OpenStep, Order, OrderItem, OrderState, SeatChoice, SecondChance, Source,
        StepEnd, StepKey, StepResult, TimelineKind,
        debt::{Matter, SettledBy},
    },
    port::{
        Reason, ReasonCode,
        bookings::{Booking, BookingState},
        flights::{FlightOrder, FlightOrderState},
    },
    time::UtcMicros,
};

/// After so many calls in a row that were provably not sent, an item is given up.
const NOT_SENT_MAX: u32 = 5;

impl Order {
    pub(super) fn step_started(&mut self, at: UtcMicros, key: &StepKey) -> Result<(), Illegal> {
        if key.order != self.id || self.is_open(key.op) {
            return illegal("a step of another order, or one that is open already");
        }
        if let Op::Commit { item } = key.op {
            if self.state != OrderState::PaymentProcessing && !planted(Defect::CommitUnpaid) {
                return illegal("nothing is booked for good before money arrived");
            }
            let place = self.item_mut(item)?;
            if !matches!(place.state, ItemState::Held | ItemState::Booking) {
                return illegal("only a held item is booked");
            }
            place.state = ItemState::Booking;
        }
        if let Op::Cancel { item } = key.op
            && self.item_mut(item)?.state != ItemState::Cancelling
        {
            return illegal("only what is being cancelled is cancelled at its supplier");
        }
        if let Op::AcceptChange { item } = key.op
            && !self.item_mut(item)?.wants_change_kept()
        {
            return illegal("only a change the traveller keeps is accepted");
        }
        if let Op::Capture { attempt } | Op::Void { attempt } = key.op
            && self.attempt(attempt).is_none_or(|known| known.state != AttemptState::Authorised)
        {
            return illegal("only money that was set aside is taken or let go");
        }
        self.open_steps.push(OpenStep {
            key: key.clone(),
            started_at: at,
            undo: crate::booking::steps::of(key.op).undo,
            unknown: false,
        });
        Ok(())
    }

    pub(super) fn step_ended(&mut self, at: UtcMicros, key: &StepKey, end: &StepEnd) -> Result<(), Illegal> {
        if !matches!(end, StepEnd::Unknown { .. }) {
            let about = |matter: &Matter| matches!(matter, Matter::OutcomeUnknown { key: known } if known == key);
            self.settle(at, SettledBy::Answer, about);
        }
        match end {
            StepEnd::Unknown { .. } if planted(Defect::BlindRetry) => self.close_step(key).map(|_| ()),
            StepEnd::Unknown { reason } if planted(Defect::UnknownIsDeclined) => {
                self.close_step(key)?;
                self.step_declined(at, key.op, reason)
            }
            StepEnd::Unknown { .. } => self.step_unknown(at, key),
            StepEnd::NotSent { reason } => {
                self.close_step(key)?;
                self.step_not_sent(at, key.op, reason)
            }
            StepEnd::Declined { reason } => {
                self.close_step(key)?;
                self.step_declined(at, key.op, reason)
            }
            StepEnd::Done { result } => {
                self.close_step(key)?;
                self.step_done(at, key.op, result)
            }
        }
    }

    fn step_unknown(&mut self, at: UtcMicros, key: &StepKey) -> Result<(), Illegal> {
        let Some(step) = self.open_steps.iter_mut().find(|step| step.key == *key) else {
            return illegal("the step is not open");
        };
        // Told once; the look-ups that follow change nothing until they know.
        if !std::mem::replace(&mut step.unknown, true) {
            self.note(at, TimelineKind::OutcomeUnknown, key.op.item(), None, None);
        }
        Ok(())
    }

    fn step_not_sent(&mut self, at: UtcMicros, op: Op, reason: &Reason) -> Result<(), Illegal> {
        let Some(item) = op.item() else { return self.money_not_sent(at, op) };
        if planted(Defect::UndoForgotten) && matches!(op, Op::Cancel { .. }) {
            return self.item_cancelled(at, item, Source::Poll);
        }
        let place = self.item_mut(item)?;
        // The person may open the vault at any moment before the goods' own time is over.
        if reason.code == ReasonCode::VaultClosed && place.lapses_at().is_some_and(|until| at < until) {
            return Ok(());
        }
        place.not_sent += 1;
        let exhausted = place.not_sent >= NOT_SENT_MAX;
        match op {
            Op::Hold { .. } | Op::Commit { .. } if exhausted => self.fail_item(at, item, reason),
            // Undoing is never given up: it goes on until the supplier answers.
            _ => Ok(()),
        }
    }

    fn step_declined(&mut self, at: UtcMicros, op: Op, reason: &Reason) -> Result<(), Illegal> {
        match op {
            Op::Hold { item } => self.hold_declined(at, item, reason),
            Op::Commit { item } => self.fail_item(at, item, reason),
            Op::Release { item } => self.release_declined(at, item, reason),
            Op::Cancel { item } => self.cancel_declined(at, item, reason),
            Op::AcceptChange { item } => self.change_refused(at, item, reason.code),
            Op::OpenPayment { attempt } => self.opening_refused(at, attempt, reason.code),
            // Paid meanwhile, or refused for another reason: the payment is asked about again.
            Op::ClosePayment { .. } => Ok(()),
            Op::Capture { attempt } => self.capture_refused(at, attempt, reason.code),
            Op::Void { attempt } => self.void_refused(at, attempt, reason.code),
            Op::Refund { refund } => self.refund_refused(at, refund),
        }
    }

    fn hold_declined(&mut self, at: UtcMicros, item: ItemId, reason: &Reason) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        place.holds_ended += 1;
        match reason.code {
            ReasonCode::ServicesNotHoldable | ReasonCode::NotHoldable => {
                place.instant = true;
                Ok(())
            }
            ReasonCode::SeatTaken => {
                place.seats = SeatChoice::Pending;
                Ok(())
            }
            ReasonCode::Unauthorized => {
                if let Some(platform) = place.wanted.member_platform.clone() {
                    self.signed_in.remove(&platform);
                }
                Ok(())
            }
            _ => self.fail_item(at, item, reason),
        }
    }

    fn release_declined(&mut self, at: UtcMicros, item: ItemId, reason: &Reason) -> Result<(), Illegal> {
        let gone = matches!(reason.code, ReasonCode::AlreadyClosed | ReasonCode::NotFound);
        if !gone {
            self.owe(at, Matter::ReleaseFailed { item }, None);
        }
        self.released(at, item, gone)
    }

    fn cancel_declined(&mut self, at: UtcMicros, item: ItemId, reason: &Reason) -> Result<(), Illegal> {
        if reason.code == ReasonCode::AlreadyClosed || planted(Defect::RefusedUndoIsDone) {
            return self.item_cancelled(at, item, Source::Poll);
        }
        let place = self.item_mut(item)?;
        if place.state != ItemState::Cancelling {
            // The supplier cancelled it by itself meanwhile.
            return Ok(());
        }
        place.state = place.booked_state();
        place.cancel_quote = None;
        place.failure = Some(reason.code);
        let amount = place.price();
        self.owe(at, Matter::CancelFailed { item }, amount);
        Ok(())
    }

    fn step_done(&mut self, at: UtcMicros, op: Op, result: &StepResult) -> Result<(), Illegal> {
        if let Some(item) = op.item() {
            self.item_mut(item)?.not_sent = 0;
        }
        match (op, result) {
            (Op::Hold { item }, StepResult::Flight(flight)) => self.flight_held(at, item, flight),
            (Op::Commit { item }, StepResult::Flight(flight)) => self.flight_booked(at, item, flight),
            (Op::Commit { item }, StepResult::Booking(booking)) => self.booked(at, item, booking),
            (Op::Release { item }, StepResult::Released) => self.released(at, item, true),
            (Op::Cancel { item }, StepResult::Cancelled { .. } | StepResult::Booking(_)) => {
                self.item_cancelled(at, item, Source::Poll)
            }
            (Op::AcceptChange { item }, StepResult::ChangeKept { change_id }) => {
                self.change_settled(at, item, change_id, true)
            }
            (Op::OpenPayment { attempt }, StepResult::PaymentOpened(intent)) => {
                self.attempt_opened(at, attempt, intent)
            }
            (Op::ClosePayment { .. } | Op::Capture { .. } | Op::Void { .. }, StepResult::Payment(status)) => {
                self.payment_reported(at, status, Source::Poll)
            }
            (Op::Refund { .. }, StepResult::Refund(status)) => self.refund_reported(at, status, Source::Poll),
            (
                Op::Hold { .. }
                | Op::Commit { .. }
                | Op::Release { .. }
                | Op::Cancel { .. }
                | Op::AcceptChange { .. }
                | Op::OpenPayment { .. }
                | Op::ClosePayment { .. }
                | Op::Capture { .. }
                | Op::Void { .. }
                | Op::Refund { .. },
                StepResult::Flight(_)
                | StepResult::Booking(_)
                | StepResult::Released
                | StepResult::Cancelled { .. }
                | StepResult::ChangeKept { .. }
                | StepResult::PaymentOpened(_)
                | StepResult::Payment(_)
                | StepResult::Refund(_),
            ) => illegal("a result of another kind of step"),
        }
    }

    fn flight_held(&mut self, at: UtcMicros, item: ItemId, flight: &FlightOrder) -> Result<(), Illegal> {
        if planted(Defect::LateHoldDropped) && self.state != OrderState::Draft {
            return Ok(());
        }
        let place = self.item_mut(item)?;
        if place.state != ItemState::Planned {
            return illegal("a hold for an item that is not waiting for one");
        }
        if flight.state != FlightOrderState::Held {
            let reason = Reason::new(ReasonCode::OfferExpired, "the held order is no longer held");
            return self.fail_item(at, item, &reason);
        }
        let offered = place.offer.as_ref().map(super::super::Offer::expires_at);
        let expires_at = flight.price_guaranteed_until_us.or(flight.hold_expires_at_us).or(offered).unwrap_or(at);
        let expires_at = flight.hold_expires_at_us.map_or(expires_at, |hold| hold.min(expires_at));
        place.state = ItemState::Held;
        place.hold = Some(Hold { firm: true, price: flight.total, expires_at, quote_id: None, terms: None });
        place.adopt_flight(flight);
        self.note(at, TimelineKind::Held, Some(item), Some(flight.total), Some(flight.booking_reference.clone()));
        Ok(())
    }

    fn flight_booked(&mut self, at: UtcMicros, item: ItemId, flight: &FlightOrder) -> Result<(), Illegal> {
        if flight.state != FlightOrderState::Ticketed {
            let reason = Reason::new(ReasonCode::OfferExpired, "the order is not ticketed");
            return self.fail_item(at, item, &reason);
        }
        let place = self.item_mut(item)?;
        place.state = if planted(Defect::CommitTwice) { ItemState::Booking } else { ItemState::Booked };
        place.adopt_flight(flight);
        self.pay_supplier(item);
        self.note(at, TimelineKind::Booked, Some(item), Some(flight.total), Some(flight.booking_reference.clone()));
        Ok(())
    }

    fn booked(&mut self, at: UtcMicros, item: ItemId, booking: &Booking) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        place.supplier_order = Some(booking.booking_id.clone());
        let state = match booking.state {
            BookingState::Pending if planted(Defect::PendingIsConfirmed) => BookingState::Confirmed,
            state => state,
        };
        match state {
            BookingState::Confirmed => {
                place.state = ItemState::Booked;
                place.reference = Some(booking.reference.clone());
                place.instructions.clone_from(&booking.instructions);
                self.pay_supplier(item);
                self.note(at, TimelineKind::Booked, Some(item), Some(booking.total), Some(booking.reference.clone()));
                Ok(())
            }
            // The supplier has it and is still deciding: the item stays "booking" and is asked about.
            BookingState::Pending => Ok(()),
            BookingState::Rejected | BookingState::Cancelled => {
                let reason = Reason::new(ReasonCode::SoldOut, "the supplier did not confirm the booking");
                self.fail_item(at, item, &reason)
            }
        }
    }

    pub(super) fn booking_reported(&mut self, at: UtcMicros, item: ItemId, booking: &Booking) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        if place.state != ItemState::Booking || place.supplier_order.as_ref() != Some(&booking.booking_id) {
            // Told again after it was settled: nothing new.
            return Ok(());
        }
        self.booked(at, item, booking)
    }

    /// From here on the supplier has the item's price.
    fn pay_supplier(&mut self, item: ItemId) {
        if let Some(price) = self.item(item).and_then(OrderItem::price) {
            self.supplier_gets(item, price, Source::Poll);
        }
    }

    fn released(&mut self, at: UtcMicros, item: ItemId, gone: bool) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        // A failed item's hold is let go as well; it stays failed.
        if place.state == ItemState::Held {
            place.state = ItemState::Cancelled;
        }
        place.hold = place.hold.take().map(|hold| Hold { firm: false, ..hold });
        let reference = place.reference.clone();
        if gone && matches!(self.second_chance, Some(SecondChance::Trying { .. })) {
            self.item_mut(item)?.want_again();
        }
        self.note(at, TimelineKind::Released, Some(item), None, reference);
        Ok(())
    }

    fn item_cancelled(&mut self, at: UtcMicros, item: ItemId, source: Source) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        if place.state != ItemState::Cancelling {
            return Ok(());
        }
        place.state = ItemState::Cancelled;
        let refund = place.cancel_quote.as_ref().map(|quote| quote.refund);
        let reference = place.reference.clone();
        self.no_call_needed(at, item);
        if let Some(refund) = refund {
            self.supplier_returns(item, refund, source);
        }
        self.note(at, TimelineKind::ItemCancelled, Some(item), refund, reference);
        Ok(())
    }
}

impl crate::order::OrderItem {
    fn adopt_flight(&mut self, flight: &FlightOrder) {
        self.supplier_order = Some(flight.order_id.clone());
        self.reference = Some(flight.booking_reference.clone());
        self.documents = flight.documents.iter().map(|document| document.number.clone()).collect();
        self.loyalty =
            flight.loyalty.first().map(|account| format!("{}{}", account.airline_code, account.account_number));
    }
}
