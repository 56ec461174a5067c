//! The real process killed before and after every write of the journal, and for a sign-in at every other commit, started
//! again, and judged by the providers' own book.
//!
//! One program in two roles: the traveller with the app, which is killed, and the judge, who starts a sandbox, the
//! traveller until it is killed, and the traveller again. `--all` tries every point, otherwise a sample; names choose
//! scenarios. Each counts as one test. Deliberately not here: the window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod judge;
mod member;
#[path = "../page.rs"]
mod page;
mod traveller;

fn main() -> std::process::ExitCode {
    if std::env::var_os(member::IS_MEMBER).is_some() {
        return member::main();
    }
    if std::env::var_os(traveller::DATA_DIR).is_some() {
        return traveller::main();
    }
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    judge::main(options.iter().any(|option| option == "--all"), &names)
}
