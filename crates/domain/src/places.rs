//! Airports and cities: what a plan may name, where it is and whose clock it keeps.
//!
//! From `data/airports.csv` (airportsdata, MIT) and `data/cities.json` (GeoNames, CC BY 4.0; see `data/LICENCES.txt`).
//! Deliberately not here: distances, routes and anything a supplier knows better.

use serde::Deserialize;
use std::{collections::BTreeMap, sync::OnceLock};

/// An airport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AirportPlace {
    /// IATA code.
    pub iata: &'static str,
    /// English name.
    pub name: &'static str,
    /// English name of the city.
    pub city: &'static str,
    /// ISO country code.
    pub country: &'static str,
    /// Latitude in micro-degrees, WGS-84.
    pub latitude_udeg: i64,
    /// Longitude in micro-degrees, WGS-84.
    pub longitude_udeg: i64,
    /// IANA zone.
    pub zone: &'static str,
}

/// A city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityPlace {
    /// English name.
    pub name: String,
    /// Chinese name, when known.
    pub name_zh: Option<String>,
    /// ISO country code.
    pub country: String,
    /// Latitude in micro-degrees, WGS-84.
    pub latitude_udeg: i64,
    /// Longitude in micro-degrees, WGS-84.
    pub longitude_udeg: i64,
    /// IANA zone.
    pub zone: String,
}

/// Looks an airport up by its IATA code, upper case.
#[must_use]
pub fn airport(iata: &str) -> Option<&'static AirportPlace> {
    all_airports().get(iata)
}

fn all_airports() -> &'static BTreeMap<&'static str, AirportPlace> {
    static AIRPORTS: OnceLock<BTreeMap<&'static str, AirportPlace>> = OnceLock::new();
    AIRPORTS.get_or_init(|| airports(include_str!("../../../data/airports.csv")))
}

/// The airport nearest to a point, within a degree or so; for telling whose clock a counter at an airport keeps.
#[must_use]
pub fn nearest_airport(latitude_udeg: i64, longitude_udeg: i64) -> Option<&'static AirportPlace> {
    const FAR_UDEG: u64 = 1_000_000;
    let away = |place: &AirportPlace| {
        place.latitude_udeg.abs_diff(latitude_udeg).max(place.longitude_udeg.abs_diff(longitude_udeg))
    };
    all_airports().values().filter(|place| away(place) <= FAR_UDEG).min_by_key(|place| (away(place), place.iata))
}

/// Looks a city up by its English or Chinese name, without regard to case.
#[must_use]
pub fn city(name: &str) -> Option<&'static CityPlace> {
    static CITIES: OnceLock<BTreeMap<String, CityPlace>> = OnceLock::new();
    CITIES.get_or_init(|| cities(include_str!("../../../data/cities.json"))).get(&name.trim().to_lowercase())
}

fn airports(csv: &'static str) -> BTreeMap<&'static str, AirportPlace> {
    // iata,icao,name,city,country,lat,lon,tz; names that contain commas are quoted.
    csv.lines()
        .skip(1)
        .filter_map(|line| {
            let fields = split_csv(line);
            let [iata, _, name, city, country, latitude, longitude, zone] = fields.as_slice() else { return None };
            let (latitude_udeg, longitude_udeg) = (micro_degrees(latitude)?, micro_degrees(longitude)?);
            Some((*iata, AirportPlace { iata, name, city, country, latitude_udeg, longitude_udeg, zone }))
        })
        .collect()
}

fn split_csv(line: &'static str) -> Vec<&'static str> {
    let mut quoted = false;
    line.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(|field| field.trim_matches('"'))
    .collect()
}

#[derive(Deserialize)]
struct CityRow {
    name: String,
    zh: Option<String>,
    country: String,
    lat: serde_json::Number,
    lon: serde_json::Number,
    tz: String,
}

fn cities(json: &str) -> BTreeMap<String, CityPlace> {
    let rows: Vec<CityRow> = serde_json::from_str(json).unwrap_or_default();
    let mut map = BTreeMap::new();
    for row in rows {
        let (Some(latitude_udeg), Some(longitude_udeg)) =
            (micro_degrees(&row.lat.to_string()), micro_degrees(&row.lon.to_string()))
        else {
            continue;
        };
        let place = CityPlace {
            name: row.name,
            name_zh: row.zh,
            country: row.country,
            latitude_udeg,
            longitude_udeg,
            zone: row.tz,
        };
        if let Some(zh) = &place.name_zh {
            map.insert(zh.clone(), place.clone());
        }
        map.insert(place.name.to_lowercase(), place);
    }
    // What everybody calls it, and GeoNames does not.
    if let Some(place) = map.get("new york city").cloned() {
        map.insert("new york".to_owned(), place);
    }
    map
}

/// Degrees as written, to micro-degrees, without a float in between; `None` for what is not a decimal number.
#[must_use]
pub fn micro_degrees(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let kept = fraction.get(..fraction.len().min(6))?;
    let value: i64 = format!("{whole}{kept:0<6}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airports_know_their_city_and_clock() {
        let pek = airport("PEK").unwrap();
        assert_eq!((pek.city, pek.country, pek.zone), ("Beijing", "CN", "Asia/Shanghai"));
        assert_eq!((pek.latitude_udeg, pek.longitude_udeg), (40_080_100, 116_585_000));
        assert_eq!(nearest_airport(40_070_000, 116_590_000), Some(pek));
        assert_eq!(nearest_airport(0, -30_000_000), None);
        assert!(airport("pek").is_none() && airport("QQQ").is_none());
    }

    #[test]
    fn cities_are_found_in_both_languages() {
        let shanghai = city("上海").unwrap();
        assert_eq!(city("shanghai"), Some(shanghai));
        assert_eq!((shanghai.latitude_udeg, shanghai.longitude_udeg), (31_222_220, 121_458_060));
    }

    #[test]
    fn every_zone_in_the_data_is_known() {
        for iata in ["PEK", "SHA", "LHR", "JFK", "HND"] {
            assert!(jiff::tz::TimeZone::get(airport(iata).unwrap().zone).is_ok());
        }
    }
}
