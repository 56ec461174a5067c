//! The member platform `zz-club`: an OAuth 2.1 authorization server with one public client, and the profile it protects.
//!
//! RFC 8414 metadata, PKCE S256 only (RFC 7636), `iss` in every response (RFC 9207), refresh rotation where a replayed token
//! revokes the whole family (RFC 9700 §4.14), revocation (RFC 7009), pushed requests on demand (RFC 9126); and a hostile
//! mode. Deliberately not here: registration, other grants.

mod consent;
mod hostile;
mod pushed;
mod token;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::store::{Document, StoreError};
use crate::world::{Faulty, Shared, World, bearer, faults, literal_host};

/// The platform's name in the app.
pub(crate) const PLATFORM: &str = "zz-club";
/// The one public client.
pub(crate) const CLIENT_ID: &str = "zhiyou-desktop";
/// What can be asked for.
pub(crate) const SCOPES: [&str; 2] = ["profile", "loyalty"];

const PROVIDER: &str = "oauth";
/// The member that a refresh gives tokens of when `other_subject` strikes.
const STRANGER: &str = "stranger";
/// Access tokens, by their text; they belong to their family.
const ACCESS: &str = "oauth_access";
/// Refresh tokens, by their text; they belong to their family.
const REFRESH: &str = "oauth_refresh";

/// The routes of the platform.
pub(crate) fn router(world: &Shared) -> Router {
    let faulty = Faulty { world: Arc::clone(world), provider: PROVIDER, op: hostile::op, declined: hostile::declined };
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/authorize", get(consent::ask).post(consent::decide))
        .route("/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/par", post(pushed::push))
        .route("/profile", get(profile))
        .layer(middleware::from_fn_with_state(Arc::clone(world), hostile::misbehave))
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(world.urls.oauth.clone(), literal_host))
        .with_state(Arc::clone(world))
}

async fn metadata(State(world): State<Shared>) -> Json<Value> {
    let issuer = &world.urls.oauth;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    });
    if world.switches.rule(PROVIDER, "par", false) {
        document["pushed_authorization_request_endpoint"] = json!(format!("{issuer}/par"));
        document["require_pushed_authorization_requests"] = json!(world.switches.rule(PROVIDER, "par_required", false));
    }
    Json(document)
}

/// Whose a code or pushed request is: our client's, or, when `other_client` strikes, somebody else's.
fn client_of(world: &World) -> &'static str {
    if world.switches.strike(PROVIDER, "other_client").is_some() { "somebody-else" } else { CLIENT_ID }
}

/// A failure of a token or resource request: RFC 6749 §5.2, RFC 6750 §3.
struct Problem {
    status: StatusCode,
    error: &'static str,
}

impl Problem {
    fn new(error: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the member platform could not use the book");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, error: "server_error" }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [(header::CACHE_CONTROL, "no-store")];
        (self.status, headers, Json(json!({"error": self.error}))).into_response()
    }
}

/// `GET /profile`: the member and, with the scope `loyalty`, the member's number.
async fn profile(State(world): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(presented) = bearer(&headers) else {
        return Ok((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer realm=\"zz-club\"")]).into_response());
    };
    let access = world.book().await?.get(ACCESS, presented).await?;
    let Some(access) = access.filter(|access| alive(&world, access)) else {
        let challenge = "Bearer realm=\"zz-club\", error=\"invalid_token\"";
        return Ok((
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, challenge)],
            Json(json!({"error": "invalid_token"})),
        )
            .into_response());
    };
    let scope = access.hidden("scope");
    let mut shown = if access.hidden("subject") == STRANGER {
        json!({"given_name": "Bo", "family_name": "Ma", "display_name": "马博"})
    } else {
        json!({"given_name": "Xia", "family_name": "Lin", "display_name": "林夏"})
    };
    if scope.split(' ').any(|scope| scope == "loyalty") {
        shown["loyalty"] = json!({"airline_iata_code": "ZZ", "account_number": "1234567890", "tier": "Silver"});
    }
    Ok(Json(shown).into_response())
}

fn alive(world: &World, token: &Document) -> bool {
    token.inner["dead"] != true && world.now_us() < token.number("expires_us")
}

/// Kills every token there is.
pub(crate) async fn revoke_all(world: &World) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    for kind in [ACCESS, REFRESH] {
        for mut token in book.all(kind).await? {
            token.inner["dead"] = json!(true);
            book.put(kind, &token).await?;
        }
    }
    book.commit().await
}
