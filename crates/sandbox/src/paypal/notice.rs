//! Notifications: their bodies, their signature, the certificate it is checked with, the app's webhook, and the call that
//! checks a signature for the merchant.
//!
//! Source: the webhooks pages and PayPal-Python-SDK. Signed is `id|time|webhook id|CRC-32 of the body`; a notification keeps
//! its transmission id over its tries. Deliberately not here: when one is sent (`notify`).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Answer, PROVIDER, Refusal, Wire, credentials, instant, read_body};
use crate::keys::{KeyError, der};
use crate::notify::{self, Variant};
use crate::rows::{self, By};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const WEBHOOK: &str = "paypal_webhook";
const ALGORITHM: &str = "SHA256withRSA";
/// The name the real certificates carry; this one is signed by an authority nobody else trusts.
const NAME: &str = "messageverificationcerts.sandbox.paypal.com";

/// The names of two certificates that only look like the channel's: by another authority, and past its time.
pub(super) const STRANGERS: &str = "CERT-STRANGERS";
pub(super) const EXPIRED: &str = "CERT-EXPIRED";

/// What certificates lead up to, one for this key, and one that is past its time, all as PEM. As the provider's are, both are
/// issued under an authority below the root and served without it.
pub(super) fn certificates(private_pem: &str) -> Result<[String; 3], KeyError> {
    let named = |name: &str, until: i32| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Zhiyou Sandbox");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params
    };
    let authority = |name: &str, below: u8| {
        let mut authority = named(name, 2044);
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(below));
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        authority
    };
    let (root, root_key) = (authority("Sandbox certificate authority", 1), rcgen::KeyPair::generate()?);
    let (between, between_key) =
        (authority("Sandbox certificate authority in between", 0), rcgen::KeyPair::generate()?);
    let root_pem = root.self_signed(&root_key)?.pem();
    let between_pem = between.signed_by(&between_key, &rcgen::Issuer::new(root, root_key))?.pem();
    let above = (between_pem + &root_pem).replace("\r\n", "\n");
    let issuer = rcgen::Issuer::new(between, between_key);
    let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(private_pem, &rcgen::PKCS_RSA_SHA256)?;
    let leaf = |until: i32| -> Result<String, KeyError> {
        let mut leaf = named(NAME, until);
        leaf.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into()?)];
        leaf.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        Ok(leaf.signed_by(&key, &issuer)?.pem().replace("\r\n", "\n"))
    };
    Ok([above, leaf(2044)?, leaf(2026)?])
}

/// CRC-32 (ISO 3309), half a byte at a time.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const fn step(crc: u32) -> u32 {
        let mut crc = crc;
        let mut left = 4;
        while left > 0 {
            crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
            left -= 1;
        }
        crc
    }
    let mut crc = u32::MAX;
    for byte in bytes {
        crc = step(crc ^ u32::from(byte & 0x0F));
        crc = step(crc ^ u32::from(byte >> 4));
    }
    crc ^ u32::MAX
}

/// `GET /v1/notifications/certs/{id}`.
pub(super) async fn certificate(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let keys = credentials(&world)?;
    let pem = match id.as_str() {
        STRANGERS => {
            let strangers = certificates(&keys.certificate_private_pem).map_err(|_| Refusal::broken())?;
            let [_, end, _] = strangers;
            end
        }
        EXPIRED => keys.expired_certificate_pem.clone(),
        own if own == keys.certificate_id => keys.certificate_pem.clone(),
        _ => return Err(Refusal::missing()),
    };
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response())
}

/// Headers and body of one try to deliver a notification, signed now.
pub(crate) fn notification(world: &World, event: &Value, variant: Variant) -> Option<(HeaderMap, String)> {
    let keys = world.credentials.paypal.as_ref()?;
    let wrong = rows::of(super::ROWS, variant);
    let mut event = event.clone();
    wrong.said(&mut event);
    let body = event.to_string();
    let hash = hex::encode(digest(&SHA256, event["id"].as_str()?.as_bytes()));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    let id = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    let time = instant(world.now_us().saturating_add(wrong.off_s * 1_000_000));
    // The channel's simulator signs for these words.
    let webhook_id = if wrong.by == By::ForAnother { "WEBHOOK_ID" } else { &keys.webhook_id };
    let text = format!("{id}|{time}|{webhook_id}|{}", checksum(body.as_bytes()));
    let stranger = wrong.by == By::Stranger;
    let pem =
        if stranger { world.credentials.merchant_private_key_pem.as_str() } else { &keys.certificate_private_pem };
    let key = KeyPair::from_pkcs8(&der(pem).ok()?).ok()?;
    let mut signature = vec![0_u8; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    let certificate = format!("{}/v1/notifications/certs/{}", world.urls.paypal, keys.certificate_id);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("paypal-transmission-id", id.as_str()),
        ("paypal-transmission-time", &time),
        ("paypal-transmission-sig", &STANDARD.encode(signature)),
        ("paypal-cert-url", &certificate),
        ("paypal-auth-algo", ALGORITHM),
        ("content-type", "application/json"),
        ("user-agent", "PayPal/AUHD-214.0-58843690"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    }
    let body = match variant {
        Variant::Genuine | Variant::Row(_) => body,
        // The channel sends no probes of its own; what is not genuine is a changed body.
        Variant::Corrupt | Variant::Probe => {
            event["summary"] = json!("changed after signing");
            event.to_string()
        }
    };
    Some(wrong.sent(headers, body))
}

/// Writes a notification about `about` into the book, if the app's webhook has an address.
pub(super) async fn announce(
    world: &World,
    book: &mut Book,
    about: &str,
    event_type: &str,
    resource_type: &str,
    resource: &Value,
) -> Result<(), StoreError> {
    let url = match (&world.credentials.paypal, book.all(WEBHOOK).await?.pop()) {
        (Some(_), Some(webhook)) => webhook.text("url").to_owned(),
        _ => return Ok(()),
    };
    let id = format!("WH-{}-{}", super::fresh_id(world, "event"), super::fresh_id(world, "event"));
    let body = json!({
        "id": id,
        "event_version": "1.0",
        "create_time": instant(world.now_us()),
        "resource_type": resource_type,
        "resource_version": "2.0",
        "event_type": event_type,
        "summary": event_type,
        "resource": resource,
        "links": [{
            "href": format!("{}/v1/notifications/webhooks-events/{id}", world.urls.paypal), "rel": "self", "method": "GET",
        }],
    });
    notify::enqueue(world, book, PROVIDER, about, &url, &body).await
}

fn shown(id: &str, url: &str) -> Value {
    json!({"id": id, "url": url, "event_types": [{"name": "*"}]})
}

async fn webhook(world: &World, book: &mut Book, id: &str) -> Result<Document, Refusal> {
    if id != credentials(world)?.webhook_id {
        return Err(Refusal::missing());
    }
    let known = book.get(WEBHOOK, id).await?;
    Ok(known.unwrap_or_else(|| Document::new(id, shown(id, "https://merchant.invalid/paypal"), json!({}))))
}

/// `GET /v1/notifications/webhooks/{id}`.
pub(super) async fn show_webhook(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    Ok(Wire(webhook(&world, &mut book, &id).await?.wire).into_response())
}

/// `PATCH /v1/notifications/webhooks/{id}`: another address.
pub(super) async fn patch_webhook(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = read_body(&headers, &body)?;
    let mut book = world.book().await?;
    let mut known = webhook(&world, &mut book, &id).await?;
    for change in body.as_array().map(Vec::as_slice).unwrap_or_default() {
        let url = change["value"].as_str().filter(|url| url::Url::parse(url).is_ok());
        match (change["op"].as_str(), change["path"].as_str(), url) {
            (Some("replace"), Some("/url"), Some(url)) => known.wire = shown(&id, url),
            _ => return Err(Refusal::malformed("/path", "INVALID_PATCH_OPERATION")),
        }
    }
    book.put(WEBHOOK, &known).await?;
    world.commit(book).await?;
    Ok(Wire(known.wire).into_response())
}

#[derive(Deserialize)]
struct Claim<'a> {
    auth_algo: String,
    transmission_id: String,
    transmission_time: String,
    transmission_sig: String,
    webhook_id: String,
    /// As it arrived: the checksum is over these very bytes.
    #[serde(borrow)]
    webhook_event: &'a RawValue,
}

/// `POST /v1/notifications/verify-webhook-signature`.
pub(super) async fn verify(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    read_body(&headers, &body)?;
    let claim: Claim<'_> =
        serde_json::from_slice(&body).map_err(|_| Refusal::malformed("/", "MISSING_REQUIRED_PARAMETER"))?;
    let keys = credentials(&world)?;
    let event = claim.webhook_event.get().as_bytes();
    let text =
        format!("{}|{}|{}|{}", claim.transmission_id, claim.transmission_time, claim.webhook_id, checksum(event));
    let private = der(&keys.certificate_private_pem).ok().and_then(|der| KeyPair::from_pkcs8(&der).ok());
    let genuine = private.zip(STANDARD.decode(&claim.transmission_sig).ok()).is_some_and(|(key, signature)| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(text.as_bytes(), &signature)
            .is_ok()
    });
    let genuine = genuine && claim.auth_algo == ALGORITHM && claim.webhook_id == keys.webhook_id;
    Ok(Wire(json!({"verification_status": if genuine { "SUCCESS" } else { "FAILURE" }})).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = path.join("../../vectors/paypal/webhook_offline_verify.json");
        let vector: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let body = vector["raw_body"].as_str().unwrap();
        assert_eq!(u64::from(checksum(body.as_bytes())), vector["crc32_decimal"].as_u64().unwrap());
    }
}
