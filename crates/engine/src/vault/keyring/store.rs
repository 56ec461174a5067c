//! Each system's own keyring, and how our entry is kept in it.
//!
//! Deliberately not here: any other way of keeping a key. A system of which nothing is known has no keyring.

use keyring::Result;
use keyring_core::CredentialStore;
use std::{collections::HashMap, sync::Arc};

/// The Secret Service, by the session bus.
#[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    let store: Arc<CredentialStore> = zbus_secret_service_keyring_store::Store::new()?;
    Ok(store)
}

/// The Credential Manager of the person.
#[cfg(target_os = "windows")]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    let store: Arc<CredentialStore> = windows_native_keyring_store::Store::new()?;
    Ok(store)
}

/// The person's login keychain.
#[cfg(target_os = "macos")]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    let store: Arc<CredentialStore> = apple_native_keyring_store::keychain::Store::new()?;
    Ok(store)
}

/// The keychain of iOS, in the app's own group and on this device only: nothing goes to the cloud.
#[cfg(target_os = "ios")]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    let store: Arc<CredentialStore> = apple_native_keyring_store::protected::Store::new()?;
    Ok(store)
}

/// Android's preferences of the app, sealed under a key of its Keystore. The framework has told the library of the app
/// before anything of ours runs.
#[cfg(target_os = "android")]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    let store: Arc<CredentialStore> = android_native_keyring_store::Store::new()?;
    Ok(store)
}

/// None that we know.
#[cfg(not(any(unix, target_os = "windows")))]
pub(super) fn reach() -> Result<Arc<CredentialStore>> {
    Err(keyring::Error::NoDefaultStore)
}

/// What an entry is made with. On iOS it can be read from the first unlocking after a start of the device, so that what was
/// begun goes on behind a locked screen, and it goes into no backup: a key belongs to its device, as on Android.
#[cfg(target_os = "ios")]
pub(super) fn modifiers() -> Option<HashMap<&'static str, &'static str>> {
    Some(HashMap::from([("access-policy", "after-first-unlock-this-device-only")]))
}

/// What an entry is made with: nothing more than its name.
#[cfg(not(target_os = "ios"))]
pub(super) const fn modifiers() -> Option<HashMap<&'static str, &'static str>> {
    None
}
