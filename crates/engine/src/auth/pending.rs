//! The browser visit under way: at most one per platform, sealed in the database, so that a return finds it even after
//! the app was closed and opened again.
//!
//! Deliberately not here: accepting a return.

use super::{Auth, callback::read_link, platform::Platform};
use crate::{
    store::pending_sign_ins::{self, PendingRow},
    vault::{VaultError, kept},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};
use url::Url;
use zeroize::{Zeroize, Zeroizing};

/// Minutes that a visit may take.
pub(super) const WAIT_MIN: i64 = 10;
/// Bytes of a state's digest that name its visit.
const ATTEMPT_BYTES: usize = 12;
/// Characters of a state: 32 random bytes as URL-safe text.
const STATE_CHARS: usize = 43;

/// What a return is checked against. Endpoints are those of the one document that was checked at the start.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    /// 32 random bytes; the return must repeat it.
    pub(super) state: String,
    /// Proof key (RFC 7636): 32 random bytes that never leave the app until the code is redeemed.
    pub(super) verifier: String,
    pub(super) issuer: String,
    /// The client that was registered for this visit, where none of ours is known there.
    #[serde(default)]
    pub(super) client: Option<String>,
    pub(super) iss_in_response: bool,
    pub(super) token_endpoint: Url,
    /// Exact address that the browser returns to; names the platform or the listener.
    pub(super) redirect: String,
    /// Address of the visit, for a person who opens it by hand. Empty until it is known.
    pub(super) url: String,
    /// The code that came back, kept from the moment it is claimed until its tokens are: see [`super::recovery`].
    #[serde(default)]
    pub(super) code: Option<String>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.state.zeroize();
        self.verifier.zeroize();
        self.url.zeroize();
        self.code.zeroize();
    }
}

impl Auth {
    /// Seals a visit.
    pub(super) fn seal_pending(
        &self,
        platform: &Platform,
        attempt: &str,
        pending: &Pending,
    ) -> Result<PendingRow, VaultError> {
        Ok(PendingRow {
            platform: platform.id.clone(),
            attempt: attempt.to_owned(),
            used: false,
            expires_at: self.clock.now().plus_minutes(WAIT_MIN),
            body: self.pending_body(platform, attempt, pending)?,
        })
    }

    /// The sealed body of a visit. Call it inside of the transaction that writes it: a root key that is replaced meanwhile
    /// would be the wrong one.
    pub(super) fn pending_body(
        &self,
        platform: &Platform,
        attempt: &str,
        pending: &Pending,
    ) -> Result<Vec<u8>, VaultError> {
        let plain = Zeroizing::new(serde_json::to_vec(pending).map_err(|_| VaultError::Damaged)?);
        self.vault.seal(&kept::visit(&kept::visit_row(&platform.id, attempt)), &plain)
    }

    /// Reads the platform's visit; `None` when there is none. It may be late or used.
    pub(super) async fn pending(&self, platform: &Platform) -> Result<Option<(PendingRow, Pending)>, VaultError> {
        let Some(row) = pending_sign_ins::read(self.db.reader(), &platform.id).await? else { return Ok(None) };
        let pending = self.open_pending(&row)?;
        Ok(Some((row, pending)))
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what the visit's return is known by, where it comes by deep link.
    pub(super) fn await_return(&self, platform: &Platform, pending: &Pending) {
        let mut awaited = self.awaited();
        awaited.remove(&platform.id);
        if pending.redirect == platform.deep_link() {
            awaited.insert(platform.id.clone(), attempt_of(&pending.state));
        }
    }

    /// Forgets it, when it is this visit's: its return came.
    pub(super) fn returned(&self, platform: &Platform, pending: &Pending) {
        let mut awaited = self.awaited();
        if awaited.get(&platform.id) == Some(&attempt_of(&pending.state)) {
            awaited.remove(&platform.id);
        }
    }

    /// Forgets it: nobody waits any more.
    pub(super) fn await_nothing(&self, platform: &Platform) {
        self.awaited().remove(&platform.id);
        self.held().remove(&platform.id);
    }

    /// Whether a link repeats the state of a visit under way. Nothing is stored or asked; it says who goes first and
    /// nothing more.
    #[must_use]
    pub fn awaits(&self, link: &str) -> bool {
        visit_of(link).is_some_and(|(platform, attempt)| self.awaited().get(platform) == Some(&attempt))
    }

    /// Opens a visit.
    pub(super) fn open_pending(&self, row: &PendingRow) -> Result<Pending, VaultError> {
        let plain = self.vault.open_sealed(&kept::visit(&kept::visit_row(&row.platform, &row.attempt)), &row.body)?;
        serde_json::from_slice(&plain).map_err(|_| VaultError::Damaged)
    }
}

/// Names the visit with this state: so much of its digest that a return is known by it, and that nobody finds the state by
/// it. The name is stored in the clear, which is how a return is known while the vault is closed.
pub(super) fn attempt_of(state: &str) -> String {
    let digest = digest(&SHA256, state.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..ATTEMPT_BYTES).unwrap_or_default())
}

/// Platform and name of the visit a link would be the return of; `None` for what is no return, or has a state that none
/// of ours has.
pub(crate) fn visit_of(link: &str) -> Option<(&str, String)> {
    let (platform, callback) = read_link(link).ok()?;
    let state = callback.state.expose();
    let ours = state.len() == STATE_CHARS && state.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    ours.then(|| (platform, attempt_of(state)))
}
