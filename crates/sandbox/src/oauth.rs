//! Member platforms: an OAuth 2.1 authorization server each, with the resource it protects. One code, a record for each.
//!
//! RFC 8414 metadata, PKCE S256 only (RFC 7636), `iss` in every response (RFC 9207), refresh rotation where a replayed token
//! revokes the whole family (RFC 9700 §4.14), revocation (RFC 7009), pushed requests on demand (RFC 9126), and, where the
//! record has no client, registration (RFC 7591); and a hostile mode. The club protects a profile, Turkish Airlines an MCP
//! server. Deliberately not here: other grants.

mod consent;
mod hostile;
mod mcp;
mod pushed;
mod register;
mod token;
mod tools;

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

/// What tells one platform from another.
pub(crate) struct Record {
    /// Its name in the app, and in the app's links back.
    pub(crate) platform: &'static str,
    /// Its name in the scenario API, on the list of ports and in the book.
    pub(crate) provider: &'static str,
    /// The one public client it knows; `None`: clients register themselves.
    pub(crate) client: Option<&'static str>,
    /// What can be asked for; the first is meant when nothing is asked for.
    pub(crate) scopes: &'static [&'static str],
    /// Its name, for its pages, and two letters of it.
    name: &'static str,
    mark: &'static str,
    /// What a scope lets the app see, for the page of consent.
    meaning: fn(&str) -> &'static str,
    /// Whether it protects an MCP server, or else a profile.
    has_tools: bool,
}

/// The sandbox airline's club.
pub(crate) static CLUB: Record = Record {
    platform: "zz-club",
    provider: "oauth",
    client: Some("zhiyou-desktop"),
    scopes: &["profile", "loyalty"],
    name: "ZZ Club",
    mark: "ZZ",
    meaning: |scope| match scope {
        "loyalty" => "<b>会员号与等级</b><small>Membership number and tier (loyalty)</small>",
        _ => "<b>姓名</b><small>Your name (profile)</small>",
    },
    has_tools: false,
};

/// Turkish Airlines' own MCP server and the sign-in in front of it. That it speaks OAuth 2.1 with `/authorize` and `/token`
/// on the host of the MCP server, and what its tools are for, was seen; that clients register themselves, as those that
/// reach it do elsewhere, and the word of its scope are from memory.
pub(crate) static TURKISH: Record = Record {
    platform: "turkish-airlines",
    provider: "turkish",
    client: None,
    scopes: &["member"],
    name: "Miles&amp;Smiles",
    mark: "TK",
    meaning: |_| "<b>会员资料、里程与航班</b><small>Your membership, miles and flights (member)</small>",
    has_tools: true,
};

/// The member that a refresh gives tokens of when `other_subject` strikes.
const STRANGER: &str = "stranger";
/// Access tokens, by their text; they belong to their family.
const ACCESS: &str = "access";
/// Refresh tokens, by their text; they belong to their family.
const REFRESH: &str = "refresh";

/// One platform, as its handlers hold it.
#[derive(Clone)]
pub(crate) struct Here {
    world: Shared,
    record: &'static Record,
}

impl Here {
    /// Its address, which is its issuer identifier too.
    fn base(&self) -> &str {
        if self.record.has_tools { &self.world.urls.turkish } else { &self.world.urls.oauth }
    }

    /// The address of its MCP server, which tokens are for; empty where there is none.
    fn resource(&self) -> String {
        if self.record.has_tools { format!("{}/mcp", self.base()) } else { String::new() }
    }

    /// A kind of document in the book.
    fn kind(&self, what: &str) -> String {
        format!("{}_{what}", self.record.provider)
    }

    fn rule(&self, name: &str) -> bool {
        self.world.switches.rule(self.record.provider, name, false)
    }

    fn strikes(&self, name: &str) -> bool {
        self.world.switches.strike(self.record.provider, name).is_some()
    }

    /// Whose a code or pushed request is: the client's that asked, or, when `other_client` strikes, somebody else's.
    fn client_of(&self, asked: &str) -> String {
        if self.strikes("other_client") { "somebody-else".to_owned() } else { asked.to_owned() }
    }

    /// The living access token of a request.
    async fn access(&self, headers: &HeaderMap) -> Result<Option<Document>, StoreError> {
        let Some(presented) = bearer(headers) else { return Ok(None) };
        let access = self.world.book().await?.get(&self.kind(ACCESS), presented).await?;
        Ok(access.filter(|access| alive(&self.world, access)))
    }
}

/// The routes of a platform.
pub(crate) fn router(world: &Shared, record: &'static Record) -> Router {
    let here = Here { world: Arc::clone(world), record };
    let faulty =
        Faulty { world: Arc::clone(world), provider: record.provider, op: hostile::op, declined: hostile::declined };
    let routes = Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/authorize", get(consent::ask).post(consent::decide))
        .route("/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/par", post(pushed::push));
    let routes = match record.client {
        Some(_) => routes,
        None => routes.route("/register", post(register::register)),
    };
    let routes = if record.has_tools {
        routes
            .route("/.well-known/oauth-protected-resource/mcp", get(mcp::metadata))
            .route("/mcp", post(mcp::post).delete(mcp::end))
    } else {
        routes.route("/profile", get(profile))
    };
    let base = here.base().to_owned();
    routes
        .layer(middleware::from_fn_with_state(here.clone(), hostile::misbehave))
        .layer(middleware::from_fn_with_state(faulty, faults))
        .layer(middleware::from_fn_with_state(base, literal_host))
        .with_state(here)
}

async fn metadata(State(here): State<Here>) -> Json<Value> {
    let issuer = here.base();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "scopes_supported": here.record.scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    });
    if here.record.client.is_none() {
        document["registration_endpoint"] = json!(format!("{issuer}/register"));
    }
    if here.rule("par") {
        document["pushed_authorization_request_endpoint"] = json!(format!("{issuer}/par"));
        document["require_pushed_authorization_requests"] = json!(here.rule("par_required"));
    }
    Json(document)
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
async fn profile(State(here): State<Here>, headers: HeaderMap) -> Result<Response, Problem> {
    if bearer(&headers).is_none() {
        return Ok((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer realm=\"zz-club\"")]).into_response());
    }
    let Some(access) = here.access(&headers).await? else {
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

/// Kills every token of every platform.
pub(crate) async fn revoke_all(world: &Shared) -> Result<(), StoreError> {
    let mut book = world.book().await?;
    for record in [&CLUB, &TURKISH] {
        let here = Here { world: Arc::clone(world), record };
        for kind in [here.kind(ACCESS), here.kind(REFRESH)] {
            for mut token in book.all(&kind).await? {
                token.inner["dead"] = json!(true);
                book.put(&kind, &token).await?;
            }
        }
    }
    book.commit().await
}
