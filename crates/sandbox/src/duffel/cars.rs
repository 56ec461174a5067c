//! Cars: search, quote, booking, cancellation at once.
//!
//! Invented hire companies at every airport; one car per class and company, with a prepaid and a dearer rate paid at the
//! desk. Free cancellation is stated in words only, as the supplier does, and kept here in figures. Quotes live 30 minutes
//! (`offer_minutes`). Deliberately not here: cards, one-way hires.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use jiff::{Timestamp, civil::DateTime};
use serde_json::{Value, json};

use super::wire::{Answer, Data, Refusal, created, date, metadata, ok, page, text};
use super::{PROVIDER, webhooks};
use crate::clock::utc;
use crate::draw::Draw;
use crate::geo::{self, Airport, Point};
use crate::money;
use crate::store::{Book, Document};
use crate::world::{Shared, World};

/// The kind bookings are kept under; they belong to their quote.
pub(crate) const BOOKING: &str = "car_booking";
const RATE: &str = "car_rate";
const QUOTE: &str = "car_quote";
const MINUTE_US: i64 = 60 * 1_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Company and the share of its class's price it asks, percent.
const COMPANIES: [(&str, i64); 3] =
    [("瀚路租车 Hanlu Car Hire", 100), ("Zebra Wheels", 92), ("Duffel Test Drive", 108)];
/// Car, ACRISS code, category, seats, bags, fen per day.
const CLASSES: [(&str, &str, &str, i64, i64, i64); 4] = [
    ("Toyota Yaris or similar", "ECAR", "economy", 4, 2, 21_000),
    ("Volkswagen Golf or similar", "CCAR", "compact", 5, 3, 26_500),
    ("Toyota Camry or similar", "ICAR", "intermediate", 5, 4, 33_000),
    ("Buick GL8 or similar", "MVAR", "minivan", 7, 5, 58_000),
];
/// Hours before pick-up until which each company cancels for nothing; `None` never.
const FREE_HOURS: [Option<i64>; 3] = [Some(48), None, Some(24)];

/// What is asked for, checked.
struct Wish {
    pick_up: DateTime,
    drop_off: DateTime,
    here: Point,
    radius: i64,
}

impl Wish {
    fn read(world: &World, data: &Value) -> Result<Self, Refusal> {
        let at = |day: &str, time: &str| -> Result<DateTime, Refusal> {
            let clock = text(data, time)?.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
            let (hour, minute) = clock
                .filter(|(hour, minute)| (0..24).contains(hour) && (0..60).contains(minute))
                .ok_or_else(|| Refusal::field(time, "validation_format", &format!("Field '{time}' is not HH:MM")))?;
            Ok(date(data, day)?.at(hour, minute, 0, 0))
        };
        let (pick_up, drop_off) = (at("pickup_date", "pickup_time")?, at("dropoff_date", "dropoff_time")?);
        let yesterday = world.clock.now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        if drop_off <= pick_up || pick_up < yesterday.saturating_sub(jiff::Span::new().days(1)) {
            let text = "Field 'pickup_date' must not be in the past nor after 'dropoff_date'";
            return Err(Refusal::field("pickup_date", "validation_inclusion", text));
        }
        let place = &data["pickup_location"];
        let here: Option<Point> = serde_json::from_value(place["geographic_coordinates"].clone()).ok();
        let missing =
            || Refusal::field("pickup_location", "validation_required", "Field 'pickup_location' can't be blank");
        let radius = place["radius"].as_i64().unwrap_or(5);
        if !(1..=100).contains(&radius) {
            return Err(Refusal::field(
                "pickup_location/radius",
                "validation_inclusion",
                "Field 'radius' must be 1 to 100 km",
            ));
        }
        if data["driver"]["age"].as_i64().is_none_or(|age| !(18..=99).contains(&age)) {
            return Err(Refusal::field("driver/age", "validation_inclusion", "Field 'age' must be 18 to 99"));
        }
        if data["driver"]["residence_country_code"].as_str().is_none_or(|code| code.len() != 2) {
            let text = "Field 'residence_country_code' can't be blank";
            return Err(Refusal::field("driver/residence_country_code", "validation_required", text));
        }
        Ok(Self { pick_up, drop_off, here: here.ok_or_else(missing)?, radius })
    }

    /// Days charged: every begun day.
    fn days(&self) -> i64 {
        let minutes = self.drop_off.duration_since(self.pick_up).as_mins();
        (minutes + 24 * 60 - 1) / (24 * 60)
    }
}

/// `POST /cars/search`.
pub(super) async fn search(State(world): State<Shared>, Data(data): Data) -> Answer {
    let wish = Wish::read(&world, &data)?;
    let mut near: Vec<(i64, &Airport)> = geo::airports()
        .iter()
        .map(|airport| (geo::distance_km(wish.here, airport.point()), airport))
        .filter(|(km, _)| *km <= wish.radius)
        .collect();
    near.sort_by_key(|(km, airport)| (*km, airport.iata.as_str()));
    let mut book = world.book().await?;
    let (id, mut rates) = (world.ids.duffel("sca"), Vec::new());
    if let Some((_, airport)) = near.first() {
        for company in 0..COMPANIES.len() {
            for class in 0..CLASSES.len() {
                for payment_type in ["prepaid", "postpaid"] {
                    rates.extend(offer(&world, &mut book, (airport, &wish), (company, class), payment_type).await?);
                }
            }
        }
    }
    book.commit().await?;
    ok(json!({"id": id, "rates": rates, "created_at": utc(world.now_us()), "live_mode": false}))
}

async fn offer(
    world: &World,
    book: &mut Book,
    (airport, wish): (&Airport, &Wish),
    (company, class): (usize, usize),
    payment_type: &str,
) -> Result<Option<Value>, Refusal> {
    let (Some((name, percent)), Some((car, acriss, category, seats, bags, day_fen)), Some(free)) =
        (COMPANIES.get(company), CLASSES.get(class), FREE_HOURS.get(company))
    else {
        return Ok(None);
    };
    let mut draw = Draw::new(world.seed, &["car", &airport.iata, name, acriss, &wish.pick_up.date().to_string()]);
    let desk = if payment_type == "postpaid" { 112 } else { 100 };
    let day_fen = day_fen * percent / 100 * desk / 100 * (90 + draw.between(0, 20)) / 100 / 100 * 100;
    let total = world.account.price(day_fen) * wish.days();
    let at = wish.pick_up.to_zoned(airport.zone()).ok().map(|zoned| Timestamp::from(zoned).as_microsecond());
    let id = world.ids.duffel("rac");
    let expires_us = world.now_us() + world.switches.amount(PROVIDER, "offer_minutes", 30) * MINUTE_US;
    let place = location(airport, name);
    let shown = json!({
        "id": id,
        "total_amount": money::text(total), "total_currency": world.account.code(),
        "base_amount": money::text(total), "base_currency": world.account.code(),
        "payment_type": payment_type,
        "mileage": {"type": "unlimited"},
        "supplier": {"name": name, "logo_url": null},
        "car": {
            "name": car, "code": acriss, "category": category, "type": "car", "transmission": "automatic", "fuel": "petrol",
            "air_conditioning": true, "max_passengers": seats, "baggage": {"large": bags, "small": 1}, "images": [],
        },
        "pickup_location": place, "dropoff_location": place,
        "pickup_date": wish.pick_up.date().to_string(), "pickup_time": wish.pick_up.strftime("%H:%M").to_string(),
        "dropoff_date": wish.drop_off.date().to_string(), "dropoff_time": wish.drop_off.strftime("%H:%M").to_string(),
        "expires_at": utc(expires_us),
    });
    let free_until_us = free.zip(at).map(|(hours, at)| at - hours * HOUR_US);
    let inner =
        json!({"total_minor": total, "expires_us": expires_us, "free_until_us": free_until_us, "free_hours": free});
    book.put(RATE, &Document::new(id, shown.clone(), inner)).await?;
    Ok(Some(shown))
}

fn location(airport: &Airport, company: &str) -> Value {
    json!({
        "name": format!("{} ({})", airport.name, airport.iata),
        "coordinates": {"latitude": airport.lat, "longitude": airport.lon},
        "address": {"line_one": format!("{company}, {}", airport.name), "city_name": airport.city, "country_code": airport.country},
        "phone_number": "+861055500001",
        "access": "in_terminal",
        "opening_hours": [],
    })
}

fn gone() -> Refusal {
    Refusal::state("rate_unavailable", "The rate is no longer available. Please search again.")
}

/// `POST /cars/quotes`: checks the rate once more, and adds charges and conditions.
pub(super) async fn quote(State(world): State<Shared>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    let rate = book.get(RATE, text(&data, "rate_id")?).await?;
    let rate = rate.ok_or_else(|| Refusal::not_found("The rate does not exist."))?;
    let now_us = world.now_us();
    if now_us >= rate.number("expires_us") {
        return Err(gone());
    }
    let id = world.ids.duffel("quc");
    let expires_us = now_us + world.switches.amount(PROVIDER, "offer_minutes", 30) * MINUTE_US;
    let conditions = match rate.inner["free_hours"].as_i64() {
        Some(hours) => format!("Free cancellation up to {hours} hours before pick-up. No refund afterwards."),
        None => "Please ask at the desk about changes and cancellation.".to_owned(),
    };
    let mut shown = rate.wire.clone();
    shown["id"] = json!(id);
    shown["rate_id"] = json!(rate.id);
    shown["expires_at"] = json!(utc(expires_us));
    shown["charges"] = json!([]);
    shown["conditions"] = json!([{"title": "Cancellation", "text": conditions}]);
    shown["privacy_policies"] = json!([]);
    let mut inner = rate.inner.clone();
    inner["expires_us"] = json!(expires_us);
    book.put(QUOTE, &Document::new(id, shown.clone(), inner).linked(&rate.id)).await?;
    book.commit().await?;
    created(shown)
}

/// `GET /cars/quotes/{id}`.
pub(super) async fn get_quote(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let quote = world.book().await?.get(QUOTE, &id).await?;
    ok(quote.ok_or_else(|| Refusal::not_found("The quote does not exist."))?.wire)
}

/// `POST /cars/bookings`: a prepaid one is paid from the balance at once. A quote is good for one booking.
pub(super) async fn book(State(world): State<Shared>, Data(data): Data) -> Answer {
    let driver = &data["driver"];
    let mut who = json!({});
    for field in ["given_name", "family_name", "email", "phone_number", "date_of_birth"] {
        who[field] = json!(text(driver, field)?);
    }
    date(driver, "date_of_birth")?;
    let tags = metadata(&data)?;
    let mut book = world.book().await?;
    let quote = book.get(QUOTE, text(&data, "quote_id")?).await?;
    let quote = quote.ok_or_else(|| Refusal::not_found("The quote does not exist."))?;
    if world.now_us() >= quote.number("expires_us") || !book.linked(BOOKING, &quote.id).await?.is_empty() {
        return Err(gone());
    }
    let id = world.ids.duffel("boc");
    let mut shown = quote.wire.clone();
    for (field, value) in [
        ("id", json!(id)),
        ("reference", json!(format!("CR-{}", world.ids.digits("car", 8)))),
        ("status", json!("confirmed")),
        ("live_mode", json!(false)),
        ("confirmed_at", json!(utc(world.now_us()))),
        ("cancelled_at", Value::Null),
        ("driver", who),
        ("inbound_flight_number", data["inbound_flight_number"].clone()),
        ("metadata", tags),
        ("users", json!([])),
    ] {
        shown[field] = value;
    }
    let mut inner = quote.inner.clone();
    inner["refund_minor"] = json!(0);
    book.put(BOOKING, &Document::new(&id, shown.clone(), inner).linked(&quote.id)).await?;
    webhooks::emit(&world, &mut book, "cars.booking.created", &id, &id, &shown).await?;
    world.commit(book).await?;
    created(shown)
}

async fn find(book: &mut Book, id: &str) -> Result<Document, Refusal> {
    book.get(BOOKING, id).await?.ok_or_else(|| Refusal::not_found("The booking does not exist."))
}

/// `GET /cars/bookings/{id}`.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    ok(find(&mut world.book().await?, &id).await?.wire)
}

/// `GET /cars/bookings`, newest first.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let all = world.book().await?.all(BOOKING).await?;
    page(all.into_iter().rev().map(|booking| booking.wire).collect(), &query)
}

/// `POST /cars/bookings/{id}/actions/cancel`: at once.
pub(super) async fn cancel(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let mut booking = find(&mut book, &id).await?;
    if booking.text("status") == "cancelled" {
        return Err(Refusal::state("already_cancelled", "The booking has already been cancelled."));
    }
    let now_us = world.now_us();
    let free = booking.inner["free_until_us"].as_i64().is_some_and(|until| now_us < until);
    booking.wire["status"] = json!("cancelled");
    booking.wire["cancelled_at"] = json!(utc(now_us));
    booking.inner["refund_minor"] = json!(if free { booking.number("total_minor") } else { 0 });
    book.put(BOOKING, &booking).await?;
    webhooks::emit(&world, &mut book, "cars.booking.cancelled", &id, &id, &booking.wire).await?;
    world.commit(book).await?;
    ok(booking.wire)
}
