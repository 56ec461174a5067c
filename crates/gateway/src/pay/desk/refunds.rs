//! Money given back: the row comes before the request, never more is given back than was taken, and what may be on its way counts
//! until the channel says that there is no such refund.
//!
//! A no is proof that nothing exists only where nothing was sent before: a second request can be refused for what has nothing to
//! do with the first one, a key of ours that is wrong by then. Deliberately not here: the row, which is the store's.

use super::{Desk, Step, cut, declined, disagreement, fingerprint, finish, refund_agrees};
use crate::{
    defence::{Defence, off},
    pay::RefundSeen,
    store::{
        StoreError,
        attempts::{self, Attempt},
        refunds::{self, Refund, Standing},
    },
};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::Money,
    port::{
        Outcome, Reason, ReasonCode,
        payments::{Channel, CreateRefund, PaymentState, RefundState, RefundStatus},
    },
};

/// What came before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Nothing that could exist at the channel.
    Never,
    /// The same request, whatever became of it.
    Before,
}

impl Desk {
    /// Tool `refundPayment`.
    pub(crate) async fn refund(&self, wish: CreateRefund) -> Outcome<RefundStatus> {
        finish(self.give_back(&wish).await)
    }

    async fn give_back(&self, wish: &CreateRefund) -> Step<Outcome<RefundStatus>> {
        let attempt = self.paid_attempt(wish.attempt_id).await?;
        let channel = self.channel(attempt.channel)?;
        // Whose request was the first is known only where they come one after the other.
        let _turn = self.turns.take_refund(wish.refund_id).await;
        let (refund, sent) = self.open_refund(wish, &attempt).await?;
        Ok(match channel.refund(&refund, &attempt).await {
            Outcome::Declined(reason) => self.refused(&refund, &attempt, sent, reason).await?,
            seen => self.settle_refund(&refund, &attempt, seen.map(Some)).await,
        })
    }

    async fn open_refund(&self, wish: &CreateRefund, attempt: &Attempt) -> Step<(Refund, Sent)> {
        let able = self.channel(attempt.channel)?.capabilities();
        if !wish.amount.is_positive() || wish.amount.currency() != attempt.amount.currency() {
            return declined(ReasonCode::InvalidRequest, "the amount cannot be given back");
        }
        if wish.reason.trim().is_empty() || wish.reason.chars().any(char::is_control) {
            return declined(ReasonCode::InvalidRequest, "the reason is empty or not plain text");
        }
        let refund = Refund {
            refund_id: wish.refund_id,
            attempt_id: wish.attempt_id,
            amount: wish.amount,
            reason: cut(&wish.reason, able.refund_reason_bytes_max).to_owned(),
            notify_url: format!("{}/notify/{}", self.notify_base, attempt.channel.word()),
            fingerprint: fingerprint(&[&wish.attempt_id.bare(), &wish.amount.to_string(), &wish.reason]),
            created_at_us: self.clock.now(),
            state: Standing::At(RefundState::Pending),
            provider_ref: None,
        };
        self.reserve(refund, attempt).await
    }

    /// Writes the refund unless that would give back more than was taken. All in one transaction: two refunds at once
    /// cannot both fit into the rest.
    async fn reserve(&self, refund: Refund, attempt: &Attempt) -> Step<(Refund, Sent)> {
        let mut tx = self.store.begin().await?;
        let known = refunds::of(&mut tx, attempt.attempt_id).await?;
        let earlier = refunds::get(&mut tx, refund.refund_id).await?;
        if earlier.as_ref().is_some_and(|earlier| earlier.fingerprint != refund.fingerprint) {
            return declined(ReasonCode::InvalidRequest, "this refund was asked for with other fields");
        }
        let others = known.iter().filter(|other| other.refund_id != refund.refund_id && other.state.counts());
        let taken = Money::sum(refund.amount.currency(), others.map(|other| other.amount))
            .and_then(|sum| sum.plus(refund.amount));
        if !taken.is_ok_and(|taken| taken.minor() <= attempt.taken.unwrap_or(attempt.amount).minor()) {
            return declined(ReasonCode::InvalidRequest, "more than was paid would be given back");
        }
        let kept = match earlier {
            None => {
                refunds::insert(&mut tx, &refund).await?;
                (refund, Sent::Never)
            }
            Some(earlier) => {
                let sent = if earlier.state == Standing::Refused { Sent::Never } else { Sent::Before };
                let asked = Standing::At(RefundState::Pending);
                let kept = refunds::observe(&mut tx, refund.refund_id, asked, self.clock.now()).await?;
                (kept.unwrap_or(earlier), sent)
            }
        };
        self.store.commit(tx).await?;
        Ok(kept)
    }

    /// The payment, known to be paid; asks the channel when our record does not say so yet.
    async fn paid_attempt(&self, id: AttemptId) -> Step<Attempt> {
        let Some(attempt) = attempts::find(self.store.reader(), id).await? else {
            return declined(ReasonCode::NotFound, "we never asked for this payment");
        };
        if attempt.state == PaymentState::Captured {
            return Ok(attempt);
        }
        match self.status(id).await {
            Outcome::Done(status) if status.state == PaymentState::Captured => {
                let fresh = attempts::find(self.store.reader(), id).await?;
                fresh.map_or_else(|| declined(ReasonCode::NotFound, "we never asked for this payment"), Ok)
            }
            Outcome::Done(_) => declined(ReasonCode::NotAllowed, "the payment is not paid"),
            // The refund itself was not sent, whatever became of the question.
            Outcome::NotSent(reason) | Outcome::Unknown(reason) | Outcome::Declined(reason) => {
                Err(Outcome::NotSent(reason))
            }
        }
    }

    /// The channel refused the request. What was sent before may be there all the same: then only the channel's own word that
    /// there is no such refund ends it.
    async fn refused(
        &self,
        refund: &Refund,
        attempt: &Attempt,
        sent: Sent,
        reason: Reason,
    ) -> Step<Outcome<RefundStatus>> {
        if sent == Sent::Before && !off(Defence::RefundReserved) {
            match self.channel(attempt.channel)?.after_refusal(refund, attempt, &reason).await {
                Outcome::Done(None) if !refund.state.is_there() => {}
                Outcome::Done(seen) => return Ok(self.settle_refund(refund, attempt, Outcome::Done(seen)).await),
                Outcome::NotSent(_) | Outcome::Declined(_) | Outcome::Unknown(_) => {
                    return Ok(Outcome::Unknown(reason));
                }
            }
        }
        self.withdraw(refund, &reason).await;
        Ok(Outcome::Declined(reason))
    }

    /// Nothing is at the channel: the amount is free again, except when the same number shall be tried later.
    async fn withdraw(&self, refund: &Refund, reason: &Reason) {
        if reason.code == ReasonCode::InsufficientBalance {
            return;
        }
        if let Err(error) = self.write_seen_refund(refund.refund_id, Standing::Refused, None).await {
            tracing::error!(%error, "a refused refund stays reserved until it is asked for again");
        }
    }

    /// Tool `getRefundStatus`.
    pub(crate) async fn refund_status(&self, id: RefundId) -> Outcome<RefundStatus> {
        // Some channels are asked by the request once more.
        let _turn = self.turns.take_refund(id).await;
        let found = async {
            let Some(refund) = refunds::find(self.store.reader(), id).await? else { return Ok(None) };
            let attempt = attempts::find(self.store.reader(), refund.attempt_id).await?;
            Ok::<_, StoreError>(attempt.map(|attempt| (refund, attempt)))
        };
        match found.await {
            Ok(Some((refund, attempt))) => {
                let seen = match self.channel(attempt.channel) {
                    Ok(channel) => channel.query_refund(&refund, &attempt).await,
                    Err(ending) => return finish(Err(ending)),
                };
                self.settle_refund(&refund, &attempt, seen).await
            }
            Ok(None) => finish(declined(ReasonCode::NotFound, "we never asked for this refund")),
            Err(error) => finish(Err(error.into())),
        }
    }

    async fn settle_refund(
        &self,
        refund: &Refund,
        attempt: &Attempt,
        seen: Outcome<Option<RefundSeen>>,
    ) -> Outcome<RefundStatus> {
        let seen = match seen {
            Outcome::Done(Some(seen)) => seen,
            Outcome::Done(None) if refund.state.is_there() => {
                return disagreement("the channel forgot a refund it had", &refund.refund_id.bare());
            }
            Outcome::Done(None) => {
                return Outcome::Done(RefundStatus { state: RefundState::NotFound, ..refund.status() });
            }
            other => return other.map(|_| refund.status()),
        };
        if let Err(problem) = refund_agrees(refund, attempt, &seen) {
            return disagreement(problem, &refund.refund_id.bare());
        }
        let standing = match (refund.state, seen.state) {
            // The channel's own answer to our question, and never a notification that may be old.
            (Standing::At(RefundState::Succeeded | RefundState::CameBack), RefundState::Failed) => {
                tracing::error!(refund = refund.refund_id.bare(), "a refund that had arrived came back");
                Standing::At(RefundState::CameBack)
            }
            (_, state) => Standing::At(state),
        };
        match self.write_seen_refund(refund.refund_id, standing, seen.provider_ref.as_deref()).await {
            Ok(counted) => Outcome::Done(counted.status()),
            Err(error) if attempt.channel == Channel::Credit => {
                // The row of the refund is what gives it back.
                tracing::error!(%error, "what our row alone tells could not be written");
                Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the gateway could not write its own record"))
            }
            Err(error) => {
                tracing::error!(%error, "what the channel said could not be written; it will be asked again");
                Outcome::Done(Refund { state: standing, ..refund.clone() }.status())
            }
        }
    }

    async fn write_seen_refund(
        &self,
        id: RefundId,
        standing: Standing,
        provider_ref: Option<&str>,
    ) -> Result<Refund, StoreError> {
        let mut tx = self.store.begin().await?;
        if let Some(provider_ref) = provider_ref {
            refunds::name(&mut tx, id, provider_ref).await?;
        }
        let counted = refunds::observe(&mut tx, id, standing, self.clock.now()).await?;
        self.store.commit(tx).await?;
        counted.ok_or_else(|| StoreError::Damaged("a refund vanished".to_owned()))
    }
}
