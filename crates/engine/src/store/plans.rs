//! Table `plans`.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::{id::PlanId, plan::Plan, time::UtcMicros};

/// Reads a plan.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn get(pool: &AnyPool, id: PlanId) -> Result<Option<Plan>, StoreError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM plans WHERE plan_id = $1").bind(id.to_string()).fetch_optional(pool).await?;
    row.map(|(body,)| parse(&body)).transpose()
}

/// Plans, newest first, archived ones last.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn newest(pool: &AnyPool, limit: i64) -> Result<Vec<Plan>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT body FROM plans ORDER BY CASE storage_status WHEN 'archived' THEN 1 ELSE 0 END, created_at_us DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|(body,)| parse(body)).collect()
}

fn parse(body: &str) -> Result<Plan, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Writes a plan, new or changed.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn put(tx: &mut Tx, plan: &Plan, now: UtcMicros) -> Result<(), StoreError> {
    let body = serde_json::to_string(plan).map_err(|error| StoreError::Damaged(error.to_string()))?;
    sqlx::query(
        "INSERT INTO plans (plan_id, created_at_us, updated_at_us, booking_status, storage_status, title, starts_on, \
         ends_on, budget_minor, currency, body) VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (plan_id) DO UPDATE SET updated_at_us = excluded.updated_at_us, \
         booking_status = excluded.booking_status, storage_status = excluded.storage_status, body = excluded.body",
    )
    .bind(plan.id.to_string())
    .bind(now.0)
    .bind(plan.booking.word())
    .bind(plan.storage.word())
    .bind(plan.title.clone())
    .bind(plan.timeline.starts_on.to_string())
    .bind(plan.timeline.ends_on.to_string())
    .bind(plan.budget.minor())
    .bind(plan.budget.currency().code())
    .bind(body)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
