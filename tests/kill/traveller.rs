//! A traveller who wants one thing and repeats it until it is done, whatever happened to the app meanwhile.
//!
//! Every command carries the same request id each time, as the interface does it. When nothing moves, time does.

use crate::page;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::defect::{self, Defect};
use zhiyou_embedded::{Embedded, Options};
use zhiyou_engine::ports::{Browser, BrowserError, KeyStore, KeyStoreError};

/// Names the data folder, and makes this process the traveller.
pub(crate) const DATA_DIR: &str = "ZHIYOU_KILL_DATA_DIR";
/// Control address of the sandbox with its token, as the app takes it.
pub(crate) const SANDBOX: &str = "ZHIYOU_KILL_SANDBOX";
/// `pay` or `refuse`.
pub(crate) const PAYS: &str = "ZHIYOU_KILL_PAYS";
/// The channel's word.
pub(crate) const CHANNEL: &str = "ZHIYOU_KILL_CHANNEL";

/// A defence taken away, by its word: to show that the judge would notice.
pub(crate) const PLANT: &str = "ZHIYOU_KILL_PLANT";

/// Nothing moved for this long: time does.
const IDLE: Duration = Duration::from_millis(150);
/// By so much, milliseconds; a stuck order meets every deadline it has within [`STEPS_MAX`] of them.
const STEP_MS: i64 = 5_000;
const STEPS_MAX: u32 = 1_200;

/// A keyring in a file, which outlives the process.
pub(crate) struct KeyFile(pub(crate) PathBuf);

impl KeyStore for KeyFile {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(std::fs::read(&self.0).ok().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        let new = self.0.with_extension("new");
        std::fs::write(&new, key).and_then(|()| std::fs::rename(&new, &self.0)).unwrap();
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        let _ = std::fs::remove_file(&self.0);
        Ok(())
    }
}

/// Remembers the page to pay or to sign in on.
#[derive(Default)]
pub(crate) struct Opened(pub(crate) Mutex<Option<Url>>);

impl Browser for Opened {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        *self.0.lock().unwrap() = Some(url.clone());
        Ok(())
    }
}

/// What is wanted in every life.
struct Wish {
    channel: String,
    pays: String,
}

struct Traveller {
    app: Embedded,
    opened: Arc<Opened>,
    http: reqwest::Client,
    control: String,
    token: String,
}

pub(crate) fn main() -> ExitCode {
    let word = std::env::var(PLANT).ok();
    let planted = Defect::ALL.iter().copied().find(|defect| Some(defect.word()) == word.as_deref());
    assert_eq!(word.is_some(), planted.is_some(), "an unknown defect");
    defect::plant(planted);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().on_thread_start(move || defect::plant(planted)).build().unwrap();
    let order = runtime.block_on(async {
        let data_dir = PathBuf::from(std::env::var_os(DATA_DIR).unwrap());
        let sandbox = std::env::var(SANDBOX).unwrap();
        let traveller = Traveller::start(&data_dir, &sandbox).await;
        let wish = Wish { channel: std::env::var(CHANNEL).unwrap(), pays: std::env::var(PAYS).unwrap() };
        let order = traveller.travel(&wish).await;
        traveller.app.stop().await;
        order
    });
    println!("{order}");
    ExitCode::SUCCESS
}

/// The six-item example, or the one in dollars where the channel takes no yuan; without the sign-in that would need a browser.
fn plan(channel: &str) -> String {
    let text = match channel {
        "paypal" => include_str!("../../examples/new-york-weekend.en.json"),
        _ => include_str!("../../examples/chengdu-four-days.en.json"),
    };
    let mut plan: Value = serde_json::from_str(text).unwrap();
    for item in plan["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("member_platform");
    }
    plan.to_string()
}

/// The same id for the same wish, in every life of this traveller.
fn request_id(number: u32) -> String {
    format!("req_01M7YR36000000000000000{number:03}")
}

/// The keyring of the app with this data folder.
pub(crate) fn keys(data_dir: &Path) -> Arc<dyn KeyStore> {
    Arc::new(KeyFile(data_dir.join("test.key")))
}

/// The app, and the browser it opens pages in.
pub(crate) async fn start(data_dir: &Path, sandbox: &str) -> (Embedded, Arc<Opened>) {
    std::fs::create_dir_all(data_dir).unwrap();
    let opened = Arc::<Opened>::default();
    let options = Options {
        data_dir: data_dir.to_path_buf(),
        sandbox_url: Some(sandbox.to_owned()),
        account: zhiyou_embedded::AccountCurrency::default(),
        browser: Arc::clone(&opened) as Arc<dyn Browser>,
        keys: keys(data_dir),
    };
    (Embedded::start(options).await.unwrap(), opened)
}

impl Traveller {
    async fn start(data_dir: &Path, sandbox: &str) -> Self {
        let (app, opened) = start(data_dir, sandbox).await;
        let announced = app.announcement().clone();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { app, opened, http, control: announced.control, token: announced.control_token }
    }

    async fn call(&self, command: &str, payload: Value) -> Value {
        let answer = self.app.engine().dispatch(command, payload).await;
        answer.unwrap_or_else(|fault| panic!("{command}: {fault}"))
    }

    async fn travel(&self, wish: &Wish) -> Value {
        let plan = self.call("import_plan", json!({ "text": plan(&wish.channel), "request_id": request_id(0) })).await;
        let order = self.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id(1) })).await;
        let id = &order["id"];
        let mut doorbell = self.app.engine().doorbell();
        let (mut steps, mut seen) = (0, 0);
        loop {
            doorbell.mark_unchanged();
            let order = self.call("get_order", json!({ "order_id": id })).await;
            let over = !matches!(order["state"].as_str(), Some("draft" | "payment_pending" | "payment_processing"));
            if over && order["next"]["kind"] == "done" {
                return order;
            }
            self.act(&order, wish).await;
            // An order that changed has time again.
            let version = order["version"].as_i64().unwrap();
            if std::mem::replace(&mut seen, version) != version {
                steps = 0;
            }
            if tokio::time::timeout(IDLE, doorbell.changed()).await.is_err() {
                steps += 1;
                assert!(steps < STEPS_MAX, "stuck: {order:#}");
                self.advance().await;
            }
        }
    }

    async fn act(&self, order: &Value, wanted: &Wish) {
        let id = &order["id"];
        match order["next"]["kind"].as_str().unwrap() {
            "choose_seats" => {
                let item = &order["next"]["item_id"];
                let number = order["items"].as_array().unwrap().iter().position(|known| known["id"] == *item).unwrap();
                let request_id = request_id(10 + u32::try_from(number).unwrap());
                let wish = json!({ "order_id": id, "item_id": item, "seats": [], "request_id": request_id });
                self.call("choose_seats", wish).await;
            }
            "confirm" => {
                let wish = json!({
                    "order_id": id, "cart_hash": order["cart_hash"], "channel": wanted.channel, "request_id": request_id(2),
                });
                self.call("confirm_order", wish).await;
            }
            "pay" if wanted.pays == "refuse" => {
                self.phone("refuse", order).await;
                self.call("cancel_order", json!({ "order_id": id, "request_id": request_id(3) })).await;
            }
            "pay" if order["payment"]["hosted"] == true => self.pay_on_page(order, &wanted.channel).await,
            "pay" => self.phone("pay", order).await,
            _ => {}
        }
    }

    /// Opens the channel's page, pays there and comes back by the app's link. A page that was paid on or is over before is no
    /// matter, and neither is a way back that is missed: the channel is asked.
    async fn pay_on_page(&self, order: &Value, channel: &str) {
        let opened = self.app.engine().dispatch("open_payment", json!({ "order_id": order["id"] })).await;
        let page = self.opened.0.lock().unwrap().take().filter(|_| opened.is_ok());
        let Some(page) = page else { return };
        let Some(back) = page::press(&self.http, &page, page::form_of(channel)).await else { return };
        if let Some(link) = page::link(&self.http, &back).await {
            self.app.engine().deep_link(&link).await;
        }
    }

    /// A code that was paid or closed before is refused by the phone, which is no matter.
    async fn phone(&self, action: &str, order: &Value) {
        let code = &order["payment"]["qr"]["content"];
        if code.is_string() {
            let address = format!("{}/api/{action}", self.app.announcement().phone);
            self.http.post(address).json(&json!({ "text": code })).send().await.unwrap();
        }
    }

    async fn advance(&self) {
        let request = self.http.post(format!("{}/clock", self.control)).bearer_auth(&self.token);
        request.json(&json!({ "advance_ms": STEP_MS })).send().await.unwrap();
    }
}
