//! How unusual a payment is for this traveller: a score with its reasons. Pure, and never a verdict: the payment channel and
//! its 3-D Secure page decide; the score is a part of the fact that opens the payment, and shown.
//!
//! Deliberately not here: collecting the history (the engine's), and anything about cards, which never reach us.

use crate::{
    money::{Currency, Money},
    port::payments::Channel,
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};

/// A payment about to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// How much.
    pub amount: Money,
    /// By which channel.
    pub channel: Channel,
    /// Where the trip goes, ISO 3166 codes as far as known.
    pub countries: Vec<String>,
}

/// What is known of the traveller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Since when this device has been used; unknown on a new one.
    pub device_since: Option<UtcMicros>,
    /// When payments were opened lately, any order.
    pub opened: Vec<UtcMicros>,
    /// What was paid before, newest first, any currency.
    pub paid: Vec<Money>,
    /// Channels used before.
    pub channels: Vec<Channel>,
    /// Countries travelled to before.
    pub countries: Vec<String>,
}

/// What was found unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusual {
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

/// The score and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screening {
    /// 0 (nothing unusual) to 100.
    pub score: u8,
    /// What it is made of, the weightiest first.
    pub reasons: Vec<Unusual>,
}

/// A burst is so many payments opened within [`BURST_MIN`].
const BURST_COUNT: usize = 3;
const BURST_MIN: i64 = 10;
/// Unusual is more than so many times the median of what was paid before; fewer payments than this say nothing.
const TIMES_MEDIAN: i64 = 3;
const SAMPLE_MIN: usize = 3;
const DEVICE_MIN: i64 = 24 * 60;

impl Unusual {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::Burst => "burst",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Channel => "channel",
            Self::Country => "country",
        }
    }

    const fn points(self) -> u8 {
        match self {
            Self::Burst => 35,
            Self::Amount => 30,
            Self::NewDevice => 15,
            Self::Currency => 10,
            Self::Channel | Self::Country => 5,
        }
    }
}

/// How unusual a payment is at `now`.
#[must_use]
pub fn screen(payment: &Payment, history: &History, now: UtcMicros) -> Screening {
    let first = history.paid.is_empty();
    let recent = history.opened.iter().filter(|at| **at > now.plus_minutes(-BURST_MIN) && **at <= now).count();
    let known = |country: &String| history.countries.contains(country);
    let mut reasons: Vec<Unusual> = [
        (Unusual::Burst, recent >= BURST_COUNT),
        (Unusual::Amount, is_unusual(payment.amount, &history.paid)),
        (Unusual::NewDevice, history.device_since.is_none_or(|since| since > now.plus_minutes(-DEVICE_MIN))),
        (Unusual::Currency, !first && !used(payment.amount.currency(), &history.paid)),
        (Unusual::Channel, !first && !history.channels.contains(&payment.channel)),
        (Unusual::Country, !first && !payment.countries.iter().all(known)),
    ]
    .into_iter()
    .filter(|(_, found)| *found)
    .map(|(unusual, _)| unusual)
    .collect();
    reasons.sort_by_key(|unusual| std::cmp::Reverse(unusual.points()));
    Screening { score: reasons.iter().map(|unusual| unusual.points()).sum::<u8>().min(100), reasons }
}

fn used(currency: Currency, paid: &[Money]) -> bool {
    paid.iter().any(|amount| amount.currency() == currency)
}

/// Against the median of what was paid in the same currency.
fn is_unusual(amount: Money, paid: &[Money]) -> bool {
    let mut same: Vec<i64> =
        paid.iter().filter(|paid| paid.currency() == amount.currency()).map(|paid| paid.minor()).collect();
    same.sort_unstable();
    let median = same.get(same.len() / 2).copied();
    same.len() >= SAMPLE_MIN && median.is_some_and(|median| amount.minor() > median.saturating_mul(TIMES_MEDIAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_795_141_500_000_000);

    fn yuan(yuan: i64) -> Money {
        Money::new(yuan * 100, Currency::CNY).unwrap()
    }

    fn usual() -> (Payment, History) {
        let payment = Payment { amount: yuan(1_000), channel: Channel::Wechatpay, countries: vec!["CN".into()] };
        let history = History {
            device_since: Some(NOW.plus_minutes(-100_000)),
            opened: vec![NOW.plus_minutes(-5_000)],
            paid: vec![yuan(900), yuan(1_100), yuan(1_000)],
            channels: vec![Channel::Wechatpay],
            countries: vec!["CN".into()],
        };
        (payment, history)
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Payment, &mut History), score: u8, reasons: &[Unusual]) {
        let (mut payment, mut history) = usual();
        change(&mut payment, &mut history);
        let found = screen(&payment, &history, NOW);
        assert_eq!((found.score, found.reasons.as_slice()), (score, reasons));
    }

    #[test]
    fn the_usual_payment_scores_nothing() {
        check(|_, _| {}, 0, &[]);
    }

    #[test]
    fn three_payments_in_ten_minutes_are_a_burst_and_two_are_not() {
        let minutes_ago = |minutes: &[i64]| minutes.iter().map(|m| NOW.plus_minutes(-m)).collect::<Vec<_>>();
        check(|_, history| history.opened = minutes_ago(&[1, 5, 9]), 35, &[Unusual::Burst]);
        check(|_, history| history.opened = minutes_ago(&[1, 5, 10]), 0, &[]);
    }

    #[test]
    fn more_than_three_times_the_median_is_unusual_once_there_is_something_to_compare() {
        check(|payment, _| payment.amount = yuan(3_000), 0, &[]);
        check(|payment, _| payment.amount = yuan(3_001), 30, &[Unusual::Amount]);
        let few = |payment: &mut Payment, history: &mut History| {
            payment.amount = yuan(9_999);
            history.paid.truncate(2);
        };
        check(few, 0, &[]);
    }

    #[test]
    fn a_first_payment_on_a_new_device_is_only_new() {
        check(|_, history| *history = History::default(), 15, &[Unusual::NewDevice]);
    }

    #[test]
    fn everything_at_once_is_a_hundred_at_most_and_the_weightiest_comes_first() {
        let all = |payment: &mut Payment, history: &mut History| {
            payment.amount = Money::new(1, "USD".parse().unwrap()).unwrap();
            payment.channel = Channel::Paypal;
            payment.countries = vec!["FR".into()];
            history.device_since = None;
            history.opened = vec![NOW; 3];
        };
        check(all, 70, &[Unusual::Burst, Unusual::NewDevice, Unusual::Currency, Unusual::Channel, Unusual::Country]);
    }
}
