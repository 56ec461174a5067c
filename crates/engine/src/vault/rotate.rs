//! Replacing the root key: everything sealed is sealed anew, and the old key is forgotten.
//!
//! The next key is kept, sealed under the one in use, before anything is sealed under it. From then on a rotation only goes
//! forward: whichever of the two keys opens the vault again, it finds the other one or has no need of it, and the rotation
//! is finished. So nothing is unreadable at any moment, and the keyring never holds a key that opens nothing. Deliberately
//! not here: when to rotate.

use super::{
    Key, OpenKey, Place, Vault, VaultError, VaultState, blocking,
    kept::{self, Document},
    passphrase, seal, state_for,
};
use crate::{
    audit::{self, Action, Resource},
    ports::{KeyStore, KeyStoreError},
    store::{
        sealed,
        vault_keys::{self, Mode, VaultKey, Wrapped},
    },
};
use aws_lc_rs::{constant_time::verify_slices_are_equal, rand::SystemRandom};
use zeroize::Zeroizing;
use zhiyou_domain::{fault::Fault, time::UtcMicros};

/// Kind of the document that holds the next root key.
pub(super) const KIND: &str = "root_key";
const NEXT: &str = "next";

/// A passphrase that was proved to open the vault.
pub(super) type Words = Zeroizing<String>;

/// What the audit log is told, and when it was.
pub(super) type Noted = (Action, UtcMicros);

/// How a root key is kept once everything is sealed under it.
#[derive(Clone)]
pub(super) enum Keeping {
    /// In the keyring, where it takes the place of the one before it.
    Keyring,
    /// In the keyring, where it is already.
    InKeyring,
    /// By a passphrase.
    Passphrase(Words),
    /// By a passphrase and the key that is in the keyring and stays there.
    Both { in_keyring: Key, words: Words },
}

/// From one root key to the next.
pub(super) struct Change {
    open: OpenKey,
    rng: SystemRandom,
}

impl Change {
    /// The value under the new key; `None` when it is already, or opens under neither.
    pub(super) fn anew(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let OpenKey { root, profile, older } = &self.open;
        match seal::open_at(root, profile, place, sealed) {
            Ok(_) => return Ok(None),
            Err(VaultError::Damaged) => {}
            Err(error) => return Err(error),
        }
        let Some(older) = older else { return Ok(None) };
        match seal::open_at(older, profile, place, sealed) {
            Ok(plain) => seal::seal_at(root, profile, place, &plain, &self.rng).map(Some),
            Err(VaultError::Damaged) => {
                tracing::error!(table = place.table, "a sealed value that does not open is left as it is");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Vault {
    /// Replaces the root key and seals everything anew. A rotation that was cut off, or whose end the keyring does not let
    /// happen now, is finished by the next opening or the next rotation; everything stays readable meanwhile.
    ///
    /// # Errors
    /// [`VaultError::Closed`] when the vault, or the keyring that holds its key, is not open; [`VaultError::WrongPassphrase`]
    /// without the passphrase where there is one; the store's, the audit log's.
    pub async fn rotate(&self, passphrase: Option<&str>, now: UtcMicros) -> Result<(), Fault> {
        let _one = self.opening.lock().await;
        let row = vault_keys::read(self.db.reader()).await?.ok_or(VaultError::Closed(self.state()))?;
        let open = self.with_key(|key| Ok(key.clone()))?;
        let keeping = self.proved(&row, &open, passphrase).await?;
        if open.older.is_none() {
            let next = Key::random(&self.rng)?;
            self.begin_change(&row, open, next, Some((Action::RootKeyRotate, now))).await?;
        }
        Ok(self.finish(&row, keeping, None).await?)
    }

    /// Keeps the next root key sealed under the one in use, and turns to it: from here on it only goes forward. What is sure
    /// to come of it whoever finishes it is noted at once.
    pub(super) async fn begin_change(
        &self,
        row: &VaultKey,
        open: OpenKey,
        next: Key,
        sure: Option<Noted>,
    ) -> Result<(), Fault> {
        let mut tx = self.db.begin().await?;
        self.put(&mut tx, KIND, NEXT, &*next).await?;
        if let Some((action, now)) = sure {
            audit::note(&mut tx, action, Resource::None, now).await?;
        }
        self.db.commit(tx).await?;
        self.turn_to(next, Some(open.root), row);
        Ok(())
    }

    /// Who rotates can open the vault: nobody replaces a key that is not theirs to replace. Answers how it is kept.
    pub(super) async fn proved(
        &self,
        row: &VaultKey,
        open: &OpenKey,
        passphrase: Option<&str>,
    ) -> Result<Keeping, VaultError> {
        if row.mode != Mode::Keyring {
            let text = passphrase.filter(|text| text.len() <= passphrase::BYTES_MAX);
            let (_, keeping) = self.entered(row, text.ok_or(VaultError::WrongPassphrase)?).await?;
            return Ok(keeping);
        }
        let found = self.calls.run(KeyStore::read).await.map_err(|error| VaultError::Closed(state_for(&error)))?;
        let ours = found.is_some_and(|found| {
            let is = |key: &Key| verify_slices_are_equal(&found, &**key).is_ok();
            is(&open.root) || open.older.as_ref().is_some_and(is)
        });
        if ours { Ok(Keeping::Keyring) } else { Err(VaultError::Closed(VaultState::KeyLost)) }
    }

    /// Opens under the profile's own key, or follows it to the next one where a rotation was cut off.
    pub(super) async fn open_under(&self, root: Key, row: &VaultKey, keeping: Keeping) -> Result<(), VaultError> {
        let kept = sealed::get(self.db.reader(), KIND, NEXT).await?;
        let next = kept.as_ref().and_then(|(kept, version)| {
            let document = Document::new(KIND, NEXT, *version);
            let plain = seal::open_at(&root, &row.profile, &document.place(), kept).ok()?;
            Key::of(&plain).ok()
        });
        match next {
            Some(next) => {
                if super::check(&root, row).is_err() {
                    super::check(&next, row)?;
                }
                let keeping = match keeping {
                    // What was begun is to do without the passphrase.
                    Keeping::Both { in_keyring, .. } if verify_slices_are_equal(&*in_keyring, &*next).is_ok() => {
                        Keeping::InKeyring
                    }
                    keeping => keeping,
                };
                self.turn_to(next, Some(root), row);
                if let Err(error) = self.finish(row, keeping, None).await {
                    tracing::warn!(%error, "a rotation of the root key waits for its end");
                }
            }
            None => {
                super::check(&root, row)?;
                self.turn_to(root, None, row);
                if kept.is_some() {
                    // The keyring had taken the next key already; only this was left to do.
                    self.forget_next().await?;
                }
            }
        }
        Ok(())
    }

    fn turn_to(&self, root: Key, older: Option<Key>, row: &VaultKey) {
        self.set(VaultState::Open, Some(OpenKey { root, profile: row.profile.clone(), older }));
    }

    /// Seals everything under the new key, then lets go of the old one. What only this end makes true is noted with it.
    pub(super) async fn finish(&self, row: &VaultKey, keeping: Keeping, done: Option<Noted>) -> Result<(), VaultError> {
        let open = self.with_key(|key| Ok(key.clone()))?;
        let to_keyring = matches!(keeping, Keeping::Keyring);
        let mode = match keeping {
            Keeping::Keyring | Keeping::InKeyring => Mode::Keyring,
            Keeping::Passphrase(words) => Mode::Passphrase(self.wrapped(&open, words).await?),
            Keeping::Both { in_keyring, words } => {
                let wrapped = self.wrapped(&open, words).await?;
                Mode::Both(passphrase::cover(wrapped, &open.profile, &in_keyring, &self.rng)?)
            }
        };
        let key_check = super::sealed_check(&open.root, &open.profile, &self.rng)?;
        let renewed = VaultKey { profile: open.profile.clone(), key_check, mode };
        let mut tx = self.db.begin().await?;
        kept::reseal(&mut tx, &Change { open: open.clone(), rng: self.rng.clone() }).await?;
        vault_keys::replace(&mut tx, &renewed).await?;
        if !to_keyring {
            sealed::delete(&mut tx, KIND, NEXT).await?;
        }
        if let Some((action, now)) = done {
            audit::note(&mut tx, action, Resource::None, now).await?;
        }
        self.db.commit(tx).await?;
        if to_keyring {
            self.keep_in_keyring(&open.root).await.map_err(|error| VaultError::Closed(state_for(&error)))?;
            self.forget_next().await?;
        }
        self.turn_to(open.root, None, row);
        // What was sealed under the old key is in no file of ours any more.
        self.db.empty_log().await?;
        Ok(())
    }

    async fn wrapped(&self, open: &OpenKey, words: Words) -> Result<Wrapped, VaultError> {
        let (key, name, rng) = (open.root.clone(), open.profile.clone(), self.rng.clone());
        blocking(move || passphrase::wrap(&key, &name, &words, &rng)).await
    }

    async fn forget_next(&self) -> Result<(), VaultError> {
        let mut tx = self.db.begin().await?;
        sealed::delete(&mut tx, KIND, NEXT).await?;
        Ok(self.db.commit(tx).await?)
    }

    /// Writes a key to the keyring and reads it back: one that only pretends to store would lose everything.
    pub(super) async fn keep_in_keyring(&self, root: &Key) -> Result<(), KeyStoreError> {
        let key = root.clone();
        self.calls.run(move |keys| keys.write(&*key)).await?;
        match self.calls.run(KeyStore::read).await? {
            Some(back) if verify_slices_are_equal(&back, &**root).is_ok() => Ok(()),
            Some(_) | None => Err(KeyStoreError::Failed("the key does not read back".to_owned())),
        }
    }
}
