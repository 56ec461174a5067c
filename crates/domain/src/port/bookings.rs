//! What the servers `hotels`, `cars` and `activities` share: a checked price, a booking, and its look-up.
//!
//! Deliberately not here: flights, which are held and ticketed, and what is particular to one kind.

use crate::{money::Money, policy::Terms, time::UtcMicros};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A checked price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quote {
    /// The supplier's quote, hold or reservation id; what is booked.
    pub quote_id: String,
    /// Price of the whole item that we pay the supplier.
    pub total: Money,
    /// What cancelling costs.
    pub terms: Terms,
    /// Until when it can be booked.
    pub expires_at_us: UtcMicros,
    /// Whether the supplier keeps the place until then. Such a hold lapses by itself: there is nothing to let go of.
    pub kept: bool,
}

/// A person as a supplier needs to know them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
}

/// How the supplier reaches the traveller.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    /// E-mail for the confirmation.
    pub email: String,
    /// Phone in E.164 form.
    pub phone_number: String,
}

// Names, addresses and numbers must not reach a log through `{:?}`.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(<redacted>)")
    }
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(<redacted>)")
    }
}

/// Names a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookingRef {
    /// The supplier's booking id.
    pub booking_id: String,
}

/// Looks for the booking we may have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindBooking {
    /// The reference it was made with.
    pub reference: String,
}

/// A booking at the supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Booking {
    /// The supplier's booking id.
    pub booking_id: String,
    /// Confirmation number the traveller shows.
    pub reference: String,
    /// Where it stands.
    pub state: BookingState,
    /// Price of the whole item.
    pub total: Money,
    /// What cancelling costs.
    pub terms: Terms,
    /// What came back to our balance when it was cancelled, when the supplier says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refunded: Option<Money>,
    /// What the traveller needs to know there: how to get in, where to meet, where the voucher is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instructions: Option<String>,
}

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BookingState {
    /// The supplier is still deciding; asked again until it has.
    Pending,
    /// Confirmed.
    Confirmed,
    /// The supplier refused after all; nothing is owed to it.
    Rejected,
    /// Cancelled.
    Cancelled,
}

/// What cancelling a booking gives back now, where the supplier quotes that. It has no id and may change: it is asked
/// for again just before cancelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancellationQuote {
    /// What comes back.
    pub refund: Money,
}
