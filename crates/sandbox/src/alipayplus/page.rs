//! The channel's page: who wants how much, a wallet to choose, pay, be refused by it, or go back.
//!
//! A decision counts once and only from the page that was shown; no other page may frame it. Going back changes nothing.
//! Deliberately not here: signing in to a wallet, and the rules of a payment (`payments`).

use std::collections::HashMap;

use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use html_escape::encode_quoted_attribute;
use serde_json::{Value, json};
use url::Url;

use super::payments::{self, CODE, PAYMENT, PROCESSING};
use crate::keys;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

/// Open pages, by a number only the page knows; they belong to a payment.
const ASKED: &str = "alipayplus_asked";
const PAGE: &str = include_str!("page.html");
/// Wallets of the page.
const WALLETS: [&str; 3] = ["ALIPAY_CN", "ALIPAY_HK", "GCASH"];

type Fields = HashMap<String, String>;

/// `GET /cashier?code=`.
pub(super) async fn ask(State(world): State<Shared>, Query(fields): Query<Fields>) -> Response {
    match page(&world, fields.get("code").map(String::as_str).unwrap_or_default()).await {
        Ok(Some(page)) => guarded(StatusCode::OK, page),
        Ok(None) => over(),
        Err(error) => broken(&error),
    }
}

/// A payment that can still be paid.
async fn open(world: &World, book: &mut Book, id: &str) -> Result<Option<Document>, StoreError> {
    payments::settle_due(world, book).await?;
    Ok(book.get(PAYMENT, id).await?.filter(|payment| payment.text("paymentStatus") == PROCESSING))
}

async fn page(world: &World, code: &str) -> Result<Option<String>, StoreError> {
    let mut book = world.book().await?;
    let Some(code) = book.get(CODE, code).await? else { return Ok(None) };
    let payment = open(world, &mut book, &code.link).await?;
    let Some((payment, number)) = payment.zip(keys::secret(32).ok()) else {
        world.commit(book).await?;
        return Ok(None);
    };
    book.put(ASKED, &Document::new(&number, Value::Null, json!({})).linked(&payment.id)).await?;
    world.commit(book).await?;
    let amount = format!("{} {}", payment.hidden("currency"), crate::money::text(payment.number("minor")));
    Ok(Some(
        PAGE.replace("{{number}}", &number)
            .replace("{{amount}}", &encode_quoted_attribute(&amount))
            .replace("{{order}}", &encode_quoted_attribute(&payment.link))
            .replace("{{description}}", &encode_quoted_attribute(payment.hidden("description"))),
    ))
}

fn over() -> Response {
    let text = "此页面已失效。 This page is no longer valid.";
    let html = format!("<!doctype html><meta charset=\"utf-8\"><title>沙盒 Alipay+ Sandbox</title><p>{text}</p>");
    guarded(StatusCode::BAD_REQUEST, html)
}

fn broken(error: &StoreError) -> Response {
    tracing::error!(%error, "the payment page could not use the book");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// No other page may frame this one or see where it came from.
fn guarded(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}

/// `POST /cashier`: the payer's decision, once.
pub(super) async fn decide(State(world): State<Shared>, Form(form): Form<Fields>) -> Response {
    match decision(&world, &form).await {
        Ok(Some(target)) => {
            let headers = [(header::LOCATION, target), (header::CACHE_CONTROL, "no-store".to_owned())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Ok(None) => over(),
        Err(error) => broken(&error),
    }
}

/// Where the browser goes next; none for a page that no longer counts.
async fn decision(world: &World, form: &Fields) -> Result<Option<String>, StoreError> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut book = world.book().await?;
    let Some(asked) = book.get(ASKED, field("number")).await? else { return Ok(None) };
    book.remove(ASKED, &asked.id).await?;
    let payment = open(world, &mut book, &asked.link).await?;
    let wanted = if field("wallet").is_empty() { "ALIPAY_CN" } else { field("wallet") };
    let wallet = WALLETS.into_iter().find(|wallet| *wallet == wanted);
    let decided = match (payment, wallet, field("decision")) {
        (Some(payment), Some(wallet), "pay") => Some((payment, wallet, true)),
        (Some(payment), Some(wallet), "refuse") => Some((payment, wallet, false)),
        (Some(payment), _, _) => {
            world.commit(book).await?;
            return Ok(back(&payment));
        }
        (None, _, _) => None,
    };
    let target = match decided {
        Some((payment, wallet, pays)) => {
            let target = back(&payment);
            payments::decided(world, &mut book, payment, wallet, pays).await?;
            target
        }
        None => None,
    };
    world.commit(book).await?;
    Ok(target)
}

/// The merchant's page. Nothing is added to it: what became of the payment has to be asked.
fn back(payment: &Document) -> Option<String> {
    Url::parse(payment.hidden("redirect_url")).ok().map(String::from)
}
