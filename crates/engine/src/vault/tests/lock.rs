//! Locking by the person: what is closed by it, what may open it again, and a rotation under way.

use super::{super::lock, *};
use zhiyou_domain::time::UtcMicros;

const NOW: UtcMicros = UtcMicros(1_796_000_000_000_000);
const WORDS: &str = "correct horse";

async fn remember(vault: &Vault, locked: bool) {
    let mut tx = vault.db.begin().await.unwrap();
    lock::keep(&mut tx, locked).await.unwrap();
    vault.db.commit(tx).await.unwrap();
}

async fn is_closed(vault: &Vault, state: VaultState) {
    assert_eq!(vault.state(), state);
    let sealed = vault.seal(&place("row", "column"), SECRET).unwrap_err();
    assert_eq!(Fault::from(sealed).code, FaultCode::VaultLocked);
    let read = vault.get("traveller", "trv_1").await.unwrap_err();
    assert!(matches!(read, VaultError::Closed(found) if found == state), "{read:?}");
    assert!(vault.rotate(Some(WORDS), NOW).await.is_err());
    assert!(vault.inner.read().unwrap().open.is_none(), "the key is gone");
}

#[tokio::test]
async fn a_locked_vault_is_opened_by_the_person_alone_and_stays_locked_over_a_restart() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    keep(&first, "trv_1", SECRET).await;
    assert!(first.lock().await);
    assert!(!first.lock().await, "it is locked already");
    remember(&first, true).await;
    is_closed(&first, VaultState::LockedByPerson).await;
    assert_eq!(first.choices().await.unwrap(), [Choice::Reopen]);
    // What goes on by itself tries the keyring, and never the lock.
    assert_eq!(first.retry_keyring().await.unwrap(), VaultState::LockedByPerson);
    assert!(matches!(first.unlock(WORDS).await, Err(VaultError::NotWanted)));
    first.db.close().await;
    let second = vault(folder.path(), keys.clone()).await;
    is_closed(&second, VaultState::LockedByPerson).await;
    assert_eq!(second.reopen().await.unwrap(), VaultState::Open);
    assert_eq!(second.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
    remember(&second, false).await;
    second.db.close().await;
    assert_eq!(vault(folder.path(), keys).await.state(), VaultState::Open);
}

#[tokio::test]
async fn a_locked_vault_whose_keyring_is_locked_meanwhile_says_so_and_waits_for_both() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let open = vault(folder.path(), keys.clone()).await;
    keep(&open, "trv_1", SECRET).await;
    assert!(open.lock().await);
    let right = keys.0.lock().unwrap().take();
    assert_eq!(open.reopen().await.unwrap(), VaultState::KeyLost);
    *keys.0.lock().unwrap() = right;
    assert_eq!(open.reopen().await.unwrap(), VaultState::Open);
}

#[tokio::test]
async fn a_locked_vault_with_a_passphrase_wants_it_again() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), missing()).await;
    vault.unlock(WORDS).await.unwrap();
    keep(&vault, "trv_1", SECRET).await;
    assert!(vault.lock().await);
    remember(&vault, true).await;
    is_closed(&vault, VaultState::Locked).await;
    assert_eq!(vault.choices().await.unwrap(), [Choice::EnterPassphrase, Choice::Erase]);
    assert_eq!(vault.reopen().await.unwrap(), VaultState::Locked);
    assert!(matches!(vault.unlock("correct house").await, Err(VaultError::WrongPassphrase)));
    vault.unlock(WORDS).await.unwrap();
    assert_eq!(vault.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}

#[tokio::test]
async fn a_lock_waits_for_a_rotation_under_way_and_cuts_off_nothing() {
    let (folder, gate) = (TempDir::new().unwrap(), Arc::new(Gate::default()));
    let vault = vault(folder.path(), gate.clone()).await;
    keep(&vault, "trv_1", SECRET).await;
    let before = gate.keys.0.lock().unwrap().clone();
    gate.close();
    let rotation = vault.rotate(None, NOW);
    tokio::pin!(rotation);
    // The rotation has come to the keyring's write, and waits there.
    tokio::select! {
        done = &mut rotation => panic!("it waits for the keyring: {done:?}"),
        () = gate.reached.notified() => {}
    }
    let locking = vault.lock();
    tokio::pin!(locking);
    assert!(futures::poll!(&mut locking).is_pending(), "it waits for the rotation");
    assert_eq!(vault.state(), VaultState::Open);
    gate.open();
    let (rotated, locked) = tokio::join!(rotation, locking);
    rotated.unwrap();
    assert!(locked);
    assert_ne!(*gate.keys.0.lock().unwrap(), before, "the rotation went to its end");
    is_closed(&vault, VaultState::LockedByPerson).await;
    assert_eq!(vault.reopen().await.unwrap(), VaultState::Open);
    assert_eq!(vault.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}

/// A keyring whose writes wait while its gate is closed.
#[derive(Default)]
struct Gate {
    keys: Keyring,
    closed: StdMutex<bool>,
    opened: std::sync::Condvar,
    reached: tokio::sync::Notify,
}

impl Gate {
    fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }
}

impl KeyStore for Gate {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        self.keys.read()
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        let mut closed = self.closed.lock().unwrap();
        if *closed {
            self.reached.notify_one();
        }
        while *closed {
            closed = self.opened.wait(closed).unwrap();
        }
        drop(closed);
        self.keys.write(key)
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        self.keys.delete()
    }
}
