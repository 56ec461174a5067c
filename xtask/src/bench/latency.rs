//! How long the two moments take that a traveller feels: from the wish to hold until the supplier is asked for the room at
//! its price (the search before it included), and from the channel's notification until the window has painted it.
//!
//! Read from what the parts log and the page's clock. Deliberately not here: a limit.

use super::driver::{Window, exchange};
use crate::shell::Failed;
use serde_json::{Value, json};
use std::{fs, path::Path};

const RUNS: usize = 9;
const DAY_US: u64 = 86_400_000_000;

/// A hotel alone: nothing to sign in to, no seat to choose.
const PLAN: &str = r#"{"format": "zhiyou-plan/1", "title": "bench", "destinations": ["Shanghai"], "starts_on": "+13d", "ends_on": "+15d",
    "budget": {"amount": "6000.00", "currency": "CNY"},
    "travellers": [{"key": "a", "display_name": "A", "title": "ms", "gender": "f", "given_name": "A", "family_name": "B", "born_on": "1992-03-14",
        "email": "a@example.com", "phone_number": "+8613800000000"}],
    "items": [{"key": "stay", "kind": "hotel", "priority": "must_have", "city": "Shanghai", "check_in": "+13d", "check_out": "+15d", "rooms": 1}]}"#;

/// In the page: prepares, confirms, and watches for the order's state to change; answers when the hold was wished for.
const PREPARE: &str = r#"const done = arguments[arguments.length - 1];
    const rpc = (name, payload) => window.__TAURI_INTERNALS__.invoke('rpc', { name, payload });
    const id = () => 'req_01' + Array.from({ length: 24 }, () => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Math.floor(Math.random() * 32)]).join('');
    const until = async (order_id, ready) => { for (;;) { const order = await rpc('get_order', { order_id }); if (ready(order)) return order;
        await new Promise((next) => setTimeout(next, 5)); } };
    (async () => {
        const plan = await rpc('import_plan', { text: arguments[0], request_id: id() });
        const wished = Date.now();
        let order = await rpc('prepare_order', { plan_id: plan.id, request_id: id() });
        order = await until(order.id, (order) => order.can.confirm);
        await rpc('confirm_order', { order_id: order.id, cart_hash: order.cart_hash, channel: 'wechatpay', request_id: id() });
        order = await until(order.id, (order) => order.payment?.qr?.content);
        location.hash = '#/order/' + order.id;
        const chip = () => document.querySelector('[data-testid=order-state]')?.dataset.state;
        while (chip() !== 'payment_pending') await new Promise((next) => setTimeout(next, 5));
        window.painted = new Promise((seen) => {
            const look = new MutationObserver(() => chip() !== 'payment_pending' &&
                (look.disconnect(), requestAnimationFrame(() => requestAnimationFrame(() => seen(Date.now())))));
            look.observe(document.body, { subtree: true, childList: true, attributes: true });
        });
        done({ wished, code: order.payment.qr.content });
    })().catch((error) => done({ error: JSON.stringify(error) }));"#;
const PAINTED: &str = "const done = arguments[0]; window.painted.then(done);";

/// Measures and prints medians.
pub(super) fn latency(binary: &Path, data: &Path, log: &Path) -> Result<(), Failed> {
    let window = Window::open(
        binary,
        &[("ZHIYOU_DATA_DIR", &data.display().to_string()), ("ZHIYOU_LOG", "zhiyou_engine=debug,zhiyou_gateway=debug")],
        Some(log),
    )?;
    window.until_shown("[data-testid=demo-band]")?;
    let phone = phone(data)?;
    let (mut asked, mut shown) = (Vec::new(), Vec::new());
    for _ in 0..=RUNS {
        let prepared = window.run(PREPARE, &json!([PLAN]))?;
        let code = prepared["code"].as_str().ok_or_else(|| Failed(format!("not prepared: {prepared}")))?;
        exchange(phone, "POST", "/api/pay", "", &json!({ "text": code }).to_string())?;
        let painted = of_day(&window.run(PAINTED, &json!([]))?)?;
        let text = fs::read_to_string(log).map_err(|error| Failed(error.to_string()))?;
        asked.push(last(&text, "question begins", "Quote {")?.saturating_sub(of_day(&prepared["wished"])?));
        shown.push(painted.saturating_sub(last(&text, "a notification arrived", "wechatpay")?));
    }
    window.close();
    for (what, mut times) in [("prepare to first hold request, ms", asked), ("notification to painted, ms", shown)] {
        // The first run fills caches.
        times.remove(0);
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or(0) / 1000;
        println!("{what:<34} {:>12} (from {} to {})", at(times.len() / 2), at(0), at(times.len() - 1));
    }
    Ok(())
}

/// Port of the sandbox's phone page.
fn phone(data: &Path) -> Result<u16, Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
    let text = fs::read(data.join("runtime.json")).map_err(|error| failed(&error))?;
    let runtime: Value = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    let bearer = format!("Authorization: Bearer {}\r\n", runtime["control_token"].as_str().unwrap_or_default());
    let announced = exchange(port(&runtime["control"])?, "GET", "/announcement", &bearer, "")?;
    port(&announced["phone"])
}

fn port(address: &Value) -> Result<u16, Failed> {
    let digits = address.as_str().and_then(|text| text.rsplit(':').next()).unwrap_or_default();
    digits.parse().map_err(|_| Failed(format!("no port in {address}")))
}

/// Microseconds of the day of a page's time, which is in milliseconds.
fn of_day(milliseconds: &Value) -> Result<u64, Failed> {
    milliseconds.as_u64().map(|ms| ms * 1000 % DAY_US).ok_or_else(|| Failed(format!("not a time: {milliseconds}")))
}

/// Microseconds of the day of the last line of the log with both words.
fn last(log: &str, event: &str, detail: &str) -> Result<u64, Failed> {
    let missing = || Failed(format!("no line in the log: {event}"));
    let line = log.lines().rev().find(|line| line.contains(event) && line.contains(detail)).ok_or_else(missing)?;
    let clock = line.split_once('T').and_then(|(_, rest)| rest.split_once('Z')).ok_or_else(missing)?.0;
    let number = |text: &str| text.parse::<u64>().map_err(|_| missing());
    let (seconds, micros) = clock.split_once('.').ok_or_else(missing)?;
    let parts = seconds.split(':').map(number).collect::<Result<Vec<u64>, Failed>>()?;
    Ok(parts.iter().fold(0, |sum, part| sum * 60 + part) * 1_000_000 + number(micros)?)
}
