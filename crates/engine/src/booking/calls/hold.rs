//! Holding a flight without paying, and finding a hold whose answer was lost.
//!
//! Deliberately not here: holds that lapse by themselves (see [`super::bookings`]).

use super::{Ports, Travellers, details, inconsistent, refused, seen};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::ItemId,
    money::Money,
    order::{Offer, Order, StepKey, StepResult},
    plan::import::Traveller,
    port::{Found, Outcome, Word, flights::*},
};

impl Ports {
    pub(super) async fn hold(
        &self,
        travellers: &Travellers,
        order: &Order,
        item: ItemId,
        key: &StepKey,
    ) -> Outcome<StepResult> {
        let request = match flight_request(travellers, self, order, item, key).await {
            Ok(request) => request,
            Err(outcome) => return outcome,
        };
        self.flights.call("holdFlight", &request).await.map(StepResult::Flight)
    }

    pub(super) async fn see_hold(&self, order: &Order, item: ItemId, key: &StepKey) -> Seen {
        let Some(Some(Offer::Flight(offer))) = order.item(item).map(|place| &place.offer) else { return Seen::Silent };
        let request = FindFlightOrder { reference: key.reference(), offer_id: offer.offer_id.clone() };
        let found: Outcome<Found<FlightOrder>> = self.flights.call("findFlightOrder", &request).await;
        seen(found, |found| found.found.map(StepResult::Flight))
    }
}

/// A flight request with everything the airline needs to know.
pub(super) async fn flight_request(
    travellers: &Travellers,
    ports: &Ports,
    order: &Order,
    item: ItemId,
    key: &StepKey,
) -> Result<HoldFlight, Outcome<StepResult>> {
    let Some(place) = order.item(item) else { return Err(inconsistent("no such item")) };
    let Some(Offer::Flight(offer)) = &place.offer else { return Err(inconsistent("no flight offer")) };
    let people = details(travellers, &place.wanted.travellers).await?;
    if people.len() != offer.passenger_ids.len() {
        return Err(inconsistent("the offer is for another number of passengers"));
    }
    let profile = match &place.wanted.member_platform {
        // What such a platform says is shown to its member; nothing that is booked depends on it.
        Some(platform) if travellers.auth.is_asked_directly(platform) => None,
        Some(platform) => match ports.member_profile(travellers, platform).await {
            Outcome::Done(profile) => Some(profile),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Err(Outcome::NotSent(reason)),
            Outcome::Declined(reason) => return Err(refused(reason)),
        },
        None => None,
    };
    let member = profile.as_ref().map(|profile| member_index(&people, profile));
    let loyalty = |index| profile.as_ref().filter(|_| member == Some(index)).map(|profile| profile.loyalty.clone());
    let passenger = |(index, (person, id)): (usize, (&Traveller, &String))| Passenger {
        passenger_id: id.clone(),
        title: person.title,
        gender: person.gender,
        given_name: person.given_name.clone(),
        family_name: person.family_name.clone(),
        born_on: person.born_on,
        email: person.email.clone(),
        phone_number: person.phone_number.clone(),
        loyalty: loyalty(index),
    };
    let services: Vec<ChosenService> = place.chosen_seats().iter().map(|seat| seat.service.clone()).collect();
    let expected_total = match &place.hold {
        Some(hold) => Ok(hold.price),
        None => Money::sum(offer.total.currency(), services.iter().map(|service| service.price))
            .and_then(|seats| seats.plus(offer.total)),
    };
    Ok(HoldFlight {
        reference: key.reference(),
        offer_id: offer.offer_id.clone(),
        passengers: people.iter().zip(&offer.passenger_ids).enumerate().map(passenger).collect(),
        services,
        expected_total: expected_total.map_err(|error| inconsistent(Word::named(&error)))?,
    })
}

/// The membership is credited to the traveller with the member's name, else to the first one.
fn member_index(people: &[Traveller], profile: &MemberProfile) -> usize {
    let same = |person: &Traveller| {
        person.given_name.eq_ignore_ascii_case(&profile.given_name)
            && person.family_name.eq_ignore_ascii_case(&profile.family_name)
    };
    people.iter().position(same).unwrap_or(0)
}
