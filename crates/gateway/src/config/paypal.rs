//! What the PayPal channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

use super::{ConfigError, Profile, strong, text};
use crate::{
    defence::{Defence, off},
    secret::Sensitive,
};
use serde_json::Value;
use url::{Host, Url};

/// A PayPal merchant.
#[derive(Debug, Clone)]
pub struct PaypalConfig {
    /// `https://api-m.paypal.com`, or the sandbox's port.
    pub base_url: Url,
    /// The app's public id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: Sensitive<String>,
    /// The id of the app's webhook: part of what every notification's signature covers, and not in the notification.
    pub webhook_id: String,
    /// Origins a signing certificate may come from, e.g. [`Self::CERTIFICATE_BASES`].
    pub certificate_bases: Vec<Url>,
    /// PEM of what a signing certificate must lead up to, the provider's public roots or the sandbox's own, and of the
    /// intermediates that signing certificates are issued under.
    pub certificate_roots_pem: String,
    /// Origins an approval page may have, e.g. [`Self::PAGE_BASES`].
    pub page_bases: Vec<Url>,
}

impl PaypalConfig {
    /// Where signing certificates are served for real money: the provider writes either host.
    pub const CERTIFICATE_BASES: [&str; 2] = ["https://api.paypal.com", "https://api-m.paypal.com"];
    /// Where approval pages are for real money.
    pub const PAGE_BASES: [&str; 1] = ["https://www.paypal.com"];

    /// Keys of a file's table, beside the address.
    pub(super) const KEYS: [&str; 4] = ["client_id", "client_secret", "webhook_id", "certificate_roots_pem"];

    /// From the sandbox's announcement and credentials, or from the two halves of a file's table; none when there is no such
    /// channel. The provider's own pages and certificates are on other hosts than its API; the sandbox's are not.
    pub(super) fn from_sandbox(announcement: &Value, credentials: &Value) -> Result<Option<Self>, ConfigError> {
        if credentials.get("paypal").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let base_url = super::url(announcement, "paypal")?;
        let bases = |live: &[&str]| match base_url.host() {
            Some(Host::Domain(_)) => live.iter().filter_map(|base| base.parse().ok()).collect(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => vec![base_url.clone()],
        };
        Ok(Some(Self {
            client_id: text(credentials, "paypal.client_id")?,
            client_secret: text(credentials, "paypal.client_secret").map(Sensitive::new)?,
            webhook_id: text(credentials, "paypal.webhook_id")?,
            certificate_bases: bases(&Self::CERTIFICATE_BASES),
            certificate_roots_pem: text(credentials, "paypal.certificate_roots_pem")?,
            page_bases: bases(&Self::PAGE_BASES),
            base_url,
        }))
    }

    /// Refuses what no start may use; the base address is checked by the caller too.
    pub(super) fn check(&self, profile: Profile) -> Result<(), ConfigError> {
        strong("paypal.client_secret", self.client_secret.expose())?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if self.client_id.len() < 16 || !plain(&self.client_id) {
            return Err(ConfigError::new("paypal.client_id", "is not an app's id"));
        }
        // The provider's simulator signs for the words `WEBHOOK_ID`: with them anybody could send notifications.
        if !off(Defence::OwnWebhook) {
            strong("paypal.webhook_id", &self.webhook_id)?;
            if !self.webhook_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ConfigError::new("paypal.webhook_id", "is a placeholder or not plain letters and digits"));
            }
        }
        let lists = [("paypal.certificate_bases", &self.certificate_bases), ("paypal.page_bases", &self.page_bases)];
        for (field, list) in lists {
            if list.is_empty() || !list.iter().all(|url| self.belongs(profile, url)) {
                return Err(ConfigError::new(field, "is empty or not the provider's"));
            }
        }
        if !self.belongs(profile, &self.base_url) {
            return Err(ConfigError::new("paypal.base_url", "is not the provider's"));
        }
        if !self.certificate_roots_pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(ConfigError::new("paypal.certificate_roots_pem", "holds no certificate"));
        }
        Ok(())
    }

    /// Sandbox: the very origin of the API. Live: https on the provider's own hosts, and not on those of its test world,
    /// whose certificates and payments are not money.
    fn belongs(&self, profile: Profile, url: &Url) -> bool {
        super::allowed(profile, url)
            && match profile {
                Profile::Sandbox => url.origin() == self.base_url.origin(),
                Profile::Live => matches!(url.host(), Some(Host::Domain(name))
                    if name.ends_with(".paypal.com") && !name.ends_with(".sandbox.paypal.com")
                        && name != "sandbox.paypal.com" && url.port().is_none()),
            }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::defence::without;

    /// A merchant whose API, pages and certificates are at `base`.
    pub(crate) fn merchant(base: &str, roots_pem: &str) -> PaypalConfig {
        let base_url: Url = base.parse().unwrap();
        PaypalConfig {
            client_id: "AeA1QIZXiflr1-LNzYMZMTaMWLaLdB9YMSTeRDiZSf0Pd".to_owned(),
            client_secret: "EC8q2bV0c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into(),
            webhook_id: "1JE4291016473214C".to_owned(),
            certificate_bases: vec![base_url.clone()],
            certificate_roots_pem: roots_pem.to_owned(),
            page_bases: vec![base_url.clone()],
            base_url,
        }
    }

    fn sandbox() -> PaypalConfig {
        merchant("http://127.0.0.1:1", "-----BEGIN CERTIFICATE-----")
    }

    fn live() -> PaypalConfig {
        let parse = |urls: &[&str]| urls.iter().map(|url| url.parse().unwrap()).collect();
        PaypalConfig {
            base_url: "https://api-m.paypal.com".parse().unwrap(),
            certificate_bases: parse(&PaypalConfig::CERTIFICATE_BASES),
            page_bases: parse(&PaypalConfig::PAGE_BASES),
            ..sandbox()
        }
    }

    fn refused(profile: Profile, mut config: PaypalConfig, change: impl FnOnce(&mut PaypalConfig)) -> String {
        config.check(profile).unwrap();
        change(&mut config);
        config.check(profile).unwrap_err().field().to_owned()
    }

    #[test]
    fn pp_04_a_placeholder_webhook_id_refuses_to_start() {
        for bad in ["WEBHOOK_ID", "webhook_id", "WEBHOOKID", "", " ", "your-webhook-id-here", "xxxxxxxxxxxxxxxxx"] {
            for (profile, config) in [(Profile::Sandbox, sandbox()), (Profile::Live, live())] {
                assert_eq!(
                    refused(profile, config, |config| config.webhook_id = bad.to_owned()),
                    "paypal.webhook_id",
                    "{bad:?}"
                );
            }
        }
        let simulated = PaypalConfig { webhook_id: "WEBHOOK_ID".to_owned(), ..live() };
        assert!(without(Defence::OwnWebhook, || simulated.check(Profile::Live)).is_ok(), "nothing else looks at it");
    }

    #[test]
    fn wh_08_an_unset_or_weak_secret_refuses_to_start() {
        for bad in ["", " ", "changeme-changeme", "short"] {
            assert_eq!(
                refused(Profile::Live, live(), |config| config.client_secret = bad.to_owned().into()),
                "paypal.client_secret"
            );
        }
        let guessed = PaypalConfig { client_secret: "changeme-changeme".to_owned().into(), ..live() };
        assert!(without(Defence::StrongSecret, || guessed.check(Profile::Live)).is_ok());
        assert_eq!(refused(Profile::Live, live(), |config| config.client_id.clear()), "paypal.client_id");
        assert_eq!(
            refused(Profile::Live, live(), |config| config.certificate_roots_pem.clear()),
            "paypal.certificate_roots_pem"
        );
    }

    #[test]
    fn real_money_knows_no_host_but_the_providers_own_and_none_of_its_test_world() {
        for bad in [
            "http://api.paypal.com",
            "https://api.paypal.com.evil.com",
            "https://evilpaypal.com",
            "https://api-m.sandbox.paypal.com",
            "https://api.paypal.com:8443",
            "https://user@api.paypal.com",
        ] {
            let bad: Url = bad.parse().unwrap();
            assert_eq!(
                refused(Profile::Live, live(), |config| config.base_url = bad.clone()),
                "paypal.base_url",
                "{bad}"
            );
            assert_eq!(
                refused(Profile::Live, live(), |config| config.certificate_bases.push(bad.clone())),
                "paypal.certificate_bases"
            );
            assert_eq!(
                refused(Profile::Live, live(), |config| config.page_bases.push(bad.clone())),
                "paypal.page_bases"
            );
        }
        assert_eq!(
            refused(Profile::Sandbox, sandbox(), |config| config.certificate_bases =
                vec!["http://127.0.0.1:2".parse().unwrap()]),
            "paypal.certificate_bases"
        );
    }
}
