//! How each action is carried out: which tool is called with what, and which fact its answer becomes.
//!
//! Flights and payments are here; what is searched and chosen is in [`offers`], what hotels, cars and activities share in
//! [`bookings`]. Deliberately not here: when (the runner's), and finding out how a lost call ended (see [`super::lookup`]).

mod bookings;
mod offers;

pub(super) use bookings::Tool;

use crate::{auth::Auth, mcp::Server, vault::Vault};
use std::sync::Arc;
use zhiyou_domain::{
    booking::Read,
    id::{AttemptId, ItemId, RefundId, TravellerId},
    money::Money,
    order::{Fact, ItemCancelQuote, Offer, Op, Order, RefundProgress, Source, StepEnd, StepKey, StepResult},
    plan::import::Traveller,
    policy::Confidence,
    port::{Outcome, Reason, ReasonCode, bookings::*, flights::*, payments::*},
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

fn inconsistent<T>(what: &str) -> Outcome<T> {
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
            Read::QuoteCancel { item } => self.quote_cancel(order, *item, now).await,
            Read::QueryPayment { attempt } => self.query_payment(order, *attempt).await,
            Read::QueryRefund { refund } => self.query_refund(order, *refund).await,
            Read::LookUp { .. } => Heard::Later,
        }
    }

    /// What the supplier says of a booked item now, where that is not what we know.
    pub(super) async fn reread(&self, order: &Order, item: ItemId) -> Outcome<Option<Fact>> {
        let Some((offer, id)) =
            order.item(item).and_then(|place| place.offer.as_ref().zip(place.supplier_order.clone()))
        else {
            return Outcome::Done(None);
        };
        let cancelled = |refund| Some(Fact::SupplierCancelled { item, refund, source: Source::Poll });
        if matches!(offer, Offer::Flight(_)) {
            let order: Outcome<FlightOrder> =
                self.flights.call("getFlightOrder", &FlightOrderRef { order_id: id }).await;
            // What comes back for a cancelled flight is not part of the order: nobody guesses it.
            return order.map(|order| (order.state == FlightOrderState::Cancelled).then(|| cancelled(None)).flatten());
        }
        let booking: Outcome<Booking> = self.booking_call(offer, Tool::Get, &BookingRef { booking_id: id }).await;
        booking.map(|found| match found.state {
            BookingState::Cancelled => cancelled(found.refunded),
            BookingState::Rejected => cancelled(Some(found.total)),
            BookingState::Confirmed | BookingState::Pending => None,
        })
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

    async fn query_payment(&self, order: &Order, attempt: AttemptId) -> Heard {
        match self.payments.call("getPaymentStatus", &PaymentRef { attempt_id: attempt }).await {
            Outcome::Done(status) if says_something_new(order, &status) => {
                Heard::fact(Fact::PaymentReported { status, source: Source::Poll })
            }
            Outcome::Done(_) => Heard::Later,
            Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    async fn query_refund(&self, order: &Order, refund: RefundId) -> Heard {
        let known = order.refunds.iter().find(|known| known.id == refund).map(|known| known.state);
        match self.payments.call::<_, RefundStatus>("getRefundStatus", &RefundRef { refund_id: refund }).await {
            Outcome::Done(status) => {
                let same = match status.state {
                    RefundState::NotFound => true,
                    RefundState::Pending => known == Some(RefundProgress::Submitted),
                    RefundState::Succeeded => known == Some(RefundProgress::Succeeded),
                    RefundState::Failed | RefundState::NeedsManual => known == Some(RefundProgress::Manual),
                };
                if same { Heard::Later } else { Heard::fact(Fact::RefundReported { status, source: Source::Poll }) }
            }
            Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// Carries out a step whose intent is written.
    pub(super) async fn act(&self, travellers: &Travellers, order: &Order, key: &StepKey) -> StepEnd {
        let outcome = match key.op {
            Op::Hold { item } => self.hold(travellers, order, item, key).await,
            Op::Commit { item } => self.commit(travellers, order, item, key).await,
            Op::Release { item } => self.release(order, item).await,
            Op::Cancel { item } => self.cancel(order, item).await,
            Op::OpenPayment { attempt } => self.open_payment(order, attempt).await.map(StepResult::PaymentOpened),
            Op::ClosePayment { attempt } => {
                self.payments.call("closePayment", &PaymentRef { attempt_id: attempt }).await.map(StepResult::Payment)
            }
            Op::Refund { refund } => self.refund(order, refund).await.map(StepResult::Refund),
        };
        end(outcome)
    }

    async fn hold(&self, travellers: &Travellers, order: &Order, item: ItemId, key: &StepKey) -> Outcome<StepResult> {
        let request = match flight_request(travellers, self, order, item, key).await {
            Ok(request) => request,
            Err(outcome) => return outcome,
        };
        self.flights.call("holdFlight", &request).await.map(StepResult::Flight)
    }

    async fn commit(&self, travellers: &Travellers, order: &Order, item: ItemId, key: &StepKey) -> Outcome<StepResult> {
        let Some(place) = order.item(item) else { return inconsistent("no such item") };
        match (&place.offer, &place.hold) {
            (Some(Offer::Flight(_)), Some(hold)) if hold.firm => {
                let Some(order_id) = place.supplier_order.clone() else {
                    return inconsistent("a hold without an order");
                };
                let request = PayHeldFlight { order_id, amount: hold.price };
                self.flights.call("payHeldFlight", &request).await.map(StepResult::Flight)
            }
            (Some(Offer::Flight(_)), Some(_)) => match flight_request(travellers, self, order, item, key).await {
                Ok(request) => self.flights.call("bookFlight", &request).await.map(StepResult::Flight),
                Err(outcome) => outcome,
            },
            (Some(offer), Some(hold)) => self.book(travellers, place, offer, hold, key).await,
            (_, None) | (None, _) => inconsistent("an item without an offer or a price"),
        }
    }

    async fn release(&self, order: &Order, item: ItemId) -> Outcome<StepResult> {
        let Some(order_id) = order.item(item).and_then(|place| place.supplier_order.clone()) else {
            return inconsistent("a hold without an order");
        };
        let quote: Outcome<FlightCancellationQuote> =
            self.flights.call("quoteFlightCancellation", &FlightOrderRef { order_id: order_id.clone() }).await;
        let cancellation_id = match quote {
            Outcome::Done(quote) => quote.cancellation_id,
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return refused(reason),
        };
        let request = ConfirmFlightCancellation { order_id, cancellation_id };
        self.flights
            .call::<_, FlightCancelled>("confirmFlightCancellation", &request)
            .await
            .map(|_| StepResult::Released)
    }

    async fn cancel(&self, order: &Order, item: ItemId) -> Outcome<StepResult> {
        let Some(place) = order.item(item) else { return inconsistent("no such item") };
        let Some(id) = place.supplier_order.clone() else { return inconsistent("a booking without an id") };
        let quoted = place.cancel_quote.as_ref().and_then(|quote| quote.cancellation_id.clone());
        match (&place.offer, quoted) {
            (Some(Offer::Flight(_)), Some(cancellation_id)) => {
                let request = ConfirmFlightCancellation { order_id: id, cancellation_id };
                self.flights
                    .call::<_, FlightCancelled>("confirmFlightCancellation", &request)
                    .await
                    .map(|cancelled| StepResult::Cancelled { refund: cancelled.refund })
            }
            (Some(Offer::Flight(_)), None) | (None, _) => inconsistent("nothing was quoted"),
            (Some(offer), _) => self
                .booking_call::<_, Booking>(offer, Tool::Cancel, &BookingRef { booking_id: id })
                .await
                .map(|booking| StepResult::Cancelled { refund: booking.refunded }),
        }
    }

    pub(super) async fn open_payment(&self, order: &Order, attempt: AttemptId) -> Outcome<PaymentIntent> {
        let Some(known) = order.attempt(attempt) else { return inconsistent("no such attempt") };
        let request = CreatePaymentIntent {
            attempt_id: attempt,
            channel: known.channel,
            amount: known.amount,
            description: description(order),
            expires_at_us: known.pay_by,
        };
        self.payments.call("createPaymentIntent", &request).await
    }

    async fn refund(&self, order: &Order, refund: RefundId) -> Outcome<RefundStatus> {
        let Some(known) = order.refunds.iter().find(|known| known.id == refund) else {
            return inconsistent("no such refund");
        };
        let request = CreateRefund {
            refund_id: refund,
            attempt_id: known.attempt,
            amount: known.amount,
            reason: "行程退款 Trip refund".to_owned(),
        };
        self.payments.call("createRefund", &request).await
    }

    /// Asks the member platform who the signed-in traveller is.
    pub(crate) async fn member_profile(&self, travellers: &Travellers, platform: &str) -> Outcome<MemberProfile> {
        let query = MemberProfileQuery { platform: platform.to_owned() };
        for last_try in [false, true] {
            let token = match travellers.auth.access_token(platform).await {
                Ok(bearer) => bearer.token,
                Err(error) if error.is_transient() => {
                    return Outcome::NotSent(Reason::new(ReasonCode::Network, error.to_string()));
                }
                Err(error) => return refused(Reason::new(ReasonCode::Unauthorized, error.to_string())),
            };
            match self.flights.call_as("getMemberProfile", &query, &token).await {
                // One refresh is tried; a platform that refuses twice has signed the traveller out.
                Outcome::Declined(reason) if reason.code == ReasonCode::Unauthorized => {
                    travellers.auth.rejected(platform, &token).await;
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

pub(super) fn end(outcome: Outcome<StepResult>) -> StepEnd {
    match outcome {
        Outcome::Done(result) => StepEnd::Done { result },
        Outcome::NotSent(reason) => StepEnd::NotSent { reason },
        Outcome::Declined(reason) => StepEnd::Declined { reason },
        Outcome::Unknown(reason) => StepEnd::Unknown { reason },
    }
}

fn missing(item: ItemId, reason: Reason) -> Heard {
    Heard::fact(Fact::OfferMissing { item, reason })
}

fn later(reason: &Reason) -> Heard {
    tracing::info!(?reason, "asking again later");
    Heard::Later
}

/// What the payer reads: no personal data, and which order it is.
fn description(order: &Order) -> String {
    let tail: String = order.id.bare().chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("智游行程 Zhiyou trip {tail}")
}

fn says_something_new(order: &Order, status: &PaymentStatus) -> bool {
    use zhiyou_domain::order::AttemptState;
    let Some(known) = order.attempt(status.attempt_id).map(|attempt| attempt.state) else { return false };
    match status.state {
        PaymentState::NotFound | PaymentState::RequiresAction => false,
        PaymentState::Processing => matches!(known, AttemptState::Created | AttemptState::RequiresAction),
        PaymentState::Captured => known != AttemptState::Captured,
        PaymentState::Failed | PaymentState::Closed => AttemptState::OPEN.contains(&known),
    }
}

async fn details(travellers: &Travellers, ids: &[TravellerId]) -> Result<Vec<Traveller>, Outcome<StepResult>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let sealed = travellers.vault.get("traveller", &id.to_string()).await;
        let plain =
            sealed.map_err(|error| Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, error.to_string())))?;
        let traveller = plain.as_deref().and_then(|plain| serde_json::from_slice::<Traveller>(plain).ok());
        found.push(traveller.ok_or_else(|| inconsistent("a traveller's details are missing"))?);
    }
    Ok(found)
}

async fn flight_request(
    travellers: &Travellers,
    ports: &Ports,
    order: &Order,
    item: ItemId,
    key: &StepKey,
) -> Result<HoldFlight, Outcome<StepResult>> {
    let Some(place) = order.item(item) else { return Err(inconsistent("no such item")) };
    let Some(Offer::Flight(offer)) = &place.offer else { return Err(inconsistent("no flight offer")) };
    let people = details(travellers, &place.wanted.travellers).await?;
    if people.len() != offer.passenger_ids.len() {
        return Err(inconsistent("the offer is for another number of passengers"));
    }
    let profile = match &place.wanted.member_platform {
        Some(platform) => match ports.member_profile(travellers, platform).await {
            Outcome::Done(profile) => Some(profile),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Err(Outcome::NotSent(reason)),
            Outcome::Declined(reason) => return Err(refused(reason)),
        },
        None => None,
    };
    let member = profile.as_ref().map(|profile| member_index(&people, profile));
    let loyalty = |index| profile.as_ref().filter(|_| member == Some(index)).map(|profile| profile.loyalty.clone());
    let passenger = |(index, (person, id)): (usize, (&Traveller, &String))| Passenger {
        passenger_id: id.clone(),
        title: person.title,
        gender: person.gender,
        given_name: person.given_name.clone(),
        family_name: person.family_name.clone(),
        born_on: person.born_on,
        email: person.email.clone(),
        phone_number: person.phone_number.clone(),
        loyalty: loyalty(index),
    };
    let services: Vec<ChosenService> = place.chosen_seats().iter().map(|seat| seat.service.clone()).collect();
    let expected_total = match &place.hold {
        Some(hold) => Ok(hold.price),
        None => Money::sum(offer.total.currency(), services.iter().map(|service| service.price))
            .and_then(|seats| seats.plus(offer.total)),
    };
    Ok(HoldFlight {
        reference: key.reference(),
        offer_id: offer.offer_id.clone(),
        passengers: people.iter().zip(&offer.passenger_ids).enumerate().map(passenger).collect(),
        services,
        expected_total: expected_total.map_err(|error| inconsistent(&error.to_string()))?,
    })
}

/// The membership is credited to the traveller with the member's name, else to the first one.
fn member_index(people: &[Traveller], profile: &MemberProfile) -> usize {
    let same = |person: &Traveller| {
        person.given_name.eq_ignore_ascii_case(&profile.given_name)
            && person.family_name.eq_ignore_ascii_case(&profile.family_name)
    };
    people.iter().position(same).unwrap_or(0)
}
