//! One simulated life of an order: a queue of events, a driver that can die, and faults between it and the world.
//!
//! Nothing here reads a clock or the system's randomness; a seed is the same bytes each time. Deliberately not here: what
//! has to hold (see [`crate::check`]).

mod faults;
mod traveller;

use crate::{
    check::{self, Violation},
    cover::{Cover, Fault},
    driver::Driver,
    journal::Journal,
    plan::{Plan, T0, id},
    world::World,
};
use fastrand::Rng;
use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};
use zhiyou_domain::{
    booking::{self, Advance, Read, pace::Asked, recipe},
    defect::{Defect, planted},
    driver::{Append, Appended, Fence},
    id::{AttemptId, ItemId, RefundId},
    order::{Fact, Op, Order, StepEnd, StepKey, StepResult, deadline},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{DisputeState, RefundState},
    },
    time::UtcMicros,
};

/// Faults stop after so long; then everything has to come to rest.
const FAULTS_MIN: i64 = 8 * 60;
/// And at the latest after so long.
const END: UtcMicros = T0.plus_minutes(5 * 24 * 60);

/// More events than any life needs: a driver that spins.
const EVENTS_MAX: u32 = 20_000;

/// So many replaced wake-ups at most are looked through to see that nothing else is waiting.
const STALE_WAKES_MAX: usize = 200;

/// Something that happens at a time.
pub(crate) enum Event {
    /// A request reaches its provider; the answer may get lost.
    Arrive { key: StepKey, sent: Arc<Order>, epoch: Fence, answer: Answer },
    /// An answer, or the end of waiting for one, reaches the driver.
    Answer { key: StepKey, epoch: Fence, end: StepEnd },
    /// A question is answered.
    Read { read: Read, epoch: Fence, fails: bool },
    /// The driver looks by itself.
    Wake { epoch: Fence, number: u64 },
    /// A provider tells us something.
    Notice { fact: Fact },
    /// The traveller acts.
    Act(Act),
    /// The program starts again.
    Restart,
    /// A writer that was paused goes on.
    OldWriter(Box<Driver>),
    /// Space is freed.
    DiskFree,
    /// The clock is put right.
    ClockRight,
    /// A payer's bank wants a payment back, or decides.
    Dispute { attempt: AttemptId, state: DisputeState },
    /// The channel, asked because of a hint, says that what was set aside is the payer's again.
    AsideLeft { attempt: AttemptId },
    /// A refund goes on at the channel.
    RefundMoves { attempt: AttemptId, refund: RefundId, to: RefundState },
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Arrives,
    Lost,
}

/// What a traveller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    ChooseSeats,
    Confirm,
    Pay(AttemptId),
    Refuse(AttemptId),
    /// Money of an attempt the channel had given up arrives all the same.
    PayAnyway(AttemptId),
    Retry,
    End,
    AskQuote,
    Accept,
    KeepChange,
}

/// The whole simulation of one seed.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: UtcMicros,
    skew_min: i64,
    pub(crate) journal: Journal,
    pub(crate) world: World,
    pub(crate) driver: Option<Driver>,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: Vec<Option<Event>>,
    ids: u64,
    pub(crate) flipped: bool,
    pub(crate) frozen: bool,
    pub(crate) violations: Vec<Violation>,
    pub(crate) cover: Cover,
    acted: Vec<Act>,
    pub(crate) misreported: bool,
    /// Changes an airline made, and whether a supplier was drawn to cancel.
    changes: u32,
    drew_cancel: bool,
    drew_dispute: bool,
    /// Whether every part of the money ever arrived or was set aside.
    pub(crate) arrived: bool,
    pub(crate) script: Vec<Deed>,
}

/// What a provider does at one step, instead of what would be drawn.
pub(crate) struct Deed {
    pub(crate) at: fn(&Op, ItemId) -> bool,
    /// The item the step is about; any for steps about money.
    pub(crate) item: ItemId,
    pub(crate) what: What,
    /// How often it was done.
    pub(crate) done: u32,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Refuses, each time.
    Refuses,
    /// Does it and loses its first answer.
    LosesAnswer,
}

impl Run {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        Self::of(plan, rng, Vec::new())
    }

    /// A life of this plan, with some steps scripted.
    pub(crate) fn of(plan: Plan, rng: Rng, script: Vec<Deed>) -> Self {
        let new = plan.order();
        Self {
            journal: Journal::new(new.id),
            plan,
            rng,
            now: T0,
            skew_min: 0,
            world: World::default(),
            driver: None,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            ids: 10_000,
            flipped: false,
            frozen: false,
            violations: Vec::new(),
            cover: Cover::default(),
            acted: Vec::new(),
            misreported: false,
            changes: 0,
            drew_cancel: false,
            drew_dispute: false,
            arrived: false,
            script,
        }
    }

    /// Lives the seed to its end.
    pub(crate) fn live(&mut self) {
        self.begin();
        let mut happened = 0_u32;
        while let Some(Reverse((at, index))) = self.queue.pop() {
            self.now = UtcMicros(at);
            let event = usize::try_from(index).ok().and_then(|index| self.events.get_mut(index)).and_then(Option::take);
            let Some(event) = event else { continue };
            if self.now > END || self.at_rest(&event) {
                break;
            }
            happened += 1;
            if happened > EVENTS_MAX {
                self.violations.push(Violation::new("I7", "it never comes to rest"));
                return;
            }
            self.happen(event);
            check::always(self);
            if !self.violations.is_empty() || self.frozen {
                return;
            }
        }
        check::at_rest(self);
    }

    /// Whether nothing but polling is left to happen.
    fn at_rest(&self, event: &Event) -> bool {
        // Only wake-ups are left: replaced ones, and the one that finds nothing to do.
        let quiet = matches!(event, Event::Wake { .. }) && self.queue.len() <= STALE_WAKES_MAX && self.only_wakes();
        let rests =
            |order: &Order| !order.is_live() && deadline::next_announced(order).is_none_or(|next| next.at > END);
        quiet && !self.faulty() && self.driver.as_ref().is_some_and(|driver| rests(driver.order()))
    }

    fn only_wakes(&self) -> bool {
        self.queue.iter().all(|Reverse((_, index))| {
            let event = usize::try_from(*index).ok().and_then(|index| self.events.get(index));
            matches!(event, Some(None | Some(Event::Wake { .. })))
        })
    }

    pub(crate) fn faulty(&self) -> bool {
        self.now < T0.plus_minutes(FAULTS_MIN)
    }

    /// Our own clock, which can be wrong.
    pub(crate) const fn ours(&self) -> UtcMicros {
        self.now.plus_minutes(self.skew_min)
    }

    fn begin(&mut self) {
        let created = Fact::Created { order: Box::new(self.plan.order()) };
        let fence = self.journal.take_over();
        let Ok(first) = Append::create(self.ours(), vec![created], None) else { return };
        if let Ok(Appended::Written(kept)) = self.journal.write(fence, &first) {
            self.driver = Some(Driver::new(fence, kept));
            self.look();
        }
    }

    pub(crate) fn after(&mut self, micros: i64, event: Event) {
        let index = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.events.push(Some(event));
        self.queue.push(Reverse((self.now.0 + micros, index)));
    }

    fn after_s(&mut self, seconds: i64, event: Event) {
        self.after(seconds * 1_000_000, event);
    }

    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.faulty() && per_mille > 0 && self.rng.u32(0..1_000) < per_mille
    }

    fn fault(&mut self, fault: Fault, per_mille: u32) -> bool {
        let happens = self.chance(per_mille);
        if happens && let Some(driver) = &self.driver {
            self.cover.hit(fault, driver.order().state);
        }
        happens
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { key, sent, epoch, answer } => self.arrive(&key, &sent, epoch, answer),
            Event::Answer { key, epoch, end } => self.answered(&key, epoch, end),
            Event::Read { read, epoch, fails } => self.read_answered(read, epoch, fails),
            Event::Wake { epoch, number } => {
                if self.driver.as_ref().is_some_and(|driver| driver.fence == epoch && driver.wake == number) {
                    self.look();
                }
            }
            Event::Notice { fact } => self.notice(fact),
            Event::Act(act) => self.act(act),
            Event::Restart => self.restart(),
            Event::OldWriter(old) => self.old_writer(*old),
            Event::DiskFree => {
                self.journal.disk_full = false;
                self.look();
            }
            Event::ClockRight => {
                self.skew_min = 0;
                self.look();
            }
            Event::Dispute { attempt, state } => self.dispute(attempt, state),
            Event::AsideLeft { attempt } => self.aside_left(attempt),
            Event::RefundMoves { attempt, refund, to } => self.refund_moves(attempt, refund, to),
        }
        self.disturb();
    }

    fn crash(&mut self) {
        self.driver = None;
        let seconds = self.rng.i64(1..=600);
        self.after_s(seconds, Event::Restart);
    }

    fn restart(&mut self) {
        if self.journal.disk_full {
            // A program that cannot write down what it takes over does not start.
            return self.after_s(30, Event::Restart);
        }
        let fence = self.journal.take_over();
        match self.journal.read() {
            Ok(Some(kept)) => {
                if self.flipped {
                    self.violations.push(Violation::new("SG-50", "a flipped bit was not found"));
                    return;
                }
                let unknown = booking::recover(&kept.order);
                self.driver = Some(Driver::new(fence, kept));
                self.go_on(&unknown);
            }
            Ok(None) => self.violations.push(Violation::new("I6", "the journal is gone")),
            Err(_) if self.flipped => self.frozen = true,
            Err(error) => self.violations.push(Violation::new("I6", &format!("the journal does not replay: {error}"))),
        }
    }

    /// Takes in what was heard and does what follows, in one commit. Returns whether it is written.
    pub(crate) fn go_on(&mut self, heard: &[Fact]) -> bool {
        let now = self.ours();
        let Some(driver) = self.driver.as_ref() else { return false };
        let mut ids = self.ids;
        let mut fresh = || {
            ids += 1;
            RefundId::from_ulid(id(ids))
        };
        let next = booking::advance(driver.order(), heard, now, (&driver.running, &driver.pace), &mut fresh);
        self.ids = ids;
        if next.restless {
            self.violations.push(Violation::new("I7", &format!("the order does not settle: {:?}", next.unfit.last())));
            return false;
        }
        let start: Vec<StepKey> = next.start().cloned().collect();
        if planted(Defect::CallBeforeIntent) {
            start.iter().for_each(|key| self.call(key));
        }
        let (reads, at) = (next.reads.clone(), next.at);
        let written = next.facts.is_empty() || self.write(next, now);
        if self.driver.is_none() {
            return false;
        }
        let ignored = planted(Defect::IntentErrorIgnored);
        if (written || ignored) && !planted(Defect::CallBeforeIntent) {
            start.iter().for_each(|key| self.call(key));
        }
        if !written {
            self.look_later();
            return false;
        }
        reads.into_iter().for_each(|read| self.ask(read));
        // Like the real driver, which looks again after a while in case the clock was set.
        let micros = at.map_or(3_600_000_000, |at| (at.0 - now.0).clamp(1_000, 3_600_000_000));
        self.wake_after(micros);
        self.tempt();
        true
    }

    /// Appends one commit as the current driver; a crash can come before or after. Returns whether it counts.
    fn write(&mut self, next: Advance, now: UtcMicros) -> bool {
        if self.fault(Fault::Crash, self.plan.rates.crash) {
            self.crash();
            return false;
        }
        let Some(driver) = self.driver.as_mut() else { return false };
        let before = driver.kept.clone();
        let append = Append::decided(&before, now, next.facts, next.order, false);
        let Ok(Appended::Written(kept)) = self.journal.write(driver.fence, &append) else { return false };
        driver.kept = kept;
        check::written(self, &before.order, now, &append.facts);
        if self.fault(Fault::Crash, self.plan.rates.crash) {
            self.crash();
            return false;
        }
        true
    }

    /// Does what can be done without anything new.
    fn look(&mut self) {
        self.go_on(&[]);
    }

    fn look_later(&mut self) {
        self.wake_after(5_000_000);
    }

    /// The driver looks by itself after so long; an earlier wake-up no longer counts.
    fn wake_after(&mut self, micros: i64) {
        let Some(driver) = self.driver.as_mut() else { return };
        driver.wake += 1;
        let (epoch, number) = (driver.fence, driver.wake);
        self.after(micros, Event::Wake { epoch, number });
    }

    /// Sends a request; decides what the network does with it and its answer.
    fn call(&mut self, key: &StepKey) {
        let Some((epoch, sent)) = self.driver.as_mut().map(|driver| {
            driver.running.insert(Asked::Step(key.clone()));
            (driver.fence, Arc::clone(driver.order()))
        }) else {
            return;
        };
        let rates = self.plan.rates.clone();
        let unknown = || StepEnd::Unknown { reason: Reason::new(ReasonCode::Network, "no answer") };
        let (there_ms, timeout_ms) = (self.rng.i64(20..=1_500), 5_000);
        if self.fault(Fault::NotSent, rates.not_sent) {
            let end = StepEnd::NotSent { reason: Reason::new(ReasonCode::Network, "no connection") };
            return self.after(there_ms * 1_000, Event::Answer { key: key.clone(), epoch, end });
        }
        let lost = self.fault(Fault::RequestLost, rates.request_lost);
        let late = !lost && self.fault(Fault::AnswerLate, rates.answer_late);
        let answer_lost = !lost && self.fault(Fault::AnswerLost, rates.answer_lost);
        if self.chance(rates.silent_for_ever) {
            let until = self.now.plus_minutes(self.rng.i64(20..=400));
            if let Some(driver) = self.driver.as_mut() {
                driver.silent.push((key.clone(), until));
            }
        }
        // A late request reaches the provider after we gave up, but before "not there" may be believed.
        let arrives_ms = if late { self.rng.i64(5_000..=9_000) } else { there_ms };
        if !lost {
            let answer = if late || answer_lost { Answer::Lost } else { Answer::Arrives };
            self.after(arrives_ms * 1_000, Event::Arrive { key: key.clone(), sent, epoch, answer });
        }
        if lost || late || answer_lost {
            self.after(timeout_ms * 1_000, Event::Answer { key: key.clone(), epoch, end: unknown() });
        }
    }

    /// A request reaches its provider.
    fn arrive(&mut self, key: &StepKey, sent: &Order, epoch: Fence, answer: Answer) {
        check::intent_exists(self, key);
        let undo = matches!(key.op, Op::Release { .. } | Op::Cancel { .. });
        let rate = if undo { self.plan.rates.undo_declined } else { self.plan.rates.declined };
        let money = key.op.item().is_none();
        let scripted = self.scripted(&key.op);
        if matches!(key.op, Op::Capture { .. }) && self.fault(Fault::CaptureLapses, self.plan.rates.capture_lapses) {
            self.world.lapse(&key.op);
        }
        let refuses = scripted == Some(What::Refuses) || !money && self.fault(Fault::Declined, rate);
        let outcome = if refuses {
            Outcome::Declined(Reason::new(if undo { ReasonCode::NotAllowed } else { ReasonCode::SoldOut }, "scripted"))
        } else if let Op::ClosePayment { attempt } = key.op
            && self.fault(Fault::ClosePending, self.plan.rates.close_pending)
        {
            Outcome::Done(StepResult::Payment(self.world.undecided(attempt)))
        } else if matches!(key.op, Op::Capture { .. } | Op::Void { .. })
            && self.fault(Fault::KeyRefused, self.plan.rates.key_refused)
        {
            Outcome::Declined(Reason::new(ReasonCode::Unauthorized, "scripted"))
        } else {
            self.world.act(&self.plan, sent, key, self.now)
        };
        self.follow_money(sent, key);
        if scripted == Some(What::LosesAnswer) {
            let end = StepEnd::Unknown { reason: Reason::new(ReasonCode::Network, "no answer") };
            self.after_s(5, Event::Answer { key: key.clone(), epoch, end });
        } else if let Answer::Arrives = answer {
            let end = recipe::ended(key.op, outcome);
            let back_ms = self.rng.i64(20..=1_500);
            self.after(back_ms * 1_000, Event::Answer { key: key.clone(), epoch, end });
        }
    }

    fn scripted(&mut self, op: &Op) -> Option<What> {
        let deed = self.script.iter_mut().find(|deed| (deed.at)(op, deed.item))?;
        deed.done += 1;
        (deed.what == What::Refuses || deed.done == 1).then_some(deed.what)
    }

    fn answered(&mut self, key: &StepKey, epoch: Fence, end: StepEnd) {
        let now = self.ours();
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.fence == epoch) else { return };
        driver.running.remove(&Asked::Step(key.clone()));
        driver.pace.ended(key, &end, now);
        let fact = Fact::StepEnded { key: key.clone(), end };
        if !self.go_on(std::slice::from_ref(&fact)) && self.driver.is_some() {
            // The disk was full: the answer is kept in memory and written when there is room, or looked up after a restart.
            let Fact::StepEnded { key, end } = fact else { return };
            self.after_s(5, Event::Answer { key, epoch, end });
        }
    }

    fn ask(&mut self, read: Read) {
        let Some(driver) = self.driver.as_mut() else { return };
        let (epoch, order) = (driver.fence, driver.order().id);
        driver.running.insert(Asked::Read(order, read.clone()));
        let fails = self.fault(Fault::ReadFails, self.plan.rates.read_fails);
        let ms = self.rng.i64(20..=1_500);
        self.after(ms * 1_000, Event::Read { read, epoch, fails });
    }

    fn read_answered(&mut self, read: Read, epoch: Fence, fails: bool) {
        let now = self.ours();
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.fence == epoch) else { return };
        let asked = Asked::Read(driver.order().id, read.clone());
        driver.running.remove(&asked);
        let tries = driver.pace.tries(&asked);
        let (order, silent) = (Arc::clone(driver.order()), driver.is_silent(&read, self.now));
        let factor = if self.plan.rates.dearer_again > 0 && self.rng.u32(0..1_000) < self.plan.rates.dearer_again {
            1_001
        } else {
            1_000
        };
        let heard = if fails || silent {
            None
        } else {
            crate::answers::answer(&mut self.world, &self.plan, &order, &read, tries, factor, (self.now, now))
        };
        if let Some(driver) = self.driver.as_mut() {
            match heard {
                Some(_) => driver.pace.done(&asked),
                None => driver.pace.again(asked, now),
            }
        }
        self.go_on(heard.as_slice());
    }

    /// A writer that slept while its lease was taken over goes on as if nothing had happened.
    fn old_writer(&mut self, old: Driver) {
        let new = self.driver.replace(old);
        let before = self.journal.rows.len();
        self.look();
        if self.journal.rows.len() > before && new.as_ref().is_some_and(|new| new.order().version != 0) {
            self.cover.stale_writes += 1;
        }
        self.driver = new;
        // Whoever holds the lease may be dead by now; then nobody runs until the restart that is under way.
        self.look();
    }

    /// Sum of what the channel took, minor units.
    pub(crate) fn taken_minor(&self) -> i64 {
        self.world.payments.values().map(|payment| payment.taken.minor()).sum()
    }

    /// A digest of everything that was written and done.
    pub(crate) fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut digest = Sha256::new();
        self.journal.rows.iter().for_each(|row| digest.update(&row.hash));
        digest.update(format!("{:?}", self.world));
        digest.update(format!("{:?}", self.violations));
        hex::encode(digest.finalize())
    }
}
