//! Table `orders` (the journal's snapshot) and its projections `order_items`, `payments`, `refunds`, `deadlines`.
//!
//! A commit writes the rows that differ from the ones before it; writing all of them gives the same tables, which is how
//! they are rebuilt. The snapshot itself is written when an order comes to rest, and may be some facts behind. Deliberately
//! not here: facts.

use super::{
    StoreError, Tx,
    journal::to_i64,
    rows::{self, Insert},
};
use sqlx::AnyPool;
use std::{collections::BTreeSet, sync::Arc};
use ulid::Ulid;
use zhiyou_domain::{
    driver::Due,
    id::{AttemptId, OrderId, PlanId, RefundId},
    money::Money,
    order::{Attempt, AttemptState, Order, OrderItem, OrderState, Refund, deadline},
    port::payments::Channel,
    time::UtcMicros,
};

const SNAPSHOT: &str = "SELECT body FROM orders WHERE order_id = $1";
const NEWEST: &str = "SELECT order_id FROM orders WHERE created_at_us < $1 ORDER BY created_at_us DESC LIMIT $2";
const NEWEST_OF_PLAN: &str =
    "SELECT order_id, state FROM orders WHERE plan_id = $1 AND repairs IS NULL ORDER BY created_at_us DESC LIMIT 1";
const OPEN: &str = "SELECT order_id FROM orders WHERE open = 1";
const DUE: &str = "SELECT order_id FROM deadlines WHERE at_us <= $1 ORDER BY at_us";
const NEXT_DUE: &str = "SELECT MIN(at_us) FROM deadlines WHERE at_us > $1";
const REPAIRING: &str = "SELECT order_id FROM orders WHERE repairs = $1 ORDER BY created_at_us";
const PAYMENTS_SINCE: &str = "SELECT attempt_id, channel, state, amount_minor, currency FROM payments WHERE attempt_id >= $1 \
     ORDER BY attempt_id DESC LIMIT 200";
const OPEN_ATTEMPTS: &str = "SELECT payments.attempt_id FROM orders JOIN payments ON payments.order_id = orders.order_id \
     WHERE orders.open = 1";
const OF_ATTEMPT: &str = "SELECT order_id FROM payments WHERE attempt_id = $1";
const OF_REFUND: &str = "SELECT order_id FROM refunds WHERE refund_id = $1";
const OF_SUPPLIER_ORDER: &str = "SELECT order_id FROM order_items WHERE supplier_order = $1";

/// Every read above; none of them may walk through a whole table.
#[cfg(test)]
pub(super) const READS: &[&str] = &[
    SNAPSHOT,
    NEWEST,
    NEWEST_OF_PLAN,
    REPAIRING,
    PAYMENTS_SINCE,
    OPEN,
    DUE,
    NEXT_DUE,
    OPEN_ATTEMPTS,
    OF_ATTEMPT,
    OF_REFUND,
    OF_SUPPLIER_ORDER,
];

/// Reads an order's snapshot; it may be some facts behind its journal.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn snapshot(pool: &AnyPool, id: OrderId) -> Result<Option<Order>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as(SNAPSHOT).bind(id.to_string()).fetch_optional(pool).await?;
    row.map(|(body,)| parse(&body)).transpose()
}

/// Ids of the newest orders made before `before`, newest first.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn newest(pool: &AnyPool, before: UtcMicros, limit: i64) -> Result<Vec<OrderId>, StoreError> {
    ids(sqlx::query_as(NEWEST).bind(before.0).bind(limit).fetch_all(pool).await?)
}

/// The newest order made from a plan, and where it stands.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Damaged`] for a state nobody knows.
pub async fn newest_of_plan(pool: &AnyPool, plan: PlanId) -> Result<Option<(OrderId, OrderState)>, StoreError> {
    let row: Option<(String, String)> =
        sqlx::query_as(NEWEST_OF_PLAN).bind(plan.to_string()).fetch_optional(pool).await?;
    let Some((id, word)) = row else { return Ok(None) };
    let state = OrderState::ALL.iter().find(|state| state.word() == word).copied();
    let id = id.parse().ok().zip(state).ok_or_else(|| StoreError::Damaged(format!("order {id} is {word}")))?;
    Ok(Some(id))
}

/// Ids of the orders that book items of this one again, oldest first.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn repairing(pool: &AnyPool, broken: OrderId) -> Result<Vec<OrderId>, StoreError> {
    ids(sqlx::query_as(REPAIRING).bind(broken.to_string()).fetch_all(pool).await?)
}

/// Ids of orders in which something may still happen by itself.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn open(pool: &AnyPool) -> Result<Vec<OrderId>, StoreError> {
    ids(sqlx::query_as(OPEN).fetch_all(pool).await?)
}

/// The payments of orders that are open, ended or not.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub(crate) async fn open_attempts(pool: &AnyPool) -> Result<Vec<AttemptId>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as(OPEN_ATTEMPTS).fetch_all(pool).await?;
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::Damaged(id))).collect()
}

/// The orders whose time has come at `now`, and the next time after it.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn due(pool: &AnyPool, now: UtcMicros) -> Result<Due, StoreError> {
    let due: Vec<(String,)> = sqlx::query_as(DUE).bind(now.0).fetch_all(pool).await?;
    let (next,): (Option<i64>,) = sqlx::query_as(NEXT_DUE).bind(now.0).fetch_one(pool).await?;
    let (mut orders, mut seen) = (ids(due)?, BTreeSet::new());
    orders.retain(|order| seen.insert(*order));
    Ok(Due { orders, next: next.map(UtcMicros) })
}

fn ids(rows: Vec<(String,)>) -> Result<Vec<OrderId>, StoreError> {
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::Damaged(id))).collect()
}

/// A payment as its row tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentRow {
    /// When it was opened.
    pub opened_at: UtcMicros,
    /// Channel.
    pub channel: Channel,
    /// State.
    pub state: AttemptState,
    /// Amount.
    pub amount: Money,
}

/// The newest payments made since then, newest first, at most 200.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Damaged`] for a word nobody knows.
pub async fn payments_since(pool: &AnyPool, since: UtcMicros) -> Result<Vec<PaymentRow>, StoreError> {
    // Ids begin with the time they were made.
    let ms = u64::try_from(since.0.div_euclid(1_000)).unwrap_or(0);
    let first = AttemptId::from_ulid(Ulid::from_parts(ms, 0));
    let rows: Vec<(String, String, String, i64, String)> =
        sqlx::query_as(PAYMENTS_SINCE).bind(first.to_string()).fetch_all(pool).await?;
    let read = |(id, channel, state, minor, currency): (String, String, String, i64, String)| {
        let damaged = || StoreError::Damaged(format!("payment {id} {channel} {state} {minor} {currency}"));
        let id: AttemptId = id.parse().map_err(|_| damaged())?;
        let amount = currency.parse().ok().and_then(|currency| Money::new(minor, currency).ok());
        Ok(PaymentRow {
            opened_at: id.made_at(),
            channel: Channel::of_word(&channel).ok_or_else(damaged)?,
            state: AttemptState::of_word(&state).ok_or_else(damaged)?,
            amount: amount.ok_or_else(damaged)?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// The order a payment attempt belongs to.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_attempt(pool: &AnyPool, attempt: AttemptId) -> Result<Option<OrderId>, StoreError> {
    owner(pool, OF_ATTEMPT, attempt.to_string()).await
}

/// The order a refund belongs to.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_refund(pool: &AnyPool, refund: RefundId) -> Result<Option<OrderId>, StoreError> {
    owner(pool, OF_REFUND, refund.to_string()).await
}

/// The order with an item that a supplier knows under this id.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub async fn of_supplier_order(pool: &AnyPool, supplier_order: &str) -> Result<Option<OrderId>, StoreError> {
    owner(pool, OF_SUPPLIER_ORDER, supplier_order.to_owned()).await
}

async fn owner(pool: &AnyPool, sql: &'static str, id: String) -> Result<Option<OrderId>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as(sql).bind(id).fetch_optional(pool).await?;
    row.map(|(order,)| order.parse().map_err(|_| StoreError::Damaged(order))).transpose()
}

fn parse(body: &str) -> Result<Order, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Facts a snapshot may be behind: applying so many is faster than reading the rest of the journal.
const BEHIND_MAX: u64 = 32;

/// An order as it is to be stored, beside what is stored.
pub(super) struct Stored {
    /// What the tables say now; nothing for a new order.
    pub(super) before: Option<Arc<Order>>,
    /// What they have to say.
    pub(super) order: Arc<Order>,
    /// That order as JSON, when its snapshot is written.
    pub(super) body: Option<String>,
}

impl Stored {
    /// An order to store, with its snapshot when it `rests` or its snapshot would fall far behind.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it cannot be written as JSON.
    pub(super) fn new(before: Option<Arc<Order>>, order: Arc<Order>, rests: bool) -> Result<Self, StoreError> {
        let far = |before: &Arc<Order>| before.version / BEHIND_MAX != order.version / BEHIND_MAX;
        let wanted = rests || !order.is_live() || before.as_ref().is_none_or(far);
        let json = || serde_json::to_string(&*order).map_err(|error| StoreError::Damaged(error.to_string()));
        let body = wanted.then(json).transpose()?;
        Ok(Self { before, order, body })
    }
}

/// Versions of stored orders, inside a write transaction.
pub(super) async fn versions(tx: &mut Tx, ids: &[OrderId]) -> Result<Vec<(OrderId, i64)>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in rows::chunks(ids) {
        let sql = format!("SELECT order_id, version FROM orders WHERE order_id IN {}", rows::list(ids.len()));
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id.to_string());
        }
        let rows: Vec<(String, i64)> = query.fetch_all(&mut **tx).await?;
        for (id, version) in rows {
            found.push((id.parse().map_err(|_| StoreError::Damaged(id))?, version));
        }
    }
    Ok(found)
}

/// Writes snapshots and what differs of their projections.
pub(super) async fn put(tx: &mut Tx, orders: &[&Stored]) -> Result<(), StoreError> {
    let (with, without): (Vec<&Stored>, Vec<&Stored>) = orders.iter().partition(|stored| stored.body.is_some());
    put_orders(tx, &with, &WITH_SNAPSHOT).await?;
    put_orders(tx, &without, &WITHOUT_SNAPSHOT).await?;
    put_items(tx, orders).await?;
    put_payments(tx, orders).await?;
    put_refunds(tx, orders).await?;
    put_deadlines(tx, orders).await
}

const ORDERS: &str =
    "INSERT INTO orders (order_id, plan_id, kind, state, version, open, created_at_us, body, body_version, repairs)";
static WITH_SNAPSHOT: Insert = Insert::new(
    ORDERS,
    10,
    "ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version, \
     open = excluded.open, body = excluded.body, body_version = excluded.body_version",
);
/// A new order always has its snapshot; of the others the one there is stays.
static WITHOUT_SNAPSHOT: Insert = Insert::new(
    ORDERS,
    10,
    "ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, version = excluded.version, open = excluded.open",
);

async fn put_orders(tx: &mut Tx, orders: &[&Stored], insert: &Insert) -> Result<(), StoreError> {
    for orders in rows::chunks(orders) {
        let mut query = insert.of(orders);
        for Stored { order, body, .. } in orders.iter().copied() {
            let version = to_i64(order.version)?;
            query = query.bind(order.id.to_string()).bind(order.plan.to_string()).bind(order.kind.word());
            query = query.bind(order.state.word()).bind(version).bind(i64::from(order.is_live()));
            query = query.bind(order.created_at.0).bind(body.clone().unwrap_or_default()).bind(version);
            query = query.bind(order.repairs.map(|broken| broken.to_string()));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Deletes every projection, for rebuilding.
pub(super) async fn forget_projections(tx: &mut Tx) -> Result<(), StoreError> {
    for sql in ["DELETE FROM order_items", "DELETE FROM payments", "DELETE FROM refunds", "DELETE FROM deadlines"] {
        sqlx::query(sql).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Rows of every order that are not the same as before.
fn changed<'a, T: 'a>(
    orders: &[&'a Stored],
    of: impl Fn(&'a Order) -> &'a [T],
    same: impl Fn(&T, &T) -> bool,
) -> Vec<(OrderId, &'a T)> {
    let mut found = Vec::new();
    for stored in orders {
        let before = stored.before.as_ref().map(|before| of(before)).unwrap_or_default();
        let new = of(&stored.order).iter().enumerate();
        let new = new.filter(|(index, row)| before.get(*index).is_none_or(|before| !same(before, row)));
        found.extend(new.map(|(_, row)| (stored.order.id, row)));
    }
    found
}

static ITEMS: Insert = Insert::new(
    "INSERT INTO order_items \
                (order_id, item_id, kind, state, price_minor, currency, reference, supplier_order)",
    8,
    "ON CONFLICT (order_id, item_id) DO UPDATE SET state = excluded.state, \
                price_minor = excluded.price_minor, currency = excluded.currency, reference = excluded.reference, \
                supplier_order = excluded.supplier_order",
);

async fn put_items(tx: &mut Tx, orders: &[&Stored]) -> Result<(), StoreError> {
    let same = |a: &OrderItem, b: &OrderItem| {
        (a.state, a.price(), &a.reference, &a.supplier_order) == (b.state, b.price(), &b.reference, &b.supplier_order)
    };
    for items in rows::chunks(&changed(orders, |order| &order.items, same)) {
        let mut query = ITEMS.of(items);
        for (order, item) in items {
            let price = item.price();
            query = query.bind(order.to_string()).bind(item.wanted.id.to_string()).bind(item.wanted.request.kind());
            query = query.bind(item.state.word()).bind(price.map(|price| price.minor()));
            query = query.bind(price.map(|price| price.currency().code()));
            query = query.bind(item.reference.clone()).bind(item.supplier_order.clone());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

static PAYMENTS: Insert = Insert::new(
    "INSERT INTO payments (attempt_id, order_id, channel, state, amount_minor, currency, transaction_id)",
    7,
    "ON CONFLICT (attempt_id) DO UPDATE SET state = excluded.state, transaction_id = excluded.transaction_id",
);

async fn put_payments(tx: &mut Tx, orders: &[&Stored]) -> Result<(), StoreError> {
    let same = |a: &Attempt, b: &Attempt| (a.state, &a.transaction_id) == (b.state, &b.transaction_id);
    for attempts in rows::chunks(&changed(orders, |order| &order.attempts, same)) {
        let mut query = PAYMENTS.of(attempts);
        for (order, attempt) in attempts {
            query = query.bind(attempt.id.to_string()).bind(order.to_string()).bind(attempt.channel.word());
            query = query.bind(attempt.state.word()).bind(attempt.amount.minor());
            query = query.bind(attempt.amount.currency().code()).bind(attempt.transaction_id.clone());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

static REFUNDS: Insert = Insert::new(
    "INSERT INTO refunds (refund_id, order_id, attempt_id, state, amount_minor, currency)",
    6,
    "ON CONFLICT (refund_id) DO UPDATE SET state = excluded.state",
);

async fn put_refunds(tx: &mut Tx, orders: &[&Stored]) -> Result<(), StoreError> {
    for refunds in rows::chunks(&changed(orders, |order| &order.refunds, |a: &Refund, b| a.state == b.state)) {
        let mut query = REFUNDS.of(refunds);
        for (order, refund) in refunds {
            query = query.bind(refund.id.to_string()).bind(order.to_string()).bind(refund.attempt.to_string());
            query = query.bind(refund.state.word()).bind(refund.amount.minor());
            query = query.bind(refund.amount.currency().code());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

static DEADLINES: Insert =
    Insert::new("INSERT INTO deadlines (order_id, item_id, kind, at_us)", 4, "ON CONFLICT DO NOTHING");

async fn put_deadlines(tx: &mut Tx, orders: &[&Stored]) -> Result<(), StoreError> {
    let (mut new, mut gone) = (Vec::new(), Vec::new());
    for stored in orders {
        let before = stored.before.as_ref().map(|before| deadline::waited_for(before)).unwrap_or_default();
        let after = deadline::waited_for(&stored.order);
        let id = stored.order.id;
        gone.extend(before.iter().filter(|row| !after.contains(row)).map(|row| (id, *row)));
        new.extend(after.into_iter().filter(|row| !before.contains(row)).map(|row| (id, row)));
    }
    let item = |row: &deadline::Deadline| row.item.map(|item| item.to_string()).unwrap_or_default();
    for (order, row) in gone {
        let sql = "DELETE FROM deadlines WHERE order_id = $1 AND item_id = $2 AND kind = $3 AND at_us = $4";
        let query = sqlx::query(sql).bind(order.to_string()).bind(item(&row)).bind(row.kind.word()).bind(row.at.0);
        query.execute(&mut **tx).await?;
    }
    for new in rows::chunks(&new) {
        let mut query = DEADLINES.of(new);
        for (order, row) in new {
            query = query.bind(order.to_string()).bind(item(row)).bind(row.kind.word()).bind(row.at.0);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::{Db, audit, audit_risk, changes, consents, journal, orders, requests, sealed};
    use sqlx::Row as _;

    #[tokio::test]
    async fn no_read_walks_through_a_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path()).await.unwrap();
        let ours = [orders::READS, changes::READS, journal::READS, requests::READS];
        for sql in [ours.concat(), [audit::READS, audit_risk::READS, consents::READS, sealed::READS].concat()].concat()
        {
            let explained = format!("EXPLAIN QUERY PLAN {sql}");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(explained));
            for _ in 0..sql.matches('$').count() {
                query = query.bind(1_i64);
            }
            let plan = query.fetch_all(db.reader()).await.unwrap();
            assert!(!plan.is_empty());
            for step in plan {
                let detail: String = step.get("detail");
                assert!(!detail.starts_with("SCAN") && !detail.contains("TEMP B-TREE"), "{sql}: {detail}");
            }
        }
        db.close().await;
    }
}
