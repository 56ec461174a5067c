//! As much of the WebDriver protocol as a benchmark needs, over a plain socket.

use crate::shell::Failed;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program under its driver.
pub(super) struct Window {
    driver: Child,
    port: u16,
    session: String,
    started: Instant,
}

fn failed(error: impl ToString) -> Failed {
    Failed(error.to_string())
}

impl Window {
    /// Starts the driver, then the program; the time counts from the program's start.
    ///
    /// What the program says goes to `log`, or nowhere.
    pub(super) fn open(binary: &Path, environment: &[(&str, &str)], log: Option<&Path>) -> Result<Self, Failed> {
        let stderr = match log {
            Some(file) => Stdio::from(File::create(file).map_err(failed)?),
            None => Stdio::null(),
        };
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(failed)?.port();
        let driver = Command::new("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(failed)?;
        let mut window = Self { driver, port, session: String::new(), started: Instant::now() };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if window.started.elapsed() > PATIENCE {
                return Err(failed("the driver does not answer"));
            }
            std::thread::yield_now();
        }
        window.started = Instant::now();
        let options = json!({ "webkitgtk:browserOptions": { "binary": binary, "args": [] } });
        let answer = window.ask("POST", "", &json!({ "capabilities": { "alwaysMatch": options } }))?;
        let session = answer["sessionId"].as_str().ok_or_else(|| failed(format!("no session: {answer}")))?;
        window.session = format!("/{session}");
        window.ask("POST", "/timeouts", &json!({ "implicit": PATIENCE.as_secs() * 1000, "script": 60_000 }))?;
        Ok(window)
    }

    /// Waits until an element is there and painted; milliseconds since the start.
    pub(super) fn until_shown(&self, css: &str) -> Result<u64, Failed> {
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": css }))?;
        if found.get("error").is_some() {
            return Err(failed(format!("never shown: {css}: {found}")));
        }
        // Two frames later it has been painted.
        let painted =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)));";
        self.run(painted, &json!([]))?;
        u64::try_from(self.started.elapsed().as_millis()).map_err(failed)
    }

    /// Runs a script that calls back with its result.
    pub(super) fn run(&self, script: &str, arguments: &Value) -> Result<Value, Failed> {
        self.ask("POST", "/execute/async", &json!({ "script": script, "args": arguments }))
    }

    /// Leaves the program alone.
    pub(super) fn idle(&self, time: Duration) -> Result<(), Failed> {
        let script = format!("const done = arguments[0]; setTimeout(() => done(true), {});", time.as_millis());
        self.run(&script, &json!([])).map(|_| ())
    }

    /// Closes the program, then the driver.
    pub(super) fn close(mut self) {
        let _ = self.ask("DELETE", "", &json!({}));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failed> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut answer = exchange(self.port, method, &format!("/session{}{path}", self.session), "", &body)?;
        Ok(answer["value"].take())
    }
}

/// One request to a server on this machine and its answer as JSON; `headers` end with a line break each.
pub(super) fn exchange(port: u16, method: &str, path: &str, headers: &str, body: &str) -> Result<Value, Failed> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE * 2)).map_err(failed)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).map_err(failed)?;
    read(&mut socket).map_err(|error| Failed(format!("{method} {path}: {error}")))
}

/// Reads one answer: its head, then as many bytes as the head says.
fn read(socket: &mut TcpStream) -> Result<Value, Failed> {
    let (mut bytes, mut part) = (Vec::new(), [0_u8; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return serde_json::from_str(body).map_err(failed);
            }
        }
        match socket.read(&mut part).map_err(failed)? {
            0 => return Err(failed("the driver closed the connection")),
            count => bytes.extend(part.iter().take(count)),
        }
    }
}
