//! Table `audit_risk`: risk scores of rows of the audit log, reckoned after the row was written.
//!
//! Rows are only ever appended, one for each row of the log at most. Deliberately not here: the chain of hashes (see
//! [`crate::audit`]) and reckoning a score.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::time::UtcMicros;

/// One score, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Score {
    /// Position among the scores, from 1, without gaps.
    pub(crate) number: i64,
    /// The row of the log it is about.
    pub(crate) seq: i64,
    /// When it was reckoned.
    pub(crate) at: UtcMicros,
    /// 0 to 100.
    pub(crate) score: i64,
    /// What it is made of: words with spaces between them.
    pub(crate) reasons: String,
    /// Hash over the score, the row's hash and the score before it.
    pub(crate) hash: Vec<u8>,
}

/// A row of the log that may get a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unscored {
    pub(crate) seq: i64,
    pub(crate) at: UtcMicros,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) hash: Vec<u8>,
}

const LAST: &str = "SELECT hash FROM audit_risk WHERE number < $1 ORDER BY number DESC LIMIT 1";
const AFTER: &str = "SELECT number, audit_risk.seq, audit_risk.at_us, score, reasons, audit_risk.hash, audit.hash \
                     FROM audit_risk LEFT JOIN audit ON audit.seq = audit_risk.seq \
                     WHERE number > $1 ORDER BY number LIMIT $2";
const COUNT: &str = "SELECT value FROM counters WHERE name = 'audit_risk'";
const UNSCORED: &str = "SELECT seq, at_us, action, resource, hash FROM audit \
                        WHERE category = 'payment' AND result = 'done' \
                        AND seq > (SELECT value FROM counters WHERE name = 'audit_risk_row') ORDER BY seq LIMIT $1";

/// Every read of this table.
#[cfg(test)]
pub(super) const READS: &[&str] = &[LAST, AFTER, COUNT, UNSCORED];

/// Payments of the log that were not looked at yet, oldest first.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn unscored(pool: &AnyPool, limit: i64) -> Result<Vec<Unscored>, StoreError> {
    let rows: Vec<(i64, i64, String, String, Vec<u8>)> = sqlx::query_as(UNSCORED).bind(limit).fetch_all(pool).await?;
    let row = |(seq, at, action, resource, hash)| Unscored { seq, at: UtcMicros(at), action, resource, hash };
    Ok(rows.into_iter().map(row).collect())
}

/// The number of a new score, and the hash of the score before it.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn reserve(tx: &mut Tx) -> Result<(i64, Vec<u8>), StoreError> {
    let statement = "UPDATE counters SET value = value + 1 WHERE name = 'audit_risk' RETURNING value";
    let (number,): (i64,) = sqlx::query_as(statement).fetch_one(&mut **tx).await?;
    let last: Option<(Vec<u8>,)> = sqlx::query_as(LAST).bind(number).fetch_optional(&mut **tx).await?;
    Ok((number, last.map(|(hash,)| hash).unwrap_or_default()))
}

/// Appends a score.
///
/// # Errors
/// [`StoreError::Sql`], also when the row has one.
pub(crate) async fn insert(tx: &mut Tx, score: &Score) -> Result<(), StoreError> {
    let statement = "INSERT INTO audit_risk (number, seq, at_us, score, reasons, hash) VALUES ($1, $2, $3, $4, $5, $6)";
    let query = sqlx::query(statement).bind(score.number).bind(score.seq).bind(score.at.0).bind(score.score);
    query.bind(score.reasons.clone()).bind(score.hash.clone()).execute(&mut **tx).await?;
    Ok(())
}

/// Rows up to this one were looked at.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn looked_at(tx: &mut Tx, seq: i64) -> Result<(), StoreError> {
    let statement = "UPDATE counters SET value = $1 WHERE name = 'audit_risk_row' AND value < $1";
    sqlx::query(statement).bind(seq).execute(&mut **tx).await?;
    Ok(())
}

/// How many scores were ever appended.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn count(pool: &AnyPool) -> Result<i64, StoreError> {
    let (count,): (i64,) = sqlx::query_as(COUNT).fetch_one(pool).await?;
    Ok(count)
}

/// Up to `limit` scores after number `after`, oldest first, each with the hash its row has now; none where the row is gone.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn after(pool: &AnyPool, after: i64, limit: i64) -> Result<Vec<(Score, Option<Vec<u8>>)>, StoreError> {
    type Stored = (i64, i64, i64, i64, String, Vec<u8>, Option<Vec<u8>>);
    let rows: Vec<Stored> = sqlx::query_as(AFTER).bind(after).bind(limit).fetch_all(pool).await?;
    let score = |(number, seq, at, score, reasons, hash, row): Stored| {
        (Score { number, seq, at: UtcMicros(at), score, reasons, hash }, row)
    };
    Ok(rows.into_iter().map(score).collect())
}
