//! Orders: held or ticketed at once, with seats and bags, loyalty accounts and metadata.
//!
//! A held order has a booking reference and no documents; it is released at `payment_required_by`, and its seats with it.
//! There is no idempotency: two creates are two orders, unless the first one still lives (`offer_request_already_booked`).
//! Refusal codes not documented by the provider, chosen here: `offer_requires_instant_payment`, `seat_unavailable`.
//! Deliberately not here: paying a held order (`payments`) and cancelling (`cancellations`).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::flights::Oddity;
use super::offers::{self, OFFER};
use super::seats::{self, Service};
use super::wire::{Answer, Data, Refusal, created, metadata, ok, page};
use super::{PROVIDER, payments, webhooks};
use crate::clock::utc;
use crate::money;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind orders are kept under; they belong to their offer and fall due when a hold ends.
pub(crate) const ORDER: &str = "order";

/// `POST /air/orders`.
pub(super) async fn create(State(world): State<Shared>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    release_due(&world, &mut book).await?;
    let mut offer = chosen(&world, &mut book, &data).await?;
    let instant = wants_instant(&world, &offer, &data)?;
    let passengers = passengers(&offer, &data["passengers"])?;
    let tags = metadata(&data)?;
    if offers::raise(&world, &mut offer, "create_order") {
        book.put(OFFER, &offer).await?;
        book.commit().await?;
        return Err(Refusal::airline(
            "price_changed",
            "The price of the selected offer has changed. Retrieve the offer again.",
        ));
    }
    let services = seats::resolve(&world, &offer, &data["services"])?;
    let total = offers::total_minor(&offer) + services.iter().map(|service| service.price).sum::<i64>();
    refuse_oddities(&offer)?;
    if instant {
        payments::check(&world, &data["payments"][0], total)?;
    }
    let order =
        Purchase { world: &world, offer: &offer, services: &services, passengers, tags, total, instant }.order(&data);
    sell_seats(&mut book, &services, &order.id).await?;
    book.put(ORDER, &order).await?;
    webhooks::emit(&world, &mut book, "order.created", &order.id, &order.id, &order.wire).await?;
    world.commit(book).await?;
    created(order.wire)
}

async fn chosen(world: &World, book: &mut Book, data: &Value) -> Result<Document, Refusal> {
    let selected = data["selected_offers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [only] = selected else {
        return Err(Refusal::field(
            "selected_offers",
            "validation_required",
            "Field 'selected_offers' must hold exactly one offer",
        ));
    };
    let id = only.as_str().unwrap_or_default();
    let known = book
        .get(OFFER, id)
        .await?
        .ok_or_else(|| Refusal::field("selected_offers", "not_found", "The selected offer does not exist"))?;
    if world.now_us() >= known.number("expires_us") {
        return Err(Refusal::state("offer_expired", "The selected offer has expired. Please search again."));
    }
    for rival in book.all(ORDER).await? {
        if rival.hidden("request_id") == known.link && ["held", "ticketed"].contains(&state_of(world, &rival)) {
            return Err(Refusal::state(
                "offer_request_already_booked",
                "An order was already created from this search.",
            ));
        }
    }
    offers::living(world, book, id, "create_order").await
}

fn wants_instant(world: &World, offer: &Document, data: &Value) -> Result<bool, Refusal> {
    let paid = data["payments"].as_array().is_some_and(|payments| !payments.is_empty());
    let serviced = data["services"].as_array().is_some_and(|services| !services.is_empty());
    match data["type"].as_str().unwrap_or("instant") {
        "instant" if paid => Ok(true),
        "instant" => Err(Refusal::field("payments", "validation_required", "Field 'payments' can't be blank")),
        "hold" | "pay_later" if paid => {
            Err(Refusal::field("payments", "validation_inclusion", "Field 'payments' must be absent for a hold order"))
        }
        "hold" | "pay_later" if offer.wire["payment_requirements"]["requires_instant_payment"] == true => {
            Err(Refusal::state(
                "offer_requires_instant_payment",
                "The selected offer must be paid when the order is created.",
            ))
        }
        "hold" | "pay_later" if serviced && !world.switches.rule(PROVIDER, "services_on_hold", true) => {
            let text = "Services cannot be added to an order that is paid later.";
            Err(Refusal::field("services", "pay_later_order_no_payment_for_ancillaries", text))
        }
        "hold" | "pay_later" => Ok(false),
        _ => Err(Refusal::field("type", "validation_inclusion", "Field 'type' must be instant or hold")),
    }
}

fn refuse_oddities(offer: &Document) -> Result<(), Refusal> {
    if offers::is_odd(offer, Oddity::OrderFails) {
        let text = "The airline responded with an unexpected error.";
        return Err(Refusal::other(StatusCode::BAD_GATEWAY, "airline_error", "airline_unknown", text));
    }
    if offers::is_odd(offer, Oddity::NoBalance) {
        return Err(Refusal::state("insufficient_balance", "Insufficient balance in your account."));
    }
    Ok(())
}

/// The travellers, checked against the offer's party.
fn passengers(offer: &Document, given: &Value) -> Result<Vec<Value>, Refusal> {
    let party = offer.wire["passengers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() != party.len() {
        return Err(Refusal::field(
            "passengers",
            "validation_required",
            "Field 'passengers' must name everyone of the offer",
        ));
    }
    let mut travellers = Vec::new();
    for (index, seat) in party.iter().enumerate() {
        let traveller = given.iter().find(|traveller| traveller["id"] == seat["id"]);
        let field = format!("passengers/{index}/id");
        let traveller = traveller
            .ok_or_else(|| Refusal::field(&field, "validation_inclusion", "The passenger is not part of the offer"))?;
        travellers.push(traveller_wire(offer, index, seat, traveller)?);
    }
    let mut mails: Vec<&str> = given.iter().filter_map(|traveller| traveller["email"].as_str()).collect();
    mails.sort_unstable();
    let distinct = mails.windows(2).all(|pair| pair[0] != pair[1]);
    if distinct {
        Ok(travellers)
    } else {
        Err(Refusal::field("passengers", "emails_not_unique", "Each passenger needs an email of their own"))
    }
}

fn traveller_wire(offer: &Document, index: usize, seat: &Value, given: &Value) -> Result<Value, Refusal> {
    let at = |field: &str| format!("passengers/{index}/{field}");
    let wrong =
        |field: &str, code: &str| Err(Refusal::field(&at(field), code, &format!("Field '{field}' is not valid")));
    for field in ["given_name", "family_name"] {
        let name = given[field].as_str().unwrap_or_default();
        if name.is_empty()
            || name.chars().count() > 20
            || !name.chars().all(|letter| letter.is_ascii_alphabetic() || " -'".contains(letter))
        {
            return wrong(field, if name.is_empty() { "validation_required" } else { "validation_format" });
        }
    }
    if !["mr", "ms", "mrs", "miss", "dr"].contains(&given["title"].as_str().unwrap_or_default()) {
        return wrong("title", "validation_inclusion");
    }
    if !["m", "f"].contains(&given["gender"].as_str().unwrap_or_default()) {
        return wrong("gender", "validation_inclusion");
    }
    if !given["email"].as_str().is_some_and(|mail| mail.contains('@')) {
        return wrong("email", "validation_format");
    }
    let phone = given["phone_number"].as_str().unwrap_or_default();
    if !(8..=17).contains(&phone.len())
        || !phone.starts_with('+')
        || !phone.bytes().skip(1).all(|byte| byte.is_ascii_digit() || b" -".contains(&byte))
    {
        return wrong("phone_number", "validation_format");
    }
    let born: Option<Date> = given["born_on"].as_str().and_then(|born| born.parse().ok());
    if !born.is_some_and(|born| age_fits(offer, seat, born)) {
        return wrong("born_on", "validation_format");
    }
    let accounts = if given["loyalty_programme_accounts"].is_array() {
        &given["loyalty_programme_accounts"]
    } else {
        &seat["loyalty_programme_accounts"]
    };
    Ok(json!({
        "id": seat["id"], "type": seat["type"].as_str().unwrap_or("adult"), "title": given["title"], "gender": given["gender"],
        "given_name": given["given_name"], "family_name": given["family_name"], "born_on": given["born_on"],
        "email": given["email"], "phone_number": given["phone_number"], "infant_passenger_id": given["infant_passenger_id"],
        "loyalty_programme_accounts": offers::accounts(accounts), "user_id": given["user_id"],
    }))
}

/// Ages count on the day of the last departure.
fn age_fits(offer: &Document, seat: &Value, born: Date) -> bool {
    let legs = offer.inner["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = legs.last().and_then(|leg| leg["departs"].as_str()?.parse::<Date>().ok());
    let Some(last) = last else { return false };
    let had_birthday = (last.month(), last.day()) >= (born.month(), born.day());
    let age = i64::from(last.year()) - i64::from(born.year()) - i64::from(!had_birthday);
    match (seat["age"].as_i64(), seat["type"].as_str()) {
        (Some(said), _) => age == said,
        (None, Some("adult")) => (12..130).contains(&age),
        (None, Some("child")) => (2..18).contains(&age),
        (None, _) => (0..2).contains(&age),
    }
}

async fn sell_seats(book: &mut Book, services: &[Service], order: &str) -> Result<(), Refusal> {
    for (flight, designator) in services.iter().filter_map(|service| service.seat.as_ref()) {
        if !book.sell_seat(flight, designator, order).await? {
            return Err(Refusal::airline(
                "seat_unavailable",
                "A requested seat is no longer available. Please choose another one.",
            ));
        }
    }
    Ok(())
}

/// An order being written.
struct Purchase<'a> {
    world: &'a World,
    offer: &'a Document,
    services: &'a [Service],
    passengers: Vec<Value>,
    tags: Value,
    total: i64,
    instant: bool,
}

impl Purchase<'_> {
    fn order(self, data: &Value) -> Document {
        let (world, now_us) = (self.world, self.world.now_us());
        let id = world.ids.duffel("ord");
        let (hold_us, price_us) = offers::hold_windows(world);
        let since_us = self.offer.number("requested_us");
        let due_us = (!self.instant).then(|| since_us.saturating_add(hold_us));
        let mut wire = json!({
            "id": id,
            "type": if self.instant { "instant" } else { "hold" },
            "offer_id": self.offer.id,
            "booking_reference": world.ids.booking_reference(),
            "live_mode": false,
            "created_at": utc(now_us),
            "synced_at": utc(now_us),
            "cancelled_at": null,
            "cancellation": null,
            "owner": self.offer.wire["owner"],
            "content": "managed",
            "conditions": self.offer.wire["conditions"],
            "slices": self.slices(),
            "passengers": self.passengers,
            "services": self.services.iter().map(|service| service_wire(world, service)).collect::<Vec<_>>(),
            "documents": [],
            "total_amount": money::text(self.total),
            "total_currency": world.account.code(),
            "base_amount": self.offer.wire["base_amount"],
            "base_currency": world.account.code(),
            "tax_amount": self.offer.wire["tax_amount"],
            "tax_currency": world.account.code(),
            "payment_status": {
                "awaiting_payment": !self.instant,
                "payment_required_by": due_us.map(utc),
                "price_guarantee_expires_at": due_us.map(|_| utc(since_us.saturating_add(price_us))),
                "paid_at": null,
            },
            "metadata": self.tags,
            "users": offers::accounts(&data["users"]),
            "available_actions": ["cancel", "change", "update"],
            "airline_initiated_changes": [],
            "changes": [],
        });
        if self.instant {
            ticket(world, &mut wire);
        }
        let inner = json!({
            "request_id": self.offer.link,
            "total_minor": self.total,
            "oddity": self.offer.hidden("oddity"),
            "legs": self.offer.inner["legs"],
        });
        let mut order = Document::new(id, wire, inner).linked(&self.offer.id);
        order.due_us = due_us;
        order
    }

    /// The offer's slices with the seats chosen on them.
    fn slices(&self) -> Value {
        let mut slices = self.offer.wire["slices"].clone();
        let all = slices.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
        for segment in all.iter_mut().filter_map(|slice| slice["segments"].as_array_mut()).flatten() {
            let id = segment["id"].as_str().unwrap_or_default().to_owned();
            for entry in segment["passengers"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default() {
                let owner = entry["passenger_id"].as_str().unwrap_or_default().to_owned();
                let mine = |service: &&Service| service.passenger == owner && service.segments.contains(&id);
                let seat = self.services.iter().filter(mine).find_map(|service| service.seat.as_ref());
                entry["seat"] = seat.map_or(
                    Value::Null,
                    |(_, designator)| json!({"designator": designator, "name": null, "disclosures": []}),
                );
            }
        }
        slices
    }
}

fn service_wire(world: &World, service: &Service) -> Value {
    let (kind, details) = match &service.seat {
        Some((_, designator)) => ("seat", json!({"designator": designator, "name": null, "disclosures": []})),
        None => ("baggage", offers::bag_metadata()),
    };
    json!({
        "id": service.id.replacen("ase_", "ser_", 1),
        "type": kind,
        "quantity": 1,
        "passenger_ids": [service.passenger],
        "segment_ids": service.segments,
        "total_amount": money::text(service.price),
        "total_currency": world.account.code(),
        "metadata": details,
    })
}

/// Marks an order paid and issues one electronic ticket per passenger.
pub(super) fn ticket(world: &World, wire: &mut Value) {
    let passengers = wire["passengers"].as_array().cloned().unwrap_or_default();
    let document = |passenger: &Value| {
        json!({
            "type": "electronic_ticket",
            "unique_identifier": format!("999{}", world.ids.digits("ticket", 10)),
            "passenger_ids": [passenger["id"]],
        })
    };
    wire["documents"] = passengers.iter().map(document).collect();
    wire["payment_status"]["awaiting_payment"] = json!(false);
    wire["payment_status"]["paid_at"] = json!(utc(world.now_us()));
}

/// `held`, `ticketed`, `cancelled` or `expired`.
pub(crate) fn state_of(world: &World, order: &Document) -> &'static str {
    if !order.wire["cancelled_at"].is_null() {
        return "cancelled";
    }
    let status = &order.wire["payment_status"];
    if !status["paid_at"].is_null() {
        return "ticketed";
    }
    let over = order.due_us.is_none_or(|due_us| world.now_us() >= due_us);
    if over || status["awaiting_payment"] != true { "expired" } else { "held" }
}

/// Releases the holds whose time is over, and their seats.
pub(crate) async fn release_expired(world: &World) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    release_due(world, &mut book).await?;
    book.commit().await
}

/// As `release_expired`, inside a transaction.
pub(super) async fn release_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut order in book.due(ORDER, world.now_us()).await? {
        order.due_us = None;
        order.wire["payment_status"]["awaiting_payment"] = json!(false);
        order.wire["available_actions"] = json!(["update"]);
        book.put(ORDER, &order).await?;
        book.free_seats(&order.id).await?;
    }
    Ok(())
}

/// The order of that id, its hold released if its time is over.
pub(super) async fn find(world: &World, book: &mut Book, id: &str) -> Result<Document, Refusal> {
    release_due(world, book).await?;
    book.get(ORDER, id).await?.ok_or_else(|| Refusal::not_found("The order you are trying to access does not exist."))
}

/// `GET /air/orders/{id}`.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let order = find(&world, &mut book, &id).await?;
    book.commit().await?;
    ok(order.wire)
}

/// `GET /air/orders?offer_id=&booking_reference=&awaiting_payment=`, newest first.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let mut book = world.book().await?;
    release_due(&world, &mut book).await?;
    let all = book.all(ORDER).await?;
    book.commit().await?;
    let given = |name: &str| query.get(name).map(String::as_str);
    let wanted = |order: &&Document| {
        given("offer_id").is_none_or(|offer| order.link == offer)
            && given("booking_reference").is_none_or(|reference| order.text("booking_reference") == reference)
            && given("awaiting_payment")
                .is_none_or(|awaiting| order.wire["payment_status"]["awaiting_payment"] == (awaiting == "true"))
    };
    page(all.iter().rev().filter(wanted).map(|order| order.wire.clone()).collect(), &query)
}

/// `PATCH /air/orders/{id}`: metadata only. The official npm client nests it under `options`; both are understood.
pub(super) async fn update(State(world): State<Shared>, Path(id): Path<String>, Data(data): Data) -> Answer {
    let data = if data["options"].is_object() { &data["options"] } else { &data };
    let tags = metadata(data)?;
    let mut book = world.book().await?;
    let mut order = find(&world, &mut book, &id).await?;
    order.wire["metadata"] = tags;
    book.put(ORDER, &order).await?;
    world.commit(book).await?;
    ok(order.wire)
}

/// `GET /air/orders/{id}/available_services`: none after booking, as observed.
pub(super) async fn services(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    find(&world, &mut world.book().await?, &id).await?;
    ok(json!([]))
}

/// `POST /air/orders/{id}/services`: refused, on a hold with another code than on a ticketed order.
pub(super) async fn add_services(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let order = find(&world, &mut world.book().await?, &id).await?;
    if state_of(&world, &order) == "held" {
        let text = "Services cannot be added to an order that is paid later.";
        return Err(Refusal::field("add_services", "pay_later_order_no_payment_for_ancillaries", text));
    }
    Err(Refusal::unsupported_operation())
}
