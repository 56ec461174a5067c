//! Orders through the runner, from creation to "confirmed", with instant suppliers: what the engine itself costs.
//!
//! A closed loop: as many orders at once as the concurrency says. Deliberately not here: providers' time.

use crate::instant::{Instant, Machine, fresh, now, order};
use std::{
    collections::HashMap,
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant as Moment},
};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::pay_by,
    fault::{Fault, FaultCode},
    id::{AttemptId, OrderId},
    order::{Fact, Order, OrderState, PaymentPart, cart},
    port::payments::Channel,
    time::UtcMicros,
};
use zhiyou_engine::{
    Ids,
    booking::{book::Book, runner, steps::Steps},
    ports::Clock,
    store::{Db, changes, group::SqlJournal},
};

/// A store, a book and a runner on a folder.
pub(crate) struct Engine {
    pub(crate) db: Db,
    pub(crate) journal: SqlJournal,
    pub(crate) book: Arc<Book>,
    pub(crate) runner: runner::Handle,
    stop: CancellationToken,
    tracker: TaskTracker,
    // The merchant side never wakes this one.
    _wake: watch::Sender<i64>,
}

impl Engine {
    pub(crate) async fn start(folder: &Path, steps: Arc<dyn Steps>) -> Result<Self, Box<dyn Error>> {
        let db = Db::open(folder).await?;
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let journal = SqlJournal::new(db.clone(), folder.to_owned());
        let ids = Ids::new(Arc::clone(&clock));
        let book = Arc::new(Book::open(db.clone(), journal.clone(), clock, ids).await?);
        let (wake, woken) = watch::channel(0);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let (runner, _) = runner::start(Arc::clone(&book), steps, woken, stop.clone(), &tracker).await?;
        Ok(Self { db, journal, book, runner, stop, tracker, _wake: wake })
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.db.close().await;
    }
}

/// What one round gave.
pub(crate) struct Round {
    pub(crate) orders: u64,
    pub(crate) took: Duration,
    /// One per order, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Appends and the transactions they shared.
    pub(crate) appends: u64,
    pub(crate) commits: u64,
}

impl Round {
    pub(crate) fn per_second(&self) -> u64 {
        self.orders * 1_000_000 / u64::try_from(self.took.as_micros()).unwrap_or(1).max(1)
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = self.latencies.len() * percent / 100;
        self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Wakes whoever waits for an order, from the change feed, as the interface does.
type Waiters = Arc<Mutex<HashMap<String, Arc<Notify>>>>;

async fn dispatch(db: Db, waiters: Waiters) {
    let mut doorbell = db.doorbell();
    let mut cursor = *doorbell.borrow_and_update();
    while doorbell.changed().await.is_ok() {
        doorbell.borrow_and_update();
        while let Ok(batch) = changes::after(db.reader(), cursor, 4_096).await {
            let Some(last) = batch.last().map(|change| change.cursor) else { break };
            cursor = last;
            if let Ok(waiters) = waiters.lock() {
                batch.iter().filter_map(|change| waiters.get(&change.id)).for_each(|waiter| waiter.notify_one());
            }
        }
    }
}

/// Runs `orders` orders of `items` hotels, `width` at a time.
pub(crate) async fn round(engine: &Engine, items: usize, width: u64, orders: u64) -> Result<Round, Box<dyn Error>> {
    let waiters: Waiters = Arc::default();
    let dispatcher = tokio::spawn(dispatch(engine.db.clone(), Arc::clone(&waiters)));
    let (appends, commits, began) = (engine.journal.appends(), engine.journal.commits(), Moment::now());
    let lanes = (0..width).map(|_| {
        let (book, runner, waiters) = (Arc::clone(&engine.book), engine.runner.clone(), Arc::clone(&waiters));
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            for _ in 0..orders / width {
                latencies.push(one(&book, &runner, &waiters, items).await?);
            }
            Ok::<_, Fault>(latencies)
        })
    });
    let mut latencies = Vec::new();
    for lane in futures::future::join_all(lanes).await {
        latencies.extend(lane??);
    }
    let took = began.elapsed();
    dispatcher.abort();
    latencies.sort_unstable();
    let (appends, commits) = (engine.journal.appends() - appends, engine.journal.commits() - commits);
    Ok(Round { orders: orders / width * width, took, latencies, appends, commits })
}

async fn one(book: &Book, runner: &runner::Handle, waiters: &Waiters, items: usize) -> Result<Duration, Fault> {
    let began = Moment::now();
    let new = order(items);
    let (id, waiter) = (new.id, Arc::new(Notify::new()));
    if let Ok(mut waiters) = waiters.lock() {
        waiters.insert(id.to_string(), Arc::clone(&waiter));
    }
    book.create(new, &[], None).await?;
    runner.look(id);
    until(book, id, &waiter, cart::is_complete).await?;
    book.record(id, confirmation).await?;
    runner.look(id);
    until(book, id, &waiter, |order| order.state == OrderState::Confirmed).await?;
    if let Ok(mut waiters) = waiters.lock() {
        waiters.remove(&id.to_string());
    }
    Ok(began.elapsed())
}

async fn until(book: &Book, id: OrderId, waiter: &Notify, wanted: impl Fn(&Order) -> bool) -> Result<(), Fault> {
    while !wanted(&*book.get(id).await?) {
        waiter.notified().await;
    }
    Ok(())
}

pub(crate) fn confirmation(order: &Order, now: UtcMicros) -> Result<Vec<Fact>, Fault> {
    let wrong = |what: &str| Fault::new(FaultCode::WrongState, what);
    Ok(vec![Fact::Confirmed {
        cart_hash: cart::hash(order).ok_or_else(|| wrong("not complete"))?,
        total: cart::total(order).map_err(|error| wrong(&error.to_string()))?,
        parts: vec![PaymentPart::new(
            AttemptId::from_ulid(fresh()),
            Channel::Wechatpay,
            cart::total(order).map_err(|error| wrong(&error.to_string()))?,
        )],
        pay_by: pay_by(order, now).ok_or_else(|| wrong("too late"))?,
    }])
}

/// The journal of one order that was booked, for the bare writer.
pub(crate) async fn sample(engine: &Engine, items: usize) -> Result<(OrderId, Vec<(UtcMicros, Fact)>), Box<dyn Error>> {
    let waiters: Waiters = Arc::default();
    let dispatcher = tokio::spawn(dispatch(engine.db.clone(), Arc::clone(&waiters)));
    let before = now();
    one(&engine.book, &engine.runner, &waiters, items).await?;
    dispatcher.abort();
    for id in zhiyou_engine::store::journal::orders(engine.db.reader()).await? {
        let facts = zhiyou_engine::store::journal::read(engine.db.reader(), id).await?;
        if facts.first().is_some_and(|(at, _)| *at >= before) {
            return Ok((id, facts));
        }
    }
    Err("the order is gone".into())
}

pub(crate) const fn instant() -> Instant {
    Instant::new()
}
