//! `PayPal-Request-Id`: the same id on the same call shows what the first call made, as it is now, and makes nothing.
//!
//! Source: the idempotency page; orders remember six hours, payments 45 days. A refused call is not remembered. Deliberately
//! not here: comparing the bodies, which the channel does not promise.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::Refusal;
use crate::store::{Book, Document, StoreError};
use crate::world::World;

const SEEN: &str = "paypal_request";
const SECOND_US: i64 = 1_000_000;

/// How long a call's ids are remembered, seconds.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// Calls on orders.
    Orders,
    /// Calls on payments.
    Payments,
}

impl Memory {
    const fn seconds(self) -> i64 {
        match self {
            Self::Orders => 6 * 3600,
            Self::Payments => 45 * 24 * 3600,
        }
    }
}

/// The id of a request, if it has one.
pub(super) fn given(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(id) = headers.get("paypal-request-id") else { return Ok(None) };
    let id = id.to_str().ok().filter(|id| (1..=108).contains(&id.len()));
    id.map(Some).ok_or_else(|| Refusal::malformed("PayPal-Request-Id", "INVALID_STRING_LENGTH"))
}

/// What an earlier call with this id made on `call`, if that is still remembered.
pub(super) async fn made(
    world: &World,
    book: &mut Book,
    call: &str,
    id: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let seen = book.get(SEEN, &format!("{call} {id}")).await?;
    Ok(seen.filter(|seen| world.now_us() < seen.number("until_us")).map(|seen| seen.link))
}

/// Remembers what this call made.
pub(super) async fn remember(
    world: &World,
    book: &mut Book,
    call: &str,
    id: Option<&str>,
    made: &str,
    memory: Memory,
) -> Result<(), StoreError> {
    let Some(id) = id else { return Ok(()) };
    let until_us = world.now_us().saturating_add(memory.seconds() * SECOND_US);
    let document = Document::new(format!("{call} {id}"), Value::Null, json!({"until_us": until_us}));
    book.put(SEEN, &document.linked(made)).await
}
