//! `payments-bench`: payments against their limits with a hundred at once, notifications per second beside what the disk and
//! the crypto library alone can do, and questions while a flood is refused.
//!
//! Everything runs in one process on 127.0.0.1. Arguments: a folder on the disk that counts, and how many payments (1,000).
//! Deliberately not here: real channels, and the payer's own time.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its standard streams")]

mod bare;
mod flood;
#[path = "../headless.rs"]
mod headless;
mod limits;
mod notices;
mod screen;
mod stage;

use std::{error::Error, path::Path, process::ExitCode, time::Duration};

/// Payments when nothing else is said.
const PAYMENTS: usize = 1_000;
/// Payments at the same time.
const WIDTH: usize = 100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    // The disk matters: the folder is where the builds are, not in memory.
    let root = arguments.next().unwrap_or_else(|| ".".to_owned());
    let count = arguments.next().map_or(Ok(PAYMENTS), |text| text.parse());
    let Ok(count) = count else {
        eprintln!("payments-bench FOLDER [PAYMENTS]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(all(Path::new(&root), count))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every limit was kept.
async fn all(root: &Path, count: usize) -> Result<bool, Box<dyn Error>> {
    let folder = || tempfile::tempdir_in(root);
    let kept = limits::run(folder()?.path(), count, WIDTH.min(count.max(1))).await?;
    let place = folder()?;
    let stage = stage::Stage::start(place.path()).await?;
    let attempts = stage.open_payments(count, WIDTH).await?;
    notices::run(&stage, folder()?.path(), &attempts, WIDTH).await?;
    flood::run(&stage, &attempts).await?;
    stage.stop().await;
    Ok(kept)
}

/// The value that so many percent do not exceed; zero of nothing.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or_default()
}

/// How many a second.
pub(crate) fn per_second(count: usize, took: Duration) -> Result<u64, Box<dyn Error>> {
    Ok(u64::try_from(count)? * 1_000_000 / u64::try_from(took.as_micros())?.max(1))
}
