//! Tables `shop_orders` and `shop_refunds`: what the REST surface was asked for, and under which key of the client.
//!
//! The amount is fixed at creation. Deliberately not here: what was paid and given back, which `attempts` and `refunds` tell.

use super::{StoreError, Tx, money};
use sqlx::{AnyPool, FromRow};
use zhiyou_domain::{
    id::{AttemptId, OrderId, RefundId},
    money::Money,
    time::UtcMicros,
};

/// What is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A trip or a part of one.
    Travel,
    /// Anything else the merchant sells.
    Product,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Travel => "travel",
            Self::Product => "product",
        }
    }
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShopOrder {
    pub(crate) order_id: OrderId,
    /// Whose it is: `sub` of the token.
    pub(crate) subject: String,
    pub(crate) client_key: String,
    /// Digest of the request's fields.
    pub(crate) fingerprint: String,
    pub(crate) kind: Kind,
    /// What is bought, in the client's words (a session, a plan, an article).
    pub(crate) reference: String,
    pub(crate) description: String,
    pub(crate) amount: Money,
    pub(crate) created_at_us: UtcMicros,
    pub(crate) expires_at_us: UtcMicros,
    /// Text of the code to scan, once the payment was opened.
    pub(crate) code: Option<String>,
    /// Since when nothing may be opened any more.
    pub(crate) cancel_asked_at_us: Option<UtcMicros>,
    /// When the channel had no open payment any more.
    pub(crate) closed_at_us: Option<UtcMicros>,
    pub(crate) updated_at_us: UtcMicros,
}

impl ShopOrder {
    /// The order's one payment; it has the order's number.
    pub(crate) fn attempt_id(&self) -> Result<AttemptId, StoreError> {
        AttemptId::parse_bare(&self.order_id.bare())
            .map_err(|_| StoreError::Damaged(format!("shop order {}", self.order_id)))
    }

    /// Whether nobody may be shown a code any more; what was paid just before still counts.
    pub(crate) const fn is_over(&self, now: UtcMicros) -> bool {
        self.cancel_asked_at_us.is_some() || self.expires_at_us.0 <= now.0
    }
}

/// A refund a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShopRefund {
    pub(crate) refund_id: RefundId,
    pub(crate) order_id: OrderId,
    pub(crate) client_key: String,
    pub(crate) fingerprint: String,
    pub(crate) amount: Money,
    pub(crate) reason: String,
}

#[derive(FromRow)]
struct Row {
    order_id: String,
    subject: String,
    client_key: String,
    fingerprint: String,
    kind: String,
    reference: String,
    description: String,
    amount_minor: i64,
    currency: String,
    created_at_us: i64,
    expires_at_us: i64,
    code: Option<String>,
    cancel_asked_at_us: Option<i64>,
    closed_at_us: Option<i64>,
    updated_at_us: i64,
}

impl TryFrom<Row> for ShopOrder {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("shop order {:?}", row.order_id));
        let kind = [Kind::Travel, Kind::Product].into_iter().find(|kind| kind.word() == row.kind);
        Ok(Self {
            order_id: OrderId::parse_bare(&row.order_id).map_err(|_| damaged())?,
            amount: money(row.amount_minor, &row.currency)?,
            kind: kind.ok_or_else(damaged)?,
            subject: row.subject,
            client_key: row.client_key,
            fingerprint: row.fingerprint,
            reference: row.reference,
            description: row.description,
            created_at_us: UtcMicros(row.created_at_us),
            expires_at_us: UtcMicros(row.expires_at_us),
            code: row.code,
            cancel_asked_at_us: row.cancel_asked_at_us.map(UtcMicros),
            closed_at_us: row.closed_at_us.map(UtcMicros),
            updated_at_us: UtcMicros(row.updated_at_us),
        })
    }
}

const BY_ID: &str = "SELECT order_id, subject, client_key, fingerprint, kind, reference, description, amount_minor, currency, \
                     created_at_us, expires_at_us, code, cancel_asked_at_us, closed_at_us, updated_at_us \
                     FROM shop_orders WHERE order_id = $1";
const BY_KEY: &str = "SELECT order_id, subject, client_key, fingerprint, kind, reference, description, amount_minor, currency, \
                      created_at_us, expires_at_us, code, cancel_asked_at_us, closed_at_us, updated_at_us \
                      FROM shop_orders WHERE subject = $1 AND client_key = $2";

/// The order, if there is one.
pub(crate) async fn find(pool: &AnyPool, id: OrderId) -> Result<Option<ShopOrder>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(pool).await?;
    row.map(ShopOrder::try_from).transpose()
}

/// The order, inside a transaction.
pub(crate) async fn get(tx: &mut Tx, id: OrderId) -> Result<Option<ShopOrder>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(&mut **tx).await?;
    row.map(ShopOrder::try_from).transpose()
}

/// The order this subject made under this key.
pub(crate) async fn of_key(tx: &mut Tx, subject: &str, key: &str) -> Result<Option<ShopOrder>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_KEY).bind(subject).bind(key).fetch_optional(&mut **tx).await?;
    row.map(ShopOrder::try_from).transpose()
}

/// Writes a new order.
pub(crate) async fn insert(tx: &mut Tx, order: &ShopOrder) -> Result<(), StoreError> {
    money(order.amount.minor(), order.amount.currency().code())?;
    sqlx::query(
        "INSERT INTO shop_orders (order_id, subject, client_key, fingerprint, kind, reference, description, amount_minor, \
         currency, created_at_us, expires_at_us, updated_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)",
    )
    .bind(order.order_id.bare())
    .bind(order.subject.as_str())
    .bind(order.client_key.as_str())
    .bind(order.fingerprint.as_str())
    .bind(order.kind.word())
    .bind(order.reference.as_str())
    .bind(order.description.as_str())
    .bind(order.amount.minor())
    .bind(order.amount.currency().code())
    .bind(order.created_at_us.0)
    .bind(order.expires_at_us.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the code to scan.
pub(crate) async fn show(tx: &mut Tx, id: OrderId, code: &str, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE shop_orders SET code = $2, updated_at_us = $3 WHERE order_id = $1")
        .bind(id.bare())
        .bind(code)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// From now on nothing is opened for the order; the first moment stays.
pub(crate) async fn ask_to_cancel(tx: &mut Tx, id: OrderId, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE shop_orders SET cancel_asked_at_us = $2, updated_at_us = $2 WHERE order_id = $1 AND cancel_asked_at_us IS NULL",
    )
    .bind(id.bare())
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The channel has no open payment for the order any more.
pub(crate) async fn close(tx: &mut Tx, id: OrderId, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE shop_orders SET closed_at_us = $2, updated_at_us = $2 WHERE order_id = $1 AND closed_at_us IS NULL",
    )
    .bind(id.bare())
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct RefundRow {
    refund_id: String,
    order_id: String,
    client_key: String,
    fingerprint: String,
    amount_minor: i64,
    currency: String,
    reason: String,
}

/// The refund asked for under this key of an order.
pub(crate) async fn refund_of_key(tx: &mut Tx, order: OrderId, key: &str) -> Result<Option<ShopRefund>, StoreError> {
    let row: Option<RefundRow> = sqlx::query_as(
        "SELECT refund_id, order_id, client_key, fingerprint, amount_minor, currency, reason FROM shop_refunds \
         WHERE order_id = $1 AND client_key = $2",
    )
    .bind(order.bare())
    .bind(key)
    .fetch_optional(&mut **tx)
    .await?;
    let read = |row: RefundRow| {
        let damaged = || StoreError::Damaged(format!("shop refund {:?}", row.refund_id));
        Ok(ShopRefund {
            refund_id: RefundId::parse_bare(&row.refund_id).map_err(|_| damaged())?,
            order_id: OrderId::parse_bare(&row.order_id).map_err(|_| damaged())?,
            amount: money(row.amount_minor, &row.currency)?,
            client_key: row.client_key,
            fingerprint: row.fingerprint,
            reason: row.reason,
        })
    };
    row.map(read).transpose()
}

/// Writes a new refund.
pub(crate) async fn insert_refund(tx: &mut Tx, refund: &ShopRefund) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO shop_refunds (refund_id, order_id, client_key, fingerprint, amount_minor, currency, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(refund.refund_id.bare())
    .bind(refund.order_id.bare())
    .bind(refund.client_key.as_str())
    .bind(refund.fingerprint.as_str())
    .bind(refund.amount.minor())
    .bind(refund.amount.currency().code())
    .bind(refund.reason.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
