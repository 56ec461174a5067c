//! Signing in to the member platform: what the authorization server grants, once, and to whom.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bench::Bench;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0001";
const LOOPBACK: &str = "http://127.0.0.1:49152/any/path";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

fn authorize(bench: &Bench, changes: &[(&str, &str)]) -> url::Url {
    let challenge = challenge();
    let mut fields: HashMap<&str, &str> = HashMap::from([
        ("response_type", "code"),
        ("client_id", "zhiyou-desktop"),
        ("redirect_uri", LOOPBACK),
        ("scope", "profile loyalty"),
        ("state", "s~t+a/t=e &1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
    fields.extend(changes.iter().copied());
    url::Url::parse_with_params(&format!("{}/authorize", bench.urls.oauth), fields).unwrap()
}

/// The page's hidden number.
async fn page(bench: &Bench, changes: &[(&str, &str)]) -> String {
    let html = bench.http.get(authorize(bench, changes)).send().await.unwrap().text().await.unwrap();
    assert!(
        html.contains("id=\"approve\"") && html.contains("id=\"deny\"") && html.contains("智游助手 Zhiyou"),
        "{html}"
    );
    html.split("name=\"number\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn decide(bench: &Bench, number: &str, decision: &str) -> reqwest::Response {
    let form = [("number", number), ("decision", decision)];
    bench.http.post(format!("{}/authorize", bench.urls.oauth)).form(&form).send().await.unwrap()
}

fn parameters(response: &reqwest::Response) -> HashMap<String, String> {
    assert_eq!(response.status(), 302);
    let target = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    target.query_pairs().into_owned().collect()
}

async fn token(bench: &Bench, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![("client_id", "zhiyou-desktop")];
    form.extend_from_slice(fields);
    let answer = bench.http.post(format!("{}/token", bench.urls.oauth)).form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn redeem(bench: &Bench, code: &str, verifier: &str) -> (u16, Value) {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", LOOPBACK), ("code_verifier", verifier)];
    token(bench, &fields).await
}

async fn refresh(bench: &Bench, token_text: &str) -> (u16, Value) {
    token(bench, &[("grant_type", "refresh_token"), ("refresh_token", token_text)]).await
}

async fn profile(bench: &Bench, access: &Value) -> (u16, Value) {
    let request = bench.http.get(format!("{}/profile", bench.urls.oauth)).bearer_auth(access.as_str().unwrap());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(status == 401, answer.headers().contains_key("www-authenticate"));
    (status, answer.json().await.unwrap_or_default())
}

async fn signed_in(bench: &Bench) -> Value {
    let code = parameters(&decide(bench, &page(bench, &[]).await, "approve").await)["code"].clone();
    let (status, tokens) = redeem(bench, &code, VERIFIER).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

#[tokio::test]
async fn an_approval_leads_to_the_members_profile() {
    let bench = Bench::new().await;
    let metadata: Value = {
        let url = format!("{}/.well-known/oauth-authorization-server", bench.urls.oauth);
        bench.http.get(url).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(metadata["issuer"], bench.urls.oauth);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let back = parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await);
    assert_eq!((back["state"].as_str(), &back["iss"]), ("s~t+a/t=e &1", &bench.urls.oauth));
    let (status, tokens) = redeem(&bench, &back["code"], VERIFIER).await;
    assert_eq!((status, &tokens["token_type"], &tokens["expires_in"]), (200, &json!("Bearer"), &json!(3600)));
    let (status, seen) = profile(&bench, &tokens["access_token"]).await;
    assert_eq!(status, 200);
    assert_eq!(
        seen,
        json!({
            "given_name": "Xia", "family_name": "Lin", "display_name": "林夏",
            "loyalty": {"airline_iata_code": "ZZ", "account_number": "1234567890", "tier": "Silver"},
        })
    );
}

#[tokio::test]
async fn a_denial_and_a_page_used_twice_give_nothing() {
    let bench = Bench::new().await;
    let number = page(&bench, &[]).await;
    let back = parameters(&decide(&bench, &number, "deny").await);
    assert_eq!((back["error"].as_str(), &back["iss"]), ("access_denied", &bench.urls.oauth));
    assert_eq!(decide(&bench, &number, "approve").await.status(), 400);
}

#[tokio::test]
async fn a_foreign_address_is_never_redirected_to() {
    let bench = Bench::new().await;
    for uri in [
        "https://evil.example/cb",
        "http://127.0.0.1.evil.example:1/cb",
        "http://localhost:1/cb",
        "zhiyou://auth/zz-club/x",
        "zhiyou-dev://auth/zz-club/x",
        "zhiyou-other://auth/zz-club",
        "zhiyou://evil",
        "http://127.0.0.1/cb",
        "http://user@127.0.0.1:1/cb",
        "http://127.0.0.1:1/cb#fragment",
        "",
    ] {
        let answer = bench.http.get(authorize(&bench, &[("redirect_uri", uri)])).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("location")), (400, None), "{uri}");
    }
    let stranger = bench.http.get(authorize(&bench, &[("client_id", "other")])).send().await.unwrap();
    assert_eq!(stranger.status(), 400);
    for (change, error) in [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile admin"), "invalid_scope"),
    ] {
        let answer = bench.http.get(authorize(&bench, &[change])).send().await.unwrap();
        assert_eq!(parameters(&answer)["error"], error);
    }
}

#[tokio::test]
async fn the_apps_own_scheme_is_reached_by_a_link_and_a_build_for_developers_by_its_own() {
    let bench = Bench::new().await;
    for own in ["zhiyou://auth/zz-club", "zhiyou-dev://auth/zz-club"] {
        let number = page(&bench, &[("redirect_uri", own)]).await;
        let answer = decide(&bench, &number, "approve").await;
        assert_eq!(answer.status(), 200);
        let html = answer.text().await.unwrap();
        assert!(html.contains(&format!("<a id=\"return\" href=\"{own}?code=")), "{html}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_a_minute_and_for_its_verifier() {
    let bench = Bench::frozen().await;
    let fresh = async || parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await)["code"].clone();
    let wrong = redeem(&bench, &fresh().await, &VERIFIER.replace('1', "2")).await;
    assert_eq!(wrong, (400, json!({"error": "invalid_grant"})));
    let code = fresh().await;
    let (_, tokens) = redeem(&bench, &code, VERIFIER).await;
    assert_eq!(redeem(&bench, &code, VERIFIER).await.0, 400);
    assert_eq!(profile(&bench, &tokens["access_token"]).await.0, 401, "a replayed code kills what it gave");
    let late = fresh().await;
    bench.advance(1).await;
    assert_eq!(redeem(&bench, &late, VERIFIER).await.0, 400);
}

#[tokio::test]
async fn a_refresh_rotates_and_a_replay_revokes_the_family() {
    let bench = Bench::new().await;
    let first = signed_in(&bench).await;
    let (status, second) = refresh(&bench, first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(refresh(&bench, first["refresh_token"].as_str().unwrap()).await.0, 400);
    assert_eq!(refresh(&bench, second["refresh_token"].as_str().unwrap()).await.0, 400);
    assert_eq!(profile(&bench, &second["access_token"]).await.0, 401);
}

#[tokio::test]
async fn tokens_expire_and_can_be_revoked_one_or_all() {
    let bench = Bench::frozen().await;
    bench.switch(json!({"provider": "oauth", "switch": "access_ttl_s", "value": 120})).await;
    let tokens = signed_in(&bench).await;
    assert_eq!(tokens["expires_in"], 120);
    bench.advance(2).await;
    assert_eq!(profile(&bench, &tokens["access_token"]).await.0, 401);
    let (_, again) = refresh(&bench, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(profile(&bench, &again["access_token"]).await.0, 200);
    let form = [("client_id", "zhiyou-desktop"), ("token", again["refresh_token"].as_str().unwrap())];
    let revoked = bench.http.post(format!("{}/revoke", bench.urls.oauth)).form(&form).send().await.unwrap();
    assert_eq!(revoked.status(), 200);
    assert_eq!(profile(&bench, &again["access_token"]).await.0, 401);
    let other = signed_in(&bench).await;
    bench.switch(json!({"provider": "oauth", "switch": "revoke_all"})).await;
    assert_eq!(profile(&bench, &other["access_token"]).await.0, 401);
    assert_eq!(refresh(&bench, other["refresh_token"].as_str().unwrap()).await.0, 400);
}

#[tokio::test]
async fn the_issuer_can_be_wrong_or_missing_on_demand() {
    let bench = Bench::new().await;
    bench.switch(json!({"provider": "oauth", "switch": "wrong_iss"})).await;
    assert_ne!(parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await)["iss"], bench.urls.oauth);
    bench.switch(json!({"provider": "oauth", "switch": "omit_iss"})).await;
    assert!(!parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await).contains_key("iss"));
    bench.switch(json!({"provider": "oauth", "switch": "deny"})).await;
    assert_eq!(parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await)["error"], "access_denied");
    assert!(parameters(&decide(&bench, &page(&bench, &[]).await, "approve").await).contains_key("code"));
}

async fn push(bench: &Bench, changes: &[(&str, &str)]) -> (u16, Value) {
    let form: Vec<(String, String)> = authorize(bench, changes).query_pairs().into_owned().collect();
    let answer = bench.http.post(format!("{}/par", bench.urls.oauth)).form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Opens the page of a pushed request.
async fn open_pushed(bench: &Bench, client: &str, number: &str) -> (u16, String) {
    let url = url::Url::parse_with_params(
        &format!("{}/authorize", bench.urls.oauth),
        [("client_id", client), ("request_uri", number)],
    );
    let answer = bench.http.get(url.unwrap()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn oa_64_a_pushed_request_is_good_once_for_its_time_and_for_its_own_client() {
    let bench = Bench::frozen().await;
    assert_eq!(push(&bench, &[]).await.0, 404, "not offered");
    bench.switch(json!({"provider": "oauth", "switch": "par"})).await;
    let fresh = async || {
        let (status, answer) = push(&bench, &[]).await;
        assert_eq!((status, &answer["expires_in"]), (201, &json!(90)));
        answer["request_uri"].as_str().unwrap().to_owned()
    };
    let number = fresh().await;
    let (status, html) = open_pushed(&bench, "zhiyou-desktop", &number).await;
    assert_eq!(status, 200);
    let page = html.split("name=\"number\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let code = parameters(&decide(&bench, page, "approve").await)["code"].clone();
    assert_eq!(redeem(&bench, &code, VERIFIER).await.0, 200);
    assert_eq!(open_pushed(&bench, "zhiyou-desktop", &number).await.0, 400, "a second time");
    assert_eq!(open_pushed(&bench, "somebody-else", &fresh().await).await.0, 400, "another client");
    bench.switch(json!({"provider": "oauth", "switch": "other_client"})).await;
    assert_eq!(open_pushed(&bench, "zhiyou-desktop", &fresh().await).await.0, 400, "somebody else's request");
    let late = fresh().await;
    bench.advance(2).await;
    assert_eq!(open_pushed(&bench, "zhiyou-desktop", &late).await.0, 400, "too late");
    // Without the rule that a number is good once, the second use succeeds.
    bench.switch(json!({"provider": "oauth", "switch": "par_reusable"})).await;
    let reused = fresh().await;
    for _ in 0..2 {
        assert_eq!(open_pushed(&bench, "zhiyou-desktop", &reused).await.0, 200);
    }
}

#[tokio::test]
async fn a_pushed_request_is_checked_like_any_other_and_can_be_demanded() {
    let bench = Bench::new().await;
    bench.switch(json!({"provider": "oauth", "switch": "par"})).await;
    for (change, expected) in [
        (("client_id", "other"), (401, "invalid_client")),
        (("redirect_uri", "https://evil.example/cb"), (400, "invalid_request")),
        (("request_uri", "urn:x"), (400, "invalid_request")),
        (("code_challenge_method", "plain"), (400, "invalid_request")),
        (("scope", "admin"), (400, "invalid_scope")),
    ] {
        let (status, answer) = push(&bench, &[change]).await;
        assert_eq!((status, answer["error"].as_str().unwrap()), expected, "{change:?}");
    }
    bench.switch(json!({"provider": "oauth", "switch": "par_required"})).await;
    assert_eq!(bench.http.get(authorize(&bench, &[])).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn every_endpoint_can_answer_wrongly_on_demand() {
    let bench = Bench::new().await;
    let metadata = async || {
        let url = format!("{}/.well-known/oauth-authorization-server", bench.urls.oauth);
        let answer = bench.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    bench
        .switch(json!({"provider": "oauth", "switch": "patch", "op": "metadata",
            "merge": {"token_endpoint": "{issuer}/elsewhere", "code_challenge_methods_supported": null}}))
        .await;
    let changed: Value = serde_json::from_str(&metadata().await.1).unwrap();
    assert_eq!(changed["token_endpoint"], format!("{}/elsewhere", bench.urls.oauth));
    assert!(changed.get("code_challenge_methods_supported").is_none());
    bench
        .switch(json!({"provider": "oauth", "switch": "answer", "op": "metadata", "status": 302,
            "headers": {"location": "{issuer}/thief"}, "body": {"a": 1}, "size": 100_000}))
        .await;
    let (status, body) = metadata().await;
    assert_eq!((status, body.len()), (302, 100_000));
    assert_eq!(metadata().await.0, 200, "it struck once");
    bench
        .switch(json!({"provider": "oauth", "switch": "patch", "op": "return",
            "merge": {"state": "other", "iss": null}, "also": {"code": "second"}}))
        .await;
    let answer = decide(&bench, &page(&bench, &[]).await, "approve").await;
    let target = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let names: Vec<_> = target.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["code", "state", "code"]);
    bench.switch(json!({"provider": "oauth", "switch": "time_out_before", "op": "token"})).await;
    let form = [("client_id", "zhiyou-desktop")];
    assert!(bench.http.post(format!("{}/token", bench.urls.oauth)).form(&form).send().await.is_err());
}

#[tokio::test]
async fn the_platforms_own_defences_can_be_taken_away() {
    let bench = Bench::new().await;
    let rule = async |name: &str| bench.switch(json!({"provider": "oauth", "switch": name})).await;
    let fresh = async |changes: &[(&str, &str)]| {
        parameters(&decide(&bench, &page(&bench, changes).await, "approve").await)["code"].clone()
    };
    rule("other_client").await;
    assert_eq!(redeem(&bench, &fresh(&[]).await, VERIFIER).await.0, 400, "somebody else's code");
    rule("proof_key_optional").await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(redeem(&bench, &fresh(&without).await, VERIFIER).await.0, 400, "a verifier nobody asked for");
    assert_eq!(redeem(&bench, &fresh(&without).await, "").await.0, 200);
    rule("reuse_codes").await;
    let code = fresh(&[]).await;
    assert_eq!([redeem(&bench, &code, VERIFIER).await.0, redeem(&bench, &code, VERIFIER).await.0], [200, 200]);
    rule("reuse_refresh").await;
    let first = signed_in(&bench).await;
    for _ in 0..2 {
        assert_eq!(refresh(&bench, first["refresh_token"].as_str().unwrap()).await.0, 200);
    }
    rule("other_subject").await;
    let (_, other) = refresh(&bench, first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(profile(&bench, &other["access_token"]).await.1["display_name"], "马博");
}
