//! The checkout's view of the ways to pay, and of what is being paid.

use super::money;
use crate::api::view::*;
use zhiyou_domain::{
    order::{Attempt, AttemptState, Op, OpenStep, Order, PaymentPart, cart},
    port::payments::{Ability, Channel, PaymentAction, Presentation},
    routing::{Bar, Route, Why},
    screening::{Screening, Unusual},
};

/// The newest payment of an order, as it is paid now.
pub(crate) fn newest(order: &Order) -> Option<PaymentView> {
    let attempt = order.attempts.last()?;
    let state = state(order, attempt);
    let payable = state == PaymentStateView::RequiresAction && order.ending.is_none();
    Some(PaymentView {
        attempt_id: attempt.id.to_string(),
        channel: attempt.channel.word().to_owned(),
        amount: money(attempt.amount),
        state,
        qr: match attempt.action.as_ref().filter(|_| payable) {
            Some(PaymentAction::Qr { content }) => qr(content),
            Some(
                PaymentAction::Redirect { .. }
                | PaymentAction::PhonePage { .. }
                | PaymentAction::App { .. }
                | PaymentAction::Nothing,
            )
            | None => None,
        },
        hosted: payable
            && matches!(attempt.action, Some(PaymentAction::Redirect { .. } | PaymentAction::PhonePage { .. })),
        expires_at_us: attempt.pay_by.0,
        transaction_id: attempt.transaction_id.clone(),
    })
}

/// What pays the order, part by part: by what has paid it, else by its newest attempt.
pub(crate) fn parts(order: &Order) -> Vec<PaymentPartView> {
    let confirmed = order.confirmed.iter().flat_map(|confirmed| confirmed.parts.iter().enumerate());
    let view = |(number, part): (usize, &PaymentPart)| {
        let newest = order.attempts.iter().rfind(|attempt| attempt.part == number);
        let attempt = cart::paying_attempt(order, number).or(newest);
        PaymentPartView {
            channel: word(attempt.map_or(part.channel, |attempt| attempt.channel)),
            amount: money(part.amount),
            instalments: attempt.map_or(part.instalments, |attempt| attempt.instalments),
            state: attempt.map(|attempt| state(order, attempt)),
            screening: attempt.map_or(part.screening.as_ref(), |attempt| attempt.screening.as_ref()).map(screening),
        }
    };
    confirmed.map(view).collect()
}

fn screening(screening: &Screening) -> ScreeningView {
    ScreeningView { score: screening.score, reasons: screening.reasons.iter().copied().map(unusual).collect() }
}

const fn unusual(unusual: Unusual) -> UnusualView {
    match unusual {
        Unusual::NewDevice => UnusualView::NewDevice,
        Unusual::Burst => UnusualView::Burst,
        Unusual::Amount => UnusualView::Amount,
        Unusual::Currency => UnusualView::Currency,
        Unusual::Channel => UnusualView::Channel,
        Unusual::Country => UnusualView::Country,
    }
}

fn state(order: &Order, attempt: &Attempt) -> PaymentStateView {
    let (open, close) = (Op::OpenPayment { attempt: attempt.id }, Op::ClosePayment { attempt: attempt.id });
    let asked = |step: &&OpenStep| step.key.op == open || step.key.op == close;
    if order.open_steps.iter().filter(asked).any(|step| step.unknown) {
        return PaymentStateView::Unknown;
    }
    match attempt.state {
        AttemptState::Created => PaymentStateView::Created,
        AttemptState::RequiresAction => PaymentStateView::RequiresAction,
        AttemptState::Processing => PaymentStateView::Processing,
        AttemptState::Authorised => PaymentStateView::Authorised,
        AttemptState::Captured => PaymentStateView::Captured,
        AttemptState::Voided => PaymentStateView::Voided,
        AttemptState::Failed => PaymentStateView::Failed,
        AttemptState::Expired => PaymentStateView::Expired,
    }
}

fn qr(content: &str) -> Option<QrView> {
    let code = qrcode::QrCode::new(content).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().iter().enumerate() {
        if *color == qrcode::Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", index % width, index / width));
        }
    }
    Some(QrView { content: content.to_owned(), size: u32::try_from(width).ok()?, path })
}

const fn word(channel: Channel) -> ChannelWord {
    match channel {
        Channel::Wechatpay => ChannelWord::Wechatpay,
        Channel::Alipay => ChannelWord::Alipay,
        Channel::Stripe => ChannelWord::Stripe,
        Channel::Paypal => ChannelWord::Paypal,
        Channel::AlipayPlus => ChannelWord::AlipayPlus,
        Channel::Credit => ChannelWord::Credit,
    }
}

/// The view of a channel; `recommended` when it is the best that can be used.
pub(crate) fn channel(route: &Route, ability: &Ability, recommended: bool) -> ChannelView {
    ChannelView {
        channel: word(route.channel),
        recommended,
        bars: route.bars.iter().map(|found| bar(*found).to_owned()).collect(),
        reasons: route.reasons.iter().map(|why| reason(*why).to_owned()).collect(),
        fee: money(route.fee),
        hosted: matches!(ability.presents, Presentation::Redirect | Presentation::PhonePage),
        sets_aside: ability.authorises,
        refund_min: ability.refund_min,
        instalments: match &ability.instalments {
            Some(offered) if offered.currency == route.fee.currency() => offered.counts.clone(),
            Some(_) | None => Vec::new(),
        },
    }
}

/// The word of a bar.
pub(crate) const fn bar(bar: Bar) -> &'static str {
    match bar {
        Bar::Currency => "currency",
        Bar::Amount => "amount",
        Bar::Failing => "failing",
        Bar::Undecided => "undecided",
        Bar::Instalments => "instalments",
        Bar::Device => "device",
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
