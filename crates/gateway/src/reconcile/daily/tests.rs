//! Days that come, are missed and are done, against a channel that has the bills a test gives it.

use super::*;
use crate::{
    pay::{Capabilities, Channels, Notice, Opened, PaymentChannel, PaymentSeen, Receipt, RefundSeen, Refused},
    reconcile::{
        Class, KeptDay, What,
        line::{Bill, BillLine, LineState, Midnight},
    },
    store::{attempts::Attempt, refunds::Refund},
};
use axum::http::HeaderMap;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use zhiyou_domain::{
    id::AttemptId,
    money::{Currency, Money},
    port::{Outcome, Reason, ReasonCode, payments::Presentation},
};

/// Eleven hours after a channel's midnight.
const AFTER_MIN: i64 = 11 * 60;

/// A channel with bills and nothing else.
#[derive(Default)]
struct Billed {
    bills: Mutex<BTreeMap<Day, Vec<BillLine>>>,
    asked: Mutex<Vec<Day>>,
}

fn never<T>() -> Outcome<T> {
    Outcome::Unknown(Reason::new(ReasonCode::Network, "not asked in these tests"))
}

#[async_trait::async_trait]
impl PaymentChannel for Billed {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &[Currency::CNY],
            presents: Presentation::Qr,
            authorises: false,
            opens_by_call: true,
            bounds: &[],
            fee_bp: 0,
            refund_min: 0,
            description_bytes_max: 127,
            refund_reason_bytes_max: 80,
            midnight: Midnight::Beijing,
        }
    }
    fn receipt(&self) -> Receipt {
        Receipt { content_type: "text/plain", kept: "", refused: "" }
    }
    async fn create(&self, _: &Attempt) -> Outcome<Opened> {
        never()
    }
    async fn query(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        never()
    }
    async fn knows(&self, _: AttemptId) -> Outcome<bool> {
        never()
    }
    async fn close(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        never()
    }
    async fn refund(&self, _: &Refund, _: &Attempt) -> Outcome<RefundSeen> {
        never()
    }
    async fn query_refund(&self, _: &Refund, _: &Attempt) -> Outcome<Option<RefundSeen>> {
        never()
    }
    async fn bill(&self, day: Day) -> Outcome<Bill> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(day);
        let bills = self.bills.lock().unwrap_or_else(PoisonError::into_inner);
        Outcome::Done(bills.get(&day).map_or(Bill::NotYet, |lines| Bill::Of(lines.clone())))
    }
    async fn verify_notification(&self, _: &HeaderMap, _: &[u8], _: UtcMicros) -> Result<Notice, Refused> {
        Err(Refused::Probe)
    }
}

struct World {
    folder: tempfile::TempDir,
    channel: Arc<Billed>,
    books: Books,
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn at(text: &str) -> UtcMicros {
    UtcMicros::parse_rfc3339(text).unwrap()
}

async fn books(folder: &tempfile::TempDir, channel: &Arc<Billed>) -> Books {
    let channels = Channels::default().with(Channel::Wechatpay, Arc::<Billed>::clone(channel));
    Books::of(Store::open(folder.path()).await.unwrap(), channels)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let channel = Arc::<Billed>::default();
        let books = books(&folder, &channel).await;
        Self { folder, channel, books }
    }

    /// As after a restart: nothing is left but the file.
    async fn restarted(self) -> Self {
        self.books.close().await;
        let books = books(&self.folder, &self.channel).await;
        Self { books, ..self }
    }

    fn has(&self, days: &[&str], lines: &[BillLine]) {
        let mut bills = self.channel.bills.lock().unwrap();
        bills.extend(days.iter().map(|text| (day(text), lines.to_vec())));
    }

    async fn look(&self, now: &str) {
        look(&self.books, at(now), AFTER_MIN).await.unwrap();
    }

    /// Which bills were asked for since this was last asked.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.channel.asked.lock().unwrap()).iter().map(Day::to_string).collect()
    }

    async fn kept(&self) -> Vec<(String, Option<Verdict>)> {
        let told = |kept: KeptDay| (kept.day.to_string(), kept.judged.as_ref().map(Verdict::of));
        self.books.kept().await.unwrap().into_iter().map(told).collect()
    }
}

/// Money under a number that looks like ours and is none of our rows.
fn stray(amount_minor: i64) -> BillLine {
    BillLine {
        what: What::Payment,
        theirs: "4200001".to_owned(),
        ours: Some("01K9ZC5N7W3V8Q2R4T6Y8B0D1F".to_owned()),
        payment: None,
        amount: Money::new(amount_minor, Currency::CNY).unwrap(),
        fee: None,
        at: at("2026-11-20T10:00:00+08:00"),
        state: LineState::Settled,
    }
}

#[tokio::test]
async fn a_day_is_compared_once_when_its_time_has_come() {
    let world = World::new().await;
    world.has(&["2026-11-19", "2026-11-20"], &[]);
    world.look("2026-11-21T10:59:59+08:00").await;
    assert_eq!(world.asked(), ["2026-11-19"], "the bill of the 20th is not due yet");
    world.look("2026-11-21T11:00:00+08:00").await;
    assert_eq!(world.asked(), ["2026-11-20"]);
    world.look("2026-11-21T23:59:59+08:00").await;
    let world = world.restarted().await;
    world.look("2026-11-22T10:59:00+08:00").await;
    assert_eq!(world.asked(), Vec::<String>::new(), "once, also over a restart");
    assert_eq!(
        world.kept().await,
        [("2026-11-20".to_owned(), Some(Verdict::Clean)), ("2026-11-19".to_owned(), Some(Verdict::Clean))]
    );
}

#[tokio::test]
async fn days_that_were_missed_are_caught_up_after_a_restart_and_no_more_than_a_month_of_them() {
    let world = World::new().await;
    world.has(&["2026-11-19"], &[]);
    world.look("2026-11-20T12:00:00+08:00").await;
    assert_eq!(world.asked(), ["2026-11-19"]);
    let world = world.restarted().await;
    world.has(&["2026-11-20", "2026-11-21", "2026-11-22"], &[]);
    world.look("2026-11-23T12:00:00+08:00").await;
    assert_eq!(world.asked(), ["2026-11-20", "2026-11-21", "2026-11-22"]);
    world.look("2027-11-23T12:00:00+08:00").await;
    let caught_up = world.asked();
    assert_eq!((caught_up.len(), caught_up.last().unwrap().as_str()), (DAYS_MAX, "2027-11-22"));
}

#[tokio::test]
async fn a_bill_that_is_not_there_is_asked_for_every_hour_and_told_as_missing_after_three_days() {
    let world = World::new().await;
    world.look("2026-11-21T11:00:00+08:00").await;
    world.look("2026-11-21T11:59:59+08:00").await;
    assert_eq!(world.asked(), ["2026-11-20"], "not every minute");
    assert_eq!(world.kept().await, [("2026-11-20".to_owned(), None)], "it waits");
    world.look("2026-11-21T12:00:00+08:00").await;
    assert_eq!(world.asked(), ["2026-11-20"]);
    world.has(&["2026-11-21", "2026-11-22", "2026-11-23"], &[]);
    world.look("2026-11-24T11:00:00+08:00").await;
    assert_eq!(world.kept().await.last().unwrap(), &("2026-11-20".to_owned(), Some(Verdict::NotHad)));
    world.asked();
    world.has(&["2026-11-20"], &[]);
    world.look("2026-11-24T13:00:00+08:00").await;
    assert_eq!(world.asked(), Vec::<String>::new(), "it is for a person now");
}

#[tokio::test]
async fn what_differs_is_kept_with_its_class_and_read_back_as_it_was_found() {
    let world = World::new().await;
    world.has(&["2026-11-20"], &[stray(29_900)]);
    world.look("2026-11-21T11:00:00+08:00").await;
    let found = match world.books.judge(Channel::Wechatpay, day("2026-11-20")).await.unwrap() {
        Judged::Compared(compared) => compared.differences,
        other => panic!("{other:?}"),
    };
    assert_eq!(found.iter().map(|one| one.class).collect::<Vec<_>>(), [Class::MissingHere]);
    let world = world.restarted().await;
    let kept = world.books.kept().await.unwrap();
    match &kept[0].judged {
        Some(Judged::Compared(compared)) => assert_eq!(compared.differences, found),
        other => panic!("{other:?}"),
    }
    assert_eq!(Verdict::of_kept(&kept[0]), Verdict::Differs);
    assert!(super::super::report_kept(&kept[0]).contains("missing here: payment"), "{kept:?}");
}
