//! The outside world: suppliers that remember what they really hold and book, and a payment channel.
//!
//! Suppliers have no idempotency keys, as real ones do not: doing the same thing twice books it twice. The channel knows
//! a merchant number once. Deliberately not here: what gets lost on the way (see [`crate::run`]).

use crate::plan::{ItemPlan, Kind, Plan, cny};
use std::collections::BTreeMap;
use zhiyou_domain::{
    booking::to_capture,
    id::{AttemptId, ItemId, RefundId},
    money::Money,
    order::{ItemCancelQuote, Offer, Op, Order, StepKey, StepResult},
    policy::{Confidence, Fee, Terms, Tier},
    port::{
        Outcome, Reason, ReasonCode, activities::ActivityOption, bookings::*, cars::CarRate, flights::*, hotels::*,
        payments::*,
    },
    time::{UtcMicros, ZonedCivil},
};

/// How long offers and checked prices live, minutes; and firm holds.
const OFFER_MIN: i64 = 40;
const HOLD_MIN: i64 = 24 * 60;

/// What a supplier has under one of our references.
#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) item: ItemId,
    pub(crate) reference: String,
    pub(crate) state: State,
    pub(crate) price: Money,
    /// What the supplier gave back.
    pub(crate) returned: Money,
    /// Whether it was ever booked for good: from then on the supplier has its price.
    pub(crate) paid: bool,
    hold_expires: UtcMicros,
    /// When a pending booking is decided, and whether in our favour.
    decided: Option<(UtcMicros, bool)>,
    /// The airline's changes, the newest last; only that one can be kept.
    pub(crate) changes: Vec<Change>,
}

/// A change an airline made.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) id: String,
    /// How much later than first booked, hours.
    pub(crate) hours: i32,
    /// Whether we said that it is kept.
    pub(crate) kept: bool,
}

/// Where it stands at the supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Held,
    Booked,
    Cancelled,
}

/// A payment at the channel.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) amount: Money,
    pub(crate) state: PaymentState,
    /// Whether the money is set aside first.
    pub(crate) authorise: bool,
    /// What was taken.
    pub(crate) taken: Money,
    /// Whether it was set aside and became the payer's again before we took it or let it go.
    pub(crate) left: bool,
    /// What the payer's bank wants, or has, back; and what was decided.
    pub(crate) disputed: Option<(Money, DisputeState)>,
    pub(crate) refunds: BTreeMap<RefundId, (Money, RefundState)>,
}

/// Suppliers and the channel.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) bookings: Vec<Booking>,
    pub(crate) payments: BTreeMap<AttemptId, Payment>,
    /// Whether more was ever taken of what was set aside than suppliers had.
    pub(crate) took_too_much: bool,
    next: u64,
}

fn no<T>(code: ReasonCode) -> Outcome<T> {
    Outcome::Declined(Reason::new(code, "scripted"))
}

impl World {
    fn fresh(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}_{}", self.next)
    }

    /// What is offered for an item now; `factor` is the price in per mille of the plan's.
    pub(crate) fn offer(&mut self, item: &ItemPlan, now: UtcMicros, factor: i64) -> Offer {
        let total = cny(item.price_minor * factor / 1_000);
        let expires_at_us = now.plus_minutes(OFFER_MIN);
        let id = self.fresh("off");
        let at = |hour| ZonedCivil {
            local: crate::plan::day(item.index).at(hour, 0, 0, 0),
            zone: "Asia/Shanghai".to_owned(),
        };
        match item.kind {
            Kind::Flight => {
                let airport = |iata: &str, city: &str| Airport {
                    iata: iata.to_owned(),
                    name: iata.to_owned(),
                    city: city.to_owned(),
                };
                Offer::Flight(FlightOffer {
                    offer_id: id,
                    owner_name: "Sim Air".to_owned(),
                    owner_code: "ZZ".to_owned(),
                    segments: vec![FlightSegment {
                        segment_id: "seg".to_owned(),
                        flight_number: "ZZ1".to_owned(),
                        origin: airport("PEK", "Beijing"),
                        destination: airport("SHA", "Shanghai"),
                        departs: at(7),
                        arrives: at(9),
                        duration_min: 120,
                        aircraft: None,
                    }],
                    passenger_ids: vec!["pas".to_owned()],
                    total,
                    expires_at_us,
                    holdable: item.holdable,
                    refund: FlightTerms::Allowed { fee: Some(cny(item.fee_minor)) },
                    change: FlightTerms::NotStated,
                })
            }
            Kind::Hotel => Offer::Hotel(HotelRate {
                rate_id: id,
                hotel_name: "Inn".to_owned(),
                address: "Street".to_owned(),
                room_name: "Room".to_owned(),
                board: Board::RoomOnly,
                total,
                due_at_hotel: cny(0),
                terms: terms(item),
                expires_at_us,
            }),
            Kind::Car => Offer::Car(CarRate {
                rate_id: id,
                company: "Wheels".to_owned(),
                car_name: "Small".to_owned(),
                acriss: "ECMR".to_owned(),
                pick_up_place: "SHA".to_owned(),
                total,
                terms: terms(item),
                expires_at_us,
            }),
            Kind::Activity => Offer::Activity(ActivityOption {
                product_code: "P1".to_owned(),
                option_code: id,
                title: "Walk".to_owned(),
                meeting_point: None,
                starts: at(12),
                duration_min: 60,
                adults: 1,
                total,
                terms: terms(item),
            }),
        }
    }

    pub(crate) fn quote(&mut self, item: &ItemPlan, offer: &Offer, now: UtcMicros) -> Quote {
        Quote {
            quote_id: self.fresh("quo"),
            total: offer.total(),
            terms: terms(item),
            expires_at_us: now.plus_minutes(OFFER_MIN + 20),
            kept: item.kind == Kind::Activity && item.holdable,
        }
    }

    /// Carries an effect out. Whether the answer arrives is somebody else's business.
    pub(crate) fn act(&mut self, plan: &Plan, order: &Order, key: &StepKey, now: UtcMicros) -> Outcome<StepResult> {
        match key.op {
            Op::OpenPayment { attempt } if self.is_used_up(plan, order, attempt) => no(ReasonCode::InsufficientBalance),
            Op::Hold { item } => self.hold(plan, order, item, key, now),
            Op::Commit { item } => self.commit(plan, order, item, key, now),
            Op::Release { item } => self.release(order, item),
            Op::Cancel { item } => self.cancel(plan, order, item, now),
            Op::AcceptChange { item } => self.keep_change(order, item),
            Op::OpenPayment { attempt } => self.open(order, attempt),
            Op::ClosePayment { attempt } => self.close(attempt),
            Op::Capture { attempt } => self.capture(order, attempt, now),
            Op::Void { attempt } => self.void(attempt),
            Op::Refund { refund } => self.refund(order, refund),
        }
    }

    fn capture(&mut self, order: &Order, id: AttemptId, now: UtcMicros) -> Outcome<StepResult> {
        let wanted = to_capture(order, id);
        match (self.payments.get_mut(&id), wanted) {
            (Some(payment), Some(amount)) if payment.state == PaymentState::Authorised => {
                payment.state = PaymentState::Captured;
                payment.taken = amount;
                let kept: i64 = self.bookings.iter().map(|booking| booking.kept_minor(now)).sum();
                self.took_too_much |= amount.minor() > kept;
                Outcome::Done(StepResult::Payment(self.payment(id)))
            }
            (Some(payment), _) if payment.state == PaymentState::Captured => no(ReasonCode::AlreadyPaid),
            (Some(_), _) => no(ReasonCode::OfferExpired),
            (None, _) => no(ReasonCode::NotFound),
        }
    }

    /// What was set aside lapses before it was taken.
    pub(crate) fn lapse(&mut self, op: &Op) {
        if let Op::Capture { attempt } = op {
            self.aside_leaves(*attempt);
        }
    }

    /// What was set aside is the payer's again, although nobody here wanted that.
    pub(crate) fn aside_leaves(&mut self, id: AttemptId) {
        if let Some(payment) = self.payments.get_mut(&id)
            && payment.state == PaymentState::Authorised
        {
            payment.state = PaymentState::Closed;
            payment.left = true;
        }
    }

    fn void(&mut self, id: AttemptId) -> Outcome<StepResult> {
        match self.payments.get_mut(&id) {
            Some(payment) if payment.state == PaymentState::Authorised => {
                payment.state = PaymentState::Closed;
                Outcome::Done(StepResult::Payment(self.payment(id)))
            }
            Some(payment) if payment.state == PaymentState::Captured => no(ReasonCode::AlreadyPaid),
            Some(_) => no(ReasonCode::AlreadyClosed),
            None => no(ReasonCode::NotFound),
        }
    }

    fn hold(&mut self, plan: &Plan, order: &Order, id: ItemId, key: &StepKey, now: UtcMicros) -> Outcome<StepResult> {
        let Some((place, Some(offer))) = order.item(id).map(|place| (place, &place.offer)) else {
            return no(ReasonCode::InvalidRequest);
        };
        if offer.expires_at() <= now {
            return no(ReasonCode::OfferExpired);
        }
        if plan.item(place.wanted.id).is_some_and(|item| !item.holdable) {
            return no(ReasonCode::NotHoldable);
        }
        let booking = self.book(id, key, offer.total(), State::Held, now);
        Outcome::Done(StepResult::Flight(flight(&booking, offer.total())))
    }

    fn book(&mut self, item: ItemId, key: &StepKey, price: Money, state: State, now: UtcMicros) -> Booking {
        let booking = Booking {
            id: self.fresh("bok"),
            item,
            reference: key.reference(),
            state,
            price,
            returned: cny(0),
            paid: state == State::Booked,
            hold_expires: now.plus_minutes(HOLD_MIN),
            decided: None,
            changes: Vec::new(),
        };
        self.bookings.push(booking.clone());
        booking
    }

    fn commit(&mut self, plan: &Plan, order: &Order, id: ItemId, key: &StepKey, now: UtcMicros) -> Outcome<StepResult> {
        let (Some(place), Some(item)) = (order.item(id), plan.item(id)) else { return no(ReasonCode::InvalidRequest) };
        let (Some(offer), Some(hold)) = (&place.offer, &place.hold) else { return no(ReasonCode::InvalidRequest) };
        if let (Offer::Flight(_), true) = (offer, hold.firm) {
            let held = self.bookings.iter_mut().find(|held| Some(&held.id) == place.supplier_order.as_ref());
            let Some(held) = held else { return no(ReasonCode::NotFound) };
            return match held.state {
                State::Held if held.hold_expires > now => {
                    held.state = State::Booked;
                    held.paid = true;
                    Outcome::Done(StepResult::Flight(flight(held, hold.price)))
                }
                State::Held | State::Cancelled => no(ReasonCode::OfferExpired),
                State::Booked => no(ReasonCode::AlreadyPaid),
            };
        }
        if hold.expires_at <= now {
            return no(ReasonCode::OfferExpired);
        }
        let mut booking = self.book(id, key, hold.price, State::Booked, now);
        if matches!(offer, Offer::Flight(_)) {
            return Outcome::Done(StepResult::Flight(flight(&booking, hold.price)));
        }
        if item.decides_later {
            booking.decided = Some((now.plus_minutes(20), item.fee_minor % 3 != 0));
            if let Some(stored) = self.bookings.last_mut() {
                stored.decided = booking.decided;
            }
        }
        Outcome::Done(StepResult::Booking(self.told(&booking, item, now)))
    }

    fn release(&mut self, order: &Order, id: ItemId) -> Outcome<StepResult> {
        let wanted = order.item(id).and_then(|place| place.supplier_order.clone());
        let held = self.bookings.iter_mut().find(|held| Some(&held.id) == wanted.as_ref());
        match held {
            Some(held) if held.state == State::Held => {
                held.state = State::Cancelled;
                Outcome::Done(StepResult::Released)
            }
            Some(_) => no(ReasonCode::AlreadyClosed),
            None => no(ReasonCode::NotFound),
        }
    }

    fn cancel(&mut self, plan: &Plan, order: &Order, id: ItemId, now: UtcMicros) -> Outcome<StepResult> {
        let wanted = order.item(id).and_then(|place| place.supplier_order.clone());
        let booking = self.bookings.iter_mut().find(|booking| Some(&booking.id) == wanted.as_ref());
        match (booking, plan.item(id)) {
            (Some(booking), Some(item)) if booking.live(now) && booking.state == State::Booked => {
                booking.state = State::Cancelled;
                booking.returned = returned(item, booking.price);
                Outcome::Done(StepResult::Cancelled { refund: Some(booking.returned) })
            }
            (Some(_), _) => no(ReasonCode::AlreadyClosed),
            (None, _) => no(ReasonCode::NotFound),
        }
    }

    fn keep_change(&mut self, order: &Order, id: ItemId) -> Outcome<StepResult> {
        let Some((booking, change_id)) = self.changing(order, id) else { return no(ReasonCode::NotFound) };
        if booking.state != State::Booked {
            return no(ReasonCode::AlreadyClosed);
        }
        match booking.changes.last_mut() {
            Some(newest) if newest.id == change_id => {
                newest.kept = true;
                Outcome::Done(StepResult::ChangeKept { change_id })
            }
            _ => no(ReasonCode::OfferExpired),
        }
    }

    /// The booking an item's proposed change is about, and the change's id.
    pub(crate) fn changing(&mut self, order: &Order, id: ItemId) -> Option<(&mut Booking, String)> {
        let place = order.item(id)?;
        let change_id = place.proposed.as_ref()?.change_id.clone()?;
        let booking = self.bookings.iter_mut().find(|booking| Some(&booking.id) == place.supplier_order.as_ref())?;
        Some((booking, change_id))
    }

    /// Whether a payment is drawn from a credit that somebody else has used meanwhile.
    fn is_used_up(&self, plan: &Plan, order: &Order, id: AttemptId) -> bool {
        let credit = order.attempt(id).is_some_and(|attempt| attempt.channel == Channel::Credit);
        credit && plan.credit.is_some_and(|(_, there)| !there)
    }

    fn open(&mut self, order: &Order, id: AttemptId) -> Outcome<StepResult> {
        let Some(attempt) = order.attempt(id) else { return no(ReasonCode::InvalidRequest) };
        // A credit is set aside by being asked for.
        let credit = attempt.channel == Channel::Credit;
        let paid = |payment: &Payment| match payment.state {
            PaymentState::Captured => true,
            PaymentState::Authorised => !credit,
            PaymentState::NotFound
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Failed
            | PaymentState::Closed => false,
        };
        if self.payments.get(&id).is_some_and(paid) {
            return no(ReasonCode::AlreadyPaid);
        }
        let payment = self.payments.entry(id).or_insert_with(|| Payment {
            amount: attempt.amount,
            state: if credit { PaymentState::Authorised } else { PaymentState::RequiresAction },
            authorise: attempt.authorise,
            taken: cny(0),
            left: false,
            disputed: None,
            refunds: BTreeMap::new(),
        });
        if payment.state == PaymentState::Closed {
            return no(ReasonCode::AlreadyClosed);
        }
        let action = PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=sim".to_owned() };
        Outcome::Done(StepResult::PaymentOpened(PaymentIntent {
            attempt_id: id,
            action,
            expires_at_us: attempt.pay_by,
        }))
    }

    fn close(&mut self, id: AttemptId) -> Outcome<StepResult> {
        match self.payments.get_mut(&id) {
            Some(payment) if payment.state == PaymentState::Captured => no(ReasonCode::AlreadyPaid),
            // Approved meanwhile: nothing is closed, and that is said.
            Some(payment) if payment.state == PaymentState::Authorised => {
                Outcome::Done(StepResult::Payment(self.payment(id)))
            }
            Some(payment) => {
                payment.state = PaymentState::Closed;
                Outcome::Done(StepResult::Payment(self.payment(id)))
            }
            // A channel lets a number be closed that it never heard of; the number is then used up.
            None => {
                let (amount, taken, state) = (cny(0), cny(0), PaymentState::Closed);
                let (disputed, refunds) = (None, BTreeMap::new());
                let payment = Payment { amount, state, authorise: false, taken, left: false, disputed, refunds };
                self.payments.insert(id, payment);
                Outcome::Done(StepResult::Payment(self.payment(id)))
            }
        }
    }

    /// What a channel says that is still working on a payment and closes nothing meanwhile.
    pub(crate) fn undecided(&self, id: AttemptId) -> PaymentStatus {
        let status = self.payment(id);
        match status.state {
            PaymentState::RequiresAction | PaymentState::NotFound => {
                PaymentStatus { state: PaymentState::Processing, ..status }
            }
            PaymentState::Processing
            | PaymentState::Authorised
            | PaymentState::Captured
            | PaymentState::Failed
            | PaymentState::Closed => status,
        }
    }

    fn refund(&mut self, order: &Order, id: RefundId) -> Outcome<StepResult> {
        let Some(wanted) = order.refunds.iter().find(|refund| refund.id == id) else {
            return no(ReasonCode::InvalidRequest);
        };
        let Some(payment) = self.payments.get_mut(&wanted.attempt) else { return no(ReasonCode::NotFound) };
        let gone: i64 = payment.refunds.values().map(|(amount, _)| amount.minor()).sum();
        // A channel gives nothing back of what a bank has, or may get.
        let standing = payment.disputed.filter(|(_, state)| *state != DisputeState::Won);
        let gone = gone + standing.map_or(0, |(amount, _)| amount.minor());
        if payment.state != PaymentState::Captured
            || !payment.refunds.contains_key(&id) && gone + wanted.amount.minor() > payment.taken.minor()
        {
            return no(ReasonCode::NotAllowed);
        }
        let (amount, state) = payment.refunds.entry(id).or_insert((wanted.amount, RefundState::Pending));
        Outcome::Done(StepResult::Refund(RefundStatus { refund_id: id, state: *state, amount: *amount }))
    }

    pub(crate) fn payment(&self, id: AttemptId) -> PaymentStatus {
        let (state, captured) = match self.payments.get(&id) {
            Some(payment) if payment.state == PaymentState::Captured => (payment.state, Some(payment.taken)),
            Some(payment) => (payment.state, None),
            None => (PaymentState::NotFound, None),
        };
        let transaction_id = captured.map(|_| format!("tx-{}", id.bare()));
        PaymentStatus { attempt_id: id, state, transaction_id, captured, paid_at_us: None }
    }

    pub(crate) fn refund_status(&self, id: RefundId) -> RefundStatus {
        let known = self.payments.values().find_map(|payment| payment.refunds.get(&id));
        let (amount, state) = known.copied().unwrap_or((cny(0), RefundState::NotFound));
        RefundStatus { refund_id: id, state, amount }
    }

    /// What a supplier finds under our reference.
    pub(crate) fn find(&self, reference: &str) -> Option<&Booking> {
        let mut found: Vec<&Booking> = self.bookings.iter().filter(|booking| booking.reference == reference).collect();
        // Of several, one that lives counts.
        found.sort_by_key(|booking| booking.state == State::Cancelled);
        found.first().copied()
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Booking> {
        self.bookings.iter().find(|booking| booking.id == id)
    }

    /// A booking in the words of the port.
    pub(crate) fn told(
        &self,
        booking: &Booking,
        item: &ItemPlan,
        now: UtcMicros,
    ) -> zhiyou_domain::port::bookings::Booking {
        zhiyou_domain::port::bookings::Booking {
            booking_id: booking.id.clone(),
            reference: format!("REF-{}", booking.id),
            state: match (booking.state, booking.decided) {
                (State::Cancelled, _) => BookingState::Cancelled,
                (_, Some((at, _))) if now < at => BookingState::Pending,
                (_, Some((_, false))) => BookingState::Rejected,
                (State::Booked | State::Held, _) => BookingState::Confirmed,
            },
            total: booking.price,
            terms: terms(item),
            refunded: (booking.state == State::Cancelled).then_some(booking.returned),
            instructions: None,
        }
    }

    pub(crate) fn flight(&self, booking: &Booking, now: UtcMicros) -> FlightOrder {
        let mut told = flight(booking, booking.price);
        if booking.state == State::Held && booking.hold_expires <= now {
            told.state = FlightOrderState::Expired;
        }
        told
    }

    pub(crate) fn cancel_quote(&self, item: &ItemPlan, price: Money, now: UtcMicros) -> ItemCancelQuote {
        ItemCancelQuote {
            cancellation_id: (item.kind == Kind::Flight).then(|| "can".to_owned()),
            refund: returned(item, price),
            expires_at: now.plus_minutes(60),
            confidence: Confidence::Quoted,
        }
    }

    /// An airline moves a booked flight by some hours; returns the change's id.
    pub(crate) fn airline_changes(&mut self, id: &str, hours: i32) -> Option<String> {
        let change = self.fresh("aic");
        let booking = self.bookings.iter_mut().find(|booking| booking.id == id && booking.state == State::Booked)?;
        booking.changes.push(Change { id: change.clone(), hours, kept: false });
        Some(change)
    }

    /// A supplier cancels on its own; returns what it gives back.
    pub(crate) fn supplier_cancels(&mut self, id: &str, returns: bool) -> Option<Money> {
        let booking = self.bookings.iter_mut().find(|booking| booking.id == id && booking.state == State::Booked)?;
        booking.state = State::Cancelled;
        booking.returned = if returns { booking.price } else { cny(0) };
        Some(booking.returned)
    }
}

/// The flight as it is once it leaves so many hours later than it first did.
pub(crate) fn moved(item: &ItemPlan, offer: &Offer, hours: i32) -> Offer {
    let mut offer = offer.clone();
    if let Offer::Flight(flight) = &mut offer {
        for segment in &mut flight.segments {
            segment.departs.local = departure(item, hours);
        }
    }
    offer
}

/// When a flight leaves that leaves so many hours later than it first did.
pub(crate) fn departure(item: &ItemPlan, hours: i32) -> jiff::civil::DateTime {
    let hour = i8::try_from(7 + hours).unwrap_or(7);
    crate::plan::day(item.index).at(hour, 0, 0, 0)
}

impl Booking {
    /// What the supplier has of it.
    pub(crate) fn kept_minor(&self, now: UtcMicros) -> i64 {
        let rejected = matches!(self.decided, Some((at, false)) if at <= now);
        if self.paid && !rejected { self.price.minor() - self.returned.minor() } else { 0 }
    }

    /// Whether the supplier holds or books it for us.
    pub(crate) fn live(&self, now: UtcMicros) -> bool {
        match self.state {
            State::Held => self.hold_expires > now,
            State::Booked => !matches!(self.decided, Some((at, false)) if at <= now),
            State::Cancelled => false,
        }
    }
}

fn returned(item: &ItemPlan, price: Money) -> Money {
    cny((price.minor() - item.fee_minor).max(0))
}

fn terms(item: &ItemPlan) -> Terms {
    let fee = if item.fee_minor == 0 { Fee::Free } else { Fee::Fixed { amount: cny(item.fee_minor) } };
    let anchor = ZonedCivil { local: crate::plan::day(item.index).at(0, 0, 0, 0), zone: "Asia/Shanghai".to_owned() };
    Terms::Stated { tiers: vec![Tier { anchor, offset_min: 0, fee }] }
}

fn flight(booking: &Booking, total: Money) -> FlightOrder {
    FlightOrder {
        order_id: booking.id.clone(),
        booking_reference: format!("PNR-{}", booking.id),
        state: match booking.state {
            State::Held => FlightOrderState::Held,
            State::Booked => FlightOrderState::Ticketed,
            State::Cancelled => FlightOrderState::Cancelled,
        },
        total,
        hold_expires_at_us: (booking.state == State::Held).then_some(booking.hold_expires),
        price_guaranteed_until_us: None,
        documents: Vec::new(),
        seats: Vec::new(),
        loyalty: Vec::new(),
    }
}
