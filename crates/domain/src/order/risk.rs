//! What can be lost: the order of booking that risks least, and the worst case before anything begins.
//!
//! Booking goes one item after the other. When a must-have fails, everything booked before it is undone at its terms; the
//! most that can cost over all failing items is the worst case. Deliberately not here: refunds of what really failed.

use super::{ItemState, Offer, Order, OrderItem, cart};
use crate::{
    id::ItemId,
    money::{Money, MoneyError},
    plan::Priority,
    port::flights::{FlightOffer, FlightTerms},
    time::UtcMicros,
};

/// Up to so many items the best order is found exactly; above, by always taking the cheapest to undo.
pub const EXACT_ITEMS_MAX: usize = 12;
/// At most so many future moments are looked at for "nothing until …".
const MOMENTS_MAX: usize = 8;

/// What is lost in the worst case, and until when that stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// The most that is lost if a later step fails, or if everything booked is cancelled.
    pub loss: Money,
    /// When time alone makes it more.
    pub rises_at: Option<UtcMicros>,
}

/// What is lost if this item is booked and then has to be cancelled at `now`, without a supplier's own quote.
///
/// Terms nobody stated count as a total loss: the figure is shown as a worst case.
#[must_use]
pub fn loss_if_undone(item: &OrderItem, now: UtcMicros) -> Option<Money> {
    let price = item.price()?;
    let loss = match item.offer.as_ref()? {
        Offer::Flight(flight) if departed(flight, now) => price,
        Offer::Flight(flight) => match &flight.refund {
            FlightTerms::Allowed { fee: Some(fee) } if fee.currency() == price.currency() => *fee,
            FlightTerms::Allowed { .. } | FlightTerms::NotAllowed | FlightTerms::NotStated => price,
        },
        Offer::Hotel(_) | Offer::Car(_) | Offer::Activity(_) => {
            item.terms().and_then(|terms| terms.evaluate(price, now).ok()).map_or(price, |found| found.fee)
        }
    };
    // A fee above the price cannot take more than was paid.
    let bounded = if loss.exceeds(price).unwrap_or(true) { price } else { loss };
    Some(if bounded.is_positive() { bounded } else { Money::zero(price.currency()) })
}

fn departed(flight: &FlightOffer, now: UtcMicros) -> bool {
    let departs = flight.segments.first().and_then(|segment| segment.departs.to_utc().ok());
    departs.is_some_and(|departs| departs <= now)
}

/// One item as the search sees it.
struct Node {
    id: ItemId,
    /// Minor units lost if it is undone.
    loss: i64,
    /// Whether its failure undoes what was booked before.
    must: bool,
    /// How likely it fails: a price that is only checked can go, a firm hold hardly.
    risk: i64,
    /// Positions that have to come before it.
    after: u32,
}

/// The order items are booked in after payment.
///
/// An item comes after what it depends on, unless that is firmly held: then it cannot be lost, and the one that can fail
/// goes first. Among the valid orders, the one whose worst case is least, then whose risk is least on average; up to
/// [`EXACT_ITEMS_MAX`] items exactly.
#[must_use]
pub fn commit_order(order: &Order, now: UtcMicros) -> Vec<ItemId> {
    let items: Vec<&OrderItem> = cart::cart_items(order).collect();
    let nodes = nodes(&items, now);
    if nodes.len() <= EXACT_ITEMS_MAX { exact(&nodes) } else { greedy(&items, now) }
}

fn nodes(items: &[&OrderItem], now: UtcMicros) -> Vec<Node> {
    let firm = |item: &OrderItem| item.hold.as_ref().is_some_and(|hold| hold.firm);
    let before = |item: &OrderItem| {
        let bits = items.iter().enumerate().filter(|(_, other)| item.wanted.after.contains(&other.wanted.id));
        bits.filter(|(_, other)| !firm(other)).fold(0_u32, |bits, (index, _)| bits | bit(index))
    };
    items
        .iter()
        .map(|item| Node {
            id: item.wanted.id,
            loss: loss_if_undone(item, now).map_or(0, Money::minor),
            must: item.wanted.priority == Priority::MustHave,
            risk: if firm(item) { 1 } else { 4 },
            after: before(item),
        })
        .collect()
}

fn bit(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0)
}

/// What failing at `node` costs when `before` (minor units lost) is booked already.
const fn cost(node: &Node, before: i64) -> i64 {
    if node.must { before } else { 0 }
}

fn exact(nodes: &[Node]) -> Vec<ItemId> {
    let worst = best(nodes, i64::MAX, |so_far: i64, cost, _| so_far.max(cost)).map_or(0, |(worst, _)| worst);
    let path = best(nodes, worst, |so_far: i64, cost, risk| so_far.saturating_add(cost.saturating_mul(risk)));
    let path = path.map(|(_, path)| path).unwrap_or_default();
    path.into_iter().filter_map(|index| nodes.get(index)).map(|node| node.id).collect()
}

/// Walks the sets of booked items from the empty one to the full one; `add` folds the cost of each step, and a step
/// that costs more than `limit` is not taken. Equals are broken towards must-haves and the plan's order.
fn best(nodes: &[Node], limit: i64, add: impl Fn(i64, i64, i64) -> i64) -> Option<(i64, Vec<usize>)> {
    let full = nodes.iter().enumerate().fold(0_u32, |bits, (index, _)| bits | bit(index));
    let size = usize::try_from(full).ok()?.checked_add(1)?;
    let mut found: Vec<Option<(i64, usize)>> = vec![None; size];
    let mut losses = vec![0_i64; size];
    *found.first_mut()? = Some((0, 0));
    for set in 0..=full {
        let at = usize::try_from(set).ok()?;
        let Some((so_far, _)) = found.get(at).copied().flatten() else { continue };
        let loss = *losses.get(at)?;
        for (index, node) in nodes.iter().enumerate() {
            let step = cost(node, loss);
            if set & bit(index) != 0 || node.after & !set != 0 || step > limit {
                continue;
            }
            let next = usize::try_from(set | bit(index)).ok()?;
            let total = add(so_far, step, node.risk);
            *losses.get_mut(next)? = loss.saturating_add(node.loss);
            let entry = found.get_mut(next)?;
            // The last one booked is kept the one that matters least.
            let rank = |index: usize| nodes.get(index).map(|node| (!node.must, index));
            if entry.is_none_or(|(known, last)| total < known || total == known && rank(index) > rank(last)) {
                *entry = Some((total, index));
            }
        }
    }
    let (mut path, mut set) = (Vec::with_capacity(nodes.len()), full);
    let (total, _) = found.get(usize::try_from(full).ok()?).copied().flatten()?;
    while set != 0 {
        let (_, last) = found.get(usize::try_from(set).ok()?).copied().flatten()?;
        path.push(last);
        set &= !bit(last);
    }
    path.reverse();
    Some((total, path))
}

/// Must-haves before the rest, prices that can go before firm holds, cheap to undo before dear; dependencies first.
fn greedy(items: &[&OrderItem], now: UtcMicros) -> Vec<ItemId> {
    let firm = |item: &OrderItem| item.hold.as_ref().is_some_and(|hold| hold.firm);
    let mut left: Vec<&OrderItem> = items.to_vec();
    left.sort_by_key(|item| {
        let loss = loss_if_undone(item, now).map_or(i64::MAX, Money::minor);
        (item.wanted.priority != Priority::MustHave, firm(item), loss)
    });
    let mut path = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits =
            |item: &&OrderItem| left.iter().any(|other| item.wanted.after.contains(&other.wanted.id) && !firm(other));
        // A cycle is refused long before; it must not hang here all the same.
        let next = left.iter().position(|item| !waits(item)).unwrap_or(0);
        path.push(left.remove(next).wanted.id);
    }
    path
}

/// The most that is lost if booking in this order fails half-way.
///
/// # Errors
/// [`MoneyError`] when currencies mix.
fn worst_case(order: &Order, path: &[ItemId], now: UtcMicros) -> Result<Money, MoneyError> {
    let mut booked = Money::zero(order.budget.currency());
    let mut worst = booked;
    for item in path.iter().filter_map(|id| order.item(*id)) {
        if item.wanted.priority == Priority::MustHave && booked.exceeds(worst)? {
            worst = booked;
        }
        booked = booked.plus(loss_if_undone(item, now).unwrap_or(Money::zero(booked.currency())))?;
    }
    Ok(worst)
}

/// What can be lost at `now`: before booking is over, if a later step fails; afterwards, if everything is cancelled.
///
/// # Errors
/// [`MoneyError`] when currencies mix.
pub fn exposure(order: &Order, now: UtcMicros) -> Result<Exposure, MoneyError> {
    let loss = exposed(order, now)?;
    let mut moments: Vec<UtcMicros> = order
        .items
        .iter()
        .filter_map(OrderItem::terms)
        .flat_map(crate::policy::Terms::changes)
        .filter(|moment| *moment > now)
        .collect();
    moments.sort_unstable();
    moments.dedup();
    for moment in moments.into_iter().take(MOMENTS_MAX) {
        if exposed(order, moment)?.exceeds(loss)? {
            return Ok(Exposure { loss, rises_at: Some(moment) });
        }
    }
    Ok(Exposure { loss, rises_at: None })
}

fn exposed(order: &Order, now: UtcMicros) -> Result<Money, MoneyError> {
    let booked: Vec<&OrderItem> = order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)).collect();
    let before = super::OrderState::BEFORE_BOOKED.contains(&order.state);
    if !before {
        return Money::sum(order.budget.currency(), booked.into_iter().filter_map(|item| loss_if_undone(item, now)));
    }
    let path = match &order.confirmed {
        Some(confirmed) => confirmed.commit_order.clone(),
        None => commit_order(order, now),
    };
    worst_case(order, &path, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worst(nodes: &[Node], path: &[usize]) -> i64 {
        let mut booked = 0;
        path.iter().fold(0, |worst, index| {
            let node = &nodes[*index];
            let here = worst.max(cost(node, booked));
            booked += node.loss;
            here
        })
    }

    fn valid(nodes: &[Node], path: &[usize]) -> bool {
        let mut booked = 0;
        path.iter().all(|index| {
            let ready = nodes[*index].after & !booked == 0;
            booked |= bit(*index);
            ready
        })
    }

    /// Every order there is.
    fn all(left: &[usize]) -> Vec<Vec<usize>> {
        if left.is_empty() {
            return vec![Vec::new()];
        }
        let first = |chosen: usize| {
            let rest: Vec<usize> = left.iter().copied().filter(|index| *index != chosen).collect();
            all(&rest).into_iter().map(move |path| std::iter::once(chosen).chain(path).collect())
        };
        left.iter().flat_map(|chosen| first(*chosen)).collect()
    }

    proptest! {
        #[test]
        fn no_valid_order_has_a_smaller_worst_case(
            drawn in prop::collection::vec((0_i64..1_000, any::<bool>(), any::<bool>(), any::<u32>()), 0..=6)
        ) {
            let id = |index: usize| ItemId::from_ulid(ulid::Ulid::from_parts(1, index as u128));
            let nodes: Vec<Node> = drawn
                .iter()
                .enumerate()
                // Only earlier positions are waited for, so that there is no cycle.
                .map(|(index, (loss, must, firm, after))| Node {
                    id: id(index),
                    loss: *loss,
                    must: *must,
                    risk: if *firm { 1 } else { 4 },
                    after: after & (bit(index) - 1),
                })
                .collect();
            let found = exact(&nodes);
            let path: Vec<usize> =
                found.iter().map(|item| nodes.iter().position(|node| node.id == *item).unwrap()).collect();
            prop_assert_eq!(path.len(), nodes.len());
            prop_assert!(valid(&nodes, &path));
            let indices: Vec<usize> = (0..nodes.len()).collect();
            let least = all(&indices).into_iter().filter(|path| valid(&nodes, path)).map(|path| worst(&nodes, &path)).min();
            prop_assert_eq!(Some(worst(&nodes, &path)), least);
        }
    }
}
