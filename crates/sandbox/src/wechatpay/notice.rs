//! What the channel seals: signature headers of answers and notifications, encrypted notification bodies, and the platform
//! certificate.
//!
//! Source: the documentation's "payment notice" and "platform certificate" pages; AEAD_AES_256_GCM with the APIv3 key.
//! Deliberately not here: when a notification is sent (`notify`).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::KeyPair;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Wire, sign};
use crate::clock::beijing;
use crate::keys::{CERTIFICATE_VALID, der};
use crate::notify::{self, Variant};
use crate::rows::{self, By, Wrong};
use crate::store::{Book, StoreError};
use crate::world::{Shared, World};

/// The five headers of a signed answer or notification and the signature type; none for an unknown platform key.
pub(super) fn signature_headers(world: &World, asked: Option<&str>, body: &[u8]) -> Option<HeaderMap> {
    let (key, serial) = world.pay_keys.platform(&world.credentials, asked, is_renewed(world))?;
    let timestamp = world.now_us().div_euclid(1_000_000).to_string();
    let nonce = world.ids.code("nonce", 32);
    let signature = sign::sign_answer(key, &timestamp, &nonce, body)?;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("wechatpay-timestamp", timestamp.as_str()),
        ("wechatpay-nonce", &nonce),
        ("wechatpay-serial", &serial),
        ("wechatpay-signature", &signature),
        ("wechatpay-signature-type", "WECHATPAY2-SHA256-RSA2048"),
    ] {
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

/// Whether the platform has changed its certificate: the rule `certificate` is `renewed`, or `replaced` once the first one is
/// no longer listed.
fn is_renewed(world: &World) -> bool {
    world.switches.word(super::PROVIDER, "certificate").is_some()
}

/// The key that signs a notification: the public key, or by the rule `notify_key` the `certificate`, or both in turns (`mixed`).
fn notify_key(world: &World) -> Option<String> {
    let by_certificate = match world.switches.word(super::PROVIDER, "notify_key").as_deref() {
        Some("certificate") => true,
        Some("mixed") => world.pay_keys.is_certificates_turn(),
        _ => false,
    };
    (!by_certificate).then(|| world.credentials.platform_public_key_id.clone())
}

/// Headers of one try to deliver a notification, signed now. A probe's signature starts with the documented marker.
fn notification_headers(world: &World, body: &str, variant: Variant) -> Option<HeaderMap> {
    let mut headers = signature_headers(world, notify_key(world).as_deref(), body.as_bytes())?;
    if variant == Variant::Probe {
        let genuine = headers.get("wechatpay-signature")?.to_str().ok()?.to_owned();
        let probe = format!("WECHATPAY/SIGNTEST/{genuine}");
        headers.insert("wechatpay-signature", HeaderValue::from_str(&probe).ok()?);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Mozilla/4.0"));
    Some(headers)
}

/// Headers and body of one try to deliver a notification, signed now.
pub(crate) fn notification(world: &World, envelope: &Value, variant: Variant) -> Option<(HeaderMap, String)> {
    let wrong = rows::of(super::ROWS, variant);
    let mut envelope = envelope.clone();
    if wrong.says.is_some() {
        resealed(world, &mut envelope, &wrong)?;
    }
    if let Some(change) = wrong.wraps {
        change(&mut envelope);
    }
    let body = envelope.to_string();
    let mut headers = notification_headers(world, &body, variant)?;
    if wrong.off_s != 0 || wrong.by != By::Provider {
        sign_again(world, &mut headers, &wrong, &body)?;
    }
    Some(wrong.sent(headers, if variant == Variant::Corrupt { notify::tampered(&body) } else { body }))
}

/// Signs at another time, or as somebody else under the platform's name.
fn sign_again(world: &World, headers: &mut HeaderMap, wrong: &Wrong, body: &str) -> Option<()> {
    let keys = &world.credentials;
    let own = wrong.by == By::Provider;
    let pem = if own { &keys.platform_public_key_private_pem } else { &keys.merchant_private_key_pem };
    let key = KeyPair::from_pkcs8(&der(pem).ok()?).ok()?;
    let at = world.now_us().div_euclid(1_000_000).saturating_add(wrong.off_s).to_string();
    let nonce = world.ids.code("nonce", 32);
    rows::set(headers, "wechatpay-signature", &sign::sign_answer(&key, &at, &nonce, body.as_bytes())?);
    rows::set(headers, "wechatpay-timestamp", &at);
    rows::set(headers, "wechatpay-nonce", &nonce);
    rows::set(headers, "wechatpay-serial", &keys.platform_public_key_id);
    Some(())
}

/// Opens what is sealed, changes what it says and seals it again.
fn resealed(world: &World, envelope: &mut Value, wrong: &Wrong) -> Option<()> {
    let resource = &envelope["resource"];
    let text = |field: &str| resource[field].as_str();
    let associated = text("associated_data")?.to_owned();
    let plain = open(&world.credentials.apiv3_key, text("nonce")?, &associated, text("ciphertext")?)?;
    let mut content: Value = serde_json::from_slice(&plain).ok()?;
    wrong.said(&mut content);
    let nonce = world.ids.code("aead nonce", 12);
    let sealed = seal(&world.credentials.apiv3_key, &nonce, &associated, content.to_string().as_bytes())?;
    envelope["resource"]["ciphertext"] = json!(sealed);
    envelope["resource"]["nonce"] = json!(nonce);
    Some(())
}

fn open(key: &str, nonce: &str, associated: &str, sealed: &str) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
    let mut bytes = STANDARD.decode(sealed).ok()?;
    let plain = key.open_in_place(nonce, Aad::from(associated.as_bytes()), &mut bytes).ok()?;
    Some(plain.to_vec())
}

/// An event's place in the notification: its type, what its resource is, and one line for humans.
pub(super) struct Event {
    pub(super) event_type: String,
    pub(super) original_type: &'static str,
    pub(super) summary: &'static str,
}

/// Writes an encrypted notification about `about` into the book.
pub(super) async fn announce(
    world: &World,
    book: &mut Book,
    about: &str,
    url: &str,
    event: Event,
    resource: &Value,
) -> Result<(), StoreError> {
    if url.is_empty() {
        return Ok(());
    }
    let nonce = world.ids.code("aead nonce", 12);
    let sealed = seal(&world.credentials.apiv3_key, &nonce, event.original_type, resource.to_string().as_bytes());
    let body = json!({
        "id": world.ids.uuid("event"),
        "create_time": beijing(world.now_us()),
        "resource_type": "encrypt-resource",
        "event_type": event.event_type,
        "summary": event.summary,
        "resource": {
            "original_type": event.original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": sealed.unwrap_or_default(),
            "associated_data": event.original_type,
            "nonce": nonce,
        },
    });
    notify::enqueue(world, book, super::PROVIDER, about, url, &body).await
}

/// `GET /v3/certificates`: the platform certificates, encrypted with the APIv3 key.
pub(super) async fn certificates(State(world): State<Shared>) -> Response {
    let keys = &world.credentials;
    let mut listed = Vec::new();
    if world.switches.word(super::PROVIDER, "certificate").as_deref() != Some("replaced") {
        listed.push((&keys.platform_certificate_serial, &keys.platform_certificate_pem));
    }
    if let Some(successor) = is_renewed(&world).then(|| world.pay_keys.successor()).flatten() {
        listed.push((&successor.serial, &successor.pem));
    }
    let entry = |(serial, pem): (&String, &String)| {
        let nonce = world.ids.code("aead nonce", 12);
        let ciphertext = seal(&keys.apiv3_key, &nonce, "certificate", pem.as_bytes());
        json!({
            "serial_no": serial,
            "effective_time": CERTIFICATE_VALID.0,
            "expire_time": CERTIFICATE_VALID.1,
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": ciphertext,
            },
        })
    };
    Wire(json!({"data": listed.into_iter().map(entry).collect::<Vec<Value>>()})).into_response()
}

/// `base64(cipher || tag)`; none only for a key or nonce of the wrong length.
fn seal(key: &str, nonce: &str, associated: &str, plain: &[u8]) -> Option<String> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
    let mut bytes = plain.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(associated.as_bytes()), &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_ciphertext_comes_out_bit_for_bit() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/wechat/aead_aes_gcm.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let case = &vectors["cases"][0];
        let text = |field: &str| case[field].as_str().unwrap();
        let sealed = seal(text("api_v3_key"), text("nonce"), text("associated_data"), text("plaintext").as_bytes());
        assert_eq!(sealed.unwrap(), text("ciphertext"));
    }
}
