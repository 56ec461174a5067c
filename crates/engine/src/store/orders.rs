//! Table `orders` (the journal's snapshot) and its projections `order_items`, `holds`, `payments`, `refunds`.
//!
//! The projections of an order are replaced whole in the commit that changes it; rebuilding them from the journal gives
//! identical rows. Deliberately not here: facts.

use super::{StoreError, Tx, journal::to_i64};
use sqlx::AnyPool;
use zhiyou_domain::{
    id::{AttemptId, OrderId, PlanId, RefundId},
    order::{ItemState, Order},
};

/// Reads an order.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn get(pool: &AnyPool, id: OrderId) -> Result<Option<Order>, StoreError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM orders WHERE order_id = $1").bind(id.to_string()).fetch_optional(pool).await?;
    row.map(|(body,)| parse(&body)).transpose()
}

/// The newest orders, newest first.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn newest(pool: &AnyPool, limit: i64) -> Result<Vec<Order>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM orders ORDER BY created_at_us DESC LIMIT $1")
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(|(body,)| parse(body)).collect()
}

/// The newest order made from a plan: its id and state word.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn newest_of_plan(pool: &AnyPool, plan: PlanId) -> Result<Option<Order>, StoreError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM orders WHERE plan_id = $1 ORDER BY created_at_us DESC LIMIT 1")
            .bind(plan.to_string())
            .fetch_optional(pool)
            .await?;
    row.map(|(body,)| parse(&body)).transpose()
}

/// Ids of orders in which something may still happen by itself.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn open(pool: &AnyPool) -> Result<Vec<OrderId>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT order_id FROM orders WHERE open = 1").fetch_all(pool).await?;
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::Damaged(id))).collect()
}

/// The order a payment attempt belongs to.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_attempt(pool: &AnyPool, attempt: AttemptId) -> Result<Option<OrderId>, StoreError> {
    owner(pool, "SELECT order_id FROM payments WHERE attempt_id = $1", attempt.to_string()).await
}

/// The order a refund belongs to.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_refund(pool: &AnyPool, refund: RefundId) -> Result<Option<OrderId>, StoreError> {
    owner(pool, "SELECT order_id FROM refunds WHERE refund_id = $1", refund.to_string()).await
}

/// The order with an item that a supplier knows under this id.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_supplier_order(pool: &AnyPool, supplier_order: &str) -> Result<Option<OrderId>, StoreError> {
    owner(pool, "SELECT order_id FROM order_items WHERE supplier_order = $1", supplier_order.to_owned()).await
}

async fn owner(pool: &AnyPool, sql: &'static str, id: String) -> Result<Option<OrderId>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as(sql).bind(id).fetch_optional(pool).await?;
    row.map(|(order,)| order.parse().map_err(|_| StoreError::Damaged(order))).transpose()
}

fn parse(body: &str) -> Result<Order, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Version of the stored snapshot, inside a write transaction; `None` for a new order.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn version(tx: &mut Tx, id: OrderId) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT version FROM orders WHERE order_id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|(version,)| version))
}

/// Writes the snapshot and all projections of `order`.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn put(tx: &mut Tx, order: &Order) -> Result<(), StoreError> {
    let body = serde_json::to_string(order).map_err(|error| StoreError::Damaged(error.to_string()))?;
    sqlx::query(
        "INSERT INTO orders (order_id, plan_id, kind, state, version, open, due_at_us, created_at_us, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version, \
         open = excluded.open, due_at_us = excluded.due_at_us, body = excluded.body",
    )
    .bind(order.id.to_string())
    .bind(order.plan.to_string())
    .bind(order.kind.word())
    .bind(order.state.word())
    .bind(to_i64(order.version)?)
    .bind(i64::from(order.is_live()))
    .bind(zhiyou_domain::order::cart::lapses_at(order).map(|at| at.0))
    .bind(order.created_at.0)
    .bind(body)
    .execute(&mut **tx)
    .await?;
    forget_projections(tx, order.id).await?;
    put_items(tx, order).await?;
    put_money(tx, order).await
}

/// Deletes the projections of an order, for rebuilding.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn forget_projections(tx: &mut Tx, id: OrderId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM order_items WHERE order_id = $1",
        "DELETE FROM holds WHERE order_id = $1",
        "DELETE FROM payments WHERE order_id = $1",
        "DELETE FROM refunds WHERE order_id = $1",
    ] {
        sqlx::query(sql).bind(id.to_string()).execute(&mut **tx).await?;
    }
    Ok(())
}

async fn put_items(tx: &mut Tx, order: &Order) -> Result<(), StoreError> {
    for item in &order.items {
        let price = item.price();
        sqlx::query(
            "INSERT INTO order_items (order_id, item_id, kind, state, price_minor, currency, reference, supplier_order) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(order.id.to_string())
        .bind(item.wanted.id.to_string())
        .bind(item.wanted.request.kind())
        .bind(item.state.word())
        .bind(price.map(|price| price.minor()))
        .bind(price.map(|price| price.currency().code()))
        .bind(item.reference.clone())
        .bind(item.supplier_order.clone())
        .execute(&mut **tx)
        .await?;
        let Some(hold) = item.hold.as_ref().filter(|_| item.state == ItemState::Held) else { continue };
        sqlx::query("INSERT INTO holds (order_id, item_id, firm, expires_at_us) VALUES ($1, $2, $3, $4)")
            .bind(order.id.to_string())
            .bind(item.wanted.id.to_string())
            .bind(i64::from(hold.firm))
            .bind(hold.expires_at.0)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn put_money(tx: &mut Tx, order: &Order) -> Result<(), StoreError> {
    for attempt in &order.attempts {
        sqlx::query(
            "INSERT INTO payments (attempt_id, order_id, channel, state, amount_minor, currency, transaction_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(attempt.id.to_string())
        .bind(order.id.to_string())
        .bind(match attempt.channel {
            zhiyou_domain::port::payments::Channel::Wechatpay => "wechatpay",
        })
        .bind(attempt.state.word())
        .bind(attempt.amount.minor())
        .bind(attempt.amount.currency().code())
        .bind(attempt.transaction_id.clone())
        .execute(&mut **tx)
        .await?;
    }
    for refund in &order.refunds {
        sqlx::query(
            "INSERT INTO refunds (refund_id, order_id, attempt_id, state, amount_minor, currency) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(refund.id.to_string())
        .bind(order.id.to_string())
        .bind(refund.attempt.to_string())
        .bind(refund.state.word())
        .bind(refund.amount.minor())
        .bind(refund.amount.currency().code())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
