//! Instants and civil times.
//!
//! Stored instants are UTC microseconds; where the meaning is local (a departure, a check-in, a deadline printed on a
//! rate) the civil time is kept together with its IANA zone and converted when a comparison needs it.
//! Deliberately not here: a clock. Callers pass `now`.

use jiff::{Timestamp, civil, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant as microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UtcMicros(pub i64);

impl UtcMicros {
    /// The instant `minutes` later (earlier when negative), saturating at the ends of the range.
    #[must_use]
    pub const fn plus_minutes(self, minutes: i64) -> Self {
        self.plus_micros(minutes.saturating_mul(60_000_000))
    }

    /// The instant `seconds` later (earlier when negative), saturating at the ends of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_micros(seconds.saturating_mul(1_000_000))
    }

    /// The instant `micros` later (earlier when negative), saturating at the ends of the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Reads RFC 3339 text with an offset ("2026-11-20T11:00:00+08:00", "…Z").
    ///
    /// # Errors
    /// [`TimeError::Malformed`] when the text is not an instant with an offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let instant: Timestamp = text.parse().map_err(|_| TimeError::Malformed(text.to_owned()))?;
        Ok(Self(instant.as_microsecond()))
    }

    /// The instant as RFC 3339 text in UTC, to the second.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        Timestamp::from_microsecond(self.0)
            .map_or_else(|_| self.0.to_string(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    /// The civil time this instant shows on a clock in `zone`.
    ///
    /// # Errors
    /// [`TimeError::UnknownZone`] or [`TimeError::OutOfRange`].
    pub fn in_zone(self, zone: &str) -> Result<ZonedCivil, TimeError> {
        let instant = Timestamp::from_microsecond(self.0).map_err(|_| TimeError::OutOfRange)?;
        let tz = TimeZone::get(zone).map_err(|_| TimeError::UnknownZone(zone.to_owned()))?;
        Ok(ZonedCivil { local: tz.to_datetime(instant), zone: zone.to_owned() })
    }
}

/// A time on the wall clock of a place: a civil date and time and its IANA zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZonedCivil {
    /// Local date and time without an offset, e.g. `2026-12-04T18:30:00`.
    #[schemars(with = "String")]
    pub local: civil::DateTime,
    /// IANA zone name, e.g. `Asia/Shanghai`.
    pub zone: String,
}

impl ZonedCivil {
    /// Joins a local time and a zone.
    ///
    /// # Errors
    /// [`TimeError::UnknownZone`] when the zone is not in the bundled IANA database.
    pub fn new(local: civil::DateTime, zone: &str) -> Result<Self, TimeError> {
        TimeZone::get(zone).map_err(|_| TimeError::UnknownZone(zone.to_owned()))?;
        Ok(Self { local, zone: zone.to_owned() })
    }

    /// Reads a local time without an offset, as airlines send it, and joins it with its zone.
    ///
    /// # Errors
    /// [`TimeError::Malformed`] or [`TimeError::UnknownZone`].
    pub fn parse(local: &str, zone: &str) -> Result<Self, TimeError> {
        let civil = local.parse().map_err(|_| TimeError::Malformed(local.to_owned()))?;
        Self::new(civil, zone)
    }

    /// The instant meant. A time that a clock change skips or repeats is read as IANA's "compatible" rule does.
    ///
    /// # Errors
    /// [`TimeError::UnknownZone`] or [`TimeError::OutOfRange`].
    pub fn to_utc(&self) -> Result<UtcMicros, TimeError> {
        let tz = TimeZone::get(&self.zone).map_err(|_| TimeError::UnknownZone(self.zone.clone()))?;
        let zoned = tz.to_zoned(self.local).map_err(|_| TimeError::OutOfRange)?;
        Ok(UtcMicros(zoned.timestamp().as_microsecond()))
    }
}

/// Why a time could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not a time in the expected form.
    #[error("not a time: {0:?}")]
    Malformed(String),
    /// The zone is not in the bundled IANA database.
    #[error("unknown time zone: {0:?}")]
    UnknownZone(String),
    /// The instant lies outside the supported years.
    #[error("time out of range")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_departure_is_one_instant_and_comes_back_unchanged() {
        let departure = ZonedCivil::parse("2026-12-04T18:30:00", "Asia/Shanghai").unwrap();
        let instant = departure.to_utc().unwrap();
        assert_eq!(instant.to_rfc3339(), "2026-12-04T10:30:00Z");
        assert_eq!(instant.in_zone("Asia/Shanghai").unwrap(), departure);
        assert_eq!(UtcMicros::parse_rfc3339("2026-12-04T18:30:00+08:00").unwrap(), instant);
    }

    #[test]
    fn malformed_times_and_unknown_zones_are_refused() {
        assert!(matches!(ZonedCivil::parse("tomorrow", "Asia/Shanghai"), Err(TimeError::Malformed(_))));
        assert!(matches!(ZonedCivil::parse("2026-12-04T18:30:00", "Asia/Nowhere"), Err(TimeError::UnknownZone(_))));
        assert!(matches!(UtcMicros::parse_rfc3339("2026-12-04T18:30:00"), Err(TimeError::Malformed(_))));
    }
}
