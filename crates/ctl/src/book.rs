//! The main job without a window: import, sign in, hold with a seat, confirm, pay, wait for the end.

use crate::{
    Outcome,
    headless::{self, Consenting, Printing},
};
use serde_json::{Value, json};
use std::{path::Path, process::ExitCode, sync::Arc};
use zhiyou_embedded::Embedded;

/// States in which nothing more happens without somebody asking for it.
const FINAL: &[&str] = &["confirmed", "partially_confirmed", "cancelled", "failed", "refunded"];

pub(crate) async fn run(plan: &Path, pay_automatically: bool) -> Outcome {
    let text = std::fs::read_to_string(plan).map_err(|error| format!("{}: {error}", plan.display()))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let browser: Arc<dyn zhiyou_engine::ports::Browser> =
        if pay_automatically { Arc::new(Consenting) } else { Arc::new(Printing) };
    let parts = headless::start(browser, folder.path().to_path_buf()).await?;
    let order = book(&parts, &text, pay_automatically).await;
    parts.stop().await;
    let order = order?;
    println!("{}", serde_json::to_string_pretty(&order).map_err(|error| error.to_string())?);
    Ok(if order["state"] == "confirmed" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn call(parts: &Embedded, command: &str, payload: Value) -> Result<Value, String> {
    parts.engine().dispatch(command, payload).await.map_err(|fault| format!("{command}: {fault}"))
}

fn request_id() -> String {
    format!("req_{}", ulid::Ulid::generate())
}

async fn book(parts: &Embedded, text: &str, pay_automatically: bool) -> Result<Value, String> {
    if pay_automatically && call(parts, "get_session", json!({})).await?["demo"] != true {
        return Err("--pay auto works in demo mode only".to_owned());
    }
    let plan = call(parts, "import_plan", json!({ "text": text, "request_id": request_id() })).await?;
    eprintln!("imported {}", plan["title"]);
    let order = call(parts, "prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await?;
    let mut doorbell = parts.engine().doorbell();
    let (mut signed, mut chosen, mut confirmed, mut paid) = (Vec::new(), Vec::new(), false, false);
    loop {
        doorbell.mark_unchanged();
        let order = call(parts, "get_order", json!({ "order_id": order["id"] })).await?;
        let state = order["state"].as_str().unwrap_or_default();
        if FINAL.contains(&state) && order["next"]["kind"] == "done" {
            return Ok(order);
        }
        match order["next"]["kind"].as_str().unwrap_or_default() {
            "sign_in" => {
                for platform in order["next"]["platforms"].as_array().into_iter().flatten() {
                    if !signed.contains(platform) {
                        eprintln!("signing in to {platform}");
                        call(parts, "start_sign_in", json!({ "platform": platform, "return_by": "loopback" })).await?;
                        signed.push(platform.clone());
                    }
                }
            }
            "choose_seats" => {
                let item = order["next"]["item_id"].clone();
                if !chosen.contains(&item) {
                    let seats = first_free_seats(parts, &order["id"], &item).await?;
                    eprintln!("seats {seats}");
                    let wish =
                        json!({ "order_id": order["id"], "item_id": item, "seats": seats, "request_id": request_id() });
                    call(parts, "choose_seats", wish).await?;
                    chosen.push(item);
                }
            }
            "confirm" if !confirmed => {
                eprintln!("confirming {} {}", order["total"]["amount_minor"], order["total"]["currency"]);
                let wish = json!({
                    "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay",
                    "request_id": request_id(),
                });
                call(parts, "confirm_order", wish).await?;
                confirmed = true;
            }
            "pay" if !paid && order["payment"]["qr"]["content"].is_string() => {
                let code = &order["payment"]["qr"]["content"];
                if pay_automatically {
                    pay(parts, code).await?;
                } else {
                    eprintln!("Scan with the phone at {}: {code}", parts.announcement().phone);
                }
                paid = true;
            }
            _ => {}
        }
        doorbell.changed().await.map_err(|_| "the engine ended".to_owned())?;
    }
}

/// For every segment and traveller the first free seat at a window, else the first free one.
async fn first_free_seats(parts: &Embedded, order: &Value, item: &Value) -> Result<Value, String> {
    let maps = call(parts, "get_seat_maps", json!({ "order_id": order, "item_id": item })).await?;
    let mut wishes: Vec<Value> = Vec::new();
    for map in maps["maps"].as_array().into_iter().flatten() {
        let mut taken: Vec<&Value> = Vec::new();
        let mut seated: Vec<&Value> = Vec::new();
        let rows = || {
            map["cabins"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|cabin| cabin["rows"].as_array().into_iter().flatten())
        };
        let at_window = || {
            rows().flat_map(|row| {
                let sections = row["sections"].as_array();
                let first = sections.and_then(|sections| sections.first()?.as_array()?.first());
                let last = sections.and_then(|sections| sections.last()?.as_array()?.last());
                [first, last].into_iter().flatten()
            })
        };
        let anywhere = || {
            rows()
                .flat_map(|row| row["sections"].as_array().into_iter().flatten())
                .flat_map(|section| section.as_array().into_iter().flatten())
        };
        for seat in at_window().chain(anywhere()) {
            for offer in seat["offers"].as_array().into_iter().flatten() {
                let traveller = &offer["traveller_id"];
                if !seated.contains(&traveller) && !taken.contains(&&seat["designator"]) {
                    wishes.push(json!({
                        "segment_id": map["segment"]["id"], "traveller_id": traveller, "designator": seat["designator"],
                    }));
                    seated.push(traveller);
                    taken.push(&seat["designator"]);
                }
            }
        }
    }
    Ok(Value::Array(wishes))
}

async fn pay(parts: &Embedded, code: &Value) -> Result<(), String> {
    let http = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let address = format!("{}/api/pay", parts.announcement().phone);
    let answer = http.post(address).json(&json!({ "text": code })).send().await.map_err(|error| error.to_string())?;
    eprintln!("phone: {}", answer.status());
    Ok(())
}
