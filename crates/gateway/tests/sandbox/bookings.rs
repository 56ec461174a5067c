//! Cars and activities: searched, checked, booked, found after a lost answer, cancelled.

use crate::{code, world::World};
use serde_json::json;
use zhiyou_domain::{
    money::Currency,
    port::{Found, ReasonCode, activities as a, bookings as b, cars as c, flights as f, hotels as h},
    time::ZonedCivil,
};

/// In two weeks at a civil time in Beijing.
fn at(clock: &str) -> ZonedCivil {
    let date = jiff::Timestamp::now().in_tz("Asia/Shanghai").unwrap().date() + jiff::Span::new().days(14);
    ZonedCivil::parse(&format!("{date}T{clock}:00"), "Asia/Shanghai").unwrap()
}

fn contact() -> b::Contact {
    b::Contact { email: "amelia@example.com".to_owned(), phone_number: "+8613800000000".to_owned() }
}

fn amelia() -> b::Person {
    b::Person { given_name: "Amelia".to_owned(), family_name: "Earhart".to_owned() }
}

async fn cars(world: &World) -> Vec<c::CarRate> {
    let wish = c::SearchCars {
        latitude_udeg: 40_080_100,
        longitude_udeg: 116_585_000,
        radius_km: 20,
        pick_up: at("10:30"),
        drop_off: at("22:00"),
        driver_age: 34,
        driver_country: "CN".to_owned(),
    };
    world.done::<c::CarRates>("searchCars", &wish).await.rates
}

fn car_wish(world: &World, quote: &b::Quote) -> c::BookCar {
    c::BookCar {
        reference: world.ulid().to_string(),
        quote_id: quote.quote_id.clone(),
        driver: amelia(),
        born_on: "1992-03-14".parse().unwrap(),
        contact: contact(),
        inbound_flight: Some("ZZ1234".to_owned()),
        expected_total: quote.total,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepaid_car_is_quoted_booked_found_and_cancelled_with_its_terms() {
    let world = World::start().await;
    let rates = cars(&world).await;
    assert_eq!(rates.len(), 12, "three companies, four classes, and none that is paid at the desk");
    let quote = |rate: &c::CarRate| c::QuoteCar { rate_id: rate.rate_id.clone() };
    let stated = rates.iter().find(|rate| rate.company.contains("Hanlu")).unwrap();
    let quoted = world.done::<b::Quote>("quoteCar", &quote(stated)).await;
    assert_eq!((quoted.total, quoted.kept), (stated.total, false));
    let free = quoted.terms.free_until().unwrap();
    assert_eq!(free, at("10:30").to_utc().unwrap().plus_minutes(-48 * 60), "on the clock of the airport");
    let silent = rates.iter().find(|rate| rate.company.contains("Zebra")).unwrap();
    assert!(world.done::<b::Quote>("quoteCar", &quote(silent)).await.terms.free_until().is_none());

    let mut dearer = car_wish(&world, &quoted);
    dearer.expected_total = quoted.total.plus(quoted.total).unwrap();
    assert_eq!(code(world.call::<b::Booking>("bookCar", &dearer).await), ("declined", ReasonCode::PriceChanged));
    world.scenario(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "book_car", "cut": true})).await;
    let wish = car_wish(&world, &quoted);
    assert_eq!(code(world.call::<b::Booking>("bookCar", &wish).await).0, "unknown");
    let find = b::FindBooking { reference: wish.reference.clone() };
    let found = world.done::<Found<b::Booking>>("findCarBooking", &find).await.found.unwrap();
    assert_eq!((found.state, found.total), (b::BookingState::Confirmed, quoted.total));
    assert_eq!(world.done::<b::Booking>("bookCar", &wish).await, found, "again is the same booking");
    let booking = b::BookingRef { booking_id: found.booking_id.clone() };
    let cancelled = world.done::<b::Booking>("cancelCar", &booking).await;
    assert_eq!((cancelled.state, cancelled.refunded), (b::BookingState::Cancelled, Some(quoted.total)));
    assert_eq!(code(world.call::<b::Booking>("cancelCar", &booking).await), ("declined", ReasonCode::AlreadyClosed));
    let book = world.book().await;
    assert_eq!((book["cars"].as_array().unwrap().len(), &book["cars"][0]["status"]), (1, &json!("cancelled")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_too_young_and_a_place_without_an_airport_are_told_apart() {
    let world = World::start().await;
    let mut wish = c::SearchCars {
        latitude_udeg: 0,
        longitude_udeg: -30_000_000,
        radius_km: 20,
        pick_up: at("10:30"),
        drop_off: at("22:00"),
        driver_age: 17,
        driver_country: "CN".to_owned(),
    };
    assert_eq!(code(world.call::<c::CarRates>("searchCars", &wish).await), ("declined", ReasonCode::InvalidRequest));
    wish.driver_age = 30;
    assert!(world.done::<c::CarRates>("searchCars", &wish).await.rates.is_empty());
    world.stop().await;
}

async fn options(world: &World, name: &str) -> Vec<a::ActivityOption> {
    let wish = a::SearchActivities {
        city: "Beijing".to_owned(),
        name: name.to_owned(),
        starts: at("14:00"),
        adults: 2,
        currency: Currency::CNY,
    };
    world.done::<a::ActivityOptions>("searchActivities", &wish).await.options
}

fn activity_wish(world: &World, option: &a::ActivityOption, quote: &b::Quote) -> a::BookActivity {
    a::BookActivity {
        reference: world.ulid().to_string(),
        quote_id: quote.quote_id.clone(),
        option: option.clone(),
        guests: vec![amelia(), b::Person { given_name: "Fred".to_owned(), family_name: "Noonan".to_owned() }],
        contact: contact(),
        expected_total: quote.total,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_held_booked_once_found_quoted_and_cancelled() {
    let world = World::start().await;
    let options = options(&world, "老城漫步").await;
    let option = &options[0];
    assert!(option.title.contains("Beijing Old Town Walking Tour"), "{}", option.title);
    assert_eq!((option.starts.local.hour(), option.total.minor(), option.adults), (14, 33_700, 2));
    let quote = world.done::<b::Quote>("holdActivity", &a::HoldActivity { option: option.clone() }).await;
    assert!(quote.kept && quote.total == option.total);
    assert_eq!(quote.terms.free_until(), Some(option.starts.to_utc().unwrap().plus_minutes(-24 * 60)));
    world.scenario(json!({"provider": "viator", "switch": "act_then_time_out", "op": "book", "cut": true})).await;
    let wish = activity_wish(&world, option, &quote);
    assert_eq!(code(world.call::<b::Booking>("bookActivity", &wish).await).0, "unknown");
    let find = b::FindBooking { reference: wish.reference.clone() };
    let found = world.done::<Found<b::Booking>>("findActivityBooking", &find).await.found.unwrap();
    assert_eq!((found.state, found.total), (b::BookingState::Confirmed, quote.total));
    assert_eq!(world.done::<b::Booking>("bookActivity", &wish).await, found, "the reference is good for one booking");
    let booking = b::BookingRef { booking_id: found.booking_id.clone() };
    let refund = world.done::<b::CancellationQuote>("quoteActivityCancellation", &booking).await.refund;
    assert_eq!(refund, quote.total);
    let cancelled = world.done::<b::Booking>("cancelActivity", &booking).await;
    assert_eq!((cancelled.state, cancelled.refunded), (b::BookingState::Cancelled, Some(refund)));
    assert_eq!(world.book().await["activities"].as_array().unwrap().len(), 1);
    let nobody = b::FindBooking { reference: world.ulid().to_string() };
    assert_eq!(world.done::<Found<b::Booking>>("findActivityBooking", &nobody).await.found, None);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_activity_is_confirmed_or_rejected_in_its_own_time() {
    let world = World::start().await;
    for (outcome, end) in [("confirmed", b::BookingState::Confirmed), ("rejected", b::BookingState::Rejected)] {
        let option = options(&world, "Food Tasting").await.remove(0);
        let quote = world.done::<b::Quote>("holdActivity", &a::HoldActivity { option: option.clone() }).await;
        world.scenario(json!({"provider": "viator", "switch": "pending", "seconds": 90, "outcome": outcome})).await;
        let wish = activity_wish(&world, &option, &quote);
        let booked = world.done::<b::Booking>("bookActivity", &wish).await;
        assert_eq!(booked.state, b::BookingState::Pending);
        let booking = b::BookingRef { booking_id: booked.booking_id };
        assert_eq!(
            code(world.call::<b::Booking>("cancelActivity", &booking).await),
            ("declined", ReasonCode::NotAllowed)
        );
        world.advance(2).await;
        assert_eq!(world.done::<b::Booking>("getActivityBooking", &booking).await.state, end);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_is_full_or_whose_hold_lapsed_is_refused_by_name() {
    let world = World::start().await;
    let option = options(&world, "Evening Lights").await.remove(0);
    assert_eq!(option.terms.free_until(), None, "all sales are final");
    let quote = world.done::<b::Quote>("holdActivity", &a::HoldActivity { option: option.clone() }).await;
    world.advance(16).await;
    let wish = activity_wish(&world, &option, &quote);
    assert_eq!(code(world.call::<b::Booking>("bookActivity", &wish).await), ("declined", ReasonCode::SoldOut));
    world.scenario(json!({"provider": "viator", "switch": "sold_out"})).await;
    assert!(options(&world, "Evening Lights").await.is_empty());
    let dearer = a::BookActivity { expected_total: quote.total.plus(quote.total).unwrap(), ..wish };
    assert_eq!(code(world.call::<b::Booking>("bookActivity", &dearer).await), ("declined", ReasonCode::PriceChanged));
    assert_eq!(world.book().await["activities"].as_array().map_or(0, Vec::len), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_64_a_server_that_forgot_everything_finds_what_was_booked_and_books_nothing_again() {
    let mut world = World::start().await;
    let (offer, _) = world.offer_with_seat().await;
    let flight = world.wish(&offer, vec![]);
    let rate = world.hotel_rate().await;
    let quote = world.done::<b::Quote>("quoteHotel", &h::QuoteHotel { rate_id: rate.rate_id }).await;
    let hotel = world.hotel_wish(&quote);
    let rates = cars(&world).await;
    let car = rates.iter().find(|rate| rate.company.contains("Hanlu")).unwrap();
    let quote = world.done::<b::Quote>("quoteCar", &c::QuoteCar { rate_id: car.rate_id.clone() }).await;
    let car = car_wish(&world, &quote);
    let option = options(&world, "老城漫步").await.remove(0);
    let quote = world.done::<b::Quote>("holdActivity", &a::HoldActivity { option: option.clone() }).await;
    let activity = activity_wish(&world, &option, &quote);
    for op in ["create_order", "book_stay", "book_car"] {
        world.scenario(json!({"provider": "duffel", "switch": "act_then_time_out", "op": op, "cut": true})).await;
    }
    world.scenario(json!({"provider": "viator", "switch": "act_then_time_out", "op": "book", "cut": true})).await;
    assert_eq!(code(world.call::<f::FlightOrder>("holdFlight", &flight).await).0, "unknown");
    assert_eq!(code(world.call::<b::Booking>("bookHotel", &hotel).await).0, "unknown");
    assert_eq!(code(world.call::<b::Booking>("bookCar", &car).await).0, "unknown");
    assert_eq!(code(world.call::<b::Booking>("bookActivity", &activity).await).0, "unknown");

    world.restart_gateway_with(|config| config.data_dir = config.data_dir.join("empty")).await;
    let find = |reference: &String| b::FindBooking { reference: reference.clone() };
    let by = f::FindFlightOrder { reference: flight.reference.clone(), offer_id: offer.offer_id.clone() };
    let order = world.done::<Found<f::FlightOrder>>("findFlightOrder", &by).await.found.unwrap();
    assert_eq!(world.done::<f::FlightOrder>("holdFlight", &flight).await, order);
    let stay = world.done::<Found<b::Booking>>("findHotelBooking", &find(&hotel.reference)).await.found.unwrap();
    assert_eq!(world.done::<b::Booking>("bookHotel", &hotel).await, stay);
    let hired = world.done::<Found<b::Booking>>("findCarBooking", &find(&car.reference)).await.found.unwrap();
    assert_eq!(world.done::<b::Booking>("bookCar", &car).await, hired);
    let toured =
        world.done::<Found<b::Booking>>("findActivityBooking", &find(&activity.reference)).await.found.unwrap();
    assert_eq!(world.done::<b::Booking>("bookActivity", &activity).await, toured);
    let book = world.book().await;
    for kind in ["flights", "stays", "cars", "activities"] {
        assert_eq!(book[kind].as_array().map(Vec::len), Some(1), "{kind}: {book}");
    }
    world.stop().await;
}
