//! Seat maps: 3-3 in narrow aircraft and 3-3-3 in wide ones for economy, two by two in front; and the services an offer
//! sells, found again by their ids.
//!
//! Which seats are free is drawn once per flight and day; a seat sold through any order is taken for everyone. Ids are
//! computed from the offer, so a map can be read many times and always sells the same ids. Deliberately not here: selling
//! (`orders`).

use std::collections::{BTreeSet, HashMap};

use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::flights::Oddity;
use super::offers::{self, BAG_FEN};
use super::wire::{Answer, Refusal, ok};
use crate::draw::{Draw, tag};
use crate::money;
use crate::store::Document;
use crate::world::{Shared, World};

/// A leg of an offer, as the offer keeps it.
struct Leg<'a> {
    segment: &'a str,
    slice: &'a str,
    flight: &'a str,
    wide: bool,
}

/// Rows and columns of a cabin.
struct Layout {
    sections: &'static [&'static [char]],
    first_row: i64,
    rows: i64,
    exit_rows: &'static [i64],
}

/// A seat of a flight: where, for how much, and whether the airline sells it at all.
struct Seat {
    designator: String,
    fen: i64,
    free: bool,
    name: Option<&'static str>,
    exit: bool,
}

/// A service one may buy with an offer.
pub(super) struct Service {
    pub(super) id: String,
    pub(super) price: i64,
    pub(super) passenger: String,
    pub(super) segments: Vec<String>,
    /// Flight and seat; none for a bag.
    pub(super) seat: Option<(String, String)>,
}

impl Layout {
    fn of(cabin: &str, wide: bool) -> Self {
        let front = ["business", "first"].contains(&cabin);
        match (front, wide) {
            (true, true) => {
                Self { sections: &[&['A', 'C'], &['D', 'G'], &['H', 'K']], first_row: 1, rows: 7, exit_rows: &[] }
            }
            (true, false) => Self { sections: &[&['A', 'C'], &['D', 'F']], first_row: 1, rows: 4, exit_rows: &[] },
            (false, true) => Self {
                sections: &[&['A', 'B', 'C'], &['D', 'E', 'G'], &['H', 'J', 'K']],
                first_row: 31,
                rows: 27,
                exit_rows: &[31, 45],
            },
            (false, false) => {
                Self { sections: &[&['A', 'B', 'C'], &['D', 'E', 'F']], first_row: 6, rows: 25, exit_rows: &[16, 17] }
            }
        }
    }

    fn seat(&self, seed: u64, flight: &str, cabin: &str, row: i64, section: usize, column: usize) -> Seat {
        let letters = self.sections.get(section).copied().unwrap_or_default();
        let designator = format!("{row}{}", letters.get(column).copied().unwrap_or('A'));
        let mut draw = Draw::new(seed, &["seat", flight, cabin, &designator]);
        let exit = self.exit_rows.contains(&row);
        let outer =
            (section == 0 && column == 0) || (section + 1 == self.sections.len() && column + 1 == letters.len());
        let front = row < self.first_row + 3;
        let (fen, name) = match (cabin, exit, front, outer) {
            ("business" | "first", ..) => (0, None),
            (_, true, ..) => (12_000, Some("EXTRA LEGROOM")),
            (_, _, true, _) => (8000, Some("PREFERRED SEAT")),
            (_, _, _, true) => (4000, None),
            _ if row < self.first_row + self.rows / 2 => (2000, None),
            _ => (0, None),
        };
        Seat { designator, fen, free: draw.below(100) < 62, name, exit }
    }
}

/// `GET /air/seat_maps?offer_id=`: one map per segment.
pub(super) async fn maps(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let id = query
        .get("offer_id")
        .ok_or_else(|| Refusal::field("offer_id", "validation_required", "Field 'offer_id' can't be blank"))?;
    let mut book = world.book().await?;
    let offer = offers::living(&world, &mut book, id, "seat_map").await?;
    let mut maps = Vec::new();
    if !offers::is_odd(&offer, Oddity::NoServices) {
        for leg in legs(&offer) {
            let sold = book.sold_seats(leg.flight).await?.into_iter().collect();
            maps.push(map(&world, &offer, &leg, &sold));
        }
    }
    book.commit().await?;
    ok(Value::Array(maps))
}

fn legs(offer: &Document) -> Vec<Leg<'_>> {
    let list = offer.inner["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|leg| Leg {
            segment: leg["segment_id"].as_str().unwrap_or_default(),
            slice: leg["slice_id"].as_str().unwrap_or_default(),
            flight: leg["flight"].as_str().unwrap_or_default(),
            wide: leg["wide"] == true,
        })
        .collect()
}

/// Passengers who sit on a seat of their own.
fn seated(offer: &Document) -> Vec<&str> {
    let list = offer.wire["passengers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lap = |passenger: &Value| {
        passenger["type"] == "infant_without_seat" || passenger["age"].as_i64().is_some_and(|age| age < 2)
    };
    list.iter().filter(|passenger| !lap(passenger)).filter_map(|passenger| passenger["id"].as_str()).collect()
}

fn service_id(world: &World, offer: &Document, leg: &Leg<'_>, passenger: &str, designator: &str) -> String {
    format!("ase_0000{}", tag(world.seed, &[&offer.id, "seat", leg.segment, passenger, designator]))
}

fn map(world: &World, offer: &Document, leg: &Leg<'_>, sold: &BTreeSet<String>) -> Value {
    let cabin = offer.hidden("cabin");
    let layout = Layout::of(cabin, leg.wide);
    let mut rows = vec![fixture_row(&layout, "lavatory", "galley")];
    if leg.wide && layout.first_row > 1 {
        rows.push(fixture_row(&layout, "bassinet", "bassinet"));
    }
    let before_exit = |row: i64| layout.exit_rows.contains(&row) && !layout.exit_rows.contains(&(row - 1));
    for row in layout.first_row..layout.first_row + layout.rows {
        if before_exit(row) {
            rows.push(fixture_row(&layout, "exit_row", "empty"));
        }
        rows.push(seat_row(world, offer, leg, &layout, row, sold));
    }
    rows.push(fixture_row(&layout, "lavatory", "galley"));
    let (first, last) = (rows.len() / 3, rows.len() * 3 / 5);
    json!({
        "id": format!("sea_0000{}", tag(world.seed, &["map", &offer.id, leg.segment])),
        "slice_id": leg.slice,
        "segment_id": leg.segment,
        "cabins": [{
            "deck": 0,
            "cabin_class": cabin,
            "aisles": layout.sections.len() - 1,
            "wings": {"first_row_index": first, "last_row_index": last},
            "rows": rows,
        }],
    })
}

/// A row without seats: `side` in the outer sections, `middle` in the others.
fn fixture_row(layout: &Layout, side: &str, middle: &str) -> Value {
    let last = layout.sections.len() - 1;
    let element = |kind: &str| json!({"type": kind, "designator": null, "name": null, "disclosures": null, "available_services": []});
    let section = |at: usize| json!({"elements": [element(if at == 0 || at == last { side } else { middle })]});
    json!({"sections": (0..=last).map(section).collect::<Vec<_>>()})
}

fn seat_row(
    world: &World,
    offer: &Document,
    leg: &Leg<'_>,
    layout: &Layout,
    row: i64,
    sold: &BTreeSet<String>,
) -> Value {
    let cabin = offer.hidden("cabin");
    let sections = layout.sections.iter().enumerate().map(|(section, letters)| {
        let elements: Vec<Value> = (0..letters.len())
            .map(|column| {
                let seat = layout.seat(world.seed, leg.flight, cabin, row, section, column);
                seat_wire(world, offer, leg, &seat, sold)
            })
            .collect();
        json!({"elements": elements})
    });
    json!({"sections": sections.collect::<Vec<_>>()})
}

fn seat_wire(world: &World, offer: &Document, leg: &Leg<'_>, seat: &Seat, sold: &BTreeSet<String>) -> Value {
    let open = seat.free && !sold.contains(&seat.designator);
    let service = |passenger: &str| {
        json!({
            "id": service_id(world, offer, leg, passenger, &seat.designator),
            "passenger_id": passenger,
            "total_amount": money::text(world.account.price(seat.fen)),
            "total_currency": world.account.code(),
        })
    };
    let services: Vec<Value> = if open { seated(offer).into_iter().map(service).collect() } else { Vec::new() };
    let disclosures: &[&str] =
        if seat.exit { &["Do not seat children in exit row seats", "Passenger must be an adult"] } else { &[] };
    json!({
        "type": "seat",
        "designator": seat.designator,
        "name": seat.name,
        "disclosures": disclosures,
        "available_services": services,
    })
}

/// The services behind `[{id, quantity}]`, refused when one is unknown, listed twice, or two share a passenger's seat.
/// Whether a seat is still free is decided when it is sold.
pub(super) fn resolve(world: &World, offer: &Document, wanted: &Value) -> Result<Vec<Service>, Refusal> {
    let wanted = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<Service> = Vec::new();
    for (index, wish) in wanted.iter().enumerate() {
        let field = format!("services/{index}/id");
        let id = wish["id"].as_str().unwrap_or_default();
        if wish["quantity"].as_i64().unwrap_or(1) != 1 {
            return Err(Refusal::field(
                &format!("services/{index}/quantity"),
                "validation_inclusion",
                "Field 'quantity' must be 1",
            ));
        }
        let service = bag_service(world, offer, id).or_else(|| seat_service(world, offer, id));
        let service = service.ok_or_else(|| {
            Refusal::field(&field, "validation_inclusion", "The service is not available on this offer")
        })?;
        let clash = |other: &Service| {
            let both_seats = other.seat.is_some() && service.seat.is_some();
            other.id == service.id
                || (both_seats && other.seat == service.seat)
                || (both_seats && other.passenger == service.passenger && other.segments == service.segments)
        };
        if found.iter().any(clash) {
            return Err(Refusal::field(&field, "validation_inclusion", "The services contradict each other"));
        }
        found.push(service);
    }
    Ok(found)
}

fn bag_service(world: &World, offer: &Document, id: &str) -> Option<Service> {
    let bag = offers::bags(world, offer).into_iter().find(|bag| bag.id == id)?;
    Some(Service {
        id: bag.id,
        price: world.account.price(BAG_FEN),
        passenger: bag.passenger,
        segments: bag.segments,
        seat: None,
    })
}

fn seat_service(world: &World, offer: &Document, id: &str) -> Option<Service> {
    if offers::is_odd(offer, Oddity::NoServices) {
        return None;
    }
    let cabin = offer.hidden("cabin");
    for leg in legs(offer) {
        let layout = Layout::of(cabin, leg.wide);
        for row in layout.first_row..layout.first_row + layout.rows {
            for (section, letters) in layout.sections.iter().enumerate() {
                for column in 0..letters.len() {
                    let seat = layout.seat(world.seed, leg.flight, cabin, row, section, column);
                    let owner = seated(offer)
                        .into_iter()
                        .find(|passenger| service_id(world, offer, &leg, passenger, &seat.designator) == id);
                    if let Some(passenger) = owner {
                        return seat.free.then(|| Service {
                            id: id.to_owned(),
                            price: world.account.price(seat.fen),
                            passenger: passenger.to_owned(),
                            segments: vec![leg.segment.to_owned()],
                            seat: Some((leg.flight.to_owned(), seat.designator)),
                        });
                    }
                }
            }
        }
    }
    None
}
