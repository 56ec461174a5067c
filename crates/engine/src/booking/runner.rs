//! Runs open orders: asks the domain what to do, does it, writes down how it ended, and asks again.
//!
//! Calls run beside each other; facts are written one at a time by the book. A call's intent is on disk before the call
//! begins; after a restart every open step is unknown and is looked up. Deliberately not here: what to do.

use super::{
    book::Book,
    calls::{Heard, Ports, Travellers},
};
use crate::store::orders;
use futures::FutureExt;
use std::{
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::{
        self, Read, Turn,
        pace::{Asked, Pace},
    },
    fault::{Fault, FaultCode},
    id::{AttemptId, OrderId, RefundId},
    order::{Fact, ItemState, Order, OrderItem, Source, StepEnd, StepKey},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{ListUpdates, PaymentState, UpdateContent, Updates},
    },
    time::UtcMicros,
};

/// What the runner shares with the calls it starts.
struct Shared {
    book: Arc<Book>,
    ports: Arc<Ports>,
    travellers: Arc<Travellers>,
    stop: CancellationToken,
}

/// What became of a fact.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    /// Somebody else changed the order meanwhile; what is wanted is decided anew.
    NoLongerFits,
    /// The store did not take it; it is still true.
    NotStored,
}

/// How long the store is left alone after it did not take a fact, e.g. because the disk is full.
const STORE_PAUSE: Duration = Duration::from_secs(2);

/// Hands orders to the runner.
#[derive(Clone)]
pub(crate) struct Handle {
    orders: mpsc::UnboundedSender<Wish>,
    clock_moved: Arc<Notify>,
}

impl Handle {
    /// Looks at an order soon.
    pub(crate) fn look(&self, order: OrderId) {
        // A closed channel means the engine is stopping; the order is found again at the next start.
        let _ = self.orders.send(Wish::Look(order));
    }

    /// Asks the channel about a payment at once, however recently it was asked.
    fn ask_now(&self, order: OrderId, attempt: AttemptId) {
        let _ = self.orders.send(Wish::AskAbout(order, attempt));
    }

    /// Looks at everything whose time has come, because the clock was moved.
    pub(crate) fn clock_moved(&self) {
        self.clock_moved.notify_one();
    }
}

/// What is wanted of the runner.
enum Wish {
    Look(OrderId),
    AskAbout(OrderId, AttemptId),
}

enum Ended {
    Read { order: OrderId, read: Read, heard: bool },
    Step { key: StepKey, retry: bool },
}

/// The runner's own state; lives in one task.
struct Runner {
    shared: Arc<Shared>,
    pace: Pace,
    running: BTreeSet<Asked>,
    due: HashMap<OrderId, UtcMicros>,
    ended: mpsc::UnboundedSender<Ended>,
    tracker: TaskTracker,
}

/// Starts the runner; it stops when `stop` is cancelled, after its running calls have been written down.
pub(crate) async fn start(
    book: Arc<Book>,
    ports: Arc<Ports>,
    travellers: Arc<Travellers>,
    wake: watch::Receiver<i64>,
    stop: CancellationToken,
    tracker: &TaskTracker,
) -> Result<Handle, Fault> {
    recover(&book).await?;
    let (orders_in, orders_out) = mpsc::unbounded_channel();
    for order in orders::open(book.db().reader()).await? {
        let _ = orders_in.send(Wish::Look(order));
    }
    let handle = Handle { orders: orders_in, clock_moved: Arc::new(Notify::new()) };
    let (ended, ended_out) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared { book, ports, travellers, stop: stop.clone() });
    let runner = Runner {
        shared: Arc::clone(&shared),
        pace: Pace::default(),
        running: BTreeSet::new(),
        due: HashMap::new(),
        ended,
        tracker: tracker.clone(),
    };
    tracker.spawn(runner.run(orders_out, ended_out, Arc::clone(&handle.clock_moved), stop));
    tracker.spawn(follow_gateway(shared, wake, handle.clone(), tracker.clone()));
    Ok(handle)
}

/// After a restart nobody knows how the steps that were open ended.
async fn recover(book: &Book) -> Result<(), Fault> {
    for id in orders::open(book.db().reader()).await? {
        let outcome = book.record(id, |order, _| Ok(booking::recover(order))).await;
        match outcome {
            Ok(_) => {}
            // One damaged order must not keep the others from going on.
            Err(fault) if matches!(fault.code, FaultCode::HistoryDamaged | FaultCode::NewerVersion) => {
                tracing::error!(order = %id, %fault, "this order is frozen");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

impl Runner {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Wish>,
        mut ended: mpsc::UnboundedReceiver<Ended>,
        clock_moved: Arc<Notify>,
        stop: CancellationToken,
    ) {
        loop {
            let sleep = self.until_due();
            let next = tokio::select! {
                () = stop.cancelled() => return,
                wish = orders.recv() => wish.map(|wish| vec![self.note_wish(wish)]),
                end = ended.recv() => end.map(|end| vec![self.note_end(end)]),
                () = clock_moved.notified() => Some(self.all_due()),
                () = tokio::time::sleep(sleep) => Some(self.all_due()),
            };
            let Some(next) = next else { return };
            for order in next {
                self.look(order).await;
            }
        }
    }

    fn until_due(&self) -> Duration {
        let now = self.shared.book.now();
        let micros = self.due.values().map(|at| at.0.saturating_sub(now.0).max(0)).min();
        // With nothing due the clock is still looked at once a minute, in case it was set.
        micros.map_or(Duration::from_secs(60), |micros| {
            Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(Duration::from_secs(60))
        })
    }

    fn all_due(&mut self) -> Vec<OrderId> {
        let now = self.shared.book.now();
        let due: Vec<OrderId> = self.due.iter().filter(|(_, at)| **at <= now).map(|(order, _)| *order).collect();
        due.iter().for_each(|order| {
            self.due.remove(order);
        });
        due
    }

    fn note_wish(&mut self, wish: Wish) -> OrderId {
        match wish {
            Wish::Look(order) => order,
            Wish::AskAbout(order, attempt) => {
                self.pace.done(&Asked::Read(order, Read::QueryPayment { attempt }));
                order
            }
        }
    }

    fn note_end(&mut self, end: Ended) -> OrderId {
        let now = self.shared.book.now();
        let (order, asked, again) = match end {
            Ended::Read { order, read, heard } => (order, Asked::Read(order, read), !heard),
            Ended::Step { key, retry } => (key.order, Asked::Step(key), retry),
        };
        self.running.remove(&asked);
        if again {
            self.pace.again(asked, now)
        } else {
            self.pace.done(&asked)
        }
        order
    }

    /// Does what the domain wants for one order, until it wants nothing that could be done at once.
    async fn look(&mut self, id: OrderId) {
        // Every recorded fact may change what is wanted; a domain that never settles must not spin for ever.
        for _ in 0..64 {
            let order = match self.shared.book.get(id).await {
                Ok(order) => order,
                Err(fault) => {
                    tracing::error!(order = %id, %fault, "an order cannot be read");
                    return;
                }
            };
            if !self.take_turn(&order).await {
                return;
            }
        }
        tracing::error!(order = %id, "an order does not settle");
    }

    /// Returns whether a fact was recorded, so that the order has to be looked at again.
    async fn take_turn(&mut self, order: &Order) -> bool {
        match booking::turn(order, self.shared.book.now(), &self.running, &self.pace) {
            Turn::Record(fact) => self.note(order.id, fact).await,
            Turn::DecideRefund { refund, attempt, amount } => {
                let refund = refund.unwrap_or_else(|| RefundId::from_ulid(self.shared.book.ids().ulid()));
                self.note(order.id, Fact::RefundDecided { refund, attempt, amount }).await
            }
            Turn::Start(key) => self.start_step(order, key).await,
            Turn::Wait { reads, at } => {
                reads.into_iter().for_each(|read| self.start_read(order, read));
                match at {
                    Some(at) => self.due.insert(order.id, at),
                    None => self.due.remove(&order.id),
                };
                false
            }
        }
    }

    /// Writes a fact; what could not be stored is decided again after a pause.
    async fn note(&mut self, id: OrderId, fact: Fact) -> bool {
        let written = write(&self.shared, id, fact).await;
        if written == Written::NotStored {
            let pause = i64::try_from(STORE_PAUSE.as_micros()).unwrap_or(i64::MAX);
            self.due.insert(id, self.shared.book.now().plus_micros(pause));
        }
        written == Written::Yes
    }

    fn start_read(&mut self, order: &Order, read: Read) {
        let asked = Asked::Read(order.id, read.clone());
        let tries = self.pace.tries(&asked);
        self.running.insert(asked);
        tracing::debug!(order = %order.id, ?read, "question begins");
        let (shared, ended, order) = (Arc::clone(&self.shared), self.ended.clone(), order.clone());
        self.tracker.spawn(async move {
            let id = order.id;
            let heard = contained(carry_out_read(&shared, &order, &read, tries)).await.unwrap_or(false);
            let _ = ended.send(Ended::Read { order: id, read, heard });
        });
    }

    /// Writes the intent, then calls. The intent is in the database before anything leaves this program.
    async fn start_step(&mut self, order: &Order, key: StepKey) -> bool {
        let asked = Asked::Step(key.clone());
        if !self.note(order.id, Fact::StepStarted { key: key.clone() }).await {
            self.pace.again(asked, self.shared.book.now());
            return false;
        }
        let Ok(order) = self.shared.book.get(order.id).await else { return false };
        tracing::debug!(order = %order.id, op = ?key.op, "step begins");
        self.running.insert(asked);
        let (shared, ended) = (Arc::clone(&self.shared), self.ended.clone());
        self.tracker.spawn(async move {
            let retry = carry_out_step(&shared, &order, &key).await;
            let _ = ended.send(Ended::Step { key, retry });
        });
        true
    }
}

/// A panic in an adapter is contained here: the call's outcome is then unknown, like any other lost answer.
async fn contained<T>(call: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(call).catch_unwind().await.ok()
}

/// Returns whether the question was answered.
async fn carry_out_read(shared: &Shared, order: &Order, read: &Read, tries: u32) -> bool {
    let now = shared.book.now();
    if let Read::LookUp { key } = read {
        return match shared.ports.look_up(order, key, tries, now).await {
            Some(end) => write(shared, order.id, Fact::StepEnded { key: key.clone(), end }).await == Written::Yes,
            None => false,
        };
    }
    match shared.ports.read(&shared.travellers, order, read, now).await {
        Heard::Fact(fact) => write(shared, order.id, *fact).await == Written::Yes,
        Heard::Later => false,
    }
}

/// Returns whether the same step should wait before it is done again.
async fn carry_out_step(shared: &Shared, order: &Order, key: &StepKey) -> bool {
    let panicked = || StepEnd::Unknown { reason: Reason::new(ReasonCode::ProviderFault, "the call panicked") };
    let end = contained(shared.ports.act(&shared.travellers, order, key)).await.unwrap_or_else(panicked);
    tracing::info!(order = %order.id, op = ?key.op, end = word(&end), "step");
    let retry = !matches!(end, StepEnd::Done { .. });
    // What happened out there is known only here until it is stored; a program that ends before asks for it again.
    while write(shared, order.id, Fact::StepEnded { key: key.clone(), end: end.clone() }).await == Written::NotStored {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = tokio::time::sleep(STORE_PAUSE) => {}
        }
    }
    retry
}

const fn word(end: &StepEnd) -> &'static str {
    match end {
        StepEnd::Done { .. } => "done",
        StepEnd::NotSent { .. } => "not sent",
        StepEnd::Declined { .. } => "declined",
        StepEnd::Unknown { .. } => "unknown",
    }
}

async fn write(shared: &Shared, id: OrderId, fact: Fact) -> Written {
    match shared.book.record(id, |_, _| Ok(vec![fact])).await {
        Ok(_) => Written::Yes,
        Err(fault) if fault.code == FaultCode::WrongState => {
            tracing::warn!(order = %id, %fault, "a fact no longer fits");
            Written::NoLongerFits
        }
        Err(fault) if matches!(fault.code, FaultCode::HistoryDamaged | FaultCode::NewerVersion) => {
            tracing::error!(order = %id, %fault, "this order is frozen");
            Written::NoLongerFits
        }
        Err(fault) => {
            tracing::error!(order = %id, %fault, "a fact could not be written");
            Written::NotStored
        }
    }
}

/// Applies what the gateway's notifications brought, from the stored cursor on: at the start and whenever it says so.
async fn follow_gateway(shared: Arc<Shared>, mut wake: watch::Receiver<i64>, handle: Handle, tracker: TaskTracker) {
    let stop = shared.stop.clone();
    loop {
        let applied = apply_updates(&shared, &handle, &tracker).await;
        if let Err(fault) = &applied {
            tracing::error!(%fault, "updates could not be applied");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = wake.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(STORE_PAUSE), if applied.is_err() => {}
        }
    }
}

async fn apply_updates(shared: &Arc<Shared>, handle: &Handle, tracker: &TaskTracker) -> Result<(), Fault> {
    let db = shared.book.db();
    loop {
        let after = crate::store::settings::gateway_cursor(db.reader()).await?;
        let batch: Result<Updates, Reason> = shared.ports.payments.read("listUpdates", &ListUpdates { after }).await;
        let updates = batch.map_err(|reason| Fault::new(FaultCode::ProviderUnavailable, reason.detail))?.updates;
        let Some(last) = updates.last().map(|update| update.cursor) else { return Ok(()) };
        for update in updates {
            apply_update(shared, handle, tracker, update.content).await?;
        }
        let mut tx = db.begin().await?;
        crate::store::settings::set_gateway_cursor(&mut tx, last).await?;
        db.commit(tx).await?;
    }
}

/// How often a supplier's booking is read again after a hint, while the supplier does not answer.
const REREADS_MAX: u32 = 6;

/// Reads a booked item again at its supplier, and writes down what is new.
async fn reread(shared: Arc<Shared>, handle: Handle, id: OrderId, supplier_order: String) {
    for tries in 0..REREADS_MAX {
        let Ok(order) = shared.book.get(id).await else { return };
        let booked = |item: &&OrderItem| {
            item.supplier_order.as_ref() == Some(&supplier_order) && ItemState::BOOKED.contains(&item.state)
        };
        let Some(item) = order.items.iter().find(booked).map(|item| item.wanted.id) else { return };
        match contained(shared.ports.reread(&order, item)).await {
            Some(Outcome::Done(None)) => return,
            Some(Outcome::Done(Some(fact))) => {
                if write(&shared, id, fact).await != Written::NotStored {
                    return handle.look(id);
                }
            }
            Some(Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason)) => {
                tracing::warn!(order = %id, ?reason, "a booking could not be read again");
            }
            None => tracing::error!(order = %id, "reading a booking again panicked"),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(STORE_PAUSE * 2_u32.pow(tries)) => {}
        }
    }
}

async fn apply_update(
    shared: &Arc<Shared>,
    handle: &Handle,
    tracker: &TaskTracker,
    content: UpdateContent,
) -> Result<(), Fault> {
    let reader = shared.book.db().reader();
    let (order, fact) = match content {
        UpdateContent::Payment { status } => (
            orders::of_attempt(reader, status.attempt_id).await?,
            Fact::PaymentReported { status, source: Source::Notification },
        ),
        UpdateContent::Refund { status } => (
            orders::of_refund(reader, status.refund_id).await?,
            Fact::RefundReported { status, source: Source::Notification },
        ),
        // A supplier's hint says that something changed, and not what.
        UpdateContent::FlightOrder { order_id: id } | UpdateContent::HotelBooking { booking_id: id } => {
            if let Some(order) = orders::of_supplier_order(reader, &id).await? {
                tracker.spawn(reread(Arc::clone(shared), handle.clone(), order, id));
            }
            return Ok(());
        }
    };
    let Some(order) = order else {
        tracing::warn!("an update about nothing we know");
        return Ok(());
    };
    let over = match &fact {
        Fact::PaymentReported { status, .. } => {
            matches!(status.state, PaymentState::Failed | PaymentState::Closed).then_some(status.attempt_id)
        }
        _ => None,
    };
    match over {
        // A notification alone does not end a payment; it is asked about at once.
        Some(attempt) => handle.ask_now(order, attempt),
        None => {
            if write(shared, order, fact).await == Written::NotStored {
                return Err(Fault::new(FaultCode::DiskFull, "an update could not be stored"));
            }
            handle.look(order);
        }
    }
    Ok(())
}
