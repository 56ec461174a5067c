//! Taking what the payer approved, or setting it aside: begun in our record before it is sent, and under a new number only after
//! a refusal and a new approval, or where none can be seen, after a while.
//!
//! The channel tells of an approved order the same before our request, while it works on it and after a card was refused. Only
//! our record tells these apart. Deliberately not here: taking money that was set aside.

use super::{
    Ending, Paypal, integrity, key,
    standing::{Stand, stand},
    wire::{self, Issue},
};
use crate::{
    pay::{PaymentSeen, desk::fingerprint},
    store::{attempts::Attempt, begun::Take},
};
use url::Url;
use zhiyou_domain::{
    money::Money,
    port::{Outcome, Reason, ReasonCode, Word, payments::PaymentState},
};

/// The channel need not show that a payer was on its page again. An order that looks the same is tried again after this time,
/// seconds, then after twice and three times as long, and so on: a few times before the payment's own end.
const UNSEEN_S: i64 = 180;

/// How a request to take ended.
struct Taken {
    seen: Outcome<PaymentSeen>,
    /// The channel's definite no: nothing was taken by it.
    refused: bool,
}

/// How an order looks; another look means that the payer was there since.
fn look_of(order: &wire::Order) -> String {
    let source = order.payment_source.as_ref().map(ToString::to_string).unwrap_or_default();
    fingerprint(&[&format!("{:?}", order.status), order.update_time.as_deref().unwrap_or_default(), &source])
}

fn at(state: PaymentState, total: Money) -> PaymentSeen {
    PaymentSeen { total: Some(total), ..PaymentSeen::bare(state) }
}

impl Paypal {
    /// Takes what the payer approved. What was refused is left until the payer approves again.
    pub(super) async fn take(&self, attempt: &Attempt, order: &wire::Order, total: Money) -> Outcome<PaymentSeen> {
        let known = match self.taking(attempt).await {
            Ok(known) => known,
            Err(reason) => return Outcome::NotSent(reason),
        };
        let number = match known {
            Some(Take { number, refused_as: None, .. }) => {
                return self.send(attempt, order, total, number).await.seen;
            }
            Some(Take { refused_as: Some(then), number, at: since })
                if then == look_of(order) && self.clock.now() < since.plus_seconds(UNSEEN_S.saturating_mul(number)) =>
            {
                return Outcome::Done(at(PaymentState::RequiresAction, total));
            }
            Some(Take { number, .. }) => number.saturating_add(1),
            None => 1,
        };
        if let Err(reason) = self.keep_take(attempt, number, None).await {
            return Outcome::NotSent(reason);
        }
        let taken = self.send(attempt, order, total, number).await;
        if matches!(taken.seen, Outcome::NotSent(_)) {
            self.end_take(attempt, number, String::new()).await;
        }
        taken.seen
    }

    /// An approved order is closed by never being taken. Where what became of a request is not known, the same request tells.
    pub(super) async fn close_approved(
        &self,
        attempt: &Attempt,
        order: &wire::Order,
        total: Money,
    ) -> Outcome<PaymentSeen> {
        let over = matches!(attempt.state, PaymentState::Closed | PaymentState::Failed);
        let open = match self.taking(attempt).await {
            Ok(known) => known.filter(|take| take.refused_as.is_none() && !over),
            Err(reason) => return Outcome::NotSent(reason),
        };
        let closed = Outcome::Done(at(PaymentState::Closed, total));
        let Some(Take { number, .. }) = open else { return closed };
        if total != attempt.amount {
            return integrity("another amount was approved");
        }
        match self.send(attempt, order, total, number).await {
            Taken { refused: true, .. } => closed,
            Taken { seen: Outcome::Done(seen), .. } if seen.state == PaymentState::RequiresAction => closed,
            Taken { seen, .. } => seen,
        }
    }

    /// Whether the last request to take was refused, and the payer has not approved since.
    pub(super) async fn is_refused(&self, attempt: &Attempt, order: &wire::Order) -> bool {
        let known = self.taking(attempt).await.ok().flatten();
        known.and_then(|take| take.refused_as).is_some_and(|then| then == look_of(order))
    }

    /// The page where the payer chooses another way to pay, as long as that is what the order waits for.
    pub(super) async fn page_again(&self, attempt: &Attempt, id: &str) -> Option<String> {
        let Outcome::Done(Some(order)) = self.known(id).await else { return None };
        if !self.is_refused(attempt, &order).await {
            return None;
        }
        let mut page: Url = self.page_bases.first()?.join("/checkoutnow").ok()?;
        page.query_pairs_mut().append_pair("token", id);
        Some(page.into())
    }

    async fn end_take(&self, attempt: &Attempt, number: i64, look: String) {
        if let Err(reason) = self.keep_take(attempt, number, Some(look)).await {
            tracing::error!(detail = %reason.detail, "what was refused is sent once more under its number");
        }
    }

    /// Sends it under its number, and keeps a definite no. How the order looks is read after the no, which may change it.
    async fn send(&self, attempt: &Attempt, order: &wire::Order, total: Money, number: i64) -> Taken {
        let taken = self.send_once(attempt, &order.id, total, number).await;
        if taken.refused {
            let look = match self.known(&order.id).await {
                Outcome::Done(Some(after)) => look_of(&after),
                Outcome::Done(None) | Outcome::NotSent(_) | Outcome::Declined(_) | Outcome::Unknown(_) => {
                    look_of(order)
                }
            };
            self.end_take(attempt, number, look).await;
        }
        taken
    }

    async fn send_once(&self, attempt: &Attempt, order_id: &str, total: Money, number: i64) -> Taken {
        let verb = if attempt.authorise { "authorize" } else { "capture" };
        let path = format!("/v2/checkout/orders/{order_id}/{verb}");
        let request_id = match number {
            ..=1 => key(attempt, verb),
            _ => format!("{}-{number}", key(attempt, verb)),
        };
        let open = |seen| Taken { seen, refused: false };
        let bare = |state| Outcome::Done(at(state, total));
        let ending = match self.post(&path, &request_id, &serde_json::Map::new()).await {
            Ending::Refused(issue) => {
                tracing::warn!(?issue, "an approved payment was not taken");
                let refused = |state| Taken { seen: bare(state), refused: true };
                return match issue {
                    // The payer can still choose another way on the same page.
                    Issue::InstrumentDeclined
                    | Issue::RedirectPayerForAlternateFunding
                    | Issue::PayerActionRequired => refused(PaymentState::RequiresAction),
                    // It was approved a moment ago: nothing to wait for the payer with.
                    Issue::OrderNotApproved => open(bare(PaymentState::RequiresAction)),
                    Issue::OrderCompletionInProgress | Issue::PreviousRequestInProgress => {
                        open(bare(PaymentState::Processing))
                    }
                    Issue::OrderAlreadyCaptured | Issue::OrderAlreadyAuthorized => {
                        open(self.look(attempt, order_id).await)
                    }
                    Issue::OrderExpired | Issue::OrderVoided => refused(PaymentState::Closed),
                    Issue::MaxNumberOfPaymentAttemptsExceeded
                    | Issue::TransactionRefused
                    | Issue::TransactionBlocked
                    | Issue::ComplianceViolation
                    | Issue::PayerCannotPay
                    | Issue::PayerAccountLockedOrClosed
                    | Issue::PayeeAccountRestricted => refused(PaymentState::Failed),
                    Issue::DuplicateInvoiceId
                    | Issue::PermissionDenied
                    | Issue::AuthorizationAlreadyCaptured
                    | Issue::PreviouslyCaptured
                    | Issue::PreviouslyVoided
                    | Issue::AuthorizationVoided
                    | Issue::AuthorizationExpired
                    | Issue::AuthorizationDenied
                    | Issue::MaxCaptureAmountExceeded
                    | Issue::CaptureFullyRefunded
                    | Issue::RefundAmountExceeded
                    | Issue::PendingCapture
                    | Issue::RefundTimeLimitExceeded
                    | Issue::RefundFailedInsufficientFunds
                    | Issue::MaxNumberOfRefundsExceeded
                    | Issue::TransactionDisputed
                    | Issue::InvalidResourceId
                    | Issue::Unknown => {
                        open(Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&issue))))
                    }
                };
            }
            other => other,
        };
        open(match ending.outcome::<wire::Order>() {
            Outcome::Done(order) if order.id != order_id => integrity("the answer is about another order"),
            Outcome::Done(order) => match stand(attempt, &order, Some(total)) {
                Ok(Stand::Seen(seen)) => Outcome::Done(seen),
                Ok(Stand::Approved(_)) => bare(PaymentState::Processing),
                Err(problem) => integrity(problem),
            },
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        })
    }
}
