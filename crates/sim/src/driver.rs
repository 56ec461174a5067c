//! The volatile half of a driver: lost when the program ends.

use std::{collections::BTreeSet, sync::Arc};
use zhiyou_domain::{
    booking::{
        Read,
        pace::{Asked, Pace},
    },
    driver::{Fence, Kept},
    order::{Order, StepKey},
    time::UtcMicros,
};

/// What a running program knows beside the journal.
pub(crate) struct Driver {
    pub(crate) fence: Fence,
    pub(crate) kept: Kept,
    pub(crate) running: BTreeSet<Asked>,
    pub(crate) pace: Pace,
    /// The wake-up that counts; earlier ones were replaced.
    pub(crate) wake: u64,
    /// Steps nobody will answer about until a moment.
    pub(crate) silent: Vec<(StepKey, UtcMicros)>,
}

impl Driver {
    pub(crate) fn new(fence: Fence, kept: Kept) -> Self {
        Self { fence, kept, running: BTreeSet::new(), pace: Pace::default(), wake: 0, silent: Vec::new() }
    }

    pub(crate) fn order(&self) -> &Arc<Order> {
        &self.kept.order
    }

    /// Whether nobody answers this question at `now`.
    pub(crate) fn is_silent(&self, read: &Read, now: UtcMicros) -> bool {
        let Read::LookUp { key } = read else { return false };
        self.silent.iter().any(|(silent, until)| silent == key && now < *until)
    }
}
