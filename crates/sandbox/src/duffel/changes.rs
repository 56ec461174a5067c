//! What airlines do to booked flights: changes that wait to be accepted, and orders they cancel.
//!
//! A change moves every segment. Only the newest of an order can be accepted (`stale_airline_initiated_change_accept`);
//! accepting it makes its slices the order's. On the route known for it each list adds a change of one hour more. Deliberately
//! not here: changes the traveller asks for.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::flights::Oddity;
use super::orders::{self, ORDER, state_of};
use super::wire::{Answer, Data, Refusal, ok, page, text};
use super::{PROVIDER, offers, webhooks};
use crate::clock::utc;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const CHANGES: &str = "airline_initiated_changes";
const DETECTED: &str = "order.airline_initiated_change_detected";

/// `GET /air/airline_initiated_changes?order_id=`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let Some(id) = query.get("order_id") else { return page(Vec::new(), &query) };
    let mut book = world.book().await?;
    let mut order = orders::find(&world, &mut book, id).await?;
    if offers::is_odd(&order, Oddity::AirlineChanges) {
        add(&world, &mut book, &mut order, 60).await?;
        world.commit(book).await?;
    }
    page(all(&order).to_vec(), &query)
}

/// `POST /air/airline_initiated_changes/{id}/actions/accept`.
pub(super) async fn accept(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    act(&world, &id, "accepted").await
}

/// `PATCH /air/airline_initiated_changes/{id}` `{action_taken}`: what was agreed with the airline by other means.
pub(super) async fn update(State(world): State<Shared>, Path(id): Path<String>, Data(data): Data) -> Answer {
    let action = text(&data, "action_taken")?;
    if ["accepted", "cancelled", "changed"].contains(&action) {
        act(&world, &id, action).await
    } else {
        Err(Refusal::field("action_taken", "validation_inclusion", "Field 'action_taken' is not a known action"))
    }
}

async fn act(world: &Shared, id: &str, action: &str) -> Answer {
    let mut book = world.book().await?;
    let mut order = with_change(&mut book, id).await?;
    let newest = all(&order).last().is_some_and(|change| change["id"] == id);
    let taken = all(&order).iter().find(|change| change["id"] == id).is_some_and(|c| !c["action_taken"].is_null());
    if !newest || taken {
        let text = "There is a newer change to this order, or this change was already acted upon.";
        return Err(Refusal::state("stale_airline_initiated_change_accept", text));
    }
    if state_of(world, &order) != "ticketed" {
        return Err(Refusal::state("already_cancelled", "The order has already been cancelled."));
    }
    let now = utc(world.now_us());
    for change in order.wire[CHANGES].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default() {
        change["available_actions"] = json!([]);
        if change["id"] == id {
            change["action_taken"] = json!(action);
            change["action_taken_at"] = json!(now);
            change["updated_at"] = json!(now);
        }
    }
    let change = all(&order).last().cloned().unwrap_or_default();
    if action == "accepted" {
        order.wire["slices"] = change["added"].clone();
    }
    book.put(ORDER, &order).await?;
    world.commit(book).await?;
    ok(change)
}

async fn with_change(book: &mut Book, id: &str) -> Result<Document, Refusal> {
    let orders = book.all(ORDER).await?;
    let has = |order: &Document| all(order).iter().any(|change| change["id"] == id);
    orders
        .into_iter()
        .find(has)
        .ok_or_else(|| Refusal::not_found("The airline-initiated change you are trying to access does not exist."))
}

/// An airline moves a ticketed order by so many minutes, and says so; false when there is none.
pub(crate) async fn airline_changes(world: &World, id: &str, minutes: i64) -> Result<bool, StoreError> {
    let mut book = world.book().await?;
    let ticketed = book.get(ORDER, id).await?.filter(|order| state_of(world, order) == "ticketed");
    let Some(mut order) = ticketed else { return Ok(false) };
    add(world, &mut book, &mut order, minutes).await?;
    world.commit(book).await?;
    Ok(true)
}

/// An airline cancels a ticketed order, and says so; false when there is none.
pub(super) async fn airline_cancels(world: &World, book: &mut Book, id: &str) -> Result<bool, StoreError> {
    let ticketed = book.get(ORDER, id).await?.filter(|order| state_of(world, order) == "ticketed");
    let Some(mut order) = ticketed else { return Ok(false) };
    order.wire["cancelled_at"] = json!(utc(world.now_us()));
    order.wire["available_actions"] = json!([]);
    book.put(ORDER, &order).await?;
    let object = json!({"order_id": id, "id": world.ids.duffel("aic"), "added": [], "removed": []});
    webhooks::emit(world, book, DETECTED, id, id, &object).await?;
    Ok(true)
}

fn all(order: &Document) -> &[Value] {
    order.wire[CHANGES].as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn add(world: &World, book: &mut Book, order: &mut Document, minutes: i64) -> Result<(), StoreError> {
    let change = later(world, order, minutes);
    if let Some(list) = order.wire[CHANGES].as_array_mut() {
        list.iter_mut().for_each(|earlier| earlier["available_actions"] = json!([]));
        list.push(change.clone());
    }
    book.put(ORDER, order).await?;
    let key = change["id"].as_str().unwrap_or_default();
    webhooks::emit(world, book, DETECTED, key, &order.id, &change).await
}

fn later(world: &World, order: &Document, minutes: i64) -> Value {
    let before = all(order).last().map_or(&order.wire["slices"], |last| &last["added"]).clone();
    let mut added = before.clone();
    let slices = added.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    for segment in slices.iter_mut().filter_map(|slice| slice["segments"].as_array_mut()).flatten() {
        for field in ["departing_at", "arriving_at"] {
            let at = segment[field].as_str().and_then(|at| at.parse::<jiff::civil::DateTime>().ok());
            let moved = at.and_then(|at| at.checked_add(jiff::Span::new().minutes(minutes)).ok());
            segment[field] = json!(moved.map(|moved| moved.strftime("%Y-%m-%dT%H:%M:%S").to_string()));
        }
    }
    let now = utc(world.now_us());
    // Some airlines take an answer only by phone; then nothing but `update` is offered.
    let by_phone = world.switches.rule(PROVIDER, "changes_by_phone", false);
    let actions = if by_phone { json!(["update"]) } else { json!(["accept", "cancel", "change"]) };
    json!({
        "id": world.ids.duffel("aic"), "order_id": order.id, "created_at": now, "updated_at": now,
        "action_taken": null, "action_taken_at": null, "available_actions": actions,
        "removed": before, "added": added, "travel_agent_ticket": null,
    })
}
