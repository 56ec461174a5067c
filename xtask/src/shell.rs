//! Running other programs, and the folders they run in.

use std::{
    ffi::OsStr,
    fmt, fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// A program that could not be run or did not succeed.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The top of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where build results go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// A command in the project's top folder.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo itself, the one that runs us.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    command(&cargo, arguments)
}

/// Runs a command with our own standard streams and waits for its success.
pub(crate) fn succeed(mut command: Command) -> Result<(), Failed> {
    let shown = format!("{command:?}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("{shown}: {status}"))),
        Err(error) => Err(Failed(format!("{shown}: {error}"))),
    }
}

/// How long one observed program may take; all suites together take a fraction of this on two cores.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// Runs a command, shows what it prints, and returns that together with whether it succeeded.
///
/// It prints into a file, so that a grandchild that outlives it cannot keep us waiting, and leads a process group of its
/// own, which is ended with it.
pub(crate) fn observe(command: Command) -> (bool, String) {
    let shown = format!("{command:?}");
    match observed(command) {
        Ok((success, text)) => {
            println!("{text}");
            (success, text)
        }
        Err(error) => {
            println!("{shown}: {error}");
            (false, String::new())
        }
    }
}

fn observed(mut command: Command) -> io::Result<(bool, String)> {
    let path = target().join(format!("observed-{}.log", std::process::id()));
    let log = fs::File::create(&path)?;
    let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?;
    let group = format!("-{}", child.id());
    let (done, ended) = mpsc::channel();
    let waits = thread::spawn(move || done.send(child.wait()));
    let success = match ended.recv_timeout(LIMIT) {
        Ok(status) => status?.success(),
        Err(_) => {
            println!("ended after {} s", LIMIT.as_secs());
            false
        }
    };
    // Mostly there is nobody left, and `kill` says so.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = waits.join();
    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    fs::remove_file(&path)?;
    Ok((success, text))
}
