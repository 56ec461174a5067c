//! Table `audit`: the rows of the security audit log.
//!
//! Rows are only ever appended; nothing here changes or deletes one. Deliberately not here: the chain of hashes and what
//! the rows mean (see [`crate::audit`]).

use super::{StoreError, Tx};
use sqlx::{AnyPool, Row as _, any::AnyRow};
use zhiyou_domain::time::UtcMicros;

/// One row, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Position, from 1, without gaps.
    pub(crate) seq: i64,
    /// When.
    pub(crate) at: UtcMicros,
    /// Whose doing.
    pub(crate) who: String,
    /// Kind of action.
    pub(crate) category: String,
    /// Action.
    pub(crate) action: String,
    /// About what; an id or nothing.
    pub(crate) resource: String,
    /// What came of it.
    pub(crate) result: String,
    /// Where it was asked from.
    pub(crate) address: String,
    /// By which kind of program.
    pub(crate) agent: String,
    /// Risk score as format 1 would have had it in the row; no row ever had one.
    pub(crate) risk: Option<i64>,
    /// Risk score that was reckoned later, see [`super::audit_risk`].
    pub(crate) score: Option<i64>,
    /// What the score is made of: words with spaces between them.
    pub(crate) reasons: String,
    /// Version of the encoding.
    pub(crate) format: i64,
    /// Hash over the row and the hash before it.
    pub(crate) hash: Vec<u8>,
}

/// What to look for; empty texts and missing moments match everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    /// A category or an action.
    pub(crate) action: String,
    /// A resource, whole.
    pub(crate) resource: String,
    /// Not before.
    pub(crate) from: Option<UtcMicros>,
    /// Not after.
    pub(crate) to: Option<UtcMicros>,
    /// Only rows before this one.
    pub(crate) before: Option<i64>,
}

/// Rows with their scores.
macro_rules! rows {
    ($where:literal) => {
        concat!(
            "SELECT audit.seq AS seq, audit.at_us AS at_us, who, category, action, resource, result, address, agent, \
             risk, format, audit.hash AS hash, score, reasons \
             FROM audit LEFT JOIN audit_risk ON audit_risk.seq = audit.seq WHERE ",
            $where
        )
    };
}

const LAST: &str = "SELECT hash FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT 1";
const AFTER: &str = rows!("audit.seq > $1 ORDER BY audit.seq LIMIT $2");
const COUNT: &str = "SELECT value FROM counters WHERE name = 'audit'";
// `$4` and `$5` narrow what the index finds; the order comes from the index.
const ANY: &str = rows!("audit.seq < $1 AND audit.at_us >= $2 AND audit.at_us <= $3 ORDER BY audit.seq DESC LIMIT $4");
const OF_CATEGORY: &str = rows!(
    "category = $5 AND audit.seq < $1 AND audit.at_us >= $2 AND audit.at_us <= $3 ORDER BY audit.seq DESC LIMIT $4"
);
const OF_ACTION: &str = rows!(
    "action = $5 AND audit.seq < $1 AND audit.at_us >= $2 AND audit.at_us <= $3 ORDER BY audit.seq DESC LIMIT $4"
);
const OF_RESOURCE: &str = rows!(
    "resource = $5 AND audit.seq < $1 AND audit.at_us >= $2 AND audit.at_us <= $3 \
     AND (category = $6 OR action = $6 OR $6 = '') ORDER BY audit.seq DESC LIMIT $4"
);

/// Every read of this table.
#[cfg(test)]
pub(super) const READS: &[&str] = &[LAST, AFTER, COUNT, ANY, OF_CATEGORY, OF_ACTION, OF_RESOURCE];

/// The numbers of `count` new rows begin after the answered one; with it comes the hash of the row before them.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Damaged`] for more rows than can be counted.
pub(crate) async fn reserve(tx: &mut Tx, count: usize) -> Result<(i64, Vec<u8>), StoreError> {
    let count = i64::try_from(count).map_err(|_| StoreError::Damaged("too many rows".to_owned()))?;
    let (newest,): (i64,) =
        sqlx::query_as("UPDATE counters SET value = value + $1 WHERE name = 'audit' RETURNING value")
            .bind(count)
            .fetch_one(&mut **tx)
            .await?;
    let first = newest.saturating_sub(count);
    let last: Option<(Vec<u8>,)> = sqlx::query_as(LAST).bind(first.saturating_add(1)).fetch_optional(&mut **tx).await?;
    Ok((first, last.map(|(hash,)| hash).unwrap_or_default()))
}

/// Appends a row.
///
/// # Errors
/// [`StoreError::Sql`], also when there is a row with this number.
pub(crate) async fn insert(tx: &mut Tx, row: &Row) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (seq, at_us, who, category, action, resource, result, address, agent, risk, format, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(row.seq)
    .bind(row.at.0)
    .bind(row.who.clone())
    .bind(row.category.clone())
    .bind(row.action.clone())
    .bind(row.resource.clone())
    .bind(row.result.clone())
    .bind(row.address.clone())
    .bind(row.agent.clone())
    .bind(row.risk)
    .bind(row.format)
    .bind(row.hash.clone())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many rows were ever appended.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn count(pool: &AnyPool) -> Result<i64, StoreError> {
    let (count,): (i64,) = sqlx::query_as(COUNT).fetch_one(pool).await?;
    Ok(count)
}

/// Up to `limit` rows after number `after`, oldest first.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn after(pool: &AnyPool, after: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(AFTER).bind(after).bind(limit).fetch_all(pool).await?;
    rows.iter().map(row).collect()
}

/// Up to `limit` rows that match, newest first.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn search(pool: &AnyPool, wanted: &Search, limit: i64) -> Result<Vec<Row>, StoreError> {
    let sql = match (wanted.resource.is_empty(), wanted.action.is_empty(), wanted.action.contains('.')) {
        (false, _, _) => OF_RESOURCE,
        (true, true, _) => ANY,
        (true, false, true) => OF_ACTION,
        (true, false, false) => OF_CATEGORY,
    };
    let mut query = sqlx::query(sql)
        .bind(wanted.before.unwrap_or(i64::MAX))
        .bind(wanted.from.map_or(i64::MIN, |at| at.0))
        .bind(wanted.to.map_or(i64::MAX, |at| at.0))
        .bind(limit);
    if !wanted.resource.is_empty() {
        query = query.bind(wanted.resource.clone());
    }
    if sql != ANY {
        query = query.bind(wanted.action.clone());
    }
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(row).collect()
}

fn row(row: &AnyRow) -> Result<Row, StoreError> {
    Ok(Row {
        seq: row.try_get("seq")?,
        at: UtcMicros(row.try_get("at_us")?),
        who: row.try_get("who")?,
        category: row.try_get("category")?,
        action: row.try_get("action")?,
        resource: row.try_get("resource")?,
        result: row.try_get("result")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
        risk: row.try_get("risk")?,
        score: row.try_get("score")?,
        reasons: row.try_get::<Option<String>, _>("reasons")?.unwrap_or_default(),
        format: row.try_get("format")?,
        hash: row.try_get("hash")?,
    })
}
