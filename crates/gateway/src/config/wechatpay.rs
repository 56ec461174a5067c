//! What the WeChat Pay channel is started with.
//!
//! Deliberately not here: reading files or the environment, which the caller does.

use super::{ConfigError, PlatformKeyConfig, strong};
use crate::{
    defence::{Defence, off},
    secret::Sensitive,
};
use serde_json::Value;
use std::net::IpAddr;
use url::Url;

/// Longest openid, bytes.
const OPENID_BYTES_MAX: usize = 128;

/// A WeChat Pay direct merchant.
#[derive(Debug, Clone)]
pub struct WechatConfig {
    /// `https://api.mch.weixin.qq.com`, or the sandbox's port.
    pub base_url: Url,
    /// Application the payer sees.
    pub appid: String,
    /// Merchant number.
    pub mchid: String,
    /// Hex serial of the merchant certificate.
    pub merchant_serial: String,
    /// The merchant's private key, PKCS#8 PEM.
    pub merchant_private_key_pem: Sensitive<String>,
    /// The APIv3 key: exactly 32 bytes.
    pub apiv3_key: Sensitive<String>,
    /// Keys that sign the channel's answers and notifications; the first one is asked for in requests.
    pub platform_keys: Vec<PlatformKeyConfig>,
    /// Experience mode: 100 yuan a payment, 1,000 a day, and every payment is given back within 24 hours.
    pub experience: bool,
    /// How the payer pays.
    pub presents: WechatPresents,
}

/// How the payer pays.
#[derive(Debug, Clone)]
pub enum WechatPresents {
    /// A code to scan.
    Qr,
    /// The channel's page in a phone's browser.
    H5 {
        /// The payer's address, which the channel compares with that of the browser its page is opened in.
        payer_client_ip: IpAddr,
    },
    /// Inside of WeChat, where the payer is known by an openid.
    Jsapi {
        /// The payer's openid under the application; personal, and told to the channel alone.
        openid: Sensitive<String>,
    },
    /// In the WeChat app, by its SDK.
    App,
}

impl WechatPresents {
    /// From the sandbox's credentials, in the words of a file.
    pub(super) fn from_sandbox(credentials: &Value) -> Result<Self, ConfigError> {
        let word = |name: &str| credentials["wechatpay"][name].as_str();
        let ip = word("payer_client_ip").map(str::parse).transpose();
        let ip = ip.map_err(|_| ConfigError::new("wechatpay.payer_client_ip", "is no address of a computer"))?;
        Self::of_words(word("presents"), ip, word("openid").map(|openid| openid.to_owned().into()))
    }

    /// From the words of a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is missing, unknown, or there without a use.
    pub(super) fn of_words(
        presents: Option<&str>,
        payer_client_ip: Option<IpAddr>,
        openid: Option<Sensitive<String>>,
    ) -> Result<Self, ConfigError> {
        let missing = |field: &str| ConfigError::new(field, "is missing");
        let unused = |field: &str| Err(ConfigError::new(field, "has no use with this wechatpay.presents"));
        let (ip, id) = ("wechatpay.payer_client_ip", "wechatpay.openid");
        match (presents.unwrap_or("qr"), payer_client_ip, openid) {
            ("h5", None, _) => Err(missing(ip)),
            ("h5", Some(payer_client_ip), None) => Ok(Self::H5 { payer_client_ip }),
            ("jsapi", _, None) => Err(missing(id)),
            ("jsapi", None, Some(openid)) => Ok(Self::Jsapi { openid }),
            ("qr", None, None) => Ok(Self::Qr),
            ("app", None, None) => Ok(Self::App),
            ("qr" | "app" | "jsapi", Some(_), _) => unused(ip),
            ("qr" | "app" | "h5", _, Some(_)) => unused(id),
            _ => Err(ConfigError::new("wechatpay.presents", "is not qr, h5, jsapi or app")),
        }
    }
}

impl WechatConfig {
    /// Refuses what no start may use; whether an address is allowed at all is checked by the caller.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        strong("wechatpay.apiv3_key", self.apiv3_key.expose())?;
        if self.apiv3_key.expose().len() != 32 && !off(Defence::KeyLength) {
            return Err(ConfigError::new("wechatpay.apiv3_key", "is not 32 bytes long"));
        }
        for (field, value) in [
            ("wechatpay.appid", &self.appid),
            ("wechatpay.mchid", &self.mchid),
            ("wechatpay.merchant_serial", &self.merchant_serial),
        ] {
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ConfigError::new(field, "is empty or not plain letters and digits"));
            }
        }
        if let WechatPresents::Jsapi { openid } = &self.presents {
            let openid = openid.expose();
            let plain = openid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if openid.is_empty() || openid.len() > OPENID_BYTES_MAX || !plain {
                return Err(ConfigError::new("wechatpay.openid", "is no openid"));
            }
        }
        if self.platform_keys.is_empty() {
            return Err(ConfigError::new("wechatpay.platform_keys", "is empty"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, in a word, or the key that was refused.
    fn read(presents: Option<&str>, ip: Option<&str>, openid: Option<&str>) -> String {
        let openid = openid.map(|text| text.to_owned().into());
        match WechatPresents::of_words(presents, ip.map(|text| text.parse().unwrap()), openid) {
            Ok(WechatPresents::Qr) => "code".to_owned(),
            Ok(WechatPresents::H5 { payer_client_ip }) => payer_client_ip.to_string(),
            Ok(WechatPresents::Jsapi { openid }) => openid.expose().clone(),
            Ok(WechatPresents::App) => "sdk".to_owned(),
            Err(error) => error.field().to_owned(),
        }
    }

    #[test]
    fn how_a_payer_pays_is_named_with_all_it_needs_and_nothing_else() {
        let (ip, id) = (Some("203.0.113.7"), Some("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"));
        for (presents, ip, id, wanted) in [
            (None, None, None, "code"),
            (Some("qr"), None, None, "code"),
            (Some("h5"), ip, None, "203.0.113.7"),
            (Some("jsapi"), None, id, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
            (Some("app"), None, None, "sdk"),
            (Some("h5"), None, None, "wechatpay.payer_client_ip"),
            (Some("jsapi"), None, None, "wechatpay.openid"),
            (Some("h5"), ip, id, "wechatpay.openid"),
            (Some("jsapi"), ip, id, "wechatpay.payer_client_ip"),
            (Some("app"), ip, None, "wechatpay.payer_client_ip"),
            (None, None, id, "wechatpay.openid"),
            (Some("native"), None, None, "wechatpay.presents"),
        ] {
            assert_eq!(read(presents, ip, id), wanted, "{presents:?}");
        }
    }
}
