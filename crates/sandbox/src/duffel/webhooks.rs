//! Webhooks: who is told, and signed events.
//!
//! Signature: `X-Duffel-Signature: t=<unix s>,v1=<hex HMAC-SHA256(secret, "<t>." + body)>`; the secret is shown once, by
//! create. One webhook per mode. Loopback addresses over http are accepted here. Deliberately not here: the retries
//! (`notify`).

use std::collections::HashMap;

use aws_lc_rs::hmac;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::PROVIDER;
use super::wire::{Answer, Data, Refusal, created, page, text};
use crate::clock::utc;
use crate::notify;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const WEBHOOK: &str = "webhook";

/// Headers of one try to deliver an event, signed now.
pub(crate) fn notification_headers(world: &World, body: &str) -> Option<HeaderMap> {
    let at = world.now_us().div_euclid(1_000_000);
    let key = hmac::Key::new(hmac::HMAC_SHA256, world.credentials.duffel_webhook_secret.as_bytes());
    let signature = hex::encode(hmac::sign(&key, format!("{at}.{body}").as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert("x-duffel-signature", HeaderValue::from_str(&format!("t={at},v1={signature}")).ok()?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(headers)
}

/// Writes an event for every active webhook that wants it. `key` is the resource's id, `about` the order or booking.
pub(super) async fn emit(
    world: &World,
    book: &mut Book,
    kind: &str,
    key: &str,
    about: &str,
    object: &Value,
) -> Result<(), StoreError> {
    for webhook in book.all(WEBHOOK).await? {
        let wanted = webhook.wire["events"].as_array().is_some_and(|events| events.iter().any(|event| event == kind));
        if wanted && webhook.wire["active"] == true {
            let body = event(world, kind, key, object);
            notify::enqueue(world, book, PROVIDER, about, webhook.text("url"), &body).await?;
        }
    }
    Ok(())
}

fn event(world: &World, kind: &str, key: &str, object: &Value) -> Value {
    json!({
        "id": world.ids.duffel("wev"),
        "api_version": "v2",
        "type": kind,
        "live_mode": false,
        "idempotency_key": key,
        "identity_organisation_id": "org_0000SandboxOrganisation",
        "created_at": utc(world.now_us()),
        "data": {"object": object},
    })
}

/// `POST /air/webhooks`; the answer carries the secret.
pub(super) async fn create(State(world): State<Shared>, Data(data): Data) -> Answer {
    let url = text(&data, "url")?;
    if url::Url::parse(url).is_err() {
        return Err(Refusal::field("url", "validation_format", "Field 'url' is not a valid URL"));
    }
    let mut book = world.book().await?;
    if !book.all(WEBHOOK).await?.is_empty() {
        return Err(Refusal::field("url", "unsafe_unique", "There is a webhook in this mode already"));
    }
    let id = world.ids.duffel("end");
    let wire = json!({
        "id": id, "active": true, "url": url, "events": data["events"], "live_mode": false,
        "created_at": utc(world.now_us()), "updated_at": utc(world.now_us()),
    });
    book.put(WEBHOOK, &Document::new(id, wire.clone(), Value::Null)).await?;
    world.commit(book).await?;
    let mut shown = wire;
    shown["secret"] = json!(world.credentials.duffel_webhook_secret);
    created(shown)
}

/// `GET /air/webhooks`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let all = world.book().await?.all(WEBHOOK).await?;
    page(all.into_iter().map(|webhook| webhook.wire).collect(), &query)
}

/// `PATCH /air/webhooks/{id}`: `active`, `events`, `url`.
pub(super) async fn update(State(world): State<Shared>, Path(id): Path<String>, Data(data): Data) -> Answer {
    let mut book = world.book().await?;
    let mut webhook = book.get(WEBHOOK, &id).await?.ok_or_else(missing)?;
    for field in ["active", "events", "url"] {
        if !data[field].is_null() {
            webhook.wire[field] = data[field].clone();
        }
    }
    webhook.wire["updated_at"] = json!(utc(world.now_us()));
    book.put(WEBHOOK, &webhook).await?;
    world.commit(book).await?;
    super::wire::ok(webhook.wire)
}

/// `DELETE /air/webhooks/{id}`.
pub(super) async fn delete(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    if !book.remove(WEBHOOK, &id).await? {
        return Err(missing());
    }
    world.commit(book).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /air/webhooks/{id}/actions/ping`.
pub(super) async fn ping(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    let webhook = book.get(WEBHOOK, &id).await?.ok_or_else(missing)?;
    let body = event(&world, "ping.triggered", &id, &json!({}));
    notify::enqueue(&world, &mut book, PROVIDER, &id, webhook.text("url"), &body).await?;
    world.commit(book).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn missing() -> Refusal {
    Refusal::not_found("The webhook does not exist.")
}
