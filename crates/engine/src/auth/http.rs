//! The HTTP client of sign-in: no redirects, 30 seconds, small answers.
//!
//! A redirect would send a code or a token to somebody else (RFC 9700 §4.12) and is an answer like any other here.
//! Deliberately not here: which addresses may be asked (see [`super::metadata`]).

use super::{
    defence::{Defence, off},
    resolver::{self, Guarded, LookUp},
};
use oauth2::{HttpRequest, HttpResponse, http};
use std::time::Duration;
use url::Url;

/// Largest answer read, bytes.
const BODY_MAX: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The client.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// No usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// Not sent, lost or not in time. The address stays out of the text: it may hold a code.
    #[error("no answer")]
    Network(#[source] reqwest::Error),
    /// The answer is larger than anything we expect.
    #[error("the answer is too large")]
    TooLarge,
    /// The platform, or something in front of it, is not well.
    #[error("HTTP {0}")]
    Unwell(u16),
    /// The request or answer is not HTTP.
    #[error("not HTTP")]
    Malformed(#[from] http::Error),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Network(error.without_url())
    }
}

impl Http {
    /// `demo` also speaks to loopback without TLS; then no proxy may come between.
    pub(super) fn new(demo: bool) -> Result<Self, HttpError> {
        Self::with(demo, TIMEOUT, resolver::system())
    }

    /// As [`Http::new`], with another patience and another way to look names up.
    pub(super) fn with(demo: bool, patience: Duration, look_up: LookUp) -> Result<Self, HttpError> {
        let redirects = reqwest::redirect::Policy::none();
        #[cfg(test)]
        let redirects = if off(Defence::NoRedirects) { reqwest::redirect::Policy::limited(5) } else { redirects };
        let builder = reqwest::Client::builder()
            .redirect(redirects)
            .referer(false)
            .dns_resolver(Guarded::new(look_up))
            .https_only(!demo);
        // The sandbox speaks plain HTTP only.
        let builder = if demo { builder.no_proxy().tls_certs_only([]) } else { builder };
        // So do tests; reading the system's root certificates takes longer than all they do.
        #[cfg(test)]
        let builder = builder.tls_certs_only([]);
        let builder = if off(Defence::Patience) { builder } else { builder.timeout(patience) };
        Ok(Self(builder.build()?))
    }

    /// Asks for a document; answers status and body.
    pub(super) async fn get(&self, url: Url) -> Result<(u16, Vec<u8>), HttpError> {
        let request = self.0.get(url).header("accept", "application/json").build()?;
        let answer = self.carry(request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Posts a form; answers status and body.
    pub(super) async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<(u16, Vec<u8>), HttpError> {
        let request = self.0.post(url).header("accept", "application/json").form(form).build()?;
        let answer = self.carry(request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Posts JSON; answers status and body.
    pub(super) async fn post_json(&self, url: Url, body: &serde_json::Value) -> Result<(u16, Vec<u8>), HttpError> {
        let request = self.0.post(url).header("accept", "application/json").json(body).build()?;
        let answer = self.carry(request).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// The client itself, for a protocol of its own: it goes to public addresses only, follows nothing and is patient for
    /// as long. How much is read of an answer is the protocol's to limit.
    pub(super) fn client(&self) -> reqwest::Client {
        self.0.clone()
    }

    /// Carries a request of the OAuth library.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.carry(request.try_into()?).await
    }

    async fn carry(&self, request: reqwest::Request) -> Result<HttpResponse, HttpError> {
        let mut answer = self.0.execute(request).await?;
        let mut parts = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            parts = parts.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > BODY_MAX && !off(Defence::SmallAnswers) {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(parts.body(body)?)
    }
}
