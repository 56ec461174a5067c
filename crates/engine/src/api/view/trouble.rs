//! Why the vault is closed, and what the person can choose to do about it.
//!
//! Deliberately not here: doing it. Nothing takes the place of a keyring without being chosen.

use crate::vault::{Choice, VaultState};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A vault that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct VaultTroubleView {
    /// Why.
    pub why: VaultWhyView,
    /// What can be done, best first.
    pub choices: Vec<VaultChoiceView>,
}

/// Why a vault is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "documented at zhiyou_engine::vault::VaultState")]
pub enum VaultWhyView {
    NeedsPassphrase,
    Locked,
    KeyringLocked,
    KeyringDenied,
    KeyringMissing,
    KeyringFull,
    KeyringAmbiguous,
    KeyringFailed,
    KeyLost,
}

impl VaultWhyView {
    /// None when the vault is open.
    pub(crate) const fn of(state: VaultState) -> Option<Self> {
        Some(match state {
            VaultState::Open => return None,
            VaultState::NeedsPassphrase => Self::NeedsPassphrase,
            VaultState::Locked => Self::Locked,
            VaultState::KeyringLocked => Self::KeyringLocked,
            VaultState::KeyringDenied => Self::KeyringDenied,
            VaultState::KeyringMissing => Self::KeyringMissing,
            VaultState::KeyringFull => Self::KeyringFull,
            VaultState::KeyringAmbiguous => Self::KeyringAmbiguous,
            VaultState::KeyringFailed => Self::KeyringFailed,
            VaultState::KeyLost => Self::KeyLost,
        })
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
    /// Give up what is sealed: `erase_my_data`.
    Erase,
}

impl From<Choice> for VaultChoiceView {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::ChoosePassphrase => Self::ChoosePassphrase,
            Choice::EnterPassphrase => Self::EnterPassphrase,
            Choice::RetryKeyring => Self::RetryKeyring,
            Choice::Erase => Self::Erase,
        }
    }
}
