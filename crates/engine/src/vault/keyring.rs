//! The system keyring as a key store: Secret Service, Windows Credential Manager, macOS Keychain.
//!
//! Deliberately not here: iOS and Android, whose stores need the mobile host; the time-out (see the vault); and a
//! fallback of any kind. The library decides once per process whether there is a keyring: one that appears later is
//! found only after a restart of the app. One that was merely locked, or had no collection yet, is found by a retry.

use crate::ports::{KeyStore, KeyStoreError};
use keyring::{Entry, Error};
use zeroize::Zeroizing;

/// One entry of the system keyring.
#[derive(Debug, Clone)]
pub struct OsKeyring {
    service: String,
    user: String,
}

impl OsKeyring {
    /// Names the entry: `service` is the product's identifier, `user` tells profiles apart.
    #[must_use]
    pub fn new(service: impl Into<String>, user: impl Into<String>) -> Self {
        Self { service: service.into(), user: user.into() }
    }

    fn entry(&self) -> Result<Entry, KeyStoreError> {
        Entry::new(&self.service, &self.user).map_err(|error| explain(&error))
    }
}

impl KeyStore for OsKeyring {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        match self.entry()?.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        self.entry()?.set_secret(key).map_err(|error| explain(&error))
    }

    fn delete(&self) -> Result<(), KeyStoreError> {
        match self.entry()?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(explain(&error)),
        }
    }
}

/// Tells "there is none" (choose a passphrase) from "not now" (unlock it, allow it, make room or remove what is double, and
/// try again) and from everything else.
///
/// Seen on Linux: without a session bus or a Secret Service every call is `NoDefaultStore`; a service without any
/// collection answers a write with `NoStorageAccess(NoResult)`; a locked collection blocks and never comes here.
fn explain(error: &Error) -> KeyStoreError {
    // `Display` of some variants shows entries, never secrets; `BadEncoding` and `BadDataFormat` carry the raw secret
    // and are put into words here instead.
    match error {
        Error::NoDefaultStore => KeyStoreError::Missing("no keyring on this system".to_owned()),
        Error::NotSupportedByStore(what) | Error::Invalid(_, what) => KeyStoreError::Missing(what.clone()),
        Error::NoStorageAccess(cause) if is(&**cause, &["NoResult", "no result"]) => {
            KeyStoreError::Missing("the keyring has no collection".to_owned())
        }
        Error::PlatformFailure(cause)
            if is(&**cause, &["ServiceUnknown", "NotFound", "NameHasNoOwner", "Unavailable"]) =>
        {
            KeyStoreError::Missing("no keyring service".to_owned())
        }
        Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) if is(&**cause, DENIED) => {
            KeyStoreError::Denied(cause.to_string())
        }
        Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) if is(&**cause, FULL) => {
            KeyStoreError::Full(cause.to_string())
        }
        Error::NoStorageAccess(cause) => KeyStoreError::Locked(cause.to_string()),
        Error::PlatformFailure(cause) if is(&**cause, &["Locked", "locked"]) => {
            KeyStoreError::Locked(cause.to_string())
        }
        Error::PlatformFailure(cause) => KeyStoreError::Failed(cause.to_string()),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyStoreError::Failed("unreadable entry".to_owned()),
        Error::BadStoreFormat(what) => KeyStoreError::Failed(what.clone()),
        Error::TooLong(what, limit) => KeyStoreError::Full(format!("{what} has at most {limit} bytes")),
        Error::Ambiguous(found) => KeyStoreError::Ambiguous(format!("{} entries", found.len())),
        Error::NoEntry => KeyStoreError::Failed("no entry".to_owned()),
        // The library may add cases; an unknown one is never taken for "there is no keyring".
        other => KeyStoreError::Failed(other.to_string()),
    }
}

/// A prompt that was dismissed, or a system that lets this program not in. Apple's are `errSecUserCanceled`,
/// `errSecAuthFailed` and `errSecInteractionNotAllowed`, Windows' `ERROR_ACCESS_DENIED`; from memory, seen on Linux only.
const DENIED: &[&str] = &[
    "Prompt",
    "dismissed",
    "AccessDenied",
    "denied",
    "User canceled",
    "-128",
    "-25293",
    "-25308",
    "ERROR_ACCESS_DENIED",
];
/// No room on the disk or in the store.
const FULL: &[&str] =
    &["NoSpace", "No space left", "quota", "LimitsExceeded", "ERROR_NOT_ENOUGH", "ERROR_NO_SYSTEM_RESOURCES"];

/// Whether an error of the platform, or one of its causes, is of a named kind. The library hides the types.
fn is(error: &(dyn std::error::Error + 'static), names: &[&str]) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = format!("{error} {error:?}");
        if names.iter().any(|name| text.contains(name)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Platform(&'static str);

    #[track_caller]
    fn check(error: &Error, expected: &str) {
        let kind = match explain(error) {
            KeyStoreError::Missing(_) => "missing",
            KeyStoreError::Locked(_) => "locked",
            KeyStoreError::Denied(_) => "denied",
            KeyStoreError::Full(_) => "full",
            KeyStoreError::Ambiguous(_) => "ambiguous",
            KeyStoreError::Failed(_) => "failed",
        };
        assert_eq!(kind, expected, "{error:?}");
    }

    #[test]
    fn every_failure_of_the_system_keyring_is_told_apart() {
        check(&Error::NoDefaultStore, "missing");
        check(&Error::NoStorageAccess(Box::new(Platform("NoResult"))), "missing");
        check(&Error::PlatformFailure(Box::new(Platform("org.freedesktop.DBus.Error.ServiceUnknown"))), "missing");
        check(&Error::Invalid("platform".into(), "must be macOS".into()), "missing");
        check(&Error::NoStorageAccess(Box::new(Platform("the collection is locked"))), "locked");
        check(&Error::PlatformFailure(Box::new(Platform("SS error: prompt dismissed"))), "denied");
        check(&Error::NoStorageAccess(Box::new(Platform("org.freedesktop.DBus.Error.AccessDenied"))), "denied");
        check(&Error::PlatformFailure(Box::new(Platform("No space left on device"))), "full");
        check(&Error::PlatformFailure(Box::new(Platform("org.freedesktop.Secret.Error.IsLocked"))), "locked");
        check(&Error::Ambiguous(Vec::new()), "ambiguous");
        check(&Error::PlatformFailure(Box::new(Platform("broken pipe"))), "failed");
        check(&Error::TooLong("secret".into(), 2560), "full");
    }

    #[test]
    fn an_unreadable_entry_is_reported_without_its_bytes() {
        let shown = format!("{:?}", explain(&Error::BadEncoding(b"canary-3c".to_vec())));
        assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
    }
}
