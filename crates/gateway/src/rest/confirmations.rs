//! What a person is asked because of an agent, and the answers: yes, no, or a code to tell the agent.
//!
//! Only a token of the person comes here, never an agent's. Deliberately not here: what is done after a yes.

use super::view::Amount;
use crate::store::confirmations::{Confirmation, Gated, Said};
use serde::Serialize;
use utoipa::ToSchema;
use zhiyou_domain::time::UtcMicros;

/// What an agent wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// The order is paid.
    Pay,
    /// Money goes back.
    Refund,
}

/// Where a confirmation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConfirmationStatus {
    /// Waits for the person.
    Pending,
    /// The person said yes.
    Approved,
    /// The person said no, or too many wrong codes came.
    Denied,
    /// Yes, and done.
    Consumed,
    /// Yes, and refused when it was to be done: nothing was moved.
    Refused,
    /// It waited too long.
    Expired,
}

/// What a person is asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ConfirmationView {
    /// Its id.
    pub(crate) confirmation_id: String,
    /// What would be done.
    pub(crate) purpose: Purpose,
    /// The order it is about.
    pub(crate) order_id: String,
    /// Exactly what would be paid or go back.
    pub(crate) amount: Amount,
    /// Reason of a refund, in the agent's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// What the agent's program calls itself; nobody has checked it.
    pub(crate) client: String,
    /// Where it stands.
    pub(crate) status: ConfirmationStatus,
    /// When it was asked.
    pub(crate) created_at: String,
    /// Until when it can be said yes to, and be done.
    pub(crate) expires_at: String,
}

/// A code the person can tell the agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ConfirmationCode {
    /// Eight digits; good for this one confirmation, once.
    pub(crate) code: String,
}

/// A confirmation as it is now.
pub(super) fn view(asked: &Confirmation, now: UtcMicros) -> ConfirmationView {
    ConfirmationView {
        confirmation_id: asked.confirmation_id.to_string(),
        purpose: match asked.tool {
            Gated::ConfirmPayment => Purpose::Pay,
            Gated::CreateRefund => Purpose::Refund,
        },
        order_id: asked.order_id.to_string(),
        amount: asked.amount.into(),
        reason: asked.reason.clone(),
        client: asked.client.clone(),
        status: match asked.said {
            _ if asked.is_over(now) => ConfirmationStatus::Expired,
            Said::Pending => ConfirmationStatus::Pending,
            Said::Approved => ConfirmationStatus::Approved,
            Said::Denied => ConfirmationStatus::Denied,
            Said::Consumed => ConfirmationStatus::Consumed,
            Said::Ended => ConfirmationStatus::Refused,
        },
        created_at: asked.created_at_us.to_rfc3339(),
        expires_at: asked.expires_at_us.to_rfc3339(),
    }
}
