//! The journal's single writer: a file lock that ends with the process, and a fencing number that outlives it.
//!
//! The lock says at once when another process has the folder in use; the number makes a writer that slept through a
//! takeover harmless, because every commit checks it. Deliberately not here: leases that expire by time.

use super::{Db, StoreError, Tx};
use std::{fs::File, path::Path};
use zhiyou_domain::{driver::Fence, time::UtcMicros};

/// The right to write journals. Dropping it lets the next process in.
#[derive(Debug)]
pub struct Lease {
    fence: Fence,
    // Held for its lock alone.
    _file: File,
}

impl Lease {
    /// Takes the folder's lock and a number above all earlier ones.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it; [`StoreError::Io`], [`StoreError::Sql`].
    pub async fn take(db: &Db, data_dir: &Path, now: UtcMicros) -> Result<Self, StoreError> {
        let file = lock(data_dir)?;
        let mut tx = db.begin().await?;
        let (fence,): (i64,) =
            sqlx::query_as("UPDATE counters SET value = value + 1 WHERE name = 'fence' RETURNING value")
                .fetch_one(&mut *tx)
                .await?;
        sqlx::query(
            "INSERT INTO leases (name, owner, fence, taken_at_us) VALUES ('journal', $1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = excluded.fence, taken_at_us = excluded.taken_at_us",
        )
        .bind(std::process::id().to_string())
        .bind(fence)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        db.commit(tx).await?;
        Ok(Self { fence: Fence(fence), _file: file })
    }

    /// The number every commit carries.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// The newest number; a writer with another one has been taken over.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn newest(tx: &mut Tx) -> Result<Fence, StoreError> {
        let (fence,): (i64,) =
            sqlx::query_as("SELECT fence FROM leases WHERE name = 'journal'").fetch_one(&mut **tx).await?;
        Ok(Fence(fence))
    }
}

fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let file = File::options().create(true).truncate(false).write(true).open(data_dir.join("zhiyou.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
