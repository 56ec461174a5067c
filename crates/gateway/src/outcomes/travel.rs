//! The suppliers' effects, one set for each kind of booking, and what the stub shows to the reads before them.

use super::{Effect, World, cny, told};
use crate::travel::{ActivitySupplier, CarSupplier, FlightSupplier, HotelSupplier};
use serde_json::{Value, json};
use zhiyou_domain::{
    policy::Terms,
    port::{ReasonCode, activities as a, bookings as b, cars as c, flights as f, hotels as h},
    time::ZonedCivil,
};

const ACTIVITY: &str = "BR-1";

/// What a read of this path shows.
pub(super) fn read(path: &str) -> Value {
    let with = |mut body: Value| {
        body["total_amount"] = "299.01".into();
        body["total_currency"] = "CNY".into();
        json!({"data": body})
    };
    match path {
        _ if path.starts_with("/air/offers") => with(json!({"id": "off_1", "expires_at": "2027-01-01T00:00:00Z",
            "owner": {"name": "Z", "iata_code": "ZZ"}, "passengers": [], "payment_requirements": {"requires_instant_payment": false}, "slices": []})),
        _ if path.starts_with("/air/orders/") => {
            with(json!({"id": "ord_1", "booking_reference": "R", "cancelled_at": null,
                "payment_status": {"awaiting_payment": true, "payment_required_by": null, "price_guarantee_expires_at": null, "paid_at": null}}))
        }
        _ if path.starts_with("/air/order_cancellations") => {
            json!({"data": {"id": "ore_1", "order_id": "ord_1", "refund_amount": null,
                "refund_currency": null, "expires_at": "2027-01-01T00:00:00Z", "confirmed_at": null}})
        }
        _ if path.starts_with("/stays/quotes") => {
            with(json!({"id": "quo_1", "expires_at": "2027-01-01T00:00:00Z", "cancellation_timeline": []}))
        }
        _ if path.starts_with("/cars/quotes") => with(json!({"id": "quo_1", "expires_at": "2027-01-01T00:00:00Z",
            "pickup_location": {"name": "PEK", "coordinates": {"latitude": 40.0799, "longitude": 116.6031}}})),
        _ if path.ends_with("/cancel-quote") => json!({"bookingId": ACTIVITY, "status": "CANCELLABLE",
            "refundDetails": {"itemPrice": 299.01, "refundAmount": 299.01, "currencyCode": "CNY", "refundPercentage": 100}}),
        _ => json!({"data": []}),
    }
}

pub(super) fn flight() -> f::HoldFlight {
    f::HoldFlight {
        reference: "r".to_owned(),
        offer_id: "off_1".to_owned(),
        passengers: vec![],
        services: vec![],
        expected_total: cny(29_901),
    }
}

fn person() -> b::Person {
    b::Person { given_name: "San".to_owned(), family_name: "Zhang".to_owned() }
}

fn contact() -> b::Contact {
    b::Contact { email: "a@b.cn".to_owned(), phone_number: "+8613800000000".to_owned() }
}

fn option() -> a::ActivityOption {
    a::ActivityOption {
        product_code: "1P1".to_owned(),
        option_code: "TG1".to_owned(),
        title: "Great Wall".to_owned(),
        meeting_point: None,
        starts: ZonedCivil::parse("2026-12-05T09:00:00", "Asia/Shanghai").unwrap(),
        duration_min: 480,
        adults: 1,
        total: cny(29_901),
        terms: Terms::unread(""),
    }
}

pub(super) async fn run(world: &World, effect: Effect) -> (&'static str, ReasonCode) {
    let (duffel, viator) = (&world.duffel, &world.viator);
    let booking = |id: &str| b::BookingRef { booking_id: id.to_owned() };
    match effect {
        Effect::Hold => told(duffel.hold(flight()).await),
        Effect::Book => told(FlightSupplier::book(duffel, flight()).await),
        Effect::Pay => told(duffel.pay(f::PayHeldFlight { order_id: "ord_1".to_owned(), amount: cny(29_901) }).await),
        Effect::CancelFlight => {
            let wish =
                f::ConfirmFlightCancellation { order_id: "ord_1".to_owned(), cancellation_id: "ore_1".to_owned() };
            told(duffel.confirm_cancellation(wish).await)
        }
        Effect::BookHotel => {
            let wish = h::BookHotel {
                reference: "r".to_owned(),
                quote_id: "quo_1".to_owned(),
                guests: vec![],
                contact: contact(),
                expected_total: cny(29_901),
            };
            told(HotelSupplier::book(duffel, wish).await)
        }
        Effect::CancelHotel => told(HotelSupplier::cancel(duffel, booking("bok_1")).await),
        Effect::BookCar => {
            let wish = c::BookCar {
                reference: "r".to_owned(),
                quote_id: "quo_1".to_owned(),
                driver: person(),
                born_on: jiff::civil::date(1990, 1, 1),
                contact: contact(),
                inbound_flight: None,
                expected_total: cny(29_901),
            };
            told(CarSupplier::book(duffel, wish).await)
        }
        Effect::CancelCar => told(CarSupplier::cancel(duffel, booking("bok_1")).await),
        Effect::HoldActivity => told(viator.hold(a::HoldActivity { option: option() }).await),
        Effect::BookActivity => {
            let wish = a::BookActivity {
                reference: "r".to_owned(),
                quote_id: ACTIVITY.to_owned(),
                option: option(),
                guests: vec![person()],
                contact: contact(),
                expected_total: cny(29_901),
            };
            told(ActivitySupplier::book(viator, wish).await)
        }
        Effect::CancelActivity => told(ActivitySupplier::cancel(viator, booking(ACTIVITY)).await),
        other => panic!("{other:?} is no supplier's"),
    }
}
