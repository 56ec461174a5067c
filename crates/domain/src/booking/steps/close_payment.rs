//! Closing a payment so that it can no longer be paid.
//!
//! Money that was faster is not undone but counted. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "close",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::MerchantNumber,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 15,
    },
};
