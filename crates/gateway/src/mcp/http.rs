//! The MCP servers over streamable HTTP, for an engine in another process.
//!
//! Every request needs the bearer token; host and origin are checked. Deliberately not here: accounts of many users.

use super::Server;
use crate::secret::Sensitive;
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

/// `/mcp/<name>` for each server; `authorities` are the `host:port` a caller may name.
pub(crate) fn router(
    servers: &[Server],
    token: Sensitive<String>,
    authorities: &[String],
    stop: &CancellationToken,
) -> Router {
    let origins: Vec<String> = authorities.iter().map(|authority| format!("http://{authority}")).collect();
    servers
        .iter()
        .fold(Router::new(), |router, server| {
            let config = StreamableHttpServerConfig::default()
                .with_allowed_hosts(authorities.to_vec())
                .with_allowed_origins(origins.clone())
                .with_cancellation_token(stop.child_token());
            let made = server.clone();
            let service =
                StreamableHttpService::new(move || Ok(made.clone()), Arc::<LocalSessionManager>::default(), config);
            router.nest_service(&format!("/mcp/{}", server.name), service)
        })
        .layer(middleware::from_fn_with_state(Arc::new(token), admitted))
}

async fn admitted(State(token): State<Arc<Sensitive<String>>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if verify_slices_are_equal(given.as_bytes(), token.expose().as_bytes()).is_ok() {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
}
