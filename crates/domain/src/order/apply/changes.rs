//! What changes an order without the traveller: a supplier's own changes, debts, ledger entries, and late money's second
//! chance.
//!
//! Deliberately not here: steps, payments and cancellations the traveller asked for.

use super::{Illegal, illegal};
use crate::{
    defect::{Defect, planted},
    id::{AttemptId, ItemId, RefundId},
    money::{Currency, Money},
    order::{
        Attempt, AttemptState, ChangeStanding, Entry, ItemState, Offer, Op, Order, OrderState, ProposedChange,
        RefundProgress, SeatChoice, SeatChosen, SecondChance, Source, StepKey, TimelineKind, cart,
        deadline::{self, Deadline, DeadlineKind},
        debt::{Debt, Matter, Settled, SettledBy},
        fact::ItemCancelQuote,
        ledger::Account,
    },
    policy::Confidence,
    port::ReasonCode,
    time::UtcMicros,
};

/// How long late money may try to get the same goods again, minutes.
const SECOND_CHANCE_MIN: i64 = 15;

/// Divides an amount among payments, each up to what it can bear, the last one bearing the rest.
fn shares(amount: Money, among: &[(AttemptId, Money)]) -> Vec<(AttemptId, Money)> {
    let mut rest = amount;
    let mut found = Vec::new();
    for (index, (attempt, most)) in among.iter().enumerate() {
        let last = index + 1 == among.len();
        // What has nothing left, or less, bears nothing; it must not make the others bear more.
        if !last && !most.is_positive() {
            continue;
        }
        let part = if last || rest.exceeds(*most) != Ok(true) { rest } else { *most };
        let Ok(left) = rest.minus(part) else { continue };
        rest = left;
        found.push((*attempt, part));
    }
    found
}

impl Order {
    /// Writes one movement; nothing is written for nothing.
    pub(super) fn move_money(&mut self, from: Account, to: Account, amount: Money, source: Source) {
        if amount.is_positive() {
            self.ledger.push(Entry { seq: self.version, from, to, amount, source });
        }
    }

    /// From here on the supplier has this much for an item.
    pub(super) fn supplier_gets(&mut self, item: ItemId, price: Money, source: Source) {
        let free = |attempt: &Attempt| {
            let received = attempt.received().unwrap_or(Money::zero(price.currency()));
            received.minus(self.with_suppliers(attempt.id, price.currency())).ok().map(|free| (attempt.id, free))
        };
        let mut from: Vec<(AttemptId, Money)> = cart::paying_attempts(self).into_iter().filter_map(free).collect();
        if from.is_empty() {
            // The money is gone by now, let go while the supplier was being asked: then it is ours that was passed on.
            from.extend(self.attempts.last().map(|last| (last.id, price)));
        }
        for (attempt, part) in shares(price, &from) {
            self.move_money(Account::Held { attempt }, Account::Supplier { item }, part, source);
        }
    }

    /// What suppliers have from one payment, as the movements say.
    fn with_suppliers(&self, attempt: AttemptId, currency: Currency) -> Money {
        let held = Account::Held { attempt };
        let sum = |entries: &mut dyn Iterator<Item = &Entry>| Money::sum(currency, entries.map(|entry| entry.amount));
        let is_supplier = |account: &Account| matches!(account, Account::Supplier { .. });
        let went = sum(&mut self.ledger.iter().filter(|entry| entry.from == held && is_supplier(&entry.to)));
        let came = sum(&mut self.ledger.iter().filter(|entry| entry.to == held && is_supplier(&entry.from)));
        went.and_then(|went| went.minus(came?)).unwrap_or(Money::zero(currency))
    }

    /// A supplier gave money back for an item. It goes where it came from last, in the reverse of the order in which suppliers
    /// get it ([`cart::rank`]); and to a payment that could not be taken in the end, if it came from there.
    pub(super) fn supplier_returns(&mut self, item: ItemId, refund: Money, source: Source) {
        if planted(Defect::LedgerForgets) {
            return;
        }
        let mut attempts: Vec<&Attempt> = self.attempts.iter().collect();
        attempts.sort_by_key(|attempt| cart::rank(attempt));
        let has = |attempt: &&Attempt| (attempt.id, self.with_suppliers(attempt.id, refund.currency()));
        let mut to: Vec<(AttemptId, Money)> = attempts.iter().rev().map(has).collect();
        to.retain(|(_, has)| has.is_positive());
        for (attempt, part) in shares(refund, &to) {
            self.move_money(Account::Supplier { item }, Account::Held { attempt }, part, source);
        }
    }

    /// Opens a debt, once per matter.
    pub(super) fn owe(&mut self, at: UtcMicros, matter: Matter, amount: Option<Money>) {
        let known = self.open_debts().any(|debt| debt.matter == matter && debt.amount == amount);
        if !known {
            self.debts.push(Debt { seq: self.version, since: at, matter, amount, settled: None });
        }
    }

    /// Settles every open debt about `matter`.
    pub(super) fn settle(&mut self, at: UtcMicros, by: SettledBy, matter: impl Fn(&Matter) -> bool) {
        for debt in self.debts.iter_mut().filter(|debt| debt.settled.is_none() && matter(&debt.matter)) {
            debt.settled = Some(Settled { at, by });
        }
    }

    pub(super) fn settle_by_person(&mut self, at: UtcMicros, seq: u64) -> Result<(), Illegal> {
        let Some(debt) = self.debts.iter_mut().find(|debt| debt.seq == seq) else {
            return illegal("no such debt");
        };
        if !debt.matter.settled_by_person() {
            return illegal("only the missing answer can settle this");
        }
        if debt.settled.is_none() {
            debt.settled = Some(Settled { at, by: SettledBy::Person });
            let (item, amount, matter) = (debt.matter.item(), debt.amount, debt.matter.clone());
            self.note(at, TimelineKind::DebtSettled, item, amount, None);
            match matter {
                Matter::ChangeByPhone { item } => return self.kept_by_phone(at, item),
                Matter::AmountMismatch => return self.mismatch_settled(at),
                Matter::RefundManual { refund } => self.given_otherwise(refund),
                Matter::OutcomeUnknown { .. }
                | Matter::ReleaseFailed { .. }
                | Matter::CancelFailed { .. }
                | Matter::SupplierRefundUnknown { .. }
                | Matter::CaptureFailed { .. }
                | Matter::VoidFailed { .. }
                | Matter::Disputed { .. } => {}
            }
        }
        Ok(())
    }

    /// A person found another way for what the channel would not give or could not keep: the traveller has it.
    fn given_otherwise(&mut self, id: RefundId) {
        let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == id) else { return };
        let (attempt, amount) = (refund.attempt, refund.amount);
        match refund.state {
            RefundProgress::CameBack => {
                self.move_money(Account::Held { attempt }, Account::InTransit { refund: id }, amount, Source::Local);
            }
            // From here on it is one that arrived: it is not sent again, whatever a bank decides about its payment.
            RefundProgress::Manual => refund.state = RefundProgress::Succeeded,
            RefundProgress::Requested
            | RefundProgress::Submitted
            | RefundProgress::Succeeded
            | RefundProgress::Failed => return,
        }
        self.move_money(Account::InTransit { refund: id }, Account::Traveller, amount, Source::Local);
    }

    /// A person gave the odd amount back at the channel: for us the payment did not succeed.
    fn mismatch_settled(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.mismatch) {
            attempt.state = AttemptState::Failed;
            attempt.mismatch = false;
        }
        self.go_on_paying(at)
    }

    pub(super) fn debt_due(&mut self, at: UtcMicros, key: &StepKey) -> Result<(), Illegal> {
        if !self.open_steps.iter().any(|step| step.key == *key && step.unknown) {
            return illegal("the outcome of that step is not unknown");
        }
        let amount = self.at_stake(key.op);
        self.owe(at, Matter::OutcomeUnknown { key: key.clone() }, amount);
        self.note(at, TimelineKind::DebtDue, key.op.item(), amount, None);
        Ok(())
    }

    /// How much money a step is about.
    fn at_stake(&self, op: Op) -> Option<Money> {
        match op {
            Op::Hold { item }
            | Op::Commit { item }
            | Op::Release { item }
            | Op::Cancel { item }
            | Op::AcceptChange { item } => self.item(item).and_then(super::OrderItem::price),
            Op::OpenPayment { attempt }
            | Op::ClosePayment { attempt }
            | Op::Capture { attempt }
            | Op::Void { attempt } => self.attempt(attempt).map(|attempt| attempt.amount),
            Op::Refund { refund } => self.refunds.iter().find(|known| known.id == refund).map(|refund| refund.amount),
        }
    }

    /// Announced once: a moment that was reached is remembered, so that it is not reached again.
    pub(super) fn deadline_reached(&mut self, at: UtcMicros, deadline: Deadline) -> Result<(), Illegal> {
        let known = deadline::deadlines(self).contains(&deadline);
        if !known || !deadline.kind.is_announced() || deadline.at > at || self.reached.contains(&deadline) {
            return illegal("no such moment has come");
        }
        if !planted(Defect::DeadlineRepeats) {
            self.reached.insert(deadline);
        }
        let kind = match deadline.kind {
            DeadlineKind::QuoteLapses => {
                self.quotes_lapsed(at);
                return Ok(());
            }
            DeadlineKind::FreeCancelSoon => TimelineKind::FreeCancelSoon,
            DeadlineKind::FreeCancelEnds => TimelineKind::FreeCancelEnded,
            DeadlineKind::CheckIn => TimelineKind::CheckInOpen,
            DeadlineKind::Begins | DeadlineKind::HoldLapses | DeadlineKind::PayBy => TimelineKind::Begins,
        };
        self.note(at, kind, deadline.item, None, None);
        Ok(())
    }

    pub(super) fn supplier_cancelled(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        refund: Option<Money>,
        source: Source,
    ) -> Result<(), Illegal> {
        if planted(Defect::SupplierCancelIgnored) {
            return Ok(());
        }
        let place = self.item_mut(item)?;
        if matches!(place.state, ItemState::Cancelled | ItemState::Cancelling) {
            // Our own cancellation, told back to us.
            return Ok(());
        }
        if !ItemState::BOOKED.contains(&place.state) {
            return illegal("a supplier cancels what is booked");
        }
        let Some(price) = place.price() else { return illegal("a booked item without a price") };
        let back = refund.unwrap_or(Money::zero(price.currency()));
        if back.exceeds(price) != Ok(false) || back.minor() < 0 {
            return illegal("a refund above the price or below zero");
        }
        let reference = place.reference.clone();
        place.state = ItemState::Cancelled;
        place.proposed = None;
        place.next_change = None;
        place.cancel_quote = Some(ItemCancelQuote {
            cancellation_id: None,
            refund: back,
            expires_at: at,
            confidence: if refund.is_some() { Confidence::Quoted } else { Confidence::Assumed },
        });
        self.supplier_returns(item, back, source);
        self.no_call_needed(at, item);
        self.quote_overtaken(at, item);
        if refund.is_none() {
            self.owe(at, Matter::SupplierRefundUnknown { item }, Some(price));
        }
        self.note(at, TimelineKind::SupplierCancelled, Some(item), refund, reference);
        let live = self.items.iter().any(|item| ItemState::BOOKED.contains(&item.state));
        match self.state {
            OrderState::Confirmed if live => self.go(OrderState::PartiallyConfirmed),
            OrderState::Confirmed | OrderState::PartiallyConfirmed if !live => self.go(OrderState::RefundRequested),
            _ => Ok(()),
        }
    }

    pub(super) fn change_proposed(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        offer: &Offer,
        change_id: Option<&str>,
    ) -> Result<(), Illegal> {
        if planted(Defect::ChangesIgnored) {
            return Ok(());
        }
        let telling = self.is_open(Op::AcceptChange { item });
        let place = self.item_mut(item)?;
        if !ItemState::BOOKED.contains(&place.state) {
            return illegal("a supplier changes what is booked");
        }
        let told = |known: &&mut ProposedChange| known.offer == *offer && known.change_id.as_deref() == change_id;
        if let Some(known) = place.proposed.as_mut().filter(told) {
            // Still offered although our answer was refused: the traveller may answer again.
            if known.standing == ChangeStanding::Stale {
                known.standing = ChangeStanding::Open;
            }
            return Ok(());
        }
        if place.offer.as_ref() == Some(offer) || place.next_change.as_deref_mut().filter(told).is_some() {
            return Ok(());
        }
        self.no_call_needed(at, item);
        let place = self.item_mut(item)?;
        let change_id = change_id.map(str::to_owned);
        let change = ProposedChange { offer: offer.clone(), change_id, standing: ChangeStanding::Open };
        if telling {
            place.next_change = Some(Box::new(change));
        } else {
            place.proposed = Some(change);
        }
        if ItemState::CANCELLABLE.contains(&place.state) {
            place.state = ItemState::ChangeProposed;
        }
        let reference = place.reference.clone();
        self.note(at, TimelineKind::ChangeProposed, Some(item), None, reference);
        Ok(())
    }

    /// The traveller keeps it. A supplier that wants to know is told, and only then it is so.
    pub(super) fn change_accepted(&mut self, at: UtcMicros, item: ItemId) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        let open = place.proposed.as_mut().filter(|change| change.standing == ChangeStanding::Open);
        let (ItemState::ChangeProposed, Some(change)) = (place.state, open) else {
            return illegal("no change is proposed");
        };
        change.standing = ChangeStanding::Kept;
        let waits = change.change_id.is_some() && !planted(Defect::ChangeKeptUntold);
        if waits { Ok(()) } else { self.change_kept(at, item) }
    }

    /// What the supplier says of a change it waited for an answer to.
    pub(super) fn change_settled(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        change_id: &str,
        kept: bool,
    ) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        let ours = |change: &ProposedChange| change.change_id.as_deref() == Some(change_id);
        if !ItemState::BOOKED.contains(&place.state) || !place.proposed.as_ref().is_some_and(ours) {
            // Told again, or about a change that another one has replaced.
            return Ok(());
        }
        self.no_call_needed(at, item);
        if kept {
            return self.change_kept(at, item);
        }
        self.item_mut(item)?.next_proposal();
        self.note(at, TimelineKind::ChangeWithdrawn, Some(item), None, None);
        Ok(())
    }

    fn change_kept(&mut self, at: UtcMicros, item: ItemId) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        let Some(change) = place.proposed.take() else { return illegal("no change is proposed") };
        place.offer = Some(change.offer);
        place.changes_kept += 1;
        place.change_answers += u32::from(change.change_id.is_some());
        place.next_proposal();
        self.note(at, TimelineKind::ChangeAccepted, Some(item), None, None);
        Ok(())
    }

    /// The supplier does not take our answer to its change: somebody calls, or what it offers now is asked.
    pub(super) fn change_refused(&mut self, at: UtcMicros, item: ItemId, why: ReasonCode) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        place.change_answers += 1;
        if place.next_change.is_some() {
            place.next_proposal();
        } else if let Some(change) = place.proposed.as_mut() {
            let by_phone = why == ReasonCode::NotAllowed;
            change.standing = if by_phone { ChangeStanding::ByPhone } else { ChangeStanding::Stale };
            if by_phone {
                self.owe(at, Matter::ChangeByPhone { item }, None);
            }
        }
        Ok(())
    }

    /// A person called; a booking that is gone by now stays gone.
    fn kept_by_phone(&mut self, at: UtcMicros, item: ItemId) -> Result<(), Illegal> {
        let place = self.item_mut(item)?;
        let called = |change: &ProposedChange| change.standing == ChangeStanding::ByPhone;
        if ItemState::BOOKED.contains(&place.state) && place.proposed.as_ref().is_some_and(called) {
            return self.change_kept(at, item);
        }
        Ok(())
    }

    /// Nobody has to call about an item's change any more.
    pub(super) fn no_call_needed(&mut self, at: UtcMicros, item: ItemId) {
        self.settle(at, SettledBy::Answer, |matter| *matter == Matter::ChangeByPhone { item });
    }

    /// Late money on an order that expired by itself: everything that was confirmed is wanted again.
    pub(super) fn begin_second_chance(&mut self, at: UtcMicros) {
        let wanted = self.confirmed.as_ref().map(|confirmed| confirmed.commit_order.clone()).unwrap_or_default();
        let stuck = self.open_debts().any(|debt| matches!(debt.matter, Matter::ReleaseFailed { .. }));
        if stuck {
            // The first hold may still stand at its supplier: holding again would be holding twice.
            self.second_chance = Some(SecondChance::Refused);
            return;
        }
        for item in self.items.iter_mut().filter(|item| wanted.contains(&item.wanted.id)) {
            // What is still kept is let go of first; then the item is planned again.
            if !item.is_kept_for_us() && matches!(item.state, ItemState::Cancelled | ItemState::Expired) {
                item.want_again();
            }
        }
        self.second_chance = Some(SecondChance::Trying { until: at.plus_minutes(SECOND_CHANCE_MIN) });
        self.note(at, TimelineKind::SecondChance, None, None, None);
    }

    pub(super) fn offer_found_again(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        offer: &Offer,
        seats: &[SeatChosen],
    ) -> Result<(), Illegal> {
        if !matches!(self.second_chance, Some(SecondChance::Trying { .. })) {
            return illegal("nothing is looked for again");
        }
        let place = self.item_mut(item)?;
        if place.state != ItemState::Planned || place.offer.is_some() {
            return illegal("a second offer for one item");
        }
        place.instant = matches!(offer, Offer::Flight(flight) if !flight.holdable);
        if matches!(offer, Offer::Flight(_)) {
            place.seats = SeatChoice::Made { seats: seats.to_vec() };
        }
        place.offer = Some(offer.clone());
        self.note(at, TimelineKind::OfferFound, Some(item), Some(offer.total()), None);
        Ok(())
    }

    pub(super) fn second_chance_accepted(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        let trying = matches!(self.second_chance, Some(SecondChance::Trying { .. }));
        let again = self.confirmed.as_ref().map(|confirmed| confirmed.commit_order.clone()).unwrap_or_default();
        let held = |id: &ItemId| self.item(*id).is_some_and(|item| item.state == ItemState::Held);
        let total = cart::total(self).map_err(|error| Illegal(error.to_string()))?;
        let no_dearer = self.confirmed.as_ref().is_some_and(|confirmed| total.exceeds(confirmed.total) == Ok(false));
        let no_dearer = no_dearer || planted(Defect::DearerSecondChance);
        if !trying || !again.iter().all(held) || !no_dearer {
            return illegal("the same goods are not held again at no higher price");
        }
        if !cart::is_paid(self) && !planted(Defect::ChanceUnpaid) {
            return illegal("what late money was there for is paid no more");
        }
        self.second_chance = Some(SecondChance::Accepted);
        self.ending = None;
        self.go(OrderState::PaymentProcessing)?;
        self.note(at, TimelineKind::SecondChanceAccepted, None, Some(total), None);
        Ok(())
    }

    pub(super) fn second_chance_refused(&mut self) -> Result<(), Illegal> {
        if !matches!(self.second_chance, Some(SecondChance::Trying { .. })) {
            return illegal("nothing is looked for again");
        }
        if !self.open_steps.is_empty() {
            return illegal("a hold that is being made again is waited for");
        }
        self.second_chance = Some(SecondChance::Refused);
        for item in self.items.iter_mut().filter(|item| !item.is_kept_for_us()) {
            if matches!(item.state, ItemState::Planned | ItemState::Held) {
                item.state = ItemState::Cancelled;
            }
        }
        Ok(())
    }
}

impl crate::order::OrderItem {
    /// The state of a booked item of which nothing else is wanted.
    pub(super) const fn booked_state(&self) -> ItemState {
        match (&self.proposed, self.changes_kept) {
            (Some(_), _) => ItemState::ChangeProposed,
            (None, 0) => ItemState::Booked,
            (None, _) => ItemState::Changed,
        }
    }

    /// The change that came meanwhile takes the place of the one that is settled.
    fn next_proposal(&mut self) {
        self.proposed = self.next_change.take().map(|change| *change);
        if ItemState::CANCELLABLE.contains(&self.state) {
            self.state = self.booked_state();
        }
    }

    /// Whether the supplier still has to be told that its change is kept.
    pub(crate) fn wants_change_kept(&self) -> bool {
        let kept = |change: &ProposedChange| change.standing == ChangeStanding::Kept && change.change_id.is_some();
        self.state == ItemState::ChangeProposed && self.proposed.as_ref().is_some_and(kept)
    }

    /// Whether something about a change is still to be told to the supplier, or asked.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        let moving = |change: &ProposedChange| matches!(change.standing, ChangeStanding::Kept | ChangeStanding::Stale);
        self.state == ItemState::ChangeProposed && self.proposed.as_ref().is_some_and(moving)
    }

    /// Back to planned, with nothing left of the first try.
    pub(super) fn want_again(&mut self) {
        self.state = ItemState::Planned;
        self.earlier_offer = self.offer.take().or_else(|| self.earlier_offer.take());
        self.hold = None;
        self.supplier_order = None;
        self.reference = None;
        self.instant = false;
        self.failure = None;
        self.not_sent = 0;
        self.holds_ended += 1;
    }
}
