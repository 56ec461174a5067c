//! Searching what a plan asks for, and choosing one offer of what is found.
//!
//! Deliberately not here: pricing, holding, and asking the traveller to choose among several.

use super::{Heard, Ports, Travellers, details, later, missing};
use zhiyou_domain::{
    id::ItemId,
    order::{Fact, Offer, Order, OrderItem},
    places,
    plan::ItemRequest,
    policy::Terms,
    port::{Outcome, Reason, ReasonCode, activities::*, cars::*, flights::*, hotels::*},
    time::{UtcMicros, ZonedCivil},
};

/// How far from the middle of a city a hotel may be, kilometres.
const HOTEL_RADIUS_KM: u8 = 10;
/// How far from the airport a car may be picked up, kilometres.
const CAR_RADIUS_KM: u8 = 20;

impl Ports {
    pub(super) async fn find_offer(
        &self,
        travellers: &Travellers,
        order: &Order,
        item: ItemId,
        now: UtcMicros,
    ) -> Heard {
        let Some(place) = order.item(item) else { return Heard::Later };
        let adults = u8::try_from(place.wanted.travellers.len()).unwrap_or(u8::MAX);
        let found = match &place.wanted.request {
            ItemRequest::Flight { origin, destination, departure_date, cabin } => {
                let request = SearchFlights {
                    origin: origin.clone(),
                    destination: destination.clone(),
                    departure_date: *departure_date,
                    adults,
                    cabin: *cabin,
                };
                let offers: Outcome<FlightOffers> = self.flights.call("searchFlights", &request).await;
                offers.map(|found| choose_flight(found.offers).map(Offer::Flight))
            }
            ItemRequest::Hotel { city, check_in, check_out, rooms } => {
                let Some(city) = places::city(city) else { return unknown_place(item) };
                let request = SearchHotels {
                    latitude_udeg: city.latitude_udeg,
                    longitude_udeg: city.longitude_udeg,
                    radius_km: HOTEL_RADIUS_KM,
                    check_in: *check_in,
                    check_out: *check_out,
                    rooms: *rooms,
                    adults,
                };
                let rates: Outcome<HotelRates> = self.hotels.call("searchHotels", &request).await;
                rates.map(|found| choose_rate(found.rates).map(Offer::Hotel))
            }
            ItemRequest::Car { airport, starts, ends } => {
                let Some(request) = self.car_search(travellers, place, airport, (starts, ends), now).await else {
                    return unknown_place(item);
                };
                let rates: Outcome<CarRates> = self.cars.call("searchCars", &request).await;
                rates.map(|found| choose_car(found.rates).map(Offer::Car))
            }
            ItemRequest::Activity { name, city, starts } => {
                let request = SearchActivities {
                    city: city.clone(),
                    name: name.clone(),
                    starts: starts.clone(),
                    adults,
                    currency: order.budget.currency(),
                };
                let options: Outcome<ActivityOptions> = self.activities.call("searchActivities", &request).await;
                options.map(|found| choose_activity(found.options, starts).map(Offer::Activity))
            }
        };
        match found {
            Outcome::Done(Some(offer)) => Heard::fact(Fact::OfferFound { item, offer: Box::new(offer) }),
            Outcome::Done(None) => missing(item, Reason::new(ReasonCode::SoldOut, "nothing is offered")),
            Outcome::Declined(reason) => missing(item, reason),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// A car at an airport for the item's first traveller; `None` when the airport or the driver is not known.
    async fn car_search(
        &self,
        travellers: &Travellers,
        place: &OrderItem,
        airport: &str,
        (starts, ends): (&ZonedCivil, &ZonedCivil),
        now: UtcMicros,
    ) -> Option<SearchCars> {
        let airport = places::airport(airport)?;
        let people = details(travellers, &place.wanted.travellers).await.ok()?;
        let driver = people.first()?;
        let today = now.in_zone(airport.zone).ok()?.local.date();
        let years = driver.born_on.until((jiff::Unit::Year, today)).ok()?.get_years();
        Some(SearchCars {
            latitude_udeg: airport.latitude_udeg,
            longitude_udeg: airport.longitude_udeg,
            radius_km: CAR_RADIUS_KM,
            pick_up: starts.clone(),
            drop_off: ends.clone(),
            driver_age: u8::try_from(years).unwrap_or(u8::MAX),
            driver_country: driver.residence_country.clone()?,
        })
    }
}

fn unknown_place(item: ItemId) -> Heard {
    missing(item, Reason::new(ReasonCode::NotFound, "the place or the driver is not known"))
}

/// The cheapest offer that can be held, else the cheapest.
fn choose_flight(offers: Vec<FlightOffer>) -> Option<FlightOffer> {
    offers.into_iter().min_by_key(|offer| (!offer.holdable, offer.total.minor(), offer.offer_id.clone()))
}

fn free_at_first(terms: &Terms) -> bool {
    terms.free_until().is_some()
}

/// The cheapest rate that can be cancelled for nothing for a while, else the cheapest. Rates paid at the hotel are left
/// out: the order takes one payment.
fn choose_rate(rates: Vec<HotelRate>) -> Option<HotelRate> {
    let prepaid = rates.into_iter().filter(|rate| rate.due_at_hotel.is_zero());
    prepaid.min_by_key(|rate| (!free_at_first(&rate.terms), rate.total.minor(), rate.rate_id.clone()))
}

/// The same for cars.
fn choose_car(rates: Vec<CarRate>) -> Option<CarRate> {
    rates.into_iter().min_by_key(|rate| (!free_at_first(&rate.terms), rate.total.minor(), rate.rate_id.clone()))
}

/// The supplier's best match that begins nearest to the wished time.
fn choose_activity(options: Vec<ActivityOption>, wished: &ZonedCivil) -> Option<ActivityOption> {
    let away = |option: &ActivityOption| match (option.starts.to_utc(), wished.to_utc()) {
        (Ok(starts), Ok(wished)) => starts.0.abs_diff(wished.0),
        _ => u64::MAX,
    };
    options.into_iter().min_by_key(|option| (away(option), option.total.minor(), option.option_code.clone()))
}
