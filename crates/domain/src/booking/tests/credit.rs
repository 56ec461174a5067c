//! A credit of the merchant's own pays a part: it is set aside first, taken first, and what comes back comes back to where
//! it came from.

use super::*;

/// The flight and the hotel for 2,244.00, of which a credit pays so much.
fn world(credit: i64) -> World {
    let mut world = World { credit: Some(credit), ..World::new() };
    world.told.insert(attempt(9), PaymentState::Authorised);
    world
}

fn taken(order: &Order, id: u128) -> Option<i64> {
    order.attempt(attempt(id)).unwrap().received().map(Money::minor)
}

#[test]
fn a_credit_is_set_aside_before_anything_else_is_opened_and_taken_with_the_rest() {
    let mut world = world(5_000);
    let mut order = world.confirmed();
    assert_eq!(order.attempts[0].state, AttemptState::Authorised);
    assert_eq!((order.state, order.attempts[1].amount), (OrderState::PaymentPending, cny(219_400)));
    assert!(!world.calls.iter().any(|call| call == "capture"), "{:?}", world.calls);
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert_eq!((taken(&order, 9), taken(&order, 1)), (Some(5_000), Some(219_400)));
    assert_eq!(order.attempts[0].state, AttemptState::Captured);
}

#[test]
fn a_credit_can_pay_all_of_it() {
    let mut world = world(224_400);
    let order = world.confirmed();
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert_eq!(order.attempts.len(), 1);
}

#[test]
fn beside_a_credit_two_channels_can_pay_the_rest() {
    let mut world = World { second: Some((100_000, false)), authorises: true, ..world(5_000) };
    let mut order = world.confirmed();
    for (id, state) in [(1, PaymentState::Authorised), (2, PaymentState::Captured)] {
        world.told.insert(attempt(id), state);
        world.settle(&mut order);
    }
    check(&order, OrderState::Confirmed, 224_400, 0);
    let paid: Vec<_> = order.attempts.iter().map(|attempt| attempt.received().unwrap().minor()).collect();
    assert_eq!(paid, [5_000, 119_400, 100_000]);
}

#[test]
fn when_the_rest_is_never_paid_the_credit_is_let_go() {
    let mut world = world(5_000);
    let mut order = world.confirmed();
    world.now = order.attempts[1].pay_by;
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    let states: Vec<_> = order.attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!((states, order.refunds.len()), (vec![AttemptState::Voided, AttemptState::Expired], 0));
}

#[test]
fn a_credit_that_was_used_elsewhere_meanwhile_is_refused_and_its_part_can_be_paid_by_a_channel() {
    let mut world = world(5_000);
    world.told.insert(attempt(9), PaymentState::Failed);
    let mut order = world.confirmed();
    assert_eq!((order.state, order.attempts.len()), (OrderState::PaymentPending, 1));
    let retried = |channel| Fact::PaymentRetried {
        attempt: attempt(10),
        channel,
        pay_by: pay_by(&order, world.now).unwrap(),
        authorise: false,
        instalments: None,
        screening: None,
    };
    let refused = order.apply(world.now, &retried(Channel::Credit)).unwrap_err().0;
    assert!(refused.contains("agreed to with the cart"), "{refused}");
    let fact = retried(Channel::Alipay);
    world.tell(&mut order, fact);
    world.told.insert(attempt(10), PaymentState::Captured);
    world.settle(&mut order);
    assert_eq!(order.attempts[1].amount, cny(5_000));
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

/// The traveller's own money is worth more than a coupon: suppliers get the coupon first.
#[test]
fn of_a_partly_booked_order_the_credit_is_kept_and_money_comes_back() {
    let mut world = world(5_000);
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    world.pay(&mut order);
    // The flight costs 820.00.
    check(&order, OrderState::PartiallyConfirmed, 82_000, 142_400);
    let back: Vec<_> = order.refunds.iter().map(|refund| (refund.attempt, refund.amount)).collect();
    assert_eq!((back, taken(&order, 9)), (vec![(attempt(1), cny(142_400))], Some(5_000)));
}

#[test]
fn a_cancelled_trip_gives_the_credit_back_too() {
    let mut world = world(50_000);
    let mut order = world.confirmed();
    world.pay(&mut order);
    let quote = QuoteId::from_ulid(ulid(700));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(701)) });
    world.settle(&mut order);
    // Suppliers keep 160.00, and the credit bears it.
    check(&order, OrderState::Refunded, 16_000, 208_400);
    let back: Vec<_> = order.refunds.iter().map(|refund| (refund.attempt, refund.amount)).collect();
    assert_eq!(back, [(attempt(9), cny(34_000)), (attempt(1), cny(174_400))]);
}

#[test]
fn a_credit_is_named_and_comes_first_and_there_is_one_of_them() {
    let world = World { second: Some((100_000, false)), ..world(5_000) };
    let total = cny(224_400);
    let parts = world.parts(total);
    assert!(cart::check_parts(total, &parts).is_ok());
    let [credit, first, second] = parts.try_into().unwrap();
    let refused = |parts: Vec<PaymentPart>| cart::check_parts(total, &parts).unwrap_err().0;
    let order = |parts: [&PaymentPart; 3]| parts.map(Clone::clone).to_vec();
    assert!(refused(order([&first, &credit, &second])).contains("one or two"));
    let again = PaymentPart { attempt: attempt(8), amount: first.amount, ..credit.clone() };
    assert!(refused(order([&credit, &again, &second])).contains("two channels"), "one credit");
    let nameless = PaymentPart { credit: None, ..credit.clone() };
    assert!(refused(order([&nameless, &first, &second])).contains("named"));
    let at_once = PaymentPart { authorise: false, ..credit.clone() };
    assert!(refused(order([&at_once, &first, &second])).contains("set aside"));
    let drawn = PaymentPart { credit: credit.credit.clone(), ..first.clone() };
    assert!(refused(order([&credit, &drawn, &second])).contains("nothing else"));
    let third = PaymentPart::new(attempt(7), Channel::Stripe, cny(1));
    assert!(refused([order([&credit, &first, &second]), vec![third]].concat()).contains("one or two"));
}
