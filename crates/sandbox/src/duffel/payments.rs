//! Paying a held order from the balance.
//!
//! Codes as documented for `/air/payments`: `already_paid`, `already_cancelled`, `past_payment_required_by_date`,
//! `payment_amount_does_not_match_order_amount`, `payment_currency_does_not_match_order_currency`. Deliberately not here:
//! cards.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::orders::{self, ORDER};
use super::wire::{Answer, Data, Refusal, created, ok, page, text};
use super::{PROVIDER, webhooks};
use crate::clock::utc;
use crate::money;
use crate::store::Document;
use crate::world::{Shared, World};

/// The kind payments are kept under; they belong to their order.
pub(crate) const PAYMENT: &str = "duffel_payment";

/// Whether a payment is from the balance and of exactly this amount.
pub(super) fn check(world: &World, payment: &Value, total: i64) -> Result<(), Refusal> {
    if !["balance", "arc_bsp_cash"].contains(&text(payment, "type")?) {
        return Err(Refusal::field("payment/type", "validation_inclusion", "Field 'type' must be balance"));
    }
    if payment["currency"] != world.account.code() {
        let text = "The currency of the payment differs from the order's.";
        return Err(Refusal::field("payment/currency", "payment_currency_does_not_match_order_currency", text));
    }
    if payment["amount"].as_str().and_then(money::minor) != Some(total) {
        let text = "The amount of the payment differs from the order's.";
        return Err(Refusal::field("payment/amount", "payment_amount_does_not_match_order_amount", text));
    }
    Ok(())
}

/// `POST /air/payments`.
pub(super) async fn create(State(world): State<Shared>, Data(data): Data) -> Answer {
    let id = text(&data, "order_id")?;
    let mut book = world.book().await?;
    let mut order = orders::find(&world, &mut book, id).await?;
    if order.text("type") == "instant" {
        return Err(Refusal::state("order_type_not_eligible_for_payment", "Only a hold order can be paid."));
    }
    match orders::state_of(&world, &order) {
        "held" => {}
        "ticketed" => return Err(Refusal::state("already_paid", "The order has already been paid.")),
        "cancelled" => return Err(Refusal::state("already_cancelled", "The order has been cancelled.")),
        _ => {
            return Err(Refusal::state("past_payment_required_by_date", "The order's payment_required_by has passed."));
        }
    }
    if raise(&world, &mut order) {
        book.put(ORDER, &order).await?;
        book.commit().await?;
        return Err(Refusal::state("price_changed", "The price of the order has changed. Retrieve the order again."));
    }
    check(&world, &data["payment"], order.number("total_minor"))?;
    orders::ticket(&world, &mut order.wire);
    order.due_us = None;
    book.put(ORDER, &order).await?;
    let payment = document(&world, &order, &data["payment"]);
    book.put(PAYMENT, &payment).await?;
    webhooks::emit(&world, &mut book, "payment.created", &payment.id, &order.id, &payment.wire).await?;
    world.commit(book).await?;
    created(payment.wire)
}

/// A held order's price may rise once its guarantee is over; the scenario asks for it with `"op": "pay"`.
fn raise(world: &World, order: &mut Document) -> bool {
    let for_pay = |params: &serde_json::Map<String, Value>| params.get("op").is_some_and(|op| op == "pay");
    let Some(params) = world.switches.strike_where(PROVIDER, "price_rise", for_pay) else { return false };
    let total = order.number("total_minor").saturating_add(super::offers::rise_minor(&params));
    order.inner["total_minor"] = json!(total);
    order.wire["total_amount"] = json!(money::text(total));
    true
}

fn document(world: &World, order: &Document, payment: &Value) -> Document {
    let id = world.ids.duffel("pay");
    let wire = json!({
        "id": id,
        "order_id": order.id,
        "type": payment["type"],
        "amount": order.text("total_amount"),
        "currency": world.account.code(),
        "status": "succeeded",
        "failure_reason": null,
        "live_mode": false,
        "created_at": utc(world.now_us()),
    });
    Document::new(id, wire, Value::Null).linked(&order.id)
}

/// `GET /air/payments?order_id=`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let mut book = world.book().await?;
    let payments = match query.get("order_id") {
        Some(order) => book.linked(PAYMENT, order).await?,
        None => book.all(PAYMENT).await?,
    };
    page(payments.into_iter().rev().map(|payment| payment.wire).collect(), &query)
}

/// `GET /air/payments/{id}`.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let payment = world.book().await?.get(PAYMENT, &id).await?;
    ok(payment.ok_or_else(|| Refusal::not_found("The payment does not exist."))?.wire)
}
