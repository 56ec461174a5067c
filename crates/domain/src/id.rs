//! Typed identifiers: a ULID with a prefix that says what it names.
//!
//! Written with the prefix (`ord_01J…`) wherever a person or another program sees them. Deliberately not here: making
//! new ids, which needs a clock and randomness; the engine does that and stores an id before its first use.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};
use ulid::Ulid;

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected} id: {text:?}")]
pub struct IdError {
    expected: &'static str,
    text: String,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Names the thing by a ULID that was made elsewhere.
            #[must_use]
            pub const fn from_ulid(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The 26 characters without the prefix, upper case: what providers get as our number.
            #[must_use]
            pub fn bare(self) -> String {
                self.0.to_string()
            }

            /// When it was made, to the millisecond.
            #[must_use]
            pub fn made_at(self) -> crate::time::UtcMicros {
                crate::time::UtcMicros(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX / 1_000) * 1_000)
            }

            /// Reads the 26 characters without the prefix.
            ///
            /// # Errors
            /// [`IdError`] when the text is not a ULID in canonical upper case.
            pub fn parse_bare(text: &str) -> Result<Self, IdError> {
                let fail = || IdError { expected: $article, text: text.to_owned() };
                let ulid = Ulid::from_string(text).map_err(|_| fail())?;
                // Crockford base 32 also accepts lower case and look-alikes; one spelling per id keeps comparisons exact.
                if ulid.to_string() == text { Ok(Self(ulid)) } else { Err(fail()) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .ok_or_else(|| IdError { expected: $article, text: text.to_owned() })
                    .and_then(Self::parse_bare)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-9A-HJKMNP-TV-Z]{26}$") })
            }
        }
    };
}

typed_id!(
    /// A travel plan.
    PlanId, "pln", "a plan"
);
typed_id!(
    /// An order of any kind.
    OrderId, "ord", "an order"
);
typed_id!(
    /// One item of a plan, and of the order made from it.
    ItemId, "itm", "an item"
);
typed_id!(
    /// A traveller whose details are sealed in the vault.
    TravellerId, "trv", "a traveller"
);
typed_id!(
    /// One attempt to pay. Its bare form is the merchant number at every channel.
    AttemptId, "pay", "a payment"
);
typed_id!(
    /// One decision to give money back. Its bare form is the refund number at every channel.
    RefundId, "rfd", "a refund"
);
typed_id!(
    /// What an agent wants done with money, as a person is asked about it.
    ConfirmationId, "cnf", "a confirmation"
);
typed_id!(
    /// A cancellation quote shown to the traveller.
    QuoteId, "qte", "a quote"
);
typed_id!(
    /// Made and stored by the caller before it asks for something; repeating it returns the same result.
    RequestId, "req", "a request"
);

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "01KA0000000000000000000ABC";

    #[test]
    fn an_id_round_trips_with_its_prefix() {
        let id: OrderId = format!("ord_{BARE}").parse().unwrap();
        assert_eq!(id.to_string(), format!("ord_{BARE}"));
        assert_eq!(id.bare(), BARE);
        assert_eq!(serde_json::from_str::<OrderId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn another_kind_a_path_and_a_second_spelling_are_refused() {
        for text in [&format!("pln_{BARE}"), BARE, "ord_../../etc", "ord_01ka0000000000000000000abc", "ord_", ""] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_payment_number_fits_every_channel() {
        let bare = AttemptId::parse_bare(BARE).unwrap().bare();
        assert_eq!(bare.len(), 26);
        assert!(bare.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    }
}
