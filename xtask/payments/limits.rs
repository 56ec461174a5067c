//! T1, T2, T4, T5 and T6: payments opened, asked about and paid, so many at once, through the commands a window sends, with the
//! channel answering after 300 ms.
//!
//! T5 is measured from the moment the payer is told that it is paid, which is before the notification leaves the channel, to the
//! moment the window has the changed order: more than what is limited. Refusals by the payer's bank are no technical failure;
//! nobody here refuses. Deliberately not here: what the numbers should be on another machine.

use crate::{
    headless::{Keys, NoBrowser},
    percentile,
    screen::Screen,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use ulid::Ulid;
use zhiyou_embedded::{Embedded, Options};
use zhiyou_sandbox::Announcement;

/// How long the channel takes to answer anything.
const LATENCY_MS: u64 = 300;
const PLAN: &str = r#"{
  "format": "zhiyou-plan/1", "title": "One night", "destinations": ["Shanghai"], "starts_on": "+13d", "ends_on": "+14d",
  "budget": { "amount": "6000.00", "currency": "CNY" },
  "travellers": [{
    "key": "xia", "display_name": "Lin Xia", "title": "ms", "gender": "f", "given_name": "Xia", "family_name": "Lin",
    "born_on": "1992-03-14", "email": "xia.lin@example.com", "phone_number": "+8613800000000"
  }],
  "items": [{
    "key": "stay", "kind": "hotel", "city": "Shanghai", "check_in": "+13d", "check_out": "+14d", "rooms": 1,
    "price": { "amount": "1800.00", "currency": "CNY" }
  }]
}"#;

/// What became of all payments.
#[derive(Default)]
struct Seen {
    created: Vec<Duration>,
    asked: Vec<Duration>,
    shown: Vec<Duration>,
    not_created: usize,
    not_answered: usize,
    not_captured: usize,
}

/// One traveller in front of the window.
struct Traveller<'a> {
    screen: &'a Screen,
    http: &'a reqwest::Client,
    phone: &'a str,
}

fn request_id() -> String {
    format!("req_{}", Ulid::generate())
}

fn id_of(order: &Value) -> &str {
    order["id"].as_str().unwrap_or_default()
}

impl Traveller<'_> {
    /// An order that waits for its confirmation.
    async fn prepare(&self) -> Result<Value, Box<dyn Error>> {
        let plan = self.screen.ask("import_plan", json!({ "text": PLAN, "request_id": request_id() })).await?;
        let wish = json!({ "plan_id": plan["id"], "request_id": request_id() });
        let order = self.screen.ask("prepare_order", wish).await?;
        let ready = self.screen.until(id_of(&order), |order| order["next"]["kind"] == "confirm").await;
        ready.ok_or_else(|| "an order was never ready to be confirmed".into())
    }

    /// Confirms; answers the order with its code to scan and how long that took.
    async fn create(&self, order: &Value) -> Option<(Value, Duration)> {
        let began = Instant::now();
        let wish = json!({
            "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay", "request_id": request_id(),
        });
        self.screen.ask("confirm_order", wish).await.ok()?;
        let shown = |order: &Value| order["payment"]["qr"]["content"].is_string();
        Some((self.screen.until(id_of(order), shown).await?, began.elapsed()))
    }

    async fn query(&self, order: &Value) -> Option<Duration> {
        let began = Instant::now();
        self.screen.ask("check_payment", json!({ "order_id": order["id"] })).await.ok()?;
        Some(began.elapsed())
    }

    /// Pays with the phone; answers how long after that the window showed it.
    async fn pay(&self, order: &Value) -> Option<Duration> {
        let code = json!({ "text": order["payment"]["qr"]["content"] });
        let told = self.http.post(format!("{}/api/pay", self.phone)).json(&code).send().await.ok()?;
        if !told.status().is_success() {
            return None;
        }
        let began = Instant::now();
        let paid = |order: &Value| order["money"]["paid"]["amount"]["amount_minor"].as_i64().unwrap_or(0) > 0;
        self.screen.until(id_of(order), paid).await?;
        Some(began.elapsed())
    }
}

async fn latency(http: &reqwest::Client, sandbox: &Announcement, ms: u64) -> Result<(), Box<dyn Error>> {
    let rule = json!({ "provider": "wechatpay", "switch": "latency_ms", "value": ms });
    let request = http.post(format!("{}/scenario", sandbox.control)).bearer_auth(&sandbox.control_token);
    request.json(&rule).send().await?.error_for_status()?;
    Ok(())
}

/// Runs `count` payments, `width` at once, and prints pass or fail; whether all passed.
pub(crate) async fn run(folder: &Path, count: usize, width: usize) -> Result<bool, Box<dyn Error>> {
    let options = Options {
        data_dir: folder.to_owned(),
        sandbox_url: None,
        account: zhiyou_embedded::AccountCurrency::default(),
        browser: Arc::new(NoBrowser),
        keys: Arc::new(Keys::default()),
    };
    let app = Embedded::start(options).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let screen = Screen::open(app.engine());
    latency(&http, app.announcement(), LATENCY_MS).await?;
    let traveller = Traveller { screen: &screen, http: &http, phone: &app.announcement().phone };
    let mut seen = Seen::default();
    let mut left = count;
    while left > 0 {
        let batch = width.min(left);
        left -= batch;
        round(&traveller, batch, &mut seen).await?;
    }
    screen.close();
    app.stop().await;
    Ok(judge(&mut seen, count, width))
}

/// A batch goes through every phase together, so that each is done by all at once.
async fn round(traveller: &Traveller<'_>, batch: usize, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
    let prepared: Vec<_> = stream::iter(0..batch).map(|_| traveller.prepare()).buffer_unordered(batch).collect().await;
    let prepared = prepared.into_iter().collect::<Result<Vec<Value>, _>>()?;
    let creating = stream::iter(&prepared).map(|order| traveller.create(order)).buffer_unordered(batch);
    let mut open = Vec::new();
    for created in creating.collect::<Vec<_>>().await {
        match created {
            Some((order, took)) => {
                seen.created.push(took);
                open.push(order);
            }
            None => seen.not_created += 1,
        }
    }
    let asking = stream::iter(&open).map(|order| traveller.query(order)).buffer_unordered(batch);
    for asked in asking.collect::<Vec<_>>().await {
        match asked {
            Some(took) => seen.asked.push(took),
            None => seen.not_answered += 1,
        }
    }
    let paying = stream::iter(&open).map(|order| traveller.pay(order)).buffer_unordered(batch);
    for paid in paying.collect::<Vec<_>>().await {
        match paid {
            Some(took) => seen.shown.push(took),
            None => seen.not_captured += 1,
        }
    }
    Ok(())
}

/// What is asked of a number.
fn told(name: &str, what: &str, kept: bool) -> bool {
    println!("{name}  {what}: {}", if kept { "pass" } else { "FAIL" });
    kept
}

fn judge(seen: &mut Seen, count: usize, width: usize) -> bool {
    println!("{count} payments, {width} at once, the channel answers after {LATENCY_MS} ms");
    let within = |name: &str, what: &str, times: &mut Vec<Duration>, lost: usize, limit_ms: u128| {
        let p95 = percentile(times, 95).as_millis();
        let kept = lost == 0 && !times.is_empty() && p95 < limit_ms;
        told(name, &format!("{what}, p95 {p95} ms of {limit_ms}, {lost} without an end"), kept)
    };
    let above = |name: &str, what: &str, (good, bad): (usize, usize), (percent, or_just): (usize, bool)| {
        let (all, word) = (good + bad, if or_just { "at least" } else { "more than" });
        let kept = good * 100 > percent * all || (or_just && all > 0 && good * 100 == percent * all);
        told(name, &format!("{what}, {good} of {all}, {word} {percent}%"), kept)
    };
    let (created, shown) = (seen.created.len(), seen.shown.len());
    let failed = seen.not_created + seen.not_captured;
    let results = [
        within("T1", "status query", &mut seen.asked, seen.not_answered, 2_000),
        above("T2", "payments opened", (created, seen.not_created), (95, false)),
        above("T4", "captured, first version", (shown, failed), (95, true)),
        above("T4", "captured, at launch", (shown, failed), (98, false)),
        above("T4", "captured, in production", (shown, failed), (99, false)),
        within("T5", "paid to shown", &mut seen.shown, seen.not_captured, 2_000),
        within("T6", "payment opened", &mut seen.created, seen.not_created, 3_000),
    ];
    results.into_iter().all(|kept| kept)
}
