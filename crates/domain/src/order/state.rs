//! The state words of an order and of what is inside it, with the moves that are allowed.
//!
//! One enum per entity, the named sets beside it. Deliberately not here: what causes a move (see [`super::apply`]).

use serde::{Deserialize, Serialize};

/// Public states of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Holding and choosing.
    Draft,
    /// Confirmed by the traveller; waiting for money.
    PaymentPending,
    /// Money arrived or is arriving; booking.
    PaymentProcessing,
    /// Everything live is booked.
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

impl OrderState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Draft,
        Self::PaymentPending,
        Self::PaymentProcessing,
        Self::Confirmed,
        Self::PartiallyConfirmed,
        Self::Cancelled,
        Self::Failed,
        Self::RefundRequested,
        Self::Refunded,
    ];

    /// States that absorb everything but money.
    pub const TERMINAL: &[Self] = &[Self::Cancelled, Self::Failed, Self::Refunded];

    /// States before booking is over.
    pub const BEFORE_BOOKED: &[Self] = &[Self::Draft, Self::PaymentPending, Self::PaymentProcessing];

    /// States in which nothing is booked yet, so that ending the order costs nothing.
    pub const CANCELLABLE_FREE: &[Self] = &[Self::Draft, Self::PaymentPending];

    /// States whose bookings can be cancelled against a quote.
    pub const CANCELLABLE_BY_QUOTE: &[Self] = &[Self::Confirmed, Self::PartiallyConfirmed];

    /// Whether the move is in the table. Staying is always allowed and has no effect.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        use OrderState::{
            Cancelled, Confirmed, Draft, Failed, PartiallyConfirmed, PaymentPending, PaymentProcessing,
            RefundRequested, Refunded,
        };
        match self {
            Draft => matches!(to, Draft | PaymentPending | Cancelled),
            PaymentPending => matches!(to, PaymentPending | PaymentProcessing | Draft | Cancelled | Failed),
            PaymentProcessing => {
                matches!(to, PaymentProcessing | PaymentPending | Confirmed | PartiallyConfirmed | Failed | Cancelled)
            }
            Confirmed => matches!(to, Confirmed | PartiallyConfirmed | RefundRequested | Cancelled),
            PartiallyConfirmed => matches!(to, PartiallyConfirmed | Confirmed | RefundRequested | Cancelled),
            // The first is for late money after an expiry, when the goods can be held again at no higher price.
            Cancelled => matches!(to, Cancelled | PaymentProcessing | RefundRequested),
            Failed => matches!(to, Failed | RefundRequested),
            RefundRequested => matches!(to, RefundRequested | Refunded | Confirmed | PartiallyConfirmed | Cancelled),
            Refunded => matches!(to, Refunded),
        }
    }

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PaymentPending => "payment_pending",
            Self::PaymentProcessing => "payment_processing",
            Self::Confirmed => "confirmed",
            Self::PartiallyConfirmed => "partially_confirmed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::RefundRequested => "refund_requested",
            Self::Refunded => "refunded",
        }
    }
}

/// States of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
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
    /// Cancelled, or released before it was booked.
    Cancelled,
    /// Could not be booked.
    Failed,
    /// The hold or price lapsed.
    Expired,
}

impl ItemState {
    /// States of an item that still is, or may become, a booking.
    pub const LIVE: &[Self] = &[
        Self::Planned,
        Self::Held,
        Self::Booking,
        Self::Booked,
        Self::ChangeProposed,
        Self::Changed,
        Self::CancelQuoted,
        Self::Cancelling,
    ];

    /// States in which the supplier has a confirmed booking.
    pub const BOOKED: &[Self] =
        &[Self::Booked, Self::ChangeProposed, Self::Changed, Self::CancelQuoted, Self::Cancelling];

    /// States in which the traveller may cancel a booked item.
    pub const CANCELLABLE: &[Self] = &[Self::Booked, Self::ChangeProposed, Self::Changed];

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Held => "held",
            Self::Booking => "booking",
            Self::Booked => "booked",
            Self::ChangeProposed => "change_proposed",
            Self::Changed => "changed",
            Self::CancelQuoted => "cancel_quoted",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// States of a payment attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// The id exists; the channel may or may not know it.
    Created,
    /// Waiting for the payer.
    RequiresAction,
    /// The channel is working on it.
    Processing,
    /// Authorised, not yet taken.
    Authorised,
    /// Taken.
    Captured,
    /// Given up before money moved.
    Voided,
    /// Refused.
    Failed,
    /// Past its time, closed without money.
    Expired,
}

impl AttemptState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorised,
        Self::Captured,
        Self::Voided,
        Self::Failed,
        Self::Expired,
    ];

    /// The state of a stored word, if there is one.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// States in which money may still move at the channel.
    pub const OPEN: &[Self] = &[Self::Created, Self::RequiresAction, Self::Processing, Self::Authorised];

    /// States in which it may still be paid.
    pub const PAYABLE: &[Self] = &[Self::Created, Self::RequiresAction, Self::Processing];

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// States of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundProgress {
    /// Decided; the channel may or may not know it.
    Requested,
    /// On its way.
    Submitted,
    /// Arrived.
    Succeeded,
    /// Refused for good.
    Failed,
    /// Someone has to act at the channel.
    Manual,
    /// It had arrived, and came back to us: someone has to find another way.
    CameBack,
}

impl RefundProgress {
    /// States in which the refund can still move; one that waits for a person is watched, too.
    pub const OPEN: &[Self] = &[Self::Requested, Self::Submitted, Self::Manual];

    /// The word stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Submitted => "submitted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Manual => "manual",
            Self::CameBack => "came_back",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_moves_is_exactly_the_agreed_one() {
        let mut table = String::new();
        for from in OrderState::ALL {
            let to: Vec<_> =
                OrderState::ALL.iter().filter(|to| *to != from && from.may_become(**to)).map(|s| s.word()).collect();
            table.push_str(&format!("{} -> {}\n", from.word(), to.join(" ")));
        }
        insta::assert_snapshot!(table, @r"
        draft -> payment_pending cancelled
        payment_pending -> draft payment_processing cancelled failed
        payment_processing -> payment_pending confirmed partially_confirmed cancelled failed
        confirmed -> partially_confirmed cancelled refund_requested
        partially_confirmed -> confirmed cancelled refund_requested
        cancelled -> payment_processing refund_requested
        failed -> refund_requested
        refund_requested -> confirmed partially_confirmed cancelled refunded
        refunded -> 
        ");
    }
}
