//! The app lock: what it takes to open a vault that has one, and how it comes and goes.

use super::*;
use zhiyou_domain::time::UtcMicros;

const NOW: UtcMicros = UtcMicros(1_796_000_000_000_000);
const WORDS: &str = "correct horse";
const OTHER: &str = "battery staple";

fn entry(keys: &Keyring) -> Option<Vec<u8>> {
    keys.0.lock().unwrap().clone()
}

/// A vault with an app lock and a secret in it.
async fn guarded(folder: &Path, keys: &Arc<Keyring>) -> Vault {
    let vault = vault(folder, keys.clone()).await;
    keep(&vault, "trv_1", SECRET).await;
    vault.set_app_lock(None, Some(WORDS), NOW).await.unwrap();
    assert_eq!((vault.state(), vault.kept().await.unwrap()), (VaultState::Open, Some(Kept::Both)));
    vault
}

async fn reads(vault: &Vault) -> bool {
    vault.get("traveller", "trv_1").await.unwrap().unwrap().as_slice() == SECRET
}

#[tokio::test]
async fn a_vault_with_an_app_lock_is_opened_by_keyring_and_passphrase_together_and_by_neither_alone() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    let before = entry(&keys);
    first.db.close().await;
    let first = guarded(folder.path(), &keys).await;
    assert_eq!(entry(&keys), before, "the keyring is not written to");
    assert!(reads(&first).await);
    assert!(first.lock().await);
    assert_eq!(first.reopen().await.unwrap(), VaultState::Locked, "no click opens it");
    first.db.close().await;
    let again = vault(folder.path(), keys.clone()).await;
    assert_eq!((again.state(), again.retry_keyring().await.unwrap()), (VaultState::Locked, VaultState::Locked));
    assert_eq!(again.choices().await.unwrap(), [Choice::EnterPassphrase, Choice::Erase]);
    assert!(matches!(again.unlock("correct house").await, Err(VaultError::WrongPassphrase)));
    // The passphrase alone: nothing is said about it, and what is in the way is a state of its own.
    for foreign in [None, Some(vec![7; 32]), Some(vec![7; 31])] {
        *keys.0.lock().unwrap() = foreign;
        let refused = again.unlock(WORDS).await.unwrap_err();
        assert!(matches!(refused, VaultError::Closed(VaultState::KeyLost)), "{refused:?}");
        assert_eq!(again.choices().await.unwrap(), [Choice::RetryKeyring, Choice::Erase]);
        assert_eq!(again.retry_keyring().await.unwrap(), VaultState::Locked);
    }
    *keys.0.lock().unwrap() = before;
    again.unlock(WORDS).await.unwrap();
    assert!(reads(&again).await);
}

#[tokio::test]
async fn what_is_in_the_keyring_opens_nothing_that_was_sealed_before_or_after_an_app_lock_was_set() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    keep(&first, "trv_1", SECRET).await;
    let (old, _) = sealed::get(first.db.reader(), "traveller", "trv_1").await.unwrap().unwrap();
    first.set_app_lock(None, Some(WORDS), NOW).await.unwrap();
    keep(&first, "trv_2", SECRET).await;
    let in_keyring = Key::of(&entry(&keys).unwrap()).unwrap();
    let row = vault_keys::read(first.db.reader()).await.unwrap().unwrap();
    for id in ["trv_1", "trv_2"] {
        let (body, version) = sealed::get(first.db.reader(), "traveller", id).await.unwrap().unwrap();
        let document = Document::new("traveller", id, version);
        assert!(seal::open_at(&in_keyring, &row.profile, &document.place(), &body).is_err(), "{id}");
    }
    assert!(!any_file_holds(folder.path(), &old), "what was sealed under it is in no file");
    assert!(check(&in_keyring, &row).is_err());
    let Mode::Both(wrapped) = &row.mode else { panic!("{:?}", row.mode) };
    assert!(passphrase::unwrap(wrapped, &row.profile, WORDS).is_err(), "the passphrase alone unwraps nothing");
}

#[tokio::test]
async fn an_app_lock_is_changed_and_given_up_by_who_knows_it_alone() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let vault = guarded(folder.path(), &keys).await;
    for wanted in [Some(OTHER), None] {
        for current in [None, Some(""), Some(OTHER)] {
            let refused = vault.set_app_lock(current, wanted, NOW).await.unwrap_err();
            assert_eq!(refused.code, FaultCode::WrongPassphrase, "{current:?} {wanted:?}");
        }
    }
    vault.set_app_lock(Some(WORDS), Some(OTHER), NOW).await.unwrap();
    assert!(vault.lock().await);
    assert!(matches!(vault.unlock(WORDS).await, Err(VaultError::WrongPassphrase)), "the one before");
    vault.unlock(OTHER).await.unwrap();
    vault.set_app_lock(Some(OTHER), None, NOW).await.unwrap();
    assert!(reads(&vault).await);
    vault.db.close().await;
    let again = super::vault(folder.path(), keys).await;
    assert_eq!((again.state(), again.kept().await.unwrap()), (VaultState::Open, Some(Kept::Keyring)));
    assert!(reads(&again).await);
}

#[tokio::test]
async fn a_root_key_behind_an_app_lock_is_replaced_by_who_knows_the_passphrase() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let vault = guarded(folder.path(), &keys).await;
    let root = vault.with_key(|key| Ok(key.root.to_vec())).unwrap();
    assert_eq!(vault.rotate(None, NOW).await.unwrap_err().code, FaultCode::WrongPassphrase);
    vault.rotate(Some(WORDS), NOW).await.unwrap();
    assert_ne!(vault.with_key(|key| Ok(key.root.to_vec())).unwrap(), root);
    assert_eq!(vault.kept().await.unwrap(), Some(Kept::Both));
    vault.db.close().await;
    let again = super::vault(folder.path(), keys).await;
    assert_eq!(again.state(), VaultState::Locked);
    again.unlock(WORDS).await.unwrap();
    assert!(reads(&again).await);
}

#[tokio::test]
async fn an_app_lock_is_set_where_a_keyring_holds_the_key_by_a_passphrase_that_fits() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let with_keyring = vault(folder.path(), keys).await;
    for unfit in ["", "too short", &"x".repeat(1025)] {
        let refused = with_keyring.set_app_lock(None, Some(unfit), NOW).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.params["problem"].as_str()),
            (FaultCode::MalformedInput, "passphrase_length")
        );
    }
    let nothing = with_keyring.set_app_lock(None, None, NOW).await.unwrap_err();
    assert_eq!(nothing.code, FaultCode::WrongState, "there is none to give up");
    assert!(with_keyring.lock().await);
    assert_eq!(with_keyring.set_app_lock(None, Some(WORDS), NOW).await.unwrap_err().code, FaultCode::VaultLocked);
    let other = TempDir::new().unwrap();
    let without = vault(other.path(), missing()).await;
    without.unlock(WORDS).await.unwrap();
    for (current, wanted) in [(Some(WORDS), Some(OTHER)), (Some(WORDS), None)] {
        assert_eq!(without.set_app_lock(current, wanted, NOW).await.unwrap_err().code, FaultCode::WrongState);
    }
    assert_eq!(without.kept().await.unwrap(), Some(Kept::Passphrase));
}

#[tokio::test]
async fn erasing_destroys_both_keys_of_a_vault_whose_passphrase_was_forgotten() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let vault = guarded(folder.path(), &keys).await;
    assert!(vault.lock().await);
    let before = entry(&keys);
    assert_eq!(destroy(&vault).await, VaultState::Open, "it begins anew, by the keyring");
    assert_ne!(entry(&keys), before);
    assert_eq!(vault.kept().await.unwrap(), Some(Kept::Keyring));
    assert!(vault.get("traveller", "trv_1").await.unwrap().is_none());
}
