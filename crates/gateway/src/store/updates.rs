//! Table `updates`: what notifications changed, in order, for the engine to read after its cursor.
//!
//! Deliberately not here: the notifications themselves (`inbox`).

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::{
    port::payments::{DisputeStatus, Update, UpdateContent},
    time::UtcMicros,
};

/// Most updates answered at once.
const PAGE: i64 = 256;

/// Appends an update inside the transaction that made it.
pub(crate) async fn append(tx: &mut Tx, content: &UpdateContent, now: UtcMicros) -> Result<i64, StoreError> {
    let (cursor,): (i64,) =
        sqlx::query_as("UPDATE counters SET value = value + 1 WHERE name = 'update' RETURNING value")
            .fetch_one(&mut **tx)
            .await?;
    let text = serde_json::to_string(content).map_err(|error| StoreError::Damaged(error.to_string()))?;
    sqlx::query("INSERT INTO updates (cursor, received_at_us, content) VALUES ($1, $2, $3)")
        .bind(cursor)
        .bind(now.0)
        .bind(text)
        .execute(&mut **tx)
        .await?;
    Ok(cursor)
}

/// Up to 256 updates after `cursor`, oldest first.
pub(crate) async fn after(pool: &AnyPool, cursor: i64) -> Result<Vec<Update>, StoreError> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT cursor, received_at_us, content FROM updates WHERE cursor > $1 ORDER BY cursor LIMIT $2",
    )
    .bind(cursor)
    .bind(PAGE)
    .fetch_all(pool)
    .await?;
    let read = |(cursor, at, text): (i64, i64, String)| {
        let content = serde_json::from_str(&text).map_err(|_| StoreError::Damaged(format!("update {cursor}")))?;
        Ok(Update { cursor, received_at_us: UtcMicros(at), content })
    };
    rows.into_iter().map(read).collect()
}

/// Where a dispute stands, by the channel's id of it: the last that was told.
pub(crate) async fn dispute(pool: &AnyPool, dispute_id: &str) -> Result<Option<DisputeStatus>, StoreError> {
    // Disputes are few; the rest is sorted out by reading.
    let sql = "SELECT cursor, content FROM updates WHERE content LIKE $1 ORDER BY cursor DESC";
    let rows: Vec<(i64, String)> = sqlx::query_as(sql).bind("{\"kind\":\"dispute\"%").fetch_all(pool).await?;
    for (cursor, text) in rows {
        let content: UpdateContent =
            serde_json::from_str(&text).map_err(|_| StoreError::Damaged(format!("update {cursor}")))?;
        match content {
            UpdateContent::Dispute { status } if status.dispute_id == dispute_id => return Ok(Some(status)),
            UpdateContent::Dispute { .. }
            | UpdateContent::Payment { .. }
            | UpdateContent::Refund { .. }
            | UpdateContent::PaymentHint { .. }
            | UpdateContent::RefundHint { .. }
            | UpdateContent::FlightOrder { .. }
            | UpdateContent::HotelBooking { .. } => {}
        }
    }
    Ok(None)
}

/// The newest cursor; 0 before the first update.
pub(crate) async fn newest(pool: &AnyPool) -> Result<i64, StoreError> {
    let (value,): (i64,) = sqlx::query_as("SELECT value FROM counters WHERE name = 'update'").fetch_one(pool).await?;
    Ok(value)
}
