//! The page a hosted payment page sends the payer back to: it opens the app and proves nothing.
//!
//! The address carries our own opaque id and whatever the provider added, which is not read. Deliberately not here: what
//! became of the payment (the app asks).

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use zhiyou_domain::{app::ROOT, id::AttemptId};

const PAGE: &str = include_str!("bounce.html");
/// Nothing but the page's own style, and the way back into the app.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// `GET /pay/return/{attempt}`.
pub(crate) async fn page(Path(attempt): Path<String>) -> Response {
    // Only our own alphabet comes back out, whatever came in.
    let Ok(id) = AttemptId::parse_bare(&attempt) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(PAGE.replace("{link}", &format!("{ROOT}pay/{}", id.bare())))).into_response()
}
