//! Payment channels behind one trait, and the only place that matches on the channel.
//!
//! `pay/<name>/` holds a channel; [`desk`] holds our own rules around every channel. Deliberately not here: a channel's wire
//! format, and tables.

pub(crate) mod alipay;
pub(crate) mod alipayplus;
pub(crate) mod bounce;
pub(crate) mod credit;
pub(crate) mod desk;
pub(crate) mod experience;
mod health;
pub(crate) mod paypal;
#[cfg(test)]
mod recorded;
pub(crate) mod rsa;
pub(crate) mod stripe;
pub(crate) mod turns;
pub(crate) mod wechatpay;

use crate::{
    reconcile::line::{Bill, Day, Midnight},
    store::{attempts::Attempt, refunds::Refund},
};
use async_trait::async_trait;
use axum::http::HeaderMap;
use std::{collections::BTreeMap, sync::Arc};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{Bounds, Channel, DisputeState, PaymentAction, PaymentState, Presentation, RefundState},
    },
    time::UtcMicros,
};

/// What a channel can do, as data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capabilities<'a> {
    /// Currencies it charges.
    pub(crate) currencies: &'a [Currency],
    /// How the payer pays.
    pub(crate) presents: Presentation,
    /// Whether money can be authorised first and taken later.
    pub(crate) authorises: bool,
    /// Whether opening a payment is a call that the channel answers, and not something made here.
    pub(crate) opens_by_call: bool,
    /// How much one payment can be, where that is known.
    pub(crate) bounds: &'static [Bounds],
    /// What it keeps of a payment, basis points.
    pub(crate) fee_bp: u16,
    /// How long a refund usually takes, minutes.
    pub(crate) refund_min: u32,
    /// Longest description, bytes of UTF-8.
    pub(crate) description_bytes_max: usize,
    /// Longest refund reason, bytes of UTF-8.
    pub(crate) refund_reason_bytes_max: usize,
    /// Where the days of its bills begin.
    pub(crate) midnight: Midnight,
}

/// What a channel says about a payment; merchant, app and number are already ours, the amount is not yet compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentSeen {
    /// Where it stands.
    pub(crate) state: PaymentState,
    /// The channel's number.
    pub(crate) transaction_id: Option<String>,
    /// The amount of the order at the channel.
    pub(crate) total: Option<Money>,
    /// What of it was taken, where that can be less.
    pub(crate) taken: Option<Money>,
    /// When money moved.
    pub(crate) paid_at_us: Option<UtcMicros>,
}

impl PaymentSeen {
    /// A state without money.
    pub(crate) const fn bare(state: PaymentState) -> Self {
        Self { state, transaction_id: None, total: None, taken: None, paid_at_us: None }
    }
}

/// What a channel says about a refund; amount and payment are not yet compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefundSeen {
    /// Where it stands.
    pub(crate) state: RefundState,
    /// Number of the payment it comes from.
    pub(crate) payment_number: String,
    /// What is given back.
    pub(crate) amount: Money,
    /// The amount of the payment.
    pub(crate) total: Money,
    /// The channel's own id of the refund, where it is needed to ask about it.
    pub(crate) provider_ref: Option<String>,
}

/// What a channel says about a dispute; the payment is not yet compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DisputeSeen {
    /// The channel's id of the dispute.
    pub(crate) dispute_id: String,
    /// How much of the payment it is about; all of it where that is not said.
    pub(crate) amount: Option<Money>,
    /// Where it stands.
    pub(crate) state: DisputeState,
    /// When the channel was asked, where this is its answer.
    pub(crate) as_of_us: Option<UtcMicros>,
}

/// A verified notification.
#[derive(Debug)]
pub(crate) struct Notice {
    /// The provider's event id.
    pub(crate) event_id: String,
    /// Its second id of the same event, if it gives two; neither may come back with another content.
    pub(crate) second_id: Option<String>,
    /// SHA-256 of the opened content, hex: the same event must always say the same.
    pub(crate) digest: String,
    /// What it says.
    pub(crate) content: NoticeContent,
}

/// What a notification says.
#[derive(Debug)]
pub(crate) enum NoticeContent {
    /// About the payment with this number.
    Payment(String, PaymentSeen),
    /// About the refund with this number.
    Refund(String, RefundSeen),
    /// The payer's bank wants the payment with this number, ours or the channel's, back, or has decided.
    Dispute(String, DisputeSeen),
    /// Something happened to the payment with this number; the channel has to be asked what.
    PaymentHint(String),
    /// Something happened to the refund with this number; the channel has to be asked what.
    RefundHint(String),
    /// About a flight order.
    FlightOrder(String),
    /// About a hotel booking.
    HotelBooking(String),
    /// A kind we have no use for.
    Ignored(String),
    /// Rightly signed, but about another merchant, app or world.
    Foreign(String),
}

/// Why a notification was refused before anything was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The provider tests whether we check signatures; no alarm.
    #[error("a deliberate signature probe")]
    Probe,
    /// Not proved to come from the provider.
    #[error("not authentic: {0}")]
    NotAuthentic(String),
    /// Authentic and unreadable.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// What the proof needs cannot be reached; the provider shall send it again.
    #[error("not provable now: {0}")]
    Unprovable(String),
}

/// A payment that was opened at its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// What the payer does next.
    pub(crate) action: PaymentAction,
    /// The channel's own id of the payment, where it is needed to ask about it; kept in the attempt's row.
    pub(crate) provider_ref: Option<String>,
}

/// What a channel wants to read when its notification was kept, and when it was not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    /// Content type of both.
    pub(crate) content_type: &'static str,
    /// Body with status 200.
    pub(crate) kept: &'static str,
    /// Body with the status of a refusal; the same for every reason.
    pub(crate) refused: &'static str,
}

/// A payment channel. Effects are sent once: whether to try again is the caller's decision.
#[async_trait]
pub(crate) trait PaymentChannel: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities<'_>;

    /// What it wants to read after a notification.
    fn receipt(&self) -> Receipt;

    /// Sees to it that notifications come to this address, where that is ours to say.
    async fn register(&self, _: &str) -> Outcome<()> {
        Outcome::Done(())
    }

    /// Opens the payment; the same attempt again shows the same payment.
    async fn create(&self, attempt: &Attempt) -> Outcome<Opened>;

    /// Where the payment stands, after what was begun was ended: what the payer approved is taken where that is ours to do, and
    /// what may not have arrived is sent again under its key. [`PaymentState::NotFound`] when the channel does not know it.
    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen>;

    /// Where the payment stands, without any effect; a channel whose [`Self::query`] has one says here how to do without.
    async fn peek(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.query(attempt).await
    }

    /// Whether the channel knows a payment under this number although we have no record of it.
    async fn knows(&self, attempt: AttemptId) -> Outcome<bool>;

    /// Closes the payment unless money came first; answers what is true afterwards.
    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen>;

    /// Takes authorised money, once; the rest is let go. Answers what is true afterwards.
    async fn capture(&self, _: &Attempt, _: Money) -> Outcome<PaymentSeen> {
        Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "the channel takes money at once"))
    }

    /// Lets authorised money go, once. Answers what is true afterwards.
    async fn void(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "the channel takes money at once"))
    }

    /// What counts of what was seen, judged again in the transaction that writes it: for a channel whose only record is our row.
    fn judged(&self, _row: &Attempt, seen: &PaymentSeen) -> PaymentSeen {
        seen.clone()
    }

    /// Gives money back; the same refund again gives back once.
    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen>;

    /// Where the refund stands; none when the channel does not know it.
    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>>;

    /// Where a refund stands that was asked for before and is refused now: it can be us who are refused, and the money on its way.
    async fn after_refusal(&self, refund: &Refund, attempt: &Attempt, _: &Reason) -> Outcome<Option<RefundSeen>> {
        self.query_refund(refund, attempt).await
    }

    /// The channel's own account of a day, whole or not at all; [`Bill::NotYet`] while there is none.
    async fn bill(&self, _: Day) -> Outcome<Bill> {
        Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "the bills of this channel are not read"))
    }

    /// Whether [`PaymentChannel::bill`] ever answers one.
    fn has_bills(&self) -> bool {
        true
    }

    /// Does what is to be done now and then, whatever is paid.
    async fn look_after(&self) {}

    /// Proves and opens a notification; the only thing it may fetch is what the proof needs.
    async fn verify_notification(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused>;
}

/// Every configured channel.
#[derive(Clone, Default)]
pub(crate) struct Channels {
    adapters: BTreeMap<Channel, Arc<dyn PaymentChannel>>,
}

impl Channels {
    /// Adds the adapter of a channel.
    pub(crate) fn with(mut self, channel: Channel, adapter: Arc<dyn PaymentChannel>) -> Self {
        self.adapters.insert(channel, adapter);
        self
    }

    /// The adapter of a channel; none when it is not configured.
    pub(crate) fn of(&self, channel: Channel) -> Option<&dyn PaymentChannel> {
        self.adapters.get(&channel).map(|adapter| &**adapter)
    }

    /// Every configured channel with its adapter.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Channel, &dyn PaymentChannel)> {
        self.adapters.iter().map(|(channel, adapter)| (*channel, &**adapter))
    }
}

/// The one value of a header; none when it is missing, empty, repeated, too long or no text.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str, bytes_max: usize) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= bytes_max)
}

/// An answer that does not belong to the question: what became of the call is not known, and somebody should look.
pub(crate) fn integrity<T>(problem: &'static str) -> Outcome<T> {
    tracing::error!(problem, "an answer of the payment channel does not belong to the question");
    Outcome::Unknown(Reason::new(ReasonCode::IntegrityFault, problem))
}

/// Cuts a text to at most `bytes_max` bytes without splitting a character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_description_is_cut_between_characters() {
        let text = "机票".repeat(30);
        assert_eq!(cut(&text, 127).len(), 126);
        assert!(text.starts_with(cut(&text, 127)));
        assert_eq!(cut("short", 127), "short");
        assert_eq!(cut("机", 2), "");
    }
}
