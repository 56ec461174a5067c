//! Amounts in hundredths and their decimal text on the wire, converted by integer arithmetic; and what suppliers quote in.
//!
//! Deliberately not here: currencies without two decimals. Those only pass through the payment channels.

use serde::{Deserialize, Serialize};

/// The currency WeChat Pay and Alipay charge.
pub(crate) const CNY: &str = "CNY";

/// What our accounts with the travel suppliers are kept in: everything they quote, charge and give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountCurrency {
    /// Yuan.
    #[default]
    Cny,
    /// US dollars.
    Usd,
}

/// Not a currency the accounts can be kept in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's suppliers quote in CNY or USD")]
pub struct NotAnAccountCurrency;

impl std::str::FromStr for AccountCurrency {
    type Err = NotAnAccountCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|currency| currency.code() == code).ok_or(NotAnAccountCurrency)
    }
}

impl AccountCurrency {
    const ALL: [Self; 2] = [Self::Cny, Self::Usd];

    /// ISO 4217.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cny => "CNY",
            Self::Usd => "USD",
        }
    }

    /// The number the book keeps it under.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Cny => 0,
            Self::Usd => 1,
        }
    }

    /// The currency kept under a number; yuan where none was kept.
    pub(crate) fn of_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|currency| currency.number() == number).unwrap_or_default()
    }

    /// What a list price in fen is here, in hundredths; whole units stay whole, so that a price looks like one.
    pub(crate) const fn price(self, fen: i64) -> i64 {
        match self {
            Self::Cny => fen,
            Self::Usd => (fen / 7 + 50) / 100 * 100,
        }
    }
}

/// `123456` as `"1234.56"`.
pub(crate) fn text(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// `"20"`, `"20.0"` and `"20.00"` as 2000; none when it is no amount of at most two decimals.
pub(crate) fn minor(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_wire() {
        for amount in [0, 1, 9, 10, 99, 100, 2000, 123_456, i64::MAX / 1000] {
            assert_eq!(minor(&text(amount)), Some(amount));
        }
        assert_eq!([minor("20"), minor("20.0"), minor("20.00")], [Some(2000); 3]);
        assert_eq!(["", ".5", "1.005", "1,00", "-1", "1e3", "1.0.0"].map(minor), [None; 7]);
    }
}
