//! What to do next for an order: `(order, now) -> actions`. Pure, and safe to ask at any time, any number of times.
//!
//! Reads are wanted until their answer has become a fact; an effect is wanted only while no step for it is open. What
//! failed to be sent is wanted again; what is unknown is only looked up. Deliberately not here: how often to ask
//! (the runner paces), and how an action is carried out.

pub mod pace;
pub mod recipe;
pub mod steps;
mod turn;

pub use turn::{Advance, Turn, advance, recover, take_in, turn};

use crate::{
    defect::{Defect, planted},
    id::{AttemptId, ItemId, RefundId},
    money::Money,
    order::{
        Attempt, AttemptState, CancellationState, ChangeStanding, Ending, Fact, ItemState, Offer, Op, Order, OrderItem,
        OrderState, ProposedChange, RefundProgress, SeatChoice, SecondChance, StepKey, cart, deadline, debt::Matter,
        risk,
    },
    plan::Priority,
    port::{Reason, ReasonCode},
    time::UtcMicros,
};

/// How long a payment stays open at most, minutes; never longer than the cart lives.
pub const PAY_WITHIN_MIN: i64 = 30;
/// The cart has to live at least this much longer than the payment, so that paid money can still be booked, seconds.
pub const BOOKING_MARGIN_S: i64 = 120;

/// Undos that were not sent in a row after which what comes before no longer waits for it.
const UNDO_TRIES: u32 = 3;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask for something; asking has no effect.
    Read(Read),
    /// Begin an effect: write its intent, then call.
    Start(StepKey),
    /// Write a fact that follows from the order and the time alone.
    Record(Fact),
    /// Decide a refund; the id is made by whoever writes the fact, unless it exists already.
    DecideRefund {
        /// Id, when it was fixed earlier.
        refund: Option<RefundId>,
        /// Payment.
        attempt: AttemptId,
        /// Amount.
        amount: Money,
    },
}

/// Something to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// Search and choose an offer.
    FindOffer {
        /// Item.
        item: ItemId,
    },
    /// Search the goods of the first try again, for late money.
    FindAgain {
        /// Item.
        item: ItemId,
    },
    /// Price a flight that cannot be held, with its seats.
    PriceFlight {
        /// Item.
        item: ItemId,
    },
    /// Check a hotel rate or a car, hold an activity.
    Quote {
        /// Item.
        item: ItemId,
    },
    /// Ask whether a booking the supplier was still deciding on is confirmed.
    AwaitBooking {
        /// Item.
        item: ItemId,
    },
    /// Ask what has become of a change the supplier did not want an answer to any more.
    SeeChange {
        /// Item.
        item: ItemId,
    },
    /// Ask what cancelling an item gives back.
    QuoteCancel {
        /// Item.
        item: ItemId,
    },
    /// Ask the channel about a payment.
    QueryPayment {
        /// Attempt.
        attempt: AttemptId,
    },
    /// Ask the channel about a refund.
    QueryRefund {
        /// Refund.
        refund: RefundId,
    },
    /// Find out how a step of unknown outcome ended.
    LookUp {
        /// Step.
        key: StepKey,
    },
}

/// What to do, and when to ask again even if nothing happens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Actions; independent of each other.
    pub actions: Vec<Action>,
    /// The next moment time alone changes the answer.
    pub wake_at: Option<UtcMicros>,
}

impl Decision {
    fn read(&mut self, read: Read) {
        self.actions.push(Action::Read(read));
    }

    fn wake(&mut self, at: UtcMicros) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Decides what to do next.
#[must_use]
pub fn decide(order: &Order, now: UtcMicros) -> Decision {
    let mut decision = Decision::default();
    for step in order.open_steps.iter().filter(|step| step.unknown) {
        decision.read(Read::LookUp { key: step.key.clone() });
        debt_when_late(order, step, now, &mut decision);
    }
    match order.state {
        OrderState::Draft => draft(order, now, &mut decision),
        OrderState::PaymentPending => payment_pending(order, now, &mut decision),
        OrderState::PaymentProcessing => payment_processing(order, now, &mut decision),
        OrderState::Confirmed | OrderState::PartiallyConfirmed => {
            keep_changes(order, &mut decision);
            quote_cancellation(order, &mut decision);
        }
        OrderState::Cancelled if matches!(order.second_chance, Some(SecondChance::Trying { .. })) => {
            second_chance(order, now, &mut decision);
        }
        OrderState::Cancelled | OrderState::Failed | OrderState::RefundRequested | OrderState::Refunded => {
            unwind(order, &mut decision);
        }
    }
    watch_money(order, &mut decision);
    announce(order, now, &mut decision);
    decision
}

/// Says that a moment has come, the earliest first.
fn announce(order: &Order, now: UtcMicros, decision: &mut Decision) {
    let Some(deadline) = deadline::next_announced(order) else { return };
    if deadline.at <= now {
        decision.actions.push(Action::Record(Fact::DeadlineReached { deadline }));
    } else {
        decision.wake(deadline.at);
    }
}

/// What nobody could find out before its deadline becomes a debt; it is looked up all the same.
fn debt_when_late(order: &Order, step: &crate::order::OpenStep, now: UtcMicros, decision: &mut Decision) {
    let known =
        order.open_debts().any(|debt| matches!(&debt.matter, Matter::OutcomeUnknown { key } if *key == step.key));
    let due = step.started_at.plus_minutes(steps::of(step.key.op).recipe.debt_after_min);
    if planted(Defect::NoDebts) {
        return;
    }
    if !known && due <= now {
        decision.actions.push(Action::Record(Fact::DebtDue { key: step.key.clone() }));
    } else if !known {
        decision.wake(due);
    }
}

fn draft(order: &Order, now: UtcMicros, decision: &mut Decision) {
    let Some(lapse) = cart::lapses_at(order) else { return draft_items(order, decision) };
    // A hold that is still being asked for is waited for, so that it is not forgotten at the supplier.
    if lapse <= now {
        if order.open_steps.is_empty() {
            decision.actions.push(Action::Record(Fact::HoldsLapsed));
        }
        return;
    }
    decision.wake(lapse);
    draft_items(order, decision);
}

fn draft_items(order: &Order, decision: &mut Decision) {
    for item in order.items.iter().filter(|item| item.state == ItemState::Planned && !order.is_busy(item.wanted.id)) {
        let id = item.wanted.id;
        match (&item.offer, depends(order, item)) {
            (_, Depends::Lost) => {
                let reason = Reason::new(ReasonCode::DependencyFailed, "what it comes after could not be had");
                decision.actions.push(Action::Record(Fact::ItemGivenUp { item: id, reason }));
            }
            (None, _) => decision.read(Read::FindOffer { item: id }),
            (Some(_), Depends::Open) => {}
            (Some(offer), Depends::Secured) => gather(order, item, offer, decision),
        }
    }
}

/// How what an item comes after stands.
enum Depends {
    /// Everything is held or booked.
    Secured,
    /// Something is not held yet.
    Open,
    /// Something cannot be had.
    Lost,
}

fn depends(order: &Order, item: &OrderItem) -> Depends {
    let mut found = Depends::Secured;
    if planted(Defect::DependenciesIgnored) {
        return found;
    }
    for earlier in item.wanted.after.iter().filter_map(|id| order.item(*id)) {
        match earlier.state {
            ItemState::Failed | ItemState::Expired | ItemState::Cancelled => return Depends::Lost,
            ItemState::Planned => found = Depends::Open,
            ItemState::Held
            | ItemState::Booking
            | ItemState::Booked
            | ItemState::ChangeProposed
            | ItemState::Changed
            | ItemState::CancelQuoted
            | ItemState::Cancelling => {}
        }
    }
    found
}

/// Holds an offered item, or checks its price where it cannot be held.
fn gather(order: &Order, item: &OrderItem, offer: &Offer, decision: &mut Decision) {
    let id = item.wanted.id;
    match offer {
        Offer::Hotel(_) | Offer::Car(_) | Offer::Activity(_) => decision.read(Read::Quote { item: id }),
        Offer::Flight(_) if matches!(item.seats, SeatChoice::Pending) => {}
        Offer::Flight(_) if !signed_in_for(order, item) => {}
        Offer::Flight(_) if item.instant => decision.read(Read::PriceFlight { item: id }),
        Offer::Flight(_) => {
            let key = StepKey { order: order.id, op: Op::Hold { item: id }, n: item.holds_ended + 1 };
            decision.actions.push(Action::Start(key));
        }
    }
}

/// Late money: the same goods are found and held again; then it pays for them, or goes back.
fn second_chance(order: &Order, now: UtcMicros, decision: &mut Decision) {
    let Some(SecondChance::Trying { until }) = order.second_chance else { return };
    let wanted = order.confirmed.as_ref().map(|confirmed| confirmed.commit_order.as_slice()).unwrap_or_default();
    let items: Vec<&OrderItem> = wanted.iter().filter_map(|id| order.item(*id)).collect();
    let lost = |item: &&OrderItem| {
        !matches!(item.state, ItemState::Planned | ItemState::Held)
            || item.state == ItemState::Planned && matches!(item.seats, SeatChoice::Pending)
    };
    let held = |item: &&OrderItem| item.state == ItemState::Held && item.lapses_at().is_some_and(|lapse| lapse > now);
    let dearer = || {
        let agreed = order.confirmed.as_ref().map(|confirmed| confirmed.total);
        !planted(Defect::DearerSecondChance)
            && !matches!((cart::total(order), agreed), (Ok(total), Some(agreed)) if total.exceeds(agreed) == Ok(false))
    };
    // What was set aside can have been let go since it came: nothing is booked with money that is not there.
    let unpaid = !cart::is_paid(order) && !planted(Defect::ChanceUnpaid);
    if unpaid || items.iter().any(lost) || until <= now || items.iter().all(held) && dearer() {
        if order.open_steps.is_empty() {
            decision.actions.push(Action::Record(Fact::SecondChanceRefused));
        }
        return;
    }
    decision.wake(until);
    if items.iter().all(held) {
        decision.actions.push(Action::Record(Fact::SecondChanceAccepted));
        return;
    }
    for item in items.into_iter().filter(|item| !held(item) && !order.is_busy(item.wanted.id)) {
        let id = item.wanted.id;
        match (&item.offer, item.state) {
            (_, ItemState::Held) if item.is_kept_for_us() => release(order, item, decision),
            // A checked price that lapsed meanwhile: the time is too short.
            (_, ItemState::Held) if order.open_steps.is_empty() => {
                decision.actions.push(Action::Record(Fact::SecondChanceRefused));
            }
            (_, ItemState::Held) => {}
            (None, _) => decision.read(Read::FindAgain { item: id }),
            (Some(offer), _) => gather(order, item, offer, decision),
        }
    }
}

fn signed_in_for(order: &Order, item: &OrderItem) -> bool {
    item.wanted.member_platform.as_ref().is_none_or(|platform| order.signed_in.contains(platform))
}

/// The last moment to pay a cart: soon enough that what is paid can still be booked. `None` when that is no longer so.
#[must_use]
pub fn pay_by(order: &Order, now: UtcMicros) -> Option<UtcMicros> {
    let lapse = cart::lapses_at(order)?.plus_seconds(-BOOKING_MARGIN_S);
    let latest = now.plus_minutes(PAY_WITHIN_MIN).min(lapse);
    // Channels refuse a payment that is over within a minute.
    (latest >= now.plus_seconds(60)).then_some(latest)
}

fn payment_pending(order: &Order, now: UtcMicros, decision: &mut Decision) {
    let Some(attempt) = cart::payable(order) else {
        // Refused: the traveller may try again while the cart lives.
        match cart::lapses_at(order).map(|lapse| lapse.plus_seconds(-BOOKING_MARGIN_S)) {
            Some(lapse) if lapse > now => decision.wake(lapse),
            _ => decision.actions.push(Action::Record(Fact::PayByPassed)),
        }
        return;
    };
    if attempt.mismatch {
        return;
    }
    let (id, close) = (attempt.id, Op::ClosePayment { attempt: attempt.id });
    if order.ending.is_some() {
        if !order.is_open(close) && !order.is_open(Op::OpenPayment { attempt: id }) {
            decision.actions.push(Action::Start(StepKey { order: order.id, op: close, n: 1 }));
        }
        return;
    }
    if attempt.pay_by <= now && !planted(Defect::DeadlineForgotten) {
        decision.actions.push(Action::Record(Fact::PayByPassed));
        return;
    }
    decision.wake(attempt.pay_by);
    if planted(Defect::CommitUnpaid) && attempt.state == AttemptState::RequiresAction {
        let item = waiting(order).next().map(|item| item.wanted.id).filter(|item| !order.is_busy(*item));
        if let Some(item) = item {
            decision.actions.push(Action::Start(StepKey { order: order.id, op: Op::Commit { item }, n: 1 }));
        }
    }
    let opening = Op::OpenPayment { attempt: id };
    if attempt.state == AttemptState::Created && !order.is_open(opening) {
        decision.actions.push(Action::Start(StepKey { order: order.id, op: opening, n: 1 }));
    }
}

fn payment_processing(order: &Order, now: UtcMicros, decision: &mut Decision) {
    if !order.open_steps.is_empty() {
        return;
    }
    if await_undecided(order, decision) {
        return;
    }
    let must_failed = order.items.iter().any(|item| {
        item.state == ItemState::Failed && item.hold.is_some() && item.wanted.priority == Priority::MustHave
    });
    let given_up = waiting(order).find(|item| matches!(depends(order, item), Depends::Lost));
    if let Some(item) = given_up.filter(|_| !must_failed) {
        let reason = Reason::new(ReasonCode::DependencyFailed, "what it comes after could not be booked");
        decision.actions.push(Action::Record(Fact::ItemGivenUp { item: item.wanted.id, reason }));
        return;
    }
    let next = if must_failed { Vec::new() } else { next_commits(order, now) };
    if next.is_empty() {
        // What is booked is paid for before it is called confirmed.
        let owing = |attempt: &AttemptId| to_capture(order, *attempt).is_some();
        match set_aside(order).into_iter().find(owing).filter(|_| !must_failed && !planted(Defect::CaptureForgotten)) {
            Some(attempt) => {
                let op = Op::Capture { attempt };
                decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
            }
            None => decision.actions.push(Action::Record(Fact::BookingFinished)),
        }
    }
    for item in next {
        let op = Op::Commit { item };
        decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
    }
}

/// Items still to be booked, in the order fixed at confirmation.
fn waiting(order: &Order) -> impl Iterator<Item = &OrderItem> {
    let path = order.confirmed.as_ref().map(|confirmed| confirmed.commit_order.as_slice()).unwrap_or_default();
    let items = path.iter().filter_map(|id| order.item(*id));
    items.filter(|item| matches!(item.state, ItemState::Held | ItemState::Booking))
}

/// What is booked next: one item after the other where undoing costs something; what can be undone for nothing goes
/// beside each other, because that risks nothing.
fn next_commits(order: &Order, now: UtcMicros) -> Vec<ItemId> {
    let free = |item: &&OrderItem| risk::loss_if_undone(item, now).is_some_and(Money::is_zero);
    let ready = |item: &&OrderItem| {
        let sure = |earlier: &OrderItem| {
            ItemState::BOOKED.contains(&earlier.state) || earlier.hold.as_ref().is_some_and(|hold| hold.firm)
        };
        item.wanted.after.iter().filter_map(|id| order.item(*id)).all(sure)
    };
    let mut items = waiting(order);
    let Some(first) = items.next() else { return Vec::new() };
    let mut next = vec![first.wanted.id];
    if free(&first) {
        next.extend(items.take_while(|item| free(item) && ready(item)).map(|item| item.wanted.id));
    }
    next
}

/// Tells suppliers which of their changes are kept.
fn keep_changes(order: &Order, decision: &mut Decision) {
    let changing = |item: &&OrderItem| item.state == ItemState::ChangeProposed && !order.is_busy(item.wanted.id);
    for item in order.items.iter().filter(changing) {
        let id = item.wanted.id;
        let stale = |change: &ProposedChange| change.standing == ChangeStanding::Stale;
        if item.wants_change_kept() {
            let op = Op::AcceptChange { item: id };
            decision.actions.push(Action::Start(StepKey { order: order.id, op, n: item.change_answers + 1 }));
        } else if item.proposed.as_ref().is_some_and(stale) {
            decision.read(Read::SeeChange { item: id });
        }
    }
}

fn quote_cancellation(order: &Order, decision: &mut Decision) {
    release_holds(order, decision);
    if let Some(cancellation) = order.cancellation.as_ref().filter(|c| c.state == CancellationState::Quoting) {
        let asked = |item: &&OrderItem| {
            cancellation.items.contains(&item.wanted.id) && ItemState::CANCELLABLE.contains(&item.state)
        };
        for item in order.items.iter().filter(asked) {
            decision.read(Read::QuoteCancel { item: item.wanted.id });
        }
    }
    decide_owed(order, decision);
}

/// Lets go of what is held, cancels what is booked, gives back what is owed, then says so. What a supplier is still
/// deciding on is asked about until it is decided, because it can become a booking; what came before it does not wait.
fn unwind(order: &Order, decision: &mut Decision) {
    release_holds(order, decision);
    await_undecided(order, decision);
    let compensating = order.state == OrderState::RefundRequested && order.ending == Some(Ending::ItemFailed);
    for item in order.items.iter().filter(|item| !order.is_busy(item.wanted.id) && !waits_to_be_undone(order, item)) {
        let id = item.wanted.id;
        match item.state {
            state if ItemState::CANCELLABLE.contains(&state) => {
                if compensating && item.failure.is_none() && !planted(Defect::NoUnwind) {
                    decision.read(Read::QuoteCancel { item: id });
                }
            }
            ItemState::Cancelling => {
                let op = Op::Cancel { item: id };
                decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
            }
            ItemState::Planned
            | ItemState::Held
            | ItemState::Booking
            | ItemState::Booked
            | ItemState::ChangeProposed
            | ItemState::Changed
            | ItemState::CancelQuoted
            | ItemState::Cancelled
            | ItemState::Failed
            | ItemState::Expired => {}
        }
    }
    if goods_settled(order, compensating) {
        decide_owed(order, decision);
        finish_unwind(order, decision);
    }
}

/// Asks about everything a supplier is still deciding on; whether there is anything.
fn await_undecided(order: &Order, decision: &mut Decision) -> bool {
    let undecided: Vec<ItemId> = order.undecided().map(|item| item.wanted.id).collect();
    for item in undecided.iter().filter(|_| !planted(Defect::PendingForgotten)) {
        decision.read(Read::AwaitBooking { item: *item });
    }
    !undecided.is_empty()
}

/// An item is undone after everything that comes after it: what was built on it goes first. Nothing waits for an undo
/// that does not come forward.
fn waits_to_be_undone(order: &Order, item: &OrderItem) -> bool {
    let compensating = order.state == OrderState::RefundRequested && order.ending == Some(Ending::ItemFailed);
    let under_way = |later: &OrderItem| match later.state {
        ItemState::Cancelling => true,
        ItemState::Held => later.is_kept_for_us(),
        state => ItemState::CANCELLABLE.contains(&state) && compensating && later.failure.is_none(),
    };
    let stuck = |later: &OrderItem| {
        let unknown = |step: &crate::order::OpenStep| step.unknown && step.key.op.item() == Some(later.wanted.id);
        later.not_sent >= UNDO_TRIES || order.open_steps.iter().any(unknown)
    };
    let mut later = order.items.iter().filter(|later| later.wanted.after.contains(&item.wanted.id));
    later.any(|later| under_way(later) && !stuck(later))
}

fn release_holds(order: &Order, decision: &mut Decision) {
    if planted(Defect::HoldsKept) {
        return;
    }
    let held = |item: &&OrderItem| {
        item.is_kept_for_us() && matches!(item.state, ItemState::Held | ItemState::Failed | ItemState::Booking)
    };
    // While the order can still be paid its holds stay.
    let paying = matches!(order.state, OrderState::Draft | OrderState::PaymentPending | OrderState::PaymentProcessing);
    let free = |item: &&OrderItem| !paying && !order.is_busy(item.wanted.id) && !waits_to_be_undone(order, item);
    for item in order.items.iter().filter(held).filter(free) {
        release(order, item, decision);
    }
}

fn release(order: &Order, item: &OrderItem, decision: &mut Decision) {
    let op = Op::Release { item: item.wanted.id };
    decision.actions.push(Action::Start(StepKey { order: order.id, op, n: item.holds_ended + 1 }));
}

fn goods_settled(order: &Order, compensating: bool) -> bool {
    order.open_steps.is_empty()
        && order.undecided().next().is_none()
        && !order.items.iter().any(|item| {
            item.state == ItemState::Cancelling
                || !planted(Defect::NoUnwind)
                    && compensating
                    && ItemState::CANCELLABLE.contains(&item.state)
                    && item.failure.is_none()
        })
}

/// What has to go back to the traveller and is not on its way yet: payment and amount.
///
/// Pending orders owe nothing; a failed or late or double payment owes all of it; an accepted cancellation owes what was
/// quoted for what really was cancelled; a partly booked order owes the failed share.
#[must_use]
pub fn owed(order: &Order) -> Option<(AttemptId, Money)> {
    for attempt in order.attempts.iter().filter(|attempt| attempt.state == AttemptState::Captured) {
        let received = attempt.received()?;
        let made = |refund: &&crate::order::Refund| refund.state != RefundProgress::Failed;
        let gone = order.refunds.iter().filter(|refund| refund.attempt == attempt.id).filter(made);
        let gone = Money::sum(attempt.amount.currency(), gone.map(|refund| refund.amount)).ok()?;
        let gone = if planted(Defect::RefundTwice) { Money::zero(gone.currency()) } else { gone };
        // Only the first payment of a part pays for the order; any other one goes back whole.
        let paying = cart::paying_attempt(order, attempt.part).map(|paying| paying.id);
        let keep = if paying == Some(attempt.id) {
            keepable(order, attempt, received)?
        } else if planted(Defect::KeepSecondPayment) {
            received
        } else {
            Money::zero(attempt.amount.currency())
        };
        let currency = received.currency();
        let disputed = order.disputed(attempt.id, currency).ok().filter(|_| !planted(Defect::DisputeRefunded));
        let rest = received.minus(disputed.unwrap_or(Money::zero(currency)));
        let owed = rest.and_then(|rest| rest.minus(keep)).and_then(|rest| rest.minus(gone)).ok()?;
        if owed.is_positive() {
            return Some((attempt.id, owed));
        }
    }
    None
}

/// What of the payment may be kept: everything while booking goes on, afterwards what suppliers have.
fn keepable(order: &Order, attempt: &Attempt, paid: Money) -> Option<Money> {
    if planted(Defect::NoRefund) && order.state != OrderState::Cancelled {
        return Some(paid);
    }
    if planted(Defect::RefundWhole) && order.state == OrderState::PartiallyConfirmed {
        return Some(Money::zero(paid.currency()));
    }
    match order.state {
        OrderState::Draft | OrderState::PaymentPending | OrderState::PaymentProcessing => Some(paid),
        OrderState::Cancelled if matches!(order.second_chance, Some(SecondChance::Trying { .. })) => Some(paid),
        OrderState::Confirmed
        | OrderState::PartiallyConfirmed
        | OrderState::Cancelled
        | OrderState::Failed
        | OrderState::RefundRequested
        | OrderState::Refunded => cart::kept_of(order, attempt).ok(),
    }
}

/// The payments whose money is set aside and pays for the order.
fn set_aside(order: &Order) -> Vec<AttemptId> {
    let paying = cart::paying_attempts(order).into_iter();
    paying.filter(|attempt| attempt.state == AttemptState::Authorised).map(|attempt| attempt.id).collect()
}

/// How much of what a payment set aside is to be taken now: what suppliers have. `None` when that is nothing, and of what the
/// channel does not let us take.
#[must_use]
pub fn to_capture(order: &Order, attempt: AttemptId) -> Option<Money> {
    let known = order.attempt(attempt)?;
    let known = cart::paying_attempt(order, known.part).filter(|paying| paying.id == attempt && !paying.refused)?;
    let kept = cart::kept_of(order, known).ok()?;
    let kept = if planted(Defect::CaptureWhole) { known.amount } else { kept };
    kept.is_positive().then_some(kept)
}

/// Takes or lets go what is still set aside once it is clear what suppliers have of it.
fn settle_set_aside(order: &Order, decision: &mut Decision) {
    let waiting = set_aside(order);
    // One after the other: what is left for one to bear is clear only when the other one has ended.
    let under_way = |attempt: &AttemptId| {
        order.is_open(Op::Capture { attempt: *attempt }) || order.is_open(Op::Void { attempt: *attempt })
    };
    let Some(attempt) = waiting.first().copied() else { return };
    if waiting.iter().any(under_way) || planted(Defect::VoidForgotten) {
        return;
    }
    let (capture, void) = (Op::Capture { attempt }, Op::Void { attempt });
    let op = if to_capture(order, attempt).is_some() { capture } else { void };
    if op == capture && planted(Defect::CaptureForgotten) {
        return;
    }
    decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
}

fn decide_owed(order: &Order, decision: &mut Decision) {
    settle_set_aside(order, decision);
    if let Some((attempt, amount)) = owed(order) {
        // The id of an accepted cancellation's refund was fixed when it was accepted.
        let fixed = order.cancellation.as_ref().and_then(|cancellation| cancellation.refund);
        let refund = fixed.filter(|id| order.refunds.iter().all(|refund| refund.id != *id));
        decision.actions.push(Action::DecideRefund { refund, attempt, amount });
    }
}

fn finish_unwind(order: &Order, decision: &mut Decision) {
    // What came back is given by another way; until a person says so, not everything is given back.
    let waits =
        |refund: &crate::order::Refund| refund.state == RefundProgress::CameBack && !order.is_given_otherwise(refund);
    let moving = |refund: &crate::order::Refund| RefundProgress::OPEN.contains(&refund.state) || waits(refund);
    let money_moving = order.refunds.iter().any(moving)
        || order.attempts.iter().any(|attempt| attempt.state == AttemptState::Authorised);
    if order.state == OrderState::RefundRequested && owed(order).is_none() && !money_moving {
        decision.actions.push(Action::Record(Fact::UnwindFinished));
    }
}

/// Asks about every payment and refund that is still under way, whatever the order's state: with all notifications
/// lost, the end is the same.
fn watch_money(order: &Order, decision: &mut Decision) {
    for attempt in &order.attempts {
        let paid_by = cart::paying_attempt(order, attempt.part).map(|paying| paying.id);
        let close = Op::ClosePayment { attempt: attempt.id };
        let opening = order.is_open(Op::OpenPayment { attempt: attempt.id });
        let other = paid_by.is_some_and(|paying| paying != attempt.id);
        let second = other && AttemptState::OPEN.contains(&attempt.state) && !attempt.mismatch;
        let busy = opening || order.is_open(close) || order.is_open(Op::Void { attempt: attempt.id });
        // Paid once is enough: no other code of this order stays payable.
        if second && !busy {
            let set_aside = attempt.state == AttemptState::Authorised;
            let op = if set_aside { Op::Void { attempt: attempt.id } } else { close };
            decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
        }
        let closed_without_money = matches!(attempt.state, AttemptState::RequiresAction | AttemptState::Processing);
        if closed_without_money && !attempt.mismatch && !planted(Defect::PaymentsNotAsked) {
            decision.read(Read::QueryPayment { attempt: attempt.id });
        }
    }
    for refund in &order.refunds {
        let op = Op::Refund { refund: refund.id };
        match refund.state {
            RefundProgress::Requested if !order.is_open(op) => {
                decision.actions.push(Action::Start(StepKey { order: order.id, op, n: 1 }));
            }
            RefundProgress::Submitted | RefundProgress::Manual if planted(Defect::RefundsNotAsked) => {}
            RefundProgress::Submitted | RefundProgress::Manual => {
                decision.read(Read::QueryRefund { refund: refund.id });
            }
            RefundProgress::Requested
            | RefundProgress::Succeeded
            | RefundProgress::Failed
            | RefundProgress::CameBack => {}
        }
    }
}

#[cfg(test)]
mod tests;
