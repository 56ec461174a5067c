//! The doorbell: one empty message whenever something changed; the page then pulls what.
//!
//! It rings in a channel that a page hands over once it is loaded; only the newest page has one. Messages never carry
//! content: every one costs the page memory for good, and a pulled batch cannot be missed. Deliberately not here: the
//! framework's events. Who may listen to one may listen to all of them, and links to the app come as one.

use crate::rpc::for_main;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tauri::{AppHandle, Manager, Runtime, State, WebviewWindow, ipc::Channel};
use zhiyou_engine::{Engine, api::view::FaultView};

/// The least time between two rings.
const PAUSE: Duration = Duration::from_millis(10);

/// Where the page hears the doorbell, if there is a page.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Option<Channel<()>>>);

impl Bell {
    fn channel(&self) -> MutexGuard<'_, Option<Channel<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the page of this channel hears it, and the one before no more.
    fn hang(&self, channel: Channel<()>) {
        // What was there before ends after the lock: its page is told.
        let _before = self.channel().replace(channel);
    }

    /// Rings once; where nobody listens yet, whoever comes reads everything anyway.
    pub(crate) fn ring(&self) -> tauri::Result<()> {
        let channel = self.channel().clone();
        channel.map_or(Ok(()), |channel| channel.send(()))
    }
}

/// Takes the channel in which a page wants to hear that something changed.
///
/// # Errors
/// Every window but the main one is told that there is nothing.
#[tauri::command]
pub(crate) fn bell<R: Runtime>(
    window: WebviewWindow<R>,
    bell: State<'_, Bell>,
    channel: Channel<()>,
) -> Result<(), FaultView> {
    for_main(&window)?;
    bell.hang(channel);
    Ok(())
}

/// Rings for as long as the engine runs.
pub(crate) fn forward<R: Runtime>(app: &AppHandle<R>, engine: &Arc<Engine>) {
    // Shows in a test that nothing polls: without the bell the page stays as it is.
    if cfg!(debug_assertions) && std::env::var_os("ZHIYOU_TEST_NO_EVENTS").is_some() {
        return;
    }
    let (app, mut doorbell) = (app.clone(), engine.doorbell());
    tauri::async_runtime::spawn(async move {
        while doorbell.changed().await.is_ok() {
            if let Err(error) = app.state::<Bell>().ring() {
                tracing::warn!(%error, "the doorbell did not ring");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}
