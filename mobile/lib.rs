//! The app on a phone: the libraries that the projects in `gen/` load, with the entry point those look for.
//!
//! Deliberately not here: the app itself (`src-tauri/`), and anything on a computer, where this is empty. It is a package of
//! its own because these two kinds of library would cost every build on a computer more than all the rest.

/// Runs the app; called by the phone's own project.
#[cfg(mobile)]
#[tauri::mobile_entry_point]
pub fn run() {
    zhiyou_app::run();
}
