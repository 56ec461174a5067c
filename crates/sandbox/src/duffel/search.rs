//! Offer requests: a search becomes offers with fares, fare brands and cabins.
//!
//! Prices are per passenger: a fare from the distance, the cabin and the fare brand, and a tax. The four brands carry the
//! four combinations of refundable and changeable. Deliberately not here: what becomes of an offer (`offers`).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::PROVIDER;
use super::flights::{self, Journey, Oddity};
use super::offers::{
    MINUTE_US, OFFER, PENALTY_FEN, accounts, hold_windows, is_test_member, total_minor, write_amounts,
};
use super::wire::{Answer, Data, Refusal, created, date, ok, page, text};
use crate::clock::utc;
use crate::draw::{Draw, tag};
use crate::geo::{self, Airport};
use crate::money;
use crate::store::Document;
use crate::world::{Shared, World};

const REQUEST: &str = "offer_request";

/// Name, refund allowed, change allowed, price in percent.
const BRANDS: [(&str, bool, bool, i64); 4] = [
    ("Basic", false, false, 100),
    ("Standard", false, true, 108),
    ("Refundable", true, false, 114),
    ("Flex", true, true, 125),
];

/// One slice of a search, resolved.
struct Slice {
    from: &'static Airport,
    to: &'static Airport,
    date: Date,
    body: Value,
}

/// `POST /air/offer_requests`.
pub(super) async fn create(
    State(world): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    Data(data): Data,
) -> Answer {
    let slices = slices(&world, &data)?;
    let passengers = passengers(&world, &data)?;
    let cabin = cabin(&data)?;
    let odd = route_oddity(&slices);
    if odd == Some(Oddity::SearchTimesOut) {
        let text = "The airline did not answer in time.";
        return Err(Refusal::other(StatusCode::GATEWAY_TIMEOUT, "api_error", "gateway_timeout_error", text));
    }
    let now_us = world.now_us();
    let id = world.ids.duffel("orq");
    let offers = offers(&world, &id, &slices, &passengers, &cabin, &data);
    let request = json!({
        "id": id,
        "live_mode": false,
        "created_at": utc(now_us),
        "slices": slices.iter().map(Slice::wire).collect::<Vec<_>>(),
        "passengers": passengers,
        "cabin_class": cabin,
        "client_key": null,
    });
    let mut book = world.book().await?;
    book.put(REQUEST, &Document::new(&id, request.clone(), Value::Null)).await?;
    for offer in &offers {
        book.put(OFFER, offer).await?;
    }
    book.commit().await?;
    let mut shown = request;
    if query.get("return_offers").map(String::as_str) != Some("false") {
        shown["offers"] = offers.into_iter().map(|offer| offer.wire).collect();
    }
    created(shown)
}

fn slices(world: &World, data: &Value) -> Result<Vec<Slice>, Refusal> {
    let list = data["slices"].as_array().filter(|list| !list.is_empty() && list.len() <= 6);
    let list = list.ok_or_else(|| Refusal::field("slices", "validation_required", "Field 'slices' can't be blank"))?;
    list.iter().enumerate().map(|(index, slice)| Slice::read(world, index, slice)).collect()
}

impl Slice {
    fn read(world: &World, index: usize, body: &Value) -> Result<Self, Refusal> {
        let at = |field: &str| format!("slices/{index}/{field}");
        let place = |field: &str| {
            let unknown = || {
                Refusal::field(&at(field), "validation_inclusion", &format!("Field '{field}' is not a known IATA code"))
            };
            geo::airport(text(body, field)?).ok_or_else(unknown)
        };
        let (from, to) = (place("origin")?, place("destination")?);
        if from.iata == to.iata {
            return Err(Refusal::field(
                &at("destination"),
                "validation_inclusion",
                "Field 'destination' must differ from 'origin'",
            ));
        }
        let day = date(body, "departure_date")?;
        let today = world.clock.now().to_zoned(from.zone()).date();
        if day < today || day > today.saturating_add(jiff::Span::new().days(360)) {
            let text = "Field 'departure_date' must be between today and 360 days from now";
            return Err(Refusal::field(&at("departure_date"), "validation_inclusion", text));
        }
        Ok(Self { from, to, date: day, body: body.clone() })
    }

    fn wire(&self) -> Value {
        json!({
            "origin": self.from.wire(),
            "origin_type": "airport",
            "destination": self.to.wire(),
            "destination_type": "airport",
            "departure_date": self.date.to_string(),
        })
    }

    fn wants(&self, journey: &Journey, world: &World, max_connections: Option<i64>) -> bool {
        let Some((first, last)) = journey.legs.first().zip(journey.legs.last()) else { return false };
        let within = |window: &Value, time: jiff::civil::Time| {
            let limit = |field: &str| window[field].as_str().and_then(|text| text.parse::<jiff::civil::Time>().ok());
            limit("from").is_none_or(|from| time >= from) && limit("to").is_none_or(|to| time <= to)
        };
        let connections = i64::try_from(journey.legs.len()).unwrap_or(i64::MAX).saturating_sub(1);
        first.departs.timestamp().as_microsecond() > world.now_us() + 60 * MINUTE_US
            && max_connections.is_none_or(|most| connections <= most)
            && within(&self.body["departure_time"], first.departs.time())
            && within(&self.body["arrival_time"], last.arrives.time())
    }
}

fn passengers(world: &World, data: &Value) -> Result<Vec<Value>, Refusal> {
    let list = data["passengers"].as_array().filter(|list| (1..=9).contains(&list.len()));
    let list =
        list.ok_or_else(|| Refusal::field("passengers", "validation_required", "Field 'passengers' can't be blank"))?;
    let mut party = Vec::new();
    for (index, passenger) in list.iter().enumerate() {
        let kind = passenger["type"].as_str();
        let age = passenger["age"].as_i64();
        if age.is_none() && !kind.is_some_and(|kind| ["adult", "child", "infant_without_seat"].contains(&kind)) {
            let field = format!("passengers/{index}/type");
            return Err(Refusal::field(&field, "validation_inclusion", "Field 'type' or 'age' must be given"));
        }
        party.push(json!({
            "id": world.ids.duffel("pas"),
            "type": kind,
            "age": age,
            "fare_type": passenger["fare_type"],
            "given_name": passenger["given_name"],
            "family_name": passenger["family_name"],
            "loyalty_programme_accounts": accounts(&passenger["loyalty_programme_accounts"]),
        }));
    }
    Ok(party)
}

fn cabin(data: &Value) -> Result<String, Refusal> {
    let cabin = data["cabin_class"].as_str().unwrap_or("economy");
    if ["economy", "premium_economy", "business", "first"].contains(&cabin) {
        return Ok(cabin.to_owned());
    }
    Err(Refusal::field("cabin_class", "validation_inclusion", "Field 'cabin_class' is not a cabin class"))
}

fn route_oddity(slices: &[Slice]) -> Option<Oddity> {
    match slices {
        [only] => flights::oddity(&only.from.iata, &only.to.iata),
        _ => None,
    }
}

fn offers(
    world: &World,
    request: &str,
    slices: &[Slice],
    passengers: &[Value],
    cabin: &str,
    data: &Value,
) -> Vec<Document> {
    let most = data["max_connections"].as_i64();
    let choices: Vec<Vec<Journey>> = slices
        .iter()
        .map(|slice| {
            let all = flights::journeys(world.seed, slice.from, slice.to, slice.date);
            all.into_iter().filter(|journey| slice.wants(journey, world, most)).collect()
        })
        .collect();
    let count = choices.iter().map(Vec::len).min().unwrap_or(0);
    let mut offers: Vec<Document> = (0..count)
        .map(|index| {
            let journeys: Vec<&Journey> = choices.iter().filter_map(|journeys| journeys.get(index)).collect();
            Draft { world, request, slices, passengers, cabin, journeys, index }.offer()
        })
        .collect();
    offers.sort_by_key(total_minor);
    offers
}

/// An offer being written.
struct Draft<'a> {
    world: &'a World,
    request: &'a str,
    slices: &'a [Slice],
    passengers: &'a [Value],
    cabin: &'a str,
    journeys: Vec<&'a Journey>,
    index: usize,
}

impl Draft<'_> {
    fn offer(&self) -> Document {
        let world = self.world;
        let now_us = world.now_us();
        let expires_us = now_us + world.switches.amount(PROVIDER, "offer_minutes", 30) * MINUTE_US;
        let odd = route_oddity(self.slices);
        let (slices, legs) = self.slices_wire(odd);
        let id = world.ids.duffel("off");
        let minutes: i64 = self.journeys.iter().map(|journey| journey.minutes()).sum();
        let wire = json!({
            "id": id,
            "live_mode": false,
            "created_at": utc(now_us),
            "updated_at": utc(now_us),
            "expires_at": utc(expires_us),
            "owner": flights::airline(),
            "partial": false,
            "total_emissions_kg": self.journeys.iter().map(|journey| journey.km() / 12).sum::<i64>().to_string(),
            "passengers": self.passengers,
            "passenger_identity_documents_required": false,
            "supported_passenger_identity_document_types": ["passport"],
            "supported_loyalty_programmes": ["ZZ"],
            "private_fares": [],
            "payment_requirements": self.payment_requirements(now_us),
            "conditions": self.conditions(),
            "slices": slices,
            "available_services": null,
        });
        let inner = json!({
            "expires_us": expires_us,
            "requested_us": now_us,
            "minutes": minutes,
            "cabin": self.cabin,
            "legs": legs,
            "oddity": odd.map(|odd| format!("{odd:?}")),
            "surcharge_minor": 0,
            "passengers": self.fares(),
        });
        let mut offer = Document::new(id, wire, inner).linked(self.request);
        write_amounts(&mut offer, world.account);
        offer
    }

    fn brand(&self) -> (&'static str, bool, bool, i64) {
        BRANDS.get(self.index % BRANDS.len()).copied().unwrap_or(("Basic", false, false, 100))
    }

    fn conditions(&self) -> Value {
        let (_, refund, change, _) = self.brand();
        json!({
            "refund_before_departure": condition(self.world, refund),
            "change_before_departure": condition(self.world, change),
        })
    }

    fn payment_requirements(&self, now_us: i64) -> Value {
        if self.world.switches.rule(PROVIDER, "requires_instant_payment", false) {
            return json!({"requires_instant_payment": true, "payment_required_by": null, "price_guarantee_expires_at": null});
        }
        let (hold_us, price_us) = hold_windows(self.world);
        json!({
            "requires_instant_payment": false,
            "payment_required_by": utc(now_us.saturating_add(hold_us)),
            "price_guarantee_expires_at": utc(now_us.saturating_add(price_us)),
        })
    }

    fn fares(&self) -> Vec<Value> {
        let fare: i64 = self.journeys.iter().zip(self.slices).map(|(journey, slice)| self.fare(journey, slice)).sum();
        let tax: i64 = self.journeys.iter().zip(self.slices).map(|(journey, slice)| self.tax(journey, slice)).sum();
        let own = |passenger: &Value| {
            let age = passenger["age"].as_i64();
            let percent = match (passenger["type"].as_str(), age) {
                (Some("infant_without_seat"), _) | (_, Some(0..2)) => 10,
                (Some("child"), _) | (_, Some(2..12)) => 75,
                _ => 100,
            };
            let member = is_test_member(&passenger["loyalty_programme_accounts"]);
            json!({"id": passenger["id"], "fare_minor": fare * percent / 10_000 * 100, "tax_minor": tax * percent / 100, "member": member})
        };
        self.passengers.iter().map(own).collect()
    }

    fn fare(&self, journey: &Journey, slice: &Slice) -> i64 {
        let day = slice.date.to_string();
        let mut draw =
            Draw::new(self.world.seed, &["fare", &slice.from.iata, &slice.to.iata, &day, &self.index.to_string()]);
        let cabin = match self.cabin {
            "premium_economy" => 160,
            "business" => 320,
            "first" => 500,
            _ => 100,
        };
        let (.., brand) = self.brand();
        let fen = (20_000 + journey.km() * 45 + draw.between(0, 80) * 100) * cabin / 100 * brand / 100;
        self.world.account.price(fen)
    }

    fn tax(&self, journey: &Journey, slice: &Slice) -> i64 {
        let fen = if slice.from.country == slice.to.country { 5000 } else { 12_050 + journey.km() * 2 };
        self.world.account.price(fen)
    }

    fn slices_wire(&self, odd: Option<Oddity>) -> (Vec<Value>, Vec<Value>) {
        let mut legs = Vec::new();
        let mut slices = Vec::new();
        for (journey, slice) in self.journeys.iter().zip(self.slices) {
            let slice_id = self.world.ids.duffel("sli");
            let entries = self.cabin_entries(odd);
            let segments: Vec<Value> = journey
                .legs
                .iter()
                .map(|leg| {
                    let id = self.world.ids.duffel("seg");
                    legs.push(json!({
                        "segment_id": id, "slice_id": slice_id, "flight": leg.key(), "wide": leg.is_wide(),
                        "departs": leg.departs.date().to_string(), "departs_us": leg.departs.timestamp().as_microsecond(),
                    }));
                    leg.segment(&id, &entries)
                })
                .collect();
            slices.push(json!({
                "id": slice_id,
                "origin": slice.from.wire(),
                "origin_type": "airport",
                "destination": slice.to.wire(),
                "destination_type": "airport",
                "duration": journey.duration(),
                "fare_brand_name": self.brand().0,
                "comparison_key": tag(self.world.seed, &["slice", &slice.from.iata, &slice.to.iata, &self.index.to_string()]),
                "ngs_shelf": 1,
                "conditions": {
                    "change_before_departure": condition(self.world, self.brand().2),
                    "advance_seat_selection": null, "priority_boarding": null, "priority_check_in": null,
                },
                "segments": segments,
            }));
        }
        (slices, legs)
    }

    fn cabin_entries(&self, odd: Option<Oddity>) -> Vec<Value> {
        let bags = if odd == Some(Oddity::NoBaggages) {
            json!([])
        } else {
            json!([{"type": "checked", "quantity": 1}, {"type": "carry_on", "quantity": 1}])
        };
        let name = self.cabin.replace('_', " ");
        let entry = |passenger: &Value| {
            json!({
                "passenger_id": passenger["id"],
                "cabin_class": self.cabin,
                "cabin_class_marketing_name": name,
                "fare_basis_code": format!("{}ZZ{}", self.cabin.get(..1).unwrap_or("y").to_uppercase(), self.index),
                "baggages": bags,
                "cabin": {"name": self.cabin, "marketing_name": name, "amenities": {
                    "wifi": {"available": true, "cost": "free"},
                    "seat": {"pitch": "31", "type": "standard", "legroom": "standard"},
                    "power": {"available": true},
                }},
            })
        };
        self.passengers.iter().map(entry).collect()
    }
}

fn condition(world: &World, allowed: bool) -> Value {
    if allowed {
        let penalty = money::text(world.account.price(PENALTY_FEN));
        json!({"allowed": true, "penalty_amount": penalty, "penalty_currency": world.account.code()})
    } else {
        json!({"allowed": false, "penalty_amount": null, "penalty_currency": null})
    }
}

/// `GET /air/offer_requests/{id}` with its offers.
pub(super) async fn get(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let request =
        book.get(REQUEST, &id).await?.ok_or_else(|| Refusal::not_found("The offer request does not exist."))?;
    let mut shown = request.wire;
    shown["offers"] = book.linked(OFFER, &id).await?.into_iter().map(|offer| offer.wire).collect();
    ok(shown)
}

/// `GET /air/offer_requests`, newest first, without offers.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let mut book = world.book().await?;
    page(book.all(REQUEST).await?.into_iter().rev().map(|request| request.wire).collect(), &query)
}
