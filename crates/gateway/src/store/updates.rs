//! Table `updates`: what notifications changed, in order, for the engine to read after its cursor.
//!
//! Deliberately not here: the notifications themselves (`inbox`).

use super::{StoreError, Tx, rows};
use sqlx::AnyPool;
use zhiyou_domain::{
    port::payments::{DisputeStatus, Update, UpdateContent},
    time::UtcMicros,
};

/// Most updates answered at once.
const PAGE: i64 = 256;

/// Appends updates in their order, inside the transaction that made them.
pub(crate) async fn append(tx: &mut Tx, told: &[(UpdateContent, UtcMicros)]) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(told.len()).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let (last,): (i64,) =
        sqlx::query_as("UPDATE counters SET value = value + $1 WHERE name = 'update' RETURNING value")
            .bind(count)
            .fetch_one(&mut **tx)
            .await?;
    let numbered: Vec<_> = (last - count + 1..).zip(told).collect();
    for chunk in rows::chunks(&numbered) {
        let sql =
            format!("INSERT INTO updates (cursor, received_at_us, content) VALUES {}", rows::values(chunk.len(), 3));
        // Only numbers of placeholders are put into the text.
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (cursor, (content, now)) in chunk {
            let text = serde_json::to_string(content).map_err(|error| StoreError::Damaged(error.to_string()))?;
            query = query.bind(*cursor).bind(now.0).bind(text);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
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
            | UpdateContent::GivenBack { .. }
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
