//! From domain types to view types, and nowhere else.

mod order;
mod payment;
mod people;

pub(crate) use order::{Context, Rebooked, cancel_reason, cancellation_sums, order_view};
pub(crate) use payment::{bar, channel};
pub(crate) use people::{gender_from, person, title_from};

use super::view::*;
use std::collections::BTreeMap;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{OrderId, TravellerId},
    money::Money,
    order::OrderState,
    places,
    plan::{Constraint, ItemRequest, Plan, PlanBooking, PlanItem, PlanStorage, Priority},
    port::flights::{
        Cabin, CabinClass, FlightOffer, FlightSegment, SeatElement, SeatElementKind, SeatMaps as PortSeatMaps,
    },
    time::ZonedCivil,
};

/// Names of travellers by id; empty for those whose vault is closed.
pub(crate) type Names = BTreeMap<TravellerId, String>;

pub(crate) fn money(money: Money) -> MoneyView {
    MoneyView { amount_minor: money.minor(), currency: money.currency(), exponent: money.currency().exponent() }
}

pub(crate) fn civil(time: &ZonedCivil) -> CivilView {
    CivilView {
        local: time.local.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        zone: time.zone.clone(),
        at_us: time.to_utc().map_or(0, |at| at.0),
    }
}

pub(crate) const fn order_state(state: OrderState) -> OrderStateView {
    match state {
        OrderState::Draft => OrderStateView::Draft,
        OrderState::PaymentPending => OrderStateView::PaymentPending,
        OrderState::PaymentProcessing => OrderStateView::PaymentProcessing,
        OrderState::Confirmed => OrderStateView::Confirmed,
        OrderState::PartiallyConfirmed => OrderStateView::PartiallyConfirmed,
        OrderState::Cancelled => OrderStateView::Cancelled,
        OrderState::Failed => OrderStateView::Failed,
        OrderState::RefundRequested => OrderStateView::RefundRequested,
        OrderState::Refunded => OrderStateView::Refunded,
    }
}

pub(crate) const fn priority(priority: Priority) -> PriorityView {
    match priority {
        Priority::MustHave => PriorityView::MustHave,
        Priority::Preferred => PriorityView::Preferred,
        Priority::Optional => PriorityView::Optional,
    }
}

pub(crate) const fn priority_from(view: PriorityView) -> Priority {
    match view {
        PriorityView::MustHave => Priority::MustHave,
        PriorityView::Preferred => Priority::Preferred,
        PriorityView::Optional => Priority::Optional,
    }
}

pub(crate) const fn cabin_class(class: CabinClass) -> &'static str {
    match class {
        CabinClass::First => "first",
        CabinClass::Business => "business",
        CabinClass::PremiumEconomy => "premium_economy",
        CabinClass::Economy => "economy",
    }
}

/// A city by its English name, with its Chinese one when known.
pub(crate) fn place_name(city: &str) -> NameView {
    NameView { en: city.to_owned(), zh: places::city(city).and_then(|place| place.name_zh.clone()) }
}

pub(crate) fn detail(request: &ItemRequest) -> ItemDetailView {
    let airport_city = |iata: &str| place_name(places::airport(iata).map_or(iata, |airport| airport.city));
    match request {
        ItemRequest::Flight { origin, destination, departure_date, cabin } => ItemDetailView::Flight {
            origin: origin.clone(),
            origin_city: airport_city(origin),
            destination: destination.clone(),
            destination_city: airport_city(destination),
            departure_date: departure_date.to_string(),
            cabin: cabin_class(*cabin).to_owned(),
        },
        ItemRequest::Hotel { city, check_in, check_out, rooms } => ItemDetailView::Hotel {
            city: place_name(city),
            check_in: check_in.to_string(),
            check_out: check_out.to_string(),
            nights: u32::try_from((*check_out - *check_in).get_days()).unwrap_or(0),
            rooms: *rooms,
        },
        ItemRequest::Activity { name, city, starts } => {
            ItemDetailView::Activity { name: name.clone(), city: place_name(city), starts: civil(starts) }
        }
        ItemRequest::Car { airport, starts, ends } => {
            let pick_up_city = airport_city(airport);
            ItemDetailView::Car { pick_up: airport.clone(), pick_up_city, starts: civil(starts), ends: civil(ends) }
        }
    }
}

/// The review's view of a plan.
///
/// # Errors
/// Internal when stored amounts do not add up.
pub(crate) fn plan_view(
    plan: &Plan,
    names: &Names,
    sign_ins: Vec<SignInView>,
    newest: Option<(OrderId, OrderState)>,
) -> Result<PlanView, Fault> {
    let expected = plan.expected_total().map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let item = |item: &PlanItem| PlanItemView {
        id: item.id.to_string(),
        detail: detail(&item.request),
        priority: priority(item.priority),
        price: item.price.map(money),
        after: item.constraints.iter().map(|Constraint::After { item }| item.to_string()).collect(),
    };
    let traveller = |id: &TravellerId| TravellerView {
        id: id.to_string(),
        display_name: names.get(id).cloned().unwrap_or_default(),
    };
    Ok(PlanView {
        id: plan.id.to_string(),
        title: plan.title.clone(),
        destinations: plan
            .destinations
            .iter()
            .map(|place| DestinationView {
                name: NameView { en: place.city.clone(), zh: place.city_zh.clone() },
                country: place.country.clone(),
            })
            .collect(),
        starts_on: plan.timeline.starts_on.to_string(),
        ends_on: plan.timeline.ends_on.to_string(),
        travellers: plan.travellers.iter().map(traveller).collect(),
        budget: money(plan.budget),
        expected_total: money(expected),
        items: plan.items.iter().map(item).collect(),
        booking: match plan.booking {
            PlanBooking::Draft => PlanBookingView::Draft,
            PlanBooking::Confirmed => PlanBookingView::Confirmed,
            PlanBooking::Booking => PlanBookingView::Booking,
        },
        storage: match plan.storage.with_order(newest.map(|(_, state)| state)) {
            PlanStorage::Draft => PlanStorageView::Draft,
            PlanStorage::Completed => PlanStorageView::Completed,
            PlanStorage::Archived => PlanStorageView::Archived,
        },
        sign_ins,
        order_id: newest.map(|(id, _)| id.to_string()),
        order_state: newest.map(|(_, state)| order_state(state)),
    })
}

pub(crate) fn segment(segment: &FlightSegment) -> SegmentView {
    SegmentView {
        id: segment.segment_id.clone(),
        flight_number: segment.flight_number.clone(),
        origin: segment.origin.iata.clone(),
        origin_name: segment.origin.name.clone(),
        origin_city: place_name(&segment.origin.city),
        destination: segment.destination.iata.clone(),
        destination_name: segment.destination.name.clone(),
        destination_city: place_name(&segment.destination.city),
        departs: civil(&segment.departs),
        arrives: civil(&segment.arrives),
        duration_min: segment.duration_min,
        aircraft: segment.aircraft.clone(),
    }
}

/// The seat screen's view: passengers become travellers, segments without a map are left out.
pub(crate) fn seat_maps(offer: &FlightOffer, travellers: &[TravellerId], maps: &PortSeatMaps) -> SeatMapsView {
    let whose = |passenger: &str| {
        let index = offer.passenger_ids.iter().position(|id| id == passenger)?;
        travellers.get(index).map(ToString::to_string)
    };
    let element = |element: &SeatElement| CabinElementView {
        kind: element_kind(element.kind).to_owned(),
        designator: element.designator.clone(),
        name: element.name.clone(),
        disclosures: element.disclosures.clone(),
        offers: element
            .services
            .iter()
            .filter_map(|service| {
                let traveller_id = whose(&service.passenger_id)?;
                Some(SeatOfferView {
                    service_id: service.service_id.clone(),
                    traveller_id,
                    price: money(service.price),
                })
            })
            .collect(),
    };
    let cabin = |cabin: &Cabin| CabinView {
        deck: cabin.deck,
        class: cabin_class(cabin.class).to_owned(),
        wings: cabin.wings,
        rows: cabin
            .rows
            .iter()
            .map(|row| CabinRowView {
                sections: row.sections.iter().map(|s| s.iter().map(element).collect()).collect(),
            })
            .collect(),
    };
    let map = |leg: &FlightSegment| {
        let found = maps.maps.iter().find(|map| map.segment_id == leg.segment_id)?;
        Some(SeatMapView { segment: segment(leg), cabins: found.cabins.iter().map(cabin).collect() })
    };
    SeatMapsView { maps: offer.segments.iter().filter_map(map).collect(), expires_at_us: offer.expires_at_us.0 }
}

const fn element_kind(kind: SeatElementKind) -> &'static str {
    match kind {
        SeatElementKind::Seat => "seat",
        SeatElementKind::Restricted => "restricted",
        SeatElementKind::Bassinet => "bassinet",
        SeatElementKind::Empty => "empty",
        SeatElementKind::ExitRow => "exit_row",
        SeatElementKind::Lavatory => "lavatory",
        SeatElementKind::Galley => "galley",
        SeatElementKind::Closet => "closet",
        SeatElementKind::Stairs => "stairs",
    }
}

/// What the interface gets of a fault: code and values, never the internal text.
impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        let params = fault.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { code: fault_code(fault.code), params }
    }
}

const fn fault_code(code: FaultCode) -> FaultCodeView {
    match code {
        FaultCode::MalformedInput => FaultCodeView::MalformedInput,
        FaultCode::TooLarge => FaultCodeView::TooLarge,
        FaultCode::NotFound => FaultCodeView::NotFound,
        FaultCode::WrongState => FaultCodeView::WrongState,
        FaultCode::CartChanged => FaultCodeView::CartChanged,
        FaultCode::ItemsConflict => FaultCodeView::ItemsConflict,
        FaultCode::OverBudget => FaultCodeView::OverBudget,
        FaultCode::AuthRequired => FaultCodeView::AuthRequired,
        FaultCode::VaultUnavailable => FaultCodeView::VaultUnavailable,
        FaultCode::VaultLocked => FaultCodeView::VaultLocked,
        FaultCode::WrongPassphrase => FaultCodeView::WrongPassphrase,
        FaultCode::HoldExpired => FaultCodeView::HoldExpired,
        FaultCode::SeatTaken => FaultCodeView::SeatTaken,
        FaultCode::ProviderUnavailable => FaultCodeView::ProviderUnavailable,
        FaultCode::BrowserUnavailable => FaultCodeView::BrowserUnavailable,
        FaultCode::ChannelBarred => FaultCodeView::ChannelBarred,
        FaultCode::CreditRefused => FaultCodeView::CreditRefused,
        FaultCode::OnlyInWindow => FaultCodeView::OnlyInWindow,
        FaultCode::DiskFull => FaultCodeView::DiskFull,
        FaultCode::DatabaseInUse => FaultCodeView::DatabaseInUse,
        FaultCode::HistoryDamaged => FaultCodeView::HistoryDamaged,
        FaultCode::NewerVersion => FaultCodeView::NewerVersion,
        FaultCode::Internal => FaultCodeView::Internal,
    }
}
