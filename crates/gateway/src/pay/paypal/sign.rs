//! Proof of a notification: what its signature covers, where the certificate may come from, and what that must be.
//!
//! Sources: PayPal-Python-SDK `notifications` (signed text, certificate checks), the published recording in `vectors/paypal`.
//! The signature covers a 32-bit checksum of the body only, so it proves who spoke and when, not what was said. Revocation
//! lists are not read: a certificate is fetched anew every day from the provider's own host, and its word moves no money.
//! Deliberately not here: what the body says.

use crate::{
    config::{ConfigError, PaypalConfig},
    defence::{Defence, off},
    http::Http,
    pay::single,
};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::http::{HeaderMap, Method};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime, pem::PemObject};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use url::Url;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs as algorithms};
use x509_parser::prelude::{FromDer, X509Certificate};
use zhiyou_domain::time::UtcMicros;

/// The only algorithm.
const ALGORITHM: &str = "SHA256withRSA";
/// Where on its hosts the provider keeps certificates.
const PATH: &str = "/v1/notifications/certs/";
/// The provider's name, as its certificates end.
const NAME_END: &str = ".paypal.com";
/// The provider tries again for three days; a fourth allows for a clock that is off.
const OLDEST_S: i64 = 4 * 24 * 3600;
/// Notifications from this far ahead of our clock, seconds, are refused.
const AHEAD_S: i64 = 300;
/// A certificate is looked at again after this long, seconds.
const KEPT_S: i64 = 24 * 3600;
/// Certificates kept at once; the provider uses a handful.
const KEPT_MAX: usize = 16;
/// Fetches in a minute; more are somebody's flood.
const FETCHES_MAX: usize = 20;
/// Largest certificate chain, bytes.
const CHAIN_BYTES_MAX: usize = 64 * 1024;
/// What certificates may be signed with.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 5] = [
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA384,
];

/// Why a notification is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
    /// A header is missing, twice there, too long or not what it should be.
    #[error("the header {0} is missing, repeated or unreadable")]
    Header(&'static str),
    /// Another algorithm.
    #[error("another algorithm")]
    Algorithm,
    /// Too old, too far ahead, or no time.
    #[error("the time is outside the window")]
    Window,
    /// The certificate's address is not one the provider uses.
    #[error("the certificate's address is not the provider's")]
    Address,
    /// The certificate is not the provider's, or not valid now.
    #[error("the certificate is refused: {0}")]
    Certificate(String),
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Wrong,
    /// The certificate cannot be had now.
    #[error("the certificate cannot be had now: {0}")]
    Unreachable(String),
}

/// The checksum the signature covers: CRC-32 as in ISO 3309.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// The text the signature covers.
pub(crate) fn message(id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    format!("{id}|{time}|{webhook_id}|{}", crc32(body))
}

/// What the headers of a notification say; every one checked for its form.
#[derive(Debug)]
pub(crate) struct Transmission<'a> {
    pub(crate) id: &'a str,
    time: &'a str,
    pub(crate) certificate_url: &'a str,
    signature: Vec<u8>,
}

impl<'a> Transmission<'a> {
    /// Reads and checks the headers.
    pub(crate) fn read(headers: &'a HeaderMap, now: UtcMicros) -> Result<Self, ProofError> {
        let plain =
            |text: &str, more: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
        // A bar inside a field would let two fields be read as another two.
        let id = single(headers, "paypal-transmission-id", 64).filter(|text| plain(text, b"-"));
        let time = single(headers, "paypal-transmission-time", 40).filter(|text| plain(text, b"-:.+"));
        let signature = single(headers, "paypal-transmission-sig", 1400).and_then(|text| STANDARD.decode(text).ok());
        let algorithm = single(headers, "paypal-auth-algo", 40).ok_or(ProofError::Header("paypal-auth-algo"))?;
        if algorithm != ALGORITHM && !off(Defence::OneScheme) {
            return Err(ProofError::Algorithm);
        }
        let time = time.ok_or(ProofError::Header("paypal-transmission-time"))?;
        let at = UtcMicros::parse_rfc3339(time).map_err(|_| ProofError::Window)?;
        let near = at >= now.plus_seconds(-OLDEST_S) && at <= now.plus_seconds(AHEAD_S);
        if !near && !off(Defence::Window) {
            return Err(ProofError::Window);
        }
        Ok(Self {
            id: id.ok_or(ProofError::Header("paypal-transmission-id"))?,
            time,
            certificate_url: single(headers, "paypal-cert-url", 512).ok_or(ProofError::Header("paypal-cert-url"))?,
            signature: signature.ok_or(ProofError::Header("paypal-transmission-sig"))?,
        })
    }

    /// Whether the holder of the key signed this for our webhook.
    pub(crate) fn verify(&self, key: &ParsedPublicKey, webhook_id: &str, body: &[u8]) -> Result<(), ProofError> {
        if off(Defence::Signature) {
            return Ok(());
        }
        let text = message(self.id, self.time, webhook_id, body);
        key.verify_sig(text.as_bytes(), &self.signature).map_err(|_| ProofError::Wrong)
    }
}

/// The provider's certificates, fetched from its own hosts only, checked, and kept for a day.
pub(crate) struct Certificates {
    http: Http,
    bases: Vec<Url>,
    trusted: Trusted,
    kept: Mutex<BTreeMap<String, Kept>>,
    /// Held while fetching: one question at a time, and how many there were of late.
    fetching: tokio::sync::Mutex<VecDeque<UtcMicros>>,
}

/// What a certificate must lead up to, and what is known of the way: the provider serves its own certificate alone.
struct Trusted {
    roots: Vec<TrustAnchor<'static>>,
    between: Vec<CertificateDer<'static>>,
}

impl Trusted {
    /// Whoever signed itself is a root. What is not is part of the way to one, and the one that issued it has to be there.
    fn read(pem: &str) -> Result<Self, &'static str> {
        let mut named = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let der = der.map_err(|_| "is not PEM")?;
            let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| "holds something else")?;
            let [owner, issuer] = [certificate.subject(), certificate.issuer()].map(|name| name.as_raw().to_vec());
            named.push((owner, issuer, der));
        }
        let owners: BTreeSet<Vec<u8>> = named.iter().map(|(owner, _, _)| owner.clone()).collect();
        if !named.iter().all(|(_, issuer, _)| owners.contains(issuer)) {
            return Err("holds a certificate without the one that issued it");
        }
        let mut trusted = Self { roots: Vec::new(), between: Vec::new() };
        for (owner, issuer, der) in named {
            if owner == issuer {
                let anchor = anchor_from_trusted_cert(&der).map_err(|_| "holds something else")?;
                trusted.roots.push(anchor.to_owned());
            } else {
                trusted.between.push(der);
            }
        }
        if trusted.roots.is_empty() { Err("holds no certificate") } else { Ok(trusted) }
    }
}

#[derive(Clone)]
struct Kept {
    key: Arc<ParsedPublicKey>,
    from: UtcMicros,
    until: UtcMicros,
    fetched_at: UtcMicros,
}

impl Certificates {
    /// Reads the roots, and what is between them and the provider's own.
    pub(crate) fn new(config: &PaypalConfig, http: Http) -> Result<Self, ConfigError> {
        let trusted = Trusted::read(&config.certificate_roots_pem)
            .map_err(|problem| ConfigError::new("paypal.certificate_roots_pem", problem))?;
        Ok(Self {
            http,
            bases: config.certificate_bases.clone(),
            trusted,
            kept: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The key of the certificate at `text`, from memory or from the provider's host; no other host is ever asked.
    pub(crate) async fn key(&self, text: &str, now: UtcMicros) -> Result<Arc<ParsedPublicKey>, ProofError> {
        let url = self.allowed(text).ok_or(ProofError::Address)?;
        if let Some(known) = self.known(text, now)? {
            return Ok(known);
        }
        let mut fetches = self.fetching.lock().await;
        // Somebody before us in the queue may have fetched it.
        if let Some(known) = self.known(text, now)? {
            return Ok(known);
        }
        while fetches.front().is_some_and(|at| at.plus_seconds(60) <= now) {
            fetches.pop_front();
        }
        if fetches.len() >= FETCHES_MAX && !off(Defence::FetchesBounded) {
            return Err(ProofError::Unreachable("too many fetches in a minute".to_owned()));
        }
        fetches.push_back(now);
        let kept = check(&self.fetch(url).await?, &self.trusted, now)?;
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| kept.fresh(now));
        if all.len() < KEPT_MAX {
            all.insert(text.to_owned(), kept.clone());
        }
        Ok(kept.key)
    }

    /// The address, if it is exactly of the form the provider writes, on one of its hosts.
    fn allowed(&self, text: &str) -> Option<Url> {
        let url: Url = text.parse().ok()?;
        let name = url.path().strip_prefix(PATH)?;
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // Read and written again it must be the same: what other readers of addresses see differently is not allowed.
        let exact = url.as_str() == text && url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none();
        let ours = self.bases.iter().any(|base| base.origin() == url.origin()) || off(Defence::CertificateHost);
        (plain && exact && bare && ours).then_some(url)
    }

    fn known(&self, text: &str, now: UtcMicros) -> Result<Option<Arc<ParsedPublicKey>>, ProofError> {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(text) {
            Some(kept) if (now < kept.from || now > kept.until) && !off(Defence::CertificateTime) => {
                Err(ProofError::Certificate("not valid now".to_owned()))
            }
            Some(kept) if kept.fresh(now) => Ok(Some(Arc::clone(&kept.key))),
            Some(_) | None => Ok(None),
        }
    }

    async fn fetch(&self, url: Url) -> Result<Vec<u8>, ProofError> {
        let unreachable = |text: String| ProofError::Unreachable(text);
        let request = self.http.request(Method::GET, url).build();
        let request = request.map_err(|error| unreachable(error.without_url().to_string()))?;
        let answer = self.http.send(request).await.map_err(|failure| unreachable(format!("{failure:?}")))?;
        match answer.status {
            200 if answer.body.len() <= CHAIN_BYTES_MAX => Ok(answer.body),
            // A redirect is an answer and is not followed.
            200 | 300..=399 | 404 | 410 => Err(ProofError::Certificate(format!("status {}", answer.status))),
            status => Err(unreachable(format!("status {status}"))),
        }
    }
}

impl Kept {
    fn fresh(&self, now: UtcMicros) -> bool {
        now >= self.fetched_at.plus_seconds(-KEPT_S) && now < self.fetched_at.plus_seconds(KEPT_S)
    }
}

/// Checks a chain: it leads up to a root, every part is valid now, and its end is the provider's own name.
fn check(pem: &[u8], trusted: &Trusted, now: UtcMicros) -> Result<Kept, ProofError> {
    let refused = |problem: &str| ProofError::Certificate(problem.to_owned());
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|_| refused("not PEM"))?;
    let (leaf, served) = chain.split_first().ok_or_else(|| refused("no certificate"))?;
    let between: Vec<CertificateDer<'_>> = served.iter().chain(&trusted.between).cloned().collect();
    let end = EndEntityCert::try_from(leaf).map_err(|error| refused(&error.to_string()))?;
    let seconds = u64::try_from(now.0.div_euclid(1_000_000)).map_err(|_| refused("an impossible time"))?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let chain = end.verify_for_usage(&ALGORITHMS, &trusted.roots, &between, time, KeyUsage::server_auth(), None, None);
    if let Err(error) = chain
        && !off(Defence::CertificateChain)
        && !(off(Defence::CertificateTime) && is_of_time(&error))
    {
        return Err(refused(&error.to_string()));
    }
    let kept = read(leaf)?;
    if !end.valid_dns_names().any(|name| name.ends_with(NAME_END)) && !off(Defence::CertificateName) {
        return Err(refused("another name"));
    }
    Ok(Kept { fetched_at: now, ..kept })
}

/// Whether a chain is refused for nothing but its time.
const fn is_of_time(error: &webpki::Error) -> bool {
    matches!(error, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. })
}

/// The key, the validity and the common name of one certificate.
fn read(leaf: &CertificateDer<'_>) -> Result<Kept, ProofError> {
    let refused = |problem: &str| ProofError::Certificate(problem.to_owned());
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| refused("unreadable"))?;
    let mut names = certificate.subject().iter_common_name();
    let ours = names.any(|name| name.as_str().is_ok_and(|name| name.ends_with(NAME_END)));
    if !ours && !off(Defence::CertificateName) {
        return Err(refused("another name"));
    }
    let micros = |time: x509_parser::time::ASN1Time| UtcMicros(0).plus_seconds(time.timestamp());
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, certificate.public_key().raw);
    Ok(Kept {
        key: Arc::new(key.map_err(|_| refused("not an RSA key of 2048 bits or more"))?),
        from: micros(certificate.validity().not_before),
        until: micros(certificate.validity().not_after),
        fetched_at: UtcMicros(0),
    })
}

#[cfg(test)]
pub(crate) mod tests;
