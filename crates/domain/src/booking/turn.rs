//! One turn of a driver: what of all that [`decide`] wants can be done now, given what is under way and what was asked
//! too recently; and [`advance`], the turns that belong into one commit. Every driver - the journal in a database, the
//! one in memory - does exactly this.
//!
//! An answer and the intents of what follows from it are written together: the answer is true already, and an intent is
//! only a promise that nothing left before it was written. Deliberately not here: doing it.

use super::{
    Action, Read, decide,
    pace::{Asked, Pace},
};
use crate::{
    defect::{Defect, planted},
    id::{AttemptId, RefundId},
    money::Money,
    order::{Fact, Illegal, Order, StepEnd, StepKey},
    port::{Reason, ReasonCode},
    time::UtcMicros,
};
use std::collections::BTreeSet;

/// What a driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Write this, then take another turn.
    Record(Fact),
    /// Write that this much goes back, under a new refund id unless one is fixed; then take another turn.
    DecideRefund {
        /// Id, when it was fixed earlier.
        refund: Option<RefundId>,
        /// Payment.
        attempt: AttemptId,
        /// Amount.
        amount: Money,
    },
    /// Write the intent of this step, begin it, then take another turn.
    Start(StepKey),
    /// Begin these questions; look again when one is answered, or at the time given.
    Wait {
        /// Questions to begin now.
        reads: Vec<Read>,
        /// When to look again by itself.
        at: Option<UtcMicros>,
    },
}

/// The next turn of an order.
#[must_use]
pub fn turn(order: &Order, now: UtcMicros, running: &BTreeSet<Asked>, pace: &Pace) -> Turn {
    let decision = decide(order, now);
    let (mut reads, mut at) = (Vec::new(), decision.wake_at);
    for action in decision.actions {
        let asked = match action {
            Action::Record(fact) => return Turn::Record(fact),
            Action::DecideRefund { refund, attempt, amount } => return Turn::DecideRefund { refund, attempt, amount },
            Action::Start(ref key) => Asked::Step(key.clone()),
            Action::Read(ref read) => Asked::Read(order.id, read.clone()),
        };
        if running.contains(&asked) {
            continue;
        }
        if let Some(next) = pace.waits_until(&asked, now) {
            at = Some(at.map_or(next, |earlier| earlier.min(next)));
            continue;
        }
        match asked {
            Asked::Step(key) => return Turn::Start(key),
            Asked::Read(_, read) => reads.push(read),
        }
    }
    Turn::Wait { reads, at }
}

/// What a driver writes in one commit, and does once that is durable.
#[derive(Debug)]
pub struct Advance {
    /// The order with the facts below.
    pub order: Order,
    /// To be written together, before anything below is done. Empty when nothing is new.
    pub facts: Vec<Fact>,
    /// Questions to begin.
    pub reads: Vec<Read>,
    /// When to look again by itself.
    pub at: Option<UtcMicros>,
    /// What was heard and no longer fits; it is told to nobody.
    pub unfit: Vec<(Fact, Illegal)>,
    /// Whether the turns did not come to an end: a defect of ours.
    pub restless: bool,
}

/// More turns in one commit than any order needs, for each of its items.
const TURNS_PER_ITEM: usize = 64;

/// Takes in what was `heard`, then turns until there is nothing left but to wait. `ids` makes new refund ids.
pub fn advance(
    order: &Order,
    heard: &[Fact],
    now: UtcMicros,
    (running, pace): (&BTreeSet<Asked>, &Pace),
    ids: &mut dyn FnMut() -> RefundId,
) -> Advance {
    let mut next = take_in(order, heard, now);
    for _ in 0..TURNS_PER_ITEM * (order.items.len() + 1) {
        let fact = match turn(&next.order, now, running, pace) {
            Turn::Record(fact) => fact,
            Turn::DecideRefund { refund, attempt, amount } => {
                Fact::RefundDecided { refund: refund.unwrap_or_else(&mut *ids), attempt, amount }
            }
            Turn::Start(key) => Fact::StepStarted { key },
            Turn::Wait { reads, at } => {
                (next.reads, next.at) = (reads, at);
                return next;
            }
        };
        if !next.take(order, now, fact) {
            break;
        }
    }
    next.restless = true;
    next
}

/// Only takes in what was heard, for a program that is ending.
#[must_use]
pub fn take_in(order: &Order, heard: &[Fact], now: UtcMicros) -> Advance {
    let (facts, reads, unfit) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Advance { order: order.clone(), facts, reads, at: None, unfit, restless: false };
    heard.iter().for_each(|fact| {
        next.take(order, now, fact.clone());
    });
    next
}

impl Advance {
    /// Steps to begin: those whose intents are among the facts.
    pub fn start(&self) -> impl Iterator<Item = &StepKey> {
        self.facts.iter().filter_map(|fact| match fact {
            Fact::StepStarted { key } => Some(key),
            _ => None,
        })
    }

    fn take(&mut self, base: &Order, now: UtcMicros, fact: Fact) -> bool {
        match self.order.advance_by(now, &fact) {
            Ok(()) => {
                self.facts.push(fact);
                true
            }
            Err(illegal) => {
                self.unfit.push((fact, illegal));
                self.order = base.clone();
                // These fitted before.
                let fits = self.facts.iter().all(|fact| self.order.advance_by(now, fact).is_ok());
                debug_assert!(fits);
                false
            }
        }
    }
}

/// What a driver writes when it takes an order over from one that ended: nobody knows how open steps ended.
#[must_use]
pub fn recover(order: &Order) -> Vec<Fact> {
    let unknown = |key: &StepKey| Fact::StepEnded {
        key: key.clone(),
        end: StepEnd::Unknown { reason: Reason::new(ReasonCode::Network, "the program ended during the call") },
    };
    if planted(Defect::NoRecovery) {
        return Vec::new();
    }
    if planted(Defect::RecoveryForgets) {
        let reason = Reason::new(ReasonCode::Network, "planted");
        let ended =
            |key: &StepKey| Fact::StepEnded { key: key.clone(), end: StepEnd::NotSent { reason: reason.clone() } };
        return order.open_steps.iter().map(|step| ended(&step.key)).collect();
    }
    order.open_steps.iter().filter(|step| !step.unknown).map(|step| unknown(&step.key)).collect()
}
