//! Airports and cities from the public lists, and distances between them.
//!
//! Deliberately not here: flights and hotels (they are drawn in `duffel`).

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

/// A point on the globe in degrees, WGS-84.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct Point {
    #[serde(alias = "lat")]
    pub(crate) latitude: f64,
    #[serde(alias = "lon")]
    pub(crate) longitude: f64,
}

/// A row of `airports.csv`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Airport {
    pub(crate) iata: String,
    pub(crate) icao: String,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) country: String,
    pub(crate) lat: f64,
    pub(crate) lon: f64,
    pub(crate) tz: String,
}

/// A row of `cities.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct City {
    pub(crate) name: String,
    pub(crate) zh: String,
    pub(crate) country: String,
    pub(crate) lat: f64,
    pub(crate) lon: f64,
    pub(crate) tz: String,
}

static AIRPORTS: LazyLock<Vec<Airport>> = LazyLock::new(|| {
    let text: &[u8] = include_bytes!("../../../data/airports.csv");
    csv::Reader::from_reader(text).into_deserialize().filter_map(Result::ok).collect()
});

static CITIES: LazyLock<Vec<City>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../data/cities.json")).unwrap_or_default());

/// Cities with several airports: IATA city code, name, and the airports that stand for it, the main one first.
const METROPOLISES: [(&str, &str, &[&str]); 13] = [
    ("BJS", "Beijing", &["PEK", "PKX"]),
    ("LON", "London", &["LHR", "LGW", "STN", "LTN", "LCY", "SEN"]),
    ("NYC", "New York", &["JFK", "EWR", "LGA"]),
    ("TYO", "Tokyo", &["HND", "NRT"]),
    ("PAR", "Paris", &["CDG", "ORY"]),
    ("OSA", "Osaka", &["KIX", "ITM"]),
    ("SEL", "Seoul", &["ICN", "GMP"]),
    ("MIL", "Milan", &["MXP", "LIN"]),
    ("ROM", "Rome", &["FCO", "CIA"]),
    ("MOW", "Moscow", &["SVO", "DME", "VKO"]),
    ("CHI", "Chicago", &["ORD", "MDW"]),
    ("WAS", "Washington", &["IAD", "DCA"]),
    ("STO", "Stockholm", &["ARN", "BMA"]),
];

/// All airports, by IATA code.
pub(crate) fn airports() -> &'static [Airport] {
    &AIRPORTS
}

/// All cities, most visited first.
pub(crate) fn cities() -> &'static [City] {
    &CITIES
}

/// The airport of that code, or the main airport of a city code.
pub(crate) fn airport(code: &str) -> Option<&'static Airport> {
    let find = |code: &str| AIRPORTS.iter().find(|airport| airport.iata == code);
    find(code).or_else(|| METROPOLISES.iter().find(|(city, ..)| *city == code)?.2.iter().find_map(|code| find(code)))
}

/// The city codes with their names and airports.
pub(crate) fn metropolises() -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static Airport>)> {
    METROPOLISES
        .iter()
        .map(|(code, name, members)| (*code, *name, members.iter().filter_map(|code| airport(code)).collect()))
}

impl Airport {
    /// Where it is.
    pub(crate) fn point(&self) -> Point {
        Point { latitude: self.lat, longitude: self.lon }
    }

    /// Its zone; UTC when the list names one this machine does not know.
    pub(crate) fn zone(&self) -> TimeZone {
        zone(&self.tz)
    }

    /// The IATA code of its city.
    pub(crate) fn city_code(&self) -> &str {
        let metropolis = METROPOLISES.iter().find(|(_, _, members)| members.contains(&self.iata.as_str()));
        metropolis.map_or(self.iata.as_str(), |(code, ..)| code)
    }

    /// As Duffel shows it.
    pub(crate) fn wire(&self) -> Value {
        json!({
            "type": "airport",
            "id": format!("arp_{}_{}", self.iata.to_lowercase(), self.country.to_lowercase()),
            "iata_code": self.iata,
            "icao_code": (!self.icao.is_empty()).then_some(&self.icao),
            "name": self.name,
            "latitude": self.lat,
            "longitude": self.lon,
            "time_zone": self.tz,
            "iata_country_code": self.country,
            "iata_city_code": self.city_code(),
            "city_name": self.city,
            "city": null,
        })
    }
}

/// The zone of that IANA name; UTC when unknown.
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// Great-circle distance in whole kilometres.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "geography; amounts start from the integer it returns"
)]
pub(crate) fn distance_km(from: Point, to: Point) -> i64 {
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let latitude = (to_latitude - from_latitude) / 2.0;
    let longitude = (to.longitude - from.longitude).to_radians() / 2.0;
    let half = latitude.sin().powi(2) + from_latitude.cos() * to_latitude.cos() * longitude.sin().powi(2);
    (2.0 * 6371.0 * half.sqrt().asin()).round() as i64
}

/// The point some metres north and east of another.
#[expect(clippy::float_arithmetic, reason = "geography")]
pub(crate) fn moved(from: Point, north_m: i32, east_m: i32) -> Point {
    let degree_m = 111_320.0;
    let round = |degrees: f64| (degrees * 100_000.0).round() / 100_000.0;
    Point {
        latitude: round(from.latitude + f64::from(north_m) / degree_m),
        longitude: round(from.longitude + f64::from(east_m) / (degree_m * from.latitude.to_radians().cos())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole_and_distances_are_known_ones() {
        assert_eq!((airports().len(), cities().len()), (458, 92));
        let between = |from: &str, to: &str| distance_km(airport(from).unwrap().point(), airport(to).unwrap().point());
        assert!((1720..1770).contains(&between("PVG", "HND")), "{}", between("PVG", "HND"));
        assert!((8100..8200).contains(&between("PEK", "LHR")), "{}", between("PEK", "LHR"));
        assert_eq!(between("PVG", "PVG"), 0);
    }

    #[test]
    fn a_city_code_stands_for_its_main_airport_and_every_zone_is_known() {
        assert_eq!(airport("BJS").unwrap().iata, "PEK");
        assert_eq!(airport("PKX").unwrap().city_code(), "BJS");
        assert!(airport("XXX").is_none());
        let unknown: Vec<_> = airports().iter().filter(|airport| TimeZone::get(&airport.tz).is_err()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
