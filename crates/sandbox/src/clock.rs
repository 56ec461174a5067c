//! The providers' time: system time, or an instant that stands still, plus an offset that only the control port moves.
//!
//! Deliberately not here: what happens when time moves (each provider asks the book what fell due).

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Reads in microseconds since the epoch.
pub(crate) struct Clock {
    frozen_us: Option<i64>,
    offset_us: AtomicI64,
}

#[allow(clippy::disallowed_methods, reason = "this is the sandbox's clock")]
fn system_us() -> i64 {
    Timestamp::now().as_microsecond()
}

impl Clock {
    /// A clock that resumes at a persisted offset; with `virtual_clock` its base stays at this very moment.
    pub(crate) fn resume(virtual_clock: bool, offset_us: i64) -> Self {
        let frozen_us = virtual_clock.then(system_us);
        Self { frozen_us, offset_us: AtomicI64::new(offset_us) }
    }

    /// The providers' present.
    pub(crate) fn now_us(&self) -> i64 {
        self.frozen_us.unwrap_or_else(system_us).saturating_add(self.offset_us())
    }

    /// The providers' present as an instant.
    pub(crate) fn now(&self) -> Timestamp {
        instant(self.now_us())
    }

    /// How far the control port has moved time, in microseconds.
    pub(crate) fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::SeqCst)
    }

    /// Moves time to a new offset.
    pub(crate) fn set_offset(&self, offset_us: i64) {
        self.offset_us.store(offset_us, Ordering::SeqCst);
    }
}

/// Microseconds since the epoch as an instant; the nearest representable one when out of range.
pub(crate) fn instant(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `2026-12-01T08:00:00.123456Z`, as Duffel writes instants.
pub(crate) fn utc(us: i64) -> String {
    instant(us).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// `2026-12-01T16:00:00+08:00`, as WeChat Pay writes instants.
pub(crate) fn beijing(us: i64) -> String {
    let eight = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    instant(us).to_zoned(eight).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2026-12-01 16:00:00` in Beijing, as Alipay writes instants.
pub(crate) fn beijing_plain(us: i64) -> String {
    let eight = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    instant(us).to_zoned(eight).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what [`beijing_plain`] writes, in microseconds.
pub(crate) fn from_beijing(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(' ')?;
    let instant: Timestamp = format!("{day}T{time}+08:00").parse().ok()?;
    Some(instant.as_microsecond())
}
