//! Signatures and encryption of WeChat Pay API v3: request signing, verification of answers and notifications, and
//! AEAD_AES_256_GCM.
//!
//! Sources: pay.weixin.qq.com, signature generation, signature verification and payment notice pages. Everything works on
//! the raw bytes. Deliberately not here: what the bodies say.

use crate::{
    config::{ConfigError, PlatformKeyConfig},
    defence::{Defence, off},
    secret::Sensitive,
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
    rsa::KeyPair as RsaKeyPair,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};
use zhiyou_domain::time::UtcMicros;

/// The only scheme used.
pub(crate) const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";
/// A signature the channel spoils on purpose, to see whether merchants check, starts like this.
const PROBE: &str = "WECHATPAY/SIGNTEST/";
/// Answers and notifications this far from our clock, seconds, are refused.
const WINDOW_S: i64 = 300;

/// The text a request's signature covers: five lines, each ended, the last too. `target` is the path with its raw query.
pub(crate) fn request_message(method: &str, target: &str, timestamp_s: i64, nonce: &str, body: &str) -> String {
    format!("{method}\n{target}\n{timestamp_s}\n{nonce}\n{body}\n")
}

/// The text that is signed over what is handed to WeChat on a phone: `prepay_id=…` inside of WeChat, the bare number by its SDK.
pub(crate) fn handed_over(appid: &str, timestamp: &str, nonce: &str, package: &str) -> String {
    format!("{appid}\n{timestamp}\n{nonce}\n{package}\n")
}

/// 32 random hex digits.
pub(crate) fn nonce() -> Option<String> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex::encode_upper(bytes))
}

/// The merchant's half: signs requests.
pub(crate) struct Signer {
    key: RsaKeyPair,
    mchid: String,
    serial: String,
}

impl Signer {
    /// Reads the merchant's private key (PKCS#8 PEM).
    pub(crate) fn new(pem: &Sensitive<String>, mchid: &str, serial: &str) -> Result<Self, ConfigError> {
        let refused =
            || ConfigError::new("wechatpay.merchant_private_key_pem", "is not an RSA private key in PKCS#8 PEM");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| refused())?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| refused())?;
        Ok(Self { key, mchid: mchid.to_owned(), serial: serial.to_owned() })
    }

    /// RSA PKCS#1 v1.5 with SHA-256, base64; none only when memory or randomness fails.
    pub(crate) fn sign(&self, message: &str) -> Option<String> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }

    /// The `Authorization` header of a request.
    pub(crate) fn authorization(
        &self,
        method: &str,
        target: &str,
        timestamp_s: i64,
        nonce: &str,
        body: &str,
    ) -> Option<String> {
        let signature = self.sign(&request_message(method, target, timestamp_s, nonce, body))?;
        Some(format!(
            "{SCHEME} mchid=\"{}\",nonce_str=\"{nonce}\",timestamp=\"{timestamp_s}\",serial_no=\"{}\",signature=\"{signature}\"",
            self.mchid, self.serial
        ))
    }
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// A header is missing, twice there, too long or not text.
    #[error("a signature header is missing, repeated or unreadable")]
    Header,
    /// The timestamp is no plain number or too far from our clock.
    #[error("the timestamp is outside the window")]
    Window,
    /// Nobody we know has this key.
    #[error("the platform key is not known")]
    UnknownKey,
    /// The certificate is past its time, or before it.
    #[error("the platform certificate is not valid now")]
    ExpiredKey,
    /// The channel tests whether we check.
    #[error("a deliberate signature probe")]
    Probe,
    /// The signature is of something else.
    #[error("the signature does not verify")]
    Wrong,
}

/// A key the platform may sign with.
pub(crate) struct PlatformKey {
    serial: String,
    key: ParsedPublicKey,
    /// Validity of a certificate; a bare public key has none.
    valid: Option<(UtcMicros, UtcMicros)>,
}

/// The platform's half: every key it may sign with. During a migration both a certificate and a public key are in use.
#[derive(Clone)]
pub(crate) struct PlatformKeys {
    keys: Vec<Arc<PlatformKey>>,
}

impl PlatformKeys {
    /// Reads keys and certificates; a certificate must carry the serial it is configured under.
    pub(crate) fn new(configured: &[PlatformKeyConfig]) -> Result<Self, ConfigError> {
        let keys = configured.iter().map(|key| PlatformKey::read(key).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// These keys and those that were brought; what was brought is looked at first.
    pub(crate) fn with(&self, brought: Vec<PlatformKey>) -> Self {
        Self { keys: brought.into_iter().map(Arc::new).chain(self.keys.iter().cloned()).collect() }
    }

    /// Whether a certificate is among them.
    pub(crate) fn any_certificate(&self) -> bool {
        self.keys.iter().any(|key| key.valid.is_some())
    }

    /// Checks the signature of an answer or notification over its raw body.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<(), SignatureError> {
        let signature = single(headers, "wechatpay-signature")?;
        if signature.starts_with(PROBE) && !off(Defence::ProbeKnown) {
            return Err(SignatureError::Probe);
        }
        if headers.contains_key("wechatpay-signature-type") && single(headers, "wechatpay-signature-type")? != SCHEME {
            return Err(SignatureError::Header);
        }
        let timestamp = single(headers, "wechatpay-timestamp")?;
        within_window(timestamp, now)?;
        let key = self.find(single(headers, "wechatpay-serial")?, now)?;
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Wrong)?;
        let mut message = format!("{timestamp}\n{}\n", single(headers, "wechatpay-nonce")?).into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        if off(Defence::Signature) {
            return Ok(());
        }
        key.verify_sig(&message, &signature).map_err(|_| SignatureError::Wrong)
    }

    fn find(&self, serial: &str, now: UtcMicros) -> Result<&ParsedPublicKey, SignatureError> {
        // Hex serials are written in either case.
        let found =
            self.keys.iter().find(|key| key.serial.eq_ignore_ascii_case(serial)).ok_or(SignatureError::UnknownKey)?;
        match found.valid {
            Some((from, until)) if (now < from || now > until) && !off(Defence::Validity) => {
                Err(SignatureError::ExpiredKey)
            }
            Some(_) | None => Ok(&found.key),
        }
    }
}

impl PlatformKey {
    pub(crate) fn read(configured: &PlatformKeyConfig) -> Result<Self, ConfigError> {
        let refused =
            |problem: &str| ConfigError::new("wechatpay.platform_keys", format!("{}: {problem}", configured.serial));
        let serial = configured.serial.clone();
        let parse = |spki: &[u8]| {
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki)
                .map_err(|_| refused("is not an RSA key of 2048 bits or more"))
        };
        if serial.starts_with("PUB_KEY_ID_") {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(configured.pem.as_bytes())
                .map_err(|_| refused("is not a public key"))?;
            return Ok(Self { serial, key: parse(&der)?, valid: None });
        }
        let der =
            CertificateDer::from_pem_slice(configured.pem.as_bytes()).map_err(|_| refused("is not a certificate"))?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| refused("is not a certificate"))?;
        let own = hex::encode(certificate.raw_serial());
        if !own.trim_start_matches('0').eq_ignore_ascii_case(serial.trim_start_matches('0')) {
            return Err(refused("the certificate carries another serial"));
        }
        let micros = |time: x509_parser::time::ASN1Time| UtcMicros(0).plus_seconds(time.timestamp());
        let valid = Some((micros(certificate.validity().not_before), micros(certificate.validity().not_after)));
        let key = parse(certificate.public_key().raw)?;
        Ok(Self { serial, key, valid })
    }
}

/// The one value of a header; nothing that signs is ever longer than a kilobyte.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
    let text = value.to_str().map_err(|_| SignatureError::Header)?;
    if text.is_empty() || text.len() > 1024 { Err(SignatureError::Header) } else { Ok(text) }
}

fn within_window(timestamp: &str, now: UtcMicros) -> Result<(), SignatureError> {
    let plain = timestamp.len() <= 12 && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let at: i64 = timestamp.parse().ok().filter(|_| plain).ok_or(SignatureError::Window)?;
    let away = now.0.div_euclid(1_000_000).saturating_sub(at).saturating_abs();
    if away >= WINDOW_S && !off(Defence::Window) { Err(SignatureError::Window) } else { Ok(()) }
}

/// The ciphertext could not be opened: another key, nonce, data, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encrypted resource cannot be opened")]
pub(crate) struct OpenError;

/// Opens an encrypted resource with the APIv3 key.
pub(crate) fn open(key: &[u8], nonce: &str, associated_data: &str, ciphertext: &str) -> Result<Vec<u8>, OpenError> {
    let algorithm = match key.len() {
        32 => &AES_256_GCM,
        // Some published vectors use a short key; no start accepts one.
        #[cfg(test)]
        16 => &aws_lc_rs::aead::AES_128_GCM,
        _ => return Err(OpenError),
    };
    #[cfg(test)]
    let (raw_key, raw_nonce) = (key, nonce);
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| OpenError)?);
    let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).map_err(|_| OpenError)?;
    let mut bytes = STANDARD.decode(ciphertext).map_err(|_| OpenError)?;
    #[cfg(test)]
    if off(Defence::Sealed) {
        return tests::opened_unsealed(raw_key, raw_nonce, bytes);
    }
    let plain =
        key.open_in_place(nonce, Aad::from(associated_data.as_bytes()), &mut bytes).map_err(|_| OpenError)?.len();
    bytes.truncate(plain);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
