//! Every vector that is shared beside the project is kept in `vectors/`, byte by byte, and is named where it is used, or says why
//! nothing uses it. Deliberately not here: what a vector proves, which is its test's.

use crate::shell::root;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What no test can use, and why.
const UNUSED: [(&str, &str); 2] = [
    ("wechat/oaep_sha1_decrypt.json", "no request and no answer of a direct payment carries a sealed field"),
    ("stripe/fixtures/payment_method.json", "the payer gives it to the channel's page, and no type of ours reads one"),
];

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_file() {
            found.push(entry.path());
        } else if entry.file_name() != "node_modules" {
            below(&entry.path(), found);
        }
    }
}

/// The files in a folder by their names there; what they say about themselves is each copy's own.
fn vectors(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = Vec::new();
    below(folder, &mut found);
    let named = found.into_iter().filter(|path| !path.ends_with("README.md")).map(|path| {
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
        (name, fs::read(&path).unwrap())
    });
    named.collect()
}

/// Programs and tests, but for this file.
fn sources() -> String {
    let mut found = Vec::new();
    for folder in ["crates", "src-tauri", "tests", "xtask/engine", "xtask/payments"] {
        below(&root().join(folder), &mut found);
    }
    let code = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs" || kind == "mjs");
    found.iter().filter(|path| code(path)).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_shared_vector_is_kept_byte_by_byte() {
    let shared = root().join("../shared/vectors");
    if !shared.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "the shared vectors are missing, and this check may not be left out");
        println!("not run: there are no shared vectors beside the project");
        return;
    }
    let (shared, kept) = (vectors(&shared), vectors(&root().join("vectors")));
    assert!(shared.len() >= 49, "{} vectors", shared.len());
    for (name, bytes) in shared {
        assert!(kept.get(&name) == Some(&bytes), "{name} is missing or differs");
    }
}

#[test]
fn every_vector_is_named_by_a_test_or_says_why_not() {
    let sources = sources();
    let kept = vectors(&root().join("vectors"));
    // A journal of each format is read by its number.
    for name in kept.keys().filter(|name| !name.starts_with("journals/")) {
        let named = sources.contains(name.as_str()) || sources.contains(&format!("\"{}", file(name)));
        let reason = UNUSED.iter().find(|(unused, _)| unused == name);
        assert!(named != reason.is_some(), "{name} is used by no test, or is and says that it is not");
    }
    for (unused, _) in UNUSED {
        assert!(kept.contains_key(unused), "{unused} is not there");
    }
}

fn file(name: &str) -> &str {
    name.rsplit('/').next().unwrap()
}

#[test]
fn every_folder_of_vectors_says_where_they_are_from() {
    for folder in fs::read_dir(root().join("vectors")).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let said = fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert!(said.len() > 50, "{}", folder.path().display());
    }
}
