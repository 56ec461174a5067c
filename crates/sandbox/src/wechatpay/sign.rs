//! RSA signatures of the channel: SHA-256 with PKCS#1 v1.5, base64, over lines that each end in `\n`.
//!
//! Source: the merchant documentation's "signature" pages. Deliberately not here: which headers carry them (`notice`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{Credentials, KeyError, der, successor};

/// Requests and answers older or younger than this are refused (every official client does the same).
const WINDOW_S: i64 = 300;
const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// The keys, parsed once.
pub(crate) struct Keys {
    merchant: Vec<u8>,
    public_key: KeyPair,
    certificate: KeyPair,
    /// The certificate that takes the place of the first one, made when it does.
    successor: OnceLock<Option<Successor>>,
    /// How many notifications were signed in turns.
    turns: AtomicU64,
}

/// A certificate and its key.
pub(super) struct Successor {
    pub(super) serial: String,
    pub(super) pem: String,
    key: KeyPair,
}

impl Successor {
    fn make() -> Result<Self, KeyError> {
        let (serial, pem, private) = successor()?;
        Ok(Self { serial, pem, key: KeyPair::from_pkcs8(&der(&private)?).map_err(|_| KeyError::Crypto)? })
    }
}

impl Keys {
    /// Parses the private keys of the console.
    pub(crate) fn parse(credentials: &Credentials) -> Result<Self, KeyError> {
        let read = |pem: &str| KeyPair::from_pkcs8(&der(pem)?).map_err(|_| KeyError::Crypto);
        Ok(Self {
            merchant: read(&credentials.merchant_private_key_pem)?.public_key().as_ref().to_vec(),
            public_key: read(&credentials.platform_public_key_private_pem)?,
            certificate: read(&credentials.platform_certificate_private_pem)?,
            successor: OnceLock::new(),
            turns: AtomicU64::new(0),
        })
    }

    /// The certificate that takes the place of the first one.
    pub(super) fn successor(&self) -> Option<&Successor> {
        self.successor.get_or_init(|| Successor::make().ok()).as_ref()
    }

    /// Whether it is the certificate's turn to sign, where it takes turns with the public key.
    pub(super) fn is_certificates_turn(&self) -> bool {
        self.turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    }

    /// The key that answers under `asked` (a public-key id or a certificate serial, without case), and the name it answers
    /// under. The certificate of the day when nothing was asked for, or an earlier one; none for a name nobody has.
    pub(super) fn platform(
        &self,
        credentials: &Credentials,
        asked: Option<&str>,
        renewed: bool,
    ) -> Option<(&KeyPair, String)> {
        let certificate = || match renewed.then(|| self.successor()).flatten() {
            Some(successor) => Some((&successor.key, successor.serial.clone())),
            None => Some((&self.certificate, credentials.platform_certificate_serial.clone())),
        };
        match asked {
            None => certificate(),
            Some(name) if name.eq_ignore_ascii_case(&credentials.platform_certificate_serial) => certificate(),
            Some(name) if name == credentials.platform_public_key_id => Some((&self.public_key, name.to_owned())),
            Some(name) if renewed && self.successor().is_some_and(|own| name.eq_ignore_ascii_case(&own.serial)) => {
                certificate()
            }
            Some(_) => None,
        }
    }

    /// Whether `authorization` is this merchant's signature over `[method, path and query, body]` at about `now_s`.
    pub(super) fn verify_request(
        &self,
        credentials: &Credentials,
        authorization: &str,
        message: [&str; 3],
        now_s: i64,
    ) -> bool {
        let Some(claim) = Claim::parse(authorization) else { return false };
        let fresh = claim.timestamp.parse::<i64>().is_ok_and(|at| at.abs_diff(now_s) < WINDOW_S.unsigned_abs());
        let ours =
            claim.mchid == credentials.mchid && claim.serial_no.eq_ignore_ascii_case(&credentials.merchant_serial);
        let [method, target, body] = message;
        let text = format!("{method}\n{target}\n{}\n{}\n{body}\n", claim.timestamp, claim.nonce_str);
        fresh && ours && !claim.nonce_str.is_empty() && self.verify_merchant(&text, &claim.signature)
    }

    /// Whether the merchant signed the message; base64.
    pub(super) fn verify_merchant(&self, message: &str, signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.merchant);
        key.verify(message.as_bytes(), &signature).is_ok()
    }
}

/// Signs `timestamp\nnonce\nbody\n`; none only when the library fails.
pub(super) fn sign_answer(key: &KeyPair, timestamp: &str, nonce: &str, body: &[u8]) -> Option<String> {
    let mut message = format!("{timestamp}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    let mut signature = vec![0_u8; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature).ok()?;
    Some(STANDARD.encode(signature))
}

/// The five pairs of an Authorization header, in any order.
#[derive(Default)]
struct Claim {
    mchid: String,
    nonce_str: String,
    timestamp: String,
    serial_no: String,
    signature: String,
}

impl Claim {
    fn parse(header: &str) -> Option<Self> {
        let pairs = header.strip_prefix(SCHEME)?.trim();
        let mut claim = Self::default();
        for pair in pairs.split(',') {
            let (name, value) = pair.trim().split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?.to_owned();
            match name {
                "mchid" => claim.mchid = value,
                "nonce_str" => claim.nonce_str = value,
                "timestamp" => claim.timestamp = value,
                "serial_no" => claim.serial_no = value,
                "signature" => claim.signature = value,
                _ => return None,
            }
        }
        Some(claim)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vector(name: &str) -> Value {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn key(name: &str) -> KeyPair {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
        KeyPair::from_pkcs8(&der(&std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    }

    fn text<'a>(value: &'a Value, field: &str) -> &'a str {
        value[field].as_str().unwrap()
    }

    #[test]
    fn published_signatures_come_out_bit_for_bit() {
        let vector = vector("derived/wechat_response_signature.json");
        let platform = key("wechat/java_wechat_pay_private_key.pem");
        let headers = &vector["headers"];
        let (at, nonce) = (text(headers, "Wechatpay-Timestamp"), text(headers, "Wechatpay-Nonce"));
        let signed = |body: &str| sign_answer(&platform, at, nonce, body.as_bytes()).unwrap();
        assert_eq!(signed(text(&vector, "body")), text(headers, "Wechatpay-Signature"));
        assert_eq!(signed(""), text(&vector["empty_body_204"], "signature"));
    }

    #[test]
    fn a_published_request_is_accepted_and_every_change_of_it_is_not() {
        let vector = vector("derived/wechat_authorization_native.json");
        let keys = Keys {
            merchant: key("wechat/java_merchant_private_key.pem").public_key().as_ref().to_vec(),
            public_key: key("wechat/test_rsa_private_key.pem"),
            certificate: key("wechat/java_wechat_pay_private_key.pem"),
            successor: OnceLock::new(),
            turns: AtomicU64::new(0),
        };
        let credentials = Credentials {
            mchid: text(&vector, "mchid").to_owned(),
            merchant_serial: text(&vector, "serial_no").to_lowercase(),
            ..Credentials::default()
        };
        let at: i64 = text(&vector, "timestamp").parse().unwrap();
        let (url, body, header) = (text(&vector, "url"), text(&vector, "body"), text(&vector, "authorization"));
        let accepted =
            |header: &str, message: [&str; 3], now_s: i64| keys.verify_request(&credentials, header, message, now_s);
        assert!(accepted(header, ["POST", url, body], at + 299));
        assert!(!accepted(header, ["POST", url, body], at + 300), "too old");
        assert!(!accepted(header, ["POST", url, body], at - 300), "too young");
        assert!(!accepted(header, ["POST", url, &body.replace("29901", "29902")], at), "another amount");
        assert!(!accepted(header, ["POST", "/v3/pay/transactions/h5", body], at), "another path");
        assert!(!accepted(header, ["GET", url, body], at), "another method");
        assert!(!accepted(&header.replace("1900000109", "1900000110"), ["POST", url, body], at), "another merchant");
        assert!(!accepted(&header.replace("5F1C72E2", "5F1C72E3"), ["POST", url, body], at), "another certificate");
        assert!(!accepted("", ["POST", url, body], at), "unsigned");
    }
}
