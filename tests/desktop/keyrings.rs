//! The keyrings a Linux desktop can have, each with a program of ours in a session of its own: what the vault makes of it.

use crate::stage::{BusWithoutKeyring, program};
use serde_json::Value;
use std::{path::Path, process::Command};

/// What a keyring's home is unlocked with.
const UNLOCKED: &str = "printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec \"$@\"";
/// The daemon is started by the bus when somebody asks for it, and nobody unlocks it.
const NOT_UNLOCKED: &str = "exec \"$@\"";

/// A home with the keyring in it, and the app's data.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("run")).unwrap();
        Self(folder)
    }

    /// The state of the vault of the data folder `data`, asked of a program that is begun by `begin`.
    fn vault(&self, data: &str, begin: &[&str], environment: &[(&str, &str)]) -> String {
        let home = self.0.path();
        let tool = program("zhiyouctl");
        let words: Vec<&Path> = begin.iter().map(Path::new).chain([tool.as_path()]).collect();
        let (first, rest) = words.split_first().unwrap();
        let output = Command::new(first)
            .args(rest)
            .args(["check", "--json"])
            .env("ZHIYOU_DATA_DIR", home.join(data))
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("DISPLAY")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        let vault = rows.as_array().unwrap().iter().find(|row| row["name"] == "vault");
        vault.unwrap_or_else(|| panic!("{rows}"))["detail"].as_str().unwrap().to_owned()
    }

    /// In a session with a bus of its own.
    fn vault_in_session(&self, data: &str, begin: &str) -> String {
        self.vault(data, &["dbus-run-session", "--", "bash", "-c", begin, "session"], &[])
    }
}

#[test]
fn every_keyring_a_desktop_can_have_opens_the_vault_or_says_what_is_to_be_done() {
    let home = Home::new();
    assert_eq!(home.vault("nobody", &[], &[]), "needs_passphrase", "no bus at all");
    let bus = BusWithoutKeyring::start();
    let without = [("DBUS_SESSION_BUS_ADDRESS", bus.address.as_str())];
    assert_eq!(home.vault("bus", &[], &without), "needs_passphrase", "a bus on which nobody keeps secrets");
    assert_eq!(home.vault_in_session("fresh", NOT_UNLOCKED), "needs_passphrase", "a daemon that has no collection yet");
    assert_eq!(home.vault_in_session("data", UNLOCKED), "open");
    assert_eq!(home.vault_in_session("data", UNLOCKED), "open", "the same key, found in another session");
    // Without a display nobody can be asked to unlock it, and the service says that nobody did.
    let closed = ["keyring_locked", "keyring_denied"];
    let state = home.vault_in_session("data", NOT_UNLOCKED);
    assert!(closed.contains(&state.as_str()), "its key is behind a lock: {state}");
    let state = home.vault_in_session("new", NOT_UNLOCKED);
    assert!(closed.contains(&state.as_str()), "a lock is waited for, not passed by: {state}");
    assert_eq!(home.vault("data", &[], &without), "keyring_missing", "its keyring is not here");
    assert_eq!(home.vault_in_session("data", UNLOCKED), "open", "and none of that has hurt it");
}
