//! The checkout's view of the ways to pay.

use super::money;
use crate::api::view::*;
use zhiyou_domain::{
    port::payments::{Ability, Channel, Presentation},
    routing::{Bar, Route, Why},
};

/// The view of a channel; `recommended` when it is the best that can be used.
pub(crate) fn channel(route: &Route, ability: &Ability, recommended: bool) -> ChannelView {
    ChannelView {
        channel: match route.channel {
            Channel::Wechatpay => ChannelWord::Wechatpay,
            Channel::Alipay => ChannelWord::Alipay,
            Channel::Stripe => ChannelWord::Stripe,
            Channel::Paypal => ChannelWord::Paypal,
        },
        recommended,
        bars: route.bars.iter().map(|found| bar(*found).to_owned()).collect(),
        reasons: route.reasons.iter().map(|why| reason(*why).to_owned()).collect(),
        fee: money(route.fee),
        hosted: ability.presents == Presentation::Redirect,
        sets_aside: ability.authorises,
        refund_min: ability.refund_min,
    }
}

/// The word of a bar.
pub(crate) const fn bar(bar: Bar) -> &'static str {
    match bar {
        Bar::Currency => "currency",
        Bar::Failing => "failing",
        Bar::Undecided => "undecided",
    }
}

const fn reason(why: Why) -> &'static str {
    match why {
        Why::Preferred => "preferred",
        Why::UsedLast => "used_last",
        Why::AtHome => "at_home",
        Why::SetsAside => "sets_aside",
        Why::QuickRefund => "quick_refund",
        Why::LowestFee => "lowest_fee",
    }
}
