//! What a code is worth, that nothing is used twice, and that nothing of it is lost.

use super::*;
use crate::{
    defence::{Defence, take_away},
    pay::{Channels, credit::guesses::Guesses, turns::Turns},
    secret::Sensitive,
    store::Store,
};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use zhiyou_domain::{
    id::RefundId,
    port::payments::{CapturePayment, Channel, CreatePaymentIntent, CreateRefund, CreditCode, PaymentIntent},
};

const NOW: UtcMicros = UtcMicros(1_795_000_000_000_000);

/// A clock that is moved by hand and counts how often it was looked at.
struct Moved(AtomicI64, AtomicUsize);

impl Clock for Moved {
    fn now(&self) -> UtcMicros {
        self.1.fetch_add(1, SeqCst);
        UtcMicros(self.0.load(SeqCst))
    }
}

struct World {
    folder: tempfile::TempDir,
    desk: Desk,
    clock: Arc<Moved>,
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

fn card(code: &str, amount: i64) -> CreditConfig {
    let code = Sensitive::new(code.to_owned());
    CreditConfig { code, amount: cny(amount), minimum: None, begins_at: None, ends_at: None }
}

async fn desk(folder: &std::path::Path, clock: &Arc<Moved>, credits: Vec<CreditConfig>) -> Desk {
    let credit = Credit { clock: Arc::<Moved>::clone(clock) };
    Desk {
        store: Store::open(folder).await.unwrap(),
        channels: Channels::default().with(Channel::Credit, Arc::new(credit)),
        clock: Arc::<Moved>::clone(clock),
        notify_base: "http://127.0.0.1:1".to_owned(),
        turns: Turns::default(),
        caps: Arc::default(),
        settlements: Arc::default(),
        instalments: Arc::default(),
        credits: credits.into(),
        guesses: Guesses::default(),
        weights: None,
    }
}

impl World {
    async fn with(credits: Vec<CreditConfig>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Moved(AtomicI64::new(NOW.0), AtomicUsize::new(0)));
        let desk = desk(folder.path(), &clock, credits).await;
        Self { folder, desk, clock }
    }

    async fn worth(&self, code: &str, order_total: i64) -> Result<i64, CreditRefusal> {
        self.worth_to(None, code, order_total).await
    }

    async fn worth_to(&self, asker: Option<&str>, code: &str, order_total: i64) -> Result<i64, CreditRefusal> {
        let asker = asker.map(str::to_owned);
        let wish = CheckCredit { code: CreditCode::new(code.to_owned()), order_total: cny(order_total), asker };
        match done(self.desk.check_credit(wish).await) {
            CreditStatus::Usable { amount, .. } => Ok(amount.minor()),
            CreditStatus::Refused { why, .. } => Err(why),
        }
    }

    async fn set_aside(&self, n: u128, minor: i64) -> Outcome<PaymentIntent> {
        self.desk.create(wish(n, "GIFTCARD", minor)).await
    }

    async fn state(&self, n: u128) -> PaymentState {
        done(self.desk.status(attempt(n)).await).state
    }
}

fn attempt(n: u128) -> AttemptId {
    AttemptId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_000, n))
}

fn wish(n: u128, code: &str, minor: i64) -> CreatePaymentIntent {
    let credit = CreditUse { credit_id: config::credit_id(code), order_total: cny(100_000) };
    CreatePaymentIntent {
        attempt_id: attempt(n),
        channel: Channel::Credit,
        amount: cny(minor),
        description: "x".to_owned(),
        expires_at_us: NOW.plus_minutes(30),
        authorise: true,
        instalments: None,
        credit: Some(credit),
    }
}

#[track_caller]
fn done<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn declined_for<T: std::fmt::Debug>(outcome: Outcome<T>) -> ReasonCode {
    match outcome {
        Outcome::Declined(reason) => reason.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_is_worth_what_is_left_of_it_at_most_the_total_and_only_where_it_fits() {
    let coupon = CreditConfig {
        minimum: Some(cny(50_000)),
        begins_at: Some(NOW),
        ends_at: Some(NOW.plus_minutes(60)),
        ..card("COUPON50", 5_000)
    };
    let world = World::with(vec![card("GIFTCARD", 20_000), coupon]).await;
    assert_eq!(world.worth(" giftcard", 100_000).await, Ok(20_000));
    assert_eq!(world.worth("GIFTCARD", 300).await, Ok(300));
    assert_eq!(world.worth("NOSUCH", 100_000).await, Err(CreditRefusal::Unknown));
    assert_eq!(world.worth("COUPON50", 50_000).await, Ok(5_000));
    assert_eq!(world.worth("COUPON50", 49_999).await, Err(CreditRefusal::Minimum));
    let dollars = Money::new(100_000, "USD".parse().unwrap()).unwrap();
    let code = CreditCode::new("COUPON50".to_owned());
    let status = done(world.desk.check_credit(CheckCredit { code, order_total: dollars, asker: None }).await);
    assert_eq!(status, CreditStatus::Refused { why: CreditRefusal::Currency, minimum: None });
    for moved in [NOW.plus_seconds(-1), NOW.plus_minutes(60)] {
        world.clock.0.store(moved.0, SeqCst);
        assert_eq!(world.worth("COUPON50", 50_000).await, Err(CreditRefusal::OutOfTime));
    }
}

#[tokio::test]
async fn what_is_set_aside_is_nobody_elses_and_asking_again_sets_nothing_more_aside() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    assert_eq!(done(world.set_aside(1, 15_000).await).action, PaymentAction::Nothing);
    assert_eq!(done(world.set_aside(1, 15_000).await).attempt_id, attempt(1));
    assert_eq!((world.worth("GIFTCARD", 100_000).await, world.state(1).await), (Ok(5_000), PaymentState::Authorised));
    assert_eq!(declined_for(world.set_aside(2, 5_001).await), ReasonCode::InsufficientBalance);
    done(world.set_aside(3, 5_000).await);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Err(CreditRefusal::UsedUp));
    assert_eq!(declined_for(world.set_aside(4, 1).await), ReasonCode::NotAllowed);
    // Another amount under the same number is another payment.
    assert!(!matches!(world.set_aside(1, 14_000).await, Outcome::Done(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_orders_at_once_never_use_more_than_there_is() {
    let world = World::with(vec![card("GIFTCARD", 5_000)]).await;
    let opened = (0..20).map(|n| world.set_aside(n, 1_000));
    let opened = futures::future::join_all(opened).await;
    assert_eq!(opened.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count(), 5);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Err(CreditRefusal::UsedUp));
}

#[tokio::test]
async fn what_is_not_taken_let_go_or_given_back_can_be_used_again_also_after_a_restart() {
    let mut world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    done(world.set_aside(1, 12_000).await);
    let taken = done(world.desk.capture(CapturePayment { attempt_id: attempt(1), amount: cny(7_000) }).await);
    assert_eq!((taken.state, taken.captured), (PaymentState::Captured, Some(cny(7_000))));
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(13_000));
    let refund_id = RefundId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_000, 9));
    let back = |amount| CreateRefund { refund_id, attempt_id: attempt(1), amount: cny(amount), reason: "x".to_owned() };
    assert_eq!(done(world.desk.refund(back(3_000)).await).state, RefundState::Succeeded);
    assert_eq!(done(world.desk.refund(back(3_000)).await).state, RefundState::Succeeded, "once");
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(16_000));
    done(world.set_aside(2, 16_000).await);
    assert_eq!(done(world.desk.void(attempt(2)).await).state, PaymentState::Closed);
    assert_eq!(declined_for(world.set_aside(2, 16_000).await), ReasonCode::AlreadyClosed);
    let taken = world.desk.capture(CapturePayment { attempt_id: attempt(2), amount: cny(1) }).await;
    assert_eq!(declined_for(taken), ReasonCode::AlreadyClosed, "let go is let go");
    world.desk.store.close().await;
    world.desk = desk(world.folder.path(), &world.clock, vec![card("GIFTCARD", 20_000)]).await;
    assert_eq!((world.worth("GIFTCARD", 100_000).await, world.state(1).await), (Ok(16_000), PaymentState::Captured));
}

/// The app that asked was never heard of again: nobody loses the credit by that.
#[tokio::test]
async fn a_credit_nobody_came_back_for_is_free_once_the_time_to_pay_is_over() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    done(world.set_aside(1, 20_000).await);
    world.clock.0.store(NOW.plus_minutes(30).0, SeqCst);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(20_000));
    let taken = world.desk.capture(CapturePayment { attempt_id: attempt(1), amount: cny(1) }).await;
    assert_eq!(declined_for(taken), ReasonCode::AlreadyClosed);
    assert_eq!(world.state(1).await, PaymentState::Closed);
}

/// The app asked about it once, or was answered by a look-up, and was lost then.
#[tokio::test]
async fn what_is_known_to_be_set_aside_stays_so_for_longer_than_any_order_takes_and_not_for_ever() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    done(world.set_aside(2, 500).await);
    assert_eq!(world.state(2).await, PaymentState::Authorised);
    let ends = NOW.plus_minutes(30 + KEPT_MIN);
    world.clock.0.store(ends.plus_seconds(-1).0, SeqCst);
    assert_eq!((world.state(2).await, world.worth("GIFTCARD", 100_000).await), (PaymentState::Authorised, Ok(19_500)));
    world.clock.0.store(ends.0, SeqCst);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(20_000));
    let taken = world.desk.capture(CapturePayment { attempt_id: attempt(2), amount: cny(500) }).await;
    assert_eq!(declined_for(taken), ReasonCode::AlreadyClosed);
    assert_eq!(world.state(2).await, PaymentState::Closed);
    // What was taken in time stays taken.
    let later = CreatePaymentIntent { expires_at_us: ends.plus_minutes(30), ..wish(3, "GIFTCARD", 700) };
    done(world.desk.create(later).await);
    done(world.desk.capture(CapturePayment { attempt_id: attempt(3), amount: cny(700) }).await);
    world.clock.0.store(ends.plus_minutes(2 * KEPT_MIN).0, SeqCst);
    assert_eq!((world.state(3).await, world.worth("GIFTCARD", 100_000).await), (PaymentState::Captured, Ok(19_300)));
}

/// Two that ask at the moment the time runs out: one of them before it, but its answer is written after the other's.
#[tokio::test]
async fn what_runs_out_while_the_writer_is_waited_for_is_not_used_by_two() {
    for known in [false, true] {
        let world = World::with(vec![card("GIFTCARD", 500)]).await;
        done(world.set_aside(1, 500).await);
        let ends = NOW.plus_minutes(if known { 30 + KEPT_MIN } else { 30 });
        if known {
            assert_eq!(world.state(1).await, PaymentState::Authorised);
        }
        world.clock.0.store(ends.plus_seconds(-1).0, SeqCst);
        let held = world.desk.store.begin().await.unwrap();
        let looked = world.clock.1.load(SeqCst);
        let mut taking = Box::pin(world.desk.capture(CapturePayment { attempt_id: attempt(1), amount: cny(500) }));
        // It has judged by the clock, and can only wait for the writer now.
        while world.clock.1.load(SeqCst) == looked {
            assert!(futures::poll!(taking.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        world.clock.0.store(ends.0, SeqCst);
        let second = CreatePaymentIntent { expires_at_us: ends.plus_minutes(30), ..wish(2, "GIFTCARD", 500) };
        let drawing = world.desk.create(second);
        drop(held);
        let (taken, drawn) = tokio::join!(taking, drawing);
        assert_eq!(done(taken).state, PaymentState::Closed, "known {known}");
        done(drawn);
        let taken = world.desk.capture(CapturePayment { attempt_id: attempt(2), amount: cny(500) }).await;
        assert_eq!(done(taken).captured, Some(cny(500)));
        assert_eq!(world.worth("GIFTCARD", 100_000).await, Err(CreditRefusal::UsedUp));
    }
}

#[tokio::test]
async fn what_is_set_aside_is_opened_again_as_what_it_is() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    done(world.set_aside(1, 500).await);
    assert_eq!(world.state(1).await, PaymentState::Authorised);
    assert_eq!(done(world.set_aside(1, 500).await).action, PaymentAction::Nothing);
    done(world.desk.capture(CapturePayment { attempt_id: attempt(1), amount: cny(500) }).await);
    assert_eq!(declined_for(world.set_aside(1, 500).await), ReasonCode::AlreadyPaid);
}

/// The row is all there is of a credit: what could not be written has not happened.
#[tokio::test]
async fn what_of_a_credit_cannot_be_written_is_not_told_as_done() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    for n in [1, 2] {
        done(world.set_aside(n, 500).await);
    }
    done(world.desk.capture(CapturePayment { attempt_id: attempt(2), amount: cny(500) }).await);
    let full = async |table: &str, off: bool| {
        let rule =
            format!("CREATE TRIGGER full_{table} BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END");
        let sql = if off { format!("DROP TRIGGER full_{table}") } else { rule };
        let mut tx = world.desk.store.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
        world.desk.store.commit(tx).await.unwrap();
    };
    full("attempts", false).await;
    full("refunds", false).await;
    let taking = CapturePayment { attempt_id: attempt(1), amount: cny(500) };
    assert!(matches!(world.desk.capture(taking.clone()).await, Outcome::Unknown(_)));
    let refund_id = RefundId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_000, 9));
    let back = CreateRefund { refund_id, attempt_id: attempt(2), amount: cny(500), reason: "x".to_owned() };
    assert!(matches!(world.desk.refund(back.clone()).await, Outcome::Unknown(_)));
    full("attempts", true).await;
    full("refunds", true).await;
    assert_eq!(done(world.desk.capture(taking).await).state, PaymentState::Captured);
    assert_eq!(done(world.desk.refund(back).await).state, RefundState::Succeeded);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(19_500));
}

#[tokio::test]
async fn codes_cannot_be_found_by_trying() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    for n in 0..guesses::WRONG_MAX {
        assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(20_000), "a right one does not count");
        assert_eq!(world.worth(&format!("GUESS{n}"), 100_000).await, Err(CreditRefusal::Unknown));
    }
    // From now on a right one looks like a wrong one.
    for code in ["GUESS", "GIFTCARD"] {
        assert_eq!(world.worth(code, 100_000).await, Err(CreditRefusal::TooManyTries));
    }
    assert!(matches!(world.set_aside(1, 500).await, Outcome::Done(_)), "what was agreed to is paid all the same");
    world.clock.0.store(NOW.plus_minutes(guesses::WITHIN_MIN).0, SeqCst);
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(19_500));
}

#[tokio::test]
async fn who_tries_many_codes_keeps_nobody_else_from_asking_until_all_together_try_too_many() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    let refused = Err(CreditRefusal::TooManyTries);
    let askers = guesses::ALL_MAX / guesses::WRONG_MAX;
    for asker in 0..askers {
        let name = format!("asker {asker}");
        for n in 0..guesses::WRONG_MAX {
            assert_eq!(world.worth_to(Some(&name), &format!("GUESS{n}"), 1).await, Err(CreditRefusal::Unknown));
        }
        assert_eq!(world.worth_to(Some(&name), "GIFTCARD", 300).await, refused);
        let other = world.worth_to(Some("somebody else"), "GIFTCARD", 300).await;
        assert_eq!(other.is_ok(), asker + 1 < askers, "{asker}: everybody's are counted too");
    }
    assert_eq!(world.worth("GIFTCARD", 300).await, refused, "also to who gives no name");

    take_away(Some(Defence::FewGuessesOfAll));
    let (known, made_up) =
        (world.worth_to(Some("asker 0"), "GIFTCARD", 300).await, world.worth_to(Some("x"), "GIFTCARD", 300).await);
    take_away(None);
    assert_eq!((known, made_up), (refused, Ok(300)), "nothing else stops a name that is made up");
}

#[tokio::test]
async fn without_the_count_alone_an_asker_goes_on_trying() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    for n in 0..guesses::WRONG_MAX {
        world.worth_to(Some("one"), &format!("GUESS{n}"), 1).await.unwrap_err();
    }
    assert_eq!(world.worth_to(Some("one"), "GIFTCARD", 300).await, Err(CreditRefusal::TooManyTries));
    take_away(Some(Defence::FewGuesses));
    let found = world.worth_to(Some("one"), "GIFTCARD", 300).await;
    take_away(None);
    assert_eq!(found, Ok(300));
}

/// Somebody writes: asking what a code is worth does not wait for that.
#[tokio::test]
async fn a_code_is_looked_at_while_the_writer_is_taken() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    let held = world.desk.store.begin().await.unwrap();
    assert_eq!(world.worth("GIFTCARD", 100_000).await, Ok(20_000));
    drop(held);
}

#[tokio::test]
async fn a_credit_is_named_and_set_aside_first_and_nothing_else_is_drawn_from_one() {
    let world = World::with(vec![card("GIFTCARD", 20_000)]).await;
    let good = wish(1, "GIFTCARD", 500);
    let bad = [
        CreatePaymentIntent { credit: None, ..good.clone() },
        CreatePaymentIntent { authorise: false, ..good.clone() },
        CreatePaymentIntent { instalments: Some(3), ..good.clone() },
    ];
    for wish in bad {
        assert_eq!(declined_for(world.desk.create(wish).await), ReasonCode::InvalidRequest);
    }
    assert_eq!(declined_for(world.desk.create(wish(1, "NOSUCH", 500)).await), ReasonCode::NotAllowed);
    assert!(world.desk.abilities().await.unwrap().channels.is_empty(), "it is brought along, not recommended");
}
