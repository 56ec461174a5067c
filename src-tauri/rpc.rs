//! The one command of the window: name and payload go to the engine, a view or a public fault comes back.

use crate::{MAIN, start::Starting};
use serde_json::Value;
use tauri::{AppHandle, Manager, Runtime, WebviewWindow};
use zhiyou_engine::{
    api::view::FaultView,
    fault::{Fault, FaultCode},
};

/// Carries out one command of the API.
///
/// # Errors
/// The public face of the fault: a code and its values.
#[tauri::command]
pub(crate) async fn rpc<R: Runtime>(
    app: AppHandle<R>,
    window: WebviewWindow<R>,
    name: String,
    payload: Value,
) -> Result<Value, FaultView> {
    // The grant names the window as well; this holds if a grant is ever widened by mistake.
    if window.label() != MAIN {
        return Err(FaultView::from(&Fault::new(FaultCode::NotFound, "not for this window")));
    }
    let call = tauri::async_runtime::spawn(async move {
        let engine = app.state::<Starting>().engine().await?;
        engine.dispatch(&name, payload).await
    });
    // A panic ends the task, not the app.
    let ended = call.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a command panicked");
        Err(Fault::new(FaultCode::Internal, error.to_string()))
    });
    ended.map_err(|fault| FaultView::from(&fault))
}
