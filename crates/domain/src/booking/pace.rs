//! How soon the same thing may be asked for again.
//!
//! Kept in memory only: after a restart everything may be asked for once at once. Deliberately not here: whether it is
//! asked for at all.

use super::{Read, steps};
use crate::{
    id::OrderId,
    order::{Op, StepEnd, StepKey, StepResult},
    time::UtcMicros,
};
use std::collections::BTreeMap;

/// Something that is paced.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asked {
    /// A question about an order.
    Read(OrderId, Read),
    /// An effect.
    Step(StepKey),
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    tries: u32,
    next_at: UtcMicros,
}

/// Next times by what is asked.
#[derive(Debug, Default)]
pub struct Pace {
    turns: BTreeMap<Asked, Turn>,
}

impl Pace {
    /// When it may be asked next; `None` when it may be asked now.
    #[must_use]
    pub fn waits_until(&self, asked: &Asked, now: UtcMicros) -> Option<UtcMicros> {
        self.turns.get(asked).map(|turn| turn.next_at).filter(|next_at| *next_at > now)
    }

    /// How often it was asked without an end.
    #[must_use]
    pub fn tries(&self, asked: &Asked) -> u32 {
        self.turns.get(asked).map_or(0, |turn| turn.tries)
    }

    /// It was asked and has to be asked again.
    pub fn again(&mut self, asked: Asked, now: UtcMicros) {
        let tries = self.tries(&asked) + 1;
        let next_at = now.plus_seconds(pause_s(&asked, tries));
        self.turns.insert(asked, Turn { tries, next_at });
    }

    /// It has ended.
    pub fn done(&mut self, asked: &Asked) {
        self.turns.remove(asked);
    }

    /// A step has ended so. One that only tells how money stands may have ended nothing: where the order still wants it, it
    /// waits.
    pub fn ended(&mut self, key: &StepKey, end: &StepEnd, now: UtcMicros) {
        let asked = Asked::Step(key.clone());
        match end {
            StepEnd::Done { result: StepResult::Payment(_) | StepResult::Refund(_) }
            | StepEnd::NotSent { .. }
            | StepEnd::Declined { .. }
            | StepEnd::Unknown { .. } => self.again(asked, now),
            StepEnd::Done { .. } => self.done(&asked),
        }
    }
}

/// A quarter of an hour of five seconds each: until an unknown opening or closing is a debt.
const WATCHED_TRIES: u32 = 180;

fn pause_s(asked: &Asked, tries: u32) -> i64 {
    match asked {
        // The screen says how often we ask; keep the two in step.
        Asked::Read(_, Read::QueryPayment { .. }) => 5,
        Asked::Read(_, Read::QueryRefund { .. }) if tries <= 12 => 5,
        Asked::Read(_, Read::QueryRefund { .. }) => 60,
        // A supplier that decides by hand takes minutes to hours.
        Asked::Read(_, Read::AwaitBooking { .. }) => doubling(tries, 60),
        // An undo or a refund goes on for ever, ever more slowly.
        Asked::Step(StepKey {
            op: Op::Refund { .. } | Op::Release { .. } | Op::Cancel { .. } | Op::ClosePayment { .. } | Op::Void { .. },
            ..
        }) => doubling(tries, 300),
        // As long as the screen says so of an unknown payment; after that it is a debt, which says that we go on.
        Asked::Read(_, Read::LookUp { key: StepKey { op: Op::OpenPayment { .. } | Op::ClosePayment { .. }, .. } })
            if tries <= WATCHED_TRIES =>
        {
            doubling(tries, 5)
        }
        Asked::Read(_, Read::LookUp { key }) => doubling(tries, steps::of(key.op).recipe.pause_max_s),
        Asked::Read(
            _,
            Read::FindOffer { .. }
            | Read::FindAgain { .. }
            | Read::PriceFlight { .. }
            | Read::Quote { .. }
            | Read::SeeChange { .. }
            | Read::QuoteCancel { .. },
        )
        | Asked::Step(_) => doubling(tries, 30),
    }
}

fn doubling(tries: u32, max_s: i64) -> i64 {
    1_i64.checked_shl(tries.saturating_sub(1)).unwrap_or(max_s).clamp(1, max_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AttemptId, ItemId},
        port::payments::{PaymentState, PaymentStatus},
    };
    use ulid::Ulid;

    #[test]
    fn questions_slow_down_and_payments_are_asked_about_every_five_seconds() {
        let order = OrderId::from_ulid(Ulid::nil());
        let payment = Asked::Read(order, Read::QueryPayment { attempt: AttemptId::from_ulid(Ulid::nil()) });
        let offer = Asked::Read(order, Read::FindOffer { item: ItemId::from_ulid(Ulid::nil()) });
        assert_eq!((1..=3).map(|n| pause_s(&payment, n)).collect::<Vec<_>>(), [5, 5, 5]);
        assert_eq!((1..=8).map(|n| pause_s(&offer, n)).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pause_s(&offer, 200), 30);
    }

    #[test]
    fn a_payment_whose_opening_or_closing_is_unknown_is_asked_about_every_five_seconds_as_the_screen_says() {
        let attempt = AttemptId::from_ulid(Ulid::nil());
        for op in [Op::OpenPayment { attempt }, Op::ClosePayment { attempt }] {
            let key = StepKey { order: OrderId::from_ulid(Ulid::nil()), op, n: 1 };
            let asked = Asked::Read(key.order, Read::LookUp { key });
            assert_eq!((1..=5).map(|n| pause_s(&asked, n)).collect::<Vec<_>>(), [1, 2, 4, 5, 5], "{op:?}");
            let watched_s: i64 = (1..=WATCHED_TRIES).map(|n| pause_s(&asked, n)).sum();
            assert!(watched_s > 14 * 60 && pause_s(&asked, WATCHED_TRIES + 1) == 60, "{op:?}: {watched_s}");
        }
    }

    #[test]
    fn what_was_asked_waits_and_what_ended_does_not() {
        let (mut pace, t0) = (Pace::default(), UtcMicros(0));
        let asked =
            Asked::Read(OrderId::from_ulid(Ulid::nil()), Read::FindOffer { item: ItemId::from_ulid(Ulid::nil()) });
        assert_eq!(pace.waits_until(&asked, t0), None);
        pace.again(asked.clone(), t0);
        assert_eq!(pace.waits_until(&asked, t0), Some(t0.plus_seconds(1)));
        assert_eq!(pace.waits_until(&asked, t0.plus_seconds(1)), None);
        pace.done(&asked);
        assert_eq!(pace.tries(&asked), 0);
    }

    #[test]
    fn a_step_that_only_tells_how_money_stands_waits_before_it_is_done_again() {
        let (mut pace, mut now, mut calls) = (Pace::default(), UtcMicros(0), 0);
        let (order, attempt_id) = (OrderId::from_ulid(Ulid::nil()), AttemptId::from_ulid(Ulid::nil()));
        let key = StepKey { order, op: Op::ClosePayment { attempt: attempt_id }, n: 1 };
        let state = PaymentState::Processing;
        let status = PaymentStatus { attempt_id, state, transaction_id: None, captured: None, paid_at_us: None };
        let end = StepEnd::Done { result: StepResult::Payment(status) };
        while now < UtcMicros(60_000_000) {
            calls += 1;
            pace.ended(&key, &end, now);
            now = pace.waits_until(&Asked::Step(key.clone()), now).unwrap();
        }
        assert_eq!(calls, 6);
        pace.ended(&key, &StepEnd::Done { result: StepResult::Released }, now);
        assert_eq!(pace.waits_until(&Asked::Step(key), now), None);
    }
}
