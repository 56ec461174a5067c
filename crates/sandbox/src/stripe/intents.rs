//! Payment intents with their charges and movements of money: confirmed with a test card or a wallet, challenged, taken, let go.
//!
//! Source: docs.stripe.com/payments/paymentintents/lifecycle. An authorisation lapses after seven days. Deliberately not here:
//! the hosted page (`page`), refunds (`refunds`).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Value, json};

use super::expand::{expanded, page};
use super::form::Form;
use super::movements::{self, MOVEMENT};
use super::wallets::Wallet;
use super::{Answer, PROVIDER, Refusal, disputes, events, new_id, seconds, sessions};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// The kind intents are kept under; their link is the session they belong to, if any.
pub(super) const INTENT: &str = "stripe_intent";
/// The kind charges are kept under; their link is their intent.
pub(super) const CHARGE: &str = "stripe_charge";

const WEEK_US: i64 = 7 * 24 * 3600 * 1_000_000;
/// At most eight digits.
const AMOUNT_MAX: i64 = 99_999_999;
const CURRENCIES: [&str; 12] = ["cny", "usd", "eur", "hkd", "jpy", "krw", "gbp", "sgd", "aud", "kwd", "twd", "thb"];
/// Three decimals, of which the last is zero.
const KWD: &str = "kwd";

/// What a payer can pay with here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Pays.
    Good,
    /// Pays, and its bank takes the payment back.
    Disputed,
    /// Its bank asks the payer first.
    Challenged,
    /// Its bank refuses, with this code.
    Bad(&'static str),
    /// The payer is asked by a wallet.
    Wallet(Wallet),
}

impl Means {
    /// A test card by the name of its payment method, or by its last four digits on the page.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "pm_card_visa" | "pm_card_mastercard" | "4242" => Self::Good,
            "pm_card_createDispute" | "0259" => Self::Disputed,
            "pm_card_authenticationRequired" | "pm_card_threeDSecure2Required" | "3155" => Self::Challenged,
            "pm_card_visa_chargeDeclined" | "pm_card_chargeDeclined" | "0002" => Self::Bad("generic_decline"),
            "pm_card_visa_chargeDeclinedInsufficientFunds" | "9995" => Self::Bad("insufficient_funds"),
            _ => return None,
        })
    }

    fn last4(self) -> &'static str {
        match self {
            Self::Good => "4242",
            Self::Disputed => "0259",
            Self::Challenged => "3155",
            Self::Bad("insufficient_funds") => "9995",
            Self::Bad(_) | Self::Wallet(_) => "0002",
        }
    }

    /// What a charge tells of it.
    fn details(self, world: &World) -> Value {
        match self {
            Self::Wallet(wallet) => wallet.details(world),
            card => json!({"type": "card", "card": {"brand": "visa", "last4": card.last4()}}),
        }
    }

    /// What the ids of its charges begin with.
    const fn charged_under(self) -> &'static str {
        match self {
            Self::Wallet(_) => "py",
            Self::Good | Self::Disputed | Self::Challenged | Self::Bad(_) => "ch",
        }
    }
}

/// Checks an amount and its currency as they came.
pub(super) fn priced(form: &Form, amount: &str, currency: &str) -> Result<(i64, String), Refusal> {
    let code = form.required(currency)?.to_owned();
    if !CURRENCIES.contains(&code.as_str()) {
        return Err(Refusal::param("currency", "parameter_invalid", format!("Invalid currency: {code}")));
    }
    form.required(amount)?;
    let minor = form.integer(amount)?.unwrap_or_default();
    if minor < 1 {
        return Err(Refusal::param("amount", "amount_too_small", "Amount must be at least 1"));
    }
    if minor > AMOUNT_MAX {
        return Err(Refusal::param("amount", "amount_too_large", "Amount must be no more than 99,999,999"));
    }
    if code == KWD && minor % 10 != 0 {
        return Err(Refusal::param("amount", "parameter_invalid_integer", "The last digit must be 0 in this currency"));
    }
    Ok((minor, code))
}

/// `manual` or not.
pub(super) fn capture_method<'a>(form: &'a Form, path: &str) -> Result<&'a str, Refusal> {
    match form.text(path) {
        "" => Ok("automatic_async"),
        known @ ("automatic" | "automatic_async" | "manual") => Ok(known),
        other => Err(Refusal::param(path, "parameter_invalid", format!("Invalid capture_method: {other}"))),
    }
}

/// An intent nobody confirmed yet.
pub(super) fn new(world: &World, amount: i64, currency: &str, method: &str, metadata: &Value) -> Document {
    let id = new_id(world, "pi");
    let wire = json!({
        "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_received": 0,
        "amount_details": {"tip": {}}, "application": null, "application_fee_amount": null,
        "automatic_payment_methods": {"enabled": true, "allow_redirects": "always"}, "canceled_at": null,
        "cancellation_reason": null, "capture_method": method, "client_secret": format!("{id}_secret_{}", world.ids.code("secret", 25)),
        "confirmation_method": "automatic", "created": seconds(world.now_us()), "currency": currency, "customer": null,
        "customer_account": null, "description": null, "last_payment_error": null, "latest_charge": null, "livemode": false,
        "metadata": metadata, "next_action": null, "on_behalf_of": null, "payment_method": null,
        "payment_method_options": {}, "payment_method_types": ["card"], "processing": null, "receipt_email": null,
        "review": null, "setup_future_usage": null, "shipping": null, "source": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": "requires_payment_method", "transfer_data": null,
        "transfer_group": null,
    });
    Document::new(id, wire, json!({}))
}

/// What a thing is called in the list of deliveries: the merchant's own number, or the channel's id.
pub(super) fn about(intent: &Document) -> String {
    let number = intent.wire["metadata"]["attempt"].as_str();
    number.unwrap_or(&intent.id).to_owned()
}

/// `POST /v1/payment_intents`.
pub(super) async fn create(State(world): State<Shared>, body: Bytes) -> Answer {
    let known = [
        "amount",
        "currency",
        "metadata",
        "description",
        "capture_method",
        "confirm",
        "payment_method",
        "payment_method_types",
        "automatic_payment_methods",
        "return_url",
    ];
    let form = Form::read(&body, &known)?;
    let (amount, currency) = priced(&form, "amount", "currency")?;
    let metadata = form.metadata("metadata")?;
    let mut intent = new(&world, amount, &currency, capture_method(&form, "capture_method")?, &metadata);
    intent.wire["description"] = form.at("description").clone();
    let mut book = world.book().await?;
    if form.text("payment_method").is_empty() {
        book.put(INTENT, &intent).await?;
    } else {
        let card = card_of(&form)?;
        intent.wire["payment_method"] = json!(form.text("payment_method"));
        intent.wire["status"] = json!("requires_confirmation");
        book.put(INTENT, &intent).await?;
        if form.text("confirm") == "true" {
            return confirmed(&world, book, intent, card, &form).await;
        }
    }
    events::tell(&world, &mut book, &about(&intent), "payment_intent.created", &intent.wire).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, intent.wire, &form.expand()).await?))
}

fn card_of(form: &Form) -> Result<Means, Refusal> {
    let name = form.required("payment_method")?;
    Means::named(name)
        .ok_or_else(|| Refusal::param("payment_method", "resource_missing", format!("No such PaymentMethod: '{name}'")))
}

/// `POST /v1/payment_intents/{id}/confirm`.
pub(super) async fn confirm(State(world): State<Shared>, Path(id): Path<String>, body: Bytes) -> Answer {
    let form = Form::read(&body, &["payment_method", "return_url"])?;
    let mut book = world.book().await?;
    let mut intent = get(&mut book, &id).await?;
    if !intent.link.is_empty() {
        return Err(Refusal::state(None, "This PaymentIntent belongs to a Checkout Session"));
    }
    if !["requires_payment_method", "requires_confirmation"].contains(&intent.text("status")) {
        return Err(unexpected(&intent, "confirmed"));
    }
    let name = form.text("payment_method");
    if !name.is_empty() {
        intent.wire["payment_method"] = json!(name);
    }
    let name = intent.text("payment_method");
    let card = Means::named(name)
        .ok_or_else(|| Refusal::param("payment_method", "parameter_missing", "A payment method is needed"))?;
    confirmed(&world, book, intent, card, &form).await
}

async fn confirmed(world: &World, mut book: Book, mut intent: Document, card: Means, form: &Form) -> Answer {
    charge(world, &mut book, &mut intent, card).await?;
    book.put(INTENT, &intent).await?;
    world.commit(book).await?;
    if intent.text("status") == "requires_payment_method" {
        let mut error = intent.wire["last_payment_error"].clone();
        error["payment_intent"] = intent.wire.clone();
        return Err(Refusal::card(&error));
    }
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, intent.wire, &form.expand()).await?))
}

fn unexpected(intent: &Document, done: &str) -> Refusal {
    let status = intent.text("status");
    let text = format!("This PaymentIntent could not be {done} because it has a status of {status}.");
    Refusal::state(Some("payment_intent_unexpected_state"), text)
}

/// Asks the card's bank. The intent is left paid, authorised, waiting for the payer's answer, or refused; the caller writes it.
pub(super) async fn charge(
    world: &World,
    book: &mut Book,
    intent: &mut Document,
    card: Means,
) -> Result<(), StoreError> {
    let for_payer = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|op| op == "pay");
    intent.inner["wallet"] = Value::Null;
    if let Means::Wallet(wallet) = card {
        // Nobody refuses before the payer was asked.
        intent.inner["wallet"] = json!(wallet.word());
        intent.wire["status"] = json!("requires_action");
        intent.wire["next_action"] = wallet.next_action(world, book, intent).await?;
        return events::tell(world, book, &about(intent), "payment_intent.requires_action", &intent.wire).await;
    }
    if world.switches.strike_where(PROVIDER, "decline", for_payer).is_some() {
        return refuse(world, book, intent, Means::Bad("generic_decline")).await;
    }
    match card {
        Means::Bad(_) => refuse(world, book, intent, card).await,
        Means::Good if !world.switches.rule(PROVIDER, "3ds", false) => accept(world, book, intent, card).await,
        Means::Disputed => accept(world, book, intent, card).await,
        Means::Good | Means::Challenged | Means::Wallet(_) => {
            intent.wire["status"] = json!("requires_action");
            let page = format!("{}/c/pay/{}/challenge", world.urls.stripe, intent.link);
            intent.wire["next_action"] =
                json!({"type": "redirect_to_url", "redirect_to_url": {"url": page, "return_url": null}});
            events::tell(world, book, &about(intent), "payment_intent.requires_action", &intent.wire).await
        }
    }
}

/// The bank pays, or sets the money aside.
pub(super) async fn accept(
    world: &World,
    book: &mut Book,
    intent: &mut Document,
    card: Means,
) -> Result<(), StoreError> {
    let manual = intent.text("capture_method") == "manual";
    let amount = intent.wire["amount"].clone();
    let mut charge = new_charge(world, intent, card, true);
    intent.wire["latest_charge"] = json!(charge.id);
    intent.wire["next_action"] = Value::Null;
    intent.wire["last_payment_error"] = Value::Null;
    if manual {
        intent.wire["status"] = json!("requires_capture");
        intent.wire["amount_capturable"] = amount;
        intent.due_us = Some(world.now_us().saturating_add(WEEK_US));
        book.put(CHARGE, &charge).await?;
        return events::tell(world, book, &about(intent), "payment_intent.amount_capturable_updated", &intent.wire)
            .await;
    }
    intent.wire["status"] = json!("succeeded");
    intent.wire["amount_received"] = amount.clone();
    settle_charge(world, book, &mut charge, amount.as_i64().unwrap_or_default()).await?;
    events::tell(world, book, &about(intent), "charge.succeeded", &charge.wire).await?;
    events::tell(world, book, &about(intent), "payment_intent.succeeded", &intent.wire).await?;
    if card == Means::Disputed { disputes::open(world, book, intent).await } else { Ok(()) }
}

/// The bank refuses; the payer may try another card.
pub(super) async fn refuse(
    world: &World,
    book: &mut Book,
    intent: &mut Document,
    card: Means,
) -> Result<(), StoreError> {
    let charge = new_charge(world, intent, card, false);
    let declined = "Your card was declined.";
    let error = match card {
        Means::Bad(code) => problem("card_error", "card_declined", Some(code), declined),
        Means::Challenged | Means::Good | Means::Disputed => {
            let code = "payment_intent_authentication_failure";
            problem("card_error", code, Some("authentication_required"), declined)
        }
        Means::Wallet(_) => {
            let code = "payment_intent_payment_attempt_failed";
            problem("invalid_request_error", code, None, "The payment attempt failed.")
        }
    };
    intent.wire["status"] = json!("requires_payment_method");
    intent.wire["next_action"] = Value::Null;
    intent.wire["latest_charge"] = json!(charge.id);
    intent.wire["last_payment_error"] = error;
    book.put(CHARGE, &charge).await?;
    events::tell(world, book, &about(intent), "payment_intent.payment_failed", &intent.wire).await
}

fn problem(kind: &str, code: &str, decline: Option<&str>, message: &str) -> Value {
    json!({"type": kind, "code": code, "decline_code": decline, "message": message})
}

fn new_charge(world: &World, intent: &Document, card: Means, paid: bool) -> Document {
    let id = new_id(world, card.charged_under());
    let wire = json!({
        "id": id, "object": "charge", "amount": intent.wire["amount"], "amount_captured": 0, "amount_refunded": 0,
        "balance_transaction": null, "captured": false, "created": seconds(world.now_us()), "currency": intent.wire["currency"],
        "description": intent.wire["description"], "disputed": false, "failure_code": null, "failure_message": null,
        "livemode": false, "metadata": intent.wire["metadata"], "outcome": {"type": if paid { "authorized" } else { "issuer_declined" }},
        "paid": paid, "payment_intent": intent.id, "payment_method": intent.wire["payment_method"],
        "payment_method_details": card.details(world),
        "refunded": false, "status": if paid { "succeeded" } else { "failed" },
    });
    Document::new(id, wire, json!({})).linked(&intent.id)
}

/// Takes what was authorised: all of it is booked, and what is not taken is booked back.
async fn settle_charge(world: &World, book: &mut Book, charge: &mut Document, taken: i64) -> Result<(), StoreError> {
    let (all, currency) = (charge.wire["amount"].as_i64().unwrap_or_default(), charge.wire["currency"].clone());
    let movement = movements::moved(world, &charge.id, "charge", all, &currency);
    charge.wire["captured"] = json!(true);
    charge.wire["amount_captured"] = json!(taken);
    charge.wire["balance_transaction"] = json!(movement.id);
    book.put(MOVEMENT, &movement).await?;
    if taken < all {
        let back = movements::moved(world, &charge.id, "partial_capture_reversal", taken - all, &currency);
        book.put(MOVEMENT, &back).await?;
    }
    book.put(CHARGE, charge).await
}

/// `POST /v1/payment_intents/{id}/capture`.
pub(super) async fn capture(State(world): State<Shared>, Path(id): Path<String>, body: Bytes) -> Answer {
    let form = Form::read(&body, &["amount_to_capture", "metadata"])?;
    let mut book = world.book().await?;
    lapse_due(&world, &mut book, world.now_us()).await?;
    let mut intent = get(&mut book, &id).await?;
    if intent.text("status") != "requires_capture" {
        return Err(unexpected(&intent, "captured"));
    }
    let able = intent.wire["amount_capturable"].as_i64().unwrap_or_default();
    let wanted = form.integer("amount_to_capture")?.unwrap_or(able);
    if !(1..=able).contains(&wanted) {
        return Err(Refusal::param("amount_to_capture", "amount_too_large", "More than can be captured"));
    }
    intent.wire["status"] = json!("succeeded");
    intent.wire["amount_received"] = json!(wanted);
    intent.wire["amount_capturable"] = json!(0);
    intent.due_us = None;
    if let Some(mut charge) = book.get(CHARGE, intent.text("latest_charge")).await? {
        settle_charge(&world, &mut book, &mut charge, wanted).await?;
        events::tell(&world, &mut book, &about(&intent), "charge.captured", &charge.wire).await?;
    }
    book.put(INTENT, &intent).await?;
    sessions::money_taken(&mut book, &intent.link).await?;
    events::tell(&world, &mut book, &about(&intent), "payment_intent.succeeded", &intent.wire).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, intent.wire, &form.expand()).await?))
}

/// `POST /v1/payment_intents/{id}/cancel`; while its page is open, the page has to be expired instead.
pub(super) async fn cancel(State(world): State<Shared>, Path(id): Path<String>, body: Bytes) -> Answer {
    let form = Form::read(&body, &["cancellation_reason"])?;
    let mut book = world.book().await?;
    let mut intent = get(&mut book, &id).await?;
    let status = intent.text("status").to_owned();
    if !intent.link.is_empty() && !["requires_capture", "canceled", "succeeded"].contains(&status.as_str()) {
        let text = "You cannot cancel the PaymentIntent for a Checkout Session. Expire the Checkout Session instead.";
        return Err(Refusal::state(None, text));
    }
    if ["canceled", "succeeded", "processing"].contains(&status.as_str()) {
        return Err(unexpected(&intent, "canceled"));
    }
    let reason = form.text("cancellation_reason");
    if !["", "duplicate", "fraudulent", "requested_by_customer", "abandoned"].contains(&reason) {
        return Err(Refusal::param("cancellation_reason", "parameter_invalid", "Invalid cancellation_reason"));
    }
    end(&world, &mut book, &mut intent, reason).await?;
    world.commit(book).await?;
    let mut book = world.book().await?;
    Ok(Json(expanded(&mut book, intent.wire, &form.expand()).await?))
}

/// Ends an intent without money.
pub(super) async fn end(world: &World, book: &mut Book, intent: &mut Document, reason: &str) -> Result<(), StoreError> {
    intent.wire["status"] = json!("canceled");
    intent.wire["canceled_at"] = json!(seconds(world.now_us()));
    intent.wire["cancellation_reason"] = if reason.is_empty() { Value::Null } else { json!(reason) };
    intent.wire["amount_capturable"] = json!(0);
    intent.wire["next_action"] = Value::Null;
    intent.due_us = None;
    book.put(INTENT, intent).await?;
    events::tell(world, book, &about(intent), "payment_intent.canceled", &intent.wire).await
}

/// Lets authorisations go that nobody took in time.
pub(super) async fn lapse_due(world: &World, book: &mut Book, now_us: i64) -> Result<bool, StoreError> {
    let due = book.due(INTENT, now_us).await?;
    let any = !due.is_empty();
    for mut intent in due {
        end(world, book, &mut intent, "automatic").await?;
    }
    Ok(any)
}

/// The intent with this id.
pub(super) async fn get(book: &mut Book, id: &str) -> Result<Document, Refusal> {
    book.get(INTENT, id).await?.ok_or_else(|| Refusal::missing("payment_intent", id))
}

/// `GET /v1/payment_intents/{id}`.
pub(super) async fn retrieve(State(world): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    one(&world, INTENT, "payment_intent", &id, query).await
}

/// `GET /v1/charges/{id}`.
pub(super) async fn retrieve_charge(
    State(world): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    one(&world, CHARGE, "charge", &id, query).await
}

/// One thing, with what the query wants in full.
pub(super) async fn one(world: &World, kind: &str, what: &str, id: &str, query: Option<String>) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &[])?;
    let mut book = world.book().await?;
    lapse_due(world, &mut book, world.now_us()).await?;
    let document = book.get(kind, id).await?.ok_or_else(|| Refusal::missing(what, id))?;
    let answer = expanded(&mut book, document.wire, &form.expand()).await?;
    world.commit(book).await?;
    Ok(Json(answer))
}

/// `GET /v1/payment_intents`.
pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let form = Form::read(query.unwrap_or_default().as_bytes(), &["limit", "starting_after", "created"])?;
    let mut book = world.book().await?;
    let all = book.all(INTENT).await?;
    Ok(Json(page(&mut book, &form, "/v1/payment_intents", all).await?))
}

/// `GET /v1/charges`.
pub(super) async fn list_charges(State(world): State<Shared>, RawQuery(query): RawQuery) -> Answer {
    let known = ["limit", "starting_after", "created", "payment_intent"];
    let form = Form::read(query.unwrap_or_default().as_bytes(), &known)?;
    let mut book = world.book().await?;
    let charges = match form.text("payment_intent") {
        "" => book.all(CHARGE).await?,
        intent => book.linked(CHARGE, intent).await?,
    };
    Ok(Json(page(&mut book, &form, "/v1/charges", charges).await?))
}
