//! What the REST surface is started with: who may call it.
//!
//! Deliberately not here: issuing tokens, which the merchant's own sign-in does.

use super::{ConfigError, Profile, weakness};
use crate::secret::Sensitive;

/// Shortest key, bytes: HS256 needs at least the size of its hash (RFC 7518, 3.2).
const KEY_BYTES_MIN: usize = 32;

/// The REST surface. It is served only when configured.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// What `aud` of a token has to name.
    pub audience: String,
    /// Keys that sign tokens (HS256), the raw bytes as text; more than one while they are being changed.
    pub jwt_keys: Vec<Sensitive<String>>,
}

impl RestConfig {
    /// Refuses what no start may use.
    pub(super) fn check(&self, _: Profile) -> Result<(), ConfigError> {
        if self.audience.trim().is_empty() {
            return Err(ConfigError::new("rest.audience", "is empty"));
        }
        if self.jwt_keys.is_empty() {
            return Err(ConfigError::new("rest.jwt_keys", "is empty"));
        }
        for key in &self.jwt_keys {
            if let Some(problem) = weakness(key.expose()) {
                return Err(ConfigError::new("rest.jwt_keys", problem));
            }
            if key.expose().len() < KEY_BYTES_MIN {
                return Err(ConfigError::new("rest.jwt_keys", "is shorter than 256 bits"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_key_shorter_than_256_bits_or_a_placeholder_is_refused() {
        let config = |key: &str| RestConfig { audience: "zhiyou".to_owned(), jwt_keys: vec![key.to_owned().into()] };
        config("q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE").check(Profile::Live).unwrap();
        for weak in [
            "",
            "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGa",
            "changeme-changeme-changeme-changeme",
            "aaaaaaaabbbbbbbbaaaaaaaabbbbbbbb",
        ] {
            let refused = config(weak).check(Profile::Live).unwrap_err();
            assert_eq!(refused.field(), "rest.jwt_keys", "{weak}");
            assert!(weak.is_empty() || !refused.to_string().contains(weak));
        }
        let keyless = RestConfig { audience: "zhiyou".to_owned(), jwt_keys: vec![] };
        assert_eq!(keyless.check(Profile::Live).unwrap_err().field(), "rest.jwt_keys");
        let nobody = RestConfig { audience: " ".to_owned(), ..config("q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE") };
        assert_eq!(nobody.check(Profile::Live).unwrap_err().field(), "rest.audience");
    }
}
