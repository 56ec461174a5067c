//! Alipay's OpenAPI, payments of one merchant by code, on the channel's page or by its SDK.
//!
//! Only an answer whose signature verifies over its own raw text is believed, refusals too. Nothing here retries. The trade
//! comes into being when the payer scans: until then the channel knows nothing it could show or close, and the code can still
//! be paid. Deliberately not here: our own records and the comparison of amounts with them, which is [`super::desk`]'s.

mod archive;
mod bill;
mod chain;
pub(crate) mod request;
pub(crate) mod sign;
pub(crate) mod webhook;
pub(crate) mod wire;

use super::{Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused, integrity};
use crate::{
    Clock,
    config::{AlipayConfig, AlipayPresents, ConfigError},
    defence::{Defence, off},
    http::{Answered, Http},
    reconcile::line::{Bill, Day, Midnight},
    store::{attempts::Attempt, refunds::Refund},
};
use async_trait::async_trait;
use axum::http::{HeaderMap, Method, header};
use request::{Page, Signed};
use serde::{Serialize, de::DeserializeOwned};
use sign::{Cut, Keys, Signer};
use std::sync::Arc;
use url::Url;
use wire::{Head, Refusal};
use zhiyou_domain::{
    id::AttemptId,
    money::Currency,
    port::{
        Outcome, Reason, ReasonCode, Word,
        payments::{PaymentAction, PaymentState, Presentation, RefundState},
    },
    time::UtcMicros,
};

/// Only such a text is shown as a QR code.
const CODE_PREFIX: &str = "https://qr.alipay.com/";
const CODE_PRODUCT: &str = "QR_CODE_OFFLINE";
/// What the row of an opened payment keeps when there is no code.
const PAGE_SHOWN: &str = "page";
/// The channel ends a code by its own clock; ours may be ahead of it by less than this, seconds.
const CLOCKS_APART_S: i64 = 60;

/// The channel.
pub(crate) struct Alipay {
    http: Http,
    clock: Arc<dyn Clock>,
    gateway: Url,
    app_id: String,
    seller_id: String,
    signer: Signer,
    keys: Keys,
    presents: AlipayPresents,
}

/// How an exchange ended.
enum Ending {
    /// A verified success with this text.
    Verified(String),
    /// A verified refusal.
    Refused(Refusal, Head),
    NotSent(Reason),
    Unknown(Reason),
}

/// Whether a call only asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Question,
    Effect,
}

impl Alipay {
    /// Reads keys and certificates.
    pub(crate) fn new(config: &AlipayConfig, http: Http, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let signer = Signer::new(&config.app_private_key_pem, "alipay.app_private_key_pem")?;
        let gateway = config.base_url.join("/gateway.do");
        Ok(Self {
            http,
            clock,
            gateway: gateway.map_err(|_| ConfigError::new("alipay.base_url", "is not an address"))?,
            app_id: config.app_id.clone(),
            seller_id: config.seller_id.clone(),
            keys: Keys::new(&config.keys, &signer)?,
            signer,
            presents: config.presents,
        })
    }

    async fn ask(&self, method: &'static str, content: &impl Serialize) -> Ending {
        self.exchange(Kind::Question, method, content, "").await
    }

    async fn act(&self, method: &'static str, content: &impl Serialize, notify_url: &str) -> Ending {
        self.exchange(Kind::Effect, method, content, notify_url).await
    }

    /// Signs what is sent, sends an effect once and a question as one, verifies the very text that came.
    async fn exchange(&self, kind: Kind, method: &'static str, content: &impl Serialize, notify_url: &str) -> Ending {
        let Some(request) = self.request(method, content, notify_url) else {
            return Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be signed"));
        };
        let answer = match kind {
            Kind::Question => self.http.ask(request).await,
            Kind::Effect => self.http.send(request).await,
        };
        match answer {
            Ok(answer) => self.judge(method, &answer),
            Err(failure) => match Outcome::<()>::from(failure) {
                Outcome::NotSent(reason) => Ending::NotSent(reason),
                Outcome::Unknown(reason) | Outcome::Declined(reason) => Ending::Unknown(reason),
                Outcome::Done(()) => Ending::Unknown(Reason::new(ReasonCode::Network, "no answer")),
            },
        }
    }

    fn request(&self, method: &'static str, content: &impl Serialize, notify_url: &str) -> Option<reqwest::Request> {
        let signed = self.signed(method, content, notify_url, "", self.clock.now())?;
        let (url, form) = signed.call(&self.gateway);
        let request = self
            .http
            .request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=utf-8")
            .header(header::ACCEPT, "application/json")
            .body(form);
        request.build().ok()
    }

    fn signed(
        &self,
        method: &'static str,
        content: &impl Serialize,
        notify_url: &str,
        return_url: &str,
        at: UtcMicros,
    ) -> Option<Signed> {
        let given = [
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("timestamp", wire::beijing(at).ok()?),
            ("notify_url", notify_url.to_owned()),
            ("return_url", return_url.to_owned()),
            ("biz_content", serde_json::to_string(content).ok()?),
        ];
        Signed::new(&self.signer, self.keys.serials(), given)
    }

    fn judge(&self, method: &str, answer: &Answered) -> Ending {
        let fault = |word: Word| Ending::Unknown(Reason::new(ReasonCode::ProviderFault, word));
        match answer.status {
            200 => {}
            429 => return Ending::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
            // Somebody between us and the channel answered, or the channel failed.
            status => return fault(Word::from("status").and(status)),
        }
        let key = format!("{}_response", method.replace('.', "_"));
        let Some(cut) = Cut::of(&answer.body, &key) else { return fault("no answer to this question".into()) };
        let text = match cut.proved(&self.keys, self.clock.now()) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "an answer of the payment channel is not authentic");
                return Ending::Unknown(Reason::new(ReasonCode::IntegrityFault, Word::named(&error)));
            }
        };
        let head: Head = match serde_json::from_str(text) {
            Ok(head) => head,
            Err(error) => return fault(Word::named(&error)),
        };
        match head.code.as_str() {
            "10000" => Ending::Verified(text.to_owned()),
            "20001" | "40001" | "40002" | "40004" | "40005" | "40006" => Ending::Refused(Refusal::of(&head), head),
            // Among them 20000, "service unavailable", and 10003, "in process".
            _ => fault(Word::said(&head.code).and(Word::said(&head.sub_code))),
        }
    }

    /// Where the trade stands; none when there is no such trade.
    async fn look(&self, attempt: AttemptId, seen_paid: bool) -> Outcome<Option<PaymentSeen>> {
        let number = attempt.bare();
        match self.ask("alipay.trade.query", &wire::Named { out_trade_no: &number }).await {
            Ending::Refused(Refusal::TradeNotExist, _) => Outcome::Done(None),
            other => match other.outcome::<wire::Trade>() {
                Outcome::Done(trade) if trade.out_trade_no != number => {
                    integrity("the answer is about another payment")
                }
                Outcome::Done(trade) => read(trade, seen_paid).map_or_else(integrity, |seen| Outcome::Done(Some(seen))),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// A payment without a trade: nobody has scanned yet, and after its time nobody can any more.
    fn unscanned(&self, attempt: &Attempt) -> PaymentState {
        if self.is_over(attempt) { PaymentState::Closed } else { PaymentState::RequiresAction }
    }

    fn is_over(&self, attempt: &Attempt) -> bool {
        self.clock.now() >= attempt.expires_at_us.plus_seconds(CLOCKS_APART_S)
    }

    async fn close_open(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let number = attempt.attempt_id.bare();
        match self.act("alipay.trade.close", &wire::Named { out_trade_no: &number }, "").await {
            Ending::Refused(Refusal::TradeClosed, _) => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
            // Money was faster, or somebody else closed it.
            Ending::Refused(Refusal::TradePaid | Refusal::TradeFinished | Refusal::TradeStatus, _) => {
                self.query(attempt).await
            }
            Ending::Refused(Refusal::TradeNotExist, _) => self.still_payable(attempt),
            other => match other.outcome::<wire::Closed>() {
                Outcome::Done(closed) if closed.out_trade_no != number => {
                    integrity("the answer is about another payment")
                }
                Outcome::Done(_) => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    /// What closing a payment without a trade comes to. The channel refuses, and who has the code may still pay: it is not
    /// closed before its time is over, and whoever asked has to ask again.
    fn still_payable(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        if self.is_over(attempt) {
            return Outcome::Done(PaymentSeen::bare(PaymentState::Closed));
        }
        Outcome::Declined(Reason::new(
            ReasonCode::NotAllowed,
            "nobody has scanned the code: it cannot be closed before its time is over",
        ))
    }

    /// Takes back a payment whose opening nobody knows the outcome of. The channel gives money back with it, so it is only for
    /// a payment whose code we never handed out: there is none.
    async fn cancel(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let number = attempt.attempt_id.bare();
        match self.act("alipay.trade.cancel", &wire::Named { out_trade_no: &number }, "").await {
            Ending::Refused(Refusal::TradeNotExist, _) => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
            other => match other.outcome::<wire::Cancelled>() {
                Outcome::Done(answer) if answer.out_trade_no != number => {
                    integrity("the answer is about another payment")
                }
                Outcome::Done(answer) if answer.retry_flag != "N" => {
                    Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "the channel wants to be asked again"))
                }
                Outcome::Done(answer) => match answer.action.as_deref() {
                    // Without an action there was no trade.
                    None | Some("" | "close") => Outcome::Done(PaymentSeen::bare(PaymentState::Closed)),
                    Some(_) => integrity("money was given back of a payment whose code nobody had"),
                },
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    async fn show_code(&self, attempt: &Attempt, content: &wire::Pay<'_>) -> Outcome<Opened> {
        let number = attempt.attempt_id.bare();
        let ending = self.act("alipay.trade.precreate", content, &attempt.notify_url).await;
        match ending.outcome::<wire::Created>() {
            Outcome::Done(created) if created.out_trade_no != number => {
                integrity("the answer is about another payment")
            }
            Outcome::Done(created) if created.qr_code.starts_with(CODE_PREFIX) || off(Defence::CodeHost) => {
                Outcome::Done(Opened {
                    provider_ref: Some(created.qr_code.clone()),
                    action: PaymentAction::Qr { content: created.qr_code },
                })
            }
            Outcome::Done(_) => integrity("the code to scan is not a payment code"),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// What leads to the channel's page, or its app, is made here, without a call; the same payment has the same.
    fn show_page(&self, attempt: &Attempt, page: Page, content: &wire::Pay<'_>) -> Outcome<Opened> {
        let (method, at) = (page.words().0, attempt.created_at_us);
        let signed = |return_url: &str| self.signed(method, content, &attempt.notify_url, return_url, at);
        let action = match page {
            Page::Desktop | Page::Phone => signed(&attempt.return_url())
                .map(|signed| PaymentAction::Redirect { url: signed.address(&self.gateway) }),
            // The SDK comes back to the app that called it.
            Page::App => signed("").map(|signed| PaymentAction::App { parameters: signed.text() }),
        };
        match action {
            Some(action) => Outcome::Done(Opened { action, provider_ref: Some(PAGE_SHOWN.to_owned()) }),
            None => Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be signed")),
        }
    }

    const fn page(&self) -> Option<Page> {
        match self.presents {
            AlipayPresents::Qr => None,
            AlipayPresents::Page => Some(Page::Desktop),
            AlipayPresents::PhonePage => Some(Page::Phone),
            AlipayPresents::App => Some(Page::App),
        }
    }

    /// The refund was accepted; did this request, or an earlier one with the same number, move the money?
    async fn refunded(&self, answer: &wire::Refunded, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        if answer.out_trade_no != attempt.attempt_id.bare() {
            return integrity("the answer is about another payment");
        }
        if answer.fund_change.as_deref() != Some("Y") {
            return match self.query_refund(refund, attempt).await {
                Outcome::Done(Some(found)) => Outcome::Done(found),
                // Accepted, and not there: the page of the question says to ask for it again under the same number.
                Outcome::Done(None) => Outcome::Unknown(Reason::new(
                    ReasonCode::ProviderFault,
                    "accepted, and nothing is found under its number",
                )),
                // The refund itself was sent, whatever became of the question.
                Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
                    Outcome::Unknown(reason)
                }
            };
        }
        let so_far = match wire::money(&answer.refund_fee) {
            Ok(so_far) => so_far,
            Err(problem) => return integrity(problem),
        };
        if so_far.exceeds(attempt.amount) != Ok(false) || refund.amount.exceeds(so_far) != Ok(false) {
            return integrity("what was given back does not fit");
        }
        Outcome::Done(RefundSeen {
            state: RefundState::Succeeded,
            payment_number: answer.out_trade_no.clone(),
            amount: refund.amount,
            total: attempt.amount,
            provider_ref: None,
        })
    }
}

impl Ending {
    /// Reads the text of a success; a verified text that is not what it should be leaves the outcome unknown.
    fn outcome<T: DeserializeOwned>(self) -> Outcome<T> {
        match self {
            Self::Verified(text) => serde_json::from_str(&text).map_or_else(
                |error| Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
                Outcome::Done,
            ),
            Self::Refused(refusal, head) => refusal.ending(&head),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

/// Translates the state, the amount and the time.
fn read(trade: wire::Trade, seen_paid: bool) -> Result<PaymentSeen, &'static str> {
    let total = trade.total_amount.as_deref().map(wire::money).transpose()?;
    let state = wire::state(&trade.trade_status, seen_paid);
    if state == PaymentState::Captured && (total.is_none() || trade.trade_no.is_none()) {
        return Err("paid without an amount or a number");
    }
    let paid_at_us = trade.send_pay_date.as_deref().map(wire::instant).transpose()?;
    Ok(PaymentSeen { state, transaction_id: trade.trade_no, total, taken: None, paid_at_us })
}

#[async_trait]
impl PaymentChannel for Alipay {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &[Currency::CNY],
            presents: match self.presents {
                AlipayPresents::Qr => Presentation::Qr,
                AlipayPresents::Page | AlipayPresents::PhonePage => Presentation::Redirect,
                AlipayPresents::App => Presentation::App,
            },
            authorises: false,
            opens_by_call: self.page().is_none(),
            bounds: &[],
            fee_bp: 60,
            refund_min: 5,
            description_bytes_max: 256,
            refund_reason_bytes_max: 256,
            midnight: Midnight::Beijing,
        }
    }

    fn receipt(&self) -> Receipt {
        // Exactly these seven bytes, or it comes again.
        let kept = if off(Defence::ExactAnswer) { "success\n" } else { "success" };
        Receipt { content_type: "text/plain", kept, refused: "fail" }
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        let Ok(time_expire) = wire::beijing(attempt.expires_at_us) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the last moment to pay is out of range"));
        };
        let page = self.page();
        let content = wire::Pay {
            out_trade_no: &attempt.attempt_id.bare(),
            total_amount: &wire::yuan(attempt.amount),
            subject: &attempt.description,
            product_code: page.map_or(CODE_PRODUCT, |page| page.words().1),
            time_expire: &time_expire,
            extend_params: attempt
                .instalments
                .map(|count| wire::ExtendParams { hb_fq_num: count.to_string(), hb_fq_seller_percent: "0" }),
        };
        match page {
            None => self.show_code(attempt, &content).await,
            Some(page) => self.show_page(attempt, page, &content),
        }
    }

    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let seen = self.look(attempt.attempt_id, attempt.state == PaymentState::Captured).await;
        seen.map(|seen| seen.unwrap_or_else(|| PaymentSeen::bare(self.unscanned(attempt))))
    }

    async fn knows(&self, attempt: AttemptId) -> Outcome<bool> {
        self.look(attempt, false).await.map(|seen| seen.is_some())
    }

    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let seen = match self.look(attempt.attempt_id, attempt.state == PaymentState::Captured).await {
            Outcome::Done(Some(seen)) => seen,
            Outcome::Done(None) if attempt.provider_ref.is_none() => return self.cancel(attempt).await,
            Outcome::Done(None) if self.is_over(attempt) => return self.still_payable(attempt),
            // It has been seen to stop a later scan all the same, but that is promised nowhere.
            Outcome::Done(None) => return self.close_open(attempt).await,
            Outcome::NotSent(reason) => return Outcome::NotSent(reason),
            Outcome::Declined(reason) => return Outcome::Declined(reason),
            Outcome::Unknown(reason) => return Outcome::Unknown(reason),
        };
        match seen.state {
            PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed => {
                self.close_open(attempt).await
            }
            // This channel never sets money aside.
            PaymentState::Captured | PaymentState::Authorised | PaymentState::Closed | PaymentState::NotFound => {
                Outcome::Done(seen)
            }
        }
    }

    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let content = wire::CreateRefund {
            out_trade_no: &attempt.attempt_id.bare(),
            out_request_no: &refund.refund_id.bare(),
            refund_amount: &wire::yuan(refund.amount),
            refund_reason: &refund.reason,
        };
        match self.act("alipay.trade.refund", &content, "").await.outcome::<wire::Refunded>() {
            Outcome::Done(answer) => self.refunded(&answer, refund, attempt).await,
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        let (payment, number) = (attempt.attempt_id.bare(), refund.refund_id.bare());
        let content = wire::QueryRefund { out_trade_no: &payment, out_request_no: &number };
        match self.ask("alipay.trade.fastpay.refund.query", &content).await {
            Ending::Refused(Refusal::TradeNotExist, _) => Outcome::Done(None),
            other => match other.outcome::<wire::RefundFound>() {
                Outcome::Done(found) => refund_found(&found, &number).map_or_else(integrity, Outcome::Done),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    async fn bill(&self, day: Day) -> Outcome<Bill> {
        self.trade_bill(day).await
    }

    async fn verify_notification(&self, _: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
        webhook::read(self, body, now)
    }
}

/// Success of the question alone says nothing: without an amount there is no such refund, and without the word for success it
/// is not known to have arrived.
fn refund_found(found: &wire::RefundFound, number: &str) -> Result<Option<RefundSeen>, &'static str> {
    let Some(amount) = found.refund_amount.as_deref() else {
        return if found.refund_status.is_none() { Ok(None) } else { Err("a refund without an amount") };
    };
    if found.out_request_no.as_deref() != Some(number) {
        return Err("the answer is about another refund");
    }
    Ok(Some(RefundSeen {
        state: match found.refund_status.as_deref() {
            Some("REFUND_SUCCESS") => RefundState::Succeeded,
            Some(_) | None => RefundState::Pending,
        },
        payment_number: found.out_trade_no.clone().ok_or("a refund of no payment")?,
        amount: wire::money(amount)?,
        total: wire::money(found.total_amount.as_deref().unwrap_or_default())?,
        provider_ref: None,
    }))
}

#[cfg(test)]
mod tests;
