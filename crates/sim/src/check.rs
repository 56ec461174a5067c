//! What has to hold after every event, and when everything came to rest.
//!
//! The checks look at the suppliers' and the channel's own books; of ours they read the journal. Deliberately not here:
//! anything the order engine itself uses to decide, except to compare it with an independent figure.

use crate::{
    plan::cny,
    run::Run,
    world::{Booking, Payment, State, departure},
};
use std::{collections::BTreeMap, sync::Arc};
use zhiyou_domain::{
    booking::steps,
    id::ItemId,
    order::{
        AttemptState, Fact, ItemState, Offer, Op, Order, OrderState, RefundProgress, StepEnd, StepKey, cart,
        debt::Matter, journal, ledger,
    },
    port::payments::{DisputeState, PaymentState, RefundState},
    time::UtcMicros,
};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn new(rule: &'static str, what: &str) -> Self {
        Self { rule, what: what.to_owned() }
    }
}

/// The moves the seeds allow, written down a second time.
const MOVES: &[(OrderState, &[OrderState])] = {
    use OrderState::{
        Cancelled, Confirmed, Draft, Failed, PartiallyConfirmed, PaymentPending, PaymentProcessing, RefundRequested,
        Refunded,
    };
    &[
        (Draft, &[PaymentPending, Cancelled]),
        (PaymentPending, &[PaymentProcessing, Draft, Cancelled, Failed]),
        (PaymentProcessing, &[PaymentPending, Confirmed, PartiallyConfirmed, Failed, Cancelled, RefundRequested]),
        (Confirmed, &[PartiallyConfirmed, RefundRequested, Cancelled]),
        (PartiallyConfirmed, &[Confirmed, RefundRequested, Cancelled]),
        (Cancelled, &[PaymentProcessing, RefundRequested]),
        (Failed, &[RefundRequested]),
        (RefundRequested, &[Refunded, Confirmed, PartiallyConfirmed, Cancelled]),
        (Refunded, &[]),
    ]
};

fn fail(run: &mut Run, rule: &'static str, what: impl AsRef<str>) {
    run.violations.push(Violation::new(rule, what.as_ref()));
}

/// After every commit: each fact makes a legal successor, the snapshot is their end, and money adds up.
pub(crate) fn written(run: &mut Run, before: &Order, at: UtcMicros, facts: &[Fact]) {
    let Some(driver) = &run.driver else { return };
    let order = Arc::clone(driver.order());
    if usize::try_from(order.version) != Ok(run.journal.rows.len()) {
        fail(run, "I6", "the snapshot and the journal have different lengths");
    }
    if order.state == OrderState::Failed {
        fail(run, "I11", "an order is shown as failed while its money is not on its way back");
    }
    moves(run, before, at, facts);
    let payable = |state| AttemptState::OPEN.contains(&state) && state != AttemptState::Authorised;
    if order.attempts.iter().filter(|attempt| payable(attempt.state)).count() > 1 {
        fail(run, "SG-74", "two payments are open at once");
    }
    let told = |refund: &&zhiyou_domain::order::Refund| {
        refund.state == RefundProgress::Succeeded && run.world.refund_status(refund.id).state != RefundState::Succeeded
    };
    if order.refunds.iter().any(|refund| told(&refund)) {
        fail(run, "I12", "money is told to have come back that has not");
    }
    match (ledger::position(&order, run.ours()), cart::money_map(&order)) {
        (Ok(told), Ok(map)) => {
            let told = [told.paid, told.held, told.committed, told.refund_in_transit, told.returned].map(|f| f.amount);
            let reckoned = [map.paid, map.held, map.committed, map.refund_in_transit, map.refunded];
            if told != reckoned {
                fail(run, "I2", format!("ledger {told:?} and states {reckoned:?} differ"));
            }
            // Suppliers were paid, and then the money could not be taken: that is the merchant's debt.
            if map.held.minor() < 0 && !unpaid(&order) && order.disputes.is_empty() {
                fail(run, "I2", "more was passed on than was paid");
            }
        }
        _ => fail(run, "I2", "amounts do not add up"),
    }
}

/// Whether money that was set aside could not be taken any more.
fn unpaid(order: &Order) -> bool {
    order.open_debts().any(|debt| matches!(debt.matter, Matter::CaptureFailed { .. }))
}

fn moves(run: &mut Run, before: &Order, at: UtcMicros, facts: &[Fact]) {
    let allowed = |from, next| MOVES.iter().any(|(state, to)| *state == from && to.contains(&next));
    let mut order = before.clone();
    for fact in facts {
        let from = order.state;
        match order.apply(at, fact) {
            Ok(next) => order = next,
            Err(error) => return fail(run, "I6", format!("a fact was written that does not fit: {error}")),
        }
        if order.state != from && !allowed(from, order.state) {
            fail(run, "I6", format!("{from:?} became {:?}", order.state));
        }
    }
}

/// Before an effect: its intent is in the journal, and its outcome is not.
pub(crate) fn intent_exists(run: &mut Run, key: &StepKey) {
    // A channel knows a merchant number once, an airline its change: asking again, even late, is the same request.
    let named = key.op.item().is_none() || matches!(key.op, Op::AcceptChange { .. });
    let same = named && run.journal.known.contains(key);
    if !same && !run.journal.open.contains(key) {
        fail(run, "I9", format!("{:?} reached its provider without an open intent", key.op));
    }
}

/// What the traveller agreed to must still be so.
pub(crate) fn consented(run: &mut Run, order: &Order, fact: &Fact) {
    if let Fact::Confirmed { total, .. } = fact {
        let now = run.ours();
        if cart::cart_items(order).any(|item| item.lapses_at().is_none_or(|lapse| lapse <= now)) {
            fail(run, "SG-31", "a cart past its time was confirmed");
        }
        let prices: i64 = cart::cart_items(order).filter_map(|item| item.price()).map(|price| price.minor()).sum();
        if prices != total.minor() {
            fail(run, "SG-30", "the confirmed total is not the sum of the prices");
        }
    }
}

/// After every event.
pub(crate) fn always(run: &mut Run) {
    let now = run.now;
    let mut live: BTreeMap<ItemId, usize> = BTreeMap::new();
    run.world.bookings.iter().filter(|b| b.live(now)).for_each(|b| *live.entry(b.item).or_insert(0) += 1);
    if live.values().any(|count| *count > 1) {
        fail(run, "I1", "an item is booked twice at its supplier");
    }
    let booked: i64 = run.world.bookings.iter().filter(|b| b.paid).map(|b| b.price.minor()).sum();
    run.arrived |= all_parts_arrived(run);
    if run.taken_minor() > 0 && !run.arrived && run.plan.second.is_some_and(|(_, aside)| aside) {
        fail(run, "SG-35", "one channel took money before the other had set its part aside");
    }
    if booked > 0 && !run.arrived {
        fail(run, "I3", "something was booked before money arrived");
    }
    if run.world.took_too_much {
        fail(run, "SG-35", "more was taken of what was set aside than suppliers have");
    }
    for payment in run.world.payments.values() {
        let gone: i64 = payment.refunds.values().map(|(amount, _)| amount.minor()).sum();
        if gone > payment.taken.minor() || payment.taken.minor() > payment.amount.minor() {
            run.violations.push(Violation::new("I5", "more went back than came"));
            return;
        }
    }
    debts_are_shown(run);
}

/// Whether every channel has, has set aside, or once had set aside, its part of what was confirmed.
fn all_parts_arrived(run: &Run) -> bool {
    let Some(order) = run.driver.as_ref().map(|driver| driver.order()) else { return false };
    let Some(confirmed) = &order.confirmed else { return false };
    let arrived =
        |payment: &Payment| payment.state == PaymentState::Authorised || payment.left || payment.taken.is_positive();
    let has = |part: usize| {
        let mut attempts = order.attempts.iter().filter(|attempt| attempt.part == part);
        attempts.any(|attempt| run.world.payments.get(&attempt.id).is_some_and(arrived))
    };
    (0..confirmed.parts.len()).all(has)
}

/// An outcome that stayed unknown past its deadline is in the register.
fn debts_are_shown(run: &mut Run) {
    let Some(driver) = run.driver.as_ref().filter(|_| !run.journal.disk_full && run.ours() == run.now) else { return };
    let overdue = |step: &&zhiyou_domain::order::OpenStep| {
        // A driver may be away for ten minutes, and a clock may just have been put right.
        let late = step.started_at.plus_minutes(steps::of(step.key.op).recipe.debt_after_min + 180);
        let shown = driver
            .order()
            .open_debts()
            .any(|d| matches!(&d.matter, Matter::OutcomeUnknown { key } if *key == step.key));
        step.unknown && late < run.now && !shown
    };
    let missing = driver.order().open_steps.iter().find(overdue).map(|step| format!("{:?}", step.key.op));
    if let Some(op) = missing {
        fail(run, "I7", format!("{op} is unknown for hours and nobody was told"));
    }
}

/// When nothing but time is left.
pub(crate) fn at_rest(run: &mut Run) {
    let order = match run.journal.read() {
        Ok(_) if run.flipped => return fail(run, "SG-50", "a flipped bit was not found"),
        Err(_) if run.flipped => return,
        Err(error) => return fail(run, "I6", format!("the journal does not replay: {error}")),
        Ok(None) => return fail(run, "I6", "the journal is gone"),
        Ok(Some(kept)) => kept.order,
    };
    match &run.driver {
        Some(driver) if *driver.order() == order => {}
        Some(_) => fail(run, "I6", "the snapshot is not what the journal says"),
        None => return fail(run, "I7", "nobody is running at the end"),
    }
    let mismatch = order.open_debts().any(|debt| debt.matter == Matter::AmountMismatch);
    if order.is_live() && !mismatch {
        fail(run, "I7", format!("stuck in {} with {:?}", order.state.word(), order.open_steps));
        return;
    }
    // Money nobody could reconcile waits for a person; everything else must agree.
    if !mismatch {
        books_agree(run, &order);
        money_agrees(run, &order);
    } else if !run.misreported {
        fail(run, "SG-27", "an amount mismatch nobody caused");
    }
    consent_held(run, &order);
    cancelled_is_over(run, &order);
    changes_agree(run, &order);
    steps_ended_once(run);
    announced_once(run);
}

/// Every moment is announced once, and those of one commit in their order.
fn announced_once(run: &mut Run) {
    let facts = journal::verify(run.journal.order, &run.journal.rows).unwrap_or_default();
    let reached = facts.iter().filter_map(|(at, fact)| match fact {
        Fact::DeadlineReached { deadline } => Some((*at, *deadline)),
        _ => None,
    });
    let reached: Vec<_> = reached.collect();
    let mut once: Vec<_> = reached.iter().map(|(_, deadline)| *deadline).collect();
    once.sort_unstable();
    if once.windows(2).any(|pair| pair.first() == pair.last()) {
        fail(run, "SG-46", "a moment was announced twice");
    }
    let early = reached.iter().any(|(at, deadline)| deadline.at > *at);
    let swapped = reached.windows(2).any(|pair| match pair {
        [(first_at, first), (second_at, second)] => first_at == second_at && first > second,
        _ => false,
    });
    if early || swapped {
        fail(run, "SG-46", "moments were announced early or out of order");
    }
}

fn books_agree(run: &mut Run, order: &Order) {
    let now = run.now;
    let ours: Vec<(ItemId, Option<String>)> = order
        .items
        .iter()
        .filter(|item| ItemState::BOOKED.contains(&item.state))
        .map(|item| (item.wanted.id, item.supplier_order.clone()))
        .collect();
    for (item, id) in &ours {
        let there =
            run.world.bookings.iter().any(|b| Some(&b.id) == id.as_ref() && b.live(now) && b.state == State::Booked);
        if !there {
            fail(run, "I4", format!("{item} is confirmed and its supplier has no live booking"));
        }
    }
    let debts: Vec<ItemId> = order.debts.iter().filter_map(|debt| debt.matter.item()).collect();
    let unknown = |booking: &&Booking| {
        let known = ours.iter().any(|(_, id)| id.as_ref() == Some(&booking.id));
        booking.live(now) && !known && !debts.contains(&booking.item)
    };
    if let Some(booking) = run.world.bookings.iter().find(unknown).cloned() {
        fail(run, "I12", format!("the supplier has {:?} {} that we do not know of", booking.state, booking.reference));
    }
    let stands = |item: &&zhiyou_domain::order::OrderItem| {
        // What could not be cancelled is kept, and is a debt.
        ItemState::BOOKED.contains(&item.state) && !debts.contains(&item.wanted.id)
    };
    for item in order.items.iter().filter(stands) {
        let lost = |id: &ItemId| {
            order.item(*id).is_some_and(|earlier| {
                matches!(earlier.state, ItemState::Failed | ItemState::Expired | ItemState::Planned | ItemState::Held)
            })
        };
        if item.wanted.after.iter().any(lost) {
            fail(run, "SG-11", "an item is booked without what it comes after");
        }
    }
}

/// Of an order that is cancelled no supplier has a confirmed booking, unless somebody is told to see to it.
fn cancelled_is_over(run: &mut Run, order: &Order) {
    let told: Vec<ItemId> = order.debts.iter().filter_map(|debt| debt.matter.item()).collect();
    let stands =
        |booking: &&Booking| booking.state == State::Booked && booking.live(run.now) && !told.contains(&booking.item);
    let standing = run.world.bookings.iter().find(stands).map(|booking| booking.reference.clone());
    if let Some(reference) = standing.filter(|_| order.state == OrderState::Cancelled) {
        fail(run, "SG-35", format!("the order is cancelled and its supplier has confirmed {reference}"));
    }
}

/// A flight leaves when its airline says, and a change nobody answered is shown.
fn changes_agree(run: &mut Run, order: &Order) {
    let mut wrong = Vec::new();
    for item in order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)) {
        let Some(plan) = run.plan.item(item.wanted.id) else { continue };
        let booking = run.world.bookings.iter().find(|booking| Some(&booking.id) == item.supplier_order.as_ref());
        let (Some(booking), Some(Offer::Flight(flight))) = (booking, &item.offer) else { continue };
        let hours = booking.changes.iter().filter(|change| change.kept).map(|change| change.hours).max();
        let leaves = departure(plan, hours.unwrap_or(0));
        if flight.segments.first().is_some_and(|segment| segment.departs.local != leaves) {
            wrong.push(format!("{} leaves at another time than its airline says", item.wanted.id));
        }
        let waits = booking.changes.last().filter(|change| !change.kept).map(|change| change.id.as_str());
        let shown = item.proposed.as_ref().and_then(|change| change.change_id.as_deref());
        if waits != shown {
            wrong.push(format!("{}: the change {waits:?} waits and {shown:?} is shown", item.wanted.id));
        }
    }
    wrong.iter().for_each(|what| fail(run, "SG-32", what));
}

fn money_agrees(run: &mut Run, order: &Order) {
    for (id, payment) in run.world.payments.clone() {
        let ours = order.attempt(id).map(|attempt| attempt.state);
        let (there, here) = (payment.state == PaymentState::Captured, ours == Some(AttemptState::Captured));
        if payment.state == PaymentState::Authorised {
            fail(run, "SG-35", "money is still set aside although nothing more happens");
        }
        if there != here {
            fail(run, "I12", format!("the channel says {:?} of a payment, we say {ours:?}", payment.state));
        }
        for (refund, (amount, state)) in &payment.refunds {
            let ours = order.refunds.iter().find(|known| known.id == *refund);
            let same = ours.is_some_and(|known| {
                known.amount == *amount
                    && (known.state == RefundProgress::Succeeded) == (*state == RefundState::Succeeded)
            });
            if !same {
                fail(run, "I12", format!("refund {refund}: the channel says {state:?}, we say {ours:?}"));
            }
        }
    }
    let returned: i64 = run
        .world
        .payments
        .values()
        .flat_map(|payment| payment.refunds.values())
        .filter(|(_, state)| *state == RefundState::Succeeded)
        .map(|(amount, _)| amount.minor())
        .sum();
    let standing = |payment: &Payment| {
        payment.disputed.filter(|(_, state)| *state != DisputeState::Won).map_or(0, |(amount, _)| amount.minor())
    };
    let lost: i64 = run.world.payments.values().map(standing).sum();
    let refunded = |payment: &Payment| payment.refunds.values().map(|(amount, _)| amount.minor()).sum::<i64>();
    let twice =
        run.world.payments.values().any(|payment| refunded(payment) + standing(payment) > payment.taken.minor());
    if twice {
        fail(run, "SG-73", "what a bank took back was refunded on top");
    }
    let kept: i64 = run.world.bookings.iter().map(|booking| booking.kept_minor(run.now)).sum();
    let (taken, now) = (run.taken_minor(), run.now);
    // What a bank has taken back of a payment that suppliers keep is the merchant's loss.
    let left = taken - returned - lost;
    let fits = if unpaid(order) || lost > 0 { left <= kept } else { left == kept };
    if !fits {
        fail(
            run,
            "I2",
            format!("taken {}, returned {}, but suppliers have {} at {}", cny(taken), cny(returned), cny(kept), now.0),
        );
    }
}

/// What the traveller ended is not booked, and what was booked cost what was agreed.
fn consent_held(run: &mut Run, order: &Order) {
    let Ok(facts) = journal::verify(run.journal.order, &run.journal.rows) else { return };
    let ended = facts.iter().any(|(_, fact)| matches!(fact, Fact::CancelRequested));
    let stands = matches!(order.state, OrderState::Confirmed | OrderState::PartiallyConfirmed);
    if ended && stands {
        fail(run, "SG-39", "the traveller ended it and it was booked all the same");
    }
    let agreed = order.confirmed.as_ref().map_or(0, |confirmed| confirmed.total.minor());
    let paid: i64 = run.world.bookings.iter().filter(|b| b.paid).map(|b| b.price.minor()).sum();
    if paid > agreed {
        fail(run, "SG-30", format!("{} was agreed to and {} was booked", cny(agreed), cny(paid)));
    }
}

fn steps_ended_once(run: &mut Run) {
    let Ok(facts) = journal::verify(run.journal.order, &run.journal.rows) else { return };
    let mut open: BTreeMap<StepKey, bool> = BTreeMap::new();
    for (_, fact) in facts {
        match fact {
            Fact::StepStarted { key } => {
                open.insert(key, true);
            }
            Fact::StepEnded { end: StepEnd::Unknown { .. }, .. } => {}
            Fact::StepEnded { key, .. } if open.insert(key.clone(), false) != Some(true) => {
                return fail(run, "I9", "a step ended twice");
            }
            _ => {}
        }
    }
    if open.values().any(|open| *open) {
        fail(run, "I9", "a step never ended");
    }
}
