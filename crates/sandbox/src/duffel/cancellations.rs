//! Cancelling a flight order: a quote that lives an hour, then its confirmation.
//!
//! As observed in test mode, the full paid total comes back to the balance whatever the fare's conditions say; the rule
//! `refund_by_conditions` makes quotes honour them. Unpaid holds cost nothing and return nothing. Deliberately not here:
//! stays (they cancel at once).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::PROVIDER;
use super::flights::Oddity;
use super::offers::{self, PENALTY_FEN};
use super::orders::{self, ORDER};
use super::wire::{Answer, Data, Refusal, created, ok, page, text};
use crate::clock::utc;
use crate::money;
use crate::store::Document;
use crate::world::{Shared, World};

/// The kind quotes and confirmed cancellations are kept under; they belong to their order.
pub(crate) const CANCELLATION: &str = "cancellation";

const QUOTE_LIVES_US: i64 = 3600 * 1_000_000;

/// `POST /air/order_cancellations`.
pub(super) async fn quote(State(world): State<Shared>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    let order = orders::find(&world, &mut book, text(&data, "order_id")?).await?;
    cancellable(&world, &order)?;
    let quote = document(&world, &order);
    book.put(CANCELLATION, &quote).await?;
    world.commit(book).await?;
    created(quote.wire)
}

fn cancellable(world: &World, order: &Document) -> Result<(), Refusal> {
    match orders::state_of(world, order) {
        "held" | "ticketed" => Ok(()),
        "cancelled" => Err(Refusal::state("already_cancelled", "The order has already been cancelled.")),
        _ => Err(Refusal::state("order_not_cancellable", "The order has expired.")),
    }
}

fn document(world: &World, order: &Document) -> Document {
    let now_us = world.now_us();
    let paid = orders::state_of(world, order) == "ticketed";
    let credits = paid && offers::is_odd(order, Oddity::AirlineCredits);
    let refund = if paid { refund_minor(world, order) } else { 0 };
    let id = world.ids.duffel("ore");
    let refund_to = match (paid, credits) {
        (false, _) => "awaiting_payment",
        (true, true) => "airline_credits",
        (true, false) => "balance",
    };
    let wire = json!({
        "id": id,
        "order_id": order.id,
        "refund_amount": money::text(refund),
        "refund_currency": world.account.code(),
        "refund_to": refund_to,
        "expires_at": utc(now_us + QUOTE_LIVES_US),
        "confirmed_at": null,
        "airline_credits": if credits { vec![credit(world, order, refund)] } else { Vec::new() },
        "live_mode": false,
        "created_at": utc(now_us),
    });
    Document::new(id, wire, json!({"expires_us": now_us + QUOTE_LIVES_US, "paid": paid})).linked(&order.id)
}

fn refund_minor(world: &World, order: &Document) -> i64 {
    let total = order.number("total_minor");
    if !world.switches.rule(PROVIDER, "refund_by_conditions", false) {
        return total;
    }
    let refundable = order.wire["conditions"]["refund_before_departure"]["allowed"] == true;
    if refundable { (total - world.account.price(PENALTY_FEN)).max(0) } else { 0 }
}

fn credit(world: &World, order: &Document, refund: i64) -> Value {
    json!({
        "id": world.ids.duffel("acd"),
        "credit_name": "Duffel Airways credit",
        "credit_code": world.ids.booking_reference(),
        "credit_amount": money::text(refund),
        "credit_currency": world.account.code(),
        "issued_on": utc(world.now_us()).get(..10),
        "passenger_id": order.wire["passengers"][0]["id"],
    })
}

/// `POST /air/order_cancellations/{id}/actions/confirm`.
pub(super) async fn confirm(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let quote = book.get(CANCELLATION, &id).await?;
    let mut quote = quote.ok_or_else(|| Refusal::not_found("The order cancellation does not exist."))?;
    let mut order = orders::find(&world, &mut book, &quote.link).await?;
    cancellable(&world, &order)?;
    let now_us = world.now_us();
    if now_us >= quote.number("expires_us") {
        return Err(Refusal::state("order_cancellation_expired", "The quote has expired. Create a new one."));
    }
    if (orders::state_of(&world, &order) == "ticketed") != (quote.inner["paid"] == true) {
        return Err(Refusal::state(
            "order_cancellation_stale",
            "The order was paid since this quote. Create a new one.",
        ));
    }
    quote.wire["confirmed_at"] = json!(utc(now_us));
    order.wire["cancelled_at"] = json!(utc(now_us));
    order.wire["cancellation"] = quote.wire.clone();
    order.wire["available_actions"] = json!(["update"]);
    order.wire["payment_status"]["awaiting_payment"] = json!(false);
    order.due_us = None;
    book.put(CANCELLATION, &quote).await?;
    book.put(ORDER, &order).await?;
    book.free_seats(&order.id).await?;
    world.commit(book).await?;
    ok(quote.wire)
}

/// `GET /air/order_cancellations/{id}`.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let quote = world.book().await?.get(CANCELLATION, &id).await?;
    ok(quote.ok_or_else(|| Refusal::not_found("The order cancellation does not exist."))?.wire)
}

/// `GET /air/order_cancellations?order_id=`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let mut book = world.book().await?;
    let quotes = match query.get("order_id") {
        Some(order) => book.linked(CANCELLATION, order).await?,
        None => book.all(CANCELLATION).await?,
    };
    page(quotes.into_iter().rev().map(|quote| quote.wire).collect(), &query)
}
