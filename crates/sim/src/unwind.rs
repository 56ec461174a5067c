//! Every step of a six-item order × { fails, is repeated }, and every undo × { is repeated, fails }: what had been done is
//! undone, in an order that leaves nothing without what it comes after, and each effect happens once.
//!
//! A step is repeated by losing its answer: the driver finds it and takes it over. What has to hold in any life is
//! checked besides (see [`crate::check`]).

use crate::{
    plan::{ItemPlan, Kind, Plan, Rates, Traveller, id},
    run::{Deed, Run, What},
    world::State,
};
use fastrand::Rng;
use zhiyou_domain::{
    id::ItemId,
    order::{Fact, ItemState, Op, Order, OrderState, StepEnd, debt::Matter, journal},
    plan::Priority,
};

fn item(index: usize) -> ItemId {
    ItemId::from_ulid(id(100 + u64::try_from(index).unwrap()))
}

/// Flight, hotel, car, two activities, flight back: the must-haves are the flights and the hotel.
fn plan() -> Plan {
    let one = |index: usize, kind: Kind, priority: Priority, after: &[usize]| ItemPlan {
        id: item(index),
        index,
        kind,
        priority,
        after: after.iter().copied().map(item).collect(),
        price_minor: 10_000 * (i64::try_from(index).unwrap() + 1),
        fee_minor: if kind == Kind::Flight { 1_000 } else { 0 },
        holdable: kind == Kind::Flight,
        decides_later: false,
    };
    let items = vec![
        one(0, Kind::Flight, Priority::MustHave, &[]),
        one(1, Kind::Hotel, Priority::MustHave, &[0]),
        one(2, Kind::Car, Priority::Preferred, &[0]),
        one(3, Kind::Activity, Priority::Optional, &[0]),
        one(4, Kind::Activity, Priority::Optional, &[0]),
        one(5, Kind::Flight, Priority::MustHave, &[0]),
    ];
    Plan { items, traveller: Traveller::Pays, rates: Rates::NONE, authorises: false, second: None, credit: None }
}

const MUST_HAVES: [usize; 3] = [0, 1, 5];
const FLIGHTS: [usize; 2] = [0, 5];

fn hold(op: &Op, item: ItemId) -> bool {
    *op == Op::Hold { item }
}
fn commit(op: &Op, item: ItemId) -> bool {
    *op == Op::Commit { item }
}
fn cancel(op: &Op, item: ItemId) -> bool {
    *op == Op::Cancel { item }
}
fn release(op: &Op, item: ItemId) -> bool {
    *op == Op::Release { item }
}
fn open_payment(op: &Op, _: ItemId) -> bool {
    matches!(op, Op::OpenPayment { .. })
}
fn refund(op: &Op, _: ItemId) -> bool {
    matches!(op, Op::Refund { .. })
}

fn deed(at: fn(&Op, ItemId) -> bool, index: usize, what: What) -> Deed {
    Deed { at, item: item(index), what, done: 0 }
}

/// Lives the script to its end, asserts that every scripted step was reached, and that nothing that has to hold broke.
fn life(script: Vec<Deed>) -> (Run, std::sync::Arc<Order>) {
    let mut run = Run::of(plan(), Rng::with_seed(7), script);
    run.live();
    assert!(run.violations.is_empty(), "{:?}", run.violations);
    for deed in &run.script {
        assert!(deed.done > 0, "a scripted step was never reached: {} {:?}", deed.item, deed.what);
    }
    let order = run.journal.read().unwrap().unwrap().order;
    (run, order)
}

/// Items the supplier has for good.
fn booked(run: &Run) -> Vec<ItemId> {
    let mut booked: Vec<ItemId> =
        run.world.bookings.iter().filter(|b| b.live(run.now) && b.state == State::Booked).map(|b| b.item).collect();
    booked.sort();
    booked
}

/// Which step the journal says was refused first.
fn refused(run: &Run) -> Op {
    let facts = journal::verify(run.journal.order, &run.journal.rows).unwrap();
    let refused = facts.into_iter().find_map(|(_, fact)| match fact {
        Fact::StepEnded { key, end: StepEnd::Declined { .. } } => Some(key.op),
        _ => None,
    });
    refused.unwrap()
}

#[test]
fn without_a_script_all_six_are_booked() {
    let (run, order) = life(Vec::new());
    assert_eq!((order.state, booked(&run).len()), (OrderState::Confirmed, 6));
}

#[test]
fn sg_11_every_hold_that_fails_ends_the_order_before_anything_is_paid() {
    for index in FLIGHTS {
        let (run, order) = life(vec![deed(hold, index, What::Refuses)]);
        assert_eq!(refused(&run), Op::Hold { item: item(index) });
        assert_eq!((order.state, run.taken_minor(), booked(&run)), (OrderState::Cancelled, 0, Vec::new()));
    }
}

#[test]
fn sg_11_every_booking_that_fails_undoes_what_was_done_or_is_left_out() {
    for index in 0..6 {
        let (run, order) = life(vec![deed(commit, index, What::Refuses)]);
        assert_eq!(refused(&run), Op::Commit { item: item(index) });
        if MUST_HAVES.contains(&index) {
            assert_eq!((order.state, booked(&run)), (OrderState::Refunded, Vec::new()), "item {index}");
        } else {
            let others: Vec<ItemId> = (0..6).filter(|other| *other != index).map(item).collect();
            assert_eq!((order.state, booked(&run)), (OrderState::PartiallyConfirmed, others), "item {index}");
        }
    }
}

#[test]
fn sg_11_what_is_undone_is_undone_after_everything_that_depends_on_it() {
    let mut compared = 0;
    for failing in 0..6 {
        let (run, _) = life(vec![deed(commit, failing, What::Refuses)]);
        let facts = journal::verify(run.journal.order, &run.journal.rows).unwrap();
        let undone: Vec<ItemId> = facts
            .iter()
            .filter_map(|(_, fact)| match fact {
                Fact::StepEnded { key, end: StepEnd::Done { .. } } => match key.op {
                    Op::Cancel { item } | Op::Release { item } => Some(item),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let at = |id: ItemId| undone.iter().position(|known| *known == id);
        for later in &run.plan.items {
            for earlier in &later.after {
                if let (Some(first), Some(then)) = (at(later.id), at(*earlier)) {
                    assert!(first < then, "failing {failing}: {undone:?}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared >= 4, "{compared}");
}

#[test]
fn sg_12_two_bookings_that_fail_at_the_same_time_are_one_failure_and_everything_is_undone() {
    for (first, second) in [(0, 1), (1, 2), (0, 2), (2, 3)] {
        let script = vec![deed(commit, first, What::Refuses), deed(commit, second, What::Refuses)];
        let mut run = Run::of(plan(), Rng::with_seed(7), script);
        run.live();
        assert!(run.violations.is_empty(), "{first} and {second}: {:?}", run.violations);
        let order = run.journal.read().unwrap().unwrap().order;
        let must = MUST_HAVES.contains(&first) || MUST_HAVES.contains(&second);
        let end = if must { OrderState::Refunded } else { OrderState::PartiallyConfirmed };
        assert_eq!(order.state, end, "{first} and {second}");
    }
}

#[test]
fn sg_08_every_step_repeated_has_one_effect() {
    let steps = FLIGHTS.map(|index| (hold as fn(&Op, ItemId) -> bool, index)).into_iter();
    let steps = steps.chain((0..6).map(|index| (commit as fn(&Op, ItemId) -> bool, index)));
    for (at, index) in steps.chain([(open_payment as fn(&Op, ItemId) -> bool, 0)]) {
        let (run, order) = life(vec![deed(at, index, What::LosesAnswer)]);
        assert_eq!((order.state, booked(&run).len()), (OrderState::Confirmed, 6), "step of item {index}");
        assert_eq!(run.world.bookings.iter().filter(|b| b.item == item(index)).count(), 1);
    }
}

/// Every undo that is reached when one of the must-haves fails, scripted in turn; how many were reached.
fn undos(what: What, holds: impl Fn(&Run, &Order, ItemId)) -> usize {
    let mut reached = std::collections::BTreeSet::new();
    for failing in MUST_HAVES {
        for index in (0..6).filter(|index| *index != failing) {
            for (word, undo) in [("cancel", cancel as fn(&Op, ItemId) -> bool), ("release", release)] {
                let script = vec![deed(commit, failing, What::Refuses), deed(undo, index, what)];
                let mut run = Run::of(plan(), Rng::with_seed(7), script);
                run.live();
                assert!(run.violations.is_empty(), "{:?}", run.violations);
                if run.script.get(1).is_some_and(|deed| deed.done > 0) {
                    reached.insert((word, index));
                    let order = run.journal.read().unwrap().unwrap().order;
                    holds(&run, &order, item(index));
                }
            }
        }
    }
    reached.len()
}

#[test]
fn sg_09_every_undo_repeated_has_one_effect() {
    let reached = undos(What::LosesAnswer, |run, order, item| {
        assert_eq!((order.state, booked(run)), (OrderState::Refunded, Vec::new()), "undo of {item}");
    });
    assert!(reached >= 4, "only {reached} undos were reached");
    let (run, order) = life(vec![deed(commit, 5, What::Refuses), deed(refund, 0, What::LosesAnswer)]);
    assert_eq!((order.state, booked(&run)), (OrderState::Refunded, Vec::new()));
}

#[test]
fn sg_10_an_undo_that_fails_is_a_debt_and_the_others_are_undone() {
    let reached = undos(What::Refuses, |run, order, item| {
        let owed = order.open_debts().any(|debt| {
            matches!(debt.matter, Matter::CancelFailed { item: i } | Matter::ReleaseFailed { item: i } if i == item)
        });
        assert!(owed, "nobody is told that {item} could not be undone");
        assert!(booked(run).iter().all(|other| *other == item), "the others are undone all the same");
        let kept = order.items.iter().filter(|place| ItemState::BOOKED.contains(&place.state)).count();
        assert!(kept <= 1);
    });
    assert!(reached >= 4, "only {reached} undos were reached");
}
