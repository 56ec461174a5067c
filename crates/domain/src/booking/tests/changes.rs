//! What comes from outside or late: dependencies, part cancellations, supplier changes, second chances, debts.

use super::*;
use crate::order::{
    SecondChance, StepEnd,
    debt::{Matter, SettledBy},
};

#[test]
fn an_item_is_held_only_after_what_it_depends_on() {
    let mut world = World::new();
    let mut order = world.order();
    world.settle(&mut order);
    assert_eq!(order.item(hotel_item()).unwrap().state, ItemState::Planned);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    assert_eq!(order.item(hotel_item()).unwrap().state, ItemState::Held);
}

#[test]
fn what_depends_on_something_that_could_not_be_had_is_not_tried() {
    let mut world = World::new();
    world.hotel_priority = Priority::Preferred;
    world.flight_priority = Priority::Preferred;
    world.flight_hold = Err(ReasonCode::SoldOut);
    let mut order = world.order();
    world.settle(&mut order);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    let hotel = order.item(hotel_item()).unwrap();
    assert_eq!((hotel.state, hotel.failure), (ItemState::Failed, Some(ReasonCode::DependencyFailed)));
    check(&order, OrderState::Cancelled, 0, 0);
}

#[test]
fn a_booking_the_supplier_is_still_deciding_on_is_waited_for() {
    for (decides, state, kept) in
        [(BookingState::Confirmed, OrderState::Confirmed, 224_400), (BookingState::Rejected, OrderState::Refunded, 0)]
    {
        let mut world = World::new();
        world.hotel_answers = BookingState::Pending;
        world.hotel_decides = decides;
        let mut order = world.confirmed();
        world.pay(&mut order);
        check(&order, state, kept, 224_400 - kept);
    }
}

#[test]
fn one_item_is_cancelled_and_the_other_stays_booked() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let quote = QuoteId::from_ulid(ulid(50));
    world.tell(&mut order, ask_to_cancel(quote, vec![hotel_item()]));
    world.settle(&mut order);
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::Booked);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(51)) });
    world.settle(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 142_400);
    let cancellation = order.cancellation.as_ref().unwrap();
    assert_eq!((cancellation.state, cancellation.reason), (CancellationState::Done, CancelReason::PlansChanged));
    // The rest can be cancelled later, too.
    let quote = QuoteId::from_ulid(ulid(52));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    world.tell(&mut order, Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(53)) });
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 16_000, 208_400);
}

#[test]
fn only_booked_items_can_be_cancelled() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let unknown = ItemId::from_ulid(ulid(99));
    let quote = QuoteId::from_ulid(ulid(50));
    assert!(order.apply(world.now, &ask_to_cancel(quote, vec![unknown])).is_err());
}

/// SG-32.
#[test]
fn a_booking_the_supplier_cancels_gives_its_refund_back_and_the_rest_stays() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let fact = Fact::SupplierCancelled { item: hotel_item(), refund: Some(cny(142_400)), source: Source::Notification };
    world.tell(&mut order, fact.clone());
    world.settle(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 142_400);
    // Told again: nothing new.
    world.tell(&mut order, fact);
    world.settle(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 142_400);
}

#[test]
fn a_supplier_that_does_not_say_what_comes_back_makes_a_debt_and_no_guess() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let fact = Fact::SupplierCancelled { item: hotel_item(), refund: None, source: Source::Notification };
    world.tell(&mut order, fact);
    world.settle(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 224_400, 0);
    let debt = order.debts.first().unwrap().clone();
    assert_eq!(
        (&debt.matter, debt.amount),
        (&Matter::SupplierRefundUnknown { item: hotel_item() }, Some(cny(142_400)))
    );
    world.tell(&mut order, Fact::DebtSettled { debt: debt.seq });
    assert_eq!(order.debts.first().unwrap().settled.unwrap().by, SettledBy::Person);
}

#[test]
fn a_changed_flight_is_kept_only_when_the_traveller_says_so_and_is_checked_against_the_rest() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    world.tell(&mut order, proposes("", "2026-12-05T09:00:00"));
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::ChangeProposed);
    assert!(crate::order::graph::conflicts_with_changes(&order).iter().any(|found| found.item == hotel_item()));
    assert!(crate::order::graph::conflicts(&order).is_empty(), "what is booked now still fits");
    world.tell(&mut order, Fact::ChangeAccepted { item: flight_item() });
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert!(!crate::order::graph::conflicts(&order).is_empty());
}

/// The airline's change of the flight; without an id it is one that is made already.
pub(super) fn proposes(id: &str, arrives: &str) -> Fact {
    let Offer::Flight(mut later) = flight_offer() else { panic!("a flight") };
    later.segments.last_mut().unwrap().arrives = ZonedCivil::parse(arrives, "Asia/Shanghai").unwrap();
    let change_id = Some(id.to_owned()).filter(|id| !id.is_empty());
    Fact::ChangeProposed { item: flight_item(), offer: Box::new(Offer::Flight(later)), change_id }
}

fn arrives(order: &Order) -> String {
    let Some(Offer::Flight(flight)) = &order.item(flight_item()).unwrap().offer else { panic!("a flight") };
    flight.segments.last().unwrap().arrives.local.to_string()
}

fn changing(world: &mut World) -> Order {
    let mut order = world.confirmed();
    world.pay(&mut order);
    world.tell(&mut order, proposes("aic_1", "2026-12-04T13:00:00"));
    world.settle(&mut order);
    order
}

/// SG-32.
#[test]
fn a_change_is_kept_only_once_the_airline_knows_it() {
    let mut world = World::new();
    let mut order = changing(&mut world);
    let before = arrives(&order);
    world.tell(&mut order, Fact::ChangeAccepted { item: flight_item() });
    assert_eq!((arrives(&order), order.is_live()), (before, true), "the airline has not been told yet");
    world.settle(&mut order);
    assert_eq!(world.calls.iter().filter(|call| *call == "accept").count(), 1);
    let flight = order.item(flight_item()).unwrap();
    assert_eq!((flight.state, flight.proposed.is_none()), (ItemState::Changed, true));
    assert_eq!((arrives(&order).as_str(), order.is_live()), ("2026-12-04T13:00:00", false));
    // Told again by a notification that was slower: nothing new.
    world.tell(&mut order, proposes("aic_1", "2026-12-04T13:00:00"));
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::Changed);
}

#[test]
fn a_change_that_is_no_longer_offered_is_replaced_by_the_newest_or_taken_back() {
    for (now, state) in [(Some(("aic_2", "2026-12-04T14:00:00")), ItemState::ChangeProposed), (None, ItemState::Booked)]
    {
        let mut world = World::new();
        let mut order = changing(&mut world);
        world.change_answer = Err(ReasonCode::OfferExpired);
        world.change_now = now;
        world.tell(&mut order, Fact::ChangeAccepted { item: flight_item() });
        world.settle(&mut order);
        let flight = order.item(flight_item()).unwrap();
        let proposed = flight.proposed.as_ref().and_then(|change| change.change_id.as_deref());
        assert_eq!((flight.state, proposed, flight.changes_kept), (state, now.map(|(id, _)| id), 0));
        assert!(!order.is_live(), "the traveller decides again");
    }
}

#[test]
fn a_change_that_comes_while_the_airline_is_being_told_is_proposed_next() {
    let mut world = World::new();
    let mut order = changing(&mut world);
    world.tell(&mut order, Fact::ChangeAccepted { item: flight_item() });
    let key = StepKey { order: order.id, op: Op::AcceptChange { item: flight_item() }, n: 1 };
    world.tell(&mut order, Fact::StepStarted { key: key.clone() });
    world.tell(&mut order, proposes("aic_2", "2026-12-04T14:00:00"));
    let quote = ask_to_cancel(QuoteId::from_ulid(ulid(50)), vec![flight_item()]);
    assert!(order.apply(world.now, &quote).is_err(), "what is being changed is not cancelled beside it");
    let result = StepResult::ChangeKept { change_id: "aic_1".to_owned() };
    world.tell(&mut order, Fact::StepEnded { key, end: StepEnd::Done { result } });
    let flight = order.item(flight_item()).unwrap();
    assert_eq!((flight.state, flight.changes_kept), (ItemState::ChangeProposed, 1));
    assert_eq!(arrives(&order), "2026-12-04T13:00:00");
    assert_eq!(flight.proposed.as_ref().unwrap().change_id.as_deref(), Some("aic_2"));
}

#[test]
fn a_change_its_airline_takes_only_by_phone_is_a_matter_a_person_settles() {
    let mut world = World::new();
    let mut order = changing(&mut world);
    world.change_answer = Err(ReasonCode::NotAllowed);
    world.tell(&mut order, Fact::ChangeAccepted { item: flight_item() });
    world.settle(&mut order);
    let debt = order.open_debts().next().unwrap().clone();
    assert_eq!((&debt.matter, order.is_live()), (&Matter::ChangeByPhone { item: flight_item() }, false));
    world.tell(&mut order, Fact::DebtSettled { debt: debt.seq });
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::Changed);
}

#[test]
fn a_change_outlives_a_cancellation_quote_that_nobody_accepted() {
    let mut world = World::new();
    let mut order = changing(&mut world);
    world.tell(&mut order, ask_to_cancel(QuoteId::from_ulid(ulid(50)), vec![flight_item()]));
    world.settle(&mut order);
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::CancelQuoted);
    world.now = world.now.plus_minutes(61);
    world.settle(&mut order);
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::ChangeProposed);
}

fn expired_unpaid(world: &mut World) -> Order {
    let mut order = world.confirmed();
    world.now = T0.plus_minutes(40);
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    order
}

fn late_money(world: &mut World, order: &mut Order) {
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(order, Fact::PaymentReported { status, source: Source::Notification });
    world.settle(order);
}

fn same_goods(item: ItemId) -> Offer {
    let mut offer = if item == flight_item() { flight_offer() } else { hotel_offer() };
    let until = T0.plus_minutes(40 + 30);
    match &mut offer {
        Offer::Flight(flight) => flight.expires_at_us = until,
        Offer::Hotel(rate) => rate.expires_at_us = until,
        Offer::Car(_) | Offer::Activity(_) => {}
    }
    offer
}

#[test]
fn late_money_on_an_expired_order_books_the_same_goods_when_they_cost_no_more() {
    let mut world = World::new();
    let mut order = expired_unpaid(&mut world);
    world.again = Some(same_goods);
    world.quote_until = T0.plus_minutes(100);
    late_money(&mut world, &mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert_eq!(order.second_chance, Some(SecondChance::Accepted));
}

#[test]
fn late_money_goes_back_when_the_goods_are_gone_or_dearer() {
    for (again, price) in [(None, 142_400), (Some(same_goods as fn(ItemId) -> Offer), 142_401)] {
        let mut world = World::new();
        let mut order = expired_unpaid(&mut world);
        world.again = again;
        world.quote_until = T0.plus_minutes(100);
        world.hotel_price = price;
        late_money(&mut world, &mut order);
        check(&order, OrderState::Refunded, 0, 224_400);
        assert_eq!(order.second_chance, Some(SecondChance::Refused));
        assert!(!world.calls.contains(&"commit".to_owned()));
    }
}

/// SG-30: set aside late, and let go again while the goods are being looked for.
#[test]
fn late_money_that_is_gone_before_the_goods_are_held_again_books_nothing() {
    let report = |state| Fact::PaymentReported { status: payment(attempt(1), state), source: Source::Poll };
    let held = |order: &Order, item| order.item(item).unwrap().state == ItemState::Held;
    // Gone at once, after the first of the goods is held, or after all of them are.
    for goods in [vec![], vec![flight_item()], vec![flight_item(), hotel_item()]] {
        let mut world = World { authorises: true, ..World::new() };
        let mut order = expired_unpaid(&mut world);
        world.again = Some(same_goods);
        world.quote_until = T0.plus_minutes(100);
        world.calls.clear();
        world.tell(&mut order, report(PaymentState::Authorised));
        while !goods.iter().all(|item| held(&order, *item)) {
            let next = decide(&order, world.now).actions.into_iter().next().unwrap();
            world.answer(&mut order, next);
        }
        assert!(matches!(order.second_chance, Some(SecondChance::Trying { .. })));
        world.tell(&mut order, report(PaymentState::Closed));
        assert!(order.apply(world.now, &Fact::SecondChanceAccepted).is_err(), "nothing pays for it");
        world.settle(&mut order);
        check(&order, OrderState::Cancelled, 0, 0);
        assert_eq!((order.second_chance, order.open_debts().count()), (Some(SecondChance::Refused), 0));
        let calls: &[&str] = if goods.is_empty() { &[] } else { &["hold", "release"] };
        assert_eq!(world.calls, calls, "what was held for it is let go");
        assert!(order.items.iter().all(|item| item.state == ItemState::Cancelled));
    }
}

#[test]
fn an_outcome_nobody_can_find_out_becomes_a_debt_that_only_the_answer_settles() {
    let mut world = World::new();
    let mut order = world.confirmed();
    let key = StepKey { order: order.id, op: Op::Commit { item: hotel_item() }, n: 1 };
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    world.tell(&mut order, Fact::StepStarted { key: key.clone() });
    world.tell(
        &mut order,
        Fact::StepEnded { key: key.clone(), end: StepEnd::Unknown { reason: no(ReasonCode::Network) } },
    );
    let early = decide(&order, world.now.plus_minutes(29));
    assert!(!early.actions.iter().any(|action| matches!(action, Action::Record(Fact::DebtDue { .. }))));
    assert_eq!(early.wake_at, Some(world.now.plus_minutes(30)));
    world.now = world.now.plus_minutes(30);
    let due = decide(&order, world.now).actions;
    let Some(Action::Record(fact)) = due.into_iter().find(|action| matches!(action, Action::Record(_))) else {
        panic!("a debt is due")
    };
    world.tell(&mut order, fact);
    let debt = order.open_debts().next().unwrap().clone();
    assert!(order.apply(world.now, &Fact::DebtSettled { debt: debt.seq }).is_err(), "nobody may wish it away");
    let result = StepResult::Booking(hotel(BookingState::Confirmed));
    world.tell(&mut order, Fact::StepEnded { key, end: StepEnd::Done { result } });
    assert_eq!(order.debts.first().unwrap().settled.unwrap().by, SettledBy::Answer);
    world.settle(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn a_supplier_that_cancels_what_is_being_quoted_ends_the_quote_and_another_one_can_be_asked() {
    for quoted in [false, true] {
        let mut world = World::new();
        let mut order = world.confirmed();
        world.pay(&mut order);
        let quote = QuoteId::from_ulid(ulid(700));
        world.tell(&mut order, ask_to_cancel(quote, vec![]));
        if quoted {
            world.settle(&mut order);
        }
        let gone =
            Fact::SupplierCancelled { item: flight_item(), refund: Some(cny(82_000)), source: Source::Notification };
        world.tell(&mut order, gone);
        world.settle(&mut order);
        assert_eq!(order.cancellation.as_ref().unwrap().state, CancellationState::Lapsed);
        assert_eq!((order.state, order.is_live()), (OrderState::PartiallyConfirmed, false));
        assert!(
            order.apply(world.now, &Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(701)) }).is_err()
        );
        world.tell(&mut order, ask_to_cancel(QuoteId::from_ulid(ulid(702)), vec![]));
        world.settle(&mut order);
        assert_eq!(order.cancellation.as_ref().unwrap().state, CancellationState::Quoted);
    }
}
