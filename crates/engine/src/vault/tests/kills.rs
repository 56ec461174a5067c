//! The program ended at every commit and at every write to the keyring of whatever makes, replaces or destroys a root key,
//! and everything opened anew: each time everything is readable that should be, and the keyring holds the key in use, or
//! none.

use super::*;
use crate::store::stops::Stops;
use zhiyou_domain::time::UtcMicros;

const NOW: UtcMicros = UtcMicros(1_796_000_000_000_000);
const WORDS: &str = "correct horse";
const DOCUMENTS: usize = 40;
const ISSUER: &str = "https://id.example";

/// A keyring that ends with the program: before a write takes effect, or right after. It can also refuse every write, as when
/// the person dismisses its prompt.
struct Mortal {
    entry: StdMutex<Option<Vec<u8>>>,
    stops: StdMutex<Stops>,
    refuses: StdMutex<bool>,
    here: bool,
}

impl Mortal {
    fn new(here: bool) -> Arc<Self> {
        Arc::new(Self { entry: StdMutex::default(), stops: StdMutex::default(), refuses: StdMutex::default(), here })
    }

    fn is_here(&self) -> Result<(), KeyStoreError> {
        if self.here { Ok(()) } else { Err(KeyStoreError::Missing("none".to_owned())) }
    }

    /// Comes back only where the program has not ended: an answer would let it go on for a moment.
    fn lives(&self) {
        let ended = self.stops.lock().unwrap().ended();
        if ended {
            loop {
                std::thread::park();
            }
        }
    }

    fn change(&self, entry: Option<Vec<u8>>) -> Result<(), KeyStoreError> {
        self.is_here()?;
        if *self.refuses.lock().unwrap() {
            return Err(KeyStoreError::Denied("dismissed".to_owned()));
        }
        self.lives();
        *self.entry.lock().unwrap() = entry;
        self.lives();
        Ok(())
    }
}

impl KeyStore for Mortal {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        self.is_here()?;
        Ok(self.entry.lock().unwrap().clone().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        self.change(Some(key.to_vec()))
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        self.change(None)
    }
}

/// Opens the vault; where it has a passphrase, with it.
async fn opened(folder: &Path, keys: &Arc<Mortal>) -> Vault {
    let vault = vault(folder, keys.clone()).await;
    if vault.state() == VaultState::Locked {
        vault.unlock(WORDS).await.unwrap();
    }
    vault
}

/// Opens the vault and lets it work until it ends at the point; whether it did.
async fn cut(folder: &Path, keys: &Arc<Mortal>, point: usize, work: impl AsyncFnOnce(&Vault)) -> bool {
    let db = Db::open(folder).await.unwrap();
    *keys.stops.lock().unwrap() = db.stops.clone();
    let (stops, last) = (db.stops.clone(), db.clone());
    let life = async {
        let vault = Vault::open(db, keys.clone(), SystemRandom::new()).await.unwrap();
        if vault.state() == VaultState::Locked {
            vault.unlock(WORDS).await.unwrap();
        }
        work(&vault).await;
    };
    let ended = stops.cut(point, life).await;
    last.close().await;
    *keys.stops.lock().unwrap() = Stops::default();
    ended
}

fn tokens_place() -> String {
    kept::tokens_row("zz-club", 1, ISSUER)
}

fn visit_place() -> String {
    kept::visit_row("zz-club", "attempt")
}

async fn fill(vault: &Vault) {
    let mut tx = vault.db.begin().await.unwrap();
    for number in 0..DOCUMENTS {
        let text = format!("secret {number}");
        vault.put(&mut tx, "traveller", &format!("trv_{number}"), text.as_bytes()).await.unwrap();
    }
    let tokens = vault.seal(&kept::tokens(&tokens_place()), SECRET).unwrap();
    let visit = vault.seal(&kept::visit(&visit_place()), SECRET).unwrap();
    let sign_in = "INSERT INTO sign_ins (platform, state, issuer, serial, tokens, updated_at_us)
                   VALUES ('zz-club', 'connected', $1, 1, $2, 0)";
    sqlx::query(sign_in).bind(ISSUER).bind(tokens).execute(&mut *tx).await.unwrap();
    let pending = "INSERT INTO pending_sign_ins (platform, attempt, used, expires_at_us, body)
                   VALUES ('zz-club', 'attempt', 0, 0, $1)";
    sqlx::query(pending).bind(visit).execute(&mut *tx).await.unwrap();
    vault.db.commit(tx).await.unwrap();
}

/// Reads every sealed value by its own way, and counts those that do not open.
async fn unreadable(vault: &Vault) -> usize {
    let mut unreadable = 0;
    for number in 0..DOCUMENTS {
        let text = format!("secret {number}");
        let read = vault.get("traveller", &format!("trv_{number}")).await;
        let right = read.is_ok_and(|plain| plain.is_some_and(|plain| plain.as_slice() == text.as_bytes()));
        unreadable += usize::from(!right);
    }
    let reader = vault.db.reader();
    let (tokens,): (Vec<u8>,) = sqlx::query_as("SELECT tokens FROM sign_ins").fetch_one(reader).await.unwrap();
    let (visit,): (Vec<u8>,) = sqlx::query_as("SELECT body FROM pending_sign_ins").fetch_one(reader).await.unwrap();
    let tokens = vault.open_sealed(&kept::tokens(&tokens_place()), &tokens);
    let visit = vault.open_sealed(&kept::visit(&visit_place()), &visit);
    let wrong =
        |plain: &Result<Zeroizing<Vec<u8>>, VaultError>| !plain.as_ref().is_ok_and(|plain| plain.as_slice() == SECRET);
    unreadable + [tokens, visit].iter().filter(|plain| wrong(plain)).count()
}

/// The root key in use.
fn root(vault: &Vault) -> Vec<u8> {
    vault.with_key(|key| Ok(key.root.to_vec())).unwrap()
}

async fn noted(vault: &Vault) -> i64 {
    noted_as(vault, "rotate_root_key").await
}

/// How often the audit log says that this was done to the vault.
async fn noted_as(vault: &Vault, what: &'static str) -> i64 {
    let statement = "SELECT count(*) FROM audit WHERE action LIKE '%' || $1";
    let (noted,): (i64,) = sqlx::query_as(statement).bind(what).fetch_one(vault.db.reader()).await.unwrap();
    noted
}

/// Kills a rotation at every point in turn; answers how many there are.
async fn rotated_at_every_point(here: bool) -> usize {
    let mut point = 0;
    loop {
        let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(here));
        let first = vault(folder.path(), keys.clone()).await;
        if !here {
            first.unlock(WORDS).await.unwrap();
        }
        fill(&first).await;
        let before = root(&first);
        first.db.close().await;
        let words = (!here).then_some(WORDS);
        let ended =
            cut(folder.path(), &keys, point, async |vault: &Vault| vault.rotate(words, NOW).await.unwrap()).await;

        let again = opened(folder.path(), &keys).await;
        assert_eq!(again.state(), VaultState::Open, "point {point}");
        assert_eq!(unreadable(&again).await, 0, "point {point}");
        let after = root(&again);
        assert_eq!(*keys.entry.lock().unwrap(), here.then(|| after.clone()), "point {point}: the key in use");
        assert!(again.ids(rotate::KIND).await.unwrap().is_empty(), "point {point}: no key is left behind");
        assert!(again.with_key(|key| Ok(key.older.is_none())).unwrap(), "point {point}");
        // It was begun or not, and is whole either way; the audit log knows which.
        assert_eq!(after != before, noted(&again).await == 1, "point {point}");
        // And the next one goes on from there.
        again.rotate(words, NOW).await.unwrap();
        assert_eq!(unreadable(&again).await, 0, "point {point}");
        assert_ne!(root(&again), after);
        again.db.close().await;
        let last = opened(folder.path(), &keys).await;
        assert_eq!(unreadable(&last).await, 0, "point {point}");
        last.db.close().await;
        if !ended {
            assert_ne!(after, before);
            return point;
        }
        point += 1;
    }
}

#[tokio::test]
async fn a_rotation_that_is_killed_at_any_write_leaves_everything_readable_and_one_key_in_the_keyring() {
    // Three commits and one write to the keyring, before and after each.
    assert_eq!(rotated_at_every_point(true).await, 8);
}

#[tokio::test]
async fn a_rotation_of_a_passphrase_vault_that_is_killed_at_any_write_leaves_everything_readable() {
    assert_eq!(rotated_at_every_point(false).await, 4);
}

#[tokio::test]
async fn a_first_opening_that_is_killed_at_any_write_leaves_no_key_that_opens_nothing() {
    // One write to the keyring and one commit; at the fifth point there is nothing left to kill.
    for point in 0..5 {
        let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(true));
        let ended = cut(folder.path(), &keys, point, async |_: &Vault| ()).await;
        assert_eq!(ended, point < 4);
        let again = vault(folder.path(), keys.clone()).await;
        assert_eq!(again.state(), VaultState::Open, "point {point}");
        assert_eq!(*keys.entry.lock().unwrap(), Some(root(&again)), "point {point}");
        fill(&again).await;
        assert_eq!(unreadable(&again).await, 0);
    }
}

/// Kills a change of the app lock, from the first passphrase to the second, at every point in turn; answers how many there
/// are.
async fn app_lock_changed_at_every_point(from: Option<&str>, to: Option<&str>) -> usize {
    let mut point = 0;
    loop {
        let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(true));
        let first = vault(folder.path(), keys.clone()).await;
        fill(&first).await;
        let in_keyring = keys.entry.lock().unwrap().clone();
        if from.is_some() {
            first.set_app_lock(None, from, NOW).await.unwrap();
        }
        first.db.close().await;
        let ended =
            cut(folder.path(), &keys, point, async |vault: &Vault| vault.set_app_lock(from, to, NOW).await.unwrap())
                .await;

        let again = vault(folder.path(), keys.clone()).await;
        let mut opens = Vec::new();
        if again.state() == VaultState::Locked {
            for words in [from, to].into_iter().flatten() {
                if again.state() == VaultState::Locked && again.unlock(words).await.is_ok() {
                    opens.push(words);
                }
            }
        }
        assert_eq!(again.state(), VaultState::Open, "point {point}");
        assert_eq!(unreadable(&again).await, 0, "point {point}");
        let (kept, entry) = (again.kept().await.unwrap().unwrap(), keys.entry.lock().unwrap().clone());
        // One key: the root's where the keyring keeps it, and the one that was there where it takes both.
        match kept {
            Kept::Keyring => assert_eq!(entry, Some(root(&again)), "point {point}"),
            Kept::Both => assert!(entry == in_keyring && entry != Some(root(&again)), "point {point}"),
            Kept::Passphrase => panic!("point {point}"),
        }
        assert!(again.ids(rotate::KIND).await.unwrap().is_empty(), "point {point}: no key is left behind");
        assert!(again.with_key(|key| Ok(key.older.is_none())).unwrap(), "point {point}");
        // And the next change goes on from there.
        let now = opens.first().copied().filter(|_| kept == Kept::Both);
        // The audit log says what there is.
        let (set, given_up) = (noted_as(&again, "set_app_lock").await, noted_as(&again, "remove_app_lock").await);
        let sets = i64::from(from.is_some()) + i64::from(to.is_some() && now == to);
        assert_eq!((set, given_up), (sets, i64::from(to.is_none() && now == to)), "point {point}");
        again.set_app_lock(now, Some("a third passphrase"), NOW).await.unwrap();
        again.db.close().await;
        let last = vault(folder.path(), keys.clone()).await;
        last.unlock("a third passphrase").await.unwrap();
        assert_eq!(unreadable(&last).await, 0, "point {point}");
        last.db.close().await;
        if !ended {
            assert_eq!(now, to, "it was done");
            return point;
        }
        point += 1;
    }
}

#[tokio::test]
async fn an_app_lock_that_is_killed_at_any_write_while_it_is_set_changed_or_given_up_leaves_an_open_way_and_one_key() {
    // Two commits each, and none of them writes to the keyring.
    assert_eq!(app_lock_changed_at_every_point(None, Some(WORDS)).await, 4);
    assert_eq!(app_lock_changed_at_every_point(Some(WORDS), Some("battery staple")).await, 4);
    assert_eq!(app_lock_changed_at_every_point(Some(WORDS), None).await, 4);
}

async fn erase(vault: &Vault) {
    let destroying = vault.destroy().await.unwrap();
    let mut tx = vault.db.begin().await.unwrap();
    destroying.forget(&mut tx).await.unwrap();
    vault.db.commit(tx).await.unwrap();
    destroying.renew().await.unwrap();
}

#[tokio::test]
async fn an_erasure_that_is_killed_at_any_write_leaves_everything_or_can_be_done_again_and_nothing_else() {
    let (mut whole, mut lost, mut point) = (0, 0, 0);
    loop {
        let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(true));
        let first = vault(folder.path(), keys.clone()).await;
        fill(&first).await;
        first.db.close().await;
        let ended = cut(folder.path(), &keys, point, async |vault: &Vault| erase(vault).await).await;
        let again = vault(folder.path(), keys.clone()).await;
        let gone = again.ids("traveller").await.unwrap().is_empty();
        match again.state() {
            VaultState::Open if gone => {}
            VaultState::Open => {
                assert_eq!(unreadable(&again).await, 0, "point {point}");
                whole += 1;
            }
            VaultState::KeyLost => {
                assert!(again.choices().await.unwrap().contains(&Choice::Erase), "point {point}");
                assert_eq!(*keys.entry.lock().unwrap(), None, "point {point}");
                erase(&again).await;
                lost += 1;
            }
            other => panic!("point {point}: {other:?}"),
        }
        assert_eq!(again.state(), VaultState::Open, "point {point}");
        assert_eq!(*keys.entry.lock().unwrap(), Some(root(&again)), "point {point}");
        if !ended {
            assert!(gone && whole >= 1 && lost >= 1, "{whole} {lost}");
            return;
        }
        point += 1;
    }
}

#[tokio::test]
async fn a_keyring_that_refuses_the_new_key_ends_a_rotation_later_and_nothing_is_lost_meanwhile() {
    let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(true));
    let first = vault(folder.path(), keys.clone()).await;
    fill(&first).await;
    let before = root(&first);
    *keys.refuses.lock().unwrap() = true;
    let refused = first.rotate(None, NOW).await.unwrap_err();
    assert_eq!((refused.code, refused.params["why"].as_str()), (FaultCode::VaultLocked, "keyring_denied"));
    assert_eq!((first.state(), unreadable(&first).await), (VaultState::Open, 0));
    keep(&first, "trv_0", b"secret 0").await;
    *keys.refuses.lock().unwrap() = false;
    first.rotate(None, NOW).await.unwrap();
    assert_eq!((root(&first) != before, unreadable(&first).await, noted(&first).await), (true, 0, 1));
    assert_eq!(*keys.entry.lock().unwrap(), Some(root(&first)));
}

#[tokio::test]
async fn a_rotation_is_for_those_who_can_open_the_vault() {
    let (folder, keys) = (TempDir::new().unwrap(), Mortal::new(false));
    let locked = vault(folder.path(), keys.clone()).await;
    assert!(locked.rotate(Some(WORDS), NOW).await.is_err(), "nothing to rotate");
    locked.unlock(WORDS).await.unwrap();
    fill(&locked).await;
    for wrong in [None, Some("correct house"), Some("")] {
        assert_eq!(locked.rotate(wrong, NOW).await.unwrap_err().code, FaultCode::WrongPassphrase);
    }
    assert_eq!((unreadable(&locked).await, noted(&locked).await), (0, 0));
    locked.db.close().await;
    let again = vault(folder.path(), keys).await;
    assert_eq!(again.rotate(Some(WORDS), NOW).await.unwrap_err().code, FaultCode::VaultLocked);
}

#[tokio::test]
async fn after_a_rotation_the_old_key_opens_nothing_and_nothing_sealed_under_it_is_in_any_file() {
    let (folder, keys) = (TempDir::new().unwrap(), Arc::new(Keyring::default()));
    let first = vault(folder.path(), keys.clone()).await;
    fill(&first).await;
    let before = keys.0.lock().unwrap().clone().unwrap();
    let (old, _) = sealed::get(first.db.reader(), "traveller", "trv_1").await.unwrap().unwrap();
    assert!(any_file_holds(folder.path(), &old));
    first.rotate(None, NOW).await.unwrap();
    assert!(first.get("traveller", "trv_1").await.unwrap().is_some());
    assert!(!any_file_holds(folder.path(), &old));
    first.db.close().await;
    *keys.0.lock().unwrap() = Some(before);
    assert_eq!(vault(folder.path(), keys).await.state(), VaultState::KeyLost);
}
