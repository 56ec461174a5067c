//! Tables `payment_intents` and `confirmations`: what agents asked for under which key, and what the person said to it.
//!
//! Deliberately not here: who may say what, which is the gate's.

use super::{StoreError, Tx, money};
use sqlx::{AnyPool, FromRow};
use zhiyou_domain::{
    id::{ConfirmationId, OrderId},
    money::Money,
    time::UtcMicros,
};

/// What a confirmation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gated {
    /// An order is to be paid.
    ConfirmPayment,
    /// Money is to go back.
    CreateRefund,
}

impl Gated {
    const ALL: [Self; 2] = [Self::ConfirmPayment, Self::CreateRefund];

    /// The name of the tool.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::ConfirmPayment => "confirmPayment",
            Self::CreateRefund => "createRefund",
        }
    }
}

/// Where a confirmation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nobody has said anything.
    Pending,
    /// Yes; not used yet.
    Approved,
    /// No, or too many wrong codes.
    Denied,
    /// Yes, and used by the call it was for.
    Consumed,
    /// Used, and what it was for was refused for good: it opens nothing any more.
    Ended,
}

impl Said {
    const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Denied, Self::Consumed, Self::Ended];

    /// The word stored and shown.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Consumed => "consumed",
            Self::Ended => "ended",
        }
    }
}

/// One thing an agent wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) confirmation_id: ConfirmationId,
    /// For whom.
    pub(crate) subject: String,
    pub(crate) tool: Gated,
    pub(crate) client_key: String,
    /// Digest of the call's arguments, without key and code.
    pub(crate) fingerprint: String,
    /// What the client calls itself.
    pub(crate) client: String,
    pub(crate) order_id: OrderId,
    /// What is paid or goes back; what is approved is exactly this.
    pub(crate) amount: Money,
    /// Reason of a refund.
    pub(crate) reason: String,
    pub(crate) said: Said,
    pub(crate) created_at_us: UtcMicros,
    pub(crate) expires_at_us: UtcMicros,
    /// Authenticates the code that was shown, if one was.
    pub(crate) code_tag: Option<String>,
    pub(crate) wrong_codes: i64,
}

impl Confirmation {
    /// Whether it waited too long: what was not used until then cannot be used any more.
    pub(crate) const fn is_over(&self, now: UtcMicros) -> bool {
        matches!(self.said, Said::Pending | Said::Approved) && self.expires_at_us.0 <= now.0
    }
}

#[derive(FromRow)]
struct Row {
    confirmation_id: String,
    subject: String,
    tool: String,
    client_key: String,
    fingerprint: String,
    client: String,
    order_id: String,
    amount_minor: i64,
    currency: String,
    reason: String,
    state: String,
    created_at_us: i64,
    expires_at_us: i64,
    code_tag: Option<String>,
    wrong_codes: i64,
}

impl TryFrom<Row> for Confirmation {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("confirmation {:?}", row.confirmation_id));
        Ok(Self {
            confirmation_id: ConfirmationId::parse_bare(&row.confirmation_id).map_err(|_| damaged())?,
            tool: Gated::ALL.into_iter().find(|tool| tool.word() == row.tool).ok_or_else(damaged)?,
            order_id: OrderId::parse_bare(&row.order_id).map_err(|_| damaged())?,
            amount: money(row.amount_minor, &row.currency)?,
            said: Said::ALL.into_iter().find(|said| said.word() == row.state).ok_or_else(damaged)?,
            subject: row.subject,
            client_key: row.client_key,
            fingerprint: row.fingerprint,
            client: row.client,
            reason: row.reason,
            created_at_us: UtcMicros(row.created_at_us),
            expires_at_us: UtcMicros(row.expires_at_us),
            code_tag: row.code_tag,
            wrong_codes: row.wrong_codes,
        })
    }
}

const BY_ID: &str = "SELECT confirmation_id, subject, tool, client_key, fingerprint, client, order_id, amount_minor, currency, \
                     reason, state, created_at_us, expires_at_us, code_tag, wrong_codes FROM confirmations \
                     WHERE confirmation_id = $1";
const BY_KEY: &str = "SELECT confirmation_id, subject, tool, client_key, fingerprint, client, order_id, amount_minor, currency, \
                      reason, state, created_at_us, expires_at_us, code_tag, wrong_codes FROM confirmations \
                      WHERE subject = $1 AND tool = $2 AND client_key = $3";

/// The confirmation, if there is one.
pub(crate) async fn find(pool: &AnyPool, id: ConfirmationId) -> Result<Option<Confirmation>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(pool).await?;
    row.map(Confirmation::try_from).transpose()
}

/// The confirmation, inside a transaction.
pub(crate) async fn get(tx: &mut Tx, id: ConfirmationId) -> Result<Option<Confirmation>, StoreError> {
    let row: Option<Row> = sqlx::query_as(BY_ID).bind(id.bare()).fetch_optional(&mut **tx).await?;
    row.map(Confirmation::try_from).transpose()
}

/// What this key of an agent stands for.
pub(crate) async fn of_key(
    tx: &mut Tx,
    subject: &str,
    tool: Gated,
    key: &str,
) -> Result<Option<Confirmation>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as(BY_KEY).bind(subject).bind(tool.word()).bind(key).fetch_optional(&mut **tx).await?;
    row.map(Confirmation::try_from).transpose()
}

/// Writes a new confirmation in the place of one under its key that nobody used.
pub(crate) async fn put(tx: &mut Tx, new: &Confirmation) -> Result<(), StoreError> {
    money(new.amount.minor(), new.amount.currency().code())?;
    sqlx::query(
        "DELETE FROM confirmations WHERE subject = $1 AND tool = $2 AND client_key = $3 AND state <> $4 \
         AND state <> $5",
    )
    .bind(new.subject.as_str())
    .bind(new.tool.word())
    .bind(new.client_key.as_str())
    .bind(Said::Consumed.word())
    .bind(Said::Ended.word())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO confirmations (confirmation_id, subject, tool, client_key, fingerprint, client, order_id, amount_minor, \
         currency, reason, state, created_at_us, expires_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(new.confirmation_id.bare())
    .bind(new.subject.as_str())
    .bind(new.tool.word())
    .bind(new.client_key.as_str())
    .bind(new.fingerprint.as_str())
    .bind(new.client.as_str())
    .bind(new.order_id.bare())
    .bind(new.amount.minor())
    .bind(new.amount.currency().code())
    .bind(new.reason.as_str())
    .bind(new.said.word())
    .bind(new.created_at_us.0)
    .bind(new.expires_at_us.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes what was said, the code that was shown, and how many wrong ones came.
pub(crate) async fn keep(tx: &mut Tx, changed: &Confirmation) -> Result<(), StoreError> {
    sqlx::query("UPDATE confirmations SET state = $2, code_tag = $3, wrong_codes = $4 WHERE confirmation_id = $1")
        .bind(changed.confirmation_id.bare())
        .bind(changed.said.word())
        .bind(changed.code_tag.as_deref())
        .bind(changed.wrong_codes)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The order and the digest this key of an agent stands for.
pub(crate) async fn intent_of_key(
    tx: &mut Tx,
    subject: &str,
    key: &str,
) -> Result<Option<(OrderId, String)>, StoreError> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT order_id, fingerprint FROM payment_intents WHERE subject = $1 AND client_key = $2")
            .bind(subject)
            .bind(key)
            .fetch_optional(&mut **tx)
            .await?;
    let Some((id, fingerprint)) = row else { return Ok(None) };
    let id = OrderId::parse_bare(&id).map_err(|_| StoreError::Damaged(format!("payment intent {id:?}")))?;
    Ok(Some((id, fingerprint)))
}

/// Keeps what a key stands for.
pub(crate) async fn insert_intent(
    tx: &mut Tx,
    subject: &str,
    key: &str,
    fingerprint: &str,
    order: OrderId,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO payment_intents (subject, client_key, fingerprint, order_id) VALUES ($1, $2, $3, $4)")
        .bind(subject)
        .bind(key)
        .bind(fingerprint)
        .bind(order.bare())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether an agent of this subject made the order's payment intent.
pub(crate) async fn has_intent(pool: &AnyPool, subject: &str, order: OrderId) -> Result<bool, StoreError> {
    let (known,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM payment_intents WHERE subject = $1 AND order_id = $2")
        .bind(subject)
        .bind(order.bare())
        .fetch_one(pool)
        .await?;
    Ok(known > 0)
}
