//! Table `attempts`: payments we asked for and how far they got.
//!
//! A state only moves forward (open, processing, refused, closed, paid): money that arrives late is never overlooked and an
//! old answer never undoes a newer one. Deliberately not here: any call.

use super::{StoreError, Tx, money};
use crate::{
    defence::{Defence, off},
    pay::PaymentSeen,
};
use sqlx::{Any, AnyPool, Executor, FromRow};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::payments::{Channel, PaymentState, PaymentStatus},
    time::UtcMicros,
};

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) attempt_id: AttemptId,
    pub(crate) channel: Channel,
    pub(crate) amount: Money,
    /// As sent, already cut to the channel's length.
    pub(crate) description: String,
    pub(crate) expires_at_us: UtcMicros,
    /// Kept so that asking again sends the same bytes.
    pub(crate) notify_url: String,
    /// Digest of the request's fields.
    pub(crate) fingerprint: String,
    pub(crate) created_at_us: UtcMicros,
    pub(crate) state: PaymentState,
    pub(crate) transaction_id: Option<String>,
    pub(crate) paid_at_us: Option<UtcMicros>,
    /// The channel's own id of the payment, once it was opened.
    pub(crate) provider_ref: Option<String>,
    /// Whether the money is authorised first.
    pub(crate) authorise: bool,
    /// In how many instalments the payer pays it off.
    pub(crate) instalments: Option<u8>,
    /// What was taken, where that was less than the amount.
    pub(crate) taken: Option<Money>,
}

impl Attempt {
    /// Where a hosted page sends the payer back to: our own page, which opens the app and proves nothing.
    pub(crate) fn return_url(&self) -> String {
        let base = self.notify_url.split("/notify/").next().unwrap_or_default();
        format!("{base}/pay/return/{}", self.attempt_id.bare())
    }

    /// The row with what was seen, if that is news.
    pub(crate) fn seeing(&self, seen: &PaymentSeen) -> Self {
        if rank(seen.state) <= rank(self.state) && !off(Defence::PaidStays) {
            return self.clone();
        }
        Self {
            state: seen.state,
            transaction_id: seen.transaction_id.clone(),
            paid_at_us: seen.paid_at_us,
            taken: seen.taken,
            ..self.clone()
        }
    }

    /// The row as the contract tells it.
    pub(crate) fn status(&self) -> PaymentStatus {
        let captured = (self.state == PaymentState::Captured).then_some(self.taken.unwrap_or(self.amount));
        PaymentStatus {
            attempt_id: self.attempt_id,
            state: self.state,
            transaction_id: self.transaction_id.clone(),
            captured,
            paid_at_us: self.paid_at_us.filter(|_| captured.is_some()),
        }
    }
}

const fn rank(state: PaymentState) -> u8 {
    match state {
        PaymentState::NotFound => 0,
        PaymentState::RequiresAction => 1,
        PaymentState::Processing => 2,
        PaymentState::Failed => 3,
        PaymentState::Authorised => 4,
        PaymentState::Closed => 5,
        PaymentState::Captured => 6,
    }
}

const fn word(state: PaymentState) -> &'static str {
    match state {
        PaymentState::NotFound => "not_found",
        PaymentState::RequiresAction => "requires_action",
        PaymentState::Processing => "processing",
        PaymentState::Authorised => "authorised",
        PaymentState::Captured => "captured",
        PaymentState::Failed => "failed",
        PaymentState::Closed => "closed",
    }
}

const STATES: [PaymentState; 7] = [
    PaymentState::NotFound,
    PaymentState::RequiresAction,
    PaymentState::Processing,
    PaymentState::Authorised,
    PaymentState::Captured,
    PaymentState::Failed,
    PaymentState::Closed,
];

#[derive(FromRow)]
struct Row {
    attempt_id: String,
    channel: String,
    amount_minor: i64,
    currency: String,
    description: String,
    expires_at_us: i64,
    notify_url: String,
    fingerprint: String,
    created_at_us: i64,
    state: String,
    transaction_id: Option<String>,
    paid_at_us: Option<i64>,
    provider_ref: Option<String>,
    authorise: i64,
    taken_minor: Option<i64>,
    instalments: Option<i64>,
}

impl TryFrom<Row> for Attempt {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("attempt {:?}", row.attempt_id));
        Ok(Self {
            attempt_id: AttemptId::parse_bare(&row.attempt_id).map_err(|_| damaged())?,
            channel: Channel::of_word(&row.channel).ok_or_else(damaged)?,
            amount: money(row.amount_minor, &row.currency)?,
            state: STATES.into_iter().find(|state| word(*state) == row.state).ok_or_else(damaged)?,
            description: row.description,
            expires_at_us: UtcMicros(row.expires_at_us),
            notify_url: row.notify_url,
            fingerprint: row.fingerprint,
            created_at_us: UtcMicros(row.created_at_us),
            transaction_id: row.transaction_id,
            paid_at_us: row.paid_at_us.map(UtcMicros),
            provider_ref: row.provider_ref,
            authorise: row.authorise != 0,
            instalments: row.instalments.map(u8::try_from).transpose().map_err(|_| damaged())?,
            taken: row.taken_minor.map(|minor| money(minor, &row.currency)).transpose()?,
        })
    }
}

const BY_ID: &str = "SELECT attempt_id, channel, amount_minor, currency, description, expires_at_us, notify_url, fingerprint, \
                     created_at_us, state, transaction_id, paid_at_us, provider_ref, \
                     authorise, taken_minor, instalments FROM attempts WHERE attempt_id = $1";

/// The payment, if we ever asked for it.
pub(crate) async fn find(pool: &AnyPool, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(pool).await?;
    row.map(Attempt::try_from).transpose()
}

/// The payment, inside a transaction.
pub(crate) async fn get(tx: &mut Tx, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(&mut **tx).await?;
    row.map(Attempt::try_from).transpose()
}

/// The payment a channel knows under its own number, once money moved.
pub(crate) async fn paid_as(tx: &mut Tx, channel: &str, number: &str) -> Result<Option<Attempt>, StoreError> {
    let sql = "SELECT attempt_id FROM attempts WHERE channel = $1 AND transaction_id = $2";
    let row: Option<(String,)> = sqlx::query_as(sql).bind(channel).bind(number).fetch_optional(&mut **tx).await?;
    let Some((id,)) = row else { return Ok(None) };
    let id = AttemptId::parse_bare(&id).map_err(|_| StoreError::Damaged(format!("attempt {id:?}")))?;
    get(tx, id).await
}

/// Writes a new payment; an existing one stays as it is. Answers the row that counts.
pub(crate) async fn insert(tx: &mut Tx, attempt: &Attempt) -> Result<Attempt, StoreError> {
    money(attempt.amount.minor(), attempt.amount.currency().code())?;
    sqlx::query(
        "INSERT INTO attempts (attempt_id, channel, amount_minor, currency, description, expires_at_us, notify_url, \
         fingerprint, created_at_us, state, updated_at_us, authorise, provider_ref, instalments) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11, $12, $13) \
         ON CONFLICT (attempt_id) DO NOTHING",
    )
    .bind(attempt.attempt_id.bare())
    .bind(attempt.channel.word())
    .bind(attempt.amount.minor())
    .bind(attempt.amount.currency().code())
    .bind(attempt.description.as_str())
    .bind(attempt.expires_at_us.0)
    .bind(attempt.notify_url.as_str())
    .bind(attempt.fingerprint.as_str())
    .bind(attempt.created_at_us.0)
    .bind(word(attempt.state))
    .bind(i64::from(attempt.authorise))
    .bind(attempt.provider_ref.as_deref())
    .bind(attempt.instalments.map(i64::from))
    .execute(&mut **tx)
    .await?;
    get(tx, attempt.attempt_id).await?.ok_or_else(|| StoreError::Damaged("an attempt vanished".to_owned()))
}

/// How many payments tell how a channel does, the newest ones.
const SAMPLE_MAX: i64 = 500;

/// How the newest payments of a channel opened since then did: paid or set aside, and neither after the channel failed about
/// them. What a payer's bank refused is neither.
pub(crate) async fn endings(
    executor: impl Executor<'_, Database = Any>,
    channel: Channel,
    since: UtcMicros,
) -> Result<(u32, u32), StoreError> {
    let (succeeded, failed): (i64, i64) = sqlx::query_as(
        "SELECT CAST(COALESCE(SUM(CASE WHEN state IN ($4, $5) THEN 1 ELSE 0 END), 0) AS BIGINT), \
         CAST(COALESCE(SUM(CASE WHEN failed_at_us IS NOT NULL AND state NOT IN ($4, $5) THEN 1 ELSE 0 END), 0) AS BIGINT) \
         FROM (SELECT state, failed_at_us FROM attempts WHERE channel = $1 AND created_at_us > $2 \
         ORDER BY created_at_us DESC LIMIT $3) AS newest",
    )
    .bind(channel.word())
    .bind(since.0)
    .bind(SAMPLE_MAX)
    .bind(word(PaymentState::Captured))
    .bind(word(PaymentState::Authorised))
    .fetch_one(executor)
    .await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok((count(succeeded), count(failed)))
}

/// When the newest payment of a channel was opened.
pub(crate) async fn newest(
    executor: impl Executor<'_, Database = Any>,
    channel: Channel,
) -> Result<Option<UtcMicros>, StoreError> {
    let (newest,): (Option<i64>,) = sqlx::query_as("SELECT MAX(created_at_us) FROM attempts WHERE channel = $1")
        .bind(channel.word())
        .fetch_one(executor)
        .await?;
    Ok(newest.map(UtcMicros))
}

/// The channel did not answer about a payment, or would not open it; the last time counts.
pub(crate) async fn fail(tx: &mut Tx, id: AttemptId, now: UtcMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE attempts SET failed_at_us = $2 WHERE attempt_id = $1")
        .bind(id.bare())
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How a channel failed no longer counts, unless it failed after `until` as well.
pub(crate) async fn forget_failures(tx: &mut Tx, channel: Channel, until: UtcMicros) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE attempts SET failed_at_us = NULL WHERE channel = $1 AND failed_at_us IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM attempts AS later WHERE later.channel = $1 AND later.failed_at_us > $2)",
    )
    .bind(channel.word())
    .bind(until.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was asked for over a channel in a currency from `from` until just before `until`, minor units. Everything counts
/// that is not closed: it was paid or can still be.
pub(crate) async fn asked_for(
    executor: impl Executor<'_, Database = Any>,
    channel: Channel,
    currency: Currency,
    from: UtcMicros,
    until: UtcMicros,
) -> Result<i64, StoreError> {
    let (sum,): (i64,) = sqlx::query_as(
        "SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM attempts WHERE channel = $1 AND currency = $2 AND \
         created_at_us >= $3 AND created_at_us < $4 AND state <> $5",
    )
    .bind(channel.word())
    .bind(currency.code())
    .bind(from.0)
    .bind(until.0)
    .bind(word(PaymentState::Closed))
    .fetch_one(executor)
    .await?;
    Ok(sum)
}

/// How much of a credit is in use, minor units of its currency: what is still being asked for or set aside, by payments whose
/// time to pay ends after `asked_since` or `kept_since`, and what was taken and not given back.
pub(crate) async fn drawn<'e>(
    reader: impl sqlx::Executor<'e, Database = sqlx::Any>,
    credit_id: &str,
    currency: Currency,
    (asked_since, kept_since): (UtcMicros, UtcMicros),
) -> Result<Money, StoreError> {
    let (sum,): (i64,) = sqlx::query_as(
        "SELECT CAST(COALESCE(SUM(CASE WHEN state = $4 THEN COALESCE(taken_minor, amount_minor) - \
         (SELECT COALESCE(SUM(refunds.amount_minor), 0) FROM refunds WHERE refunds.attempt_id = attempts.attempt_id \
         AND refunds.state = 'succeeded') WHEN state = $5 AND expires_at_us > $8 OR state = $6 AND expires_at_us > $7 \
         THEN amount_minor ELSE 0 END), 0) AS BIGINT) FROM attempts WHERE channel = $1 AND provider_ref = $2 AND currency = $3",
    )
    .bind(Channel::Credit.word())
    .bind(credit_id)
    .bind(currency.code())
    .bind(word(PaymentState::Captured))
    .bind(word(PaymentState::Authorised))
    .bind(word(PaymentState::RequiresAction))
    .bind(asked_since.0)
    .bind(kept_since.0)
    .fetch_one(reader)
    .await?;
    Ok(Money::new(sum, currency)?)
}

const COLUMNS: &str = "SELECT attempt_id, channel, amount_minor, currency, description, expires_at_us, notify_url, fingerprint, \
                       created_at_us, state, transaction_id, paid_at_us, provider_ref, authorise, taken_minor, instalments FROM attempts ";

/// Payments of a channel opened after `from` and until `until` that may have been paid without our knowing.
pub(crate) async fn open_between(
    pool: &AnyPool,
    channel: Channel,
    from: UtcMicros,
    until: UtcMicros,
) -> Result<Vec<Attempt>, StoreError> {
    let sql = format!(
        "{COLUMNS}WHERE channel = $1 AND created_at_us > $2 AND created_at_us <= $3 AND state NOT IN ($4, $5) \
         ORDER BY attempt_id"
    );
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(channel.word())
        .bind(from.0)
        .bind(until.0)
        .bind(word(PaymentState::Captured))
        .bind(word(PaymentState::Closed))
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

/// Payments of a channel paid until `until` of which not everything has arrived back or lies with a person.
pub(crate) async fn unreturned(pool: &AnyPool, channel: Channel, until: UtcMicros) -> Result<Vec<Attempt>, StoreError> {
    let sql = format!(
        "{COLUMNS}WHERE channel = $1 AND state = $2 AND COALESCE(paid_at_us, updated_at_us) <= $3 \
         AND COALESCE(taken_minor, amount_minor) > (SELECT COALESCE(SUM(refunds.amount_minor), 0) FROM refunds \
         WHERE refunds.attempt_id = attempts.attempt_id AND refunds.state IN ('succeeded', 'needs_manual', 'came_back')) \
         ORDER BY attempt_id"
    );
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(channel.word())
        .bind(word(PaymentState::Captured))
        .bind(until.0)
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

/// A payment, and when its row last changed: for one that was paid, when we learned of it.
#[derive(FromRow)]
struct TimedRow {
    #[sqlx(flatten)]
    row: Row,
    updated_at_us: i64,
}

impl TimedRow {
    fn read(self) -> Result<(Attempt, UtcMicros), StoreError> {
        Ok((Attempt::try_from(self.row)?, UtcMicros(self.updated_at_us)))
    }
}

const TIMED: &str = "SELECT attempt_id, channel, amount_minor, currency, description, expires_at_us, notify_url, fingerprint, \
                     created_at_us, state, transaction_id, paid_at_us, provider_ref, authorise, taken_minor, instalments, updated_at_us \
                     FROM attempts ";

/// Payments of a channel that were paid from `from` until just before `until`. Where money was set aside first, it was taken
/// when the row changed.
pub(crate) async fn paid_between(
    pool: &AnyPool,
    channel: Channel,
    from: UtcMicros,
    until: UtcMicros,
) -> Result<Vec<(Attempt, UtcMicros)>, StoreError> {
    const TAKEN: &str = "(CASE WHEN authorise = 0 THEN COALESCE(paid_at_us, updated_at_us) ELSE updated_at_us END)";
    let sql =
        format!("{TIMED}WHERE channel = $1 AND state = $2 AND {TAKEN} >= $3 AND {TAKEN} < $4 ORDER BY attempt_id");
    let rows: Vec<TimedRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(channel.word())
        .bind(word(PaymentState::Captured))
        .bind(from.0)
        .bind(until.0)
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(TimedRow::read).collect()
}

/// The payment of a channel with this number, ours or the channel's, in whatever state.
pub(crate) async fn numbered(
    pool: &AnyPool,
    channel: Channel,
    number: &str,
) -> Result<Option<(Attempt, UtcMicros)>, StoreError> {
    let sql = format!("{TIMED}WHERE channel = $1 AND (attempt_id = $2 OR transaction_id = $2) ORDER BY attempt_id");
    let rows: Vec<TimedRow> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(channel.word()).bind(number).fetch_all(pool).await?;
    rows.into_iter().next().map(TimedRow::read).transpose()
}

/// Keeps the channel's own id of a payment; the first one stays.
pub(crate) async fn name(tx: &mut Tx, id: AttemptId, provider_ref: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE attempts SET provider_ref = $2 WHERE attempt_id = $1 AND provider_ref IS NULL")
        .bind(id.bare())
        .bind(provider_ref)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes what was seen if it is news; answers the row that counts.
#[cfg(test)]
pub(crate) async fn observe(
    tx: &mut Tx,
    id: AttemptId,
    seen: &PaymentSeen,
    now: UtcMicros,
) -> Result<Option<Attempt>, StoreError> {
    let Some(old) = get(tx, id).await? else { return Ok(None) };
    Ok(Some(see(tx, old, seen, now).await?))
}

/// Writes what was seen of a row that was read in this transaction, if it is news; answers the row that counts.
pub(crate) async fn see(tx: &mut Tx, old: Attempt, seen: &PaymentSeen, now: UtcMicros) -> Result<Attempt, StoreError> {
    let new = old.seeing(seen);
    if new != old {
        let sql = "UPDATE attempts SET state = $2, transaction_id = $3, paid_at_us = $4, updated_at_us = $5, taken_minor = $6 \
                   WHERE attempt_id = $1";
        sqlx::query(sql)
            .bind(new.attempt_id.bare())
            .bind(word(new.state))
            .bind(new.transaction_id.as_deref())
            .bind(new.paid_at_us.map(|time| time.0))
            .bind(now.0)
            .bind(new.taken.map(Money::minor))
            .execute(&mut **tx)
            .await?;
    }
    Ok(new)
}
