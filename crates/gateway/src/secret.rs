//! Values that must not be seen: keys, tokens, secrets; and the check that a configured one is not a placeholder.
//!
//! Deliberately not here: where secrets come from.

use crate::defence::{Defence, off};
use serde::{Deserialize, Deserializer};
use std::fmt;
use zeroize::Zeroize;

/// A value that prints `<redacted>`, cannot be serialized and is overwritten when it goes.
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; for the one place that sends or computes with it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize + Clone> Clone for Sensitive<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T: Zeroize> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

// Read from an answer that tells a secret once; there is no way back.
impl<'de> Deserialize<'de> for Sensitive<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Shortest secret that is accepted, characters.
const LENGTH_MIN: usize = 16;

/// Beginnings that betray a value somebody meant to replace.
const PLACEHOLDERS: [&str; 12] = [
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your",
    "example",
    "replace",
    "insert",
    "todo",
    "dummy",
    "test",
    "secret",
];

/// What is wrong with a configured secret, if anything. The text never contains the value.
///
/// Prefixes that name the kind of key (`duffel_test_`) are the caller's to remove first.
#[must_use]
pub(crate) fn weakness(value: &str) -> Option<&'static str> {
    if off(Defence::StrongSecret) {
        return None;
    }
    if value.trim().is_empty() {
        return Some("is empty");
    }
    if value.trim() != value || value.chars().any(char::is_control) {
        return Some("has white space around it");
    }
    let lower = value.to_ascii_lowercase();
    let bare = lower.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if PLACEHOLDERS.iter().any(|word| bare.starts_with(word)) {
        return Some("is a placeholder");
    }
    if value.chars().count() < LENGTH_MIN {
        return Some("is shorter than 16 characters");
    }
    let mut distinct: Vec<char> = value.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    (distinct.len() < 5).then_some("is a placeholder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        let token = Sensitive::new("duffel_test_5Qr8".to_owned());
        assert_eq!(format!("{token} {token:?}"), "<redacted> <redacted>");
        assert_eq!(token.expose(), "duffel_test_5Qr8");
    }

    #[test]
    fn empty_short_and_placeholder_secrets_are_refused() {
        for bad in [
            "",
            "   ",
            "short",
            "changeme-changeme-changeme",
            "PLACEHOLDER_PLACEHOLDER",
            "<your-api-key-goes-here>",
            "test",
            "test_test_test_test_test",
            "xxxxxxxxxxxxxxxxxxxxxxxx",
            "0000000000000000",
            " 9f8a7b6c5d4e3f2a1b0c ",
        ] {
            assert!(weakness(bad).is_some(), "{bad:?}");
        }
        assert_eq!(weakness("a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"), None);
    }
}
