//! Coupons and gift cards as a part of what pays a trip, and trips that are paid off in instalments.

use crate::world::{World, count, request_id};
use serde_json::{Value, json};
use zhiyou_domain::fault::FaultCode;

const COUPON: &str = "WELCOME50";
const WORTH: i64 = 5_000;

fn wish(order: &Value, channel: &str) -> Value {
    json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": channel,
        "credit": { "code": COUPON, "amount_minor": WORTH }, "request_id": request_id(),
    })
}

async fn worth(world: &World, order: &Value, code: &str) -> Value {
    world.call("check_credit", json!({ "order_id": order["id"], "code": code })).await
}

/// A trip of which the coupon pays 50.00, up to the code for the rest.
async fn payable(world: &World) -> Value {
    let order = world.held().await;
    let shown = worth(world, &order, " welcome50 ").await;
    let total = order["total"]["amount_minor"].as_i64().unwrap();
    assert_eq!(
        (&shown["amount"]["amount_minor"], &shown["to_pay"]["amount_minor"]),
        (&json!(WORTH), &json!(total - WORTH))
    );
    world.call("confirm_order", wish(&order, "wechatpay")).await;
    world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await
}

fn states(order: &Value) -> Vec<&Value> {
    order["parts"].as_array().unwrap().iter().map(|part| &part["state"]).collect()
}

/// What the coupon is worth for another trip.
async fn left(world: &World) -> Option<i64> {
    let plan = world.import(&crate::world::sample()).await;
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    let order = world.until_next(&order, "confirm").await;
    let asked = world.ask("check_credit", json!({ "order_id": order["id"], "code": COUPON })).await;
    match asked {
        Ok(shown) => shown["amount"]["amount_minor"].as_i64(),
        Err(fault) => {
            assert_eq!((fault.code, fault.params["why"].as_str()), (FaultCode::CreditRefused, "used_up"));
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_pays_its_part_and_the_channel_the_rest() {
    let world = World::new().await;
    let order = payable(&world).await;
    assert_eq!(states(&order), ["authorised", "requires_action"], "set aside before the other one is opened");
    assert!(world.phone("pay", &order).await.is_success());
    let order = world.until_state(&order, "confirmed").await;
    assert_eq!(states(&order), ["captured", "captured"]);
    let total = order["total"]["amount_minor"].as_i64().unwrap();
    let book = world.book().await;
    assert_eq!(
        (book["payments"].as_array().unwrap().len(), &book["payments"][0]["total_fen"]),
        (1, &json!(total - WORTH))
    );
    assert_eq!(order["money"]["committed"]["amount"]["amount_minor"], total);
    assert_eq!(left(&world).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_before_it_is_paid_the_coupon_can_be_used_again() {
    let world = World::new().await;
    let order = payable(&world).await;
    world.call("cancel_order", json!({ "order_id": order["id"], "request_id": request_id() })).await;
    let order = world.until_state(&order, "cancelled").await;
    assert_eq!(states(&order), ["voided", "voided"]);
    assert_eq!((&order["money"]["paid"]["amount"]["amount_minor"], left(&world).await), (&json!(0), Some(WORTH)));
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_after_the_coupon_was_set_aside_the_app_goes_on_and_uses_it_once() {
    let mut world = World::new().await;
    let order = payable(&world).await;
    world.close_app().await;
    assert!(world.phone("pay", &order).await.is_success());
    world.open_app().await;
    let order = world.until_state(&order, "confirmed").await;
    assert_eq!(states(&order), ["captured", "captured"]);
    assert_eq!(count(&world.book().await["flights"], "state", "ticketed"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_worth_nothing_or_something_else_than_was_shown_confirms_nothing() {
    let world = World::new().await;
    let order = world.held().await;
    let asked = world.ask("check_credit", json!({ "order_id": order["id"], "code": "NOSUCHCODE" })).await;
    let fault = asked.unwrap_err();
    assert_eq!((fault.code, fault.params["why"].as_str()), (FaultCode::CreditRefused, "unknown"));
    let mut dearer = wish(&order, "wechatpay");
    dearer["credit"]["amount_minor"] = json!(WORTH + 1);
    assert_eq!(world.ask("confirm_order", dearer).await.unwrap_err().code, FaultCode::CartChanged);
    let mut unknown = wish(&order, "wechatpay");
    unknown["credit"]["code"] = json!("NOSUCHCODE");
    assert_eq!(world.ask("confirm_order", unknown).await.unwrap_err().code, FaultCode::CreditRefused);
    let still = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!((&still["state"], &still["next"]["kind"]), (&json!("draft"), &json!("confirm")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_off_goes_to_a_channel_that_offers_it_and_comes_whole() {
    let world = World::new().await;
    let order = world.held().await;
    let listed = world.call("list_channels", json!({ "order_id": order["id"], "instalments": 6 })).await;
    assert_eq!(
        (&listed["channels"][0]["channel"], &listed["channels"][0]["recommended"]),
        (&json!("alipay"), &json!(true))
    );
    let barred = |row: &Value| row["bars"] == json!(["instalments"]);
    assert_eq!(listed["channels"].as_array().unwrap().iter().filter(|row| barred(row)).count(), 3, "{listed:#}");
    let asking = |channel: &str| {
        json!({
            "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": channel, "instalments": 6,
            "request_id": request_id(),
        })
    };
    let fault = world.ask("confirm_order", asking("wechatpay")).await.unwrap_err();
    assert_eq!((fault.code, fault.params["why"].as_str()), (FaultCode::ChannelBarred, "instalments"));
    world.call("confirm_order", asking("alipay")).await;
    let order = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert_eq!(order["parts"][0]["instalments"], 6);
    assert!(world.phone("pay", &order).await.is_success());
    let order = world.until_state(&order, "confirmed").await;
    assert_eq!(world.book().await["payments"][0]["total_fen"], order["total"]["amount_minor"]);
}

/// A gift card pays all of it: no channel is asked for, and none is needed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_code_pays_whole_needs_no_channel_and_what_it_does_not_needs_one() {
    let world = World::new().await;
    let order = world.held().await;
    let total = &order["total"]["amount_minor"];
    let shown = worth(&world, &order, "GIFT5000").await;
    assert_eq!((&shown["amount"]["amount_minor"], &shown["to_pay"]["amount_minor"]), (total, &json!(0)));
    let wish = |code: &str, amount: &Value| {
        json!({
            "order_id": order["id"], "cart_hash": order["cart_hash"], "credit": { "code": code, "amount_minor": amount },
            "request_id": request_id(),
        })
    };
    let fault = world.ask("confirm_order", wish(COUPON, &json!(WORTH))).await.unwrap_err();
    assert_eq!((fault.code, fault.params["path"].as_str()), (FaultCode::MalformedInput, "channel"));
    world.call("confirm_order", wish("GIFT5000", total)).await;
    let order = world.until_state(&order, "confirmed").await;
    assert_eq!(states(&order), ["captured"]);
    assert_eq!(world.book().await["payments"], json!([]), "no channel has heard of it");
    assert_eq!(&order["money"]["committed"]["amount"]["amount_minor"], total);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_part_is_paid_off_and_another_channel_pays_the_rest_at_once() {
    let world = World::new().await;
    let order = world.held().await;
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "alipay", "instalments": 6,
        "second": { "channel": "wechatpay", "amount_minor": 10_000 }, "request_id": request_id(),
    });
    world.call("confirm_order", wish).await;
    let order = world.until(&order, "a code", |order| order["payment"]["qr"]["content"].is_string()).await;
    let shown: Vec<_> =
        order["parts"].as_array().unwrap().iter().map(|part| (&part["channel"], &part["instalments"])).collect();
    assert_eq!(shown, [(&json!("alipay"), &json!(6)), (&json!("wechatpay"), &Value::Null)]);
}
