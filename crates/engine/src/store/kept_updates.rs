//! Table `kept_updates`: what notifications said of orders that cannot be read, until they can.
//!
//! Deliberately not here: applying it.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::port::payments::UpdateContent;

/// Everything kept, the oldest first. What this program cannot read is left for one that can.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn all(pool: &AnyPool) -> Result<Vec<(i64, UpdateContent)>, StoreError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT update_no, content FROM kept_updates ORDER BY update_no").fetch_all(pool).await?;
    let read = |(number, content): (i64, String)| match serde_json::from_str(&content) {
        Ok(content) => Some((number, content)),
        Err(error) => {
            tracing::error!(number, %error, "a kept update cannot be read");
            None
        }
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Keeps an update, by its number at the merchant side; once, however often it is told.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, number: i64, content: &UpdateContent) -> Result<(), StoreError> {
    let content = serde_json::to_string(content).map_err(|error| StoreError::Damaged(error.to_string()))?;
    sqlx::query("INSERT INTO kept_updates (update_no, content) VALUES ($1, $2) ON CONFLICT (update_no) DO NOTHING")
        .bind(number)
        .bind(content)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes an update away that was applied.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn remove(tx: &mut Tx, number: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM kept_updates WHERE update_no = $1").bind(number).execute(&mut **tx).await?;
    Ok(())
}
