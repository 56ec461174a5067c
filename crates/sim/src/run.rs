//! One simulated life of an order: a queue of events, a driver that can die, and faults between it and the world.
//!
//! Nothing here reads a clock or the system's randomness; a seed is the same bytes each time. Deliberately not here: what
//! has to hold (see [`crate::check`]).

use crate::{
    check::{self, Violation},
    cover::{Cover, Fault},
    driver::Driver,
    journal::Journal,
    plan::{Plan, T0, Traveller, id},
    world::World,
};
use fastrand::Rng;
use std::{cmp::Reverse, collections::BinaryHeap};
use zhiyou_domain::{
    booking::{self, Read, Turn, pace::Asked},
    defect::{Defect, planted},
    id::{AttemptId, QuoteId, RefundId},
    order::{CancelReason, CancellationState, Fact, ItemState, Order, OrderState, SeatChoice, Source, StepEnd, StepKey, cart},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{Channel, PaymentState, RefundState},
    },
    time::UtcMicros,
};

/// Faults stop after so long; then everything has to come to rest.
const FAULTS_MIN: i64 = 8 * 60;
/// And at the latest after so long.
const END_MIN: i64 = 10 * 24 * 60;

/// More events than any life needs: a driver that spins.
const EVENTS_MAX: u32 = 60_000;

/// So many replaced wake-ups at most are looked through to see that nothing else is waiting.
const STALE_WAKES_MAX: usize = 200;

/// Something that happens at a time.
pub(crate) enum Event {
    /// A request reaches its provider; the answer may get lost.
    Arrive { key: StepKey, epoch: u64, answer: Answer },
    /// An answer, or the end of waiting for one, reaches the driver.
    Answer { key: StepKey, epoch: u64, end: StepEnd },
    /// A question is answered.
    Read { read: Read, epoch: u64, fails: bool },
    /// The driver looks by itself.
    Wake { epoch: u64, number: u64 },
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
    pub(crate) last_state: Option<OrderState>,
    pub(crate) misreported: bool,
}

impl Run {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
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
            last_state: None,
            misreported: false,
        }
    }

    /// Lives the seed to its end.
    pub(crate) fn live(&mut self) {
        self.begin();
        let end = T0.plus_minutes(END_MIN);
        let mut happened = 0_u32;
        while let Some(Reverse((at, index))) = self.queue.pop() {
            self.now = UtcMicros(at);
            let event = usize::try_from(index).ok().and_then(|index| self.events.get_mut(index)).and_then(Option::take);
            let Some(event) = event else { continue };
            if self.now > end || self.at_rest(&event) {
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
        quiet && !self.faulty() && self.driver.as_ref().is_some_and(|driver| !driver.order.is_live())
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
        let fence = self.journal.claim();
        let Ok(order) = Order::create(self.ours(), &created) else { return };
        if self.journal.append(fence, 0, self.ours(), &[created]).is_ok() {
            self.driver = Some(Driver::new(fence, order));
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
            self.cover.hit(fault, driver.order.state);
        }
        happens
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { key, epoch, answer } => self.arrive(&key, epoch, answer),
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
            Event::RefundMoves { attempt, refund, to } => self.refund_moves(attempt, refund, to),
        }
        self.disturb();
    }

    /// Faults that need no call.
    fn disturb(&mut self) {
        let rates = self.plan.rates.clone();
        if self.driver.is_some() && self.fault(Fault::ClockJump, rates.clock_jump / 4) {
            self.skew_min = if self.rng.bool() { 120 } else { -120 };
            let minutes = self.rng.i64(1..=20);
            self.after_s(minutes * 60, Event::ClockRight);
        }
        if self.driver.is_some() && !self.journal.disk_full && self.fault(Fault::DiskFull, rates.disk_full / 4) {
            self.journal.disk_full = true;
            let seconds = self.rng.i64(1..=300);
            self.after_s(seconds, Event::DiskFree);
        }
        if self.driver.is_some() && self.fault(Fault::StaleWriter, rates.stale_writer / 4) {
            if let Some(old) = self.driver.take() {
                let seconds = self.rng.i64(1..=900);
                self.after_s(seconds, Event::OldWriter(Box::new(old)));
                self.restart();
            }
        }
        if self.journal.rows.len() > 3 && !self.flipped && self.driver.is_some() && self.chance(rates.bit_flip) {
            let (row, bit) = (self.rng.usize(0..self.journal.rows.len()), self.rng.usize(0..4_096));
            let before = self.journal.rows.clone();
            self.journal.flip(row, bit);
            self.flipped = self.journal.rows != before;
            self.crash();
        }
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
        let fence = self.journal.claim();
        match self.journal.load() {
            Ok(order) => {
                if self.flipped {
                    self.violations.push(Violation::new("SG-50", "a flipped bit was not found"));
                    return;
                }
                self.driver = Some(Driver::new(fence, order));
                let facts = self.driver.as_ref().map(|driver| booking::recover(&driver.order)).unwrap_or_default();
                for fact in facts {
                    self.write(fact);
                }
                self.look();
            }
            Err(_) if self.flipped => self.frozen = true,
            Err(error) => self.violations.push(Violation::new("I6", &format!("the journal does not replay: {error}"))),
        }
    }

    /// Appends one fact as the current driver; a crash can come before or after. Returns whether the fact counts.
    pub(crate) fn write(&mut self, fact: Fact) -> bool {
        if self.fault(Fault::Crash, self.plan.rates.crash / 2) {
            self.crash();
            return false;
        }
        let now = self.ours();
        let Some(driver) = self.driver.as_mut() else { return false };
        let Ok(next) = driver.order.apply(now, &fact) else { return false };
        if self.journal.append(driver.fence, driver.order.version, now, &[fact]).is_err() {
            return false;
        }
        driver.order = next;
        check::written(self);
        if self.fault(Fault::Crash, self.plan.rates.crash / 2) {
            self.crash();
            return false;
        }
        true
    }

    /// Turns until nothing can be done at once.
    fn look(&mut self) {
        for _ in 0..200 {
            let now = self.ours();
            let Some(driver) = self.driver.as_ref() else { return };
            match booking::turn(&driver.order, now, &driver.running, &driver.pace) {
                Turn::Record(fact) => {
                    if !self.write(fact) {
                        return self.look_later();
                    }
                }
                Turn::DecideRefund { refund, attempt, amount } => {
                    self.ids += 1;
                    let refund = refund.unwrap_or(RefundId::from_ulid(id(self.ids)));
                    if !self.write(Fact::RefundDecided { refund, attempt, amount }) {
                        return self.look_later();
                    }
                }
                Turn::Start(key) => {
                    if !self.start(key) {
                        return self.look_later();
                    }
                }
                Turn::Wait { reads, at } => {
                    for read in reads {
                        self.ask(read);
                    }
                    // Like the real driver, which looks again after a while in case the clock was set.
                    let micros = at.map_or(3_600_000_000, |at| (at.0 - now.0).clamp(1_000, 3_600_000_000));
                    self.wake_after(micros);
                    self.tempt();
                    return;
                }
            }
        }
        self.violations.push(Violation::new("I7", "the order does not settle"));
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

    fn start(&mut self, key: StepKey) -> bool {
        if planted(Defect::CallBeforeIntent) {
            self.call(&key);
            return self.write(Fact::StepStarted { key });
        }
        let written = self.write(Fact::StepStarted { key: key.clone() });
        let ignored = planted(Defect::IntentErrorIgnored) && self.driver.is_some();
        if written || ignored {
            self.call(&key);
        }
        written
    }

    /// Sends a request; decides what the network does with it and its answer.
    fn call(&mut self, key: &StepKey) {
        let Some(epoch) = self.driver.as_mut().map(|driver| {
            driver.running.insert(Asked::Step(key.clone()));
            driver.fence
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
            self.after(arrives_ms * 1_000, Event::Arrive { key: key.clone(), epoch, answer });
        }
        if lost || late || answer_lost {
            self.after(timeout_ms * 1_000, Event::Answer { key: key.clone(), epoch, end: unknown() });
        }
    }

    /// A request reaches its provider.
    fn arrive(&mut self, key: &StepKey, epoch: u64, answer: Answer) {
        check::intent_exists(self, key);
        let Ok(order) = zhiyou_domain::order::journal::verify(self.journal.order, &self.journal.rows)
            .and_then(|facts| zhiyou_domain::order::journal::replay(&facts))
        else {
            return;
        };
        let undo = matches!(key.op, zhiyou_domain::order::Op::Release { .. } | zhiyou_domain::order::Op::Cancel { .. });
        let rate = if undo { self.plan.rates.undo_declined } else { self.plan.rates.declined };
        let money = key.op.item().is_none();
        let outcome = if !money && self.fault(Fault::Declined, rate) {
            Outcome::Declined(Reason::new(if undo { ReasonCode::NotAllowed } else { ReasonCode::SoldOut }, "scripted"))
        } else {
            self.world.act(&self.plan, &order, key, self.now)
        };
        self.follow_money(&order, key);
        if let Answer::Arrives = answer {
            let end = match outcome {
                Outcome::Done(result) => StepEnd::Done { result },
                Outcome::Declined(reason) => StepEnd::Declined { reason },
                Outcome::NotSent(reason) => StepEnd::NotSent { reason },
                Outcome::Unknown(reason) => StepEnd::Unknown { reason },
            };
            let back_ms = self.rng.i64(20..=1_500);
            self.after(back_ms * 1_000, Event::Answer { key: key.clone(), epoch, end });
        }
    }

    /// What follows at the channel from a payment that was opened or a refund that was asked for.
    fn follow_money(&mut self, order: &Order, key: &StepKey) {
        match key.op {
            zhiyou_domain::order::Op::OpenPayment { attempt } => self.plan_payment(attempt),
            zhiyou_domain::order::Op::Refund { refund } => {
                let Some(known) = order.refunds.iter().find(|known| known.id == refund) else { return };
                let attempt = known.attempt;
                let manual = self.fault(Fault::RefundManual, self.plan.rates.refund_manual);
                let minutes = self.rng.i64(1..=60);
                let to = if manual { RefundState::NeedsManual } else { RefundState::Succeeded };
                self.after_s(minutes * 60, Event::RefundMoves { attempt, refund, to });
            }
            _ => {}
        }
    }

    fn refund_moves(&mut self, attempt: AttemptId, refund: RefundId, to: RefundState) {
        let Some((_, state)) = self.world.payments.get_mut(&attempt).and_then(|p| p.refunds.get_mut(&refund)) else {
            return;
        };
        if *state == RefundState::Succeeded {
            return;
        }
        let stale = *state;
        *state = to;
        let report = |state| Fact::RefundReported {
            status: zhiyou_domain::port::payments::RefundStatus { state, ..self.world.refund_status(refund) },
            source: Source::Notification,
        };
        let (news, old) = (report(to), report(stale));
        self.notify(news);
        self.notify(old);
        if to == RefundState::NeedsManual {
            // Somebody finishes it at the console a day later.
            let succeeded = RefundState::Succeeded;
            self.after_s(24 * 3_600, Event::RefundMoves { attempt, refund, to: succeeded });
        }
    }

    /// Sends a notification: it can be lost, doubled, and overtaken.
    fn notify(&mut self, fact: Fact) {
        let rates = self.plan.rates.clone();
        if self.fault(Fault::NoticeLost, rates.notice_lost) {
            return;
        }
        let copies = if self.fault(Fault::NoticeDoubled, rates.notice_doubled) { 3 } else { 1 };
        for _ in 0..copies {
            let ms = self.rng.i64(10..=20_000);
            self.after(ms * 1_000, Event::Notice { fact: fact.clone() });
        }
    }

    fn notice(&mut self, fact: Fact) {
        if self.driver.is_none() {
            // The gateway keeps it until we are back.
            return self.after_s(60, Event::Notice { fact });
        }
        if self.journal.disk_full {
            return self.after_s(30, Event::Notice { fact });
        }
        let fits = self.driver.as_ref().is_some_and(|driver| driver.order.apply(self.ours(), &fact).is_ok());
        if fits && !self.write(fact.clone()) {
            return self.after_s(30, Event::Notice { fact });
        }
        self.look();
    }

    fn answered(&mut self, key: &StepKey, epoch: u64, end: StepEnd) {
        let now = self.ours();
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.fence == epoch) else { return };
        let asked = Asked::Step(key.clone());
        driver.running.remove(&asked);
        if matches!(end, StepEnd::Done { .. }) { driver.pace.done(&asked) } else { driver.pace.again(asked, now) }
        let fact = Fact::StepEnded { key: key.clone(), end };
        let fits = driver.order.apply(now, &fact).is_ok();
        if fits && !self.write(fact.clone()) && self.driver.is_some() {
            // The disk was full: the answer is kept in memory and written when there is room, or looked up after a restart.
            let Fact::StepEnded { key, end } = fact else { return };
            return self.after_s(5, Event::Answer { key, epoch, end });
        }
        self.look();
    }

    fn ask(&mut self, read: Read) {
        let Some(driver) = self.driver.as_mut() else { return };
        let (epoch, order) = (driver.fence, driver.order.id);
        driver.running.insert(Asked::Read(order, read.clone()));
        let fails = self.fault(Fault::ReadFails, self.plan.rates.read_fails);
        let ms = self.rng.i64(20..=1_500);
        self.after(ms * 1_000, Event::Read { read, epoch, fails });
    }

    fn read_answered(&mut self, read: Read, epoch: u64, fails: bool) {
        let now = self.ours();
        let Some(driver) = self.driver.as_mut().filter(|driver| driver.fence == epoch) else { return };
        let asked = Asked::Read(driver.order.id, read.clone());
        driver.running.remove(&asked);
        let tries = driver.pace.tries(&asked);
        let (order, silent) = (driver.order.clone(), driver.is_silent(&read, self.now));
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
        if let Some(fact) = heard {
            self.write(fact);
        }
        self.look();
    }

    /// A writer that slept while its lease was taken over goes on as if nothing had happened.
    fn old_writer(&mut self, old: Driver) {
        let new = self.driver.replace(old);
        let before = self.journal.rows.len();
        self.look();
        if self.journal.rows.len() > before && new.as_ref().is_some_and(|new| new.order.version != 0) {
            self.cover.stale_writes += 1;
        }
        self.driver = new;
        // Whoever holds the lease may be dead by now; then nobody runs until the restart that is under way.
        self.look();
    }

    fn plan_payment(&mut self, attempt: AttemptId) {
        let first = attempt.bare() == AttemptId::from_ulid(id(5_000)).bare();
        let at = |rng: &mut Rng| rng.i64(5..=240);
        let misreports = self.fault(Fault::WrongAmount, self.plan.rates.wrong_amount);
        if misreports && let Some(payment) = self.world.payments.get_mut(&attempt) {
            payment.misreports = true;
            self.misreported = true;
        }
        let acts: Vec<(i64, Act)> = match self.plan.traveller {
            Traveller::Pays | Traveller::CancelsBooked | Traveller::CancelsOne => {
                vec![(at(&mut self.rng), Act::Pay(attempt)), (at(&mut self.rng), Act::Retry)]
            }
            Traveller::RefusesFirst if first => {
                let refused = at(&mut self.rng);
                vec![(refused, Act::Refuse(attempt)), (refused + 30, Act::Retry)]
            }
            Traveller::RefusesFirst => vec![(at(&mut self.rng), Act::Pay(attempt))],
            Traveller::PaysTwice if first => {
                let refused = at(&mut self.rng);
                let late = refused + at(&mut self.rng);
                vec![(refused, Act::Refuse(attempt)), (refused + 30, Act::Retry), (late, Act::PayAnyway(attempt))]
            }
            Traveller::PaysTwice => vec![(at(&mut self.rng), Act::Pay(attempt))],
            Traveller::PaysLate => {
                let late = 30 * 60 + self.rng.i64(-10..=600);
                let act = if self.rng.bool() { Act::Pay(attempt) } else { Act::PayAnyway(attempt) };
                vec![(late, act)]
            }
            Traveller::Cancels => vec![(at(&mut self.rng), Act::End)],
            Traveller::CancelsAndPays => {
                let ends = at(&mut self.rng);
                vec![(ends, Act::End), (ends, Act::Pay(attempt))]
            }
            Traveller::Leaves => Vec::new(),
        };
        for (seconds, act) in acts {
            self.after_s(seconds, Event::Act(act));
        }
    }

    /// What the order as it is now lets the traveller do.
    fn tempt(&mut self) {
        let Some(order) = self.driver.as_ref().map(|driver| &driver.order) else { return };
        let seats = order.state == OrderState::Draft
            && order.items.iter().any(|item| matches!(item.seats, SeatChoice::Pending) && item.state == ItemState::Planned);
        let confirm = order.state == OrderState::Draft && cart::hash(order).is_some();
        let booked = OrderState::CANCELLABLE_BY_QUOTE.contains(&order.state);
        let cancels = matches!(self.plan.traveller, Traveller::CancelsBooked | Traveller::CancelsOne);
        let quoted = order.cancellation.as_ref().is_some_and(|open| open.state == CancellationState::Quoted);
        if seats {
            self.once_more(Act::ChooseSeats);
        }
        if confirm {
            self.once_more(Act::Confirm);
        }
        if booked && cancels && !quoted {
            self.once(Act::AskQuote, 600);
        }
        if quoted {
            self.once_more(Act::Accept);
        }
        if booked && self.faulty() {
            self.supplier_cancels_perhaps();
        }
    }

    fn once(&mut self, act: Act, seconds: i64) {
        if !self.acted.contains(&act) {
            self.acted.push(act);
            self.after_s(seconds, Event::Act(act));
        }
    }

    /// Again after it was done, because an item may need it again; not while it is on its way.
    fn once_more(&mut self, act: Act) {
        if !self.acted.contains(&act) {
            let seconds = self.rng.i64(1..=90);
            self.once(act, seconds);
        }
    }

    fn supplier_cancels_perhaps(&mut self) {
        if self.acted.contains(&Act::Refuse(AttemptId::from_ulid(id(1)))) {
            return;
        }
        self.acted.push(Act::Refuse(AttemptId::from_ulid(id(1))));
        if !self.fault(Fault::SupplierCancels, self.plan.rates.supplier_cancels) {
            return;
        }
        let Some(order) = self.driver.as_ref().map(|driver| &driver.order) else { return };
        let booked = order.items.iter().filter(|item| item.state == ItemState::Booked);
        let Some((item, booking)) = booked.filter_map(|i| Some((i.wanted.id, i.supplier_order.clone()?))).next() else {
            return;
        };
        let says = self.rng.u8(0..4) != 0;
        if let Some(back) = self.world.supplier_cancels(&booking, says) {
            let refund = says.then_some(back);
            let fact = Fact::SupplierCancelled { item, refund, source: Source::Notification };
            // Not lost for good: suppliers are read again by the reconciler.
            self.after_s(30, Event::Notice { fact: fact.clone() });
            self.after_s(90, Event::Notice { fact });
        }
    }

    fn act(&mut self, act: Act) {
        self.acted.retain(|done| *done != act || matches!(act, Act::AskQuote));
        match act {
            Act::Pay(attempt) => return self.pay(attempt, false),
            Act::PayAnyway(attempt) => return self.pay(attempt, true),
            Act::Refuse(attempt) => return self.refuse(attempt),
            Act::ChooseSeats | Act::Confirm | Act::Retry | Act::End | Act::AskQuote | Act::Accept => {}
        }
        if self.driver.is_none() || self.journal.disk_full {
            if !matches!(act, Act::Retry) {
                self.after_s(60, Event::Act(act));
            }
            return;
        }
        let Some(order) = self.driver.as_ref().map(|driver| driver.order.clone()) else { return };
        let fact = match act {
            Act::ChooseSeats => {
                let item = order
                    .items
                    .iter()
                    .find(|item| matches!(item.seats, SeatChoice::Pending) && item.state == ItemState::Planned);
                item.map(|item| Fact::SeatsChosen { item: item.wanted.id, seats: Vec::new() })
            }
            Act::Confirm => self.confirmation(&order),
            Act::Retry => booking::pay_by(&order, self.ours()).map(|pay_by| {
                self.ids += 1;
                Fact::PaymentRetried { attempt: AttemptId::from_ulid(id(self.ids)), channel: Channel::Wechatpay, pay_by }
            }),
            Act::End => Some(Fact::CancelRequested),
            Act::AskQuote => {
                self.ids += 1;
                let one = order.items.iter().find(|item| ItemState::CANCELLABLE.contains(&item.state));
                let items = match (self.plan.traveller, one) {
                    (Traveller::CancelsOne, Some(item)) => vec![item.wanted.id],
                    _ => Vec::new(),
                };
                let (quote, reason) = (QuoteId::from_ulid(id(self.ids)), CancelReason::PlansChanged);
                Some(Fact::CancelQuoteRequested { quote, items, reason })
            }
            Act::Accept => {
                self.ids += 1;
                let refund = RefundId::from_ulid(id(self.ids));
                order.cancellation.as_ref().map(|open| Fact::CancelAccepted { quote: open.quote, refund })
            }
            Act::Pay(_) | Act::PayAnyway(_) | Act::Refuse(_) => None,
        };
        if let Some(fact) = fact.filter(|fact| order.apply(self.ours(), fact).is_ok()) {
            check::consented(self, &order, &fact);
            if !self.command(&order, fact) && !matches!(act, Act::Retry) {
                return self.after_s(20, Event::Act(act));
            }
        }
        self.look();
    }

    /// A command was decided on the order as it was read; when something was written meanwhile it is decided anew.
    fn command(&mut self, read: &Order, fact: Fact) -> bool {
        if self.rng.u8(0..4) == 0 {
            // Something else is written between reading and writing.
            self.look();
        }
        let now = self.ours();
        let Some(driver) = self.driver.as_mut() else { return false };
        if self.journal.append(driver.fence, read.version, now, std::slice::from_ref(&fact)).is_err() {
            return false;
        }
        match driver.order.apply(now, &fact) {
            Ok(next) => driver.order = next,
            Err(error) => self.violations.push(Violation::new("SG-43", &format!("written over another's fact: {error}"))),
        }
        check::written(self);
        true
    }

    fn confirmation(&mut self, order: &Order) -> Option<Fact> {
        let now = self.ours();
        let pay_by = booking::pay_by(order, now).or(planted(Defect::StaleCart).then(|| now.plus_minutes(10)))?;
        let total = cart::total(order).ok()?;
        let (attempt, channel) = (AttemptId::from_ulid(id(5_000)), Channel::Wechatpay);
        Some(Fact::Confirmed { cart_hash: cart::hash(order)?, total, attempt, channel, pay_by })
    }

    fn pay(&mut self, attempt: AttemptId, anyway: bool) {
        let Some(payment) = self.world.payments.get_mut(&attempt) else { return };
        let can = payment.state == PaymentState::RequiresAction || anyway && payment.state != PaymentState::Captured;
        if !can {
            return;
        }
        let closed = payment.state != PaymentState::RequiresAction;
        payment.state = PaymentState::Captured;
        let status = self.world.payment(attempt);
        self.notify(Fact::PaymentReported { status: status.clone(), source: Source::Notification });
        if closed {
            // Nobody asks about a payment that is over; the channel tells until it is heard.
            let ms = self.rng.i64(10..=20_000);
            self.after(ms * 1_000, Event::Notice { fact: Fact::PaymentReported { status: status.clone(), source: Source::Notification } });
        }
        if self.rng.u8(0..4) == 0 {
            let old = zhiyou_domain::port::payments::PaymentStatus { state: PaymentState::Closed, captured: None, ..status };
            self.notify(Fact::PaymentReported { status: old, source: Source::Notification });
        }
    }

    fn refuse(&mut self, attempt: AttemptId) {
        let Some(payment) = self.world.payments.get_mut(&attempt) else { return };
        if payment.state == PaymentState::RequiresAction {
            payment.state = PaymentState::Failed;
            let status = self.world.payment(attempt);
            self.notify(Fact::PaymentReported { status, source: Source::Notification });
        }
    }

    /// Sum of what the channel took, minor units.
    pub(crate) fn taken_minor(&self) -> i64 {
        let taken = self.world.payments.values().filter(|payment| payment.state == PaymentState::Captured);
        taken.map(|payment| payment.amount.minor()).sum()
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

