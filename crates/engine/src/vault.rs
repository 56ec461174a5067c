//! The vault: one 32-byte root key, kept in the system keyring, wrapped by a passphrase, or such that it takes both, and
//! everything sealed under keys derived from it.
//!
//! Nothing is ever written in the clear, and a root key is never replaced silently: what is sealed under it would be
//! lost. It is destroyed only on the wish of the person to erase everything. Deliberately not here: what the sealed values
//! mean.

mod app_lock;
mod calls;
pub(crate) mod kept;
mod keyring;
pub(crate) mod lock;
mod passphrase;
mod rotate;
mod seal;
#[cfg(test)]
mod tests;

pub use app_lock::Kept;
pub use keyring::OsKeyring;
pub use seal::Place;

use crate::{
    ports::{KeyStore, KeyStoreError},
    store::{
        Db, StoreError, Tx, sealed,
        vault_keys::{self, Mode, VaultKey},
    },
};
use aws_lc_rs::rand::SystemRandom;
use calls::Calls;
use kept::{Document, Unopened};
use rotate::Keeping;
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
    /// The person locked it; its key is in the keyring, and is fetched once the person says so.
    LockedByPerson,
    /// The keyring is locked or did not answer in time.
    KeyringLocked,
    /// The keyring refused us: the person, or the system, did not allow it.
    KeyringDenied,
    /// The keyring that holds this profile's key is not there now.
    KeyringMissing,
    /// The keyring takes nothing more.
    KeyringFull,
    /// The keyring has several entries of our name; which one is ours is not guessed.
    KeyringAmbiguous,
    /// The keyring failed in another way.
    KeyringFailed,
    /// The keyring answers, and this profile's key is not in it: what is sealed cannot be opened any more.
    KeyLost,
}

/// What the person can do about a vault that is closed. Nothing is done without being chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Keep the key by a passphrase of their own, see [`Vault::unlock`].
    ChoosePassphrase,
    /// Enter the passphrase that was chosen, see [`Vault::unlock`]; who has forgotten it can only erase.
    EnterPassphrase,
    /// Mend the keyring (unlock it, allow us, make room, remove what is double) and try again, see [`Vault::retry_keyring`].
    RetryKeyring,
    /// Open what a person locked, see [`Vault::reopen`].
    Reopen,
    /// Give up what is sealed and begin anew, see [`Vault::destroy`].
    Erase,
}

impl Choice {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ChoosePassphrase => "choose_passphrase",
            Self::EnterPassphrase => "enter_passphrase",
            Self::RetryKeyring => "retry_keyring",
            Self::Reopen => "reopen",
            Self::Erase => "erase",
        }
    }
}

impl VaultState {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NeedsPassphrase => "needs_passphrase",
            Self::Locked => "locked",
            Self::LockedByPerson => "locked_by_person",
            Self::KeyringLocked => "keyring_locked",
            Self::KeyringDenied => "keyring_denied",
            Self::KeyringMissing => "keyring_missing",
            Self::KeyringFull => "keyring_full",
            Self::KeyringAmbiguous => "keyring_ambiguous",
            Self::KeyringFailed => "keyring_failed",
            Self::KeyLost => "key_lost",
        }
    }

    /// What the person can do now. A vault nothing was ever sealed in is `new`: only there a passphrase can take the place
    /// of a keyring that refuses; a locked one is waited for, since a prompt that is still open may let our key in.
    #[must_use]
    pub const fn choices(self, new: bool) -> &'static [Choice] {
        match self {
            Self::Open => &[],
            Self::NeedsPassphrase => &[Choice::ChoosePassphrase, Choice::RetryKeyring],
            Self::Locked => &[Choice::EnterPassphrase, Choice::Erase],
            Self::LockedByPerson => &[Choice::Reopen],
            Self::KeyringLocked => &[Choice::RetryKeyring],
            Self::KeyringDenied
            | Self::KeyringMissing
            | Self::KeyringFull
            | Self::KeyringAmbiguous
            | Self::KeyringFailed => {
                if new {
                    &[Choice::RetryKeyring, Choice::ChoosePassphrase]
                } else {
                    &[Choice::RetryKeyring]
                }
            }
            Self::KeyLost => &[Choice::RetryKeyring, Choice::Erase],
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
            VaultError::Closed(state @ VaultState::NeedsPassphrase) => {
                Self::new(FaultCode::VaultUnavailable, text).with("why", state.word())
            }
            VaultError::Closed(state) => Self::new(FaultCode::VaultLocked, text).with("why", state.word()),
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

#[derive(Clone)]
struct OpenKey {
    root: Key,
    profile: Vec<u8>,
    /// The key before this one, as long as something may still be sealed under it.
    older: Option<Key>,
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
        if lock::is_kept(vault.db.reader()).await? {
            vault.set(VaultState::LockedByPerson, None);
        } else {
            vault.retry_keyring().await?;
        }
        Ok(vault)
    }

    /// Whether it can be used.
    #[must_use]
    pub fn state(&self) -> VaultState {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).state
    }

    /// Tries the keyring again, unless the vault is open or a person locked it. Answers the new state.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn retry_keyring(&self) -> Result<VaultState, VaultError> {
        let mut fresh = self.opening.lock().await;
        match self.state() {
            state @ (VaultState::Open | VaultState::LockedByPerson) => Ok(state),
            _ => self.try_keyring(&mut fresh).await,
        }
    }

    async fn try_keyring(&self, fresh: &mut Option<Key>) -> Result<VaultState, VaultError> {
        let row = vault_keys::read(self.db.reader()).await?;
        let state = match row {
            Some(VaultKey { mode: Mode::Passphrase(_) | Mode::Both(_), .. }) => VaultState::Locked,
            Some(row) => self.open_known(row).await?,
            None => self.open_first(fresh).await?,
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
    /// [`VaultError::NotWanted`] when it is not among [`Vault::choices`]; [`VaultError::Store`].
    pub async fn unlock(&self, passphrase: &str) -> Result<(), VaultError> {
        let mut fresh = self.opening.lock().await;
        let choices = self.choices().await?;
        if choices.contains(&Choice::EnterPassphrase) {
            self.enter(passphrase).await
        } else if choices.contains(&Choice::ChoosePassphrase) {
            if let Some(tried) = fresh.take() {
                self.take_back(tried).await;
            }
            self.choose(passphrase).await
        } else {
            Err(VaultError::NotWanted)
        }
    }

    /// What the person can do about the vault now; nothing when it is open.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn choices(&self) -> Result<&'static [Choice], VaultError> {
        let state = self.state();
        if state == VaultState::Open {
            return Ok(&[]);
        }
        let new = vault_keys::read(self.db.reader()).await?.is_none();
        Ok(state.choices(new))
    }

    /// Seals `plain` for one place.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Crypto`].
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_key(|key| seal::seal_at(&key.root, &key.profile, place, plain, &self.rng))
    }

    /// Opens what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// [`VaultError::Closed`]; [`VaultError::Damaged`] when it was changed, cut or moved; [`VaultError::Crypto`].
    pub fn open_sealed(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.with_key(|key| match (seal::open_at(&key.root, &key.profile, place, sealed), &key.older) {
            (Err(VaultError::Damaged), Some(older)) => seal::open_at(older, &key.profile, place, sealed),
            (opened, _) => opened,
        })
    }

    /// Seals a document and writes it to table `sealed`, replacing an older one, which does not open there any more.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Crypto`], [`VaultError::Store`].
    pub async fn put(&self, tx: &mut Tx, kind: &str, id: &str, plain: &[u8]) -> Result<(), VaultError> {
        let version = sealed::next_version(tx, kind, id).await?;
        let body = self.seal(&Document::new(kind, id, version).place(), plain)?;
        Ok(sealed::put(tx, kind, id, body).await?)
    }

    /// Reads a document of table `sealed` and opens it; `None` when there is none.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Damaged`], [`VaultError::Crypto`], [`VaultError::Store`].
    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some((body, version)) = sealed::get(self.db.reader(), kind, id).await? else { return Ok(None) };
        self.open_sealed(&Document::new(kind, id, version).place(), &body).map(Some)
    }

    /// Deletes a document of table `sealed`; works while the vault is closed.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub async fn delete(&self, tx: &mut Tx, kind: &str, id: &str) -> Result<(), VaultError> {
        Ok(sealed::delete(tx, kind, id).await?)
    }

    /// Keeps what was sealed in a row that goes, as it is; works while the vault is closed.
    ///
    /// # Errors
    /// [`VaultError::Store`].
    pub(crate) async fn keep_unopened(
        &self,
        tx: &mut Tx,
        what: Unopened,
        row: &str,
        sealed: Vec<u8>,
    ) -> Result<(), VaultError> {
        Ok(sealed::put(tx, what.kind(), row, sealed).await?)
    }

    /// Opens what [`Vault::keep_unopened`] kept; `None` when there is none.
    ///
    /// # Errors
    /// [`VaultError::Closed`], [`VaultError::Damaged`], [`VaultError::Crypto`], [`VaultError::Store`].
    pub(crate) async fn open_kept(&self, what: Unopened, row: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some((body, _)) = sealed::get(self.db.reader(), what.kind(), row).await? else { return Ok(None) };
        self.open_sealed(&what.place(row), &body).map(Some)
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
        let in_keyring = matches!(row, Some(VaultKey { mode: Mode::Keyring | Mode::Both(_), .. }));
        if in_keyring && let Err(error) = self.calls.run(KeyStore::delete).await {
            tracing::warn!(%error, "the keyring does not forget the key");
            return Err(VaultError::Closed(state_for(&error)));
        }
        let state = if in_keyring { VaultState::KeyLost } else { VaultState::Locked };
        // Nothing may be sealed under a key that is about to be gone.
        self.set(state, None);
        Ok(Destroying { vault: self, _one: one })
    }

    /// A profile that has a key in the keyring: only that key opens it.
    async fn open_known(&self, row: VaultKey) -> Result<VaultState, VaultError> {
        match self.calls.run(KeyStore::read).await {
            Ok(Some(found)) => {
                let opened = match Key::of(&found) {
                    Ok(root) => self.open_under(root, &row, Keeping::Keyring).await,
                    Err(error) => Err(error),
                };
                match opened {
                    Ok(()) => Ok(VaultState::Open),
                    Err(VaultError::Store(error)) => Err(error.into()),
                    Err(_) => Ok(closed(VaultState::KeyLost, "the keyring holds another key than this profile's")),
                }
            }
            Ok(None) => Ok(closed(VaultState::KeyLost, "the keyring no longer has this profile's key")),
            Err(error) => Ok(closed(state_for(&error), &error.to_string())),
        }
    }

    /// The first opening: takes the key that is in the keyring, or makes one and stores it before anything is sealed.
    async fn open_first(&self, fresh: &mut Option<Key>) -> Result<VaultState, VaultError> {
        let root = match self.calls.run(KeyStore::read).await {
            Ok(Some(found)) => match Key::of(&found) {
                Ok(root) => root,
                Err(_) => {
                    return Ok(closed(VaultState::KeyringFailed, "the keyring holds something that is not a key"));
                }
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
            None => Key::random(&self.rng)?,
        };
        *fresh = Some(root.clone());
        Ok(self.keep_in_keyring(&root).await.map(|()| root))
    }

    /// Removes a key that opens nothing from a keyring that took it and failed nevertheless. Anything else is left alone.
    async fn take_back(&self, tried: Key) {
        let taken = self.calls.run(KeyStore::read).await;
        if taken.is_ok_and(|found| found.is_some_and(|found| found.as_slice() == tried.as_slice()))
            && let Err(error) = self.calls.run(KeyStore::delete).await
        {
            tracing::warn!(%error, "the keyring keeps a key that opens nothing");
        }
    }

    async fn choose(&self, passphrase: &str) -> Result<(), VaultError> {
        passphrase::check_fit(passphrase)?;
        let (root, profile) = (Key::random(&self.rng)?, random_profile(&self.rng)?);
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
        let (root, keeping) = self.entered(&row, passphrase).await?;
        self.open_under(root, &row, keeping).await
    }

    /// The root key that a passphrase unwraps, and how it is kept.
    async fn entered(&self, row: &VaultKey, passphrase: &str) -> Result<(Key, Keeping), VaultError> {
        let words = Zeroizing::new(passphrase.to_owned());
        let (wrapped, keeping) = match &row.mode {
            Mode::Keyring => return Err(VaultError::NotWanted),
            Mode::Passphrase(wrapped) => (wrapped.clone(), Keeping::Passphrase(words.clone())),
            Mode::Both(wrapped) => {
                let (wrapped, in_keyring) = self.uncovered(row, wrapped).await?;
                (wrapped, Keeping::Both { in_keyring, words: words.clone() })
            }
        };
        let profile = row.profile.clone();
        let root = blocking(move || passphrase::unwrap(&wrapped, &profile, &words)).await?;
        Ok((root, keeping))
    }

    /// Writes the profile's row, then opens under the new root key.
    async fn settle(&self, root: Key, profile: Vec<u8>, mode: Mode) -> Result<(), VaultError> {
        let key_check = sealed_check(&root, &profile, &self.rng)?;
        let row = VaultKey { profile, key_check, mode };
        let mut tx = self.db.begin().await?;
        vault_keys::insert(&mut tx, &row).await?;
        self.db.commit(tx).await?;
        let profile = row.profile;
        self.set(VaultState::Open, Some(OpenKey { root, profile, older: None }));
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

/// A constant that tells a foreign root key apart, sealed under `root`.
fn sealed_check(root: &Key, profile: &[u8], rng: &SystemRandom) -> Result<Vec<u8>, VaultError> {
    seal::seal_at(root, profile, &KEY_CHECK_PLACE, KEY_CHECK, rng)
}

/// Whether `root` is the key of this profile.
fn check(root: &Key, row: &VaultKey) -> Result<(), VaultError> {
    let check = seal::open_at(root, &row.profile, &KEY_CHECK_PLACE, &row.key_check)?;
    if check.as_slice() == KEY_CHECK { Ok(()) } else { Err(VaultError::Damaged) }
}

fn random_profile(rng: &SystemRandom) -> Result<Vec<u8>, VaultError> {
    Ok(seal::random::<16>(rng)?.to_vec())
}

fn closed(state: VaultState, why: &str) -> VaultState {
    tracing::warn!(why, "the vault stays closed");
    state
}

/// What a keyring that does not serve means for a vault whose key it holds.
fn state_for(error: &KeyStoreError) -> VaultState {
    match error {
        KeyStoreError::Missing(_) => VaultState::KeyringMissing,
        KeyStoreError::Locked(_) => VaultState::KeyringLocked,
        KeyStoreError::Denied(_) => VaultState::KeyringDenied,
        KeyStoreError::Full(_) => VaultState::KeyringFull,
        // As if it held something else: what is sealed under our key cannot be opened any more.
        KeyStoreError::Spoilt(_) => VaultState::KeyLost,
        KeyStoreError::Ambiguous(_) => VaultState::KeyringAmbiguous,
        KeyStoreError::Failed(_) => VaultState::KeyringFailed,
    }
}

/// What it means for a vault that has no key yet.
fn without_keyring(error: &KeyStoreError) -> VaultState {
    match state_for(error) {
        VaultState::KeyringMissing => closed(VaultState::NeedsPassphrase, "no keyring; a passphrase is needed"),
        // Nothing is sealed yet, so nothing is lost; what is in the way is somebody's all the same.
        VaultState::KeyLost => closed(VaultState::KeyringFailed, &error.to_string()),
        state => closed(state, &error.to_string()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| VaultError::Crypto)?
}
