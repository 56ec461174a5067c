//! The envelope: `{"data": …}` in and out, lists with cursors, and the error shape.
//!
//! Source: duffel.com/docs/api/overview. Deliberately not here: any resource.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::store::StoreError;

/// A refusal as `errors[0]` of the envelope.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: String,
    code: Value,
    message: String,
    field: Option<String>,
}

/// An error body on its way out; the outermost layer adds the request id.
#[derive(Clone)]
pub(super) struct Errors(pub(super) Value);

impl Refusal {
    /// Any status, type and code.
    pub(super) fn other(status: StatusCode, kind: &str, code: &str, message: &str) -> Self {
        Self { status, kind: kind.to_owned(), code: json!(code), message: message.to_owned(), field: None }
    }

    /// `invalid_request_error`.
    pub(super) fn invalid(status: StatusCode, code: &str, message: &str) -> Self {
        Self::other(status, "invalid_request_error", code, message)
    }

    /// 422 `validation_error` about a field of the body.
    pub(super) fn field(field: &str, code: &str, message: &str) -> Self {
        let refusal = Self::other(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", code, message);
        Self { field: Some(field.to_owned()), ..refusal }
    }

    /// 422 `invalid_state_error`.
    pub(super) fn state(code: &str, message: &str) -> Self {
        Self::other(StatusCode::UNPROCESSABLE_ENTITY, "invalid_state_error", code, message)
    }

    /// 422 `airline_error`.
    pub(super) fn airline(code: &str, message: &str) -> Self {
        Self::other(StatusCode::UNPROCESSABLE_ENTITY, "airline_error", code, message)
    }

    /// 404.
    pub(super) fn not_found(message: &str) -> Self {
        Self::invalid(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The oddity of adding a service after booking: 400 whose code is a number.
    pub(super) fn unsupported_operation() -> Self {
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, "", "Unsupported operation");
        Self { code: json!(400), ..refusal }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the supplier could not use the book");
        Self::other(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "internal_server_error", "Something went wrong.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.code.as_str().map_or_else(|| "bad_request".to_owned(), str::to_owned);
        let mut error = json!({
            "type": self.kind,
            "title": title(&code),
            "message": self.message,
            "code": self.code,
            "documentation_url": "https://duffel.com/docs/api/overview/errors",
        });
        if let Some(field) = self.field {
            error["source"] = json!({"field": field.rsplit('/').next(), "pointer": format!("/{field}")});
        }
        let body = json!({"errors": [error], "meta": {"request_id": null, "status": self.status.as_u16()}});
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(Errors(body));
        answer
    }
}

fn title(code: &str) -> String {
    let text = code.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// What a handler answers.
pub(super) type Answer = Result<Response, Refusal>;

/// `{"data": …}` with 200.
pub(super) fn ok(data: Value) -> Answer {
    Ok(Json(json!({"data": data})).into_response())
}

/// `{"data": …}` with 201.
pub(super) fn created(data: Value) -> Answer {
    Ok((StatusCode::CREATED, Json(json!({"data": data}))).into_response())
}

/// The page of a list that `limit` and `after` ask for; the cursor is the offset of the next page.
pub(super) fn page(all: Vec<Value>, query: &HashMap<String, String>) -> Answer {
    let limit = match query.get("limit").map(|limit| limit.parse::<usize>()) {
        None => 50,
        Some(Ok(limit)) if (1..=200).contains(&limit) => limit,
        Some(_) => return Err(Refusal::field("limit", "validation_format", "Limit must be between 1 and 200")),
    };
    let from = query.get("after").and_then(|cursor| cursor.strip_prefix("cursor_")?.parse().ok()).unwrap_or(0_usize);
    let more = all.len() > from.saturating_add(limit);
    let data: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
    let cursor = |at: usize| format!("cursor_{at}");
    let meta = json!({
        "limit": limit,
        "before": (from > 0).then(|| cursor(from.saturating_sub(limit))),
        "after": more.then(|| cursor(from.saturating_add(limit))),
    });
    Ok(Json(json!({"data": data, "meta": meta})).into_response())
}

/// The `data` of a request body; an empty object for a body without one.
pub(super) struct Data(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Data {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let unreadable =
            || Refusal::invalid(StatusCode::BAD_REQUEST, "invalid_body", "The request body could not be read as JSON.");
        let bytes = Bytes::from_request(request, state).await.map_err(|_| unreadable())?;
        if bytes.is_empty() {
            return Ok(Self(json!({})));
        }
        let mut body: Value = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        match body.get_mut("data").map(Value::take) {
            Some(data) if data.is_object() => Ok(Self(data)),
            _ => Err(Refusal::field("data", "validation_required", "Field 'data' is required")),
        }
    }
}

/// The metadata of a create or update, within the documented limits; an empty object when absent.
pub(super) fn metadata(data: &Value) -> Result<Value, Refusal> {
    let Some(pairs) = data.get("metadata").filter(|metadata| !metadata.is_null()) else { return Ok(json!({})) };
    let key_fits =
        |key: &str| key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let value_fits = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() <= 500);
    let fits = pairs
        .as_object()
        .is_some_and(|pairs| pairs.len() <= 50 && pairs.iter().all(|(key, value)| key_fits(key) && value_fits(value)));
    if fits {
        Ok(pairs.clone())
    } else {
        Err(Refusal::field("metadata", "validation_format", "Field 'metadata' is not valid"))
    }
}

/// A required text field.
pub(super) fn text<'a>(data: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    data[field]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::field(field, "validation_required", &format!("Field '{field}' can't be blank")))
}

/// A required calendar date.
pub(super) fn date(data: &Value, field: &str) -> Result<jiff::civil::Date, Refusal> {
    text(data, field)?
        .parse()
        .map_err(|_| Refusal::field(field, "validation_format", &format!("Field '{field}' is not a valid date")))
}
