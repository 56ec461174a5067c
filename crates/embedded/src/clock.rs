//! The one clock of the demo: system time plus the sandbox's offset.
//!
//! The sandbox tells the offset over HTTP and waits until it is adopted, so that nobody acts on two times at once.
//! Deliberately not here: any other source of time; outside the demo there is no offset to adopt.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use serde::Deserialize;
use std::{
    net::Ipv4Addr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, task::JoinHandle};
use zhiyou_domain::time::UtcMicros;
use zhiyou_engine::Engine;

/// System time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct DemoClock {
    offset_us: AtomicI64,
}

impl DemoClock {
    #[allow(clippy::disallowed_methods, reason = "this is the demo's clock")]
    fn read(&self) -> UtcMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        UtcMicros(micros).plus_micros(self.offset_us.load(Ordering::SeqCst))
    }
}

impl zhiyou_engine::ports::Clock for DemoClock {
    fn now(&self) -> UtcMicros {
        self.read()
    }
}

impl zhiyou_gateway::Clock for DemoClock {
    fn now(&self) -> UtcMicros {
        self.read()
    }
}

/// Listens for the sandbox's offset on a port of its own.
pub(crate) struct Listener {
    pub(crate) url: String,
    pub(crate) token: String,
    engine: Arc<OnceLock<Weak<Engine>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Heard {
    clock: Arc<DemoClock>,
    token: String,
    engine: Arc<OnceLock<Weak<Engine>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offset {
    offset_us: i64,
}

impl Listener {
    /// Binds an ephemeral port on 127.0.0.1. `token` is what the sandbox has to send.
    pub(crate) async fn start(clock: Arc<DemoClock>, token: String) -> std::io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/clock", socket.local_addr()?);
        let engine = Arc::new(OnceLock::new());
        let heard = Heard { clock, token: token.clone(), engine: Arc::clone(&engine) };
        let app = Router::new().route("/clock", post(adopt)).with_state(heard);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(socket, app).await {
                tracing::error!(%error, "the clock listener ended");
            }
        });
        Ok(Self { url, token, engine, task })
    }

    /// From now on the engine is told when the clock moves.
    pub(crate) fn tell(&self, engine: &Arc<Engine>) {
        // Set once, right after the engine's start.
        let _ = self.engine.set(Arc::downgrade(engine));
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

async fn adopt(State(heard): State<Heard>, headers: HeaderMap, Json(offset): Json<Offset>) -> StatusCode {
    let sent = headers.get(AUTHORIZATION).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let wanted = format!("Bearer {}", heard.token);
    if aws_lc_rs::constant_time::verify_slices_are_equal(&sent, wanted.as_bytes()).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    heard.clock.offset_us.store(offset.offset_us, Ordering::SeqCst);
    if let Some(engine) = heard.engine.get().and_then(Weak::upgrade) {
        engine.clock_moved().await;
    }
    StatusCode::NO_CONTENT
}
