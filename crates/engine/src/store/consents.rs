//! Tables `consent_keys` and `consents`: what a person agreed to, signed, and the public keys to verify it with.
//!
//! Deliberately not here: signing, and the private keys, which are sealed documents.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::{
    id::{OrderId, RequestId},
    time::UtcMicros,
};

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Its name.
    pub(crate) id: String,
    /// 32 bytes.
    pub(crate) public: Vec<u8>,
    /// Whether new consents are signed by another one.
    pub(crate) retired: bool,
}

/// A signed consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consent {
    /// The request by which it was given.
    pub(crate) request: RequestId,
    /// Order.
    pub(crate) order: OrderId,
    /// When.
    pub(crate) at: UtcMicros,
    /// What was shown, as canonical JSON.
    pub(crate) payload: String,
    /// Name of the key.
    pub(crate) key: String,
    /// Over exactly the payload's bytes.
    pub(crate) signature: Vec<u8>,
}

const IN_USE: &str = "SELECT key_id, public_key, retired_at_us FROM consent_keys WHERE retired_at_us IS NULL \
                      ORDER BY made_at_us DESC LIMIT 1";
const KEY: &str = "SELECT key_id, public_key, retired_at_us FROM consent_keys WHERE key_id = $1";
const OF_ORDER: &str = "SELECT request_id, at_us, payload, key_id, signature FROM consents WHERE order_id = $1 \
                        ORDER BY at_us";

/// Every read of these tables.
#[cfg(test)]
pub(super) const READS: &[&str] = &[IN_USE, KEY, OF_ORDER];

type KeyRow = (String, Vec<u8>, Option<i64>);

fn public_key((id, public, retired): KeyRow) -> PublicKey {
    PublicKey { id, public, retired: retired.is_some() }
}

/// The key that new consents are signed with, once there is one.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn key_in_use(pool: &AnyPool) -> Result<Option<PublicKey>, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as(IN_USE).fetch_optional(pool).await?;
    Ok(row.map(public_key))
}

/// A key by its name, in use or not.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn key(pool: &AnyPool, id: &str) -> Result<Option<PublicKey>, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as(KEY).bind(id).fetch_optional(pool).await?;
    Ok(row.map(public_key))
}

/// Takes up a new key.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn insert_key(tx: &mut Tx, id: &str, public: &[u8], now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO consent_keys (key_id, public_key, made_at_us) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(public.to_vec())
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends the use of every key; their public parts stay.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn retire_keys(tx: &mut Tx, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE consent_keys SET retired_at_us = $1 WHERE retired_at_us IS NULL")
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps a consent.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn insert(tx: &mut Tx, consent: &Consent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO consents (request_id, order_id, at_us, payload, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(consent.request.to_string())
    .bind(consent.order.to_string())
    .bind(consent.at.0)
    .bind(consent.payload.clone())
    .bind(consent.key.clone())
    .bind(consent.signature.clone())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The consents about an order, oldest first.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub(crate) async fn of_order(pool: &AnyPool, order: OrderId) -> Result<Vec<Consent>, StoreError> {
    type ConsentRow = (String, i64, String, String, Vec<u8>);
    let rows: Vec<ConsentRow> = sqlx::query_as(OF_ORDER).bind(order.to_string()).fetch_all(pool).await?;
    let consent = |(request, at, payload, key, signature): ConsentRow| {
        let request = request.parse().map_err(|_| StoreError::Damaged("consents".to_owned()))?;
        Ok(Consent { request, order, at: UtcMicros(at), payload, key, signature })
    };
    rows.into_iter().map(consent).collect()
}
