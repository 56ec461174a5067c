//! The app lock: a passphrase that is needed besides the system keyring, so that who may use the keyring opens nothing alone.
//!
//! What is in the keyring stays there, and opens nothing by itself any more: a root key takes its place that is wrapped by
//! the passphrase, and what that gives is sealed under the keyring's. Setting, changing and giving up are rotations that end
//! in another keeping: the next key is kept first, so nothing is unreadable at any moment (see [`super::rotate`]), and the
//! keyring is written to by none of them. A passphrase that was forgotten is gone, and what is sealed with it. Deliberately
//! not here: a count of tries. Each costs what its derivation costs, one at a time, and whoever has the file and the keyring
//! counts for themselves.

use super::{Key, Vault, VaultError, VaultState, closed, passphrase, rotate::Keeping, state_for};
use crate::{
    audit::Action,
    ports::KeyStore,
    store::vault_keys::{self, Mode, VaultKey, Wrapped},
};
use zeroize::Zeroizing;
use zhiyou_domain::{fault::Fault, time::UtcMicros};

/// Where a root key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the system keyring.
    Keyring,
    /// By a passphrase.
    Passphrase,
    /// By both: there is an app lock.
    Both,
}

impl Vault {
    /// Where the root key is kept; nowhere before the first opening.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn kept(&self) -> Result<Option<Kept>, VaultError> {
        Ok(vault_keys::read(self.db.reader()).await?.map(|row| match row.mode {
            Mode::Keyring => Kept::Keyring,
            Mode::Passphrase(_) => Kept::Passphrase,
            Mode::Both(_) => Kept::Both,
        }))
    }

    /// Sets the passphrase of the app lock, changes it, or with nothing `wanted` gives it up. `current` is the one there is.
    /// Cut off, it is as it was or as it was wanted once the vault is opened again.
    ///
    /// # Errors
    /// [`VaultError::UnfitPassphrase`] for one that cannot be chosen; [`VaultError::WrongPassphrase`];
    /// [`VaultError::NotWanted`] where no keyring holds a key, or there is nothing to give up; [`VaultError::Closed`] when
    /// the vault, or the keyring, is not open; the store's, the audit log's.
    pub async fn set_app_lock(&self, current: Option<&str>, wanted: Option<&str>, now: UtcMicros) -> Result<(), Fault> {
        if let Some(words) = wanted {
            passphrase::check_fit(words)?;
        }
        let _one = self.opening.lock().await;
        let row = vault_keys::read(self.db.reader()).await?.ok_or(VaultError::Closed(self.state()))?;
        let mut open = self.with_key(|key| Ok(key.clone()))?;
        let keeping = self.proved(&row, &open, current).await?;
        if open.older.is_some() {
            // A rotation that was begun comes to its end first.
            self.finish(&row, keeping.clone(), None).await?;
            open = self.with_key(|key| Ok(key.clone()))?;
        }
        let in_keyring = match keeping {
            Keeping::Keyring | Keeping::InKeyring if wanted.is_some() => open.root.clone(),
            Keeping::Both { in_keyring, .. } => in_keyring,
            Keeping::Keyring | Keeping::InKeyring | Keeping::Passphrase(_) => return Err(VaultError::NotWanted.into()),
        };
        match wanted {
            Some(words) => {
                let words = Zeroizing::new(words.to_owned());
                self.begin_change(&row, open, Key::random(&self.rng)?, None).await?;
                // Cut off before its end, it opens as it did before: nothing else knows the new passphrase.
                let keeping = Keeping::Both { in_keyring, words };
                Ok(self.finish(&row, keeping, Some((Action::AppLockSet, now))).await?)
            }
            None => {
                // Whoever opens it next finishes this: the next key is in the keyring already.
                self.begin_change(&row, open, in_keyring, Some((Action::AppLockRemove, now))).await?;
                Ok(self.finish(&row, Keeping::InKeyring, None).await?)
            }
        }
    }

    /// What the passphrase still has to unwrap, and the key in the keyring that uncovered it. A keyring that does not serve
    /// is a state to mend: nothing is said about the passphrase.
    pub(super) async fn uncovered(&self, row: &VaultKey, wrapped: &Wrapped) -> Result<(Wrapped, Key), VaultError> {
        let found = match self.calls.run(KeyStore::read).await {
            Ok(Some(found)) => Key::of(&found).and_then(|key| {
                let inner = passphrase::uncover(wrapped, &row.profile, &key)?;
                Ok((inner, key))
            }),
            Ok(None) => Err(VaultError::Damaged),
            Err(error) => return Err(self.without(state_for(&error), &error.to_string())),
        };
        found.map_err(|_| self.without(VaultState::KeyLost, "the keyring no longer has this profile's key"))
    }

    /// One that is open stays open; a closed one says what it waits for.
    fn without(&self, state: VaultState, why: &str) -> VaultError {
        if self.state() != VaultState::Open {
            self.set(closed(state, why), None);
        }
        VaultError::Closed(state)
    }
}
