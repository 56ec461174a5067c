//! What somebody typed about a traveller, checked field by field, and joined with what is kept already: a masked field that
//! was left alone stays as it is.
//!
//! An error names the field and the problem, never what was typed. Deliberately not here: whether the details may change now.

use super::{Document, Loyalty, Person};
use crate::api::{
    command::{DocumentWish, LoyaltyWish, Personal, SaveTraveller},
    convert,
};
use jiff::civil::{Date, date};
use std::collections::BTreeSet;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    plan::import::{ImportError, Problem, Traveller, text},
};

/// Documents of one person.
const DOCUMENTS_MAX: usize = 8;
/// Memberships of one person.
const LOYALTY_MAX: usize = 20;
/// Nobody who travels was born before.
const BORN_MIN: Date = date(1900, 1, 1);

/// Checks a wish against what is kept; `before` is nothing for a new person.
///
/// # Errors
/// `MalformedInput` with `path` and `problem`.
pub(crate) fn person(wish: &SaveTraveller, before: Option<&Person>, today: Date) -> Result<Person, Fault> {
    let known = before.map(|person| &person.traveller);
    let born_on = match typed(wish.born_on.as_ref()) {
        Some(text) => born_on(text, today)?,
        None => known.map(|known| known.born_on).ok_or_else(|| refused("born_on", Problem::Missing))?,
    };
    let email = match typed(wish.email.as_ref()) {
        Some(typed) => text::email("email".to_owned(), typed).map_err(|error| fault(&error))?,
        None => known.map(|known| known.email.clone()).ok_or_else(|| refused("email", Problem::Missing))?,
    };
    let phone_number = match typed(wish.phone_number.as_ref()) {
        Some(typed) => text::phone("phone_number".to_owned(), typed).map_err(|error| fault(&error))?,
        None => {
            known.map(|known| known.phone_number.clone()).ok_or_else(|| refused("phone_number", Problem::Missing))?
        }
    };
    let country = |code: &str| text::country("residence_country".to_owned(), code).map_err(|error| fault(&error));
    let latin =
        |path: &str, name: &Personal| text::latin_name(path.to_owned(), name.expose()).map_err(|error| fault(&error));
    let traveller = Traveller {
        id: wish.traveller_id,
        display_name: text::line("display_name", wish.display_name.expose(), 60).map_err(|error| fault(&error))?,
        title: convert::title_from(wish.title),
        gender: convert::gender_from(wish.gender),
        given_name: latin("given_name", &wish.given_name)?,
        family_name: latin("family_name", &wish.family_name)?,
        born_on,
        email,
        phone_number,
        residence_country: wish.residence_country.as_deref().map(country).transpose()?,
    };
    Ok(Person {
        traveller,
        documents: documents(&wish.documents, before.map_or(&[], |person| &person.documents))?,
        loyalty: loyalty(&wish.loyalty, before.map_or(&[], |person| &person.loyalty))?,
        seat: wish.seat,
        meal: wish.meal,
        by_hand: true,
    })
}

fn documents(wishes: &[DocumentWish], known: &[Document]) -> Result<Vec<Document>, Fault> {
    if wishes.len() > DOCUMENTS_MAX {
        return Err(refused("documents", Problem::TooMany));
    }
    let mut next = known.iter().map(|document| document.id).max().unwrap_or(0);
    let (mut documents, mut seen) = (Vec::with_capacity(wishes.len()), BTreeSet::new());
    for (index, wish) in wishes.iter().enumerate() {
        let at = |field: &str| format!("documents[{index}].{field}");
        let before = known.iter().find(|document| Some(document.id) == wish.id);
        if wish.id.is_some() && before.is_none() {
            return Err(refused(at("id"), Problem::UnknownKey));
        }
        let number = match typed(wish.number.as_ref()) {
            Some(typed) => number(at("number"), &typed.to_ascii_uppercase(), 5, 20)?,
            None => before.map(|known| known.number.clone()).ok_or_else(|| refused(at("number"), Problem::Missing))?,
        };
        let country = text::country(at("country"), &wish.country).map_err(|error| fault(&error))?;
        let id = before.map_or_else(
            || {
                next = next.saturating_add(1);
                next
            },
            |known| known.id,
        );
        if !seen.insert((country.clone(), number.clone())) {
            return Err(refused(at("number"), Problem::DuplicateKey));
        }
        let expires_on = parse(at("expires_on"), &wish.expires_on)?;
        documents.push(Document { id, kind: wish.kind, number, country, expires_on });
    }
    Ok(documents)
}

fn loyalty(wishes: &[LoyaltyWish], known: &[Loyalty]) -> Result<Vec<Loyalty>, Fault> {
    if wishes.len() > LOYALTY_MAX {
        return Err(refused("loyalty", Problem::TooMany));
    }
    let (mut cards, mut seen) = (Vec::with_capacity(wishes.len()), BTreeSet::new());
    for (index, wish) in wishes.iter().enumerate() {
        let at = |field: &str| format!("loyalty[{index}].{field}");
        let programme = text::line(at("programme"), &wish.programme, 40).map_err(|error| fault(&error))?;
        let before = known.iter().find(|card| card.programme == programme);
        let number = match typed(wish.number.as_ref()) {
            Some(typed) => number(at("number"), typed, 4, 24)?,
            None => before.map(|card| card.number.clone()).ok_or_else(|| refused(at("number"), Problem::Missing))?,
        };
        if !seen.insert(programme.to_lowercase()) {
            return Err(refused(at("programme"), Problem::DuplicateKey));
        }
        cards.push(Loyalty { programme, number });
    }
    Ok(cards)
}

/// What was typed; an empty field was left alone.
fn typed(text: Option<&Personal>) -> Option<&str> {
    text.map(|text| text.expose().trim()).filter(|text| !text.is_empty())
}

fn born_on(text: &str, today: Date) -> Result<Date, Fault> {
    let born = parse("born_on".to_owned(), text)?;
    if born >= today || born < BORN_MIN {
        return Err(refused("born_on", Problem::DatesOutOfOrder));
    }
    Ok(born)
}

fn parse(path: String, text: &str) -> Result<Date, Fault> {
    let exact = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
    exact.ok_or_else(|| refused(path, Problem::BadDate))
}

/// Letters and digits as on a document or a card.
fn number(path: String, text: &str, min: usize, max: usize) -> Result<String, Fault> {
    let fits = (min..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err(refused(path, Problem::BadText)) }
}

fn refused(path: impl Into<String>, problem: Problem) -> Fault {
    fault(&ImportError { path: path.into(), problem, detail: String::new() })
}

fn fault(error: &ImportError) -> Fault {
    let word = serde_json::to_value(error.problem).ok();
    let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
    Fault::new(FaultCode::MalformedInput, format!("{}: {word}", error.path))
        .with("path", &error.path)
        .with("problem", word)
}
