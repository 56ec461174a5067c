//! What was begun and has no known ending: only that is sent again by a question, and a definite no is the end of a request.
//!
//! It is kept before a request is sent. Deliberately not here: the requests, and what their answers mean.

use super::Paypal;
use crate::{
    pay::RefundSeen,
    store::{
        Store, StoreError,
        attempts::Attempt,
        begun::{self, Take},
        refunds::Refund,
    },
};
use zhiyou_domain::{
    id::RefundId,
    port::{Outcome, Reason, ReasonCode},
};

/// Whether a no is about us, and not about what was asked for.
pub(super) fn is_about_us(reason: &Reason) -> bool {
    reason.code == ReasonCode::Unauthorized
}

impl Paypal {
    /// The gateway's own record; an adapter that was opened without one begins nothing.
    fn record(&self) -> Result<&Store, Reason> {
        let none = || Reason::new(ReasonCode::ProviderFault, "opened without a record");
        self.record.as_ref().ok_or_else(none)
    }

    pub(super) async fn taking(&self, attempt: &Attempt) -> Result<Option<Take>, Reason> {
        begun::taking(self.record()?.reader(), attempt.attempt_id).await.map_err(|error| unwritten(&error))
    }

    pub(super) async fn keep_take(
        &self,
        attempt: &Attempt,
        number: i64,
        refused_as: Option<String>,
    ) -> Result<(), Reason> {
        let take = Take { number, refused_as, at: self.clock.now() };
        let record = self.record()?;
        let written = async {
            let mut tx = record.begin().await?;
            begun::keep_take(&mut tx, attempt.attempt_id, &take).await?;
            record.commit(tx).await
        };
        written.await.map_err(|error| unwritten(&error))
    }

    pub(super) async fn is_open(&self, id: RefundId) -> Result<bool, Reason> {
        begun::is_open(self.record()?.reader(), id).await.map_err(|error| unwritten(&error))
    }

    pub(super) async fn keep_open(&self, id: RefundId, open: bool) -> Result<(), Reason> {
        let record = self.record()?;
        let written = async {
            let mut tx = record.begin().await?;
            begun::keep_open(&mut tx, id, open).await?;
            record.commit(tx).await
        };
        written.await.map_err(|error| unwritten(&error))
    }

    /// Keeps that a request has ended, where its answer says so: `before` is whether one before it had no known ending.
    pub(super) async fn ended(&self, refund: &Refund, before: bool, answer: &Outcome<RefundSeen>) {
        let over = match answer {
            Outcome::Declined(reason) if before && is_about_us(reason) => false,
            Outcome::Declined(_) => !self.has_forgotten(refund),
            Outcome::NotSent(_) => !before,
            Outcome::Done(_) | Outcome::Unknown(_) => false,
        };
        if over && let Err(reason) = self.keep_open(refund.refund_id, false).await {
            tracing::error!(detail = %reason.detail, "a refused refund is asked for again by the next question");
        }
    }
}

fn unwritten(error: &StoreError) -> Reason {
    tracing::error!(%error, "the gateway's own record failed");
    Reason::new(ReasonCode::ProviderFault, "own record not written")
}
