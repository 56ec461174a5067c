//! What the interface sees: plain view types, converted here from domain types and nowhere else.
//!
//! Amounts are integers of minor units within ±2^53, instants are UTC microseconds; both are exact as JSON numbers.
//! The TypeScript types are generated from this file. Deliberately not here: anything the interface could decide money
//! or state by, and any secret.

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
    /// State of the vault.
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

/// State of the vault that keeps tokens and travellers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VaultView {
    /// Open; the root key is in the system keyring or was unlocked by passphrase.
    Open,
    /// No keyring on this system and no passphrase yet: the person chooses one.
    NeedsPassphrase,
    /// A passphrase was chosen earlier and has to be entered.
    Locked,
    /// The system keyring is locked or did not answer; unlocking it and trying again helps.
    KeyringLocked,
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
    /// English name.
    pub name: String,
    /// Chinese name, when known.
    pub name_zh: Option<String>,
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
        origin_city: String,
        /// IATA code.
        destination: String,
        /// City of destination.
        destination_city: String,
        /// Local date.
        departure_date: String,
        /// `economy`, …
        cabin: String,
    },
    /// A hotel stay.
    Hotel {
        /// City.
        city: String,
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
        city: String,
        /// When it begins.
        starts: CivilView,
    },
    /// A hired car.
    Car {
        /// Where it is picked up.
        pick_up: String,
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
    pub name: String,
    /// Host the browser will show.
    pub host: String,
    /// What is asked, in the platform's scope words.
    pub scopes: Vec<String>,
    /// Where it stands.
    pub state: SignInStateView,
    /// Whether the shown plan needs it.
    pub needed: bool,
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
    },
    /// The platform no longer accepts our token.
    Expired,
    /// The last try ended without a sign-in.
    Failed {
        /// `denied`, `expired`, `provider` or `keyring`.
        why: String,
    },
}

/// Public states of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OrderStateView {
    /// Holding and choosing.
    Draft,
    /// Confirmed by the traveller; waiting for money.
    PaymentPending,
    /// Money arrived or is arriving; booking.
    PaymentProcessing,
    /// Everything is booked.
    Confirmed,
    /// What had to be is booked; something else failed.
    PartiallyConfirmed,
    /// Ended without a booking.
    Cancelled,
    /// Could not be booked.
    Failed,
    /// Money is on its way back.
    RefundRequested,
    /// Money came back.
    Refunded,
}

/// An order with everything the order, seats and checkout screens show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OrderView {
    /// `ord_…`
    pub id: String,
    /// The plan it was made from.
    pub plan_id: String,
    /// Title of the plan.
    pub title: String,
    /// Where it stands.
    pub state: OrderStateView,
    /// Grows by one with every fact.
    #[ts(type = "number")]
    pub version: i64,
    /// When it was made.
    #[ts(type = "number")]
    pub created_at_us: i64,
    /// What the traveller has to do now.
    pub next: NextStepView,
    /// Items in time order.
    pub items: Vec<OrderItemView>,
    /// What would be charged now; grows as holds come in.
    pub total: MoneyView,
    /// Spending limit.
    pub budget: MoneyView,
    /// Names the exact cart; confirming repeats it. Absent until every item is held or priced.
    pub cart_hash: Option<String>,
    /// What is lost at worst if booking fails half-way after paying.
    pub worst_case: MoneyView,
    /// The earliest deadline and what it is about.
    pub deadline: Option<DeadlineView>,
    /// The newest payment attempt.
    pub payment: Option<PaymentView>,
    /// Where the money is.
    pub money: MoneyMapView,
    /// The open or accepted cancellation quote.
    pub cancellation: Option<CancellationView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntryView>,
    /// Matters that need a person; never empty text codes.
    pub attention: Vec<AttentionView>,
    /// What may be asked of it now.
    pub can: OrderCanView,
}

/// What the traveller has to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NextStepView {
    /// Nothing: offers are being fetched or holds made.
    WaitForHolds,
    /// Choose or skip seats for this item.
    ChooseSeats {
        /// Item.
        item_id: String,
    },
    /// Sign in to these platforms first.
    SignIn {
        /// Platform ids.
        platforms: Vec<String>,
    },
    /// Confirm the cart.
    Confirm,
    /// Pay.
    Pay,
    /// Nothing: money or bookings are being confirmed.
    WaitForBooking,
    /// Nothing: a cancellation or refund is under way.
    WaitForRefund,
    /// Nothing: finished.
    Done,
}

/// What may be asked of an order now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OrderCanView {
    /// `confirm_order`
    pub confirm: bool,
    /// `cancel_order`: nothing is booked yet, so it costs nothing.
    pub cancel_free: bool,
    /// `quote_cancellation`
    pub quote_cancellation: bool,
    /// `accept_cancellation`
    pub accept_cancellation: bool,
    /// `retry_payment`
    pub retry_payment: bool,
}

/// The earliest deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeadlineView {
    /// When.
    #[ts(type = "number")]
    pub at_us: i64,
    /// What happens then.
    pub kind: DeadlineKindView,
}

/// What happens at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineKindView {
    /// Offers or holds lapse; nothing was charged.
    HoldsExpire,
    /// The payment closes and the holds are released; nothing was charged.
    PayBy,
    /// The cancellation quote lapses; nothing was cancelled.
    QuoteExpires,
}

/// One item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OrderItemView {
    /// `itm_…`
    pub id: String,
    /// What the plan asked for.
    pub detail: ItemDetailView,
    /// How much it matters.
    pub priority: PriorityView,
    /// Where it stands.
    pub state: ItemStateView,
    /// Why it failed, as a code.
    pub failure: Option<String>,
    /// What is being booked, once known.
    pub offer: Option<OfferView>,
    /// Price with chosen seats, once known.
    pub price: Option<MoneyView>,
    /// Whether the supplier really holds it; otherwise only the price is checked and it is booked right after payment.
    pub held_firmly: bool,
    /// When hold or price lapses.
    #[ts(type = "number | null")]
    pub expires_at_us: Option<i64>,
    /// Chosen seats.
    pub seats: Vec<SeatChoiceView>,
    /// Reference to show at the counter: PNR or confirmation number.
    pub reference: Option<String>,
    /// Ticket numbers.
    pub documents: Vec<String>,
    /// Member number the supplier recorded.
    pub loyalty: Option<String>,
}

/// Item states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ItemStateView {
    /// Nothing asked yet, or an offer is known.
    Planned,
    /// Held, or its price is checked.
    Held,
    /// Being booked.
    Booking,
    /// Booked.
    Booked,
    /// The supplier proposes a change.
    ChangeProposed,
    /// Changed.
    Changed,
    /// A cancellation quote is open.
    CancelQuoted,
    /// Being cancelled.
    Cancelling,
    /// Cancelled.
    Cancelled,
    /// Could not be booked.
    Failed,
    /// The hold or price lapsed.
    Expired,
    /// A call's outcome is not known; we are asking.
    Unknown,
}

/// What is being booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OfferView {
    /// A flight.
    Flight {
        /// Airline name.
        airline: String,
        /// IATA code of the airline.
        airline_code: String,
        /// Segments in order.
        segments: Vec<SegmentView>,
        /// Refund terms: `allowed`, `not_allowed`, `not_stated`.
        refund: String,
        /// Fee of a refund, when named.
        refund_fee: Option<MoneyView>,
    },
    /// A hotel.
    Hotel {
        /// Hotel name.
        name: String,
        /// Address.
        address: String,
        /// Room.
        room: String,
        /// `room_only`, `breakfast`, …
        board: String,
        /// Until when cancelling is free, with the hotel's zone; absent when it never is.
        free_cancel_until: Option<CivilView>,
    },
}

/// One flight segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SegmentView {
    /// Segment id.
    pub id: String,
    /// `ZZ1862`
    pub flight_number: String,
    /// IATA.
    pub origin: String,
    /// Airport name.
    pub origin_name: String,
    /// City.
    pub origin_city: String,
    /// IATA.
    pub destination: String,
    /// Airport name.
    pub destination_name: String,
    /// City.
    pub destination_city: String,
    /// Local departure.
    pub departs: CivilView,
    /// Local arrival.
    pub arrives: CivilView,
    /// Minutes.
    pub duration_min: u32,
    /// Aircraft.
    pub aircraft: Option<String>,
}

/// A chosen seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SeatChoiceView {
    /// Segment.
    pub segment_id: String,
    /// `trv_…`
    pub traveller_id: String,
    /// `12A`
    pub designator: String,
    /// Price.
    pub price: MoneyView,
}

/// Seat maps of one flight item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SeatMapsView {
    /// One per segment that has a map, in order.
    pub maps: Vec<SeatMapView>,
    /// When the offer lapses.
    #[ts(type = "number")]
    pub expires_at_us: i64,
}

/// Seat map of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SeatMapView {
    /// The segment.
    pub segment: SegmentView,
    /// Cabins, front to back.
    pub cabins: Vec<CabinView>,
}

/// One cabin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CabinView {
    /// 0 main, 1 upper.
    pub deck: u8,
    /// `economy`, …
    pub class: String,
    /// First and last row index beside the wings.
    pub wings: Option<(u32, u32)>,
    /// Rows.
    pub rows: Vec<CabinRowView>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CabinRowView {
    /// Sections from left to right, divided by aisles.
    pub sections: Vec<Vec<CabinElementView>>,
}

/// One place in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CabinElementView {
    /// `seat`, `restricted`, `bassinet`, `empty`, `exit_row`, `lavatory`, `galley`, `closet`, `stairs`.
    pub kind: String,
    /// `12A`, seats only.
    pub designator: Option<String>,
    /// Airline's name of the seat.
    pub name: Option<String>,
    /// What the airline wants known.
    pub disclosures: Vec<String>,
    /// For whom it is free and at what price; empty when taken.
    pub offers: Vec<SeatOfferView>,
}

/// A seat offered to one traveller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SeatOfferView {
    /// Service id to send back.
    pub service_id: String,
    /// `trv_…`
    pub traveller_id: String,
    /// Price.
    pub price: MoneyView,
}

/// A payment attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PaymentView {
    /// `pay_…`
    pub attempt_id: String,
    /// `wechatpay`
    pub channel: String,
    /// What is charged.
    pub amount: MoneyView,
    /// Where it stands.
    pub state: PaymentStateView,
    /// QR code to scan, while it can be paid.
    pub qr: Option<QrView>,
    /// Last moment to pay.
    #[ts(type = "number")]
    pub expires_at_us: i64,
    /// The channel's own number.
    pub transaction_id: Option<String>,
}

/// Payment attempt states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStateView {
    /// Being opened.
    Created,
    /// Waiting for the payer.
    RequiresAction,
    /// The channel is working on it.
    Processing,
    /// Authorised, not yet taken.
    Authorised,
    /// Paid.
    Captured,
    /// Given up before money moved.
    Voided,
    /// Refused.
    Failed,
    /// Past its time.
    Expired,
    /// Not known; we are asking. Nothing is charged twice.
    Unknown,
}

/// A QR code as a drawing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct QrView {
    /// Text of the code.
    pub content: String,
    /// Modules per side, without the quiet zone.
    pub size: u32,
    /// SVG path of the dark modules in module units (`M0 0h1v1h-1z…`).
    pub path: String,
}

/// Where the money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MoneyMapView {
    /// Received from the traveller.
    pub paid: MoneyView,
    /// Passed on to suppliers for booked items.
    pub committed: MoneyView,
    /// With us, waiting for a booking.
    pub held: MoneyView,
    /// On its way back.
    pub refund_in_transit: MoneyView,
    /// Came back.
    pub refunded: MoneyView,
}

/// What cancelling costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CancellationView {
    /// `qte_…`
    pub quote_id: String,
    /// Where it stands.
    pub state: CancellationStateView,
    /// What is lost.
    pub fee: MoneyView,
    /// What comes back.
    pub refund: MoneyView,
    /// Per item.
    pub items: Vec<CancellationItemView>,
    /// When the quote lapses.
    #[ts(type = "number | null")]
    pub expires_at_us: Option<i64>,
}

/// Where a cancellation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CancellationStateView {
    /// Suppliers are being asked.
    Quoting,
    /// The traveller can accept.
    Quoted,
    /// Accepted; being carried out.
    Accepted,
    /// Carried out.
    Done,
    /// Could not be quoted; nothing was cancelled.
    Failed,
}

/// Cancellation of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CancellationItemView {
    /// Item.
    pub item_id: String,
    /// What comes back; absent while unknown.
    pub refund: Option<MoneyView>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TimelineEntryView {
    /// Position in the order's journal.
    #[ts(type = "number")]
    pub seq: i64,
    /// When.
    #[ts(type = "number")]
    pub at_us: i64,
    /// What, as a code the interface has words for.
    pub kind: TimelineKindView,
    /// Item concerned.
    pub item_id: Option<String>,
    /// Amount concerned.
    pub amount: Option<MoneyView>,
    /// Reference concerned: PNR, confirmation or transaction number.
    pub reference: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKindView {
    /// The order was made.
    Created,
    /// An offer was found.
    OfferFound,
    /// Seats were chosen.
    SeatsChosen,
    /// Seats were left to the airline.
    SeatsSkipped,
    /// An item is held.
    Held,
    /// An item's price is checked; it is booked right after payment.
    Priced,
    /// The traveller confirmed the cart.
    Confirmed,
    /// A payment was opened.
    PaymentOpened,
    /// Money arrived.
    Paid,
    /// The payment was refused.
    PaymentFailed,
    /// The payment was closed without money.
    PaymentClosed,
    /// Money arrived although the order had ended.
    PaidLate,
    /// An item is booked.
    Booked,
    /// An item failed.
    ItemFailed,
    /// A call's outcome is unknown; we are asking.
    OutcomeUnknown,
    /// The order was cancelled by the traveller before booking.
    CancelledByTraveller,
    /// The order ended because time ran out.
    Expired,
    /// A hold was released.
    Released,
    /// A cancellation was quoted.
    CancelQuoted,
    /// The traveller accepted the quote.
    CancelAccepted,
    /// An item was cancelled.
    ItemCancelled,
    /// A refund was asked for.
    RefundRequested,
    /// Money came back.
    Refunded,
    /// A refund needs a person.
    RefundNeedsAttention,
    /// Everything is confirmed.
    OrderConfirmed,
    /// The order failed.
    OrderFailed,
}

/// A matter that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AttentionView {
    /// `unknown_outcome`, `refund_manual`, `release_failed`, `history_damaged`
    pub kind: String,
    /// Item concerned.
    pub item_id: Option<String>,
    /// Amount concerned.
    pub amount: Option<MoneyView>,
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
    OverBudget,
    AuthRequired,
    VaultUnavailable,
    VaultLocked,
    WrongPassphrase,
    HoldExpired,
    SeatTaken,
    ProviderUnavailable,
    NotCancellable,
    BrowserUnavailable,
    DiskFull,
    DatabaseInUse,
    HistoryDamaged,
    NewerVersion,
    Internal,
}
