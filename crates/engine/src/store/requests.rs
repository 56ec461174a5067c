//! Table `requests`: what was made for a request id, so that repeating the request returns the same thing.

use super::{StoreError, Tx};
use aws_lc_rs::digest::{SHA256, digest};
use zhiyou_domain::{id::RequestId, time::UtcMicros};

/// What an earlier request with the same id made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing: the request is new.
    None,
    /// The same request made this.
    Made(String),
    /// Another request used the id.
    Other,
}

const EARLIER: &str = "SELECT command, digest, result_id FROM requests WHERE request_id = $1";

/// Every read of this table.
#[cfg(test)]
pub(super) const READS: &[&str] = &[EARLIER];

/// Looks a request up; the answer binds only inside the transaction that would carry it out.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn earlier(
    database: impl sqlx::Executor<'_, Database = sqlx::Any>,
    id: RequestId,
    command: &str,
    payload: &str,
) -> Result<Earlier, StoreError> {
    let row: Option<(String, String, String)> =
        sqlx::query_as(EARLIER).bind(id.to_string()).fetch_optional(database).await?;
    Ok(match row {
        None => Earlier::None,
        Some((name, seen, result)) if name == command && seen == fingerprint(payload) => Earlier::Made(result),
        Some(_) => Earlier::Other,
    })
}

/// Remembers what a request made, in the same transaction.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn remember(
    tx: &mut Tx,
    id: RequestId,
    command: &str,
    payload: &str,
    result: &str,
    now: UtcMicros,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO requests (request_id, command, digest, result_id, at_us) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.to_string())
        .bind(command)
        .bind(fingerprint(payload))
        .bind(result)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn fingerprint(payload: &str) -> String {
    hex::encode(digest(&SHA256, payload.as_bytes()))
}
