//! Deep links: taken in Rust before any page can see them, and handed to the engine.
//!
//! A link that started the app is read once; a link for the running app comes through the single-instance plugin. Both
//! enter one short queue; what does not fit is dropped. Deliberately not here: what a link may do.

use crate::MAIN;
use std::sync::{Arc, Mutex, PoisonError};
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_deep_link::DeepLinkExt;
use tokio::sync::mpsc;
use zhiyou_engine::Engine;

/// Links waiting at most.
const WAITING_MAX: usize = 64;
/// Longest accepted link, bytes.
const BYTES_MAX: usize = 4096;

/// Links waiting for the engine.
pub(crate) struct Queue {
    enter: mpsc::Sender<String>,
    leave: Mutex<Option<mpsc::Receiver<String>>>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let (enter, leave) = mpsc::channel(WAITING_MAX);
        Self { enter, leave: Mutex::new(Some(leave)) }
    }

    fn push(&self, link: &str) {
        if link.len() > BYTES_MAX || self.enter.try_send(link.to_owned()).is_err() {
            tracing::warn!(bytes = link.len(), "a link was dropped");
        }
    }
}

/// Reads the link the app was started with, registers the scheme, and listens for more.
pub(crate) fn listen<R: Runtime>(app: &AppHandle<R>) {
    // On Linux and Windows a program that is not installed has to register itself.
    #[cfg(any(target_os = "linux", target_os = "windows"))]
    if let Err(error) = app.deep_link().register_all() {
        tracing::warn!(%error, "links to the app could not be registered; sign-in by local address still works");
    }
    let queue = app.state::<Queue>();
    match app.deep_link().get_current() {
        Ok(Some(urls)) => urls.iter().for_each(|url| queue.push(url.as_str())),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the starting link could not be read"),
    }
    let later = app.clone();
    app.deep_link().on_open_url(move |event| {
        let queue = later.state::<Queue>();
        event.urls().iter().for_each(|url| queue.push(url.as_str()));
    });
}

/// A second start of the program: its window comes to the front. Its link arrives through the deep-link plugin.
pub(crate) fn from_arguments<R: Runtime>(app: &AppHandle<R>, _arguments: &[String]) {
    if let Some(window) = app.get_webview_window(MAIN) {
        let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!(%error, "the window did not come to the front");
        }
    }
}

/// Hands waiting and coming links to the engine, one at a time.
pub(crate) fn deliver<R: Runtime>(app: &AppHandle<R>, engine: Arc<Engine>) {
    let queue = app.state::<Queue>();
    let Some(mut links) = queue.leave.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    tauri::async_runtime::spawn(async move {
        while let Some(link) = links.recv().await {
            engine.deep_link(&link).await;
        }
    });
}
