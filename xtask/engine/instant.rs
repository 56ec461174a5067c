//! Suppliers and a channel that answer at once, and orders to give them.
//!
//! Deliberately not here: anything that can fail.

use async_trait::async_trait;
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;
use ulid::Ulid;
use zhiyou_domain::{
    booking::Read,
    id::{ItemId, OrderId, PlanId, TravellerId},
    money::{Currency, Money},
    order::{Fact, NewItem, NewOrder, Offer, Op, Order, OrderKind, Source, StepEnd, StepKey, StepResult},
    plan::{ItemRequest, Priority, Supplier},
    policy::{Fee, Terms, Tier},
    port::{
        Outcome,
        bookings::{Booking, BookingState, Quote},
        hotels::{Board, HotelRate},
        payments::{PaymentAction, PaymentIntent, PaymentState, PaymentStatus, Updates},
    },
    time::{UtcMicros, ZonedCivil},
};
use zhiyou_engine::{booking::steps::Steps, ports::Clock};

/// The machine's own clock.
pub(crate) struct Machine;

impl Clock for Machine {
    fn now(&self) -> UtcMicros {
        UtcMicros(jiff::Timestamp::now().as_microsecond())
    }
}

pub(crate) fn now() -> UtcMicros {
    Machine.now()
}

/// Ids that rise by one.
pub(crate) fn fresh() -> Ulid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let ms = u64::try_from(now().0 / 1_000).unwrap_or(0);
    Ulid::from_parts(ms, u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn yuan(minor: i64) -> Money {
    let currency: Option<Currency> = "CNY".parse().ok();
    let amount = currency.and_then(|currency| Money::new(minor, currency).ok());
    #[expect(clippy::unwrap_used, reason = "CNY is in the table, and the amounts are small")]
    amount.unwrap()
}

/// An order of so many hotels, each on a night of its own.
pub(crate) fn order(items: usize) -> NewOrder {
    let first = jiff::civil::date(2027, 3, 1);
    let day = |index: usize| {
        let days = jiff::Span::new().days(i64::try_from(index).unwrap_or(0));
        first.checked_add(days).unwrap_or(first)
    };
    let item = |index: usize| NewItem {
        id: ItemId::from_ulid(fresh()),
        request: ItemRequest::Hotel {
            city: "Shanghai".to_owned(),
            check_in: day(index),
            check_out: day(index + 1),
            rooms: 1,
        },
        priority: Priority::MustHave,
        supplier: Supplier::DuffelStays,
        travellers: vec![TravellerId::from_ulid(fresh())],
        after: Vec::new(),
        member_platform: None,
    };
    NewOrder {
        id: OrderId::from_ulid(fresh()),
        kind: OrderKind::Travel,
        plan: PlanId::from_ulid(fresh()),
        budget: yuan(10_000_000),
        required_platforms: Vec::new(),
        repairs: None,
        items: (0..items).map(item).collect(),
    }
}

fn terms() -> Terms {
    let noon = jiff::civil::date(2027, 2, 20).at(18, 0, 0, 0);
    let anchor = ZonedCivil { local: noon, zone: "Asia/Shanghai".to_owned() };
    Terms::Stated { tiers: vec![Tier { anchor, offset_min: 0, fee: Fee::Free }] }
}

pub(crate) fn rate(at: UtcMicros) -> Offer {
    Offer::Hotel(HotelRate {
        rate_id: "rat_0000AvXqBZzMmkPnGy".to_owned(),
        hotel_name: "上海归雁旅舍 Wild Goose Inn Shanghai".to_owned(),
        address: "Shanghai 1, Shanghai".to_owned(),
        room_name: "标准大床房 Standard Queen Room".to_owned(),
        board: Board::RoomOnly,
        total: yuan(52_800),
        due_at_hotel: yuan(0),
        terms: terms(),
        expires_at_us: at.plus_minutes(60),
    })
}

pub(crate) fn quote(at: UtcMicros) -> Quote {
    Quote {
        quote_id: "quo_0000AvXqBZzMmkPnGy".to_owned(),
        total: yuan(52_800),
        terms: terms(),
        expires_at_us: at.plus_minutes(60),
        kept: false,
    }
}

pub(crate) fn booked(item: ItemId) -> Booking {
    Booking {
        booking_id: format!("bok_{}", item.bare()),
        reference: "A95SQQ".to_owned(),
        state: BookingState::Confirmed,
        total: yuan(52_800),
        terms: terms(),
        refunded: None,
        instructions: Some("前台领取 Collect at the front desk.".to_owned()),
    }
}

/// Everything answers at once, or not at all while `silent`.
pub(crate) struct Instant {
    pub(crate) silent: bool,
    /// Orders whose open steps were looked up.
    pub(crate) looked_up: Mutex<Option<mpsc::UnboundedSender<OrderId>>>,
}

impl Instant {
    pub(crate) const fn new() -> Self {
        Self { silent: false, looked_up: Mutex::new(None) }
    }
}

#[async_trait]
impl Steps for Instant {
    async fn act(&self, order: &Order, key: &StepKey) -> StepEnd {
        let result = match key.op {
            Op::Commit { item } => StepResult::Booking(booked(item)),
            Op::OpenPayment { attempt } => StepResult::PaymentOpened(PaymentIntent {
                attempt_id: attempt,
                action: PaymentAction::Qr { content: "weixin://wxpay/bizpayurl?pr=abcdefg".to_owned() },
                expires_at_us: order.attempt(attempt).map_or(UtcMicros(0), |known| known.pay_by),
            }),
            Op::Hold { .. }
            | Op::Release { .. }
            | Op::Cancel { .. }
            | Op::AcceptChange { .. }
            | Op::ClosePayment { .. }
            | Op::Capture { .. }
            | Op::Void { .. }
            | Op::Refund { .. } => StepResult::Released,
        };
        StepEnd::Done { result }
    }

    async fn ask(&self, order: &Order, read: &Read, _: u32, now: UtcMicros) -> Option<Fact> {
        if let (Read::LookUp { .. }, Ok(heard)) = (read, self.looked_up.lock()) {
            heard.iter().for_each(|heard| {
                let _ = heard.send(order.id);
            });
        }
        if self.silent {
            return None;
        }
        match read {
            Read::FindOffer { item } => Some(Fact::OfferFound { item: *item, offer: Box::new(rate(now)) }),
            Read::Quote { item } => Some(Fact::Quoted { item: *item, quote: quote(now) }),
            Read::QueryPayment { attempt } => {
                let amount = order.attempt(*attempt).map(|known| known.amount);
                let status = PaymentStatus {
                    attempt_id: *attempt,
                    state: PaymentState::Captured,
                    transaction_id: Some("4200001234202611210000000001".to_owned()),
                    captured: amount,
                    paid_at_us: Some(now),
                };
                Some(Fact::PaymentReported { status, source: Source::Poll })
            }
            _ => None,
        }
    }

    async fn reread(&self, _: &Order, _: ItemId) -> Outcome<Option<Fact>> {
        Outcome::Done(None)
    }

    async fn ask_channel(&self, _: &Order, _: &Read) -> Outcome<Option<Fact>> {
        Outcome::Done(None)
    }

    async fn updates(&self, _: i64) -> Outcome<Updates> {
        Outcome::Done(Updates { updates: Vec::new() })
    }
}
