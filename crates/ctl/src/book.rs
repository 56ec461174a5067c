//! The main job without a window: import, sign in, hold with a seat, confirm, pay, wait for the end.

use crate::{
    Outcome,
    backend::Backend,
    headless::{Consenting, Printing},
};
use serde_json::{Value, json};
use std::{path::Path, process::ExitCode, sync::Arc};
use url::Url;
use zhiyou_engine::ports::Browser;

/// States in which nothing more happens without somebody asking for it.
const FINAL: &[&str] = &["confirmed", "partially_confirmed", "cancelled", "failed", "refunded"];

pub(crate) async fn run(plan: &Path, pay_automatically: bool) -> Outcome {
    let text = std::fs::read_to_string(plan).map_err(|error| format!("{}: {error}", plan.display()))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let browser: Arc<dyn Browser> = if pay_automatically { Arc::new(Consenting) } else { Arc::new(Printing) };
    let mut backend = Backend::open(browser, folder.path().to_path_buf()).await?;
    let order = book(&mut backend, &text, pay_automatically).await;
    backend.stop().await;
    let order = order?;
    println!("{}", serde_json::to_string_pretty(&order).map_err(|error| error.to_string())?);
    Ok(if order["state"] == "confirmed" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request_id() -> String {
    format!("req_{}", ulid::Ulid::generate())
}

async fn book(to: &mut Backend, text: &str, pay_automatically: bool) -> Result<Value, String> {
    if pay_automatically && to.call("get_session", json!({})).await?["demo"] != true {
        return Err("--pay auto works in demo mode only".to_owned());
    }
    let plan = to.call("import_plan", json!({ "text": text, "request_id": request_id() })).await?;
    eprintln!("imported {}", plan["title"]);
    let order = to.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await?;
    let mut cursor = 0;
    let (mut signed, mut chosen, mut confirmed, mut paid) = (Vec::new(), Vec::new(), false, false);
    loop {
        cursor = to.wait(cursor).await?;
        let order = to.call("get_order", json!({ "order_id": order["id"] })).await?;
        let state = order["state"].as_str().unwrap_or_default();
        if FINAL.contains(&state) && order["next"]["kind"] == "done" {
            return Ok(order);
        }
        match order["next"]["kind"].as_str().unwrap_or_default() {
            "sign_in" => {
                for platform in order["next"]["platforms"].as_array().into_iter().flatten() {
                    if !signed.contains(platform) {
                        eprintln!("signing in to {platform}");
                        let wish = json!({ "platform": platform, "return_by": "loopback" });
                        let login = to.call("login_to_platform", wish).await?;
                        if pay_automatically && to.opens_browser_itself() {
                            approve(&login)?;
                        }
                        signed.push(platform.clone());
                    }
                }
            }
            "choose_seats" => {
                let item = order["next"]["item_id"].clone();
                if !chosen.contains(&item) {
                    let seats = first_free_seats(to, &order["id"], &item).await?;
                    eprintln!("seats {seats}");
                    let wish =
                        json!({ "order_id": order["id"], "item_id": item, "seats": seats, "request_id": request_id() });
                    to.call("choose_seats", wish).await?;
                    chosen.push(item);
                }
            }
            "confirm" if !confirmed => {
                eprintln!("confirming {} {}", order["total"]["amount_minor"], order["total"]["currency"]);
                let wish = json!({
                    "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": channel(to, &order["id"]).await?,
                    "request_id": request_id(),
                });
                to.call("confirm_order", wish).await?;
                confirmed = true;
            }
            "pay" if !paid && order["payment"]["qr"]["content"].is_string() => {
                let code = &order["payment"]["qr"]["content"];
                if pay_automatically {
                    pay(to, code).await?;
                } else {
                    eprintln!("Scan with the phone at {}: {code}", to.phone());
                }
                paid = true;
            }
            "pay" if !paid && order["payment"]["hosted"] == true => {
                to.call("open_payment", json!({ "order_id": order["id"] })).await?;
                paid = true;
            }
            _ => {}
        }
    }
}

/// What is paid by: a code for the demo's phone where the order allows one, else a page that can be approved.
async fn channel(to: &mut Backend, order: &Value) -> Result<Value, String> {
    let listed = to.call("list_channels", json!({ "order_id": order })).await?;
    let usable = |word: &&str| {
        let mut rows = listed["channels"].as_array().into_iter().flatten();
        rows.any(|row| row["channel"] == *word && row["bars"].as_array().is_some_and(Vec::is_empty))
    };
    let channel = ["wechatpay", "paypal"].into_iter().find(usable);
    channel.map(Value::from).ok_or_else(|| "no channel can be paid without a person".to_owned())
}

/// Approves on the consent page of the demo, while the running app waits for the way back.
fn approve(login: &Value) -> Result<(), String> {
    if login["status"] == "authenticated" {
        return Ok(());
    }
    let url: Url = login["url"].as_str().unwrap_or_default().parse().map_err(|_| "no address to open")?;
    Consenting.open(&url).map_err(|error| error.to_string())
}

/// For every segment and traveller the first free seat at a window, else the first free one.
async fn first_free_seats(to: &mut Backend, order: &Value, item: &Value) -> Result<Value, String> {
    let maps = to.call("get_seat_maps", json!({ "order_id": order, "item_id": item })).await?;
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

async fn pay(to: &Backend, code: &Value) -> Result<(), String> {
    let http = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let address = format!("{}/api/pay", to.phone());
    let answer = http.post(address).json(&json!({ "text": code })).send().await.map_err(|error| error.to_string())?;
    eprintln!("phone: {}", answer.status());
    Ok(())
}
