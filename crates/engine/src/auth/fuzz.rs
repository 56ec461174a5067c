//! Returns that somebody changed: each is dropped with a reason, or is a return that prints back to the same return.

use super::{
    callback::{Answer, Callback, read_link, read_query},
    loopback::read_request,
};
use crate::{app::ROOT, fuzz::fuzz, link};

const LINKS: [&[u8]; 4] = [
    link!("auth/zz-club?code=a%2Bb&state=s-1&iss=https%3A%2F%2Fid.example").as_bytes(),
    link!("auth/zz-club?error=access_denied&state=s&error_description=%E4%B8%8D").as_bytes(),
    link!("auth/other-club?state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&code=x&scope=profile+loyalty").as_bytes(),
    link!("open/order/ord_01KA0000000000000000000ABC").as_bytes(),
];
const WORDS: &[&str] = &[
    "code=",
    "state=",
    "iss=",
    "error=",
    "access_token=",
    "id_token=",
    "&",
    "&&",
    "=",
    "%00",
    "%25",
    "%C0%AE",
    "%E2%80%AE",
    "%",
    "%4",
    "+",
    "#",
    "?",
    link!("auth/"),
    "ZHIYOU://",
    "..",
    "zz-club",
    "\u{202e}",
    "é",
];

/// What a return says, with every byte that was no plain character as one such byte.
fn said(callback: &Callback) -> (String, Option<String>, &'static str, String) {
    let (kind, answer) = match &callback.answer {
        Answer::Code(code) => ("code", code.expose().clone()),
        Answer::Error(error) => ("error", error.clone()),
    };
    (callback.state.expose().clone(), callback.iss.clone(), kind, answer)
}

fn printed(callback: &Callback) -> String {
    let encode = |text: &str| -> String {
        let one = |c: char| match c {
            char::REPLACEMENT_CHARACTER => "%80".to_owned(),
            c => format!("%{:02X}", u32::from(c)),
        };
        text.chars().map(one).collect()
    };
    let (state, iss, kind, answer) = said(callback);
    let iss = iss.map(|iss| format!("&iss={}", encode(&iss))).unwrap_or_default();
    format!("{kind}={}&state={}{iss}", encode(&answer), encode(&state))
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_deep_link_is_dropped_or_prints_back_to_the_same_return() {
    let mut read = 0_u64;
    fuzz("deep links", &LINKS, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok((platform, callback)) = read_link(&text) else { return };
        read += 1;
        // Printing makes three characters of one; only what still fits can be compared.
        let link = format!("{ROOT}auth/{platform}?{}", printed(&callback));
        if link.len() <= 4096 {
            let (again, callback_again) = read_link(&link).unwrap();
            assert_eq!((again, said(&callback_again)), (platform, said(&callback)));
        }
    });
    assert!(read > 100, "{read}");
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_callback_is_dropped_or_prints_back_to_the_same_return() {
    let queries = LINKS.map(|link| link.split(|byte| *byte == b'?').next_back().unwrap());
    fuzz("callbacks", &queries, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(callback) = read_query(&text) else { return };
        assert!(text.len() <= 4096 && !callback.state.expose().is_empty());
        let query = printed(&callback);
        if query.len() <= 4096 {
            assert_eq!(said(&read_query(&query).unwrap()), said(&callback));
        }
    });
}

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_loopback_request_is_refused_or_is_for_exactly_the_awaited_address() {
    const REDIRECT: &str = "http://127.0.0.1:4711/r4nd0m";
    let requests: [&[u8]; 3] = [
        b"GET /r4nd0m?code=a&state=b HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nAccept: */*\r\n\r\n",
        b"GET /r4nd0m HTTP/1.0\r\nhost:127.0.0.1:4711\r\nContent-Length: 0\r\n\r\n",
        b"POST /r4nd0m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx",
    ];
    let words = [
        "\r\n",
        "\r\n\r\n",
        "Host: 127.0.0.1:4711\r\n",
        "Host: evil\r\n",
        "GET ",
        "POST ",
        " HTTP/1.1",
        "/r4nd0m",
        "?",
        "//",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
        ":",
        " ",
        "http://127.0.0.1:4711/r4nd0m",
    ];
    let mut read = 0_u64;
    fuzz("loopback requests", &requests, &words, |input| {
        let Ok(query) = read_request(input, REDIRECT) else { return };
        read += 1;
        let again = format!("GET /r4nd0m?{query} HTTP/1.1\r\nHost: 127.0.0.1:4711\r\n\r\n");
        assert_eq!(read_request(again.as_bytes(), REDIRECT), Ok(query));
        assert!(input.starts_with(b"GET /r4nd0m"));
    });
    assert!(read > 100, "{read}");
}
