//! Our own rules around every channel: the row comes before the request, one id means one payment, amounts are compared,
//! and never more is given back than was taken (`desk/refunds.rs`).
//!
//! The desk sends each effect once per call and never retries. Deliberately not here: wire formats, and notifications, which
//! are the inbox's.

mod refunds;

use super::{
    Channels, PaymentChannel, PaymentSeen, RefundSeen, credit::guesses::Guesses, cut, health::Call, turns::Turns,
};
use crate::{
    Clock,
    config::{CapConfig, CreditConfig, InstalmentConfig, SettlementConfig},
    defence::{Defence, off},
    store::{
        Store, StoreError, Tx,
        attempts::{self, Attempt},
        refunds::Refund,
        updates,
    },
};
use aws_lc_rs::digest;
use std::sync::Arc;
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode,
        payments::{
            Abilities, Ability, Bounds, CapturePayment, Channel, CreatePaymentIntent, Instalments, PaymentIntent,
            PaymentState, PaymentStatus, Updates,
        },
    },
    routing::Weights,
    time::UtcMicros,
};

/// Everything a payment tool needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where channels send their notifications, without a trailing slash.
    pub(crate) notify_base: String,
    /// One call at a time about one payment: a question that takes what was approved never races its closing.
    pub(crate) turns: Turns,
    /// What we allow ourselves to charge.
    pub(crate) caps: Arc<[CapConfig]>,
    pub(crate) settlements: Arc<[SettlementConfig]>,
    /// Which channels offer instalments.
    pub(crate) instalments: Arc<[InstalmentConfig]>,
    /// The codes travellers can use.
    pub(crate) credits: Arc<[CreditConfig]>,
    /// Codes that do not exist and were tried all the same.
    pub(crate) guesses: Guesses,
    /// How a recommendation is weighed.
    pub(crate) weights: Option<Weights>,
}

/// Stops early with an ending that is not `Done`.
pub(super) type Step<T> = Result<T, Outcome<std::convert::Infallible>>;

pub(super) fn finish<T>(step: Step<Outcome<T>>) -> Outcome<T> {
    step.unwrap_or_else(|ending| ending.map(|never| match never {}))
}

pub(super) fn declined<T>(code: ReasonCode, text: &'static str) -> Step<T> {
    Err(Outcome::Declined(Reason::new(code, text)))
}

impl From<StoreError> for Outcome<std::convert::Infallible> {
    /// Only met before anything is sent.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the gateway's own record failed");
        Self::NotSent(Reason::new(ReasonCode::ProviderFault, "the gateway could not write its own record"))
    }
}

/// What our record and the channel say must agree.
pub(crate) fn payment_agrees(attempt: &Attempt, seen: &PaymentSeen) -> Result<(), &'static str> {
    match (seen.total, seen.state) {
        (Some(total), _) if total.currency() != attempt.amount.currency() && !off(Defence::Currency) => {
            Err("another currency than was asked for")
        }
        (Some(total), _) if total.minor() != attempt.amount.minor() && !off(Defence::Amount) => {
            Err("another amount than was asked for")
        }
        (Some(_), _) if seen.taken.is_some_and(|taken| taken.exceeds(attempt.amount) != Ok(false)) => {
            Err("more was taken than was asked for")
        }
        (Some(_), PaymentState::Authorised) if !attempt.authorise => Err("authorised instead of paid"),
        (Some(_), _) if !attempt.authorise && seen.taken.is_some_and(|taken| taken != attempt.amount) => {
            Err("less was taken than was asked for")
        }
        (None, PaymentState::Authorised) => Err("authorised without an amount"),
        (None, PaymentState::Captured) => Err("paid without an amount"),
        (Some(_) | None, _) => Ok(()),
    }
}

/// What our record and the channel say must agree.
pub(crate) fn refund_agrees(refund: &Refund, attempt: &Attempt, seen: &RefundSeen) -> Result<(), &'static str> {
    if seen.payment_number != refund.attempt_id.bare() {
        return Err("a refund of another payment");
    }
    if (seen.amount == refund.amount && seen.total == attempt.amount) || off(Defence::RefundCompared) {
        Ok(())
    } else {
        Err("another amount than was asked for")
    }
}

fn disagreement<T>(problem: &'static str, number: &str) -> Outcome<T> {
    tracing::error!(problem, number, "the channel and our record disagree");
    Outcome::Unknown(Reason::new(ReasonCode::IntegrityFault, problem))
}

/// A digest of a request's fields, each with its length.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

impl Desk {
    /// Tool `openPayment`.
    pub(crate) async fn create(&self, wish: CreatePaymentIntent) -> Outcome<PaymentIntent> {
        let _turn = self.turns.take(wish.attempt_id).await;
        let attempt = match self.open_attempt(&wish).await {
            Ok(attempt) => attempt,
            Err(ending) => return finish(Err(ending)),
        };
        let channel = match self.channel(attempt.channel) {
            Ok(channel) => channel,
            Err(ending) => return finish(Err(ending)),
        };
        let asked_at_us = self.clock.now();
        let opened = channel.create(&attempt).await;
        self.learn(&attempt, Call::Create { asked_at_us }, &opened).await;
        let opened = match opened {
            Outcome::Done(opened) => opened,
            Outcome::NotSent(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return Outcome::Declined(reason),
            Outcome::Unknown(reason) => return Outcome::Unknown(reason),
        };
        if let Some(provider_ref) = &opened.provider_ref
            && let Err(error) = self.keep_name(attempt.attempt_id, provider_ref).await
        {
            // Opening again gives the same payment and its name.
            tracing::error!(%error, "the channel's id of a payment could not be written");
            return Outcome::Unknown(Reason::new(
                ReasonCode::ProviderFault,
                "the gateway could not write its own record",
            ));
        }
        let (attempt_id, expires_at_us) = (attempt.attempt_id, attempt.expires_at_us);
        Outcome::Done(PaymentIntent { attempt_id, action: opened.action, expires_at_us })
    }

    /// The adapter of a channel that is configured.
    fn channel(&self, channel: Channel) -> Step<&dyn PaymentChannel> {
        match self.channels.of(channel) {
            Some(adapter) => Ok(adapter),
            None => declined(ReasonCode::NotAllowed, "the channel is not configured"),
        }
    }

    async fn keep_name(&self, id: AttemptId, provider_ref: &str) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        attempts::name(&mut tx, id, provider_ref).await?;
        self.store.commit(tx).await
    }

    /// Tool `listChannels`.
    pub(crate) async fn abilities(&self) -> Result<Abilities, StoreError> {
        let mut channels = Vec::new();
        for (channel, adapter) in self.channels.all().filter(|(channel, _)| *channel != Channel::Credit) {
            let able = adapter.capabilities();
            let pays_out = self.settlements.iter().find(|found| found.channel == channel);
            channels.push(Ability {
                channel,
                currencies: able.currencies.to_vec(),
                presents: able.presents,
                authorises: able.authorises,
                fee_bp: able.fee_bp,
                settles: pays_out.map(|found| found.currency),
                exchange_bp: pays_out.map_or(0, |found| found.exchange_bp),
                refund_min: able.refund_min,
                instalments: self.instalments_of(channel),
                health: self.health(channel).await?,
                bounds: self.bounds(channel, able.currencies, able.bounds).await?,
            });
        }
        Ok(Abilities { channels, credits: !self.credits.is_empty(), weights: self.weights })
    }

    /// How much one payment can be now: what the channel takes, what a cap allows, and what is left of a day.
    async fn bounds(
        &self,
        channel: Channel,
        currencies: &[Currency],
        known: &[Bounds],
    ) -> Result<Vec<Bounds>, StoreError> {
        let capped = self.caps.iter().any(|cap| cap.channel == channel);
        let mut bounds = known.to_vec();
        for currency in currencies.iter().copied().filter(|_| capped) {
            let of_currency = |cap: &&CapConfig| cap.channel == channel && cap.per_payment.currency() == currency;
            let (from, until) = beijing_day(self.clock.now());
            let today = attempts::asked_for(self.store.reader(), channel, currency, from, until).await?;
            let caps = self.caps.iter().filter(of_currency);
            let most = caps.map(|cap| cap.per_payment.minor().min(cap.per_day.minor().saturating_sub(today))).min();
            // A channel with a cap charges only in currencies that have one.
            bounds.push(Bounds { currency, least: None, most: Some(most.unwrap_or(0)) });
        }
        Ok(bounds)
    }

    fn instalments_of(&self, channel: Channel) -> Option<Instalments> {
        let offer = self.instalments.iter().find(|offer| offer.channel == channel)?;
        Some(Instalments { currency: offer.currency, counts: offer.counts.clone() })
    }

    async fn open_attempt(&self, wish: &CreatePaymentIntent) -> Step<Attempt> {
        let able = self.channel(wish.channel)?.capabilities();
        let now = self.clock.now();
        if !wish.amount.is_positive() || !able.currencies.contains(&wish.amount.currency()) {
            return declined(ReasonCode::InvalidRequest, "the channel cannot charge this amount");
        }
        if wish.authorise && !able.authorises {
            return declined(ReasonCode::InvalidRequest, "the channel takes money at once");
        }
        if wish.credit.is_some() != (wish.channel == Channel::Credit) || wish.credit.is_some() && !wish.authorise {
            return declined(ReasonCode::InvalidRequest, "a credit is named, and set aside at first");
        }
        let offered = self.instalments_of(wish.channel);
        let offers = |count| offered.as_ref().is_some_and(|offered| offered.offers(count, wish.amount));
        if wish.instalments.is_some_and(|count| !offers(count)) {
            return declined(ReasonCode::InvalidRequest, "the channel does not offer these instalments");
        }
        if wish.description.trim().is_empty() || wish.description.chars().any(char::is_control) {
            return declined(ReasonCode::InvalidRequest, "the description is empty or not plain text");
        }
        let channel = wish.channel.word();
        let credit = wish.credit.as_ref().map(|credit| credit.credit_id.clone());
        let (total, ends) = (wish.amount.to_string(), wish.expires_at_us.0.to_string());
        let taken = if wish.authorise { "authorise" } else { "charge" };
        let mut asked = vec![channel, &total, &wish.description, &ends, taken];
        // What came later stands there only where it is there: payments that were opened before are still the same.
        let instalments = wish.instalments.map(|count| format!("in {count}"));
        asked.extend(instalments.iter().chain(&credit).map(String::as_str));
        let attempt = Attempt {
            attempt_id: wish.attempt_id,
            channel: wish.channel,
            amount: wish.amount,
            description: cut(&wish.description, able.description_bytes_max).to_owned(),
            expires_at_us: wish.expires_at_us,
            notify_url: format!("{}/notify/{channel}", self.notify_base),
            fingerprint: fingerprint(&asked),
            created_at_us: now,
            state: PaymentState::RequiresAction,
            transaction_id: None,
            paid_at_us: None,
            provider_ref: credit,
            authorise: wish.authorise,
            instalments: wish.instalments,
            taken: None,
        };
        let mut tx = self.store.begin().await?;
        if attempts::get(&mut tx, attempt.attempt_id).await?.is_none() {
            if wish.expires_at_us <= now {
                return declined(ReasonCode::InvalidRequest, "the last moment to pay is over");
            }
            self.within_caps(&mut tx, wish.channel, wish.amount, now).await?;
            self.within_health(&mut tx, wish.channel, now).await?;
            if let Some(credit) = &wish.credit {
                self.within_credit(&mut tx, credit, wish.amount).await?;
            }
        }
        let kept = attempts::insert(&mut tx, &attempt).await?;
        self.store.commit(tx).await?;
        may_be_opened(&attempt, kept)
    }

    /// Whether a new payment fits under every cap. In the transaction that writes it: two at once cannot both fit into the
    /// rest of a day.
    async fn within_caps(&self, tx: &mut Tx, channel: Channel, amount: Money, now: UtcMicros) -> Step<()> {
        let caps = || self.caps.iter().filter(|cap| cap.channel == channel);
        if caps().next().is_some() && !caps().any(|cap| cap.per_payment.currency() == amount.currency()) {
            return declined(ReasonCode::OverLimit, "the channel has no cap in this currency");
        }
        for cap in caps().filter(|cap| cap.per_payment.currency() == amount.currency()) {
            if amount.exceeds(cap.per_payment) != Ok(false) {
                return declined(ReasonCode::OverLimit, "more than is allowed for one payment");
            }
            let (from, until) = beijing_day(now);
            let today = attempts::asked_for(&mut **tx, channel, amount.currency(), from, until).await?;
            let with = today.checked_add(amount.minor());
            if with.is_none_or(|with| with > cap.per_day.minor()) {
                return declined(ReasonCode::OverLimit, "more than is allowed for one day");
            }
        }
        Ok(())
    }

    /// Tool `settlePayment`.
    pub(crate) async fn status(&self, id: AttemptId) -> Outcome<PaymentStatus> {
        let _turn = self.turns.take(id).await;
        match attempts::find(self.store.reader(), id).await {
            Ok(Some(attempt)) => {
                let seen = match self.channel(attempt.channel) {
                    Ok(channel) => channel.query(&attempt).await,
                    Err(ending) => return finish(Err(ending)),
                };
                self.learn(&attempt, Call::Query, &seen).await;
                self.settle(&attempt, seen).await
            }
            Ok(None) => self.status_without_record(id).await,
            Err(error) => finish(Err(error.into())),
        }
    }

    /// Tool `lookAtPayment`.
    pub(crate) async fn look_at(&self, id: AttemptId) -> Outcome<PaymentStatus> {
        match attempts::find(self.store.reader(), id).await {
            Ok(Some(attempt)) => self.look(&attempt).await,
            Ok(None) => self.status_without_record(id).await,
            Err(error) => finish(Err(error.into())),
        }
    }

    /// Where a payment stands, asked without any effect.
    pub(crate) async fn look(&self, attempt: &Attempt) -> Outcome<PaymentStatus> {
        let seen = match self.channel(attempt.channel) {
            Ok(channel) => channel.peek(attempt).await,
            Err(ending) => return finish(Err(ending)),
        };
        self.settle(attempt, seen).await
    }

    /// Without a record nothing can be compared: a payment that a channel knows all the same is a matter for a person.
    async fn status_without_record(&self, id: AttemptId) -> Outcome<PaymentStatus> {
        for (_, channel) in self.channels.all() {
            match channel.knows(id).await {
                Outcome::Done(false) => {}
                Outcome::Done(true) => {
                    return disagreement("the channel knows a payment we have no record of", &id.bare());
                }
                other => return other.map(|_| not_found(id)),
            }
        }
        Outcome::Done(not_found(id))
    }

    /// Tool `closePayment`.
    pub(crate) async fn close(&self, id: AttemptId) -> Outcome<PaymentStatus> {
        let _turn = self.turns.take(id).await;
        match attempts::find(self.store.reader(), id).await {
            Ok(Some(attempt)) => {
                let seen = match self.channel(attempt.channel) {
                    Ok(channel) => channel.close(&attempt).await,
                    Err(ending) => return finish(Err(ending)),
                };
                self.settle(&attempt, seen).await
            }
            Ok(None) => finish(declined(ReasonCode::NotFound, "we never asked for this payment")),
            Err(error) => finish(Err(error.into())),
        }
    }

    /// Tool `capturePayment`.
    pub(crate) async fn capture(&self, wish: CapturePayment) -> Outcome<PaymentStatus> {
        let _turn = self.turns.take(wish.attempt_id).await;
        let attempt = match self.authorised(wish.attempt_id).await {
            Ok(attempt) => attempt,
            Err(ending) => return finish(Err(ending)),
        };
        if !wish.amount.is_positive() || wish.amount.exceeds(attempt.amount) != Ok(false) {
            return finish(declined(ReasonCode::InvalidRequest, "not an amount that was authorised"));
        }
        if attempt.state == PaymentState::Captured {
            let same = attempt.taken.unwrap_or(attempt.amount) == wish.amount;
            let other = || finish(declined(ReasonCode::AlreadyPaid, "another amount was taken"));
            return if same { Outcome::Done(attempt.status()) } else { other() };
        }
        let seen = match self.channel(attempt.channel) {
            Ok(channel) => channel.capture(&attempt, wish.amount).await,
            Err(ending) => return finish(Err(ending)),
        };
        self.settle(&attempt, seen).await
    }

    /// Tool `voidPayment`.
    pub(crate) async fn void(&self, id: AttemptId) -> Outcome<PaymentStatus> {
        let _turn = self.turns.take(id).await;
        let attempt = match self.authorised(id).await {
            Ok(attempt) => attempt,
            Err(ending) => return finish(Err(ending)),
        };
        let seen = match self.channel(attempt.channel) {
            Ok(channel) => channel.void(&attempt).await,
            Err(ending) => return finish(Err(ending)),
        };
        self.settle(&attempt, seen).await
    }

    /// A payment that was opened to be authorised first.
    async fn authorised(&self, id: AttemptId) -> Step<Attempt> {
        match attempts::find(self.store.reader(), id).await? {
            Some(attempt) if attempt.authorise => Ok(attempt),
            Some(_) => declined(ReasonCode::NotAllowed, "this payment takes money at once"),
            None => declined(ReasonCode::NotFound, "we never asked for this payment"),
        }
    }

    /// Compares what was seen with the record, writes it if it is news, and answers what counts.
    async fn settle(&self, attempt: &Attempt, seen: Outcome<PaymentSeen>) -> Outcome<PaymentStatus> {
        let seen = match seen {
            Outcome::Done(seen) => seen,
            other => return other.map(|_| not_found(attempt.attempt_id)),
        };
        if let Err(problem) = payment_agrees(attempt, &seen) {
            return disagreement(problem, &attempt.attempt_id.bare());
        }
        let counted = match self.write_seen(attempt, &seen).await {
            Ok(counted) => counted,
            Err(error) if seen.state == PaymentState::Closed || attempt.channel == Channel::Credit => {
                // Where a channel cannot close, our row is all that keeps the payment closed; of a credit there is nothing else.
                tracing::error!(%error, "what our row alone tells could not be written");
                return Outcome::Unknown(Reason::new(
                    ReasonCode::ProviderFault,
                    "the gateway could not write its own record",
                ));
            }
            Err(error) => {
                tracing::error!(%error, "what the channel said could not be written; it will be asked again");
                attempt.seeing(&seen)
            }
        };
        let unknown_there = seen.state == PaymentState::NotFound && counted.state == PaymentState::RequiresAction;
        Outcome::Done(if unknown_there { not_found(attempt.attempt_id) } else { counted.status() })
    }

    async fn write_seen(&self, attempt: &Attempt, seen: &PaymentSeen) -> Result<Attempt, StoreError> {
        let mut tx = self.store.begin().await?;
        let vanished = || StoreError::Damaged("an attempt vanished".to_owned());
        let row = attempts::get(&mut tx, attempt.attempt_id).await?.ok_or_else(vanished)?;
        let seen = self.channels.of(row.channel).map_or_else(|| seen.clone(), |channel| channel.judged(&row, seen));
        let counted = attempts::see(&mut tx, row, &seen, self.clock.now()).await?;
        self.store.commit(tx).await?;
        Ok(counted)
    }

    /// Tool `listUpdates`.
    pub(crate) async fn updates(&self, after: i64) -> Result<Updates, StoreError> {
        Ok(Updates { updates: updates::after(self.store.reader(), after).await? })
    }
}

/// First instant of the Beijing day of `now`, and of the next one. China keeps UTC+8 all year.
const fn beijing_day(now: UtcMicros) -> (UtcMicros, UtcMicros) {
    const DAY_MIN: i64 = 24 * 60;
    let shifted = now.plus_minutes(8 * 60).0;
    let from = UtcMicros(shifted.saturating_sub(shifted.rem_euclid(DAY_MIN * 60_000_000))).plus_minutes(-8 * 60);
    (from, from.plus_minutes(DAY_MIN))
}

const fn not_found(attempt_id: AttemptId) -> PaymentStatus {
    PaymentStatus { attempt_id, state: PaymentState::NotFound, transaction_id: None, captured: None, paid_at_us: None }
}

/// Whether the kept row is the one asked for and still waits for the payer.
fn may_be_opened(asked: &Attempt, kept: Attempt) -> Step<Attempt> {
    if kept.fingerprint != asked.fingerprint && !off(Defence::SameFields) {
        return declined(ReasonCode::InvalidRequest, "this payment was opened with other fields");
    }
    match kept.state {
        // A credit is set aside by being asked for: asked for again it is what it was.
        PaymentState::Authorised if kept.channel == Channel::Credit => Ok(kept),
        PaymentState::Captured | PaymentState::Authorised => declined(ReasonCode::AlreadyPaid, "this payment is paid"),
        PaymentState::Closed => declined(ReasonCode::AlreadyClosed, "this payment is closed"),
        PaymentState::NotFound | PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed => {
            Ok(kept)
        }
    }
}

#[cfg(test)]
mod tests;
