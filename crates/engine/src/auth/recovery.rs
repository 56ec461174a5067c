//! What was begun at a platform and did not end, by an earlier run or for want of an answer: a code that was accepted and
//! perhaps sent, and tokens that nobody uses any more and that perhaps were not revoked.
//!
//! The code is sent again. Either it never arrived, and the sign-in stands now; or it did, and a platform that sees a code
//! twice ends what it gave for it (RFC 6749 §4.1.2). The code of a visit that was given up while it was redeemed is kept
//! and sent again too, and what it gives then is revoked. Either way no tokens are left alive that nobody has. What is
//! ended while the vault is closed is kept as it was sealed, and told to the platform once the vault is open.
//! Deliberately not here: a refresh that was cut off; the next use of the sign-in finds out.

use super::{
    Auth,
    centre::SESSION_MIN,
    defence::{Defence, off},
    pending::{Pending, WAIT_MIN},
    platform::Platform,
    tokens::{self, TokenError, Tokens},
};
use crate::{
    secret::Sensitive,
    store::{
        Tx,
        changes::{self, Entity},
        pending_sign_ins,
    },
    vault::{
        VaultError, VaultState,
        kept::{self, Unopened},
    },
};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use zeroize::Zeroizing;
use zhiyou_domain::time::UtcMicros;

/// Kind of the sealed documents that hold what is to be revoked.
const KIND: &str = "revocation";
/// A platform that could not be reached for so long is not told any more, days: nothing lives so long unused.
const TOLD_DAYS_MAX: i64 = 90;
const DAY_S: i64 = 24 * 3600;

/// What is forgotten here and not over there yet.
#[derive(Serialize, Deserialize)]
struct Left {
    /// Who gave it; nobody else is shown it.
    issuer: String,
    #[serde(flatten)]
    what: What,
    since_us: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Tokens.
    Tokens(Tokens),
    /// A visit that was given up while its code was redeemed; what the code gave is not known.
    Visit(Pending),
}

/// What a visit gave.
pub(super) enum Outcome {
    /// Tokens to keep.
    Tokens(Tokens),
    /// Tokens that may not be used.
    Unwanted(Tokens),
    /// Nothing, and why.
    Nothing(&'static str),
}

impl Outcome {
    /// Why there is no sign-in, unless there is one.
    pub(super) const fn failed(&self) -> Option<&'static str> {
        match self {
            Self::Tokens(_) => None,
            Self::Unwanted(_) => Some("provider"),
            Self::Nothing(why) => Some(*why),
        }
    }

    /// Whatever lives at the platform now.
    pub(super) const fn given(&self) -> Option<&Tokens> {
        match self {
            Self::Tokens(tokens) | Self::Unwanted(tokens) => Some(tokens),
            Self::Nothing(_) => None,
        }
    }
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
    /// and after the vault was unlocked. What is left then is [`Auth::follow`]'s.
    pub async fn recover(&self) {
        for platform in &self.platforms {
            self.recover_at(platform).await;
        }
    }

    pub(super) async fn recover_at(&self, platform: &Platform) {
        self.take_held(platform).await;
        self.redeem_again(platform).await;
        self.revoke_left(platform).await;
    }

    async fn redeem_again(&self, platform: &Platform) {
        let Ok(Some((row, pending))) = self.pending(platform).await else { return };
        let (Some(code), true) = (&pending.code, row.used) else { return };
        let Some(_redeeming) = self.redeems(&row.attempt) else { return };
        let code = Sensitive::new(code.clone());
        let redeemed = tokens::redeem(self.http(platform), platform, &pending, &code, self.clock.now()).await;
        // It may still be good, or have given tokens: asked again next time.
        let since = row.expires_at.plus_minutes(-WAIT_MIN);
        let Some(outcome) = self.known_of(platform, redeemed, since) else { return };
        if let Err(why) = self.finish(platform, &row.attempt, outcome).await {
            tracing::info!(%why, platform = platform.id, "a sign-in that was cut off is over");
        }
    }

    /// What came of a code that was given at `since`; `None` while that is not known. What answers and cannot be read is asked
    /// again as long as a session lives: no code is good for longer, and by then it came twice.
    pub(super) fn known_of(
        &self,
        platform: &Platform,
        redeemed: Result<Tokens, TokenError>,
        since: UtcMicros,
    ) -> Option<Outcome> {
        if let Err(error) = &redeemed {
            tracing::warn!(%error, platform = platform.id, "the code could not be redeemed");
        }
        match redeemed {
            Ok(tokens) => Some(Outcome::Tokens(tokens)),
            Err(TokenError::Unwanted(_, tokens)) => Some(Outcome::Unwanted(tokens.expose().clone())),
            Err(TokenError::Unavailable(_)) => None,
            Err(TokenError::Unreadable) if self.clock.now() < since.plus_minutes(SESSION_MIN) => None,
            Err(TokenError::Grant | TokenError::RanOut | TokenError::Refused(_) | TokenError::Unreadable) => {
                Some(Outcome::Nothing("provider"))
            }
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

    /// Whether a code was cut off that may have given tokens, as long as a session lives.
    pub(super) async fn is_cut_off(&self, platform: &Platform) -> bool {
        let Ok(Some((row, pending))) = self.pending(platform).await else { return false };
        let until = row.expires_at.plus_minutes(SESSION_MIN - WAIT_MIN);
        row.used && pending.code.is_some() && self.clock.now() < until
    }

    /// Ends the platform's visit, in the transaction that knows why. A code that was accepted is kept: it may have given
    /// tokens. Whether there was a visit.
    pub(super) async fn give_up(&self, tx: &mut Tx, platform: &Platform) -> Result<bool, VaultError> {
        let Some(row) = pending_sign_ins::read(&mut **tx, &platform.id).await? else { return Ok(false) };
        if row.used {
            match self.open_pending(&row) {
                Ok(visit) if visit.code.is_some() => {
                    self.keep_left(tx, platform, &row.attempt, &platform.issuer, What::Visit(visit)).await?;
                }
                Ok(_) => {}
                Err(VaultError::Closed(_)) => {
                    let place = kept::visit_row(&row.platform, &row.attempt);
                    self.vault.keep_unopened(tx, Unopened::Visit, &place, row.body).await?;
                }
                Err(error) => tracing::warn!(%error, platform = platform.id, "a visit cannot be read any more"),
            }
        }
        pending_sign_ins::delete(tx, &platform.id, &row.attempt).await?;
        Ok(true)
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
        self.keep_left(tx, platform, name, &platform.issuer, What::Tokens(tokens.clone())).await
    }

    async fn keep_left(
        &self,
        tx: &mut Tx,
        platform: &Platform,
        name: &str,
        issuer: &str,
        what: What,
    ) -> Result<(), VaultError> {
        let left = Left { issuer: issuer.to_owned(), what, since_us: self.clock.now().0 };
        // The text of the error could quote what was to be written.
        let plain = Zeroizing::new(serde_json::to_vec(&left).map_err(|_| VaultError::Damaged)?);
        self.vault.put(tx, KIND, &left_id(platform, name), &plain).await
    }

    /// Forgets the code of a visit that was given up: it is known to have given nothing.
    pub(super) async fn gave_nothing(&self, platform: &Platform, attempt: &str) -> Result<(), VaultError> {
        self.forget_left(&left_id(platform, attempt)).await
    }

    async fn forget_left(&self, id: &str) -> Result<(), VaultError> {
        let mut tx = self.db.begin().await?;
        self.vault.delete(&mut tx, KIND, id).await?;
        // That the platform was told is shown.
        let platform = id.split_once('/').map_or(id, |(platform, _)| platform);
        changes::append(&mut tx, Entity::SignIn, platform, self.clock.now()).await?;
        Ok(self.db.commit(tx).await?)
    }

    /// Whether the platform is still to be told that something is over.
    pub(super) async fn is_untold(&self, platform: &Platform) -> Result<bool, VaultError> {
        for kind in Unopened::ALL.into_iter().map(Unopened::kind).chain([KIND]) {
            if self.vault.ids(kind).await?.iter().any(|id| is_of(platform, id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens what was ended while the vault was closed, so that it can be told like everything else.
    async fn open_left(&self, platform: &Platform) -> Result<(), VaultError> {
        if self.vault.state() != VaultState::Open {
            return Ok(());
        }
        for what in Unopened::ALL {
            for row in self.vault.ids(what.kind()).await?.iter().filter(|row| is_of(platform, row)) {
                self.open_one(platform, what, row).await?;
            }
        }
        Ok(())
    }

    async fn open_one(&self, platform: &Platform, what: Unopened, row: &str) -> Result<(), VaultError> {
        // First, so that nobody else opens or replaces it meanwhile.
        let mut tx = self.db.begin().await?;
        let left = match self.vault.open_kept(what, row).await {
            Ok(Some(plain)) => read_left(what, row, &plain),
            Ok(None) => return Ok(()),
            Err(VaultError::Damaged) => Err(VaultError::Damaged),
            Err(error) => return Err(error),
        };
        match left {
            Ok(Some((name, issuer, over))) => self.keep_left(&mut tx, platform, &name, &issuer, over).await?,
            Ok(None) => {}
            // Nobody can read it ever again.
            Err(error) => tracing::warn!(%error, platform = platform.id, "what was to be revoked cannot be read"),
        }
        self.vault.delete(&mut tx, what.kind(), row).await?;
        Ok(self.db.commit(tx).await?)
    }

    /// Revokes what was left, as far as the platform can be reached.
    pub(super) async fn revoke_left(&self, platform: &Platform) {
        if off(Defence::Revoked) {
            return;
        }
        if let Err(error) = self.open_left(platform).await {
            tracing::warn!(%error, platform = platform.id, "what was ended with a closed vault waits");
        }
        let Ok(ids) = self.vault.ids(KIND).await else { return };
        for id in ids.iter().filter(|id| is_of(platform, id)) {
            if let Err(error) = self.revoke_one(platform, id).await {
                tracing::warn!(%error, platform = platform.id, "tokens that are over could not be revoked");
            }
        }
        self.look_again();
    }

    async fn left(&self, id: &str) -> Result<Option<Left>, VaultError> {
        let Some(plain) = self.vault.get(KIND, id).await? else { return Ok(None) };
        serde_json::from_slice(&plain).map(Some).map_err(|_| VaultError::Damaged)
    }

    async fn revoke_one(&self, platform: &Platform, id: &str) -> Result<(), VaultError> {
        let Some(left) = self.left(id).await? else { return Ok(()) };
        let too_old = self.clock.now().0 > left.since_us.saturating_add(TOLD_DAYS_MAX * DAY_S * 1_000_000);
        let over = match &left.what {
            // What is another issuer's is shown to nobody; it runs out.
            What::Tokens(_) | What::Visit(_) if left.issuer != platform.issuer => false,
            What::Tokens(tokens) => self.revoke(platform, tokens).await,
            What::Visit(_) => self.end_code(platform, id).await?,
        };
        if over || too_old {
            self.forget_left(id).await?;
        }
        Ok(())
    }

    /// Sends the code of a visit that was given up once more, and revokes what it gives. Whether nothing of it lives.
    async fn end_code(&self, platform: &Platform, id: &str) -> Result<bool, VaultError> {
        let attempt = id.split_once('/').map_or(id, |(_, attempt)| attempt);
        let Some(_redeeming) = self.redeems(attempt) else { return Ok(false) };
        // Whoever redeemed it until now may have written what came of it.
        let Some(Left { what: What::Visit(visit), since_us, .. }) = self.left(id).await? else { return Ok(false) };
        let Some(code) = visit.code.clone().map(Sensitive::new) else { return Ok(true) };
        let redeemed = tokens::redeem(self.http(platform), platform, &visit, &code, self.clock.now()).await;
        let Some(outcome) = self.known_of(platform, redeemed, UtcMicros(since_us)) else { return Ok(false) };
        let Some(tokens) = outcome.given() else { return Ok(true) };
        let mut tx = self.db.begin().await?;
        self.leave(&mut tx, platform, attempt, tokens).await?;
        self.db.commit(tx).await?;
        Ok(self.revoke(platform, tokens).await)
    }
}

fn left_id(platform: &Platform, name: &str) -> String {
    format!("{}/{name}", platform.id)
}

/// Whether an id of ours begins with the platform's.
fn is_of(platform: &Platform, id: &str) -> bool {
    id.strip_prefix(&platform.id).is_some_and(|rest| rest.starts_with('/'))
}

/// Name, issuer and content of what was kept unopened in a row; `None` when nothing of it can live.
fn read_left(what: Unopened, row: &str, plain: &[u8]) -> Result<Option<(String, String, What)>, VaultError> {
    let mut parts = row.splitn(3, '/').skip(1).map(str::to_owned);
    let name = parts.next().ok_or(VaultError::Damaged)?;
    match what {
        Unopened::Tokens => {
            let issuer = parts.next().ok_or(VaultError::Damaged)?;
            let tokens: Tokens = serde_json::from_slice(plain).map_err(|_| VaultError::Damaged)?;
            Ok(Some((name, issuer, What::Tokens(tokens))))
        }
        Unopened::Visit => {
            let visit: Pending = serde_json::from_slice(plain).map_err(|_| VaultError::Damaged)?;
            let issuer = visit.issuer.clone();
            Ok(visit.code.is_some().then(|| (name, issuer, What::Visit(visit))))
        }
    }
}
