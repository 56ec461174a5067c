//! Seeded simulation: whole lives of orders with the real decisions of [`zhiyou_domain`], a journal in memory, a virtual
//! clock, and a world that loses, doubles, delays, declines and forgets.
//!
//! Deliberately not here: the engine, a database, and time that passes.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answers;
mod check;
pub mod conformance;
mod cover;
mod driver;
pub mod graphs;
mod journal;
pub mod ledger;
mod plan;
mod run;
#[cfg(test)]
mod unwind;
mod world;

use cover::Cover;
use std::collections::BTreeMap;
use zhiyou_domain::{
    defect::{self, Defect},
    order,
};

/// What a range of seeds gave.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds run.
    pub seeds: u64,
    /// Facts written.
    pub facts: u64,
    /// First seed and text of each broken rule.
    pub broken: BTreeMap<&'static str, (u64, String)>,
    /// Seeds with a broken rule.
    pub failed: u64,
    /// Orders by the state they ended in.
    pub ends: BTreeMap<&'static str, u64>,
    cover: Cover,
}

/// Runs seeds `from .. from + count`; with a defect planted, until it is found.
#[must_use]
pub fn seeds(from: u64, count: u64, planted: Option<Defect>) -> Report {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u64::try_from(threads).unwrap_or(1);
    let found = std::sync::atomic::AtomicBool::new(false);
    let part = |index: u64| {
        defect::plant(planted);
        let mut report = Report::default();
        for seed in (from + index..from + count).step_by(usize::try_from(threads).unwrap_or(1)) {
            if planted.is_some() && found.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            report.one(seed);
            if planted.is_some() && report.failed > 0 {
                found.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        report
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|index| scope.spawn(move || part(index))).collect();
        let mut whole = Report::default();
        running.into_iter().filter_map(|thread| thread.join().ok()).for_each(|part| whole.add(part));
        whole
    })
}

/// Runs one seed; returns a digest of everything that was written and done, and what was broken.
#[must_use]
pub fn seed(seed: u64) -> (String, Vec<String>) {
    let mut run = run::Run::new(seed);
    run.live();
    (run.digest(), run.violations.iter().map(|broken| format!("{}: {}", broken.rule, broken.what)).collect())
}

/// The journal of one seed as text, a line per fact.
#[must_use]
pub fn trace(seed: u64) -> String {
    let mut run = run::Run::new(seed);
    run.live();
    let mut text = format!("{:?}\n", run.plan);
    for row in &run.journal.rows {
        text.push_str(&format!("{:>4} {} {}\n", row.seq, row.at.to_rfc3339(), row.fact));
    }
    run.world.bookings.iter().for_each(|booking| text.push_str(&format!("{booking:?}\n")));
    run.world.payments.iter().for_each(|payment| text.push_str(&format!("{payment:?}\n")));
    run.violations.iter().for_each(|broken| text.push_str(&format!("{}: {}\n", broken.rule, broken.what)));
    text
}

/// A whole journal and where it ends, as one line of JSON: what later versions have to read to the same end.
#[must_use]
pub fn golden(seed: u64) -> Option<String> {
    let mut run = run::Run::new(seed);
    run.live();
    let facts = order::journal::verify(run.journal.order, &run.journal.rows).ok()?;
    let order = order::journal::replay(&facts).ok()?;
    let money = order::cart::money_map(&order).ok()?;
    let row = |row: &order::journal::Row| {
        serde_json::json!({
            "seq": row.seq, "at": row.at, "format": row.format, "fact": row.fact, "hash": hex::encode(&row.hash),
        })
    };
    let line = serde_json::json!({
        "order": run.journal.order,
        "rows": run.journal.rows.iter().map(row).collect::<Vec<_>>(),
        "state": order.state.word(),
        "items": order.items.iter().map(|item| item.state).collect::<Vec<_>>(),
        "money": [money.paid, money.held, money.committed, money.refund_in_transit, money.refunded],
    });
    Some(line.to_string())
}

impl Report {
    fn one(&mut self, seed: u64) {
        let mut run = run::Run::new(seed);
        run.live();
        self.seeds += 1;
        self.facts += u64::try_from(run.journal.rows.len()).unwrap_or(0);
        self.cover.add(&run.cover);
        let end = match &run.driver {
            _ if run.frozen => "frozen",
            Some(driver) => driver.order().state.word(),
            None => "nobody",
        };
        *self.ends.entry(end).or_insert(0) += 1;
        if !run.violations.is_empty() {
            self.failed += 1;
        }
        for broken in run.violations {
            self.note(broken.rule, seed, broken.what);
        }
    }

    fn note(&mut self, rule: &'static str, seed: u64, what: String) {
        let first = self.broken.entry(rule).or_insert_with(|| (seed, what.clone()));
        if seed < first.0 {
            *first = (seed, what);
        }
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.facts += other.facts;
        self.failed += other.failed;
        self.cover.add(&other.cover);
        other.ends.into_iter().for_each(|(end, count)| *self.ends.entry(end).or_insert(0) += count);
        other.broken.into_iter().for_each(|(rule, (seed, what))| self.note(rule, seed, what));
    }

    /// Fault × state, with the cells that were never hit marked.
    #[must_use]
    pub fn coverage(&self) -> String {
        self.cover.table()
    }

    /// Number of cells that could have been hit and were not.
    #[must_use]
    pub fn empty_cells(&self) -> usize {
        self.cover.empty().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for number in [0, 7, 41, 358, 758] {
            assert_eq!(seed(number), seed(number), "seed {number}");
        }
    }

    /// Seeds that once broke a rule: a hold that could not be let go and was made again, an outdated "closed", a second
    /// code that stayed payable, an odd amount that was asked about for ever, a second chance given up too early.
    #[test]
    fn seeds_that_once_failed_hold() {
        for number in [133, 182, 358, 433, 514, 699, 758, 1_853] {
            let (_, broken) = seed(number);
            assert!(broken.is_empty(), "seed {number}: {broken:?}");
        }
    }

    #[test]
    fn a_planted_defect_is_found_and_gone_again() {
        assert!(seeds(0, 40, Some(Defect::BlindRetry)).failed > 0);
        assert_eq!(seeds(0, 40, None).failed, 0);
    }
}
