//! Which item comes after which, what that asks of their times and places, and whether a cart can keep it.
//!
//! An edge is "after" in the plan; what it means follows from the kinds at its ends: arrival before check-in closes,
//! pick-up where the flight lands, an activity inside the stay, time to change planes. Walks are iterative, so that a long
//! chain cannot exhaust the stack. Deliberately not here: money (see [`super::risk`]) and what to do next.

use super::{ItemState, Offer, Order, OrderItem};
use crate::{
    id::ItemId,
    places,
    plan::ItemRequest,
    port::flights::FlightOffer,
    time::{UtcMicros, ZonedCivil},
};
use std::collections::BTreeMap;

/// Least time between landing and the next departure from the same airport, minutes.
pub const CONNECTION_SAME_AIRPORT_MIN: i64 = 60;
/// The same when the next flight leaves from another airport of the city, minutes.
pub const CONNECTION_OTHER_AIRPORT_MIN: i64 = 180;
/// Hours after the midnight that ends the check-in day until which a hotel keeps a late arrival's room.
const CHECK_IN_CLOSES_H: i8 = 3;

/// Why an edge cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The later item.
    pub item: ItemId,
    /// The item it comes after.
    pub after: ItemId,
    /// What is wrong.
    pub problem: Problem,
}

/// Kinds of conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The items wait for each other.
    Cycle,
    /// The earlier item is over only so many minutes after the later one needs it to be.
    TooLate {
        /// Minutes too late.
        by_min: i64,
    },
    /// A change of planes is too short.
    ShortConnection {
        /// Minutes there are.
        has_min: i64,
        /// Minutes needed.
        needs_min: i64,
    },
    /// The later item begins at another place than the earlier one ends.
    OtherPlace,
    /// An activity outside the days or the city of the stay.
    OutsideStay,
}

impl Problem {
    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cycle => "cycle",
            Self::TooLate { .. } => "too_late",
            Self::ShortConnection { .. } => "short_connection",
            Self::OtherPlace => "other_place",
            Self::OutsideStay => "outside_stay",
        }
    }

    /// Minutes too late, or minutes there are for a connection.
    #[must_use]
    pub const fn minutes(self) -> Option<i64> {
        match self {
            Self::TooLate { by_min } => Some(by_min),
            Self::ShortConnection { has_min, .. } => Some(has_min),
            Self::Cycle | Self::OtherPlace | Self::OutsideStay => None,
        }
    }
}

/// Items in levels: everything in a level comes after something of the level before, nothing within it does.
///
/// # Errors
/// The items that wait for each other.
pub fn levels(order: &Order) -> Result<Vec<Vec<ItemId>>, Vec<ItemId>> {
    let known: BTreeMap<ItemId, &OrderItem> = order.items.iter().map(|item| (item.wanted.id, item)).collect();
    let mut waits: BTreeMap<ItemId, usize> = BTreeMap::new();
    let mut followers: BTreeMap<ItemId, Vec<ItemId>> = BTreeMap::new();
    for item in &order.items {
        let earlier = item.wanted.after.iter().filter(|id| known.contains_key(id));
        waits.insert(item.wanted.id, earlier.clone().count());
        earlier.for_each(|id| followers.entry(*id).or_default().push(item.wanted.id));
    }
    let mut levels = Vec::new();
    loop {
        // Most wanted first; equals stay in the order of the plan.
        let mut level: Vec<&OrderItem> =
            order.items.iter().filter(|item| waits.get(&item.wanted.id) == Some(&0)).collect();
        if level.is_empty() {
            break;
        }
        level.sort_by_key(|item| item.wanted.priority);
        let level: Vec<ItemId> = level.into_iter().map(|item| item.wanted.id).collect();
        for done in &level {
            waits.remove(done);
            for follower in followers.get(done).into_iter().flatten() {
                if let Some(left) = waits.get_mut(follower) {
                    *left = left.saturating_sub(1);
                }
            }
        }
        levels.push(level);
    }
    if waits.is_empty() { Ok(levels) } else { Err(waits.into_keys().collect()) }
}

/// Every edge between items that are still wanted and cannot be kept, as far as times and places are known.
#[must_use]
pub fn conflicts(order: &Order) -> Vec<Conflict> {
    if let Err(waiting) = levels(order) {
        let cycle = |item: &ItemId| {
            let after = order.item(*item)?.wanted.after.iter().find(|id| waiting.contains(id))?;
            Some(Conflict { item: *item, after: *after, problem: Problem::Cycle })
        };
        return waiting.iter().filter_map(cycle).collect();
    }
    let mut found = Vec::new();
    let lives = |item: &&OrderItem| ItemState::LIVE.contains(&item.state);
    for item in order.items.iter().filter(lives) {
        for earlier in item.wanted.after.iter().filter_map(|id| order.item(*id)).filter(lives) {
            if let Some(problem) = problem(earlier, item) {
                found.push(Conflict { item: item.wanted.id, after: earlier.wanted.id, problem });
            }
        }
    }
    found
}

/// The same if every change a supplier proposes were kept.
#[must_use]
pub fn conflicts_with_changes(order: &Order) -> Vec<Conflict> {
    let mut changed = order.clone();
    for item in &mut changed.items {
        let latest = item.next_change.take().map(|change| *change).or_else(|| item.proposed.take());
        if let Some(change) = latest {
            item.offer = Some(change.offer);
        }
    }
    conflicts(&changed)
}

/// The same over a trip whose lost items another order books again: each of them has to fit what still stands of the trip.
#[must_use]
pub fn conflicts_of_repair(broken: &Order, repair: &Order) -> Vec<Conflict> {
    let mut trip = broken.clone();
    for place in &mut trip.items {
        if let Some(again) = repair.item(place.wanted.id) {
            // What it comes after is written in the trip; the order that books it again knows only its own items.
            *place = OrderItem { wanted: place.wanted.clone(), ..again.clone() };
        }
    }
    conflicts_with_changes(&trip)
}

fn problem(earlier: &OrderItem, later: &OrderItem) -> Option<Problem> {
    match (&earlier.wanted.request, &later.wanted.request) {
        (ItemRequest::Flight { .. }, ItemRequest::Flight { .. }) => connection(flight(earlier)?, flight(later)?),
        (ItemRequest::Flight { destination, .. }, ItemRequest::Car { airport, .. }) if destination != airport => {
            Some(Problem::OtherPlace)
        }
        (
            ItemRequest::Hotel { city: stay, check_in, check_out, .. },
            ItemRequest::Activity { city, starts: wished, .. },
        ) => {
            let starts = match &later.offer {
                Some(Offer::Activity(option)) => &option.starts,
                _ => wished,
            };
            let day = starts.local.date();
            (stay != city || day < *check_in || day > *check_out).then_some(Problem::OutsideStay)
        }
        _ => {
            let (over, needed) = (over_at(earlier)?, needed_by(later)?);
            let by_min = (over.0 - needed.0).div_euclid(60_000_000);
            (over > needed).then_some(Problem::TooLate { by_min: by_min.max(1) })
        }
    }
}

fn flight(item: &OrderItem) -> Option<&FlightOffer> {
    match &item.offer {
        Some(Offer::Flight(offer)) => Some(offer),
        _ => None,
    }
}

fn connection(earlier: &FlightOffer, later: &FlightOffer) -> Option<Problem> {
    let (lands, leaves) = (earlier.segments.last()?, later.segments.first()?);
    let needs_min = if lands.destination.iata == leaves.origin.iata {
        CONNECTION_SAME_AIRPORT_MIN
    } else if lands.destination.city == leaves.origin.city {
        CONNECTION_OTHER_AIRPORT_MIN
    } else {
        // A journey over land between two cities is the traveller's own business; only the time has to be right.
        0
    };
    let has = leaves.departs.to_utc().ok()?.0 - lands.arrives.to_utc().ok()?.0;
    let has_min = has.div_euclid(60_000_000);
    (has_min < needs_min).then_some(Problem::ShortConnection { has_min, needs_min })
}

/// When an item leaves the traveller free for the next one; `None` when that is not known yet.
fn over_at(item: &OrderItem) -> Option<UtcMicros> {
    match (&item.wanted.request, &item.offer) {
        (ItemRequest::Flight { .. }, Some(Offer::Flight(offer))) => offer.segments.last()?.arrives.to_utc().ok(),
        (ItemRequest::Flight { .. }, _) => None,
        // A guest may leave in the first hour of the last day.
        (ItemRequest::Hotel { city, check_out, .. }, _) => local(check_out.at(0, 0, 0, 0), city),
        (ItemRequest::Activity { .. }, Some(Offer::Activity(option))) => {
            option.starts.to_utc().ok().map(|starts| starts.plus_minutes(i64::from(option.duration_min)))
        }
        (ItemRequest::Activity { starts, .. }, _) => starts.to_utc().ok(),
        (ItemRequest::Car { ends, .. }, _) => ends.to_utc().ok(),
    }
}

/// The last moment the traveller may come to an item; `None` when that is not known yet.
fn needed_by(item: &OrderItem) -> Option<UtcMicros> {
    match (&item.wanted.request, &item.offer) {
        (ItemRequest::Flight { .. }, Some(Offer::Flight(offer))) => offer.segments.first()?.departs.to_utc().ok(),
        (ItemRequest::Flight { .. }, _) => None,
        (ItemRequest::Hotel { city, check_in, .. }, _) => {
            local(check_in.tomorrow().ok()?.at(CHECK_IN_CLOSES_H, 0, 0, 0), city)
        }
        (ItemRequest::Activity { .. }, Some(Offer::Activity(option))) => option.starts.to_utc().ok(),
        (ItemRequest::Activity { starts, .. } | ItemRequest::Car { starts, .. }, _) => starts.to_utc().ok(),
    }
}

fn local(at: jiff::civil::DateTime, city: &str) -> Option<UtcMicros> {
    let zone = places::city(city)?.zone.clone();
    ZonedCivil { local: at, zone }.to_utc().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{OrderId, PlanId, TravellerId},
        money::{Currency, Money},
        order::{Fact, NewItem, NewOrder, OrderKind},
        plan::{Priority, Supplier},
        port::flights::{Airport, CabinClass, FlightSegment, FlightTerms},
    };
    use jiff::civil::date;
    use ulid::Ulid;

    fn id(n: usize) -> ItemId {
        ItemId::from_ulid(Ulid::from_parts(1, n as u128))
    }

    fn order(items: Vec<(ItemRequest, Vec<usize>)>) -> Order {
        let ulid = Ulid::from_parts(2, 2);
        let item = |(index, (request, after)): (usize, (ItemRequest, Vec<usize>))| NewItem {
            id: id(index),
            request,
            priority: Priority::MustHave,
            supplier: Supplier::Duffel,
            travellers: vec![TravellerId::from_ulid(ulid)],
            after: after.into_iter().map(id).collect(),
            member_platform: None,
        };
        let new = NewOrder {
            id: OrderId::from_ulid(ulid),
            kind: OrderKind::Travel,
            plan: PlanId::from_ulid(ulid),
            budget: Money::new(1, Currency::CNY).unwrap(),
            required_platforms: vec![],
            repairs: None,
            items: items.into_iter().enumerate().map(item).collect(),
        };
        Order::create(UtcMicros(0), &Fact::Created { order: Box::new(new) }).unwrap()
    }

    fn flight(origin: &str, destination: &str) -> ItemRequest {
        ItemRequest::Flight {
            origin: origin.into(),
            destination: destination.into(),
            departure_date: date(2026, 12, 4),
            cabin: CabinClass::Economy,
        }
    }

    fn hotel() -> ItemRequest {
        let (check_in, check_out) = (date(2026, 12, 4), date(2026, 12, 6));
        ItemRequest::Hotel { city: "Shanghai".into(), check_in, check_out, rooms: 1 }
    }

    fn at(local: &str) -> ZonedCivil {
        ZonedCivil::parse(local, "Asia/Shanghai").unwrap()
    }

    fn offer(order: &mut Order, index: usize, departs: &str, arrives: &str) {
        let ItemRequest::Flight { origin, destination, .. } = order.items[index].wanted.request.clone() else {
            panic!()
        };
        let airport = |iata: &str| {
            let place = places::airport(iata).unwrap();
            Airport { iata: iata.into(), name: place.name.into(), city: place.city.into() }
        };
        order.items[index].state = ItemState::Held;
        order.items[index].offer = Some(Offer::Flight(FlightOffer {
            offer_id: "off".into(),
            owner_name: "Air".into(),
            owner_code: "ZZ".into(),
            segments: vec![FlightSegment {
                segment_id: "seg".into(),
                flight_number: "ZZ1".into(),
                origin: airport(&origin),
                destination: airport(&destination),
                departs: at(departs),
                arrives: at(arrives),
                duration_min: 120,
                aircraft: None,
            }],
            passenger_ids: vec![],
            total: Money::new(1, Currency::CNY).unwrap(),
            expires_at_us: UtcMicros(i64::MAX),
            holdable: true,
            refund: FlightTerms::NotStated,
            change: FlightTerms::NotStated,
        }));
    }

    fn found(order: &Order) -> Vec<Problem> {
        conflicts(order).into_iter().map(|conflict| conflict.problem).collect()
    }

    #[test]
    fn arrival_has_to_be_before_check_in_closes_on_the_hotels_clock() {
        let mut order = order(vec![(flight("PEK", "SHA"), vec![]), (hotel(), vec![0])]);
        offer(&mut order, 0, "2026-12-05T00:30:00", "2026-12-05T03:00:00");
        assert_eq!(found(&order), []);
        offer(&mut order, 0, "2026-12-05T00:31:00", "2026-12-05T03:01:00");
        assert_eq!(found(&order), [Problem::TooLate { by_min: 1 }]);
    }

    #[test]
    fn a_car_is_picked_up_where_the_flight_lands() {
        let car = |airport: &str| ItemRequest::Car {
            airport: airport.into(),
            starts: at("2026-12-04T12:00:00"),
            ends: at("2026-12-05T12:00:00"),
        };
        let mut elsewhere = order(vec![(flight("PEK", "SHA"), vec![]), (car("PVG"), vec![0])]);
        offer(&mut elsewhere, 0, "2026-12-04T08:00:00", "2026-12-04T10:00:00");
        assert_eq!(found(&elsewhere), [Problem::OtherPlace]);
        let mut there = order(vec![(flight("PEK", "SHA"), vec![]), (car("SHA"), vec![0])]);
        offer(&mut there, 0, "2026-12-04T08:00:00", "2026-12-04T10:00:00");
        assert_eq!(found(&there), []);
    }

    #[test]
    fn an_activity_lies_within_the_stay() {
        let activity = |day: &str, city: &str| ItemRequest::Activity {
            name: "Walk".into(),
            city: city.into(),
            starts: at(&format!("{day}T10:00:00")),
        };
        let problems = |day, city| found(&order(vec![(hotel(), vec![]), (activity(day, city), vec![0])]));
        assert_eq!(problems("2026-12-06", "Shanghai"), []);
        assert_eq!(problems("2026-12-07", "Shanghai"), [Problem::OutsideStay]);
        assert_eq!(problems("2026-12-05", "Beijing"), [Problem::OutsideStay]);
    }

    #[test]
    fn changing_planes_takes_an_hour_and_between_airports_of_a_city_three() {
        let mut same = order(vec![(flight("PEK", "SHA"), vec![]), (flight("SHA", "CAN"), vec![0])]);
        offer(&mut same, 0, "2026-12-04T08:00:00", "2026-12-04T10:00:00");
        offer(&mut same, 1, "2026-12-04T10:59:00", "2026-12-04T13:00:00");
        assert_eq!(found(&same), [Problem::ShortConnection { has_min: 59, needs_min: 60 }]);
        let mut other = order(vec![(flight("PEK", "SHA"), vec![]), (flight("PVG", "CAN"), vec![0])]);
        offer(&mut other, 0, "2026-12-04T08:00:00", "2026-12-04T10:00:00");
        offer(&mut other, 1, "2026-12-04T12:00:00", "2026-12-04T13:00:00");
        assert_eq!(found(&other), [Problem::ShortConnection { has_min: 120, needs_min: 180 }]);
    }

    #[test]
    fn what_is_booked_again_has_to_fit_what_still_stands_and_what_is_gone_no_longer_counts() {
        let mut broken = order(vec![(flight("PEK", "SHA"), vec![]), (hotel(), vec![0])]);
        offer(&mut broken, 0, "2026-12-05T08:00:00", "2026-12-05T10:00:00");
        broken.items[1].state = ItemState::Booked;
        assert_eq!(found(&broken), [Problem::TooLate { by_min: 420 }]);
        broken.items[0].state = ItemState::Cancelled;
        assert_eq!(found(&broken), []);
        let mut again = order(vec![(flight("PEK", "SHA"), vec![])]);
        offer(&mut again, 0, "2026-12-05T00:31:00", "2026-12-05T03:01:00");
        assert_eq!(found(&again), [], "by itself it fits");
        let across: Vec<Problem> = conflicts_of_repair(&broken, &again).into_iter().map(|c| c.problem).collect();
        assert_eq!(across, [Problem::TooLate { by_min: 1 }]);
    }

    /// SG-68.
    #[test]
    fn items_that_wait_for_each_other_are_found() {
        let order = order(vec![(hotel(), vec![1]), (hotel(), vec![0]), (hotel(), vec![])]);
        assert_eq!(levels(&order).unwrap_err(), [id(0), id(1)]);
        assert_eq!(found(&order), [Problem::Cycle, Problem::Cycle]);
    }

    /// SG-69.
    #[test]
    fn two_hundred_items_in_a_chain_are_two_hundred_levels() {
        let items = (0..200).map(|index: usize| (hotel(), index.checked_sub(1).into_iter().collect())).collect();
        assert_eq!(levels(&order(items)).unwrap().len(), 200);
    }
}
