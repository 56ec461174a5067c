//! What a caller may send, and what happens to everything else.

use crate::world::{World, request_id, sample};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_plan_names_the_place_and_changes_nothing() {
    let world = World::new().await;
    let text = sample().replace("\"SHA\"", "\"QQQ\"");
    let fault = world.ask("import_plan", json!({ "text": text, "request_id": request_id() })).await.unwrap_err();
    assert_eq!(fault.params["path"], "items[0].destination");
    assert_eq!(fault.params["problem"], "unknown_place");
    assert_eq!(world.call("list_plans", json!({})).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_commands_fields_and_types_are_refused() {
    let world = World::new().await;
    for (command, payload) in [
        ("no_such_command", json!({})),
        ("get_order", json!({})),
        ("get_order", json!({ "order_id": "ord_../../x" })),
        ("get_order", json!({ "order_id": "ord_01KA0000000000000000000ABC" })),
        ("get_order", json!({ "order_id": 7 })),
        ("changes", json!({ "after": 1.5 })),
        ("list_plans", json!({ "surprise": true })),
        ("import_plan", json!({ "text": " ".repeat(5 << 20), "request_id": request_id() })),
    ] {
        assert!(world.ask(command, payload).await.is_err(), "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_on_the_same_folder_says_so() {
    let world = World::new().await;
    let Err(fault) = zhiyou_embedded::Embedded::start(world.options()).await else { panic!("it started") };
    assert_eq!(format!("{:?}", fault.code), "DatabaseInUse");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cart_than_the_one_shown_cannot_be_confirmed() {
    let world = World::new().await;
    let order = world.held().await;
    let payload = json!({
        "order_id": order["id"], "cart_hash": "0".repeat(64), "channel": "wechatpay", "request_id": request_id(),
    });
    let fault = world.ask("confirm_order", payload).await.unwrap_err();
    assert_eq!(format!("{:?}", fault.code), "CartChanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_over_budget_is_refused_with_both_amounts() {
    let world = World::new().await;
    let plan = world.import(&sample().replace("6000.00", "100.00")).await;
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    world.until_next(&order, "sign_in").await;
    world.sign_in().await;
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    let order = world.until_next(&order, "confirm").await;
    let payload = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
    });
    let fault = world.ask("confirm_order", payload).await.unwrap_err();
    assert_eq!(format!("{:?}", fault.code), "OverBudget");
    assert_eq!((fault.params["budget"].as_str(), fault.params["currency"].as_str()), ("10000", "CNY"));
}
