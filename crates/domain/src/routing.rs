//! Which channel to pay by: what cannot be used and why, what is recommended and why. Pure; a dry run is the same call.
//!
//! Hard rules come first, then weights; every point has a reason that is shown. Deliberately not here: asking channels what
//! they can do, counting how they did (the engine's), and the words of a reason (the interface's).

use crate::{
    money::{Money, MoneyError},
    port::payments::{Ability, Channel, Instalments, Presentation},
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

/// A channel and how it has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it can do.
    pub ability: Ability,
    /// How it did lately.
    pub health: Health,
}

/// Payments that reached their end lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// That succeeded.
    pub succeeded: u32,
    /// That the channel refused or failed; what a payer gave up does not count.
    pub failed: u32,
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

impl Health {
    /// Whether new payments are kept away from it.
    #[must_use]
    pub const fn is_failing(self, weights: &Weights) -> bool {
        let all = self.succeeded.saturating_add(self.failed);
        all >= weights.sample_min && self.succeeded.saturating_mul(100) < all.saturating_mul(weights.success_min)
    }
}

/// Every channel: those that can be used first, the best first.
///
/// # Errors
/// [`MoneyError`] when a fee cannot be reckoned.
pub fn route(ask: &Ask, candidates: &[Candidate], weights: &Weights) -> Result<Vec<Route>, MoneyError> {
    let usable = |candidate: &&Candidate| candidate.ability.currencies.contains(&ask.amount.currency());
    let lowest = candidates.iter().filter(usable).map(|candidate| cost_bp(&candidate.ability, ask.amount)).min();
    let mut routes =
        candidates.iter().map(|candidate| one(ask, candidate, lowest, weights)).collect::<Result<Vec<_>, _>>()?;
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

fn one(ask: &Ask, candidate: &Candidate, lowest: Option<u16>, weights: &Weights) -> Result<Route, MoneyError> {
    let ability = &candidate.ability;
    let channel = ability.channel;
    let bars = [
        (Bar::Currency, !ability.currencies.contains(&ask.amount.currency())),
        (Bar::Failing, candidate.health.is_failing(weights)),
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
    let score = said.iter().map(|(points, ..)| *points).sum::<i32>().saturating_sub(fee_points);
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
    use crate::money::Currency;

    fn candidate(channel: Channel) -> Candidate {
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
        Candidate {
            ability: Ability {
                channel,
                currencies,
                presents,
                authorises,
                fee_bp,
                settles: None,
                exchange_bp: 0,
                refund_min,
                instalments,
            },
            health: Health::default(),
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
    fn check(ask: &Ask, candidates: &[Candidate], order: &[Channel]) -> Vec<Route> {
        let routes = route(ask, candidates, &Weights::default()).unwrap();
        let usable: Vec<Channel> = routes.iter().filter(|r| r.bars.is_empty()).map(|r| r.channel).collect();
        assert_eq!(usable, order, "{routes:#?}");
        routes
    }

    #[test]
    fn at_home_the_home_channels_come_first_and_what_cannot_charge_the_currency_is_barred() {
        let all = Channel::PROVIDERS.map(candidate);
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
        check(&abroad, &Channel::PROVIDERS.map(candidate), &[Channel::Stripe, Channel::Paypal, Channel::AlipayPlus]);
    }

    #[test]
    fn a_channel_that_exchanges_what_it_charges_costs_more_and_comes_after_one_that_does_not() {
        let usd = "USD".parse().unwrap();
        let abroad = Ask { amount: Money::new(10_000, usd).unwrap(), domestic: false, ..ask() };
        let mut all = Channel::PROVIDERS.map(candidate);
        for exchanging in all.iter_mut().filter(|candidate| candidate.ability.channel == Channel::Stripe) {
            exchanging.ability.settles = Some(Currency::CNY);
            exchanging.ability.exchange_bp = 200;
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
        check(&chosen, &Channel::PROVIDERS.map(candidate), &order);
        let impossible = Ask { preferred: Some(Channel::Paypal), ..ask() };
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        check(&impossible, &Channel::PROVIDERS.map(candidate), &order);
    }

    #[test]
    fn below_nine_in_ten_no_new_payment_is_opened_there_and_the_next_one_is_offered() {
        let mut all = Channel::PROVIDERS.map(candidate);
        all[0].health = Health { succeeded: 8, failed: 1 };
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        check(&ask(), &all, &order);
        all[0].health = Health { succeeded: 8, failed: 2 };
        check(&ask(), &all, &order[1..]);
        all[0].health = Health { succeeded: 9, failed: 1 };
        check(&ask(), &all, &order);
    }

    #[test]
    fn what_cannot_be_presented_where_the_payer_is_is_barred_and_the_next_one_offered() {
        let mut all = Channel::PROVIDERS.map(candidate);
        all[0].ability.presents = Presentation::PhonePage;
        let order = [Channel::Wechatpay, Channel::Alipay, Channel::Stripe, Channel::AlipayPlus];
        let routes = check(&ask(), &all, &order[1..]);
        assert!(routes.iter().any(|route| route.channel == Channel::Wechatpay && route.bars == [Bar::Device]));
        let on_phone = Ask { presentable: Presentation::ON_PHONES, ..ask() };
        check(&on_phone, &all, &order);
        all[0].ability.presents = Presentation::App;
        check(&ask(), &all, &order[1..]);
        check(&on_phone, &all, &order[1..]);
    }

    #[test]
    fn who_wants_instalments_is_only_offered_what_offers_so_many() {
        let six = Ask { instalments: Some(6), ..ask() };
        let routes = check(&six, &Channel::PROVIDERS.map(candidate), &[Channel::Alipay]);
        assert_eq!(routes[1].bars, [Bar::Instalments]);
        check(&Ask { instalments: Some(5), ..ask() }, &Channel::PROVIDERS.map(candidate), &[]);
        let dollars = Money::new(10_000, "USD".parse().unwrap()).unwrap();
        let abroad = Ask { amount: dollars, instalments: Some(6), ..ask() };
        check(&abroad, &Channel::PROVIDERS.map(candidate), &[]);
    }

    #[test]
    fn what_counts_how_much_is_the_configurations_to_say() {
        let cheap = Weights { at_home: 0, quick_refund: 0, fee: 0, sets_aside: 50, ..Weights::default() };
        let routes = route(&ask(), &Channel::PROVIDERS.map(candidate), &cheap).unwrap();
        assert_eq!(routes[0].channel, Channel::Stripe, "{routes:#?}");
    }

    #[test]
    fn while_a_payment_is_undecided_no_other_channel_is_offered() {
        let waiting = Ask { undecided: Some(Channel::Alipay), ..ask() };
        check(&waiting, &Channel::PROVIDERS.map(candidate), &[Channel::Alipay]);
    }
}
