//! Closing a payment so that it can no longer be paid, and seeing whether it is over.
//!
//! Deliberately not here: money that was faster (it is counted, see the domain).

use super::{Ports, seen};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::AttemptId,
    order::StepResult,
    port::{Outcome, payments::*},
};

impl Ports {
    pub(super) async fn close_payment(&self, attempt: AttemptId) -> Outcome<StepResult> {
        self.payments.call("closePayment", &PaymentRef { attempt_id: attempt }).await.map(StepResult::Payment)
    }

    pub(super) async fn see_close_payment(&self, attempt: AttemptId) -> Seen {
        let status: Outcome<PaymentStatus> =
            self.payments.call("settlePayment", &PaymentRef { attempt_id: attempt }).await;
        seen(status, |status| {
            let over = !matches!(status.state, PaymentState::RequiresAction | PaymentState::Processing);
            over.then_some(StepResult::Payment(status))
        })
    }
}
