//! Telling a supplier that its change of a booked item is kept.
//!
//! It brings nothing new and is not undone: what is changed can be cancelled like any booking. Deliberately not here: the
//! call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "accept",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::SupplierId,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 15,
    },
};
