//! Member platforms: who the signed-in traveller is, read with the traveller's own token.
//!
//! The token is sent to the one configured host of the platform it was given for; it is never stored and never logged.
//! Deliberately not here: signing in, which is the engine's.

use crate::{
    config::MemberPlatformConfig,
    http::{Answered, Http},
    secret::Sensitive,
};
use axum::http::Method;
use serde::Deserialize;
use zhiyou_domain::port::{
    Outcome, Reason, ReasonCode,
    flights::{LoyaltyAccount, MemberProfile, MemberProfileQuery},
};

/// The configured platforms.
#[derive(Clone)]
pub(crate) struct Members {
    pub(crate) http: Http,
    pub(crate) platforms: Vec<MemberPlatformConfig>,
}

#[derive(Deserialize)]
struct Profile {
    given_name: String,
    family_name: String,
    display_name: String,
    loyalty: Loyalty,
}

#[derive(Deserialize)]
struct Loyalty {
    airline_iata_code: String,
    account_number: String,
    tier: String,
}

impl Members {
    /// Tool `getMemberProfile`.
    pub(crate) async fn profile(
        &self,
        query: MemberProfileQuery,
        token: Option<Sensitive<String>>,
    ) -> Outcome<MemberProfile> {
        let declined = |code, text: &str| Outcome::Declined(Reason::new(code, text));
        let Some(platform) = self.platforms.iter().find(|platform| platform.id == query.platform) else {
            return declined(ReasonCode::InvalidRequest, "no such platform");
        };
        let Some(token) = token.filter(|token| !token.expose().is_empty()) else {
            return declined(ReasonCode::Unauthorized, "the traveller is not signed in");
        };
        let mut url = platform.resource_base.clone();
        url.set_path("/profile");
        let request =
            self.http.request(Method::GET, url).bearer_auth(token.expose()).header("accept", "application/json");
        let Ok(request) = request.build() else {
            return declined(ReasonCode::Unauthorized, "the token is not one");
        };
        match self.http.send(request).await {
            Ok(answer) => read(&answer),
            Err(failure) => failure.into(),
        }
    }
}

fn read(answer: &Answered) -> Outcome<MemberProfile> {
    match answer.status {
        200 => match serde_json::from_slice::<Profile>(&answer.body) {
            Ok(profile) => Outcome::Done(MemberProfile {
                display_name: profile.display_name,
                given_name: profile.given_name,
                family_name: profile.family_name,
                loyalty: LoyaltyAccount {
                    airline_code: profile.loyalty.airline_iata_code,
                    account_number: profile.loyalty.account_number,
                },
                tier: profile.loyalty.tier,
            }),
            // The text of the error could quote the traveller's data.
            Err(_) => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the profile cannot be read")),
        },
        401 => Outcome::Declined(Reason::new(ReasonCode::Unauthorized, "the platform does not accept the token")),
        403 => Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "the token does not cover the profile")),
        429 => Outcome::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
        400..=499 => Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, format!("status {}", answer.status))),
        status => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, format!("status {status}"))),
    }
}
