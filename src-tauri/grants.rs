//! Who may call what, asked of the framework itself on its mock runtime, with the product's own grants: no display needed.
//!
//! What a missing grant is for is shown by an app that has one capability more. Deliberately not here: what all grants come
//! to (`reviewed.rs`), and what is configured besides (`configured.rs`).

use crate::{
    MAIN,
    defence::{Defence, stands},
    events::{self, Bell},
    rpc,
    start::Starting,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tauri::{
    App, Builder, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    ipc::{CallbackFn, Invoke, InvokeBody},
    test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets},
    webview::InvokeRequest,
};
use tauri_plugin_deep_link::DeepLinkExt;
use zhiyou_engine::{
    api::NAMES,
    fault::{Fault, FaultCode},
    link,
};

const OUR_PAGE: &str = "tauri://localhost";
const FOREIGN: [&str; 7] = [
    "https://evil.com",
    "http://tauri.evil.com",
    "http://zhiyou.localhost.evil.com",
    "https://tauri.localhost.evil",
    "http://tauri.localhost.evil.com",
    "http://127.0.0.1:1420",
    "file:///etc/passwd",
];
const WINDOWS: [&str; 3] = [MAIN, "consent", "about"];
/// A return as a platform sends it, with what nobody but the core is to read.
const RETURN: &str = link!("auth/zz-club?code=OnlyForTheCore&state=Ab-_567890123456789012345678901234567890123");

fn builder() -> Builder<MockRuntime> {
    mock_builder()
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![rpc::rpc, events::bell])
}

#[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
fn without_parts(builder: Builder<MockRuntime>) -> App<MockRuntime> {
    let app = builder.build(tauri::generate_context!()).unwrap();
    app.manage(Bell::default());
    app
}

/// An app whose parts did not start: a call that is let through answers with that fault.
fn app() -> App<MockRuntime> {
    let app = without_parts(builder());
    let starting = Starting::default();
    starting.ended(Err(Fault::new(FaultCode::DatabaseInUse, "/home/xia/.local/share: locked by 4711")));
    app.manage(starting);
    app
}

/// The same with one more capability.
fn with_more(mut capability: Value) -> App<MockRuntime> {
    capability["identifier"] = "more".into();
    let app = app();
    app.add_capability(capability.to_string()).unwrap();
    app
}

fn window(app: &App<MockRuntime>, label: &str) -> WebviewWindow<MockRuntime> {
    app.get_webview_window(label)
        .unwrap_or_else(|| WebviewWindowBuilder::new(app, label, WebviewUrl::default()).build().unwrap())
}

fn call(app: &App<MockRuntime>, label: &str, origin: &str, command: &str, arguments: Value) -> Result<Value, Value> {
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: origin.parse().unwrap(),
        body: InvokeBody::Json(arguments),
        headers: tauri::http::HeaderMap::default(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    get_ipc_response(&window(app, label), request).map(|body| body.deserialize().unwrap())
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// No grant covers it: not this command, not this window or not this page.
    Refused,
    /// No permission anywhere is for a command of this name.
    Unheard,
    /// Something was called, whatever it answered.
    LetThrough,
}

fn end(answer: &Result<Value, Value>) -> End {
    let text = answer.as_ref().err().and_then(Value::as_str).unwrap_or_default();
    if text.contains(" not allowed. Permissions associated with this command: ") || text.contains(" not allowed on ") {
        End::Refused
    } else if text.ends_with(" not allowed. Command not found") || text.ends_with(" not allowed. Plugin not found") {
        End::Unheard
    } else {
        End::LetThrough
    }
}

/// Calls from our own page in the main window.
fn ends(app: &App<MockRuntime>, command: &str, arguments: Value) -> End {
    end(&call(app, MAIN, OUR_PAGE, command, arguments))
}

fn asks(app: &App<MockRuntime>, label: &str, origin: &str) -> Result<Value, Value> {
    call(app, label, origin, "rpc", json!({ "name": "get_session", "payload": {} }))
}

/// What the page in the main window was told to run last.
fn last_run(app: &App<MockRuntime>) -> String {
    format!("{:?}", window(app, MAIN))
}

#[test]
fn the_main_window_may_call_and_learns_the_code_of_a_fault_but_nothing_internal() {
    let answer = asks(&app(), MAIN, OUR_PAGE);
    assert_eq!(answer, Err(json!({ "code": "database_in_use", "params": {} })));
}

#[test]
fn ta_01_no_other_window_may_call() {
    let others = |app: &App<MockRuntime>| ["consent", "main2", "about"].map(|label| end(&asks(app, label, OUR_PAGE)));
    assert_eq!(others(&app()), [End::Refused; 3]);
    let wide = with_more(json!({ "windows": ["*"], "permissions": ["allow-rpc"] }));
    assert_eq!(others(&wide), [End::LetThrough; 3]);
    // Let through by mistake, it is told that there is nothing.
    assert_eq!(asks(&wide, "about", OUR_PAGE), Err(json!({ "code": "not_found", "params": {} })));
}

#[test]
fn ta_01_another_window_with_a_grant_by_mistake_is_answered_nothing() {
    let app = app();
    for label in ["consent", "main2", "about"] {
        stands(Defence::OwnWindow, || rpc::for_main(&window(&app, label)).is_ok());
    }
}

#[test]
fn ta_02_ta_03_no_foreign_page_may_call_not_even_in_the_main_window() {
    let refused = |app: &App<MockRuntime>| FOREIGN.map(|origin| end(&asks(app, MAIN, origin)) == End::Refused);
    assert_eq!(refused(&app()), [true; FOREIGN.len()]);
    let urls = ["https://*", "http://*:*", "file:///*"];
    let remote = json!({ "windows": [MAIN], "local": false, "remote": { "urls": urls }, "permissions": ["allow-rpc"] });
    assert_eq!(refused(&with_more(remote)), [false; FOREIGN.len()]);
}

/// The matrix of the core's own commands, windows and pages, cell by cell.
#[test]
fn ta_01_every_command_of_the_core_is_for_our_own_page_in_the_main_window() {
    let app = app();
    let mut reached = BTreeSet::new();
    for name in NAMES {
        for label in WINDOWS {
            for origin in FOREIGN.into_iter().chain([OUR_PAGE]) {
                let answer = call(&app, label, origin, "rpc", json!({ "name": name, "payload": {} }));
                // What the core says when it is asked at all.
                if answer == Err(json!({ "code": "database_in_use", "params": {} })) {
                    reached.insert((label, origin, *name));
                } else {
                    assert_eq!(end(&answer), End::Refused, "{name} {label} {origin}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(reached, NAMES.iter().map(|name| (MAIN, OUR_PAGE, *name)).collect());
    assert!(NAMES.len() > 40);
}

/// Every command the framework and the plugins know here, as the build resolved them; ours among them.
fn every_command() -> Vec<String> {
    let manifests: Value = serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/acl-manifests.json"))).unwrap();
    let mut commands = BTreeSet::new();
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

/// TA-01, TA-02, TA-03, TA-18: the matrix of all commands, windows and pages, cell by cell.
#[test]
fn ta_01_every_command_from_every_window_and_page_is_refused_but_the_two_that_are_granted() {
    let app = app();
    let (mut cells, mut let_through) = (0, BTreeSet::new());
    let commands = every_command();
    for label in WINDOWS {
        for origin in FOREIGN.into_iter().chain([OUR_PAGE]) {
            for command in &commands {
                cells += 1;
                match end(&call(&app, label, origin, command, json!({}))) {
                    End::Refused => {}
                    End::LetThrough => {
                        let_through.insert((label, origin, command.as_str()));
                    }
                    End::Unheard => panic!("{command} is in the list, and nobody knows it"),
                }
            }
        }
    }
    assert!(commands.len() > 100, "the list of commands is not the framework's");
    assert_eq!(cells, WINDOWS.len() * (FOREIGN.len() + 1) * commands.len());
    assert_eq!(let_through, BTreeSet::from(["bell", "rpc"].map(|command| (MAIN, OUR_PAGE, command))));
}

#[test]
fn the_main_window_may_not_listen_speak_open_or_look_around() {
    let app = app();
    for (command, arguments) in [
        ("plugin:event|listen", json!({ "event": "changes", "target": { "kind": "Any" }, "handler": 1 })),
        ("plugin:event|unlisten", json!({ "event": "changes", "eventId": 1 })),
        ("plugin:event|emit", json!({ "event": "changes", "payload": {} })),
        ("plugin:event|emit_to", json!({ "target": { "kind": "Any" }, "event": "changes", "payload": {} })),
        ("plugin:opener|open_url", json!({ "url": "https://example.com" })),
        ("plugin:opener|open_path", json!({ "path": "/etc/passwd" })),
        ("plugin:deep-link|get_current", json!({})),
        ("plugin:window|create", json!({ "options": { "label": "x" } })),
        ("plugin:webview|create_webview_window", json!({ "options": { "label": "x" } })),
        ("plugin:path|resolve_directory", json!({ "directory": 1 })),
        ("plugin:app|version", json!({})),
    ] {
        assert_eq!(ends(&app, command, arguments), End::Refused, "{command}");
    }
    for nothing in ["anything", "plugin:event|anything", "plugin:fs|read_file", "plugin:shell|execute", "plugin:x"] {
        assert_eq!(ends(&app, nothing, json!({})), End::Unheard, "{nothing}");
    }
}

/// Links come as an event of their plugin, sent to whoever listens in any page.
#[test]
fn oa_71_a_page_cannot_listen_to_links() {
    let learns = |app: &App<MockRuntime>| {
        let mut ways = Vec::new();
        for target in [json!({ "kind": "Any" }), json!({ "kind": "App" }), json!({ "kind": "Webview", "label": MAIN })]
        {
            let listen = json!({ "event": "deep-link://new-url", "target": target, "handler": 1 });
            ways.push(ends(app, "plugin:event|listen", listen));
        }
        // As the single-instance plugin does it.
        app.deep_link().handle_cli_arguments(["/usr/bin/zhiyou", RETURN].into_iter());
        (ways, last_run(app).contains("OnlyForTheCore"))
    };
    assert_eq!(learns(&app()), (vec![End::Refused; 3], false));
    let listening = with_more(json!({ "windows": [MAIN], "permissions": ["core:event:allow-listen"] }));
    assert_eq!(learns(&listening), (vec![End::LetThrough; 3], true));
}

#[test]
fn oa_71_ta_18_a_page_cannot_ask_for_the_last_link() {
    let learns = |app: &App<MockRuntime>| {
        app.deep_link().handle_cli_arguments(["/usr/bin/zhiyou", RETURN].into_iter());
        call(app, MAIN, OUR_PAGE, "plugin:deep-link|get_current", json!({}))
    };
    assert_eq!(end(&learns(&app())), End::Refused);
    let asking = with_more(json!({ "windows": [MAIN], "permissions": ["deep-link:allow-get-current"] }));
    assert_eq!(learns(&asking), Ok(json!([RETURN])));
}

#[test]
fn oa_70_ta_17_a_page_cannot_send_what_the_core_listens_to() {
    let forged = |app: &App<MockRuntime>| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        // As the product listens.
        app.deep_link().on_open_url(move |event| {
            notes.lock().unwrap().extend(event.urls().iter().map(ToString::to_string));
        });
        let event = "deep-link://new-url";
        call(app, MAIN, OUR_PAGE, "plugin:event|emit", json!({ "event": event, "payload": [RETURN] })).ok();
        let target = json!({ "kind": "App" });
        let emit = json!({ "event": event, "target": target, "payload": [RETURN] });
        call(app, MAIN, OUR_PAGE, "plugin:event|emit_to", emit).ok();
        let heard = heard.lock().unwrap();
        heard.clone()
    };
    assert_eq!(forged(&app()), [""; 0]);
    for permission in ["core:event:allow-emit", "core:event:allow-emit-to"] {
        let speaking = with_more(json!({ "windows": [MAIN], "permissions": [permission] }));
        assert_eq!(forged(&speaking), [RETURN], "{permission}");
    }
}

#[test]
fn oa_46_no_page_can_open_a_window_to_sign_in_in() {
    let opens = |app: &App<MockRuntime>| {
        let options = json!({ "label": "login", "url": "https://club.example.com/authorize" });
        let end = ends(app, "plugin:webview|create_webview_window", json!({ "options": options }));
        (end, app.get_webview_window("login").is_some())
    };
    assert_eq!(opens(&app()), (End::Refused, false));
    let permissions = ["core:webview:allow-create-webview-window"];
    assert_eq!(opens(&with_more(json!({ "windows": [MAIN], "permissions": permissions }))), (End::LetThrough, true));
}

/// Whether a capability grants more than commands by name to our own page in one window.
fn is_wide(capability: &Value) -> bool {
    let texts = |list: &str| capability[list].as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or("*"));
    let by_name = |permission: &str| {
        let name = permission.rsplit(':').next().unwrap_or_default();
        name.starts_with("allow-") && !permission.contains('*')
    };
    capability.get("remote").is_some()
        || capability.get("webviews").is_some()
        || texts("windows").any(|label| label != MAIN)
        || !texts("permissions").all(by_name)
}

#[test]
fn ta_33_no_grant_is_wide_and_none_is_for_a_remote_page() {
    let capabilities: Value =
        serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/capabilities.json"))).unwrap();
    let capabilities: Vec<_> = capabilities.as_object().unwrap().values().collect();
    assert_eq!(capabilities.iter().map(|capability| is_wide(capability)).collect::<Vec<_>>(), [false]);
    for (part, wider) in [
        ("permissions", json!(["allow-rpc", "core:default"])),
        ("permissions", json!(["core:event:default"])),
        ("permissions", json!([{ "identifier": "opener:allow-open-url", "allow": [{ "url": "*" }] }])),
        ("windows", json!(["*"])),
        ("webviews", json!(["main"])),
        ("remote", json!({ "urls": ["https://zhiyou.example.com"] })),
    ] {
        let mut capability = capabilities[0].clone();
        capability[part] = wider;
        assert!(is_wide(&capability), "{capability}");
    }
    // What a wide grant brings that nobody asked for.
    let emit = || json!({ "event": "deep-link://new-url", "payload": [] });
    assert_eq!(ends(&app(), "plugin:event|emit", emit()), End::Refused);
    let wide = with_more(json!({ "windows": [MAIN], "permissions": ["core:default"] }));
    assert_eq!(ends(&wide, "plugin:event|emit", emit()), End::LetThrough);
}

/// A command that somebody wrote and forgot to list.
#[tauri::command]
fn unlisted() -> &'static str {
    "called"
}

fn with_unlisted() -> impl Fn(Invoke<MockRuntime>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![rpc::rpc, events::bell, unlisted]
}

#[test]
fn ta_34_a_command_that_is_in_no_list_can_be_called_by_nobody() {
    let ours = without_parts(builder().invoke_handler(with_unlisted()));
    for label in WINDOWS {
        assert_eq!(end(&call(&ours, label, OUR_PAGE, "unlisted", json!({}))), End::Unheard, "{label}");
    }
    // An app without the list lets every page of its own call it.
    let listless = mock_builder().invoke_handler(with_unlisted()).build(mock_context(noop_assets())).unwrap();
    assert_eq!(call(&listless, "about", OUR_PAGE, "unlisted", json!({})), Ok(json!("called")));
    // Ours are in both: what is listed and what is handled.
    let ours = |command: &&String| !command.starts_with("plugin:");
    let (listed, handled) = (every_command(), include_str!("lib.rs"));
    assert_eq!(listed.iter().filter(ours).collect::<Vec<_>>(), ["bell", "rpc"]);
    assert!(handled.contains("generate_handler![rpc::rpc, events::bell]"));
}

#[test]
fn the_bell_rings_in_the_newest_page_and_carries_nothing() {
    let rung = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&rung);
    let app = without_parts(builder().channel_interceptor(move |webview, channel, number, body| {
        let body = body.clone().deserialize::<Value>().unwrap();
        notes.lock().unwrap().push((webview.label().to_owned(), channel.0, number, body));
        true
    }));
    let ring = || app.state::<Bell>().ring().unwrap();
    // Before there is a page, nobody hears it.
    ring();
    let hang = |label: &str, channel: u32| {
        let arguments = json!({ "channel": format!("__CHANNEL__:{channel}") });
        call(&app, label, OUR_PAGE, "bell", arguments)
    };
    assert_eq!(hang(MAIN, 7), Ok(Value::Null));
    ring();
    ring();
    // The page is loaded anew, and no other window can have the bell.
    assert_eq!(hang(MAIN, 8), Ok(Value::Null));
    assert_eq!(end(&hang("about", 9)), End::Refused);
    ring();
    let heard = |channel, number| (MAIN.to_owned(), channel, number, Value::Null);
    assert_eq!(*rung.lock().unwrap(), [heard(7, 0), heard(7, 1), heard(8, 0)]);
    // The page that is gone is told that no more will come.
    assert!(last_run(&app).contains("end: true"), "{}", last_run(&app));
}

#[test]
fn a_panic_in_a_command_is_an_answer() {
    // Asking for parts that nobody put there panics.
    let app = without_parts(builder());
    for _ in 0..2 {
        assert_eq!(asks(&app, MAIN, OUR_PAGE), Err(json!({ "code": "internal", "params": {} })));
    }
}

#[test]
fn wrong_arguments_are_an_answer_and_no_crash() {
    let app = app();
    for arguments in [json!({}), json!({ "name": 1, "payload": {} }), json!({ "name": "get_session" }), json!([])] {
        assert!(call(&app, MAIN, OUR_PAGE, "rpc", arguments.clone()).is_err(), "{arguments}");
    }
    for channel in [json!(null), json!(7), json!("7"), json!("__CHANNEL__:x"), json!("__CHANNEL__:-1")] {
        assert!(call(&app, MAIN, OUR_PAGE, "bell", json!({ "channel": channel })).is_err(), "{channel}");
    }
    assert_eq!(asks(&app, MAIN, OUR_PAGE).unwrap_err()["code"], "database_in_use");
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
    assert_eq!(asks(&app, MAIN, OUR_PAGE).unwrap_err()["code"], "database_in_use");
}
