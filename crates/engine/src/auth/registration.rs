//! Registering a client (RFC 7591): where a platform knows no client of ours, each visit makes one, for exactly the address
//! that it comes back to.
//!
//! It is a public client: a secret could not be kept, and one that is given is not used. What was registered is kept with
//! the visit and its tokens and nowhere else. Deliberately not here: changing and removing a registration (RFC 7592).

use super::{
    http::{Http, HttpError},
    metadata::Server,
};
use serde::Deserialize;
use serde_json::json;

/// Longest client id taken, bytes.
const ID_MAX: usize = 512;
/// What the platform's page calls us.
const NAME: &str = "智游助手 Zhiyou";

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistrationError {
    /// The platform knows no client of ours and registers none.
    #[error("the registration: not offered")]
    NotOffered,
    /// No answer.
    #[error("the registration: {0}")]
    Http(#[from] HttpError),
    /// It was refused.
    #[error("the registration: HTTP {0}")]
    Refused(u16),
    /// What was registered is not what was asked for.
    #[error("the registration: not an answer to use")]
    Malformed,
}

#[derive(Deserialize)]
struct Answer {
    client_id: String,
    /// Absent where it is as asked (RFC 7591 §3.2.1 wants it told).
    token_endpoint_auth_method: Option<String>,
    redirect_uris: Option<Vec<String>>,
}

/// Registers a client that comes back to `redirect`; answers its id.
pub(super) async fn register(http: &Http, server: &Server, redirect: &str) -> Result<String, RegistrationError> {
    let endpoint = server.registration.clone().ok_or(RegistrationError::NotOffered)?;
    let asked = json!({
        "client_name": NAME,
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    match http.post_json(endpoint, &asked).await? {
        // RFC 7591 §3.2.1 says 201; servers that say 200 mean the same.
        (200 | 201, body) => read(&body, redirect),
        (status, _) => Err(RegistrationError::Refused(status)),
    }
}

fn read(body: &[u8], redirect: &str) -> Result<String, RegistrationError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| RegistrationError::Malformed)?;
    let usable =
        (1..=ID_MAX).contains(&answer.client_id.len()) && answer.client_id.bytes().all(|b| b.is_ascii_graphic());
    let public = answer.token_endpoint_auth_method.is_none_or(|method| method == "none");
    let ours = answer.redirect_uris.is_none_or(|uris| uris.iter().any(|uri| uri == redirect));
    if usable && public && ours { Ok(answer.client_id) } else { Err(RegistrationError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: &str = "http://127.0.0.1:4711/r4nd0m";

    #[test]
    fn only_a_public_client_that_comes_back_here_is_used() {
        for body in [
            r#"{"client_id":"c-1"}"#,
            r#"{"client_id":"c-1","client_secret":"s","token_endpoint_auth_method":"none"}"#,
            r#"{"client_id":"c-1","redirect_uris":["http://127.0.0.1:4711/r4nd0m"]}"#,
        ] {
            assert_eq!(read(body.as_bytes(), BACK).unwrap(), "c-1", "{body}");
        }
        let long = format!(r#"{{"client_id":"{}"}}"#, "c".repeat(ID_MAX + 1));
        for body in [
            r#"{"client_id":""}"#,
            r#"{"client_id":"c 1"}"#,
            r#"{"client_id":7}"#,
            r#"{"client_id":"c-1","token_endpoint_auth_method":"client_secret_basic"}"#,
            r#"{"client_id":"c-1","redirect_uris":["https://evil.example/"]}"#,
            r#"{"client_id":"c-1","redirect_uris":[]}"#,
            r#"{"error":"invalid_client_metadata"}"#,
            long.as_str(),
            "<html>",
            "",
        ] {
            assert!(matches!(read(body.as_bytes(), BACK), Err(RegistrationError::Malformed)), "{body}");
        }
    }
}
