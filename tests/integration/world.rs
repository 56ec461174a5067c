//! A sandbox that outlives the app, an app on it that can be stopped and started, and a traveller who acts.

use serde_json::{Value, json};
use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::port::payments::Presentation;
use zhiyou_embedded::{Embedded, Options};
use zhiyou_engine::{
    api::view::FaultView,
    ports::{Browser, BrowserError, KeyStore, KeyStoreError},
};
use zhiyou_sandbox::{AccountCurrency, Config, Sandbox};

/// No test waits longer than this for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    _sandbox_dir: TempDir,
    #[allow(dead_code, reason = "read by the search for planted secrets, which shares this world")]
    pub(crate) sandbox_file: PathBuf,
    pub(crate) data_dir: TempDir,
    pub(crate) keys: Arc<dyn KeyStore>,
    opened: Arc<Opened>,
    app: Option<Embedded>,
    pub(crate) http: reqwest::Client,
    /// Every answer to a command, in the order they came.
    pub(crate) answers: Mutex<String>,
}

#[derive(Default)]
pub(crate) struct Keys(Mutex<Option<Zeroizing<Vec<u8>>>>);

impl KeyStore for Keys {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap().clone())
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = Some(Zeroizing::new(key.to_vec()));
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

/// Remembers the page the engine wanted opened; the traveller decides what to do with it.
#[derive(Default)]
struct Opened {
    page: Mutex<Option<Url>>,
    /// Whether it is a phone's.
    on_phone: AtomicBool,
}

impl Browser for Opened {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        *self.page.lock().unwrap() = Some(url.clone());
        Ok(())
    }

    fn presentable(&self) -> &'static [Presentation] {
        if self.on_phone.load(Ordering::Relaxed) { Presentation::ON_PHONES } else { Presentation::ON_COMPUTERS }
    }
}

pub(crate) fn request_id() -> String {
    format!("req_{}", ulid::Ulid::generate())
}

pub(crate) fn sample() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shanghai-weekend.zh-CN.json")).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    /// With the app's data in this folder.
    pub(crate) async fn in_folder(data_dir: TempDir) -> Self {
        Self::with_keys(data_dir, Arc::<Keys>::default()).await
    }

    /// With suppliers that quote in this currency.
    pub(crate) async fn in_currency(account: AccountCurrency) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), Arc::<Keys>::default(), account).await
    }

    /// With the app's data in this folder and this keyring.
    pub(crate) async fn with_keys(data_dir: TempDir, keys: Arc<dyn KeyStore>) -> Self {
        Self::begin(data_dir, keys, AccountCurrency::default()).await
    }

    async fn begin(data_dir: TempDir, keys: Arc<dyn KeyStore>, account: AccountCurrency) -> Self {
        let sandbox_dir = tempfile::tempdir().unwrap();
        let sandbox = zhiyou_sandbox::start(Config {
            data_dir: sandbox_dir.path().to_path_buf(),
            seed: 1,
            account,
            listen: Ipv4Addr::LOCALHOST.into(),
            virtual_clock: false,
            control_token: None,
        })
        .await
        .unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let mut world = Self {
            sandbox,
            sandbox_file: sandbox_dir.path().join("sandbox.db"),
            _sandbox_dir: sandbox_dir,
            data_dir,
            keys,
            opened: Arc::default(),
            app: None,
            http,
            answers: Mutex::default(),
        };
        world.open_app().await;
        world
    }

    pub(crate) fn options(&self) -> Options {
        let announced = self.sandbox.announcement();
        Options {
            data_dir: self.data_dir.path().to_path_buf(),
            sandbox_url: Some(announced.control.replace("http://", &format!("http://:{}@", announced.control_token))),
            account: AccountCurrency::default(),
            browser: Arc::clone(&self.opened) as Arc<dyn Browser>,
            keys: Arc::clone(&self.keys),
        }
    }

    pub(crate) async fn open_app(&mut self) {
        self.app = Some(Embedded::start(self.options()).await.unwrap());
    }

    /// With a gateway that is configured otherwise.
    #[allow(dead_code, reason = "the search for planted secrets shares this world and does not need it")]
    pub(crate) async fn open_app_with(&mut self, change: impl FnOnce(&mut zhiyou_gateway::Config) + Send) {
        self.app = Some(Embedded::start_with(self.options(), change).await.unwrap());
    }

    pub(crate) async fn close_app(&mut self) {
        self.app.take().unwrap().stop().await;
    }

    pub(crate) fn app(&self) -> &Embedded {
        self.app.as_ref().unwrap()
    }

    pub(crate) async fn ask(&self, command: &str, payload: Value) -> Result<Value, zhiyou_engine::fault::Fault> {
        let answer = self.app().engine().dispatch(command, payload).await;
        let shown = match &answer {
            Ok(answer) => answer.to_string(),
            Err(fault) => serde_json::to_string(&FaultView::from(fault)).unwrap(),
        };
        let mut answers = self.answers.lock().unwrap();
        answers.push_str(&shown);
        answers.push('\n');
        drop(answers);
        answer
    }

    /// The traveller is on a phone, or back at the computer.
    #[allow(dead_code, reason = "the search for planted secrets, which shares this world, stays at the computer")]
    pub(crate) fn is_on_phone(&self, on_phone: bool) {
        self.opened.on_phone.store(on_phone, Ordering::Relaxed);
    }

    /// The merchant presents a channel's payments in another way, from the app's next start on.
    #[allow(dead_code, reason = "the search for planted secrets, which shares this world, scans codes")]
    pub(crate) async fn presents(&mut self, channel: &str, presents: &str) {
        self.scenario(json!({ "provider": channel, "switch": "presents", "value": presents })).await;
        self.close_app().await;
        self.open_app().await;
    }

    /// The page the app wanted opened last.
    pub(crate) fn opened(&self) -> Url {
        self.opened.page.lock().unwrap().take().expect("a page was opened")
    }

    pub(crate) async fn call(&self, command: &str, payload: Value) -> Value {
        self.ask(command, payload).await.unwrap_or_else(|fault| panic!("{command}: {fault}"))
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let announced = self.sandbox.announcement();
        let request = self.http.post(format!("{}{path}", announced.control)).bearer_auth(&announced.control_token);
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or(Value::Null)
    }

    pub(crate) async fn scenario(&self, body: Value) {
        self.control("/scenario", body).await;
    }

    pub(crate) async fn advance(&self, minutes: i64) {
        self.control("/clock", json!({ "advance_ms": minutes * 60_000 })).await;
    }

    /// What the providers really hold, booked, charged and refunded.
    pub(crate) async fn book(&self) -> Value {
        self.shown("/book").await
    }

    /// Whether a notification was sent in this variant and answered so.
    pub(crate) async fn was_answered(&self, variant: &str, status: u16) -> bool {
        let sent = self.shown("/notifications").await;
        let mut tries =
            sent["notifications"].as_array().unwrap().iter().flat_map(|one| one["attempts"].as_array().unwrap());
        tries.any(|one| one["variant"] == variant && one["status"] == status)
    }

    async fn shown(&self, path: &str) -> Value {
        let announced = self.sandbox.announcement();
        let request = self.http.get(format!("{}{path}", announced.control)).bearer_auth(&announced.control_token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Waits, by the doorbell alone, until the order is as wanted.
    pub(crate) async fn until(&self, order: &Value, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut doorbell = self.app().engine().doorbell();
        let waiting = async {
            loop {
                doorbell.mark_unchanged();
                let order = self.call("get_order", json!({ "order_id": order["id"] })).await;
                if wanted(&order) {
                    return order;
                }
                doorbell.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(order) => order,
            Err(_) => {
                let order = self.call("get_order", json!({ "order_id": order["id"] })).await;
                panic!("never {what}: {order:#}")
            }
        }
    }

    pub(crate) async fn until_next(&self, order: &Value, kind: &str) -> Value {
        self.until(order, kind, |order| order["next"]["kind"] == kind).await
    }

    pub(crate) async fn until_state(&self, order: &Value, state: &str) -> Value {
        self.until(order, state, |order| order["state"] == state && order["next"]["kind"] == "done").await
    }

    pub(crate) async fn import(&self, text: &str) -> Value {
        self.call("import_plan", json!({ "text": text, "request_id": request_id() })).await
    }

    pub(crate) async fn prepare(&self) -> Value {
        let plan = self.import(&sample()).await;
        self.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await
    }

    /// The traveller approves in the browser; answers the address the browser is sent back to.
    pub(crate) async fn consent(&self, return_by: &str) -> String {
        self.call("login_to_platform", json!({ "platform": "zz-club", "return_by": return_by })).await;
        let url = self.opened();
        self.approve(&url).await
    }

    /// The traveller approves on the platform's page.
    pub(crate) async fn approve(&self, url: &Url) -> String {
        let page = self.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
        let number = page.split_once("name=\"number\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let form = [("number", number.as_str()), ("decision", "approve")];
        let answer = self.http.post(url.join("/authorize").unwrap()).form(&form).send().await.unwrap();
        match answer.headers().get("location") {
            Some(location) => location.to_str().unwrap().to_owned(),
            None => {
                let page = answer.text().await.unwrap();
                let link = page.split_once("id=\"return\" href=\"").unwrap().1.split_once('"').unwrap().0;
                link.replace("&amp;", "&")
            }
        }
    }

    pub(crate) async fn sign_in(&self) {
        let back = self.consent("loopback").await;
        assert!(self.http.get(back).send().await.unwrap().status().is_success());
    }

    /// A prepared order whose traveller is signed in and has taken the first free seat.
    pub(crate) async fn held(&self) -> Value {
        let order = self.prepare().await;
        self.until_next(&order, "sign_in").await;
        self.sign_in().await;
        let order = self.until_next(&order, "choose_seats").await;
        self.take_seat(&order).await;
        self.until_next(&order, "confirm").await
    }

    pub(crate) async fn take_seat(&self, order: &Value) -> String {
        let item = order["next"]["item_id"].clone();
        let maps = self.call("get_seat_maps", json!({ "order_id": order["id"], "item_id": item })).await;
        let map = &maps["maps"][0];
        let rows = map["cabins"].as_array().unwrap().iter().flat_map(|cabin| cabin["rows"].as_array().unwrap());
        let elements = rows.flat_map(|row| row["sections"].as_array().unwrap()).flat_map(|s| s.as_array().unwrap());
        let seat = elements.into_iter().find(|seat| !seat["offers"].as_array().unwrap().is_empty()).unwrap();
        let wish = json!([{
            "segment_id": map["segment"]["id"],
            "traveller_id": seat["offers"][0]["traveller_id"],
            "designator": seat["designator"],
        }]);
        let payload = json!({ "order_id": order["id"], "item_id": item, "seats": wish, "request_id": request_id() });
        self.call("choose_seats", payload).await;
        seat["designator"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn confirm(&self, order: &Value) -> Value {
        self.call(
            "confirm_order",
            json!({
                "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": "wechatpay",
                "request_id": request_id(),
            }),
        )
        .await
    }

    /// Up to the code that can be scanned.
    pub(crate) async fn payable(&self) -> Value {
        let order = self.held().await;
        self.confirm(&order).await;
        self.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await
    }

    pub(crate) async fn phone(&self, action: &str, order: &Value) -> reqwest::StatusCode {
        let address = format!("{}/api/{action}", self.sandbox.announcement().phone);
        let text = &order["payment"]["qr"]["content"];
        self.http.post(address).json(&json!({ "text": text })).send().await.unwrap().status()
    }

    pub(crate) async fn confirmed(&self) -> Value {
        let order = self.payable().await;
        assert!(self.phone("pay", &order).await.is_success());
        self.until_state(&order, "confirmed").await
    }
}

/// How many of a list are in a state.
pub(crate) fn count(list: &Value, field: &str, state: &str) -> usize {
    list.as_array().unwrap().iter().filter(|entry| entry[field] == state).count()
}
