//! How payments and refunds change an order.
//!
//! Paid beats everything the channel said before; a report that says less than what is known changes nothing.

use super::{Illegal, illegal};
use crate::{
    defect::{Defect, planted},
    id::{AttemptId, RefundId},
    money::Money,
    order::{
        Attempt, AttemptState, Ending, Op, Order, OrderState, PaymentPart, Refund, RefundProgress, Source,
        TimelineKind, cart,
        debt::{Debt, Matter, Settled, SettledBy},
        ledger::Account,
    },
    port::{
        ReasonCode,
        payments::{
            Channel, DisputeState, DisputeStatus, PaymentAction, PaymentIntent, PaymentState, PaymentStatus,
            RefundState, RefundStatus,
        },
    },
    screening::Screening,
    time::UtcMicros,
};

impl Order {
    /// Opens the part that is to be paid next, as it was confirmed.
    pub(super) fn open_part(&mut self, at: UtcMicros, pay_by: UtcMicros) -> Result<(), Illegal> {
        let Some((part, wanted)) = cart::unpaid_part(self).map(|(part, wanted)| (part, wanted.clone())) else {
            return illegal("nothing is to be paid");
        };
        self.open_attempt(at, part, wanted, pay_by)
    }

    fn open_attempt(
        &mut self,
        at: UtcMicros,
        part: usize,
        wanted: PaymentPart,
        pay_by: UtcMicros,
    ) -> Result<(), Illegal> {
        if pay_by <= at || self.attempt(wanted.attempt).is_some() {
            return illegal("a payment needs time and an id of its own");
        }
        self.attempts.push(Attempt {
            id: wanted.attempt,
            part,
            channel: wanted.channel,
            amount: wanted.amount,
            state: AttemptState::Created,
            pay_by,
            authorise: wanted.authorise,
            instalments: wanted.instalments,
            credit: wanted.credit,
            screening: wanted.screening,
            arrived: None,
            taken: None,
            refused: false,
            unsent_since: None,
            action: None,
            transaction_id: None,
            mismatch: false,
        });
        Ok(())
    }

    pub(super) fn retry_payment(
        &mut self,
        at: UtcMicros,
        (attempt, channel): (AttemptId, Channel),
        (authorise, instalments): (bool, Option<u8>),
        screening: Option<&Screening>,
        pay_by: UtcMicros,
    ) -> Result<(), Illegal> {
        if channel == Channel::Credit {
            return illegal("a credit is agreed to with the cart");
        }
        let none_open = planted(Defect::RetryWhileOpen) || cart::payable(self).is_none();
        if self.state != OrderState::PaymentPending || self.ending.is_some() || !none_open {
            return illegal("a new payment is opened only while the order waits for one and none is open");
        }
        let Some((part, wanted)) = cart::unpaid_part(self) else {
            return illegal("nothing is to be paid");
        };
        let screening = screening.cloned();
        let wanted = PaymentPart::new(attempt, channel, wanted.amount);
        let wanted = PaymentPart { authorise, instalments, screening, ..wanted };
        self.open_attempt(at, part, wanted, pay_by)
    }

    fn attempt_mut(&mut self, id: AttemptId) -> Result<&mut Attempt, Illegal> {
        self.attempts.iter_mut().find(|attempt| attempt.id == id).ok_or_else(|| Illegal(format!("no attempt {id}")))
    }

    pub(super) fn attempt_opened(
        &mut self,
        at: UtcMicros,
        id: AttemptId,
        intent: &PaymentIntent,
    ) -> Result<(), Illegal> {
        let attempt = self.attempt_mut(id)?;
        attempt.action = Some(intent.action.clone());
        // A notification can be faster than the answer that opened the payment.
        if attempt.state == AttemptState::Created {
            attempt.state = AttemptState::RequiresAction;
            let amount = attempt.amount;
            self.note(at, TimelineKind::PaymentOpened, None, Some(amount), None);
        }
        Ok(())
    }

    pub(super) fn payment_shown(&mut self, id: AttemptId, action: &PaymentAction) -> Result<(), Illegal> {
        let ended = self.ending.is_some();
        let attempt = self.attempt_mut(id)?;
        if ended || attempt.state != AttemptState::RequiresAction {
            return illegal("only a payment that waits for its payer is shown again");
        }
        attempt.action = Some(action.clone());
        Ok(())
    }

    /// "Paid already" refuses nothing: what is known to be there stays, and otherwise the channel is asked.
    pub(super) fn opening_refused(&mut self, at: UtcMicros, id: AttemptId, why: ReasonCode) -> Result<(), Illegal> {
        if why != ReasonCode::AlreadyPaid || planted(Defect::PaidIsRefused) {
            return self.attempt_refused(at, id);
        }
        let attempt = self.attempt_mut(id)?;
        if attempt.state == AttemptState::Created {
            attempt.state = AttemptState::RequiresAction;
        }
        Ok(())
    }

    fn attempt_refused(&mut self, at: UtcMicros, id: AttemptId) -> Result<(), Illegal> {
        let attempt = self.attempt_mut(id)?;
        if attempt.state == AttemptState::Authorised {
            return self.attempt_closed(at, id);
        }
        if AttemptState::OPEN.contains(&attempt.state) {
            attempt.state = AttemptState::Failed;
            attempt.action = None;
            self.note(at, TimelineKind::PaymentFailed, None, None, None);
        }
        self.go_on_paying(at)
    }

    pub(super) fn payment_reported(
        &mut self,
        at: UtcMicros,
        status: &PaymentStatus,
        source: Source,
    ) -> Result<(), Illegal> {
        match status.state {
            PaymentState::Captured | PaymentState::Authorised => self.money_arrived(at, status, source),
            // Told by a notification, the end of a payment may be old news: money can have arrived since. Only our own
            // question ends it.
            PaymentState::Failed | PaymentState::Closed
                if source == Source::Notification && !planted(Defect::PaidRegresses) =>
            {
                self.attempt_mut(status.attempt_id).map(|_| ())
            }
            PaymentState::Failed => self.attempt_refused(at, status.attempt_id),
            PaymentState::Closed => self.attempt_closed(at, status.attempt_id),
            PaymentState::Processing => {
                let attempt = self.attempt_mut(status.attempt_id)?;
                if matches!(attempt.state, AttemptState::Created | AttemptState::RequiresAction) {
                    attempt.state = AttemptState::Processing;
                }
                Ok(())
            }
            // Nothing new: the payer has not acted.
            PaymentState::RequiresAction => self.attempt_mut(status.attempt_id).map(|_| ()),
            PaymentState::NotFound => self.attempt_not_found(at, status.attempt_id),
        }
    }

    /// The channel never heard of it. While the order still wants it, opening it again is safe; when the order is ending
    /// there is nothing to close.
    fn attempt_not_found(&mut self, at: UtcMicros, id: AttemptId) -> Result<(), Illegal> {
        if self.ending.is_some() { self.attempt_closed(at, id) } else { self.attempt_mut(id).map(|_| ()) }
    }

    /// Money was taken, or set aside for us: either way it pays for the order.
    fn money_arrived(&mut self, at: UtcMicros, status: &PaymentStatus, source: Source) -> Result<(), Illegal> {
        let set_aside = status.state == PaymentState::Authorised;
        let part = self.attempt_mut(status.attempt_id)?.part;
        let already_paid = cart::paying_attempt(self, part).is_some();
        let seq = self.version;
        let attempt = self.attempt_mut(status.attempt_id)?;
        if set_aside && !attempt.authorise {
            return illegal("money was set aside that was to be taken at once");
        }
        match attempt.state {
            AttemptState::Captured if !planted(Defect::ReportsCountTwice) => return Ok(()),
            AttemptState::Authorised if set_aside => return Ok(()),
            AttemptState::Authorised => return self.money_taken(at, status, source),
            _ => {}
        }
        if planted(Defect::ClosedBeatsPaid) && !AttemptState::OPEN.contains(&attempt.state) {
            return Ok(());
        }
        let amount = attempt.amount;
        if !planted(Defect::AnyAmount) && status.captured.is_some_and(|captured| captured != amount) {
            attempt.mismatch = true;
            self.owe(at, Matter::AmountMismatch, status.captured);
            return Ok(());
        }
        attempt.state = if set_aside { AttemptState::Authorised } else { AttemptState::Captured };
        attempt.arrived = Some(seq);
        attempt.action = None;
        attempt.transaction_id.clone_from(&status.transaction_id);
        self.move_money(Account::Traveller, Account::Held { attempt: status.attempt_id }, amount, source);
        let late = already_paid || self.state != OrderState::PaymentPending || self.ending == Some(Ending::Traveller);
        let kind = match (late, set_aside) {
            (true, _) => TimelineKind::PaidLate,
            (false, true) => TimelineKind::Authorised,
            (false, false) => TimelineKind::Paid,
        };
        self.note(at, kind, None, Some(amount), status.transaction_id.clone());
        if self.state == OrderState::PaymentPending && !cart::is_paid(self) {
            return self.go_on_paying(at);
        }
        if self.state == OrderState::PaymentPending {
            self.go(OrderState::PaymentProcessing)?;
            let holds_live = cart::lapses_at(self).is_some_and(|lapse| lapse > at);
            match self.ending {
                // Ended by the traveller and paid all the same: nothing is booked, everything goes back.
                Some(Ending::Traveller) if planted(Defect::BookAfterCancel) => self.ending = None,
                Some(Ending::Traveller) => self.go(OrderState::Cancelled)?,
                Some(Ending::Expired | Ending::ItemFailed) if !holds_live => {
                    self.go(OrderState::Cancelled)?;
                    self.begin_second_chance(at);
                }
                Some(Ending::Expired | Ending::ItemFailed) | None => self.ending = None,
            }
        } else if self.state == OrderState::Cancelled
            && self.ending == Some(Ending::Expired)
            && !already_paid
            && self.is_paid_in_full()
        {
            self.begin_second_chance(at);
        }
        Ok(())
    }

    /// Whether every part is there and none of it is being let go.
    fn is_paid_in_full(&self) -> bool {
        let going = |attempt: &Attempt| self.is_open(Op::Void { attempt: attempt.id });
        cart::is_paid(self) && self.refunds.is_empty() && !self.attempts.iter().any(going)
    }

    /// Once nothing is open to be paid: an order that is ending is over, and one that is not begins with its next part,
    /// unless too little time is left for that.
    pub(super) fn go_on_paying(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        let new = cart::unpaid_part(self).filter(|(_, part)| self.attempt(part.attempt).is_none()).is_some();
        if new && self.state == OrderState::PaymentPending && self.ending.is_none() && cart::payable(self).is_none() {
            match crate::booking::pay_by(self, at) {
                Some(pay_by) => return self.open_part(at, pay_by),
                None => self.ending = Some(Ending::Expired),
            }
        }
        self.end_if_no_money_open(at)
    }

    /// What was set aside was taken, all of it or less; the rest is the traveller's again.
    fn money_taken(&mut self, at: UtcMicros, status: &PaymentStatus, source: Source) -> Result<(), Illegal> {
        let attempt = self.attempt_mut(status.attempt_id)?;
        let taken = status.captured.unwrap_or(attempt.amount);
        if taken.exceeds(attempt.amount) != Ok(false) || !taken.is_positive() {
            attempt.mismatch = true;
            self.owe(at, Matter::AmountMismatch, status.captured);
            return Ok(());
        }
        attempt.state = AttemptState::Captured;
        attempt.taken = Some(taken);
        attempt.refused = false;
        if status.transaction_id.is_some() {
            attempt.transaction_id.clone_from(&status.transaction_id);
        }
        let rest = attempt.amount.minus(taken).map_err(|error| Illegal(error.to_string()))?;
        self.settle_unsent(at, status.attempt_id);
        self.settle(at, SettledBy::Answer, |matter| *matter == Matter::CaptureFailed { attempt: status.attempt_id });
        self.move_money(Account::Held { attempt: status.attempt_id }, Account::Traveller, rest, source);
        self.note(at, TimelineKind::MoneyTaken, None, Some(taken), status.transaction_id.clone());
        Ok(())
    }

    /// What was set aside is the traveller's again, and nothing of it was taken.
    fn money_released(&mut self, at: UtcMicros, id: AttemptId, state: AttemptState) -> Result<(), Illegal> {
        let attempt = self.attempt_mut(id)?;
        attempt.state = state;
        let amount = attempt.amount;
        self.settle_unsent(at, id);
        self.move_money(Account::Held { attempt: id }, Account::Traveller, amount, Source::Poll);
        self.note(at, TimelineKind::MoneyReleased, None, Some(amount), None);
        Ok(())
    }

    /// What did not reach its channel is tried again; a person is told once its row's time is over.
    pub(super) fn money_not_sent(&mut self, at: UtcMicros, op: Op) -> Result<(), Illegal> {
        let (id, matter, amount) = match op {
            Op::Capture { attempt } => {
                (attempt, Matter::CaptureFailed { attempt }, crate::booking::to_capture(self, attempt))
            }
            Op::Void { attempt } => {
                (attempt, Matter::VoidFailed { attempt }, self.attempt(attempt).and_then(Attempt::received))
            }
            _ => return Ok(()),
        };
        let since = *self.attempt_mut(id)?.unsent_since.get_or_insert(at);
        let due = since.plus_minutes(crate::booking::steps::of(op).recipe.debt_after_min);
        if due <= at && self.is_set_aside(id) && !self.debts.iter().any(|debt| debt.matter == matter) {
            self.owe(at, matter, amount);
        }
        Ok(())
    }

    /// What could not be let go for so long is gone, or was taken.
    fn settle_unsent(&mut self, at: UtcMicros, id: AttemptId) {
        self.settle(at, SettledBy::Answer, |matter| *matter == Matter::VoidFailed { attempt: id });
    }

    /// What was set aside can not be taken: nothing more is booked, what is booked is undone, and what that costs is ours to
    /// collect. Unless the channel says that it is gone it may still be there: it is let go before that is told.
    pub(super) fn capture_refused(&mut self, at: UtcMicros, id: AttemptId, why: ReasonCode) -> Result<(), Illegal> {
        if why == ReasonCode::AlreadyPaid || !self.is_set_aside(id) {
            // Taken before: the payment is asked about. Or its end was told while the channel was being asked.
            return Ok(());
        }
        let (matter, wanted) = (Matter::CaptureFailed { attempt: id }, crate::booking::to_capture(self, id));
        match why {
            ReasonCode::AlreadyClosed | ReasonCode::OfferExpired => {
                self.money_released(at, id, AttemptState::Failed)?;
            }
            _ => self.attempt_mut(id)?.refused = true,
        }
        if !self.open_debts().any(|debt| debt.matter == matter) {
            self.owe(at, matter, wanted);
        }
        if self.state == OrderState::PaymentProcessing {
            return self.fail(at);
        }
        Ok(())
    }

    fn is_set_aside(&self, id: AttemptId) -> bool {
        self.attempt(id).is_some_and(|attempt| attempt.state == AttemptState::Authorised)
    }

    pub(super) fn void_refused(&mut self, at: UtcMicros, id: AttemptId, why: ReasonCode) -> Result<(), Illegal> {
        if !self.is_set_aside(id) {
            // Its end was told while the channel was being asked.
            return Ok(());
        }
        match why {
            // Taken before: the payment is asked about, and given back.
            ReasonCode::AlreadyPaid => Ok(()),
            ReasonCode::AlreadyClosed => self.money_released(at, id, AttemptState::Voided),
            _ => {
                let amount = self.attempt(id).map(|attempt| attempt.amount);
                self.money_released(at, id, AttemptState::Voided)?;
                self.owe(at, Matter::VoidFailed { attempt: id }, amount);
                Ok(())
            }
        }
    }

    fn attempt_closed(&mut self, at: UtcMicros, id: AttemptId) -> Result<(), Illegal> {
        let by_traveller = self.ending == Some(Ending::Traveller);
        let attempt = self.attempt_mut(id)?;
        if attempt.state == AttemptState::Authorised {
            // Lapsed before it was taken, or let go because we wanted it.
            let part = attempt.part;
            let pays = cart::paying_attempt(self, part).is_some_and(|paying| paying.id == id);
            // What suppliers keep of an order that is being undone was to be taken, too.
            let wanted = self.state == OrderState::PaymentProcessing || crate::booking::to_capture(self, id).is_some();
            return if pays && wanted {
                self.capture_refused(at, id, ReasonCode::OfferExpired)
            } else {
                self.money_released(at, id, AttemptState::Voided)?;
                // One part is gone while another one is waited for: the order cannot be paid any more.
                if pays && self.state == OrderState::PaymentPending {
                    self.ending.get_or_insert(Ending::Expired);
                }
                self.go_on_paying(at)
            };
        }
        if AttemptState::OPEN.contains(&attempt.state) || planted(Defect::PaidRegresses) {
            attempt.state = if by_traveller { AttemptState::Voided } else { AttemptState::Expired };
            attempt.action = None;
            self.note(at, TimelineKind::PaymentClosed, None, None, None);
        }
        self.go_on_paying(at)
    }

    /// An order that is ending is over once no payment can arrive any more.
    pub(super) fn end_if_no_money_open(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        let open = cart::payable(self).is_some() && !planted(Defect::EndWithoutClosing);
        if self.state == OrderState::PaymentPending && self.ending.is_some() && !open {
            self.go(OrderState::Cancelled)?;
            if self.ending == Some(Ending::Expired) {
                self.note(at, TimelineKind::Expired, None, None, None);
            }
        }
        Ok(())
    }

    pub(super) fn refund_decided(
        &mut self,
        at: UtcMicros,
        id: RefundId,
        attempt: AttemptId,
        amount: Money,
    ) -> Result<(), Illegal> {
        let taken = self.attempt(attempt).filter(|attempt| attempt.state == AttemptState::Captured);
        let Some(paid) = taken.and_then(Attempt::received) else {
            return illegal("money goes back only where it came from");
        };
        let earlier =
            self.refunds.iter().filter(|refund| refund.attempt == attempt && refund.state != RefundProgress::Failed);
        let sum = Money::sum(amount.currency(), earlier.map(|refund| refund.amount)).and_then(|sum| sum.plus(amount));
        let fits = amount.is_positive() && sum.is_ok_and(|sum| sum.exceeds(paid) == Ok(false));
        if !fits || self.refunds.iter().any(|refund| refund.id == id) {
            return illegal("more would go back than came");
        }
        self.refunds.push(Refund { id, attempt, amount, state: RefundProgress::Requested });
        self.move_money(Account::Held { attempt }, Account::InTransit { refund: id }, amount, Source::Local);
        self.note(at, TimelineKind::RefundRequested, None, Some(amount), None);
        if matches!(self.state, OrderState::Cancelled | OrderState::Failed) {
            self.go(OrderState::RefundRequested)?;
        }
        Ok(())
    }

    /// The merchant side gave money back by itself: it is on its way, whatever became of the goods. What we wanted to give back
    /// beside it and no longer fits is not made.
    pub(super) fn given_back(
        &mut self,
        at: UtcMicros,
        id: RefundId,
        attempt: AttemptId,
        amount: Money,
    ) -> Result<(), Illegal> {
        if self.refunds.iter().any(|refund| refund.id == id) {
            return Ok(());
        }
        let taken = self.attempt(attempt).filter(|attempt| attempt.state == AttemptState::Captured);
        let Some(paid) = taken.and_then(Attempt::received) else {
            return illegal("money goes back only where it came from");
        };
        if !amount.is_positive() || amount.exceeds(paid) != Ok(false) {
            return illegal("more would go back than came");
        }
        self.refunds.push(Refund { id, attempt, amount, state: RefundProgress::Submitted });
        self.move_money(Account::Held { attempt }, Account::InTransit { refund: id }, amount, Source::Poll);
        self.note(at, TimelineKind::GivenBack, None, Some(amount), None);
        self.withdraw_refunds(at, attempt)
    }

    /// A dispute is recorded and changes nothing else: what is booked stays booked, and its money is never given back a
    /// second time.
    pub(super) fn dispute_reported(
        &mut self,
        at: UtcMicros,
        status: &DisputeStatus,
        source: Source,
    ) -> Result<(), Illegal> {
        let Some(received) = self.attempt(status.attempt_id).and_then(Attempt::received) else {
            return illegal("only a payment that arrived can be disputed");
        };
        if status.amount.exceeds(received) != Ok(false) || !status.amount.is_positive() {
            return illegal("a dispute about more than was paid");
        }
        let (attempt, amount) = (status.attempt_id, status.amount);
        let known = self.disputes.iter_mut().find(|known| known.dispute_id == status.dispute_id);
        let before = match known {
            Some(known) if !replaces(status, known) => return Ok(()),
            Some(known) => Some(std::mem::replace(known, status.clone())),
            None => {
                self.disputes.push(status.clone());
                None
            }
        };
        let was_open = before.as_ref().is_some_and(|before| before.state == DisputeState::Open);
        if let Some(before) = before {
            if (before.state, before.amount) == (status.state, amount) {
                return Ok(());
            }
            if before.state == DisputeState::Lost {
                self.move_money(Account::Traveller, Account::Held { attempt }, before.amount, source);
            }
        }
        match status.state {
            DisputeState::Open if was_open => {
                self.settle_disputes(at, attempt);
                self.owe(at, Matter::Disputed { attempt }, Some(amount));
            }
            DisputeState::Open => {
                self.owe(at, Matter::Disputed { attempt }, Some(amount));
                self.note(at, TimelineKind::Disputed, None, Some(amount), None);
            }
            DisputeState::Won | DisputeState::Lost => {
                self.settle_disputes(at, attempt);
                self.note(at, TimelineKind::DisputeDecided, None, Some(amount), None);
            }
        }
        match status.state {
            DisputeState::Open => Ok(()),
            // What could not be given back meanwhile is tried again.
            DisputeState::Won => {
                let waits = |refund: &Refund| refund.attempt == attempt && refund.state == RefundProgress::Manual;
                let ids: Vec<RefundId> = self.refunds.iter().filter(|r| waits(r)).map(|refund| refund.id).collect();
                ids.into_iter().try_for_each(|id| self.refund_moves(at, id, RefundProgress::Requested, source))
            }
            DisputeState::Lost => {
                self.move_money(Account::Held { attempt }, Account::Traveller, amount, source);
                self.withdraw_refunds(at, attempt)
            }
        }
    }

    /// Settles the debts about disputes of a payment that are of no open one.
    fn settle_disputes(&mut self, at: UtcMicros, attempt: AttemptId) {
        let open =
            self.disputes.iter().filter(|known| known.attempt_id == attempt && known.state == DisputeState::Open);
        let open: Vec<Option<Money>> = open.map(|known| Some(known.amount)).collect();
        let about = |debt: &&mut Debt| debt.settled.is_none() && debt.matter == Matter::Disputed { attempt };
        for debt in self.debts.iter_mut().filter(about).filter(|debt| !open.contains(&debt.amount)) {
            debt.settled = Some(Settled { at, by: SettledBy::Answer });
        }
    }

    /// The bank, or the merchant side by itself, was faster: refunds that never reached the channel and no longer fit are not made.
    fn withdraw_refunds(&mut self, at: UtcMicros, attempt: AttemptId) -> Result<(), Illegal> {
        while let Some(id) = self.refund_too_much(attempt) {
            let refund = self.refund_mut(id)?;
            refund.state = RefundProgress::Failed;
            let amount = refund.amount;
            self.move_money(Account::InTransit { refund: id }, Account::Held { attempt }, amount, Source::Local);
            self.settle(at, SettledBy::Answer, |matter| *matter == Matter::RefundManual { refund: id });
        }
        Ok(())
    }

    /// A refund that is not under way and, beside what a bank has or went back already, is more than what is left of its
    /// payment.
    fn refund_too_much(&self, attempt: AttemptId) -> Option<RefundId> {
        let received = self.attempt(attempt).and_then(Attempt::received)?;
        let lost = |dispute: &&DisputeStatus| dispute.attempt_id == attempt && dispute.state == DisputeState::Lost;
        let lost: i64 = self.disputes.iter().filter(lost).map(|dispute| dispute.amount.minor()).sum();
        let gone = |refund: &Refund| match refund.state {
            RefundProgress::Failed => false,
            RefundProgress::CameBack => self.is_given_otherwise(refund),
            RefundProgress::Requested
            | RefundProgress::Submitted
            | RefundProgress::Succeeded
            | RefundProgress::Manual => true,
        };
        let ours = |refund: &&Refund| refund.attempt == attempt && gone(refund);
        let refunded: i64 = self.refunds.iter().filter(ours).map(|refund| refund.amount.minor()).sum();
        let still = |refund: &&Refund| {
            matches!(refund.state, RefundProgress::Requested | RefundProgress::Manual)
                && !self.is_open(Op::Refund { refund: refund.id })
        };
        let newest = self.refunds.iter().filter(ours).rfind(still);
        newest.filter(|_| lost.saturating_add(refunded) > received.minor()).map(|refund| refund.id)
    }

    fn refund_mut(&mut self, id: RefundId) -> Result<&mut Refund, Illegal> {
        self.refunds.iter_mut().find(|refund| refund.id == id).ok_or_else(|| Illegal(format!("no refund {id}")))
    }

    pub(super) fn refund_refused(&mut self, at: UtcMicros, id: RefundId) -> Result<(), Illegal> {
        self.refund_moves(at, id, RefundProgress::Manual, Source::Poll)?;
        let attempt = self.refund_mut(id)?.attempt;
        self.withdraw_refunds(at, attempt)
    }

    pub(super) fn refund_reported(
        &mut self,
        at: UtcMicros,
        status: &RefundStatus,
        source: Source,
    ) -> Result<(), Illegal> {
        let refund = self.refund_mut(status.refund_id)?;
        if status.state != RefundState::NotFound && status.amount != refund.amount {
            let amount = status.amount;
            self.owe(at, Matter::AmountMismatch, Some(amount));
            return Ok(());
        }
        match status.state {
            // Not known there: it is asked for again with the same number.
            RefundState::NotFound => Ok(()),
            RefundState::Pending => self.refund_moves(at, status.refund_id, RefundProgress::Submitted, source),
            RefundState::Succeeded => self.refund_moves(at, status.refund_id, RefundProgress::Succeeded, source),
            RefundState::Failed | RefundState::NeedsManual if planted(Defect::ManualIsArrived) => {
                self.refund_moves(at, status.refund_id, RefundProgress::Succeeded, source)
            }
            RefundState::Failed | RefundState::NeedsManual => {
                self.refund_moves(at, status.refund_id, RefundProgress::Manual, source)
            }
            RefundState::CameBack => self.refund_came_back(at, status.refund_id, source),
        }
    }

    /// What had arrived is with us again. It is not sent a second time by itself: where the first one could not be kept, the
    /// next one cannot either, so somebody has to find another way.
    fn refund_came_back(&mut self, at: UtcMicros, id: RefundId, source: Source) -> Result<(), Illegal> {
        // One that was withdrawn is with us already.
        if matches!(self.refund_mut(id)?.state, RefundProgress::Failed | RefundProgress::CameBack) {
            return Ok(());
        }
        // Whoever missed that it arrived learns both at once.
        self.refund_moves(at, id, RefundProgress::Succeeded, source)?;
        let refund = self.refund_mut(id)?;
        refund.state = RefundProgress::CameBack;
        let (attempt, amount) = (refund.attempt, refund.amount);
        self.move_money(Account::Traveller, Account::InTransit { refund: id }, amount, source);
        self.move_money(Account::InTransit { refund: id }, Account::Held { attempt }, amount, source);
        self.owe(at, Matter::RefundManual { refund: id }, Some(amount));
        self.note(at, TimelineKind::RefundNeedsAttention, None, Some(amount), None);
        Ok(())
    }

    fn refund_moves(&mut self, at: UtcMicros, id: RefundId, to: RefundProgress, source: Source) -> Result<(), Illegal> {
        let refund = self.refund_mut(id)?;
        // Arrived money stays arrived, whatever comes late.
        let arrived = matches!(refund.state, RefundProgress::Succeeded | RefundProgress::CameBack);
        if refund.state == to || arrived && !planted(Defect::RefundRegresses) {
            return Ok(());
        }
        let (withdrawn, attempt, amount) = (refund.state == RefundProgress::Failed, refund.attempt, refund.amount);
        // One that was withdrawn is with us already, until the channel says that it went all the same.
        if withdrawn && !matches!(to, RefundProgress::Submitted | RefundProgress::Succeeded) {
            return Ok(());
        }
        refund.state = to;
        if withdrawn {
            self.move_money(Account::Held { attempt }, Account::InTransit { refund: id }, amount, source);
        }
        match to {
            RefundProgress::Succeeded => {
                self.move_money(Account::InTransit { refund: id }, Account::Traveller, amount, source);
                let about = |matter: &Matter| matches!(matter, Matter::RefundManual { refund } if *refund == id);
                self.settle(at, SettledBy::Answer, about);
                self.note(at, TimelineKind::Refunded, None, Some(amount), None);
            }
            RefundProgress::Manual | RefundProgress::Failed => {
                self.owe(at, Matter::RefundManual { refund: id }, Some(amount));
                self.note(at, TimelineKind::RefundNeedsAttention, None, Some(amount), None);
            }
            // It is on its way again: nobody has to give it by hand meanwhile, or it would be given twice.
            RefundProgress::Requested | RefundProgress::Submitted => {
                self.settle(at, SettledBy::Answer, |matter| *matter == Matter::RefundManual { refund: id });
            }
            RefundProgress::CameBack => {}
        }
        Ok(())
    }
}

/// Whether a word about a dispute takes the place of what is known. Decided stays decided, whatever comes late; but of two
/// answers of a channel that was asked the later one counts.
fn replaces(said: &DisputeStatus, known: &DisputeStatus) -> bool {
    match said.as_of_us {
        Some(asked) => known.as_of_us.is_none_or(|before| asked > before),
        None => known.state == DisputeState::Open && said.state != known.state,
    }
}
