//! Turkish Airlines: a client registers itself, a member signs in, and the MCP server answers that member's token alone.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bench::Bench;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0002";
const BACK: &str = "http://127.0.0.1:49152/back";

fn resource(bench: &Bench) -> String {
    format!("{}/mcp", bench.urls.turkish)
}

async fn register(bench: &Bench, changes: Value) -> (u16, Value) {
    let mut asked = json!({
        "client_name": "test", "redirect_uris": [BACK], "token_endpoint_auth_method": "none", "application_type": "native",
    });
    asked.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let answer = bench.http.post(format!("{}/register", bench.urls.turkish)).json(&asked).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Opens the page and approves; answers where the browser is sent back to, or the status of a refusal.
async fn approve(bench: &Bench, client: &str, back: &str, resource: &str) -> Result<HashMap<String, String>, u16> {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let fields = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", back),
        ("state", "s"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", resource),
    ];
    let page = url::Url::parse_with_params(&format!("{}/authorize", bench.urls.turkish), fields).unwrap();
    let answer = bench.http.get(page).send().await.unwrap();
    let returned = |answer: &reqwest::Response| {
        let target = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        target.query_pairs().into_owned().collect()
    };
    match answer.status().as_u16() {
        200 => {}
        302 => return Ok(returned(&answer)),
        status => return Err(status),
    }
    let html = answer.text().await.unwrap();
    assert!(html.contains("Miles&amp;Smiles") && html.contains("id=\"approve\""), "{html}");
    let number = html.split("name=\"number\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("number", number), ("decision", "approve")];
    let answer = bench.http.post(format!("{}/authorize", bench.urls.turkish)).form(&form).send().await.unwrap();
    Ok(returned(&answer))
}

async fn redeem(bench: &Bench, client: &str, code: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = bench.http.post(format!("{}/token", bench.urls.turkish)).form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The access token of a member who signed in for this resource.
async fn signed_in(bench: &Bench, resource: &str) -> String {
    let (status, client) = register(bench, json!({})).await;
    assert_eq!(status, 201, "{client}");
    let client = client["client_id"].as_str().unwrap();
    let back = approve(bench, client, BACK, resource).await.unwrap();
    let (status, tokens) = redeem(bench, client, &back["code"]).await;
    assert_eq!((status, &tokens["scope"]), (200, &json!("member")));
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// Posts a message; answers the status, the session and the body as text.
async fn post(bench: &Bench, token: Option<&str>, session: Option<&str>, message: Value) -> (u16, String, String) {
    let request = bench.http.post(resource(bench)).json(&message);
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    let request = session.into_iter().fold(request, |request, session| request.header("mcp-session-id", session));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let header = if status == 401 { "www-authenticate" } else { "mcp-session-id" };
    let told = answer.headers().get(header).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, told, answer.text().await.unwrap())
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

async fn session(bench: &Bench, token: &str) -> String {
    let begin = request("initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}}));
    let (status, session, body) = post(bench, Some(token), None, begin).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-06-18")));
    session
}

async fn call(bench: &Bench, token: &str, session: &str, tool: &str, arguments: Value) -> Value {
    let message = request("tools/call", json!({"name": tool, "arguments": arguments}));
    let (status, _, body) = post(bench, Some(token), Some(session), message).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_request_without_a_token_is_told_where_to_sign_in() {
    let bench = Bench::new().await;
    let (status, challenge, _) = post(&bench, None, None, request("initialize", json!({}))).await;
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", bench.urls.turkish);
    assert_eq!((status, challenge), (401, format!("Bearer resource_metadata=\"{metadata}\"")));
    let told: Value = bench.http.get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["resource"], resource(&bench));
    assert_eq!(told["authorization_servers"], json!([bench.urls.turkish]));
    let metadata = format!("{}/.well-known/oauth-authorization-server", bench.urls.turkish);
    let told: Value = bench.http.get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["registration_endpoint"], format!("{}/register", bench.urls.turkish));
    assert_eq!(bench.http.get(resource(&bench)).send().await.unwrap().status(), 405, "it has no stream of its own");
}

#[tokio::test]
async fn a_member_reads_flights_and_miles_and_gets_a_link_that_books_nothing() {
    let bench = Bench::new().await;
    let token = signed_in(&bench, &resource(&bench)).await;
    let session = session(&bench, &token).await;
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(&bench, Some(&token), Some(&session), initialized).await.0, 202);
    let (_, _, tools) = post(&bench, Some(&token), Some(&session), request("tools/list", json!({}))).await;
    let tools: Value = serde_json::from_str(&tools).unwrap();
    let names: Vec<_> =
        tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 13);
    assert!(!names.iter().any(|name| name.contains("book_") || name.contains("pay")), "{names:?}");
    let miles = call(&bench, &token, &session, "get_expiring_miles", json!({})).await;
    assert_eq!(miles["result"]["structuredContent"]["miles"][0]["amount"], 4200);
    let flights = call(&bench, &token, &session, "get_active_flights", json!({})).await;
    assert_eq!(flights["result"]["structuredContent"]["flights"][0]["flight_number"], "TK89");
    let wanted = json!({"origin": "PEK", "destination": "IST", "departure_date": "2026-12-01"});
    let link = call(&bench, &token, &session, "create_flight_booking_link", wanted).await;
    let link = link["result"]["structuredContent"]["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with("https://www.turkishairlines.com/") && link.contains("originAirportCode=PEK"), "{link}");
    let stranger =
        call(&bench, &token, &session, "get_booking_details", json!({"pnr": "AAAAAA", "surname": "X"})).await;
    assert_eq!(stranger["result"]["isError"], true);
    let unknown = call(&bench, &token, &session, "book_flight", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(bench.book().await["orders"].as_array().map_or(0, Vec::len), 0, "nothing was booked");
}

#[tokio::test]
async fn a_token_of_another_platform_for_nothing_in_particular_or_revoked_opens_nothing() {
    let bench = Bench::new().await;
    let begin = || request("initialize", json!({}));
    let unbound = signed_in(&bench, "").await;
    assert_eq!(post(&bench, Some(&unbound), None, begin()).await.0, 401, "not asked for this server");
    assert_eq!(post(&bench, Some("made-up"), None, begin()).await.0, 401);
    let token = signed_in(&bench, &resource(&bench)).await;
    let profile = bench.http.get(format!("{}/profile", bench.urls.oauth)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(profile.status(), 401, "the club does not take it either");
    let session = session(&bench, &token).await;
    let other = signed_in(&bench, &resource(&bench)).await;
    let list = request("tools/list", json!({}));
    assert_eq!(post(&bench, Some(&other), Some(&session), list.clone()).await.0, 404, "another member's session");
    assert_eq!(post(&bench, Some(&token), None, list.clone()).await.0, 400, "no session");
    bench.switch(json!({"provider": "turkish", "switch": "revoke_all"})).await;
    let (status, challenge, _) = post(&bench, Some(&token), Some(&session), list).await;
    assert!(status == 401 && challenge.contains("invalid_token"), "{status} {challenge}");
}

#[tokio::test]
async fn a_client_comes_back_to_what_it_registered_and_is_asked_for_nothing_elses_token() {
    let bench = Bench::new().await;
    for (change, error) in [
        (json!({"redirect_uris": ["https://evil.example/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["zhiyou://auth/zz-club"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"token_endpoint_auth_method": "client_secret_basic"}), "invalid_client_metadata"),
        (json!({"application_type": "web"}), "invalid_client_metadata"),
    ] {
        assert_eq!(register(&bench, change).await, (400, json!({"error": error})));
    }
    let (_, client) = register(&bench, json!({})).await;
    let client = client["client_id"].as_str().unwrap();
    assert_eq!(approve(&bench, client, "http://127.0.0.1:49153/back", &resource(&bench)).await, Err(400));
    assert_eq!(approve(&bench, "zhiyou-desktop", BACK, &resource(&bench)).await, Err(400), "the club's client");
    let elsewhere = approve(&bench, client, BACK, "https://evil.example/mcp").await.unwrap();
    assert_eq!(elsewhere["error"], "invalid_target");
    let back = approve(&bench, client, BACK, &resource(&bench)).await.unwrap();
    let (_, other) = register(&bench, json!({})).await;
    assert_eq!(redeem(&bench, other["client_id"].as_str().unwrap(), &back["code"]).await.0, 400, "another client");
}

#[tokio::test]
async fn it_answers_in_a_stream_or_not_at_all_on_demand() {
    let bench = Bench::new().await;
    let token = signed_in(&bench, &resource(&bench)).await;
    let session = session(&bench, &token).await;
    let ping = || request("ping", json!({}));
    bench.switch(json!({"provider": "turkish", "switch": "sse"})).await;
    let (_, _, body) = post(&bench, Some(&token), Some(&session), ping()).await;
    assert!(body.starts_with("event: message\ndata: {") && body.ends_with("\n\n"), "{body}");
    bench.switch(json!({"provider": "turkish", "switch": "answer", "op": "mcp", "status": 503})).await;
    assert_eq!(post(&bench, Some(&token), Some(&session), ping()).await.0, 503);
    let over = bench.http.delete(resource(&bench)).bearer_auth(&token).header("mcp-session-id", &session);
    assert_eq!(over.send().await.unwrap().status(), 204);
    assert_eq!(post(&bench, Some(&token), Some(&session), ping()).await.0, 404, "the session is over");
}
