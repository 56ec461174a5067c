//! MCP server `cars`: search, quote, book, look up, cancel.
//!
//! Tools and their types: `searchCars` [`SearchCars`] → [`CarRates`]; `quoteCar` [`QuoteCar`] → [`Quote`]; `bookCar`
//! [`BookCar`], `getCarBooking` and `cancelCar` [`BookingRef`] → [`Booking`]; `findCarBooking` [`FindBooking`] →
//! [`super::Found`]`<`[`Booking`]`>`. Deliberately not here: cars paid at the desk; only prepaid rates are offered.
//!
//! [`Quote`]: super::bookings::Quote
//! [`Booking`]: super::bookings::Booking
//! [`BookingRef`]: super::bookings::BookingRef
//! [`FindBooking`]: super::bookings::FindBooking

use super::bookings::{Contact, Person};
use crate::{
    money::Money,
    policy::Terms,
    time::{UtcMicros, ZonedCivil},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Looks for cars around an airport, returned where they are picked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchCars {
    /// Latitude in micro-degrees, WGS-84.
    pub latitude_udeg: i64,
    /// Longitude in micro-degrees, WGS-84.
    pub longitude_udeg: i64,
    /// Radius, kilometres, 1 to 100.
    pub radius_km: u8,
    /// Pick-up, on the clock of the place.
    pub pick_up: ZonedCivil,
    /// Return, on the clock of the place.
    pub drop_off: ZonedCivil,
    /// Driver's age, years.
    pub driver_age: u8,
    /// Driver's country of residence, ISO 3166-1 alpha-2.
    pub driver_country: String,
}

/// Prepaid rates, cheapest first; empty when nothing is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarRates {
    /// The rates.
    pub rates: Vec<CarRate>,
}

/// A car at a price with its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarRate {
    /// The supplier's rate id.
    pub rate_id: String,
    /// Name of the hire company.
    pub company: String,
    /// Name of the car, e.g. "Toyota Corolla or similar".
    pub car_name: String,
    /// ACRISS code, four letters.
    pub acriss: String,
    /// Where it is picked up, as shown.
    pub pick_up_place: String,
    /// Price of the whole hire.
    pub total: Money,
    /// What cancelling costs.
    pub terms: Terms,
    /// Until when the rate can be quoted.
    pub expires_at_us: UtcMicros,
}

/// Checks a rate's price and availability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuoteCar {
    /// The rate.
    pub rate_id: String,
}

/// Books a quote, paying from our balance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookCar {
    /// Our reference, written into the supplier's metadata so that a lost answer can be looked up.
    pub reference: String,
    /// The quote.
    pub quote_id: String,
    /// Who drives.
    pub driver: Person,
    /// Driver's date of birth.
    #[schemars(with = "String")]
    pub born_on: jiff::civil::Date,
    /// How to reach the driver.
    pub contact: Contact,
    /// Flight the driver arrives with, e.g. "ZZ1234", so that the desk waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inbound_flight: Option<String>,
    /// Price as shown; anything else is refused as `price_changed` before it is sent.
    pub expected_total: Money,
}

// A birth date must not reach a log through `{:?}`.
impl std::fmt::Debug for BookCar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BookCar({}, {}, <redacted>)", self.reference, self.quote_id)
    }
}
