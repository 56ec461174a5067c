//! Where money and bookings stand, and where that was heard.
//!
//! Deliberately not here: the order they belong to (see [`super::order`]).

use super::MoneyView;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Where the money is. Paid = committed + held + in transit + refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MoneyMapView {
    /// Received from the traveller.
    pub paid: FigureView,
    /// Passed on to suppliers for booked items.
    pub committed: FigureView,
    /// With us, waiting for a booking.
    pub held: FigureView,
    /// On its way back.
    pub refund_in_transit: FigureView,
    /// Came back.
    pub refunded: FigureView,
    /// What cancelling everything now would bring back, by the stated terms.
    pub refundable_now: FigureView,
    /// What open matters are about.
    pub open_matters: FigureView,
}

/// An amount and the weakest word it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FigureView {
    /// Amount.
    pub amount: MoneyView,
    /// Where it was heard; absent while nothing moved.
    pub source: Option<SourceView>,
}

/// Where a word came from, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SourceView {
    /// The provider's signed notification.
    Notification,
    /// The provider's answer to our question.
    Poll,
    /// Reckoned by us.
    Local,
}

/// What is stored about a booking or a payment, beside what its provider says now. Nothing is overwritten by looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ComparedView {
    /// The item; absent for the payment.
    pub item_id: Option<String>,
    /// What is stored.
    pub stored: StandingView,
    /// What the provider says; absent when it did not answer.
    pub live: Option<StandingView>,
    /// Whether both say the same; absent without an answer.
    pub same: Option<bool>,
    /// When it was asked.
    #[ts(type = "number")]
    pub asked_at_us: i64,
}

/// Where something stands, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct StandingView {
    /// `booked`, `undecided`, `cancelled`; for payments `paid`, `unpaid`.
    pub state: String,
    /// Confirmation or transaction number.
    pub reference: Option<String>,
    /// Price or amount.
    pub amount: Option<MoneyView>,
}
