//! The MCP servers over streamable HTTP: for an engine in another process, and for agents that act for a customer.
//!
//! Every request needs a bearer token; host and origin are checked. The engine's token opens every server; an agent's opens
//! `payments`, where it is offered its own tools (see [`super::agents`]), as far as its scopes and the pace allow. What is
//! refused here as HTTP has it is looked at once more where the tool is called. Deliberately not here: issuing tokens.

use super::{
    Principal, Server,
    pace::Pace,
    scope::{METADATA, Resource, Scope},
};
use crate::{
    Clock,
    rest::token::{self, Tokens},
    secret::Sensitive,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Largest message of an agent, bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Who is let in.
#[derive(Clone)]
pub(crate) struct Doors {
    /// The engine's token, where it is let in over HTTP.
    pub(crate) engine: Option<Arc<Sensitive<String>>>,
    /// Agents, on a server that has tools for them.
    pub(crate) agents: Option<Arc<Agents>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How agents are let in.
pub(crate) struct Agents {
    pub(crate) tokens: Tokens,
    pub(crate) resource: Resource,
    pub(crate) pace: Pace,
}

/// One server's doors, and what its agents' tools are allowed by.
#[derive(Clone)]
struct Door {
    doors: Doors,
    scopes: Arc<[(String, Scope)]>,
}

/// `/mcp/<name>` for each server; `hosts` are what a caller may name, and pages of `origins` may call.
pub(crate) fn router(
    servers: &[Server],
    doors: &Doors,
    hosts: &[String],
    origins: &[String],
    stop: &CancellationToken,
) -> Router {
    servers.iter().fold(Router::new(), |router, server| {
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts.to_vec())
            .with_allowed_origins(origins.to_vec())
            .with_cancellation_token(stop.child_token());
        let made = server.clone();
        let service =
            StreamableHttpService::new(move || Ok(made.clone()), Arc::<LocalSessionManager>::default(), config);
        let agents = doors.agents.clone().filter(|_| !server.for_agents.is_empty());
        let described = agents.as_ref().map(|agents| agents.resource.described());
        let door = Door { doors: Doors { agents, ..doors.clone() }, scopes: server.scopes().into() };
        let path = format!("/mcp/{}", server.name);
        let guarded = Router::new().nest_service(&path, service).layer(middleware::from_fn_with_state(door, admitted));
        // The description is for who has no token yet.
        let router = match described {
            Some(described) => router.route(&format!("{METADATA}{path}"), get(|| async move { Json(described) })),
            None => router,
        };
        router.merge(guarded)
    })
}

async fn admitted(State(door): State<Door>, request: Request, next: Next) -> Response {
    let given = token::shown(request.headers()).to_owned();
    let is_engine =
        |token: &Arc<Sensitive<String>>| verify_slices_are_equal(given.as_bytes(), token.expose().as_bytes()).is_ok();
    if door.doors.engine.as_ref().is_some_and(is_engine) {
        return next.run(request).await;
    }
    let Some(agents) = &door.doors.agents else { return challenged(StatusCode::UNAUTHORIZED, "Bearer") };
    let now = door.doors.clock.now();
    match agents.tokens.bearer(&given, now) {
        Ok(bearer) => {
            let pace = agents.pace.admit(&bearer.subject, now);
            let principal = Principal { subject: bearer.subject, scopes: bearer.scopes, wait_ms: pace.err() };
            as_agent(&door, &agents.resource, principal, request, next).await
        }
        Err(error) => {
            tracing::debug!(%error, "an agent was refused");
            challenged(StatusCode::UNAUTHORIZED, &agents.resource.challenge(!given.is_empty()))
        }
    }
}

/// The parts of a message that say what it asks for.
#[derive(Deserialize)]
struct Message {
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    name: String,
}

/// Lets an agent's message through, if its token allows the tool; one that comes too fast is told so by the tool, so that
/// who reads its answer understands, and anything else that comes too fast by the status.
async fn as_agent(
    door: &Door,
    resource: &Resource,
    principal: Principal,
    mut request: Request,
    next: Next,
) -> Response {
    let mut tool = None;
    if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = to_bytes(body, MESSAGE_BYTES_MAX).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        // What is no message is the server's to refuse.
        let message = serde_json::from_slice::<Message>(&bytes).ok().filter(|message| message.method == "tools/call");
        tool = message.map(|message| message.params.name);
        request = Request::from_parts(parts, Body::from(bytes));
    }
    if let (Some(wait_ms), None) = (principal.wait_ms, &tool) {
        return hurried(wait_ms);
    }
    let needed = tool.and_then(|tool| door.scopes.iter().find(|(name, _)| *name == tool).map(|(_, scope)| *scope));
    if let Some(needed) = needed.filter(|needed| !principal.may(*needed)) {
        return challenged(StatusCode::FORBIDDEN, &resource.step_up(&principal.scopes, needed));
    }
    request.extensions_mut().insert(principal);
    next.run(request).await
}

fn challenged(status: StatusCode, challenge: &str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

fn hurried(wait_ms: i64) -> Response {
    let seconds = wait_ms.saturating_add(999).div_euclid(1_000).to_string();
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], Json(super::hurried(wait_ms))).into_response()
}
