//! What the engine needs from its host: a clock, a browser, a place for one key.
//!
//! Deliberately not here: the supplier and payment ports, which are MCP servers (see `zhiyou_domain::port`).

use url::Url;
use zhiyou_domain::{port::payments::Presentation, time::UtcMicros};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, UTC microseconds.
    fn now(&self) -> UtcMicros;
}

/// Opens a page in the system browser.
pub trait Browser: Send + Sync + 'static {
    /// Opens `url`, which the engine has checked.
    ///
    /// # Errors
    /// [`BrowserError`] when no browser could be started; the person can copy the address instead.
    fn open(&self, url: &Url) -> Result<(), BrowserError>;

    /// What can be presented to the payer on this device: a channel's page for phones opens in a phone's browser only.
    fn presentable(&self) -> &'static [Presentation] {
        if cfg!(any(target_os = "android", target_os = "ios")) {
            Presentation::ON_PHONES
        } else {
            Presentation::ON_COMPUTERS
        }
    }
}

/// No browser could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no browser could be opened: {0}")]
pub struct BrowserError(pub String);

/// Keeps one 32-byte root key per profile outside the database: the system keyring.
///
/// Calls block; callers run them on a blocking thread under a time-out of their own.
pub trait KeyStore: Send + Sync + 'static {
    /// Reads the key; `None` when there is none yet.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    fn read(&self) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, KeyStoreError>;

    /// Writes the key.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError>;

    /// Forgets the key.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    fn delete(&self) -> Result<(), KeyStoreError>;
}

/// Why the keyring did not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyStoreError {
    /// There is no keyring on this system, or none with a collection to write to.
    #[error("no keyring: {0}")]
    Missing(String),
    /// It is locked, or it did not answer in time.
    #[error("keyring locked: {0}")]
    Locked(String),
    /// The person, or the system, did not let us in.
    #[error("keyring denied: {0}")]
    Denied(String),
    /// It takes nothing more, or nothing so long.
    #[error("keyring full: {0}")]
    Full(String),
    /// It has our entry, and nobody can read it any more.
    #[error("keyring entry spoilt: {0}")]
    Spoilt(String),
    /// It has several entries of our name.
    #[error("keyring ambiguous: {0}")]
    Ambiguous(String),
    /// It answered something else.
    #[error("keyring: {0}")]
    Failed(String),
}
