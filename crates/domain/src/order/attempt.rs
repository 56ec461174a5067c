//! What a cart is paid by: its parts, and the attempts to pay them.
//!
//! Deliberately not here: how an attempt changes (see [`super::apply`]), and which one pays (see [`super::cart`]).

use super::AttemptState;
use crate::{
    id::AttemptId,
    money::Money,
    port::payments::{Channel, PaymentAction},
    screening::Screening,
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};

/// A part of the total, and what it is paid by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentPart {
    /// Its first attempt; opened once the parts before it are paid.
    pub attempt: AttemptId,
    /// Channel.
    pub channel: Channel,
    /// Amount.
    pub amount: Money,
    /// Whether the money is only set aside at first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authorise: bool,
    /// In how many instalments the payer pays it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instalments: Option<u8>,
    /// The credit it is drawn from, on [`Channel::Credit`] and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
    /// How unusual it was for the traveller; of a credit nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screening: Option<Screening>,
}

impl PaymentPart {
    /// All of an amount by one channel at once.
    #[must_use]
    pub const fn new(attempt: AttemptId, channel: Channel, amount: Money) -> Self {
        Self { attempt, channel, amount, authorise: false, instalments: None, credit: None, screening: None }
    }
}

/// One attempt to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Id; its bare form is the merchant number.
    pub id: AttemptId,
    /// Which part of the total it pays, from 0.
    #[serde(default)]
    pub part: usize,
    /// Channel.
    pub channel: Channel,
    /// Amount.
    pub amount: Money,
    /// State.
    pub state: AttemptState,
    /// Last moment to pay.
    pub pay_by: UtcMicros,
    /// Whether the money is only set aside at first, and taken once everything is booked.
    #[serde(default)]
    pub authorise: bool,
    /// In how many instalments the payer pays it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instalments: Option<u8>,
    /// The credit it is drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
    /// How unusual it was for the traveller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screening: Option<Screening>,
    /// Position of the fact by which its money arrived.
    #[serde(default)]
    pub arrived: Option<u64>,
    /// What was taken of what was set aside, once that is known.
    #[serde(default)]
    pub taken: Option<Money>,
    /// Whether the channel refused to take what was set aside: it is let go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Since when taking it, or letting it go, has not reached the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent_since: Option<UtcMicros>,
    /// What the payer does.
    pub action: Option<PaymentAction>,
    /// The channel's number, once money moved.
    pub transaction_id: Option<String>,
    /// Whether the channel reported another amount than was asked for: a person decides, nothing is asked or closed.
    pub mismatch: bool,
}

impl Attempt {
    /// What the order has of it: taken, or set aside for us.
    #[must_use]
    pub fn received(&self) -> Option<Money> {
        match self.state {
            AttemptState::Authorised => Some(self.amount),
            AttemptState::Captured => Some(self.taken.unwrap_or(self.amount)),
            AttemptState::Created
            | AttemptState::RequiresAction
            | AttemptState::Processing
            | AttemptState::Voided
            | AttemptState::Failed
            | AttemptState::Expired => None,
        }
    }
}
