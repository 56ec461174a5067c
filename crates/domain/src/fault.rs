//! Faults: what a caller is told when something did not work.
//!
//! A code exists only because someone branches on it; the interface holds the words for each code in every language, so
//! no text for people is written here. Deliberately not here: provider endings (see [`crate::port::Outcome`]).

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The input is not what the command takes; `path` names the place, `problem` the kind.
    MalformedInput,
    /// The input is larger than allowed; `limit` says how large it may be.
    TooLarge,
    /// The thing named does not exist.
    NotFound,
    /// The thing is no longer in a state that allows this; read it again.
    WrongState,
    /// What was shown is not what is true now; read it again and confirm again.
    CartChanged,
    /// Two items cannot follow one another; `item`, `after`, `problem` and, where it is about time, `minutes`.
    ItemsConflict,
    /// The total exceeds the plan's budget; `total` and `budget` in minor units, `currency`.
    OverBudget,
    /// A platform has to be signed in to first; `platforms` lists them.
    AuthRequired,
    /// There is no keyring; the person can choose a passphrase.
    VaultUnavailable,
    /// The vault or the keyring is locked.
    VaultLocked,
    /// The passphrase does not open the vault.
    WrongPassphrase,
    /// A hold or price is past its time.
    HoldExpired,
    /// The chosen seat was taken meanwhile.
    SeatTaken,
    /// The supplier or channel does not answer; nothing was sent or nothing happened.
    ProviderUnavailable,
    /// No browser could be opened.
    BrowserUnavailable,
    /// This channel cannot be used for this payment now; `channel`, `why`. Another one may.
    ChannelBarred,
    /// This code is worth nothing for this order; `why`, and `minimum` with `currency` where the total is too small. Nothing
    /// was used.
    CreditRefused,
    /// The disk is full; nothing was changed.
    DiskFull,
    /// Another program has this data folder in use.
    DatabaseInUse,
    /// The stored history does not verify; the order is frozen.
    HistoryDamaged,
    /// The stored history was written by a newer version.
    NewerVersion,
    /// Only a person may do this, in the app's own window.
    OnlyInWindow,
    /// A defect on our side; nothing more is known.
    Internal,
}

impl FaultCode {
    /// Every code, for tables and tests.
    pub const ALL: &[Self] = &[
        Self::MalformedInput,
        Self::TooLarge,
        Self::NotFound,
        Self::WrongState,
        Self::CartChanged,
        Self::ItemsConflict,
        Self::OverBudget,
        Self::AuthRequired,
        Self::VaultUnavailable,
        Self::VaultLocked,
        Self::WrongPassphrase,
        Self::HoldExpired,
        Self::SeatTaken,
        Self::ProviderUnavailable,
        Self::BrowserUnavailable,
        Self::ChannelBarred,
        Self::CreditRefused,
        Self::DiskFull,
        Self::DatabaseInUse,
        Self::HistoryDamaged,
        Self::NewerVersion,
        Self::OnlyInWindow,
        Self::Internal,
    ];

    /// Whether the stored history of one order cannot be used: that order is frozen, the others go on.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::HistoryDamaged | Self::NewerVersion)
    }

    /// Whether the same call may succeed later without anything else changing.
    #[must_use]
    pub const fn transient(self) -> bool {
        match self {
            Self::ProviderUnavailable | Self::DiskFull | Self::DatabaseInUse | Self::VaultLocked => true,
            Self::MalformedInput
            | Self::TooLarge
            | Self::NotFound
            | Self::WrongState
            | Self::CartChanged
            | Self::ItemsConflict
            | Self::OverBudget
            | Self::AuthRequired
            | Self::VaultUnavailable
            | Self::WrongPassphrase
            | Self::HoldExpired
            | Self::SeatTaken
            | Self::BrowserUnavailable
            | Self::ChannelBarred
            | Self::CreditRefused
            | Self::OnlyInWindow
            | Self::HistoryDamaged
            | Self::NewerVersion
            | Self::Internal => false,
        }
    }
}

/// A code, the values its public text needs, and what only the log may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What to branch on.
    pub code: FaultCode,
    /// Values for the public text; never secrets or personal data.
    pub params: BTreeMap<&'static str, String>,
    /// For the log; may name internals, never secrets.
    pub internal: String,
}

impl Fault {
    /// A fault with what the log should say.
    #[must_use]
    pub fn new(code: FaultCode, internal: impl Into<String>) -> Self {
        Self { code, params: BTreeMap::new(), internal: internal.into() }
    }

    /// Adds a value for the public text.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.insert(name, value.to_string());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.internal)
    }
}

impl std::error::Error for Fault {}
