//! The comparison that the gateway makes by itself: every day of every channel once, some time after it is over.
//!
//! A day that is due is written down before it is looked at, so that what was due while the gateway was away is caught up, and
//! what was done is not done again. A bill that is not there is asked for every hour, for three days. What is found is kept and
//! told; nothing is acted on. Deliberately not here: the comparison.

use super::{Books, Judged, ReconcileError, Verdict, line::Day};
use crate::{
    Clock,
    store::{Store, StoreError, reconciled},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use zhiyou_domain::{port::payments::Channel, time::UtcMicros};

/// How often the days are looked at, seconds of the gateway's clock.
const LOOK_EVERY_S: i64 = 60;
/// How often it is looked whether that time has come: the clock of a demo jumps, and then nobody waits for it.
const TICK: Duration = Duration::from_secs(1);
/// How long after a bill was asked for in vain it is asked for again, minutes.
const AGAIN_MIN: i64 = 60;
/// How long a bill is asked for, minutes from when its day was due: WeChat Pay and Alipay make none of a day without a payment.
const ASKED_MIN: i64 = 3 * 24 * 60;
/// The most days of a channel that are caught up.
const DAYS_MAX: usize = 31;

/// Looks until it is stopped; first at once, because the gateway may have been away.
pub(crate) async fn run(books: Books, clock: Arc<dyn Clock>, after_min: i64, stop: CancellationToken) {
    let mut looked: Option<UtcMicros> = None;
    loop {
        let now = clock.now();
        if looked.is_none_or(|looked| looked.plus_seconds(LOOK_EVERY_S) <= now || now < looked) {
            looked = Some(now);
            tokio::select! {
                () = stop.cancelled() => return,
                done = look(&books, now, after_min) => if let Err(error) = done {
                    tracing::error!(%error, "the days to be compared could not be read");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Compares every day that is due now.
pub(crate) async fn look(books: &Books, now: UtcMicros, after_min: i64) -> Result<(), StoreError> {
    for (channel, adapter) in books.channels.all().filter(|(_, adapter)| adapter.has_bills()) {
        let over = adapter.capabilities().midnight.day_of(now.plus_minutes(-after_min)).previous();
        owe(&books.store, channel, over).await?;
    }
    for waiting in reconciled::waiting(books.store.reader()).await? {
        // A clock that was put back is no reason to wait.
        let again = |looked: UtcMicros| looked.plus_minutes(AGAIN_MIN) <= now || now < looked;
        let Some(adapter) = books.channels.of(waiting.channel) else { continue };
        if waiting.looked_at.is_none_or(again) {
            let due = waiting.day.until(adapter.capabilities().midnight).plus_minutes(after_min);
            compare(books, waiting.channel, waiting.day, now, due.plus_minutes(ASKED_MIN) <= now).await?;
        }
    }
    Ok(())
}

/// Writes down every day up to the last one that is over, as far back as it was done before.
async fn owe(store: &Store, channel: Channel, over: Day) -> Result<(), StoreError> {
    let newest = reconciled::newest(store.reader(), channel).await?;
    let before = |day: &Day| Some(day.previous()).filter(|previous| previous < day);
    let missed = std::iter::successors(Some(over), before).take(DAYS_MAX);
    let missed: Vec<Day> = match newest {
        Some(newest) => missed.take_while(|day| *day > newest).collect(),
        // Where nothing was ever compared it begins with the day that was just over.
        None => vec![over],
    };
    if missed.is_empty() {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    for day in missed {
        reconciled::owe(&mut tx, channel, day).await?;
    }
    store.commit(tx).await
}

/// Compares a day; what cannot be judged yet waits, unless this is the last time it is asked.
async fn compare(books: &Books, channel: Channel, day: Day, now: UtcMicros, last: bool) -> Result<(), StoreError> {
    let name = channel.word();
    let judged = match books.judge(channel, day).await {
        Ok(judged) => Some(judged),
        Err(ReconcileError::Store(error)) => return Err(error),
        Err(error) => {
            tracing::error!(%error, name, %day, "a day could not be compared");
            None
        }
    };
    let settled = |judged: &Judged| matches!(judged, Judged::Compared(compared) if compared.undecided == 0);
    let mut tx = books.store.begin().await?;
    match judged.filter(|judged| last || settled(judged)) {
        Some(judged) => {
            reconciled::end(&mut tx, channel, day, &judged, now).await?;
            tell(channel, day, &judged);
        }
        None => reconciled::put_off(&mut tx, channel, day, now).await?,
    }
    books.store.commit(tx).await
}

fn tell(channel: Channel, day: Day, judged: &Judged) {
    let name = channel.word();
    match (Verdict::of(judged), judged) {
        (Verdict::Differs, Judged::Compared(compared)) => {
            let count = compared.differences.len();
            tracing::error!(name, %day, count, "the book and the bill differ: see zhiyouctl reconcile");
        }
        (Verdict::Clean, _) => tracing::info!(name, %day, "the book and the bill agree"),
        (Verdict::NotHad | Verdict::Differs, _) => {
            tracing::warn!(name, %day, "the book was not compared with a whole bill: see zhiyouctl reconcile");
        }
    }
}

#[cfg(test)]
mod tests;
