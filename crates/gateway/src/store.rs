//! The gateway's database: one file in the data folder, one writer connection, a separate read pool.
//!
//! One file per table under `store/`. Deliberately not here: the engine's tables, and what the rows mean.

pub(crate) mod attempts;
pub(crate) mod begun;
pub(crate) mod confirmations;
pub(crate) mod inbox;
pub(crate) mod own_refunds;
pub(crate) mod reconciled;
pub(crate) mod refunds;
mod rows;
pub(crate) mod shop_orders;
pub(crate) mod updates;
pub(crate) mod webhooks;

use sqlx::{
    AnyPool, Connection as _, Transaction,
    any::{Any, AnyPoolOptions},
};
use std::{path::Path, time::Duration};
use tokio::sync::watch;
use zhiyou_domain::money::{Money, MoneyError};

/// Why the store could not do something. Nothing of the transaction was kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database engine is not one we may trust with money.
    #[error("database engine: {0}")]
    Engine(String),
    /// A stored row does not read back as what was written.
    #[error("damaged row: {0}")]
    Damaged(String),
}

impl From<MoneyError> for StoreError {
    fn from(error: MoneyError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// A write transaction.
pub(crate) type Tx = Transaction<'static, Any>;

/// SQLite before 3.51.3 can corrupt a WAL file that several connections write and checkpoint.
const SQLITE_VERSION_MIN: (u64, u64, u64) = (3, 51, 3);

/// Handle to the database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: AnyPool,
    reader: AnyPool,
    wake: watch::Sender<i64>,
}

impl Store {
    /// Opens `gateway.db` in `data_dir`, creating and migrating it as needed.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join("gateway.db");
        // A `?` or `%` in a folder name must not become part of the query.
        let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        let url = format!("sqlite://{text}?mode=rwc");
        let writer = pool(&url, 1).await?;
        check_engine(&writer).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let reader = pool(&url, 4).await?;
        let newest = updates::newest(&reader).await?;
        Ok(Self { writer, reader, wake: watch::Sender::new(newest) })
    }

    /// Begins a write; only one runs at a time.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        // An upgrade from reader to writer is something SQLite cannot wait for.
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Commits and, when updates were appended, wakes whoever waits for them.
    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        let newest = updates::newest(&self.reader).await?;
        self.wake.send_if_modified(|seen| std::mem::replace(seen, newest) != newest);
        Ok(())
    }

    /// The read pool. A read never sees half a transaction.
    pub(crate) const fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// The newest update's cursor.
    pub(crate) fn wake(&self) -> watch::Receiver<i64> {
        self.wake.subscribe()
    }

    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }
}

async fn pool(url: &str, connections_max: u32) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let options = AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in [
                    "PRAGMA busy_timeout = 10000",
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                ] {
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
async fn check_engine(pool: &AnyPool) -> Result<(), StoreError> {
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

/// Reads an amount back; one that could not have been written is damage.
fn money(minor: i64, currency: &str) -> Result<Money, StoreError> {
    let amount = Money::new(minor, currency.parse()?)?;
    if amount.is_positive() { Ok(amount) } else { Err(StoreError::Damaged(format!("amount {amount}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_database_is_durable_and_refuses_an_old_engine() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join(".")).await.unwrap();
        check_engine(store.reader()).await.unwrap();
        sqlx::raw_sql("PRAGMA synchronous = NORMAL").execute(&store.writer).await.unwrap();
        assert!(matches!(check_engine(&store.writer).await, Err(StoreError::Engine(_))));
    }
}
