//! Table `auth_sessions`: the session of logging in to a platform, at most one per platform.
//!
//! A session holds several visits together and proves nothing. Deliberately not here: how long one lives.

use super::{StoreError, Tx};
use sqlx::{Any, Executor};
use zhiyou_domain::time::UtcMicros;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    /// Platform.
    pub(crate) platform: String,
    /// Names the session; not a secret.
    pub(crate) session: String,
    /// When it ends.
    pub(crate) expires_at: UtcMicros,
}

/// Reads the platform's row, from the read pool or as a transaction sees it.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn read<'c, E>(from: E, platform: &str) -> Result<Option<SessionRow>, StoreError>
where
    E: Executor<'c, Database = Any>,
{
    let row: Option<(String, String, i64)> =
        sqlx::query_as("SELECT platform, session, expires_at_us FROM auth_sessions WHERE platform = $1")
            .bind(platform.to_owned())
            .fetch_optional(from)
            .await?;
    Ok(row.map(|(platform, session, until_us)| SessionRow { platform, session, expires_at: UtcMicros(until_us) }))
}

/// Writes the platform's row; an earlier session ends with it.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, row: &SessionRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO auth_sessions (platform, session, expires_at_us) VALUES ($1, $2, $3)
         ON CONFLICT (platform) DO UPDATE SET session = excluded.session, expires_at_us = excluded.expires_at_us",
    )
    .bind(row.platform.clone())
    .bind(row.session.clone())
    .bind(row.expires_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the platform's session, if there is one.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete(tx: &mut Tx, platform: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM auth_sessions WHERE platform = $1").bind(platform).execute(&mut **tx).await?;
    Ok(())
}

/// Ends every session.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn delete_all(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM auth_sessions").execute(&mut **tx).await?;
    Ok(())
}
