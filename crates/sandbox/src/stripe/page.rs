//! The hosted page a payer sees: what is asked for, test cards and wallets to choose from, the bank's question, and the way back.
//!
//! Cards are buttons; there is no field that could take a number. Only the page itself may pay. Deliberately not here: what a
//! card does (`intents`), and the wallets' own pages (`wallets`).

use std::collections::HashMap;

use axum::extract::{Form, Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use html_escape::encode_quoted_attribute;
use url::Url;

use super::intents::{INTENT, Means};
use super::wallets::{self, Wallet};
use super::{Refusal, sessions};
use crate::money;
use crate::store::{Book, Document, StoreError};
use crate::world::{Shared, World};

const PAGE: &str = include_str!("page.html");
const CHALLENGE: &str = include_str!("challenge.html");
const OVER: &str = include_str!("over.html");
const CARDS: &str = include_str!("cards.html");

pub(super) type Fields = HashMap<String, String>;

/// What a page answers; a refusal is shown as a page too.
pub(super) type Shown = Result<Response, Gone>;

/// There is no such page, or it cannot be shown.
pub(super) struct Gone(StatusCode);

impl From<Refusal> for Gone {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.status)
    }
}

impl From<StatusCode> for Gone {
    fn from(status: StatusCode) -> Self {
        Self(status)
    }
}

impl From<StoreError> for Gone {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl IntoResponse for Gone {
    fn into_response(self) -> Response {
        let html = OVER.replace("{{title}}", "此页面不存在 · This page does not exist").replace("{{back}}", "");
        guarded(self.0, html, "'none'")
    }
}

/// Another page in the same browser must not be able to pay.
pub(super) async fn own_page(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let foreign = request.headers().get(header::ORIGIN).is_some_and(|origin| origin != world.urls.stripe.as_str());
    if request.method() == Method::POST && foreign {
        return (StatusCode::FORBIDDEN, "foreign origin").into_response();
    }
    next.run(request).await
}

/// `GET /c/pay/{id}`.
pub(super) async fn show(State(world): State<Shared>, Path(id): Path<String>) -> Shown {
    let mut book = world.book().await?;
    let session = sessions::get(&world, &mut book, &id).await?;
    let refused = match book.get(INTENT, session.text("payment_intent")).await? {
        Some(intent) => !intent.wire["last_payment_error"].is_null(),
        None => false,
    };
    world.commit(book).await?;
    if !sessions::is_open(&session) {
        return Ok(over(&session));
    }
    let notice = if refused {
        "<p class=\"bad\" role=\"alert\">没有付成，请换一种方式。<small>It did not pay. Please choose another way.</small></p>"
    } else {
        ""
    };
    let html = PAGE
        .replace("{{notice}}", notice)
        .replace("{{cards}}", if offers(&session, "card") { CARDS } else { "" })
        .replace("{{wallets}}", &wallets::buttons(&session))
        .replace("{{amount}}", &amount(&session))
        .replace("{{held}}", if session.hidden("capture_method") == "manual" { HELD } else { "" })
        .replace("{{cancel}}", &encode_quoted_attribute(back(&session, "cancel_url").as_deref().unwrap_or_default()))
        .replace("{{id}}", &session.id)
        .replace("{{item}}", &encode_quoted_attribute(session.hidden("name")));
    Ok(guarded(StatusCode::OK, html, &ways_out(&session)))
}

const HELD: &str = "<small>只先冻结这笔钱，之后再收取。 The money is only set aside and taken later.</small>";

/// Whether a page offers a way to pay.
fn offers(session: &Document, word: &str) -> bool {
    session.wire["payment_method_types"].as_array().is_some_and(|types| types.iter().any(|known| known == word))
}

/// What the payer pressed, if the page offers it.
fn chosen(session: &Document, fields: &Fields) -> Option<Means> {
    match (fields.get("card"), fields.get("wallet")) {
        (Some(card), None) => Means::named(card).filter(|_| offers(session, "card")),
        (None, Some(word)) => Wallet::named(word).filter(|_| offers(session, word)).map(Means::Wallet),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// `POST /c/pay/{id}`: a card or a wallet was chosen.
pub(super) async fn pay(State(world): State<Shared>, Path(id): Path<String>, Form(fields): Form<Fields>) -> Shown {
    let mut book = world.book().await?;
    let mut session = sessions::get(&world, &mut book, &id).await?;
    let means = chosen(&session, &fields).ok_or(Gone(StatusCode::BAD_REQUEST))?;
    if !sessions::is_open(&session) {
        world.commit(book).await?;
        return Ok((StatusCode::CONFLICT, over(&session)).into_response());
    }
    let intent = sessions::pay(&world, &mut book, &mut session, means).await?;
    go_on(&world, book, &session, &intent).await
}

/// `GET /c/pay/{id}/challenge`.
pub(super) async fn challenge(State(world): State<Shared>, Path(id): Path<String>) -> Shown {
    let mut book = world.book().await?;
    let session = sessions::get(&world, &mut book, &id).await?;
    let asked = book.get(INTENT, session.text("payment_intent")).await?;
    world.commit(book).await?;
    if !asked.as_ref().is_some_and(asked_by_bank) {
        return Ok(see_other(&format!("/c/pay/{}", session.id)));
    }
    let html = CHALLENGE.replace("{{amount}}", &amount(&session)).replace("{{id}}", &session.id);
    Ok(guarded(StatusCode::OK, html, &ways_out(&session)))
}

/// `POST /c/pay/{id}/challenge`: what the payer told the bank.
pub(super) async fn answer(State(world): State<Shared>, Path(id): Path<String>, Form(fields): Form<Fields>) -> Shown {
    let approved = match fields.get("answer").map(String::as_str) {
        Some("approve") => true,
        Some("fail") => false,
        _ => return Err(Gone(StatusCode::BAD_REQUEST)),
    };
    let mut book = world.book().await?;
    let mut session = sessions::get(&world, &mut book, &id).await?;
    let answered = match sessions::is_open(&session) {
        true => asked(&world, &mut book, &mut session, approved).await?,
        false => None,
    };
    match answered {
        Some(intent) => go_on(&world, book, &session, &intent).await,
        None => {
            world.commit(book).await?;
            Ok((StatusCode::CONFLICT, over(&session)).into_response())
        }
    }
}

/// Whether the card's bank waits for the payer.
fn asked_by_bank(intent: &Document) -> bool {
    intent.text("status") == "requires_action" && intent.hidden("wallet").is_empty()
}

async fn asked(
    world: &World,
    book: &mut Book,
    session: &mut Document,
    approved: bool,
) -> Result<Option<Document>, StoreError> {
    match book.get(INTENT, session.text("payment_intent")).await? {
        Some(intent) if asked_by_bank(&intent) => {
            sessions::answered(world, book, session, approved, Means::Challenged).await
        }
        Some(_) | None => Ok(None),
    }
}

pub(super) async fn go_on(world: &World, book: Book, session: &Document, intent: &Document) -> Shown {
    world.commit(book).await?;
    Ok(match intent.text("status") {
        "succeeded" | "requires_capture" => see_other(&back(session, "success_url").unwrap_or_default()),
        "requires_action" if intent.hidden("wallet").is_empty() => {
            see_other(&format!("/c/pay/{}/challenge", session.id))
        }
        "requires_action" => see_other(&format!("/c/pay/{}/wallet", session.id)),
        _ => see_other(&format!("/c/pay/{}", session.id)),
    })
}

pub(super) fn see_other(target: &str) -> Response {
    let headers = [(header::LOCATION, target), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The merchant's address with the session's id where it asks for it.
fn back(session: &Document, name: &str) -> Option<String> {
    let target = session.text(name).replace("{CHECKOUT_SESSION_ID}", &session.id);
    Url::parse(&target).ok().map(String::from)
}

pub(super) fn over(session: &Document) -> Response {
    let (title, name) = match session.text("status") {
        "complete" => ("付款已完成 · Payment completed", "success_url"),
        _ => ("此页面已关闭 · This page is closed", "cancel_url"),
    };
    let link = back(session, name)
        .map(|url| format!("<a href=\"{}\">返回商户 · Back to the merchant</a>", encode_quoted_attribute(&url)));
    let html = OVER.replace("{{title}}", title).replace("{{back}}", &link.unwrap_or_default());
    guarded(StatusCode::OK, html, "'none'")
}

pub(super) fn amount(session: &Document) -> String {
    let minor = session.wire["amount_total"].as_i64().unwrap_or_default();
    let code = session.text("currency");
    let text = match code {
        "jpy" | "krw" => minor.to_string(),
        "kwd" => format!("{}.{:03}", minor / 1000, minor % 1000),
        _ => money::text(minor),
    };
    format!("{} {text}", code.to_uppercase())
}

/// Where forms of this page may lead: here, and to the merchant.
pub(super) fn ways_out(session: &Document) -> String {
    let origins = ["success_url", "cancel_url"].iter().filter_map(|name| back(session, name));
    let origins = origins.filter_map(|url| Url::parse(&url).ok()).map(|url| url.origin().ascii_serialization());
    std::iter::once("'self'".to_owned()).chain(origins).collect::<Vec<_>>().join(" ")
}

/// No other page may frame this one, and nothing but its own style is loaded.
pub(super) fn guarded(status: StatusCode, html: String, forms: &str) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action {forms}"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        // A form of this page tells its origin to this page only.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_has_a_field_that_could_take_a_card_number() {
        for page in [PAGE, CARDS, CHALLENGE, OVER] {
            assert!(!page.contains("<input") && !page.contains("<textarea") && !page.contains("<script"));
            assert!(page == CARDS || page.contains("沙盒") && page.contains("Sandbox"));
        }
    }
}
