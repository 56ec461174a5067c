//! Follows what the merchant side heard from providers, and reads again at a supplier that hinted at a change.
//!
//! Deliberately not here: receiving notifications (the gateway's), and questions an order itself wants (the runner's).

use super::{book::Book, runner::Handle, steps::Steps};
use crate::store::{orders, settings};
use futures::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::Read,
    fault::{Fault, FaultCode},
    id::OrderId,
    order::{Fact, ItemState, OrderItem, Source},
    port::{
        Outcome,
        payments::{PaymentState, UpdateContent},
    },
};

/// How long the store or the merchant side is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(2);
/// How often a supplier's booking is read again after a hint, while the supplier does not answer.
const REREADS_MAX: u32 = 6;

/// Follows the merchant side.
pub(super) struct Follower {
    pub(super) book: Arc<Book>,
    pub(super) steps: Arc<dyn Steps>,
    pub(super) runner: Handle,
    pub(super) stop: CancellationToken,
    pub(super) tracker: TaskTracker,
}

impl Follower {
    /// Applies what notifications brought, from the stored cursor on: at the start and whenever `wake` says so.
    pub(super) async fn run(self: Arc<Self>, mut wake: watch::Receiver<i64>) {
        loop {
            let applied = self.apply_all().await;
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

    async fn apply_all(self: &Arc<Self>) -> Result<(), Fault> {
        let db = self.book.db();
        loop {
            let after = settings::gateway_cursor(db.reader()).await?;
            let updates = match self.steps.updates(after).await {
                Outcome::Done(batch) => batch.updates,
                Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
                    return Err(Fault::new(FaultCode::ProviderUnavailable, reason.detail));
                }
            };
            let Some(last) = updates.last().map(|update| update.cursor) else { return Ok(()) };
            for update in updates {
                self.apply(update.content).await?;
            }
            let mut tx = db.begin().await?;
            settings::set_gateway_cursor(&mut tx, last).await?;
            db.commit(tx).await?;
        }
    }

    async fn apply(self: &Arc<Self>, content: UpdateContent) -> Result<(), Fault> {
        let reader = self.book.db().reader();
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
                let Some(order) = orders::of_attempt(reader, payment.attempt_id).await? else { return Ok(()) };
                if orders::of_refund(reader, refund.refund_id).await?.is_some() {
                    return Ok(());
                }
                let (attempt, amount) = (payment.attempt_id, refund.amount);
                let back = Fact::GivenBack { refund: refund.refund_id, attempt, amount };
                // Who did not hear that it was paid, or that it arrived before this was read, hears all of it at once.
                let paid = Fact::PaymentReported { status: payment, source: Source::Notification };
                let stands = Fact::RefundReported { status: refund, source: Source::Notification };
                return self.write(order, &[paid, back, stands]).await;
            }
            UpdateContent::PaymentHint { attempt_id } => {
                if let Some(order) = orders::of_attempt(reader, attempt_id).await? {
                    self.runner.ask_now(order, Read::QueryPayment { attempt: attempt_id });
                }
                return Ok(());
            }
            UpdateContent::RefundHint { refund_id } => {
                if let Some(order) = orders::of_refund(reader, refund_id).await? {
                    self.runner.ask_now(order, Read::QueryRefund { refund: refund_id });
                }
                return Ok(());
            }
            // A supplier's hint says that something changed, and not what.
            UpdateContent::FlightOrder { order_id: id } | UpdateContent::HotelBooking { booking_id: id } => {
                if let Some(order) = orders::of_supplier_order(reader, &id).await? {
                    self.tracker.spawn(Arc::clone(self).reread(order, id));
                }
                return Ok(());
            }
        };
        let Some(order) = order else {
            tracing::warn!("an update about nothing we know");
            return Ok(());
        };
        if let Fact::PaymentReported { status, .. } = &fact
            && matches!(status.state, PaymentState::Failed | PaymentState::Closed)
        {
            // A notification alone does not end a payment; it is asked about at once.
            self.runner.ask_now(order, Read::QueryPayment { attempt: status.attempt_id });
            return Ok(());
        }
        self.write(order, &[fact]).await
    }

    /// Writes facts; what no longer fits and what concerns a frozen order is let go.
    async fn write(&self, order: OrderId, facts: &[Fact]) -> Result<(), Fault> {
        match self.book.record(order, |_, _| Ok(facts.to_vec())).await {
            Ok(_) => self.runner.look(order),
            Err(fault) if fault.code == FaultCode::WrongState || fault.code.is_frozen() => {
                tracing::warn!(%order, %fault, "an update no longer fits");
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Reads a booked item again at its supplier, and writes down what is new.
    async fn reread(self: Arc<Self>, id: OrderId, supplier_order: String) {
        for tries in 0..REREADS_MAX {
            let Ok(order) = self.book.get(id).await else { return };
            let booked = |item: &&OrderItem| {
                item.supplier_order.as_ref() == Some(&supplier_order) && ItemState::BOOKED.contains(&item.state)
            };
            let Some(item) = order.items.iter().find(booked).map(|item| item.wanted.id) else { return };
            match AssertUnwindSafe(self.steps.reread(&order, item)).catch_unwind().await {
                Ok(Outcome::Done(None)) => return,
                Ok(Outcome::Done(Some(fact))) => {
                    if self.write(id, &[fact]).await.is_ok() {
                        return;
                    }
                }
                Ok(Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason)) => {
                    tracing::warn!(order = %id, ?reason, "a booking could not be read again");
                }
                Err(_) => tracing::error!(order = %id, "reading a booking again panicked"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE * 2_u32.pow(tries)) => {}
            }
        }
    }
}
