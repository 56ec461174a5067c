//! Values that must not be shown: they print as `<redacted>`, cannot be serialized and are wiped when dropped.
//!
//! Deliberately not here: keeping them (the vault does) and comparing them.

use std::fmt;
use zeroize::Zeroize;

/// A secret. [`Sensitive::expose`] is the only way to its value, so that every use can be found by name.
#[derive(Clone)]
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Takes a secret into custody.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_redacted_in_every_form() {
        let secret = Sensitive::new("canary-7f".to_owned());
        let shown = format!("{secret} {secret:?} {:#?}", Some(&secret));
        assert!(!shown.contains("canary") && shown.contains("<redacted>"), "{shown}");
        assert_eq!(secret.expose(), "canary-7f");
    }
}
