//! The code to scan as a picture, or as JSON for who draws it.
//!
//! Deliberately not here: which order may be shown.

use super::{problem::Problem, view::CodeView};
use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use qrcode::{EcLevel, QrCode, render::svg};

const SVG: &str = "image/svg+xml";

pub(super) fn answer(headers: &HeaderMap, code: CodeView) -> Result<Response, Problem> {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::VARY, "accept")];
    if wants_json(headers) {
        return Ok((no_store, Json(code)).into_response());
    }
    let drawn = QrCode::with_error_correction_level(&code.code_url, EcLevel::M).map_err(|error| {
        tracing::error!(%error, "a code to scan cannot be drawn");
        Problem::internal()
    })?;
    let picture = drawn.render::<svg::Color<'_>>().min_dimensions(256, 256).build();
    Ok((no_store, [(header::CONTENT_TYPE, SVG)], picture).into_response())
}

/// Whether JSON is asked for more than the picture. Source: RFC 9110, 12.5.1.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    weight(accept, "application/json") > weight(accept, SVG)
}

/// Thousandths of the most specific range that covers the type.
fn weight(accept: &str, wanted: &str) -> u32 {
    let family = wanted.split('/').next().unwrap_or_default();
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match name.split_once('/') {
            Some(_) if name == wanted => 3,
            Some((main, "*")) if main == family => 2,
            Some(("*", "*")) => 1,
            Some(_) | None => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        if specific > best.0 {
            best = (specific, quality);
        }
    }
    best.1
}

fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let read = |text: &str| text.parse::<u32>().unwrap_or(0);
    read(whole).saturating_mul(1000).saturating_add(read(&fraction)).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_the_default_and_json_has_to_be_preferred() {
        let json = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            wants_json(&headers)
        };
        assert!(!wants_json(&HeaderMap::new()));
        for (accept, wanted) in [
            ("application/json", true),
            ("image/*, application/json;q=0.9", false),
            ("image/svg+xml;q=0.5, application/json;q=0.51", true),
            ("image/avif,image/webp,image/svg+xml,image/*;q=0.8,*/*;q=0.5", false),
            ("application/json, */*;q=0.1", true),
            ("*/*", false),
            ("text/html", false),
            ("application/json;q=0", false),
        ] {
            assert_eq!(json(accept), wanted, "{accept}");
        }
    }
}
