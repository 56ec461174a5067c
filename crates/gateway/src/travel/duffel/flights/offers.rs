//! Offers as the supplier writes them, and as ours.
//!
//! Deliberately not here: any request.

use super::super::wire::{Unreadable, instant, money, optional_money};
use serde::Deserialize;
use zhiyou_domain::{
    money::Money,
    port::flights as f,
    time::{UtcMicros, ZonedCivil},
};

/// Most offers passed on.
const OFFERS_MAX: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct Search {
    offers: Vec<Offer>,
}

impl Search {
    /// Ours, cheapest first. An offer that does not read as documented is left out: it could not be booked either.
    pub(super) fn ours(self) -> f::FlightOffers {
        let readable = |offer: Offer| match offer.ours() {
            Ok(offer) => Some(offer),
            Err(error) => {
                tracing::warn!(%error, "an offer could not be read and is left out");
                None
            }
        };
        let mut offers: Vec<_> = self.offers.into_iter().filter_map(readable).collect();
        offers.sort_by_key(|offer| (offer.total.currency(), offer.total.minor()));
        offers.truncate(OFFERS_MAX);
        f::FlightOffers { offers }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    id: String,
    expires_at: String,
    owner: Airline,
    total_amount: String,
    total_currency: String,
    passengers: Vec<PassengerId>,
    payment_requirements: PaymentRequirements,
    #[serde(default)]
    conditions: Conditions,
    slices: Vec<Slice>,
}

#[derive(Debug, Deserialize)]
struct Airline {
    name: String,
    iata_code: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PassengerId {
    id: String,
}

#[derive(Debug, Deserialize)]
struct PaymentRequirements {
    requires_instant_payment: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Conditions {
    refund_before_departure: Option<Condition>,
    change_before_departure: Option<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    allowed: bool,
    penalty_amount: Option<String>,
    penalty_currency: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    segments: Vec<Segment>,
}

impl Slice {
    pub(super) fn segments(self) -> impl Iterator<Item = Result<f::FlightSegment, Unreadable>> {
        self.segments.into_iter().map(Segment::ours)
    }
}

#[derive(Debug, Deserialize)]
struct Segment {
    id: String,
    origin: Airport,
    destination: Airport,
    departing_at: String,
    arriving_at: String,
    aircraft: Option<Named>,
    marketing_carrier: Airline,
    marketing_carrier_flight_number: String,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Airport {
    iata_code: String,
    name: String,
    time_zone: String,
    city_name: Option<String>,
    city: Option<Named>,
}

impl Offer {
    pub(super) const fn holdable(&self) -> bool {
        !self.payment_requirements.requires_instant_payment
    }

    pub(super) fn expires(&self) -> Result<UtcMicros, Unreadable> {
        instant(&self.expires_at)
    }

    pub(super) fn total(&self) -> Result<Money, Unreadable> {
        money(&self.total_amount, &self.total_currency)
    }

    pub(super) fn price(&self) -> Result<f::FlightPrice, Unreadable> {
        Ok(f::FlightPrice { total: self.total()?, expires_at_us: self.expires()? })
    }

    fn ours(self) -> Result<f::FlightOffer, Unreadable> {
        let (total, expires_at_us, holdable) = (self.total()?, self.expires()?, self.holdable());
        let segments: Vec<_> = self.slices.into_iter().flat_map(Slice::segments).collect::<Result<_, _>>()?;
        if segments.is_empty() {
            return Err(Unreadable::Missing("segments"));
        }
        Ok(f::FlightOffer {
            offer_id: self.id,
            owner_name: self.owner.name,
            owner_code: self.owner.iata_code.unwrap_or_default(),
            segments,
            passenger_ids: self.passengers.into_iter().map(|passenger| passenger.id).collect(),
            total,
            expires_at_us,
            holdable,
            refund: terms(self.conditions.refund_before_departure.as_ref())?,
            change: terms(self.conditions.change_before_departure.as_ref())?,
        })
    }
}

fn terms(condition: Option<&Condition>) -> Result<f::FlightTerms, Unreadable> {
    Ok(match condition {
        None => f::FlightTerms::NotStated,
        Some(condition) if !condition.allowed => f::FlightTerms::NotAllowed,
        Some(condition) => {
            let fee = optional_money(condition.penalty_amount.as_deref(), condition.penalty_currency.as_deref())?;
            f::FlightTerms::Allowed { fee }
        }
    })
}

impl Segment {
    fn ours(self) -> Result<f::FlightSegment, Unreadable> {
        let departs = ZonedCivil::parse(&self.departing_at, &self.origin.time_zone)?;
        let arrives = ZonedCivil::parse(&self.arriving_at, &self.destination.time_zone)?;
        let minutes = (arrives.to_utc()?.0 - departs.to_utc()?.0) / 60_000_000;
        Ok(f::FlightSegment {
            segment_id: self.id,
            flight_number: format!(
                "{}{}",
                self.marketing_carrier.iata_code.unwrap_or_default(),
                self.marketing_carrier_flight_number
            ),
            origin: self.origin.ours(),
            destination: self.destination.ours(),
            departs,
            arrives,
            duration_min: u32::try_from(minutes).map_err(|_| Unreadable::Missing("a possible duration"))?,
            aircraft: self.aircraft.map(|aircraft| aircraft.name),
        })
    }
}

impl Airport {
    fn ours(self) -> f::Airport {
        let city = self.city_name.or_else(|| self.city.map(|city| city.name));
        f::Airport { city: city.unwrap_or_else(|| self.name.clone()), iata: self.iata_code, name: self.name }
    }
}
