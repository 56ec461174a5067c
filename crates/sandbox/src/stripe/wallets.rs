//! Wallets on the hosted page: WeChat Pay by a code that the phone scans, Alipay by a page of its own.
//!
//! Sources: docs.stripe.com/payments/wechat-pay and /payments/alipay. Neither sets money aside, neither takes every currency, and
//! what they give back arrives a little later. Deliberately not here: what a payment is afterwards (`intents`), and the wallets'
//! own merchants (`wechatpay`, `alipay`).

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use html_escape::encode_quoted_attribute;
use qrcode::{EcLevel, QrCode, render::svg};
use serde_json::{Value, json};

use super::intents::{INTENT, Means};
use super::page::{self, Fields, Gone, Shown, guarded, over, see_other, ways_out};
use super::{PROVIDER, Refusal, form, sessions};
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const PAGE: &str = include_str!("wallet.html");
/// The kind shown codes are kept under; they belong to a session.
const CODE: &str = "stripe_code";
const CODE_PREFIX: &str = "weixin://wxpay/bizpayurl?pr=";

/// A wallet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wallet {
    WechatPay,
    Alipay,
}

const ALL: [Wallet; 2] = [Wallet::WechatPay, Wallet::Alipay];

impl Wallet {
    /// A wallet by its word in the API and on the page.
    pub(super) fn named(word: &str) -> Option<Self> {
        ALL.into_iter().find(|wallet| wallet.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::WechatPay => "wechat_pay",
            Self::Alipay => "alipay",
        }
    }

    const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::WechatPay => ("微信支付", "WeChat Pay"),
            Self::Alipay => ("支付宝", "Alipay"),
        }
    }

    const fn currencies(self) -> &'static [&'static str] {
        match self {
            Self::WechatPay => {
                &["cny", "aud", "cad", "eur", "gbp", "hkd", "jpy", "sgd", "usd", "dkk", "nok", "sek", "chf"]
            }
            Self::Alipay => &["cny", "aud", "cad", "eur", "gbp", "hkd", "jpy", "sgd", "usd", "myr", "nzd"],
        }
    }

    /// What a charge tells of the payer.
    pub(super) fn details(self, world: &World) -> Value {
        let number = world.ids.digits("transaction", 28);
        let told = match self {
            Self::WechatPay => json!({"fingerprint": null, "location": null, "transaction_id": number}),
            Self::Alipay => json!({"buyer_id": null, "fingerprint": null, "transaction_id": number}),
        };
        json!({"type": self.word(), self.word(): told})
    }

    /// What the payer has to do.
    pub(super) async fn next_action(
        self,
        world: &World,
        book: &mut Book,
        intent: &Document,
    ) -> Result<Value, StoreError> {
        let page = format!("{}/c/pay/{}/wallet", world.urls.stripe, intent.link);
        Ok(match self {
            Self::WechatPay => {
                let code = world.ids.code("code", 10);
                book.put(CODE, &Document::new(&code, Value::Null, json!({})).linked(&intent.link)).await?;
                json!({"type": "wechat_pay_display_qr_code", "wechat_pay_display_qr_code": {
                    "data": format!("{CODE_PREFIX}{code}"), "hosted_instructions_url": page, "image_data_url": null,
                    "image_url_png": null, "image_url_svg": null,
                }})
            }
            Self::Alipay => json!({"type": "alipay_handle_redirect", "alipay_handle_redirect": {
                "native_data": null, "native_url": null, "return_url": null, "url": page,
            }}),
        })
    }
}

/// The ways to pay that a page offers: of those that are allowed, the ones that take this currency, at this moment.
pub(super) fn eligible(asked: &form::Form, currency: &str, method: &str) -> Result<Vec<&'static str>, Refusal> {
    let wrong = |text: &str| Refusal::param("allowed_payment_method_types", "parameter_invalid", text);
    let allowed = asked.at("allowed_payment_method_types").as_array();
    let words = allowed.into_iter().flatten().map(|word| word.as_str().unwrap_or_default());
    let words: Vec<&str> = if allowed.is_some() { words.collect() } else { vec!["card"] };
    let mut offered = Vec::new();
    for word in words {
        match (word, Wallet::named(word)) {
            ("card", _) => offered.push("card"),
            (_, Some(wallet)) => {
                if wallet == Wallet::WechatPay && asked.text("payment_method_options.wechat_pay.client") != "web" {
                    let missing = "payment_method_options[wechat_pay][client]";
                    return Err(Refusal::param(
                        missing,
                        "parameter_missing",
                        format!("Missing required param: {missing}."),
                    ));
                }
                if method != "manual" && wallet.currencies().contains(&currency) {
                    offered.push(wallet.word());
                }
            }
            (_, None) => return Err(wrong("Unknown payment method type")),
        }
    }
    if offered.is_empty() { Err(wrong("No eligible payment method")) } else { Ok(offered) }
}

/// Refuses options of ways to pay that are not known here.
pub(super) fn options(asked: &form::Form) -> Result<(), Refusal> {
    let known = [("card", "installments"), ("wechat_pay", "client")];
    let given = asked.at("payment_method_options").as_object();
    for (word, fields) in given.into_iter().flatten() {
        let fields = fields.as_object().into_iter().flatten();
        for (field, _) in fields {
            if !known.contains(&(word.as_str(), field.as_str())) {
                let name = format!("payment_method_options[{word}][{field}]");
                let text = format!("Received unknown parameter: {name}");
                return Err(Refusal::param(&name, "parameter_unknown", text));
            }
        }
    }
    Ok(())
}

/// The buttons of the wallets a page offers.
pub(super) fn buttons(session: &Document) -> String {
    let offered = session.wire["payment_method_types"].as_array().into_iter().flatten();
    let offered = offered.filter_map(|word| Wallet::named(word.as_str().unwrap_or_default()));
    let button = |wallet: Wallet| {
        let (title, english) = wallet.title();
        format!("<button name=\"wallet\" value=\"{}\">{title}<small>{english}</small></button>\n    ", wallet.word())
    };
    offered.map(button).collect()
}

/// The wallet that is waited for.
fn waited_for(intent: &Document) -> Option<Wallet> {
    Wallet::named(intent.hidden("wallet")).filter(|_| intent.text("status") == "requires_action")
}

/// `GET /c/pay/{id}/wallet`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Shown {
    let mut book = world.book().await?;
    let session = sessions::get(&world, &mut book, &id).await?;
    let asked = book.get(INTENT, session.text("payment_intent")).await?;
    world.commit(book).await?;
    if !sessions::is_open(&session) {
        return Ok(over(&session));
    }
    let Some((intent, wallet)) = asked.and_then(|intent| waited_for(&intent).map(|wallet| (intent, wallet))) else {
        return Ok(see_other(&format!("/c/pay/{}", session.id)));
    };
    let (title, english) = wallet.title();
    let code = intent.wire["next_action"]["wechat_pay_display_qr_code"]["data"].as_str().unwrap_or_default();
    let html = PAGE
        .replace("{{title}}", title)
        .replace("{{english}}", english)
        .replace("{{code}}", &drawn(&world, code).unwrap_or_default())
        .replace("{{amount}}", &page::amount(&session))
        .replace("{{id}}", &session.id);
    Ok(guarded(StatusCode::OK, html, &ways_out(&session)))
}

/// The code as a picture, and a way to the sandbox's own phone.
fn drawn(world: &World, code: &str) -> Option<String> {
    if code.is_empty() {
        return None;
    }
    let picture = QrCode::with_error_correction_level(code, EcLevel::M).ok()?;
    let picture = picture.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    let (_, picture) = picture.split_once("?>")?;
    let mut phone = url::Url::parse(&world.urls.phone).ok()?;
    phone.query_pairs_mut().append_pair("text", code);
    Some(format!(
        "<p>{picture}</p><p><a target=\"_blank\" rel=\"noopener\" href=\"{}\">用沙盒的手机扫 · Scan with the sandbox's phone</a></p>",
        encode_quoted_attribute(phone.as_str())
    ))
}

/// `POST /c/pay/{id}/wallet`: what the payer told the wallet.
pub(super) async fn answer(State(world): State<Shared>, Path(id): Path<String>, Form(fields): Form<Fields>) -> Shown {
    let approved = match fields.get("answer").map(String::as_str) {
        Some("approve") => true,
        Some("fail") => false,
        _ => return Err(Gone::from(StatusCode::BAD_REQUEST)),
    };
    let mut book = world.book().await?;
    let mut session = sessions::get(&world, &mut book, &id).await?;
    match told(&world, &mut book, &mut session, approved).await? {
        Some(intent) => page::go_on(&world, book, &session, &intent).await,
        None => {
            world.commit(book).await?;
            Ok((StatusCode::CONFLICT, over(&session)).into_response())
        }
    }
}

async fn told(
    world: &World,
    book: &mut Book,
    session: &mut Document,
    approved: bool,
) -> Result<Option<Document>, StoreError> {
    if !sessions::is_open(session) {
        return Ok(None);
    }
    let asked = book.get(INTENT, session.text("payment_intent")).await?;
    match asked.as_ref().and_then(waited_for) {
        Some(wallet) => sessions::answered(world, book, session, approved, Means::Wallet(wallet)).await,
        None => Ok(None),
    }
}

/// What the phone sees of a scanned code.
pub(crate) struct Scanned {
    session: Document,
    /// What is paid for.
    pub(crate) description: String,
    /// Minor units as the channel writes them.
    pub(crate) total: i64,
    /// In capitals.
    pub(crate) currency: String,
    /// As a person reads it.
    pub(crate) amount: String,
    /// `payable`, or how it ended.
    pub(crate) state: &'static str,
}

/// The payment a code stands for.
pub(crate) async fn scan(world: &World, book: &mut Book, text: &str) -> Result<Option<Scanned>, StoreError> {
    let Some(code) = text.trim().strip_prefix(CODE_PREFIX) else { return Ok(None) };
    let Some(code) = book.get(CODE, code).await? else { return Ok(None) };
    sessions::end_due(world, book, world.now_us()).await?;
    let Some(session) = book.get(sessions::SESSION, &code.link).await? else { return Ok(None) };
    let intent = book.get(INTENT, session.text("payment_intent")).await?;
    let data = format!("{CODE_PREFIX}{}", code.id);
    // A newer code, or another way to pay, has taken its place.
    let waits = |intent: &Document| intent.wire["next_action"]["wechat_pay_display_qr_code"]["data"] == data.as_str();
    let state = match session.text("status") {
        "open" if intent.as_ref().is_some_and(waits) => "payable",
        "complete" => "success",
        _ => "expired",
    };
    Ok(Some(Scanned {
        description: session.hidden("name").to_owned(),
        total: session.wire["amount_total"].as_i64().unwrap_or_default(),
        currency: session.text("currency").to_uppercase(),
        amount: page::amount(&session),
        state,
        session,
    }))
}

/// Pays a payable code, once; with the `decline` switch the wallet refuses instead. Answers the new state.
pub(crate) async fn pay(world: &World, book: &mut Book, scanned: Scanned) -> Result<&'static str, StoreError> {
    let mut session = scanned.session;
    if scanned.state != "payable" {
        return Ok(scanned.state);
    }
    let for_phone = |params: &serde_json::Map<String, Value>| params.get("op").is_none_or(|op| op == "pay");
    let approved = world.switches.strike_where(PROVIDER, "decline", for_phone).is_none();
    told(world, book, &mut session, approved).await?;
    Ok(if approved { "success" } else { "payerror" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_of_a_wallet_has_a_field_or_a_script() {
        assert!(!PAGE.contains("<input") && !PAGE.contains("<textarea") && !PAGE.contains("<script"));
        assert!(PAGE.contains("沙盒") && PAGE.contains("Sandbox"));
    }
}
