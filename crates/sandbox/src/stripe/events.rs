//! Webhook endpoints, and the events that are kept and signed for them.
//!
//! Source: docs.stripe.com/webhooks. Every endpoint of this account signs with the console's secret, and with both while the
//! rule `roll_secret` is set; test events carry a `v0` beside. Deliberately not here: when an event is sent again (`notify`).

use aws_lc_rs::hmac;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::expand::page;
use super::form::Form;
use super::{Answer, PROVIDER, Refusal, VERSION, delivery_headers, intents, new_id, seconds};
use crate::notify::{self, Variant};
use crate::rows::{self, By};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const ENDPOINT: &str = "stripe_endpoint";
const EVENT: &str = "stripe_event";

/// Keeps an event and sends it to every endpoint that wants it.
pub(super) async fn tell(
    world: &World,
    book: &mut Book,
    about: &str,
    kind: &str,
    object: &Value,
) -> Result<(), StoreError> {
    let id = new_id(world, "evt");
    let wanted = |endpoint: &Document| {
        let list = endpoint.wire["enabled_events"].as_array();
        endpoint.text("status") == "enabled"
            && list.is_some_and(|list| list.contains(&json!("*")) || list.contains(&json!(kind)))
    };
    let endpoints: Vec<Document> = book.all(ENDPOINT).await?.into_iter().filter(wanted).collect();
    let wire = json!({
        "id": id, "object": "event", "api_version": VERSION, "created": seconds(world.now_us()), "data": {"object": object},
        "livemode": false, "pending_webhooks": endpoints.len(), "request": {"id": null, "idempotency_key": null}, "type": kind,
    });
    book.put(EVENT, &Document::new(&id, wire.clone(), json!({})).linked(about)).await?;
    for endpoint in endpoints {
        notify::enqueue(world, book, PROVIDER, about, endpoint.text("url"), &wire).await?;
    }
    Ok(())
}

/// Headers and body of one try to deliver a notification, signed now. A probe is signed in a scheme nobody may trust.
pub(crate) fn notification(world: &World, event: &Value, variant: Variant) -> Option<(HeaderMap, String)> {
    let account = world.credentials.stripe.as_ref()?;
    let wrong = rows::of(super::ROWS, variant);
    let mut event = event.clone();
    wrong.said(&mut event);
    let body = serde_json::to_string_pretty(&event).ok()?;
    let at = seconds(world.now_us()).saturating_add(wrong.off_s);
    let secrets = match wrong.by {
        By::Provider => account.webhook_secrets.iter().map(String::as_str).collect(),
        By::ForAnother | By::Stranger => vec!["whsec_of_another_endpoint"],
    };
    let secrets = secrets.into_iter();
    let count = if world.switches.rule(PROVIDER, "roll_secret", false) { 2 } else { 1 };
    let signatures = secrets.take(count).map(|secret| format!(",v1={}", sign(secret, at, &body)));
    let genuine: String = signatures.collect();
    let scheme = if variant == Variant::Probe { String::new() } else { genuine };
    let headers = delivery_headers(&format!("t={at}{scheme},v0={}", sign("v0", at, &body)))?;
    let sent = match variant {
        Variant::Genuine | Variant::Probe | Variant::Row(_) => body,
        Variant::Corrupt => body.replacen("\"livemode\": false", "\"livemode\": true", 1),
    };
    Some(wrong.sent(headers, sent))
}

fn sign(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, format!("{at}.{body}").as_bytes()))
}

/// `POST /v1/webhook_endpoints`; the answer alone shows the secret.
pub(super) async fn register(State(world): State<Shared>, body: Bytes) -> Answer {
    let form = Form::read(&body, &["url", "enabled_events", "api_version", "description", "metadata"])?;
    let address = form.required("url")?;
    if url::Url::parse(address).is_err() {
        return Err(Refusal::param("url", "url_invalid", "Invalid URL"));
    }
    if !["", VERSION].contains(&form.text("api_version")) {
        return Err(Refusal::param("api_version", "parameter_invalid", "Invalid API version"));
    }
    let events = form.at("enabled_events").as_array().filter(|events| !events.is_empty());
    let events = events.ok_or_else(|| {
        Refusal::param("enabled_events", "parameter_missing", "Missing required param: enabled_events.")
    })?;
    let id = new_id(&world, "we");
    let wire = json!({
        "id": id, "object": "webhook_endpoint", "api_version": VERSION, "application": null, "created": seconds(world.now_us()),
        "description": form.at("description"), "enabled_events": events, "livemode": false, "metadata": form.metadata("metadata")?,
        "status": "enabled", "url": address,
    });
    let mut book = world.book().await?;
    book.put(ENDPOINT, &Document::new(id, wire.clone(), json!({}))).await?;
    world.commit(book).await?;
    let mut answer = wire;
    answer["secret"] = json!(world.credentials.stripe.as_ref().and_then(|account| account.webhook_secrets.first()));
    Ok(Json(answer))
}

/// `GET /v1/webhook_endpoints`.
pub(super) async fn endpoints(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &["limit", "starting_after"])?;
    let mut book = world.book().await?;
    let all = book.all(ENDPOINT).await?;
    Ok(Json(page(&mut book, &form, "/v1/webhook_endpoints", all).await?))
}

/// `GET /v1/webhook_endpoints/{id}`.
pub(super) async fn endpoint(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    intents::one(&world, ENDPOINT, "webhook_endpoint", &id, query).await
}

/// `DELETE /v1/webhook_endpoints/{id}`.
pub(super) async fn forget(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    if book.get(ENDPOINT, &id).await?.is_none() {
        return Err(Refusal::missing("webhook_endpoint", &id));
    }
    book.remove(ENDPOINT, &id).await?;
    world.commit(book).await?;
    Ok(Json(json!({"id": id, "object": "webhook_endpoint", "deleted": true})))
}

/// `GET /v1/events`.
pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &["limit", "starting_after", "created", "type"])?;
    let mut book = world.book().await?;
    let mut all = book.all(EVENT).await?;
    if !form.text("type").is_empty() {
        all.retain(|event| event.text("type") == form.text("type"));
    }
    Ok(Json(page(&mut book, &form, "/v1/events", all).await?))
}

/// `GET /v1/events/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    intents::one(&world, EVENT, "event", &id, query).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_signature_comes_out_bit_for_bit() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/stripe");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let vector: Value = serde_json::from_str(&read("webhook_v1.json")).unwrap();
        let at = vector["timestamp"].as_i64().unwrap();
        let signature = sign(vector["secret"].as_str().unwrap(), at, &read("event_test_signature.json"));
        assert!(vector["header"].as_str().unwrap().starts_with(&format!("t={at},v1={signature},")));
    }
}
