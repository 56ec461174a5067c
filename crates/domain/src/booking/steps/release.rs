//! Letting an unpaid hold go.
//!
//! It is an undo itself: it is tried until the supplier answers. Deliberately not here: the call itself.

use super::{Step, UNDO};

pub(super) const STEP: Step = Step { word: "release", undo: None, recipe: UNDO };
