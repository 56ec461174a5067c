//! Ways to pay on Stripe's hosted page, as data: what each is called, which currencies Stripe names for it, and what it can do.
//!
//! Sources: docs.stripe.com/payments/wechat-pay and /payments/alipay (presentment currencies, no manual capture). Which of the
//! currencies an account may use depends on its country, so the configuration may name fewer. Deliberately not here: the request,
//! which the adapter writes from this.

use crate::{config::ConfigError, pay::stripe::amount};
use serde_json::Value;
use zhiyou_domain::money::Currency;

/// A way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMethod {
    /// Cards.
    Card,
    /// WeChat Pay: the page shows a code.
    WechatPay,
    /// Alipay: the page leads to Alipay's.
    Alipay,
}

/// What Stripe says of a way to pay.
struct Facts {
    method: StripeMethod,
    word: &'static str,
    /// None: whatever the channel is offered for.
    currencies: Option<&'static [&'static str]>,
    sets_aside: bool,
    pays_off: bool,
    /// What a page that offers it has to be told.
    options: &'static [(&'static str, &'static str)],
}

const CARD: Facts = Facts {
    method: StripeMethod::Card,
    word: "card",
    currencies: None,
    sets_aside: true,
    pays_off: true,
    options: &[],
};
const WECHAT_PAY: Facts = Facts {
    method: StripeMethod::WechatPay,
    word: "wechat_pay",
    currencies: Some(&["CNY", "AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD", "DKK", "NOK", "SEK", "CHF"]),
    sets_aside: false,
    pays_off: false,
    options: &[("payment_method_options[wechat_pay][client]", "web")],
};
const ALIPAY: Facts = Facts {
    method: StripeMethod::Alipay,
    word: "alipay",
    currencies: Some(&["CNY", "AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD", "MYR", "NZD"]),
    sets_aside: false,
    pays_off: false,
    options: &[],
};
const TABLE: [&Facts; 3] = [&CARD, &WECHAT_PAY, &ALIPAY];

impl StripeMethod {
    const fn facts(self) -> &'static Facts {
        match self {
            Self::Card => &CARD,
            Self::WechatPay => &WECHAT_PAY,
            Self::Alipay => &ALIPAY,
        }
    }

    fn named(word: &str) -> Option<Self> {
        TABLE.iter().find(|facts| facts.word == word).map(|facts| facts.method)
    }

    /// What Stripe calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.facts().word
    }

    /// Whether money can be authorised first and taken later.
    #[must_use]
    pub const fn sets_aside(self) -> bool {
        self.facts().sets_aside
    }

    /// Whether it can be paid off in instalments.
    #[must_use]
    pub const fn pays_off(self) -> bool {
        self.facts().pays_off
    }

    /// Fields of a page that offers it.
    pub(crate) const fn options(self) -> &'static [(&'static str, &'static str)] {
        self.facts().options
    }

    /// Every currency that Stripe names for it and the channel can write.
    #[must_use]
    pub fn currencies(self) -> Vec<Currency> {
        let named = |currency: &Currency| self.facts().currencies.is_none_or(|codes| codes.contains(&currency.code()));
        amount::offered().iter().copied().filter(named).collect()
    }
}

/// A way to pay as the account has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeMethodConfig {
    /// Which.
    pub method: StripeMethod,
    /// For which currencies it is offered; some of those Stripe names for it.
    pub currencies: Vec<Currency>,
}

impl StripeMethodConfig {
    /// Everywhere Stripe has it.
    #[must_use]
    pub fn whole(method: StripeMethod) -> Self {
        Self { method, currencies: method.currencies() }
    }
}

/// What `methods` and `currencies` of the table say; cards alone where they say nothing.
pub(super) fn read(methods: &Value, currencies: &Value) -> Result<Vec<StripeMethodConfig>, ConfigError> {
    let wrong = |problem: &str| ConfigError::new("stripe.methods", problem);
    let words = match methods {
        Value::Null => return narrowed(vec![StripeMethodConfig::whole(StripeMethod::Card)], currencies),
        Value::Array(words) => words,
        _ => return Err(wrong("is not a list")),
    };
    let named = words.iter().map(|word| {
        let method = word.as_str().and_then(StripeMethod::named);
        method.map(StripeMethodConfig::whole).ok_or_else(|| wrong("names a way to pay that is not known"))
    });
    narrowed(named.collect::<Result<_, _>>()?, currencies)
}

fn narrowed(mut methods: Vec<StripeMethodConfig>, table: &Value) -> Result<Vec<StripeMethodConfig>, ConfigError> {
    let rows = match table {
        Value::Null => return Ok(methods),
        Value::Object(rows) => rows,
        _ => return Err(ConfigError::new("stripe.currencies", "is not a table")),
    };
    for (word, codes) in rows {
        let field = format!("stripe.currencies.{word}");
        let known = methods.iter_mut().find(|known| known.method.word() == word);
        let known = known.ok_or_else(|| ConfigError::new(&field, "is not one of the methods"))?;
        let codes = codes.as_array().into_iter().flatten().map(|code| code.as_str().and_then(|code| code.parse().ok()));
        known.currencies =
            codes.collect::<Option<_>>().ok_or_else(|| ConfigError::new(&field, "are not currencies"))?;
    }
    Ok(methods)
}

/// Refuses no way to pay at all, one that is named twice, and currencies it is not for.
pub(super) fn check(methods: &[StripeMethodConfig]) -> Result<(), ConfigError> {
    if methods.is_empty() {
        return Err(ConfigError::new("stripe.methods", "is empty"));
    }
    for (index, one) in methods.iter().enumerate() {
        if methods.iter().skip(index + 1).any(|other| other.method == one.method) {
            return Err(ConfigError::new("stripe.methods", "names a way to pay twice"));
        }
        let able = one.method.currencies();
        if one.currencies.is_empty() || !one.currencies.iter().all(|currency| able.contains(currency)) {
            let field = format!("stripe.currencies.{}", one.method.word());
            return Err(ConfigError::new(field, "is empty or not what this way to pay is for"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(methods: Value, currencies: Value) -> Option<String> {
        let read = read(&methods, &currencies).and_then(|methods| check(&methods));
        read.err().map(|error| error.field().to_owned())
    }

    #[test]
    fn every_way_to_pay_is_in_the_table_under_its_own_word_and_is_for_some_currency() {
        for facts in TABLE {
            assert_eq!(StripeMethod::named(facts.word), Some(facts.method));
            assert_eq!(facts.method.word(), facts.word);
            assert!(!facts.method.currencies().is_empty());
            assert!(facts.method.currencies().contains(&Currency::CNY), "{}", facts.word);
        }
        let won = "KRW".parse().unwrap();
        assert!(StripeMethod::Card.currencies().contains(&won));
        for wallet in [StripeMethod::WechatPay, StripeMethod::Alipay] {
            assert!(!wallet.currencies().contains(&won) && !wallet.sets_aside() && !wallet.pays_off());
        }
    }

    #[test]
    fn cards_alone_are_offered_where_nothing_is_said() {
        let cards = vec![StripeMethodConfig::whole(StripeMethod::Card)];
        assert_eq!(read(&Value::Null, &Value::Null), Ok(cards));
        let all = read(&json!(["card", "wechat_pay", "alipay"]), &json!({"alipay": ["USD", "CNY"]})).unwrap();
        assert_eq!(all.iter().map(|one| one.method.word()).collect::<Vec<_>>(), ["card", "wechat_pay", "alipay"]);
        assert_eq!(all[2].currencies, ["USD".parse().unwrap(), Currency::CNY]);
        assert_eq!(check(&all), Ok(()));
    }

    #[test]
    fn what_is_not_known_not_for_a_currency_or_named_twice_is_refused_by_name() {
        let methods = Some("stripe.methods".to_owned());
        for wrong in [json!([]), json!(["cards"]), json!(["card", "card"]), json!("card"), json!([1])] {
            assert_eq!(refused(wrong.clone(), Value::Null), methods, "{wrong}");
        }
        let both = || json!(["card", "alipay"]);
        for (wrong, field) in [
            (json!({"wechat_pay": ["CNY"]}), "stripe.currencies.wechat_pay"),
            (json!({"alipay": ["KRW"]}), "stripe.currencies.alipay"),
            (json!({"alipay": []}), "stripe.currencies.alipay"),
            (json!({"alipay": ["yuan"]}), "stripe.currencies.alipay"),
            (json!(["CNY"]), "stripe.currencies"),
        ] {
            assert_eq!(refused(both(), wrong.clone()).as_deref(), Some(field), "{wrong}");
        }
    }
}
