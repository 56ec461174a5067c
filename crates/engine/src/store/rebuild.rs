//! Rebuilding snapshots and projections from the journals, and saying whether they were what they should be.

use super::{
    Db, StoreError, Tx, journal,
    orders::{self, Stored},
};
use sqlx::{Column, Row};
use std::sync::Arc;
use zhiyou_domain::{
    id::OrderId,
    order::{Fact, Order},
    time::UtcMicros,
};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Orders rebuilt.
    pub orders: usize,
    /// Rows before and after, compared.
    pub rows: usize,
    /// Whether every row was identical.
    pub identical: bool,
}

/// Verifies every journal, drops every projection, writes them again from the facts and compares.
///
/// Nobody else writes meanwhile: what an order becomes in between would be overwritten by what it was, and every other row
/// compared with one of another moment.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Newer`] when a journal does not verify; nothing was changed then.
pub async fn run(db: &Db) -> Result<Report, StoreError> {
    let mut tx = db.begin().await?;
    let (mut rebuilt, mut snapshots_fit) = (Vec::new(), true);
    // What readers see is what was committed last, and stays so until we commit.
    for id in journal::orders(db.reader()).await? {
        let facts = journal::read(db.reader(), id).await?;
        let order = journal::replay(id, &facts)?;
        snapshots_fit &= fits(orders::snapshot(db.reader(), id).await, &facts, id);
        rebuilt.push(Arc::new(order));
    }
    let before = dump(&mut tx).await?;
    orders::forget_projections(&mut tx).await?;
    let stored: Result<Vec<Stored>, StoreError> =
        rebuilt.iter().map(|order| Stored::new(None, Arc::clone(order), true)).collect();
    orders::put(&mut tx, &stored?.iter().collect::<Vec<_>>()).await?;
    let after = dump(&mut tx).await?;
    db.commit(tx).await?;
    Ok(Report { orders: rebuilt.len(), rows: after.len(), identical: snapshots_fit && before == after })
}

/// Whether a snapshot is what its journal said when it was written; it may be behind.
fn fits(snapshot: Result<Option<Order>, StoreError>, facts: &[(UtcMicros, Fact)], id: OrderId) -> bool {
    let Ok(Some(snapshot)) = snapshot else { return false };
    let seen = usize::try_from(snapshot.version).unwrap_or(usize::MAX);
    facts.get(..seen).is_some_and(|facts| journal::replay(id, facts).is_ok_and(|order| order == snapshot))
}

async fn dump(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for (table, sql) in [
        ("orders", "SELECT order_id, plan_id, kind, state, version, open, created_at_us FROM orders ORDER BY order_id"),
        ("order_items", "SELECT * FROM order_items ORDER BY order_id, item_id"),
        ("deadlines", "SELECT * FROM deadlines ORDER BY order_id, item_id, kind, at_us"),
        ("payments", "SELECT * FROM payments ORDER BY attempt_id"),
        ("refunds", "SELECT * FROM refunds ORDER BY refund_id"),
    ] {
        for row in sqlx::query(sql).fetch_all(&mut **tx).await? {
            let mut line = table.to_owned();
            for (index, column) in row.columns().iter().enumerate() {
                let text = row.try_get::<Option<String>, _>(index).map(|text| format!("{text:?}"));
                let value =
                    text.or_else(|_| row.try_get::<Option<i64>, _>(index).map(|number| format!("{number:?}")))?;
                line.push_str(&format!("|{}={value}", column.name()));
            }
            lines.push(line);
        }
    }
    Ok(lines)
}
