//! How an order can be paid, as the checkout shows it.
//!
//! Deliberately not here: a payment that was opened (see [`super::order`]).

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
}

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChannelView {
    /// Which.
    pub channel: ChannelWord,
    /// Whether it is what we would take.
    pub recommended: bool,
    /// Why it cannot be used now: `currency`, `failing`, `undecided`; empty when it can.
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
}
