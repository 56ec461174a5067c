//! Questions about payments while unsigned notifications are refused, as many a second as are wanted or as this process can send.
//!
//! Sender, receiver and the one who asks share the machine's cores. Deliberately not here: floods from many machines.

use crate::{per_second, percentile, stage::Stage};
use serde_json::json;
use std::{
    error::Error,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::MissedTickBehavior};
use zhiyou_domain::id::AttemptId;

/// Unsigned requests a second.
const WANTED: u64 = 5_000;
/// Requests under way at once.
const LANES: usize = 64;
/// Questions about payments; of fewer, a hundredth is not one.
const QUESTIONS: usize = 500;
/// The clock that lets requests go.
const TICK_MS: u64 = 2;

pub(crate) async fn run(stage: &Stage, attempts: &[AttemptId]) -> Result<(), Box<dyn Error>> {
    let questions = QUESTIONS.min(attempts.len().saturating_mul(5));
    let mut calm = ask(stage, attempts, questions).await?;
    let (refused, other) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    let asked = tokio::select! {
        asked = ask(stage, attempts, questions) => asked,
        error = pour(stage, &refused, &other) => Err(error),
    };
    let (mut asked, took) = (asked?, began.elapsed());
    let (refused, other) = (refused.load(SeqCst), other.load(SeqCst));
    if other > 0 {
        return Err(format!("{other} unsigned notifications were not refused").into());
    }
    println!(
        "status query, {questions} in turn  p99 {:>6} us, and {:>6} us while {:>5}/s unsigned are refused (wanted {WANTED}/s)",
        percentile(&mut calm, 99).as_micros(),
        percentile(&mut asked, 99).as_micros(),
        per_second(refused, took)?,
    );
    Ok(())
}

async fn ask(stage: &Stage, attempts: &[AttemptId], questions: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(questions);
    for attempt in attempts.iter().cycle().take(questions) {
        let began = Instant::now();
        stage.call("settlePayment", json!({ "attemptId": attempt })).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Sends until it is dropped; answers only when sending fails.
async fn pour(stage: &Stage, refused: &AtomicUsize, other: &AtomicUsize) -> Box<dyn Error> {
    let due = Semaphore::new(0);
    let per_tick = usize::try_from(WANTED * TICK_MS / 1_000).unwrap_or(1);
    let clock = async {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !due.is_closed() {
            tick.tick().await;
            // What could not be sent in time is not sent later.
            if due.available_permits() < LANES {
                due.add_permits(per_tick);
            }
        }
    };
    let lane = || async {
        loop {
            match due.acquire().await {
                Ok(permit) => permit.forget(),
                Err(error) => return Box::<dyn Error>::from(error),
            }
            let request = stage.http.post(stage.inbox()).header("content-type", "application/json").body("{}");
            match request.send().await {
                Ok(answer) if answer.status().is_client_error() => refused.fetch_add(1, SeqCst),
                Ok(_) => other.fetch_add(1, SeqCst),
                Err(error) => return Box::<dyn Error>::from(error),
            };
        }
    };
    let lanes = futures::future::select_all((0..LANES).map(|_| Box::pin(lane())));
    tokio::select! {
        (error, _, _) = lanes => error,
        () = clock => "the clock stopped".into(),
    }
}
