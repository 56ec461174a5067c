//! The proof of a notification against the published recording, and against everything that only looks like one.

use super::*;
use crate::{
    config::{Profile, paypal_tests::merchant, tests::vector},
    defence::take_away,
    pay::wechatpay::sign::Signer,
};
use axum::{Router, body::Body, http::Response};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

pub(crate) const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);
pub(crate) const WEBHOOK_ID: &str = "1JE4291016473214C";
const NAME: &str = "messageverificationcerts.paypal.com";
const KEY: &str = "wechat/java_wechat_pay_private_key.pem";

/// A little authority that issues certificates for the published test key.
pub(crate) struct Authority {
    pub(crate) root_pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

/// What a certificate says.
pub(crate) struct Wanted {
    common: &'static str,
    name: &'static str,
    years: (i32, i32),
    usage: rcgen::ExtendedKeyUsagePurpose,
}

/// A good one.
pub(crate) fn good() -> Wanted {
    Wanted { common: NAME, name: NAME, years: (2026, 2028), usage: rcgen::ExtendedKeyUsagePurpose::ServerAuth }
}

/// One that a trusted root gave to somebody else.
pub(crate) fn stranger() -> Wanted {
    Wanted { common: "evil.com", name: "evil.com", ..good() }
}

fn named(name: &str, years: (i32, i32)) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = named("Test authority", (2020, 2040));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let root_pem = params.self_signed(&key).unwrap().pem();
        Self { root_pem, issuer: rcgen::Issuer::new(params, key) }
    }

    /// An authority under this one.
    fn under(&self) -> (Self, String) {
        self.under_as("Authority in between")
    }

    fn under_as(&self, name: &str) -> (Self, String) {
        let mut params = named(name, (2020, 2040));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        (Self { root_pem: self.root_pem.clone(), issuer: rcgen::Issuer::new(params, key) }, pem)
    }

    pub(crate) fn issue(&self, wanted: Wanted) -> String {
        let mut params = named(wanted.common, wanted.years);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(wanted.name.try_into().unwrap())];
        params.extended_key_usages = vec![wanted.usage];
        let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&vector(KEY), &rcgen::PKCS_RSA_SHA256).unwrap();
        params.signed_by(&key, &self.issuer).unwrap().pem()
    }
}

/// Signs as the holder of the published test key.
pub(crate) fn signed(text: &str) -> String {
    Signer::new(&vector(KEY).into(), "", "").unwrap().sign(text).unwrap()
}

/// A host that serves one answer for everything and counts.
pub(crate) struct Host {
    pub(crate) base: String,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Host {
    pub(crate) async fn serving(status: u16, header: Option<(&'static str, String)>, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let routes = Router::new().fallback(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut answer = Response::builder().status(status);
            if let Some((name, value)) = &header {
                answer = answer.header(*name, value);
            }
            let answer = answer.body(Body::from(body.clone())).unwrap();
            async move { answer }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { base, asked }
    }

    fn certificate(&self) -> String {
        format!("{}{PATH}CERT-1", self.base)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn certificates(base: &str, roots: &str) -> Certificates {
    Certificates::new(&merchant(base, roots), Http::new(Profile::Sandbox).unwrap()).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&vector(path)).unwrap()
}

fn headers(json: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in json["headers"].as_object().unwrap() {
        headers.insert(
            axum::http::HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap(),
            value.as_str().unwrap().parse().unwrap(),
        );
    }
    headers
}

/// A recording with the key it was signed with and the moment it was sent.
struct Recording {
    headers: HeaderMap,
    body: Vec<u8>,
    webhook_id: String,
    key: ParsedPublicKey,
    now: UtcMicros,
    json: Value,
}

impl Recording {
    fn read(path: &str, certificate: &str) -> Self {
        let json = json(path);
        let der = CertificateDer::from_pem_slice(vector(certificate).as_bytes()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, parsed.public_key().raw).unwrap();
        let now = UtcMicros::parse_rfc3339(json["headers"]["PAYPAL-TRANSMISSION-TIME"].as_str().unwrap()).unwrap();
        Self {
            headers: headers(&json),
            body: json["raw_body"].as_str().unwrap().as_bytes().to_vec(),
            webhook_id: json["webhook_id"].as_str().unwrap().to_owned(),
            key,
            now,
            json,
        }
    }

    fn published() -> Self {
        Self::read("paypal/webhook_offline_verify.json", "paypal/CERT-360caa42-fca2a594-a5cafa77.pem")
    }

    fn verify(&self) -> Result<(), ProofError> {
        Transmission::read(&self.headers, self.now)?.verify(&self.key, &self.webhook_id, &self.body)
    }

    fn with(&self, name: &'static str, value: &[u8]) -> Result<(), ProofError> {
        let mut headers = self.headers.clone();
        let Ok(value) = axum::http::HeaderValue::from_bytes(value) else { return Err(ProofError::Header(name)) };
        headers.insert(name, value);
        Transmission::read(&headers, self.now)?.verify(&self.key, &self.webhook_id, &self.body)
    }
}

#[test]
fn the_published_notification_and_our_own_verify_and_their_signed_text_is_exact() {
    let derived = Recording::read("derived/paypal_capture_completed.json", "wechat/java_wechat_pay_certificate.pem");
    for recording in [Recording::published(), derived] {
        let id = recording.json["headers"]["PAYPAL-TRANSMISSION-ID"].as_str().unwrap();
        let time = recording.json["headers"]["PAYPAL-TRANSMISSION-TIME"].as_str().unwrap();
        assert_eq!(u64::from(crc32(&recording.body)), recording.json["crc32_decimal"].as_u64().unwrap());
        let text = message(id, time, &recording.webhook_id, &recording.body);
        assert_eq!(text, recording.json["signed_string"].as_str().unwrap());
        assert_eq!(recording.verify(), Ok(()));
    }
}

#[test]
fn wh_02_every_flipped_bit_of_the_body_is_found() {
    let mut recording = Recording::published();
    for bit in 0..recording.body.len() * 8 {
        recording.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(recording.verify(), Err(ProofError::Wrong), "bit {bit}");
        recording.body[bit / 8] ^= 1 << (bit % 8);
    }
    recording.verify().unwrap();
}

#[test]
fn wh_03_every_flipped_bit_of_a_signed_header_and_of_the_webhook_id_is_found() {
    let mut recording = Recording::published();
    for name in ["paypal-transmission-id", "paypal-transmission-time", "paypal-transmission-sig", "paypal-auth-algo"] {
        let value = recording.headers[name].as_bytes().to_vec();
        for bit in 0..value.len() * 8 {
            let mut changed = value.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(recording.with(name, &changed).is_err(), "{name} bit {bit}");
        }
    }
    let webhook_id = recording.webhook_id.clone();
    for bit in 0..webhook_id.len() * 7 {
        let mut changed = webhook_id.clone().into_bytes();
        changed[bit / 7] ^= 1 << (bit % 7);
        recording.webhook_id = String::from_utf8(changed).unwrap();
        assert_eq!(recording.verify(), Err(ProofError::Wrong), "bit {bit}");
    }
}

#[test]
fn wh_01_a_missing_empty_repeated_or_huge_header_is_refused() {
    let recording = Recording::published();
    for name in [
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-auth-algo",
        "paypal-cert-url",
    ] {
        let value = recording.headers[name].clone();
        let refused = |change: &dyn Fn(&mut HeaderMap)| {
            let mut headers = recording.headers.clone();
            change(&mut headers);
            assert!(Transmission::read(&headers, recording.now).is_err(), "{name}");
        };
        refused(&|headers| drop(headers.remove(name)));
        refused(&|headers| drop(headers.insert(name, "".parse().unwrap())));
        refused(&|headers| assert!(headers.append(name, value.clone())));
        refused(&|headers| drop(headers.insert(name, "A".repeat(10_000).parse().unwrap())));
    }
}

#[test]
fn wh_05_a_signature_written_another_way_is_refused() {
    let recording = Recording::published();
    let genuine = recording.headers["paypal-transmission-sig"].to_str().unwrap().to_owned();
    for changed in [
        genuine.replace('+', "-").replace('/', "_"),
        genuine.trim_end_matches('=').to_owned(),
        format!("{genuine}="),
        format!("{} {}", &genuine[..10], &genuine[10..]),
        genuine.to_lowercase(),
        hex::encode(STANDARD.decode(&genuine).unwrap()),
    ] {
        assert_ne!(changed, genuine);
        assert!(recording.with("paypal-transmission-sig", changed.as_bytes()).is_err(), "{changed}");
    }
}

#[test]
fn wh_06_a_body_written_again_is_not_the_body_that_was_signed() {
    let mut recording = Recording::published();
    recording.body.push(b'\n');
    assert_eq!(recording.verify(), Err(ProofError::Wrong));
}

#[test]
fn wh_11_a_time_outside_the_window_or_that_is_none_is_refused() {
    let recording = Recording::published();
    let at = |time: &str| recording.with("paypal-transmission-time", time.as_bytes());
    // Inside the window only the signature objects to another time.
    for inside in ["2015-05-18T15:50:13Z", "2015-05-14T15:45:13Z"] {
        assert_eq!(at(inside), Err(ProofError::Wrong), "{inside}");
    }
    for outside in ["2015-05-18T15:50:14Z", "2015-05-14T15:45:12Z", "1015-05-18T15:45:13Z", "9999-05-18T15:45:13Z"] {
        assert_eq!(at(outside), Err(ProofError::Window), "{outside}");
    }
    for none in ["1431963913", "-1", "+1431963913", "now", "2015-05-18", "2015-05-18T15:45:13", "2015-13-18T15:45:13Z"]
    {
        assert_eq!(at(none), Err(ProofError::Window), "{none}");
    }
    assert_eq!(at("2015-05-18T15:45:13Z|X"), Err(ProofError::Header("paypal-transmission-time")));
}

#[test]
fn wh_12_a_clock_four_minutes_off_passes_and_six_minutes_behind_is_refused() {
    let mut recording = Recording::published();
    let sent = recording.now;
    for (minutes, wanted) in [(4, Ok(())), (-4, Ok(())), (6, Ok(())), (-6, Err(ProofError::Window))] {
        recording.now = sent.plus_minutes(minutes);
        assert_eq!(recording.verify(), wanted, "{minutes} minutes");
    }
}

#[test]
fn pp_06_another_algorithm_is_refused() {
    let recording = Recording::published();
    for other in ["SHA1withRSA", "none", "NONE", "SHA256withRSA,none", "sha256withrsa", "SHA256WithECDSA"] {
        assert_eq!(recording.with("paypal-auth-algo", other.as_bytes()), Err(ProofError::Algorithm), "{other}");
    }
}

#[tokio::test]
async fn pp_01_a_certificate_from_anywhere_else_is_refused_before_anything_is_fetched() {
    let authority = Authority::new();
    let elsewhere = Host::serving(200, None, authority.issue(good())).await;
    let ours = Host::serving(200, None, authority.issue(good())).await;
    let port = ours.base.rsplit(':').next().unwrap();
    let (own, other) = (&ours.base, &elsewhere.base);
    let sandbox = certificates(own, &authority.root_pem);
    for bad in [
        format!("{other}{PATH}CERT-1"),
        format!("{other}/?{own}{PATH}CERT-1"),
        format!("{other}{PATH}CERT-1#{own}"),
        format!("http://127.0.0.1:{port}@{}{PATH}CERT-1", other.trim_start_matches("http://")),
        format!("http://user@127.0.0.1:{port}{PATH}CERT-1"),
        format!("http://127.0.0.1.evil.com:{port}{PATH}CERT-1"),
        format!("http://localhost:{port}{PATH}CERT-1"),
        format!("http://127.1:{port}{PATH}CERT-1"),
        format!("https://127.0.0.1:{port}{PATH}CERT-1"),
        format!("HTTP://127.0.0.1:{port}{PATH}CERT-1"),
        format!("{own}{PATH}CERT-1?x=1"),
        format!("{own}{PATH}../certs/CERT-1"),
        format!("{own}{PATH}%43ERT-1"),
        format!("{own}{PATH}"),
        format!("{own}{PATH}CERT-1/"),
        format!("{own}\\{PATH}CERT-1"),
        format!("{own}/v1/elsewhere/CERT-1"),
        " ".to_owned(),
        "file:///etc/passwd".to_owned(),
        "CERT-1".to_owned(),
    ] {
        assert_eq!(sandbox.key(&bad, NOW).await.err(), Some(ProofError::Address), "{bad}");
    }
    assert_eq!((ours.asked(), elsewhere.asked()), (0, 0));
    sandbox.key(&ours.certificate(), NOW).await.unwrap();
    assert_eq!((ours.asked(), elsewhere.asked()), (1, 0));

    // Real money: nothing is resolved or connected to for any of these either.
    let mut config = merchant("https://api-m.paypal.com", &authority.root_pem);
    config.certificate_bases =
        crate::PaypalConfig::CERTIFICATE_BASES.iter().map(|base| base.parse().unwrap()).collect();
    let live = Certificates::new(&config, Http::new(Profile::Sandbox).unwrap()).unwrap();
    for host in [
        "https://api.paypal.com.evil.com",
        "https://evil.com/?paypal.com",
        "http://api.paypal.com",
        "https://user:pass@api.paypal.com",
        "https://api.sandbox.paypal.com",
        "https://api-m.sandbox.paypal.com",
        "https://evilpaypal.com",
        "https://api.paypal.com:8443",
        "https://api.paypal.com.",
        "https://api.paypal.com@evil.com",
        "https://www.paypal.com",
    ] {
        assert_eq!(live.key(&format!("{host}{PATH}CERT-1"), NOW).await.err(), Some(ProofError::Address), "{host}");
    }
    assert!(live.allowed(&format!("https://api.paypal.com{PATH}CERT-1")).is_some());
}

#[tokio::test]
async fn pp_01_a_redirect_from_the_right_host_is_not_followed() {
    let authority = Authority::new();
    let elsewhere = Host::serving(200, None, authority.issue(good())).await;
    let ours = Host::serving(302, Some(("location", elsewhere.certificate())), String::new()).await;
    let refused = certificates(&ours.base, &authority.root_pem).key(&ours.certificate(), NOW).await;
    assert!(matches!(refused.err(), Some(ProofError::Certificate(_))));
    assert_eq!((ours.asked(), elsewhere.asked()), (1, 0));
}

async fn judged(authority: &Authority, pem: String) -> Option<ProofError> {
    let host = Host::serving(200, None, pem).await;
    certificates(&host.base, &authority.root_pem).key(&host.certificate(), NOW).await.err()
}

#[tokio::test]
async fn pp_02_only_the_providers_own_name_under_a_trusted_root_is_accepted() {
    let authority = Authority::new();
    assert_eq!(judged(&authority, authority.issue(good())).await, None);
    let (between, link) = authority.under();
    assert_eq!(judged(&authority, between.issue(good()) + &link).await, None, "a chain with a link");
    let attackers = Authority::new();
    let evil = "evil.com";
    for (what, pem) in [
        ("the link is missing", between.issue(good())),
        ("another authority", attackers.issue(good())),
        ("another authority that shows its root", attackers.issue(good()) + &attackers.root_pem),
        ("another authority that shows ours", attackers.issue(good()) + &authority.root_pem),
        ("another name", authority.issue(Wanted { common: evil, name: evil, ..good() })),
        ("another common name", authority.issue(Wanted { common: evil, ..good() })),
        ("another alternative name", authority.issue(Wanted { name: evil, ..good() })),
        ("a name that only looks alike", authority.issue(Wanted { name: "evilpaypal.com", ..good() })),
        ("for another use", authority.issue(Wanted { usage: rcgen::ExtendedKeyUsagePurpose::CodeSigning, ..good() })),
        ("the root itself", authority.root_pem.clone()),
        ("the published one, by a root that is not ours", vector("paypal/CERT-360caa42-fca2a594-a5cafa77.pem")),
        ("nothing", String::new()),
        ("something else", "<html>".to_owned()),
    ] {
        assert!(matches!(judged(&authority, pem).await, Some(ProofError::Certificate(_))), "{what}");
    }
}

#[tokio::test]
async fn pp_02_a_certificate_served_alone_leads_to_a_root_by_the_link_that_is_configured() {
    let (authority, attackers) = (Authority::new(), Authority::new());
    let ((between, link), (_, other)) = (authority.under(), attackers.under());
    let host = Host::serving(200, None, between.issue(good())).await;
    let refused = async |pem: &str| certificates(&host.base, pem).key(&host.certificate(), NOW).await.err();
    let root = &authority.root_pem;
    assert_eq!(refused(&(link.clone() + root)).await, None);
    assert_eq!(refused(&(root.clone() + &link)).await, None, "in whichever order");
    for gap in [root.clone(), root.clone() + &other, attackers.root_pem.clone() + &link] {
        assert!(matches!(refused(&gap).await, Some(ProofError::Certificate(_))), "the link is missing, or its root");
    }
    let (lower, _) = between.under_as("Lower authority");
    let (_, below) = lower.under_as("Lowest authority");
    for (pem, problem) in [
        (link.clone(), "holds a certificate without the one that issued it"),
        (root.clone() + &below, "holds a certificate without the one that issued it"),
        (String::new(), "holds no certificate"),
    ] {
        assert_eq!(Trusted::read(&pem).err(), Some(problem));
    }
}

#[tokio::test]
async fn pp_03_an_expired_or_not_yet_valid_certificate_is_refused_also_from_memory() {
    let authority = Authority::new();
    for years in [(2024, 2026), (2027, 2029)] {
        let refused = judged(&authority, authority.issue(Wanted { years, ..good() })).await;
        assert!(matches!(refused, Some(ProofError::Certificate(_))), "{years:?}");
    }
    let host = Host::serving(200, None, authority.issue(good())).await;
    let certificates = certificates(&host.base, &authority.root_pem);
    certificates.key(&host.certificate(), NOW).await.unwrap();
    let later = UtcMicros::parse_rfc3339("2028-01-02T00:00:00Z").unwrap();
    assert!(matches!(certificates.key(&host.certificate(), later).await.err(), Some(ProofError::Certificate(_))));
    take_away(Some(Defence::CertificateTime));
    let expired = judged(&authority, authority.issue(Wanted { years: (2024, 2026), ..good() })).await;
    let kept = certificates.key(&host.certificate(), later).await.err();
    take_away(None);
    assert_eq!((expired, kept), (None, None), "nothing else looks at its time");
}

#[tokio::test]
async fn a_certificate_is_fetched_once_a_day_however_many_ask() {
    let authority = Authority::new();
    let host = Host::serving(200, None, authority.issue(good())).await;
    let certificates = Arc::new(certificates(&host.base, &authority.root_pem));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (certificates, url) = (Arc::clone(&certificates), host.certificate());
        asking.spawn(async move { certificates.key(&url, NOW).await.is_ok() });
    }
    assert!(asking.join_all().await.into_iter().all(|accepted| accepted));
    assert_eq!(host.asked(), 1);
    certificates.key(&host.certificate(), NOW.plus_minutes(24 * 60)).await.unwrap();
    assert_eq!(host.asked(), 2);
}

#[tokio::test]
async fn pp_08_a_certificate_that_cannot_be_had_now_is_no_proof_and_no_refusal() {
    let authority = Authority::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{closed}");
    let refused = certificates(&base, &authority.root_pem).key(&format!("{base}{PATH}CERT-1"), NOW).await;
    assert!(matches!(refused.err(), Some(ProofError::Unreachable(_))));
    for status in [500, 503, 403, 429] {
        let host = Host::serving(status, None, String::new()).await;
        let refused = certificates(&host.base, &authority.root_pem).key(&host.certificate(), NOW).await;
        assert!(matches!(refused.err(), Some(ProofError::Unreachable(_))), "{status}");
    }
}

#[tokio::test]
async fn wh_24_a_flood_of_invented_certificates_is_asked_for_twenty_times_a_minute_at_most() {
    let authority = Authority::new();
    let host = Host::serving(404, None, String::new()).await;
    let certificates = certificates(&host.base, &authority.root_pem);
    for number in 0..100 {
        certificates.key(&format!("{}{PATH}CERT-{number}", host.base), NOW).await.unwrap_err();
    }
    assert_eq!(host.asked(), 20);
    take_away(Some(Defence::FetchesBounded));
    certificates.key(&host.certificate(), NOW).await.unwrap_err();
    take_away(None);
    assert_eq!(host.asked(), 21, "nothing else bounds it");
    certificates.key(&host.certificate(), NOW.plus_minutes(1)).await.unwrap_err();
    assert_eq!(host.asked(), 22);
}
