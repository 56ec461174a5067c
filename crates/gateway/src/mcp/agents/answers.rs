//! What an agent is answered, and the codes of what cannot be done.
//!
//! Deliberately not here: anything a payer scans or opens, and any secret.

use crate::{
    gate::Stopped,
    mcp::page::Asks,
    rest::{problem::Problem, view::RefundWord},
    store::{StoreError, confirmations::Confirmation},
};
use aws_lc_rs::rand;
use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use zhiyou_domain::{
    id::{AttemptId, ConfirmationId, OrderId},
    money::Money,
};

/// When asking again makes sense, milliseconds.
const POLL_AFTER_MS: u32 = 2_000;

/// When asking again makes sense, milliseconds.
pub(super) const fn later() -> u32 {
    POLL_AFTER_MS
}

/// A name for one call, for who reads the log.
pub(super) fn correlation() -> String {
    let mut random = [0; 8];
    // Without randomness calls are told apart by their time.
    if rand::fill(&mut random).is_err() {
        tracing::warn!("no randomness for the name of a call");
    }
    hex::encode(random)
}

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sum {
    /// Whole minor units.
    amount_minor: i64,
    /// ISO 4217 code.
    currency: String,
}

impl From<Money> for Sum {
    fn from(amount: Money) -> Self {
        Self { amount_minor: amount.minor(), currency: amount.currency().code().to_owned() }
    }
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentWord {
    /// confirmPayment was not called, or the person has not answered.
    RequiresConfirmation,
    /// The person is asked; repeat the call when they approved.
    ConfirmationRequired,
    /// Open: the person scans the code on the merchant's page.
    RequiresAction,
    /// The channel is working on it.
    Processing,
    /// Paid.
    Succeeded,
    /// The channel or the payer's bank refused.
    Failed,
    /// Cancelled, or its time is over.
    Closed,
    /// Paid and given back.
    Refunded,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Next {
    /// Call confirmPayment.
    ConfirmPayment,
    /// Wait until the person answered, then repeat the same call with the same key.
    WaitForPerson,
    /// The person pays on the merchant's page; ask getPaymentStatus.
    PersonScansCode,
    /// Ask getPaymentStatus.
    GetPaymentStatus,
}

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// The agent, by asking again or by a new payment.
    Recoverable,
    /// The person, by doing something.
    RequiresBuyerInput,
    /// The person, by reviewing it.
    RequiresBuyerReview,
    /// Nobody here.
    Unrecoverable,
}

/// Something to know about where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// What to branch on.
    code: &'static str,
    /// Who can do something about it.
    severity: Severity,
    /// For the person.
    content: &'static str,
}

impl Message {
    const APPROVAL: Self = Self {
        code: "approval_needed",
        severity: Severity::RequiresBuyerReview,
        content: "It waits for the person, who reviews and approves it on the merchant's page.",
    };
}

impl PaymentWord {
    /// What to know about a payment that stands so.
    pub(super) fn messages(self) -> Vec<Message> {
        let (code, severity, content) = match self {
            Self::RequiresConfirmation | Self::ConfirmationRequired => return vec![Message::APPROVAL],
            Self::RequiresAction => (
                "payment_needed",
                Severity::RequiresBuyerInput,
                "The person pays by scanning the code on the merchant's page.",
            ),
            Self::Processing => (
                "not_known_yet",
                Severity::Recoverable,
                "The channel has not said yet. It is asked again; nothing is charged twice.",
            ),
            Self::Failed => {
                ("refused", Severity::Recoverable, "The channel or the payer's bank refused. Nothing was charged.")
            }
            Self::Closed => {
                ("over", Severity::Unrecoverable, "It was cancelled or its time is over; it cannot be paid any more.")
            }
            Self::Succeeded | Self::Refunded => return Vec::new(),
        };
        vec![Message { code, severity, content }]
    }
}

impl RefundState {
    /// What to know about a refund that stands so.
    pub(super) fn messages(self) -> Vec<Message> {
        let (code, severity, content) = match self {
            Self::ConfirmationRequired => return vec![Message::APPROVAL],
            Self::Pending => ("on_its_way", Severity::Recoverable, "The refund is on its way; ask again later."),
            Self::Failed => ("refused", Severity::Unrecoverable, "The channel refused the refund for good."),
            Self::NeedsManual => {
                ("by_hand", Severity::Unrecoverable, "The merchant has to give it back by hand; the amount stays owed.")
            }
            Self::Succeeded => return Vec::new(),
        };
        vec![Message { code, severity, content }]
    }
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    /// Names it; worth nothing by itself.
    confirmation_id: ConfirmationId,
    /// Until when the person can answer.
    expires_at: String,
    /// For the person.
    instructions: String,
    /// Whether this very call asked.
    #[serde(skip)]
    first: bool,
}

impl Waiting {
    fn new(asked: &Confirmation, first: bool) -> Self {
        Self {
            first,
            confirmation_id: asked.confirmation_id,
            expires_at: asked.expires_at_us.to_rfc3339(),
            instructions:
                "Ask the person to review this on the merchant's page and to approve it there, or to read out the \
                           code that is shown after the review. Then repeat the same call with the same idempotencyKey."
                    .to_owned(),
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentAnswer {
    /// Where it stands.
    pub(super) status: PaymentWord,
    /// Names the payment.
    pub(super) payment_intent_id: AttemptId,
    /// The order it pays.
    pub(super) order_id: OrderId,
    /// What is paid: what the order costs.
    pub(super) amount: Sum,
    /// Last moment to pay.
    pub(super) expires_at: String,
    /// What the person is asked, while that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confirmation: Option<Waiting>,
    /// What to know about that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<Message>,
    /// What comes next, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_action: Option<Next>,
    /// When asking again makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) poll_after_ms: Option<u32>,
    /// Names this call in the log.
    pub(super) correlation_id: String,
}

impl PaymentAnswer {
    /// The same, while the person is asked.
    pub(super) fn asking(self, asked: &Confirmation, first: bool) -> Self {
        Self { confirmation: Some(Waiting::new(asked, first)), ..self }
    }
}

impl Asks for PaymentAnswer {
    fn asks(&self) -> Option<ConfirmationId> {
        first(self.confirmation.as_ref())
    }
}

/// What was asked by this very call.
fn first(confirmation: Option<&Waiting>) -> Option<ConfirmationId> {
    confirmation.filter(|waiting| waiting.first).map(|waiting| waiting.confirmation_id)
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundState {
    /// The person is asked; repeat the call when they approved.
    ConfirmationRequired,
    /// On its way.
    Pending,
    /// Arrived.
    Succeeded,
    /// Refused for good.
    Failed,
    /// Someone has to act at the channel.
    NeedsManual,
}

impl From<RefundWord> for RefundState {
    fn from(word: RefundWord) -> Self {
        match word {
            RefundWord::Pending => Self::Pending,
            RefundWord::Succeeded => Self::Succeeded,
            RefundWord::Failed => Self::Failed,
            RefundWord::NeedsManual => Self::NeedsManual,
        }
    }
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundAnswer {
    /// Where it stands.
    pub(super) status: RefundState,
    /// Names the refund, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refund_id: Option<String>,
    /// The order it is of.
    pub(super) order_id: OrderId,
    /// What goes back.
    pub(super) amount: Sum,
    /// What the person is asked, while that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) confirmation: Option<Waiting>,
    /// What to know about that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<Message>,
    /// What comes next, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_action: Option<Next>,
    /// When asking again makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) poll_after_ms: Option<u32>,
    /// Names this call in the log.
    pub(super) correlation_id: String,
}

impl RefundAnswer {
    /// The same, while the person is asked.
    pub(super) fn asking(self, asked: &Confirmation, first: bool) -> Self {
        let next_action = Some(Next::WaitForPerson);
        let confirmation = Some(Waiting::new(asked, first));
        Self { confirmation, next_action, poll_after_ms: Some(later()), ..self }
    }
}

impl Asks for RefundAnswer {
    fn asks(&self) -> Option<ConfirmationId> {
        first(self.confirmation.as_ref())
    }
}

/// Why a call could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What to branch on.
    pub(super) code: &'static str,
    /// For a person; never a value of the call.
    pub(super) message: String,
    /// The argument it is about.
    pub(super) field: Option<&'static str>,
    /// Whether the same call again may go well.
    pub(super) retryable: bool,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned(), field: None, retryable: false }
    }

    pub(super) fn invalid(field: &'static str, message: &str) -> Self {
        Self { field: Some(field), ..Self::new("validation_failed", message) }
    }

    /// Also what belongs to somebody else: nobody learns that it exists.
    pub(super) fn not_found() -> Self {
        Self::new("not_found", "there is no such thing")
    }

    pub(super) fn conflict() -> Self {
        Self {
            field: Some("idempotencyKey"),
            ..Self::new("idempotency_conflict", "the key was used for something else")
        }
    }

    fn internal() -> Self {
        Self { retryable: true, ..Self::new("internal", "the gateway could not carry out the call") }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let message = problem.message();
        match problem.code() {
            "not_found" => Self::not_found(),
            "invalid_request" => Self::new("validation_failed", message),
            "over_limit" => Self::new("spend_limit_exceeded", message),
            "key_reused" => Self::conflict(),
            "not_paid" | "nothing_left" | "declined" => Self::new("not_refundable", message),
            "unknown" => Self { retryable: true, ..Self::new("outcome_unknown", message) },
            "channel_failing" | "balance_low" => Self { retryable: true, ..Self::new("provider_unavailable", message) },
            "already_paid" | "order_cancelled" | "order_expired" | "order_refunded" => Self::new("forbidden", message),
            _ => Self::internal(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the gateway's own record failed");
        Self::internal()
    }
}

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Conflict => Self::conflict(),
            Stopped::Denied => Self::new("confirmation_denied", "the person did not approve it"),
            Stopped::Ended => {
                Self::new("not_refundable", "it was refused after the approval; a new key asks the person anew")
            }
            Stopped::Expired => Self::new("confirmation_expired", "it waited too long; ask again without a code"),
            Stopped::Mismatch => Self::new("confirmation_mismatch", "this is not the code that was shown"),
            Stopped::Store(error) => error.into(),
            Stopped::Random => Self::internal(),
        }
    }
}
