//! Cars: search, quote, book, look up, cancel.
//!
//! Source: duffel.com/docs cars. Only prepaid rates are passed on. Conditions come as words with the quote; the one
//! sentence that can be read without guessing becomes figures, everything else stays words. Cancelling is immediate.
//! Deliberately not here: cards, cars paid at the desk, one-way hires.

use super::{
    Duffel, Status, agreed, carries, degrees, living, metadata, perhaps_ours, refunded,
    wire::{self, Unreadable, converted, declined, instant, money},
};
use crate::travel::{CarSupplier, before_effect, passed};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use zhiyou_domain::{
    places,
    policy::{Fee, Terms, Tier},
    port::{Found, Outcome, ReasonCode, bookings as b, cars as c},
    time::{UtcMicros, ZonedCivil},
};

/// Rates passed on: the cheapest.
const RATES_MAX: usize = 24;

#[derive(Debug, Deserialize)]
struct Search {
    rates: Vec<Rate>,
}

#[derive(Debug, Deserialize)]
struct Rate {
    id: String,
    total_amount: String,
    total_currency: String,
    payment_type: PaymentType,
    supplier: Named,
    car: Car,
    pickup_location: Location,
    expires_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PaymentType {
    Prepaid,
    #[serde(other)]
    AtTheDesk,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Car {
    name: String,
    #[serde(default)]
    code: String,
}

#[derive(Debug, Deserialize)]
struct Location {
    #[serde(default)]
    name: String,
    coordinates: Option<Coordinates>,
}

#[derive(Debug, Deserialize)]
struct Coordinates {
    latitude: Box<RawValue>,
    longitude: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct Quote {
    id: String,
    total_amount: String,
    total_currency: String,
    expires_at: Option<String>,
    #[serde(flatten)]
    pick_up: PickUp,
}

/// When the car is picked up, on a clock the answer does not name, and what it says about cancelling.
#[derive(Debug, Deserialize)]
struct PickUp {
    pickup_date: Option<String>,
    pickup_time: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Booking {
    id: String,
    reference: Option<String>,
    status: Status,
    cancelled_at: Option<String>,
    total_amount: String,
    total_currency: String,
    #[serde(flatten)]
    pick_up: PickUp,
    #[serde(default)]
    metadata: Value,
}

impl Location {
    /// Whose clock the counter keeps: that of the airport it is at.
    fn zone(&self) -> Option<&'static str> {
        let at = self.coordinates.as_ref()?;
        let airport = places::nearest_airport(
            places::micro_degrees(at.latitude.get())?,
            places::micro_degrees(at.longitude.get())?,
        );
        airport.map(|airport| airport.zone)
    }
}

impl PickUp {
    fn terms(&self, zone: Option<&str>) -> Terms {
        let words = || {
            let all = self.conditions.iter().map(|condition| format!("{}: {}", condition.title, condition.text));
            Terms::unread(all.collect::<Vec<_>>().join("\n"))
        };
        let about = self.conditions.iter().find(|condition| condition.title.eq_ignore_ascii_case("cancellation"));
        let hours = about.and_then(|condition| free_hours(&condition.text));
        let at = || {
            let local = format!("{}T{}:00", self.pickup_date.as_deref()?, self.pickup_time.as_deref()?);
            ZonedCivil::parse(&local, zone?).ok()
        };
        match hours.zip(at()) {
            Some((hours, anchor)) => {
                Terms::Stated { tiers: vec![Tier { anchor, offset_min: -hours * 60, fee: Fee::Free }] }
            }
            None => words(),
        }
    }
}

/// The hours of "Free cancellation up to N hours before pick-up. No refund afterwards.", and of nothing else.
fn free_hours(text: &str) -> Option<i64> {
    let digits = text
        .trim()
        .strip_prefix("Free cancellation up to ")?
        .strip_suffix(" hours before pick-up. No refund afterwards.")?;
    digits.parse().ok().filter(|hours| (0..=24 * 365).contains(hours))
}

impl Rate {
    fn ours(&self, now: UtcMicros) -> Result<c::CarRate, Unreadable> {
        Ok(c::CarRate {
            rate_id: self.id.clone(),
            company: self.supplier.name.clone(),
            car_name: self.car.name.clone(),
            acriss: self.car.code.clone(),
            pick_up_place: self.pickup_location.name.clone(),
            total: money(&self.total_amount, &self.total_currency)?,
            // Conditions are told with the quote.
            terms: Terms::unread(""),
            expires_at_us: self.expires_at.as_deref().map_or_else(|| Ok(until(now)), instant)?,
        })
    }
}

/// Where no end is stated it is asked again after this.
const fn until(now: UtcMicros) -> UtcMicros {
    now.plus_minutes(15)
}

impl Quote {
    fn ours(&self, zone: Option<&str>, now: UtcMicros) -> Result<b::Quote, Unreadable> {
        Ok(b::Quote {
            quote_id: self.id.clone(),
            total: money(&self.total_amount, &self.total_currency)?,
            terms: self.pick_up.terms(zone),
            expires_at_us: self.expires_at.as_deref().map_or_else(|| Ok(until(now)), instant)?,
            kept: false,
        })
    }
}

impl Booking {
    fn ours(&self, zone: Option<&str>) -> Result<b::Booking, Unreadable> {
        let total = money(&self.total_amount, &self.total_currency)?;
        let terms = self.pick_up.terms(zone);
        let state = self.status.state()?;
        let cancelled_at = self.cancelled_at.as_deref().map(instant).transpose()?;
        // Terms that were only words do not say what came back.
        let known = state == b::BookingState::Cancelled && matches!(terms, Terms::Stated { .. });
        Ok(b::Booking {
            booking_id: self.id.clone(),
            reference: self.reference.clone().unwrap_or_default(),
            state,
            total,
            refunded: known.then(|| refunded(&terms, total, cancelled_at)).flatten(),
            terms,
            instructions: None,
        })
    }
}

/// A body read twice: once for its fields, once for its pick-up place, whose numbers must stay text.
#[derive(Debug, Deserialize)]
struct Placed {
    pickup_location: Location,
}

struct Sited<T> {
    body: T,
    zone: Option<&'static str>,
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Sited<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let body = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let placed = serde_json::from_str::<Placed>(raw.get()).ok();
        Ok(Self { body, zone: placed.and_then(|placed| placed.pickup_location.zone()) })
    }
}

impl Duffel {
    fn car_booking(found: &Sited<Booking>) -> Outcome<b::Booking> {
        converted(found.body.ours(found.zone))
    }
}

#[async_trait]
impl CarSupplier for Duffel {
    async fn search(&self, wish: c::SearchCars) -> Outcome<c::CarRates> {
        let place = wish.latitude_udeg.abs() <= 90_000_000 && wish.longitude_udeg.abs() <= 180_000_000;
        let times = wish.pick_up.to_utc().ok().zip(wish.drop_off.to_utc().ok()).is_some_and(|(from, to)| from < to);
        if !(1..=100).contains(&wish.radius_km) || !(18..=99).contains(&wish.driver_age) || !place || !times {
            return declined(ReasonCode::InvalidRequest, "radius, age, place or times are out of range");
        }
        let location = json!({
            "radius": wish.radius_km,
            "geographic_coordinates": {
                "latitude": degrees(wish.latitude_udeg), "longitude": degrees(wish.longitude_udeg),
            },
        });
        let body = json!({
            "pickup_date": wish.pick_up.local.date().to_string(),
            "pickup_time": wish.pick_up.local.strftime("%H:%M").to_string(),
            "dropoff_date": wish.drop_off.local.date().to_string(),
            "dropoff_time": wish.drop_off.local.strftime("%H:%M").to_string(),
            "pickup_location": location,
            "dropoff_location": location,
            "driver": {"age": wish.driver_age, "residence_country_code": wish.driver_country},
        });
        let found = match passed(self.post::<Search>(&["cars", "search"], body).await) {
            Ok(found) => found,
            Err(ending) => return ending,
        };
        let prepaid = found.rates.iter().filter(|rate| rate.payment_type == PaymentType::Prepaid);
        let mut rates: Vec<c::CarRate> = prepaid
            .filter_map(|rate| {
                let ours = rate.ours(self.clock.now());
                ours.inspect_err(|error| tracing::warn!(%error, "a rate could not be read and is left out")).ok()
            })
            .collect();
        rates.sort_by_key(|rate| (rate.total.currency(), rate.total.minor()));
        rates.truncate(RATES_MAX);
        Outcome::Done(c::CarRates { rates })
    }

    async fn quote(&self, wish: c::QuoteCar) -> Outcome<b::Quote> {
        match passed(self.post::<Sited<Quote>>(&["cars", "quotes"], json!({"rate_id": wish.rate_id})).await) {
            Ok(quote) => converted(quote.body.ours(quote.zone, self.clock.now())),
            Err(ending) => ending,
        }
    }

    async fn book(&self, wish: c::BookCar) -> Outcome<b::Booking> {
        let checked = async {
            let quote = before_effect(self.get::<Sited<Quote>>(&["cars", "quotes", &wish.quote_id], &[]).await)?;
            let now = self.clock.now();
            agreed(&before_effect(converted(quote.body.ours(quote.zone, now)))?, wish.expected_total, now)
        };
        if let Err(ending) = checked.await {
            return ending;
        }
        let mut body = json!({
            "quote_id": wish.quote_id,
            "driver": {
                "given_name": wish.driver.given_name, "family_name": wish.driver.family_name,
                "email": wish.contact.email, "phone_number": wish.contact.phone_number,
                "date_of_birth": wish.born_on.to_string(),
            },
            "metadata": metadata(&wish.reference),
        });
        if let Some(flight) = &wish.inbound_flight {
            body["inbound_flight_number"] = json!(flight);
        }
        match self.post::<Sited<Booking>>(&["cars", "bookings"], body).await {
            Outcome::Done(booking) => Self::car_booking(&booking),
            Outcome::Declined(reason) if reason.code == ReasonCode::SoldOut => {
                perhaps_ours(reason, CarSupplier::find(self, b::FindBooking { reference: wish.reference }).await)
            }
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        match passed(self.get::<Sited<Booking>>(&["cars", "bookings", &booking.booking_id], &[]).await) {
            Ok(booking) => Self::car_booking(&booking),
            Err(ending) => ending,
        }
    }

    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>> {
        let ours = |booking: &Sited<Booking>| carries(&booking.body.metadata, &wish.reference);
        let bookings = match passed(self.list(&["cars", "bookings"], &[], ours).await) {
            Ok(bookings) => bookings,
            Err(ending) => return ending,
        };
        let found = living(&bookings, |booking| booking.body.status);
        match found {
            Some(booking) => Self::car_booking(booking).map(|booking| Found { found: Some(booking) }),
            None => Outcome::Done(Found { found: None }),
        }
    }

    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        let path = ["cars", "bookings", booking.booking_id.as_str(), "actions", "cancel"];
        match passed(self.post::<Sited<Booking>>(&path, json!({})).await) {
            Ok(cancelled) if cancelled.body.status == Status::Cancelled => Self::car_booking(&cancelled),
            Ok(_) => wire::fault("the booking is not cancelled yet"),
            Err(ending) => ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sentence_that_says_it_plainly_becomes_figures() {
        let pick_up = |text: &str| PickUp {
            pickup_date: Some("2026-12-04".to_owned()),
            pickup_time: Some("10:30".to_owned()),
            conditions: vec![Condition { title: "Cancellation".to_owned(), text: text.to_owned() }],
        };
        let plain = pick_up("Free cancellation up to 48 hours before pick-up. No refund afterwards.");
        let free = plain.terms(Some("Asia/Shanghai")).free_until().unwrap();
        assert_eq!(free, UtcMicros::parse_rfc3339("2026-12-02T02:30:00Z").unwrap());
        assert!(matches!(plain.terms(None), Terms::Unread { .. }), "without a clock there is no instant");
        for vague in
            ["Free cancellation up to 48 hours before pick-up.", "Usually free up to 48 hours before pick-up", ""]
        {
            assert!(matches!(pick_up(vague).terms(Some("Asia/Shanghai")), Terms::Unread { .. }), "{vague}");
        }
    }

    #[test]
    fn the_clock_of_the_counter_is_that_of_its_airport() {
        let text = r#"{"name": "PEK", "coordinates": {"latitude": 40.0799, "longitude": 116.6031}}"#;
        assert_eq!(serde_json::from_str::<Location>(text).unwrap().zone(), Some("Asia/Shanghai"));
        assert_eq!(serde_json::from_str::<Location>(r#"{"name": "?"}"#).unwrap().zone(), None);
    }
}
