//! The merchant's own credit as a channel: no provider, no page. The record of payments is the book it is drawn from.
//!
//! A credit is set aside by being asked for, in the transaction that writes the payment's row, so that two orders never use
//! the same part of it; what became of it since is judged again in the transaction that writes that. Whoever asked and was
//! never heard of again has it back when the time to pay is over, and whoever was heard of and then lost, [`KEPT_MIN`] later.
//! Deliberately not here: which codes there are, which the configuration says.

pub(crate) mod guesses;

use super::{
    Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused,
    desk::{Desk, Step, declined, finish},
};
use crate::{
    Clock,
    config::{self, CreditConfig},
    reconcile::line::Midnight,
    store::{
        Tx,
        attempts::{self, Attempt},
        refunds::Refund,
    },
};
use async_trait::async_trait;
use axum::http::HeaderMap;
use std::sync::{Arc, LazyLock};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{
            CheckCredit, CreditRefusal, CreditStatus, CreditUse, PaymentAction, PaymentState, Presentation, RefundState,
        },
    },
    time::UtcMicros,
};

/// A credit is in the currency of its configuration, whichever that is.
static CURRENCIES: LazyLock<Vec<Currency>> = LazyLock::new(|| Currency::all().collect());

/// How long after the time to pay what was set aside stays so, minutes: longer than an order waits for any supplier, and than
/// any channel keeps an authorisation. An order that comes for it later is told that it is closed.
pub(crate) const KEPT_MIN: i64 = 30 * 24 * 60;

/// The ends of the time to pay after which something is still asked for, and still set aside.
const fn since(now: UtcMicros) -> (UtcMicros, UtcMicros) {
    (now, now.plus_minutes(-KEPT_MIN))
}

/// The channel.
pub(crate) struct Credit {
    pub(crate) clock: Arc<dyn Clock>,
}

impl Credit {
    /// Where a payment stands by its row and the time.
    fn standing(&self, attempt: &Attempt) -> PaymentSeen {
        let (asked_since, kept_since) = since(self.clock.now());
        let seen = |state, taken, paid_at_us| PaymentSeen {
            state,
            transaction_id: attempt.provider_ref.clone(),
            total: Some(attempt.amount),
            taken,
            paid_at_us,
        };
        match attempt.state {
            PaymentState::Captured => seen(PaymentState::Captured, attempt.taken, attempt.paid_at_us),
            PaymentState::Closed | PaymentState::Failed => PaymentSeen::bare(attempt.state),
            PaymentState::RequiresAction | PaymentState::Processing | PaymentState::NotFound
                if attempt.expires_at_us <= asked_since =>
            {
                PaymentSeen::bare(PaymentState::Closed)
            }
            PaymentState::Authorised if attempt.expires_at_us <= kept_since => PaymentSeen::bare(PaymentState::Closed),
            PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::NotFound
            | PaymentState::Authorised => seen(PaymentState::Authorised, None, None),
        }
    }

    fn ended<T>(seen: &PaymentSeen) -> Outcome<T> {
        match seen.state {
            PaymentState::Captured => Outcome::Declined(Reason::new(ReasonCode::AlreadyPaid, "the credit was taken")),
            PaymentState::NotFound
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Authorised
            | PaymentState::Failed
            | PaymentState::Closed => {
                Outcome::Declined(Reason::new(ReasonCode::AlreadyClosed, "the credit was let go"))
            }
        }
    }
}

#[async_trait]
impl PaymentChannel for Credit {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &CURRENCIES,
            presents: Presentation::Nothing,
            authorises: true,
            opens_by_call: false,
            bounds: &[],
            fee_bp: 0,
            refund_min: 0,
            description_bytes_max: 127,
            refund_reason_bytes_max: 80,
            midnight: Midnight::Beijing,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt { content_type: "text/plain", kept: "", refused: "" }
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        match self.standing(attempt).state {
            PaymentState::Authorised => Outcome::Done(Opened { action: PaymentAction::Nothing, provider_ref: None }),
            _ => Self::ended(&self.standing(attempt)),
        }
    }

    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        Outcome::Done(self.standing(attempt))
    }

    async fn knows(&self, _: AttemptId) -> Outcome<bool> {
        Outcome::Done(false)
    }

    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let seen = self.standing(attempt);
        let taken = seen.state == PaymentState::Captured;
        Outcome::Done(if taken { seen } else { PaymentSeen::bare(PaymentState::Closed) })
    }

    async fn capture(&self, attempt: &Attempt, amount: Money) -> Outcome<PaymentSeen> {
        let seen = self.standing(attempt);
        if seen.state != PaymentState::Authorised {
            return Self::ended(&seen);
        }
        let paid_at_us = Some(self.clock.now());
        Outcome::Done(PaymentSeen { state: PaymentState::Captured, taken: Some(amount), paid_at_us, ..seen })
    }

    async fn void(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let seen = self.standing(attempt);
        if seen.state == PaymentState::Captured {
            return Self::ended(&seen);
        }
        Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
    }

    /// While the writer was waited for the time can have run out, and somebody else can have drawn it.
    fn judged(&self, row: &Attempt, seen: &PaymentSeen) -> PaymentSeen {
        let stands = self.standing(row);
        if stands.state == PaymentState::Closed { stands } else { seen.clone() }
    }

    /// The row of the refund is what gives it back.
    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        Outcome::Done(RefundSeen {
            state: RefundState::Succeeded,
            payment_number: attempt.attempt_id.bare(),
            amount: refund.amount,
            total: attempt.amount,
            provider_ref: None,
        })
    }

    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        self.refund(refund, attempt).await.map(Some)
    }

    /// The record of payments is the only account there is.
    fn has_bills(&self) -> bool {
        false
    }

    async fn verify_notification(&self, _: &HeaderMap, _: &[u8], _: UtcMicros) -> Result<Notice, Refused> {
        Err(Refused::NotAuthentic("nobody notifies us of our own credit".to_owned()))
    }
}

/// What a credit is worth for an order of this total, when so much of it is in use already.
fn worth(credit: &CreditConfig, order_total: Money, drawn: Money, now: UtcMicros) -> CreditStatus {
    let refused = |why, minimum| CreditStatus::Refused { why, minimum };
    if credit.amount.currency() != order_total.currency() {
        return refused(CreditRefusal::Currency, None);
    }
    if credit.begins_at.is_some_and(|begins| now < begins) || credit.ends_at.is_some_and(|ends| now >= ends) {
        return refused(CreditRefusal::OutOfTime, None);
    }
    if let Some(minimum) = credit.minimum.filter(|minimum| minimum.exceeds(order_total) != Ok(false)) {
        return refused(CreditRefusal::Minimum, Some(minimum));
    }
    match credit.amount.minus(drawn) {
        Ok(left) if left.is_positive() && order_total.is_positive() => CreditStatus::Usable {
            credit_id: credit.id(),
            amount: if left.exceeds(order_total) == Ok(true) { order_total } else { left },
            ends_at_us: credit.ends_at,
        },
        Ok(_) | Err(_) => refused(CreditRefusal::UsedUp, None),
    }
}

const fn refused(why: CreditRefusal) -> Step<CreditStatus> {
    Ok(CreditStatus::Refused { why, minimum: None })
}

impl Desk {
    /// Tool `checkCredit`.
    pub(crate) async fn check_credit(&self, wish: CheckCredit) -> Outcome<CreditStatus> {
        finish(self.credit_status(&wish).await.map(Outcome::Done))
    }

    fn credit(&self, id: &str) -> Option<&CreditConfig> {
        self.credits.iter().find(|credit| credit.id() == id)
    }

    /// From the read pool: asking never waits for who writes.
    async fn credit_status(&self, wish: &CheckCredit) -> Step<CreditStatus> {
        let (id, now) = (config::credit_id(wish.code.expose()), self.clock.now());
        let credit = self.credit(&id);
        if !self.guesses.admits(wish.asker.as_deref(), credit.is_some(), now) {
            return refused(CreditRefusal::TooManyTries);
        }
        let Some(credit) = credit else { return refused(CreditRefusal::Unknown) };
        let drawn = attempts::drawn(self.store.reader(), &id, credit.amount.currency(), since(now)).await?;
        Ok(worth(credit, wish.order_total, drawn, now))
    }

    /// Whether a new payment can be drawn from its credit. In the transaction that writes it.
    pub(super) async fn within_credit(&self, tx: &mut Tx, wish: &CreditUse, amount: Money) -> Step<()> {
        let (id, now) = (&wish.credit_id, self.clock.now());
        let status = match self.credit(id) {
            Some(credit) => {
                let drawn = attempts::drawn(&mut **tx, id, credit.amount.currency(), since(now)).await?;
                worth(credit, wish.order_total, drawn, now)
            }
            None => refused(CreditRefusal::Unknown)?,
        };
        match status {
            CreditStatus::Usable { amount: left, .. } if amount.exceeds(left) == Ok(false) => Ok(()),
            CreditStatus::Usable { .. } => {
                declined(ReasonCode::InsufficientBalance, "not so much is left of the credit")
            }
            CreditStatus::Refused { why, .. } => declined(ReasonCode::NotAllowed, why.word()),
        }
    }
}

#[cfg(test)]
mod tests;
