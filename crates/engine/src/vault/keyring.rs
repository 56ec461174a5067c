//! The system keyring as a key store: Secret Service, Windows Credential Manager, the keychains of macOS and iOS, Android's
//! Keystore. Which one, is said in [`store`]; what its answers mean, in [`answers`].
//!
//! `keyring` itself knows one store a process, none on phones, and none that appears later; so its errors are used and its
//! stores are, but which one is reached, and when, is said here. Deliberately not here: the time-out (see the vault), and a
//! fallback of any kind.

mod answers;
mod store;

use crate::ports::{KeyStore, KeyStoreError};
use answers::explain;
use keyring::Error;
use keyring_core::{CredentialStore, Entry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// One entry of the system keyring.
#[derive(Debug, Clone)]
pub struct OsKeyring {
    service: String,
    user: String,
    /// The keyring, once it was reached; forgotten when it fails, so that one that appears later, or anew, is found.
    reached: Arc<Mutex<Option<Arc<CredentialStore>>>>,
}

impl OsKeyring {
    /// Names the entry: `service` is the product's identifier, `user` tells profiles apart.
    #[must_use]
    pub fn new(service: impl Into<String>, user: impl Into<String>) -> Self {
        Self { service: service.into(), user: user.into(), reached: Arc::default() }
    }

    fn reached(&self) -> MutexGuard<'_, Option<Arc<CredentialStore>>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Result<Arc<CredentialStore>, KeyStoreError> {
        if let Some(store) = self.reached().clone() {
            return Ok(store);
        }
        let store = store::reach().map_err(|error| match explain(&error) {
            // What cannot be reached is not there, whatever kept us from it.
            KeyStoreError::Failed(why) => KeyStoreError::Missing(why),
            explained => explained,
        })?;
        *self.reached() = Some(Arc::clone(&store));
        Ok(store)
    }

    fn call<T>(&self, call: impl FnOnce(&Entry) -> Result<T, Error>) -> Result<Option<T>, KeyStoreError> {
        let entry = self.store()?.build(&self.service, &self.user, store::modifiers().as_ref());
        match entry.and_then(|entry| call(&entry)) {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => {
                *self.reached() = None;
                Err(explain(&error))
            }
        }
    }
}

impl KeyStore for OsKeyring {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.call(Entry::get_secret)?.map(Zeroizing::new))
    }

    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        let written = self.call(|entry| entry.set_secret(key))?;
        written.ok_or_else(|| KeyStoreError::Failed("no entry".to_owned()))
    }

    fn delete(&self) -> Result<(), KeyStoreError> {
        self.call(Entry::delete_credential).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyring_core::mock;

    #[test]
    fn a_keyring_that_failed_is_reached_anew_and_one_that_has_no_entry_is_kept() {
        let keyring = OsKeyring::new("app.zhiyou.test", "profile");
        let store: Arc<CredentialStore> = mock::Store::new().unwrap();
        *keyring.reached() = Some(Arc::clone(&store));
        assert_eq!(keyring.read().unwrap(), None);
        keyring.delete().unwrap();
        keyring.write(b"canary").unwrap();
        assert_eq!(keyring.read().unwrap().unwrap().as_slice(), b"canary");
        assert!(keyring.reached().is_some());
        let entry = store.build("app.zhiyou.test", "profile", None).unwrap();
        let fail = |error: Error| entry.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
        fail(Error::NoStorageAccess("the collection is locked".into()));
        assert!(matches!(keyring.read(), Err(KeyStoreError::Locked(_))));
        assert!(keyring.reached().is_none(), "it may be another by now");
        *keyring.reached() = Some(store);
        fail(Error::TooLong("secret".to_owned(), 1));
        assert!(matches!(keyring.write(b"canary"), Err(KeyStoreError::Full(_))));
        *keyring.reached() = Some(mock::Store::new().unwrap());
        assert_eq!(keyring.read().unwrap(), None, "the new one");
    }
}
