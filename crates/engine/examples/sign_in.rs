//! Signs in to any authorization server, as the app does with the platform of one's own (`oidc`), with a person's browser
//! elsewhere.
//!
//! `sign_in ISSUER CLIENT_ID LOOPBACK_PATH` prints one JSON object per line: first `{"visit": url}`, then how the
//! visit ended, then one answer per line of standard input: `fetch URL` (with the token), `later SECONDS` (moves the
//! clock), `disconnect`. It ends with its input. Secrets are kept in a folder that is deleted at the end, and not printed.

use serde_json::{Value, json};
use std::{
    error::Error,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::sync::mpsc;
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::time::UtcMicros;
use zhiyou_engine::{
    api::view::SignInStateView,
    auth::{Auth, AuthError, Installed, Platforms},
    ports::{Browser, BrowserError, Clock, KeyStore, KeyStoreError},
    store::Db,
    vault::Vault,
};

const PLATFORM: &str = "oidc";

/// System time, plus what `later` added.
#[derive(Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> UtcMicros {
        UtcMicros(jiff::Timestamp::now().as_microsecond()).plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Prints the address instead of opening it.
struct Printer;

impl Browser for Printer {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        say(&json!({"visit": url})).map_err(|error| BrowserError(error.to_string()))
    }
}

/// A keyring for as long as this runs.
#[derive(Default)]
struct Pocket(Mutex<Option<Vec<u8>>>);

impl KeyStore for Pocket {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.to_vec());
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

fn say(line: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = |what: &str| words.next().ok_or(format!("missing {what}"));
    let (issuer, client_id, path) = (word("ISSUER")?, word("CLIENT_ID")?, word("LOOPBACK_PATH")?);
    // The server is on this machine.
    let here = Installed {
        client_id: Some(client_id),
        loopback_path: Some(path),
        ..Installed::sandboxed(PLATFORM, issuer.parse()?)
    };
    let platforms = Platforms::bundled(&[here])?.sign_in;
    let folder = tempfile::tempdir()?;
    let db = Db::open(folder.path()).await?;
    let vault = Vault::open(db.clone(), Arc::new(Pocket::default()), aws_lc_rs::rand::SystemRandom::new()).await?;
    let clock = Arc::new(MovedClock::default());
    let auth = Auth::new(db.clone(), Arc::new(vault), clock.clone(), Arc::new(Printer), platforms)?;
    let ended = converse(&Arc::new(auth), &db, &clock).await;
    db.close().await;
    ended
}

async fn converse(auth: &Arc<Auth>, db: &Db, clock: &MovedClock) -> Result<(), Box<dyn Error>> {
    let mut doorbell = db.doorbell();
    doorbell.mark_unchanged();
    auth.start(PLATFORM, None).await?;
    while let SignInStateView::Waiting { .. } = auth.view(PLATFORM).await?.state {
        doorbell.changed().await?;
    }
    say(&json!({"ended": auth.view(PLATFORM).await?.state}))?;
    let mut lines = input();
    while let Some(line) = lines.recv().await {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("fetch", url) => say(&fetch(auth, &url.parse()?).await?)?,
            ("later", seconds) => {
                clock.0.fetch_add(seconds.parse()?, Ordering::SeqCst);
                say(&json!({"later": clock.now().to_rfc3339()}))?;
            }
            ("disconnect", _) => say(&json!({"ended": auth.disconnect(PLATFORM).await?.state}))?,
            _ => return Err(format!("not a command: {line}").into()),
        }
    }
    Ok(())
}

/// Standard input by lines.
fn input() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// Fetches with the token; a refused one is replaced once, as every caller does.
async fn fetch(auth: &Auth, url: &Url) -> Result<Value, Box<dyn Error>> {
    for last_try in [false, true] {
        let bearer = match auth.access_token(PLATFORM).await {
            Ok(bearer) => bearer,
            Err(AuthError::NotConnected) => return Ok(json!({"no_token": "not_connected"})),
            Err(AuthError::Expired) => return Ok(json!({"no_token": "expired"})),
            Err(error) => return Err(error.into()),
        };
        if !bearer.may_go_to(url) {
            return Ok(json!({"no_token": "another host"}));
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let answer = client.get(url.clone()).bearer_auth(bearer.token.expose()).send().await?;
        let status = answer.status().as_u16();
        if status != 401 || last_try {
            return Ok(json!({"status": status}));
        }
        auth.rejected(PLATFORM, &bearer.token).await;
    }
    Ok(json!({"no_token": "refused"}))
}
