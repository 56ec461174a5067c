//! What the configuration says, held to what it has to say: the page's policy, the plugins, and what is switched off.

use crate::defence::Defence;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MANIFEST: &str = include_str!("../Cargo.toml");
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src ipc: http://ipc.localhost; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'";

fn config() -> Value {
    serde_json::from_str(include_str!("../tauri.conf.json")).unwrap()
}

#[test]
fn the_configuration_keeps_the_page_apart_from_the_core() {
    let config = config();
    assert_eq!(config["app"]["withGlobalTauri"], false);
    assert!(config["build"].get("devUrl").is_none());
    assert_eq!(config["app"]["security"]["csp"], POLICY);
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

#[test]
fn ta_04_no_page_of_others_can_be_part_of_ours() {
    for directive in ["frame-src", "object-src", "base-uri", "form-action"] {
        assert_eq!(sources(POLICY, directive), Some(vec!["'none'"]), "{directive}");
    }
}

#[test]
fn ta_07_no_script_of_others_runs() {
    assert_eq!(sources(POLICY, "script-src"), Some(vec!["'self'"]));
    assert!(!POLICY.contains("unsafe") && !POLICY.contains("nonce-") && !POLICY.contains('*'));
}

#[test]
fn ta_10_no_text_becomes_a_program() {
    for directive in ["script-src", "worker-src"] {
        let sources = sources(POLICY, directive).unwrap();
        for way in ["'unsafe-eval'", "'wasm-unsafe-eval'", "'unsafe-inline'", "'strict-dynamic'", "blob:", "data:"] {
            assert!(!sources.contains(&way), "{directive} {way}");
        }
    }
}

#[test]
fn ta_11_nothing_is_loaded_from_others_or_sent_to_them() {
    for directive in LOADED {
        assert!(!lets_in(POLICY, directive), "{directive}");
        // Without its directive, or with one that is wide, it would be.
        assert!(lets_in("img-src 'self'; script-src https://cdn.example.com", directive) || directive == "img-src");
        assert!(lets_in(&format!("default-src 'self'; {directive} 'self' https:"), directive), "{directive}");
    }
}

#[test]
fn ta_12_what_all_objects_inherit_from_is_frozen_before_any_script_runs() {
    assert_eq!(config()["app"]["security"]["freezePrototype"], true);
}

/// The names a table of the manifest has.
fn names(table: &str) -> BTreeSet<&'static str> {
    let start = format!("[{table}]\n");
    let body = MANIFEST.split_once(&start).unwrap().1.split("\n[").next().unwrap();
    body.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim()).collect()
}

/// TA-18, TA-38, TA-39: what is not there cannot be called; nothing fetches programs either.
#[test]
fn ta_18_there_are_three_plugins_and_no_other() {
    let plugins: BTreeSet<_> =
        names("dependencies").into_iter().filter(|name| name.starts_with("tauri-plugin-")).collect();
    let wanted = ["tauri-plugin-deep-link", "tauri-plugin-opener", "tauri-plugin-single-instance"];
    assert_eq!(plugins, BTreeSet::from(wanted));
    let config = config();
    assert_eq!(config["plugins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["deep-link"]);
    assert!(config["bundle"].get("createUpdaterArtifacts").is_none());
}

#[test]
fn ta_30_the_tools_of_developers_are_in_debug_builds_only() {
    let features = MANIFEST.lines().find(|line| line.starts_with("tauri = ")).unwrap();
    assert!(features.contains("default-features = false"), "{features}");
    for feature in ["devtools", "protocol-asset", "isolation", "remote", "webview-data-url"] {
        assert!(!features.contains(feature), "{feature}");
    }
    assert!(include_str!("lib.rs").contains(".devtools(cfg!(debug_assertions))"));
}

#[test]
fn ta_17_no_event_from_a_page_is_listened_to() {
    // Links come as an event of their plugin, which a page has no grant to send.
    for source in [
        include_str!("lib.rs"),
        include_str!("links.rs"),
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
    const SOURCES: [&str; 4] =
        [include_str!("browser.rs"), include_str!("lib.rs"), include_str!("links.rs"), include_str!("rpc.rs")];
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
