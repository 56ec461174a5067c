//! The control port: what a test, the demo's clock and a merchant's console may do. Every request carries the bearer.
//!
//! Deliberately not here: anything a real provider offers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::store::StoreError;
use crate::world::{Shared, bearer, literal_host, same};
use crate::{book, clock, notify};

/// Those who read this sandbox's clock. Kept in memory: they register again when they start.
#[derive(Default)]
pub(crate) struct Listeners {
    list: Mutex<Vec<Listener>>,
    /// Held while an offset is told, so that nobody hears an older one after a newer one.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, PartialEq, Eq)]
struct Listener {
    url: String,
    token: String,
}

/// The routes of the control port.
pub(crate) fn router(world: &Shared) -> Router {
    Router::new()
        .route("/announcement", get(announcement))
        .route("/credentials", get(credentials))
        .route("/book", get(read_book))
        .route("/clock", get(read_clock).post(advance_clock))
        .route("/clock/listeners", post(register_listener))
        .route("/scenario", get(list_switches).post(set_switch))
        .route("/notify", post(send_notification))
        .route("/notifications", get(list_notifications))
        .layer(middleware::from_fn_with_state(Arc::clone(world), authorised))
        .layer(middleware::from_fn_with_state(world.urls.control.clone(), literal_host))
        .with_state(Arc::clone(world))
}

/// Where everything answers, for a program that was only told where this port is.
async fn announcement(State(world): State<Shared>) -> Json<crate::Announcement> {
    Json(world.urls.clone())
}

async fn authorised(State(world): State<Shared>, request: Request, next: Next) -> Response {
    if bearer(request.headers()).is_some_and(|token| same(token, &world.urls.control_token)) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], Json(json!({"error": "unauthorized"})))
        .into_response()
}

/// An answer of this port; a broken book is a 500 without detail.
type Answer = Result<Json<Value>, Problem>;

struct Problem(StatusCode, String);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the control port could not use the book");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "the book is broken".to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn wrong(text: impl Into<String>) -> Problem {
    Problem(StatusCode::BAD_REQUEST, text.into())
}

async fn credentials(State(world): State<Shared>) -> Json<Value> {
    let keys = &world.credentials;
    let mut shown = json!({
        "duffel": {"token": keys.duffel_token, "webhook_secret": keys.duffel_webhook_secret},
        "viator": {"key": keys.viator_key},
        "wechatpay": {
            "appid": keys.appid,
            "mchid": keys.mchid,
            "merchant_serial": keys.merchant_serial,
            "merchant_private_key_pem": keys.merchant_private_key_pem,
            "apiv3_key": keys.apiv3_key,
            "platform_public_key_id": keys.platform_public_key_id,
            "platform_public_key_pem": keys.platform_public_key_pem,
            "platform_certificate_serial": keys.platform_certificate_serial,
            "platform_certificate_pem": keys.platform_certificate_pem,
        },
        "alipay": keys.alipay.as_ref().map(crate::alipay::Credentials::shown),
        "stripe": keys.stripe.as_ref().map(crate::stripe::Credentials::shown),
        "paypal": keys.paypal.as_ref().map(crate::paypal::Credentials::shown),
        "alipayplus": keys.alipayplus.as_ref().map(crate::alipayplus::Credentials::shown),
        "oauth": {
            "platform": crate::oauth::CLUB.platform,
            "issuer": world.urls.oauth,
            "client_id": crate::oauth::CLUB.client,
            "scopes": crate::oauth::CLUB.scopes,
        },
    });
    for provider in [crate::wechatpay::PROVIDER, crate::alipay::PROVIDER] {
        // Which of the channel's products the merchant chose; without the rule it is codes to scan.
        let Some(presents) = world.switches.word(provider, "presents") else { continue };
        match presents.as_str() {
            "h5" => shown[provider]["payer_client_ip"] = json!("127.0.0.1"),
            "jsapi" => shown[provider]["openid"] = json!("oSandboxTraveller0000000001"),
            _ => {}
        }
        shown[provider]["presents"] = json!(presents);
    }
    Json(shown)
}

async fn read_book(State(world): State<Shared>) -> Answer {
    let mut view = book::view(&world).await?;
    view["clock"] = clock_view(&world);
    Ok(Json(view))
}

async fn read_clock(State(world): State<Shared>) -> Json<Value> {
    Json(clock_view(&world))
}

fn clock_view(world: &Shared) -> Value {
    json!({"now": clock::utc(world.now_us()), "offset_us": world.clock.offset_us()})
}

/// Moves time, tells everyone who reads this clock, and answers once they know.
async fn advance_clock(State(world): State<Shared>, Json(body): Json<Value>) -> Answer {
    let advance_us = body["advance_ms"]
        .as_i64()
        .and_then(|ms| ms.checked_mul(1000))
        .ok_or_else(|| wrong("advance_ms is missing"))?;
    let _turn = world.listeners.turn.lock().await;
    let mut book = world.book().await?;
    let offset_us = world.clock.offset_us().checked_add(advance_us).ok_or_else(|| wrong("too far"))?;
    book.set("offset_us", offset_us).await?;
    book.commit().await?;
    world.clock.set_offset(offset_us);
    world.doorbell.notify_one();
    tell_all(&world, offset_us).await;
    Ok(Json(clock_view(&world)))
}

async fn tell_all(world: &Shared, offset_us: i64) {
    let listeners = with(&world.listeners, |list| list.clone());
    let mut telling = tokio::task::JoinSet::new();
    for listener in listeners {
        let world = Arc::clone(world);
        telling.spawn(async move {
            // Who is only slow hears of the next change; nobody listens at a port that refuses.
            if tell(&world, &listener, offset_us).await == Heard::Nobody {
                with(&world.listeners, |list| list.retain(|other| *other != listener));
            }
        });
    }
    while telling.join_next().await.is_some() {}
}

/// What came of telling a listener.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Yes,
    /// It refused, or did not answer in time.
    No,
    /// Nobody listens there.
    Nobody,
}

async fn tell(world: &Shared, listener: &Listener, offset_us: i64) -> Heard {
    let request = world.http.post(&listener.url).bearer_auth(&listener.token).timeout(Duration::from_secs(30));
    match request.json(&json!({"offset_us": offset_us})).send().await {
        Ok(answer) if answer.status().is_success() => Heard::Yes,
        Err(error) if error.is_connect() => Heard::Nobody,
        Ok(_) | Err(_) => Heard::No,
    }
}

async fn register_listener(State(world): State<Shared>, Json(body): Json<Value>) -> Answer {
    let url = body["url"].as_str().ok_or_else(|| wrong("url is missing"))?.to_owned();
    let listener = Listener { url, token: body["token"].as_str().unwrap_or_default().to_owned() };
    let _turn = world.listeners.turn.lock().await;
    let offset_us = world.clock.offset_us();
    if tell(&world, &listener, offset_us).await != Heard::Yes {
        return Err(Problem(StatusCode::BAD_GATEWAY, "the listener does not answer".to_owned()));
    }
    with(&world.listeners, |list| {
        list.retain(|other| other.url != listener.url);
        list.push(listener);
    });
    Ok(Json(clock_view(&world)))
}

fn with<T>(listeners: &Listeners, work: impl FnOnce(&mut Vec<Listener>) -> T) -> T {
    work(&mut listeners.list.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn list_switches(State(world): State<Shared>) -> Json<Value> {
    Json(json!({"switches": world.switches.list()}))
}

async fn set_switch(State(world): State<Shared>, Json(body): Json<Map<String, Value>>) -> Answer {
    if body.get("reset") == Some(&json!(true)) {
        world.switches.reset();
        crate::wechatpay::reconsider_refunds(&world).await?;
        crate::paypal::reconsider(&world).await?;
    } else if body.get("switch") == Some(&json!("supplier_cancels")) {
        let id = body.get("id").and_then(Value::as_str).ok_or_else(|| wrong("id is missing"))?;
        if !crate::duffel::supplier_cancels(&world, id).await? {
            return Err(wrong("there is no such live booking"));
        }
    } else if body.get("switch") == Some(&json!("airline_changes")) {
        let id = body.get("id").and_then(Value::as_str).ok_or_else(|| wrong("id is missing"))?;
        let minutes = body.get("minutes").and_then(Value::as_i64).unwrap_or(60);
        if !crate::duffel::airline_changes(&world, id, minutes).await? {
            return Err(wrong("there is no such ticketed order"));
        }
    } else if body.get("switch") == Some(&json!("revoke_all")) {
        crate::oauth::revoke_all(&world).await?;
    } else {
        if body.get("switch") == Some(&json!("notify")) {
            let provider = body.get("provider").and_then(Value::as_str).unwrap_or_default();
            notify::check(provider, &body).map_err(wrong)?;
        }
        world.switches.set(&body).map_err(wrong)?;
        crate::wechatpay::reconsider_refunds(&world).await?;
        crate::paypal::reconsider(&world).await?;
    }
    Ok(list_switches(State(world)).await)
}

async fn send_notification(State(world): State<Shared>, Json(body): Json<Value>) -> Answer {
    let id = body["id"].as_str().ok_or_else(|| wrong("id is missing"))?;
    let corrupt = match body["mode"].as_str().unwrap_or("resend") {
        "resend" => false,
        "corrupt" => true,
        _ => return Err(wrong("mode is resend or corrupt")),
    };
    if notify::send_again(&world, id, corrupt).await? {
        return Ok(Json(json!({"sent": true})));
    }
    Err(Problem(StatusCode::NOT_FOUND, "there never was a notification about this".to_owned()))
}

async fn list_notifications(State(world): State<Shared>) -> Answer {
    Ok(Json(json!({"notifications": notify::list(&world).await?})))
}
