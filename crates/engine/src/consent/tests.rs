//! What a signed consent promises.

use super::*;
use crate::ports::{KeyStore, KeyStoreError};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use zeroize::Zeroizing;
use zhiyou_domain::money::Currency;

const AT: UtcMicros = UtcMicros(1_796_000_000_000_000);

#[derive(Default)]
struct Keyring(Mutex<Option<Vec<u8>>>);

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

async fn device() -> (TempDir, Db, Vault) {
    let folder = TempDir::new().unwrap();
    let db = Db::open(folder.path()).await.unwrap();
    let vault = Vault::open(db.clone(), Arc::new(Keyring::default()), SystemRandom::new()).await.unwrap();
    (folder, db, vault)
}

fn request() -> RequestId {
    "req_01KA0000000000000000000ABC".parse().unwrap()
}

fn cart() -> Shown {
    Shown::ConfirmOrder {
        at_us: AT,
        cart_hash: "5f".repeat(32),
        order_id: "ord_01KA0000000000000000000ABC".parse().unwrap(),
        payments: vec![ShownPayment {
            amount: Money::new(328_400, Currency::CNY).unwrap(),
            channel: Channel::Wechatpay,
            instalments: None,
        }],
        total: Money::new(328_400, Currency::CNY).unwrap(),
    }
}

#[tokio::test]
async fn what_was_shown_verifies_and_one_changed_byte_of_anything_does_not() {
    let (_folder, db, vault) = device().await;
    let consent = signer(&db, &vault, AT).await.unwrap().sign(request(), &cart()).unwrap();
    assert!(verify(&db, &consent).await.unwrap());
    for index in 0..consent.payload.len() {
        let mut bytes = consent.payload.clone().into_bytes();
        bytes[index] ^= 1;
        let changed = Consent { payload: String::from_utf8(bytes).unwrap(), ..consent.clone() };
        assert!(!verify(&db, &changed).await.unwrap(), "byte {index} of what was shown");
    }
    for index in 0..consent.signature.len() {
        let mut changed = consent.clone();
        changed.signature[index] ^= 1;
        assert!(!verify(&db, &changed).await.unwrap(), "byte {index} of the signature");
    }
    let nobodys = Consent { key: "0".repeat(32), ..consent.clone() };
    assert!(!verify(&db, &nobodys).await.unwrap());
    // A public key that was put in the place of the right one does not bear its name.
    let mut tx = db.begin().await.unwrap();
    sqlx::query("UPDATE consent_keys SET public_key = x'00'").execute(&mut *tx).await.unwrap();
    db.commit(tx).await.unwrap();
    assert!(!verify(&db, &consent).await.unwrap());
}

#[tokio::test]
async fn the_payload_is_canonical_and_says_everything_that_was_shown() {
    let (_folder, db, vault) = device().await;
    let signer = signer(&db, &vault, AT).await.unwrap();
    let payload = signer.sign(request(), &cart()).unwrap().payload;
    let wanted = format!(
        "{}{}{}{}",
        r#"{"at_us":1796000000000000,"cart_hash":""#,
        "5f".repeat(32),
        r#"","consent":"confirm_order","format":"zhiyou-consent/1","order_id":"ord_01KA0000000000000000000ABC","#,
        r#""payments":[{"amount":{"amountMinor":328400,"currency":"CNY"},"channel":"wechatpay"}],"total":{"amountMinor":328400,"currency":"CNY"}}"#,
    );
    assert_eq!(payload, wanted);
    assert_eq!(signer.sign(request(), &cart()).unwrap().payload, wanted);
}

#[tokio::test]
async fn the_key_is_made_once_and_rotation_keeps_what_the_old_one_signed() {
    let (_folder, db, vault) = device().await;
    let (one, two) = tokio::join!(signer(&db, &vault, AT), signer(&db, &vault, AT));
    assert_eq!(one.as_ref().unwrap().id, two.unwrap().id, "two first uses at once make one key");
    let old = one.unwrap().sign(request(), &cart()).unwrap();
    rotate(&db, &vault, AT.plus_seconds(1)).await.unwrap();
    let new = signer(&db, &vault, AT).await.unwrap().sign(request(), &cart()).unwrap();
    assert_ne!(old.key, new.key);
    assert!(verify(&db, &old).await.unwrap() && verify(&db, &new).await.unwrap());
    assert!(consents::key(db.reader(), &old.key).await.unwrap().unwrap().retired);
    assert_eq!(vault.ids(KIND).await.unwrap(), std::slice::from_ref(&new.key), "the old private part is gone");
}

#[tokio::test]
async fn a_private_part_that_is_lost_is_replaced_and_what_it_signed_still_verifies() {
    let (_folder, db, vault) = device().await;
    let old = signer(&db, &vault, AT).await.unwrap().sign(request(), &cart()).unwrap();
    let mut tx = db.begin().await.unwrap();
    sqlx::query("UPDATE sealed SET body = x'0102' WHERE kind = 'consent_key'").execute(&mut *tx).await.unwrap();
    db.commit(tx).await.unwrap();
    let new = signer(&db, &vault, AT).await.unwrap();
    assert_ne!(old.key, new.id);
    assert!(verify(&db, &old).await.unwrap());
}
