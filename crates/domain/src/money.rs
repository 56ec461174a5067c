//! Money: integer minor units and an ISO 4217 currency.
//!
//! Amounts are never floats and never mix currencies; every operation that could overflow or mix returns an error.
//! Deliberately not here: conversion between currencies, which needs a quote, and provider amount formats beyond the
//! plain decimal string.

mod table;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};

/// Amounts travel to the interface as JSON integers, which are exact up to 2^53 in every JavaScript engine.
pub const MINOR_MAX: i64 = 1 << 53;

/// An ISO 4217 currency code from the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u8,
}

impl Currency {
    /// Chinese yuan.
    pub const CNY: Self = Self { code: "CNY", exponent: 2 };

    /// The three letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Number of decimal digits of the minor unit (CNY 2, JPY 0, KWD 3).
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    /// Every known currency, sorted by code.
    pub fn all() -> impl Iterator<Item = Self> {
        table::CURRENCIES.iter().map(|&(code, exponent)| Self { code, exponent })
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        table::CURRENCIES
            .binary_search_by_key(&text, |&(code, _)| code)
            .ok()
            .and_then(|index| table::CURRENCIES.get(index))
            .map(|&(code, exponent)| Self { code, exponent })
            .ok_or_else(|| MoneyError::UnknownCurrency(text.chars().take(8).collect()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code" })
    }
}

/// An amount: minor units of a currency. Written `{"amountMinor": 328400, "currency": "CNY"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Money {
    /// Minor units, within ±2^53 ([`MINOR_MAX`]).
    #[serde(rename = "amountMinor", deserialize_with = "bounded")]
    minor: i64,
    /// ISO 4217 currency.
    currency: Currency,
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let minor = i64::deserialize(deserializer)?;
    if minor.checked_abs().is_some_and(|a| a <= MINOR_MAX) {
        Ok(minor)
    } else {
        Err(serde::de::Error::custom(MoneyError::Overflow))
    }
}

impl Money {
    /// `minor` units of `currency`.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond ±2^53.
    pub fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor.checked_abs().is_some_and(|a| a <= MINOR_MAX) {
            Ok(Self { minor, currency })
        } else {
            Err(MoneyError::Overflow)
        }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is exactly zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether the amount is greater than zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?, self.currency)
    }

    /// The difference; may be negative.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?, self.currency)
    }

    /// The sum of `parts` in `currency`; zero when there are none.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn sum(currency: Currency, parts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        parts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// Compares amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`].
    pub fn exceeds(self, limit: Self) -> Result<bool, MoneyError> {
        self.same_currency(limit)?;
        Ok(self.minor > limit.minor)
    }

    /// Splits the amount by `weights` so that the parts add up to it exactly (largest remainder; ties to the earlier part).
    ///
    /// # Errors
    /// [`MoneyError::Weights`] when there are no weights or all are zero.
    pub fn split(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let total: u128 = weights.iter().map(|&w| u128::from(w)).sum();
        if total == 0 {
            return Err(MoneyError::Weights);
        }
        let size = u128::from(self.minor.unsigned_abs());
        let mut parts = Vec::with_capacity(weights.len());
        let mut remainders = Vec::with_capacity(weights.len());
        for (index, &weight) in weights.iter().enumerate() {
            let share = size * u128::from(weight);
            parts.push(i64::try_from(share / total).map_err(|_| MoneyError::Overflow)?);
            remainders.push((share % total, index));
        }
        let given: i64 = parts.iter().sum();
        let missing = usize::try_from(self.minor.abs() - given).map_err(|_| MoneyError::Overflow)?;
        remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for &(_, index) in remainders.iter().take(missing) {
            if let Some(part) = parts.get_mut(index) {
                *part += 1;
            }
        }
        let sign = self.minor.signum();
        Ok(parts.into_iter().map(|minor| Self { minor: minor * sign, currency: self.currency }).collect())
    }

    /// `basis_points` hundredths of a per cent of the amount, rounded up to the next minor unit.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn share_up(self, basis_points: u16) -> Result<Self, MoneyError> {
        let share = i128::from(self.minor) * i128::from(basis_points);
        let up = share.div_euclid(10_000) + i128::from(share.rem_euclid(10_000) != 0);
        Self::new(i64::try_from(up).map_err(|_| MoneyError::Overflow)?, self.currency)
    }

    /// Reads a plain decimal ("227.33", "20.0", "-4") without ever passing through a float.
    ///
    /// Trailing zeros beyond the exponent are accepted because suppliers send them; any other digit there is not.
    ///
    /// # Errors
    /// [`MoneyError::Malformed`], [`MoneyError::TooPrecise`] or [`MoneyError::Overflow`].
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed(text.chars().take(32).collect());
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(malformed());
        }
        let exponent = usize::from(currency.exponent);
        let (kept, beyond) = fraction.split_at(fraction.len().min(exponent));
        if beyond.bytes().any(|b| b != b'0') {
            return Err(MoneyError::TooPrecise { text: text.to_owned(), currency });
        }
        let joined = format!("{whole}{kept:0<exponent$}");
        let minor: i64 = joined.parse().map_err(|_| MoneyError::Overflow)?;
        Self::new(if negative { -minor } else { minor }, currency)
    }

    /// The amount as a plain decimal with exactly the currency's number of places ("3284.00", "500" for JPY).
    #[must_use]
    pub fn to_decimal(self) -> String {
        let exponent = usize::from(self.currency.exponent);
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        let sign = if self.minor < 0 { "-" } else { "" };
        let point = if exponent == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
        }
    }
}

/// "CNY 3284.00": for logs and messages to developers; the interface formats by locale.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.to_decimal())
    }
}

/// Why an amount could not be read or computed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The code is not in ISO 4217.
    #[error("unknown currency {0:?}")]
    UnknownCurrency(String),
    /// Two currencies met where one was expected.
    #[error("amounts in {left} and {right} cannot be combined")]
    CurrencyMismatch {
        /// The first amount's currency.
        left: Currency,
        /// The second amount's currency.
        right: Currency,
    },
    /// The amount leaves ±2^53 minor units.
    #[error("amount out of range")]
    Overflow,
    /// The text is not a plain decimal number.
    #[error("not an amount: {0:?}")]
    Malformed(String),
    /// The text has more decimals than the currency.
    #[error("{text:?} has more decimals than {currency} allows")]
    TooPrecise {
        /// What was given.
        text: String,
        /// The currency it was read for.
        currency: Currency,
    },
    /// A split needs at least one weight above zero.
    #[error("cannot split without weights")]
    Weights,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(text: &str, code: &str) -> Money {
        Money::parse_decimal(text, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_table_equals_the_iso_list() {
        let mut reader =
            csv::Reader::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/currencies.csv")).unwrap();
        let mut listed: Vec<(String, u8)> = reader
            .records()
            .map(|row| row.unwrap())
            .filter_map(|row| Some((row[0].to_owned(), row[2].parse().ok()?)))
            .collect();
        listed.sort();
        let ours: Vec<(String, u8)> = Currency::all().map(|c| (c.code().to_owned(), c.exponent())).collect();
        assert_eq!(ours, listed);
        assert_eq!("CNY".parse::<Currency>().unwrap(), Currency::CNY);
    }

    #[test]
    fn decimals_follow_the_currency() {
        assert_eq!(money("3284.00", "CNY").minor(), 328_400);
        assert_eq!(money("20.0", "CNY").minor(), 2_000);
        assert_eq!(money("500", "JPY").minor(), 500);
        assert_eq!(money("1.234", "KWD").minor(), 1_234);
        assert_eq!(money("0.05", "CNY").to_decimal(), "0.05");
        assert_eq!(money("-4", "CNY").to_decimal(), "-4.00");
        assert_eq!(money("500.00", "JPY").to_decimal(), "500");
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        let cny = Currency::CNY;
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "NaN",
            "１",
            "1,000",
            "+1",
            "--1",
            "0x10",
            "1.005",
            " 1",
            "99999999999999999999",
        ] {
            assert!(Money::parse_decimal(text, cny).is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Money>(r#"{"amountMinor":1.5,"currency":"CNY"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amountMinor":9007199254740993,"currency":"CNY"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amountMinor":1,"currency":"XQQ"}"#).is_err());
    }

    #[test]
    fn currencies_never_mix() {
        assert!(matches!(money("1", "CNY").plus(money("1", "USD")), Err(MoneyError::CurrencyMismatch { .. })));
    }

    #[test]
    fn a_three_way_split_of_an_odd_amount_loses_nothing() {
        let parts = money("100.01", "CNY").split(&[1, 1, 1]).unwrap();
        assert_eq!(parts.iter().map(|p| p.minor()).collect::<Vec<_>>(), [3_334, 3_334, 3_333]);
    }

    proptest! {
        #[test]
        fn split_parts_add_up(minor in -MINOR_MAX..=MINOR_MAX, weights in prop::collection::vec(0u64..1_000_000, 1..8)) {
            let amount = Money::new(minor, Currency::CNY).unwrap();
            match amount.split(&weights) {
                Ok(parts) => prop_assert_eq!(Money::sum(Currency::CNY, parts).unwrap(), amount),
                Err(error) => prop_assert!(error == MoneyError::Weights && weights.iter().all(|&w| w == 0)),
            }
        }

        #[test]
        fn decimal_text_round_trips(minor in -MINOR_MAX..=MINOR_MAX, index in 0usize..150) {
            let currency = Currency::all().nth(index).unwrap();
            let amount = Money::new(minor, currency).unwrap();
            prop_assert_eq!(Money::parse_decimal(&amount.to_decimal(), currency).unwrap(), amount);
        }
    }
}
