//! Table `sealed`: documents that may only be stored sealed, by kind and id.
//!
//! Deliberately not here: sealing. The vault is the only caller; a caller elsewhere would store plain text.

use super::{StoreError, Tx};
use sqlx::AnyPool;

const IDS: &str = "SELECT id FROM sealed WHERE kind = $1 ORDER BY id";
/// Walks through the table, which is what a rotation is for.
const ALL: &str = "SELECT kind, id, body FROM sealed";

/// The reads of this table that could walk through it.
#[cfg(test)]
pub(super) const READS: &[&str] = &[IDS];

/// Writes a sealed document, replacing an older one.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, kind: &str, id: &str, body: Vec<u8>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sealed (kind, id, body) VALUES ($1, $2, $3)
         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
    )
    .bind(kind)
    .bind(id)
    .bind(body)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Reads a sealed document.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn get(pool: &AnyPool, kind: &str, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT body FROM sealed WHERE kind = $1 AND id = $2")
        .bind(kind)
        .bind(id)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|(body,)| body))
}

/// Ids of the documents of a kind, in their order.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn ids(pool: &AnyPool, kind: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as(IDS).bind(kind).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Every document: kind, id and body.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<(String, String, Vec<u8>)>, StoreError> {
    Ok(sqlx::query_as(ALL).fetch_all(&mut **tx).await?)
}

/// Deletes every sealed document of every kind.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete_all(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sealed").execute(&mut **tx).await?;
    Ok(())
}

/// Deletes a sealed document; nothing happens when there is none.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete(tx: &mut Tx, kind: &str, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sealed WHERE kind = $1 AND id = $2").bind(kind).bind(id).execute(&mut **tx).await?;
    Ok(())
}
