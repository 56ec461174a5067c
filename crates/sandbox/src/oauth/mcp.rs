//! The MCP server of a platform: Streamable HTTP with a session (MCP 2025-06-18), read with a member's own token.
//!
//! A token has to be this server's own: asked for with its address (RFC 8707). Without one the answer is 401 and says where
//! the server's metadata is (RFC 9728). Answers are JSON, or with the rule `sse` a stream of one event. Deliberately not
//! here: what the tools say (see `tools`), requests to the client, and a stream of its own.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Here, Problem, tools};
use crate::keys;
use crate::store::{Document, StoreError};

/// Sessions, by their id; they belong to their member's family of tokens.
const SESSION: &str = "session";
const SESSION_HEADER: &str = "mcp-session-id";
/// Versions with a session that it speaks, the newest first.
const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

/// `GET /.well-known/oauth-protected-resource/mcp`.
pub(super) async fn metadata(State(here): State<Here>) -> Json<Value> {
    Json(json!({
        "resource": here.resource(),
        "authorization_servers": [here.base()],
        "scopes_supported": here.record.scopes,
        "bearer_methods_supported": ["header"],
    }))
}

/// The living token of a request that is for this server, or what is said to a request without one.
async fn admitted(here: &Here, headers: &HeaderMap) -> Result<Result<Document, Response>, StoreError> {
    let access = here.access(headers).await?;
    if let Some(access) = access.filter(|access| access.hidden("resource") == here.resource()) {
        return Ok(Ok(access));
    }
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", here.base());
    let problem = if headers.contains_key(header::AUTHORIZATION) { ", error=\"invalid_token\"" } else { "" };
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"{problem}");
    Ok(Err((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()))
}

/// `POST /mcp`: one message.
pub(super) async fn post(State(here): State<Here>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let access = match admitted(&here, &headers).await? {
        Ok(access) => access,
        Err(refused) => return Ok(refused),
    };
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Ok((StatusCode::BAD_REQUEST, Json(error(&Value::Null, -32700, "not JSON"))).into_response());
    };
    let id = &message["id"];
    if message["method"] == "initialize" {
        let session = keys::secret(32).map_err(|error| StoreError::Decode(Box::new(error)))?;
        let mut book = here.world.book().await?;
        book.put(&here.kind(SESSION), &Document::new(&session, Value::Null, json!({})).linked(&access.link)).await?;
        book.commit().await?;
        let mut answer = answered(&here, result(id, begun(&message["params"])));
        if let Ok(value) = session.parse() {
            answer.headers_mut().insert(SESSION_HEADER, value);
        }
        return Ok(answer);
    }
    let Some(named) = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()) else {
        return Ok((StatusCode::BAD_REQUEST, Json(error(id, -32600, "no session"))).into_response());
    };
    // A session is a name and no proof: it is the member's who began it.
    let session = here.world.book().await?.get(&here.kind(SESSION), named).await?;
    if session.is_none_or(|session| session.link != access.link) {
        return Ok((StatusCode::NOT_FOUND, Json(error(id, -32600, "no such session"))).into_response());
    }
    if id.is_null() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let answer = match message["method"].as_str() {
        Some("ping") => result(id, json!({})),
        Some("tools/list") => result(id, json!({"tools": tools::list()})),
        Some("tools/call") => match tools::call(&here, &access, &message["params"]) {
            Some(told) => result(id, told),
            None => error(id, -32602, "no such tool"),
        },
        _ => error(id, -32601, "no such method"),
    };
    Ok(answered(&here, answer))
}

/// `DELETE /mcp`: the session is over.
pub(super) async fn end(State(here): State<Here>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Err(refused) = admitted(&here, &headers).await? {
        return Ok(refused);
    }
    let named = headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut book = here.world.book().await?;
    let was = book.remove(&here.kind(SESSION), named).await?;
    book.commit().await?;
    Ok(if was { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
}

fn begun(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|known| **known == asked).or(VERSIONS.first());
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": {"name": "turkish-airlines-sandbox", "version": "1"},
    })
}

fn result(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn answered(here: &Here, message: Value) -> Response {
    if here.rule("sse") {
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
        return (headers, format!("event: message\ndata: {message}\n\n")).into_response();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(message)).into_response()
}
