//! Table `refunds`: money we asked to give back and how far it got.
//!
//! A state only moves forward (asked, needs a hand, refused for good, arrived, come back). `refused` is ours alone: the channel said no
//! to the first request of all, or later that it has no such refund, so the amount is free again and the same refund may be asked
//! for again. A no to a request that had been sent before is no proof, and the row stays as it is. Deliberately not here: any call.

use super::{StoreError, Tx, money};
use sqlx::{AnyPool, FromRow};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::Money,
    port::payments::{Channel, RefundState, RefundStatus},
    time::UtcMicros,
};

/// One refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refund {
    pub(crate) refund_id: RefundId,
    pub(crate) attempt_id: AttemptId,
    pub(crate) amount: Money,
    /// As sent, already cut to the channel's length.
    pub(crate) reason: String,
    pub(crate) notify_url: String,
    /// Digest of the request's fields.
    pub(crate) fingerprint: String,
    pub(crate) created_at_us: UtcMicros,
    pub(crate) state: Standing,
    /// The channel's own id of the refund, once it answered.
    pub(crate) provider_ref: Option<String>,
}

/// Where a refund stands for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The channel refused the request itself.
    Refused,
    /// What the channel says.
    At(RefundState),
}

impl Standing {
    /// Whether the amount counts against what was paid.
    pub(crate) const fn counts(self) -> bool {
        match self {
            Self::Refused | Self::At(RefundState::NotFound | RefundState::Failed) => false,
            // What came back is given in another way, and not a second time by itself.
            Self::At(
                RefundState::Pending | RefundState::NeedsManual | RefundState::Succeeded | RefundState::CameBack,
            ) => true,
        }
    }

    /// Whether the channel is known to have it, and the amount to be gone or on its way.
    pub(crate) fn is_there(self) -> bool {
        self.counts() && self != Self::At(RefundState::Pending)
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Refused | Self::At(RefundState::NotFound) => 0,
            Self::At(RefundState::Pending) => 1,
            Self::At(RefundState::NeedsManual) => 2,
            Self::At(RefundState::Failed) => 3,
            Self::At(RefundState::Succeeded) => 4,
            Self::At(RefundState::CameBack) => 5,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::At(RefundState::NotFound) => "not_found",
            Self::At(RefundState::Pending) => "pending",
            Self::At(RefundState::Succeeded) => "succeeded",
            Self::At(RefundState::Failed) => "failed",
            Self::At(RefundState::NeedsManual) => "needs_manual",
            Self::At(RefundState::CameBack) => "came_back",
        }
    }
}

const STANDINGS: [Standing; 7] = [
    Standing::Refused,
    Standing::At(RefundState::NotFound),
    Standing::At(RefundState::Pending),
    Standing::At(RefundState::Succeeded),
    Standing::At(RefundState::Failed),
    Standing::At(RefundState::NeedsManual),
    Standing::At(RefundState::CameBack),
];

impl Refund {
    /// The row as the contract tells it; a refused one is not known to the channel.
    pub(crate) const fn status(&self) -> RefundStatus {
        let state = match self.state {
            Standing::Refused => RefundState::NotFound,
            Standing::At(state) => state,
        };
        RefundStatus { refund_id: self.refund_id, state, amount: self.amount }
    }
}

#[derive(FromRow)]
struct Row {
    refund_id: String,
    attempt_id: String,
    amount_minor: i64,
    currency: String,
    reason: String,
    notify_url: String,
    fingerprint: String,
    created_at_us: i64,
    state: String,
    provider_ref: Option<String>,
}

impl TryFrom<Row> for Refund {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("refund {:?}", row.refund_id));
        Ok(Self {
            refund_id: RefundId::parse_bare(&row.refund_id).map_err(|_| damaged())?,
            attempt_id: AttemptId::parse_bare(&row.attempt_id).map_err(|_| damaged())?,
            amount: money(row.amount_minor, &row.currency)?,
            state: STANDINGS.into_iter().find(|state| state.word() == row.state).ok_or_else(damaged)?,
            reason: row.reason,
            notify_url: row.notify_url,
            fingerprint: row.fingerprint,
            created_at_us: UtcMicros(row.created_at_us),
            provider_ref: row.provider_ref,
        })
    }
}

const BY_ID: &str = "SELECT refund_id, attempt_id, amount_minor, currency, reason, notify_url, fingerprint, created_at_us, state, \
                     provider_ref FROM refunds WHERE refund_id = $1";
const BY_ATTEMPT: &str = "SELECT refund_id, attempt_id, amount_minor, currency, reason, notify_url, fingerprint, created_at_us, \
                          state, provider_ref FROM refunds WHERE attempt_id = $1 ORDER BY refund_id";

/// The refund, if we ever asked for it.
pub(crate) async fn find(pool: &AnyPool, id: RefundId) -> Result<Option<Refund>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(pool).await?;
    row.map(Refund::try_from).transpose()
}

/// The refund, inside a transaction.
pub(crate) async fn get(tx: &mut Tx, id: RefundId) -> Result<Option<Refund>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(&mut **tx).await?;
    row.map(Refund::try_from).transpose()
}

/// All refunds of a payment.
pub(crate) async fn of(tx: &mut Tx, attempt: AttemptId) -> Result<Vec<Refund>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(BY_ATTEMPT).bind(attempt.bare()).fetch_all(&mut **tx).await?;
    rows.into_iter().map(Refund::try_from).collect()
}

/// All refunds of a payment, read outside a transaction.
pub(crate) async fn of_payment(pool: &AnyPool, attempt: AttemptId) -> Result<Vec<Refund>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(BY_ATTEMPT).bind(attempt.bare()).fetch_all(pool).await?;
    rows.into_iter().map(Refund::try_from).collect()
}

/// A refund, and when its row last changed.
#[derive(FromRow)]
struct TimedRow {
    #[sqlx(flatten)]
    row: Row,
    updated_at_us: i64,
}

impl TimedRow {
    fn read(self) -> Result<(Refund, UtcMicros), StoreError> {
        Ok((Refund::try_from(self.row)?, UtcMicros(self.updated_at_us)))
    }
}

const TIMED: &str = "SELECT refund_id, refunds.attempt_id, refunds.amount_minor, refunds.currency, refunds.reason, \
                     refunds.notify_url, refunds.fingerprint, refunds.created_at_us, refunds.state, refunds.provider_ref, \
                     refunds.updated_at_us FROM refunds JOIN attempts ON attempts.attempt_id = refunds.attempt_id ";

/// Refunds of a channel that arrived and whose row last changed from `from` until just before `until`.
pub(crate) async fn returned_between(
    pool: &AnyPool,
    channel: Channel,
    from: UtcMicros,
    until: UtcMicros,
) -> Result<Vec<(Refund, UtcMicros)>, StoreError> {
    let sql = format!(
        "{TIMED}WHERE attempts.channel = $1 AND refunds.state = $2 AND refunds.updated_at_us >= $3 \
         AND refunds.updated_at_us < $4 ORDER BY refund_id"
    );
    let rows: Vec<TimedRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(channel.word())
        .bind(Standing::At(RefundState::Succeeded).word())
        .bind(from.0)
        .bind(until.0)
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(TimedRow::read).collect()
}

/// The refund of a channel with this number, ours or the channel's, in whatever state.
pub(crate) async fn numbered(
    pool: &AnyPool,
    channel: Channel,
    number: &str,
) -> Result<Option<(Refund, UtcMicros)>, StoreError> {
    let sql = format!(
        "{TIMED}WHERE attempts.channel = $1 AND (refund_id = $2 OR refunds.provider_ref = $2) ORDER BY refund_id"
    );
    let rows: Vec<TimedRow> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(channel.word()).bind(number).fetch_all(pool).await?;
    rows.into_iter().next().map(TimedRow::read).transpose()
}

/// Writes a new refund.
pub(crate) async fn insert(tx: &mut Tx, refund: &Refund) -> Result<(), StoreError> {
    money(refund.amount.minor(), refund.amount.currency().code())?;
    sqlx::query(
        "INSERT INTO refunds (refund_id, attempt_id, amount_minor, currency, reason, notify_url, fingerprint, created_at_us, \
         state, updated_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8)",
    )
    .bind(refund.refund_id.bare())
    .bind(refund.attempt_id.bare())
    .bind(refund.amount.minor())
    .bind(refund.amount.currency().code())
    .bind(refund.reason.as_str())
    .bind(refund.notify_url.as_str())
    .bind(refund.fingerprint.as_str())
    .bind(refund.created_at_us.0)
    .bind(refund.state.word())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the channel's own id of a refund; the first one stays.
pub(crate) async fn name(tx: &mut Tx, id: RefundId, provider_ref: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE refunds SET provider_ref = $2 WHERE refund_id = $1 AND provider_ref IS NULL")
        .bind(id.bare())
        .bind(provider_ref)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes where the refund stands if that is news, or (for [`Standing::Refused`]) as long as nobody has seen it at the
/// channel; answers the row that counts.
pub(crate) async fn observe(
    tx: &mut Tx,
    id: RefundId,
    seen: Standing,
    now: UtcMicros,
) -> Result<Option<Refund>, StoreError> {
    let Some(old) = get(tx, id).await? else { return Ok(None) };
    let withdrawn = seen == Standing::Refused && old.state == Standing::At(RefundState::Pending);
    if seen.rank() <= old.state.rank() && !withdrawn {
        return Ok(Some(old));
    }
    sqlx::query("UPDATE refunds SET state = $2, updated_at_us = $3 WHERE refund_id = $1")
        .bind(id.bare())
        .bind(seen.word())
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(Some(Refund { state: seen, ..old }))
}
