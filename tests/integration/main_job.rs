//! The main job, and its ends.

use crate::world::{World, count, request_id};
use serde_json::json;
use zhiyou_domain::link;

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_signed_in_seated_booked_and_paid_once() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let book = world.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), count(&book["stays"], "status", "confirmed")), (1, 1));
    assert_eq!(book["payments"].as_array().unwrap().len(), 1);
    assert_eq!(book["payments"][0]["total_fen"], order["total"]["amount_minor"]);
    assert_eq!(order["items"][0]["reference"], book["flights"][0]["booking_reference"]);
    assert_eq!(order["items"][1]["reference"], book["stays"][0]["reference"]);
    assert_eq!(order["payment"]["transaction_id"], book["payments"][0]["transaction_id"]);
    // The member number came from the platform with the traveller's token, through the gateway, into the booking.
    assert_eq!(order["items"][0]["loyalty"], "ZZ1234567890");
    assert!(book["flights"][0].to_string().contains("1234567890"));
    assert!(
        book["flights"][0]["seats"].to_string().contains(order["items"][0]["seats"][0]["designator"].as_str().unwrap())
    );
    assert_eq!(order["money"]["committed"]["amount"], order["money"]["paid"]["amount"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_may_come_back_by_deep_link() {
    let world = World::new().await;
    let order = world.prepare().await;
    world.until_next(&order, "sign_in").await;
    let link = world.consent("deep_link").await;
    assert!(link.starts_with(link!("auth/zz-club?")), "{link}");
    // Forged, foreign and half links are dropped, and the pending sign-in stays intact.
    for forged in [link!("auth/zz-club?code=x&state=y"), link!("auth/other?code=x&state=y"), link!("pay/x"), "x"] {
        world.app().engine().deep_link(forged).await;
    }
    world.app().engine().deep_link(&link).await;
    world.until_next(&order, "choose_seats").await;
    // A second use of the same link changes nothing.
    world.app().engine().deep_link(&link).await;
    let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    assert_eq!(rows[0]["state"]["kind"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_sign_in_cannot_confirm() {
    let world = World::new().await;
    let order = world.held().await;
    world.scenario(json!({ "provider": "oauth", "switch": "revoke_all" })).await;
    let payload = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
    });
    let fault = world.ask("confirm_order", payload).await.unwrap_err();
    assert_eq!(format!("{:?}", fault.code), "AuthRequired");
    assert_eq!(world.book().await["payments"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_that_cannot_hold_seats_books_at_once_after_payment() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "duffel", "switch": "services_on_hold", "value": false })).await;
    let order = world.held().await;
    assert_eq!(order["items"][0]["held_firmly"], false);
    assert_eq!(count(&world.book().await["flights"], "state", "held"), 0);
    world.confirm(&order).await;
    let order = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    world.phone("pay", &order).await;
    world.until_state(&order, "confirmed").await;
    let book = world.book().await;
    assert_eq!(count(&book["flights"], "state", "ticketed"), 1);
    assert!(!book["flights"][0]["seats"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_on_the_phone_and_ended_by_the_traveller_costs_nothing() {
    let world = World::new().await;
    let order = world.payable().await;
    assert!(world.phone("refuse", &order).await.is_success());
    world.call("cancel_order", json!({ "order_id": order["id"], "request_id": request_id() })).await;
    let order = world.until_state(&order, "cancelled").await;
    assert_eq!(order["money"]["paid"]["amount"]["amount_minor"], 0);
    let book = world.book().await;
    assert_eq!((count(&book["flights"], "state", "held"), count(&book["flights"], "state", "cancelled")), (0, 1));
    assert_eq!(count(&book["payments"], "state", "SUCCESS"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_to_pay_over_closes_the_payment_and_lets_the_hold_go() {
    let world = World::new().await;
    let order = world.payable().await;
    world.advance(31).await;
    world.until_state(&order, "cancelled").await;
    let book = world.book().await;
    assert_eq!(
        (book["payments"][0]["state"].as_str(), count(&book["flights"], "state", "cancelled")),
        (Some("CLOSED"), 1)
    );
    assert!(!world.phone("pay", &order).await.is_success(), "a closed code cannot be paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_quoted_then_accepted_and_exactly_that_comes_back() {
    let world = World::new().await;
    let order = world.confirmed().await;
    world
        .call(
            "quote_cancellation",
            json!({ "order_id": order["id"], "item_ids": [], "reason": "plans_changed", "request_id": request_id() }),
        )
        .await;
    let quoted = world.until(&order, "quoted", |order| order["cancellation"]["state"] == "quoted").await;
    assert_eq!(quoted["state"], "confirmed");
    assert_eq!(count(&world.book().await["flights"], "state", "ticketed"), 1, "a quote cancels nothing");
    let accept = json!({
        "order_id": order["id"], "quote_id": quoted["cancellation"]["quote_id"], "request_id": request_id(),
    });
    world.call("accept_cancellation", accept).await;
    let order = world.until_state(&order, "refunded").await;
    assert_eq!(order["money"]["refunded"]["amount"], quoted["cancellation"]["refund"]);
    let book = world.book().await;
    assert_eq!((count(&book["flights"], "state", "cancelled"), count(&book["stays"], "status", "cancelled")), (1, 1));
    assert_eq!(book["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(book["refunds"][0]["refund_fen"], order["money"]["refunded"]["amount"]["amount_minor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_makes_one_thing() {
    let world = World::new().await;
    let (plan_request, order_request) = (request_id(), request_id());
    let text = crate::world::sample();
    let import = || world.call("import_plan", json!({ "text": text, "request_id": plan_request }));
    let (first, second) = (import().await, import().await);
    assert_eq!(first["id"], second["id"]);
    let prepare = || world.call("prepare_order", json!({ "plan_id": first["id"], "request_id": order_request }));
    let (one, two) = (prepare().await, prepare().await);
    assert_eq!(one["id"], two["id"]);
    assert_eq!(world.call("list_orders", json!({})).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_booked_is_saved_as_a_calendar_with_alarms() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let saved = world.call("export_calendar", json!({ "order_id": order["id"], "locale": "en" })).await;
    let text = std::fs::read_to_string(saved["path"].as_str().unwrap()).unwrap();
    let lines = |line: &str| text.lines().filter(|found| *found == line).count();
    // The flight, the stay, and the end of its free cancellation.
    assert_eq!((lines("BEGIN:VCALENDAR"), lines("BEGIN:VEVENT"), lines("END:VEVENT")), (1, 3, 3), "{text}");
    assert_eq!(lines("BEGIN:VALARM"), 3, "two before departure, one before cancelling begins to cost");
    let unfolded = text.replace("\r\n ", "");
    let reference = order["items"][0]["reference"].as_str().unwrap();
    assert!(unfolded.contains(&format!("Reference {reference}")) && unfolded.contains("Free cancellation ends"));
    assert!(unfolded.contains("DTSTART;VALUE=DATE:"), "{unfolded}");
    assert!(text.lines().all(|line| line.len() <= 75), "lines are folded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_is_kept_as_a_page_with_every_reference_and_no_name() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let minor = order["money"]["paid"]["amount"]["amount_minor"].as_i64().unwrap();
    // The payment's own row, and the sum of what was paid.
    let sum = format!("<td>CNY {}.{:02}</td>", minor / 100, minor % 100);
    for (locale, word) in [("en", "Payment record"), ("zh-CN", "付款凭据")] {
        let saved = world.call("export_receipt", json!({ "order_id": order["id"], "locale": locale })).await;
        let page = std::fs::read_to_string(saved["path"].as_str().unwrap()).unwrap();
        assert!(page.contains(word) && page.matches(&sum).count() >= 2, "{sum} {page}");
        for item in order["items"].as_array().unwrap() {
            assert!(page.contains(item["reference"].as_str().unwrap()), "{page}");
        }
        assert!(!page.contains("<script") && page.contains("default-src 'none'"));
        assert!(!page.contains("Lin Xia") && !page.contains("LIN"), "nobody is named: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_and_what_suppliers_say_stand_side_by_side_and_looking_changes_nothing() {
    let world = World::new().await;
    let order = world.confirmed().await;
    let compare = || world.call("compare_order", json!({ "order_id": order["id"] }));
    let same = compare().await;
    let rows = same.as_array().unwrap();
    assert_eq!(rows.len(), 3, "flight, hotel, payment");
    assert!(rows.iter().all(|row| row["same"] == true && row["live"] == row["stored"]), "{same:#}");
    // The hotel cancels, and its notification never arrives.
    world.scenario(json!({ "provider": "duffel", "switch": "notify", "mode": "drop" })).await;
    let stay = world.book().await["stays"][0]["id"].clone();
    world.scenario(json!({ "switch": "supplier_cancels", "id": stay })).await;
    let other = compare().await;
    let hotel = other.as_array().unwrap().iter().find(|row| row["item_id"] == order["items"][1]["id"]).unwrap();
    assert_eq!((&hotel["same"], &hotel["stored"]["state"]), (&json!(false), &json!("booked")));
    assert_eq!(hotel["live"]["state"], "cancelled");
    let after = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!(after["items"][1]["state"], "booked", "nothing is overwritten by looking");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cancelled_says_why_and_what_can_be_done_instead() {
    let world = World::new().await;
    let order = world.confirmed().await;
    world.scenario(json!({ "provider": "duffel", "switch": "decline", "op": "quote_cancel" })).await;
    let quote = |items: serde_json::Value| {
        json!({
            "order_id": order["id"], "item_ids": items, "reason": "plans_changed", "request_id": request_id(),
        })
    };
    world.call("quote_cancellation", quote(json!([]))).await;
    let failed = world.until(&order, "refused", |order| order["cancellation"]["state"] == "failed").await;
    let refused = &failed["cancellation"]["refused"][0];
    assert_eq!((&refused["item_id"], &refused["reason"]), (&order["items"][0]["id"], &json!("not_allowed")));
    assert_eq!(refused["alternatives"], json!(["cancel_others", "keep", "contact"]));
    assert_eq!(failed["state"], "confirmed", "nothing was cancelled");
    // The first of them is taken.
    world.call("quote_cancellation", quote(json!([order["items"][1]["id"]]))).await;
    let quoted = world.until(&order, "quoted", |order| order["cancellation"]["state"] == "quoted").await;
    assert_eq!(quoted["cancellation"]["refund"], order["items"][1]["price"]);
}
