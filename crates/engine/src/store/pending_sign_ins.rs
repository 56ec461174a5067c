//! Table `pending_sign_ins`: the browser visit under way, at most one per platform.
//!
//! Deliberately not here: what the sealed body holds.

use super::{StoreError, Tx};
use sqlx::{Any, AnyPool, Executor};
use zhiyou_domain::time::UtcMicros;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingRow {
    /// Platform.
    pub(crate) platform: String,
    /// Names this attempt; not a secret.
    pub(crate) attempt: String,
    /// Whether its return was already accepted.
    pub(crate) used: bool,
    /// When the wait ends.
    pub(crate) expires_at: UtcMicros,
    /// Sealed.
    pub(crate) body: Vec<u8>,
}

type Row = (String, String, i64, i64, Vec<u8>);

fn from_row((platform, attempt, used, expires_at_us, body): Row) -> PendingRow {
    PendingRow { platform, attempt, used: used != 0, expires_at: UtcMicros(expires_at_us), body }
}

/// Reads the platform's row, from the read pool or as a transaction sees it.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn read<'c, E>(from: E, platform: &str) -> Result<Option<PendingRow>, StoreError>
where
    E: Executor<'c, Database = Any>,
{
    let row: Option<Row> =
        sqlx::query_as("SELECT platform, attempt, used, expires_at_us, body FROM pending_sign_ins WHERE platform = $1")
            .bind(platform.to_owned())
            .fetch_optional(from)
            .await?;
    Ok(row.map(from_row))
}

/// Platform and attempt of every visit whose return has not come.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn unused(pool: &AnyPool) -> Result<Vec<(String, String)>, StoreError> {
    Ok(sqlx::query_as("SELECT platform, attempt FROM pending_sign_ins WHERE used = 0").fetch_all(pool).await?)
}

/// Writes the platform's row; an earlier attempt ends with it.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, row: &PendingRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO pending_sign_ins (platform, attempt, used, expires_at_us, body) VALUES ($1, $2, 0, $3, $4)
         ON CONFLICT (platform) DO UPDATE SET attempt = excluded.attempt, used = 0,
             expires_at_us = excluded.expires_at_us, body = excluded.body",
    )
    .bind(row.platform.clone())
    .bind(row.attempt.clone())
    .bind(row.expires_at.0)
    .bind(row.body.clone())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks the attempt used, and keeps with it what was answered. `false` when it is not there or was used before: only one
/// return can win.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn claim(tx: &mut Tx, platform: &str, attempt: &str, body: Vec<u8>) -> Result<bool, StoreError> {
    let statement = "UPDATE pending_sign_ins SET used = 1, body = $3 WHERE platform = $1 AND attempt = $2 AND used = 0";
    let done = sqlx::query(statement).bind(platform).bind(attempt).bind(body).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes the attempt. `false` when it is not there any more.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete(tx: &mut Tx, platform: &str, attempt: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM pending_sign_ins WHERE platform = $1 AND attempt = $2")
        .bind(platform)
        .bind(attempt)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Every sealed body: platform, attempt and body.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn sealed(tx: &mut Tx) -> Result<Vec<(String, String, Vec<u8>)>, StoreError> {
    Ok(sqlx::query_as("SELECT platform, attempt, body FROM pending_sign_ins").fetch_all(&mut **tx).await?)
}

/// Puts the same body, sealed anew, in its place.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn reseal(tx: &mut Tx, platform: &str, attempt: &str, body: Vec<u8>) -> Result<(), StoreError> {
    sqlx::query("UPDATE pending_sign_ins SET body = $3 WHERE platform = $1 AND attempt = $2")
        .bind(platform)
        .bind(attempt)
        .bind(body)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends every visit under way.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete_all(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM pending_sign_ins").execute(&mut **tx).await?;
    Ok(())
}
