//! Notifications: written to the book with the event they tell of, sent by one task, tried again on each provider's
//! schedule (on the sandbox's clock), and recorded try by try.
//!
//! Only loopback receivers are called; a delivery to any other address is recorded as never sent. Deliberately not here:
//! the bodies and signatures (each provider signs a fresh copy for every try).

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::rows::{Table, Wrong};
use crate::store::{Attempt, Book, Document, StoreError};
use crate::world::{Shared, World};
use crate::{alipay, alipayplus, duffel, paypal, stripe, wechatpay};

/// The kind deliveries are kept under.
pub(crate) const DELIVERY: &str = "delivery";

/// WeChat Pay tries again after 15 s, 15 s, 30 s, 3 min … for 24 h 4 min (payment-notice page).
const WECHATPAY_RETRY_S: [i64; 15] =
    [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600];
/// Duffel tries again for 72 h, each time twice as late.
const DUFFEL_RETRY_S: [i64; 12] = [60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 30_720, 61_440, 122_880];

/// How a notification can be treated besides playing a row before it.
const MODES: [&str; 5] = ["normal", "drop", "late", "duplicate", "corrupt"];

/// What a delivery does besides arriving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variant {
    /// As it should be.
    Genuine,
    /// The body was changed after signing.
    Corrupt,
    /// The signature is one the provider sends on purpose to see whether the receiver checks.
    Probe,
    /// Wrong in the way of this row of the table of faults.
    Row(&'static str),
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Corrupt => "corrupt",
            Self::Probe => "probe",
            Self::Row(row) => row,
        }
    }
}

/// Puts a notification into the book; it is sent once the transaction commits.
pub(crate) async fn enqueue(
    world: &World,
    book: &mut Book,
    provider: &str,
    about: &str,
    url: &str,
    body: &Value,
) -> Result<(), StoreError> {
    let plan = Plan::read(world, provider, body);
    if let Some(row) = plan.row {
        book.put(DELIVERY, &bad(world, provider, url, body, row).linked(about)).await?;
    }
    for copy in 0..plan.copies {
        let id = world.ids.uuid("delivery");
        let inner = json!({
            "provider": provider,
            "url": url,
            "tries": 0,
            "corrupt": i64::from(plan.corrupt),
            "probe": plan.probe && copy == 0,
        });
        let mut document = Document::new(id, body.clone(), inner).linked(about);
        document.due_us = plan.due_us;
        book.put(DELIVERY, &document).await?;
    }
    Ok(())
}

/// The one try of a row, under an event id of its own unless the row is about that.
fn bad(world: &World, provider: &str, url: &str, body: &Value, row: &'static str) -> Document {
    let mut body = body.clone();
    if !wrong(provider, row).is_some_and(|wrong| wrong.same_id) {
        for field in ["id", "notify_id"] {
            if body[field].is_string() {
                body[field] = json!(world.ids.uuid("event"));
            }
        }
    }
    let inner = json!({"provider": provider, "url": url, "tries": 0, "row": row});
    let mut document = Document::new(world.ids.uuid("delivery"), body, inner);
    document.due_us = Some(world.now_us());
    document
}

/// Whether a notification tells of money.
type OfMoney = fn(&Value) -> bool;

/// The rows a provider can play, and whether one of its notifications tells of money.
fn table(provider: &str) -> Option<(Table, OfMoney)> {
    Some(match provider {
        wechatpay::PROVIDER => (wechatpay::ROWS, wechatpay::is_of_money),
        alipay::PROVIDER => (alipay::ROWS, alipay::is_of_money),
        stripe::PROVIDER => (stripe::ROWS, stripe::is_of_money),
        paypal::PROVIDER => (paypal::ROWS, paypal::is_of_money),
        alipayplus::PROVIDER => (alipayplus::ROWS, alipayplus::is_of_money),
        _ => return None,
    })
}

fn wrong(provider: &str, row: &str) -> Option<&'static Wrong> {
    table(provider)?.0.iter().find(|(name, _)| *name == row).map(|(_, wrong)| wrong)
}

/// The name of a row as the provider's table has it.
pub(crate) fn row_of(provider: &str, row: &str) -> Option<&'static str> {
    table(provider)?.0.iter().map(|(name, _)| *name).find(|name| *name == row)
}

/// What is wrong with the parameters of the switch `notify`, if anything.
pub(crate) fn check(provider: &str, params: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| params.get(name).map(|value| value.as_str().unwrap_or_default());
    if let Some(mode) = text("mode")
        && !MODES.contains(&mode)
    {
        return Err(format!("mode is one of {}", MODES.join(", ")));
    }
    let Some(row) = text("row") else { return Ok(()) };
    let (table, _) = table(provider).ok_or_else(|| format!("{provider} has no rows"))?;
    if row_of(provider, row).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    Err(format!("{row} is no row that {provider} can play as a sender; it plays {}", names.join(", ")))
}

/// How the scenario wants the next notification treated.
struct Plan {
    /// The row that is played before it.
    row: Option<&'static str>,
    copies: u64,
    due_us: Option<i64>,
    corrupt: bool,
    probe: bool,
}

impl Plan {
    fn read(world: &World, provider: &str, body: &Value) -> Self {
        let params = world.switches.strike(provider, "notify").unwrap_or_default();
        let mode = params.get("mode").and_then(Value::as_str).unwrap_or("normal");
        let number = |names: [&str; 3]| names.iter().find_map(|name| params.get(*name)?.as_i64());
        let now_us = world.now_us();
        let late_us = number(["delay_ms", "n", "value"]).unwrap_or(60_000).saturating_mul(1000);
        let copies = u64::try_from(number(["copies", "n", "value"]).unwrap_or(2)).unwrap_or(2);
        let of_money = table(provider).is_some_and(|(_, is_of_money)| is_of_money(body));
        let row = params.get("row").and_then(Value::as_str);
        let held_back = row.is_some();
        Self {
            row: row.filter(|_| of_money).and_then(|row| row_of(provider, row)),
            copies: if mode == "duplicate" { copies } else { 1 },
            due_us: match mode {
                "drop" => None,
                _ if held_back => None,
                "late" => Some(now_us.saturating_add(late_us)),
                _ => Some(now_us),
            },
            corrupt: mode == "corrupt",
            probe: world.switches.strike(provider, "signature_probe").is_some(),
        }
    }
}

/// Sends the newest notification about something again, as it was or corrupted. False when there never was one.
pub(crate) async fn send_again(world: &World, about: &str, corrupt: bool) -> Result<bool, StoreError> {
    let mut book = world.book().await?;
    let Some(mut document) = book.linked(DELIVERY, about).await?.pop() else { return Ok(false) };
    document.due_us = Some(world.now_us());
    document.inner["corrupt"] = json!(i64::from(corrupt));
    // The first try may still be under way, and its probe with it: one is enough.
    document.inner["probe"] = json!(false);
    document.inner["tries"] = json!(0);
    document.inner["asked_again"] = json!(document.number("asked_again") + 1);
    book.put(DELIVERY, &document).await?;
    world.commit(book).await?;
    Ok(true)
}

/// Every delivery with all its tries, oldest first.
pub(crate) async fn list(world: &World) -> Result<Value, StoreError> {
    let mut book = world.book().await?;
    let (deliveries, attempts) = (book.all(DELIVERY).await?, book.attempts().await?);
    let tries = |id: &str| -> Vec<Value> {
        let mine = attempts.iter().filter(|attempt| attempt.delivery_id == id);
        mine.map(|attempt| json!({"at": crate::clock::utc(attempt.at_us), "variant": attempt.variant, "status": attempt.status}))
            .collect()
    };
    let kind = |delivery: &Document| {
        let names = ["event_type", "type", "notifyType"];
        names.iter().find_map(|name| delivery.wire[*name].as_str()).map(str::to_owned)
    };
    let view = deliveries.iter().map(|delivery| {
        json!({
            "id": delivery.text("id"),
            "provider": delivery.hidden("provider"),
            "about": delivery.link,
            "event_type": kind(delivery),
            "url": delivery.hidden("url"),
            "next_try_at": delivery.due_us.map(crate::clock::utc),
            "status": attempts.iter().rfind(|attempt| attempt.delivery_id == delivery.id).and_then(|attempt| attempt.status),
            "attempts": tries(&delivery.id),
        })
    });
    Ok(Value::Array(view.collect()))
}

/// Sends whatever is due, for ever.
pub(crate) async fn run(world: Shared, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match round(&world).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "the notifier could not read the book");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = world.doorbell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Settles and sends what is due; tells how long to rest.
async fn round(world: &Shared) -> Result<Duration, StoreError> {
    wechatpay::settle_refunds(world).await?;
    duffel::release_expired(world).await?;
    let settled = [
        alipay::settle(world).await?,
        stripe::settle(world).await?,
        paypal::settle(world).await?,
        alipayplus::settle(world).await?,
    ];
    let mut book = world.book().await?;
    let due = book.due(DELIVERY, world.now_us()).await?;
    drop(book);
    let mut sending = tokio::task::JoinSet::new();
    for delivery in due {
        let world = Arc::clone(world);
        sending.spawn(async move { deliver(&world, delivery).await });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(|error| StoreError::Io(std::io::Error::other(error)))??;
    }
    let mut book = world.book().await?;
    let mut next_us = settled.into_iter().flatten().min().unwrap_or(i64::MAX);
    for kind in [DELIVERY, wechatpay::REFUND, duffel::ORDER] {
        next_us = next_us.min(book.next_due(kind).await?.unwrap_or(i64::MAX));
    }
    let wait_us = next_us.saturating_sub(world.now_us()).clamp(1_000, 3_600_000_000);
    Ok(Duration::from_micros(wait_us.unsigned_abs()))
}

async fn deliver(world: &World, mut delivery: Document) -> Result<(), StoreError> {
    if let Some(row) = row_of(delivery.hidden("provider"), delivery.hidden("row")) {
        return play(world, delivery, row).await;
    }
    if delivery.inner["probe"] == json!(true) {
        delivery.inner["probe"] = json!(false);
        let status = send(world, &delivery, Variant::Probe).await.map(|(status, _)| status);
        let mut book = world.book().await?;
        record(world, &mut book, &delivery, Variant::Probe, status).await?;
        book.commit().await?;
    }
    let corrupt = delivery.number("corrupt");
    delivery.inner["corrupt"] = json!((corrupt - 1).max(0));
    let variant = if corrupt > 0 { Variant::Corrupt } else { Variant::Genuine };
    let status = send(world, &delivery, variant).await;
    let next_us = next_try(world, &delivery, status.is_some_and(|(_, taken)| taken));
    let status = status.map(|(status, _)| status);
    delivery.inner["tries"] = json!(delivery.number("tries") + 1);
    let mut book = world.book().await?;
    record(world, &mut book, &delivery, variant, status).await?;
    // Somebody may have asked for it again while this try was under way: then it is still due.
    let stored = book.get(DELIVERY, &delivery.id).await?;
    if stored.is_some_and(|stored| stored.number("asked_again") == delivery.number("asked_again")) {
        delivery.due_us = next_us;
        book.put(DELIVERY, &delivery).await?;
    }
    book.commit().await
}

/// Sends the one try of a row.
async fn play(world: &World, mut delivery: Document, row: &'static str) -> Result<(), StoreError> {
    let variant = Variant::Row(row);
    let status = send(world, &delivery, variant).await.map(|(status, _)| status);
    delivery.due_us = None;
    let mut book = world.book().await?;
    record(world, &mut book, &delivery, variant, status).await?;
    book.put(DELIVERY, &delivery).await?;
    book.commit().await
}

/// When the provider would try again; none after it was taken and at the end of its patience.
fn next_try(world: &World, delivery: &Document, taken: bool) -> Option<i64> {
    if taken {
        return None;
    }
    let schedule: &[i64] = match delivery.hidden("provider") {
        "wechatpay" => &WECHATPAY_RETRY_S,
        alipay::PROVIDER => &alipay::RETRY_S,
        stripe::PROVIDER => &stripe::RETRY_S,
        paypal::PROVIDER => &paypal::RETRY_S,
        alipayplus::PROVIDER => &alipayplus::RETRY_S,
        _ => &DUFFEL_RETRY_S,
    };
    let wait_s = schedule.get(usize::try_from(delivery.number("tries")).ok()?)?;
    Some(world.now_us().saturating_add(wait_s * 1_000_000))
}

async fn record(
    world: &World,
    book: &mut Book,
    delivery: &Document,
    variant: Variant,
    status: Option<i64>,
) -> Result<(), StoreError> {
    let attempt =
        Attempt { delivery_id: delivery.id.clone(), at_us: world.now_us(), variant: variant.name().to_owned(), status };
    book.record_attempt(&attempt).await
}

/// The receiver's HTTP status and whether that means it was taken; none when it could not be reached or is no loopback
/// address.
async fn send(world: &World, delivery: &Document, variant: Variant) -> Option<(i64, bool)> {
    let url = url::Url::parse(delivery.hidden("url")).ok().filter(is_loopback)?;
    let (headers, body) = message(world, delivery, variant)?;
    let answer = world.http.post(url).headers(headers).body(body).send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap_or_default();
    let taken = match delivery.hidden("provider") {
        alipay::PROVIDER => alipay::taken(status, &text),
        stripe::PROVIDER => stripe::taken(status, &text),
        paypal::PROVIDER => paypal::taken(status, &text),
        alipayplus::PROVIDER => alipayplus::taken(status, &text),
        _ => (200..300).contains(&status),
    };
    Some((i64::from(status), taken))
}

fn message(world: &World, delivery: &Document, variant: Variant) -> Option<(HeaderMap, String)> {
    match delivery.hidden("provider") {
        alipay::PROVIDER => return alipay::notification(world, &delivery.wire, variant),
        stripe::PROVIDER => return stripe::notification(world, &delivery.wire, variant),
        paypal::PROVIDER => return paypal::notification(world, &delivery.wire, variant),
        alipayplus::PROVIDER => {
            return alipayplus::notification(world, delivery.hidden("url"), &delivery.wire, variant);
        }
        wechatpay::PROVIDER => return wechatpay::notification(world, &delivery.wire, variant),
        _ => {}
    }
    let body = delivery.wire.to_string();
    let headers = duffel::notification_headers(world, &body)?;
    Some((headers, if variant == Variant::Corrupt { tampered(&body) } else { body }))
}

/// The same JSON with one value changed, so that only a signature check can tell.
pub(crate) fn tampered(body: &str) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap_or_default();
    value["create_time"] = json!("2020-01-01T00:00:00+08:00");
    value.to_string()
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
