//! How often the agents of one person may ask.
//!
//! Per person one instant is kept, the one until which what was asked is spread out at the pace, so that a few calls at once
//! pass and a stream of them does not. Kept in memory and for so many persons at most; what is left of those who paused is
//! nothing, and is forgotten. Deliberately not here: how much may be spent, which the caps say.

use crate::defence::{Defence, off};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use zhiyou_domain::time::UtcMicros;

/// One call in this time, in the long run, microseconds.
const EVERY_US: i64 = 1_000_000;
/// So many calls at once.
pub(crate) const AT_ONCE: i64 = 60;
/// For so many persons the pace is kept at the same time.
const PERSONS_MAX: usize = 4_096;

/// When what each person's agents asked is spread out.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<String, UtcMicros>>);

impl Pace {
    /// Counts a call, or says after how many milliseconds one will pass.
    pub(crate) fn admit(&self, person: &str, now: UtcMicros) -> Result<(), i64> {
        if off(Defence::Paced) {
            return Ok(());
        }
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put back keeps nobody waiting for longer than a full stretch.
        let full = now.0.saturating_add(AT_ONCE.saturating_mul(EVERY_US));
        let until = ahead.get(person).map_or(now.0, |until| until.0.clamp(now.0, full));
        let next = until.saturating_add(EVERY_US);
        if next > full {
            ahead.insert(person.to_owned(), UtcMicros(until));
            return Err(millis(next.saturating_sub(full)));
        }
        if !ahead.contains_key(person) && ahead.len() >= PERSONS_MAX {
            ahead.retain(|_, until| *until > now);
            if ahead.len() >= PERSONS_MAX {
                return Err(millis(EVERY_US));
            }
        }
        ahead.insert(person.to_owned(), UtcMicros(next));
        Ok(())
    }
}

/// Whole milliseconds, upwards.
const fn millis(us: i64) -> i64 {
    us.saturating_add(999).div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UtcMicros {
        UtcMicros(1_795_000_000_000_000 + ms * 1_000)
    }

    #[test]
    fn sixty_calls_pass_at_once_and_then_one_a_second_and_nobody_waits_for_somebody_else() {
        let pace = Pace::default();
        for _ in 0..AT_ONCE {
            assert_eq!(pace.admit("one", at(0)), Ok(()));
        }
        assert_eq!(pace.admit("one", at(0)), Err(1_000));
        assert_eq!(pace.admit("one", at(400)), Err(600), "what was refused does not count");
        assert_eq!(pace.admit("two", at(400)), Ok(()));
        assert_eq!(pace.admit("one", at(1_000)), Ok(()));
        assert_eq!(pace.admit("one", at(1_000)), Err(1_000));
        assert_eq!(pace.admit("one", at(120_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_nobody_waiting() {
        let pace = Pace::default();
        for _ in 0..AT_ONCE {
            assert_eq!(pace.admit("one", at(86_400_000)), Ok(()));
        }
        assert_eq!(pace.admit("one", at(0)), Err(1_000));
        assert_eq!(pace.admit("one", at(1_000)), Ok(()), "as after a full stretch that began then");
        assert_eq!(pace.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn no_more_persons_are_kept_than_fit_and_who_paused_makes_room() {
        let pace = Pace::default();
        for person in 0..PERSONS_MAX {
            assert_eq!(pace.admit(&format!("p{person}"), at(0)), Ok(()));
        }
        assert_eq!(pace.admit("one more", at(0)), Err(1_000));
        assert_eq!(pace.admit("p7", at(0)), Ok(()), "who is kept goes on");
        assert_eq!(pace.0.lock().unwrap().len(), PERSONS_MAX);
        assert_eq!(pace.admit("one more", at(1_000)), Ok(()));
        assert_eq!(pace.0.lock().unwrap().len(), 2, "p7 asked twice");
    }
}
