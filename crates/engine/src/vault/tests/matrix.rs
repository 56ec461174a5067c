//! What a keyring can answer, row by row: each answer is a state of its own with a choice for the person, and nothing ever
//! takes the place of the keyring by itself. Source: what was seen of keyrings on Linux, and the library's list of errors.

use super::*;

/// A keyring in a mood: reads and writes may fail in one way each.
struct Moody {
    inner: Keyring,
    reads: StdMutex<Option<KeyStoreError>>,
    writes: StdMutex<Option<KeyStoreError>>,
}

impl Moody {
    fn new(reads: Option<KeyStoreError>, writes: Option<KeyStoreError>) -> Arc<Self> {
        Arc::new(Self { inner: Keyring::default(), reads: StdMutex::new(reads), writes: StdMutex::new(writes) })
    }

    fn mend(&self) {
        (*self.reads.lock().unwrap(), *self.writes.lock().unwrap()) = (None, None);
    }
}

impl KeyStore for Moody {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        self.reads.lock().unwrap().clone().map_or_else(|| self.inner.read(), Err)
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        self.writes.lock().unwrap().clone().map_or_else(|| self.inner.write(key), Err)
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        self.writes.lock().unwrap().clone().map_or_else(|| self.inner.delete(), Err)
    }
}

fn says(kind: fn(String) -> KeyStoreError) -> Option<KeyStoreError> {
    Some(kind("said by the keyring".to_owned()))
}

/// Where the key of this folder is kept, by the files alone: nowhere, in the keyring, or wrapped.
async fn kept(vault: &Vault) -> Option<Mode> {
    vault_keys::read(vault.db.reader()).await.unwrap().map(|row| row.mode)
}

/// A vault nothing was ever sealed in: closed as `state`, with these choices, and nothing is stored.
async fn new_vault(keys: &Arc<Moody>, state: VaultState, choices: &[Choice]) -> (TempDir, Vault) {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), keys.clone()).await;
    assert_eq!((vault.state(), vault.choices().await.unwrap()), (state, choices));
    let refused = vault.seal(&place("row", "column"), SECRET).unwrap_err();
    assert!(matches!(refused, VaultError::Closed(closed) if closed == state));
    assert_eq!(Fault::from(refused).params["why"], state.word());
    assert_eq!(kept(&vault).await, None, "no other way was taken");
    (folder, vault)
}

/// A vault whose key is in the keyring, opened again while the keyring is in a mood; and again when it is mended.
async fn known_vault(trouble: Option<KeyStoreError>, state: VaultState, choices: &[Choice]) {
    let (folder, keys) = (TempDir::new().unwrap(), Moody::new(None, None));
    let first = vault(folder.path(), keys.clone()).await;
    keep(&first, "trv_1", SECRET).await;
    first.db.close().await;
    *keys.reads.lock().unwrap() = trouble;
    let again = vault(folder.path(), keys.clone()).await;
    assert_eq!((again.state(), again.choices().await.unwrap()), (state, choices));
    let refused = again.get("traveller", "trv_1").await.unwrap_err();
    assert_eq!(Fault::from(refused).code, FaultCode::VaultLocked);
    assert!(matches!(again.unlock("correct horse").await, Err(VaultError::NotWanted)), "no way around the keyring");
    assert_eq!(kept(&again).await, Some(Mode::Keyring));
    keys.mend();
    assert_eq!(again.retry_keyring().await.unwrap(), VaultState::Open);
    assert_eq!(again.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}

/// Trying again opens a new vault once the keyring is mended, and a chosen passphrase opens it without.
async fn both_ways_out(reads: Option<KeyStoreError>, writes: Option<KeyStoreError>, state: VaultState) {
    let both = [Choice::RetryKeyring, Choice::ChoosePassphrase];
    let keys = Moody::new(reads.clone(), writes.clone());
    let (_folder, vault) = new_vault(&keys, state, &both).await;
    assert_eq!(vault.retry_keyring().await.unwrap(), state, "still so");
    keys.mend();
    assert_eq!(vault.retry_keyring().await.unwrap(), VaultState::Open);
    assert_eq!(kept(&vault).await, Some(Mode::Keyring));

    let keys = Moody::new(reads, writes);
    let (_folder, vault) = new_vault(&keys, state, &both).await;
    vault.unlock("correct horse").await.unwrap();
    assert_eq!((vault.state(), vault.choices().await.unwrap()), (VaultState::Open, [].as_slice()));
    assert!(matches!(kept(&vault).await, Some(Mode::Passphrase(_))));
    assert_eq!(*keys.inner.0.lock().unwrap(), None, "nothing is left in the keyring");
}

#[tokio::test]
async fn keyring_locked_is_waited_for_and_never_passed_by() {
    known_vault(says(KeyStoreError::Locked), VaultState::KeyringLocked, &[Choice::RetryKeyring]).await;
    for (reads, writes) in [(says(KeyStoreError::Locked), None), (None, says(KeyStoreError::Locked))] {
        let keys = Moody::new(reads, writes);
        let (_folder, vault) = new_vault(&keys, VaultState::KeyringLocked, &[Choice::RetryKeyring]).await;
        // The prompt may still be open: a passphrase now and the key later would be two keys.
        assert!(matches!(vault.unlock("correct horse").await, Err(VaultError::NotWanted)));
        keys.mend();
        assert_eq!(vault.retry_keyring().await.unwrap(), VaultState::Open);
    }
}

#[tokio::test]
async fn keyring_denied_is_asked_again_or_a_new_vault_gets_a_passphrase() {
    known_vault(says(KeyStoreError::Denied), VaultState::KeyringDenied, &[Choice::RetryKeyring]).await;
    both_ways_out(says(KeyStoreError::Denied), says(KeyStoreError::Denied), VaultState::KeyringDenied).await;
    both_ways_out(None, says(KeyStoreError::Denied), VaultState::KeyringDenied).await;
}

#[tokio::test]
async fn keyring_missing_asks_a_new_vault_for_a_passphrase_and_an_old_one_for_its_keyring() {
    known_vault(says(KeyStoreError::Missing), VaultState::KeyringMissing, &[Choice::RetryKeyring]).await;
    let choices = [Choice::ChoosePassphrase, Choice::RetryKeyring];
    for reads in [says(KeyStoreError::Missing), None] {
        let keys = Moody::new(reads, says(KeyStoreError::Missing));
        let (_folder, vault) = new_vault(&keys, VaultState::NeedsPassphrase, &choices).await;
        vault.unlock("correct horse").await.unwrap();
        // One that appears later changes nothing that was chosen.
        keys.mend();
        vault.retry_keyring().await.unwrap();
        assert!(matches!(kept(&vault).await, Some(Mode::Passphrase(_))));
        assert_eq!(*keys.inner.0.lock().unwrap(), None);
    }
}

#[tokio::test]
async fn keyring_full_is_tried_again_or_a_new_vault_gets_a_passphrase() {
    known_vault(says(KeyStoreError::Full), VaultState::KeyringFull, &[Choice::RetryKeyring]).await;
    both_ways_out(None, says(KeyStoreError::Full), VaultState::KeyringFull).await;
}

#[tokio::test]
async fn keyring_ambiguous_is_never_guessed_and_its_entries_are_left_alone() {
    known_vault(says(KeyStoreError::Ambiguous), VaultState::KeyringAmbiguous, &[Choice::RetryKeyring]).await;
    both_ways_out(says(KeyStoreError::Ambiguous), says(KeyStoreError::Ambiguous), VaultState::KeyringAmbiguous).await;
}

#[tokio::test]
async fn keyring_failing_in_another_way_is_told_so() {
    known_vault(says(KeyStoreError::Failed), VaultState::KeyringFailed, &[Choice::RetryKeyring]).await;
    both_ways_out(says(KeyStoreError::Failed), says(KeyStoreError::Failed), VaultState::KeyringFailed).await;
}

#[tokio::test]
async fn keyring_whose_entry_nobody_can_read_any_more_has_lost_the_key() {
    known_vault(says(KeyStoreError::Spoilt), VaultState::KeyLost, &[Choice::RetryKeyring, Choice::Erase]).await;
    both_ways_out(says(KeyStoreError::Spoilt), None, VaultState::KeyringFailed).await;
}

#[tokio::test]
async fn keyring_that_lost_the_key_says_that_it_is_lost_and_beginning_anew_is_a_choice() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    keep(&first, "trv_1", SECRET).await;
    first.db.close().await;
    *keys.0.lock().unwrap() = None;
    let again = vault(folder.path(), keys.clone()).await;
    assert_eq!(again.state(), VaultState::KeyLost);
    assert_eq!(again.choices().await.unwrap(), [Choice::RetryKeyring, Choice::Erase]);
    assert_eq!(again.retry_keyring().await.unwrap(), VaultState::KeyLost);
    assert_eq!(*keys.0.lock().unwrap(), None, "no key is made for it");
    assert_eq!(destroy(&again).await, VaultState::Open);
    assert!(again.get("traveller", "trv_1").await.unwrap().is_none());
}

#[tokio::test]
async fn keyring_that_took_the_key_and_failed_keeps_nothing_once_a_passphrase_is_chosen() {
    /// Stores, and cannot read back what it stored until it is mended.
    struct Halfway(Keyring, StdMutex<bool>);
    impl KeyStore for Halfway {
        fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
            let stored = self.0.0.lock().unwrap().is_some();
            if stored && *self.1.lock().unwrap() {
                return Err(KeyStoreError::Failed("broken".to_owned()));
            }
            self.0.read()
        }
        fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
            self.0.write(key)
        }
        fn delete(&self) -> Result<(), KeyStoreError> {
            self.0.delete()
        }
    }
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Halfway(Keyring::default(), StdMutex::new(true))));
    let vault = vault(folder.path(), keys.clone()).await;
    assert_eq!(vault.state(), VaultState::KeyringFailed);
    assert!(keys.0.0.lock().unwrap().is_some());
    *keys.1.lock().unwrap() = false;
    vault.unlock("correct horse").await.unwrap();
    assert_eq!(*keys.0.0.lock().unwrap(), None, "a key that opens nothing");
}
