//! The token endpoint: redeeming a code, refreshing, revoking; and how tokens are kept.
//!
//! Deliberately not here: when to refresh, and where the sealed tokens are stored.

#[cfg(test)]
use super::tests::naive;
use super::{
    defence::{Defence, off},
    http::{Http, HttpError},
    metadata::Server,
    pending::Pending,
    platform::Platform,
};
use crate::secret::Sensitive;
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError, BasicTokenResponse, BasicTokenType},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use url::Url;
use zeroize::{Zeroize, Zeroizing};
use zhiyou_domain::time::UtcMicros;

/// Assumed where the platform does not say, or says nonsense; seconds.
const LIFETIME_DEFAULT_S: u64 = 600;
/// No access token is used for longer without asking again; seconds.
const LIFETIME_MAX_S: u64 = 24 * 3600;

/// Names what a token is for (RFC 8707).
const RESOURCE: &str = "resource";

/// What a platform gave, as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) scopes: Vec<String>,
    /// The client they were given to, where it was registered for their visit.
    #[serde(default)]
    pub(super) client: Option<String>,
    pub(super) expires_at_us: i64,
    /// Until then, a refusal of this token means that refreshing does not help.
    pub(super) proven_until_us: i64,
}

impl Zeroize for Tokens {
    fn zeroize(&mut self) {
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl Tokens {
    /// As bytes to seal.
    pub(super) fn plain(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        Ok(Zeroizing::new(serde_json::to_vec(self)?))
    }

    fn of_client(mut self, registered: &Option<String>) -> Self {
        self.client.clone_from(registered);
        self
    }

    /// What is shown to the platform to end them all, and its kind. The refresh token takes its access tokens along.
    fn revoked_by(&self) -> (&str, &'static str) {
        match &self.refresh {
            Some(refresh) => (refresh.as_str(), "refresh_token"),
            None => (self.access.as_str(), "access_token"),
        }
    }
}

/// Why the token endpoint gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The code or refresh token is not, or no longer, good.
    #[error("the platform refuses the grant")]
    Grant,
    /// There is nothing to ask with: no refresh token came with the last tokens.
    #[error("no refresh token")]
    RanOut,
    /// It refused for another reason, or its answer may not be used and holds nothing that could be revoked.
    #[error("the platform's answer: {0}")]
    Refused(&'static str),
    /// It gave tokens that may not be used; they live until they are revoked.
    #[error("the platform's answer: {0}")]
    Unwanted(&'static str, Box<Sensitive<Tokens>>),
    /// An answer that nobody can read: it may have given tokens.
    #[error("the platform's answer cannot be read")]
    Unreadable,
    /// No answer, or a passing failure: it may have given tokens.
    #[error("the platform does not answer: {0}")]
    Unavailable(String),
}

fn client_id(platform: &Platform, registered: &Option<String>) -> ClientId {
    ClientId::new(platform.client(registered).to_owned())
}

/// The address that the browser is sent to.
pub(super) fn authorization_url(
    platform: &Platform,
    server: &Server,
    pending: &Pending,
) -> Result<Url, url::ParseError> {
    let verifier = PkceCodeVerifier::new(pending.verifier.clone());
    let client = BasicClient::new(client_id(platform, &pending.client))
        .set_auth_uri(AuthUrl::from_url(server.authorization.clone()))
        .set_redirect_uri(RedirectUrl::new(pending.redirect.clone())?);
    let state = pending.state.clone();
    let request =
        client.authorize_url(|| CsrfToken::new(state)).add_scopes(platform.scopes.iter().cloned().map(Scope::new));
    let request = match &platform.mcp {
        Some(resource) => request.add_extra_param(RESOURCE, resource.as_str()),
        None => request,
    };
    // The library takes no verifier that is too short.
    let request = if off(Defence::ProofKey) || off(Defence::LongVerifier) {
        request
    } else {
        request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
    };
    let (url, _) = request.url();
    #[cfg(test)]
    let url = if off(Defence::HashedChallenge) { naive::plain_challenge(url, &pending.verifier) } else { url };
    Ok(url)
}

/// Redeems a code.
pub(super) async fn redeem(
    http: &Http,
    platform: &Platform,
    pending: &Pending,
    code: &Sensitive<String>,
    now: UtcMicros,
) -> Result<Tokens, TokenError> {
    let redirect = RedirectUrl::new(pending.redirect.clone()).map_err(|_| TokenError::Refused("redirect address"))?;
    let client = BasicClient::new(client_id(platform, &pending.client))
        .set_token_uri(TokenUrl::from_url(pending.token_endpoint.clone()))
        .set_redirect_uri(redirect);
    let request = client.exchange_code(AuthorizationCode::new(code.expose().clone()));
    let verifier = PkceCodeVerifier::new(pending.verifier.clone());
    let request = if off(Defence::ProofKey) { request } else { request.set_pkce_verifier(verifier) };
    let request = match &platform.mcp {
        Some(resource) => request.add_extra_param(RESOURCE, resource.as_str()),
        None => request,
    };
    let answer = request.request_async(&Strict(http)).await.map_err(explain)?;
    match accept(&answer, &platform.scopes, now) {
        Ok(tokens) => Ok(tokens.of_client(&pending.client)),
        Err(TokenError::Unwanted(why, tokens)) => {
            let tokens = Sensitive::new(tokens.expose().clone().of_client(&pending.client));
            Err(TokenError::Unwanted(why, Box::new(tokens)))
        }
        Err(error) => Err(error),
    }
}

/// Asks for new tokens; the old refresh token may be worthless from here on.
pub(super) async fn refresh(
    http: &Http,
    platform: &Platform,
    server: &Server,
    old: &Tokens,
    now: UtcMicros,
) -> Result<Tokens, TokenError> {
    let refresh = RefreshToken::new(old.refresh.clone().ok_or(TokenError::RanOut)?);
    let client =
        BasicClient::new(client_id(platform, &old.client)).set_token_uri(TokenUrl::from_url(server.token.clone()));
    let request = client.exchange_refresh_token(&refresh);
    let request = match &platform.mcp {
        Some(resource) => request.add_extra_param(RESOURCE, resource.as_str()),
        None => request,
    };
    let answer = request.request_async(&Strict(http)).await.map_err(explain)?;
    let mut new = accept(&answer, &old.scopes, now)?;
    new.client.clone_from(&old.client);
    if new.refresh.is_none() {
        new.refresh.clone_from(&old.refresh);
    }
    Ok(new)
}

/// Revokes (RFC 7009).
pub(super) async fn revoke(
    http: &Http,
    platform: &Platform,
    server: &Server,
    tokens: &Tokens,
) -> Result<(), TokenError> {
    let Some(endpoint) = server.revocation.clone() else { return Ok(()) };
    let (token, hint) = tokens.revoked_by();
    let form = [("token", token), ("token_type_hint", hint), ("client_id", platform.client(&tokens.client))];
    #[cfg(test)]
    let endpoint = if off(Defence::BodyOnly) { naive::in_address(endpoint, &form) } else { endpoint };
    match http.post(endpoint, &form).await {
        Ok((200, _)) => Ok(()),
        Ok((status, _)) => Err(TokenError::Unavailable(format!("HTTP {status}"))),
        Err(error) => Err(TokenError::Unavailable(error.to_string())),
    }
}

/// The client for token requests: its answers are made strict where the library is lenient, and lenient where it is strict.
struct Strict<'a>(&'a Http);

impl<'c> AsyncHttpClient<'c> for Strict<'_> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.send(request).await?;
            if says_nothing(&answer) { Err(HttpError::Unwell(answer.status().as_u16())) } else { Ok(strict(answer)) }
        })
    }
}

/// Whether an answer leaves open what became of the grant, whoever gave it. One that names the grant as the reason does not.
fn says_nothing(answer: &HttpResponse) -> bool {
    let status = answer.status();
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let names_grant = || {
        let body = serde_json::from_slice::<serde_json::Value>(answer.body());
        body.is_ok_and(|body| body.get("error").is_some_and(|error| error == "invalid_grant"))
    };
    (status.is_server_error() || passing) && !names_grant()
}

fn strict(mut answer: HttpResponse) -> HttpResponse {
    let Ok(serde_json::Value::Object(mut body)) = serde_json::from_slice(answer.body()) else { return answer };
    // Success and error at once is an error.
    if answer.status() == StatusCode::OK && body.contains_key("error") && !off(Defence::ErrorWins) {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        body.retain(|name, _| name.starts_with("error"));
    }
    // A lifetime that is no whole number of seconds is no lifetime.
    if body.get("expires_in").is_some_and(|value| !value.is_u64()) && !off(Defence::Lifetime) {
        body.remove("expires_in");
    }
    if let Ok(bytes) = serde_json::to_vec(&body) {
        answer.body_mut().zeroize();
        *answer.body_mut() = bytes;
    }
    answer
}

fn explain(error: BasicRequestTokenError<HttpError>) -> TokenError {
    match error {
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            BasicErrorResponseType::InvalidGrant => TokenError::Grant,
            BasicErrorResponseType::Extension(code) if code == "server_error" || code == "temporarily_unavailable" => {
                TokenError::Unavailable(code.clone())
            }
            _ => TokenError::Refused("an error"),
        },
        RequestTokenError::Request(error) => TokenError::Unavailable(error.to_string()),
        // The body may hold tokens and stays out of every text.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => TokenError::Unreadable,
    }
}

/// Takes an answer that gives what was asked and no more.
fn accept(answer: &BasicTokenResponse, asked: &[String], now: UtcMicros) -> Result<Tokens, TokenError> {
    let scopes: Vec<String> = match answer.scopes() {
        Some(granted) => granted.iter().map(|scope| scope.to_string()).filter(|scope| !scope.is_empty()).collect(),
        // RFC 6749 §5.1: absent means as asked.
        None => asked.to_vec(),
    };
    // Where nothing in particular is asked for, the platform says what it gives (RFC 6749 §3.3).
    let wider = !asked.is_empty() && scopes.iter().any(|scope| !asked.contains(scope));
    let said_s = answer.expires_in().map_or(LIFETIME_DEFAULT_S, |lifetime| lifetime.as_secs());
    let lifetime_s = if off(Defence::Lifetime) { said_s } else { said_s.min(LIFETIME_MAX_S) };
    let tokens = Tokens {
        access: answer.access_token().secret().clone(),
        refresh: answer.refresh_token().map(|token| token.secret().clone()),
        scopes,
        client: None,
        expires_at_us: now.plus_seconds(i64::try_from(lifetime_s).unwrap_or(0)).0,
        proven_until_us: 0,
    };
    let usable = |token: &str| (1..=16 * 1024).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let why = if *answer.token_type() != BasicTokenType::Bearer && !off(Defence::BearerOnly) {
        "not a bearer token"
    } else if wider && !off(Defence::ScopeChecked) {
        "more was granted than asked"
    } else if !usable(&tokens.access) || tokens.refresh.as_deref().is_some_and(|token| !usable(token)) {
        "an unusable token"
    } else {
        return Ok(tokens);
    };
    if usable(tokens.revoked_by().0) {
        Err(TokenError::Unwanted(why, Box::new(Sensitive::new(tokens))))
    } else {
        Err(TokenError::Refused(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn take(body: Value) -> Result<Tokens, TokenError> {
        let answer: BasicTokenResponse = serde_json::from_value(body).map_err(|_| TokenError::Refused("json"))?;
        accept(&answer, &["profile".to_owned(), "loyalty".to_owned()], UtcMicros(0))
    }

    #[test]
    fn a_narrower_grant_is_kept_as_it_is_and_a_wider_one_refused() {
        let grant = |scope: &str| take(json!({"access_token": "a", "token_type": "bearer", "scope": scope}));
        assert_eq!(grant("profile").unwrap().scopes, ["profile"]);
        assert!(matches!(grant("profile admin"), Err(TokenError::Unwanted(..))));
    }

    #[test]
    fn only_what_a_platform_answers_that_is_well_says_anything_of_the_grant() {
        let answer = |status: u16, body: &str| {
            let answer = oauth2::http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap();
            says_nothing(&answer)
        };
        for status in [408, 429, 500, 502, 503, 504, 599] {
            assert!(answer(status, "<html>") && answer(status, "") && answer(status, "{}"), "{status}");
            assert!(answer(status, r#"{"error":"invalid_request"}"#), "{status}");
            assert!(!answer(status, r#"{"error":"invalid_grant"}"#), "{status}");
        }
        for status in [200, 307, 400, 401] {
            assert!(!answer(status, "<html>") && !answer(status, r#"{"error":"server_error"}"#), "{status}");
        }
    }

    #[test]
    fn other_token_types_and_unusable_tokens_are_refused() {
        for (kind, token) in
            [("mac", "a"), ("DPoP", "a"), ("N_A", "a"), ("Bearer", ""), ("Bearer", "a\r\nX: y"), ("Bearer", "é")]
        {
            assert!(take(json!({"access_token": token, "token_type": kind})).is_err(), "{kind} {token:?}");
        }
        assert!(take(json!({"access_token": "a"})).is_err());
    }

    #[test]
    fn a_lifetime_is_never_longer_than_a_day() {
        let lives = |body: Value| take(body).unwrap().expires_at_us / 1_000_000;
        assert_eq!(lives(json!({"access_token": "a", "token_type": "Bearer"})), 600);
        assert_eq!(
            lives(json!({"access_token": "a", "token_type": "Bearer", "expires_in": 1_000_000_000_000u64})),
            86_400
        );
        assert_eq!(lives(json!({"access_token": "a", "token_type": "Bearer", "expires_in": 0})), 0);
    }
}
