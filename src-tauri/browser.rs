//! Opening pages in the system browser. The page itself has no permission to open anything.

use crate::defence::{Defence, off};
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
        // A test drives its own browser: it is told the address, and no other browser starts.
        if let Some(file) = std::env::var_os("ZHIYOU_TEST_BROWSER").filter(|_| cfg!(debug_assertions)) {
            return open_by(url, |text| std::fs::write(file, text).map_err(|error| BrowserError(error.to_string())));
        }
        open_by(url, |text| {
            self.0.opener().open_url(text, None::<&str>).map_err(|error| BrowserError(error.to_string()))
        })
    }
}

/// Hands an address to what opens it, if it may be opened: as it was read, so that nobody reads it another way.
fn open_by(url: &Url, opener: impl FnOnce(&str) -> Result<(), BrowserError>) -> Result<(), BrowserError> {
    if may_open(url) { opener(url.as_str()) } else { Err(BrowserError(format!("refused: {}://…", url.scheme()))) }
}

/// Pages over https, and the sandbox's own pages on this machine. Which hosts those are is said where an address comes
/// from: a platform's file, and the list of pages to pay on.
fn may_open(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    let plain = url.username().is_empty() && url.password().is_none();
    let web = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => local || off(Defence::SecureWeb),
        _ => off(Defence::WebAddresses),
    };
    web && (plain || off(Defence::NoUserPart))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::stands;
    use std::cell::Cell;
    use zhiyou_engine::link;

    /// What reaches the program that opens addresses.
    fn reaches(text: &str) -> Option<String> {
        let reached = Cell::new(None);
        let url: Url = text.parse().ok()?;
        let opened = open_by(&url, |text| {
            reached.set(Some(text.to_owned()));
            Ok(())
        });
        let reached = reached.take();
        assert_eq!(opened.is_ok(), reached.is_some());
        reached
    }

    #[test]
    fn pages_over_https_and_the_sandboxs_own_are_opened() {
        for page in ["https://club.example.com/authorize?x=1", "http://127.0.0.1:4000/authorize", "http://[::1]:4000/"]
        {
            assert_eq!(reaches(page).as_deref(), Some(page));
        }
    }

    #[test]
    fn ta_19_what_is_no_web_page_is_never_opened() {
        for hostile in [
            "file:///bin/sh",
            "file://server/share/run.exe",
            "smb://server/share",
            "ms-msdt:/id%20PCWDiagnostic%20/skip%20force",
            "search-ms:query=x&crumb=location:server",
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:msgbox(1)",
            "mailto:a@b.c?attach=/etc/passwd",
            "ssh://-oProxyCommand=calc/x",
            "calc.exe:x",
            "c:/windows/system32/calc.exe",
            "x-apple.systempreferences:",
            link!("auth/zz-club?code=a&state=s"),
        ] {
            stands(Defence::WebAddresses, || reaches(hostile).is_some());
        }
        // A path is no address at all, in any spelling.
        for path in ["calc.exe", "/bin/sh", "\\\\server\\share\\run.exe", "../run", "-oProxyCommand=calc"] {
            assert_eq!(reaches(path), None, "{path}");
        }
    }

    #[test]
    fn ta_19_plain_http_is_opened_on_this_machine_only() {
        for hostile in ["http://example.com/", "http://localhost:80/", "http://127.0.0.1.evil.com/", "http://10.0.0.1/"]
        {
            stands(Defence::SecureWeb, || reaches(hostile).is_some());
        }
    }

    #[test]
    fn ta_20_an_address_that_hides_its_host_is_not_opened() {
        for hostile in [
            "https://pay.stripe.com@evil.com/",
            "https://pay.stripe.com:443@evil.com/",
            "https://:secret@evil.com/",
            "https://pay.stripe.com%2F@evil.com/",
            "https:\\\\pay.stripe.com@evil.com",
        ] {
            stands(Defence::NoUserPart, || reaches(hostile).is_some_and(|text| text.contains("evil.com")));
        }
    }

    #[test]
    fn ta_20_what_is_opened_has_one_reading() {
        // The parser repairs these; what is handed on is what it read, in characters nobody reads another way.
        for (odd, read) in [
            ("https:\\\\evil.com\\@pay.stripe.com/", "https://evil.com/@pay.stripe.com/"),
            ("https://evil.com\\.pay.stripe.com/", "https://evil.com/.pay.stripe.com/"),
            ("ht\ttps://ev\nil.com/", "https://evil.com/"),
            ("https://evil.com/\"; calc", "https://evil.com/%22;%20calc"),
        ] {
            let reached = reaches(odd).unwrap();
            assert!(reached.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte)), "{reached}");
            let host = |text: &str| text.parse::<Url>().unwrap().host_str().map(str::to_owned);
            assert_eq!(host(&reached), host(read), "{odd:?}: {reached}");
        }
        // A letter of another script is written out, so that the browser shows another name.
        assert!(reaches("https://pay.\u{455}tripe.com/").unwrap().starts_with("https://pay.xn--"));
    }
}
