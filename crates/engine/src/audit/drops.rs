//! What was dropped, in the audit log: one row for all of a kind within a minute, however many come.
//!
//! Who floods us must not fill the log, nor make us slow: what is known to be told costs a look into a small table.
//! Deliberately not here: dropping.

use super::{Entry, note_alone};
use crate::store::Db;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use zhiyou_domain::time::UtcMicros;

/// Seconds for which one row tells of everything of its kind.
const TOLD_S: i64 = 60;

/// What was told, and when.
#[derive(Debug, Default)]
pub(crate) struct Drops(Mutex<HashMap<(&'static str, String, String), UtcMicros>>);

impl Drops {
    /// Notes it, unless one of its kind was noted just now. Kinds are few: every word is ours, and so is every resource.
    pub(crate) async fn note(&self, db: &Db, entry: Entry<'_>, now: UtcMicros) {
        if self.is_new(&entry, now) {
            note_alone(db, entry, now).await;
        }
    }

    fn is_new(&self, entry: &Entry<'_>, now: UtcMicros) -> bool {
        let kind = (entry.action.word(), entry.resource.text(), entry.came.text());
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put back must not silence anything.
        let known = told.get(&kind).is_some_and(|at| (*at..at.plus_seconds(TOLD_S)).contains(&now));
        if !known {
            told.insert(kind, now);
        }
        !known
    }
}
