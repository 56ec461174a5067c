//! Earlier documents put back, documents of the time before versions, and copies that are opened elsewhere.

use super::*;
use zhiyou_domain::time::UtcMicros;

const NOW: UtcMicros = UtcMicros(1_796_000_000_000_000);

/// The body of the one document, as it is stored.
async fn body(vault: &Vault) -> Vec<u8> {
    sealed::get(vault.db.reader(), "traveller", "trv_1").await.unwrap().unwrap().0
}

/// Puts a body in the place of the one document, as somebody with the file could.
async fn put_back(vault: &Vault, body: Vec<u8>) {
    let statement = "INSERT INTO sealed (kind, id, body) VALUES ('traveller', 'trv_1', $1)
                     ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body";
    sqlx::query(statement).bind(body).execute(vault.db.reader()).await.unwrap();
}

async fn read(vault: &Vault) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    vault.get("traveller", "trv_1").await
}

#[tokio::test]
async fn se_14_an_earlier_document_that_is_put_back_does_not_open() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    keep(&vault, "trv_1", b"first").await;
    let first = body(&vault).await;
    keep(&vault, "trv_1", b"second").await;
    let second = body(&vault).await;
    put_back(&vault, first.clone()).await;
    assert!(matches!(read(&vault).await, Err(VaultError::Damaged)), "rolled back");
    put_back(&vault, second.clone()).await;
    assert_eq!(read(&vault).await.unwrap().unwrap().as_slice(), b"second");
    // One that was removed does not come back either, and neither does any after it was written anew.
    let mut tx = vault.db.begin().await.unwrap();
    vault.delete(&mut tx, "traveller", "trv_1").await.unwrap();
    vault.db.commit(tx).await.unwrap();
    keep(&vault, "trv_1", b"third").await;
    for old in [first, second] {
        put_back(&vault, old).await;
        assert!(matches!(read(&vault).await, Err(VaultError::Damaged)));
    }
}

#[tokio::test]
async fn se_14_a_rotation_keeps_versions_and_what_was_sealed_before_it_does_not_open() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    keep(&vault, "trv_1", b"first").await;
    keep(&vault, "trv_1", b"second").await;
    let before = body(&vault).await;
    vault.rotate(None, NOW).await.unwrap();
    vault.rotate(None, NOW).await.unwrap();
    assert_eq!(read(&vault).await.unwrap().unwrap().as_slice(), b"second");
    put_back(&vault, before).await;
    assert!(matches!(read(&vault).await, Err(VaultError::Damaged)));
}

#[tokio::test]
async fn se_14_a_document_of_the_time_before_versions_opens_until_it_is_written_again() {
    let folder = TempDir::new().unwrap();
    let vault = vault(folder.path(), Arc::new(Keyring::default())).await;
    let place = Place { table: "sealed", row: "traveller/9/trv_1", column: "body" };
    let old = vault.seal(&place, b"old").unwrap();
    put_back(&vault, old.clone()).await;
    assert_eq!(read(&vault).await.unwrap().unwrap().as_slice(), b"old");
    vault.rotate(None, NOW).await.unwrap();
    assert_eq!(read(&vault).await.unwrap().unwrap().as_slice(), b"old", "sealed anew as it was");
    let old = body(&vault).await;
    keep(&vault, "trv_1", b"new").await;
    put_back(&vault, old).await;
    assert!(matches!(read(&vault).await, Err(VaultError::Damaged)));
}

#[tokio::test]
async fn se_19_a_copy_on_another_machine_opens_nothing_until_its_key_is_there() {
    let (folder, elsewhere, keys) = (TempDir::new().unwrap(), TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let here = vault(folder.path(), keys.clone()).await;
    keep(&here, "trv_1", SECRET).await;
    here.db.empty_log().await.unwrap();
    std::fs::copy(folder.path().join("zhiyou.db"), elsewhere.path().join("zhiyou.db")).unwrap();
    let theirs = Arc::new(Keyring::default());
    let copy = vault(elsewhere.path(), theirs.clone()).await;
    assert_eq!(copy.state(), VaultState::KeyLost);
    assert!(matches!(read(&copy).await, Err(VaultError::Closed(VaultState::KeyLost))));
    assert!(theirs.0.lock().unwrap().is_none(), "no other key takes its place");
    *theirs.0.lock().unwrap() = keys.0.lock().unwrap().clone();
    assert_eq!(copy.retry_keyring().await.unwrap(), VaultState::Open);
    assert_eq!(read(&copy).await.unwrap().unwrap().as_slice(), SECRET);
}
