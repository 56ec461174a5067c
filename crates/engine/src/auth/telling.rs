//! Telling platforms what they could not be told, again and again for as long as the program runs and the vault is open.
//!
//! The first pause is short and each one after it twice as long, by the app's clock. Nothing is asked while nothing is owed.
//! Deliberately not here: what is told (see [`super::recovery`]); whoever leaves something tries to tell it first.

use super::{
    Auth,
    defence::{Defence, off},
};
use crate::vault::VaultState;
use std::time::Duration;
use zhiyou_domain::time::UtcMicros;

/// Before the first try, seconds.
const PAUSE_FIRST_S: i64 = 5;
/// Between two tries at most, seconds.
const PAUSE_MAX_S: i64 = 10 * 60;
/// The clock is looked at so often at least: it may be moved, and a machine may sleep.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);

/// When the next try is.
struct BackOff {
    due: Option<UtcMicros>,
    pause_s: i64,
}

impl BackOff {
    const fn new() -> Self {
        Self { due: None, pause_s: PAUSE_FIRST_S }
    }

    /// How long to wait; `None` when it is time for a try, after which the pause begins anew.
    fn wait(&mut self, now: UtcMicros) -> Option<Duration> {
        let due = self.due.unwrap_or_else(|| now.plus_seconds(self.pause_s));
        // By a clock that was put back nobody waits for longer.
        let due = due.min(now.plus_seconds(PAUSE_MAX_S));
        let left = u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0);
        if left == 0 {
            *self = Self { due: None, pause_s: self.pause_s.saturating_mul(2).min(PAUSE_MAX_S) };
            return None;
        }
        self.due = Some(due);
        Some(Duration::from_micros(left).min(LOOK_AT_LEAST))
    }
}

impl Auth {
    /// Repeats the recovery for as long as something is owed. It never ends by itself, and keeps nothing open: a closed vault
    /// is waited for.
    pub async fn follow(&self) {
        let mut back_off = BackOff::new();
        loop {
            if !self.owes().await {
                back_off = BackOff::new();
                self.owing.notified().await;
                continue;
            }
            let Some(pause) = back_off.wait(self.clock.now()) else {
                self.recover().await;
                continue;
            };
            tokio::select! {
                () = self.owing.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Says that something may be owed, that the vault was opened, or that the clock was moved.
    pub(crate) fn look_again(&self) {
        self.owing.notify_one();
    }

    /// Whether something could be told to a platform now. A store that does not say is asked again.
    pub(super) async fn owes(&self) -> bool {
        if self.vault.state() != VaultState::Open || off(Defence::Revoked) {
            return false;
        }
        for platform in &self.platforms {
            if self.is_untold(platform).await.unwrap_or(true) || self.is_cut_off(platform).await {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_minutes_and_a_clock_that_is_put_back_makes_none_longer() {
        let (mut back_off, mut now, mut pauses) = (BackOff::new(), UtcMicros(0), Vec::new());
        for _ in 0..9 {
            let begun = now;
            while back_off.wait(now).is_some() {
                now = now.plus_seconds(1);
            }
            pauses.push((now.0 - begun.0) / 1_000_000);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert!(back_off.wait(now).is_some());
        now = now.plus_minutes(-24 * 60);
        assert!(back_off.wait(now).is_some());
        assert_eq!(back_off.wait(now.plus_seconds(PAUSE_MAX_S)), None);
    }
}
