//! The consent page: who asks for what, and the way back to the app.
//!
//! A wrong client or redirect address is shown to the person and never redirected to (RFC 6749 §4.1.2.1). The way back over
//! the app's own scheme is a page with a link, because browsers do not follow a redirect there silently. Deliberately not
//! here: signing the member in (each platform has one member).

use std::collections::HashMap;

use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use url::Url;

use super::Here;
use super::hostile::change_return;
use super::pushed;
use super::register::{self, Client};
use super::token::CODE;
use crate::keys;
use crate::store::{Document, StoreError};

/// Open consent pages, by a number only the page knows.
const ASKED: &str = "asked";
const CODE_LIVES_US: i64 = 60 * 1_000_000;
const PAGE: &str = include_str!("consent.html");
const RETURN: &str = include_str!("return.html");

type Fields = HashMap<String, String>;

pub(super) fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(String::as_str).unwrap_or_default()
}

/// `GET /authorize`.
pub(super) async fn ask(State(here): State<Here>, Query(fields): Query<Fields>) -> Response {
    match asked(&here, fields).await {
        Ok(answer) => answer,
        Err(_) => plain(&here, StatusCode::INTERNAL_SERVER_ERROR, "内部错误。 Internal error."),
    }
}

async fn asked(here: &Here, fields: Fields) -> Result<Response, StoreError> {
    let wrong = |text| plain(here, StatusCode::BAD_REQUEST, text);
    let fields = match fields.get("request_uri") {
        Some(number) => match pushed::take(here, number, field(&fields, "client_id")).await? {
            Some(pushed) => pushed,
            None => return Ok(wrong("此请求已失效。 This request is not, or no longer, good.")),
        },
        None if here.rule("par_required") => {
            return Ok(wrong("请求须先提交。 The request has to be pushed first."));
        }
        None => fields,
    };
    let client = register::known(here, field(&fields, "client_id")).await?;
    if !client.is_some_and(|client| client.comes_back_to(here, field(&fields, "redirect_uri"))) {
        return Ok(wrong("未登记的应用或返回地址。 Unknown application or return address."));
    }
    if let Err(error) = check(here, &fields) {
        return Ok(back(here, &fields, &[("error", error)]));
    }
    let number = remember(here, &fields).await?;
    Ok(page(here, &number, scope(here, &fields)))
}

impl Client {
    /// Exactly what it registered; a client that was there before has the app's own scheme, and any port and path of
    /// 127.0.0.1 (RFC 8252 §7.3).
    pub(super) fn comes_back_to(&self, here: &Here, uri: &str) -> bool {
        match self {
            Self::Known => is_ours(here, uri),
            Self::Registered(uris) => uris.iter().any(|known| known == uri),
        }
    }
}

/// One of the app's own schemes exactly, an installed app's or a developer's; or an address of 127.0.0.1.
pub(super) fn is_ours(here: &Here, uri: &str) -> bool {
    if ["zhiyou://auth/", "zhiyou-dev://auth/"].iter().any(|own| uri.strip_prefix(own) == Some(here.record.platform)) {
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
pub(super) fn check(here: &Here, fields: &Fields) -> Result<(), &'static str> {
    let challenge = field(fields, "code_challenge");
    if field(fields, "response_type") != "code" {
        return Err("unsupported_response_type");
    }
    let none = challenge.is_empty() && here.rule("proof_key_optional");
    if !none && (field(fields, "code_challenge_method") != "S256" || challenge.len() != 43) {
        return Err("invalid_request");
    }
    if !scope(here, fields).split(' ').all(|scope| here.record.scopes.contains(&scope)) {
        return Err("invalid_scope");
    }
    check_resource(here, fields)
}

/// What the token is for (RFC 8707): nothing said, or what this platform protects.
pub(super) fn check_resource(here: &Here, fields: &Fields) -> Result<(), &'static str> {
    let resource = field(fields, "resource");
    if resource.is_empty() || resource == here.resource() { Ok(()) } else { Err("invalid_target") }
}

fn scope<'a>(here: &Here, fields: &'a Fields) -> &'a str {
    let asked = Some(field(fields, "scope")).filter(|scope| !scope.is_empty());
    asked.or_else(|| here.record.scopes.first().copied()).unwrap_or_default()
}

async fn remember(here: &Here, fields: &Fields) -> Result<String, StoreError> {
    let number = keys::secret(32).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let mut book = here.world.book().await?;
    book.put(&here.kind(ASKED), &Document::new(&number, Value::Null, json!(fields))).await?;
    book.commit().await?;
    Ok(number)
}

fn page(here: &Here, number: &str, scope: &str) -> Response {
    let lines: String = scope.split(' ').map(|scope| format!("<li>{}</li>", (here.record.meaning)(scope))).collect();
    guarded(StatusCode::OK, named(here, PAGE).replace("{{number}}", number).replace("{{scopes}}", &lines))
}

/// A page with the platform's name and mark on it.
fn named(here: &Here, page: &str) -> String {
    page.replace("{{name}}", here.record.name).replace("{{mark}}", here.record.mark)
}

fn plain(here: &Here, status: StatusCode, text: &str) -> Response {
    let name = here.record.name;
    guarded(status, format!("<!doctype html><meta charset=\"utf-8\"><title>{name}</title><p>{text}</p>"))
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
pub(super) async fn decide(State(here): State<Here>, Form(form): Form<Fields>) -> Response {
    match decision(&here, &form).await {
        Ok(Some(response)) => response,
        Ok(None) => plain(&here, StatusCode::BAD_REQUEST, "此页面已失效。 This page is no longer valid."),
        Err(_) => plain(&here, StatusCode::INTERNAL_SERVER_ERROR, "内部错误。 Internal error."),
    }
}

async fn decision(here: &Here, form: &Fields) -> Result<Option<Response>, StoreError> {
    let mut book = here.world.book().await?;
    let Some(asked) = book.get(&here.kind(ASKED), field(form, "number")).await? else { return Ok(None) };
    book.remove(&here.kind(ASKED), &asked.id).await?;
    let fields: Fields = serde_json::from_value(asked.inner).unwrap_or_default();
    if field(form, "decision") != "approve" || here.strikes("deny") {
        book.commit().await?;
        return Ok(Some(back(here, &fields, &[("error", "access_denied")])));
    }
    let code = keys::secret(43).map_err(|error| StoreError::Decode(Box::new(error)))?;
    let inner = json!({
        "client": here.client_of(field(&fields, "client_id")),
        "challenge": field(&fields, "code_challenge"),
        "redirect_uri": field(&fields, "redirect_uri"),
        "scope": scope(here, &fields),
        "resource": field(&fields, "resource"),
        "expires_us": here.world.now_us().saturating_add(CODE_LIVES_US),
    });
    let document = Document::new(&code, Value::Null, inner).linked(here.world.ids.uuid("family"));
    book.put(&here.kind(CODE), &document).await?;
    book.commit().await?;
    Ok(Some(back(here, &fields, &[("code", &code)])))
}

/// Sends the browser back with these parameters, the exact state and the issuer.
fn back(here: &Here, fields: &Fields, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut target) = Url::parse(field(fields, "redirect_uri")) else {
        return plain(here, StatusCode::BAD_REQUEST, "返回地址有误。 Bad return address.");
    };
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.extend(fields.get("state").map(|state| ("state".to_owned(), state.clone())));
    if !here.strikes("omit_iss") {
        let issuer = if here.strikes("wrong_iss") { "https://evil.example" } else { here.base() };
        pairs.push(("iss".to_owned(), issuer.to_owned()));
    }
    change_return(here, &mut pairs);
    target.query_pairs_mut().extend_pairs(pairs);
    if target.scheme() == "http" {
        return (
            StatusCode::FOUND,
            [(header::LOCATION, target.to_string()), (header::CACHE_CONTROL, "no-store".to_owned())],
        )
            .into_response();
    }
    let link = target.as_str().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    guarded(StatusCode::OK, named(here, RETURN).replace("{{link}}", &link))
}
