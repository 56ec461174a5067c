//! `cargo xtask <command>`: set-up of a fresh machine and orchestration of checks.
//!
//! Deliberately not here: product logic, and any check that could be an ordinary test.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its standard streams")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bench;
mod count;
mod platforms;
mod run;
mod session;
mod setup;
mod shell;
mod suites;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod vectors;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask run [--browser]  open the app in demo mode (installs what is missing)
cargo xtask test             every check that CI runs; ends with `N passed, N failed`
cargo xtask lint             format, clippy, licences, advisories
cargo xtask e2e [NAME…]      drive the real window through the main job
cargo xtask sim [ARGS]       seeded simulation (--seeds N --from S, --teeth, --ledger N, --graphs N, --trace SEED)
cargo xtask kill [--all]     kill the app at writes of the journal, start it again, compare with the providers' book
cargo xtask interop          the providers' own clients, an authorization server and the judges of our requests
cargo xtask fuzz [N [NAME…]] N inputs, a million without it, found by libFuzzer (nightly) for each reader of what strangers write
cargo xtask bench            the engine, then size, start and memory beside an empty window (release builds)
cargo xtask bench engine     orders per second beside a bare writer, decisions, recovery, reads
cargo xtask bench payments   100 payments at once against their limits, notifications per second, queries under a flood
cargo xtask platforms [NAME] type-check the app for windows, macos, android and ios, on Linux (Debian's packages)
cargo xtask bindings         write the TypeScript types of the API";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run"] => run::window(),
        ["run", "--browser"] => run::browser(),
        ["test"] => return suites::test(),
        ["lint"] => return suites::lint(),
        ["e2e", names @ ..] => return suites::e2e(names),
        ["sim", rest @ ..] => suites::sim(rest),
        ["kill", rest @ ..] => return suites::kills(rest),
        ["interop"] => return suites::interops(),
        ["fuzz"] => return suites::fuzz(suites::INPUTS, &[]),
        ["fuzz", inputs, names @ ..] => return suites::fuzz(inputs, names),
        ["bench"] => bench::engine().and_then(|()| bench::bench()),
        ["bench", "engine"] => bench::engine(),
        ["bench", "payments"] => bench::payments(),
        ["bench-in-session"] => bench::in_session(),
        ["platforms", names @ ..] => return platforms::check(names),
        ["bindings"] => suites::bindings(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
