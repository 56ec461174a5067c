//! Starting and stopping the parts behind the window.
//!
//! The window opens at once; commands wait until the parts are up, and are told if they did not come up.

use crate::{browser::SystemBrowser, events, links};
use std::{path::PathBuf, sync::Arc};
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::watch;
use zhiyou_embedded::{Embedded, Options};
use zhiyou_engine::{
    Engine,
    app::IDENTIFIER,
    fault::{Fault, FaultCode},
    vault::OsKeyring,
};

type Outcome = Option<Result<Arc<Engine>, Fault>>;

/// The engine, as soon as it is up.
pub(crate) struct Starting {
    outcome: watch::Sender<Outcome>,
    running: tokio::sync::Mutex<Option<Embedded>>,
}

impl Default for Starting {
    fn default() -> Self {
        Self { outcome: watch::Sender::new(None), running: tokio::sync::Mutex::new(None) }
    }
}

impl Starting {
    /// Waits for the engine.
    pub(crate) async fn engine(&self) -> Result<Arc<Engine>, Fault> {
        let mut outcome = self.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(gone())),
            Err(_) => Err(gone()),
        }
    }

    /// Tells everybody who waits how the start ended.
    pub(crate) fn ended(&self, outcome: Result<Arc<Engine>, Fault>) {
        self.outcome.send_replace(Some(outcome));
    }
}

fn gone() -> Fault {
    Fault::new(FaultCode::Internal, "the app is closing")
}

/// Starts the parts in the background.
pub(crate) fn begin<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let outcome = start(&app).await;
        if let Err(fault) = &outcome {
            tracing::error!(%fault, "the app could not start");
        }
        let starting = app.state::<Starting>();
        starting.ended(outcome);
        if let Ok(engine) = starting.engine().await {
            events::forward(&app, &engine);
            links::deliver(&app, engine);
        }
    });
}

async fn start<R: Runtime>(app: &AppHandle<R>) -> Result<Arc<Engine>, Fault> {
    let data_dir = data_dir(app)?;
    // A phone has one profile, and the path of its folder may be another after an update: a key named by it would be lost.
    let profile = if cfg!(mobile) { "profile".to_owned() } else { data_dir.display().to_string() };
    let embedded = Embedded::start(Options {
        data_dir,
        sandbox_url: std::env::var("ZHIYOU_SANDBOX_URL").ok(),
        account: zhiyou_embedded::account_of_environment()?,
        browser: Arc::new(SystemBrowser::new(app)),
        keys: Arc::new(OsKeyring::new(IDENTIFIER, &profile)),
    })
    .await?;
    let engine = Arc::clone(embedded.engine());
    *app.state::<Starting>().running.lock().await = Some(embedded);
    Ok(engine)
}

/// The folder of this profile.
pub(crate) fn data_dir<R: Runtime>(app: &AppHandle<R>) -> Result<PathBuf, Fault> {
    match std::env::var_os("ZHIYOU_DATA_DIR") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => app.path().app_data_dir().map_err(|error| Fault::new(FaultCode::Internal, error.to_string())),
    }
}

/// Stops the parts before the program ends.
pub(crate) fn finish<R: Runtime>(app: &AppHandle<R>) {
    let starting = app.state::<Starting>();
    tauri::async_runtime::block_on(async {
        if let Some(embedded) = starting.running.lock().await.take() {
            embedded.stop().await;
        }
    });
}

/// Writes what happens to standard error; `ZHIYOU_LOG` chooses how much.
pub(crate) fn logging() {
    zhiyou_embedded::logging::to_standard_error("warn,zhiyou=info");
}
