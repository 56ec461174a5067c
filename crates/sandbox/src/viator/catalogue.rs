//! What can be done where, and when there is room: three invented activities in every city.
//!
//! Deliberately not here: booking them.

use axum::extract::{Path, State};
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use super::{Answer, Body, PROVIDER, Refusal, text};
use crate::clock::utc;
use crate::draw::Draw;
use crate::geo::{self, City};
use crate::money::{self, AccountCurrency};
use crate::world::{Shared, World};

/// One kind of activity; a city has one of each.
struct Kind {
    zh: &'static str,
    en: &'static str,
    starts: [&'static str; 2],
    minutes: i64,
    fen: i64,
    /// Free until a day before, or never.
    standard: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        zh: "老城漫步",
        en: "Old Town Walking Tour",
        starts: ["09:00", "14:00"],
        minutes: 180,
        fen: 16_850,
        standard: true,
    },
    Kind {
        zh: "风味寻访",
        en: "Food Tasting Tour",
        starts: ["11:00", "17:30"],
        minutes: 210,
        fen: 32_800,
        standard: true,
    },
    Kind {
        zh: "夜游",
        en: "Evening Lights Cruise",
        starts: ["19:00", "20:30"],
        minutes: 90,
        fen: 19_900,
        standard: false,
    },
];
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// The one option of every product.
const OPTION: &str = "TG1";

/// An activity in a city.
pub(super) struct Product {
    pub(super) code: String,
    city: &'static City,
    kind: &'static Kind,
}

/// One departure of a product on a day, for so many.
pub(super) struct Departure {
    pub(super) product: Product,
    pub(super) starts_us: i64,
    pub(super) travellers: i64,
    pub(super) total_minor: i64,
}

fn products() -> impl Iterator<Item = Product> {
    geo::cities().iter().enumerate().flat_map(|(index, city)| {
        let code = move |number: usize| format!("{}P{}", 10_000 + index, number + 1);
        KINDS.iter().enumerate().map(move |(number, kind)| Product { code: code(number), city, kind })
    })
}

/// The product of that code.
pub(super) fn find(code: &str) -> Option<Product> {
    products().find(|product| product.code == code)
}

impl Product {
    fn title(&self) -> String {
        format!("{}{} {} {}", self.city.zh, self.kind.zh, self.city.name, self.kind.en)
    }

    /// How many of the words it is searched by it has; a Chinese word counts as found where it stands in the title.
    fn matches(&self, words: &[&str]) -> usize {
        let title = self.title().to_lowercase();
        words.iter().filter(|word| title.contains(*word) || word.contains(self.kind.zh)).count()
    }

    fn in_city(&self, term: &str) -> bool {
        term.contains(&self.city.name.to_lowercase()) || term.contains(&self.city.zh)
    }

    fn summary(&self, account: AccountCurrency) -> Value {
        json!({
            "productCode": self.code,
            "title": self.title(),
            "description": "Invented for the sandbox.",
            "duration": {"fixedDurationInMinutes": self.kind.minutes},
            "pricing": {"summary": {"fromPrice": number(account.price(self.kind.fen))}, "currency": account.code()},
            "flags": if self.kind.standard { vec!["FREE_CANCELLATION"] } else { Vec::new() },
            "confirmationType": "INSTANT",
        })
    }

    /// What cancelling a departure gives back.
    pub(super) fn policy(&self, starts_us: i64, now_us: i64) -> Value {
        let range = |(from, to): (i64, i64), (min, max): (i64, Option<i64>), percent: i64| {
            json!({
                "dayRangeMin": min, "dayRangeMax": max, "percentageRefundable": percent,
                "startTimestamp": utc(from), "endTimestamp": utc(to),
            })
        };
        if !self.kind.standard {
            return json!({
                "type": "ALL_SALES_FINAL", "description": "All sales are final and incur 100% cancellation penalties.",
                "cancelIfBadWeather": false, "cancelIfInsufficientTravelers": false,
                "refundEligibility": [range((now_us, starts_us), (0, None), 0)],
            });
        }
        json!({
            "type": "STANDARD", "description": "For a full refund, cancel at least 24 hours before the scheduled departure time.",
            "cancelIfBadWeather": false, "cancelIfInsufficientTravelers": false,
            "refundEligibility": [
                range((now_us, starts_us - DAY_US), (1, None), 100),
                range((starts_us - DAY_US, starts_us), (0, Some(1)), 0),
            ],
        })
    }

    /// The same before there is a departure: in whole days, without instants.
    fn policy_in_days(&self) -> Value {
        let mut policy = self.policy(0, 0);
        for window in policy["refundEligibility"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
        {
            window.retain(|field, _| !field.ends_with("Timestamp"));
        }
        policy
    }

    /// The share of the price that comes back now, percent.
    pub(super) fn refundable(&self, starts_us: i64, now_us: i64) -> i64 {
        if self.kind.standard && now_us < starts_us - DAY_US { 100 } else { 0 }
    }

    pub(super) fn meeting_point(&self) -> String {
        format!("{} Central Square, {}广场", self.city.name, self.city.zh)
    }
}

/// An amount as the number the supplier writes.
pub(super) fn number(minor: i64) -> Value {
    serde_json::from_str(&money::text(minor)).unwrap_or(Value::Null)
}

/// The prices of so much, as the supplier breaks them down.
pub(super) fn price(minor: i64) -> Value {
    json!({"price": {
        "recommendedRetailPrice": number(minor * 110 / 100), "partnerNetPrice": number(minor), "bookingFee": number(0),
        "partnerTotalPrice": number(minor),
    }})
}

/// `POST /search/freetext`: by words; a city's name keeps the others' products out.
pub(super) async fn search(State(world): State<Shared>, Body(body): Body) -> Answer {
    let term = text(&body, "searchTerm")?.to_lowercase();
    let words: Vec<&str> =
        term.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| word.len() > 2).collect();
    let count = body["searchTypes"][0]["pagination"]["count"].as_u64().and_then(|count| usize::try_from(count).ok());
    let mut found: Vec<Product> = products().filter(|product| product.in_city(&term)).collect();
    found.sort_by_key(|product| (std::cmp::Reverse(product.matches(&words)), product.code.clone()));
    let total = found.len();
    found.truncate(count.unwrap_or(10).min(50));
    let results: Vec<Value> = found.iter().map(|product| product.summary(world.account)).collect();
    Ok(axum::Json(json!({"products": {"totalCount": total, "results": results}})))
}

/// `GET /products/{code}`.
pub(super) async fn product(State(world): State<Shared>, Path(code): Path<String>) -> Answer {
    let product = find(&code).ok_or_else(|| Refusal::not_found("No such product"))?;
    let mut shown = product.summary(world.account);
    let more = json!({
        "status": "ACTIVE",
        "language": "en",
        "timeZone": product.city.tz,
        "itinerary": {"itineraryType": "STANDARD", "duration": {"fixedDurationInMinutes": product.kind.minutes}},
        "productOptions": [{"productOptionCode": OPTION, "title": "Standard", "description": ""}],
        "bookingQuestions": ["FULL_NAMES_FIRST", "FULL_NAMES_LAST"],
        "bookingConfirmationSettings": {"confirmationType": "INSTANT"},
        "pricingInfo": {"type": "PER_PERSON", "ageBands": [{"ageBand": "ADULT", "startAge": 18, "endAge": 99, "minTravelersPerBooking": 1, "maxTravelersPerBooking": 15}]},
        "cancellationPolicy": product.policy_in_days(),
        "logistics": {"start": [{"description": product.meeting_point()}], "redemption": {"redemptionType": "NONE"}},
        "supplier": {"name": "Sandbox Walks"},
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(axum::Json(shown))
}

/// `POST /availability/check`: every start of the day for this many.
pub(super) async fn availability(State(world): State<Shared>, Body(body): Body) -> Answer {
    let (product, date, travellers) = asked(&world, &body)?;
    let total = world.account.price(product.kind.fen) * travellers;
    let items: Vec<Value> = product
        .kind
        .starts
        .iter()
        .filter(|start| body["startTime"].as_str().is_none_or(|only| only == **start))
        .filter_map(|start| Some((start, starts(&product, date, start)?)))
        .map(|(start, starts_us)| {
            let left = left(&world, &product, date, start);
            let reason = if starts_us < world.now_us() {
                Some("PAST_BOOKING_CUTOFF")
            } else {
                (left < travellers).then_some("SOLD_OUT")
            };
            json!({
                "productOptionCode": OPTION, "startTime": start, "available": reason.is_none(), "unavailableReason": reason,
                "capacity": {"remainingCapacity": left},
                "lineItems": [{"ageBand": "ADULT", "numberOfTravelers": travellers, "subtotalPrice": price(total)}],
                "totalPrice": price(total),
            })
        })
        .collect();
    let day = date.to_string();
    Ok(axum::Json(
        json!({"productCode": product.code, "travelDate": day, "currency": world.account.code(), "bookableItems": items}),
    ))
}

/// The departure a hold or a booking names; only the account's currency is sold here.
pub(super) fn departure(world: &World, body: &Value) -> Result<Departure, Refusal> {
    let (product, date, travellers) = asked(world, body)?;
    let start = text(body, "startTime")?;
    let known = product.kind.starts.contains(&start) && body["productOptionCode"] == OPTION;
    let starts_us = starts(&product, date, start).filter(|_| known).ok_or_else(|| Refusal::bad("No such departure"))?;
    if starts_us < world.now_us() || left(world, &product, date, start) < travellers {
        return Err(Refusal::bad("BOOKABLE_ITEM_IS_NO_LONGER_AVAILABLE"));
    }
    let total_minor = world.account.price(product.kind.fen) * travellers;
    Ok(Departure { product, starts_us, travellers, total_minor })
}

fn asked(world: &World, body: &Value) -> Result<(Product, Date, i64), Refusal> {
    let product = find(text(body, "productCode")?).ok_or_else(|| Refusal::not_found("No such product"))?;
    let date = text(body, "travelDate")?.parse().map_err(|_| Refusal::bad("travelDate is not a date"))?;
    let pax = body["paxMix"].as_array().ok_or_else(|| Refusal::bad("paxMix is required"))?;
    let travellers: i64 = pax.iter().filter_map(|band| band["numberOfTravelers"].as_i64()).sum();
    if !(1..=15).contains(&travellers) || pax.iter().any(|band| band["ageBand"] != "ADULT") {
        return Err(Refusal::bad("TRAVELER_MISMATCH"));
    }
    if text(body, "currency")? != world.account.code() {
        return Err(Refusal::bad("currency is not one this account is paid in"));
    }
    Ok((product, date, travellers))
}

fn starts(product: &Product, date: Date, start: &str) -> Option<i64> {
    let (hour, minute) = start.split_once(':')?;
    let local = date.at(hour.parse().ok()?, minute.parse().ok()?, 0, 0);
    local.to_zoned(geo::zone(&product.city.tz)).ok().map(|zoned| Timestamp::from(zoned).as_microsecond())
}

/// Places left, drawn once and for all; the switch `sold_out` leaves none.
fn left(world: &World, product: &Product, date: Date, start: &str) -> i64 {
    if world.switches.rule(PROVIDER, "sold_out", false) {
        return 0;
    }
    Draw::new(world.seed, &["places", &product.code, &date.to_string(), start]).between(2, 15)
}
