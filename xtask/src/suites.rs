//! The suites of `cargo xtask test`, each counted; one that is missing, ran nothing or ran too little has failed.

use crate::{
    count::{self, Count},
    session, setup,
    shell::{Failed, cargo, command, has, observe, root, succeed, target},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// Runs suites, counts them, and remembers how long each took.
struct Tally {
    minimums: BTreeMap<String, u32>,
    total: Count,
    lines: Vec<String>,
}

impl Tally {
    fn new() -> Self {
        let text = std::fs::read_to_string(root().join("xtask/minimums.json")).unwrap_or_default();
        Self { minimums: serde_json::from_str(&text).unwrap_or_default(), total: Count::default(), lines: Vec::new() }
    }

    fn suite(&mut self, name: &str, run: impl FnOnce() -> Count) {
        println!("\n== {name}");
        let started = Instant::now();
        let mut count = run();
        let minimum = self.minimums.get(name).copied().unwrap_or(1);
        if count.passed + count.failed < minimum {
            let short = format!("{name}: {} tests ran, at least {minimum} have to", count.passed + count.failed);
            println!("{short}");
            count = count.plus(Count::failure(short));
        }
        let seconds = started.elapsed().as_secs();
        self.lines.push(format!("{name:<12} {:>5} passed {:>3} failed {seconds:>5} s", count.passed, count.failed));
        self.total = std::mem::take(&mut self.total).plus(count);
    }

    /// What failed, once more, and the figures; the last line is the one that is read by machines.
    fn finish(self) -> ExitCode {
        for what in &self.total.told {
            println!("\nfailed: {what}");
        }
        println!("\n{}", self.lines.join("\n"));
        println!("{} passed, {} failed", self.total.passed, self.total.failed);
        if self.total.failed == 0 && self.total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn check(outcome: Result<(), Failed>) -> Count {
    match outcome {
        Ok(()) => Count::PASSED,
        Err(error) => {
            println!("{error}");
            Count::failure(error.to_string())
        }
    }
}

/// A runner's own count; a runner that failed without a failed test has failed once.
fn counted((success, text): (bool, String), count: impl Fn(&str) -> Count) -> Count {
    let count = count(&text);
    if !success && count.failed == 0 {
        let from = text.lines().count().saturating_sub(20);
        let end: Vec<&str> = text.lines().skip(from).collect();
        return count.plus(Count::failure(format!("the runner itself; its last lines:\n{}", end.join("\n"))));
    }
    count
}

/// Every check that CI runs.
pub(crate) fn test() -> ExitCode {
    let mut tally = Tally::new();
    tally.suite("setup", || check(setup::window_packages().and_then(|()| setup::interface())));
    lint_suites(&mut tally);
    // Building has no limit of time; a test that hangs has.
    tally.suite("rust", || match built() {
        Ok(()) => counted(observe(cargo(["test", "--workspace", "--no-fail-fast"])), count::libtest),
        Err(error) => check(Err(error)),
    });
    tally.suite("tables", tables);
    tally.suite("ui", || {
        let npm = |arguments: &[&str]| {
            let mut npm = command("npm", arguments);
            npm.current_dir(root().join("ui"));
            npm
        };
        check(succeed(npm(&["run", "check"]))).plus(counted(observe(npm(&["test"])), count::vitest))
    });
    tally.suite("simulation", simulation);
    tally.suite("kill", || kill(&[]));
    tally.suite("interop", interop);
    tally.suite("window", || window(&[]));
    if has_nightly() {
        tally.suite("fuzz", || {
            if let Err(error) = tool("cargo-fuzz") {
                return check(Err(error));
            }
            // Each runs in one thread; the first builds for the others, which wait for it.
            let counts = std::thread::scope(|scope| {
                let started = FUZZED.map(|name| scope.spawn(move || fuzzed(name, INPUTS, SEED)));
                started.map(|one| one.join().unwrap_or_else(|_| Count::failure("the driver of the fuzzer".to_owned())))
            });
            counts.into_iter().fold(Count::default(), Count::plus)
        });
    } else if std::env::var_os("CI").is_some() {
        tally.suite("fuzz", || check(Err(Failed("there is no nightly toolchain".to_owned()))));
    } else {
        println!("fuzz: not run, there is no nightly toolchain");
    }
    tally.finish()
}

/// Builds every program and every test of the workspace.
///
/// All suites build and run with the whole workspace selected, whatever little they need of it: cargo gives a dependency the
/// features that the selected packages ask for, so every other selection would build half of the dependencies once more.
fn built() -> Result<(), Failed> {
    succeed(cargo(["build", "--workspace", "--bins", "--examples", "--tests", "--quiet"]))
}

/// How long the tables of attacks should take at most: who cannot run them after every change does not.
const TABLES: Duration = Duration::from_secs(20);

/// Files that are only in memory, where a system has such a place.
const MEMORY: &str = "/dev/shm";

/// What they write at most together, with a margin; some containers have less.
const ROOM_MB: u64 = 1024;

/// Free room of a file system; none where there is no such place or nobody who tells.
fn room_mb(place: &str) -> u64 {
    let told = Command::new("df").args(["--output=avail", "--block-size=1M", place]).output();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or_default()
}

/// The tests of the attacks on sign-in and on the app (`docs/faults.md`, OA and TA) once more, alone. They
/// are built already; how long they take is said, and decides nothing on a machine that is busy with other things; what drives the real window is the window suite's.
fn tables() -> Count {
    let names = attacks(&std::fs::read_to_string(root().join("docs/faults.md")).unwrap_or_default());
    if let Err(error) = built() {
        return check(Err(error));
    }
    let fixed = ["test", "--workspace", "--tests", "--no-fail-fast"];
    // Half of the time they wait, for databases and for each other's servers.
    let threads = std::thread::available_parallelism().map_or(4, |cores| 2 * cores.get());
    let threads = format!("--test-threads={threads}");
    let mut attacked = cargo(fixed.iter().copied().chain(["--", &threads]).chain(names.iter().map(String::as_str)));
    // None of them is about the disk, and each has databases of its own.
    let memory = Path::new(MEMORY).join(format!("zhiyou-tables-{}", std::process::id()));
    if room_mb(MEMORY) >= ROOM_MB && std::fs::create_dir(&memory).is_ok() {
        attacked.env("TMPDIR", &memory);
    }
    let started = Instant::now();
    let run = observe(attacked);
    let took = started.elapsed();
    // Not every system has such a place.
    let _ = std::fs::remove_dir_all(&memory);
    let word = if took > TABLES { "more than" } else { "within" };
    println!("the tables of attacks took {} ms, {word} the {} they should", took.as_millis(), TABLES.as_millis());
    counted(run, count::libtest)
}

/// The tests that the tables of attacks name, each once.
fn attacks(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| line.starts_with("| OA-") || line.starts_with("| TA-"));
    let names = rows.filter_map(|row| row.split('|').nth(3)).map(|cell| cell.trim().trim_matches('`').to_owned());
    names.collect()
}

/// Readers of what any page or program can make the system hand to us; in every check where there is a nightly toolchain.
const FUZZED: [&str; 2] = ["deep_link", "callback"];
/// Inputs of each.
pub(crate) const INPUTS: &str = "1000000";
/// In every check they are drawn from the same seed: what fails in one fails in the next. By `cargo xtask fuzz` from another
/// one each time.
const SEED: u32 = 1;
/// libFuzzer's word for a seed of its own choice.
const ANY_SEED: u32 = 0;

/// Seeds of the simulation in every check.
const SEEDS: &str = "10000";
/// Seeds a planted defect has to be found in, in every check.
const SEEDS_PLANTED: &str = "2000";

/// Altered sequences of facts the books are kept over, and graphs of items, in every check.
const SEQUENCES: &str = "110000";

/// The simulation in release, whether it still has teeth, the books, and the graphs: four checks.
fn simulation() -> Count {
    let plain = check(sim(&["--seeds", SEEDS]));
    let teeth = check(sim(&["--teeth", "--seeds", SEEDS_PLANTED]));
    let books = check(sim(&["--ledger", SEQUENCES]));
    plain.plus(teeth).plus(books).plus(check(sim(&["--graphs", SEQUENCES])))
}

/// The process killed at writes of the journal, a sample of them unless `--all` is among the arguments.
fn kill(arguments: &[&str]) -> Count {
    if let Err(error) = built() {
        return check(Err(error));
    }
    let fixed = ["test", "--quiet", "--workspace", "--test", "kill", "--"];
    counted(observe(cargo(fixed.iter().chain(arguments).copied())), count::libtest)
}

/// The kill suite alone.
pub(crate) fn kills(arguments: &[&str]) -> ExitCode {
    let mut tally = Tally::new();
    tally.suite("kill", || kill(arguments));
    tally.finish()
}

/// Inputs that libFuzzer finds, so many for each of these readers of what strangers write, or for all of them; one reader
/// at a time. The ordinary tests give the same readers a few thousand each.
pub(crate) fn fuzz(inputs: &str, names: &[&str]) -> ExitCode {
    let mut tally = Tally::new();
    let all = readers();
    for name in all.iter().map(String::as_str).filter(|name| names.is_empty() || names.contains(name)) {
        tally.suite(name, || fuzzed(name, inputs, ANY_SEED));
    }
    tally.finish()
}

fn fuzzed(name: &str, inputs: &str, seed: u32) -> Count {
    check(tool("cargo-fuzz").and_then(|tool| succeed(drive(&tool, name, inputs, seed))))
}

fn has_nightly() -> bool {
    let listed = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    listed.is_ok_and(|output| output.status.success())
}

/// The programs in `fuzz/targets`.
fn readers() -> Vec<String> {
    let files = std::fs::read_dir(root().join("fuzz/targets")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// One of them under libFuzzer, with the nightly toolchain. There is no unsafe code of ours to be watched for by a
/// sanitizer; what is watched is memory, time and what the reader has to hold.
fn drive(tool: &Path, name: &str, inputs: &str, seed: u32) -> Command {
    let tool = tool.display().to_string();
    let (runs, seed) = (format!("-runs={inputs}"), format!("-seed={seed}"));
    let fixed = ["run", "nightly", &tool, "run", "--dev", "--sanitizer", "none", "--target-dir"];
    let folder = target().join("fuzz").display().to_string();
    let limits = [
        "--",
        &runs,
        &seed,
        "-max_len=16384",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=0",
    ];
    let mut rustup = command("rustup", fixed.into_iter().chain([folder.as_str(), name]).chain(limits));
    // What runs us is another toolchain.
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"] {
        rustup.env_remove(variable);
    }
    rustup
}

/// Runs the simulator with these arguments.
pub(crate) fn sim(arguments: &[&str]) -> Result<(), Failed> {
    let fixed = ["run", "--quiet", "--release", "--package", "zhiyou-sim", "--"];
    succeed(cargo(fixed.iter().chain(arguments).copied()))
}

/// Format, clippy, licences and advisories alone.
pub(crate) fn lint() -> ExitCode {
    let mut tally = Tally::new();
    tally.suite("setup", || check(setup::build_packages().and_then(|()| setup::interface())));
    lint_suites(&mut tally);
    tally.finish()
}

fn lint_suites(tally: &mut Tally) {
    tally.suite("format", || check(succeed(cargo(["fmt", "--all", "--check"]))));
    tally.suite("clippy", || {
        check(succeed(cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])))
    });
    tally.suite("deny", || {
        check(tool("cargo-deny").and_then(|deny| {
            let deny = deny.display().to_string();
            succeed(command(&deny, ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))
        }))
    });
    let database = root().join("../shared/advisory-db");
    if database.is_dir() {
        tally.suite("audit", || {
            check(tool("cargo-audit").and_then(|audit| {
                let (audit, database) = (audit.display().to_string(), database.display().to_string());
                succeed(command(&audit, ["audit", "--no-fetch", "--stale", "--db", &database]))
            }))
        });
    } else if std::env::var_os("CI").is_some() {
        tally.suite("audit", || check(Err(Failed("the advisory database is missing".to_owned()))));
    } else {
        println!("audit: not run, there is no advisory database beside the project");
    }
}

/// A cargo tool from the path, or built once for this project.
fn tool(name: &str) -> Result<PathBuf, Failed> {
    if has(name) {
        return Ok(PathBuf::from(name));
    }
    let home = target().join("tools");
    let binary = home.join("bin").join(name);
    if !binary.is_file() {
        let mut install =
            cargo(["install", "--locked", "--debug", "--quiet", "--root", &home.display().to_string(), name]);
        // The tools have much in common.
        install.env("CARGO_TARGET_DIR", home.join("build"));
        succeed(install)?;
    }
    Ok(binary)
}

/// The interop suite alone.
pub(crate) fn interops() -> ExitCode {
    let mut tally = Tally::new();
    tally.suite("interop", interop);
    tally.finish()
}

/// Where the judges of our payment adapters' requests are.
const JUDGES: &str = "tests/interop/specs";

/// The providers' official clients against the sandbox.
fn interop() -> Count {
    let prepared = setup::npm_packages("tests/interop")
        .and_then(|()| built())
        .and_then(|()| setup::python_packages("tests/interop/alipayplus", "ant-intl-alipayplus-mcp"));
    let program = match prepared {
        Ok(program) => program,
        Err(error) => return check(Err(error)),
    };
    let tool = target().join("debug/zhiyouctl").display().to_string();
    let mut npm = command("npm", ["run", "with-sandbox", "--", tool.as_str(), "sandbox"]);
    npm.current_dir(root().join("tests/interop")).env("ZHIYOU_ALIPAYPLUS_MCP", program);
    counted(observe(npm), count::node_test).plus(authorization_server()).plus(judges())
}

/// What our payment adapters send, judged by software that is not ours.
fn judges() -> Count {
    let prepared = setup::npm_packages(JUDGES).and_then(|()| setup::python_packages(JUDGES, "localstripe"));
    let program = match prepared {
        Ok(program) => program,
        Err(error) => return check(Err(error)),
    };
    let mut npm = command("npm", ["test"]);
    npm.current_dir(root().join(JUDGES)).env("ZHIYOU_LOCALSTRIPE", &program);
    let fixed = ["test", "--workspace", "--test", "sandbox", "localstripe::", "--", "--ignored", "--test-threads=1"];
    let mut against = cargo(fixed);
    against.env("ZHIYOU_LOCALSTRIPE", program);
    counted(observe(npm), count::node_test).plus(counted(observe(against), count::libtest))
}

/// Our sign-in against an authorization server that is not ours.
fn authorization_server() -> Count {
    let prepared = setup::npm_packages("tests/interop/oidc").and_then(|()| built());
    if let Err(error) = prepared {
        return check(Err(error));
    }
    let mut npm = command("npm", ["test"]);
    npm.current_dir(root().join("tests/interop/oidc")).env("ZHIYOU_SIGN_IN", target().join("debug/examples/sign_in"));
    counted(observe(npm), count::node_test)
}

/// The real window, driven in a session of its own: every test, or those with one of `names` in theirs.
fn window(names: &[&str]) -> Count {
    if let Err(error) = built() {
        return check(Err(error));
    }
    let mut tests = cargo(["test", "--workspace", "--test", "desktop", "--", "--test-threads=1"]);
    tests.args(names);
    counted(observe(session::inside(tests)), count::libtest)
}

/// The window suite alone; with names it may run fewer tests than CI has to.
pub(crate) fn e2e(names: &[&str]) -> ExitCode {
    let mut tally = Tally::new();
    if !names.is_empty() {
        tally.minimums.clear();
    }
    tally.suite("setup", || check(setup::window_packages().and_then(|()| setup::interface())));
    tally.suite("window", || window(names));
    tally.finish()
}

/// Writes `ui/src/api/bindings.ts`.
pub(crate) fn bindings() -> Result<(), Failed> {
    let mut write = cargo(["test", "--quiet", "--package", "zhiyou-engine", "--lib", "bindings"]);
    write.env("ZHIYOU_WRITE_BINDINGS", "1");
    succeed(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_attacks_are_read_and_every_suite_has_to_run_something() {
        let names = attacks(&std::fs::read_to_string(root().join("docs/faults.md")).unwrap());
        assert!(names.len() >= 100, "{}", names.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')),
            "{names:?}"
        );
        let tally = Tally::new();
        assert!(
            ["rust", "tables", "ui", "simulation", "kill", "interop", "window", "fuzz"]
                .iter()
                .all(|name| { tally.minimums.get(*name).is_some_and(|minimum| *minimum > 0) })
        );
    }
}
