//! Sign-in to platforms: OAuth 2.0 for native apps (RFC 8252, RFC 9700) with the system browser and a proof key.
//!
//! One visit per platform at a time, returned by deep link or loopback; tokens sealed in the vault and given out for
//! calls to their own platform only. Deliberately not here: embedded login pages, client secrets, and what a platform's
//! token is used for.

mod access;
mod callback;
pub(crate) mod centre;
mod defence;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod http;
mod loopback;
mod metadata;
mod pending;
mod platform;
mod pushed;
mod recovery;
mod registration;
mod resolver;
mod telling;
#[cfg(test)]
mod tests;
mod tokens;
mod way;

pub use access::{AuthError, Bearer};
pub(crate) use pending::visit_of;
pub use platform::{Installed, Permission, Platform, PlatformError, Platforms, ThroughUs, is_path};

use crate::{
    api::view::{SignInStateView, SignInView},
    audit::drops::Drops,
    ports::{Browser, Clock},
    secret::Sensitive,
    store::{Db, StoreError, sign_ins},
    vault::{Vault, VaultError},
};
use aws_lc_rs::rand::SystemRandom;
use defence::{Defence, off};
use http::Http;
use metadata::{MetadataError, Server};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use zhiyou_domain::fault::{Fault, FaultCode};

/// Sign-in to all platforms of one profile.
pub struct Auth {
    db: Db,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    browser: Arc<dyn Browser>,
    rng: SystemRandom,
    /// For platforms out on the internet.
    strict: Http,
    /// For the sandbox's, on this machine.
    eased: Http,
    platforms: Vec<Platform>,
    turns: Vec<Turn>,
    /// Visits are stored and listeners exchanged in one order.
    starting: tokio::sync::Mutex<()>,
    listeners: Mutex<HashMap<String, Listener>>,
    /// Attempts whose code this run is redeeming.
    redeeming: Mutex<HashSet<String>>,
    /// Names of the visits whose return by deep link is awaited, by platform.
    awaited: Mutex<HashMap<String, String>>,
    /// Returns that came while the vault was closed, by platform.
    held: Mutex<HashMap<String, Sensitive<String>>>,
    /// Something may be to be told to a platform.
    owing: Notify,
    dropped: AtomicU64,
    drops: Drops,
}

/// Who may change a platform's tokens now, and how often that failed.
#[derive(Default)]
struct Turn {
    taken: tokio::sync::Mutex<()>,
    failures: AtomicU64,
}

/// A turn that was taken.
struct Taken<'a> {
    failures: &'a AtomicU64,
    _taken: tokio::sync::MutexGuard<'a, ()>,
}

/// Nobody changes tokens while this is held.
pub(crate) struct Resting<'a> {
    _turns: Vec<Taken<'a>>,
}

impl Turn {
    async fn lock(&self) -> Taken<'_> {
        Taken { failures: &self.failures, _taken: self.taken.lock().await }
    }
}

/// A listener for a loopback return; it closes when this is dropped.
struct Listener {
    stop: CancellationToken,
    _close: DropGuard,
}

impl Listener {
    fn new(stop: CancellationToken) -> Self {
        Self { _close: stop.clone().drop_guard(), stop }
    }
}

impl Auth {
    /// Sign-in to `platforms`.
    ///
    /// # Errors
    /// `Internal` when the HTTP client cannot be made.
    pub fn new(
        db: Db,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        browser: Arc<dyn Browser>,
        platforms: Vec<Platform>,
    ) -> Result<Self, Fault> {
        let http = |demo| Http::new(demo).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()));
        Ok(Self {
            db,
            vault,
            clock,
            browser,
            rng: SystemRandom::new(),
            strict: http(false)?,
            eased: http(true)?,
            turns: platforms.iter().map(|_| Turn::default()).collect(),
            platforms,
            starting: tokio::sync::Mutex::new(()),
            listeners: Mutex::new(HashMap::new()),
            redeeming: Mutex::new(HashSet::new()),
            awaited: Mutex::new(HashMap::new()),
            held: Mutex::new(HashMap::new()),
            owing: Notify::new(),
            dropped: AtomicU64::new(0),
            drops: Drops::default(),
        })
    }

    /// Whether the platform has given tokens that it may still accept.
    pub async fn is_connected(&self, platform: &str) -> bool {
        let Ok(platform) = self.known(platform) else { return false };
        match sign_ins::read(self.db.reader(), &platform.id).await {
            Ok(row) => row.is_some_and(|row| row.state == sign_ins::State::Connected && row.issuer == platform.issuer),
            Err(_) => false,
        }
    }

    /// Closes every listener. What is awaited stays stored; see [`Auth::resume`].
    pub async fn stop(&self) {
        self.listeners().clear();
    }

    /// Where one platform's sign-in stands.
    ///
    /// # Errors
    /// `NotFound` for an unknown platform; the store's faults.
    pub async fn view(&self, platform: &str) -> Result<SignInView, Fault> {
        Ok(self.view_of(self.known(platform)?).await?)
    }

    async fn view_of(&self, platform: &Platform) -> Result<SignInView, StoreError> {
        let state = self.state_of(platform).await?;
        Ok(self.viewed(platform, state).await)
    }

    async fn viewed(&self, platform: &Platform, state: SignInStateView) -> SignInView {
        let untold = self.is_untold(platform).await.unwrap_or_else(|error| {
            tracing::warn!(%error, platform = platform.id, "whether a platform is still to be told could not be read");
            false
        });
        SignInView {
            platform: platform.id.clone(),
            name: platform.name.clone(),
            purpose: platform.purpose.clone(),
            host: platform.host(),
            permissions: platform.permissions.iter().map(|permission| permission.means.clone()).collect(),
            returns: way::offered(platform, way::LISTENS),
            readable: platform.mcp.is_some(),
            state,
            untold,
            needed_for: Vec::new(),
        }
    }

    async fn state_of(&self, platform: &Platform) -> Result<SignInStateView, StoreError> {
        let visit = match self.pending(platform).await {
            Ok(visit) => visit,
            Err(VaultError::Store(error)) => return Err(error),
            // What cannot be opened cannot be returned to either.
            Err(_) => None,
        };
        let ran_out = match visit {
            // Its return came, and its code is not redeemed yet: nobody is waited for in the browser.
            Some((row, _)) if row.used && self.awaits_redemption(platform).await => false,
            Some((row, pending)) if self.clock.now() < row.expires_at => {
                return Ok(SignInStateView::Waiting { url: pending.url.clone(), expires_at_us: row.expires_at.0 });
            }
            Some(_) => true,
            None => false,
        };
        let row = sign_ins::read(self.db.reader(), &platform.id).await?;
        Ok(match row {
            Some(row) if row.state == sign_ins::State::Connected && row.issuer == platform.issuer => {
                let granted = self.scopes(&row).map(|scopes| platform.granted(&scopes));
                SignInStateView::Connected { account: row.account, granted }
            }
            Some(row) if matches!(row.state, sign_ins::State::Connected | sign_ins::State::Expired) => {
                SignInStateView::Expired
            }
            Some(row) if row.state == sign_ins::State::Revoked => SignInStateView::Revoked,
            _ if ran_out => SignInStateView::Failed { why: "expired".to_owned() },
            Some(sign_ins::SignInRow { state: sign_ins::State::Failed(why), .. }) => SignInStateView::Failed { why },
            Some(_) | None => SignInStateView::Disconnected,
        })
    }

    /// Names of all platforms.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = &str> {
        self.platforms.iter().map(|platform| platform.id.as_str())
    }

    /// What a sign-in was granted, in the platform's words; `None` while that cannot be opened.
    fn scopes(&self, row: &sign_ins::SignInRow) -> Option<Vec<String>> {
        self.open_tokens(row).ok().flatten().map(|tokens| tokens.scopes.clone())
    }

    /// Whether the sandbox's ease is the platform's: plain HTTP to a loopback address, and no proxy between.
    fn is_eased(&self, platform: &Platform) -> bool {
        platform.sandbox || off(Defence::StrictAbroad)
    }

    fn http(&self, platform: &Platform) -> &Http {
        if self.is_eased(platform) { &self.eased } else { &self.strict }
    }

    async fn discover(&self, platform: &Platform) -> Result<Server, MetadataError> {
        metadata::discover(self.http(platform), platform, self.is_eased(platform)).await
    }

    fn known(&self, platform: &str) -> Result<&Platform, Fault> {
        let found = self.platforms.iter().find(|known| known.id == platform);
        found.ok_or_else(|| Fault::new(FaultCode::NotFound, "no such platform"))
    }

    /// Waits until no platform's tokens are being replaced, and keeps it so: new ones that come while the vault closes could
    /// not be kept, and the old ones are good no more. As long as a platform may take to answer, at most.
    pub(crate) async fn rests(&self) -> Resting<'_> {
        let mut taken = Vec::with_capacity(self.turns.len());
        for turn in &self.turns {
            taken.push(turn.lock().await);
        }
        Resting { _turns: taken }
    }

    /// The platform's turn; every known platform has one.
    fn turn(&self, platform: &str) -> &Turn {
        static NOBODYS: std::sync::LazyLock<Turn> = std::sync::LazyLock::new(Turn::default);
        let index = self.platforms.iter().position(|known| known.id == platform);
        index.and_then(|index| self.turns.get(index)).unwrap_or(&NOBODYS)
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<String, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_listener(&self, platform: &str) {
        if let Some(listener) = self.listeners().remove(platform) {
            listener.stop.cancel();
        }
    }
}
