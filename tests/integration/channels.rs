//! Which channel is recommended and why, one that fails, and a channel whose payments all go back.

use crate::world::{World, count, request_id};
use serde_json::{Value, json};
use zhiyou_domain::{fault::FaultCode, money::Money, routing::Weights};
use zhiyou_gateway::CreditConfig;

async fn listed(world: &World, order: &Value) -> Vec<Value> {
    let ways = world
        .call("list_channels", json!({ "order_id": order["id"], "amount_minor": null, "instalments": null }))
        .await;
    ways["channels"].as_array().unwrap().clone()
}

fn of<'a>(channels: &'a [Value], name: &str) -> &'a Value {
    channels.iter().find(|channel| channel["channel"] == name).unwrap()
}

fn recommended(channels: &[Value]) -> &str {
    channels.iter().find(|channel| channel["recommended"] == true).unwrap()["channel"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_does_not_answer_is_no_longer_recommended_and_a_new_payment_there_is_refused_in_words() {
    let mut world = World::new().await;
    world.close_app().await;
    // One payment is sample enough here.
    let weights = Weights { sample_min: 1, ..Weights::default() };
    world.open_app_with(move |config| config.weights = Some(weights)).await;
    let order = world.held().await;
    let before = listed(&world, &order).await;
    assert_eq!(recommended(&before), "wechatpay");
    let switch =
        json!({ "provider": "wechatpay", "switch": "time_out_before", "op": "create", "cut": true, "times": 500 });
    world.scenario(switch).await;
    world.confirm(&order).await;
    world.until(&order, "unknown", |order| order["payment"]["state"] == "unknown").await;

    let plan = world.import(&crate::world::sample()).await;
    let next = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    let next = world.until_next(&next, "choose_seats").await;
    world.take_seat(&next).await;
    let next = world.until_next(&next, "confirm").await;
    let after = listed(&world, &next).await;
    assert_eq!(of(&after, "wechatpay")["bars"], json!(["failing"]));
    assert_eq!(recommended(&after), "alipay", "the next one is offered");
    let refused = world
        .ask(
            "confirm_order",
            json!({ "order_id": next["id"], "cart_hash": next["cart_hash"], "channel": "wechatpay", "request_id": request_id() }),
        )
        .await
        .unwrap_err();
    assert_eq!((refused.code, refused.params["why"].as_str()), (FaultCode::ChannelBarred, "failing"));
    // The payment that exists is opened as soon as the channel answers, and then the channel is well again.
    world.scenario(json!({ "reset": true })).await;
    world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert_eq!(recommended(&listed(&world, &next).await), "wechatpay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_only_supposed_is_ranked_by_what_is_supposed() {
    let world = World::new().await;
    let ranked = async |wish: Value| {
        let ways = world.call("preview_channels", wish).await;
        ways["channels"].as_array().unwrap().clone()
    };
    let yuan = json!({ "amount_minor": 224_400, "currency": "CNY", "domestic": true });
    assert_eq!(recommended(&ranked(yuan).await), "wechatpay");
    let chosen = json!({ "amount_minor": 224_400, "currency": "CNY", "domestic": true, "preferred": "stripe" });
    let chosen = ranked(chosen).await;
    assert_eq!(recommended(&chosen), "stripe");
    assert_eq!(of(&chosen, "stripe")["reasons"][0], "preferred");
    let abroad = json!({ "amount_minor": 10_000, "currency": "USD", "domestic": false });
    let abroad = ranked(abroad).await;
    assert_eq!(of(&abroad, "wechatpay")["bars"], json!(["currency"]));
    let small = ranked(json!({ "amount_minor": 49, "currency": "USD", "domestic": false })).await;
    assert_eq!(of(&small, "stripe")["bars"], json!(["amount"]), "less than it charges");
    let large = ranked(json!({ "amount_minor": 1_000_001, "currency": "USD", "domestic": false })).await;
    assert_eq!(of(&large, "paypal")["bars"], json!(["amount"]), "more than it charges");
    // The same amount at home and abroad: where who pays lives counts, and not the currency alone.
    let reasons = async |wish: Value| of(&ranked(wish).await, "wechatpay")["reasons"].clone();
    let home = reasons(json!({ "amount_minor": 100, "currency": "CNY", "domestic": true })).await;
    let away = reasons(json!({ "amount_minor": 100, "currency": "CNY", "domestic": false })).await;
    assert!(
        home.as_array().unwrap().contains(&json!("at_home")) && !away.as_array().unwrap().contains(&json!("at_home"))
    );
    let unsaid = reasons(json!({ "amount_minor": 100, "currency": "CNY" })).await;
    assert!(unsaid.as_array().unwrap().contains(&json!("at_home")), "by the currency where nobody said more");
    for (wish, path) in [
        (json!({ "amount_minor": 0, "currency": "CNY" }), "amount_minor"),
        (json!({ "amount_minor": 1, "currency": "XXX1" }), "currency"),
    ] {
        let refused = world.ask("preview_channels", wish).await.unwrap_err();
        assert_eq!((refused.code, refused.params["path"].as_str()), (FaultCode::MalformedInput, path));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_experience_mode_a_payment_goes_back_in_a_day_and_the_order_says_so_and_gives_nothing_back_twice() {
    const REST: i64 = 9_000;
    let mut world = World::new().await;
    let order = world.held().await;
    let total = order["total"]["amount_minor"].as_i64().unwrap();
    world.close_app().await;
    let most = Money::new(total - REST, "CNY".parse().unwrap()).unwrap();
    world
        .open_app_with(move |config| {
            config.wechatpay.experience = true;
            config.credits = vec![CreditConfig {
                code: "MOST-OF-IT".to_owned().into(),
                amount: most,
                minimum: None,
                begins_at: None,
                ends_at: None,
            }];
        })
        .await;
    let barred = listed(&world, &order).await;
    assert_eq!(of(&barred, "wechatpay")["bars"], json!(["amount"]), "more than the mode allows");
    let rest = world
        .call("list_channels", json!({ "order_id": order["id"], "amount_minor": REST, "instalments": null }))
        .await;
    assert_eq!(of(rest["channels"].as_array().unwrap(), "wechatpay")["bars"], json!([]), "what a credit leaves is not");
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay",
        "credit": { "code": "MOST-OF-IT", "amount_minor": total - REST }, "request_id": request_id(),
    });
    world.call("confirm_order", wish).await;
    let order = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert!(world.phone("pay", &order).await.is_success());
    let order = world.until_state(&order, "confirmed").await;

    world.advance(23 * 60 + 1).await;
    let back = |order: &Value| order["money"]["refunded"]["amount"]["amount_minor"] == REST;
    let order = world.until(&order, "given back", back).await;
    assert_eq!(order["state"], "confirmed", "what is booked stays booked");
    let told = |kind: &str| order["timeline"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((told("given_back"), told("refunded")), (1, 1));
    assert_eq!(order["money"]["paid"]["amount"]["amount_minor"], total);
    assert_eq!(count(&world.book().await["refunds"], "state", "SUCCESS"), 1);
}
