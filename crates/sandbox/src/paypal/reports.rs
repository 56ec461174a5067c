//! The list of an account's transactions: captures and refunds, page by page.
//!
//! Source: Transaction Search v1 and its event codes. The rule `no_bill` keeps the list three days behind. Deliberately not
//! here: filters, payers, carts, authorisations, fees.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::captures::CAPTURE;
use super::refunds::REFUND;
use super::{Answer, PROVIDER, Refusal, Wire, amount, fresh_id};
use crate::bill::{self, Item};
use crate::clock;
use crate::store::{Book, StoreError};
use crate::world::{Shared, World};

const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// The longest window, days.
const WINDOW_DAYS: i64 = 31;
/// The most transactions a window may hold.
const ITEMS_MAX: usize = 10_000;

/// `GET /v1/reporting/transactions`.
pub(super) async fn list(State(world): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Answer {
    let at = |name: &str| query.get(name).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let (Some(from), Some(until)) = (at("start_date"), at("end_date")) else {
        return Err(Refusal::malformed("/start_date", "INVALID_PARAMETER_SYNTAX"));
    };
    let (from_us, until_us) = (from.as_microsecond(), until.as_microsecond());
    if until_us < from_us || until_us.saturating_sub(from_us) > WINDOW_DAYS * DAY_US {
        return Err(Refusal::malformed("/end_date", "INVALID_DATE_RANGE"));
    }
    let number = |name: &str, otherwise: usize| query.get(name).map_or(Some(otherwise), |text| text.parse().ok());
    let (page, size) = (number("page", 1).unwrap_or(0), number("page_size", 100).unwrap_or(0));
    if page < 1 || !(1..=500).contains(&size) {
        return Err(Refusal::malformed("/page_size", "INVALID_PARAMETER_VALUE"));
    }
    let size = bill::page_max(&world, PROVIDER).map_or(size, |most| size.min(most));
    let mut book = world.book().await?;
    super::captures::settle_due(&world, &mut book).await?;
    super::refunds::settle_due(&world, &mut book).await?;
    let mut items = items(&mut book).await?;
    world.commit(book).await?;
    // Both ends belong to the window, in whole seconds.
    items.retain(|item| (from_us..until_us.saturating_add(1_000_000)).contains(&item.at_us));
    if let Some(wish) = bill::wish(&world, PROVIDER) {
        bill::plant(&mut items, &wish, "COMPLETED", || fresh_id(&world, "bill"));
    }
    if items.len() > ITEMS_MAX {
        let text = "Result set size is greater than the maximum limit.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "RESULTSET_TOO_LARGE", "RESULTSET_TOO_LARGE", text));
    }
    let behind_us = if bill::is_missing(&world, PROVIDER) { 3 * DAY_US } else { 0 };
    let details: Vec<Value> =
        items.iter().skip((page - 1).saturating_mul(size)).take(size).map(|item| detail(&world, item)).collect();
    let answer = json!({
        "transaction_details": details,
        "account_number": "SANDBOXMERCHA",
        "start_date": offset(from_us),
        "end_date": offset(until_us),
        "last_refreshed_datetime": offset(world.now_us().saturating_sub(behind_us)),
        "page": page,
        "total_items": items.len(),
        "total_pages": items.len().div_ceil(size),
        "links": [],
    });
    Ok(Wire(answer).into_response())
}

/// `2026-11-20T04:03:52+0000`, as this list writes instants.
fn offset(us: i64) -> String {
    clock::instant(us).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// Everything that moved the balance, oldest first.
async fn items(book: &mut Book) -> Result<Vec<Item>, StoreError> {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_microsecond);
    let mut items = Vec::new();
    for capture in book.all(CAPTURE).await? {
        if !["COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"].contains(&capture.text("status")) {
            continue;
        }
        items.push(Item {
            refund: false,
            own: capture.id.clone(),
            merchants: capture.text("custom_id").to_owned(),
            payment: capture.id.clone(),
            payment_merchants: capture.text("custom_id").to_owned(),
            minor: capture.number("minor"),
            currency: capture.hidden("currency").to_owned(),
            at_us: instant(capture.text("create_time")),
            state: "COMPLETED".to_owned(),
        });
    }
    for refund in book.all(REFUND).await? {
        if !["COMPLETED", "PENDING"].contains(&refund.text("status")) {
            continue;
        }
        items.push(Item {
            refund: true,
            own: refund.id.clone(),
            merchants: refund.text("custom_id").to_owned(),
            payment: refund.link.clone(),
            payment_merchants: refund.hidden("custom_id").to_owned(),
            minor: refund.number("minor"),
            currency: refund.hidden("currency").to_owned(),
            at_us: instant(refund.text("create_time")),
            state: refund.text("status").to_owned(),
        });
    }
    items.sort_by_key(|item| item.at_us);
    Ok(items)
}

fn detail(world: &World, item: &Item) -> Value {
    let minor = if item.refund { item.minor.saturating_neg() } else { item.minor };
    let mut info = json!({
        "paypal_account_id": "SANDBOXBUYER1",
        "transaction_id": item.own,
        "transaction_event_code": if item.refund { "T1107" } else { "T0006" },
        "transaction_initiation_date": offset(item.at_us),
        "transaction_updated_date": offset(world.now_us()),
        "transaction_amount": amount::wire(minor, &item.currency),
        "fee_amount": amount::wire(0, &item.currency),
        "transaction_status": if item.state == "PENDING" { "P" } else { "S" },
        "protection_eligibility": "01",
    });
    if item.refund {
        info["paypal_reference_id"] = json!(item.payment);
        info["paypal_reference_id_type"] = json!("TXN");
    }
    if !item.merchants.is_empty() {
        info["custom_field"] = json!(item.merchants);
        info["invoice_id"] = json!(item.merchants);
    }
    json!({"transaction_info": info})
}
