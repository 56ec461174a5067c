//! What the keyrings' answers mean: "there is none" (choose a passphrase), "not now" (unlock it, allow it, make room or
//! remove what is double, and try again), "our entry is spoilt", and everything else.
//!
//! Seen on Linux: without a session bus or a Secret Service no store can be reached; a service without any collection
//! answers a write with `NoStorageAccess(NoResult)`; a locked collection blocks and never comes here. Apple's and Windows'
//! answers are numbers of their documentation (`SecBase.h`, `winerror.h`); nothing of them was seen running. Deliberately
//! not here: what a meaning leads to, which the vault decides.

use crate::ports::KeyStoreError;
use keyring::Error;

/// What an answer means, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Missing,
    Locked,
    Denied,
    Full,
    Spoilt,
    Failed,
}

impl Meaning {
    fn with(self, why: String) -> KeyStoreError {
        match self {
            Self::Missing => KeyStoreError::Missing(why),
            Self::Locked => KeyStoreError::Locked(why),
            Self::Denied => KeyStoreError::Denied(why),
            Self::Full => KeyStoreError::Full(why),
            Self::Spoilt => KeyStoreError::Spoilt(why),
            Self::Failed => KeyStoreError::Failed(why),
        }
    }
}

/// What an answer means. `Display` of some variants shows entries, never secrets; `BadEncoding` and `BadDataFormat` carry
/// what was read and are put into words here instead.
pub(super) fn explain(error: &Error) -> KeyStoreError {
    match error {
        Error::NoDefaultStore => KeyStoreError::Missing("no keyring on this system".to_owned()),
        Error::NotSupportedByStore(what) | Error::Invalid(_, what) => KeyStoreError::Missing(what.clone()),
        Error::NoStorageAccess(cause) => {
            meaning_of(&**cause, NO_ACCESS).unwrap_or(Meaning::Locked).with(cause.to_string())
        }
        Error::PlatformFailure(cause) => {
            meaning_of(&**cause, FAILURES).unwrap_or(Meaning::Failed).with(cause.to_string())
        }
        // The entry is there, and does not open under the key that the system kept for it.
        Error::BadDataFormat(_, cause) => KeyStoreError::Spoilt(cause.to_string()),
        Error::BadEncoding(_) => KeyStoreError::Failed("unreadable entry".to_owned()),
        Error::BadStoreFormat(what) => KeyStoreError::Failed(what.clone()),
        Error::TooLong(what, limit) => KeyStoreError::Full(format!("{what} has at most {limit} bytes")),
        Error::Ambiguous(found) => KeyStoreError::Ambiguous(format!("{} entries", found.len())),
        Error::NoEntry => KeyStoreError::Failed("no entry".to_owned()),
        // The library may add cases; an unknown one is never taken for "there is no keyring".
        other => KeyStoreError::Failed(other.to_string()),
    }
}

/// Meaning of a cause, or of what caused it. The libraries hide the types, so it is read as they print themselves: by its
/// number where it has one, else by the names of the Secret Service.
fn meaning_of(error: &(dyn std::error::Error + 'static), names: &[(Meaning, &[&str])]) -> Option<Meaning> {
    let mut next = Some(error);
    while let Some(error) = next {
        let debug = format!("{error:?}");
        if let Some(code) = number_after(&debug, "PlatformError(") {
            return windows(code);
        }
        if let Some(code) = number_after(&debug, "Error { code: ") {
            return apple(code);
        }
        let text = format!("{error} {debug}");
        let found = names.iter().find(|(_, names)| names.iter().any(|name| text.contains(name)));
        if let Some((meaning, _)) = found {
            return Some(*meaning);
        }
        next = error.source();
    }
    None
}

fn number_after(text: &str, start: &str) -> Option<i64> {
    let rest = text.strip_prefix(start)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The keychain's answers, of macOS and iOS.
fn apple(code: i64) -> Option<Meaning> {
    match code {
        // errSecNotAvailable, errSecNoSuchKeychain, errSecNoDefaultKeychain
        -25291 | -25294 | -25307 => Some(Meaning::Missing),
        // errSecInteractionNotAllowed: the device is locked, or nobody can be asked to unlock the keychain; errSecInDarkWake
        -25308 | -25320 => Some(Meaning::Locked),
        // errSecUserCanceled, errSecAuthFailed, errSecMissingEntitlement, errSecReadOnly, wrPermErr, errSecNoAccessForItem,
        // errSecInvalidOwnerEdit
        -128 | -25293 | -34018 | -25292 | -61 | -25243 | -25244 => Some(Meaning::Denied),
        // errSecDiskFull
        -34 => Some(Meaning::Full),
        // errSecDecode: an entry whose key is gone, for instance of another device
        -26275 => Some(Meaning::Spoilt),
        _ => Some(Meaning::Failed),
    }
}

/// The Credential Manager's answers.
fn windows(code: i64) -> Option<Meaning> {
    match code {
        // ERROR_NO_SUCH_LOGON_SESSION: a session without credentials; ERROR_SERVICE_DISABLED, ERROR_SERVICE_NOT_ACTIVE,
        // RPC_S_SERVER_UNAVAILABLE
        1312 | 1058 | 1062 | 1722 => Some(Meaning::Missing),
        // ERROR_ACCESS_DENIED, ERROR_CANCELLED
        5 | 1223 => Some(Meaning::Denied),
        // ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY, ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL, ERROR_NO_SYSTEM_RESOURCES,
        // ERROR_NOT_ENOUGH_QUOTA
        8 | 14 | 39 | 112 | 1450 | 1816 => Some(Meaning::Full),
        // NTE_BAD_KEY_STATE: what the person's password protected, after it was set by somebody else
        0x8009_000B => Some(Meaning::Spoilt),
        _ => Some(Meaning::Failed),
    }
}

/// What the Secret Service calls no access; anything else of it is a keyring to unlock.
const NO_ACCESS: &[(Meaning, &[&str])] =
    &[(Meaning::Missing, &["NoResult", "no result"]), (Meaning::Denied, DENIED), (Meaning::Full, FULL)];

/// What it calls a failure.
const FAILURES: &[(Meaning, &[&str])] = &[
    (Meaning::Missing, &["ServiceUnknown", "NotFound", "NameHasNoOwner", "Unavailable"]),
    (Meaning::Denied, DENIED),
    (Meaning::Full, FULL),
    (Meaning::Locked, &["Locked", "locked"]),
];

/// A prompt that was dismissed, or a bus that lets this program not in.
const DENIED: &[&str] = &["Prompt", "dismissed", "AccessDenied", "denied"];
/// No room on the disk or in the store.
const FULL: &[&str] = &["NoSpace", "No space left", "quota", "LimitsExceeded"];

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Platform(&'static str);

    /// As Windows' store prints what the system answered.
    #[derive(Debug, thiserror::Error)]
    #[error("Windows error code {0}")]
    struct PlatformError(u32);

    /// As Apple's prints it, in the language of the person.
    mod apples {
        #[derive(Debug, thiserror::Error)]
        #[error("{message}")]
        pub(super) struct Error {
            pub(super) code: i32,
            pub(super) message: &'static str,
        }
    }

    #[track_caller]
    fn check(error: &Error, expected: &str) {
        let kind = match explain(error) {
            KeyStoreError::Missing(_) => "missing",
            KeyStoreError::Locked(_) => "locked",
            KeyStoreError::Denied(_) => "denied",
            KeyStoreError::Full(_) => "full",
            KeyStoreError::Spoilt(_) => "spoilt",
            KeyStoreError::Ambiguous(_) => "ambiguous",
            KeyStoreError::Failed(_) => "failed",
        };
        assert_eq!(kind, expected, "{error:?}");
    }

    #[test]
    fn every_failure_of_the_secret_service_is_told_apart() {
        check(&Error::NoDefaultStore, "missing");
        check(&Error::NoStorageAccess(Box::new(Platform("NoResult"))), "missing");
        check(&Error::PlatformFailure(Box::new(Platform("org.freedesktop.DBus.Error.ServiceUnknown"))), "missing");
        let unavailable = Platform("Unavailable: no secret service provider or dbus session found");
        check(&Error::PlatformFailure(Box::new(unavailable)), "missing");
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
    fn every_answer_of_windows_is_told_apart_by_its_number() {
        let rows: &[(&str, &[u32])] = &[
            ("missing", &[1312, 1058, 1062, 1722]),
            ("denied", &[5, 1223]),
            ("full", &[8, 14, 39, 112, 1450, 1816]),
            ("spoilt", &[0x8009_000B]),
            // Among them one that contains the number of another, and invalid flags.
            ("failed", &[51, 12, 1004, 87]),
        ];
        for (kind, codes) in rows {
            for code in *codes {
                check(&Error::PlatformFailure(Box::new(PlatformError(*code))), kind);
            }
        }
        check(&Error::NoStorageAccess(Box::new(PlatformError(1312))), "missing");
    }

    #[test]
    fn every_answer_of_apples_is_told_apart_by_its_number_in_any_language() {
        let rows: &[(&str, &[i32])] = &[
            ("missing", &[-25291, -25294, -25307]),
            ("locked", &[-25308, -25320]),
            ("denied", &[-128, -25293, -34018, -25292, -61, -25243, -25244]),
            ("full", &[-34]),
            ("spoilt", &[-26275]),
            ("failed", &[-1280, -50, -25299, -25295]),
        ];
        for (kind, codes) in rows {
            for code in *codes {
                for message in ["", "不允许用户交互。", "The keychain is locked, Prompt denied, quota"] {
                    check(&Error::PlatformFailure(Box::new(apples::Error { code: *code, message })), kind);
                }
            }
        }
        check(&Error::NoStorageAccess(Box::new(apples::Error { code: -25291, message: "" })), "missing");
    }

    #[test]
    fn an_entry_that_android_cannot_open_any_more_is_spoilt_and_what_java_throws_is_a_failure() {
        let cause = Box::new(Platform("Verification of data signature/MAC failed"));
        check(&Error::BadDataFormat(b"canary-3c".to_vec(), cause), "spoilt");
        check(&Error::PlatformFailure(Box::new(Platform("Java exception was thrown"))), "failed");
        check(&Error::BadStoreFormat("Encryption key not found".into()), "failed");
    }

    #[test]
    fn an_unreadable_entry_is_reported_without_its_bytes() {
        for error in [
            Error::BadEncoding(b"canary-3c".to_vec()),
            Error::BadDataFormat(b"canary-3c".to_vec(), Box::new(Platform("too short"))),
        ] {
            let shown = format!("{:?}", explain(&error));
            assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
        }
    }
}
