//! The vault: one 32-byte root key, kept in the system keyring or wrapped by a passphrase, and everything sealed under
//! keys derived from it.
//!
//! Nothing is ever written in the clear, and a root key is never replaced silently: what is sealed under it would be
//! lost. It is destroyed only on the wish of the person to erase everything. Deliberately not here: what the sealed values
//! mean, and rotation of the root key.

mod calls;
mod keyring;
mod passphrase;
mod seal;
#[cfg(test)]
mod tests;

pub use keyring::OsKeyring;
pub use seal::Place;

use crate::{
    api::view::VaultView,
    ports::{KeyStore, KeyStoreError},
    store::{
        Db, StoreError, Tx, sealed,
        vault_keys::{self, Mode, VaultKey, Wrapped},
    },
};
use aws_lc_rs::{constant_time, rand::SystemRandom};
use calls::Calls;
use seal::Key;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;
use zhiyou_domain::fault::{Fault, FaultCode};

/// How long one keyring call may take before the vault goes on without it.
const KEYRING_TIMEOUT: Duration = Duration::from_secs(5);
const KEY_CHECK: &[u8] = b"zhiyou root key";
const KEY_CHECK_PLACE: Place<'static> = Place { table: "vault_keys", row: "root", column: "key_check" };

/// Whether the vault can be used, and what has to happen if not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultState {
    /// Sealing and opening work.
    Open,
    /// There is no keyring and no passphrase yet: the person chooses one.
    NeedsPassphrase,
    /// A passphrase was chosen earlier and has to be entered.
    Locked,
    /// The keyring is locked, did not answer, or no longer has the key of this profile.
    KeyringLocked,
}

impl From<VaultState> for VaultView {
    fn from(state: VaultState) -> Self {
        match state {
            VaultState::Open => Self::Open,
            VaultState::NeedsPassphrase => Self::NeedsPassphrase,
            VaultState::Locked => Self::Locked,
            VaultState::KeyringLocked => Self::KeyringLocked,
        }
    }
}

/// Why the vault did not do something.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is not open.
    #[error("the vault is closed: {0:?}")]
    Closed(VaultState),
    /// The passphrase does not open it.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A chosen passphrase is too short or too long.
    #[error("passphrase too short or too long")]
    UnfitPassphrase,
    /// No passphrase is wanted now.
    #[error("no passphrase is wanted now")]
    NotWanted,
    /// A sealed value does not open: changed, cut, moved, or sealed under another key.
    #[error("a sealed value does not open")]
    Damaged,
    /// The crypto library refused.
    #[error("crypto library")]
    Crypto,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let text = error.to_string();
        match error {
            VaultError::Closed(VaultState::NeedsPassphrase) => Self::new(FaultCode::VaultUnavailable, text),
            VaultError::Closed(_) => Self::new(FaultCode::VaultLocked, text),
            VaultError::WrongPassphrase => Self::new(FaultCode::WrongPassphrase, text),
            VaultError::UnfitPassphrase => Self::new(FaultCode::MalformedInput, text)
                .with("path", "passphrase")
                .with("problem", "passphrase_length")
                .with("limit", passphrase::CHARS_MIN),
            VaultError::NotWanted => Self::new(FaultCode::WrongState, text),
            VaultError::Damaged => Self::new(FaultCode::HistoryDamaged, text),
            VaultError::Crypto => Self::new(FaultCode::Internal, text),
            VaultError::Store(store) => store.into(),
        }
    }
}

/// The vault of one profile (one data folder).
pub struct Vault {
    db: Db,
    calls: Calls,
    rng: SystemRandom,
    inner: RwLock<Inner>,
    /// One opening at a time; holds the key that a slow keyring may still be storing, so that a retry stores the same.
    opening: Mutex<Option<Key>>,
}

/// `Some` key exactly when the state is [`VaultState::Open`].
struct Inner {
    state: VaultState,
    open: Option<OpenKey>,
}

struct OpenKey {
    root: Key,
    profile: Vec<u8>,
}

impl Vault {
    /// Opens the vault as far as it goes without the person; see [`Vault::state`].
    ///
    /// # Errors
    /// [`VaultError::Store`]. A keyring that is missing, locked or silent is a state, not an error.
    pub async fn open(db: Db, keys: Arc<dyn KeyStore>, rng: SystemRandom) -> Result<Self, VaultError> {
        Self::open_within(db, keys, rng, KEYRING_TIMEOUT).await
    }

    async fn open_within(
        db: Db,
        keys: Arc<dyn KeyStore>,
        rng: SystemRandom,
        timeout: Duration,
    ) -> Result<Self, VaultError> {
        let inner = RwLock::new(Inner { state: VaultState::KeyringLocked, open: None });
        let vault = Self { db, calls: Calls::new(keys, timeout), rng, inner, opening: Mutex::new(None) };
        vault.retry_keyring().await?;
        Ok(vault)
    }

    /// Whether it can be used.
    #[must_use]
    pub fn state(&self) -> VaultState {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).state
    }

    /// Tries the keyring again, unless the vault is open. Answers the new state.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn retry_keyring(&self) -> Result<VaultState, VaultError> {
        let mut fresh = self.opening.lock().await;
        if self.state() == VaultState::Open {
            return Ok(VaultState::Open);
        }
        let row = vault_keys::read(self.db.reader()).await?;
        let state = match row {
            Some(VaultKey { mode: Mode::Passphrase(_), .. }) => VaultState::Locked,
            Some(row) => self.open_known(row).await?,
            None => self.open_first(&mut fresh).await?,
        };
        if state == VaultState::Open {
            *fresh = None;
        } else {
            self.set(state, None);
        }
        Ok(state)
    }

    /// Chooses the passphrase of a vault without a keyring, or opens the vault with it.
    ///
    /// # Errors
    /// [`VaultError::UnfitPassphrase`] when one is chosen with under 10 characters; [`VaultError::WrongPassphrase`];
    /// [`VaultError::NotWanted`] when the vault is open or waits for the keyring; [`VaultError::Store`].
    pub async fn unlock(&self, passphrase: &str) -> Result<(), VaultError> {
        let _one = self.opening.lock().await;
        match self.state() {
            VaultState::NeedsPassphrase => self.choose(passphrase).await,
            VaultState::Locked => self.enter(passphrase).await,
            VaultState::Open | VaultState::KeyringLocked => Err(VaultError::NotWanted),
        }
    }

    /// Seals `plain` for one place.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Crypto`].
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_key(|key| {
            let table = seal::table_key(&key.root, &key.profile, place.table)?;
            seal::seal(&table, &seal::bound_to(&key.profile, place), plain, &self.rng)
        })
    }

    /// Opens what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// [`VaultError::Closed`]; [`VaultError::Damaged`] when it was changed, cut or moved; [`VaultError::Crypto`].
    pub fn open_sealed(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.with_key(|key| {
            let table = seal::table_key(&key.root, &key.profile, place.table)?;
            seal::open(&table, &seal::bound_to(&key.profile, place), sealed)
        })
    }

    /// Seals a document and writes it to table `sealed`, replacing an older one.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Crypto`], [`VaultError::Store`].
    pub async fn put(&self, tx: &mut Tx, kind: &str, id: &str, plain: &[u8]) -> Result<(), VaultError> {
        let body = self.seal(&document(kind, &document_row(kind, id)), plain)?;
        Ok(sealed::put(tx, kind, id, body).await?)
    }

    /// Reads a document of table `sealed` and opens it; `None` when there is none.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Damaged`], [`VaultError::Crypto`], [`VaultError::Store`].
    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(body) = sealed::get(self.db.reader(), kind, id).await? else { return Ok(None) };
        self.open_sealed(&document(kind, &document_row(kind, id)), &body).map(Some)
    }

    /// Deletes a document of table `sealed`; works while the vault is closed.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn delete(&self, tx: &mut Tx, kind: &str, id: &str) -> Result<(), VaultError> {
        Ok(sealed::delete(tx, kind, id).await?)
    }

    /// Ids of the documents of a kind in table `sealed`; works while the vault is closed.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn ids(&self, kind: &str) -> Result<Vec<String>, VaultError> {
        Ok(sealed::ids(self.db.reader(), kind).await?)
    }

    /// Begins to destroy the keys of everything that is sealed: closes the vault and forgets the root key in the keyring.
    /// What is sealed cannot be opened any more from here on, in this database or in a copy of it. A root key wrapped by a
    /// passphrase goes with its row, see [`Destroying::forget`].
    ///
    /// # Errors
    /// [`VaultError::Closed`] when the keyring does not let the key go; [`VaultError::Store`]. Nothing was destroyed.
    pub async fn destroy(&self) -> Result<Destroying<'_>, VaultError> {
        let one = self.opening.lock().await;
        let row = vault_keys::read(self.db.reader()).await?;
        let in_keyring = matches!(row, Some(VaultKey { mode: Mode::Keyring, .. }));
        if in_keyring && let Err(error) = self.calls.run(KeyStore::delete).await {
            tracing::warn!(%error, "the keyring does not forget the key");
            return Err(VaultError::Closed(VaultState::KeyringLocked));
        }
        let state = if in_keyring { VaultState::KeyringLocked } else { VaultState::Locked };
        // Nothing may be sealed under a key that is about to be gone.
        self.set(state, None);
        Ok(Destroying { vault: self, _one: one })
    }

    /// A profile that has a key in the keyring: only that key opens it.
    async fn open_known(&self, row: VaultKey) -> Result<VaultState, VaultError> {
        match self.calls.run(KeyStore::read).await {
            Ok(Some(found)) => Ok(match fit(&found).and_then(|root| self.adopt(root, &row)) {
                Ok(()) => VaultState::Open,
                Err(_) => closed("the keyring holds another key than this profile's"),
            }),
            Ok(None) => Ok(closed("the keyring no longer has this profile's key")),
            Err(error) => Ok(closed(&error.to_string())),
        }
    }

    /// The first opening: takes the key that is in the keyring, or makes one and stores it before anything is sealed.
    async fn open_first(&self, fresh: &mut Option<Key>) -> Result<VaultState, VaultError> {
        let root = match self.calls.run(KeyStore::read).await {
            Ok(Some(found)) => match fit(&found) {
                Ok(root) => root,
                Err(_) => return Ok(closed("the keyring holds something that is not a key")),
            },
            Ok(None) => match self.store_new(fresh).await? {
                Ok(root) => root,
                Err(error) => return Ok(without_keyring(&error)),
            },
            Err(error) => return Ok(without_keyring(&error)),
        };
        self.settle(root, random_profile(&self.rng)?, Mode::Keyring).await?;
        Ok(VaultState::Open)
    }

    /// Stores a new key and reads it back: a keyring that only pretends to store would lose everything sealed under it.
    async fn store_new(&self, fresh: &mut Option<Key>) -> Result<Result<Key, KeyStoreError>, VaultError> {
        let root = match fresh {
            Some(root) => root.clone(),
            None => Zeroizing::new(seal::random(&self.rng)?),
        };
        *fresh = Some(root.clone());
        let key = root.clone();
        if let Err(error) = self.calls.run(move |keys| keys.write(&*key)).await {
            return Ok(Err(error));
        }
        Ok(match self.calls.run(KeyStore::read).await {
            Ok(Some(back)) if constant_time::verify_slices_are_equal(&back, &*root).is_ok() => Ok(root),
            Ok(_) => Err(KeyStoreError::Failed("the key does not read back".to_owned())),
            Err(error) => Err(error),
        })
    }

    async fn choose(&self, passphrase: &str) -> Result<(), VaultError> {
        if passphrase.chars().count() < passphrase::CHARS_MIN || passphrase.len() > passphrase::BYTES_MAX {
            return Err(VaultError::UnfitPassphrase);
        }
        let (root, profile): (Key, _) = (Zeroizing::new(seal::random(&self.rng)?), random_profile(&self.rng)?);
        let (key, name, rng, words) =
            (root.clone(), profile.clone(), self.rng.clone(), Zeroizing::new(passphrase.to_owned()));
        let wrapped = blocking(move || passphrase::wrap(&key, &name, &words, &rng)).await?;
        self.settle(root, profile, Mode::Passphrase(wrapped)).await
    }

    async fn enter(&self, passphrase: &str) -> Result<(), VaultError> {
        if passphrase.len() > passphrase::BYTES_MAX {
            return Err(VaultError::WrongPassphrase);
        }
        let row = vault_keys::read(self.db.reader()).await?.ok_or(VaultError::Damaged)?;
        let Mode::Passphrase(wrapped) = &row.mode else { return Err(VaultError::NotWanted) };
        let (wrapped, profile, words): (Wrapped, _, _) =
            (wrapped.clone(), row.profile.clone(), Zeroizing::new(passphrase.to_owned()));
        let root = blocking(move || passphrase::unwrap(&wrapped, &profile, &words)).await?;
        self.adopt(root, &row)
    }

    /// Writes the profile's row, then opens under the new root key.
    async fn settle(&self, root: Key, profile: Vec<u8>, mode: Mode) -> Result<(), VaultError> {
        let table = seal::table_key(&root, &profile, KEY_CHECK_PLACE.table)?;
        let key_check = seal::seal(&table, &seal::bound_to(&profile, &KEY_CHECK_PLACE), KEY_CHECK, &self.rng)?;
        let row = VaultKey { profile, key_check, mode };
        let mut tx = self.db.begin().await?;
        vault_keys::insert(&mut tx, &row).await?;
        self.db.commit(tx).await?;
        self.adopt(root, &row)
    }

    /// Opens under `root` if it is the key of this profile.
    fn adopt(&self, root: Key, row: &VaultKey) -> Result<(), VaultError> {
        let table = seal::table_key(&root, &row.profile, KEY_CHECK_PLACE.table)?;
        let check = seal::open(&table, &seal::bound_to(&row.profile, &KEY_CHECK_PLACE), &row.key_check)?;
        if check.as_slice() != KEY_CHECK {
            return Err(VaultError::Damaged);
        }
        self.set(VaultState::Open, Some(OpenKey { root, profile: row.profile.clone() }));
        Ok(())
    }

    fn set(&self, state: VaultState, open: Option<OpenKey>) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Inner { state, open };
    }

    fn with_key<T>(&self, work: impl FnOnce(&OpenKey) -> Result<T, VaultError>) -> Result<T, VaultError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.open.as_ref().map_or(Err(VaultError::Closed(inner.state)), work)
    }
}

/// A vault whose keys are being destroyed; nobody opens it meanwhile.
pub struct Destroying<'a> {
    vault: &'a Vault,
    _one: MutexGuard<'a, Option<Key>>,
}

impl Destroying<'_> {
    /// Deletes every sealed document and the profile's row, and with it what its keys were derived from.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn forget(&self, tx: &mut Tx) -> Result<(), VaultError> {
        sealed::delete_all(tx).await?;
        Ok(vault_keys::delete(tx).await?)
    }

    /// Opens the vault anew after the transaction was committed: with a new root key, or waiting for a new passphrase.
    /// After a transaction that was not, the vault is as it was, as far as it can still be opened.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn renew(self) -> Result<VaultState, VaultError> {
        let vault = self.vault;
        drop(self);
        vault.retry_keyring().await
    }
}

fn document<'a>(kind: &'a str, row: &'a str) -> Place<'a> {
    debug_assert!(row.starts_with(kind), "a document's row names its kind");
    Place { table: "sealed", row, column: "body" }
}

/// The length in front keeps `("a", "b/c")` and `("a/b", "c")` apart.
fn document_row(kind: &str, id: &str) -> String {
    format!("{kind}/{}/{id}", kind.len())
}

fn fit(bytes: &[u8]) -> Result<Key, VaultError> {
    Ok(Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| VaultError::Damaged)?))
}

fn random_profile(rng: &SystemRandom) -> Result<Vec<u8>, VaultError> {
    Ok(seal::random::<16>(rng)?.to_vec())
}

fn closed(why: &str) -> VaultState {
    tracing::warn!(why, "the vault stays closed");
    VaultState::KeyringLocked
}

fn without_keyring(error: &KeyStoreError) -> VaultState {
    match error {
        KeyStoreError::Missing(why) => {
            tracing::warn!(why, "no keyring; a passphrase is needed");
            VaultState::NeedsPassphrase
        }
        KeyStoreError::Locked(_) | KeyStoreError::Failed(_) => closed(&error.to_string()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| VaultError::Crypto)?
}
