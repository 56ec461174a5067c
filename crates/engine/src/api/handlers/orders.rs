//! Orders: prepare, choose, confirm, pay, cancel.

use super::super::{command::*, convert, view::*};
use crate::{
    audit::{self, Action, Entry, Resource},
    booking::Standing,
    consent::{self, Shown, ShownPayment, Signer},
    engine::Engine,
    exports,
    store::{
        plans,
        requests::{self, Earlier},
    },
};
use futures::future::join_all;
use std::{collections::BTreeMap, sync::Arc};
use zhiyou_domain::{
    booking::pay_by,
    driver::Signal,
    fault::{Fault, FaultCode},
    id::{ItemId, OrderId, QuoteId, RefundId, RequestId},
    order::{
        Attempt, AttemptState, Cancellation, CancellationState, Fact, ItemState, NewOrder, Offer, Order, OrderItem,
        OrderState, PaymentPart, SeatChosen, cart, graph,
    },
    plan::PlanBooking,
    port::{
        Outcome, Reason, ReasonCode,
        flights::{FlightOffer, OfferRef, SeatMaps},
        payments::{PaymentRef, PaymentState, PaymentStatus},
    },
    time::UtcMicros,
};

/// Orders in one page of the list.
const PAGE: i64 = 50;

pub(crate) async fn view(engine: &Engine, order: &Order) -> Result<OrderView, Fault> {
    let plan = plans::get(engine.db.reader(), order.plan).await?;
    let title = plan.as_ref().map_or("", |plan| &plan.title);
    let rebooked = rebooked(engine, order).await?;
    let broken = repaired(engine, order).await;
    let (frozen, broken) = (engine.book.frozen(order.id), broken.as_deref());
    let context = convert::Context { title, frozen, rebooked: &rebooked, broken };
    convert::order_view(order, &context, engine.clock.now())
}

/// The order some of whose items this one books again; nothing when it cannot be read any more.
async fn repaired(engine: &Engine, order: &Order) -> Option<Arc<Order>> {
    engine.book.get(order.repairs?).await.ok()
}

/// Which of its items other orders book again, or have booked again.
async fn rebooked(engine: &Engine, broken: &Order) -> Result<convert::Rebooked, Fault> {
    let mut found = convert::Rebooked::new();
    if !broken.items.iter().any(|item| broken.is_lost(item)) {
        return Ok(found);
    }
    for id in crate::store::orders::repairing(engine.db.reader(), broken.id).await? {
        let Ok(order) = engine.book.get(id).await else { continue };
        let ended = matches!(order.state, OrderState::Cancelled | OrderState::Failed | OrderState::Refunded);
        let lives = |item: &&OrderItem| !ended && ItemState::LIVE.contains(&item.state);
        found.extend(order.items.iter().filter(lives).map(|item| (item.wanted.id, id)));
    }
    Ok(found)
}

pub(crate) async fn list_orders(engine: &Engine, wish: ListOrders) -> Result<Vec<OrderView>, Fault> {
    let mut views = Vec::new();
    let before = UtcMicros(wish.before_us.unwrap_or(i64::MAX));
    for order in crate::store::orders::newest(engine.db.reader(), before, PAGE).await? {
        views.extend(shown(engine, order).await?);
    }
    Ok(views)
}

/// An order among others: one of which nothing can be read any more does not hide the rest.
pub(crate) async fn shown(engine: &Engine, order_id: OrderId) -> Result<Option<OrderView>, Fault> {
    match get_order(engine, GetOrder { order_id }).await {
        Ok(view) => Ok(Some(view)),
        Err(fault) if fault.code.is_frozen() => {
            tracing::error!(order = %order_id, %fault, "an order cannot be shown");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn get_order(engine: &Engine, wish: GetOrder) -> Result<OrderView, Fault> {
    match engine.book.get(wish.order_id).await {
        Ok(order) => view(engine, &order).await,
        // Frozen: the last known state is shown, and that nothing more happens to it.
        Err(fault) if fault.code.is_frozen() => {
            let order = crate::store::orders::snapshot(engine.db.reader(), wish.order_id).await?;
            view(engine, &order.ok_or(fault)?).await
        }
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn prepare_order(engine: &Engine, wish: PrepareOrder) -> Result<OrderView, Fault> {
    let plan = super::plans::get(engine, wish.plan_id).await?;
    let new = NewOrder::from_plan(OrderId::from_ulid(engine.ids.ulid()), &plan);
    begin(engine, new, signal(wish.request_id, "prepare_order", wish.plan_id.to_string())).await
}

pub(crate) async fn prepare_repair(engine: &Engine, wish: PrepareRepair) -> Result<OrderView, Fault> {
    let payload = serde_json::to_string(&wish).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let broken = engine.book.get(wish.order_id).await?;
    let plan = super::plans::get(engine, broken.plan).await?;
    let rebooked = rebooked(engine, &broken).await?;
    if let Some(order_id) = wish.item_ids.iter().find_map(|item| rebooked.get(item)).copied() {
        let earlier = requests::earlier(engine.db.reader(), wish.request_id, "prepare_repair", &payload).await?;
        if earlier == Earlier::Made(order_id.to_string()) {
            return get_order(engine, GetOrder { order_id }).await;
        }
        return Err(Fault::new(FaultCode::WrongState, "it is being booked again already"));
    }
    let new = NewOrder::repair(OrderId::from_ulid(engine.ids.ulid()), &plan, &broken, &wish.item_ids);
    let new = new.map_err(|illegal| Fault::new(FaultCode::WrongState, illegal.to_string()))?;
    begin(engine, new, signal(wish.request_id, "prepare_repair", payload)).await
}

/// Begins an order: nothing of it may be in the past, and what the traveller is signed in to counts from the start.
async fn begin(engine: &Engine, new: NewOrder, asked: Signal) -> Result<OrderView, Fault> {
    let today = engine.clock.now().plus_minutes(-24 * 60);
    let past = |date: jiff::civil::Date| {
        zhiyou_domain::time::ZonedCivil::new(date.at(0, 0, 0, 0), "UTC")
            .and_then(|day| day.to_utc())
            .is_ok_and(|day| day < today)
    };
    if new.items.iter().any(|item| past(item.request.first_day())) {
        return Err(Fault::new(FaultCode::MalformedInput, "an item is in the past")
            .with("path", "items")
            .with("problem", "past_date"));
    }
    let mut first = Vec::new();
    for platform in &new.required_platforms {
        if engine.auth.is_connected(platform).await {
            first.push(Fact::SignedIn { platform: platform.clone() });
        }
    }
    let order = engine.book.create(new, &first, Some(asked)).await?;
    engine.runner.look(order.id);
    view(engine, &order).await
}

fn flight(order: &Order, item: ItemId) -> Result<(&OrderItem, &FlightOffer), Fault> {
    let place = order.item(item).ok_or_else(|| Fault::new(FaultCode::NotFound, "no such item"))?;
    match &place.offer {
        Some(Offer::Flight(offer)) => Ok((place, offer)),
        Some(Offer::Hotel(_) | Offer::Car(_) | Offer::Activity(_)) | None => {
            Err(Fault::new(FaultCode::WrongState, "the item has no flight offer"))
        }
    }
}

async fn read_seat_maps(engine: &Engine, offer: &FlightOffer) -> Result<SeatMaps, Fault> {
    let request = OfferRef { offer_id: offer.offer_id.clone() };
    match engine.ports.flights.call("getSeatMaps", &request).await {
        Outcome::Done(maps) => Ok(maps),
        Outcome::Declined(reason) if reason.code == ReasonCode::OfferExpired => {
            Err(Fault::new(FaultCode::HoldExpired, reason.detail))
        }
        Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(unavailable(reason)),
    }
}

pub(super) fn unavailable(reason: Reason) -> Fault {
    Fault::new(FaultCode::ProviderUnavailable, reason.detail)
}

pub(crate) async fn get_seat_maps(engine: &Engine, wish: GetSeatMaps) -> Result<SeatMapsView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let (place, offer) = flight(&order, wish.item_id)?;
    let maps = read_seat_maps(engine, offer).await?;
    Ok(convert::seat_maps(offer, &place.wanted.travellers, &maps))
}

pub(crate) async fn choose_seats(engine: &Engine, wish: ChooseSeats) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let (place, offer) = flight(&order, wish.item_id)?;
    // Service ids are new at every reading of the map, so the wish names the seat and the newest map gives the id.
    let seats = if wish.seats.is_empty() {
        Vec::new()
    } else {
        let maps = read_seat_maps(engine, offer).await?;
        resolve(place, offer, &maps, &wish.seats)?
    };
    let payload = serde_json::to_string(&wish).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let asked = signal(wish.request_id, "choose_seats", payload);
    let item = wish.item_id;
    let fact = |order: &Order, _: UtcMicros| {
        let place = order.item(item).filter(|place| place.state == ItemState::Planned && !order.is_busy(item));
        place.ok_or_else(|| Fault::new(FaultCode::WrongState, "the seats are already on their way"))?;
        Ok(vec![Fact::SeatsChosen { item, seats: seats.clone() }])
    };
    changed(engine, engine.book.record_asked(wish.order_id, Some(asked), fact).await?).await
}

fn resolve(
    place: &OrderItem,
    offer: &FlightOffer,
    maps: &SeatMaps,
    wishes: &[SeatWish],
) -> Result<Vec<SeatChosen>, Fault> {
    let mut chosen = BTreeMap::new();
    for wish in wishes {
        let taken = || Fault::new(FaultCode::SeatTaken, "not free for this traveller").with("seat", &wish.designator);
        let index = place.wanted.travellers.iter().position(|id| *id == wish.traveller_id);
        let passenger = index.and_then(|index| offer.passenger_ids.get(index)).ok_or_else(taken)?;
        let service = maps.service(&wish.segment_id, passenger, &wish.designator).ok_or_else(taken)?;
        let seat = SeatChosen { traveller: wish.traveller_id, service };
        if chosen.insert((wish.segment_id.clone(), wish.traveller_id), seat).is_some() {
            return Err(Fault::new(FaultCode::MalformedInput, "two seats for one traveller")
                .with("path", "seats")
                .with("problem", "duplicate_key"));
        }
    }
    Ok(chosen.into_values().collect())
}

pub(super) async fn changed(engine: &Engine, order: Arc<Order>) -> Result<OrderView, Fault> {
    engine.runner.look(order.id);
    view(engine, &order).await
}

pub(crate) async fn confirm_order(engine: &Engine, wish: ConfirmOrder) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    if order.confirmed.is_none() {
        check_sign_ins(engine, &order).await?;
    }
    let asked = signal(wish.request_id, "confirm_order", super::payments::spelled(&wish));
    let mut parts =
        if order.confirmed.is_none() { super::payments::parts(engine, &order, &wish).await? } else { Vec::new() };
    // A credit is ours: nobody's money leaves anything.
    for part in parts.iter_mut().filter(|part| part.credit.is_none()) {
        part.screening = Some(super::payments::screening(engine, &order, part.channel).await?);
    }
    // What is agreed to is signed in the same transaction; a repeat is not signed again.
    let signer = if order.confirmed.is_none() { Some(signer(engine).await?) } else { None };
    let broken = repaired(engine, &order).await;
    let facts = |order: &Order, now: UtcMicros| {
        check_cart(order, broken.as_deref(), &wish.cart_hash, now)?;
        let lapsed = || Fault::new(FaultCode::HoldExpired, "too little time is left to pay and book");
        let total = cart::total(order).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
        let pay_by = pay_by(order, now).ok_or_else(lapsed)?;
        let cart_hash = wish.cart_hash.clone();
        cart::check_parts(total, &parts).map_err(|error| {
            Fault::new(FaultCode::MalformedInput, error.to_string()).with("path", "second").with("problem", "malformed")
        })?;
        let shown = |part: &PaymentPart| ShownPayment {
            amount: part.amount,
            channel: part.channel,
            instalments: part.instalments,
        };
        let payments = parts.iter().map(shown).collect();
        let signer = signer.as_ref().ok_or_else(|| Fault::new(FaultCode::WrongState, "it was confirmed before"))?;
        let (order_id, hash) = (order.id, cart_hash.clone());
        let shown = Shown::ConfirmOrder { at_us: now, cart_hash: hash, order_id, payments, total };
        let consent = signer.sign(wish.request_id, &shown)?;
        Ok((vec![Fact::Confirmed { cart_hash, total, parts: parts.clone(), pay_by }], Some(consent)))
    };
    let order = engine.book.record_agreed(wish.order_id, Some(asked), facts).await?;
    engine.score_payments();
    super::plans::mark(engine, order.plan, PlanBooking::Confirmed).await?;
    changed(engine, order).await
}

async fn signer(engine: &Engine) -> Result<Signer, Fault> {
    consent::signer(&engine.db, &engine.vault, engine.clock.now()).await
}

/// Names every platform of the order that a sign-in is missing for. A member platform is asked with the traveller's own
/// token: a revoked sign-in cannot confirm.
async fn check_sign_ins(engine: &Engine, order: &Order) -> Result<(), Fault> {
    let mut missing = order.missing_platforms();
    for platform in &order.required_platforms {
        if missing.contains(platform) {
            continue;
        }
        if !engine.auth.is_connected(platform).await {
            missing.push(platform.clone());
            continue;
        }
        // Of a platform that is asked directly nothing goes into a booking, so that it is connected is enough.
        if engine.auth.is_asked_directly(platform) {
            continue;
        }
        match engine.ports.member_profile(&engine.travellers, platform).await {
            Outcome::Done(_) => {}
            Outcome::Declined(reason) if reason.code == ReasonCode::Unauthorized => {
                let fact = Fact::SignInLost { platform: platform.clone() };
                engine.book.record(order.id, |_, _| Ok(vec![fact.clone()])).await?;
                missing.push(platform.clone());
            }
            // Who has to sign in elsewhere is told that first.
            Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) if !missing.is_empty() => {}
            Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => {
                return Err(unavailable(reason));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let in_order = order.required_platforms.iter().filter(|platform| missing.contains(platform));
    let named = in_order.map(String::as_str).collect::<Vec<_>>().join(",");
    Err(Fault::new(FaultCode::AuthRequired, "a sign-in is missing").with("platforms", named))
}

fn check_cart(order: &Order, broken: Option<&Order>, cart_hash: &str, now: UtcMicros) -> Result<(), Fault> {
    if order.state != OrderState::Draft {
        return Err(Fault::new(FaultCode::WrongState, format!("the order is {}", order.state.word())));
    }
    if cart::lapses_at(order).is_none_or(|lapse| lapse <= now) {
        return Err(Fault::new(FaultCode::HoldExpired, "a hold is past its time"));
    }
    if cart::hash(order).as_deref() != Some(cart_hash) {
        return Err(Fault::new(FaultCode::CartChanged, "the cart is another one now"));
    }
    let conflicts = broken.map_or_else(|| graph::conflicts(order), |broken| graph::conflicts_of_repair(broken, order));
    if let Some(conflict) = conflicts.first() {
        let fault = Fault::new(FaultCode::ItemsConflict, format!("{conflict:?}"))
            .with("item", conflict.item)
            .with("after", conflict.after)
            .with("problem", conflict.problem.word());
        return Err(match conflict.problem.minutes() {
            Some(minutes) => fault.with("minutes", minutes),
            None => fault,
        });
    }
    let total = cart::total(order).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    if total.exceeds(order.budget).unwrap_or(true) {
        return Err(Fault::new(FaultCode::OverBudget, "over budget")
            .with("total", total.minor())
            .with("budget", order.budget.minor())
            .with("currency", total.currency()));
    }
    Ok(())
}

pub(crate) async fn cancel_order(engine: &Engine, wish: CancelOrder) -> Result<OrderView, Fault> {
    let facts = |_: &Order, _: UtcMicros| Ok(vec![Fact::CancelRequested]);
    asked(engine, wish.order_id, wish.request_id, "cancel_order", "", facts).await
}

pub(crate) async fn quote_cancellation(engine: &Engine, wish: QuoteCancellation) -> Result<OrderView, Fault> {
    let quote = QuoteId::from_ulid(engine.ids.ulid());
    let (items, reason) = (wish.item_ids.clone(), convert::cancel_reason(wish.reason));
    let detail = wish.item_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let facts = |_: &Order, _: UtcMicros| Ok(vec![Fact::CancelQuoteRequested { quote, items: items.clone(), reason }]);
    asked(engine, wish.order_id, wish.request_id, "quote_cancellation", &detail, facts).await
}

pub(crate) async fn keep_change(engine: &Engine, wish: KeepChange) -> Result<OrderView, Fault> {
    let item = wish.item_id;
    let facts = move |_: &Order, _: UtcMicros| Ok(vec![Fact::ChangeAccepted { item }]);
    asked(engine, wish.order_id, wish.request_id, "keep_change", &item.to_string(), facts).await
}

pub(crate) async fn settle_debt(engine: &Engine, wish: SettleDebt) -> Result<OrderView, Fault> {
    let debt = u64::try_from(wish.debt).map_err(|_| Fault::new(FaultCode::NotFound, "no such debt"))?;
    let facts = move |_: &Order, _: UtcMicros| Ok(vec![Fact::DebtSettled { debt }]);
    asked(engine, wish.order_id, wish.request_id, "settle_debt", &debt.to_string(), facts).await
}

pub(crate) async fn compare_order(engine: &Engine, wish: CompareOrder) -> Result<Vec<ComparedView>, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let booked = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state));
    let items = booked.map(|item| compare_item(engine, &order, item));
    let paid = order.attempts.iter().filter(|attempt| attempt.state == AttemptState::Captured);
    let payments = paid.map(|attempt| compare_payment(engine, attempt));
    let (mut compared, payments) = tokio::join!(join_all(items), join_all(payments));
    compared.extend(payments);
    Ok(compared)
}

async fn compare_item(engine: &Engine, order: &Order, item: &OrderItem) -> ComparedView {
    let stored = StandingView {
        state: "booked".to_owned(),
        reference: item.reference.clone(),
        amount: item.price().map(convert::money),
    };
    let live = match engine.ports.live(order, item.wanted.id).await {
        Outcome::Done(Some(live)) => {
            let state = match live.standing {
                Standing::Booked => "booked",
                Standing::Undecided => "undecided",
                Standing::Cancelled { .. } => "cancelled",
            };
            let (reference, amount) = (Some(live.reference), Some(convert::money(live.price)));
            Some(StandingView { state: state.to_owned(), reference, amount })
        }
        Outcome::Done(None) | Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) => None,
    };
    compared(engine, Some(item.wanted.id.to_string()), stored, live)
}

async fn compare_payment(engine: &Engine, attempt: &Attempt) -> ComparedView {
    let stored = StandingView {
        state: "paid".to_owned(),
        reference: attempt.transaction_id.clone(),
        amount: Some(convert::money(attempt.amount)),
    };
    let query = PaymentRef { attempt_id: attempt.id };
    let live = match engine.ports.payments.call::<_, PaymentStatus>("lookAtPayment", &query).await {
        Outcome::Done(status) => Some(StandingView {
            state: if status.state == PaymentState::Captured { "paid" } else { "unpaid" }.to_owned(),
            reference: status.transaction_id,
            amount: status.captured.map(convert::money),
        }),
        Outcome::Declined(_) | Outcome::NotSent(_) | Outcome::Unknown(_) => None,
    };
    compared(engine, None, stored, live)
}

fn compared(
    engine: &Engine,
    item_id: Option<String>,
    stored: StandingView,
    live: Option<StandingView>,
) -> ComparedView {
    let same = live.as_ref().map(|live| *live == stored);
    ComparedView { item_id, stored, live, same, asked_at_us: engine.clock.now().0 }
}

pub(crate) async fn export_calendar(engine: &Engine, wish: ExportCalendar) -> Result<ExportedView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let plan = super::plans::get(engine, order.plan).await?;
    let text = crate::calendar::text(&order, &plan.title, wish.locale, engine.clock.now());
    Ok(exports::write(&engine.data_dir, &format!("{}.ics", order.id), text.into_bytes()).await?)
}

pub(crate) async fn export_receipt(engine: &Engine, wish: ExportReceipt) -> Result<ExportedView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let plan = super::plans::get(engine, order.plan).await?;
    let page = crate::receipt::page(&order, &plan.title, wish.locale, engine.clock.now());
    let page = page.map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    Ok(exports::write(&engine.data_dir, &format!("{}.html", order.id), page.into_bytes()).await?)
}

pub(crate) async fn accept_cancellation(engine: &Engine, wish: AcceptCancellation) -> Result<OrderView, Fault> {
    let refund = RefundId::from_ulid(engine.ids.ulid());
    let quote = wish.quote_id;
    // A closed vault must not keep anybody from cancelling; then it is noted that nothing was signed.
    let signer = match signer(engine).await {
        Ok(signer) => Some(signer),
        Err(fault) if matches!(fault.code, FaultCode::VaultLocked | FaultCode::VaultUnavailable) => None,
        Err(fault) => return Err(fault),
    };
    let facts = |order: &Order, now: UtcMicros| {
        let open =
            order.cancellation.as_ref().filter(|open| open.quote == quote && open.state == CancellationState::Quoted);
        let open = open.ok_or_else(|| Fault::new(FaultCode::CartChanged, "this quote is not open"))?;
        if order.items.iter().any(|item| item.cancel_quote.as_ref().is_some_and(|quote| quote.expires_at <= now)) {
            return Err(Fault::new(FaultCode::HoldExpired, "the quote is past its time"));
        }
        let consent = match &signer {
            Some(signer) => Some(signer.sign(wish.request_id, &cancellation_shown(order, open, now)?)?),
            None => None,
        };
        Ok((vec![Fact::CancelAccepted { quote, refund }], consent))
    };
    let asked = signal(wish.request_id, "accept_cancellation", format!("{} {quote}", wish.order_id));
    let order = engine.book.record_agreed(wish.order_id, Some(asked), facts).await?;
    if signer.is_none() {
        let entry = Entry::done(Action::ConsentUnsigned, Resource::Order(order.id));
        audit::note_alone(&engine.db, entry, engine.clock.now()).await;
    }
    changed(engine, order).await
}

fn cancellation_shown(order: &Order, open: &Cancellation, now: UtcMicros) -> Result<Shown, Fault> {
    let (fee, refund) =
        convert::cancellation_sums(order, open).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    Ok(Shown::AcceptCancellation { at_us: now, fee, order_id: order.id, quote_id: open.quote, refund })
}

pub(super) async fn asked(
    engine: &Engine,
    order: OrderId,
    id: RequestId,
    command: &'static str,
    detail: &str,
    facts: impl Fn(&Order, UtcMicros) -> Result<Vec<Fact>, Fault> + Send,
) -> Result<OrderView, Fault> {
    let asked = signal(id, command, format!("{order} {detail}"));
    changed(engine, engine.book.record_asked(order, Some(asked), facts).await?).await
}

fn signal(id: RequestId, command: &str, payload: String) -> Signal {
    Signal { id, command: command.to_owned(), payload }
}
