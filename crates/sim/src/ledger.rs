//! Sequences of facts as no provider would send them: real lives with facts left out, repeated, delayed and altered. What
//! the domain accepts of them has to keep the books: accounts sum to zero in every currency, and the ledger says what the
//! states say.
//!
//! Deliberately not here: whether the sequence makes sense.

use crate::run::Run;
use fastrand::Rng;
use std::collections::BTreeSet;
use ulid::Ulid;
use zhiyou_domain::{
    defect::{self, Defect},
    id::RefundId,
    money::{Currency, Money},
    order::{
        Attempt, Fact, Order, StepEnd, cart, journal,
        ledger::{self, Account},
    },
    port::{
        Reason, ReasonCode,
        payments::{DisputeState, DisputeStatus, PaymentState, PaymentStatus, RefundState},
    },
    time::UtcMicros,
};

/// What sequences gave.
#[derive(Debug, Default)]
pub struct Books {
    /// Sequences applied.
    pub sequences: u64,
    /// Facts the domain accepted, and refused.
    pub accepted: u64,
    /// Facts it refused.
    pub refused: u64,
    /// Movements of money it made.
    pub entries: u64,
    /// First seed and text of a book that was not kept.
    pub broken: Option<(u64, String)>,
}

/// Altered sequences of each life.
const PER_LIFE: u64 = 20;

/// Applies about `count` sequences, with a defect planted if one is named.
#[must_use]
pub fn sequences(from: u64, count: u64, planted: Option<Defect>) -> Books {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u64::try_from(threads).unwrap_or(1);
    let lives = count.div_ceil(PER_LIFE);
    let part = |index: u64| {
        defect::plant(planted);
        let mut books = Books::default();
        for seed in (from + index..from + lives).step_by(usize::try_from(threads).unwrap_or(1)) {
            books.life(seed);
        }
        books
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|index| scope.spawn(move || part(index))).collect();
        let mut whole = Books::default();
        running.into_iter().filter_map(|thread| thread.join().ok()).for_each(|part| whole.add(part));
        whole
    })
}

impl Books {
    fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.entries += other.entries;
        let earlier = |one: &(u64, String), other: &(u64, String)| one.0 <= other.0;
        self.broken = match (self.broken.take(), other.broken) {
            (Some(one), Some(other)) => Some(if earlier(&one, &other) { one } else { other }),
            (one, other) => one.or(other),
        };
    }

    fn life(&mut self, seed: u64) {
        let mut run = Run::new(seed);
        run.live();
        // A life whose journal was damaged on purpose has nothing to repeat.
        let Ok(facts) = journal::verify(run.journal.order, &run.journal.rows) else { return };
        self.as_it_was(seed, &facts);
        let mut rng = Rng::with_seed(seed ^ 0x1ed9_e400);
        for _ in 0..PER_LIFE {
            self.sequence(seed, &altered(&facts, &mut rng));
        }
    }

    /// A life nobody altered: what was decided in it overdraws no payment. Of altered ones that cannot be asked, because a refund
    /// can come without what it was decided for.
    fn as_it_was(&mut self, seed: u64, facts: &[(UtcMicros, Fact)]) {
        let Some(((at, first), rest)) = facts.split_first() else { return };
        let Ok(mut order) = Order::create(*at, first) else { return };
        for (at, fact) in rest {
            let Ok(next) = order.apply(*at, fact) else { return };
            order = next;
            if let Some(what) = overdrawn(&order)
                && self.broken.is_none()
            {
                self.broken = Some((seed, format!("{what} after {fact:?}")));
            }
        }
    }

    fn sequence(&mut self, seed: u64, facts: &[(UtcMicros, Fact)]) {
        let Some(((at, first), rest)) = facts.split_first() else { return };
        let Ok(mut order) = Order::create(*at, first) else { return };
        self.sequences += 1;
        for (at, fact) in rest {
            match order.apply(*at, fact) {
                Ok(next) => {
                    self.accepted += 1;
                    order = next;
                    if let Err(what) = kept(&order, *at)
                        && self.broken.is_none()
                    {
                        self.broken = Some((seed, format!("{what} after {fact:?}")));
                    }
                }
                Err(_) => self.refused += 1,
            }
        }
        self.entries += u64::try_from(order.ledger.len()).unwrap_or(0);
    }
}

fn kept(order: &Order, now: UtcMicros) -> Result<(), String> {
    let currencies: BTreeSet<Currency> = order.ledger.iter().map(|entry| entry.amount.currency()).collect();
    for currency in currencies {
        let balances = ledger::balances(&order.ledger, currency).map_err(|error| error.to_string())?;
        let sum = Money::sum(currency, balances.into_values()).map_err(|error| error.to_string())?;
        if !sum.is_zero() {
            return Err(format!("accounts sum to {sum}"));
        }
    }
    if let Some(entry) = order.ledger.iter().find(|entry| !entry.amount.is_positive()) {
        return Err(format!("a movement of {}", entry.amount));
    }
    let told = ledger::position(order, now).map_err(|error| error.to_string())?;
    let told =
        [told.paid, told.held, told.committed, told.refund_in_transit, told.returned].map(|figure| figure.amount);
    let map = cart::money_map(order).map_err(|error| error.to_string())?;
    let reckoned = [map.paid, map.held, map.committed, map.refund_in_transit, map.refunded];
    if told == reckoned { Ok(()) } else { Err(format!("ledger {told:?} and states {reckoned:?} differ")) }
}

/// A payment of which more was passed on than came. Where money went away that suppliers had by then, because it lapsed or was
/// let go before it was taken, or because the payer's bank took it back, something is missing: that is the merchant's loss.
fn overdrawn(order: &Order) -> Option<String> {
    let went = |attempt: &Attempt| attempt.arrived.is_some() && attempt.received().is_none();
    let lost = |dispute: &DisputeStatus| dispute.state == DisputeState::Lost;
    if order.attempts.iter().any(went) || order.disputes.iter().any(lost) {
        return None;
    }
    let balances = ledger::balances(&order.ledger, order.budget.currency()).ok()?;
    let below = |(account, left): &(Account, Money)| matches!(account, Account::Held { .. }) && left.minor() < 0;
    balances.into_iter().find(below).map(|(account, left)| format!("{left} is left of {account:?}"))
}

/// The facts of a life with some left out, repeated, delayed or altered; the first stays.
fn altered(facts: &[(UtcMicros, Fact)], rng: &mut Rng) -> Vec<(UtcMicros, Fact)> {
    let mut sequence: Vec<(UtcMicros, Fact)> = Vec::with_capacity(facts.len() * 2);
    let mut late: Vec<(usize, Fact)> = Vec::new();
    for (number, (at, fact)) in facts.iter().enumerate() {
        let due = |late: &mut Vec<(usize, Fact)>| {
            late.iter().position(|(when, _)| *when <= number).map(|i| late.swap_remove(i))
        };
        while let Some((_, fact)) = due(&mut late) {
            sequence.push((*at, fact));
        }
        match rng.u8(0..16) {
            _ if number == 0 => sequence.push((*at, fact.clone())),
            0 => {}
            1 => sequence.extend([(*at, fact.clone()), (*at, fact.clone())]),
            2 | 3 => late.push((number + rng.usize(1..=6), fact.clone())),
            4 => {
                sequence.push((*at, fact.clone()));
                late.push((number + rng.usize(1..=6), fact.clone()));
            }
            5..=7 => sequence.push((*at, other(fact, rng))),
            _ => sequence.push((*at, fact.clone())),
        }
        // The merchant side gives it back by itself, whatever the order is doing then.
        if let Fact::PaymentReported { status, .. } = fact
            && let Some(amount) = status.captured.filter(|_| rng.u8(0..4) == 0)
        {
            let refund = RefundId::from_ulid(Ulid(rng.u128(..)));
            late.push((number + rng.usize(1..=8), Fact::GivenBack { refund, attempt: status.attempt_id, amount }));
        }
    }
    sequence
}

/// The same fact with another outcome.
fn other(fact: &Fact, rng: &mut Rng) -> Fact {
    const STATES: [PaymentState; 7] = [
        PaymentState::Authorised,
        PaymentState::NotFound,
        PaymentState::RequiresAction,
        PaymentState::Processing,
        PaymentState::Captured,
        PaymentState::Failed,
        PaymentState::Closed,
    ];
    let mut fact = fact.clone();
    match &mut fact {
        Fact::PaymentReported { status, .. } => {
            let odd = status.captured.and_then(|m| Money::new(m.minor() - rng.i64(-3..=3), m.currency()).ok());
            let state = STATES.get(rng.usize(0..STATES.len())).copied().unwrap_or(PaymentState::Closed);
            *status = PaymentStatus { state, captured: odd.filter(|_| rng.bool()), ..status.clone() };
        }
        Fact::RefundReported { status, .. } => {
            const STATES: [RefundState; 5] = [
                RefundState::Pending,
                RefundState::Succeeded,
                RefundState::Failed,
                RefundState::NeedsManual,
                RefundState::CameBack,
            ];
            status.state = STATES.get(rng.usize(0..STATES.len())).copied().unwrap_or(RefundState::Pending);
        }
        Fact::StepEnded { end, .. } => {
            let reason = Reason::new(ReasonCode::Network, "altered");
            *end = match rng.u8(0..3) {
                0 => StepEnd::Unknown { reason },
                1 => StepEnd::Declined { reason },
                _ => StepEnd::NotSent { reason },
            };
        }
        _ => {}
    }
    fact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_ledger_the_books_are_kept_whatever_facts_come() {
        let books = sequences(0, 2_400, None);
        assert_eq!(books.broken, None);
        assert!(sequences(0, 2_000, Some(Defect::LedgerForgets)).broken.is_some(), "an entry left out is noticed");
        // An altered fact lets much of what follows it be refused; the books have to be tried all the same.
        assert!(books.accepted > 10_000 && books.refused > 0 && books.entries > 1_000, "{books:?}");
    }
}
