//! Taking money that was set aside, once what it pays for is booked.
//!
//! What was taken goes back as a refund. Deliberately not here: how much, and the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "capture",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::MerchantNumber,
        pause_max_s: 60,
        absent_tries: 2,
        absent_after_s: 10,
        debt_after_min: 60,
    },
};
