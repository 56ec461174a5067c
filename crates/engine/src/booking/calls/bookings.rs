//! What hotels, cars and activities share: quote, book, ask, cancel; and what is particular to each request.
//!
//! Deliberately not here: flights, and looking up a lost answer.

use super::{Heard, Ports, Travellers, details, inconsistent, later};
use crate::mcp::Server;
use serde::{Serialize, de::DeserializeOwned};
use zhiyou_domain::{
    id::ItemId,
    order::{Fact, Hold, ItemCancelQuote, Offer, Order, OrderItem, StepKey, StepResult},
    plan::import::Traveller,
    policy::Confidence,
    port::{
        Outcome, Reason, ReasonCode, Word, activities::BookActivity, activities::HoldActivity, bookings::*,
        cars::BookCar, cars::QuoteCar, hotels::BookHotel, hotels::QuoteHotel,
    },
    time::UtcMicros,
};

/// How long a quote that costs the supplier nothing to keep is offered to the traveller, minutes.
const CANCEL_QUOTE_MIN: i64 = 60;

/// What can be asked of a booking, by any of its servers.
#[derive(Debug, Clone, Copy)]
pub(in crate::booking) enum Tool {
    Book,
    Get,
    Find,
    Cancel,
}

/// The tool's name at the server of an offer's kind; flights have other tools.
const fn name(offer: &Offer, tool: Tool) -> Option<&'static str> {
    Some(match (offer, tool) {
        (Offer::Hotel(_), Tool::Book) => "bookHotel",
        (Offer::Hotel(_), Tool::Get) => "getHotelBooking",
        (Offer::Hotel(_), Tool::Find) => "findHotelBooking",
        (Offer::Hotel(_), Tool::Cancel) => "cancelHotel",
        (Offer::Car(_), Tool::Book) => "bookCar",
        (Offer::Car(_), Tool::Get) => "getCarBooking",
        (Offer::Car(_), Tool::Find) => "findCarBooking",
        (Offer::Car(_), Tool::Cancel) => "cancelCar",
        (Offer::Activity(_), Tool::Book) => "bookActivity",
        (Offer::Activity(_), Tool::Get) => "getActivityBooking",
        (Offer::Activity(_), Tool::Find) => "findActivityBooking",
        (Offer::Activity(_), Tool::Cancel) => "cancelActivity",
        (Offer::Flight(_), _) => return None,
    })
}

impl Ports {
    const fn server(&self, offer: &Offer) -> Option<&Server> {
        match offer {
            Offer::Flight(_) => Some(&self.flights),
            Offer::Hotel(_) => Some(&self.hotels),
            Offer::Car(_) => self.cars.as_ref(),
            Offer::Activity(_) => self.activities.as_ref(),
        }
    }

    /// Calls a booking tool of the offer's kind.
    pub(in crate::booking) async fn booking_call<Q: Serialize, R: DeserializeOwned>(
        &self,
        offer: &Offer,
        tool: Tool,
        request: &Q,
    ) -> Outcome<R> {
        self.offer_call(offer, name(offer, tool), request).await
    }

    async fn offer_call<Q: Serialize, R: DeserializeOwned>(
        &self,
        offer: &Offer,
        name: Option<&'static str>,
        request: &Q,
    ) -> Outcome<R> {
        match (self.server(offer), name) {
            (Some(server), Some(name)) => server.call(name, request).await,
            (None, _) => Outcome::NotSent(not_connected()),
            (_, None) => inconsistent("flights are not booked like this"),
        }
    }

    /// Checks the price of an offer, or holds it where holding lapses by itself.
    pub(super) async fn quote(&self, order: &Order, item: ItemId) -> Heard {
        let quote: Outcome<Quote> = match order.item(item).map(|place| &place.offer) {
            Some(Some(offer @ Offer::Hotel(rate))) => {
                self.offer_call(offer, Some("quoteHotel"), &QuoteHotel { rate_id: rate.rate_id.clone() }).await
            }
            Some(Some(offer @ Offer::Car(rate))) => {
                self.offer_call(offer, Some("quoteCar"), &QuoteCar { rate_id: rate.rate_id.clone() }).await
            }
            Some(Some(offer @ Offer::Activity(option))) => {
                self.offer_call(offer, Some("holdActivity"), &HoldActivity { option: option.clone() }).await
            }
            Some(Some(Offer::Flight(_)) | None) | None => return Heard::Later,
        };
        match quote {
            Outcome::Done(quote) => Heard::fact(Fact::Quoted { item, quote }),
            Outcome::Declined(reason) => Heard::fact(Fact::PricingRefused { item, reason }),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// Asks about a booking the supplier was still deciding on.
    pub(super) async fn await_booking(&self, order: &Order, item: ItemId) -> Heard {
        let Some((place, Some(offer))) = order.item(item).map(|place| (place, &place.offer)) else {
            return Heard::Later;
        };
        let Some(booking_id) = place.supplier_order.clone() else { return Heard::Later };
        match self.booking_call::<_, Booking>(offer, Tool::Get, &BookingRef { booking_id }).await {
            Outcome::Done(booking) if booking.state == BookingState::Pending => Heard::Later,
            Outcome::Done(booking) => Heard::fact(Fact::BookingReported { item, booking }),
            Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// What cancelling gives back now: the supplier's own quote where it gives one, else its stated terms.
    pub(super) async fn booking_cancel_quote(
        &self,
        offer: &Offer,
        booking_id: String,
        now: UtcMicros,
    ) -> Outcome<ItemCancelQuote> {
        let latest = now.plus_minutes(CANCEL_QUOTE_MIN);
        let reference = BookingRef { booking_id };
        if matches!(offer, Offer::Activity(_)) {
            let quote: Outcome<CancellationQuote> =
                self.offer_call(offer, Some("quoteActivityCancellation"), &reference).await;
            return quote.map(|quote| ItemCancelQuote {
                cancellation_id: None,
                refund: quote.refund,
                expires_at: latest,
                confidence: Confidence::Quoted,
            });
        }
        match self.booking_call::<_, Booking>(offer, Tool::Get, &reference).await {
            Outcome::Done(booking) => from_terms(&booking, now, latest),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// Books a hotel, a car or an activity at its checked price.
    pub(super) async fn book(
        &self,
        travellers: &Travellers,
        place: &OrderItem,
        offer: &Offer,
        hold: &Hold,
        key: &StepKey,
    ) -> Outcome<StepResult> {
        let people = match details(travellers, &place.wanted.travellers).await {
            Ok(people) => people,
            Err(outcome) => return outcome,
        };
        let (Some(first), Some(quote_id)) = (people.first(), hold.quote_id.clone()) else {
            return inconsistent("a booking needs a quote and a traveller");
        };
        let (reference, contact, expected_total) = (key.reference(), contact(first), hold.price);
        let booked: Outcome<Booking> = match offer {
            Offer::Flight(_) => return inconsistent("flights are not booked like this"),
            Offer::Hotel(_) => {
                let guests = people.iter().map(person).collect();
                let request = BookHotel { reference, quote_id, guests, contact, expected_total };
                self.booking_call(offer, Tool::Book, &request).await
            }
            Offer::Car(_) => {
                let (driver, born_on, inbound_flight) = (person(first), first.born_on, None);
                let request = BookCar { reference, quote_id, driver, born_on, contact, inbound_flight, expected_total };
                self.booking_call(offer, Tool::Book, &request).await
            }
            Offer::Activity(option) => {
                let guests = people.iter().map(person).collect();
                let option = option.clone();
                let request = BookActivity { reference, quote_id, option, guests, contact, expected_total };
                self.booking_call(offer, Tool::Book, &request).await
            }
        };
        booked.map(StepResult::Booking)
    }
}

/// No server of this kind is connected.
pub(super) fn not_connected() -> Reason {
    Reason::new(ReasonCode::NotFound, "no supplier is connected for this kind")
}

fn from_terms(booking: &Booking, now: UtcMicros, latest: UtcMicros) -> Outcome<ItemCancelQuote> {
    match booking.terms.evaluate(booking.total, now) {
        Ok(found) => Outcome::Done(ItemCancelQuote {
            cancellation_id: None,
            refund: found.refund,
            expires_at: found.changes_at.map_or(latest, |change| change.min(latest)),
            confidence: found.confidence,
        }),
        Err(error) => Outcome::Declined(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
    }
}

fn person(traveller: &Traveller) -> Person {
    Person { given_name: traveller.given_name.clone(), family_name: traveller.family_name.clone() }
}

fn contact(traveller: &Traveller) -> Contact {
    Contact { email: traveller.email.clone(), phone_number: traveller.phone_number.clone() }
}
