//! What Turkish Airlines' MCP server is asked: thirteen tools, none of which books.
//!
//! What each is for was seen, and of the names only `get_active_flights`; the others are made the same way. What the tools
//! take and answer is from memory of such servers and was not seen. Deliberately not here: anything that books or changes.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{Here, STRANGER};
use crate::store::Document;

/// Name, what it is for, and the arguments it wants.
type Tool = (&'static str, &'static str, &'static [&'static str]);

const TOOLS: [Tool; 13] = [
    ("search_flights", "Searches flights between two airports on a day", &["origin", "destination", "departure_date"]),
    ("get_flight_status_by_number", "Status of a flight by its number and day", &["flight_number", "date"]),
    ("get_flight_status_by_route", "Status of the flights of a route on a day", &["origin", "destination", "date"]),
    (
        "create_flight_booking_link",
        "Makes a link that opens the airline's own booking page",
        &["origin", "destination", "departure_date"],
    ),
    ("get_booking_details", "Details of a booking by its PNR and a surname", &["pnr", "surname"]),
    ("get_check_in_details", "Check-in of a booking by its PNR and a surname", &["pnr", "surname"]),
    ("get_baggage_allowance", "Baggage allowance of a booking", &["pnr", "surname"]),
    ("get_promotions", "Offers from a country", &["country"]),
    ("get_city_guide", "A guide to a city", &["city"]),
    ("get_current_user", "The signed-in member", &[]),
    ("get_active_flights", "The member's coming flights", &[]),
    ("get_expiring_miles", "The member's miles that expire", &[]),
    ("logout", "Ends the member's sign-in", &[]),
];

const PNR: &str = "TK7Q2M";

/// `tools/list`.
pub(super) fn list() -> Vec<Value> {
    let tool = |(name, description, wanted): &Tool| {
        let properties: serde_json::Map<String, Value> =
            wanted.iter().map(|argument| ((*argument).to_owned(), json!({"type": "string"}))).collect();
        json!({
            "name": name,
            "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": wanted},
            "annotations": {"readOnlyHint": *name != "logout"},
        })
    };
    TOOLS.iter().map(tool).collect()
}

/// `tools/call`; `None` for a tool there is not. A wrong argument is an answer, not a failure of the protocol.
pub(super) fn call(here: &Here, access: &Document, params: &Value) -> Option<Value> {
    let (name, _, wanted) = TOOLS.iter().find(|(name, ..)| params["name"] == *name)?;
    let arguments = &params["arguments"];
    let text = |argument: &str| arguments[argument].as_str().unwrap_or_default();
    if let Some(missing) = wanted.iter().find(|argument| text(argument).is_empty()) {
        return Some(refused(&format!("{missing} is missing")));
    }
    let today = today(here);
    let told = match *name {
        "get_current_user" if access.hidden("subject") == STRANGER => json!({"name": "Bo", "surname": "Ma"}),
        "get_current_user" => {
            json!({"name": "Xia", "surname": "Lin", "member_number": "TK123456789", "tier": "Classic"})
        }
        "get_expiring_miles" => json!({"miles": [
            {"amount": 4200, "expires_on": today.saturating_add(41.days()).to_string()},
            {"amount": 1150, "expires_on": today.saturating_add(132.days()).to_string()},
        ]}),
        "get_active_flights" => json!({"flights": [flight(today)]}),
        "search_flights" | "get_flight_status_by_route" => json!({"flights": [flight(today)]}),
        "get_flight_status_by_number" => json!({"flight_number": text("flight_number"), "status": "scheduled"}),
        "create_flight_booking_link" => {
            json!({"url": link(text("origin"), text("destination"), text("departure_date"))})
        }
        "get_promotions" => json!({"promotions": []}),
        "get_city_guide" => json!({"city": text("city"), "text": "A city on two continents."}),
        "logout" => json!({"ended": false}),
        _ if text("pnr") != PNR => return Some(refused("no such booking")),
        "get_baggage_allowance" => json!({"pnr": PNR, "checked": "2 x 23 kg", "cabin": "1 x 8 kg"}),
        "get_check_in_details" => json!({"pnr": PNR, "open": false}),
        _ => json!({"pnr": PNR, "flights": [flight(today)]}),
    };
    Some(json!({"content": [{"type": "text", "text": told.to_string()}], "structuredContent": told, "isError": false}))
}

fn refused(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true})
}

fn today(here: &Here) -> Date {
    let now = Timestamp::from_microsecond(here.world.now_us()).unwrap_or(Timestamp::UNIX_EPOCH);
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn flight(today: Date) -> Value {
    let departs = today.saturating_add(9.days());
    json!({
        "flight_number": "TK89", "origin": "PEK", "destination": "IST",
        "departs_at": format!("{departs}T00:40"), "arrives_at": format!("{departs}T05:55"), "pnr": PNR,
    })
}

/// A link to the airline's own page; the address is from memory.
fn link(origin: &str, destination: &str, day: &str) -> String {
    let mut url = url::form_urlencoded::Serializer::new(String::new());
    url.append_pair("originAirportCode", origin);
    url.append_pair("destinationAirportCode", destination);
    url.append_pair("departureDate", day);
    format!("https://www.turkishairlines.com/en-int/flights/booking/availability-international/?{}", url.finish())
}
