//! A desktop session of its own: display, D-Bus, window manager and an unlocked keyring, all gone afterwards.

use crate::shell::{command, target};
use std::process::Command;

/// Starts what a desktop has, then becomes the program given as arguments.
const INSIDE: &str = "\
openbox >/dev/null 2>&1 &
printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
exec \"$@\"";

/// Wraps a command so that it runs in a session of its own.
///
/// The home folder is a fresh one, so that keyring and link handlers of this machine's user are not touched; cargo and
/// rustup keep theirs.
pub(crate) fn inside(inner: Command) -> Command {
    let home = target().join("session-home");
    // A home of an earlier run would bring its keyring along.
    let _ = std::fs::remove_dir_all(&home);
    let _ = std::fs::create_dir_all(home.join("run"));
    let mut words = vec![
        "-a".to_owned(),
        "-s".to_owned(),
        "-screen 0 1280x860x24".to_owned(),
        "dbus-run-session".to_owned(),
        "--".to_owned(),
        "bash".to_owned(),
        "-c".to_owned(),
        INSIDE.to_owned(),
        "session".to_owned(),
        inner.get_program().to_string_lossy().into_owned(),
    ];
    words.extend(inner.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    let mut wrapped = command("xvfb-run", words);
    let user_home = std::env::var("HOME").unwrap_or_default();
    let kept = |name: &str, folder: &str| std::env::var(name).unwrap_or_else(|_| format!("{user_home}/{folder}"));
    wrapped
        .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
        .env("HOME", &home)
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_CACHE_HOME", home.join(".cache"))
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env_remove("WAYLAND_DISPLAY")
        // The window begins in the language of its environment.
        .env("LANG", "C.UTF-8")
        .env_remove("LANGUAGE")
        .env_remove("LC_ALL");
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    wrapped
}
