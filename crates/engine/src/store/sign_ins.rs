//! Table `sign_ins`: where each platform's sign-in stands, with its sealed tokens.
//!
//! Every write raises `serial` and names the serial it read, so that a refresh that was under way when the person
//! disconnected cannot bring the sign-in back. Deliberately not here: sealing, and what the tokens are.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::time::UtcMicros;

/// Where a sign-in stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Tokens were forgotten on the person's wish.
    Disconnected,
    /// Tokens are there.
    Connected,
    /// Their time is over.
    Expired,
    /// The platform took them back before their time.
    Revoked,
    /// The last try ended without a sign-in, and there was none before.
    Failed(String),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignInRow {
    /// Platform.
    pub(crate) platform: String,
    /// State.
    pub(crate) state: State,
    /// Issuer that gave the tokens, byte for byte.
    pub(crate) issuer: String,
    /// Name at the platform.
    pub(crate) account: Option<String>,
    /// Number of this version of the row.
    pub(crate) serial: i64,
    /// Sealed; present exactly when connected.
    pub(crate) tokens: Option<Vec<u8>>,
}

type Row = (String, String, Option<String>, String, Option<String>, i64, Option<Vec<u8>>);

fn from_row((platform, state, why, issuer, account, serial, tokens): Row) -> Result<SignInRow, StoreError> {
    let state = match state.as_str() {
        "disconnected" => State::Disconnected,
        "connected" => State::Connected,
        "expired" => State::Expired,
        "revoked" => State::Revoked,
        "failed" => State::Failed(why.unwrap_or_default()),
        other => return Err(StoreError::Newer(format!("sign-in state {other:?}"))),
    };
    if tokens.is_some() != (state == State::Connected) {
        return Err(StoreError::Damaged("sign_ins".to_owned()));
    }
    Ok(SignInRow { platform, state, issuer, account, serial, tokens })
}

/// Reads the platform's row.
///
/// # Errors
/// [`StoreError::Sql`]; [`StoreError::Newer`], [`StoreError::Damaged`].
pub(crate) async fn read(pool: &AnyPool, platform: &str) -> Result<Option<SignInRow>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT platform, state, why, issuer, account, serial, tokens FROM sign_ins WHERE platform = $1",
    )
    .bind(platform)
    .fetch_optional(pool)
    .await?;
    row.map(from_row).transpose()
}

/// Forgets the tokens of every platform, known to this version or not.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn forget_all(tx: &mut Tx, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sign_ins SET state = 'disconnected', why = NULL, account = NULL, tokens = NULL, serial = serial + 1,
             updated_at_us = $1",
    )
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every platform's sealed tokens: platform, serial, issuer and tokens.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn sealed(tx: &mut Tx) -> Result<Vec<(String, i64, String, Vec<u8>)>, StoreError> {
    let statement = "SELECT platform, serial, issuer, tokens FROM sign_ins WHERE tokens IS NOT NULL";
    Ok(sqlx::query_as(statement).fetch_all(&mut **tx).await?)
}

/// Puts the same tokens, sealed anew, in their place.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn reseal(tx: &mut Tx, platform: &str, serial: i64, tokens: Vec<u8>) -> Result<(), StoreError> {
    sqlx::query("UPDATE sign_ins SET tokens = $3 WHERE platform = $1 AND serial = $2")
        .bind(platform)
        .bind(serial)
        .bind(tokens)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes the row as version `row.serial`, if version `row.serial - 1` (0: none) is the one that is there.
/// `false` when somebody else was faster; nothing was written then.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, row: &SignInRow, now: UtcMicros) -> Result<bool, StoreError> {
    let (state, why) = match &row.state {
        State::Disconnected => ("disconnected", None),
        State::Connected => ("connected", None),
        State::Expired => ("expired", None),
        State::Revoked => ("revoked", None),
        State::Failed(why) => ("failed", Some(why.clone())),
    };
    let done = sqlx::query(
        "INSERT INTO sign_ins (platform, state, why, issuer, account, serial, tokens, updated_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (platform) DO UPDATE SET state = excluded.state, why = excluded.why, issuer = excluded.issuer,
             account = excluded.account, serial = excluded.serial, tokens = excluded.tokens,
             updated_at_us = excluded.updated_at_us
         WHERE sign_ins.serial = excluded.serial - 1",
    )
    .bind(row.platform.clone())
    .bind(state)
    .bind(why)
    .bind(row.issuer.clone())
    .bind(row.account.clone())
    .bind(row.serial)
    .bind(row.tokens.clone())
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
