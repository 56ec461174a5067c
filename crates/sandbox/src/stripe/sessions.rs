//! Checkout Sessions: opened with one item, paid on their page, expired by hand or by time.
//!
//! Source: docs.stripe.com/api/checkout/sessions. The intent is made when the payer first confirms. Deliberately not here: the
//! page itself (`page`).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Value, json};

use super::expand::{expanded, page};
use super::form::Form;
use super::intents::{self, INTENT, Means};
use super::{Answer, PROVIDER, Refusal, events, seconds, wallets};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind sessions are kept under.
pub(super) const SESSION: &str = "stripe_session";

const HALF_HOUR_S: i64 = 1800;
const DAY_S: i64 = 24 * 3600;
const KNOWN: [&str; 16] = [
    "mode",
    "ui_mode",
    "client_reference_id",
    "metadata",
    "success_url",
    "cancel_url",
    "expires_at",
    "allowed_payment_method_types",
    "payment_method_options",
    "adaptive_pricing",
    "line_items",
    "payment_intent_data",
    "locale",
    "customer_email",
    "submit_type",
    "origin_context",
];

/// `POST /v1/checkout/sessions`.
pub(super) async fn create(State(world): State<Shared>, body: Bytes) -> Answer {
    let form = Form::read(&body, &KNOWN)?;
    let document = wished(&world, &form)?;
    let mut book = world.book().await?;
    book.put(SESSION, &document).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, document.wire, &form.expand()).await?))
}

fn wished(world: &World, form: &Form) -> Result<Document, Refusal> {
    if form.required("mode")? != "payment" {
        return Err(Refusal::param("mode", "parameter_invalid", "This account takes single payments only"));
    }
    if !["", "hosted_page"].contains(&form.text("ui_mode")) {
        return Err(Refusal::param("ui_mode", "parameter_invalid", "This account uses hosted pages only"));
    }
    wallets::options(form)?;
    for name in ["success_url", "cancel_url"] {
        let address = form.text(name);
        let fits = url::Url::parse(address).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if !(fits || address.is_empty() && name == "cancel_url") {
            return Err(Refusal::param(name, "url_invalid", "Not a valid URL"));
        }
    }
    let (amount, currency) = items(form)?;
    let now_s = seconds(world.now_us());
    let expires_s = form.integer("expires_at")?.unwrap_or(now_s + DAY_S);
    if !(now_s + HALF_HOUR_S..=now_s + DAY_S).contains(&expires_s) {
        let text = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.";
        return Err(Refusal::param("expires_at", "parameter_invalid", text));
    }
    if form.text("client_reference_id").chars().count() > 200 {
        return Err(Refusal::param("client_reference_id", "parameter_invalid", "Too long"));
    }
    let id = format!("cs_test_{}{}", world.ids.code("session", 32), world.ids.code("session", 26));
    let method = intents::capture_method(form, "payment_intent_data.capture_method")?;
    let offered = wallets::eligible(form, &currency, method)?;
    let wire = json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": form.text("adaptive_pricing.enabled") != "false"},
        "allowed_payment_method_types": form.at("allowed_payment_method_types"), "amount_subtotal": amount, "amount_total": amount,
        "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null}, "cancel_url": form.at("cancel_url"),
        "client_reference_id": form.at("client_reference_id"), "client_secret": null, "created": now_s, "currency": currency,
        "currency_conversion": null, "customer": null, "customer_details": null, "customer_email": form.at("customer_email"),
        "discounts": [], "expires_at": expires_s, "livemode": false, "locale": form.at("locale"), "metadata": form.metadata("metadata")?,
        "mode": "payment", "payment_intent": null, "payment_method_types": offered, "payment_status": "unpaid", "status": "open",
        "success_url": form.required("success_url")?, "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": format!("{}/c/pay/{id}", world.urls.stripe),
    });
    let inner = json!({
        "name": form.text("line_items.0.price_data.product_data.name"),
        "capture_method": method,
        "intent_metadata": form.metadata("payment_intent_data.metadata")?,
        "intent_description": form.at("payment_intent_data.description"),
    });
    let mut document = Document::new(id, wire, inner);
    document.due_us = Some(expires_s.saturating_mul(1_000_000));
    Ok(document)
}

fn items(form: &Form) -> Result<(i64, String), Refusal> {
    let count = form.at("line_items").as_array().map_or(0, Vec::len);
    if count != 1 {
        return Err(Refusal::param("line_items", "parameter_invalid", "This account sells one item at a time"));
    }
    form.required("line_items.0.price_data.product_data.name")?;
    let (unit, currency) =
        intents::priced(form, "line_items.0.price_data.unit_amount", "line_items.0.price_data.currency")?;
    let quantity = form.integer("line_items.0.quantity")?.filter(|quantity| *quantity >= 1);
    let quantity = quantity
        .ok_or_else(|| Refusal::param("line_items[0][quantity]", "parameter_missing", "A quantity is needed"))?;
    let total =
        unit.checked_mul(quantity).ok_or_else(|| Refusal::param("line_items", "amount_too_large", "Too much"))?;
    Ok((total, currency))
}

/// The session with this id, expired if its time is over.
pub(super) async fn get(world: &World, book: &mut Book, id: &str) -> Result<Document, Refusal> {
    end_due(world, book, world.now_us()).await?;
    intents::lapse_due(world, book, world.now_us()).await?;
    book.get(SESSION, id).await?.ok_or_else(|| Refusal::missing("checkout.session", id))
}

/// `GET /v1/checkout/sessions/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &[])?;
    let mut book = world.book().await?;
    let session = get(&world, &mut book, &id).await?;
    let answer = expanded(&mut book, session.wire, &form.expand()).await?;
    world.commit(book).await?;
    Ok(Json(answer))
}

/// `GET /v1/checkout/sessions`.
pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let known = ["limit", "starting_after", "created", "payment_intent", "status"];
    let form = Form::read(query.unwrap_or_default().as_bytes(), &known)?;
    let mut book = world.book().await?;
    let mut all = book.all(SESSION).await?;
    for name in ["payment_intent", "status"] {
        if !form.text(name).is_empty() {
            all.retain(|session| session.text(name) == form.text(name));
        }
    }
    Ok(Json(page(&mut book, &form, "/v1/checkout/sessions", all).await?))
}

/// `POST /v1/checkout/sessions/{id}/expire`.
pub(super) async fn expire(State(world): State<Shared>, Path(id): Path<String>, body: Bytes) -> Answer {
    let form = Form::read(&body, &[])?;
    let mut book = world.book().await?;
    let mut session = get(&world, &mut book, &id).await?;
    let status = session.text("status");
    if status != "open" {
        let text = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{status}`."
        );
        return Err(Refusal::state(None, text));
    }
    end(&world, &mut book, &mut session).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, session.wire, &form.expand()).await?))
}

async fn end(world: &World, book: &mut Book, session: &mut Document) -> Result<(), StoreError> {
    session.wire["status"] = json!("expired");
    session.wire["url"] = Value::Null;
    session.due_us = None;
    book.put(SESSION, session).await?;
    if let Some(mut intent) = book.get(INTENT, session.text("payment_intent")).await? {
        intents::end(world, book, &mut intent, "automatic").await?;
    }
    events::tell(world, book, &about(session), "checkout.session.expired", &session.wire).await
}

/// Expires every page whose time is over.
pub(super) async fn end_due(world: &World, book: &mut Book, now_us: i64) -> Result<bool, StoreError> {
    let due = book.due(SESSION, now_us).await?;
    let any = !due.is_empty();
    for mut session in due {
        end(world, book, &mut session).await?;
    }
    Ok(any)
}

/// What a thing is called in the list of deliveries.
pub(super) fn about(session: &Document) -> String {
    session.wire["client_reference_id"].as_str().unwrap_or(&session.id).to_owned()
}

/// The payer chose a card or a wallet on an open page.
pub(super) async fn pay(
    world: &World,
    book: &mut Book,
    session: &mut Document,
    card: Means,
) -> Result<Document, StoreError> {
    let mut intent = match book.get(INTENT, session.text("payment_intent")).await? {
        Some(intent) => intent,
        None => {
            let amount = session.wire["amount_total"].as_i64().unwrap_or_default();
            let metadata = &session.inner["intent_metadata"];
            let mut made =
                intents::new(world, amount, session.text("currency"), session.hidden("capture_method"), metadata);
            made.link.clone_from(&session.id);
            made.wire["description"] = session.inner["intent_description"].clone();
            made.wire["payment_method_types"] = session.wire["payment_method_types"].clone();
            made
        }
    };
    session.wire["payment_intent"] = json!(intent.id);
    intents::charge(world, book, &mut intent, card).await?;
    finish(world, book, session, &intent).await?;
    Ok(intent)
}

/// The payer answered the bank's question, or the wallet's.
pub(super) async fn answered(
    world: &World,
    book: &mut Book,
    session: &mut Document,
    approved: bool,
    means: Means,
) -> Result<Option<Document>, StoreError> {
    let Some(mut intent) = book.get(INTENT, session.text("payment_intent")).await? else { return Ok(None) };
    if intent.text("status") != "requires_action" {
        return Ok(None);
    }
    if approved {
        intents::accept(world, book, &mut intent, means).await?;
    } else {
        intents::refuse(world, book, &mut intent, means).await?;
    }
    finish(world, book, session, &intent).await?;
    Ok(Some(intent))
}

/// Writes intent and session; money or its authorisation ends the page.
async fn finish(world: &World, book: &mut Book, session: &mut Document, intent: &Document) -> Result<(), StoreError> {
    book.put(INTENT, intent).await?;
    let status = intent.text("status");
    let over = ["succeeded", "requires_capture"].contains(&status);
    if over {
        session.wire["status"] = json!("complete");
        session.wire["payment_status"] = json!(if status == "succeeded" { "paid" } else { "unpaid" });
        session.wire["url"] = Value::Null;
        session.wire["customer_details"] = json!({"email": "traveller@sandbox.example", "name": null, "phone": null});
        session.due_us = None;
    }
    book.put(SESSION, session).await?;
    if over {
        events::tell(world, book, &about(session), "checkout.session.completed", &session.wire).await?;
    }
    Ok(())
}

/// Authorised money of this session was taken.
pub(super) async fn money_taken(book: &mut Book, id: &str) -> Result<(), StoreError> {
    let Some(mut session) = book.get(SESSION, id).await? else { return Ok(()) };
    session.wire["payment_status"] = json!("paid");
    book.put(SESSION, &session).await
}

/// Whether a page can still be paid on.
pub(super) fn is_open(session: &Document) -> bool {
    session.text("status") == "open"
}

/// Every session as the control port's book shows it: what was really taken is `taken_fen`.
pub(super) async fn shown(book: &mut Book) -> Result<Vec<Value>, StoreError> {
    let mut list = Vec::new();
    for session in book.all(SESSION).await? {
        let intent = book.get(INTENT, session.text("payment_intent")).await?;
        let intent = intent.map(|intent| intent.wire).unwrap_or_default();
        list.push(json!({
            "channel": PROVIDER,
            "out_trade_no": about(&session),
            "transaction_id": intent["id"],
            "state": intent["status"].as_str().unwrap_or(session.text("status")),
            "total_fen": session.wire["amount_total"],
            "taken_fen": intent["amount_received"].as_i64().unwrap_or_default(),
            "currency": session.text("currency").to_uppercase(),
        }));
    }
    Ok(list)
}
