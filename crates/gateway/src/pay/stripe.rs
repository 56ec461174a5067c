//! Stripe: hosted Checkout Sessions of one account, paid by card or by the wallets it is configured for, authorised first where
//! that is wanted and every way to pay can.
//!
//! Nothing here retries. A create and a refund are repeated safely only as long as Stripe remembers their keys; after that
//! the payment or refund is looked for first. Deliberately not here: our own records and the comparison of amounts with them,
//! which is [`super::desk`]'s.

pub(crate) mod amount;
mod bill;
mod find;
mod money;
mod page;
pub(crate) mod sign;
pub(crate) mod webhook;
pub(crate) mod wire;

use super::{Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused, integrity};
use crate::{
    Clock,
    config::{Profile, StripeConfig, StripeMethodConfig},
    http::{Answered, Http},
    reconcile::line::{Bill, Day, Midnight},
    secret::Sensitive,
    store::{attempts::Attempt, refunds::Refund},
};
use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use url::Url;
use wire::{CaptureMethod, ErrorBody, Form, IntentStatus, SessionStatus};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{PaymentState, Presentation},
    },
    time::UtcMicros,
};

/// Keys are forgotten once they are 24 hours old; an hour earlier they are not relied upon.
const REMEMBERED_MIN: i64 = 23 * 60;

/// The channel.
pub(crate) struct Stripe {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    secret_key: Sensitive<String>,
    secrets: sign::Secrets,
    account_id: Option<String>,
    methods: Vec<StripeMethodConfig>,
    /// What any of the ways to pay is for.
    currencies: Vec<Currency>,
    /// Whether real money moves.
    live: bool,
}

/// How an exchange ended.
enum Ending {
    /// A success with this body.
    Answered(Vec<u8>),
    /// An error of the channel.
    Refused(wire::Error),
    /// The failure that an earlier request with this key ended with; the same key never gives another answer.
    Remembered(Reason),
    NotSent(Reason),
    Unknown(Reason),
}

impl Stripe {
    /// The channel of an account in the world of the profile.
    pub(crate) fn new(config: &StripeConfig, profile: Profile, http: Http, clock: Arc<dyn Clock>) -> Self {
        let any = |currency: &Currency| config.methods.iter().any(|one| one.currencies.contains(currency));
        Self {
            http,
            clock,
            base_url: config.base_url.clone(),
            secret_key: config.secret_key.clone(),
            secrets: sign::Secrets::new(&config.webhook_secrets),
            account_id: config.account_id.clone(),
            methods: config.methods.clone(),
            currencies: amount::offered().iter().copied().filter(any).collect(),
            live: profile == Profile::Live,
        }
    }

    async fn get(&self, path: &str) -> Ending {
        self.exchange(Method::GET, path, None, None).await
    }

    async fn post(&self, path: &str, form: Form, key: Option<&str>) -> Ending {
        self.exchange(Method::POST, path, Some(form.text()), key).await
    }

    async fn exchange(&self, method: Method, path: &str, form: Option<String>, key: Option<&str>) -> Ending {
        let Some(request) = self.request(method, path, form, key) else {
            return Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be written"));
        };
        match self.http.send(request).await {
            Ok(answer) => judge(answer),
            Err(failure) => match Outcome::<()>::from(failure) {
                Outcome::NotSent(reason) => Ending::NotSent(reason),
                Outcome::Unknown(reason) | Outcome::Declined(reason) => Ending::Unknown(reason),
                Outcome::Done(()) => Ending::Unknown(Reason::new(ReasonCode::Network, "no answer")),
            },
        }
    }

    fn request(&self, method: Method, path: &str, form: Option<String>, key: Option<&str>) -> Option<reqwest::Request> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.secret_key.expose())).ok()?;
        bearer.set_sensitive(true);
        let mut request = self
            .http
            .request(method, self.base_url.join(path).ok()?)
            .header("authorization", bearer)
            .header("accept", "application/json")
            .header("stripe-version", wire::VERSION);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        request.build().ok()
    }

    /// Whether a key first used at that moment still gives the first answer again.
    fn remembers(&self, first_used_us: UtcMicros) -> bool {
        self.clock.now() < first_used_us.plus_minutes(REMEMBERED_MIN)
    }

    /// Whether a session is of our world and about this number.
    fn is_about(&self, number: &str, session: &wire::Session) -> Result<(), &'static str> {
        let named = session.metadata.as_ref().and_then(|metadata| metadata.get(wire::ATTEMPT));
        if session.livemode != self.live {
            return Err("about the other world, test or live");
        }
        if session.client_reference_id.as_deref() != Some(number) || named.map(String::as_str) != Some(number) {
            return Err("about another payment");
        }
        if is_id(&session.id, "cs_") { Ok(()) } else { Err("under a name that is none") }
    }

    /// What a session asks for.
    fn total(session: &wire::Session) -> Result<Money, &'static str> {
        match (session.amount_total, &session.currency) {
            (Some(amount), Some(currency)) => amount::read(amount, currency),
            (Some(_) | None, _) => Err("without an amount or a currency"),
        }
    }

    /// Translates a session together with its intent.
    fn read(&self, attempt: &Attempt, session: &wire::Session) -> Result<PaymentSeen, &'static str> {
        let number = attempt.attempt_id.bare();
        self.is_about(&number, session)?;
        let total = Self::total(session)?;
        let status = session.status.unwrap_or(SessionStatus::Unknown);
        let Some(related) = &session.payment_intent else {
            let state = match status {
                SessionStatus::Open => PaymentState::RequiresAction,
                SessionStatus::Expired => PaymentState::Closed,
                SessionStatus::Complete => return Err("complete without a payment"),
                SessionStatus::Unknown => PaymentState::Processing,
            };
            return Ok(PaymentSeen { total: Some(total), ..PaymentSeen::bare(state) });
        };
        let intent = related.object().ok_or("without the payment that was asked for")?;
        let seen = self.read_intent(&number, intent, status)?;
        if seen.total != Some(total) {
            return Err("the page and the payment are about different amounts");
        }
        let manual = intent.capture_method == Some(CaptureMethod::Manual);
        if manual == attempt.authorise { Ok(seen) } else { Err("money is taken at another moment than was asked for") }
    }

    /// Checks world and number of an intent and translates the state, the amounts and the time.
    fn read_intent(
        &self,
        number: &str,
        intent: &wire::Intent,
        session: SessionStatus,
    ) -> Result<PaymentSeen, &'static str> {
        let named = intent.metadata.as_ref().and_then(|metadata| metadata.get(wire::ATTEMPT));
        if intent.livemode.is_some_and(|live| live != self.live) {
            return Err("about the other world, test or live");
        }
        if named.map(String::as_str) != Some(number) || !is_id(&intent.id, "pi_") {
            return Err("about another payment");
        }
        let total = amount::read(intent.amount, &intent.currency)?;
        if !total.is_positive() {
            return Err("an impossible amount");
        }
        let state = state(intent.status, session);
        let taken = match state {
            PaymentState::Captured => taken(intent, total)?,
            PaymentState::Authorised if intent.amount_capturable != intent.amount => {
                return Err("less was authorised than was asked for");
            }
            PaymentState::Authorised
            | PaymentState::NotFound
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Failed
            | PaymentState::Closed => None,
        };
        let money = matches!(state, PaymentState::Captured | PaymentState::Authorised);
        let charge = intent.latest_charge.as_ref().and_then(wire::Related::object).filter(|_| money);
        Ok(PaymentSeen {
            state,
            transaction_id: money.then(|| intent.id.clone()),
            total: Some(total),
            taken,
            paid_at_us: charge.map(|charge| UtcMicros(0).plus_seconds(charge.created)),
        })
    }
}

/// Less than the amount may be taken of an authorisation only.
fn taken(intent: &wire::Intent, total: Money) -> Result<Option<Money>, &'static str> {
    let received = intent.amount_received.ok_or("without what was received")?;
    let received = amount::read(received, &intent.currency)?;
    if !received.is_positive() || received.minor() > total.minor() {
        return Err("an impossible amount was received");
    }
    if intent.capture_method == Some(CaptureMethod::Manual) {
        return Ok(Some(received));
    }
    if received == total { Ok(None) } else { Err("less was received than was asked for") }
}

/// Money decides; without it, the page does.
const fn state(intent: IntentStatus, session: SessionStatus) -> PaymentState {
    match (intent, session) {
        (IntentStatus::Succeeded, _) => PaymentState::Captured,
        (IntentStatus::RequiresCapture, _) => PaymentState::Authorised,
        (IntentStatus::Processing, _) => PaymentState::Processing,
        (_, SessionStatus::Open) => PaymentState::RequiresAction,
        (IntentStatus::Canceled, _) | (_, SessionStatus::Expired) => PaymentState::Closed,
        // The page is over and the money did not come.
        (IntentStatus::RequiresPaymentMethod, SessionStatus::Complete) => PaymentState::Failed,
        (
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Unknown,
            SessionStatus::Complete | SessionStatus::Unknown,
        ) => PaymentState::Processing,
    }
}

/// Reads status and headers; only an error body of the channel is a refusal.
fn judge(answer: Answered) -> Ending {
    let fault = |word: Word| Ending::Unknown(Reason::new(ReasonCode::ProviderFault, word));
    let said = |name: &str| answer.headers.get(name).is_some_and(|value| value == "true");
    match answer.status {
        200 => Ending::Answered(answer.body),
        429 => Ending::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
        // Another request with the same key is under way.
        409 => fault("409".into()),
        400..=499 if said("stripe-should-retry") => fault(Word::from(answer.status).and("that says try again")),
        400..=499 => match serde_json::from_slice::<ErrorBody>(&answer.body) {
            // A key that is wrong or was revoked is told by the status; the body's kind is that of any wrong request.
            Ok(ErrorBody { error }) if answer.status == 401 => {
                Ending::Refused(wire::Error { kind: wire::ErrorKind::AuthenticationError, ..error })
            }
            Ok(body) => Ending::Refused(body.error),
            // Somebody between us and the channel answered.
            Err(_) => fault(Word::from(answer.status).and("without the channel's error body")),
        },
        500..=599 if said("idempotent-replayed") => Ending::Remembered(Reason::new(
            ReasonCode::ProviderFault,
            Word::from("status").and(answer.status).and("as before"),
        )),
        status => fault(Word::from("status").and(status)),
    }
}

impl Ending {
    /// Reads the body of a success; a body that is not what it should be leaves the outcome unknown.
    fn outcome<T: DeserializeOwned>(self) -> Outcome<T> {
        match self {
            Self::Answered(body) => serde_json::from_slice(&body).map_or_else(
                |error| Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
                Outcome::Done,
            ),
            Self::Refused(error) => error.ending(),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Unknown(reason) | Self::Remembered(reason) => Outcome::Unknown(reason),
        }
    }
}

/// A read that failed before the effect: the effect was not sent.
fn before<T, U>(read: Outcome<T>, then: impl FnOnce(T) -> Result<U, &'static str>) -> Result<U, Outcome<U>> {
    match read {
        Outcome::Done(value) => then(value).map_err(integrity),
        Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(Outcome::NotSent(reason)),
        Outcome::Declined(reason) => Err(Outcome::Declined(reason)),
    }
}

/// Whether a text is an id that may stand in an address.
fn is_id(text: &str, prefix: &str) -> bool {
    text.len() <= 255
        && text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[async_trait]
impl PaymentChannel for Stripe {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &self.currencies,
            presents: Presentation::Redirect,
            // Which of them is taken is the payer's choice.
            authorises: self.methods.iter().all(|one| one.method.sets_aside()),
            opens_by_call: true,
            bounds: amount::bounds(),
            fee_bp: 290,
            // Five to ten days until the bank shows it.
            refund_min: 7 * 24 * 60,
            description_bytes_max: 250,
            refund_reason_bytes_max: 500,
            midnight: Midnight::Utc,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt { content_type: "application/json", kept: r#"{"received":true}"#, refused: r#"{"received":false}"# }
    }

    /// Only the sandbox's accounts start without an endpoint: a live one is made in the dashboard, which shows its secret.
    async fn register(&self, url: &str) -> Outcome<()> {
        if self.live {
            return Outcome::Done(());
        }
        let known = match self.get("/v1/webhook_endpoints?limit=100").await.outcome::<wire::List<wire::Endpoint>>() {
            Outcome::Done(list) => list.data.iter().any(|known| known.url == url && known.status == "enabled"),
            other => return other.map(|_| ()),
        };
        if known {
            return Outcome::Done(());
        }
        let form = Form::default().with("url", url).with("api_version", wire::VERSION).with("enabled_events[0]", "*");
        self.post("/v1/webhook_endpoints", form, None).await.outcome::<wire::Endpoint>().map(|_| ())
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        let known = match &attempt.provider_ref {
            Some(id) => self.session(id).await,
            None if self.remembers(attempt.created_at_us) => {
                let form = match self.page(attempt) {
                    Ok(form) => form,
                    Err(problem) => return Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, problem)),
                };
                match self.make_page(attempt, form).await {
                    // It was asked for while something else was configured, and is there or is not.
                    Ending::Refused(error) if error.kind == wire::ErrorKind::IdempotencyError => {
                        self.find(attempt.attempt_id, attempt.created_at_us).await
                    }
                    other => {
                        return match other.outcome::<wire::Session>() {
                            Outcome::Done(session) => self.opened(attempt, &session),
                            Outcome::NotSent(reason) => Outcome::NotSent(reason),
                            Outcome::Declined(reason) => Outcome::Declined(reason),
                            Outcome::Unknown(reason) => Outcome::Unknown(reason),
                        };
                    }
                }
            }
            None => self.find(attempt.attempt_id, attempt.created_at_us).await,
        };
        match known {
            Outcome::Done(Some(session)) => self.opened(attempt, &session),
            Outcome::Done(None) => {
                Outcome::Declined(Reason::new(ReasonCode::AlreadyClosed, "too old to be opened once more"))
            }
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
        }
    }

    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.look(attempt).await
    }

    /// A page whose name was lost is looked for and not made once more.
    async fn peek(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let session = match &attempt.provider_ref {
            Some(id) => self.session(id).await,
            None => self.find(attempt.attempt_id, attempt.created_at_us).await,
        };
        self.standing(attempt, session)
    }

    async fn knows(&self, attempt: AttemptId) -> Outcome<bool> {
        self.find(attempt, find::made_at(attempt)).await.map(|session| session.is_some())
    }

    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.shut(attempt).await
    }

    async fn capture(&self, attempt: &Attempt, amount: Money) -> Outcome<PaymentSeen> {
        self.take(attempt, amount).await
    }

    async fn void(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.let_go(attempt).await
    }

    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        self.give_back(refund, attempt).await
    }

    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        self.look_for_refund(refund, attempt).await
    }

    async fn bill(&self, day: Day) -> Outcome<Bill> {
        self.balance_of(day).await
    }

    async fn verify_notification(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
        webhook::read(self, headers, body, now)
    }
}

#[cfg(test)]
mod tests;
