//! The same interface in a browser on this machine, for development and for tests of the pages.
//!
//! Every start has a token of its own; Host and Origin have to be this address literally. An agent's request cannot be
//! approved here.

use crate::{
    Outcome,
    headless::{self, Printing},
};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use std::{collections::HashMap, convert::Infallible, net::Ipv4Addr, path::PathBuf, process::ExitCode, sync::Arc};
use zhiyou_engine::{Engine, api::view::FaultView};

#[derive(Clone)]
struct Host {
    engine: Arc<Engine>,
    address: String,
    token: String,
    pages: PathBuf,
}

pub(crate) async fn run(port: u16) -> Outcome {
    let pages = PathBuf::from(std::env::var_os("ZHIYOU_UI_DIST").unwrap_or_else(|| "ui/dist".into()));
    if !pages.join("index.html").is_file() {
        return Err("the interface is not built; run: npm run build, in ui/".to_owned());
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let parts = headless::start(Arc::new(Printing), folder.path().to_path_buf()).await?;
    let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| error.to_string())?;
    let address = socket.local_addr().map_err(|error| error.to_string())?.to_string();
    let host = Host { engine: Arc::clone(parts.engine()), address: address.clone(), token: token()?, pages };
    println!("http://{address}/#token={}", host.token);
    let app = Router::new()
        .route("/rpc/{name}", post(rpc))
        .route("/changes", get(changes))
        .fallback(page)
        .layer(middleware::from_fn_with_state(host.clone(), guard))
        .with_state(host);
    let served = axum::serve(socket, app).with_graceful_shutdown(async {
        // Interrupted either way.
        let _ = crate::interrupted().await;
    });
    served.await.map_err(|error| error.to_string())?;
    parts.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn token() -> Result<String, String> {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    Ok(hex::encode(bytes))
}

/// Another page of this browser must not reach us, not even by a name that points here.
async fn guard(State(host): State<Host>, request: Request, next: Next) -> Response {
    if comes_from_us(&host, request.headers()) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn comes_from_us(host: &Host, headers: &HeaderMap) -> bool {
    let is = |name: header::HeaderName, wanted: &str, absent: bool| {
        headers.get(name).map_or(absent, |value| value.as_bytes() == wanted.as_bytes())
    };
    is(header::HOST, &host.address, false) && is(header::ORIGIN, &format!("http://{}", host.address), true)
}

fn knows(host: &Host, token: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), host.token.as_bytes()).is_ok()
}

async fn rpc(
    State(host): State<Host>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(payload): Json<Value>,
) -> Response {
    let token = headers.get("x-zhiyou-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !knows(&host, token) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match host.engine.dispatch(&name, payload).await {
        Ok(result) => Json(result).into_response(),
        Err(fault) => (StatusCode::BAD_REQUEST, Json(json!(FaultView::from(&fault)))).into_response(),
    }
}

async fn changes(State(host): State<Host>, Query(query): Query<HashMap<String, String>>) -> Response {
    if !knows(&host, query.get("token").map_or("", String::as_str)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Sse::new(rings(host.engine.doorbell())).into_response()
}

fn rings(doorbell: tokio::sync::watch::Receiver<i64>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(doorbell, |mut doorbell| async move {
        doorbell.changed().await.ok()?;
        Some((Ok(Event::default().data("")), doorbell))
    })
}

async fn page(State(host): State<Host>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let plain = !path.split('/').any(|part| part.starts_with('.')) && !path.contains(['%', '\\']);
    let file = host.pages.join(if path.is_empty() { "index.html" } else { path });
    let kind = match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    match tokio::fs::read(&file).await {
        Ok(bytes) if plain => {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes).into_response()
        }
        Ok(_) | Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
