//! Clients: the one a platform knows beforehand, and those that register themselves (RFC 7591).
//!
//! Every registration is a public client of its own, good for exactly the return addresses it names. Deliberately not
//! here: changing and removing a registration (RFC 7592).

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::consent::is_ours;
use super::{Here, Problem};
use crate::store::{Document, StoreError};

/// Registered clients, by their id.
const CLIENT: &str = "client";

/// A client, and where it may come back to.
pub(super) enum Client {
    /// The one the platform knows beforehand.
    Known,
    /// One that registered these addresses.
    Registered(Vec<String>),
}

/// The client of that id.
pub(super) async fn known(here: &Here, id: &str) -> Result<Option<Client>, StoreError> {
    if let Some(known) = here.record.client {
        return Ok((id == known).then_some(Client::Known));
    }
    let found = here.world.book().await?.get(&here.kind(CLIENT), id).await?;
    Ok(found.map(|client| Client::Registered(texts(&client.inner["redirect_uris"]))))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `POST /register`.
pub(super) async fn register(State(here): State<Here>, Json(asked): Json<Value>) -> Result<Response, Problem> {
    let uris = texts(&asked["redirect_uris"]);
    if uris.is_empty() || !uris.iter().all(|uri| is_ours(&here, uri)) {
        return Err(Problem::new("invalid_redirect_uri"));
    }
    // A desktop app can keep no secret; it says so.
    if asked["token_endpoint_auth_method"] != "none" || asked["application_type"] != "native" {
        return Err(Problem::new("invalid_client_metadata"));
    }
    let id = here.world.ids.uuid("client");
    let mut book = here.world.book().await?;
    book.put(&here.kind(CLIENT), &Document::new(&id, Value::Null, json!({"redirect_uris": uris}))).await?;
    book.commit().await?;
    let body = json!({
        "client_id": id,
        "client_name": asked["client_name"],
        "redirect_uris": uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
