//! What PayPal Orders v2 and Payments v2 send and take, and what their words mean to us.
//!
//! Sources: paypal-rest-api-specifications (Orders v2, Payments v2), the TypeScript server SDK's models. Enums of the channel
//! are open: a word we do not know is `Unknown`, which is "still pending" and never success or failure. Deliberately not
//! here: transport, tokens, signatures.

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use zhiyou_domain::{
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{Bounds, DisputeState, RefundState},
    },
};

/// Currencies the channel charges and we offer; CNY it charges within China only.
pub(crate) static CURRENCIES: LazyLock<Vec<Currency>> = LazyLock::new(|| {
    let codes = ["AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD"];
    Currency::all().filter(|currency| codes.contains(&currency.code())).collect()
});

/// The most of one payment in dollars, cents: "cannot exceed $10,000 USD in any currency", as PayPal's reference of its older
/// checkout calls writes for amounts (developer.paypal.com/api/nvp-soap/set-express-checkout-nvp) and its merchant library for
/// `CurrencyCodeType`. The pages on the calls we make name no most; what it is in another currency is the channel's to say.
const MOST_USD: i64 = 1_000_000;

/// How much one payment can be.
static BOUNDS: LazyLock<Vec<Bounds>> = LazyLock::new(|| {
    let dollars = CURRENCIES.iter().copied().filter(|currency| currency.code() == "USD");
    dollars.map(|currency| Bounds { currency, least: None, most: Some(MOST_USD) }).collect()
});

/// How much one payment can be.
pub(crate) fn bounds() -> &'static [Bounds] {
    &BOUNDS
}

/// Currencies whose amounts the channel takes without decimals, whatever ISO 4217 says.
const WHOLE: [&str; 3] = ["HUF", "JPY", "TWD"];

/// An amount: decimal text with the currency's own number of places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) currency_code: String,
    pub(crate) value: String,
}

impl Amount {
    /// As the channel writes it; none for an amount it cannot express.
    pub(crate) fn of(money: Money) -> Option<Self> {
        let code = money.currency().code();
        let decimal = money.to_decimal();
        let value = match decimal.split_once('.') {
            Some((whole, part)) if WHOLE.contains(&code) => {
                part.bytes().all(|byte| byte == b'0').then(|| whole.to_owned())?
            }
            Some(_) | None => decimal,
        };
        Some(Self { currency_code: code.to_owned(), value })
    }

    /// Ours, of either sign and in any currency that is known: what a bill says moved.
    pub(crate) fn moved(&self) -> Result<Money, &'static str> {
        let currency: Currency = self.currency_code.parse().map_err(|_| "in an unknown currency")?;
        Money::parse_decimal(&self.value, currency).map_err(|_| "an impossible amount")
    }

    /// Ours; more decimals than the currency has is no amount.
    pub(crate) fn money(&self) -> Result<Money, &'static str> {
        let currency: Currency = self.currency_code.parse().map_err(|_| "in another currency")?;
        if !CURRENCIES.contains(&currency) {
            return Err("in another currency");
        }
        let places = self.value.split_once('.').map_or(0, |(_, part)| part.len());
        if places > usize::from(currency.exponent()) {
            return Err("an impossible amount");
        }
        Money::parse_decimal(&self.value, currency)
            .ok()
            .filter(|amount| amount.is_positive())
            .ok_or("an impossible amount")
    }
}

/// Body of `POST /v2/checkout/orders`.
#[derive(Debug, Serialize)]
pub(crate) struct CreateOrder<'a> {
    pub(crate) intent: Intent,
    pub(crate) purchase_units: [NewUnit<'a>; 1],
    pub(crate) payment_source: PaymentSource<'a>,
}

/// What is bought.
#[derive(Debug, Serialize)]
pub(crate) struct NewUnit<'a> {
    pub(crate) custom_id: &'a str,
    pub(crate) invoice_id: &'a str,
    pub(crate) description: &'a str,
    pub(crate) amount: Amount,
}

/// How it is paid.
#[derive(Debug, Serialize)]
pub(crate) struct PaymentSource<'a> {
    pub(crate) paypal: Wallet<'a>,
}

/// The channel's own wallet.
#[derive(Debug, Serialize)]
pub(crate) struct Wallet<'a> {
    pub(crate) experience_context: Experience<'a>,
}

/// What the payer sees, and where the payer comes back to.
#[derive(Debug, Serialize)]
pub(crate) struct Experience<'a> {
    pub(crate) return_url: &'a str,
    pub(crate) cancel_url: &'a str,
    pub(crate) shipping_preference: &'static str,
    pub(crate) user_action: &'static str,
    pub(crate) payment_method_preference: &'static str,
}

/// Whether the money is taken or only set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Intent {
    Capture,
    Authorize,
    #[serde(other)]
    Unknown,
}

/// An order.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) status: OrderStatus,
    pub(crate) intent: Option<Intent>,
    pub(crate) update_time: Option<String>,
    /// How the payer pays; only ever compared.
    pub(crate) payment_source: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) purchase_units: Vec<Unit>,
    #[serde(default)]
    pub(crate) links: Vec<Link>,
}

/// States of an order. `Completed` may hold a declined payment: the captures decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OrderStatus {
    Created,
    Saved,
    Approved,
    PayerActionRequired,
    Completed,
    Voided,
    #[serde(other)]
    Unknown,
}

/// What was bought and what was paid for it.
#[derive(Debug, Deserialize)]
pub(crate) struct Unit {
    pub(crate) custom_id: Option<String>,
    pub(crate) amount: Option<Amount>,
    #[serde(default)]
    pub(crate) payments: Payments,
}

/// Payments of a purchase unit.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Payments {
    #[serde(default)]
    pub(crate) captures: Vec<Capture>,
    #[serde(default)]
    pub(crate) authorizations: Vec<Authorization>,
}

/// Money taken.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Capture {
    pub(crate) id: String,
    pub(crate) status: CaptureStatus,
    pub(crate) amount: Option<Amount>,
    pub(crate) custom_id: Option<String>,
    pub(crate) create_time: Option<String>,
}

/// States of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CaptureStatus {
    Completed,
    PartiallyRefunded,
    Refunded,
    Pending,
    Declined,
    Failed,
    #[serde(other)]
    Unknown,
}

/// Money set aside.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) id: String,
    pub(crate) status: AuthorizationStatus,
    pub(crate) custom_id: Option<String>,
}

/// States of an authorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AuthorizationStatus {
    Created,
    Captured,
    PartiallyCaptured,
    Denied,
    Voided,
    Expired,
    Pending,
    #[serde(other)]
    Unknown,
}

/// An address the channel offers.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) rel: String,
}

/// Body of `POST /v2/payments/authorizations/{id}/capture`.
#[derive(Debug, Serialize)]
pub(crate) struct TakePart<'a> {
    pub(crate) amount: Amount,
    pub(crate) invoice_id: &'a str,
    pub(crate) final_capture: bool,
}

/// Body of `POST /v2/payments/captures/{id}/refund`.
#[derive(Debug, Serialize)]
pub(crate) struct CreateRefund<'a> {
    pub(crate) amount: Amount,
    pub(crate) custom_id: &'a str,
    pub(crate) invoice_id: &'a str,
    pub(crate) note_to_payer: &'a str,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) status: RefundStatus,
    pub(crate) amount: Amount,
    pub(crate) custom_id: Option<String>,
    #[serde(default)]
    pub(crate) links: Vec<Link>,
}

/// States of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RefundStatus {
    Completed,
    Pending,
    Failed,
    Cancelled,
    #[serde(other)]
    Unknown,
}

impl RefundStatus {
    /// Ours.
    pub(crate) const fn ours(self) -> RefundState {
        match self {
            Self::Completed => RefundState::Succeeded,
            Self::Pending | Self::Unknown => RefundState::Pending,
            Self::Failed | Self::Cancelled => RefundState::Failed,
        }
    }
}

/// One page of `GET /v1/reporting/transactions`.
#[derive(Debug, Deserialize)]
pub(crate) struct Transactions {
    #[serde(default)]
    pub(crate) transaction_details: Vec<TransactionDetail>,
    /// Up to when everything that happened is in the list.
    pub(crate) last_refreshed_datetime: Option<String>,
    pub(crate) page: u32,
    pub(crate) total_items: u64,
    pub(crate) total_pages: u32,
}

/// One entry of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionDetail {
    pub(crate) transaction_info: TransactionInfo,
}

/// What of a transaction counts here.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionInfo {
    pub(crate) transaction_id: String,
    /// The payment a refund or a reversal is about.
    pub(crate) paypal_reference_id: Option<String>,
    /// `T`, a group of two digits, a kind of two digits.
    pub(crate) transaction_event_code: String,
    pub(crate) transaction_initiation_date: String,
    /// Negative when money leaves the account.
    pub(crate) transaction_amount: Amount,
    /// Negative when the channel keeps it.
    pub(crate) fee_amount: Option<Amount>,
    pub(crate) transaction_status: TransactionStatus,
    pub(crate) invoice_id: Option<String>,
    pub(crate) custom_field: Option<String>,
}

/// States of a reported transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum TransactionStatus {
    /// Done.
    S,
    /// Pending.
    P,
    /// Denied.
    D,
    /// Done, and reversed by another transaction later.
    V,
    #[serde(other)]
    Unknown,
}

/// A payer wants a payment back, or wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) dispute_id: String,
    #[serde(default)]
    pub(crate) disputed_transactions: Vec<Disputed>,
    pub(crate) dispute_amount: Amount,
    pub(crate) status: DisputeStatus,
    pub(crate) dispute_outcome: Option<DisputeOutcome>,
}

/// What is disputed.
#[derive(Debug, Deserialize)]
pub(crate) struct Disputed {
    /// The capture.
    pub(crate) seller_transaction_id: Option<String>,
}

/// How far a dispute got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DisputeStatus {
    Resolved,
    /// Every other one: somebody still has a word on it.
    #[serde(other)]
    Standing,
}

/// How a dispute ended.
#[derive(Debug, Deserialize)]
pub(crate) struct DisputeOutcome {
    pub(crate) outcome_code: Option<OutcomeCode>,
    /// What the payer got back.
    pub(crate) amount_refunded: Option<Amount>,
}

/// For whom a dispute ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OutcomeCode {
    ResolvedBuyerFavour,
    ResolvedSellerFavour,
    CanceledByBuyer,
    Denied,
    /// `RESOLVED_WITH_PAYOUT`, `ACCEPTED`, `NONE` and what may come: none of them says whose the money is.
    #[serde(other)]
    Unknown,
}

impl Dispute {
    /// Ours. An ending that does not say for whom leaves it open, for a person to look.
    pub(crate) fn state(&self) -> DisputeState {
        let code = self.dispute_outcome.as_ref().and_then(|outcome| outcome.outcome_code);
        match (self.status, code) {
            (DisputeStatus::Standing, _) | (DisputeStatus::Resolved, None | Some(OutcomeCode::Unknown)) => {
                DisputeState::Open
            }
            (DisputeStatus::Resolved, Some(OutcomeCode::ResolvedBuyerFavour)) => DisputeState::Lost,
            (
                DisputeStatus::Resolved,
                Some(OutcomeCode::ResolvedSellerFavour | OutcomeCode::CanceledByBuyer | OutcomeCode::Denied),
            ) => DisputeState::Won,
        }
    }

    /// What it is about: of a lost one only what the payer got back.
    pub(crate) fn about(&self) -> Result<Money, &'static str> {
        let refunded = self.dispute_outcome.as_ref().and_then(|outcome| outcome.amount_refunded.as_ref());
        match (self.state(), refunded) {
            (DisputeState::Lost, Some(refunded)) => refunded.money(),
            (DisputeState::Lost | DisputeState::Open | DisputeState::Won, _) => self.dispute_amount.money(),
        }
    }
}

/// A webhook of the app.
#[derive(Debug, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
}

/// One change of a JSON patch.
#[derive(Debug, Serialize)]
pub(crate) struct Replace<'a> {
    pub(crate) op: &'static str,
    pub(crate) path: &'static str,
    pub(crate) value: &'a str,
}

/// A notification. Only a checksum of it is signed, so nothing but whom or what to ask about is read from it.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) event_type: String,
    #[serde(default)]
    pub(crate) resource_type: String,
    #[serde(default)]
    pub(crate) resource: Resource,
}

/// What a notification is about.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resource {
    pub(crate) custom_id: Option<String>,
    /// Of a dispute.
    pub(crate) dispute_id: Option<String>,
    #[serde(default)]
    pub(crate) purchase_units: Vec<NamedUnit>,
}

/// A purchase unit in a notification.
#[derive(Debug, Deserialize)]
pub(crate) struct NamedUnit {
    pub(crate) custom_id: Option<String>,
}

/// An error body; the token endpoint and some gateways write the OAuth fields instead.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(alias = "error")]
    pub(crate) name: String,
    #[serde(default)]
    debug_id: String,
    #[serde(default)]
    pub(crate) details: Vec<Detail>,
}

/// One problem of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    pub(crate) issue: Issue,
}

impl ErrorBody {
    /// What the channel's support wants to know of a request: a hexadecimal number, which no phone number is taken for.
    pub(crate) fn debug_id(&self) -> &str {
        let id = self.debug_id.as_str();
        let plain = id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain && id.bytes().any(|byte| byte.is_ascii_alphabetic()) { id } else { "" }
    }

    /// What it is about: the first issue, or what the name alone says.
    pub(crate) fn issue(&self) -> Issue {
        match (self.details.first(), self.name.as_str()) {
            (Some(detail), _) => detail.issue,
            (None, "RESOURCE_NOT_FOUND") => Issue::InvalidResourceId,
            (None, "NOT_AUTHORIZED" | "AUTHENTICATION_FAILURE" | "invalid_token") => Issue::PermissionDenied,
            (None, _) => Issue::Unknown,
        }
    }
}

/// Issues somebody branches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Issue {
    OrderNotApproved,
    OrderAlreadyCaptured,
    #[serde(alias = "ORDER_ALREADY_COMPLETED")]
    OrderAlreadyAuthorized,
    OrderExpired,
    #[serde(alias = "ORDER_PREVIOUSLY_VOIDED", alias = "ORDER_COMPLETED_OR_VOIDED")]
    OrderVoided,
    OrderCompletionInProgress,
    PreviousRequestInProgress,
    InstrumentDeclined,
    RedirectPayerForAlternateFunding,
    PayerActionRequired,
    DuplicateInvoiceId,
    MaxNumberOfPaymentAttemptsExceeded,
    TransactionRefused,
    #[serde(alias = "TRANSACTION_BLOCKED_BY_PAYEE", alias = "PAYEE_BLOCKED_TRANSACTION")]
    TransactionBlocked,
    ComplianceViolation,
    PayerCannotPay,
    #[serde(alias = "PAYER_ACCOUNT_RESTRICTED")]
    PayerAccountLockedOrClosed,
    #[serde(alias = "PAYEE_ACCOUNT_LOCKED_OR_CLOSED", alias = "PAYEE_ACCOUNT_INVALID", alias = "PAYEE_NOT_CONSENTED")]
    PayeeAccountRestricted,
    PermissionDenied,
    AuthorizationAlreadyCaptured,
    #[serde(alias = "CANNOT_BE_VOIDED")]
    PreviouslyCaptured,
    PreviouslyVoided,
    AuthorizationVoided,
    AuthorizationExpired,
    AuthorizationDenied,
    MaxCaptureAmountExceeded,
    CaptureFullyRefunded,
    RefundAmountExceeded,
    PendingCapture,
    RefundTimeLimitExceeded,
    RefundFailedInsufficientFunds,
    MaxNumberOfRefundsExceeded,
    TransactionDisputed,
    InvalidResourceId,
    #[serde(other)]
    Unknown,
}

impl Issue {
    /// What a definite refusal with this issue means. A number that was used before may be our own earlier request, and a
    /// request still under way has no ending yet: only a look-up can tell.
    pub(crate) fn ending<T>(self) -> Outcome<T> {
        let reason = |code| Reason::new(code, Word::named(&self));
        let code = match self {
            Self::DuplicateInvoiceId => return Outcome::Unknown(reason(ReasonCode::IntegrityFault)),
            Self::OrderCompletionInProgress | Self::PreviousRequestInProgress => {
                return Outcome::Unknown(reason(ReasonCode::ProviderFault));
            }
            Self::OrderAlreadyCaptured
            | Self::OrderAlreadyAuthorized
            | Self::AuthorizationAlreadyCaptured
            | Self::PreviouslyCaptured => ReasonCode::AlreadyPaid,
            Self::OrderExpired
            | Self::OrderVoided
            | Self::PreviouslyVoided
            | Self::AuthorizationVoided
            | Self::AuthorizationExpired => ReasonCode::AlreadyClosed,
            Self::InstrumentDeclined
            | Self::RedirectPayerForAlternateFunding
            | Self::PayerActionRequired
            | Self::MaxNumberOfPaymentAttemptsExceeded
            | Self::TransactionRefused
            | Self::PayerCannotPay
            | Self::PayerAccountLockedOrClosed
            | Self::AuthorizationDenied => ReasonCode::PaymentDeclined,
            Self::TransactionBlocked
            | Self::ComplianceViolation
            | Self::PayeeAccountRestricted
            | Self::CaptureFullyRefunded
            | Self::RefundAmountExceeded
            | Self::PendingCapture
            | Self::RefundTimeLimitExceeded
            | Self::MaxNumberOfRefundsExceeded
            | Self::TransactionDisputed
            | Self::OrderNotApproved => ReasonCode::NotAllowed,
            Self::PermissionDenied => ReasonCode::Unauthorized,
            Self::RefundFailedInsufficientFunds => ReasonCode::InsufficientBalance,
            Self::InvalidResourceId => ReasonCode::NotFound,
            Self::MaxCaptureAmountExceeded | Self::Unknown => ReasonCode::InvalidRequest,
        };
        Outcome::Declined(reason(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn amounts_carry_the_currencys_own_number_of_places() {
        for (minor, code, text) in
            [(29_901, "USD", "299.01"), (5, "EUR", "0.05"), (29_901, "JPY", "29901"), (29_900, "HUF", "299")]
        {
            let written = Amount::of(money(minor, code)).unwrap();
            assert_eq!((written.value.as_str(), written.currency_code.as_str()), (text, code));
        }
        assert_eq!(Amount::of(money(29_901, "HUF")), None, "the channel takes no fillér");
    }

    #[test]
    fn wh_18_an_amount_with_more_decimals_than_its_currency_or_in_another_currency_is_refused() {
        let read = |code: &str, value: &str| {
            Amount { currency_code: code.to_owned(), value: value.to_owned() }.money().map(Money::minor)
        };
        assert_eq!(read("USD", "299.01"), Ok(29_901));
        assert_eq!(read("JPY", "29901"), Ok(29_901));
        for (code, value) in [
            ("JPY", "299.00"),
            ("JPY", "299.01"),
            ("USD", "299.010"),
            ("USD", "0.00"),
            ("USD", "-1.00"),
            ("USD", "1e2"),
            ("USD", ""),
            ("CNY", "1.00"),
            ("usd", "1.00"),
            ("XXX", "1.00"),
        ] {
            assert!(read(code, value).is_err(), "{code} {value}");
        }
    }

    #[test]
    fn the_eight_currencies_are_known_and_yuan_is_not_among_them() {
        let codes: Vec<&str> = CURRENCIES.iter().map(|currency| currency.code()).collect();
        assert_eq!(codes, ["AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD"]);
    }
}
