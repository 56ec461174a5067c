//! MCP server `payments`: open, query and close a payment, refund it, and read what arrived by notification.
//!
//! What an engine asks of the desk; what an agent is offered is the gateway's own. Tools and their types: `openPayment`
//! [`CreatePaymentIntent`] → [`PaymentIntent`]; `settlePayment` (takes what the payer approved, where that is ours to do),
//! `lookAtPayment` (takes nothing) and `closePayment` [`PaymentRef`] → [`PaymentStatus`]; `capturePayment` [`CapturePayment`] and `voidPayment` [`PaymentRef`] →
//! [`PaymentStatus`]; `checkCredit` [`CheckCredit`] → [`CreditStatus`]; `refundPayment` [`CreateRefund`] and `getRefundStatus`
//! [`RefundRef`] → [`RefundStatus`]; `listChannels` [`ListChannels`] → [`Abilities`] and `listUpdates` [`ListUpdates`] →
//! [`Updates`] (reads of the gateway's own tables, without an outcome).

mod code;

pub use code::CreditCode;

use crate::{
    id::{AttemptId, RefundId},
    money::Money,
    routing::Weights,
    time::UtcMicros,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Payment channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// WeChat Pay.
    Wechatpay,
    /// Alipay.
    Alipay,
    /// Stripe.
    Stripe,
    /// PayPal.
    Paypal,
    /// Alipay+, for payers abroad.
    #[serde(rename = "alipayplus")]
    AlipayPlus,
    /// The merchant's own credit: coupons, gift cards. No provider, no page, nothing to scan.
    Credit,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 6] =
        [Self::Wechatpay, Self::Alipay, Self::Stripe, Self::Paypal, Self::AlipayPlus, Self::Credit];
    /// Those behind which there is a provider.
    pub const PROVIDERS: [Self; 5] = [Self::Wechatpay, Self::Alipay, Self::Stripe, Self::Paypal, Self::AlipayPlus];

    /// The channel of a word, if there is one.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wechatpay => "wechatpay",
            Self::Alipay => "alipay",
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::AlipayPlus => "alipayplus",
            Self::Credit => "credit",
        }
    }
}

/// Opens a payment. The attempt's bare id is the merchant number; repeating the call with the same fields returns the
/// same payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePaymentIntent {
    /// Our attempt; stored before this call.
    pub attempt_id: AttemptId,
    /// Which channel.
    pub channel: Channel,
    /// What to charge.
    pub amount: Money,
    /// What the payer reads, at most 127 bytes of UTF-8; no personal data.
    pub description: String,
    /// Last moment to pay.
    pub expires_at_us: UtcMicros,
    /// Whether the money is only authorised, to be taken by `capturePayment` or let go by `voidPayment`.
    #[serde(default)]
    pub authorise: bool,
    /// In how many instalments the payer pays it off; the merchant has all of it at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instalments: Option<u8>,
    /// What it is drawn from, on [`Channel::Credit`] and only there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credit: Option<CreditUse>,
}

/// A credit that pays, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreditUse {
    /// `crd_…`, from [`CreditStatus::Usable`].
    pub credit_id: String,
    /// The total of the order it is used for.
    pub order_total: Money,
}

/// Asks what a code is worth for an order. Nothing is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckCredit {
    /// What the traveller typed; spaces around it and small letters do not matter.
    #[schemars(with = "String")]
    pub code: CreditCode,
    /// The total of the order it is for.
    pub order_total: Money,
    /// Tells askers apart, so that who tries many codes keeps nobody else from asking; says nothing of anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<String>,
}

/// What a code is worth for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind")]
pub enum CreditStatus {
    /// It can be used.
    Usable {
        /// Names the credit without its code.
        credit_id: String,
        /// How much of the order it pays; at most its total.
        amount: Money,
        /// Until when; without one it does not end.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        ends_at_us: Option<UtcMicros>,
    },
    /// It cannot be used.
    Refused {
        /// Why.
        why: CreditRefusal,
        /// The least total it is for, where that is why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        minimum: Option<Money>,
    },
}

/// Why a code is worth nothing for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditRefusal {
    /// There is no such code.
    Unknown,
    /// Its time has not come, or is over.
    OutOfTime,
    /// Nothing is left of it.
    UsedUp,
    /// It is in another currency than the order.
    Currency,
    /// The order's total is too small for it.
    Minimum,
    /// Too many codes that do not exist were tried; nothing is said of this one for some minutes.
    TooManyTries,
}

impl CreditRefusal {
    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::OutOfTime => "out_of_time",
            Self::UsedUp => "used_up",
            Self::Currency => "currency",
            Self::Minimum => "minimum",
            Self::TooManyTries => "too_many_tries",
        }
    }
}

/// Takes authorised money, all of it or less; the rest is let go. Repeating the call with the same amount takes it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapturePayment {
    /// Our attempt.
    pub attempt_id: AttemptId,
    /// What to take; at most what was authorised.
    pub amount: Money,
}

/// A payment waiting for the payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PaymentIntent {
    /// Our attempt.
    pub attempt_id: AttemptId,
    /// What the payer does next.
    pub action: PaymentAction,
    /// Last moment to pay.
    pub expires_at_us: UtcMicros,
}

/// What the payer does next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentAction {
    /// Scan a QR code that holds `content` (`weixin://wxpay/bizpayurl?pr=…`, `https://qr.alipay.com/…`).
    Qr {
        /// Text of the code.
        content: String,
    },
    /// Open the channel's own page in the system browser.
    Redirect {
        /// Address of the page.
        url: String,
    },
    /// Open the channel's page for phones in a phone's browser, where it opens the channel's app. It may be good for minutes
    /// only: asking again with the same fields gives the one of now.
    PhonePage {
        /// Address of the page.
        url: String,
    },
    /// Hand what the merchant signed to the channel's own app on the payer's phone, by its SDK and unread.
    App {
        /// What is handed over: JSON or a query string, as the channel's SDK takes it.
        parameters: String,
    },
    /// Nothing: it is paid by being asked for.
    Nothing,
}

/// Names a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PaymentRef {
    /// Our attempt.
    pub attempt_id: AttemptId,
}

/// What the channel says about a payment. Amount, currency, merchant and app were compared with our record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PaymentStatus {
    /// Our attempt.
    pub attempt_id: AttemptId,
    /// Where it stands.
    pub state: PaymentState,
    /// The channel's own number, once money moved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_id: Option<String>,
    /// What was charged, once money moved; less than asked for when only a part of what was authorised was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub captured: Option<Money>,
    /// When money moved.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paid_at_us: Option<UtcMicros>,
}

/// Where a payment stands at the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// The channel does not know it.
    NotFound,
    /// Waiting for the payer.
    RequiresAction,
    /// The channel is working on it, or says a word we do not know.
    Processing,
    /// The money is set aside and not taken yet.
    Authorised,
    /// Paid.
    Captured,
    /// The payer's bank refused; this payment is over.
    Failed,
    /// Closed without money.
    Closed,
}

/// Gives money back. Repeating the call with the same fields refunds once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRefund {
    /// Our refund; stored before this call.
    pub refund_id: RefundId,
    /// The payment it comes from.
    pub attempt_id: AttemptId,
    /// What to give back.
    pub amount: Money,
    /// Reason the payer reads, at most 80 bytes of UTF-8; no personal data.
    pub reason: String,
}

/// Names a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundRef {
    /// Our refund.
    pub refund_id: RefundId,
}

/// What the channel says about a refund. Amount and payment were compared with our record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundStatus {
    /// Our refund.
    pub refund_id: RefundId,
    /// Where it stands.
    pub state: RefundState,
    /// What is given back.
    pub amount: Money,
}

/// Where a refund stands at the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// The channel does not know it.
    NotFound,
    /// On its way.
    Pending,
    /// Arrived.
    Succeeded,
    /// Refused for good; a new refund may be tried.
    Failed,
    /// Someone has to act at the channel.
    NeedsManual,
    /// It had arrived, and the payer's bank sent it back: the money is the merchant's again.
    CameBack,
}

/// Asks what the configured channels can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListChannels {}

/// What the configured channels can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Abilities {
    /// One entry per configured channel of a provider.
    pub channels: Vec<Ability>,
    /// Whether there are codes a traveller can use.
    #[serde(default)]
    pub credits: bool,
    /// How much each consideration counts when one is recommended; the usual weights where there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weights: Option<Weights>,
}

/// What a channel can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ability {
    /// Which channel.
    pub channel: Channel,
    /// Currencies it charges.
    pub currencies: Vec<crate::money::Currency>,
    /// How the payer pays.
    pub presents: Presentation,
    /// Whether money can be authorised first and taken, in part or not at all, later.
    pub authorises: bool,
    /// What the channel keeps of a payment, basis points.
    pub fee_bp: u16,
    /// What it pays us out in, where that is not simply what was charged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub settles: Option<crate::money::Currency>,
    /// What it keeps beside for exchanging into that, basis points.
    #[serde(default)]
    pub exchange_bp: u16,
    /// How long a refund usually takes, minutes.
    pub refund_min: u32,
    /// The instalments a payer can choose, where it offers any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instalments: Option<Instalments>,
    /// How its payments did lately.
    #[serde(default)]
    pub health: Health,
    /// How much one payment can be; a currency that is not named has no bounds that are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bounds>,
}

impl Ability {
    /// Whether a payment of this amount is neither too small nor too large for it.
    #[must_use]
    pub fn takes(&self, amount: Money) -> bool {
        let of_currency = |bounds: &&Bounds| bounds.currency == amount.currency();
        self.bounds.iter().filter(of_currency).all(|bounds| bounds.hold(amount.minor()))
    }
}

/// How payments of a channel did lately, over all who paid there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Health {
    /// That were paid.
    pub succeeded: u32,
    /// That the channel refused, or did not answer about; what a payer gave up and what we refused does not count.
    pub failed: u32,
    /// Whether one new payment may be tried although too many failed, to see whether it is well again.
    pub may_try: bool,
}

/// How much one payment can be in a currency, minor units, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounds {
    /// Currency.
    pub currency: crate::money::Currency,
    /// The least.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub least: Option<i64>,
    /// The most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub most: Option<i64>,
}

impl Bounds {
    /// Whether an amount is within them.
    #[must_use]
    pub fn hold(&self, minor: i64) -> bool {
        self.least.is_none_or(|least| minor >= least) && self.most.is_none_or(|most| minor <= most)
    }
}

/// What a channel offers to payers who want to pay off what they buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instalments {
    /// In which currency.
    pub currency: crate::money::Currency,
    /// How many, each of them at least 2.
    pub counts: Vec<u8>,
}

impl Instalments {
    /// Whether an amount can be paid off like that.
    #[must_use]
    pub fn offers(&self, count: u8, amount: Money) -> bool {
        self.currency == amount.currency() && self.counts.contains(&count)
    }
}

/// How a payer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// By scanning a code.
    Qr,
    /// On the channel's page in the system browser.
    Redirect,
    /// On the channel's page for phones, in a phone's browser and in no other.
    PhonePage,
    /// In the channel's own app, which takes what the merchant signed from its SDK.
    App,
    /// By agreeing to it; there is nothing else to do.
    Nothing,
}

impl Presentation {
    /// What a computer can present.
    pub const ON_COMPUTERS: &[Self] = &[Self::Qr, Self::Redirect, Self::Nothing];
    /// What a phone can present. Handing over to a channel's app takes its SDK, which this app has none of.
    pub const ON_PHONES: &[Self] = &[Self::Qr, Self::Redirect, Self::PhonePage, Self::Nothing];
}

/// A payment the payer's bank wants back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisputeStatus {
    /// Our attempt.
    pub attempt_id: AttemptId,
    /// The channel's id of the dispute.
    pub dispute_id: String,
    /// How much of the payment it is about.
    pub amount: Money,
    /// Where it stands.
    pub state: DisputeState,
    /// When the channel was asked, where this is its answer and not a notification that may be old: what was asked for later
    /// is newer, whatever it says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of_us: Option<UtcMicros>,
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// Not decided; the money is with neither side.
    Open,
    /// The merchant keeps the money.
    Won,
    /// The payer has the money back.
    Lost,
}

/// Reads what notifications brought, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListUpdates {
    /// The last cursor already applied; 0 at first.
    pub after: i64,
}

/// Up to 256 updates after a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Updates {
    /// In ascending order of cursor.
    pub updates: Vec<Update>,
}

/// One verified notification, or something the gateway did by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    /// Position in the gateway's table.
    pub cursor: i64,
    /// When it arrived.
    pub received_at_us: UtcMicros,
    /// What it says.
    pub content: UpdateContent,
}

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum UpdateContent {
    /// About a payment.
    Payment {
        /// Its state.
        status: PaymentStatus,
    },
    /// About a refund.
    Refund {
        /// Its state.
        status: RefundStatus,
    },
    /// The gateway gave what was left of a payment back by itself; no notification says so.
    GivenBack {
        /// The payment.
        payment: PaymentStatus,
        /// What goes back.
        refund: RefundStatus,
    },
    /// The payer's bank takes a payment back, or has decided about it.
    Dispute {
        /// Where it stands.
        status: DisputeStatus,
    },
    /// Something happened to a payment, and only a question tells what.
    PaymentHint {
        /// Our attempt.
        attempt_id: AttemptId,
    },
    /// Something happened to a refund, and only a question tells what.
    RefundHint {
        /// Our refund.
        refund_id: RefundId,
    },
    /// About a flight order: something changed at the supplier; read it again.
    FlightOrder {
        /// The supplier's order id.
        order_id: String,
    },
    /// About a hotel booking: something changed at the supplier; read it again.
    HotelBooking {
        /// The supplier's booking id.
        booking_id: String,
    },
}
