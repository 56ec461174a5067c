//! Reading a return from the browser: the deep link `…://auth/<platform>?…` or the query of a loopback request.
//!
//! The text comes from anybody: any program can open a link, any page can call a loopback port. It is read strictly, and
//! what is not exactly a return is dropped. Deliberately not here: whether the return was awaited.

#[cfg(test)]
use super::tests::naive;
use super::{
    defence::{Defence, off},
    platform::is_id,
};
use crate::{link, secret::Sensitive};

/// Longest link or query read, bytes.
const LENGTH_MAX: usize = 4096;
const ROUTE: &str = link!("auth/");

/// A return, read but not yet believed.
#[derive(Debug, Clone)]
pub(super) struct Callback {
    pub(super) state: Sensitive<String>,
    /// Issuer that says it answered (RFC 9207).
    pub(super) iss: Option<String>,
    pub(super) answer: Answer,
}

/// What the issuer answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// A code to redeem.
    Code(Sensitive<String>),
    /// An error code (RFC 6749 §4.1.2.1). Its description is for nobody: anyone can write it.
    Error(String),
}

/// Why a text is not a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallbackError {
    #[error("longer than 4096 bytes")]
    TooLong,
    #[error("a character that no link of ours has")]
    Character,
    #[error("not the route of a return")]
    Route,
    #[error("a fragment")]
    Fragment,
    #[error("not a query")]
    Query,
    #[error("a parameter twice")]
    Twice,
    #[error("no state")]
    NoState,
    #[error("neither or both of code and error")]
    NoAnswer,
    #[error("a token in the address")]
    Token,
}

impl CallbackError {
    /// Its word in the audit log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "oversized",
            Self::Token => "token_in_address",
            Self::Character
            | Self::Route
            | Self::Fragment
            | Self::Query
            | Self::Twice
            | Self::NoState
            | Self::NoAnswer => "malformed",
        }
    }
}

/// Reads a deep link: the platform in its path, and the return.
pub(super) fn read_link(link: &str) -> Result<(&str, Callback), CallbackError> {
    #[cfg(test)]
    if off(Defence::ExactRoute) {
        return naive::read_link(link);
    }
    check_text(link)?;
    let ends: &[char] = if off(Defence::QueryOnly) { &['?', '#'] } else { &['?'] };
    let (platform, query) =
        link.strip_prefix(ROUTE).and_then(|rest| rest.split_once(ends)).ok_or(CallbackError::Route)?;
    if !is_id(platform) {
        return Err(CallbackError::Route);
    }
    Ok((platform, read_query(query)?))
}

/// Reads the query of a return.
pub(super) fn read_query(query: &str) -> Result<Callback, CallbackError> {
    check_text(query)?;
    let (mut state, mut iss, mut code, mut error) = (None, None, None, None);
    let mut names = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or(CallbackError::Query)?;
        let (name, value) = (decode(name)?, decode(value)?);
        if names.contains(&name) && !off(Defence::SingleValued) {
            return Err(CallbackError::Twice);
        }
        match name.as_str() {
            "state" => state = Some(value),
            "iss" => iss = Some(value),
            "code" => code = Some(value),
            "error" => error = Some(value),
            "access_token" | "id_token" | "refresh_token" | "token_type" if !off(Defence::CodeOnly) => {
                return Err(CallbackError::Token);
            }
            // RFC 6749 §4.1.2: unknown parameters are ignored.
            _ => {}
        }
        names.push(name);
    }
    let filled = |value: Option<String>| value.filter(|text| !text.is_empty());
    let state = filled(state).or_else(|| off(Defence::State).then(String::new)).ok_or(CallbackError::NoState)?;
    let answer = match (filled(code), filled(error)) {
        (Some(code), None) => Answer::Code(Sensitive::new(code)),
        (None, Some(error)) => Answer::Error(error),
        _ => return Err(CallbackError::NoAnswer),
    };
    Ok(Callback { state: Sensitive::new(state), iss, answer })
}

fn check_text(text: &str) -> Result<(), CallbackError> {
    if off(Defence::TextLimits) {
        return Ok(());
    }
    if text.len() > LENGTH_MAX {
        return Err(CallbackError::TooLong);
    }
    if text.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(CallbackError::Character);
    }
    if text.contains('#') && !off(Defence::QueryOnly) { Err(CallbackError::Fragment) } else { Ok(()) }
}

/// Percent-decoding of a form value. Everything OAuth puts there is printable ASCII (RFC 6749 appendix A).
fn decode(text: &str) -> Result<String, CallbackError> {
    let mut decoded = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit =
                    || bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit().ok_or(CallbackError::Query)?, digit().ok_or(CallbackError::Query)?);
                high << 4 | low
            }
            b'+' => b' ',
            other => other,
        };
        // Descriptions may be in any language; they are never used, so their bytes only have to be harmless.
        match byte {
            0x20..=0x7e => decoded.push(char::from(byte)),
            0x80..=0xff => decoded.push(char::REPLACEMENT_CHARACTER),
            _ if off(Defence::TextLimits) => decoded.push(char::REPLACEMENT_CHARACTER),
            _ => return Err(CallbackError::Character),
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{ROOT, SCHEME};
    use proptest::prelude::*;

    #[track_caller]
    fn check(link: &str, expected: CallbackError) {
        assert_eq!(read_link(link).map(|_| ()).unwrap_err(), expected, "{link:?}");
    }

    #[test]
    fn a_return_is_read() {
        let (platform, callback) =
            read_link(link!("auth/zz-club?code=a%2Bb&state=s-1&iss=https%3A%2F%2Fid.example")).unwrap();
        assert_eq!(platform, "zz-club");
        assert_eq!((callback.state.expose().as_str(), callback.iss.as_deref()), ("s-1", Some("https://id.example")));
        assert!(matches!(&callback.answer, Answer::Code(code) if code.expose() == "a+b"));
        let (_, callback) =
            read_link(link!("auth/zz-club?error=access_denied&state=s&error_description=%E4%B8%8D")).unwrap();
        assert!(matches!(callback.answer, Answer::Error(error) if error == "access_denied"));
    }

    #[test]
    fn another_route_or_spelling_is_refused() {
        for link in [
            link!("auth/zz-club?code=a&state=s").replace("zhiyou", "ZHIYOU").as_str(),
            link!("auth/zz-club?code=a&state=s").replace("zhiyou", "Zhiyou").as_str(),
            format!("{SCHEME}:auth/zz-club?code=a&state=s").as_str(),
            format!("{SCHEME}:/auth/zz-club?code=a&state=s").as_str(),
            link!("/auth/zz-club?code=a&state=s"),
            link!("AUTH/zz-club?code=a&state=s"),
            link!("evil/zz-club?code=a&state=s"),
            link!("auth.evil/zz-club?code=a&state=s"),
            link!("user@auth/zz-club?code=a&state=s"),
            link!("user:pw@auth/zz-club?code=a&state=s"),
            link!("auth:80/zz-club?code=a&state=s"),
            link!("auth/zz-club/?code=a&state=s"),
            link!("auth/zz-club/x?code=a&state=s"),
            link!("auth//zz-club?code=a&state=s"),
            link!("auth/../zz-club?code=a&state=s"),
            link!("auth/zz%2Dclub?code=a&state=s"),
            link!("auth/?code=a&state=s"),
            link!("auth/zz-club"),
            "https://auth/zz-club?code=a&state=s",
            link!("open/orders"),
            "",
        ] {
            check(link, CallbackError::Route);
        }
    }

    #[test]
    fn missing_doubled_and_foreign_parameters_are_refused() {
        check(link!("auth/zz-club?code=a"), CallbackError::NoState);
        check(link!("auth/zz-club?code=a&state="), CallbackError::NoState);
        check(link!("auth/zz-club?state=s"), CallbackError::NoAnswer);
        check(link!("auth/zz-club?state=s&code="), CallbackError::NoAnswer);
        check(link!("auth/zz-club?state=s&code=a&error=b"), CallbackError::NoAnswer);
        check(link!("auth/zz-club?state=s&code=a&code=a"), CallbackError::Twice);
        check(link!("auth/zz-club?state=s&code=a&state=s"), CallbackError::Twice);
        check(link!("auth/zz-club?state=s&code=a&st%61te=s"), CallbackError::Twice);
        check(link!("auth/zz-club?state=s&code=a&iss=b&iss=b"), CallbackError::Twice);
        check(link!("auth/zz-club?state=s&code=a&access_token=t"), CallbackError::Token);
        check(link!("auth/zz-club?state=s&code=a&x"), CallbackError::Query);
        check(link!("auth/zz-club?state=s&code=%4"), CallbackError::Query);
        check(link!("auth/zz-club?state=s&code=%+1"), CallbackError::Query);
    }

    #[test]
    fn a_code_in_the_fragment_is_refused() {
        check(link!("auth/zz-club#code=a&state=s"), CallbackError::Fragment);
        check(link!("auth/zz-club?code=a&state=s#x"), CallbackError::Fragment);
    }

    #[test]
    fn oversized_texts_and_deceiving_characters_are_refused() {
        let long = format!("{ROOT}auth/zz-club?code={}&state=s", "a".repeat(1_000_000));
        check(&long, CallbackError::TooLong);
        for odd in ["\0", "\n", " ", "\u{202e}", "\u{200b}", "é"] {
            check(&format!("{ROOT}auth/zz-club?code=a{odd}&state=s"), CallbackError::Character);
        }
        for odd in ["%00", "%0A", "%7F", "%1b"] {
            check(&format!("{ROOT}auth/zz-club?code=a{odd}&state=s"), CallbackError::Character);
        }
        // Overlong and bidirectional bytes cannot become anything that matches a state.
        let (_, callback) = read_link(link!("auth/zz-club?code=a&state=%C0%AEs%E2%80%AE")).unwrap();
        assert!(!callback.state.expose().is_ascii());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn reading_never_panics(text in "\\PC{0,200}", query in "([a-z%&=+]|%[0-9a-f]{2}|code=|state=){0,40}") {
            let _ = read_link(&text);
            let _ = read_link(&format!("{ROUTE}zz-club?{query}"));
        }

        #[test]
        fn only_the_exact_route_is_ever_read(
            scheme in prop::sample::select(vec![SCHEME.to_owned(), SCHEME.to_uppercase(), format!("{SCHEME}x"), "http".to_owned()]),
            rest in "(://|:|:/)(auth|AUTH|open)?(/[a-z-]{0,4})?",
        ) {
            let link = format!("{scheme}{rest}?code=a&state=s");
            let named = link.strip_prefix(ROUTE).and_then(|rest| rest.split('?').next()).is_some_and(is_id);
            prop_assert_eq!(read_link(&link).is_ok(), named, "{}", link);
        }
    }
}
