//! The browser visit under way: at most one per platform, sealed in the database, so that a return finds it even after
//! the app was closed and opened again.
//!
//! Deliberately not here: accepting a return.

use super::{Auth, platform::Platform};
use crate::{
    store::pending_sign_ins::{self, PendingRow},
    vault::{VaultError, kept},
};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::{Zeroize, Zeroizing};

/// Minutes that a visit may take.
pub(super) const WAIT_MIN: i64 = 10;

/// What a return is checked against. Endpoints are those of the one document that was checked at the start.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    /// 32 random bytes; the return must repeat it.
    pub(super) state: String,
    /// Proof key (RFC 7636): 32 random bytes that never leave the app until the code is redeemed.
    pub(super) verifier: String,
    pub(super) issuer: String,
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
        let plain = self.vault.open_sealed(&kept::visit(&kept::visit_row(&platform.id, &row.attempt)), &row.body)?;
        let pending = serde_json::from_slice(&plain).map_err(|_| VaultError::Damaged)?;
        Ok(Some((row, pending)))
    }
}
