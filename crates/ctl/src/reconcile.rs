//! A gateway's book against its channels' bills: one day, or what the gateway found by itself.
//!
//! Deliberately not here: what a difference is, and how it is told.

use crate::{
    Outcome,
    gateway::{self, SystemClock},
};
use std::{path::Path, process::ExitCode, sync::Arc};
use zhiyou_domain::port::payments::Channel;
use zhiyou_gateway::{Books, Day, Verdict, report, report_kept};

/// Compares and prints, or prints what was found without being asked; what cannot be compared at all ends like a bill that
/// could not be had.
pub(crate) async fn run(config: &Path, day: Option<Day>, only: &[Channel]) -> Outcome {
    let found = match day {
        Some(day) => compared(config, day, only).await,
        None => kept(config, only).await,
    };
    let verdict = found.unwrap_or_else(|message| {
        eprintln!("{message}");
        Verdict::NotHad
    });
    Ok(ExitCode::from(verdict.exit_code()))
}

async fn compared(config: &Path, day: Day, only: &[Channel]) -> Result<Verdict, String> {
    let config = gateway::config(config)?;
    let books = Books::open(&config, Arc::new(SystemClock)).await.map_err(|error| error.to_string())?;
    let channels = if only.is_empty() { books.channels() } else { only.to_vec() };
    let mut worst = Verdict::Clean;
    for channel in channels {
        match books.judge(channel, day).await {
            Ok(judged) => {
                print!("{}", report(channel, day, &judged));
                worst = worst.max(Verdict::of(&judged));
            }
            Err(error) => {
                eprintln!("{}: {error}", channel.word());
                worst = worst.max(Verdict::NotHad);
            }
        }
    }
    books.close().await;
    Ok(worst)
}

/// What the gateway found by itself, the newest day first.
async fn kept(config: &Path, only: &[Channel]) -> Result<Verdict, String> {
    let config = gateway::config(config)?;
    let books = Books::open(&config, Arc::new(SystemClock)).await.map_err(|error| error.to_string())?;
    let days = books.kept().await.map_err(|error| error.to_string())?;
    books.close().await;
    let shown = days.iter().filter(|kept| only.is_empty() || only.contains(&kept.channel));
    let mut worst = Verdict::Clean;
    for kept in shown {
        print!("{}", report_kept(kept));
        worst = worst.max(Verdict::of_kept(kept));
    }
    Ok(worst)
}

/// A channel by its word.
pub(crate) fn channel(word: &str) -> Result<Channel, String> {
    Channel::of_word(word).ok_or_else(|| {
        let words = Channel::ALL.map(Channel::word).join(", ");
        format!("not one of {words}")
    })
}
