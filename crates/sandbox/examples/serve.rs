//! Starts a sandbox, prints its announcement on one line, and serves until its standard input closes.
//!
//! `cargo run -p zhiyou-sandbox --example serve -- [FOLDER] [SEED]`; the official-client tests use it.

use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("zhiyou-sandbox"), std::path::PathBuf::from);
    let sandbox = zhiyou_sandbox::start(zhiyou_sandbox::Config {
        data_dir: folder,
        seed: arguments.next().map_or(Ok(1), |seed| seed.parse())?,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        virtual_clock: false,
        control_token: None,
    })
    .await?;
    let mut line = serde_json::to_string(sandbox.announcement())?;
    line.push('\n');
    std::io::stdout().write_all(line.as_bytes())?;
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    sandbox.stop().await;
    Ok(())
}
