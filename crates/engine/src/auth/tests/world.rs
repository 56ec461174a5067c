//! What sign-in meets in tests: the sandbox's member platform, a person with a browser, a clock to turn, and a platform
//! that answers whatever the test says.

use super::super::*;
use crate::ports::{BrowserError, KeyStore, KeyStoreError};
use serde_json::{Value, json};
use std::{
    sync::{LazyLock, atomic::AtomicI64, atomic::Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::time::UtcMicros;

/// One sandbox for all tests that change nothing in it; its folder has the keys, which take long to make.
static SHARED: LazyLock<(String, std::path::PathBuf)> = LazyLock::new(|| {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let sandbox = sandbox(folder.path()).await;
            send.send((sandbox.announcement().oauth.clone(), folder.path().to_owned())).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receive.recv().unwrap()
});

async fn sandbox(folder: &std::path::Path) -> zhiyou_sandbox::Sandbox {
    let config = zhiyou_sandbox::Config {
        data_dir: folder.to_owned(),
        seed: 1,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        virtual_clock: true,
        control_token: None,
    };
    zhiyou_sandbox::start(config).await.unwrap()
}

pub(super) fn issuer() -> String {
    SHARED.0.clone()
}

/// A member platform of a test's own, which misbehaves as it is told.
pub(super) struct Club {
    pub(super) issuer: String,
    /// Turkish Airlines' own, beside it.
    pub(super) turkish: String,
    sandbox: zhiyou_sandbox::Sandbox,
    folder: TempDir,
}

impl Club {
    pub(super) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::copy(SHARED.1.join("credentials.json"), folder.path().join("credentials.json")).unwrap();
        let sandbox = sandbox(folder.path()).await;
        let told = sandbox.announcement();
        Self { issuer: told.oauth.clone(), turkish: told.turkish.clone(), sandbox, folder }
    }

    /// Families of tokens that the club would still take, by its own book.
    pub(super) async fn live_families(&self) -> std::collections::BTreeSet<String> {
        self.live_families_of("oauth").await
    }

    /// Families of tokens that a platform would still take, by its own book.
    pub(super) async fn live_families_of(&self, provider: &str) -> std::collections::BTreeSet<String> {
        let book = format!("sqlite://{}?mode=ro", self.folder.path().join("sandbox.db").display());
        let pool = sqlx::AnyPool::connect(&book).await.unwrap();
        let tokens: Vec<(String, String, String)> =
            sqlx::query_as("SELECT kind, link, inner FROM documents WHERE kind IN ($1 || '_access', $1 || '_refresh')")
                .bind(provider)
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

    /// One with these switches set.
    pub(super) async fn with(switches: &[Value]) -> Self {
        let club = Self::start().await;
        for switch in switches {
            club.switch(switch.clone()).await;
        }
        club
    }

    /// Sets a switch, of the club unless another provider is named; `{"reset": true}` makes it honest again.
    pub(super) async fn switch(&self, mut switch: Value) {
        if switch.get("provider").is_none() {
            switch["provider"] = json!("oauth");
        }
        let told = self.sandbox.announcement();
        let request = client().post(format!("{}/scenario", told.control)).bearer_auth(&told.control_token);
        assert_eq!(request.json(&switch).send().await.unwrap().status(), 200);
    }
}

thread_local! {
    static NO_PORT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether no port can be had in this thread.
pub(in super::super) fn no_port() -> bool {
    NO_PORT.get()
}

/// From here on no port can be had in this thread, until this is dropped.
pub(super) struct Portless;

impl Portless {
    pub(super) fn new() -> Self {
        NO_PORT.set(true);
        Self
    }
}

impl Drop for Portless {
    fn drop(&mut self) {
        NO_PORT.set(false);
    }
}

/// A clock that moves when told.
pub(super) struct TestClock(AtomicI64);

impl TestClock {
    pub(super) fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcMicros {
        UtcMicros(self.0.load(Ordering::SeqCst))
    }
}

/// A browser that remembers where it was sent, or that does not open.
#[derive(Default)]
pub(super) struct TestBrowser {
    pub(super) broken: bool,
    pub(super) opened: Mutex<Vec<Url>>,
}

impl Browser for TestBrowser {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        if self.broken {
            return Err(BrowserError("no display".to_owned()));
        }
        self.opened.lock().unwrap().push(url.clone());
        Ok(())
    }
}

/// A keyring in memory, or none.
pub(super) struct TestKeys(pub(super) Option<Mutex<Option<Vec<u8>>>>);

impl KeyStore for TestKeys {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        let slot = self.0.as_ref().ok_or_else(|| KeyStoreError::Missing("none".to_owned()))?;
        Ok(slot.lock().unwrap().clone().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        let slot = self.0.as_ref().ok_or_else(|| KeyStoreError::Missing("none".to_owned()))?;
        *slot.lock().unwrap() = Some(key.to_vec());
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// A platform `zz-club` at `issuer`.
pub(super) fn club(issuer: &str) -> Platform {
    Platform { issuer: issuer.to_owned(), ..bundled("zz-club", "http://127.0.0.1") }
}

/// Turkish Airlines at `issuer`.
pub(super) fn turkish(issuer: &str) -> Platform {
    bundled("turkish-airlines", issuer)
}

fn bundled(platform: &'static str, issuer: &str) -> Platform {
    let here = [Installed::sandboxed(platform, issuer.parse().unwrap())];
    Platforms::bundled(&here).unwrap().sign_in.into_iter().find(|known| known.id == platform).unwrap()
}

/// Opens the vaults of those who have no keyring.
pub(super) const PASSPHRASE: &str = "correct horse battery";

/// An installation: what stays when the app is closed, and the app.
pub(super) struct App {
    pub(super) folder: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) browser: Arc<TestBrowser>,
    keys: Arc<TestKeys>,
    pub(super) platforms: Vec<Platform>,
    pub(super) auth: Arc<Auth>,
}

impl App {
    /// The app in demo mode with the sandbox's platform.
    pub(super) async fn start() -> Self {
        Self::with(vec![club(&issuer())], true, TestBrowser::default(), true).await
    }

    /// The app in demo mode with a platform at another issuer.
    pub(super) async fn at(issuer: &str) -> Self {
        Self::with(vec![club(issuer)], true, TestBrowser::default(), true).await
    }

    /// The app with these platforms.
    pub(super) async fn of(platforms: Vec<Platform>) -> Self {
        Self::build(platforms, TestBrowser::default(), true).await
    }

    pub(super) async fn with(platforms: Vec<Platform>, demo: bool, browser: TestBrowser, keyring: bool) -> Self {
        let platforms = platforms.into_iter().map(|platform| Platform { sandbox: demo, ..platform });
        Self::build(platforms.collect(), browser, keyring).await
    }

    async fn build(platforms: Vec<Platform>, browser: TestBrowser, keyring: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_700_000_000_000_000)));
        let (browser, keys) = (Arc::new(browser), Arc::new(TestKeys(keyring.then(Mutex::default))));
        let auth = open(folder.path(), &clock, &browser, &keys, platforms.clone()).await;
        Self { folder, clock, browser, keys, platforms, auth }
    }

    /// Closes the app and opens it again, with the same platforms or others.
    pub(super) async fn restart(&mut self, platforms: Vec<Platform>) {
        self.auth.stop().await;
        self.auth.db.close().await;
        self.auth = open(self.folder.path(), &self.clock, &self.browser, &self.keys, platforms).await;
    }

    /// The app in demo mode with a platform, where there is no keyring and a passphrase was chosen.
    pub(super) async fn with_passphrase(issuer: &str) -> Self {
        let app = Self::with(vec![club(issuer)], true, TestBrowser::default(), false).await;
        app.auth.vault.unlock(PASSPHRASE).await.unwrap();
        app
    }

    /// The app opened again with its vault closed.
    pub(super) async fn closed(&mut self) {
        self.restart(self.platforms.clone()).await;
    }

    /// The app opened again, and its vault too.
    pub(super) async fn opened(&mut self) {
        self.closed().await;
        self.auth.vault.unlock(PASSPHRASE).await.unwrap();
        self.auth.resume().await;
        self.auth.recover().await;
    }

    pub(super) async fn state(&self) -> SignInStateView {
        self.auth.view("zz-club").await.unwrap().state
    }

    /// The address the browser was sent to last.
    pub(super) fn visited(&self) -> Url {
        self.browser.opened.lock().unwrap().last().unwrap().clone()
    }
}

async fn open(
    folder: &std::path::Path,
    clock: &Arc<TestClock>,
    browser: &Arc<TestBrowser>,
    keys: &Arc<TestKeys>,
    platforms: Vec<Platform>,
) -> Arc<Auth> {
    let db = Db::open(folder).await.unwrap();
    let vault = Arc::new(Vault::open(db.clone(), keys.clone(), SystemRandom::new()).await.unwrap());
    Arc::new(Auth::new(db, vault, clock.clone(), browser.clone(), platforms).unwrap())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

/// The person's client: one for all tests, because making one reads every root certificate. It keeps no connection, which
/// would end with the test that opened it.
pub(super) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        builder.pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

/// The person decides on the platform's page; answers the address the browser is sent back to.
pub(super) async fn decide(page: &Url, decision: &str) -> String {
    let html = client().get(page.clone()).send().await.unwrap().text().await.unwrap();
    let number = between(&html, "name=\"number\" value=\"", "\"");
    let form = [("number", number), ("decision", decision)];
    let answer = client().post(page.join("/authorize").unwrap()).form(&form).send().await.unwrap();
    if let Some(location) = answer.headers().get("location") {
        return location.to_str().unwrap().to_owned();
    }
    between(&answer.text().await.unwrap(), "id=\"return\" href=\"", "\"").replace("&amp;", "&")
}

/// What the platform's protected resource says to this token.
pub(super) async fn profile_status(token: &str) -> u16 {
    profile_status_at(&issuer(), token).await
}

/// What the protected resource of the platform at `issuer` says to this token.
pub(super) async fn profile_status_at(issuer: &str, token: &str) -> u16 {
    let request = client().get(format!("{issuer}/profile")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

/// Waits for a condition that will come true.
pub(super) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Reads a request to its end.
async fn whole_request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let count = stream.read(&mut part).await.unwrap_or(0);
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let announced = |head: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let length = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            length.and_then(|(_, value)| value.trim().parse::<usize>().ok()).unwrap_or(0)
        };
        let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= announced(head));
        if count == 0 || is_whole {
            return text.into_owned();
        }
    }
}

/// A platform that answers as told. `{issuer}` in an answer becomes its own address.
pub(super) struct Hostile {
    pub(super) issuer: String,
    /// The first line of every request.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    /// All of every request.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    /// `answer` gets method and path, and gives the status (with further header lines) and the body.
    pub(super) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = (&'static str, String)> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (asked, heard) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (seen, all, name, answer) = (asked.clone(), heard.clone(), issuer.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (seen, all, name, answer) = (seen.clone(), all.clone(), name.clone(), answer.clone());
                tokio::spawn(async move {
                    let text = whole_request(&mut stream).await;
                    let line = text.split(" HTTP/").next().unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(line.clone());
                    all.lock().unwrap().push(text);
                    let (status, body) = answer(line).await;
                    let body = body.replace("{issuer}", &name);
                    let head = format!(
                        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        status.replace("{issuer}", &name),
                        body.len()
                    );
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        Self { issuer, asked, heard }
    }

    /// One that is honest but for its token answer.
    pub(super) async fn with_token_answer(status: &'static str, body: &'static str) -> Self {
        Self::start(
            move |line| async move { if line == "POST /token" { (status, body.to_owned()) } else { metadata() } },
        )
        .await
    }

    pub(super) fn was_asked(&self, line: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|seen| *seen == line).count()
    }
}

/// Sound metadata.
pub(super) fn metadata() -> (&'static str, String) {
    let body = r#"{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token",
        "revocation_endpoint":"{issuer}/revoke","response_types_supported":["code"],
        "code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}"#;
    ("200 OK", body.to_owned())
}

/// A return that a platform would send for the visit, with a code of one's own choice.
pub(super) fn return_for(visit: &Url, code: &str, issuer: &str) -> String {
    let state = visit.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let redirect = visit.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code), ("state", &state), ("iss", issuer)])
        .finish();
    format!("{redirect}?{query}")
}
