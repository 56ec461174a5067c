//! When a channel is left alone: what counts against it, what does not, and what proves that it is well again.

use super::*;
use zhiyou_domain::port::payments::Health;

impl World {
    async fn health(&self) -> Health {
        self.desk.abilities().await.unwrap().channels[0].health
    }

    /// Asks about a payment; the channel says that it stands there, or nothing.
    async fn ask(&self, id: AttemptId, stands: Option<PaymentState>) -> Option<PaymentState> {
        *self.channel.stands.lock().unwrap() = stands;
        match self.desk.status(id).await {
            Outcome::Done(status) => Some(status.state),
            Outcome::Unknown(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Opens so many payments and loses the answer to a question about each.
    async fn lose_questions(&self, count: usize) -> Vec<AttemptId> {
        let mut opened = Vec::new();
        for _ in 0..count {
            opened.push(self.open(100).await.unwrap());
        }
        for id in &opened {
            assert_eq!(self.ask(*id, None).await, None);
        }
        opened
    }

    /// What the channel says to everybody who wants to open a payment.
    fn refuse(&self, code: Option<ReasonCode>) {
        *self.channel.refuses.lock().unwrap() = code.map(|code| Reason::new(code, "x"));
    }
}

#[tokio::test]
async fn a_channel_that_does_not_answer_gets_no_new_payment_and_what_exists_can_still_be_opened() {
    let world = World::with(vec![]).await;
    world.lose(9).await;
    assert!(!world.is_left_alone().await, "nine are no sample");
    world.lose(1).await;
    assert!(world.is_left_alone().await);
    let able = world.desk.abilities().await.unwrap();
    let health = able.channels[0].health;
    assert_eq!((health.succeeded, health.failed, health.may_try), (0, 10, false));
    world.opened.store(0, SeqCst);
    assert!(world.open(100).await.is_ok(), "the same payment again");
    assert!(!world.is_left_alone().await, "it answers again");
}

#[tokio::test]
async fn a_channel_that_is_left_alone_is_tried_by_one_payment_and_is_well_when_that_opens() {
    let world = World::with(vec![]).await;
    world.lose(10).await;
    assert!(world.is_left_alone().await);
    world.pass(10);
    world.lose(1).await;
    assert!(world.is_left_alone().await, "the one that tried had no answer");
    world.pass(10);
    assert!(!world.is_left_alone().await);
    assert!(!world.is_left_alone().await, "it is well again");
    let world = World::with(vec![]).await;
    world.lose(10).await;
    world.pass(24 * 60);
    assert_eq!(world.health().await.failed, 0, "what is a day old does not count");
}

#[tokio::test]
async fn what_we_refuse_and_what_a_payer_gives_up_says_nothing_about_a_channel() {
    let world = World::with(vec![cap(100, 10_000)]).await;
    for _ in 0..12 {
        assert!(world.refused(101).await);
    }
    for _ in 0..12 {
        let id = world.open(100).await.unwrap();
        assert!(matches!(world.desk.close(id).await, Outcome::Done(_)));
    }
    let health = world.health().await;
    assert_eq!((health.succeeded, health.failed), (0, 0));
    assert!(!world.is_left_alone().await);
}

#[tokio::test]
async fn a_page_made_without_a_call_says_nothing_of_how_its_channel_does() {
    let world = World::with(vec![]).await;
    world.channel.made_here.store(true, SeqCst);
    world.pass(1);
    let opened = world.lose_questions(10).await;
    assert!(world.is_left_alone().await);
    world.opened.store(0, SeqCst);
    assert_eq!(world.open(100).await, Ok(opened[0]), "the same page once more");
    world.opened.store(100, SeqCst);
    assert!(world.is_left_alone().await, "nobody was asked");
    world.pass(10);
    let tried = world.open(100).await.unwrap();
    assert!(world.is_left_alone().await, "nobody was asked for the page that tries, either");
    assert_eq!(world.ask(opened[0], Some(PaymentState::RequiresAction)).await, Some(PaymentState::RequiresAction));
    assert!(world.is_left_alone().await, "an answer about what came before it failed");
    assert_eq!(world.ask(tried, Some(PaymentState::RequiresAction)).await, Some(PaymentState::RequiresAction));
    assert!(!world.is_left_alone().await, "it answers about what was opened since");
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_before_a_channel_failed_does_not_make_it_well() {
    let world = World::with(vec![]).await;
    world.lose(10).await;
    let attempt = attempts::find(world.desk.store.reader(), number(0)).await.unwrap().unwrap();
    let asked_at_us = UtcMicros(world.clock.now().0 - 1);
    world.desk.learn(&attempt, Call::Create { asked_at_us }, &Outcome::Done(())).await;
    assert!(world.is_left_alone().await);
    world.desk.learn(&attempt, Call::Query, &Outcome::Done(())).await;
    assert!(world.is_left_alone().await, "to answer questions is not to open payments");
    let asked_at_us = world.clock.now();
    world.desk.learn(&attempt, Call::Create { asked_at_us }, &Outcome::Done(())).await;
    assert!(!world.is_left_alone().await);
}

#[tokio::test]
async fn a_payment_that_was_paid_is_no_failure_however_often_a_question_about_it_was_lost() {
    let world = World::with(vec![]).await;
    let opened = world.lose_questions(12).await;
    assert_eq!((world.health().await.succeeded, world.health().await.failed), (0, 12));
    assert!(world.is_left_alone().await);
    for id in &opened {
        assert_eq!(world.ask(*id, Some(PaymentState::Captured)).await, Some(PaymentState::Captured));
    }
    assert_eq!((world.health().await.succeeded, world.health().await.failed), (12, 0));
    assert!(!world.is_left_alone().await);
}

#[tokio::test]
async fn what_payers_banks_refuse_closes_no_channel_to_others() {
    let world = World::with(vec![]).await;
    for _ in 0..12 {
        let id = world.open(100).await.unwrap();
        assert_eq!(world.ask(id, Some(PaymentState::Failed)).await, Some(PaymentState::Failed));
    }
    world.refuse(Some(ReasonCode::PaymentDeclined));
    for _ in 0..12 {
        assert!(world.open(100).await.is_err_and(|reason| reason.code == ReasonCode::PaymentDeclined));
    }
    assert_eq!((world.health().await.succeeded, world.health().await.failed), (0, 0));
    world.refuse(None);
    assert!(!world.is_left_alone().await);
    world.refuse(Some(ReasonCode::NotAllowed));
    for _ in 0..10 {
        assert!(world.open(100).await.is_err_and(|reason| reason.code == ReasonCode::NotAllowed));
    }
    world.refuse(None);
    assert!(world.is_left_alone().await, "whom the channel refuses are we");
}
