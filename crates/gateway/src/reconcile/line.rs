//! What a channel's bill says, in one shape for every channel, and the day it is about.
//!
//! Deliberately not here: how a bill is fetched and read, which is each channel's, and our own book.

use jiff::{ToSpan, civil};
use std::{fmt, str::FromStr};
use zhiyou_domain::{money::Money, time::UtcMicros};

const MINUTES: i64 = 24 * 60;

/// Where a channel's day begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Midnight {
    /// At midnight in Beijing (WeChat Pay, Alipay), all year eight hours ahead of UTC.
    Beijing,
    /// At midnight UTC (Stripe, PayPal).
    Utc,
}

impl Midnight {
    const fn ahead_min(self) -> i64 {
        match self {
            Self::Beijing => 8 * 60,
            Self::Utc => 0,
        }
    }

    /// The day of a channel that an instant falls on.
    pub(crate) fn day_of(self, at: UtcMicros) -> Day {
        let days = at.plus_minutes(self.ahead_min()).0.div_euclid(MINUTES * 60_000_000);
        // Out of range only for instants that no row can hold: they fall on the last day there is.
        Day(EPOCH.checked_add(days.clamp(-DAYS_MAX, DAYS_MAX).days()).unwrap_or(civil::Date::MAX))
    }
}

const EPOCH: civil::Date = civil::date(1970, 1, 1);
/// Days that can be added to [`EPOCH`] without leaving the calendar.
const DAYS_MAX: i64 = 700_000;

/// A calendar day, as a channel writes it on its bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(civil::Date);

/// The text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day like 2026-11-20")]
pub struct DayError(String);

impl Day {
    /// The instant it begins for a channel.
    pub(crate) fn from(self, midnight: Midnight) -> UtcMicros {
        UtcMicros(0).plus_seconds(self.0.duration_since(EPOCH).as_secs()).plus_minutes(-midnight.ahead_min())
    }

    /// The instant just after its end for a channel.
    pub(crate) fn until(self, midnight: Midnight) -> UtcMicros {
        self.from(midnight).plus_minutes(MINUTES)
    }

    /// The day after; the last day of the calendar is followed by itself.
    pub(crate) fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }

    /// The day before; before the first day of the calendar there is itself.
    pub(crate) fn previous(self) -> Self {
        Self(self.0.yesterday().unwrap_or(self.0))
    }
}

impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let day: Option<civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
        day.map(Self).ok_or_else(|| DayError(text.chars().take(32).collect()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a channel answers about a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bill {
    /// The whole day.
    Of(Vec<BillLine>),
    /// The channel has no bill of that day: it is not over or not made up yet, or the channel makes none of a day without
    /// a payment. Never the same as a bill without lines.
    NotYet,
}

/// One movement of money on a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BillLine {
    /// What happened.
    pub(crate) what: What,
    /// The channel's number of it.
    pub(crate) theirs: String,
    /// The number of ours that the channel tells with it.
    pub(crate) ours: Option<String>,
    /// What a refund or a dispute is about: the payment's number, ours or the channel's.
    pub(crate) payment: Option<String>,
    /// How much; which way is said by `what`. Only a fee or another movement can be negative.
    pub(crate) amount: Money,
    /// What the channel kept of it, where the bill tells; negative when it gave a fee back.
    pub(crate) fee: Option<Money>,
    /// When, by the channel's clock.
    pub(crate) at: UtcMicros,
    /// How far it got when the bill was made.
    pub(crate) state: LineState,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Money of a payer.
    Payment,
    /// Money given back to a payer.
    Refund,
    /// A refund that did not arrive and came back to us.
    RefundReturned,
    /// Money that the payer's bank or the channel took back.
    Dispute,
    /// Money of a dispute that came back to us.
    DisputeReturned,
    /// What the channel charges for itself.
    Fee,
    /// Anything else: a payout, a hold, a conversion.
    Other,
}

impl What {
    /// Everything a line can be about.
    pub const ALL: [Self; 7] = [
        Self::Payment,
        Self::Refund,
        Self::RefundReturned,
        Self::Dispute,
        Self::DisputeReturned,
        Self::Fee,
        Self::Other,
    ];

    /// As it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::RefundReturned => "refund that came back",
            Self::Dispute => "dispute",
            Self::DisputeReturned => "dispute that was won",
            Self::Fee => "fee",
            Self::Other => "other",
        }
    }
}

/// How far the movement of a line got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineState {
    /// It happened.
    Settled,
    /// It was accepted and is under way.
    Pending,
    /// It happened and came back; what brought it back is a line of its own.
    Returned,
    /// It did not happen, or was undone.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMicros {
        UtcMicros::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_day_begins_in_beijing_for_the_chinese_channels_and_at_utc_for_the_others() {
        let day: Day = "2026-11-20".parse().unwrap();
        assert_eq!(day.from(Midnight::Beijing), at("2026-11-20T00:00:00+08:00"));
        assert_eq!(day.until(Midnight::Beijing), at("2026-11-21T00:00:00+08:00"));
        assert_eq!(day.from(Midnight::Utc), at("2026-11-20T00:00:00Z"));
        for (instant, beijing, utc) in [
            ("2026-11-20T15:59:59Z", "2026-11-20", "2026-11-20"),
            ("2026-11-20T16:00:00Z", "2026-11-21", "2026-11-20"),
            ("2028-02-28T23:59:59Z", "2028-02-29", "2028-02-28"),
            ("1969-12-31T23:59:59Z", "1970-01-01", "1969-12-31"),
        ] {
            assert_eq!(Midnight::Beijing.day_of(at(instant)).to_string(), beijing);
            assert_eq!(Midnight::Utc.day_of(at(instant)).to_string(), utc);
        }
        assert_eq!(day.next().to_string(), "2026-11-21");
        assert!(Midnight::Utc.day_of(UtcMicros(i64::MAX)) > day);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2026-11-31", "2026-1-20", "20261120", "2026-11-20T00:00:00", "yesterday"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
