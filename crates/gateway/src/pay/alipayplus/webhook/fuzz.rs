//! Notifications that somebody changed: whatever is signed, each is unreadable, or is a hint or a dispute that is the same
//! however it is spelled, and never money; and without a right signature none is accepted.

use super::*;
use crate::fuzz::fuzz;
#[cfg(test)]
use crate::{
    Clock,
    config::{Profile, alipayplus::tests::sample},
    http::Http,
};
use serde_json::Value;
#[cfg(test)]
use std::sync::Arc;

#[cfg(test)]
const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);
const EVENTS: [&str; 3] = [
    r#"{"notifyType":"PAYMENT_RESULT","result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"},
    "paymentRequestId":"01KA0000000000000000000ABC","paymentId":"202611201940108001001889C0238417260",
    "paymentAmount":{"currency":"CNY","value":"29901"},"paymentTime":"2026-11-20T10:26:10+08:00"}"#,
    r#"{"notifyType":"REFUND_RESULT","result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"},
    "refundStatus":"SUCCESS","refundRequestId":"01KA0000000000000000000XYZ","refundId":"202611201940108001001889C0238417261",
    "refundAmount":{"currency":"CNY","value":"10000"}}"#,
    r#"{"disputeNotificationType":"DISPUTE_JUDGED","disputeId":"202611212501310115730104","disputeJudgedResult":
    "ACCEPT_BY_MERCHANT","disputeJudgedAmount":{"currency":"CNY","value":"29901"},"paymentId":
    "202611201940108001001889C0238417260","paymentRequestId":"01KA0000000000000000000ABC"}"#,
];
const WORDS: &[&str] = &[
    "\"PAYMENT_PENDING\"",
    "\"REFUND_RESULT\"",
    "\"PAYMENT_RESULT\"",
    "\"resultStatus\":\"F\"",
    "\"refundRequestId\":",
    "\"DISPUTE_CREATED\"",
    "\"disputeId\":",
    "\"paymentRequestId\":",
    "null",
    "[]",
    "{}",
    "[[[[",
    "\\u0000",
];

#[cfg(test)]
struct Frozen;

#[cfg(test)]
impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        NOW
    }
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_an_alipayplus_event_is_unreadable_or_the_same_hint_however_it_is_spelled() {
    let mut counted = 0_u64;
    fuzz("Alipay+", &EVENTS.map(str::as_bytes), WORDS, |body| {
        let Ok(event) = serde_json::from_slice::<wire::Event>(body) else { return };
        counted += 1;
        let said = content(&event);
        assert!(matches!(
            said,
            NoticeContent::PaymentHint(_)
                | NoticeContent::RefundHint(_)
                | NoticeContent::Ignored(_)
                | NoticeContent::Dispute(..)
                | NoticeContent::Foreign(_)
        ));
        // What is no text may stand where nobody reads.
        let Ok(respelled) = serde_json::from_slice::<Value>(body) else { return };
        let again: wire::Event = serde_json::from_value(respelled).unwrap();
        assert_eq!(format!("{:?}", content(&again)), format!("{said:?}"));
    });
    assert!(counted > 100, "{counted}");
}

#[test]
fn fuzz_an_alipayplus_notification_without_a_right_signature_is_never_accepted() {
    let http = Http::new(Profile::Sandbox).unwrap();
    let channel = AlipayPlus::new(&sample("http://127.0.0.1:1"), "", http, Arc::new(Frozen)).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("client-id", channel.client_id.parse().unwrap());
    headers.insert("request-time", "2026-11-20T10:26:11+08:00".parse().unwrap());
    let other =
        super::super::sign::tests::signed("/elsewhere", &channel.client_id, "2026-11-20T10:26:11+08:00", EVENTS[0]);
    headers.insert("signature", other.parse().unwrap());
    fuzz("Alipay+'s envelope", &EVENTS.map(str::as_bytes), WORDS, |body| {
        assert!(matches!(read(&channel, &headers, body, NOW), Err(Refused::NotAuthentic(_))));
    });
}
