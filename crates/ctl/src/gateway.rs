//! The merchant side by itself: serving it, and saying what works with its configuration.

use crate::{Outcome, check, interrupted};
use serde_json::json;
use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use zhiyou_domain::time::UtcMicros;
use zhiyou_gateway::{Clock, Config};

/// This machine's time.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UtcMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The configuration in a file, under the environment's names.
pub(crate) fn config(path: &Path) -> Result<Config, String> {
    Config::from_file(path, &|name| std::env::var(name).ok()).map_err(|error| error.to_string())
}

/// What others on this machine may do with its files: said at every start, and refused where a business is to run with it.
fn exposed(path: &Path) -> Vec<String> {
    Config::exposed_files(path).iter().map(ToString::to_string).collect()
}

pub(crate) async fn check(path: &Path, production: bool, as_json: bool) -> Outcome {
    let row = |name: &str, ok: bool, detail: &str| json!({ "name": name, "ok": ok, "detail": detail });
    let mut rows = match config(path) {
        Err(problem) => vec![row("configuration", false, &problem)],
        Ok(config) => match zhiyou_gateway::check_up(&config, Arc::new(SystemClock), production).await {
            Err(error) => vec![row("configuration", false, &error.to_string())],
            Ok(findings) => findings.iter().map(|finding| row(&finding.name, finding.ok, &finding.detail)).collect(),
        },
    };
    rows.extend(exposed(path).iter().map(|problem| row("files", !production, problem)));
    Ok(check::print(rows, as_json))
}

pub(crate) async fn serve(path: &Path) -> Outcome {
    let config = config(path)?;
    for problem in exposed(path) {
        eprintln!("{problem}");
    }
    for cap in config.enforced_caps().map_err(|error| error.to_string())? {
        eprintln!("{cap}");
    }
    let gateway = zhiyou_gateway::start(config, Arc::new(SystemClock)).await.map_err(|error| error.to_string())?;
    println!("{}", gateway.base_url());
    interrupted().await?;
    gateway.stop().await;
    Ok(std::process::ExitCode::SUCCESS)
}
