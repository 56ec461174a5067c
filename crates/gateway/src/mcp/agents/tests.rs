//! What stands between an agent and money, over real HTTP in one thread, so that each defence can be taken away.

use super::*;
use crate::{
    Clock, Config, Gateway,
    config::rest_sample,
    defence::{Defence, take_away},
    mcp::{pace::AT_ONCE, scope::Scopes, stopped},
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use zhiyou_sandbox::Sandbox;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const EVERYTHING: &str = "payment.read payment.write refund.write";

/// A clock that stands, so that the pace does not depend on how fast a test runs.
struct Still(UtcMicros);

impl Clock for Still {
    fn now(&self) -> UtcMicros {
        self.0
    }
}

struct World {
    _folder: tempfile::TempDir,
    sandbox: Sandbox,
    announced: Value,
    gateway: Gateway,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Said {
    status: u16,
    challenge: String,
    retry_after: String,
    session: String,
    body: Value,
}

fn token(subject: &str, audience: &str, scope: Option<&str>) -> String {
    let exp = jiff::Timestamp::now().as_second() + 600;
    let mut claims = json!({"sub": subject, "aud": audience, "exp": exp});
    if let Some(scope) = scope {
        claims["scope"] = json!(scope);
    }
    let text = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", text(&json!({"alg": "HS256"})), text(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, rest_sample().jwt_keys[0].expose().as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

fn agent(scope: &str) -> String {
    token("user-1", "zhiyou/mcp", Some(scope))
}

impl World {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = zhiyou_sandbox::start(zhiyou_sandbox::Config {
            data_dir: folder.path().join("sandbox"),
            seed: 7,
            account: zhiyou_sandbox::AccountCurrency::default(),
            listen: Ipv4Addr::LOCALHOST.into(),
            virtual_clock: false,
            control_token: None,
        })
        .await
        .unwrap();
        let announced = serde_json::to_value(sandbox.announcement()).unwrap();
        let mut config = crate::sandbox_config(folder.path().join("gateway"), &announced).await.unwrap();
        config.rest = Some(rest_sample());
        change(&mut config);
        let still = Still(UtcMicros(jiff::Timestamp::now().as_microsecond()));
        let gateway = crate::start(config, Arc::new(still)).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { _folder: folder, sandbox, announced, gateway, http }
    }

    async fn stop(self) {
        self.gateway.stop().await;
        self.sandbox.stop().await;
    }

    fn address(&self) -> String {
        format!("{}/mcp/payments", self.gateway.base_url())
    }

    /// A message as it is, with these headers.
    async fn post(&self, token: &str, headers: &[(&str, &str)], message: &Value) -> Said {
        let request = self.http.post(self.address()).header("accept", "application/json, text/event-stream");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.json(message).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let (challenge, retry_after, session) =
            (header("www-authenticate"), header("retry-after"), header("mcp-session-id"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let line = text.lines().filter_map(|line| line.strip_prefix("data:")).rfind(|line| line.contains('{'));
        let body = serde_json::from_str(line.unwrap_or(&text)).unwrap_or(Value::Null);
        Said { status, challenge, retry_after, session, body }
    }

    /// A request of the protocol as it is now, by a client that can do this.
    async fn ask(&self, token: &str, method: &str, params: Value, able: Value) -> Said {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": able,
            "io.modelcontextprotocol/clientInfo": {"name": "a client", "version": "1"},
        });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.post(token, &headers, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await
    }

    async fn call(&self, token: &str, tool: &str, arguments: &Value) -> Said {
        self.ask(token, "tools/call", json!({"name": tool, "arguments": arguments}), json!({})).await
    }

    async fn as_person(&self, path: &str, key: Option<&str>, body: &Value) -> Value {
        let person = token("user-1", "zhiyou", None);
        let request = self.http.post(format!("{}/api/v1/payment/{path}", self.gateway.base_url())).bearer_auth(person);
        let request = key.iter().fold(request, |request, key| request.header("idempotency-key", *key));
        request.json(body).send().await.unwrap().json().await.unwrap()
    }

    async fn order(&self, key: &str) -> Value {
        let wish = json!({"kind": "travel", "reference": "r", "description": "d", "amount": {"minor": 20_000, "currency": "CNY"}});
        self.as_person("orders/create", Some(key), &wish).await["order_id"].clone()
    }

    async fn paid(&self, key: &str) -> Value {
        let order = self.order(key).await;
        let code = self.as_person("wxpay/create", None, &json!({"order_id": order})).await["code_url"].clone();
        let phone = format!("{}/api/pay", self.announced["phone"].as_str().unwrap());
        let answer = self.http.post(phone).json(&json!({"text": code})).send().await.unwrap();
        assert!(answer.status().is_success());
        order
    }

    /// How many payments and refunds the channel knows.
    async fn moved(&self) -> [usize; 2] {
        let control = format!("{}/book", self.announced["control"].as_str().unwrap());
        let request = self.http.get(control).bearer_auth(self.announced["control_token"].as_str().unwrap());
        let book: Value = request.send().await.unwrap().json().await.unwrap();
        ["payments", "refunds"].map(|what| book[what].as_array().unwrap().len())
    }
}

/// What a tool said, whichever way it ended.
fn told(said: &Said) -> Value {
    let result = &said.body["result"];
    if result["isError"] == json!(true) {
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        return text["error"].clone();
    }
    result["structuredContent"].clone()
}

#[tokio::test]
async fn ag_01_an_agent_moves_no_money_by_itself_and_without_the_gate_alone_it_does() {
    let world = World::start(|_| {}).await;
    let agent = agent(EVERYTHING);
    let (mut came, mut opened) = (Vec::new(), Vec::new());
    for (key, gated) in [("with", true), ("without", false)] {
        let paid = world.paid(key).await;
        let order = world.order(&format!("{key}-2")).await;
        let intent = json!({"orderId": order, "method": "qr", "channel": "wechatpay", "idempotencyKey": key});
        let intent = told(&world.call(&agent, "createPaymentIntent", &intent).await);
        let confirm = json!({"paymentIntentId": intent["paymentIntentId"], "idempotencyKey": key});
        let back = json!({"orderId": paid, "reason": "x", "idempotencyKey": key});
        let before = world.moved().await;
        if !gated {
            take_away(Some(Defence::PersonAsked));
        }
        let back = told(&world.call(&agent, "createRefund", &back).await);
        let confirmed = told(&world.call(&agent, "confirmPayment", &confirm).await);
        take_away(None);
        let after = world.moved().await;
        came.push((back["status"] == "confirmation_required", after[1] - before[1]));
        opened.push((confirmed["status"].clone(), after[0] - before[0]));
    }
    assert_eq!(came, [(true, 0), (false, 1)], "nothing else stands before a refund");
    assert_eq!(opened, [(json!("confirmation_required"), 0), (json!("requires_action"), 1)]);
    world.stop().await;
}

#[tokio::test]
async fn ag_02_a_token_that_allows_too_little_is_refused_with_what_it_lacks() {
    let world = World::start(|_| {}).await;
    let order = world.paid("k1").await;
    let back = json!({"orderId": order, "reason": "x", "idempotencyKey": "k1"});
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp/payments", world.gateway.base_url());
    let reader = agent("payment.read openid");
    let refused = world.call(&reader, "createRefund", &back).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.challenge,
        format!(
            "Bearer error=\"insufficient_scope\", scope=\"payment.read refund.write\", resource_metadata=\"{metadata}\""
        )
    );
    let listed = world.ask(&token("user-1", "zhiyou/mcp", None), "tools/list", json!({}), json!({})).await;
    assert_eq!(listed.body["result"]["tools"].as_array().unwrap().len(), 4, "what there is may be known");
    let raised = world.call(&agent("payment.read refund.write"), "createRefund", &back).await;
    assert_eq!(told(&raised)["status"], "confirmation_required", "{raised:?}");

    take_away(Some(Defence::Scoped));
    let let_in = world.call(&reader, "createRefund", &back).await;
    take_away(None);
    assert_eq!(told(&let_in)["status"], "confirmation_required", "nothing else looks at the scope");
    world.stop().await;
}

#[tokio::test]
async fn ag_02_the_scope_is_looked_at_again_where_the_tool_is_called() {
    let world = World::start(|_| {}).await;
    let scopes = world.gateway.payments.scopes();
    assert_eq!(scopes.len(), 4, "every tool needs one");
    for (name, scope) in scopes {
        let entry = world.gateway.payments.for_agents.iter().find(|entry| entry.tool.name == name).unwrap();
        let who = |held: &str| Principal { subject: "user-1".to_owned(), scopes: Scopes::read(held), wait_ms: None };
        assert_eq!(stopped(entry, &who(scope.word())), None, "{name}");
        let others = EVERYTHING.replace(scope.word(), "");
        let refused = stopped(entry, &who(&others)).unwrap();
        assert!(refused.content[0].as_text().unwrap().text.contains("insufficient_scope"), "{name}");
    }
    world.stop().await;
}

#[tokio::test]
async fn ag_03_agents_that_ask_too_fast_are_told_when_to_ask_again_and_others_go_on() {
    let world = World::start(|_| {}).await;
    let reader = agent("payment.read");
    let about = json!({"paymentIntentId": "pay_01K9ZC5N7W3V8Q2R4T6Y8B0D1F"});
    for _ in 0..AT_ONCE {
        assert_eq!(told(&world.call(&reader, "getPaymentStatus", &about).await)["code"], "not_found");
    }
    let hurried = told(&world.call(&reader, "getPaymentStatus", &about).await);
    assert_eq!((&hurried["code"], &hurried["retryable"]), (&json!("rate_limited"), &json!(true)));
    assert_eq!(hurried["retryAfterMs"], 1_000);
    let listing = world.ask(&reader, "tools/list", json!({}), json!({})).await;
    assert_eq!((listing.status, listing.retry_after.as_str()), (429, "1"), "{listing:?}");
    let other = token("user-2", "zhiyou/mcp", Some("payment.read"));
    assert_eq!(told(&world.call(&other, "getPaymentStatus", &about).await)["code"], "not_found");

    take_away(Some(Defence::Paced));
    let passed = told(&world.call(&reader, "getPaymentStatus", &about).await);
    take_away(None);
    assert_eq!(passed["code"], "not_found", "nothing else slows an agent down");
    world.stop().await;
}

#[tokio::test]
async fn who_has_no_token_learns_where_to_get_one_and_for_what() {
    let issuer = "http://127.0.0.1:9/";
    let world =
        World::start(|config| config.rest.as_mut().unwrap().authorization_servers = vec![issuer.parse().unwrap()])
            .await;
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp/payments", world.gateway.base_url());
    let nobody = world.ask("", "tools/list", json!({}), json!({})).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.challenge, format!("Bearer resource_metadata=\"{metadata}\", scope=\"payment.read\""));
    let wrong = world.ask("a.b.c", "tools/list", json!({}), json!({})).await;
    assert!(wrong.status == 401 && wrong.challenge.contains("error=\"invalid_token\""), "{wrong:?}");

    let described: Value = world.http.get(&metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        described,
        json!({
            "resource": world.address(),
            "authorization_servers": ["http://127.0.0.1:9"],
            "scopes_supported": ["payment.read", "payment.write", "refund.write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Zhiyou payments",
        })
    );
    let own = token("user-1", described["resource"].as_str().unwrap(), Some("payment.read"));
    assert_eq!(world.ask(&own, "tools/list", json!({}), json!({})).await.status, 200);
    let elsewhere = token("user-1", "https://other.example/mcp/payments", Some("payment.read"));
    assert_eq!(world.ask(&elsewhere, "tools/list", json!({}), json!({})).await.status, 401, "for another server");
    let flights = format!("{}/mcp/flights", world.gateway.base_url());
    assert_eq!(world.http.post(flights).bearer_auth(own).send().await.unwrap().status(), 404);
    let long = json!({"orderId": "x".repeat(70_000)});
    assert_eq!(world.call(&agent(EVERYTHING), "createRefund", &long).await.status, 413);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_opens_addresses_is_sent_to_the_merchants_page_once_and_opening_it_approves_nothing() {
    let page = "http://127.0.0.1:9/confirm/";
    let world =
        World::start(|config| config.rest.as_mut().unwrap().confirmation_page = Some(page.parse().unwrap())).await;
    let agent = agent(EVERYTHING);
    let paid = world.paid("k1").await;
    let able = json!({"elicitation": {"url": {}}});
    let back = |key: &str| json!({"name": "createRefund", "arguments": {"orderId": paid, "reason": "x", "idempotencyKey": key}});
    let asked = world.ask(&agent, "tools/call", back("modern"), able.clone()).await.body["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (id, request) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!((&request["method"], &request["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
    assert_eq!(request["params"]["url"], format!("http://127.0.0.1:9/confirm/{id}"));
    let mut again = back("modern");
    again["inputResponses"] = json!({id: {"action": "accept"}});
    let waits = told(&world.ask(&agent, "tools/call", again, able.clone()).await);
    assert_eq!(waits["status"], "confirmation_required", "the person has opened it and said nothing");
    assert_eq!(&waits["confirmation"]["confirmationId"], id);
    assert_eq!(world.moved().await[1], 0);
    let form = world.ask(&agent, "tools/call", back("form"), json!({"elicitation": {"form": {}}})).await;
    assert_eq!(told(&form)["status"], "confirmation_required", "this client opens no addresses");

    let hello = json!({"protocolVersion": LEGACY, "capabilities": able, "clientInfo": {"name": "c", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
    let session = world.post(&agent, &[], &hello).await.session;
    let headers = [("mcp-protocol-version", LEGACY), ("mcp-session-id", session.as_str())];
    world.post(&agent, &headers, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": back("legacy")});
    let error = world.post(&agent, &headers, &call).await.body["error"].clone();
    assert_eq!((&error["code"], &error["data"]["elicitations"][0]["mode"]), (&json!(-32042), &json!("url")), "{error}");
    let address = error["data"]["elicitations"][0]["url"].as_str().unwrap();
    assert!(address.starts_with("http://127.0.0.1:9/confirm/cnf_") && !address.contains("user-1"), "{address}");
    let waits = told(&world.post(&agent, &headers, &call).await);
    assert_eq!(waits["status"], "confirmation_required");

    let id = waits["confirmation"]["confirmationId"].as_str().unwrap();
    world.as_person(&format!("confirmations/{id}/approve"), None, &Value::Null).await;
    assert_ne!(told(&world.post(&agent, &headers, &call).await)["status"], "confirmation_required");
    assert_eq!(world.moved().await[1], 1);
    world.stop().await;
}
