//! How an effect is made certain again after its answer was lost: by what the outcome is looked up, how often, when "not
//! there" may be believed, and after how long the matter becomes a debt that a person sees.
//!
//! Deliberately not here: the rows (see [`super::steps`]) and the calls themselves.

use crate::{
    defect::{Defect, planted},
    order::{Op, StepEnd, StepResult},
    port::{Outcome, Reason, ReasonCode},
    time::UtcMicros,
};

/// By what an outcome is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// By our own reference, which the supplier stores.
    OurReference,
    /// By the supplier's id, which is known.
    SupplierId,
    /// By the merchant number, which is our attempt's or refund's id.
    MerchantNumber,
    /// By asking for the same thing again: the provider answers with what there is.
    SameRequest,
}

/// What a step's row says about finding out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// By what it is looked up.
    pub look_up: LookUp,
    /// The longest pause between look-ups, seconds; they start at one second and double.
    pub pause_max_s: i64,
    /// Look-ups that must have found nothing before a step counts as not done.
    pub absent_tries: u32,
    /// Time that must have passed since the step began before "not there" is believed, seconds: an answer can be lost
    /// before its effect is visible.
    pub absent_after_s: i64,
    /// After so many minutes it is a debt; looking up goes on.
    pub debt_after_min: i64,
}

/// How a step ended by the answer to its call. While we are refused ourselves, what was set aside is still there: that is
/// neither taken nor let go, and tried again.
#[must_use]
pub fn ended(op: Op, answer: Outcome<StepResult>) -> StepEnd {
    let set_aside = matches!(op, Op::Capture { .. } | Op::Void { .. });
    match answer {
        Outcome::Done(result) => StepEnd::Done { result },
        Outcome::Declined(reason) if set_aside && reason.code.is_about_us() => StepEnd::NotSent { reason },
        Outcome::NotSent(reason) => StepEnd::NotSent { reason },
        Outcome::Declined(reason) => StepEnd::Declined { reason },
        Outcome::Unknown(reason) => StepEnd::Unknown { reason },
    }
}

/// What a look-up saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It happened; this is what it brought.
    There(StepResult),
    /// The provider knows our reference and said no.
    Refused(Reason),
    /// The provider does not know it.
    NotThere,
    /// The provider did not answer.
    Silent,
}

/// What may be concluded from a look-up; `None` while that is nothing. `tries` counts the earlier look-ups of this step.
#[must_use]
pub fn conclude(op: Op, seen: Seen, tries: u32, started_at: UtcMicros, now: UtcMicros) -> Option<StepEnd> {
    match seen {
        Seen::There(result) => Some(StepEnd::Done { result }),
        Seen::Refused(reason) => Some(StepEnd::Declined { reason }),
        Seen::Silent => None,
        Seen::NotThere => {
            let row = super::steps::of(op).recipe;
            if planted(Defect::AbsentNever) {
                return None;
            }
            let sure = planted(Defect::AbsentAtOnce)
                || tries >= row.absent_tries && now >= started_at.plus_seconds(row.absent_after_s);
            let reason = Reason::new(ReasonCode::NotFound, "looked up by our reference: not there");
            sure.then_some(StepEnd::NotSent { reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ItemId;
    use ulid::Ulid;

    #[test]
    fn not_there_is_believed_only_after_several_look_ups_and_some_time() {
        let op = Op::Hold { item: ItemId::from_ulid(Ulid::nil()) };
        let asked = |tries, seconds: i64| {
            conclude(op, Seen::NotThere, tries, UtcMicros(0), UtcMicros(seconds * 1_000_000)).is_some()
        };
        assert_eq!([asked(0, 60), asked(2, 9), asked(1, 10), asked(2, 10)], [false, false, false, true]);
        assert_eq!(conclude(op, Seen::Silent, 99, UtcMicros(0), UtcMicros(i64::MAX)), None);
    }
}
