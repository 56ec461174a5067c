//! The loopback return (RFC 8252 §7.3): a listener on 127.0.0.1 with a random port and path, for one sign-in.
//!
//! Any local program can connect and any page can make the browser do so; whatever is not the awaited return gets a
//! short refusal and changes nothing. It reads one small GET per connection and knows no more of HTTP than that.
//! Deliberately not here: whether a return is believed.

#[cfg(test)]
use super::tests::{naive, world};
use super::{
    Auth,
    callback::read_query,
    defence::{Defence, off},
    flow::Ending,
};
use std::{
    net::Ipv4Addr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const REQUEST_MAX: usize = 8 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTIONS_MAX: usize = 16;
/// The visit's own limit runs on the app's clock; this one closes the port even if that clock stands still.
const LISTEN_MAX: Duration = Duration::from_secs(10 * 60);

/// What is awaited, and where.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    pub(super) platform: String,
    pub(super) redirect: String,
}

/// Listens on a port of 127.0.0.1; 0 means any free one.
pub(super) async fn bind(port: u16) -> std::io::Result<TcpListener> {
    #[cfg(test)]
    if world::no_port() {
        return Err(std::io::ErrorKind::AddrInUse.into());
    }
    #[cfg(test)]
    let port = if off(Defence::FreePort) { naive::PORT } else { port };
    #[cfg(test)]
    if off(Defence::LoopbackOnly) {
        return TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Serves until the sign-in ended, `stop` was called or time is up.
pub(super) async fn serve(auth: Weak<Auth>, awaited: Awaited, listener: TcpListener, stop: CancellationToken) {
    let mut open = JoinSet::new();
    let deadline = sleep(LISTEN_MAX);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = &mut deadline => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    open.spawn(converse(auth.clone(), awaited.clone(), stream, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the loopback listener failed");
                    break;
                }
            },
        }
    }
    // The port is closed. What was said already comes to its own end, which is never far: a code that was sent gives tokens,
    // whoever has gone, and the page that tells of them may be on its way.
    open.detach_all();
}

async fn converse(auth: Weak<Auth>, awaited: Awaited, mut stream: TcpStream, stop: CancellationToken) {
    let answer = match timeout(REQUEST_TIMEOUT, read_head(&mut stream)).await {
        Ok(Ok(head)) => match (read_request(&head, &awaited.redirect), auth.upgrade()) {
            (Ok(query), Some(auth)) => answer(&auth, &awaited, query).await,
            (Err(status), auth) => {
                // A browser asks for more than it was sent to; that is not worth a line.
                if let (Status::BadRequest | Status::MethodNotAllowed, Some(auth)) = (status, auth) {
                    auth.note_drop(auth.known(&awaited.platform).ok(), "malformed").await;
                }
                (status, REFUSED, false)
            }
            (Ok(_), None) => return,
        },
        Ok(Err(_)) => {
            if let Some(auth) = auth.upgrade() {
                auth.note_drop(auth.known(&awaited.platform).ok(), "oversized").await;
            }
            (Status::BadRequest, REFUSED, false)
        }
        Err(_) => (Status::BadRequest, REFUSED, false),
    };
    let (status, page, ended) = answer;
    if ended && !off(Defence::ListenerCloses) {
        stop.cancel();
    }
    // Somebody who does not wait for the page does not get it.
    drop(timeout(REQUEST_TIMEOUT, write_page(&mut stream, status, page)).await);
}

async fn answer(auth: &Arc<Auth>, awaited: &Awaited, query: &str) -> (Status, Page, bool) {
    let ending = match read_query(query) {
        Ok(callback) => auth.arrive(&awaited.platform, &awaited.redirect, callback).await,
        Err(error) => {
            let platform = auth.known(&awaited.platform).ok();
            auth.dropped_for(platform, error.word(), &error.to_string()).await
        }
    };
    match ending {
        Ending::Connected => (Status::Ok, CONNECTED, true),
        Ending::NotConnected => (Status::Ok, NOT_CONNECTED, true),
        Ending::Dropped => (Status::BadRequest, REFUSED, false),
    }
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut part).await?;
        if count == 0 || head.len() + count > REQUEST_MAX {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&part[..count]);
    }
    Ok(head)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
}

/// The query of a GET for exactly the awaited address. The host must be the literal address: a page whose own name was
/// pointed here (DNS rebinding) sends that name.
pub(super) fn read_request<'a>(head: &'a [u8], redirect: &str) -> Result<&'a str, Status> {
    let head = std::str::from_utf8(head).map_err(|_| Status::BadRequest)?;
    let (head, body) = head.split_once("\r\n\r\n").ok_or(Status::BadRequest)?;
    let mut lines = head.split("\r\n");
    let request: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = request[..] else { return Err(Status::BadRequest) };
    if method != "GET" {
        return Err(Status::MethodNotAllowed);
    }
    let (host, path) =
        redirect.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or(Status::NotFound)?;
    let mut hosts = 0;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Status::BadRequest)?;
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" if value == host || off(Defence::LiteralHost) => hosts += 1,
            "host" | "transfer-encoding" => return Err(Status::BadRequest),
            "content-length" if value != "0" => return Err(Status::BadRequest),
            _ => {}
        }
    }
    if hosts != 1 || !body.is_empty() {
        return Err(Status::BadRequest);
    }
    let (asked, query) = target.split_once('?').unwrap_or((target, ""));
    if asked.strip_prefix('/') == Some(path) { Ok(query) } else { Err(Status::NotFound) }
}

/// Heading and text, Chinese first.
type Page = [&'static str; 2];
const CONNECTED: Page =
    ["已登录 Signed in", "可以关闭此页面并返回智游助手。<br>You can close this page and return to Zhiyou."];
const NOT_CONNECTED: Page = ["未登录 Not signed in", "请返回智游助手查看原因。<br>Return to Zhiyou to see why."];
const REFUSED: Page =
    ["无效的请求 Not a valid request", "请在智游助手中重新登录。<br>Start signing in again in Zhiyou."];

async fn write_page(stream: &mut TcpStream, status: Status, [heading, text]: Page) -> std::io::Result<()> {
    let status = match status {
        Status::Ok => "200 OK",
        Status::BadRequest => "400 Bad Request",
        Status::NotFound => "404 Not Found",
        Status::MethodNotAllowed => "405 Method Not Allowed",
    };
    let body = format!(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>智游助手 Zhiyou</title>\
         <h1>{heading}</h1><p>{text}</p></html>"
    );
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REDIRECT: &str = "http://127.0.0.1:4711/r4nd0m";

    #[track_caller]
    fn check(request: &str, expected: Result<&str, Status>) {
        assert_eq!(read_request(request.replace('\n', "\r\n").as_bytes(), REDIRECT), expected, "{request:?}");
    }

    #[test]
    fn only_a_get_for_the_awaited_address_with_the_literal_host_is_read() {
        check("GET /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\nAccept: */*\n\n", Ok("a=b"));
        check("GET /r4nd0m?a=b HTTP/1.1\nhost:127.0.0.1:4711\n\n", Ok("a=b"));
        for host in
            ["localhost:4711", "127.0.0.1", "127.0.0.1:4712", "evil.example:4711", "[::1]:4711", "127.1:4711", ""]
        {
            check(&format!("GET /r4nd0m?a=b HTTP/1.1\nHost: {host}\n\n"), Err(Status::BadRequest));
        }
        check("GET /r4nd0m?a=b HTTP/1.1\n\n", Err(Status::BadRequest));
        check("GET /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\nHost: 127.0.0.1:4711\n\n", Err(Status::BadRequest));
        check("POST /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\n\n", Err(Status::MethodNotAllowed));
        check("GET /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\nContent-Length: 1\n\nx", Err(Status::BadRequest));
        check(
            "GET /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\nTransfer-Encoding: chunked\n\n",
            Err(Status::BadRequest),
        );
        check("GET /r4nd0m?a=b HTTP/1.1\nHost: 127.0.0.1:4711\n\nGET", Err(Status::BadRequest));
        for target in
            ["/other?a=b", "/?a=b", "/r4nd0m/?a=b", "//r4nd0m?a=b", "http://127.0.0.1:4711/r4nd0m?a=b", "/favicon.ico"]
        {
            check(&format!("GET {target} HTTP/1.1\nHost: 127.0.0.1:4711\n\n"), Err(Status::NotFound));
        }
        check("GET /r4nd0m?a=b HTTP/2\nHost: 127.0.0.1:4711\n\n", Err(Status::BadRequest));
        check("GET  /r4nd0m HTTP/1.1\nHost: 127.0.0.1:4711\n\n", Err(Status::BadRequest));
        check("", Err(Status::BadRequest));
    }

    proptest! {
        #[test]
        fn reading_never_panics(head in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_request(&head, REDIRECT);
        }
    }
}
