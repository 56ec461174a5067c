//! What the Alipay channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

use super::{ConfigError, Profile};
use crate::secret::{Sensitive, weakness};
use serde_json::Value;
use url::{Host, Url};

/// Length of the channel's numbers of applications and of accounts.
const NUMBER_DIGITS: usize = 16;
/// Every account's number begins so.
const ACCOUNT_PREFIX: &str = "2088";
/// The provider's own test environments are under this name.
const TEST_DOMAIN: &str = "alipaydev.com";

/// An Alipay merchant.
#[derive(Debug, Clone)]
pub struct AlipayConfig {
    /// `https://openapi.alipay.com`, or the sandbox's port; the gateway is `/gateway.do` under it.
    pub base_url: Url,
    /// Application the payer sees.
    pub app_id: String,
    /// The merchant's account, which receives the money.
    pub seller_id: String,
    /// The application's private key, PKCS#8 or PKCS#1 PEM.
    pub app_private_key_pem: Sensitive<String>,
    /// What proves the channel's answers and notices.
    pub keys: AlipayKeys,
    /// How the payer pays.
    pub presents: AlipayPresents,
}

/// What proves the channel's answers and notices.
#[derive(Debug, Clone)]
pub enum AlipayKeys {
    /// Public-key mode.
    PublicKey {
        /// The channel's public key, PEM; not the application's.
        pem: String,
    },
    /// Certificate mode.
    Certificates {
        /// The application's certificate, PEM.
        app_pem: String,
        /// The root file as downloaded, PEM; only RSA certificates in it are used.
        root_pem: String,
        /// The channel's certificates, PEM; a second one while the channel changes them.
        alipay_pems: Vec<String>,
    },
}

/// How the payer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlipayPresents {
    /// A code to scan.
    Qr,
    /// The channel's page for computers.
    Page,
    /// The channel's page for phones.
    PhonePage,
    /// The channel's app, by its SDK.
    App,
}

impl AlipayConfig {
    /// Keys of a file's table, beside the address: what the sandbox's credentials hold, and how a payer pays.
    pub(super) const KEYS: [&str; 9] = [
        "app_id",
        "seller_id",
        "app_private_key_pem",
        "app_public_key_pem",
        "alipay_public_key_pem",
        "app_certificate_pem",
        "alipay_certificate_pem",
        "root_certificate_pem",
        "presents",
    ];

    /// From the sandbox's announcement and credentials, or from the two halves of a file's table; none when there is no such
    /// channel. With the channel's public key there need be no certificates.
    pub(super) fn from_sandbox(announcement: &Value, credentials: &Value) -> Result<Option<Self>, ConfigError> {
        if credentials.get("alipay").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let text = |name: &str| super::text(credentials, &format!("alipay.{name}"));
        Ok(Some(Self {
            base_url: super::url(announcement, "alipay")?,
            app_id: text("app_id")?,
            seller_id: text("seller_id")?,
            app_private_key_pem: text("app_private_key_pem")?.into(),
            keys: match text("alipay_public_key_pem") {
                Ok(pem) => AlipayKeys::PublicKey { pem },
                Err(missing) if text("app_certificate_pem").is_err() => return Err(missing),
                Err(_) => AlipayKeys::Certificates {
                    app_pem: text("app_certificate_pem")?,
                    root_pem: text("root_certificate_pem")?,
                    alipay_pems: vec![text("alipay_certificate_pem")?],
                },
            },
            presents: match credentials["alipay"].get("presents").map(Value::as_str) {
                None | Some(Some("qr")) => AlipayPresents::Qr,
                Some(Some("page")) => AlipayPresents::Page,
                Some(Some("phone_page")) => AlipayPresents::PhonePage,
                Some(Some("app")) => AlipayPresents::App,
                Some(_) => return Err(ConfigError::new("alipay.presents", "is not qr, page, phone_page or app")),
            },
        }))
    }

    /// Refuses what no start may use; whether an address is allowed at all is checked by the caller.
    pub(super) fn check(&self, profile: Profile) -> Result<(), ConfigError> {
        if !plausible(&self.app_id) {
            return Err(ConfigError::new("alipay.app_id", "is no application's number"));
        }
        if !plausible(&self.seller_id) || !self.seller_id.starts_with(ACCOUNT_PREFIX) {
            return Err(ConfigError::new("alipay.seller_id", "is no account's number"));
        }
        let test_host = match self.base_url.host() {
            Some(Host::Domain(name)) => name == TEST_DOMAIN || name.ends_with(&format!(".{TEST_DOMAIN}")),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => false,
        };
        if profile == Profile::Live && test_host {
            return Err(ConfigError::new("alipay.base_url", "is the channel's test environment"));
        }
        let body = |pem: &str| pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
        let filled = |field: &str, pem: &str| match weakness(&body(pem)) {
            Some(problem) => Err(ConfigError::new(field, problem)),
            None => Ok(()),
        };
        filled("alipay.app_private_key_pem", self.app_private_key_pem.expose())?;
        match &self.keys {
            AlipayKeys::PublicKey { pem } => filled("alipay.alipay_public_key_pem", pem),
            AlipayKeys::Certificates { app_pem, root_pem, alipay_pems } => {
                filled("alipay.app_certificate_pem", app_pem)?;
                filled("alipay.root_certificate_pem", root_pem)?;
                if alipay_pems.is_empty() {
                    return Err(ConfigError::new("alipay.alipay_certificate_pem", "is empty"));
                }
                alipay_pems.iter().try_for_each(|pem| filled("alipay.alipay_certificate_pem", pem))
            }
        }
    }
}

/// Sixteen digits, and not the same few over and over, as in an example.
fn plausible(number: &str) -> bool {
    let mut digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let whole = digits.len() == NUMBER_DIGITS && number.len() == NUMBER_DIGITS;
    digits.sort_unstable();
    digits.dedup();
    whole && digits.len() > 3
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests {
    use super::*;
    use crate::config::tests::vector;

    /// A merchant whose application key and channel key are the published test keys.
    pub(crate) fn sample(base_url: &str) -> AlipayConfig {
        AlipayConfig {
            base_url: base_url.parse().unwrap(),
            app_id: "2021000122671080".to_owned(),
            seller_id: "2088531891668739".to_owned(),
            app_private_key_pem: vector("alipay/test_app_private_key_pkcs1.pem").into(),
            keys: AlipayKeys::PublicKey { pem: vector("wechat/java_wechat_pay_public_key.pem") },
            presents: AlipayPresents::Qr,
        }
    }

    fn refused(profile: Profile, change: impl FnOnce(&mut AlipayConfig)) -> String {
        let mut config = sample("https://openapi.alipay.com");
        config.check(profile).unwrap();
        change(&mut config);
        config.check(profile).unwrap_err().field().to_owned()
    }

    #[test]
    fn wh_08_empty_weak_and_example_values_are_refused_by_name() {
        for odd in ["", "123", "2021000122671080 ", "0000000000000000", "your-app-id-here", "20210001226710801"] {
            assert_eq!(refused(Profile::Live, |config| config.app_id = odd.to_owned()), "alipay.app_id", "{odd:?}");
        }
        for odd in ["", "2021000122671080", "2088000000000000", "seller@example.cn"] {
            assert_eq!(
                refused(Profile::Live, |config| config.seller_id = odd.to_owned()),
                "alipay.seller_id",
                "{odd:?}"
            );
        }
        for odd in ["", "  ", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "changeme-changeme-changeme"]
        {
            let field = refused(Profile::Live, |config| config.app_private_key_pem = odd.to_owned().into());
            assert_eq!(field, "alipay.app_private_key_pem", "{odd:?}");
            let field = refused(Profile::Live, |config| config.keys = AlipayKeys::PublicKey { pem: odd.to_owned() });
            assert_eq!(field, "alipay.alipay_public_key_pem", "{odd:?}");
        }
        let certificates = |app: &str, root: &str, alipay: &[&str]| AlipayKeys::Certificates {
            app_pem: app.to_owned(),
            root_pem: root.to_owned(),
            alipay_pems: alipay.iter().map(|&pem| pem.to_owned()).collect(),
        };
        let good = vector("alipay/alipayCertPublicKey_RSA2.crt");
        for (keys, field) in [
            (certificates("", &good, &[&good]), "alipay.app_certificate_pem"),
            (certificates(&good, "", &[&good]), "alipay.root_certificate_pem"),
            (certificates(&good, &good, &[]), "alipay.alipay_certificate_pem"),
            (certificates(&good, &good, &[&good, ""]), "alipay.alipay_certificate_pem"),
        ] {
            assert_eq!(refused(Profile::Live, |config| config.keys = keys), field);
        }
    }

    #[test]
    fn the_live_profile_does_not_take_the_channels_test_environment() {
        for host in
            ["https://openapi-sandbox.dl.alipaydev.com", "https://openapi.alipaydev.com", "https://alipaydev.com"]
        {
            assert_eq!(refused(Profile::Live, |config| config.base_url = host.parse().unwrap()), "alipay.base_url");
        }
    }

    #[test]
    fn a_configuration_shows_no_private_key() {
        assert!(!format!("{:?}", sample("https://openapi.alipay.com")).contains("PRIVATE KEY"));
    }
}
