//! Duffel API v2: flights, stays and cars with one token and one error shape.
//!
//! There is no idempotency key: our reference goes into `metadata` ([`REFERENCE`]) and is looked up there. Nothing here
//! retries. Deliberately not here: cards, order changes.

pub(crate) mod cars;
pub(crate) mod flights;
pub(crate) mod stays;
pub(crate) mod webhook;
mod wire;

use crate::{Clock, config::DuffelConfig, http::Http, secret::Sensitive};
use axum::http::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::sync::Arc;
use url::Url;
use wire::Envelope;
use zhiyou_domain::{
    money::Money,
    policy::Terms,
    port::{Found, Outcome, Reason, ReasonCode, bookings as b},
    time::UtcMicros,
};

/// Metadata key of our reference.
const REFERENCE: &str = "zhiyou_ref";
/// Most pages of a list that are read; 200 entries each.
const PAGES_MAX: u8 = 25;

/// The supplier.
pub(crate) struct Duffel {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    token: Sensitive<String>,
}

impl Duffel {
    pub(crate) fn new(config: &DuffelConfig, http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock, base_url: config.base_url.clone(), token: config.token.clone() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Outcome<T> {
        self.exchange(Method::GET, path, query, None).await.map(|envelope| envelope.data)
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], data: Value) -> Outcome<T> {
        self.exchange(Method::POST, path, &[], Some(data)).await.map(|envelope| envelope.data)
    }

    /// Sends once. Path segments are escaped, so that an id can never name another resource.
    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        data: Option<Value>,
    ) -> Outcome<Envelope<T>> {
        match self.request(method, path, query, data) {
            Some(request) => wire::ending(self.http.send(request).await),
            None => Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be built")),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        data: Option<Value>,
    ) -> Option<reqwest::Request> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        let request = self
            .http
            .request(method, url)
            .bearer_auth(self.token.expose())
            .header("duffel-version", "v2")
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let request = if query.is_empty() { request } else { request.query(query) };
        let request = match data {
            Some(data) => request.body(json!({"data": data}).to_string()),
            None => request,
        };
        request.build().ok()
    }

    /// All entries of a list that `wanted` keeps. A list that does not end is an unknown answer, not a shorter one.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        wanted: impl Fn(&T) -> bool,
    ) -> Outcome<Vec<T>> {
        let mut kept = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = query.to_vec();
            query.push(("limit", "200"));
            if let Some(after) = &after {
                query.push(("after", after));
            }
            let page = match crate::travel::passed(self.exchange::<Vec<T>>(Method::GET, path, &query, None).await) {
                Ok(page) => page,
                Err(ending) => return ending,
            };
            kept.extend(page.data.into_iter().filter(&wanted));
            after = page.meta.and_then(|meta| meta.after);
            if after.is_none() {
                return Outcome::Done(kept);
            }
        }
        wire::fault("the list does not end")
    }
}

/// Our reference as metadata.
fn metadata(reference: &str) -> Value {
    json!({REFERENCE: reference})
}

/// Whether metadata carries our reference.
fn carries(metadata: &Value, reference: &str) -> bool {
    metadata.get(REFERENCE).and_then(Value::as_str) == Some(reference)
}

/// Status of a stay's or a car's booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Confirmed,
    Cancelled,
    #[serde(other)]
    Unknown,
}

impl Status {
    /// A word we do not know is neither success nor failure: the caller has to look again.
    const fn state(self) -> Result<b::BookingState, wire::Unreadable> {
        match self {
            Self::Confirmed => Ok(b::BookingState::Confirmed),
            Self::Cancelled => Ok(b::BookingState::Cancelled),
            Self::Unknown => Err(wire::Unreadable::Missing("a known status")),
        }
    }
}

/// Of several bookings under one reference, one that lives counts.
fn living<T>(bookings: &[T], status: impl Fn(&T) -> Status) -> Option<&T> {
    bookings.iter().find(|booking| status(booking) == Status::Confirmed).or(bookings.first())
}

/// Whether a quote is still what was agreed; anything else is refused before it is sent.
fn agreed<T>(quote: &b::Quote, expected: Money, now: UtcMicros) -> Result<(), Outcome<T>> {
    if quote.expires_at_us <= now {
        return Err(wire::declined(ReasonCode::OfferExpired, "the quote is over"));
    }
    if quote.total == expected {
        return Ok(());
    }
    Err(wire::declined(ReasonCode::PriceChanged, "another price now"))
}

/// "No longer available" may be our own booking whose answer was lost.
fn perhaps_ours(reason: Reason, found: Outcome<Found<b::Booking>>) -> Outcome<b::Booking> {
    match found {
        Outcome::Done(Found { found: Some(booking) }) => Outcome::Done(booking),
        Outcome::Done(Found { found: None }) => Outcome::Declined(reason),
        Outcome::NotSent(other) | Outcome::Declined(other) | Outcome::Unknown(other) => Outcome::Unknown(other),
    }
}

/// What the terms gave back at the moment of cancelling.
fn refunded(terms: &Terms, total: Money, at: Option<UtcMicros>) -> Option<Money> {
    terms.evaluate(total, at?).ok().map(|found| found.refund)
}

/// Micro-degrees as a decimal JSON number, without a float.
fn degrees(micro: i64) -> Option<Box<RawValue>> {
    let sign = if micro < 0 { "-" } else { "" };
    let size = micro.unsigned_abs();
    RawValue::from_string(format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)).ok()
}
