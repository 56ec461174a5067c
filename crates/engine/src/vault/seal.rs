//! The envelope of a sealed value: AES-256-GCM under a key derived per table, bound to the place where it is stored.
//!
//! Layout: version byte, 12-byte random nonce, ciphertext, 16-byte tag. Deliberately not here: where the root key is.

use super::VaultError;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};
use std::{ops::Deref, sync::Arc};
use zeroize::Zeroizing;

/// The only version so far; it is authenticated too.
const VERSION: u8 = 1;

/// A 32-byte key. It stays where it was made and is wiped there: what is handed on points to it, so that nothing of it is left
/// where it went by.
#[derive(Clone)]
pub(super) struct Key(Arc<Zeroizing<[u8; 32]>>);

impl Key {
    /// One whose bytes `fill` writes.
    pub(super) fn made<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, VaultError> {
        let mut key = Arc::new(Zeroizing::new([0; 32]));
        // Nobody else points to it yet.
        let bytes = Arc::get_mut(&mut key).ok_or(VaultError::Crypto)?;
        fill(bytes).map_err(|_| VaultError::Crypto)?;
        Ok(Self(key))
    }

    /// A new one.
    pub(super) fn random(rng: &SystemRandom) -> Result<Self, VaultError> {
        Self::made(|bytes| rng.fill(bytes))
    }

    /// These bytes, if they can be one.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() != 32 {
            return Err(VaultError::Damaged);
        }
        Self::made(|key| {
            key.copy_from_slice(bytes);
            Ok::<(), VaultError>(())
        })
    }
}

impl Deref for Key {
    type Target = [u8; 32];
    fn deref(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Where a sealed value is stored. Moved to any other place, it does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table.
    pub table: &'a str,
    /// The row's key, and its version where rows have one.
    pub row: &'a str,
    /// Column.
    pub column: &'a str,
}

/// Random bytes.
pub(super) fn random<const N: usize>(rng: &SystemRandom) -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    rng.fill(&mut bytes).map_err(|_| VaultError::Crypto)?;
    Ok(bytes)
}

/// Key for one table of one profile (HKDF-SHA256, RFC 5869), so that no two tables share nonces' luck.
pub(super) fn table_key(root: &Key, profile: &[u8], table: &str) -> Result<Key, VaultError> {
    let prk = Salt::new(HKDF_SHA256, profile).extract(&**root);
    let info = [b"zhiyou sealed table v1 ", table.as_bytes()];
    Key::made(|key| prk.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(key)))
}

/// What a value is bound to: each part with its length in front, so that no two places read alike.
pub(super) fn bound_to(profile: &[u8], place: &Place<'_>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for part in [profile, place.table.as_bytes(), place.row.as_bytes(), place.column.as_bytes()] {
        bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

/// Seals `plain` under `key`.
pub(super) fn seal(key: &Key, bound: &[u8], plain: &[u8], rng: &SystemRandom) -> Result<Vec<u8>, VaultError> {
    let nonce: [u8; NONCE_LEN] = random(rng)?;
    let mut body = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut body)
        .map_err(|_| VaultError::Crypto)?;
    let mut sealed = Vec::with_capacity(body.len() + NONCE_LEN + 1);
    sealed.push(VERSION);
    sealed.extend(nonce);
    sealed.extend(body);
    Ok(sealed)
}

/// Opens what [`seal`] made for the same key and place.
pub(super) fn open(key: &Key, bound: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (version, rest) = sealed.split_first().ok_or(VaultError::Damaged)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
    if *version != VERSION {
        return Err(VaultError::Damaged);
    }
    let mut body = Zeroizing::new(body.to_vec());
    let plain_len = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), &mut body)
        .map_err(|_| VaultError::Damaged)?
        .len();
    body.truncate(plain_len);
    Ok(body)
}

/// Seals `plain` for one place of one profile.
pub(super) fn seal_at(
    root: &Key,
    profile: &[u8],
    place: &Place<'_>,
    plain: &[u8],
    rng: &SystemRandom,
) -> Result<Vec<u8>, VaultError> {
    seal(&table_key(root, profile, place.table)?, &bound_to(profile, place), plain, rng)
}

/// Opens what [`seal_at`] made for the same place of the same profile.
pub(super) fn open_at(
    root: &Key,
    profile: &[u8],
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    open(&table_key(root, profile, place.table)?, &bound_to(profile, place), sealed)
}

fn cipher(key: &Key) -> Result<LessSafeKey, VaultError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &**key).map_err(|_| VaultError::Crypto)?))
}
