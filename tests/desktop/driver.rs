//! A W3C WebDriver client, as small as these tests need; it drives the app's web view and the traveller's browser alike.

use serde_json::{Value, json};
use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A driver program and one session in it.
pub(crate) struct Driver {
    program: Child,
    session: String,
    http: reqwest::Client,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Driver {
    pub(crate) async fn start(mut command: Command, port: u16, capabilities: Value) -> Self {
        let program = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(2 * PATIENCE).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let mut driver = Self { program, session: String::new(), http };
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let started = Instant::now();
        loop {
            // The driver needs a moment until it listens.
            let answer = driver.http.post(format!("{base}/session")).json(&wanted).send().await;
            if let Ok(answer) = answer {
                let body: Value = answer.json().await.unwrap();
                let id = body["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {body}"));
                driver.session = format!("{base}/session/{id}");
                return driver;
            }
            assert!(started.elapsed() < PATIENCE, "the driver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, Value> {
        let answer = self.http.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        let (success, body) = (answer.status().is_success(), answer.json::<Value>().await.unwrap());
        if success { Ok(body["value"].clone()) } else { Err(body["value"].clone()) }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await.unwrap();
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
            .await
            .unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// Waits until the script answers something true, and returns that.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        let started = Instant::now();
        loop {
            if let Ok(value) = self.post("/execute/sync", json!({ "script": script, "args": [] })).await
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return value;
            }
            if started.elapsed() > PATIENCE {
                let page = self.run("return location.hash + '\\n' + document.body.innerText").await;
                panic!("never {what}:\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits for an element that can be seen, scrolls to it and clicks it as a person would.
    pub(crate) async fn click(&self, css: &str) {
        let ready = format!(
            "const e = document.querySelector({css:?}); if (!e || e.disabled || e.getClientRects().length === 0) return false;\
             e.scrollIntoView({{ block: 'center' }}); const r = e.getBoundingClientRect();\
             const there = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);\
             return !!there && (e.contains(there) || there.contains(e))"
        );
        let started = Instant::now();
        loop {
            self.until(css, &ready).await;
            let Err(error) = self.click_now(css).await else { return };
            // The page drew it anew in between; nothing was clicked.
            assert!(started.elapsed() < PATIENCE, "{css}: {error}");
        }
    }

    async fn click_now(&self, css: &str) -> Result<(), Value> {
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await?;
        let id = found[ELEMENT].as_str().unwrap();
        self.post(&format!("/element/{id}/click"), json!({})).await.map(drop)
    }

    /// Presses keys one after the other, as a keyboard would; a modifier stays down until the null key.
    pub(crate) async fn keys(&self, keys: &str) {
        let (mut actions, mut held) = (Vec::new(), Vec::new());
        for key in keys.chars() {
            match key {
                '\u{e000}' => actions.extend(held.drain(..).map(|key| json!({ "type": "keyUp", "value": key }))),
                '\u{e009}' => {
                    actions.push(json!({ "type": "keyDown", "value": key }));
                    held.push(key);
                }
                key => actions.extend(["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }))),
            }
        }
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.post("/actions", body).await.unwrap();
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let script = format!(
            "const e = document.querySelector({css:?}); if (!e) return false; e.value = {text:?}; \
             e.dispatchEvent(new Event('input', {{ bubbles: true }})); e.dispatchEvent(new Event('change', {{ bubbles: true }})); return true"
        );
        self.until(css, &script).await;
    }

    pub(crate) async fn attribute(&self, css: &str, name: &str, value: &str) {
        let script = format!("return document.querySelector({css:?})?.getAttribute({name:?}) === {value:?}");
        self.until(&format!("{css} {name}={value}"), &script).await;
    }

    pub(crate) async fn size(&self, width: u32, height: u32) {
        // Not every window manager grants every size; the pictures show what was granted.
        let _ = self.post("/window/rect", json!({ "width": width, "height": height })).await;
    }

    /// Ends the driver, and its window if that is still open: the next one must be the first.
    pub(crate) fn abandon(&mut self) {
        if matches!(self.program.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.program.id())]).status();
        }
        let _ = self.program.kill();
        let _ = self.program.wait();
    }

    /// Closes the window in order.
    pub(crate) async fn close(&self) {
        let _ = self.http.delete(&self.session).send().await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.abandon();
    }
}
