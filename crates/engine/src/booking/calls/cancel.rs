//! Cancelling a booked item at its quoted terms, and seeing whether it is cancelled.
//!
//! Deliberately not here: the quote.

use super::{Ports, bookings::Tool, inconsistent, seen};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::ItemId,
    order::{Offer, Order, StepResult},
    port::{Outcome, bookings::*, flights::*},
};

impl Ports {
    pub(super) async fn cancel(&self, order: &Order, item: ItemId) -> Outcome<StepResult> {
        let Some(place) = order.item(item) else { return inconsistent("no such item") };
        let Some(id) = place.supplier_order.clone() else { return inconsistent("a booking without an id") };
        let quoted = place.cancel_quote.as_ref().and_then(|quote| quote.cancellation_id.clone());
        match (&place.offer, quoted) {
            (Some(Offer::Flight(_)), Some(cancellation_id)) => {
                let request = ConfirmFlightCancellation { order_id: id, cancellation_id };
                self.flights
                    .call::<_, FlightCancelled>("confirmFlightCancellation", &request)
                    .await
                    .map(|cancelled| StepResult::Cancelled { refund: cancelled.refund })
            }
            (Some(Offer::Flight(_)), None) | (None, _) => inconsistent("nothing was quoted"),
            (Some(offer), _) => self
                .booking_call::<_, Booking>(offer, Tool::Cancel, &BookingRef { booking_id: id })
                .await
                .map(|booking| StepResult::Cancelled { refund: booking.refunded }),
        }
    }

    pub(super) async fn see_cancel(&self, order: &Order, item: ItemId) -> Seen {
        let Some(place) = order.item(item) else { return Seen::Silent };
        match (&place.offer, place.supplier_order.clone()) {
            (Some(Offer::Flight(_)), Some(id)) => {
                self.see_flight(&id, |flight| {
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
}
