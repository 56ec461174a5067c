//! The file as written: shapes only; every meaning is checked by the parent module.

use crate::{
    plan::Priority,
    port::flights::{CabinClass, Gender, Title},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    pub(super) format: String,
    pub(super) title: String,
    pub(super) destinations: Vec<String>,
    pub(super) starts_on: DateText,
    pub(super) ends_on: DateText,
    pub(super) budget: MoneyFile,
    pub(super) travellers: Vec<TravellerFile>,
    pub(super) items: Vec<ItemFile>,
}

/// `2026-12-04`, or `+14d` counted from the day of import.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct DateText(pub(super) String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MoneyFile {
    pub(super) amount: String,
    pub(super) currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TravellerFile {
    pub(super) key: String,
    pub(super) display_name: String,
    pub(super) title: Title,
    pub(super) gender: Gender,
    pub(super) given_name: String,
    pub(super) family_name: String,
    pub(super) born_on: DateText,
    pub(super) email: String,
    pub(super) phone_number: String,
    pub(super) residence_country: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ItemCommon {
    pub(super) key: String,
    pub(super) priority: Option<Priority>,
    pub(super) price: Option<MoneyFile>,
    #[serde(default)]
    pub(super) travellers: Vec<String>,
    #[serde(default)]
    pub(super) after: Vec<String>,
    pub(super) member_platform: Option<String>,
}

// `flatten` and `deny_unknown_fields` do not combine; unknown fields of items are therefore accepted and ignored.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ItemFile {
    Flight {
        #[serde(flatten)]
        common: ItemCommon,
        origin: String,
        destination: String,
        departure_date: DateText,
        cabin: CabinClass,
    },
    Hotel {
        #[serde(flatten)]
        common: ItemCommon,
        city: String,
        check_in: DateText,
        check_out: DateText,
        rooms: u8,
    },
    Activity {
        #[serde(flatten)]
        common: ItemCommon,
        name: String,
        city: String,
        date: DateText,
        time: String,
    },
    Car {
        #[serde(flatten)]
        common: ItemCommon,
        airport: String,
        pick_up_date: DateText,
        pick_up_time: String,
        return_date: DateText,
        return_time: String,
    },
}

impl ItemFile {
    pub(super) const fn common(&self) -> &ItemCommon {
        match self {
            Self::Flight { common, .. }
            | Self::Hotel { common, .. }
            | Self::Activity { common, .. }
            | Self::Car { common, .. } => common,
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.common().key
    }

    pub(super) const fn first_date_field(&self) -> &'static str {
        match self {
            Self::Flight { .. } => "departure_date",
            Self::Hotel { .. } => "check_in",
            Self::Activity { .. } => "date",
            Self::Car { .. } => "pick_up_date",
        }
    }
}
