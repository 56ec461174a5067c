//! Tables `reconciled_days` and `reconciled_differences`: which days of which channel the gateway compared by itself, and
//! what it found.
//!
//! A day waits until it was compared or given up, and is then never looked at again. Deliberately not here: the book, of which
//! no row is touched, and when a day is due.

use super::{StoreError, Tx};
use crate::reconcile::{Class, Day, Difference, Judged, Reconciled, What};
use sqlx::{AnyPool, FromRow};
use std::collections::BTreeMap;
use zhiyou_domain::{
    money::Money,
    port::{ReasonCode, payments::Channel},
    time::UtcMicros,
};

const WAITING: &str = "waiting";
const COMPARED: &str = "compared";
const NO_BILL: &str = "no_bill";
const NOT_HAD: &str = "not_had";

/// A day that was not compared yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) channel: Channel,
    pub(crate) day: Day,
    /// When its bill was last asked for.
    pub(crate) looked_at: Option<UtcMicros>,
}

/// A day the gateway looks at, or looked at, by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDay {
    /// Whose.
    pub channel: Channel,
    /// Which.
    pub day: Day,
    /// What it came to; none while it waits for its bill. Sums are not kept.
    pub judged: Option<Judged>,
}

#[derive(FromRow)]
struct DayRow {
    channel: String,
    day: String,
    state: String,
    reason: String,
    undecided: i64,
    looked_at_us: Option<i64>,
}

#[derive(FromRow)]
struct DifferenceRow {
    class: String,
    what: String,
    ours: Option<String>,
    theirs: Option<String>,
    here_minor: Option<i64>,
    here_currency: Option<String>,
    there_minor: Option<i64>,
    there_currency: Option<String>,
    at_us: i64,
}

const DAYS: &str = "SELECT channel, day, state, reason, undecided, looked_at_us FROM reconciled_days ";

/// The newest day of a channel that waits or was done.
pub(crate) async fn newest(pool: &AnyPool, channel: Channel) -> Result<Option<Day>, StoreError> {
    let (day,): (Option<String>,) = sqlx::query_as("SELECT MAX(day) FROM reconciled_days WHERE channel = $1")
        .bind(channel.word())
        .fetch_one(pool)
        .await?;
    day.map(|day| read_day(&day)).transpose()
}

/// Keeps that a day is to be compared.
pub(crate) async fn owe(tx: &mut Tx, channel: Channel, day: Day) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reconciled_days (channel, day, state) VALUES ($1, $2, $3) ON CONFLICT (channel, day) DO NOTHING",
    )
    .bind(channel.word())
    .bind(day.to_string())
    .bind(WAITING)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every day that waits, the oldest first.
pub(crate) async fn waiting(pool: &AnyPool) -> Result<Vec<Waiting>, StoreError> {
    let sql = format!("{DAYS}WHERE state = $1 ORDER BY day, channel");
    let rows: Vec<DayRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(WAITING).fetch_all(pool).await?;
    let read = |row: DayRow| {
        let (channel, day) = (read_channel(&row.channel)?, read_day(&row.day)?);
        Ok(Waiting { channel, day, looked_at: row.looked_at_us.map(UtcMicros) })
    };
    rows.into_iter().map(read).collect()
}

/// Keeps that a bill was asked for in vain.
pub(crate) async fn put_off(tx: &mut Tx, channel: Channel, day: Day, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE reconciled_days SET looked_at_us = $4 WHERE channel = $1 AND day = $2 AND state = $3")
        .bind(channel.word())
        .bind(day.to_string())
        .bind(WAITING)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps what a day came to; once.
pub(crate) async fn end(
    tx: &mut Tx,
    channel: Channel,
    day: Day,
    judged: &Judged,
    now: UtcMicros,
) -> Result<(), StoreError> {
    let (state, reason, undecided) = match judged {
        Judged::Compared(compared) => (COMPARED, String::new(), i64::try_from(compared.undecided).unwrap_or(i64::MAX)),
        Judged::NoBill => (NO_BILL, String::new(), 0),
        Judged::NotHad(code, _) => (NOT_HAD, write_reason(*code), 0),
    };
    let ended = sqlx::query(
        "UPDATE reconciled_days SET state = $4, reason = $5, undecided = $6, looked_at_us = $7 \
         WHERE channel = $1 AND day = $2 AND state = $3",
    )
    .bind(channel.word())
    .bind(day.to_string())
    .bind(WAITING)
    .bind(state)
    .bind(reason)
    .bind(undecided)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(());
    }
    let Judged::Compared(compared) = judged else { return Ok(()) };
    for (position, difference) in (0_i64..).zip(&compared.differences) {
        insert(tx, channel, day, position, difference).await?;
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    channel: Channel,
    day: Day,
    position: i64,
    difference: &Difference,
) -> Result<(), StoreError> {
    let Difference { class, what, ours, theirs, here, there, at } = difference;
    let (minor, code) = (|amount: &Money| amount.minor(), |amount: &Money| amount.currency().code());
    sqlx::query(
        "INSERT INTO reconciled_differences (channel, day, position, class, what, ours, theirs, here_minor, \
         here_currency, there_minor, there_currency, at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(channel.word())
    .bind(day.to_string())
    .bind(position)
    .bind(class.word())
    .bind(what.word())
    .bind(ours.as_deref())
    .bind(theirs.as_deref())
    .bind(here.as_ref().map(minor))
    .bind(here.as_ref().map(code))
    .bind(there.as_ref().map(minor))
    .bind(there.as_ref().map(code))
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest days, the newest first.
pub(crate) async fn kept(pool: &AnyPool, days_max: i64) -> Result<Vec<KeptDay>, StoreError> {
    let sql = format!("{DAYS}ORDER BY day DESC, channel LIMIT $1");
    let rows: Vec<DayRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(days_max).fetch_all(pool).await?;
    let mut days = Vec::new();
    for row in rows {
        let (channel, day) = (read_channel(&row.channel)?, read_day(&row.day)?);
        let judged = match row.state.as_str() {
            WAITING => None,
            NO_BILL => Some(Judged::NoBill),
            NOT_HAD => Some(Judged::NotHad(read_reason(&row.reason)?, String::new())),
            COMPARED => Some(Judged::Compared(Reconciled {
                differences: differences(pool, channel, day).await?,
                totals: BTreeMap::new(),
                undecided: usize::try_from(row.undecided).unwrap_or(usize::MAX),
            })),
            other => return Err(damaged(other)),
        };
        days.push(KeptDay { channel, day, judged });
    }
    Ok(days)
}

async fn differences(pool: &AnyPool, channel: Channel, day: Day) -> Result<Vec<Difference>, StoreError> {
    let rows: Vec<DifferenceRow> = sqlx::query_as(
        "SELECT class, what, ours, theirs, here_minor, here_currency, there_minor, there_currency, at_us \
         FROM reconciled_differences WHERE channel = $1 AND day = $2 ORDER BY position",
    )
    .bind(channel.word())
    .bind(day.to_string())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Difference::try_from).collect()
}

impl TryFrom<DifferenceRow> for Difference {
    type Error = StoreError;
    fn try_from(row: DifferenceRow) -> Result<Self, StoreError> {
        // What a bill says may be negative.
        let amount = |minor: Option<i64>, currency: Option<String>| -> Result<Option<Money>, StoreError> {
            let Some((minor, currency)) = minor.zip(currency) else { return Ok(None) };
            Ok(Some(Money::new(minor, currency.parse()?)?))
        };
        let class = Class::ALL.into_iter().find(|class| class.word() == row.class);
        let what = What::ALL.into_iter().find(|what| what.word() == row.what);
        Ok(Self {
            class: class.ok_or_else(|| damaged(&row.class))?,
            what: what.ok_or_else(|| damaged(&row.what))?,
            ours: row.ours,
            theirs: row.theirs,
            here: amount(row.here_minor, row.here_currency)?,
            there: amount(row.there_minor, row.there_currency)?,
            at: UtcMicros(row.at_us),
        })
    }
}

fn damaged(word: &str) -> StoreError {
    StoreError::Damaged(format!("reconciled day: {word:?}"))
}

fn read_channel(word: &str) -> Result<Channel, StoreError> {
    Channel::of_word(word).ok_or_else(|| damaged(word))
}

fn read_day(text: &str) -> Result<Day, StoreError> {
    text.parse().map_err(|_| damaged(text))
}

fn write_reason(code: ReasonCode) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn read_reason(word: &str) -> Result<ReasonCode, StoreError> {
    serde_json::from_value(word.into()).map_err(|_| damaged(word))
}
