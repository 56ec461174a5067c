//! Opening pages in the system browser. The page itself has no permission to open anything.

use tauri::{AppHandle, Runtime};
use tauri_plugin_opener::OpenerExt;
use url::{Host, Url};
use zhiyou_engine::ports::{Browser, BrowserError};

/// The system browser.
pub(crate) struct SystemBrowser<R: Runtime>(AppHandle<R>);

impl<R: Runtime> SystemBrowser<R> {
    pub(crate) fn new(app: &AppHandle<R>) -> Self {
        Self(app.clone())
    }
}

impl<R: Runtime> Browser for SystemBrowser<R> {
    fn open(&self, url: &Url) -> Result<(), BrowserError> {
        if !may_open(url) {
            return Err(BrowserError(format!("refused: {}://…", url.scheme())));
        }
        // A test drives its own browser: it is told the address, and no other browser starts.
        if let Some(file) = std::env::var_os("ZHIYOU_TEST_BROWSER").filter(|_| cfg!(debug_assertions)) {
            return std::fs::write(file, url.as_str()).map_err(|error| BrowserError(error.to_string()));
        }
        self.0.opener().open_url(url.as_str(), None::<&str>).map_err(|error| BrowserError(error.to_string()))
    }
}

/// Pages over https, and the sandbox's own pages on this machine.
fn may_open(url: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none();
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    plain && (url.scheme() == "https" && url.host().is_some() || url.scheme() == "http" && local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_pages_are_opened() {
        let may = |text: &str| may_open(&text.parse().unwrap());
        assert!(may("https://club.example.com/authorize?x=1") && may("http://127.0.0.1:4000/authorize"));
        for refused in [
            "http://example.com/",
            "http://localhost:80/",
            "https://good.com@evil.com/",
            "file:///bin/sh",
            "javascript:alert(1)",
            "smb://host/share",
            "ms-msdt:/id",
            "mailto:a@b.c",
        ] {
            assert!(!may(refused), "{refused}");
        }
    }
}
