//! How the platform misbehaves on demand, so that a client's defences meet what they are for.
//!
//! `answer` replaces an endpoint's answer (`status`, `headers`, `body`, `size` in bytes); `patch` changes an honest one
//! (`merge`: fields to set, null removes); both name the endpoint in `op`: `metadata`, `authorize`, `token`, `revoke`,
//! `par`, `register`, `profile`, `mcp`, `resource` (of RFC 9728), and `return` for the parameters the browser brings back.
//! `{issuer}` in a text becomes the platform's own address. The time-outs are those of every provider. Deliberately not
//! here: the rules that only loosen the server (each is read where it holds).

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Here;

const HONEST_MAX: usize = 64 * 1024;

/// The operation's name in the scenario API.
pub(super) fn op(_: &Method, path: &str) -> &'static str {
    match path {
        "/authorize" => "authorize",
        "/token" => "token",
        "/revoke" => "revoke",
        "/par" => "par",
        "/profile" => "profile",
        "/register" => "register",
        "/mcp" => "mcp",
        "/.well-known/oauth-protected-resource/mcp" => "resource",
        _ => "metadata",
    }
}

/// How the platform says no: 400 with the error the switch names.
pub(super) fn declined(params: &Map<String, Value>) -> Response {
    let error = params.get("error").and_then(Value::as_str).unwrap_or("invalid_request");
    (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
}

/// Lets `answer` and `patch` strike around the real handler.
pub(super) async fn misbehave(State(here): State<Here>, request: Request, next: Next) -> Response {
    let op = op(request.method(), request.uri().path());
    if let Some(params) = struck(&here, "answer", op) {
        return instead(&params);
    }
    let answer = next.run(request).await;
    match struck(&here, "patch", op) {
        Some(params) => patched(answer, &params).await,
        None => answer,
    }
}

fn struck(here: &Here, name: &str, op: &str) -> Option<Map<String, Value>> {
    let params = here.world.switches.strike_op(here.record.provider, name, op)?;
    let text = Value::Object(params).to_string().replace("{issuer}", here.base());
    serde_json::from_str(&text).ok()
}

fn instead(params: &Map<String, Value>) -> Response {
    let status = params.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let mut body = match params.get("body") {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    // White space is the one filling that leaves JSON what it was.
    let size = params.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    body.push_str(&" ".repeat(size.saturating_sub(body.len())));
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in params.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str());
        let value = value.as_str().map(HeaderValue::try_from);
        if let (Ok(name), Some(Ok(value))) = (name, value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

async fn patched(answer: Response, params: &Map<String, Value>) -> Response {
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, HONEST_MAX).await.unwrap_or_default();
    let Ok(Value::Object(mut shown)) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    for (name, value) in merge(params) {
        if value.is_null() {
            shown.remove(name);
        } else {
            shown.insert(name.clone(), value.clone());
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Value::Object(shown).to_string()))
}

fn merge(params: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    params.get("merge").and_then(Value::as_object).into_iter().flatten()
}

/// Changes the parameters that the browser brings back: `merge` sets or, with null, removes; `also` adds.
pub(super) fn change_return(here: &Here, pairs: &mut Vec<(String, String)>) {
    let Some(params) = struck(here, "patch", "return") else { return };
    for (name, value) in merge(&params) {
        pairs.retain(|(known, _)| known != name);
        pairs.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
    }
    for (name, value) in params.get("also").and_then(Value::as_object).into_iter().flatten() {
        pairs.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
    }
}
