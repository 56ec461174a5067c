//! `engine-bench`: what the order engine costs, beside a bare writer in the same run.
//!
//! Deliberately not here: limits. Timings are compared and read by people.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its standard streams")]

mod bare;
#[path = "../headless.rs"]
mod headless;
mod instant;
mod many;
mod saga;

use std::{error::Error, path::Path, process::ExitCode, sync::Arc};

/// Items of an order and what it is called: with the opening of its payment, five effects and seven.
const ORDERS: [(usize, &str); 2] = [(4, "5-step"), (6, "6-item")];
/// Orders at the same time, and how many are run.
const WIDTHS: [(u64, u64); 3] = [(1, 150), (16, 960), (64, 2_560)];

fn main() -> ExitCode {
    // The disk matters: the folder is where the builds are, not in memory.
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(all(Path::new(&root)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(root: &Path) -> Result<(), Box<dyn Error>> {
    let folder = || tempfile::tempdir_in(root);
    many::decisions()?;
    for (items, name) in ORDERS {
        let place = folder()?;
        let engine = saga::Engine::start(place.path(), Arc::new(saga::instant())).await?;
        let (id, facts) = saga::sample(&engine, items).await?;
        for (width, orders) in WIDTHS {
            let round = saga::round(&engine, items, width, orders).await?;
            let appends = usize::try_from(round.appends / round.orders.max(1))?;
            let bare_place = folder()?;
            let stored = bare::appends(id, &facts, appends)?;
            let (took, synchronous) = bare::write(bare_place.path(), &stored, width, orders)?;
            let bare = round.orders * 1_000_000 / u64::try_from(took.as_micros())?.max(1);
            let alone = many::store_alone(folder()?.path(), items, appends, (width, orders)).await?;
            println!(
                "{name} orders, {width:>2} at once  {:>6}/s, p50 {:>6} us, p99 {:>6} us; store alone {alone:>5}/s, bare writer {bare:>5}/s: {}%; \
                 appends an order {}, commits an order {}.{:02}; synchronous {synchronous}",
                round.per_second(),
                round.percentile(50).as_micros(),
                round.percentile(99).as_micros(),
                round.per_second() * 100 / bare.max(1),
                appends,
                round.commits / round.orders.max(1),
                round.commits * 100 / round.orders.max(1) % 100,
            );
        }
        engine.stop().await;
    }
    many::recovery(folder()?.path()).await?;
    many::reads(folder()?.path()).await
}
