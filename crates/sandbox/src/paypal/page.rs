//! The page where the payer approves: who wants how much, approve or cancel, and the way back to the merchant.
//!
//! A decision counts once and only from the page that was shown; no other page may frame it. Cancelling changes nothing at
//! the channel. Deliberately not here: signing the payer in (the sandbox has one), taking the money.

use std::collections::HashMap;

use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use html_escape::encode_quoted_attribute;
use serde_json::{Value, json};
use url::Url;

use super::orders::{self, ORDER};
use super::{Refusal, amount};
use crate::keys;
use crate::store::{Document, StoreError};
use crate::world::{Shared, World};

/// Open pages, by a number only the page knows; they belong to an order.
const ASKED: &str = "paypal_asked";
const PAGE: &str = include_str!("page.html");

type Fields = HashMap<String, String>;

/// `GET /checkoutnow?token=`.
pub(super) async fn ask(State(world): State<Shared>, Query(fields): Query<Fields>) -> Response {
    match page(&world, fields.get("token").map(String::as_str).unwrap_or_default()).await {
        Ok(Some(page)) => guarded(StatusCode::OK, page),
        Ok(None) => over(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn page(world: &World, id: &str) -> Result<Option<String>, Refusal> {
    let mut book = world.book().await?;
    let Some(order) = book.get(ORDER, id).await?.filter(|order| orders::is_open(world, order)) else { return Ok(None) };
    let number = keys::secret(32).map_err(|_| Refusal::broken())?;
    book.put(ASKED, &Document::new(&number, Value::Null, json!({})).linked(id)).await?;
    book.commit().await?;
    let shown = amount::wire(order.number("minor"), order.hidden("currency"));
    let text = |field: &str| shown[field].as_str().unwrap_or_default().to_owned();
    let later = order.text("intent") == "AUTHORIZE";
    let what =
        if later { "预留，之后再扣款 · set aside, taken later" } else { "立即扣款 · taken at once" };
    Ok(Some(
        PAGE.replace("{{number}}", &number)
            .replace("{{token}}", &encode_quoted_attribute(id))
            .replace("{{amount}}", &encode_quoted_attribute(&format!("{} {}", text("currency_code"), text("value"))))
            .replace("{{what}}", what)
            .replace("{{description}}", &encode_quoted_attribute(order.hidden("description"))),
    ))
}

fn over() -> Response {
    let text = "此页面已失效。 This page is no longer valid.";
    let html = format!("<!doctype html><meta charset=\"utf-8\"><title>沙盒 PayPal Sandbox</title><p>{text}</p>");
    guarded(StatusCode::BAD_REQUEST, html)
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

/// `POST /checkoutnow`: the payer's decision, once.
pub(super) async fn decide(State(world): State<Shared>, Form(form): Form<Fields>) -> Response {
    match decision(&world, &form).await {
        Ok(Some(target)) => {
            let headers = [(header::LOCATION, target), (header::CACHE_CONTROL, "no-store".to_owned())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Ok(None) => over(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Where the browser goes next; none for a page that no longer counts.
async fn decision(world: &World, form: &Fields) -> Result<Option<String>, StoreError> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut book = world.book().await?;
    let Some(asked) = book.get(ASKED, field("number")).await? else { return Ok(None) };
    book.remove(ASKED, &asked.id).await?;
    let order = book.get(ORDER, &asked.link).await?.filter(|order| orders::is_open(world, order));
    let Some(order) = order else {
        book.commit().await?;
        return Ok(None);
    };
    if field("decision") != "approve" {
        book.commit().await?;
        return Ok(back(order.hidden("cancel_url"), &[("token", &order.id)]));
    }
    let order = orders::approve(world, &mut book, order).await?;
    world.commit(book).await?;
    Ok(back(order.hidden("return_url"), &[("token", &order.id), ("PayerID", order.hidden("payer_id"))]))
}

fn back(url: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut target = Url::parse(url).ok()?;
    target.query_pairs_mut().extend_pairs(parameters);
    Some(target.into())
}
