//! Holding an item without paying.
//!
//! A hold whose answer was lost may stand at the supplier; it is found by our reference, and let go when nobody wants it. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step, Undo};

pub(super) const STEP: Step = Step {
    word: "hold",
    undo: Some(Undo::Release),
    recipe: Recipe {
        look_up: LookUp::OurReference,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 15,
    },
};
