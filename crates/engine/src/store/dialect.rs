//! What differs between database engines: connecting, beginning a write, telling errors apart.
//!
//! Deliberately not here: any statement on our own tables.

use super::StoreError;
use sqlx::{AnyPool, Connection as _, any::AnyPoolOptions};
use std::{path::Path, time::Duration};

/// Begins a write without the upgrade from reader to writer, which SQLite cannot wait for.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// How long a write waits for another program that holds the database, milliseconds; then it fails and is tried again.
pub(crate) const BUSY_TIMEOUT_MS: u32 = 10_000;

/// SQLite before 3.51.3 can corrupt a WAL file that several connections write and checkpoint.
const SQLITE_VERSION_MIN: (u64, u64, u64) = (3, 51, 3);

pub(super) fn sqlite_url(path: &Path) -> String {
    url_in_mode(path, "rwc")
}

fn url_in_mode(path: &Path, mode: &str) -> String {
    // A `?` or `%` in a folder name must not become part of the query.
    let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite://{text}?mode={mode}")
}

/// One connection that reads a database and changes nothing of it.
pub(super) async fn peek(path: &Path) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    Ok(AnyPoolOptions::new().max_connections(1).connect(&url_in_mode(path, "ro")).await?)
}

pub(super) async fn pool(url: &str, connections_max: u32) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let options = AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(|connection, _| {
            Box::pin(async move {
                let busy = format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}");
                sqlx::raw_sql(sqlx::AssertSqlSafe(busy)).execute(&mut *connection).await?;
                // What is deleted or replaced is overwritten: an erased person is not found in the file's free pages.
                let settings = [
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                    "PRAGMA secure_delete = ON",
                ];
                for pragma in settings {
                    sqlx::raw_sql(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        // After SQLITE_FULL the database has rolled back by itself, which the connection does not know: it would refuse
        // every later write.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    Ok(options.connect(url).await?)
}

/// Refuses an engine that may lose money rows: too old, not in WAL mode or not fully synchronous.
pub(super) async fn check_engine(pool: &AnyPool) -> Result<(), StoreError> {
    let (version,): (String,) = sqlx::query_as("SELECT sqlite_version()").fetch_one(pool).await?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < SQLITE_VERSION_MIN {
        return Err(StoreError::Engine(format!("SQLite {version} is older than 3.51.3")));
    }
    let (mode,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(pool).await?;
    let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(pool).await?;
    if mode != "wal" || synchronous != 2 {
        return Err(StoreError::Engine(format!("journal_mode {mode}, synchronous {synchronous}")));
    }
    Ok(())
}

/// Empties the write-ahead log, which still holds what was deleted. `false` when a reader kept it from being emptied.
pub(super) async fn empty_log(pool: &AnyPool) -> Result<bool, StoreError> {
    let (busy,): (i64,) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
    Ok(busy == 0)
}

/// Whether the database failed because the disk is full (SQLITE_FULL, or an IO error that says so).
pub(super) fn is_disk_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code == "13") || database.message().contains("disk is full")
        }
        sqlx::Error::Io(io) => io.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}
