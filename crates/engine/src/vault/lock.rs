//! Locking by the person: the root key goes out of memory, and only the person has it fetched again.
//!
//! A lock is remembered, so that a program that ended and was started again is not open. Deliberately not here: when to
//! lock (see [`crate::locking`]), and protection from somebody who may use the keyring: that takes a passphrase besides it
//! (see `app_lock`).

use super::{Mode, Vault, VaultError, VaultKey, VaultState};
use crate::store::{StoreError, Tx, settings, vault_keys};
use sqlx::AnyPool;

/// Name of the setting that remembers a lock.
const KEPT: &str = "vault_locked";
const YES: &str = "yes";

impl Vault {
    /// Locks it; whether it was open. Waits for an opening or a rotation under way, so that neither is cut off. Whoever
    /// seals or opens from here on is refused.
    pub async fn lock(&self) -> bool {
        let mut fresh = self.opening.lock().await;
        if self.state() != VaultState::Open {
            return false;
        }
        *fresh = None;
        // A store that fails keeps nothing open.
        let state = match vault_keys::read(self.db.reader()).await {
            Ok(Some(VaultKey { mode: Mode::Passphrase(_) | Mode::Both(_), .. })) => VaultState::Locked,
            Ok(_) | Err(_) => VaultState::LockedByPerson,
        };
        self.set(state, None);
        true
    }

    /// Tries the keyring on the wish of the person, also for a vault that a person locked. Answers the new state.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn reopen(&self) -> Result<VaultState, VaultError> {
        let mut fresh = self.opening.lock().await;
        match self.state() {
            VaultState::Open => Ok(VaultState::Open),
            _ => self.try_keyring(&mut fresh).await,
        }
    }
}

/// Remembers a lock, or that it is over.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn keep(tx: &mut Tx, locked: bool) -> Result<(), StoreError> {
    settings::put(tx, KEPT, if locked { YES } else { "" }).await
}

/// Whether a vault whose key is in the keyring was locked when the program ended. One with a passphrase waits for that anyway.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn is_kept(pool: &AnyPool) -> Result<bool, StoreError> {
    let keyring = matches!(vault_keys::read(pool).await?, Some(VaultKey { mode: Mode::Keyring, .. }));
    Ok(keyring && settings::get(pool, KEPT).await?.as_deref() == Some(YES))
}
