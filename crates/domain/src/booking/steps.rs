//! The registry of steps: every effect the product can have outside, as data, one file each.
//!
//! A row says what the step is called, what undoes it, and how its outcome is found out when its answer is lost. The undo
//! is written into the order with the intent, before the step is done: a step that half happened has its undo registered.
//! Deliberately not here: the calls (the engine's), and when a step is wanted (see [`super::decide`]).

mod accept_change;
mod cancel;
mod capture;
mod close_payment;
mod commit;
mod hold;
mod open_payment;
mod refund;
mod release;
mod void;

use super::recipe::{LookUp, Recipe};
use crate::order::Op;
use serde::{Deserialize, Serialize};

/// One row of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The word in references and logs.
    pub word: &'static str,
    /// What undoes it, where it can be undone.
    pub undo: Option<Undo>,
    /// How its outcome is found out.
    pub recipe: Recipe,
}

/// What undoes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The hold is let go.
    Release,
    /// The booking is cancelled.
    Cancel,
    /// The payment is closed.
    Close,
}

impl Undo {
    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Close => "close",
        }
    }
}

/// How an undo is found out: by the supplier's id, for as long as it takes.
const UNDO: Recipe =
    Recipe { look_up: LookUp::SupplierId, pause_max_s: 300, absent_tries: 2, absent_after_s: 10, debt_after_min: 60 };

/// The row of an operation.
#[must_use]
pub const fn of(op: Op) -> &'static Step {
    match op {
        Op::Hold { .. } => &hold::STEP,
        Op::Commit { .. } => &commit::STEP,
        Op::Release { .. } => &release::STEP,
        Op::Cancel { .. } => &cancel::STEP,
        Op::AcceptChange { .. } => &accept_change::STEP,
        Op::OpenPayment { .. } => &open_payment::STEP,
        Op::ClosePayment { .. } => &close_payment::STEP,
        Op::Capture { .. } => &capture::STEP,
        Op::Void { .. } => &void::STEP,
        Op::Refund { .. } => &refund::STEP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AttemptId, ItemId, RefundId},
        order::StepKey,
    };
    use ulid::Ulid;

    /// One of every operation.
    fn every() -> [Op; 10] {
        let (item, refund) = (ItemId::from_ulid(Ulid::nil()), RefundId::from_ulid(Ulid::nil()));
        let attempt = AttemptId::from_ulid(Ulid::nil());
        [
            Op::Hold { item },
            Op::Commit { item },
            Op::Release { item },
            Op::Cancel { item },
            Op::AcceptChange { item },
            Op::OpenPayment { attempt },
            Op::ClosePayment { attempt },
            Op::Capture { attempt },
            Op::Void { attempt },
            Op::Refund { refund },
        ]
    }

    #[test]
    fn every_step_that_gains_something_has_an_undo_and_every_undo_is_a_step() {
        let words: Vec<&str> = every().iter().map(|op| of(*op).word).collect();
        let undone: Vec<(&str, &str)> =
            every().iter().filter_map(|op| Some((of(*op).word, of(*op).undo?.word()))).collect();
        assert_eq!(undone, [("hold", "release"), ("commit", "cancel"), ("open", "close")]);
        assert!(undone.iter().all(|(_, undo)| words.contains(undo)));
    }

    #[test]
    fn references_carry_the_steps_word_and_no_two_steps_share_one() {
        let reference = |op| {
            let order = crate::id::OrderId::from_ulid(Ulid::nil());
            StepKey { order, op, n: 1 }.reference()
        };
        for op in every() {
            assert_eq!(reference(op).split('.').nth(1), Some(of(op).word));
            assert_eq!(every().iter().filter(|other| reference(**other) == reference(op)).count(), 1);
        }
    }
}
