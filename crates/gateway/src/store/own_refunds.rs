//! Table `own_refunds`: refunds the gateway made by itself, and whether who the payment belongs to was told.
//!
//! A row is written before the refund is asked for. Deliberately not here: how far a refund got, which `refunds` tells.

use super::{
    StoreError, Tx,
    refunds::{self, Refund},
};
use sqlx::AnyPool;
use zhiyou_domain::id::RefundId;

/// Keeps that a refund is the gateway's own.
pub(crate) async fn keep(tx: &mut Tx, id: RefundId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO own_refunds (refund_id) VALUES ($1) ON CONFLICT (refund_id) DO NOTHING")
        .bind(id.bare())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Own refunds that are under way or arrived, and of which nobody was told.
pub(crate) async fn untold(pool: &AnyPool) -> Result<Vec<Refund>, StoreError> {
    let ids: Vec<(String,)> =
        sqlx::query_as("SELECT refund_id FROM own_refunds WHERE told = 0 ORDER BY refund_id").fetch_all(pool).await?;
    let mut found = Vec::new();
    for (id,) in ids {
        let id = RefundId::parse_bare(&id).map_err(|_| StoreError::Damaged(format!("own refund {id:?}")))?;
        found.extend(refunds::find(pool, id).await?.filter(|refund| refund.state.counts()));
    }
    Ok(found)
}

/// Keeps that it was told.
pub(crate) async fn told(tx: &mut Tx, id: RefundId) -> Result<(), StoreError> {
    sqlx::query("UPDATE own_refunds SET told = 1 WHERE refund_id = $1").bind(id.bare()).execute(&mut **tx).await?;
    Ok(())
}
