//! Table `journal`: the facts of every order, hash-chained.
//!
//! Deliberately not here: the chain itself and what facts mean (both are the domain's), and the snapshot.

use super::{
    StoreError, Tx,
    rows::{self, Insert},
};
use sqlx::{AnyPool, Row as _, any::AnyRow};
use zhiyou_domain::{
    driver::Fence,
    id::OrderId,
    order::{
        Fact, Order,
        journal::{self, Row, Unusable},
    },
    time::UtcMicros,
};

static APPEND: Insert = Insert::new("INSERT INTO journal (order_id, seq, at_us, format, fact, hash, fence)", 7, "");

/// Appends rows of any orders.
///
/// # Errors
/// [`StoreError::Sql`], also when a row with the same number exists.
pub(super) async fn append(tx: &mut Tx, rows: &[(OrderId, Fence, &Row)]) -> Result<(), StoreError> {
    for rows in rows::chunks(rows) {
        let mut query = APPEND.of(rows);
        for (order, fence, row) in rows {
            query = query.bind(order.to_string()).bind(to_i64(row.seq)?).bind(row.at.0).bind(row.format);
            query = query.bind(row.fact.clone()).bind(row.hash.clone()).bind(fence.0);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

fn unusable(order: OrderId, error: Unusable) -> StoreError {
    match error {
        Unusable::Damaged { .. } => StoreError::Damaged(format!("{order}, {error}")),
        Unusable::Newer { .. } => StoreError::Newer(error.to_string()),
    }
}

const ROWS: &str = "SELECT seq, at_us, format, fact, hash FROM journal WHERE order_id = $1 ORDER BY seq";

/// The reads of this table while the program runs.
#[cfg(test)]
pub(super) const READS: &[&str] = &[ROWS];

/// The rows of an order, as they are stored.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub(super) async fn rows(pool: &AnyPool, order: OrderId) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(ROWS).bind(order.to_string()).fetch_all(pool).await?;
    rows.iter().map(row).collect()
}

/// Reads and verifies the whole journal of an order.
///
/// # Errors
/// [`StoreError::Damaged`] when the chain or a fact does not verify; [`StoreError::Newer`] when a newer version wrote it.
pub async fn read(pool: &AnyPool, order: OrderId) -> Result<Vec<(UtcMicros, Fact)>, StoreError> {
    let rows = rows(pool, order).await?;
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

    /// Journals of a format that the driver in memory wrote, with the ends they had then.
    fn golden(format: i64) -> Vec<Value> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/journals");
        let text = std::fs::read_to_string(format!("{folder}/format-{format}.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn facts(format: i64, line: &Value) -> Vec<(UtcMicros, Fact)> {
        let rows = line["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            let at = serde_json::from_value(row["at"].clone()).unwrap();
            (at, journal::read(format, row["fact"].as_str().unwrap()).unwrap())
        })
        .collect()
    }

    #[test]
    fn sg_51_journals_of_every_format_replay_to_the_same_end() {
        let all = (1..=journal::FORMAT).flat_map(|format| golden(format).into_iter().map(move |line| (format, line)));
        for (format, line) in all {
            let order = journal::replay(&facts(format, &line)).unwrap();
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
    async fn sg_52_a_journal_of_a_newer_format_is_refused_and_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path()).await.unwrap();
        let line = golden(journal::FORMAT).remove(0);
        let order: OrderId = serde_json::from_value(line["order"].clone()).unwrap();
        let (at, fact) = facts(journal::FORMAT, &line).remove(0);
        let rows = journal::rows(order, 0, &[], at, &[fact]).unwrap();
        let mut tx = db.begin().await.unwrap();
        append(&mut tx, &[(order, Fence(1), &rows[0])]).await.unwrap();
        sqlx::query("UPDATE journal SET format = format + 1").execute(&mut *tx).await.unwrap();
        db.commit(tx).await.unwrap();
        assert!(matches!(read(db.reader(), order).await, Err(StoreError::Newer(_))));
        db.close().await;
    }
}
