//! What the world answers to questions.

use crate::{
    plan::{ItemPlan, Kind, Plan},
    world::{State, World, moved},
};
use zhiyou_domain::{
    booking::{
        Read,
        recipe::{Seen, conclude},
    },
    id::ItemId,
    order::{AttemptState, Fact, Op, Order, OrderItem, RefundProgress, Source, StepKey, StepResult},
    port::{
        Reason, ReasonCode,
        bookings::BookingState,
        flights::FlightPrice,
        payments::{PaymentState, RefundState},
    },
    time::UtcMicros,
};

/// A fact, or nothing to tell yet. `now` is the world's time, then ours.
pub(crate) fn answer(
    world: &mut World,
    plan: &Plan,
    order: &Order,
    read: &Read,
    tries: u32,
    factor: i64,
    (now, ours): (UtcMicros, UtcMicros),
) -> Option<Fact> {
    let item = |id: &ItemId| Some((order.item(*id)?, plan.item(*id)?));
    match read {
        Read::FindOffer { item: id } => {
            let (place, item) = item(id)?;
            Some(Fact::OfferFound { item: place.wanted.id, offer: Box::new(world.offer(item, now, 1_000)) })
        }
        Read::FindAgain { item: id } => {
            let (_, item) = item(id)?;
            if factor != 1_000 && item.price_minor % 2 == 0 {
                return Some(Fact::OfferMissing { item: *id, reason: Reason::new(ReasonCode::SoldOut, "gone") });
            }
            let offer = Box::new(world.offer(item, now, factor));
            Some(Fact::OfferFoundAgain { item: *id, offer, seats: Vec::new() })
        }
        Read::PriceFlight { item: id } => {
            let (place, _) = item(id)?;
            let offer = place.offer.as_ref()?;
            let price = FlightPrice { total: offer.total(), expires_at_us: offer.expires_at() };
            Some(Fact::FlightPriced { item: *id, price })
        }
        Read::Quote { item: id } => {
            let (place, item) = item(id)?;
            let offer = place.offer.as_ref()?;
            if offer.expires_at() <= now {
                let reason = Reason::new(ReasonCode::OfferExpired, "too late");
                return Some(Fact::PricingRefused { item: *id, reason });
            }
            Some(Fact::Quoted { item: *id, quote: world.quote(item, offer, now) })
        }
        Read::AwaitBooking { item: id } => {
            let (place, item) = item(id)?;
            let booking = world.by_id(place.supplier_order.as_ref()?)?;
            let told = world.told(booking, item, now);
            (told.state != BookingState::Pending).then_some(Fact::BookingReported { item: *id, booking: told })
        }
        Read::SeeChange { item: id } => {
            let (place, item) = item(id)?;
            let change_id = place.proposed.as_ref()?.change_id.clone()?;
            let booking = world.by_id(place.supplier_order.as_ref()?)?;
            let newest = booking.changes.last().filter(|_| booking.state == State::Booked)?;
            if newest.kept {
                let kept = newest.id == change_id;
                return Some(Fact::ChangeSettled { item: *id, change_id, kept });
            }
            let offer = Box::new(moved(item, place.offer.as_ref()?, newest.hours));
            Some(Fact::ChangeProposed { item: *id, offer, change_id: Some(newest.id.clone()) })
        }
        Read::QuoteCancel { item: id } => {
            let (place, item) = item(id)?;
            let booking = world.by_id(place.supplier_order.as_ref()?)?;
            if booking.state != State::Booked {
                let reason = Reason::new(ReasonCode::NotAllowed, "not booked");
                return Some(Fact::ItemCancelRefused { item: *id, reason });
            }
            Some(Fact::ItemCancelQuoted { item: *id, quote: world.cancel_quote(item, booking.price, ours) })
        }
        Read::QueryPayment { attempt } => {
            let status = world.payment(*attempt);
            let known = order.attempt(*attempt)?.state;
            let news = match status.state {
                PaymentState::NotFound | PaymentState::RequiresAction => false,
                PaymentState::Processing => matches!(known, AttemptState::Created | AttemptState::RequiresAction),
                PaymentState::Authorised => {
                    matches!(known, AttemptState::Created | AttemptState::RequiresAction | AttemptState::Processing)
                }
                PaymentState::Captured => known != AttemptState::Captured,
                PaymentState::Failed | PaymentState::Closed => AttemptState::OPEN.contains(&known),
            };
            news.then_some(Fact::PaymentReported { status, source: Source::Poll })
        }
        Read::QueryRefund { refund } => {
            let status = world.refund_status(*refund);
            let known = order.refunds.iter().find(|known| known.id == *refund)?.state;
            let news = match status.state {
                RefundState::NotFound => false,
                RefundState::Pending => known != RefundProgress::Submitted,
                RefundState::Succeeded => known != RefundProgress::Succeeded,
                RefundState::Failed | RefundState::NeedsManual => known != RefundProgress::Manual,
                RefundState::CameBack => known != RefundProgress::CameBack,
            };
            news.then_some(Fact::RefundReported { status, source: Source::Poll })
        }
        Read::LookUp { key } => {
            let started = order.open_steps.iter().find(|step| step.key == *key)?.started_at;
            let end = conclude(key.op, see(world, plan, order, key, now), tries, started, ours)?;
            Some(Fact::StepEnded { key: key.clone(), end })
        }
    }
}

fn see(world: &mut World, plan: &Plan, order: &Order, key: &StepKey, now: UtcMicros) -> Seen {
    let place = |id: ItemId| Some((order.item(id)?, plan.item(id)?));
    let seen = match key.op {
        Op::Hold { .. } => world.find(&key.reference()).map(|held| StepResult::Flight(world.flight(held, now))),
        Op::Commit { item } => place(item).and_then(|(place, item)| committed(world, place, item, key, now)),
        Op::Release { item } => place(item).and_then(|(place, _)| {
            let held = world.by_id(place.supplier_order.as_ref()?)?;
            (!held.live(now)).then_some(StepResult::Released)
        }),
        Op::Cancel { item } => place(item).and_then(|(place, _)| {
            let booking = world.by_id(place.supplier_order.as_ref()?)?;
            (!booking.live(now)).then_some(StepResult::Cancelled { refund: Some(booking.returned) })
        }),
        Op::AcceptChange { item } => match world.changing(order, item) {
            Some((booking, change_id)) => match booking.changes.last() {
                Some(newest) if newest.id != change_id => {
                    return Seen::Refused(Reason::new(ReasonCode::OfferExpired, "another change came since"));
                }
                Some(newest) if newest.kept => Some(StepResult::ChangeKept { change_id }),
                _ if booking.state != State::Booked => {
                    return Seen::Refused(Reason::new(ReasonCode::AlreadyClosed, "no longer booked"));
                }
                _ => None,
            },
            // Settled on our side meanwhile: the booking is gone.
            None => return Seen::Refused(Reason::new(ReasonCode::AlreadyClosed, "no longer booked")),
        },
        Op::OpenPayment { .. } => {
            return match world.act(plan, order, key, now) {
                zhiyou_domain::port::Outcome::Done(result) => Seen::There(result),
                zhiyou_domain::port::Outcome::Declined(reason) => Seen::Refused(reason),
                _ => Seen::Silent,
            };
        }
        Op::ClosePayment { attempt } => {
            let status = world.payment(attempt);
            let over = !matches!(status.state, PaymentState::RequiresAction | PaymentState::Processing);
            over.then_some(StepResult::Payment(status))
        }
        Op::Capture { attempt } | Op::Void { attempt } => {
            let status = world.payment(attempt);
            let over = status.state != PaymentState::Authorised;
            over.then_some(StepResult::Payment(status))
        }
        Op::Refund { refund } => {
            let status = world.refund_status(refund);
            (status.state != RefundState::NotFound).then_some(StepResult::Refund(status))
        }
    };
    seen.map_or(Seen::NotThere, Seen::There)
}

fn committed(world: &World, place: &OrderItem, item: &ItemPlan, key: &StepKey, now: UtcMicros) -> Option<StepResult> {
    let firm = place.hold.as_ref().is_some_and(|hold| hold.firm);
    if item.kind != Kind::Flight {
        let booking = world.find(&key.reference())?;
        return Some(StepResult::Booking(world.told(booking, item, now)));
    }
    if !firm {
        return world.find(&key.reference()).map(|booking| StepResult::Flight(world.flight(booking, now)));
    }
    let held = world.by_id(place.supplier_order.as_ref()?)?;
    (held.state != State::Held).then(|| StepResult::Flight(world.flight(held, now)))
}
