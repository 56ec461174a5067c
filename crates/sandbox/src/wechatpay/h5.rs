//! The channel's page for a phone's browser: who wants how much, pay or leave; then back to `redirect_url`, paid or not.
//!
//! The real page opens WeChat, where the payer agrees; here the agreeing is on the page. Deliberately not here: how long the page
//! is good for (`kinds`), and the payment (`transactions`).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use html_escape::encode_quoted_attribute;
use url::form_urlencoded;

use super::transactions::{self, Scanned};
use crate::money;
use crate::store::Book;
use crate::world::{Shared, World, literal_host};

const PAGE: &str = include_str!("h5.html");
const PATH: &str = "/cgi-bin/mmpayweb-bin/checkmweb";

/// The page's routes; a browser signs nothing.
pub(super) fn router(world: &Shared) -> Router {
    Router::new()
        .route(PATH, get(page).post(decide))
        .layer(middleware::from_fn_with_state(world.urls.wechatpay.clone(), literal_host))
        .with_state(Arc::clone(world))
}

/// The address of a prepared payment's page.
pub(super) fn address(world: &World, prepay_id: &str) -> String {
    let package = world.ids.digits("page", 10);
    format!("{}{PATH}?prepay_id={prepay_id}&package={package}", world.urls.wechatpay)
}

type Fields = HashMap<String, String>;

async fn page(State(world): State<Shared>, Query(query): Query<Fields>) -> Response {
    shown(&world, &query).await.unwrap_or_else(IntoResponse::into_response)
}

async fn found(world: &World, book: &mut Book, query: &Fields) -> Result<Scanned, StatusCode> {
    let prepay_id = query.get("prepay_id").map(String::as_str).unwrap_or_default();
    let found = transactions::on_page(world, book, prepay_id).await;
    found.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.ok_or(StatusCode::NOT_FOUND)
}

async fn shown(world: &World, query: &Fields) -> Result<Response, StatusCode> {
    let mut book = world.book().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let seen = found(world, &mut book, query).await?;
    let text = match seen.state.as_str() {
        "payable" => "",
        "success" => "已支付 Paid",
        "refund" => "已退款 Refunded",
        "payerror" => "银行拒绝，未扣款 The bank refused. Nothing was charged.",
        "expired" => "支付链接已过期，请返回商家重新打开 This page has expired: go back and open it again",
        _ => "已关闭 Closed",
    };
    let hidden = |hide: bool| if hide { "hidden" } else { "" };
    let filled = PAGE
        .replace("{description}", &encode_quoted_attribute(&seen.description))
        .replace("{amount}", &money::text(seen.total))
        .replace("{action}", &encode_quoted_attribute(&here(query)))
        .replace("{payable}", hidden(seen.state != "payable"))
        .replace("{ended}", hidden(seen.state == "payable"))
        .replace("{state}", text);
    Ok(Html(filled).into_response())
}

/// This page's own address.
fn here(query: &Fields) -> String {
    let mut pairs: Vec<(&String, &String)> = query.iter().collect();
    pairs.sort_unstable();
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs);
    format!("{PATH}?{}", text.finish())
}

/// Only this page's own buttons: `decision` is `pay` or `leave`.
async fn decide(
    State(world): State<Shared>,
    Query(query): Query<Fields>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<Fields>,
) -> Response {
    if headers.get(header::ORIGIN).is_some_and(|origin| origin != world.urls.wechatpay.as_str()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    decided(&world, &query, &form).await.unwrap_or_else(IntoResponse::into_response)
}

async fn decided(world: &World, query: &Fields, form: &Fields) -> Result<Response, StatusCode> {
    let broken = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut book = world.book().await.map_err(broken)?;
    let seen = found(world, &mut book, query).await?;
    match form.get("decision").map(String::as_str) {
        Some("pay") => {
            let payable = seen.state == "payable";
            transactions::pay(world, &mut book, seen).await.map_err(broken)?;
            world.commit(book).await.map_err(broken)?;
            if !payable {
                return shown(world, query).await;
            }
        }
        Some("leave") => drop(book),
        _ => return Err(StatusCode::BAD_REQUEST),
    }
    match query.get("redirect_url").filter(|back| is_page(back)) {
        Some(back) => Ok(Redirect::to(back).into_response()),
        None => shown(world, query).await,
    }
}

fn is_page(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}
