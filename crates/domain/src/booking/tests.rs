//! Whole lives of orders against a small scripted outside world: every action is answered at once, in order.

use super::*;
use crate::{
    id::{OrderId, PlanId, QuoteId, TravellerId},
    money::Currency,
    order::{
        CancelReason, Ending, ItemCancelQuote, NewItem, NewOrder, OrderKind, PaymentPart, Source, StepEnd, StepResult,
    },
    plan::{ItemRequest, Priority, Supplier},
    policy::{Confidence, Fee, Terms, Tier},
    port::{Outcome, Reason, ReasonCode, bookings::*, flights::*, hotels::*, payments::*},
    time::ZonedCivil,
};
use std::collections::BTreeMap;
use ulid::Ulid;

const T0: UtcMicros = UtcMicros(1_790_000_000_000_000);

fn ulid(n: u128) -> Ulid {
    Ulid::from_parts(1_790_000_000_000, n)
}
fn flight_item() -> ItemId {
    ItemId::from_ulid(ulid(1))
}
fn hotel_item() -> ItemId {
    ItemId::from_ulid(ulid(2))
}
fn attempt(n: u128) -> AttemptId {
    AttemptId::from_ulid(ulid(100 + n))
}
fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}
fn no(code: ReasonCode) -> Reason {
    Reason::new(code, "scripted")
}

/// The outside world: what it answers, and what it holds.
struct World {
    now: UtcMicros,
    flight_hold: Result<(), ReasonCode>,
    flight_commit: Result<(), ReasonCode>,
    hotel_commit: Result<(), ReasonCode>,
    /// State the hotel's booking is answered in, and the one it is told to have when asked again.
    hotel_answers: BookingState,
    hotel_decides: BookingState,
    /// The next so many holds act but lose their answer.
    hold_answers_lost: u32,
    payment: PaymentState,
    /// Whether the channel sets money aside first, and how it takes "take it now".
    authorises: bool,
    /// A second channel: what it pays, and whether it sets that aside first.
    second: Option<(i64, bool)>,
    /// What a credit pays.
    credit: Option<i64>,
    /// What a payment's channel says that is not what `payment` says.
    told: BTreeMap<AttemptId, PaymentState>,
    capture_answer: Result<(), ReasonCode>,
    /// The next so many times our key is refused before anything is taken.
    key_refused: u32,
    /// What is found when late money looks for the same goods again.
    again: Option<fn(ItemId) -> Offer>,
    /// How the airline takes "we keep your change", and the change it offers when it is asked again.
    change_answer: Result<(), ReasonCode>,
    change_now: Option<(&'static str, &'static str)>,
    hotel_priority: Priority,
    flight_priority: Priority,
    /// Price and end of the hotel's checked rate.
    hotel_price: i64,
    quote_until: UtcMicros,
    calls: Vec<String>,
    next_id: u128,
}

impl World {
    fn new() -> Self {
        Self {
            now: T0,
            flight_hold: Ok(()),
            flight_commit: Ok(()),
            hotel_commit: Ok(()),
            hotel_answers: BookingState::Confirmed,
            hotel_decides: BookingState::Confirmed,
            hold_answers_lost: 0,
            payment: PaymentState::RequiresAction,
            authorises: false,
            second: None,
            credit: None,
            told: BTreeMap::new(),
            capture_answer: Ok(()),
            key_refused: 0,
            again: None,
            change_answer: Ok(()),
            change_now: None,
            hotel_priority: Priority::MustHave,
            flight_priority: Priority::MustHave,
            hotel_price: 142_400,
            quote_until: T0.plus_minutes(60),
            calls: Vec::new(),
            next_id: 1_000,
        }
    }

    fn order(&self) -> Order {
        let item = |id, request, supplier, priority, after| NewItem {
            id,
            request,
            priority,
            supplier,
            travellers: vec![TravellerId::from_ulid(ulid(7))],
            after,
            member_platform: None,
        };
        let day = jiff::civil::date(2026, 12, 4);
        let flight = ItemRequest::Flight {
            origin: "PEK".into(),
            destination: "SHA".into(),
            departure_date: day,
            cabin: CabinClass::Economy,
        };
        let hotel =
            ItemRequest::Hotel { city: "Shanghai".into(), check_in: day, check_out: day.tomorrow().unwrap(), rooms: 1 };
        let new = NewOrder {
            id: OrderId::from_ulid(ulid(3)),
            kind: OrderKind::Travel,
            plan: PlanId::from_ulid(ulid(4)),
            budget: cny(350_000),
            required_platforms: vec![],
            repairs: None,
            items: vec![
                item(flight_item(), flight, Supplier::Duffel, self.flight_priority, vec![]),
                item(hotel_item(), hotel, Supplier::DuffelStays, self.hotel_priority, vec![flight_item()]),
            ],
        };
        Order::create(T0, &Fact::Created { order: Box::new(new) }).unwrap()
    }

    fn tell(&self, order: &mut Order, fact: Fact) {
        *order = order.apply(self.now, &fact).unwrap_or_else(|error| panic!("{error}: {fact:?}"));
    }

    /// Answers actions until none but polls are left; returns how many rounds it took.
    fn settle(&mut self, order: &mut Order) {
        for _ in 0..100 {
            let before = order.version;
            for action in decide(order, self.now).actions {
                self.answer(order, action);
                // Each action was decided on the order as it was; one at a time keeps the script simple.
                if order.version != before {
                    break;
                }
            }
            if order.version == before {
                return;
            }
        }
        panic!("the order does not settle: {:?}", decide(order, self.now));
    }

    fn answer(&mut self, order: &mut Order, action: Action) {
        match action {
            Action::Record(fact) => self.tell(order, fact),
            Action::DecideRefund { refund, attempt, amount } => {
                self.next_id += 1;
                let refund = refund.unwrap_or(RefundId::from_ulid(ulid(self.next_id)));
                self.tell(order, Fact::RefundDecided { refund, attempt, amount });
            }
            Action::Start(key) => {
                self.tell(order, Fact::StepStarted { key: key.clone() });
                self.calls.push(key.reference().split_once('.').unwrap().1.split('.').next().unwrap().to_owned());
                let end = self.act(order, &key);
                self.tell(order, Fact::StepEnded { key, end });
            }
            Action::Read(read) => self.read(order, read),
        }
    }

    fn read(&mut self, order: &mut Order, read: Read) {
        match read {
            Read::FindOffer { item } => {
                let offer = Box::new(if item == flight_item() { flight_offer() } else { hotel_offer() });
                self.tell(order, Fact::OfferFound { item, offer });
            }
            Read::FindAgain { item } => match &self.again {
                Some(offer) => {
                    let fact = Fact::OfferFoundAgain { item, offer: Box::new(offer(item)), seats: vec![] };
                    self.tell(order, fact);
                }
                None => self.tell(order, Fact::OfferMissing { item, reason: no(ReasonCode::SoldOut) }),
            },
            Read::PriceFlight { item } => {
                let price = FlightPrice { total: cny(82_000), expires_at_us: T0.plus_minutes(30) };
                self.tell(order, Fact::FlightPriced { item, price });
            }
            Read::Quote { item } => {
                let quote = Quote {
                    quote_id: "quo_1".into(),
                    total: cny(self.hotel_price),
                    terms: hotel_terms(),
                    expires_at_us: self.quote_until,
                    kept: false,
                };
                self.tell(order, Fact::Quoted { item, quote });
            }
            Read::AwaitBooking { item } => {
                self.tell(order, Fact::BookingReported { item, booking: hotel(self.hotel_decides) });
            }
            Read::SeeChange { item } => {
                let change_id = order.item(item).unwrap().proposed.as_ref().unwrap().change_id.clone().unwrap();
                let fact = match self.change_now {
                    Some((id, arrives)) => changes::proposes(id, arrives),
                    None => Fact::ChangeSettled { item, change_id, kept: false },
                };
                self.tell(order, fact);
            }
            Read::QuoteCancel { item } => {
                let refund = if item == flight_item() { cny(66_000) } else { cny(142_400) };
                let quote = ItemCancelQuote {
                    cancellation_id: None,
                    refund,
                    expires_at: self.now.plus_minutes(60),
                    confidence: Confidence::Quoted,
                };
                self.tell(order, Fact::ItemCancelQuoted { item, quote });
            }
            Read::QueryPayment { attempt } => {
                if self.says(attempt) != PaymentState::RequiresAction {
                    let status = payment(attempt, self.says(attempt));
                    self.tell(order, Fact::PaymentReported { status, source: Source::Poll });
                }
            }
            Read::QueryRefund { refund } => {
                let amount = order.refunds.iter().find(|r| r.id == refund).unwrap().amount;
                let status = RefundStatus { refund_id: refund, state: RefundState::Succeeded, amount };
                self.tell(order, Fact::RefundReported { status, source: Source::Poll });
            }
            Read::LookUp { key } => {
                let result = StepResult::Flight(flight(FlightOrderState::Held));
                self.tell(order, Fact::StepEnded { key, end: StepEnd::Done { result } });
            }
        }
    }

    fn act(&mut self, order: &Order, key: &StepKey) -> StepEnd {
        let outcome = |outcome: Result<(), ReasonCode>, result| match outcome {
            Ok(()) => StepEnd::Done { result },
            Err(code) => StepEnd::Declined { reason: no(code) },
        };
        match key.op {
            Op::Hold { .. } if self.hold_answers_lost > 0 => {
                self.hold_answers_lost -= 1;
                StepEnd::Unknown { reason: no(ReasonCode::Network) }
            }
            Op::Hold { .. } => outcome(self.flight_hold, StepResult::Flight(flight(FlightOrderState::Held))),
            Op::Commit { item } if item == flight_item() => {
                outcome(self.flight_commit, StepResult::Flight(flight(FlightOrderState::Ticketed)))
            }
            Op::Commit { .. } => outcome(self.hotel_commit, StepResult::Booking(hotel(self.hotel_answers))),
            Op::Release { .. } => outcome(Ok(()), StepResult::Released),
            Op::Cancel { .. } => outcome(Ok(()), StepResult::Cancelled { refund: None }),
            Op::AcceptChange { item } => {
                let change_id = order.item(item).unwrap().proposed.as_ref().unwrap().change_id.clone().unwrap();
                outcome(self.change_answer, StepResult::ChangeKept { change_id })
            }
            Op::OpenPayment { attempt } => {
                let action = PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=x".into() };
                let intent = PaymentIntent { attempt_id: attempt, action, expires_at_us: self.now };
                outcome(Ok(()), StepResult::PaymentOpened(intent))
            }
            Op::ClosePayment { attempt } => {
                let arrived = matches!(self.says(attempt), PaymentState::Captured | PaymentState::Authorised);
                let state = if arrived { self.says(attempt) } else { PaymentState::Closed };
                outcome(Ok(()), StepResult::Payment(payment(attempt, state)))
            }
            Op::Capture { .. } if self.key_refused > 0 => {
                self.key_refused -= 1;
                recipe::ended(key.op, Outcome::Declined(no(ReasonCode::Unauthorized)))
            }
            Op::Capture { attempt } => {
                let captured = to_capture(order, attempt);
                let status = PaymentStatus { captured, ..payment(attempt, PaymentState::Captured) };
                outcome(self.capture_answer, StepResult::Payment(status))
            }
            Op::Void { attempt } => outcome(Ok(()), StepResult::Payment(payment(attempt, PaymentState::Closed))),
            Op::Refund { refund } => {
                let amount = order.refunds.iter().find(|r| r.id == refund).unwrap().amount;
                let status = RefundStatus { refund_id: refund, state: RefundState::Pending, amount };
                outcome(Ok(()), StepResult::Refund(status))
            }
        }
    }

    /// Up to the confirmed cart with its payment open.
    fn confirmed(&mut self) -> Order {
        let mut order = self.order();
        self.settle(&mut order);
        self.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
        self.settle(&mut order);
        self.confirm(&mut order);
        order
    }

    /// All of it by one payment, or a part of it by a credit, a second one, or both.
    fn parts(&self, total: Money) -> Vec<PaymentPart> {
        let credit = self.credit.map(|minor| PaymentPart {
            authorise: true,
            credit: Some("crd_welcome".to_owned()),
            ..PaymentPart::new(attempt(9), Channel::Credit, cny(minor))
        });
        let mut rest = credit.as_ref().map_or(total, |credit| total.minus(credit.amount).unwrap());
        let mut parts = Vec::from_iter(credit);
        let second = self.second.map(|(minor, authorise)| {
            rest = rest.minus(cny(minor)).unwrap();
            PaymentPart { authorise, ..PaymentPart::new(attempt(2), Channel::Alipay, cny(minor)) }
        });
        parts.extend(rest.is_positive().then(|| whole(attempt(1), rest, self.authorises)));
        parts.extend(second);
        parts
    }

    /// What the channel of a payment says.
    fn says(&self, attempt: AttemptId) -> PaymentState {
        self.told.get(&attempt).copied().unwrap_or(self.payment)
    }

    fn confirm(&mut self, order: &mut Order) {
        let fact = Fact::Confirmed {
            cart_hash: cart::hash(order).expect("a complete cart"),
            total: cart::total(order).unwrap(),
            parts: self.parts(cart::total(order).unwrap()),
            pay_by: pay_by(order, self.now).unwrap(),
        };
        self.tell(order, fact);
        self.settle(order);
    }

    fn pay(&mut self, order: &mut Order) {
        self.payment = if self.authorises { PaymentState::Authorised } else { PaymentState::Captured };
        self.settle(order);
    }
}

/// All of it by one payment.
fn whole(attempt: AttemptId, amount: Money, authorise: bool) -> PaymentPart {
    PaymentPart { authorise, ..PaymentPart::new(attempt, Channel::Wechatpay, amount) }
}

fn ask_to_cancel(quote: QuoteId, items: Vec<ItemId>) -> Fact {
    Fact::CancelQuoteRequested { quote, items, reason: CancelReason::PlansChanged }
}

fn flight_offer() -> Offer {
    let airport = |iata: &str| Airport { iata: iata.into(), name: iata.into(), city: iata.into() };
    let at = |time: &str| ZonedCivil::parse(time, "Asia/Shanghai").unwrap();
    Offer::Flight(FlightOffer {
        offer_id: "off_1".into(),
        owner_name: "Duffel Airways".into(),
        owner_code: "ZZ".into(),
        segments: vec![FlightSegment {
            segment_id: "seg_1".into(),
            flight_number: "ZZ1862".into(),
            origin: airport("PEK"),
            destination: airport("SHA"),
            departs: at("2026-12-04T18:30:00"),
            arrives: at("2026-12-04T20:45:00"),
            duration_min: 135,
            aircraft: None,
        }],
        passenger_ids: vec!["pas_1".into()],
        total: cny(82_000),
        expires_at_us: T0.plus_minutes(30),
        holdable: true,
        refund: FlightTerms::Allowed { fee: Some(cny(16_000)) },
        change: FlightTerms::NotStated,
    })
}

fn hotel_offer() -> Offer {
    Offer::Hotel(HotelRate {
        rate_id: "rat_1".into(),
        hotel_name: "Bund".into(),
        address: "1 Bund".into(),
        room_name: "King".into(),
        board: Board::Breakfast,
        total: cny(142_400),
        due_at_hotel: cny(0),
        terms: hotel_terms(),
        expires_at_us: T0.plus_minutes(30),
    })
}

fn flight(state: FlightOrderState) -> FlightOrder {
    FlightOrder {
        order_id: "ord_1".into(),
        booking_reference: "ABC123".into(),
        state,
        total: cny(82_000),
        hold_expires_at_us: Some(T0.plus_minutes(72 * 60)),
        price_guaranteed_until_us: Some(T0.plus_minutes(48 * 60)),
        documents: vec![TravelDocument { kind: "electronic_ticket".into(), number: "1".into() }],
        seats: vec![],
        loyalty: vec![],
    }
}

fn hotel_terms() -> Terms {
    Terms::Stated { tiers: vec![Tier::until_instant(T0.plus_minutes(10_000), Fee::Free).unwrap()] }
}

fn hotel(state: BookingState) -> Booking {
    Booking {
        booking_id: "bok_1".into(),
        reference: "HB-1".into(),
        state,
        total: cny(142_400),
        terms: hotel_terms(),
        refunded: None,
        instructions: None,
    }
}

fn payment(attempt_id: AttemptId, state: PaymentState) -> PaymentStatus {
    let paid = state == PaymentState::Captured;
    PaymentStatus { attempt_id, state, transaction_id: paid.then(|| "420000".into()), captured: None, paid_at_us: None }
}

/// Asserts the end and that every yuan is somewhere: (state, kept by suppliers, returned).
#[track_caller]
fn check(order: &Order, state: OrderState, committed: i64, refunded: i64) {
    let map = cart::money_map(order).unwrap();
    let ledger = crate::order::ledger::position(order, T0).unwrap();
    let told = [&ledger.paid, &ledger.committed, &ledger.held, &ledger.refund_in_transit, &ledger.returned];
    let reckoned = [map.paid, map.committed, map.held, map.refund_in_transit, map.refunded];
    assert_eq!(told.map(|figure| figure.amount), reckoned, "ledger and states differ");
    assert_eq!(order.state, state, "{:#?}", order.timeline);
    assert_eq!((map.committed.minor(), map.refunded.minor()), (committed, refunded));
    assert_eq!((map.held.minor(), map.refund_in_transit.minor()), (0, 0), "nothing is left in between");
    for (account, left) in crate::order::ledger::balances(&order.ledger, Currency::CNY).unwrap() {
        let settled = !matches!(account, crate::order::ledger::Account::Held { .. }) || left.is_zero();
        assert!(settled, "{account:?} is left with {left}");
    }
    assert!(order.open_steps.is_empty() && !order.is_live(), "nothing more happens by itself");
}

#[test]
fn a_paid_order_is_booked_hotel_first_because_its_price_is_not_held() {
    let mut world = World::new();
    let mut order = world.confirmed();
    assert_eq!(order.state, OrderState::PaymentPending);
    assert_eq!(world.calls, ["hold", "open"]);
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    assert_eq!(world.calls, ["hold", "open", "commit", "commit"]);
    let booked: Vec<_> = order.timeline.iter().filter(|e| e.kind == crate::order::TimelineKind::Booked).collect();
    assert_eq!(booked.iter().map(|e| e.item.unwrap()).collect::<Vec<_>>(), [hotel_item(), flight_item()]);
}

#[test]
fn seats_are_waited_for_and_nothing_is_held_without_them() {
    let mut world = World::new();
    let mut order = world.order();
    world.settle(&mut order);
    assert!(world.calls.is_empty());
    assert_eq!(order.item(flight_item()).unwrap().state, ItemState::Planned);
}

#[test]
fn a_supplier_that_cannot_hold_seats_is_priced_and_booked_at_once_after_payment() {
    let mut world = World::new();
    world.flight_hold = Err(ReasonCode::ServicesNotHoldable);
    let mut order = world.confirmed();
    assert!(!order.item(flight_item()).unwrap().hold.as_ref().unwrap().firm);
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn a_hold_whose_answer_is_lost_is_looked_up_and_never_made_twice() {
    let mut world = World::new();
    world.hold_answers_lost = 1;
    let mut order = world.confirmed();
    assert_eq!(world.calls.iter().filter(|call| *call == "hold").count(), 1);
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn time_to_pay_over_closes_the_payment_first_and_then_lets_the_holds_go() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.now = order.attempts[0].pay_by;
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    assert_eq!(world.calls, ["hold", "open", "close", "release"]);
    assert_eq!(order.ending, Some(Ending::Expired));
}

#[test]
fn holds_that_lapse_before_confirmation_end_the_order_without_cost() {
    let mut world = World::new();
    let mut order = world.order();
    world.settle(&mut order);
    world.now = T0.plus_minutes(31);
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
}

#[test]
fn money_that_wins_the_race_against_closing_books_the_order_while_its_holds_live() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.tell(&mut order, Fact::PayByPassed);
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
}

#[test]
fn ended_by_the_traveller_and_paid_all_the_same_goes_back_whole() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.tell(&mut order, Fact::CancelRequested);
    world.pay(&mut order);
    check(&order, OrderState::Refunded, 0, 224_400);
    assert!(!world.calls.contains(&"commit".to_owned()));
}

#[test]
fn money_that_arrives_after_the_end_goes_back_whole() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.tell(&mut order, Fact::CancelRequested);
    world.settle(&mut order);
    check(&order, OrderState::Cancelled, 0, 0);
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 0, 224_400);
}

#[test]
fn a_second_payment_goes_back_and_the_first_one_pays() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.payment = PaymentState::Failed;
    world.settle(&mut order);
    let pay_by = pay_by(&order, world.now).unwrap();
    world.tell(
        &mut order,
        Fact::PaymentRetried {
            attempt: attempt(2),
            channel: Channel::Wechatpay,
            pay_by,
            authorise: false,
            instalments: None,
            screening: None,
        },
    );
    world.pay(&mut order);
    check(&order, OrderState::Confirmed, 224_400, 0);
    let status = payment(attempt(1), PaymentState::Captured);
    world.tell(&mut order, Fact::PaymentReported { status, source: Source::Notification });
    world.settle(&mut order);
    let map = cart::money_map(&order).unwrap();
    assert_eq!((map.paid.minor(), map.refunded.minor(), map.committed.minor()), (448_800, 224_400, 224_400));
    assert_eq!(order.state, OrderState::Confirmed);
}

#[test]
fn a_must_have_that_fails_after_payment_undoes_the_rest_at_its_price_and_returns_everything_else() {
    let mut world = World::new();
    world.flight_commit = Err(ReasonCode::PriceChanged);
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::Refunded, 0, 224_400);
    assert_eq!(order.item(hotel_item()).unwrap().state, ItemState::Cancelled);
    assert!(
        world.calls.ends_with(&["commit", "commit", "cancel", "release", "refund"].map(str::to_owned)),
        "{:?}",
        world.calls
    );
}

#[test]
fn a_preferred_item_that_fails_leaves_the_rest_booked_and_returns_its_share() {
    let mut world = World::new();
    world.hotel_priority = Priority::Preferred;
    world.hotel_commit = Err(ReasonCode::SoldOut);
    let mut order = world.confirmed();
    world.pay(&mut order);
    check(&order, OrderState::PartiallyConfirmed, 82_000, 142_400);
}

#[test]
fn a_cancellation_is_quoted_first_and_returns_exactly_what_was_quoted() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let quote = QuoteId::from_ulid(ulid(50));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    assert_eq!(order.state, OrderState::Confirmed, "a quote cancels nothing");
    let refund = RefundId::from_ulid(ulid(51));
    world.tell(&mut order, Fact::CancelAccepted { quote, refund });
    world.settle(&mut order);
    check(&order, OrderState::Refunded, 16_000, 208_400);
    assert_eq!(order.refunds[0].id, refund);
}

#[test]
fn a_quote_past_its_time_cannot_be_accepted() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let quote = QuoteId::from_ulid(ulid(50));
    world.tell(&mut order, ask_to_cancel(quote, vec![]));
    world.settle(&mut order);
    let accept = Fact::CancelAccepted { quote, refund: RefundId::from_ulid(ulid(51)) };
    assert!(order.apply(world.now.plus_minutes(61), &accept).is_err());
    assert!(order.apply(world.now.plus_minutes(59), &accept).is_ok());
}

#[test]
fn a_cart_over_budget_a_stale_hash_and_a_late_confirmation_are_refused() {
    let mut world = World::new();
    let mut order = world.order();
    world.settle(&mut order);
    world.tell(&mut order, Fact::SeatsChosen { item: flight_item(), seats: vec![] });
    world.settle(&mut order);
    let fact = |hash: &str| Fact::Confirmed {
        cart_hash: hash.to_owned(),
        total: cny(224_400),
        parts: vec![whole(attempt(1), cny(224_400), false)],
        pay_by: T0.plus_minutes(200),
    };
    let hash = cart::hash(&order).unwrap();
    assert!(order.apply(T0, &fact("another")).is_err());
    assert!(order.apply(T0.plus_minutes(100), &fact(&hash)).is_err());
    let mut poor = order.clone();
    poor.budget = cny(224_399);
    assert!(poor.apply(T0, &fact(&hash)).is_err());
    assert!(order.apply(T0, &fact(&hash)).is_ok());
}

#[test]
fn the_worst_case_is_what_undoing_the_earlier_bookings_costs() {
    let mut world = World::new();
    let order = world.confirmed();
    // The hotel is booked first and free to cancel, so a failing ticket loses nothing.
    assert_eq!(risk::exposure(&order, T0).unwrap().loss, cny(0));
    assert_eq!(risk::exposure(&order, T0.plus_minutes(20_000)).unwrap().loss, cny(142_400));
}

#[test]
fn a_repeated_report_changes_nothing() {
    let mut world = World::new();
    let mut order = world.confirmed();
    world.pay(&mut order);
    let status = payment(attempt(1), PaymentState::Captured);
    let again = order.apply(world.now, &Fact::PaymentReported { status, source: Source::Notification }).unwrap();
    assert_eq!(Order { version: order.version, ..again }, order);
}

mod books;
mod changes;
mod credit;
mod rows;
mod set_aside;
mod split;
