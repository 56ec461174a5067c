//! PayPal Orders v2 and Payments v2 for one merchant: the payer approves on the channel's own page, and we take the money.
//!
//! An approved order is not paid: the channel waits for our capture, so here the question where a payment stands also takes
//! what was approved (or sets it aside, `paypal/take.rs`), under an idempotency key of its own. There is no call that closes
//! an order: one that we closed is simply never captured, and that is kept in the attempt's row. Nothing here retries, except
//! once with a new access token when the old one was refused. Deliberately not here: our own records and the comparison of amounts with
//! them, which is [`super::desk`]'s.

mod begun;
mod bill;
pub(crate) mod sign;
mod standing;
mod take;
mod token;
pub(crate) mod webhook;
pub(crate) mod wire;

use super::{Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused, integrity};
use crate::{
    Clock,
    config::{ConfigError, PaypalConfig},
    defence::{Defence, off},
    http::{Answered, Http},
    reconcile::line::{Bill, Day, Midnight},
    store::{
        Store,
        attempts::Attempt,
        refunds::{Refund, Standing},
    },
};
use async_trait::async_trait;
use axum::http::{HeaderMap, Method};
use begun::is_about_us;
use serde::{Serialize, de::DeserializeOwned};
use sign::Certificates;
use standing::{Stand, captured, refund_seen, stand};
use std::sync::Arc;
use token::Tokens;
use url::Url;
use wire::{AuthorizationStatus, CaptureStatus, ErrorBody, Intent, Issue, OrderStatus};
use zhiyou_domain::{
    id::AttemptId,
    money::Money,
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{PaymentAction, PaymentState, Presentation},
    },
    time::UtcMicros,
};

/// The channel remembers a refund's key for 45 days; a repeat must come well before that.
const REPEAT_MAX_S: i64 = 40 * 24 * 3600;

/// The channel.
pub(crate) struct Paypal {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    page_bases: Vec<Url>,
    webhook_id: String,
    tokens: Tokens,
    certificates: Certificates,
    /// Where what was begun is kept.
    record: Option<Store>,
}

/// How an exchange ended.
enum Ending {
    /// A 2xx with this body.
    Taken(Vec<u8>),
    /// A definite no of the channel.
    Refused(Issue),
    NotSent(Reason),
    Unknown(Reason),
}

/// Money set aside, as far as it is known.
struct SetAside {
    id: String,
    total: Option<Money>,
}

impl Paypal {
    /// Reads the certificates' roots.
    pub(crate) fn new(config: &PaypalConfig, http: Http, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        Ok(Self {
            certificates: Certificates::new(config, http.clone())?,
            http,
            clock,
            base_url: config.base_url.clone(),
            page_bases: config.page_bases.clone(),
            webhook_id: config.webhook_id.clone(),
            tokens: Tokens::new(config),
            record: None,
        })
    }

    /// With the record without which nothing is taken or given back.
    pub(crate) fn recording(self, record: Store) -> Self {
        Self { record: Some(record), ..self }
    }

    async fn get(&self, path: &str) -> Ending {
        self.exchange(Method::GET, path, None, None).await
    }

    async fn post(&self, path: &str, request_id: &str, body: &impl Serialize) -> Ending {
        match serde_json::to_string(body) {
            Ok(text) => self.exchange(Method::POST, path, Some(request_id), Some(text)).await,
            Err(error) => Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, Word::named(&error))),
        }
    }

    /// Sends once; with a refused access token nothing was done, so once more with a new one and the same key.
    async fn exchange(&self, method: Method, path: &str, request_id: Option<&str>, body: Option<String>) -> Ending {
        let mut refused = None;
        loop {
            let now = self.clock.now();
            let token = match self.tokens.current(&self.http, &self.base_url, now, refused.as_ref()).await {
                Ok(token) => token,
                Err(reason) => return Ending::NotSent(reason),
            };
            let Some(request) = self.request(method.clone(), path, request_id, body.clone(), token.expose()) else {
                return Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be written"));
            };
            match self.http.send(request).await {
                Ok(answer) if answer.status == 401 && refused.is_none() => refused = Some(token),
                Ok(answer) => return judge(&answer),
                Err(failure) => {
                    return match Outcome::<()>::from(failure) {
                        Outcome::NotSent(reason) => Ending::NotSent(reason),
                        Outcome::Unknown(reason) | Outcome::Declined(reason) => Ending::Unknown(reason),
                        Outcome::Done(()) => Ending::Unknown(Reason::new(ReasonCode::Network, "no answer")),
                    };
                }
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        request_id: Option<&str>,
        body: Option<String>,
        token: &str,
    ) -> Option<reqwest::Request> {
        let url = self.base_url.join(path).ok()?;
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(token)
            .header("accept", "application/json")
            .header("prefer", "return=representation");
        if let Some(request_id) = request_id {
            request = request.header("paypal-request-id", request_id);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.build().ok()
    }

    /// Opens the order, or sees the one that was opened with the same key.
    async fn order(&self, attempt: &Attempt) -> Outcome<wire::Order> {
        let number = attempt.attempt_id.bare();
        let Some(amount) = wire::Amount::of(attempt.amount) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the channel cannot write this amount"));
        };
        let return_url = attempt.return_url();
        let body = wire::CreateOrder {
            intent: intent(attempt),
            purchase_units: [wire::NewUnit {
                custom_id: &number,
                invoice_id: &number,
                description: &attempt.description,
                amount,
            }],
            payment_source: wire::PaymentSource {
                paypal: wire::Wallet {
                    experience_context: wire::Experience {
                        return_url: &return_url,
                        cancel_url: &return_url,
                        shipping_preference: "NO_SHIPPING",
                        user_action: "PAY_NOW",
                        payment_method_preference: "IMMEDIATE_PAYMENT_REQUIRED",
                    },
                },
            },
        };
        let order = self.post("/v2/checkout/orders", &key(attempt, "order"), &body).await.outcome::<wire::Order>();
        match order {
            Outcome::Done(order) if !is_plain(&order.id) => integrity("an order without an id"),
            other => other,
        }
    }

    /// The order as it is now; none when the channel does not know it.
    async fn known(&self, id: &str) -> Outcome<Option<wire::Order>> {
        match self.get(&format!("/v2/checkout/orders/{id}")).await {
            Ending::Refused(Issue::InvalidResourceId) => Outcome::Done(None),
            other => match other.outcome::<wire::Order>() {
                Outcome::Done(order) if order.id == id => Outcome::Done(Some(order)),
                Outcome::Done(_) => integrity("the answer is about another order"),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// A dispute as it is now; none when the channel does not know it.
    pub(super) async fn dispute(&self, id: &str) -> Outcome<Option<wire::Dispute>> {
        if !is_plain(id) {
            return Outcome::Done(None);
        }
        match self.get(&format!("/v1/customer/disputes/{id}")).await {
            Ending::Refused(Issue::InvalidResourceId) => Outcome::Done(None),
            other => other.outcome::<wire::Dispute>().map(Some),
        }
    }

    /// Reads where the order stands and takes nothing.
    async fn look(&self, attempt: &Attempt, order_id: &str) -> Outcome<PaymentSeen> {
        match self.known(order_id).await {
            Outcome::Done(None) => Outcome::Done(PaymentSeen::bare(PaymentState::NotFound)),
            Outcome::Done(Some(order)) => match stand(attempt, &order, None) {
                Ok(Stand::Seen(seen)) => Outcome::Done(seen),
                Ok(Stand::Approved(total)) => {
                    let refused = self.is_refused(attempt, &order).await;
                    let state = if refused { PaymentState::RequiresAction } else { PaymentState::Processing };
                    Outcome::Done(PaymentSeen { total: Some(total), ..PaymentSeen::bare(state) })
                }
                Err(problem) => integrity(problem),
            },
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// What of the payment is set aside; a payment that stands anywhere else is told as it is. Only reads, so whatever goes
    /// wrong, the effect it is for was not sent.
    async fn set_aside(&self, attempt: &Attempt) -> Result<SetAside, Outcome<PaymentSeen>> {
        let Some(id) = attempt.provider_ref.as_deref().filter(|id| is_plain(id)) else {
            return Err(Outcome::Done(PaymentSeen::bare(PaymentState::Closed)));
        };
        let order = match self.known(id).await {
            Outcome::Done(Some(order)) => order,
            Outcome::Done(None) => return Err(Outcome::Done(PaymentSeen::bare(PaymentState::Closed))),
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => return Err(Outcome::NotSent(reason)),
            Outcome::Declined(reason) => return Err(Outcome::Declined(reason)),
        };
        match stand(attempt, &order, None).map_err(integrity)? {
            Stand::Seen(PaymentSeen { state: PaymentState::Authorised, transaction_id: Some(id), total, .. }) => {
                Ok(SetAside { id, total })
            }
            Stand::Seen(seen) => Err(Outcome::Done(seen)),
            Stand::Approved(total) => Err(Outcome::Done(PaymentSeen {
                total: Some(total),
                ..PaymentSeen::bare(PaymentState::RequiresAction)
            })),
        }
    }

    /// The page to open, if it is on a host of the channel.
    fn page(&self, order: &wire::Order) -> Option<String> {
        let link =
            ["payer-action", "approve"].iter().find_map(|rel| order.links.iter().find(|link| link.rel == *rel))?;
        let url: Url = link.href.parse().ok()?;
        let ours = self.page_bases.iter().any(|base| base.origin() == url.origin()) || off(Defence::PageHost);
        (ours && url.username().is_empty() && url.password().is_none()).then(|| url.to_string())
    }

    /// Whether the key of a refund is older than the channel keeps it.
    fn has_forgotten(&self, refund: &Refund) -> bool {
        self.clock.now() > refund.created_at_us.plus_seconds(REPEAT_MAX_S)
    }

    async fn ask_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let number = refund.refund_id.bare();
        let capture = attempt.transaction_id.as_deref().filter(|id| is_plain(id));
        let (Some(capture), Some(amount)) = (capture, wire::Amount::of(refund.amount)) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "there is no payment to give back"));
        };
        let body =
            wire::CreateRefund { amount, custom_id: &number, invoice_id: &number, note_to_payer: &refund.reason };
        let ending = self.post(&format!("/v2/payments/captures/{capture}/refund"), &number, &body).await;
        refund_seen(&number, attempt, ending)
    }
}

/// What a status means, and that every body that refuses is the channel's own.
fn judge(answer: &Answered) -> Ending {
    let fault = |word: Word| Ending::Unknown(Reason::new(ReasonCode::ProviderFault, word));
    match answer.status {
        200 | 201 | 204 => Ending::Taken(answer.body.clone()),
        429 => Ending::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
        // The same request is still under way, or met another one.
        409 => fault("409: a request before this one has no ending yet".into()),
        400..=499 => match serde_json::from_slice::<ErrorBody>(&answer.body) {
            Ok(error) => {
                let (issue, status) = (error.issue(), answer.status);
                tracing::info!(status, ?issue, debug_id = error.debug_id(), "the channel refused a request");
                Ending::Refused(issue)
            }
            // Somebody between us and the channel answered.
            Err(_) => fault(Word::from(answer.status).and("without the channel's error body")),
        },
        status => fault(Word::from("status").and(status)),
    }
}

impl Ending {
    /// Reads the body of a success; a body that is not what it should be leaves the outcome unknown.
    fn outcome<T: DeserializeOwned>(self) -> Outcome<T> {
        match self {
            Self::Taken(body) => serde_json::from_slice(&body).map_or_else(
                |error| Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
                Outcome::Done,
            ),
            Self::Refused(issue) => issue.ending(),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

/// The idempotency key of an operation on a payment: one payment does each operation once.
fn key(attempt: &Attempt, operation: &str) -> String {
    format!("{}-{operation}", attempt.attempt_id.bare())
}

const fn intent(attempt: &Attempt) -> Intent {
    if attempt.authorise { Intent::Authorize } else { Intent::Capture }
}

/// Whether an id of the channel can stand in a path.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[async_trait]
impl PaymentChannel for Paypal {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &wire::CURRENCIES,
            presents: Presentation::Redirect,
            authorises: true,
            opens_by_call: true,
            bounds: wire::bounds(),
            fee_bp: 440,
            refund_min: 5 * 24 * 60,
            description_bytes_max: 127,
            refund_reason_bytes_max: 255,
            midnight: Midnight::Utc,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt { content_type: "application/json", kept: "{}", refused: r#"{"error":"refused"}"# }
    }

    /// Tells the channel where its notifications shall go, unless it knows.
    ///
    /// # Errors
    /// Why it does not know yet; asking about payments gives the same result all the same.
    async fn register(&self, url: &str) -> Outcome<()> {
        let path = format!("/v1/notifications/webhooks/{}", self.webhook_id);
        let known = match self.get(&path).await.outcome::<wire::Webhook>() {
            Outcome::Done(webhook) => webhook,
            other => return other.map(|_| ()),
        };
        if known.url == url {
            return Outcome::Done(());
        }
        let change = serde_json::to_string(&[wire::Replace { op: "replace", path: "/url", value: url }]);
        let change = match change {
            Ok(change) => change,
            Err(error) => return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, Word::named(&error))),
        };
        match self.exchange(Method::PATCH, &path, None, Some(change)).await {
            Ending::Taken(_) => Outcome::Done(()),
            Ending::Refused(issue) => Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, Word::named(&issue))),
            Ending::NotSent(reason) => Outcome::NotSent(reason),
            Ending::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        match self.order(attempt).await {
            Outcome::Done(order) => match (self.page(&order), order.status) {
                (Some(url), _) => {
                    Outcome::Done(Opened { action: PaymentAction::Redirect { url }, provider_ref: Some(order.id) })
                }
                // Opened before and approved since: the page is used up, and only the question can go on. After a refused card
                // the payer chooses another way on it.
                (None, OrderStatus::Approved | OrderStatus::Completed) => {
                    match self.page_again(attempt, &order.id).await {
                        Some(url) => Outcome::Done(Opened {
                            action: PaymentAction::Redirect { url },
                            provider_ref: Some(order.id),
                        }),
                        None => Outcome::Unknown(Reason::new(
                            ReasonCode::ProviderFault,
                            "the payer has acted: ask where the payment stands",
                        )),
                    }
                }
                (
                    None,
                    OrderStatus::Created
                    | OrderStatus::Saved
                    | OrderStatus::PayerActionRequired
                    | OrderStatus::Voided
                    | OrderStatus::Unknown,
                ) => integrity("the page to open is not the channel's"),
            },
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// Where the payment stands, after what the payer approved was taken or set aside. A payment that is over for us, closed
    /// or refused, is only looked at.
    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let over = matches!(attempt.state, PaymentState::Closed | PaymentState::Failed);
        let order = match attempt.provider_ref.as_deref().filter(|id| is_plain(id)) {
            Some(id) => self.known(id).await,
            // Nobody was shown its page, so no money can be there.
            None if over => return Outcome::Done(PaymentSeen::bare(attempt.state)),
            None => match self.order(attempt).await {
                // What was opened is read like every other order.
                Outcome::Done(order) => self.known(&order.id).await,
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        };
        let order = match order {
            Outcome::Done(Some(order)) => order,
            Outcome::Done(None) => return Outcome::Done(PaymentSeen::bare(PaymentState::NotFound)),
            Outcome::NotSent(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return Outcome::Declined(reason),
            Outcome::Unknown(reason) => return Outcome::Unknown(reason),
        };
        match stand(attempt, &order, None) {
            Ok(Stand::Seen(seen)) => Outcome::Done(seen),
            Ok(Stand::Approved(total)) if total != attempt.amount => integrity("another amount was approved"),
            Ok(Stand::Approved(total)) if over => {
                Outcome::Done(PaymentSeen { total: Some(total), ..PaymentSeen::bare(attempt.state) })
            }
            Ok(Stand::Approved(total)) => self.take(attempt, &order, total).await,
            Err(problem) => integrity(problem),
        }
    }

    /// Takes nothing: what the payer approved is told as being worked on. An order whose name was lost cannot be asked about
    /// without opening it once more.
    async fn peek(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        match attempt.provider_ref.as_deref().filter(|id| is_plain(id)) {
            Some(id) => self.look(attempt, id).await,
            None => Outcome::Done(PaymentSeen::bare(attempt.state)),
        }
    }

    /// The channel finds nothing by our number. A payment it could hold money for was captured by us, and that is in a row.
    async fn knows(&self, _: AttemptId) -> Outcome<bool> {
        Outcome::Done(false)
    }

    /// There is no call for it: unless money came first, or may come, the payment counts as closed, and [`Self::query`] never
    /// captures one that does.
    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let Some(id) = attempt.provider_ref.as_deref().filter(|id| is_plain(id)) else {
            return Outcome::Done(PaymentSeen::bare(PaymentState::Closed));
        };
        let order = match self.known(id).await {
            Outcome::Done(Some(order)) => order,
            Outcome::Done(None) => return Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
            Outcome::NotSent(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return Outcome::Declined(reason),
            Outcome::Unknown(reason) => return Outcome::Unknown(reason),
        };
        let closed = |total| PaymentSeen { total, ..PaymentSeen::bare(PaymentState::Closed) };
        match stand(attempt, &order, None) {
            Ok(Stand::Approved(total)) => self.close_approved(attempt, &order, total).await,
            Ok(Stand::Seen(seen)) => match seen.state {
                PaymentState::RequiresAction | PaymentState::Failed | PaymentState::NotFound => {
                    Outcome::Done(closed(seen.total))
                }
                PaymentState::Captured | PaymentState::Authorised | PaymentState::Processing | PaymentState::Closed => {
                    Outcome::Done(seen)
                }
            },
            Err(problem) => integrity(problem),
        }
    }

    async fn capture(&self, attempt: &Attempt, amount: Money) -> Outcome<PaymentSeen> {
        let part = match self.set_aside(attempt).await {
            Ok(part) => part,
            Err(Outcome::Done(seen)) if seen.state == PaymentState::RequiresAction => {
                return Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "nothing is set aside yet"));
            }
            Err(ending) => return ending,
        };
        let Some(wanted) = wire::Amount::of(amount) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the channel cannot write this amount"));
        };
        let number = attempt.attempt_id.bare();
        let body = wire::TakePart { amount: wanted, invoice_id: &number, final_capture: true };
        let path = format!("/v2/payments/authorizations/{}/capture", part.id);
        let capture = match self.post(&path, &key(attempt, "take"), &body).await {
            Ending::Refused(Issue::AuthorizationAlreadyCaptured | Issue::AuthorizationVoided) => {
                return self.look(attempt, attempt.provider_ref.as_deref().unwrap_or_default()).await;
            }
            other => match other.outcome::<wire::Capture>() {
                Outcome::Done(capture) => capture,
                Outcome::NotSent(reason) => return Outcome::NotSent(reason),
                Outcome::Declined(reason) => return Outcome::Declined(reason),
                Outcome::Unknown(reason) => return Outcome::Unknown(reason),
            },
        };
        if capture.custom_id.as_ref().is_some_and(|other| *other != number) {
            return integrity("the answer is about another payment");
        }
        let bare = |state| Outcome::Done(PaymentSeen { total: part.total, ..PaymentSeen::bare(state) });
        match capture.status {
            CaptureStatus::Completed | CaptureStatus::PartiallyRefunded | CaptureStatus::Refunded => {
                captured(&capture, part.total.unwrap_or(attempt.amount)).map_or_else(integrity, Outcome::Done)
            }
            CaptureStatus::Pending | CaptureStatus::Unknown => bare(PaymentState::Processing),
            CaptureStatus::Declined | CaptureStatus::Failed => {
                Outcome::Declined(Reason::new(ReasonCode::PaymentDeclined, "the payer's bank refused"))
            }
        }
    }

    async fn void(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let part = match self.set_aside(attempt).await {
            Ok(part) => part,
            // Nothing was set aside: closed, it never will be; unless it was begun and turns out to be.
            Err(Outcome::Done(seen)) if seen.state == PaymentState::RequiresAction => match self.close(attempt).await {
                Outcome::Done(seen) if seen.state == PaymentState::Authorised => match self.set_aside(attempt).await {
                    Ok(part) => part,
                    Err(ending) => return ending,
                },
                ending => return ending,
            },
            Err(ending) => return ending,
        };
        let closed = || Outcome::Done(PaymentSeen { total: part.total, ..PaymentSeen::bare(PaymentState::Closed) });
        let path = format!("/v2/payments/authorizations/{}/void", part.id);
        // The one effect whose description knows no body.
        match self.exchange(Method::POST, &path, Some(&key(attempt, "void")), None).await {
            // Without an answer's body, or with the authorisation as it is now.
            Ending::Taken(body) if body.is_empty() => closed(),
            Ending::Taken(body) => match serde_json::from_slice::<wire::Authorization>(&body) {
                Ok(after) if after.id != part.id => integrity("the answer is about another payment"),
                Ok(after) if after.status == AuthorizationStatus::Voided => closed(),
                Ok(_) | Err(_) => Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "no word of the void")),
            },
            Ending::Refused(Issue::PreviouslyVoided | Issue::AuthorizationVoided) => closed(),
            Ending::Refused(Issue::PreviouslyCaptured | Issue::AuthorizationAlreadyCaptured) => {
                self.look(attempt, attempt.provider_ref.as_deref().unwrap_or_default()).await
            }
            other => other.outcome::<serde::de::IgnoredAny>().map(|_| PaymentSeen::bare(PaymentState::Processing)),
        }
    }

    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let before = match self.is_open(refund.refund_id).await {
            Ok(before) => before,
            Err(reason) => return Outcome::NotSent(reason),
        };
        if let Err(reason) = self.keep_open(refund.refund_id, true).await {
            return Outcome::NotSent(reason);
        }
        let answer = self.ask_refund(refund, attempt).await;
        self.ended(refund, before, &answer).await;
        answer
    }

    /// A refund whose answer was lost has no id to ask by: the same request with the same key tells what became of it, and is
    /// only sent while the channel still remembers the key, and never after a definite no: whoever wants it then asks for it
    /// once more.
    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        let number = refund.refund_id.bare();
        if let Some(id) = refund.provider_ref.as_deref().filter(|id| is_plain(id)) {
            return match self.get(&format!("/v2/payments/refunds/{id}")).await {
                Ending::Refused(Issue::InvalidResourceId) => Outcome::Done(None),
                other => refund_seen(&number, attempt, other).map(Some),
            };
        }
        if refund.state == Standing::Refused {
            return Outcome::Done(None);
        }
        match self.is_open(refund.refund_id).await {
            Ok(true) => {}
            Ok(false) => return Outcome::Done(None),
            Err(reason) => return Outcome::NotSent(reason),
        }
        if self.has_forgotten(refund) {
            return Outcome::Unknown(Reason::new(ReasonCode::NotFound, "too long ago to be asked for again safely"));
        }
        let answer = self.ask_refund(refund, attempt).await;
        self.ended(refund, true, &answer).await;
        match answer {
            Outcome::Declined(reason) => self.after_refusal(refund, attempt, &reason).await,
            other => other.map(Some),
        }
    }

    /// A key that was used answers with what it made, so a no means that nothing was made: unless it is about us, or the key is
    /// too old.
    async fn after_refusal(&self, refund: &Refund, attempt: &Attempt, why: &Reason) -> Outcome<Option<RefundSeen>> {
        if refund.provider_ref.is_some() {
            return self.query_refund(refund, attempt).await;
        }
        if is_about_us(why) || self.has_forgotten(refund) {
            return Outcome::Unknown(why.clone());
        }
        Outcome::Done(None)
    }

    async fn bill(&self, day: Day) -> Outcome<Bill> {
        self.transactions_of(day).await
    }

    async fn verify_notification(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
        webhook::read(self, headers, body, now).await
    }
}
