//! The doorbell: one empty event whenever something changed; the page then pulls what.
//!
//! Events never carry content: every message costs the page memory for good, and a pulled batch cannot be missed.

use crate::MAIN;
use std::{sync::Arc, time::Duration};
use tauri::{AppHandle, Emitter, Runtime};
use zhiyou_engine::Engine;

/// The least time between two rings.
const PAUSE: Duration = Duration::from_millis(10);

/// Rings for as long as the engine runs.
pub(crate) fn forward<R: Runtime>(app: &AppHandle<R>, engine: &Arc<Engine>) {
    // Shows in a test that nothing polls: without the bell the page stays as it is.
    if cfg!(debug_assertions) && std::env::var_os("ZHIYOU_TEST_NO_EVENTS").is_some() {
        return;
    }
    let (app, mut doorbell) = (app.clone(), engine.doorbell());
    tauri::async_runtime::spawn(async move {
        while doorbell.changed().await.is_ok() {
            #[allow(clippy::disallowed_methods, reason = "this is the doorbell")]
            if let Err(error) = app.emit_to(MAIN, "changes", ()) {
                tracing::warn!(%error, "the doorbell did not ring");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}
