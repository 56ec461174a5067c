//! `zhiyouctl`: the sandbox as a process of its own, the main job without a window, and checks.
//!
//! Deliberately not here: logic. Everything it does, the parts do.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on its standard streams")]

mod backend;
mod book;
mod browser;
mod check;
mod gateway;
mod headless;
mod inbox;
mod rebuild;
mod reconcile;
mod route;

use clap::{Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};
use zhiyou_sandbox::AccountCurrency;

#[derive(Parser)]
#[command(name = "zhiyouctl", version, about = "Zhiyou without a window")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve all providers, one port each, until interrupted; the first line printed is their addresses as JSON
    Sandbox {
        /// Address to listen on; only loopback, and the port is chosen by the system
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Seed of the world
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// What its travel suppliers quote in, CNY or USD; a world that was begun before keeps its own
        #[arg(long, default_value = "CNY")]
        currency: AccountCurrency,
        /// Let time stand still except when it is advanced
        #[arg(long)]
        virtual_clock: bool,
        /// Where the world is kept; a temporary folder otherwise
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// Token of the control API; random otherwise
        #[arg(long)]
        control_token: Option<String>,
    },
    /// Book a plan against the demo and print the final order as JSON
    Book {
        /// Plan file, see docs/plan-format.md
        plan: PathBuf,
        /// How to pay
        #[arg(long, value_enum, default_value_t = Pay::Ask)]
        pay: Pay,
    },
    /// Say what works with this configuration and what is missing
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Configuration file of a gateway, see docs/gateway.md; the demo otherwise
        #[arg(long)]
        config: Option<PathBuf>,
        /// Refuse what a business must not run with
        #[arg(long, requires = "config")]
        production: bool,
    },
    /// Serve the merchant side until interrupted; the first line printed is its address
    Gateway {
        /// Configuration file, see docs/gateway.md
        #[arg(long)]
        config: PathBuf,
    },
    /// Look at the notifications a gateway kept, and take an orphan in again
    Inbox {
        #[command(subcommand)]
        action: inbox::Action,
    },
    /// Compare a gateway's book with its channels' bills of a day, or show what it found by itself; 1 when they differ, 2 when
    /// a bill could not be had
    Reconcile {
        /// Configuration file of the gateway, see docs/gateway.md
        #[arg(long)]
        config: PathBuf,
        /// The channel's day: Beijing's for wechatpay and alipay, UTC's for stripe and paypal; alipayplus has none to read.
        /// Without one, what the gateway found by itself
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<zhiyou_gateway::Day>,
        /// Only this channel; may be given again
        #[arg(long, value_parser = reconcile::channel)]
        channel: Vec<zhiyou_domain::port::payments::Channel>,
    },
    /// Rank the ways to pay for a payment that is only supposed, and say why; nothing is opened
    Route(route::Supposed),
    /// Serve the interface to a browser on this machine; the first line printed is its address
    Browser {
        /// Port; chosen by the system otherwise
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Rebuild all projections from the journals of a data folder and compare
    Rebuild {
        /// Data folder
        data_dir: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pay {
    /// Pay with the sandbox's phone
    Auto,
    /// Print the code to scan and wait
    Ask,
}

/// What a command ends with: a line for the person.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    zhiyou_embedded::logging::to_standard_error("warn");
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(Arguments::parse().command)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Sandbox { listen, seed, currency, virtual_clock, data_dir, control_token } => {
            sandbox(listen, (seed, currency), virtual_clock, data_dir, control_token).await
        }
        Command::Book { plan, pay } => book::run(&plan, pay == Pay::Auto).await,
        Command::Check { json, config: None, .. } => check::run(json).await,
        Command::Check { json, config: Some(config), production } => gateway::check(&config, production, json).await,
        Command::Gateway { config } => gateway::serve(&config).await,
        Command::Inbox { action } => inbox::run(action).await,
        Command::Reconcile { config, day, channel } => reconcile::run(&config, day, &channel).await,
        Command::Route(supposed) => route::run(supposed).await,
        Command::Browser { port } => browser::run(port).await,
        Command::Rebuild { data_dir } => rebuild::run(&data_dir).await,
    }
}

async fn sandbox(
    listen: SocketAddr,
    (seed, account): (u64, AccountCurrency),
    virtual_clock: bool,
    data_dir: Option<PathBuf>,
    control_token: Option<String>,
) -> Outcome {
    if listen.port() != 0 {
        return Err("every provider has a port of its own; use --listen 127.0.0.1:0".to_owned());
    }
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data_dir = data_dir.unwrap_or_else(|| temporary.path().to_path_buf());
    let config = zhiyou_sandbox::Config { data_dir, seed, account, listen: listen.ip(), virtual_clock, control_token };
    let sandbox = zhiyou_sandbox::start(config).await.map_err(|error| error.to_string())?;
    println!("{}", serde_json::to_string(sandbox.announcement()).map_err(|error| error.to_string())?);
    interrupted().await?;
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the person, or whoever started us, to end it.
async fn interrupted() -> Result<(), String> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| error.to_string())?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.map_err(|error| error.to_string()),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}
