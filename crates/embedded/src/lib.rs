//! Engine, gateway and sandbox joined in one process: the default way to run, and what every headless tool uses.
//!
//! Deliberately not here: anything the three parts decide for themselves.

use std::{path::PathBuf, sync::Arc};
use zhiyou_domain::fault::{Fault, FaultCode};
use zhiyou_engine::{
    Engine,
    ports::{Browser, KeyStore},
};

/// How to start.
pub struct Options {
    /// Where everything lives; created when missing.
    pub data_dir: PathBuf,
    /// A sandbox that already runs, as `http://:<control token>@127.0.0.1:<control port>`; otherwise one is started here.
    pub sandbox_url: Option<String>,
    /// The system browser.
    pub browser: Arc<dyn Browser>,
    /// The system keyring.
    pub keys: Arc<dyn KeyStore>,
}

/// The three parts, running.
pub struct Embedded {
    engine: Arc<Engine>,
}

impl Embedded {
    /// Starts sandbox (unless one is given), gateway and engine, in this order.
    ///
    /// # Errors
    /// A [`Fault`]; what was started is stopped again.
    pub async fn start(_options: Options) -> Result<Self, Fault> {
        Err(Fault::new(FaultCode::Internal, "not built yet"))
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Stops engine, gateway and sandbox, in this order.
    pub async fn stop(self) {}
}
