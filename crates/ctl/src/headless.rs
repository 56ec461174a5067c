//! What stands in for the desktop: a browser that consents by itself, and a keyring for a run without one.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use url::Url;
use zeroize::Zeroizing;
use zhiyou_embedded::{Embedded, Options};
use zhiyou_engine::{
    app::IDENTIFIER,
    ports::{Browser, BrowserError, KeyStore, KeyStoreError},
    vault::OsKeyring,
};

/// The data folder that the app uses: the one the environment names, else its usual one.
#[cfg(unix)]
pub(crate) fn app_folder() -> Option<PathBuf> {
    let named = std::env::var_os("ZHIYOU_DATA_DIR").map(PathBuf::from);
    named.or_else(|| dirs::data_dir().map(|folder| folder.join(IDENTIFIER)))
}

/// Starts the parts; with a data folder named by the environment, else in `fallback`.
pub(crate) async fn start(browser: Arc<dyn Browser>, fallback: PathBuf) -> Result<Embedded, String> {
    let sandbox_url = std::env::var("ZHIYOU_SANDBOX_URL").ok();
    let named = std::env::var_os("ZHIYOU_DATA_DIR").map(PathBuf::from);
    let keys: Arc<dyn KeyStore> = match &named {
        Some(folder) => Arc::new(OsKeyring::new(IDENTIFIER, folder.display().to_string())),
        // The folder is gone afterwards, and so may be the key.
        None => Arc::new(RunKey::default()),
    };
    let account = zhiyou_embedded::account_of_environment().map_err(|fault| fault.to_string())?;
    let options = Options { data_dir: named.unwrap_or(fallback), sandbox_url, account, browser, keys };
    Embedded::start(options).await.map_err(|fault| fault.to_string())
}

/// A key that lives as long as this run; used only with a temporary data folder.
#[derive(Default)]
struct RunKey(Mutex<Option<Zeroizing<Vec<u8>>>>);

impl KeyStore for RunKey {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Zeroizing::new(key.to_vec()));
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

/// A browser that approves the sandbox's pages, consent and payment, and follows them back. It refuses every other host.
pub(crate) struct Consenting;

impl Browser for Consenting {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        if url.host_str() != Some("127.0.0.1") {
            return Err(BrowserError("only the sandbox is approved without a person".to_owned()));
        }
        let url = url.clone();
        tokio::spawn(async move {
            if let Err(error) = consent(&url).await {
                eprintln!("browser: {error}");
            }
        });
        Ok(())
    }
}

async fn consent(url: &Url) -> Result<(), String> {
    let say = |error: reqwest::Error| error.to_string();
    let http =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().map_err(say)?;
    let page = http.get(url.clone()).send().await.map_err(say)?.text().await.map_err(say)?;
    let number = page
        .split_once("name=\"number\" value=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(number, _)| number.to_owned())
        .ok_or("the page has no form")?;
    let action = page.split_once("action=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(action, _)| action);
    let action = url.join(action.unwrap_or_default()).map_err(|error| error.to_string())?;
    let answer =
        http.post(action).form(&[("number", number.as_str()), ("decision", "approve")]).send().await.map_err(say)?;
    let back = answer.headers().get("location").and_then(|value| value.to_str().ok()).ok_or("no way back")?.to_owned();
    http.get(back).send().await.map_err(say)?;
    Ok(())
}

/// Prints the address; a person opens it.
pub(crate) struct Printing;

impl Browser for Printing {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        eprintln!("Open in a browser: {url}");
        Ok(())
    }
}
