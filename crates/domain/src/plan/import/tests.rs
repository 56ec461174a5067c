//! What a plan file may and may not say.

use super::*;
use serde_json::{Value, json};
use ulid::Ulid;

#[derive(Default)]
pub(crate) struct Counting(u128);

impl Counting {
    fn next(&mut self) -> Ulid {
        self.0 += 1;
        Ulid::from_parts(1, self.0)
    }
}

impl NewIds for Counting {
    fn plan(&mut self) -> PlanId {
        PlanId::from_ulid(self.next())
    }
    fn item(&mut self) -> ItemId {
        ItemId::from_ulid(self.next())
    }
    fn traveller(&mut self) -> TravellerId {
        TravellerId::from_ulid(self.next())
    }
}

fn good() -> Value {
    json!({
        "format": "zhiyou-plan/1",
        "title": "上海周末",
        "destinations": ["上海"],
        "starts_on": "+13d",
        "ends_on": "+15d",
        "budget": {"amount": "3500.00", "currency": "CNY"},
        "travellers": [{
            "key": "xia", "display_name": "林夏", "title": "ms", "gender": "f", "given_name": "Xia", "family_name": "Lin",
            "born_on": "1992-03-14", "email": "xia.lin@example.com", "phone_number": "+8613800000000"
        }],
        "items": [
            {"key": "out", "kind": "flight", "origin": "PEK", "destination": "SHA", "departure_date": "+13d",
             "cabin": "economy", "price": {"amount": "820.00", "currency": "CNY"}, "member_platform": "zz-club"},
            {"key": "stay", "kind": "hotel", "city": "Shanghai", "check_in": "+13d", "check_out": "+15d", "rooms": 1,
             "after": ["out"], "priority": "preferred"}
        ]
    })
}

fn import(file: &Value) -> Checked<Imported> {
    read(&file.to_string(), jiff::civil::date(2026, 11, 21), &mut Counting(0))
}

#[test]
fn a_good_file_becomes_a_draft_plan() {
    let imported = import(&good()).unwrap();
    let plan = &imported.plan;
    assert_eq!(plan.timeline.starts_on, jiff::civil::date(2026, 12, 4));
    assert_eq!(plan.destinations[0].city_zh.as_deref(), Some("上海"));
    assert_eq!(plan.required_platforms(), ["zz-club"]);
    assert_eq!(plan.expected_total().unwrap().to_decimal(), "820.00");
    assert_eq!(plan.items[1].constraints, [Constraint::After { item: plan.items[0].id }]);
    assert_eq!(plan.items[0].travellers, plan.travellers);
    assert_eq!((plan.booking, plan.storage), (PlanBooking::Draft, PlanStorage::Draft));
    assert_eq!(format!("{:?}", imported.travellers), format!("[Traveller({}, <redacted>)]", plan.travellers[0]));
}

/// Changes one place of the good file and says where and how it must be refused.
fn check(pointer: &str, value: Value, path: &str, expected: Problem) {
    let mut file = good();
    match file.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            file.pointer_mut(parent).unwrap()[field] = value;
        }
    }
    let error = import(&file).unwrap_err();
    assert_eq!((error.path.as_str(), error.problem), (path, expected), "{pointer}: {error}");
    if let Some(text) = file.pointer(pointer).and_then(Value::as_str) {
        assert!(text.trim().is_empty() || !error.detail.contains(text), "{error} quotes the file");
    }
}

#[test]
fn every_defect_is_named_with_its_place() {
    check("/format", json!("zhiyou-plan/2"), "format", Problem::Malformed);
    check("/surprise", json!(1), "surprise", Problem::Malformed);
    check("/title", json!(7), "title", Problem::Malformed);
    check("/title", json!("  "), "title", Problem::Missing);
    check("/title", json!("safe\u{202e}evil"), "title", Problem::BadText);
    check("/destinations", json!([]), "destinations", Problem::Missing);
    check("/destinations/0", json!("Atlantis"), "destinations[0]", Problem::UnknownPlace);
    check("/budget/amount", json!("-1"), "budget.amount", Problem::BadAmount);
    check("/budget/amount", json!("0"), "budget.amount", Problem::BadAmount);
    check("/budget/amount", json!("1.005"), "budget.amount", Problem::BadAmount);
    check("/budget/amount", json!(1.5), "budget.amount", Problem::Malformed);
    check("/budget/amount", json!("99999999999999999999"), "budget.amount", Problem::BadAmount);
    check("/budget/currency", json!("RMB"), "budget.currency", Problem::UnknownCurrency);
    check("/starts_on", json!("2026-13-01"), "starts_on", Problem::BadDate);
    check("/starts_on", json!("2026-11-20"), "starts_on", Problem::PastDate);
    check("/ends_on", json!("+1d"), "ends_on", Problem::DatesOutOfOrder);
    check("/travellers", json!([]), "travellers", Problem::Missing);
    check("/travellers/0/given_name", json!("夏"), "travellers[0].given_name", Problem::BadText);
    check("/travellers/0/born_on", json!("2030-01-01"), "travellers[0].born_on", Problem::DatesOutOfOrder);
    check("/travellers/0/email", json!("nobody"), "travellers[0].email", Problem::BadText);
    check("/travellers/0/phone_number", json!("13800"), "travellers[0].phone_number", Problem::BadText);
    check("/items/0/kind", json!("spaceship"), "items[0].kind", Problem::Malformed);
    check("/items/0/origin", json!("QQQ"), "items[0].origin", Problem::UnknownPlace);
    check("/items/0/destination", json!("PEK"), "items[0].destination", Problem::UnknownPlace);
    check("/items/0/price/currency", json!("USD"), "items[0].price.currency", Problem::OtherCurrency);
    check("/items/0/departure_date", json!("+1d"), "items[0].departure_date", Problem::DatesOutOfOrder);
    check("/items/1/key", json!("out"), "items[1].key", Problem::DuplicateKey);
    check("/items/1/check_out", json!("+13d"), "items[1].check_out", Problem::DatesOutOfOrder);
    check("/items/1/rooms", json!(0), "items[1].rooms", Problem::TooMany);
    check("/items/1/after", json!(["nobody"]), "items[1].after[0]", Problem::UnknownKey);
    check("/items/0/travellers", json!(["nobody"]), "items[0].travellers[0]", Problem::UnknownKey);
    check("/items/0/after", json!(["stay"]), "items[0].after", Problem::Cycle);
}

#[test]
fn an_item_cannot_begin_before_what_it_comes_after_is_over() {
    let mut file = good();
    file["items"][1]["after"] = json!([]);
    file["items"][0]["after"] = json!(["stay"]);
    let error = import(&file).unwrap_err();
    assert_eq!(error.problem, Problem::TooEarly);
}

#[test]
fn size_is_bounded() {
    let error = read(&" ".repeat(5 << 20), jiff::civil::date(2026, 11, 21), &mut Counting(0)).unwrap_err();
    assert_eq!(error.problem, Problem::TooLarge);
    let mut file = good();
    let item = file["items"][0].clone();
    file["items"] = (0..201)
        .map(|n| {
            let mut copy = item.clone();
            copy["key"] = json!(format!("k{n}"));
            copy
        })
        .collect();
    assert_eq!(import(&file).unwrap_err().problem, Problem::TooMany);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(&text, jiff::civil::date(2026, 11, 21), &mut Counting(0)).unwrap_err().problem, Problem::Malformed);
}
