//! The order screens' view of an order.

use super::{civil, detail, fault_code, money, order_state, payment, priority, segment};
use crate::api::view::*;
use std::collections::BTreeMap;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{ItemId, OrderId},
    money::{Money, MoneyError},
    order::{
        CancelReason, Cancellation, CancellationState, ChangeStanding, Debt, ItemState, Offer, Order, OrderItem,
        OrderState, SeatChoice, Source, TimelineEntry, TimelineKind, cart,
        deadline::{self, Deadline, DeadlineKind},
        debt::{Matter, Owner},
        graph,
        ledger::{self, Figure},
        risk,
    },
    places,
    plan::ItemRequest,
    policy::{Confidence, Terms},
    port::{ReasonCode, flights::FlightTerms, hotels::HotelRate},
    time::UtcMicros,
};

/// Which order books an item again.
pub(crate) type Rebooked = BTreeMap<ItemId, OrderId>;

/// What an order's view shows beside the order.
pub(crate) struct Context<'a> {
    /// Its plan's title.
    pub(crate) title: &'a str,
    /// Why nothing more happens to it.
    pub(crate) frozen: Option<FaultCode>,
    /// Items that other orders book again.
    pub(crate) rebooked: &'a Rebooked,
    /// The order some of whose items it books again.
    pub(crate) broken: Option<&'a Order>,
}

/// The view of `order` at `now`.
///
/// # Errors
/// Internal when stored amounts do not add up.
pub(crate) fn order_view(order: &Order, context: &Context<'_>, now: UtcMicros) -> Result<OrderView, Fault> {
    build(order, context, now).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}

fn build(order: &Order, context: &Context<'_>, now: UtcMicros) -> Result<OrderView, MoneyError> {
    let frozen = context.frozen;
    let (position, exposure) = (ledger::position(order, now)?, risk::exposure(order, now)?);
    let total = match &order.confirmed {
        Some(confirmed) => confirmed.total,
        None => cart::total(order)?,
    };
    Ok(OrderView {
        id: order.id.to_string(),
        plan_id: order.plan.to_string(),
        title: context.title.to_owned(),
        state: order_state(order.state),
        version: i64::try_from(order.version).unwrap_or(i64::MAX),
        created_at_us: order.created_at.0,
        next: next_step(order),
        items: order.items.iter().map(|item| item_view(order, item, context.rebooked, now)).collect(),
        total: money(total),
        budget: money(order.budget),
        cart_hash: if order.state == OrderState::Draft { cart::hash(order) } else { None },
        worst_case: money(exposure.loss),
        worst_case_rises_at_us: exposure.rises_at.map(|at| at.0),
        conflicts: match context.broken {
            Some(broken) => graph::conflicts_of_repair(broken, order),
            None => graph::conflicts_with_changes(order),
        }
        .iter()
        .map(conflict)
        .collect(),
        deadline: earliest(order),
        payment: payment::newest(order),
        parts: payment::parts(order),
        money: MoneyMapView {
            paid: figure(&position.paid),
            committed: figure(&position.committed),
            held: figure(&position.held),
            refund_in_transit: figure(&position.refund_in_transit),
            refunded: figure(&position.returned),
            refundable_now: figure(&position.refundable_now),
            open_matters: figure(&position.debts),
        },
        cancellation: order.cancellation.as_ref().map(|open| cancellation(order, open)).transpose()?,
        timeline: order.timeline.iter().map(entry).collect(),
        attention: order.open_debts().map(|debt| attention(order, debt)).collect(),
        repairs: order.repairs.map(|broken| broken.to_string()),
        can: if frozen.is_some() { OrderCanView::default() } else { can(order, now) },
        frozen: frozen.map(fault_code),
    })
}

fn figure(figure: &Figure) -> FigureView {
    let source = figure.source.map(|source| match source {
        Source::Notification => SourceView::Notification,
        Source::Poll => SourceView::Poll,
        Source::Local => SourceView::Local,
    });
    FigureView { amount: money(figure.amount), source }
}

fn next_step(order: &Order) -> NextStepView {
    let quoting = order.cancellation.as_ref().is_some_and(|open| open.state == CancellationState::Quoting);
    match order.state {
        OrderState::Draft => draft_step(order),
        OrderState::PaymentPending if order.ending.is_none() => NextStepView::Pay,
        OrderState::PaymentPending | OrderState::PaymentProcessing => NextStepView::WaitForBooking,
        OrderState::RefundRequested => NextStepView::WaitForRefund,
        OrderState::Confirmed
        | OrderState::PartiallyConfirmed
        | OrderState::Cancelled
        | OrderState::Failed
        | OrderState::Refunded => {
            if order.items.iter().any(OrderItem::is_changing) {
                NextStepView::WaitForBooking
            } else if quoting || order.is_live() {
                NextStepView::WaitForRefund
            } else {
                NextStepView::Done
            }
        }
    }
}

fn draft_step(order: &Order) -> NextStepView {
    let platforms = order.missing_platforms();
    if !platforms.is_empty() {
        return NextStepView::SignIn { platforms };
    }
    let waits_for_seats =
        |item: &&OrderItem| item.state == ItemState::Planned && matches!(item.seats, SeatChoice::Pending);
    if let Some(item) = order.items.iter().find(waits_for_seats) {
        return NextStepView::ChooseSeats { item_id: item.wanted.id.to_string() };
    }
    if cart::is_complete(order) { NextStepView::Confirm } else { NextStepView::WaitForHolds }
}

fn can(order: &Order, now: UtcMicros) -> OrderCanView {
    let quoted = order.cancellation.as_ref().is_some_and(|open| open.state == CancellationState::Quoted);
    let waiting = order.state == OrderState::PaymentPending && order.ending.is_none();
    let none_open = cart::payable(order).is_none() && cart::unpaid_part(order).is_some();
    let booked = OrderState::CANCELLABLE_BY_QUOTE.contains(&order.state);
    let complete = order.state == OrderState::Draft && cart::is_complete(order);
    OrderCanView {
        confirm: complete && order.missing_platforms().is_empty() && graph::conflicts(order).is_empty(),
        cancel_free: OrderState::CANCELLABLE_FREE.contains(&order.state) && order.ending.is_none(),
        quote_cancellation: booked,
        accept_cancellation: booked && quoted && quote_expires_at(order).is_some_and(|at| at > now),
        retry_payment: waiting && none_open && zhiyou_domain::booking::pay_by(order, now).is_some(),
    }
}

fn quote_expires_at(order: &Order) -> Option<UtcMicros> {
    order.items.iter().filter_map(|item| item.cancel_quote.as_ref()).map(|quote| quote.expires_at).min()
}

/// The earliest deadline that asks something of the traveller now.
fn earliest(order: &Order) -> Option<DeadlineView> {
    let kind = |deadline: &Deadline| match (order.state, deadline.kind) {
        (OrderState::Draft, DeadlineKind::HoldLapses) => Some(DeadlineKindView::HoldsExpire),
        (OrderState::PaymentPending, DeadlineKind::PayBy | DeadlineKind::HoldLapses) => Some(DeadlineKindView::PayBy),
        (OrderState::Confirmed | OrderState::PartiallyConfirmed, DeadlineKind::QuoteLapses) => {
            Some(DeadlineKindView::QuoteExpires)
        }
        _ => None,
    };
    deadline::deadlines(order)
        .iter()
        .find_map(|deadline| kind(deadline).map(|kind| DeadlineView { at_us: deadline.at.0, kind }))
}

fn item_view(order: &Order, item: &OrderItem, rebooked: &Rebooked, now: UtcMicros) -> OrderItemView {
    let unknown = order.open_steps.iter().any(|step| step.unknown && step.key.op.item() == Some(item.wanted.id));
    OrderItemView {
        id: item.wanted.id.to_string(),
        detail: detail(&item.wanted.request),
        priority: priority(item.wanted.priority),
        state: if unknown { ItemStateView::Unknown } else { item_state(item.state) },
        failure: item.failure.map(|code| reason_word(code).to_owned()),
        lost: order.is_lost(item) && !rebooked.contains_key(&item.wanted.id),
        rebooked_by: rebooked.get(&item.wanted.id).map(ToString::to_string),
        offer: item.offer.as_ref().map(|offer| offer_view(offer, item, now)),
        proposed: item.proposed.as_ref().map(|change| ProposedChangeView {
            offer: offer_view(&change.offer, item, now),
            standing: match change.standing {
                ChangeStanding::Open => ChangeStandingView::Open,
                ChangeStanding::Kept => ChangeStandingView::Kept,
                ChangeStanding::Stale => ChangeStandingView::Stale,
                ChangeStanding::ByPhone => ChangeStandingView::ByPhone,
            },
        }),
        price: item.price().map(money),
        held_firmly: item.hold.as_ref().is_some_and(|hold| hold.firm),
        expires_at_us: item.lapses_at().filter(|_| order.state == OrderState::Draft).map(|at| at.0),
        seats: item
            .chosen_seats()
            .iter()
            .map(|seat| SeatChoiceView {
                segment_id: seat.service.segment_id.clone(),
                traveller_id: seat.traveller.to_string(),
                designator: seat.service.designator.clone(),
                price: money(seat.service.price),
            })
            .collect(),
        reference: item.reference.clone(),
        documents: item.documents.clone(),
        loyalty: item.loyalty.clone(),
        instructions: item.instructions.clone(),
    }
}

const fn item_state(state: ItemState) -> ItemStateView {
    match state {
        ItemState::Planned => ItemStateView::Planned,
        ItemState::Held => ItemStateView::Held,
        ItemState::Booking => ItemStateView::Booking,
        ItemState::Booked => ItemStateView::Booked,
        ItemState::ChangeProposed => ItemStateView::ChangeProposed,
        ItemState::Changed => ItemStateView::Changed,
        ItemState::CancelQuoted => ItemStateView::CancelQuoted,
        ItemState::Cancelling => ItemStateView::Cancelling,
        ItemState::Cancelled => ItemStateView::Cancelled,
        ItemState::Failed => ItemStateView::Failed,
        ItemState::Expired => ItemStateView::Expired,
    }
}

/// The word of a reason, as the interface's texts know it.
const fn reason_word(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::PriceChanged => "price_changed",
        ReasonCode::OfferExpired => "offer_expired",
        ReasonCode::SoldOut => "sold_out",
        ReasonCode::SeatTaken => "seat_taken",
        ReasonCode::ServicesNotHoldable => "services_not_holdable",
        ReasonCode::NotHoldable => "not_holdable",
        ReasonCode::PaymentDeclined => "payment_declined",
        ReasonCode::AlreadyPaid => "already_paid",
        ReasonCode::AlreadyClosed => "already_closed",
        ReasonCode::InsufficientBalance => "insufficient_balance",
        ReasonCode::InvalidRequest => "invalid_request",
        ReasonCode::NotFound => "not_found",
        ReasonCode::Unauthorized => "unauthorized",
        ReasonCode::VaultClosed => "vault_closed",
        ReasonCode::RateLimited => "rate_limited",
        ReasonCode::OverLimit => "over_limit",
        ReasonCode::ChannelFailing => "channel_failing",
        ReasonCode::NotAllowed => "not_allowed",
        ReasonCode::DependencyFailed => "dependency_failed",
        ReasonCode::Network => "network",
        ReasonCode::ProviderFault => "provider_fault",
        ReasonCode::IntegrityFault => "integrity_fault",
    }
}

fn offer_view(offer: &Offer, item: &OrderItem, now: UtcMicros) -> OfferView {
    match offer {
        Offer::Flight(flight) => {
            let (refund, fee) = match &flight.refund {
                FlightTerms::Allowed { fee } => ("allowed", *fee),
                FlightTerms::NotAllowed => ("not_allowed", None),
                FlightTerms::NotStated => ("not_stated", None),
            };
            OfferView::Flight {
                airline: flight.owner_name.clone(),
                airline_code: flight.owner_code.clone(),
                segments: flight.segments.iter().map(segment).collect(),
                refund: refund.to_owned(),
                refund_fee: fee.map(money),
            }
        }
        Offer::Hotel(rate) => OfferView::Hotel {
            name: rate.hotel_name.clone(),
            address: rate.address.clone(),
            room: rate.room_name.clone(),
            board: board_word(rate).to_owned(),
            terms: terms_view(&rate.terms, rate.total, item, now),
        },
        Offer::Car(rate) => OfferView::Car {
            company: rate.company.clone(),
            car_name: rate.car_name.clone(),
            acriss: rate.acriss.clone(),
            pick_up_place: rate.pick_up_place.clone(),
            terms: terms_view(&rate.terms, rate.total, item, now),
        },
        Offer::Activity(option) => OfferView::Activity {
            title: option.title.clone(),
            meeting_point: option.meeting_point.clone(),
            starts: civil(&option.starts),
            duration_min: option.duration_min,
            terms: terms_view(&option.terms, option.total, item, now),
        },
    }
}

const fn board_word(rate: &HotelRate) -> &'static str {
    use zhiyou_domain::port::hotels::Board;
    match rate.board {
        Board::RoomOnly => "room_only",
        Board::Breakfast => "breakfast",
        Board::HalfBoard => "half_board",
        Board::FullBoard => "full_board",
        Board::AllInclusive => "all_inclusive",
        Board::Other => "other",
    }
}

/// The terms of the checked price where there are some, else the offer's.
fn terms_view(offered: &Terms, price: Money, item: &OrderItem, now: UtcMicros) -> TermsView {
    let (terms, price) = (item.terms().unwrap_or(offered), item.price().unwrap_or(price));
    let zone = place_zone(&item.wanted.request);
    let local = |at: UtcMicros| at.in_zone(zone).ok().as_ref().map(civil);
    let found = terms.evaluate(price, now).ok();
    let known = found.filter(|found| found.confidence != Confidence::Assumed);
    TermsView {
        free_until: terms.free_until().filter(|until| *until > now).and_then(local),
        fee_now: known.map(|found| money(found.fee)),
        changes_at: known.and_then(|found| found.changes_at).and_then(local),
        confidence: confidence(known.map_or(Confidence::Assumed, |found| found.confidence)),
        text: match terms {
            Terms::Unread { text } => Some(text.clone()),
            Terms::Stated { .. } => None,
        },
    }
}

const fn confidence(confidence: Confidence) -> ConfidenceView {
    match confidence {
        Confidence::Assumed => ConfidenceView::Assumed,
        Confidence::Terms => ConfidenceView::Terms,
        Confidence::Quoted => ConfidenceView::Quoted,
    }
}

/// Whose clock a deadline of the item is told on.
fn place_zone(request: &ItemRequest) -> &str {
    match request {
        ItemRequest::Flight { origin, .. } => places::airport(origin).map_or("UTC", |airport| airport.zone),
        ItemRequest::Hotel { city, .. } => places::city(city).map_or("UTC", |city| city.zone.as_str()),
        ItemRequest::Activity { starts, .. } | ItemRequest::Car { starts, .. } => &starts.zone,
    }
}

fn cannot_cancel(order: &Order, item: ItemId, reason: ReasonCode) -> CannotCancelView {
    let others = |other: &OrderItem| other.wanted.id != item && ItemState::CANCELLABLE.contains(&other.state);
    let reference = order.item(item).is_some_and(|item| item.reference.is_some());
    let alternatives = [("cancel_others", order.items.iter().any(others)), ("keep", true), ("contact", reference)];
    let alternatives = alternatives.iter().filter(|(_, possible)| *possible).map(|(word, _)| (*word).to_owned());
    CannotCancelView {
        item_id: item.to_string(),
        reason: reason_word(reason).to_owned(),
        alternatives: alternatives.collect(),
    }
}

/// What a cancellation costs and what it gives back, as it is shown.
pub(crate) fn cancellation_sums(order: &Order, open: &Cancellation) -> Result<(Money, Money), MoneyError> {
    let currency = order.budget.currency();
    let quoted = || {
        let about = |item: &&OrderItem| open.items.contains(&item.wanted.id);
        order.items.iter().filter(about).filter(|item| item.cancel_quote.is_some())
    };
    let refund =
        Money::sum(currency, quoted().filter_map(|item| item.cancel_quote.as_ref()).map(|quote| quote.refund))?;
    let price = Money::sum(currency, quoted().filter_map(OrderItem::price))?;
    Ok((price.minus(refund)?, refund))
}

fn cancellation(order: &Order, open: &Cancellation) -> Result<CancellationView, MoneyError> {
    let (fee, refund) = cancellation_sums(order, open)?;
    Ok(CancellationView {
        quote_id: open.quote.to_string(),
        state: match open.state {
            CancellationState::Quoting => CancellationStateView::Quoting,
            CancellationState::Quoted => CancellationStateView::Quoted,
            CancellationState::Accepted => CancellationStateView::Accepted,
            CancellationState::Done => CancellationStateView::Done,
            CancellationState::Failed => CancellationStateView::Failed,
            CancellationState::Lapsed => CancellationStateView::Lapsed,
        },
        refused: open.refused.iter().map(|(item, reason)| cannot_cancel(order, *item, *reason)).collect(),
        fee: money(fee),
        refund: money(refund),
        items: order
            .items
            .iter()
            .filter(|item| open.items.contains(&item.wanted.id))
            .map(|item| CancellationItemView {
                item_id: item.wanted.id.to_string(),
                refund: item.cancel_quote.as_ref().map(|quote| money(quote.refund)),
            })
            .collect(),
        expires_at_us: quote_expires_at(order).map(|at| at.0),
    })
}

fn attention(order: &Order, debt: &Debt) -> AttentionView {
    let undo = match &debt.matter {
        Matter::OutcomeUnknown { key } => {
            order.open_steps.iter().find(|step| step.key == *key).and_then(|step| step.undo)
        }
        _ => None,
    };
    let owner = match debt.matter.owner() {
        Owner::Support => "support",
        Owner::Merchant => "merchant",
        Owner::Nobody => "nobody",
    };
    AttentionView {
        debt: i64::try_from(debt.seq).unwrap_or(i64::MAX),
        kind: debt.matter.word().to_owned(),
        owner: owner.to_owned(),
        since_us: debt.since.0,
        undo: undo.map(|undo| undo.word().to_owned()),
        can_settle: debt.matter.settled_by_person(),
        item_id: debt.matter.item().map(|item| item.to_string()),
        amount: debt.amount.map(money),
    }
}

fn conflict(conflict: &graph::Conflict) -> ConflictView {
    ConflictView {
        item_id: conflict.item.to_string(),
        after_id: conflict.after.to_string(),
        problem: conflict.problem.word().to_owned(),
        minutes: conflict.problem.minutes(),
    }
}

/// The reason as the domain keeps it.
pub(crate) const fn cancel_reason(reason: CancelReasonView) -> CancelReason {
    match reason {
        CancelReasonView::PlansChanged => CancelReason::PlansChanged,
        CancelReasonView::BetterOffer => CancelReason::BetterOffer,
        CancelReasonView::Mistake => CancelReason::Mistake,
        CancelReasonView::Emergency => CancelReason::Emergency,
        CancelReasonView::NotSaid => CancelReason::NotSaid,
    }
}

fn entry(entry: &TimelineEntry) -> TimelineEntryView {
    TimelineEntryView {
        seq: i64::try_from(entry.seq).unwrap_or(i64::MAX),
        at_us: entry.at.0,
        kind: timeline_kind(entry.kind),
        item_id: entry.item.map(|item| item.to_string()),
        amount: entry.amount.map(money),
        reference: entry.reference.clone(),
    }
}

const fn timeline_kind(kind: TimelineKind) -> TimelineKindView {
    match kind {
        TimelineKind::Created => TimelineKindView::Created,
        TimelineKind::OfferFound => TimelineKindView::OfferFound,
        TimelineKind::SeatsChosen => TimelineKindView::SeatsChosen,
        TimelineKind::SeatsSkipped => TimelineKindView::SeatsSkipped,
        TimelineKind::Held => TimelineKindView::Held,
        TimelineKind::Priced => TimelineKindView::Priced,
        TimelineKind::Confirmed => TimelineKindView::Confirmed,
        TimelineKind::PaymentOpened => TimelineKindView::PaymentOpened,
        TimelineKind::Paid => TimelineKindView::Paid,
        TimelineKind::PaymentFailed => TimelineKindView::PaymentFailed,
        TimelineKind::PaymentClosed => TimelineKindView::PaymentClosed,
        TimelineKind::PaidLate => TimelineKindView::PaidLate,
        TimelineKind::Booked => TimelineKindView::Booked,
        TimelineKind::ItemFailed => TimelineKindView::ItemFailed,
        TimelineKind::OutcomeUnknown => TimelineKindView::OutcomeUnknown,
        TimelineKind::CancelledByTraveller => TimelineKindView::CancelledByTraveller,
        TimelineKind::Expired => TimelineKindView::Expired,
        TimelineKind::Released => TimelineKindView::Released,
        TimelineKind::CancelQuoted => TimelineKindView::CancelQuoted,
        TimelineKind::CancelAccepted => TimelineKindView::CancelAccepted,
        TimelineKind::ItemCancelled => TimelineKindView::ItemCancelled,
        TimelineKind::RefundRequested => TimelineKindView::RefundRequested,
        TimelineKind::GivenBack => TimelineKindView::GivenBack,
        TimelineKind::Refunded => TimelineKindView::Refunded,
        TimelineKind::RefundNeedsAttention => TimelineKindView::RefundNeedsAttention,
        TimelineKind::Authorised => TimelineKindView::Authorised,
        TimelineKind::MoneyTaken => TimelineKindView::MoneyTaken,
        TimelineKind::MoneyReleased => TimelineKindView::MoneyReleased,
        TimelineKind::Disputed => TimelineKindView::Disputed,
        TimelineKind::DisputeDecided => TimelineKindView::DisputeDecided,
        TimelineKind::OrderConfirmed => TimelineKindView::OrderConfirmed,
        TimelineKind::OrderFailed => TimelineKindView::OrderFailed,
        TimelineKind::SupplierCancelled => TimelineKindView::SupplierCancelled,
        TimelineKind::ChangeProposed => TimelineKindView::ChangeProposed,
        TimelineKind::ChangeAccepted => TimelineKindView::ChangeAccepted,
        TimelineKind::ChangeWithdrawn => TimelineKindView::ChangeWithdrawn,
        TimelineKind::DebtDue => TimelineKindView::DebtDue,
        TimelineKind::DebtSettled => TimelineKindView::DebtSettled,
        TimelineKind::SecondChance => TimelineKindView::SecondChance,
        TimelineKind::SecondChanceAccepted => TimelineKindView::SecondChanceAccepted,
        TimelineKind::QuoteLapsed => TimelineKindView::QuoteLapsed,
        TimelineKind::FreeCancelSoon => TimelineKindView::FreeCancelSoon,
        TimelineKind::FreeCancelEnded => TimelineKindView::FreeCancelEnded,
        TimelineKind::CheckInOpen => TimelineKindView::CheckInOpen,
        TimelineKind::Begins => TimelineKindView::Begins,
    }
}
