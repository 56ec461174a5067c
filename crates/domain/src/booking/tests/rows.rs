//! Rows of the fault table that a single order shows by itself.

use super::*;
use crate::{driver::Append, order::journal};
use std::collections::BTreeSet;

fn done(key: &StepKey, result: StepResult) -> Fact {
    Fact::StepEnded { key: key.clone(), end: StepEnd::Done { result } }
}

#[test]
fn sg_17_an_answer_to_an_earlier_try_is_not_taken_for_the_answer_to_this_one() {
    let world = World::new();
    let mut order = world.order();
    world.tell(&mut order, Fact::OfferFound { item: flight_item(), offer: Box::new(flight_offer()) });
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    let op = Op::Hold { item: flight_item() };
    let (first, second) = (StepKey { order: order.id, op, n: 1 }, StepKey { order: order.id, op, n: 2 });
    world.tell(&mut order, Fact::StepStarted { key: first.clone() });
    // The chosen seat is gone: other seats, and a second try under another number.
    let gone = StepEnd::Declined { reason: no(ReasonCode::SeatTaken) };
    world.tell(&mut order, Fact::StepEnded { key: first.clone(), end: gone });
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.tell(&mut order, Fact::StepStarted { key: second.clone() });
    let held = StepResult::Flight(flight(FlightOrderState::Held));
    assert!(order.apply(world.now, &done(&first, held.clone())).is_err());
    world.tell(&mut order, done(&second, held));
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::Held);
}

#[test]
fn sg_22_a_supplier_that_is_down_or_wants_us_to_wait_is_asked_a_bounded_number_of_times() {
    for code in [ReasonCode::ProviderFault, ReasonCode::RateLimited, ReasonCode::Network] {
        bounded(code);
    }
}

#[test]
fn a_closed_vault_is_waited_for_as_long_as_the_goods_are_there_and_not_for_ever() {
    let world = World::new();
    let mut order = world.order();
    world.tell(&mut order, Fact::OfferFound { item: flight_item(), offer: Box::new(flight_offer()) });
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    let lapses = order.item(flight_item()).unwrap().lapses_at().unwrap();
    let mut tries = |now: UtcMicros, numbers: std::ops::Range<u32>| {
        for n in numbers {
            let key = StepKey { order: order.id, op: Op::Hold { item: flight_item() }, n };
            order = order.apply(now, &Fact::StepStarted { key: key.clone() }).unwrap();
            let end = StepEnd::NotSent { reason: no(ReasonCode::VaultClosed) };
            order = order.apply(now, &Fact::StepEnded { key, end }).unwrap();
        }
        order.item(flight_item()).unwrap().failure
    };
    assert_eq!(tries(lapses.plus_seconds(-1), 1..21), None);
    assert_eq!(tries(lapses, 21..25), None);
    assert_eq!(tries(lapses, 25..26), Some(ReasonCode::VaultClosed));
}

/// Well before the hold's offer lapses the order has given up and says so.
fn bounded(code: ReasonCode) {
    let world = World::new();
    let mut order = world.order();
    world.tell(&mut order, Fact::OfferFound { item: flight_item(), offer: Box::new(flight_offer()) });
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    let (mut running, mut pace, mut now, mut calls) = (BTreeSet::new(), pace::Pace::default(), world.now, 0);
    let mut fresh = || RefundId::from_ulid(ulid(9));
    while now < world.now.plus_minutes(10) && order.state == OrderState::Draft {
        let next = advance(&order, &[], now, (&running, &pace), &mut fresh);
        let started: Vec<StepKey> = next.start().cloned().collect();
        running = next.reads.iter().map(|read| pace::Asked::Read(order.id, read.clone())).collect();
        order = next.order;
        for key in started {
            calls += 1;
            pace.again(pace::Asked::Step(key.clone()), now);
            let end = StepEnd::NotSent { reason: no(code) };
            order = order.apply(now, &Fact::StepEnded { key, end }).unwrap();
        }
        now = now.plus_seconds(1);
    }
    assert_eq!((calls, order.state), (5, OrderState::Cancelled), "given up, and the traveller told");
}

#[test]
fn sg_47_money_that_came_while_the_machine_slept_is_found_and_never_lost() {
    let mut world = World::new();
    let mut order = world.confirmed();
    // Paid at the phone; nobody is awake to hear it. The first thing done after waking is to ask.
    world.payment = PaymentState::Captured;
    world.now = world.now.plus_minutes(8 * 60);
    world.settle(&mut order);
    assert!(world.calls.iter().any(|call| call == "close"), "{:?}", world.calls);
    check(&order, OrderState::Refunded, 0, 224_400);
}

#[test]
fn sg_56_a_payment_reported_before_its_opening_was_answered_counts_and_the_answer_changes_nothing() {
    let mut world = World::new();
    let mut order = world.order();
    world.settle(&mut order);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    let pay_by = pay_by(&order, world.now).unwrap();
    let (cart_hash, total) = (cart::hash(&order).unwrap(), cart::total(&order).unwrap());
    let parts = vec![whole(attempt(1), total, false)];
    world.tell(&mut order, Fact::Confirmed { cart_hash, total, parts, pay_by });
    let key = StepKey { order: order.id, op: Op::OpenPayment { attempt: attempt(1) }, n: 1 };
    world.tell(&mut order, Fact::StepStarted { key: key.clone() });
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    assert_eq!(order.state, OrderState::PaymentProcessing);
    let action = PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=x".into() };
    let opened = PaymentIntent { attempt_id: attempt(1), action, expires_at_us: world.now };
    world.tell(&mut order, done(&key, StepResult::PaymentOpened(opened)));
    assert_eq!(order.attempts[0].state, AttemptState::Captured);
    world.payment = PaymentState::Captured;
    world.settle(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn sg_62_what_is_carried_out_is_the_plan_as_it_was_confirmed() {
    let mut world = World::new();
    let mut order = world.confirmed();
    let first = Fact::Created {
        order: Box::new(NewOrder {
            id: order.id,
            kind: order.kind,
            plan: order.plan,
            budget: order.budget,
            required_platforms: order.required_platforms.clone(),
            repairs: None,
            items: order.items.iter().map(|item| item.wanted.clone()).collect(),
        }),
    };
    // A planner that answers differently the second time cannot create the order again or reach into it.
    assert!(order.apply(world.now, &first).is_err());
    let replayed = Order::create(T0, &first).unwrap();
    assert_eq!(replayed.items.len(), order.items.len());
    world.pay(&mut order);
    assert!(order.items.iter().zip(&replayed.items).all(|(booked, planned)| booked.wanted == planned.wanted));
}

#[test]
fn sg_69_two_hundred_items_in_one_chain_are_booked_in_bounded_turns() {
    let mut world = World::new();
    let id = |n: usize| ItemId::from_ulid(ulid(10_000 + n as u128));
    let day = |n: usize| jiff::civil::date(2027, 1, 1).checked_add(jiff::Span::new().days(n as i64)).unwrap();
    let item = |n: usize| NewItem {
        id: id(n),
        request: ItemRequest::Hotel { city: "Shanghai".into(), check_in: day(n), check_out: day(n + 1), rooms: 1 },
        priority: Priority::MustHave,
        supplier: Supplier::DuffelStays,
        travellers: vec![TravellerId::from_ulid(ulid(7))],
        after: (n > 0).then(|| id(n.saturating_sub(1))).into_iter().collect(),
        member_platform: None,
    };
    let new = NewOrder { items: (0..200).map(item).collect(), budget: cny(100_000_000), ..new_order(&world) };
    let created = vec![Fact::Created { order: Box::new(new) }];
    let mut order = (*Append::create(T0, created, None).unwrap().order).clone();
    let (running, pace) = (BTreeSet::new(), pace::Pace::default());
    let (mut fresh, mut turns, mut facts) = (|| RefundId::from_ulid(ulid(9)), 0, 0);
    let mut heard: Vec<Fact> = Vec::new();
    world.quote_until = T0.plus_minutes(60);
    while order.state != OrderState::Confirmed {
        turns += 1;
        assert!(turns < 1_000, "it does not end: {}", order.state.word());
        let next = advance(&order, &heard, world.now, (&running, &pace), &mut fresh);
        assert!(!next.restless && next.unfit.is_empty(), "{:?}", next.unfit);
        facts += next.facts.len();
        let started: Vec<StepKey> = next.start().cloned().collect();
        let reads = next.reads.clone();
        order = next.order;
        heard.clear();
        for key in started {
            let end = world.act(&order, &key);
            heard.push(Fact::StepEnded { key, end });
        }
        for read in reads {
            heard.extend(answered(&world, &order, read));
        }
        if order.state == OrderState::Draft && cart::hash(&order).is_some() {
            let total = cart::total(&order).unwrap();
            let pay_by = pay_by(&order, world.now).unwrap();
            let (cart_hash, attempt) = (cart::hash(&order).unwrap(), attempt(1));
            heard.push(Fact::Confirmed { cart_hash, total, parts: vec![whole(attempt, total, false)], pay_by });
            world.payment = PaymentState::Captured;
        }
    }
    assert_eq!(order.items.iter().filter(|item| item.state == ItemState::Booked).count(), 200);
    assert!(facts < 2_000, "{facts} facts");
}

fn new_order(world: &World) -> NewOrder {
    let order = world.order();
    NewOrder {
        id: order.id,
        kind: order.kind,
        plan: order.plan,
        budget: order.budget,
        required_platforms: vec![],
        repairs: None,
        items: vec![],
    }
}

/// What the world answers to a read, as a fact.
fn answered(world: &World, order: &Order, read: Read) -> Option<Fact> {
    match read {
        Read::FindOffer { item } => Some(Fact::OfferFound { item, offer: Box::new(hotel_offer()) }),
        Read::QueryPayment { attempt } if world.payment == PaymentState::Captured => {
            let captured = order.attempt(attempt).map(|known| known.amount);
            let status = PaymentStatus { captured, ..payment(attempt, PaymentState::Captured) };
            Some(Fact::PaymentReported { status, source: Source::Poll })
        }
        Read::QueryPayment { .. } => None,
        Read::Quote { item } => {
            let total = cny(world.hotel_price);
            let (terms, expires_at_us) = (hotel_terms(), world.quote_until);
            Some(Fact::Quoted {
                item,
                quote: Quote { quote_id: "quo_1".into(), total, terms, expires_at_us, kept: false },
            })
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sg_71_a_price_in_another_currency_is_refused_and_never_added_up() {
    let world = World::new();
    let mut order = world.order();
    world.tell(&mut order, Fact::OfferFound { item: hotel_item(), offer: Box::new(hotel_offer()) });
    let dollars = Money::new(142_400, "USD".parse().unwrap()).unwrap();
    let (terms, expires_at_us) = (hotel_terms(), world.quote_until);
    let quote = Quote { quote_id: "quo_1".into(), total: dollars, terms, expires_at_us, kept: false };
    world.tell(&mut order, Fact::Quoted { item: hotel_item(), quote });
    assert_eq!(order.item(hotel_item()).unwrap().failure, Some(ReasonCode::NotAllowed));
    assert!(cny(1).plus(dollars).is_err());
    assert_eq!(cart::total(&order).unwrap().currency(), Currency::CNY);
}

#[test]
fn sg_46_a_deadline_that_was_slept_through_is_announced_once_and_in_order() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    world.now = UtcMicros(i64::MAX / 2);
    let waited = deadline::waited_for(&order);
    assert!(waited.len() >= 2, "{waited:?}");
    let (running, pace) = (BTreeSet::new(), pace::Pace::default());
    let mut fresh = || RefundId::from_ulid(ulid(9));
    let woken = advance(&order, &[], world.now, (&running, &pace), &mut fresh);
    let reached: Vec<_> = woken
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::DeadlineReached { deadline } => Some(*deadline),
            _ => None,
        })
        .collect();
    assert_eq!(reached, waited);
    let again = advance(&woken.order, &[], world.now, (&running, &pace), &mut fresh);
    assert!(again.facts.is_empty() && deadline::waited_for(&woken.order).is_empty());
    // Rows of it replay to the same order.
    let rows = journal::rows(order.id, order.version, &[], world.now, &woken.facts).unwrap();
    assert_eq!(journal::resume(Some(order), &padded(&rows)).unwrap(), woken.order);
}

/// Rows at their own positions, with nothing before them.
fn padded(rows: &[journal::Row]) -> Vec<journal::Row> {
    let first = rows.first().unwrap();
    let before = usize::try_from(first.seq).unwrap() - 1;
    let empty = journal::Row { seq: 0, at: first.at, format: 1, fact: String::new(), hash: vec![] };
    std::iter::repeat_n(empty, before).chain(rows.iter().cloned()).collect()
}

#[test]
fn a_quote_that_comes_after_another_item_was_refused_changes_nothing() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    world.tell(&mut order, ask_to_cancel(crate::id::QuoteId::from_ulid(ulid(50)), vec![]));
    world.tell(&mut order, Fact::ItemCancelRefused { item: flight_item(), reason: no(ReasonCode::NotAllowed) });
    let (refund, expires_at) = (cny(142_400), world.now.plus_minutes(60));
    let quote = ItemCancelQuote { cancellation_id: None, refund, expires_at, confidence: Confidence::Quoted };
    assert!(order.apply(world.now, &Fact::ItemCancelQuoted { item: hotel_item(), quote }).is_err());
    assert_eq!(order.item(hotel_item()).unwrap().state, ItemState::Booked);
}

/// The code of a number that has ended is shown again under no circumstances: the goods are held anew first, by a new order.
#[test]
fn wx_15_once_the_hold_has_ended_no_code_is_shown_again_and_no_new_one_opened() {
    let mut world = World::new();
    let mut order = world.confirmed();
    assert!(order.attempts[0].action.is_some());
    world.now = order.attempts[0].pay_by;
    world.settle(&mut order);
    assert_eq!((order.state, &order.attempts[0].action), (OrderState::Cancelled, &None));
    for id in [attempt(1), attempt(2)] {
        let pay_by = world.now.plus_minutes(10);
        let again = Fact::PaymentRetried {
            attempt: id,
            channel: Channel::Wechatpay,
            pay_by,
            authorise: false,
            instalments: None,
            screening: None,
        };
        assert!(order.apply(world.now, &again).is_err());
    }
    let action = PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=y".into() };
    let shown = Fact::PaymentShown { attempt: attempt(1), action: action.clone() };
    assert!(order.apply(world.now, &shown).is_err(), "nor the same payment by another code");
    let mut waits = World::new().confirmed();
    World::new().tell(&mut waits, shown);
    assert_eq!((waits.state, &waits.attempts[0].action), (OrderState::PaymentPending, &Some(action)));
    // Refused while it is open, too: a number is asked for once, and another one only after its end.
    let open = World::new().confirmed();
    let pay_by = T0.plus_minutes(10);
    for id in [attempt(1), attempt(2)] {
        let again = Fact::PaymentRetried {
            attempt: id,
            channel: Channel::Wechatpay,
            pay_by,
            authorise: false,
            instalments: None,
            screening: None,
        };
        assert!(open.apply(world.now, &again).is_err());
    }
}
