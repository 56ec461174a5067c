//! Orders: one cart, one payment, one history.
//!
//! An [`Order`] is the fold of its facts by [`Order::apply`]; nothing else changes it. What to do next is
//! [`crate::booking::decide`]'s business. Deliberately not here: calls, clocks, storage, personal data.

mod apply;
mod attempt;
pub mod cart;
pub mod deadline;
pub mod debt;
pub mod fact;
pub mod graph;
pub mod journal;
pub mod ledger;
mod new;
pub mod risk;
pub mod state;

pub use apply::Illegal;
pub use attempt::{Attempt, PaymentPart};
pub use debt::Debt;
pub use fact::{Fact, ItemCancelQuote, Offer, Op, Source, StepEnd, StepKey, StepResult};
pub use ledger::Entry;
pub use new::{NewItem, NewOrder, inherit_must_have};
pub use state::{AttemptState, ItemState, OrderState, RefundProgress};

use crate::{
    defect::{Defect, planted},
    id::{AttemptId, ItemId, OrderId, PlanId, QuoteId, RefundId, TravellerId},
    money::{Currency, Money, MoneyError},
    policy::Terms,
    port::{
        ReasonCode,
        bookings::Quote,
        flights::FlightPrice,
        payments::{DisputeState, DisputeStatus},
    },
    time::UtcMicros,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// A trip's bookings.
    Travel,
    /// A place in a timed session.
    Seat,
    /// The app's own paid plan.
    Product,
}

impl OrderKind {
    /// The word stored.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Travel => "travel",
            Self::Seat => "seat",
            Self::Product => "product",
        }
    }
}

/// An order as its facts made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Id.
    pub id: OrderId,
    /// What it is for.
    pub kind: OrderKind,
    /// Plan it was made from.
    pub plan: PlanId,
    /// Spending limit; names the charge currency.
    pub budget: Money,
    /// The order some of whose items it books again.
    #[serde(default)]
    pub repairs: Option<OrderId>,
    /// When it was made.
    pub created_at: UtcMicros,
    /// Number of facts applied.
    pub version: u64,
    /// Public state.
    pub state: OrderState,
    /// Why it ended or is ending without a booking.
    pub ending: Option<Ending>,
    /// Platforms the traveller must be signed in to.
    pub required_platforms: Vec<String>,
    /// Platforms the traveller is signed in to.
    pub signed_in: BTreeSet<String>,
    /// Items in time order.
    pub items: Vec<OrderItem>,
    /// Cart the traveller confirmed.
    pub confirmed: Option<Confirmation>,
    /// Payment attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Payments that payers' banks want back, oldest first.
    #[serde(default)]
    pub disputes: Vec<DisputeStatus>,
    /// The newest cancellation.
    pub cancellation: Option<Cancellation>,
    /// Steps asked for whose end is not known yet.
    pub open_steps: Vec<OpenStep>,
    /// What happened, for the traveller.
    pub timeline: Vec<TimelineEntry>,
    /// What will not settle by itself, oldest first; entries are settled, never removed.
    pub debts: Vec<Debt>,
    /// Moments that were announced.
    pub reached: BTreeSet<deadline::Deadline>,
    /// Movements of money, oldest first.
    pub ledger: Vec<Entry>,
    /// Whether late money is being tried with the same goods.
    pub second_chance: Option<SecondChance>,
}

/// Late money on an order that expired by itself: the same goods are held again, or the money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondChance {
    /// The goods are being held again, until this moment at the latest.
    Trying {
        /// Deadline.
        until: UtcMicros,
    },
    /// They could not be had, or not at that price.
    Refused,
    /// They are held again; booking goes on.
    Accepted,
}

/// Why an order ends without a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The traveller ended it.
    Traveller,
    /// Time ran out.
    Expired,
    /// Something that had to be could not be had.
    ItemFailed,
}

/// One item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// What was asked for.
    #[serde(flatten)]
    pub wanted: NewItem,
    /// State.
    pub state: ItemState,
    /// What is offered.
    pub offer: Option<Offer>,
    /// Seats, for flights.
    pub seats: SeatChoice,
    /// Offer of the first try, when late money looks for the same goods again.
    pub earlier_offer: Option<Offer>,
    /// Hold or checked price.
    pub hold: Option<Hold>,
    /// Whether the supplier refused to hold this offer, so that it is priced and booked at once after payment.
    pub instant: bool,
    /// The supplier's order or booking id, once it has one.
    pub supplier_order: Option<String>,
    /// PNR or confirmation number.
    pub reference: Option<String>,
    /// Ticket numbers.
    pub documents: Vec<String>,
    /// What the traveller needs to know there.
    pub instructions: Option<String>,
    /// Member number the supplier recorded.
    pub loyalty: Option<String>,
    /// Open cancellation quote.
    pub cancel_quote: Option<ItemCancelQuote>,
    /// What the supplier wants it changed to.
    pub proposed: Option<ProposedChange>,
    /// Another change that came while the supplier was being told that the first one is kept.
    pub next_change: Option<Box<ProposedChange>>,
    /// Changes that were kept.
    pub changes_kept: u32,
    /// Answers to changes that were taken or refused; the next answer is this plus one.
    pub change_answers: u32,
    /// Why it failed.
    pub failure: Option<ReasonCode>,
    /// Holds that ended without one; the next hold is this plus one.
    pub holds_ended: u32,
    /// Calls in a row that provably were not sent.
    pub not_sent: u32,
}

/// A change a supplier wants to make to what is booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedChange {
    /// What it becomes.
    pub offer: Offer,
    /// The supplier's id of the change, where it wants an answer; without one it is changed already.
    pub change_id: Option<String>,
    /// Where it stands.
    pub standing: ChangeStanding,
}

/// Where a proposed change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStanding {
    /// The traveller has not said anything.
    Open,
    /// The traveller keeps it; the supplier has to be told.
    Kept,
    /// The supplier no longer offers it: it is asked again.
    Stale,
    /// The traveller keeps it, and the supplier takes that only by phone: somebody calls.
    ByPhone,
}

/// Seats of a flight item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "snake_case")]
pub enum SeatChoice {
    /// The item has none.
    NotApplicable,
    /// The traveller has not chosen yet.
    Pending,
    /// Left to the airline, or chosen.
    Made {
        /// Chosen seats; empty when left to the airline.
        seats: Vec<SeatChosen>,
    },
}

/// A chosen seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatChosen {
    /// Traveller it is for.
    pub traveller: TravellerId,
    /// The supplier's service.
    #[serde(flatten)]
    pub service: crate::port::flights::ChosenService,
}

/// A hold or a checked price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whether the supplier really keeps it; otherwise only the price is checked.
    pub firm: bool,
    /// Price of the item with its seats.
    pub price: Money,
    /// When it lapses.
    pub expires_at: UtcMicros,
    /// The supplier's quote or reservation id, where booking names one.
    pub quote_id: Option<String>,
    /// What cancelling costs, where the checked price came with terms.
    pub terms: Option<Terms>,
}

/// The cart the traveller confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Hash of the cart.
    pub cart_hash: String,
    /// Total.
    pub total: Money,
    /// What it is paid by; the amounts add up to the total.
    pub parts: Vec<PaymentPart>,
    /// When.
    pub at: UtcMicros,
    /// The order items are booked in once money arrived: fixed here, with the worst case that was shown.
    pub commit_order: Vec<ItemId>,
}

/// Money going back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Id; its bare form is the refund number.
    pub id: RefundId,
    /// Payment it comes from.
    pub attempt: AttemptId,
    /// Amount.
    pub amount: Money,
    /// State.
    pub state: RefundProgress,
}

/// A cancellation of some or all booked items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Id of the quote.
    pub quote: QuoteId,
    /// Items it is about.
    pub items: Vec<ItemId>,
    /// Why the traveller cancels.
    pub reason: CancelReason,
    /// State.
    pub state: CancellationState,
    /// Items a supplier does not cancel, and why.
    #[serde(default)]
    pub refused: Vec<(ItemId, ReasonCode)>,
    /// Refund that follows once it is accepted.
    pub refund: Option<RefundId>,
}

/// Why a traveller cancels; kept for the supplier and for support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Plans changed.
    PlansChanged,
    /// Found something better.
    BetterOffer,
    /// Booked by mistake, or twice.
    Mistake,
    /// Illness or another emergency.
    Emergency,
    /// Not said.
    #[default]
    NotSaid,
}

/// Where a cancellation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationState {
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

/// A step asked for whose end is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStep {
    /// Step.
    pub key: StepKey,
    /// When it was asked for.
    pub started_at: UtcMicros,
    /// What undoes it, should it turn out to have happened when nobody wants it any more: registered with the intent.
    pub undo: Option<crate::booking::steps::Undo>,
    /// Whether its outcome is unknown, so that only a look-up may follow.
    pub unknown: bool,
}

/// One thing that happened, for the traveller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// Position of the fact in the journal.
    pub seq: u64,
    /// When.
    pub at: UtcMicros,
    /// What.
    pub kind: TimelineKind,
    /// Item concerned.
    pub item: Option<ItemId>,
    /// Amount concerned.
    pub amount: Option<Money>,
    /// Reference concerned.
    pub reference: Option<String>,
}

/// What happened, in the traveller's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
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
    /// An item's price is checked.
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
    /// Money arrived although the order had ended, or twice.
    PaidLate,
    /// An item is booked.
    Booked,
    /// An item failed.
    ItemFailed,
    /// A call's outcome is unknown.
    OutcomeUnknown,
    /// The traveller ended the order before booking.
    CancelledByTraveller,
    /// Time ran out.
    Expired,
    /// A hold was let go.
    Released,
    /// A cancellation was quoted.
    CancelQuoted,
    /// The traveller accepted the quote.
    CancelAccepted,
    /// A booked item was cancelled.
    ItemCancelled,
    /// A refund was asked for.
    RefundRequested,
    /// The merchant side gave a payment back by itself.
    GivenBack,
    /// Money came back.
    Refunded,
    /// A refund needs a person.
    RefundNeedsAttention,
    /// Money was set aside; it is taken once everything is booked.
    Authorised,
    /// What was set aside, or a part of it, was taken.
    MoneyTaken,
    /// What was set aside was let go, and nothing was charged.
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
    /// The supplier no longer offers, or no longer makes, a change.
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

impl Order {
    /// An item by id.
    #[must_use]
    pub fn item(&self, id: ItemId) -> Option<&OrderItem> {
        self.items.iter().find(|item| item.wanted.id == id)
    }

    /// An attempt by id.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }

    /// Debts that are not settled.
    pub fn open_debts(&self) -> impl Iterator<Item = &Debt> {
        self.debts.iter().filter(|debt| debt.settled.is_none())
    }

    /// Whether an item is gone although the trip goes on: a supplier cancelled it, or it could not be booked. It can be
    /// booked again, by an order of its own.
    #[must_use]
    pub fn is_lost(&self, item: &OrderItem) -> bool {
        let gone = matches!(item.state, ItemState::Cancelled | ItemState::Failed);
        let by_traveller = self.cancellation.as_ref().is_some_and(|asked| {
            matches!(asked.state, CancellationState::Accepted | CancellationState::Done)
                && asked.items.contains(&item.wanted.id)
        });
        let goes_on = OrderState::CANCELLABLE_BY_QUOTE.contains(&self.state);
        // What the traveller cancelled because its supplier changed it is lost through the supplier all the same.
        gone && goes_on && (!by_traveller || item.proposed.is_some())
    }

    /// Whether a step of any number on this op is still open.
    #[must_use]
    pub fn is_open(&self, op: Op) -> bool {
        self.open_steps.iter().any(|step| step.key.op == op)
    }

    /// What of a payment its payer's bank has back, or may get back: none of it is refunded on top.
    ///
    /// # Errors
    /// [`MoneyError`] when currencies mix.
    pub fn disputed(&self, attempt: AttemptId, currency: Currency) -> Result<Money, MoneyError> {
        let standing = |dispute: &&DisputeStatus| dispute.attempt_id == attempt && dispute.state != DisputeState::Won;
        Money::sum(currency, self.disputes.iter().filter(standing).map(|dispute| dispute.amount))
    }

    /// Whether what came back was given to the traveller in another way: a person said so.
    #[must_use]
    pub fn is_given_otherwise(&self, refund: &Refund) -> bool {
        let matter = debt::Matter::RefundManual { refund: refund.id };
        refund.state == RefundProgress::CameBack && !self.open_debts().any(|debt| debt.matter == matter)
    }

    /// Whether any step on this item is still open.
    #[must_use]
    pub fn is_busy(&self, item: ItemId) -> bool {
        self.open_steps.iter().any(|step| step.key.op.item() == Some(item))
    }

    /// Items that suppliers took and are still deciding on, whatever has become of the money meanwhile.
    pub(crate) fn undecided(&self) -> impl Iterator<Item = &OrderItem> {
        let left = planted(Defect::UndecidedLeft) && self.state != OrderState::PaymentProcessing;
        self.items.iter().filter(move |item| item.is_undecided() && !left)
    }

    /// Whether anything may still happen by itself: the runner keeps such orders in view.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let money_open = self.attempts.iter().any(|a| AttemptState::OPEN.contains(&a.state))
            || self.refunds.iter().any(|r| RefundProgress::OPEN.contains(&r.state));
        let goods_open = self
            .items
            .iter()
            .any(|i| i.state == ItemState::Cancelling || i.is_kept_for_us() && i.state == ItemState::Held)
            || self.undecided().next().is_some();
        let changing = self.items.iter().any(OrderItem::is_changing);
        let quoting = self.cancellation.as_ref().is_some_and(|c| c.state == CancellationState::Quoting);
        !(OrderState::TERMINAL.contains(&self.state) || OrderState::CANCELLABLE_BY_QUOTE.contains(&self.state))
            || money_open
            || goods_open
            || changing
            || quoting
            || matches!(self.second_chance, Some(SecondChance::Trying { .. }))
            || !self.open_steps.is_empty()
            || crate::booking::owed(self).is_some()
    }

    /// Platforms still missing a sign-in.
    #[must_use]
    pub fn missing_platforms(&self) -> Vec<String> {
        self.required_platforms.iter().filter(|p| !self.signed_in.contains(*p)).cloned().collect()
    }
}

impl OrderItem {
    /// Seats chosen, if any.
    #[must_use]
    pub fn chosen_seats(&self) -> &[SeatChosen] {
        match &self.seats {
            SeatChoice::Made { seats } => seats,
            SeatChoice::NotApplicable | SeatChoice::Pending => &[],
        }
    }

    /// Price with seats, once held or checked.
    #[must_use]
    pub fn price(&self) -> Option<Money> {
        self.hold.as_ref().map(|hold| hold.price)
    }

    /// Terms of the checked price, else of the offer.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        let checked = self.hold.as_ref().and_then(|hold| hold.terms.as_ref());
        checked.or_else(|| self.offer.as_ref().and_then(Offer::terms))
    }

    /// Whether the supplier keeps it for us until we let it go. Holds that lapse by themselves are not meant.
    #[must_use]
    pub fn is_kept_for_us(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.firm) && matches!(self.offer, Some(Offer::Flight(_)))
    }

    /// Whether the supplier took the booking and is still deciding on it.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        let flight = matches!(self.offer, Some(Offer::Flight(_)));
        self.state == ItemState::Booking && self.supplier_order.is_some() && !flight
    }

    /// The moment the offer, hold or price lapses.
    #[must_use]
    pub fn lapses_at(&self) -> Option<UtcMicros> {
        self.hold.as_ref().map(|hold| hold.expires_at).or_else(|| self.offer.as_ref().map(Offer::expires_at))
    }
}

impl Offer {
    /// Until when it can be used.
    #[must_use]
    pub const fn expires_at(&self) -> UtcMicros {
        match self {
            Self::Flight(flight) => flight.expires_at_us,
            Self::Hotel(rate) => rate.expires_at_us,
            Self::Car(rate) => rate.expires_at_us,
            // The supplier states no end; it is held at once, and the hold has one.
            Self::Activity(_) => UtcMicros(i64::MAX),
        }
    }

    /// Price without seats.
    #[must_use]
    pub const fn total(&self) -> Money {
        match self {
            Self::Flight(flight) => flight.total,
            Self::Hotel(rate) => rate.total,
            Self::Car(rate) => rate.total,
            Self::Activity(option) => option.total,
        }
    }

    /// What cancelling costs, where the supplier gives terms by time.
    #[must_use]
    pub const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Flight(_) => None,
            Self::Hotel(rate) => Some(&rate.terms),
            Self::Car(rate) => Some(&rate.terms),
            Self::Activity(option) => Some(&option.terms),
        }
    }
}

impl Hold {
    /// A flight that is only priced.
    #[must_use]
    pub const fn price_of_flight(price: &FlightPrice) -> Self {
        Self { firm: false, price: price.total, expires_at: price.expires_at_us, quote_id: None, terms: None }
    }

    /// A checked rate or a kept place.
    #[must_use]
    pub fn of_quote(quote: &Quote) -> Self {
        Self {
            firm: quote.kept,
            price: quote.total,
            expires_at: quote.expires_at_us,
            quote_id: Some(quote.quote_id.clone()),
            terms: Some(quote.terms.clone()),
        }
    }
}
