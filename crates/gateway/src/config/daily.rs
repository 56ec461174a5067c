//! When the gateway compares its book with the channels' bills by itself.
//!
//! Deliberately not here: the comparison, and which channels have bills.

use super::ConfigError;
use serde::Deserialize;

/// The usual moment, minutes after a channel's midnight: an hour after the last of their bills is there.
const AFTER_MIN: i64 = 11 * 60;
/// The latest one: later it would be the day after.
const AFTER_MIN_MAX: i64 = 24 * 60;

/// Once a day per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailyConfig {
    /// How long after a channel's midnight the day before is compared, minutes; 1 to 1440.
    #[serde(default = "usual")]
    pub after_min: i64,
}

const fn usual() -> i64 {
    AFTER_MIN
}

impl DailyConfig {
    /// Refuses a moment that is none of the next day.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        if (1..=AFTER_MIN_MAX).contains(&self.after_min) {
            return Ok(());
        }
        Err(ConfigError::new("daily_reconciliation.after_min", "is not between 1 and 1440"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_compared_on_the_next_one() {
        for (after_min, good) in [(1, true), (1_440, true), (0, false), (1_441, false), (-1, false)] {
            assert_eq!(DailyConfig { after_min }.check().is_ok(), good, "{after_min}");
        }
    }
}
