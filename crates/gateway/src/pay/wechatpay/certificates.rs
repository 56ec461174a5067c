//! The platform's keys that are known now, and how new certificates come to be known.
//!
//! A certificate that is not known, or is past its time, is a reason to fetch them once and look again, and where the channel
//! signs with certificates they are fetched every twelve hours. What was fetched counts because it opens under the APIv3 key,
//! which nobody but the channel has beside us, and because the answer that brought it is signed by a key that was known or came
//! with it: the official clients trust their first fetch like that. What is fetched is kept in memory only. Source:
//! pay.weixin.qq.com, platform certificates. Deliberately not here: public keys (`PUB_KEY_ID_…`), which no call brings.

use super::{
    Wechatpay,
    sign::{self, PlatformKey, PlatformKeys, SignatureError},
    wire,
};
use crate::{
    config::PlatformKeyConfig,
    defence::{Defence, off},
};
use axum::http::{HeaderMap, Method};
use std::sync::{Arc, PoisonError, RwLock};
use zhiyou_domain::time::UtcMicros;

const PATH: &str = "/v3/certificates";
const ALGORITHM: &str = "AEAD_AES_256_GCM";
/// Between two fetches there is at least this, seconds, whoever asks for them: anybody can send a serial nobody knows.
const APART_S: i64 = 120;
/// What was fetched this long ago is fetched again, seconds.
const FRESH_S: i64 = 12 * 3600;

/// Every key the channel may sign with.
pub(super) struct Known {
    configured: PlatformKeys,
    now: RwLock<Arc<PlatformKeys>>,
    /// Held while fetching: one fetch at a time.
    fetches: tokio::sync::Mutex<Fetches>,
}

struct Fetches {
    tried_at: Option<UtcMicros>,
    /// As of when what is known was right.
    fresh_at: UtcMicros,
}

/// Why something is not proved to come from the channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproved {
    /// It is not signed by a key of the channel's.
    #[error("{0}")]
    Signature(SignatureError),
    /// The certificate it names cannot be had now.
    #[error("the certificates cannot be had now: {0}")]
    Unreachable(String),
}

/// What became of the wish to have the certificates.
enum Fetched {
    Anew,
    /// They were asked for a moment ago.
    TooSoon,
}

/// Who waits for a fetch that somebody else has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Whoever asked something needs the answer.
    Waits,
    /// What was sent to us will be sent again, and a crowd of forgeries shall not stand in line.
    ComesAgain,
}

impl Known {
    /// The configured keys, right as of `now`.
    pub(super) fn new(configured: PlatformKeys, now: UtcMicros) -> Self {
        Self {
            now: RwLock::new(Arc::new(configured.clone())),
            configured,
            fetches: tokio::sync::Mutex::new(Fetches { tried_at: None, fresh_at: now }),
        }
    }

    /// Whether a key that is known signed this.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<(), SignatureError> {
        let known = Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner));
        known.verify(headers, body, now)
    }

    fn learn(&self, keys: PlatformKeys) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn any_certificate(&self) -> bool {
        self.now.read().unwrap_or_else(PoisonError::into_inner).any_certificate()
    }
}

impl Wechatpay {
    /// Whether the channel signed this, as of `now`; a certificate that could be new is fetched, once.
    pub(super) async fn proved(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: UtcMicros,
        patience: Patience,
    ) -> Result<(), Unproved> {
        let wrong = match self.keys.verify(headers, body, now) {
            Ok(()) => return Ok(()),
            Err(wrong) => wrong,
        };
        if !could_be_fetched(wrong, headers) {
            return Err(Unproved::Signature(wrong));
        }
        let mut fetches = match (self.keys.fetches.try_lock(), patience) {
            (Ok(fetches), _) => fetches,
            (Err(_), Patience::Waits) => self.keys.fetches.lock().await,
            (Err(_), Patience::ComesAgain) => return Err(Unproved::Unreachable("they are being fetched".to_owned())),
        };
        // Somebody before us in the queue may have fetched it.
        if self.keys.verify(headers, body, now).is_err() {
            match self.fetch(&mut fetches).await {
                Ok(Fetched::Anew | Fetched::TooSoon) => {}
                Err(problem) => {
                    tracing::error!(problem, "the platform certificates could not be fetched");
                    return Err(Unproved::Unreachable(problem));
                }
            }
        }
        drop(fetches);
        self.keys.verify(headers, body, now).map_err(Unproved::Signature)
    }

    /// Fetches the certificates where they are due.
    pub(super) async fn renew_certificates(&self) {
        if !self.keys.any_certificate() {
            return;
        }
        let mut fetches = self.keys.fetches.lock().await;
        if apart(fetches.fresh_at, self.clock.now()) < FRESH_S {
            return;
        }
        if let Err(problem) = self.fetch(&mut fetches).await {
            tracing::warn!(problem, "the platform certificates could not be renewed; they are asked for again");
        }
    }

    async fn fetch(&self, fetches: &mut Fetches) -> Result<Fetched, String> {
        let now = self.clock.now();
        let soon = fetches.tried_at.is_some_and(|tried_at| apart(tried_at, now) < APART_S);
        if soon && !off(Defence::FetchApart) {
            return Ok(Fetched::TooSoon);
        }
        fetches.tried_at = Some(now);
        let request = self.request(Method::GET, PATH, String::new()).ok_or("the request could not be signed")?;
        let answer = self.http.send(request).await.map_err(|failure| format!("{failure:?}"))?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let brought = self.read_certificates(&answer.body)?;
        let keys = self.keys.configured.with(brought);
        keys.verify(&answer.headers, &answer.body, now).map_err(|error| error.to_string())?;
        self.keys.learn(keys);
        fetches.fresh_at = now;
        tracing::info!("the platform certificates were fetched");
        Ok(Fetched::Anew)
    }

    fn read_certificates(&self, body: &[u8]) -> Result<Vec<PlatformKey>, String> {
        let list: wire::Certificates = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let key = self.apiv3_key.expose().as_bytes();
        let read = |entry: wire::Certificate| {
            // Under any other name a bare key would be read, which has no end and names nobody.
            if !is_serial(&entry.serial_no) && !off(Defence::CertificateSerial) {
                return Err("a certificate under a name that is no serial".to_owned());
            }
            let sealed = entry.encrypt_certificate;
            if sealed.algorithm != ALGORITHM {
                return Err("another algorithm".to_owned());
            }
            let pem = sign::open(key, &sealed.nonce, &sealed.associated_data, &sealed.ciphertext)
                .map_err(|error| error.to_string())?;
            let pem = String::from_utf8(pem).map_err(|_| "a certificate that is no text".to_owned())?;
            PlatformKey::read(&PlatformKeyConfig { serial: entry.serial_no, pem }).map_err(|error| error.to_string())
        };
        list.data.into_iter().map(read).collect()
    }
}

/// Whether a fetch could bring what is missing: a certificate by its serial. A public key comes by no call.
fn could_be_fetched(wrong: SignatureError, headers: &HeaderMap) -> bool {
    let serial = headers.get("wechatpay-serial").and_then(|serial| serial.to_str().ok()).unwrap_or_default();
    match wrong {
        SignatureError::UnknownKey | SignatureError::ExpiredKey => is_serial(serial),
        SignatureError::Header | SignatureError::Window | SignatureError::Probe | SignatureError::Wrong => false,
    }
}

/// Whether a name is a certificate's serial, and not a public key's.
fn is_serial(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Seconds between two instants, whichever is the later: a clock may be set back.
fn apart(one: UtcMicros, other: UtcMicros) -> i64 {
    other.0.saturating_sub(one.0).saturating_abs().div_euclid(1_000_000)
}

#[cfg(test)]
pub(crate) mod tests;
