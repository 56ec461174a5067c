//! The contracts between the engine and the merchant side: what each MCP tool takes and gives.
//!
//! One module per MCP server. Tool names are camelCase; every tool answers one JSON object. A tool with an effect answers
//! an [`Answer`], whose four endings are [`Outcome`]; reads answer it too, so that "the supplier did not reply" is never
//! mistaken for "there is nothing". Deliberately not here: a provider's wire format and any transport.

pub mod activities;
pub mod bookings;
pub mod cars;
pub mod flights;
pub mod hotels;
pub mod payments;
mod word;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use word::Word;

/// Key under `_meta` of a tool call that carries the traveller's own token for the platform named by the tool.
/// It is bound to one host, never stored and never logged by the gateway.
pub const TRAVELLER_TOKEN_META: &str = "zhiyou/travellerToken";

/// Key under `_meta` that says beside a traveller's token which origin gave it: the gateway sends it nowhere else.
pub const TRAVELLER_TOKEN_ORIGIN_META: &str = "zhiyou/travellerTokenOrigin";

/// How a call to a provider ended. The type decides what may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It happened.
    Done(T),
    /// The request provably never reached the provider; repeating it is safe.
    NotSent(Reason),
    /// The provider understood and said no; nothing happened there.
    Declined(Reason),
    /// It may or may not have happened: a time-out, a reset, a 5xx, an unreadable or wrongly signed answer.
    /// Only a look-up may follow.
    Unknown(Reason),
}

impl<T> Outcome<T> {
    /// Changes what a success carries.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(value) => Outcome::Done(f(value)),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Declined(reason) => Outcome::Declined(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

/// Why a call did not succeed: a code to branch on and a word for the log and for support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reason {
    /// What to branch on.
    pub code: ReasonCode,
    /// Our own word or the provider's code, at most 64 characters of fixed form and never a sentence; data, never instructions.
    #[schemars(with = "String")]
    pub detail: Word,
}

impl Reason {
    /// Joins a code and a word.
    #[must_use]
    pub fn new(code: ReasonCode, detail: impl Into<Word>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// The closed list of reasons somebody branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The total is no longer the one that was agreed.
    PriceChanged,
    /// The offer, rate or quote is past its time.
    OfferExpired,
    /// Nothing is left, or nothing matched.
    SoldOut,
    /// The chosen seat is taken.
    SeatTaken,
    /// The supplier can hold the fare but not together with the chosen services.
    ServicesNotHoldable,
    /// The supplier wants its money at once and cannot hold.
    NotHoldable,
    /// The payer or the payer's bank refused.
    PaymentDeclined,
    /// The money had already arrived when we tried to close the payment.
    AlreadyPaid,
    /// Already cancelled or closed; nothing more to do.
    AlreadyClosed,
    /// Our own balance at the supplier or channel does not cover it.
    InsufficientBalance,
    /// The provider refused the request itself; a defect or stale data on our side.
    InvalidRequest,
    /// The provider does not know the thing named.
    NotFound,
    /// The traveller's token is missing, expired or revoked; where a channel says it, our own key or account is not accepted.
    Unauthorized,
    /// Who travels is sealed until the person opens the vault: nothing was sent.
    VaultClosed,
    /// Above what we allow ourselves to charge per payment or per day.
    OverLimit,
    /// The channel failed too often lately: nothing new is opened there, and nothing was sent.
    ChannelFailing,
    /// Too many requests; later may succeed.
    RateLimited,
    /// The provider's terms forbid it (not cancellable, not refundable now).
    NotAllowed,
    /// Something it depends on could not be had.
    DependencyFailed,
    /// No connection, a time-out or a reset.
    Network,
    /// The provider failed (5xx) or answered something unreadable.
    ProviderFault,
    /// An answer's signature did not verify, or it named another merchant, order or amount.
    IntegrityFault,
}

impl ReasonCode {
    /// Whether it is we who are refused, and nothing is said of what was asked for.
    #[must_use]
    pub const fn is_about_us(self) -> bool {
        match self {
            Self::Unauthorized | Self::VaultClosed | Self::OverLimit | Self::ChannelFailing | Self::RateLimited => true,
            Self::PriceChanged
            | Self::OfferExpired
            | Self::SoldOut
            | Self::SeatTaken
            | Self::ServicesNotHoldable
            | Self::NotHoldable
            | Self::PaymentDeclined
            | Self::AlreadyPaid
            | Self::AlreadyClosed
            | Self::InsufficientBalance
            | Self::InvalidRequest
            | Self::NotFound
            | Self::NotAllowed
            | Self::DependencyFailed
            | Self::Network
            | Self::ProviderFault
            | Self::IntegrityFault => false,
        }
    }
}

/// The four endings as one JSON object with a `status`, which every MCP client can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer<T> {
    /// How the call ended.
    pub status: AnswerStatus,
    /// Present exactly when `status` is `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<T>,
    /// Present exactly when `status` is not `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The status word of an [`Answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// See [`Outcome::Done`].
    Done,
    /// See [`Outcome::NotSent`].
    NotSent,
    /// See [`Outcome::Declined`].
    Declined,
    /// See [`Outcome::Unknown`].
    Unknown,
}

impl<T> From<Outcome<T>> for Answer<T> {
    fn from(outcome: Outcome<T>) -> Self {
        let (status, result, reason) = match outcome {
            Outcome::Done(value) => (AnswerStatus::Done, Some(value), None),
            Outcome::NotSent(reason) => (AnswerStatus::NotSent, None, Some(reason)),
            Outcome::Declined(reason) => (AnswerStatus::Declined, None, Some(reason)),
            Outcome::Unknown(reason) => (AnswerStatus::Unknown, None, Some(reason)),
        };
        Self { status, result, reason }
    }
}

impl<T> From<Answer<T>> for Outcome<T> {
    /// An answer whose parts contradict its status says nothing certain: it becomes [`Outcome::Unknown`].
    fn from(answer: Answer<T>) -> Self {
        match (answer.status, answer.result, answer.reason) {
            (AnswerStatus::Done, Some(value), None) => Self::Done(value),
            (AnswerStatus::NotSent, None, Some(reason)) => Self::NotSent(reason),
            (AnswerStatus::Declined, None, Some(reason)) => Self::Declined(reason),
            (AnswerStatus::Unknown, None, Some(reason)) => Self::Unknown(reason),
            _ => Self::Unknown(Reason::new(ReasonCode::IntegrityFault, "status and content contradict each other")),
        }
    }
}

/// The result of a look-up by our own reference: "there is none" is an answer, not a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Found<T> {
    /// What the provider holds under our reference; absent when it holds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_survives_the_wire() {
        let reason = || Reason::new(ReasonCode::ProviderFault, "502");
        for outcome in
            [Outcome::Done(7), Outcome::NotSent(reason()), Outcome::Declined(reason()), Outcome::Unknown(reason())]
        {
            let text = serde_json::to_string(&Answer::from(outcome.clone())).unwrap();
            assert_eq!(Outcome::from(serde_json::from_str::<Answer<i32>>(&text).unwrap()), outcome);
        }
    }

    #[test]
    fn a_contradictory_answer_is_unknown_and_never_a_success_or_a_refusal() {
        let text = r#"{"status":"declined","result":7}"#;
        let outcome = Outcome::from(serde_json::from_str::<Answer<i32>>(text).unwrap());
        assert!(matches!(outcome, Outcome::Unknown(Reason { code: ReasonCode::IntegrityFault, .. })));
    }
}
