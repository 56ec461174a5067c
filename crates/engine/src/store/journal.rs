//! Table `journal`: the facts of every order, hash-chained.
//!
//! Each row's hash covers the row and the hash before it, so that a changed, missing or swapped row is found.
//! Deliberately not here: what facts mean, and the snapshot.

use super::{StoreError, Tx};
use aws_lc_rs::digest::{Context, SHA256};
use sqlx::{AnyPool, Row, any::AnyRow};
use zhiyou_domain::{
    id::OrderId,
    order::{Fact, Order},
    time::UtcMicros,
};

/// Version of the fact encoding this program writes.
pub const FORMAT: i64 = 1;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: UtcMicros,
    /// The fact.
    pub fact: Fact,
    hash: Vec<u8>,
}

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
    let mut hash = last_hash(tx, order, after).await?;
    for (seq, fact) in (after + 1..).zip(facts) {
        let text = serde_json::to_string(fact).map_err(|error| StoreError::Damaged(error.to_string()))?;
        hash = chained(&hash, order, seq, at, &text);
        sqlx::query(
            "INSERT INTO journal (order_id, seq, at_us, format, fact, hash, fence) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(order.to_string())
        .bind(to_i64(seq)?)
        .bind(at.0)
        .bind(FORMAT)
        .bind(text)
        .bind(hash.clone())
        .bind(fence)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
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
pub async fn read(pool: &AnyPool, order: OrderId) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query("SELECT seq, at_us, format, fact, hash FROM journal WHERE order_id = $1 ORDER BY seq")
        .bind(order.to_string())
        .fetch_all(pool)
        .await?;
    let mut entries = Vec::with_capacity(rows.len());
    let mut hash = Vec::new();
    for (expected, row) in (1_u64..).zip(&rows) {
        let entry = verified(order, expected, &hash, row)?;
        hash.clone_from(&entry.hash);
        entries.push(entry);
    }
    Ok(entries)
}

fn verified(order: OrderId, expected: u64, before: &[u8], row: &AnyRow) -> Result<Entry, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("journal of {order}, row {expected}: {what}"));
    let (seq, at, format): (i64, i64, i64) = (row.try_get("seq")?, row.try_get("at_us")?, row.try_get("format")?);
    let (text, hash): (String, Vec<u8>) = (row.try_get("fact")?, row.try_get("hash")?);
    if seq != to_i64(expected)? {
        return Err(damaged("a row is missing"));
    }
    if chained(before, order, expected, UtcMicros(at), &text) != hash {
        return Err(damaged("the chain does not verify"));
    }
    if format > FORMAT {
        return Err(StoreError::Newer(format!("journal format {format}")));
    }
    let fact = serde_json::from_str(&text).map_err(|error| damaged(&error.to_string()))?;
    Ok(Entry { seq: expected, at: UtcMicros(at), fact, hash })
}

fn chained(before: &[u8], order: OrderId, seq: u64, at: UtcMicros, text: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(order.to_string().as_bytes());
    context.update(&seq.to_be_bytes());
    context.update(&at.0.to_be_bytes());
    context.update(&FORMAT.to_be_bytes());
    context.update(text.as_bytes());
    context.finish().as_ref().to_vec()
}

/// The order its journal tells of.
///
/// # Errors
/// [`StoreError::Damaged`] when the facts do not fit each other.
pub fn replay(entries: &[Entry]) -> Result<Order, StoreError> {
    let damaged = |error: zhiyou_domain::order::Illegal| StoreError::Damaged(error.to_string());
    let Some((first, rest)) = entries.split_first() else {
        return Err(StoreError::Damaged("an empty journal".to_owned()));
    };
    let order = Order::create(first.at, &first.fact).map_err(damaged)?;
    rest.iter().try_fold(order, |order, entry| order.apply(entry.at, &entry.fact)).map_err(damaged)
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
