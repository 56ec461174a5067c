//! Ten thousand orders: starting again with all of them open, and reading among them.
//!
//! Deliberately not here: writing speed (see [`crate::saga`]).

use crate::{
    headless::{Keys, NoBrowser},
    instant::{Instant, booked, fresh, now, order, quote, rate},
    saga::{Engine, confirmation, instant},
};
use futures::{StreamExt, stream};
use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant as Moment},
};
use tokio::sync::mpsc;
use zhiyou_domain::{
    booking::decide,
    driver::{Append, Appended, Journal},
    id::{OrderId, RequestId},
    order::{Fact, Op, Order, Source, StepEnd, StepKey, StepResult},
    port::payments::{PaymentAction, PaymentIntent, PaymentState, PaymentStatus},
    time::UtcMicros,
};
use zhiyou_embedded::{Embedded, Options};
use zhiyou_engine::{
    booking::book::Book,
    store::{Db, group::SqlJournal},
};

/// Orders in the store.
const ORDERS: usize = 10_000;
/// Written at the same time while the store is filled.
const WIDTH: usize = 256;

/// The store alone: the same facts, appended as many at a time, with nobody who decides, calls or listens. What this
/// reaches of a bare writer is what sqlx, the chain and the snapshots leave of it.
pub(crate) async fn store_alone(
    folder: &Path,
    items: usize,
    appends: usize,
    (width, orders): (u64, u64),
) -> Result<u64, Box<dyn Error>> {
    let db = Db::open(folder).await?;
    let mut journal = SqlJournal::new(db.clone(), folder.to_owned());
    let (fence, at) = (journal.claim(now()).await?, now());
    let mut lives = Vec::new();
    for _ in 0..orders {
        let created = Fact::Created { order: Box::new(order(items)) };
        let facts = life(&Order::create(at, &created)?, at, true)?;
        let length = facts.len().div_ceil(appends.saturating_sub(1).max(1));
        lives.push((created, facts.chunks(length).map(<[Fact]>::to_vec).collect::<Vec<_>>()));
    }
    let began = Moment::now();
    let per_lane = usize::try_from(orders / width)?;
    let lanes = lives.chunks(per_lane.max(1)).map(|lives| {
        let (mut journal, lives) = (journal.clone(), lives.to_vec());
        tokio::spawn(async move {
            for (created, parts) in lives {
                let first = Append::create(at, vec![created], None).map_err(|illegal| illegal.to_string())?;
                let mut written = journal.append(fence, first).await;
                for part in parts {
                    let Ok(Appended::Written(kept)) = written else { return Err("an append was refused".to_owned()) };
                    let next = Append::facts(&kept, at, part, None).map_err(|illegal| illegal.to_string())?;
                    written = journal.append(fence, next).await;
                }
                written.map_err(|refused| refused.to_string())?;
            }
            Ok(())
        })
    });
    for lane in futures::future::join_all(lanes).await {
        lane??;
    }
    let took = u64::try_from(began.elapsed().as_micros())?.max(1);
    db.close().await;
    Ok(orders * 1_000_000 / took)
}

/// The facts that follow a creation until money is asked for, or until everything is booked.
fn life(order: &Order, now: UtcMicros, to_the_end: bool) -> Result<Vec<Fact>, Box<dyn Error>> {
    let (mut order, mut facts) = (order.clone(), Vec::new());
    let mut take = |order: &mut Order, fact: Fact| -> Result<(), Box<dyn Error>> {
        *order = order.apply(now, &fact)?;
        facts.push(fact);
        Ok(())
    };
    let items: Vec<_> = order.items.iter().map(|item| item.wanted.id).collect();
    for item in &items {
        take(&mut order, Fact::OfferFound { item: *item, offer: Box::new(rate(now)) })?;
        take(&mut order, Fact::Quoted { item: *item, quote: quote(now) })?;
    }
    for fact in confirmation(&order, now)? {
        take(&mut order, fact)?;
    }
    let attempt = order.attempts.first().map(|attempt| (attempt.id, attempt.amount, attempt.pay_by));
    let Some((attempt, amount, pay_by)) = attempt else { return Err("no attempt".into()) };
    let open = StepKey { order: order.id, op: Op::OpenPayment { attempt }, n: 1 };
    take(&mut order, Fact::StepStarted { key: open.clone() })?;
    if !to_the_end {
        return Ok(facts);
    }
    let action = PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=abcdefg".to_owned() };
    let opened = PaymentIntent { attempt_id: attempt, action, expires_at_us: pay_by };
    let done = |result| StepEnd::Done { result };
    take(&mut order, Fact::StepEnded { key: open, end: done(StepResult::PaymentOpened(opened)) })?;
    let status = PaymentStatus {
        attempt_id: attempt,
        state: PaymentState::Captured,
        transaction_id: Some("4200001234202611210000000001".to_owned()),
        captured: Some(amount),
        paid_at_us: Some(now),
    };
    take(&mut order, Fact::PaymentReported { status, source: Source::Poll })?;
    for item in items {
        let key = StepKey { order: order.id, op: Op::Commit { item }, n: 1 };
        take(&mut order, Fact::StepStarted { key: key.clone() })?;
        take(&mut order, Fact::StepEnded { key, end: done(StepResult::Booking(booked(item))) })?;
    }
    take(&mut order, Fact::BookingFinished)?;
    Ok(facts)
}

async fn fill(book: &Arc<Book>, to_the_end: bool) -> Result<Vec<OrderId>, Box<dyn Error>> {
    let one = |_| {
        let book = Arc::clone(book);
        async move {
            let order = book.create(order(6), &[], None).await.map_err(|fault| fault.to_string())?;
            let fault = |error: &dyn std::fmt::Display| {
                zhiyou_domain::fault::Fault::new(zhiyou_domain::fault::FaultCode::Internal, error.to_string())
            };
            let facts = |order: &Order, now| life(order, now, to_the_end).map_err(|error| fault(&error));
            book.record(order.id, facts).await.map(|order| order.id).map_err(|fault| fault.to_string())
        }
    };
    let filled: Vec<Result<OrderId, String>> = stream::iter(0..ORDERS).map(one).buffer_unordered(WIDTH).collect().await;
    Ok(filled.into_iter().collect::<Result<_, _>>()?)
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Starts on 10,000 open orders, each with a step whose end is not known, until every one was looked up.
pub(crate) async fn recovery(folder: &Path) -> Result<(), Box<dyn Error>> {
    let filling = Engine::start(folder, Arc::new(Instant { silent: true, ..instant() })).await?;
    fill(&filling.book, false).await?;
    filling.stop().await;
    let (heard, mut looked_up) = mpsc::unbounded_channel();
    let steps = Instant { silent: true, looked_up: Mutex::new(Some(heard)) };
    let (before, began) = (resident_kb(), Moment::now());
    let engine = Engine::start(folder, Arc::new(steps)).await?;
    let mut known = BTreeSet::new();
    while known.len() < ORDERS {
        let Some(order) = looked_up.recv().await else { return Err("the runner stopped".into()) };
        known.insert(order);
    }
    println!(
        "recovery of {ORDERS} open orders      {:>9} ms until every open step was being looked up (aim 10000)",
        began.elapsed().as_millis()
    );
    println!("memory for {ORDERS} open orders        {:>9} kB more than before", resident_kb().saturating_sub(before));
    engine.stop().await;
    Ok(())
}

/// Every list and read of the API with 10,000 booked orders, the 95th percentile of 60 calls each.
pub(crate) async fn reads(folder: &Path) -> Result<(), Box<dyn Error>> {
    let filling = Engine::start(folder, Arc::new(instant())).await?;
    let orders = fill(&filling.book, true).await?;
    filling.stop().await;
    let options = Options {
        data_dir: folder.to_owned(),
        sandbox_url: None,
        account: zhiyou_embedded::AccountCurrency::default(),
        browser: Arc::new(NoBrowser),
        keys: Arc::new(Keys::default()),
    };
    let app = Embedded::start(options).await?;
    let engine = app.engine();
    let sample = serde_json::json!({ "locale": "en", "request_id": RequestId::from_ulid(fresh()).to_string() });
    let plan = engine.dispatch("import_sample", sample).await?;
    let middle = orders.get(ORDERS / 2).map(ToString::to_string).unwrap_or_default();
    let before = now().plus_minutes(-1).0;
    for (command, payload) in [
        ("list_orders", serde_json::json!({})),
        ("list_orders", serde_json::json!({ "before_us": before })),
        ("get_order", serde_json::json!({ "order_id": middle })),
        ("changes", serde_json::json!({ "after": 15_000 })),
        ("list_plans", serde_json::json!({})),
        ("get_plan", serde_json::json!({ "plan_id": plan["id"] })),
        ("get_session", serde_json::json!({})),
        ("list_sign_ins", serde_json::json!({ "plan_id": null })),
    ] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..60 {
            let began = Moment::now();
            let answer = engine.dispatch(command, payload.clone()).await?;
            bytes = answer.to_string().len();
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let p95 = times.get(57).copied().unwrap_or_default();
        println!("{command:<14} with {ORDERS} orders  p95 {:>9} us, {bytes} bytes (aim 100000 us)", p95.as_micros());
    }
    app.stop().await;
    Ok(())
}

/// One decision about an order with 20 items, in each of its states.
pub(crate) fn decisions() -> Result<(), Box<dyn Error>> {
    let now = now();
    let created = Fact::Created { order: Box::new(order(20)) };
    let mut order = Order::create(now, &created)?;
    let facts = life(&order, now, true)?;
    let mut worst = (Duration::ZERO, "");
    let mut seen = BTreeSet::new();
    for fact in std::iter::once(None).chain(facts.iter().map(Some)) {
        if let Some(fact) = fact {
            order = order.apply(now, fact)?;
        }
        if !seen.insert((order.state.word(), order.open_steps.len())) {
            continue;
        }
        let began = Moment::now();
        for _ in 0..1_000 {
            std::hint::black_box(decide(std::hint::black_box(&order), now));
        }
        let each = began.elapsed() / 1_000;
        if each > worst.0 {
            worst = (each, order.state.word());
        }
    }
    println!("decide, 20 items, slowest state      {:>9} ns ({}; aim 50000)", worst.0.as_nanos(), worst.1);
    Ok(())
}
