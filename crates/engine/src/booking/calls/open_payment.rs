//! Opening a payment at its channel; asking again with the same number gives the same payment.
//!
//! Deliberately not here: what the payer does.

use super::{Ports, inconsistent};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::AttemptId,
    order::{Order, StepResult},
    port::{Outcome, payments::*},
};

impl Ports {
    pub(super) async fn open_payment(&self, order: &Order, attempt: AttemptId) -> Outcome<StepResult> {
        self.opened(order, attempt).await.map(StepResult::PaymentOpened)
    }

    pub(super) async fn see_open_payment(&self, order: &Order, attempt: AttemptId) -> Seen {
        match self.opened(order, attempt).await {
            Outcome::Done(intent) => Seen::There(StepResult::PaymentOpened(intent)),
            Outcome::Declined(reason) => Seen::Refused(reason),
            Outcome::NotSent(_) | Outcome::Unknown(_) => Seen::Silent,
        }
    }

    /// What the payer of an opened attempt does now: asking again gives the same payment, and a code or page that is still good.
    pub(crate) async fn open_again(&self, order: &Order, attempt: AttemptId) -> Outcome<PaymentIntent> {
        self.opened(order, attempt).await
    }

    async fn opened(&self, order: &Order, attempt: AttemptId) -> Outcome<PaymentIntent> {
        let Some(known) = order.attempt(attempt) else { return inconsistent("no such attempt") };
        let request = CreatePaymentIntent {
            attempt_id: attempt,
            channel: known.channel,
            amount: known.amount,
            description: description(order),
            expires_at_us: known.pay_by,
            authorise: known.authorise,
            instalments: known.instalments,
            credit: known
                .credit
                .clone()
                .zip(order.confirmed.as_ref())
                .map(|(credit_id, confirmed)| CreditUse { credit_id, order_total: confirmed.total }),
        };
        self.payments.call("openPayment", &request).await
    }
}

/// What the payer reads: no personal data, and which order it is.
fn description(order: &Order) -> String {
    let tail: String = order.id.bare().chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("智游行程 Zhiyou trip {tail}")
}
