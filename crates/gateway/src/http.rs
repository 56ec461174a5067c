//! The one outgoing HTTP client: no redirects, time-outs, a cap on what is read, and the line between "never sent" and
//! "nobody knows". An effect is sent once; only a question may be asked again, a few times and within a
//! question's own time. A GET is one by itself; who asks by another method says so.
//!
//! Deliberately not here: what a status code means, which is each provider's.

pub(crate) mod defence;

use crate::config::Profile;
use axum::http::HeaderMap;
use reqwest::{Client, Request, redirect};
use std::time::Duration;
use zhiyou_domain::port::{Outcome, Reason, ReasonCode, Word};

/// Long enough for a slow network, short enough to try again while the traveller looks on.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An airline may take its time; after this the outcome is unknown and is looked up.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(24);
/// A read is quick or can be asked again; with it a tool that reads before it acts still answers within a minute.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A search for nine passengers is a few megabytes; more is not an answer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pause before a read is asked again; doubled each time.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    read_timeout: Duration,
    read_retries: u8,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Status code.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// The very bytes.
    pub(crate) body: Vec<u8>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection was made: not one byte of the request left.
    NotSent(Word),
    /// It may have arrived.
    Unknown(Word),
}

impl<T> From<Failure> for Outcome<T> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(word) => Self::NotSent(Reason::new(ReasonCode::Network, word)),
            Failure::Unknown(word) => Self::Unknown(Reason::new(ReasonCode::Network, word)),
        }
    }
}

impl Http {
    /// A client for the profile: the sandbox is never reached through a proxy and needs no certificates.
    pub(crate) fn new(profile: Profile) -> Result<Self, reqwest::Error> {
        Self::with_timeout(profile, TIMEOUT)
    }

    pub(crate) fn with_timeout(profile: Profile, timeout: Duration) -> Result<Self, reqwest::Error> {
        let redirects = redirect::Policy::none();
        #[cfg(test)]
        let redirects =
            if defence::off(defence::Defence::Unfollowed) { redirect::Policy::limited(5) } else { redirects };
        let builder = Client::builder()
            .redirect(redirects)
            // A request that the client repeats by itself would be a second effect.
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("zhiyou-gateway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout);
        let builder = match profile {
            Profile::Sandbox => builder.no_proxy().tls_certs_only([]),
            Profile::Live => builder.https_only(true),
        };
        Ok(Self { client: builder.build()?, read_timeout: READ_TIMEOUT.min(timeout), read_retries: 0 })
    }

    /// The same client, which asks a read again that met no answer or a server that failed.
    pub(crate) fn retrying(self, read_retries: u8) -> Self {
        Self { read_retries, ..self }
    }

    /// Builds a request to be sent with [`Self::send`].
    pub(crate) fn request(&self, method: reqwest::Method, url: url::Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends and reads the whole answer: a GET as a question, everything else once.
    pub(crate) async fn send(&self, request: Request) -> Result<Answered, Failure> {
        if request.method() == reqwest::Method::GET { self.ask(request).await } else { self.send_once(request).await }
    }

    /// Sends what changes nothing, whatever its method, again as often as configured while a question's time lasts; always the
    /// same bytes.
    pub(crate) async fn ask(&self, request: Request) -> Result<Answered, Failure> {
        let until = tokio::time::Instant::now() + self.read_timeout;
        let mut pause = READ_PAUSE;
        for _ in 0..self.read_retries {
            let Some(again) = request.try_clone() else { break };
            let ending = self.read_once(again, until).await;
            let failed = matches!(&ending, Err(_) | Ok(Answered { status: 500..=599, .. }));
            if !failed || tokio::time::Instant::now() + pause >= until {
                return ending;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        self.read_once(request, until).await
    }

    /// A read within what is left of its time.
    async fn read_once(&self, mut request: Request, until: tokio::time::Instant) -> Result<Answered, Failure> {
        *request.timeout_mut() = Some(until.saturating_duration_since(tokio::time::Instant::now()));
        self.send_once(request).await
    }

    async fn send_once(&self, request: Request) -> Result<Answered, Failure> {
        let mut response = self.client.execute(request).await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::Unknown(plain(&error)))? {
            if body.len().saturating_add(chunk.len()) > BODY_BYTES_MAX {
                return Err(Failure::Unknown("the answer is too long".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered { status, headers, body })
    }
}

/// A failed connection (refused, no such host, TLS) carries no request; everything else may have arrived.
fn classify(error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(plain(error))
    } else {
        Failure::Unknown(plain(error))
    }
}

/// What kind of failure was at the bottom of it, without the address, which could carry a number or a name.
fn plain(error: &reqwest::Error) -> Word {
    let word = Word::from(if error.is_timeout() { "time-out" } else { "transport" });
    let mut bottom: &(dyn std::error::Error + 'static) = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    // What TLS says is wrapped in an IO error, which does not name it as its cause.
    word.and(match bottom.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map_or_else(|| Word::named(&io.kind()), Word::named),
        None => Word::named(bottom),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

    async fn ending(address: &str, timeout: Duration) -> Result<Answered, Failure> {
        let http = Http::with_timeout(Profile::Sandbox, timeout).unwrap();
        http.send(http.request(reqwest::Method::POST, address.parse().unwrap()).body("x").build().unwrap()).await
    }

    async fn answering(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(bytes).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_refused_connection_and_an_unknown_host_were_never_sent() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for address in [format!("http://{closed}"), "http://nowhere.invalid".to_owned()] {
            assert!(matches!(ending(&address, TIMEOUT).await, Err(Failure::NotSent(_))), "{address}");
        }
    }

    #[tokio::test]
    async fn a_reset_a_cut_answer_and_a_silent_server_leave_the_outcome_unknown() {
        for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
            let address = answering(bytes).await;
            assert!(matches!(ending(&address, TIMEOUT).await, Err(Failure::Unknown(_))));
        }
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        assert!(matches!(ending(&address, Duration::from_millis(50)).await, Err(Failure::Unknown(_))));
    }

    /// Answers 503 until the third request and counts them; the whole exchange is one request per connection.
    async fn failing_twice() -> (url::Url, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let counting = std::sync::Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await;
                let answer = match counting.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                    0 => "",
                    1 => "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn a_read_is_asked_again_and_an_effect_is_sent_once() {
        use std::sync::atomic::Ordering::SeqCst;
        let http = Http::new(Profile::Sandbox).unwrap().retrying(3);
        let (url, count) = failing_twice().await;
        let answer = http.send(http.request(reqwest::Method::GET, url).build().unwrap()).await.unwrap();
        assert_eq!((answer.status, count.load(SeqCst)), (200, 3));
        let (url, count) = failing_twice().await;
        let ending = http.send(http.request(reqwest::Method::POST, url).body("x").build().unwrap()).await;
        assert!(matches!(ending, Err(Failure::Unknown(_))));
        assert_eq!(count.load(SeqCst), 1);
        let (url, count) = failing_twice().await;
        let http = http.retrying(1);
        let answer = http.send(http.request(reqwest::Method::GET, url).build().unwrap()).await.unwrap();
        assert_eq!((answer.status, count.load(SeqCst)), (503, 2), "no more often than configured");
    }

    /// Answers with a redirect to `to`.
    async fn redirecting(to: String) -> String {
        let head = format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        answering(Box::leak(head.into_boxed_str()).as_bytes()).await
    }

    #[tokio::test]
    async fn a_question_that_is_no_get_is_asked_again_and_all_of_its_tries_have_one_time() {
        use std::sync::atomic::Ordering::SeqCst;
        let http = Http::new(Profile::Sandbox).unwrap().retrying(3);
        let question = |url| http.request(reqwest::Method::POST, url).body("who paid?").build().unwrap();
        let (url, count) = failing_twice().await;
        assert_eq!((http.ask(question(url)).await.unwrap().status, count.load(SeqCst)), (200, 3));
        let (url, count) = failing_twice().await;
        let once = Http::new(Profile::Sandbox).unwrap();
        assert!(matches!(once.ask(question(url)).await, Err(Failure::Unknown(_))));
        assert_eq!(count.load(SeqCst), 1, "no more often than configured");
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: url::Url = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
        let brief = Http::with_timeout(Profile::Sandbox, Duration::from_millis(50)).unwrap().retrying(3);
        let begun = tokio::time::Instant::now();
        assert!(matches!(brief.ask(question(url)).await, Err(Failure::Unknown(_))));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn oa_61_a_redirect_is_an_answer_and_is_not_followed() {
        let thief = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        let address = redirecting(thief).await;
        assert_eq!(ending(&address, TIMEOUT).await.unwrap().status, 307);
        defence::take_away(Some(defence::Defence::Unfollowed));
        let followed = ending(&address, TIMEOUT).await;
        defence::take_away(None);
        assert_eq!(followed.unwrap().status, 200, "refused even without the defence");
    }

    #[test]
    fn every_defence_of_what_is_asked_of_others_is_in_the_table() {
        let table = include_str!("../../../docs/faults.md");
        for known in defence::Defence::ALL {
            assert!(table.lines().any(|line| line.ends_with(&format!("| `{}` |", known.word()))), "{known:?}");
        }
    }
}
