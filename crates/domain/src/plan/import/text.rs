//! The texts of a traveller, checked the same way wherever they are typed: in a plan file and in the app.
//!
//! Deliberately not here: what the texts are kept for. An error never quotes them: it reaches the log, and they are personal.

use super::{ImportError, Problem, problem};

/// One line of visible text.
///
/// # Errors
/// [`Problem::Missing`], [`Problem::BadText`].
pub fn line(path: impl Into<String>, text: &str, chars_max: usize) -> Result<String, ImportError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return problem(path, Problem::Missing, "");
    }
    // Control and bidirectional override characters can make a name look like another one.
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if trimmed.chars().count() > chars_max || trimmed.chars().any(hidden) {
        return problem(path, Problem::BadText, "");
    }
    Ok(trimmed.to_owned())
}

/// Airlines take 1 to 20 Latin letters, spaces, hyphens and apostrophes.
///
/// # Errors
/// [`Problem::Missing`], [`Problem::BadText`].
pub fn latin_name(path: String, text: &str) -> Result<String, ImportError> {
    let name = line(path.clone(), text, 20)?;
    let allowed = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '-' | '\'');
    if name.chars().all(allowed) { Ok(name) } else { problem(path, Problem::BadText, "") }
}

/// An e-mail address.
///
/// # Errors
/// [`Problem::Missing`], [`Problem::BadText`].
pub fn email(path: String, text: &str) -> Result<String, ImportError> {
    let address = line(path.clone(), text, 254)?;
    let plausible = address.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
    if plausible && address.is_ascii() && !address.contains(' ') {
        Ok(address)
    } else {
        problem(path, Problem::BadText, "")
    }
}

/// A country, ISO 3166-1 alpha-2, upper case.
///
/// # Errors
/// [`Problem::BadText`].
pub fn country(path: String, code: &str) -> Result<String, ImportError> {
    let plausible = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if plausible { Ok(code.to_owned()) } else { problem(path, Problem::BadText, "") }
}

/// A phone number, E.164.
///
/// # Errors
/// [`Problem::BadText`].
pub fn phone(path: String, text: &str) -> Result<String, ImportError> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let plausible = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plausible { Ok(text.to_owned()) } else { problem(path, Problem::BadText, "") }
}
