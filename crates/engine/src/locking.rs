//! When the vault is locked: at once, on the person's wish, or after nobody has used the window for as long as they chose.
//!
//! Nothing is locked while a payment is awaited or an order is being booked: suppliers are told who travels, and a vault that
//! is closed then would cost the booking. Deliberately not here: opening again, which only the person has done.

use crate::{
    audit::{self, Action, Resource},
    engine::Engine,
    store::{StoreError, changes, changes::Entity, orders, settings},
    vault::{VaultState, lock},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    order::OrderState,
    time::UtcMicros,
};

/// Name of the setting: minutes without use, or nothing.
pub(crate) const AFTER: &str = "lock_after_min";
/// The longest that can be chosen: a day.
pub(crate) const AFTER_MAX_MIN: i64 = 24 * 60;
/// The clock is looked at so often at least: it may be moved, and a machine may sleep.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);
/// States in which the vault is needed for what is paid for.
const NEEDED: &[OrderState] = &[OrderState::PaymentPending, OrderState::PaymentProcessing];

/// When somebody used the window last.
pub(crate) struct Use {
    last: AtomicI64,
    changed: Notify,
}

impl Use {
    pub(crate) fn since(now: UtcMicros) -> Self {
        Self { last: AtomicI64::new(now.0), changed: Notify::new() }
    }

    /// Somebody uses it now.
    pub(crate) fn note(&self, now: UtcMicros) {
        self.last.store(now.0, Ordering::Relaxed);
    }

    /// The time that was chosen, or the clock, is another one.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    fn last(&self) -> UtcMicros {
        UtcMicros(self.last.load(Ordering::Relaxed))
    }
}

impl Engine {
    /// Locks the vault and tells of it. Nothing happens to one that is closed.
    ///
    /// # Errors
    /// `WrongState` while it is needed.
    pub(crate) async fn lock(&self) -> Result<(), Fault> {
        let _resting = self.auth.rests().await;
        if self.needs_vault().await? {
            return Err(Fault::new(FaultCode::WrongState, "an order is being paid or booked"));
        }
        // A return by local address that came now could not be checked; the browser can ask again once they listen again.
        self.auth.stop().await;
        if self.vault.state() != VaultState::Open {
            return Ok(());
        }
        // Remembered first: a program that ends in between is not open when it begins again.
        let remembered = self.remember_lock().await;
        if self.vault.lock().await
            && let Err(error) = self.show_lock().await
        {
            tracing::error!(%error, "a lock was not told of");
        }
        // It is locked all the same, but only until the next start, and the person has to know that.
        Ok(remembered?)
    }

    async fn remember_lock(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        lock::keep(&mut tx, true).await?;
        audit::note(&mut tx, Action::VaultLock, Resource::None, self.clock.now()).await?;
        self.db.commit(tx).await
    }

    async fn show_lock(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.told_of_vault(&mut tx, self.clock.now()).await?;
        self.db.commit(tx).await
    }

    /// Has everything shown anew that shows more or less with an open vault.
    pub(crate) async fn told_of_vault(&self, tx: &mut crate::store::Tx, now: UtcMicros) -> Result<(), StoreError> {
        changes::append(tx, Entity::Session, "", now).await?;
        for platform in self.auth.platforms() {
            changes::append(tx, Entity::SignIn, platform, now).await?;
        }
        crate::api::handlers::people::told(self, tx, None, now).await
    }

    async fn needs_vault(&self) -> Result<bool, Fault> {
        for id in orders::open(self.db.reader()).await? {
            match self.book.get(id).await {
                Ok(order) if NEEDED.contains(&order.state) => return Ok(true),
                Ok(_) => {}
                Err(fault) if fault.code.is_frozen() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(false)
    }

    /// Minutes without use after which the vault is locked.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub(crate) async fn lock_after(&self) -> Result<Option<i64>, StoreError> {
        let chosen = settings::get(self.db.reader(), AFTER).await?;
        Ok(chosen.and_then(|text| text.parse().ok()).filter(|minutes| (1..=AFTER_MAX_MIN).contains(minutes)))
    }

    /// Locks the vault whenever its time has come.
    pub(crate) async fn follow_use(self: Arc<Self>) {
        loop {
            let pause = self.lock_if_unused().await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.used.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// How long to wait before looking again.
    async fn lock_if_unused(&self) -> Duration {
        let Ok(Some(minutes)) = self.lock_after().await else { return LOOK_AT_LEAST };
        let now = self.clock.now();
        // A clock that was put back was not used in the future.
        if self.used.last() > now {
            self.used.note(now);
        }
        let left = self.used.last().plus_minutes(minutes).0.saturating_sub(now.0);
        if left > 0 {
            return Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(LOOK_AT_LEAST);
        }
        if self.vault.state() == VaultState::Open
            && let Err(fault) = self.lock().await
        {
            tracing::info!(%fault, "the vault is locked later");
        }
        LOOK_AT_LEAST
    }
}
