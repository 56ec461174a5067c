//! Orders of the REST surface: created once per client key, paid by one payment of the same number, cancelled, given back.
//!
//! An order's state is read off its payment and its refunds and kept nowhere else, so a notification, a question and a lost
//! notification give the same. Paid beats cancelled. Deliberately not here: channels, and every rule about amounts, which are
//! the desk's.

use super::{
    problem::Problem,
    view::{Amount, CodeView, NewOrder, NewRefund, OrderStatus, OrderView, RefundView},
};
use crate::{
    pay::desk::{self, Desk},
    store::{
        attempts::{self, Attempt},
        refunds::{self, Refund, Standing},
        shop_orders::{self as shop, ShopOrder, ShopRefund},
    },
};
use aws_lc_rs::rand;
use axum::http::StatusCode;
use ulid::Ulid;
use zhiyou_domain::{
    id::{OrderId, RefundId},
    money::Money,
    port::{
        Outcome,
        payments::{Channel, CreatePaymentIntent, CreateRefund, PaymentAction, PaymentState, RefundState},
    },
    time::UtcMicros,
};

/// How long an order can be paid, minutes.
const PAYABLE_MIN: i64 = 30;
/// Longest reference, bytes.
const REFERENCE_BYTES_MAX: usize = 64;
/// Longest description, bytes: what WeChat Pay takes.
const DESCRIPTION_BYTES_MAX: usize = 127;
/// Longest reason of a refund, bytes: what WeChat Pay takes.
const REASON_BYTES_MAX: usize = 80;

/// An order with what is known of its money.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) order: ShopOrder,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) refunds: Vec<Refund>,
}

/// Creates an order, or answers the one this key stands for.
pub(super) async fn create(
    desk: &Desk,
    subject: String,
    key: String,
    wish: NewOrder,
) -> Result<(StatusCode, OrderView), Problem> {
    let now = desk.clock.now();
    let amount = wish.amount.money().ok_or_else(|| Problem::invalid("amount is not one"))?;
    if !chargeable(desk, amount) {
        return Err(Problem::invalid("amount.currency cannot be charged"));
    }
    plain("reference", &wish.reference, REFERENCE_BYTES_MAX)?;
    plain("description", &wish.description, DESCRIPTION_BYTES_MAX)?;
    let kind = shop::Kind::from(wish.kind);
    let order = ShopOrder {
        order_id: OrderId::from_ulid(fresh(now)?),
        subject,
        client_key: key,
        fingerprint: desk::fingerprint(&[kind.word(), &wish.reference, &wish.description, &amount.to_string()]),
        kind,
        reference: wish.reference,
        description: wish.description,
        amount,
        created_at_us: now,
        expires_at_us: now.plus_minutes(PAYABLE_MIN),
        code: None,
        cancel_asked_at_us: None,
        closed_at_us: None,
        updated_at_us: now,
    };
    let mut tx = desk.store.begin().await?;
    if let Some(earlier) = shop::of_key(&mut tx, &order.subject, &order.client_key).await? {
        drop(tx);
        if earlier.fingerprint != order.fingerprint {
            return Err(Problem::conflict("key_reused", "the key was used for another order"));
        }
        return Ok((StatusCode::OK, read(desk, earlier).await?.view(now)));
    }
    shop::insert(&mut tx, &order).await?;
    desk.store.commit(tx).await?;
    tracing::info!(order = %order.order_id, "a shop order was created");
    Ok((StatusCode::CREATED, Known { order, attempt: None, refunds: Vec::new() }.view(now)))
}

/// Where an order stands, asked at the channel while that can change it.
pub(super) async fn status(desk: &Desk, subject: &str, id: OrderId) -> Result<OrderView, Problem> {
    let known = brought_up_to_date(desk, known(desk, subject, id).await?).await?;
    Ok(known.view(desk.clock.now()))
}

/// Opens the order's one payment; again, it is the same one.
pub(crate) async fn open(desk: &Desk, subject: &str, id: OrderId) -> Result<CodeView, Problem> {
    let now = desk.clock.now();
    let known = known(desk, subject, id).await?;
    known.payable(now)?;
    let order = known.order;
    let wish = CreatePaymentIntent {
        attempt_id: order.attempt_id()?,
        channel: Channel::Wechatpay,
        amount: order.amount,
        description: order.description.clone(),
        expires_at_us: order.expires_at_us,
        authorise: false,
        instalments: None,
        credit: None,
    };
    let code_url = match desk.create(wish).await {
        Outcome::Done(intent) => match intent.action {
            PaymentAction::Qr { content } => content,
            // No start has such a channel behind this surface.
            PaymentAction::Redirect { .. }
            | PaymentAction::PhonePage { .. }
            | PaymentAction::App { .. }
            | PaymentAction::Nothing => return Err(Problem::internal()),
        },
        Outcome::Declined(reason) => return Err(Problem::declined(&reason)),
        Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Err(Problem::unknown(&reason)),
    };
    let mut tx = desk.store.begin().await?;
    shop::show(&mut tx, id, &code_url, now).await?;
    let kept = shop::get(&mut tx, id).await?.ok_or_else(Problem::internal)?;
    desk.store.commit(tx).await?;
    if kept.cancel_asked_at_us.is_some() {
        // Cancelled while the channel was opening it: the payer has not seen the code and never will.
        if let Outcome::Unknown(reason) | Outcome::NotSent(reason) = desk.close(kept.attempt_id()?).await {
            tracing::warn!(order = %id, code = ?reason.code, "a payment nobody was shown may still be open");
        }
        return Err(Problem::conflict("order_cancelled", "the order is cancelled"));
    }
    Ok(code_view(&kept, code_url))
}

/// The code of an order that can be paid.
pub(super) async fn code(desk: &Desk, subject: &str, id: OrderId) -> Result<CodeView, Problem> {
    let known = known(desk, subject, id).await?;
    known.payable(desk.clock.now())?;
    match known.order.code.clone() {
        Some(code_url) => Ok(code_view(&known.order, code_url)),
        None => Err(Problem::conflict("not_opened", "the order's payment was not opened yet")),
    }
}

/// Cancels an order unless money came first.
pub(super) async fn cancel(desk: &Desk, subject: &str, id: OrderId) -> Result<OrderView, Problem> {
    let order = owned(desk, subject, id).await?;
    let now = desk.clock.now();
    let mut tx = desk.store.begin().await?;
    let attempt = attempts::get(&mut tx, order.attempt_id()?).await?;
    let paid = attempt.as_ref().is_some_and(|attempt| attempt.state == PaymentState::Captured);
    if paid {
        return Err(already_paid());
    }
    // From this commit on nothing is opened; what is being opened right now closes itself.
    shop::ask_to_cancel(&mut tx, id, now).await?;
    desk.store.commit(tx).await?;
    if let Some(attempt) = attempt {
        closed(desk, &attempt).await?;
    }
    let mut tx = desk.store.begin().await?;
    shop::close(&mut tx, id, now).await?;
    desk.store.commit(tx).await?;
    let known = known(desk, subject, id).await?;
    tracing::info!(order = %id, "a shop order was cancelled");
    Ok(known.view(now))
}

/// Closes the payment; only a channel that says it holds nothing open lets the order end.
async fn closed(desk: &Desk, attempt: &Attempt) -> Result<(), Problem> {
    match desk.close(attempt.attempt_id).await {
        Outcome::Done(status) => match status.state {
            PaymentState::Closed | PaymentState::NotFound => Ok(()),
            PaymentState::Captured => Err(already_paid()),
            PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Authorised
            | PaymentState::Failed => Err(still_open()),
        },
        Outcome::Declined(reason) => Err(Problem::declined(&reason)),
        Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(Problem::unknown(&reason)),
    }
}

fn already_paid() -> Problem {
    Problem::conflict("already_paid", "the order is paid; ask for a refund instead")
}

fn still_open() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unknown",
        "the channel has not closed it yet; send the same request again",
    )
}

/// Gives money back, once per key.
pub(crate) async fn refund(
    desk: &Desk,
    subject: &str,
    id: OrderId,
    key: String,
    wish: NewRefund,
) -> Result<RefundView, Problem> {
    plain("reason", &wish.reason, REASON_BYTES_MAX)?;
    let asked = match &wish.amount {
        Some(amount) => Some(amount.money().ok_or_else(|| Problem::invalid("amount is not one"))?),
        None => None,
    };
    let known = brought_up_to_date(desk, known(desk, subject, id).await?).await?;
    let Some(attempt) = known.attempt.filter(|attempt| attempt.state == PaymentState::Captured) else {
        return Err(Problem::conflict("not_paid", "the order is not paid"));
    };
    let fingerprint = desk::fingerprint(&[
        &asked.map_or_else(|| "all that is left".to_owned(), |amount| amount.to_string()),
        &wish.reason,
    ]);
    let refund = keep_refund(desk, &known.order, &attempt, key, fingerprint, asked, wish.reason).await?;
    let wish = CreateRefund {
        refund_id: refund.refund_id,
        attempt_id: attempt.attempt_id,
        amount: refund.amount,
        reason: refund.reason,
    };
    match desk.refund(wish).await {
        Outcome::Done(status) => Ok(RefundView {
            refund_id: status.refund_id.to_string(),
            amount: status.amount.into(),
            status: status.state.into(),
        }),
        Outcome::Declined(reason) => Err(Problem::declined(&reason)),
        Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(Problem::unknown(&reason)),
    }
}

/// The refund this key stands for, written before anything is asked of the channel.
async fn keep_refund(
    desk: &Desk,
    order: &ShopOrder,
    attempt: &Attempt,
    key: String,
    fingerprint: String,
    asked: Option<Money>,
    reason: String,
) -> Result<ShopRefund, Problem> {
    let mut tx = desk.store.begin().await?;
    if let Some(earlier) = shop::refund_of_key(&mut tx, order.order_id, &key).await? {
        return if earlier.fingerprint == fingerprint {
            Ok(earlier)
        } else {
            Err(Problem::conflict("key_reused", "the key was used for another refund"))
        };
    }
    let given = refunds::of(&mut tx, attempt.attempt_id).await?;
    let left = left(attempt, &given)?;
    let amount = asked.unwrap_or(left);
    if !amount.is_positive() || amount.exceeds(left) != Ok(false) {
        return Err(Problem::conflict("nothing_left", "more than is left of the payment would go back"));
    }
    let refund_id = RefundId::from_ulid(fresh(desk.clock.now())?);
    let refund = ShopRefund { refund_id, order_id: order.order_id, client_key: key, fingerprint, amount, reason };
    shop::insert_refund(&mut tx, &refund).await?;
    desk.store.commit(tx).await?;
    Ok(refund)
}

/// What of the payment did not go back yet.
fn left(attempt: &Attempt, refunds: &[Refund]) -> Result<Money, Problem> {
    let taken = attempt.taken.unwrap_or(attempt.amount);
    let gone = refunds.iter().filter(|refund| refund.state.counts()).map(|refund| refund.amount);
    Money::sum(taken.currency(), gone).and_then(|gone| taken.minus(gone)).map_err(|error| {
        tracing::error!(%error, "the refunds of a payment do not add up");
        Problem::internal()
    })
}

/// What goes back when all of it does.
pub(crate) fn refundable(known: &Known) -> Result<Money, Problem> {
    let paid = known.attempt.as_ref().filter(|attempt| attempt.state == PaymentState::Captured);
    let attempt = paid.ok_or_else(|| Problem::conflict("not_paid", "the order is not paid"))?;
    let left = left(attempt, &known.refunds)?;
    if left.is_positive() { Ok(left) } else { Err(Problem::conflict("nothing_left", "all of it went back")) }
}

/// Whether a reason can be shown to the payer.
pub(crate) fn plain_reason(reason: &str) -> Result<(), Problem> {
    plain("reason", reason, REASON_BYTES_MAX)
}

/// The caller's order with what our tables tell of its money.
pub(crate) async fn known(desk: &Desk, subject: &str, id: OrderId) -> Result<Known, Problem> {
    read(desk, owned(desk, subject, id).await?).await
}

/// The caller's order.
async fn owned(desk: &Desk, subject: &str, id: OrderId) -> Result<ShopOrder, Problem> {
    let order = shop::find(desk.store.reader(), id).await?;
    order.filter(|order| order.subject == subject).ok_or_else(Problem::not_found)
}

/// The order with what our tables tell of its money.
async fn read(desk: &Desk, order: ShopOrder) -> Result<Known, Problem> {
    let attempt = attempts::find(desk.store.reader(), order.attempt_id()?).await?;
    let refunds = match &attempt {
        Some(attempt) => refunds::of_payment(desk.store.reader(), attempt.attempt_id).await?,
        None => Vec::new(),
    };
    Ok(Known { order, attempt, refunds })
}

/// The order after the channel was asked about everything that may have moved.
pub(crate) async fn brought_up_to_date(desk: &Desk, known: Known) -> Result<Known, Problem> {
    let id = known.order.order_id;
    let Some(attempt) = &known.attempt else { return Ok(known) };
    match attempt.state {
        PaymentState::NotFound | PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed => {
            // Past its time the payment is closed as well, so that the order ends; money that came first stays.
            let over = known.order.is_over(desk.clock.now());
            // One that was refused can be tried again by the same code while there is time.
            let asked = if over { desk.close(attempt.attempt_id).await } else { desk.look(attempt).await };
            if let Outcome::Unknown(reason) | Outcome::NotSent(reason) | Outcome::Declined(reason) = asked {
                tracing::warn!(order = %id, code = ?reason.code, "the channel did not say where a payment stands");
            }
        }
        PaymentState::Captured => {
            let pending = |refund: &&Refund| refund.state == Standing::At(RefundState::Pending);
            for refund in known.refunds.iter().filter(pending) {
                if let Outcome::Unknown(reason) | Outcome::NotSent(reason) | Outcome::Declined(reason) =
                    desk.refund_status(refund.refund_id).await
                {
                    tracing::warn!(order = %id, code = ?reason.code, "the channel did not say where a refund stands");
                }
            }
        }
        PaymentState::Authorised | PaymentState::Closed => return Ok(known),
    }
    read(desk, known.order).await
}

impl Known {
    pub(crate) fn status(&self, now: UtcMicros) -> OrderStatus {
        let over = self.order.closed_at_us.is_some() || (self.attempt.is_none() && self.order.expires_at_us <= now);
        match self.attempt.as_ref().map(|attempt| (attempt, attempt.state)) {
            Some((attempt, PaymentState::Captured)) => {
                let arrived = self.refunds.iter().filter(|refund| refund.state == Standing::At(RefundState::Succeeded));
                let taken = attempt.taken.unwrap_or(attempt.amount);
                let back = Money::sum(taken.currency(), arrived.map(|refund| refund.amount));
                if back.is_ok_and(|back| back.minor() >= taken.minor()) {
                    OrderStatus::Refunded
                } else {
                    OrderStatus::Paid
                }
            }
            Some((_, PaymentState::Closed)) => OrderStatus::Cancelled,
            Some(_) | None if over => OrderStatus::Cancelled,
            Some((_, PaymentState::Failed)) => OrderStatus::Failed,
            Some((
                _,
                PaymentState::NotFound
                | PaymentState::RequiresAction
                | PaymentState::Processing
                | PaymentState::Authorised,
            ))
            | None => OrderStatus::Pending,
        }
    }

    /// Whether a payer may be shown a code now.
    fn payable(&self, now: UtcMicros) -> Result<(), Problem> {
        let cancelled = || Problem::conflict("order_cancelled", "the order is cancelled");
        match self.status(now) {
            OrderStatus::Paid => Err(already_paid()),
            OrderStatus::Refunded => Err(Problem::conflict("order_refunded", "the order was paid and given back")),
            OrderStatus::Cancelled | OrderStatus::Pending | OrderStatus::Failed
                if self.order.cancel_asked_at_us.is_some() =>
            {
                Err(cancelled())
            }
            OrderStatus::Cancelled | OrderStatus::Pending | OrderStatus::Failed if self.order.expires_at_us <= now => {
                Err(Problem::conflict("order_expired", "the last moment to pay is over"))
            }
            OrderStatus::Cancelled => Err(cancelled()),
            OrderStatus::Pending | OrderStatus::Failed => Ok(()),
        }
    }

    fn view(&self, now: UtcMicros) -> OrderView {
        let paid = self.attempt.as_ref().filter(|attempt| attempt.state == PaymentState::Captured);
        let refund = |refund: &Refund| RefundView {
            refund_id: refund.refund_id.to_string(),
            amount: refund.amount.into(),
            status: refund.status().state.into(),
        };
        OrderView {
            order_id: self.order.order_id.to_string(),
            kind: self.order.kind.into(),
            reference: self.order.reference.clone(),
            description: self.order.description.clone(),
            amount: self.order.amount.into(),
            status: self.status(now),
            created_at: self.order.created_at_us.to_rfc3339(),
            updated_at: self.order.updated_at_us.to_rfc3339(),
            expires_at: self.order.expires_at_us.to_rfc3339(),
            paid_at: paid.and_then(|attempt| attempt.paid_at_us).map(UtcMicros::to_rfc3339),
            transaction_id: paid.and_then(|attempt| attempt.transaction_id.clone()),
            refunds: self.refunds.iter().map(refund).collect(),
        }
    }
}

fn code_view(order: &ShopOrder, code_url: String) -> CodeView {
    CodeView {
        order_id: order.order_id.to_string(),
        code_url,
        amount: Amount::from(order.amount),
        expires_at: order.expires_at_us.to_rfc3339(),
    }
}

fn chargeable(desk: &Desk, amount: Money) -> bool {
    let channel = desk.channels.of(Channel::Wechatpay);
    channel.is_some_and(|channel| channel.capabilities().currencies.contains(&amount.currency()))
}

fn plain(field: &str, text: &str, bytes_max: usize) -> Result<(), Problem> {
    let good = !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(Problem::invalid(&format!("{field} is empty, too long or not plain text"))) }
}

/// A new number: the time, and 80 bits nobody can guess.
fn fresh(now: UtcMicros) -> Result<Ulid, Problem> {
    let mut random = [0; 16];
    rand::fill(&mut random).map_err(|_| Problem::internal())?;
    let millis = u64::try_from(now.0.div_euclid(1000)).map_err(|_| Problem::internal())?;
    Ok(Ulid::from_parts(millis, u128::from_be_bytes(random)))
}
