//! A platform with an MCP server of its own: what its member sees, and what an order has to do with it.

use crate::world::{World, request_id, sample};
use serde_json::{Value, json};

const TURKISH: &str = "turkish-airlines";

async fn sign_in(world: &World) {
    world.call("login_to_platform", json!({ "platform": TURKISH, "return_by": "loopback" })).await;
    let back = world.approve(&world.opened()).await;
    assert!(world.http.get(back).send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_miles_and_flights_and_is_handed_over_to_the_airlines_own_page() {
    let world = World::new().await;
    let read = json!({ "platform": TURKISH });
    let fault = world.ask("read_member", read.clone()).await.unwrap_err();
    assert_eq!(format!("{:?}", fault.code), "AuthRequired");
    sign_in(&world).await;
    let seen = world.call("read_member", read).await;
    assert_eq!((&seen["miles"][0]["amount"], &seen["flights"][0]["number"]), (&json!(4200), &json!("TK89")));
    let leg = json!({ "platform": TURKISH, "origin": "PEK", "destination": "IST", "departs_on": "2026-12-24" });
    let page = world.call("hand_over_flight", leg.clone()).await;
    assert_eq!(page["status"], "external");
    assert_eq!(world.opened().as_str(), page["url"].as_str().unwrap());
    for (field, odd) in [("origin", "QQQ"), ("destination", "../x"), ("departs_on", "soon")] {
        let mut wrong = leg.clone();
        wrong[field] = json!(odd);
        let fault = world.ask("hand_over_flight", wrong).await.unwrap_err();
        assert_eq!(format!("{:?}", fault.code), "MalformedInput", "{field}");
    }
    // Nothing is an order by it, here or there.
    assert_eq!(world.call("list_orders", json!({ "before_us": null })).await, json!([]));
    assert_eq!(world.book().await["flights"], json!([]));
    for platform in ["zz-club", "duffel", "nobody"] {
        let fault = world.ask("read_member", json!({ "platform": platform })).await.unwrap_err();
        assert_eq!(format!("{:?}", fault.code), "NotFound", "{platform}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_names_the_airlines_sign_in_waits_for_it_and_no_number_of_its_is_booked() {
    let world = World::new().await;
    let mut plan: Value = serde_json::from_str(&sample()).unwrap();
    for item in plan["items"].as_array_mut().unwrap() {
        if item.get("member_platform").is_some() {
            item["member_platform"] = json!(TURKISH);
        }
    }
    let plan = world.import(&plan.to_string()).await;
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    world.until_next(&order, "sign_in").await;
    sign_in(&world).await;
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    let order = world.until_next(&order, "confirm").await;
    world.confirm(&order).await;
    let order = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert_eq!(order["items"][0]["loyalty"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reached_through_us_is_shown_and_cannot_be_signed_in_to() {
    let world = World::new().await;
    let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    let through_us: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["state"]["kind"] == "through_us")
        .map(|row| row["platform"].as_str().unwrap())
        .collect();
    assert_eq!(through_us, ["duffel", "viator", "stripe"]);
    for platform in through_us {
        let start = json!({ "platform": platform, "return_by": "loopback" });
        assert_eq!(format!("{:?}", world.ask("login_to_platform", start).await.unwrap_err().code), "NotFound");
    }
}
