//! `expand`: ids in an answer replaced by the things they name; and lists, newest first, in pages.
//!
//! Deliberately not here: which things there are.

use serde_json::{Value, json};

use super::form::Form;
use super::{Refusal, disputes, intents, movements, refunds, sessions};
use crate::store::{Book, Document};

/// The answer with everything in `paths` in full.
pub(super) async fn expanded(book: &mut Book, mut value: Value, paths: &[String]) -> Result<Value, Refusal> {
    for path in paths {
        let mut places = vec![String::new()];
        for name in path.split('.') {
            places = step(book, &mut value, &places, name).await?.ok_or_else(|| {
                Refusal::param("expand", "parameter_invalid", format!("This property cannot be expanded ({path})."))
            })?;
        }
    }
    Ok(value)
}

/// Goes one name deeper from every place; none when there is no such property to be expanded.
async fn step(book: &mut Book, value: &mut Value, from: &[String], name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let mut reached = Vec::new();
    for place in from {
        let place = format!("{place}/{name}");
        let Some(found) = value.pointer_mut(&place) else { return Ok(None) };
        if let Some(id) = found.as_str() {
            let Some(named) = thing(book, id).await? else { return Ok(None) };
            *found = named;
        }
        match found {
            Value::Array(items) => reached.extend((0..items.len()).map(|at| format!("{place}/{at}"))),
            Value::Object(_) => reached.push(place),
            _ => {}
        }
    }
    Ok(Some(reached))
}

async fn thing(book: &mut Book, id: &str) -> Result<Option<Value>, Refusal> {
    let kind = match id.split_once('_') {
        Some(("pi", _)) => intents::INTENT,
        Some(("ch" | "py", _)) => intents::CHARGE,
        Some(("txn", _)) => movements::MOVEMENT,
        Some(("du", _)) => disputes::DISPUTE,
        Some(("re" | "pyr", _)) => refunds::REFUND,
        Some(("cs", _)) => sessions::SESSION,
        _ => return Ok(None),
    };
    Ok(book.get(kind, id).await?.map(|document| document.wire))
}

/// One page of a list: `limit` (10 when absent, at most 100), `starting_after`, newest first.
pub(super) async fn page(book: &mut Book, form: &Form, url: &str, documents: Vec<Document>) -> Result<Value, Refusal> {
    let limit = form.integer("limit")?.unwrap_or(10);
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)) else {
        return Err(Refusal::param("limit", "parameter_invalid_integer", "limit is between 1 and 100"));
    };
    let range = |name: &str| -> Result<Option<i64>, Refusal> { form.integer(&format!("created.{name}")) };
    let (from, until) = (range("gte")?.unwrap_or(i64::MIN), range("lte")?.unwrap_or(i64::MAX));
    let within = |document: &Document| (from..=until).contains(&document.wire["created"].as_i64().unwrap_or_default());
    let mut newest: Vec<Value> = documents.into_iter().rev().filter(within).map(|document| document.wire).collect();
    let after = form.text("starting_after");
    if !after.is_empty() {
        let at =
            newest.iter().position(|value| value["id"] == after).ok_or_else(|| Refusal::missing("object", after))?;
        newest.drain(..=at);
    }
    let has_more = newest.len() > limit;
    newest.truncate(limit);
    let list = json!({"object": "list", "url": url, "has_more": has_more, "data": newest});
    expanded(book, list, &form.expand()).await
}
