//! Reading a plan file: JSON of format `zhiyou-plan/1`, documented in `docs/plan-format.md`.
//!
//! Everything is checked before anything is kept; an error names the field and the place. Ids are made by the caller.
//! Deliberately not here: storage, and sealing the travellers' details.

mod file;
pub mod text;

use super::{
    Constraint, Destination, ItemRequest, Plan, PlanBooking, PlanItem, PlanStorage, Priority, Supplier, Timeline,
};
use crate::{
    id::{ItemId, PlanId, TravellerId},
    money::{Currency, Money},
    places,
    port::flights::{Gender, Title},
    time::ZonedCivil,
};
use file::{DateText, ItemFile, MoneyFile, PlanFile, TravellerFile};
use jiff::{Span, civil::Date};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use text::{country, email, latin_name, line, phone};

/// Largest accepted file, bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Most items in a plan.
pub const ITEMS_MAX: usize = 200;
/// Most travellers in a plan; airlines sell at most nine seats in one order.
pub const TRAVELLERS_MAX: usize = 9;

/// A plan and the details of its travellers, which the caller seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The plan.
    pub plan: Plan,
    /// Details, in the order of `plan.travellers`.
    pub travellers: Vec<Traveller>,
}

/// A traveller's details: personal data, to be sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traveller {
    /// Id.
    pub id: TravellerId,
    /// Name to show, in any script.
    pub display_name: String,
    /// Title.
    pub title: Title,
    /// Gender as on the travel document.
    pub gender: Gender,
    /// Given name, Latin letters.
    pub given_name: String,
    /// Family name, Latin letters.
    pub family_name: String,
    /// Date of birth.
    pub born_on: Date,
    /// E-mail.
    pub email: String,
    /// Phone, E.164.
    pub phone_number: String,
    /// Country of residence, ISO 3166-1 alpha-2; car hire asks for it.
    #[serde(default)]
    pub residence_country: Option<String>,
}

// Personal data must not reach a log through `{:?}`.
impl std::fmt::Debug for Traveller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Traveller({}, <redacted>)", self.id)
    }
}

/// Why a file was refused. Nothing was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem:?} {detail}")]
pub struct ImportError {
    /// Where, e.g. `items[2].price.amount`.
    pub path: String,
    /// What, to branch on.
    pub problem: Problem,
    /// For the log; never quotes the file, which names people.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Larger than [`FILE_BYTES_MAX`].
    TooLarge,
    /// Not JSON, or not of the expected shape.
    Malformed,
    /// More than [`ITEMS_MAX`] items or [`TRAVELLERS_MAX`] travellers.
    TooMany,
    /// Empty where something is needed.
    Missing,
    /// Text that is too long or has characters that cannot be booked.
    BadText,
    /// Not an amount: negative, fractional beyond the currency, or not a decimal text.
    BadAmount,
    /// Not an ISO 4217 currency.
    UnknownCurrency,
    /// Another currency than the budget's.
    OtherCurrency,
    /// Not a date, or one that does not exist.
    BadDate,
    /// A date before today.
    PastDate,
    /// A last day before its first, or outside the plan's days.
    DatesOutOfOrder,
    /// An airport or city that is not known.
    UnknownPlace,
    /// A key that is used twice.
    DuplicateKey,
    /// A key nothing in the file has.
    UnknownKey,
    /// Items that wait for each other.
    Cycle,
    /// An item that begins before what it comes after is over.
    TooEarly,
}

type Checked<T> = Result<T, ImportError>;

fn problem<T>(path: impl Into<String>, problem: Problem, detail: impl AsRef<str>) -> Checked<T> {
    Err(ImportError { path: path.into(), problem, detail: detail.as_ref().chars().take(200).collect() })
}

/// Makes the ids of an import; the engine gives it fresh ULIDs.
pub trait NewIds {
    /// A new plan id.
    fn plan(&mut self) -> PlanId;
    /// A new item id.
    fn item(&mut self) -> ItemId;
    /// A new traveller id.
    fn traveller(&mut self) -> TravellerId;
}

/// Reads and checks a plan file. `today` is the local date relative dates (`"+14d"`) count from.
///
/// # Errors
/// [`ImportError`] names the place and the problem of the first defect found.
pub fn read(text: &str, today: Date, ids: &mut impl NewIds) -> Checked<Imported> {
    if text.len() > FILE_BYTES_MAX {
        return problem("$", Problem::TooLarge, format!("{} bytes", text.len()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let file: PlanFile = serde_path_to_error::deserialize(&mut json).map_err(|error| ImportError {
        path: Some(error.path().to_string()).filter(|path| !path.is_empty()).unwrap_or_else(|| "$".to_owned()),
        problem: Problem::Malformed,
        detail: place(error.inner()),
    })?;
    json.end().map_err(|error| ImportError {
        path: "$".to_owned(),
        problem: Problem::Malformed,
        detail: place(&error),
    })?;
    if file.format != "zhiyou-plan/1" {
        return problem("format", Problem::Malformed, "another format");
    }
    plan(file, today, ids)
}

/// Where the text stops being what was expected. The error's own words quote it.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

fn plan(file: PlanFile, today: Date, ids: &mut impl NewIds) -> Checked<Imported> {
    let title = line("title", &file.title, 120)?;
    let budget = amount("budget", &file.budget, None)?;
    let timeline = Timeline {
        starts_on: date("starts_on", &file.starts_on, today)?,
        ends_on: date("ends_on", &file.ends_on, today)?,
    };
    if timeline.starts_on < today {
        return problem("starts_on", Problem::PastDate, "");
    }
    if timeline.ends_on < timeline.starts_on {
        return problem("ends_on", Problem::DatesOutOfOrder, "before the beginning");
    }
    let destinations = destinations(&file.destinations)?;
    let (travellers, traveller_ids) = travellers(&file.travellers, today, ids)?;
    let items = items(&file.items, today, timeline, budget.currency(), &traveller_ids, ids)?;
    drivers_live_somewhere(&items, &travellers)?;
    let plan = Plan {
        id: ids.plan(),
        title,
        destinations,
        timeline,
        travellers: travellers.iter().map(|t| t.id).collect(),
        budget,
        items,
        booking: PlanBooking::Draft,
        storage: PlanStorage::Draft,
    };
    if let Err(error) = plan.expected_total() {
        return problem("items", Problem::BadAmount, error.to_string());
    }
    Ok(Imported { plan, travellers })
}

fn destinations(names: &[String]) -> Checked<Vec<Destination>> {
    if names.is_empty() {
        return problem("destinations", Problem::Missing, "");
    }
    if names.len() > 50 {
        return problem("destinations", Problem::TooMany, names.len().to_string());
    }
    let place = |(index, name): (usize, &String)| match places::city(name) {
        Some(city) => Ok(Destination {
            city: city.name.clone(),
            city_zh: city.name_zh.clone(),
            country: city.country.clone(),
            zone: city.zone.clone(),
        }),
        None => problem(format!("destinations[{index}]"), Problem::UnknownPlace, ""),
    };
    names.iter().enumerate().map(place).collect()
}

type Keys<T> = BTreeMap<String, T>;

fn travellers(
    files: &[TravellerFile],
    today: Date,
    ids: &mut impl NewIds,
) -> Checked<(Vec<Traveller>, Keys<TravellerId>)> {
    if files.is_empty() {
        return problem("travellers", Problem::Missing, "");
    }
    if files.len() > TRAVELLERS_MAX {
        return problem("travellers", Problem::TooMany, files.len().to_string());
    }
    let mut keys = Keys::new();
    let mut travellers = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let at = |field: &str| format!("travellers[{index}].{field}");
        let id = ids.traveller();
        if keys.insert(line(at("key"), &file.key, 40)?, id).is_some() {
            return problem(at("key"), Problem::DuplicateKey, "");
        }
        let born_on = date(at("born_on"), &file.born_on, today)?;
        if born_on >= today {
            return problem(at("born_on"), Problem::DatesOutOfOrder, "not in the past");
        }
        travellers.push(Traveller {
            id,
            display_name: line(at("display_name"), &file.display_name, 60)?,
            title: file.title,
            gender: file.gender,
            given_name: latin_name(at("given_name"), &file.given_name)?,
            family_name: latin_name(at("family_name"), &file.family_name)?,
            born_on,
            email: email(at("email"), &file.email)?,
            phone_number: phone(at("phone_number"), &file.phone_number)?,
            residence_country: file
                .residence_country
                .as_deref()
                .map(|code| country(at("residence_country"), code))
                .transpose()?,
        });
    }
    Ok((travellers, keys))
}

fn items(
    files: &[ItemFile],
    today: Date,
    timeline: Timeline,
    currency: Currency,
    travellers: &Keys<TravellerId>,
    ids: &mut impl NewIds,
) -> Checked<Vec<PlanItem>> {
    if files.is_empty() {
        return problem("items", Problem::Missing, "");
    }
    if files.len() > ITEMS_MAX {
        return problem("items", Problem::TooMany, files.len().to_string());
    }
    let mut keys = Keys::new();
    for (index, file) in files.iter().enumerate() {
        if keys.insert(line(format!("items[{index}].key"), file.key(), 40)?, (ids.item(), index)).is_some() {
            return problem(format!("items[{index}].key"), Problem::DuplicateKey, "");
        }
    }
    let mut items = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        items.push(item(index, file, today, timeline, currency, travellers, &keys)?);
    }
    no_cycle(files, &keys)?;
    in_time(&items)?;
    items.sort_by_key(|item| item.request.first_day());
    Ok(items)
}

fn item(
    index: usize,
    file: &ItemFile,
    today: Date,
    timeline: Timeline,
    currency: Currency,
    travellers: &Keys<TravellerId>,
    keys: &Keys<(ItemId, usize)>,
) -> Checked<PlanItem> {
    let at = |field: &str| format!("items[{index}].{field}");
    let common = file.common();
    let request = request(file, today, &at)?;
    if request.first_day() < today {
        return problem(at(file.first_date_field()), Problem::PastDate, "");
    }
    if request.first_day() < timeline.starts_on || request.last_day() > timeline.ends_on {
        return problem(at(file.first_date_field()), Problem::DatesOutOfOrder, "outside starts_on and ends_on");
    }
    let price = common.price.as_ref().map(|price| amount(&at("price"), price, Some(currency))).transpose()?;
    let whom = common.travellers.iter().enumerate().map(|(n, key)| {
        travellers
            .get(key)
            .copied()
            .map_or_else(|| problem(at(&format!("travellers[{n}]")), Problem::UnknownKey, ""), Ok)
    });
    let named = whom.collect::<Checked<Vec<_>>>()?;
    let after = common.after.iter().enumerate().map(|(n, key)| {
        keys.get(key).map_or_else(
            || problem(at(&format!("after[{n}]")), Problem::UnknownKey, ""),
            |(id, _)| Ok(Constraint::After { item: *id }),
        )
    });
    let constraints = after.collect::<Checked<Vec<_>>>()?;
    let supplier = match request {
        ItemRequest::Flight { .. } => Supplier::Duffel,
        ItemRequest::Hotel { .. } => Supplier::DuffelStays,
        ItemRequest::Car { .. } => Supplier::DuffelCars,
        ItemRequest::Activity { .. } => Supplier::Viator,
    };
    let Some((id, _)) = keys.get(&common.key) else { return problem(at("key"), Problem::UnknownKey, "") };
    Ok(PlanItem {
        id: *id,
        request,
        priority: common.priority.unwrap_or(Priority::MustHave),
        supplier,
        price,
        travellers: if named.is_empty() { travellers.values().copied().collect() } else { named },
        constraints,
        member_platform: common.member_platform.clone(),
    })
}

fn request(file: &ItemFile, today: Date, at: &impl Fn(&str) -> String) -> Checked<ItemRequest> {
    match file {
        ItemFile::Flight { origin, destination, departure_date, cabin, .. } => {
            if origin == destination {
                return problem(at("destination"), Problem::UnknownPlace, "where it begins");
            }
            Ok(ItemRequest::Flight {
                origin: airport(at("origin"), origin)?.iata.to_owned(),
                destination: airport(at("destination"), destination)?.iata.to_owned(),
                departure_date: date(at("departure_date"), departure_date, today)?,
                cabin: *cabin,
            })
        }
        ItemFile::Hotel { city, check_in, check_out, rooms, .. } => {
            let (first, last) = (date(at("check_in"), check_in, today)?, date(at("check_out"), check_out, today)?);
            if last <= first {
                return problem(at("check_out"), Problem::DatesOutOfOrder, "not after the arrival");
            }
            if !(1..=9).contains(rooms) {
                return problem(at("rooms"), Problem::TooMany, "");
            }
            Ok(ItemRequest::Hotel {
                city: known_city(at("city"), city)?.name.clone(),
                check_in: first,
                check_out: last,
                rooms: *rooms,
            })
        }
        ItemFile::Activity { name, city, date: day, time, .. } => {
            let place = known_city(at("city"), city)?;
            Ok(ItemRequest::Activity {
                name: line(at("name"), name, 120)?,
                city: place.name.clone(),
                starts: zoned(at("time"), date(at("date"), day, today)?, time, &place.zone)?,
            })
        }
        ItemFile::Car { airport: code, pick_up_date, pick_up_time, return_date, return_time, .. } => {
            let place = airport(at("airport"), code)?;
            let starts =
                zoned(at("pick_up_time"), date(at("pick_up_date"), pick_up_date, today)?, pick_up_time, place.zone)?;
            let ends = zoned(at("return_time"), date(at("return_date"), return_date, today)?, return_time, place.zone)?;
            if ends.local <= starts.local {
                return problem(at("return_date"), Problem::DatesOutOfOrder, "not after the beginning");
            }
            Ok(ItemRequest::Car { airport: place.iata.to_owned(), starts, ends })
        }
    }
}

/// Walks the `after` edges without recursion, so that a long chain cannot exhaust the stack.
fn no_cycle(files: &[ItemFile], keys: &Keys<(ItemId, usize)>) -> Checked<()> {
    let edges: Vec<Vec<usize>> = files
        .iter()
        .map(|file| file.common().after.iter().filter_map(|key| keys.get(key).map(|(_, index)| *index)).collect())
        .collect();
    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..files.len()).filter(|&index| waiting.get(index) == Some(&0)).collect();
    let mut done = 0;
    while let Some(finished) = ready.pop() {
        done += 1;
        for (index, needs) in edges.iter().enumerate() {
            let count = needs.iter().filter(|&&need| need == finished).count();
            if let Some(left) = waiting.get_mut(index).filter(|_| count > 0) {
                *left -= count;
                if *left == 0 {
                    ready.push(index);
                }
            }
        }
    }
    match waiting.iter().position(|&left| left > 0) {
        Some(index) if done < files.len() => problem(format!("items[{index}].after"), Problem::Cycle, ""),
        _ => Ok(()),
    }
}

fn in_time(items: &[PlanItem]) -> Checked<()> {
    for (index, item) in items.iter().enumerate() {
        for Constraint::After { item: earlier } in &item.constraints {
            let over =
                items.iter().find(|other| other.id == *earlier).map(|other| match (&other.request, &item.request) {
                    // What is done during a stay comes after its check-in, not after its end.
                    (ItemRequest::Hotel { check_in, .. }, ItemRequest::Activity { .. }) => *check_in,
                    (other, _) => other.last_day(),
                });
            if over.is_some_and(|day| day > item.request.first_day()) {
                return problem(
                    format!("items[{index}].after"),
                    Problem::TooEarly,
                    item.request.first_day().to_string(),
                );
            }
        }
    }
    Ok(())
}

fn amount(path: &str, file: &MoneyFile, expected: Option<Currency>) -> Checked<Money> {
    let currency: Currency = match file.currency.parse() {
        Ok(currency) => currency,
        Err(_) => return problem(format!("{path}.currency"), Problem::UnknownCurrency, ""),
    };
    if expected.is_some_and(|expected| expected != currency) {
        return problem(format!("{path}.currency"), Problem::OtherCurrency, "");
    }
    match Money::parse_decimal(&file.amount, currency) {
        Ok(money) if money.is_positive() => Ok(money),
        Ok(_) => problem(format!("{path}.amount"), Problem::BadAmount, "not positive"),
        Err(_) => problem(format!("{path}.amount"), Problem::BadAmount, "not an amount"),
    }
}

fn date(path: impl Into<String>, text: &DateText, today: Date) -> Checked<Date> {
    let relative = text.0.strip_prefix('+').and_then(|rest| rest.strip_suffix('d'));
    let parsed = match relative {
        Some(days) if days.len() <= 3 => {
            days.parse::<i64>().ok().and_then(|days| today.checked_add(Span::new().days(days)).ok())
        }
        Some(_) => None,
        None if text.0.len() == 10 => text.0.parse().ok(),
        None => None,
    };
    parsed.map_or_else(|| problem(path, Problem::BadDate, ""), Ok)
}

fn zoned(path: String, day: Date, time: &str, zone: &str) -> Checked<ZonedCivil> {
    match ZonedCivil::parse(&format!("{day}T{time}:00"), zone) {
        Ok(zoned) if time.len() == 5 => Ok(zoned),
        _ => problem(path, Problem::BadDate, ""),
    }
}

fn airport(path: String, code: &str) -> Checked<&'static places::AirportPlace> {
    places::airport(code).map_or_else(|| problem(path, Problem::UnknownPlace, ""), Ok)
}

fn known_city(path: String, name: &str) -> Checked<&'static places::CityPlace> {
    places::city(name).map_or_else(|| problem(path, Problem::UnknownPlace, ""), Ok)
}

/// Car hire companies ask where the driver, the first traveller of the item, lives.
fn drivers_live_somewhere(items: &[PlanItem], travellers: &[Traveller]) -> Checked<()> {
    for item in items.iter().filter(|item| matches!(item.request, ItemRequest::Car { .. })) {
        let driver = item.travellers.first().and_then(|id| travellers.iter().position(|traveller| traveller.id == *id));
        if let Some((index, traveller)) = driver.and_then(|index| Some((index, travellers.get(index)?)))
            && traveller.residence_country.is_none()
        {
            return problem(format!("travellers[{index}].residence_country"), Problem::Missing, "needed to hire a car");
        }
    }
    Ok(())
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(any(test, fuzzing))]
mod tests;
