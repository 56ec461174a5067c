//! The token and revocation endpoints.
//!
//! A code is good once and for a minute; redeeming it twice kills what it gave. Deliberately not here: the consent.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::consent::{check_resource, field};
use super::{ACCESS, Here, Problem, REFRESH, STRANGER, alive, register};
use crate::keys;
use crate::store::{Book, Document, StoreError};
use crate::world::same;

/// Authorization codes, by their text.
pub(super) const CODE: &str = "code";
const REFRESH_LIVES_US: i64 = 30 * 24 * 3600 * 1_000_000;

type Fields = HashMap<String, String>;

/// `POST /token`.
pub(super) async fn token(State(here): State<Here>, Form(fields): Form<Fields>) -> Result<Response, Problem> {
    if register::known(&here, field(&fields, "client_id")).await?.is_none() {
        return Err(Problem { status: StatusCode::UNAUTHORIZED, error: "invalid_client" });
    }
    check_resource(&here, &fields).map_err(Problem::new)?;
    match field(&fields, "grant_type") {
        "authorization_code" => redeem(&here, &fields).await,
        "refresh_token" => refresh(&here, &fields).await,
        _ => Err(Problem::new("unsupported_grant_type")),
    }
}

async fn redeem(here: &Here, fields: &Fields) -> Result<Response, Problem> {
    let mut book = here.world.book().await?;
    let code = book.get(&here.kind(CODE), field(fields, "code")).await?;
    let mut code = code.ok_or_else(|| Problem::new("invalid_grant"))?;
    if code.inner["used"] == true && !here.rule("reuse_codes") {
        kill_family(here, &mut book, &code.link).await?;
        book.commit().await?;
        return Err(Problem::new("invalid_grant"));
    }
    let verifier = field(fields, "code_verifier");
    let proof = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    // RFC 9700 §4.8.2: a verifier for a code that was asked for without a challenge is refused too.
    let verifier_fits = match code.hidden("challenge") {
        "" => verifier.is_empty(),
        challenge => (43..=128).contains(&verifier.len()) && same(&proof, challenge),
    };
    code.inner["used"] = json!(true);
    book.put(&here.kind(CODE), &code).await?;
    if !verifier_fits
        || code.hidden("client") != field(fields, "client_id")
        || code.hidden("redirect_uri") != field(fields, "redirect_uri")
        || here.world.now_us() >= code.number("expires_us")
    {
        book.commit().await?;
        return Err(Problem::new("invalid_grant"));
    }
    let answer = issue(here, &mut book, &code, code.hidden("scope"), "").await?;
    book.commit().await?;
    Ok(answer)
}

async fn refresh(here: &Here, fields: &Fields) -> Result<Response, Problem> {
    let mut book = here.world.book().await?;
    let known = book.get(&here.kind(REFRESH), field(fields, "refresh_token")).await?;
    let mut known = known.ok_or_else(|| Problem::new("invalid_grant"))?;
    if known.inner["used"] == true && !here.rule("reuse_refresh") {
        kill_family(here, &mut book, &known.link).await?;
        book.commit().await?;
        return Err(Problem::new("invalid_grant"));
    }
    if !alive(&here.world, &known) || known.hidden("client") != field(fields, "client_id") {
        return Err(Problem::new("invalid_grant"));
    }
    let granted = known.hidden("scope").to_owned();
    let asked = fields.get("scope").cloned().unwrap_or_else(|| granted.clone());
    if !asked.split(' ').all(|scope| granted.split(' ').any(|known| known == scope)) {
        return Err(Problem::new("invalid_scope"));
    }
    known.inner["used"] = json!(true);
    book.put(&here.kind(REFRESH), &known).await?;
    let subject = if here.strikes("other_subject") { STRANGER } else { known.hidden("subject") };
    let answer = issue(here, &mut book, &known, &asked, subject).await?;
    book.commit().await?;
    Ok(answer)
}

/// Gives a pair of tokens for what `grant` (a code or the refresh token before) was for.
async fn issue(
    here: &Here,
    book: &mut Book,
    grant: &Document,
    scope: &str,
    subject: &str,
) -> Result<Response, Problem> {
    let ttl_s = here.world.switches.amount(here.record.provider, "access_ttl_s", 3600);
    let secret =
        || keys::secret(43).map_err(|_| Problem { status: StatusCode::INTERNAL_SERVER_ERROR, error: "server_error" });
    let (access, refresh) = (secret()?, secret()?);
    let now_us = here.world.now_us();
    for (kind, text, lives_us) in [
        (here.kind(ACCESS), &access, ttl_s.saturating_mul(1_000_000)),
        (here.kind(REFRESH), &refresh, REFRESH_LIVES_US),
    ] {
        let inner = json!({
            "scope": scope, "subject": subject, "resource": grant.hidden("resource"),
            "client": grant.hidden("client"), "expires_us": now_us.saturating_add(lives_us),
        });
        book.put(&kind, &Document::new(text, Value::Null, inner).linked(&grant.link)).await?;
    }
    let body = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": ttl_s, "refresh_token": refresh, "scope": scope,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn kill_family(here: &Here, book: &mut Book, family: &str) -> Result<(), StoreError> {
    for kind in [here.kind(ACCESS), here.kind(REFRESH)] {
        for mut token in book.linked(&kind, family).await? {
            token.inner["dead"] = json!(true);
            book.put(&kind, &token).await?;
        }
    }
    Ok(())
}

/// `POST /revoke`: 200 whether or not the token is known. A refresh token takes its family along.
pub(super) async fn revoke(State(here): State<Here>, Form(fields): Form<Fields>) -> Result<Response, Problem> {
    if register::known(&here, field(&fields, "client_id")).await?.is_none() {
        return Err(Problem { status: StatusCode::UNAUTHORIZED, error: "invalid_client" });
    }
    let mut book = here.world.book().await?;
    let presented = field(&fields, "token");
    if let Some(refresh) = book.get(&here.kind(REFRESH), presented).await? {
        kill_family(&here, &mut book, &refresh.link).await?;
    } else if let Some(mut access) = book.get(&here.kind(ACCESS), presented).await? {
        access.inner["dead"] = json!(true);
        book.put(&here.kind(ACCESS), &access).await?;
    }
    book.commit().await?;
    Ok(StatusCode::OK.into_response())
}
