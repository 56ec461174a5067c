//! Notifications that somebody changed: the signed envelope is never accepted, and whatever is sealed inside is refused with
//! a reason or says the same however it is spelled.

use super::*;
use crate::{
    Clock,
    config::{Profile, tests::sample, tests::vector},
    fuzz::fuzz,
    http::Http,
    pay::wechatpay::sign::Signer,
};
use serde_json::Value;
use std::sync::Arc;

const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);
const PAID: &str = r#"{"mchid":"1900000109","appid":"wxd678efh567hg6787","out_trade_no":"01KA0000000000000000000ABC",
    "transaction_id":"4200001234202611201234567890","trade_type":"NATIVE","trade_state":"SUCCESS",
    "success_time":"2026-11-20T10:30:04+08:00","payer":{"openid":"o"},
    "amount":{"total":29901,"payer_total":29801,"currency":"CNY","payer_currency":"CNY"}}"#;
const REFUNDED: &str = r#"{"mchid":"1900000109","out_trade_no":"01KA0000000000000000000ABC","refund_status":"SUCCESS",
    "transaction_id":"4200001234202611201234567890","out_refund_no":"01KA0000000000000000000XYZ","refund_id":"5030",
    "success_time":"2026-11-20T10:30:04+08:00","amount":{"total":29901,"refund":10000,"payer_total":29901,"payer_refund":10000}}"#;
const WORDS: &[&str] = &[
    "\"SUCCESS\"",
    "\"REFUND\"",
    "\"NOTPAY\"",
    "\"CLOSED\"",
    "\"mchid\":",
    "\"amount\":",
    "\"total\":",
    "\"refund\":",
    "null",
    "-1",
    "1.5",
    "[]",
    "{}",
    "\"USD\"",
    "\"2026-02-30T00:00:00+08:00\"",
    "\\u0000",
    "\\ud800",
];

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        NOW
    }
}

fn channel() -> Wechatpay {
    let config = sample(std::env::temp_dir(), "http://127.0.0.1:1", "http://127.0.0.1:2");
    Wechatpay::new(&config.wechatpay, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen)).unwrap()
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_what_a_wechat_pay_notification_holds_is_refused_or_says_the_same_however_it_is_spelled() {
    let channel = channel();
    let mut read = 0_u64;
    fuzz("WeChat Pay", &[PAID.as_bytes(), REFUNDED.as_bytes()], WORDS, |plain| {
        for told in [transaction, refund] {
            let Ok(content) = told(&channel, plain) else { continue };
            read += 1;
            // What is no text may stand where nobody reads.
            let Ok(respelled) = serde_json::from_slice::<Value>(plain) else { continue };
            let respelled = respelled.to_string();
            assert_eq!(format!("{:?}", told(&channel, respelled.as_bytes()).unwrap()), format!("{content:?}"));
        }
    });
    assert!(read > 100, "{read}");
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_wechat_pay_notification_that_was_changed_is_never_accepted() {
    let channel = channel();
    let signer = Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "", "").unwrap();
    let body = format!(r#"{{"id":"EV-1","event_type":"TRANSACTION.SUCCESS","resource":{PAID}}}"#);
    let at = NOW.0 / 1_000_000;
    let signature = signer.sign(&format!("{at}\nnonce\n{body}\n")).unwrap();
    let sound = format!("{at}\nnonce\nPUB_KEY_ID_0119000001092026112000382000000001\n{signature}\n{body}");
    let mut refused = 0_u64;
    fuzz("WeChat Pay's envelope", &[sound.as_bytes()], WORDS, |message| {
        let text = String::from_utf8_lossy(message);
        let mut parts = text.splitn(5, '\n');
        let mut headers = HeaderMap::new();
        for name in ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature"] {
            let Ok(value) = parts.next().unwrap_or_default().parse() else { return };
            headers.insert(name, value);
        }
        let told = parts.next().unwrap_or_default();
        // Without a fetch: a serial that nobody knows stays unknown.
        let proved = channel.keys.verify(&headers, told.as_bytes(), NOW);
        let proved = proved.map_err(|error| super::refused(Unproved::Signature(error)));
        match proved.and_then(|()| opened(&channel, told.as_bytes())) {
            Ok(notice) => panic!("accepted: {notice:?}"),
            Err(Refused::NotAuthentic(_) | Refused::Probe) => refused += 1,
            // What is signed gets past the signature; the sound one holds nothing that is sealed, and gets no further.
            Err(Refused::Unreadable(_)) => assert_eq!(told, body),
            Err(Refused::Unprovable(why)) => panic!("{why}"),
        }
    });
    assert!(refused > 100, "{refused}");
}
