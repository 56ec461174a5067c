//! The security audit log, as it is shown.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A page of the audit log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AuditView {
    /// Rows.
    pub rows: Vec<AuditRowView>,
    /// Whether there are older ones that match.
    pub more: bool,
}

/// One row. Ids only; nothing personal and no secret is ever in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AuditRowView {
    /// Position, from 1.
    #[ts(type = "number")]
    pub seq: i64,
    /// When.
    #[ts(type = "number")]
    pub at_us: i64,
    /// Whose doing: `local`.
    pub who: String,
    /// E.g. `payment.confirm`; the part before the dot is the category.
    pub action: String,
    /// E.g. `order:ord_…`; empty for nothing in particular.
    pub resource: String,
    /// `done`, `refused:<fault code>` or `failed:<why>`.
    pub result: String,
    /// `local`, or `socket` for a program on this machine.
    pub address: String,
    /// `window`, `tool`, or `core` for what the app does by itself.
    pub agent: String,
    /// Risk score of a payment, 0 to 100; it comes a moment after the row.
    #[ts(type = "number | null")]
    pub risk: Option<i64>,
    /// What was unusual, the weightiest first.
    pub risk_reasons: Vec<String>,
}

/// What verifying the audit log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AuditCheckView {
    /// Rows that were ever appended.
    #[ts(type = "number")]
    pub rows: i64,
    /// Rows that are missing or do not follow from the ones before them; at most a hundred are named.
    #[ts(type = "Array<number>")]
    pub damaged: Vec<i64>,
    /// Risk scores that are missing or were changed, by their own numbers; at most a hundred are named.
    #[ts(type = "Array<number>")]
    pub damaged_scores: Vec<i64>,
}

/// What a person agreed to about an order, signed by this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConsentView {
    /// When.
    #[ts(type = "number")]
    pub at_us: i64,
    /// What was shown, as canonical JSON; the signature is over exactly these characters.
    pub payload: String,
    /// Name of the key.
    pub key_id: String,
    /// Ed25519, hexadecimal.
    pub signature: String,
    /// Whether it verifies under the public key of this name.
    pub verifies: bool,
}
