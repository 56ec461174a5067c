//! What we allow ourselves to charge: per payment and per Beijing day, per channel and currency.
//!
//! Deliberately not here: counting what was charged, which is the desk's.

use super::ConfigError;
use std::{collections::BTreeSet, fmt};
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::Channel,
};

/// Most that is charged over one channel in one currency. A channel with a cap charges only in currencies that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapConfig {
    /// Which channel.
    pub channel: Channel,
    /// Most for one payment.
    pub per_payment: Money,
    /// Most for all payments opened on one Beijing day.
    pub per_day: Money,
}

/// Experience mode: one payment, fen. Source: the plan of the WeChat Pay MCP service (no page of the channel says it).
const EXPERIENCE_PAYMENT_FEN: i64 = 10_000;
/// Experience mode: one day, fen. Same source.
const EXPERIENCE_DAY_FEN: i64 = 100_000;

impl CapConfig {
    /// The caps of the experience mode of WeChat Pay: 100 yuan a payment, 1,000 a day.
    ///
    /// # Errors
    /// Never for these amounts.
    pub(super) fn experience() -> Result<Self, ConfigError> {
        let fen = |minor| {
            Money::new(minor, Currency::CNY).map_err(|_| ConfigError::new("wechatpay.experience", "has no such amount"))
        };
        Ok(Self {
            channel: Channel::Wechatpay,
            per_payment: fen(EXPERIENCE_PAYMENT_FEN)?,
            per_day: fen(EXPERIENCE_DAY_FEN)?,
        })
    }
}

/// In major units, so that a person sees a cap that is a hundred times too high.
impl fmt::Display for CapConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |amount: Money| match amount.currency() {
            Currency::CNY => format!("{} yuan", amount.to_decimal()),
            currency => format!("{} {currency}", amount.to_decimal()),
        };
        let (payment, day) = (shown(self.per_payment), shown(self.per_day));
        write!(f, "{}: at most {payment} a payment, {day} a day", self.channel.word())
    }
}

/// Refuses caps that forbid everything, contradict themselves or are given twice.
pub(super) fn check(caps: &[CapConfig]) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for cap in caps {
        let field = |name: &str| format!("caps.{}.{name}", cap.channel.word());
        if !cap.per_payment.is_positive() {
            return Err(ConfigError::new(field("per_payment"), "is not more than nothing"));
        }
        if cap.per_payment.exceeds(cap.per_day) != Ok(false) {
            return Err(ConfigError::new(field("per_day"), "is less than one payment or in another currency"));
        }
        if !seen.insert((cap.channel, cap.per_payment.currency())) {
            return Err(ConfigError::new(field("per_payment"), "is given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(payment: i64, day: i64, day_currency: Currency) -> CapConfig {
        CapConfig {
            channel: Channel::Wechatpay,
            per_payment: Money::new(payment, Currency::CNY).unwrap(),
            per_day: Money::new(day, day_currency).unwrap(),
        }
    }

    #[test]
    fn caps_are_shown_in_yuan_so_that_one_a_hundred_times_too_high_is_seen() {
        // The seeds call 1,000,000 fen "100 yuan" and 10,000,000 fen "10,000 yuan".
        let shown = cap(1_000_000, 10_000_000, Currency::CNY).to_string();
        assert_eq!(shown, "wechatpay: at most 10000.00 yuan a payment, 100000.00 yuan a day");
        let meant = cap(10_000, 1_000_000, Currency::CNY).to_string();
        assert_eq!(meant, "wechatpay: at most 100.00 yuan a payment, 10000.00 yuan a day");
        assert_eq!(
            CapConfig::experience().unwrap().to_string(),
            "wechatpay: at most 100.00 yuan a payment, 1000.00 yuan a day"
        );
    }

    #[test]
    fn caps_that_contradict_themselves_are_refused_by_name() {
        let field = |caps: &[CapConfig]| check(caps).unwrap_err().field().to_owned();
        check(&[cap(1, 1, Currency::CNY)]).unwrap();
        assert_eq!(field(&[cap(0, 1, Currency::CNY)]), "caps.wechatpay.per_payment");
        assert_eq!(field(&[cap(2, 1, Currency::CNY)]), "caps.wechatpay.per_day");
        assert_eq!(field(&[cap(1, 1, "USD".parse().unwrap())]), "caps.wechatpay.per_day");
        assert_eq!(field(&[cap(1, 1, Currency::CNY), cap(1, 2, Currency::CNY)]), "caps.wechatpay.per_payment");
    }
}
