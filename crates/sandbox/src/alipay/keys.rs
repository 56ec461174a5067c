//! What the merchant's console shows: application, account, keys of both modes and the certificates with their names.
//!
//! Deliberately not here: how they sign.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keys::{KeyError, digits, issued, private_pem, public_pem, rsa};

const ROOT: [&str; 4] = ["CN", "Zhiyou Sandbox", "Certification Authority", "Sandbox Pay Root R1"];

/// The merchant and the channel, as the console knows them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(super) app_id: String,
    pub(super) seller_id: String,
    pub(super) app_private_key_pem: String,
    pub(super) app_public_key_pem: String,
    pub(super) alipay_public_key_pem: String,
    pub(super) alipay_private_key_pem: String,
    pub(super) app_certificate_pem: String,
    pub(super) alipay_certificate_pem: String,
    pub(super) root_certificate_pem: String,
    pub(super) app_cert_sn: String,
    pub(super) alipay_cert_sn: String,
    pub(super) alipay_root_cert_sn: String,
}

impl Credentials {
    /// Three RSA keys and three certificates; the root's own key is forgotten again.
    pub(crate) fn make() -> Result<Self, KeyError> {
        let (app, alipay, root) = (rsa()?, rsa()?, rsa()?);
        let root_private = private_pem(&root)?;
        let numbers = [number()?, number()?, number()?];
        let [root_number, app_number, alipay_number] = numbers;
        let certificate = |subject: [&str; 4], private: &str, serial: u64| {
            issued(subject, private, (ROOT, &root_private), &serial.to_be_bytes())
        };
        let app_private_key_pem = private_pem(&app)?;
        let alipay_private_key_pem = private_pem(&alipay)?;
        let app_id = format!("20210034{}", digits(8)?);
        let seller_id = format!("20885318{}", digits(8)?);
        let app_subject = format!("{seller_id}-{app_id}");
        Ok(Self {
            app_certificate_pem: certificate(
                ["CN", "智游旅行", "Alipay", &app_subject],
                &app_private_key_pem,
                app_number,
            )?,
            alipay_certificate_pem: certificate(
                ["CN", "Zhiyou Sandbox", "Alipay", "Sandbox Pay"],
                &alipay_private_key_pem,
                alipay_number,
            )?,
            root_certificate_pem: certificate(ROOT, &root_private, root_number)?,
            // All three are issued by the root.
            app_cert_sn: name(ROOT, app_number),
            alipay_cert_sn: name(ROOT, alipay_number),
            alipay_root_cert_sn: name(ROOT, root_number),
            app_public_key_pem: public_pem(&app)?,
            alipay_public_key_pem: public_pem(&alipay)?,
            app_id,
            seller_id,
            app_private_key_pem,
            alipay_private_key_pem,
        })
    }

    /// As `GET /credentials` shows them: everything but the channel's private key.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "app_id": self.app_id,
            "seller_id": self.seller_id,
            "app_private_key_pem": self.app_private_key_pem,
            "app_public_key_pem": self.app_public_key_pem,
            "alipay_public_key_pem": self.alipay_public_key_pem,
            "app_certificate_pem": self.app_certificate_pem,
            "alipay_certificate_pem": self.alipay_certificate_pem,
            "root_certificate_pem": self.root_certificate_pem,
        })
    }
}

/// A certificate's number, which starts with a digit that is not zero.
fn number() -> Result<u64, KeyError> {
    format!("1{}", digits(17)?).parse().map_err(|_| KeyError::Crypto)
}

/// A certificate's name: MD5 of its issuer, the innermost part first, and its number in decimal.
fn name(issuer: [&str; 4], number: u64) -> String {
    let [country, organization, unit, common] = issuer;
    hex::encode(Md5::digest(format!("CN={common},OU={unit},O={organization},C={country}{number}")))
}
