//! Rebuilds the projections of a data folder and says whether they were identical.

use crate::Outcome;
use std::{path::Path, process::ExitCode};

pub(crate) async fn run(data_dir: &Path) -> Outcome {
    if !data_dir.join("zhiyou.db").is_file() {
        return Err(format!("{} is no data folder", data_dir.display()));
    }
    let db = zhiyou_engine::store::Db::open(data_dir).await.map_err(|error| error.to_string())?;
    // A running app must not be rebuilt under its feet.
    let now = zhiyou_domain::time::UtcMicros(0);
    let _lease =
        zhiyou_engine::store::lease::Lease::take(&db, data_dir, now).await.map_err(|error| error.to_string())?;
    let report = zhiyou_engine::store::rebuild::run(&db).await.map_err(|error| error.to_string())?;
    println!("{}", serde_json::to_string(&report).map_err(|error| error.to_string())?);
    Ok(if report.identical { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
