//! What the Stripe channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

pub(super) mod methods;

use super::{ConfigError, Profile, strong, text};
use crate::secret::Sensitive;
use methods::StripeMethodConfig;
use serde_json::Value;
use url::Url;

/// While a webhook secret is rolled, the old and the new one both sign.
const WEBHOOK_SECRETS_MAX: usize = 2;

/// A Stripe account.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// `https://api.stripe.com`, or the sandbox's port.
    pub base_url: Url,
    /// `sk_test_…` or `sk_live_…`.
    pub secret_key: Sensitive<String>,
    /// `whsec_…` of the webhook endpoint; two while it is rolled.
    pub webhook_secrets: Vec<Sensitive<String>>,
    /// `acct_…`; events that name an account must name this one.
    pub account_id: Option<String>,
    /// Ways to pay on the hosted page, in the order they are offered.
    pub methods: Vec<StripeMethodConfig>,
}

impl StripeConfig {
    /// Keys of a file's table, beside the address.
    pub(super) const KEYS: [&str; 5] = ["secret_key", "account_id", "webhook_secrets", "methods", "currencies"];

    /// From the sandbox's announcement and credentials; none when it does not have the channel.
    pub(super) fn from_sandbox(announcement: &Value, credentials: &Value) -> Result<Option<Self>, ConfigError> {
        if credentials.get("stripe").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let no_text = || ConfigError::new("stripe.webhook_secrets", "are not texts");
        let secrets = credentials["stripe"]["webhook_secrets"].as_array().into_iter().flatten();
        let secrets = secrets.map(|secret| Ok(secret.as_str().ok_or_else(no_text)?.to_owned().into()));
        Ok(Some(Self {
            base_url: super::url(announcement, "stripe")?,
            secret_key: text(credentials, "stripe.secret_key")?.into(),
            webhook_secrets: secrets.collect::<Result<_, _>>()?,
            account_id: Some(text(credentials, "stripe.account_id")?),
            methods: methods::read(&credentials["stripe"]["methods"], &credentials["stripe"]["currencies"])?,
        }))
    }

    /// Refuses what no start may use; addresses are checked by the caller.
    pub(super) fn check(&self, profile: Profile) -> Result<(), ConfigError> {
        let kind = match profile {
            Profile::Sandbox => "sk_test_",
            Profile::Live => "sk_live_",
        };
        let another = || ConfigError::new("stripe.secret_key", "is not a key of this profile");
        strong("stripe.secret_key", self.secret_key.expose().strip_prefix(kind).ok_or_else(another)?)?;
        if self.webhook_secrets.is_empty() || self.webhook_secrets.len() > WEBHOOK_SECRETS_MAX {
            return Err(ConfigError::new("stripe.webhook_secrets", "are not one or two"));
        }
        for secret in &self.webhook_secrets {
            let another = || ConfigError::new("stripe.webhook_secrets", "does not begin with whsec_");
            strong("stripe.webhook_secrets", secret.expose().strip_prefix("whsec_").ok_or_else(another)?)?;
        }
        methods::check(&self.methods)?;
        match self.account_id.as_deref().map(|id| id.strip_prefix("acct_").unwrap_or_default()) {
            Some(id) if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err(ConfigError::new("stripe.account_id", "is not acct_ and letters and digits"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests {
    use super::{methods::StripeMethod, *};
    #[cfg(test)]
    use crate::defence::{Defence, without};

    /// An account of the sandbox profile.
    pub(crate) fn sample(base_url: &str) -> StripeConfig {
        StripeConfig {
            base_url: base_url.parse().unwrap(),
            secret_key: "sk_test_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into(),
            webhook_secrets: vec!["whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into()],
            account_id: Some("acct_1Sandbox".to_owned()),
            methods: vec![StripeMethodConfig::whole(StripeMethod::Card)],
        }
    }

    fn refused(profile: Profile, change: impl FnOnce(&mut StripeConfig)) -> Option<String> {
        let mut config = sample("http://127.0.0.1:1");
        change(&mut config);
        config.check(profile).err().map(|error| error.field().to_owned())
    }

    #[test]
    fn weak_keys_and_keys_of_the_other_profile_are_refused_by_name() {
        assert_eq!(refused(Profile::Sandbox, |_| {}), None);
        assert_eq!(refused(Profile::Live, |_| {}).as_deref(), Some("stripe.secret_key"));
        for weak in [
            "",
            "sk_test_",
            "sk_test_changeme-changeme",
            "pk_test_c0ffee5Qr8Zt1WmXy7Kb2Nd",
            "sk_live_c0ffee5Qr8Zt1WmXy7Kb2Nd",
        ] {
            let field = refused(Profile::Sandbox, |config| config.secret_key = weak.to_owned().into());
            assert_eq!(field.as_deref(), Some("stripe.secret_key"), "{weak:?}");
        }
        let live = |config: &mut StripeConfig| config.secret_key = "sk_live_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into();
        assert_eq!(refused(Profile::Live, live), None);
    }

    #[test]
    fn wh_08_a_webhook_secret_that_is_missing_weak_or_one_too_many_is_refused() {
        let strong = "whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd";
        for secrets in [
            &[][..],
            &[""],
            &[" "],
            &["whsec_"],
            &["whsec_placeholder_placeholder"],
            &["c0ffee5Qr8Zt1WmXy7Kb2Nd"],
            &[strong; 3],
            &[strong, ""],
        ] {
            let field = refused(Profile::Sandbox, |config| {
                config.webhook_secrets = secrets.iter().map(|secret| (*secret).to_owned().into()).collect();
            });
            assert_eq!(field.as_deref(), Some("stripe.webhook_secrets"), "{secrets:?}");
        }
        let guessed = |config: &mut StripeConfig| config.webhook_secrets = vec!["whsec_changeme".to_owned().into()];
        let starts = || refused(Profile::Sandbox, guessed).is_none();
        assert!(!starts() && without(Defence::StrongSecret, starts));
        assert_eq!(
            refused(Profile::Sandbox, |config| config.webhook_secrets = vec![strong.to_owned().into(); 2]),
            None
        );
    }

    #[test]
    fn an_account_id_is_one_or_absent() {
        assert_eq!(refused(Profile::Sandbox, |config| config.account_id = None), None);
        for id in ["", "acct_", "acct_/..", "1Sandbox"] {
            let field = refused(Profile::Sandbox, |config| config.account_id = Some(id.to_owned()));
            assert_eq!(field.as_deref(), Some("stripe.account_id"), "{id:?}");
        }
    }
}
