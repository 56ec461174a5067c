//! Using a sign-in: a token for a call, refreshed in time by one call for all who ask; the end of a sign-in.
//!
//! Deliberately not here: the calls that the token is for.

#[cfg(test)]
use super::tests::naive;
use super::{
    Auth,
    defence::{Defence, off},
    platform::Platform,
    tokens::{self, TokenError, Tokens},
};
use crate::{
    api::view::SignInView,
    audit::{self, Action},
    secret::Sensitive,
    store::{
        StoreError, Tx, auth_sessions,
        changes::{self, Entity},
        pending_sign_ins,
        sign_ins::{self, SignInRow, State},
    },
    vault::{
        VaultError,
        kept::{self, Unopened},
    },
};
use std::sync::atomic::Ordering;
use url::{Origin, Url};
use zeroize::Zeroizing;
use zhiyou_domain::fault::{Fault, FaultCode};

/// A token is refreshed this long before its end, so that it does not end under way; seconds.
const MARGIN_S: i64 = 60;
/// A token that was just fetched because its forerunner was refused is not replaced again for this long; seconds.
const PROVEN_S: i64 = 60;

/// A token for calls to one platform.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The token.
    pub token: Sensitive<String>,
    origin: Origin,
}

impl Bearer {
    /// Whether the token may be sent to this address: only to its own platform.
    #[must_use]
    pub fn may_go_to(&self, url: &Url) -> bool {
        url.origin() == self.origin || off(Defence::TokenOrigin)
    }

    /// The origin that gave it, as text.
    #[must_use]
    pub fn origin(&self) -> String {
        self.origin.ascii_serialization()
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Never signed in, or signed out.
    #[error("not signed in")]
    NotConnected,
    /// The platform no longer accepts us, because it took the sign-in back or because its time is over; the person has to
    /// sign in again.
    #[error("the sign-in has expired")]
    Expired,
    /// The platform wants more allowed than the person allowed, or than is ever asked for.
    #[error("the sign-in does not allow this")]
    Narrow,
    /// The vault is not open.
    #[error("the vault is closed")]
    VaultClosed,
    /// The platform or our store does not answer; later may work.
    #[error("no token now: {0}")]
    Unavailable(String),
}

impl AuthError {
    /// Whether the same call may succeed later without signing in again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::VaultClosed | Self::Unavailable(_) => true,
            Self::NotConnected | Self::Expired | Self::Narrow => false,
        }
    }
}

impl From<VaultError> for AuthError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Closed(_) => Self::VaultClosed,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        let code = match &error {
            AuthError::NotConnected | AuthError::Expired | AuthError::Narrow => FaultCode::AuthRequired,
            AuthError::VaultClosed => FaultCode::VaultLocked,
            AuthError::Unavailable(_) => FaultCode::ProviderUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl Auth {
    /// A token that lives for at least a minute, where the platform can still be asked for one.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn access_token(&self, platform: &str) -> Result<Bearer, AuthError> {
        let platform = self.known(platform).map_err(|_| AuthError::NotConnected)?;
        let (_, tokens) = self.current(platform).await?;
        if self.is_fresh(&tokens) {
            return bearer(platform, &tokens);
        }
        #[cfg(test)]
        if off(Defence::SingleFlight) {
            let (row, tokens) = self.current(platform).await?;
            return self.refresh(platform, &row, &tokens, 0).await;
        }
        let failures = self.turn(&platform.id).failures.load(Ordering::Acquire);
        let turn = self.turn(&platform.id).lock().await;
        // Whoever was first has refreshed, or has failed for all who waited.
        let (row, tokens) = self.current(platform).await?;
        if self.is_fresh(&tokens) {
            return bearer(platform, &tokens);
        }
        if turn.failures.load(Ordering::Acquire) != failures {
            return self.or_old(platform, &tokens, "the platform did not answer".to_owned());
        }
        let refreshed = self.refresh(platform, &row, &tokens, 0).await;
        drop(turn);
        if matches!(refreshed, Err(AuthError::Expired)) {
            self.revoke_left(platform).await;
        }
        refreshed
    }

    /// Tells that the platform refused this token (HTTP 401). It is refreshed once; when the refreshed one is refused
    /// too, or cannot be had, the sign-in is expired. Ask [`Auth::access_token`] afterwards.
    pub async fn rejected(&self, platform: &str, token: &Sensitive<String>) {
        let Ok(platform) = self.known(platform) else { return };
        let turn = self.turn(&platform.id).lock().await;
        let Ok((row, tokens)) = self.current(platform).await else { return };
        if tokens.access != *token.expose() {
            return;
        }
        let now = self.clock.now();
        let result = if now.0 < tokens.proven_until_us && !off(Defence::RefreshedOnce) {
            self.end(platform, &row, State::Revoked).await
        } else {
            self.refresh(platform, &row, &tokens, now.plus_seconds(PROVEN_S).0).await.map(drop)
        };
        drop(turn);
        if let Err(error) = result {
            tracing::warn!(%error, platform = platform.id, "a refused token was not replaced");
        }
        self.revoke_left(platform).await;
    }

    /// Tells that the platform wants more allowed for a call (HTTP 403, `insufficient_scope`). Nothing more is asked for,
    /// whatever it names: what a platform is asked for stands in its file, and a person was shown that. The sign-in stays;
    /// who left something out may sign in again and allow it.
    ///
    /// # Errors
    /// [`AuthError::Narrow`].
    pub(crate) async fn narrow(&self, platform: &str, wanted: Option<&str>) -> Result<(), AuthError> {
        #[cfg(test)]
        if off(Defence::ScopesFixed) {
            return naive::ask_for_more(self, platform, wanted.unwrap_or_default()).await;
        }
        tracing::warn!(platform, named = wanted.is_some(), "the platform wants more allowed, and is not asked for it");
        Err(AuthError::Narrow)
    }

    /// Forgets the platform's tokens and whatever is under way, then revokes them. What the platform answers does not
    /// matter: here they are gone. While the vault is closed nobody can read what is to be revoked; it is kept as it was
    /// sealed, and the platform is told once the vault is open, see [`Auth::recover`].
    ///
    /// # Errors
    /// `NotFound` for an unknown platform; the store's faults.
    pub async fn disconnect(&self, platform: &str) -> Result<SignInView, Fault> {
        let platform = self.known(platform)?;
        let turn = self.turn(&platform.id).lock().await;
        // Read inside of the transaction: what is sealed may be sealed anew by a rotation until then.
        let mut tx = self.db.begin().await?;
        let before = sign_ins::read(self.db.reader(), &platform.id).await?;
        self.give_up(&mut tx, platform).await?;
        if let Some(before) = &before {
            let row = self.plain_row(platform, Some(before), State::Disconnected);
            sign_ins::put(&mut tx, &row, self.clock.now()).await?;
            self.leave_row(&mut tx, platform, before).await?;
        }
        auth_sessions::delete(&mut tx, &platform.id).await?;
        changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
        audit::of_platform(&mut tx, Action::SignInDisconnect, &platform.id, None, self.clock.now()).await?;
        self.db.commit(tx).await?;
        drop(turn);
        self.await_nothing(platform);
        self.close_listener(&platform.id);
        self.revoke_left(platform).await;
        Ok(self.view_of(platform).await?)
    }

    /// Whether a visit to the platform is under way, also one that nobody can read now.
    ///
    /// # Errors
    /// The store's faults.
    pub(crate) async fn is_visited(&self, platform: &str) -> Result<bool, Fault> {
        Ok(pending_sign_ins::read(self.db.reader(), platform).await?.is_some())
    }

    /// Whether a platform has an MCP server of its own; see [`crate::member`].
    pub(crate) fn is_asked_directly(&self, platform: &str) -> bool {
        self.known(platform).is_ok_and(|platform| platform.mcp.is_some())
    }

    /// The platform's own MCP server, hosts of its links, and a client that may ask it.
    ///
    /// # Errors
    /// `NotFound` for a platform that is unknown or has none.
    pub(crate) fn server_of(&self, platform: &str) -> Result<(Url, &[String], reqwest::Client), Fault> {
        let platform = self.known(platform)?;
        let mcp = platform.mcp.clone().ok_or_else(|| Fault::new(FaultCode::NotFound, "nothing to be asked there"))?;
        Ok((mcp, &platform.link_hosts, self.http(platform).client()))
    }

    /// Whether the token does not end under way.
    fn is_fresh(&self, tokens: &Tokens) -> bool {
        let margin_s = if off(Defence::Margin) { 0 } else { MARGIN_S };
        self.clock.now().plus_seconds(margin_s).0 < tokens.expires_at_us
    }

    /// Row and tokens of a sign-in that stands.
    async fn current(&self, platform: &Platform) -> Result<(SignInRow, Tokens), AuthError> {
        let row = sign_ins::read(self.db.reader(), &platform.id).await?.ok_or(AuthError::NotConnected)?;
        match row.state {
            State::Connected => {}
            State::Expired | State::Revoked => return Err(AuthError::Expired),
            State::Disconnected | State::Failed(_) => return Err(AuthError::NotConnected),
        }
        // Tokens belong to the issuer that gave them and are shown to no other.
        if row.issuer != platform.issuer && !off(Defence::IssuerKeyed) {
            self.end(platform, &row, State::Expired).await?;
            return Err(AuthError::Expired);
        }
        let tokens = self.open_tokens(&row)?.ok_or(AuthError::NotConnected)?;
        Ok((row, tokens))
    }

    async fn refresh(
        &self,
        platform: &Platform,
        row: &SignInRow,
        old: &Tokens,
        proven_until_us: i64,
    ) -> Result<Bearer, AuthError> {
        let server = match self.discover(platform).await {
            Ok(server) => server,
            Err(error) => return self.or_old(platform, old, error.to_string()),
        };
        let mut new = match tokens::refresh(self.http(platform), platform, &server, old, self.clock.now()).await {
            Ok(new) => new,
            Err(TokenError::Grant) if !off(Defence::GrantEnds) => {
                self.end(platform, row, State::Revoked).await?;
                return Err(AuthError::Expired);
            }
            Err(TokenError::RanOut) => {
                // A token that was refused before its time was taken back; else its time is over.
                let refused = proven_until_us > 0 && self.clock.now().0 < old.expires_at_us;
                self.end(platform, row, if refused { State::Revoked } else { State::Expired }).await?;
                return Err(AuthError::Expired);
            }
            Err(TokenError::Unwanted(why, tokens)) => {
                self.refuse(platform, old, tokens.expose().clone()).await?;
                return self.or_old(platform, old, why.to_owned());
            }
            Err(
                error @ (TokenError::Grant
                | TokenError::Refused(_)
                | TokenError::Unreadable
                | TokenError::Unavailable(_)),
            ) => {
                return self.or_old(platform, old, error.to_string());
            }
        };
        new.proven_until_us = proven_until_us;
        #[cfg(test)]
        let row = &naive::forget_first(self, platform, row).await?;
        // One statement replaces the old tokens by the new: after a crash there is one pair or the other.
        let mut tx = self.db.begin().await?;
        let row = self.connected_row(platform, Some(row), &new)?;
        if !sign_ins::put(&mut tx, &row, self.clock.now()).await? {
            return Err(AuthError::NotConnected);
        }
        audit::of_platform(&mut tx, Action::TokenRefresh, &platform.id, None, self.clock.now()).await?;
        self.db.commit(tx).await?;
        bearer(platform, &new)
    }

    /// Without a refresh, the old token does as long as it lives.
    fn or_old(&self, platform: &Platform, old: &Tokens, why: String) -> Result<Bearer, AuthError> {
        self.turn(&platform.id).failures.fetch_add(1, Ordering::AcqRel);
        if self.clock.now().0 < old.expires_at_us { bearer(platform, old) } else { Err(AuthError::Unavailable(why)) }
    }

    /// Keeps refreshed tokens that may not be used until they were revoked. A refresh token that stays good stays ours.
    async fn refuse(&self, platform: &Platform, old: &Tokens, mut new: Tokens) -> Result<(), AuthError> {
        if new.refresh == old.refresh {
            new.refresh = None;
        }
        let name = self.random_text::<12>().map_err(|fault| AuthError::Unavailable(fault.to_string()))?;
        let mut tx = self.db.begin().await?;
        self.leave(&mut tx, platform, &name, &new).await?;
        self.db.commit(tx).await?;
        self.look_again();
        Ok(())
    }

    /// Ends a sign-in that the platform ended, or time. Its tokens are kept until the platform was told: only some of them
    /// may be over.
    async fn end(&self, platform: &Platform, row: &SignInRow, state: State) -> Result<(), AuthError> {
        let next = self.plain_row(platform, Some(row), state);
        // Read inside of the transaction: what is sealed may be sealed anew by a rotation until then.
        let mut tx = self.db.begin().await?;
        let before = sign_ins::read(self.db.reader(), &platform.id).await?;
        if sign_ins::put(&mut tx, &next, self.clock.now()).await? {
            if let Some(before) = &before {
                self.leave_row(&mut tx, platform, before).await?;
            }
            changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
            audit::of_platform(&mut tx, Action::TokenExpire, &platform.id, None, self.clock.now()).await?;
        }
        self.db.commit(tx).await?;
        Ok(())
    }

    /// Revokes at the platform. Whether it was told; one that says it has no such thing was.
    pub(super) async fn revoke(&self, platform: &Platform, tokens: &Tokens) -> bool {
        let done = match self.discover(platform).await {
            Ok(server) => {
                tokens::revoke(self.http(platform), platform, &server, tokens).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = &done {
            tracing::warn!(why, platform = platform.id, "tokens were forgotten here but not revoked there");
        }
        done.is_ok()
    }

    /// Keeps the row's tokens until the platform was told that they are over, in the transaction that forgets them.
    async fn leave_row(&self, tx: &mut Tx, platform: &Platform, row: &SignInRow) -> Result<(), VaultError> {
        if row.issuer != platform.issuer {
            return Ok(());
        }
        match (self.open_tokens(row), &row.tokens) {
            (Ok(Some(tokens)), _) => self.leave(tx, platform, &row.serial.to_string(), &tokens).await,
            (Err(VaultError::Closed(_)), Some(sealed)) if !off(Defence::KeptUnopened) => {
                self.vault.keep_unopened(tx, Unopened::Tokens, &place_row(row), sealed.clone()).await
            }
            (Err(error), _) => {
                tracing::warn!(%error, platform = platform.id, "tokens that cannot be read are not revoked");
                Ok(())
            }
            (Ok(None), _) => Ok(()),
        }
    }

    /// The row's tokens, if the platform may be shown them: they are its own issuer's.
    pub(super) fn revocable(&self, platform: &Platform, row: &SignInRow) -> Option<Tokens> {
        if row.issuer == platform.issuer { self.open_tokens(row).ok().flatten() } else { None }
    }

    pub(super) fn seal_tokens(&self, row: &SignInRow, plain: &Zeroizing<Vec<u8>>) -> Result<Vec<u8>, VaultError> {
        self.vault.seal(&kept::tokens(&place_row(row)), plain)
    }

    pub(super) fn open_tokens(&self, row: &SignInRow) -> Result<Option<Tokens>, VaultError> {
        let Some(sealed) = &row.tokens else { return Ok(None) };
        let plain = self.vault.open_sealed(&kept::tokens(&place_row(row)), sealed)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| VaultError::Damaged)
    }
}

fn bearer(platform: &Platform, tokens: &Tokens) -> Result<Bearer, AuthError> {
    let issuer = Url::parse(&platform.issuer).map_err(|_| AuthError::NotConnected)?;
    Ok(Bearer { token: Sensitive::new(tokens.access.clone()), origin: issuer.origin() })
}

fn place_row(row: &SignInRow) -> String {
    kept::tokens_row(&row.platform, row.serial, &row.issuer)
}
