//! Notices: a form with a signature among its fields.
//!
//! Source: asynchronous notice pages. The signature covers every other field as decoded once; fields that repeat are refused,
//! because two readers could disagree about them. Deliberately not here: storing and applying, which is the inbox's.

use super::{Alipay, sign, wire};
use crate::{
    defence::{Defence, off},
    pay::{Notice, NoticeContent, PaymentSeen, Refused},
};
use aws_lc_rs::digest;
use std::collections::BTreeMap;
use url::form_urlencoded;
use zhiyou_domain::{port::payments::PaymentState, time::UtcMicros};

/// The only kind of notice about a trade.
const TRADE: &str = "trade_status_sync";
/// More fields than any notice has.
const FIELDS_MAX: usize = 128;

pub(super) fn read(channel: &Alipay, body: &[u8], now: UtcMicros) -> Result<Notice, Refused> {
    let mut fields = form(body)?;
    let sign = fields.remove("sign").unwrap_or_default();
    // Not among what is signed: only the one scheme passes, so nobody can ask for a weaker one.
    if fields.remove("sign_type").as_deref() != Some(sign::SIGN_TYPE) && !off(Defence::OneScheme) {
        return Err(Refused::NotAuthentic("another signature scheme".to_owned()));
    }
    let serial = fields.get("alipay_cert_sn").map(String::as_str);
    channel
        .keys
        .verify(serial, sign::content(&fields).as_bytes(), &sign, now)
        .map_err(|error| Refused::NotAuthentic(error.to_string()))?;
    let unreadable = |what: &str| Refused::Unreadable(format!("no {what}"));
    let event_id = fields.get("notify_id").cloned().ok_or_else(|| unreadable("notify_id"))?;
    let content = content(channel, &fields)?;
    // The moment of sending differs between tries of one event.
    fields.remove("notify_time");
    let digest = hex::encode(digest::digest(&digest::SHA256, sign::content(&fields).as_bytes()));
    Ok(Notice { event_id, second_id: None, digest, content })
}

/// The fields, decoded once. An empty one is not signed, so it counts as absent.
fn form(body: &[u8]) -> Result<BTreeMap<String, String>, Refused> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        #[cfg(test)]
        let value = if off(Defence::DecodedOnce) { decoded_again(&value).into() } else { value };
        let again = fields.insert(name.into_owned(), value.into_owned()).is_some();
        if (again && !off(Defence::SingleField)) || fields.len() > FIELDS_MAX {
            return Err(Refused::NotAuthentic("a repeated field, or far too many".to_owned()));
        }
    }
    fields.retain(|_, value| !value.is_empty());
    Ok(fields)
}

fn content(channel: &Alipay, fields: &BTreeMap<String, String>) -> Result<NoticeContent, Refused> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    if text("notify_type") != Some(TRADE) {
        return Ok(NoticeContent::Ignored(text("notify_type").unwrap_or("a notice without a type").to_owned()));
    }
    let app = text("app_id") == Some(&channel.app_id) || off(Defence::App);
    let seller = text("seller_id") == Some(&channel.seller_id) || off(Defence::Merchant);
    if !app || !seller {
        return Ok(NoticeContent::Foreign("about another merchant or app".to_owned()));
    }
    let number = text("out_trade_no").ok_or_else(|| Refused::Unreadable("no out_trade_no".to_owned()))?;
    if is_refund(fields) && !off(Defence::RefundTold) {
        // It tells what was given back so far, not what this refund gave: the channel is asked.
        return Ok(match text("out_biz_no") {
            Some(refund) => NoticeContent::RefundHint(refund.to_owned()),
            // Given back by hand at the channel.
            None => NoticeContent::PaymentHint(number.to_owned()),
        });
    }
    Ok(match payment(fields) {
        Ok(seen) => NoticeContent::Payment(number.to_owned(), seen),
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    })
}

/// Whether this tells of a refund. Its status is then that of a payment, which is not a second one.
fn is_refund(fields: &BTreeMap<String, String>) -> bool {
    let nothing = |fee: &String| fee.bytes().all(|byte| byte == b'0' || byte == b'.');
    fields.contains_key("gmt_refund") || fields.get("refund_fee").is_some_and(|fee| !nothing(fee))
}

fn payment(fields: &BTreeMap<String, String>) -> Result<PaymentSeen, &'static str> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    let total = text("total_amount").map(wire::money).transpose()?;
    let state = wire::state(text("trade_status").unwrap_or_default(), false);
    if state == PaymentState::Captured && (total.is_none() || text("trade_no").is_none()) {
        return Err("paid without an amount or a number");
    }
    Ok(PaymentSeen {
        state,
        transaction_id: text("trade_no").map(str::to_owned),
        total,
        taken: None,
        paid_at_us: text("gmt_payment").map(wire::instant).transpose()?,
    })
}

#[cfg(test)]
fn decoded_again(value: &str) -> String {
    let named = format!("again={}", value.replace('&', "%26"));
    form_urlencoded::parse(named.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
