//! Reference data: places to search for, airports, airlines.
//!
//! Deliberately not here: aircraft and city resources of their own.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::flights::airline as test_airline;
use super::wire::{Answer, Refusal, ok, page};
use crate::geo::{self, Airport, Point};
use crate::world::Shared;

/// `GET /places/suggestions?query=` or `lat`, `lng` and `rad` (metres).
pub(super) async fn suggestions(Query(query): Query<HashMap<String, String>>) -> Answer {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<f64>().ok());
    if let (Some(latitude), Some(longitude)) = (number("lat"), number("lng")) {
        let reach_km = query.get("rad").and_then(|text| text.parse::<i64>().ok()).unwrap_or(100_000) / 1000;
        return ok(Value::Array(near(Point { latitude, longitude }, reach_km)));
    }
    let wanted =
        query.get("query").or_else(|| query.get("name")).map(|text| text.trim().to_lowercase()).unwrap_or_default();
    if wanted.is_empty() {
        return Err(Refusal::field("query", "validation_required", "Field 'query' can't be blank"));
    }
    ok(Value::Array(matching(&wanted)))
}

fn near(here: Point, reach_km: i64) -> Vec<Value> {
    let mut found: Vec<(i64, &Airport)> =
        geo::airports().iter().map(|airport| (geo::distance_km(here, airport.point()), airport)).collect();
    found.retain(|(km, _)| *km <= reach_km);
    found.sort_by_key(|(km, _)| *km);
    found.into_iter().take(20).map(|(_, airport)| airport_place(airport)).collect()
}

fn matching(wanted: &str) -> Vec<Value> {
    let named = geo::cities().iter().find(|city| city.zh == wanted).map(|city| city.name.to_lowercase());
    let wanted = named.as_deref().unwrap_or(wanted);
    let begins = |text: &str| text.to_lowercase().starts_with(wanted);
    let cities = geo::metropolises()
        .filter(|(code, name, _)| begins(code) || begins(name))
        .map(|(code, name, members)| city_place(code, name, &members));
    let exact = geo::airports().iter().filter(|airport| airport.iata.to_lowercase() == wanted);
    let others = geo::airports()
        .iter()
        .filter(|airport| airport.iata.to_lowercase() != wanted && (begins(&airport.city) || begins(&airport.name)));
    cities.chain(exact.chain(others).map(airport_place)).take(20).collect()
}

fn airport_place(airport: &Airport) -> Value {
    let mut place = airport.wire();
    place["airports"] = Value::Null;
    place["country_name"] = Value::Null;
    place
}

fn city_place(code: &str, name: &str, members: &[&'static Airport]) -> Value {
    let main = members.first();
    let country = main.map(|airport| airport.country.as_str()).unwrap_or_default();
    json!({
        "type": "city",
        "id": format!("cit_{}_{}", code.to_lowercase(), country.to_lowercase()),
        "iata_code": code,
        "iata_city_code": code,
        "iata_country_code": country,
        "icao_code": null,
        "name": name,
        "city_name": name,
        "city": null,
        "country_name": null,
        "latitude": main.map(|airport| airport.lat),
        "longitude": main.map(|airport| airport.lon),
        "time_zone": main.map(|airport| airport.tz.as_str()),
        "airports": members.iter().map(|airport| airport.wire()).collect::<Vec<_>>(),
    })
}

/// `GET /air/airports`.
pub(super) async fn airports(Query(query): Query<HashMap<String, String>>) -> Answer {
    let country = query.get("iata_country_code");
    let wanted = |airport: &&Airport| country.is_none_or(|country| airport.country == *country);
    page(geo::airports().iter().filter(wanted).map(Airport::wire).collect(), &query)
}

/// `GET /air/airports/{id}`.
pub(super) async fn airport(Path(id): Path<String>) -> Answer {
    let code = id.strip_prefix("arp_").and_then(|id| id.get(..3)).map(str::to_uppercase).unwrap_or_default();
    let airport = geo::airports().iter().find(|airport| airport.iata == code);
    ok(airport.ok_or_else(|| Refusal::not_found("The airport does not exist."))?.wire())
}

/// `GET /air/airlines`: the one test airline.
pub(super) async fn airlines(Query(query): Query<HashMap<String, String>>) -> Answer {
    page(vec![test_airline()], &query)
}

/// `GET /air/airlines/{id}`.
pub(super) async fn airline(Path(id): Path<String>) -> Answer {
    let airline = Some(test_airline()).filter(|airline| airline["id"] == id.as_str());
    ok(airline.ok_or_else(|| Refusal::not_found("The airline does not exist."))?)
}

/// `GET /air/loyalty_programmes`: the member platform's club.
pub(super) async fn loyalty_programmes(
    State(_): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    page(
        vec![
            json!({"id": "loy_0000ZzClub", "name": "ZZ Club", "alliance": null, "logo_url": null, "owner_airline_id": test_airline()["id"]}),
        ],
        &query,
    )
}
