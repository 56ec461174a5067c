//! The notifications a gateway kept: listed, shown without personal data, and taken in again.

use crate::{
    Outcome,
    gateway::{self, SystemClock},
};
use clap::{Args, Subcommand};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use zhiyou_gateway::{Console, Notification};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// The newest 200, those that found nothing to change first
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One, as JSON, without personal data
    Show {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        which: Which,
    },
    /// Take an orphan in again, exactly as if it had just arrived; once
    Replay {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// Configuration file of the gateway; its keys open what is kept
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data folder of the gateway; without keys, to look only
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Who sent it, e.g. wechatpay
    provider: String,
    /// The provider's event id
    event_id: String,
}

pub(crate) async fn run(action: Action) -> Outcome {
    match action {
        Action::List { place, json } => {
            let console = open(place).await?;
            let listed = console.list().await;
            console.close().await;
            let listed = listed.map_err(|error| error.to_string())?;
            if json {
                println!("{}", serde_json::to_string(&listed).map_err(|error| error.to_string())?);
            } else {
                listed.iter().for_each(print);
            }
        }
        Action::Show { place, which } => {
            let console = open(place).await?;
            let one = console.show(&which.provider, &which.event_id).await;
            console.close().await;
            let one = one.map_err(|error| error.to_string())?;
            println!("{}", serde_json::to_string_pretty(&one).map_err(|error| error.to_string())?);
        }
        Action::Replay { place, which } => {
            let console = open(place).await?;
            let became = console.replay(&which.provider, &which.event_id).await;
            console.close().await;
            let became = became.map_err(|error| error.to_string())?;
            println!("{became}");
            return Ok(if became == "applied" { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(place: Place) -> Result<Console, String> {
    let clock = Arc::new(SystemClock);
    let opened = match (place.config, place.data_dir) {
        (Some(config), _) => Console::of_config(&gateway::config(&config)?, clock).await,
        (None, Some(folder)) => Console::of_folder(&folder, clock).await,
        (None, None) => return Err("--config or --data-dir is needed".to_owned()),
    };
    opened.map_err(|error| error.to_string())
}

fn print(kept: &Notification) {
    println!(
        "{:<9} {} {:<10} {} {} bytes",
        kept.disposition, kept.received_at, kept.provider, kept.event_id, kept.bytes
    );
}
