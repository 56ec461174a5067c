//! Who calls: a JWT signed with HS256, as RFC 7519 and RFC 7515 write it.
//!
//! One algorithm, read from nowhere: what the token's header names has to be it. Written out here over the one crypto library,
//! because a general library's choice of algorithms is what such checks go wrong by. A token that says it is bound to a key
//! (RFC 7800) is not good without a proof of that key, and proofs are not taken: whoever shows one is refused, whatever it
//! is worth. Deliberately not here: issuing tokens, and proofs of possession (RFC 9449).

#[cfg(test)]
mod proofs;

use super::defence::{Defence, off};
use crate::mcp::scope::{Resource, Scopes};
use aws_lc_rs::hmac;
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use zhiyou_domain::time::UtcMicros;

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 4096;
/// Longest subject, bytes.
const SUBJECT_BYTES_MAX: usize = 128;

/// Why a token was refused; told to the log and never to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// Not three parts of base64 with JSON in them.
    #[error("malformed")]
    Malformed,
    /// Another algorithm, or a header that must be understood and is not.
    #[error("another algorithm")]
    Algorithm,
    /// None of the keys signed it.
    #[error("wrong signature")]
    Signature,
    /// Past its time, or without one.
    #[error("expired")]
    Expired,
    /// Before its time.
    #[error("not valid yet")]
    Early,
    /// For somebody else.
    #[error("another audience")]
    Audience,
    /// Names nobody.
    #[error("no subject")]
    Subject,
    /// Good only with a proof of a key.
    #[error("bound to a key")]
    Bound,
}

/// The token that a request shows as a bearer token (RFC 6750 §2.1); empty where there is none.
pub(crate) fn shown(headers: &HeaderMap) -> &str {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ");
    let token = token.or_else(|| given.strip_prefix("DPoP ").filter(|_| off(Defence::Scheme)));
    token.unwrap_or_default()
}

/// What tokens are checked against. A person's token and an agent's are for different audiences, and one that names both is
/// neither: what an agent wants is approved where no agent gets.
pub(crate) struct Tokens {
    keys: Vec<hmac::Key>,
    /// One of them has to be named.
    audiences: Vec<String>,
    /// Whose tokens are refused.
    others: Vec<String>,
    /// Whether nobody else may be named either: what an agent's token opens here it opens nowhere else.
    alone: bool,
}

/// What a token that counts says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// Who is called for.
    pub(crate) subject: String,
    /// What an agent may; a person's token needs none.
    pub(crate) scopes: Scopes,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    /// Seconds since 1970.
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    scope: String,
    /// The key it is bound to.
    #[serde(default)]
    cnf: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Tokens {
    /// Persons' tokens. Keys were checked with the configuration.
    pub(crate) fn new(config: &crate::config::RestConfig, agents: &Resource) -> Self {
        let key =
            |secret: &crate::secret::Sensitive<String>| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let keys = config.jwt_keys.iter().map(key).collect();
        let others = vec![format!("{}/mcp", config.audience), agents.address.clone()];
        Self { keys, audiences: vec![config.audience.clone()], others, alone: false }
    }

    /// Tokens of agents that act for a person: for `<audience>/mcp` or the server's own address (RFC 8707), and not for what
    /// persons use.
    pub(crate) fn of_agents(config: &crate::config::RestConfig, agents: &Resource) -> Self {
        let Self { keys, audiences, others, .. } = Self::new(config, agents);
        Self { keys, audiences: others, others: audiences, alone: true }
    }

    /// The subject of a token that is genuine, for us and in its time.
    pub(crate) fn subject(&self, token: &str, now: UtcMicros) -> Result<String, TokenError> {
        self.bearer(token, now).map(|bearer| bearer.subject)
    }

    /// What a token says that is genuine, for us and in its time. No leeway: both clocks are kept by servers.
    pub(crate) fn bearer(&self, token: &str, now: UtcMicros) -> Result<Bearer, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = part(header)?;
        let jwt = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("jwt"));
        if header.alg != "HS256" || header.crit.is_some() || !jwt {
            return Err(TokenError::Algorithm);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        if !self.keys.iter().any(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok()) {
            return Err(TokenError::Signature);
        }
        let claims: Claims = part(claims)?;
        let now_s = now.0.div_euclid(1_000_000);
        if claims.exp <= now_s {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf > now_s) {
            return Err(TokenError::Early);
        }
        let named = match &claims.aud {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many,
        };
        let ours = named.iter().filter(|one| self.audiences.contains(one)).count();
        let strangers = self.alone && ours < named.len();
        if ours == 0 || strangers || named.iter().any(|one| self.others.contains(one)) {
            return Err(TokenError::Audience);
        }
        if claims.cnf.is_some() && !off(Defence::Unbound) {
            return Err(TokenError::Bound);
        }
        let plain = !claims.sub.trim().is_empty() && !claims.sub.chars().any(char::is_control);
        if plain && claims.sub.len() <= SUBJECT_BYTES_MAX {
            Ok(Bearer { subject: claims.sub, scopes: Scopes::read(&claims.scope) })
        } else {
            Err(TokenError::Subject)
        }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RestConfig, rest_sample as sample};
    use serde_json::{Value, json};

    const KEY: &str = "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE";
    const OTHER_KEY: &str = "M7xK2pQ9sV4tB8nL1zR6cW3yH5jD0gFu";
    const NOW_S: i64 = 1_795_141_500;

    fn tokens() -> Tokens {
        let keys = vec![OTHER_KEY.to_owned().into(), KEY.to_owned().into()];
        Tokens::new(&RestConfig { jwt_keys: keys, ..sample() }, &agents())
    }

    fn agents() -> Resource {
        Resource::new("https://gw.example", "payments", &[])
    }

    fn encode(header: &Value, claims: &Value, key: &str) -> String {
        let text = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", text(header), text(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = json!({"sub": "user-1", "aud": "zhiyou", "exp": NOW_S + 1, "nbf": NOW_S});
        change(&mut claims);
        claims
    }

    fn judged(header: &Value, claims: &Value, key: &str) -> Result<String, TokenError> {
        tokens().subject(&encode(header, claims, key), UtcMicros(NOW_S * 1_000_000))
    }

    #[test]
    fn a_genuine_token_in_its_time_names_its_subject_under_either_key() {
        let header = json!({"alg": "HS256", "typ": "JWT"});
        assert_eq!(judged(&header, &claims(|_| {}), KEY), Ok("user-1".to_owned()));
        assert_eq!(judged(&header, &claims(|_| {}), OTHER_KEY), Ok("user-1".to_owned()));
        let many = claims(|claims| claims["aud"] = json!(["shop", "zhiyou"]));
        assert_eq!(judged(&header, &many, KEY), Ok("user-1".to_owned()));
    }

    /// RFC 7515, appendix A.1: the published HS256 example.
    #[test]
    fn the_published_example_verifies_and_its_claims_are_then_looked_at() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let (audiences, others) = (vec!["zhiyou".to_owned()], vec!["zhiyou/mcp".to_owned()]);
        let keys = vec![hmac::Key::new(hmac::HMAC_SHA256, &key)];
        let tokens = Tokens { keys, audiences, others, alone: false };
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
                     .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                     .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let at = |now_s: i64| tokens.subject(token, UtcMicros(now_s * 1_000_000));
        assert_eq!(at(1_300_819_380), Err(TokenError::Expired));
        assert_eq!(at(1_300_819_379), Err(TokenError::Audience));
        assert_eq!(tokens.subject(&token.replace("dBjft", "dBjfu"), UtcMicros(0)), Err(TokenError::Signature));
    }

    #[test]
    fn a_persons_token_is_no_agents_an_agents_no_persons_and_one_that_names_both_is_neither() {
        let (persons, agents) = (Tokens::new(&sample(), &agents()), Tokens::of_agents(&sample(), &agents()));
        let own = "https://gw.example/mcp/payments";
        for (audience, person, agent) in [
            (json!("zhiyou"), true, false),
            (json!("zhiyou/mcp"), false, true),
            (json!(own), false, true),
            (json!("https://gw.example/mcp/flights"), false, false),
            (json!(["zhiyou", "zhiyou/mcp"]), false, false),
            (json!(["zhiyou", own]), false, false),
            (json!(["zhiyou/mcp", own]), false, true),
            (json!(["zhiyou", "shop"]), true, false),
            (json!(["zhiyou/mcp", "shop"]), false, false),
            (json!([own, "https://gw.example/mcp/flights"]), false, false),
        ] {
            let claims = claims(|claims| claims["aud"] = audience.clone());
            let token = encode(&json!({"alg": "HS256"}), &claims, KEY);
            let judged = |tokens: &Tokens| tokens.subject(&token, UtcMicros(NOW_S * 1_000_000)).is_ok();
            assert_eq!((judged(&persons), judged(&agents)), (person, agent), "{audience}");
        }
    }

    #[test]
    fn another_algorithm_is_refused_whatever_the_signature() {
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "HS512"}),
            json!({"alg": "RS256"}),
            json!({"alg": "hs256"}),
            json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
            json!({"alg": "HS256", "typ": "JWE"}),
        ] {
            assert_eq!(judged(&header, &claims(|_| {}), KEY), Err(TokenError::Algorithm), "{header}");
        }
        let unsigned = encode(&json!({"alg": "none"}), &claims(|_| {}), KEY);
        let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
        assert_eq!(tokens().subject(&unsigned, UtcMicros(0)), Err(TokenError::Algorithm));
        let stripped = encode(&json!({"alg": "HS256"}), &claims(|_| {}), KEY);
        let stripped = format!("{}.", stripped.rsplit_once('.').unwrap().0);
        assert_eq!(tokens().subject(&stripped, UtcMicros(0)), Err(TokenError::Signature));
    }

    #[test]
    fn a_wrong_key_a_changed_token_and_rubbish_are_refused() {
        let header = json!({"alg": "HS256"});
        let wrong = "X7xK2pQ9sV4tB8nL1zR6cW3yH5jD0gFu";
        assert_eq!(judged(&header, &claims(|_| {}), wrong), Err(TokenError::Signature));
        let (genuine, other) =
            (encode(&header, &claims(|_| {}), KEY), encode(&header, &claims(|c| c["sub"] = json!("x")), KEY));
        let parts: Vec<&str> = genuine.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2]);
        assert_eq!(tokens().subject(&forged, UtcMicros(0)), Err(TokenError::Signature));
        for rubbish in ["", "a", "a.b", "a.b.c", "....", &format!("{genuine}="), &"e".repeat(5000)] {
            assert_eq!(tokens().subject(rubbish, UtcMicros(0)), Err(TokenError::Malformed), "{rubbish}");
        }
    }

    #[test]
    fn a_token_out_of_its_time_for_others_or_for_nobody_is_refused() {
        let header = json!({"alg": "HS256"});
        for (change, wanted) in [
            (json!({"exp": NOW_S}), TokenError::Expired),
            (json!({"exp": null}), TokenError::Malformed),
            (json!({"exp": "1895141500"}), TokenError::Malformed),
            (json!({"nbf": NOW_S + 1}), TokenError::Early),
            (json!({"aud": "zhiyou2"}), TokenError::Audience),
            (json!({"aud": []}), TokenError::Audience),
            (json!({"scope": ["payment.read"]}), TokenError::Malformed),
            (json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}), TokenError::Bound),
            (json!({"cnf": {}}), TokenError::Bound),
            (json!({"sub": " "}), TokenError::Subject),
            (json!({"sub": "x".repeat(129)}), TokenError::Subject),
        ] {
            let changed = claims(|claims| {
                for (name, value) in change.as_object().unwrap() {
                    claims[name] = value.clone();
                }
            });
            assert_eq!(judged(&header, &changed, KEY), Err(wanted), "{change}");
        }
        let without = claims(|claims| {
            claims.as_object_mut().unwrap().remove("aud");
        });
        assert_eq!(judged(&header, &without, KEY), Err(TokenError::Audience));
    }
}
