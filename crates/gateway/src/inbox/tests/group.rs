//! Notifications that are written together: all or none, one answer each, and never before it is durable.

use super::*;
use crate::inbox::group::{
    Answer, Job, TOGETHER_MAX, WAITING_MAX,
    tests::{LEFT, STANDS},
    write,
};
use futures::future::join_all;
use std::{future::poll_fn, pin::pin, task::Poll};
use tokio::sync::oneshot;

/// The number of one of many payments.
fn number(of: usize) -> String {
    format!("01KA00000000000000000{of:05}")
}

impl World {
    /// A world with so many more payments.
    async fn with(payments: usize) -> Self {
        let world = Self::start().await;
        let (first, _) = wanted(Channel::Wechatpay);
        let mut tx = world.inbox.store.begin().await.unwrap();
        for of in 0..payments {
            let attempt_id = AttemptId::parse_bare(&number(of)).unwrap();
            attempts::insert(&mut tx, &Attempt { attempt_id, ..first.clone() }).await.unwrap();
        }
        world.inbox.store.commit(tx).await.unwrap();
        world
    }

    /// The notification that one of many was paid.
    async fn arrived(&self, event_id: &str, of: usize, transaction_id: &str) -> Arrived {
        let resource = transaction(|resource| {
            resource["out_trade_no"] = number(of).into();
            resource["transaction_id"] = transaction_id.into();
        });
        let message = self.sealed(event_id, "TRANSACTION.SUCCESS", "transaction", &resource);
        let mut headers = HeaderMap::new();
        for (name, value) in &message.headers {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(value.as_str()).unwrap());
        }
        let (body, now) = (message.body.into_bytes(), Frozen.now());
        let channel = self.inbox.channels.of(Channel::Wechatpay).unwrap();
        let notice = channel.verify_notification(&headers, &body, now).await.unwrap();
        Arrived { provider: Channel::Wechatpay.word(), notice, headers: evidence(&headers), body, now }
    }

    /// That each of so many was paid, in turn.
    async fn all(&self, count: usize) -> (Vec<Job>, Vec<oneshot::Receiver<Answer>>) {
        let mut waiting = (Vec::new(), Vec::new());
        for of in 0..count {
            let (job, answer) = job(self.arrived(&format!("EV-{of:03}"), of, &format!("T-{of}")).await);
            waiting.0.push(job);
            waiting.1.push(answer);
        }
        waiting
    }

    async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.inbox.store.reader()).await.unwrap();
    }

    /// Notifications kept, and which payments the updates are about.
    async fn written(&self) -> (usize, Vec<String>) {
        // Whatever the writer's connection still has to undo comes before this.
        drop(self.inbox.store.begin().await.unwrap());
        let about = |update: Update| match update.content {
            UpdateContent::Payment { status } => status.attempt_id.bare(),
            other => panic!("{other:?}"),
        };
        (self.kept().await.len(), self.updates().await.into_iter().map(about).collect())
    }
}

fn job(arrived: Arrived) -> (Job, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    (Job { arrived, reply }, answer)
}

fn numbers(of: impl Iterator<Item = usize>) -> Vec<String> {
    of.map(number).collect()
}

#[tokio::test]
async fn killed_at_any_step_nobody_was_answered_and_all_are_written_or_none() {
    const COUNT: usize = 3;
    /// Begun, after each, and after the commit.
    const STEPS: usize = COUNT + 2;
    let world = World::with(COUNT).await;
    for step in 0..=STEPS {
        let (jobs, mut answers) = world.all(COUNT).await;
        LEFT.set(Some(step));
        let ended = {
            let mut writing = pin!(write(&world.inbox.store, jobs));
            poll_fn(|context| match writing.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(true),
                // It stands still and will never go on: it is dropped, as by a kill.
                Poll::Pending if STANDS.take() => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        LEFT.set(None);
        let written = world.written().await;
        let expected = if step + 1 < STEPS { (0, vec![]) } else { (COUNT, numbers(0..COUNT)) };
        assert_eq!(written, expected, "killed at {step}");
        for answer in &mut answers {
            let answer = answer.try_recv();
            let kept = matches!(answer, Ok(Ok(Reception::Kept)));
            assert!(if step == STEPS { kept } else { answer.is_err() }, "killed at {step}: {answer:?}");
        }
        assert_eq!(ended, step == STEPS);
    }
}

#[tokio::test]
async fn one_that_cannot_be_written_leaves_the_others_as_they_came() {
    const COUNT: usize = 20;
    for how in ["ABORT", "ROLLBACK", "damage"] {
        let world = World::with(COUNT).await;
        match how {
            "ABORT" => {
                world
                    .run(
                        "CREATE TRIGGER bad BEFORE INSERT ON inbox WHEN NEW.event_id = 'EV-007' \
                         BEGIN SELECT RAISE(ABORT, 'bad'); END",
                    )
                    .await;
            }
            "ROLLBACK" => {
                world
                    .run(
                        "CREATE TRIGGER bad BEFORE INSERT ON inbox WHEN NEW.event_id = 'EV-007' \
                         BEGIN SELECT RAISE(ROLLBACK, 'bad'); END",
                    )
                    .await;
            }
            _ => world.run("UPDATE attempts SET state = 'odd' WHERE attempt_id LIKE '%00007'").await,
        }
        let (jobs, answers) = world.all(COUNT).await;
        write(&world.inbox.store, jobs).await;
        for (of, answer) in answers.into_iter().enumerate() {
            let answer = answer.await.unwrap();
            if of == 7 {
                assert!(matches!(answer, Err(NotKept::Store(_))), "{how}: {answer:?}");
            } else {
                assert!(matches!(answer, Ok(Reception::Kept)), "{how} {of}: {answer:?}");
            }
        }
        let expected = numbers((0..COUNT).filter(|of| *of != 7));
        assert_eq!(world.written().await, (COUNT - 1, expected), "{how}");
    }
}

#[tokio::test]
async fn copies_that_are_written_together_count_once_and_another_content_is_a_conflict() {
    let world = World::with(2).await;
    let (mut jobs, mut answers) = (Vec::new(), Vec::new());
    let wanted = [("EV-1", 0, "T-0"), ("EV-1", 0, "T-0"), ("EV-2", 1, "T-1"), ("EV-1", 0, "other"), ("EV-1", 0, "T-0")];
    for (event_id, of, transaction_id) in wanted {
        let (job, answer) = job(world.arrived(event_id, of, transaction_id).await);
        jobs.push(job);
        answers.push(answer);
    }
    write(&world.inbox.store, jobs).await;
    let answered: Vec<Reception> = join_all(answers).await.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
    use Reception::{Kept, Refused};
    assert_eq!(answered, [Kept, Kept, Kept, Refused, Kept]);
    assert_eq!(world.written().await.1, numbers(0..2));
    let words: Vec<String> = world.kept().await.into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["applied", "conflict", "applied"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_nobodys_success() {
    let world = World::with(3).await;
    world
        .run(
            "CREATE TABLE parent (id BIGINT PRIMARY KEY); \
             CREATE TABLE child (id BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TRIGGER late AFTER INSERT ON inbox BEGIN INSERT INTO child VALUES (1); END",
        )
        .await;
    let (jobs, answers) = world.all(3).await;
    write(&world.inbox.store, jobs).await;
    for answer in join_all(answers).await {
        assert!(matches!(answer.unwrap(), Err(NotKept::Store(_))));
    }
    assert_eq!(world.written().await, (0, vec![]));
}

#[tokio::test]
async fn when_too_many_wait_one_more_is_told_to_come_again_and_those_that_wait_are_kept() {
    let world = World::with(0).await;
    let busy = world.inbox.store.begin().await.unwrap();
    let writer = &world.inbox.writer;
    let one = |of: usize| {
        let event_id = format!("EV-{of}");
        let content = NoticeContent::Ignored("nothing".to_owned());
        let notice = Notice { digest: event_id.clone(), event_id, second_id: None, content };
        let (headers, now) = (String::new(), Frozen.now());
        writer.keep(Arrived { provider: Channel::Wechatpay.word(), notice, headers, body: Vec::new(), now })
    };
    let mut waiting = pin!(join_all((0..TOGETHER_MAX).map(one)));
    let filled = async {
        // The writer has taken the first ones and waits for the database.
        while writer.room() < WAITING_MAX {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("answered before it was written"),
        () = filled => {}
    }
    let mut more = pin!(join_all((TOGETHER_MAX..TOGETHER_MAX + WAITING_MAX).map(one)));
    let paid = world.paid("EV-PAID");
    let refused = tokio::select! {
        biased;
        _ = &mut more => panic!("answered before it was written"),
        refused = world.post(&paid) => refused,
    };
    assert_eq!(refused.0, 503);
    assert!(refused.1.contains("FAIL"), "{refused:?}");
    drop(busy);
    let (first, rest) = tokio::join!(waiting, more);
    assert!(first.into_iter().chain(rest).all(|answer| matches!(answer, Ok(Reception::Kept))));
    assert_eq!(world.written().await, (TOGETHER_MAX + WAITING_MAX, vec![]));
    assert_eq!(world.post(&paid).await.0, 200, "and now there is room");
}
