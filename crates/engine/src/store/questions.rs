//! Table `questions`: what notifications hinted at, until the channel or supplier has said what it is.
//!
//! Deliberately not here: asking.

use super::{StoreError, Tx};
use sqlx::AnyPool;
use zhiyou_domain::id::{AttemptId, OrderId, RefundId};

/// What is asked, for which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) order: OrderId,
    pub(crate) about: About,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// A payment, at its channel.
    Payment(AttemptId),
    /// A refund, at its channel.
    Refund(RefundId),
    /// A booking, by the supplier's own number of it.
    Booking(String),
}

impl About {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Payment(id) => ("payment", id.bare()),
            Self::Refund(id) => ("refund", id.bare()),
            Self::Booking(id) => ("booking", id.clone()),
        }
    }

    fn of_words(kind: &str, about: String) -> Option<Self> {
        match kind {
            "payment" => AttemptId::parse_bare(&about).map(Self::Payment).ok(),
            "refund" => RefundId::parse_bare(&about).map(Self::Refund).ok(),
            "booking" => Some(Self::Booking(about)),
            _ => None,
        }
    }
}

/// Everything that is not answered.
///
/// # Errors
/// [`StoreError::Sql`], [`StoreError::Damaged`].
pub(crate) async fn all(pool: &AnyPool) -> Result<Vec<Question>, StoreError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT order_id, kind, about FROM questions").fetch_all(pool).await?;
    let question = |(order, kind, about): (String, String, String)| {
        let damaged = || StoreError::Damaged(format!("question about {order:?}"));
        let id = OrderId::parse_bare(&order).map_err(|_| damaged())?;
        Ok(Question { order: id, about: About::of_words(&kind, about).ok_or_else(damaged)? })
    };
    rows.into_iter().map(question).collect()
}

/// Keeps one more hint.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn put(tx: &mut Tx, question: &Question) -> Result<(), StoreError> {
    let (kind, about) = question.about.words();
    sqlx::query(
        "INSERT INTO questions (order_id, kind, about, hints) VALUES ($1, $2, $3, 1)
         ON CONFLICT (order_id, kind, about) DO UPDATE SET hints = questions.hints + 1",
    )
    .bind(question.order.bare())
    .bind(kind)
    .bind(about)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many hints there were; none where nothing is waiting for an answer.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn hints(pool: &AnyPool, question: &Question) -> Result<i64, StoreError> {
    let (kind, about) = question.about.words();
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT hints FROM questions WHERE order_id = $1 AND kind = $2 AND about = $3")
            .bind(question.order.bare())
            .bind(kind)
            .bind(about)
            .fetch_optional(pool)
            .await?;
    Ok(row.map_or(0, |(hints,)| hints))
}

/// Takes the question away unless another hint came since there were `hints`.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn settle(tx: &mut Tx, question: &Question, hints: i64) -> Result<(), StoreError> {
    let (kind, about) = question.about.words();
    sqlx::query("DELETE FROM questions WHERE order_id = $1 AND kind = $2 AND about = $3 AND hints = $4")
        .bind(question.order.bare())
        .bind(kind)
        .bind(about)
        .bind(hints)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
