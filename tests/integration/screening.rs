//! How unusual payments are, over the joined parts: a part of the fact that opens a payment, shown with the order, and filled
//! in behind the row of the audit log.

use crate::world::{World, request_id};
use serde_json::{Value, json};

fn screened(order: &Value) -> (u64, Vec<String>) {
    let screening = &order["parts"][0]["screening"];
    let reasons = screening["reasons"].as_array().unwrap();
    (screening["score"].as_u64().unwrap(), reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect())
}

/// Waits by the doorbell until every payment in the log has its score; the newest first.
async fn scores(world: &World, payments: usize) -> Vec<(String, u64)> {
    let wish = json!({ "action": "payment", "resource": "", "from_us": null, "to_us": null, "before": null });
    let mut doorbell = world.app().engine().doorbell();
    let waiting = async {
        loop {
            doorbell.mark_unchanged();
            let page = world.call("list_audit", wish.clone()).await;
            let rows: Vec<&Value> = page["rows"].as_array().unwrap().iter().collect();
            let opened = rows
                .iter()
                .filter(|row| ["payment.confirm", "payment.retry"].contains(&row["action"].as_str().unwrap()));
            let scored: Vec<_> = opened
                .filter(|row| row["risk"].is_u64())
                .map(|row| (row["action"].as_str().unwrap().to_owned(), row["risk"].as_u64().unwrap()))
                .collect();
            if scored.len() == payments {
                return scored;
            }
            doorbell.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await.expect("every payment is scored")
}

async fn retry(world: &World, order: &Value) -> Value {
    let wish = json!({ "order_id": order["id"], "channel": null, "request_id": request_id() });
    world.call("retry_payment", wish).await
}

/// The payer's bank refuses the payment that is open.
async fn refused(world: &World, order: &Value) {
    let payable = world.until(order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    world.scenario(json!({ "provider": "wechatpay", "switch": "decline", "op": "pay", "times": 1 })).await;
    world.phone("pay", &payable).await;
    world.call("check_payment", json!({ "order_id": order["id"] })).await;
    world.until(order, "refused", |order| order["payment"]["state"] == "failed").await;
}

/// The same trip once more, up to its confirmation.
async fn held_again(world: &World) -> Value {
    let order = world.prepare().await;
    let asks = |order: &Value| order["next"]["kind"] == "sign_in" || order["next"]["kind"] == "choose_seats";
    if world.until(&order, "asked about", asks).await["next"]["kind"] == "sign_in" {
        world.sign_in().await;
    }
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    world.until_next(&order, "confirm").await
}

#[tokio::test]
async fn a_payment_says_how_unusual_it_is_in_its_own_fact_and_the_log_says_so_behind_its_row() {
    let mut world = World::new().await;
    // A new device, and nothing to compare with.
    let first = world.confirmed().await;
    assert_eq!(screened(&first), (15, vec!["new_device".to_owned()]));
    assert_eq!(scores(&world, 1).await, [("payment.confirm".to_owned(), 15)]);
    // A day later the device is known, and the same trip is as usual.
    world.advance(25 * 60).await;
    let order = held_again(&world).await;
    let order = world.confirm(&order).await;
    assert_eq!(screened(&order), (0, vec![]));
    // Refused again and again, and tried again: the third time it is a burst.
    let mut seen = Vec::new();
    for _ in 0..3 {
        refused(&world, &order).await;
        seen.push(screened(&retry(&world, &order).await));
    }
    assert_eq!(seen[0], (0, vec![]));
    assert_eq!(seen[2], (35, vec!["burst".to_owned()]));
    let scored = scores(&world, 5).await;
    assert_eq!(scored[0], ("payment.retry".to_owned(), 35));
    assert_eq!(scored[4], ("payment.confirm".to_owned(), 15));
    // It is a fact: the order made anew of its journal says the same, and both chains are whole.
    let rebuilt = world.app().engine().rebuild().await.unwrap();
    assert!(rebuilt.identical, "{rebuilt:?}");
    world.close_app().await;
    world.open_app().await;
    let shown = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!(screened(&shown), (35, vec!["burst".to_owned()]));
    let check = world.call("verify_audit", json!({})).await;
    assert_eq!((&check["damaged"], &check["damaged_scores"]), (&json!([]), &json!([])));
}

/// A plan of one thing.
fn plan(item: Value) -> String {
    let mut plan: Value = serde_json::from_str(&crate::world::sample()).unwrap();
    let mut item = item;
    item["key"] = json!("only");
    item["priority"] = json!("must_have");
    (plan["starts_on"], plan["ends_on"]) = (json!("+20d"), json!("+23d"));
    (plan["items"], plan["budget"]["amount"]) = (json!([item]), json!("90000.00"));
    plan.to_string()
}

/// A trip up to its confirmation.
async fn ready(world: &World, plan: &str) -> Value {
    let plan = world.import(plan).await;
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    world.until_next(&order, "confirm").await
}

async fn travelled(world: &World, plan: &str) -> Value {
    let order = world.confirm(&ready(world, plan).await).await;
    let payable = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert!(world.phone("pay", &payable).await.is_success());
    world.until(&order, "paid", |order| order["payment"]["state"] == "captured").await;
    order
}

#[tokio::test]
async fn far_more_than_usual_and_a_country_never_travelled_to_are_said_with_the_payment_and_stop_nothing() {
    let world = World::new().await;
    let walk = plan(json!({ "kind": "activity", "name": "Old Town Walking Tour", "city": "Chengdu", "date": "+21d",
        "time": "14:00", "price": { "amount": "200.00", "currency": "CNY" } }));
    let stay = |city: &str| {
        plan(json!({ "kind": "hotel", "city": city, "check_in": "+20d", "check_out": "+23d", "rooms": 3,
            "price": { "amount": "6000.00", "currency": "CNY" } }))
    };
    let mut usual = Vec::new();
    for _ in 0..3 {
        usual.push(screened(&travelled(&world, &walk).await));
    }
    assert!(
        usual.iter().all(|(_, reasons)| !reasons.iter().any(|one| one == "amount" || one == "country")),
        "{usual:?}"
    );
    // A day later the device is known, and nothing is a burst.
    world.advance(25 * 60).await;
    assert_eq!(screened(&travelled(&world, &walk).await), (0, vec![]), "as usual");
    world.advance(11).await;
    let dear = travelled(&world, &stay("Chengdu")).await;
    assert_eq!(screened(&dear), (30, vec!["amount".to_owned()]), "in a city that was travelled to");
    world.advance(11).await;
    let abroad = travelled(&world, &stay("Tokyo")).await;
    assert_eq!(screened(&abroad), (35, vec!["amount".to_owned(), "country".to_owned()]));
    // The trip there is known from now on, and what it cost is not usual yet.
    world.advance(11).await;
    let again = world.confirm(&ready(&world, &stay("Tokyo")).await).await;
    assert_eq!(screened(&again), (30, vec!["amount".to_owned()]));
    assert_eq!(scores(&world, 7).await[0], ("payment.confirm".to_owned(), 30), "and the log says so behind its row");
}
