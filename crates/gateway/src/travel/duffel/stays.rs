//! Stays: search, quote, book, look up, cancel.
//!
//! Source: duffel.com/docs stays. Cancelling is immediate; what it gives back is the booked timeline's. Deliberately not
//! here: cards and deposits.

use super::{
    Duffel, Status, agreed, carries, degrees, living, metadata, perhaps_ours, refunded,
    wire::{self, Unreadable, converted, declined, instant, money, optional_money},
};
use crate::travel::{HotelSupplier, before_effect, passed};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use zhiyou_domain::{
    money::{Currency, Money},
    policy::{Fee, Terms, Tier},
    port::{Found, Outcome, ReasonCode, bookings as b, hotels as h},
};

/// Hotels whose rates are read for one search: the cheapest.
const HOTELS_MAX: usize = 12;
/// Rates passed on for each hotel: the cheapest.
const RATES_MAX: usize = 4;

#[derive(Debug, Deserialize)]
struct Search {
    results: Vec<SearchResult>,
}

#[derive(Debug, Deserialize)]
struct SearchResult {
    id: String,
    cheapest_rate_total_amount: Option<String>,
    cheapest_rate_currency: Option<String>,
}

#[derive(Debug, Deserialize)]
struct AllRates {
    accommodation: Accommodation,
}

#[derive(Debug, Default, Deserialize)]
struct Accommodation {
    #[serde(default)]
    name: String,
    location: Option<Location>,
    key_collection: Option<KeyCollection>,
    #[serde(default)]
    rooms: Vec<Room>,
}

#[derive(Debug, Deserialize)]
struct Location {
    address: Option<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    line_one: Option<String>,
    city_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct KeyCollection {
    instructions: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Room {
    name: Option<String>,
    #[serde(default)]
    rates: Vec<Rate>,
}

#[derive(Debug, Deserialize)]
struct Rate {
    id: String,
    total_amount: String,
    total_currency: String,
    due_at_accommodation_amount: Option<String>,
    due_at_accommodation_currency: Option<String>,
    board_type: Option<BoardType>,
    #[serde(default)]
    cancellation_timeline: Vec<Step>,
    expires_at: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BoardType {
    RoomOnly,
    Breakfast,
    HalfBoard,
    FullBoard,
    AllInclusive,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Step {
    before: String,
    refund_amount: String,
    currency: String,
}

#[derive(Debug, Deserialize)]
struct Quote {
    id: String,
    total_amount: String,
    total_currency: String,
    expires_at: Option<String>,
    cancellation_timeline: Option<Vec<Step>>,
    #[serde(default)]
    accommodation: Accommodation,
}

#[derive(Debug, Deserialize)]
struct Booking {
    id: String,
    reference: Option<String>,
    status: Status,
    cancelled_at: Option<String>,
    total_amount: Option<String>,
    total_currency: Option<String>,
    cancellation_timeline: Option<Vec<Step>>,
    key_collection: Option<KeyCollection>,
    #[serde(default)]
    accommodation: Accommodation,
    #[serde(default)]
    metadata: Value,
}

/// The timeline says what comes back until when; our terms say what is kept.
fn terms(steps: &[Step], total: Money) -> Result<Terms, Unreadable> {
    let mut tiers = Vec::with_capacity(steps.len());
    for step in steps {
        let until = instant(&step.before)?;
        let kept =
            total.minus(money(&step.refund_amount, &step.currency)?).map_err(|_| Unreadable::Missing("a refund"))?;
        let fee = if kept.is_positive() { Fee::Fixed { amount: kept } } else { Fee::Free };
        tiers.push((until, Tier::until_instant(until, fee).map_err(|_| Unreadable::Missing("a time in range"))?));
    }
    tiers.sort_by_key(|(until, _)| *until);
    Ok(Terms::Stated { tiers: tiers.into_iter().map(|(_, tier)| tier).collect() })
}

impl Accommodation {
    fn address(&self) -> String {
        let address = self.location.as_ref().and_then(|location| location.address.as_ref());
        let parts = address.map(|address| [address.line_one.as_deref(), address.city_name.as_deref()]);
        parts.into_iter().flatten().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The one booked rate, when the supplier tells it only inside the room.
    fn rate(&self) -> Option<&Rate> {
        self.rooms.iter().find_map(|room| room.rates.first())
    }

    /// Ours, cheapest first, at most a few.
    fn rates(&self) -> Vec<h::HotelRate> {
        let all = self.rooms.iter().flat_map(|room| room.rates.iter().map(move |rate| (room, rate)));
        let readable = |(room, rate): (&Room, &Rate)| match self.ours(room, rate) {
            Ok(rate) => Some(rate),
            Err(error) => {
                tracing::warn!(%error, "a rate could not be read and is left out");
                None
            }
        };
        let mut rates: Vec<_> = all.filter_map(readable).collect();
        rates.sort_by_key(|rate| (rate.total.currency(), rate.total.minor()));
        rates.truncate(RATES_MAX);
        rates
    }

    fn ours(&self, room: &Room, rate: &Rate) -> Result<h::HotelRate, Unreadable> {
        let total = money(&rate.total_amount, &rate.total_currency)?;
        let due =
            optional_money(rate.due_at_accommodation_amount.as_deref(), rate.due_at_accommodation_currency.as_deref())?;
        Ok(h::HotelRate {
            rate_id: rate.id.clone(),
            hotel_name: self.name.clone(),
            address: self.address(),
            room_name: room.name.clone().unwrap_or_default(),
            board: match rate.board_type {
                Some(BoardType::RoomOnly) => h::Board::RoomOnly,
                Some(BoardType::Breakfast) => h::Board::Breakfast,
                Some(BoardType::HalfBoard) => h::Board::HalfBoard,
                Some(BoardType::FullBoard) => h::Board::FullBoard,
                Some(BoardType::AllInclusive) => h::Board::AllInclusive,
                Some(BoardType::Unknown) | None => h::Board::Other,
            },
            total,
            due_at_hotel: due.unwrap_or_else(|| Money::zero(total.currency())),
            terms: terms(&rate.cancellation_timeline, total)?,
            expires_at_us: instant(&rate.expires_at)?,
        })
    }
}

impl SearchResult {
    fn cheapest(&self) -> (Option<Currency>, i64) {
        let amount = optional_money(self.cheapest_rate_total_amount.as_deref(), self.cheapest_rate_currency.as_deref());
        amount.ok().flatten().map_or((None, i64::MAX), |amount| (Some(amount.currency()), amount.minor()))
    }
}

impl Quote {
    fn ours(&self) -> Result<b::Quote, Unreadable> {
        let rate = self.accommodation.rate();
        let expires = self.expires_at.as_deref().or(rate.map(|rate| rate.expires_at.as_str()));
        let steps = self.cancellation_timeline.as_deref().or(rate.map(|rate| rate.cancellation_timeline.as_slice()));
        let total = money(&self.total_amount, &self.total_currency)?;
        Ok(b::Quote {
            quote_id: self.id.clone(),
            total,
            terms: terms(steps.unwrap_or_default(), total)?,
            expires_at_us: instant(expires.ok_or(Unreadable::Missing("expires_at"))?)?,
            kept: false,
        })
    }
}

impl Booking {
    fn ours(&self) -> Result<b::Booking, Unreadable> {
        let rate = self.accommodation.rate();
        let own = optional_money(self.total_amount.as_deref(), self.total_currency.as_deref())?;
        let total = match (own, rate) {
            (Some(total), _) => total,
            (None, Some(rate)) => money(&rate.total_amount, &rate.total_currency)?,
            (None, None) => return Err(Unreadable::Missing("total_amount")),
        };
        let steps = self.cancellation_timeline.as_deref().or(rate.map(|rate| rate.cancellation_timeline.as_slice()));
        let terms = terms(steps.unwrap_or_default(), total)?;
        let state = self.status.state()?;
        let cancelled_at = self.cancelled_at.as_deref().map(instant).transpose()?;
        let keys = self.key_collection.as_ref().or(self.accommodation.key_collection.as_ref());
        Ok(b::Booking {
            booking_id: self.id.clone(),
            reference: self.reference.clone().unwrap_or_default(),
            state,
            total,
            refunded: (state == b::BookingState::Cancelled).then(|| refunded(&terms, total, cancelled_at)).flatten(),
            terms,
            instructions: keys.and_then(|keys| keys.instructions.clone()),
        })
    }
}

impl Duffel {
    async fn rates(&self, result: &str) -> Outcome<Vec<h::HotelRate>> {
        let path = ["stays", "search_results", result, "actions", "fetch_all_rates"];
        self.post::<AllRates>(&path, json!({})).await.map(|all| all.accommodation.rates())
    }

    async fn bookable(&self, wish: &h::BookHotel) -> Result<(), Outcome<b::Booking>> {
        let quote = before_effect(self.get::<Quote>(&["stays", "quotes", &wish.quote_id], &[]).await)?;
        agreed(&before_effect(converted(quote.ours()))?, wish.expected_total, self.clock.now())
    }
}

#[async_trait]
impl HotelSupplier for Duffel {
    async fn search(&self, wish: h::SearchHotels) -> Outcome<h::HotelRates> {
        let sizes =
            (1..=100).contains(&wish.radius_km) && (1..=9).contains(&wish.rooms) && (1..=18).contains(&wish.adults);
        let place = wish.latitude_udeg.abs() <= 90_000_000 && wish.longitude_udeg.abs() <= 180_000_000;
        if !sizes || !place || wish.check_out <= wish.check_in {
            return declined(ReasonCode::InvalidRequest, "radius, rooms, adults, place or dates are out of range");
        }
        let guests: Vec<Value> = (0..wish.adults).map(|_| json!({"type": "adult"})).collect();
        let body = json!({
            "rooms": wish.rooms,
            "guests": guests,
            "check_in_date": wish.check_in.to_string(),
            "check_out_date": wish.check_out.to_string(),
            "location": {
                "radius": wish.radius_km,
                "geographic_coordinates": {
                    "latitude": degrees(wish.latitude_udeg), "longitude": degrees(wish.longitude_udeg),
                },
            },
        });
        let mut results = match passed(self.post::<Search>(&["stays", "search"], body).await) {
            Ok(search) => search.results,
            Err(ending) => return ending,
        };
        results.sort_by_key(SearchResult::cheapest);
        results.truncate(HOTELS_MAX);
        let mut rates = Vec::new();
        let mut failed = None;
        for result in &results {
            match self.rates(&result.id).await {
                Outcome::Done(found) => rates.extend(found),
                other => failed = Some(other),
            }
        }
        // Some hotels that cannot be read are left out; when none can be read the search did not work.
        match failed {
            Some(ending) if rates.is_empty() => ending.map(|rates| h::HotelRates { rates }),
            Some(_) | None => Outcome::Done(h::HotelRates { rates }),
        }
    }

    async fn quote(&self, wish: h::QuoteHotel) -> Outcome<b::Quote> {
        match passed(self.post::<Quote>(&["stays", "quotes"], json!({"rate_id": wish.rate_id})).await) {
            Ok(quote) => converted(quote.ours()),
            Err(ending) => ending,
        }
    }

    async fn book(&self, wish: h::BookHotel) -> Outcome<b::Booking> {
        if let Err(ending) = self.bookable(&wish).await {
            return ending;
        }
        let guest = |guest: &b::Person| json!({"given_name": guest.given_name, "family_name": guest.family_name});
        let body = json!({
            "quote_id": wish.quote_id,
            "email": wish.contact.email,
            "phone_number": wish.contact.phone_number,
            "guests": wish.guests.iter().map(guest).collect::<Vec<_>>(),
            "metadata": metadata(&wish.reference),
        });
        match self.post::<Booking>(&["stays", "bookings"], body).await {
            Outcome::Done(booking) => converted(booking.ours()),
            Outcome::Declined(reason) if reason.code == ReasonCode::SoldOut => {
                perhaps_ours(reason, HotelSupplier::find(self, b::FindBooking { reference: wish.reference }).await)
            }
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        match passed(self.get::<Booking>(&["stays", "bookings", &booking.booking_id], &[]).await) {
            Ok(booking) => converted(booking.ours()),
            Err(ending) => ending,
        }
    }

    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>> {
        let ours = |booking: &Booking| carries(&booking.metadata, &wish.reference);
        let bookings = match passed(self.list(&["stays", "bookings"], &[], ours).await) {
            Ok(bookings) => bookings,
            Err(ending) => return ending,
        };
        let found = living(&bookings, |booking| booking.status);
        converted(found.map(Booking::ours).transpose().map(|found| Found { found }))
    }

    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        let path = ["stays", "bookings", booking.booking_id.as_str(), "actions", "cancel"];
        match passed(self.post::<Booking>(&path, json!({})).await) {
            Ok(cancelled) if cancelled.status == Status::Cancelled => converted(cancelled.ours()),
            Ok(_) => wire::fault("the booking is not cancelled yet"),
            Err(ending) => ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_domain::time::UtcMicros;

    #[test]
    fn a_place_is_sent_with_all_its_digits() {
        assert_eq!(degrees(31_230_400).unwrap().get(), "31.230400");
        assert_eq!(degrees(-580).unwrap().get(), "-0.000580");
    }

    #[test]
    fn cancelling_gives_back_what_the_timeline_said_at_that_moment() {
        let cny = |minor| Money::new(minor, Currency::CNY).unwrap();
        let step = |before: &str, refund: &str| Step {
            before: before.to_owned(),
            refund_amount: refund.to_owned(),
            currency: "CNY".to_owned(),
        };
        let steps = [step("1970-01-01T00:03:20Z", "300.00"), step("1970-01-01T00:01:40Z", "500.00")];
        let terms = terms(&steps, cny(50_000)).unwrap();
        let at = |seconds: i64| refunded(&terms, cny(50_000), Some(UtcMicros(seconds * 1_000_000))).unwrap().minor();
        assert_eq!([at(0), at(99), at(100), at(199), at(200)], [50_000, 50_000, 30_000, 30_000, 0]);
        assert_eq!(refunded(&terms, cny(50_000), None), None);
    }

    #[test]
    fn a_status_we_do_not_know_is_neither_confirmed_nor_cancelled() {
        let text = r#"{"id":"bok_1","reference":"R","status":"limbo","total_amount":"1.00","total_currency":"CNY"}"#;
        let booking: Booking = serde_json::from_str(text).unwrap();
        assert!(matches!(converted(booking.ours()), Outcome::Unknown(_)));
    }
}
