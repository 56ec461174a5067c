//! The ceiling: one thread that stores the same rows with group commit, through SQLite's own interface and nothing else.
//!
//! Deliberately not here: deciding, verifying, refusing.

use rusqlite::{Connection, params};
use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};
use zhiyou_domain::{
    id::OrderId,
    order::{
        Fact, Order,
        journal::{self, Row},
    },
    time::UtcMicros,
};

/// What one append of the engine stores.
pub(crate) struct Stored {
    rows: Vec<Row>,
    body: String,
    version: i64,
    items: usize,
}

/// Cuts an order's journal into as many appends as the engine needed for it.
pub(crate) fn appends(id: OrderId, facts: &[(UtcMicros, Fact)], count: usize) -> Result<Vec<Stored>, Box<dyn Error>> {
    let length = facts.len().div_ceil(count.max(1));
    let (mut order, mut last, mut stored): (Option<Order>, Vec<u8>, Vec<Stored>) = (None, Vec::new(), Vec::new());
    for part in facts.chunks(length) {
        let (mut rows, mut after) = (Vec::new(), order.as_ref().map_or(0, |order| order.version));
        for (at, fact) in part {
            order = Some(match &order {
                None => Order::create(*at, fact)?,
                Some(order) => order.apply(*at, fact)?,
            });
            let row = journal::rows(id, after, &last, *at, std::slice::from_ref(fact))?;
            last = row.last().map(|row| row.hash.clone()).unwrap_or_default();
            rows.extend(row);
            after += 1;
        }
        let Some(order) = &order else { continue };
        let (body, version) = (serde_json::to_string(order)?, i64::try_from(order.version)?);
        // In most appends one item's row changes.
        stored.push(Stored { rows, body, version, items: 1 });
    }
    Ok(stored)
}

/// Stores `orders` copies of an order, `width` appends in each transaction; returns the time and the settings read back.
pub(crate) fn write(
    folder: &Path,
    appends: &[Stored],
    width: u64,
    orders: u64,
) -> Result<(Duration, i64), Box<dyn Error>> {
    let mut database = Connection::open(folder.join("bare.db"))?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    let synchronous: i64 = database.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    database.execute_batch(
        "CREATE TABLE journal (order_id TEXT NOT NULL, seq BIGINT NOT NULL, at_us BIGINT NOT NULL, format BIGINT NOT NULL, \
         fact TEXT NOT NULL, hash BYTEA NOT NULL, fence BIGINT NOT NULL, PRIMARY KEY (order_id, seq)); \
         CREATE TABLE orders (order_id TEXT PRIMARY KEY, version BIGINT NOT NULL, body TEXT NOT NULL); \
         CREATE TABLE order_items (order_id TEXT, item BIGINT, state TEXT, PRIMARY KEY (order_id, item)); \
         CREATE TABLE changes (cursor INTEGER PRIMARY KEY, entity TEXT NOT NULL, entity_id TEXT NOT NULL);",
    )?;
    let began = Instant::now();
    let mut number = 0_u64;
    for _ in 0..orders / width {
        let group: Vec<String> = (0..width).map(|index| format!("ord_{:026}", number + index)).collect();
        number += width;
        for append in appends {
            let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for order in &group {
                store(&transaction, order, append)?;
            }
            transaction.commit()?;
        }
    }
    Ok((began.elapsed(), synchronous))
}

fn store(database: &Connection, order: &str, append: &Stored) -> Result<(), rusqlite::Error> {
    let mut journal = database.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)")?;
    for row in &append.rows {
        let seq = i64::try_from(row.seq).unwrap_or(i64::MAX);
        journal.execute(params![order, seq, row.at.0, row.format, row.fact, row.hash])?;
    }
    let upsert = "INSERT INTO orders VALUES (?1, ?2, ?3) \
                  ON CONFLICT (order_id) DO UPDATE SET version = excluded.version, body = excluded.body";
    database.prepare_cached(upsert)?.execute(params![order, append.version, append.body])?;
    let item =
        "INSERT INTO order_items VALUES (?1, ?2, ?3) ON CONFLICT (order_id, item) DO UPDATE SET state = excluded.state";
    for index in 0..append.items {
        database.prepare_cached(item)?.execute(params![order, i64::try_from(index).unwrap_or(0), "booked"])?;
    }
    for entity in ["order", "plan"] {
        let change = "INSERT INTO changes (entity, entity_id) VALUES (?1, ?2)";
        database.prepare_cached(change)?.execute(params![entity, order])?;
    }
    Ok(())
}
