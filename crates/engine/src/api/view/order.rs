//! What the seats, checkout and order screens see.

use super::{
    CivilView, FaultCodeView, ItemDetailView, MoneyMapView, MoneyView, NameView, PaymentPartView, PaymentView,
    PriorityView, ProposedChangeView,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

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
    /// What is lost at worst: if booking fails half-way after paying, or, once booked, if everything is cancelled now.
    pub worst_case: MoneyView,
    /// When time alone makes the worst case worse.
    #[ts(type = "number | null")]
    pub worst_case_rises_at_us: Option<i64>,
    /// Items that cannot follow one another as they are now, or as suppliers want to change them.
    pub conflicts: Vec<ConflictView>,
    /// The earliest deadline and what it is about.
    pub deadline: Option<DeadlineView>,
    /// The newest payment attempt.
    pub payment: Option<PaymentView>,
    /// What pays it, once it is confirmed: one payment, or two.
    pub parts: Vec<PaymentPartView>,
    /// Where the money is.
    pub money: MoneyMapView,
    /// The open or accepted cancellation quote.
    pub cancellation: Option<CancellationView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntryView>,
    /// Matters that need a person; never empty text codes.
    pub attention: Vec<AttentionView>,
    /// The order some of whose items this one books again.
    pub repairs: Option<String>,
    /// What may be asked of it now.
    pub can: OrderCanView,
    /// Its stored history cannot be used, and why: nothing more happens to it here, what is shown is the last known state.
    pub frozen: Option<FaultCodeView>,
}

/// Two items that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConflictView {
    /// The later item.
    pub item_id: String,
    /// The item it comes after.
    pub after_id: String,
    /// `cycle`, `too_late`, `short_connection`, `other_place`, `outside_stay`
    pub problem: String,
    /// Minutes too late, or minutes there are for a connection.
    #[ts(type = "number | null")]
    pub minutes: Option<i64>,
}

/// Why a traveller cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CancelReasonView {
    /// Plans changed.
    PlansChanged,
    /// Found something better.
    BetterOffer,
    /// Booked by mistake, or twice.
    Mistake,
    /// Illness or another emergency.
    Emergency,
    /// Not said.
    NotSaid,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
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
    /// Whether it was lost although the trip goes on, so that it can be booked again (`prepare_repair`).
    pub lost: bool,
    /// The order that books it again, `ord_…`, while that one goes on or has it.
    pub rebooked_by: Option<String>,
    /// What is being booked, once known.
    pub offer: Option<OfferView>,
    /// What the supplier wants it changed to.
    pub proposed: Option<ProposedChangeView>,
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
    /// What the traveller needs to know there: how to get in, where to meet.
    pub instructions: Option<String>,
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
        /// What cancelling costs.
        terms: TermsView,
    },
    /// A hired car.
    Car {
        /// Hire company.
        company: String,
        /// Name of the car.
        car_name: String,
        /// ACRISS code.
        acriss: String,
        /// Where it is picked up.
        pick_up_place: String,
        /// What cancelling costs.
        terms: TermsView,
    },
    /// An activity.
    Activity {
        /// Title.
        title: String,
        /// Where to meet, when stated.
        meeting_point: Option<String>,
        /// When it begins.
        starts: CivilView,
        /// How long it takes, minutes.
        duration_min: u32,
        /// What cancelling costs.
        terms: TermsView,
    },
}

/// What cancelling costs, reckoned from the supplier's terms for this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TermsView {
    /// Until when it costs nothing, on the clock of the place; absent when it never does or no longer.
    pub free_until: Option<CivilView>,
    /// What it costs now; absent when that could not be read.
    pub fee_now: Option<MoneyView>,
    /// When the fee next changes by time alone.
    pub changes_at: Option<CivilView>,
    /// How sure the figure is.
    pub confidence: ConfidenceView,
    /// The supplier's own words, where they could not be read as figures.
    pub text: Option<String>,
}

/// How sure a cancellation figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceView {
    /// Nobody stated it; the worst is assumed.
    Assumed,
    /// Reckoned from the supplier's stated terms.
    Terms,
    /// The supplier quoted it just now.
    Quoted,
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
    pub origin_city: NameView,
    /// IATA.
    pub destination: String,
    /// Airport name.
    pub destination_name: String,
    /// City.
    pub destination_city: NameView,
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

/// What cancelling costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CancellationView {
    /// `qte_…`
    pub quote_id: String,
    /// Where it stands.
    pub state: CancellationStateView,
    /// Items that cannot be cancelled, each with its reason and what can be done instead.
    pub refused: Vec<CannotCancelView>,
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
    /// Not accepted in time; nothing was cancelled.
    Lapsed,
}

/// An item a supplier does not cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CannotCancelView {
    /// Item.
    pub item_id: String,
    /// Why, as a code: `not_allowed`, `already_closed`, …
    pub reason: String,
    /// What can be done instead: `cancel_others`, `keep`, `contact` (the supplier, with the reference).
    pub alternatives: Vec<String>,
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
    /// The merchant side gave a payment back by itself.
    GivenBack,
    /// Money came back.
    Refunded,
    /// A refund needs a person.
    RefundNeedsAttention,
    /// Money was set aside.
    Authorised,
    /// What was set aside, or a part of it, was taken.
    MoneyTaken,
    /// What was set aside was let go.
    MoneyReleased,
    /// The payer's bank wants a payment back.
    Disputed,
    /// A dispute was decided.
    DisputeDecided,
    /// Everything is confirmed.
    OrderConfirmed,
    /// The order failed.
    OrderFailed,
    /// A supplier cancelled a booked item.
    SupplierCancelled,
    /// A supplier wants to change a booked item.
    ChangeProposed,
    /// The traveller accepted a change.
    ChangeAccepted,
    /// The supplier took its change back.
    ChangeWithdrawn,
    /// An outcome could not be found out in time; a person sees it.
    DebtDue,
    /// Such a matter is settled.
    DebtSettled,
    /// Late money is being tried with the same goods.
    SecondChance,
    /// The same goods are held again; booking goes on.
    SecondChanceAccepted,
    /// A cancellation quote was not accepted in time.
    QuoteLapsed,
    /// A day is left to cancel an item for nothing.
    FreeCancelSoon,
    /// Cancelling an item costs something from now on.
    FreeCancelEnded,
    /// Check-in of a flight is open.
    CheckInOpen,
    /// An item begins.
    Begins,
}

/// A debt: a matter that will not settle by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AttentionView {
    /// Number of the debt within the order.
    #[ts(type = "number")]
    pub debt: i64,
    /// `outcome_unknown`, `refund_manual`, `release_failed`, `cancel_failed`, `supplier_refund_unknown`, `amount_mismatch`
    pub kind: String,
    /// Who has to act: `support`, `merchant`, `nobody`.
    pub owner: String,
    /// Since when.
    #[ts(type = "number")]
    pub since_us: i64,
    /// What undoes it, should it turn out to have happened when nobody wants it: `release`, `cancel`, `close`.
    pub undo: Option<String>,
    /// Whether a person may say it is settled.
    pub can_settle: bool,
    /// Item concerned.
    pub item_id: Option<String>,
    /// Amount concerned.
    pub amount: Option<MoneyView>,
}
