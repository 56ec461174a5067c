//! Notifications: verify on the raw bytes, open, compare merchant and app.
//!
//! Source: payment notice and refund notice pages. What the opened resource says decides, not the outer event type.
//! Deliberately not here: storing and applying, which is the inbox's.

use super::{
    Wechatpay,
    certificates::{Patience, Unproved},
    sign, wire,
};
use crate::{
    defence::{Defence, off},
    pay::{Notice, NoticeContent, Refused},
};
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use zhiyou_domain::time::UtcMicros;

const ALGORITHM: &str = "AEAD_AES_256_GCM";

pub(super) async fn read(
    channel: &Wechatpay,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcMicros,
) -> Result<Notice, Refused> {
    channel.proved(headers, body, now, Patience::ComesAgain).await.map_err(refused)?;
    opened(channel, body)
}

fn refused(error: Unproved) -> Refused {
    match error {
        Unproved::Signature(sign::SignatureError::Probe) => Refused::Probe,
        Unproved::Signature(other) => Refused::NotAuthentic(other.to_string()),
        Unproved::Unreachable(_) => Refused::Unprovable(error.to_string()),
    }
}

/// What a notification says that was proved to come from the channel.
fn opened(channel: &Wechatpay, body: &[u8]) -> Result<Notice, Refused> {
    let notification: wire::Notification =
        serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let resource = &notification.resource;
    if resource.algorithm != ALGORITHM && !off(Defence::OneScheme) {
        return Err(Refused::Unreadable("another algorithm".to_owned()));
    }
    let key = channel.apiv3_key.expose().as_bytes();
    let plain = sign::open(key, &resource.nonce, &resource.associated_data, &resource.ciphertext)
        .map_err(|error| Refused::NotAuthentic(error.to_string()))?;
    let content = match resource.original_type.as_str() {
        "transaction" => transaction(channel, &plain)?,
        "refund" => refund(channel, &plain)?,
        other => NoticeContent::Ignored(format!("{} of {other}", notification.event_type)),
    };
    let digest = hex::encode(digest::digest(&digest::SHA256, &plain));
    Ok(Notice { event_id: notification.id, second_id: None, digest, content })
}

fn transaction(channel: &Wechatpay, plain: &[u8]) -> Result<NoticeContent, Refused> {
    let mut transaction: wire::Transaction = parse(plain)?;
    if off(Defence::InnerDecides) {
        transaction.trade_state = wire::TradeState::Success;
    }
    let number = transaction.out_trade_no.clone();
    Ok(match channel.read(transaction) {
        Ok(seen) => NoticeContent::Payment(number, seen),
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    })
}

fn refund(channel: &Wechatpay, plain: &[u8]) -> Result<NoticeContent, Refused> {
    let mut refund: wire::Refund = parse(plain)?;
    if off(Defence::InnerDecides) {
        refund.status = wire::RefundStatus::Success;
    }
    if refund.mchid.as_deref() != Some(&channel.mchid) {
        return Ok(NoticeContent::Foreign("about another merchant".to_owned()));
    }
    Ok(match Wechatpay::read_refund(&refund) {
        Ok(seen) => NoticeContent::Refund(refund.out_refund_no, seen),
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    })
}

fn parse<T: serde::de::DeserializeOwned>(plain: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(plain).map_err(|error| Refused::Unreadable(error.to_string()))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
