//! Who else on this machine may read or change the files a configuration is read from.
//!
//! A file with a secret is for its owner alone; one with a public key may be read by others, and not changed: whoever changes
//! it says whose signatures count. Deliberately not here: changing a mode, which is the owner's, and access lists, which
//! the system keeps beside the mode.

use super::{Config, ConfigError};
use std::path::Path;
use toml::Value;

/// Others may read it or change it.
const ANYTHING: u32 = 0o077;
/// Others may change it.
const CHANGE: u32 = 0o022;

impl Config {
    /// Files of a configuration that group or others may read or change: the file itself and every one it names. Empty on
    /// systems whose files have no such modes, and for a file that cannot be read, which [`Config::from_file`] refuses.
    #[must_use]
    pub fn exposed_files(path: &Path) -> Vec<ConfigError> {
        let mut exposed: Vec<_> = judged("the configuration file", path, ANYTHING).into_iter().collect();
        let table = std::fs::read_to_string(path).ok().and_then(|text| toml::from_str::<Value>(&text).ok());
        if let Some(table) = table {
            named(&table, path.parent().unwrap_or_else(|| Path::new(".")), "", &mut exposed);
        }
        exposed
    }
}

fn named(value: &Value, folder: &Path, at: &str, exposed: &mut Vec<ConfigError>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                if key.ends_with("_file") {
                    let barred = if is_public(key) { CHANGE } else { ANYTHING };
                    let files = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    let files = files.iter().filter_map(Value::as_str);
                    exposed.extend(files.filter_map(|file| judged(&below(key), &folder.join(file), barred)));
                } else {
                    named(value, folder, &below(key), exposed);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| named(value, folder, at, exposed)),
        _ => {}
    }
}

/// Whether the key names a file with a public key or a certificate.
fn is_public(key: &str) -> bool {
    key == "pem_file" || key.contains("public_key") || key.contains("certificate")
}

#[cfg(unix)]
fn judged(field: &str, path: &Path, barred: u32) -> Option<ConfigError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().ok()?.permissions());
    let open = mode & barred;
    let said = match (open & CHANGE != 0, open != 0) {
        (true, _) => "may be changed by others on this machine",
        (false, true) => "may be read by others on this machine",
        (false, false) => return None,
    };
    Some(ConfigError::new(field, format!("{said} (mode {:03o})", mode & 0o777)))
}

#[cfg(not(unix))]
fn judged(_: &str, _: &Path, _: u32) -> Option<ConfigError> {
    None
}
