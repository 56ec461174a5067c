//! What cancelling costs, by time: terms as data that can be evaluated at any instant, offline.
//!
//! A tier is `(anchor, zone, offset, fee)`: until so long before (or after) a civil time at a place, cancelling costs so
//! much. Deliberately not here: a supplier's own quote (it overrides terms, see [`crate::order::ItemCancelQuote`]),
//! guessing at words that could not be read, and what the channel charges for a refund.

use crate::{
    money::{Money, MoneyError},
    time::{TimeError, UtcMicros, ZonedCivil},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The terms of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "terms", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Terms {
    /// The supplier stated them. Tiers are ascending in time; after the last one nothing comes back.
    Stated {
        /// Tiers; none when nothing ever comes back.
        tiers: Vec<Tier>,
    },
    /// The supplier stated words that could not be read as figures, or nothing at all.
    Unread {
        /// The supplier's words, cut to 500 characters; data, shown as they are.
        text: String,
    },
}

/// Until a moment, cancelling costs `fee`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tier {
    /// The civil time the tier is counted from: a departure, a check-in, or the deadline itself.
    pub anchor: ZonedCivil,
    /// Minutes from the anchor to the end of the tier (exclusive); negative is before it.
    pub offset_min: i64,
    /// What cancelling costs until then.
    pub fee: Fee,
}

/// What cancelling costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fee", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fee {
    /// Nothing.
    Free,
    /// A fixed amount.
    Fixed {
        /// Amount, in the price's currency.
        amount: Money,
    },
    /// A share of the price.
    Share {
        /// Hundredths of a per cent, 0 to 10,000.
        basis_points: u16,
    },
}

/// How sure a cancellation figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Nobody stated it; the worst is assumed.
    Assumed,
    /// Reckoned from the supplier's stated terms.
    Terms,
    /// The supplier quoted it just now.
    Quoted,
}

/// What cancelling costs at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluated {
    /// Fee, never above the price.
    pub fee: Money,
    /// What comes back: price less fee.
    pub refund: Money,
    /// How sure that is.
    pub confidence: Confidence,
    /// When the figure next changes by time alone.
    pub changes_at: Option<UtcMicros>,
}

/// Why terms could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A tier's time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A tier's fee.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Terms {
    /// Terms under which nothing comes back at any time.
    #[must_use]
    pub const fn no_refund() -> Self {
        Self::Stated { tiers: Vec::new() }
    }

    /// Words that could not be read as figures.
    #[must_use]
    pub fn unread(text: impl AsRef<str>) -> Self {
        Self::Unread { text: text.as_ref().chars().take(500).collect() }
    }

    /// What cancelling something of this `price` costs at `now`. Terms that were not read count as a total loss, and
    /// say so by their confidence.
    ///
    /// # Errors
    /// [`PolicyError`] when a tier's zone is unknown or its fee is in another currency than the price.
    pub fn evaluate(&self, price: Money, now: UtcMicros) -> Result<Evaluated, PolicyError> {
        let tiers = match self {
            Self::Unread { .. } => return Ok(Evaluated::all_lost(price, Confidence::Assumed)),
            Self::Stated { tiers } => tiers,
        };
        for tier in tiers {
            let until = tier.until()?;
            if now < until {
                let fee = tier.fee.of(price)?;
                let refund = price.minus(fee)?;
                return Ok(Evaluated { fee, refund, confidence: Confidence::Terms, changes_at: Some(until) });
            }
        }
        Ok(Evaluated::all_lost(price, Confidence::Terms))
    }

    /// Until when cancelling costs nothing at all; `None` when it never does or is not known.
    #[must_use]
    pub fn free_until(&self) -> Option<UtcMicros> {
        let Self::Stated { tiers } = self else { return None };
        tiers.iter().take_while(|tier| tier.fee == Fee::Free).filter_map(|tier| tier.until().ok()).last()
    }

    /// Instants at which the figure changes by time alone, ascending.
    #[must_use]
    pub fn changes(&self) -> Vec<UtcMicros> {
        match self {
            Self::Stated { tiers } => tiers.iter().filter_map(|tier| tier.until().ok()).collect(),
            Self::Unread { .. } => Vec::new(),
        }
    }
}

impl Tier {
    /// A tier that ends at a given instant.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`].
    pub fn until_instant(instant: UtcMicros, fee: Fee) -> Result<Self, TimeError> {
        Ok(Self { anchor: instant.in_zone("UTC")?, offset_min: 0, fee })
    }

    /// End of the tier, exclusive.
    ///
    /// # Errors
    /// [`TimeError`] of the anchor.
    pub fn until(&self) -> Result<UtcMicros, TimeError> {
        Ok(self.anchor.to_utc()?.plus_minutes(self.offset_min))
    }
}

impl Fee {
    /// The fee on a price; a share is rounded up to the next minor unit, and no fee exceeds the price.
    fn of(self, price: Money) -> Result<Money, MoneyError> {
        let fee = match self {
            Self::Free => Money::zero(price.currency()),
            Self::Fixed { amount } => amount,
            Self::Share { basis_points } => price.share_up(basis_points)?,
        };
        Ok(if fee.exceeds(price)? { price } else { fee })
    }
}

impl Evaluated {
    /// Everything is lost.
    #[must_use]
    pub const fn all_lost(price: Money, confidence: Confidence) -> Self {
        Self { fee: price, refund: Money::zero(price.currency()), confidence, changes_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn yuan(minor: i64) -> Money {
        Money::new(minor, Currency::CNY).unwrap()
    }

    fn tier(local: &str, zone: &str, offset_min: i64, fee: Fee) -> Tier {
        Tier { anchor: ZonedCivil::parse(local, zone).unwrap(), offset_min, fee }
    }

    fn at(text: &str) -> UtcMicros {
        UtcMicros::parse_rfc3339(text).unwrap()
    }

    fn check(terms: &Terms, price: i64, now: &str, fee: i64, confidence: Confidence) {
        let found = terms.evaluate(yuan(price), at(now)).unwrap();
        assert_eq!((found.fee, found.refund), (yuan(fee), yuan(price - fee)), "at {now}");
        assert_eq!(found.confidence, confidence);
    }

    #[test]
    fn a_deadline_is_counted_on_the_clock_of_its_place() {
        // "Free until 24 hours before check-in at 15:00 in Tokyo, then half, nothing back after check-in."
        let terms = Terms::Stated {
            tiers: vec![
                tier("2026-12-04T15:00:00", "Asia/Tokyo", -24 * 60, Fee::Free),
                tier("2026-12-04T15:00:00", "Asia/Tokyo", 0, Fee::Share { basis_points: 5_000 }),
            ],
        };
        check(&terms, 101, "2026-12-03T05:59:59Z", 0, Confidence::Terms);
        check(&terms, 101, "2026-12-03T06:00:00Z", 51, Confidence::Terms);
        check(&terms, 101, "2026-12-04T06:00:00Z", 101, Confidence::Terms);
        assert_eq!(terms.free_until(), Some(at("2026-12-03T06:00:00Z")));
        assert_eq!(terms.changes(), [at("2026-12-03T06:00:00Z"), at("2026-12-04T06:00:00Z")]);
    }

    #[test]
    fn the_same_civil_deadline_differs_by_zone_and_follows_summer_time() {
        let before = tier("2026-03-29T12:00:00", "Europe/Paris", -24 * 60, Fee::Free);
        // The night between loses an hour, so 24 hours before noon is 11:00 the day before.
        assert_eq!(before.until().unwrap(), at("2026-03-28T10:00:00Z"));
    }

    #[test]
    fn words_nobody_could_read_are_a_total_loss_and_say_so() {
        check(&Terms::unread("ask the desk"), 500, "2026-12-01T00:00:00Z", 500, Confidence::Assumed);
        check(&Terms::no_refund(), 500, "2026-12-01T00:00:00Z", 500, Confidence::Terms);
    }

    #[test]
    fn a_fee_never_exceeds_the_price_and_never_mixes_currencies() {
        let fixed =
            |amount| Terms::Stated { tiers: vec![tier("2026-12-04T00:00:00", "UTC", 0, Fee::Fixed { amount })] };
        check(&fixed(yuan(900)), 500, "2026-12-01T00:00:00Z", 500, Confidence::Terms);
        let dollars = Money::new(1, "USD".parse().unwrap()).unwrap();
        assert!(fixed(dollars).evaluate(yuan(500), at("2026-12-01T00:00:00Z")).is_err());
    }
}
