//! The traveller's phone: scans a payment code, shows who wants how much, and pays or refuses.
//!
//! A page for people and the same thing as JSON for tests. Refusing changes nothing at the provider, as when a person just
//! closes the app. Deliberately not here: the channels' rules (`wechatpay`, `alipay`, `stripe`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::store::{Book, StoreError};
use crate::world::{Shared, literal_host};
use crate::{alipay, stripe, wechatpay};

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

/// A code of one of the channels, scanned.
enum Scanned {
    Wechatpay(wechatpay::Scanned),
    Alipay(alipay::Scanned),
    /// WeChat Pay by way of Stripe.
    Stripe(stripe::Scanned),
}

impl Scanned {
    async fn of(world: &Shared, book: &mut Book, body: &Value) -> Result<Self, Problem> {
        let text = body["text"].as_str().unwrap_or_default();
        if let Some(scanned) = alipay::scan(world, book, text).await? {
            return Ok(Self::Alipay(scanned));
        }
        if let Some(scanned) = stripe::scan(world, book, text).await? {
            return Ok(Self::Stripe(scanned));
        }
        let scanned = wechatpay::scan(world, book, text).await?;
        scanned.map(Self::Wechatpay).ok_or(Problem(StatusCode::NOT_FOUND, "unknown_code"))
    }

    fn state(&self) -> &str {
        match self {
            Self::Wechatpay(scanned) => &scanned.state,
            Self::Alipay(scanned) => scanned.state,
            Self::Stripe(scanned) => scanned.state,
        }
    }

    async fn pay(self, world: &Shared, book: &mut Book) -> Result<String, StoreError> {
        match self {
            Self::Wechatpay(scanned) => wechatpay::pay(world, book, scanned).await,
            Self::Alipay(scanned) => Ok(alipay::pay(world, book, &scanned).await?.to_owned()),
            Self::Stripe(scanned) => Ok(stripe::pay(world, book, scanned).await?.to_owned()),
        }
    }

    fn view(&self) -> Value {
        let yuan = crate::money::CNY;
        let (provider, description, total, currency, amount) = match self {
            Self::Wechatpay(scanned) => (wechatpay::PROVIDER, &scanned.description, scanned.total, yuan, None),
            Self::Alipay(scanned) => (alipay::PROVIDER, &scanned.description, scanned.total, yuan, None),
            Self::Stripe(scanned) => {
                let amount = Some(scanned.amount.as_str());
                (stripe::PROVIDER, &scanned.description, scanned.total, scanned.currency.as_str(), amount)
            }
        };
        json!({
            "provider": provider,
            "payee": "智游旅行 Zhiyou Travel",
            "description": description,
            "amount_minor": total,
            "currency": currency,
            "amount": amount,
            "state": self.state(),
        })
    }
}

async fn scan(
    State(world): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Problem> {
    own_page(&world, &headers)?;
    let mut book = world.book().await?;
    let scanned = Scanned::of(&world, &mut book, &body).await?;
    // Scanning alone makes a trade at one of the channels.
    world.commit(book).await?;
    Ok(Json(scanned.view()))
}

async fn pay(State(world): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Result<Response, Problem> {
    own_page(&world, &headers)?;
    let mut book = world.book().await?;
    let scanned = Scanned::of(&world, &mut book, &body).await?;
    let payable = scanned.state() == "payable";
    let mut shown = scanned.view();
    shown["state"] = json!(scanned.pay(&world, &mut book).await?);
    world.commit(book).await?;
    let status = if payable { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, Json(shown)).into_response())
}

/// Refusing is scanning and nothing more.
async fn refuse(world: State<Shared>, headers: HeaderMap, body: Json<Value>) -> Result<Json<Value>, Problem> {
    scan(world, headers, body).await
}
