//! Facts: everything that can happen to an order, as it is written in the journal.
//!
//! A fact carries no personal data, only ids. Deliberately not here: what a fact does (see [`super::apply`]).

use super::{CancelReason, NewOrder, PaymentPart, SeatChosen, deadline::Deadline};
use crate::{
    id::{AttemptId, ItemId, OrderId, QuoteId, RefundId},
    money::Money,
    policy::Confidence,
    port::{
        Reason,
        activities::ActivityOption,
        bookings::{Booking, Quote},
        cars::CarRate,
        flights::{FlightOffer, FlightOrder, FlightPrice},
        hotels::HotelRate,
        payments::{Channel, DisputeStatus, PaymentAction, PaymentIntent, PaymentStatus, RefundStatus},
    },
    screening::Screening,
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};

/// What the supplier sells for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Offer {
    /// A flight.
    Flight(FlightOffer),
    /// A hotel rate.
    Hotel(HotelRate),
    /// A hired car.
    Car(CarRate),
    /// An activity.
    Activity(ActivityOption),
}

/// Names one step of an order: what is done to what, and the how-manyeth business try it is.
///
/// A network retry is the same step; `n` grows only when a new effect is wanted (a second hold, a second payment).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepKey {
    /// The order.
    pub order: OrderId,
    /// What is done.
    pub op: Op,
    /// Business try, from 1.
    pub n: u32,
}

impl StepKey {
    /// Our reference at the supplier: the same for every network retry of this step.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}.{}.{}", self.order.bare(), self.op.reference(), self.n)
    }
}

/// The effects a step can have. Reads are not steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Hold an item without paying.
    Hold {
        /// Item.
        item: ItemId,
    },
    /// Book an item for good: pay a held one, or order it at once.
    Commit {
        /// Item.
        item: ItemId,
    },
    /// Let an unpaid hold go.
    Release {
        /// Item.
        item: ItemId,
    },
    /// Cancel a booked item at its quoted terms.
    Cancel {
        /// Item.
        item: ItemId,
    },
    /// Tell the supplier that its change of a booked item is kept.
    AcceptChange {
        /// Item.
        item: ItemId,
    },
    /// Open a payment at its channel.
    OpenPayment {
        /// Attempt.
        attempt: AttemptId,
    },
    /// Close a payment so that it can no longer be paid.
    ClosePayment {
        /// Attempt.
        attempt: AttemptId,
    },
    /// Take money that was set aside, as much of it as suppliers have.
    Capture {
        /// Attempt.
        attempt: AttemptId,
    },
    /// Let money go that was set aside.
    Void {
        /// Attempt.
        attempt: AttemptId,
    },
    /// Give money back.
    Refund {
        /// Refund.
        refund: RefundId,
    },
}

impl Op {
    /// The item it works on.
    #[must_use]
    pub const fn item(self) -> Option<ItemId> {
        match self {
            Self::Hold { item }
            | Self::Commit { item }
            | Self::Release { item }
            | Self::Cancel { item }
            | Self::AcceptChange { item } => Some(item),
            Self::OpenPayment { .. }
            | Self::ClosePayment { .. }
            | Self::Capture { .. }
            | Self::Void { .. }
            | Self::Refund { .. } => None,
        }
    }

    fn reference(self) -> String {
        let about = match self {
            Self::Hold { item }
            | Self::Commit { item }
            | Self::Release { item }
            | Self::Cancel { item }
            | Self::AcceptChange { item } => item.bare(),
            Self::OpenPayment { attempt }
            | Self::ClosePayment { attempt }
            | Self::Capture { attempt }
            | Self::Void { attempt } => attempt.bare(),
            Self::Refund { refund } => refund.bare(),
        };
        format!("{}.{about}", crate::booking::steps::of(self).word)
    }
}

/// What a finished step brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    /// A flight is held, paid, or booked at once.
    Flight(FlightOrder),
    /// A hotel, car or activity is booked or cancelled.
    Booking(Booking),
    /// A hold was let go.
    Released,
    /// A booked item is cancelled; what came back to our balance, when the supplier said.
    Cancelled {
        /// Supplier's refund to us.
        refund: Option<Money>,
    },
    /// The supplier knows that its change is kept.
    ChangeKept {
        /// The supplier's id of the change.
        change_id: String,
    },
    /// A payment waits for the payer.
    PaymentOpened(PaymentIntent),
    /// The channel's word on a payment we wanted closed (closed, or paid after all), taken or let go.
    Payment(PaymentStatus),
    /// The channel's word on a refund.
    Refund(RefundStatus),
}

/// How a step ended; `Unknown` keeps it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum StepEnd {
    /// It happened.
    Done {
        /// What it brought.
        #[serde(flatten)]
        result: StepResult,
    },
    /// It provably never reached the provider.
    NotSent {
        /// Why.
        reason: Reason,
    },
    /// The provider said no.
    Declined {
        /// Why.
        reason: Reason,
    },
    /// Not known; a look-up follows.
    Unknown {
        /// Why.
        reason: Reason,
    },
}

/// Where the word about a payment or refund came from.
///
/// Ordered from the strongest word to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The provider's signed notification.
    Notification,
    /// Our own question to the provider, or its answer to a step.
    Poll,
    /// Reckoned by us.
    Local,
}

/// A supplier's answer to "what comes back if this item is cancelled now".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCancelQuote {
    /// The supplier's id of the pending cancellation, where it has one.
    pub cancellation_id: Option<String>,
    /// What comes back.
    pub refund: Money,
    /// Until when it can be accepted.
    pub expires_at: UtcMicros,
    /// How sure the figure is.
    pub confidence: Confidence,
}

/// Everything that can happen to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The order was made from a plan. Always and only the first fact.
    Created {
        /// Its content.
        order: Box<NewOrder>,
    },
    /// The traveller is signed in to a platform the order needs.
    SignedIn {
        /// Platform.
        platform: String,
    },
    /// The platform no longer accepts the traveller's token.
    SignInLost {
        /// Platform.
        platform: String,
    },
    /// A supplier offers an item.
    OfferFound {
        /// Item.
        item: ItemId,
        /// Offer.
        offer: Box<Offer>,
    },
    /// Nothing is offered for an item.
    OfferMissing {
        /// Item.
        item: ItemId,
        /// Why.
        reason: Reason,
    },
    /// The traveller chose seats; an empty list leaves them to the airline.
    SeatsChosen {
        /// Item.
        item: ItemId,
        /// Seats.
        seats: Vec<SeatChosen>,
    },
    /// A flight that cannot be held was priced with its seats.
    FlightPriced {
        /// Item.
        item: ItemId,
        /// Price and its time.
        price: FlightPrice,
    },
    /// A hotel rate or a car was checked, an activity was held.
    Quoted {
        /// Item.
        item: ItemId,
        /// Quote.
        quote: Quote,
    },
    /// A supplier's word about a booking it was still deciding on.
    BookingReported {
        /// Item.
        item: ItemId,
        /// Booking.
        booking: Booking,
    },
    /// A price could not be checked.
    PricingRefused {
        /// Item.
        item: ItemId,
        /// Why.
        reason: Reason,
    },
    /// An effect is about to be asked for. Written before the call.
    StepStarted {
        /// Step.
        key: StepKey,
    },
    /// How it ended.
    StepEnded {
        /// Step.
        key: StepKey,
        /// End.
        end: StepEnd,
    },
    /// Holds or prices passed their time before the traveller confirmed.
    HoldsLapsed,
    /// The traveller confirmed exactly this cart; the ids of its payments exist from here on.
    Confirmed {
        /// Hash of the cart.
        cart_hash: String,
        /// Total.
        total: Money,
        /// What it is paid by: a credit, then one channel or two, what sets money aside before what takes it at once.
        parts: Vec<PaymentPart>,
        /// Last moment to pay the first part.
        pay_by: UtcMicros,
    },
    /// A further attempt at the part that is to be paid, after one was refused.
    PaymentRetried {
        /// Attempt.
        attempt: AttemptId,
        /// Channel.
        channel: Channel,
        /// Last moment to pay.
        pay_by: UtcMicros,
        /// Whether the money is only set aside at first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        authorise: bool,
        /// In how many instalments the payer pays it off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instalments: Option<u8>,
        /// How unusual it was for the traveller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        screening: Option<Screening>,
    },
    /// The channel shows a payment that waits for its payer by another code or page than before.
    PaymentShown {
        /// Attempt.
        attempt: AttemptId,
        /// What the payer does now.
        action: PaymentAction,
    },
    /// A channel's word about a payment.
    PaymentReported {
        /// Status.
        status: PaymentStatus,
        /// Where from.
        source: Source,
    },
    /// The traveller ended the order before anything was booked.
    CancelRequested,
    /// The time to pay is over; the payment is being closed.
    PayByPassed,
    /// The traveller asked what cancelling costs.
    CancelQuoteRequested {
        /// Id of the quote to come.
        quote: QuoteId,
        /// Items; all booked ones when empty.
        items: Vec<ItemId>,
        /// Why.
        reason: CancelReason,
    },
    /// An item is not tried any more, for a reason of ours: what it comes after could not be had.
    ItemGivenUp {
        /// Item.
        item: ItemId,
        /// Why.
        reason: Reason,
    },
    /// A moment that is announced has come.
    DeadlineReached {
        /// Which.
        deadline: Deadline,
    },
    /// A supplier cancelled a booked item.
    SupplierCancelled {
        /// Item.
        item: ItemId,
        /// What it gives back, when it says.
        refund: Option<Money>,
        /// Where from.
        source: Source,
    },
    /// A supplier wants to change a booked item.
    ChangeProposed {
        /// Item.
        item: ItemId,
        /// What to.
        offer: Box<Offer>,
        /// The supplier's id of the change, where it wants an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_id: Option<String>,
    },
    /// A supplier says that a change waits for no answer any more.
    ChangeSettled {
        /// Item.
        item: ItemId,
        /// The supplier's id of the change.
        change_id: String,
        /// Whether the booking is as changed; otherwise the change is off.
        kept: bool,
    },
    /// The traveller keeps the changed item.
    ChangeAccepted {
        /// Item.
        item: ItemId,
    },
    /// How a step ended is still not known after its deadline.
    DebtDue {
        /// Step.
        key: StepKey,
    },
    /// A person says a debt is settled.
    DebtSettled {
        /// Its number.
        debt: u64,
    },
    /// The same goods were found again for late money.
    OfferFoundAgain {
        /// Item.
        item: ItemId,
        /// Offer.
        offer: Box<Offer>,
        /// The same seats, under their new service ids.
        seats: Vec<SeatChosen>,
    },
    /// The same goods are held again at no higher price: late money pays for them.
    SecondChanceAccepted,
    /// They are not to be had: late money goes back.
    SecondChanceRefused,
    /// A supplier quoted an item's cancellation.
    ItemCancelQuoted {
        /// Item.
        item: ItemId,
        /// Quote.
        quote: ItemCancelQuote,
    },
    /// A supplier refused to quote; nothing is cancelled.
    ItemCancelRefused {
        /// Item.
        item: ItemId,
        /// Why.
        reason: Reason,
    },
    /// The traveller accepted the quote.
    CancelAccepted {
        /// Quote.
        quote: QuoteId,
        /// Id of the refund that follows, when money comes back.
        refund: RefundId,
    },
    /// Money has to go back for a reason of ours: a failed item, late or double money.
    RefundDecided {
        /// Refund.
        refund: RefundId,
        /// Payment it comes from.
        attempt: AttemptId,
        /// Amount.
        amount: Money,
    },
    /// A channel's word about a refund.
    RefundReported {
        /// Status.
        status: RefundStatus,
        /// Where from.
        source: Source,
    },
    /// The merchant side gave what was left of a payment back by itself.
    GivenBack {
        /// Refund.
        refund: RefundId,
        /// Payment it comes from.
        attempt: AttemptId,
        /// Amount.
        amount: Money,
    },
    /// A channel's word about a dispute.
    DisputeReported {
        /// Status.
        status: DisputeStatus,
        /// Where from.
        source: Source,
    },
    /// Every live item is booked, or nothing more can be.
    BookingFinished,
    /// Everything that could be undone is undone and paid back.
    UnwindFinished,
}
