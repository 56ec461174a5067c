//! How each action is carried out: which tool is called with what, and which fact its answer becomes.
//!
//! Every step has a file of its own with its call and its look-up; what is searched and chosen is in [`offers`], what
//! hotels, cars and activities share in [`bookings`]. Deliberately not here: when (the runner's), and what may be concluded
//! from a look-up (the domain's registry of steps).

mod accept_change;
mod bookings;
mod cancel;
mod capture;
mod close_payment;
mod commit;
mod hold;
mod offers;
mod open_payment;
mod refund;
mod release;

use bookings::Tool;

use crate::{
    auth::Auth,
    mcp::Server,
    vault::{Vault, VaultError},
};
use std::sync::Arc;
use zhiyou_domain::{
    booking::{
        Read,
        recipe::{Seen, conclude, ended},
    },
    id::{AttemptId, ItemId, RefundId, TravellerId},
    money::Money,
    order::{Fact, ItemCancelQuote, Offer, Op, Order, RefundProgress, Source, StepEnd, StepKey, StepResult},
    plan::import::Traveller,
    policy::Confidence,
    port::{Outcome, Reason, ReasonCode, Word, bookings::*, flights::*, payments::*},
    time::UtcMicros,
};

/// The MCP servers.
pub(crate) struct Ports {
    pub(crate) flights: Server,
    pub(crate) hotels: Server,
    pub(crate) cars: Option<Server>,
    pub(crate) activities: Option<Server>,
    pub(crate) payments: Server,
}

/// Who travels: sealed details and sign-ins.
pub(crate) struct Travellers {
    pub(crate) vault: Arc<Vault>,
    pub(crate) auth: Arc<Auth>,
}

/// A supplier's own word about a booking.
pub(crate) struct Live {
    pub(crate) standing: Standing,
    pub(crate) reference: String,
    pub(crate) price: Money,
}

/// Where a booking stands at its supplier.
pub(crate) enum Standing {
    Booked,
    /// Not booked yet.
    Undecided,
    Cancelled {
        /// What it gave back, when it says.
        refund: Option<Money>,
    },
}

/// Answer to a read: a fact, or nothing to tell yet.
pub(super) enum Heard {
    Fact(Box<Fact>),
    /// Ask again later.
    Later,
}

impl Heard {
    fn fact(fact: Fact) -> Self {
        Self::Fact(Box::new(fact))
    }
}

fn refused<T>(reason: Reason) -> Outcome<T> {
    Outcome::Declined(reason)
}

fn inconsistent<T>(what: impl Into<Word>) -> Outcome<T> {
    Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, what))
}

impl Ports {
    /// Carries out a read.
    pub(super) async fn read(&self, travellers: &Travellers, order: &Order, read: &Read, now: UtcMicros) -> Heard {
        match read {
            Read::FindOffer { item } => self.find_offer(travellers, order, *item, now).await,
            Read::PriceFlight { item } => self.price_flight(order, *item).await,
            Read::FindAgain { item } => self.find_again(travellers, order, *item, now).await,
            Read::Quote { item } => self.quote(order, *item).await,
            Read::AwaitBooking { item } => self.await_booking(order, *item).await,
            Read::SeeChange { item } => self.see_change(order, *item).await,
            Read::QuoteCancel { item } => self.quote_cancel(order, *item, now).await,
            Read::QueryPayment { .. } | Read::QueryRefund { .. } => match self.ask_channel(order, read).await {
                Outcome::Done(news) => news.map_or(Heard::Later, Heard::fact),
                Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
            },
            Read::LookUp { .. } => Heard::Later,
        }
    }

    /// What a channel says of a payment or refund, where that is not what we know.
    pub(super) async fn ask_channel(&self, order: &Order, read: &Read) -> Outcome<Option<Fact>> {
        match read {
            Read::QueryPayment { attempt } => self.query_payment(order, *attempt).await,
            Read::QueryRefund { refund } => self.query_refund(order, *refund).await,
            Read::FindOffer { .. }
            | Read::FindAgain { .. }
            | Read::PriceFlight { .. }
            | Read::Quote { .. }
            | Read::AwaitBooking { .. }
            | Read::SeeChange { .. }
            | Read::QuoteCancel { .. }
            | Read::LookUp { .. } => Outcome::Done(None),
        }
    }

    /// What the supplier says of a booked item now; `None` for an item it has nothing of.
    pub(crate) async fn live(&self, order: &Order, item: ItemId) -> Outcome<Option<Live>> {
        let place = order.item(item).and_then(|place| place.offer.as_ref().zip(place.supplier_order.clone()));
        let Some((offer, id)) = place else { return Outcome::Done(None) };
        if matches!(offer, Offer::Flight(_)) {
            let order: Outcome<FlightOrder> =
                self.flights.call("getFlightOrder", &FlightOrderRef { order_id: id }).await;
            // What comes back for a cancelled flight is not part of the order: nobody guesses it.
            return order.map(|found| {
                let standing = match found.state {
                    FlightOrderState::Ticketed => Standing::Booked,
                    FlightOrderState::Held => Standing::Undecided,
                    FlightOrderState::Cancelled | FlightOrderState::Expired => Standing::Cancelled { refund: None },
                };
                Some(Live { standing, reference: found.booking_reference, price: found.total })
            });
        }
        let booking: Outcome<Booking> = self.booking_call(offer, Tool::Get, &BookingRef { booking_id: id }).await;
        booking.map(|found| {
            let standing = match found.state {
                BookingState::Confirmed => Standing::Booked,
                BookingState::Pending => Standing::Undecided,
                BookingState::Cancelled => Standing::Cancelled { refund: found.refunded },
                BookingState::Rejected => Standing::Cancelled { refund: Some(found.total) },
            };
            Some(Live { standing, reference: found.reference, price: found.total })
        })
    }

    /// What the supplier says of a booked item now, where that is not what we know.
    pub(super) async fn reread(&self, order: &Order, item: ItemId) -> Outcome<Option<Fact>> {
        let cancelled = self.live(order, item).await.map(|live| match live?.standing {
            Standing::Cancelled { refund } => Some(Fact::SupplierCancelled { item, refund, source: Source::Poll }),
            Standing::Booked | Standing::Undecided => None,
        });
        match (cancelled, order.item(item)) {
            (Outcome::Done(None), Some(place)) => self.flight_changes(place).await,
            (known, _) => known,
        }
    }

    async fn price_flight(&self, order: &Order, item: ItemId) -> Heard {
        let Some((place, Some(Offer::Flight(offer)))) = order.item(item).map(|place| (place, &place.offer)) else {
            return Heard::Later;
        };
        let services = place.chosen_seats().iter().map(|seat| seat.service.clone()).collect();
        let request = PriceFlight { offer_id: offer.offer_id.clone(), services };
        match self.flights.call("priceFlight", &request).await {
            Outcome::Done(price) => Heard::fact(Fact::FlightPriced { item, price }),
            Outcome::Declined(reason) => Heard::fact(Fact::PricingRefused { item, reason }),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    async fn quote_cancel(&self, order: &Order, item: ItemId, now: UtcMicros) -> Heard {
        let Some(place) = order.item(item) else { return Heard::Later };
        let Some(id) = place.supplier_order.clone() else { return Heard::Later };
        let quoted = match &place.offer {
            Some(Offer::Flight(_)) => {
                let quote: Outcome<FlightCancellationQuote> =
                    self.flights.call("quoteFlightCancellation", &FlightOrderRef { order_id: id }).await;
                quote.map(|quote| {
                    let cancellation_id = Some(quote.cancellation_id);
                    quote.refund.map(|refund| ItemCancelQuote {
                        cancellation_id,
                        refund,
                        expires_at: quote.expires_at_us,
                        confidence: Confidence::Quoted,
                    })
                })
            }
            Some(offer) => self.booking_cancel_quote(offer, id, now).await.map(Some),
            None => return Heard::Later,
        };
        match quoted {
            Outcome::Done(Some(quote)) => Heard::fact(Fact::ItemCancelQuoted { item, quote }),
            // A supplier that does not say what comes back is asked by a person, not guessed at.
            Outcome::Done(None) => {
                let reason = Reason::new(ReasonCode::NotAllowed, "the supplier does not say what comes back");
                Heard::fact(Fact::ItemCancelRefused { item, reason })
            }
            Outcome::Declined(reason) => Heard::fact(Fact::ItemCancelRefused { item, reason }),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    async fn query_payment(&self, order: &Order, attempt: AttemptId) -> Outcome<Option<Fact>> {
        let status: Outcome<PaymentStatus> =
            self.payments.call("settlePayment", &PaymentRef { attempt_id: attempt }).await;
        status.map(|status| {
            says_something_new(order, &status).then_some(Fact::PaymentReported { status, source: Source::Poll })
        })
    }

    async fn query_refund(&self, order: &Order, refund: RefundId) -> Outcome<Option<Fact>> {
        let known = order.refunds.iter().find(|known| known.id == refund).map(|known| known.state);
        let status: Outcome<RefundStatus> =
            self.payments.call("getRefundStatus", &RefundRef { refund_id: refund }).await;
        status.map(|status| {
            let same = match status.state {
                RefundState::NotFound => true,
                RefundState::Pending => known == Some(RefundProgress::Submitted),
                RefundState::Succeeded => known == Some(RefundProgress::Succeeded),
                RefundState::Failed | RefundState::NeedsManual => known == Some(RefundProgress::Manual),
                RefundState::CameBack => known == Some(RefundProgress::CameBack),
            };
            (!same).then_some(Fact::RefundReported { status, source: Source::Poll })
        })
    }

    /// Carries out a step whose intent is written.
    pub(super) async fn act(&self, travellers: &Travellers, order: &Order, key: &StepKey) -> StepEnd {
        let outcome = match key.op {
            Op::Hold { item } => self.hold(travellers, order, item, key).await,
            Op::Commit { item } => self.commit(travellers, order, item, key).await,
            Op::Release { item } => self.release(order, item).await,
            Op::Cancel { item } => self.cancel(order, item).await,
            Op::AcceptChange { item } => self.accept_change(order, item).await,
            Op::OpenPayment { attempt } => self.open_payment(order, attempt).await,
            Op::ClosePayment { attempt } => self.close_payment(attempt).await,
            Op::Capture { attempt } => self.capture(order, attempt).await,
            Op::Void { attempt } => self.void(attempt).await,
            Op::Refund { refund } => self.refund(order, refund).await,
        };
        ended(key.op, outcome)
    }

    /// How the step ended, or `None` while that is still unknown. `tries` counts earlier look-ups. By our own reference, and
    /// never by doing it again.
    pub(super) async fn look_up(&self, order: &Order, key: &StepKey, tries: u32, now: UtcMicros) -> Option<StepEnd> {
        let started_at = order.open_steps.iter().find(|step| step.key == *key)?.started_at;
        let seen = match key.op {
            Op::Hold { item } => self.see_hold(order, item, key).await,
            Op::Commit { item } => self.see_commit(order, item, key).await,
            Op::Release { item } => self.see_release(order, item).await,
            Op::Cancel { item } => self.see_cancel(order, item).await,
            Op::AcceptChange { item } => self.see_accepted_change(order, item).await,
            Op::OpenPayment { attempt } => self.see_open_payment(order, attempt).await,
            Op::ClosePayment { attempt } => self.see_close_payment(attempt).await,
            Op::Capture { attempt } | Op::Void { attempt } => self.see_settled(attempt).await,
            Op::Refund { refund } => self.see_refund(refund).await,
        };
        conclude(key.op, seen, tries, started_at, now)
    }

    async fn see_flight(&self, id: &str, judge: impl FnOnce(FlightOrder) -> Option<StepResult>) -> Seen {
        let flight: Outcome<FlightOrder> =
            self.flights.call("getFlightOrder", &FlightOrderRef { order_id: id.to_owned() }).await;
        seen(flight, judge)
    }

    /// Asks the member platform who the signed-in traveller is.
    pub(crate) async fn member_profile(&self, travellers: &Travellers, platform: &str) -> Outcome<MemberProfile> {
        const TOOL: &str = "getMemberProfile";
        if !travellers.auth.may_call(platform, TOOL) {
            return refused(Reason::new(ReasonCode::NotAllowed, "the platform tells nothing for a booking"));
        }
        let query = MemberProfileQuery { platform: platform.to_owned() };
        for last_try in [false, true] {
            let bearer = match travellers.auth.access_token(platform).await {
                Ok(bearer) => bearer,
                Err(error) if error.is_transient() => {
                    return Outcome::NotSent(Reason::new(ReasonCode::Network, Word::named(&error)));
                }
                Err(error) => return refused(Reason::new(ReasonCode::Unauthorized, Word::named(&error))),
            };
            match self.flights.call_as(TOOL, &query, &bearer).await {
                // One refresh is tried; a platform that refuses twice has signed the traveller out.
                Outcome::Declined(reason) if reason.code == ReasonCode::Unauthorized => {
                    travellers.auth.rejected(platform, &bearer.token).await;
                    if last_try {
                        return refused(reason);
                    }
                }
                other => return other,
            }
        }
        refused(Reason::new(ReasonCode::Unauthorized, "the platform refused twice"))
    }
}

/// What a read says about a step: `judge` tells whether what was read is what the step would have made.
fn seen<R>(outcome: Outcome<R>, judge: impl FnOnce(R) -> Option<StepResult>) -> Seen {
    match outcome {
        Outcome::Done(value) => judge(value).map_or(Seen::NotThere, Seen::There),
        Outcome::Declined(reason) if reason.code == ReasonCode::NotFound => Seen::NotThere,
        Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) => Seen::Silent,
    }
}

fn missing(item: ItemId, reason: Reason) -> Heard {
    Heard::fact(Fact::OfferMissing { item, reason })
}

fn later(reason: &Reason) -> Heard {
    tracing::info!(?reason, "asking again later");
    Heard::Later
}

fn says_something_new(order: &Order, status: &PaymentStatus) -> bool {
    use zhiyou_domain::order::AttemptState;
    let Some(known) = order.attempt(status.attempt_id).map(|attempt| attempt.state) else { return false };
    match status.state {
        PaymentState::NotFound | PaymentState::RequiresAction => false,
        PaymentState::Processing => matches!(known, AttemptState::Created | AttemptState::RequiresAction),
        // Also of one that seemed over: what comes late is let go.
        PaymentState::Authorised => !matches!(known, AttemptState::Authorised | AttemptState::Captured),
        PaymentState::Captured => known != AttemptState::Captured,
        PaymentState::Failed | PaymentState::Closed => AttemptState::OPEN.contains(&known),
    }
}

async fn details(travellers: &Travellers, ids: &[TravellerId]) -> Result<Vec<Traveller>, Outcome<StepResult>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let sealed = travellers.vault.get("traveller", &id.to_string()).await;
        let plain = sealed.map_err(|error| {
            let code = match error {
                VaultError::Closed(_) => ReasonCode::VaultClosed,
                _ => ReasonCode::InvalidRequest,
            };
            Outcome::NotSent(Reason::new(code, Word::named(&error)))
        })?;
        let traveller = plain.as_deref().and_then(|plain| serde_json::from_slice::<Traveller>(plain).ok());
        found.push(traveller.ok_or_else(|| inconsistent("a traveller's details are missing"))?);
    }
    Ok(found)
}
