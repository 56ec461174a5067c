//! The journal in memory: the same chain as in a database, with a lease, a fence, crashes and a disk that can be full.
//!
//! Deliberately not here: what is written.

use std::collections::BTreeSet;
use zhiyou_domain::{
    defect::{Defect, planted},
    id::OrderId,
    order::{
        Fact, Order, StepEnd, StepKey,
        journal::{self, Row, Unusable},
    },
    time::UtcMicros,
};

/// One order's journal and its lease.
pub(crate) struct Journal {
    pub(crate) order: OrderId,
    pub(crate) rows: Vec<Row>,
    fence: u64,
    pub(crate) disk_full: bool,
    /// Steps whose intent is written and whose outcome is not.
    pub(crate) open: BTreeSet<StepKey>,
    /// Steps whose intent was ever written.
    pub(crate) known: BTreeSet<StepKey>,
}

/// Why an append did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The lease was taken over by another writer.
    Fenced,
    /// Somebody else wrote after this writer read.
    Stale,
    /// No space is left.
    DiskFull,
}

impl Journal {
    pub(crate) const fn new(order: OrderId) -> Self {
        Self { order, rows: Vec::new(), fence: 0, disk_full: false, open: BTreeSet::new(), known: BTreeSet::new() }
    }

    /// Takes the lease over; the earlier holder can no longer write.
    pub(crate) const fn claim(&mut self) -> u64 {
        self.fence += 1;
        self.fence
    }

    /// Appends facts after row `after`, if `fence` is the newest and nobody wrote meanwhile.
    pub(crate) fn append(&mut self, fence: u64, after: u64, at: UtcMicros, facts: &[Fact]) -> Result<(), Refused> {
        if fence != self.fence && !planted(Defect::NoFence) {
            return Err(Refused::Fenced);
        }
        let here = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        if after != here && !planted(Defect::NoVersionCheck) && !planted(Defect::NoFence) {
            return Err(Refused::Stale);
        }
        if self.disk_full {
            return Err(Refused::DiskFull);
        }
        let last = self.rows.last().map(|row| row.hash.clone()).unwrap_or_default();
        let Ok(rows) = journal::rows(self.order, here, &last, at, facts) else { return Err(Refused::DiskFull) };
        self.rows.extend(rows);
        facts.iter().for_each(|fact| self.count(fact));
        Ok(())
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
    pub(crate) fn load(&self) -> Result<Order, Unusable> {
        journal::replay(&journal::verify(self.order, &self.rows)?)
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
