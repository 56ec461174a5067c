//! Money that moves: authorised money taken or let go, and money given back.
//!
//! Taking and giving back carry a key made from our own number, so that the same request again moves money once; letting go
//! needs none, because the payment's own state lets it happen once. Deliberately not here: the hosted page.

use super::{CaptureMethod, Ending, SessionStatus, Stripe, amount, before, find::found, integrity, is_id, wire};
use crate::{
    pay::{PaymentSeen, RefundSeen},
    store::{attempts::Attempt, refunds::Refund},
};
use wire::Form;
use zhiyou_domain::{
    money::Money,
    port::{
        Outcome, Reason, ReasonCode,
        payments::{PaymentState, RefundState},
    },
};

/// Pages of a hundred refunds of one payment that are looked through before giving up.
const PAGES_MAX: usize = 10;

impl Stripe {
    /// The intent's id: as it was noted when money moved, or asked for.
    async fn intent_of(&self, attempt: &Attempt) -> Result<String, Outcome<String>> {
        if let Some(id) = attempt.transaction_id.clone().filter(|id| is_id(id, "pi_")) {
            return Ok(id);
        }
        before(self.session_of(attempt).await, |session| {
            let session = session.ok_or("the channel does not know a payment it opened")?;
            self.read(attempt, &session)?;
            let intent = session.payment_intent.as_ref().and_then(wire::Related::object);
            Ok(intent.ok_or("the payer did not confirm this payment")?.id.clone())
        })
    }

    /// Takes an amount of what was authorised; the rest is let go.
    pub(super) async fn take(&self, attempt: &Attempt, wanted: Money) -> Outcome<PaymentSeen> {
        let (minor, currency) = match amount::write(wanted) {
            Ok(written) => written,
            Err(problem) => return Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, problem)),
        };
        if amount::write(attempt.amount).map(|(_, of)| of) != Ok(currency) {
            return Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, "in another currency"));
        }
        let id = match self.intent_of(attempt).await {
            Ok(id) => id,
            Err(ending) => return ending.map(|_| PaymentSeen::bare(PaymentState::Processing)),
        };
        let form = Form::default().with("amount_to_capture", &minor.to_string()).with("expand[0]", "latest_charge");
        let key = format!("{}:capture:{minor}", attempt.attempt_id.bare());
        match self.post(&format!("/v1/payment_intents/{id}/capture"), form, Some(&key)).await {
            Ending::Refused(error) if is_about_state(&error) => match self.look(attempt).await {
                Outcome::Done(seen) => match seen.state {
                    PaymentState::Captured if seen.taken == Some(wanted) => Outcome::Done(seen),
                    PaymentState::Captured => {
                        Outcome::Declined(Reason::new(ReasonCode::AlreadyPaid, "another amount was taken"))
                    }
                    PaymentState::Closed => Outcome::Done(seen),
                    PaymentState::NotFound
                    | PaymentState::RequiresAction
                    | PaymentState::Processing
                    | PaymentState::Authorised
                    | PaymentState::Failed => error.ending(),
                },
                // It was refused; what is true instead is not known.
                Outcome::NotSent(reason) | Outcome::Unknown(reason) | Outcome::Declined(reason) => {
                    Outcome::Unknown(reason)
                }
            },
            other => match other.outcome::<wire::Intent>() {
                Outcome::Done(intent) => match self.own(attempt, &id, &intent) {
                    Ok(seen) if seen.state == PaymentState::Captured && seen.taken != Some(wanted) => {
                        integrity("another amount was taken than was asked for")
                    }
                    Ok(seen) => Outcome::Done(seen),
                    Err(problem) => integrity(problem),
                },
                other => other.map(|_| PaymentSeen::bare(PaymentState::Processing)),
            },
        }
    }

    /// Lets authorised money go; a payment nobody confirmed yet is closed.
    pub(super) async fn let_go(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let session = match before(self.session_of(attempt).await, |session| {
            session.ok_or("the channel does not know a payment it opened")
        }) {
            Ok(session) => session,
            Err(ending) => return ending.map(|_| PaymentSeen::bare(PaymentState::Processing)),
        };
        let seen = match self.read(attempt, &session) {
            Ok(seen) => seen,
            Err(problem) => return integrity(problem),
        };
        match (seen.state, &seen.transaction_id) {
            (PaymentState::Authorised, Some(id)) => self.cancel(attempt, id).await,
            (PaymentState::RequiresAction, _) => self.expire(attempt, &session.id).await,
            (
                PaymentState::Authorised
                | PaymentState::NotFound
                | PaymentState::Processing
                | PaymentState::Captured
                | PaymentState::Failed
                | PaymentState::Closed,
                _,
            ) => Outcome::Done(seen),
        }
    }

    async fn cancel(&self, attempt: &Attempt, id: &str) -> Outcome<PaymentSeen> {
        let form = Form::default().with("cancellation_reason", "requested_by_customer");
        match self.post(&format!("/v1/payment_intents/{id}/cancel"), form, None).await {
            Ending::Refused(error) if is_about_state(&error) => match self.look(attempt).await {
                Outcome::Done(seen) if seen.state == PaymentState::Authorised => error.ending(),
                Outcome::Done(seen) => Outcome::Done(seen),
                Outcome::NotSent(reason) | Outcome::Unknown(reason) | Outcome::Declined(reason) => {
                    Outcome::Unknown(reason)
                }
            },
            other => match other.outcome::<wire::Intent>() {
                Outcome::Done(intent) => match self.own(attempt, id, &intent) {
                    Ok(seen) if seen.state == PaymentState::Closed => {
                        Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
                    }
                    Ok(_) => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the money was not let go")),
                    Err(problem) => integrity(problem),
                },
                other => other.map(|_| PaymentSeen::bare(PaymentState::Processing)),
            },
        }
    }

    /// An intent that an effect answered with: the one that was asked about, taken by hand.
    fn own(&self, attempt: &Attempt, id: &str, intent: &wire::Intent) -> Result<PaymentSeen, &'static str> {
        if intent.id != id || intent.capture_method != Some(CaptureMethod::Manual) {
            return Err("the answer is about another payment");
        }
        self.read_intent(&attempt.attempt_id.bare(), intent, SessionStatus::Complete)
    }

    /// Gives money back; a refund that may have been asked for before its key was forgotten is looked for first.
    pub(super) async fn give_back(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let (minor, _) = match amount::write(refund.amount) {
            Ok(written) => written,
            Err(problem) => return Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, problem)),
        };
        if refund.provider_ref.is_some() || !self.remembers(refund.created_at_us) {
            match before(self.look_for_refund(refund, attempt).await, Ok) {
                Ok(Some(seen)) => return Outcome::Done(seen),
                Ok(None) => {}
                Err(ending) => return ending.map(|seen| seen.unwrap_or_else(|| nothing(refund))),
            }
        }
        let id = match self.intent_of(attempt).await {
            Ok(id) => id,
            Err(ending) => return ending.map(|_| nothing(refund)),
        };
        let number = refund.refund_id.bare();
        let form = Form::default()
            .with("payment_intent", &id)
            .with("amount", &minor.to_string())
            .with("reason", "requested_by_customer")
            .with("metadata[refund]", &number)
            .with("metadata[reason]", &refund.reason)
            .with("expand[0]", "payment_intent");
        match self.post("/v1/refunds", form, Some(&format!("{number}:refund"))).await.outcome::<wire::Refund>() {
            Outcome::Done(made) => read_refund(refund, &id, &made).map_or_else(integrity, Outcome::Done),
            other => other.map(|_| nothing(refund)),
        }
    }

    /// Where a refund stands: by its own id, or among the refunds of its payment.
    pub(super) async fn look_for_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        let payment = match self.intent_of(attempt).await {
            Ok(id) => id,
            Err(ending) => return ending.map(|_| None),
        };
        let read = |made: &wire::Refund| {
            read_refund(refund, &payment, made).map_or_else(integrity, |seen| Outcome::Done(Some(seen)))
        };
        if let Some(id) = refund.provider_ref.as_deref().filter(|id| is_refund_id(id)) {
            return match found(self.get(&format!("/v1/refunds/{id}?expand%5B%5D=payment_intent")).await) {
                Outcome::Done(Some(made)) => read(&made),
                other => other.map(|_| None),
            };
        }
        let number = refund.refund_id.bare();
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let list =
                format!("/v1/refunds?payment_intent={payment}&limit=100&expand%5B%5D=data.payment_intent{after}");
            let page = match self.get(&list).await.outcome::<wire::List<wire::Refund>>() {
                Outcome::Done(page) => page,
                other => return other.map(|_| None),
            };
            if let Some(made) = page.data.iter().find(|made| named(made) == Some(number.as_str())) {
                return read(made);
            }
            match page.data.last().map(|made| made.id.as_str()).filter(|_| page.has_more) {
                None => return Outcome::Done(None),
                Some(id) if is_refund_id(id) => after = format!("&starting_after={id}"),
                Some(_) => return integrity("a refund under a name that is none"),
            }
        }
        Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "too many refunds to find this one"))
    }
}

/// Whether a refusal says that the payment is not in a state for this: then its state tells what is true.
fn is_about_state(error: &wire::Error) -> bool {
    match error.code {
        Some(
            wire::ErrorCode::PaymentIntentUnexpectedState
            | wire::ErrorCode::ChargeAlreadyCaptured
            | wire::ErrorCode::ChargeAlreadyRefunded
            | wire::ErrorCode::ChargeExpiredForCapture,
        ) => true,
        Some(
            wire::ErrorCode::ChargeDisputed
            | wire::ErrorCode::RefundDisputedPayment
            | wire::ErrorCode::BalanceInsufficient
            | wire::ErrorCode::ResourceMissing
            | wire::ErrorCode::IdempotencyKeyInUse
            | wire::ErrorCode::LockTimeout
            | wire::ErrorCode::Unknown,
        )
        | None => false,
    }
}

/// Refunds of other ways of paying begin otherwise.
fn is_refund_id(id: &str) -> bool {
    is_id(id, "re_") || is_id(id, "pyr_")
}

fn named(made: &wire::Refund) -> Option<&str> {
    made.metadata.as_ref()?.get(wire::REFUND).map(String::as_str)
}

fn nothing(refund: &Refund) -> RefundSeen {
    RefundSeen {
        state: RefundState::NotFound,
        payment_number: refund.attempt_id.bare(),
        amount: refund.amount,
        total: refund.amount,
        provider_ref: None,
    }
}

fn read_refund(refund: &Refund, payment: &str, made: &wire::Refund) -> Result<RefundSeen, &'static str> {
    if named(made) != Some(refund.refund_id.bare().as_str()) || !is_refund_id(&made.id) {
        return Err("the answer is about another refund");
    }
    let intent = made.payment_intent.as_ref().and_then(wire::Related::object);
    let intent = intent.filter(|intent| intent.id == payment).ok_or("a refund of another payment")?;
    let number = intent.metadata.as_ref().and_then(|metadata| metadata.get(wire::ATTEMPT));
    Ok(RefundSeen {
        state: made.status.map_or(RefundState::Pending, wire::RefundStatus::ours),
        payment_number: number.ok_or("a refund of another payment")?.clone(),
        amount: amount::read(made.amount, &made.currency)?,
        total: amount::read(intent.amount, &intent.currency)?,
        provider_ref: Some(made.id.clone()),
    })
}
