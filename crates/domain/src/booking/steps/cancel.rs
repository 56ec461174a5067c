//! Cancelling a booked item at its quoted terms.
//!
//! It is an undo itself, and cannot be undone. Deliberately not here: the call itself.

use super::{Step, UNDO};

pub(super) const STEP: Step = Step { word: "cancel", undo: None, recipe: UNDO };
