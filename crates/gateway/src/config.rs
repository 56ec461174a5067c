//! What the gateway is started with: base addresses, merchant identities and their secrets.
//!
//! [`Config::check`] refuses everything a start must refuse; `config/file.rs` reads the file. Deliberately not here: reading
//! the environment, which the caller does.

pub(crate) mod alipay;
pub(crate) mod alipayplus;
mod caps;
mod credit;
mod daily;
mod file;
mod instalments;
mod paypal;
mod rest;
mod settlement;
mod stripe;
mod wechatpay;

pub use alipay::{AlipayConfig, AlipayKeys, AlipayPresents};
pub use alipayplus::AlipayPlusConfig;
pub use caps::CapConfig;
pub use credit::CreditConfig;
pub(crate) use credit::id as credit_id;
pub use daily::DailyConfig;
pub use instalments::InstalmentConfig;
pub use paypal::PaypalConfig;
pub use rest::RestConfig;
#[cfg(test)]
pub(crate) use rest::tests::sample as rest_sample;
pub use settlement::SettlementConfig;
#[cfg(any(test, fuzzing))]
pub(crate) use stripe::tests::sample as stripe_sample;
pub use stripe::{
    StripeConfig,
    methods::{StripeMethod, StripeMethodConfig},
};
pub use wechatpay::{WechatConfig, WechatPresents};

#[cfg(test)]
pub(crate) use paypal::tests as paypal_tests;

use crate::secret::{Sensitive, weakness};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use url::{Host, Url};
use zhiyou_domain::{money::Currency, port::payments::Channel, routing::Weights};

/// Which world the credentials belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The sandbox on this machine: loopback http, and nothing else.
    Sandbox,
    /// Real providers and real money: https only, live keys only.
    Live,
}

/// Everything the gateway needs to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of `gateway.db` and of the remembered port; created when missing.
    pub data_dir: PathBuf,
    /// Which world.
    pub profile: Profile,
    /// Duffel account.
    pub duffel: DuffelConfig,
    /// Viator partner account.
    pub viator: ViatorConfig,
    /// WeChat Pay merchant.
    pub wechatpay: WechatConfig,
    /// Alipay merchant, if there is one.
    pub alipay: Option<AlipayConfig>,
    /// Stripe account, if there is one.
    pub stripe: Option<StripeConfig>,
    /// PayPal merchant, if there is one.
    pub paypal: Option<PaypalConfig>,
    /// Alipay+ merchant, if there is one.
    pub alipayplus: Option<AlipayPlusConfig>,
    /// Member platforms whose profile resource may be read with a traveller's token.
    pub member_platforms: Vec<MemberPlatformConfig>,
    /// Address under which providers reach the inbox; the loopback listener when absent, which only the sandbox can use.
    pub public_url: Option<Url>,
    /// Bearer token of the streamable HTTP MCP endpoints; they are not served without one.
    pub mcp_http_token: Option<Sensitive<String>>,
    /// The REST surface; not served without it.
    pub rest: Option<RestConfig>,
    /// What we allow ourselves to charge; without an entry a channel has no cap.
    pub caps: Vec<CapConfig>,
    /// What channels pay us out in; without an entry a channel pays out what it charged.
    pub settlements: Vec<SettlementConfig>,
    /// Which channels offer instalments; without an entry a channel does not.
    pub instalments: Vec<InstalmentConfig>,
    /// Codes travellers can pay a part by.
    pub credits: Vec<CreditConfig>,
    /// How much each consideration counts when a channel is recommended; the usual weights where there are none.
    pub weights: Option<Weights>,
    /// When book and bills are compared without being asked; never without it.
    pub daily_reconciliation: Option<DailyConfig>,
    /// How patient the outgoing client is.
    pub http: HttpConfig,
}

/// How patient the outgoing client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Longest wait for the answer to an effect; its outcome is unknown afterwards. At most 30 seconds.
    pub timeout: Duration,
    /// How often a question that met no answer is asked again. An effect is never sent twice by the client.
    pub read_retries: u8,
}

impl Default for HttpConfig {
    /// As the sandbox is used: a planted fault is seen where it was planted.
    fn default() -> Self {
        Self { timeout: crate::http::TIMEOUT, read_retries: 0 }
    }
}

/// A Duffel account.
#[derive(Debug, Clone)]
pub struct DuffelConfig {
    /// `https://api.duffel.com`, or the sandbox's port.
    pub base_url: Url,
    /// `duffel_test_…` or `duffel_live_…`.
    pub token: Sensitive<String>,
}

/// A Viator merchant partner account.
#[derive(Debug, Clone)]
pub struct ViatorConfig {
    /// `https://api.viator.com/partner`, or the sandbox's port.
    pub base_url: Url,
    /// The partner's API key.
    pub api_key: Sensitive<String>,
}

/// A key of the payment platform.
#[derive(Debug, Clone)]
pub struct PlatformKeyConfig {
    /// `PUB_KEY_ID_…`, or the hex serial of a platform certificate.
    pub serial: String,
    /// PEM of a public key or of a certificate.
    pub pem: String,
}

/// A platform with member profiles.
#[derive(Debug, Clone)]
pub struct MemberPlatformConfig {
    /// Platform id, e.g. `zz-club`.
    pub id: String,
    /// Where its protected resources are; the traveller's token goes to this host and to no other.
    pub resource_base: Url,
}

/// Why a configuration was refused. The text names the field and never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct ConfigError {
    field: String,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// Name of the refused field, e.g. `wechatpay.apiv3_key`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl Config {
    /// Builds the sandbox profile from the JSON the sandbox announces and the JSON of its `GET /credentials`.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that is missing or refused.
    pub fn from_sandbox(data_dir: PathBuf, announcement: &Value, credentials: &Value) -> Result<Self, ConfigError> {
        let address = |name: &str| url(announcement, name);
        let secret = |path: &str| text(credentials, path).map(Sensitive::new);
        let config = Self {
            data_dir,
            profile: Profile::Sandbox,
            duffel: DuffelConfig { base_url: address("duffel")?, token: secret("duffel.token")? },
            viator: ViatorConfig { base_url: address("viator")?, api_key: secret("viator.key")? },
            wechatpay: WechatConfig {
                base_url: address("wechatpay")?,
                appid: text(credentials, "wechatpay.appid")?,
                mchid: text(credentials, "wechatpay.mchid")?,
                merchant_serial: text(credentials, "wechatpay.merchant_serial")?,
                merchant_private_key_pem: secret("wechatpay.merchant_private_key_pem")?,
                apiv3_key: secret("wechatpay.apiv3_key")?,
                platform_keys: vec![
                    platform_key(credentials, "wechatpay.platform_public_key_id", "wechatpay.platform_public_key_pem")?,
                    platform_key(
                        credentials,
                        "wechatpay.platform_certificate_serial",
                        "wechatpay.platform_certificate_pem",
                    )?,
                ],
                experience: false,
                presents: WechatPresents::from_sandbox(credentials)?,
            },
            alipay: AlipayConfig::from_sandbox(announcement, credentials)?,
            stripe: StripeConfig::from_sandbox(announcement, credentials)?,
            paypal: PaypalConfig::from_sandbox(announcement, credentials)?,
            alipayplus: AlipayPlusConfig::from_sandbox(announcement, credentials)?,
            member_platforms: vec![MemberPlatformConfig {
                id: text(credentials, "oauth.platform")?,
                resource_base: address("oauth")?,
            }],
            public_url: None,
            mcp_http_token: None,
            rest: None,
            caps: Vec::new(),
            settlements: Vec::new(),
            instalments: instalments::of_sandbox(),
            credits: credit::of_sandbox()?,
            weights: None,
            daily_reconciliation: None,
            http: HttpConfig::default(),
        };
        config.check()?;
        Ok(config)
    }

    /// Refuses what no start may use: weak secrets, a sandbox key in the live profile or the reverse, and every address
    /// the profile does not allow.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_addresses()?;
        let kind = match self.profile {
            Profile::Sandbox => "duffel_test_",
            Profile::Live => "duffel_live_",
        };
        let token = self.duffel.token.expose().strip_prefix(kind);
        strong("duffel.token", token.ok_or_else(|| ConfigError::new("duffel.token", "is not a key of this profile"))?)?;
        strong("viator.api_key", self.viator.api_key.expose())?;
        if let Some(token) = &self.mcp_http_token {
            strong("mcp_http_token", token.expose())?;
        }
        self.wechatpay.check()?;
        if self.rest.is_some() && !matches!(self.wechatpay.presents, WechatPresents::Qr) {
            return Err(ConfigError::new("rest", "shows codes to scan: wechatpay.presents has to be qr"));
        }
        self.check_limits()?;
        self.rest.as_ref().map_or(Ok(()), |rest| rest.check(self.profile))?;
        self.alipay.as_ref().map_or(Ok(()), |channel| channel.check(self.profile))?;
        self.stripe.as_ref().map_or(Ok(()), |channel| channel.check(self.profile))?;
        self.paypal.as_ref().map_or(Ok(()), |channel| channel.check(self.profile))?;
        self.alipayplus.as_ref().map_or(Ok(()), |channel| channel.check(self.profile))
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        if self.http.timeout.is_zero() || self.http.timeout > Duration::from_secs(30) {
            return Err(ConfigError::new("http.timeout_ms", "is not between 1 and 30000"));
        }
        if self.http.read_retries > 3 {
            return Err(ConfigError::new("http.read_retries", "is more than 3"));
        }
        settlement::check(&self.settlements)?;
        instalments::check(&self.instalments)?;
        self.check_paying_off()?;
        credit::check(&self.credits)?;
        self.daily_reconciliation.map_or(Ok(()), DailyConfig::check)?;
        if self.weights.is_some_and(|weights| weights.success_min > 100 || weights.fee < 0) {
            return Err(ConfigError::new("weights", "asks for more than every payment, or for dear channels"));
        }
        caps::check(&self.caps)
    }

    /// Instalments at Stripe need a way to pay that knows them.
    fn check_paying_off(&self) -> Result<(), ConfigError> {
        let offered = self.instalments.iter().find(|offer| offer.channel == Channel::Stripe);
        let Some((offer, account)) = offered.zip(self.stripe.as_ref()) else { return Ok(()) };
        let able = |one: &StripeMethodConfig| one.method.pays_off() && one.currencies.contains(&offer.currency);
        if account.methods.iter().any(able) {
            return Ok(());
        }
        Err(ConfigError::new("instalments.stripe", "need a way to pay that can be paid off in this currency"))
    }

    /// What a channel pays out in, where that is said.
    pub(crate) fn pays_out(&self, channel: Channel) -> Option<Currency> {
        self.settlements.iter().find(|found| found.channel == channel).map(|found| found.currency)
    }

    /// Every cap that is enforced: the configured ones and those of the experience mode.
    ///
    /// # Errors
    /// [`ConfigError`] never for a configuration that passed [`Config::check`].
    pub fn enforced_caps(&self) -> Result<Vec<CapConfig>, ConfigError> {
        let mut caps = self.caps.clone();
        if self.wechatpay.experience {
            caps.push(CapConfig::experience()?);
        }
        Ok(caps)
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let mut addresses = vec![
            ("duffel.base_url", &self.duffel.base_url),
            ("viator.base_url", &self.viator.base_url),
            ("wechatpay.base_url", &self.wechatpay.base_url),
        ];
        addresses.extend(self.alipay.iter().map(|channel| ("alipay.base_url", &channel.base_url)));
        addresses.extend(self.stripe.iter().map(|channel| ("stripe.base_url", &channel.base_url)));
        addresses.extend(self.paypal.iter().map(|channel| ("paypal.base_url", &channel.base_url)));
        addresses.extend(self.alipayplus.iter().map(|channel| ("alipayplus.base_url", &channel.base_url)));
        addresses.extend(
            self.member_platforms.iter().map(|platform| ("member_platforms.resource_base", &platform.resource_base)),
        );
        addresses.extend(self.public_url.iter().map(|url| ("public_url", url)));
        for (field, url) in addresses {
            if !allowed(self.profile, url) {
                return Err(ConfigError::new(field, "is not an address this profile may use"));
            }
        }
        if self.profile == Profile::Live && self.public_url.is_none() {
            return Err(ConfigError::new("public_url", "is missing: providers could not reach the inbox"));
        }
        Ok(())
    }
}

fn strong(field: &str, value: &str) -> Result<(), ConfigError> {
    weakness(value).map_or(Ok(()), |problem| Err(ConfigError::new(field, problem)))
}

/// Sandbox: http on a loopback address. Live: https on a named host. Never user info, query or fragment.
fn allowed(profile: Profile, url: &Url) -> bool {
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    plain
        && match profile {
            Profile::Sandbox => url.scheme() == "http" && loopback,
            Profile::Live => {
                url.scheme() == "https" && matches!(url.host(), Some(Host::Domain(name)) if name != "localhost")
            }
        }
}

fn text(json: &Value, path: &str) -> Result<String, ConfigError> {
    let found = path.split('.').try_fold(json, |at, name| at.get(name)).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| ConfigError::new(path, "is missing"))
}

fn url(json: &Value, path: &str) -> Result<Url, ConfigError> {
    text(json, path)?.parse().map_err(|_| ConfigError::new(path, "is not an address"))
}

fn platform_key(json: &Value, serial: &str, pem: &str) -> Result<PlatformKeyConfig, ConfigError> {
    Ok(PlatformKeyConfig { serial: text(json, serial)?, pem: text(json, pem)? })
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests {
    use super::*;
    #[cfg(test)]
    use crate::defence::{Defence, without};
    use serde_json::json;

    pub(crate) const APIV3_KEY: &str = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb";

    pub(crate) fn vector(path: &str) -> String {
        std::fs::read_to_string(format!("{}/../../vectors/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// A sandbox configuration whose platform keys are the published test keys.
    pub(crate) fn sample(data_dir: PathBuf, duffel: &str, wechatpay: &str) -> Config {
        let announcement = json!({
            "duffel": duffel, "viator": "http://127.0.0.1:9", "wechatpay": wechatpay, "oauth": "http://127.0.0.1:9",
        });
        Config::from_sandbox(data_dir, &announcement, &credentials()).unwrap()
    }

    fn credentials() -> Value {
        json!({
            "duffel": {"token": "duffel_test_c0ffee5Qr8Zt1WmXy7Kb2Nd"},
            "viator": {"key": "c0ffee5Qr8Zt1WmXy7Kb2Nd"},
            "wechatpay": {
                "appid": "wxd678efh567hg6787", "mchid": "1900000109",
                "merchant_serial": "5F1C72E2A8931B72A2E13AF8DEE92471EB397115",
                "merchant_private_key_pem": vector("wechat/java_merchant_private_key.pem"),
                "apiv3_key": APIV3_KEY,
                "platform_public_key_id": "PUB_KEY_ID_0119000001092026112000382000000001",
                "platform_public_key_pem": vector("wechat/java_wechat_pay_public_key.pem"),
                "platform_certificate_serial": "D7CE59D1F522D701",
                "platform_certificate_pem": vector("wechat/platform_cert_D7CE59D1F522D701.pem"),
            },
            "oauth": {"platform": "zz-club"},
        })
    }

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = sample("unused".into(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        change(&mut config);
        config.check().unwrap_err().field().to_owned()
    }

    fn live(config: &mut Config) {
        config.profile = Profile::Live;
        config.duffel.base_url = "https://api.duffel.com".parse().unwrap();
        config.duffel.token = Sensitive::new("duffel_live_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned());
        config.viator.base_url = "https://api.viator.com/partner".parse().unwrap();
        config.wechatpay.base_url = "https://api.mch.weixin.qq.com".parse().unwrap();
        config.member_platforms.clear();
        config.public_url = Some("https://gw.zhiyou.cn".parse().unwrap());
    }

    #[test]
    fn weak_secrets_are_refused_by_name() {
        for weak in ["", "changeme", "duffel_test_", "duffel_test_test", "duffel_test_placeholder_placeholder"] {
            assert_eq!(refused(|config| config.duffel.token = weak.to_owned().into()), "duffel.token", "{weak:?}");
        }
        for weak in [
            "",
            "a7cde1ZJB1kG2e7VfTs3jQzaWizur8G",
            "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gbb",
            "changemechangemechangemechangeme",
        ] {
            assert_eq!(refused(|config| config.wechatpay.apiv3_key = weak.to_owned().into()), "wechatpay.apiv3_key");
        }
        let starts = |key: &str| {
            let mut config = sample("unused".into(), "http://127.0.0.1:1", "http://127.0.0.1:2");
            config.wechatpay.apiv3_key = key.to_owned().into();
            config.check().is_ok()
        };
        assert!(without(Defence::StrongSecret, || starts("changemechangemechangemechangeme")));
        assert!(without(Defence::KeyLength, || starts("a7cde1ZJB1kG2e7VfTs3jQzaWizur8G")));
    }

    #[test]
    fn the_sandbox_profile_talks_to_loopback_only() {
        for address in [
            "http://example.com",
            "https://api.duffel.com",
            "http://127.0.0.1.evil.cn",
            "http://10.0.0.1:80",
            "http://u:p@127.0.0.1",
        ] {
            assert_eq!(
                refused(|config| config.duffel.base_url = address.parse().unwrap()),
                "duffel.base_url",
                "{address}"
            );
        }
    }

    #[test]
    fn the_live_profile_takes_neither_plain_http_nor_a_sandbox_key() {
        let mut config = sample("unused".into(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        live(&mut config);
        config.check().unwrap();
        let refused_live = |change: fn(&mut Config)| {
            refused(|config| {
                live(config);
                change(config);
            })
        };
        assert_eq!(
            refused_live(|config| config.wechatpay.base_url = "http://127.0.0.1:2".parse().unwrap()),
            "wechatpay.base_url"
        );
        assert_eq!(
            refused_live(|config| config.wechatpay.base_url = "http://api.mch.weixin.qq.com".parse().unwrap()),
            "wechatpay.base_url"
        );
        assert_eq!(
            refused_live(|config| config.duffel.token = "duffel_test_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into()),
            "duffel.token"
        );
        assert_eq!(refused_live(|config| config.public_url = None), "public_url");
    }

    #[test]
    fn a_configuration_shows_no_secret() {
        let shown = format!("{:?}", sample("unused".into(), "http://127.0.0.1:1", "http://127.0.0.1:2"));
        for secret in ["c0ffee5Qr8Zt1WmXy7Kb2Nd", APIV3_KEY, "BEGIN PRIVATE KEY"] {
            assert!(!shown.contains(secret));
        }
    }
}
