//! The running engine: its parts, its start, and what a host may call.

use crate::ports::{Browser, Clock, KeyStore};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};
use tokio::{io::DuplexStream, sync::watch};
use url::Url;
use zhiyou_domain::fault::{Fault, FaultCode};

/// What a host gives the engine at the start.
pub struct Options {
    /// Where the database lives; created when missing.
    pub data_dir: PathBuf,
    /// MCP connection to the `flights` server.
    pub flights: DuplexStream,
    /// MCP connection to the `hotels` server.
    pub hotels: DuplexStream,
    /// MCP connection to the `payments` server.
    pub payments: DuplexStream,
    /// Bumped by the gateway after it applied a notification.
    pub wake: watch::Receiver<i64>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The system browser.
    pub browser: Arc<dyn Browser>,
    /// The system keyring.
    pub keys: Arc<dyn KeyStore>,
    /// Sandbox pages; present exactly in demo mode.
    pub demo: Option<Demo>,
    /// Issuer of the member platform `zz-club`.
    pub zz_club_issuer: Url,
}

/// What exists only in demo mode.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The sandbox's phone page.
    pub phone: Url,
}

/// The running engine.
pub struct Engine {}

impl Engine {
    /// Starts: opens the store, takes the writer's lease, recovers open orders, begins to run.
    ///
    /// # Errors
    /// A [`Fault`] with `DatabaseInUse`, `NewerVersion`, `DiskFull` or `Internal`.
    pub async fn start(_options: Options) -> Result<Arc<Self>, Fault> {
        Err(Fault::new(FaultCode::Internal, "not built yet"))
    }

    /// Carries out one command of the API.
    ///
    /// # Errors
    /// The command's [`Fault`]; nothing is half done.
    pub async fn dispatch(&self, _command: &str, _payload: Value) -> Result<Value, Fault> {
        Err(Fault::new(FaultCode::Internal, "not built yet"))
    }

    /// The newest change cursor; changes whenever something the interface shows has changed.
    pub fn doorbell(&self) -> watch::Receiver<i64> {
        watch::channel(0).1
    }

    /// Takes a link the system handed to the app (`zhiyou://…`). It completes a pending sign-in or selects a screen, and
    /// never moves money or state. Anything else is dropped without a word to the outside.
    pub async fn deep_link(&self, _link: &str) {}

    /// Stops: finishes running calls' bookkeeping and closes the store.
    pub async fn stop(&self) {}
}
