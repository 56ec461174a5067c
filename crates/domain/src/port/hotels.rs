//! MCP server `hotels`: search, quote, book, look up, cancel.
//!
//! Tools and their types: `searchHotels` [`SearchHotels`] → [`HotelRates`]; `quoteHotel` [`QuoteHotel`] → [`HotelQuote`];
//! `bookHotel` [`BookHotel`], `getHotelBooking` and `cancelHotel` [`HotelBookingRef`] → [`HotelBooking`];
//! `findHotelBooking` [`FindHotelBooking`] → [`super::Found`]`<`[`HotelBooking`]`>`.

use crate::{money::Money, time::UtcMicros};
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
    /// What cancelling gives back, by time; empty when nothing is given back.
    pub cancellation: Vec<CancellationTier>,
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

/// Cancelling before `before_us` gives `refund` back. Tiers are ascending in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancellationTier {
    /// End of the tier, exclusive.
    pub before_us: UtcMicros,
    /// What comes back.
    pub refund: Money,
}

/// Checks a rate's price and availability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuoteHotel {
    /// The rate.
    pub rate_id: String,
}

/// A checked price. It is not a hold: the room can still go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HotelQuote {
    /// The supplier's quote id.
    pub quote_id: String,
    /// Price of the whole stay.
    pub total: Money,
    /// Terms.
    pub cancellation: Vec<CancellationTier>,
    /// Until when the quote can be booked.
    pub expires_at_us: UtcMicros,
}

/// A guest as the hotel needs to know them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guest {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
}

// Names must not reach a log through `{:?}`.
impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guest(<redacted>)")
    }
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
    pub guests: Vec<Guest>,
    /// E-mail for the confirmation.
    pub email: String,
    /// Phone in E.164 form.
    pub phone_number: String,
    /// Price as shown; anything else is refused as `price_changed` before it is sent.
    pub expected_total: Money,
}

// E-mail and phone must not reach a log through `{:?}`.
impl std::fmt::Debug for BookHotel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BookHotel({}, {}, <redacted>)", self.reference, self.quote_id)
    }
}

/// Names a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HotelBookingRef {
    /// The supplier's booking id.
    pub booking_id: String,
}

/// Looks for the booking we may have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindHotelBooking {
    /// The reference it was made with.
    pub reference: String,
}

/// A booking at the hotel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HotelBooking {
    /// The supplier's booking id.
    pub booking_id: String,
    /// Confirmation number the guest shows.
    pub reference: String,
    /// Where it stands.
    pub state: HotelBookingState,
    /// Price of the whole stay.
    pub total: Money,
    /// Terms.
    pub cancellation: Vec<CancellationTier>,
    /// What came back to our balance when it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refunded: Option<Money>,
    /// How to get in, when the hotel said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_collection: Option<String>,
}

/// Where a hotel booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HotelBookingState {
    /// Confirmed.
    Confirmed,
    /// Cancelled.
    Cancelled,
}
