//! `zhiyou-sim`: runs seeds, plants defects, prints what was found.

#![allow(clippy::print_stdout, reason = "a command-line tool speaks on its standard streams")]

use clap::Parser;
use std::{process::ExitCode, time::Instant};
use zhiyou_domain::defect::Defect;

/// Simulates orders against a faulty outside world.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plant every defect in turn and say which are found.
    #[arg(long)]
    teeth: bool,
    /// Apply this many altered sequences of facts and check the books after each fact.
    #[arg(long)]
    ledger: Option<u64>,
    /// Check this many random graphs of items.
    #[arg(long)]
    graphs: Option<u64>,
    /// Print the journals of these many seeds with their ends, a line of JSON each (`vectors/journals`).
    #[arg(long)]
    golden: Option<u64>,
    /// Print one seed's journal.
    #[arg(long)]
    trace: Option<u64>,
    /// Plant this defect.
    #[arg(long)]
    plant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let planted = arguments.plant.as_ref().and_then(|word| Defect::ALL.iter().find(|defect| defect.word() == word));
    if let Some(seed) = arguments.trace {
        zhiyou_domain::defect::plant(planted.copied());
        println!("{}", zhiyou_sim::trace(seed));
        return ExitCode::SUCCESS;
    }
    if let Some(count) = arguments.golden {
        let seeds = arguments.from..arguments.from + count;
        seeds.filter_map(zhiyou_sim::golden).for_each(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    if let Some(count) = arguments.ledger {
        return books(arguments.from, count, planted.copied());
    }
    if let Some(count) = arguments.graphs {
        return graphs(arguments.from, count);
    }
    if arguments.teeth { teeth(&arguments) } else { plain(&arguments, planted.copied()) }
}

fn plain(arguments: &Arguments, planted: Option<Defect>) -> ExitCode {
    let began = Instant::now();
    let report = zhiyou_sim::seeds(arguments.from, arguments.seeds, planted);
    println!("{}", report.coverage());
    println!("ends: {:?}", report.ends);
    for (rule, (seed, what)) in &report.broken {
        println!("broken {rule}: seed {seed}: {what}");
    }
    println!(
        "simulation: {} seeds, {} facts, {} broken, {} empty cells, {} s",
        report.seeds,
        report.facts,
        report.failed,
        report.empty_cells(),
        began.elapsed().as_secs()
    );
    if report.failed == 0 && report.empty_cells() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn books(from: u64, count: u64, planted: Option<Defect>) -> ExitCode {
    let began = Instant::now();
    let books = zhiyou_sim::ledger::sequences(from, count, planted);
    if let Some((seed, what)) = &books.broken {
        println!("broken: seed {seed}: {what}");
    }
    println!(
        "ledger: {} sequences, {} facts accepted, {} refused, {} movements, {} broken, {} s",
        books.sequences,
        books.accepted,
        books.refused,
        books.entries,
        u8::from(books.broken.is_some()),
        began.elapsed().as_secs()
    );
    if books.broken.is_none() && books.sequences > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn graphs(from: u64, count: u64) -> ExitCode {
    let began = Instant::now();
    let all = zhiyou_sim::graphs::graphs(from, count);
    if let Some((seed, what)) = &all.broken {
        println!("broken: seed {seed}: {what}");
    }
    println!(
        "graphs: {} of {} edges, {} with items that wait for each other, {} broken, {} s",
        all.graphs,
        all.edges,
        all.cyclic,
        u8::from(all.broken.is_some()),
        began.elapsed().as_secs()
    );
    if all.broken.is_none() && all.cyclic > 0 && all.cyclic < all.graphs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// At least this many of the planted defects have to be found.
const FOUND_MIN: usize = 45;

fn teeth(arguments: &Arguments) -> ExitCode {
    let mut found = 0;
    for defect in Defect::ALL {
        let report = zhiyou_sim::seeds(arguments.from, arguments.seeds, Some(*defect));
        match report.broken.iter().min_by_key(|(_, (seed, _))| *seed) {
            Some((rule, (seed, what))) => {
                found += 1;
                println!("found  {defect:28} seed {seed:>6}  {rule}: {what}");
            }
            None => println!("MISSED {defect:28} in {} seeds", report.seeds),
        }
    }
    println!("teeth: {found} of {} planted defects found, at least {FOUND_MIN} needed", Defect::ALL.len());
    if found >= FOUND_MIN { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
