//! Flights: search, seats, price, hold, book, pay, look up, cancel.
//!
//! Sources: duffel.com/docs offers, seat maps, orders, payments and order cancellations; holding orders guide. An order is
//! only asked for when the offer still costs what the traveller saw. Deliberately not here: how answers are translated,
//! which is [`orders`] and [`offers`].

mod changes;
mod offers;
mod orders;
mod seats;

use super::{
    Duffel, metadata,
    wire::{self, converted, declined},
};
use crate::travel::{FlightSupplier, before_effect, passed};
use async_trait::async_trait;
use changes::{Available, Change};
use offers::Offer;
use orders::{Cancellation, Order, PaidStatus, Payment};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::Money,
    port::{Found, Outcome, Reason, ReasonCode, Word, flights as f},
};

/// Hold or pay at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Hold,
    Instant,
}

impl Duffel {
    async fn read_offer(&self, id: &str) -> Outcome<Offer> {
        self.get(&["air", "offers", id], &[("return_available_services", "true")]).await
    }

    async fn read_order(&self, id: &str) -> Outcome<Order> {
        self.get(&["air", "orders", id], &[]).await
    }

    async fn read_changes(&self, order: &str) -> Outcome<Vec<Change>> {
        self.list(&["air", "airline_initiated_changes"], &[("order_id", order)], |_| true).await
    }

    /// The price of fare and services together, as the supplier computes it.
    async fn read_price(&self, offer: &str, services: &[f::ChosenService]) -> Outcome<Offer> {
        let body = json!({"intended_payment_methods": [{"type": "balance"}], "intended_services": wanted(services)});
        self.post(&["air", "offers", offer, "actions", "price"], body).await
    }

    /// Refuses what must not be sent: an offer that is over, cannot be held, or costs something else by now.
    async fn agreed(&self, wish: &f::HoldFlight, manner: Manner) -> Result<(), Outcome<f::FlightOrder>> {
        let offer = before_effect(self.read_offer(&wish.offer_id).await)?;
        let expires = offer.expires().map_err(|error| Outcome::NotSent(unreadable(&error)))?;
        if expires <= self.clock.now() {
            return Err(declined(ReasonCode::OfferExpired, "the offer is over"));
        }
        if manner == Manner::Hold && !offer.holdable() {
            return Err(declined(ReasonCode::NotHoldable, "the airline wants its money at once"));
        }
        let fare = offer.total().map_err(|error| Outcome::NotSent(unreadable(&error)))?;
        let total = match manner {
            Manner::Hold => with_services(fare, &wish.services),
            Manner::Instant => {
                let priced = before_effect(self.read_price(&wish.offer_id, &wish.services).await)?;
                Some(priced.total().map_err(|error| Outcome::NotSent(unreadable(&error)))?)
            }
        };
        if total == Some(wish.expected_total) {
            return Ok(());
        }
        let text = if total.is_some() { "another price now" } else { "currencies differ" };
        Err(declined(ReasonCode::PriceChanged, text))
    }

    async fn create(&self, wish: f::HoldFlight, manner: Manner) -> Outcome<f::FlightOrder> {
        if let Err(ending) = self.agreed(&wish, manner).await {
            return ending;
        }
        let mut body = json!({
            "type": match manner { Manner::Hold => "hold", Manner::Instant => "instant" },
            "selected_offers": [wish.offer_id],
            "passengers": wish.passengers.iter().map(passenger).collect::<Vec<_>>(),
            "metadata": metadata(&wish.reference),
        });
        if !wish.services.is_empty() {
            body["services"] = wanted(&wish.services);
        }
        if manner == Manner::Instant {
            body["payments"] = json!([balance(wish.expected_total)]);
        }
        match self.post::<Order>(&["air", "orders"], body).await {
            Outcome::Done(order) => converted(order.ours()),
            Outcome::Declined(reason) => self.perhaps_already(wish, reason).await,
            other => other.map(|order| order.ours()).into_order(),
        }
    }

    /// "Already booked" may be our own order whose answer was lost: the same reference makes it a success.
    async fn perhaps_already(&self, wish: f::HoldFlight, reason: Reason) -> Outcome<f::FlightOrder> {
        if reason.code != ReasonCode::OfferExpired {
            return Outcome::Declined(reason);
        }
        let query = f::FindFlightOrder { reference: wish.reference, offer_id: wish.offer_id };
        match self.find(query).await {
            Outcome::Done(Found { found: Some(order) }) => Outcome::Done(order),
            Outcome::Done(Found { found: None }) => Outcome::Declined(reason),
            // The refusal is certain, that nothing of ours exists is not.
            Outcome::NotSent(other) | Outcome::Declined(other) | Outcome::Unknown(other) => Outcome::Unknown(other),
        }
    }

    /// Whether the held order can be paid now, and for exactly this amount.
    async fn payable(&self, wish: &f::PayHeldFlight) -> Result<(), Outcome<f::FlightOrder>> {
        let order = before_effect(self.read_order(&wish.order_id).await)?;
        let order = order.ours().map_err(|error| Outcome::NotSent(unreadable(&error)))?;
        match order.state {
            f::FlightOrderState::Held if order.total == wish.amount => Ok(()),
            f::FlightOrderState::Held => Err(declined(ReasonCode::PriceChanged, "another price now")),
            f::FlightOrderState::Ticketed if order.total == wish.amount => Err(Outcome::Done(order)),
            f::FlightOrderState::Ticketed => Err(declined(ReasonCode::AlreadyPaid, "paid with another amount")),
            f::FlightOrderState::Expired => Err(declined(ReasonCode::OfferExpired, "the hold is over")),
            f::FlightOrderState::Cancelled => Err(declined(ReasonCode::AlreadyClosed, "the order is cancelled")),
        }
    }
}

trait IntoOrder {
    fn into_order(self) -> Outcome<f::FlightOrder>;
}

impl IntoOrder for Outcome<Result<f::FlightOrder, wire::Unreadable>> {
    fn into_order(self) -> Outcome<f::FlightOrder> {
        match self {
            Outcome::Done(result) => converted(result),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

fn unreadable(error: &wire::Unreadable) -> Reason {
    Reason::new(ReasonCode::ProviderFault, Word::named(error))
}

fn with_services(fare: Money, services: &[f::ChosenService]) -> Option<Money> {
    services.iter().try_fold(fare, |sum, service| sum.plus(service.price)).ok()
}

fn wanted(services: &[f::ChosenService]) -> Value {
    services.iter().map(|service| json!({"id": service.service_id, "quantity": 1})).collect()
}

fn balance(amount: Money) -> Value {
    json!({"type": "balance", "amount": amount.to_decimal(), "currency": amount.currency().code()})
}

fn passenger(passenger: &f::Passenger) -> Value {
    let mut body = json!({
        "id": passenger.passenger_id,
        "title": passenger.title,
        "gender": passenger.gender,
        "given_name": passenger.given_name,
        "family_name": passenger.family_name,
        "born_on": passenger.born_on.to_string(),
        "email": passenger.email,
        "phone_number": passenger.phone_number,
    });
    if let Some(loyalty) = &passenger.loyalty {
        body["loyalty_programme_accounts"] =
            json!([{"airline_iata_code": loyalty.airline_code, "account_number": loyalty.account_number}]);
    }
    body
}

#[async_trait]
impl FlightSupplier for Duffel {
    async fn search(&self, wish: f::SearchFlights) -> Outcome<f::FlightOffers> {
        if !(1..=9).contains(&wish.adults) {
            return declined(ReasonCode::InvalidRequest, "adults: 1 to 9");
        }
        let adults: Vec<Value> = (0..wish.adults).map(|_| json!({"type": "adult"})).collect();
        let slice = json!({
            "origin": wish.origin, "destination": wish.destination, "departure_date": wish.departure_date.to_string(),
        });
        let data = json!({"slices": [slice], "passengers": adults, "cabin_class": wish.cabin});
        let query = [("return_offers", "true"), ("supplier_timeout", "20000")];
        let path = ["air", "offer_requests"];
        let found = self.exchange::<offers::Search>(axum::http::Method::POST, &path, &query, Some(data)).await;
        found.map(|search| search.data.ours())
    }

    async fn seat_maps(&self, offer: f::OfferRef) -> Outcome<f::SeatMaps> {
        match passed(self.get::<Vec<seats::Map>>(&["air", "seat_maps"], &[("offer_id", &offer.offer_id)]).await) {
            Ok(maps) => converted(
                maps.into_iter().map(seats::Map::ours).collect::<Result<_, _>>().map(|maps| f::SeatMaps { maps }),
            ),
            Err(ending) => ending,
        }
    }

    async fn price(&self, wish: f::PriceFlight) -> Outcome<f::FlightPrice> {
        match passed(self.read_price(&wish.offer_id, &wish.services).await) {
            Ok(offer) => converted(offer.price()),
            Err(ending) => ending,
        }
    }

    async fn hold(&self, wish: f::HoldFlight) -> Outcome<f::FlightOrder> {
        self.create(wish, Manner::Hold).await
    }

    async fn book(&self, wish: f::BookFlight) -> Outcome<f::FlightOrder> {
        self.create(wish, Manner::Instant).await
    }

    async fn pay(&self, wish: f::PayHeldFlight) -> Outcome<f::FlightOrder> {
        if let Err(ending) = self.payable(&wish).await {
            return ending;
        }
        let body = json!({"order_id": wish.order_id, "payment": balance(wish.amount)});
        let payment = match passed(self.post::<Payment>(&["air", "payments"], body).await) {
            Ok(payment) => payment,
            Err(ending) => return ending,
        };
        match payment.status {
            PaidStatus::Succeeded => {}
            PaidStatus::Failed | PaidStatus::Cancelled => {
                return declined(ReasonCode::PaymentDeclined, "the supplier refused the payment");
            }
            PaidStatus::Pending | PaidStatus::Unknown => return wire::fault("the payment is not settled yet"),
        }
        // The money is with the airline: if the order cannot be read now, only a look-up may follow.
        match self.read_order(&wish.order_id).await {
            Outcome::Done(order) => converted(order.ours()),
            Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn order(&self, order: f::FlightOrderRef) -> Outcome<f::FlightOrder> {
        self.read_order(&order.order_id).await.map(|order| order.ours()).into_order()
    }

    async fn find(&self, wish: f::FindFlightOrder) -> Outcome<Found<f::FlightOrder>> {
        let query = [("offer_id", wish.offer_id.as_str())];
        let ours = |order: &Order| order.carries(&wish.reference);
        let orders = match passed(self.list(&["air", "orders"], &query, ours).await) {
            Ok(orders) => orders,
            Err(ending) => return ending,
        };
        // Of several, one that lives counts.
        let found = orders.iter().find(|order| order.lives()).or(orders.first());
        converted(found.map(Order::ours).transpose().map(|found| Found { found }))
    }

    async fn quote_cancellation(&self, order: f::FlightOrderRef) -> Outcome<f::FlightCancellationQuote> {
        let quote =
            self.post::<Cancellation>(&["air", "order_cancellations"], json!({"order_id": order.order_id})).await;
        match passed(quote) {
            Ok(quote) => converted(quote.quote()),
            Err(ending) => ending,
        }
    }

    async fn confirm_cancellation(&self, wish: f::ConfirmFlightCancellation) -> Outcome<f::FlightCancelled> {
        let path = ["air", "order_cancellations", wish.cancellation_id.as_str()];
        match before_effect(self.get::<Cancellation>(&path, &[]).await) {
            Ok(quote) if quote.order_id != wish.order_id => {
                return declined(ReasonCode::InvalidRequest, "the quote is for another order");
            }
            // Confirmed before: the same quote again is a success.
            Ok(quote) if quote.confirmed_at.is_some() => return converted(quote.cancelled()),
            Ok(_) => {}
            Err(ending) => return ending,
        }
        let path = ["air", "order_cancellations", wish.cancellation_id.as_str(), "actions", "confirm"];
        match passed(self.post::<Cancellation>(&path, json!({})).await) {
            Ok(done) if done.order_id == wish.order_id => converted(done.cancelled()),
            Ok(_) => Outcome::Unknown(Reason::new(ReasonCode::IntegrityFault, "the answer is about another order")),
            Err(ending) => ending,
        }
    }

    async fn changes(&self, order: f::FlightOrderRef) -> Outcome<f::FlightChanges> {
        match passed(self.read_changes(&order.order_id).await) {
            Ok(changes) => converted(changes::ours(changes)),
            Err(ending) => ending,
        }
    }

    async fn accept_change(&self, wish: f::AcceptFlightChange) -> Outcome<f::FlightChange> {
        let changes = match before_effect(self.read_changes(&wish.order_id).await) {
            Ok(changes) => changes,
            Err(ending) => return ending,
        };
        let found = changes.iter().find(|change| change.id == wish.change_id);
        let available = found.map(|change| change.available_actions.clone()).unwrap_or_default();
        let known = changes::ours(changes).map(|list| list.changes.into_iter().find(|c| c.change_id == wish.change_id));
        match known {
            Err(error) => return Outcome::NotSent(unreadable(&error)),
            Ok(None) => return declined(ReasonCode::NotFound, "the order has no such change"),
            // Accepted before: once more is a success.
            Ok(Some(change)) if change.state == f::FlightChangeState::Accepted => return Outcome::Done(change),
            Ok(Some(change)) if change.state == f::FlightChangeState::Over => {
                return declined(ReasonCode::OfferExpired, "the change is no longer offered");
            }
            Ok(Some(_)) => {}
        }
        if !available.contains(&Available::Accept) {
            return declined(ReasonCode::NotAllowed, "the airline wants to be called");
        }
        let path = ["air", "airline_initiated_changes", wish.change_id.as_str(), "actions", "accept"];
        match passed(self.post::<Change>(&path, json!({})).await) {
            Ok(done) if done.order_id == wish.order_id => converted(done.ours(true)),
            Ok(_) => Outcome::Unknown(Reason::new(ReasonCode::IntegrityFault, "the answer is about another order")),
            Err(ending) => ending,
        }
    }
}
