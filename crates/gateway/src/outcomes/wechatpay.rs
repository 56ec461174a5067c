//! What is particular to WeChat Pay: its four ways to show a payment, and what a stub answers about something else.

use super::{Effect, PAYMENT};
use crate::config::WechatPresents;
use serde_json::{Value, json};

/// How a payment is shown for the effect to be tried.
pub(super) fn presents(effect: Effect) -> WechatPresents {
    match effect {
        Effect::OpenH5 => WechatPresents::H5 { payer_client_ip: [203, 0, 113, 7].into() },
        Effect::OpenJsapi => WechatPresents::Jsapi { openid: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o".to_owned().into() },
        Effect::OpenApp => WechatPresents::App,
        _ => WechatPresents::Qr,
    }
}

/// A success about something else.
pub(super) fn foreign(path: &str) -> Value {
    match path {
        "/v3/pay/transactions/native" => json!({"code_url": "https://evil.example/pay"}),
        "/v3/pay/transactions/h5" => json!({"h5_url": "https://evil.example/pay"}),
        "/v3/pay/transactions/jsapi" | "/v3/pay/transactions/app" => json!({"prepay_id": "wx1\npaySign"}),
        "/v3/refund/domestic/refunds" => {
            json!({"out_trade_no": PAYMENT, "out_refund_no": "another", "status": "SUCCESS",
                "amount": {"total": 29_901, "refund": 100, "currency": "CNY"}})
        }
        _ => json!({}),
    }
}
