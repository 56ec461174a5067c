//! The shell: the window, its one command, the doorbell, deep links, the keyring and the browser.
//!
//! Deliberately not here: business rules, and anything a headless program would need too.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod browser;
mod events;
mod links;
mod rpc;
mod start;

use std::process::ExitCode;
use tauri::{Manager, RunEvent, WebviewUrl, WebviewWindowBuilder};

/// Label of the only window.
pub const MAIN: &str = "main";

/// Runs the app until its window is closed.
#[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
pub fn run() -> ExitCode {
    start::logging();
    let app = tauri::Builder::default()
        // First of all plugins: a second start must hand its link over before it does anything else.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| links::from_arguments(app, &arguments)))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![rpc::rpc])
        .setup(|app| {
            let handle = app.handle().clone();
            app.manage(start::Starting::default());
            app.manage(links::Queue::new());
            links::listen(&handle);
            window(app)?;
            start::begin(&handle);
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => {
            app.run(|app, event| {
                if matches!(event, RunEvent::Exit) {
                    start::finish(app);
                }
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the app could not be opened");
            ExitCode::FAILURE
        }
    }
}

fn window(app: &tauri::App) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title("智游助手 Zhiyou")
        .inner_size(1280.0, 860.0)
        .min_inner_size(360.0, 600.0)
        .disable_drag_drop_handler()
        .on_navigation(is_ours)
        .on_new_window(|_, _| tauri::webview::NewWindowResponse::Deny)
        .devtools(cfg!(debug_assertions))
        .build()
        .map(|_| ())
}

/// The only pages the window may show are the ones inside this program.
fn is_ours(url: &url::Url) -> bool {
    match (url.scheme(), url.host_str()) {
        ("tauri", Some("localhost")) => true,
        ("http" | "https", Some("tauri.localhost")) => url.port().is_none() && url.username().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod grants;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_shows_its_own_pages_and_nothing_else() {
        let ours = |text: &str| is_ours(&text.parse().unwrap());
        assert!(ours("tauri://localhost/index.html") && ours("http://tauri.localhost/"));
        for foreign in [
            "https://evil.com/",
            "http://tauri.evil.com/",
            "https://tauri.localhost.evil.com/",
            "http://tauri.localhost:8080/",
            "file:///etc/passwd",
            "data:text/html,x",
            "zhiyou://auth/zz-club",
        ] {
            assert!(!ours(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_window_is_granted_single_permissions_only() {
        let text = include_str!("../capabilities/main.json");
        let capability: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            capability["permissions"],
            serde_json::json!(["allow-rpc", "core:event:allow-listen", "core:event:allow-unlisten"])
        );
        assert_eq!(capability["windows"], serde_json::json!([MAIN]));
        assert!(capability.get("remote").is_none() && !text.contains("default"));
    }

    #[test]
    fn the_configuration_keeps_the_page_apart_from_the_core() {
        let config: serde_json::Value = serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
        assert_eq!(config["app"]["withGlobalTauri"], false);
        assert_eq!(config["app"]["security"]["freezePrototype"], true);
        assert!(config["build"].get("devUrl").is_none());
        assert_eq!(
            config["app"]["security"]["csp"],
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src ipc: http://ipc.localhost; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'"
        );
    }
}
