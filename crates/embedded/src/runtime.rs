//! How a tool on this machine finds the running app: `runtime.json` in the data folder, and the socket it names.
//!
//! One JSON object per line. `{"call": name, "payload": {…}}` is answered by `{"result": …}` or `{"fault": {…}}`;
//! `{"wait": cursor}` is answered by `{"cursor": n}` once something newer has happened. Folder, file and socket belong
//! to this user alone. Deliberately not here: the spending of money outside the demo, see [`Engine::dispatch_for_tool`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_engine::{
    Engine,
    api::view::FaultView,
    fault::{Fault, FaultCode},
};

const FILE: &str = "runtime.json";
/// Bytes of one line; a plan file, which is the longest thing sent, has at most one megabyte.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a socket's path that every system takes (`sun_path` is 104 bytes on some).
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// What `runtime.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Process id of the app.
    pub pid: u32,
    /// Its socket.
    pub socket: PathBuf,
    /// The sandbox's control API.
    pub control: String,
    /// Bearer of the control API.
    pub control_token: String,
}

impl Runtime {
    /// What the data folder says, if anything; the app it names may have ended without saying so.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data_dir.join(FILE)).ok()?).ok()
    }
}

/// The open socket and the file that names it.
pub(crate) struct Served {
    file: PathBuf,
    folder: PathBuf,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Served {
    /// Opens the socket and writes the file.
    pub(crate) fn start(data_dir: &Path, engine: &Arc<Engine>, control: &str, control_token: &str) -> io::Result<Self> {
        let pid = std::process::id();
        let beside = data_dir.join("run");
        let short = beside.as_os_str().len() + "/zhiyou.sock".len() <= SOCKET_PATH_BYTES_MAX;
        let folder = if short { beside } else { std::env::temp_dir().join(format!("zhiyou-{pid}")) };
        // A folder of ours that an earlier run left behind; one of somebody else's cannot be removed and is refused below.
        let _ = std::fs::remove_dir_all(&folder);
        // Not recursive: a folder that is still there belongs to somebody else.
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let socket = folder.join("zhiyou.sock");
        let listener = UnixListener::bind(&socket)?;
        let file = data_dir.join(FILE);
        let runtime = Runtime { pid, socket, control: control.to_owned(), control_token: control_token.to_owned() };
        write_private(&file, &serde_json::to_vec(&runtime)?)?;
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let (ends, served, tasks) = (stop.clone(), Arc::clone(engine), tracker.clone());
        tracker.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = ends.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, _)) => {
                        let (engine, ends) = (Arc::clone(&served), ends.clone());
                        tasks.spawn(async move {
                            tokio::select! {
                                () = ends.cancelled() => {}
                                ended = serve(&engine, stream) => {
                                    if let Err(error) = ended {
                                        tracing::debug!(%error, "a tool went away");
                                    }
                                }
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the socket for tools is closed");
                        return;
                    }
                }
            }
        });
        Ok(Self { file, folder, stop, tracker })
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        // What is left behind says nothing wrong: nobody answers there.
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Replaces a file whole, readable by this user alone.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
    let new = file.with_extension("json.new");
    let _ = std::fs::remove_file(&new);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(bytes)?;
    std::fs::rename(&new, file)
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Asked {
    Call { call: String, payload: Value },
    Wait { wait: i64 },
}

async fn serve(engine: &Arc<Engine>, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let length = (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
        }
        let mut answer = serde_json::to_vec(&answer(engine, &line).await)?;
        answer.push(b'\n');
        write.write_all(&answer).await?;
    }
}

async fn answer(engine: &Arc<Engine>, line: &[u8]) -> Value {
    let result = match serde_json::from_slice(line) {
        Ok(Asked::Call { call, payload }) => {
            // A panic ends the call, not the socket.
            let engine = Arc::clone(engine);
            let call = tokio::spawn(async move { engine.dispatch_for_tool(&call, payload).await });
            call.await.unwrap_or_else(|error| Err(Fault::new(FaultCode::Internal, error.to_string())))
        }
        Ok(Asked::Wait { wait }) => {
            let mut doorbell = engine.doorbell();
            match doorbell.wait_for(|cursor| *cursor > wait).await {
                Ok(cursor) => return json!({ "cursor": *cursor }),
                Err(_) => Err(Fault::new(FaultCode::Internal, "the app is closing")),
            }
        }
        Err(error) => Err(Fault::new(FaultCode::MalformedInput, error.to_string())
            .with("path", "line")
            .with("problem", "malformed")),
    };
    match result {
        Ok(result) => json!({ "result": result }),
        Err(fault) => json!({ "fault": FaultView::from(&fault) }),
    }
}

/// A tool's side of the socket.
pub struct Client {
    lines: BufReader<tokio::net::unix::OwnedReadHalf>,
    write: tokio::net::unix::OwnedWriteHalf,
}

/// Why the running app did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It said no.
    #[error("{} {}", .0["code"].as_str().unwrap_or_default(), .0["params"])]
    Refused(Value),
    /// It is not there any more, or speaks otherwise.
    #[error("the running app does not answer: {0}")]
    Gone(#[from] io::Error),
}

impl Client {
    /// Connects to the app that runs on a data folder; `None` when none does.
    pub async fn connect(data_dir: &Path) -> Option<(Self, Runtime)> {
        let runtime = Runtime::read(data_dir)?;
        let (read, write) = UnixStream::connect(&runtime.socket).await.ok()?.into_split();
        Some((Self { lines: BufReader::new(read), write }, runtime))
    }

    /// Carries out one command of the API.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&mut self, name: &str, payload: Value) -> Result<Value, ClientError> {
        let mut answer = self.ask(&json!({ "call": name, "payload": payload })).await?;
        match answer.get_mut("fault") {
            Some(fault) => Err(ClientError::Refused(fault.take())),
            None => Ok(answer["result"].take()),
        }
    }

    /// Waits until something newer than the cursor has happened, and returns the new cursor.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn wait(&mut self, cursor: i64) -> Result<i64, ClientError> {
        let answer = self.ask(&json!({ "wait": cursor })).await?;
        answer["cursor"].as_i64().ok_or_else(|| ClientError::Refused(answer["fault"].clone()))
    }

    async fn ask(&mut self, line: &Value) -> io::Result<Value> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.write.write_all(&bytes).await?;
        let mut answer = String::new();
        if self.lines.read_line(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}
