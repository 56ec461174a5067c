//! What is kept about travellers, and what leaves the vault of it.

use super::*;
use crate::{
    api::command::SaveTraveller,
    ports::{KeyStore, KeyStoreError},
    store::Db,
};
use aws_lc_rs::rand::SystemRandom;
use jiff::civil::date;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use zhiyou_domain::{
    id::{ItemId, PlanId},
    plan::import::{self, NewIds},
};

#[derive(Default)]
struct Keyring(Mutex<Option<Vec<u8>>>);

impl KeyStore for Keyring {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().unwrap().clone().map(Zeroizing::new))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = Some(key.to_vec());
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

struct Fresh(u128);

impl Fresh {
    fn ulid(&mut self) -> ulid::Ulid {
        self.0 += 1;
        ulid::Ulid::from_parts(1_796_000_000_000, self.0)
    }
}

impl NewIds for Fresh {
    fn plan(&mut self) -> PlanId {
        PlanId::from_ulid(self.ulid())
    }
    fn item(&mut self) -> ItemId {
        ItemId::from_ulid(self.ulid())
    }
    fn traveller(&mut self) -> TravellerId {
        TravellerId::from_ulid(self.ulid())
    }
}

struct Home {
    _folder: TempDir,
    db: Db,
    vault: Vault,
    ids: Fresh,
}

impl Home {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let db = Db::open(folder.path()).await.unwrap();
        let vault = Vault::open(db.clone(), Arc::new(Keyring::default()), SystemRandom::new()).await.unwrap();
        Self { _folder: folder, db, vault, ids: Fresh(0) }
    }

    /// Imports the sample trip with one word of it changed.
    async fn import(&mut self, from: &str, to: &str, busy: &BTreeSet<TravellerId>) -> Plan {
        self.import_and_change(from, to, busy).await.0
    }

    /// The same, and who was changed by it.
    async fn import_and_change(
        &mut self,
        from: &str,
        to: &str,
        busy: &BTreeSet<TravellerId>,
    ) -> (Plan, Vec<TravellerId>) {
        let text = include_str!("../../../../examples/shanghai-weekend.en.json").replace(from, to);
        let import::Imported { mut plan, travellers } = import::read(&text, TODAY, &mut self.ids).unwrap();
        let mut tx = self.db.begin().await.unwrap();
        let changed = take_in(&self.vault, &mut tx, &mut plan, travellers, busy).await.unwrap();
        self.db.commit(tx).await.unwrap();
        (plan, changed)
    }

    async fn save(&self, person: &Person) {
        let mut tx = self.db.begin().await.unwrap();
        put(&self.vault, &mut tx, person).await.unwrap();
        self.db.commit(tx).await.unwrap();
    }

    async fn people(&self) -> Vec<Person> {
        all(&self.vault).await.unwrap().people
    }
}

const TODAY: Date = date(2026, 11, 21);

fn nobody() -> BTreeSet<TravellerId> {
    BTreeSet::new()
}

fn wish(change: impl FnOnce(&mut Value)) -> SaveTraveller {
    let mut wish = json!({
        "traveller_id": "trv_01KA0000000000000000000ABC", "display_name": "林夏", "title": "ms", "gender": "f",
        "given_name": "Xia", "family_name": "Lin", "born_on": "1992-03-14", "email": "xia.lin@example.com",
        "phone_number": "+8613800000000", "residence_country": "CN",
        "documents": [{ "id": null, "kind": "passport", "number": "E12345678", "country": "CN", "expires_on": "2030-01-31" }],
        "loyalty": [{ "programme": "ZZ Club", "number": "ZZ0012345" }],
        "seat": "window", "meal": "vegetarian",
    });
    change(&mut wish);
    serde_json::from_value(wish).unwrap()
}

fn saved() -> Person {
    check::person(&wish(|_| ()), None, TODAY).unwrap()
}

#[test]
fn everything_that_was_typed_is_kept_and_a_masked_field_that_is_left_alone_stays() {
    let before = saved();
    assert_eq!((before.documents[0].number.as_str(), before.documents[0].id), ("E12345678", 1));
    let again = wish(|wish| {
        for field in ["born_on", "email", "phone_number"] {
            wish[field] = Value::Null;
        }
        wish["documents"][0]["id"] = json!(1);
        wish["documents"][0]["number"] = json!(" ");
        wish["loyalty"][0]["number"] = Value::Null;
    });
    assert!(check::person(&again, Some(&before), TODAY).unwrap() == before);
    let other = wish(|wish| {
        wish["documents"] = json!([
            { "id": null, "kind": "identity_card", "number": "11010519491231002x", "country": "CN", "expires_on": "2031-01-01" },
            { "id": 1, "kind": "passport", "number": null, "country": "CN", "expires_on": "2030-01-31" },
        ]);
        wish["loyalty"] = json!([]);
    });
    let changed = check::person(&other, Some(&before), TODAY).unwrap();
    let numbers: Vec<_> = changed.documents.iter().map(|known| (known.id, known.number.as_str())).collect();
    assert_eq!(numbers, [(2, "11010519491231002X"), (1, "E12345678")]);
    assert!(changed.loyalty.is_empty());
}

#[test]
fn a_mistake_is_told_by_field_and_problem_and_never_quoted() {
    let canary = "canary-7f";
    for (field, value, path, problem) in [
        ("display_name", json!("\u{202e}canary-7f"), "display_name", "bad_text"),
        ("given_name", json!("夏canary-7f"), "given_name", "bad_text"),
        ("family_name", json!(""), "family_name", "missing"),
        ("born_on", json!("canary-7f!"), "born_on", "bad_date"),
        ("born_on", json!("2026-11-21"), "born_on", "dates_out_of_order"),
        ("born_on", json!("1899-12-31"), "born_on", "dates_out_of_order"),
        ("born_on", json!(null), "born_on", "missing"),
        ("email", json!("canary-7f"), "email", "bad_text"),
        ("email", json!(null), "email", "missing"),
        ("phone_number", json!("13800000000"), "phone_number", "bad_text"),
        ("phone_number", json!(null), "phone_number", "missing"),
        ("residence_country", json!("canary-7f"), "residence_country", "bad_text"),
        ("documents", json!([doc("canary-7f", "2030-01-31")]), "documents[0].number", "bad_text"),
        ("documents", json!([doc("E1", "2030-01-31")]), "documents[0].number", "bad_text"),
        ("documents", json!([doc("E12345678", "2030-02-30")]), "documents[0].expires_on", "bad_date"),
        (
            "documents",
            json!([doc("E12345678", "2030-01-31"), doc("e12345678", "2031-01-31")]),
            "documents[1].number",
            "duplicate_key",
        ),
        ("loyalty", json!([{ "programme": "ZZ", "number": null }]), "loyalty[0].number", "missing"),
        (
            "loyalty",
            json!([{ "programme": "ZZ", "number": "1234" }, { "programme": "zz", "number": "12345" }]),
            "loyalty[1].programme",
            "duplicate_key",
        ),
    ] {
        let refused = check::person(&wish(|wish| wish[field] = value.clone()), None, TODAY).unwrap_err();
        assert_eq!(refused.code, FaultCode::MalformedInput);
        assert_eq!((refused.params["path"].as_str(), refused.params["problem"].as_str()), (path, problem), "{value}");
        assert!(!format!("{refused} {refused:?}").contains(canary), "{refused:?}");
    }
    let unknown = wish(|wish| wish["documents"][0]["id"] = json!(7));
    assert_eq!(check::person(&unknown, None, TODAY).unwrap_err().params["problem"], "unknown_key");
}

fn doc(number: &str, expires_on: &str) -> Value {
    json!({ "id": null, "kind": "passport", "number": number, "country": "CN", "expires_on": expires_on })
}

#[test]
fn a_passport_warns_when_it_is_over_when_it_ends_before_the_trip_and_within_six_months_after_it() {
    let expires = |expires_on| {
        let mut document = saved().documents.remove(0);
        document.expires_on = expires_on;
        document
    };
    let trips = [date(2026, 12, 6), date(2027, 1, 31)];
    for (day, wanted) in [
        (date(2026, 11, 20), Some(ExpiryView::Expired)),
        (date(2026, 11, 21), Some(ExpiryView::BeforeTripEnds)),
        (date(2027, 1, 30), Some(ExpiryView::BeforeTripEnds)),
        (date(2027, 1, 31), Some(ExpiryView::WithinSixMonths)),
        (date(2027, 7, 30), Some(ExpiryView::WithinSixMonths)),
        (date(2027, 7, 31), None),
    ] {
        assert_eq!(expires(day).expiry(TODAY, &trips), wanted, "{day}");
    }
    assert_eq!(expires(date(2026, 11, 21)).expiry(TODAY, &[]), None, "without a trip only a passport that is over");
    assert_eq!(expires(date(2026, 11, 20)).expiry(TODAY, &[]), Some(ExpiryView::Expired));
}

#[tokio::test]
async fn the_same_person_in_a_second_plan_is_the_one_we_know_with_the_newer_details() {
    let mut home = Home::new().await;
    let first = home.import("", "", &nobody()).await;
    let second = home.import("xia.lin@example.com", "new@example.com", &nobody()).await;
    let people = home.people().await;
    assert_eq!(people.len(), 1);
    assert_eq!(second.travellers, first.travellers);
    assert!(second.items.iter().all(|item| item.travellers == first.travellers), "items name the same one");
    assert_eq!(people[0].traveller.email, "new@example.com");
    home.import("\"Xia\"", "\"Other\"", &nobody()).await;
    assert_eq!(home.people().await.len(), 2, "another name is another person");
}

#[tokio::test]
async fn a_tool_that_imports_fills_gaps_of_whom_we_know_and_replaces_nothing() {
    let mut home = Home::new().await;
    let plan = home.import("", "", &nobody()).await;
    let id = plan.travellers[0];
    assert_eq!(home.people().await[0].traveller.residence_country, None);
    let (old, new) = ("\"xia.lin@example.com\"", "\"new@example.com\", \"residence_country\": \"CN\"");
    let tool = Origin::Tool;
    let (_, changed) = tool.during(home.import_and_change(old, new, &nobody())).await;
    let after = home.people().await.remove(0);
    assert_eq!((&changed, after.traveller.residence_country.as_deref()), (&vec![id], Some("CN")));
    assert_eq!(after.traveller.email, "xia.lin@example.com");
    let (_, changed) = tool.during(home.import_and_change(old, new, &nobody())).await;
    assert!(changed.is_empty() && home.people().await == [after]);
    let (_, changed) = tool.during(home.import_and_change("\"Xia\"", "\"Other\"", &nobody())).await;
    assert!(changed.is_empty() && home.people().await.len() == 2, "whom nobody knew is new and not changed");
    let (_, changed) = Origin::Window.during(home.import_and_change(old, new, &nobody())).await;
    assert_eq!(changed, [id]);
    assert!(home.people().await.iter().any(|person| person.traveller.email == "new@example.com"));
}

#[tokio::test]
async fn an_import_changes_nothing_that_was_saved_by_hand_or_is_being_booked() {
    let mut home = Home::new().await;
    let plan = home.import("", "", &nobody()).await;
    let busy = plan.travellers.iter().copied().collect();
    home.import("xia.lin@example.com", "new@example.com", &busy).await;
    assert_eq!(home.people().await[0].traveller.email, "xia.lin@example.com");
    let mut person = home.people().await.remove(0);
    (person.by_hand, person.traveller.email) = (true, "mine@example.com".to_owned());
    person.documents = saved().documents.clone();
    home.save(&person).await;
    home.import("xia.lin@example.com", "new@example.com", &nobody()).await;
    assert!(home.people().await == [person]);
}

#[tokio::test]
async fn what_is_kept_here_is_what_booking_reads_and_what_an_earlier_version_kept_is_read_here() {
    let home = Home::new().await;
    let person = saved();
    home.save(&person).await;
    let id = person.traveller.id.to_string();
    let plain = home.vault.get("traveller", &id).await.unwrap().unwrap();
    assert!(serde_json::from_slice::<Traveller>(&plain).unwrap() == person.traveller);
    let earlier = serde_json::to_vec(&person.traveller).unwrap();
    let mut tx = home.db.begin().await.unwrap();
    home.vault.put(&mut tx, KIND, &id, &earlier).await.unwrap();
    home.db.commit(tx).await.unwrap();
    let read = get(&home.vault, person.traveller.id).await.unwrap().unwrap();
    assert!(read.traveller == person.traveller && read.documents.is_empty() && !read.by_hand);
}

#[tokio::test]
async fn one_traveller_that_does_not_open_does_not_hide_the_others() {
    let mut home = Home::new().await;
    home.import("", "", &nobody()).await;
    home.save(&saved()).await;
    let mut tx = home.db.begin().await.unwrap();
    sqlx::query("UPDATE sealed SET body = x'0102' WHERE id = $1")
        .bind(saved().traveller.id.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    home.db.commit(tx).await.unwrap();
    let known = all(&home.vault).await.unwrap();
    assert_eq!((known.people.len(), known.unreadable), (1, 1));
}

#[test]
fn nothing_personal_prints() {
    let person = saved();
    let shown = format!("{person:?} {:?} {:?} {:?}", person.documents, person.loyalty, wish(|_| ()));
    for secret in ["E12345678", "ZZ0012345", "xia.lin", "1992", "13800000000", "林夏", "Xia"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_view_is_masked() {
    let view = crate::api::convert::person(&saved(), &[], false, TODAY);
    let shown = serde_json::to_string(&view).unwrap();
    for secret in ["E12345678", "ZZ0012345", "xia.lin", "03-14", "13800000000"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    for masked in ["****5678", "****2345", "x***@example.com", "1992-**-**", "****0000"] {
        assert!(shown.contains(masked), "{masked} not in {shown}");
    }
}
