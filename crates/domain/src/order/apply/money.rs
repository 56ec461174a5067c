//! How payments and refunds change an order.
//!
//! Paid beats everything the channel said before; a report that says less than what is known changes nothing.

use super::{Illegal, illegal};
use crate::{
    defect::{Defect, planted},
    id::{AttemptId, RefundId},
    money::Money,
    order::{
        Attempt, AttemptState, Ending, Order, OrderState, Refund, RefundProgress, Source, TimelineKind, cart,
        debt::{Matter, SettledBy},
        ledger::Account,
    },
    port::payments::{Channel, PaymentIntent, PaymentState, PaymentStatus, RefundState, RefundStatus},
    time::UtcMicros,
};

impl Order {
    pub(super) fn open_attempt(
        &mut self,
        at: UtcMicros,
        id: AttemptId,
        channel: Channel,
        amount: Money,
        pay_by: UtcMicros,
    ) -> Result<(), Illegal> {
        if pay_by <= at || self.attempt(id).is_some() {
            return illegal("a payment needs time and an id of its own");
        }
        let state = AttemptState::Created;
        self.attempts.push(Attempt {
            id,
            channel,
            amount,
            state,
            pay_by,
            action: None,
            transaction_id: None,
            mismatch: false,
        });
        Ok(())
    }

    pub(super) fn retry_payment(
        &mut self,
        at: UtcMicros,
        id: AttemptId,
        channel: Channel,
        pay_by: UtcMicros,
    ) -> Result<(), Illegal> {
        let over = |attempt: &Attempt| !AttemptState::OPEN.contains(&attempt.state);
        let none_open = planted(Defect::RetryWhileOpen) || self.attempts.iter().all(over);
        if self.state != OrderState::PaymentPending || self.ending.is_some() || !none_open {
            return illegal("a new payment is opened only while the order waits for one and none is open");
        }
        let Some(total) = self.confirmed.as_ref().map(|confirmed| confirmed.total) else {
            return illegal("nothing was confirmed");
        };
        self.open_attempt(at, id, channel, total, pay_by)
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

    pub(super) fn attempt_refused(&mut self, at: UtcMicros, id: AttemptId) -> Result<(), Illegal> {
        let attempt = self.attempt_mut(id)?;
        if AttemptState::OPEN.contains(&attempt.state) {
            attempt.state = AttemptState::Failed;
            attempt.action = None;
            self.note(at, TimelineKind::PaymentFailed, None, None, None);
        }
        self.end_if_no_money_open(at)
    }

    pub(super) fn payment_reported(
        &mut self,
        at: UtcMicros,
        status: &PaymentStatus,
        source: Source,
    ) -> Result<(), Illegal> {
        match status.state {
            PaymentState::Captured => self.captured(at, status, source),
            // Told by a notification, the end of a payment may be old news: money can have arrived since. Only our own
            // question ends it.
            PaymentState::Failed | PaymentState::Closed
                if source == Source::Notification && !planted(Defect::PaidRegresses) =>
            {
                self.attempt_mut(status.attempt_id).map(|_| ())
            }
            PaymentState::Failed => self.attempt_refused(at, status.attempt_id),
            PaymentState::Closed => self.attempt_closed(at, status.attempt_id),
            PaymentState::Processing | PaymentState::Authorised => {
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

    fn captured(&mut self, at: UtcMicros, status: &PaymentStatus, source: Source) -> Result<(), Illegal> {
        let already_paid = cart::paying_attempt(self).is_some();
        let attempt = self.attempt_mut(status.attempt_id)?;
        if attempt.state == AttemptState::Captured && !planted(Defect::ReportsCountTwice) {
            return Ok(());
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
        attempt.state = AttemptState::Captured;
        attempt.action = None;
        attempt.transaction_id.clone_from(&status.transaction_id);
        self.move_money(Account::Traveller, Account::Held { attempt: status.attempt_id }, amount, source);
        let late = already_paid || self.state != OrderState::PaymentPending || self.ending == Some(Ending::Traveller);
        let kind = if late { TimelineKind::PaidLate } else { TimelineKind::Paid };
        self.note(at, kind, None, Some(amount), status.transaction_id.clone());
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
        } else if self.state == OrderState::Cancelled && self.ending == Some(Ending::Expired) && !already_paid {
            self.begin_second_chance(at);
        }
        Ok(())
    }

    fn attempt_closed(&mut self, at: UtcMicros, id: AttemptId) -> Result<(), Illegal> {
        let by_traveller = self.ending == Some(Ending::Traveller);
        let attempt = self.attempt_mut(id)?;
        if AttemptState::OPEN.contains(&attempt.state) || planted(Defect::PaidRegresses) {
            attempt.state = if by_traveller { AttemptState::Voided } else { AttemptState::Expired };
            attempt.action = None;
            self.note(at, TimelineKind::PaymentClosed, None, None, None);
        }
        self.end_if_no_money_open(at)
    }

    /// An order that is ending is over once no payment can arrive any more.
    pub(super) fn end_if_no_money_open(&mut self, at: UtcMicros) -> Result<(), Illegal> {
        let open = self.attempts.iter().any(|attempt| AttemptState::OPEN.contains(&attempt.state));
        let open = open && !planted(Defect::EndWithoutClosing);
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
        let Some(paid) = self.attempt(attempt).filter(|attempt| attempt.state == AttemptState::Captured) else {
            return illegal("money goes back only where it came from");
        };
        let earlier =
            self.refunds.iter().filter(|refund| refund.attempt == attempt && refund.state != RefundProgress::Failed);
        let sum = Money::sum(amount.currency(), earlier.map(|refund| refund.amount)).and_then(|sum| sum.plus(amount));
        let fits = amount.is_positive() && sum.is_ok_and(|sum| sum.exceeds(paid.amount) == Ok(false));
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

    fn refund_mut(&mut self, id: RefundId) -> Result<&mut Refund, Illegal> {
        self.refunds.iter_mut().find(|refund| refund.id == id).ok_or_else(|| Illegal(format!("no refund {id}")))
    }

    pub(super) fn refund_refused(&mut self, at: UtcMicros, id: RefundId) -> Result<(), Illegal> {
        self.refund_moves(at, id, RefundProgress::Manual, Source::Poll)
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
        }
    }

    fn refund_moves(&mut self, at: UtcMicros, id: RefundId, to: RefundProgress, source: Source) -> Result<(), Illegal> {
        let refund = self.refund_mut(id)?;
        // Arrived money stays arrived, whatever comes late.
        let arrived = refund.state == RefundProgress::Succeeded && !planted(Defect::RefundRegresses);
        if refund.state == to || arrived {
            return Ok(());
        }
        refund.state = to;
        let amount = refund.amount;
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
            RefundProgress::Requested | RefundProgress::Submitted => {}
        }
        Ok(())
    }
}
