//! Session, settings, vault, the demo's phone, and the change feed.

use super::super::{command::*, view::*};
use crate::{
    audit::{self, Action, Came, Entry, Origin, Resource},
    engine::Engine,
    locking::{self, AFTER_MAX_MIN},
    store::{changes, changes::Entity, plans, settings},
    vault::{VaultError, VaultState, lock},
};
use std::collections::BTreeSet;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    port::payments::Channel,
};

/// Changes read in one batch.
const BATCH: i64 = 256;

pub(crate) async fn get_session(engine: &Engine, _: GetSession) -> Result<SessionView, Fault> {
    let cursor = changes::newest(engine.db.reader()).await?;
    let choices = engine.vault.choices().await?.iter().copied().map(VaultChoiceView::from).collect();
    Ok(SessionView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        demo: engine.demo.is_some(),
        data_dir: engine.data_dir.display().to_string(),
        settings: read_settings(engine).await?,
        vault: VaultView {
            state: engine.vault.state().into(),
            choices,
            kept: engine.vault.kept().await?.map(VaultKeptView::from),
        },
        cursor,
        now_us: engine.clock.now().0,
    })
}

pub(super) async fn read_settings(engine: &Engine) -> Result<SettingsView, Fault> {
    let reader = engine.db.reader();
    let word = |value: Option<String>| serde_json::Value::String(value.unwrap_or_else(|| "system".to_owned()));
    let locale = word(settings::get(reader, "locale").await?);
    let theme = word(settings::get(reader, "theme").await?);
    Ok(SettingsView {
        locale: serde_json::from_value(locale).unwrap_or(LocaleSetting::System),
        theme: serde_json::from_value(theme).unwrap_or(ThemeSetting::System),
        channel: super::payments::preferred(engine).await?,
        lock_after_min: engine.lock_after().await?,
    })
}

pub(crate) async fn set_settings(engine: &Engine, wish: SetSettings) -> Result<SessionView, Fault> {
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    if wish.lock_after_min.is_some_and(|minutes| !(1..=AFTER_MAX_MIN).contains(&minutes)) {
        return Err(Fault::new(FaultCode::MalformedInput, "from one minute to a day")
            .with("path", "lock_after_min")
            .with("problem", "out_of_range"));
    }
    // When the vault is locked is a person's to say.
    let minutes = if Origin::now() == Origin::Tool { engine.lock_after().await? } else { wish.lock_after_min };
    let mut tx = engine.db.begin().await?;
    let after = minutes.map(|minutes| minutes.to_string()).unwrap_or_default();
    settings::put(&mut tx, locking::AFTER, &after).await?;
    settings::put(&mut tx, "locale", &word(serde_json::to_value(wish.locale))).await?;
    settings::put(&mut tx, "theme", &word(serde_json::to_value(wish.theme))).await?;
    settings::put(&mut tx, "channel", wish.channel.map_or("", Channel::word)).await?;
    changes::append(&mut tx, Entity::Session, "", engine.clock.now()).await?;
    audit::note(&mut tx, Action::SettingsSave, Resource::None, engine.clock.now()).await?;
    engine.db.commit(tx).await?;
    if Origin::now() != Origin::Tool {
        engine.used.note(engine.clock.now());
    }
    engine.used.look_again();
    get_session(engine, GetSession {}).await
}

pub(crate) async fn lock_vault(engine: &Engine, _: LockVault) -> Result<SessionView, Fault> {
    engine.lock().await?;
    get_session(engine, GetSession {}).await
}

pub(crate) async fn note_use(engine: &Engine, _: NoteUse) -> Result<(), Fault> {
    engine.used.note(engine.clock.now());
    Ok(())
}

pub(crate) async fn unlock_vault(engine: &Engine, wish: UnlockVault) -> Result<SessionView, Fault> {
    if let Err(error) = engine.vault.unlock(wish.passphrase.expose()).await {
        // The keyring that is needed besides the passphrase may be what is in the way now.
        if matches!(error, VaultError::Closed(_)) {
            changed(engine).await?;
        }
        return Err(error.into());
    }
    opened(engine, Action::VaultUnlock).await?;
    get_session(engine, GetSession {}).await
}

/// What follows an opening of the vault, or a try.
async fn opened(engine: &Engine, action: Action) -> Result<(), Fault> {
    engine.used.note(engine.clock.now());
    engine.auth.resume().await;
    engine.recover_sign_ins();
    let (mut tx, now) = (engine.db.begin().await?, engine.clock.now());
    let state = engine.vault.state();
    let came = if state == VaultState::Open { Came::Done } else { Came::Failed("closed") };
    audit::append(&mut tx, &[Entry { came, ..Entry::done(action, Resource::None) }], now).await?;
    if state == VaultState::Open {
        lock::keep(&mut tx, false).await?;
    }
    engine.told_of_vault(&mut tx, now).await?;
    Ok(engine.db.commit(tx).await?)
}

pub(crate) async fn retry_keyring(engine: &Engine, _: RetryKeyring) -> Result<SessionView, Fault> {
    engine.vault.reopen().await?;
    opened(engine, Action::VaultRetry).await?;
    get_session(engine, GetSession {}).await
}

pub(crate) async fn rotate_root_key(engine: &Engine, wish: RotateRootKey) -> Result<SessionView, Fault> {
    engine.vault.rotate(wish.passphrase.as_ref().map(Passphrase::expose), engine.clock.now()).await?;
    get_session(engine, GetSession {}).await
}

pub(crate) async fn set_app_lock(engine: &Engine, wish: SetAppLock) -> Result<SessionView, Fault> {
    let (current, wanted) = (wish.current.as_ref(), wish.wanted.as_ref());
    let (current, wanted) = (current.map(Passphrase::expose), wanted.map(Passphrase::expose));
    engine.vault.set_app_lock(current, wanted, engine.clock.now()).await?;
    changed(engine).await?;
    get_session(engine, GetSession {}).await
}

/// Has the session shown anew.
async fn changed(engine: &Engine) -> Result<(), Fault> {
    let mut tx = engine.db.begin().await?;
    changes::append(&mut tx, Entity::Session, "", engine.clock.now()).await?;
    Ok(engine.db.commit(tx).await?)
}

pub(crate) async fn open_phone(engine: &Engine, _: OpenPhone) -> Result<(), Fault> {
    let demo = engine.demo.as_ref().ok_or_else(|| Fault::new(FaultCode::NotFound, "only the demo has a phone"))?;
    engine.browser.open(&demo.phone).map_err(|error| Fault::new(FaultCode::BrowserUnavailable, error.to_string()))
}

pub(crate) async fn changes(engine: &Engine, wish: Changes) -> Result<ChangesView, Fault> {
    let reader = engine.db.reader();
    let batch = changes::after(reader, wish.after, BATCH).await?;
    let more = i64::try_from(batch.len()) == Ok(BATCH);
    let mut view = ChangesView {
        cursor: batch.last().map_or(wish.after, |change| change.cursor),
        now_us: engine.clock.now().0,
        more,
        orders: Vec::new(),
        plans: Vec::new(),
        sign_ins: Vec::new(),
        travellers: false,
        session: false,
        open_screen: engine.take_open_screen(),
    };
    let mut seen = BTreeSet::new();
    for change in batch.iter().filter(|change| seen.insert((change.entity.word(), change.id.clone()))) {
        match change.entity {
            Entity::Order => {
                let order = parse(&change.id)?;
                view.orders.extend(super::orders::shown(engine, order).await?);
            }
            Entity::Plan => {
                let id = parse(&change.id)?;
                if let Some(plan) = plans::get(reader, id).await? {
                    view.plans.push(super::plans::view(engine, &plan).await?);
                }
            }
            Entity::SignIn => view.sign_ins.extend(super::sign_ins::one(engine, &change.id).await),
            Entity::Traveller => view.travellers = true,
            Entity::Session => view.session = true,
        }
    }
    Ok(view)
}

fn parse<T: std::str::FromStr>(id: &str) -> Result<T, Fault> {
    id.parse().map_err(|_| Fault::new(FaultCode::HistoryDamaged, format!("a change names {id:?}")))
}
