//! What is shown of personal details where nobody asked to see them whole: enough to recognise one's own, too little for
//! anybody else.
//!
//! Deliberately not here: deciding where something may be shown whole; nothing shows it whole but an export.

use jiff::civil::Date;

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

    proptest! {
        #[test]
        fn at_least_half_of_every_number_is_hidden(text in "[A-Z0-9]{1,24}") {
            let shown = number(&text).trim_start_matches('*').len();
            prop_assert!(shown <= 4 && shown * 2 <= text.len());
        }
    }
}
