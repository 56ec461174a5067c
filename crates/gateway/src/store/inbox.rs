//! Table `inbox`: every authentic notification as it came, once per provider's event id.
//!
//! Deliberately not here: verification, and what a notification changes.

use super::{StoreError, Tx, rows};
use sqlx::AnyPool;
use std::borrow::Cow;

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It changed or confirmed a row and was passed on.
    Applied,
    /// About a number we never used: kept, not applied.
    Orphan,
    /// A kind we have no use for: kept.
    Ignored,
    /// Authentic, but about another merchant, app, currency or amount: kept as evidence, refused.
    Foreign,
    /// The event id was used before for another content: kept as evidence, refused.
    Conflict,
}

impl Disposition {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Orphan => "orphan",
            Self::Ignored => "ignored",
            Self::Foreign => "foreign",
            Self::Conflict => "conflict",
        }
    }
}

const DISPOSITIONS: [Disposition; 5] =
    [Disposition::Applied, Disposition::Orphan, Disposition::Ignored, Disposition::Foreign, Disposition::Conflict];

/// A notification to keep.
pub(crate) struct Kept<'a> {
    pub(crate) provider: &'static str,
    pub(crate) event_id: Cow<'a, str>,
    pub(crate) received_at_us: i64,
    pub(crate) disposition: Disposition,
    pub(crate) digest: &'a str,
    pub(crate) headers: &'a str,
    pub(crate) body: &'a [u8],
}

fn disposition(word: &str) -> Result<Disposition, StoreError> {
    let known = DISPOSITIONS.into_iter().find(|disposition| disposition.word() == word);
    known.ok_or_else(|| StoreError::Damaged(format!("inbox {word:?}")))
}

/// Of these event ids those that were used: what the earlier notification said (its digest) and what became of it.
pub(crate) async fn earlier(
    tx: &mut Tx,
    provider: &str,
    event_ids: &[&str],
) -> Result<Vec<(String, String, Disposition)>, StoreError> {
    let mut found = Vec::new();
    for chunk in rows::chunks(event_ids) {
        let list = rows::list(2, chunk.len());
        let sql = format!("SELECT event_id, digest, disposition FROM inbox WHERE provider = $1 AND event_id IN {list}");
        // Only numbers of placeholders are put into the text.
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(provider);
        for event_id in chunk {
            query = query.bind((*event_id).to_owned());
        }
        let rows: Vec<(String, String, String)> = query.fetch_all(&mut **tx).await?;
        for (event_id, digest, word) in rows {
            found.push((event_id, digest, disposition(&word)?));
        }
    }
    Ok(found)
}

/// Keeps notifications; an event id that is there stays as it is.
pub(crate) async fn insert(tx: &mut Tx, kept: &[Kept<'_>]) -> Result<(), StoreError> {
    for chunk in rows::chunks(kept) {
        let sql = format!(
            "INSERT INTO inbox (provider, event_id, received_at_us, disposition, digest, headers, body) VALUES {} \
             ON CONFLICT (provider, event_id) DO NOTHING",
            rows::values(chunk.len(), 7)
        );
        // Only numbers of placeholders are put into the text.
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for one in chunk {
            query = query.bind(one.provider).bind(one.event_id.clone().into_owned()).bind(one.received_at_us);
            query = query.bind(one.disposition.word()).bind(one.digest.to_owned()).bind(one.headers.to_owned());
            query = query.bind(one.body.to_owned());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// A kept notification without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) provider: String,
    pub(crate) event_id: String,
    pub(crate) received_at_us: i64,
    pub(crate) disposition: Disposition,
    pub(crate) digest: String,
    /// Signature headers as JSON text.
    pub(crate) headers: String,
    /// The very bytes; empty where only the digest is kept.
    pub(crate) body: Vec<u8>,
}

type Row = (String, String, i64, String, String, String, Vec<u8>);

fn listed((provider, event_id, received_at_us, word, digest, headers, body): Row) -> Result<Listed, StoreError> {
    let disposition = disposition(&word)?;
    Ok(Listed { provider, event_id, received_at_us, disposition, digest, headers, body })
}

/// The newest notifications, those that found nothing to change first.
pub(crate) async fn newest(pool: &AnyPool, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT provider, event_id, received_at_us, disposition, digest, headers, body FROM inbox \
         ORDER BY CASE disposition WHEN 'orphan' THEN 0 WHEN 'conflict' THEN 1 WHEN 'foreign' THEN 1 ELSE 2 END, \
         received_at_us DESC, provider, event_id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(listed).collect()
}

/// One notification, inside a transaction.
pub(crate) async fn get(tx: &mut Tx, provider: &str, event_id: &str) -> Result<Option<Listed>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT provider, event_id, received_at_us, disposition, digest, headers, body FROM inbox \
         WHERE provider = $1 AND event_id = $2",
    )
    .bind(provider)
    .bind(event_id)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(listed).transpose()
}

/// Writes what became of an orphan; of nothing else.
pub(crate) async fn adopt(
    tx: &mut Tx,
    provider: &str,
    event_id: &str,
    disposition: Disposition,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE inbox SET disposition = $3 WHERE provider = $1 AND event_id = $2 AND disposition = 'orphan'")
        .bind(provider)
        .bind(event_id)
        .bind(disposition.word())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
