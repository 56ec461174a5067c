//! What was begun at a platform and did not end, by an earlier run or for want of an answer: a code that was accepted and
//! perhaps sent, and tokens that nobody uses any more and that perhaps were not revoked.
//!
//! The code is sent again. Either it never arrived, and the sign-in stands now; or it did, and a platform that sees a code
//! twice ends what it gave for it (RFC 6749 §4.1.2). Either way no tokens are left alive that nobody has. Deliberately not
//! here: a refresh that was cut off; the next use of the sign-in finds out.

use super::{
    Auth,
    defence::{Defence, off},
    platform::Platform,
    tokens::{self, TokenError, Tokens},
};
use crate::{secret::Sensitive, store::Tx, vault::VaultError};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use zeroize::Zeroizing;

/// Kind of the sealed documents that hold tokens to revoke.
const KIND: &str = "revocation";
/// A platform that could not be reached for so long is not told any more, days: nothing lives so long unused.
const TOLD_DAYS_MAX: i64 = 90;
const DAY_S: i64 = 24 * 3600;

/// Tokens that are forgotten here and not revoked there yet.
#[derive(Serialize, Deserialize)]
struct Left {
    /// Who gave them; nobody else is shown them.
    issuer: String,
    tokens: Tokens,
    since_us: i64,
}

/// A visit whose code this run is redeeming.
pub(super) struct Redeeming<'a> {
    auth: &'a Auth,
    attempt: String,
}

impl Drop for Redeeming<'_> {
    fn drop(&mut self) {
        self.auth.redeeming().remove(&self.attempt);
    }
}

impl Auth {
    fn redeeming(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<String>> {
        self.redeeming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this run redeems the code of the attempt; `None` when it does already.
    pub(super) fn redeems(&self, attempt: &str) -> Option<Redeeming<'_>> {
        let first = self.redeeming().insert(attempt.to_owned());
        first.then(|| Redeeming { auth: self, attempt: attempt.to_owned() })
    }

    /// Ends what an earlier run left at the platforms, as far as they answer and the vault is open; call it after the start
    /// and after the vault was unlocked.
    pub async fn recover(&self) {
        for platform in &self.platforms {
            self.recover_at(platform).await;
        }
    }

    pub(super) async fn recover_at(&self, platform: &Platform) {
        self.redeem_again(platform).await;
        self.revoke_left(platform).await;
    }

    async fn redeem_again(&self, platform: &Platform) {
        let Ok(Some((row, pending))) = self.pending(platform).await else { return };
        let (Some(code), true) = (&pending.code, row.used) else { return };
        let Some(_redeeming) = self.redeems(&row.attempt) else { return };
        let code = Sensitive::new(code.clone());
        let outcome = match tokens::redeem(&self.http, platform, &pending, &code, self.clock.now()).await {
            Ok(tokens) => Ok(tokens),
            // It may still be good, or have given tokens: asked again next time.
            Err(TokenError::Unavailable(why)) => {
                tracing::warn!(why, platform = platform.id, "a sign-in that was cut off cannot be ended now");
                return;
            }
            Err(TokenError::Grant | TokenError::Refused(_)) => Err("provider"),
        };
        if let Err(why) = self.finish(platform, &row.attempt, outcome).await {
            tracing::info!(%why, platform = platform.id, "a sign-in that was cut off is over");
        }
    }

    /// Whether a code that was cut off may still be good or have given tokens, which after another visit would be nobody's.
    /// No code is good for longer than its visit.
    pub(super) async fn awaits_redemption(&self, platform: &Platform) -> bool {
        let Ok(Some((row, pending))) = self.pending(platform).await else { return false };
        row.used
            && pending.code.is_some()
            && self.clock.now() < row.expires_at
            && !self.redeeming().contains(&row.attempt)
            && !off(Defence::SingleUse)
    }

    /// Keeps tokens until the platform was told that they are over, in the transaction that forgets them; `name` tells
    /// them from others of the platform.
    pub(super) async fn leave(
        &self,
        tx: &mut Tx,
        platform: &Platform,
        name: &str,
        tokens: &Tokens,
    ) -> Result<(), VaultError> {
        let left = Left { issuer: platform.issuer.clone(), tokens: tokens.clone(), since_us: self.clock.now().0 };
        // The text of the error could quote what was to be written.
        let plain = Zeroizing::new(serde_json::to_vec(&left).map_err(|_| VaultError::Damaged)?);
        self.vault.put(tx, KIND, &format!("{}/{name}", platform.id), &plain).await
    }

    /// Revokes what was left, as far as the platform can be reached.
    pub(super) async fn revoke_left(&self, platform: &Platform) {
        if off(Defence::Revoked) {
            return;
        }
        let Ok(ids) = self.vault.ids(KIND).await else { return };
        let ours = |id: &&String| id.strip_prefix(&platform.id).is_some_and(|rest| rest.starts_with('/'));
        for id in ids.iter().filter(ours) {
            if let Err(error) = self.revoke_one(platform, id).await {
                tracing::warn!(%error, platform = platform.id, "tokens that are over could not be revoked");
            }
        }
    }

    async fn revoke_one(&self, platform: &Platform, id: &str) -> Result<(), VaultError> {
        let Some(plain) = self.vault.get(KIND, id).await? else { return Ok(()) };
        let left: Left = serde_json::from_slice(&plain).map_err(|_| VaultError::Damaged)?;
        let too_old = self.clock.now().0 > left.since_us.saturating_add(TOLD_DAYS_MAX * DAY_S * 1_000_000);
        // Tokens of another issuer are shown to nobody; they run out.
        let told = left.issuer == platform.issuer && self.revoke(platform, &left.tokens).await;
        if told || too_old {
            let mut tx = self.db.begin().await?;
            self.vault.delete(&mut tx, KIND, id).await?;
            self.db.commit(tx).await?;
        }
        Ok(())
    }
}
