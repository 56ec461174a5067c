//! The code of a coupon or gift card, which nobody sees who does not type it.
//!
//! It is written where it is sent and printed nowhere. Deliberately not here: what one is worth.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a traveller typed; whoever knows it can use it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CreditCode(String);

impl CreditCode {
    /// Wraps what was typed.
    #[must_use]
    pub const fn new(typed: String) -> Self {
        Self(typed)
    }

    /// What was typed; for the one place that looks it up.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{money::Money, port::payments::CheckCredit};

    #[test]
    fn a_code_is_sent_as_it_was_typed_and_printed_by_nothing_that_holds_it() {
        let order_total = Money::new(1, "CNY".parse().unwrap()).unwrap();
        let wish = CheckCredit { code: CreditCode::new("WELCOME50".to_owned()), order_total, asker: None };
        assert!(!format!("{wish:?} {wish:#?}").contains("WELCOME"), "{wish:?}");
        let sent = serde_json::to_value(&wish).unwrap();
        assert_eq!(sent["code"], "WELCOME50");
        assert_eq!(serde_json::from_value::<CheckCredit>(sent).unwrap(), wish);
    }
}
