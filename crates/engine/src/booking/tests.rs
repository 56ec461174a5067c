//! The runner, the book and the store with suppliers scripted in memory: what happens when something of ours fails.

mod closing;
mod frozen;

use super::{book::Book, runner, steps::Steps};
use crate::{
    ids::Ids,
    ports::Clock,
    store::{
        Db, changes, dialect,
        group::SqlJournal,
        journal,
        questions::{self, About, Question},
        rebuild,
    },
};
use async_trait::async_trait;
use std::{
    future::Future,
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::{Read, pay_by},
    fault::FaultCode,
    id::{AttemptId, ItemId, OrderId, PlanId},
    money::{Currency, Money},
    order::{
        Fact, ItemState, NewItem, NewOrder, Offer, Op, Order, OrderKind, OrderState, PaymentPart, Source, StepEnd,
        StepKey, StepResult, cart,
    },
    plan::{ItemRequest, Priority, Supplier},
    policy::Terms,
    port::{Outcome, Reason, ReasonCode, bookings::*, hotels::*, payments::*},
    time::UtcMicros,
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Machine;

impl Clock for Machine {
    fn now(&self) -> UtcMicros {
        UtcMicros(jiff::Timestamp::now().as_microsecond())
    }
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

/// Answers everything at once, but panics about one order, and once in the middle of one booking.
#[derive(Default)]
struct Scripted {
    poisoned: Mutex<Option<OrderId>>,
    panics_left: AtomicUsize,
    asked_of_poisoned: AtomicUsize,
    booked: Mutex<Vec<ItemId>>,
    updates: Mutex<Vec<UpdateContent>>,
    /// What the channel says when it is asked.
    channel: Mutex<Option<PaymentStatus>>,
    silent: AtomicBool,
    /// Whether the channel does not accept our key.
    refuses: AtomicBool,
    asked: watch::Sender<usize>,
    told: AtomicUsize,
    /// What closing a payment answers, and how often it was closed.
    closing: Mutex<Option<PaymentState>>,
    closed: AtomicUsize,
}

impl Scripted {
    fn panics(&self, order: &Order) -> bool {
        let poisoned = *self.poisoned.lock().unwrap() == Some(order.id);
        self.asked_of_poisoned.fetch_add(usize::from(poisoned), Ordering::SeqCst);
        poisoned
    }
}

fn booking(item: ItemId) -> Booking {
    Booking {
        booking_id: format!("bok_{}", item.bare()),
        reference: "REF".to_owned(),
        state: BookingState::Confirmed,
        total: cny(100),
        terms: Terms::no_refund(),
        refunded: None,
        instructions: None,
    }
}

#[async_trait]
impl Steps for Scripted {
    async fn act(&self, order: &Order, key: &StepKey) -> StepEnd {
        let result = match key.op {
            Op::Commit { item } => {
                self.booked.lock().unwrap().push(item);
                let left =
                    self.panics_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                assert!(left.is_err(), "the adapter panics after it booked");
                StepResult::Booking(booking(item))
            }
            Op::OpenPayment { attempt } => StepResult::PaymentOpened(PaymentIntent {
                attempt_id: attempt,
                action: PaymentAction::Qr { content: "weixin://x".to_owned() },
                expires_at_us: order.attempt(attempt).unwrap().pay_by,
            }),
            Op::ClosePayment { attempt } => {
                self.closed.fetch_add(1, Ordering::SeqCst);
                let state = self.closing.lock().unwrap().unwrap_or(PaymentState::Closed);
                StepResult::Payment(PaymentStatus {
                    attempt_id: attempt,
                    state,
                    transaction_id: None,
                    captured: None,
                    paid_at_us: None,
                })
            }
            _ => StepResult::Released,
        };
        StepEnd::Done { result }
    }

    async fn ask(&self, order: &Order, read: &Read, _: u32, now: UtcMicros) -> Option<Fact> {
        assert!(!self.panics(order), "this order's adapter always panics");
        let (terms, until) = (Terms::no_refund(), now.plus_minutes(60));
        match read {
            Read::FindOffer { item } => Some(Fact::OfferFound {
                item: *item,
                offer: Box::new(Offer::Hotel(HotelRate {
                    rate_id: "rat".to_owned(),
                    hotel_name: "Inn".to_owned(),
                    address: "Street".to_owned(),
                    room_name: "Room".to_owned(),
                    board: Board::RoomOnly,
                    total: cny(100),
                    due_at_hotel: cny(0),
                    terms,
                    expires_at_us: until,
                })),
            }),
            Read::Quote { item } => {
                let quote =
                    Quote { quote_id: "quo".to_owned(), total: cny(100), terms, expires_at_us: until, kept: false };
                Some(Fact::Quoted { item: *item, quote })
            }
            Read::LookUp { key } => {
                let item = key.op.item()?;
                let there = self.booked.lock().unwrap().contains(&item);
                let end = StepEnd::Done { result: StepResult::Booking(booking(item)) };
                there.then(|| Fact::StepEnded { key: key.clone(), end })
            }
            _ => None,
        }
    }

    async fn reread(&self, _: &Order, _: ItemId) -> Outcome<Option<Fact>> {
        Outcome::Done(None)
    }

    async fn ask_channel(&self, _: &Order, _: &Read) -> Outcome<Option<Fact>> {
        self.asked.send_modify(|asked| *asked += 1);
        if self.silent.load(Ordering::SeqCst) {
            return Outcome::Unknown(Reason::new(ReasonCode::Network, "no answer"));
        }
        if self.refuses.load(Ordering::SeqCst) {
            return Outcome::Declined(Reason::new(ReasonCode::Unauthorized, "the key is revoked"));
        }
        let status = self.channel.lock().unwrap().clone();
        Outcome::Done(status.map(|status| Fact::PaymentReported { status, source: Source::Poll }))
    }

    /// Tells the same twice, as after a program that ended between applying updates and remembering them.
    async fn updates(&self, _: i64) -> Outcome<Updates> {
        let told = self.told.fetch_add(1, Ordering::SeqCst);
        let again = self.updates.lock().unwrap().clone();
        let updates = if told < 2 { again } else { Vec::new() };
        let received_at_us = Machine.now();
        let numbered = (1..).zip(updates).map(|(cursor, content)| Update { cursor, received_at_us, content });
        Outcome::Done(Updates { updates: numbered.collect() })
    }
}

struct Running {
    db: Db,
    book: Arc<Book>,
    runner: runner::Handle,
    wake: watch::Sender<i64>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

async fn start(folder: &Path, steps: &Arc<Scripted>) -> Running {
    start_at(folder, steps, Arc::new(Machine)).await
}

async fn start_at(folder: &Path, steps: &Arc<Scripted>, clock: Arc<dyn Clock>) -> Running {
    let db = Db::open(folder).await.unwrap();
    let journal = SqlJournal::new(db.clone(), folder.to_owned());
    let book = Arc::new(Book::open(db.clone(), journal, Arc::clone(&clock), Ids::new(clock)).await.unwrap());
    let (wake, woken) = watch::channel(0);
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let steps = Arc::clone(steps) as Arc<dyn Steps>;
    let (runner, _) = runner::start(Arc::clone(&book), steps, woken, stop.clone(), &tracker).await.unwrap();
    Running { db, book, runner, wake, stop, tracker }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        drop(self.book);
        self.db.close().await;
    }

    async fn order(&self, items: usize) -> OrderId {
        let fresh = || self.book.ids().ulid();
        let day = jiff::civil::date(2027, 3, 1);
        let item = |_| NewItem {
            id: ItemId::from_ulid(fresh()),
            request: ItemRequest::Hotel {
                city: "Shanghai".to_owned(),
                check_in: day,
                check_out: day.tomorrow().unwrap(),
                rooms: 1,
            },
            priority: Priority::MustHave,
            supplier: Supplier::DuffelStays,
            travellers: Vec::new(),
            after: Vec::new(),
            member_platform: None,
        };
        let new = NewOrder {
            id: OrderId::from_ulid(fresh()),
            kind: OrderKind::Travel,
            plan: PlanId::from_ulid(fresh()),
            budget: cny(1_000_000),
            required_platforms: Vec::new(),
            repairs: None,
            items: (0..items).map(item).collect(),
        };
        let order = self.book.create(new, &[], None).await.unwrap();
        self.runner.look(order.id);
        order.id
    }

    async fn until(&self, id: OrderId, wanted: impl Fn(&Order) -> bool) -> Arc<Order> {
        let mut doorbell = self.db.doorbell();
        let waiting = async {
            loop {
                doorbell.mark_unchanged();
                let order = self.book.get(id).await.unwrap();
                if wanted(&order) {
                    return order;
                }
                doorbell.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it never comes to that")
    }

    /// Confirms the cart and reports its payment.
    async fn pay(&self, id: OrderId) -> PaymentStatus {
        self.until(id, |order| cart::hash(order).is_some()).await;
        let attempt = AttemptId::from_ulid(self.book.ids().ulid());
        let confirmed = self.book.record(id, |order, now| {
            Ok(vec![Fact::Confirmed {
                cart_hash: cart::hash(order).unwrap(),
                total: cart::total(order).unwrap(),
                parts: vec![PaymentPart::new(attempt, Channel::Wechatpay, cart::total(order).unwrap())],
                pay_by: pay_by(order, now).unwrap(),
            }])
        });
        let amount = confirmed.await.unwrap().confirmed.as_ref().unwrap().total;
        self.runner.look(id);
        PaymentStatus {
            attempt_id: attempt,
            state: PaymentState::Captured,
            transaction_id: Some("tx".to_owned()),
            captured: Some(amount),
            paid_at_us: Some(Machine.now()),
        }
    }

    /// An order whose payment was refused, so that it asks no more; and how it would look paid all the same.
    async fn refused(&self) -> (OrderId, PaymentStatus) {
        let id = self.order(1).await;
        let paid = self.pay(id).await;
        let refused = PaymentStatus { state: PaymentState::Failed, captured: None, ..paid.clone() };
        let refused = Fact::PaymentReported { status: refused, source: Source::Poll };
        self.book.record(id, |_, _| Ok(vec![refused.clone()])).await.unwrap();
        self.runner.look(id);
        self.until(id, |order| order.open_steps.is_empty()).await;
        (id, paid)
    }

    async fn report(&self, id: OrderId, status: PaymentStatus) {
        let fact = Fact::PaymentReported { status, source: Source::Notification };
        self.book.record(id, |_, _| Ok(vec![fact.clone()])).await.unwrap();
        self.runner.look(id);
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn sg_54_an_adapter_that_panics_after_it_booked_leaves_the_outcome_unknown_and_books_once() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    steps.panics_left.store(1, Ordering::SeqCst);
    let running = start(folder.path(), &steps).await;
    let id = running.order(2).await;
    let status = running.pay(id).await;
    running.report(id, status).await;
    let order = running.until(id, |order| order.state == OrderState::Confirmed).await;
    assert_eq!(steps.booked.lock().unwrap().len(), 2, "each item once");
    let unknown =
        |entry: &zhiyou_domain::order::TimelineEntry| entry.kind == zhiyou_domain::order::TimelineKind::OutcomeUnknown;
    assert_eq!(order.timeline.iter().filter(|entry| unknown(entry)).count(), 1);
    running.stop().await;
}

#[tokio::test]
async fn sg_53_an_order_whose_adapter_always_panics_waits_and_the_others_go_on() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let poisoned = running.order(1).await;
    *steps.poisoned.lock().unwrap() = Some(poisoned);
    let well = running.order(1).await;
    let status = running.pay(well).await;
    running.report(well, status).await;
    running.until(well, |order| order.state == OrderState::Confirmed).await;
    let asked = steps.asked_of_poisoned.load(Ordering::SeqCst);
    assert!(asked <= 4, "asked {asked} times without a pause");
    running.stop().await;
}

#[tokio::test]
async fn sg_55_a_command_given_up_at_any_point_is_written_whole_or_not_at_all() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let (mut written, mut not) = (0, 0);
    for polls in 0..40 {
        let id = running.order(1).await;
        running.until(id, |order| cart::hash(order).is_some()).await;
        let before = running.book.get(id).await.unwrap().version;
        {
            let mut command = pin!(running.book.record(id, |_, _| Ok(vec![Fact::CancelRequested])));
            for _ in 0..polls {
                if let Poll::Ready(done) = command.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    done.unwrap();
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // The next write is after whatever became of the one that was given up.
        let after = running.book.record(id, |_, _| Ok(vec![Fact::CancelRequested])).await;
        let facts = journal::read(running.db.reader(), id).await.unwrap();
        let ended = facts.iter().filter(|(_, fact)| *fact == Fact::CancelRequested).count();
        let replayed = journal::replay(id, &facts).unwrap();
        assert_eq!((replayed.state, replayed.version), (OrderState::Cancelled, u64::try_from(facts.len()).unwrap()));
        match (after.is_ok(), ended) {
            (true, 1) => not += 1,
            (false, 1) => written += 1,
            other => panic!("{before}: {other:?}"),
        }
    }
    assert!(not > 0, "some were given up before they were written");
    assert_eq!(written + not, 40);
    running.stop().await;
}

#[tokio::test]
async fn sg_61_updates_applied_twice_count_once() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let id = running.order(2).await;
    let status = running.pay(id).await;
    steps.updates.lock().unwrap().push(UpdateContent::Payment { status });
    steps.told.store(0, Ordering::SeqCst);
    running.wake.send(1).unwrap();
    let order = running.until(id, |order| order.state == OrderState::Confirmed).await;
    assert_eq!(cart::money_map(&order).unwrap().paid, cny(200));
    assert_eq!(steps.booked.lock().unwrap().len(), 2);
    running.stop().await;
}

/// Refused, so that the order does not ask any more; then the payer's bank takes it all the same.
#[tokio::test]
async fn a_hint_about_a_payment_the_order_no_longer_watches_is_asked_about_all_the_same() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let (id, paid) = running.refused().await;
    steps.updates.lock().unwrap().push(UpdateContent::PaymentHint { attempt_id: paid.attempt_id });
    *steps.channel.lock().unwrap() = Some(paid);
    steps.told.store(0, Ordering::SeqCst);
    running.wake.send(1).unwrap();
    let order = running.until(id, |order| order.state == OrderState::Confirmed).await;
    assert_eq!(cart::money_map(&order).unwrap().paid, cny(100));
    running.stop().await;
}

/// The channel says nothing while this program runs; the next one asks, although the update is applied and told no more.
#[tokio::test]
async fn a_hint_outlives_the_program_when_the_channel_is_silent() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let (id, paid) = running.refused().await;
    steps.silent.store(true, Ordering::SeqCst);
    steps.updates.lock().unwrap().push(UpdateContent::PaymentHint { attempt_id: paid.attempt_id });
    steps.told.store(1, Ordering::SeqCst);
    running.wake.send(1).unwrap();
    let mut asked = steps.asked.subscribe();
    tokio::time::timeout(PATIENCE, asked.wait_for(|asked| *asked > 0)).await.unwrap().unwrap();
    running.stop().await;

    steps.silent.store(false, Ordering::SeqCst);
    *steps.channel.lock().unwrap() = Some(paid);
    let running = start(folder.path(), &steps).await;
    let order = running.until(id, |order| order.state == OrderState::Confirmed).await;
    assert_eq!(cart::money_map(&order).unwrap().paid, cny(100));
    let settled = async {
        while !questions::all(running.db.reader()).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("an answered question is not asked again");
    running.stop().await;
}

/// Asked more often than anything is that is not there: a refusal of our key tells nothing of the payment.
#[tokio::test]
async fn a_hint_outlives_any_number_of_refusals_that_are_about_us() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let (id, paid) = running.refused().await;
    steps.refuses.store(true, Ordering::SeqCst);
    steps.updates.lock().unwrap().push(UpdateContent::PaymentHint { attempt_id: paid.attempt_id });
    let mut asked = steps.asked.subscribe();
    for times in 1..=7 {
        steps.told.store(1, Ordering::SeqCst);
        running.wake.send(1).unwrap();
        tokio::time::timeout(PATIENCE, asked.wait_for(|asked| *asked >= times)).await.unwrap().unwrap();
    }
    running.stop().await;

    steps.refuses.store(false, Ordering::SeqCst);
    *steps.channel.lock().unwrap() = Some(paid);
    let running = start(folder.path(), &steps).await;
    let order = running.until(id, |order| order.state == OrderState::Confirmed).await;
    assert_eq!(cart::money_map(&order).unwrap().paid, cny(100));
    running.stop().await;
}

#[tokio::test]
async fn a_hint_that_comes_during_the_answer_is_asked_about_once_more() {
    let folder = folder();
    let db = Db::open(folder.path()).await.unwrap();
    let fresh = ulid::Ulid::from_parts(1, 1);
    let question = Question { order: OrderId::from_ulid(fresh), about: About::Booking("ord_1".to_owned()) };
    let hint = async || {
        let mut tx = db.begin().await.unwrap();
        questions::put(&mut tx, &question).await.unwrap();
        db.commit(tx).await.unwrap();
    };
    let settle = async |hints: i64| {
        let mut tx = db.begin().await.unwrap();
        questions::settle(&mut tx, &question, hints).await.unwrap();
        db.commit(tx).await.unwrap();
    };
    hint().await;
    let before = questions::hints(db.reader(), &question).await.unwrap();
    hint().await;
    settle(before).await;
    assert_eq!(
        questions::all(db.reader()).await.unwrap(),
        std::slice::from_ref(&question),
        "the second one is not answered"
    );
    settle(before + 1).await;
    assert_eq!(questions::hints(db.reader(), &question).await.unwrap(), 0);
}

#[tokio::test]
async fn sg_72_many_writers_about_one_order_take_turns_and_nothing_is_written_over() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let id = running.order(3).await;
    let status = running.pay(id).await;
    // The reconciler, the notification and the traveller's own look all report at once, while the order is being booked.
    let reports = (0..24).map(|_| running.report(id, status.clone()));
    futures::future::join_all(reports).await;
    running.until(id, |order| order.state == OrderState::Confirmed).await;
    let facts = journal::read(running.db.reader(), id).await.unwrap();
    let order = journal::replay(id, &facts).unwrap();
    assert_eq!((cart::money_map(&order).unwrap().paid, steps.booked.lock().unwrap().len()), (cny(300), 3));
    assert!(rebuild::run(&running.db).await.unwrap().identical);
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_in_the_middle_of_bookings_writes_over_nothing_and_finds_everything_as_it_should_be() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    {
        let mut bookings = pin!(async {
            for _ in 0..20 {
                let id = running.order(2).await;
                let status = running.pay(id).await;
                running.report(id, status).await;
                running.until(id, |order| order.state == OrderState::Confirmed).await;
            }
        });
        loop {
            tokio::select! {
                () = &mut bookings => break,
                report = rebuild::run(&running.db) => assert!(report.as_ref().unwrap().identical, "{report:?}"),
            }
        }
    }
    assert!(rebuild::run(&running.db).await.unwrap().identical);
    running.stop().await;
}

#[tokio::test]
async fn sg_49_a_database_that_somebody_else_holds_is_waited_for_and_no_write_is_lost() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let id = running.order(1).await;
    running.until(id, |order| cart::hash(order).is_some()).await;
    let url = format!("sqlite://{}", folder.path().join("zhiyou.db").display());
    let other = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (started, writing) = tokio::sync::oneshot::channel();
    let release = async {
        // Only once the write is waiting.
        writing.await.unwrap();
        held.rollback().await.unwrap();
    };
    let write = async {
        let mut write = pin!(running.book.record(id, |_, _| Ok(vec![Fact::CancelRequested])));
        for _ in 0..20 {
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            tokio::task::yield_now().await;
        }
        started.send(()).unwrap();
        write.await
    };
    let (written, ()) = tokio::join!(write, release);
    assert_eq!(written.unwrap().state, OrderState::Cancelled);
    other.close().await;
    running.stop().await;
    assert_eq!(dialect::BUSY_TIMEOUT_MS, 10_000, "and never for longer than this");
}

#[tokio::test]
async fn sg_50_a_damaged_row_freezes_its_order_and_the_others_go_on() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let (damaged, well) = (running.order(1).await, running.order(1).await);
    for id in [damaged, well] {
        running.until(id, |order| cart::hash(order).is_some()).await;
    }
    running.stop().await;
    let db = Db::open(folder.path()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let sql = "UPDATE journal SET fact = replace(fact, 'Inn', 'Inm') WHERE order_id = $1";
    sqlx::query(sql).bind(damaged.to_string()).execute(&mut *tx).await.unwrap();
    db.commit(tx).await.unwrap();
    db.close().await;
    let running = start(folder.path(), &steps).await;
    let refused = running.book.record(damaged, |_, _| Ok(vec![Fact::CancelRequested])).await;
    assert_eq!(refused.unwrap_err().code, FaultCode::HistoryDamaged);
    assert_eq!(running.book.frozen(damaged), Some(FaultCode::HistoryDamaged));
    let status = running.pay(well).await;
    running.report(well, status).await;
    let order = running.until(well, |order| order.state == OrderState::Confirmed).await;
    assert!(order.items.iter().all(|item| item.state == ItemState::Booked));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_seen_a_change_is_shown_the_order_it_made() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let id = running.order(1).await;
    running.until(id, |order| cart::hash(order).is_some()).await;
    let (book, db) = (Arc::clone(&running.book), running.db.clone());
    let follower = tokio::spawn(async move {
        let (mut cursor, mut seen) = (0, 0);
        loop {
            for change in changes::after(db.reader(), cursor, 10_000).await.unwrap() {
                cursor = change.cursor;
                seen += u64::from(change.id == id.to_string());
            }
            // Every change of an order is at least one fact more.
            let shown = book.get(id).await.unwrap();
            assert!(shown.version >= seen, "{} facts shown after {seen} changes", shown.version);
            if shown.state == OrderState::Cancelled {
                return seen;
            }
            // Not only when it is rung for: a change can be seen as soon as it is committed.
            tokio::task::yield_now().await;
        }
    });
    for number in 0..400 {
        let platform = format!("p{number}");
        running.book.record(id, |_, _| Ok(vec![Fact::SignedIn { platform: platform.clone() }])).await.unwrap();
    }
    running.book.record(id, |_, _| Ok(vec![Fact::CancelRequested])).await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, follower).await.unwrap().unwrap() > 400);
    running.stop().await;
}
