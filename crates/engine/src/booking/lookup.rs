//! Finding out how a step of unknown outcome ended: by our own reference, and never by doing it again.
//!
//! A step that the provider provably does not know may be done again, but only after it was asked twice and some time
//! has passed: an answer can be lost before its effect is visible. Deliberately not here: when to ask.

use super::calls::{Ports, Tool, end};
use zhiyou_domain::{
    id::ItemId,
    order::{Offer, Op, Order, StepEnd, StepKey, StepResult},
    port::{Found, Outcome, Reason, ReasonCode, bookings::*, flights::*, payments::*},
    time::UtcMicros,
};

/// Look-ups that must have found nothing before a step counts as not done.
const TRIES_MIN: u32 = 2;
/// Time that must have passed since the step began, seconds.
const GRACE_S: i64 = 10;

/// What a look-up found.
enum Trace<T> {
    /// It happened.
    There(T),
    /// The provider does not know it.
    NotThere,
    /// The provider did not answer.
    Silent,
}

impl<T> Trace<T> {
    fn from_read<R>(outcome: Outcome<R>, judge: impl FnOnce(R) -> Option<T>) -> Self {
        match outcome {
            Outcome::Done(value) => judge(value).map_or(Self::NotThere, Self::There),
            Outcome::Declined(reason) if reason.code == ReasonCode::NotFound => Self::NotThere,
            Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) => Self::Silent,
        }
    }
}

impl Ports {
    /// How the step ended, or `None` while that is still unknown. `tries` counts earlier look-ups.
    pub(super) async fn look_up(&self, order: &Order, key: &StepKey, tries: u32, now: UtcMicros) -> Option<StepEnd> {
        let trace = match key.op {
            Op::Hold { item } => self.trace_flight_by_reference(order, item, key).await,
            Op::Commit { item } => self.trace_commit(order, item, key).await,
            Op::Release { item } => self.trace_release(order, item).await,
            Op::Cancel { item } => self.trace_cancel(order, item).await,
            // Asking to open again with the same number and amount gives the same payment.
            Op::OpenPayment { attempt } => {
                return match self.open_payment(order, attempt).await {
                    Outcome::Unknown(_) => None,
                    known => Some(end(known.map(StepResult::PaymentOpened))),
                };
            }
            Op::ClosePayment { attempt } => {
                let status: Outcome<PaymentStatus> =
                    self.payments.call("getPaymentStatus", &PaymentRef { attempt_id: attempt }).await;
                Trace::from_read(status, |status| {
                    let over = !matches!(status.state, PaymentState::RequiresAction | PaymentState::Processing);
                    over.then_some(StepResult::Payment(status))
                })
            }
            Op::Refund { refund } => {
                let status: Outcome<RefundStatus> =
                    self.payments.call("getRefundStatus", &RefundRef { refund_id: refund }).await;
                Trace::from_read(status, |status| {
                    (status.state != RefundState::NotFound).then_some(StepResult::Refund(status))
                })
            }
        };
        match trace {
            Trace::There(result) => Some(StepEnd::Done { result }),
            Trace::Silent => None,
            Trace::NotThere => {
                let started = order.open_steps.iter().find(|step| step.key == *key)?.started_at;
                let sure = tries >= TRIES_MIN && now >= started.plus_seconds(GRACE_S);
                let reason = Reason::new(ReasonCode::NotFound, "looked up by our reference: not there");
                sure.then_some(StepEnd::NotSent { reason })
            }
        }
    }

    async fn trace_flight_by_reference(&self, order: &Order, item: ItemId, key: &StepKey) -> Trace<StepResult> {
        let Some(Some(Offer::Flight(offer))) = order.item(item).map(|place| &place.offer) else { return Trace::Silent };
        let request = FindFlightOrder { reference: key.reference(), offer_id: offer.offer_id.clone() };
        let found: Outcome<Found<FlightOrder>> = self.flights.call("findFlightOrder", &request).await;
        Trace::from_read(found, |found| found.found.map(StepResult::Flight))
    }

    async fn trace_commit(&self, order: &Order, item: ItemId, key: &StepKey) -> Trace<StepResult> {
        let Some(place) = order.item(item) else { return Trace::Silent };
        let firm = place.hold.as_ref().is_some_and(|hold| hold.firm);
        match (&place.offer, &place.supplier_order) {
            (Some(Offer::Flight(_)), Some(id)) if firm => {
                self.trace_flight(id, |flight| {
                    (flight.state != FlightOrderState::Held).then_some(StepResult::Flight(flight))
                })
                .await
            }
            (Some(Offer::Flight(_)), _) => self.trace_flight_by_reference(order, item, key).await,
            (Some(offer), _) => {
                let request = FindBooking { reference: key.reference() };
                let found: Outcome<Found<Booking>> = self.booking_call(offer, Tool::Find, &request).await;
                Trace::from_read(found, |found| found.found.map(StepResult::Booking))
            }
            (None, _) => Trace::Silent,
        }
    }

    async fn trace_release(&self, order: &Order, item: ItemId) -> Trace<StepResult> {
        let Some(id) = order.item(item).and_then(|place| place.supplier_order.clone()) else { return Trace::Silent };
        self.trace_flight(&id, |flight| {
            let gone = matches!(flight.state, FlightOrderState::Cancelled | FlightOrderState::Expired);
            gone.then_some(StepResult::Released)
        })
        .await
    }

    async fn trace_cancel(&self, order: &Order, item: ItemId) -> Trace<StepResult> {
        let Some(place) = order.item(item) else { return Trace::Silent };
        match (&place.offer, place.supplier_order.clone()) {
            (Some(Offer::Flight(_)), Some(id)) => {
                self.trace_flight(&id, |flight| {
                    (flight.state == FlightOrderState::Cancelled).then_some(StepResult::Cancelled { refund: None })
                })
                .await
            }
            (Some(offer), Some(booking_id)) => {
                let booking: Outcome<Booking> = self.booking_call(offer, Tool::Get, &BookingRef { booking_id }).await;
                Trace::from_read(booking, |booking| {
                    let gone = booking.state == BookingState::Cancelled;
                    gone.then_some(StepResult::Cancelled { refund: booking.refunded })
                })
            }
            (None, _) | (_, None) => Trace::Silent,
        }
    }

    async fn trace_flight(&self, id: &str, judge: impl FnOnce(FlightOrder) -> Option<StepResult>) -> Trace<StepResult> {
        let flight: Outcome<FlightOrder> =
            self.flights.call("getFlightOrder", &FlightOrderRef { order_id: id.to_owned() }).await;
        Trace::from_read(flight, judge)
    }
}
