//! Amounts: decimal text with the currency's own number of places, converted by integer arithmetic.
//!
//! Source: the currency-codes page (HUF, JPY and TWD take no decimals). Deliberately not here: currencies that only accounts
//! of one country use.

use serde_json::{Value, json};

use super::Refusal;

const CURRENCIES: [&str; 20] = [
    "AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "NOK", "NZD", "PHP", "PLN",
    "SEK", "SGD", "TWD", "USD",
];
const WHOLE: [&str; 3] = ["HUF", "JPY", "TWD"];

/// An amount in the smallest unit the channel takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Amount {
    pub(super) minor: i64,
    pub(super) currency: &'static str,
}

/// Reads `{"currency_code","value"}`.
pub(super) fn read(value: &Value) -> Result<Amount, Refusal> {
    let code = value["currency_code"].as_str().ok_or_else(|| missing("/amount/currency_code"))?;
    let text = value["value"].as_str().ok_or_else(|| missing("/amount/value"))?;
    let currency = CURRENCIES.into_iter().find(|known| *known == code);
    let currency = currency.ok_or_else(|| Refusal::value("/amount/currency_code", "INVALID_CURRENCY_CODE"))?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || text.ends_with('.') || text.len() > 32 {
        return Err(Refusal::malformed("/amount/value", "INVALID_PARAMETER_SYNTAX"));
    }
    let places = if WHOLE.contains(&currency) { 0 } else { 2 };
    if part.len() > places {
        return Err(Refusal::value("/amount/value", "DECIMAL_PRECISION"));
    }
    let minor: i64 = format!("{whole}{part:0<places$}")
        .parse()
        .map_err(|_| Refusal::malformed("/amount/value", "INVALID_PARAMETER_SYNTAX"))?;
    if minor <= 0 {
        return Err(Refusal::value("/amount/value", "CANNOT_BE_ZERO_OR_NEGATIVE"));
    }
    Ok(Amount { minor, currency })
}

fn missing(field: &'static str) -> Refusal {
    Refusal::malformed(field, "MISSING_REQUIRED_PARAMETER")
}

/// The amount as the channel writes it.
pub(super) fn wire(minor: i64, currency: &str) -> Value {
    let value = if WHOLE.contains(&currency) { minor.to_string() } else { crate::money::text(minor) };
    json!({"currency_code": currency, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_wire_with_their_currencys_places() {
        for (minor, currency, text) in [(29_901, "USD", "299.01"), (5, "EUR", "0.05"), (29_901, "JPY", "29901")] {
            let written = wire(minor, currency);
            assert_eq!(written["value"], text);
            assert_eq!(read(&written).ok(), Some(Amount { minor, currency }));
        }
        assert_eq!(
            read(&json!({"currency_code": "USD", "value": "299"})).ok().map(|amount| amount.minor),
            Some(29_900)
        );
        for (currency, value) in
            [("JPY", "299.01"), ("USD", "1.001"), ("USD", "0"), ("USD", "-1"), ("USD", "1."), ("CNY", "1.00")]
        {
            assert!(read(&json!({"currency_code": currency, "value": value})).is_err(), "{currency} {value}");
        }
    }
}
