//! Logging in to what a plan needs: what is asked, where it stands, and what cannot be confirmed without it.

use crate::world::{World, request_id, sample};
use serde_json::{Value, json};
use zhiyou_embedded::runtime::Client;
use zhiyou_engine::api::view::FaultView;

const CLUB: &str = "zz-club";
const TURKISH: &str = "turkish-airlines";

/// Logs in as a person does who says nothing about the way back.
async fn log_in(world: &World, platform: &str) -> Value {
    let login = world.call("login_to_platform", json!({ "platform": platform })).await;
    let back = world.approve(&world.opened()).await;
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    assert!(world.http.get(back).send().await.unwrap().status().is_success());
    login
}

/// A plan whose flight needs the club and whose hotel needs the airline's sign-in.
fn plan_of_two() -> String {
    let mut plan: Value = serde_json::from_str(&sample()).unwrap();
    plan["items"][1]["member_platform"] = json!(TURKISH);
    plan.to_string()
}

/// An order of it, ready to be confirmed.
async fn ready(world: &World) -> Value {
    let plan = world.import(&plan_of_two()).await;
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    let asked = world.until_next(&order, "sign_in").await;
    assert_eq!(asked["next"]["platforms"], json!([CLUB, TURKISH]));
    for platform in [CLUB, TURKISH] {
        log_in(world, platform).await;
    }
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    world.until_next(&order, "confirm").await
}

/// The platforms that a confirmation names as missing.
async fn missing(world: &World, order: &Value) -> String {
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
    });
    let fault = FaultView::from(&world.ask("confirm_order", wish).await.unwrap_err());
    let fault = serde_json::to_value(fault).unwrap();
    assert_eq!(fault["code"], "auth_required", "{fault}");
    fault["params"]["platforms"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_names_every_platform_that_is_missing_until_all_are_connected() {
    let world = World::new().await;
    let order = ready(&world).await;
    for platform in [TURKISH, CLUB] {
        world.call("disconnect", json!({ "platform": platform })).await;
    }
    assert_eq!(missing(&world, &order).await, format!("{CLUB},{TURKISH}"));
    let both = json!([CLUB, TURKISH]);
    let order = world.until(&order, "both wanted", |order| order["next"]["platforms"] == both).await;
    assert_eq!(missing(&world, &order).await, format!("{CLUB},{TURKISH}"));
    log_in(&world, CLUB).await;
    let one = json!([TURKISH]);
    let order = world.until(&order, "the other wanted", |order| order["next"]["platforms"] == one).await;
    assert_eq!(missing(&world, &order).await, TURKISH);
    log_in(&world, TURKISH).await;
    let order = world.until_next(&order, "confirm").await;
    world.confirm(&order).await;
    world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_taken_back_is_named_together_with_one_that_is_missing() {
    let world = World::new().await;
    let order = ready(&world).await;
    world.scenario(json!({ "provider": "oauth", "switch": "revoke_all" })).await;
    world.call("disconnect", json!({ "platform": TURKISH })).await;
    assert_eq!(missing(&world, &order).await, format!("{CLUB},{TURKISH}"));
    let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    assert_eq!(rows[0]["state"]["kind"], "revoked");
    assert_eq!(world.book().await["payments"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_needs_is_listed_first_with_what_needs_it_and_why() {
    let world = World::new().await;
    let plan = world.import(&plan_of_two()).await;
    let rows = world.call("list_sign_ins", json!({ "plan_id": plan["id"] })).await;
    let (club, turkish) = (&rows[0], &rows[1]);
    assert_eq!((&club["platform"], &turkish["platform"]), (&json!(CLUB), &json!(TURKISH)));
    assert_eq!(club["needed_for"], json!([plan["items"][0]["id"]]));
    assert_eq!(turkish["needed_for"], json!([plan["items"][1]["id"]]));
    assert!(club["purpose"]["en"].as_str().is_some_and(|why| !why.is_empty()));
    assert_eq!(club["returns"], json!(["loopback", "deep_link"]));
    let needed = |row: &Value| row["needed_for"].as_array().unwrap().len();
    assert_eq!(plan["sign_ins"].as_array().unwrap().iter().map(needed).collect::<Vec<_>>(), [1, 1]);
    let all = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    assert!(all.as_array().unwrap().iter().all(|row| needed(row) == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_logs_in_sees_where_it_stands_and_what_may_be_called_and_never_a_token() {
    let world = World::new().await;
    let (mut tool, _) = Client::connect(world.data_dir.path()).await.unwrap();
    assert_eq!(tool.call("list_authenticated_apis", json!({})).await.unwrap(), json!([]));
    let login = tool.call("login_to_platform", json!({ "platform": TURKISH })).await.unwrap();
    assert_eq!(login["status"], "auth_required");
    assert_eq!(login["url"], world.opened().as_str());
    let asked = json!({ "platform": TURKISH, "session_id": login["session_id"] });
    assert_eq!(tool.call("check_auth_status", asked.clone()).await.unwrap()["status"], "auth_required");
    let other = json!({ "platform": CLUB, "session_id": login["session_id"] });
    assert!(tool.call("check_auth_status", other).await.is_err(), "another platform's session");
    let back = world.approve(&login["url"].as_str().unwrap().parse().unwrap()).await;
    assert!(world.http.get(back).send().await.unwrap().status().is_success());
    let told = tool.call("check_auth_status", asked).await.unwrap();
    assert_eq!((&told["status"], &told["session_id"]), (&json!("authenticated"), &login["session_id"]));
    // Three things in our file's words, and the platform's own word for them.
    assert_eq!(told["granted"].as_array().unwrap().len(), 4);
    assert_eq!(told["granted"][3]["en"], "member");
    let again = tool.call("login_to_platform", json!({ "platform": TURKISH })).await.unwrap();
    assert_eq!((&again["status"], &again["url"]), (&json!("authenticated"), &Value::Null));
    let apis = tool.call("list_authenticated_apis", json!({})).await.unwrap();
    assert_eq!((&apis[0]["platform"], &apis[0]["scopes"]), (&json!(TURKISH), &json!(["member"])));
    assert_eq!(apis[0]["calls"], json!(["get_expiring_miles", "get_active_flights", "create_flight_booking_link"]));
    assert!(format!("http://{}", apis[0]["host"].as_str().unwrap()) == world.sandbox.announcement().turkish);
    let said = format!("{login}{told}{apis}").to_lowercase();
    assert!(!said.contains("access_token") && !said.contains("refresh_token") && !said.contains("bearer"), "{said}");
}
