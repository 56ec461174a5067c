//! Giving money back.
//!
//! Channels work on a refund for minutes before it can be asked about, and finish some by hand. Deliberately not here: the call itself.

use super::{LookUp, Recipe, Step};

pub(super) const STEP: Step = Step {
    word: "refund",
    undo: None,
    recipe: Recipe {
        look_up: LookUp::MerchantNumber,
        pause_max_s: 300,
        absent_tries: 3,
        absent_after_s: 60,
        debt_after_min: 24 * 60,
    },
};
