//! Embeds the interface and the list of commands that need a grant.

use std::{fs, path::Path};

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
    let manifest = tauri_build::AppManifest::new().commands(&["rpc"]);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={error:#}");
    }
}
