//! What channels pay us out in, and what they keep for exchanging into it.
//!
//! Deliberately not here: rates. A channel exchanges at its own; the router only weighs what it costs.

use super::ConfigError;
use serde::Deserialize;
use zhiyou_domain::{money::Currency, port::payments::Channel};

/// What a channel keeps for an exchange at most, basis points: more is a mistake in the file.
const EXCHANGE_BP_MAX: u16 = 1_000;

/// What a channel pays us out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementConfig {
    /// Which channel.
    pub channel: Channel,
    /// What it pays out in, whatever it charged.
    pub currency: Currency,
    /// What it keeps for exchanging into that, basis points; at most 1000.
    pub exchange_bp: u16,
}

/// One entry per channel, with a cost that can be true.
pub(super) fn check(settlements: &[SettlementConfig]) -> Result<(), ConfigError> {
    for (index, one) in settlements.iter().enumerate() {
        let field = format!("settlements.{}", one.channel.word());
        if settlements.iter().skip(index + 1).any(|other| other.channel == one.channel) {
            return Err(ConfigError::new(field, "is there twice"));
        }
        if one.exchange_bp > EXCHANGE_BP_MAX {
            return Err(ConfigError::new(format!("{field}.exchange_bp"), "is more than 1000"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_pays_out_in_one_currency_and_keeps_no_more_than_a_tenth_for_it() {
        let one = |exchange_bp| SettlementConfig { channel: Channel::Stripe, currency: Currency::CNY, exchange_bp };
        assert!(check(&[one(200)]).is_ok());
        assert!(check(&[one(200), one(100)]).is_err());
        assert!(check(&[one(1_001)]).is_err());
    }
}
