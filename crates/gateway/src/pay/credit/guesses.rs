//! How often a code that does not exist may be tried, so that one that does is not found by trying.
//!
//! While too many were tried nothing is said of any code, so that a right one cannot be told from a wrong one. Counted for each
//! asker by the name that the engine gives it, for those without one together, and for everybody, because names cost nothing
//! to who makes them up. In memory only, and no more than is counted. Deliberately not here: what a code is worth.

use crate::defence::{Defence, off};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use zhiyou_domain::time::UtcMicros;

/// An asker's wrong codes within [`WITHIN_MIN`] after which no code of theirs is looked at.
pub(crate) const WRONG_MAX: usize = 20;
/// Everybody's, after which no code is looked at.
pub(crate) const ALL_MAX: usize = 200;
/// For so long a wrong code counts, minutes.
pub(crate) const WITHIN_MIN: i64 = 10;
/// So much of a name counts, characters.
const NAME_CHARS_MAX: usize = 64;

/// A code that does not exist: when it was tried, and by whom.
type Wrong = (UtcMicros, String);

/// The codes that were tried and do not exist, the oldest first.
#[derive(Clone, Default)]
pub(crate) struct Guesses(Arc<Mutex<VecDeque<Wrong>>>);

impl Guesses {
    /// Whether anything may be said to this asker of a code that exists, or does not.
    pub(crate) fn admits(&self, asker: Option<&str>, exists: bool, now: UtcMicros) -> bool {
        let name: String = asker.unwrap_or_default().chars().take(NAME_CHARS_MAX).collect();
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|(tried, _)| tried.plus_minutes(WITHIN_MIN) > now);
        let own = wrong.iter().filter(|(_, by)| *by == name).count();
        let few = own < WRONG_MAX || off(Defence::FewGuesses);
        let admitted = few && (wrong.len() < ALL_MAX || off(Defence::FewGuessesOfAll));
        if admitted && !exists {
            wrong.push_back((now, name));
        }
        admitted
    }
}
