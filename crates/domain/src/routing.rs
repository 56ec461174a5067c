//! Which channel to pay by: what cannot be used and why, what is recommended and why. Pure; a dry run is the same call.
//!
//! Hard rules come first, then weights; every point has a reason that is shown. Deliberately not here: asking channels what
//! they can do, counting how they did (the gateway's), and the words of a reason (the interface's).

use crate::{
    money::{Money, MoneyError},
    port::payments::{Ability, Channel, Health, Instalments, Presentation},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be paid, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// How much.
    pub amount: Money,
    /// How many items it pays for.
    pub items: usize,
    /// Whether something of it may still fail or be lost after paying.
    pub at_risk: bool,
    /// Whether the payer is at home in mainland China.
    pub domestic: bool,
    /// What the payer chose in the settings.
    pub preferred: Option<Channel>,
    /// What the payer paid by last.
    pub used_last: Option<Channel>,
    /// The channel of a payment whose outcome is not known: nothing else may be tried meanwhile.
    pub undecided: Option<Channel>,
    /// In how many instalments the payer wants to pay it off.
    pub instalments: Option<u8>,
    /// What can be presented where the payer is.
    pub presentable: &'static [Presentation],
}

/// How much each consideration counts, and when a channel is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// The payer's own choice.
    pub preferred: i32,
    /// What was used last.
    pub used_last: i32,
    /// A channel of the payer's country.
    pub at_home: i32,
    /// Taking only what was booked, where something may fail.
    pub sets_aside: i32,
    /// Per ten basis points of fee and exchange, subtracted.
    pub fee: i32,
    /// Refunds within ten minutes.
    pub quick_refund: i32,
    /// Below this share of successes, percent, no new payment is opened.
    pub success_min: u32,
    /// So many payments are needed before the share means anything.
    pub sample_min: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            preferred: 100,
            used_last: 20,
            at_home: 30,
            sets_aside: 15,
            fee: 1,
            quick_refund: 5,
            success_min: 90,
            sample_min: 10,
        }
    }
}

/// Why a channel cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// It does not charge this currency.
    Currency,
    /// It takes no payment so small, or none so large.
    Amount,
    /// It has failed too often lately.
    Failing,
    /// Another payment's outcome is not known yet.
    Undecided,
    /// It does not offer so many instalments of this amount.
    Instalments,
    /// It is paid in a way that cannot be presented where the payer is.
    Device,
}

/// What speaks for a channel, or against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The payer chose it.
    Preferred,
    /// The payer paid by it last.
    UsedLast,
    /// It is at home where the payer is.
    AtHome,
    /// It takes only what was really booked.
    SetsAside,
    /// Refunds come back within minutes.
    QuickRefund,
    /// It keeps the least.
    LowestFee,
}

/// A channel with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which.
    pub channel: Channel,
    /// Points; only their order means anything.
    pub score: i32,
    /// What speaks for it, the weightiest first.
    pub reasons: Vec<Why>,
    /// Why it cannot be used; empty when it can.
    pub bars: Vec<Bar>,
    /// What the channel keeps of the payment, and of exchanging it; ours to bear.
    pub fee: Money,
}

/// What is subtracted while a channel is only tried: it comes after every other one that can be used.
const TRIED: i32 = 100_000;

impl Health {
    /// Whether too many of its payments failed.
    #[must_use]
    pub const fn is_poor(self, weights: &Weights) -> bool {
        let all = self.succeeded.saturating_add(self.failed);
        all >= weights.sample_min && self.succeeded.saturating_mul(100) < all.saturating_mul(weights.success_min)
    }

    /// Whether new payments are kept away from it.
    #[must_use]
    pub const fn is_failing(self, weights: &Weights) -> bool {
        self.is_poor(weights) && !self.may_try
    }
}

/// Every channel: those that can be used first, the best first.
///
/// # Errors
/// [`MoneyError`] when a fee cannot be reckoned.
pub fn route(ask: &Ask, abilities: &[Ability], weights: &Weights) -> Result<Vec<Route>, MoneyError> {
    let usable = |ability: &&Ability| ability.currencies.contains(&ask.amount.currency()) && ability.takes(ask.amount);
    let lowest = abilities.iter().filter(usable).map(|ability| cost_bp(ability, ask.amount)).min();
    let mut routes =
        abilities.iter().map(|ability| one(ask, ability, lowest, weights)).collect::<Result<Vec<_>, _>>()?;
    routes.sort_by_key(|route| (!route.bars.is_empty(), std::cmp::Reverse(route.score), route.channel));
    Ok(routes)
}

/// What a channel keeps of an amount, basis points: its fee, and the exchange where it pays out in another currency.
fn cost_bp(ability: &Ability, amount: Money) -> u16 {
    let exchanges = ability.settles.is_some_and(|currency| currency != amount.currency());
    ability.fee_bp.saturating_add(if exchanges { ability.exchange_bp } else { 0 })
}

fn offers(instalments: Option<&Instalments>, count: u8, amount: Money) -> bool {
    instalments.is_some_and(|instalments| instalments.offers(count, amount))
}

fn one(ask: &Ask, ability: &Ability, lowest: Option<u16>, weights: &Weights) -> Result<Route, MoneyError> {
    let channel = ability.channel;
    let bars = [
        (Bar::Currency, !ability.currencies.contains(&ask.amount.currency())),
        (Bar::Amount, !ability.takes(ask.amount)),
        (Bar::Failing, ability.health.is_failing(weights)),
        (Bar::Undecided, ask.undecided.is_some_and(|other| other != channel)),
        (
            Bar::Instalments,
            ask.instalments.is_some_and(|count| !offers(ability.instalments.as_ref(), count, ask.amount)),
        ),
        (Bar::Device, !ask.presentable.contains(&ability.presents)),
    ];
    let cost_bp = cost_bp(ability, ask.amount);
    let at_home = matches!(channel, Channel::Wechatpay | Channel::Alipay) == ask.domestic;
    let mut said = vec![
        (weights.preferred, Why::Preferred, ask.preferred == Some(channel)),
        (weights.used_last, Why::UsedLast, ask.used_last == Some(channel)),
        (weights.at_home, Why::AtHome, at_home),
        (weights.sets_aside, Why::SetsAside, ability.authorises && ask.at_risk && ask.items > 1),
        (weights.quick_refund, Why::QuickRefund, ability.refund_min <= 10),
        (0, Why::LowestFee, lowest == Some(cost_bp)),
    ];
    said.retain(|(_, _, true_here)| *true_here);
    said.sort_by_key(|(points, ..)| std::cmp::Reverse(*points));
    let fee_points = i32::from(cost_bp / 10).saturating_mul(weights.fee);
    let tried = if ability.health.is_poor(weights) { TRIED } else { 0 };
    let points = said.iter().map(|(points, ..)| *points).sum::<i32>();
    let score = points.saturating_sub(fee_points).saturating_sub(tried);
    Ok(Route {
        channel,
        score,
        reasons: said.into_iter().map(|(_, why, _)| why).collect(),
        bars: bars.into_iter().filter(|(_, barred)| *barred).map(|(bar, _)| bar).collect(),
        fee: ask.amount.share_up(cost_bp)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{money::Currency, port::payments::Bounds};

    fn ability(channel: Channel) -> Ability {
        let (currencies, authorises, fee_bp, refund_min) = match channel {
            Channel::Wechatpay | Channel::Alipay => (vec![Currency::CNY], false, 60, 5),
            Channel::Stripe => (vec![Currency::CNY, "USD".parse().unwrap()], true, 290, 7_200),
            Channel::Paypal => (vec!["USD".parse().unwrap()], true, 349, 7_200),
            Channel::AlipayPlus => (vec![Currency::CNY, "USD".parse().unwrap()], false, 260, 1_440),
            Channel::Credit => panic!("a credit is not recommended, it is brought along"),
        };
        let counts = vec![3, 6, 12];
        let instalments = (channel == Channel::Alipay).then_some(Instalments { currency: Currency::CNY, counts });
        let presents = Presentation::Qr;
        Ability {
            channel,
            currencies,
            presents,
            authorises,
            fee_bp,
            settles: None,
            exchange_bp: 0,
            refund_min,
            instalments,
            health: Health::default(),
            bounds: Vec::new(),
        }
    }

    fn ask() -> Ask {
        Ask {
            amount: Money::new(224_400, Currency::CNY).unwrap(),
            items: 2,
            at_risk: true,
            domestic: true,
            preferred: None,
            used_last: None,
            undecided: None,
            instalments: None,
            presentable: Presentation::ON_COMPUTERS,
        }
    }

    /// Checks which channels can be used, in their order.
    #[track_caller]
    fn check(ask: &Ask, abilities: &[Ability], order: &[Channel]) -> Vec<Route> {
        let routes = route(ask, abilities, &Weights::default()).unwrap();
        let usable: Vec<Channel> = routes.iter().filter(|r| r.bars.is_empty()).map(|r| r.channel).collect();
        assert_eq!(usable, order, "{routes:#?}");
        routes
    }

    #[test]
    fn at_home_the_home_channels_come_first_and_what_cannot_charge_the_currency_is_barred() {
        let all = Channel::PROVIDERS.map(ability);
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        let routes = check(&ask(), &all, &order);
        assert_eq!(routes.last().unwrap().bars, [Bar::Currency]);
        assert_eq!(routes[0].reasons, [Why::AtHome, Why::QuickRefund, Why::LowestFee]);
        assert_eq!(routes[2].reasons, [Why::SetsAside]);
        assert_eq!(routes[0].fee.minor(), 1_347, "60 basis points, rounded up");
    }

    #[test]
    fn abroad_and_in_dollars_the_cards_come_first() {
        let amount = Money::new(10_000, "USD".parse().unwrap()).unwrap();
        let abroad = Ask { amount, domestic: false, ..ask() };
        check(&abroad, &Channel::PROVIDERS.map(ability), &[Channel::Stripe, Channel::Paypal, Channel::AlipayPlus]);
    }

    #[test]
    fn a_channel_that_exchanges_what_it_charges_costs_more_and_comes_after_one_that_does_not() {
        let usd = "USD".parse().unwrap();
        let abroad = Ask { amount: Money::new(10_000, usd).unwrap(), domestic: false, ..ask() };
        let mut all = Channel::PROVIDERS.map(ability);
        for exchanging in all.iter_mut().filter(|ability| ability.channel == Channel::Stripe) {
            exchanging.settles = Some(Currency::CNY);
            exchanging.exchange_bp = 200;
        }
        let routes = check(&abroad, &all, &[Channel::Paypal, Channel::AlipayPlus, Channel::Stripe]);
        let stripe = routes.iter().find(|route| route.channel == Channel::Stripe).unwrap();
        assert_eq!(stripe.fee.minor(), 490, "290 and 200 basis points of 100.00");
        assert!(!stripe.reasons.contains(&Why::LowestFee));
        // In its own currency nothing is exchanged.
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        let routes = check(&ask(), &all, &order);
        assert_eq!(routes[2].fee, ask().amount.share_up(290).unwrap());
    }

    #[test]
    fn the_payers_own_choice_outweighs_everything_that_is_not_a_hard_rule() {
        let chosen = Ask { preferred: Some(Channel::Stripe), ..ask() };
        let order = [Channel::Stripe, Channel::Wechatpay, Channel::Alipay, Channel::AlipayPlus];
        check(&chosen, &Channel::PROVIDERS.map(ability), &order);
        let impossible = Ask { preferred: Some(Channel::Paypal), ..ask() };
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        check(&impossible, &Channel::PROVIDERS.map(ability), &order);
    }

    #[test]
    fn below_nine_in_ten_no_new_payment_is_opened_there_and_the_next_one_is_offered() {
        let mut all = Channel::PROVIDERS.map(ability);
        let health = |succeeded, failed| Health { succeeded, failed, may_try: false };
        all[0].health = health(8, 1);
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        check(&ask(), &all, &order);
        all[0].health = health(8, 2);
        check(&ask(), &all, &order[1..]);
        all[0].health = health(9, 1);
        check(&ask(), &all, &order);
    }

    #[test]
    fn what_cannot_be_presented_where_the_payer_is_is_barred_and_the_next_one_offered() {
        let mut all = Channel::PROVIDERS.map(ability);
        all[0].presents = Presentation::PhonePage;
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        let routes = check(&ask(), &all, &order[1..]);
        assert!(routes.iter().any(|route| route.channel == Channel::Wechatpay && route.bars == [Bar::Device]));
        let on_phone = Ask { presentable: Presentation::ON_PHONES, ..ask() };
        check(&on_phone, &all, &order);
        all[0].presents = Presentation::App;
        check(&ask(), &all, &order[1..]);
        check(&on_phone, &all, &order[1..]);
    }

    #[test]
    fn a_channel_that_is_only_tried_again_comes_after_every_other_one() {
        let mut all = Channel::PROVIDERS.map(ability);
        all[0].health = Health { succeeded: 8, failed: 2, may_try: true };
        let order = [Channel::Alipay, Channel::Stripe, Channel::AlipayPlus, Channel::Wechatpay];
        check(&Ask { preferred: Some(Channel::Wechatpay), ..ask() }, &all, &order);
    }

    #[test]
    fn a_channel_that_would_refuse_the_amount_is_not_offered_and_does_not_set_the_lowest_fee() {
        let mut all = Channel::PROVIDERS.map(ability);
        let most = |most| vec![Bounds { currency: Currency::CNY, least: Some(100), most: Some(most) }];
        all[0].bounds = most(224_399);
        all[1].bounds = most(224_400);
        let order = [Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        let routes = check(&ask(), &all, &order);
        assert!(routes.iter().any(|route| route.channel == Channel::Wechatpay && route.bars == [Bar::Amount]));
        let small = |minor| Ask { amount: Money::new(minor, Currency::CNY).unwrap(), ..ask() };
        check(&small(99), &all, &order[1..]);
        check(&small(100), &all, &[Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus]);
        all[0].fee_bp = 10;
        let routes = check(&ask(), &all, &order);
        assert!(routes[0].reasons.contains(&Why::LowestFee), "a cheaper one that cannot be used is no measure");
    }

    #[test]
    fn who_wants_instalments_is_only_offered_what_offers_so_many() {
        let six = Ask { instalments: Some(6), ..ask() };
        let routes = check(&six, &Channel::PROVIDERS.map(ability), &[Channel::Alipay]);
        assert_eq!(routes[1].bars, [Bar::Instalments]);
        check(&Ask { instalments: Some(5), ..ask() }, &Channel::PROVIDERS.map(ability), &[]);
        let dollars = Money::new(10_000, "USD".parse().unwrap()).unwrap();
        let abroad = Ask { amount: dollars, instalments: Some(6), ..ask() };
        check(&abroad, &Channel::PROVIDERS.map(ability), &[]);
    }

    #[test]
    fn what_counts_how_much_is_the_configurations_to_say() {
        let cheap = Weights { at_home: 0, quick_refund: 0, fee: 0, sets_aside: 50, ..Weights::default() };
        let routes = route(&ask(), &Channel::PROVIDERS.map(ability), &cheap).unwrap();
        assert_eq!(routes[0].channel, Channel::Stripe, "{routes:#?}");
    }

    #[test]
    fn while_a_payment_is_undecided_no_other_channel_is_offered() {
        let waiting = Ask { undecided: Some(Channel::Alipay), ..ask() };
        check(&waiting, &Channel::PROVIDERS.map(ability), &[Channel::Alipay]);
    }
}
