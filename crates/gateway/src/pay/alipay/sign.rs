//! Signatures of Alipay's OpenAPI: what a request's and a notice's signature covers, what of an answer is signed, which key
//! proves it, and how certificates are named.
//!
//! Sources: opendocs.alipay.com, signing and verification pages; the official SDKs. RSA2 only, which is SHA-256 with RSA
//! PKCS#1 v1.5; the older RSA (SHA-1) is refused. Deliberately not here: what the contents say.

use super::chain::{self, Roots};
use crate::{
    config::{AlipayKeys, ConfigError},
    defence::{Defence, off},
    pay::rsa,
};
use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use x509_parser::{
    objects::{oid_registry, oid2abbrev},
    prelude::{FromDer, X509Certificate},
};
use zhiyou_domain::time::UtcMicros;

pub(crate) use crate::pay::rsa::Signer;

/// The only scheme used.
pub(crate) const SIGN_TYPE: &str = "RSA2";
/// Nothing that signs is ever longer, bytes of base64.
const SIGNATURE_BYTES_MAX: usize = 2048;

/// The text a signature covers: every parameter but `sign` and the empty ones, by name, `k=v` joined with `&`, un-encoded.
/// A request's `sign_type` is among them; who verifies a notice takes it out first.
pub(crate) fn content(parameters: &BTreeMap<String, String>) -> String {
    let signed = parameters.iter().filter(|(name, value)| name.as_str() != "sign" && !value.is_empty());
    signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is none, or one that is too long.
    #[error("the signature is missing or unreadable")]
    Missing,
    /// Nobody we know has this certificate.
    #[error("the channel's certificate is not known")]
    UnknownKey,
    /// The certificate is past its time, or before it.
    #[error("the channel's certificate is not valid now")]
    ExpiredKey,
    /// The signature is of something else.
    #[error("the signature does not verify")]
    Wrong,
}

/// The names of our certificates, sent with every request in certificate mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Serials {
    pub(crate) app_cert_sn: String,
    pub(crate) alipay_root_cert_sn: String,
}

struct ChannelKey {
    /// A certificate's name; a bare public key has none.
    serial: Option<String>,
    key: ParsedPublicKey,
    /// Validity of a certificate and of what it leads up to.
    valid: Option<(UtcMicros, UtcMicros)>,
}

/// The channel's keys, which prove answers and notices.
pub(crate) struct Keys {
    keys: Vec<ChannelKey>,
    serials: Option<Serials>,
}

impl Keys {
    /// Reads the configured key or certificates, and refuses our own key in the place of the channel's: with it we would
    /// believe nobody, or ourselves.
    pub(crate) fn new(configured: &AlipayKeys, signer: &Signer) -> Result<Self, ConfigError> {
        let own =
            signer.public().ok_or_else(|| ConfigError::new("alipay.app_private_key_pem", "has no public half"))?;
        match configured {
            AlipayKeys::PublicKey { pem } => {
                let key = rsa::channel_key(pem, &own, "alipay.alipay_public_key_pem")?;
                Ok(Self { keys: vec![ChannelKey { serial: None, key, valid: None }], serials: None })
            }
            AlipayKeys::Certificates { app_pem, root_pem, alipay_pems } => {
                let roots = Roots::new(root_pem);
                let keys: Result<Vec<_>, _> =
                    alipay_pems.iter().map(|pem| ChannelKey::read(pem, &own, &roots)).collect();
                let keys = keys?;
                if keys.is_empty() {
                    return Err(ConfigError::new("alipay.alipay_certificate_pem", "is empty"));
                }
                Ok(Self { keys, serials: Some(serials(app_pem, root_pem, &own)?) })
            }
        }
    }

    /// The names of our certificates; none in public-key mode.
    pub(crate) const fn serials(&self) -> Option<&Serials> {
        self.serials.as_ref()
    }

    /// Proves `content` with the key named by `serial`, or with any valid one when none is named.
    pub(crate) fn verify(
        &self,
        serial: Option<&str>,
        content: &[u8],
        signature: &str,
        now: UtcMicros,
    ) -> Result<(), SignatureError> {
        if off(Defence::Signature) {
            return Ok(());
        }
        if signature.is_empty() || signature.len() > SIGNATURE_BYTES_MAX {
            return Err(SignatureError::Missing);
        }
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Wrong)?;
        let mut met = SignatureError::UnknownKey;
        // A bare public key has no name: whoever names a certificate then is still proved by that key alone.
        let named = |key: &&ChannelKey| match (serial, key.serial.as_deref()) {
            (Some(asked), Some(own)) => asked.eq_ignore_ascii_case(own) || off(Defence::CertificateNamed),
            (None, _) | (_, None) => true,
        };
        for key in self.keys.iter().filter(named) {
            let over = key.valid.is_some_and(|(from, until)| now < from || now > until);
            if over && !off(Defence::CertificateTime) {
                met = SignatureError::ExpiredKey;
            } else if key.key.verify_sig(content, &signature).is_ok() {
                return Ok(());
            } else {
                met = SignatureError::Wrong;
            }
        }
        Err(met)
    }
}

impl ChannelKey {
    /// The first certificate of a file is the channel's; what follows it is on the way to the root.
    fn read(pem: &str, own: &[u8], roots: &Roots) -> Result<Self, ConfigError> {
        let refused = |problem: &str| ConfigError::new("alipay.alipay_certificate_pem", problem);
        let file: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let file = file.map_err(|_| refused("is not a certificate in PEM"))?;
        let (der, with) = file.split_first().ok_or_else(|| refused("is not a certificate in PEM"))?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| refused("is not a certificate"))?;
        if certificate.public_key().raw == own {
            return Err(refused("is the application's own certificate, not the channel's"));
        }
        Ok(Self {
            serial: Some(serial(&certificate)),
            key: rsa::parse(certificate.public_key().raw)
                .ok_or_else(|| refused("has no RSA key of 2048 bits or more"))?,
            valid: Some(roots.lead(der, with).map_err(refused)?),
        })
    }
}

/// A certificate's name at the channel: MD5 of its issuer, the innermost part first, and its number in decimal.
fn serial(certificate: &X509Certificate<'_>) -> String {
    let registry = oid_registry();
    let parts = certificate.issuer().iter_attributes().map(|part| {
        let name =
            oid2abbrev(part.attr_type(), registry).map_or_else(|_| part.attr_type().to_id_string(), str::to_owned);
        format!("{name}={}", part.as_str().unwrap_or_default())
    });
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    hex::encode(Md5::digest(format!("{}{}", parts.join(","), certificate.serial)))
}

fn serials(app_pem: &str, root_pem: &str, own: &[u8]) -> Result<Serials, ConfigError> {
    let refused = |field: &str, problem: &str| ConfigError::new(field, problem);
    let app = "alipay.app_certificate_pem";
    let der =
        CertificateDer::from_pem_slice(app_pem.as_bytes()).map_err(|_| refused(app, "is not a certificate in PEM"))?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| refused(app, "is not a certificate"))?;
    if certificate.public_key().raw != own {
        return Err(refused(app, "does not belong to the private key"));
    }
    let alipay_root_cert_sn = root_serial(root_pem);
    if alipay_root_cert_sn.is_empty() {
        return Err(refused("alipay.root_certificate_pem", "holds no certificate signed with RSA"));
    }
    Ok(Serials { app_cert_sn: serial(&certificate), alipay_root_cert_sn })
}

/// The names of a root file's RSA certificates, joined.
fn root_serial(pem: &str) -> String {
    let names = chain::rsa_blocks(pem);
    let names = names.iter().filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, read)| serial(&read)));
    names.collect::<Vec<_>>().join("_")
}

/// An answer taken apart: what is signed, exactly as it was sent, and what signs it.
#[derive(Debug)]
pub(crate) struct Cut {
    content: Box<RawValue>,
    sign: Option<String>,
    serial: Option<String>,
}

impl Cut {
    /// Cuts the answer to `response_key` out of the raw text; the gateway's own refusals come under `error_response`.
    /// None when it is no answer to this question. Of keys that repeat the last one counts, for proof and reading alike.
    pub(crate) fn of(raw: &[u8], response_key: &str) -> Option<Self> {
        let mut parts: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(raw).ok()?;
        let content = parts.remove(response_key).or_else(|| parts.remove("error_response"))?;
        let text = |raw: Option<Box<RawValue>>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let (sign, serial) = (text(parts.remove("sign")), text(parts.remove("alipay_cert_sn")));
        Some(Self { content, sign, serial })
    }

    /// The signed text once it is proved.
    pub(crate) fn proved(&self, keys: &Keys, now: UtcMicros) -> Result<&str, SignatureError> {
        let sign = self.sign.as_deref().ok_or(SignatureError::Missing)?;
        keys.verify(self.serial.as_deref(), self.content.get().as_bytes(), sign, now)?;
        Ok(self.content.get())
    }
}

#[cfg(test)]
mod tests;
