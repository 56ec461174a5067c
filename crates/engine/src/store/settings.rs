//! Tables `settings` and `counters`: small named values.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::time::UtcMicros;

/// Reads a setting.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn get(pool: &AnyPool, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(pool).await?;
    Ok(row.map(|(value,)| value))
}

/// Writes a setting.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Remembers since when this device has been used.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn first_start(db: &super::Db, now: UtcMicros) -> Result<(), StoreError> {
    if get(db.reader(), "device_since").await?.is_none() {
        let mut tx = db.begin().await?;
        put(&mut tx, "device_since", &now.0.to_string()).await?;
        db.commit(tx).await?;
    }
    Ok(())
}

/// The cursor of the last gateway update that was applied.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn gateway_cursor(pool: &AnyPool) -> Result<i64, StoreError> {
    let (value,): (i64,) =
        sqlx::query_as("SELECT value FROM counters WHERE name = 'gateway_update'").fetch_one(pool).await?;
    Ok(value)
}

/// Moves that cursor forward.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn set_gateway_cursor(tx: &mut Tx, cursor: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE counters SET value = $1 WHERE name = 'gateway_update' AND value < $1")
        .bind(cursor)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
