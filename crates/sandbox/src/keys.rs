//! What a merchant's console would show: keys, certificates, tokens and secrets, made at the first start and kept.
//!
//! Private keys and secrets live in `credentials.json` (0600) beside the book. Deliberately not here: how a provider
//! signs with them.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::{alipay, alipayplus, paypal, stripe};

/// The validity the platform certificate states.
pub(crate) const CERTIFICATE_VALID: (&str, &str) = ("2024-01-01T08:00:00+08:00", "2044-01-01T08:00:00+08:00");

/// Keys could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library refused.
    #[error("a key could not be made")]
    Crypto,
    /// The certificate could not be written.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The file could not be read or written.
    #[error("the credentials file could not be read or written")]
    File(#[from] std::io::Error),
    /// The file is not what this version writes.
    #[error("the credentials file is damaged")]
    Damaged(#[from] serde_json::Error),
}

/// Everything that must survive a restart for old requests and signatures to stay valid.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) duffel_token: String,
    pub(crate) duffel_webhook_secret: String,
    /// Absent in a folder made before this supplier was known; made then.
    #[serde(default)]
    pub(crate) viator_key: String,
    pub(crate) appid: String,
    pub(crate) mchid: String,
    pub(crate) merchant_serial: String,
    pub(crate) merchant_private_key_pem: String,
    pub(crate) apiv3_key: String,
    pub(crate) platform_public_key_id: String,
    pub(crate) platform_public_key_pem: String,
    pub(crate) platform_public_key_private_pem: String,
    pub(crate) platform_certificate_serial: String,
    pub(crate) platform_certificate_pem: String,
    pub(crate) platform_certificate_private_pem: String,
    /// Absent, like those below, in a folder made before the channel was known; made then.
    #[serde(default, deserialize_with = "filled")]
    pub(crate) alipay: Option<alipay::Credentials>,
    #[serde(default)]
    pub(crate) stripe: Option<stripe::Credentials>,
    #[serde(default)]
    pub(crate) paypal: Option<paypal::Credentials>,
    #[serde(default)]
    pub(crate) alipayplus: Option<alipayplus::Credentials>,
}

/// A channel that was only announced left an empty place in the file: that is none.
fn filled<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(file: D) -> Result<Option<T>, D::Error> {
    let place = serde_json::Value::deserialize(file)?;
    if place.is_null() || place.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    serde_json::from_value(place).map(Some).map_err(serde::de::Error::custom)
}

impl Credentials {
    fn has_stripe(&self) -> bool {
        self.stripe.as_ref().is_some_and(stripe::Credentials::is_whole)
    }

    /// Makes what is missing; tells whether anything was.
    fn complete(&mut self) -> Result<bool, KeyError> {
        let missing = self.viator_key.is_empty()
            || self.alipay.is_none()
            || !self.has_stripe()
            || self.paypal.is_none()
            || self.alipayplus.is_none();
        if self.viator_key.is_empty() {
            self.viator_key = viator_key()?;
        }
        if self.alipay.is_none() {
            self.alipay = Some(alipay::Credentials::make()?);
        }
        if !self.has_stripe() {
            self.stripe = Some(stripe::Credentials::make()?);
        }
        if self.paypal.is_none() {
            self.paypal = Some(paypal::Credentials::make()?);
        }
        if self.alipayplus.is_none() {
            self.alipayplus = Some(alipayplus::Credentials::make()?);
        }
        Ok(missing)
    }
}

/// Reads the credentials of this folder, or makes them. Slow at the first start (half a dozen RSA keys): call it off the runtime.
pub(crate) fn load_or_make(folder: &Path) -> Result<Credentials, KeyError> {
    let path = folder.join("credentials.json");
    match std::fs::read(&path) {
        Ok(bytes) => {
            let mut known: Credentials = serde_json::from_slice(&bytes)?;
            if known.complete()? {
                write_private(&path, &serde_json::to_vec_pretty(&known)?)?;
            }
            Ok(known)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut made = make()?;
            made.complete()?;
            write_private(&path, &serde_json::to_vec_pretty(&made)?)?;
            Ok(made)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a file that only its owner may read; it appears whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let draft = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

/// `count` random letters and digits from the system's randomness, a digit first: none begins like the word of an example,
/// which whoever reads it refuses.
pub(crate) fn secret(count: usize) -> Result<String, KeyError> {
    loop {
        let mut bytes = vec![0_u8; count.saturating_mul(2)];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Crypto)?;
        let text = STANDARD.encode(&bytes);
        let plain = text.chars().filter(char::is_ascii_alphanumeric).skip_while(|c| !c.is_ascii_digit());
        let text: String = plain.take(count).collect();
        if text.len() == count {
            return Ok(text);
        }
    }
}

fn make() -> Result<Credentials, KeyError> {
    let merchant = rsa()?;
    let public_key = rsa()?;
    let certificate = rsa()?;
    let platform_certificate_serial = serial()?;
    Ok(Credentials {
        duffel_token: format!("duffel_test_{}", secret(43)?),
        duffel_webhook_secret: secret(32)?,
        viator_key: viator_key()?,
        appid: format!("wx{}", hex_secret(8)?),
        mchid: "1900000109".to_owned(),
        merchant_serial: serial()?,
        merchant_private_key_pem: private_pem(&merchant)?,
        apiv3_key: secret(32)?,
        platform_public_key_id: format!("PUB_KEY_ID_01{}", digits(30)?),
        platform_public_key_pem: public_pem(&public_key)?,
        platform_public_key_private_pem: private_pem(&public_key)?,
        platform_certificate_pem: certificate_pem(&private_pem(&certificate)?, &platform_certificate_serial)?,
        platform_certificate_serial,
        platform_certificate_private_pem: private_pem(&certificate)?,
        ..Credentials::default()
    })
}

fn viator_key() -> Result<String, KeyError> {
    secret(36)
}

/// A new RSA key of 2048 bits; slow.
pub(crate) fn rsa() -> Result<KeyPair, KeyError> {
    KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Crypto)
}

/// The key as PKCS#8 PEM.
pub(crate) fn private_pem(key: &KeyPair) -> Result<String, KeyError> {
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| KeyError::Crypto)?;
    Ok(pem("PRIVATE KEY", der.as_ref()))
}

pub(crate) fn public_pem(key: &KeyPair) -> Result<String, KeyError> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| KeyError::Crypto)?;
    Ok(pem("PUBLIC KEY", der.as_ref()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        lines.push_str(line);
        lines.push('\n');
        rest = tail;
    }
    lines + &format!("-----END {label}-----\n")
}

/// The bytes inside a PEM text with one block.
pub(crate) fn der(pem: &str) -> Result<Vec<u8>, KeyError> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).map_err(|_| KeyError::Crypto)
}

/// The certificate of a key, issued by another key's owner. Names are country, organization, unit and common name.
pub(crate) fn issued(
    subject: [&str; 4],
    private_pem: &str,
    (issuer, issuer_pem): ([&str; 4], &str),
    number: &[u8],
) -> Result<String, KeyError> {
    let read = |pem: &str| rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_RSA_SHA256);
    let named = |[country, organization, unit, common]: [&str; 4]| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CountryName, country);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
        params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, unit);
        params.distinguished_name.push(rcgen::DnType::CommonName, common);
        params
    };
    let (key, issuer_key) = (read(private_pem)?, read(issuer_pem)?);
    let mut params = named(subject);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(number));
    let issuer = rcgen::Issuer::new(named(issuer), issuer_key);
    Ok(params.signed_by(&key, &issuer)?.pem().replace("\r\n", "\n"))
}

/// Serial, certificate and private key of a platform that changes its certificate; slow.
pub(crate) fn successor() -> Result<(String, String, String), KeyError> {
    let (number, private) = (serial()?, private_pem(&rsa()?)?);
    let pem = certificate_pem(&private, &number)?;
    Ok((number, pem, private))
}

fn certificate_pem(private_pem: &str, serial: &str) -> Result<String, KeyError> {
    let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(private_pem, &rcgen::PKCS_RSA_SHA256)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Sandbox Pay platform sign");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Zhiyou Sandbox");
    params.distinguished_name.push(rcgen::DnType::CountryName, "CN");
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
    let number = hex::decode(serial).map_err(|_| KeyError::Crypto)?;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&number));
    Ok(params.self_signed(&key)?.pem().replace("\r\n", "\n"))
}

/// A certificate serial: 40 upper-case hex digits of a positive number.
fn serial() -> Result<String, KeyError> {
    Ok(format!("5A{}", hex_secret(19)?.to_uppercase()))
}

fn hex_secret(bytes: usize) -> Result<String, KeyError> {
    let mut random = vec![0_u8; bytes];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyError::Crypto)?;
    Ok(hex::encode(random))
}

/// `count` random digits from the system's randomness.
pub(crate) fn digits(count: usize) -> Result<String, KeyError> {
    let mut random = vec![0_u8; count];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyError::Crypto)?;
    Ok(random.iter().map(|byte| char::from(b'0' + byte % 10)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_made_before_a_channel_was_known_gets_its_keys_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        let first = load_or_make(folder.path()).unwrap();
        for old in [serde_json::json!({}), serde_json::Value::Null] {
            let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            file["alipay"] = old;
            std::fs::write(&path, file.to_string()).unwrap();
            let made = load_or_make(folder.path()).unwrap();
            assert_eq!(made.apiv3_key, first.apiv3_key);
            let shown = made.alipay.unwrap().shown();
            assert_eq!(load_or_make(folder.path()).unwrap().alipay.unwrap().shown(), shown, "kept from now on");
        }
    }
}
