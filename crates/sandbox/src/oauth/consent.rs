//! The consent page: who asks for what, and the way back to the app.
//!
//! A wrong client or redirect address is shown to the person and never redirected to (RFC 6749 §4.1.2.1). The way back over
//! the app's own scheme is a page with a link, because browsers do not follow a redirect there silently. Deliberately not
//! here: signing the member in (the sandbox has one member).

use std::collections::HashMap;

use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use url::Url;

use super::hostile::change_return;
use super::pushed;
use super::token::CODE;
use super::{CLIENT_ID, PROVIDER, SCOPES, client_of};
use crate::keys;
use crate::store::{Document, StoreError};
use crate::world::{Shared, World};

/// Open consent pages, by a number only the page knows.
const ASKED: &str = "oauth_asked";
const CODE_LIVES_US: i64 = 60 * 1_000_000;
const PAGE: &str = include_str!("consent.html");
const RETURN: &str = include_str!("return.html");

type Fields = HashMap<String, String>;

pub(super) fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(String::as_str).unwrap_or_default()
}

/// `GET /authorize`.
pub(super) async fn ask(State(world): State<Shared>, Query(fields): Query<Fields>) -> Response {
    let fields = match fields.get("request_uri") {
        Some(number) => match pushed::take(&world, number, field(&fields, "client_id")).await {
            Ok(Some(pushed)) => pushed,
            Ok(None) => {
                return plain(StatusCode::BAD_REQUEST, "此请求已失效。 This request is not, or no longer, good.");
            }
            Err(_) => return plain(StatusCode::INTERNAL_SERVER_ERROR, "内部错误。 Internal error."),
        },
        None if world.switches.rule(PROVIDER, "par_required", false) => {
            return plain(StatusCode::BAD_REQUEST, "请求须先提交。 The request has to be pushed first.");
        }
        None => fields,
    };
    if field(&fields, "client_id") != CLIENT_ID || !is_registered(field(&fields, "redirect_uri")) {
        return plain(StatusCode::BAD_REQUEST, "未登记的应用或返回地址。 Unknown application or return address.");
    }
    if let Err(error) = check(&world, &fields) {
        return back(&world, &fields, &[("error", error)]);
    }
    match remember(&world, &fields).await {
        Ok(number) => page(&number, scope(&fields)),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "内部错误。 Internal error."),
    }
}

/// The app's own scheme exactly, or any port and path of 127.0.0.1 (RFC 8252 §7.3).
pub(super) fn is_registered(uri: &str) -> bool {
    if uri == "zhiyou://auth/zz-club" {
        return true;
    }
    let Ok(parsed) = Url::parse(uri) else { return false };
    uri.starts_with("http://127.0.0.1:")
        && parsed.port().is_some()
        && parsed.host_str() == Some("127.0.0.1")
        && parsed.fragment().is_none()
        && parsed.username().is_empty()
}

/// What a request may ask. `proof_key_optional` forgives a missing proof key, as servers of the old rules do.
pub(super) fn check(world: &World, fields: &Fields) -> Result<(), &'static str> {
    let challenge = field(fields, "code_challenge");
    if field(fields, "response_type") != "code" {
        return Err("unsupported_response_type");
    }
    let none = challenge.is_empty() && world.switches.rule(PROVIDER, "proof_key_optional", false);
    if !none && (field(fields, "code_challenge_method") != "S256" || challenge.len() != 43) {
        return Err("invalid_request");
    }
    if !scope(fields).split(' ').all(|scope| SCOPES.contains(&scope)) {
        return Err("invalid_scope");
    }
    Ok(())
}

fn scope(fields: &Fields) -> &str {
    Some(field(fields, "scope")).filter(|scope| !scope.is_empty()).unwrap_or("profile")
}

async fn remember(world: &World, fields: &Fields) -> Result<String, StoreError> {
    let number = keys::secret(32).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let mut book = world.book().await?;
    book.put(ASKED, &Document::new(&number, Value::Null, json!(fields))).await?;
    book.commit().await?;
    Ok(number)
}

fn page(number: &str, scope: &str) -> Response {
    let lines: String = scope
        .split(' ')
        .map(|scope| match scope {
            "loyalty" => "<li><b>会员号与等级</b><small>Membership number and tier (loyalty)</small></li>",
            _ => "<li><b>姓名</b><small>Your name (profile)</small></li>",
        })
        .collect();
    guarded(StatusCode::OK, PAGE.replace("{{number}}", number).replace("{{scopes}}", &lines))
}

fn plain(status: StatusCode, text: &str) -> Response {
    guarded(status, format!("<!doctype html><meta charset=\"utf-8\"><title>ZZ Club</title><p>{text}</p>"))
}

/// No other page may frame this one or see where it came from.
fn guarded(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}

/// `POST /authorize`: the person's decision, once.
pub(super) async fn decide(State(world): State<Shared>, Form(form): Form<Fields>) -> Response {
    match decision(&world, &form).await {
        Ok(Some(response)) => response,
        Ok(None) => plain(StatusCode::BAD_REQUEST, "此页面已失效。 This page is no longer valid."),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "内部错误。 Internal error."),
    }
}

async fn decision(world: &World, form: &Fields) -> Result<Option<Response>, StoreError> {
    let mut book = world.book().await?;
    let Some(asked) = book.get(ASKED, field(form, "number")).await? else { return Ok(None) };
    book.remove(ASKED, &asked.id).await?;
    let fields: Fields = serde_json::from_value(asked.inner).unwrap_or_default();
    if field(form, "decision") != "approve" || world.switches.strike(PROVIDER, "deny").is_some() {
        book.commit().await?;
        return Ok(Some(back(world, &fields, &[("error", "access_denied")])));
    }
    let code = keys::secret(43).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let inner = json!({
        "client": client_of(world),
        "challenge": field(&fields, "code_challenge"),
        "redirect_uri": field(&fields, "redirect_uri"),
        "scope": scope(&fields),
        "expires_us": world.now_us().saturating_add(CODE_LIVES_US),
    });
    book.put(CODE, &Document::new(&code, Value::Null, inner).linked(world.ids.uuid("family"))).await?;
    book.commit().await?;
    Ok(Some(back(world, &fields, &[("code", &code)])))
}

/// Sends the browser back with these parameters, the exact state and the issuer.
fn back(world: &World, fields: &Fields, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut target) = Url::parse(field(fields, "redirect_uri")) else {
        return plain(StatusCode::BAD_REQUEST, "返回地址有误。 Bad return address.");
    };
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.extend(fields.get("state").map(|state| ("state".to_owned(), state.clone())));
    if world.switches.strike(PROVIDER, "omit_iss").is_none() {
        let wrong = world.switches.strike(PROVIDER, "wrong_iss").is_some();
        let issuer = if wrong { "https://evil.example" } else { &world.urls.oauth };
        pairs.push(("iss".to_owned(), issuer.to_owned()));
    }
    change_return(world, &mut pairs);
    target.query_pairs_mut().extend_pairs(pairs);
    if target.scheme() == "http" {
        return (
            StatusCode::FOUND,
            [(header::LOCATION, target.to_string()), (header::CACHE_CONTROL, "no-store".to_owned())],
        )
            .into_response();
    }
    let link = target.as_str().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    guarded(StatusCode::OK, RETURN.replace("{{link}}", &link))
}
