//! Disputes: a payer wants a payment back, and the channel decides later.
//!
//! Source: Customer Disputes v1. The scenario's rule `dispute` opens one about every capture that has none, over all of it or
//! over its `minor`; the rule `dispute_outcome` decides what is open with its word. A lost one took what `refunded_minor` says,
//! or all of it. Deliberately not here: messages, offers, evidence, appeals.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::captures::CAPTURE;
use super::{Answer, PROVIDER, Refusal, Wire, amount, fresh_id, instant, notice};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind disputes are kept under; their link is the capture.
const DISPUTE: &str = "paypal_dispute";
const OPENS: &str = "dispute";
const DECIDES: &str = "dispute_outcome";

/// Whether a payer wants a capture back, and no word has been spoken on it.
pub(super) async fn is_open(book: &mut Book, capture_id: &str) -> Result<bool, StoreError> {
    Ok(book.linked(DISPUTE, capture_id).await?.iter().any(|dispute| dispute.text("status") != "RESOLVED"))
}

/// Opens and decides what the scenario says.
pub(super) async fn reconsider(world: &World, book: &mut Book) -> Result<(), StoreError> {
    if let Some(params) = world.switches.strike(PROVIDER, OPENS) {
        for capture in book.all(CAPTURE).await? {
            let taken = ["COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"].contains(&capture.text("status"));
            if taken && book.linked(DISPUTE, &capture.id).await?.is_empty() {
                let minor = params.get("minor").and_then(Value::as_i64).unwrap_or(capture.number("minor"));
                open(world, book, &capture, minor).await?;
            }
        }
    }
    let Some(outcome) = world.switches.word(PROVIDER, DECIDES) else { return Ok(()) };
    let params = world.switches.strike(PROVIDER, DECIDES).unwrap_or_default();
    for mut dispute in book.all(DISPUTE).await? {
        if dispute.text("status") == "RESOLVED" {
            continue;
        }
        dispute.wire["status"] = json!("RESOLVED");
        dispute.wire["dispute_state"] = json!("RESOLVED");
        dispute.wire["dispute_outcome"] = json!({ "outcome_code": outcome });
        if outcome == "RESOLVED_BUYER_FAVOUR" {
            let back = params.get("refunded_minor").and_then(Value::as_i64).unwrap_or(dispute.number("minor"));
            dispute.wire["dispute_outcome"]["amount_refunded"] = amount::wire(back, dispute.hidden("currency"));
        }
        book.put(DISPUTE, &dispute).await?;
        tell(world, book, "CUSTOMER.DISPUTE.RESOLVED", &dispute).await?;
    }
    Ok(())
}

async fn open(world: &World, book: &mut Book, capture: &Document, minor: i64) -> Result<(), StoreError> {
    let id = format!("PP-D-{}", fresh_id(world, "dispute"));
    let currency = capture.hidden("currency");
    let now = instant(world.now_us());
    let wire = json!({
        "dispute_id": id,
        "create_time": now,
        "update_time": now,
        "disputed_transactions": [{
            "seller_transaction_id": capture.id,
            "create_time": capture.wire["create_time"],
            "transaction_status": "COMPLETED",
            "gross_amount": capture.wire["amount"],
            "custom": capture.wire["custom_id"],
            "seller": {"merchant_id": "SANDBOXMERCHA", "name": "Sandbox"},
        }],
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        "status": "WAITING_FOR_SELLER_RESPONSE",
        "dispute_state": "REQUIRED_ACTION",
        "dispute_amount": amount::wire(minor, currency),
        "dispute_life_cycle_stage": "CHARGEBACK",
        "dispute_channel": "INTERNAL",
        "links": [{
            "href": format!("{}/v1/customer/disputes/{id}", world.urls.paypal), "rel": "self", "method": "GET",
        }],
    });
    let inner = json!({"minor": minor, "currency": currency, "about": capture.wire["custom_id"]});
    let dispute = Document::new(&id, wire, inner).linked(&capture.id);
    book.put(DISPUTE, &dispute).await?;
    tell(world, book, "CUSTOMER.DISPUTE.CREATED", &dispute).await
}

async fn tell(world: &World, book: &mut Book, event: &str, dispute: &Document) -> Result<(), StoreError> {
    notice::announce(world, book, dispute.hidden("about"), event, "dispute", &dispute.wire).await
}

/// `GET /v1/customer/disputes/{id}`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let known = book.get(DISPUTE, &id).await?.ok_or_else(Refusal::missing)?;
    Ok(Wire(known.wire).into_response())
}
