//! What the vault promises, against real SQLite and key stores that behave like the system's in each of its moods.

mod app_lock;
mod kills;
mod lock;
mod matrix;
mod put_back;

use super::*;
use crate::store::vault_keys::Wrapped;
use std::{path::Path, sync::Mutex as StdMutex, sync::mpsc};
use tempfile::TempDir;

const SECRET: &[u8] = b"canary-passport-E12345678";

/// A keyring in memory.
#[derive(Default)]
struct Keyring(StdMutex<Option<Vec<u8>>>);

impl KeyStore for Keyring {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap().clone().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = Some(key.to_vec());
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

/// A keyring that always fails in one way.
struct Broken(KeyStoreError);

impl KeyStore for Broken {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Err(self.0.clone())
    }
    fn write(&self, _: &[u8]) -> Result<(), KeyStoreError> {
        Err(self.0.clone())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        Err(self.0.clone())
    }
}

fn missing() -> Arc<dyn KeyStore> {
    Arc::new(Broken(KeyStoreError::Missing("none".to_owned())))
}

async fn vault(folder: &Path, keys: Arc<dyn KeyStore>) -> Vault {
    let db = Db::open(folder).await.unwrap();
    Vault::open(db, keys, SystemRandom::new()).await.unwrap()
}

fn place<'a>(row: &'a str, column: &'a str) -> Place<'a> {
    Place { table: "tokens", row, column }
}

async fn keep(vault: &Vault, id: &str, plain: &[u8]) {
    let mut tx = vault.db.begin().await.unwrap();
    vault.put(&mut tx, "traveller", id, plain).await.unwrap();
    vault.db.commit(tx).await.unwrap();
}

#[tokio::test]
async fn what_was_sealed_opens_again_after_a_restart() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    assert_eq!(first.state(), VaultState::Open);
    keep(&first, "trv_1", SECRET).await;
    first.db.close().await;
    let second = vault(folder.path(), keys).await;
    assert_eq!(second.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
    assert!(second.get("traveller", "trv_2").await.unwrap().is_none());
    let mut tx = second.db.begin().await.unwrap();
    second.delete(&mut tx, "traveller", "trv_1").await.unwrap();
    second.db.commit(tx).await.unwrap();
    assert!(second.get("traveller", "trv_1").await.unwrap().is_none());
}

#[tokio::test]
async fn no_file_holds_the_secret_or_the_root_key() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let vault = vault(folder.path(), keys.clone()).await;
    keep(&vault, "trv_1", SECRET).await;
    let root = keys.0.lock().unwrap().clone().unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        for canary in [SECRET, &root] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary));
        }
    }
    assert!(files >= 2, "database and write-ahead log were looked at");
}

#[tokio::test]
async fn a_value_that_was_changed_cut_or_extended_does_not_open() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    let here = place("zz-club", "tokens");
    let sealed = vault.seal(&here, SECRET).unwrap();
    assert_eq!(vault.open_sealed(&here, &sealed).unwrap().as_slice(), SECRET);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(vault.open_sealed(&here, &changed), Err(VaultError::Damaged)), "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert!(matches!(vault.open_sealed(&here, &sealed[..len]), Err(VaultError::Damaged)), "{len} bytes");
    }
    let longer = [sealed.as_slice(), b"\0"].concat();
    assert!(matches!(vault.open_sealed(&here, &longer), Err(VaultError::Damaged)));
}

#[tokio::test]
async fn a_value_that_was_moved_does_not_open() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    let sealed = vault.seal(&place("row", "column"), SECRET).unwrap();
    for other in [
        place("ro", "wcolumn"),
        place("other", "column"),
        place("row", "other"),
        Place { table: "other", row: "row", column: "column" },
    ] {
        assert!(matches!(vault.open_sealed(&other, &sealed), Err(VaultError::Damaged)), "{other:?}");
    }
    keep(&vault, "trv_1", b"first").await;
    keep(&vault, "trv_2", b"second").await;
    sqlx::query("UPDATE sealed SET body = (SELECT body FROM sealed WHERE id = 'trv_2') WHERE id = 'trv_1'")
        .execute(vault.db.reader())
        .await
        .unwrap();
    assert!(matches!(vault.get("traveller", "trv_1").await, Err(VaultError::Damaged)));
    assert_eq!(vault.get("traveller", "trv_2").await.unwrap().unwrap().as_slice(), b"second", "other rows still open");
}

#[tokio::test]
async fn the_same_text_never_seals_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    let sealed: std::collections::HashSet<_> =
        (0..10_000).map(|_| vault.seal(&place("row", "column"), b"").unwrap()).collect();
    assert_eq!(sealed.len(), 10_000);
}

#[tokio::test]
async fn two_profiles_with_the_same_root_key_do_not_open_each_others_values() {
    let (one, two, keys) = (TempDir::new().unwrap(), TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let (one, two) = (vault(one.path(), keys.clone()).await, vault(two.path(), keys).await);
    let sealed = one.seal(&place("row", "column"), SECRET).unwrap();
    assert!(matches!(two.open_sealed(&place("row", "column"), &sealed), Err(VaultError::Damaged)));
}

#[tokio::test]
async fn without_a_keyring_nothing_is_sealed_until_a_passphrase_is_chosen() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), missing()).await;
    assert_eq!(vault.state(), VaultState::NeedsPassphrase);
    let refused = vault.seal(&place("row", "column"), SECRET).unwrap_err();
    assert_eq!(Fault::from(refused).code, FaultCode::VaultUnavailable);
    for unfit in ["九个字的口令不够长", "", &"x".repeat(1025)] {
        assert!(matches!(vault.unlock(unfit).await, Err(VaultError::UnfitPassphrase)), "{unfit:?}");
    }
    vault.unlock("十个字的口令就足够长了").await.unwrap();
    assert_eq!(vault.state(), VaultState::Open);
    assert!(matches!(vault.unlock("十个字的口令就足够长了").await, Err(VaultError::NotWanted)));
}

#[tokio::test]
async fn after_a_restart_only_the_right_passphrase_opens_the_vault() {
    let folder = TempDir::new().unwrap();
    let first = vault(folder.path(), missing()).await;
    first.unlock("correct horse").await.unwrap();
    keep(&first, "trv_1", SECRET).await;
    first.db.close().await;
    // A keyring that appeared meanwhile does not take over.
    let second = vault(folder.path(), Arc::new(Keyring::default())).await;
    assert_eq!(second.state(), VaultState::Locked);
    let refused = second.get("traveller", "trv_1").await.unwrap_err();
    assert_eq!(Fault::from(refused).code, FaultCode::VaultLocked);
    let wrong = second.unlock("correct house").await.unwrap_err();
    assert_eq!(Fault::from(wrong).code, FaultCode::WrongPassphrase);
    assert_eq!(second.state(), VaultState::Locked);
    second.unlock("correct horse").await.unwrap();
    assert_eq!(second.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}

#[tokio::test]
async fn weakened_derivation_settings_do_not_open_the_vault() {
    let folder = TempDir::new().unwrap();
    let first = vault(folder.path(), missing()).await;
    first.unlock("correct horse").await.unwrap();
    for change in
        ["memory_kib = 65", "passes = 2", "memory_kib = 4000000", "salt = x'00000000000000000000000000000000'"]
    {
        let mut tx = first.db.begin().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE vault_keys SET {change}"))).execute(&mut *tx).await.unwrap();
        let row = sqlx::query_as::<_, (Vec<u8>, Vec<u8>, i64, i64, Vec<u8>)>(
            "SELECT wrapped, salt, memory_kib, passes, profile FROM vault_keys",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        let wrapped = Wrapped {
            key: row.0,
            salt: row.1,
            memory_kib: u32::try_from(row.2).unwrap(),
            passes: u32::try_from(row.3).unwrap(),
            lanes: 1,
        };
        assert!(passphrase::unwrap(&wrapped, &row.4, "correct horse").is_err(), "{change}");
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_locked_keyring_is_a_state_that_a_retry_leaves() {
    struct Lockable(Keyring, StdMutex<bool>);
    impl KeyStore for Lockable {
        fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
            if *self.1.lock().unwrap() { Err(KeyStoreError::Locked("locked".to_owned())) } else { self.0.read() }
        }
        fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
            if *self.1.lock().unwrap() { Err(KeyStoreError::Locked("locked".to_owned())) } else { self.0.write(key) }
        }
        fn delete(&self) -> Result<(), KeyStoreError> {
            self.0.delete()
        }
    }
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Lockable(Keyring::default(), StdMutex::new(true))));
    let vault = vault(folder.path(), keys.clone()).await;
    assert_eq!(vault.state(), VaultState::KeyringLocked);
    assert!(matches!(vault.unlock("correct horse").await, Err(VaultError::NotWanted)), "no way around the keyring");
    assert_eq!(Fault::from(vault.seal(&place("r", "c"), SECRET).unwrap_err()).code, FaultCode::VaultLocked);
    *keys.1.lock().unwrap() = false;
    assert_eq!(vault.retry_keyring().await.unwrap(), VaultState::Open);
    vault.seal(&place("r", "c"), SECRET).unwrap();
}

#[tokio::test]
async fn a_key_that_the_keyring_lost_or_replaced_is_never_replaced_by_us() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    keep(&first, "trv_1", SECRET).await;
    first.db.close().await;
    let right = keys.0.lock().unwrap().clone();
    for foreign in [None, Some(vec![7; 32]), Some(vec![7; 31]), Some(Vec::new())] {
        *keys.0.lock().unwrap() = foreign.clone();
        let again = vault(folder.path(), keys.clone()).await;
        assert_eq!(again.state(), VaultState::KeyLost, "{foreign:?}");
        assert_eq!(*keys.0.lock().unwrap(), foreign, "the keyring was left alone");
        again.db.close().await;
    }
    *keys.0.lock().unwrap() = right;
    let again = vault(folder.path(), keys).await;
    assert_eq!(again.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}

#[tokio::test]
async fn a_keyring_that_only_pretends_to_store_is_not_trusted() {
    /// Reads nothing before the first write, and something else afterwards.
    struct Forgetful(Option<Vec<u8>>, StdMutex<bool>);
    impl KeyStore for Forgetful {
        fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
            Ok(if *self.1.lock().unwrap() { self.0.clone().map(Zeroizing::new) } else { None })
        }
        fn write(&self, _: &[u8]) -> Result<(), KeyStoreError> {
            *self.1.lock().unwrap() = true;
            Ok(())
        }
        fn delete(&self) -> Result<(), KeyStoreError> {
            Ok(())
        }
    }
    for back in [None, Some(vec![7; 32]), Some(vec![7; 16])] {
        let folder = TempDir::new().unwrap();
        let vault = vault(folder.path(), Arc::new(Forgetful(back, StdMutex::new(false)))).await;
        assert_eq!(vault.state(), VaultState::KeyringFailed);
        assert!(vault_keys::read(vault.db.reader()).await.unwrap().is_none());
    }
}

/// The first write waits for the person, as a collection's unlock prompt does.
struct Prompting {
    inner: Keyring,
    reads: StdMutex<u32>,
    answered: StdMutex<mpsc::Receiver<()>>,
    done: StdMutex<mpsc::Sender<()>>,
}

impl KeyStore for Prompting {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        *self.reads.lock().unwrap() += 1;
        self.inner.read()
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        self.answered.lock().unwrap().recv().unwrap();
        self.inner.write(key)?;
        self.done.lock().unwrap().send(()).unwrap();
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        self.inner.delete()
    }
}

#[tokio::test]
async fn a_keyring_that_waits_for_a_prompt_does_not_hold_us_up_and_its_late_answer_is_used() {
    let (answer, answered) = mpsc::channel();
    let (done, finished) = mpsc::channel();
    let keys = Arc::new(Prompting {
        inner: Keyring::default(),
        reads: StdMutex::new(0),
        answered: StdMutex::new(answered),
        done: StdMutex::new(done),
    });
    let folder = TempDir::new().unwrap();
    let db = Db::open(folder.path()).await.unwrap();
    let vault = Vault::open_within(db, keys.clone(), SystemRandom::new(), Duration::from_secs(2)).await.unwrap();
    assert_eq!(vault.state(), VaultState::KeyringLocked);
    // While the prompt is open no second call is made: a second key could follow the first.
    assert_eq!(vault.retry_keyring().await.unwrap(), VaultState::KeyringLocked);
    assert_eq!(*keys.reads.lock().unwrap(), 1);
    answer.send(()).unwrap();
    finished.recv().unwrap();
    let late = keys.inner.0.lock().unwrap().clone();
    while vault.retry_keyring().await.unwrap() != VaultState::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!(*keys.inner.0.lock().unwrap(), late, "the key that the prompt let through is the vault's");
}

/// Whether any file of the folder holds these bytes.
fn any_file_holds(folder: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    })
}

#[tokio::test]
async fn what_was_deleted_is_in_no_file_any_more() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    for number in 0..50 {
        keep(&vault, &format!("trv_{number}"), SECRET).await;
    }
    let bodies = futures::future::join_all((0..50).map(|number| {
        let id = format!("trv_{number}");
        let pool = vault.db.reader().clone();
        async move { sealed::get(&pool, "traveller", &id).await.unwrap().unwrap().0 }
    }))
    .await;
    vault.db.empty_log().await.unwrap();
    assert!(bodies.iter().all(|body| any_file_holds(folder.path(), body)));
    let mut tx = vault.db.begin().await.unwrap();
    for number in 0..49 {
        vault.delete(&mut tx, "traveller", &format!("trv_{number}")).await.unwrap();
    }
    vault.db.commit(tx).await.unwrap();
    assert!(vault.db.empty_log().await.unwrap());
    let left: Vec<_> = bodies.iter().filter(|body| any_file_holds(folder.path(), body)).collect();
    assert_eq!(left.len(), 1, "the one that was not deleted");
}

async fn destroy(vault: &Vault) -> VaultState {
    let destroying = vault.destroy().await.unwrap();
    let refused = vault.seal(&place("row", "column"), SECRET).unwrap_err();
    assert!(matches!(refused, VaultError::Closed(_)), "nothing is sealed meanwhile");
    let mut tx = vault.db.begin().await.unwrap();
    destroying.forget(&mut tx).await.unwrap();
    vault.db.commit(tx).await.unwrap();
    destroying.renew().await.unwrap()
}

#[tokio::test]
async fn destroyed_keys_open_nothing_not_even_a_copy_that_was_made_before() {
    let (folder, copy, keys) = (TempDir::new().unwrap(), TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let vault = vault(folder.path(), keys.clone()).await;
    keep(&vault, "trv_1", SECRET).await;
    let loose = vault.seal(&place("row", "column"), SECRET).unwrap();
    let root = keys.0.lock().unwrap().clone().unwrap();
    vault.db.empty_log().await.unwrap();
    std::fs::copy(folder.path().join("zhiyou.db"), copy.path().join("zhiyou.db")).unwrap();

    assert_eq!(destroy(&vault).await, VaultState::Open, "a new key was made");
    assert_ne!(keys.0.lock().unwrap().clone().unwrap(), root);
    assert!(vault.get("traveller", "trv_1").await.unwrap().is_none());
    assert!(matches!(vault.open_sealed(&place("row", "column"), &loose), Err(VaultError::Damaged)));
    keep(&vault, "trv_2", SECRET).await;
    assert_eq!(vault.get("traveller", "trv_2").await.unwrap().unwrap().as_slice(), SECRET);
    let copied = self::vault(copy.path(), keys).await;
    assert_eq!(copied.state(), VaultState::KeyLost, "the copy's key is nowhere");
}

#[tokio::test]
async fn a_vault_with_a_passphrase_wants_a_new_one_after_its_keys_were_destroyed() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), missing()).await;
    vault.unlock("correct horse").await.unwrap();
    let loose = vault.seal(&place("row", "column"), SECRET).unwrap();
    assert_eq!(destroy(&vault).await, VaultState::NeedsPassphrase);
    vault.unlock("correct horse").await.unwrap();
    assert!(matches!(vault.open_sealed(&place("row", "column"), &loose), Err(VaultError::Damaged)), "another root key");
}

#[tokio::test]
async fn a_keyring_that_does_not_forget_the_key_leaves_everything_as_it_was() {
    struct Clinging(Keyring);
    impl KeyStore for Clinging {
        fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
            self.0.read()
        }
        fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
            self.0.write(key)
        }
        fn delete(&self) -> Result<(), KeyStoreError> {
            Err(KeyStoreError::Locked("locked".to_owned()))
        }
    }
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Clinging(Keyring::default()))).await;
    keep(&vault, "trv_1", SECRET).await;
    assert!(matches!(vault.destroy().await, Err(VaultError::Closed(VaultState::KeyringLocked))));
    assert_eq!(vault.get("traveller", "trv_1").await.unwrap().unwrap().as_slice(), SECRET);
}
