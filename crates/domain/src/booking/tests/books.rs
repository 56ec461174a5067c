//! Money that two answers, two parts or two disputes could put into the wrong place.

use super::*;
use crate::{
    order::debt::Matter,
    port::payments::{DisputeState, DisputeStatus},
};

/// Confirmed, with the opening of the first payment under way and its answer lost.
fn opening(world: &mut World) -> (Order, StepKey) {
    let mut order = world.order();
    world.settle(&mut order);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    let (cart_hash, total) = (cart::hash(&order).unwrap(), cart::total(&order).unwrap());
    let (parts, pay_by) = (world.parts(total), pay_by(&order, world.now).unwrap());
    let op = Op::OpenPayment { attempt: parts[0].attempt };
    world.tell(&mut order, Fact::Confirmed { cart_hash, total, parts, pay_by });
    let key = StepKey { order: order.id, op, n: 1 };
    lost(world, &mut order, &key);
    (order, key)
}

/// Begins a step whose answer does not come.
fn lost(world: &World, order: &mut Order, key: &StepKey) {
    world.tell(order, Fact::StepStarted { key: key.clone() });
    let end = StepEnd::Unknown { reason: no(ReasonCode::Network) };
    world.tell(order, Fact::StepEnded { key: key.clone(), end });
}

fn declined(key: &StepKey, code: ReasonCode) -> Fact {
    Fact::StepEnded { key: key.clone(), end: StepEnd::Declined { reason: no(code) } }
}

/// All of it by a credit, or by a channel that sets aside, or by one that takes at once.
fn ways() -> [(World, PaymentState); 3] {
    [
        (World { credit: Some(224_400), ..World::new() }, PaymentState::Authorised),
        (World { authorises: true, ..World::new() }, PaymentState::Authorised),
        (World::new(), PaymentState::Captured),
    ]
}

#[test]
fn paid_already_is_no_refusal_of_a_payment_that_is_known_to_be_paid() {
    for (mut world, state) in ways() {
        let (mut order, key) = opening(&mut world);
        let id = order.attempts[0].id;
        // The traveller asked the channel while nobody knew.
        world.tell(&mut order, Fact::PaymentReported { status: payment(id, state), source: Source::Poll });
        world.tell(&mut order, declined(&key, ReasonCode::AlreadyPaid));
        assert!(order.attempts[0].received().is_some(), "{state:?}");
        world.settle(&mut order);
        check(&order, OrderState::Confirmed, 224_400, 0);
    }
}

#[test]
fn paid_already_is_asked_about_where_nobody_knew_that_it_is_paid() {
    for (mut world, state) in ways() {
        let (mut order, key) = opening(&mut world);
        world.tell(&mut order, declined(&key, ReasonCode::AlreadyPaid));
        assert_eq!(order.attempts[0].state, AttemptState::RequiresAction);
        world.payment = state;
        world.settle(&mut order);
        check(&order, OrderState::Confirmed, 224_400, 0);
    }
}

#[test]
fn what_was_set_aside_and_is_closed_by_now_is_let_go_when_its_opening_is_asked_for_again() {
    let mut world = World { credit: Some(5_000), ..World::new() };
    let (mut order, key) = opening(&mut world);
    let status = payment(attempt(9), PaymentState::Authorised);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Poll });
    world.tell(&mut order, declined(&key, ReasonCode::AlreadyClosed));
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    assert_eq!(order.attempts[0].state, AttemptState::Voided);
}

#[test]
fn a_debt_about_one_of_two_payments_or_a_refund_is_as_large_as_that_and_not_as_the_total() {
    let mut world = World { second: Some((100_000, false)), ..World::new() };
    let (mut order, key) = opening(&mut world);
    world.tell(&mut order, Fact::DebtDue { key });
    assert_eq!(order.open_debts().next().unwrap().amount, Some(cny(124_400)));

    let mut order = world.confirmed();
    world.told.insert(attempt(1), PaymentState::Captured);
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelRequested);
    let refund = loop {
        match decide(&order, world.now).actions.into_iter().next() {
            Some(Action::Start(key)) if matches!(key.op, Op::Refund { .. }) => break key,
            Some(action) => world.answer(&mut order, action),
            None => panic!("nothing goes back: {order:?}"),
        }
    };
    let amount = order.refunds[0].amount;
    lost(&world, &mut order, &refund);
    world.tell(&mut order, Fact::DebtDue { key: refund.clone() });
    let debt = order.open_debts().next().unwrap();
    assert_eq!((&debt.matter, debt.amount), (&Matter::OutcomeUnknown { key: refund }, Some(amount)));
    assert_ne!(Some(amount), order.confirmed.as_ref().map(|confirmed| confirmed.total));
}

fn disputed(id: &str, minor: i64, state: DisputeState, asked_s: Option<i64>) -> Fact {
    let as_of_us = asked_s.map(|seconds| T0.plus_seconds(seconds));
    let dispute_id = id.to_owned();
    Fact::DisputeReported {
        status: DisputeStatus { attempt_id: attempt(1), dispute_id, amount: cny(minor), state, as_of_us },
        source: Source::Notification,
    }
}

/// The channel is asked what it says now, so that a later answer is newer whatever it is.
#[test]
fn what_a_channel_says_of_a_dispute_when_it_is_asked_later_counts_and_the_money_follows() {
    use DisputeState::{Lost, Open, Won};
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let paid = |order: &Order| {
        let map = cart::money_map(order).unwrap();
        let told = crate::order::ledger::position(order, T0).unwrap();
        assert_eq!((map.paid, map.held), (told.paid.amount, told.held.amount), "both books agree");
        map.paid.minor()
    };
    for (second, state, minor, left) in [
        (10, Open, 50_000, 224_400),
        (20, Lost, 50_000, 174_400),
        (15, Won, 50_000, 174_400),
        (30, Won, 50_000, 224_400),
        (40, Lost, 30_000, 194_400),
        (50, Lost, 20_000, 204_400),
        (45, Won, 20_000, 204_400),
        (60, Open, 50_000, 224_400),
    ] {
        world.tell(&mut order, disputed("PP-D-1", minor, state, Some(second)));
        assert_eq!((paid(&order), order.disputes.len()), (left, 1), "{state:?} at {second} s");
    }
    assert_eq!(order.open_debts().filter(|debt| matches!(debt.matter, Matter::Disputed { .. })).count(), 1);
    // A notification that may be old still takes nothing back that is decided.
    world.tell(&mut order, disputed("dp_1", 50_000, Lost, None));
    world.tell(&mut order, disputed("dp_1", 50_000, Won, None));
    assert_eq!(paid(&order), 174_400);
}

#[test]
fn two_disputes_about_more_than_one_payment_do_not_make_the_other_one_bear_more_than_suppliers_have() {
    let mut world = World { second: Some((100_000, false)), hotel_priority: Priority::Preferred, ..World::new() };
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    for id in [attempt(1), attempt(2)] {
        world.told.insert(id, PaymentState::Captured);
        world.settle(&mut order);
    }
    let kept =
        |order: &Order| order.attempts.iter().map(|a| cart::kept_of(order, a).unwrap().minor()).collect::<Vec<_>>();
    assert_eq!(kept(&order), [82_000, 0]);
    for id in ["dp_1", "dp_2"] {
        world.tell(&mut order, disputed(id, 100_000, DisputeState::Open, None));
    }
    assert_eq!(kept(&order), [0, 82_000]);
}

/// What the two books say of an order's money: paid, held, on its way, with the traveller.
fn both_books(order: &Order) -> [i64; 4] {
    let (map, told) = (cart::money_map(order).unwrap(), crate::order::ledger::position(order, T0).unwrap());
    let told = [told.paid, told.held, told.refund_in_transit, told.returned].map(|figure| figure.amount.minor());
    assert_eq!(told, [map.paid, map.held, map.refund_in_transit, map.refunded].map(Money::minor), "both books agree");
    told
}

/// Paid and given up, and its channel refuses the refund: somebody has to give it by hand.
fn refused_refund(world: &mut World) -> Order {
    let mut order = world.confirmed();
    world.told.insert(attempt(1), PaymentState::Captured);
    world.flight_commit = Err(ReasonCode::SoldOut);
    let key = loop {
        match decide(&order, world.now).actions.into_iter().next() {
            Some(Action::Start(key)) if matches!(key.op, Op::Refund { .. }) => break key,
            Some(action) => world.answer(&mut order, action),
            None => panic!("nothing goes back: {order:?}"),
        }
    };
    world.tell(&mut order, Fact::StepStarted { key: key.clone() });
    world.tell(&mut order, declined(&key, ReasonCode::NotAllowed));
    assert_eq!((order.refunds[0].state, order.open_debts().count()), (RefundProgress::Manual, 1));
    order
}

#[test]
fn a_refused_refund_given_by_hand_rests_and_is_not_sent_again_when_the_bank_decides() {
    for decided in [None, Some(DisputeState::Won), Some(DisputeState::Lost)] {
        let mut world = World::new();
        let mut order = refused_refund(&mut world);
        let amount = order.refunds[0].amount.minor();
        let debt = order.open_debts().next().unwrap().seq;
        world.tell(&mut order, Fact::DebtSettled { debt });
        assert_eq!(both_books(&order), [amount, 0, 0, amount]);
        if let Some(state) = decided {
            world.tell(&mut order, disputed("dp_1", 1_000, DisputeState::Open, None));
            world.tell(&mut order, disputed("dp_1", 1_000, state, None));
        }
        world.settle(&mut order);
        assert_eq!((order.state, order.refunds[0].state), (OrderState::Refunded, RefundProgress::Succeeded));
        assert!(!order.is_live(), "nothing is asked any more");
        assert!(!decide(&order, world.now).actions.iter().any(|action| matches!(action, Action::Start(_))));
    }
}

#[test]
fn a_refused_refund_that_is_sent_again_is_nobodys_to_give_by_hand() {
    let mut world = World::new();
    let mut order = refused_refund(&mut world);
    world.tell(&mut order, disputed("dp_1", 1_000, DisputeState::Open, None));
    world.tell(&mut order, disputed("dp_1", 1_000, DisputeState::Won, None));
    assert_eq!((order.refunds[0].state, order.open_debts().count()), (RefundProgress::Requested, 0));
    world.settle(&mut order);
    let amount = order.refunds[0].amount.minor();
    assert_eq!((order.state, both_books(&order)), (OrderState::Refunded, [amount, 0, 0, amount]));
}

#[test]
fn one_dispute_that_is_decided_leaves_the_other_ones_debt_open() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let owed = |order: &Order| order.open_debts().map(|debt| debt.amount.unwrap().minor()).collect::<Vec<_>>();
    for (id, minor, state, left) in [
        ("dp_1", 3_000, DisputeState::Open, &[3_000][..]),
        ("dp_2", 5_000, DisputeState::Open, &[3_000, 5_000]),
        ("dp_3", 5_000, DisputeState::Open, &[3_000, 5_000]),
        ("dp_1", 3_000, DisputeState::Won, &[5_000]),
        ("dp_2", 5_000, DisputeState::Lost, &[5_000]),
        ("dp_3", 5_000, DisputeState::Won, &[]),
    ] {
        world.tell(&mut order, disputed(id, minor, state, None));
        assert_eq!(owed(&order), left, "{id} {state:?}");
    }
    // An amount that changes while it is open is the new one's debt alone.
    world.tell(&mut order, disputed("dp_4", 3_000, DisputeState::Open, Some(10)));
    world.tell(&mut order, disputed("dp_4", 2_000, DisputeState::Open, Some(20)));
    assert_eq!(owed(&order), [2_000]);
}
