//! What the REST surface is started with: who may call it.
//!
//! Deliberately not here: issuing tokens, which the merchant's own sign-in does.

use super::{ConfigError, Profile, allowed, weakness};
use crate::secret::Sensitive;
use url::Url;

/// Shortest key, bytes: HS256 needs at least the size of its hash (RFC 7518, 3.2).
const KEY_BYTES_MIN: usize = 32;

/// The REST surface. It is served only when configured.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// What `aud` of a token has to name.
    pub audience: String,
    /// Keys that sign tokens (HS256), the raw bytes as text; more than one while they are being changed.
    pub jwt_keys: Vec<Sensitive<String>>,
    /// Who issues agents' tokens, as their server tells clients; nobody is told where there is none.
    pub authorization_servers: Vec<Url>,
    /// The merchant's page on which a person answers what an agent wants; a confirmation's id is its last part. Without one
    /// agents are not sent anywhere.
    pub confirmation_page: Option<Url>,
}

impl RestConfig {
    /// Refuses what no start may use.
    pub(super) fn check(&self, profile: Profile) -> Result<(), ConfigError> {
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
        let named = self.authorization_servers.iter().map(|url| ("rest.authorization_servers", url));
        for (field, url) in named.chain(self.confirmation_page.iter().map(|url| ("rest.confirmation_page", url))) {
            if !allowed(profile, url) {
                return Err(ConfigError::new(field, "is not an address this profile may use"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Who may call in tests.
    pub(crate) fn sample() -> RestConfig {
        RestConfig {
            audience: "zhiyou".to_owned(),
            jwt_keys: vec!["q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE".to_owned().into()],
            authorization_servers: Vec::new(),
            confirmation_page: None,
        }
    }

    #[test]
    fn a_token_key_shorter_than_256_bits_or_a_placeholder_is_refused() {
        let config = |key: &str| RestConfig { jwt_keys: vec![key.to_owned().into()], ..sample() };
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
        let keyless = RestConfig { jwt_keys: vec![], ..sample() };
        assert_eq!(keyless.check(Profile::Live).unwrap_err().field(), "rest.jwt_keys");
        let nobody = RestConfig { audience: " ".to_owned(), ..config("q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE") };
        assert_eq!(nobody.check(Profile::Live).unwrap_err().field(), "rest.audience");
    }

    #[test]
    fn where_agents_and_persons_are_sent_is_https_where_money_is_real() {
        let with = |issuer: &str, page: &str| RestConfig {
            authorization_servers: vec![issuer.parse().unwrap()],
            confirmation_page: Some(page.parse().unwrap()),
            ..sample()
        };
        with("https://id.example", "https://shop.example/confirm").check(Profile::Live).unwrap();
        let told = |config: RestConfig| config.check(Profile::Live).unwrap_err().field().to_owned();
        assert_eq!(told(with("http://id.example", "https://shop.example")), "rest.authorization_servers");
        assert_eq!(told(with("https://id.example", "https://u@shop.example")), "rest.confirmation_page");
        assert_eq!(told(with("https://id.example", "https://shop.example/?to=")), "rest.confirmation_page");
    }
}
