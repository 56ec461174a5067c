//! Webhooks: registering ours, and proving what arrives.
//!
//! Source: duffel.com/docs webhooks. `X-Duffel-Signature: t=<unix s>,v1=<hex HMAC-SHA256(secret, "<t>." + body)>`, several
//! `v1` may stand there. The secret is told only once, by create; one webhook exists per mode. Deliberately not here:
//! storing and applying, which is the inbox's.

use super::{Duffel, wire};
use crate::{
    config::Profile,
    pay::{Notice, NoticeContent, Refused},
    secret::Sensitive,
    store::webhooks::Webhook,
};
use aws_lc_rs::{digest, hmac};
use axum::http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use zhiyou_domain::{
    port::{Outcome, Reason},
    time::UtcMicros,
};

const HEADER: &str = "x-duffel-signature";
const HEADER_BYTES_MAX: usize = 1024;
/// Events this far from our clock, seconds, are refused.
const WINDOW_S: i64 = 300;
/// What we want to be told.
const EVENTS: [&str; 6] = [
    "order.created",
    "order.creation_failed",
    "payment.created",
    "order.airline_initiated_change_detected",
    "stays.booking.created",
    "stays.booking.cancelled",
];

#[derive(Debug, Deserialize)]
struct Registered {
    id: String,
    url: String,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    secret: Option<Sensitive<String>>,
}

impl Duffel {
    /// Sees to it that the supplier tells us at `url`. A webhook whose secret we know is kept or moved; any other is
    /// replaced, because its secret is told to nobody again.
    pub(crate) async fn register(&self, url: &str, known: Option<Webhook>) -> Result<Webhook, Reason> {
        let listed = certain(self.get::<Vec<Registered>>(&["air", "webhooks"], &[]).await)?;
        for other in &listed {
            let Some(mut own) = known.clone().filter(|known| known.webhook_id == other.id) else {
                self.forget(&other.id).await?;
                continue;
            };
            if other.url != url || !other.active {
                self.point(&own.webhook_id, url).await?;
            }
            url.clone_into(&mut own.url);
            return Ok(own);
        }
        let body = json!({"url": url, "events": EVENTS});
        let made = certain(self.post::<Registered>(&["air", "webhooks"], body).await)?;
        let secret =
            made.secret.ok_or_else(|| Reason::new(zhiyou_domain::port::ReasonCode::ProviderFault, "no secret"))?;
        Ok(Webhook { webhook_id: made.id, url: url.to_owned(), secret })
    }

    async fn point(&self, id: &str, url: &str) -> Result<(), Reason> {
        let body = json!({"url": url, "events": EVENTS, "active": true});
        let moved = self.exchange::<Value>(Method::PATCH, &["air", "webhooks", id], &[], Some(body)).await;
        certain(moved).map(|_| ())
    }

    async fn forget(&self, id: &str) -> Result<(), Reason> {
        let Some(request) = self.request(Method::DELETE, &["air", "webhooks", id], &[], None) else { return Ok(()) };
        match self.http.send(request).await {
            Ok(answer) if matches!(answer.status, 200 | 204 | 404) => Ok(()),
            other => certain(wire::ending::<Value>(other)).map(|_| ()),
        }
    }
}

fn certain<T>(outcome: Outcome<T>) -> Result<T, Reason> {
    match outcome {
        Outcome::Done(value) => Ok(value),
        Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => Err(reason),
    }
}

#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: EventType,
    live_mode: bool,
    #[serde(default)]
    idempotency_key: String,
    #[serde(default)]
    data: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum EventType {
    #[serde(rename = "order.created")]
    OrderCreated,
    #[serde(rename = "order.creation_failed")]
    OrderCreationFailed,
    #[serde(rename = "payment.created", alias = "air.payment.succeeded")]
    PaymentCreated,
    #[serde(rename = "order.airline_initiated_change_detected")]
    AirlineInitiatedChangeDetected,
    #[serde(rename = "stays.booking.created")]
    StaysBookingCreated,
    #[serde(rename = "stays.booking.cancelled")]
    StaysBookingCancelled,
    #[serde(rename = "ping.triggered")]
    Ping,
    #[serde(other)]
    Unknown,
}

/// Proves and reads an event.
pub(crate) fn read(
    secret: &Sensitive<String>,
    profile: Profile,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcMicros,
) -> Result<Notice, Refused> {
    verify(secret, headers, body, now).map_err(|problem| Refused::NotAuthentic(problem.to_owned()))?;
    let event: Event = serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let digest = hex::encode(digest::digest(&digest::SHA256, body));
    let content = if event.live_mode == (profile == Profile::Live) {
        content(&event)
    } else {
        NoticeContent::Foreign("of another mode".to_owned())
    };
    Ok(Notice { event_id: event.id, second_id: None, digest, content })
}

fn content(event: &Event) -> NoticeContent {
    let object = event.data.get("object").unwrap_or(&Value::Null);
    let named = |fields: [&str; 2], prefix: &str| {
        let texts = fields.into_iter().filter_map(|field| object.get(field).and_then(Value::as_str));
        texts.chain([event.idempotency_key.as_str()]).find(|id| id.starts_with(prefix)).map(str::to_owned)
    };
    let found = match event.kind {
        EventType::OrderCreated
        | EventType::OrderCreationFailed
        | EventType::PaymentCreated
        | EventType::AirlineInitiatedChangeDetected => {
            named(["order_id", "id"], "ord_").map(NoticeContent::FlightOrder)
        }
        EventType::StaysBookingCreated | EventType::StaysBookingCancelled => {
            named(["booking_id", "id"], "bok_").map(NoticeContent::HotelBooking)
        }
        EventType::Ping | EventType::Unknown => None,
    };
    found.unwrap_or_else(|| NoticeContent::Ignored(format!("{:?}", event.kind)))
}

fn verify(secret: &Sensitive<String>, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<(), &'static str> {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("the signature is missing or repeated");
    };
    let text =
        value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX).ok_or("the signature is unreadable")?;
    let (times, signatures): (Vec<_>, Vec<_>) =
        text.split(',').filter(|part| !part.is_empty()).partition(|part| part.starts_with("t="));
    let [time] = times.as_slice() else { return Err("the time is missing or repeated") };
    let time = time.trim_start_matches("t=");
    let plain = !time.is_empty() && time.len() <= 12 && time.bytes().all(|byte| byte.is_ascii_digit());
    let at: i64 = time.parse().ok().filter(|_| plain).ok_or("the time is not a number")?;
    if now.0.div_euclid(1_000_000).saturating_sub(at).saturating_abs() > WINDOW_S {
        return Err("the time is outside the window");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut message = format!("{time}.").into_bytes();
    message.extend_from_slice(body);
    let matches = |part: &&str| {
        let hexed = part.strip_prefix("v1=").filter(|hexed| !hexed.bytes().any(|byte| byte.is_ascii_uppercase()));
        hexed.and_then(|hexed| hex::decode(hexed).ok()).is_some_and(|tag| hmac::verify(&key, &message, &tag).is_ok())
    };
    if signatures.iter().any(matches) { Ok(()) } else { Err("the signature does not verify") }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);
    const BODY: &[u8] =
        br#"{"id":"wev_1","type":"order.created","live_mode":false,"idempotency_key":"ord_1","data":{"object":{}}}"#;

    fn secret() -> Sensitive<String> {
        Sensitive::new("c2VjcmV0LW9mLXRoZS13ZWJob29r".to_owned())
    }

    fn signature(at: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret().expose().as_bytes());
        hex::encode(hmac::sign(&key, &[at.as_bytes(), b".", body].concat()))
    }

    fn check(header: &str, body: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, header.parse().unwrap());
        read(&secret(), Profile::Sandbox, &headers, body, NOW).is_ok()
    }

    #[test]
    fn a_right_signature_counts_also_beside_one_of_an_older_secret() {
        let right = signature("1795141500", BODY);
        assert!(check(&format!("t=1795141500,v1={right}"), BODY));
        assert!(check(&format!("t=1795141500,v1={},v1={right}", "0".repeat(64)), BODY));
    }

    #[test]
    fn every_flipped_bit_of_the_body_is_found() {
        let right = signature("1795141500", BODY);
        for bit in 0..BODY.len() * 8 {
            let mut body = BODY.to_vec();
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&format!("t=1795141500,v1={right}"), &body), "bit {bit}");
        }
    }

    #[test]
    fn late_future_odd_and_missing_times_and_upper_case_are_refused() {
        for time in ["1795141199", "1795141801", "-1795141500", "+1795141500", "99999999999999", "", "now"] {
            assert!(!check(&format!("t={time},v1={}", signature(time, BODY)), BODY), "{time:?}");
        }
        let right = signature("1795141500", BODY);
        for header in [
            format!("v1={right}"),
            format!("t=1795141500,t=1795141500,v1={right}"),
            "t=1795141500".to_owned(),
            format!("t=1795141500,v0={right}"),
            format!("t=1795141500,v1={}", right.to_uppercase()),
        ] {
            assert!(!check(&header, BODY), "{header}");
        }
    }

    #[cfg_attr(test, test)]
    pub(crate) fn fuzz_a_signed_event_is_refused_or_says_the_same_however_it_is_spelled() {
        let stay = br#"{"id":"wev_2","type":"stays.booking.created","live_mode":false,"data":{"object":{"booking_id":"bok_1"}}}"#;
        let words =
            ["\"ord_1\"", "\"id\":", "\"object\":", "\"type\":", "null", "true", "[]", "{}", "\"ping.triggered\""];
        let mut counted = 0_u64;
        crate::fuzz::fuzz("Duffel", &[BODY, stay], &words, |body| {
            let told = |body: &[u8]| {
                let header = format!("t=1795141500,v1={}", signature("1795141500", body));
                let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), header.parse().unwrap())]);
                read(&secret(), Profile::Sandbox, &headers, body, NOW)
            };
            let Ok(notice) = told(body) else { return };
            counted += 1;
            // What is no text may stand where nobody reads.
            let Ok(respelled) = serde_json::from_slice::<Value>(body) else { return };
            let respelled = respelled.to_string();
            let again = told(respelled.as_bytes()).unwrap();
            assert_eq!(
                (again.event_id, format!("{:?}", again.content)),
                (notice.event_id, format!("{:?}", notice.content))
            );
        });
        assert!(counted > 100, "{counted}");
    }

    #[test]
    fn an_event_of_the_other_mode_is_foreign() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, format!("t=1795141500,v1={}", signature("1795141500", BODY)).parse().unwrap());
        let notice = read(&secret(), Profile::Live, &headers, BODY, NOW).unwrap();
        assert!(matches!(notice.content, NoticeContent::Foreign(_)));
    }
}
