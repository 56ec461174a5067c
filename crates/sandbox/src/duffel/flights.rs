//! Which flights exist: drawn from the seed, the route and the day, flown by the test airline ZZ.
//!
//! Departures spread over the day in the airport's own time, durations follow the great circle, some long routes connect.
//! The routes with a fixed behaviour are those observed in the provider's test mode. Deliberately not here: prices for a
//! party (`offers`) and seats (`seats`).

use jiff::civil::{Date, DateTime};
use jiff::{Span, Zoned};
use serde_json::{Value, json};

use crate::draw::{Draw, tag};
use crate::geo::{self, Airport};

/// One take-off and landing.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) number: i64,
    pub(super) from: &'static Airport,
    pub(super) to: &'static Airport,
    pub(super) departs: Zoned,
    pub(super) arrives: Zoned,
    pub(super) km: i64,
    /// A technical stop within the flight.
    pub(super) stop: Option<&'static Airport>,
}

/// One way to fly a slice.
#[derive(Clone, Debug)]
pub(super) struct Journey {
    pub(super) legs: Vec<Leg>,
}

/// What a one-way route is known to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Oddity {
    NoOffers,
    TwoSegments,
    StopInside,
    NoBaggages,
    NoServices,
    SearchTimesOut,
    OfferGone,
    PriceRises,
    OrderFails,
    NoBalance,
    AirlineChanges,
    AirlineCredits,
}

const HUBS: [&str; 12] = ["PEK", "PVG", "HKG", "SIN", "DXB", "IST", "FRA", "LHR", "HND", "ICN", "LAX", "JFK"];

/// The observed behaviour of a one-way test route.
pub(super) fn oddity(from: &str, to: &str) -> Option<Oddity> {
    match (from, to) {
        ("PVD", "RAI") => Some(Oddity::NoOffers),
        ("LHR", "DXB") => Some(Oddity::TwoSegments),
        ("DXB", "AMS") => Some(Oddity::StopInside),
        ("BTS", "MRU") => Some(Oddity::NoBaggages),
        ("BTS", "ABV") => Some(Oddity::NoServices),
        ("STN", "LHR") => Some(Oddity::SearchTimesOut),
        ("LGW", "LHR") => Some(Oddity::OfferGone),
        ("LHR", "STN") => Some(Oddity::PriceRises),
        ("LHR", "LGW") => Some(Oddity::OrderFails),
        ("LGW", "STN") => Some(Oddity::NoBalance),
        ("LHR", "LTN") => Some(Oddity::AirlineChanges),
        ("LTN", "SYD") => Some(Oddity::AirlineCredits),
        _ => None,
    }
}

/// The journeys of a route on a day, earliest first. Empty when the airports are the same or the date cannot be flown.
pub(super) fn journeys(seed: u64, from: &'static Airport, to: &'static Airport, date: Date) -> Vec<Journey> {
    let odd = oddity(&from.iata, &to.iata);
    if odd == Some(Oddity::NoOffers) || from.iata == to.iata {
        return Vec::new();
    }
    let day = date.to_string();
    let mut draw = Draw::new(seed, &["flights", &from.iata, &to.iata, &day]);
    let count = draw.between(4, 6);
    let km = geo::distance_km(from.point(), to.point());
    (0..count)
        .filter_map(|index| {
            let slot_min = 7 * 60 + index * (14 * 60 / count) + draw.between(0, 15) * 5;
            let departs = at(date, slot_min)?.to_zoned(from.zone()).ok()?;
            let connects = odd == Some(Oddity::TwoSegments) || (odd.is_none() && km > 3000 && index % 3 == 2);
            match hub(from, to).filter(|_| connects) {
                Some(hub) => connection(seed, [from, hub, to], &departs, index),
                None => leg(seed, from, to, departs, index).map(|leg| Journey { legs: vec![leg] }),
            }
        })
        .collect()
}

fn at(date: Date, minute_of_day: i64) -> Option<DateTime> {
    date.to_datetime(jiff::civil::Time::midnight()).checked_add(Span::new().minutes(minute_of_day)).ok()
}

/// The hub with the smallest detour.
fn hub(from: &Airport, to: &Airport) -> Option<&'static Airport> {
    let detour =
        |hub: &Airport| geo::distance_km(from.point(), hub.point()) + geo::distance_km(hub.point(), to.point());
    let far = |hub: &Airport| {
        geo::distance_km(from.point(), hub.point()) > 400 && geo::distance_km(hub.point(), to.point()) > 400
    };
    HUBS.iter().filter_map(|code| geo::airport(code)).filter(|hub| far(hub)).min_by_key(|hub| detour(hub))
}

fn connection(seed: u64, [from, hub, to]: [&'static Airport; 3], departs: &Zoned, index: i64) -> Option<Journey> {
    let first = leg(seed, from, hub, departs.clone(), index)?;
    let onward = first.arrives.checked_add(Span::new().minutes(75 + 10 * index)).ok()?;
    let second = leg(seed, hub, to, onward, index)?;
    Some(Journey { legs: vec![first, second] })
}

fn leg(seed: u64, from: &'static Airport, to: &'static Airport, departs: Zoned, index: i64) -> Option<Leg> {
    let odd = oddity(&from.iata, &to.iata);
    let km = geo::distance_km(from.point(), to.point());
    let stop = if odd == Some(Oddity::StopInside) { geo::airport("IST") } else { None };
    let minutes = 35 + km * 60 / 830 + if stop.is_some() { 60 } else { 0 };
    let arrives = departs.checked_add(Span::new().minutes(minutes.div_euclid(5) * 5 + 5)).ok()?;
    let mut draw = Draw::new(seed, &["flight number", &from.iata, &to.iata, &index.to_string()]);
    let number = 1000 + draw.between(0, 799) * 10 + index;
    Some(Leg { number, from, to, arrives: arrives.with_time_zone(to.zone()), departs, km, stop })
}

impl Leg {
    /// Names this very flight on this very day, whoever searched for it.
    pub(super) fn key(&self) -> String {
        format!("ZZ{}|{}|{}", self.number, self.from.iata, self.departs.date())
    }

    /// Two aisles?
    pub(super) fn is_wide(&self) -> bool {
        self.km > 5000
    }

    fn aircraft(&self) -> Value {
        let (code, name) = match (self.is_wide(), self.number % 2) {
            (true, 0) => ("359", "Airbus A350-900"),
            (true, _) => ("789", "Boeing 787-9"),
            (false, 0) => ("32N", "Airbus A320neo"),
            (false, _) => ("738", "Boeing 737-800"),
        };
        json!({"id": format!("arc_0000{}", tag(0, &["aircraft", code])), "iata_code": code, "name": name})
    }

    /// The segment as Duffel shows it; `passengers` are the party's cabin entries.
    pub(super) fn segment(&self, id: &str, passengers: &[Value]) -> Value {
        let stops: Vec<Value> = self.stop.map(|stop| self.stop_wire(id, stop)).into_iter().collect();
        json!({
            "id": id,
            "origin": self.from.wire(),
            "destination": self.to.wire(),
            "origin_terminal": (self.number % 3 + 1).to_string(),
            "destination_terminal": (self.number % 2 + 1).to_string(),
            "departing_at": local(&self.departs),
            "arriving_at": local(&self.arrives),
            "duration": duration(&self.departs, &self.arrives),
            "distance": format!("{}.0", self.km),
            "aircraft": self.aircraft(),
            "marketing_carrier": airline(),
            "marketing_carrier_flight_number": self.number.to_string(),
            "operating_carrier": airline(),
            "operating_carrier_flight_number": self.number.to_string(),
            "stops": stops,
            "passengers": passengers,
        })
    }

    fn stop_wire(&self, id: &str, stop: &Airport) -> Value {
        let half = self.departs.duration_until(&self.arrives).as_secs() / 120;
        let landing = self.departs.checked_add(Span::new().minutes(half - 30)).unwrap_or_else(|_| self.departs.clone());
        let landing = landing.with_time_zone(stop.zone());
        let leaving = landing.checked_add(Span::new().minutes(60)).unwrap_or_else(|_| landing.clone());
        json!({
            "id": format!("sto_{}", id.trim_start_matches("seg_")),
            "airport": stop.wire(),
            "arriving_at": local(&landing),
            "departing_at": local(&leaving),
            "duration": "PT1H",
        })
    }
}

impl Journey {
    /// First departure to last arrival, ISO 8601.
    pub(super) fn duration(&self) -> Option<String> {
        Some(duration(&self.legs.first()?.departs, &self.legs.last()?.arrives))
    }

    /// Minutes in all, to sort by.
    pub(super) fn minutes(&self) -> i64 {
        match (self.legs.first(), self.legs.last()) {
            (Some(first), Some(last)) => first.departs.duration_until(&last.arrives).as_secs() / 60,
            _ => 0,
        }
    }

    /// Kilometres flown.
    pub(super) fn km(&self) -> i64 {
        self.legs.iter().map(|leg| leg.km).sum()
    }
}

/// Local time without offset, as Duffel writes it.
pub(super) fn local(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn duration(from: &Zoned, to: &Zoned) -> String {
    let minutes = from.duration_until(to).as_secs() / 60;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    match (hours, minutes) {
        (0, minutes) => format!("PT{minutes}M"),
        (hours, 0) => format!("PT{hours}H"),
        (hours, minutes) if hours >= 24 => format!("P{}DT{}H{minutes}M", hours / 24, hours % 24),
        (hours, minutes) => format!("PT{hours}H{minutes}M"),
    }
}

/// The test airline.
pub(super) fn airline() -> Value {
    json!({
        "id": "arl_00009VME7D6ivUu8dn35WK",
        "name": "Duffel Airways",
        "iata_code": "ZZ",
        "logo_symbol_url": null,
        "logo_lockup_url": null,
        "conditions_of_carriage_url": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(from: &str, to: &str) -> Vec<Journey> {
        journeys(7, geo::airport(from).unwrap(), geo::airport(to).unwrap(), "2026-12-20".parse().unwrap())
    }

    #[test]
    fn flights_leave_on_their_day_in_local_time_and_take_a_plausible_while() {
        for (from, to, shortest, longest) in
            [("PVG", "HND", 120, 220), ("PEK", "CTU", 120, 220), ("PEK", "LHR", 560, 1300)]
        {
            let all = some(from, to);
            assert!((4..=6).contains(&all.len()));
            for journey in &all {
                assert_eq!(journey.legs[0].departs.date().to_string(), "2026-12-20");
                assert!((6..23).contains(&journey.legs[0].departs.hour()));
                assert!((shortest..=longest).contains(&journey.minutes()), "{from}-{to}: {} min", journey.minutes());
                assert_eq!(journey.legs.last().unwrap().to.iata, to);
            }
        }
    }

    #[test]
    fn the_same_seed_flies_the_same_flights() {
        let keys = |all: Vec<Journey>| all.iter().map(|journey| journey.legs[0].key()).collect::<Vec<_>>();
        assert_eq!(keys(some("PVG", "HND")), keys(some("PVG", "HND")));
        let mut once = keys(some("PVG", "HND"));
        once.dedup();
        assert_eq!(once.len(), some("PVG", "HND").len(), "no flight number twice a day");
    }

    #[test]
    fn the_observed_test_routes_behave_as_observed() {
        assert!(some("PVD", "RAI").is_empty());
        assert!(some("LHR", "DXB").iter().all(|journey| journey.legs.len() == 2));
        assert!(some("DXB", "AMS").iter().any(|journey| journey.legs.iter().any(|leg| leg.stop.is_some())));
    }
}
