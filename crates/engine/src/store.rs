//! The engine's database: one file in the data folder, one writer connection, a separate read pool.
//!
//! One file per table under `store/`; [`group`] is the one writer of journals and what they project. A transaction that changes anything the interface shows also appends a change row,
//! and rings the doorbell after its commit. Deliberately not here: what the rows mean (the domain's), the gateway's
//! tables, and SQL that differs between engines, which lives in [`dialect`] alone.

pub(crate) mod audit;
pub(crate) mod audit_risk;
pub(crate) mod auth_sessions;
pub mod changes;
pub(crate) mod consents;
pub mod dialect;
pub mod group;
pub mod journal;
pub(crate) mod kept_updates;
pub mod lease;
pub mod orders;
pub(crate) mod pending_sign_ins;
pub mod plans;
pub(crate) mod private;
pub(crate) mod questions;
pub mod rebuild;
pub mod requests;
mod rows;
pub(crate) mod sealed;
pub mod settings;
pub(crate) mod sign_ins;
#[cfg(test)]
pub(crate) mod stops;
pub mod vault_keys;

use crate::killed::{self, Write};
use sqlx::{AnyPool, Transaction, any::Any};
use std::{path::Path, sync::Arc};
use tokio::sync::watch;
use zhiyou_domain::fault::{Fault, FaultCode};

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
    /// Another process has this data folder in use.
    #[error("the data folder is in use by another process")]
    InUse,
    /// This process is no longer the writer; somebody newer is.
    #[error("a newer writer has taken over")]
    Fenced,
    /// The order moved on since it was read; read it again.
    #[error("the order changed meanwhile")]
    Stale,
    /// A stored row does not read back as what was written.
    #[error("damaged row: {0}")]
    Damaged(String),
    /// A stored row was written by a newer version.
    #[error("written by a newer version: {0}")]
    Newer(String),
    /// The file system failed.
    #[error("file system: {0}")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Sql(sql) => dialect::is_disk_full(sql),
            Self::Io(io) => io.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            error if error.is_disk_full() => FaultCode::DiskFull,
            StoreError::InUse | StoreError::Fenced => FaultCode::DatabaseInUse,
            StoreError::Stale => FaultCode::WrongState,
            StoreError::Damaged(_) => FaultCode::HistoryDamaged,
            StoreError::Newer(_) => FaultCode::NewerVersion,
            StoreError::Sql(_) | StoreError::Migrate(_) | StoreError::Engine(_) | StoreError::Io(_) => {
                FaultCode::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}

/// The database's file.
const FILE: &str = "zhiyou.db";

/// A write transaction.
pub type Tx = Transaction<'static, Any>;

/// Handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    writer: AnyPool,
    reader: AnyPool,
    doorbell: Arc<watch::Sender<i64>>,
    #[cfg(test)]
    pub(crate) stops: stops::Stops,
}

impl Db {
    /// Opens `zhiyou.db` in `data_dir`, creating and migrating it as needed.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when SQLite is too old or its settings do not read back; [`StoreError::Sql`],
    /// [`StoreError::Migrate`].
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let url = dialect::sqlite_url(&data_dir.join(FILE));
        private::file(&data_dir.join(FILE))?;
        let writer = dialect::pool(&url, 1).await?;
        dialect::check_engine(&writer).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let reader = dialect::pool(&url, 4).await?;
        let cursor = changes::newest(&reader).await?;
        Ok(Self {
            writer,
            reader,
            doorbell: Arc::new(watch::Sender::new(cursor)),
            #[cfg(test)]
            stops: stops::Stops::default(),
        })
    }

    /// A pool that only reads `zhiyou.db` in `data_dir` as it is, whoever uses it; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub(crate) async fn peek(data_dir: &Path) -> Result<Option<AnyPool>, StoreError> {
        let path = data_dir.join(FILE);
        if path.try_exists()? { dialect::peek(&path).await.map(Some) } else { Ok(None) }
    }

    /// Begins a write transaction; only one runs at a time.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.writer.begin_with(dialect::BEGIN_WRITE).await?)
    }

    /// Commits, then rings the doorbell if the transaction appended changes.
    ///
    /// # Errors
    /// [`StoreError::Sql`]; nothing was kept.
    pub async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        #[cfg(test)]
        self.stops.point().await;
        killed::point(Write::Other);
        tx.commit().await?;
        killed::point(Write::Other);
        #[cfg(test)]
        self.stops.point().await;
        self.ring(changes::newest(&self.reader).await?);
        Ok(())
    }

    /// Tells whoever waits that there is a change with this cursor.
    fn ring(&self, cursor: i64) {
        // Rung even when another commit told the same cursor: only now may this one be seen everywhere.
        self.doorbell.send_modify(|seen| *seen = cursor.max(*seen));
    }

    /// The read pool. A read never sees half a transaction.
    #[must_use]
    pub const fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// The newest change cursor; changes after every commit that changed something the interface shows.
    #[must_use]
    pub fn doorbell(&self) -> watch::Receiver<i64> {
        self.doorbell.subscribe()
    }

    /// Empties the write-ahead log, so that what was deleted is in no file of ours any more. `false` when a reader kept it
    /// from being emptied; the next time it is emptied does.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        dialect::empty_log(&self.writer).await
    }

    /// Closes both pools; a later call fails.
    pub async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }
}
