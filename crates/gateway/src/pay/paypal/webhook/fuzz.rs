//! Events that somebody changed: whatever their signature covers, each is unreadable, or is a hint that is the same however
//! it is spelled, and never money.

use super::*;
use crate::fuzz::fuzz;
use serde_json::Value;

const EVENTS: [&str; 3] = [
    r#"{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED","resource_type":"checkout-order","resource":{"id":"5O190127TN364715T",
    "purchase_units":[{"custom_id":"01KA0000000000000000000ABC","amount":{"value":"299.01","currency_code":"CNY"}}]}}"#,
    r#"{"id":"WH-2","event_type":"PAYMENT.CAPTURE.COMPLETED","resource_type":"capture","resource":{"id":"3C679366HH908993F",
    "custom_id":"01KA0000000000000000000ABC","amount":{"value":"299.01","currency_code":"CNY"}}}"#,
    r#"{"id":"WH-3","event_type":"PAYMENT.CAPTURE.REFUNDED","resource_type":"refund","resource":{"id":"1JU08902781691411",
    "custom_id":"01KA0000000000000000000XYZ"}}"#,
];
const WORDS: &[&str] = &[
    "\"capture\"",
    "\"authorization\"",
    "\"refund\"",
    "\"checkout-order\"",
    "\"custom_id\":",
    "null",
    "[]",
    "{}",
    "[[[[",
    "\\u0000",
];

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_paypal_event_is_unreadable_or_the_same_hint_however_it_is_spelled() {
    let mut counted = 0_u64;
    fuzz("PayPal", &EVENTS.map(str::as_bytes), WORDS, |body| {
        let Ok(event) = serde_json::from_slice::<wire::Event>(body) else { return };
        counted += 1;
        let said = content(event);
        assert!(matches!(
            said,
            NoticeContent::PaymentHint(_) | NoticeContent::RefundHint(_) | NoticeContent::Ignored(_)
        ));
        // What is no text may stand where nobody reads.
        let Ok(respelled) = serde_json::from_slice::<Value>(body) else { return };
        let again: wire::Event = serde_json::from_value(respelled).unwrap();
        assert_eq!(format!("{:?}", content(again)), format!("{said:?}"));
    });
    assert!(counted > 100, "{counted}");
}
