//! Booking an item for good.
//!
//! The supplier may still be talking to an airline: a booking that appears late must not be made twice, so "not there" is
//! believed late. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step, Undo};

pub(super) const STEP: Step = Step {
    word: "commit",
    undo: Some(Undo::Cancel),
    recipe: Recipe {
        look_up: LookUp::OurReference,
        pause_max_s: 60,
        absent_tries: 3,
        absent_after_s: 30,
        debt_after_min: 30,
    },
};
