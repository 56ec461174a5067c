//! The envelope of Duffel's API v2, its error codes, amounts and times.
//!
//! Sources: duffel.com/docs, response handling and errors. Amounts are decimal texts and never pass through a float; local
//! times are joined with their zone. Deliberately not here: any resource.

use crate::http::{Answered, Failure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use zhiyou_domain::{
    money::{Money, MoneyError},
    port::{Outcome, Reason, ReasonCode, Word},
    time::{TimeError, UtcMicros},
};

/// `{"data": …}` with the cursor of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) data: T,
    #[serde(default)]
    pub(crate) meta: Option<Meta>,
}

/// Paging.
#[derive(Debug, Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    errors: Vec<ApiError>,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    #[serde(rename = "type")]
    kind: ErrorType,
    /// Usually a word, once seen as a number.
    #[serde(default)]
    code: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorType {
    ApiError,
    AirlineError,
    AuthenticationError,
    InvalidRequestError,
    InvalidStateError,
    RateLimitError,
    ValidationError,
    #[serde(other)]
    Unknown,
}

/// Error codes somebody branches on; every other refusal is an invalid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorCode {
    OfferNoLongerAvailable,
    OfferExpired,
    OfferRequestAlreadyBooked,
    PastPaymentRequiredByDate,
    OrderCancellationExpired,
    OrderCancellationStale,
    QuoteExpired,
    StaleAirlineInitiatedChangeAccept,
    PriceChanged,
    PaymentAmountDoesNotMatchOrderAmount,
    PaymentCurrencyDoesNotMatchOrderCurrency,
    #[serde(alias = "seat_taken", alias = "requested_seat_unavailable")]
    SeatUnavailable,
    PayLaterOrderNoPaymentForAncillaries,
    OfferRequiresInstantPayment,
    InsufficientBalance,
    PaymentDeclined,
    AlreadyPaid,
    AlreadyCancelled,
    #[serde(alias = "sold_out", alias = "no_availability")]
    RateUnavailable,
    NotFound,
    UnavailableFeature,
    UnsupportedAction,
    OrderNotChangeable,
    OrderNotCancellable,
    OrderNotCreated,
    OrderTypeNotEligibleForPayment,
    RateLimitExceeded,
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    fn read(code: &Value) -> Self {
        serde_json::from_value(code.clone()).unwrap_or(Self::Unknown)
    }

    const fn reason(self) -> ReasonCode {
        match self {
            Self::OfferNoLongerAvailable
            | Self::OfferExpired
            | Self::OfferRequestAlreadyBooked
            | Self::PastPaymentRequiredByDate
            | Self::OrderCancellationExpired
            | Self::OrderCancellationStale
            | Self::StaleAirlineInitiatedChangeAccept
            | Self::QuoteExpired => ReasonCode::OfferExpired,
            Self::PriceChanged
            | Self::PaymentAmountDoesNotMatchOrderAmount
            | Self::PaymentCurrencyDoesNotMatchOrderCurrency => ReasonCode::PriceChanged,
            Self::SeatUnavailable => ReasonCode::SeatTaken,
            Self::PayLaterOrderNoPaymentForAncillaries => ReasonCode::ServicesNotHoldable,
            Self::OfferRequiresInstantPayment => ReasonCode::NotHoldable,
            Self::InsufficientBalance => ReasonCode::InsufficientBalance,
            Self::PaymentDeclined => ReasonCode::PaymentDeclined,
            Self::AlreadyPaid => ReasonCode::AlreadyPaid,
            Self::AlreadyCancelled => ReasonCode::AlreadyClosed,
            Self::RateUnavailable | Self::OrderNotCreated => ReasonCode::SoldOut,
            Self::NotFound => ReasonCode::NotFound,
            Self::UnavailableFeature
            | Self::UnsupportedAction
            | Self::OrderNotChangeable
            | Self::OrderNotCancellable
            | Self::OrderTypeNotEligibleForPayment => ReasonCode::NotAllowed,
            Self::RateLimitExceeded => ReasonCode::RateLimited,
            Self::Unknown => ReasonCode::InvalidRequest,
        }
    }
}

/// How an exchange ended. 202 means "accepted, still processing": the result comes later, so it is unknown now.
pub(crate) fn ending<T: DeserializeOwned>(result: Result<Answered, Failure>) -> Outcome<Envelope<T>> {
    let answer = match result {
        Ok(answer) => answer,
        Err(failure) => return failure.into(),
    };
    match answer.status {
        200 | 201 => serde_json::from_slice(&answer.body).map_or_else(
            |error| fault(Word::from("status").and(answer.status).and(Word::named(&error))),
            Outcome::Done,
        ),
        202 => fault("accepted, still processing"),
        429 => Outcome::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
        400..=499 => refusal(&answer),
        502 if says_not_created(&answer) => refusal(&answer),
        status => fault(Word::from("status").and(status).and(code_of(&answer))),
    }
}

/// The one server error that is certain: the airline was asked and there is no order.
fn says_not_created(answer: &Answered) -> bool {
    let body = serde_json::from_slice::<ErrorBody>(&answer.body);
    body.is_ok_and(|body| body.errors.iter().any(|error| ErrorCode::read(&error.code) == ErrorCode::OrderNotCreated))
}

fn refusal<T>(answer: &Answered) -> Outcome<T> {
    let parsed = serde_json::from_slice::<ErrorBody>(&answer.body).ok().and_then(|body| body.errors.into_iter().next());
    // Without the supplier's error body somebody between us and the supplier answered.
    let Some(error) = parsed else {
        return fault(Word::from("status").and(answer.status).and("without an error body"));
    };
    let code = ErrorCode::read(&error.code);
    let reason = Reason::new(code.reason(), word(&error.code));
    match error.kind {
        ErrorType::ApiError => Outcome::Unknown(Reason { code: ReasonCode::ProviderFault, ..reason }),
        ErrorType::RateLimitError => Outcome::NotSent(Reason { code: ReasonCode::RateLimited, ..reason }),
        ErrorType::AirlineError
        | ErrorType::AuthenticationError
        | ErrorType::InvalidRequestError
        | ErrorType::InvalidStateError
        | ErrorType::ValidationError
        | ErrorType::Unknown => Outcome::Declined(reason),
    }
}

/// The code alone: the message answers a request that named people, and may repeat them.
fn word(code: &Value) -> Word {
    code.as_str().map_or_else(|| Word::said(&code.to_string()), Word::said)
}

fn code_of(answer: &Answered) -> Word {
    let body = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
    let error = body.and_then(|body| body.errors.into_iter().next());
    error.map_or_else(|| Word::from("without a code"), |error| word(&error.code))
}

/// The supplier failed or said something unreadable.
pub(crate) fn fault<T>(text: impl Into<Word>) -> Outcome<T> {
    Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, text))
}

/// A definite no of our own.
pub(crate) fn declined<T>(code: ReasonCode, text: &'static str) -> Outcome<T> {
    Outcome::Declined(Reason::new(code, text))
}

/// Turns a failed conversion of an answer into its ending.
pub(crate) fn converted<T>(result: Result<T, Unreadable>) -> Outcome<T> {
    result.map_or_else(|error| fault(Word::named(&error)), Outcome::Done)
}

/// An answer that does not read as documented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// An amount.
    #[error("amount: {0}")]
    Money(#[from] MoneyError),
    /// A time.
    #[error("time: {0}")]
    Time(#[from] TimeError),
    /// Something is missing.
    #[error("missing: {0}")]
    Missing(&'static str),
}

/// An amount and its sibling currency.
pub(crate) fn money(amount: &str, currency: &str) -> Result<Money, Unreadable> {
    Ok(Money::parse_decimal(amount, currency.parse()?)?)
}

/// An amount that may be absent; absent without an amount.
pub(crate) fn optional_money(amount: Option<&str>, currency: Option<&str>) -> Result<Option<Money>, Unreadable> {
    amount.zip(currency).map(|(amount, currency)| money(amount, currency)).transpose()
}

/// An instant.
pub(crate) fn instant(text: &str) -> Result<UtcMicros, Unreadable> {
    Ok(UtcMicros::parse_rfc3339(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Outcome<Envelope<Value>> {
        let body = format!(r#"{{"errors":[{{"type":"airline_error","code":"{code}","message":"no"}}]}}"#);
        ending(Ok(Answered { status, headers: axum::http::HeaderMap::new(), body: body.into_bytes() }))
    }

    #[test]
    fn sg_19_only_the_answer_that_says_for_sure_that_nothing_was_made_is_a_refusal() {
        assert!(matches!(answered(502, "order_not_created"), Outcome::Declined(_)));
        for other in ["airline_unknown", "airline_internal", "order_not_created_yet"] {
            assert!(matches!(answered(502, other), Outcome::Unknown(_)), "{other}");
        }
        assert!(matches!(answered(500, "order_not_created"), Outcome::Unknown(_)), "not documented there");
    }
}
