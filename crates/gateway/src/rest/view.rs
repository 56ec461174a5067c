//! What the REST surface takes and gives. Amounts are whole minor units; instants are RFC 3339 in UTC.

use crate::store::shop_orders::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zhiyou_domain::{money::Money, port::payments::RefundState};

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    /// Whole minor units (fen for CNY); never a decimal.
    pub(crate) minor: i64,
    /// ISO 4217 code.
    pub(crate) currency: String,
}

impl Amount {
    /// The amount, if it is one and more than nothing.
    pub(crate) fn money(&self) -> Option<Money> {
        let amount = Money::new(self.minor, self.currency.parse().ok()?).ok()?;
        amount.is_positive().then_some(amount)
    }
}

impl From<Money> for Amount {
    fn from(amount: Money) -> Self {
        Self { minor: amount.minor(), currency: amount.currency().code().to_owned() }
    }
}

/// What is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderKind {
    /// A trip or a part of one.
    Travel,
    /// Anything else the merchant sells.
    Product,
}

impl From<OrderKind> for Kind {
    fn from(kind: OrderKind) -> Self {
        match kind {
            OrderKind::Travel => Self::Travel,
            OrderKind::Product => Self::Product,
        }
    }
}

impl From<Kind> for OrderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Travel => Self::Travel,
            Kind::Product => Self::Product,
        }
    }
}

/// An order to create. The amount is fixed by it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// What is bought.
    pub(crate) kind: OrderKind,
    /// Which session, plan or article, in the caller's words; 1 to 64 bytes.
    pub(crate) reference: String,
    /// What the payer reads, 1 to 127 bytes of UTF-8; no personal data.
    pub(crate) description: String,
    /// What it costs.
    pub(crate) amount: Amount,
}

/// A payment to open.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    /// The order to pay.
    pub(crate) order_id: String,
}

/// Money to give back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// How much; all that is left when absent.
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    /// What the payer reads, 1 to 80 bytes of UTF-8; no personal data.
    pub(crate) reason: String,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Waits for the payer.
    Pending,
    /// The money arrived.
    Paid,
    /// The payer's bank refused.
    Failed,
    /// Cancelled or expired without money.
    Cancelled,
    /// Everything that was paid went back.
    Refunded,
}

/// An order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OrderView {
    /// Its id.
    pub(crate) order_id: String,
    /// What is bought.
    pub(crate) kind: OrderKind,
    /// In the caller's words.
    pub(crate) reference: String,
    /// What the payer reads.
    pub(crate) description: String,
    /// What it costs.
    pub(crate) amount: Amount,
    /// Where it stands.
    pub(crate) status: OrderStatus,
    /// When it was created.
    pub(crate) created_at: String,
    /// When it last changed.
    pub(crate) updated_at: String,
    /// Last moment to pay.
    pub(crate) expires_at: String,
    /// When the money moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paid_at: Option<String>,
    /// The channel's number of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
    /// Every refund.
    pub(crate) refunds: Vec<RefundView>,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundWord {
    /// On its way.
    Pending,
    /// Arrived.
    Succeeded,
    /// Refused for good.
    Failed,
    /// Someone has to act at the channel.
    NeedsManual,
}

impl From<RefundState> for RefundWord {
    fn from(state: RefundState) -> Self {
        match state {
            RefundState::Pending => Self::Pending,
            RefundState::Succeeded => Self::Succeeded,
            RefundState::NotFound | RefundState::Failed => Self::Failed,
            RefundState::NeedsManual | RefundState::CameBack => Self::NeedsManual,
        }
    }
}

/// A refund.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RefundView {
    /// Its id.
    pub(crate) refund_id: String,
    /// What goes back.
    pub(crate) amount: Amount,
    /// Where it stands.
    pub(crate) status: RefundWord,
}

/// A code to scan.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CodeView {
    /// The order it pays.
    pub(crate) order_id: String,
    /// Text of the code.
    pub(crate) code_url: String,
    /// What is paid.
    pub(crate) amount: Amount,
    /// Last moment to pay.
    pub(crate) expires_at: String,
}
