//! Taking money that was set aside, or letting it go; and seeing which of the two is so.
//!
//! Deliberately not here: how much is taken (see [`zhiyou_domain::booking::to_capture`]).

use super::{Ports, inconsistent, seen};
use zhiyou_domain::{
    booking::{recipe::Seen, to_capture},
    id::AttemptId,
    order::{Order, StepResult},
    port::{Outcome, payments::*},
};

impl Ports {
    pub(super) async fn capture(&self, order: &Order, attempt: AttemptId) -> Outcome<StepResult> {
        let Some(amount) = to_capture(order, attempt) else { return inconsistent("nothing is to be taken") };
        let request = CapturePayment { attempt_id: attempt, amount };
        self.payments.call("capturePayment", &request).await.map(StepResult::Payment)
    }

    pub(super) async fn void(&self, attempt: AttemptId) -> Outcome<StepResult> {
        self.payments.call("voidPayment", &PaymentRef { attempt_id: attempt }).await.map(StepResult::Payment)
    }

    /// While it is still set aside, neither has happened.
    pub(super) async fn see_settled(&self, attempt: AttemptId) -> Seen {
        let status: Outcome<PaymentStatus> =
            self.payments.call("settlePayment", &PaymentRef { attempt_id: attempt }).await;
        seen(status, |status| {
            let over = matches!(status.state, PaymentState::Captured | PaymentState::Closed | PaymentState::Failed);
            over.then_some(StepResult::Payment(status))
        })
    }
}
