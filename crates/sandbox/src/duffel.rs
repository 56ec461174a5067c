//! Duffel API v2 in test mode: flights with holds, seats, payments and cancellations; stays; cars; places; webhooks.
//!
//! Facts: duffel.com/docs and behaviour observed in its test mode. Amounts are in the currency of the account ([`crate::money`]).
//! Deliberately not here: cards, order changes, batch searches.

mod cancellations;
mod cars;
mod changes;
mod flights;
mod hotels;
mod offers;
mod orders;
mod payments;
mod places;
mod search;
mod seats;
mod stays;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value};

pub(crate) use cancellations::CANCELLATION;
pub(crate) use cars::BOOKING as CAR_BOOKING;
pub(crate) use changes::airline_changes;
pub(crate) use orders::{ORDER, release_expired, state_of};
pub(crate) use payments::PAYMENT;
pub(crate) use stays::BOOKING as STAY_BOOKING;
pub(crate) use webhooks::notification_headers;
use wire::Refusal;

use crate::world::{Faulty, Shared, bearer, faults, same};

const PROVIDER: &str = "duffel";

/// The routes of the supplier.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: operation, declined };
    air()
        .merge(stay_routes())
        .merge(car_routes())
        .fallback(|| async { Refusal::not_found("The resource you are trying to access does not exist.") })
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(Arc::clone(world), admitted))
        .with_state(Arc::clone(world))
}

fn air() -> Router<Shared> {
    Router::new()
        .route("/air/offer_requests", get(search::list).post(search::create))
        .route("/air/offer_requests/", post(search::create))
        .route("/air/offer_requests/{id}", get(search::get))
        .route("/air/offers", get(offers::list))
        .route("/air/offers/{id}", get(offers::get))
        .route("/air/offers/{id}/actions/price", post(offers::price))
        .route("/air/offers/{id}/passengers/{passenger}", axum::routing::patch(offers::update_passenger))
        .route("/air/seat_maps", get(seats::maps))
        .route("/air/orders", get(orders::list).post(orders::create))
        .route("/air/orders/{id}", get(orders::get).patch(orders::update))
        .route("/air/orders/{id}/available_services", get(orders::services))
        .route("/air/orders/{id}/services", post(orders::add_services))
        .route("/air/payments", get(payments::list).post(payments::create))
        .route("/air/payments/{id}", get(payments::get))
        .route("/air/order_cancellations", get(cancellations::list).post(cancellations::quote))
        .route("/air/order_cancellations/{id}", get(cancellations::get))
        .route("/air/order_cancellations/{id}/actions/confirm", post(cancellations::confirm))
        .route("/air/airline_initiated_changes", get(changes::list))
        .route("/air/airline_initiated_changes/{id}", axum::routing::patch(changes::update))
        .route("/air/airline_initiated_changes/{id}/actions/accept", post(changes::accept))
        .route("/air/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/air/webhooks/{id}", axum::routing::patch(webhooks::update).delete(webhooks::delete))
        .route("/air/webhooks/{id}/actions/ping", post(webhooks::ping))
        .route("/air/airports", get(places::airports))
        .route("/air/airports/{id}", get(places::airport))
        .route("/air/airlines", get(places::airlines))
        .route("/air/airlines/{id}", get(places::airline))
        .route("/air/loyalty_programmes", get(places::loyalty_programmes))
        .route("/places/suggestions", get(places::suggestions))
}

fn stay_routes() -> Router<Shared> {
    Router::new()
        .route("/stays/search", post(stays::search))
        .route("/stays/search_results/{id}/actions/fetch_all_rates", post(stays::fetch_all_rates))
        .route("/stays/quotes", post(stays::quote))
        .route("/stays/quotes/{id}", get(stays::get_quote))
        .route("/stays/bookings", get(stays::list).post(stays::book))
        .route("/stays/bookings/{id}", get(stays::get))
        .route("/stays/bookings/{id}/actions/cancel", post(stays::cancel))
        .route("/stays/accommodation/{id}", get(stays::accommodation))
}

fn car_routes() -> Router<Shared> {
    Router::new()
        .route("/cars/search", post(cars::search))
        .route("/cars/quotes", post(cars::quote))
        .route("/cars/quotes/{id}", get(cars::get_quote))
        .route("/cars/bookings", get(cars::list).post(cars::book))
        .route("/cars/bookings/{id}", get(cars::get))
        .route("/cars/bookings/{id}/actions/cancel", post(cars::cancel))
}

/// The airline or the hotel cancels a live booking by itself, and says so; false when there is none.
pub(crate) async fn supplier_cancels(world: &crate::world::World, id: &str) -> Result<bool, crate::store::StoreError> {
    let mut book = world.book().await?;
    let now = crate::clock::utc(world.now_us());
    if changes::airline_cancels(world, &mut book, id).await? {
        tracing::info!(id, "an airline cancels");
    } else if let Some(mut stay) = book.get(STAY_BOOKING, id).await?.filter(|stay| stay.text("status") == "confirmed") {
        stay.wire["status"] = Value::from("cancelled");
        stay.wire["cancelled_at"] = Value::from(now);
        stay.inner["refund_minor"] = stay.inner["total_minor"].clone();
        book.put(STAY_BOOKING, &stay).await?;
        webhooks::emit(world, &mut book, "stays.booking.cancelled", id, id, &stay.wire).await?;
    } else {
        return Ok(false);
    }
    world.commit(book).await?;
    Ok(true)
}

fn operation(method: &Method, path: &str) -> &'static str {
    let path = path.trim_end_matches('/');
    let read = method == Method::GET;
    match path {
        _ if path.ends_with("/actions/price") => "price",
        _ if path.ends_with("/actions/confirm") => "confirm_cancel",
        _ if path.ends_with("/actions/accept") => "accept_change",
        _ if path.ends_with("/actions/fetch_all_rates") => "fetch_rates",
        _ if path.starts_with("/stays/bookings/") && path.ends_with("/actions/cancel") => "cancel_stay",
        _ if path.starts_with("/cars/bookings/") && path.ends_with("/actions/cancel") => "cancel_car",
        _ if path.starts_with("/air/offer_requests") => "search",
        _ if path.starts_with("/air/offers") => "get_offer",
        "/air/seat_maps" => "seat_map",
        "/air/orders" => {
            if read {
                "list_orders"
            } else {
                "create_order"
            }
        }
        _ if path.starts_with("/air/orders/") => {
            if read {
                "get_order"
            } else {
                "update_order"
            }
        }
        _ if path.starts_with("/air/payments") => {
            if read {
                "list_payments"
            } else {
                "pay"
            }
        }
        _ if path.starts_with("/air/order_cancellations") => {
            if read {
                "get_cancel"
            } else {
                "quote_cancel"
            }
        }
        "/stays/search" => "search_stays",
        _ if path.starts_with("/stays/quotes") => "quote_stay",
        "/stays/bookings" => {
            if read {
                "list_stays"
            } else {
                "book_stay"
            }
        }
        _ if path.starts_with("/stays/bookings/") => "get_stay",
        "/cars/search" => "search_cars",
        _ if path.starts_with("/cars/quotes") => "quote_car",
        "/cars/bookings" => {
            if read {
                "list_cars"
            } else {
                "book_car"
            }
        }
        _ if path.starts_with("/cars/bookings/") => "get_car",
        _ => "other",
    }
}

/// How the supplier says no: by default what each operation's own refusal would be; `code`, `type`, `status` and `message`
/// choose.
fn declined(params: &Map<String, Value>) -> Response {
    let text = |field: &str| params.get(field).and_then(Value::as_str).map(str::to_owned);
    let (kind, code) = match params.get("op").and_then(Value::as_str).unwrap_or_default() {
        "create_order" => ("airline_error", "offer_no_longer_available"),
        "pay" => ("invalid_state_error", "insufficient_balance"),
        "quote_stay" | "book_stay" | "quote_car" | "book_car" => ("invalid_state_error", "rate_unavailable"),
        "confirm_cancel" | "quote_cancel" | "cancel_stay" | "cancel_car" => {
            ("invalid_state_error", "order_not_cancellable")
        }
        _ => ("airline_error", "unsupported_action"),
    };
    let status =
        params.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()).unwrap_or(422);
    Refusal::other(
        StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
        &text("type").unwrap_or_else(|| kind.to_owned()),
        &text("code").unwrap_or_else(|| code.to_owned()),
        &text("message").unwrap_or_else(|| "The supplier declined this request.".to_owned()),
    )
    .into_response()
}

/// Checks version and token, and puts the request id and rate-limit headers on every answer.
async fn admitted(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let mut answer = match entry(&world, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let id = world.ids.code("request", 24);
    if let Some(wire::Errors(mut body)) = answer.extensions_mut().remove::<wire::Errors>() {
        body["meta"]["request_id"] = Value::from(id.as_str());
        let status = answer.status();
        answer = (status, axum::Json(body)).into_response();
    }
    let reset = world.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (name, value) in [
        ("x-request-id", id.as_str()),
        ("ratelimit-limit", "4000"),
        ("ratelimit-remaining", "3999"),
        ("ratelimit-reset", reset.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn entry(world: &Shared, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let Some(token) = bearer(headers) else {
        let text = "The 'Authorization' header needs to be set and contain a valid API token.";
        return Err(Refusal::other(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "missing_authorization_header",
            text,
        ));
    };
    if !same(token, &world.credentials.duffel_token) {
        let text = "The access token used is not recognized by our system";
        return Err(Refusal::other(StatusCode::UNAUTHORIZED, "authentication_error", "access_token_not_found", text));
    }
    match headers.get("duffel-version").and_then(|version| version.to_str().ok()) {
        Some("v2") => {}
        None => {
            return Err(Refusal::invalid(
                StatusCode::BAD_REQUEST,
                "missing_version_header",
                "The 'Duffel-Version' header needs to be set.",
            ));
        }
        Some(_) => {
            return Err(Refusal::invalid(
                StatusCode::BAD_REQUEST,
                "unsupported_version",
                "The version set to the 'Duffel-Version' header is not supported.",
            ));
        }
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    if accept.contains("json") || accept.contains("*/*") {
        return Ok(());
    }
    Err(Refusal::invalid(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "The response type requested is not supported."))
}
