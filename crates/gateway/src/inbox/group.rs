//! The one writer of notifications: those that wait at the same time share a transaction and one sync of the disk.
//!
//! They are written in the order they came, and each sender is answered after the commit that holds its notification. When
//! one of them cannot be written, nothing of the transaction is kept and each is written by itself, so that only that one is
//! told to come again. Deliberately not here: proof, and what a notification changes.

use super::{Reception, Told, apply, disputed, reception};
use crate::{
    defence::{Defence, off},
    pay::{Notice, NoticeContent},
    store::{
        Store, StoreError, Tx,
        inbox::{self, Disposition, Kept},
        updates,
    },
};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, oneshot};
use zhiyou_domain::time::UtcMicros;

/// Notifications in one transaction at most: while it runs, nothing else is written.
pub(super) const TOGETHER_MAX: usize = 128;
/// Notifications that may wait for the writer; one more is told to come again. Of the largest it is 64 MB.
pub(super) const WAITING_MAX: usize = 1024;

/// A notification that was proved, on its way to the writer.
pub(super) struct Arrived {
    /// The provider's word.
    pub(super) provider: &'static str,
    /// What it says.
    pub(super) notice: Notice,
    /// Signature headers as JSON text.
    pub(super) headers: String,
    /// The very bytes; empty where only the digest is kept.
    pub(super) body: Vec<u8>,
    /// When it came.
    pub(super) now: UtcMicros,
}

/// Why a notification was not kept. The provider sends it again.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum NotKept {
    /// As many as may wait already do.
    #[error("too many notifications wait to be written")]
    Full,
    /// The writer ended.
    #[error("the writer of notifications has ended")]
    Closed,
    /// The database did not take it.
    #[error("{0}")]
    Store(Arc<StoreError>),
}

pub(super) type Answer = Result<Reception, NotKept>;

/// A notification with the one who waits for its answer.
pub(super) struct Job {
    pub(super) arrived: Arrived,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// A handle to the writer; it ends with the last one.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the writer of a database.
    pub(crate) fn start(store: Store) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(store, waiting));
        Self { jobs }
    }

    /// Keeps a notification and what it changes; answers when that is durable.
    pub(super) async fn keep(&self, arrived: Arrived) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { arrived, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotKept::Full,
            mpsc::error::TrySendError::Closed(_) => NotKept::Closed,
        })?;
        answer.await.unwrap_or(Err(NotKept::Closed))
    }

    /// How many more may wait.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.jobs.capacity()
    }
}

async fn run(store: Store, mut waiting: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    while waiting.recv_many(&mut jobs, TOGETHER_MAX).await > 0 {
        write(&store, std::mem::take(&mut jobs)).await;
    }
}

/// What became of a transaction.
enum End {
    Durable(Vec<Reception>),
    /// One of several could not be written; nothing of them was.
    OneFailed,
    Failed(Arc<StoreError>),
}

/// Writes what waited, and answers.
pub(super) async fn write(store: &Store, jobs: Vec<Job>) {
    match together(store, &jobs).await {
        End::OneFailed => {
            for job in jobs {
                let end = together(store, std::slice::from_ref(&job)).await;
                answer(vec![job], end);
            }
        }
        end => answer(jobs, end),
    }
}

fn answer(jobs: Vec<Job>, end: End) {
    let receptions = match end {
        End::Durable(receptions) => receptions.into_iter().map(Ok).collect(),
        End::Failed(error) => vec![Err(NotKept::Store(error)); jobs.len()],
        End::OneFailed => Vec::new(),
    };
    // A sender may be gone; what is written is written. One without an answer learns that the writer failed.
    for (job, reception) in jobs.into_iter().zip(receptions) {
        let _ = job.reply.send(reception);
    }
}

/// Writes all in one transaction, in their order.
async fn together(store: &Store, jobs: &[Job]) -> End {
    let failed = |error: StoreError| {
        if jobs.len() > 1 {
            tracing::error!(%error, together = jobs.len(), "notifications were not written together");
            End::OneFailed
        } else {
            End::Failed(Arc::new(error))
        }
    };
    let mut tx = match store.begin().await {
        Ok(tx) => tx,
        Err(error) => return End::Failed(Arc::new(error)),
    };
    point().await;
    // Whatever was half written goes with the transaction.
    let receptions = match all(&mut tx, jobs).await {
        Ok(receptions) => receptions,
        Err(error) => return failed(error),
    };
    let end = store.commit(tx).await;
    point().await;
    match end {
        Ok(()) => End::Durable(receptions),
        Err(error) => End::Failed(Arc::new(error)),
    }
}

/// Between two steps of a transaction; tests let the writer end here.
#[cfg(not(test))]
async fn point() {}
#[cfg(test)]
use tests::point;

/// What a transaction keeps and tells, written in few statements when all of it is known.
struct Batch<'a> {
    /// What was said under an event id, before or earlier in this batch, and what became of it.
    known: BTreeMap<(&'static str, String), (String, Disposition)>,
    kept: Vec<Kept<'a>>,
    told: Told,
}

/// Inbox rows, payment and refund rows and update rows of all notifications.
async fn all(tx: &mut Tx, jobs: &[Job]) -> Result<Vec<Reception>, StoreError> {
    let mut named: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    for Job { arrived: Arrived { provider, notice, .. }, .. } in jobs {
        let ids = std::iter::once(&notice.event_id).chain(&notice.second_id).map(String::as_str);
        named.entry(*provider).or_default().extend(ids);
    }
    let mut batch = Batch { known: BTreeMap::new(), kept: Vec::new(), told: Told::new() };
    for (provider, ids) in named {
        for (event_id, digest, disposition) in inbox::earlier(tx, provider, &ids).await? {
            batch.known.insert((provider, event_id), (digest, disposition));
        }
    }
    let mut receptions = Vec::with_capacity(jobs.len());
    for job in jobs {
        receptions.push(batch.take(tx, &job.arrived).await?);
        point().await;
    }
    inbox::insert(tx, &batch.kept).await?;
    updates::append(tx, &batch.told).await?;
    Ok(receptions)
}

impl<'a> Batch<'a> {
    async fn take(&mut self, tx: &mut Tx, arrived: &'a Arrived) -> Result<Reception, StoreError> {
        let Arrived { provider, notice, now, .. } = arrived;
        let (mut known, mut fresh) = (None, false);
        for event_id in std::iter::once(&notice.event_id).chain(&notice.second_id) {
            match self.known.get(&(*provider, event_id.clone())) {
                None => fresh = true,
                Some((digest, disposition)) if *digest == notice.digest => {
                    known = Some(*disposition).filter(|_| !off(Defence::Once));
                }
                Some(_) if off(Defence::OneContent) => fresh = true,
                Some(_) => {
                    tracing::error!(provider, event_id, "one event id was used for two contents");
                    let event_id = format!("{event_id}!{}", notice.digest);
                    self.keep(arrived, event_id.into(), &arrived.body, Disposition::Conflict);
                    return Ok(Reception::Refused);
                }
            }
        }
        if known.is_none()
            && let NoticeContent::Dispute(number, _) = &notice.content
            && disputed(tx, provider, number).await?.is_none()
        {
            // A dispute names the channel's number only, and events come in any order.
            tracing::error!(number, "a dispute about a payment we do not know of yet");
            return Ok(Reception::Early);
        }
        let disposition = match known {
            Some(disposition) if fresh => disposition,
            Some(disposition) => return Ok(reception(disposition)),
            None => apply(tx, &mut self.told, provider, notice, *now).await?,
        };
        self.keep(arrived, notice.event_id.as_str().into(), &arrived.body, disposition);
        if let Some(second_id) = &notice.second_id {
            // The body is kept once.
            self.keep(arrived, second_id.as_str().into(), &[], disposition);
        }
        Ok(reception(disposition))
    }

    fn keep(&mut self, arrived: &'a Arrived, event_id: Cow<'a, str>, body: &'a [u8], disposition: Disposition) {
        let Arrived { provider, notice, headers, now, .. } = arrived;
        let said = (notice.digest.clone(), disposition);
        self.known.entry((*provider, event_id.clone().into_owned())).or_insert(said);
        let (received_at_us, digest) = (now.0, notice.digest.as_str());
        self.kept.push(Kept { provider, event_id, received_at_us, disposition, digest, headers, body });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{cell::Cell, future::pending};

    thread_local! {
        /// How many more points are passed before the writer stands still.
        pub(in crate::inbox) static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
        /// Whether it does.
        pub(in crate::inbox) static STANDS: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) async fn point() {
        match LEFT.get() {
            Some(0) => {
                STANDS.set(true);
                pending().await
            }
            Some(left) => LEFT.set(Some(left - 1)),
            None => {}
        }
    }
}
