//! Holds, bookings by the partner's own reference, their status, and cancelling against a quote.
//!
//! With the switch `pending` a booking waits `seconds` (60) and then ends as its `outcome` says, `confirmed` or `rejected`.
//! Deliberately not here: what can be booked (`catalogue`).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::catalogue::{self, departure, number, price};
use super::{Answer, Body, PROVIDER, Refusal, text};
use crate::clock::utc;
use crate::store::{Book, Document};
use crate::world::{Shared, World};

/// The kind bookings are kept under; they belong to the partner's reference.
pub(crate) const BOOKING: &str = "viator_booking";
const HOLD: &str = "viator_hold";
const MINUTE_US: i64 = 60 * 1_000_000;
/// Length of a hold of the place, and of the price.
const HOLD_MINUTES: (i64, i64) = (15, 60);
const REASONS: [(&str, &str); 4] = [
    ("Customer_Service.I_canceled_my_entire_trip", "I canceled my entire trip"),
    ("Customer_Service.Booked_wrong_tour_date", "Booked wrong tour date"),
    ("Customer_Service.Duplicate_Booking", "Duplicate booking"),
    ("Customer_Service.Weather", "Weather"),
];

fn fresh_reference(world: &World) -> String {
    format!("BR-{}", world.ids.digits("viator", 9))
}

/// `POST /bookings/hold`.
pub(super) async fn hold(State(world): State<Shared>, Body(body): Body) -> Answer {
    let wanted = departure(&world, &body)?;
    let (id, now_us) = (fresh_reference(&world), world.now_us());
    let place_us = now_us + world.switches.amount(PROVIDER, "hold_minutes", HOLD_MINUTES.0) * MINUTE_US;
    let price_us = now_us + HOLD_MINUTES.1 * MINUTE_US;
    let kept = !world.switches.rule(PROVIDER, "hold_not_provided", false);
    let place = if kept {
        json!({"status": "HOLDING", "validUntil": utc(place_us)})
    } else {
        json!({"status": "HOLD_NOT_PROVIDED"})
    };
    let shown = json!({
        "bookingRef": id,
        "bookingHoldInfo": {"availability": place, "pricing": {"status": "HOLDING", "validUntil": utc(price_us)}},
        "currency": world.account.code(),
        "totalPrice": price(wanted.total_minor),
    });
    let inner =
        json!({"until_us": if kept { place_us.min(price_us) } else { price_us }, "total_minor": wanted.total_minor});
    let mut book = world.book().await?;
    book.put(HOLD, &Document::new(id, shown.clone(), inner)).await?;
    book.commit().await?;
    Ok(axum::Json(shown))
}

fn rejected(reason: &str) -> Answer {
    Ok(axum::Json(json!({"status": "REJECTED", "rejectionReasonCode": reason})))
}

/// `POST /bookings/book`: on the partner's account at once. A reference is good for one booking.
pub(super) async fn book(State(world): State<Shared>, Body(body): Body) -> Answer {
    let wanted = departure(&world, &body)?;
    let partner = text(&body, "partnerBookingRef")?;
    let (booker, contact) = (&body["bookerInfo"], &body["communication"]);
    for (part, field) in [(booker, "firstName"), (booker, "lastName"), (contact, "email"), (contact, "phone")] {
        text(part, field)?;
    }
    let answered = |question: &str| {
        let answers = body["bookingQuestionAnswers"].as_array().into_iter().flatten();
        let given = answers.filter(|answer| answer["question"] == question && answer["answer"].is_string()).count();
        i64::try_from(given).is_ok_and(|given| given >= wanted.travellers)
    };
    if !answered("FULL_NAMES_FIRST") || !answered("FULL_NAMES_LAST") {
        return Err(Refusal::bad("bookingQuestionAnswers are incomplete"));
    }
    let mut book = world.book().await?;
    if !book.linked(BOOKING, partner).await?.is_empty() {
        return rejected("DUPLICATE_BOOKING");
    }
    let now_us = world.now_us();
    let id = match body["bookingRef"].as_str() {
        Some(held) => match book.get(HOLD, held).await? {
            Some(hold) if now_us < hold.number("until_us") => hold.id,
            _ => return rejected("BOOKABLE_ITEM_IS_NO_LONGER_AVAILABLE"),
        },
        None => fresh_reference(&world),
    };
    let pending = world.switches.strike(PROVIDER, "pending");
    let policy = wanted.product.policy(wanted.starts_us, now_us);
    let shown = json!({
        "status": if pending.is_some() { "PENDING" } else { "CONFIRMED" },
        "bookingRef": id,
        "partnerBookingRef": partner,
        "currency": world.account.code(),
        "totalPrice": price(wanted.total_minor),
        "cancellationPolicy": policy,
        "voucherInfo": {"url": format!("https://example.com/voucher/{id}"), "format": "HTML", "type": "STANDARD"},
    });
    let mut booking = Document::new(
        &id,
        shown,
        json!({
            "total_minor": wanted.total_minor, "starts_us": wanted.starts_us, "refund_minor": 0, "becomes": null,
        "product": body["productCode"], "date": body["travelDate"], "start": body["startTime"], "booker": booker,
        }),
    );
    booking.link = partner.to_owned();
    if let Some(params) = pending {
        let seconds = params.get("seconds").and_then(Value::as_i64).unwrap_or(60);
        let outcome = params.get("outcome").and_then(Value::as_str).unwrap_or("confirmed").to_uppercase();
        booking.due_us = Some(now_us + seconds * 1_000_000);
        booking.inner["becomes"] = json!(outcome);
    }
    book.put(BOOKING, &booking).await?;
    book.commit().await?;
    Ok(axum::Json(booking.wire))
}

/// The booking, after what was pending has come to its end.
async fn settled(world: &World, book: &mut Book, mut booking: Document) -> Result<Document, Refusal> {
    if booking.due_us.is_some_and(|due| due <= world.now_us()) {
        let becomes = booking.hidden("becomes").to_owned();
        booking.due_us = None;
        booking.wire["status"] = json!(becomes);
        if becomes == "REJECTED" {
            booking.wire["rejectionReasonCode"] = json!("BOOKABLE_ITEM_IS_NO_LONGER_AVAILABLE");
        }
        book.put(BOOKING, &booking).await?;
    }
    Ok(booking)
}

async fn find(world: &World, book: &mut Book, reference: &str) -> Result<Document, Refusal> {
    let booking = book.get(BOOKING, reference).await?.ok_or_else(|| Refusal::not_found("No such booking"))?;
    settled(world, book, booking).await
}

/// `POST /bookings/status` by the supplier's or the partner's reference.
pub(super) async fn status(State(world): State<Shared>, Body(body): Body) -> Answer {
    let mut book = world.book().await?;
    let id = match body["bookingRef"].as_str() {
        Some(reference) => reference.to_owned(),
        None => {
            let made = book.linked(BOOKING, text(&body, "partnerBookingRef")?).await?;
            made.into_iter().next().ok_or_else(|| Refusal::not_found("No such booking"))?.id
        }
    };
    let mut booking = find(&world, &mut book, &id).await?;
    book.commit().await?;
    if let Some(due) = booking.due_us {
        booking.wire["nextPollAt"] = json!(utc(due));
    }
    Ok(axum::Json(booking.wire))
}

/// `GET /bookings/cancel-reasons`.
pub(super) async fn cancel_reasons(State(_): State<Shared>) -> Answer {
    let reasons: Vec<Value> = REASONS
        .iter()
        .map(|(code, text)| json!({"cancellationReasonCode": code, "cancellationReasonText": text}))
        .collect();
    Ok(axum::Json(json!({"reasons": reasons})))
}

fn refund(world: &World, booking: &Document) -> (i64, i64) {
    let product = catalogue::find(booking.hidden("product"));
    let percent = product.map_or(0, |product| product.refundable(booking.number("starts_us"), world.now_us()));
    (booking.number("total_minor") * percent / 100, percent)
}

/// `GET /bookings/{ref}/cancel-quote`: for now, without an id and without an end.
pub(super) async fn cancel_quote(State(world): State<Shared>, Path(reference): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let booking = find(&world, &mut book, &reference).await?;
    book.commit().await?;
    let status = match booking.text("status") {
        "CANCELED" => "CANCELLED",
        "CONFIRMED" => "CANCELLABLE",
        _ => "NOT_CANCELLABLE",
    };
    let (refund, percent) = refund(&world, &booking);
    Ok(axum::Json(json!({
        "bookingId": reference, "status": status,
        "refundDetails": {
            "itemPrice": number(booking.number("total_minor")), "refundAmount": number(refund), "refundPercentage": percent,
            "currencyCode": world.account.code(),
        },
    })))
}

/// `POST /bookings/{ref}/cancel`.
pub(super) async fn cancel(State(world): State<Shared>, Path(reference): Path<String>, Body(body): Body) -> Answer {
    let reason = text(&body, "reasonCode")?;
    if !REASONS.iter().any(|(code, _)| *code == reason) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "reasonCode is not known"));
    }
    let mut book = world.book().await?;
    let mut booking = find(&world, &mut book, &reference).await?;
    let declined =
        |reason: &str| Ok(axum::Json(json!({"bookingId": reference, "status": "DECLINED", "reason": reason})));
    match booking.text("status") {
        "CONFIRMED" => {}
        "CANCELED" => return declined("ALREADY_CANCELLED"),
        _ => return declined("NOT_CANCELLABLE"),
    }
    let (refund, _) = refund(&world, &booking);
    booking.wire["status"] = json!("CANCELED");
    booking.inner["refund_minor"] = json!(refund);
    book.put(BOOKING, &booking).await?;
    book.commit().await?;
    Ok(axum::Json(json!({"bookingId": reference, "status": "ACCEPTED"})))
}
