//! Lost answers, lost and doubled notifications, and restarts.

use crate::world::{PATIENCE, World, count, request_id};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn sg_14_a_hold_whose_answer_is_lost_is_found_and_not_made_twice() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "duffel", "switch": "act_then_time_out", "op": "create_order" })).await;
    let order = world.held().await;
    assert!(order["timeline"].as_array().unwrap().iter().any(|entry| entry["kind"] == "outcome_unknown"));
    assert_eq!(world.book().await["flights"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_14_a_hotel_booking_whose_answer_is_lost_is_found_and_not_made_twice() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "duffel", "switch": "act_then_time_out", "op": "book_stay" })).await;
    world.confirmed().await;
    assert_eq!(world.book().await["stays"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_notifications_lost_gives_the_same_end() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "wechatpay", "switch": "notify", "mode": "drop" })).await;
    world.confirmed().await;
    assert_eq!(count(&world.book().await["payments"], "state", "SUCCESS"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_59_doubled_notifications_pay_once() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "wechatpay", "switch": "notify", "mode": "duplicate", "n": 5 })).await;
    let order = world.confirmed().await;
    let paid = order["timeline"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "paid").count();
    assert_eq!(paid, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deliberately_wrong_signature_is_refused_and_the_real_one_is_taken() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "wechatpay", "switch": "signature_probe" })).await;
    world.confirmed().await;
    let taken = async {
        // Asking may have been faster.
        while !world.was_answered("genuine", 200).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the real one is taken");
    assert!(world.was_answered("probe", 401).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_34_a_ticket_that_fails_after_payment_gives_the_money_back() {
    let world = World::new().await;
    let order = world.payable().await;
    world.scenario(json!({ "provider": "duffel", "switch": "decline", "op": "pay", "times": 5 })).await;
    world.phone("pay", &order).await;
    let order = world.until_state(&order, "refunded").await;
    assert_eq!(order["money"]["refunded"]["amount"], order["money"]["paid"]["amount"]);
    let book = world.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), count(&book["stays"], "status", "confirmed")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_paying_finishes_the_same_order_once() {
    let mut world = World::new().await;
    let order = world.payable().await;
    world.close_app().await;
    world.phone("pay", &order).await;
    world.open_app().await;
    world.until_state(&order, "confirmed").await;
    let book = world.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), count(&book["stays"], "status", "confirmed")), (1, 1));
    assert_eq!(count(&book["payments"], "state", "SUCCESS"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_choosing_keeps_the_offers_and_the_sign_in() {
    let mut world = World::new().await;
    let order = world.prepare().await;
    world.until_next(&order, "sign_in").await;
    world.sign_in().await;
    let before = world.until_next(&order, "choose_seats").await;
    world.close_app().await;
    world.open_app().await;
    let after = world.until_next(&order, "choose_seats").await;
    assert_eq!(before["items"][0]["offer"], after["items"][0]["offer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_a_hotel_that_cancels_a_confirmed_booking_is_noticed_and_its_price_comes_back() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let stay = world.book().await["stays"][0]["id"].clone();
    world.scenario(json!({ "switch": "supplier_cancels", "id": stay })).await;
    let refunded = |order: &Value| order["money"]["refunded"]["amount"]["amount_minor"].as_i64().unwrap_or(0) > 0;
    let after = world.until(&order, "the hotel's price back", refunded).await;
    assert_eq!((&after["state"], &after["items"][0]["state"]), (&json!("partially_confirmed"), &json!("booked")));
    assert_eq!(after["items"][1]["state"], "cancelled");
    assert_eq!(after["money"]["refunded"]["amount"], after["items"][1]["price"]);
    assert!(after["timeline"].as_array().unwrap().iter().any(|entry| entry["kind"] == "supplier_cancelled"));
    let book = world.book().await;
    assert_eq!(book["refunds"][0]["refund_fen"], after["items"][1]["price"]["amount_minor"]);
    assert_eq!(count(&book["flights"], "state", "ticketed"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_what_a_supplier_cancelled_is_booked_again_at_its_new_price_on_one_confirmation() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let stay = world.book().await["stays"][0]["id"].clone();
    let lost = order["items"][1]["id"].clone();
    let repair = || json!({ "order_id": order["id"], "item_ids": [lost], "request_id": request_id() });
    let refused = world.ask("prepare_repair", repair()).await.unwrap_err();
    assert_eq!(format!("{:?}", refused.code), "WrongState", "nothing is lost yet");
    world.scenario(json!({ "switch": "supplier_cancels", "id": stay })).await;
    world.until(&order, "the hotel lost", |order| order["items"][1]["lost"] == true).await;
    let wish = repair();
    let again = world.call("prepare_repair", wish.clone()).await;
    assert_eq!(world.call("prepare_repair", wish).await["id"], again["id"], "asked again, it is the same order");
    let twice = world.ask("prepare_repair", repair()).await.unwrap_err();
    assert_eq!(format!("{:?}", twice.code), "WrongState", "it is being booked again already");
    let broken = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!((&broken["items"][1]["lost"], &broken["items"][1]["rebooked_by"]), (&json!(false), &again["id"]));
    assert_eq!((&again["repairs"], again["items"].as_array().unwrap().len()), (&order["id"], 1));
    let plan = world.call("get_plan", json!({ "plan_id": order["plan_id"] })).await;
    assert_eq!(plan["order_id"], order["id"], "the trip's card stays with the trip's order");
    let priced = world.until_next(&again, "confirm").await;
    let confirm = json!({
        "order_id": again["id"], "cart_hash": priced["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
    });
    world.call("confirm_order", confirm).await;
    let payable = world.until(&again, "payable", |order| order["payment"]["qr"].is_object()).await;
    world.phone("pay", &payable).await;
    world.until_state(&again, "confirmed").await;
    let book = world.book().await;
    assert_eq!((count(&book["stays"], "status", "confirmed"), count(&book["stays"], "status", "cancelled")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_a_flight_that_is_cancelled_without_saying_what_comes_back_is_a_debt_and_not_a_guess() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let flight = world.book().await["flights"][0]["id"].clone();
    world.scenario(json!({ "switch": "supplier_cancels", "id": flight })).await;
    let noticed = |order: &Value| order["items"][0]["state"] == "cancelled";
    let after = world.until(&order, "the flight gone", noticed).await;
    assert_eq!(after["attention"][0]["kind"], "supplier_refund_unknown");
    assert_eq!((&after["state"], &after["items"][1]["state"]), (&json!("partially_confirmed"), &json!("booked")));
}

fn departs(offer: &Value) -> &str {
    offer["segments"][0]["departs"]["local"].as_str().unwrap()
}

/// A confirmed order whose flight its airline moves by so many minutes.
async fn moved(world: &World, minutes: i64) -> (Value, Value) {
    let order = world.confirmed().await;
    let flight = world.book().await["flights"][0]["id"].clone();
    world.scenario(json!({ "switch": "airline_changes", "id": flight, "minutes": minutes })).await;
    let changed = |order: &Value| order["items"][0]["state"] == "change_proposed";
    (world.until(&order, "the change proposed", changed).await, flight)
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_a_flight_its_airline_moves_is_kept_only_once_the_airline_knows_it() {
    let world = World::new().await;
    // The airline does what it is asked and loses its answer: it is looked up and not told twice.
    world.scenario(json!({ "provider": "duffel", "switch": "act_then_time_out", "op": "accept_change" })).await;
    let (order, _) = moved(&world, 90).await;
    let (before, after) = (&order["items"][0]["offer"], &order["items"][0]["proposed"]["offer"]);
    assert_ne!(departs(before), departs(after));
    assert_eq!(order["conflicts"], json!([]), "the hotel can still be reached");
    let keep = json!({ "order_id": order["id"], "item_id": order["items"][0]["id"], "request_id": request_id() });
    world.call("keep_change", keep).await;
    let kept = world.until(&order, "the change kept", |order| order["items"][0]["state"] == "changed").await;
    assert_eq!(departs(&kept["items"][0]["offer"]), departs(after));
    assert_eq!((&kept["items"][0]["proposed"], &kept["state"]), (&Value::Null, &json!("confirmed")));
    let there = world.book().await["flights"][0]["departing_at"].clone();
    assert_eq!(there, departs(after), "the airline's own order says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_a_change_after_which_nothing_fits_is_shown_and_the_newest_one_counts() {
    let world = World::new().await;
    let (order, flight) = moved(&world, 3 * 24 * 60).await;
    assert_eq!(order["conflicts"][0]["item_id"], order["items"][1]["id"], "the hotel's check-in is missed");
    // It is moved again while the traveller thinks: the older change can no longer be kept.
    world.scenario(json!({ "switch": "airline_changes", "id": flight, "minutes": -3 * 24 * 60 + 30 })).await;
    let fits = |order: &Value| order["conflicts"] == json!([]);
    let order = world.until(&order, "the newest change", fits).await;
    let keep = json!({ "order_id": order["id"], "item_id": order["items"][0]["id"], "request_id": request_id() });
    world.call("keep_change", keep).await;
    world.until(&order, "the change kept", |order| order["items"][0]["state"] == "changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_32_a_flight_cancelled_because_it_was_moved_gives_its_refund_and_can_be_booked_again() {
    let world = World::new().await;
    let (order, _) = moved(&world, 600).await;
    let item = order["items"][0]["id"].clone();
    let quote = json!({
        "order_id": order["id"], "item_ids": [item], "reason": "not_said", "request_id": request_id(),
    });
    world.call("quote_cancellation", quote).await;
    let quoted = |order: &Value| order["can"]["accept_cancellation"] == true;
    let order = world.until(&order, "the quote", quoted).await;
    assert!(
        order["cancellation"]["refund"]["amount_minor"].as_i64().unwrap() > 0,
        "priced before anything is cancelled"
    );
    let accept = json!({
        "order_id": order["id"], "quote_id": order["cancellation"]["quote_id"], "request_id": request_id(),
    });
    world.call("accept_cancellation", accept).await;
    let order = world.until_state(&order, "partially_confirmed").await;
    assert_eq!(order["items"][0]["lost"], true);
    let repair = json!({ "order_id": order["id"], "item_ids": [item], "request_id": request_id() });
    let again = world.call("prepare_repair", repair).await;
    assert_eq!((&again["repairs"], &again["items"][0]["detail"]), (&order["id"], &order["items"][0]["detail"]));
}
