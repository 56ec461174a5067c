//! The gateway against the sandbox: real HTTP, real signatures, real notifications, MCP over the in-process duplex.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "sandbox/alipay.rs"]
mod alipay;
#[path = "sandbox/alipayplus.rs"]
mod alipayplus;
#[path = "sandbox/bookings.rs"]
mod bookings;
#[path = "sandbox/books.rs"]
mod books;
#[path = "sandbox/localstripe.rs"]
mod localstripe;
#[path = "sandbox/paypal.rs"]
mod paypal;
#[path = "sandbox/questions.rs"]
mod questions;
#[path = "sandbox/rows.rs"]
mod rows;
#[path = "sandbox/stripe.rs"]
mod stripe;
#[path = "sandbox/units.rs"]
mod units;
#[path = "sandbox/wallets.rs"]
mod wallets;
#[path = "sandbox/wechatpay.rs"]
mod wechatpay;
#[path = "sandbox/world.rs"]
mod world;

use serde_json::{Value, json};
use world::World;
use zhiyou_domain::port::{Found, Outcome, ReasonCode, bookings as b, flights as f, hotels as h, payments as p};

fn code<T: std::fmt::Debug>(outcome: Outcome<T>) -> (&'static str, ReasonCode) {
    match outcome {
        Outcome::Done(value) => panic!("done: {value:?}"),
        Outcome::NotSent(reason) => ("not_sent", reason.code),
        Outcome::Declined(reason) => ("declined", reason.code),
        Outcome::Unknown(reason) => ("unknown", reason.code),
    }
}

/// The text of a code to scan.
fn scannable(action: p::PaymentAction) -> String {
    match action {
        p::PaymentAction::Qr { content } => content,
        other => panic!("{other:?} instead of a code"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_held_paid_ticketed_booked_and_given_back() {
    let world = World::start().await;
    let (offer, seat) = world.offer_with_seat().await;
    let hold = world.wish(&offer, vec![seat.clone()]);
    let held = world.done::<f::FlightOrder>("holdFlight", &hold).await;
    assert_eq!(held.state, f::FlightOrderState::Held);
    assert_eq!(held.seats[0].designator, seat.designator);
    assert_eq!(held.loyalty, hold.passengers[0].loyalty.clone().into_iter().collect::<Vec<_>>());
    assert!(held.documents.is_empty() && held.hold_expires_at_us.is_some());
    world.until_told_of_order(&held.order_id).await;

    let intent = world.intent(held.total);
    let opened = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    let content = scannable(opened.action);
    let mut wake = world.gateway().wake();
    world.phone_pays(&content).await;
    wake.changed().await.unwrap();
    world.until_paid(intent.attempt_id).await;
    let updates = world.updates(0).await;
    let paid = updates.iter().find_map(|update| match &update.content {
        p::UpdateContent::Payment { status } => Some(status),
        _ => None,
    });
    assert_eq!(paid.unwrap().captured, Some(held.total));

    let ticketed = world
        .done::<f::FlightOrder>(
            "payHeldFlight",
            &f::PayHeldFlight { order_id: held.order_id.clone(), amount: held.total },
        )
        .await;
    assert_eq!(ticketed.state, f::FlightOrderState::Ticketed);
    assert!(!ticketed.documents.is_empty());
    let again = world
        .done::<f::FlightOrder>(
            "payHeldFlight",
            &f::PayHeldFlight { order_id: held.order_id.clone(), amount: held.total },
        )
        .await;
    assert_eq!(again, ticketed, "paying a paid order is a success and not a second payment");

    let quote = world
        .done::<f::FlightCancellationQuote>(
            "quoteFlightCancellation",
            &f::FlightOrderRef { order_id: held.order_id.clone() },
        )
        .await;
    assert_eq!(quote.refund, Some(held.total));
    let confirm =
        f::ConfirmFlightCancellation { order_id: held.order_id.clone(), cancellation_id: quote.cancellation_id };
    assert_eq!(world.done::<f::FlightCancelled>("confirmFlightCancellation", &confirm).await.refund, Some(held.total));
    let order = world.done::<f::FlightOrder>("getFlightOrder", &f::FlightOrderRef { order_id: held.order_id }).await;
    assert_eq!(order.state, f::FlightOrderState::Cancelled);

    let refund = world.refund(intent.attempt_id, held.total);
    world.done::<p::RefundStatus>("refundPayment", &refund).await;
    world
        .until(|| async {
            world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await.state
                == p::RefundState::Succeeded
        })
        .await;
    let more = world.refund(intent.attempt_id, held.total);
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &more).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_order_is_paid_at_the_price_with_its_seat() {
    let world = World::start().await;
    let (offer, seat) = world.offer_with_seat().await;
    let price = world
        .done::<f::FlightPrice>(
            "priceFlight",
            &f::PriceFlight { offer_id: offer.offer_id.clone(), services: vec![seat.clone()] },
        )
        .await;
    assert_eq!(price.total, offer.total.plus(seat.price).unwrap());
    let booked = world.done::<f::FlightOrder>("bookFlight", &world.wish(&offer, vec![seat.clone()])).await;
    assert_eq!((booked.state, booked.total), (f::FlightOrderState::Ticketed, price.total));
    assert_eq!(booked.seats[0].designator, seat.designator);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_the_supplier_cannot_hold_and_a_price_that_moved_are_refused_by_name() {
    let world = World::start().await;
    let (offer, seat) = world.offer_with_seat().await;
    let mut wish = world.wish(&offer, vec![seat.clone()]);
    wish.expected_total = offer.total;
    assert_eq!(code(world.call::<f::FlightOrder>("holdFlight", &wish).await), ("declined", ReasonCode::PriceChanged));
    assert_eq!(code(world.call::<f::FlightOrder>("bookFlight", &wish).await), ("declined", ReasonCode::PriceChanged));
    world.scenario(json!({"provider": "duffel", "switch": "services_on_hold", "value": false})).await;
    let wish = world.wish(&offer, vec![seat]);
    assert_eq!(
        code(world.call::<f::FlightOrder>("holdFlight", &wish).await),
        ("declined", ReasonCode::ServicesNotHoldable)
    );
    assert_eq!(world.book().await["flights"].as_array().map_or(0, Vec::len), 0, "nothing was really booked");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_seat_is_refused_by_name() {
    let world = World::start().await;
    let (offer, seat) = world.offer_with_seat().await;
    let (rival, rival_seat) = world.offer_with_seat().await;
    assert_eq!(
        (rival.segments[0].flight_number.as_str(), &rival_seat.designator),
        (offer.segments[0].flight_number.as_str(), &seat.designator)
    );
    world.done::<f::FlightOrder>("holdFlight", &world.wish(&rival, vec![rival_seat])).await;
    assert_eq!(
        code(world.call::<f::FlightOrder>("holdFlight", &world.wish(&offer, vec![seat])).await),
        ("declined", ReasonCode::SeatTaken)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_the_order_is_found_by_its_reference() {
    let world = World::start().await;
    let (offer, _) = world.offer_with_seat().await;
    let wish = world.wish(&offer, vec![]);
    let find = f::FindFlightOrder { reference: wish.reference.clone(), offer_id: offer.offer_id.clone() };
    assert_eq!(world.done::<Found<f::FlightOrder>>("findFlightOrder", &find).await.found, None);
    world.scenario(json!({"provider": "duffel", "switch": "time_out_before", "op": "create_order", "cut": true})).await;
    world
        .scenario(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "create_order", "cut": true}))
        .await;
    assert_eq!(code(world.call::<f::FlightOrder>("holdFlight", &wish).await).0, "unknown");
    assert_eq!(world.done::<Found<f::FlightOrder>>("findFlightOrder", &find).await.found, None);
    assert_eq!(code(world.call::<f::FlightOrder>("holdFlight", &wish).await).0, "unknown");
    let found = world.done::<Found<f::FlightOrder>>("findFlightOrder", &find).await.found.unwrap();
    assert_eq!(found.state, f::FlightOrderState::Held);
    let again = world.done::<f::FlightOrder>("holdFlight", &wish).await;
    assert_eq!(again, found, "the same reference again is the same order");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hotel_is_quoted_booked_found_and_cancelled_with_its_terms() {
    let world = World::start().await;
    let rate = world.hotel_rate().await;
    let quote = world.done::<b::Quote>("quoteHotel", &h::QuoteHotel { rate_id: rate.rate_id.clone() }).await;
    assert_eq!(quote.total, rate.total);
    let mut wish = world.hotel_wish(&quote);
    wish.expected_total = quote.total.plus(quote.total).unwrap();
    assert_eq!(code(world.call::<b::Booking>("bookHotel", &wish).await), ("declined", ReasonCode::PriceChanged));
    world.scenario(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "book_stay", "cut": true})).await;
    let wish = world.hotel_wish(&quote);
    assert_eq!(code(world.call::<b::Booking>("bookHotel", &wish).await).0, "unknown");
    let find = b::FindBooking { reference: wish.reference.clone() };
    let found = world.done::<Found<b::Booking>>("findHotelBooking", &find).await.found.unwrap();
    assert_eq!((found.state, found.total), (b::BookingState::Confirmed, quote.total));
    assert_eq!(world.done::<b::Booking>("bookHotel", &wish).await, found);
    let cancelled =
        world.done::<b::Booking>("cancelHotel", &b::BookingRef { booking_id: found.booking_id.clone() }).await;
    assert_eq!(cancelled.state, b::BookingState::Cancelled);
    assert_eq!(cancelled.refunded, Some(quote.total));
    assert_eq!(
        code(world.call::<b::Booking>("cancelHotel", &b::BookingRef { booking_id: found.booking_id }).await),
        ("declined", ReasonCode::AlreadyClosed)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_opened_once_and_never_with_other_fields() {
    let world = World::start().await;
    let intent = world.intent(world.cny(32_840));
    let first = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    assert_eq!(world.done::<p::PaymentIntent>("openPayment", &intent).await, first);
    let other = p::CreatePaymentIntent { amount: world.cny(32_841), ..intent.clone() };
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &other).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    let status =
        world.done::<p::PaymentStatus>("settlePayment", &p::PaymentRef { attempt_id: intent.attempt_id }).await;
    assert_eq!((status.state, status.captured), (p::PaymentState::RequiresAction, None));
    let unknown = world.intent(world.cny(1));
    let status =
        world.done::<p::PaymentStatus>("settlePayment", &p::PaymentRef { attempt_id: unknown.attempt_id }).await;
    assert_eq!(status.state, p::PaymentState::NotFound);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_paid_payment_answers_paid_and_closing_an_open_one_closes_it() {
    let world = World::start().await;
    let (paid, open) = (world.intent(world.cny(100)), world.intent(world.cny(200)));
    let content = scannable(world.done::<p::PaymentIntent>("openPayment", &paid).await.action);
    world.phone_pays(&content).await;
    let status = world.done::<p::PaymentStatus>("closePayment", &p::PaymentRef { attempt_id: paid.attempt_id }).await;
    assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(paid.amount)));
    assert!(status.transaction_id.is_some() && status.paid_at_us.is_some());
    world.done::<p::PaymentIntent>("openPayment", &open).await;
    let status = world.done::<p::PaymentStatus>("closePayment", &p::PaymentRef { attempt_id: open.attempt_id }).await;
    assert_eq!(status.state, p::PaymentState::Closed);
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &open).await),
        ("declined", ReasonCode::AlreadyClosed)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrongly_signed_answer_is_unknown_and_a_probe_is_refused_without_losing_the_payment() {
    let world = World::start().await;
    let intent = world.intent(world.cny(100));
    world.scenario(json!({"provider": "wechatpay", "switch": "bad_response_signature"})).await;
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &intent).await),
        ("unknown", ReasonCode::IntegrityFault)
    );
    let content = scannable(world.done::<p::PaymentIntent>("openPayment", &intent).await.action);
    world.scenario(json!({"provider": "wechatpay", "switch": "signature_probe"})).await;
    world.phone_pays(&content).await;
    let state =
        world.done::<p::PaymentStatus>("settlePayment", &p::PaymentRef { attempt_id: intent.attempt_id }).await.state;
    assert_eq!(state, p::PaymentState::Captured);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refund_frees_its_amount_and_the_sum_never_exceeds_what_was_paid() {
    let world = World::start().await;
    let intent = world.intent(world.cny(1_000));
    let content = scannable(world.done::<p::PaymentIntent>("openPayment", &intent).await.action);
    let early = world.refund(intent.attempt_id, world.cny(1));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &early).await),
        ("declined", ReasonCode::NotAllowed)
    );
    world.phone_pays(&content).await;
    world.scenario(json!({"provider": "wechatpay", "switch": "decline", "op": "refund"})).await;
    let refused = world.refund(intent.attempt_id, world.cny(900));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &refused).await),
        ("declined", ReasonCode::NotAllowed)
    );
    let first = world.refund(intent.attempt_id, world.cny(600));
    world.done::<p::RefundStatus>("refundPayment", &first).await;
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &first).await.amount, first.amount);
    let changed = p::CreateRefund { amount: world.cny(400), ..first.clone() };
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &changed).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    let much = world.refund(intent.attempt_id, world.cny(401));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &much).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    let book = world.book().await;
    let given: Vec<&Value> = book["refunds"].as_array().unwrap().iter().collect();
    assert_eq!(given.len(), 1, "{book}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_member_profile_needs_the_travellers_own_living_token() {
    let world = World::start().await;
    let query = f::MemberProfileQuery { platform: "zz-club".to_owned() };
    assert_eq!(
        code(world.call::<f::MemberProfile>("getMemberProfile", &query).await),
        ("declined", ReasonCode::Unauthorized)
    );
    let token = world.sign_in().await;
    let Outcome::Done(profile) = world.call_as::<f::MemberProfile>("getMemberProfile", &query, &token).await else {
        panic!()
    };
    assert_eq!(profile.loyalty.airline_code, "ZZ");
    assert!(!profile.family_name.is_empty());
    world.scenario(json!({"provider": "oauth", "switch": "revoke_all"})).await;
    assert_eq!(
        code(world.call_as::<f::MemberProfile>("getMemberProfile", &query, &token).await),
        ("declined", ReasonCode::Unauthorized)
    );
    let elsewhere = f::MemberProfileQuery { platform: "evil-club".to_owned() };
    assert_eq!(
        code(world.call_as::<f::MemberProfile>("getMemberProfile", &elsewhere, &token).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_the_payments_and_the_cursor_survive_a_restart() {
    let mut world = World::start().await;
    let intent = world.intent(world.cny(100));
    let opened = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    let address = world.gateway().base_url().to_owned();
    world.restart_gateway().await;
    assert_eq!(world.gateway().base_url(), address);
    assert_eq!(world.done::<p::PaymentIntent>("openPayment", &intent).await, opened);
    let content = scannable(opened.action);
    let mut wake = world.gateway().wake();
    world.phone_pays(&content).await;
    wake.changed().await.unwrap();
    let cursor = world.updates(0).await.last().unwrap().cursor;
    world.restart_gateway().await;
    assert_eq!(*world.gateway().wake().borrow(), cursor);
    assert!(world.updates(cursor).await.is_empty());
    let (offer, _) = world.offer_with_seat().await;
    let held = world.done::<f::FlightOrder>("holdFlight", &world.wish(&offer, vec![])).await;
    world.until_told_of_order(&held.order_id).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_wechat_payment_is_closed_at_the_channel_before_it_is_told_and_unless_that_is_known_it_is_not() {
    let world = World::start().await;
    let decline = async || {
        let intent = world.intent(world.cny(100));
        let content = scannable(world.done::<p::PaymentIntent>("openPayment", &intent).await.action);
        world.scenario(json!({"provider": "wechatpay", "switch": "decline", "op": "pay"})).await;
        world.phone("pay", &content).await;
        p::PaymentRef { attempt_id: intent.attempt_id }
    };
    let standing = async |about: &p::PaymentRef| {
        let number = about.attempt_id.bare();
        let book = world.book().await;
        let payments = book["payments"].as_array().unwrap().clone();
        payments.into_iter().find(|payment| payment.to_string().contains(&number)).unwrap()["state"].clone()
    };
    let about = decline().await;
    assert_eq!(standing(&about).await, "PAYERROR");
    assert_eq!(world.done::<p::PaymentStatus>("settlePayment", &about).await.state, p::PaymentState::Failed);
    assert_eq!(standing(&about).await, "CLOSED", "no other payment may follow while this one can be paid");

    let about = decline().await;
    world.scenario(json!({"provider": "wechatpay", "switch": "time_out_before", "op": "close", "cut": true})).await;
    assert_eq!(code(world.call::<p::PaymentStatus>("settlePayment", &about).await).0, "unknown");
    assert_eq!(world.done::<p::PaymentStatus>("settlePayment", &about).await.state, p::PaymentState::Failed);
    assert_eq!(standing(&about).await, "CLOSED");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_listed_at_once_with_object_schemas_and_a_wrong_argument_is_named() {
    let world = World::start().await;
    let tools = world.tools().await;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names.len(), 43, "{names:?}");
    for tool in &tools {
        let output = tool.output_schema.as_ref().unwrap();
        assert_eq!(
            (&tool.input_schema["type"], &output["type"]),
            (&json!("object"), &json!("object")),
            "{}",
            tool.name
        );
        assert_eq!(tool.input_schema["additionalProperties"], json!(false), "{}", tool.name);
        let annotations = tool.annotations.as_ref().unwrap();
        assert!(
            annotations.read_only_hint.is_some()
                && annotations.destructive_hint.is_some()
                && annotations.idempotent_hint.is_some()
        );
        assert!(!serde_json::to_string(output.as_ref()).unwrap().contains(r#""null""#), "{}", tool.name);
    }
    for (arguments, field) in [
        (
            json!({"origin": "PEK", "destination": "SHA", "departureDate": "tomorrow", "adults": 1, "cabin": "economy"}),
            "departureDate",
        ),
        (json!({"origin": "PEK", "destination": "SHA", "departureDate": "2027-01-01", "adults": 1}), "cabin"),
        (
            json!({"origin": "PEK", "destination": "SHA", "departureDate": "2027-01-01", "adults": 1, "cabin": "economy", "userId": "x"}),
            "userId",
        ),
    ] {
        let result = world.raw("searchFlights", arguments).await;
        assert_eq!((result.is_error, &result.structured_content), (Some(true), &None));
        let text: Value = serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap();
        assert_eq!(text["error"]["field"], field, "{text}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_over_http_exists_only_when_configured_and_needs_token_and_host() {
    let world = World::start().await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let token = "9f8a7b6c5d4e3f2a1b0c9d8e";
    assert_eq!(world.post_mcp(world.gateway().base_url(), token, None, &call).await, 404);
    let other = world.second_gateway(token).await;
    let base = other.base_url();
    assert_eq!(world.post_mcp(base, token, None, &call).await, 200);
    assert_eq!(world.post_mcp(base, "9f8a7b6c5d4e3f2a1b0c9d8f", None, &call).await, 401);
    assert_eq!(world.post_mcp(base, "", None, &call).await, 401);
    assert_eq!(world.post_mcp(base, token, Some(("host", "evil.example")), &call).await, 403);
    assert_eq!(world.post_mcp(base, token, Some(("origin", "http://evil.example")), &call).await, 403);
    other.stop().await;
    world.stop().await;
}
