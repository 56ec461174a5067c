//! Plans: import, list, review.

use super::super::{
    command::*,
    convert::{self, Names},
    view::*,
};
use crate::{
    audit::{self, Action, Resource},
    auth::centre,
    engine::Engine,
    people,
    store::{changes, changes::Entity, orders, plans, requests},
};
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{PlanId, RequestId},
    money::Currency,
    order::OrderState,
    plan::{
        Plan, PlanBooking, PlanStorage,
        import::{self, ImportError, Imported, Problem},
    },
};

/// Plans listed at most.
const LIST_MAX: i64 = 1_000;
/// Relative dates of a plan file count from today in the product's home zone.
const HOME_ZONE: &str = "Asia/Shanghai";

pub(crate) async fn list_plans(engine: &Engine, _: ListPlans) -> Result<Vec<PlanView>, Fault> {
    let mut views = Vec::new();
    for plan in plans::newest(engine.db.reader(), LIST_MAX).await? {
        views.push(view(engine, &plan).await?);
    }
    Ok(views)
}

pub(crate) async fn get_plan(engine: &Engine, wish: GetPlan) -> Result<PlanView, Fault> {
    view(engine, &get(engine, wish.plan_id).await?).await
}

pub(crate) async fn import_plan(engine: &Engine, wish: ImportPlan) -> Result<PlanView, Fault> {
    keep(engine, "import_plan", wish.text.expose(), wish.request_id).await
}

pub(crate) async fn import_sample(engine: &Engine, wish: ImportSample) -> Result<PlanView, Fault> {
    let home = engine.demo.as_ref().is_none_or(|demo| demo.currency == Currency::CNY);
    // A plan in another currency than the suppliers' could only ever be refused.
    let text = match (wish.locale, home) {
        (LocaleSetting::En, true) => include_str!("../../../../../examples/shanghai-weekend.en.json"),
        (LocaleSetting::ZhCn | LocaleSetting::System, true) => {
            include_str!("../../../../../examples/shanghai-weekend.zh-CN.json")
        }
        (LocaleSetting::En, false) => include_str!("../../../../../examples/new-york-weekend.en.json"),
        (LocaleSetting::ZhCn | LocaleSetting::System, false) => {
            include_str!("../../../../../examples/new-york-weekend.zh-CN.json")
        }
    };
    keep(engine, "import_sample", text, wish.request_id).await
}

/// Checks the file, then seals its travellers and keeps the plan in one transaction.
async fn keep(engine: &Engine, command: &'static str, text: &str, request: RequestId) -> Result<PlanView, Fault> {
    let now = engine.clock.now();
    let today = now.in_zone(HOME_ZONE).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let Imported { mut plan, travellers } =
        import::read(text, today.local.date(), &mut engine.ids.clone()).map_err(|error| refused(&error))?;
    let mut tx = engine.db.begin().await?;
    match requests::earlier(&mut *tx, request, command, text).await? {
        requests::Earlier::None => {}
        requests::Earlier::Made(id) => {
            drop(tx);
            let id = id.parse().map_err(|_| Fault::new(FaultCode::Internal, "a request made something else"))?;
            return get_plan(engine, GetPlan { plan_id: id }).await;
        }
        requests::Earlier::Other => {
            return Err(malformed("request_id", "duplicate_key"));
        }
    }
    let busy = super::people::busy(engine).await?;
    for changed in people::take_in(&engine.vault, &mut tx, &mut plan, travellers, &busy).await? {
        audit::note(&mut tx, Action::TravellerSave, Resource::Traveller(changed), now).await?;
    }
    plans::put(&mut tx, &plan, now).await?;
    requests::remember(&mut tx, request, command, text, &plan.id.to_string(), now).await?;
    changes::append(&mut tx, Entity::Plan, &plan.id.to_string(), now).await?;
    changes::append(&mut tx, Entity::Traveller, "", now).await?;
    engine.db.commit(tx).await?;
    view(engine, &plan).await
}

fn malformed(path: &str, problem: &str) -> Fault {
    Fault::new(FaultCode::MalformedInput, format!("{path}: {problem}")).with("path", path).with("problem", problem)
}

fn refused(error: &ImportError) -> Fault {
    let word = serde_json::to_value(error.problem).ok().and_then(|word| word.as_str().map(str::to_owned));
    let code = if error.problem == Problem::TooLarge { FaultCode::TooLarge } else { FaultCode::MalformedInput };
    Fault::new(code, error.to_string())
        .with("path", &error.path)
        .with("problem", word.unwrap_or_default())
        .with("limit", import::FILE_BYTES_MAX)
}

pub(crate) async fn set_item_priority(engine: &Engine, wish: SetItemPriority) -> Result<PlanView, Fault> {
    let mut plan = get(engine, wish.plan_id).await?;
    if let Some((_, state)) = orders::newest_of_plan(engine.db.reader(), plan.id).await?
        && !OrderState::TERMINAL.contains(&state)
    {
        return Err(Fault::new(FaultCode::WrongState, "the plan is being booked"));
    }
    let item = plan.items.iter_mut().find(|item| item.id == wish.item_id);
    item.ok_or_else(|| Fault::new(FaultCode::NotFound, "no such item"))?.priority =
        convert::priority_from(wish.priority);
    store(engine, &plan).await
}

pub(crate) async fn archive_plan(engine: &Engine, wish: ArchivePlan) -> Result<PlanView, Fault> {
    let mut plan = get(engine, wish.plan_id).await?;
    plan.storage = if wish.archived { PlanStorage::Archived } else { PlanStorage::Draft };
    store(engine, &plan).await
}

/// Notes how far the booking of a plan has come.
pub(crate) async fn mark(engine: &Engine, id: PlanId, booking: PlanBooking) -> Result<(), Fault> {
    let mut plan = get(engine, id).await?;
    plan.booking = booking;
    store(engine, &plan).await.map(|_| ())
}

async fn store(engine: &Engine, plan: &Plan) -> Result<PlanView, Fault> {
    let (mut tx, now) = (engine.db.begin().await?, engine.clock.now());
    plans::put(&mut tx, plan, now).await?;
    changes::append(&mut tx, Entity::Plan, &plan.id.to_string(), now).await?;
    engine.db.commit(tx).await?;
    view(engine, plan).await
}

pub(crate) async fn get(engine: &Engine, id: PlanId) -> Result<Plan, Fault> {
    let plan = plans::get(engine.db.reader(), id).await?;
    plan.ok_or_else(|| Fault::new(FaultCode::NotFound, format!("no plan {id}")))
}

pub(crate) async fn view(engine: &Engine, plan: &Plan) -> Result<PlanView, Fault> {
    let required = centre::identify_required_platforms(plan);
    let mut sign_ins = super::sign_ins::all(engine, &required).await;
    sign_ins.retain(|row| !row.needed_for.is_empty());
    let newest = orders::newest_of_plan(engine.db.reader(), plan.id).await?;
    convert::plan_view(plan, &names(engine, plan).await, sign_ins, newest)
}

/// Names of the plan's travellers, as far as the vault is open.
async fn names(engine: &Engine, plan: &Plan) -> Names {
    let mut names = Names::new();
    for id in &plan.travellers {
        let Ok(Some(person)) = people::get(&engine.vault, *id).await else { continue };
        names.insert(*id, person.traveller.display_name.clone());
    }
    names
}
