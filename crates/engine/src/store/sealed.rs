//! Tables `sealed` and `sealed_versions`: documents that may only be stored sealed, by kind and id, and how often each was
//! written.
//!
//! Deliberately not here: sealing. The vault is the only caller; a caller elsewhere would store plain text.

use super::{StoreError, Tx};
use sqlx::AnyPool;

const IDS: &str = "SELECT id FROM sealed WHERE kind = $1 ORDER BY id";
/// Walks through the table, which is what a rotation is for.
const ALL: &str = "SELECT sealed.kind, sealed.id, body, COALESCE(version, 0) FROM sealed \
                   LEFT JOIN sealed_versions ON sealed_versions.kind = sealed.kind AND sealed_versions.id = sealed.id";
const ONE: &str = "SELECT body, COALESCE(version, 0) FROM sealed \
                   LEFT JOIN sealed_versions ON sealed_versions.kind = sealed.kind AND sealed_versions.id = sealed.id \
                   WHERE sealed.kind = $1 AND sealed.id = $2";

/// The reads of this table that could walk through it.
#[cfg(test)]
pub(super) const READS: &[&str] = &[IDS, ONE];

/// The version of a document that is about to be written.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn next_version(tx: &mut Tx, kind: &str, id: &str) -> Result<i64, StoreError> {
    let statement = "INSERT INTO sealed_versions (kind, id, version) VALUES ($1, $2, 1)
         ON CONFLICT (kind, id) DO UPDATE SET version = sealed_versions.version + 1 RETURNING version";
    let (version,): (i64,) = sqlx::query_as(statement).bind(kind).bind(id).fetch_one(&mut **tx).await?;
    Ok(version)
}

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

/// Reads a sealed document and its version; 0 for one that has none.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn get(pool: &AnyPool, kind: &str, id: &str) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
    Ok(sqlx::query_as(ONE).bind(kind).bind(id).fetch_optional(pool).await?)
}

/// Ids of the documents of a kind, in their order.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn ids(pool: &AnyPool, kind: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as(IDS).bind(kind).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Every document: kind, id, body and version.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<(String, String, Vec<u8>, i64)>, StoreError> {
    Ok(sqlx::query_as(ALL).fetch_all(&mut **tx).await?)
}

/// Deletes every sealed document of every kind.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete_all(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sealed").execute(&mut **tx).await?;
    // Nothing opens any more that an earlier version could take the place of.
    sqlx::query("DELETE FROM sealed_versions").execute(&mut **tx).await?;
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
