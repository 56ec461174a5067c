//! Says whether this is a phone, and what the app is called there.
//!
//! Deliberately not here: the framework's own build script, which the app's package runs. A second one would write the
//! phone project's list of plugins anew, and it would know none of them.

use serde_json::Value;
use std::{env, error::Error, fs};

const CONFIG: &str = "tauri.conf.json";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(mobile)");
    println!("cargo::rerun-if-changed={CONFIG}");
    if !matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("android" | "ios")) {
        return;
    }
    println!("cargo::rustc-cfg=mobile");
    match names() {
        Ok((prefix, name)) => {
            println!("cargo::rustc-env=TAURI_ANDROID_PACKAGE_NAME_PREFIX={prefix}");
            println!("cargo::rustc-env=TAURI_ANDROID_PACKAGE_NAME_APP_NAME={name}");
        }
        Err(error) => println!("cargo::error={CONFIG}: {error}"),
    }
}

/// The app's identifier as the names of its functions for Java: everything before the last dot, and what follows it.
fn names() -> Result<(String, String), Box<dyn Error>> {
    let config: Value = serde_json::from_str(&fs::read_to_string(CONFIG)?)?;
    let identifier = config.get("identifier").and_then(Value::as_str).ok_or("no identifier")?;
    let (prefix, name) = identifier.rsplit_once('.').ok_or("an identifier without a dot")?;
    // `_` and `-` are written `_1`, as in names for Java; the dots between words are `_`.
    let prefix = prefix.replace(['_', '-'], "_1").replace('.', "_");
    Ok((prefix, name.replace('-', "_")))
}
