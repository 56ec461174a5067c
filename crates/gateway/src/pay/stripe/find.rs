//! Where a payment stands: by the session's id, by the same create again, or by looking through the sessions of its day.
//!
//! Deliberately not here: effects on money.

use super::{Ending, SessionStatus, Stripe, integrity, is_id, wire};
use crate::{pay::PaymentSeen, store::attempts::Attempt};
use serde::de::DeserializeOwned;
use zhiyou_domain::{
    id::AttemptId,
    port::{Outcome, Reason, ReasonCode, payments::PaymentState},
    time::UtcMicros,
};

/// What has to come with a session for it to be judged.
const EXPANDED: &str = "payment_intent.latest_charge";
/// The clocks of both sides may differ by this much, seconds.
const SKEW_S: i64 = 300;
/// Nobody opens a payment later than this after its id was made, seconds.
const OPENED_WITHIN_S: i64 = 25 * 60 * 60;
/// Pages of a hundred that are looked through before giving up.
const PAGES_MAX: usize = 20;

/// When the id was made: the first ten characters of a ULID are milliseconds.
pub(super) fn made_at(attempt: AttemptId) -> UtcMicros {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digits = attempt.bare().into_bytes().into_iter().take(10);
    let millis = digits.fold(0_i64, |sum, digit| {
        let value = ALPHABET.iter().position(|letter| *letter == digit).and_then(|at| i64::try_from(at).ok());
        sum.saturating_mul(32).saturating_add(value.unwrap_or_default())
    });
    UtcMicros(millis.saturating_mul(1_000))
}

impl Stripe {
    /// The session with this id and its payment; none when the account does not have it.
    pub(super) async fn session(&self, id: &str) -> Outcome<Option<wire::Session>> {
        if !is_id(id, "cs_") {
            return integrity("the kept name of the page is none");
        }
        let path = format!("/v1/checkout/sessions/{id}?expand%5B%5D={EXPANDED}");
        match found(self.get(&path).await) {
            Outcome::Done(Some(session)) if is_other(&session, id) => integrity("the answer is about another page"),
            other => other,
        }
    }

    /// The session of an attempt as it is now; none when the channel does not know the attempt.
    pub(super) async fn session_of(&self, attempt: &Attempt) -> Outcome<Option<wire::Session>> {
        if let Some(id) = &attempt.provider_ref {
            return self.session(id).await;
        }
        // The answer to the create was lost. The same create tells it, and when the first one never arrived, it cannot arrive
        // later as a second page.
        let open =
            matches!(attempt.state, PaymentState::NotFound | PaymentState::RequiresAction | PaymentState::Processing);
        let form = if open && self.remembers(attempt.created_at_us) { self.page(attempt).ok() } else { None };
        let Some(form) = form else { return self.find(attempt.attempt_id, attempt.created_at_us).await };
        match self.make_page(attempt, form).await {
            Ending::Answered(body) => match Ending::Answered(body).outcome::<wire::Session>() {
                Outcome::Done(made) => match self.is_about(&attempt.attempt_id.bare(), &made) {
                    // What is remembered is how it began.
                    Ok(()) => self.session(&made.id).await,
                    Err(problem) => integrity(problem),
                },
                other => other.map(Some),
            },
            // The very answer to the first request does not name the page, if there is one.
            Ending::Refused(_) | Ending::Remembered(_) => self.find(attempt.attempt_id, attempt.created_at_us).await,
            Ending::NotSent(reason) => Outcome::NotSent(reason),
            Ending::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// Looks through the sessions of the day after `since` for the one of this attempt.
    pub(super) async fn find(&self, attempt: AttemptId, since: UtcMicros) -> Outcome<Option<wire::Session>> {
        let number = attempt.bare();
        let from_s = since.0.div_euclid(1_000_000).saturating_sub(SKEW_S);
        let until_s = from_s.saturating_add(OPENED_WITHIN_S);
        let window =
            format!("created%5Bgte%5D={from_s}&created%5Blte%5D={until_s}&limit=100&expand%5B%5D=data.{EXPANDED}");
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/v1/checkout/sessions?{window}{after}");
            let page = match self.get(&path).await.outcome::<wire::List<wire::Session>>() {
                Outcome::Done(page) => page,
                other => return other.map(|_| None),
            };
            let last = page.data.last().map(|session| session.id.clone());
            let mine = |session: &wire::Session| session.client_reference_id.as_deref() == Some(number.as_str());
            if let Some(session) = page.data.into_iter().find(mine) {
                return Outcome::Done(Some(session));
            }
            match last.filter(|_| page.has_more) {
                None => return Outcome::Done(None),
                Some(id) if is_id(&id, "cs_") => after = format!("&starting_after={id}"),
                Some(_) => return integrity("a page under a name that is none"),
            }
        }
        Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "too many pages were made that day to find this one"))
    }

    /// Where the payment stands.
    pub(super) async fn look(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.standing(attempt, self.session_of(attempt).await)
    }

    /// What a session says about its payment.
    pub(super) fn standing(&self, attempt: &Attempt, found: Outcome<Option<wire::Session>>) -> Outcome<PaymentSeen> {
        match found {
            Outcome::Done(None) => Outcome::Done(PaymentSeen::bare(PaymentState::NotFound)),
            Outcome::Done(Some(session)) => self.read(attempt, &session).map_or_else(integrity, Outcome::Done),
            other => other.map(|_| PaymentSeen::bare(PaymentState::NotFound)),
        }
    }

    /// Closes the page unless money came first.
    pub(super) async fn shut(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let session = match self.session_of(attempt).await {
            Outcome::Done(Some(session)) => session,
            Outcome::Done(None) => return Outcome::Done(PaymentSeen::bare(PaymentState::NotFound)),
            other => return other.map(|_| PaymentSeen::bare(PaymentState::NotFound)),
        };
        let seen = match self.read(attempt, &session) {
            Ok(seen) => seen,
            Err(problem) => return integrity(problem),
        };
        match seen.state {
            PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed => {
                self.expire(attempt, &session.id).await
            }
            PaymentState::Captured | PaymentState::Authorised | PaymentState::Closed | PaymentState::NotFound => {
                Outcome::Done(seen)
            }
        }
    }

    /// Expiring has no key: the page's own state lets it happen once, and a remembered failure would keep it open.
    pub(super) async fn expire(&self, attempt: &Attempt, id: &str) -> Outcome<PaymentSeen> {
        match self.post(&format!("/v1/checkout/sessions/{id}/expire"), wire::Form::default(), None).await {
            Ending::Refused(error) if error.kind == wire::ErrorKind::InvalidRequestError => {
                // It is over already, or money was faster.
                match self.session(id).await {
                    Outcome::Done(Some(session)) => match self.read(attempt, &session) {
                        Ok(seen) if seen.state == PaymentState::RequiresAction => {
                            Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the page cannot be closed"))
                        }
                        Ok(seen) => Outcome::Done(seen),
                        Err(problem) => integrity(problem),
                    },
                    Outcome::Done(None) => Outcome::Done(PaymentSeen::bare(PaymentState::NotFound)),
                    other => other.map(|_| PaymentSeen::bare(PaymentState::NotFound)),
                }
            }
            other => match other.outcome::<wire::Session>() {
                Outcome::Done(session) if is_other(&session, id) => integrity("the answer is about another page"),
                Outcome::Done(session) if session.status == Some(SessionStatus::Expired) => {
                    Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
                }
                Outcome::Done(_) => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the page was not closed")),
                other => other.map(|_| PaymentSeen::bare(PaymentState::Processing)),
            },
        }
    }
}

/// The object of a read; none when the account does not have it.
pub(super) fn found<T: DeserializeOwned>(ending: Ending) -> Outcome<Option<T>> {
    match ending {
        Ending::Refused(error) if error.code == Some(wire::ErrorCode::ResourceMissing) => Outcome::Done(None),
        other => other.outcome().map(Some),
    }
}

fn is_other(session: &wire::Session, id: &str) -> bool {
    session.id != id
}
