//! What a person agreed to, signed by a key of this device: an Ed25519 signature (RFC 8032) over exactly what was shown.
//!
//! The key is made at first need. Its private part is sealed in the vault; its public part stays in a table for ever, so
//! that a consent verifies after the key was replaced or destroyed. Deliberately not here: where consents are kept, and
//! any decision that hangs on one: the order's journal alone says what is confirmed.

use crate::{
    audit::{self, Action, Resource},
    store::{
        Db, StoreError,
        consents::{self, Consent},
    },
    vault::{Vault, VaultError},
};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde::Serialize;
use std::collections::BTreeMap;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{OrderId, QuoteId, RequestId},
    money::Money,
    port::payments::Channel,
    time::UtcMicros,
};

#[cfg(test)]
mod tests;

/// Kind of the sealed documents that hold private keys.
const KIND: &str = "consent_key";
/// First field of every payload: a signature over it can mean nothing else.
const FORMAT: &str = "zhiyou-consent/1";

/// What was shown and agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "consent", rename_all = "snake_case")]
pub(crate) enum Shown {
    /// A cart at its price.
    ConfirmOrder {
        /// When it was agreed to, UTC microseconds.
        at_us: UtcMicros,
        /// Hash of the cart.
        cart_hash: String,
        /// Order.
        order_id: OrderId,
        /// What pays it.
        payments: Vec<ShownPayment>,
        /// What it costs.
        total: Money,
    },
    /// A cancellation at its cost.
    AcceptCancellation {
        /// When it was agreed to, UTC microseconds.
        at_us: UtcMicros,
        /// What it costs.
        fee: Money,
        /// Order.
        order_id: OrderId,
        /// The quote.
        quote_id: QuoteId,
        /// What comes back.
        refund: Money,
    },
}

/// A channel and what it pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ShownPayment {
    /// How much.
    pub(crate) amount: Money,
    /// By which channel.
    pub(crate) channel: Channel,
    /// In how many instalments it is paid off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instalments: Option<u8>,
}

impl Shown {
    const fn order(&self) -> OrderId {
        match self {
            Self::ConfirmOrder { order_id, .. } | Self::AcceptCancellation { order_id, .. } => *order_id,
        }
    }

    const fn at(&self) -> UtcMicros {
        match self {
            Self::ConfirmOrder { at_us, .. } | Self::AcceptCancellation { at_us, .. } => *at_us,
        }
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    format: &'static str,
    #[serde(flatten)]
    shown: &'a Shown,
}

/// The key of this device, ready to sign.
pub(crate) struct Signer {
    id: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Signs what was shown.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub(crate) fn sign(&self, request: RequestId, shown: &Shown) -> Result<Consent, Fault> {
        let payload = canonical(&Payload { format: FORMAT, shown })
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
        let signature = self.pair.sign(payload.as_bytes()).as_ref().to_vec();
        let (order, at, key) = (shown.order(), shown.at(), self.id.clone());
        Ok(Consent { request, order, at, payload, key, signature })
    }
}

/// One content, one text: fields in the order of their names, no spaces, numbers whole (as RFC 8785 writes them).
fn canonical(payload: &Payload<'_>) -> serde_json::Result<String> {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_value(serde_json::to_value(payload)?)?;
    serde_json::to_string(&fields)
}

/// The key in use; it is made now if there is none, or if its private part can no longer be opened.
///
/// # Errors
/// `VaultLocked`, `VaultUnavailable` while the vault is closed; the store's faults.
pub(crate) async fn signer(db: &Db, vault: &Vault, now: UtcMicros) -> Result<Signer, Fault> {
    if let Some(signer) = known(db, vault).await? {
        return Ok(signer);
    }
    replace(db, vault, Action::ConsentKeyMake, now).await
}

/// Replaces the key. Consents it signed verify as before.
///
/// # Errors
/// As [`signer`].
pub(crate) async fn rotate(db: &Db, vault: &Vault, now: UtcMicros) -> Result<(), Fault> {
    replace(db, vault, Action::ConsentKeyRotate, now).await.map(drop)
}

async fn known(db: &Db, vault: &Vault) -> Result<Option<Signer>, Fault> {
    let Some(key) = consents::key_in_use(db.reader()).await? else { return Ok(None) };
    let plain = match vault.get(KIND, &key.id).await {
        Ok(plain) => plain,
        Err(VaultError::Damaged) => None,
        Err(error) => return Err(error.into()),
    };
    let pair = plain.and_then(|plain| Ed25519KeyPair::from_pkcs8(&plain).ok());
    let pair = pair.filter(|pair| pair.public_key().as_ref() == key.public.as_slice());
    if pair.is_none() {
        tracing::error!(key = key.id, "the private part of the consent key is lost; a new key takes its place");
    }
    Ok(pair.map(|pair| Signer { id: key.id, pair }))
}

async fn replace(db: &Db, vault: &Vault, action: Action, now: UtcMicros) -> Result<Signer, Fault> {
    let crypto = |_| Fault::from(VaultError::Crypto);
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(crypto)?;
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref())
        .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let public = pair.public_key().as_ref().to_vec();
    let id = name_of(&public);
    let mut tx = db.begin().await?;
    // Somebody may have made one while this one waited for its turn to write.
    if action == Action::ConsentKeyMake
        && let Some(signer) = known(db, vault).await?
    {
        return Ok(signer);
    }
    let old = consents::key_in_use(db.reader()).await?;
    consents::retire_keys(&mut tx, now).await?;
    consents::insert_key(&mut tx, &id, &public, now).await?;
    vault.put(&mut tx, KIND, &id, document.as_ref()).await?;
    if let Some(old) = old {
        vault.delete(&mut tx, KIND, &old.id).await?;
    }
    audit::note(&mut tx, action, Resource::Key(&id), now).await?;
    db.commit(tx).await?;
    Ok(Signer { id, pair })
}

/// A key is named by its public part: 32 hex characters of its SHA-256.
fn name_of(public: &[u8]) -> String {
    hex::encode(digest(&SHA256, public)).chars().take(32).collect()
}

/// Whether a consent was signed by a key of this device over exactly its payload.
///
/// # Errors
/// [`StoreError::Sql`]. A key nobody knows does not verify; that is no error.
pub(crate) async fn verify(db: &Db, consent: &Consent) -> Result<bool, StoreError> {
    let Some(key) = consents::key(db.reader(), &consent.key).await? else { return Ok(false) };
    let public = UnparsedPublicKey::new(&ED25519, &key.public);
    let named = name_of(&key.public) == consent.key;
    Ok(named && public.verify(consent.payload.as_bytes(), &consent.signature).is_ok())
}
