//! Table `journal`: the facts of every order, hash-chained.
//!
//! Deliberately not here: the chain itself and what facts mean (both are the domain's), and the snapshot.

use super::{StoreError, Tx};
use sqlx::{AnyPool, Row as _, any::AnyRow};
use zhiyou_domain::{
    id::OrderId,
    order::{
        Fact, Order,
        journal::{self, Row, Unusable},
    },
    time::UtcMicros,
};

/// Appends facts after `after` (the order's version), continuing the chain.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Damaged`] when the chain does not end at `after`.
pub async fn append(
    tx: &mut Tx,
    order: OrderId,
    after: u64,
    at: UtcMicros,
    facts: &[Fact],
    fence: i64,
) -> Result<(), StoreError> {
    let last = last_hash(tx, order, after).await?;
    for row in journal::rows(order, after, &last, at, facts).map_err(|error| unusable(order, error))? {
        sqlx::query(
            "INSERT INTO journal (order_id, seq, at_us, format, fact, hash, fence) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(order.to_string())
        .bind(to_i64(row.seq)?)
        .bind(row.at.0)
        .bind(row.format)
        .bind(row.fact)
        .bind(row.hash)
        .bind(fence)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

fn unusable(order: OrderId, error: Unusable) -> StoreError {
    match error {
        Unusable::Damaged { .. } => StoreError::Damaged(format!("{order}, {error}")),
        Unusable::Newer { .. } => StoreError::Newer(error.to_string()),
    }
}

async fn last_hash(tx: &mut Tx, order: OrderId, after: u64) -> Result<Vec<u8>, StoreError> {
    let last: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM journal WHERE order_id = $1 ORDER BY seq DESC LIMIT 1")
            .bind(order.to_string())
            .fetch_optional(&mut **tx)
            .await?;
    match last {
        None if after == 0 => Ok(Vec::new()),
        Some((seq, hash)) if seq == to_i64(after)? => Ok(hash),
        Some((seq, _)) => Err(StoreError::Damaged(format!("journal of {order} ends at {seq}, not {after}"))),
        None => Err(StoreError::Damaged(format!("journal of {order} is missing"))),
    }
}

/// Reads and verifies the whole journal of an order.
///
/// # Errors
/// [`StoreError::Damaged`] when the chain or a fact does not verify; [`StoreError::Newer`] when a newer version wrote it.
pub async fn read(pool: &AnyPool, order: OrderId) -> Result<Vec<(UtcMicros, Fact)>, StoreError> {
    let rows = sqlx::query("SELECT seq, at_us, format, fact, hash FROM journal WHERE order_id = $1 ORDER BY seq")
        .bind(order.to_string())
        .fetch_all(pool)
        .await?;
    let rows = rows.iter().map(row).collect::<Result<Vec<Row>, StoreError>>()?;
    journal::verify(order, &rows).map_err(|error| unusable(order, error))
}

fn row(row: &AnyRow) -> Result<Row, StoreError> {
    let seq: i64 = row.try_get("seq")?;
    Ok(Row {
        seq: u64::try_from(seq).map_err(|_| StoreError::Damaged("a number out of range".to_owned()))?,
        at: UtcMicros(row.try_get("at_us")?),
        format: row.try_get("format")?,
        fact: row.try_get("fact")?,
        hash: row.try_get("hash")?,
    })
}

/// The order its journal tells of.
///
/// # Errors
/// [`StoreError::Damaged`] when the facts do not fit each other.
pub fn replay(order: OrderId, facts: &[(UtcMicros, Fact)]) -> Result<Order, StoreError> {
    journal::replay(facts).map_err(|error| unusable(order, error))
}

/// Ids of all orders that have a journal.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn orders(pool: &AnyPool) -> Result<Vec<OrderId>, StoreError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT DISTINCT order_id FROM journal ORDER BY order_id").fetch_all(pool).await?;
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::Damaged(id))).collect()
}

pub(super) fn to_i64(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Damaged("a number out of range".to_owned()))
}
