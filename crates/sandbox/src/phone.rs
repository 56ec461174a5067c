//! The traveller's phone: scans a payment code, shows who wants how much, and pays or refuses.
//!
//! A page for people and the same thing as JSON for tests. Refusing changes nothing at the provider, as when a person just
//! closes WeChat. Deliberately not here: the channel's rules (`wechatpay`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::store::StoreError;
use crate::wechatpay::{self, Scanned};
use crate::world::{Shared, literal_host};

const PAGE: &str = include_str!("phone/page.html");

/// The routes of the phone.
pub(crate) fn router(world: &Shared) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/api/scan", post(scan))
        .route("/api/pay", post(pay))
        .route("/api/refuse", post(refuse))
        .layer(middleware::from_fn_with_state(world.urls.phone.clone(), literal_host))
        .with_state(Arc::clone(world))
}

struct Problem(StatusCode, &'static str);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the phone could not use the book");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Another page in the same browser must not be able to pay.
fn own_page(world: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::ORIGIN) {
        Some(origin) if origin != world.urls.phone.as_str() => Err(Problem(StatusCode::FORBIDDEN, "foreign_origin")),
        _ => Ok(()),
    }
}

fn view(scanned: &Scanned, state: &str) -> Value {
    json!({
        "provider": "wechatpay",
        "payee": "智游旅行 Zhiyou Travel",
        "description": scanned.description,
        "amount_minor": scanned.total,
        "currency": crate::money::CNY,
        "state": state,
    })
}

async fn scan(
    State(world): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Problem> {
    own_page(&world, &headers)?;
    let mut book = world.book().await?;
    let scanned = wechatpay::scan(&world, &mut book, body["text"].as_str().unwrap_or_default()).await?;
    let scanned = scanned.ok_or(Problem(StatusCode::NOT_FOUND, "unknown_code"))?;
    Ok(Json(view(&scanned, &scanned.state)))
}

async fn pay(State(world): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Result<Response, Problem> {
    own_page(&world, &headers)?;
    let mut book = world.book().await?;
    let scanned = wechatpay::scan(&world, &mut book, body["text"].as_str().unwrap_or_default()).await?;
    let scanned = scanned.ok_or(Problem(StatusCode::NOT_FOUND, "unknown_code"))?;
    let payable = scanned.state == "payable";
    let mut shown = view(&scanned, "");
    shown["state"] = json!(wechatpay::pay(&world, &mut book, scanned).await?);
    world.commit(book).await?;
    let status = if payable { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, Json(shown)).into_response())
}

async fn refuse(
    State(world): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Problem> {
    own_page(&world, &headers)?;
    let mut book = world.book().await?;
    let scanned = wechatpay::scan(&world, &mut book, body["text"].as_str().unwrap_or_default()).await?;
    let scanned = scanned.ok_or(Problem(StatusCode::NOT_FOUND, "unknown_code"))?;
    Ok(Json(view(&scanned, &scanned.state)))
}
