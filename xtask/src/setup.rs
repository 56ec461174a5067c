//! What a fresh machine lacks: system packages, npm packages, the built interface.
//!
//! Debian and Ubuntu are served; elsewhere the names are printed.

use crate::shell::{Failed, command, has, root, succeed, target};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

/// What building the app needs.
const BUILD: &[&str] = &["libwebkit2gtk-4.1-dev", "pkg-config"];
/// What driving the window and running other people's clients needs besides.
const WINDOW: &[&str] = &[
    "webkit2gtk-driver",
    "xvfb",
    "xauth",
    "gnome-keyring",
    "libsecret-1-0",
    "xdg-utils",
    "desktop-file-utils",
    "libglib2.0-bin",
    "fonts-noto-cjk",
    "dbus",
    "openbox",
    "procps",
    "imagemagick",
    "x11-utils",
    "zbar-tools",
    "chromium",
    "chromium-driver",
    "python3-venv",
];

/// Installs what building needs.
pub(crate) fn build_packages() -> Result<(), Failed> {
    packages(BUILD)
}

/// Installs what building and driving the window need.
pub(crate) fn window_packages() -> Result<(), Failed> {
    packages(&[BUILD, WINDOW].concat())
}

fn packages(wanted: &[&str]) -> Result<(), Failed> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let missing: Vec<&str> = wanted.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !has("apt-get") {
        println!("This needs, under your system's names for them: {}", missing.join(" "));
        println!("(See README.md for Fedora, Arch, macOS and Windows.)");
        return Ok(());
    }
    println!("Installing {}", missing.join(" "));
    let privileged = |arguments: &[&str]| -> Command {
        let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root() {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command
    };
    if !is_root() && !has("sudo") {
        return Err(Failed(format!("Neither root nor sudo; please install: {}", missing.join(" "))));
    }
    succeed(privileged(&["update"]))?;
    succeed(privileged(&[&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat()))
}

fn installed(package: &str) -> bool {
    // Not everywhere are these packages, and the programs count.
    let program = match package {
        "chromium" => Some("chromium"),
        "chromium-driver" => Some("chromedriver"),
        _ => None,
    };
    if program.is_some_and(has) {
        return true;
    }
    let query = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).stdin(Stdio::null()).output();
    query.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("install ok installed"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"))
}

/// Installs a folder's npm packages when they are not those of its lock file.
pub(crate) fn npm_packages(folder: &str) -> Result<(), Failed> {
    let folder = root().join(folder);
    let marker = folder.join("node_modules/.package-lock.json");
    if newest(&folder.join("package-lock.json")) <= newest(&marker) {
        return Ok(());
    }
    let mut npm = command("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    npm.current_dir(folder);
    succeed(npm)
}

/// Installs a folder's Python packages, once per list of them, apart from everything else; answers where their program is.
///
/// Without Python nothing is installed, and who needs the program says that it is missing.
pub(crate) fn python_packages(folder: &str, program: &str) -> Result<PathBuf, Failed> {
    let list = root().join(folder).join("requirements.txt");
    let home = target().join("tools").join(program);
    let binary = home.join("bin").join(program);
    if newest(&list) <= newest(&binary) || !has("python3") {
        return Ok(binary);
    }
    let (home, list) = (home.display().to_string(), list.display().to_string());
    succeed(command("python3", ["-m", "venv", "--clear", &home]))?;
    succeed(command(&format!("{home}/bin/python3"), ["-m", "pip", "install", "--quiet", "--no-deps", "-r", &list]))?;
    Ok(binary)
}

/// Builds the interface when its sources are newer than what was built.
pub(crate) fn interface() -> Result<(), Failed> {
    npm_packages("ui")?;
    let sources = ["ui/src", "ui/index.html", "ui/package-lock.json", "ui/vite.config.ts"];
    let sources = sources.iter().map(|path| newest(&root().join(path))).max().flatten();
    if sources <= newest(&root().join("ui/dist/index.html")) {
        return Ok(());
    }
    let mut npm = command("npm", ["run", "build"]);
    npm.current_dir(root().join("ui"));
    succeed(npm)
}

/// The newest change below a path.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = fs::metadata(path).and_then(|data| data.modified()).ok();
    let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| newest(&entry.path()));
    below.chain([own]).max().flatten()
}
