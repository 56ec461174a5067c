//! What a caller may send, and what happens to everything else.

use crate::world::{World, request_id, sample};
use serde_json::{Value, json};

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

/// PM-01: wherever it is typed or pasted, whichever command carries it, and from a tool as well.
#[tokio::test(flavor = "multi_thread")]
async fn pm_01_a_card_number_gets_into_no_command_and_is_kept_nowhere() {
    const NUMBER: &str = "4111 1111 1111 1111";
    let mut world = World::new().await;
    let mut plan: Value = serde_json::from_str(&sample()).unwrap();
    plan["title"] = json!(format!("Card {NUMBER}"));
    for payload in [
        json!({ "text": plan.to_string(), "request_id": request_id() }),
        json!({ "text": NUMBER, "request_id": NUMBER }),
    ] {
        let fault = world.ask("import_plan", payload.clone()).await.unwrap_err();
        assert_eq!(fault.params.get("problem").map(String::as_str), Some("card_number"), "{fault:?}");
        let fault = world.app().engine().dispatch_for_tool("import_plan", payload).await.unwrap_err();
        assert_eq!(fault.params.get("problem").map(String::as_str), Some("card_number"), "{fault:?}");
    }
    for command in zhiyou_engine::api::NAMES {
        let fault = world.ask(command, json!({ "anything": { "at": [NUMBER] } })).await.unwrap_err();
        assert_eq!(fault.params.get("problem").map(String::as_str), Some("card_number"), "{command}: {fault:?}");
    }
    world.close_app().await;
    for entry in walk(world.data_dir.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        for shape in [NUMBER, "4111111111111111"] {
            assert!(!bytes.windows(shape.len()).any(|part| part == shape.as_bytes()), "{}", entry.display());
        }
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}
