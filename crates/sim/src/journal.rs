//! The journal in memory: the same chain as in a database, with a lease, a fence, crashes and a disk that can be full.
//!
//! Deliberately not here: what is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    sync::Arc,
};
use zhiyou_domain::{
    defect::{Defect, planted},
    driver::{Append, Appended, Due, Fence, Kept, Refused, Signal},
    id::{OrderId, RequestId},
    order::{
        Fact, StepEnd, StepKey,
        deadline::waited_for,
        journal::{self, Row},
    },
    time::UtcMicros,
};

/// One order's journal and its lease.
pub(crate) struct Journal {
    pub(crate) order: OrderId,
    pub(crate) rows: Vec<Row>,
    fence: i64,
    pub(crate) disk_full: bool,
    /// Steps whose intent is written and whose outcome is not.
    pub(crate) open: BTreeSet<StepKey>,
    /// Steps whose intent was ever written.
    pub(crate) known: BTreeSet<StepKey>,
    signals: BTreeMap<RequestId, Signal>,
}

impl Journal {
    pub(crate) fn new(order: OrderId) -> Self {
        let (open, known, signals) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { order, rows: Vec::new(), fence: 0, disk_full: false, open, known, signals }
    }

    /// Takes the lease over; the earlier holder can no longer write.
    pub(crate) const fn take_over(&mut self) -> Fence {
        self.fence += 1;
        Fence(self.fence)
    }

    /// Writes, if `fence` is the newest and nobody wrote meanwhile.
    pub(crate) fn write(&mut self, fence: Fence, append: &Append) -> Result<Appended, Refused> {
        if fence.0 != self.fence && !planted(Defect::NoFence) {
            return Err(Refused::Fenced);
        }
        if let Some(known) = append.signal.as_ref().and_then(|signal| self.signals.get(&signal.id)) {
            let same = append.signal.as_ref() == Some(known);
            return if same { Ok(Appended::Repeated(self.order)) } else { Err(Refused::OtherRequest) };
        }
        let here = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        if append.after != here && !planted(Defect::NoVersionCheck) && !planted(Defect::NoFence) {
            return Err(Refused::Stale);
        }
        if self.disk_full {
            return Err(Refused::NotStored { full: true, why: "the disk is full".to_owned() });
        }
        let last = self.rows.last().map(|row| row.hash.clone()).unwrap_or_default();
        self.rows.extend(journal::rows(self.order, here, &last, append.at, &append.facts)?);
        append.facts.iter().for_each(|fact| self.count(fact));
        self.signals.extend(append.signal.clone().map(|signal| (signal.id, signal)));
        let hash = self.rows.last().map(|row| row.hash.clone()).unwrap_or_default();
        Ok(Appended::Written(Kept { order: Arc::clone(&append.order), hash }))
    }

    fn count(&mut self, fact: &Fact) {
        match fact {
            Fact::StepStarted { key } => {
                self.open.insert(key.clone());
                self.known.insert(key.clone());
            }
            Fact::StepEnded { key, end } if !matches!(end, StepEnd::Unknown { .. }) => {
                self.open.remove(key);
            }
            _ => {}
        }
    }

    /// Reads everything back, as after a restart.
    pub(crate) fn read(&self) -> Result<Option<Kept>, Refused> {
        let Some(hash) = self.rows.last().map(|row| row.hash.clone()) else { return Ok(None) };
        let order = journal::replay(&journal::verify(self.order, &self.rows)?)?;
        Ok(Some(Kept { order: Arc::new(order), hash }))
    }

    /// Flips one bit of one row.
    pub(crate) fn flip(&mut self, row: usize, bit: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            let mut bytes = row.fact.clone().into_bytes();
            let at = bit / 8 % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                // Only the lowest bits, so that the text stays text and it is the chain that has to find it.
                *byte ^= 1 << (bit % 3);
            }
            if let Ok(text) = String::from_utf8(bytes) {
                row.fact = text;
            }
        }
    }
}

impl zhiyou_domain::driver::Journal for Journal {
    fn claim(&mut self, _: UtcMicros) -> impl Future<Output = Result<Fence, Refused>> + Send {
        ready(Ok(self.take_over()))
    }

    fn load(&mut self, order: OrderId) -> impl Future<Output = Result<Option<Kept>, Refused>> + Send {
        ready(if order == self.order { self.read() } else { Ok(None) })
    }

    fn append(&mut self, fence: Fence, append: Append) -> impl Future<Output = Result<Appended, Refused>> + Send {
        ready(self.write(fence, &append))
    }

    fn due(&mut self, now: UtcMicros) -> impl Future<Output = Result<Due, Refused>> + Send {
        ready(self.read().map(|kept| {
            let times: Vec<UtcMicros> =
                kept.iter().flat_map(|kept| waited_for(&kept.order)).map(|known| known.at).collect();
            let orders = kept.filter(|_| times.iter().any(|at| *at <= now)).map(|kept| kept.order.id);
            Due { orders: orders.into_iter().collect(), next: times.into_iter().filter(|at| *at > now).min() }
        }))
    }
}
