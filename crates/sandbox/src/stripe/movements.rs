//! Movements of the merchant's balance, one by one and as a list.
//!
//! Source: docs.stripe.com/api/balance_transactions, reporting categories. Fees are taken elsewhere. Deliberately not here:
//! payouts, balances in another currency than the charge's.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Value, json};

use super::expand::page;
use super::form::Form;
use super::{Answer, PROVIDER, intents, new_id, seconds};
use crate::bill;
use crate::store::Document;
use crate::world::{Shared, World};

/// The kind movements are kept under; their link is what moved them.
pub(super) const MOVEMENT: &str = "stripe_movement";

/// One movement in a reporting category.
pub(super) fn moved(world: &World, source: &str, category: &str, amount: i64, currency: &Value) -> Document {
    let id = new_id(world, "txn");
    let now = seconds(world.now_us());
    let kind = match category {
        "dispute" | "dispute_reversal" => "adjustment",
        "partial_capture_reversal" => "refund",
        same => same,
    };
    let wire = json!({
        "id": id, "object": "balance_transaction", "amount": amount, "available_on": now, "balance_type": "payments",
        "created": now, "currency": currency, "description": null, "exchange_rate": null, "fee": 0, "fee_details": [],
        "net": amount, "reporting_category": category, "source": source, "status": "available", "type": kind,
    });
    Document::new(id, wire, json!({})).linked(source)
}

/// `GET /v1/balance_transactions/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    intents::one(&world, MOVEMENT, "balance_transaction", &id, query).await
}

/// `GET /v1/balance_transactions`.
pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &["limit", "starting_after", "created", "type"])?;
    let mut book = world.book().await?;
    let mut all = book.all(MOVEMENT).await?;
    if let Some(wish) = bill::wish(&world, PROVIDER) {
        let paid = all.iter().position(|movement| movement.text("reporting_category") == "charge");
        if let Some(at) = paid
            && let Some(movement) = all.get(at).cloned()
        {
            let source = book.get(intents::CHARGE, &movement.link).await?;
            let source = source.map_or(Value::Null, |charge| charge.wire);
            plant(&world, &mut all, at, (movement, source), &wish);
        }
    }
    if !form.text("type").is_empty() {
        all.retain(|movement| movement.text("type") == form.text("type"));
    }
    let mut listed = page(&mut book, &form, "/v1/balance_transactions", all).await?;
    if let Some(most) = bill::page_max(&world, PROVIDER)
        && let Some(data) = listed["data"].as_array_mut().filter(|data| data.len() > most)
    {
        data.truncate(most);
        listed["has_more"] = json!(true);
    }
    Ok(Json(listed))
}

/// Plants a difference in a payment of the list. What it changes of the charge goes with the movement in full.
fn plant(world: &World, all: &mut Vec<Document>, at: usize, (mut movement, mut charge): (Document, Value), wish: &str) {
    let fresh = |mut movement: Document, mut charge: Value, number: Value| {
        let id = new_id(world, "txn");
        movement.wire["id"] = json!(id);
        movement.id = id;
        charge["id"] = json!(new_id(world, "ch"));
        charge["payment_intent"] = json!(new_id(world, "pi"));
        charge["metadata"] = json!({"attempt": number});
        movement.wire["source"] = charge;
        movement
    };
    let minor = movement.wire["amount"].as_i64().unwrap_or_default();
    match wish {
        "missing_there" => drop(all.remove(at)),
        "missing_here" => all.push(fresh(movement, charge, json!(bill::NOBODYS))),
        "foreign" => all.push(fresh(movement, charge, json!(bill::ANOTHER_SHOPS))),
        "duplicate" => {
            let number = charge["metadata"]["attempt"].clone();
            all.push(fresh(movement, charge, number));
        }
        "amount_differs" | "currency_differs" => {
            if wish == "amount_differs" {
                movement.wire["amount"] = json!(minor.saturating_add(1));
                charge["amount_captured"] = json!(minor.saturating_add(1));
            } else {
                let code = charge["currency"].as_str().unwrap_or_default();
                let code = bill::other_currency(code).to_lowercase();
                movement.wire["currency"] = json!(code);
                charge["currency"] = json!(code);
            }
            movement.wire["source"] = charge;
            all.splice(at..=at, [movement]);
        }
        // Given back by hand, in the dashboard.
        "state_differs" => {
            let mut back = moved(world, "", "refund", -1, &charge["currency"]);
            back.wire["created"] = movement.wire["created"].clone();
            back.wire["source"] = json!({
                "id": new_id(world, "re"), "object": "refund", "amount": 1, "charge": charge["id"], "currency": charge["currency"],
                "metadata": {}, "payment_intent": charge["payment_intent"], "status": "succeeded",
            });
            all.push(back);
        }
        _ => {}
    }
}
