//! MCP server `activities`: search, hold, book, look up, quote a cancellation, cancel.
//!
//! Tools and their types: `searchActivities` [`SearchActivities`] → [`ActivityOptions`]; `holdActivity` [`HoldActivity`] →
//! [`Quote`] (a hold that lapses by itself, so that a lost answer leaves nothing to undo); `bookActivity` [`BookActivity`]
//! and `getActivityBooking` [`BookingRef`] → [`Booking`], whose state can be pending; `findActivityBooking`
//! [`FindBooking`] → [`super::Found`]`<`[`Booking`]`>`; `quoteActivityCancellation` [`BookingRef`] →
//! [`super::bookings::CancellationQuote`]; `cancelActivity` [`BookingRef`] → [`Booking`].
//!
//! [`Quote`]: super::bookings::Quote
//! [`Booking`]: super::bookings::Booking
//! [`BookingRef`]: super::bookings::BookingRef
//! [`FindBooking`]: super::bookings::FindBooking

use super::bookings::{Contact, Person};
use crate::{
    money::{Currency, Money},
    policy::Terms,
    time::ZonedCivil,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Looks for activities in a city at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchActivities {
    /// English name of the city.
    pub city: String,
    /// What the traveller calls it; searched as free text.
    pub name: String,
    /// When it should begin, on the clock of the place; options of that local day are answered, nearest first.
    pub starts: ZonedCivil,
    /// Adults, 1 to 18.
    pub adults: u8,
    /// Currency to price in.
    #[schemars(with = "String")]
    pub currency: Currency,
}

/// Options that can be booked, best match first; empty when nothing fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivityOptions {
    /// The options.
    pub options: Vec<ActivityOption>,
}

/// An activity at a time and a price with its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivityOption {
    /// The supplier's product code.
    pub product_code: String,
    /// The supplier's option code.
    pub option_code: String,
    /// Title.
    pub title: String,
    /// Where to meet, when stated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meeting_point: Option<String>,
    /// When it begins.
    pub starts: ZonedCivil,
    /// How long it takes, minutes.
    pub duration_min: u32,
    /// People it is priced for.
    pub adults: u8,
    /// Price for all of them.
    pub total: Money,
    /// What cancelling costs.
    pub terms: Terms,
}

/// Holds an option for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldActivity {
    /// The option, as it was answered.
    pub option: ActivityOption,
}

/// Books a hold, on our account with the supplier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookActivity {
    /// Our reference; the supplier refuses a second booking with it, and finds the first by it.
    pub reference: String,
    /// The hold.
    pub quote_id: String,
    /// What is booked.
    pub option: ActivityOption,
    /// Who goes, the booker first.
    pub guests: Vec<Person>,
    /// How to reach the booker.
    pub contact: Contact,
    /// Price as shown; anything else is refused as `price_changed` before it is sent.
    pub expected_total: Money,
}

// Names must not reach a log through `{:?}`.
impl std::fmt::Debug for BookActivity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BookActivity({}, {}, <redacted>)", self.reference, self.quote_id)
    }
}
