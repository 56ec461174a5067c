//! What a supplier wants to change about what is booked, as the order screen shows it.
//!
//! Deliberately not here: the item it is about.

use super::OfferView;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A change a supplier wants to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ProposedChangeView {
    /// What it becomes.
    pub offer: OfferView,
    /// Where it stands.
    pub standing: ChangeStandingView,
}

/// Where a proposed change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStandingView {
    /// It waits for the traveller.
    Open,
    /// The traveller keeps it; the supplier is being told.
    Kept,
    /// The supplier no longer takes it; what it offers now is being asked.
    Stale,
    /// The traveller keeps it and the supplier has to be called.
    ByPhone,
}
