//! A sandbox in a folder of its own, and small clients for its ports.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zhiyou_sandbox::{Announcement, Config, Sandbox, start};

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    virtual_clock: bool,
    sandbox: Option<Sandbox>,
    pub(crate) urls: Announcement,
    pub(crate) credentials: Value,
    pub(crate) http: reqwest::Client,
}

/// What a port answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn data(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body["data"].clone()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().or(self.body["code"].as_str()).unwrap_or_default()
    }
}

fn config(folder: &std::path::Path, virtual_clock: bool) -> Config {
    Config {
        data_dir: folder.to_owned(),
        seed: 7,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        virtual_clock,
        control_token: None,
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::open(false).await
    }

    /// A sandbox whose clock stands still.
    pub(crate) async fn frozen() -> Self {
        Self::open(true).await
    }

    async fn open(virtual_clock: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = start(config(folder.path(), virtual_clock)).await.unwrap();
        let urls = sandbox.announcement().clone();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(20))
            .build()
            .unwrap();
        let mut bench = Self { folder, virtual_clock, sandbox: Some(sandbox), urls, credentials: json!(null), http };
        bench.credentials = bench.control("/credentials", None).await.body;
        bench
    }

    /// Stops the sandbox and starts another one on the same folder.
    pub(crate) async fn restart(&mut self) {
        self.sandbox.take().unwrap().stop().await;
        let sandbox = start(config(self.folder.path(), self.virtual_clock)).await.unwrap();
        self.urls = sandbox.announcement().clone();
        self.sandbox = Some(sandbox);
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// The control port; a POST when there is a body.
    pub(crate) async fn control(&self, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.urls.control);
        let request = match &body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        self.send(request.bearer_auth(&self.urls.control_token)).await.unwrap()
    }

    pub(crate) async fn switch(&self, body: Value) {
        assert_eq!(self.control("/scenario", Some(body)).await.status, 200);
    }

    pub(crate) async fn advance(&self, minutes: i64) {
        let answer = self.control("/clock", Some(json!({"advance_ms": minutes * 60_000}))).await;
        assert_eq!(answer.status, 200);
    }

    pub(crate) async fn book(&self) -> Value {
        self.control("/book", None).await.body
    }

    /// A date some days ahead of the sandbox's present.
    pub(crate) async fn day(&self, ahead: i64) -> String {
        let now: jiff::Timestamp = self.control("/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
        let later = now + jiff::SignedDuration::from_hours(24 * ahead);
        later.strftime("%Y-%m-%d").to_string()
    }

    pub(crate) async fn duffel(&self, method: Method, path: &str, data: Value) -> Answer {
        self.try_duffel(method, path, data).await.unwrap()
    }

    /// The travel supplier; an error when the connection breaks.
    pub(crate) async fn try_duffel(&self, method: Method, path: &str, data: Value) -> Result<Answer, reqwest::Error> {
        let request = self.http.request(method.clone(), format!("{}{path}", self.urls.duffel));
        let request =
            request.header("Duffel-Version", "v2").bearer_auth(self.credentials["duffel"]["token"].as_str().unwrap());
        self.send(if method == Method::GET { request } else { request.json(&json!({"data": data})) }).await
    }

    pub(crate) async fn wechat(&self, method: Method, path: &str, body: Value) -> Answer {
        self.try_wechat(method, path, body).await.unwrap()
    }

    /// The payment channel, signed as the merchant; an error when the connection breaks.
    pub(crate) async fn try_wechat(&self, method: Method, path: &str, body: Value) -> Result<Answer, reqwest::Error> {
        let text = if method == Method::GET { String::new() } else { body.to_string() };
        let at: jiff::Timestamp = self.control("/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
        let authorization = self.authorization(method.as_str(), path, at.as_second(), &text);
        let request = self.http.request(method, format!("{}{path}", self.urls.wechatpay));
        let request = request.header("Authorization", authorization).header("Accept", "application/json");
        self.send(request.header("User-Agent", "test").header("Content-Type", "application/json").body(text)).await
    }

    fn authorization(&self, method: &str, path: &str, at_s: i64, body: &str) -> String {
        let keys = &self.credentials["wechatpay"];
        let (mchid, serial) = (keys["mchid"].as_str().unwrap(), keys["merchant_serial"].as_str().unwrap());
        let pem = keys["merchant_private_key_pem"].as_str().unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = KeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
        let message = format!("{method}\n{path}\n{at_s}\nnonce\n{body}\n");
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        let signature = STANDARD.encode(signature);
        format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{mchid}\",nonce_str=\"nonce\",timestamp=\"{at_s}\",serial_no=\"{serial}\",signature=\"{signature}\""
        )
    }

    /// Stripe's API: a POST when there is a form, else a GET.
    pub(crate) async fn stripe(&self, path: &str, form: Option<&[(&str, &str)]>, key: Option<&str>) -> Answer {
        let url = format!("{}{path}", self.urls.stripe);
        let request = match form {
            Some(form) => self.http.post(url).form(form),
            None => self.http.get(url),
        };
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        self.send(request.bearer_auth(self.credentials["stripe"]["secret_key"].as_str().unwrap())).await.unwrap()
    }

    /// A button of Stripe's hosted page.
    pub(crate) async fn press(&self, page: &str, button: (&str, &str)) -> Answer {
        self.send(self.http.post(page).header("origin", &self.urls.stripe).form(&[button])).await.unwrap()
    }

    pub(crate) async fn phone(&self, verb: &str, text: &str) -> Answer {
        let request = self.http.post(format!("{}/api/{verb}", self.urls.phone)).json(&json!({"text": text}));
        self.send(request).await.unwrap()
    }

    /// Waits until what `read` sees satisfies `fits`.
    pub(crate) async fn eventually(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2000 {
            let seen = self.control(path, None).await.body;
            if fits(&seen) {
                return seen;
            }
            tokio::task::yield_now().await;
        }
        panic!("never: {}", self.control(path, None).await.body);
    }
}

/// A server that keeps what it is told and answers with a status the test may change.
pub(crate) struct Inbox {
    pub(crate) url: String,
    received: std::sync::Arc<std::sync::Mutex<Vec<(axum::http::HeaderMap, String)>>>,
    status: std::sync::Arc<std::sync::atomic::AtomicU16>,
    text: std::sync::Arc<std::sync::Mutex<&'static str>>,
}

impl Inbox {
    pub(crate) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/inbox", listener.local_addr().unwrap());
        let received = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let status = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(200));
        let text = std::sync::Arc::new(std::sync::Mutex::new(""));
        let (kept, told, said) = (received.clone(), status.clone(), text.clone());
        let handler = move |headers: axum::http::HeaderMap, body: String| {
            let (kept, told, said) = (kept.clone(), told.clone(), said.clone());
            async move {
                kept.lock().unwrap().push((headers, body));
                let status = axum::http::StatusCode::from_u16(told.load(std::sync::atomic::Ordering::SeqCst)).unwrap();
                (status, *said.lock().unwrap())
            }
        };
        let router = axum::Router::new().route("/inbox", axum::routing::post(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received, status, text }
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, std::sync::atomic::Ordering::SeqCst);
    }

    /// With this body.
    pub(crate) fn answer_saying(&self, text: &'static str) {
        *self.text.lock().unwrap() = text;
    }

    pub(crate) fn received(&self) -> Vec<(axum::http::HeaderMap, String)> {
        self.received.lock().unwrap().clone()
    }
}
