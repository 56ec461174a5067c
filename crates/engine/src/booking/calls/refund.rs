//! Giving money back, and seeing whether the channel knows of it.
//!
//! Deliberately not here: when it arrives.

use super::{Ports, inconsistent, seen};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::RefundId,
    order::{Order, StepResult},
    port::{Outcome, payments::*},
};

impl Ports {
    pub(super) async fn refund(&self, order: &Order, refund: RefundId) -> Outcome<StepResult> {
        let Some(known) = order.refunds.iter().find(|known| known.id == refund) else {
            return inconsistent("no such refund");
        };
        let request = CreateRefund {
            refund_id: refund,
            attempt_id: known.attempt,
            amount: known.amount,
            reason: "行程退款 Trip refund".to_owned(),
        };
        self.payments.call("refundPayment", &request).await.map(StepResult::Refund)
    }

    pub(super) async fn see_refund(&self, refund: RefundId) -> Seen {
        let status: Outcome<RefundStatus> =
            self.payments.call("getRefundStatus", &RefundRef { refund_id: refund }).await;
        seen(status, |status| (status.state != RefundState::NotFound).then_some(StepResult::Refund(status)))
    }
}
