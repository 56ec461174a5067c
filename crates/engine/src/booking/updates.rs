//! Follows what the merchant side heard from providers.
//!
//! What it says of an order that cannot be read is kept, and applied at the start of a program that can. Deliberately not
//! here: receiving notifications (the gateway's), and asking about what they only hint at.

use super::{questions::Questions, steps::Steps};
use crate::store::{
    kept_updates, orders,
    questions::{self, About, Question},
    settings,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    order::{Fact, Source},
    port::{
        Outcome,
        payments::{PaymentState, UpdateContent},
    },
};

/// How long the store or the merchant side is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(2);

/// Follows the merchant side.
pub(super) struct Follower {
    pub(super) steps: Arc<dyn Steps>,
    pub(super) questions: Arc<Questions>,
    pub(super) stop: CancellationToken,
}

impl Follower {
    /// Applies what notifications brought, from the stored cursor on: at the start and whenever `wake` says so.
    pub(super) async fn run(self, mut wake: watch::Receiver<i64>) {
        let mut kept_before = true;
        loop {
            let applied = async {
                if kept_before {
                    self.apply_kept().await?;
                    kept_before = false;
                }
                self.apply_all().await
            }
            .await;
            if let Err(fault) = &applied {
                tracing::error!(%fault, "updates could not be applied");
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = wake.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(PAUSE), if applied.is_err() => {}
            }
        }
    }

    /// Applies what earlier programs kept of orders that can be read now.
    async fn apply_kept(&self) -> Result<(), Fault> {
        let db = self.questions.book.db();
        for (number, content) in kept_updates::all(db.reader()).await? {
            let question = match self.apply(content).await {
                Ok(question) => question,
                Err(fault) if fault.code.is_frozen() => continue,
                Err(fault) => return Err(fault),
            };
            let mut tx = db.begin().await?;
            if let Some(question) = &question {
                questions::put(&mut tx, question).await?;
            }
            kept_updates::remove(&mut tx, number).await?;
            db.commit(tx).await?;
            question.into_iter().for_each(|question| self.questions.ask(question));
        }
        Ok(())
    }

    async fn apply_all(&self) -> Result<(), Fault> {
        let db = self.questions.book.db();
        loop {
            let after = settings::gateway_cursor(db.reader()).await?;
            let updates = match self.steps.updates(after).await {
                Outcome::Done(batch) => batch.updates,
                Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
                    return Err(Fault::new(FaultCode::ProviderUnavailable, reason.detail));
                }
            };
            let Some(last) = updates.last().map(|update| update.cursor) else { return Ok(()) };
            let (mut hinted, mut kept) = (Vec::new(), Vec::new());
            for update in updates {
                match self.apply(update.content.clone()).await {
                    Ok(question) => hinted.extend(question),
                    Err(fault) if fault.code.is_frozen() => kept.push(update),
                    Err(fault) => return Err(fault),
                }
            }
            let mut tx = db.begin().await?;
            // Where the cursor is past a hint, its question is there; past what cannot be applied now, that is there itself.
            for question in &hinted {
                questions::put(&mut tx, question).await?;
            }
            for update in &kept {
                tracing::warn!(number = update.cursor, "an update about a frozen order is kept");
                kept_updates::put(&mut tx, update.cursor, &update.content).await?;
            }
            settings::set_gateway_cursor(&mut tx, last).await?;
            db.commit(tx).await?;
            hinted.into_iter().for_each(|question| self.questions.ask(question));
        }
    }

    /// Writes down what an update says; answers what has to be asked because of it.
    async fn apply(&self, content: UpdateContent) -> Result<Option<Question>, Fault> {
        let reader = self.questions.book.db().reader();
        let (order, fact) = match content {
            UpdateContent::Payment { status } => (
                orders::of_attempt(reader, status.attempt_id).await?,
                Fact::PaymentReported { status, source: Source::Notification },
            ),
            UpdateContent::Refund { status } => (
                orders::of_refund(reader, status.refund_id).await?,
                Fact::RefundReported { status, source: Source::Notification },
            ),
            UpdateContent::Dispute { status } => (
                orders::of_attempt(reader, status.attempt_id).await?,
                Fact::DisputeReported { status, source: Source::Notification },
            ),
            UpdateContent::GivenBack { payment, refund } => {
                let Some(order) = orders::of_attempt(reader, payment.attempt_id).await? else { return Ok(None) };
                if orders::of_refund(reader, refund.refund_id).await?.is_some() {
                    return Ok(None);
                }
                let (attempt, amount) = (payment.attempt_id, refund.amount);
                let back = Fact::GivenBack { refund: refund.refund_id, attempt, amount };
                // Who did not hear that it was paid, or that it arrived before this was read, hears all of it at once.
                let paid = Fact::PaymentReported { status: payment, source: Source::Notification };
                let stands = Fact::RefundReported { status: refund, source: Source::Notification };
                self.questions.report(order, &[paid, back, stands]).await?;
                return Ok(None);
            }
            UpdateContent::PaymentHint { attempt_id } => {
                let order = orders::of_attempt(reader, attempt_id).await?;
                return Ok(order.map(|order| Question { order, about: About::Payment(attempt_id) }));
            }
            UpdateContent::RefundHint { refund_id } => {
                let order = orders::of_refund(reader, refund_id).await?;
                return Ok(order.map(|order| Question { order, about: About::Refund(refund_id) }));
            }
            // A supplier's hint says that something changed, and not what.
            UpdateContent::FlightOrder { order_id: id } | UpdateContent::HotelBooking { booking_id: id } => {
                let order = orders::of_supplier_order(reader, &id).await?;
                return Ok(order.map(|order| Question { order, about: About::Booking(id) }));
            }
        };
        let Some(order) = order else {
            tracing::warn!("an update about nothing we know");
            return Ok(None);
        };
        if let Fact::PaymentReported { status, .. } = &fact
            && matches!(status.state, PaymentState::Failed | PaymentState::Closed)
        {
            // A notification alone does not end a payment.
            return Ok(Some(Question { order, about: About::Payment(status.attempt_id) }));
        }
        self.questions.report(order, &[fact]).await?;
        Ok(None)
    }
}
