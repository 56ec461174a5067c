//! What a platform's own MCP server says about the signed-in member, and its pages to book on.
//!
//! The engine asks it directly and not through the gateway: the token is the traveller's own, and it is sent to the host
//! that gave it and shown to nobody else. Only the tools named here are called; none of them books or changes anything.
//! What they are for was seen in Turkish Airlines' server, of their names `get_active_flights` alone, and what they take
//! and answer is from memory. So an answer that is not as expected is shown as the text it is, with addresses and
//! numbers masked, and nothing that is booked or paid depends on one. Deliberately not here: booking, and anything about an order.

use crate::{
    api::view::{MemberFlightView, MemberView, MilesView},
    auth::Auth,
    people::mask,
    secret::Sensitive,
};
use jiff::civil::{Date, DateTime};
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::{ClientInitializeError, ServiceError},
    transport::{
        DynamicTransportError, StreamableHttpClientTransport,
        streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError},
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;
use zhiyou_domain::fault::{Fault, FaultCode};

/// How long a whole conversation may take.
const CONVERSATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Rows shown of one kind.
const ROWS_MAX: usize = 50;
/// Longest text shown as it is, characters.
const TEXT_MAX: usize = 2_000;
/// Longest word of a row, bytes.
const WORD_MAX: usize = 16;

/// A flight that the member wants to book at the airline.
pub(crate) struct Leg {
    /// Airport of departure.
    pub(crate) origin: String,
    /// Airport of arrival.
    pub(crate) destination: String,
    /// Day of departure.
    pub(crate) departs_on: Date,
}

/// A tool and its arguments.
type Call = (&'static str, Value);

/// What a tool said.
enum Told {
    /// A document.
    Document(Value),
    /// Words for a person.
    Text(String),
}

/// Why nothing was said.
enum Trouble {
    /// The token is not accepted.
    Refused,
    /// It is, and does not allow this; the platform may name what would.
    Narrow(Option<String>),
    /// No answer, or none that can be read.
    Silent(String),
}

#[derive(Deserialize)]
struct MilesTold {
    miles: Vec<MilesRow>,
}

#[derive(Deserialize)]
struct MilesRow {
    amount: u32,
    expires_on: Date,
}

#[derive(Deserialize)]
struct FlightsTold {
    flights: Vec<FlightRow>,
}

#[derive(Deserialize)]
struct FlightRow {
    flight_number: String,
    origin: String,
    destination: String,
    departs_at: DateTime,
}

/// Asks about the member's own things: miles that expire, and coming flights.
///
/// # Errors
/// `NotFound` for a platform that has nothing to be asked; `AuthRequired` when nobody is signed in there or it no longer
/// accepts us; `VaultLocked`; `ProviderUnavailable` when it does not answer.
pub(crate) async fn read(auth: &Auth, platform: &str) -> Result<MemberView, Fault> {
    let calls = [("get_expiring_miles", json!({})), ("get_active_flights", json!({}))];
    let mut view =
        MemberView { platform: platform.to_owned(), miles: Vec::new(), flights: Vec::new(), texts: Vec::new() };
    for (told, (tool, _)) in ask(auth, platform, &calls).await?.into_iter().zip(&calls) {
        match (*tool, told) {
            ("get_expiring_miles", Told::Document(told)) => match miles(&told) {
                Some(rows) => view.miles = rows,
                None => view.texts.push(shown(&told.to_string())),
            },
            (_, Told::Document(told)) => match flights(&told) {
                Some(rows) => view.flights = rows,
                None => view.texts.push(shown(&told.to_string())),
            },
            (_, Told::Text(text)) => view.texts.push(shown(&text)),
        }
    }
    Ok(view)
}

/// The airline's own page to book a flight on. It is a link and no booking: what comes of it is the airline's and the
/// member's.
///
/// # Errors
/// As [`read`]; `ProviderUnavailable` also for a page that is not the airline's own.
pub(crate) async fn booking_page(auth: &Auth, platform: &str, leg: &Leg) -> Result<Url, Fault> {
    let arguments = json!({
        "origin": leg.origin, "destination": leg.destination, "departure_date": leg.departs_on.to_string(),
    });
    let told = ask(auth, platform, &[("create_flight_booking_link", arguments)]).await?;
    let text = match told.into_iter().next() {
        Some(Told::Document(told)) => told["url"].as_str().map(str::to_owned),
        // In words, the link is the first there is.
        Some(Told::Text(text)) => text.split_whitespace().find(|word| word.starts_with("https://")).map(str::to_owned),
        None => None,
    };
    let (_, hosts, _) = auth.server_of(platform)?;
    let page = text.and_then(|text| own_page(&text, hosts));
    page.ok_or_else(|| Fault::new(FaultCode::ProviderUnavailable, format!("{platform}: no page of its own")))
}

/// An address that may be opened: a page of one of these hosts and nothing else.
fn own_page(text: &str, hosts: &[String]) -> Option<Url> {
    if text.len() > 2048 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let own = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.host_str().is_some_and(|host| hosts.iter().any(|known| known == host));
    own.then_some(url)
}

fn document<T: DeserializeOwned>(told: &Value) -> Option<T> {
    T::deserialize(told).ok()
}

fn miles(told: &Value) -> Option<Vec<MilesView>> {
    let mut rows = document::<MilesTold>(told)?.miles;
    rows.sort_by_key(|row| row.expires_on);
    rows.truncate(ROWS_MAX);
    let row = |row: MilesRow| MilesView { amount: row.amount.into(), expires_on: row.expires_on.to_string() };
    Some(rows.into_iter().map(row).collect())
}

fn flights(told: &Value) -> Option<Vec<MemberFlightView>> {
    let mut rows = document::<FlightsTold>(told)?.flights;
    rows.sort_by_key(|row| row.departs_at);
    rows.truncate(ROWS_MAX);
    let is_word = |text: &String| {
        (1..=WORD_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
    };
    let row = |row: FlightRow| {
        let words = is_word(&row.flight_number) && is_word(&row.origin) && is_word(&row.destination);
        words.then(|| MemberFlightView {
            number: row.flight_number,
            origin: row.origin,
            destination: row.destination,
            departs_at: row.departs_at.strftime("%Y-%m-%dT%H:%M").to_string(),
        })
    };
    rows.into_iter().map(row).collect()
}

/// A text as it can be shown: no characters that are not seen or turn others around, not too many, and what it tells of a
/// person masked as everywhere.
fn shown(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    // A number that the end cuts in two is masked whole.
    let seen: String = text.chars().filter(|c| !hidden(*c)).take(TEXT_MAX.saturating_mul(2)).collect();
    mask::text(&seen).chars().take(TEXT_MAX).collect()
}

/// Calls the tools in one conversation. A token that is refused is replaced once; for one that does not allow it no other
/// is asked for.
async fn ask(auth: &Auth, platform: &str, calls: &[Call]) -> Result<Vec<Told>, Fault> {
    let (server, _, client) = auth.server_of(platform)?;
    if let Some((tool, _)) = calls.iter().find(|(tool, _)| !auth.may_call(platform, tool)) {
        return Err(Fault::new(FaultCode::NotFound, format!("{platform}: {tool} is not for its token")));
    }
    for _ in 0..2 {
        let bearer = auth.access_token(platform).await?;
        if !bearer.may_go_to(&server) {
            return Err(Fault::new(FaultCode::Internal, "a token for another host"));
        }
        let talk = converse(client.clone(), &server, &bearer.token, calls);
        match tokio::time::timeout(CONVERSATION_TIMEOUT, talk).await {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(Trouble::Refused)) => auth.rejected(platform, &bearer.token).await,
            Ok(Err(Trouble::Narrow(wanted))) => auth.narrow(platform, wanted.as_deref()).await?,
            Ok(Err(Trouble::Silent(why))) => {
                return Err(Fault::new(FaultCode::ProviderUnavailable, format!("{platform}: {why}")));
            }
            Err(_) => return Err(Fault::new(FaultCode::ProviderUnavailable, format!("{platform}: no answer in time"))),
        }
    }
    Err(Fault::new(FaultCode::AuthRequired, "the platform refused twice"))
}

async fn converse(
    client: reqwest::Client,
    server: &Url,
    token: &Sensitive<String>,
    calls: &[Call],
) -> Result<Vec<Told>, Trouble> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.as_str()).auth_header(token.expose().clone());
    // What was begun with this token ends with it.
    config.reinit_on_expired_session = false;
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let session = ().serve(transport).await.map_err(|error| not_begun(&error))?;
    let mut told = Vec::with_capacity(calls.len());
    for (tool, arguments) in calls {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let params = CallToolRequestParams::new(*tool).with_arguments(arguments);
        let result = session.peer().call_tool(params).await.map_err(|error| not_told(&error))?;
        told.push(heard(result));
    }
    // Whether the server hears that it is over changes nothing here.
    drop(session.cancel().await);
    Ok(told)
}

fn heard(result: CallToolResult) -> Told {
    let words = || {
        let texts = result.content.iter().filter_map(|block| block.as_text()).map(|block| block.text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    };
    if result.is_error == Some(true) {
        return Told::Text(words());
    }
    match &result.structured_content {
        Some(document) => Told::Document(document.clone()),
        None => serde_json::from_str(&words()).map_or_else(|_| Told::Text(words()), Told::Document),
    }
}

fn not_begun(error: &ClientInitializeError) -> Trouble {
    match error {
        ClientInitializeError::TransportError { error, .. } => carried(error),
        other => Trouble::Silent(kind(other)),
    }
}

fn not_told(error: &ServiceError) -> Trouble {
    match error {
        ServiceError::TransportSend(error) => carried(error),
        other => Trouble::Silent(kind(other)),
    }
}

fn carried(error: &DynamicTransportError) -> Trouble {
    match error.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::AuthRequired(_)) => Trouble::Refused,
        Some(StreamableHttpError::InsufficientScope(error)) => Trouble::Narrow(error.required_scope.clone()),
        Some(StreamableHttpError::HttpStatus(status)) => Trouble::Silent(status.to_string()),
        Some(_) | None => Trouble::Silent("no answer".to_owned()),
    }
}

/// What kind of error it was; its text may quote what the platform said about the member.
fn kind(error: &dyn std::error::Error) -> String {
    let text = format!("{error:?}");
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_the_airlines_own_is_opened() {
        let hosts = ["www.turkishairlines.com".to_owned()];
        let good = "https://www.turkishairlines.com/en-int/flights/booking/?originAirportCode=PEK";
        assert_eq!(own_page(good, &hosts).unwrap().as_str(), good);
        for odd in [
            "http://www.turkishairlines.com/",
            "https://www.turkishairlines.com.evil.example/",
            "https://www.turkishairlines.com@evil.example/",
            "https://user@www.turkishairlines.com/",
            "https://www.turkishairlines.com:8443/",
            "https://turkishairlines.com/",
            "https://evil.example/?www.turkishairlines.com",
            "javascript:alert(1)",
            "https://www.turkishairlines.com/ x",
            "",
        ] {
            assert!(own_page(odd, &hosts).is_none(), "{odd}");
        }
        assert!(own_page(good, &[]).is_none());
    }

    #[test]
    fn what_is_not_as_expected_is_no_row_and_texts_hold_nothing_hidden() {
        let told =
            json!({"miles": [{"amount": 2, "expires_on": "2027-02-01"}, {"amount": 1, "expires_on": "2027-01-01"}]});
        let rows = miles(&told).unwrap();
        assert_eq!((rows[0].amount, rows[1].expires_on.as_str()), (1, "2027-02-01"));
        for odd in [
            json!({"miles": [{"amount": -1, "expires_on": "2027-02-01"}]}),
            json!({"miles": [{"amount": 1.5, "expires_on": "2027-02-01"}]}),
            json!({"miles": [{"amount": 1, "expires_on": "soon"}]}),
            json!({"points": []}),
            json!([]),
        ] {
            assert!(miles(&odd).is_none(), "{odd}");
        }
        let flight = |number: &str| json!({"flights": [{"flight_number": number, "origin": "PEK", "destination": "IST", "departs_at": "2027-01-31T00:40"}]});
        assert_eq!(flights(&flight("TK89")).unwrap()[0].departs_at, "2027-01-31T00:40");
        assert!(flights(&flight("<b>TK89</b>")).is_none() && flights(&flight(&"T".repeat(17))).is_none());
        assert_eq!(shown("a\u{202e}b\u{0}c\nd\u{200b}"), "abc\nd");
        assert_eq!(shown(&"x".repeat(10_000)).len(), TEXT_MAX);
        let odd = json!({"member": {"e_mail": "xia.lin@example.com", "number": 138_0000_0000_u64, "phone": "+86 138\u{200b}0013 8000"}});
        let told = shown(&odd.to_string());
        for secret in ["xia.lin", "13800000000", "0013"] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(told.contains("x***@example.com") && told.contains("****0000") && told.contains("****8000"), "{told}");
        let cut = format!("{}13800138000", "x".repeat(TEXT_MAX - 8));
        assert!(!shown(&cut).contains("1380"), "a number that the end cuts in two");
    }
}
