//! Letting money go that was set aside.
//!
//! It is an undo itself. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "void",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::MerchantNumber,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 60,
    },
};
