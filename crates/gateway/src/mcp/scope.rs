//! What an agent's token allows, and where a client learns which token to fetch (RFC 9728, RFC 6750).
//!
//! A token says its scopes in `scope`, separated by spaces (RFC 8693, 4.2); one that says nothing allows nothing. Deliberately
//! not here: issuing tokens, and whom one is for, which is the signature's and the audience's.

use serde_json::{Value, json};

/// Where the description of a server is, before its path.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// What a tool is allowed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Where a payment stands.
    PaymentRead,
    /// Preparing and opening payments.
    PaymentWrite,
    /// Giving back.
    RefundWrite,
}

impl Scope {
    const ALL: [Self; 3] = [Self::PaymentRead, Self::PaymentWrite, Self::RefundWrite];

    /// As tokens and challenges write it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::PaymentRead => "payment.read",
            Self::PaymentWrite => "payment.write",
            Self::RefundWrite => "refund.write",
        }
    }
}

/// The scopes of a token that mean anything here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// As a token says them; what we do not know allows nothing.
    pub(crate) fn read(said: &str) -> Self {
        let held = |scope: &Scope| said.split(' ').any(|word| word == scope.word());
        Self(Scope::ALL.into_iter().filter(held).collect())
    }

    pub(crate) fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// These and one more, as a challenge asks for them: who fetches another token loses nothing.
    fn with(&self, more: Scope) -> String {
        let wanted = Scope::ALL.into_iter().filter(|scope| *scope == more || self.allow(*scope));
        wanted.map(Scope::word).collect::<Vec<_>>().join(" ")
    }
}

/// A server as OAuth clients know it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// Its address, which is what a token is asked for.
    pub(crate) address: String,
    /// Where its description is.
    pub(crate) metadata: String,
    /// Who issues tokens for it.
    pub(crate) issuers: Vec<String>,
}

impl Resource {
    /// The server `name` of a gateway that is reached at `base`, without a final slash.
    pub(crate) fn new(base: &str, name: &str, issuers: &[url::Url]) -> Self {
        // An issuer is compared letter by letter (RFC 8414, 3.3): one without a path is written without a slash.
        let plain = |issuer: &url::Url| issuer.as_str().trim_end_matches('/').to_owned();
        Self {
            address: format!("{base}/mcp/{name}"),
            metadata: format!("{base}{METADATA}/mcp/{name}"),
            issuers: issuers.iter().map(plain).collect(),
        }
    }

    /// The description (RFC 9728, 2).
    pub(crate) fn described(&self) -> Value {
        let mut described = json!({
            "resource": self.address,
            "scopes_supported": Scope::ALL.map(Scope::word),
            "bearer_methods_supported": ["header"],
            "resource_name": "Zhiyou payments",
        });
        // What is not known is left out (RFC 9728, 2).
        if !self.issuers.is_empty() {
            described["authorization_servers"] = json!(self.issuers);
        }
        described
    }

    /// What a caller without a token that counts is told: where to ask, and for how little. An error is named only where a
    /// token was shown (RFC 6750, 3.1).
    pub(crate) fn challenge(&self, shown: bool) -> String {
        let error = if shown { "error=\"invalid_token\", " } else { "" };
        format!(
            "Bearer {error}resource_metadata=\"{}\", scope=\"{}\"",
            self.metadata,
            Scopes::default().with(Scope::PaymentRead)
        )
    }

    /// What a caller is told whose token allows too little.
    pub(crate) fn step_up(&self, held: &Scopes, needed: Scope) -> String {
        format!(
            "Bearer error=\"insufficient_scope\", scope=\"{}\", resource_metadata=\"{}\"",
            held.with(needed),
            self.metadata
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_allows_what_it_names_word_by_word_and_nothing_else() {
        let allowed = |said: &str| Scope::ALL.map(|scope| Scopes::read(said).allow(scope));
        assert_eq!(allowed("payment.read payment.write refund.write"), [true, true, true]);
        assert_eq!(allowed("openid refund.write"), [false, false, true]);
        for nothing in ["", "payment", "payment.reader", "PAYMENT.READ", "payment.read,payment.write", "*"] {
            assert_eq!(allowed(nothing), [false, false, false], "{nothing}");
        }
    }

    #[test]
    fn a_challenge_names_the_description_and_asks_for_what_is_held_and_the_one_that_is_needed() {
        let resource = Resource::new("https://gw.example/pay", "payments", &["https://id.example".parse().unwrap()]);
        let metadata = "https://gw.example/pay/.well-known/oauth-protected-resource/mcp/payments";
        assert_eq!(
            resource.challenge(false),
            format!("Bearer resource_metadata=\"{metadata}\", scope=\"payment.read\"")
        );
        assert!(resource.challenge(true).starts_with("Bearer error=\"invalid_token\", "));
        assert_eq!(
            resource.step_up(&Scopes::read("payment.read"), Scope::RefundWrite),
            format!(
                "Bearer error=\"insufficient_scope\", scope=\"payment.read refund.write\", resource_metadata=\"{metadata}\""
            )
        );
        assert_eq!(resource.described()["authorization_servers"], json!(["https://id.example"]));
        let unknown = Resource::new("https://gw.example", "payments", &[]).described();
        assert_eq!(unknown.get("authorization_servers"), None);
    }
}
