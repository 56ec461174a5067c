//! Amounts as Stripe writes them: integers in its own smallest unit, which is not always that of ISO 4217.
//!
//! Source: docs.stripe.com/currencies (zero-decimal, three-decimal and special currencies). What cannot be written exactly is
//! refused, and so is a currency whose unit there is not settled (UGX is told both ways). Deliberately not here: the least
//! charge in a currency whose least is not published, because it is a sum of another one, exchanged.

use crate::defence::{Defence, off};
use std::sync::LazyLock;
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::Bounds,
};

/// What the channel is offered for.
static OFFERED: LazyLock<Vec<Currency>> = LazyLock::new(|| {
    let codes = ["CNY", "USD", "EUR", "HKD", "JPY", "KRW", "GBP", "SGD", "AUD", "KWD"];
    codes.iter().filter_map(|code| code.parse().ok()).collect()
});

/// Without decimals at Stripe. UGX is in this list and in the list of special cases, so it is in neither here.
const ZERO: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// With three decimals, of which the last must be zero.
const THREE: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// Written with two decimals although it has none.
const ISK: &str = "ISK";
/// At most eight digits.
const MAX: i64 = 99_999_999;

/// The least charge, minor units. Source: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts, for accounts that
/// settle in the same currency; that page says none for CNY, KRW and KWD. It writes at most eight digits for all of ours.
const LEAST: [(&str, i64); 7] =
    [("USD", 50), ("EUR", 50), ("AUD", 50), ("SGD", 50), ("GBP", 30), ("HKD", 400), ("JPY", 50)];

/// How much one payment can be.
static BOUNDS: LazyLock<Vec<Bounds>> = LazyLock::new(|| {
    let bounds = |currency: Currency| Bounds {
        currency,
        least: LEAST.iter().find(|(code, _)| *code == currency.code()).map(|(_, least)| *least),
        most: decimals(currency).and_then(|there| most(there, u32::from(currency.exponent()))),
    };
    OFFERED.iter().copied().map(bounds).collect()
});

/// The most that can be written, in units of ISO 4217.
fn most(there: u32, here: u32) -> Option<i64> {
    if here >= there { rescaled(MAX, there, here) } else { MAX.checked_div(10_i64.checked_pow(there - here)?) }
}

/// How much one payment can be.
pub(crate) fn bounds() -> &'static [Bounds] {
    &BOUNDS
}

/// The currencies the channel is offered for.
pub(crate) fn offered() -> &'static [Currency] {
    &OFFERED
}

/// Decimals at Stripe; none where they are not known.
fn decimals(currency: Currency) -> Option<u32> {
    let code = currency.code();
    match currency.exponent() {
        _ if off(Defence::OwnUnit) => Some(2),
        _ if code == "UGX" => None,
        _ if ZERO.contains(&code) => Some(0),
        3 if THREE.contains(&code) => Some(3),
        0 if code == ISK => Some(2),
        2 => Some(2),
        _ => None,
    }
}

/// The amount on the wire, and its currency in lower case.
///
/// # Errors
/// What is wrong with it: not positive, not exact, too large, or in a currency whose unit is not known.
pub(crate) fn write(money: Money) -> Result<(i64, String), &'static str> {
    let currency = money.currency();
    let amount = rescaled(
        money.minor(),
        u32::from(currency.exponent()),
        decimals(currency).ok_or("in a currency whose unit is not known")?,
    )
    .ok_or("an amount that cannot be written exactly")?;
    if THREE.contains(&currency.code()) && amount.checked_rem(10) != Some(0) {
        return Err("an amount that cannot be written exactly");
    }
    if (1..=MAX).contains(&amount) {
        Ok((amount, currency.code().to_ascii_lowercase()))
    } else {
        Err("an amount out of range")
    }
}

/// The amount that was read.
///
/// # Errors
/// What is wrong with it: negative, not exact, or in a currency that is not known.
pub(crate) fn read(amount: i64, currency: &str) -> Result<Money, &'static str> {
    let known: Currency = currency.to_ascii_uppercase().parse().map_err(|_| "in an unknown currency")?;
    let decimals = decimals(known).ok_or("in a currency whose unit is not known")?;
    let minor = rescaled(amount, decimals, u32::from(known.exponent())).ok_or("an amount that is not exact")?;
    Money::new(minor, known).ok().filter(|_| amount >= 0).ok_or("an impossible amount")
}

fn rescaled(amount: i64, from: u32, to: u32) -> Option<i64> {
    if to >= from {
        return amount.checked_mul(10_i64.checked_pow(to - from)?);
    }
    let unit = 10_i64.checked_pow(from - to)?;
    if amount.checked_rem(unit)? == 0 { amount.checked_div(unit) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::without;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn pm_10_every_currency_is_written_in_stripes_own_unit_or_refused() {
        for (minor, code, wire) in [
            (29_901, "CNY", 29_901),
            (1, "USD", 1),
            (1_500, "JPY", 1_500),
            (1_500, "KRW", 1_500),
            (5_120, "KWD", 5_120),
            (15, "ISK", 1_500),
            (1_500, "HUF", 1_500),
            (300, "MGA", 3),
            (99_999_999, "EUR", 99_999_999),
        ] {
            assert_eq!(write(money(minor, code)), Ok((wire, code.to_lowercase())), "{code}");
            assert_eq!(read(wire, &code.to_lowercase()), Ok(money(minor, code)), "{code}");
        }
        for (minor, code) in [
            (5_124, "KWD"),
            (100_000_000, "CNY"),
            (0, "CNY"),
            (-1, "CNY"),
            (1, "MGA"),
            (100, "UGX"),
            (1_000_000, "ISK"),
        ] {
            assert!(write(money(minor, code)).is_err(), "{minor} {code}");
        }
        assert!(read(-1, "cny").is_err() && read(1, "zzz").is_err() && read(150, "isk").is_err());
        let hundredfold = || write(money(1_500, "JPY"));
        assert_eq!(without(Defence::OwnUnit, hundredfold), Ok((150_000, "jpy".to_owned())), "a hundred times as much");
    }

    #[test]
    fn pm_10_what_is_written_in_any_currency_is_read_as_the_same_money() {
        let mut written = 0;
        for currency in Currency::all() {
            for minor in [1, 10, 100, 12_340, 1_000_000] {
                let amount = Money::new(minor, currency).unwrap();
                if let Ok((wire, code)) = write(amount) {
                    assert_eq!(read(wire, &code), Ok(amount));
                    written += 1;
                }
            }
        }
        assert!(written > 500, "{written}");
        assert_eq!(offered().len(), 10);
        assert!(offered().iter().all(|currency| write(Money::new(1_000, *currency).unwrap()).is_ok()));
    }
}
