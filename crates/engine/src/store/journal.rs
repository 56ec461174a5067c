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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Db;
    use serde_json::{Value, json};
    use zhiyou_domain::order::cart;

    /// Journals that the driver in memory wrote, with the ends they had then.
    fn golden() -> Vec<Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/journals/format-1.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn facts(line: &Value) -> Vec<(UtcMicros, Fact)> {
        let rows = line["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            let at = serde_json::from_value(row["at"].clone()).unwrap();
            (at, serde_json::from_str(row["fact"].as_str().unwrap()).unwrap())
        })
        .collect()
    }

    #[test]
    fn sg_51_journals_of_every_format_replay_to_the_same_end() {
        for line in golden() {
            let order = journal::replay(&facts(&line)).unwrap();
            let money = cart::money_map(&order).unwrap();
            let end = json!({
                "state": order.state.word(),
                "items": order.items.iter().map(|item| item.state).collect::<Vec<_>>(),
                "money": [money.paid, money.held, money.committed, money.refund_in_transit, money.refunded],
            });
            for part in ["state", "items", "money"] {
                assert_eq!(end[part], line[part], "{} of {}", part, line["order"]);
            }
        }
    }

    #[tokio::test]
    async fn the_driver_in_a_database_writes_the_journal_that_the_driver_in_memory_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path()).await.unwrap();
        // Simulated orders share an id; one at a time.
        for line in golden() {
            let order: OrderId = serde_json::from_value(line["order"].clone()).unwrap();
            let mut tx = db.begin().await.unwrap();
            sqlx::query("DELETE FROM journal").execute(&mut *tx).await.unwrap();
            for (after, (at, fact)) in (0_u64..).zip(facts(&line)) {
                append(&mut tx, order, after, at, std::slice::from_ref(&fact), 1).await.unwrap();
            }
            db.commit(tx).await.unwrap();
            let rows = sqlx::query("SELECT seq, at_us, format, fact, hash FROM journal ORDER BY seq");
            let rows = rows.fetch_all(db.reader()).await.unwrap();
            let rows: Vec<Row> = rows.iter().map(|found| row(found).unwrap()).collect();
            let wanted = line["rows"].as_array().unwrap();
            assert_eq!(rows.len(), wanted.len());
            for (row, wanted) in rows.iter().zip(wanted) {
                assert_eq!(json!(hex::encode(&row.hash)), wanted["hash"]);
                assert_eq!((json!(row.seq), json!(row.fact)), (wanted["seq"].clone(), wanted["fact"].clone()));
            }
            assert_eq!(read(db.reader(), order).await.unwrap(), facts(&line));
        }
        db.close().await;
    }

    #[tokio::test]
    async fn sg_52_a_journal_of_a_newer_format_is_refused_and_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path()).await.unwrap();
        let line = golden().remove(0);
        let order: OrderId = serde_json::from_value(line["order"].clone()).unwrap();
        let mut tx = db.begin().await.unwrap();
        let (at, fact) = facts(&line).remove(0);
        append(&mut tx, order, 0, at, &[fact], 1).await.unwrap();
        sqlx::query("UPDATE journal SET format = format + 1").execute(&mut *tx).await.unwrap();
        db.commit(tx).await.unwrap();
        assert!(matches!(read(db.reader(), order).await, Err(StoreError::Newer(_))));
        db.close().await;
    }
}
