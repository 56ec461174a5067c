//! Cancelling a booked item at its quoted terms.
//!
//! It is an undo itself, and cannot be undone. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "cancel",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::SupplierId,
        pause_max_s: 300,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 60,
    },
};
