//! Stays: what comes back depends on when one cancels, in the hotel's own time.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::Bench;

async fn booked(bench: &Bench, refundable: bool) -> Value {
    let wish = json!({
        "rooms": 1, "guests": [{"type": "adult"}], "check_in_date": bench.day(10).await, "check_out_date": bench.day(12).await,
        "location": {"radius": 5, "geographic_coordinates": {"latitude": 39.9075, "longitude": 116.39723}},
    });
    let search = bench.duffel(Method::POST, "/stays/search", wish).await.data();
    let path =
        format!("/stays/search_results/{}/actions/fetch_all_rates", search["results"][0]["id"].as_str().unwrap());
    let rooms = bench.duffel(Method::POST, &path, json!({})).await.data()["accommodation"]["rooms"].clone();
    let rates = rooms[0]["rates"].as_array().unwrap().clone();
    let rate =
        rates.iter().find(|rate| rate["cancellation_timeline"].as_array().unwrap().is_empty() != refundable).unwrap();
    let quote = bench.duffel(Method::POST, "/stays/quotes", json!({"rate_id": rate["id"]})).await.data();
    let wish = json!({
        "quote_id": quote["id"], "email": "xia@example.com", "phone_number": "+8613800000000",
        "guests": [{"given_name": "Xia", "family_name": "Lin"}], "metadata": {"step": "stay-1"},
    });
    bench.duffel(Method::POST, "/stays/bookings", wish).await.data()
}

async fn cancelled(bench: &Bench, booking: &Value) -> String {
    let path = format!("/stays/bookings/{}/actions/cancel", booking["id"].as_str().unwrap());
    bench.duffel(Method::POST, &path, json!({})).await.data();
    assert_eq!(bench.duffel(Method::POST, &path, json!({})).await.code(), "already_cancelled");
    bench.book().await["stays"][0]["refund_amount"].as_str().unwrap().to_owned()
}

fn fen(text: &Value) -> i64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

#[tokio::test]
async fn early_cancellation_returns_everything_later_all_but_a_night_then_nothing() {
    // Day 9 at 18:00 in Beijing is the first limit, day 10 at 15:00 the second: 8 days are before, 9 d 20 h between.
    for (days, share) in [(7, 2), (11, 0)] {
        let bench = Bench::frozen().await;
        let booking = booked(&bench, true).await;
        bench.advance(days * 24 * 60).await;
        let total = fen(&booking["total_amount"]);
        assert_eq!(fen(&json!(cancelled(&bench, &booking).await)), total * share / 2, "after {days} days");
    }
    let bench = Bench::frozen().await;
    let booking = booked(&bench, true).await;
    let limit: jiff::Timestamp = booking["cancellation_timeline"][0]["before"].as_str().unwrap().parse().unwrap();
    let now: jiff::Timestamp = bench.control("/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
    bench.advance((limit.as_second() - now.as_second()) / 60 + 1).await;
    assert_eq!(fen(&json!(cancelled(&bench, &booking).await)), fen(&booking["total_amount"]) / 2);
}

#[tokio::test]
async fn a_non_refundable_rate_is_cheaper_and_returns_nothing() {
    let (firm, free) = (Bench::frozen().await, Bench::frozen().await);
    let (cheap, dear) = (booked(&firm, false).await, booked(&free, true).await);
    assert!(fen(&cheap["total_amount"]) < fen(&dear["total_amount"]));
    assert_eq!(cancelled(&firm, &cheap).await, "0.00");
}

#[tokio::test]
async fn a_booking_behind_a_broken_connection_is_found_by_its_metadata() {
    let bench = Bench::new().await;
    bench.switch(json!({"provider": "duffel", "switch": "decline", "op": "quote_stay"})).await;
    let refused = bench.duffel(Method::POST, "/stays/quotes", json!({"rate_id": "rat_none"})).await;
    assert_eq!(refused.code(), "rate_unavailable");
    let booking = booked(&bench, true).await;
    bench.switch(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "cancel_stay"})).await;
    let path = format!("/stays/bookings/{}/actions/cancel", booking["id"].as_str().unwrap());
    assert!(bench.try_duffel(Method::POST, &path, json!({})).await.is_err());
    let listed = bench.duffel(Method::GET, "/stays/bookings", Value::Null).await.data();
    assert_eq!((&listed[0]["metadata"]["step"], &listed[0]["status"]), (&json!("stay-1"), &json!("cancelled")));
}
