//! Alipay+ through Ant International (Antom) for one merchant: the payer pays on the channel's own page, in one of its wallets.
//!
//! Only an answer whose signature verifies over its own raw bytes is believed, refusals too. Nothing here retries. A result is
//! `S`, `F` or `U`: `U` is nobody's knowledge, but for the two codes that say "under way". There is one call that closes a
//! payment, and it does more: it gives back what was paid, at any time of the day, and what arrives after it. So closing asks
//! first and never touches a payment that is paid, and a notification only tells us to ask: one about a success can be older
//! than the cancellation that undid it. Deliberately not here: our own records and the comparison of amounts with them, which
//! is [`super::desk`]'s; the bills.

pub(crate) mod sign;
pub(crate) mod webhook;
pub(crate) mod wire;

use super::{Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused, integrity, rsa};
use crate::{
    Clock,
    config::{AlipayPlusConfig, ConfigError},
    defence::{Defence, off},
    http::{Answered, Http},
    reconcile::line::Midnight,
    store::{attempts::Attempt, refunds::Refund},
};
use async_trait::async_trait;
use aws_lc_rs::signature::ParsedPublicKey;
use axum::http::{HeaderMap, Method, header};
use serde::{Serialize, de::DeserializeOwned};
use sign::Claim;
use std::sync::Arc;
use url::Url;
use wire::{Amount, Code, Head, Status};
use zhiyou_domain::{
    id::AttemptId,
    money::Currency,
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{PaymentAction, PaymentState, Presentation, RefundState},
    },
    time::UtcMicros,
};

const PRODUCT: &str = "CASHIER_PAYMENT";
const TERMINAL: &str = "WEB";

/// The channel.
pub(crate) struct AlipayPlus {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    page_bases: Vec<Url>,
    client_id: String,
    payment_method: String,
    pays_out: Option<Currency>,
    signer: rsa::Signer,
    key: ParsedPublicKey,
    /// Path of the address notifications come to, which their signatures cover.
    notify_path: String,
}

/// The calls, by what they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Pay,
    InquiryPayment,
    Cancel,
    Refund,
    InquiryRefund,
}

impl Call {
    const fn path(self) -> &'static str {
        match self {
            Self::Pay => "/ams/api/v1/payments/pay",
            Self::InquiryPayment => "/ams/api/v1/payments/inquiryPayment",
            Self::Cancel => "/ams/api/v1/payments/cancel",
            Self::Refund => "/ams/api/v1/payments/refund",
            Self::InquiryRefund => "/ams/api/v1/payments/inquiryRefund",
        }
    }

    /// Whether it only asks.
    const fn is_question(self) -> bool {
        match self {
            Self::InquiryPayment | Self::InquiryRefund => true,
            Self::Pay | Self::Cancel | Self::Refund => false,
        }
    }
}

/// How an exchange ended.
enum Ending {
    /// A verified success with this body.
    Verified(Vec<u8>),
    /// A verified "under way" with this body.
    UnderWay(Code, Vec<u8>),
    /// A verified failure.
    Refused(Code),
    NotSent(Reason),
    Unknown(Reason),
}

impl AlipayPlus {
    /// Reads the keys. `public_path` is the path in front of the inbox, where a proxy has one.
    pub(crate) fn new(
        config: &AlipayPlusConfig,
        public_path: &str,
        http: Http,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let private = "alipayplus.merchant_private_key_pem";
        let signer = rsa::Signer::new(&config.merchant_private_key_pem, private)?;
        let own = signer.public().ok_or_else(|| ConfigError::new(private, "has no public half"))?;
        Ok(Self {
            http,
            clock,
            base_url: config.base_url.clone(),
            page_bases: config.page_bases.clone(),
            client_id: config.client_id.clone(),
            payment_method: config.payment_method.clone(),
            pays_out: None,
            key: rsa::channel_key(&config.alipay_public_key_pem, &own, "alipayplus.alipay_public_key_pem")?,
            signer,
            notify_path: format!("{}/notify/alipayplus", public_path.trim_end_matches('/')),
        })
    }

    /// What the channel is to pay out in: the currency the router reckons with.
    pub(crate) fn paying_out(self, pays_out: Option<Currency>) -> Self {
        Self { pays_out, ..self }
    }

    /// Signs what is sent, sends an effect once and a question as one, verifies the very bytes that came.
    async fn exchange(&self, call: Call, content: &impl Serialize) -> Ending {
        let Some(request) = self.request(call, content) else {
            return Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be signed"));
        };
        let answer = if call.is_question() { self.http.ask(request).await } else { self.http.send(request).await };
        match answer {
            Ok(answer) => self.judge(call, &answer),
            Err(failure) => match Outcome::<()>::from(failure) {
                Outcome::NotSent(reason) => Ending::NotSent(reason),
                Outcome::Unknown(reason) | Outcome::Declined(reason) => Ending::Unknown(reason),
                Outcome::Done(()) => Ending::Unknown(Reason::new(ReasonCode::Network, "no answer")),
            },
        }
    }

    fn request(&self, call: Call, content: &impl Serialize) -> Option<reqwest::Request> {
        let (path, time) = (call.path(), self.clock.now().to_rfc3339());
        let body = serde_json::to_string(content).ok()?;
        let signed = String::from_utf8(sign::content(path, &self.client_id, &time, body.as_bytes())).ok()?;
        let request = self
            .http
            .request(Method::POST, self.base_url.join(path).ok()?)
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .header(header::ACCEPT, "application/json")
            .header("client-id", &self.client_id)
            .header("request-time", time)
            .header("signature", sign::header(&self.signer.sign(&signed)?))
            .body(body);
        request.build().ok()
    }

    fn judge(&self, call: Call, answer: &Answered) -> Ending {
        let fault = |word: Word| Ending::Unknown(Reason::new(ReasonCode::ProviderFault, word));
        match answer.status {
            200 => {}
            429 => return Ending::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
            // Somebody between us and the channel answered, or the channel failed.
            status => return fault(Word::from("status").and(status)),
        }
        let Ok(Head { result }) = serde_json::from_slice(&answer.body) else {
            return fault("no answer of the channel".into());
        };
        let proved = Claim::read(&answer.headers, "response-time").and_then(|claim| {
            if claim.client_id != self.client_id {
                return Err(sign::ProofError::Header("client-id"));
            }
            claim.verify(&self.key, call.path(), &answer.body)
        });
        if let Err(error) = proved {
            tracing::error!(%error, "an answer of the payment channel is not authentic");
            return Ending::Unknown(Reason::new(ReasonCode::IntegrityFault, Word::named(&error)));
        }
        match (result.result_status, result.result_code) {
            (Status::S, _) => Ending::Verified(answer.body.clone()),
            (Status::U, code @ (Code::PaymentInProcess | Code::RefundInProcess)) => {
                Ending::UnderWay(code, answer.body.clone())
            }
            (Status::F, code) => {
                tracing::info!(?code, "the channel refused a request");
                Ending::Refused(code)
            }
            (Status::U | Status::Unknown, code) => fault(Word::named(&code)),
        }
    }

    /// Where the payment stands; none when the channel does not know it.
    async fn look(&self, attempt: AttemptId) -> Outcome<Option<PaymentSeen>> {
        let number = attempt.bare();
        match self.exchange(Call::InquiryPayment, &wire::Named { payment_request_id: &number }).await {
            Ending::Refused(Code::OrderNotExist) => Outcome::Done(None),
            other => match other.outcome::<wire::Payment>() {
                Outcome::Done(payment) if payment.payment_request_id != number => {
                    integrity("the answer is about another payment")
                }
                Outcome::Done(payment) => read(&payment).map_or_else(integrity, |seen| Outcome::Done(Some(seen))),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// Ends a payment that was not paid when we asked. Money that came since goes back to the payer as a whole: that too is a
    /// payment closed without money.
    async fn cancel(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let number = attempt.attempt_id.bare();
        match self.exchange(Call::Cancel, &wire::Named { payment_request_id: &number }).await {
            Ending::Refused(Code::OrderIsCanceled | Code::OrderIsClosed) => {
                Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
            }
            Ending::Refused(Code::OrderNotExist) => never_opened(attempt),
            // Too late in the day, or given back in part: the question tells, and what is still open is not closed.
            Ending::Refused(
                code @ (Code::CancelWindowExceed | Code::CancelNotAllowed | Code::OrderStatusInvalid | Code::Unknown),
            ) => match self.query(attempt).await {
                Outcome::Done(PaymentSeen {
                    state: PaymentState::RequiresAction | PaymentState::Processing | PaymentState::NotFound,
                    ..
                }) => code.ending(),
                other => other,
            },
            other => match other.outcome::<wire::Cancelled>() {
                Outcome::Done(done) if done.payment_request_id.as_ref().is_some_and(|other| *other != number) => {
                    integrity("the answer is about another payment")
                }
                Outcome::Done(_) => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// The page to open, if it is on a host of the channel.
    fn page(&self, address: &str) -> Option<String> {
        let url: Url = address.parse().ok()?;
        let ours = self.page_bases.iter().any(|base| base.origin() == url.origin()) || off(Defence::PageHost);
        (ours && url.username().is_empty() && url.password().is_none()).then(|| url.to_string())
    }

    fn opened(&self, attempt: &Attempt, paid: wire::Paid) -> Outcome<Opened> {
        if paid.payment_request_id != attempt.attempt_id.bare() || !is_plain(&paid.payment_id) {
            return integrity("the answer is about another payment");
        }
        if paid.payment_amount.is_some_and(|amount| amount != Amount::of(attempt.amount)) {
            return integrity("another amount was opened");
        }
        match paid.normal_url.as_deref().and_then(|address| self.page(address)) {
            Some(url) => {
                Outcome::Done(Opened { action: PaymentAction::Redirect { url }, provider_ref: Some(paid.payment_id) })
            }
            None => integrity("the page to open is not the channel's"),
        }
    }
}

/// What closing a payment comes to that the channel does not know. Nobody was shown a page of one whose opening was not
/// answered, so nobody can pay it; one that was opened cannot be forgotten.
fn never_opened(attempt: &Attempt) -> Outcome<PaymentSeen> {
    match &attempt.provider_ref {
        None => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
        Some(_) => integrity("the channel forgot a payment"),
    }
}

impl Ending {
    /// Reads the body of a success; a verified body that is not what it should be leaves the outcome unknown, and so does what
    /// is under way where nothing was asked for that can be.
    fn outcome<T: DeserializeOwned>(self) -> Outcome<T> {
        match self {
            Self::Verified(body) => serde_json::from_slice(&body).map_or_else(
                |error| Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
                Outcome::Done,
            ),
            Self::UnderWay(code, _) => {
                Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&code).and("of something else")))
            }
            Self::Refused(code) => code.ending(),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

/// Whether an id of the channel is one.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Translates the state, the amount and the time.
fn read(payment: &wire::Payment) -> Result<PaymentSeen, &'static str> {
    let total = payment.payment_amount.as_ref().map(Amount::money).transpose()?;
    let state = payment.payment_status.ours(payment.payment_result_code);
    if state != PaymentState::Captured {
        return Ok(PaymentSeen { total, ..PaymentSeen::bare(state) });
    }
    let transaction_id = payment.payment_id.clone().filter(|id| is_plain(id));
    if total.is_none() || transaction_id.is_none() {
        return Err("paid without an amount or a number");
    }
    let paid_at_us = payment.payment_time.as_deref().map(UtcMicros::parse_rfc3339).transpose();
    let paid_at_us = paid_at_us.map_err(|_| "an unreadable time")?;
    Ok(PaymentSeen { state, transaction_id, total, taken: None, paid_at_us })
}

/// The number of the payment that a refund has to name: the channel's own.
fn payment_id(attempt: &Attempt) -> Option<&str> {
    attempt.transaction_id.as_deref().or(attempt.provider_ref.as_deref()).filter(|id| is_plain(id))
}

/// A refund as it stands; the total is in no answer, so ours stands in.
fn refund_seen(
    state: RefundState,
    amount: Option<&Amount>,
    id: Option<String>,
    attempt: &Attempt,
) -> Result<RefundSeen, &'static str> {
    Ok(RefundSeen {
        state,
        payment_number: attempt.attempt_id.bare(),
        amount: amount.ok_or("a refund without an amount")?.money()?,
        total: attempt.amount,
        provider_ref: id,
    })
}

#[async_trait]
impl PaymentChannel for AlipayPlus {
    /// Fee and time of a refund are those of a usual contract, from memory: no page of the channel promises them.
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &wire::CURRENCIES,
            presents: Presentation::Redirect,
            authorises: false,
            opens_by_call: true,
            bounds: &[],
            fee_bp: 260,
            refund_min: 24 * 60,
            description_bytes_max: 256,
            refund_reason_bytes_max: 256,
            midnight: Midnight::Beijing,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            content_type: "application/json",
            kept: r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#,
            refused: r#"{"result":{"resultCode":"PROCESS_FAIL","resultStatus":"F","resultMessage":"failure"}}"#,
        }
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        let number = attempt.attempt_id.bare();
        let (amount, return_url) = (Amount::of(attempt.amount), attempt.return_url());
        let body = wire::Pay {
            product_code: PRODUCT,
            payment_request_id: &number,
            payment_amount: &amount,
            payment_method: wire::PaymentMethod { payment_method_type: &self.payment_method },
            order: wire::Order {
                reference_order_id: &number,
                order_description: &attempt.description,
                order_amount: &amount,
                buyer: wire::Buyer { reference_buyer_id: &number },
            },
            env: wire::Env { terminal_type: TERMINAL },
            payment_expiry_time: &attempt.expires_at_us.to_rfc3339(),
            payment_redirect_url: &return_url,
            payment_notify_url: &attempt.notify_url,
            settlement_strategy: self
                .pays_out
                .as_ref()
                .map(|currency| wire::Settlement { settlement_currency: currency.code() }),
        };
        let answer = match self.exchange(Call::Pay, &body).await {
            Ending::UnderWay(Code::PaymentInProcess, body) => Ending::Verified(body),
            // The same request again answers with the end of the first one, and only the question can go on.
            Ending::Verified(_) => {
                let text = "the payment has an end: ask where it stands";
                return Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, text));
            }
            other => other,
        };
        match answer.outcome::<wire::Paid>() {
            Outcome::Done(paid) => self.opened(attempt, paid),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let seen = self.look(attempt.attempt_id).await;
        seen.map(|seen| seen.unwrap_or(PaymentSeen::bare(PaymentState::NotFound)))
    }

    async fn knows(&self, attempt: AttemptId) -> Outcome<bool> {
        self.look(attempt).await.map(|seen| seen.is_some())
    }

    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        if attempt.state == PaymentState::Captured {
            return self.query(attempt).await;
        }
        let seen = match self.look(attempt.attempt_id).await {
            Outcome::Done(seen) => seen,
            Outcome::NotSent(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return Outcome::Declined(reason),
            Outcome::Unknown(reason) => return Outcome::Unknown(reason),
        };
        match seen.as_ref().map(|seen| seen.state) {
            // What is not known there may still be on its way there: cancelled too.
            None
            | Some(
                PaymentState::NotFound | PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed,
            ) => self.cancel(attempt).await,
            // This channel never sets money aside.
            Some(PaymentState::Captured | PaymentState::Authorised | PaymentState::Closed) => {
                Outcome::Done(seen.unwrap_or(PaymentSeen::bare(PaymentState::Closed)))
            }
        }
    }

    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let Some(payment_id) = payment_id(attempt) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "there is no payment to give back"));
        };
        let (number, amount) = (refund.refund_id.bare(), Amount::of(refund.amount));
        let body = wire::CreateRefund {
            refund_request_id: &number,
            payment_id,
            refund_amount: &amount,
            refund_reason: &refund.reason,
            refund_notify_url: &refund.notify_url,
        };
        let (state, answer) = match self.exchange(Call::Refund, &body).await {
            Ending::UnderWay(_, body) => (RefundState::Pending, Ending::Verified(body)),
            other => (RefundState::Succeeded, other),
        };
        match answer.outcome::<wire::Refunded>() {
            Outcome::Done(done) => {
                let other = |said: &Option<String>, ours: &str| said.as_deref().is_some_and(|said| said != ours);
                if other(&done.refund_request_id, &number) || other(&done.payment_id, payment_id) {
                    return integrity("the answer is about another refund");
                }
                // While it is under way the answer need not say how much.
                let amount = match (&done.refund_amount, state) {
                    (None, RefundState::Pending) => Some(&amount),
                    (said, _) => said.as_ref(),
                };
                refund_seen(state, amount, done.refund_id, attempt).map_or_else(integrity, Outcome::Done)
            }
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        let number = refund.refund_id.bare();
        match self.exchange(Call::InquiryRefund, &wire::QueryRefund { refund_request_id: &number }).await {
            Ending::Refused(Code::RefundNotExist | Code::OrderNotExist) => Outcome::Done(None),
            other => match other.outcome::<wire::RefundFound>() {
                Outcome::Done(found) if found.refund_request_id.as_deref() != Some(&number) => {
                    integrity("the answer is about another refund")
                }
                Outcome::Done(found) => {
                    let amount = found.refund_amount.as_ref();
                    refund_seen(found.refund_status.ours(), amount, found.refund_id, attempt)
                        .map_or_else(integrity, |seen| Outcome::Done(Some(seen)))
                }
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// They are files on a server of their own.
    fn has_bills(&self) -> bool {
        false
    }

    async fn verify_notification(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
        webhook::read(self, headers, body, now)
    }
}

#[cfg(test)]
mod tests;
