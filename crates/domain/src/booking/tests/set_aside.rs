//! Channels that set money aside first: taken once everything is booked, and only as much as suppliers have.

use super::*;
use crate::order::{debt::Matter, ledger};

fn world() -> World {
    World { authorises: true, ..World::new() }
}

#[test]
fn what_was_set_aside_is_taken_after_everything_is_booked_and_before_it_is_called_confirmed() {
    let mut world = world();
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    let asked = |word: &str| world.calls.iter().position(|call| call == word).unwrap();
    assert!(asked("capture") > asked("commit"), "{:?}", world.calls);
    let last = |word: &str| world.calls.iter().rposition(|call| call == word).unwrap();
    assert!(last("commit") < asked("capture"));
    assert_eq!(order.attempts[0].taken, Some(cny(224_400)));
}

/// SG-35.
#[test]
fn of_a_partly_booked_order_only_what_is_booked_is_taken_and_nothing_has_to_go_back() {
    let mut world = world();
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 0);
    assert_eq!((order.attempts[0].received(), order.refunds.len()), (Some(cny(82_000)), 0));
}

#[test]
fn when_nothing_can_be_booked_what_was_set_aside_is_let_go() {
    let mut world = world();
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    assert_eq!((order.attempts[0].state, order.refunds.len()), (AttemptState::Voided, 0));
    assert!(!world.calls.iter().any(|call| call == "capture"));
}

#[test]
fn of_an_order_that_is_undone_only_the_suppliers_fee_is_taken() {
    let mut world = world();
    // The flight is booked first here, and keeps a fee when it is cancelled.
    world.hotel_price = 142_401;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    world.flight_hold = Ok(());
    let mut order = world.confirmed();
    order.confirmed.as_mut().unwrap().commit_order = vec![flight_item(), hotel_item()];
    world.pay(&mut order);
    check(&order, OrderState::Cancelled, 16_000, 0);
    assert_eq!(order.attempts[0].received(), Some(cny(16_000)));
}

/// SG-35: it lapses before the fee is taken.
#[test]
fn a_suppliers_fee_that_can_no_longer_be_taken_is_the_merchants_debt() {
    let mut world = world();
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    order.confirmed.as_mut().unwrap().commit_order = vec![flight_item(), hotel_item()];
    let report = |state| Fact::PaymentReported { status: payment(attempt(1), state), source: Source::Poll };
    world.tell(&mut order, report(PaymentState::Authorised));
    let capture = loop {
        match decide(&order, world.now).actions.into_iter().next().unwrap() {
            Action::Start(key) if matches!(key.op, Op::Capture { .. }) => break key,
            action => world.answer(&mut order, action),
        }
    };
    for in_flight in [false, true] {
        let mut order = order.clone();
        if in_flight {
            world.tell(&mut order, Fact::StepStarted { key: capture.clone() });
            let result = StepResult::Payment(payment(attempt(1), PaymentState::Closed));
            world.tell(&mut order, Fact::StepEnded { key: capture.clone(), end: StepEnd::Done { result } });
        } else {
            world.tell(&mut order, report(PaymentState::Closed));
        }
        world.settle(&mut order);
        assert_eq!((order.state, order.is_live()), (OrderState::Cancelled, false));
        let debts: Vec<_> = order.open_debts().map(|debt| (debt.matter.clone(), debt.amount)).collect();
        assert_eq!(debts, [(Matter::CaptureFailed { attempt: attempt(1) }, Some(cny(16_000)))]);
    }
}

#[test]
fn ended_by_the_traveller_and_approved_all_the_same_it_is_let_go_and_nothing_is_booked() {
    let mut world = world();
    let mut order = world.confirmed();
    world.payment = PaymentState::Authorised;
    world.tell(&mut order, Fact::CancelRequested);
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    assert!(!world.calls.iter().any(|call| call == "commit"));
    assert_eq!(order.attempts[0].state, AttemptState::Voided);
}

/// SG-35: a person sees it, and what is booked is not simply kept.
#[test]
fn when_it_can_no_longer_be_taken_the_bookings_are_undone_and_the_rest_is_the_merchants_debt() {
    let mut world = world();
    world.capture_answer = Err(ReasonCode::OfferExpired);
    let mut order = world.confirmed();
    world.pay(&mut order);
    assert_eq!(order.attempts[0].state, AttemptState::Failed);
    let debt = order.open_debts().next().unwrap();
    let matter = Matter::CaptureFailed { attempt: attempt(1) };
    assert_eq!((&debt.matter, debt.amount), (&matter, Some(cny(224_400))));
    let booked = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)).count();
    assert_eq!((order.state, booked, order.is_live()), (OrderState::Cancelled, 0, false));
}

/// SG-35: that our key is refused says nothing of what was set aside.
#[test]
fn while_our_key_is_refused_nothing_is_undone_and_what_was_set_aside_is_taken_later() {
    let mut world = world();
    world.key_refused = 2;
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    let asked = |word: &str| world.calls.iter().filter(|call| *call == word).count();
    assert_eq!((asked("capture"), asked("cancel"), asked("void"), order.debts.len()), (3, 0, 0, 0));
}

#[test]
fn what_could_not_be_taken_for_an_hour_is_seen_by_a_person_once_and_settled_when_it_is_taken() {
    let mut world = world();
    let mut order = world.confirmed();
    world.payment = PaymentState::Authorised;
    let capture = loop {
        match decide(&order, world.now).actions.into_iter().next() {
            Some(Action::Start(key)) if matches!(key.op, Op::Capture { .. }) => break key,
            Some(action) => world.answer(&mut order, action),
            None => panic!("nothing is taken: {order:?}"),
        }
    };
    world.key_refused = 70;
    for minutes in 0..70 {
        let debts = order.open_debts().count();
        assert_eq!((order.state, debts), (OrderState::PaymentProcessing, usize::from(minutes > 60)), "{minutes}");
        world.answer(&mut order, Action::Start(capture.clone()));
        world.now = world.now.plus_minutes(1);
    }
    let debt = order.open_debts().next().unwrap();
    let matter = Matter::CaptureFailed { attempt: attempt(1) };
    assert_eq!((&debt.matter, debt.amount), (&matter, Some(cny(224_400))));
    world.settle(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert_eq!(order.open_debts().count(), 0);
}

/// SG-35: a refusal does not say that the money is gone.
#[test]
fn what_the_channel_refuses_to_take_is_let_go_before_it_is_called_released() {
    let mut world = world();
    world.capture_answer = Err(ReasonCode::NotAllowed);
    let mut order = world.confirmed();
    world.pay(&mut order);
    let released = |order: &Order| order.timeline.iter().any(|e| e.kind == crate::order::TimelineKind::MoneyReleased);
    let asked = |word: &str| world.calls.iter().filter(|call| *call == word).count();
    assert_eq!((asked("capture"), asked("void"), released(&order)), (1, 1, true));
    let (told, map) = (ledger::position(&order, world.now).unwrap(), cart::money_map(&order).unwrap());
    assert_eq!((told.paid.amount, told.held.amount), (map.paid, map.held));
    assert_eq!((order.state, map.paid, order.is_live()), (OrderState::Cancelled, cny(0), false));
    let debt = order.open_debts().next().unwrap();
    let matter = Matter::CaptureFailed { attempt: attempt(1) };
    assert_eq!((&debt.matter, order.attempts[0].state), (&matter, AttemptState::Voided));
}

/// SG-35: the supplier was already asked when the money went away.
#[test]
fn what_is_booked_after_the_money_was_let_go_is_undone_and_the_books_agree_at_every_moment() {
    let mut world = world();
    let mut order = world.confirmed();
    world.tell(
        &mut order,
        Fact::PaymentReported { status: payment(attempt(1), PaymentState::Authorised), source: Source::Poll },
    );
    let Some(Action::Start(key)) = decide(&order, world.now).actions.into_iter().next() else { panic!() };
    world.tell(&mut order, Fact::StepStarted { key: key.clone() });
    let end = world.act(&order, &key);
    world.tell(
        &mut order,
        Fact::PaymentReported { status: payment(attempt(1), PaymentState::Closed), source: Source::Poll },
    );
    world.tell(&mut order, Fact::StepEnded { key, end });
    let (told, map) = (ledger::position(&order, world.now).unwrap(), cart::money_map(&order).unwrap());
    assert_eq!((told.committed.amount, told.held.amount), (map.committed, map.held));
    assert_eq!((map.paid, map.committed, map.held), (cny(0), cny(142_400), cny(-142_400)), "it is ours to collect");
    world.settle(&mut order);
    let booked = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)).count();
    assert_eq!((order.state, booked, order.open_debts().count()), (OrderState::Cancelled, 0, 1));
}

/// SG-35: the supplier says only later whether it has it. Its answer came before the money went away, or after.
#[test]
fn what_a_supplier_is_still_deciding_on_when_the_money_goes_away_is_waited_for_and_undone() {
    let report = |state| Fact::PaymentReported { status: payment(attempt(1), state), source: Source::Poll };
    for (decides, undone) in [(BookingState::Confirmed, true), (BookingState::Rejected, false)] {
        for in_flight in [false, true] {
            let mut world = world();
            (world.hotel_answers, world.hotel_decides) = (BookingState::Pending, decides);
            let mut order = world.confirmed();
            world.tell(&mut order, report(PaymentState::Authorised));
            let Some(Action::Start(key)) = decide(&order, world.now).actions.into_iter().next() else { panic!() };
            world.tell(&mut order, Fact::StepStarted { key: key.clone() });
            let ended = Fact::StepEnded { end: world.act(&order, &key), key };
            let gone = report(PaymentState::Closed);
            let facts = if in_flight { [gone, ended] } else { [ended, gone] };
            facts.into_iter().for_each(|fact| world.tell(&mut order, fact));
            let asks = Action::Read(Read::AwaitBooking { item: hotel_item() });
            assert_eq!((order.state, order.is_live()), (OrderState::RefundRequested, true));
            let finished = Action::Record(Fact::UnwindFinished);
            let actions = decide(&order, world.now).actions;
            assert!(actions.contains(&asks) && !actions.contains(&finished), "{actions:?}");
            world.settle(&mut order);
            let state = if undone { ItemState::Cancelled } else { ItemState::Failed };
            assert_eq!(order.item(hotel_item()).unwrap().state, state);
            assert_eq!(world.calls.iter().any(|call| call == "cancel"), undone, "{:?}", world.calls);
            check(&order, OrderState::Cancelled, 0, 0);
            assert!(order.open_debts().all(|debt| debt.matter.item().is_none()), "{:?}", order.debts);
        }
    }
}

#[test]
fn money_that_went_back_while_it_was_being_let_go_went_back_once() {
    let mut world = world();
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    let report = |state| Fact::PaymentReported { status: payment(attempt(1), state), source: Source::Poll };
    world.tell(&mut order, report(PaymentState::Authorised));
    let void = loop {
        match decide(&order, world.now).actions.into_iter().next() {
            Some(Action::Start(key)) if matches!(key.op, Op::Void { .. }) => break key,
            Some(action) => world.answer(&mut order, action),
            None => panic!("nothing is let go: {order:?}"),
        }
    };
    world.tell(&mut order, Fact::StepStarted { key: void.clone() });
    world.tell(&mut order, report(PaymentState::Closed));
    for code in [ReasonCode::AlreadyClosed, ReasonCode::NotAllowed] {
        let mut order = order.clone();
        world.tell(&mut order, Fact::StepEnded { key: void.clone(), end: StepEnd::Declined { reason: no(code) } });
        world.settle(&mut order);
        check(&order, OrderState::Cancelled, 0, 0);
        let told = ledger::position(&order, world.now).unwrap();
        assert_eq!((told.paid.amount, told.held.amount, order.open_debts().count()), (cny(0), cny(0), 0), "{code:?}");
    }
}

#[test]
fn money_that_is_taken_without_being_set_aside_first_is_refused_unless_that_was_asked_for() {
    let mut world = World::new();
    let order = world.confirmed();
    let status = payment(attempt(1), PaymentState::Authorised);
    let fact = Fact::PaymentReported { status, source: Source::Poll };
    assert!(order.apply(world.now, &fact).is_err(), "nobody asked for money to be set aside");
}

#[test]
fn a_refund_after_a_part_was_taken_is_never_more_than_that_part() {
    let mut world = world();
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    world.pay(&mut order);
    let decide =
        |minor| Fact::RefundDecided { refund: RefundId::from_ulid(ulid(60)), attempt: attempt(1), amount: cny(minor) };
    assert!(order.apply(world.now, &decide(82_001)).is_err());
    assert!(order.apply(world.now, &decide(82_000)).is_ok());
}

/// SG-73.
#[test]
fn what_a_bank_takes_back_is_recorded_and_never_refunded_on_top() {
    use crate::port::payments::{DisputeState, DisputeStatus};
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let dispute = |state, minor| Fact::DisputeReported {
        status: DisputeStatus {
            attempt_id: attempt(1),
            dispute_id: "dp_1".into(),
            amount: cny(minor),
            state,
            as_of_us: None,
        },
        source: Source::Notification,
    };
    assert!(order.apply(world.now, &dispute(DisputeState::Open, 224_401)).is_err(), "more than was paid");
    world.tell(&mut order, dispute(DisputeState::Open, 224_400));
    assert_eq!((order.state, order.open_debts().count()), (OrderState::Confirmed, 1), "what is booked stays booked");
    let debt = order.open_debts().next().unwrap().seq;
    assert!(order.apply(world.now, &Fact::DebtSettled { debt }).is_err(), "only the bank's answer settles it");
    // Cancelled meanwhile: the refund waits for the bank.
    let quote = QuoteId::from_ulid(ulid(50));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(51)) });
    world.settle(&mut order);
    assert_eq!(order.refunds.len(), 0);
    let mut won = order.clone();
    world.tell(&mut won, dispute(DisputeState::Won, 224_400));
    world.tell(&mut order, dispute(DisputeState::Lost, 224_400));
    world.tell(&mut order, dispute(DisputeState::Open, 224_400));
    assert_eq!(order.disputes[0].state, DisputeState::Lost, "decided stays decided");
    world.settle(&mut order);
    assert_eq!((order.refunds.len(), order.open_debts().count()), (0, 0));
}

#[test]
fn a_refund_that_came_back_is_with_us_again_and_waits_for_a_person() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let (quote, refund) = (QuoteId::from_ulid(ulid(50)), RefundId::from_ulid(ulid(51)));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund });
    world.settle(&mut order);
    let amount = order.refunds[0].amount;
    let money = |order: &Order| {
        let told = ledger::position(order, UtcMicros(0)).unwrap();
        let map = cart::money_map(order).unwrap();
        let told = [told.paid, told.held, told.refund_in_transit, told.returned].map(|figure| figure.amount.minor());
        assert_eq!(
            told,
            [map.paid, map.held, map.refund_in_transit, map.refunded].map(Money::minor),
            "both books agree"
        );
        told
    };
    let paid = money(&order)[0];
    assert_eq!((order.state, money(&order)), (OrderState::Refunded, [paid, 0, 0, amount.minor()]));
    let report = |state| Fact::RefundReported {
        status: RefundStatus { refund_id: refund, state, amount },
        source: Source::Poll,
    };
    world.tell(&mut order, report(RefundState::Failed));
    assert_eq!(money(&order), [paid, 0, 0, amount.minor()], "an old word undoes nothing");
    // Whatever comes after it, and however often.
    for state in [RefundState::CameBack, RefundState::CameBack, RefundState::Succeeded, RefundState::Pending] {
        world.tell(&mut order, report(state));
        world.settle(&mut order);
        assert_eq!(money(&order), [paid, amount.minor(), 0, 0], "{state:?}");
        let debts: Vec<_> = order.open_debts().map(|debt| (debt.matter.clone(), debt.amount)).collect();
        assert_eq!(debts, [(Matter::RefundManual { refund }, Some(amount))], "{state:?}");
        assert_eq!(order.refunds.len(), 1, "it is not sent again by itself");
    }
    let debt = order.open_debts().next().unwrap().seq;
    world.tell(&mut order, Fact::DebtSettled { debt });
    world.settle(&mut order);
    assert_eq!((order.state, order.open_debts().count(), order.refunds.len()), (OrderState::Refunded, 0, 1));
    // Somebody found another way: the traveller has it.
    assert_eq!(money(&order), [paid, 0, 0, amount.minor()]);
    world.tell(&mut order, report(RefundState::CameBack));
    assert_eq!(money(&order), [paid, 0, 0, amount.minor()], "told again");
}

/// The first payment was refused, as it seemed, and a second one taken; then the first one is set aside after all.
#[test]
fn money_that_comes_late_never_takes_the_place_of_what_was_taken() {
    let mut world = world();
    let mut order = world.confirmed();
    world.told.insert(attempt(1), PaymentState::Failed);
    world.settle(&mut order);
    let fact = Fact::PaymentRetried {
        attempt: attempt(2),
        channel: Channel::Wechatpay,
        pay_by: pay_by(&order, world.now).unwrap(),
        authorise: true,
        instalments: None,
        screening: None,
    };
    world.tell(&mut order, fact);
    world.pay(&mut order);
    assert_eq!((order.state, order.attempts[1].state), (OrderState::Confirmed, AttemptState::Captured));
    let status = payment(attempt(1), PaymentState::Authorised);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    world.settle(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    let states: Vec<_> = order.attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!((states, order.refunds.len()), (vec![AttemptState::Voided, AttemptState::Captured], 0));
}

/// The merchant side may be made to give every payment back: what is booked stays booked, and nothing goes back twice.
#[test]
fn what_the_merchant_side_gives_back_by_itself_is_in_both_books_and_not_given_back_again() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let money = |order: &Order| {
        let told = ledger::position(order, UtcMicros(0)).unwrap();
        let map = cart::money_map(order).unwrap();
        let told = [told.paid, told.held, told.refund_in_transit, told.returned].map(|figure| figure.amount.minor());
        assert_eq!(
            told,
            [map.paid, map.held, map.refund_in_transit, map.refunded].map(Money::minor),
            "both books agree"
        );
        told
    };
    let before = money(&order);
    let (refund, amount) = (RefundId::from_ulid(ulid(70)), cny(before[0]));
    let back = |minor| Fact::GivenBack { refund, attempt: attempt(1), amount: cny(minor) };
    assert!(order.apply(world.now, &back(before[0] + 1)).is_err(), "more than came");
    let unpaid = Fact::GivenBack { refund, attempt: attempt(9), amount };
    assert!(order.apply(world.now, &unpaid).is_err(), "of no payment of ours");
    for _ in 0..2 {
        world.tell(&mut order, back(before[0]));
        assert_eq!(money(&order), [before[0], before[1] - before[0], before[0], 0], "told twice, it went back once");
    }
    assert_eq!(order.state, OrderState::Confirmed, "what is booked stays booked");
    let status = RefundStatus { refund_id: refund, state: RefundState::Succeeded, amount };
    world.tell(&mut order, Fact::RefundReported { status, source: Source::Poll });
    world.settle(&mut order);
    assert_eq!(money(&order), [before[0], before[1] - before[0], 0, before[0]]);
    let kinds: Vec<_> = order.timeline.iter().map(|entry| entry.kind).collect();
    assert!(kinds.contains(&crate::order::TimelineKind::GivenBack));
    // Cancelled afterwards: the traveller has the money already.
    let quote = QuoteId::from_ulid(ulid(50));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(51)) });
    world.settle(&mut order);
    assert_eq!((order.state, order.refunds.len(), order.open_debts().count()), (OrderState::Refunded, 1, 0));
    // The fee that suppliers keep is the merchant's, who gave everything back already.
    assert_eq!(money(&order), [before[0], -16_000, 0, before[0]]);
}
