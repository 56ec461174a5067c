//! Opening a payment at its channel.
//!
//! Asking again with the same number gives the same payment; one nobody wants is closed. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step, Undo};

pub(super) const STEP: Step = Step {
    word: "open",
    undo: Some(Undo::Close),
    recipe: Recipe {
        look_up: LookUp::SameRequest,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 15,
    },
};
