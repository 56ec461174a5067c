//! Embeds the interface and the list of commands that need a grant, and gives a build for developers a name of its own.

use serde_json::{Value, json};
use std::{env, fs, path::Path};

fn main() {
    let page = Path::new("ui/dist/index.html");
    // Checks of the Rust code alone must not need Node; the window then says what is missing.
    if !page.exists() {
        let text = "<!doctype html><meta charset=utf-8><title>Zhiyou</title><p>The interface has not been built: run cargo xtask run.";
        if let Err(error) = fs::create_dir_all("ui/dist").and_then(|()| fs::write(page, text)) {
            println!("cargo::warning=the placeholder page could not be written: {error}");
        }
    }
    println!("cargo::rerun-if-changed=ui/dist");
    if is_for_developers() {
        // What is compiled from here on reads it over `tauri.conf.json`.
        println!("cargo::rustc-env=TAURI_CONFIG={}", apart());
    }
    let manifest = tauri_build::AppManifest::new().commands(&["bell", "rpc"]);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={error:#}");
    }
}

/// As `zhiyou_domain::app` has it: not on a phone, where it takes the place of the installed app.
fn is_for_developers() -> bool {
    let phone = matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("android" | "ios"));
    !phone && env::var("PROFILE").as_deref() == Ok("debug")
}

/// A name and links beside those of an installed app; what the framework's tool wants changed besides stays.
fn apart() -> Value {
    let told = env::var("TAURI_CONFIG").ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut config = told.unwrap_or_else(|| json!({}));
    merge(
        &mut config,
        json!({
            "identifier": "app.zhiyou.desktop.dev",
            "plugins": { "deep-link": { "desktop": { "schemes": ["zhiyou-dev"] } } },
        }),
    );
    config
}

fn merge(config: &mut Value, other: Value) {
    match (config, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, value) in others {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (config, other) => *config = other,
    }
}
