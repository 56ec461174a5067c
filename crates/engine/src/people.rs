//! Travellers as the person keeps them: details, documents, contacts, memberships and wishes, sealed in the vault as one
//! document per person.
//!
//! The document is the traveller of an imported plan and more, so that booking reads either. A plan that is imported is
//! matched with whom we know by name and birthday. Deliberately not here: showing anything whole (see [`mask`]), and what
//! a supplier is told.

pub(crate) mod check;
pub(crate) mod mask;
#[cfg(test)]
mod tests;

use crate::{
    api::view::{DocumentKindView, ExpiryView, MealView, SeatWishView},
    audit::Origin,
    store::Tx,
    vault::{Vault, VaultError},
};
use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::{Zeroize, Zeroizing};
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::TravellerId,
    plan::{Plan, import::Traveller},
};

/// Kind of the sealed documents.
pub(crate) const KIND: &str = "traveller";
/// Many countries let nobody in whose passport ends within so many months of the stay.
const MONTHS_LEFT_MIN: i64 = 6;

/// A person: personal data, sealed; what names them or reaches them is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// What suppliers ask for.
    #[serde(flatten)]
    pub(crate) traveller: Traveller,
    /// Travel documents.
    #[serde(default)]
    pub(crate) documents: Vec<Document>,
    /// Memberships.
    #[serde(default)]
    pub(crate) loyalty: Vec<Loyalty>,
    /// Where to sit, if that matters.
    #[serde(default)]
    pub(crate) seat: SeatWishView,
    /// What to eat, if that matters.
    #[serde(default)]
    pub(crate) meal: MealView,
    /// Whether a person saved it here; then an import changes nothing of it.
    #[serde(default)]
    pub(crate) by_hand: bool,
}

impl Drop for Person {
    fn drop(&mut self) {
        let of = &mut self.traveller;
        for text in [&mut of.display_name, &mut of.given_name, &mut of.family_name, &mut of.email, &mut of.phone_number]
        {
            text.zeroize();
        }
    }
}

// Personal data must not reach a log through `{:?}`.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({}, <redacted>)", self.traveller.id)
    }
}

/// A travel document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// Number within the person; names it towards the interface.
    pub(crate) id: i64,
    /// Kind.
    pub(crate) kind: DocumentKindView,
    /// Number, as printed.
    pub(crate) number: String,
    /// Country that issued it, ISO 3166-1 alpha-2.
    pub(crate) country: String,
    /// Last day on which it is valid.
    pub(crate) expires_on: Date,
}

impl Drop for Document {
    fn drop(&mut self) {
        self.number.zeroize();
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Document(<redacted>)")
    }
}

/// A membership.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loyalty {
    /// Programme, as the person calls it.
    pub(crate) programme: String,
    /// Member number.
    pub(crate) number: String,
}

impl Drop for Loyalty {
    fn drop(&mut self) {
        self.number.zeroize();
    }
}

impl std::fmt::Debug for Loyalty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loyalty(<redacted>)")
    }
}

impl Document {
    /// What is wrong with its last day, for trips that end on these days; the worst of it.
    pub(crate) fn expiry(&self, today: Date, trips_end: &[Date]) -> Option<ExpiryView> {
        if self.expires_on < today {
            return Some(ExpiryView::Expired);
        }
        // The last trip asks for most.
        let last = trips_end.iter().max()?;
        if self.expires_on < *last {
            return Some(ExpiryView::BeforeTripEnds);
        }
        let wanted = last.checked_add(MONTHS_LEFT_MIN.months()).unwrap_or(Date::MAX);
        (self.expires_on < wanted).then_some(ExpiryView::WithinSixMonths)
    }
}

/// Everybody we know, and how many documents do not open.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) people: Vec<Person>,
    pub(crate) unreadable: u32,
}

/// Reads everybody. One that does not open does not hide the others.
///
/// # Errors
/// `VaultLocked`, `VaultUnavailable`; the store's faults.
pub(crate) async fn all(vault: &Vault) -> Result<Known, Fault> {
    let mut known = Known::default();
    for id in vault.ids(KIND).await? {
        match read(vault, &id).await {
            Ok(Some(person)) => known.people.push(person),
            Ok(None) => {}
            Err(VaultError::Damaged) => {
                tracing::error!(traveller = id, "a traveller's details do not open");
                known.unreadable = known.unreadable.saturating_add(1);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

/// Reads one person; `None` when there is none.
///
/// # Errors
/// The vault's.
pub(crate) async fn get(vault: &Vault, id: TravellerId) -> Result<Option<Person>, VaultError> {
    read(vault, &id.to_string()).await
}

async fn read(vault: &Vault, id: &str) -> Result<Option<Person>, VaultError> {
    let Some(plain) = vault.get(KIND, id).await? else { return Ok(None) };
    serde_json::from_slice(&plain).map(Some).map_err(|_| VaultError::Damaged)
}

/// Seals one person.
///
/// # Errors
/// The vault's faults.
pub(crate) async fn put(vault: &Vault, tx: &mut Tx, person: &Person) -> Result<(), Fault> {
    // The text of the error could quote what was to be written.
    let plain = serde_json::to_vec(person).map_err(|_| Fault::new(FaultCode::Internal, "a person is not JSON"))?;
    Ok(vault.put(tx, KIND, &person.traveller.id.to_string(), &Zeroizing::new(plain)).await?)
}

/// Keeps the travellers of an imported plan: whom we know already is not kept twice, and the plan then names the one we
/// know. Details that the person saved by hand stay, and those of whoever is `busy`: is in an order that is being booked.
/// Others are brought up to date, unless a tool asks: what is personal is the person's, and a tool only fills gaps. Returns
/// who was known and is changed.
///
/// # Errors
/// The vault's faults.
pub(crate) async fn take_in(
    vault: &Vault,
    tx: &mut Tx,
    plan: &mut Plan,
    travellers: Vec<Traveller>,
    busy: &BTreeSet<TravellerId>,
) -> Result<Vec<TravellerId>, Fault> {
    let replaces = Origin::now() != Origin::Tool;
    let mut known = all(vault).await?.people;
    let (mut known_as, mut changed) = (BTreeMap::new(), Vec::new());
    for traveller in travellers {
        let imported = traveller.id;
        let found = known.iter().position(|person| same(&person.traveller, &traveller));
        // Each is matched once: two of the same name and birthday in one plan are two.
        let mut person = match found {
            Some(index) => known.swap_remove(index),
            None => Person {
                traveller: traveller.clone(),
                documents: Vec::new(),
                loyalty: Vec::new(),
                seat: SeatWishView::default(),
                meal: MealView::default(),
                by_hand: false,
            },
        };
        let id = person.traveller.id;
        known_as.insert(imported, id);
        let before = person.clone();
        let residence_country = before.traveller.residence_country.clone();
        if found.is_none() || (replaces && !person.by_hand && !busy.contains(&id)) {
            let residence_country = traveller.residence_country.clone().or(residence_country);
            person.traveller = Traveller { id, residence_country, ..traveller };
        } else if residence_country.is_none() {
            // Car hire asks for it; a gap may be filled.
            person.traveller.residence_country = traveller.residence_country;
        }
        if found.is_none() || person != before {
            put(vault, tx, &person).await?;
        }
        if person != before {
            changed.push(id);
        }
    }
    let rename = |ids: &mut Vec<TravellerId>| {
        for id in ids {
            *id = known_as.get(id).copied().unwrap_or(*id);
        }
    };
    rename(&mut plan.travellers);
    plan.items.iter_mut().for_each(|item| rename(&mut item.travellers));
    Ok(changed)
}

/// Names as on the document and the birthday make a person.
fn same(one: &Traveller, other: &Traveller) -> bool {
    let name = |traveller: &Traveller| {
        let text = format!("{} {}", traveller.family_name, traveller.given_name);
        text.split_whitespace().map(str::to_uppercase).collect::<Vec<_>>()
    };
    one.born_on == other.born_on && name(one) == name(other)
}

/// Removes one person. The document and its place in the file are overwritten.
///
/// # Errors
/// [`VaultError::Store`].
pub(crate) async fn remove(vault: &Vault, tx: &mut Tx, id: TravellerId) -> Result<(), VaultError> {
    vault.delete(tx, KIND, &id.to_string()).await
}

/// Plans that are still to come, with the day each ends, by traveller.
pub(crate) fn trips(plans: &[Plan], today: Date) -> BTreeMap<TravellerId, Vec<Date>> {
    let mut trips: BTreeMap<TravellerId, Vec<Date>> = BTreeMap::new();
    let to_come =
        |plan: &&Plan| plan.timeline.ends_on >= today && plan.storage != zhiyou_domain::plan::PlanStorage::Archived;
    for plan in plans.iter().filter(to_come) {
        for id in &plan.travellers {
            trips.entry(*id).or_default().push(plan.timeline.ends_on);
        }
    }
    trips
}
