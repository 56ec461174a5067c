//! A cart paid by two channels: all of it is there or all of it goes back.

use super::*;

/// The flight and the hotel for 2,244.00, of which the second channel pays 1,000.00.
fn world(first_aside: bool, second_aside: bool) -> World {
    World { authorises: first_aside, second: Some((100_000, second_aside)), ..World::new() }
}

fn arrived(aside: bool) -> PaymentState {
    if aside { PaymentState::Authorised } else { PaymentState::Captured }
}

/// The payer pays one of the payments.
fn pays(world: &mut World, order: &mut Order, n: u128, aside: bool) {
    world.told.insert(attempt(n), arrived(aside));
    world.settle(order);
}

fn opened(world: &World) -> usize {
    world.calls.iter().filter(|call| *call == "open").count()
}

#[test]
fn the_second_payment_is_opened_once_the_first_is_there_and_nothing_is_booked_before_both_are() {
    for (first, second) in [(false, false), (true, false), (true, true)] {
        let mut world = world(first, second);
        let mut order = world.confirmed();
        assert_eq!((opened(&world), order.attempts.len()), (1, 1));
        pays(&mut world, &mut order, 1, first);
        assert_eq!((order.state, opened(&world)), (OrderState::PaymentPending, 2));
        assert!(!world.calls.iter().any(|call| call == "commit" || call == "capture"), "{:?}", world.calls);
        pays(&mut world, &mut order, 2, second);
        check(&order, OrderState::Confirmed, 224_400, 0);
        let paid: Vec<_> = order.attempts.iter().map(|attempt| attempt.received().unwrap().minor()).collect();
        assert_eq!((paid, order.refunds.len()), (vec![124_400, 100_000], 0));
    }
}

#[test]
fn what_sets_money_aside_has_to_come_first() {
    let mut world = world(false, true);
    let mut order = world.order();
    world.settle(&mut order);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    let total = cart::total(&order).unwrap();
    let confirmed = |parts| Fact::Confirmed {
        cart_hash: cart::hash(&order).unwrap(),
        total,
        parts,
        pay_by: pay_by(&order, world.now).unwrap(),
    };
    let refused = |parts: Vec<PaymentPart>| order.apply(world.now, &confirmed(parts)).unwrap_err().0;
    assert!(refused(world.parts(total)).contains("aside"));
    world.second = Some((100_000, false));
    let parts = world.parts(total);
    assert!(refused(vec![]).contains("one or two"));
    assert!(refused([parts.clone(), parts.clone()].concat()).contains("one or two"));
    assert!(refused(parts[..1].to_vec()).contains("add up"));
    let short = PaymentPart { amount: cny(99_999), ..parts[1].clone() };
    assert!(refused(vec![parts[0].clone(), short]).contains("add up"));
    let same = PaymentPart { channel: parts[0].channel, ..parts[1].clone() };
    assert!(refused(vec![parts[0].clone(), same]).contains("two channels"));
    assert!(order.apply(world.now, &confirmed(parts)).is_ok());
}

/// The first is set aside: nothing was charged, and nothing has to come back.
#[test]
fn when_the_second_is_never_paid_what_was_set_aside_is_let_go() {
    let mut world = world(true, false);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, true);
    world.now = order.attempts[1].pay_by;
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    let states: Vec<_> = order.attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!((states, order.refunds.len()), (vec![AttemptState::Voided, AttemptState::Expired], 0));
}

#[test]
fn when_the_second_is_never_paid_what_was_taken_goes_back_whole() {
    let mut world = world(false, false);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, false);
    world.now = order.attempts[1].pay_by;
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 0, 124_400);
    assert_eq!(order.attempts[1].state, AttemptState::Expired);
}

#[test]
fn ended_by_the_traveller_between_the_two_the_first_goes_back_and_the_second_is_closed() {
    let mut world = world(false, false);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, false);
    world.tell(&mut order, Fact::CancelRequested);
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 0, 124_400);
    assert_eq!(order.attempts[1].state, AttemptState::Voided);
}

#[test]
fn a_refused_second_payment_is_tried_again_for_its_own_amount() {
    let mut world = world(true, false);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, true);
    pays_not(&mut world, &mut order, 2);
    let again = |order: &Order, world: &World| Fact::PaymentRetried {
        attempt: attempt(3),
        channel: Channel::Stripe,
        pay_by: pay_by(order, world.now).unwrap(),
        authorise: false,
        instalments: None,
        screening: None,
    };
    let fact = again(&order, &world);
    world.tell(&mut order, fact);
    assert_eq!((order.attempts[2].amount, order.attempts[2].part), (cny(100_000), 1));
    pays(&mut world, &mut order, 3, false);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

fn pays_not(world: &mut World, order: &mut Order, n: u128) {
    world.told.insert(attempt(n), PaymentState::Failed);
    world.settle(order);
    assert_eq!(order.attempts.last().unwrap().state, AttemptState::Failed);
    world.told.remove(&attempt(n));
}

/// What was taken at once pays suppliers first, so that as much as possible of what is not needed was never taken.
#[test]
fn of_a_partly_booked_order_less_is_taken_of_what_was_set_aside() {
    let mut world = world(true, false);
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, true);
    pays(&mut world, &mut order, 2, false);
    // The flight's 820.00 come from the second payment's 1,000.00; the first one is let go whole.
    check(&order, OrderState::PartiallyConfirmed, 82_000, 18_000);
    assert_eq!(order.attempts[0].state, AttemptState::Voided);
    let refund = &order.refunds[0];
    assert_eq!((order.refunds.len(), refund.attempt, refund.amount), (1, attempt(2), cny(18_000)));
}

#[test]
fn of_two_that_were_set_aside_as_much_is_taken_as_suppliers_have() {
    let mut world = world(true, true);
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, true);
    pays(&mut world, &mut order, 2, true);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 0);
    let states: Vec<_> = order.attempts.iter().map(|attempt| (attempt.state, attempt.taken)).collect();
    assert_eq!(states, [(AttemptState::Captured, Some(cny(82_000))), (AttemptState::Voided, None)]);
    assert!(order.refunds.is_empty());
}

/// A quoted cancellation brings money back from both, the second one first.
#[test]
fn a_cancelled_trip_goes_back_to_the_payments_it_came_from() {
    let mut world = world(false, false);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, false);
    pays(&mut world, &mut order, 2, false);
    let quote = QuoteId::from_ulid(ulid(700));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(701)) });
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 16_000, 208_400);
    let back: Vec<_> = order.refunds.iter().map(|refund| (refund.attempt, refund.amount)).collect();
    assert_eq!(back, [(attempt(1), cny(108_400)), (attempt(2), cny(100_000))]);
}

/// Money that came for a part that was paid already goes back, and the next part is opened all the same.
#[test]
fn late_money_for_a_part_that_was_paid_again_goes_back_alone() {
    let mut world = world(false, false);
    let mut order = world.confirmed();
    pays_not(&mut world, &mut order, 1);
    let fact = Fact::PaymentRetried {
        attempt: attempt(3),
        channel: Channel::Wechatpay,
        pay_by: pay_by(&order, world.now).unwrap(),
        authorise: false,
        instalments: None,
        screening: None,
    };
    world.tell(&mut order, fact);
    world.settle(&mut order);
    // The refused one was paid after all, while the other one is open: that one is closed, and the second part opened.
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    world.settle(&mut order);
    assert_eq!(order.attempts.iter().map(|attempt| attempt.part).collect::<Vec<_>>(), [0, 0, 1]);
    pays(&mut world, &mut order, 2, false);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn when_one_part_cannot_be_taken_any_more_the_other_one_is_not_kept_for_nothing() {
    let mut world = world(true, true);
    world.capture_answer = Err(ReasonCode::OfferExpired);
    let mut order = world.confirmed();
    pays(&mut world, &mut order, 1, true);
    pays(&mut world, &mut order, 2, true);
    let booked = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)).count();
    assert_eq!((order.state, booked, order.is_live()), (OrderState::Cancelled, 0, false));
    assert!(order.attempts.iter().all(|attempt| attempt.received().is_none()), "{:?}", order.attempts);
}
