//! Who may call what, asked of the framework itself on its mock runtime, with the product's own grants: no display needed.

use crate::{MAIN, rpc, start::Starting};
use serde_json::{Value, json};
use tauri::{
    App, Manager, WebviewUrl, WebviewWindowBuilder,
    ipc::{CallbackFn, InvokeBody},
    test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder},
    webview::InvokeRequest,
};
use zhiyou_engine::fault::{Fault, FaultCode};

const OUR_PAGE: &str = "tauri://localhost";

/// An app whose parts did not start: a call that is let through answers with that fault.
fn app() -> App<MockRuntime> {
    let app = without_parts();
    let starting = Starting::default();
    starting.ended(Err(Fault::new(FaultCode::DatabaseInUse, "/home/xia/.local/share: locked by 4711")));
    app.manage(starting);
    app
}

#[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
fn without_parts() -> App<MockRuntime> {
    mock_builder()
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![rpc::rpc])
        .build(tauri::generate_context!())
        .unwrap()
}

fn call(app: &App<MockRuntime>, label: &str, origin: &str, command: &str, arguments: Value) -> Result<Value, Value> {
    let window = app
        .get_webview_window(label)
        .unwrap_or_else(|| WebviewWindowBuilder::new(app, label, WebviewUrl::default()).build().unwrap());
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: origin.parse().unwrap(),
        body: InvokeBody::Json(arguments),
        headers: tauri::http::HeaderMap::default(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    get_ipc_response(&window, request).map(|body| body.deserialize().unwrap())
}

fn asks(app: &App<MockRuntime>, label: &str, origin: &str) -> Value {
    call(app, label, origin, "rpc", json!({ "name": "get_session", "payload": {} })).unwrap_err()
}

#[test]
fn the_main_window_may_call_and_learns_the_code_of_a_fault_but_nothing_internal() {
    let answer = asks(&app(), MAIN, OUR_PAGE);
    assert_eq!(answer, json!({ "code": "database_in_use", "params": {} }));
}

#[test]
fn no_other_window_may_call() {
    let app = app();
    for label in ["consent", "main2", "about"] {
        let answer = asks(&app, label, OUR_PAGE);
        assert!(answer.as_str().is_some_and(|text| text.contains("not allowed")), "{label}: {answer}");
    }
}

#[test]
fn no_foreign_page_may_call_not_even_in_the_main_window() {
    let app = app();
    for origin in [
        "https://evil.com",
        "http://tauri.evil.com",
        "http://zhiyou.localhost.evil.com",
        "https://tauri.localhost.evil",
        "http://127.0.0.1:1420",
        "file:///etc/passwd",
    ] {
        let answer = asks(&app, MAIN, origin);
        assert!(answer.as_str().is_some_and(|text| text.contains("not allowed")), "{origin}: {answer}");
    }
}

#[test]
fn the_main_window_may_listen_and_not_speak_open_or_look_around() {
    let app = app();
    let listen = json!({ "event": "changes", "target": { "kind": "Any" }, "handler": 1 });
    assert!(call(&app, MAIN, OUR_PAGE, "plugin:event|listen", listen).is_ok());
    for (command, arguments) in [
        ("plugin:event|emit", json!({ "event": "changes", "payload": {} })),
        ("plugin:event|emit_to", json!({ "target": { "kind": "Any" }, "event": "changes", "payload": {} })),
        ("plugin:opener|open_url", json!({ "url": "https://example.com" })),
        ("plugin:opener|open_path", json!({ "path": "/etc/passwd" })),
        ("plugin:deep-link|get_current", json!({})),
        ("plugin:window|create", json!({ "options": { "label": "x" } })),
        ("plugin:webview|create_webview_window", json!({ "options": { "label": "x" } })),
        ("plugin:path|resolve_directory", json!({ "directory": 1 })),
        ("plugin:app|version", json!({})),
        ("anything", json!({})),
    ] {
        let answer = call(&app, MAIN, OUR_PAGE, command, arguments).unwrap_err();
        let refused = answer.as_str().is_some_and(|text| text.contains("not allowed") || text.contains("not found"));
        assert!(refused, "{command}: {answer}");
    }
}

#[test]
fn a_panic_in_a_command_is_an_answer() {
    // Asking for parts that nobody put there panics.
    let app = without_parts();
    for _ in 0..2 {
        assert_eq!(asks(&app, MAIN, OUR_PAGE), json!({ "code": "internal", "params": {} }));
    }
}

#[test]
fn wrong_arguments_are_an_answer_and_no_crash() {
    let app = app();
    for arguments in [json!({}), json!({ "name": 1, "payload": {} }), json!({ "name": "get_session" }), json!([])] {
        assert!(call(&app, MAIN, OUR_PAGE, "rpc", arguments.clone()).is_err(), "{arguments}");
    }
    assert_eq!(asks(&app, MAIN, OUR_PAGE)["code"], "database_in_use");
}
