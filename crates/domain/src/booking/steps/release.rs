//! Letting an unpaid hold go.
//!
//! It is an undo itself: it is tried until the supplier answers. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "release",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::SupplierId,
        pause_max_s: 300,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 60,
    },
};
