//! The MCP servers over streamable HTTP: for an engine in another process, and for agents that act for a customer.
//!
//! Every request needs a bearer token; host and origin are checked. The engine's token opens every server; an agent's opens
//! `payments`, where it is offered its own tools (see [`super::agents`]). Deliberately not here: issuing tokens.

use super::{Principal, Server};
use crate::{
    Clock,
    rest::token::{self, Tokens},
    secret::Sensitive,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Who is let in.
#[derive(Clone)]
pub(crate) struct Doors {
    /// The engine's token, where it is let in over HTTP.
    pub(crate) engine: Option<Arc<Sensitive<String>>>,
    /// Agents' tokens, on a server that has tools for them.
    pub(crate) agents: Option<Arc<Tokens>>,
    pub(crate) clock: Arc<dyn Clock>,
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
        let doors = Doors { agents, ..doors.clone() };
        let guarded = Router::new()
            .nest_service(&format!("/mcp/{}", server.name), service)
            .layer(middleware::from_fn_with_state(doors, admitted));
        router.merge(guarded)
    })
}

async fn admitted(State(doors): State<Doors>, mut request: Request, next: Next) -> Response {
    let given = token::shown(request.headers());
    let is_engine =
        |token: &Arc<Sensitive<String>>| verify_slices_are_equal(given.as_bytes(), token.expose().as_bytes()).is_ok();
    if doors.engine.as_ref().is_some_and(is_engine) {
        return next.run(request).await;
    }
    let subject = doors.agents.as_ref().and_then(|agents| agents.subject(given, doors.clock.now()).ok());
    if let Some(subject) = subject {
        request.extensions_mut().insert(Principal(subject));
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
}
