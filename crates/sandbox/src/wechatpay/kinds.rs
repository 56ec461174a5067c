//! The four ways to pay a prepared payment: what each create needs beside the payment, what it answers, and how a phone knows it
//! again.
//!
//! Sources: native, H5, JSAPI and app payment pages, and their pages on calling the payment up. A code and a prepared payment are
//! good for two hours, the page for phones for five minutes. Deliberately not here: the payment (`transactions`), the page
//! (`h5`).

use serde_json::{Value, json};

use super::{PROVIDER, Refusal, h5};
use crate::world::World;

const CODE_PREFIX: &str = "weixin://wxpay/bizpayurl?pr=";
const MINUTE_US: i64 = 60 * 1_000_000;

/// A way to pay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Native,
    H5,
    Jsapi,
    App,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Native, Self::H5, Self::Jsapi, Self::App];

    /// The kind with this word of a path.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The last part of its create's path.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::H5 => "h5",
            Self::Jsapi => "jsapi",
            Self::App => "app",
        }
    }

    /// `trade_type` of what was paid like this.
    pub(super) const fn trade_type(self) -> &'static str {
        match self {
            Self::Native => "NATIVE",
            Self::H5 => "MWEB",
            Self::Jsapi => "JSAPI",
            Self::App => "APP",
        }
    }

    /// How long what was answered can be paid by; the rule `code_minutes` makes a code's life shorter.
    pub(super) fn lives_us(self, world: &World) -> i64 {
        match self {
            Self::Native => world.switches.amount(PROVIDER, "code_minutes", 120).saturating_mul(MINUTE_US),
            Self::Jsapi | Self::App => 120 * MINUTE_US,
            Self::H5 => 5 * MINUTE_US,
        }
    }

    /// What the create needs beside the payment.
    pub(super) fn check(self, body: &Value) -> Result<(), Refusal> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        match self {
            Self::Native | Self::App => Ok(()),
            Self::H5 => {
                if text("/scene_info/payer_client_ip").parse::<std::net::IpAddr>().is_err() {
                    return Err(Refusal::param("scene_info.payer_client_ip", "必填，用户终端IP"));
                }
                if !["Wap", "iOS", "Android"].contains(&text("/scene_info/h5_info/type")) {
                    return Err(Refusal::param("scene_info.h5_info.type", "必填，取值Wap、iOS、Android"));
                }
                Ok(())
            }
            Self::Jsapi if text("/payer/openid").is_empty() || text("/payer/openid").len() > 128 => {
                Err(Refusal::param("payer.openid", "必填或过长"))
            }
            Self::Jsapi => Ok(()),
        }
    }

    /// A new name of the payment for its payer: what stands in the code, or the number of the prepared payment.
    pub(super) fn name(self, world: &World) -> String {
        match self {
            Self::Native => world.ids.code("payment code", 9),
            Self::H5 | Self::Jsapi | Self::App => format!("wx{}", world.ids.digits("prepared payment", 34)),
        }
    }

    /// What the create answers.
    pub(super) fn answer(self, world: &World, name: &str) -> Value {
        match self {
            Self::Native => json!({"code_url": format!("{CODE_PREFIX}{name}")}),
            Self::H5 => json!({"h5_url": h5::address(world, name)}),
            Self::Jsapi | Self::App => json!({"prepay_id": name}),
        }
    }
}

/// What a phone was given, and what it is the name of. Parameters for WeChat are believed only where the merchant signed them.
pub(super) fn named(world: &World, text: &str) -> Option<(Kind, String)> {
    if let Some(code) = text.strip_prefix(CODE_PREFIX) {
        return Some((Kind::Native, code.to_owned()));
    }
    let given: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| given[name].as_str().unwrap_or_default();
    let inside = given["paySign"].is_string();
    let (appid, at, nonce, package, signature) = if inside {
        (field("appId"), field("timeStamp"), field("nonceStr"), field("package"), field("paySign"))
    } else {
        (field("appid"), field("timestamp"), field("noncestr"), field("prepayid"), field("sign"))
    };
    let ours = appid == world.credentials.appid
        && if inside {
            field("signType") == "RSA"
        } else {
            field("partnerid") == world.credentials.mchid && field("package") == "Sign=WXPay"
        };
    let message = format!("{appid}\n{at}\n{nonce}\n{package}\n");
    if !ours || at.parse::<i64>().is_err() || nonce.is_empty() || !world.pay_keys.verify_merchant(&message, signature) {
        return None;
    }
    let kind = if inside { Kind::Jsapi } else { Kind::App };
    let name = if inside { package.strip_prefix("prepay_id=")? } else { package };
    Some((kind, name.to_owned()))
}
