//! The webhook inbox: raw bytes, proof, a transaction shared with those that wait, then the answer.
//!
//! A notification is a hint with proof: everything it can change, a query changes the same way. Nothing here calls a
//! provider, but for what a proof needs: a certificate, or a dispute that its notification does not prove. Deliberately not here:
//! signatures, which are each provider's.

mod group;

use crate::{
    Clock,
    config::Profile,
    defence::{Defence, off},
    pay::{self, Channels, Notice, NoticeContent, Refused, bounce, desk},
    store::{
        Store, StoreError, Tx,
        attempts::{self, Attempt},
        inbox::{self, Disposition},
        refunds::{self, Standing},
        updates, webhooks,
    },
    travel::duffel::webhook as duffel,
};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use group::{Arrived, NotKept, Writer};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    port::payments::{Channel, DisputeStatus, UpdateContent},
    time::UtcMicros,
};

/// Largest notification, bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A notification is sent in one go; who takes longer holds a connection open.
const PATIENCE: Duration = Duration::from_secs(10);
/// Headers worth keeping as evidence start like this.
const EVIDENCE: [&str; 7] = ["wechatpay-", "x-duffel-", "stripe-", "paypal-", "client-id", "request-time", "signature"];
/// The word Duffel is stored under.
pub(crate) const DUFFEL: &str = "duffel";

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) store: Store,
    pub(crate) channels: Channels,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) profile: Profile,
    writer: Writer,
}

/// What a notification met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reception {
    /// Kept, now or before.
    Kept,
    /// Kept as evidence and refused.
    Refused,
    /// It came before what it is about is known here; it shall come again.
    Early,
}

/// What came of taking a notification in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// There is no such notification.
    NotFound,
    /// It is not waiting for anything: this became of it before.
    NoOrphan(Disposition),
    /// Its content is not kept, or is not proved by the keys of today.
    NotProved,
    /// What became of it now; still an orphan when its row is not there yet.
    Became(Disposition),
}

/// The routes of the inbox and of `/health`.
pub(crate) fn router(inbox: Inbox) -> Router {
    Router::new()
        .route("/notify/duffel", post(from_duffel))
        .route("/notify/{channel}", post(from_channel))
        .route("/pay/return/{attempt}", get(bounce::page))
        .route("/health", get(health))
        .with_state(inbox)
}

async fn health(State(inbox): State<Inbox>) -> Response {
    match updates::newest(inbox.store.reader()).await {
        Ok(cursor) => Json(json!({"status": "ok", "cursor": cursor})).into_response(),
        Err(error) => {
            tracing::error!(%error, "the gateway's database does not answer");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn from_channel(State(inbox): State<Inbox>, Path(word): Path<String>, request: Request) -> Response {
    from_named(inbox, &word, request).await
}

/// Takes in a notification of the channel with this word.
pub(crate) async fn from_named(inbox: Inbox, word: &str, request: Request) -> Response {
    let channel = Channel::of_word(word).and_then(|channel| Some((channel.word(), inbox.channels.of(channel)?)));
    let Some((provider, channel)) = channel else { return StatusCode::NOT_FOUND.into_response() };
    tracing::debug!(provider, "a notification arrived");
    let receipt = channel.receipt();
    // One answer for every refusal: a forger learns nothing from it.
    let answer = |status, body: String| (status, [(header::CONTENT_TYPE, receipt.content_type)], body).into_response();
    let (headers, body) = match raw(request, PATIENCE).await {
        Ok(parts) => parts,
        Err(status) => return answer(status, receipt.refused.to_owned()),
    };
    let now = inbox.clock.now();
    let notice = channel.verify_notification(&headers, &body, now).await;
    let refused = match &notice {
        Err(why) if off(Defence::OneAnswer) => why.to_string(),
        Ok(_) | Err(_) => receipt.refused.to_owned(),
    };
    match inbox.receive(provider, notice, &headers, body, now).await {
        Ok(()) => answer(StatusCode::OK, receipt.kept.to_owned()),
        Err(status) => answer(status, refused),
    }
}

async fn from_duffel(State(inbox): State<Inbox>, request: Request) -> Response {
    let (headers, body) = match raw(request, PATIENCE).await {
        Ok(parts) => parts,
        Err(status) => return status.into_response(),
    };
    let now = inbox.clock.now();
    let secret = match webhooks::find(inbox.store.reader(), DUFFEL).await {
        Ok(Some(webhook)) => webhook.secret,
        Ok(None) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error) => {
            tracing::error!(%error, "the webhook's secret cannot be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let notice = duffel::read(&secret, inbox.profile, &headers, &body, now);
    // A supplier's message names passengers. Its digest is kept as evidence; its content can be read there again.
    match inbox.receive(DUFFEL, notice, &headers, Vec::new(), now).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(status) => status.into_response(),
    }
}

async fn raw(request: Request, patience: Duration) -> Result<(HeaderMap, Vec<u8>), StatusCode> {
    let (parts, body): (_, Body) = request.into_parts();
    let most = if off(Defence::Size) { usize::MAX } else { BODY_BYTES_MAX };
    if off(Defence::AnyType) && parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if let Some(query) = parts.uri.query().filter(|_| off(Defence::BodyOnly)) {
        return Ok((parts.headers, query.as_bytes().to_vec()));
    }
    match tokio::time::timeout(patience, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok((parts.headers, bytes.to_vec())),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

impl Inbox {
    /// An inbox in front of a database, with a writer of its own.
    pub(crate) fn new(store: Store, channels: Channels, clock: Arc<dyn Clock>, profile: Profile) -> Self {
        Self { writer: Writer::start(store.clone()), store, channels, clock, profile }
    }

    async fn receive(
        &self,
        provider: &'static str,
        notice: Result<Notice, Refused>,
        headers: &HeaderMap,
        body: Vec<u8>,
        now: UtcMicros,
    ) -> Result<(), StatusCode> {
        let notice = match notice {
            Ok(notice) => notice,
            Err(Refused::Probe) => {
                tracing::debug!(provider, "a signature probe was refused, as it should be");
                return Err(StatusCode::UNAUTHORIZED);
            }
            Err(error @ Refused::NotAuthentic(_)) => {
                tracing::warn!(provider, %error, "a notification was refused");
                return Err(StatusCode::UNAUTHORIZED);
            }
            Err(error @ Refused::Unreadable(_)) => {
                tracing::error!(provider, %error, "an authentic notification was refused");
                return Err(StatusCode::BAD_REQUEST);
            }
            Err(error @ Refused::Unprovable(_)) => {
                tracing::error!(provider, %error, "a notification cannot be proved now; it will come again");
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        match self.writer.keep(Arrived { provider, notice, headers: evidence(headers), body, now }).await {
            Ok(Reception::Kept) => Ok(()),
            Ok(Reception::Refused) => Err(StatusCode::BAD_REQUEST),
            Ok(Reception::Early) => Err(StatusCode::SERVICE_UNAVAILABLE),
            Err(error @ NotKept::Full) => {
                tracing::warn!(provider, %error, "a notification shall come again");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(NotKept::Store(_)) if off(Defence::Written) => Ok(()),
            Err(error @ (NotKept::Closed | NotKept::Store(_))) => {
                tracing::error!(provider, %error, "a notification could not be kept; it will come again");
                Err(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// Takes an orphan in again, exactly as if it had just arrived; it is proved again, as of when it did. Once: what is
    /// applied stays applied.
    pub(crate) async fn replay(&self, provider: &str, event_id: &str) -> Result<Replayed, StoreError> {
        let mut tx = self.store.begin().await?;
        let Some(kept) = inbox::get(&mut tx, provider, event_id).await? else { return Ok(Replayed::NotFound) };
        drop(tx);
        match kept.disposition {
            Disposition::Orphan => {}
            before @ (Disposition::Applied | Disposition::Ignored | Disposition::Foreign | Disposition::Conflict) => {
                return Ok(Replayed::NoOrphan(before));
            }
        }
        let Ok(notice) = self.opened(&kept).await else { return Ok(Replayed::NotProved) };
        if notice.digest != kept.digest {
            return Ok(Replayed::NotProved);
        }
        let mut tx = self.store.begin().await?;
        let now = inbox::get(&mut tx, provider, event_id).await?.map(|again| again.disposition);
        if let Some(meanwhile) = now.filter(|now| *now != Disposition::Orphan) {
            return Ok(Replayed::NoOrphan(meanwhile));
        }
        let mut told = Told::new();
        let disposition = apply(&mut tx, &mut told, provider, &notice, self.clock.now()).await?;
        updates::append(&mut tx, &told).await?;
        inbox::adopt(&mut tx, provider, event_id, disposition).await?;
        self.store.commit(tx).await?;
        Ok(Replayed::Became(disposition))
    }

    /// What a kept notification says, proved as of when it arrived.
    pub(crate) async fn opened(&self, kept: &inbox::Listed) -> Result<Notice, Refused> {
        let channel = Channel::of_word(&kept.provider).and_then(|channel| self.channels.of(channel));
        let channel = channel.ok_or_else(|| Refused::Unreadable("the channel is not configured".to_owned()))?;
        let unreadable = || Refused::Unreadable("the signature's headers".to_owned());
        let pairs: BTreeMap<String, String> = serde_json::from_str(&kept.headers).map_err(|_| unreadable())?;
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::try_from(name).map_err(|_| unreadable())?;
            headers.append(name, HeaderValue::try_from(value).map_err(|_| unreadable())?);
        }
        channel.verify_notification(&headers, &kept.body, UtcMicros(kept.received_at_us)).await
    }
}

const fn reception(disposition: Disposition) -> Reception {
    match disposition {
        Disposition::Applied | Disposition::Orphan | Disposition::Ignored => Reception::Kept,
        Disposition::Foreign | Disposition::Conflict => Reception::Refused,
    }
}

/// What the engine is to be told, in this order, in the transaction that changed the rows.
type Told = Vec<(UpdateContent, UtcMicros)>;

/// Writes what a notification changes; what the engine is to be told of it is collected in `told`.
async fn apply(
    tx: &mut Tx,
    told: &mut Told,
    provider: &str,
    notice: &Notice,
    now: UtcMicros,
) -> Result<Disposition, StoreError> {
    match &notice.content {
        NoticeContent::Payment(number, seen) => payment(tx, told, provider, number, seen, now).await,
        NoticeContent::Refund(number, seen) => refund(tx, told, provider, number, seen, now).await,
        NoticeContent::Dispute(number, seen) => dispute(tx, told, provider, number, seen, now).await,
        NoticeContent::PaymentHint(number) => {
            let Ok(attempt_id) = AttemptId::parse_bare(number) else { return Ok(orphan(number)) };
            match attempts::get(tx, attempt_id).await? {
                Some(_) => Ok(pass_on(told, UpdateContent::PaymentHint { attempt_id }, now)),
                None => Ok(orphan(number)),
            }
        }
        NoticeContent::RefundHint(number) => {
            let Ok(refund_id) = RefundId::parse_bare(number) else { return Ok(orphan(number)) };
            match refunds::get(tx, refund_id).await? {
                Some(_) => Ok(pass_on(told, UpdateContent::RefundHint { refund_id }, now)),
                None => Ok(orphan(number)),
            }
        }
        NoticeContent::FlightOrder(order_id) => {
            Ok(pass_on(told, UpdateContent::FlightOrder { order_id: order_id.clone() }, now))
        }
        NoticeContent::HotelBooking(booking_id) => {
            Ok(pass_on(told, UpdateContent::HotelBooking { booking_id: booking_id.clone() }, now))
        }
        NoticeContent::Ignored(what) if off(Defence::NewKinds) => Ok(foreign(what)),
        NoticeContent::Ignored(what) => {
            tracing::info!(provider, what, "a notification of a kind we have no use for was kept");
            Ok(Disposition::Ignored)
        }
        NoticeContent::Foreign(problem) => Ok(foreign(problem)),
    }
}

fn foreign(problem: &str) -> Disposition {
    tracing::error!(problem, "an authentic notification does not agree with our record");
    Disposition::Foreign
}

fn orphan(number: &str) -> Disposition {
    if off(Defence::Orphans) {
        return foreign(number);
    }
    tracing::error!(number, "a notification is about a number we never used");
    Disposition::Orphan
}

fn pass_on(told: &mut Told, content: UpdateContent, now: UtcMicros) -> Disposition {
    told.push((content, now));
    Disposition::Applied
}

async fn payment(
    tx: &mut Tx,
    told: &mut Told,
    provider: &str,
    number: &str,
    seen: &pay::PaymentSeen,
    now: UtcMicros,
) -> Result<Disposition, StoreError> {
    let Ok(id) = AttemptId::parse_bare(number) else { return Ok(orphan(number)) };
    let Some(attempt) = attempts::get(tx, id).await? else { return Ok(orphan(number)) };
    if is_elsewhere(&attempt, provider) {
        return Ok(foreign("about a payment of another channel"));
    }
    if let Err(problem) = desk::payment_agrees(&attempt, seen) {
        return Ok(foreign(problem));
    }
    let counted = attempts::see(tx, attempt, seen, now).await?;
    Ok(pass_on(told, UpdateContent::Payment { status: counted.status() }, now))
}

/// Whether a payment was opened at another channel than the one that speaks: what one channel proves, it proves of its own.
fn is_elsewhere(attempt: &Attempt, provider: &str) -> bool {
    attempt.channel.word() != provider && !off(Defence::OwnChannel)
}

/// The payment a dispute is about, by our number or the channel's.
async fn disputed(tx: &mut Tx, provider: &str, number: &str) -> Result<Option<Attempt>, StoreError> {
    match AttemptId::parse_bare(number) {
        Ok(attempt_id) => attempts::get(tx, attempt_id).await,
        Err(_) => attempts::paid_as(tx, provider, number).await,
    }
}

async fn dispute(
    tx: &mut Tx,
    told: &mut Told,
    provider: &str,
    number: &str,
    seen: &pay::DisputeSeen,
    now: UtcMicros,
) -> Result<Disposition, StoreError> {
    let Some(attempt) = disputed(tx, provider, number).await? else { return Ok(orphan(number)) };
    let attempt_id = attempt.attempt_id;
    if is_elsewhere(&attempt, provider) {
        return Ok(foreign("a dispute about a payment of another channel"));
    }
    let all = attempt.taken.unwrap_or(attempt.amount);
    let amount = seen.amount.unwrap_or(all);
    let more = amount.exceeds(all) != Ok(false);
    if (more && !off(Defence::DisputeBounded)) || !amount.is_positive() {
        return Ok(foreign("a dispute about more than was paid"));
    }
    let pay::DisputeSeen { dispute_id, amount: _, state, as_of_us } = seen.clone();
    let status = DisputeStatus { attempt_id, dispute_id, amount, state, as_of_us };
    Ok(pass_on(told, UpdateContent::Dispute { status }, now))
}

async fn refund(
    tx: &mut Tx,
    told: &mut Told,
    provider: &str,
    number: &str,
    seen: &pay::RefundSeen,
    now: UtcMicros,
) -> Result<Disposition, StoreError> {
    let Ok(id) = RefundId::parse_bare(number) else { return Ok(orphan(number)) };
    let Some(refund) = refunds::get(tx, id).await? else { return Ok(orphan(number)) };
    let Some(attempt) = attempts::get(tx, refund.attempt_id).await? else { return Ok(orphan(number)) };
    if is_elsewhere(&attempt, provider) {
        return Ok(foreign("about a refund of another channel"));
    }
    if let Err(problem) = desk::refund_agrees(&refund, &attempt, seen) {
        return Ok(foreign(problem));
    }
    let counted = refunds::observe(tx, id, Standing::At(seen.state), now).await?.unwrap_or(refund);
    Ok(pass_on(told, UpdateContent::Refund { status: counted.status() }, now))
}

/// The signature headers as JSON text, kept beside the body as proof.
fn evidence(headers: &HeaderMap) -> String {
    let wanted = |name: &str| EVIDENCE.iter().any(|start| name.starts_with(start));
    let pairs = headers.iter().filter(|(name, _)| wanted(name.as_str()));
    let kept: serde_json::Map<String, Value> =
        pairs.map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap_or_default()))).collect();
    Value::Object(kept).to_string()
}

#[cfg(test)]
mod tests;
