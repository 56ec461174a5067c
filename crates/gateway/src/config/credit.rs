//! The merchant's own credit: codes a traveller can pay a part by.
//!
//! A coupon is a code with a least total; a gift card one without. What is not used of it stays. Deliberately not here: what
//! is left of one, which the record of payments tells.

use super::ConfigError;
use crate::secret::Sensitive;
use aws_lc_rs::digest;
use zhiyou_domain::{money::Money, time::UtcMicros};

/// Shortest code; shorter ones can be guessed by trying.
const CODE_MIN: usize = 6;
/// Longest code.
const CODE_MAX: usize = 32;

/// A code and what it is worth.
#[derive(Debug, Clone)]
pub struct CreditConfig {
    /// What the traveller types; whoever knows it can use it.
    pub code: Sensitive<String>,
    /// What it is worth at first.
    pub amount: Money,
    /// The least total of an order it is for.
    pub minimum: Option<Money>,
    /// When it begins.
    pub begins_at: Option<UtcMicros>,
    /// When it ends; what was set aside before can still be taken.
    pub ends_at: Option<UtcMicros>,
}

impl CreditConfig {
    /// Names the credit in orders and in the record without telling its code.
    #[must_use]
    pub fn id(&self) -> String {
        id(self.code.expose())
    }
}

/// `crd_…` of a code, however it was typed.
pub(crate) fn id(code: &str) -> String {
    let spelled = format!("zhiyou credit {}", code.trim().to_uppercase());
    let digest = digest::digest(&digest::SHA256, spelled.as_bytes());
    let start: String = hex::encode(digest).chars().take(24).collect();
    format!("crd_{start}")
}

/// The sandbox's own: a coupon in each of the currencies its suppliers can quote in, and a gift card that pays a whole trip.
pub(super) fn of_sandbox() -> Result<Vec<CreditConfig>, ConfigError> {
    let credit = |code: &str, amount: i64, minimum: Option<i64>, currency: &str| {
        let money = |minor| {
            let currency = currency.parse().map_err(|_| ConfigError::new("credits", "has no such currency"))?;
            Money::new(minor, currency).map_err(|_| ConfigError::new("credits", "has no such amount"))
        };
        Ok(CreditConfig {
            code: code.to_owned().into(),
            amount: money(amount)?,
            minimum: minimum.map(money).transpose()?,
            begins_at: None,
            ends_at: None,
        })
    };
    Ok(vec![
        credit("WELCOME50", 5_000, Some(50_000), "CNY")?,
        credit("WELCOME8", 800, Some(8_000), "USD")?,
        credit("GIFT5000", 500_000, None, "CNY")?,
    ])
}

/// Refuses codes that can be guessed or mistaken, and credits nobody could ever use.
pub(super) fn check(credits: &[CreditConfig]) -> Result<(), ConfigError> {
    for (index, credit) in credits.iter().enumerate() {
        let field = |name: &str| format!("credits.{index}.{name}");
        let code = credit.code.expose();
        if !(CODE_MIN..=CODE_MAX).contains(&code.len())
            || !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(ConfigError::new(field("code"), "is not 6 to 32 letters, digits and hyphens"));
        }
        // What is all digits may look like a card number, which gets into no command.
        if !code.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            return Err(ConfigError::new(field("code"), "has no letter"));
        }
        if credits.iter().skip(index + 1).any(|other| other.id() == credit.id()) {
            return Err(ConfigError::new(field("code"), "is given twice"));
        }
        if !credit.amount.is_positive() {
            return Err(ConfigError::new(field("amount"), "is not more than nothing"));
        }
        if credit
            .minimum
            .is_some_and(|minimum| minimum.currency() != credit.amount.currency() || !minimum.is_positive())
        {
            return Err(ConfigError::new(field("minimum"), "is in another currency or not more than nothing"));
        }
        if credit.begins_at.zip(credit.ends_at).is_some_and(|(begins, ends)| ends <= begins) {
            return Err(ConfigError::new(field("ends_at"), "is not after it begins"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(code: &str) -> CreditConfig {
        CreditConfig { code: code.to_owned().into(), ..of_sandbox().unwrap().swap_remove(0) }
    }

    fn refused(credits: &[CreditConfig]) -> Option<String> {
        check(credits).err().map(|error| error.field().to_owned())
    }

    #[test]
    fn a_code_is_found_however_it_was_typed_and_its_name_does_not_tell_it() {
        let id = credit("WELCOME50").id();
        assert_eq!(super::id(" welcome50 "), id);
        assert_ne!(credit("WELCOME51").id(), id);
        assert!(id.starts_with("crd_") && id.len() == 28 && !id.to_uppercase().contains("WELCOME"));
    }

    #[test]
    fn codes_that_are_short_odd_or_there_twice_are_refused_without_being_told() {
        assert_eq!(refused(&of_sandbox().unwrap()), None);
        for code in ["", "AB12", "WELCOME 50", "折扣五十元", "4242-424242", &"A".repeat(33)] {
            assert_eq!(refused(&[credit(code)]).unwrap(), "credits.0.code", "{code:?}");
        }
        assert_eq!(refused(&[credit("WELCOME50"), credit("welcome50")]).unwrap(), "credits.0.code");
        let error = check(&[credit("SECRET")]).err().map_or_else(String::new, |error| error.to_string());
        assert!(!format!("{error}{:?}", credit("SECRET")).contains("SECRET"));
    }

    #[test]
    fn a_credit_nobody_could_use_is_refused() {
        let good = credit("WELCOME50");
        let nothing = Money::zero(good.amount.currency());
        assert_eq!(refused(&[CreditConfig { amount: nothing, ..good.clone() }]).unwrap(), "credits.0.amount");
        assert_eq!(refused(&[CreditConfig { minimum: Some(nothing), ..good.clone() }]).unwrap(), "credits.0.minimum");
        let (begins_at, ends_at) = (Some(UtcMicros(2)), Some(UtcMicros(2)));
        assert_eq!(refused(&[CreditConfig { begins_at, ends_at, ..good }]).unwrap(), "credits.0.ends_at");
    }
}
