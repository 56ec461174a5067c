//! Events that somebody changed and that are signed all the same: each is refused with a reason, or says the same however it
//! is spelled; and one that is not signed anew is never accepted.

use super::*;
use crate::{Clock, config::Profile, config::stripe_sample, fuzz::fuzz, http::Http};
use aws_lc_rs::hmac;
use std::sync::Arc;

const NOW_S: i64 = 1_795_141_500;
const SECRET: &str = "whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd";
const EVENTS: [&str; 4] = [
    r#"{"id":"evt_1","object":"event","created":1795141495,"data":{"object":{"id":"pi_1","object":"payment_intent","amount":29901,
    "amount_received":29901,"amount_capturable":0,"currency":"cny","status":"succeeded","capture_method":"automatic","livemode":false,
    "latest_charge":"ch_1","metadata":{"attempt":"01KA0000000000000000000ABC"}}},"livemode":false,"pending_webhooks":1,
    "type":"payment_intent.succeeded"}"#,
    r#"{"id":"evt_2","object":"event","created":1795141495,"data":{"object":{"id":"cs_test_1","object":"checkout.session",
    "status":"complete","payment_status":"paid","amount_total":29901,"currency":"cny","url":null,"payment_intent":"pi_1",
    "client_reference_id":"01KA0000000000000000000ABC","metadata":{"attempt":"01KA0000000000000000000ABC"},"livemode":false}},
    "livemode":false,"pending_webhooks":1,"type":"checkout.session.completed"}"#,
    r#"{"id":"evt_3","object":"event","created":1795141495,"data":{"object":{"id":"du_1","object":"dispute","amount":29901,
    "currency":"cny","status":"needs_response","livemode":false,"payment_intent":"pi_1"}},"livemode":false,"pending_webhooks":1,
    "type":"charge.dispute.created"}"#,
    r#"{"id":"evt_4","object":"event","created":1795141495,"data":{"object":{"id":"re_1","object":"refund","status":"succeeded",
    "amount":1,"currency":"cny","metadata":{"refund":"01KA0000000000000000000XYZ"}}},"livemode":false,"type":"refund.updated"}"#,
];
const WORDS: &[&str] = &[
    "\"succeeded\"",
    "\"requires_capture\"",
    "\"canceled\"",
    "\"jpy\"",
    "\"kwd\"",
    "\"xxx\"",
    "null",
    "true",
    "-1",
    "1.5",
    "[]",
    "{}",
    "\"payment_intent.succeeded\"",
    "\"charge.refunded\"",
    "\"refund.failed\"",
    "\"account\":\"acct_1\",",
    "\"livemode\":true",
];

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_S * 1_000_000)
    }
}

fn channel() -> Stripe {
    let http = Http::new(Profile::Sandbox).unwrap();
    Stripe::new(&stripe_sample("http://127.0.0.1:1"), Profile::Sandbox, http, Arc::new(Frozen))
}

fn signed(body: &[u8]) -> HeaderMap {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hex::encode(hmac::sign(&key, &[format!("{NOW_S}.").as_bytes(), body].concat()));
    HeaderMap::from_iter([("stripe-signature".parse().unwrap(), format!("t={NOW_S},v1={signature}").parse().unwrap())])
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_signed_stripe_event_is_refused_or_says_the_same_however_it_is_spelled() {
    let (channel, now) = (channel(), UtcMicros(NOW_S * 1_000_000));
    let mut counted = 0_u64;
    fuzz("Stripe", &EVENTS.map(str::as_bytes), WORDS, |body| {
        let Ok(notice) = read(&channel, &signed(body), body, now) else { return };
        counted += 1;
        // What is no text may stand where nobody reads.
        let Ok(respelled) = serde_json::from_slice::<Value>(body) else { return };
        let respelled = respelled.to_string();
        let again = read(&channel, &signed(respelled.as_bytes()), respelled.as_bytes(), now).unwrap();
        let said = |notice: &Notice| (notice.event_id.clone(), notice.digest.clone(), format!("{:?}", notice.content));
        assert_eq!(said(&again), said(&notice));
    });
    assert!(counted > 100, "{counted}");
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_stripe_event_that_was_changed_is_never_accepted() {
    let (channel, now) = (channel(), UtcMicros(NOW_S * 1_000_000));
    let envelopes = EVENTS.map(|event| (event.as_bytes(), signed(event.as_bytes())));
    for (event, headers) in &envelopes {
        assert!(read(&channel, headers, event, now).is_ok());
    }
    fuzz("Stripe's envelope", &EVENTS.map(str::as_bytes), WORDS, |body| {
        for (event, headers) in &envelopes {
            let accepted = read(&channel, headers, body, now).is_ok();
            assert_eq!(accepted, body == *event);
        }
    });
}
