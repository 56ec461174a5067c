//! A sign-in from start to end: the visit begins, a return arrives, the code is redeemed, the tokens are sealed.
//!
//! Each move is one transaction. A return is claimed before its code is sent, so that only one can win; a sign-in that
//! was given up or begun anew meanwhile keeps nothing. Deliberately not here: use of the tokens.

#[cfg(test)]
use super::tests::naive;
use super::{
    Auth, Listener,
    callback::{Answer, Callback, read_link},
    defence::{Defence, off},
    loopback::{self, Awaited},
    metadata::{self, Server},
    pending::{Pending, attempt_of, visit_of},
    platform::Platform,
    pushed,
    recovery::{Outcome, Redeeming},
    registration, tokens, way,
};
use crate::{
    api::{
        command::ReturnBy,
        view::{SignInStateView, SignInView},
    },
    app::ROOT,
    audit::{self, Action, Came, Entry, Origin, Resource},
    secret::Sensitive,
    store::{
        StoreError, auth_sessions,
        changes::{self, Entity},
        pending_sign_ins,
        sign_ins::{self, SignInRow, State},
    },
    vault::{VaultError, VaultState},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::fault::{Fault, FaultCode};

/// How a return ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Signed in.
    Connected,
    /// Believed, but the sign-in failed.
    NotConnected,
    /// Not believed; nothing changed.
    Dropped,
}

/// Why a return was not believed. Said to the log, never to the outside.
#[derive(Debug, thiserror::Error)]
pub(super) enum Drop {
    #[error("nothing is awaited")]
    NothingAwaited,
    #[error("came back by another way than it was sent")]
    OtherReturn,
    #[error("unknown state")]
    State,
    #[error("too late")]
    Late,
    #[error("already used")]
    Used,
    #[error("another issuer")]
    Issuer,
    #[error("no issuer named")]
    NoIssuer,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Drop {
    /// Its word in the audit log.
    const fn word(&self) -> &'static str {
        match self {
            Self::NothingAwaited => "nothing_awaited",
            Self::OtherReturn => "other_return",
            Self::State => "unknown_state",
            Self::Late => "late",
            Self::Used => "used",
            Self::Issuer | Self::NoIssuer => "other_issuer",
            Self::Vault(VaultError::Closed(_)) => "vault_closed",
            Self::Vault(_) | Self::Store(_) => "internal",
        }
    }
}

impl Auth {
    /// Begins a sign-in and opens the platform's page in the system browser. An earlier one of the same platform ends.
    /// Where no browser opens, the answer still waits, with the address to open by hand. A way back that is not wished for
    /// is the best one that can be had: see [`way::ways`].
    ///
    /// # Errors
    /// `NotFound` for an unknown platform; `MalformedInput` for a return that is not offered; `VaultUnavailable` and
    /// `VaultLocked` when tokens could not be kept; `ProviderUnavailable` when its metadata may not be used.
    pub async fn start(
        self: &Arc<Self>,
        platform: &str,
        return_by: impl Into<Option<ReturnBy>>,
    ) -> Result<SignInView, Fault> {
        let platform = self.known(platform)?;
        let ways = way::ways(platform, return_by.into(), way::LISTENS);
        if ways.is_empty() {
            return Err(Fault::new(FaultCode::MalformedInput, "return not offered")
                .with("path", "return_by")
                .with("problem", "not_offered"));
        }
        if self.vault.state() != VaultState::Open {
            return Err(VaultError::Closed(self.vault.state()).into());
        }
        // A code that was cut off would be forgotten by the next visit, and what it gave stay alive.
        let earlier = self.awaits_redemption(platform).await;
        self.recover_at(platform).await;
        if self.awaits_redemption(platform).await {
            return Err(Fault::new(FaultCode::ProviderUnavailable, format!("{}: an earlier sign-in", platform.id)));
        }
        let view = self.view_of(platform).await?;
        if earlier && matches!(view.state, SignInStateView::Connected { .. }) {
            return Ok(view);
        }
        let server = match self.discover(platform).await {
            Ok(server) => metadata::check_resource(self.http(platform), platform).await.map(|()| server),
            Err(error) => Err(error),
        };
        let server = server.map_err(|error| unusable(platform, &error))?;
        let (redirect, listener) = self.way_back(platform, &ways).await?;
        let url = self.begin(platform, &server, redirect, listener).await?;
        self.open_browser(url).await;
        Ok(self.view_of(platform).await?)
    }

    /// The first of these ways that can be had.
    async fn way_back(&self, platform: &Platform, ways: &[ReturnBy]) -> Result<(String, Option<TcpListener>), Fault> {
        if ways.first() == Some(&ReturnBy::DeepLink) {
            return Ok((platform.deep_link(), None));
        }
        let bound = loopback::bind(0).await.and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (port, listener) = match bound {
            Ok(bound) => bound,
            Err(error) if ways.contains(&ReturnBy::DeepLink) => {
                tracing::warn!(%error, platform = platform.id, "no port to come back to; coming back by deep link");
                return Ok((platform.deep_link(), None));
            }
            Err(error) => return Err(StoreError::from(error).into()),
        };
        let path = match &platform.loopback_path {
            Some(path) => path.clone(),
            None => self.random_text::<16>()?,
        };
        Ok((format!("http://127.0.0.1:{port}/{path}"), Some(listener)))
    }

    /// Stores the visit, replacing an earlier one, and takes up the listener.
    async fn begin(
        self: &Arc<Self>,
        platform: &Platform,
        server: &Server,
        redirect: String,
        listener: Option<TcpListener>,
    ) -> Result<Url, Fault> {
        let client = match platform.client_id {
            Some(_) => None,
            None => Some(
                registration::register(self.http(platform), server, &redirect)
                    .await
                    .map_err(|error| unusable(platform, &error))?,
            ),
        };
        let mut pending = Pending {
            state: self.random_text::<32>()?,
            verifier: self.verifier()?,
            issuer: platform.issuer.clone(),
            client,
            iss_in_response: server.iss_in_response,
            token_endpoint: server.token.clone(),
            redirect,
            url: String::new(),
            code: None,
        };
        let url = match &server.pushed_requests {
            Some(endpoint) if !off(Defence::Pushed) => {
                match pushed::push(self.http(platform), platform, server, endpoint, &pending).await {
                    Ok(url) => url,
                    Err(_) if off(Defence::PushOrNothing) => openly(platform, server, &pending)?,
                    Err(error) => return Err(unusable(platform, &error)),
                }
            }
            Some(_) | None => openly(platform, server, &pending)?,
        };
        pending.url = url.to_string();
        let attempt = attempt_of(&pending.state);
        let _order = self.starting.lock().await;
        #[cfg(test)]
        if off(Defence::OneVisit) && pending_sign_ins::read(self.db.reader(), &platform.id).await?.is_some() {
            return Ok(url);
        }
        let mut tx = self.db.begin().await?;
        self.give_up(&mut tx, platform).await?;
        let row = self.seal_pending(platform, &attempt, &pending)?;
        pending_sign_ins::put(&mut tx, &row).await?;
        self.keep_session(&mut tx, platform).await?;
        changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
        audit::of_platform(&mut tx, Action::SignInStart, &platform.id, None, self.clock.now()).await?;
        self.db.commit(tx).await?;
        self.look_again();
        self.close_listener(&platform.id);
        self.await_return(platform, &pending);
        if let Some(listener) = listener {
            self.listen(platform, &pending.redirect, listener);
        }
        Ok(url)
    }

    fn listen(self: &Arc<Self>, platform: &Platform, redirect: &str, listener: TcpListener) {
        let stop = CancellationToken::new();
        let awaited = Awaited { platform: platform.id.clone(), redirect: redirect.to_owned() };
        tokio::spawn(loopback::serve(Arc::downgrade(self), awaited, listener, stop.clone()));
        self.listeners().insert(platform.id.clone(), Listener::new(stop));
    }

    /// Opens a page in the system browser, where one opens; else the person opens it by hand.
    pub(crate) async fn open_browser(&self, url: Url) {
        let browser = Arc::clone(&self.browser);
        match tokio::task::spawn_blocking(move || browser.open(&url)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the person has to open the address by hand"),
            Err(error) => tracing::warn!(%error, "opening the browser failed"),
        }
    }

    /// Awaits again the returns that were awaited when the app was closed, and listens for those by loopback; call it after
    /// the start and after the vault was unlocked. A port that is taken meanwhile cannot be listened on; that visit runs out.
    pub async fn resume(self: &Arc<Self>) {
        for platform in &self.platforms {
            let Ok(Some((row, pending))) = self.pending(platform).await else { continue };
            if row.used || self.clock.now() >= row.expires_at {
                continue;
            }
            self.await_return(platform, &pending);
            let port =
                Url::parse(&pending.redirect).ok().filter(|url| url.scheme() == "http").and_then(|url| url.port());
            let Some(port) = port else { continue };
            if self.listeners().contains_key(&platform.id) {
                continue;
            }
            match loopback::bind(port).await {
                Ok(listener) => self.listen(platform, &pending.redirect, listener),
                Err(error) => tracing::warn!(%error, platform = platform.id, "the return cannot be listened for again"),
            }
        }
    }

    /// Takes a deep link. `true` when it was the awaited return of a sign-in, whatever came of it; `false` when it was
    /// dropped, which changes nothing.
    pub async fn deep_link(&self, link: &str) -> bool {
        if self.vault.state() != VaultState::Open && self.hold(link).await {
            return true;
        }
        let ending = match read_link(link) {
            Ok((platform, callback)) => self.arrive(platform, &format!("{ROOT}auth/{platform}"), callback).await,
            Err(error) => self.dropped_for(None, error.word(), &error.to_string()).await,
        };
        ending != Ending::Dropped
    }

    /// Keeps the return that a visit waits for until the vault is open: what it is checked against is sealed. `false` for
    /// every other link; of each platform at most one is kept, and in memory only.
    async fn hold(&self, link: &str) -> bool {
        let Some((platform, attempt)) = visit_of(link) else { return false };
        let row = pending_sign_ins::read(self.db.reader(), platform).await;
        if !row.is_ok_and(|row| row.is_some_and(|row| row.attempt == attempt && !row.used)) {
            return false;
        }
        self.held().insert(platform.to_owned(), Sensitive::new(link.to_owned()));
        tracing::info!(platform, "a return waits for the vault");
        // Opened meanwhile, nobody else would take it.
        self.vault.state() != VaultState::Open || self.held().remove(platform).is_none()
    }

    pub(super) fn held(&self) -> MutexGuard<'_, HashMap<String, Sensitive<String>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the return that waited for the vault, if there is one.
    pub(super) async fn take_held(&self, platform: &Platform) {
        if self.vault.state() != VaultState::Open {
            return;
        }
        let held = self.held().remove(&platform.id);
        if let Some(link) = held {
            self.deep_link(link.expose()).await;
        }
    }

    /// Returns that were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Drops a return: `platform` is one of ours, where it is known; `word` is for the audit log, `why` for the other one.
    pub(super) async fn dropped_for(&self, platform: Option<&Platform>, word: &'static str, why: &str) -> Ending {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        // Never the link itself: it may hold a code.
        tracing::info!(why, "a return was dropped");
        self.note_drop(platform, word).await;
        Ending::Dropped
    }

    pub(super) async fn note_drop(&self, platform: Option<&Platform>, word: &'static str) {
        let resource = platform.map_or(Resource::None, |platform| Resource::Platform(&platform.id));
        let (action, came, origin) = (Action::SignInDrop, Came::Failed(word), Origin::Core);
        self.drops.note(&self.db, Entry { action, resource, came, origin }, self.clock.now()).await;
    }

    /// Takes a return that came by the address `by`.
    pub(super) async fn arrive(&self, platform: &str, by: &str, callback: Callback) -> Ending {
        let Ok(platform) = self.known(platform) else {
            return self.dropped_for(None, "unknown_platform", "unknown platform").await;
        };
        #[cfg(test)]
        let platform = naive::whose(self, platform, by, &callback).await;
        let claimed = match self.claim(platform, by, &callback).await {
            Ok(claimed) => claimed,
            Err(why) => return self.dropped_for(Some(platform), why.word(), &why.to_string()).await,
        };
        let (attempt, pending, redeeming) = claimed;
        let outcome = match &callback.answer {
            Answer::Error(code) if code == "access_denied" => Outcome::Nothing("denied"),
            Answer::Error(_) => Outcome::Nothing("provider"),
            Answer::Code(code) => {
                let redeemed = tokens::redeem(self.http(platform), platform, &pending, code, self.clock.now()).await;
                match self.known_of(platform, redeemed, self.clock.now()) {
                    // Whether tokens were given is not known: the visit keeps its code, and the next try sends it again.
                    None => {
                        drop(redeeming);
                        let ending = self.unanswered(platform, &attempt).await;
                        self.look_again();
                        return ending;
                    }
                    Some(outcome) => outcome,
                }
            }
        };
        match self.finish(platform, &attempt, outcome).await {
            Ok(ending) => ending,
            Err(why) => {
                // A code that is kept is sent again.
                self.look_again();
                self.dropped_for(Some(platform), why.word(), &why.to_string()).await
            }
        }
    }

    /// Says that a visit did not end in a sign-in now, without ending it. Of one that was given up meanwhile, nothing.
    async fn unanswered(&self, platform: &Platform, attempt: &str) -> Ending {
        let written = async {
            let _turn = self.turn(&platform.id).lock().await;
            let before = sign_ins::read(self.db.reader(), &platform.id).await?;
            let mut tx = self.db.begin().await?;
            let visit = pending_sign_ins::read(&mut *tx, &platform.id).await?;
            if visit.is_none_or(|row| row.attempt != attempt) {
                return Ok(Ending::Dropped);
            }
            if before.as_ref().is_none_or(|row| row.state != State::Connected) {
                let row = self.plain_row(platform, before.as_ref(), State::Failed("provider".to_owned()));
                sign_ins::put(&mut tx, &row, self.clock.now()).await?;
            }
            changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
            let why = Some("unanswered");
            audit::of_platform(&mut tx, Action::SignInFinish, &platform.id, why, self.clock.now()).await?;
            self.db.commit(tx).await?;
            Ok::<Ending, Fault>(Ending::NotConnected)
        };
        match written.await {
            Ok(Ending::Dropped) => {
                let why = Drop::NothingAwaited;
                self.dropped_for(Some(platform), why.word(), &why.to_string()).await
            }
            Ok(ending) => ending,
            Err(fault) => self.dropped_for(Some(platform), "internal", &fault.to_string()).await,
        }
    }

    /// Checks a return against the visit under way and claims it, keeping its code until it was redeemed. Who answered is
    /// checked before what was answered.
    async fn claim(
        &self,
        platform: &Platform,
        by: &str,
        callback: &Callback,
    ) -> Result<(String, Pending, Redeeming<'_>), Drop> {
        let (row, pending) = self.pending(platform).await?.ok_or(Drop::NothingAwaited)?;
        if pending.redirect != by && !off(Defence::OwnAddress) {
            return Err(Drop::OtherReturn);
        }
        let state = verify_slices_are_equal(pending.state.as_bytes(), callback.state.expose().as_bytes());
        if state.is_err() && !off(Defence::State) {
            return Err(Drop::State);
        }
        if row.used && !off(Defence::SingleUse) {
            return Err(Drop::Used);
        }
        if self.clock.now() >= row.expires_at && !off(Defence::TimeLimit) {
            return Err(Drop::Late);
        }
        check_issuer(&pending, callback)?;
        let redeeming = self.redeems(&row.attempt).ok_or(Drop::Used)?;
        let mut pending = pending;
        if let Answer::Code(code) = &callback.answer {
            pending.code = Some(code.expose().clone());
        }
        let mut tx = self.db.begin().await?;
        let body = self.pending_body(platform, &row.attempt, &pending)?;
        if !pending_sign_ins::claim(&mut tx, &platform.id, &row.attempt, body).await? && !off(Defence::SingleUse) {
            return Err(Drop::Used);
        }
        self.db.commit(tx).await?;
        self.returned(platform, &pending);
        Ok((row.attempt, pending, redeeming))
    }

    /// Ends a claimed visit: tokens or a reason, the visit's end and the change row in one transaction. Tokens that may not
    /// be used, or whose visit was given up, are revoked.
    pub(super) async fn finish(&self, platform: &Platform, attempt: &str, outcome: Outcome) -> Result<Ending, Drop> {
        let _turn = self.turn(&platform.id).lock().await;
        let before = sign_ins::read(self.db.reader(), &platform.id).await?;
        let mut tx = self.db.begin().await?;
        let failed = outcome.failed();
        let row = match (&outcome, failed) {
            (Outcome::Tokens(tokens), _) => Some(self.connected_row(platform, before.as_ref(), tokens)?),
            // A sign-in that still works is not lost because another try failed.
            _ if before.as_ref().is_some_and(|row| row.state == State::Connected) => None,
            (_, why) => {
                let state = State::Failed(why.unwrap_or_default().to_owned());
                Some(self.plain_row(platform, before.as_ref(), state))
            }
        };
        let current = off(Defence::SingleUse) || pending_sign_ins::delete(&mut tx, &platform.id, attempt).await?;
        let written = match &row {
            Some(row) if current => sign_ins::put(&mut tx, row, self.clock.now()).await?,
            Some(_) | None => current,
        };
        if !written {
            tx.rollback().await.map_err(StoreError::from)?;
            // Given up or begun anew meanwhile: nobody wants these tokens any more. They take the place of their code.
            match outcome.given() {
                Some(tokens) => {
                    let mut tx = self.db.begin().await?;
                    self.leave(&mut tx, platform, attempt, tokens).await?;
                    self.db.commit(tx).await?;
                    self.revoke_left(platform).await;
                }
                None => self.gave_nothing(platform, attempt).await?,
            }
            return Err(Drop::NothingAwaited);
        }
        let over = match (&outcome, &before) {
            (Outcome::Tokens(_), Some(row)) => {
                self.revocable(platform, row).map(|tokens| (row.serial.to_string(), tokens))
            }
            (Outcome::Unwanted(tokens), _) => Some((attempt.to_owned(), tokens.clone())),
            (Outcome::Tokens(_), None) | (Outcome::Nothing(_), _) => None,
        };
        if let Some((name, tokens)) = &over {
            self.leave(&mut tx, platform, name, tokens).await?;
        }
        changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
        audit::of_platform(&mut tx, Action::SignInFinish, &platform.id, failed, self.clock.now()).await?;
        self.db.commit(tx).await?;
        if over.is_some() {
            self.revoke_left(platform).await;
        }
        Ok(if failed.is_none() { Ending::Connected } else { Ending::NotConnected })
    }

    pub(super) fn connected_row(
        &self,
        platform: &Platform,
        before: Option<&SignInRow>,
        tokens: &tokens::Tokens,
    ) -> Result<SignInRow, VaultError> {
        let mut row = self.plain_row(platform, before, State::Connected);
        let plain = tokens.plain().map_err(|_| VaultError::Damaged)?;
        row.tokens = Some(self.seal_tokens(&row, &plain)?);
        Ok(row)
    }

    pub(super) fn plain_row(&self, platform: &Platform, before: Option<&SignInRow>, state: State) -> SignInRow {
        SignInRow {
            platform: platform.id.clone(),
            state,
            issuer: platform.issuer.clone(),
            account: None,
            serial: before.map_or(1, |row| row.serial.saturating_add(1)),
            tokens: None,
        }
    }

    /// Gives up waiting for the browser; an earlier sign-in stays.
    ///
    /// # Errors
    /// `NotFound` for an unknown platform; the store's faults.
    pub async fn cancel(&self, platform: &str) -> Result<SignInView, Fault> {
        let platform = self.known(platform)?;
        let mut tx = self.db.begin().await?;
        if self.give_up(&mut tx, platform).await? {
            auth_sessions::delete(&mut tx, &platform.id).await?;
            changes::append(&mut tx, Entity::SignIn, &platform.id, self.clock.now()).await?;
            audit::of_platform(&mut tx, Action::SignInCancel, &platform.id, None, self.clock.now()).await?;
            self.db.commit(tx).await?;
            self.look_again();
        }
        self.await_nothing(platform);
        self.close_listener(&platform.id);
        Ok(self.view_of(platform).await?)
    }

    /// A proof key of its own for every visit: 43 characters (RFC 7636 §4.1 wants 43 to 128).
    fn verifier(&self) -> Result<String, Fault> {
        if off(Defence::FreshVerifier) {
            return Ok("A".repeat(43));
        }
        if off(Defence::LongVerifier) { self.random_text::<16>() } else { self.random_text::<32>() }
    }

    /// Random bytes as URL-safe text: 43 characters for 32 bytes.
    pub(super) fn random_text<const N: usize>(&self) -> Result<String, Fault> {
        let mut bytes = Zeroizing::new([0; N]);
        aws_lc_rs::rand::SecureRandom::fill(&self.rng, &mut *bytes)
            .map_err(|_| Fault::new(FaultCode::Internal, "no randomness"))?;
        Ok(URL_SAFE_NO_PAD.encode(*bytes))
    }
}

/// The address of a visit that says itself what is asked.
fn openly(platform: &Platform, server: &Server, pending: &Pending) -> Result<Url, Fault> {
    let url = tokens::authorization_url(platform, server, pending);
    url.map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}

fn unusable(platform: &Platform, error: &dyn std::error::Error) -> Fault {
    Fault::new(FaultCode::ProviderUnavailable, format!("{}: {error}", platform.id))
}

/// Who answered: the issuer of the visit, byte for byte, in an error as in a code (RFC 9207 §2.4). It may be missing only
/// where the issuer never said that it names itself.
fn check_issuer(pending: &Pending, callback: &Callback) -> Result<(), Drop> {
    if off(Defence::Issuer) || (off(Defence::IssuerBeforeError) && matches!(callback.answer, Answer::Error(_))) {
        return Ok(());
    }
    match &callback.iss {
        #[cfg(test)]
        Some(iss) if off(Defence::IssuerExact) && naive::same_issuer(iss, &pending.issuer) => Ok(()),
        Some(iss) if *iss != pending.issuer => Err(Drop::Issuer),
        None if pending.iss_in_response && !off(Defence::IssuerPresent) => Err(Drop::NoIssuer),
        Some(_) | None => Ok(()),
    }
}
