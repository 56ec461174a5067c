//! Searching what a plan asks for, and choosing one offer of what is found.
//!
//! Deliberately not here: pricing, holding, and asking the traveller to choose among several.

use super::{Heard, Ports, Travellers, bookings::not_connected, details, later, missing};
use zhiyou_domain::{
    id::ItemId,
    order::{Fact, Offer, Order, OrderItem, SeatChosen},
    places,
    plan::{ItemRequest, import::Traveller},
    port::{Outcome, Reason, ReasonCode, activities::*, cars::*, flights::*, hotels::*},
    time::{UtcMicros, ZonedCivil},
};

/// How far from the middle of a city a hotel may be, kilometres.
const HOTEL_RADIUS_KM: u8 = 10;
/// How far from the airport a car may be picked up, kilometres.
const CAR_RADIUS_KM: u8 = 20;

impl Ports {
    /// Searches what the plan asks for and chooses one offer.
    pub(super) async fn find_offer(
        &self,
        travellers: &Travellers,
        order: &Order,
        item: ItemId,
        now: UtcMicros,
    ) -> Heard {
        let Some(place) = order.item(item) else { return Heard::Later };
        let chosen = self.search(travellers, order, place, now).await.map(|offers| choose(offers, place));
        match chosen {
            Outcome::Done(Some(offer)) => Heard::fact(Fact::OfferFound { item, offer: Box::new(offer) }),
            Outcome::Done(None) => missing(item, Reason::new(ReasonCode::SoldOut, "nothing is offered")),
            Outcome::Declined(reason) => missing(item, reason),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// Searches again for exactly the goods of the first try, with the same seats.
    pub(super) async fn find_again(
        &self,
        travellers: &Travellers,
        order: &Order,
        item: ItemId,
        now: UtcMicros,
    ) -> Heard {
        let Some((place, Some(earlier))) = order.item(item).map(|place| (place, &place.earlier_offer)) else {
            return Heard::Later;
        };
        let found = self.search(travellers, order, place, now).await;
        let offer = match found.map(|offers| offers.into_iter().find(|offer| same_goods(earlier, offer))) {
            Outcome::Done(Some(offer)) => offer,
            Outcome::Done(None) => return missing(item, Reason::new(ReasonCode::SoldOut, "no longer offered")),
            Outcome::Declined(reason) => return missing(item, reason),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return later(&reason),
        };
        match self.same_seats(place, &offer).await {
            Outcome::Done(Some(seats)) => Heard::fact(Fact::OfferFoundAgain { item, offer: Box::new(offer), seats }),
            Outcome::Done(None) => missing(item, Reason::new(ReasonCode::SeatTaken, "a chosen seat is gone")),
            Outcome::Declined(reason) => missing(item, reason),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// The seats of the first try under the new offer's service ids; `None` when one is gone.
    async fn same_seats(&self, place: &OrderItem, offer: &Offer) -> Outcome<Option<Vec<SeatChosen>>> {
        let Offer::Flight(flight) = offer else { return Outcome::Done(Some(Vec::new())) };
        if place.chosen_seats().is_empty() {
            return Outcome::Done(Some(Vec::new()));
        }
        let request = OfferRef { offer_id: flight.offer_id.clone() };
        let maps: Outcome<SeatMaps> = self.flights.call("getSeatMaps", &request).await;
        maps.map(|maps| seats_again(place, flight, &maps))
    }

    async fn search(
        &self,
        travellers: &Travellers,
        order: &Order,
        place: &OrderItem,
        now: UtcMicros,
    ) -> Outcome<Vec<Offer>> {
        let adults = u8::try_from(place.wanted.travellers.len()).unwrap_or(u8::MAX);
        match &place.wanted.request {
            ItemRequest::Flight { origin, destination, departure_date, cabin } => {
                let request = SearchFlights {
                    origin: origin.clone(),
                    destination: destination.clone(),
                    departure_date: *departure_date,
                    adults,
                    cabin: *cabin,
                };
                let offers: Outcome<FlightOffers> = self.flights.call("searchFlights", &request).await;
                offers.map(|found| found.offers.into_iter().map(Offer::Flight).collect())
            }
            ItemRequest::Hotel { city, check_in, check_out, rooms } => {
                let Some(city) = places::city(city) else { return unknown_place() };
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
                rates.map(|found| found.rates.into_iter().map(Offer::Hotel).collect())
            }
            ItemRequest::Car { airport, starts, ends } => {
                let people = match details(travellers, &place.wanted.travellers).await {
                    Ok(people) => people,
                    Err(Outcome::NotSent(reason)) => return Outcome::NotSent(reason),
                    Err(_) => return unknown_place(),
                };
                let Some(request) = car_search(people.first(), airport, (starts, ends), now) else {
                    return unknown_place();
                };
                let Some(cars) = &self.cars else { return Outcome::Declined(not_connected()) };
                let rates: Outcome<CarRates> = cars.call("searchCars", &request).await;
                rates.map(|found| found.rates.into_iter().map(Offer::Car).collect())
            }
            ItemRequest::Activity { name, city, starts } => {
                let request = SearchActivities {
                    city: city.clone(),
                    name: name.clone(),
                    starts: starts.clone(),
                    adults,
                    currency: order.budget.currency(),
                };
                let Some(activities) = &self.activities else { return Outcome::Declined(not_connected()) };
                let options: Outcome<ActivityOptions> = activities.call("searchActivities", &request).await;
                options.map(|found| found.options.into_iter().map(Offer::Activity).collect())
            }
        }
    }
}

/// A car at an airport for this driver; `None` when the airport or the driver is not known.
fn car_search(
    driver: Option<&Traveller>,
    airport: &str,
    (starts, ends): (&ZonedCivil, &ZonedCivil),
    now: UtcMicros,
) -> Option<SearchCars> {
    let (airport, driver) = (places::airport(airport)?, driver?);
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

fn unknown_place<T>() -> Outcome<T> {
    Outcome::Declined(Reason::new(ReasonCode::NotFound, "the place or the driver is not known"))
}

/// One offer of what was found. Flights that can be held, rates that can be cancelled for nothing for a while, and times
/// near the wished one come first; then the cheapest.
fn choose(offers: Vec<Offer>, place: &OrderItem) -> Option<Offer> {
    let worse = |offer: &Offer| match offer {
        Offer::Flight(flight) => u64::from(!flight.holdable),
        Offer::Hotel(rate) => u64::from(rate.terms.free_until().is_none()),
        Offer::Car(rate) => u64::from(rate.terms.free_until().is_none()),
        Offer::Activity(option) => away(option, &place.wanted.request),
    };
    // Rates paid at the hotel are left out: the order takes one payment.
    let payable = |offer: &Offer| !matches!(offer, Offer::Hotel(rate) if !rate.due_at_hotel.is_zero());
    let id = |offer: &Offer| match offer {
        Offer::Flight(flight) => flight.offer_id.clone(),
        Offer::Hotel(rate) => rate.rate_id.clone(),
        Offer::Car(rate) => rate.rate_id.clone(),
        Offer::Activity(option) => option.option_code.clone(),
    };
    offers.into_iter().filter(payable).min_by_key(|offer| (worse(offer), offer.total().minor(), id(offer)))
}

/// How far an activity begins from the wished time, microseconds.
fn away(option: &ActivityOption, request: &ItemRequest) -> u64 {
    let ItemRequest::Activity { starts: wished, .. } = request else { return u64::MAX };
    match (option.starts.to_utc(), wished.to_utc()) {
        (Ok(starts), Ok(wished)) => starts.0.abs_diff(wished.0),
        _ => u64::MAX,
    }
}

/// Whether two offers are the same goods: the same flights at the same times, the same room, car or activity.
fn same_goods(one: &Offer, other: &Offer) -> bool {
    match (one, other) {
        (Offer::Flight(one), Offer::Flight(other)) => {
            let flights = |offer: &FlightOffer| {
                offer.segments.iter().map(|s| (s.flight_number.clone(), s.departs.clone())).collect::<Vec<_>>()
            };
            flights(one) == flights(other)
        }
        (Offer::Hotel(one), Offer::Hotel(other)) => {
            (&one.hotel_name, &one.room_name, one.board) == (&other.hotel_name, &other.room_name, other.board)
        }
        (Offer::Car(one), Offer::Car(other)) => (&one.company, &one.car_name) == (&other.company, &other.car_name),
        (Offer::Activity(one), Offer::Activity(other)) => {
            (&one.product_code, &one.option_code, &one.starts)
                == (&other.product_code, &other.option_code, &other.starts)
        }
        (Offer::Flight(_) | Offer::Hotel(_) | Offer::Car(_) | Offer::Activity(_), _) => false,
    }
}

fn seats_again(place: &OrderItem, offer: &FlightOffer, maps: &SeatMaps) -> Option<Vec<SeatChosen>> {
    place.chosen_seats().iter().map(|seat| seat_again(seat, place, offer, maps)).collect()
}

fn seat_again(seat: &SeatChosen, place: &OrderItem, offer: &FlightOffer, maps: &SeatMaps) -> Option<SeatChosen> {
    let Some(Offer::Flight(earlier)) = &place.earlier_offer else { return None };
    let segment = earlier.segments.iter().position(|segment| segment.segment_id == seat.service.segment_id)?;
    let traveller = place.wanted.travellers.iter().position(|id| *id == seat.traveller)?;
    let (segment, passenger) = (offer.segments.get(segment)?, offer.passenger_ids.get(traveller)?);
    let service = maps.service(&segment.segment_id, passenger, &seat.service.designator)?;
    Some(SeatChosen { traveller: seat.traveller, service })
}
