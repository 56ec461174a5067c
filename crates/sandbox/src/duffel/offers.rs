//! Offers: what one can buy until when, what it costs with whom, and the bags sold with it.
//!
//! An offer lives `offer_minutes` (30); its price may rise when the scenario or the route says so, and the test member
//! (ZZ 1234567890) pays 10 % less fare. Deliberately not here: how offers come about (`search`), seats (`seats`), and what
//! a purchase does (`orders`).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::PROVIDER;
use super::flights::Oddity;
use super::wire::{Answer, Data, Refusal, ok, page};
use crate::clock::utc;
use crate::draw::tag;
use crate::money::{self, AccountCurrency};
use crate::store::{Book, Document};
use crate::world::{Shared, World};

/// The kind offers are kept under; they belong to their request.
pub(super) const OFFER: &str = "offer";
/// The test member whose fare is 10 % lower.
const TEST_MEMBER: &str = "1234567890";
/// What a change or refund costs when it is allowed.
pub(super) const PENALTY_FEN: i64 = 4000;

/// A minute in microseconds.
pub(super) const MINUTE_US: i64 = 60 * 1_000_000;

/// Loyalty accounts as given, an empty list when none.
pub(super) fn accounts(given: &Value) -> Value {
    if given.is_array() { given.clone() } else { json!([]) }
}

/// How long a hold lives, and how long its price is promised, in microseconds: 72 h and 48 h as observed.
pub(super) fn hold_windows(world: &World) -> (i64, i64) {
    let hold_us = world.switches.amount(PROVIDER, "hold_minutes", 72 * 60).saturating_mul(MINUTE_US);
    (hold_us, hold_us.min(48 * 60 * MINUTE_US))
}

/// Whether one of these accounts is the test member's.
pub(super) fn is_test_member(accounts: &Value) -> bool {
    let ours = |account: &Value| account["airline_iata_code"] == "ZZ" && account["account_number"] == TEST_MEMBER;
    accounts.as_array().is_some_and(|accounts| accounts.iter().any(ours))
}

/// What an offer costs without services, in hundredths.
pub(super) fn total_minor(offer: &Document) -> i64 {
    let (base, tax) = parts(offer);
    base + tax
}

fn parts(offer: &Document) -> (i64, i64) {
    let passengers = offer.inner["passengers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = |passenger: &Value, field: &str| passenger[field].as_i64().unwrap_or_default();
    let fare = |passenger: &Value| {
        let fare = own(passenger, "fare_minor");
        if passenger["member"] == true { fare - fare / 10 } else { fare }
    };
    let base: i64 = passengers.iter().map(fare).sum();
    (base + offer.number("surcharge_minor"), passengers.iter().map(|passenger| own(passenger, "tax_minor")).sum())
}

/// Writes the total, base and tax of an offer as it stands.
pub(super) fn write_amounts(offer: &mut Document, account: AccountCurrency) {
    let (base, tax) = parts(offer);
    for (name, minor) in [("total", base + tax), ("base", base), ("tax", tax)] {
        offer.wire[format!("{name}_amount")] = json!(money::text(minor));
        offer.wire[format!("{name}_currency")] = json!(account.code());
    }
}

/// Lets the price rise if the scenario or the route says so; true when it did.
pub(super) fn raise(world: &World, offer: &mut Document, op: &str) -> bool {
    let asked = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|wanted| wanted == op);
    let by_switch = world.switches.strike_where(PROVIDER, "price_rise", asked);
    let amount = by_switch.map(|params| rise_minor(&params));
    let by_route = (op != "create_order" && is_odd(offer, Oddity::PriceRises)).then_some(1000);
    let Some(rise) = amount.or(by_route) else { return false };
    offer.inner["surcharge_minor"] = json!(offer.number("surcharge_minor").saturating_add(rise));
    offer.wire["updated_at"] = json!(utc(world.now_us()));
    write_amounts(offer, world.account);
    true
}

/// By how much a price rises: `amount` as decimal text or in hundredths, 10.00 when absent.
pub(super) fn rise_minor(params: &serde_json::Map<String, Value>) -> i64 {
    let amount = params.get("amount");
    amount.and_then(|amount| amount.as_str().and_then(money::minor).or(amount.as_i64())).unwrap_or(1000)
}

/// Whether the offer's route is known for this.
pub(super) fn is_odd(offer: &Document, odd: Oddity) -> bool {
    offer.hidden("oddity") == format!("{odd:?}")
}

/// An offer that can still be bought, its price risen where it must.
pub(super) async fn living(world: &World, book: &mut Book, id: &str, op: &str) -> Result<Document, Refusal> {
    let offer = book.get(OFFER, id).await?;
    let mut offer = offer.ok_or_else(|| Refusal::not_found("The offer you are trying to access does not exist."))?;
    if is_odd(&offer, Oddity::OfferGone) || world.now_us() >= offer.number("expires_us") {
        return Err(Refusal::airline(
            "offer_no_longer_available",
            "The selected offer is no longer available. Please search again.",
        ));
    }
    if ["get_offer", "price"].contains(&op) && raise(world, &mut offer, op) {
        book.put(OFFER, &offer).await?;
    }
    Ok(offer)
}

/// `GET /air/offers/{id}?return_available_services=`.
pub(super) async fn get(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let mut book = world.book().await?;
    let mut offer = living(&world, &mut book, &id, "get_offer").await?;
    book.commit().await?;
    if query.get("return_available_services").map(String::as_str) == Some("true") {
        offer.wire["available_services"] = bags(&world, &offer).iter().map(|bag| bag.wire(world.account)).collect();
    }
    ok(offer.wire)
}

/// `POST /air/offers/{id}/actions/price`: the total with the services one intends to buy.
pub(super) async fn price(State(world): State<Shared>, Path(id): Path<String>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    let mut offer = living(&world, &mut book, &id, "price").await?;
    let services = super::seats::resolve(&world, &offer, &data["intended_services"])?;
    book.commit().await?;
    let extra: i64 = services.iter().map(|service| service.price).sum();
    offer.wire["total_amount"] = json!(money::text(total_minor(&offer) + extra));
    offer.wire["intended_services"] = accounts(&data["intended_services"]);
    offer.wire["intended_payment_methods"] = accounts(&data["intended_payment_methods"]);
    ok(offer.wire)
}

/// `PATCH /air/offers/{id}/passengers/{passenger}`: names and loyalty accounts before the purchase.
pub(super) async fn update_passenger(
    State(world): State<Shared>,
    Path((id, passenger)): Path<(String, String)>,
    Data(data): Data,
) -> Answer {
    let mut book = world.book().await?;
    let mut offer = living(&world, &mut book, &id, "update_passenger").await?;
    let member = is_test_member(&data["loyalty_programme_accounts"]);
    let own =
        |list: &Value| list.as_array().and_then(|list| list.iter().position(|entry| entry["id"] == passenger.as_str()));
    let at = own(&offer.wire["passengers"]).ok_or_else(|| Refusal::not_found("The passenger does not exist."))?;
    for field in ["given_name", "family_name", "loyalty_programme_accounts"] {
        if !data[field].is_null() {
            offer.wire["passengers"][at][field] = data[field].clone();
        }
    }
    offer.inner["passengers"][at]["member"] = json!(member);
    write_amounts(&mut offer, world.account);
    book.put(OFFER, &offer).await?;
    book.commit().await?;
    ok(offer.wire["passengers"][at].clone())
}

/// `GET /air/offers?offer_request_id=&sort=&max_connections=`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let request = query.get("offer_request_id").ok_or_else(|| {
        Refusal::field("offer_request_id", "validation_required", "Field 'offer_request_id' can't be blank")
    })?;
    let mut book = world.book().await?;
    let mut offers = book.linked(OFFER, request).await?;
    if query.get("sort").map(String::as_str) == Some("total_duration") {
        offers.sort_by_key(|offer| offer.number("minutes"));
    }
    page(offers.into_iter().map(|offer| offer.wire).collect(), &query)
}

/// An extra bag for one passenger on one slice.
pub(super) struct Bag {
    pub(super) id: String,
    pub(super) passenger: String,
    pub(super) segments: Vec<String>,
}

/// What an extra bag of 23 kg costs, in fen.
pub(super) const BAG_FEN: i64 = 2000;

impl Bag {
    fn wire(&self, account: AccountCurrency) -> Value {
        json!({
            "id": self.id,
            "type": "baggage",
            "maximum_quantity": 1,
            "passenger_ids": [self.passenger],
            "segment_ids": self.segments,
            "total_amount": money::text(account.price(BAG_FEN)),
            "total_currency": account.code(),
            "metadata": bag_metadata(),
        })
    }
}

/// What an extra bag may weigh and measure.
pub(super) fn bag_metadata() -> Value {
    json!({
        "type": "checked", "maximum_weight_kg": 23,
        "maximum_height_cm": null, "maximum_length_cm": null, "maximum_depth_cm": null,
    })
}

/// The bags an offer sells.
pub(super) fn bags(world: &World, offer: &Document) -> Vec<Bag> {
    if is_odd(offer, Oddity::NoServices) {
        return Vec::new();
    }
    let slices = offer.wire["slices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let passengers = offer.wire["passengers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |slice: &Value, passenger: &Value| {
        let name = passenger["id"].as_str().unwrap_or_default();
        let slice_id = slice["id"].as_str().unwrap_or_default();
        let segments = slice["segments"].as_array().map(Vec::as_slice).unwrap_or_default();
        Bag {
            id: format!("ase_0000{}", tag(world.seed, &[&offer.id, "bag", slice_id, name])),
            passenger: name.to_owned(),
            segments: segments.iter().filter_map(|segment| segment["id"].as_str().map(str::to_owned)).collect(),
        }
    };
    slices.iter().flat_map(|slice| passengers.iter().map(move |passenger| one(slice, passenger))).collect()
}
