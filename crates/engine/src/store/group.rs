//! The journals of this database, behind the driver's port, with group commit: appends that wait at the same time share
//! one transaction and one sync of the disk, whatever orders they are about.
//!
//! One task writes. A refused append leaves the others of its group alone; when the database fails, none of the group is
//! written. Deliberately not here: statements on tables.

use super::{
    Db, StoreError, Tx, changes,
    changes::Entity,
    consents::{self, Consent},
    journal,
    lease::Lease,
    orders::{self, Stored},
    requests,
};
use crate::{
    audit::{self, Origin},
    killed::{self, Write},
};
use hashlink::LruCache;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};
use zhiyou_domain::{
    driver::{Append, Appended, Due, Fence, Journal, Kept, Refused},
    id::{OrderId, RequestId},
    order::journal::{Row, Unusable, resume, verify_chain},
    time::UtcMicros,
};

/// Appends in one transaction at most: a longer one would keep readers of the newest state waiting.
const GROUP_MAX: usize = 256;
/// Orders kept in memory; the others are read again when they are needed.
const KEPT_MAX: usize = 512;

/// A handle to the journals; cheap to clone.
#[derive(Clone)]
pub struct SqlJournal {
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
}

struct Shared {
    db: Db,
    data_dir: PathBuf,
    // Held for as long as the program writes.
    lease: Mutex<Option<Lease>>,
    remembered: Mutex<Remembered>,
    frozen: Mutex<BTreeMap<OrderId, Unusable>>,
    appends: AtomicU64,
    commits: AtomicU64,
}

/// Orders in memory, and those that are being written at the moment.
struct Remembered {
    kept: LruCache<OrderId, Kept>,
    /// Of these only the database knows whether the old or the new is true: whoever has seen the change must not be shown
    /// the order from before it.
    writing: BTreeSet<OrderId>,
    /// Transactions so far.
    written: u64,
}

/// An append on its way to the writer, with everything worked out that needs no database.
struct Job {
    fence: Fence,
    append: Append,
    rows: Vec<Row>,
    stored: Stored,
    /// What the person agreed to with it, signed; kept beside the journal in the same transaction.
    consent: Option<Consent>,
    origin: Origin,
    reply: oneshot::Sender<Result<Appended, Refused>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SqlJournal {
    /// The journals in `db`; `data_dir` is locked by [`Journal::claim`].
    #[must_use]
    pub fn new(db: Db, data_dir: PathBuf) -> Self {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            db,
            data_dir,
            lease: Mutex::new(None),
            remembered: Mutex::new(Remembered { kept: LruCache::new(KEPT_MAX), writing: BTreeSet::new(), written: 0 }),
            frozen: Mutex::new(BTreeMap::new()),
            appends: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        });
        tokio::spawn(write(Arc::clone(&shared), waiting));
        Self { shared, jobs }
    }

    /// Appends written so far.
    #[must_use]
    pub fn appends(&self) -> u64 {
        self.shared.appends.load(Ordering::Relaxed)
    }

    /// Transactions they shared.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Why an order is frozen, if it was found to be.
    #[must_use]
    pub fn frozen(&self, order: OrderId) -> Option<Unusable> {
        locked(&self.shared.frozen).get(&order).cloned()
    }

    async fn read(&self, id: OrderId) -> Result<Option<Kept>, Refused> {
        let began = match locked(&self.shared.remembered).get(id) {
            Ok(kept) => return Ok(Some(kept)),
            Err(began) => began,
        };
        let reader = self.shared.db.reader();
        let rows = journal::rows(reader, id).await.map_err(refused)?;
        let Some(hash) = rows.last().map(|row| row.hash.clone()) else { return Ok(None) };
        let snapshot = match orders::snapshot(reader, id).await {
            Ok(snapshot) => snapshot,
            // The snapshot is only a convenience; the journal is the truth.
            Err(StoreError::Damaged(_)) => None,
            Err(error) => return Err(refused(error)),
        };
        let found = verify_chain(id, &rows).and_then(|()| resume(snapshot, &rows));
        let found = found.map(|order| Kept { order: Arc::new(order), hash }).map_err(Refused::from);
        if let Err(Refused::Unusable(why)) = &found {
            tracing::error!(order = %id, %why, "this order is frozen");
            locked(&self.shared.frozen).insert(id, why.clone());
        }
        let kept = found?;
        Ok(Some(locked(&self.shared.remembered).read(kept, began)))
    }

    /// The same as [`Journal::append`], with the consent that belongs to it.
    pub(crate) async fn write(
        &self,
        fence: Fence,
        append: Append,
        consent: Option<Consent>,
    ) -> Result<Appended, Refused> {
        let rows = append.rows()?;
        let stored = Stored::new(append.before.clone(), Arc::clone(&append.order), append.rests).map_err(refused)?;
        let id = append.order.id;
        let (reply, answer) = oneshot::channel();
        let gone = || Refused::NotStored { full: false, why: "the store is closed".to_owned() };
        let origin = Origin::now();
        self.jobs.send(Job { fence, append, rows, stored, consent, origin, reply }).map_err(|_| gone())?;
        let answer = answer.await.map_err(|_| gone())?;
        if matches!(answer, Err(Refused::Stale)) {
            // What is remembered is not what is stored.
            locked(&self.shared.remembered).kept.remove(&id);
        }
        answer
    }
}

impl Journal for SqlJournal {
    async fn claim(&mut self, now: UtcMicros) -> Result<Fence, Refused> {
        // Claiming again takes over from oneself.
        drop(locked(&self.shared.lease).take());
        let lease = Lease::take(&self.shared.db, &self.shared.data_dir, now).await.map_err(refused)?;
        let fence = lease.fence();
        *locked(&self.shared.lease) = Some(lease);
        locked(&self.shared.remembered).kept.clear();
        Ok(fence)
    }

    async fn load(&mut self, order: OrderId) -> Result<Option<Kept>, Refused> {
        self.read(order).await
    }

    async fn append(&mut self, fence: Fence, append: Append) -> Result<Appended, Refused> {
        self.write(fence, append, None).await
    }

    async fn due(&mut self, now: UtcMicros) -> Result<Due, Refused> {
        orders::due(self.shared.db.reader(), now).await.map_err(refused)
    }
}

pub(crate) fn refused(error: StoreError) -> Refused {
    match error {
        StoreError::InUse => Refused::InUse,
        StoreError::Fenced => Refused::Fenced,
        StoreError::Stale => Refused::Stale,
        StoreError::Damaged(why) => Unusable::Damaged { seq: 0, why }.into(),
        StoreError::Newer(_) => Unusable::Newer { format: 0 }.into(),
        error => Refused::NotStored { full: error.is_disk_full(), why: error.to_string() },
    }
}

/// The one writer: takes what waits, writes it together, answers, and again.
async fn write(shared: Arc<Shared>, mut waiting: mpsc::UnboundedReceiver<Job>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut jobs = std::mem::take(&mut group);
        while !jobs.is_empty() {
            jobs = shared.write_group(jobs).await;
        }
    }
}

/// What became of the jobs of one transaction.
#[derive(Default)]
struct Sorted {
    accepted: Vec<Job>,
    answered: Vec<(Job, Result<Appended, Refused>)>,
    /// Two about the same order or request: the later one is looked at in the next transaction.
    later: Vec<Job>,
}

impl Shared {
    /// Writes what can be written together; returns what has to wait for the next transaction.
    async fn write_group(&self, jobs: Vec<Job>) -> Vec<Job> {
        let mut sorted = Sorted::default();
        locked(&self.remembered).writing = jobs.iter().map(|job| job.append.order.id).collect();
        let end = self.commit_group(jobs, &mut sorted).await;
        let new = if matches!(end, Ok(Some(_))) { sorted.accepted.as_slice() } else { &[] };
        locked(&self.remembered).wrote(new.iter().map(written));
        if let Ok(Some(cursor)) = &end {
            // Whoever is woken reads what is remembered, so that came first.
            self.db.ring(*cursor);
        }
        for job in sorted.accepted {
            let answer = match &end {
                Ok(_) => Ok(Appended::Written(written(&job))),
                Err(refused) => Err(refused.clone()),
            };
            // Whoever asked may be gone; what is written is written.
            let _ = job.reply.send(answer);
        }
        for (job, answer) in sorted.answered {
            let _ = job.reply.send(answer);
        }
        sorted.later
    }

    /// Returns the newest change cursor, if anything was written.
    async fn commit_group(&self, jobs: Vec<Job>, sorted: &mut Sorted) -> Result<Option<i64>, Refused> {
        let mut tx = match self.db.begin().await {
            Ok(tx) => tx,
            Err(error) => {
                sorted.accepted = jobs;
                return Err(refused(error));
            }
        };
        if let Err(error) = sort(&mut tx, jobs, sorted).await {
            return Err(refused(error));
        }
        if sorted.accepted.is_empty() {
            return Ok(None);
        }
        let cursor = put(&mut tx, &sorted.accepted).await.map_err(refused)?;
        killed::point(Write::Journal);
        tx.commit().await.map_err(|error| refused(error.into()))?;
        killed::point(Write::Journal);
        let written = u64::try_from(sorted.accepted.len()).unwrap_or(u64::MAX);
        self.appends.fetch_add(written, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(Some(cursor))
    }
}

impl Remembered {
    /// What is remembered of an order; else the number that [`Remembered::read`] wants after reading it.
    fn get(&mut self, id: OrderId) -> Result<Kept, u64> {
        let known = if self.writing.contains(&id) { None } else { self.kept.get(&id).cloned() };
        known.ok_or(self.written)
    }

    /// Takes in what was read, unless somebody may have written since the reading `began`.
    fn read(&mut self, found: Kept, began: u64) -> Kept {
        if self.written == began && !self.writing.contains(&found.order.id) {
            self.kept.insert(found.order.id, found.clone());
        }
        found
    }

    /// The transaction is over, and this is what it wrote.
    fn wrote(&mut self, new: impl Iterator<Item = Kept>) {
        self.writing.clear();
        self.written += 1;
        for kept in new {
            self.kept.insert(kept.order.id, kept);
        }
    }
}

fn written(job: &Job) -> Kept {
    let hash = job.rows.last().map(|row| row.hash.clone()).unwrap_or_default();
    Kept { order: Arc::clone(&job.append.order), hash }
}

/// Decides which jobs can be written in this transaction. After an error every job is in `accepted` or answered.
async fn sort(tx: &mut Tx, jobs: Vec<Job>, sorted: &mut Sorted) -> Result<(), StoreError> {
    let (mut orders, mut requests) = (BTreeSet::<OrderId>::new(), BTreeSet::<RequestId>::new());
    for job in jobs {
        let request = job.append.signal.as_ref().map(|signal| signal.id);
        let known = request.is_some_and(|id| !requests.insert(id));
        if !orders.insert(job.append.order.id) || known { sorted.later.push(job) } else { sorted.accepted.push(job) }
    }
    let fence = Lease::newest(tx).await?;
    let ids: Vec<OrderId> = sorted.accepted.iter().map(|job| job.append.order.id).collect();
    let versions: BTreeMap<OrderId, i64> = orders::versions(tx, &ids).await?.into_iter().collect();
    let mut earlier = BTreeMap::new();
    for signal in sorted.accepted.iter().filter_map(|job| job.append.signal.as_ref()) {
        let found = requests::earlier(&mut **tx, signal.id, &signal.command, &signal.payload).await?;
        earlier.insert(signal.id, found);
    }
    for job in std::mem::take(&mut sorted.accepted) {
        let stored = versions.get(&job.append.order.id).copied().unwrap_or(0);
        let known = job.append.signal.as_ref().and_then(|signal| earlier.remove(&signal.id));
        let answer = match known {
            _ if job.fence != fence => Some(Err(Refused::Fenced)),
            Some(requests::Earlier::Other) => Some(Err(Refused::OtherRequest)),
            Some(requests::Earlier::Made(id)) => {
                let damaged = |_| Unusable::Damaged { seq: 0, why: "a request made something else".to_owned() }.into();
                Some(id.parse().map(Appended::Repeated).map_err(damaged))
            }
            _ if u64::try_from(stored) != Ok(job.append.after) => Some(Err(Refused::Stale)),
            Some(requests::Earlier::None) | None => None,
        };
        match answer {
            Some(answer) => sorted.answered.push((job, answer)),
            None => sorted.accepted.push(job),
        }
    }
    Ok(())
}

/// Writes everything of a group; returns the newest change cursor.
async fn put(tx: &mut Tx, jobs: &[Job]) -> Result<i64, StoreError> {
    let rows: Vec<(OrderId, Fence, &Row)> =
        jobs.iter().flat_map(|job| job.rows.iter().map(|row| (job.append.order.id, job.fence, row))).collect();
    journal::append(tx, &rows).await?;
    let stored: Vec<&Stored> = jobs.iter().map(|job| &job.stored).collect();
    orders::put(tx, &stored).await?;
    let mut changed = BTreeSet::new();
    let now = jobs.iter().map(|job| job.append.at).max().unwrap_or(UtcMicros(0));
    let told = jobs.iter().flat_map(|job| audit::of_facts(job.append.order.id, &job.append.facts, job.origin));
    audit::append(tx, &told.collect::<Vec<_>>(), now).await?;
    for job in jobs {
        if let Some(consent) = &job.consent {
            consents::insert(tx, consent).await?;
        }
        let (order, at) = (&job.append.order, job.append.at);
        if let Some(signal) = &job.append.signal {
            requests::remember(tx, signal.id, &signal.command, &signal.payload, &order.id.to_string(), at).await?;
        }
        changed.insert((Entity::Order, order.id.to_string()));
        // The plan's card shows its order's state, and nothing else of it.
        if job.append.before.as_ref().is_none_or(|before| before.state != order.state) {
            changed.insert((Entity::Plan, order.plan.to_string()));
        }
    }
    changes::append_all(tx, &changed.into_iter().collect::<Vec<_>>(), now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_driver_in_a_database_keeps_the_contract_and_writes_what_the_one_in_memory_wrote() {
        let folders = Mutex::new(Vec::new());
        let empty = async || {
            let folder = tempfile::tempdir().unwrap();
            let db = Db::open(folder.path()).await.unwrap();
            let journal = SqlJournal::new(db, folder.path().to_owned());
            locked(&folders).push(folder);
            journal
        };
        assert!(zhiyou_sim::conformance::check(empty).await.unwrap() > 300);
    }
}
