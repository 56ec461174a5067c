//! What the traveller does, and when.
//!
//! Deliberately not here: what becomes of it.

use super::{Act, Event, Run};
use crate::{
    check::{self, Violation},
    cover::Fault,
    driver::Driver,
    plan::{Kind, Traveller, cny, id},
};
use fastrand::Rng;
use std::sync::Arc;
use zhiyou_domain::{
    booking,
    defect::{Defect, planted},
    driver::{Append, Appended, Kept, Signal},
    id::{AttemptId, QuoteId, RefundId, RequestId},
    money::Money,
    order::{
        CancelReason, CancellationState, ChangeStanding, Fact, ItemState, Order, OrderState, PaymentPart,
        ProposedChange, SeatChoice, Source, cart,
    },
    port::payments::{Channel, DisputeState, DisputeStatus, PaymentState},
};

fn first_payment() -> AttemptId {
    AttemptId::from_ulid(id(5_000))
}

fn second_payment() -> AttemptId {
    AttemptId::from_ulid(id(5_001))
}

fn credit_payment() -> AttemptId {
    AttemptId::from_ulid(id(5_002))
}

impl Run {
    pub(super) fn plan_payment(&mut self, attempt: AttemptId) {
        if attempt == credit_payment() {
            // There is nothing to pay; whose credit is gone meanwhile pays its part by a channel.
            if self.plan.credit.is_some_and(|(_, there)| !there) {
                self.after_s(30, Event::Act(Act::Retry));
            }
            return;
        }
        let first = attempt == first_payment() || attempt == second_payment() && self.rng.bool();
        let at = |rng: &mut Rng| rng.i64(5..=240);
        // Of money that is only set aside the gateway compares the amount before anybody hears of it.
        let aside = self.world.payments.get(&attempt).is_some_and(|payment| payment.authorise);
        let misreports = !aside && self.fault(Fault::WrongAmount, self.plan.rates.wrong_amount);
        if misreports && let Some(payment) = self.world.payments.get_mut(&attempt) {
            payment.amount = cny(payment.amount.minor() + 1);
            self.misreported = true;
        }
        let acts: Vec<(i64, Act)> = match self.plan.traveller {
            Traveller::Pays | Traveller::CancelsBooked | Traveller::CancelsOne => {
                vec![(at(&mut self.rng), Act::Pay(attempt)), (at(&mut self.rng), Act::Retry)]
            }
            Traveller::RefusesFirst if first => {
                let refused = at(&mut self.rng);
                vec![(refused, Act::Refuse(attempt)), (refused + 30, Act::Retry)]
            }
            Traveller::RefusesFirst => vec![(at(&mut self.rng), Act::Pay(attempt))],
            Traveller::PaysTwice if first => {
                let refused = at(&mut self.rng);
                let late = refused + at(&mut self.rng);
                vec![(refused, Act::Refuse(attempt)), (refused + 30, Act::Retry), (late, Act::PayAnyway(attempt))]
            }
            Traveller::PaysTwice => vec![(at(&mut self.rng), Act::Pay(attempt))],
            Traveller::PaysLate => {
                let late = 30 * 60 + self.rng.i64(-10..=600);
                let act = if self.rng.bool() { Act::Pay(attempt) } else { Act::PayAnyway(attempt) };
                vec![(late, act)]
            }
            Traveller::Cancels => vec![(at(&mut self.rng), Act::End)],
            Traveller::CancelsAndPays => {
                let ends = at(&mut self.rng);
                vec![(ends, Act::End), (ends, Act::Pay(attempt))]
            }
            Traveller::Leaves => Vec::new(),
        };
        for (seconds, act) in acts {
            self.after_s(seconds, Event::Act(act));
        }
    }

    /// What the order as it is now lets the traveller do.
    pub(super) fn tempt(&mut self) {
        let Some(order) = self.driver.as_ref().map(Driver::order) else { return };
        let seats = order.state == OrderState::Draft
            && order
                .items
                .iter()
                .any(|item| matches!(item.seats, SeatChoice::Pending) && item.state == ItemState::Planned);
        let confirm = order.state == OrderState::Draft && cart::hash(order).is_some();
        let booked = OrderState::CANCELLABLE_BY_QUOTE.contains(&order.state);
        let cancels = matches!(self.plan.traveller, Traveller::CancelsBooked | Traveller::CancelsOne);
        let quoted = order.cancellation.as_ref().is_some_and(|open| open.state == CancellationState::Quoted);
        let proposed = order.items.iter().any(|item| {
            let open = |change: &ProposedChange| change.standing == ChangeStanding::Open;
            item.state == ItemState::ChangeProposed && item.proposed.as_ref().is_some_and(open)
        });
        if seats {
            self.once_more(Act::ChooseSeats);
        }
        if confirm {
            self.once_more(Act::Confirm);
        }
        if booked && cancels && !quoted {
            self.once(Act::AskQuote, 600);
        }
        if quoted {
            self.once_more(Act::Accept);
        }
        if booked && proposed {
            self.once_more(Act::KeepChange);
        }
        if booked && self.faulty() {
            self.supplier_cancels_perhaps();
            self.disputes_perhaps();
            self.airline_changes_perhaps();
        }
    }

    pub(super) fn once(&mut self, act: Act, seconds: i64) {
        if !self.acted.contains(&act) {
            self.acted.push(act);
            self.after_s(seconds, Event::Act(act));
        }
    }

    /// Again after it was done, because an item may need it again; not while it is on its way.
    pub(super) fn once_more(&mut self, act: Act) {
        if !self.acted.contains(&act) {
            let seconds = self.rng.i64(1..=90);
            self.once(act, seconds);
        }
    }

    pub(super) fn supplier_cancels_perhaps(&mut self) {
        if std::mem::replace(&mut self.drew_cancel, true) {
            return;
        }
        if !self.fault(Fault::SupplierCancels, self.plan.rates.supplier_cancels) {
            return;
        }
        let Some(order) = self.driver.as_ref().map(Driver::order) else { return };
        let booked = order.items.iter().filter(|item| item.state == ItemState::Booked);
        let Some((item, booking)) = booked.filter_map(|i| Some((i.wanted.id, i.supplier_order.clone()?))).next() else {
            return;
        };
        let says = self.rng.u8(0..4) != 0;
        if let Some(back) = self.world.supplier_cancels(&booking, says) {
            let refund = says.then_some(back);
            let fact = Fact::SupplierCancelled { item, refund, source: Source::Notification };
            // Not lost for good: suppliers are read again by the reconciler.
            self.after_s(30, Event::Notice { fact: fact.clone() });
            self.after_s(90, Event::Notice { fact });
        }
    }

    /// The payer goes to the bank about a payment that was taken.
    pub(super) fn disputes_perhaps(&mut self) {
        if std::mem::replace(&mut self.drew_dispute, true) || !self.fault(Fault::Disputed, self.plan.rates.disputes) {
            return;
        }
        let taken = self.world.payments.iter().find(|(_, payment)| payment.state == PaymentState::Captured);
        let Some(attempt) = taken.map(|(attempt, _)| *attempt) else { return };
        self.after_s(5, Event::Dispute { attempt, state: DisputeState::Open });
        let state = if self.rng.bool() { DisputeState::Won } else { DisputeState::Lost };
        let hours = self.rng.i64(1..=20);
        self.after_s(hours * 3_600, Event::Dispute { attempt, state });
    }

    /// The bank's word; the channel tells until it is heard.
    pub(super) fn dispute(&mut self, attempt: AttemptId, state: DisputeState) {
        let Some(payment) = self.world.payments.get_mut(&attempt) else { return };
        let gone: i64 = payment.refunds.values().map(|(amount, _)| amount.minor()).sum();
        let amount = match payment.disputed {
            Some((amount, DisputeState::Open)) => amount,
            Some(_) => return,
            None => cny(payment.taken.minor() - gone),
        };
        if !amount.is_positive() {
            return;
        }
        payment.disputed = Some((amount, state));
        let status =
            DisputeStatus { attempt_id: attempt, dispute_id: "dp_1".to_owned(), amount, state, as_of_us: None };
        let fact = Fact::DisputeReported { status, source: Source::Notification };
        for seconds in [1, 40] {
            self.after_s(seconds, Event::Notice { fact: fact.clone() });
        }
    }

    /// An airline moves a booked flight, once or, before anybody answered, twice.
    pub(super) fn airline_changes_perhaps(&mut self) {
        if self.changes > 1 || !self.fault(Fault::AirlineChanges, self.plan.rates.airline_changes) {
            return;
        }
        self.changes += 1;
        let Some(order) = self.driver.as_ref().map(|driver| Arc::clone(driver.order())) else { return };
        let flights = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state));
        let flights = flights.filter_map(|item| {
            let plan = self.plan.item(item.wanted.id).filter(|plan| plan.kind == Kind::Flight)?;
            Some((plan.clone(), item.offer.clone()?, item.supplier_order.clone()?))
        });
        let Some((plan, offer, booking)) = flights.into_iter().next() else { return };
        let hours = i32::try_from(self.changes).unwrap_or(1);
        let Some(change) = self.world.airline_changes(&booking, hours) else { return };
        let offer = Box::new(crate::world::moved(&plan, &offer, hours));
        let fact = Fact::ChangeProposed { item: plan.id, offer, change_id: Some(change) };
        // Not lost for good: suppliers are read again by the reconciler.
        self.after_s(30, Event::Notice { fact: fact.clone() });
        self.after_s(90, Event::Notice { fact });
    }

    pub(super) fn act(&mut self, act: Act) {
        self.acted.retain(|done| *done != act || matches!(act, Act::AskQuote));
        match act {
            Act::Pay(attempt) => return self.pay(attempt, false),
            Act::PayAnyway(attempt) => return self.pay(attempt, true),
            Act::Refuse(attempt) => return self.refuse(attempt),
            Act::ChooseSeats | Act::Confirm | Act::Retry | Act::End | Act::AskQuote | Act::Accept | Act::KeepChange => {
            }
        }
        if self.driver.is_none() || self.journal.disk_full {
            if !matches!(act, Act::Retry) {
                self.after_s(60, Event::Act(act));
            }
            return;
        }
        let Some(read) = self.driver.as_ref().map(|driver| driver.kept.clone()) else { return };
        let order = Arc::clone(&read.order);
        let fact = match act {
            Act::ChooseSeats => {
                let item = order
                    .items
                    .iter()
                    .find(|item| matches!(item.seats, SeatChoice::Pending) && item.state == ItemState::Planned);
                item.map(|item| Fact::SeatsChosen { item: item.wanted.id, seats: Vec::new() })
            }
            Act::Confirm => self.confirmation(&order),
            Act::Retry => {
                booking::pay_by(&order, self.ours()).zip(cart::unpaid_part(&order)).map(|(pay_by, (_, part))| {
                    self.ids += 1;
                    let attempt = AttemptId::from_ulid(id(self.ids));
                    let credit = part.channel == Channel::Credit;
                    let channel = if credit { Channel::Wechatpay } else { part.channel };
                    let authorise = if credit { self.plan.authorises } else { part.authorise };
                    Fact::PaymentRetried { attempt, channel, pay_by, authorise, instalments: None, screening: None }
                })
            }
            Act::End => Some(Fact::CancelRequested),
            Act::AskQuote => {
                self.ids += 1;
                let one = order.items.iter().find(|item| ItemState::CANCELLABLE.contains(&item.state));
                let items = match (self.plan.traveller, one) {
                    (Traveller::CancelsOne, Some(item)) => vec![item.wanted.id],
                    _ => Vec::new(),
                };
                let (quote, reason) = (QuoteId::from_ulid(id(self.ids)), CancelReason::PlansChanged);
                Some(Fact::CancelQuoteRequested { quote, items, reason })
            }
            Act::Accept => {
                self.ids += 1;
                let refund = RefundId::from_ulid(id(self.ids));
                order.cancellation.as_ref().map(|open| Fact::CancelAccepted { quote: open.quote, refund })
            }
            Act::KeepChange => {
                let proposed = order.items.iter().find(|item| item.state == ItemState::ChangeProposed);
                proposed.map(|item| Fact::ChangeAccepted { item: item.wanted.id })
            }
            Act::Pay(_) | Act::PayAnyway(_) | Act::Refuse(_) => None,
        };
        if let Some(fact) = fact.filter(|fact| order.apply(self.ours(), fact).is_ok()) {
            check::consented(self, &order, &fact);
            if !self.command(&read, fact) && !matches!(act, Act::Retry) {
                return self.after_s(20, Event::Act(act));
            }
        }
        self.look();
    }

    /// A command was decided on the order as it was read; when something was written meanwhile it is decided anew. It
    /// can come twice, under the same id.
    pub(super) fn command(&mut self, read: &Kept, fact: Fact) -> bool {
        if self.rng.u8(0..4) == 0 {
            // Something else is written between reading and writing: what the channel says of the payment, told again.
            if let Some(attempt) = read.order.attempts.last().map(|attempt| attempt.id) {
                let status = self.world.payment(attempt);
                self.go_on(&[Fact::PaymentReported { status, source: Source::Poll }]);
            } else {
                self.look();
            }
        }
        self.ids += 1;
        let (now, payload) = (self.ours(), format!("{fact:?}"));
        let signal = Signal { id: RequestId::from_ulid(id(self.ids)), command: "act".to_owned(), payload };
        let Ok(append) = Append::facts(read, now, vec![fact], Some(signal)) else { return false };
        let Some(driver) = self.driver.as_mut() else { return false };
        let Ok(Appended::Written(kept)) = self.journal.write(driver.fence, &append) else { return false };
        if driver.order().version != read.order.version {
            let what = "a command was written although the order it was decided on had changed";
            self.violations.push(Violation::new("SG-43", what));
            return false;
        }
        driver.kept = kept;
        if self.rng.u8(0..4) == 0 && self.journal.write(driver.fence, &append) != Ok(Appended::Repeated(read.order.id))
        {
            self.violations.push(Violation::new("SG-16", "a command that came twice was written twice"));
        }
        check::written(self, &read.order, now, &append.facts);
        true
    }

    pub(super) fn confirmation(&mut self, order: &Order) -> Option<Fact> {
        let now = self.ours();
        let pay_by = booking::pay_by(order, now).or(planted(Defect::StaleCart).then(|| now.plus_minutes(10)))?;
        let total = cart::total(order).ok()?;
        let parts = self.parts(total);
        Some(Fact::Confirmed { cart_hash: cart::hash(order)?, total, parts, pay_by })
    }

    /// A credit first, if there is one; the rest by one channel, or by two.
    fn parts(&self, total: Money) -> Vec<PaymentPart> {
        let credit = self.plan.credit.map(|(percent, _)| cny(total.minor() * percent / 100));
        let Some(credit) = credit.filter(|credit| credit.is_positive()) else { return self.channels(total) };
        let part = PaymentPart::new(credit_payment(), Channel::Credit, credit);
        let part = PaymentPart { authorise: true, credit: Some("crd_sim".to_owned()), ..part };
        let rest = total.minus(credit).unwrap_or(total);
        let rest = if rest.is_positive() { self.channels(rest) } else { Vec::new() };
        [vec![part], rest].concat()
    }

    fn channels(&self, total: Money) -> Vec<PaymentPart> {
        let part = |attempt, channel, amount, authorise| PaymentPart {
            authorise,
            ..PaymentPart::new(attempt, channel, amount)
        };
        let authorise = self.plan.authorises;
        let divided = self.plan.second.and_then(|(percent, aside)| {
            let second = cny(total.minor() * percent / 100);
            let first = total.minus(second).ok()?;
            (second.is_positive() && first.is_positive()).then_some((first, second, aside))
        });
        match divided {
            None => vec![part(first_payment(), Channel::Wechatpay, total, authorise)],
            Some((first, second, aside)) => vec![
                part(first_payment(), Channel::Wechatpay, first, authorise),
                part(second_payment(), Channel::Alipay, second, aside),
            ],
        }
    }

    pub(super) fn pay(&mut self, attempt: AttemptId, anyway: bool) {
        let Some(payment) = self.world.payments.get_mut(&attempt) else { return };
        let arrived = matches!(payment.state, PaymentState::Captured | PaymentState::Authorised);
        let can = payment.state == PaymentState::RequiresAction || anyway && !arrived && payment.taken.is_zero();
        if !can {
            return;
        }
        let closed = payment.state != PaymentState::RequiresAction;
        if payment.authorise {
            payment.state = PaymentState::Authorised;
        } else {
            payment.state = PaymentState::Captured;
            payment.taken = payment.amount;
        }
        let status = self.world.payment(attempt);
        self.notify(Fact::PaymentReported { status: status.clone(), source: Source::Notification });
        if closed {
            // Nobody asks about a payment that is over; the channel tells until it is heard.
            let ms = self.rng.i64(10..=20_000);
            self.after(
                ms * 1_000,
                Event::Notice { fact: Fact::PaymentReported { status: status.clone(), source: Source::Notification } },
            );
        }
        if self.rng.u8(0..4) == 0 {
            let old =
                zhiyou_domain::port::payments::PaymentStatus { state: PaymentState::Closed, captured: None, ..status };
            self.notify(Fact::PaymentReported { status: old, source: Source::Notification });
        }
    }

    pub(super) fn refuse(&mut self, attempt: AttemptId) {
        let Some(payment) = self.world.payments.get_mut(&attempt) else { return };
        if payment.state == PaymentState::RequiresAction {
            payment.state = PaymentState::Failed;
            let status = self.world.payment(attempt);
            self.notify(Fact::PaymentReported { status, source: Source::Notification });
        }
    }
}
