//! Random graphs of up to 24 items: their levels, or who waits for each other, and what a must-have makes must-haves of,
//! against a second and plainer way of finding out.
//!
//! Deliberately not here: times and places of the edges.

use crate::plan::Plan;
use fastrand::Rng;
use std::collections::BTreeSet;
use zhiyou_domain::{
    id::ItemId,
    order::{Fact, NewItem, Order, graph, inherit_must_have},
    plan::Priority,
    time::UtcMicros,
};

/// Items of the largest graph.
const ITEMS_MAX: usize = 24;

/// What graphs gave.
#[derive(Debug, Default)]
pub struct Graphs {
    /// Graphs checked.
    pub graphs: u64,
    /// Edges in all of them.
    pub edges: u64,
    /// Graphs in which items wait for each other.
    pub cyclic: u64,
    /// First seed and text of a wrong answer.
    pub broken: Option<(u64, String)>,
}

/// Checks `count` graphs, one for each seed.
#[must_use]
pub fn graphs(from: u64, count: u64) -> Graphs {
    let mut all = Graphs::default();
    for seed in from..from + count {
        all.graphs += 1;
        if let Err(what) = all.one(seed)
            && all.broken.is_none()
        {
            all.broken = Some((seed, what));
        }
    }
    all
}

impl Graphs {
    fn one(&mut self, seed: u64) -> Result<(), String> {
        let mut rng = Rng::with_seed(seed);
        let mut new = Plan::draw(&mut rng).order();
        let Some(first) = new.items.first().cloned() else { return Ok(()) };
        let count = rng.usize(1..=ITEMS_MAX);
        let id = |index: usize| ItemId::from_ulid(crate::plan::id(1_000 + u64::try_from(index).unwrap_or(0)));
        let (density, loops) = (rng.usize(1..=8), rng.bool());
        let mut items: Vec<NewItem> = (0..count)
            .map(|index| {
                let may = |other: &usize| *other != index && (loops || *other < index);
                let others = (0..count).filter(may).filter(|_| rng.usize(0..8 * 4) < density);
                let after: Vec<ItemId> = others.map(id).collect();
                let priority = [Priority::MustHave, Priority::Preferred, Priority::Optional];
                let priority = rng.choice(priority).unwrap_or(Priority::Optional);
                NewItem { id: id(index), after, priority, ..first.clone() }
            })
            .collect();
        self.edges += u64::try_from(items.iter().map(|item| item.after.len()).sum::<usize>()).unwrap_or(0);
        // Where an item stands in the plan says nothing about what it comes after.
        rng.shuffle(&mut items);
        let wished = items.clone();
        inherit_must_have(&mut items);
        inherited(&wished, &items)?;
        new.items = items;
        let created = Fact::Created { order: Box::new(new) };
        let order = Order::create(UtcMicros(0), &created).map_err(|why| format!("{why:?}"))?;
        match graph::levels(&order) {
            Ok(levels) => in_levels(&wished, &levels),
            Err(waiting) => {
                self.cyclic += 1;
                let waiting: BTreeSet<ItemId> = waiting.into_iter().collect();
                let stuck = wished.iter().filter(|item| depth(&wished, item, wished.len()).is_none());
                let stuck: BTreeSet<ItemId> = stuck.map(|item| item.id).collect();
                if stuck == waiting { Ok(()) } else { Err(format!("{waiting:?} wait, not {stuck:?}")) }
            }
        }
    }
}

/// The longest chain of items before this one; none when it never ends.
fn depth(items: &[NewItem], item: &NewItem, patience: usize) -> Option<usize> {
    // A chain with more links than there are items goes round.
    let mut reached: BTreeSet<ItemId> = BTreeSet::from([item.id]);
    for links in 0..=patience {
        let before = items.iter().filter(|item| reached.contains(&item.id));
        let next: BTreeSet<ItemId> = before.flat_map(|item| item.after.iter().copied()).collect();
        if next.is_empty() {
            return Some(links);
        }
        reached = next;
    }
    None
}

fn in_levels(items: &[NewItem], levels: &[Vec<ItemId>]) -> Result<(), String> {
    if levels.iter().map(Vec::len).sum::<usize>() != items.len() {
        return Err("an item is lost or comes twice".to_owned());
    }
    for item in items {
        let wanted = depth(items, item, items.len());
        let stands = levels.iter().position(|level| level.contains(&item.id));
        if wanted.is_none() || stands != wanted {
            return Err(format!("{} stands in level {stands:?}, not {wanted:?}", item.id));
        }
    }
    Ok(())
}

/// A must-have needs everything it comes after, however far back, and nothing else becomes one.
fn inherited(wished: &[NewItem], items: &[NewItem]) -> Result<(), String> {
    let mut needed: BTreeSet<ItemId> =
        wished.iter().filter(|item| item.priority == Priority::MustHave).map(|item| item.id).collect();
    let mut looked = needed.clone();
    while let Some(id) = looked.pop_first() {
        let before = wished.iter().filter(|item| item.id == id).flat_map(|item| item.after.iter().copied());
        looked.extend(before.filter(|id| needed.insert(*id)).collect::<Vec<_>>());
    }
    for (before, after) in wished.iter().zip(items) {
        let wanted = if needed.contains(&before.id) { Priority::MustHave } else { before.priority };
        if after.priority != wanted {
            return Err(format!("{} is {:?}, not {wanted:?}", after.id, after.priority));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_domain::defect::{self, Defect};

    #[test]
    fn levels_and_must_haves_are_what_a_plainer_way_finds() {
        let all = graphs(0, 2_000);
        assert_eq!(all.broken, None);
        assert!(all.cyclic > 200 && all.graphs - all.cyclic > 200 && all.edges > 10_000, "{all:?}");
    }

    #[test]
    fn must_haves_that_are_not_inherited_are_found() {
        defect::plant(Some(Defect::NoInheritance));
        let broken = graphs(0, 100).broken;
        defect::plant(None);
        assert!(broken.is_some());
    }
}
