//! What is shown of personal details where nobody asked to see them whole: enough to recognise one's own, too little for
//! anybody else.
//!
//! Deliberately not here: deciding where something may be shown whole; nothing shows it whole but an export.

use jiff::civil::Date;

/// So many digits, with spaces and hyphens between them or not, are somebody's number.
const DIGITS_MIN: usize = 7;

/// `****5678`: the last four characters of a number of a document, a card or a phone, or fewer of a short one.
pub(crate) fn number(text: &str) -> String {
    let length = text.chars().count();
    // At least as much is hidden as is shown.
    let shown = if length >= 8 { 4 } else { length / 4 };
    format!("****{}", text.chars().skip(length.saturating_sub(shown)).collect::<String>())
}

/// `x***@example.com`: the first character and the host.
pub(crate) fn email(text: &str) -> String {
    match text.split_once('@') {
        Some((local, host)) => format!("{}***@{host}", local.chars().take(1).collect::<String>()),
        None => "***".to_owned(),
    }
}

/// The name of an account: an e-mail, or a number of a kind.
pub(crate) fn account(text: &str) -> String {
    if text.contains('@') { email(text) } else { number(text) }
}

/// A text that somebody else wrote, in which every address and every long number is masked. Days stay.
pub(crate) fn text(text: &str) -> String {
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let word = leading(rest, |c| c.is_alphanumeric() || "@._%+-".contains(c));
        let digits = leading(rest, |c| c.is_numeric() || " -".contains(c)).trim_end_matches([' ', '-']);
        let is_long = first.is_numeric() && digits.chars().filter(|c| c.is_numeric()).count() >= DIGITS_MIN;
        let plain = match day(digits) {
            Some(day) => day,
            None if first.is_numeric() => leading(rest, char::is_numeric),
            None => rest.get(..first.len_utf8()).unwrap_or(rest),
        };
        let (taken, shown) = if let Some(at) = word.find('@') {
            // The host is a text again: nothing hides behind an `@`.
            let local = rest.get(..=at).unwrap_or(rest);
            (local, email(local))
        } else if is_long && day(digits).is_none() {
            (digits, number(digits))
        } else {
            (plain, plain.to_owned())
        };
        masked.push_str(&shown);
        rest = rest.get(taken.len()..).unwrap_or_default();
    }
    masked
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    text.get(..text.find(|c| !belongs(c)).unwrap_or(text.len())).unwrap_or(text)
}

/// `2027-01-31` at the beginning, and no digit after it.
fn day(digits: &str) -> Option<&str> {
    let day = digits.get(..10).filter(|day| day.parse::<Date>().is_ok())?;
    let more = digits.get(10..)?.chars().next().is_some_and(char::is_numeric);
    (!more).then_some(day)
}

/// `1992-**-**`.
pub(crate) fn date(date: Date) -> String {
    format!("{:04}-**-**", date.year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_a_number_the_end_is_shown_of_an_address_the_beginning_and_of_a_birthday_the_year() {
        assert_eq!(number("E12345678"), "****5678");
        assert_eq!(number("+8613800000000"), "****0000");
        assert_eq!(number("AB12"), "****2");
        assert_eq!(number("AB1"), "****");
        assert_eq!(email("xia.lin@example.com"), "x***@example.com");
        assert_eq!(email("nonsense"), "***");
        assert_eq!([account("xia.lin@example.com"), account("TK123456789")], ["x***@example.com", "****6789"]);
        assert_eq!(date(jiff::civil::date(1992, 3, 14)), "1992-**-**");
    }

    #[test]
    fn in_a_text_of_somebody_elses_addresses_and_long_numbers_are_masked_and_days_stay() {
        for (given, shown) in [
            (r#"{"email":"xia.lin@example.com","tier":"CLASSIC"}"#, r#"{"email":"x***@example.com","tier":"CLASSIC"}"#),
            ("TK123456789, +8613800000000", "TK****6789, +****0000"),
            ("call 138 0013-8000 now", "call ****8000 now"),
            ("会员１２３４５６７８", "会员****５６７８"),
            ("TK89 on 2027-01-31 00:40, 999999 miles", "TK89 on 2027-01-31 00:40, 999999 miles"),
            ("1380-01-31800 and 1380-13-31", "****1800 and ****3-31"),
            ("@ ", "***@ "),
            ("", ""),
        ] {
            assert_eq!(text(given), shown);
        }
    }

    proptest! {
        #[test]
        fn no_long_number_and_no_address_is_left_of_any_text(before in "\\PC{0,20}", digits in "[0-9]{7,20}", after in "\\PC{0,20}") {
            let shown = text(&format!("{before}{digits}{after}"));
            prop_assert!(!shown.contains(&digits), "{shown}");
            let shown = text(&format!("{before} lin.xia@example.com {after}"));
            prop_assert!(!shown.contains("lin.xia"), "{shown}");
        }

        #[test]
        fn at_least_half_of_every_number_is_hidden(text in "[A-Z0-9]{1,24}") {
            let shown = number(&text).trim_start_matches('*').len();
            prop_assert!(shown <= 4 && shown * 2 <= text.len());
        }
    }
}
