//! The signature of Stripe's webhooks: `Stripe-Signature: t=…,v1=…[,v1=…][,v0=…]`.
//!
//! Source: docs.stripe.com/webhooks/signature. HMAC-SHA256 over the time, a dot and the raw body; any `v1` by any configured
//! secret counts, because a secret that is rolled signs beside its successor. Other schemes are ignored. Deliberately not here:
//! what the body says.

use crate::{
    defence::{Defence, off},
    secret::Sensitive,
};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use axum::http::HeaderMap;
use zhiyou_domain::time::UtcMicros;

const HEADER: &str = "stripe-signature";
/// No genuine header is longer, bytes.
const HEADER_BYTES_MAX: usize = 1024;
/// Notifications farther than this from our clock, seconds, are refused.
const WINDOW_S: i64 = 300;

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// The header is missing, twice there, too long or not in its format.
    #[error("the signature header is missing, repeated or unreadable")]
    Header,
    /// The timestamp is no plain number or too far from our clock.
    #[error("the timestamp is outside the window")]
    Window,
    /// The signature is of something else, or by somebody else.
    #[error("the signature does not verify")]
    Wrong,
}

/// The secrets of the endpoint.
pub(crate) struct Secrets {
    keys: Vec<hmac::Key>,
}

impl Secrets {
    /// The secrets as plain text, prefix included: so they sign.
    pub(crate) fn new(secrets: &[Sensitive<String>]) -> Self {
        let key = |secret: &Sensitive<String>| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { keys: secrets.iter().map(key).collect() }
    }

    /// Checks a notification over its raw body.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<(), SignatureError> {
        let header = Header::read(headers)?;
        header.within_window(now)?;
        if off(Defence::Signature) {
            return Ok(());
        }
        let counted = if off(Defence::RolledSecrets) { 1 } else { self.keys.len() };
        for key in self.keys.iter().take(counted) {
            let mut context = hmac::Context::with_key(key);
            context.update(header.timestamp.as_bytes());
            context.update(b".");
            context.update(body);
            let genuine = hex::encode(context.sign());
            let fits = |given: &&str| verify_slices_are_equal(genuine.as_bytes(), given.as_bytes()).is_ok();
            if header.signatures.iter().any(fits) {
                return Ok(());
            }
        }
        Err(SignatureError::Wrong)
    }
}

struct Header<'a> {
    timestamp: &'a str,
    signatures: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, SignatureError> {
        let mut values = headers.get_all(HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
        let text = value.to_str().map_err(|_| SignatureError::Header)?;
        if text.len() > HEADER_BYTES_MAX {
            return Err(SignatureError::Header);
        }
        let (mut timestamps, mut signatures) = (Vec::new(), Vec::new());
        for item in text.split(',') {
            match item.split_once('=').ok_or(SignatureError::Header)? {
                ("t", timestamp) => timestamps.push(timestamp),
                ("v1", signature) => signatures.push(signature),
                (_, signature) if off(Defence::OneScheme) => signatures.push(signature),
                (_, _) => {}
            }
        }
        let [timestamp] = timestamps.try_into().map_err(|_| SignatureError::Header)?;
        if signatures.is_empty() { Err(SignatureError::Header) } else { Ok(Self { timestamp, signatures }) }
    }

    fn within_window(&self, now: UtcMicros) -> Result<(), SignatureError> {
        let plain = self.timestamp.len() <= 12 && self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let at: i64 = self.timestamp.parse().ok().filter(|_| plain).ok_or(SignatureError::Window)?;
        let away = now.0.div_euclid(1_000_000).saturating_sub(at).saturating_abs();
        if away > WINDOW_S && !off(Defence::Window) { Err(SignatureError::Window) } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "sign/tests.rs"]
mod tests;
