//! PayPal for one merchant.
//!
//! Deliberately not here: how notifications are tried again (`notify`).

use axum::Router;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::KeyError;
use crate::notify::Variant;
use crate::store::{Book, StoreError};
use crate::world::{Shared, World};

/// The word this provider is stored and switched under.
pub(crate) const PROVIDER: &str = "paypal";

/// What the merchant's console shows.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {}

impl Credentials {
    pub(crate) fn make() -> Result<Self, KeyError> {
        Ok(Self {})
    }

    /// As `GET /credentials` shows them.
    pub(crate) fn shown(&self) -> Value {
        Value::Null
    }
}

/// The routes of the payment channel.
pub(crate) fn router(world: &Shared) -> Router {
    Router::new().with_state(std::sync::Arc::clone(world))
}

/// Headers and body of one try to deliver a notification, signed now.
pub(crate) fn notification(_: &World, _: &Value, _: Variant) -> Option<(HeaderMap, String)> {
    None
}

/// Whether this answer means that the notification was taken.
pub(crate) fn taken(status: u16, _: &str) -> bool {
    (200..300).contains(&status)
}

/// Seconds between tries.
pub(crate) const RETRY_S: [i64; 3] = [60, 600, 3600];

/// Every payment as the control port's book shows it.
pub(crate) async fn payments(_: &mut Book) -> Result<Vec<Value>, StoreError> {
    Ok(Vec::new())
}

/// Every refund as the control port's book shows it.
pub(crate) async fn refunds(_: &mut Book) -> Result<Vec<Value>, StoreError> {
    Ok(Vec::new())
}

/// Does what is due, and tells when something is due next.
pub(crate) async fn settle(_: &World) -> Result<Option<i64>, StoreError> {
    Ok(None)
}
