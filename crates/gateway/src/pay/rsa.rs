//! RSA as both profiles of Alipay use it: SHA-256 with PKCS#1 v1.5, keys of 2048 bits or more.
//!
//! Deliberately not here: what is signed, how a signature is written down, and certificates.

use crate::{config::ConfigError, secret::Sensitive};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};

/// Smallest modulus, bytes.
const MODULUS_BYTES_MIN: usize = 256;

/// The merchant's half: signs requests.
pub(crate) struct Signer {
    key: KeyPair,
}

impl Signer {
    /// Reads the merchant's private key, PKCS#8 or PKCS#1 PEM; `field` is what a refusal names.
    pub(crate) fn new(pem: &Sensitive<String>, field: &str) -> Result<Self, ConfigError> {
        let refused = || ConfigError::new(field, "is not an RSA private key of 2048 bits in PEM");
        let pem = pem.expose().as_bytes();
        let key = match PrivatePkcs8KeyDer::from_pem_slice(pem) {
            Ok(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Err(_) => {
                let der = PrivatePkcs1KeyDer::from_pem_slice(pem).map_err(|_| refused())?;
                KeyPair::from_der(der.secret_pkcs1_der())
            }
        };
        let key = key.map_err(|_| refused())?;
        if key.public_modulus_len() < MODULUS_BYTES_MIN {
            return Err(refused());
        }
        Ok(Self { key })
    }

    /// The signature of a text, base64; none only when memory or randomness fails.
    pub(crate) fn sign(&self, text: &str) -> Option<String> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }

    /// The public half, as a certificate carries it.
    pub(crate) fn public(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = self.key.public_key().as_der().ok()?;
        Some(der.as_ref().to_vec())
    }
}

/// Reads the channel's public key, PEM, and refuses our own in its place: with it we would believe nobody, or ourselves.
/// `field` is what a refusal names.
pub(crate) fn channel_key(pem: &str, own: &[u8], field: &str) -> Result<ParsedPublicKey, ConfigError> {
    let refused = |problem: &str| ConfigError::new(field, problem);
    let der =
        SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| refused("is not a public key in PEM"))?;
    if der.as_ref() == own {
        return Err(refused("is the application's own key, not the channel's"));
    }
    parse(&der).ok_or_else(|| refused("is not an RSA key of 2048 bits or more"))
}

/// A public key as a certificate carries it.
pub(crate) fn parse(spki: &[u8]) -> Option<ParsedPublicKey> {
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki).ok()
}
