//! An empty window: what any program built this way costs before it does anything.

use std::process::ExitCode;

#[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
fn main() -> ExitCode {
    match tauri::Builder::default().run(tauri::generate_context!()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
