//! The channel's own page, for a computer or a phone's browser: who wants how much, pay or leave.
//!
//! `alipay.trade.page.pay` and `wap.pay` lead here; afterwards the browser goes back to `return_url` with signed parameters,
//! paid or not. Deliberately not here: signing in, and the rules of a payment (`trades`).

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use html_escape::encode_quoted_attribute;

use super::trades::{self, TRADE, advance, open};
use super::{Asked, Refusal, notice};
use crate::clock::beijing_plain;
use crate::money;
use crate::world::{Shared, World};

const PAGE: &str = include_str!("cashier.html");

/// Keeps what is asked for and answers the page's address.
pub(super) async fn open_page(world: &World, asked: &Asked) -> Result<String, Refusal> {
    let token = advance(world, asked).await?;
    Ok(format!("{}/cashier/{token}", world.urls.alipay))
}

/// `GET /cashier/{token}`: opening it is what makes the trade.
pub(super) async fn page(State(world): State<Shared>, Path(token): Path<String>) -> Response {
    show(&world, &token).await.unwrap_or_else(IntoResponse::into_response)
}

async fn show(world: &World, token: &str) -> Result<Response, StatusCode> {
    let broken = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut book = world.book().await.map_err(broken)?;
    let seen = open(world, &mut book, token).await.map_err(broken)?.ok_or(StatusCode::NOT_FOUND)?;
    world.commit(book).await.map_err(broken)?;
    let text = match seen.state {
        "payable" => "",
        "success" => "已支付 Paid",
        "refund" => "已退款 Refunded",
        "expired" => "已过期 Expired",
        _ => "已关闭 Closed",
    };
    let hidden = |hide: bool| if hide { "hidden" } else { "" };
    let filled = PAGE
        .replace("{description}", &encode_quoted_attribute(&seen.description))
        .replace("{amount}", &money::text(seen.total))
        .replace("{token}", &encode_quoted_attribute(token))
        .replace("{payable}", hidden(seen.state != "payable"))
        .replace("{ended}", hidden(seen.state == "payable"))
        .replace("{state}", text);
    Ok(Html(filled).into_response())
}

/// `POST /cashier/{token}/pay` or `/leave`: only this page's own buttons.
pub(super) async fn decide(
    State(world): State<Shared>,
    Path((token, decision)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let foreign = headers.get(header::ORIGIN).is_some_and(|origin| origin != world.urls.alipay.as_str());
    if foreign {
        return StatusCode::FORBIDDEN.into_response();
    }
    decided(&world, &token, &decision).await.unwrap_or_else(IntoResponse::into_response)
}

async fn decided(world: &World, token: &str, decision: &str) -> Result<Response, StatusCode> {
    let broken = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut book = world.book().await.map_err(broken)?;
    let seen = open(world, &mut book, token).await.map_err(broken)?.ok_or(StatusCode::NOT_FOUND)?;
    let state = match decision {
        "pay" => trades::pay(world, &mut book, &seen).await.map_err(broken)?,
        "leave" => seen.state,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    let trade = book.get(TRADE, &seen.number).await.map_err(broken)?;
    world.commit(book).await.map_err(broken)?;
    let trade_no = trade.map(|trade| trade.link).unwrap_or_default();
    match back(world, &seen, state, &trade_no) {
        Some(address) => Ok(Redirect::to(&address).into_response()),
        None => show(world, token).await,
    }
}

/// Where the browser goes afterwards; none without a `return_url`. Signed as the channel does, though it proves nothing.
fn back(world: &World, seen: &trades::Scanned, state: &str, trade_no: &str) -> Option<String> {
    let mut address = url::Url::parse(&seen.return_url).ok()?;
    let keys = world.credentials.alipay.as_ref()?;
    if state == "success" {
        let pairs = [
            ("app_id", keys.app_id.as_str()),
            ("auth_app_id", &keys.app_id),
            ("charset", "utf-8"),
            ("method", "alipay.trade.page.pay.return"),
            ("out_trade_no", &seen.number),
            ("seller_id", &keys.seller_id),
            ("timestamp", &beijing_plain(world.now_us())),
            ("total_amount", &money::text(seen.total)),
            ("trade_no", trade_no),
            ("version", "1.0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        address.query_pairs_mut().extend_pairs(notice::signed(world, BTreeMap::from(pairs))?);
    }
    Some(address.into())
}
