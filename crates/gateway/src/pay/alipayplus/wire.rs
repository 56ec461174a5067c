//! What the payments interface of Alipay+ sends and takes, and what its words mean to us.
//!
//! Sources: docs.antom.com (pay, inquiryPayment, cancel, refund, inquiryRefund, notifyPayment, notifyRefund, payment status),
//! the models of `global-open-sdk-python` 1.7.1. Words that are in the table below and were in no page that could be read are
//! marked there. Enums of the channel are open: a word we do not know is `Unknown`, which is never success or failure.
//! Deliberately not here: signatures, transport.

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use zhiyou_domain::{
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{DisputeState, PaymentState, RefundState},
    },
};

/// Currencies we offer here, all of two places; which ones a merchant may charge is in its contract.
pub(crate) static CURRENCIES: LazyLock<Vec<Currency>> = LazyLock::new(|| {
    let codes = ["CNY", "EUR", "USD"];
    Currency::all().filter(|currency| codes.contains(&currency.code())).collect()
});

/// Longest amount that is read, digits.
const DIGITS_MAX: usize = 15;

/// An amount: whole smallest units as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) currency: String,
    pub(crate) value: String,
}

impl Amount {
    /// As the channel writes it.
    pub(crate) fn of(money: Money) -> Self {
        Self { currency: money.currency().code().to_owned(), value: money.minor().to_string() }
    }

    /// Ours; no sign, blank, point or leading nought.
    pub(crate) fn money(&self) -> Result<Money, &'static str> {
        let known = |currency: &&Currency| currency.code() == self.currency;
        let currency = CURRENCIES.iter().find(known).ok_or("in another currency")?;
        let plain = self.value.bytes().all(|byte| byte.is_ascii_digit()) && !self.value.starts_with('0');
        if self.value.is_empty() || self.value.len() > DIGITS_MAX || !plain {
            return Err("an impossible amount");
        }
        let minor = self.value.parse().map_err(|_| "an impossible amount")?;
        Money::new(minor, *currency).map_err(|_| "an impossible amount")
    }
}

/// Body of `pay`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pay<'a> {
    pub(crate) product_code: &'static str,
    pub(crate) payment_request_id: &'a str,
    pub(crate) payment_amount: &'a Amount,
    pub(crate) payment_method: PaymentMethod<'a>,
    pub(crate) order: Order<'a>,
    pub(crate) env: Env,
    /// The channel lets nobody pay afterwards. Absolute, so that asking again sends the same.
    pub(crate) payment_expiry_time: &'a str,
    pub(crate) payment_redirect_url: &'a str,
    pub(crate) payment_notify_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) settlement_strategy: Option<Settlement<'a>>,
}

/// How is paid.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentMethod<'a> {
    pub(crate) payment_method_type: &'a str,
}

/// What is bought.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order<'a> {
    pub(crate) reference_order_id: &'a str,
    pub(crate) order_description: &'a str,
    pub(crate) order_amount: &'a Amount,
    pub(crate) buyer: Buyer<'a>,
}

/// Who buys: a number of ours that says nothing about a person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buyer<'a> {
    pub(crate) reference_buyer_id: &'a str,
}

/// Where is bought.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Env {
    pub(crate) terminal_type: &'static str,
}

/// What the merchant is paid out in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settlement<'a> {
    pub(crate) settlement_currency: &'a str,
}

/// Body of `inquiryPayment` and `cancel`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Named<'a> {
    pub(crate) payment_request_id: &'a str,
}

/// Body of `refund`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRefund<'a> {
    pub(crate) refund_request_id: &'a str,
    pub(crate) payment_id: &'a str,
    pub(crate) refund_amount: &'a Amount,
    pub(crate) refund_reason: &'a str,
    pub(crate) refund_notify_url: &'a str,
}

/// Body of `inquiryRefund`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryRefund<'a> {
    pub(crate) refund_request_id: &'a str,
}

/// What every answer has in it.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) result: Said,
}

/// How a call ended, or how a payment or refund did in a notification.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) result_status: Status,
    pub(crate) result_code: Code,
}

/// The status of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Status {
    S,
    F,
    U,
    #[serde(other)]
    Unknown,
}

/// Answer to `pay`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paid {
    pub(crate) payment_request_id: String,
    pub(crate) payment_id: String,
    pub(crate) payment_amount: Option<Amount>,
    /// The page to open.
    pub(crate) normal_url: Option<String>,
}

/// Answer to `inquiryPayment`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) payment_request_id: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) payment_status: PaymentStatus,
    pub(crate) payment_result_code: Option<Code>,
    pub(crate) payment_amount: Option<Amount>,
    pub(crate) payment_time: Option<String>,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PaymentStatus {
    /// Opened, and not paid yet.
    Processing,
    /// The payer is done, the money is not there yet.
    Pending,
    Success,
    Fail,
    Cancelled,
    #[serde(other)]
    Unknown,
}

impl PaymentStatus {
    /// What it means. Who waited too long failed too; the code beside it tells.
    pub(crate) const fn ours(self, code: Option<Code>) -> PaymentState {
        match self {
            Self::Processing => PaymentState::RequiresAction,
            Self::Pending | Self::Unknown => PaymentState::Processing,
            Self::Success => PaymentState::Captured,
            Self::Fail => match code {
                Some(Code::OrderIsClosed | Code::OrderIsCanceled) => PaymentState::Closed,
                Some(_) | None => PaymentState::Failed,
            },
            Self::Cancelled => PaymentState::Closed,
        }
    }
}

/// Answer to `cancel`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancelled {
    pub(crate) payment_request_id: Option<String>,
}

/// Answer to `refund`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refunded {
    pub(crate) refund_request_id: Option<String>,
    pub(crate) refund_id: Option<String>,
    pub(crate) payment_id: Option<String>,
    pub(crate) refund_amount: Option<Amount>,
}

/// Answer to `inquiryRefund`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundFound {
    pub(crate) refund_request_id: Option<String>,
    pub(crate) refund_id: Option<String>,
    pub(crate) refund_amount: Option<Amount>,
    pub(crate) refund_status: RefundStatus,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RefundStatus {
    #[serde(alias = "PENDING")]
    Processing,
    Success,
    Fail,
    Cancelled,
    #[serde(other)]
    Unknown,
}

impl RefundStatus {
    /// What it means; a word we do not know is still on its way.
    pub(crate) const fn ours(self) -> RefundState {
        match self {
            Self::Success => RefundState::Succeeded,
            Self::Fail | Self::Cancelled => RefundState::Failed,
            Self::Processing | Self::Unknown => RefundState::Pending,
        }
    }
}

/// A notification. Of a dispute it has neither a type nor a result, but a type of its own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Event {
    Dispute(Dispute),
    Result(Resulted),
}

/// A notification of a payment or of a refund.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resulted {
    pub(crate) notify_type: String,
    pub(crate) result: Said,
    pub(crate) payment_request_id: Option<String>,
    pub(crate) refund_request_id: Option<String>,
}

/// A payer wants a payment back, or wanted. Source: docs.antom.com/ac/ams/notify_dispute.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dispute {
    pub(crate) dispute_notification_type: DisputeNews,
    pub(crate) dispute_id: String,
    /// Our number of the payment.
    pub(crate) payment_request_id: String,
    /// What it is about; said when it begins.
    pub(crate) dispute_amount: Option<Amount>,
    /// What the merchant is charged; said when it is judged.
    pub(crate) dispute_judged_amount: Option<Amount>,
    pub(crate) dispute_judged_result: Option<Judgement>,
}

/// What happened to a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DisputeNews {
    DisputeCreated,
    DisputeJudged,
    /// By the payer.
    DisputeCancelled,
    /// By the merchant: whoever accepts it pays.
    DisputeAccepted,
    /// Settled between the banks before it became one; for whom is not said.
    RdrResolved,
    /// `DEFENSE_SUPPLIED`, `DEFENSE_DUE_ALERT` and what may come.
    #[serde(other)]
    Unknown,
}

/// For whom a dispute was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Judgement {
    /// The payer bears it: the money is ours.
    AcceptByCustomer,
    /// The merchant bears it.
    AcceptByMerchant,
    /// What was sent is in order or is not, and what may come: nothing is decided.
    #[serde(other)]
    Unknown,
}

impl Dispute {
    /// Ours; none where nothing is decided by it.
    pub(crate) const fn state(&self) -> Option<DisputeState> {
        match (self.dispute_notification_type, self.dispute_judged_result) {
            (DisputeNews::DisputeCreated | DisputeNews::RdrResolved, _) => Some(DisputeState::Open),
            (DisputeNews::DisputeJudged, Some(Judgement::AcceptByMerchant)) | (DisputeNews::DisputeAccepted, _) => {
                Some(DisputeState::Lost)
            }
            (DisputeNews::DisputeJudged, Some(Judgement::AcceptByCustomer)) | (DisputeNews::DisputeCancelled, _) => {
                Some(DisputeState::Won)
            }
            (DisputeNews::DisputeJudged, None | Some(Judgement::Unknown)) | (DisputeNews::Unknown, _) => None,
        }
    }

    /// What it is about, where that is said: of a lost one what we are charged.
    pub(crate) fn about(&self) -> Result<Option<Money>, &'static str> {
        let judged = self.dispute_judged_amount.as_ref().filter(|_| self.state() == Some(DisputeState::Lost));
        judged.or(self.dispute_amount.as_ref()).map(Amount::money).transpose()
    }
}

/// Result codes somebody branches on. Those from `UserBalanceNotEnough` on are known from the pages on Alipay+'s inquiry and
/// from memory; they are told with `F` only, so that what is not in this table costs a question and never money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Code {
    Success,
    PaymentInProcess,
    RefundInProcess,
    OrderNotExist,
    RefundNotExist,
    OrderIsClosed,
    OrderIsCanceled,
    OrderStatusInvalid,
    RepeatReqInconsistent,
    CancelWindowExceed,
    CancelNotAllowed,
    RefundAmountExceed,
    RefundWindowExceed,
    #[serde(alias = "PARTIAL_REFUND_NOT_SUPPORTED", alias = "MULTIPLE_REFUNDS_NOT_SUPPORTED")]
    RefundNotSupported,
    MerchantBalanceNotEnough,
    AccessDenied,
    InvalidMerchantStatus,
    #[serde(alias = "MERCHANT_KYB_NOT_QUALIFIED", alias = "SETTLE_CONTRACT_NOT_MATCH")]
    MerchantNotRegistered,
    CurrencyNotSupport,
    ParamIllegal,
    #[serde(alias = "CLIENT_INVALID", alias = "KEY_NOT_FOUND")]
    InvalidSignature,
    #[serde(alias = "NO_INTERFACE_DEF", alias = "METHOD_NOT_SUPPORTED", alias = "MEDIA_TYPE_NOT_ACCEPTABLE")]
    InvalidApi,
    #[serde(alias = "PAYMENT_COUNT_EXCEED_LIMIT")]
    PaymentAmountExceedLimit,
    RiskReject,
    #[serde(alias = "PAYMENT_NOT_QUALIFIED")]
    NoPayOptions,
    UserBalanceNotEnough,
    #[serde(
        alias = "USER_NOT_EXIST",
        alias = "USER_STATUS_ABNORMAL",
        alias = "USER_PAYMENT_VERIFICATION_FAILED",
        alias = "USER_KYC_NOT_QUALIFIED",
        alias = "UNAVAILABLE_PAYMENT_METHOD"
    )]
    UserAmountExceedLimit,
    #[serde(other)]
    Unknown,
}

impl Code {
    /// What a failure (`F`) with this code means. A number that was used with another amount may be our own earlier request;
    /// the channel's own failures and what is not in the table are no definite no: only a look-up can tell.
    pub(crate) fn ending<T>(self) -> Outcome<T> {
        let reason = |code| Reason::new(code, Word::named(&self));
        let code = match self {
            Self::RepeatReqInconsistent => return Outcome::Unknown(reason(ReasonCode::IntegrityFault)),
            Self::Success | Self::PaymentInProcess | Self::RefundInProcess | Self::Unknown => {
                return Outcome::Unknown(reason(ReasonCode::ProviderFault));
            }
            Self::OrderNotExist | Self::RefundNotExist => ReasonCode::NotFound,
            Self::OrderIsClosed | Self::OrderIsCanceled => ReasonCode::AlreadyClosed,
            Self::OrderStatusInvalid
            | Self::CancelWindowExceed
            | Self::CancelNotAllowed
            | Self::RefundAmountExceed
            | Self::RefundWindowExceed
            | Self::RefundNotSupported
            | Self::AccessDenied
            | Self::InvalidMerchantStatus
            | Self::MerchantNotRegistered => ReasonCode::NotAllowed,
            Self::MerchantBalanceNotEnough => ReasonCode::InsufficientBalance,
            Self::InvalidSignature => ReasonCode::Unauthorized,
            Self::CurrencyNotSupport | Self::ParamIllegal | Self::InvalidApi => ReasonCode::InvalidRequest,
            Self::PaymentAmountExceedLimit
            | Self::RiskReject
            | Self::NoPayOptions
            | Self::UserBalanceNotEnough
            | Self::UserAmountExceedLimit => ReasonCode::PaymentDeclined,
        };
        Outcome::Declined(reason(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_smallest_units_of_three_currencies_both_ways() {
        for (minor, code, text) in [(29_901, "USD", "29901"), (5, "EUR", "5"), (1, "CNY", "1")] {
            let money = Money::new(minor, code.parse().unwrap()).unwrap();
            let written = Amount::of(money);
            assert_eq!((written.value.as_str(), written.currency.as_str()), (text, code));
            assert_eq!(written.money(), Ok(money));
        }
        let codes: Vec<&str> = CURRENCIES.iter().map(|currency| currency.code()).collect();
        assert_eq!(codes, ["CNY", "EUR", "USD"]);
    }

    #[test]
    fn wh_18_an_amount_that_is_no_whole_number_or_in_another_currency_is_refused() {
        for (currency, value) in [
            ("USD", ""),
            ("USD", "0"),
            ("USD", "-1"),
            ("USD", "+1"),
            ("USD", "029901"),
            ("USD", "299.01"),
            ("USD", "2.9901e2"),
            ("USD", " 1"),
            ("USD", "1 "),
            ("USD", "٣"),
            ("USD", "9999999999999999"),
            ("JPY", "29901"),
            ("usd", "29901"),
            ("XXX", "1"),
        ] {
            let amount = Amount { currency: currency.to_owned(), value: value.to_owned() };
            assert!(amount.money().is_err(), "{currency} {value:?}");
        }
        assert!(serde_json::from_str::<Amount>(r#"{"currency":"USD","value":29901}"#).is_err(), "a number is no text");
    }

    #[test]
    fn every_status_word_means_what_it_should_and_one_we_do_not_know_is_still_pending() {
        let payment = |word: &str, code: Option<Code>| {
            serde_json::from_str::<PaymentStatus>(&format!("{word:?}")).unwrap().ours(code)
        };
        for (word, code, ours) in [
            ("PROCESSING", None, PaymentState::RequiresAction),
            ("PENDING", None, PaymentState::Processing),
            ("SUCCESS", Some(Code::Success), PaymentState::Captured),
            ("FAIL", Some(Code::RiskReject), PaymentState::Failed),
            ("FAIL", None, PaymentState::Failed),
            ("FAIL", Some(Code::OrderIsClosed), PaymentState::Closed),
            ("CANCELLED", None, PaymentState::Closed),
            ("SOMETHING_NEW", None, PaymentState::Processing),
        ] {
            assert_eq!(payment(word, code), ours, "{word} {code:?}");
        }
        for (word, ours) in [
            ("SUCCESS", RefundState::Succeeded),
            ("FAIL", RefundState::Failed),
            ("PROCESSING", RefundState::Pending),
            ("PENDING", RefundState::Pending),
            ("SOMETHING_NEW", RefundState::Pending),
        ] {
            assert_eq!(serde_json::from_str::<RefundStatus>(&format!("{word:?}")).unwrap().ours(), ours, "{word}");
        }
    }

    #[test]
    fn ap_05_a_failure_is_a_definite_no_only_when_its_code_is_in_the_table() {
        let ending = |word: &str| match serde_json::from_str::<Code>(&format!("{word:?}")).unwrap().ending::<()>() {
            Outcome::Declined(reason) => ("declined", reason.code),
            Outcome::Unknown(reason) => ("unknown", reason.code),
            Outcome::NotSent(_) | Outcome::Done(()) => panic!("{word}"),
        };
        for (word, wanted) in [
            ("ORDER_NOT_EXIST", ("declined", ReasonCode::NotFound)),
            ("ORDER_IS_CLOSED", ("declined", ReasonCode::AlreadyClosed)),
            ("REFUND_AMOUNT_EXCEED", ("declined", ReasonCode::NotAllowed)),
            ("MULTIPLE_REFUNDS_NOT_SUPPORTED", ("declined", ReasonCode::NotAllowed)),
            ("MERCHANT_BALANCE_NOT_ENOUGH", ("declined", ReasonCode::InsufficientBalance)),
            ("RISK_REJECT", ("declined", ReasonCode::PaymentDeclined)),
            ("KEY_NOT_FOUND", ("declined", ReasonCode::Unauthorized)),
            ("PARAM_ILLEGAL", ("declined", ReasonCode::InvalidRequest)),
            ("REPEAT_REQ_INCONSISTENT", ("unknown", ReasonCode::IntegrityFault)),
            ("PROCESS_FAIL", ("unknown", ReasonCode::ProviderFault)),
            ("SYSTEM_ERROR", ("unknown", ReasonCode::ProviderFault)),
            ("SUCCESS", ("unknown", ReasonCode::ProviderFault)),
            ("NEVER_HEARD_OF", ("unknown", ReasonCode::ProviderFault)),
        ] {
            assert_eq!(ending(word), wanted, "{word}");
        }
    }
}
