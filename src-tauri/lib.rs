//! The shell: the window, its one command to the core, the doorbell, deep links, the keyring and the browser.
//!
//! Deliberately not here: business rules, and anything a headless program would need too.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod browser;
mod defence;
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
    let builder = tauri::Builder::default();
    // First of all plugins: a second start must hand its link over before it does anything else. A phone starts an app once.
    #[cfg(desktop)]
    let builder =
        builder.plugin(tauri_plugin_single_instance::init(|app, arguments, _| links::from_arguments(app, &arguments)));
    let app = builder
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![rpc::rpc, events::bell])
        .setup(|app| {
            let handle = app.handle().clone();
            app.manage(start::Starting::default());
            app.manage(events::Bell::default());
            app.manage(links::queue(start::data_dir(&handle)));
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
    if defence::off(defence::Defence::OwnPages) {
        return true;
    }
    match (url.scheme(), url.host_str()) {
        ("tauri", Some("localhost")) => true,
        ("http" | "https", Some("tauri.localhost")) => url.port().is_none() && url.username().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod configured;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod reviewed;

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_engine::link;

    #[test]
    fn ta_05_the_window_shows_its_own_pages_and_nothing_else() {
        let ours = |text: &str| is_ours(&text.parse().unwrap());
        assert!(ours("tauri://localhost/index.html") && ours("http://tauri.localhost/"));
        for foreign in [
            "https://evil.com/",
            "http://tauri.evil.com/",
            "https://tauri.localhost.evil.com/",
            "http://tauri.localhost:8080/",
            "http://evil@tauri.localhost/",
            "http://127.0.0.1:1420/",
            "tauri://evil/index.html",
            "tauri://localhost.evil.com/",
        ] {
            defence::stands(defence::Defence::OwnPages, || ours(foreign));
        }
    }

    #[test]
    fn ta_06_the_window_shows_no_page_of_another_kind() {
        for foreign in [
            "file:///etc/passwd",
            "data:text/html,<script>1</script>",
            "javascript:alert(1)",
            "blob:tauri://localhost/0",
            "about:blank",
            "about:srcdoc",
            "view-source:tauri://localhost/",
            link!("auth/zz-club?code=a&state=s"),
        ] {
            defence::stands(defence::Defence::OwnPages, || is_ours(&foreign.parse().unwrap()));
        }
    }

    #[test]
    fn the_window_is_granted_single_permissions_only() {
        let text = include_str!("../capabilities/main.json");
        let capability: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(capability["permissions"], serde_json::json!(["allow-bell", "allow-rpc"]));
        assert_eq!(capability["windows"], serde_json::json!([MAIN]));
        assert!(capability.get("remote").is_none() && !text.contains("default"));
    }
}
