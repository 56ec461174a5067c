//! The published samples, every flipped bit of them, and every way to write the header wrongly.

use super::*;
use crate::{config::tests::vector, defence::without};
use serde_json::Value;

struct Sample {
    secrets: Secrets,
    header: String,
    body: Vec<u8>,
    at_s: i64,
}

fn sample(secret: &str, header: &str, body: &str, at_s: i64) -> Sample {
    Sample {
        secrets: Secrets::new(&[secret.to_owned().into()]),
        header: header.to_owned(),
        body: body.as_bytes().to_vec(),
        at_s,
    }
}

/// The sample of the provider's own client tests, and one that its clients accepted.
fn samples() -> [Sample; 2] {
    let published: Value = serde_json::from_str(&vector("stripe/webhook_v1.json")).unwrap();
    let derived: Value = serde_json::from_str(&vector("derived/stripe_payment_intent_succeeded.json")).unwrap();
    let read = |json: &Value, body: &str| {
        sample(
            json["secret"].as_str().unwrap(),
            json["header"].as_str().unwrap(),
            body,
            json["timestamp"].as_i64().unwrap(),
        )
    };
    [read(&published, &vector("stripe/event_test_signature.json")), read(&derived, derived["body"].as_str().unwrap())]
}

impl Sample {
    fn judged(&self, headers: &[&str], body: &[u8], now_s: i64) -> Result<(), SignatureError> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(HEADER, header.parse().unwrap());
        }
        self.secrets.verify(&map, body, UtcMicros(now_s * 1_000_000))
    }

    fn with_header(&self, header: &str) -> Result<(), SignatureError> {
        self.judged(&[header], &self.body, self.at_s)
    }

    fn v1(&self) -> &str {
        self.header.split(',').find_map(|item| item.strip_prefix("v1=")).unwrap()
    }
}

#[test]
fn the_published_samples_verify_and_their_bad_cases_do_not() {
    for sample in samples() {
        assert_eq!(sample.with_header(&sample.header), Ok(()));
    }
    let [sample, _] = samples();
    let published: Value = serde_json::from_str(&vector("stripe/webhook_v1.json")).unwrap();
    for case in published["cases"].as_array().unwrap() {
        let mut body = sample.body.clone();
        body.extend(case["body_suffix"].as_str().unwrap_or_default().bytes());
        let now_s = case["now"].as_i64().unwrap_or(sample.at_s);
        assert_eq!(sample.judged(&[&sample.header], &body, now_s).is_ok(), case["valid"].as_bool().unwrap(), "{case}");
    }
    for header in published["bad_headers"].as_array().unwrap() {
        assert!(sample.with_header(header.as_str().unwrap()).is_err(), "{header}");
    }
}

#[test]
fn wh_02_wh_03_every_flipped_bit_of_body_time_and_signature_is_refused() {
    for sample in samples() {
        for at in 0..sample.body.len() * 8 {
            let mut body = sample.body.clone();
            body[at / 8] ^= 1 << (at % 8);
            assert!(sample.judged(&[&sample.header], &body, sample.at_s).is_err(), "bit {at} of the body");
        }
        let signed = format!("t={},v1={}", sample.at_s, sample.v1());
        for at in 0..signed.len() * 8 {
            let mut bytes = signed.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let Ok(value) = axum::http::HeaderValue::from_bytes(&bytes) else { continue };
            let headers = HeaderMap::from_iter([(axum::http::HeaderName::from_static(HEADER), value)]);
            let judged = sample.secrets.verify(&headers, &sample.body, UtcMicros(sample.at_s * 1_000_000));
            assert!(judged.is_err(), "bit {at} of the header");
        }
    }
}

#[test]
fn wh_01_a_header_that_is_missing_empty_repeated_or_huge_is_refused() {
    let [sample, _] = samples();
    let huge = format!("{},v0={}", sample.header, "0".repeat(10_000));
    for headers in [&[][..], &[""], &[&sample.header, &sample.header], &[&huge]] {
        assert_eq!(sample.judged(headers, &sample.body, sample.at_s), Err(SignatureError::Header));
    }
}

#[test]
fn wh_04_another_endpoints_secret_is_refused() {
    let [sample, other] = samples();
    let mut map = HeaderMap::new();
    map.append(HEADER, sample.header.parse().unwrap());
    let judged = other.secrets.verify(&map, &sample.body, UtcMicros(sample.at_s * 1_000_000));
    assert_eq!(judged, Err(SignatureError::Wrong));
}

#[test]
fn wh_05_a_signature_in_another_spelling_is_refused() {
    let [sample, _] = samples();
    let (at_s, v1) = (sample.at_s, sample.v1());
    for spelled in [
        v1.to_uppercase(),
        format!(" {v1}"),
        format!("{v1}="),
        format!("{v1}00"),
        v1[..62].to_owned(),
        String::new(),
        "IiD4fvEBqmfLYfEXc+0UMUP4dVcgCFd/oPIIgt2cyMc=".to_owned(),
    ] {
        assert!(sample.with_header(&format!("t={at_s},v1={spelled}")).is_err(), "{spelled:?}");
    }
    assert!(sample.with_header(&format!("t={at_s}, v1={v1}")).is_err(), "white space");
}

#[test]
fn wh_06_the_same_json_written_again_is_refused() {
    let [_, sample] = samples();
    let again: Value = serde_json::from_slice(&sample.body).unwrap();
    for body in [again.to_string().into_bytes(), [&sample.body[..], b"\n"].concat()] {
        assert_eq!(sample.judged(&[&sample.header], &body, sample.at_s), Err(SignatureError::Wrong));
    }
}

#[test]
fn wh_10_wh_11_a_time_outside_the_window_or_not_a_plain_number_is_refused() {
    let [sample, _] = samples();
    for (away, accepted) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
        assert_eq!(sample.judged(&[&sample.header], &sample.body, sample.at_s + away).is_ok(), accepted, "{away}");
    }
    for timestamp in
        ["-1533204620", "+1533204620", "1000000000000000000", "1533204620.0", "x", "", "１５３３２０４６２０"]
    {
        let Ok(value) = axum::http::HeaderValue::from_str(&format!("t={timestamp},v1={}", sample.v1())) else {
            continue;
        };
        let headers = HeaderMap::from_iter([(axum::http::HeaderName::from_static(HEADER), value)]);
        assert!(
            sample.secrets.verify(&headers, &sample.body, UtcMicros(sample.at_s * 1_000_000)).is_err(),
            "{timestamp:?}"
        );
    }
}

#[test]
fn wh_12_a_clock_four_minutes_off_passes_and_six_minutes_off_fails_closed() {
    let [sample, _] = samples();
    for minutes in [4, -4] {
        assert_eq!(sample.judged(&[&sample.header], &sample.body, sample.at_s + minutes * 60), Ok(()));
    }
    for minutes in [6, -6] {
        let judged = sample.judged(&[&sample.header], &sample.body, sample.at_s + minutes * 60);
        assert_eq!(judged, Err(SignatureError::Window));
    }
}

#[test]
fn st_01_a_header_with_only_other_schemes_is_refused() {
    let [sample, _] = samples();
    let (at_s, v1) = (sample.at_s, sample.v1());
    for header in
        [format!("t={at_s},v0={v1}"), format!("t={at_s},v2={v1}"), format!("t={at_s}"), format!("t={at_s},V1={v1}")]
    {
        assert_eq!(sample.with_header(&header), Err(SignatureError::Header), "{header}");
    }
    let other = || sample.with_header(&format!("t={at_s},v0={v1}"));
    assert_eq!(without(Defence::OneScheme, other), Ok(()), "nothing else looks at the scheme");
}

#[test]
fn st_02_of_two_signatures_one_must_verify_and_while_a_secret_is_rolled_both_secrets_work() {
    let [sample, other] = samples();
    let (at_s, v1) = (sample.at_s, sample.v1());
    let wrong = "0".repeat(64);
    for header in
        [format!("t={at_s},v1={wrong},v1={v1}"), format!("t={at_s},v1={v1},v1={wrong}"), format!("v1={v1},t={at_s}")]
    {
        assert_eq!(sample.with_header(&header), Ok(()), "{header}");
    }
    assert_eq!(sample.with_header(&format!("t={at_s},v1={wrong},v1={wrong}")), Err(SignatureError::Wrong));
    let mut newest_only = Vec::new();
    let both = Secrets::new(&["webhook_secret".to_owned().into(), "whsec_zhiyou_test".to_owned().into()]);
    for sample in [sample, other] {
        let mut map = HeaderMap::new();
        map.append(HEADER, sample.header.parse().unwrap());
        assert_eq!(both.verify(&map, &sample.body, UtcMicros(sample.at_s * 1_000_000)), Ok(()));
        let verify = || both.verify(&map, &sample.body, UtcMicros(sample.at_s * 1_000_000)).is_ok();
        newest_only.push(without(Defence::RolledSecrets, verify));
    }
    assert_eq!(newest_only, [true, false], "with one secret half of the genuine ones are lost");
}

#[test]
fn st_03_a_time_that_is_missing_or_told_twice_is_refused() {
    let [sample, _] = samples();
    let (at_s, v1) = (sample.at_s, sample.v1());
    for header in [format!("v1={v1}"), format!("t={at_s},t={at_s},v1={v1}"), format!("t={at_s},v1={v1},t=1")] {
        assert_eq!(sample.with_header(&header), Err(SignatureError::Header), "{header}");
    }
}
