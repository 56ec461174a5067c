//! Orders: opened, shown, changed while nobody approved, captured or authorised once the payer did.
//!
//! Source: Orders v2. An order nobody approved lives three hours; there is no call that closes one. Deliberately not here:
//! more than one purchase unit, items, shipping.

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::captures::{self, AUTHORIZATION, CAPTURE};
use super::refunds::REFUND;
use super::replay::{self, Memory};
use super::{Answer, Refusal, Wire, amount, brief, fresh_id, full, instant, notice, read_body};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind orders are kept under; their link is the merchant's own number.
pub(super) const ORDER: &str = "paypal_order";

const LIVES_US: i64 = 3 * 3600 * 1_000_000;
const MINIMAL: [&str; 5] = ["id", "status", "payment_source", "payer", "links"];

/// `POST /v2/checkout/orders`.
pub(super) async fn create(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let body = read_body(&headers, &body)?;
    let request = replay::given(&headers)?;
    let mut book = world.book().await?;
    let known = replay::made(&world, &mut book, "create", request).await?;
    let order = match known {
        Some(id) => book.get(ORDER, &id).await?.ok_or_else(Refusal::missing)?,
        None => {
            let order = check(&world, &body, request.is_some())?;
            book.put(ORDER, &order).await?;
            replay::remember(&world, &mut book, "create", request, &order.id, Memory::Orders).await?;
            order
        }
    };
    let shown = view(&world, &mut book, &order).await?;
    world.commit(book).await?;
    // With a way to pay the order waits for the payer at once, and that is told with 200.
    let status = if shown.get("payment_source").is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Wire(pick(&headers, shown))).into_response())
}

fn pick(headers: &HeaderMap, shown: Value) -> Value {
    if full(headers) { shown } else { brief(&shown, &MINIMAL) }
}

fn check(world: &World, body: &Value, has_request_id: bool) -> Result<Document, Refusal> {
    let intent = body["intent"].as_str().filter(|intent| ["CAPTURE", "AUTHORIZE"].contains(intent));
    let intent = intent.ok_or_else(|| Refusal::malformed("/intent", "INVALID_PARAMETER_VALUE"))?;
    let unit = match body["purchase_units"].as_array().map(Vec::as_slice) {
        Some([unit]) => unit,
        _ => return Err(Refusal::malformed("/purchase_units", "INVALID_ARRAY_MAX_ITEMS")),
    };
    let total = amount::read(&unit["amount"])?;
    for (field, name) in [
        ("/purchase_units/custom_id", "custom_id"),
        ("/purchase_units/invoice_id", "invoice_id"),
        ("/purchase_units/description", "description"),
    ] {
        let longest = unit[name].as_str().map_or(0, |text| text.chars().count());
        if longest > 127 {
            return Err(Refusal::malformed(field, "INVALID_STRING_LENGTH"));
        }
    }
    let wallet = body.get("payment_source").and_then(|source| source.get("paypal"));
    if wallet.is_some() && !has_request_id {
        return Err(Refusal::malformed("PayPal-Request-Id", "PAYPAL_REQUEST_ID_REQUIRED"));
    }
    let context = wallet.map_or(&body["application_context"], |wallet| &wallet["experience_context"]);
    let address = |field: &'static str, name: &str| match context[name].as_str() {
        None => Ok(String::new()),
        Some(text) => url::Url::parse(text)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()))
            .map(String::from)
            .ok_or_else(|| Refusal::malformed(field, "INVALID_PARAMETER_SYNTAX")),
    };
    let (return_url, cancel_url) = (address("/return_url", "return_url")?, address("/cancel_url", "cancel_url")?);
    if let Some(shipping) = context["shipping_preference"].as_str()
        && !["GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"].contains(&shipping)
    {
        return Err(Refusal::malformed("/shipping_preference", "INVALID_PARAMETER_VALUE"));
    }
    let now_us = world.now_us();
    let mut unit = unit.clone();
    unit["reference_id"] = json!(unit["reference_id"].as_str().unwrap_or("default"));
    unit["amount"] = amount::wire(total.minor, total.currency);
    unit["payee"] = json!({"email_address": "merchant@sandbox.invalid", "merchant_id": "ZHIYOUSANDBOX"});
    let mut wire = json!({
        "id": fresh_id(world, "order"),
        "intent": intent,
        "status": if wallet.is_some() { "PAYER_ACTION_REQUIRED" } else { "CREATED" },
        "purchase_units": [unit.clone()],
        "create_time": instant(now_us),
    });
    if wallet.is_some() {
        wire["payment_source"] = json!({"paypal": {}});
    }
    let inner = json!({
        "minor": total.minor, "currency": total.currency, "return_url": return_url, "cancel_url": cancel_url,
        "description": unit["description"], "expires_us": now_us.saturating_add(LIVES_US),
    });
    let id = wire["id"].as_str().unwrap_or_default().to_owned();
    Ok(Document::new(id, wire, inner).linked(unit["custom_id"].as_str().unwrap_or_default()))
}

/// An order as it is shown: with its payments and the links that lead on.
pub(super) async fn view(world: &World, book: &mut Book, order: &Document) -> Result<Value, StoreError> {
    let base = &world.urls.paypal;
    let own = format!("{base}/v2/checkout/orders/{}", order.id);
    let mut links = vec![json!({"href": own, "rel": "self", "method": "GET"})];
    match order.text("status") {
        "CREATED" | "PAYER_ACTION_REQUIRED" => {
            let rel = if order.wire.get("payment_source").is_some() { "payer-action" } else { "approve" };
            links.push(json!({"href": format!("{base}/checkoutnow?token={}", order.id), "rel": rel, "method": "GET"}));
        }
        "APPROVED" if order.text("intent") == "AUTHORIZE" => {
            links.push(json!({"href": format!("{own}/authorize"), "rel": "authorize", "method": "POST"}));
        }
        "APPROVED" => links.push(json!({"href": format!("{own}/capture"), "rel": "capture", "method": "POST"})),
        _ => {}
    }
    let mut shown = order.wire.clone();
    shown["links"] = Value::Array(links);
    let mut payments = json!({});
    let mut given_back = Vec::new();
    for (kind, name) in [(AUTHORIZATION, "authorizations"), (CAPTURE, "captures")] {
        let parts = book.linked(kind, &order.id).await?;
        for part in parts.iter().filter(|_| kind == CAPTURE) {
            given_back.extend(book.linked(REFUND, &part.id).await?.into_iter().map(|refund| refund.wire));
        }
        if !parts.is_empty() {
            payments[name] = parts.into_iter().map(|part| part.wire).collect();
        }
    }
    if !given_back.is_empty() {
        payments["refunds"] = Value::Array(given_back);
    }
    if payments.as_object().is_some_and(|payments| !payments.is_empty()) {
        shown["purchase_units"][0]["payments"] = payments;
    }
    Ok(shown)
}

/// `GET /v2/checkout/orders/{id}`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Answer {
    let mut book = world.book().await?;
    captures::settle_due(&world, &mut book).await?;
    let order = book.get(ORDER, &id).await?.ok_or_else(Refusal::missing)?;
    let shown = view(&world, &mut book, &order).await?;
    world.commit(book).await?;
    Ok(Wire(shown).into_response())
}

/// `PATCH /v2/checkout/orders/{id}`: another amount, while nobody approved.
pub(super) async fn patch(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = read_body(&headers, &body)?;
    let mut book = world.book().await?;
    let mut order = book.get(ORDER, &id).await?.ok_or_else(Refusal::missing)?;
    if !is_open(&world, &order) {
        return Err(Refusal::issue("ORDER_ALREADY_COMPLETED", "The order cannot be patched after it is completed."));
    }
    for change in body.as_array().ok_or_else(|| Refusal::malformed("/", "INVALID_JSON_POINTER_FORMAT"))? {
        let path = change["path"].as_str().unwrap_or_default();
        if change["op"] != "replace" || path != "/purchase_units/@reference_id=='default'/amount" {
            return Err(Refusal::value("/path", "NOT_PATCHABLE"));
        }
        let total = amount::read(&change["value"])?;
        order.wire["purchase_units"][0]["amount"] = amount::wire(total.minor, total.currency);
        order.inner["minor"] = json!(total.minor);
        order.inner["currency"] = json!(total.currency);
    }
    book.put(ORDER, &order).await?;
    world.commit(book).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether the payer can still approve it: also once more, with another card, after one was declined.
pub(super) fn is_open(world: &World, order: &Document) -> bool {
    let again = order.text("status") == "APPROVED" && order.inner["card_declined"] == true;
    let open = again || ["CREATED", "PAYER_ACTION_REQUIRED"].contains(&order.text("status"));
    open && world.now_us() < order.number("expires_us")
}

/// Marks an answer that declined a card.
#[derive(Clone)]
pub(super) struct CardDeclined;

/// Keeps that the card of an order was declined: its page opens again.
pub(super) async fn card_declined(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let answer = next.run(request).await;
    let id = path.strip_prefix("/v2/checkout/orders/").and_then(|rest| rest.split('/').next());
    let (Some(id), Some(CardDeclined)) = (id, answer.extensions().get()) else { return answer };
    match keep_declined(&world, id).await {
        Ok(()) => answer,
        Err(error) => Refusal::from(error).into_response(),
    }
}

async fn keep_declined(world: &World, id: &str) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    if let Some(mut order) = book.get(ORDER, id).await? {
        order.inner["card_declined"] = json!(true);
        order.wire["update_time"] = json!(instant(world.now_us()));
        book.put(ORDER, &order).await?;
    }
    book.commit().await
}

/// The payer approved.
pub(super) async fn approve(world: &World, book: &mut Book, mut order: Document) -> Result<Document, StoreError> {
    let payer_id = world.ids.code("payer", 13).to_uppercase();
    order.wire["status"] = json!("APPROVED");
    order.wire["update_time"] = json!(instant(world.now_us()));
    order.inner["card_declined"] = json!(false);
    order.wire["payer"] = json!({"payer_id": payer_id, "email_address": "traveller@sandbox.invalid"});
    order.inner["payer_id"] = json!(payer_id);
    book.put(ORDER, &order).await?;
    let shown = view(world, book, &order).await?;
    notice::announce(world, book, &order.link, "CHECKOUT.ORDER.APPROVED", "checkout-order", &shown).await?;
    Ok(order)
}

/// `POST /v2/checkout/orders/{id}/capture`.
pub(super) async fn capture(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    pay(&world, &id, &headers, &body, "CAPTURE").await
}

/// `POST /v2/checkout/orders/{id}/authorize`.
pub(super) async fn authorize(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    pay(&world, &id, &headers, &body, "AUTHORIZE").await
}

async fn pay(world: &World, id: &str, headers: &HeaderMap, body: &Bytes, intent: &str) -> Answer {
    read_body(headers, body)?;
    let request = replay::given(headers)?;
    let call = format!("{intent} {id}");
    let mut book = world.book().await?;
    let mut order = book.get(ORDER, id).await?.ok_or_else(Refusal::missing)?;
    let again = replay::made(world, &mut book, &call, request).await?.is_some();
    if !again {
        may_be_paid(world, &mut book, &order, intent).await?;
        order.wire["status"] = json!("COMPLETED");
        order.wire["update_time"] = json!(instant(world.now_us()));
        book.put(ORDER, &order).await?;
        if intent == "CAPTURE" {
            let total = amount::Amount { minor: order.number("minor"), currency: currency(&order)? };
            captures::open(world, &mut book, &order, total, None).await?;
        } else {
            captures::set_aside(world, &mut book, &order).await?;
        }
        replay::remember(world, &mut book, &call, request, id, Memory::Orders).await?;
    }
    let shown = view(world, &mut book, &order).await?;
    world.commit(book).await?;
    let status = if again { StatusCode::OK } else { StatusCode::CREATED };
    let shown = if full(headers) {
        shown
    } else {
        // A minimal answer still tells what was paid, and leaves the rest of the purchase out.
        let unit = brief(&shown["purchase_units"][0], &["reference_id", "payments"]);
        let mut short = brief(&shown, &MINIMAL);
        short["purchase_units"] = json!([unit]);
        short
    };
    Ok((status, Wire(shown)).into_response())
}

/// The currency of an order that was checked when it was opened.
pub(super) fn currency(order: &Document) -> Result<&'static str, Refusal> {
    amount::read(&order.wire["purchase_units"][0]["amount"]).map(|amount| amount.currency)
}

async fn may_be_paid(world: &World, book: &mut Book, order: &Document, intent: &str) -> Result<(), Refusal> {
    if order.text("intent") != intent {
        let description = "The intent of the order does not allow this call.";
        return Err(Refusal::issue("ACTION_DOES_NOT_MATCH_INTENT", description));
    }
    match order.text("status") {
        "COMPLETED" if intent == "CAPTURE" => {
            return Err(Refusal::issue("ORDER_ALREADY_CAPTURED", "Order already captured."));
        }
        "COMPLETED" => return Err(Refusal::issue("ORDER_ALREADY_AUTHORIZED", "Order already authorized.")),
        "APPROVED" => {}
        _ if world.now_us() >= order.number("expires_us") => {
            return Err(Refusal::issue("ORDER_EXPIRED", "Order has expired."));
        }
        _ => return Err(Refusal::issue("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment.")),
    }
    let invoice = order.wire["purchase_units"][0]["invoice_id"].as_str().unwrap_or_default();
    for other in book.all(CAPTURE).await? {
        if !invoice.is_empty() && other.link != order.id && other.wire["invoice_id"] == invoice {
            return Err(Refusal::issue("DUPLICATE_INVOICE_ID", "Duplicate Invoice ID detected."));
        }
    }
    Ok(())
}
