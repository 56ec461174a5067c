//! Travellers: list, save, remove; and what is kept about the person: export and erase.

use super::super::{command::*, convert, view::*};
use crate::{
    audit::{self, Action, Resource},
    engine::Engine,
    exports,
    people::{self, mask},
    store::{
        StoreError, Tx, auth_sessions, changes, changes::Entity, consents, orders, pending_sign_ins, plans, sign_ins,
    },
    vault::lock,
};
use jiff::civil::Date;
use std::collections::BTreeSet;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::TravellerId,
    order::OrderState,
    plan::Plan,
    time::UtcMicros,
};

/// Days are counted where the product is at home.
const HOME_ZONE: &str = "Asia/Shanghai";
/// Travellers kept at most; nobody books for more, and each is opened to be listed.
const TRAVELLERS_MAX: usize = 200;
/// Plans looked at.
const PLANS_MAX: i64 = 1_000;
/// States in which suppliers are told who travels.
const BEING_BOOKED: &[OrderState] = &[OrderState::Draft, OrderState::PaymentPending, OrderState::PaymentProcessing];

pub(crate) async fn list_travellers(engine: &Engine, _: ListTravellers) -> Result<TravellersView, Fault> {
    let today = today(engine)?;
    let known = people::all(&engine.vault).await?;
    let trips = people::trips(&plans::newest(engine.db.reader(), PLANS_MAX).await?, today);
    let busy = busy(engine).await?;
    let view = |person: &people::Person| {
        let id = person.traveller.id;
        convert::person(person, trips.get(&id).map_or(&[], Vec::as_slice), busy.contains(&id), today)
    };
    let mut travellers: Vec<PersonView> = known.people.iter().map(view).collect();
    travellers.sort_by(|one, other| one.display_name.cmp(&other.display_name).then_with(|| one.id.cmp(&other.id)));
    Ok(TravellersView { travellers, unreadable: known.unreadable })
}

pub(crate) async fn save_traveller(engine: &Engine, wish: SaveTraveller) -> Result<TravellersView, Fault> {
    let (today, now) = (today(engine)?, engine.clock.now());
    let mut tx = engine.db.begin().await?;
    let before = people::get(&engine.vault, wish.traveller_id).await?;
    if before.is_none() && engine.vault.ids(people::KIND).await?.len() >= TRAVELLERS_MAX {
        return Err(Fault::new(FaultCode::MalformedInput, "too many travellers")
            .with("path", "traveller_id")
            .with("problem", "too_many"));
    }
    let person = people::check::person(&wish, before.as_ref(), today)?;
    // What one supplier was told already, the next one must be told as well.
    if before.as_ref().is_some_and(|before| before.traveller != person.traveller) {
        not_busy(engine, person.traveller.id).await?;
    }
    if before.as_ref() != Some(&person) {
        let id = person.traveller.id;
        people::put(&engine.vault, &mut tx, &person).await?;
        told(engine, &mut tx, Some(id), now).await?;
        audit::note(&mut tx, Action::TravellerSave, Resource::Traveller(id), now).await?;
        engine.db.commit(tx).await?;
    }
    list_travellers(engine, ListTravellers {}).await
}

pub(crate) async fn remove_traveller(engine: &Engine, wish: RemoveTraveller) -> Result<TravellersView, Fault> {
    let (id, now) = (wish.traveller_id, engine.clock.now());
    let mut tx = engine.db.begin().await?;
    if !engine.vault.ids(people::KIND).await?.contains(&id.to_string()) {
        return Err(Fault::new(FaultCode::NotFound, "no such traveller"));
    }
    not_busy(engine, id).await?;
    people::remove(&engine.vault, &mut tx, id).await?;
    told(engine, &mut tx, Some(id), now).await?;
    audit::note(&mut tx, Action::TravellerRemove, Resource::Traveller(id), now).await?;
    engine.db.commit(tx).await?;
    emptied(engine).await;
    list_travellers(engine, ListTravellers {}).await
}

pub(crate) async fn export_my_data(engine: &Engine, wish: ExportMyData) -> Result<ExportedView, Fault> {
    let now = engine.clock.now();
    let known = people::all(&engine.vault).await?;
    let internal = |_| Fault::new(FaultCode::Internal, "not JSON");
    let travellers = if wish.whole {
        serde_json::to_value(&known.people).map_err(internal)?
    } else {
        serde_json::to_value(list_travellers(engine, ListTravellers {}).await?.travellers).map_err(internal)?
    };
    let shown =
        |account: &Option<String>| if wish.whole { account.clone() } else { account.as_deref().map(mask::account) };
    let sign_ins = super::sign_ins::all(engine, &[]).await;
    let connected = |row: &SignInView| match &row.state {
        SignInStateView::Connected { account, .. } => {
            Some(serde_json::json!({ "platform": row.platform, "account": shown(account) }))
        }
        SignInStateView::Disconnected
        | SignInStateView::Waiting { .. }
        | SignInStateView::Expired
        | SignInStateView::Revoked
        | SignInStateView::Failed { .. }
        | SignInStateView::ThroughUs => None,
    };
    let document = serde_json::json!({
        "format": "zhiyou-my-data/2",
        "made_at": now.to_rfc3339(),
        "whole": wish.whole,
        "travellers": travellers,
        "travellers_that_do_not_open": known.unreadable,
        "plans": plans::newest(engine.db.reader(), PLANS_MAX).await?,
        "orders": all_orders(engine).await?,
        "sign_ins": sign_ins.iter().filter_map(connected).collect::<Vec<_>>(),
        "settings": super::session::read_settings(engine).await?,
    });
    // The text of the error could quote what was to be written.
    let text = serde_json::to_vec_pretty(&document).map_err(internal)?;
    let (beginning, action) = if wish.whole {
        (exports::PERSONAL_WHOLE, Action::DataExportWhole)
    } else {
        (exports::PERSONAL, Action::DataExport)
    };
    let name = format!("{beginning}{}.json", super::audit::stamp(now));
    // Noted first: a file that is there is in the log, whatever ends this program in between.
    let mut tx = engine.db.begin().await?;
    audit::note(&mut tx, action, Resource::None, now).await?;
    engine.db.commit(tx).await?;
    Ok(exports::write(&engine.data_dir, &name, text).await?)
}

async fn all_orders(engine: &Engine) -> Result<Vec<OrderView>, Fault> {
    let (mut found, mut before_us) = (Vec::new(), None);
    loop {
        let page = super::orders::list_orders(engine, ListOrders { before_us }).await?;
        let Some(oldest) = page.iter().map(|order| order.created_at_us).min() else { return Ok(found) };
        found.extend(page);
        before_us = Some(oldest);
    }
}

pub(crate) async fn erase_my_data(engine: &Engine, _: EraseMyData) -> Result<ErasedView, Fault> {
    if !busy(engine).await?.is_empty() {
        return Err(Fault::new(FaultCode::WrongState, "an order is being booked"));
    }
    // Tokens are revoked while they can still be opened; a platform that does not answer keeps nobody here.
    for row in super::sign_ins::all(engine, &[]).await {
        if row.state != SignInStateView::Disconnected || engine.auth.is_visited(&row.platform).await? {
            engine.auth.disconnect(&row.platform).await?;
        }
    }
    // What they are to be told goes with the keys: from here on only the person can tell them.
    let untold = super::sign_ins::all(engine, &[]).await.into_iter().filter(|row| row.untold);
    let untold = untold.map(|row| UntoldView { platform: row.platform, name: row.name, host: row.host }).collect();
    exports::forget(&engine.data_dir).await?;
    let (destroying, now) = (engine.vault.destroy().await?, engine.clock.now());
    let erased = async {
        let mut tx = engine.db.begin().await?;
        destroying.forget(&mut tx).await?;
        sign_ins::forget_all(&mut tx, now).await?;
        pending_sign_ins::delete_all(&mut tx).await?;
        auth_sessions::delete_all(&mut tx).await?;
        consents::retire_keys(&mut tx, now).await?;
        lock::keep(&mut tx, false).await?;
        told(engine, &mut tx, None, now).await?;
        changes::append(&mut tx, Entity::Session, "", now).await?;
        audit::note(&mut tx, Action::DataErase, Resource::None, now).await?;
        engine.db.commit(tx).await.map_err(Fault::from)
    };
    let erased = erased.await;
    destroying.renew().await?;
    erased?;
    emptied(engine).await;
    engine.session_changed().await?;
    let session = super::session::get_session(engine, GetSession {}).await?;
    Ok(ErasedView { session, untold })
}

/// Travellers of orders that are being booked. A frozen order keeps nobody: nothing more happens to it.
pub(super) async fn busy(engine: &Engine) -> Result<BTreeSet<TravellerId>, Fault> {
    let mut busy = BTreeSet::new();
    for id in orders::open(engine.db.reader()).await? {
        let order = match engine.book.get(id).await {
            Ok(order) => order,
            Err(fault) if fault.code.is_frozen() => continue,
            Err(fault) => return Err(fault),
        };
        if BEING_BOOKED.contains(&order.state) {
            busy.extend(order.items.iter().flat_map(|item| item.wanted.travellers.iter().copied()));
        }
    }
    Ok(busy)
}

async fn not_busy(engine: &Engine, id: TravellerId) -> Result<(), Fault> {
    if busy(engine).await?.contains(&id) {
        return Err(Fault::new(FaultCode::WrongState, "an order with this traveller is being booked"));
    }
    Ok(())
}

/// Tells the interface of a changed traveller, or of all, and of the plans that show their names.
pub(crate) async fn told(
    engine: &Engine,
    tx: &mut Tx,
    id: Option<TravellerId>,
    now: UtcMicros,
) -> Result<(), StoreError> {
    changes::append(tx, Entity::Traveller, &id.map(|id| id.to_string()).unwrap_or_default(), now).await?;
    let names = |plan: &Plan| id.is_none_or(|id| plan.travellers.contains(&id));
    for plan in plans::newest(engine.db.reader(), PLANS_MAX).await?.iter().filter(|plan| names(plan)) {
        changes::append(tx, Entity::Plan, &plan.id.to_string(), now).await?;
    }
    Ok(())
}

/// What was deleted is deleted already; this only takes it out of the log file sooner.
async fn emptied(engine: &Engine) {
    match engine.db.empty_log().await {
        Ok(true) => {}
        Ok(false) => tracing::info!("somebody reads; the log is emptied later"),
        Err(error) => tracing::warn!(%error, "the log was not emptied"),
    }
}

pub(super) fn today(engine: &Engine) -> Result<Date, Fault> {
    let now = engine.clock.now().in_zone(HOME_ZONE);
    now.map(|now| now.local.date()).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}
