//! Member platforms: who the signed-in traveller is, read with the traveller's own token.
//!
//! The token is sent to the one configured host of the platform it was given for, and only where that host gave it; it is
//! never stored and never logged.
//! Deliberately not here: signing in, which is the engine's.

use crate::{
    config::MemberPlatformConfig,
    http::{
        Answered, Http,
        defence::{Defence, off},
    },
    mcp::TravellerToken,
};
use axum::http::Method;
use serde::Deserialize;
use zhiyou_domain::port::{
    Outcome, Reason, ReasonCode, Word,
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
        token: Option<TravellerToken>,
    ) -> Outcome<MemberProfile> {
        let declined = |code, text: &'static str| Outcome::Declined(Reason::new(code, text));
        let Some(platform) = self.platforms.iter().find(|platform| platform.id == query.platform) else {
            return declined(ReasonCode::InvalidRequest, "no such platform");
        };
        let Some(token) = token.filter(|token| !token.token.expose().is_empty()) else {
            return declined(ReasonCode::Unauthorized, "the traveller is not signed in");
        };
        let here = platform.resource_base.origin().ascii_serialization();
        if token.origin != here && !off(Defence::TokenHost) {
            return declined(ReasonCode::NotAllowed, "the token is another host's");
        }
        let mut url = platform.resource_base.clone();
        url.set_path("/profile");
        let request =
            self.http.request(Method::GET, url).bearer_auth(token.token.expose()).header("accept", "application/json");
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
        400..=499 => {
            Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, Word::from("status").and(answer.status)))
        }
        status => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::from("status").and(status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Profile, http::defence::take_away, secret::Sensitive};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    const PROFILE: &str = r#"{"given_name":"Xia","family_name":"Lin","display_name":"Lin Xia",
        "loyalty":{"airline_iata_code":"ZZ","account_number":"1","tier":"gold"}}"#;

    /// A platform that answers every call; its address.
    async fn platform() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", PROFILE.len());
                let _ = stream.write_all(format!("{head}{PROFILE}").as_bytes()).await;
            }
        });
        address
    }

    async fn asked(address: &str, origin: &str) -> Outcome<MemberProfile> {
        let club = MemberPlatformConfig { id: "zz-club".to_owned(), resource_base: address.parse().unwrap() };
        let members = Members { http: Http::new(Profile::Sandbox).unwrap(), platforms: vec![club] };
        let query = MemberProfileQuery { platform: "zz-club".to_owned() };
        let token = TravellerToken { token: Sensitive::new("token".to_owned()), origin: origin.to_owned() };
        members.profile(query, Some(token)).await
    }

    #[tokio::test]
    async fn oa_60_a_token_is_not_sent_through_the_gateway_to_a_host_that_did_not_give_it() {
        let here = platform().await;
        assert!(matches!(asked(&here, &here).await, Outcome::Done(_)), "to its own host");
        let others = ["https://id.club.example", "http://127.0.0.1:1", &here.replace("http", "https"), "null", ""];
        for other in others {
            let refused = asked(&here, other).await;
            let code = match &refused {
                Outcome::Declined(reason) => reason.code,
                other => panic!("{other:?}"),
            };
            assert_eq!(code, ReasonCode::NotAllowed, "{other}");
            take_away(Some(Defence::TokenHost));
            let sent = asked(&here, other).await;
            take_away(None);
            assert!(matches!(sent, Outcome::Done(_)), "{other}: refused even without the defence");
        }
    }
}
