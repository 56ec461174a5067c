//! Risk scores of payments in the audit log: the row is written first, in the commit of what it tells of, and its score
//! follows.
//!
//! A score is written once and never changed. It has a chain of its own, and its hash covers that of the row it is about, so
//! that a score that was changed, moved or taken away is found. Deliberately not here: reckoning it; it is what the fact that
//! opened the payment says.

use super::{Action, Report, hash_of};
use crate::store::{
    Db, StoreError, Tx,
    audit_risk::{self, Score, Unscored},
    changes::{self, Entity},
    journal,
};
use zhiyou_domain::{
    fault::Fault,
    order::Fact,
    screening::{Screening, Unusual},
    time::UtcMicros,
};

/// Rows looked at in one transaction.
const BATCH: i64 = 100;

/// Gives every payment in the log that has none yet its score, as far as its fact has one.
///
/// # Errors
/// [`StoreError`]; what was written so far stays.
pub(crate) async fn fill_in(db: &Db, now: impl Fn() -> UtcMicros) -> Result<(), StoreError> {
    loop {
        let rows = audit_risk::unscored(db.reader(), BATCH).await?;
        let Some(newest) = rows.last().map(|row| row.seq) else { return Ok(()) };
        let mut scored = Vec::new();
        for row in rows {
            if let Some(screening) = screening_of(db, &row).await {
                scored.push((row, screening));
            }
        }
        let mut tx = db.begin().await?;
        for (row, screening) in &scored {
            write(&mut tx, (row.seq, &row.hash), screening, now()).await?;
        }
        audit_risk::looked_at(&mut tx, newest).await?;
        if !scored.is_empty() {
            changes::append(&mut tx, Entity::Session, "", now()).await?;
        }
        db.commit(tx).await?;
    }
}

/// Writes the score of the row with this number and hash.
///
/// # Errors
/// [`StoreError::Sql`], also when it has one.
pub(super) async fn write(
    tx: &mut Tx,
    (seq, row): (i64, &[u8]),
    screening: &Screening,
    at: UtcMicros,
) -> Result<(), StoreError> {
    let (number, last) = audit_risk::reserve(tx).await?;
    let reasons: Vec<&str> = screening.reasons.iter().copied().map(Unusual::word).collect();
    let (score, reasons) = (i64::from(screening.score), reasons.join(" "));
    let mut score = Score { number, seq, at, score, reasons, hash: Vec::new() };
    score.hash = chained(&last, &score, row);
    audit_risk::insert(tx, &score).await
}

/// What the fact says that the row tells of: the newest of its kind that was not written after it. Of two parts, the more
/// unusual one.
async fn screening_of(db: &Db, row: &Unscored) -> Option<Screening> {
    let order = row.resource.strip_prefix("order:")?.parse().ok()?;
    // A journal that does not verify says nothing.
    let facts = journal::read(db.reader(), order).await.ok()?;
    let found = facts.iter().rev().filter(|(at, _)| *at <= row.at).find_map(|(_, fact)| match fact {
        Fact::Confirmed { parts, .. } if row.action == Action::PaymentConfirm.word() => {
            Some(parts.iter().filter_map(|part| part.screening.as_ref()).max_by_key(|screening| screening.score))
        }
        Fact::PaymentRetried { screening, .. } if row.action == Action::PaymentRetry.word() => Some(screening.as_ref()),
        _ => None,
    });
    found?.cloned()
}

/// Numbers of scores that do not verify, the first hundred.
///
/// # Errors
/// A `Fault` of the store.
pub(super) async fn verify(db: &Db) -> Result<Vec<i64>, Fault> {
    let scores = audit_risk::count(db.reader()).await?;
    let (mut number, mut last, mut damaged) = (0_i64, Vec::new(), Vec::new());
    loop {
        let batch = audit_risk::after(db.reader(), number, BATCH).await?;
        if batch.is_empty() {
            break;
        }
        for (score, row) in batch {
            damaged.extend(number.saturating_add(1)..score.number);
            if row.is_none_or(|row| chained(&last, &score, &row) != score.hash) {
                damaged.push(score.number);
            }
            (number, last) = (score.number, score.hash);
        }
        damaged.truncate(Report::DAMAGED_MAX);
    }
    damaged.extend(number.saturating_add(1)..scores.saturating_add(1));
    damaged.truncate(Report::DAMAGED_MAX);
    Ok(damaged)
}

fn chained(last: &[u8], score: &Score, row: &[u8]) -> Vec<u8> {
    let numbers = [score.number, score.seq, score.at.0, score.score].map(i64::to_be_bytes);
    let mut parts = vec![last, row];
    parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    parts.push(score.reasons.as_bytes());
    hash_of(&parts)
}
