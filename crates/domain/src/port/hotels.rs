//! MCP server `hotels`: search, quote, book, look up, cancel.
//!
//! Tools and their types: `searchHotels` [`SearchHotels`] → [`HotelRates`]; `quoteHotel` [`QuoteHotel`] → [`Quote`];
//! `bookHotel` [`BookHotel`], `getHotelBooking` and `cancelHotel` [`BookingRef`] → [`Booking`];
//! `findHotelBooking` [`FindBooking`] → [`super::Found`]`<`[`Booking`]`>`.
//!
//! [`Quote`]: super::bookings::Quote
//! [`Booking`]: super::bookings::Booking
//! [`BookingRef`]: super::bookings::BookingRef
//! [`FindBooking`]: super::bookings::FindBooking

use super::bookings::{Contact, Person};
use crate::{money::Money, policy::Terms, time::UtcMicros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Looks for rooms around a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchHotels {
    /// Latitude in micro-degrees, WGS-84.
    pub latitude_udeg: i64,
    /// Longitude in micro-degrees, WGS-84.
    pub longitude_udeg: i64,
    /// Radius, kilometres, 1 to 100.
    pub radius_km: u8,
    /// First night, local date.
    #[schemars(with = "String")]
    pub check_in: jiff::civil::Date,
    /// Morning of leaving, local date.
    #[schemars(with = "String")]
    pub check_out: jiff::civil::Date,
    /// Rooms, 1 to 9.
    pub rooms: u8,
    /// Adults, 1 to 18.
    pub adults: u8,
}

/// The cheapest few rates of each hotel, cheapest first; empty when nothing is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HotelRates {
    /// The rates.
    pub rates: Vec<HotelRate>,
}

/// A room at a price with its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HotelRate {
    /// The supplier's rate id.
    pub rate_id: String,
    /// Hotel name.
    pub hotel_name: String,
    /// Street address.
    pub address: String,
    /// Room name.
    pub room_name: String,
    /// Meals.
    pub board: Board,
    /// Price of the whole stay, taxes included.
    pub total: Money,
    /// Part of it that is paid at the hotel.
    pub due_at_hotel: Money,
    /// What cancelling costs.
    pub terms: Terms,
    /// Until when the rate can be quoted.
    pub expires_at_us: UtcMicros,
}

/// Meals included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Board {
    /// None.
    RoomOnly,
    /// Breakfast.
    Breakfast,
    /// Breakfast and one meal.
    HalfBoard,
    /// Three meals.
    FullBoard,
    /// Everything.
    AllInclusive,
    /// A word we do not know.
    Other,
}

/// Checks a rate's price and availability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuoteHotel {
    /// The rate.
    pub rate_id: String,
}

/// Books a quote, paying from our balance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookHotel {
    /// Our reference, written into the supplier's metadata so that a lost answer can be looked up.
    pub reference: String,
    /// The quote.
    pub quote_id: String,
    /// Who stays.
    pub guests: Vec<Person>,
    /// How to reach them.
    pub contact: Contact,
    /// Price as shown; anything else is refused as `price_changed` before it is sent.
    pub expected_total: Money,
}

// E-mail and phone must not reach a log through `{:?}`.
impl std::fmt::Debug for BookHotel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BookHotel({}, {}, <redacted>)", self.reference, self.quote_id)
    }
}
