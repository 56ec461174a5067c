//! Every shared vector passes through our signing and verification code, and a changed bit in each fails.
//!
//! Vectors: `vectors/alipay` (published test suites) and `vectors/derived` (bodies signed with published test keys).

use super::*;
use crate::{
    Clock,
    config::{AlipayConfig, alipay::tests::sample, tests::vector},
    defence::without,
    http::Http,
    pay::{NoticeContent, PaymentChannel, Refused, alipay::Alipay},
};
use serde_json::Value;
use std::sync::Arc;
use url::form_urlencoded;
use zhiyou_domain::port::payments::PaymentState;

const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        NOW
    }
}

fn json(path: &str) -> Value {
    serde_json::from_str(&vector(path)).unwrap()
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn signer() -> Signer {
    Signer::new(&vector("alipay/test_app_private_key_pkcs1.pem").into(), "key").unwrap()
}

fn public(pem: &str) -> Keys {
    Keys::new(&AlipayKeys::PublicKey { pem: vector(pem) }, &signer()).unwrap()
}

/// The published responses and a derived one, each with the key that proves it.
fn answers() -> Vec<(String, &'static str, Keys)> {
    let published = json("alipay/sync_response_rsa2.json");
    let derived = json("derived/alipay_response_precreate.json");
    vec![
        (
            text(&published, "raw_response").to_owned(),
            "alipay_open_file_upload_response",
            public("alipay/sync_response_public_key.pem"),
        ),
        (
            text(&derived, "raw").to_owned(),
            "alipay_trade_precreate_response",
            public("wechat/java_wechat_pay_public_key.pem"),
        ),
    ]
}

#[test]
fn what_is_signed_is_cut_out_exactly_as_it_was_sent() {
    let cases = json("alipay/sync_response_substring.json");
    for case in cases.as_array().unwrap() {
        let cut = Cut::of(text(case, "raw_response").as_bytes(), text(case, "response_key")).unwrap();
        assert_eq!(cut.content.get(), text(case, "signed_substring"), "{}", case["name"]);
        assert!(cut.content.get().contains("\\/"), "slashes stay as they came");
        assert!(cut.sign.unwrap().starts_with("P8xrBWqZ"), "the outer signature, not an inner one");
    }
}

#[test]
fn published_answers_are_proved_and_every_changed_bit_is_found() {
    for (raw, key, keys) in answers() {
        assert!(Cut::of(raw.as_bytes(), key).unwrap().proved(&keys, NOW).is_ok(), "{key}");
        let genuine = Cut::of(raw.as_bytes(), key).unwrap();
        for bit in 0..raw.len() * 8 {
            let mut changed = raw.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            let accepted = Cut::of(&changed, key).filter(|cut| cut.proved(&keys, NOW).is_ok());
            // A blank outside of what is signed may become another blank.
            assert!(accepted.is_none_or(|cut| cut.content.get() == genuine.content.get()), "bit {bit}");
        }
    }
}

#[test]
fn an_answer_without_proof_under_another_key_or_to_another_question_is_not_believed() {
    let (raw, key, keys) = answers().remove(1);
    assert!(Cut::of(raw.as_bytes(), "alipay_trade_query_response").is_none());
    let mut parts: Value = serde_json::from_str(&raw).unwrap();
    parts.as_object_mut().unwrap().remove("sign");
    let unsigned = parts.to_string();
    assert_eq!(Cut::of(unsigned.as_bytes(), key).unwrap().proved(&keys, NOW).unwrap_err(), SignatureError::Missing);
    let other = public("alipay/sync_response_public_key.pem");
    assert_eq!(Cut::of(raw.as_bytes(), key).unwrap().proved(&other, NOW).unwrap_err(), SignatureError::Wrong);
    for odd in ["<html>", "[]", "{}", "null", "", "{\"alipay_trade_precreate_response\":"] {
        assert!(Cut::of(odd.as_bytes(), key).is_none(), "{odd}");
    }
    // A second object under the same key is the one that is read, so it is the one that has to be proved.
    let doubled = raw.replacen('{', &format!("{{\"{key}\":{{\"code\":\"10000\"}},"), 1);
    assert!(Cut::of(doubled.as_bytes(), key).unwrap().proved(&keys, NOW).is_ok());
    let replaced = raw.replacen(",\"sign\"", &format!(",\"{key}\":{{\"code\":\"10000\"}},\"sign\""), 1);
    assert!(Cut::of(replaced.as_bytes(), key).unwrap().proved(&keys, NOW).is_err());
}

#[test]
fn certificates_are_named_as_published() {
    let published = json("alipay/cert_sn.json");
    let name = |file: &str| {
        let der = CertificateDer::from_pem_slice(vector(&format!("alipay/{file}")).as_bytes()).unwrap();
        serial(&X509Certificate::from_der(&der).unwrap().1)
    };
    assert_eq!(name(text(&published, "app_cert")), text(&published, "app_cert_sn"));
    assert_eq!(name(text(&published, "alipay_cert")), text(&published, "alipay_cert_sn"));
    // The published root file holds an SM2 and an odd ECDSA certificate too.
    assert_eq!(root_serial(&vector("alipay/alipayRootCert.crt")), text(&published, "alipay_root_cert_sn"));
    assert_eq!(root_serial("no certificate"), "");
}

/// Keys of certificate mode: two named certificates over the published test keys, as while the channel changes them.
fn rotating() -> Keys {
    let key = |serial: &str, pem: &str, valid: Option<(UtcMicros, UtcMicros)>| ChannelKey {
        serial: Some(serial.to_owned()),
        key: rsa::channel_key(&vector(pem), &[], "key").unwrap(),
        valid,
    };
    let valid = Some((NOW.plus_minutes(-1), NOW.plus_minutes(1)));
    Keys {
        keys: vec![
            key("old", "alipay/sync_response_public_key.pem", valid),
            key("new", "wechat/java_wechat_pay_public_key.pem", valid),
        ],
        serials: None,
    }
}

#[test]
fn al_10_the_key_is_the_one_the_certificate_names_and_its_time_counts() {
    let (raw, key, _) = answers().remove(1);
    let with = |name: &str| raw.replacen(",\"sign\"", &format!(",\"alipay_cert_sn\":\"{name}\",\"sign\""), 1);
    let proved = |raw: &str, keys: &Keys, now| Cut::of(raw.as_bytes(), key).unwrap().proved(keys, now).map(|_| ());
    assert_eq!(proved(&with("new"), &rotating(), NOW), Ok(()));
    assert_eq!(proved(&with("NEW"), &rotating(), NOW), Ok(()));
    assert_eq!(proved(&with("old"), &rotating(), NOW), Err(SignatureError::Wrong));
    assert_eq!(proved(&with("stranger"), &rotating(), NOW), Err(SignatureError::UnknownKey));
    assert_eq!(proved(&raw, &rotating(), NOW), Ok(()), "without a name any valid certificate proves it");
    assert_eq!(proved(&with("new"), &rotating(), NOW.plus_minutes(2)), Err(SignatureError::ExpiredKey));
    assert_eq!(proved(&raw, &rotating(), NOW.plus_minutes(2)), Err(SignatureError::ExpiredKey));
    let stranger = || proved(&with("stranger"), &rotating(), NOW);
    assert_eq!(without(Defence::CertificateNamed, stranger), Ok(()), "nothing else looks at the name");
    let late = || proved(&raw, &rotating(), NOW.plus_minutes(2));
    assert_eq!(without(Defence::CertificateTime, late), Ok(()), "nothing else looks at its time");
}

#[test]
fn al_11_a_certificate_counts_as_long_as_its_whole_chain_is_valid() {
    let roots = Roots::new(&vector("alipay/alipayRootCert.crt"));
    let pem = vector("alipay/alipayCertPublicKey_RSA2.crt");
    let keys = Keys { keys: vec![ChannelKey::read(&pem, &[], &roots).unwrap()], serials: None };
    let at = |seconds: i64| keys.verify(None, b"content", "c2lnbmF0dXJl", UtcMicros(0).plus_seconds(seconds));
    // In use from May 2020 to May 2022.
    assert_eq!(at(1_609_459_200), Err(SignatureError::Wrong));
    assert_eq!(at(1_577_836_800), Err(SignatureError::ExpiredKey));
    assert_eq!(at(1_672_531_200), Err(SignatureError::ExpiredKey));
    let refused = ChannelKey::read(&pem, &[], &Roots::new("")).err().unwrap();
    assert_eq!(refused.field(), "alipay.alipay_certificate_pem");
}

#[test]
fn keys_in_the_wrong_place_are_refused_at_the_start() {
    let refused = |keys: &AlipayKeys| Keys::new(keys, &signer()).err().unwrap().field().to_owned();
    let public_key = |pem: &str| AlipayKeys::PublicKey { pem: vector(pem) };
    assert_eq!(refused(&public_key("alipay/test_app_public_key.pem")), "alipay.alipay_public_key_pem");
    assert_eq!(refused(&public_key("alipay/alipayCertPublicKey_RSA2.crt")), "alipay.alipay_public_key_pem");
    let (app, root, alipay) = (
        vector("alipay/appCertPublicKey_2021001161683774.crt"),
        vector("alipay/alipayRootCert.crt"),
        vector("alipay/alipayCertPublicKey_RSA2.crt"),
    );
    // The published certificate belongs to another key than the published private key.
    let certificates =
        AlipayKeys::Certificates { app_pem: app.clone(), root_pem: root.clone(), alipay_pems: vec![alipay.clone()] };
    assert_eq!(refused(&certificates), "alipay.app_certificate_pem");
    let garbled = AlipayKeys::Certificates { app_pem: app, root_pem: root, alipay_pems: vec!["x".to_owned()] };
    assert_eq!(refused(&garbled), "alipay.alipay_certificate_pem");
    for odd in ["", "x", &vector("alipay/test_app_public_key.pem")] {
        assert!(Signer::new(&odd.to_owned().into(), "key").is_err());
    }
    assert!(Signer::new(&vector("wechat/java_merchant_private_key.pem").into(), "key").is_ok(), "PKCS#8 as well");
}

fn channel(change: impl FnOnce(&mut AlipayConfig)) -> Alipay {
    let mut config = sample("http://127.0.0.1:1");
    change(&mut config);
    let http = Http::new(crate::config::Profile::Sandbox).unwrap();
    Alipay::new(&config, http, Arc::new(Frozen)).unwrap()
}

/// The channel's proof waits for nothing.
fn proved(channel: &Alipay, body: &[u8]) -> Result<crate::pay::Notice, Refused> {
    let headers = axum::http::HeaderMap::new();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(channel.verify_notification(&headers, body, NOW))
}

fn read(channel: &Alipay, body: &[u8]) -> Result<NoticeContent, Refused> {
    proved(channel, body).map(|notice| notice.content)
}

#[test]
fn the_derived_notice_is_proved_and_read() {
    let case = json("derived/alipay_notify_trade_success.json");
    let notice = proved(&channel(|_| {}), text(&case, "form_body").as_bytes()).unwrap();
    assert_eq!(notice.event_id, "2026112000222102611068450559358070");
    let NoticeContent::Payment(number, seen) = notice.content else { panic!("{:?}", notice.content) };
    assert_eq!(number, "ZY20261120000002");
    assert_eq!(
        (seen.state, seen.transaction_id.as_deref(), seen.total.unwrap().minor()),
        (PaymentState::Captured, Some("2026112022001468450512505578"), 29_901)
    );
    assert_eq!(seen.paid_at_us.unwrap().to_rfc3339(), "2026-11-20T02:26:10Z");
    let mut fields: BTreeMap<String, String> =
        form_urlencoded::parse(text(&case, "form_body").as_bytes()).into_owned().collect();
    fields.remove("sign_type");
    assert_eq!(content(&fields), text(&case, "content_to_sign"));
}

#[test]
fn wh_02_every_flipped_bit_of_a_notice_is_found_or_means_the_same() {
    let case = json("derived/alipay_notify_trade_success.json");
    let (channel, body) = (channel(|_| {}), text(&case, "form_body").as_bytes());
    let decoded = |body: &[u8]| form_urlencoded::parse(body).into_owned().collect::<std::collections::BTreeSet<_>>();
    let (genuine, mut same) = (decoded(body), 0);
    for bit in 0..body.len() * 8 {
        let mut changed = body.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        if read(&channel, &changed).is_ok() {
            // `%3A` and `%3a` are the same colon; nothing else passes.
            assert_eq!(decoded(&changed), genuine, "bit {bit}");
            same += 1;
        }
    }
    let letters =
        body.windows(3).filter(|at| at[0] == b'%').flat_map(|at| &at[1..]).filter(|at| at.is_ascii_alphabetic());
    assert_eq!(same, letters.count());
}

#[test]
fn al_01_a_weaker_signature_scheme_cannot_be_asked_for() {
    let case = json("derived/alipay_notify_trade_success.json");
    let body = text(&case, "form_body");
    for odd in ["RSA", "rsa2", "RSA2%20", "", "MD5"] {
        let body = body.replace("sign_type=RSA2", &format!("sign_type={odd}"));
        assert!(matches!(read(&channel(|_| {}), body.as_bytes()), Err(Refused::NotAuthentic(_))), "{odd}");
    }
    let without = body.replace("&sign_type=RSA2", "");
    assert!(matches!(read(&channel(|_| {}), without.as_bytes()), Err(Refused::NotAuthentic(_))));
}

#[test]
fn al_02_an_added_or_repeated_field_is_refused_and_order_and_empty_ones_do_not_matter() {
    let case = json("derived/alipay_notify_trade_success.json");
    let (channel, body) = (channel(|_| {}), text(&case, "form_body"));
    for added in ["extra=1", "total_amount=0.01", "total_amount=299.01", "trade_status=", "sign_type=RSA2", "sign="] {
        for body in [format!("{body}&{added}"), format!("{added}&{body}")] {
            assert!(matches!(read(&channel, body.as_bytes()), Err(Refused::NotAuthentic(_))), "{added}");
        }
    }
    let mut fields: Vec<&str> = body.split('&').collect();
    fields.reverse();
    for body in [fields.join("&"), format!("{body}&passback_params=&&")] {
        assert!(matches!(read(&channel, body.as_bytes()), Ok(NoticeContent::Payment(..))));
    }
    let flood = (0..1000).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join("&");
    assert!(matches!(read(&channel, flood.as_bytes()), Err(Refused::NotAuthentic(_))));
}

#[test]
fn wh_04_a_notice_signed_with_another_key_or_encoded_otherwise_is_refused() {
    let case = json("derived/alipay_notify_trade_success.json");
    let body = text(&case, "form_body");
    let other = channel(|config| {
        config.keys = AlipayKeys::PublicKey { pem: vector("alipay/sync_response_public_key.pem") };
    });
    assert!(matches!(read(&other, body.as_bytes()), Err(Refused::NotAuthentic(_))));
    let sign = text(&case["fields"], "sign");
    let with = |sign: &str| {
        let rest: String =
            body.split('&').filter(|field| !field.starts_with("sign=")).fold(String::new(), |a, b| a + b + "&");
        let mut form = form_urlencoded::Serializer::new(String::new());
        format!("{rest}{}", form.append_pair("sign", sign).finish())
    };
    assert!(read(&channel(|_| {}), with(sign).as_bytes()).is_ok());
    let url_safe = sign.replace('+', "-").replace('/', "_");
    let huge = sign.repeat(100);
    for odd in
        ["", " ", &sign[4..], sign.trim_end_matches('='), &url_safe, &format!(" {sign}"), &format!("{sign}\n"), &huge]
    {
        assert!(matches!(read(&channel(|_| {}), with(odd).as_bytes()), Err(Refused::NotAuthentic(_))), "{odd:?}");
    }
}
