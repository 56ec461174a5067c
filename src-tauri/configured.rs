//! What the configuration says, held to what it has to say: the page's policy, the plugins, and what is switched off.

use crate::defence::Defence;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use zhiyou_engine::app::{IDENTIFIER, SCHEME};

const MANIFEST: &str = include_str!("../Cargo.toml");
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src ipc: http://ipc.localhost; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'";

fn config() -> Value {
    serde_json::from_str(include_str!("../tauri.conf.json")).unwrap()
}

/// A copy of the configuration in which one thing is otherwise.
fn weaker(config: &Value, pointer: &str, value: Value) -> Value {
    let mut copy = config.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    copy.pointer_mut(parent).unwrap()[name] = value;
    assert_ne!(copy, *config, "{pointer}");
    copy
}

/// A copy with another policy of the page.
fn weaker_policy(from: &str, to: &str) -> Value {
    weaker(&config(), "/app/security/csp", POLICY.replace(from, to).into())
}

fn policy(config: &Value) -> &str {
    config["app"]["security"]["csp"].as_str().unwrap_or_default()
}

#[test]
fn the_configuration_keeps_the_page_apart_from_the_core() {
    let config = config();
    assert!(config["build"].get("devUrl").is_none());
    assert_eq!(policy(&config), POLICY);
    for weaker in ["devCsp", "dangerousDisableAssetCspModification", "dangerousRemoteDomainIpcAccess", "headers"] {
        assert!(config["app"]["security"].get(weaker).is_none(), "{weaker}");
    }
}

/// What one kind of content may be loaded from, as a web view reads the policy: its own directive, else the one that
/// stands in for it.
fn sources<'a>(policy: &'a str, directive: &str) -> Option<Vec<&'a str>> {
    let directives: BTreeMap<&str, Vec<&str>> = policy
        .split(';')
        .filter_map(|part| {
            let mut words = part.split_whitespace();
            words.next().map(|name| (name, words.collect()))
        })
        .collect();
    let stands_in: &[&str] = match directive {
        "worker-src" => &["worker-src", "child-src", "script-src", "default-src"],
        "frame-src" => &["frame-src", "child-src", "default-src"],
        "base-uri" | "form-action" => &[directive],
        _ => &[directive, "default-src"],
    };
    stands_in.iter().find_map(|name| directives.get(name).cloned())
}

/// Whether a policy lets content in that is not the program's own.
fn lets_in(policy: &str, directive: &str) -> bool {
    // A directive that is not there, and that nothing stands in for, allows everything.
    sources(policy, directive).is_none_or(|sources| {
        let own = |source: &&str| matches!(*source, "'self'" | "'none'" | "ipc:" | "http://ipc.localhost");
        // A picture may be part of the page itself: the code to scan is drawn that way.
        !sources.iter().all(|source| own(source) || directive == "img-src" && *source == "data:")
    })
}

const LOADED: [&str; 14] = [
    "script-src",
    "style-src",
    "img-src",
    "font-src",
    "media-src",
    "connect-src",
    "frame-src",
    "child-src",
    "worker-src",
    "manifest-src",
    "object-src",
    "base-uri",
    "form-action",
    "prefetch-src",
];

/// Whether a page of others could be part of ours.
fn shows_pages_of_others(config: &Value) -> bool {
    let none = |directive: &&str| sources(policy(config), directive) == Some(vec!["'none'"]);
    !["frame-src", "object-src", "base-uri", "form-action"].iter().all(none)
}

#[test]
fn ta_04_no_page_of_others_can_be_part_of_ours() {
    assert!(!shows_pages_of_others(&config()));
    for (from, to) in [
        ("frame-src 'none'", "frame-src https://pay.example.com"),
        ("frame-src 'none'; ", ""),
        ("object-src 'none'", "object-src 'self'"),
        ("base-uri 'none'; ", ""),
        ("; form-action 'none'", ""),
    ] {
        assert!(shows_pages_of_others(&weaker_policy(from, to)), "{to:?}");
    }
}

/// Whether a text that came from others could run.
fn runs_text(config: &Value) -> bool {
    const WAYS: [&str; 9] = [
        "'unsafe-eval'",
        "'wasm-unsafe-eval'",
        "'unsafe-inline'",
        "'unsafe-hashes'",
        "'strict-dynamic'",
        "blob:",
        "data:",
        "*",
        "https:",
    ];
    ["script-src", "worker-src"].iter().any(|directive| {
        let sources = sources(policy(config), directive);
        sources.is_none_or(|sources| {
            sources.iter().any(|source| WAYS.contains(source) || source.starts_with("'nonce-") || source.contains('*'))
        })
    })
}

#[test]
fn ta_07_no_script_of_others_runs() {
    assert_eq!(sources(POLICY, "script-src"), Some(vec!["'self'"]));
    assert!(!runs_text(&config()));
    for more in ["'unsafe-inline'", "'nonce-abc'", "https://*.example.com", "*"] {
        assert!(runs_text(&weaker_policy("script-src 'self'", &format!("script-src 'self' {more}"))), "{more}");
    }
}

#[test]
fn ta_10_no_text_becomes_a_program() {
    assert!(!runs_text(&config()));
    for more in ["'unsafe-eval'", "'wasm-unsafe-eval'", "'strict-dynamic'", "blob:", "data:"] {
        assert!(runs_text(&weaker_policy("script-src 'self'", &format!("script-src 'self' {more}"))), "{more}");
        assert!(runs_text(&weaker_policy("object-src", &format!("worker-src 'self' {more}; object-src"))), "{more}");
    }
}

#[test]
fn ta_11_nothing_is_loaded_from_others_or_sent_to_them() {
    for directive in LOADED {
        assert!(!lets_in(policy(&config()), directive), "{directive}");
        // With a directive that is wide it would be, and without one that anything stands in for.
        let own = sources(POLICY, directive).unwrap().join(" ");
        let (narrow, wide) = (format!("{directive} {own}"), format!("{directive} {own} https:"));
        let wide = if POLICY.contains(&narrow) { POLICY.replace(&narrow, &wide) } else { format!("{POLICY}; {wide}") };
        for other in [wide.as_str(), "upgrade-insecure-requests"] {
            assert!(lets_in(policy(&weaker(&config(), "/app/security/csp", other.into())), directive), "{directive}");
        }
    }
}

/// Whether what all objects inherit from could be changed.
fn leaves_prototypes(config: &Value) -> bool {
    config["app"]["security"]["freezePrototype"] != true
}

#[test]
fn ta_12_what_all_objects_inherit_from_is_frozen_before_any_script_runs() {
    assert!(!leaves_prototypes(&config()));
    for other in [Value::Null, false.into()] {
        assert!(leaves_prototypes(&weaker(&config(), "/app/security/freezePrototype", other)));
    }
}

/// Whether any script finds the framework's objects in the page.
fn puts_objects_in_the_page(config: &Value) -> bool {
    config["app"]["withGlobalTauri"] != false
}

#[test]
fn ta_29_the_frameworks_objects_are_within_reach_of_no_script() {
    assert!(!puts_objects_in_the_page(&config()));
    for other in [Value::Null, true.into()] {
        assert!(puts_objects_in_the_page(&weaker(&config(), "/app/withGlobalTauri", other)));
    }
}

/// The names a table of the manifest has.
fn names<'a>(manifest: &'a str, table: &str) -> BTreeSet<&'a str> {
    let start = format!("[{table}]\n");
    let body = manifest.split_once(&start).unwrap().1.split("\n[").next().unwrap();
    body.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim()).collect()
}

/// The framework's parts that the product is built with; tests are built with more.
fn features(manifest: &str) -> BTreeSet<&str> {
    let product = manifest.split("[dev-dependencies]").next().unwrap();
    let lines = product.lines().filter(|line| line.starts_with("tauri = "));
    let parts = lines.flat_map(|line| {
        let list = line.split_once("features = [").map_or("", |(_, list)| list);
        let bare = line.contains("default-features = false") || line.contains("workspace = true");
        list.split('"').skip(1).step_by(2).chain((!bare).then_some("default"))
    });
    parts.collect()
}

/// A copy of the manifest in which the product's framework has one part more.
fn weaker_features(feature: &str) -> String {
    let copy = MANIFEST.replacen("features = [\"wry\"", &format!("features = [\"{feature}\", \"wry\""), 1);
    assert!(features(&copy).contains(feature));
    copy
}

/// What is not there cannot be called.
#[test]
fn ta_18_there_are_three_plugins_and_no_other() {
    let plugins: BTreeSet<_> =
        names(MANIFEST, "dependencies").into_iter().filter(|name| name.starts_with("tauri-plugin-")).collect();
    let wanted = ["tauri-plugin-deep-link", "tauri-plugin-opener", "tauri-plugin-single-instance"];
    assert_eq!(plugins, BTreeSet::from(wanted));
    assert_eq!(config()["plugins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["deep-link"]);
    let parts = features(MANIFEST);
    assert_eq!(parts, BTreeSet::from(["common-controls-v6", "compression", "wry", "x11"]));
}

/// Whether anything would fetch another version of the program.
fn updates_itself(manifest: &str, config: &Value, permissions: &str) -> bool {
    names(manifest, "dependencies").iter().any(|name| name.contains("updater") || name.contains("self-update"))
        || config["plugins"].get("updater").is_some()
        || config["bundle"].get("createUpdaterArtifacts").is_some()
        || permissions.contains("updater")
}

#[test]
fn ta_38_ta_39_nothing_fetches_another_version_of_the_program() {
    let permissions = include_str!(concat!(env!("OUT_DIR"), "/acl-manifests.json"));
    assert!(permissions.contains("\"deep-link\""), "the list is not the framework's");
    assert!(!updates_itself(MANIFEST, &config(), permissions));
    let more = MANIFEST.replacen("[dependencies]\n", "[dependencies]\ntauri-plugin-updater = \"2\"\n", 1);
    assert!(updates_itself(&more, &config(), permissions));
    let endpoints = serde_json::json!({ "endpoints": ["http://updates.example.com"] });
    for copy in [
        weaker(&config(), "/plugins/updater", endpoints),
        weaker(&config(), "/bundle/createUpdaterArtifacts", true.into()),
    ] {
        assert!(updates_itself(MANIFEST, &copy, permissions));
    }
    assert!(updates_itself(MANIFEST, &config(), &permissions.replacen("\"deep-link\"", "\"updater\"", 1)));
}

/// Whether a release would have the tools of developers.
fn has_tools(manifest: &str, window: &str) -> bool {
    features(manifest).iter().any(|part| matches!(*part, "devtools" | "default"))
        || !window.contains(".devtools(cfg!(debug_assertions))")
}

#[test]
fn ta_30_the_tools_of_developers_are_in_debug_builds_only() {
    let window = include_str!("lib.rs");
    assert!(!has_tools(MANIFEST, window));
    assert!(has_tools(&weaker_features("devtools"), window));
    let whole = MANIFEST.replacen("default-features = false, features = [\"wry\"", "features = [\"wry\"", 1);
    assert!(has_tools(&whole, window));
    assert!(has_tools(MANIFEST, &window.replace("cfg!(debug_assertions)", "true")));
}

/// Whether a page could be given files of the disk, or pages that are no files of the program's.
fn serves_files(manifest: &str, config: &Value) -> bool {
    features(manifest).iter().any(|part| matches!(*part, "protocol-asset" | "webview-data-url"))
        || config["app"]["security"].get("assetProtocol").is_some()
        || policy(config).contains("asset:")
}

#[test]
fn ta_31_no_file_of_the_disk_is_part_of_the_page() {
    assert!(!serves_files(MANIFEST, &config()));
    for part in ["protocol-asset", "webview-data-url"] {
        assert!(serves_files(&weaker_features(part), &config()), "{part}");
    }
    let everything = serde_json::json!({ "enable": true, "scope": ["**"] });
    assert!(serves_files(MANIFEST, &weaker(&config(), "/app/security/assetProtocol", everything)));
    assert!(serves_files(MANIFEST, &weaker_policy("img-src 'self'", "img-src 'self' asset:")));
}

/// Whether a frame stands between the page and the core, and so could let something through.
fn has_frame_between(manifest: &str, config: &Value) -> bool {
    let pattern = &config["app"]["security"]["pattern"];
    let isolated = !pattern.is_null() && pattern["use"] != "brownfield";
    isolated || features(manifest).contains("isolation") || !lets_no_frame(policy(config))
}

fn lets_no_frame(policy: &str) -> bool {
    sources(policy, "frame-src") == Some(vec!["'none'"])
}

#[test]
fn ta_40_no_frame_stands_between_the_page_and_the_core() {
    assert!(!has_frame_between(MANIFEST, &config()));
    let isolation = serde_json::json!({ "use": "isolation", "options": { "dir": "../isolation" } });
    assert!(has_frame_between(MANIFEST, &weaker(&config(), "/app/security/pattern", isolation)));
    assert!(has_frame_between(&weaker_features("isolation"), &config()));
    assert!(has_frame_between(MANIFEST, &weaker_policy("frame-src 'none'", "frame-src isolation:")));
}

/// Whether the app claims addresses of the web: the system opens those in a browser where it cannot ask us.
fn claims_web_addresses(config: &Value) -> bool {
    let links = &config["plugins"]["deep-link"];
    let web = |schemes: &Value| schemes.as_array().into_iter().flatten().any(|name| name == "http" || name == "https");
    let claims = |entry: &Value| entry.get("host").is_some() || entry["appLink"] == true || web(&entry["scheme"]);
    web(&links["desktop"]["schemes"])
        || links["mobile"].as_array().into_iter().flatten().any(claims)
        || config["bundle"]["iOS"].get("entitlements").is_some()
}

#[test]
fn oa_45_no_address_of_the_web_is_claimed_for_the_app() {
    let files = [
        include_str!("../tauri.conf.json"),
        include_str!("../tauri.macos.conf.json"),
        include_str!("../tauri.windows.conf.json"),
        include_str!("../mobile/tauri.conf.json"),
    ];
    for text in files {
        assert!(!claims_web_addresses(&serde_json::from_str(text).unwrap()), "{text}");
    }
    // No other file of this kind is there.
    let root = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let phone = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/mobile")).unwrap();
    let names = root.chain(phone).map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let read = names.filter(|name| name.starts_with("tauri.") || name.starts_with("Tauri."));
    assert_eq!(read.count(), files.len());
    // What the phones' own files say besides.
    let android = include_str!("../mobile/gen/android/app/src/main/AndroidManifest.xml");
    assert!(!android.contains("autoVerify") && !android.contains("\"https\"") && !android.contains("android:host"));
    assert!(!include_str!("../mobile/Info.ios.plist").contains("associated-domains"));
    for (pointer, value) in [
        ("/plugins/deep-link/mobile/0/host", "zhiyou.example.com".into()),
        ("/plugins/deep-link/mobile/0/appLink", true.into()),
        ("/plugins/deep-link/mobile/0/scheme", serde_json::json!(["https"])),
        ("/plugins/deep-link/desktop/schemes", serde_json::json!(["zhiyou", "https"])),
    ] {
        assert!(claims_web_addresses(&weaker(&config(), pointer, value)), "{pointer}");
    }
}

#[test]
fn ta_17_no_event_from_a_page_is_listened_to() {
    // Links come as an event of their plugin, which a page has no grant to send.
    for source in [
        include_str!("lib.rs"),
        include_str!("links.rs"),
        include_str!("links/registered.rs"),
        include_str!("rpc.rs"),
        include_str!("start.rs"),
        include_str!("events.rs"),
        include_str!("browser.rs"),
    ] {
        for way in [".listen(", ".listen_any(", ".once(", ".once_any("] {
            assert!(!source.contains(way), "{way}");
        }
    }
}

/// An installed app keeps its links and its folder when a build for developers runs beside it.
#[test]
#[allow(clippy::disallowed_methods, reason = "the framework's macro names `exit`")]
fn each_kind_of_build_has_the_links_and_the_name_that_the_core_says() {
    let context: tauri::Context<tauri::test::MockRuntime> = tauri::generate_context!();
    let built = context.config();
    assert_eq!(built.identifier, IDENTIFIER);
    assert_eq!(built.plugins.0["deep-link"]["desktop"]["schemes"], serde_json::json!([SCHEME]));
    // What is installed, and what phones are told.
    assert_eq!(config()["identifier"], "app.zhiyou.desktop");
    assert_eq!(config()["plugins"]["deep-link"]["desktop"]["schemes"], serde_json::json!(["zhiyou"]));
    assert_eq!(built.plugins.0["deep-link"]["mobile"], config()["plugins"]["deep-link"]["mobile"]);
    // Both the build script and the core tell the kinds apart by the profile.
    let script = include_str!("build.rs");
    assert!(script.contains("\"app.zhiyou.desktop.dev\"") && script.contains("\"zhiyou-dev\""));
    assert!(!MANIFEST.contains("debug-assertions"));
}

const TABLE: &str = include_str!("../docs/faults.md");

/// Row, test and defence of every line of the table of the window.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| TA-"));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[1], cells[3], cells[4])
        })
        .collect()
}

#[test]
fn every_attack_on_the_window_has_a_line_or_a_reason_why_not() {
    let (_, reasons) = TABLE.split_once("## Window").unwrap();
    for number in 1..=40 {
        let name = format!("TA-{number:02}");
        let listed = rows().iter().any(|(row, ..)| *row == name);
        assert!(listed || reasons.contains(&format!("- {name}:")), "{name}");
    }
}

#[test]
fn the_test_of_a_line_takes_its_defence_away_and_every_defence_has_a_line() {
    const SOURCES: [&str; 5] = [
        include_str!("browser.rs"),
        include_str!("grants.rs"),
        include_str!("lib.rs"),
        include_str!("links.rs"),
        include_str!("rpc.rs"),
    ];
    for defence in Defence::ALL {
        let lines: Vec<_> = rows().into_iter().filter(|(.., word)| *word == defence.word()).collect();
        assert!(!lines.is_empty(), "{defence:?}");
        for (row, test, word) in lines {
            let body = SOURCES.iter().find_map(|text| text.split_once(&format!("fn {test}("))).map(|(_, after)| after);
            let body = body.unwrap_or_else(|| panic!("{row}: no test {test}"));
            let body = body.split("#[test]").next().unwrap();
            let taken = format!("stands(Defence::{defence:?}, ");
            let taken_by_path = format!("stands(defence::Defence::{defence:?}, ");
            assert!(body.contains(&taken) || body.contains(&taken_by_path), "{row}: {test} does not take {word} away");
        }
    }
}
