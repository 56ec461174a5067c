//! WeChat Pay API v3, payments of a direct merchant: by code, on the page for phones, inside of WeChat and by its SDK.
//!
//! Only a verified 2xx is believed; an error body may be unsigned. Nothing here retries. Deliberately not here: our own
//! records and the comparison of amounts with them, which is [`super::desk`]'s.

mod bill;
pub(crate) mod certificates;
mod presents;
pub(crate) mod sign;
pub(crate) mod webhook;
pub(crate) mod wire;

use super::{Capabilities, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused, integrity};
use crate::{
    Clock,
    config::{ConfigError, WechatConfig, WechatPresents},
    defence::{Defence, off},
    http::{Answered, Http},
    reconcile::line::{Bill, Day, Midnight},
    secret::Sensitive,
    store::{attempts::Attempt, refunds::Refund},
};
use async_trait::async_trait;
use axum::http::{HeaderMap, Method};
use certificates::{Known, Patience};
use serde::{Serialize, de::DeserializeOwned};
use sign::{PlatformKeys, Signer};
use std::sync::Arc;
use url::Url;
use wire::{ErrorBody, ErrorCode};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{Outcome, Reason, ReasonCode, Word, payments::PaymentState},
    time::{TimeError, UtcMicros},
};

const CNY: &str = "CNY";

/// The channel.
pub(crate) struct Wechatpay {
    http: Http,
    clock: Arc<dyn Clock>,
    base_url: Url,
    appid: String,
    mchid: String,
    apiv3_key: Sensitive<String>,
    signer: Signer,
    keys: Known,
    /// The public key the channel shall sign its answers with; with certificates it takes the one of the day.
    wanted_key: Option<String>,
    presents: WechatPresents,
}

/// How an exchange ended.
enum Ending {
    /// A verified 2xx with this body.
    Verified(Vec<u8>),
    /// An error of the channel.
    Refused(ErrorCode),
    NotSent(Reason),
    Unknown(Reason),
}

impl Wechatpay {
    /// Reads keys and certificates.
    pub(crate) fn new(config: &WechatConfig, http: Http, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let first =
            config.platform_keys.first().ok_or_else(|| ConfigError::new("wechatpay.platform_keys", "is empty"))?;
        let keys = Known::new(PlatformKeys::new(&config.platform_keys)?, clock.now());
        Ok(Self {
            http,
            clock,
            base_url: config.base_url.clone(),
            appid: config.appid.clone(),
            mchid: config.mchid.clone(),
            apiv3_key: config.apiv3_key.clone(),
            signer: Signer::new(&config.merchant_private_key_pem, &config.mchid, &config.merchant_serial)?,
            keys,
            wanted_key: first.serial.starts_with("PUB_KEY_ID_").then(|| first.serial.clone()),
            presents: config.presents.clone(),
        })
    }

    async fn get(&self, path: &str) -> Ending {
        self.exchange(Method::GET, path, String::new()).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Ending {
        match serde_json::to_string(body) {
            Ok(text) => self.exchange(Method::POST, path, text).await,
            Err(error) => Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, Word::named(&error))),
        }
    }

    /// Signs the very bytes that are sent, sends once, verifies the very bytes that came.
    async fn exchange(&self, method: Method, path: &str, body: String) -> Ending {
        let Some(request) = self.request(method, path, body) else {
            return Ending::NotSent(Reason::new(ReasonCode::InvalidRequest, "the request could not be signed"));
        };
        match self.http.send(request).await {
            Ok(answer) => self.judge(answer).await,
            Err(failure) => match Outcome::<()>::from(failure) {
                Outcome::NotSent(reason) => Ending::NotSent(reason),
                Outcome::Unknown(reason) | Outcome::Declined(reason) => Ending::Unknown(reason),
                Outcome::Done(()) => Ending::Unknown(Reason::new(ReasonCode::Network, "no answer")),
            },
        }
    }

    fn request(&self, method: Method, path: &str, body: String) -> Option<reqwest::Request> {
        let url = self.base_url.join(path).ok()?;
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let now_s = self.clock.now().0.div_euclid(1_000_000);
        let authorization = self.signer.authorization(method.as_str(), &target, now_s, &sign::nonce()?, &body)?;
        let request = self
            .http
            .request(method, url)
            .header("authorization", authorization)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body);
        let wanted = self.wanted_key.iter();
        wanted.fold(request, |request, key| request.header("wechatpay-serial", key)).build().ok()
    }

    async fn judge(&self, answer: Answered) -> Ending {
        let fault = |word: Word| Ending::Unknown(Reason::new(ReasonCode::ProviderFault, word));
        match answer.status {
            200 | 204 => match self.proved(&answer.headers, &answer.body, self.clock.now(), Patience::Waits).await {
                Ok(()) => Ending::Verified(answer.body),
                Err(error) => {
                    tracing::error!(%error, "an answer of the payment channel is not authentic");
                    Ending::Unknown(Reason::new(ReasonCode::IntegrityFault, Word::named(&error)))
                }
            },
            429 => Ending::NotSent(Reason::new(ReasonCode::RateLimited, "429")),
            400..=499 => match serde_json::from_slice::<ErrorBody>(&answer.body) {
                Ok(error) => Ending::Refused(error.code),
                // Somebody between us and the channel answered.
                Err(_) => fault(Word::from(answer.status).and("without the channel's error body")),
            },
            status => fault(Word::from("status").and(status)),
        }
    }

    fn seen(&self, attempt: AttemptId, transaction: wire::Transaction) -> Outcome<PaymentSeen> {
        if transaction.out_trade_no != attempt.bare() {
            return integrity("the answer is about another payment");
        }
        match self.read(transaction) {
            Ok(seen) => Outcome::Done(seen),
            Err(problem) => integrity(problem),
        }
    }

    /// Checks merchant and app and translates the state, the amount and the time.
    fn read(&self, transaction: wire::Transaction) -> Result<PaymentSeen, &'static str> {
        let merchant = transaction.mchid == self.mchid || off(Defence::Merchant);
        let app = transaction.appid == self.appid || off(Defence::App);
        if !merchant || !app {
            return Err("about another merchant or app");
        }
        let total = match transaction.amount {
            Some(wire::TransactionAmount { total: Some(total), currency: Some(currency) }) => {
                Some(fen(total, &currency)?)
            }
            Some(_) | None => None,
        };
        let state = transaction.trade_state.ours();
        if state == PaymentState::Captured && (total.is_none() || transaction.transaction_id.is_none()) {
            return Err("paid without an amount, a currency or a number");
        }
        let paid_at_us = transaction.success_time.map(|time| UtcMicros::parse_rfc3339(&time)).transpose();
        Ok(PaymentSeen {
            state,
            transaction_id: transaction.transaction_id,
            total,
            taken: None,
            paid_at_us: paid_at_us.map_err(|_| "an unreadable time")?,
        })
    }

    fn read_refund(refund: &wire::Refund) -> Result<RefundSeen, &'static str> {
        // Notifications carry no currency: domestic refunds are in CNY only.
        let currency = refund.amount.currency.as_deref().unwrap_or(CNY);
        Ok(RefundSeen {
            state: refund.status.ours(),
            payment_number: refund.out_trade_no.clone(),
            amount: fen(refund.amount.refund, currency)?,
            total: fen(refund.amount.total, currency)?,
            provider_ref: None,
        })
    }

    fn opened(&self, created: wire::Created, return_url: &str) -> Outcome<Opened> {
        let shown = presents::Shown {
            appid: &self.appid,
            mchid: &self.mchid,
            signer: &self.signer,
            base_url: &self.base_url,
            return_url,
            now_s: self.clock.now().0.div_euclid(1_000_000),
        };
        match presents::action(&self.presents, created, &shown) {
            Ok(action) => Outcome::Done(Opened { action, provider_ref: None }),
            Err(problem) => integrity(problem),
        }
    }

    async fn query_number(&self, attempt: AttemptId) -> Outcome<PaymentSeen> {
        let path = format!("/v3/pay/transactions/out-trade-no/{}?mchid={}", attempt.bare(), self.mchid);
        match self.get(&path).await {
            Ending::Refused(ErrorCode::OrderNotExist | ErrorCode::ResourceNotExists) => {
                Outcome::Done(PaymentSeen::bare(PaymentState::NotFound))
            }
            other => match other.outcome::<wire::Transaction>() {
                Outcome::Done(transaction) => self.seen(attempt, transaction),
                Outcome::NotSent(reason) => Outcome::NotSent(reason),
                Outcome::Declined(reason) => Outcome::Declined(reason),
                Outcome::Unknown(reason) => Outcome::Unknown(reason),
            },
        }
    }

    async fn close_open(&self, attempt: AttemptId) -> Outcome<PaymentSeen> {
        let path = format!("/v3/pay/transactions/out-trade-no/{}/close", attempt.bare());
        match self.post(&path, &wire::Close { mchid: &self.mchid }).await {
            Ending::Verified(_) | Ending::Refused(ErrorCode::OrderClosed) => {
                Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
            }
            // Money was faster.
            Ending::Refused(ErrorCode::OrderPaid) if !off(Defence::PaidWins) => self.query_number(attempt).await,
            Ending::Refused(ErrorCode::OrderNotExist | ErrorCode::ResourceNotExists) => {
                Outcome::Done(PaymentSeen::bare(PaymentState::NotFound))
            }
            other => other.outcome::<serde::de::IgnoredAny>().map(|_| PaymentSeen::bare(PaymentState::Processing)),
        }
    }
}

impl Ending {
    /// Reads the body of a success; a verified body that is not what it should be leaves the outcome unknown.
    fn outcome<T: DeserializeOwned>(self) -> Outcome<T> {
        match self {
            Self::Verified(body) => serde_json::from_slice(&body).map_or_else(
                |error| Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, Word::named(&error))),
                Outcome::Done,
            ),
            Self::Refused(code) => code.ending(),
            Self::NotSent(reason) => Outcome::NotSent(reason),
            Self::Unknown(reason) => Outcome::Unknown(reason),
        }
    }
}

fn fen(minor: i64, currency: &str) -> Result<Money, &'static str> {
    if currency != CNY && !off(Defence::Currency) {
        return Err("in another currency");
    }
    Money::new(minor, Currency::CNY)
        .ok()
        .filter(|amount| minor > 0 && amount.is_positive())
        .ok_or("an impossible amount")
}

/// RFC 3339 in Beijing time, as the channel's examples are written.
fn beijing(time: UtcMicros) -> Result<String, TimeError> {
    Ok(format!("{}+08:00", time.in_zone("Asia/Shanghai")?.local.strftime("%Y-%m-%dT%H:%M:%S")))
}

#[async_trait]
impl PaymentChannel for Wechatpay {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &[Currency::CNY],
            presents: presents::presentation(&self.presents),
            authorises: false,
            opens_by_call: true,
            bounds: &[],
            fee_bp: 60,
            refund_min: 5,
            description_bytes_max: 127,
            refund_reason_bytes_max: 80,
            midnight: Midnight::Beijing,
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            content_type: "application/json",
            kept: r#"{"code":"SUCCESS"}"#,
            refused: r#"{"code":"FAIL","message":"失败"}"#,
        }
    }

    async fn create(&self, attempt: &Attempt) -> Outcome<Opened> {
        let Ok(time_expire) = beijing(attempt.expires_at_us) else {
            return Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "the last moment to pay is out of range"));
        };
        let body = wire::Create {
            appid: &self.appid,
            mchid: &self.mchid,
            description: &attempt.description,
            out_trade_no: &attempt.attempt_id.bare(),
            time_expire: &time_expire,
            notify_url: &attempt.notify_url,
            amount: wire::Amount { total: attempt.amount.minor(), currency: CNY },
            scene_info: presents::scene(&self.presents),
            payer: presents::payer(&self.presents),
        };
        match self.post(presents::path(&self.presents), &body).await.outcome::<wire::Created>() {
            Outcome::Done(created) => self.opened(created, &attempt.return_url()),
            Outcome::NotSent(reason) => Outcome::NotSent(reason),
            Outcome::Declined(reason) => Outcome::Declined(reason),
            Outcome::Unknown(reason) => Outcome::Unknown(reason),
        }
    }

    /// A refusal ends nothing at this channel, whose code stays: it is closed before it is told, so that another payment may
    /// follow. Money that was faster is told instead, and so is that nobody knows.
    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        match self.query_number(attempt.attempt_id).await {
            Outcome::Done(seen) if seen.state == PaymentState::Failed => {
                match self.close_open(attempt.attempt_id).await {
                    Outcome::Done(after) if after.state == PaymentState::Closed => Outcome::Done(seen),
                    other => other,
                }
            }
            other => other,
        }
    }

    /// Closes nothing.
    async fn peek(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        self.query_number(attempt.attempt_id).await
    }

    async fn knows(&self, attempt: AttemptId) -> Outcome<bool> {
        self.query_number(attempt).await.map(|seen| seen.state != PaymentState::NotFound)
    }

    /// The channel's page asks to query before closing.
    async fn close(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let attempt = attempt.attempt_id;
        match self.query_number(attempt).await {
            Outcome::Done(seen) => match seen.state {
                PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Failed => {
                    self.close_open(attempt).await
                }
                // This channel never sets money aside.
                PaymentState::Captured | PaymentState::Authorised | PaymentState::Closed | PaymentState::NotFound => {
                    Outcome::Done(seen)
                }
            },
            other => other,
        }
    }
    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let number = refund.refund_id.bare();
        let body = wire::CreateRefund {
            out_trade_no: &attempt.attempt_id.bare(),
            out_refund_no: &number,
            reason: &refund.reason,
            notify_url: &refund.notify_url,
            amount: wire::RefundAmount { refund: refund.amount.minor(), total: attempt.amount.minor(), currency: CNY },
        };
        refund_seen(&number, self.post("/v3/refund/domestic/refunds", &body).await)
    }

    async fn query_refund(&self, refund: &Refund, _: &Attempt) -> Outcome<Option<RefundSeen>> {
        let number = refund.refund_id.bare();
        match self.get(&format!("/v3/refund/domestic/refunds/{number}")).await {
            Ending::Refused(ErrorCode::OrderNotExist | ErrorCode::ResourceNotExists) => Outcome::Done(None),
            other => refund_seen(&number, other).map(Some),
        }
    }

    async fn bill(&self, day: Day) -> Outcome<Bill> {
        self.trade_bill(day).await
    }

    async fn verify_notification(&self, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
        webhook::read(self, headers, body, now).await
    }

    async fn look_after(&self) {
        self.renew_certificates().await;
    }
}

fn refund_seen(number: &str, ending: Ending) -> Outcome<RefundSeen> {
    match ending.outcome::<wire::Refund>() {
        Outcome::Done(refund) if refund.out_refund_no != number => integrity("the answer is about another refund"),
        Outcome::Done(refund) => Wechatpay::read_refund(&refund).map_or_else(integrity, Outcome::Done),
        Outcome::NotSent(reason) => Outcome::NotSent(reason),
        Outcome::Declined(reason) => Outcome::Declined(reason),
        Outcome::Unknown(reason) => Outcome::Unknown(reason),
    }
}
