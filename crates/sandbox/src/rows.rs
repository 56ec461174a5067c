//! The rows of the table of faults (`docs/faults.md`) that a sender can play: what is wrong with the one notification that is sent
//! for a row, in the order in which a notification is made: what it says, what it is wrapped in, who signs it when, and what is
//! changed on the way.
//!
//! `{"provider": "wechatpay", "switch": "notify", "row": "WX-10"}` sends a bad notification before each that tells of money, once;
//! the genuine ones are held back until `POST /notify` asks for them, so that nothing but the bad one, and what the merchant
//! asks, tells. Deliberately not here: the tables, which are each provider's, and rows that are the receiver's own.

use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::notify::Variant;

/// Who signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The provider, for this merchant.
    Provider,
    /// The provider, for somebody else.
    ForAnother,
    /// Somebody else.
    Stranger,
}

/// What is wrong with a notification; nothing where a part is as it should be.
#[derive(Clone, Copy)]
pub(crate) struct Wrong {
    /// What it says.
    pub(crate) says: Option<fn(&mut Value)>,
    /// What it is wrapped in, once it is sealed; only where something is.
    pub(crate) wraps: Option<fn(&mut Value)>,
    /// Whether it comes under the event id of the genuine one.
    pub(crate) same_id: bool,
    /// How far its time is off, seconds.
    pub(crate) off_s: i64,
    pub(crate) by: By,
    /// What arrives, once it is signed.
    pub(crate) sends: Option<fn(&mut HeaderMap, &mut String)>,
}

/// A provider's rows by name.
pub(crate) type Table = &'static [(&'static str, Wrong)];

/// Nothing is wrong.
pub(crate) const NOTHING: Wrong =
    Wrong { says: None, wraps: None, same_id: false, off_s: 0, by: By::Provider, sends: None };

/// It says something else.
pub(crate) const fn says(change: fn(&mut Value)) -> Wrong {
    Wrong { says: Some(change), ..NOTHING }
}

/// It is wrapped in something else.
pub(crate) const fn wraps(change: fn(&mut Value)) -> Wrong {
    Wrong { wraps: Some(change), ..NOTHING }
}

/// It is changed on the way.
pub(crate) const fn sends(change: fn(&mut HeaderMap, &mut String)) -> Wrong {
    Wrong { sends: Some(change), ..NOTHING }
}

/// Its time is off.
pub(crate) const fn off(seconds: i64) -> Wrong {
    Wrong { off_s: seconds, ..NOTHING }
}

/// Somebody else signs, or for somebody else.
pub(crate) const fn signed(by: By) -> Wrong {
    Wrong { by, ..NOTHING }
}

/// What is wrong with this variant; nothing unless it is a row's.
pub(crate) fn of(table: Table, variant: Variant) -> Wrong {
    let found = match variant {
        Variant::Row(row) => table.iter().find(|(name, _)| *name == row),
        Variant::Genuine | Variant::Corrupt | Variant::Probe => None,
    };
    found.map_or(NOTHING, |(_, wrong)| *wrong)
}

impl Wrong {
    /// What it says, changed.
    pub(crate) fn said(&self, content: &mut Value) {
        if let Some(change) = self.says {
            change(content);
        }
    }

    /// What arrives, changed.
    pub(crate) fn sent(&self, mut headers: HeaderMap, mut body: String) -> (HeaderMap, String) {
        if let Some(change) = self.sends {
            change(&mut headers, &mut body);
        }
        (headers, body)
    }
}

/// Sets a header.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Changes the text of a header.
pub(crate) fn edit(headers: &mut HeaderMap, name: &'static str, change: impl FnOnce(&str) -> String) {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).map(change);
    set(headers, name, &value.unwrap_or_default());
}

/// WH-06: the same JSON, written again.
pub(crate) fn written_again(_: &mut HeaderMap, body: &mut String) {
    let same: Value = serde_json::from_str(body).unwrap_or_default();
    *body = format!("{same:#}\n");
}

/// WH-07: said to be of another type and packed, and neither.
pub(crate) fn mislabelled(headers: &mut HeaderMap, _: &mut String) {
    set(headers, "content-type", "text/html");
    set(headers, "content-encoding", "gzip");
}

/// WH-13: far longer than any.
pub(crate) fn endless() -> Value {
    Value::from("x".repeat(70_000))
}

/// WH-27: the message of another channel.
pub(crate) fn of_another(headers: &mut HeaderMap, body: &mut String) {
    headers.clear();
    *body = json!({"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource": {}}).to_string();
}

/// WH-20: a number that is nobody's.
pub(crate) const NOBODY: &str = "01KA0000000000000000000ZZZ";
