//! Flights: what a hold keeps, when it lets go, and what a broken connection leaves behind.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Inbox};

async fn search(bench: &Bench, from: &str, to: &str) -> Value {
    let day = bench.day(30).await;
    let wish = json!({"slices": [{"origin": from, "destination": to, "departure_date": day}], "passengers": [{"type": "adult"}]});
    bench.duffel(Method::POST, "/air/offer_requests?return_offers=true", wish).await.data()
}

fn order(offer: &Value, kind: &str) -> Value {
    json!({
        "type": kind, "selected_offers": [offer["id"]], "metadata": {"step": "step-1"},
        "passengers": [{
            "id": offer["passengers"][0]["id"], "title": "ms", "gender": "f", "given_name": "Xia", "family_name": "Lin",
            "born_on": "1990-05-17", "email": "xia@example.com", "phone_number": "+8613800000000",
        }],
    })
}

fn paying(order: &Value) -> Value {
    json!({"order_id": order["id"], "payment": {"type": "balance", "amount": order["total_amount"], "currency": "CNY"}})
}

async fn hold(bench: &Bench) -> Value {
    let offer = search(bench, "PVG", "HND").await["offers"][0].clone();
    bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.data()
}

async fn seat_of(bench: &Bench, offer: &Value) -> (String, Value) {
    let maps = bench
        .duffel(Method::GET, &format!("/air/seat_maps?offer_id={}", offer["id"].as_str().unwrap()), Value::Null)
        .await
        .data();
    let rows = maps[0]["cabins"][0]["rows"].as_array().unwrap().clone();
    let mut elements = rows
        .iter()
        .flat_map(|row| row["sections"].as_array().unwrap())
        .flat_map(|section| section["elements"].as_array().unwrap());
    let free = elements.find(|element| !element["available_services"].as_array().unwrap().is_empty()).unwrap().clone();
    (free["designator"].as_str().unwrap().to_owned(), free["available_services"][0].clone())
}

#[tokio::test]
async fn the_same_seed_offers_the_same_flights_at_the_same_price() {
    let (one, other) = (Bench::new().await, Bench::new().await);
    let shown = |request: Value| -> Vec<Value> {
        let offers = request["offers"].as_array().unwrap().clone();
        offers
            .iter()
            .map(|offer| json!([offer["total_amount"], offer["slices"][0]["segments"][0]["departing_at"]]))
            .collect()
    };
    assert_eq!(shown(search(&one, "PVG", "HND").await), shown(search(&other, "PVG", "HND").await));
}

#[tokio::test]
async fn all_four_combinations_of_refundable_and_changeable_are_offered() {
    let bench = Bench::new().await;
    let offers = search(&bench, "PEK", "CTU").await["offers"].as_array().unwrap().clone();
    let mut kinds: Vec<_> = offers
        .iter()
        .map(|offer| {
            let allowed = |what: &str| offer["conditions"][what]["allowed"].as_bool().unwrap();
            (allowed("refund_before_departure"), allowed("change_before_departure"))
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 4);
}

#[tokio::test]
async fn headers_are_checked_before_anything_else() {
    let bench = Bench::new().await;
    let url = format!("{}/air/airlines", bench.urls.duffel);
    let token = bench.credentials["duffel"]["token"].as_str().unwrap();
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(bench.http.get(&url).header("Duffel-Version", "v2")).await, 401);
    assert_eq!(status(bench.http.get(&url).header("Duffel-Version", "v2").bearer_auth("duffel_test_x")).await, 401);
    assert_eq!(status(bench.http.get(&url).bearer_auth(token)).await, 400);
    assert_eq!(status(bench.http.get(&url).bearer_auth(token).header("Duffel-Version", "v1")).await, 400);
    let answer = bench.http.get(&url).bearer_auth(token).header("Duffel-Version", "v2").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id") && answer.headers().contains_key("ratelimit-remaining"));
}

#[tokio::test]
async fn a_hold_lets_go_of_its_seat_when_its_time_is_over() {
    let bench = Bench::frozen().await;
    bench.switch(json!({"provider": "duffel", "switch": "hold_minutes", "value": 20})).await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    let (designator, service) = seat_of(&bench, &offer).await;
    let mut wish = order(&offer, "hold");
    wish["services"] = json!([{"id": service["id"], "quantity": 1}]);
    let held = bench.duffel(Method::POST, "/air/orders", wish).await.data();
    let rival = search(&bench, "PVG", "HND").await["offers"][0].clone();
    assert_ne!(seat_of(&bench, &rival).await.0, designator);
    bench.advance(19).await;
    assert_eq!(bench.book().await["flights"][0]["state"], "held");
    bench.advance(1).await;
    assert_eq!(bench.book().await["flights"][0]["state"], "expired");
    assert_eq!(seat_of(&bench, &rival).await.0, designator);
    let late = bench.duffel(Method::POST, "/air/payments", paying(&held)).await;
    assert_eq!((late.status.as_u16(), late.code()), (422, "past_payment_required_by_date"));
}

#[tokio::test]
async fn an_order_that_was_made_behind_a_broken_connection_is_found_by_its_metadata() {
    let bench = Bench::new().await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    bench.switch(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "create_order"})).await;
    assert!(bench.try_duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.is_err());
    let path = format!("/air/orders?offer_id={}", offer["id"].as_str().unwrap());
    let found = bench.duffel(Method::GET, &path, Value::Null).await.data();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["metadata"]["step"], "step-1");
    let blind = bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await;
    assert_eq!(blind.code(), "offer_request_already_booked");
}

#[tokio::test]
async fn a_connection_can_also_be_left_hanging_after_the_act() {
    let bench = Bench::new().await;
    let held = hold(&bench).await;
    bench.switch(json!({"provider": "duffel", "switch": "act_then_time_out", "op": "pay", "mode": "hang"})).await;
    let waiting = bench.try_duffel(Method::POST, "/air/payments", paying(&held));
    tokio::select! {
        answer = waiting => panic!("answered: {answer:?}"),
        _ = bench.eventually("/book", |seen| seen["flights"][0]["state"] == "ticketed") => {}
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_act_leaves_nothing() {
    let bench = Bench::new().await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    bench.switch(json!({"provider": "duffel", "switch": "time_out_before", "op": "create_order"})).await;
    assert!(bench.try_duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.is_err());
    assert_eq!(bench.book().await["flights"], json!([]));
    assert_eq!(bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.status, 201);
}

#[tokio::test]
async fn a_declined_payment_charges_nothing_and_can_be_made_again() {
    let bench = Bench::new().await;
    let held = hold(&bench).await;
    bench.switch(json!({"provider": "duffel", "switch": "decline", "op": "pay"})).await;
    assert_eq!(bench.duffel(Method::POST, "/air/payments", paying(&held)).await.code(), "insufficient_balance");
    assert_eq!(bench.book().await["flights"][0]["state"], "held");
    assert_eq!(bench.duffel(Method::POST, "/air/payments", paying(&held)).await.status, 201);
    assert_eq!(bench.duffel(Method::POST, "/air/payments", paying(&held)).await.code(), "already_paid");
    let flight = bench.book().await["flights"][0].clone();
    assert_eq!((flight["state"].as_str(), flight["payments"].as_array().unwrap().len()), (Some("ticketed"), 1));
}

#[tokio::test]
async fn a_price_that_rose_is_refused_once_and_then_shown() {
    let bench = Bench::new().await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    bench.switch(json!({"provider": "duffel", "switch": "price_rise", "amount": "88.00", "op": "create_order"})).await;
    assert_eq!(bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.code(), "price_changed");
    let path = format!("/air/offers/{}", offer["id"].as_str().unwrap());
    let read = bench.duffel(Method::GET, &path, Value::Null).await.data();
    let fen = |text: &Value| text.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    assert_eq!(fen(&read["total_amount"]) - fen(&offer["total_amount"]), 8800);
    assert_eq!(
        bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.data()["total_amount"],
        read["total_amount"]
    );
}

#[tokio::test]
async fn an_expired_offer_sells_nothing() {
    let bench = Bench::frozen().await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    bench.advance(30).await;
    assert_eq!(bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.code(), "offer_expired");
    let path = format!("/air/offers/{}", offer["id"].as_str().unwrap());
    assert_eq!(bench.duffel(Method::GET, &path, Value::Null).await.code(), "offer_no_longer_available");
}

#[tokio::test]
async fn the_rules_of_holding_can_be_tightened() {
    let bench = Bench::new().await;
    bench.switch(json!({"provider": "duffel", "switch": "services_on_hold", "value": false})).await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    let mut wish = order(&offer, "hold");
    wish["services"] = json!([{"id": seat_of(&bench, &offer).await.1["id"], "quantity": 1}]);
    let refused = bench.duffel(Method::POST, "/air/orders", wish).await;
    assert_eq!(refused.code(), "pay_later_order_no_payment_for_ancillaries");
    bench.switch(json!({"provider": "duffel", "switch": "requires_instant_payment", "value": true})).await;
    let offer = search(&bench, "PVG", "HND").await["offers"][0].clone();
    assert_eq!(offer["payment_requirements"]["requires_instant_payment"], true);
    assert_eq!(
        bench.duffel(Method::POST, "/air/orders", order(&offer, "hold")).await.code(),
        "offer_requires_instant_payment"
    );
}

#[tokio::test]
async fn a_cancellation_quote_lives_an_hour_and_confirms_once() {
    let bench = Bench::frozen().await;
    let held = hold(&bench).await;
    let quote = async || bench.duffel(Method::POST, "/air/order_cancellations", json!({"order_id": held["id"]})).await;
    let confirm = async |quote: &Value| {
        let path = format!("/air/order_cancellations/{}/actions/confirm", quote["id"].as_str().unwrap());
        bench.duffel(Method::POST, &path, json!({})).await
    };
    let unpaid = quote().await.data();
    assert_eq!(
        (unpaid["refund_amount"].as_str(), unpaid["refund_to"].as_str()),
        (Some("0.00"), Some("awaiting_payment"))
    );
    bench.duffel(Method::POST, "/air/payments", paying(&held)).await.data();
    assert_eq!(confirm(&unpaid).await.code(), "order_cancellation_stale", "it would refund nothing of a paid order");
    let old = quote().await.data();
    bench.advance(60).await;
    assert_eq!(confirm(&old).await.code(), "order_cancellation_expired");
    let fresh = quote().await.data();
    assert_eq!(fresh["refund_amount"], held["total_amount"]);
    assert_eq!(confirm(&fresh).await.status, 200);
    assert_eq!(confirm(&fresh).await.code(), "already_cancelled");
    assert_eq!(quote().await.code(), "already_cancelled");
    assert_eq!(bench.book().await["flights"][0]["refund_amount"], held["total_amount"]);
}

#[tokio::test]
async fn the_observed_test_routes_fail_as_observed() {
    let bench = Bench::new().await;
    assert_eq!(search(&bench, "PVD", "RAI").await["offers"], json!([]));
    let day = bench.day(30).await;
    let wish = json!({"slices": [{"origin": "STN", "destination": "LHR", "departure_date": day}], "passengers": [{"type": "adult"}]});
    let answer = bench.duffel(Method::POST, "/air/offer_requests", wish).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (504, "gateway_timeout_error"));
    for (to, status, code) in
        [("LGW", 502, "airline_unknown"), ("STN", 422, "payment_amount_does_not_match_order_amount")]
    {
        let offer = search(&bench, "LHR", to).await["offers"][0].clone();
        let path = format!("/air/offers/{}", offer["id"].as_str().unwrap());
        bench.duffel(Method::GET, &path, Value::Null).await.data();
        let mut wish = order(&offer, "instant");
        wish["payments"] = json!([{"type": "balance", "amount": offer["total_amount"], "currency": "CNY"}]);
        let answer = bench.duffel(Method::POST, "/air/orders", wish).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{to}");
    }
    assert_eq!(bench.book().await["flights"], json!([]));
}

#[tokio::test]
async fn a_webhook_is_signed_retried_on_the_sandbox_clock_and_recorded() {
    let bench = Bench::frozen().await;
    let inbox = Inbox::open().await;
    inbox.answer_with(500);
    let hook = json!({"url": inbox.url, "events": ["order.created"]});
    let secret = bench.duffel(Method::POST, "/air/webhooks", hook).await.data()["secret"].as_str().unwrap().to_owned();
    let held = hold(&bench).await;
    bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 500).await;
    inbox.answer_with(200);
    bench.advance(1).await;
    let seen = bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 200).await;
    assert_eq!(seen["notifications"][0]["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(seen["notifications"][0]["next_try_at"], Value::Null);
    let (headers, body) = inbox.received().pop().unwrap();
    let header = headers["x-duffel-signature"].to_str().unwrap();
    let (at, signature) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    aws_lc_rs::hmac::verify(&key, format!("{at}.{body}").as_bytes(), &hex::decode(signature).unwrap()).unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&event["type"], &event["idempotency_key"]), (&json!("order.created"), &held["id"]));
}
