//! Every shared vector passes through our signing and verification code, and a changed bit in each fails.
//!
//! Vectors: `vectors/wechat` (published test suites) and `vectors/derived` (bodies signed with published test keys).

use super::*;
use crate::{
    Clock,
    config::tests::{sample, vector},
    defence::without,
    http::Http,
    pay::{
        NoticeContent, PaymentChannel, PaymentSeen, Refused,
        wechatpay::{Wechatpay, certificates::Known},
    },
};
use serde_json::Value;
use std::sync::Arc;
use zhiyou_domain::port::payments::{PaymentState, RefundState};

struct Frozen(UtcMicros);

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        self.0
    }
}

fn json(path: &str) -> Value {
    serde_json::from_str(&vector(path)).unwrap()
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn signer(pem: &str, mchid: &str, serial: &str) -> Signer {
    Signer::new(&vector(pem).into(), mchid, serial).unwrap()
}

fn seconds(at: &str) -> UtcMicros {
    UtcMicros(at.parse::<i64>().unwrap() * 1_000_000)
}

/// The public key of a certificate whatever its validity: some published certificates are past theirs.
fn undated(certificate: &str, serial: &str) -> PlatformKeys {
    let mut key =
        PlatformKey::read(&PlatformKeyConfig { serial: serial.to_owned(), pem: vector(certificate) }).unwrap();
    key.valid = None;
    PlatformKeys { keys: vec![Arc::new(key)] }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.to_lowercase().parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

/// A signed message as it travels.
#[derive(Clone)]
struct Signed {
    timestamp: String,
    nonce: String,
    serial: String,
    signature: String,
    body: Vec<u8>,
}

impl Signed {
    fn of(headers: &Value, signature: Option<&str>, body: &str) -> Self {
        Self {
            timestamp: text(headers, "Wechatpay-Timestamp").to_owned(),
            nonce: text(headers, "Wechatpay-Nonce").to_owned(),
            serial: text(headers, "Wechatpay-Serial").to_owned(),
            signature: signature.unwrap_or_else(|| text(headers, "Wechatpay-Signature")).to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn headers(&self) -> HeaderMap {
        headers(&[
            ("Wechatpay-Timestamp", &self.timestamp),
            ("Wechatpay-Nonce", &self.nonce),
            ("Wechatpay-Serial", &self.serial),
            ("Wechatpay-Signature", &self.signature),
        ])
    }

    fn check(&self, keys: &PlatformKeys) -> Result<(), SignatureError> {
        keys.verify(&self.headers(), &self.body, seconds("1624523846").max(self.now()))
    }

    fn now(&self) -> UtcMicros {
        self.timestamp.parse().map_or(UtcMicros(0), |at: i64| UtcMicros(at * 1_000_000))
    }
}

fn signed_messages() -> Vec<(Signed, PlatformKeys)> {
    let java = || undated("wechat/java_wechat_pay_certificate.pem", "440024045C4A427599D09BB4E3DE0279F2E813FD");
    let go = undated("wechat/platform_cert_D7CE59D1F522D701.pem", "D7CE59D1F522D701");
    let published = json("wechat/notification_signed_encrypted.json");
    let answer = json("derived/wechat_response_signature.json");
    let mut messages = vec![
        (Signed::of(&published["headers"], None, text(&published, "body")), go),
        (Signed::of(&answer["headers"], None, text(&answer, "body")), java()),
        (Signed::of(&answer["headers"], answer["empty_body_204"]["signature"].as_str(), ""), java()),
    ];
    for path in ["derived/wechat_notify_transaction_success.json", "derived/wechat_notify_refund_success.json"] {
        let notice = json(path);
        messages.push((Signed::of(&notice["headers"], None, text(&notice, "body")), java()));
    }
    messages
}

#[test]
fn requests_are_signed_exactly_as_the_published_and_derived_vectors() {
    let published = json("wechat/sha256_rsa_signature.json");
    let signature = signer("wechat/test_rsa_private_key.pem", "1", "1").sign(text(&published, "message")).unwrap();
    assert_eq!(signature, text(&published, "signature_base64"));

    let java = signer("wechat/java_merchant_private_key.pem", "1900000109", "5F1C72E2A8931B72A2E13AF8DEE92471EB397115");
    let native = json("derived/wechat_authorization_native.json");
    let (method, url, nonce, body) =
        (text(&native, "method"), text(&native, "url"), text(&native, "nonce_str"), text(&native, "body"));
    assert_eq!(request_message(method, url, 1_795_141_500, nonce, body), text(&native, "message_to_sign"));
    assert_eq!(java.authorization(method, url, 1_795_141_500, nonce, body).unwrap(), text(&native, "authorization"));

    let query = json("derived/wechat_authorization_query.json");
    assert_eq!(java.sign(text(&query, "message_to_sign")).unwrap(), text(&query, "signature"));
    let lines: Vec<&str> = text(&query, "message_to_sign").split('\n').collect();
    assert_eq!(request_message(lines[0], lines[1], 1_795_141_500, lines[3], ""), text(&query, "message_to_sign"));

    let paysign = json("derived/wechat_paysign.json");
    assert_eq!(java.sign(text(&paysign["jsapi"], "message")).unwrap(), text(&paysign["jsapi"], "paySign"));
    assert_eq!(java.sign(text(&paysign["app"], "message")).unwrap(), text(&paysign["app"], "sign"));
}

/// A published merchant key without a signature of its own: what it signs, its public half verifies.
#[test]
fn a_published_merchant_key_signs_what_its_public_half_verifies() {
    use aws_lc_rs::{
        rsa::KeyPair,
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pem = vector("wechat/test_merchant_private_key_BE6DCDA7A5931FA0.pem");
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = KeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let signature = Signer::new(&pem.into(), "1234567890", "BE6DCDA7A5931FA0").unwrap().sign("source").unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let signature = STANDARD.decode(signature).unwrap();
    public.verify(b"source", &signature).unwrap();
    assert!(public.verify(b"sourcf", &signature).is_err());
}

#[test]
fn a_changed_bit_of_the_message_gives_another_signature() {
    let java = signer("wechat/java_merchant_private_key.pem", "1900000109", "5F1C72E2A8931B72A2E13AF8DEE92471EB397115");
    let native = json("derived/wechat_authorization_native.json");
    let changed = text(&native, "message_to_sign").replace("29901", "29900");
    assert_ne!(java.sign(&changed).unwrap(), text(&native, "signature"));
}

#[test]
fn the_header_is_laid_out_as_published() {
    let layout = json("wechat/authorization_header_layout.json");
    for case in layout["cases"].as_array().unwrap() {
        let message = request_message(
            text(case, "method"),
            text(case, "url"),
            1_624_523_846,
            text(&layout, "nonce_str"),
            text(case, "body"),
        );
        assert_eq!(message, text(case, "message_to_sign"));
    }
    let signer = signer("wechat/java_merchant_private_key.pem", text(&layout, "mchid"), text(&layout, "serial_no"));
    let header =
        signer.authorization("GET", "/v3/certificates", 1_624_523_846, text(&layout, "nonce_str"), "").unwrap();
    let wanted = text(&layout, "header").replace("<scheme>", SCHEME);
    assert!(header.starts_with(wanted.split("<base64>").next().unwrap()), "{header}");
}

#[test]
fn a_published_signature_verifies_under_its_certificate_only() {
    let published = json("wechat/java_rsa_signature.json");
    let check = |pem: &str| {
        let der = CertificateDer::from_pem_slice(vector(pem).as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, certificate.public_key().raw).unwrap();
        let signature = STANDARD.decode(text(&published, "signature_base64")).unwrap();
        key.verify_sig(text(&published, "message").as_bytes(), &signature).is_ok()
    };
    assert!(check("wechat/java_merchant_certificate.pem"));
    assert!(!check("wechat/java_wechat_pay_certificate.pem"));
}

#[test]
fn every_signed_vector_verifies() {
    for (message, keys) in signed_messages() {
        assert_eq!(message.check(&keys), Ok(()), "{}", message.nonce);
    }
}

#[test]
fn every_flipped_bit_of_body_nonce_signature_and_timestamp_is_found() {
    for (message, keys) in signed_messages() {
        for bit in 0..message.body.len() * 8 {
            let mut changed = message.clone();
            changed.body[bit / 8] ^= 1 << (bit % 8);
            assert!(changed.check(&keys).is_err(), "body bit {bit}");
        }
        for (at, flip) in (0..message.signature.len()).flat_map(|at| [(at, 1_u8), (at, 2), (at, 4)]) {
            let mut changed = message.clone();
            let mut bytes = changed.signature.into_bytes();
            bytes[at] ^= flip;
            changed.signature = String::from_utf8(bytes).unwrap();
            assert!(changed.check(&keys).is_err(), "signature {at}");
        }
        for at in 0..message.nonce.len() {
            let mut changed = message.clone();
            let mut bytes = changed.nonce.into_bytes();
            bytes[at] ^= 1;
            changed.nonce = String::from_utf8(bytes).unwrap();
            assert!(changed.check(&keys).is_err(), "nonce {at}");
        }
        let mut changed = message.clone();
        changed.timestamp = (message.timestamp.parse::<i64>().unwrap() + 1).to_string();
        assert!(changed.check(&keys).is_err());
    }
}

#[test]
fn a_repeated_missing_or_huge_header_an_odd_type_and_another_key_are_refused() {
    let (message, keys) = signed_messages().remove(1);
    let now = message.now();
    for name in ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature"] {
        let mut missing = message.headers();
        missing.remove(name);
        assert_eq!(keys.verify(&missing, &message.body, now), Err(SignatureError::Header), "{name}");
        let mut twice = message.headers();
        twice.append(name, twice[name].clone());
        assert_eq!(keys.verify(&twice, &message.body, now), Err(SignatureError::Header), "{name}");
        let mut huge = message.headers();
        huge.insert(axum::http::HeaderName::from_static(name), "1".repeat(10_000).parse().unwrap());
        assert!(keys.verify(&huge, &message.body, now).is_err(), "{name}");
    }
    let mut odd = message.headers();
    odd.insert("wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3".parse().unwrap());
    assert_eq!(keys.verify(&odd, &message.body, now), Err(SignatureError::Header));
    let mut stranger = message.clone();
    stranger.serial = "0000000000000000".to_owned();
    assert_eq!(stranger.check(&keys), Err(SignatureError::UnknownKey));
    let other = undated("wechat/platform_cert_D7CE59D1F522D701.pem", "D7CE59D1F522D701");
    let mut relabelled = message;
    relabelled.serial = "D7CE59D1F522D701".to_owned();
    assert_eq!(relabelled.check(&other), Err(SignatureError::Wrong));
}

#[test]
fn the_clock_may_be_off_by_four_minutes_and_not_by_five() {
    let (message, keys) = signed_messages().remove(1);
    let at = |offset_s| keys.verify(&message.headers(), &message.body, message.now().plus_seconds(offset_s));
    for offset_s in [0, 240, -240, 299, -299] {
        assert_eq!(at(offset_s), Ok(()), "{offset_s}");
    }
    for offset_s in [300, -300, 301, -301, 86_400] {
        assert_eq!(at(offset_s), Err(SignatureError::Window), "{offset_s}");
    }
    for odd in ["-1795141501", "+1795141501", "1000000000000000000", " 1795141501", "1795141501.0", "0x6AFF", ""] {
        assert!(within_window(odd, message.now()).is_err(), "{odd:?}");
    }
}

#[test]
fn a_serial_in_lower_case_is_the_same_key_and_a_certificate_past_its_time_is_none() {
    let (mut message, keys) = signed_messages().remove(1);
    message.serial = message.serial.to_lowercase();
    assert_eq!(message.check(&keys), Ok(()));
    let dated = PlatformKeys::new(&[PlatformKeyConfig {
        serial: "440024045C4A427599D09BB4E3DE0279F2E813FD".to_owned(),
        pem: vector("wechat/java_wechat_pay_certificate.pem"),
    }])
    .unwrap();
    assert_eq!(message.check(&dated), Err(SignatureError::ExpiredKey));
}

#[test]
fn during_a_migration_certificate_and_public_key_both_verify() {
    let (mut message, _) = signed_messages().remove(1);
    let id = "PUB_KEY_ID_0119000001092026112000382000000001";
    let mut keys = undated("wechat/java_wechat_pay_certificate.pem", "440024045C4A427599D09BB4E3DE0279F2E813FD");
    let public = PlatformKeyConfig { serial: id.to_owned(), pem: vector("wechat/java_wechat_pay_public_key.pem") };
    keys.keys.push(Arc::new(PlatformKey::read(&public).unwrap()));
    assert_eq!(message.check(&keys), Ok(()));
    message.serial = id.to_owned();
    assert_eq!(message.check(&keys), Ok(()));
}

#[test]
fn a_probe_is_recognised_and_a_certificate_under_a_wrong_serial_is_refused_at_the_start() {
    let (mut message, keys) = signed_messages().remove(1);
    message.signature = format!("WECHATPAY/SIGNTEST/{}", message.signature);
    assert_eq!(message.check(&keys), Err(SignatureError::Probe));
    let attack = without(Defence::ProbeKnown, || message.check(&keys));
    assert_eq!(attack, Err(SignatureError::Wrong), "it would be taken for an attack");
    let wrong =
        PlatformKeyConfig { serial: "ABCDEF".to_owned(), pem: vector("wechat/java_wechat_pay_certificate.pem") };
    assert!(PlatformKeys::new(&[wrong]).is_err());
}

#[test]
fn encrypted_resources_open_with_the_right_key_only() {
    for case in json("wechat/aead_aes_gcm.json")["cases"].as_array().unwrap() {
        let (key, nonce, aad, cipher) =
            (text(case, "api_v3_key"), text(case, "nonce"), text(case, "associated_data"), text(case, "ciphertext"));
        assert_eq!(open(key.as_bytes(), nonce, aad, cipher).unwrap(), text(case, "plaintext").as_bytes());
        for wrong in case["must_fail"].as_array().into_iter().flatten() {
            let key = wrong["api_v3_key"].as_str().unwrap_or(key);
            let cipher = wrong["ciphertext"].as_str().unwrap_or(cipher);
            assert_eq!(open(key.as_bytes(), nonce, aad, cipher), Err(OpenError));
        }
        let bytes = STANDARD.decode(cipher).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(key.as_bytes(), nonce, aad, &STANDARD.encode(changed)), Err(OpenError), "bit {bit}");
        }
        assert_eq!(open(key.as_bytes(), &nonce[..11], aad, cipher), Err(OpenError));
        assert_eq!(open(key.as_bytes(), &format!("{nonce}x"), aad, cipher), Err(OpenError));
        assert_eq!(open(key.as_bytes(), nonce, &format!("{aad}x"), cipher), Err(OpenError));
        assert_eq!(open(key.as_bytes(), nonce, aad, "AAAA"), Err(OpenError));
    }
}

#[test]
fn published_certificate_answers_open_to_certificates_with_the_serial_they_name() {
    for path in ["wechat/certificates_response.json", "wechat/certificates_response_aes256.json"] {
        let published = json(path);
        let body: Value = serde_json::from_str(text(&published, "response_body")).unwrap();
        let sealed = &body["data"][0]["encrypt_certificate"];
        let key = text(&published, "api_v3_key").as_bytes();
        let pem =
            open(key, text(sealed, "nonce"), text(sealed, "associated_data"), text(sealed, "ciphertext")).unwrap();
        let pem = String::from_utf8(pem).unwrap();
        assert_eq!(pem.trim(), text(&published, "decrypted_pem").trim());
        PlatformKey::read(&PlatformKeyConfig { serial: text(&published, "serial_no").to_owned(), pem }).unwrap();
    }
}

/// A channel whose platform key is the published one, with the key of a vector.
fn channel(now: UtcMicros, apiv3_key: &str, certificate: &str, serial: &str) -> Wechatpay {
    let mut config = sample("unused".into(), "http://127.0.0.1:1", "http://127.0.0.1:2").wechatpay;
    config.apiv3_key = apiv3_key.to_owned().into();
    let http = Http::new(crate::config::Profile::Sandbox).unwrap();
    let mut channel = Wechatpay::new(&config, http, Arc::new(Frozen(now))).unwrap();
    channel.keys = Known::new(undated(certificate, serial), now);
    channel
}

async fn notice(path: &str, change: impl FnOnce(&mut Value)) -> Result<NoticeContent, Refused> {
    let mut json = json(path);
    let message = Signed::of(&json["headers"], None, text(&json, "body"));
    change(&mut json);
    let certificate = json["platform_certificate"].as_str().unwrap_or("../wechat/platform_cert_D7CE59D1F522D701.pem");
    let channel =
        channel(message.now(), text(&json, "api_v3_key"), certificate.trim_start_matches("../"), &message.serial);
    channel.verify_notification(&message.headers(), &message.body, message.now()).await.map(|notice| notice.content)
}

#[tokio::test]
async fn derived_notifications_open_to_a_payment_and_a_refund() {
    let NoticeContent::Payment(number, seen) =
        notice("derived/wechat_notify_transaction_success.json", |_| {}).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(number, "ZY20261120000001");
    let PaymentSeen { state, transaction_id, total, paid_at_us, taken: _ } = seen;
    assert_eq!(
        (state, transaction_id.as_deref(), total.unwrap().minor()),
        (PaymentState::Captured, Some("4200001234202611201234567890"), 29_901)
    );
    assert_eq!(paid_at_us.unwrap().to_rfc3339(), "2026-11-20T02:30:04Z");
    let NoticeContent::Refund(number, seen) =
        notice("derived/wechat_notify_refund_success.json", |_| {}).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(
        (number.as_str(), seen.state, seen.amount.minor(), seen.total.minor()),
        ("RF20261120000001", RefundState::Succeeded, 10_000, 29_901)
    );
}

#[tokio::test]
async fn the_published_notification_opens_and_is_of_a_kind_we_have_no_use_for() {
    assert!(matches!(notice("wechat/notification_signed_encrypted.json", |_| {}).await, Ok(NoticeContent::Ignored(_))));
}

#[tokio::test]
async fn a_notification_sealed_with_another_key_is_not_authentic() {
    let other = |json: &mut Value| json["api_v3_key"] = "b7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb".into();
    assert!(matches!(
        notice("derived/wechat_notify_transaction_success.json", other).await,
        Err(Refused::NotAuthentic(_))
    ));
}

/// What opens a resource without looking at its seal: GCM is counter mode, and its counter begins at two.
pub(super) fn opened_unsealed(key: &[u8], nonce: &str, mut bytes: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    use aws_lc_rs::{
        cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey},
        iv::FixedLength,
    };
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(nonce.as_bytes());
    counter[15] = 2;
    let key = DecryptingKey::ctr(UnboundCipherKey::new(&AES_256, key).unwrap()).unwrap();
    bytes.truncate(bytes.len() - 16);
    key.decrypt(&mut bytes, DecryptionContext::Iv128(FixedLength::from(counter))).unwrap();
    Ok(bytes)
}
