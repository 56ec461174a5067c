//! How an order can be paid and what of it is, as the checkout shows it.
//!
//! Deliberately not here: where the money is afterwards (see [`super::order`]).

use super::MoneyView;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Payment channels by their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ChannelWord {
    /// WeChat Pay.
    Wechatpay,
    /// Alipay.
    Alipay,
    /// Stripe.
    Stripe,
    /// PayPal.
    Paypal,
    /// Alipay+.
    #[serde(rename = "alipayplus")]
    AlipayPlus,
    /// A coupon or gift card of the merchant's own.
    Credit,
}

/// Everything an order can be paid by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WaysToPayView {
    /// The channels, the best first.
    pub channels: Vec<ChannelView>,
    /// Whether there are codes that pay a part.
    pub credits: bool,
}

/// What a code is worth for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CreditView {
    /// How much of the order it pays.
    pub amount: MoneyView,
    /// What is left to pay by a channel.
    pub to_pay: MoneyView,
    /// Until when it can be used, where it ends.
    #[ts(type = "number | null")]
    pub ends_at_us: Option<i64>,
}

/// A part of the total and how far it is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PaymentPartView {
    /// By which channel.
    pub channel: ChannelWord,
    /// How much.
    pub amount: MoneyView,
    /// In how many instalments the payer pays it off.
    pub instalments: Option<u8>,
    /// Where its payment stands; `null` until what comes before it is paid.
    pub state: Option<PaymentStateView>,
    /// How unusual it is for the traveller; `null` for a credit. The channel decides what that means.
    pub screening: Option<ScreeningView>,
}

/// How unusual a payment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ScreeningView {
    /// 0 (nothing unusual) to 100.
    pub score: u8,
    /// What it is made of, the weightiest first.
    pub reasons: Vec<UnusualView>,
}

/// What can be unusual about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum UnusualView {
    /// The device has been known for less than a day.
    NewDevice,
    /// Several payments within a few minutes.
    Burst,
    /// Far more than usual.
    Amount,
    /// Another currency than ever before.
    Currency,
    /// A channel that was never used.
    Channel,
    /// A country never travelled to.
    Country,
}

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChannelView {
    /// Which.
    pub channel: ChannelWord,
    /// Whether it is what we would take.
    pub recommended: bool,
    /// Why it cannot be used now: `currency`, `amount`, `failing`, `undecided`, `instalments`, `device`; empty when it can.
    pub bars: Vec<String>,
    /// What speaks for it: `preferred`, `used_last`, `at_home`, `sets_aside`, `quick_refund`, `lowest_fee`.
    pub reasons: Vec<String>,
    /// What the channel keeps; the merchant bears it.
    pub fee: MoneyView,
    /// Whether it is paid on the channel's own page instead of by a code.
    pub hosted: bool,
    /// Whether money is set aside first and only what is booked is taken.
    pub sets_aside: bool,
    /// How long a refund usually takes, minutes.
    pub refund_min: u32,
    /// How many instalments can be asked for.
    pub instalments: Vec<u8>,
}

/// A payment attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PaymentView {
    /// `pay_…`
    pub attempt_id: String,
    /// `wechatpay`, `alipay`, `stripe`, `paypal`, `alipayplus`, `credit`
    pub channel: String,
    /// What is charged.
    pub amount: MoneyView,
    /// Where it stands.
    pub state: PaymentStateView,
    /// QR code to scan, while it can be paid.
    pub qr: Option<QrView>,
    /// Whether it is paid on the channel's own page, which `open_payment` opens in the system browser.
    pub hosted: bool,
    /// Last moment to pay.
    #[ts(type = "number")]
    pub expires_at_us: i64,
    /// The channel's own number.
    pub transaction_id: Option<String>,
}

/// Payment attempt states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStateView {
    /// Being opened.
    Created,
    /// Waiting for the payer.
    RequiresAction,
    /// The channel is working on it.
    Processing,
    /// Authorised, not yet taken.
    Authorised,
    /// Paid.
    Captured,
    /// Given up before money moved.
    Voided,
    /// Refused.
    Failed,
    /// Past its time.
    Expired,
    /// Not known; we are asking. Nothing is charged twice.
    Unknown,
}

/// A QR code as a drawing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct QrView {
    /// Text of the code.
    pub content: String,
    /// Modules per side, without the quiet zone.
    pub size: u32,
    /// SVG path of the dark modules in module units (`M0 0h1v1h-1z…`).
    pub path: String,
}
