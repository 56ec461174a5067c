//! One turn of a driver: what of all that [`decide`] wants can be done now, given what is under way and what was asked
//! too recently. Every driver - the journal in a database, the one in memory - does exactly this.
//!
//! Deliberately not here: doing it.

use super::{
    Action, Read, decide,
    pace::{Asked, Pace},
};
use crate::{
    defect::{Defect, planted},
    id::{AttemptId, RefundId},
    money::Money,
    order::{Fact, Order, StepEnd, StepKey},
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
