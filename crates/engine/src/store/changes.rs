//! Table `changes`: what changed, in order, for the interface to pull after its cursor.
//!
//! A change names an entity; the reader fetches its newest state, so several changes of one entity collapse into one.
//! Deliberately not here: the content of a change.

use super::{
    StoreError, Tx,
    rows::{self, Insert},
};
use sqlx::AnyPool;
use zhiyou_domain::time::UtcMicros;

/// Kinds of things the interface shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// An order; the id is `ord_…`.
    Order,
    /// A plan; the id is `pln_…`.
    Plan,
    /// A platform's sign-in; the id is the platform's.
    SignIn,
    /// Travellers; the id is `trv_…`, or empty for all of them.
    Traveller,
    /// Settings, vault or clock; the id is empty.
    Session,
}

impl Entity {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Plan => "plan",
            Self::SignIn => "sign_in",
            Self::Traveller => "traveller",
            Self::Session => "session",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        match word {
            "order" => Ok(Self::Order),
            "plan" => Ok(Self::Plan),
            "sign_in" => Ok(Self::SignIn),
            "traveller" => Ok(Self::Traveller),
            "session" => Ok(Self::Session),
            other => Err(StoreError::Newer(format!("change of {other:?}"))),
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position.
    pub cursor: i64,
    /// What changed.
    pub entity: Entity,
    /// Which one.
    pub id: String,
}

/// Appends a change inside the transaction that made it.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn append(tx: &mut Tx, entity: Entity, id: &str, now: UtcMicros) -> Result<(), StoreError> {
    append_all(tx, &[(entity, id.to_owned())], now).await.map(|_| ())
}

static APPEND: Insert = Insert::new("INSERT INTO changes (cursor, entity, entity_id, at_us)", 4, "");

/// Appends several changes; returns the newest cursor.
pub(super) async fn append_all(tx: &mut Tx, changed: &[(Entity, String)], now: UtcMicros) -> Result<i64, StoreError> {
    let count = i64::try_from(changed.len()).map_err(|_| StoreError::Damaged("too many changes".to_owned()))?;
    let (newest,): (i64,) =
        sqlx::query_as("UPDATE counters SET value = value + $1 WHERE name = 'change' RETURNING value")
            .bind(count)
            .fetch_one(&mut **tx)
            .await?;
    let mut cursor = newest - count;
    for changed in rows::chunks(changed) {
        let mut query = APPEND.of(changed);
        for (entity, id) in changed {
            cursor += 1;
            query = query.bind(cursor).bind(entity.word()).bind(id.clone()).bind(now.0);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(newest)
}

const AFTER: &str = "SELECT cursor, entity, entity_id FROM changes WHERE cursor > $1 ORDER BY cursor LIMIT $2";
const NEWEST: &str = "SELECT value FROM counters WHERE name = 'change'";

/// Every read of this table.
#[cfg(test)]
pub(super) const READS: &[&str] = &[AFTER, NEWEST];

/// Up to `limit` changes after `cursor`, oldest first.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn after(pool: &AnyPool, cursor: i64, limit: i64) -> Result<Vec<Change>, StoreError> {
    let rows: Vec<(i64, String, String)> = sqlx::query_as(AFTER).bind(cursor).bind(limit).fetch_all(pool).await?;
    rows.into_iter().map(|(cursor, entity, id)| Ok(Change { cursor, entity: Entity::parse(&entity)?, id })).collect()
}

/// The newest cursor, 0 before the first change.
///
/// # Errors
/// [`StoreError::Sql`].
pub async fn newest(pool: &AnyPool) -> Result<i64, StoreError> {
    let (value,): (i64,) = sqlx::query_as(NEWEST).fetch_one(pool).await?;
    Ok(value)
}
