//! Runs open orders: asks the domain what to do, writes it down, does it, and takes in how it ended.
//!
//! One task keeps the books of what is under way; turns and calls are tasks of their own, so that orders do not wait for
//! each other and their commits share a sync of the disk. An order has one turn at a time: what comes in meanwhile waits for
//! the next one. A call's intent is on disk before the call begins; whoever takes an order over from a program that ended
//! looks its open steps up. Deliberately not here: what to do, and how a call is made.

use super::{book::Book, questions::Questions, steps::Steps, updates::Follower};
use crate::store::orders;
use futures::FutureExt;
use std::{
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::{
        self, Read,
        pace::{Asked, Pace},
    },
    driver::{Append, Due, Refused},
    fault::Fault,
    id::{OrderId, RefundId},
    order::{Fact, Order, StepEnd, StepKey},
    port::{Reason, ReasonCode},
    time::UtcMicros,
};

/// How long the store is left alone after it did not take a fact, e.g. because the disk is full.
const STORE_PAUSE_S: i64 = 2;
/// With nothing due the clock is still looked at so often, in case it was set or the machine slept.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);
/// How long an answer may wait for others that are on their way, microseconds. Outcomes of steps never wait.
const GATHER_US: i64 = 3_000;
/// Turns at the same time; more would only hold more orders in memory.
const TURNS_MAX: usize = 256;

/// What the runner shares with the tasks it starts.
struct Shared {
    book: Arc<Book>,
    steps: Arc<dyn Steps>,
    turns: Semaphore,
}

/// Hands orders to the runner.
#[derive(Clone)]
pub struct Handle {
    wishes: mpsc::UnboundedSender<Wish>,
}

/// What is wanted of the runner.
enum Wish {
    Look(OrderId),
    ClockMoved,
}

impl Handle {
    /// Looks at an order soon.
    pub fn look(&self, order: OrderId) {
        // A closed channel means the engine is stopping; the order is found again at the next start.
        let _ = self.wishes.send(Wish::Look(order));
    }

    /// Looks at everything whose time has come, because the clock was moved.
    pub(crate) fn clock_moved(&self) {
        let _ = self.wishes.send(Wish::ClockMoved);
    }
}

/// Something that ended.
enum Ended {
    Read { order: OrderId, read: Read, heard: Option<Fact> },
    Step { key: StepKey, end: StepEnd },
    Turn { order: OrderId, memory: Memory, end: TurnEnd },
}

/// What is known of an order beside its journal; lost when the program ends.
#[derive(Default)]
struct Memory {
    pace: Pace,
    running: BTreeSet<Asked>,
    /// Answers that are not written yet, with the question where it was one.
    heard: Vec<(Option<Asked>, Fact)>,
    /// Whether this program has looked at the order before.
    known: bool,
}

/// An order the runner has in view.
struct Slot {
    /// `None` while a turn has it.
    memory: Option<Memory>,
    /// What came in during a turn.
    waiting: Vec<Ended>,
    /// Whether another look is wanted after the turn.
    again: bool,
    due: Option<UtcMicros>,
}

/// How a turn ended.
enum TurnEnd {
    /// Everything is written; this is to be done now.
    Went { order: Arc<Order>, start: Vec<StepKey>, reads: Vec<Read>, at: Option<UtcMicros> },
    /// The store did not take it; what was heard is still true.
    NotStored,
    /// The order is frozen, or somebody else runs it.
    Gone,
}

/// The runner's own state; lives in one task.
struct Runner {
    shared: Arc<Shared>,
    slots: HashMap<OrderId, Slot>,
    timers: BTreeSet<(UtcMicros, OrderId)>,
    /// When the table of deadlines is looked at next.
    table_at: UtcMicros,
    ended: mpsc::UnboundedSender<Ended>,
    tracker: TaskTracker,
    stopping: bool,
}

/// Starts the runner, and what asks beside it; they stop when `stop` is cancelled, after the running calls have been written
/// down.
///
/// # Errors
/// A store [`Fault`].
pub async fn start(
    book: Arc<Book>,
    steps: Arc<dyn Steps>,
    wake: watch::Receiver<i64>,
    stop: CancellationToken,
    tracker: &TaskTracker,
) -> Result<(Handle, Arc<Questions>), Fault> {
    let (wishes, wished) = mpsc::unbounded_channel();
    let handle = Handle { wishes };
    for order in orders::open(book.db().reader()).await? {
        handle.look(order);
    }
    let (ended, ends) = mpsc::unbounded_channel();
    let questions = Arc::new(Questions {
        book: Arc::clone(&book),
        steps: Arc::clone(&steps),
        runner: handle.clone(),
        stop: stop.clone(),
        tracker: tracker.clone(),
        open: Mutex::default(),
    });
    questions.resume().await?;
    let follower = Follower { steps: Arc::clone(&steps), questions: Arc::clone(&questions), stop: stop.clone() };
    let table_at = book.now();
    let runner = Runner {
        shared: Arc::new(Shared { book, steps, turns: Semaphore::new(TURNS_MAX) }),
        slots: HashMap::new(),
        timers: BTreeSet::new(),
        table_at,
        ended,
        tracker: tracker.clone(),
        stopping: false,
    };
    tracker.spawn(runner.run(wished, ends, stop));
    tracker.spawn(follower.run(wake));
    Ok((handle, questions))
}

impl Runner {
    async fn run(
        mut self,
        mut wishes: mpsc::UnboundedReceiver<Wish>,
        mut ended: mpsc::UnboundedReceiver<Ended>,
        stop: CancellationToken,
    ) {
        loop {
            if self.stopping && self.slots.values().all(Slot::is_quiet) {
                return;
            }
            let sleep = self.until_due();
            tokio::select! {
                () = stop.cancelled(), if !self.stopping => self.stopping = true,
                wish = wishes.recv() => match wish {
                    Some(Wish::Look(order)) => self.look(order),
                    Some(Wish::ClockMoved) => self.look_at_due().await,
                    None => self.stopping = true,
                },
                // The runner keeps a sender itself, so there is always one.
                Some(end) = ended.recv() => self.take(end),
                () = tokio::time::sleep(sleep), if !self.stopping => self.look_at_due().await,
            }
        }
    }

    fn until_due(&self) -> Duration {
        let now = self.shared.book.now();
        let first = self.timers.first().map_or(self.table_at, |(at, _)| self.table_at.min(*at));
        let micros = first.0.saturating_sub(now.0).max(0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0)).min(LOOK_AT_LEAST)
    }

    /// Looks at every order whose time has come, whether in view or only in the table.
    async fn look_at_due(&mut self) {
        let now = self.shared.book.now();
        while let Some((_, order)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.set_timer(order, None);
            self.look(order);
        }
        if self.table_at > now {
            return;
        }
        match self.shared.book.due(now).await {
            Ok(Due { orders, next }) => {
                orders.into_iter().for_each(|order| self.look(order));
                self.table_at = next.unwrap_or(UtcMicros(i64::MAX));
            }
            Err(why) => {
                tracing::error!(%why, "deadlines cannot be read");
                self.table_at = now.plus_seconds(STORE_PAUSE_S);
            }
        }
    }

    fn set_timer(&mut self, order: OrderId, at: Option<UtcMicros>) {
        let Some(slot) = self.slots.get_mut(&order) else { return };
        if let Some(old) = std::mem::replace(&mut slot.due, at) {
            self.timers.remove(&(old, order));
        }
        self.timers.extend(at.map(|at| (at, order)));
    }

    fn slot(&mut self, order: OrderId) -> &mut Slot {
        let new = || Slot { memory: Some(Memory::default()), waiting: Vec::new(), again: false, due: None };
        self.slots.entry(order).or_insert_with(new)
    }

    /// Gives the order a turn, now or after the one it is having.
    fn look(&mut self, order: OrderId) {
        let stopping = self.stopping;
        let slot = self.slot(order);
        let Some(memory) = slot.memory.take() else {
            slot.again = true;
            return;
        };
        let (shared, ended) = (Arc::clone(&self.shared), self.ended.clone());
        self.tracker.spawn(async move {
            // Never closed.
            let _permit = shared.turns.acquire().await;
            let (memory, end) = take_turn(&shared, order, memory, stopping).await;
            let _ = ended.send(Ended::Turn { order, memory, end });
        });
    }

    fn take(&mut self, end: Ended) {
        let now = self.shared.book.now();
        let order = match &end {
            Ended::Read { order, .. } | Ended::Turn { order, .. } => *order,
            Ended::Step { key, .. } => key.order,
        };
        if let Ended::Turn { order, memory, end } = end {
            return self.turn_ended(order, memory, end);
        }
        let slot = self.slot(order);
        match &mut slot.memory {
            Some(memory) => {
                let (read, soon) = (matches!(end, Ended::Read { .. }), now.plus_micros(GATHER_US));
                memory.note(end, now);
                let more = memory.running.iter().any(|asked| matches!(asked, Asked::Read(..)));
                if read && more && slot.due.is_none_or(|due| due > soon) {
                    // Answers to questions asked together come together: they share a commit.
                    self.set_timer(order, Some(soon));
                } else if !(read && more) {
                    self.look(order);
                }
            }
            None => slot.waiting.push(end),
        }
    }

    fn turn_ended(&mut self, order: OrderId, mut memory: Memory, end: TurnEnd) {
        let now = self.shared.book.now();
        let (live, at) = match end {
            TurnEnd::Went { order, start, reads, at } => {
                if !self.stopping {
                    start.into_iter().for_each(|key| self.start_step(&mut memory, &order, key));
                    reads.into_iter().for_each(|read| self.start_read(&mut memory, &order, read));
                }
                (order.is_live(), at)
            }
            TurnEnd::NotStored if !self.stopping => (true, Some(now.plus_seconds(STORE_PAUSE_S))),
            TurnEnd::NotStored | TurnEnd::Gone => {
                memory.heard.clear();
                (false, None)
            }
        };
        let slot = self.slot(order);
        let waiting = std::mem::take(&mut slot.waiting);
        let again = std::mem::take(&mut slot.again) || !waiting.is_empty();
        waiting.into_iter().for_each(|end| memory.note(end, now));
        let over = !live && memory.running.is_empty() && !again;
        slot.memory = Some(memory);
        self.set_timer(order, at);
        if again {
            self.look(order);
        } else if over {
            // What it still waits for is in the table.
            self.set_timer(order, None);
            self.slots.remove(&order);
            self.table_at = at.map_or(self.table_at, |at| self.table_at.min(at));
        }
    }

    fn start_read(&self, memory: &mut Memory, order: &Arc<Order>, read: Read) {
        let asked = Asked::Read(order.id, read.clone());
        let tries = memory.pace.tries(&asked);
        memory.running.insert(asked);
        tracing::debug!(order = %order.id, ?read, "question begins");
        let (shared, ended, order) = (Arc::clone(&self.shared), self.ended.clone(), Arc::clone(order));
        self.tracker.spawn(async move {
            let now = shared.book.now();
            let heard = contained(shared.steps.ask(&order, &read, tries, now)).await.flatten();
            let _ = ended.send(Ended::Read { order: order.id, read, heard });
        });
    }

    /// The intent is in the database before anything leaves this program.
    fn start_step(&self, memory: &mut Memory, order: &Arc<Order>, key: StepKey) {
        memory.running.insert(Asked::Step(key.clone()));
        tracing::debug!(order = %order.id, op = ?key.op, "step begins");
        let (shared, ended, order) = (Arc::clone(&self.shared), self.ended.clone(), Arc::clone(order));
        self.tracker.spawn(async move {
            let panicked = || StepEnd::Unknown { reason: Reason::new(ReasonCode::ProviderFault, "the call panicked") };
            let end = contained(shared.steps.act(&order, &key)).await.unwrap_or_else(panicked);
            tracing::info!(order = %order.id, op = ?key.op, end = word(&end), "step");
            let _ = ended.send(Ended::Step { key, end });
        });
    }
}

impl Slot {
    /// Whether nothing of it has still to be written down.
    fn is_quiet(&self) -> bool {
        let calls = |memory: &Memory| memory.running.iter().any(|asked| matches!(asked, Asked::Step(_)));
        self.memory.as_ref().is_some_and(|memory| !calls(memory) && memory.heard.is_empty())
    }
}

impl Memory {
    /// Takes in how a call ended.
    fn note(&mut self, end: Ended, now: UtcMicros) {
        match end {
            Ended::Read { order, read, heard } => {
                let asked = Asked::Read(order, read);
                self.running.remove(&asked);
                match &heard {
                    Some(_) => self.pace.done(&asked),
                    None => self.pace.again(asked.clone(), now),
                }
                self.heard.extend(heard.map(|fact| (Some(asked), fact)));
            }
            Ended::Step { key, end } => {
                self.running.remove(&Asked::Step(key.clone()));
                self.pace.ended(&key, &end, now);
                self.heard.push((None, Fact::StepEnded { key, end }));
            }
            Ended::Turn { .. } => {}
        }
    }

    /// An answer that no longer fits is no answer: the question waits before it is asked again.
    fn ask_later(&mut self, unfit: &[(Fact, zhiyou_domain::order::Illegal)], reads: &mut Vec<Read>, now: UtcMicros) {
        for (asked, fact) in std::mem::take(&mut self.heard) {
            let Some(asked) = asked.filter(|_| unfit.iter().any(|(known, _)| *known == fact)) else { continue };
            reads.retain(|read| !matches!(&asked, Asked::Read(_, known) if known == read));
            self.pace.again(asked, now);
        }
    }
}

/// A panic in an adapter is contained here: the call's outcome is then unknown, like any other lost answer.
async fn contained<T>(call: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(call).catch_unwind().await.ok()
}

/// Takes in what was heard and decides what follows, in one commit.
async fn take_turn(shared: &Shared, id: OrderId, mut memory: Memory, stopping: bool) -> (Memory, TurnEnd) {
    loop {
        let kept = match shared.book.load(id).await {
            Ok(Some(kept)) => kept,
            Ok(None) => return (memory, TurnEnd::Gone),
            Err(refused) => return give_up(shared, id, memory, refused).await,
        };
        let now = shared.book.now();
        // What this program never looked at was left behind by one that ended.
        let recovered = if memory.known { Vec::new() } else { booking::recover(&kept.order) };
        let heard: Vec<Fact> = recovered.into_iter().chain(memory.heard.iter().map(|(_, fact)| fact.clone())).collect();
        if stopping && heard.is_empty() {
            return (memory, TurnEnd::Gone);
        }
        let mut fresh = || RefundId::from_ulid(shared.book.ids().ulid());
        let under_way = (&memory.running, &memory.pace);
        let mut next = if stopping {
            booking::take_in(&kept.order, &heard, now)
        } else {
            booking::advance(&kept.order, &heard, now, under_way, &mut fresh)
        };
        for (fact, illegal) in &next.unfit {
            tracing::warn!(order = %id, %illegal, ?fact, "a fact no longer fits");
        }
        if next.restless {
            tracing::error!(order = %id, "an order does not settle");
        }
        let (start, mut reads): (Vec<StepKey>, _) = (next.start().cloned().collect(), std::mem::take(&mut next.reads));
        let rests = start.is_empty() && reads.is_empty() && memory.running.is_empty();
        let mut order = Arc::clone(&kept.order);
        if !next.facts.is_empty() {
            let append = Append::decided(&kept, now, next.facts, next.order, rests);
            order = Arc::clone(&append.order);
            match shared.book.append(append).await {
                Ok(_) => {}
                Err(Refused::Stale) => continue,
                Err(refused) => return give_up(shared, id, memory, refused).await,
            }
        }
        memory.known = true;
        memory.ask_later(&next.unfit, &mut reads, now);
        let at = if next.unfit.is_empty() { next.at } else { Some(now.plus_seconds(1)) };
        return (memory, TurnEnd::Went { order, start, reads, at });
    }
}

async fn give_up(shared: &Shared, id: OrderId, memory: Memory, refused: Refused) -> (Memory, TurnEnd) {
    tracing::error!(order = %id, %refused, "an order cannot go on");
    if matches!(refused, Refused::Unusable(_))
        && let Err(fault) = shared.book.touch(id).await
    {
        tracing::error!(order = %id, %fault, "the interface could not be told");
    }
    let end = match refused {
        Refused::NotStored { .. } => TurnEnd::NotStored,
        Refused::InUse | Refused::Fenced | Refused::Stale | Refused::OtherRequest | Refused::Unusable(_) => {
            TurnEnd::Gone
        }
    };
    (memory, end)
}

const fn word(end: &StepEnd) -> &'static str {
    match end {
        StepEnd::Done { .. } => "done",
        StepEnd::NotSent { .. } => "not sent",
        StepEnd::Declined { .. } => "declined",
        StepEnd::Unknown { .. } => "unknown",
    }
}
