//! What every driver's journal has to do, whatever it keeps its rows in.
//!
//! Deliberately not here: durability (killed processes show that) and speed.

use crate::{plan::Plan, run::Run};
use fastrand::Rng;
use zhiyou_domain::{
    driver::{Append, Appended, Fence, Journal, Kept, Refused, Signal},
    id::RequestId,
    order::{Fact, Order, deadline, journal},
    time::UtcMicros,
};

/// Seeds whose whole lives are written through the port.
const LIVES: std::ops::Range<u64> = 0..24;

/// Holds the journals that `empty` makes to the port's contract; returns how many facts were written.
///
/// # Errors
/// What was not as it has to be.
pub async fn check<J: Journal>(empty: impl AsyncFn() -> J) -> Result<usize, String> {
    let mut facts = 0;
    for seed in LIVES {
        let mut run = Run::new(seed);
        run.live();
        let Ok(written) = journal::verify(run.journal.order, &run.journal.rows) else { continue };
        let end = run.journal.rows.last().map(|row| row.hash.clone()).unwrap_or_default();
        facts += life(empty().await, &written, &end).await.map_err(|what| format!("seed {seed}: {what}"))?;
    }
    refusals(empty().await).await?;
    Ok(facts)
}

fn wanted<T: std::fmt::Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}")) }
}

async fn load<J: Journal>(journal: &mut J, order: &Order) -> Result<Kept, String> {
    let kept = journal.load(order.id).await.map_err(|refused| refused.to_string())?;
    kept.ok_or_else(|| "the order is gone".to_owned())
}

/// Facts another driver wrote give the same chain here, and the same order when they are read back.
async fn life<J: Journal>(mut journal: J, facts: &[(UtcMicros, Fact)], end: &[u8]) -> Result<usize, String> {
    let fence = journal.claim(UtcMicros(0)).await.map_err(|refused| refused.to_string())?;
    let mut kept: Option<Kept> = None;
    for facts in facts.chunk_by(|(a, _), (b, _)| a == b) {
        let at = facts.first().map_or(UtcMicros(0), |(at, _)| *at);
        let facts = facts.iter().map(|(_, fact)| fact.clone()).collect();
        let append = match &kept {
            None => Append::create(at, facts, None),
            Some(kept) => Append::facts(kept, at, facts, None),
        };
        let append = append.map_err(|illegal| illegal.to_string())?;
        kept = match journal.append(fence, append).await {
            Ok(Appended::Written(kept)) => Some(kept),
            other => return Err(format!("an append was {other:?}")),
        };
    }
    let Some(kept) = kept else { return Err("nothing was written".to_owned()) };
    wanted("the end of the chain", &hex::encode(&kept.hash), &hex::encode(end))?;
    // A handle that remembers nothing reads the same.
    journal.claim(UtcMicros(0)).await.map_err(|refused| refused.to_string())?;
    wanted("what is read back", &load(&mut journal, &kept.order).await?, &kept)?;
    let waited = deadline::waited_for(&kept.order);
    if let Some(first) = waited.first() {
        for (now, is_due) in [(first.at, true), (first.at.plus_micros(-1), false)] {
            let due = journal.due(now).await.map_err(|refused| refused.to_string())?;
            wanted("due", &due.orders.contains(&kept.order.id), &is_due)?;
            let next = waited.iter().map(|known| known.at).find(|at| *at > now);
            wanted("the next time", &due.next, &next)?;
        }
    }
    Ok(facts.len())
}

/// What must not be written is refused, each for its own reason, and leaves nothing behind.
async fn refusals<J: Journal>(mut journal: J) -> Result<(), String> {
    let order = Plan::draw(&mut Rng::with_seed(0)).order();
    let now = crate::plan::T0;
    let created = Append::create(now, vec![Fact::Created { order: Box::new(order) }], None);
    let created = created.map_err(|illegal| illegal.to_string())?;
    let old = journal.claim(now).await.map_err(|refused| refused.to_string())?;
    let fence = journal.claim(now).await.map_err(|refused| refused.to_string())?;
    if fence <= old {
        return Err("a later claim has no higher fence".to_owned());
    }
    wanted("a paused writer", &journal.append(old, created.clone()).await, &Err(Refused::Fenced))?;
    let Ok(Appended::Written(kept)) = journal.append(fence, created.clone()).await else {
        return Err("a new order was refused".to_owned());
    };
    wanted("the same order twice", &journal.append(fence, created).await, &Err(Refused::Stale))?;
    let signal =
        Signal { id: RequestId::from_ulid(crate::plan::id(77)), command: "end".to_owned(), payload: "this".to_owned() };
    let end = |kept: &Kept, signal: &Signal| {
        Append::facts(kept, now, vec![Fact::CancelRequested], Some(signal.clone()))
            .map_err(|illegal| illegal.to_string())
    };
    let ended = end(&kept, &signal)?;
    let (id, first) = (kept.order.id, journal.append(fence, ended.clone()).await);
    if !matches!(first, Ok(Appended::Written(_))) {
        return Err(format!("a request was {first:?}"));
    }
    wanted("a request twice", &journal.append(fence, ended.clone()).await, &Ok(Appended::Repeated(id)))?;
    let other = Signal { payload: "that".to_owned(), ..signal.clone() };
    wanted(
        "its id for something else",
        &journal.append(fence, end(&kept, &other)?).await,
        &Err(Refused::OtherRequest),
    )?;
    let another = Signal { id: RequestId::from_ulid(crate::plan::id(78)), ..signal };
    wanted("a writer that read too early", &journal.append(fence, end(&kept, &another)?).await, &Err(Refused::Stale))?;
    let reloaded = load(&mut journal, &kept.order).await?;
    wanted("facts after all that", &reloaded.order.version, &2)?;
    wanted("a claim's fence", &(fence > Fence(0)), &true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal as Memory;
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    #[test]
    fn the_driver_in_memory_keeps_the_contract() {
        let checked = pin!(check(async || Memory::new(Plan::draw(&mut Rng::with_seed(0)).order().id)));
        match checked.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(facts) => assert!(facts.unwrap() > 300),
            Poll::Pending => panic!("nothing in memory waits"),
        }
    }
}
