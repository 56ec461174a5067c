//! Finding out how a step of unknown outcome ended: by our own reference, and never by doing it again.
//!
//! Deliberately not here: when to ask, and what may be concluded (both are rows of [`zhiyou_domain::booking::recipe`]).

use super::calls::{Ports, Tool};
use zhiyou_domain::{
    booking::recipe::{Seen, conclude},
    id::ItemId,
    order::{Offer, Op, Order, StepEnd, StepKey, StepResult},
    port::{Found, Outcome, ReasonCode, bookings::*, flights::*, payments::*},
    time::UtcMicros,
};

/// What a read says about a step: `judge` tells whether what was read is what the step would have made.
fn seen<R>(outcome: Outcome<R>, judge: impl FnOnce(R) -> Option<StepResult>) -> Seen {
    match outcome {
        Outcome::Done(value) => judge(value).map_or(Seen::NotThere, Seen::There),
        Outcome::Declined(reason) if reason.code == ReasonCode::NotFound => Seen::NotThere,
        Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) => Seen::Silent,
    }
}

impl Ports {
    /// How the step ended, or `None` while that is still unknown. `tries` counts earlier look-ups.
    pub(super) async fn look_up(&self, order: &Order, key: &StepKey, tries: u32, now: UtcMicros) -> Option<StepEnd> {
        let started_at = order.open_steps.iter().find(|step| step.key == *key)?.started_at;
        conclude(key.op, self.see(order, key).await, tries, started_at, now)
    }

    async fn see(&self, order: &Order, key: &StepKey) -> Seen {
        match key.op {
            Op::Hold { item } => self.trace_flight_by_reference(order, item, key).await,
            Op::Commit { item } => self.trace_commit(order, item, key).await,
            Op::Release { item } => self.trace_release(order, item).await,
            Op::Cancel { item } => self.trace_cancel(order, item).await,
            // Asking to open again with the same number and amount gives the same payment.
            Op::OpenPayment { attempt } => match self.open_payment(order, attempt).await {
                Outcome::Done(intent) => Seen::There(StepResult::PaymentOpened(intent)),
                Outcome::Declined(reason) => Seen::Refused(reason),
                Outcome::NotSent(_) | Outcome::Unknown(_) => Seen::Silent,
            },
            Op::ClosePayment { attempt } => {
                let status: Outcome<PaymentStatus> =
                    self.payments.call("getPaymentStatus", &PaymentRef { attempt_id: attempt }).await;
                seen(status, |status| {
                    let over = !matches!(status.state, PaymentState::RequiresAction | PaymentState::Processing);
                    over.then_some(StepResult::Payment(status))
                })
            }
            Op::Refund { refund } => {
                let status: Outcome<RefundStatus> =
                    self.payments.call("getRefundStatus", &RefundRef { refund_id: refund }).await;
                seen(status, |status| (status.state != RefundState::NotFound).then_some(StepResult::Refund(status)))
            }
        }
    }

    async fn trace_flight_by_reference(&self, order: &Order, item: ItemId, key: &StepKey) -> Seen {
        let Some(Some(Offer::Flight(offer))) = order.item(item).map(|place| &place.offer) else { return Seen::Silent };
        let request = FindFlightOrder { reference: key.reference(), offer_id: offer.offer_id.clone() };
        let found: Outcome<Found<FlightOrder>> = self.flights.call("findFlightOrder", &request).await;
        seen(found, |found| found.found.map(StepResult::Flight))
    }

    async fn trace_commit(&self, order: &Order, item: ItemId, key: &StepKey) -> Seen {
        let Some(place) = order.item(item) else { return Seen::Silent };
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
                seen(found, |found| found.found.map(StepResult::Booking))
            }
            (None, _) => Seen::Silent,
        }
    }

    async fn trace_release(&self, order: &Order, item: ItemId) -> Seen {
        let Some(id) = order.item(item).and_then(|place| place.supplier_order.clone()) else { return Seen::Silent };
        self.trace_flight(&id, |flight| {
            let gone = matches!(flight.state, FlightOrderState::Cancelled | FlightOrderState::Expired);
            gone.then_some(StepResult::Released)
        })
        .await
    }

    async fn trace_cancel(&self, order: &Order, item: ItemId) -> Seen {
        let Some(place) = order.item(item) else { return Seen::Silent };
        match (&place.offer, place.supplier_order.clone()) {
            (Some(Offer::Flight(_)), Some(id)) => {
                self.trace_flight(&id, |flight| {
                    (flight.state == FlightOrderState::Cancelled).then_some(StepResult::Cancelled { refund: None })
                })
                .await
            }
            (Some(offer), Some(booking_id)) => {
                let booking: Outcome<Booking> = self.booking_call(offer, Tool::Get, &BookingRef { booking_id }).await;
                seen(booking, |booking| {
                    let gone = booking.state == BookingState::Cancelled;
                    gone.then_some(StepResult::Cancelled { refund: booking.refunded })
                })
            }
            (None, _) | (_, None) => Seen::Silent,
        }
    }

    async fn trace_flight(&self, id: &str, judge: impl FnOnce(FlightOrder) -> Option<StepResult>) -> Seen {
        let flight: Outcome<FlightOrder> =
            self.flights.call("getFlightOrder", &FlightOrderRef { order_id: id.to_owned() }).await;
        seen(flight, judge)
    }
}
