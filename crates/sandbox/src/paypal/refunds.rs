//! Refunds: never more than was taken, once per request id, settled at once unless the scenario says otherwise.
//!
//! Source: Payments v2. Deliberately not here: fees given back, refunds by the buyer's bank.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::amount;
use super::captures::CAPTURE;
use super::replay::{self, Memory};
use super::{Answer, Refusal, Wire, brief, disputes, fate, fresh_id, full, instant, notice, read_body};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind refunds are kept under; their link is the capture.
pub(super) const REFUND: &str = "paypal_refund";

const DAYS_180_US: i64 = 180 * 24 * 3600 * 1_000_000;
const MINIMAL: [&str; 3] = ["id", "status", "links"];

/// `POST /v2/payments/captures/{id}/refund`.
pub(super) async fn create(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = read_body(&headers, &body)?;
    let request = replay::given(&headers)?;
    let call = format!("refund {id}");
    let mut book = world.book().await?;
    let (status, refund) = match replay::made(&world, &mut book, &call, request).await? {
        Some(made) => (StatusCode::OK, book.get(REFUND, &made).await?.ok_or_else(Refusal::missing)?),
        None => {
            let refund = open(&world, &mut book, &id, &body).await?;
            replay::remember(&world, &mut book, &call, request, &refund.id, Memory::Payments).await?;
            (StatusCode::CREATED, refund)
        }
    };
    world.commit(book).await?;
    let shown = if full(&headers) { refund.wire } else { brief(&refund.wire, &MINIMAL) };
    Ok((status, Wire(shown)).into_response())
}

async fn open(world: &World, book: &mut Book, capture_id: &str, body: &Value) -> Result<Document, Refusal> {
    let capture = book.get(CAPTURE, capture_id).await?.ok_or_else(Refusal::missing)?;
    match capture.text("status") {
        "COMPLETED" | "PARTIALLY_REFUNDED" => {}
        "REFUNDED" => {
            return Err(Refusal::issue("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded."));
        }
        "PENDING" => {
            return Err(Refusal::issue("PENDING_CAPTURE", "Cannot initiate a refund as the capture is pending."));
        }
        _ => return Err(Refusal::issue("CAPTURE_STATUS_NOT_VALID", "The capture cannot be refunded.")),
    }
    if disputes::is_open(book, capture_id).await? {
        return Err(Refusal::issue("TRANSACTION_DISPUTED", "The transaction is disputed; refund it there."));
    }
    if world.now_us() > capture.number("created_us").saturating_add(DAYS_180_US) {
        let description = "You are over the time limit to perform a refund on this capture.";
        return Err(Refusal::issue("REFUND_TIME_LIMIT_EXCEEDED", description));
    }
    let currency = capture.hidden("currency").to_owned();
    let left = capture.number("minor").saturating_sub(given_back(book, capture_id).await?);
    let minor = match body.get("amount") {
        Some(wish) => {
            let wish = amount::read(wish)?;
            if wish.currency != currency {
                return Err(Refusal::value("/amount/currency_code", "REFUND_CAPTURE_CURRENCY_MISMATCH"));
            }
            wish.minor
        }
        None => left,
    };
    if minor > left || minor <= 0 {
        let description =
            "The refund amount must be less than or equal to the capture amount that has not yet been refunded.";
        return Err(Refusal::issue("REFUND_AMOUNT_EXCEEDED", description));
    }
    let (outcome, due_us) = fate(world, "refund_outcome");
    let id = fresh_id(world, "refund");
    let base = &world.urls.paypal;
    let now = instant(world.now_us());
    let shown = amount::wire(minor, &currency);
    let wire = json!({
        "id": id,
        "status": outcome,
        "amount": shown,
        "custom_id": body.get("custom_id").unwrap_or(&capture.wire["custom_id"]),
        "invoice_id": body.get("invoice_id").unwrap_or(&capture.wire["invoice_id"]),
        "note_to_payer": body["note_to_payer"],
        "seller_payable_breakdown": {
            "gross_amount": shown, "net_amount": shown,
            "total_refunded_amount": amount::wire(capture.number("minor").saturating_sub(left).saturating_add(minor), &currency),
        },
        "links": [
            {"href": format!("{base}/v2/payments/refunds/{id}"), "rel": "self", "method": "GET"},
            {"href": format!("{base}/v2/payments/captures/{capture_id}"), "rel": "up", "method": "GET"},
        ],
        "create_time": now,
        "update_time": now,
    });
    let custom_id = &capture.wire["custom_id"];
    let inner = json!({"minor": minor, "currency": currency, "outcome": "COMPLETED", "custom_id": custom_id});
    let mut document = Document::new(&id, wire, inner).linked(capture_id);
    if outcome == "PENDING" {
        document.due_us = due_us;
    }
    book.put(REFUND, &document).await?;
    if outcome != "PENDING" {
        ended(world, book, &document).await?;
    }
    Ok(document)
}

/// What refunds of a capture took or will take.
async fn given_back(book: &mut Book, capture_id: &str) -> Result<i64, StoreError> {
    let refunds = book.linked(REFUND, capture_id).await?;
    let counted = refunds.iter().filter(|refund| ["COMPLETED", "PENDING"].contains(&refund.text("status")));
    Ok(counted.fold(0, |sum: i64, refund| sum.saturating_add(refund.number("minor"))))
}

/// The capture and the merchant learn how a refund ended.
async fn ended(world: &World, book: &mut Book, refund: &Document) -> Result<(), StoreError> {
    let about = refund.text("custom_id").to_owned();
    if refund.text("status") != "COMPLETED" {
        return notice::announce(world, book, &about, "PAYMENT.REFUND.FAILED", "refund", &refund.wire).await;
    }
    if let Some(mut capture) = book.get(CAPTURE, &refund.link).await? {
        let mut back: i64 = 0;
        for other in book.linked(REFUND, &refund.link).await? {
            if other.text("status") == "COMPLETED" {
                back = back.saturating_add(other.number("minor"));
            }
        }
        let all = back >= capture.number("minor");
        capture.wire["status"] = json!(if all { "REFUNDED" } else { "PARTIALLY_REFUNDED" });
        capture.wire["update_time"] = json!(instant(world.now_us()));
        book.put(CAPTURE, &capture).await?;
    }
    notice::announce(world, book, &about, "PAYMENT.CAPTURE.REFUNDED", "refund", &refund.wire).await
}

/// `GET /v2/payments/refunds/{id}`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    settle_due(&world, &mut book).await?;
    let refund = book.get(REFUND, &id).await?.ok_or_else(Refusal::missing)?;
    world.commit(book).await?;
    Ok(Wire(refund.wire).into_response())
}

/// Ends the pending refunds that are due.
pub(super) async fn settle_due(world: &World, book: &mut Book) -> Result<(), StoreError> {
    for mut refund in book.due(REFUND, world.now_us()).await? {
        refund.due_us = None;
        refund.wire["status"] = json!(refund.hidden("outcome"));
        refund.wire["update_time"] = json!(instant(world.now_us()));
        book.put(REFUND, &refund).await?;
        ended(world, book, &refund).await?;
    }
    Ok(())
}
