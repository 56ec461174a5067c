//! Money set aside and money taken: authorisations with their capture or void, and captures.
//!
//! Source: Payments v2. An authorisation here is captured once and for good: less than all of it lets the rest go.
//! Deliberately not here: captures in parts, reauthorisation, fees (`seller_receivable_breakdown` charges none).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::amount::{self, Amount};
use super::orders::{self, ORDER};
use super::replay::{self, Memory};
use super::{Answer, Refusal, Wire, brief, fate, fresh_id, full, instant, notice, read_body};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind captures are kept under; their link is the order.
pub(super) const CAPTURE: &str = "paypal_capture";
/// The kind authorisations are kept under; their link is the order.
pub(super) const AUTHORIZATION: &str = "paypal_authorization";

const LIVES_US: i64 = 29 * 24 * 3600 * 1_000_000;
const MINIMAL: [&str; 3] = ["id", "status", "links"];

/// Takes the money of an order, or of its authorisation; how it ends is the scenario's.
pub(super) async fn open(
    world: &World,
    book: &mut Book,
    order: &Document,
    amount: Amount,
    authorization: Option<&str>,
) -> Result<Document, StoreError> {
    let (outcome, due_us) = fate(world, "capture_outcome");
    let id = fresh_id(world, "capture");
    let base = &world.urls.paypal;
    let unit = &order.wire["purchase_units"][0];
    let shown = amount::wire(amount.minor, amount.currency);
    let now = instant(world.now_us());
    let up = authorization.map_or_else(
        || format!("{base}/v2/checkout/orders/{}", order.id),
        |authorization| format!("{base}/v2/payments/authorizations/{authorization}"),
    );
    let wire = json!({
        "id": id,
        "status": outcome,
        "amount": shown,
        "final_capture": true,
        "custom_id": unit["custom_id"],
        "invoice_id": unit["invoice_id"],
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED"]},
        "seller_receivable_breakdown": {"gross_amount": shown, "net_amount": shown},
        "links": [
            {"href": format!("{base}/v2/payments/captures/{id}"), "rel": "self", "method": "GET"},
            {"href": format!("{base}/v2/payments/captures/{id}/refund"), "rel": "refund", "method": "POST"},
            {"href": up, "rel": "up", "method": "GET"},
        ],
        "create_time": now,
        "update_time": now,
    });
    let inner = json!({
        "minor": amount.minor, "currency": amount.currency, "created_us": world.now_us(), "outcome": "COMPLETED",
        "taken_minor": if outcome == "COMPLETED" { amount.minor } else { 0 },
    });
    let mut document = Document::new(&id, wire, inner).linked(&order.id);
    if outcome == "PENDING" {
        document.wire["status_details"] = json!({"reason": "PENDING_REVIEW"});
        document.due_us = due_us;
    }
    book.put(CAPTURE, &document).await?;
    announce(world, book, &document).await?;
    Ok(document)
}

async fn announce(world: &World, book: &mut Book, capture: &Document) -> Result<(), StoreError> {
    let event = match capture.text("status") {
        "COMPLETED" => "PAYMENT.CAPTURE.COMPLETED",
        "PENDING" => "PAYMENT.CAPTURE.PENDING",
        _ => "PAYMENT.CAPTURE.DENIED",
    };
    let about = capture.text("custom_id").to_owned();
    notice::announce(world, book, &about, event, "capture", &capture.wire).await
}

/// Sets the money of an order aside.
pub(super) async fn set_aside(world: &World, book: &mut Book, order: &Document) -> Result<(), StoreError> {
    let id = fresh_id(world, "authorization");
    let own = format!("{}/v2/payments/authorizations/{id}", world.urls.paypal);
    let unit = &order.wire["purchase_units"][0];
    let now = instant(world.now_us());
    let wire = json!({
        "id": id,
        "status": "CREATED",
        "amount": unit["amount"],
        "custom_id": unit["custom_id"],
        "invoice_id": unit["invoice_id"],
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED"]},
        "expiration_time": instant(world.now_us().saturating_add(LIVES_US)),
        "links": [
            {"href": own, "rel": "self", "method": "GET"},
            {"href": format!("{own}/capture"), "rel": "capture", "method": "POST"},
            {"href": format!("{own}/void"), "rel": "void", "method": "POST"},
        ],
        "create_time": now,
        "update_time": now,
    });
    let inner = json!({
        "minor": order.number("minor"), "currency": order.hidden("currency"),
        "expires_us": world.now_us().saturating_add(LIVES_US),
    });
    let document = Document::new(&id, wire, inner).linked(&order.id);
    book.put(AUTHORIZATION, &document).await?;
    notice::announce(world, book, &order.link, "PAYMENT.AUTHORIZATION.CREATED", "authorization", &document.wire).await
}

/// `GET /v2/payments/captures/{id}`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    settle_due(&world, &mut book).await?;
    let capture = book.get(CAPTURE, &id).await?.ok_or_else(Refusal::missing)?;
    world.commit(book).await?;
    Ok(Wire(capture.wire).into_response())
}

/// `GET /v2/payments/authorizations/{id}`.
pub(super) async fn show_authorization(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let known = book.get(AUTHORIZATION, &id).await?.ok_or_else(Refusal::missing)?;
    Ok(Wire(known.wire).into_response())
}

/// `POST /v2/payments/authorizations/{id}/capture`.
pub(super) async fn take(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = read_body(&headers, &body)?;
    let request = replay::given(&headers)?;
    let call = format!("take {id}");
    let mut book = world.book().await?;
    let (status, capture) = match replay::made(&world, &mut book, &call, request).await? {
        Some(made) => (StatusCode::OK, book.get(CAPTURE, &made).await?.ok_or_else(Refusal::missing)?),
        None => {
            let capture = take_now(&world, &mut book, &id, &body).await?;
            replay::remember(&world, &mut book, &call, request, &capture.id, Memory::Payments).await?;
            (StatusCode::CREATED, capture)
        }
    };
    world.commit(book).await?;
    let shown = if full(&headers) { capture.wire } else { brief(&capture.wire, &MINIMAL) };
    Ok((status, Wire(shown)).into_response())
}

async fn take_now(world: &World, book: &mut Book, id: &str, body: &serde_json::Value) -> Result<Document, Refusal> {
    let mut part = book.get(AUTHORIZATION, id).await?.ok_or_else(Refusal::missing)?;
    match part.text("status") {
        "CREATED" => {}
        "VOIDED" => {
            let description = "A voided authorization cannot be captured or reauthorized.";
            return Err(Refusal::issue("AUTHORIZATION_VOIDED", description));
        }
        _ => {
            let description = "Authorization has already been captured.";
            return Err(Refusal::issue("AUTHORIZATION_ALREADY_CAPTURED", description));
        }
    }
    if world.now_us() >= part.number("expires_us") {
        return Err(Refusal::issue("AUTHORIZATION_EXPIRED", "An expired authorization cannot be captured."));
    }
    let order = book.get(ORDER, &part.link).await?.ok_or_else(Refusal::missing)?;
    let amount = match body.get("amount") {
        Some(amount) => amount::read(amount)?,
        None => Amount { minor: part.number("minor"), currency: orders::currency(&order)? },
    };
    if amount.currency != part.hidden("currency") {
        return Err(Refusal::value("/amount/currency_code", "CURRENCY_MISMATCH"));
    }
    if amount.minor > part.number("minor") {
        let description = "Capture amount exceeds allowable limit.";
        return Err(Refusal::issue("MAX_CAPTURE_AMOUNT_EXCEEDED", description));
    }
    let capture = open(world, book, &order, amount, Some(id)).await?;
    part.wire["status"] = json!("CAPTURED");
    part.wire["update_time"] = json!(instant(world.now_us()));
    book.put(AUTHORIZATION, &part).await?;
    Ok(capture)
}

/// `POST /v2/payments/authorizations/{id}/void`.
pub(super) async fn void(State(world): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let request = replay::given(&headers)?;
    let call = format!("void {id}");
    let mut book = world.book().await?;
    let mut part = book.get(AUTHORIZATION, &id).await?.ok_or_else(Refusal::missing)?;
    if replay::made(&world, &mut book, &call, request).await?.is_none() {
        match part.text("status") {
            "CREATED" => {}
            "VOIDED" => {
                return Err(Refusal::issue("PREVIOUSLY_VOIDED", "Authorization has been previously voided."));
            }
            _ => {
                let description = "Authorization has been previously captured and hence cannot be voided.";
                return Err(Refusal::issue("PREVIOUSLY_CAPTURED", description));
            }
        }
        part.wire["status"] = json!("VOIDED");
        part.wire["update_time"] = json!(instant(world.now_us()));
        book.put(AUTHORIZATION, &part).await?;
        replay::remember(&world, &mut book, &call, request, &id, Memory::Payments).await?;
        let about = part.text("custom_id").to_owned();
        let event = "PAYMENT.AUTHORIZATION.VOIDED";
        notice::announce(&world, &mut book, &about, event, "authorization", &part.wire).await?;
    }
    world.commit(book).await?;
    if full(&headers) {
        return Ok(Wire(part.wire).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends the pending captures that are due.
pub(super) async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut capture in book.due(CAPTURE, world.now_us()).await? {
        let outcome = capture.hidden("outcome").to_owned();
        capture.due_us = None;
        if outcome == "COMPLETED" {
            capture.inner["taken_minor"] = capture.inner["minor"].clone();
        }
        capture.wire["status"] = json!(outcome);
        capture.wire["update_time"] = json!(instant(world.now_us()));
        if let Some(wire) = capture.wire.as_object_mut() {
            wire.remove("status_details");
        }
        book.put(CAPTURE, &capture).await?;
        announce(world, book, &capture).await?;
    }
    Ok(())
}
