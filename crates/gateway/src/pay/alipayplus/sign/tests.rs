//! The recorded answer of the channel, every flipped bit of it, and every way to write the header wrongly.

use super::*;
use crate::{config::tests::vector, pay::rsa};
use serde_json::Value;

const PATH: &str = "/notify/alipayplus";

/// The recorded answer: its parts, and its headers as they came.
struct Recording {
    path: String,
    body: Vec<u8>,
    headers: HeaderMap,
    key: ParsedPublicKey,
}

impl Recording {
    fn read() -> Self {
        let json: Value = serde_json::from_str(&vector("alipayplus/response_pay.json")).unwrap();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        for (name, value) in json["headers"].as_object().unwrap() {
            headers.insert(
                axum::http::HeaderName::try_from(name.as_str()).unwrap(),
                value.as_str().unwrap().parse().unwrap(),
            );
        }
        let key = rsa::channel_key(&text("public_key_pem"), &[], "key").unwrap();
        Self { path: text("path"), body: text("body").into_bytes(), headers, key }
    }

    fn verify(&self) -> Result<(), ProofError> {
        Claim::read(&self.headers, "response-time")?.verify(&self.key, &self.path, &self.body)
    }

    fn with(&self, name: &'static str, value: &[u8]) -> Result<(), ProofError> {
        let Ok(value) = axum::http::HeaderValue::from_bytes(value) else { return Err(ProofError::Header(name)) };
        let mut headers = self.headers.clone();
        headers.insert(name, value);
        Claim::read(&headers, "response-time")?.verify(&self.key, &self.path, &self.body)
    }
}

#[test]
fn the_recorded_answer_of_the_channel_verifies() {
    assert_eq!(Recording::read().verify(), Ok(()));
}

#[test]
fn wh_02_every_flipped_bit_of_the_body_is_found() {
    let mut recording = Recording::read();
    for bit in 0..recording.body.len() * 8 {
        recording.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(recording.verify(), Err(ProofError::Wrong), "bit {bit}");
        recording.body[bit / 8] ^= 1 << (bit % 8);
    }
    recording.verify().unwrap();
}

#[test]
fn wh_03_every_flipped_bit_of_the_signed_headers_and_of_the_path_is_found_or_means_the_same() {
    let recording = Recording::read();
    for name in ["client-id", "response-time"] {
        let value = recording.headers[name].as_bytes().to_vec();
        for bit in 0..value.len() * 8 {
            let mut changed = value.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(recording.with(name, &changed).is_err(), "{name} bit {bit}");
        }
    }
    let written = recording.headers["signature"].to_str().unwrap().to_owned();
    let meant = signature(&written).unwrap();
    for bit in 0..written.len() * 8 {
        let mut changed = written.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        let value = axum::http::HeaderValue::from_bytes(&changed);
        let text = value.as_ref().ok().and_then(|value| value.to_str().ok());
        let same = text.is_some_and(|text| signature(text).as_ref() == Ok(&meant));
        assert_eq!(recording.with("signature", &changed).is_ok(), same, "bit {bit}");
    }
    for bit in 0..recording.path.len() * 7 {
        let mut changed = recording.path.clone().into_bytes();
        changed[bit / 7] ^= 1 << (bit % 7);
        let claim = Claim::read(&recording.headers, "response-time").unwrap();
        let path = String::from_utf8(changed).unwrap();
        assert_eq!(claim.verify(&recording.key, &path, &recording.body), Err(ProofError::Wrong), "bit {bit}");
    }
}

#[test]
fn wh_01_a_missing_empty_repeated_or_huge_header_is_refused() {
    let recording = Recording::read();
    for name in ["client-id", "response-time", "signature"] {
        let value = recording.headers[name].clone();
        let refused = |change: &dyn Fn(&mut HeaderMap)| {
            let mut headers = recording.headers.clone();
            change(&mut headers);
            assert!(Claim::read(&headers, "response-time").is_err(), "{name}");
        };
        refused(&|headers| drop(headers.remove(name)));
        refused(&|headers| drop(headers.insert(name, "".parse().unwrap())));
        refused(&|headers| {
            headers.append(name, value.clone());
        });
        refused(&|headers| drop(headers.insert(name, "x".repeat(4096).parse().unwrap())));
    }
}

#[test]
fn wh_05_another_scheme_or_a_header_written_another_way_is_refused() {
    let recording = Recording::read();
    let written = recording.headers["signature"].to_str().unwrap().to_owned();
    let (_, encoded) = written.split_once("signature=").unwrap();
    for odd in [
        format!("algorithm=RSA1,keyVersion=1,signature={encoded}"),
        format!("algorithm=none,keyVersion=1,signature={encoded}"),
        format!("keyVersion=1,signature={encoded}"),
        format!("algorithm=RSA256,algorithm=RSA256,signature={encoded}"),
        format!("algorithm=RSA256,signature={encoded},signature={encoded}"),
        format!("algorithm=RSA256,signature={encoded}&x"),
        format!("algorithm=RSA256,signature={encoded},"),
        "algorithm=RSA256,keyVersion=1,signature=".to_owned(),
        "algorithm=RSA256,keyVersion=1,signature=not base64".to_owned(),
        "algorithm=RSA256,keyVersion=1".to_owned(),
        encoded.to_owned(),
    ] {
        assert!(recording.with("signature", odd.as_bytes()).is_err(), "{odd}");
    }
    let shuffled = format!("signature={encoded}, algorithm=RSA256, keyVersion=7");
    assert_eq!(recording.with("signature", shuffled.as_bytes()), Ok(()), "in another order, under another version");
}

/// The header of a signature by the published key that plays the channel's.
pub(crate) fn signed(path: &str, client_id: &str, time: &str, body: &str) -> String {
    let signer = rsa::Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "key").unwrap();
    let content = String::from_utf8(content(path, client_id, time, body.as_bytes())).unwrap();
    header(&signer.sign(&content).unwrap())
}

#[test]
fn what_we_sign_verifies_as_what_the_channel_signs() {
    let written = signed(PATH, "C1", "2026-11-20T10:26:10+08:00", "{}");
    let mut headers = HeaderMap::new();
    headers.insert("client-id", "C1".parse().unwrap());
    headers.insert("request-time", "2026-11-20T10:26:10+08:00".parse().unwrap());
    headers.insert("signature", written.parse().unwrap());
    let key = rsa::channel_key(&vector("wechat/java_wechat_pay_public_key.pem"), &[], "key").unwrap();
    let claim = Claim::read(&headers, "request-time").unwrap();
    assert_eq!(claim.verify(&key, PATH, b"{}"), Ok(()));
    assert_eq!(claim.verify(&key, "/notify/alipay", b"{}"), Err(ProofError::Wrong), "for another address");
}
