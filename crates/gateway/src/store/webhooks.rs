//! Table `supplier_webhooks`: where a supplier sends its notifications and the secret it signs them with.
//!
//! Deliberately not here: registering at the supplier.

use super::{StoreError, Tx};
use crate::secret::Sensitive;
use sqlx::AnyPool;

/// A registered webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// The supplier's id of it.
    pub(crate) webhook_id: String,
    /// Where it sends.
    pub(crate) url: String,
    /// What it signs with.
    pub(crate) secret: Sensitive<String>,
}

/// The supplier's webhook, if one was registered.
pub(crate) async fn find(pool: &AnyPool, supplier: &str) -> Result<Option<Webhook>, StoreError> {
    let row: Option<(String, String, String)> =
        sqlx::query_as("SELECT webhook_id, url, secret FROM supplier_webhooks WHERE supplier = $1")
            .bind(supplier)
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|(webhook_id, url, secret)| Webhook { webhook_id, url, secret: secret.into() }))
}

/// Keeps the supplier's webhook, replacing an earlier one.
pub(crate) async fn put(tx: &mut Tx, supplier: &str, webhook: &Webhook) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO supplier_webhooks (supplier, webhook_id, url, secret) VALUES ($1, $2, $3, $4) ON CONFLICT (supplier) \
         DO UPDATE SET webhook_id = excluded.webhook_id, url = excluded.url, secret = excluded.secret",
    )
    .bind(supplier)
    .bind(webhook.webhook_id.as_str())
    .bind(webhook.url.as_str())
    .bind(webhook.secret.expose().as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
