//! MCP server `flights`: search, price, seats, hold, pay, book at once, look up, cancel; and the member profile.
//!
//! Tools and their types: `searchFlights` [`SearchFlights`] → [`FlightOffers`]; `getSeatMaps` [`OfferRef`] → [`SeatMaps`];
//! `priceFlight` [`PriceFlight`] → [`FlightPrice`]; `holdFlight` [`HoldFlight`], `bookFlight` [`BookFlight`],
//! `payHeldFlight` [`PayHeldFlight`], `getFlightOrder` [`FlightOrderRef`] → [`FlightOrder`]; `findFlightOrder`
//! [`FindFlightOrder`] → [`super::Found`]`<`[`FlightOrder`]`>`; `quoteFlightCancellation` [`FlightOrderRef`] →
//! [`FlightCancellationQuote`]; `listFlightChanges` [`FlightOrderRef`] → [`FlightChanges`]; `acceptFlightChange`
//! [`AcceptFlightChange`] → [`FlightChange`]; `confirmFlightCancellation` [`ConfirmFlightCancellation`] → [`FlightCancelled`];
//! `getMemberProfile` [`MemberProfileQuery`] → [`MemberProfile`].

use crate::{
    money::Money,
    time::{UtcMicros, ZonedCivil},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Looks for one-way offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchFlights {
    /// IATA code of the airport or city left.
    pub origin: String,
    /// IATA code of the airport or city reached.
    pub destination: String,
    /// Local date of departure.
    #[schemars(with = "String")]
    pub departure_date: jiff::civil::Date,
    /// How many adults fly, 1 to 9.
    pub adults: u8,
    /// The cabin asked for.
    pub cabin: CabinClass,
}

/// Cabin classes, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CabinClass {
    /// First.
    First,
    /// Business.
    Business,
    /// Premium economy.
    PremiumEconomy,
    /// Economy.
    Economy,
}

/// Offers, cheapest first; empty when nothing flies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightOffers {
    /// The offers.
    pub offers: Vec<FlightOffer>,
}

/// One priced journey that can be booked until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightOffer {
    /// The supplier's offer id.
    pub offer_id: String,
    /// Airline that sells it.
    pub owner_name: String,
    /// IATA code of that airline.
    pub owner_code: String,
    /// Flights in order.
    pub segments: Vec<FlightSegment>,
    /// The supplier's ids of the passengers, in the order of the adults asked for.
    pub passenger_ids: Vec<String>,
    /// Price for everyone, taxes included, chosen services excluded.
    pub total: Money,
    /// Until when the offer can be used.
    pub expires_at_us: UtcMicros,
    /// Whether it can be held without paying.
    pub holdable: bool,
    /// What cancelling before departure costs.
    pub refund: FlightTerms,
    /// What changing before departure costs.
    pub change: FlightTerms,
}

/// One flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightSegment {
    /// The supplier's id of the segment.
    pub segment_id: String,
    /// Marketing carrier and number, e.g. `ZZ1862`.
    pub flight_number: String,
    /// Where it leaves.
    pub origin: Airport,
    /// Where it lands.
    pub destination: Airport,
    /// Local departure.
    pub departs: ZonedCivil,
    /// Local arrival.
    pub arrives: ZonedCivil,
    /// Time in the air and on the ground, minutes.
    pub duration_min: u32,
    /// Aircraft name, when the airline said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aircraft: Option<String>,
}

/// An airport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Airport {
    /// IATA code.
    pub iata: String,
    /// Name in English, as the supplier gives it.
    pub name: String,
    /// City in English, as the supplier gives it.
    pub city: String,
}

/// Terms of a refund or a change before departure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FlightTerms {
    /// Allowed; the fee is withheld when the airline named one.
    Allowed {
        /// The fee; absent when the airline did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fee: Option<Money>,
    },
    /// Not allowed.
    NotAllowed,
    /// The airline did not say.
    NotStated,
}

/// Names an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferRef {
    /// The supplier's offer id.
    pub offer_id: String,
}

/// One map per segment; empty when the airline has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatMaps {
    /// The maps, in the order of the segments.
    pub maps: Vec<SeatMap>,
}

impl SeatMaps {
    /// The service that gives a passenger a seat on a segment; `None` when the seat is taken or not there.
    #[must_use]
    pub fn service(&self, segment_id: &str, passenger_id: &str, designator: &str) -> Option<ChosenService> {
        let map = self.maps.iter().find(|map| map.segment_id == segment_id)?;
        let rows = map.cabins.iter().flat_map(|cabin| &cabin.rows);
        let mut elements = rows.flat_map(|row| row.sections.iter().flatten());
        let seat = elements.find(|seat| seat.designator.as_deref() == Some(designator))?;
        let service = seat.services.iter().find(|service| service.passenger_id == passenger_id)?;
        Some(ChosenService {
            service_id: service.service_id.clone(),
            segment_id: segment_id.to_owned(),
            passenger_id: passenger_id.to_owned(),
            designator: designator.to_owned(),
            price: service.price,
        })
    }
}

/// The cabins of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatMap {
    /// Which segment.
    pub segment_id: String,
    /// Cabins, front to back, lower deck first.
    pub cabins: Vec<Cabin>,
}

/// One cabin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cabin {
    /// 0 main, 1 upper.
    pub deck: u8,
    /// The class.
    pub class: CabinClass,
    /// Number of aisles; every row has one section more.
    pub aisles: u8,
    /// Index of the first and last row beside the wings, when known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wings: Option<(u32, u32)>,
    /// Rows, front to back.
    pub rows: Vec<SeatRow>,
}

/// One row: its sections from left to right, divided by aisles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatRow {
    /// Sections; a section may be empty.
    pub sections: Vec<Vec<SeatElement>>,
}

/// What stands at one place of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatElement {
    /// Kind; what we do not know is drawn as empty.
    pub kind: SeatElementKind,
    /// Row and letter, e.g. `12A`; only seats have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub designator: Option<String>,
    /// The airline's name for the seat, e.g. `EXTRA LEGROOM`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// What the airline wants the passenger to know.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub disclosures: Vec<String>,
    /// For whom it can be chosen and at what price; empty when taken.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub services: Vec<SeatService>,
}

/// Kinds of cabin elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatElementKind {
    /// A seat.
    Seat,
    /// A seat that is not sold here.
    Restricted,
    /// A bassinet position.
    Bassinet,
    /// Nothing.
    Empty,
    /// An exit.
    ExitRow,
    /// A lavatory.
    Lavatory,
    /// A galley.
    Galley,
    /// A closet.
    Closet,
    /// Stairs.
    Stairs,
}

/// A seat offered to one passenger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatService {
    /// The supplier's service id; new at every reading of the map.
    pub service_id: String,
    /// The supplier's passenger id.
    pub passenger_id: String,
    /// Price; may be zero.
    pub price: Money,
}

/// Prices an offer together with services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceFlight {
    /// The offer.
    pub offer_id: String,
    /// The services wanted.
    pub services: Vec<ChosenService>,
}

/// The price an instant booking must pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightPrice {
    /// Fare and services together.
    pub total: Money,
    /// Until when it can be booked at this price.
    pub expires_at_us: UtcMicros,
}

/// A seat chosen for a passenger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChosenService {
    /// The supplier's service id.
    pub service_id: String,
    /// Segment it is on.
    pub segment_id: String,
    /// Passenger it is for.
    pub passenger_id: String,
    /// The seat, e.g. `12A`.
    pub designator: String,
    /// Its price.
    pub price: Money,
}

/// A passenger as the airline needs to know them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Passenger {
    /// The supplier's passenger id from the offer.
    pub passenger_id: String,
    /// Title.
    pub title: Title,
    /// Gender as on the travel document.
    pub gender: Gender,
    /// Given name in Latin letters, 1 to 20.
    pub given_name: String,
    /// Family name in Latin letters, 1 to 20.
    pub family_name: String,
    /// Date of birth.
    #[schemars(with = "String")]
    pub born_on: jiff::civil::Date,
    /// E-mail for the airline's messages.
    pub email: String,
    /// Phone in E.164 form.
    pub phone_number: String,
    /// Membership to credit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loyalty: Option<LoyaltyAccount>,
}

// Names and birth dates must not reach a log through `{:?}`.
impl std::fmt::Debug for Passenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Passenger({}, <redacted>)", self.passenger_id)
    }
}

/// Titles airlines accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Title {
    /// Mr.
    Mr,
    /// Ms.
    Ms,
    /// Mrs.
    Mrs,
    /// Miss.
    Miss,
    /// Dr.
    Dr,
}

/// Gender as airlines ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// Male.
    M,
    /// Female.
    F,
}

/// Membership in an airline's programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoyaltyAccount {
    /// IATA code of the airline.
    pub airline_code: String,
    /// Member number.
    pub account_number: String,
}

/// Holds an offer, with its services, without paying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldFlight {
    /// Our reference, written into the supplier's metadata so that a lost answer can be looked up.
    pub reference: String,
    /// The offer.
    pub offer_id: String,
    /// Who flies.
    pub passengers: Vec<Passenger>,
    /// Seats.
    pub services: Vec<ChosenService>,
    /// Fare and services as shown; anything else is refused as `price_changed` before it is sent.
    pub expected_total: Money,
}

/// Books an offer at once, paying from our balance. The same fields as [`HoldFlight`].
pub type BookFlight = HoldFlight;

/// Pays a held order from our balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayHeldFlight {
    /// The supplier's order id.
    pub order_id: String,
    /// Exactly the held total; anything else is refused as `price_changed`.
    pub amount: Money,
}

/// Names a flight order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightOrderRef {
    /// The supplier's order id.
    pub order_id: String,
}

/// Looks for the order we may have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindFlightOrder {
    /// The reference the order was made with.
    pub reference: String,
    /// The offer it was made from.
    pub offer_id: String,
}

/// An order at the airline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightOrder {
    /// The supplier's order id.
    pub order_id: String,
    /// Record locator (PNR).
    pub booking_reference: String,
    /// Where it stands.
    pub state: FlightOrderState,
    /// Fare and services.
    pub total: Money,
    /// Until when an unpaid hold lives.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hold_expires_at_us: Option<UtcMicros>,
    /// Until when the price of a hold is guaranteed; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price_guaranteed_until_us: Option<UtcMicros>,
    /// Tickets.
    pub documents: Vec<TravelDocument>,
    /// Seats assigned.
    pub seats: Vec<AssignedSeat>,
    /// Member numbers the airline recorded.
    pub loyalty: Vec<LoyaltyAccount>,
}

/// Where a flight order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlightOrderState {
    /// Held and unpaid.
    Held,
    /// Paid and ticketed.
    Ticketed,
    /// An unpaid hold whose time ran out.
    Expired,
    /// Cancelled.
    Cancelled,
}

/// A ticket or coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TravelDocument {
    /// The supplier's kind, e.g. `electronic_ticket`.
    pub kind: String,
    /// Ticket number.
    pub number: String,
}

/// A seat assigned to a passenger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssignedSeat {
    /// Segment.
    pub segment_id: String,
    /// Passenger.
    pub passenger_id: String,
    /// Seat, e.g. `12A`.
    pub designator: String,
}

/// The airline's answer to "what do I get back if I cancel".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightCancellationQuote {
    /// The supplier's id of the pending cancellation.
    pub cancellation_id: String,
    /// What comes back to our balance; absent when the airline does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refund: Option<Money>,
    /// Until when the quote can be confirmed.
    pub expires_at_us: UtcMicros,
}

/// Confirms a quoted cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmFlightCancellation {
    /// The order.
    pub order_id: String,
    /// The supplier's id of the pending cancellation.
    pub cancellation_id: String,
}

/// A cancelled flight order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightCancelled {
    /// The order.
    pub order_id: String,
    /// What came back to our balance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refund: Option<Money>,
}

/// What an airline did to an order by itself, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightChanges {
    /// The changes.
    pub changes: Vec<FlightChange>,
}

/// One change an airline made or wants to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlightChange {
    /// The supplier's id of the change.
    pub change_id: String,
    /// Where it stands.
    pub state: FlightChangeState,
    /// The flights as they are after it; empty when the airline names none.
    pub segments: Vec<FlightSegment>,
}

/// Where an airline's change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlightChangeState {
    /// It waits for an answer.
    Open,
    /// It was accepted.
    Accepted,
    /// It is over: the order was cancelled or changed in another way, or a newer change replaced it.
    Over,
}

/// Tells the airline that its change is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptFlightChange {
    /// The order.
    pub order_id: String,
    /// The supplier's id of the change.
    pub change_id: String,
}

/// Asks the member platform who the signed-in traveller is; the token travels in `_meta`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberProfileQuery {
    /// Platform id, e.g. `zz-club`.
    pub platform: String,
}

/// The traveller as the member platform knows them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberProfile {
    /// Name as the platform shows it.
    pub display_name: String,
    /// Given name in Latin letters.
    pub given_name: String,
    /// Family name in Latin letters.
    pub family_name: String,
    /// Membership.
    pub loyalty: LoyaltyAccount,
    /// Tier, in the platform's word.
    pub tier: String,
}

// A member's name must not reach a log through `{:?}`.
impl std::fmt::Debug for MemberProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemberProfile(<redacted>)")
    }
}
