//! What Stripe API version 2026-10-28.endive sends and takes, and what its words mean to us.
//!
//! Sources: docs.stripe.com/api (checkout sessions, payment intents, refunds, events, errors). Its enums are open: a word we
//! do not know is `Unknown`, which is "still pending" and never success or failure. Deliberately not here: signatures,
//! transport, units of amounts.

use serde::Deserialize;
use std::collections::BTreeMap;
use url::form_urlencoded;
use zhiyou_domain::port::{
    Outcome, Reason, ReasonCode, Word,
    payments::{DisputeState, RefundState},
};

/// The version every request asks for.
pub(crate) const VERSION: &str = "2026-10-28.endive";

/// Text under our own keys.
pub(crate) type Metadata = BTreeMap<String, String>;
/// Our number of the payment, in the metadata of sessions, intents and charges.
pub(crate) const ATTEMPT: &str = "attempt";
/// Our number of the refund, in the metadata of refunds.
pub(crate) const REFUND: &str = "refund";

/// A form body in the order it is written: the same request again is the same bytes.
#[derive(Default)]
pub(crate) struct Form(String);

impl Form {
    /// The form with one more field; nesting is written with brackets.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut form = form_urlencoded::Serializer::new(self.0);
        form.append_pair(name, value);
        Self(form.finish())
    }

    /// The body.
    pub(crate) fn text(self) -> String {
        self.0
    }
}

/// A related object: its id, or the object itself where it was asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Related<T> {
    Id(String),
    Object(Box<T>),
}

impl<T> Related<T> {
    /// The object, if it came.
    pub(crate) fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) has_more: bool,
}

/// A Checkout Session: the hosted page of one payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) status: Option<SessionStatus>,
    pub(crate) payment_status: Option<PaymentStatus>,
    pub(crate) amount_total: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) livemode: bool,
    /// Absent until the payer confirms.
    pub(crate) payment_intent: Option<Related<Intent>>,
    /// Only while open.
    pub(crate) url: Option<String>,
}

/// States of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatus {
    Open,
    Complete,
    Expired,
    #[serde(other)]
    Unknown,
}

/// Whether a session's money came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    Paid,
    Unpaid,
    NoPaymentRequired,
    #[serde(other)]
    Unknown,
}

/// A PaymentIntent.
#[derive(Debug, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) amount: i64,
    /// Absent only from what is not of the version we ask for.
    pub(crate) amount_received: Option<i64>,
    #[serde(default)]
    pub(crate) amount_capturable: i64,
    pub(crate) currency: String,
    pub(crate) status: IntentStatus,
    pub(crate) capture_method: Option<CaptureMethod>,
    pub(crate) livemode: Option<bool>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) latest_charge: Option<Related<Charge>>,
}

/// States of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
    #[serde(other)]
    Unknown,
}

/// When authorised money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CaptureMethod {
    Manual,
    Automatic,
    AutomaticAsync,
    #[serde(other)]
    Unknown,
}

/// What of a charge counts here.
#[derive(Debug, Deserialize)]
pub(crate) struct Charge {
    /// Seconds since the epoch.
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: Option<RefundStatus>,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) payment_intent: Option<Related<Intent>>,
}

/// States of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
    #[serde(other)]
    Unknown,
}

impl RefundStatus {
    /// Ours.
    pub(crate) const fn ours(self) -> RefundState {
        match self {
            Self::Succeeded => RefundState::Succeeded,
            Self::Failed | Self::Canceled => RefundState::Failed,
            Self::Pending | Self::RequiresAction | Self::Unknown => RefundState::Pending,
        }
    }
}

/// A payment the payer's bank wants back.
#[derive(Debug, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: DisputeStatus,
    pub(crate) livemode: bool,
    pub(crate) payment_intent: Option<Related<Intent>>,
}

/// States of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeStatus {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
    Prevented,
    #[serde(other)]
    Unknown,
}

impl DisputeStatus {
    /// Ours; none for a bank that only asks, which moves no money.
    pub(crate) const fn ours(self) -> Option<DisputeState> {
        match self {
            Self::NeedsResponse | Self::UnderReview | Self::Unknown => Some(DisputeState::Open),
            Self::Won => Some(DisputeState::Won),
            Self::Lost => Some(DisputeState::Lost),
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed | Self::Prevented => None,
        }
    }
}

/// A movement of the account's balance.
#[derive(Debug, Deserialize)]
pub(crate) struct Movement {
    pub(crate) id: String,
    /// Gross; negative when money leaves the account.
    pub(crate) amount: i64,
    /// What the channel keeps of it; negative when it gives a fee back.
    pub(crate) fee: i64,
    /// Of the balance, which need not be what the payer paid in.
    pub(crate) currency: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) reporting_category: Category,
    /// What moved it, where that is a thing of its own.
    pub(crate) source: Option<Related<Source>>,
}

/// What a movement counts as in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Category {
    Charge,
    Refund,
    /// What of an authorisation was not taken, after all of it was booked.
    PartialCaptureReversal,
    RefundFailure,
    ChargeFailure,
    Dispute,
    DisputeReversal,
    Fee,
    #[serde(other)]
    Unknown,
}

/// What moved the balance, as far as it counts: a charge, a refund or a dispute.
#[derive(Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) object: SourceKind,
    #[serde(default)]
    pub(crate) amount: i64,
    /// What of a charge was taken.
    pub(crate) amount_captured: Option<i64>,
    #[serde(default)]
    pub(crate) currency: String,
    #[serde(default)]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) payment_intent: Option<String>,
    pub(crate) status: Option<String>,
}

/// Kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceKind {
    Charge,
    Refund,
    Dispute,
    #[serde(other)]
    Unknown,
}

/// What of a webhook endpoint counts here.
#[derive(Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) status: String,
}

/// An event before its object is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) object: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Seconds since the epoch.
    pub(crate) created: Option<i64>,
    pub(crate) livemode: Option<bool>,
    /// Only in events of another account that is connected to ours.
    pub(crate) account: Option<String>,
    pub(crate) data: Option<EventData>,
}

/// The object as it was when the event happened.
#[derive(Debug, Deserialize)]
pub(crate) struct EventData {
    pub(crate) object: serde_json::Value,
}

/// An error body.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: Error,
}

/// What an error says.
#[derive(Debug, Deserialize)]
pub(crate) struct Error {
    #[serde(rename = "type")]
    pub(crate) kind: ErrorKind,
    pub(crate) code: Option<ErrorCode>,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    CardError,
    InvalidRequestError,
    AuthenticationError,
    #[serde(alias = "permission", alias = "more_permissions_required")]
    PermissionError,
    #[serde(alias = "rate_limit")]
    RateLimitError,
    IdempotencyError,
    ApiError,
    #[serde(other)]
    Unknown,
}

/// Error codes somebody branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    PaymentIntentUnexpectedState,
    ChargeAlreadyCaptured,
    ChargeAlreadyRefunded,
    ChargeDisputed,
    RefundDisputedPayment,
    ChargeExpiredForCapture,
    BalanceInsufficient,
    ResourceMissing,
    IdempotencyKeyInUse,
    #[serde(alias = "rate_limit")]
    LockTimeout,
    #[serde(other)]
    Unknown,
}

impl Error {
    /// What a refusal with this error means. The channel's own failures are unknown whatever their status.
    pub(crate) fn ending<T>(&self) -> Outcome<T> {
        let reason = |code| Reason::new(code, Word::named(&self.kind).and(Word::named(&self.code)));
        let code = match (self.kind, self.code) {
            (ErrorKind::ApiError, _) | (_, Some(ErrorCode::IdempotencyKeyInUse)) => {
                return Outcome::Unknown(reason(ReasonCode::ProviderFault));
            }
            (ErrorKind::RateLimitError, _) | (_, Some(ErrorCode::LockTimeout)) => {
                return Outcome::NotSent(reason(ReasonCode::RateLimited));
            }
            (ErrorKind::AuthenticationError | ErrorKind::PermissionError, _) => ReasonCode::Unauthorized,
            (ErrorKind::CardError, _) => ReasonCode::PaymentDeclined,
            (_, Some(ErrorCode::BalanceInsufficient)) => ReasonCode::InsufficientBalance,
            (_, Some(ErrorCode::ResourceMissing)) => ReasonCode::NotFound,
            (_, Some(ErrorCode::ChargeExpiredForCapture)) => ReasonCode::AlreadyClosed,
            (_, Some(ErrorCode::ChargeAlreadyCaptured)) => ReasonCode::AlreadyPaid,
            (
                _,
                Some(
                    ErrorCode::PaymentIntentUnexpectedState
                    | ErrorCode::ChargeAlreadyRefunded
                    | ErrorCode::ChargeDisputed
                    | ErrorCode::RefundDisputedPayment,
                ),
            ) => ReasonCode::NotAllowed,
            (
                ErrorKind::InvalidRequestError | ErrorKind::IdempotencyError | ErrorKind::Unknown,
                Some(ErrorCode::Unknown) | None,
            ) => ReasonCode::InvalidRequest,
        };
        Outcome::Declined(reason(code))
    }
}
