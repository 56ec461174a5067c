//! The one command to the core: name and payload go to the engine, a view or a public fault comes back.

use crate::{
    MAIN,
    defence::{Defence, off},
    start::Starting,
};
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
    for_main(&window)?;
    let call = tauri::async_runtime::spawn(async move {
        let engine = app.state::<Starting>().engine().await?;
        engine.dispatch(&name, payload).await
    });
    // A panic ends the task, not the app.
    let ended = call.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a command panicked");
        Err(Fault::new(FaultCode::Internal, error.to_string()))
    });
    ended.map_err(|fault| told(&fault))
}

/// Nothing for any other window. The grants name the window as well; this holds if one is ever widened by mistake.
pub(crate) fn for_main<R: Runtime>(window: &WebviewWindow<R>) -> Result<(), FaultView> {
    if window.label() == MAIN || off(Defence::OwnWindow) {
        return Ok(());
    }
    Err(told(&Fault::new(FaultCode::NotFound, "not for this window")))
}

/// What a page is told of a fault; the rest is in the log.
fn told(fault: &Fault) -> FaultView {
    let mut view = FaultView::from(fault);
    if off(Defence::CodesOnly) {
        view.params.insert("internal".to_owned(), fault.internal.clone());
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::stands;

    #[test]
    fn ta_35_a_page_learns_no_path_statement_or_secret_of_a_fault() {
        for internal in [
            "/home/xia/.local/share/app.zhiyou.desktop/zhiyou.sqlite: locked by 4711",
            "error returned from database: near \"SELECT sealed FROM vault\": syntax error",
            "401 with bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
            "thread panicked at crates/engine/src/engine.rs:120",
        ] {
            let fault = Fault::new(FaultCode::Internal, internal).with("path", "title");
            stands(Defence::CodesOnly, || {
                serde_json::to_value(told(&fault)).unwrap().to_string().contains(&internal[..12])
            });
            assert_eq!(told(&fault).params.into_iter().collect::<Vec<_>>(), [("path".to_owned(), "title".to_owned())]);
        }
    }
}
