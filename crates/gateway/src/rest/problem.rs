//! Errors of the REST surface: one style for all.

use crate::store::StoreError;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;
use zhiyou_domain::port::{Reason, ReasonCode};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    body: ProblemBody,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// What to branch on.
    code: String,
    /// For a person; never a value of the request.
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, body: ProblemBody { code: code.to_owned(), message: message.to_owned() } }
    }

    /// What to branch on.
    pub(crate) fn code(&self) -> &str {
        &self.body.code
    }

    /// For a person.
    pub(crate) fn message(&self) -> &str {
        &self.body.message
    }

    /// Also what belongs to somebody else: nobody learns that it exists.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing")
    }

    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn conflict(code: &str, message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway could not carry out the request")
    }

    /// Neither yes nor no: the same request again is safe, and the only way to know.
    pub(crate) fn unknown(reason: &Reason) -> Self {
        tracing::warn!(code = ?reason.code, detail = %reason.detail, "a request's outcome is not known");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unknown", "the outcome is not known; send the same request again")
    }

    /// A definite no of the desk or the channel.
    pub(crate) fn declined(reason: &Reason) -> Self {
        tracing::info!(code = ?reason.code, detail = %reason.detail, "a request was declined");
        match reason.code {
            ReasonCode::OverLimit => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "over_limit", "more than is allowed per payment or per day")
            }
            ReasonCode::ChannelFailing => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "channel_failing",
                "the payment channel fails too often at the moment; nothing was sent",
            ),
            ReasonCode::InsufficientBalance => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "balance_low",
                "the merchant's balance does not cover it at the moment; send the same request again later",
            ),
            ReasonCode::AlreadyPaid => Self::conflict("already_paid", "the order is paid"),
            ReasonCode::AlreadyClosed => Self::conflict("order_cancelled", "the order is cancelled"),
            ReasonCode::PriceChanged
            | ReasonCode::OfferExpired
            | ReasonCode::SoldOut
            | ReasonCode::SeatTaken
            | ReasonCode::ServicesNotHoldable
            | ReasonCode::NotHoldable
            | ReasonCode::PaymentDeclined
            | ReasonCode::InvalidRequest
            | ReasonCode::VaultClosed
            | ReasonCode::NotFound
            | ReasonCode::Unauthorized
            | ReasonCode::RateLimited
            | ReasonCode::NotAllowed
            | ReasonCode::DependencyFailed
            | ReasonCode::Network
            | ReasonCode::ProviderFault
            | ReasonCode::IntegrityFault => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "declined", "the payment channel declined the request")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the gateway's own record failed");
        Self::internal()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.body.code, self.body.message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
