//! Wrapping the root key by a passphrase: Argon2id (RFC 9106) and the vault's own envelope.
//!
//! Deliberately not here: when a passphrase is asked for.

use super::{
    VaultError,
    seal::{self, Key, Place},
};
use crate::store::vault_keys::Wrapped;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::rand::SystemRandom;

/// A chosen passphrase has at least this many characters.
pub(super) const CHARS_MIN: usize = 10;
/// Longer ones are refused before any work is done on them.
pub(super) const BYTES_MAX: usize = 1024;

/// RFC 9106 §4, second recommended option: 64 MiB, three passes. Tests check behaviour, not the cost.
const MEMORY_KIB: u32 = if cfg!(test) { 64 } else { 64 * 1024 };
const PASSES: u32 = if cfg!(test) { 1 } else { 3 };
const LANES: u32 = 1;
/// A stored row cannot ask for more than this, or a damaged one would take the machine down.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;

const PLACE: Place<'static> = Place { table: "vault_keys", row: "root", column: "wrapped" };
/// Of what was wrapped and then sealed under the key in the keyring.
const OUTER_PLACE: Place<'static> = Place { table: "vault_keys", row: "root", column: "wrapped/keyring" };

/// Whether a passphrase can be chosen.
pub(super) fn check_fit(passphrase: &str) -> Result<(), VaultError> {
    let fit = passphrase.chars().count() >= CHARS_MIN && passphrase.len() <= BYTES_MAX;
    if fit { Ok(()) } else { Err(VaultError::UnfitPassphrase) }
}

/// Wraps `root`. Takes a noticeable part of a second and 64 MiB; call it on a blocking thread.
pub(super) fn wrap(root: &Key, profile: &[u8], passphrase: &str, rng: &SystemRandom) -> Result<Wrapped, VaultError> {
    let salt: [u8; 16] = seal::random(rng)?;
    let mut wrapped =
        Wrapped { key: Vec::new(), salt: salt.to_vec(), memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };
    let key = derive(&wrapped, passphrase)?;
    wrapped.key = seal::seal(&key, &bound(profile, &wrapped), &**root, rng)?;
    Ok(wrapped)
}

/// Unwraps the root key; [`VaultError::WrongPassphrase`] when it does not open.
pub(super) fn unwrap(wrapped: &Wrapped, profile: &[u8], passphrase: &str) -> Result<Key, VaultError> {
    let key = derive(wrapped, passphrase)?;
    let root = seal::open(&key, &bound(profile, wrapped), &wrapped.key).map_err(|_| VaultError::WrongPassphrase)?;
    Key::of(&root)
}

/// Seals what [`wrap`] made under the key in the keyring, so that it takes both to open it.
pub(super) fn cover(
    wrapped: Wrapped,
    profile: &[u8],
    in_keyring: &Key,
    rng: &SystemRandom,
) -> Result<Wrapped, VaultError> {
    let key = seal::seal_at(in_keyring, profile, &OUTER_PLACE, &wrapped.key, rng)?;
    Ok(Wrapped { key, ..wrapped })
}

/// What [`cover`] sealed; [`VaultError::Damaged`] under any other key.
pub(super) fn uncover(wrapped: &Wrapped, profile: &[u8], in_keyring: &Key) -> Result<Wrapped, VaultError> {
    let key = seal::open_at(in_keyring, profile, &OUTER_PLACE, &wrapped.key)?;
    Ok(Wrapped { key: key.to_vec(), ..wrapped.clone() })
}

fn derive(wrapped: &Wrapped, passphrase: &str) -> Result<Key, VaultError> {
    if wrapped.memory_kib > MEMORY_KIB_MAX || wrapped.passes > PASSES_MAX || wrapped.lanes > 16 {
        return Err(VaultError::Damaged);
    }
    let params = Params::new(wrapped.memory_kib, wrapped.passes, wrapped.lanes, Some(32));
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| VaultError::Damaged)?);
    Key::made(|key| argon.hash_password_into(passphrase.as_bytes(), &wrapped.salt, key))
        .map_err(|_| VaultError::Damaged)
}

fn bound(profile: &[u8], wrapped: &Wrapped) -> Vec<u8> {
    let mut bytes = seal::bound_to(profile, &PLACE);
    for number in [wrapped.memory_kib, wrapped.passes, wrapped.lanes] {
        bytes.extend(number.to_be_bytes());
    }
    bytes
}
