//! How the channels do: one that fails too often gets no new payment for a while, and is tried again now and then.
//!
//! A payment counts once: as a success when it was paid or set aside, and otherwise as a failure if the channel was ever silent
//! about it or would not open it because of us. What we refused ourselves, what a payer gave up or a payer's bank refused, and
//! what was wrong with one payment say nothing about a channel; neither does a page that was made here without asking it. A
//! payment that exists can always be opened again. Deliberately not here: choosing another channel, which is the router's.

use super::desk::{Desk, Step, declined};
use crate::store::{
    StoreError, Tx,
    attempts::{self, Attempt},
};
use zhiyou_domain::{
    port::{
        Outcome, Reason, ReasonCode,
        payments::{Channel, Health},
    },
    time::UtcMicros,
};

/// Payments of so many minutes tell how a channel does.
const WINDOW_MIN: i64 = 24 * 60;
/// How long a channel is left alone before one payment may try whether it is well again, minutes.
const TRY_AFTER_MIN: i64 = 10;

/// Which call told something about the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A payment was to be opened, from that moment on.
    Create { asked_at_us: UtcMicros },
    /// A payment was asked about.
    Query,
}

impl Desk {
    /// How a channel did lately.
    pub(super) async fn health(&self, channel: Channel) -> Result<Health, StoreError> {
        let now = self.clock.now();
        let (succeeded, failed) = attempts::endings(self.store.reader(), channel, since(now)).await?;
        let newest = attempts::newest(self.store.reader(), channel).await?;
        Ok(Health { succeeded, failed, may_try: may_try(newest, now) })
    }

    /// Whether a new payment may be opened at a channel. In the transaction that writes it: two at once cannot both be the one
    /// that tries.
    pub(super) async fn within_health(&self, tx: &mut Tx, channel: Channel, now: UtcMicros) -> Step<()> {
        // There is nobody behind a credit who could fail.
        if channel == Channel::Credit {
            return Ok(());
        }
        let (succeeded, failed) = attempts::endings(&mut **tx, channel, since(now)).await?;
        let newest = attempts::newest(&mut **tx, channel).await?;
        let health = Health { succeeded, failed, may_try: may_try(newest, now) };
        if health.is_failing(&self.weights.unwrap_or_default()) {
            return declined(ReasonCode::ChannelFailing, "too many payments failed there lately; nothing was sent");
        }
        Ok(())
    }

    /// Keeps what a call told about its channel. A record that cannot be written costs a sample and nothing else.
    pub(super) async fn learn<T>(&self, attempt: &Attempt, call: Call, ending: &Outcome<T>) {
        // There is nobody behind a credit who could fail.
        if attempt.channel == Channel::Credit {
            return;
        }
        let opening = call != Call::Query;
        let learned = match ending {
            Outcome::Done(_) => self.answered(attempt, call).await,
            Outcome::Unknown(reason) | Outcome::NotSent(reason) if is_silence(reason) => {
                // One that had been opened is told apart by its name; opening it again may be what is refused.
                let opened = opening && attempt.provider_ref.is_some();
                if opened { Ok(()) } else { self.failed(attempt).await }
            }
            // Without the token that goes with every request nothing was sent.
            Outcome::NotSent(reason) if opening && reason.code == ReasonCode::Unauthorized => {
                self.failed(attempt).await
            }
            Outcome::Declined(reason) if opening && is_refusal(reason) => self.failed(attempt).await,
            Outcome::Unknown(_) | Outcome::NotSent(_) | Outcome::Declined(_) => Ok(()),
        };
        if let Err(error) = learned {
            tracing::error!(%error, "how a channel does could not be written");
        }
    }

    /// A channel that was left alone and answers again is well: how it failed before no longer counts. What proves it is the
    /// answer to the opening of a payment; where payments are opened without a call, the answer to a question about one that
    /// was opened after all that.
    async fn answered(&self, attempt: &Attempt, call: Call) -> Result<(), StoreError> {
        let asks = self.channels.of(attempt.channel).is_some_and(|channel| channel.capabilities().opens_by_call);
        let until = match call {
            Call::Create { asked_at_us } if asks && attempt.provider_ref.is_none() => asked_at_us,
            Call::Query if !asks => UtcMicros(attempt.created_at_us.0.saturating_sub(1)),
            Call::Create { .. } | Call::Query => return Ok(()),
        };
        if !self.health(attempt.channel).await?.is_poor(&self.weights.unwrap_or_default()) {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        attempts::forget_failures(&mut tx, attempt.channel, until).await?;
        self.store.commit(tx).await
    }

    async fn failed(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        attempts::fail(&mut tx, attempt.attempt_id, self.clock.now()).await?;
        self.store.commit(tx).await
    }
}

const fn since(now: UtcMicros) -> UtcMicros {
    now.plus_minutes(-WINDOW_MIN)
}

fn may_try(newest: Option<UtcMicros>, now: UtcMicros) -> bool {
    newest.is_none_or(|newest| newest.plus_minutes(TRY_AFTER_MIN) <= now)
}

/// Whether it was the channel that did not answer as it should.
const fn is_silence(reason: &Reason) -> bool {
    matches!(
        reason.code,
        ReasonCode::Network | ReasonCode::ProviderFault | ReasonCode::IntegrityFault | ReasonCode::RateLimited
    )
}

/// Whether the channel refuses us rather than this one payment or its payer.
const fn is_refusal(reason: &Reason) -> bool {
    !matches!(
        reason.code,
        ReasonCode::AlreadyPaid
            | ReasonCode::AlreadyClosed
            | ReasonCode::OverLimit
            | ReasonCode::InvalidRequest
            | ReasonCode::PaymentDeclined
    )
}
