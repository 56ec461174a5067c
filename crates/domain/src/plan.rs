//! Plans: what a traveller wants to do, before anything is booked.
//!
//! A plan names travellers only by id; their details are sealed elsewhere. Deliberately not here: reading a plan file
//! (see [`import`]), offers and prices from suppliers, and orders.

pub mod import;

use crate::{
    id::{ItemId, PlanId, TravellerId},
    money::{Money, MoneyError},
    order::OrderState,
    port::flights::CabinClass,
    time::ZonedCivil,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A travel plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Id.
    pub id: PlanId,
    /// Title as the traveller wrote it.
    pub title: String,
    /// Where it goes, in order.
    pub destinations: Vec<Destination>,
    /// When.
    pub timeline: Timeline,
    /// Who travels.
    pub travellers: Vec<TravellerId>,
    /// Spending limit for everything; also names the currency the order is charged in.
    pub budget: Money,
    /// What to book, in time order.
    pub items: Vec<PlanItem>,
    /// Where its booking stands.
    pub booking: PlanBooking,
    /// Where it is stored.
    pub storage: PlanStorage,
}

/// A place a plan goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// English name of the city.
    pub city: String,
    /// Chinese name, when known.
    pub city_zh: Option<String>,
    /// ISO country code.
    pub country: String,
    /// IANA zone.
    pub zone: String,
}

/// First and last day, local dates of the destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// First day.
    pub starts_on: Date,
    /// Last day.
    pub ends_on: Date,
}

/// Booking status of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanBooking {
    /// Nothing was asked for yet.
    Draft,
    /// Confirmed by the traveller.
    Confirmed,
    /// Being booked.
    Booking,
}

impl PlanBooking {
    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Confirmed => "confirmed",
            Self::Booking => "booking",
        }
    }
}

/// Storage status of a plan, apart from its booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStorage {
    /// Being worked on.
    Draft,
    /// Done.
    Completed,
    /// Put away.
    Archived,
}

impl PlanStorage {
    /// As shown: a plan that is not put away is completed while its newest order has something booked.
    #[must_use]
    pub const fn with_order(self, newest: Option<OrderState>) -> Self {
        match (self, newest) {
            (Self::Archived, _) => Self::Archived,
            (_, Some(OrderState::Confirmed | OrderState::PartiallyConfirmed)) => Self::Completed,
            _ => Self::Draft,
        }
    }

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Completed => "completed",
            Self::Archived => "archived",
        }
    }
}

/// One thing to book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Id.
    pub id: ItemId,
    /// What.
    pub request: ItemRequest,
    /// How much it matters.
    pub priority: Priority,
    /// From whom.
    pub supplier: Supplier,
    /// What the traveller expects it to cost, for everyone.
    pub price: Option<Money>,
    /// For whom; a part of the plan's travellers, never empty.
    pub travellers: Vec<TravellerId>,
    /// What must hold between this and other items.
    pub constraints: Vec<Constraint>,
    /// Member platform whose profile goes into the booking; needs a sign-in.
    pub member_platform: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemRequest {
    /// A one-way flight.
    Flight {
        /// IATA code.
        origin: String,
        /// IATA code.
        destination: String,
        /// Local date at the origin.
        departure_date: Date,
        /// Cabin.
        cabin: CabinClass,
    },
    /// A hotel stay.
    Hotel {
        /// English name of the city.
        city: String,
        /// First night.
        check_in: Date,
        /// Morning of leaving.
        check_out: Date,
        /// Rooms, 1 to 9.
        rooms: u8,
    },
    /// An activity.
    Activity {
        /// What it is called.
        name: String,
        /// English name of the city.
        city: String,
        /// When it begins.
        starts: ZonedCivil,
    },
    /// A hired car.
    Car {
        /// IATA code of the airport where it is picked up and returned.
        airport: String,
        /// Pick-up.
        starts: ZonedCivil,
        /// Return.
        ends: ZonedCivil,
    },
}

impl ItemRequest {
    /// The kind as one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Flight { .. } => "flight",
            Self::Hotel { .. } => "hotel",
            Self::Activity { .. } => "activity",
            Self::Car { .. } => "car",
        }
    }

    /// The local day it begins.
    #[must_use]
    pub fn first_day(&self) -> Date {
        match self {
            Self::Flight { departure_date, .. } => *departure_date,
            Self::Hotel { check_in, .. } => *check_in,
            Self::Activity { starts, .. } | Self::Car { starts, .. } => starts.local.date(),
        }
    }

    /// The local day it is over.
    #[must_use]
    pub fn last_day(&self) -> Date {
        match self {
            Self::Flight { departure_date, .. } => *departure_date,
            Self::Hotel { check_out, .. } => *check_out,
            Self::Activity { starts, .. } => starts.local.date(),
            Self::Car { ends, .. } => ends.local.date(),
        }
    }
}

/// How much an item matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Without it the trip is not made.
    MustHave,
    /// Wanted.
    Preferred,
    /// Nice to have.
    Optional,
}

/// Who supplies an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supplier {
    /// Duffel flights.
    Duffel,
    /// Duffel Stays.
    DuffelStays,
    /// Duffel Cars.
    DuffelCars,
    /// Viator activities.
    Viator,
}

/// What must hold between items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Constraint {
    /// This item begins only after `item` is over.
    After {
        /// The earlier item.
        item: ItemId,
    },
}

impl Plan {
    /// Ids of the platforms a traveller must be signed in to before this plan can be booked, in item order.
    #[must_use]
    pub fn required_platforms(&self) -> Vec<String> {
        let mut platforms = Vec::new();
        for platform in self.items.iter().filter_map(|item| item.member_platform.as_ref()) {
            if !platforms.contains(platform) {
                platforms.push(platform.clone());
            }
        }
        platforms
    }

    /// Sum of the prices the traveller expects.
    ///
    /// # Errors
    /// [`MoneyError`] when the prices do not share the budget's currency.
    pub fn expected_total(&self) -> Result<Money, MoneyError> {
        Money::sum(self.budget.currency(), self.items.iter().filter_map(|item| item.price))
    }
}
