//! What a reason keeps of why a call did not succeed: one word of fixed form.
//!
//! A reason becomes a fact, which nothing can take back, and a line of the log. The request it answers held names, birthdays
//! and addresses, and a provider may repeat them in its sentence: so no sentence gets in. Deliberately not here: free text.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Longest word; what is ours is cut there.
const CHARS_MAX: usize = 64;
/// An error code has up to five digits; a birthday, a phone number and most documents have more.
const DIGITS_MAX: usize = 5;

/// A word of our own, or a code of a provider's: letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Word(String);

impl Word {
    /// A provider's own code. What is not of the form, a sentence above all, is dropped whole.
    #[must_use]
    pub fn said(text: &str) -> Self {
        Self(if is_word(text) { text.to_owned() } else { String::new() })
    }

    /// The names in how a value of ours prints, up to the first content: `Missing("x")` is `Missing`.
    #[must_use]
    pub fn named(value: &(impl fmt::Debug + ?Sized)) -> Self {
        let printed = format!("{value:?}");
        let printed = printed.strip_prefix("Some(").unwrap_or(&printed);
        let end = printed.find(|c: char| !(c.is_ascii_alphanumeric() || "_(:".contains(c)));
        Self::said(&joined(printed.get(..end.unwrap_or(printed.len())).unwrap_or_default()))
    }

    /// With another word after it, as long as both have room.
    #[must_use]
    pub fn and(self, more: impl Into<Self>) -> Self {
        let more = more.into();
        if self.0.is_empty() {
            return more;
        }
        let both = format!("{self}-{more}");
        if !more.0.is_empty() && is_word(&both) { Self(both) } else { self }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_of_form(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

fn is_word(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (1..=CHARS_MAX).contains(&text.len()) && digits <= DIGITS_MAX && text.chars().all(is_of_form)
}

/// Everything that is not of the form becomes a hyphen between what is.
fn joined(text: &str) -> String {
    text.split(|c| !is_of_form(c)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

impl From<&'static str> for Word {
    /// Words of our own; only those are known when the program is built.
    fn from(ours: &'static str) -> Self {
        Self(joined(ours).chars().take(CHARS_MAX).collect())
    }
}

impl From<u16> for Word {
    /// A status.
    fn from(status: u16) -> Self {
        Self(status.to_string())
    }
}

impl From<Word> for String {
    fn from(word: Word) -> Self {
        word.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    /// Whoever wrote it, also a journal of an earlier version: what is not a word is read as none.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::said(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_stays_and_a_sentence_or_what_belongs_to_a_person_does_not() {
        for code in ["offer_no_longer_available", "ACQ.TRADE_HAS_CLOSE", "isv.invalid-app-id", "40004", "429"] {
            assert_eq!(Word::said(code).as_str(), code);
        }
        let long = "x".repeat(CHARS_MAX + 1);
        for text in [
            "duplicate booking for LIN/XIA",
            "lin@example.com",
            "+8613800138000",
            "13800138000",
            "1990-01-01",
            "林霞",
            &long,
            "",
        ] {
            assert_eq!(Word::said(text).as_str(), "", "{text:?}");
        }
    }

    #[test]
    fn a_name_of_ours_is_kept_without_what_it_holds() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "what it holds is read by how it prints alone")]
        enum Ours {
            Bare,
            Holds(&'static str),
            Fields { _text: &'static str },
            Within(Option<Box<Ours>>),
        }
        let error = serde_json::from_str::<bool>(r#""lin@example.com""#).unwrap_err();
        for (word, kept) in [
            (Word::named(&Ours::Bare), "Bare"),
            (Word::named(&Ours::Holds("lin@example.com")), "Holds"),
            (Word::named(&Ours::Fields { _text: "LIN" }), "Fields"),
            (Word::named(&Ours::Within(Some(Box::new(Ours::Holds("LIN"))))), "Within-Some-Holds"),
            (Word::named("LIN"), ""),
            (Word::named(&error), "Error"),
            (Word::from("the page was used").and(Word::named(&Ours::Bare)), "the-page-was-used-Bare"),
            (Word::from("status").and(503).and(Word::said("no, LIN/XIA")), "status-503"),
        ] {
            assert_eq!(word.as_str(), kept);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_word_or_nothing_and_what_was_written_is_read_again(text in "[ -~]{0,80}", more in "\\PC{0,80}") {
            let read = |text: &str| serde_json::from_value::<Word>(text.into()).unwrap();
            for word in [read(&text), read(&more), Word::said(&text).and(Word::said(&more)), Word::named(&text)] {
                prop_assert!(word.as_str().is_empty() || is_word(word.as_str()));
                prop_assert_eq!(&read(word.as_str()), &word);
            }
        }
    }
}
