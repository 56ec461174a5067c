//! Orders, payments and cancellations as the supplier writes them, and as ours.
//!
//! Deliberately not here: any request.

use super::super::{
    carries,
    wire::{Unreadable, instant, money, optional_money},
};
use serde::Deserialize;
use serde_json::Value;
use zhiyou_domain::port::flights as f;

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    id: String,
    booking_reference: String,
    total_amount: String,
    total_currency: String,
    cancelled_at: Option<String>,
    payment_status: PaymentStatus,
    #[serde(default)]
    documents: Vec<Document>,
    #[serde(default)]
    passengers: Vec<Passenger>,
    #[serde(default)]
    slices: Vec<Slice>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Deserialize)]
struct PaymentStatus {
    awaiting_payment: bool,
    payment_required_by: Option<String>,
    price_guarantee_expires_at: Option<String>,
    paid_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    unique_identifier: String,
}

#[derive(Debug, Deserialize)]
struct Passenger {
    #[serde(default)]
    loyalty_programme_accounts: Option<Vec<Loyalty>>,
}

#[derive(Debug, Deserialize)]
struct Loyalty {
    airline_iata_code: String,
    account_number: String,
}

#[derive(Debug, Deserialize)]
struct Slice {
    segments: Vec<Segment>,
}

#[derive(Debug, Deserialize)]
struct Segment {
    id: String,
    #[serde(default)]
    passengers: Vec<Seated>,
}

#[derive(Debug, Deserialize)]
struct Seated {
    passenger_id: String,
    #[serde(default)]
    seat: Option<Seat>,
}

#[derive(Debug, Deserialize)]
struct Seat {
    designator: String,
}

impl Order {
    /// Whether it was made with our reference.
    pub(super) fn carries(&self, reference: &str) -> bool {
        carries(&self.metadata, reference)
    }

    /// Whether it is held or ticketed.
    pub(super) const fn lives(&self) -> bool {
        matches!(self.state(), f::FlightOrderState::Held | f::FlightOrderState::Ticketed)
    }

    /// Cancelled, paid, waiting, or none of them: then the hold ran out.
    const fn state(&self) -> f::FlightOrderState {
        if self.cancelled_at.is_some() {
            f::FlightOrderState::Cancelled
        } else if self.payment_status.paid_at.is_some() {
            f::FlightOrderState::Ticketed
        } else if self.payment_status.awaiting_payment {
            f::FlightOrderState::Held
        } else {
            f::FlightOrderState::Expired
        }
    }

    pub(super) fn ours(&self) -> Result<f::FlightOrder, Unreadable> {
        let time = |text: &Option<String>| text.as_deref().map(instant).transpose();
        Ok(f::FlightOrder {
            order_id: self.id.clone(),
            booking_reference: self.booking_reference.clone(),
            state: self.state(),
            total: money(&self.total_amount, &self.total_currency)?,
            hold_expires_at_us: time(&self.payment_status.payment_required_by)?,
            price_guaranteed_until_us: time(&self.payment_status.price_guarantee_expires_at)?,
            documents: self.documents.iter().map(Document::ours).collect(),
            seats: self.slices.iter().flat_map(|slice| &slice.segments).flat_map(Segment::seats).collect(),
            loyalty: self
                .passengers
                .iter()
                .flat_map(|passenger| passenger.loyalty_programme_accounts.iter().flatten())
                .map(Loyalty::ours)
                .collect(),
        })
    }
}

impl Document {
    fn ours(&self) -> f::TravelDocument {
        f::TravelDocument { kind: self.kind.clone(), number: self.unique_identifier.clone() }
    }
}

impl Loyalty {
    fn ours(&self) -> f::LoyaltyAccount {
        f::LoyaltyAccount { airline_code: self.airline_iata_code.clone(), account_number: self.account_number.clone() }
    }
}

impl Segment {
    fn seats(&self) -> impl Iterator<Item = f::AssignedSeat> {
        self.passengers.iter().filter_map(|seated| {
            let seat = seated.seat.as_ref()?;
            Some(f::AssignedSeat {
                segment_id: self.id.clone(),
                passenger_id: seated.passenger_id.clone(),
                designator: seat.designator.clone(),
            })
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) status: PaidStatus,
}

/// A 201 can still carry a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaidStatus {
    Succeeded,
    Pending,
    Failed,
    Cancelled,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cancellation {
    id: String,
    pub(super) order_id: String,
    refund_amount: Option<String>,
    refund_currency: Option<String>,
    #[serde(default)]
    refund_to: Option<RefundTo>,
    expires_at: Option<String>,
    pub(super) confirmed_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundTo {
    Balance,
    ArcBspCash,
    Card,
    Voucher,
    AwaitingPayment,
    AirlineCredits,
    OriginalFormOfPayment,
    #[serde(other)]
    Unknown,
}

impl Cancellation {
    pub(super) fn quote(&self) -> Result<f::FlightCancellationQuote, Unreadable> {
        Ok(f::FlightCancellationQuote {
            cancellation_id: self.id.clone(),
            refund: self.to_balance()?,
            expires_at_us: instant(self.expires_at.as_deref().ok_or(Unreadable::Missing("expires_at"))?)?,
        })
    }

    pub(super) fn cancelled(&self) -> Result<f::FlightCancelled, Unreadable> {
        self.confirmed_at.as_ref().ok_or(Unreadable::Missing("confirmed_at"))?;
        Ok(f::FlightCancelled { order_id: self.order_id.clone(), refund: self.to_balance()? })
    }

    /// What comes back to our balance; a voucher or an airline's credit is nothing there.
    fn to_balance(&self) -> Result<Option<zhiyou_domain::money::Money>, Unreadable> {
        let amount = optional_money(self.refund_amount.as_deref(), self.refund_currency.as_deref())?;
        Ok(match self.refund_to {
            Some(RefundTo::Balance | RefundTo::AwaitingPayment | RefundTo::OriginalFormOfPayment) | None => amount,
            Some(RefundTo::Voucher | RefundTo::AirlineCredits | RefundTo::Card | RefundTo::ArcBspCash) => {
                amount.map(|amount| zhiyou_domain::money::Money::zero(amount.currency()))
            }
            Some(RefundTo::Unknown) => None,
        })
    }
}
