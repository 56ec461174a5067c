//! Faults that need no call, and notifications on their way.
//!
//! Deliberately not here: what is lost of a call and its answer.

use super::{Event, Run};
use crate::{cover::Fault, driver::Driver};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    order::{Fact, Op, Order, SecondChance, Source, StepKey},
    port::payments::{PaymentState, RefundState, RefundStatus},
};

impl Run {
    /// Faults that need no call.
    pub(super) fn disturb(&mut self) {
        let rates = self.plan.rates.clone();
        if self.driver.is_some() && self.fault(Fault::ClockJump, rates.clock_jump / 4) {
            self.skew_min = if self.rng.bool() { 120 } else { -120 };
            let minutes = self.rng.i64(1..=20);
            self.after_s(minutes * 60, Event::ClockRight);
        }
        if self.driver.is_some() && !self.journal.disk_full && self.fault(Fault::DiskFull, rates.disk_full / 4) {
            self.journal.disk_full = true;
            let seconds = self.rng.i64(1..=300);
            self.after_s(seconds, Event::DiskFree);
        }
        if self.driver.is_some()
            && self.fault(Fault::StaleWriter, rates.stale_writer / 4)
            && let Some(old) = self.driver.take()
        {
            let seconds = self.rng.i64(1..=900);
            self.after_s(seconds, Event::OldWriter(Box::new(old)));
            self.restart();
        }
        if self.journal.rows.len() > 3 && !self.flipped && self.driver.is_some() && self.chance(rates.bit_flip) {
            let (row, bit) = (self.rng.usize(0..self.journal.rows.len()), self.rng.usize(0..4_096));
            let before = self.journal.rows.clone();
            self.journal.flip(row, bit);
            self.flipped = self.journal.rows != before;
            self.crash();
        }
        self.aside_leaves_perhaps();
    }

    /// What was set aside is cancelled at the channel, or lapses, at any moment; the channel hints at it, and is asked.
    fn aside_leaves_perhaps(&mut self) {
        let aside = self.world.payments.iter().find(|(_, payment)| payment.state == PaymentState::Authorised);
        let Some(attempt) = aside.map(|(attempt, _)| *attempt) else { return };
        // A second chance is over so soon that its money would hardly ever leave before the goods are held.
        let trying = |driver: &Driver| matches!(driver.order().second_chance, Some(SecondChance::Trying { .. }));
        let times = if self.driver.as_ref().is_some_and(trying) { 8 } else { 1 };
        if self.fault(Fault::AsideLeaves, self.plan.rates.aside_leaves * times) {
            self.world.aside_leaves(attempt);
            let most = if self.rng.bool() { 1_000 } else { 20_000 };
            let ms = self.rng.i64(10..=most);
            self.after(ms * 1_000, Event::AsideLeft { attempt });
        }
    }

    /// A stored question is asked until its answer is written; the answer is what the channel says by then.
    pub(super) fn aside_left(&mut self, attempt: AttemptId) {
        let fact = Fact::PaymentReported { status: self.world.payment(attempt), source: Source::Poll };
        if self.driver.is_none() || self.journal.disk_full || !self.go_on(std::slice::from_ref(&fact)) {
            self.after_s(30, Event::AsideLeft { attempt });
        }
    }

    /// What follows at the channel from a payment that was opened or a refund that was asked for.
    pub(super) fn follow_money(&mut self, order: &Order, key: &StepKey) {
        match key.op {
            Op::OpenPayment { attempt } => self.plan_payment(attempt),
            Op::Refund { refund } => {
                let Some(known) = order.refunds.iter().find(|known| known.id == refund) else { return };
                let attempt = known.attempt;
                let manual = self.fault(Fault::RefundManual, self.plan.rates.refund_manual);
                let minutes = self.rng.i64(1..=60);
                let to = if manual { RefundState::NeedsManual } else { RefundState::Succeeded };
                self.after_s(minutes * 60, Event::RefundMoves { attempt, refund, to });
            }
            _ => {}
        }
    }

    pub(super) fn refund_moves(&mut self, attempt: AttemptId, refund: RefundId, to: RefundState) {
        let Some((_, state)) = self.world.payments.get_mut(&attempt).and_then(|p| p.refunds.get_mut(&refund)) else {
            return;
        };
        if *state == RefundState::Succeeded {
            return;
        }
        let stale = *state;
        *state = to;
        let report = |state| Fact::RefundReported {
            status: RefundStatus { state, ..self.world.refund_status(refund) },
            source: Source::Notification,
        };
        let (news, old) = (report(to), report(stale));
        self.notify(news);
        self.notify(old);
        if to == RefundState::NeedsManual {
            // Somebody finishes it at the console a day later.
            let succeeded = RefundState::Succeeded;
            self.after_s(24 * 3_600, Event::RefundMoves { attempt, refund, to: succeeded });
        }
    }

    /// Sends a notification: it can be lost, doubled, and overtaken.
    pub(super) fn notify(&mut self, fact: Fact) {
        let rates = self.plan.rates.clone();
        if self.fault(Fault::NoticeLost, rates.notice_lost) {
            return;
        }
        let copies = if self.fault(Fault::NoticeDoubled, rates.notice_doubled) { 3 } else { 1 };
        for _ in 0..copies {
            let ms = self.rng.i64(10..=20_000);
            self.after(ms * 1_000, Event::Notice { fact: fact.clone() });
        }
    }

    pub(super) fn notice(&mut self, fact: Fact) {
        if self.driver.is_none() {
            // The gateway keeps it until we are back.
            return self.after_s(60, Event::Notice { fact });
        }
        if self.journal.disk_full {
            return self.after_s(30, Event::Notice { fact });
        }
        if !self.go_on(std::slice::from_ref(&fact)) {
            self.after_s(30, Event::Notice { fact });
        }
    }
}
