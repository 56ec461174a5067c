//! `cargo xtask platforms`: type-checks the whole app for the systems this machine is not.
//!
//! Debian's compiler comes with the source of the standard library for every target; it is unpacked below the build
//! results and installs nothing. C is not compiled: a stub stands in for its compiler, so nothing is linked and nothing
//! runs. What this finds is Rust code that does not compile on another system. Deliberately not here: building for those
//! systems, which takes their own tools.

use crate::shell::{Failed, cargo, command, has, succeed, target};
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

/// Compiler, its libraries, and the source of the standard library, of one version; and what makes a library of a list of
/// Windows functions, which the compiler wants even for a check.
const PACKAGES: &[&str] = &[
    "rustc-web",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "rust-web-src",
    "libllvm22",
    "binutils-mingw-w64-x86-64",
];

/// A system the app is for, and what is checked there.
struct Platform {
    name: &'static str,
    target: &'static str,
    /// Packages.
    what: &'static [&'static str],
}

const PLATFORMS: &[Platform] = &[
    Platform {
        name: "windows",
        target: "x86_64-pc-windows-gnu",
        what: &["--package", "zhiyou", "--package", "zhiyouctl"],
    },
    Platform {
        name: "macos",
        target: "aarch64-apple-darwin",
        what: &["--package", "zhiyou", "--package", "zhiyouctl"],
    },
    Platform { name: "android", target: "aarch64-linux-android", what: &["--package", "zhiyou-mobile"] },
    Platform { name: "ios", target: "aarch64-apple-ios", what: &["--package", "zhiyou-mobile"] },
];

/// What stands in for the C compiler of another system.
const STUB: &str = "no-cc";

/// Answers what a C compiler is asked (it is not the one that takes options as Microsoft's does, who would know `-?`), and
/// leaves an empty file where an object is wanted.
const NO_C: &str = r#"#!/bin/sh
for word in "$@"; do
    case "$word" in
        -E) echo '"clang"'; exit 0 ;;
        -\?) exit 1 ;;
        --version) echo 'clang version 14.0.6'; exit 0 ;;
    esac
    case "$before" in
        -o | --output) : > "$word" ;;
    esac
    before=$word
done
"#;

/// Checks the named platforms, or all, and prints a line for each.
pub(crate) fn check(names: &[&str]) -> ExitCode {
    let wanted: Vec<&Platform> =
        PLATFORMS.iter().filter(|platform| names.is_empty() || names.contains(&platform.name)).collect();
    if wanted.is_empty() || wanted.len() < names.len() {
        println!("known are: {}", PLATFORMS.iter().map(|platform| platform.name).collect::<Vec<_>>().join(" "));
        return ExitCode::from(2);
    }
    let tools = match Tools::prepared() {
        Ok(tools) => tools,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = Vec::new();
    let mut failed = false;
    for platform in wanted {
        let started = Instant::now();
        let outcome = succeed(tools.check(platform));
        failed |= outcome.is_err();
        let word = if outcome.is_ok() { "compiles" } else { "FAILED" };
        lines.push(format!("{:<8} {:<24} {word} {:>5} s", platform.name, platform.target, started.elapsed().as_secs()));
        tools.clean();
    }
    println!("\n{}\n{}", tools.version(), lines.join("\n"));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The unpacked compiler and the stubs beside it.
struct Tools {
    folder: PathBuf,
}

impl Tools {
    fn prepared() -> Result<Self, Failed> {
        let tools = Self { folder: target().join("platforms") };
        tools.unpack()?;
        tools.stubs().map_err(|error| Failed(format!("{}: {error}", tools.folder.display())))?;
        Ok(tools)
    }

    /// Downloads and unpacks the compiler, once.
    fn unpack(&self) -> Result<(), Failed> {
        let (whole, packages) = (self.folder.join("unpacked"), self.folder.join("packages"));
        if whole.is_file() {
            return Ok(());
        }
        if !has("apt-get") || !has("dpkg") {
            return Err(Failed("this needs Debian's packages of the compiler (apt-get, dpkg)".to_owned()));
        }
        let failed = |error: io::Error| Failed(format!("{}: {error}", self.folder.display()));
        fs::create_dir_all(&packages).map_err(failed)?;
        let mut download = command("apt-get", ["download"].iter().chain(PACKAGES));
        download.current_dir(&packages);
        succeed(download)?;
        for package in fs::read_dir(&packages).map_err(failed)?.flatten() {
            let rust = self.folder.join("rust");
            succeed(command("dpkg", [OsStr::new("-x"), package.path().as_os_str(), rust.as_os_str()]))?;
        }
        fs::remove_dir_all(&packages).map_err(failed)?;
        fs::write(&whole, "").map_err(failed)
    }

    fn stubs(&self) -> io::Result<()> {
        let bin = self.folder.join("bin");
        fs::create_dir_all(&bin)?;
        fs::create_dir_all(self.folder.join("sdk"))?;
        let rust = self.folder.join("rust/usr");
        let compiler = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH='{0}/lib/x86_64-linux-gnu' exec '{0}/bin/rustc' \"$@\"\n",
            rust.display()
        );
        program(&bin.join("rustc"), &compiler)?;
        // Not `cc`: that one links the programs that run here. The second is what the icon and version of a Windows program
        // are compiled with.
        for name in [STUB, "x86_64-w64-mingw32-windres"] {
            program(&bin.join(name), NO_C)?;
        }
        Ok(())
    }

    fn check(&self, platform: &Platform) -> Command {
        let bin = self.folder.join("bin");
        let build = self.build();
        let mut cargo = cargo(["check", "--locked", "--quiet", "-Zbuild-std=std,panic_abort,panic_unwind"]);
        cargo.args(["--target", platform.target]).args(platform.what).arg("--target-dir").arg(build);
        let mut path = bin.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        // Last, so that no program of this system is replaced.
        path.push(":");
        path.push(self.folder.join("rust/usr/bin"));
        let suffix = platform.target.replace('-', "_");
        cargo
            .env("PATH", path)
            .env("RUSTC", bin.join("rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("SDKROOT", self.folder.join("sdk"))
            .env(format!("CC_{suffix}"), bin.join(STUB))
            .env(format!("CXX_{suffix}"), bin.join(STUB))
            .env(format!("AR_{suffix}"), "ar")
            .env_remove("CARGO_TARGET_DIR");
        cargo
    }

    fn build(&self) -> PathBuf {
        self.folder.join("build")
    }

    /// What one check leaves behind is gigabytes, and no other check can use it.
    fn clean(&self) {
        if let Err(error) = fs::remove_dir_all(self.build()) {
            println!("{}: {error}", self.build().display());
        }
    }

    fn version(&self) -> String {
        let output = Command::new(self.folder.join("bin/rustc")).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }
}

/// Writes a program.
fn program(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
