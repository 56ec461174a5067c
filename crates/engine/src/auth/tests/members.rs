//! A platform with an MCP server of its own: a client is registered for the visit, the token is for that server, and what
//! the member has there is read with it.

use super::{attack::*, *};
use crate::member;
use serde_json::json;

const TURKISH: &str = "turkish-airlines";

/// The app with Turkish Airlines of this sandbox.
async fn app(club: &Club) -> App {
    App::with(vec![turkish(&club.turkish)], true, TestBrowser::default(), true).await
}

async fn signed_in(club: &Club) -> App {
    let app = app(club).await;
    app.auth.start(TURKISH, Loopback).await.unwrap();
    let back = decide(&app.visited(), "approve").await;
    assert_eq!(client().get(back).send().await.unwrap().status(), 200);
    assert!(connected(&app.auth.view(TURKISH).await.unwrap().state));
    app
}

async fn one_stays(club: &Club, families: usize) {
    assert_eq!(club.live_families_of("turkish").await.len(), families);
}

#[tokio::test]
async fn a_member_signs_in_with_a_client_of_the_visits_own_and_sees_miles_and_flights() {
    let club = Club::start().await;
    let app = signed_in(&club).await;
    let visit = app.visited();
    assert_eq!(parameter(visit.as_str(), "resource"), format!("{}/mcp", club.turkish));
    let seen = member::read(&app.auth, TURKISH).await.unwrap();
    assert_eq!((seen.miles[0].amount, seen.flights[0].number.as_str(), seen.texts.len()), (4200, "TK89", 0));
    // Answers in a stream are the same answers.
    club.switch(json!({"provider": "turkish", "switch": "sse"})).await;
    assert_eq!(member::read(&app.auth, TURKISH).await.unwrap(), seen);
    // Another visit is another client.
    app.auth.start(TURKISH, Loopback).await.unwrap();
    assert_ne!(parameter(app.visited().as_str(), "client_id"), parameter(visit.as_str(), "client_id"));
    app.auth.cancel(TURKISH).await.unwrap();
    app.auth.disconnect(TURKISH).await.unwrap();
    one_stays(&club, 0).await;
    assert_eq!(member::read(&app.auth, TURKISH).await.unwrap_err().code, FaultCode::AuthRequired);
}

#[tokio::test]
async fn a_registered_client_refreshes_after_a_restart_and_signs_in_by_deep_link_too() {
    let club = Club::start().await;
    let mut app = app(&club).await;
    app.auth.start(TURKISH, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    let platforms = app.platforms.clone();
    app.restart(platforms.clone()).await;
    assert!(app.auth.deep_link(&link).await, "the visit keeps its client");
    app.restart(platforms).await;
    app.clock.advance_seconds(3600);
    assert_eq!(member::read(&app.auth, TURKISH).await.unwrap().miles.len(), 2);
    one_stays(&club, 1).await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once_and_then_the_sign_in_is_over() {
    let club = Club::start().await;
    let app = signed_in(&club).await;
    let refused = |times: u64| {
        let headers = json!({"www-authenticate": "Bearer error=\"invalid_token\""});
        json!({"provider": "turkish", "switch": "answer", "op": "mcp", "status": 401, "headers": headers, "times": times})
    };
    club.switch(refused(1)).await;
    assert_eq!(member::read(&app.auth, TURKISH).await.unwrap().miles.len(), 2, "a refreshed token is accepted");
    club.switch(json!({"provider": "turkish", "switch": "revoke_all"})).await;
    assert_eq!(member::read(&app.auth, TURKISH).await.unwrap_err().code, FaultCode::AuthRequired);
    assert_eq!(app.auth.view(TURKISH).await.unwrap().state, SignInStateView::Revoked);
}

#[tokio::test]
async fn a_server_that_fails_redirects_or_says_something_else_costs_nothing_but_the_answer() {
    let club = Club::start().await;
    let app = signed_in(&club).await;
    let thief = Hostile::start(|_| async { ("200 OK", "{}".to_owned()) }).await;
    for (name, answer) in [
        ("down", json!({"status": 503})),
        ("a page", json!({"status": 200, "body": "<html>", "headers": {"content-type": "text/html"}})),
        ("no JSON-RPC", json!({"status": 200, "body": {"miles": []}})),
        ("a redirect", json!({"status": 307, "headers": {"location": format!("{}/mcp", thief.issuer)}})),
        ("without end", json!({"status": 200, "size": 20_000_000})),
    ] {
        let mut switch = json!({"provider": "turkish", "switch": "answer", "op": "mcp"});
        switch.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        club.switch(switch).await;
        let fault = member::read(&app.auth, TURKISH).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::ProviderUnavailable, "{name}: {fault}");
        assert_eq!(member::read(&app.auth, TURKISH).await.unwrap().miles.len(), 2, "{name}: the sign-in stands");
    }
    assert!(thief.asked.lock().unwrap().is_empty(), "the token went elsewhere");
}

#[tokio::test]
async fn a_page_to_book_on_is_the_airlines_own_and_books_nothing() {
    let club = Club::start().await;
    let app = signed_in(&club).await;
    let leg = || member::Leg {
        origin: "PEK".to_owned(),
        destination: "IST".to_owned(),
        departs_on: "2026-12-01".parse().unwrap(),
    };
    let page = member::booking_page(&app.auth, TURKISH, &leg()).await.unwrap();
    assert_eq!(page.host_str(), Some("www.turkishairlines.com"));
    // A link that leads elsewhere is not given to anybody.
    let mut elsewhere = turkish(&club.turkish);
    elsewhere.link_hosts = vec!["book.example.com".to_owned()];
    let mut app = app;
    app.restart(vec![elsewhere]).await;
    let fault = member::booking_page(&app.auth, TURKISH, &leg()).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::ProviderUnavailable);
}

#[tokio::test]
async fn a_platform_that_registers_nobody_or_somebody_else_is_not_visited() {
    for switch in [
        json!({"op": "metadata", "merge": {"registration_endpoint": null}}),
        json!({"op": "metadata", "merge": {"registration_endpoint": "https://evil.example/register"}}),
        json!({"op": "register", "merge": {"token_endpoint_auth_method": "client_secret_basic"}}),
        json!({"op": "register", "merge": {"redirect_uris": ["https://evil.example/"]}}),
        json!({"op": "register", "merge": {"client_id": null}}),
    ] {
        let mut switch = switch;
        switch["provider"] = json!("turkish");
        switch["switch"] = json!("patch");
        let club = Club::with(std::slice::from_ref(&switch)).await;
        let app = app(&club).await;
        let fault = app.auth.start(TURKISH, Loopback).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::ProviderUnavailable, "{switch}");
        assert!(app.browser.opened.lock().unwrap().is_empty(), "{switch}");
    }
}
