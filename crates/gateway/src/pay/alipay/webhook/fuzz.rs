//! Notices that somebody changed: each is refused with a reason, or says the same when its fields are written down again.

use super::*;
use crate::{
    Clock,
    config::{Profile, alipay::tests::sample},
    fuzz::fuzz,
    http::Http,
};
use std::sync::Arc;

const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);
const PAID: &str = "notify_time=2026-11-20+10%3A26%3A11&notify_type=trade_status_sync&notify_id=n-1&app_id=2021000122671080\
    &seller_id=2088531891668739&sign_type=RSA2&sign=AAAA&out_trade_no=01KA0000000000000000000ABC\
    &trade_no=2026112022001468450512505578&trade_status=TRADE_SUCCESS&total_amount=299.01&gmt_payment=2026-11-20+10%3A26%3A10\
    &subject=%E6%9C%BA%E7%A5%A8+%26+%3D%2B1%252B";
const REFUNDED: &str = "notify_type=trade_status_sync&notify_id=n-2&app_id=2021000122671080&seller_id=2088531891668739\
    &out_trade_no=01KA0000000000000000000ABC&trade_no=2026112022001468450512505578&trade_status=TRADE_SUCCESS\
    &total_amount=299.01&refund_fee=100.00&gmt_refund=2026-11-20+11%3A00%3A00.123&out_biz_no=01KA0000000000000000000XYZ";
const WORDS: &[&str] = &[
    "&",
    "=",
    "%",
    "%00",
    "+",
    "TRADE_CLOSED",
    "TRADE_FINISHED",
    "WAIT_BUYER_PAY",
    "&refund_fee=0.00",
    "&total_amount=",
    "299.010",
    "1e2",
    "-1",
    "&app_id=x",
    "&seller_id=",
    "2026-02-30",
    "&notify_type=x",
    "%E2%80%AE",
    "%FF",
];

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        NOW
    }
}

fn channel() -> Alipay {
    let http = Http::new(Profile::Sandbox).unwrap();
    Alipay::new(&sample("http://127.0.0.1:1"), http, Arc::new(Frozen)).unwrap()
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_what_an_alipay_notice_says_is_refused_or_the_same_when_it_is_written_down_again() {
    let channel = channel();
    let mut counted = 0_u64;
    fuzz("Alipay", &[PAID.as_bytes(), REFUNDED.as_bytes()], WORDS, |body| {
        let Ok(fields) = form(body) else { return };
        assert!(fields.len() <= FIELDS_MAX && fields.values().all(|value| !value.is_empty()));
        let again: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let respelled = form(again.as_bytes()).unwrap();
        assert_eq!(respelled, fields);
        if let Ok(said) = content(&channel, &fields) {
            counted += 1;
            assert_eq!(format!("{:?}", content(&channel, &respelled).unwrap()), format!("{said:?}"));
        }
    });
    assert!(counted > 100, "{counted}");
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_an_alipay_notice_without_a_right_signature_is_never_accepted() {
    let channel = channel();
    fuzz("Alipay's envelope", &[PAID.as_bytes(), REFUNDED.as_bytes()], WORDS, |body| {
        assert!(matches!(read(&channel, body, NOW), Err(Refused::NotAuthentic(_))));
    });
}
