//! A sandbox as a process of its own, the app in its window, and the traveller's browser.

use crate::driver::{Driver, free_port};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};
use tempfile::TempDir;

pub(crate) struct Stage {
    _sandbox: Sandbox,
    pub(crate) announced: Value,
    folder: TempDir,
    pub(crate) window: Driver,
    http: reqwest::Client,
    /// What stood on every screen that was pictured, in its fields too.
    read: Mutex<String>,
}

pub(crate) fn program(name: &str) -> PathBuf {
    // Test binaries lie beside the programs: …/debug/deps/desktop-….
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join(name)
}

/// What stands on the display, frame and all.
fn photograph(file: &Path) {
    assert!(Command::new("import").args(["-window", "root"]).arg(file).status().unwrap().success());
}

/// Where the app on this stage keeps its data.
fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The program, started so that the app finds this stage.
fn on_stage(program: &str, folder: &Path, announced: &Value) -> Command {
    let control = announced["control"].as_str().unwrap();
    let token = announced["control_token"].as_str().unwrap();
    let mut command = Command::new(program);
    command
        .env("ZHIYOU_DATA_DIR", data_dir(folder))
        .env("ZHIYOU_SANDBOX_URL", control.replace("http://", &format!("http://:{token}@")))
        .env("ZHIYOU_TEST_BROWSER", folder.join("opened"))
        .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    command
}

async fn open_window(folder: &Path, announced: &Value, environment: &[(&str, &str)]) -> Driver {
    let port = free_port();
    let mut command = on_stage("WebKitWebDriver", folder, announced);
    command.arg(format!("--port={port}")).env("TAURI_WEBVIEW_AUTOMATION", "true").envs(environment.iter().copied());
    let binary = program("zhiyou");
    let window =
        Driver::start(command, port, json!({ "webkitgtk:browserOptions": { "binary": binary, "args": [] } })).await;
    window.until("the first screen", "return document.querySelector('[data-testid=demo-band]') !== null").await;
    window
}

impl Stage {
    pub(crate) async fn new(environment: &[(&str, &str)]) -> Self {
        Self::in_currency("CNY", environment).await
    }

    /// With suppliers that quote in this currency.
    pub(crate) async fn in_currency(currency: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut sandbox = Command::new(program("zhiyouctl"))
            .args(["sandbox", "--currency", currency, "--data-dir"])
            .arg(folder.path().join("sandbox"))
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .map(Sandbox)
            .unwrap();
        let mut line = String::new();
        BufReader::new(sandbox.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap();
        let window = open_window(folder.path(), &announced, environment).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { _sandbox: sandbox, announced, folder, window, http, read: Mutex::default() }
    }

    /// The processes that are this stage's app, whoever started it: our program, told to keep its data here.
    fn app(&self) -> Vec<String> {
        let (binary, told) = (program("zhiyou"), format!("ZHIYOU_DATA_DIR={}", data_dir(self.folder.path()).display()));
        let is_it = |process: &Path| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe == binary)
                && environment.split(|byte| *byte == 0).any(|entry| entry == told.as_bytes())
        };
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let found = processes.filter(|process| is_it(&process.path()));
        found.filter_map(|process| process.file_name().into_string().ok()).collect()
    }

    /// Kills the app as a power cut would; no other program of its name.
    fn kill(&mut self) {
        let pids = self.app();
        assert!(!pids.is_empty(), "there is no app to kill");
        for pid in pids {
            Command::new("kill").args(["-9", &pid]).status().unwrap();
        }
        self.window.abandon();
    }

    /// Kills the app as a power cut would, and opens it again.
    pub(crate) async fn kill_and_reopen(&mut self) {
        self.kill();
        self.reopen(&[]).await;
    }

    /// Kills the app and follows a link as a browser does, which starts it anew. Once the question, asked of the app's
    /// database, is answered, the app is in a window that can be driven again.
    pub(crate) async fn start_by(&mut self, link: &str, until: &'static str) {
        self.kill();
        let opener = on_stage("gio", self.folder.path(), &self.announced).args(["open", link]).status().unwrap();
        assert!(opener.success());
        sqlx::any::install_default_drivers();
        let file = format!("sqlite://{}?mode=ro", data_dir(self.folder.path()).join("zhiyou.db").display());
        let database = sqlx::AnyPool::connect(&file).await.unwrap();
        let answered = async {
            while sqlx::query(until).fetch_optional(&database).await.unwrap().is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), answered).await.unwrap();
        database.close().await;
        self.kill_and_reopen().await;
    }

    async fn control(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(self.announced["control_token"].as_str().unwrap()).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.json().await.unwrap_or(Value::Null)
    }

    pub(crate) async fn book(&self) -> Value {
        self.control(self.http.get(format!("{}/book", self.announced["control"].as_str().unwrap()))).await
    }

    pub(crate) async fn advance(&self, minutes: i64) {
        let address = format!("{}/clock", self.announced["control"].as_str().unwrap());
        self.control(self.http.post(address).json(&json!({ "advance_ms": minutes * 60_000 }))).await;
    }

    /// What a supplier does by itself.
    pub(crate) async fn scenario(&self, switch: Value) {
        let address = format!("{}/scenario", self.announced["control"].as_str().unwrap());
        self.control(self.http.post(address).json(&switch)).await;
    }

    /// The traveller's own browser, apart from the app.
    pub(crate) async fn browser(&self) -> Driver {
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let profile = self.folder.path().join("browser");
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        Driver::start(command, port, json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments } }))
            .await
    }

    /// The page the app wants to open, once it does.
    pub(crate) async fn opened(&self) -> String {
        let file = self.folder.path().join("opened");
        let address = async {
            loop {
                match std::fs::read_to_string(&file) {
                    Ok(address) if !address.is_empty() => return address,
                    _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), address).await.unwrap()
    }

    /// What an independent reader finds in a picture of the window.
    pub(crate) fn read_code(&self) -> String {
        let picture = self.folder.path().join("code.png");
        photograph(&picture);
        let read = Command::new("zbarimg")
            .args(["-q", "--raw", "-Sdisable", "-Sqrcode.enable"])
            .arg(&picture)
            .output()
            .unwrap();
        String::from_utf8(read.stdout).unwrap().trim().to_owned()
    }

    /// Keeps a picture of the window among the build results, and what stands in it.
    pub(crate) async fn keep_picture(&self, name: &str) {
        let words = "const fields = [...document.querySelectorAll('input, textarea')]; \
            return [document.body.innerText, ...fields.map((field) => field.value)].join('\\n')";
        let words = self.window.run(words).await;
        self.read.lock().unwrap().push_str(words.as_str().unwrap());
        let folder = program("zhiyou").parent().unwrap().parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        photograph(&folder.join(format!("{name}.png")));
    }

    /// What stood in every picture so far.
    pub(crate) fn read(&self) -> String {
        self.read.lock().unwrap().clone()
    }

    /// Opens the app again after it was closed or killed, in this environment.
    pub(crate) async fn reopen(&mut self, environment: &[(&str, &str)]) {
        self.window = open_window(self.folder.path(), &self.announced, environment).await;
    }

    /// Runs the headless tool on the app's data folder and returns what it printed.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Value {
        let output = Command::new(program("zhiyouctl"))
            .args(arguments)
            .env("ZHIYOU_DATA_DIR", data_dir(self.folder.path()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Follows a link as a browser does. The system starts the app a second time for it, which hands the link to the
    /// window and ends; only then is the link delivered.
    pub(crate) async fn follow(link: &str) {
        let mut turns = 0;
        // An app that was just started needs a moment to register itself for its links.
        while !Command::new("gio").args(["open", link]).status().unwrap().success() {
            turns += 1;
            assert!(turns < 600, "the link was not opened: {link}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let carried = || {
            let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            let mut lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
            lines.any(|line| String::from_utf8_lossy(&line).contains(link))
        };
        while carried() {
            turns += 1;
            assert!(turns < 1200, "the link was not delivered: {link}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn close(self) {
        self.window.close().await;
    }
}

/// A sandbox that ends with the test, also with one that fails.
struct Sandbox(Child);

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn count(list: &Value, field: &str, state: &str) -> usize {
    list.as_array().unwrap().iter().filter(|entry| entry[field] == state).count()
}

/// A question of the page is answered by the core, a few times over.
pub(crate) async fn rings(window: &Driver) {
    for _ in 0..20 {
        let asks = "return window.__TAURI_INTERNALS__.invoke('rpc', { name: 'get_session', payload: {} }).then((session) => session.demo)";
        assert_eq!(window.run(asks).await, true);
    }
}

/// A message bus on which nobody offers a keyring.
pub(crate) struct BusWithoutKeyring {
    daemon: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

impl BusWithoutKeyring {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:dir={}</listen><policy context=\"default\"><allow send_destination=\"*\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }
}

impl Drop for BusWithoutKeyring {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
