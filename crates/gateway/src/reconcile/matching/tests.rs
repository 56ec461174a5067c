//! What the comparison finds: nothing where nothing differs, and every planted difference under its own name.

use super::*;
use proptest::{collection::vec, prelude::*, sample::Index as Pick};
use ulid::Ulid;

/// How far both clocks may be apart in these tests, minutes.
const EDGE_MIN: i64 = 5;

fn day() -> Day {
    "2026-11-20".parse().unwrap()
}

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

/// What really happened at the channel.
#[derive(Debug, Clone)]
struct Happened {
    refund: bool,
    minor: i64,
    code: &'static str,
    /// Minutes after the day began; others are on the bills beside.
    minute: i64,
    /// Minutes between the first moment it can have been booked and that one.
    known_since: i64,
    /// Whether our row has the channel's number, and whether the bill tells ours.
    numbers: (bool, bool),
    fee: Option<i64>,
}

fn happened() -> impl Strategy<Value = Happened> {
    let minute = prop_oneof![4 => -10..1450_i64, 1 => -3000..4500_i64, 1 => prop_oneof![Just(-1), Just(0), Just(1439), Just(1440)]];
    let since = prop_oneof![3 => Just(EDGE_MIN), 1 => EDGE_MIN..4000_i64];
    let numbers = prop_oneof![3 => Just((true, true)), 1 => Just((true, false)), 1 => Just((false, true))];
    (
        any::<bool>(),
        1..10_000_000_i64,
        prop_oneof![Just("CNY"), Just("USD"), Just("JPY")],
        minute,
        since,
        numbers,
        prop::option::of(0..1000_i64),
    )
        .prop_map(|(refund, minor, code, minute, known_since, numbers, fee)| Happened {
            refund,
            minor,
            code,
            minute,
            known_since,
            numbers,
            fee,
        })
}

fn number(place: usize) -> String {
    Ulid::from_parts(1_795_000_000_000, u128::try_from(place).unwrap()).to_string()
}

fn entry(place: usize, one: &Happened) -> Entry {
    let at = day().from(Midnight::Beijing).plus_minutes(one.minute);
    Entry {
        kind: if one.refund { Kind::Refund } else { Kind::Payment },
        ours: number(place),
        theirs: one.numbers.0.then(|| format!("T{place}")),
        amount: money(one.minor, one.code),
        standing: Standing::Moved,
        first: at.plus_minutes(-one.known_since),
        last: at.plus_minutes(EDGE_MIN),
    }
}

fn line(place: usize, one: &Happened) -> BillLine {
    BillLine {
        what: if one.refund { What::Refund } else { What::Payment },
        theirs: format!("T{place}"),
        ours: one.numbers.1.then(|| number(place)),
        payment: None,
        amount: money(one.minor, one.code),
        fee: one.fee.map(|minor| money(minor, one.code)),
        at: day().from(Midnight::Beijing).plus_minutes(one.minute),
        state: LineState::Settled,
    }
}

type Bills = BTreeMap<Day, Vec<BillLine>>;

/// What the channel would answer for every day.
fn channel(all: &[BillLine]) -> Bills {
    let mut bills = Bills::new();
    for line in all {
        bills.entry(Midnight::Beijing.day_of(line.at)).or_default().push(line.clone());
    }
    bills
}

/// Compares a day the way it is done: the bills that are wanted are fetched, until none is.
fn judged(book: &[Entry], day: Day, channel: &Bills) -> Compared {
    let fetch = |day: &Day| (*day, channel.get(day).cloned().unwrap_or_default());
    let mut bills: Bills = [fetch(&day)].into();
    loop {
        let found = compare(book, day, Midnight::Beijing, &bills).unwrap();
        if found.wanted.is_empty() {
            return found;
        }
        assert!(found.wanted.iter().all(|day| !bills.contains_key(day)), "a bill is wanted once");
        bills.extend(found.wanted.iter().map(fetch));
    }
}

fn classes(found: &Compared) -> Vec<Class> {
    found.differences.iter().map(|difference| difference.class).collect()
}

proptest! {
    #[test]
    fn a_bill_made_from_any_book_matches_it_on_every_day(all in vec(happened(), 0..40)) {
        let book: Vec<Entry> = all.iter().enumerate().map(|(place, one)| entry(place, one)).collect();
        let lines: Vec<BillLine> = all.iter().enumerate().map(|(place, one)| line(place, one)).collect();
        let channel = channel(&lines);
        for day in channel.keys().copied().chain([day(), day().next()]) {
            let found = judged(&book, day, &channel);
            prop_assert!(found.differences.is_empty(), "{day}: {:?}", found.differences);
            prop_assert_eq!(found.undecided, 0);
            for totals in found.totals.values() {
                prop_assert_eq!(totals.paid_here, totals.paid_there);
                prop_assert_eq!(totals.refunded_here, totals.refunded_there);
            }
        }
    }

    #[test]
    fn every_planted_difference_is_found_once_and_under_its_own_name(
        all in vec(happened(), 1..30), pick in any::<Pick>(), class in prop::sample::select(Class::ALL.to_vec()),
    ) {
        let place = pick.index(all.len());
        let mut book: Vec<Entry> = all.iter().enumerate().map(|(place, one)| entry(place, one)).collect();
        let mut lines: Vec<BillLine> = all.iter().enumerate().map(|(place, one)| line(place, one)).collect();
        let code = if all[place].code == "CNY" { "USD" } else { "CNY" };
        match class {
            // Without our number on the bill nobody could say that it is ours.
            Class::MissingHere => {
                lines[place].ours = Some(number(place));
                book.remove(place);
            }
            Class::MissingThere => drop(lines.remove(place)),
            Class::AmountDiffers => lines[place].amount = money(all[place].minor + 1, all[place].code),
            Class::CurrencyDiffers => lines[place].amount = money(all[place].minor, code),
            Class::StateDiffers => book[place].standing = Standing::Open,
            Class::Duplicate => {
                let mut again = lines[place].clone();
                again.theirs = "T-again".to_owned();
                again.ours = Some(number(place));
                lines.push(again);
            }
            Class::Foreign => {
                let mut other = lines[place].clone();
                (other.theirs, other.ours) = ("T-other".to_owned(), Some("INV-17".to_owned()));
                lines.push(other);
            }
        }
        let channel = channel(&lines);
        // A row that never was on a bill is missed on the day of its last moment; everything else on the bill's day.
        let at = match class {
            Class::MissingThere => book[place].last,
            _ => day().from(Midnight::Beijing).plus_minutes(all[place].minute),
        };
        let own = Midnight::Beijing.day_of(at);
        let found = judged(&book, own, &channel);
        prop_assert_eq!(classes(&found), vec![class], "{:?}", found.differences);
        prop_assert_eq!(found.undecided, 0);
        for other in channel.keys().copied().filter(|other| *other != own) {
            let there = classes(&judged(&book, other, &channel));
            prop_assert!(there.is_empty(), "{other}: {there:?}");
        }
    }
}

fn one(refund: bool, minute: i64) -> Happened {
    Happened { refund, minor: 29_901, code: "CNY", minute, known_since: EDGE_MIN, numbers: (true, true), fee: None }
}

#[test]
fn what_was_paid_at_midnight_is_looked_for_on_both_bills_and_missed_once() {
    for minute in [-2, 2] {
        let paid = one(false, minute);
        let book = [entry(0, &paid)];
        let (yesterday, today) = (Midnight::Beijing.day_of(day().from(Midnight::Beijing).plus_minutes(-1)), day());
        for on in [yesterday, today] {
            // The channel's clock may put it on either side.
            let mut booked = line(0, &paid);
            booked.at = on.from(Midnight::Beijing).plus_minutes(if on == today { 1 } else { 1439 });
            let channel = channel(&[booked]);
            for day in [yesterday, today] {
                assert_eq!(classes(&judged(&book, day, &channel)), [], "{minute} {on} {day}");
            }
        }
        let nowhere = Bills::new();
        assert_eq!(classes(&judged(&book, yesterday, &nowhere)), []);
        assert_eq!(classes(&judged(&book, today, &nowhere)), [Class::MissingThere]);
    }
}

#[test]
fn a_row_is_not_judged_before_the_bills_it_can_be_on_are_known() {
    let book = [entry(0, &one(false, 2))];
    let bills: Bills = [(day(), Vec::new())].into();
    let found = compare(&book, day(), Midnight::Beijing, &bills).unwrap();
    assert_eq!((classes(&found), found.undecided), (vec![], 1));
    let before = Midnight::Beijing.day_of(day().from(Midnight::Beijing).plus_minutes(-1));
    assert_eq!(found.wanted, [before].into());
}

#[test]
fn money_taken_on_two_days_for_one_row_is_a_duplicate() {
    let paid = one(false, 600);
    let book = [entry(0, &paid)];
    let (first, mut again) = (line(0, &paid), line(0, &paid));
    again.at = first.at.plus_minutes(3 * 24 * 60);
    let channel = channel(&[first, again.clone()]);
    assert_eq!(classes(&judged(&book, day(), &channel)), []);
    assert_eq!(classes(&judged(&book, Midnight::Beijing.day_of(again.at), &channel)), [Class::Duplicate]);
}

#[test]
fn a_bill_keeps_the_state_of_the_moment_it_was_made_and_only_contradictions_are_told() {
    use {LineState as L, Standing as S};
    let told = |refund: bool, standing: Standing, state: LineState| {
        let one = one(refund, 600);
        let book = [Entry { standing, ..entry(0, &one) }];
        let lines = [BillLine { state, ..line(0, &one) }];
        classes(&judged(&book, day(), &channel(&lines)))
    };
    for (refund, standing, state) in [
        (false, S::Moved, L::Settled),
        (false, S::Open, L::Pending),
        (false, S::Failed, L::Failed),
        (true, S::Moved, L::Settled),
        (true, S::Moved, L::Pending),
        (true, S::Open, L::Pending),
        (true, S::Manual, L::Pending),
        (true, S::Failed, L::Failed),
        (true, S::Failed, L::Returned),
    ] {
        assert_eq!(told(refund, standing, state), [], "{refund} {standing:?} {state:?}");
    }
    for (refund, standing, state) in [
        (false, S::Open, L::Settled),
        (false, S::Failed, L::Settled),
        (false, S::Moved, L::Pending),
        (false, S::Moved, L::Failed),
        (true, S::Open, L::Settled),
        (true, S::Never, L::Settled),
        (true, S::Never, L::Pending),
        (true, S::Manual, L::Settled),
        (true, S::Moved, L::Failed),
        (true, S::Open, L::Failed),
        (true, S::Moved, L::Returned),
    ] {
        assert_eq!(told(refund, standing, state), [Class::StateDiffers], "{refund} {standing:?} {state:?}");
    }
}

#[test]
fn what_came_back_to_the_payer_or_to_us_behind_our_back_is_told() {
    let payment = entry(0, &one(false, 600));
    let refund = Entry { standing: Standing::Failed, ..entry(1, &one(true, 610)) };
    let of_payment = |what, theirs: &str| BillLine {
        what,
        theirs: theirs.to_owned(),
        ours: None,
        payment: Some("T0".to_owned()),
        ..line(0, &one(false, 620))
    };
    let paid = line(0, &one(false, 600));
    let told = |book: &[Entry], more: &[BillLine]| {
        let lines: Vec<BillLine> = [std::slice::from_ref(&paid), more].concat();
        classes(&judged(book, day(), &channel(&lines)))
    };
    let book = [payment.clone(), refund];
    let failed = BillLine { state: LineState::Returned, ..line(1, &one(true, 610)) };
    let returned = BillLine { what: What::RefundReturned, ..line(1, &one(true, 615)) };
    assert_eq!(told(&book, &[failed.clone(), returned.clone()]), []);
    let sums = judged(&book, day(), &channel(&[paid.clone(), failed.clone(), returned.clone()])).totals;
    let kept = Totals { paid_here: 29_901, paid_there: 29_901, ..Totals::default() };
    assert_eq!(sums[&Currency::CNY], kept, "what was given back and came back is nothing");
    let believed = [payment.clone(), Entry { standing: Standing::Moved, ..book[1].clone() }];
    assert_eq!(told(&believed, &[failed, returned]), [Class::StateDiffers; 2]);

    // Given back by hand in the channel's console.
    assert_eq!(told(&book, &[of_payment(What::Refund, "T-hand")]), [Class::StateDiffers]);
    let dispute = |standing| Entry { kind: Kind::Dispute, theirs: Some("D1".to_owned()), standing, ..payment.clone() };
    let lost = [of_payment(What::Dispute, "D1")];
    assert_eq!(told(std::slice::from_ref(&payment), &lost), [Class::StateDiffers]);
    assert_eq!(told(&[payment.clone(), dispute(Standing::Moved)], &lost), []);
    let won = [lost[0].clone(), of_payment(What::DisputeReturned, "D1")];
    assert_eq!(told(&[payment.clone(), dispute(Standing::Failed)], &won), []);
    assert_eq!(told(&[payment.clone(), dispute(Standing::Moved)], &won), [Class::StateDiffers]);
}

#[test]
fn sums_are_kept_per_currency_and_one_that_leaves_the_range_is_an_error() {
    let most = Happened { minor: zhiyou_domain::money::MINOR_MAX, ..one(false, 600) };
    let bills: Bills = [(day(), vec![line(0, &most), line(1, &one(false, 610))])].into();
    assert_eq!(compare(&[], day(), Midnight::Beijing, &bills), Err(MoneyError::Overflow));
    let yen = Happened { code: "JPY", fee: Some(12), ..one(false, 600) };
    let payout = BillLine { what: What::Other, amount: money(-50_000, "CNY"), ..line(3, &one(false, 700)) };
    let charged = BillLine { what: What::Fee, amount: money(30, "CNY"), ..line(4, &one(false, 700)) };
    let back = Happened { fee: Some(1), ..one(true, 620) };
    let bills: Bills =
        [(day(), vec![line(0, &yen), line(1, &one(false, 610)), line(2, &back), payout, charged])].into();
    let book = [entry(0, &yen), entry(1, &one(false, 610)), entry(2, &back)];
    let found = compare(&book, day(), Midnight::Beijing, &bills).unwrap();
    assert_eq!(found.differences, []);
    let of = |code: &str| found.totals[&code.parse().unwrap()];
    assert_eq!(of("JPY"), Totals { paid_here: 29_901, paid_there: 29_901, fees_there: 12, ..Totals::default() });
    let cny = Totals {
        paid_here: 29_901,
        paid_there: 29_901,
        refunded_here: 29_901,
        refunded_there: 29_901,
        fees_there: 31,
        disputed_there: 0,
    };
    assert_eq!(of("CNY"), cny);
}
