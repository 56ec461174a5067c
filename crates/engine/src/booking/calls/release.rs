//! Letting an unpaid hold go, and seeing whether it is gone.
//!
//! Deliberately not here: cancelling what is booked.

use super::{Ports, inconsistent, refused};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::ItemId,
    order::{Order, StepResult},
    port::{Outcome, flights::*},
};

impl Ports {
    pub(super) async fn release(&self, order: &Order, item: ItemId) -> Outcome<StepResult> {
        let Some(order_id) = order.item(item).and_then(|place| place.supplier_order.clone()) else {
            return inconsistent("a hold without an order");
        };
        let quote: Outcome<FlightCancellationQuote> =
            self.flights.call("quoteFlightCancellation", &FlightOrderRef { order_id: order_id.clone() }).await;
        let cancellation_id = match quote {
            Outcome::Done(quote) => quote.cancellation_id,
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return refused(reason),
        };
        let request = ConfirmFlightCancellation { order_id, cancellation_id };
        self.flights
            .call::<_, FlightCancelled>("confirmFlightCancellation", &request)
            .await
            .map(|_| StepResult::Released)
    }

    pub(super) async fn see_release(&self, order: &Order, item: ItemId) -> Seen {
        let Some(id) = order.item(item).and_then(|place| place.supplier_order.clone()) else { return Seen::Silent };
        self.see_flight(&id, |flight| {
            let gone = matches!(flight.state, FlightOrderState::Cancelled | FlightOrderState::Expired);
            gone.then_some(StepResult::Released)
        })
        .await
    }
}
