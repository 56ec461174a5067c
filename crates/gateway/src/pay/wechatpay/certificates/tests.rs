//! Certificates that are not known, past their time, forged or on their way, against a channel of our own making.

use super::*;
use crate::{
    Clock,
    config::{
        Profile,
        tests::{APIV3_KEY, sample, vector},
    },
    defence::take_away,
    http::Http,
    pay::{NoticeContent, PaymentChannel, Refused, wechatpay::sign::Signer},
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::{
    Mutex,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

const NOW_S: i64 = 1_795_141_500;
const KEY_ID: &str = "PUB_KEY_ID_0119000001092026112000382000000001";
/// The certificate that is configured, and the one that takes its place.
const OLD: &str = "5A01";
const NEW: &str = "5A02";
const OLD_KEY: &str = "wechat/java_wechat_pay_private_key.pem";
const NEW_KEY: &str = "wechat/test_rsa_private_key.pem";
/// Of somebody who is not the channel.
const FORGERS_KEY: &str = "wechat/java_merchant_private_key.pem";

#[derive(Default)]
struct Time(AtomicI64);

impl Clock for Time {
    fn now(&self) -> UtcMicros {
        UtcMicros((NOW_S + self.0.load(Ordering::SeqCst)) * 1_000_000)
    }
}

fn certificate(serial: &str, key: &str, years: (i32, i32)) -> String {
    let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&vector(key), &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&hex::decode(serial).unwrap()));
    params.self_signed(&key).unwrap().pem()
}

fn sealed(key: &str, plain: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    let mut bytes = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(*b"0123456789ab");
    key.seal_in_place_append_tag(nonce, Aad::from(b"certificate"), &mut bytes).unwrap();
    bytes
}

fn listed(certificates: &[(&str, Vec<u8>)]) -> String {
    let entry = |(serial, cipher): &(&str, Vec<u8>)| {
        json!({"serial_no": serial, "effective_time": "2026-01-01T00:00:00+08:00", "expire_time": "2028-01-01T00:00:00+08:00",
            "encrypt_certificate": {"algorithm": "AEAD_AES_256_GCM", "nonce": "0123456789ab",
                "associated_data": "certificate", "ciphertext": STANDARD.encode(cipher)}})
    };
    json!({"data": certificates.iter().map(entry).collect::<Vec<Value>>()}).to_string()
}

/// The list of the channel: both certificates, each under the key they are sealed with.
fn both() -> String {
    let seal = |pem: &str| sealed(APIV3_KEY, pem.as_bytes());
    listed(&[
        (OLD, seal(&certificate(OLD, OLD_KEY, (2026, 2028)))),
        (NEW, seal(&certificate(NEW, NEW_KEY, (2026, 2028)))),
    ])
}

fn signer(key: &str) -> Signer {
    Signer::new(&vector(key).into(), "", "").unwrap()
}

/// Headers of a message the holder of a key signs under a name, `at` seconds from now.
fn signed(key: &Signer, serial: &str, body: &str, at: i64) -> HeaderMap {
    let timestamp = (NOW_S + at).to_string();
    let signature = key.sign(&format!("{timestamp}\nn\n{body}\n")).unwrap();
    [
        ("wechatpay-timestamp", timestamp.as_str()),
        ("wechatpay-nonce", "n"),
        ("wechatpay-serial", serial),
        ("wechatpay-signature", &signature),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
    .collect()
}

/// What the stub says to who asks for certificates, and how often it was asked.
struct Says {
    status: StatusCode,
    body: String,
    key: &'static str,
    serial: &'static str,
}

struct Stub {
    says: Mutex<Says>,
    asked: AtomicUsize,
    time: Arc<Time>,
}

async fn answer(State(stub): State<Arc<Stub>>) -> axum::response::Response {
    stub.asked.fetch_add(1, Ordering::SeqCst);
    let says = stub.says.lock().unwrap();
    let headers = signed(&signer(says.key), says.serial, &says.body, stub.time.0.load(Ordering::SeqCst));
    (says.status, headers, says.body.clone()).into_response()
}

struct World {
    channel: Arc<Wechatpay>,
    stub: Arc<Stub>,
}

impl World {
    /// A merchant who knows these keys, and a channel that lists both certificates.
    async fn knowing(keys: Vec<PlatformKeyConfig>) -> Self {
        let time = Arc::new(Time::default());
        let says = Says { status: StatusCode::OK, body: both(), key: NEW_KEY, serial: NEW };
        let stub = Arc::new(Stub { says: Mutex::new(says), asked: AtomicUsize::new(0), time: Arc::clone(&time) });
        let routes = Router::new().route(PATH, get(answer)).with_state(Arc::clone(&stub));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let mut config = sample("unused".into(), "http://127.0.0.1:1", &address).wechatpay;
        config.platform_keys = keys;
        let channel = Wechatpay::new(&config, Http::new(Profile::Sandbox).unwrap(), time).unwrap();
        Self { channel: Arc::new(channel), stub }
    }

    async fn start() -> Self {
        let pem = certificate(OLD, OLD_KEY, (2026, 2028));
        Self::knowing(vec![PlatformKeyConfig { serial: OLD.to_owned(), pem }]).await
    }

    fn wait(&self, seconds: i64) {
        self.stub.time.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.stub.says.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.stub.asked.load(Ordering::SeqCst)
    }

    /// What is made of a notification of a kind we have no use for.
    async fn told(&self, key: &str, serial: &str) -> Result<(), Refused> {
        let body = notice();
        let at = self.stub.time.0.load(Ordering::SeqCst);
        let headers = signed(&signer(key), serial, &body, at);
        let said = self.channel.verify_notification(&headers, body.as_bytes(), self.channel.clock.now()).await;
        said.map(|notice| assert!(matches!(notice.content, NoticeContent::Ignored(_))))
    }
}

fn notice() -> String {
    let cipher = {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, APIV3_KEY.as_bytes()).unwrap());
        let mut bytes = b"{}".to_vec();
        let nonce = Nonce::assume_unique_for_key(*b"0123456789ab");
        key.seal_in_place_append_tag(nonce, Aad::from(b"complaint"), &mut bytes).unwrap();
        STANDARD.encode(bytes)
    };
    json!({"id": "EV-1", "event_type": "COMPLAINT.CREATE", "resource_type": "encrypt-resource",
        "resource": {"original_type": "complaint", "algorithm": "AEAD_AES_256_GCM", "ciphertext": cipher,
            "associated_data": "complaint", "nonce": "0123456789ab"}})
    .to_string()
}

fn not_authentic(told: &Result<(), Refused>) -> bool {
    matches!(told, Err(Refused::NotAuthentic(_)))
}

#[tokio::test]
async fn wx_02_a_serial_we_do_not_know_is_fetched_once_and_then_refused() {
    let world = World::start().await;
    assert_eq!(world.told(OLD_KEY, OLD).await, Ok(()));
    assert_eq!(world.asked(), 0, "what is known is not fetched");
    assert_eq!(world.told(NEW_KEY, NEW).await, Ok(()), "a new certificate is believed once it was fetched");
    assert_eq!((world.told(OLD_KEY, OLD).await, world.asked()), (Ok(()), 1), "the old one as long as it is listed");
    for _ in 0..20 {
        assert!(not_authentic(&world.told(FORGERS_KEY, "5AFF").await));
    }
    assert_eq!(world.asked(), 1, "whatever serial is sent, there is no second fetch so soon");
    world.wait(APART_S);
    for _ in 0..20 {
        assert!(not_authentic(&world.told(FORGERS_KEY, "5AFF").await));
    }
    assert_eq!(world.asked(), 2);
    world.wait(APART_S);
    for serial in ["PUB_KEY_ID_0119000001092026112000382000000009", "unknown", "5A 2"] {
        assert!(not_authentic(&world.told(NEW_KEY, serial).await), "{serial}");
    }
    assert_eq!(world.asked(), 2, "what no fetch can bring is not fetched for");
}

#[tokio::test]
async fn wx_02_certificates_that_cannot_be_had_let_a_notification_come_again() {
    let world = World::start().await;
    world.say(|says| says.status = StatusCode::BAD_GATEWAY);
    assert!(matches!(world.told(NEW_KEY, NEW).await, Err(Refused::Unprovable(_))));
    assert!(not_authentic(&world.told(NEW_KEY, NEW).await), "asked for a moment ago");
    world.say(|says| says.status = StatusCode::OK);
    world.wait(APART_S);
    assert_eq!(world.told(NEW_KEY, NEW).await, Ok(()));
}

#[tokio::test]
async fn what_comes_while_certificates_are_fetched_does_not_stand_in_line() {
    let world = World::start().await;
    let held = world.channel.keys.fetches.lock().await;
    assert!(matches!(world.told(NEW_KEY, NEW).await, Err(Refused::Unprovable(_))));
    drop(held);
    assert_eq!(world.told(NEW_KEY, NEW).await, Ok(()));
}

#[tokio::test]
async fn an_answer_signed_by_a_new_certificate_is_believed_once_it_was_fetched() {
    let world = World::start().await;
    let headers = signed(&signer(NEW_KEY), NEW, "", 0);
    let now = world.channel.clock.now();
    let proved = || world.channel.proved(&headers, b"", now, Patience::Waits);
    let many = tokio::join!(proved(), proved(), proved());
    assert_eq!(many, (Ok(()), Ok(()), Ok(())));
    assert_eq!(world.asked(), 1, "who waits for a fetch does not begin another one");
}

#[tokio::test]
async fn wx_04_a_certificate_past_its_time_is_refused_and_its_successor_fetched() {
    let pem = certificate("5A00", OLD_KEY, (2024, 2026));
    let world = World::knowing(vec![PlatformKeyConfig { serial: "5A00".to_owned(), pem }]).await;
    assert!(not_authentic(&world.told(OLD_KEY, "5A00").await));
    assert_eq!(world.asked(), 1, "what took its place is asked for");
    assert_eq!(world.told(NEW_KEY, NEW).await, Ok(()));
    assert_eq!(world.asked(), 1);
    assert!(not_authentic(&world.told(OLD_KEY, "5A00").await), "and it stays refused");
}

#[tokio::test]
async fn fetched_certificates_are_taken_only_sealed_for_us_and_signed_by_what_is_known_or_came_with_them() {
    let forged = certificate("5AFE", FORGERS_KEY, (2026, 2028));
    let refused = async |change: Box<dyn FnOnce(&mut Says)>, key: &str, serial: &str| {
        let world = World::start().await;
        world.say(change);
        let told = world.told(key, serial).await;
        assert!(matches!(told, Err(Refused::Unprovable(_))), "{told:?}");
        assert_eq!(world.asked(), 1);
    };
    let other = listed(&[("5AFE", sealed("b7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb", forged.as_bytes()))]);
    refused(Box::new(|says| (says.body, says.key, says.serial) = (other, FORGERS_KEY, "5AFE")), FORGERS_KEY, "5AFE")
        .await;
    refused(Box::new(|says| says.key = FORGERS_KEY), NEW_KEY, NEW).await;
    refused(Box::new(|says| says.serial = "5AFE"), NEW_KEY, NEW).await;
    let misnamed = listed(&[("5AFF", sealed(APIV3_KEY, certificate(NEW, NEW_KEY, (2026, 2028)).as_bytes()))]);
    refused(Box::new(|says| (says.body, says.serial) = (misnamed, "5AFF")), NEW_KEY, "5AFF").await;
    refused(Box::new(|says| says.body = "{}".to_owned()), NEW_KEY, NEW).await;
    refused(Box::new(|says| says.body = both().replace("AES_256", "AES_128")), NEW_KEY, NEW).await;
}

#[tokio::test]
async fn where_the_channel_signs_with_certificates_they_are_fetched_every_twelve_hours() {
    let world = World::start().await;
    world.channel.renew_certificates().await;
    world.wait(FRESH_S - 1);
    world.channel.renew_certificates().await;
    assert_eq!(world.asked(), 0);
    world.wait(1);
    for _ in 0..3 {
        world.channel.renew_certificates().await;
    }
    assert_eq!(world.asked(), 1);
    assert_eq!((world.told(NEW_KEY, NEW).await, world.asked()), (Ok(()), 1), "before anything was signed by it");
    let pem = vector("wechat/java_wechat_pay_public_key.pem");
    let world = World::knowing(vec![PlatformKeyConfig { serial: KEY_ID.to_owned(), pem }]).await;
    world.wait(2 * FRESH_S);
    world.channel.renew_certificates().await;
    assert_eq!(world.asked(), 0, "a public key is no certificate");
}

#[tokio::test]
async fn wx_03_of_ten_thousand_messages_signed_by_certificate_and_by_public_key_every_one_verifies() {
    let certificate = PlatformKeyConfig { serial: NEW.to_owned(), pem: certificate(NEW, NEW_KEY, (2026, 2028)) };
    let pem = vector("wechat/java_wechat_pay_public_key.pem");
    let world = World::knowing(vec![PlatformKeyConfig { serial: KEY_ID.to_owned(), pem }, certificate]).await;
    let (by_key, by_certificate) = (signer(OLD_KEY), signer(NEW_KEY));
    let mut verified = (0, 0);
    for number in 0..10_000_u32 {
        let body = format!("{{\"id\":\"EV-{number}\"}}");
        let mixed = number.wrapping_mul(2_654_435_761) >> 31 == 0;
        let (key, serial) = if mixed { (&by_key, KEY_ID) } else { (&by_certificate, NEW) };
        let headers = signed(key, serial, &body, 0);
        world.channel.keys.verify(&headers, body.as_bytes(), world.channel.clock.now()).unwrap();
        let (keys, certificates) = verified;
        verified = if mixed { (keys + 1, certificates) } else { (keys, certificates + 1) };
    }
    assert_eq!(verified.0 + verified.1, 10_000);
    assert!(verified.0 > 4_900 && verified.1 > 4_900, "{verified:?}");
    assert_eq!(world.asked(), 0);
}

/// Whether a crowd of serials that nobody knows makes us ask the channel more than once.
pub(crate) async fn a_flood_is_passed_on() -> bool {
    let world = World::start().await;
    for _ in 0..8 {
        assert!(not_authentic(&world.told(FORGERS_KEY, "5AFF").await));
    }
    world.asked() > 1
}

/// Whether a notification is believed whose certificate is past its time: its key may be anybody's by now.
pub(crate) async fn an_old_certificate_is_believed() -> bool {
    let pem = certificate("5A00", OLD_KEY, (2024, 2026));
    let world = World::knowing(vec![PlatformKeyConfig { serial: "5A00".to_owned(), pem }]).await;
    world.told(OLD_KEY, "5A00").await.is_ok()
}

/// Whether somebody between us and the channel, who knows what the certificates say, can put his own in their place.
async fn a_certificate_is_swapped() -> bool {
    let genuine = certificate(NEW, NEW_KEY, (2026, 2028));
    let mut forged = certificate("5AFE", FORGERS_KEY, (2026, 2028)).into_bytes();
    forged.resize(genuine.len().max(forged.len()), b'\n');
    let mut plain = genuine.into_bytes();
    plain.resize(forged.len(), b'\n');
    let mut cipher = sealed(APIV3_KEY, &plain);
    for (place, (was, becomes)) in cipher.iter_mut().zip(plain.iter().zip(&forged)) {
        *place ^= was ^ becomes;
    }
    let world = World::start().await;
    world.say(|says| (says.body, says.key, says.serial) = (listed(&[("5AFE", cipher)]), FORGERS_KEY, "5AFE"));
    world.told(FORGERS_KEY, "5AFE").await.is_ok()
}

/// Whether a bare key that comes in the list of certificates is believed afterwards: it would have no end, and name nobody.
async fn a_bare_key_is_brought() -> bool {
    let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&vector(FORGERS_KEY), &rcgen::PKCS_RSA_SHA256).unwrap();
    let list = listed(&[(KEY_ID, sealed(APIV3_KEY, pair.public_key_pem().as_bytes()))]);
    let world = World::start().await;
    world.say(|says| (says.body, says.key, says.serial) = (list, FORGERS_KEY, KEY_ID));
    assert!(world.told(NEW_KEY, NEW).await.is_err());
    assert_eq!(world.asked(), 1, "the list was asked for");
    world.told(FORGERS_KEY, KEY_ID).await.is_ok()
}

#[tokio::test]
async fn a_public_key_in_the_list_of_certificates_is_refused() {
    assert!(!a_bare_key_is_brought().await);
    take_away(Some(Defence::CertificateSerial));
    let through = a_bare_key_is_brought().await;
    take_away(None);
    assert!(through, "nothing else keeps it out");
}

#[tokio::test]
async fn the_seal_is_all_that_keeps_a_forged_certificate_out() {
    assert!(!a_certificate_is_swapped().await);
    take_away(Some(Defence::Sealed));
    let through = a_certificate_is_swapped().await;
    take_away(None);
    assert!(through, "without the seal the attack fails all the same");
}
