//! What the interface sees: plain view types, converted here from domain types and nowhere else.
//!
//! Amounts are integers of minor units within ±2^53, instants are UTC microseconds; both are exact as JSON numbers.
//! The TypeScript types are generated from this file. Deliberately not here: anything the interface could decide money
//! or state by, and any secret.

mod audit;
mod change;
mod order;
mod payment;
mod people;
mod standing;
mod vault;

pub use audit::*;
pub use change::*;
pub use order::*;
pub use payment::*;
pub use people::*;
pub use standing::*;
pub use vault::*;

use super::command::ReturnBy;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MoneyView {
    /// Minor units.
    #[ts(type = "number")]
    pub amount_minor: i64,
    /// ISO 4217 code, three letters.
    #[ts(type = "string")]
    pub currency: zhiyou_domain::money::Currency,
    /// Decimal digits of the minor unit, for formatting.
    pub exponent: u8,
}

/// A civil time and its place's zone, with the instant it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CivilView {
    /// `2026-12-04T18:30:00`, the wall clock of the place.
    pub local: String,
    /// IANA zone.
    pub zone: String,
    /// The instant, UTC microseconds.
    #[ts(type = "number")]
    pub at_us: i64,
}

/// A name in the languages of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NameView {
    /// English.
    pub en: String,
    /// Chinese, when known.
    pub zh: Option<String>,
}

/// The running app, read once at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SessionView {
    /// Product version.
    pub version: String,
    /// Whether all providers are the embedded sandbox; the band is shown on every screen.
    pub demo: bool,
    /// Where the data lives.
    pub data_dir: String,
    /// Saved settings.
    pub settings: SettingsView,
    /// The vault, and what can be done when it is closed.
    pub vault: VaultView,
    /// Change-feed cursor to resume from.
    #[ts(type = "number")]
    pub cursor: i64,
    /// The core's clock now, UTC microseconds; countdowns run on it.
    #[ts(type = "number")]
    pub now_us: i64,
}

/// Saved settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SettingsView {
    /// Language.
    pub locale: LocaleSetting,
    /// Theme.
    pub theme: ThemeSetting,
    /// Preferred payment channel.
    #[ts(type = "ChannelWord | null")]
    pub channel: Option<zhiyou_domain::port::payments::Channel>,
    /// Minutes without use after which the vault is locked; never when there is none.
    #[ts(type = "number | null")]
    pub lock_after_min: Option<i64>,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ExportedView {
    /// Where it is.
    pub path: String,
}

/// Language of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum LocaleSetting {
    /// The system's.
    #[serde(rename = "system")]
    System,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    ZhCn,
    /// English.
    #[serde(rename = "en")]
    En,
}

/// Theme of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ThemeSetting {
    /// The system's.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A plan with everything the review shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PlanView {
    /// `pln_…`
    pub id: String,
    /// Title as written in the plan.
    pub title: String,
    /// Where it goes.
    pub destinations: Vec<DestinationView>,
    /// First and last day, local dates.
    pub starts_on: String,
    /// See `starts_on`.
    pub ends_on: String,
    /// Who travels; names only.
    pub travellers: Vec<TravellerView>,
    /// Spending limit.
    pub budget: MoneyView,
    /// Sum of the expected prices of all items.
    pub expected_total: MoneyView,
    /// Items in time order.
    pub items: Vec<PlanItemView>,
    /// Where its booking stands.
    pub booking: PlanBookingView,
    /// Where it is stored.
    pub storage: PlanStorageView,
    /// Platforms it needs, connected or not.
    pub sign_ins: Vec<SignInView>,
    /// The newest order made from it, when there is one.
    pub order_id: Option<String>,
    /// State of that order.
    pub order_state: Option<OrderStateView>,
}

/// A place a plan goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DestinationView {
    /// Its names.
    pub name: NameView,
    /// ISO country code.
    pub country: String,
}

/// A traveller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TravellerView {
    /// `trv_…`
    pub id: String,
    /// Name to show, as the plan wrote it.
    pub display_name: String,
}

/// One item of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PlanItemView {
    /// `itm_…`
    pub id: String,
    /// What it is.
    pub detail: ItemDetailView,
    /// How much it matters.
    pub priority: PriorityView,
    /// Expected price, when the plan named one.
    pub price: Option<MoneyView>,
    /// Ids of the items it comes after.
    pub after: Vec<String>,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemDetailView {
    /// A flight.
    Flight {
        /// IATA code.
        origin: String,
        /// City of origin.
        origin_city: NameView,
        /// IATA code.
        destination: String,
        /// City of destination.
        destination_city: NameView,
        /// Local date.
        departure_date: String,
        /// `economy`, …
        cabin: String,
    },
    /// A hotel stay.
    Hotel {
        /// City.
        city: NameView,
        /// Local date.
        check_in: String,
        /// Local date.
        check_out: String,
        /// Nights between.
        nights: u32,
        /// Rooms.
        rooms: u8,
    },
    /// An activity.
    Activity {
        /// Name in the plan.
        name: String,
        /// City.
        city: NameView,
        /// When it begins.
        starts: CivilView,
    },
    /// A hired car.
    Car {
        /// IATA code of the airport where it is picked up.
        pick_up: String,
        /// City of the airport.
        pick_up_city: NameView,
        /// When.
        starts: CivilView,
        /// When it goes back.
        ends: CivilView,
    },
}

/// How much an item matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PriorityView {
    /// Without it the trip is not made.
    MustHave,
    /// Wanted.
    Preferred,
    /// Nice to have.
    Optional,
}

/// Booking status of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PlanBookingView {
    /// Nothing was asked for yet.
    Draft,
    /// Confirmed by the traveller.
    Confirmed,
    /// Being booked.
    Booking,
}

/// Storage status of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PlanStorageView {
    /// Being worked on.
    Draft,
    /// Done.
    Completed,
    /// Put away.
    Archived,
}

/// One row of the sign-in centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SignInView {
    /// Platform id, e.g. `zz-club`.
    pub platform: String,
    /// Name of the platform.
    pub name: NameView,
    /// What a sign-in is for, or why there is none.
    pub purpose: NameView,
    /// Host the browser will show; of what is reached through us, the host that is asked.
    pub host: String,
    /// What is asked for.
    pub permissions: Vec<NameView>,
    /// How the browser can come back here, the best way first.
    pub returns: Vec<ReturnBy>,
    /// Whether it can be asked about the member's own things once connected; see `ReadMember`.
    pub readable: bool,
    /// Where it stands.
    pub state: SignInStateView,
    /// Whether the platform is still to be told that an earlier sign-in is over: as soon as the vault is open and it answers.
    pub untold: bool,
    /// Items of the shown plan that need it.
    pub needed_for: Vec<String>,
}

/// Where a sign-in stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignInStateView {
    /// Never connected, or disconnected.
    Disconnected,
    /// The browser is open; waiting for the return.
    Waiting {
        /// Address to open by hand.
        url: String,
        /// When the wait ends.
        #[ts(type = "number")]
        expires_at_us: i64,
    },
    /// Connected.
    Connected {
        /// Name at the platform, when known.
        account: Option<String>,
        /// What the platform granted; absent while the vault is closed.
        granted: Option<Vec<NameView>>,
    },
    /// Its time is over.
    Expired,
    /// The platform took it back: it no longer accepts our token, and gives no other.
    Revoked,
    /// The last try ended without a sign-in.
    Failed {
        /// `denied`, `expired`, `provider` or `keyring`.
        why: String,
    },
    /// Reached through us: there is nothing to sign in to.
    ThroughUs,
}

/// Where a log-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AuthStatusView {
    /// The person has to sign in.
    AuthRequired,
    /// The person is connected.
    Authenticated,
}

/// A log-in to a platform. There is no token in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AuthSessionView {
    /// Platform id.
    pub platform: String,
    /// Where it stands.
    pub status: AuthStatusView,
    /// Address to sign in at, while a visit to it is under way; it was opened in the system browser.
    pub url: Option<String>,
    /// Names the session, while one lives; not a secret.
    pub session_id: Option<String>,
    /// When the session ends: an hour after it began. A visit ends sooner, and another log-in within the session renews it.
    #[ts(type = "number | null")]
    pub expires_at_us: Option<i64>,
    /// What the platform granted; absent until it did, and while the vault is closed.
    pub granted: Option<Vec<NameView>>,
}

/// A platform that the person is connected to. There is no token in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AuthenticatedApiView {
    /// Platform id.
    pub platform: String,
    /// Name of the platform.
    pub name: NameView,
    /// The one host that the sign-in is for.
    pub host: String,
    /// What was granted, in the platform's words; absent while the vault is closed.
    pub scopes: Option<Vec<String>>,
    /// The same as a person reads it.
    pub granted: Option<Vec<NameView>>,
    /// What this app calls there with the sign-in, by the names of the tools.
    pub calls: Vec<String>,
}

/// What a platform says about the signed-in member. Read when asked for, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MemberView {
    /// Platform id.
    pub platform: String,
    /// Miles that expire, the first to expire first.
    pub miles: Vec<MilesView>,
    /// Coming flights, the first to leave first.
    pub flights: Vec<MemberFlightView>,
    /// What the platform said in words of its own, where it could not be read as either; plain text.
    pub texts: Vec<String>,
}

/// Miles that expire together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MilesView {
    /// How many.
    #[ts(type = "number")]
    pub amount: i64,
    /// Their last day, `2027-01-31`.
    pub expires_on: String,
}

/// A flight of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MemberFlightView {
    /// Flight number, e.g. `TK89`.
    pub number: String,
    /// Airport of departure.
    pub origin: String,
    /// Airport of arrival.
    pub destination: String,
    /// Local time of departure, `2027-01-31T00:40`.
    pub departs_at: String,
}

/// Something that is booked elsewhere: a page of the airline's own, opened in the system browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HandOverView {
    /// Platform id.
    pub platform: String,
    /// The page, to open by hand where no browser opened.
    pub url: String,
    /// Always `external`: nothing is booked, held or paid by it, and we do not learn what came of it.
    pub status: HandOverStatusView,
}

/// How far a hand-over is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HandOverStatusView {
    /// Not at all.
    External,
}

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChangesView {
    /// Cursor after this batch.
    #[ts(type = "number")]
    pub cursor: i64,
    /// The core's clock now.
    #[ts(type = "number")]
    pub now_us: i64,
    /// Whether more is waiting.
    pub more: bool,
    /// Orders that changed, whole, newest state.
    pub orders: Vec<OrderView>,
    /// Plans that changed.
    pub plans: Vec<PlanView>,
    /// Sign-ins that changed.
    pub sign_ins: Vec<SignInView>,
    /// Whether travellers changed and should be read again.
    pub travellers: bool,
    /// Whether session data (settings, vault, clock) changed and should be read again.
    pub session: bool,
    /// A screen somebody asked for by a link, e.g. `order/ord_…`; consumed by reading it.
    pub open_screen: Option<String>,
}

/// What the interface gets instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FaultView {
    /// Code the interface has words for.
    pub code: FaultCodeView,
    /// Values for the words.
    pub params: std::collections::BTreeMap<String, String>,
}

/// Fault codes; the same list as the domain's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "documented at zhiyou_domain::fault::FaultCode")]
pub enum FaultCodeView {
    MalformedInput,
    TooLarge,
    NotFound,
    WrongState,
    CartChanged,
    /// Two items cannot follow one another; `item`, `after`, `problem`, `minutes`.
    ItemsConflict,
    OverBudget,
    AuthRequired,
    VaultUnavailable,
    VaultLocked,
    WrongPassphrase,
    HoldExpired,
    SeatTaken,
    ProviderUnavailable,
    BrowserUnavailable,
    /// This channel cannot be used for this payment now; `channel`, `why`.
    ChannelBarred,
    /// This code is worth nothing for this order; `why`, and `minimum` with `currency` where the total is too small.
    CreditRefused,
    /// Only a person may do this, in the window.
    OnlyInWindow,
    DiskFull,
    DatabaseInUse,
    HistoryDamaged,
    NewerVersion,
    Internal,
}
