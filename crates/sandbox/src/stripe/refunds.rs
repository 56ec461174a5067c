//! Refunds: at once or settled later, never more than was taken. A wallet's is always settled later.
//!
//! Source: docs.stripe.com/refunds. How a refund ends is the scenario's `refund_outcome`: `succeeded` when unset, else a status
//! it reaches after `settle_ms` on the sandbox's clock (0), or `late_failure`, which succeeds and then fails; `pending` stays so
//! until the rule changes. Deliberately not here: cancelling a refund.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Value, json};

use super::expand::{expanded, page};
use super::form::Form;
use super::intents::{self, CHARGE};
use super::movements::{self, MOVEMENT};
use super::wallets::Wallet;
use super::{Answer, PROVIDER, Refusal, events, new_id, seconds};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind refunds are kept under; their link is their charge.
pub(super) const REFUND: &str = "stripe_refund";

const OUTCOME: &str = "refund_outcome";
const SETTLE: &str = "settle_ms";

/// `POST /v1/refunds`.
pub(super) async fn create(State(world): State<Shared>, body: Bytes) -> Answer {
    let form = Form::read(&body, &["payment_intent", "charge", "amount", "reason", "metadata"])?;
    if !["", "duplicate", "fraudulent", "requested_by_customer"].contains(&form.text("reason")) {
        return Err(Refusal::param("reason", "parameter_invalid", "Invalid reason"));
    }
    let metadata = form.metadata("metadata")?;
    let wanted = form.integer("amount")?;
    let mut book = world.book().await?;
    let mut charge = charged(&mut book, &form).await?;
    if charge.wire["disputed"] == true {
        return Err(Refusal::state(
            Some("charge_disputed"),
            format!("Charge {} has been charged back; cannot issue a refund.", charge.id),
        ));
    }
    let rest = left(&mut book, &charge).await?;
    if rest == 0 {
        return Err(Refusal::state(
            Some("charge_already_refunded"),
            format!("Charge {} has already been refunded.", charge.id),
        ));
    }
    let amount = wanted.unwrap_or(rest);
    if amount < 1 {
        return Err(Refusal::param("amount", "parameter_invalid_integer", "Refund amounts are positive"));
    }
    if amount > rest {
        return Err(Refusal::state(
            None,
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({rest})"),
        ));
    }
    let mut refund = opened(&world, &charge, amount, &form, &metadata);
    let movement = movements::moved(&world, &refund.id, "refund", -amount, &charge.wire["currency"]);
    refund.wire["balance_transaction"] = json!(movement.id);
    charge.wire["amount_refunded"] = json!(charge.wire["amount_refunded"].as_i64().unwrap_or_default() + amount);
    charge.wire["refunded"] = json!(amount == rest);
    book.put(MOVEMENT, &movement).await?;
    book.put(CHARGE, &charge).await?;
    book.put(REFUND, &refund).await?;
    events::tell(&world, &mut book, &about(&refund), "refund.created", &refund.wire).await?;
    events::tell(&world, &mut book, &about(&refund), "charge.refunded", &charge.wire).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, refund.wire, &form.expand()).await?))
}

async fn charged(book: &mut Book, form: &Form) -> Result<Document, Refusal> {
    let id = match (form.text("payment_intent"), form.text("charge")) {
        ("", "") => {
            return Err(Refusal::param(
                "payment_intent",
                "parameter_missing",
                "One of charge or payment_intent is needed",
            ));
        }
        ("", charge) => charge.to_owned(),
        (intent, _) => intents::get(book, intent).await?.text("latest_charge").to_owned(),
    };
    let charge = book.get(CHARGE, &id).await?.ok_or_else(|| Refusal::missing("charge", &id))?;
    if charge.wire["captured"] == true {
        return Ok(charge);
    }
    Err(Refusal::state(None, "This charge was not captured and cannot be refunded"))
}

/// What was taken and not given back.
async fn left(book: &mut Book, charge: &Document) -> Result<i64, StoreError> {
    let mut rest = charge.wire["amount_captured"].as_i64().unwrap_or_default();
    for refund in book.linked(REFUND, &charge.id).await? {
        if !["failed", "canceled"].contains(&refund.text("status")) {
            rest = rest.saturating_sub(refund.wire["amount"].as_i64().unwrap_or_default());
        }
    }
    Ok(rest)
}

fn opened(world: &World, charge: &Document, amount: i64, form: &Form, metadata: &Value) -> Document {
    let wallet = Wallet::named(charge.wire["payment_method_details"]["type"].as_str().unwrap_or_default());
    let id = new_id(world, if wallet.is_some() { "pyr" } else { "re" });
    let to = wallet.map_or("card", Wallet::word);
    let outcome = world.switches.word(PROVIDER, OUTCOME).unwrap_or_else(|| "succeeded".to_owned());
    let at_once = wallet.is_none() && ["succeeded", "late_failure"].contains(&outcome.as_str());
    let wire = json!({
        "id": id, "object": "refund", "amount": amount, "balance_transaction": null, "charge": charge.id,
        "created": seconds(world.now_us()), "currency": charge.wire["currency"],
        "destination_details": {to: if wallet.is_some() { json!({}) } else { json!({"type": "refund"}) }, "type": to},
        "metadata": metadata,
        "payment_intent": charge.link, "reason": form.at("reason"), "receipt_number": null, "source_transfer_reversal": null,
        "status": if at_once { "succeeded" } else { "pending" }, "transfer_reversal": null,
    });
    let mut refund = Document::new(id, wire, json!({"outcome": outcome})).linked(&charge.id);
    if outcome != "pending" && (outcome != "succeeded" || !at_once) {
        let wait_us = world.switches.amount(PROVIDER, SETTLE, 0).saturating_mul(1000);
        refund.due_us = Some(world.now_us().saturating_add(wait_us));
    }
    refund
}

/// Ends what is due, and what was left open until the rule changed.
pub(super) async fn settle_due(world: &World, book: &mut Book, now_us: i64) -> Result<bool, StoreError> {
    let mut due = book.due(REFUND, now_us).await?;
    let rule = world.switches.word(PROVIDER, OUTCOME).unwrap_or_else(|| "succeeded".to_owned());
    if rule != "pending" {
        let open = |refund: &Document| refund.hidden("outcome") == "pending" && refund.text("status") == "pending";
        for mut refund in book.all(REFUND).await?.into_iter().filter(open) {
            refund.inner["outcome"] = json!(rule);
            due.push(refund);
        }
    }
    let any = !due.is_empty();
    for mut refund in due {
        let status = match refund.hidden("outcome") {
            "late_failure" => "failed",
            known @ ("succeeded" | "failed" | "canceled" | "requires_action") => known,
            _ => "succeeded",
        };
        let status = status.to_owned();
        refund.due_us = None;
        refund.wire["status"] = json!(status);
        if status == "failed" {
            refund.wire["failure_reason"] = json!("expired_or_canceled_card");
            give_again(world, book, &refund).await?;
        }
        book.put(REFUND, &refund).await?;
        events::tell(world, book, &about(&refund), "refund.updated", &refund.wire).await?;
        if status == "failed" {
            events::tell(world, book, &about(&refund), "refund.failed", &refund.wire).await?;
        }
    }
    Ok(any)
}

/// A refund that failed leaves the money with the merchant.
async fn give_again(world: &World, book: &mut Book, refund: &Document) -> Result<(), StoreError> {
    let amount = refund.wire["amount"].as_i64().unwrap_or_default();
    let movement = movements::moved(world, &refund.id, "refund_failure", amount, &refund.wire["currency"]);
    book.put(MOVEMENT, &movement).await?;
    let Some(mut charge) = book.get(CHARGE, &refund.link).await? else { return Ok(()) };
    charge.wire["amount_refunded"] = json!(charge.wire["amount_refunded"].as_i64().unwrap_or_default() - amount);
    charge.wire["refunded"] = json!(false);
    book.put(CHARGE, &charge).await
}

/// What a refund is called in the list of deliveries.
fn about(refund: &Document) -> String {
    refund.wire["metadata"]["refund"].as_str().unwrap_or(&refund.id).to_owned()
}

/// `GET /v1/refunds/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    intents::one(&world, REFUND, "refund", &id, query).await
}

/// `GET /v1/refunds`.
pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let known = ["limit", "starting_after", "created", "payment_intent", "charge"];
    let form = Form::read(query.unwrap_or_default().as_bytes(), &known)?;
    let mut book = world.book().await?;
    let mut all = book.all(REFUND).await?;
    for name in ["payment_intent", "charge"] {
        if !form.text(name).is_empty() {
            all.retain(|refund| refund.text(name) == form.text(name));
        }
    }
    Ok(Json(page(&mut book, &form, "/v1/refunds", all).await?))
}

/// Every refund as the control port's book shows it.
pub(super) async fn shown(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let mut list = Vec::new();
    for refund in book.all(REFUND).await? {
        let intent = book.get(intents::INTENT, refund.text("payment_intent")).await?;
        list.push(json!({
            "channel": PROVIDER,
            "out_refund_no": about(&refund),
            "out_trade_no": intent.map(|intent| intents::about(&intent)),
            "refund_fen": refund.wire["amount"],
            "currency": refund.text("currency").to_uppercase(),
            "state": refund.text("status"),
        }));
    }
    Ok(list)
}
