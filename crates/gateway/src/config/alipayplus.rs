//! What the Alipay+ channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

use super::{ConfigError, Profile, text};
use crate::secret::{Sensitive, weakness};
use serde_json::Value;
use url::{Host, Url};

/// How the channel's test clients are called; their payments are no money.
const TEST_CLIENT: &str = "SANDBOX_";
/// Under these names the channel answers and has its pages.
const DOMAINS: [&str; 2] = ["alipay.com", "alipayplus.com"];

/// An Alipay+ merchant, in the contract of Ant International (Antom).
#[derive(Debug, Clone)]
pub struct AlipayPlusConfig {
    /// `https://open-sea-global.alipay.com` or that of another region, or the sandbox's port.
    pub base_url: Url,
    /// The merchant's client id.
    pub client_id: String,
    /// The merchant's private key, PKCS#8 or PKCS#1 PEM.
    pub merchant_private_key_pem: Sensitive<String>,
    /// The channel's public key for this client id, PEM; not the merchant's own.
    pub alipay_public_key_pem: String,
    /// The way of paying the page opens with, e.g. [`Self::PAYMENT_METHOD`].
    pub payment_method: String,
    /// Origins a page to pay on may have, e.g. [`Self::PAGE_BASES`].
    pub page_bases: Vec<Url>,
}

impl AlipayPlusConfig {
    /// Where pages to pay on are for real money: seen in published answers of the channel.
    pub const PAGE_BASES: [&str; 2] = ["https://open-sea-global.alipayplus.com", "https://open-sea.alipayplus.com"];
    /// The wallet most payers of ours have.
    pub const PAYMENT_METHOD: &str = "ALIPAY_CN";

    /// Keys of a file's table, beside the address.
    pub(super) const KEYS: [&str; 6] = [
        "client_id",
        "merchant_private_key_pem",
        "merchant_public_key_pem",
        "alipay_public_key_pem",
        "payment_method",
        "page_bases",
    ];

    /// From the sandbox's announcement and credentials, or from the two halves of a file's table; none when there is no such
    /// channel.
    pub(super) fn from_sandbox(announcement: &Value, credentials: &Value) -> Result<Option<Self>, ConfigError> {
        let Some(table) = credentials.get("alipayplus").filter(|table| !table.is_null()) else { return Ok(None) };
        let base_url = super::url(announcement, "alipayplus")?;
        let payment_method = match table.get("payment_method") {
            None | Some(Value::Null) => Self::PAYMENT_METHOD.to_owned(),
            Some(_) => text(credentials, "alipayplus.payment_method")?,
        };
        Ok(Some(Self {
            client_id: text(credentials, "alipayplus.client_id")?,
            merchant_private_key_pem: text(credentials, "alipayplus.merchant_private_key_pem")?.into(),
            alipay_public_key_pem: text(credentials, "alipayplus.alipay_public_key_pem")?,
            payment_method,
            page_bases: page_bases(table, &base_url)?,
            base_url,
        }))
    }

    /// Refuses what no start may use; whether the base address is allowed at all is checked by the caller too.
    pub(super) fn check(&self, profile: Profile) -> Result<(), ConfigError> {
        let plain = |text: &str, most: usize| {
            (3..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !plain(&self.client_id, 64) || weakness(&self.client_id).is_some() {
            return Err(ConfigError::new("alipayplus.client_id", "is no client's id"));
        }
        if profile == Profile::Live && self.client_id.starts_with(TEST_CLIENT) {
            return Err(ConfigError::new("alipayplus.client_id", "is of the channel's test environment"));
        }
        if !plain(&self.payment_method, 64) {
            return Err(ConfigError::new("alipayplus.payment_method", "is no way of paying"));
        }
        let body = |pem: &str| pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
        for (field, pem) in [
            ("alipayplus.merchant_private_key_pem", self.merchant_private_key_pem.expose()),
            ("alipayplus.alipay_public_key_pem", &self.alipay_public_key_pem),
        ] {
            if let Some(problem) = weakness(&body(pem)) {
                return Err(ConfigError::new(field, problem));
            }
        }
        if !self.belongs(profile, &self.base_url) {
            return Err(ConfigError::new("alipayplus.base_url", "is not the provider's"));
        }
        if self.page_bases.is_empty() || !self.page_bases.iter().all(|url| self.belongs(profile, url)) {
            return Err(ConfigError::new("alipayplus.page_bases", "is empty or not the provider's"));
        }
        Ok(())
    }

    /// Sandbox: the very origin of the interface. Live: https on the provider's own hosts.
    fn belongs(&self, profile: Profile, url: &Url) -> bool {
        let own =
            |name: &str| DOMAINS.iter().any(|domain| name.strip_suffix(domain).is_some_and(|at| at.ends_with('.')));
        super::allowed(profile, url)
            && match profile {
                Profile::Sandbox => url.origin() == self.base_url.origin(),
                Profile::Live => matches!(url.host(), Some(Host::Domain(name)) if own(name) && url.port().is_none()),
            }
    }
}

/// As given; by default the sandbox's own address, and where money is real the hosts that were seen.
fn page_bases(table: &Value, base_url: &Url) -> Result<Vec<Url>, ConfigError> {
    let refused = || ConfigError::new("alipayplus.page_bases", "is no list of addresses");
    let parse = |text: &str| text.parse().map_err(|_| refused());
    match table.get("page_bases") {
        Some(Value::Array(list)) => list.iter().map(|url| parse(url.as_str().ok_or_else(refused)?)).collect(),
        Some(_) => Err(refused()),
        None if matches!(base_url.host(), Some(Host::Domain(_))) => {
            AlipayPlusConfig::PAGE_BASES.iter().map(|url| parse(url)).collect()
        }
        None => Ok(vec![base_url.clone()]),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::tests::vector;
    use serde_json::json;

    /// A merchant whose key and whose channel's key are the published test keys.
    pub(crate) fn sample(base_url: &str) -> AlipayPlusConfig {
        let base_url: Url = base_url.parse().unwrap();
        AlipayPlusConfig {
            page_bases: page_bases(&json!({}), &base_url).unwrap(),
            base_url,
            client_id: "5YEV2N2ZV8LC00920".to_owned(),
            merchant_private_key_pem: vector("alipay/test_app_private_key_pkcs1.pem").into(),
            alipay_public_key_pem: vector("wechat/java_wechat_pay_public_key.pem"),
            payment_method: AlipayPlusConfig::PAYMENT_METHOD.to_owned(),
        }
    }

    fn refused(profile: Profile, base: &str, change: impl FnOnce(&mut AlipayPlusConfig)) -> String {
        let mut config = sample(base);
        config.check(profile).unwrap();
        change(&mut config);
        config.check(profile).unwrap_err().field().to_owned()
    }

    fn live(change: impl FnOnce(&mut AlipayPlusConfig)) -> String {
        refused(Profile::Live, "https://open-sea-global.alipay.com", change)
    }

    #[test]
    fn wh_08_empty_weak_and_example_values_are_refused_by_name() {
        for odd in ["", "  ", "your_client_id_here", "5YEV2N2ZV8LC00920 ", "x", "xxxxxxxxxxxxxxxxxxxxx"] {
            assert_eq!(live(|config| config.client_id = odd.to_owned()), "alipayplus.client_id", "{odd:?}");
        }
        for odd in ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "changeme-changeme-changeme"] {
            assert_eq!(
                live(|config| config.merchant_private_key_pem = odd.to_owned().into()),
                "alipayplus.merchant_private_key_pem"
            );
            assert_eq!(
                live(|config| config.alipay_public_key_pem = odd.to_owned()),
                "alipayplus.alipay_public_key_pem"
            );
        }
        assert_eq!(live(|config| config.payment_method = "ALIPAY CN".to_owned()), "alipayplus.payment_method");
        assert_eq!(live(|config| config.page_bases.clear()), "alipayplus.page_bases");
        assert!(!format!("{:?}", sample("http://127.0.0.1:1")).contains("PRIVATE KEY"));
    }

    #[test]
    fn real_money_knows_no_test_client_and_no_host_but_the_providers_own() {
        assert_eq!(live(|config| config.client_id.insert_str(0, TEST_CLIENT)), "alipayplus.client_id");
        for bad in [
            "http://open-sea-global.alipay.com",
            "https://open-sea-global.alipay.com.evil.com",
            "https://evilalipay.com",
            "https://open-sea-global.alipay.com:8443",
            "https://user@open-sea-global.alipay.com",
        ] {
            let bad: Url = bad.parse().unwrap();
            assert_eq!(live(|config| config.base_url = bad.clone()), "alipayplus.base_url", "{bad}");
            assert_eq!(live(|config| config.page_bases.push(bad.clone())), "alipayplus.page_bases", "{bad}");
        }
        let elsewhere = |config: &mut AlipayPlusConfig| config.page_bases = vec!["http://127.0.0.1:2".parse().unwrap()];
        assert_eq!(refused(Profile::Sandbox, "http://127.0.0.1:1", elsewhere), "alipayplus.page_bases");
    }

    #[test]
    fn a_file_may_leave_out_where_pages_are_and_how_is_paid() {
        let read = |base: &str, table: Value| {
            AlipayPlusConfig::from_sandbox(&json!({"alipayplus": base}), &json!({"alipayplus": table}))
        };
        let whole =
            json!({"client_id": "5YEV2N2ZV8LC00920", "merchant_private_key_pem": "a", "alipay_public_key_pem": "b"});
        let config = read("https://open-sea-global.alipay.com", whole.clone()).unwrap().unwrap();
        let pages: Vec<String> = config.page_bases.iter().map(|url| url.origin().ascii_serialization()).collect();
        assert_eq!(pages, AlipayPlusConfig::PAGE_BASES);
        assert_eq!(config.payment_method, "ALIPAY_CN");
        let mut other = whole;
        other["page_bases"] = json!(["https://ac.alipay.com"]);
        other["payment_method"] = json!("ALIPAY_HK");
        let config = read("https://open-sea-global.alipay.com", other.clone()).unwrap().unwrap();
        assert_eq!((config.page_bases.len(), config.payment_method.as_str()), (1, "ALIPAY_HK"));
        other["page_bases"] = json!("https://ac.alipay.com");
        assert_eq!(read("https://x.alipay.com", other).unwrap_err().field(), "alipayplus.page_bases");
        assert!(read("https://x.alipay.com", Value::Null).unwrap().is_none());
    }
}
