//! Table `vault_keys`: how the root key of this profile is kept. One row.
//!
//! Deliberately not here: the root key in the clear, in any mode.

use super::{StoreError, Tx};
use sqlx::AnyPool;

/// The row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKey {
    /// Random name of this profile; part of what every sealed value is bound to.
    pub profile: Vec<u8>,
    /// A constant sealed under the root key.
    pub key_check: Vec<u8>,
    /// Where the root key is.
    pub mode: Mode,
}

/// Where the root key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// In the system keyring and nowhere else.
    Keyring,
    /// Here, wrapped by a key derived from a passphrase.
    Passphrase(Wrapped),
    /// Here, wrapped by a passphrase and then sealed under the key that is in the keyring: neither opens it alone.
    Both(Wrapped),
}

/// A root key wrapped by a passphrase, and what the derivation needs besides it (Argon2id, RFC 9106).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Nonce and sealed root key.
    pub key: Vec<u8>,
    /// Salt, 16 bytes.
    pub salt: Vec<u8>,
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

type Row = (Vec<u8>, Vec<u8>, String, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>, Option<i64>, Option<i64>);

/// Reads the row; `None` before the vault was first opened.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Newer`] for a mode of a newer version; [`StoreError::Damaged`].
pub async fn read(pool: &AnyPool) -> Result<Option<VaultKey>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT profile, key_check, mode, wrapped, salt, memory_kib, passes, lanes FROM vault_keys WHERE name = 'root'",
    )
    .fetch_optional(pool)
    .await?;
    row.map(from_row).transpose()
}

fn from_row((profile, key_check, mode, key, salt, memory, passes, lanes): Row) -> Result<VaultKey, StoreError> {
    let damaged = || StoreError::Damaged("vault_keys".to_owned());
    let number = |value: Option<i64>| value.and_then(|n| u32::try_from(n).ok()).ok_or_else(damaged);
    let wrapped = || -> Result<Wrapped, StoreError> {
        Ok(Wrapped {
            key: key.ok_or_else(damaged)?,
            salt: salt.ok_or_else(damaged)?,
            memory_kib: number(memory)?,
            passes: number(passes)?,
            lanes: number(lanes)?,
        })
    };
    let mode = match mode.as_str() {
        "keyring" => Mode::Keyring,
        "passphrase" => Mode::Passphrase(wrapped()?),
        "both" => Mode::Both(wrapped()?),
        other => return Err(StoreError::Newer(format!("vault mode {other:?}"))),
    };
    Ok(VaultKey { profile, key_check, mode })
}

/// Deletes the row: what was sealed under this profile's keys opens never again. Only the erasing of everything does this.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn delete(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM vault_keys WHERE name = 'root'").execute(&mut **tx).await?;
    Ok(())
}

/// Writes the row once. A second row never replaces the first: what is sealed under its key would be lost.
///
/// # Errors
/// [`StoreError::Sql`], a unique violation when there is a row already.
pub async fn insert(tx: &mut Tx, row: &VaultKey) -> Result<(), StoreError> {
    let statement = "INSERT INTO vault_keys (name, profile, key_check, mode, wrapped, salt, memory_kib, passes, lanes)
         VALUES ('root', $1, $2, $3, $4, $5, $6, $7, $8)";
    write(tx, statement, row).await
}

/// Replaces the row in the transaction that seals everything under its key.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn replace(tx: &mut Tx, row: &VaultKey) -> Result<(), StoreError> {
    let statement = "UPDATE vault_keys SET profile = $1, key_check = $2, mode = $3, wrapped = $4, salt = $5,
             memory_kib = $6, passes = $7, lanes = $8
         WHERE name = 'root'";
    write(tx, statement, row).await
}

async fn write(tx: &mut Tx, statement: &'static str, row: &VaultKey) -> Result<(), StoreError> {
    let (mode, wrapped) = match &row.mode {
        Mode::Keyring => ("keyring", None),
        Mode::Passphrase(wrapped) => ("passphrase", Some(wrapped)),
        Mode::Both(wrapped) => ("both", Some(wrapped)),
    };
    sqlx::query(statement)
        .bind(row.profile.clone())
        .bind(row.key_check.clone())
        .bind(mode)
        .bind(wrapped.map(|w| w.key.clone()))
        .bind(wrapped.map(|w| w.salt.clone()))
        .bind(wrapped.map(|w| i64::from(w.memory_kib)))
        .bind(wrapped.map(|w| i64::from(w.passes)))
        .bind(wrapped.map(|w| i64::from(w.lanes)))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
