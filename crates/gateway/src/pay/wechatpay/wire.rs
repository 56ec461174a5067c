//! What WeChat Pay API v3 sends and takes, and what its words mean to us.
//!
//! Sources: pay.weixin.qq.com native payment, query, close and refund pages. Enums of the channel are open: a word we do not
//! know is `Unknown`, which is "still pending" and never success or failure. Deliberately not here: signatures, transport.

use serde::{Deserialize, Serialize};
use zhiyou_domain::port::{
    Outcome, Reason, ReasonCode, Word,
    payments::{PaymentState, RefundState},
};

/// Body of `POST /v3/pay/transactions/{native,h5,jsapi,app}`.
#[derive(Debug, Serialize)]
pub(crate) struct Create<'a> {
    pub(crate) appid: &'a str,
    pub(crate) mchid: &'a str,
    pub(crate) description: &'a str,
    pub(crate) out_trade_no: &'a str,
    /// RFC 3339 with +08:00; fixed at the first create.
    pub(crate) time_expire: &'a str,
    pub(crate) notify_url: &'a str,
    pub(crate) amount: Amount,
    /// Only with `h5`, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scene_info: Option<SceneInfo>,
    /// Only with `jsapi`, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payer: Option<Payer<'a>>,
}

/// Where a page is opened.
#[derive(Debug, Serialize)]
pub(crate) struct SceneInfo {
    pub(crate) payer_client_ip: String,
    pub(crate) h5_info: H5Info,
}

/// What opens a page.
#[derive(Debug, Serialize)]
pub(crate) struct H5Info {
    /// `Wap`: a browser. `iOS` and `Android` are apps that show the page themselves.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// Who pays.
#[derive(Debug, Serialize)]
pub(crate) struct Payer<'a> {
    pub(crate) openid: &'a str,
}

/// An amount in fen.
#[derive(Debug, Serialize)]
pub(crate) struct Amount {
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
}

/// Answer to a create: one of them, by what was asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    #[serde(default)]
    pub(crate) code_url: String,
    #[serde(default)]
    pub(crate) h5_url: String,
    #[serde(default)]
    pub(crate) prepay_id: String,
}

/// What a page inside of WeChat hands to `WeixinJSBridge`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JsapiParameters<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) time_stamp: &'a str,
    pub(crate) nonce_str: &'a str,
    /// `prepay_id=…`
    pub(crate) package: &'a str,
    pub(crate) sign_type: &'static str,
    pub(crate) pay_sign: &'a str,
}

/// What an app hands to WeChat's SDK.
#[derive(Debug, Serialize)]
pub(crate) struct AppParameters<'a> {
    pub(crate) appid: &'a str,
    pub(crate) partnerid: &'a str,
    pub(crate) prepayid: &'a str,
    pub(crate) package: &'static str,
    pub(crate) noncestr: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) sign: &'a str,
}

/// Body of a close.
#[derive(Debug, Serialize)]
pub(crate) struct Close<'a> {
    pub(crate) mchid: &'a str,
}

/// Answer to a query, and the resource of a `TRANSACTION.SUCCESS` notification.
#[derive(Debug, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) appid: String,
    pub(crate) mchid: String,
    pub(crate) out_trade_no: String,
    pub(crate) transaction_id: Option<String>,
    pub(crate) trade_state: TradeState,
    pub(crate) success_time: Option<String>,
    pub(crate) amount: Option<TransactionAmount>,
}

/// The order's amount; what the payer paid may be less with coupons and is not compared.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionAmount {
    pub(crate) total: Option<i64>,
    pub(crate) currency: Option<String>,
}

/// States of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TradeState {
    Success,
    Refund,
    #[serde(rename = "NOTPAY")]
    NotPay,
    Closed,
    Revoked,
    #[serde(rename = "USERPAYING")]
    UserPaying,
    #[serde(rename = "PAYERROR")]
    PayError,
    Accept,
    #[serde(other)]
    Unknown,
}

impl TradeState {
    /// Ours.
    pub(crate) const fn ours(self) -> PaymentState {
        match self {
            Self::Success | Self::Refund => PaymentState::Captured,
            Self::NotPay => PaymentState::RequiresAction,
            Self::Closed | Self::Revoked => PaymentState::Closed,
            Self::PayError => PaymentState::Failed,
            Self::UserPaying | Self::Accept | Self::Unknown => PaymentState::Processing,
        }
    }
}

/// Body of `POST /v3/refund/domestic/refunds`.
#[derive(Debug, Serialize)]
pub(crate) struct CreateRefund<'a> {
    pub(crate) out_trade_no: &'a str,
    pub(crate) out_refund_no: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) notify_url: &'a str,
    pub(crate) amount: RefundAmount,
}

/// Amounts of a refund in fen.
#[derive(Debug, Serialize)]
pub(crate) struct RefundAmount {
    pub(crate) refund: i64,
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
}

/// Answer about a refund, and the resource of a `REFUND.*` notification (where the state is `refund_status`).
#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    /// Only in notifications.
    pub(crate) mchid: Option<String>,
    pub(crate) out_trade_no: String,
    pub(crate) out_refund_no: String,
    #[serde(alias = "refund_status")]
    pub(crate) status: RefundStatus,
    pub(crate) amount: RefundedAmount,
}

/// Amounts of a refund as the channel tells them; notifications leave the currency out.
#[derive(Debug, Deserialize)]
pub(crate) struct RefundedAmount {
    pub(crate) total: i64,
    pub(crate) refund: i64,
    pub(crate) currency: Option<String>,
}

/// States of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RefundStatus {
    Success,
    Processing,
    Closed,
    Abnormal,
    #[serde(other)]
    Unknown,
}

impl RefundStatus {
    /// Ours.
    pub(crate) const fn ours(self) -> RefundState {
        match self {
            Self::Success => RefundState::Succeeded,
            Self::Processing | Self::Unknown => RefundState::Pending,
            Self::Closed => RefundState::Failed,
            Self::Abnormal => RefundState::NeedsManual,
        }
    }
}

/// Answer to `GET /v3/bill/tradebill`: where the bill lies, and what its bytes have to hash to.
#[derive(Debug, Deserialize)]
pub(crate) struct BillPlace {
    pub(crate) hash_type: String,
    pub(crate) hash_value: String,
    pub(crate) download_url: String,
}

/// Answer to `GET /v3/certificates`.
#[derive(Debug, Deserialize)]
pub(crate) struct Certificates {
    pub(crate) data: Vec<Certificate>,
}

/// A platform certificate; its own times count, not those told beside it.
#[derive(Debug, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) serial_no: String,
    pub(crate) encrypt_certificate: Encrypted,
}

/// A certificate as it travels.
#[derive(Debug, Deserialize)]
pub(crate) struct Encrypted {
    pub(crate) algorithm: String,
    pub(crate) ciphertext: String,
    #[serde(default)]
    pub(crate) associated_data: String,
    pub(crate) nonce: String,
}

/// A notification before its resource is opened.
#[derive(Debug, Deserialize)]
pub(crate) struct Notification {
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) resource: Resource,
}

/// The encrypted part of a notification.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) original_type: String,
    pub(crate) algorithm: String,
    pub(crate) ciphertext: String,
    #[serde(default)]
    pub(crate) associated_data: String,
    pub(crate) nonce: String,
}

/// An error body.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) code: ErrorCode,
}

/// Error codes somebody branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorCode {
    #[serde(rename = "ORDERPAID", alias = "ORDER_PAID")]
    OrderPaid,
    #[serde(alias = "ORDERCLOSED")]
    OrderClosed,
    #[serde(alias = "ORDERNOTEXIST", alias = "ORDER_NOT_EXISTS")]
    OrderNotExist,
    #[serde(alias = "RESOURCE_NOT_EXIST")]
    ResourceNotExists,
    OutTradeNoUsed,
    NotEnough,
    NoAuth,
    RuleLimit,
    TradeError,
    AccountError,
    UserAccountAbnormal,
    ParamError,
    InvalidRequest,
    AppidMchidNotMatch,
    MchNotExists,
    SignError,
    #[serde(alias = "FREQUENCY_LIMIT", alias = "RATELIMIT_EXCEEDED")]
    FrequencyLimited,
    /// There is no bill of that day: not made yet, or nothing was paid.
    NoStatementExist,
    StatementCreating,
    SystemError,
    BankError,
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// What a definite refusal with this code means. The channel's own failures are unknown whatever their status; a
    /// number that exists with other content may be our own earlier request, so only a look-up can tell.
    pub(crate) fn ending<T>(self) -> Outcome<T> {
        let reason = |code| Reason::new(code, Word::named(&self));
        let code = match self {
            Self::SystemError | Self::BankError => return Outcome::Unknown(reason(ReasonCode::ProviderFault)),
            Self::OutTradeNoUsed => return Outcome::Unknown(reason(ReasonCode::IntegrityFault)),
            Self::FrequencyLimited => return Outcome::NotSent(reason(ReasonCode::RateLimited)),
            Self::OrderPaid => ReasonCode::AlreadyPaid,
            Self::OrderClosed => ReasonCode::AlreadyClosed,
            Self::OrderNotExist | Self::ResourceNotExists | Self::NoStatementExist | Self::StatementCreating => {
                ReasonCode::NotFound
            }
            Self::NotEnough => ReasonCode::InsufficientBalance,
            Self::NoAuth | Self::RuleLimit | Self::TradeError | Self::AccountError | Self::UserAccountAbnormal => {
                ReasonCode::NotAllowed
            }
            Self::AppidMchidNotMatch | Self::MchNotExists | Self::SignError => ReasonCode::Unauthorized,
            Self::ParamError | Self::InvalidRequest | Self::Unknown => ReasonCode::InvalidRequest,
        };
        Outcome::Declined(reason(code))
    }
}
