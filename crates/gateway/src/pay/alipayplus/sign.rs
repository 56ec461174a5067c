//! Signatures of Alipay+: what of a request, an answer and a notification they cover, and how they are written down.
//!
//! Sources: the signing code of `global-open-sdk-python` 1.7.1 and of `ant-intl-alipayplus-mcp` 1.0.1, and a recorded answer of
//! the channel (`vectors/alipayplus`). One form for all three: the path, the client id, the time and the whole body. The
//! version of a key is told and not covered, so it is not believed. Deliberately not here: what the bodies say.

use crate::{
    defence::{Defence, off},
    pay::single,
};
use aws_lc_rs::signature::ParsedPublicKey;
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::form_urlencoded;

/// The only algorithm: SHA-256 with RSA PKCS#1 v1.5.
const ALGORITHM: &str = "RSA256";
/// The version of our key at the channel, which keeps counting it from one.
const KEY_VERSION: &str = "1";

/// The text a signature covers. `path` is that of the address that was called, without its host.
pub(crate) fn content(path: &str, client_id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    let mut content = format!("POST {path}\n{client_id}.{time}.").into_bytes();
    content.extend_from_slice(body);
    content
}

/// The `Signature` header of a base64 signature.
pub(crate) fn header(signature: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    format!("algorithm={ALGORITHM},keyVersion={KEY_VERSION},signature={encoded}")
}

/// Why something is not proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
    /// A header is missing, twice there, too long or not what it should be.
    #[error("the header {0} is missing, repeated or unreadable")]
    Header(&'static str),
    /// Another algorithm.
    #[error("another signature scheme")]
    Algorithm,
    /// The signature is of something else.
    #[error("the signature does not verify")]
    Wrong,
}

/// Who says to have signed, and when.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) time: &'a str,
    signature: Vec<u8>,
}

impl<'a> Claim<'a> {
    /// Reads the headers; the time of an answer is in another one than that of a notification.
    pub(crate) fn read(headers: &'a HeaderMap, time_header: &'static str) -> Result<Self, ProofError> {
        let plain =
            |text: &str, more: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
        // A dot or a line's end inside of a field would let two fields be read as another two.
        let client_id = single(headers, "client-id", 64).filter(|text| plain(text, b"_"));
        let time = single(headers, time_header, 40).filter(|text| plain(text, b"-:+"));
        let written = single(headers, "signature", 2048).ok_or(ProofError::Header("signature"))?;
        Ok(Self {
            client_id: client_id.ok_or(ProofError::Header("client-id"))?,
            time: time.ok_or(ProofError::Header(time_header))?,
            signature: signature(written)?,
        })
    }

    /// Whether the holder of the key signed this body for this path.
    pub(crate) fn verify(&self, key: &ParsedPublicKey, path: &str, body: &[u8]) -> Result<(), ProofError> {
        if off(Defence::Signature) {
            return Ok(());
        }
        let content = content(path, self.client_id, self.time, body);
        key.verify_sig(&content, &self.signature).map_err(|_| ProofError::Wrong)
    }
}

/// The bytes in `algorithm=RSA256,keyVersion=1,signature=…`, whose parts may come in any order and once each.
fn signature(header: &str) -> Result<Vec<u8>, ProofError> {
    let (mut algorithm, mut encoded) = (None, None);
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or(ProofError::Header("signature"))?;
        let again = match name {
            "algorithm" => algorithm.replace(value).is_some(),
            "signature" => encoded.replace(value).is_some(),
            _ => false,
        };
        if again {
            return Err(ProofError::Header("signature"));
        }
    }
    if algorithm != Some(ALGORITHM) && !off(Defence::OneScheme) {
        return Err(ProofError::Algorithm);
    }
    let named = format!("s={}", encoded.unwrap_or_default());
    let mut pairs = form_urlencoded::parse(named.as_bytes());
    match (pairs.next(), pairs.next()) {
        (Some((_, text)), None) if !text.is_empty() => {
            STANDARD.decode(text.as_bytes()).map_err(|_| ProofError::Header("signature"))
        }
        _ => Err(ProofError::Header("signature")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
