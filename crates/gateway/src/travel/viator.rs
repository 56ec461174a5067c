//! Viator Partner API v2: activities on a merchant partner's account.
//!
//! Source: the published partner API, version 2.0. The partner's booking reference is unique, so a lost answer can be
//! asked about with certainty; Viator asks for 120 seconds of patience. Amounts are JSON numbers and never pass through a
//! float. Deliberately not here: carts, affiliate links, languages guides.

mod wire;

use super::{ActivitySupplier, before_effect, passed};
use crate::{Clock, config::ViatorConfig, http::Http, secret::Sensitive};
use async_trait::async_trait;
use axum::http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use url::Url;
use wire::{Availability, BookingAnswer, CancelAnswer, CancelQuote, Hold, Product, SearchAnswer};
use zhiyou_domain::{
    port::{Found, Outcome, Reason, ReasonCode, activities as a, bookings as b},
    time::UtcMicros,
};

/// How long an answer may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
/// Products whose departures are read for one search: the best matches.
const PRODUCTS_MAX: usize = 3;
/// Why we cancel, in the supplier's words.
const CANCEL_REASON: &str = "Customer_Service.I_canceled_my_entire_trip";

/// The supplier.
pub(crate) struct Viator {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    api_key: Sensitive<String>,
}

fn not_built<T>() -> Outcome<T> {
    Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be built"))
}

impl Viator {
    pub(crate) fn new(config: &ViatorConfig, http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock, base_url: config.base_url.clone(), api_key: config.api_key.clone() }
    }

    /// Sends once. Path segments are escaped, so that a code can never name another resource.
    async fn exchange<T: DeserializeOwned>(&self, method: Method, path: &[&str], body: Option<Value>) -> Outcome<T> {
        match self.request(method, path, body) {
            Some(request) => wire::ending(self.http.send(request).await),
            None => not_built(),
        }
    }

    fn request(&self, method: Method, path: &[&str], body: Option<Value>) -> Option<reqwest::Request> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        let request = self
            .http
            .request(method, url)
            .header("exp-api-key", self.api_key.expose())
            .header("accept", "application/json;version=2.0")
            .header("accept-language", "en");
        let request = match body {
            Some(body) => request.header("content-type", "application/json;version=2.0").body(body.to_string()),
            None => request,
        };
        request.build().ok()
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: Value) -> Outcome<T> {
        self.exchange(Method::POST, path, Some(body)).await
    }

    /// The departures of one product on the wished day, nearest to the wished time first.
    async fn departures(&self, code: &str, wish: &a::SearchActivities) -> Outcome<Vec<a::ActivityOption>> {
        let product: Product = match passed(self.exchange(Method::GET, &["products", code], None).await) {
            Ok(product) => product,
            Err(ending) => return ending,
        };
        let body = json!({
            "productCode": code,
            "travelDate": wish.starts.local.date().to_string(),
            "currency": wish.currency.code(),
            "paxMix": pax(wish.adults),
        });
        let found: Availability = match passed(self.post(&["availability", "check"], body).await) {
            Ok(found) => found,
            Err(ending) => return ending,
        };
        let mut options = found.options(&product, wish);
        let wished = wish.starts.to_utc().map_or(0, |at| at.0);
        options.sort_by_key(|option| option.starts.to_utc().map_or(u64::MAX, |at| at.0.abs_diff(wished)));
        Outcome::Done(options)
    }

    /// A question, although it is no GET.
    async fn status(&self, body: Value) -> Outcome<BookingAnswer> {
        match self.request(Method::POST, &["bookings", "status"], Some(body)) {
            Some(request) => wire::ending(self.http.ask(request).await),
            None => not_built(),
        }
    }

    async fn cancel_quote_of(&self, booking: &str) -> Outcome<CancelQuote> {
        self.exchange(Method::GET, &["bookings", booking, "cancel-quote"], None).await
    }
}

fn pax(adults: u8) -> Value {
    json!([{"ageBand": "ADULT", "numberOfTravelers": adults}])
}

/// The departure of an option, as requests name it.
fn departure(option: &a::ActivityOption) -> Value {
    json!({
        "productCode": option.product_code,
        "productOptionCode": option.option_code,
        "travelDate": option.starts.local.date().to_string(),
        "startTime": option.starts.local.strftime("%H:%M").to_string(),
        "currency": option.total.currency().code(),
        "paxMix": pax(option.adults),
    })
}

fn names(guests: &[b::Person]) -> Vec<Value> {
    let answer = |question: &str, text: &str, number: usize| json!({"question": question, "answer": text, "travelerNum": number + 1});
    let both = |(number, guest): (usize, &b::Person)| {
        [answer("FULL_NAMES_FIRST", &guest.given_name, number), answer("FULL_NAMES_LAST", &guest.family_name, number)]
    };
    guests.iter().enumerate().flat_map(both).collect()
}

#[async_trait]
impl ActivitySupplier for Viator {
    async fn search(&self, wish: a::SearchActivities) -> Outcome<a::ActivityOptions> {
        if !(1..=15).contains(&wish.adults) || wish.name.trim().is_empty() {
            return Outcome::Declined(Reason::new(
                ReasonCode::InvalidRequest,
                "name or number of people is out of range",
            ));
        }
        let body = json!({
            "searchTerm": format!("{} {}", wish.city, wish.name),
            "currency": wish.currency.code(),
            "searchTypes": [{"searchType": "PRODUCTS", "pagination": {"start": 1, "count": PRODUCTS_MAX}}],
        });
        let found: SearchAnswer = match passed(self.post(&["search", "freetext"], body).await) {
            Ok(found) => found,
            Err(ending) => return ending,
        };
        let (mut options, mut failed) = (Vec::new(), None);
        for code in found.codes().take(PRODUCTS_MAX) {
            match self.departures(code, &wish).await {
                Outcome::Done(found) => options.extend(found),
                other => failed = Some(other),
            }
        }
        // Products that cannot be read are left out; when none can be read the search did not work.
        match failed {
            Some(ending) if options.is_empty() => ending.map(|options| a::ActivityOptions { options }),
            Some(_) | None => Outcome::Done(a::ActivityOptions { options }),
        }
    }

    async fn hold(&self, wish: a::HoldActivity) -> Outcome<b::Quote> {
        let held: Hold = match passed(self.post(&["bookings", "hold"], departure(&wish.option)).await) {
            Ok(held) => held,
            Err(ending) => return ending,
        };
        wire::converted(held.ours(&wish.option, self.clock.now()))
    }

    async fn book(&self, wish: a::BookActivity) -> Outcome<b::Booking> {
        if wish.option.total != wish.expected_total {
            return Outcome::Declined(Reason::new(ReasonCode::PriceChanged, "another price now"));
        }
        let Some(booker) = wish.guests.first() else {
            return Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, "nobody goes"));
        };
        let mut body = departure(&wish.option);
        let more = [
            ("partnerBookingRef", json!(wish.reference)),
            ("bookingRef", json!(wish.quote_id)),
            ("bookerInfo", json!({"firstName": booker.given_name, "lastName": booker.family_name})),
            ("bookingQuestionAnswers", json!(names(&wish.guests))),
            ("communication", json!({"email": wish.contact.email, "phone": wish.contact.phone_number})),
        ];
        for (field, value) in more {
            body[field] = value;
        }
        let answer: BookingAnswer = match passed(self.post(&["bookings", "book"], body).await) {
            Ok(answer) => answer,
            Err(ending) => return ending,
        };
        if answer.is_duplicate() {
            // The reference is taken: by us, when an answer was lost.
            let found = self.find(b::FindBooking { reference: wish.reference }).await;
            let reason = || Reason::new(ReasonCode::ProviderFault, "a duplicate that cannot be found");
            return match passed(found) {
                Ok(Found { found: Some(booking) }) => Outcome::Done(booking),
                Ok(Found { found: None }) => Outcome::Unknown(reason()),
                Err(ending) => ending,
            };
        }
        answer.booked(wish.option.total.currency())
    }

    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        match passed(self.status(json!({"bookingRef": booking.booking_id})).await) {
            Ok(answer) => wire::converted(answer.ours()),
            Err(ending) => ending,
        }
    }

    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>> {
        match self.status(json!({"partnerBookingRef": wish.reference})).await {
            Outcome::Done(answer) => wire::converted(answer.ours()).map(|booking| Found { found: Some(booking) }),
            Outcome::Declined(reason) if reason.code == ReasonCode::NotFound => Outcome::Done(Found { found: None }),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn quote_cancellation(&self, booking: b::BookingRef) -> Outcome<b::CancellationQuote> {
        match passed(self.cancel_quote_of(&booking.booking_id).await) {
            Ok(quote) => quote.ours(),
            Err(ending) => ending,
        }
    }

    /// What came back is what was quoted just before: the answer to the cancellation does not say.
    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking> {
        let quoted: CancelQuote = match before_effect(self.cancel_quote_of(&booking.booking_id).await) {
            Ok(quoted) => quoted,
            Err(ending) => return ending,
        };
        let refund = quoted.refund();
        let path = ["bookings", booking.booking_id.as_str(), "cancel"];
        let answer: CancelAnswer = match passed(self.post(&path, json!({"reasonCode": CANCEL_REASON})).await) {
            Ok(answer) => answer,
            Err(ending) => return ending,
        };
        if let Some(reason) = answer.refusal() {
            return Outcome::Declined(reason);
        }
        let cancelled = ActivitySupplier::booking(self, booking).await;
        cancelled.map(|booking| b::Booking { refunded: refund, ..booking })
    }
}

/// Where the supplier does not say until when, it is asked again after this.
const fn until(now: UtcMicros) -> UtcMicros {
    now.plus_minutes(15)
}
