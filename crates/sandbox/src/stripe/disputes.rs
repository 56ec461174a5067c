//! Disputes: the bank of a payer takes a payment back, and decides later.
//!
//! Source: docs.stripe.com/disputes. A payment by the test card 0259 is disputed at once; it is decided when the scenario's
//! rule `dispute_outcome` says `won` or `lost`. Deliberately not here: evidence.

use axum::extract::{Path, RawQuery, State};
use serde_json::json;

use super::intents::{self, CHARGE};
use super::movements::{self, MOVEMENT};
use super::{Answer, PROVIDER, events, new_id, seconds};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind disputes are kept under; their link is what the list of deliveries calls their payment.
pub(super) const DISPUTE: &str = "stripe_dispute";
const OUTCOME: &str = "dispute_outcome";

/// The bank takes a paid charge back.
pub(super) async fn open(world: &World, book: &mut Book, intent: &Document) -> Result<(), StoreError> {
    let Some(mut charge) = book.get(CHARGE, intent.text("latest_charge")).await? else { return Ok(()) };
    charge.wire["disputed"] = json!(true);
    book.put(CHARGE, &charge).await?;
    let id = new_id(world, "du");
    let wire = json!({
        "id": id, "object": "dispute", "amount": charge.wire["amount_captured"], "balance_transactions": [], "charge": charge.id,
        "created": seconds(world.now_us()), "currency": charge.wire["currency"], "evidence": {}, "evidence_details": {"has_evidence": false},
        "is_charge_refundable": false, "livemode": false, "metadata": {}, "payment_intent": intent.id, "reason": "fraudulent",
        "status": "needs_response",
    });
    let dispute = Document::new(id, wire, json!({})).linked(intents::about(intent));
    book.put(DISPUTE, &dispute).await?;
    let taken = charge.wire["amount_captured"].as_i64().unwrap_or_default();
    let movement = movements::moved(world, &dispute.id, "dispute", -taken, &charge.wire["currency"]);
    book.put(MOVEMENT, &movement).await?;
    events::tell(world, book, &dispute.link, "charge.dispute.created", &dispute.wire).await
}

/// Decides what is open, once the scenario says how.
pub(super) async fn decide_due(world: &World, book: &mut Book) -> Result<bool, StoreError> {
    let Some(outcome) = world.switches.word(PROVIDER, OUTCOME) else { return Ok(false) };
    let mut any = false;
    for mut dispute in book.all(DISPUTE).await? {
        if dispute.text("status") == "needs_response" && ["won", "lost"].contains(&outcome.as_str()) {
            dispute.wire["status"] = json!(outcome);
            book.put(DISPUTE, &dispute).await?;
            if outcome == "won" {
                let amount = dispute.wire["amount"].as_i64().unwrap_or_default();
                let back = movements::moved(world, &dispute.id, "dispute_reversal", amount, &dispute.wire["currency"]);
                book.put(MOVEMENT, &back).await?;
            }
            events::tell(world, book, &dispute.link, "charge.dispute.closed", &dispute.wire).await?;
            any = true;
        }
    }
    Ok(any)
}

/// `GET /v1/disputes/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    intents::one(&world, DISPUTE, "dispute", &id, query).await
}
