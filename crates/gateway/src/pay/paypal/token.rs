//! The access token: fetched with the app's secret, kept, and fetched again before it ends.
//!
//! Source: developer.paypal.com, authentication; a token lives about nine hours. No payment depends on this call: whatever
//! goes wrong here, nothing else was sent. Deliberately not here: what the token is used for.

use crate::{
    config::PaypalConfig,
    http::{Failure, Http},
    secret::Sensitive,
};
use axum::http::Method;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use zhiyou_domain::{
    port::{Reason, ReasonCode, Word},
    time::UtcMicros,
};

/// A token is left this long before its end, seconds, or a tenth of its life when that is shorter.
const EARLY_S: i64 = 300;

/// The one token of an app.
pub(super) struct Tokens {
    client_id: String,
    client_secret: Sensitive<String>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    text: Sensitive<String>,
    good_until: UtcMicros,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Sensitive<String>,
    token_type: String,
    /// Seconds.
    expires_in: i64,
}

impl Tokens {
    pub(super) fn new(config: &PaypalConfig) -> Self {
        Self {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            kept: Mutex::new(None),
        }
    }

    /// A token that is still good and is not `refused`; callers at the same time share one fetch.
    ///
    /// # Errors
    /// Why there is none; nothing but the question for a token was sent.
    pub(super) async fn current(
        &self,
        http: &Http,
        base_url: &Url,
        now: UtcMicros,
        refused: Option<&Sensitive<String>>,
    ) -> Result<Sensitive<String>, Reason> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.as_ref()
            && now < known.good_until
            && refused.is_none_or(|refused| refused.expose() != known.text.expose())
        {
            return Ok(known.text.clone());
        }
        *kept = None;
        let granted = self.fetch(http, base_url).await?;
        let life_s = granted.expires_in.saturating_sub(EARLY_S.min(granted.expires_in / 10));
        let text = granted.access_token.clone();
        *kept = Some(Kept { text: granted.access_token, good_until: now.plus_seconds(life_s) });
        Ok(text)
    }

    async fn fetch(&self, http: &Http, base_url: &Url) -> Result<Granted, Reason> {
        let invalid = |word: Word| Reason::new(ReasonCode::InvalidRequest, word);
        let url = base_url.join("/v1/oauth2/token").map_err(|error| invalid(Word::named(&error)))?;
        let request = http
            .request(Method::POST, url)
            .basic_auth(&self.client_id, Some(self.client_secret.expose()))
            .header("accept", "application/json")
            .form(&[("grant_type", "client_credentials")]);
        let request = request.build().map_err(|error| invalid(Word::named(&error)))?;
        let answer = http.send(request).await.map_err(|failure| match failure {
            Failure::NotSent(word) | Failure::Unknown(word) => Reason::new(ReasonCode::Network, word),
        })?;
        let reason = |code| Reason::new(code, Word::from("no access token: status").and(answer.status));
        match answer.status {
            200 => {}
            400 | 401 | 403 => {
                tracing::error!(status = answer.status, "the channel does not accept the app's secret");
                return Err(reason(ReasonCode::Unauthorized));
            }
            429 => return Err(reason(ReasonCode::RateLimited)),
            _ => return Err(reason(ReasonCode::ProviderFault)),
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| reason(ReasonCode::ProviderFault))?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !granted.token_type.eq_ignore_ascii_case("bearer")
            || !plain(granted.access_token.expose())
            || granted.expires_in <= 0
        {
            return Err(reason(ReasonCode::ProviderFault));
        }
        Ok(granted)
    }
}
