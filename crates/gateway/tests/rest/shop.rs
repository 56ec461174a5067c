//! A sandbox, a gateway with the REST surface and a caller with a token.

use aws_lc_rs::hmac;
use axum::{body::Bytes, http::HeaderMap, response::IntoResponse};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    future::Future,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::Channel,
    time::UtcMicros,
};
use zhiyou_gateway::{Books, CapConfig, Clock, Config, Console, Day, Finding, Gateway, RestConfig};
use zhiyou_sandbox::Sandbox;

const KEY: &str = "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE";
const AUDIENCE: &str = "zhiyou";

/// The system's time, moved by what the test asked for.
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> UtcMicros {
        UtcMicros(jiff::Timestamp::now().as_microsecond()).plus_minutes(self.0.load(SeqCst))
    }
}

type Forwarded = (Vec<(String, String)>, Vec<u8>);

pub(crate) struct Shop {
    folder: TempDir,
    sandbox: Sandbox,
    announcement: Value,
    http: reqwest::Client,
    clock: Arc<Moved>,
    change: fn(&mut Config),
    gateway: Option<Gateway>,
    forwarded: Arc<Mutex<Option<Forwarded>>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
    pub(crate) json: Value,
}

pub(crate) fn cap(payment: i64, day: i64) -> CapConfig {
    let cny = |minor| Money::new(minor, Currency::CNY).unwrap();
    CapConfig { channel: Channel::Wechatpay, per_payment: cny(payment), per_day: cny(day) }
}

/// A token of `alg`, signed with `key` whatever `alg` says.
pub(crate) fn token_with(key: &str, alg: &str, subject: &str) -> String {
    encode(key, &json!({"alg": alg, "typ": "JWT"}), &claims(subject, 0))
}

/// A genuine token, its claims changed.
pub(crate) fn token(subject: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(subject, 0);
    change(&mut claims);
    encode(KEY, &json!({"alg": "HS256", "typ": "JWT"}), &claims)
}

fn claims(subject: &str, later_min: i64) -> Value {
    json!({"sub": subject, "aud": AUDIENCE, "exp": jiff::Timestamp::now().as_second() + (later_min + 10) * 60})
}

fn encode(key: &str, header: &Value, claims: &Value) -> String {
    let text = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", text(header), text(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn configured(folder: &TempDir, announcement: &Value, change: fn(&mut Config)) -> Config {
    let mut config = zhiyou_gateway::sandbox_config(folder.path().join("gateway"), announcement).await.unwrap();
    config.rest = Some(RestConfig {
        audience: AUDIENCE.to_owned(),
        jwt_keys: vec![KEY.to_owned().into()],
        authorization_servers: Vec::new(),
        confirmation_page: None,
    });
    change(&mut config);
    config
}

async fn sandboxed() -> (TempDir, Sandbox, Value) {
    let folder = tempfile::tempdir().unwrap();
    let config = zhiyou_sandbox::Config {
        data_dir: folder.path().join("sandbox"),
        seed: 7,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen: Ipv4Addr::LOCALHOST.into(),
        virtual_clock: false,
        control_token: None,
    };
    let sandbox = zhiyou_sandbox::start(config).await.unwrap();
    let announcement = serde_json::to_value(sandbox.announcement()).unwrap();
    (folder, sandbox, announcement)
}

pub(crate) async fn refuses_to_start(change: fn(&mut Config)) -> bool {
    let (folder, sandbox, announcement) = sandboxed().await;
    let config = configured(&folder, &announcement, change).await;
    let refused = zhiyou_gateway::start(config, Arc::<Moved>::default()).await.is_err();
    sandbox.stop().await;
    refused
}

impl Shop {
    pub(crate) async fn start(change: fn(&mut Config)) -> Self {
        let (folder, sandbox, announcement) = sandboxed().await;
        let clock = Arc::<Moved>::default();
        let config = configured(&folder, &announcement, change).await;
        let gateway = zhiyou_gateway::start(config, Arc::<Moved>::clone(&clock)).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { folder, sandbox, announcement, http, clock, change, gateway: Some(gateway), forwarded: Arc::default() }
    }

    /// The channel's notifications come to a relay that keeps the last one and hands it to the REST callback.
    pub(crate) async fn start_behind_the_callback() -> Self {
        let mut shop = Self::start(|_| {}).await;
        shop.gateway.take().unwrap().stop().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = format!("http://{}", listener.local_addr().unwrap());
        let mut config = configured(&shop.folder, &shop.announcement, |_| {}).await;
        config.public_url = Some(relay.parse().unwrap());
        let gateway = zhiyou_gateway::start(config, Arc::<Moved>::clone(&shop.clock)).await.unwrap();
        let target = format!("{}/api/v1/payment/wxpay/callback", gateway.base_url());
        let (kept, http) = (Arc::clone(&shop.forwarded), shop.http.clone());
        let relayed = move |headers: HeaderMap, body: Bytes| async move {
            let pairs: Vec<(String, String)> = headers
                .iter()
                .filter(|(name, _)| name.as_str().starts_with("wechatpay-") || *name == "content-type")
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            *kept.lock().unwrap() = Some((pairs.clone(), body.to_vec()));
            let request = pairs.iter().fold(http.post(target), |request, (name, value)| request.header(name, value));
            let answer = request.body(body.to_vec()).send().await.unwrap();
            axum::http::StatusCode::from_u16(answer.status().as_u16()).unwrap().into_response()
        };
        let routes = axum::Router::new().route("/notify/wechatpay", axum::routing::post(relayed));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        shop.gateway = Some(gateway);
        shop
    }

    pub(crate) fn forwarded(&self) -> Forwarded {
        self.forwarded.lock().unwrap().clone().unwrap()
    }

    pub(crate) async fn deliver(&self, path: &str, headers: &[(String, String)], body: Vec<u8>) -> u16 {
        let request = self.http.post(format!("{}{path}", self.gateway().base_url()));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(body).send().await.unwrap().status().as_u16()
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub(crate) async fn restart(&mut self) {
        self.gateway.take().unwrap().stop().await;
        let config = configured(&self.folder, &self.announcement, self.change).await;
        self.gateway = Some(zhiyou_gateway::start(config, Arc::<Moved>::clone(&self.clock)).await.unwrap());
    }

    /// The configuration the gateway runs with, changed.
    pub(crate) async fn config(&self, change: fn(&mut Config)) -> Config {
        configured(&self.folder, &self.announcement, change).await
    }

    pub(crate) async fn check_up(&self, config: &Config, production: bool) -> Vec<Finding> {
        zhiyou_gateway::check_up(config, Arc::<Moved>::clone(&self.clock), production).await.unwrap()
    }

    /// The merchant's console beside the running gateway.
    pub(crate) async fn console(&self) -> Console {
        let config = self.config(|_| {}).await;
        Console::of_config(&config, Arc::<Moved>::clone(&self.clock)).await.unwrap()
    }

    /// The gateway's book beside the running gateway.
    pub(crate) async fn books(&self) -> Books {
        let config = self.config(|_| {}).await;
        Books::open(&config, Arc::<Moved>::clone(&self.clock)).await.unwrap()
    }

    /// The day it is in Beijing, by the gateway's time.
    pub(crate) fn beijing_day(&self) -> Day {
        self.clock.now().in_zone("Asia/Shanghai").unwrap().local.date().to_string().parse().unwrap()
    }

    /// Moves the gateway's time and the sandbox's.
    pub(crate) async fn move_clock(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes, SeqCst);
        self.control("/clock", Some(json!({"advance_ms": minutes * 60_000}))).await;
    }

    pub(crate) async fn stop(self) {
        self.gateway.unwrap().stop().await;
        self.sandbox.stop().await;
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        accept: Option<&str>,
        body: &Value,
    ) -> Answer {
        let address = format!("{}{path}", self.gateway().base_url());
        let mut request = self.http.request(method.parse().unwrap(), address);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, content_type: kind.unwrap_or_default(), text, json }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Some(&token("user-1", |_| {})), None, None, &Value::Null).await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.ask("GET", path, Some(&token("user-1", |_| {})), None, Some(accept), &Value::Null).await
    }

    /// A token that lives after the clock was moved.
    pub(crate) fn later(&self) -> String {
        encode(KEY, &json!({"alg": "HS256"}), &claims("user-1", self.clock.0.load(SeqCst)))
    }

    pub(crate) async fn get_later(&self, path: &str) -> Answer {
        self.ask("GET", path, Some(&self.later()), None, None, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.ask("POST", path, Some(&token("user-1", |_| {})), key, None, body).await
    }

    pub(crate) async fn create(&self, key: &str, minor: i64) -> Answer {
        self.create_as("user-1", key, minor).await
    }

    pub(crate) async fn create_as(&self, subject: &str, key: &str, minor: i64) -> Answer {
        let body = json!({"kind": "travel", "reference": "session-7", "description": "智游 体验课",
            "amount": {"minor": minor, "currency": "CNY"}});
        self.ask("POST", "/api/v1/payment/orders/create", Some(&token(subject, |_| {})), Some(key), None, &body).await
    }

    /// An order with its payment opened: its id and the code to scan.
    pub(crate) async fn open(&self, key: &str, minor: i64) -> (String, String) {
        let id = self.create(key, minor).await.json["order_id"].as_str().unwrap().to_owned();
        let opened = self.post("/api/v1/payment/wxpay/create", None, &json!({"order_id": id})).await;
        (id, opened.json["code_url"].as_str().unwrap().to_owned())
    }

    /// Waits for a condition; a test that never meets it fails.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, met: impl Fn() -> F) {
        let waiting = async {
            while !met().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the condition was never met");
    }

    fn address(&self, part: &str, path: &str) -> String {
        format!("{}{path}", self.announcement[part].as_str().unwrap())
    }

    async fn control(&self, path: &str, body: Option<Value>) -> Value {
        let address = self.address("control", path);
        let request = match body {
            Some(body) => self.http.post(address).json(&body),
            None => self.http.get(address),
        };
        let answer = request.bearer_auth(self.announcement["control_token"].as_str().unwrap()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub(crate) async fn scenario(&self, switch: Value) {
        self.control("/scenario", Some(switch)).await;
    }

    pub(crate) async fn book(&self) -> Value {
        self.control("/book", None).await
    }

    async fn phone(&self, path: &str, content: &str) -> u16 {
        let request = self.http.post(self.address("phone", path)).json(&json!({"text": content}));
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn phone_pays(&self, content: &str) {
        assert_eq!(self.phone("/api/pay", content).await, 200);
    }

    /// Tries to pay; answers the phone's status.
    pub(crate) async fn scan(&self, content: &str) -> u16 {
        self.phone("/api/pay", content).await
    }
}
