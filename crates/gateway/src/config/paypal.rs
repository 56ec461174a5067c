//! What the PayPal channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

use super::{ConfigError, Profile};
use serde_json::Value;
use url::Url;

/// A PayPal merchant.
#[derive(Debug, Clone)]
pub struct PaypalConfig {
    /// Address of the API, or the sandbox's port.
    pub base_url: Url,
}

impl PaypalConfig {
    /// From the sandbox's announcement and credentials; none when it does not have the channel.
    pub(super) fn from_sandbox(announcement: &Value, credentials: &Value) -> Result<Option<Self>, ConfigError> {
        if credentials.get("paypal").is_none_or(Value::is_null) {
            return Ok(None);
        }
        Ok(Some(Self { base_url: super::url(announcement, "paypal")? }))
    }

    /// Refuses what no start may use; addresses are checked by the caller.
    pub(super) fn check(&self, _: Profile) -> Result<(), ConfigError> {
        Ok(())
    }
}
