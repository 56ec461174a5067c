//! `cargo xtask bench`: the engine beside a bare writer; size, start and idle memory of the release build beside an empty
//! window built the same way, and the two latencies a traveller feels.
//!
//! Both windows are started by the web view's own driver, in turns, in one session; a number is the median of the runs. The
//! driver's own start is in both. Deliberately not here: a limit. Timings are compared, not asserted.

mod driver;
mod latency;

use crate::{
    session, setup,
    shell::{Failed, cargo, command, succeed, target},
};
use driver::Window;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const RUNS: usize = 5;
/// How long a program is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// Marks the processes of one run, those of the web view included.
const MARK: &str = "ZHIYOU_BENCH_RUN";

struct Program {
    name: &'static str,
    binary: PathBuf,
    /// What the first usable screen has.
    ready: &'static str,
}

struct Run {
    start_ms: u64,
    memory_kb: u64,
}

/// What the order engine costs, on the disk the builds are on.
pub(crate) fn engine() -> Result<(), Failed> {
    let place = target().join("bench-engine");
    fs::create_dir_all(&place).map_err(|error| Failed(error.to_string()))?;
    succeed(cargo(["build", "--profile", "measure", "--package", "engine-bench"]))?;
    let program = target().join("measure").join("engine-bench");
    succeed(command(&program.display().to_string(), [place.as_os_str()]))
}

/// What payments cost, and whether they keep to their limits, on the disk the builds are on.
pub(crate) fn payments() -> Result<(), Failed> {
    let place = target().join("bench-payments");
    fs::create_dir_all(&place).map_err(|error| Failed(error.to_string()))?;
    succeed(cargo(["build", "--profile", "measure", "--package", "payments-bench"]))?;
    let program = target().join("measure").join("payments-bench");
    succeed(command(&program.display().to_string(), [place.as_os_str()]))
}

/// Builds both programs and measures them in a session of their own.
pub(crate) fn bench() -> Result<(), Failed> {
    setup::window_packages()?;
    setup::interface()?;
    succeed(cargo(["build", "--release", "--package", "zhiyou", "--package", "empty-window"]))?;
    let own = std::env::current_exe().map_err(|error| Failed(error.to_string()))?;
    succeed(session::inside(command(&own.display().to_string(), ["bench-in-session"])))
}

/// Measures; the session around us has a display, a bus and a keyring.
pub(crate) fn in_session() -> Result<(), Failed> {
    let release = target().join("release");
    let programs = [
        Program { name: "zhiyou", binary: release.join("zhiyou"), ready: "[data-testid=demo-band]" },
        Program { name: "empty", binary: release.join("empty-window"), ready: "#ready" },
    ];
    let data = target().join("bench-data");
    // An earlier run's database would be somebody else's key in this session's keyring.
    let _ = fs::remove_dir_all(&data);
    let mut runs: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
    for number in 0..=RUNS {
        for (program, runs) in programs.iter().zip(&mut runs) {
            let run = measure(program, &data, number)?;
            println!("{:<7} start {:>5} ms, memory {:>6} kB", program.name, run.start_ms, run.memory_kb);
            // The first start makes keys and fills caches.
            if number > 0 {
                runs.push(run);
            }
        }
    }
    let [ours, empty] = &runs;
    report("start to first screen, ms", median(ours, |run| run.start_ms), median(empty, |run| run.start_ms));
    report("idle memory of all processes, kB", median(ours, |run| run.memory_kb), median(empty, |run| run.memory_kb));
    let [ours, empty] = &programs;
    report("binary, bytes", bytes(&ours.binary), bytes(&empty.binary));
    latency::latency(&ours.binary, &data, &target().join("bench.log"))?;
    Ok(())
}

fn measure(program: &Program, data: &Path, number: usize) -> Result<Run, Failed> {
    let mark = format!("{}-{}-{number}", program.name, std::process::id());
    let window = Window::open(
        &program.binary,
        &[(MARK, mark.as_str()), ("ZHIYOU_DATA_DIR", &data.display().to_string())],
        None,
    )?;
    let start_ms = window.until_shown(program.ready)?;
    window.idle(IDLE)?;
    let memory_kb = memory_kb(&mark);
    window.close();
    gone(&mark)?;
    Ok(Run { start_ms, memory_kb })
}

/// The app and the web view's processes of one run; the driver is left out.
fn processes(mark: &str) -> impl Iterator<Item = PathBuf> {
    let wanted = format!("{MARK}={mark}");
    let ours = move |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let marked = environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes());
        let driver = fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("WebKitWebDriver"));
        marked && !driver
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()).filter(ours)
}

/// Waits until a run has ended: the next start of the same app would only wake this one. What does not end is ended.
fn gone(mark: &str) -> Result<(), Failed> {
    let started = Instant::now();
    let mut patience = Duration::from_secs(5);
    while processes(mark).next().is_some() {
        if started.elapsed() > Duration::from_secs(30) {
            return Err(Failed(format!("{mark} did not end")));
        }
        if started.elapsed() > patience {
            patience = Duration::MAX;
            for id in processes(mark).filter_map(|process| process.file_name().map(OsStr::to_os_string)) {
                // One that has just ended by itself is fine.
                let _ = command("kill", [OsStr::new("-KILL"), &id]).status();
            }
        }
    }
    Ok(())
}

/// Proportional memory, so that what processes share is counted once.
fn memory_kb(mark: &str) -> u64 {
    let share = |process: PathBuf| {
        let rollup = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:").map(str::to_owned)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    processes(mark).map(share).sum()
}

fn median(runs: &[Run], of: impl Fn(&Run) -> u64) -> u64 {
    let mut numbers: Vec<u64> = runs.iter().map(of).collect();
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

fn bytes(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |data| data.len())
}

/// One line; the ratio is in hundredths, without floats.
fn report(what: &str, ours: u64, empty: u64) {
    let hundredths = (ours * 100).checked_div(empty).unwrap_or(0);
    println!("{what:<34} {ours:>12} beside {empty:>12}: {}.{:02} times", hundredths / 100, hundredths % 100);
}
