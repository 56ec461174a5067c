//! Travellers, as they are shown: numbers, addresses and birthdays are masked.

use super::{NameView, SessionView};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Everybody who is kept here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TravellersView {
    /// Travellers.
    pub travellers: Vec<PersonView>,
    /// Travellers whose details do not open any more.
    pub unreadable: u32,
}

/// A traveller with masked details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PersonView {
    /// `trv_…`
    pub id: String,
    /// Name to show.
    pub display_name: String,
    /// Title.
    pub title: TitleView,
    /// Gender as on the document.
    pub gender: GenderView,
    /// Given name, Latin letters.
    pub given_name: String,
    /// Family name, Latin letters.
    pub family_name: String,
    /// Masked: `1992-**-**`.
    pub born_on: String,
    /// Masked: `x***@example.com`.
    pub email: String,
    /// Masked: `****0000`.
    pub phone_number: String,
    /// Country of residence, ISO 3166-1 alpha-2.
    pub residence_country: Option<String>,
    /// Travel documents.
    pub documents: Vec<DocumentView>,
    /// Memberships.
    pub loyalty: Vec<LoyaltyView>,
    /// Where to sit.
    pub seat: SeatWishView,
    /// What to eat.
    pub meal: MealView,
    /// Trips to come that name this traveller.
    pub trips: u32,
    /// Whether an order that names this traveller is being booked: nothing it is booked with can change now.
    pub busy: bool,
}

/// A travel document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DocumentView {
    /// Names it in a command.
    #[ts(type = "number")]
    pub id: i64,
    /// Kind.
    pub kind: DocumentKindView,
    /// Masked: `****5678`.
    pub number: String,
    /// Country that issued it, ISO 3166-1 alpha-2.
    pub country: String,
    /// Last day on which it is valid.
    pub expires_on: String,
    /// What is wrong with that day.
    pub expiry: Option<ExpiryView>,
}

/// A membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LoyaltyView {
    /// Programme; names it in a command.
    pub programme: String,
    /// Masked: `****5678`.
    pub number: String,
}

/// Title of a traveller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "documented at zhiyou_domain::port::flights::Title")]
pub enum TitleView {
    Mr,
    Ms,
    Mrs,
    Miss,
    Dr,
}

/// Gender of a traveller, as airlines ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum GenderView {
    /// Male.
    M,
    /// Female.
    F,
}

/// Kinds of travel documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKindView {
    /// Passport.
    Passport,
    /// Identity card.
    IdentityCard,
    /// Permit for one border, e.g. between the mainland and Hong Kong.
    TravelPermit,
}

/// What is wrong with the last day of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryView {
    /// It is over already.
    Expired,
    /// It is over before a trip is.
    BeforeTripEnds,
    /// It is over within six months after a trip; many countries let nobody in with it.
    WithinSixMonths,
}

/// Where somebody likes to sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SeatWishView {
    /// It does not matter.
    #[default]
    Any,
    /// At the window.
    Window,
    /// At the aisle.
    Aisle,
}

/// What somebody eats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MealView {
    /// It does not matter.
    #[default]
    Any,
    /// No meat.
    Vegetarian,
    /// Nothing from animals.
    Vegan,
    /// Halal.
    Halal,
    /// Kosher.
    Kosher,
    /// Without gluten.
    GlutenFree,
}

/// What erasing left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ErasedView {
    /// The session afterwards.
    pub session: SessionView,
    /// Platforms that could not be told that their tokens are over: the person revokes there.
    pub untold: Vec<UntoldView>,
}

/// A platform that could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UntoldView {
    /// Id.
    pub platform: String,
    /// Name.
    pub name: NameView,
    /// Where its tokens are revoked by hand.
    pub host: String,
}
