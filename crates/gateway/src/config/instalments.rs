//! Which channels offer instalments, and how many.
//!
//! The contract with the channel says so, not its interface. Deliberately not here: what an instalment costs the payer, which
//! the channel shows.

use super::ConfigError;
use serde::Deserialize;
use zhiyou_domain::{money::Currency, port::payments::Channel};

/// What a channel offers to payers who want to pay off what they buy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalmentConfig {
    /// Which channel.
    pub channel: Channel,
    /// In which currency.
    pub currency: Currency,
    /// How many there can be. Alipay (花呗): 3, 6 or 12. At Stripe the payer's bank offers the number on the page.
    pub counts: Vec<u8>,
}

/// The sandbox's: Alipay's, all three.
pub(super) fn of_sandbox() -> Vec<InstalmentConfig> {
    vec![InstalmentConfig { channel: Channel::Alipay, currency: Currency::CNY, counts: vec![3, 6, 12] }]
}

/// Refuses instalments of channels that have none and numbers that they do not know.
pub(super) fn check(offers: &[InstalmentConfig]) -> Result<(), ConfigError> {
    for (index, offer) in offers.iter().enumerate() {
        let field = |name: &str| format!("instalments.{}.{name}", offer.channel.word());
        let known: &[u8] = match offer.channel {
            Channel::Alipay => &[3, 6, 12],
            Channel::Stripe => &[3, 6, 9, 12, 18, 24],
            Channel::Wechatpay | Channel::Paypal | Channel::AlipayPlus | Channel::Credit => &[],
        };
        if offers.iter().skip(index + 1).any(|other| other.channel == offer.channel) {
            return Err(ConfigError::new(field("channel"), "is there twice"));
        }
        if offer.counts.is_empty() || !offer.counts.iter().all(|count| known.contains(count)) {
            return Err(ConfigError::new(field("counts"), "is empty or not what the channel offers"));
        }
        if offer.channel == Channel::Alipay && offer.currency != Currency::CNY {
            return Err(ConfigError::new(field("currency"), "is not what the channel charges"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_channel_can_offer_is_taken() {
        let offer =
            |channel, counts: &[u8]| InstalmentConfig { channel, currency: Currency::CNY, counts: counts.to_vec() };
        assert!(check(&of_sandbox()).is_ok());
        assert!(check(&[offer(Channel::Alipay, &[3]), offer(Channel::Stripe, &[9, 24])]).is_ok());
        assert!(check(&[offer(Channel::Alipay, &[3]), offer(Channel::Alipay, &[6])]).is_err());
        assert!(check(&[offer(Channel::Alipay, &[5])]).is_err());
        assert!(check(&[offer(Channel::Alipay, &[])]).is_err());
        assert!(check(&[offer(Channel::Wechatpay, &[3])]).is_err());
        let dollars = InstalmentConfig { currency: "USD".parse().unwrap(), ..offer(Channel::Alipay, &[3]) };
        assert!(check(&[dollars]).is_err());
    }
}
