//! What all ports share: clock, book, switches, ids, keys and addresses; and the guards in front of every port.
//!
//! Deliberately not here: any provider's rules.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Notify, oneshot};

use crate::Announcement;
use crate::clock::Clock;
use crate::control::Listeners;
use crate::draw::Ids;
use crate::keys::Credentials;
use crate::money::AccountCurrency;
use crate::net::Cut;
use crate::scenario::Switches;
use crate::store::{Book, Store, StoreError};

/// Largest body of a request that is acted on late.
const LATE_BYTES_MAX: usize = 1024 * 1024;

/// One sandbox.
pub(crate) struct World {
    pub(crate) seed: u64,
    /// What the accounts with the travel suppliers are kept in.
    pub(crate) account: AccountCurrency,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) switches: Switches,
    pub(crate) ids: Ids,
    pub(crate) credentials: Credentials,
    pub(crate) pay_keys: crate::wechatpay::Keys,
    pub(crate) urls: Announcement,
    pub(crate) http: reqwest::Client,
    pub(crate) listeners: Listeners,
    /// Requests that are acted on late: provider and operation each waits for.
    pub(crate) late: Mutex<Vec<(&'static str, String, oneshot::Sender<()>)>>,
    /// Rung when a notification was written to the book, or time moved.
    pub(crate) doorbell: Notify,
}

/// The world as handlers hold it.
pub(crate) type Shared = Arc<World>;

impl World {
    /// Begins the one open transaction.
    pub(crate) async fn book(&self) -> Result<Book, StoreError> {
        self.store.begin().await
    }

    /// Commits, and lets the notifier look at what was written.
    pub(crate) async fn commit(&self, book: Book) -> Result<(), StoreError> {
        book.commit().await?;
        self.doorbell.notify_one();
        Ok(())
    }

    /// The present in microseconds.
    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }
}

/// A provider in front of which faults can strike.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) world: Shared,
    pub(crate) provider: &'static str,
    /// The operation's name in the scenario API.
    pub(crate) op: fn(&Method, &str) -> &'static str,
    /// How this provider says no.
    pub(crate) declined: fn(&serde_json::Map<String, serde_json::Value>) -> Response,
}

/// Lets the switches `time_out_before`, `time_out_then_act`, `decline` and `act_then_time_out` strike around the real handler; the
/// rule `latency_ms` lets every request wait as long as a network would.
pub(crate) async fn faults(
    State(faulty): State<Faulty>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    let op = (faulty.op)(request.method(), request.uri().path());
    let switches = &faulty.world.switches;
    if let Ok(wait_ms @ 1..) = u64::try_from(switches.amount(faulty.provider, "latency_ms", 0)) {
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
    }
    if let Some(params) = switches.strike_op(faulty.provider, "time_out_before", op) {
        return vanish(&cut, &params).await;
    }
    if let Some(params) = switches.strike_op(faulty.provider, "time_out_then_act", op) {
        act_late(&faulty, &params, request, next).await;
        return vanish(&cut, &params).await;
    }
    if let Some(params) = switches.strike_op(faulty.provider, "decline", op) {
        return (faulty.declined)(&params);
    }
    let answer = next.run(request).await;
    let_go(&faulty, op);
    if answer.status().is_success()
        && let Some(params) = switches.strike_op(faulty.provider, "act_then_time_out", op)
    {
        return vanish(&cut, &params).await;
    }
    answer
}

/// Lets go what waited for this operation to be answered.
fn let_go(faulty: &Faulty, op: &str) {
    let mut late = faulty.world.late.lock().unwrap_or_else(PoisonError::into_inner);
    late.retain(|(provider, after, _)| (*provider, after.as_str()) != (faulty.provider, op));
}

/// Acts on a request when the next one of the operation `after` was answered, a question where none is named.
async fn act_late(faulty: &Faulty, params: &serde_json::Map<String, serde_json::Value>, request: Request, next: Next) {
    let after = params.get("after").and_then(serde_json::Value::as_str).unwrap_or("query").to_owned();
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LATE_BYTES_MAX).await else { return };
    let (sender, answered) = oneshot::channel();
    let waiting = (faulty.provider, after, sender);
    faulty.world.late.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    tokio::spawn(async move {
        // The sender is dropped, and nothing else ends the wait.
        let _dropped = answered.await;
        next.run(Request::from_parts(head, Body::from(body))).await
    });
}

/// Never answers: drops the connection, or holds it open with `"mode": "hang"` until the client gives up.
pub(crate) async fn vanish(cut: &Cut, params: &serde_json::Map<String, serde_json::Value>) -> Response {
    if params.get("mode").and_then(serde_json::Value::as_str) == Some("hang") {
        std::future::pending::<()>().await;
    }
    cut.cut();
    StatusCode::GATEWAY_TIMEOUT.into_response()
}

/// Refuses a request whose Host is not this port's literal address, so that no web page can reach it through a name.
pub(crate) async fn literal_host(State(base): State<String>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some() && host == base.strip_prefix("http://") {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "unknown host").into_response()
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares secrets in constant time.
pub(crate) fn same(left: &str, right: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}
