//! Somebody who wants to be signed in, to stay it, and to have a new root key, and repeats it until it is so; and what the
//! platform's own book has to say afterwards: one living family of tokens, and everything sealed here opens.
//!
//! Deliberately not here: orders.

use crate::{
    judge::{Sandbox, how_it_ended, signalled},
    traveller::{self, DATA_DIR, Opened, SANDBOX},
};
use aws_lc_rs::rand::SystemRandom;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use sqlx::AnyPool;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    sync::Arc,
    time::Duration,
};
use url::Url;
use zhiyou_embedded::Embedded;
use zhiyou_engine::{
    fault::FaultCode,
    store::Db,
    vault::{Place, Vault, VaultState},
};

/// Makes this process the member.
pub(crate) const IS_MEMBER: &str = "ZHIYOU_KILL_MEMBER";
/// Where the member signs in: a client is registered for every visit, and the token is used at an MCP server.
const PLATFORM: &str = "turkish-airlines";
/// Longer than an access token lives, milliseconds.
const LATER_MS: i64 = 2 * 3600 * 1000;
/// Visits in one life: a sign-in that was cut off takes one more.
const VISITS_MAX: usize = 4;
/// How long to wait for what will come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct SignIn {
    pub(crate) name: &'static str,
}

pub(crate) const SIGN_IN: SignIn = SignIn { name: "a_sign_in_a_refresh_and_a_new_root_key" };

struct Member {
    app: Embedded,
    opened: Arc<Opened>,
    http: reqwest::Client,
}

pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let data_dir = PathBuf::from(std::env::var_os(DATA_DIR).unwrap());
        let (app, opened) = traveller::start(&data_dir, &std::env::var(SANDBOX).unwrap()).await;
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let member = Member { app, opened, http };
        member.live().await;
        member.app.stop().await;
    });
    ExitCode::SUCCESS
}

impl Member {
    async fn live(&self) {
        self.call("save_traveller", somebody()).await;
        self.is_answered().await;
        self.later().await;
        self.is_answered().await;
        self.call("rotate_root_key", json!({ "passphrase": null })).await;
        self.is_answered().await;
        self.until("the platform was told everything", async || self.sign_in_row().await["untold"] == false).await;
    }

    async fn call(&self, command: &str, payload: Value) -> Value {
        let answer = self.app.engine().dispatch(command, payload).await;
        answer.unwrap_or_else(|fault| panic!("{command}: {fault}"))
    }

    /// What only the member sees is seen; where the sign-in is over, after another.
    async fn is_answered(&self) {
        for _ in 0..VISITS_MAX {
            match self.app.engine().dispatch("read_member", json!({ "platform": PLATFORM })).await {
                Ok(seen) => return assert_eq!(seen["flights"][0]["number"], "TK89", "{seen}"),
                Err(fault) if fault.code == FaultCode::AuthRequired => self.visit().await,
                Err(fault) => panic!("read_member: {fault}"),
            }
        }
        panic!("never signed in: {}", self.sign_in_row().await);
    }

    /// Goes to the platform, unless a visit that was cut off came to its end by itself.
    async fn visit(&self) {
        self.call("login_to_platform", json!({ "platform": PLATFORM, "return_by": "deep_link" })).await;
        let Some(page) = self.opened.0.lock().unwrap().take() else { return };
        let back = self.approve(&page).await;
        self.app.engine().deep_link(&back).await;
    }

    async fn approve(&self, page: &Url) -> String {
        let text = self.http.get(page.clone()).send().await.unwrap().text().await.unwrap();
        let between = |text: &str, from: &str| text.split_once(from).unwrap().1.split_once('"').unwrap().0.to_owned();
        let number = between(&text, "name=\"number\" value=\"");
        let form = [("number", number.as_str()), ("decision", "approve")];
        let answer = self.http.post(page.join("/authorize").unwrap()).form(&form).send().await.unwrap();
        match answer.headers().get("location") {
            Some(location) => location.to_str().unwrap().to_owned(),
            None => between(&answer.text().await.unwrap(), "id=\"return\" href=\"").replace("&amp;", "&"),
        }
    }

    async fn sign_in_row(&self) -> Value {
        let rows = self.call("list_sign_ins", json!({ "plan_id": null })).await;
        rows.as_array().unwrap().iter().find(|row| row["platform"] == PLATFORM).unwrap().clone()
    }

    /// Until the token of now has run out.
    async fn later(&self) {
        let now = async || self.call("get_session", json!({})).await["now_us"].as_i64().unwrap();
        let wanted = now().await + LATER_MS * 900;
        let announced = self.app.announcement();
        let request = self.http.post(format!("{}/clock", announced.control)).bearer_auth(&announced.control_token);
        assert!(request.json(&json!({ "advance_ms": LATER_MS })).send().await.unwrap().status().is_success());
        self.until("the clock was moved", async || now().await >= wanted).await;
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let wait = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

fn somebody() -> Value {
    json!({
        "traveller_id": "trv_01M7YR36000000000000000001", "display_name": "林夏", "title": "ms", "gender": "f",
        "given_name": "Xia", "family_name": "Lin", "born_on": "1992-03-14", "email": "xia.lin@example.com",
        "phone_number": "+8613800138000", "residence_country": "CN", "documents": [], "loyalty": [],
        "seat": "window", "meal": "any",
    })
}

impl SignIn {
    /// One life, killed once on the way if the commit is reached; whether it was, and what is wrong.
    pub(crate) fn live(&self, keys: &Path, point: usize) -> (bool, Result<(), String>) {
        let folder = tempfile::tempdir().unwrap();
        let (world, data) = (folder.path().join("sandbox"), folder.path().join("data"));
        let sandbox = Sandbox::with_keys(&world, keys, "CNY");
        let first = lived(&sandbox, &data, Some(point));
        let killed = !first.status.success() && signalled(&first);
        let last = if killed { lived(&sandbox, &data, None) } else { first };
        if !last.status.success() {
            return (killed, Err(how_it_ended(&last)));
        }
        (killed, judged(&world, &data))
    }
}

/// Two installations of one member at one platform: what a sign-in that was doubled would look like.
pub(crate) fn second_family_is_noticed(keys: &Path) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("sandbox");
    let sandbox = Sandbox::with_keys(&world, keys, "CNY");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let lives = |data: &Path| lived(&sandbox, data, None).status.success();
    lives(&one) && judged(&world, &one).is_ok() && lives(&two) && judged(&world, &one).is_err()
}

fn lived(sandbox: &Sandbox, data: &Path, kill_at: Option<usize>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(IS_MEMBER, "1").env(DATA_DIR, data).env(SANDBOX, sandbox.address()).stdin(Stdio::null());
    if let Some(point) = kill_at {
        command.env("ZHIYOU_TEST_KILL_AT_COMMIT", point.to_string());
    }
    command.output().unwrap()
}

/// One family of tokens lives, no more and no fewer, and everything that is sealed here opens.
fn judged(world: &Path, data: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let living = living_families(&world.join("sandbox.db")).await;
        if living.len() != 1 {
            return Err(format!("{} families of tokens are alive", living.len()));
        }
        match unreadable(data).await {
            unreadable if unreadable.is_empty() => Ok(()),
            unreadable => Err(format!("unreadable: {unreadable:?}")),
        }
    })
}

/// Families of tokens that the platform would still take, by its own book.
async fn living_families(book: &Path) -> BTreeSet<String> {
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&format!("sqlite://{}?mode=ro", book.display())).await.unwrap();
    let tokens: Vec<(String, String, String)> =
        sqlx::query_as("SELECT kind, link, inner FROM documents WHERE kind IN ('turkish_access', 'turkish_refresh')")
            .fetch_all(&pool)
            .await
            .unwrap();
    pool.close().await;
    let lives = |kind: &str, inner: &str| {
        let inner: Value = serde_json::from_str(inner).unwrap();
        inner["dead"] != true && (kind.ends_with("_access") || inner["used"] != true)
    };
    tokens.into_iter().filter(|(kind, _, inner)| lives(kind, inner)).map(|(_, family, _)| family).collect()
}

/// Every sealed value that does not open, or should not be there any more; the vault itself, if that is closed.
async fn unreadable(data: &Path) -> Vec<String> {
    let db = Db::open(data).await.unwrap();
    let vault = Vault::open(db.clone(), traveller::keys(data), SystemRandom::new()).await.unwrap();
    let mut unreadable = Vec::new();
    if vault.state() != VaultState::Open {
        unreadable.push(format!("vault: {:?}", vault.state()));
    }
    let documents: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, id FROM sealed").fetch_all(db.reader()).await.unwrap();
    if !documents.iter().any(|(kind, _)| kind == "traveller") {
        unreadable.push("nobody is kept".to_owned());
    }
    for (kind, id) in documents {
        let left = matches!(kind.as_str(), "root_key" | "revocation" | "tokens_unopened" | "visit_unopened");
        if left || !vault.get(&kind, &id).await.is_ok_and(|plain| plain.is_some()) {
            unreadable.push(format!("{kind} {id}"));
        }
    }
    let rows: Vec<(String, i64, String, Option<Vec<u8>>)> =
        sqlx::query_as("SELECT platform, serial, issuer, tokens FROM sign_ins").fetch_all(db.reader()).await.unwrap();
    for (platform, serial, issuer, tokens) in rows {
        let row = format!("{platform}/{serial}/{issuer}");
        let place = Place { table: "sign_ins", row: &row, column: "tokens" };
        if tokens.is_none_or(|tokens| vault.open_sealed(&place, &tokens).is_err()) {
            unreadable.push(format!("tokens of {platform}"));
        }
    }
    db.close().await;
    unreadable
}
