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

/// Every command the framework and the plugins know here, as the build resolved them; ours among them.
fn every_command() -> Vec<String> {
    let manifests: Value = serde_json::from_str(include_str!("../gen/schemas/acl-manifests.json")).unwrap();
    let mut commands = std::collections::BTreeSet::new();
    for (plugin, manifest) in manifests.as_object().unwrap() {
        for permission in manifest["permissions"].as_object().unwrap().values() {
            for list in ["allow", "deny"] {
                for command in permission["commands"][list].as_array().unwrap() {
                    let command = command.as_str().unwrap();
                    let plugin = plugin.strip_prefix("core:").unwrap_or(plugin);
                    commands.insert(if plugin == "__app-acl__" {
                        command.to_owned()
                    } else {
                        format!("plugin:{plugin}|{command}")
                    });
                }
            }
        }
    }
    commands.into_iter().collect()
}

/// TA-01, TA-02, TA-03, TA-18, TA-32, TA-34: the matrix of commands, windows and pages, cell by cell.
#[test]
fn ta_01_every_command_from_every_window_and_page_is_refused_but_the_three_that_are_granted() {
    let app = app();
    let (mut cells, mut let_through) = (0, std::collections::BTreeSet::new());
    let commands = every_command();
    for label in [MAIN, "consent", "about"] {
        for origin in [
            OUR_PAGE,
            "https://evil.com",
            "http://tauri.evil.com",
            "https://tauri.localhost.evil",
            "http://127.0.0.1:1420",
            "file:///etc/passwd",
        ] {
            for command in &commands {
                cells += 1;
                let answer = call(&app, label, origin, command, json!({}));
                let text =
                    answer.as_ref().err().and_then(|error| error.as_str().map(str::to_owned)).unwrap_or_default();
                if !text.contains("not allowed") && !text.contains("not found") {
                    let_through.insert((label, origin, command.clone()));
                }
            }
        }
    }
    assert!(commands.len() > 100, "the list of commands is not the framework's");
    assert_eq!(cells, 3 * 6 * commands.len());
    let granted =
        ["plugin:event|listen", "plugin:event|unlisten", "rpc"].map(|command| (MAIN, OUR_PAGE, command.to_owned()));
    assert_eq!(let_through.into_iter().collect::<Vec<_>>(), granted);
}

/// TA-29, TA-31, TA-33: nothing of it is switched on.
#[test]
fn ta_29_no_global_object_no_asset_protocol_no_broad_grant_and_no_remote_page() {
    let config: Value = serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
    assert_eq!(config["app"]["withGlobalTauri"], false);
    assert!(config["app"]["security"].get("assetProtocol").is_none());
    let capabilities: Value = serde_json::from_str(include_str!("../gen/schemas/capabilities.json")).unwrap();
    for capability in capabilities.as_object().unwrap().values() {
        assert!(capability.get("remote").is_none());
        for permission in capability["permissions"].as_array().unwrap() {
            let permission = permission.as_str().unwrap();
            assert!(!permission.ends_with("default") && !permission.contains('*'), "{permission}");
        }
    }
}

/// TA-13, TA-14, TA-15: odd payloads are a typed answer.
#[test]
fn ta_13_huge_and_odd_payloads_are_answered_and_the_app_goes_on() {
    let app = app();
    let names = ["get_order", "confirm_order", "../get_order", "get_order\0", "ɡet_order", "' OR 1=1 --"];
    for name in names {
        for payload in
            [json!("x".repeat(1_000_000)), json!({ "order_id": "../../etc/passwd" }), json!(-1.5), Value::Null]
        {
            let answer = call(&app, MAIN, OUR_PAGE, "rpc", json!({ "name": name, "payload": payload })).unwrap_err();
            assert!(answer["code"].is_string(), "{name}: {answer}");
        }
    }
    assert_eq!(asks(&app, MAIN, OUR_PAGE)["code"], "database_in_use");
}
