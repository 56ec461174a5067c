//! Booking an item for good: paying a held one or ordering it at once, and finding a booking whose answer was lost.
//!
//! Deliberately not here: the requests of hotels, cars and activities (see [`super::bookings`]).

use super::{Ports, Travellers, bookings::Tool, hold::flight_request, inconsistent, seen};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::ItemId,
    order::{Offer, Order, StepKey, StepResult},
    port::{Found, Outcome, bookings::*, flights::*},
};

impl Ports {
    pub(super) async fn commit(
        &self,
        travellers: &Travellers,
        order: &Order,
        item: ItemId,
        key: &StepKey,
    ) -> Outcome<StepResult> {
        let Some(place) = order.item(item) else { return inconsistent("no such item") };
        match (&place.offer, &place.hold) {
            (Some(Offer::Flight(_)), Some(hold)) if hold.firm => {
                let Some(order_id) = place.supplier_order.clone() else {
                    return inconsistent("a hold without an order");
                };
                let request = PayHeldFlight { order_id, amount: hold.price };
                self.flights.call("payHeldFlight", &request).await.map(StepResult::Flight)
            }
            (Some(Offer::Flight(_)), Some(_)) => match flight_request(travellers, self, order, item, key).await {
                Ok(request) => self.flights.call("bookFlight", &request).await.map(StepResult::Flight),
                Err(outcome) => outcome,
            },
            (Some(offer), Some(hold)) => self.book(travellers, place, offer, hold, key).await,
            (_, None) | (None, _) => inconsistent("an item without an offer or a price"),
        }
    }

    pub(super) async fn see_commit(&self, order: &Order, item: ItemId, key: &StepKey) -> Seen {
        let Some(place) = order.item(item) else { return Seen::Silent };
        let firm = place.hold.as_ref().is_some_and(|hold| hold.firm);
        match (&place.offer, &place.supplier_order) {
            (Some(Offer::Flight(_)), Some(id)) if firm => {
                self.see_flight(id, |flight| {
                    (flight.state != FlightOrderState::Held).then_some(StepResult::Flight(flight))
                })
                .await
            }
            (Some(Offer::Flight(_)), _) => self.see_hold(order, item, key).await,
            (Some(offer), _) => {
                let request = FindBooking { reference: key.reference() };
                let found: Outcome<Found<Booking>> = self.booking_call(offer, Tool::Find, &request).await;
                seen(found, |found| found.found.map(StepResult::Booking))
            }
            (None, _) => Seen::Silent,
        }
    }
}
