//! Stays: search, rates, quote, booking, cancellation at once.
//!
//! Search results live 30 minutes (`offer_minutes`), quotes as long. What a cancellation returns is read from the booked
//! rate's timeline on the sandbox's clock. The refusal code `rate_unavailable` is this sandbox's own. Deliberately not
//! here: which hotels exist (`hotels`).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::hotels::{self, Hotel};
use super::wire::{Answer, Data, Refusal, created, date, metadata, ok, page, text};
use super::{PROVIDER, webhooks};
use crate::clock::utc;
use crate::geo::Point;
use crate::money;
use crate::store::{Book, Document};
use crate::world::{Shared, World};

/// The kind bookings are kept under; they belong to their quote.
pub(crate) const BOOKING: &str = "stay_booking";
const RESULT: &str = "stay_result";
const RATE: &str = "stay_rate";
const QUOTE: &str = "stay_quote";
const MINUTE_US: i64 = 60 * 1_000_000;

/// What is asked for, checked.
struct Wish {
    check_in: Date,
    check_out: Date,
    rooms: i64,
    guests: Value,
    free_cancellation_only: bool,
}

impl Wish {
    fn read(world: &World, data: &Value) -> Result<Self, Refusal> {
        let (check_in, check_out) = (date(data, "check_in_date")?, date(data, "check_out_date")?);
        let yesterday =
            world.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_sub(jiff::Span::new().days(1));
        if check_in < yesterday {
            return Err(Refusal::field(
                "check_in_date",
                "validation_inclusion",
                "Field 'check_in_date' must not be in the past",
            ));
        }
        let wish = Self {
            check_in,
            check_out,
            rooms: data["rooms"].as_i64().unwrap_or(1),
            guests: data["guests"].clone(),
            free_cancellation_only: data["free_cancellation_only"] == true,
        };
        if !(1..=99).contains(&wish.nights()) {
            return Err(Refusal::field(
                "check_out_date",
                "validation_inclusion",
                "Field 'check_out_date' must be 1 to 99 nights after 'check_in_date'",
            ));
        }
        if !(1..=9).contains(&wish.rooms) || wish.guests.as_array().is_none_or(Vec::is_empty) {
            return Err(Refusal::field("guests", "validation_required", "Fields 'rooms' and 'guests' can't be blank"));
        }
        Ok(wish)
    }

    fn nights(&self) -> i64 {
        self.check_in.until(self.check_out).map_or(0, |span| i64::from(span.get_days()))
    }
}

/// `POST /stays/search` by place or by accommodation ids.
pub(super) async fn search(State(world): State<Shared>, Data(data): Data) -> Answer {
    let wish = Wish::read(&world, &data)?;
    let hotels = wanted(&world, &data)?;
    let mut book = world.book().await?;
    let mut results = Vec::new();
    for hotel in &hotels {
        let result = offer(&world, &mut book, hotel, &wish).await?;
        results.extend(result);
    }
    book.commit().await?;
    ok(json!({"results": results, "created_at": utc(world.now_us())}))
}

fn wanted(world: &World, data: &Value) -> Result<Vec<Hotel>, Refusal> {
    if let Some(ids) = data["accommodation"]["ids"].as_array() {
        return Ok(ids.iter().filter_map(|id| hotels::find(world.seed, id.as_str()?)).collect());
    }
    let here: Option<Point> = serde_json::from_value(data["location"]["geographic_coordinates"].clone()).ok();
    let here =
        here.ok_or_else(|| Refusal::field("location", "validation_required", "Field 'location' can't be blank"))?;
    let radius = data["location"]["radius"].as_i64().unwrap_or(5);
    if !(1..=100).contains(&radius) {
        return Err(Refusal::field("location/radius", "validation_inclusion", "Field 'radius' must be 1 to 100 km"));
    }
    Ok(hotels::around(world.seed, here, radius))
}

/// Writes one hotel's rates into the book; shows the hotel with its cheapest rate.
async fn offer(world: &World, book: &mut Book, hotel: &Hotel, wish: &Wish) -> Result<Option<Value>, Refusal> {
    let id = world.ids.duffel("srr");
    let expires_us = world.now_us() + world.switches.amount(PROVIDER, "offer_minutes", 30) * MINUTE_US;
    let mut rates = Vec::new();
    for rate in hotel.rates().iter().filter(|rate| rate.refundable || !wish.free_cancellation_only) {
        let night = world.account.price(rate.night_fen) * wish.rooms;
        let total = night * wish.nights();
        let timeline = hotel.timeline(rate.refundable, wish.check_in, total, night);
        let rate_id = world.ids.duffel("rat");
        let shown = rate.wire(hotel, &rate_id, (total, world.account), &timeline, expires_us);
        let inner = json!({"total_minor": total, "timeline": timeline, "expires_us": expires_us, "room": rate.room});
        book.put(RATE, &Document::new(rate_id, shown.clone(), inner).linked(&id)).await?;
        rates.push((total, rate.room, shown));
    }
    let Some((cheapest, ..)) = rates.iter().min_by_key(|(total, ..)| *total) else { return Ok(None) };
    let shown = json!({
        "id": id,
        "check_in_date": wish.check_in.to_string(),
        "check_out_date": wish.check_out.to_string(),
        "rooms": wish.rooms,
        "guests": wish.guests,
        "accommodation": hotel.wire(&[]),
        "cheapest_rate_total_amount": money::text(*cheapest),
        "cheapest_rate_currency": world.account.code(),
        "cheapest_rate_base_amount": money::text(cheapest - cheapest * 6 / 106),
        "cheapest_rate_base_currency": world.account.code(),
        "cheapest_rate_public_amount": null,
        "cheapest_rate_public_currency": world.account.code(),
        "cheapest_rate_due_at_accommodation_amount": money::text(0),
        "cheapest_rate_due_at_accommodation_currency": world.account.code(),
        "supported_negotiated_rates": [],
        "expires_at": utc(expires_us),
    });
    book.put(RESULT, &Document::new(id, shown.clone(), json!({"expires_us": expires_us})).linked(&hotel.id)).await?;
    Ok(Some(shown))
}

fn gone() -> Refusal {
    Refusal::state("rate_unavailable", "The rate is no longer available. Please search again.")
}

/// `POST /stays/search_results/{id}/actions/fetch_all_rates`.
pub(super) async fn fetch_all_rates(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let result = book.get(RESULT, &id).await?.ok_or_else(|| Refusal::not_found("The search result does not exist."))?;
    if world.now_us() >= result.number("expires_us") {
        return Err(gone());
    }
    let hotel = hotels::find(world.seed, &result.link).ok_or_else(gone)?;
    let rates = book.linked(RATE, &id).await?;
    let rates: Vec<(usize, Value)> =
        rates.into_iter().map(|rate| (usize::try_from(rate.number("room")).unwrap_or(0), rate.wire)).collect();
    let mut shown = result.wire;
    shown["accommodation"] = hotel.wire(&rates);
    ok(shown)
}

/// `POST /stays/quotes`: checks the rate once more and promises it until the quote's end.
pub(super) async fn quote(State(world): State<Shared>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    let rate =
        book.get(RATE, text(&data, "rate_id")?).await?.ok_or_else(|| Refusal::not_found("The rate does not exist."))?;
    let result = book.get(RESULT, &rate.link).await?.ok_or_else(gone)?;
    let now_us = world.now_us();
    if now_us >= rate.number("expires_us") {
        return Err(gone());
    }
    let id = world.ids.duffel("quo");
    let expires_us = now_us + world.switches.amount(PROVIDER, "offer_minutes", 30) * MINUTE_US;
    let hotel = hotels::find(world.seed, &result.link).ok_or_else(gone)?;
    let room = usize::try_from(rate.number("room")).unwrap_or(0);
    let mut shown = json!({
        "id": id,
        "accommodation": hotel.wire(&[(room, rate.wire.clone())]),
        "card": null,
        "deposit_amount": null,
        "deposit_currency": world.account.code(),
        "expires_at": utc(expires_us),
        "cancellation_timeline": rate.wire["cancellation_timeline"],
        "supported_loyalty_programme": null,
    });
    for field in ["check_in_date", "check_out_date", "rooms", "guests"] {
        shown[field] = result.wire[field].clone();
    }
    for name in ["total", "base", "tax", "fee", "due_at_accommodation"] {
        for part in ["amount", "currency"] {
            let field = format!("{name}_{part}");
            shown[&field] = rate.wire[&field].clone();
        }
    }
    let inner = json!({"total_minor": rate.number("total_minor"), "timeline": rate.inner["timeline"], "expires_us": expires_us});
    book.put(QUOTE, &Document::new(id, shown.clone(), inner).linked(&rate.id)).await?;
    book.commit().await?;
    created(shown)
}

/// `GET /stays/quotes/{id}`.
pub(super) async fn get_quote(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let quote = world.book().await?.get(QUOTE, &id).await?;
    ok(quote.ok_or_else(|| Refusal::not_found("The quote does not exist."))?.wire)
}

/// `POST /stays/bookings`: paid from the balance at once. A quote is good for one booking.
pub(super) async fn book(State(world): State<Shared>, Data(data): Data) -> Answer {
    let guests = guests(&data)?;
    let tags = metadata(&data)?;
    let (email, phone) = (text(&data, "email")?, text(&data, "phone_number")?);
    let mut book = world.book().await?;
    let quote = book
        .get(QUOTE, text(&data, "quote_id")?)
        .await?
        .ok_or_else(|| Refusal::not_found("The quote does not exist."))?;
    if world.now_us() >= quote.number("expires_us") || !book.linked(BOOKING, &quote.id).await?.is_empty() {
        return Err(gone());
    }
    let id = world.ids.duffel("bok");
    let mut shown = json!({
        "id": id,
        "reference": format!("HB-{}", world.ids.digits("hotel", 8)),
        "status": "confirmed",
        "live_mode": false,
        "confirmed_at": utc(world.now_us()),
        "cancelled_at": null,
        "email": email,
        "phone_number": phone,
        "guests": guests,
        "accommodation_special_requests": data["accommodation_special_requests"],
        "loyalty_programme_account_number": data["loyalty_programme_account_number"],
        "supported_loyalty_programme": null,
        "key_collection": quote.wire["accommodation"]["key_collection"],
        "estimated_commission_amount": null,
        "estimated_commission_currency": null,
        "metadata": tags,
        "users": [],
    });
    for field in [
        "accommodation",
        "check_in_date",
        "check_out_date",
        "rooms",
        "total_amount",
        "total_currency",
        "cancellation_timeline",
    ] {
        shown[field] = quote.wire[field].clone();
    }
    let inner =
        json!({"total_minor": quote.number("total_minor"), "timeline": quote.inner["timeline"], "refund_minor": 0});
    book.put(BOOKING, &Document::new(&id, shown.clone(), inner).linked(&quote.id)).await?;
    webhooks::emit(&world, &mut book, "stays.booking.created", &id, &id, &shown).await?;
    world.commit(book).await?;
    created(shown)
}

fn guests(data: &Value) -> Result<Vec<Value>, Refusal> {
    let guests = data["guests"].as_array().filter(|guests| !guests.is_empty());
    let guests =
        guests.ok_or_else(|| Refusal::field("guests", "validation_required", "Field 'guests' can't be blank"))?;
    let own = |guest: &Value| {
        Ok(json!({"given_name": text(guest, "given_name")?, "family_name": text(guest, "family_name")?}))
    };
    guests.iter().map(own).collect()
}

async fn find(book: &mut Book, id: &str) -> Result<Document, Refusal> {
    book.get(BOOKING, id).await?.ok_or_else(|| Refusal::not_found("The booking does not exist."))
}

/// `GET /stays/bookings/{id}`.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    ok(find(&mut world.book().await?, &id).await?.wire)
}

/// `GET /stays/bookings`, newest first.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let all = world.book().await?.all(BOOKING).await?;
    page(all.into_iter().rev().map(|booking| booking.wire).collect(), &query)
}

/// `POST /stays/bookings/{id}/actions/cancel`: at once; the timeline says what comes back.
pub(super) async fn cancel(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let mut booking = find(&mut book, &id).await?;
    if booking.text("status") == "cancelled" {
        return Err(Refusal::state("already_cancelled", "The booking has already been cancelled."));
    }
    let now_us = world.now_us();
    let steps: Vec<(i64, i64)> = serde_json::from_value(booking.inner["timeline"].clone()).unwrap_or_default();
    let refund = steps.iter().find(|(before_us, _)| now_us < *before_us).map_or(0, |(_, refund)| *refund);
    booking.wire["status"] = json!("cancelled");
    booking.wire["cancelled_at"] = json!(utc(now_us));
    booking.inner["refund_minor"] = json!(refund);
    book.put(BOOKING, &booking).await?;
    webhooks::emit(&world, &mut book, "stays.booking.cancelled", &id, &id, &booking.wire).await?;
    world.commit(book).await?;
    ok(booking.wire)
}

/// `GET /stays/accommodation/{id}`, without rates.
pub(super) async fn accommodation(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    ok(hotels::find(world.seed, &id).ok_or_else(|| Refusal::not_found("The accommodation does not exist."))?.wire(&[]))
}
