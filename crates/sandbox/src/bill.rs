//! What providers put on their bills, before each writes it in its own form, and the differences a scenario plants there.
//!
//! The rule `bill_differs` (one of `missing_here`, `missing_there`, `amount_differs`, `currency_differs`, `state_differs`,
//! `duplicate`, `foreign`, named as the merchant sees it) changes the bill and nothing else; the rule `no_bill` leaves it out,
//! and the rule `page_max` makes its pages smaller.
//! Deliberately not here: what happened; the book has that.

use crate::world::World;

/// A merchant's number like the ones merchants here use, which nobody used.
pub(crate) const NOBODYS: &str = "01KAZZZZZZZZZZZZZZZZZZZZZZ";
/// A number of some other shop of the same merchant.
pub(crate) const ANOTHER_SHOPS: &str = "INV-2026-0017";

/// One movement of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// A refund, not a payment.
    pub(crate) refund: bool,
    /// The provider's number of it.
    pub(crate) own: String,
    /// The merchant's number of it.
    pub(crate) merchants: String,
    /// The provider's number of the payment it is about; its own for a payment.
    pub(crate) payment: String,
    /// The merchant's number of that payment.
    pub(crate) payment_merchants: String,
    /// How much, smallest units of the currency.
    pub(crate) minor: i64,
    pub(crate) currency: String,
    pub(crate) at_us: i64,
    /// The provider's own word.
    pub(crate) state: String,
}

/// Whether the scenario leaves the bill out.
pub(crate) fn is_missing(world: &World, provider: &str) -> bool {
    world.switches.rule(provider, "no_bill", false)
}

/// What the scenario wants to differ.
pub(crate) fn wish(world: &World, provider: &str) -> Option<String> {
    world.switches.word(provider, "bill_differs")
}

/// The most entries of a page, where the scenario limits them.
pub(crate) fn page_max(world: &World, provider: &str) -> Option<usize> {
    usize::try_from(world.switches.amount(provider, "page_max", 0)).ok().filter(|most| *most > 0)
}

/// Another currency than this one.
pub(crate) fn other_currency(code: &str) -> &'static str {
    if code.eq_ignore_ascii_case("USD") { "EUR" } else { "USD" }
}

/// Plants the difference in the first payment of a bill; a bill without one stays as it is. `fresh` makes a number of the
/// provider, `done` is its word for a refund that happened.
pub(crate) fn plant(items: &mut Vec<Item>, wish: &str, done: &str, fresh: impl Fn() -> String) {
    let Some(at) = items.iter().position(|item| !item.refund) else { return };
    let Some(first) = items.get(at).cloned() else { return };
    let renumbered = |item: Item, merchants: &str| {
        let own = fresh();
        Item {
            payment: own.clone(),
            own,
            merchants: merchants.to_owned(),
            payment_merchants: merchants.to_owned(),
            ..item
        }
    };
    match wish {
        "missing_here" => items.push(renumbered(first, NOBODYS)),
        "foreign" => items.push(renumbered(first, ANOTHER_SHOPS)),
        "duplicate" => {
            let merchants = first.merchants.clone();
            items.push(renumbered(first, &merchants));
        }
        "missing_there" => drop(items.remove(at)),
        // Given back by hand, in the provider's console.
        "state_differs" => items.push(Item {
            refund: true,
            own: fresh(),
            merchants: String::new(),
            minor: 1,
            state: done.to_owned(),
            ..first
        }),
        "amount_differs" => {
            items.iter_mut().skip(at).take(1).for_each(|item| item.minor = item.minor.saturating_add(1))
        }
        "currency_differs" => {
            items
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|item| item.currency = other_currency(&item.currency).to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_difference_changes_one_item_or_adds_or_removes_one() {
        let item = |refund: bool, own: &str| Item {
            refund,
            own: own.to_owned(),
            merchants: format!("m-{own}"),
            payment: "p".to_owned(),
            payment_merchants: "m-p".to_owned(),
            minor: 29_901,
            currency: "CNY".to_owned(),
            at_us: 0,
            state: "SUCCESS".to_owned(),
        };
        let bill = vec![item(true, "r"), item(false, "p"), item(false, "q")];
        let planted = |wish: &str| {
            let mut items = bill.clone();
            plant(&mut items, wish, "SUCCESS", || "fresh".to_owned());
            items
        };
        assert_eq!(planted("nothing"), bill);
        assert_eq!(planted("missing_there"), [item(true, "r"), item(false, "q")]);
        assert_eq!(planted("amount_differs")[1].minor, 29_902);
        assert_eq!(planted("currency_differs")[1].currency, "USD");
        for (wish, merchants) in [("missing_here", NOBODYS), ("foreign", ANOTHER_SHOPS), ("duplicate", "m-p")] {
            let items = planted(wish);
            assert_eq!(items[..3], bill, "{wish}");
            assert_eq!(
                (items[3].own.as_str(), items[3].merchants.as_str(), items[3].refund),
                ("fresh", merchants, false)
            );
        }
        let by_hand = &planted("state_differs")[3];
        assert_eq!((by_hand.refund, by_hand.payment.as_str(), by_hand.minor), (true, "p", 1));
    }
}
