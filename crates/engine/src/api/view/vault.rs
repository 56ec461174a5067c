//! Whether the vault is open, why not, and what the person can choose to do about it.
//!
//! Deliberately not here: doing it. Nothing takes the place of a keyring without being chosen.

use crate::vault::{Choice, Kept, VaultState};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The vault that keeps tokens and travellers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct VaultView {
    /// Whether it is open, or why not.
    pub state: VaultStateView,
    /// What can be done about a closed one, best first.
    pub choices: Vec<VaultChoiceView>,
    /// What keeps its key; nothing before it was first opened.
    pub kept: Option<VaultKeptView>,
}

/// What keeps a vault's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VaultKeptView {
    /// The system keyring; an app lock can be set.
    Keyring,
    /// A passphrase.
    Passphrase,
    /// The system keyring and a passphrase: the app lock.
    Both,
}

impl From<Kept> for VaultKeptView {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Keyring => Self::Keyring,
            Kept::Passphrase => Self::Passphrase,
            Kept::Both => Self::Both,
        }
    }
}

/// Whether a vault is open, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "documented at zhiyou_engine::vault::VaultState")]
pub enum VaultStateView {
    Open,
    NeedsPassphrase,
    Locked,
    LockedByPerson,
    KeyringLocked,
    KeyringDenied,
    KeyringMissing,
    KeyringFull,
    KeyringAmbiguous,
    KeyringFailed,
    KeyLost,
}

impl From<VaultState> for VaultStateView {
    fn from(state: VaultState) -> Self {
        match state {
            VaultState::Open => Self::Open,
            VaultState::NeedsPassphrase => Self::NeedsPassphrase,
            VaultState::Locked => Self::Locked,
            VaultState::LockedByPerson => Self::LockedByPerson,
            VaultState::KeyringLocked => Self::KeyringLocked,
            VaultState::KeyringDenied => Self::KeyringDenied,
            VaultState::KeyringMissing => Self::KeyringMissing,
            VaultState::KeyringFull => Self::KeyringFull,
            VaultState::KeyringAmbiguous => Self::KeyringAmbiguous,
            VaultState::KeyringFailed => Self::KeyringFailed,
            VaultState::KeyLost => Self::KeyLost,
        }
    }
}

/// What can be done about a closed vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VaultChoiceView {
    /// Keep the key by a passphrase: `unlock_vault`.
    ChoosePassphrase,
    /// Enter the passphrase: `unlock_vault`.
    EnterPassphrase,
    /// Mend the keyring and try again: `retry_keyring`.
    RetryKeyring,
    /// Open what was locked: `retry_keyring`.
    Reopen,
    /// Give up what is sealed: `erase_my_data`.
    Erase,
}

impl From<Choice> for VaultChoiceView {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::ChoosePassphrase => Self::ChoosePassphrase,
            Choice::EnterPassphrase => Self::EnterPassphrase,
            Choice::RetryKeyring => Self::RetryKeyring,
            Choice::Reopen => Self::Reopen,
            Choice::Erase => Self::Erase,
        }
    }
}
