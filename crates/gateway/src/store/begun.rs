//! Tables `asked_refunds` and `takes`: what was begun at a channel whose questions are the request once more.
//!
//! Such a question may repeat only what nobody knows the ending of, so a row is written before the request. Deliberately not
//! here: how far a payment or a refund got, which `attempts` and `refunds` tell.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    time::UtcMicros,
};

/// Whether a refund was asked for and nobody knows what became of the request.
pub(crate) async fn is_open(pool: &AnyPool, id: RefundId) -> Result<bool, StoreError> {
    let sql = "SELECT is_open FROM asked_refunds WHERE refund_id = $1";
    let row: Option<(i64,)> = sqlx::query_as(sql).bind(id.bare()).fetch_optional(pool).await?;
    Ok(row.is_some_and(|(open,)| open != 0))
}

/// Keeps whether what became of a request is open.
pub(crate) async fn keep_open(tx: &mut Tx, id: RefundId, open: bool) -> Result<(), StoreError> {
    let sql = "INSERT INTO asked_refunds (refund_id, is_open) VALUES ($1, $2) \
               ON CONFLICT (refund_id) DO UPDATE SET is_open = $2";
    sqlx::query(sql).bind(id.bare()).bind(i64::from(open)).execute(&mut **tx).await?;
    Ok(())
}

/// A request to take what was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Take {
    /// The first is 1.
    pub(crate) number: i64,
    /// How the payment looked when the request was refused, empty where it was never sent; none as long as what became of it
    /// is not known.
    pub(crate) refused_as: Option<String>,
    /// Since when that is so.
    pub(crate) at: UtcMicros,
}

/// The last request to take a payment.
pub(crate) async fn taking(pool: &AnyPool, id: AttemptId) -> Result<Option<Take>, StoreError> {
    let sql = "SELECT number, refused_as, at_us FROM takes WHERE attempt_id = $1";
    let row: Option<(i64, Option<String>, i64)> = sqlx::query_as(sql).bind(id.bare()).fetch_optional(pool).await?;
    Ok(row.map(|(number, refused_as, at_us)| Take { number, refused_as, at: UtcMicros(at_us) }))
}

/// Keeps the last request to take a payment.
pub(crate) async fn keep_take(tx: &mut Tx, id: AttemptId, take: &Take) -> Result<(), StoreError> {
    let sql = "INSERT INTO takes (attempt_id, number, refused_as, at_us) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (attempt_id) DO UPDATE SET number = $2, refused_as = $3, at_us = $4";
    let query = sqlx::query(sql).bind(id.bare()).bind(take.number).bind(take.refused_as.as_deref()).bind(take.at.0);
    query.execute(&mut **tx).await?;
    Ok(())
}
