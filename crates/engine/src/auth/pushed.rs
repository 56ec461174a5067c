//! Pushed authorization requests (RFC 9126): where the platform offers it, what is asked goes to the platform directly,
//! and the browser carries only a number that no program on the way can change or read.
//!
//! A push that fails ends the start: sending the same request openly instead would let whoever made it fail choose the
//! weaker way. Deliberately not here: what is asked (see [`super::tokens::authorization_url`]).

#[cfg(test)]
use super::tests::naive;
use super::{
    http::{Http, HttpError},
    metadata::Server,
    pending::Pending,
    platform::Platform,
    tokens::authorization_url,
};
use serde::Deserialize;
use url::Url;

/// Longest number taken, bytes.
const NUMBER_MAX: usize = 512;

/// Why the browser is not sent anywhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum PushError {
    /// Our own address is none.
    #[error("the request: {0}")]
    Request(#[from] url::ParseError),
    /// No answer.
    #[error("the push: {0}")]
    Http(#[from] HttpError),
    /// It was refused.
    #[error("the push: HTTP {0}")]
    Refused(u16),
    /// The answer holds no usable number.
    #[error("the push: not an answer of RFC 9126")]
    Malformed,
}

#[derive(Deserialize)]
struct Answer {
    request_uri: String,
    /// Seconds.
    expires_in: u64,
}

/// Pushes the request; answers the address the browser is sent to.
pub(super) async fn push(
    http: &Http,
    platform: &Platform,
    server: &Server,
    endpoint: &Url,
    pending: &Pending,
) -> Result<Url, PushError> {
    let mut bare = server.clone();
    bare.authorization.set_query(None);
    let open = authorization_url(platform, &bare, pending)?;
    let fields: Vec<_> = open.query_pairs().into_owned().collect();
    #[cfg(test)]
    let fields = naive::signed(http, platform, fields).await;
    let form: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (status, body) = http.post(endpoint.clone(), &form).await?;
    if status != 201 {
        return Err(PushError::Refused(status));
    }
    let number = read(&body)?;
    let mut url = server.authorization.clone();
    url.query_pairs_mut()
        .append_pair("client_id", platform.client(&pending.client))
        .append_pair("request_uri", &number);
    Ok(url)
}

fn read(body: &[u8]) -> Result<String, PushError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| PushError::Malformed)?;
    let number = answer.request_uri;
    let usable = (1..=NUMBER_MAX).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_graphic());
    if usable && answer.expires_in > 0 { Ok(number) } else { Err(PushError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_printable_number_that_lives_is_taken() {
        assert_eq!(read(br#"{"request_uri":"urn:x:1","expires_in":90}"#).unwrap(), "urn:x:1");
        for body in [
            r#"{"request_uri":"urn:x:1"}"#,
            r#"{"request_uri":"urn:x:1","expires_in":0}"#,
            r#"{"request_uri":"urn:x:1","expires_in":-1}"#,
            r#"{"request_uri":"","expires_in":90}"#,
            r#"{"request_uri":"urn:x 1","expires_in":90}"#,
            r#"{"request_uri":7,"expires_in":90}"#,
            "<html>",
            "",
        ] {
            assert!(matches!(read(body.as_bytes()), Err(PushError::Malformed)), "{body}");
        }
        let long = format!(r#"{{"request_uri":"{}","expires_in":90}}"#, "u".repeat(NUMBER_MAX + 1));
        assert!(read(long.as_bytes()).is_err());
    }
}
