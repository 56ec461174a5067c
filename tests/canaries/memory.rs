//! The memory of the running app, as the system shows it: what is there after the person locked the vault or signed out.
//!
//! The test starts itself again as the app, plays the person and the platform from outside of it, and reads all memory the
//! app can write to. Allowed is what is in [`remains`] and nothing else. Deliberately not here: swap and images of a sleeping
//! machine, which are the system's (SE-23).
#![cfg(target_os = "linux")]

use crate::{planted::Nest, search::Needles};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};
use url::Url;
use zeroize::Zeroizing;
use zhiyou_embedded::{AccountCurrency, Embedded, Options};
use zhiyou_engine::ports::{Browser, BrowserError, KeyStore, KeyStoreError};

/// Names the folder of the app, and makes this process that app.
const FOLDER: &str = "ZHIYOU_CANARIES_MEMORY";
/// Address of the sandbox with its token.
const SANDBOX: &str = "ZHIYOU_CANARIES_SANDBOX";
const TEST: &str = "memory::se_03_the_memory_of_a_locked_app_holds_no_root_key";
const PLATFORM: &str = "turkish-airlines";
/// Memory is read in parts of so many bytes, with so many of the part before in front.
const PART: usize = 4 << 20;
const OVERLAP: usize = 4 << 10;

/// Whether something of this kind may be left in memory that was given back: copies that libraries made while they carried
/// it (HTTP, JSON, OAuth), and that are theirs to wipe.
fn remains(kind: &str) -> bool {
    ["access", "refresh", "code"].contains(&kind)
}

/// A keyring in a file, so that the key is known outside.
struct KeyFile(PathBuf);

impl KeyStore for KeyFile {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(std::fs::read(&self.0).ok().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        std::fs::write(&self.0, key).map_err(|error| KeyStoreError::Failed(error.to_string()))
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        let _ = std::fs::remove_file(&self.0);
        Ok(())
    }
}

/// Says which page it was asked to open.
struct Saying;

impl Browser for Saying {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        println!("visit {url}");
        Ok(())
    }
}

/// The app, which does what its standard input says, a command a line, and says what came of it.
fn be_the_app(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = Embedded::start(Options {
            data_dir: folder.join("data"),
            sandbox_url: Some(std::env::var(SANDBOX).unwrap()),
            account: AccountCurrency::default(),
            browser: Arc::new(Saying),
            keys: Arc::new(KeyFile(folder.join("root.key"))),
        })
        .await
        .unwrap();
        println!("\nsaid started");
        for line in std::io::stdin().lines() {
            let line = line.unwrap();
            let (command, payload) = line.split_once(' ').unwrap();
            let answer = app.engine().dispatch(command, serde_json::from_str(payload).unwrap()).await;
            println!("said {}", answer.map_or_else(|fault| format!("{:?}", fault.code), |_| "done".to_owned()));
        }
        app.stop().await;
    });
}

/// The app seen from outside.
struct Seen {
    process: Child,
    commands: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Drop for Seen {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Seen {
    fn start(folder: &Path, sandbox: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, folder)
            .env(SANDBOX, sandbox)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (commands, said) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut seen = Self { process, commands, said };
        assert_eq!(seen.next("said "), "started");
        seen
    }

    /// The next line that begins so.
    fn next(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the app ended");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    fn tell(&mut self, command: &str, payload: Value) {
        writeln!(self.commands, "{command} {payload}").unwrap();
    }

    fn call(&mut self, command: &str, payload: Value) {
        self.tell(command, payload);
        assert_eq!(self.next("said "), "done", "{command}");
    }

    /// How many secrets of each kind are in memory that the app can write to.
    fn memory(&self, nest: &Nest) -> BTreeMap<&'static str, usize> {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let (maps, memory) =
            (std::fs::read_to_string(process.join("maps")).unwrap(), File::open(process.join("mem")).unwrap());
        let (needles, mut found, mut read) = (Needles::of(&nest.planted), std::collections::BTreeSet::new(), 0);
        for (begins, ends) in maps.lines().filter_map(writable) {
            let mut part = vec![0; PART + OVERLAP];
            let mut at = begins;
            while at < ends {
                let from = at.saturating_sub(u64::try_from(OVERLAP).unwrap()).max(begins);
                let wanted = usize::try_from(ends - from).unwrap().min(part.len());
                // What went away meanwhile cannot be read.
                let Ok(count) = memory.read_at(&mut part[..wanted], from) else { break };
                if count == 0 {
                    break;
                }
                read += count;
                if part[..count].iter().any(|byte| *byte != 0) {
                    found.extend(needles.found_in(&part[..count]));
                }
                let next = from + u64::try_from(count).unwrap();
                if next <= at {
                    break;
                }
                at = next;
            }
        }
        assert!(read > 1 << 20, "{read} bytes of memory were read");
        let mut counts = BTreeMap::new();
        for number in found {
            *counts.entry(nest.planted[number].kind).or_default() += 1;
        }
        counts
    }
}

/// A mapping that can be read and written, from and to.
fn writable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (begins, ends) = range.split_once('-')?;
    let address = |text: &str| u64::from_str_radix(text, 16).ok();
    if rights.starts_with("rw") { Some((address(begins)?, address(ends)?)) } else { None }
}

/// The person says yes on the platform's page and comes back.
async fn approve(http: &reqwest::Client, page: &str) {
    let page: Url = page.parse().unwrap();
    let text = http.get(page.clone()).send().await.unwrap().text().await.unwrap();
    let number = text.split_once("name=\"number\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let form = [("number", number), ("decision", "approve")];
    let answer = http.post(page.join("/authorize").unwrap()).form(&form).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(http.get(back).send().await.unwrap().status(), 200);
}

#[test]
fn se_03_the_memory_of_a_locked_app_holds_no_root_key() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return be_the_app(Path::new(&folder));
    }
    let (folder, world) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = zhiyou_sandbox::Config {
        data_dir: world.path().to_path_buf(),
        seed: 1,
        account: AccountCurrency::default(),
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        virtual_clock: false,
        control_token: None,
    };
    let sandbox = runtime.block_on(zhiyou_sandbox::start(config)).unwrap();
    let told = sandbox.announcement().clone();
    let address = told.control.replace("http://", &format!("http://:{}@", told.control_token));
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    // Every use of a token fetches another one first.
    let brief = json!({ "provider": "turkish", "switch": "access_ttl_s", "value": 30 });
    let request = http.post(format!("{}/scenario", told.control)).bearer_auth(&told.control_token).json(&brief);
    assert!(runtime.block_on(request.send()).unwrap().status().is_success());

    let mut app = Seen::start(folder.path(), &address);
    let about = || json!({ "platform": PLATFORM });
    app.tell("login_to_platform", json!({ "platform": PLATFORM, "return_by": "loopback" }));
    let page = app.next("visit ");
    assert_eq!(app.next("said "), "done");
    runtime.block_on(approve(&http, &page));
    for _ in 0..3 {
        app.call("read_member", about());
    }
    let mut nest = Nest::default();
    nest.keep("root key", std::fs::read(folder.path().join("root.key")).unwrap());
    runtime.block_on(nest.keep_tokens_of("turkish", &world.path().join("sandbox.db")));
    assert!(nest.counts()["refresh"] >= 3, "{:?}", nest.counts());
    let used = app.memory(&nest);
    assert_eq!(used.get("root key"), Some(&1), "what is there is found: {used:?}");

    app.call("lock_vault", json!({}));
    let locked = app.memory(&nest);
    println!("in use {used:?}, locked {locked:?}");
    assert!(locked.keys().all(|kind| remains(kind)), "{locked:?}");

    app.call("retry_keyring", json!({}));
    app.call("read_member", about());
    app.call("disconnect", about());
    app.call("lock_vault", json!({}));
    let signed_out = app.memory(&nest);
    println!("signed out {signed_out:?}");
    assert!(signed_out.keys().all(|kind| remains(kind)), "{signed_out:?}");
}
