//! The book as the control port shows it: everything really held, booked, charged and refunded.
//!
//! Deliberately not here: what providers show their merchants.

use serde_json::{Value, json};

use crate::store::{Document, StoreError};
use crate::world::World;
use crate::{alipay, alipayplus, duffel, money, paypal, stripe, viator, wechatpay};

/// The book now, holds released and refunds settled as far as they are due.
pub(crate) async fn view(world: &World) -> Result<Value, StoreError> {
    duffel::release_expired(world).await?;
    wechatpay::settle_refunds(world).await?;
    alipay::settle(world).await?;
    alipayplus::settle(world).await?;
    let mut book = world.book().await?;
    let (orders, paid, cancelled) =
        (book.all(duffel::ORDER).await?, book.all(duffel::PAYMENT).await?, book.all(duffel::CANCELLATION).await?);
    let flight = |order: &Document| flight(world, order, &paid, &cancelled);
    let mut payments: Vec<Value> = book.all(wechatpay::PAYMENT).await?.iter().map(payment).collect();
    let mut refunds: Vec<Value> = book.all(wechatpay::REFUND).await?.iter().map(refund).collect();
    payments.extend(alipay::payments(&mut book).await?);
    payments.extend(stripe::payments(&mut book).await?);
    payments.extend(paypal::payments(&mut book).await?);
    payments.extend(alipayplus::payments(&mut book).await?);
    refunds.extend(alipay::refunds(&mut book).await?);
    refunds.extend(stripe::refunds(&mut book).await?);
    refunds.extend(paypal::refunds(&mut book).await?);
    refunds.extend(alipayplus::refunds(&mut book).await?);
    Ok(json!({
        "flights": orders.iter().map(flight).collect::<Vec<_>>(),
        "stays": book.all(duffel::STAY_BOOKING).await?.iter().map(stay).collect::<Vec<_>>(),
        "cars": book.all(duffel::CAR_BOOKING).await?.iter().map(car).collect::<Vec<_>>(),
        "activities": book.all(viator::BOOKING).await?.iter().map(|booking| activity(world, booking)).collect::<Vec<_>>(),
        "payments": payments,
        "refunds": refunds,
    }))
}

fn flight(world: &World, order: &Document, paid: &[Document], cancelled: &[Document]) -> Value {
    let shown = &order.wire;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let passengers: Vec<Value> = list(&shown["passengers"])
        .iter()
        .map(|traveller| {
            json!({
                "id": traveller["id"], "given_name": traveller["given_name"], "family_name": traveller["family_name"],
                "loyalty_programme_accounts": traveller["loyalty_programme_accounts"],
            })
        })
        .collect();
    let seat = |service: &Value| {
        json!({
            "designator": service["metadata"]["designator"], "passenger_id": service["passenger_ids"][0],
            "segment_id": service["segment_ids"][0], "amount": service["total_amount"],
        })
    };
    let seats: Vec<Value> =
        list(&shown["services"]).iter().filter(|service| service["type"] == "seat").map(seat).collect();
    let mut payments: Vec<Value> =
        paid.iter().filter(|payment| payment.link == order.id).map(|payment| payment.wire.clone()).collect();
    if order.text("type") == "instant" {
        payments.push(json!({"type": "balance", "amount": shown["total_amount"], "currency": shown["total_currency"]}));
    }
    let confirmed = cancelled.iter().find(|quote| quote.link == order.id && !quote.wire["confirmed_at"].is_null());
    json!({
        "id": order.id,
        "offer_id": order.link,
        "booking_reference": shown["booking_reference"],
        "state": duffel::state_of(world, order),
        "metadata": shown["metadata"],
        "passengers": passengers,
        "seats": seats,
        "documents": shown["documents"],
        "departing_at": shown["slices"][0]["segments"][0]["departing_at"],
        "total_amount": shown["total_amount"],
        "total_currency": shown["total_currency"],
        "payments": payments,
        "refund_amount": confirmed.map(|quote| &quote.wire["refund_amount"]),
    })
}

fn stay(booking: &Document) -> Value {
    let mut shown = duffel_booking(booking);
    for field in ["check_in_date", "check_out_date", "guests"] {
        shown[field] = booking.wire[field].clone();
    }
    shown["accommodation"] = booking.wire["accommodation"]["name"].clone();
    shown
}

fn car(booking: &Document) -> Value {
    let mut shown = duffel_booking(booking);
    for field in ["driver", "pickup_date"] {
        shown[field] = booking.wire[field].clone();
    }
    shown["car"] = booking.wire["car"]["name"].clone();
    shown
}

fn duffel_booking(booking: &Document) -> Value {
    let shown = &booking.wire;
    json!({
        "id": booking.id,
        "reference": shown["reference"],
        "status": shown["status"],
        "metadata": shown["metadata"],
        "total_amount": shown["total_amount"],
        "total_currency": shown["total_currency"],
        "refund_amount": money::text(booking.number("refund_minor")),
    })
}

fn activity(world: &World, booking: &Document) -> Value {
    let shown = &booking.wire;
    json!({
        "id": booking.id,
        "partner_reference": booking.link,
        "status": shown["status"],
        "product": booking.inner["product"],
        "travel_date": booking.inner["date"],
        "start_time": booking.inner["start"],
        "booker": booking.inner["booker"],
        "total_amount": money::text(booking.number("total_minor")),
        "total_currency": world.account.code(),
        "refund_amount": money::text(booking.number("refund_minor")),
    })
}

fn payment(payment: &Document) -> Value {
    let paid = matches!(payment.text("trade_state"), "SUCCESS" | "REFUND");
    json!({
        "channel": "wechatpay",
        "out_trade_no": payment.id,
        "transaction_id": payment.wire["transaction_id"],
        "state": payment.wire["trade_state"],
        "total_fen": payment.wire["amount"]["total"],
        "taken_fen": if paid { payment.wire["amount"]["total"].clone() } else { json!(0) },
    })
}

fn refund(refund: &Document) -> Value {
    json!({
        "channel": "wechatpay",
        "out_refund_no": refund.id,
        "out_trade_no": refund.link,
        "refund_fen": refund.wire["amount"]["refund"],
        "state": refund.wire["status"],
    })
}
