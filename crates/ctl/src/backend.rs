//! Where commands go: to the app that is running, or to parts of our own.

use crate::headless;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};
use zhiyou_embedded::Embedded;
use zhiyou_engine::ports::Browser;

pub(crate) enum Backend {
    /// Parts of our own, in a data folder that nobody else uses.
    Own(Box<Embedded>),
    /// The running app, by its socket, and its sandbox's phone page.
    #[cfg(unix)]
    Running { client: zhiyou_embedded::runtime::Client, phone: String },
}

impl Backend {
    /// The running app where there is one on the data folder; otherwise parts of our own, in the folder the environment
    /// names, else in `fallback`.
    pub(crate) async fn open(browser: Arc<dyn Browser>, fallback: PathBuf) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(folder) = headless::app_folder()
            && let Some((client, runtime)) = zhiyou_embedded::runtime::Client::connect(&folder).await
        {
            eprintln!("the app is running (process {}); it does the work", runtime.pid);
            let phone = phone(&runtime).await?;
            return Ok(Self::Running { client, phone });
        }
        headless::start(browser, fallback).await.map(|parts| Self::Own(Box::new(parts)))
    }

    pub(crate) async fn call(&mut self, command: &str, payload: Value) -> Result<Value, String> {
        match self {
            Self::Own(parts) => {
                parts.engine().dispatch(command, payload).await.map_err(|fault| format!("{command}: {fault}"))
            }
            #[cfg(unix)]
            Self::Running { client, .. } => {
                client.call(command, payload).await.map_err(|error| format!("{command}: {error}"))
            }
        }
    }

    /// Waits until something newer than the cursor has happened.
    pub(crate) async fn wait(&mut self, cursor: i64) -> Result<i64, String> {
        match self {
            Self::Own(parts) => {
                let mut doorbell = parts.engine().doorbell();
                let newer = doorbell.wait_for(|now| *now > cursor).await;
                newer.map(|now| *now).map_err(|_| "the engine ended".to_owned())
            }
            #[cfg(unix)]
            Self::Running { client, .. } => client.wait(cursor).await.map_err(|error| error.to_string()),
        }
    }

    /// The sandbox's phone page.
    pub(crate) fn phone(&self) -> &str {
        match self {
            Self::Own(parts) => &parts.announcement().phone,
            #[cfg(unix)]
            Self::Running { phone, .. } => phone,
        }
    }

    /// Whether the app, and not we, opens the browser for a sign-in.
    pub(crate) const fn opens_browser_itself(&self) -> bool {
        !matches!(self, Self::Own(_))
    }

    pub(crate) async fn stop(self) {
        match self {
            Self::Own(parts) => parts.stop().await,
            #[cfg(unix)]
            Self::Running { .. } => {}
        }
    }
}

#[cfg(unix)]
async fn phone(runtime: &zhiyou_embedded::runtime::Runtime) -> Result<String, String> {
    let http = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let asked = http.get(format!("{}/announcement", runtime.control)).bearer_auth(&runtime.control_token);
    let answer = asked.send().await.map_err(|error| error.to_string())?;
    let announced: Value = answer.json().await.map_err(|error| error.to_string())?;
    Ok(announced["phone"].as_str().unwrap_or_default().to_owned())
}
