//! The book on disk: every document a provider would keep, in one SQLite file, written before the answer is sent.
//!
//! One connection serves readers and writers alike, so each request sees and leaves a consistent book; that is slow for a
//! crowd and exactly right for a fake. Deliberately not here: what a document means (each provider's module knows its own).

use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, Transaction};

/// A failed read or write of the book.
pub(crate) type StoreError = sqlx::Error;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    link TEXT NOT NULL,
    due_us BIGINT,
    wire TEXT NOT NULL,
    inner TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_by_link ON documents (kind, link);
CREATE INDEX IF NOT EXISTS documents_by_due ON documents (kind, due_us) WHERE due_us IS NOT NULL;
CREATE TABLE IF NOT EXISTS seats (
    flight TEXT NOT NULL,
    designator TEXT NOT NULL,
    order_id TEXT NOT NULL,
    PRIMARY KEY (flight, designator)
);
CREATE TABLE IF NOT EXISTS attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    variant TEXT NOT NULL,
    status BIGINT
);
";

/// One stored thing.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The provider's id of it.
    pub(crate) id: String,
    /// What it belongs to (an offer's request, a refund's payment), or empty.
    pub(crate) link: String,
    /// When something happens to it by itself, in microseconds since the epoch.
    pub(crate) due_us: Option<i64>,
    /// What the provider shows.
    pub(crate) wire: Value,
    /// What the provider knows and does not show.
    pub(crate) inner: Value,
}

impl Document {
    /// A document that belongs to nothing and never falls due.
    pub(crate) fn new(id: impl Into<String>, wire: Value, inner: Value) -> Self {
        Self { id: id.into(), link: String::new(), due_us: None, wire, inner }
    }

    /// The same document, found by `link` as well.
    pub(crate) fn linked(mut self, link: impl Into<String>) -> Self {
        self.link = link.into();
        self
    }

    /// A text field of what the provider shows; empty when absent.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.wire[field].as_str().unwrap_or_default()
    }

    /// A text field of what the provider keeps to itself; empty when absent.
    pub(crate) fn hidden(&self, field: &str) -> &str {
        self.inner[field].as_str().unwrap_or_default()
    }

    /// An integer the provider keeps to itself (fen, microseconds, counts); zero when absent.
    pub(crate) fn number(&self, field: &str) -> i64 {
        self.inner[field].as_i64().unwrap_or_default()
    }
}

/// One try to deliver a notification.
pub(crate) struct Attempt {
    pub(crate) delivery_id: String,
    pub(crate) at_us: i64,
    pub(crate) variant: String,
    pub(crate) status: Option<i64>,
}

/// The open file.
pub(crate) struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens or creates the file with a write-ahead log and a full sync at every commit.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Begins the one transaction that may be open at a time.
    pub(crate) async fn begin(&self) -> Result<Book, StoreError> {
        Ok(Book { tx: self.pool.begin_with("BEGIN IMMEDIATE").await? })
    }

    /// Waits for the last transaction and closes the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The book inside one transaction; dropped without `commit`, nothing happened.
pub(crate) struct Book {
    tx: Transaction<'static, Sqlite>,
}

impl Book {
    /// Makes everything written so far survive a power cut.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await
    }

    /// The document of that kind and id.
    pub(crate) async fn get(&mut self, kind: &str, id: &str) -> Result<Option<Document>, StoreError> {
        let row = sqlx::query("SELECT id, link, due_us, wire, inner FROM documents WHERE kind = $1 AND id = $2")
            .bind(kind)
            .bind(id)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Writes the document, over the old one of that kind and id if there is one.
    pub(crate) async fn put(&mut self, kind: &str, document: &Document) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO documents (kind, id, link, due_us, wire, inner) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (kind, id) DO UPDATE SET link = excluded.link, due_us = excluded.due_us,
                 wire = excluded.wire, inner = excluded.inner",
        )
        .bind(kind)
        .bind(&document.id)
        .bind(&document.link)
        .bind(document.due_us)
        .bind(document.wire.to_string())
        .bind(document.inner.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Removes the document; true when there was one.
    pub(crate) async fn remove(&mut self, kind: &str, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM documents WHERE kind = $1 AND id = $2")
            .bind(kind)
            .bind(id)
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// All documents of a kind, oldest first.
    pub(crate) async fn all(&mut self, kind: &str) -> Result<Vec<Document>, StoreError> {
        let rows = sqlx::query("SELECT id, link, due_us, wire, inner FROM documents WHERE kind = $1 ORDER BY seq")
            .bind(kind)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(read).collect()
    }

    /// The documents of a kind that belong to `link`, oldest first.
    pub(crate) async fn linked(&mut self, kind: &str, link: &str) -> Result<Vec<Document>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, link, due_us, wire, inner FROM documents WHERE kind = $1 AND link = $2 ORDER BY seq",
        )
        .bind(kind)
        .bind(link)
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The documents of a kind that are due at `now_us`, earliest first.
    pub(crate) async fn due(&mut self, kind: &str, now_us: i64) -> Result<Vec<Document>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, link, due_us, wire, inner FROM documents
             WHERE kind = $1 AND due_us IS NOT NULL AND due_us <= $2 ORDER BY due_us, seq",
        )
        .bind(kind)
        .bind(now_us)
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter().map(read).collect()
    }

    /// When the next document of that kind falls due.
    pub(crate) async fn next_due(&mut self, kind: &str) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("SELECT MIN(due_us) FROM documents WHERE kind = $1 AND due_us IS NOT NULL")
            .bind(kind)
            .fetch_one(&mut *self.tx)
            .await?;
        row.try_get(0)
    }

    /// Sells a seat; false when somebody else has it.
    pub(crate) async fn sell_seat(&mut self, flight: &str, designator: &str, order: &str) -> Result<bool, StoreError> {
        let done =
            sqlx::query("INSERT INTO seats (flight, designator, order_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(flight)
                .bind(designator)
                .bind(order)
                .execute(&mut *self.tx)
                .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives all seats of an order back.
    pub(crate) async fn free_seats(&mut self, order: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM seats WHERE order_id = $1").bind(order).execute(&mut *self.tx).await?;
        Ok(())
    }

    /// The seats already sold on a flight.
    pub(crate) async fn sold_seats(&mut self, flight: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT designator FROM seats WHERE flight = $1 ORDER BY designator")
            .bind(flight)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// Records one try to deliver a notification.
    pub(crate) async fn record_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO attempts (delivery_id, at_us, variant, status) VALUES ($1, $2, $3, $4)")
            .bind(&attempt.delivery_id)
            .bind(attempt.at_us)
            .bind(&attempt.variant)
            .bind(attempt.status)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Every try so far, oldest first.
    pub(crate) async fn attempts(&mut self) -> Result<Vec<Attempt>, StoreError> {
        let rows = sqlx::query("SELECT delivery_id, at_us, variant, status FROM attempts ORDER BY seq")
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Attempt {
                    delivery_id: row.try_get(0)?,
                    at_us: row.try_get(1)?,
                    variant: row.try_get(2)?,
                    status: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// A number kept across restarts; zero when never set.
    pub(crate) async fn setting(&mut self, name: &str) -> Result<i64, StoreError> {
        let row =
            sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(&mut *self.tx).await?;
        let text: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// Keeps a number across restarts.
    pub(crate) async fn set(&mut self, name: &str, value: i64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Result<Document, StoreError> {
    let json = |column: usize| -> Result<Value, StoreError> {
        let text: String = row.try_get(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::Decode(Box::new(error)))
    };
    Ok(Document {
        id: row.try_get(0)?,
        link: row.try_get(1)?,
        due_us: row.try_get(2)?,
        wire: json(3)?,
        inner: json(4)?,
    })
}
