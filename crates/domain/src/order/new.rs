//! What an order begins with: everything of a plan, or what was lost of another order.
//!
//! Deliberately not here: what happens to it (see [`super::fact`]).

use super::{Illegal, Order, OrderKind, cart};
use crate::{
    defect::{Defect, planted},
    id::{ItemId, OrderId, PlanId, TravellerId},
    money::Money,
    plan::{Constraint, ItemRequest, Plan, Priority, Supplier},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The content of a new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Id.
    pub id: OrderId,
    /// What it is for.
    pub kind: OrderKind,
    /// Plan it was made from.
    pub plan: PlanId,
    /// Spending limit; names the charge currency.
    pub budget: Money,
    /// Platforms the traveller must be signed in to.
    pub required_platforms: Vec<String>,
    /// Items in time order.
    pub items: Vec<NewItem>,
    /// The order some of whose items it books again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<OrderId>,
}

/// An item of a new order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewItem {
    /// Id, the plan item's.
    pub id: ItemId,
    /// What is asked for.
    pub request: ItemRequest,
    /// How much it matters; what a must-have comes after is a must-have too.
    pub priority: Priority,
    /// From whom.
    pub supplier: Supplier,
    /// For whom.
    pub travellers: Vec<TravellerId>,
    /// Items it comes after.
    pub after: Vec<ItemId>,
    /// Member platform whose profile goes into the booking.
    pub member_platform: Option<String>,
}

impl NewOrder {
    /// A travel order for everything in `plan`.
    #[must_use]
    pub fn from_plan(id: OrderId, plan: &Plan) -> Self {
        let after = |item: &crate::plan::PlanItem| {
            item.constraints.iter().map(|Constraint::After { item }| *item).collect::<Vec<_>>()
        };
        let mut items: Vec<NewItem> = plan
            .items
            .iter()
            .map(|item| NewItem {
                id: item.id,
                request: item.request.clone(),
                priority: item.priority,
                supplier: item.supplier,
                travellers: item.travellers.clone(),
                after: after(item),
                member_platform: item.member_platform.clone(),
            })
            .collect();
        inherit_must_have(&mut items);
        Self {
            id,
            kind: OrderKind::Travel,
            plan: plan.id,
            budget: plan.budget,
            required_platforms: plan.required_platforms(),
            items,
            repairs: None,
        }
    }

    /// An order that books items of `broken` again, for what the trip's budget leaves beside what suppliers keep of it.
    ///
    /// # Errors
    /// [`Illegal`] when one of them is not lost there, or the budget leaves nothing.
    pub fn repair(id: OrderId, plan: &Plan, broken: &Order, items: &[ItemId]) -> Result<Self, Illegal> {
        let lost = |id: &ItemId| broken.item(*id).is_some_and(|item| broken.is_lost(item));
        if items.is_empty() || !items.iter().all(lost) {
            return Err(Illegal("only what was lost is booked again".to_owned()));
        }
        let mut new = Self::from_plan(id, plan);
        new.items.retain(|item| items.contains(&item.id));
        for item in &mut new.items {
            item.after.retain(|earlier| items.contains(earlier));
        }
        let wanted: BTreeSet<&String> = new.items.iter().filter_map(|item| item.member_platform.as_ref()).collect();
        new.required_platforms.retain(|platform| wanted.contains(platform));
        let kept = cart::money_map(broken).map_err(|error| Illegal(error.to_string()))?.committed;
        new.budget = new.budget.minus(kept).map_err(|error| Illegal(error.to_string()))?;
        if !new.budget.is_positive() || new.items.is_empty() {
            return Err(Illegal("the budget leaves nothing for it".to_owned()));
        }
        new.repairs = Some(broken.id);
        Ok(new)
    }
}

/// What a must-have depends on is a must-have; repeated until nothing changes, at most once per item.
pub fn inherit_must_have(items: &mut [NewItem]) {
    if planted(Defect::NoInheritance) {
        return;
    }
    for _ in 0..items.len() {
        let needed: BTreeSet<ItemId> =
            items.iter().filter(|i| i.priority == Priority::MustHave).flat_map(|i| i.after.iter().copied()).collect();
        let mut changed = false;
        for item in items.iter_mut().filter(|i| i.priority != Priority::MustHave && needed.contains(&i.id)) {
            item.priority = Priority::MustHave;
            changed = true;
        }
        if !changed {
            return;
        }
    }
}
