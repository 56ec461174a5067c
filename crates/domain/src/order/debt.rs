//! The debt register: what is not settled yet and will not settle by itself.
//!
//! A debt names who has to act, how much is at stake and what to do. It is never deleted, only settled: by the answer
//! that was missing, or by a person. Deliberately not here: when a thing becomes a debt (see [`crate::booking`]).

use super::StepKey;
use crate::{
    id::{AttemptId, ItemId, RefundId},
    money::Money,
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};

/// One entry of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// Number of the debt within the order: the journal position of the fact that made it.
    pub seq: u64,
    /// Since when.
    pub since: UtcMicros,
    /// What it is about.
    pub matter: Matter,
    /// What is at stake, when known.
    pub amount: Option<Money>,
    /// How it ended.
    pub settled: Option<Settled>,
}

/// What a debt is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "matter", rename_all = "snake_case")]
pub enum Matter {
    /// Nobody could tell how this step ended before its deadline; it is still asked for.
    OutcomeUnknown {
        /// Step.
        key: StepKey,
    },
    /// A refund was refused or must be finished at the channel.
    RefundManual {
        /// Refund.
        refund: RefundId,
    },
    /// A hold could not be let go; it lapses by itself.
    ReleaseFailed {
        /// Item.
        item: ItemId,
    },
    /// A booked item could not be cancelled.
    CancelFailed {
        /// Item.
        item: ItemId,
    },
    /// A supplier cancelled an item and did not say what it gives back.
    SupplierRefundUnknown {
        /// Item.
        item: ItemId,
    },
    /// A change the traveller keeps, which its airline only takes by phone.
    ChangeByPhone {
        /// Item.
        item: ItemId,
    },
    /// Money that was set aside could not be taken although suppliers have theirs.
    CaptureFailed {
        /// Payment.
        attempt: AttemptId,
    },
    /// Money that was set aside could not be let go; it lapses by itself.
    VoidFailed {
        /// Payment.
        attempt: AttemptId,
    },
    /// The payer's bank wants a payment back; the merchant answers at the channel.
    Disputed {
        /// Payment.
        attempt: AttemptId,
    },
    /// A channel reported another amount than was asked for.
    AmountMismatch,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Our support: ask the supplier or the channel, then settle.
    Support,
    /// The merchant, at the channel's console.
    Merchant,
    /// Nobody: it ends by itself; shown so that nobody is surprised.
    Nobody,
}

/// How a debt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When.
    pub at: UtcMicros,
    /// By whom.
    pub by: SettledBy,
}

/// Who settled a debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledBy {
    /// The answer that was missing came.
    Answer,
    /// A person says it is settled.
    Person,
}

impl Matter {
    /// Who has to act.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        match self {
            Self::OutcomeUnknown { .. }
            | Self::CancelFailed { .. }
            | Self::SupplierRefundUnknown { .. }
            | Self::ChangeByPhone { .. } => Owner::Support,
            Self::RefundManual { .. } | Self::CaptureFailed { .. } | Self::Disputed { .. } | Self::AmountMismatch => {
                Owner::Merchant
            }
            Self::ReleaseFailed { .. } | Self::VoidFailed { .. } => Owner::Nobody,
        }
    }

    /// The item it is about.
    #[must_use]
    pub const fn item(&self) -> Option<ItemId> {
        match self {
            Self::OutcomeUnknown { key } => key.op.item(),
            Self::ReleaseFailed { item }
            | Self::CancelFailed { item }
            | Self::SupplierRefundUnknown { item }
            | Self::ChangeByPhone { item } => Some(*item),
            Self::RefundManual { .. }
            | Self::CaptureFailed { .. }
            | Self::VoidFailed { .. }
            | Self::Disputed { .. }
            | Self::AmountMismatch => None,
        }
    }

    /// The word stored and shown.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::RefundManual { .. } => "refund_manual",
            Self::ReleaseFailed { .. } => "release_failed",
            Self::CancelFailed { .. } => "cancel_failed",
            Self::SupplierRefundUnknown { .. } => "supplier_refund_unknown",
            Self::ChangeByPhone { .. } => "change_by_phone",
            Self::CaptureFailed { .. } => "capture_failed",
            Self::VoidFailed { .. } => "void_failed",
            Self::Disputed { .. } => "disputed",
            Self::AmountMismatch => "amount_mismatch",
        }
    }

    /// Whether a person may say it is settled; what only an answer can settle is kept open until it comes.
    #[must_use]
    pub const fn settled_by_person(&self) -> bool {
        !matches!(self, Self::OutcomeUnknown { .. } | Self::Disputed { .. })
    }
}
