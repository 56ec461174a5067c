//! How often a code that does not exist may be tried, so that one that does is not found by trying.
//!
//! While too many were tried nothing is said of any code, so that a right one cannot be told from a wrong one. Counted for
//! the whole gateway, because a guesser has no name, and in memory only. Deliberately not here: what a code is worth.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use zhiyou_domain::time::UtcMicros;

/// Wrong codes within [`WITHIN_MIN`] after which no code is looked at.
pub(crate) const WRONG_MAX: usize = 20;
/// For so long a wrong code counts, minutes.
pub(crate) const WITHIN_MIN: i64 = 10;

/// When codes were tried that do not exist, the oldest first.
#[derive(Clone, Default)]
pub(crate) struct Guesses(Arc<Mutex<VecDeque<UtcMicros>>>);

impl Guesses {
    /// Whether anything may be said of a code that exists, or does not.
    pub(crate) fn admits(&self, exists: bool, now: UtcMicros) -> bool {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|tried| tried.plus_minutes(WITHIN_MIN) > now);
        let admitted = wrong.len() < WRONG_MAX;
        if admitted && !exists {
            wrong.push_back(now);
        }
        admitted
    }
}
