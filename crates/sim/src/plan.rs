//! What a seed stands for: the order, the traveller, and which faults happen how often.
//!
//! Every rate is drawn per seed ("swarm"), so that some seeds have many faults of one kind and none of another.
//! Deliberately not here: what a fault does.

use fastrand::Rng;
use ulid::Ulid;
use zhiyou_domain::{
    id::{ItemId, OrderId, PlanId, TravellerId},
    money::{Currency, Money},
    order::{NewItem, NewOrder, OrderKind},
    plan::{ItemRequest, Priority, Supplier},
    port::flights::CabinClass,
    time::{UtcMicros, ZonedCivil},
};

/// When every simulation begins: 2026-12-01 00:00 UTC.
pub(crate) const T0: UtcMicros = UtcMicros(1_796_083_200_000_000);

/// Everything drawn from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) items: Vec<ItemPlan>,
    pub(crate) traveller: Traveller,
    pub(crate) rates: Rates,
    /// Whether the channel sets money aside first.
    pub(crate) authorises: bool,
    /// Whether a second channel pays a part, so many percent, and sets it aside first.
    pub(crate) second: Option<(i64, bool)>,
    /// Whether a credit pays a part, so many percent, and whether it is still there when it is asked for.
    pub(crate) credit: Option<(i64, bool)>,
}

/// One item.
#[derive(Debug, Clone)]
pub(crate) struct ItemPlan {
    pub(crate) id: ItemId,
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    pub(crate) priority: Priority,
    pub(crate) after: Vec<ItemId>,
    pub(crate) price_minor: i64,
    /// What is kept when it is cancelled.
    pub(crate) fee_minor: i64,
    pub(crate) holdable: bool,
    /// Whether the supplier decides on a booking later.
    pub(crate) decides_later: bool,
}

/// Kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Flight,
    Hotel,
    Car,
    Activity,
}

/// What the traveller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traveller {
    /// Pays soon.
    Pays,
    /// Refuses once, then pays.
    RefusesFirst,
    /// Never pays.
    Leaves,
    /// Pays at the last moment, while the payment is being closed.
    PaysLate,
    /// Pays, and pays again with a second code.
    PaysTwice,
    /// Ends the order at some moment before paying.
    Cancels,
    /// Ends it and pays all the same.
    CancelsAndPays,
    /// Pays, and cancels everything once it is booked.
    CancelsBooked,
    /// Pays, and cancels one item once it is booked.
    CancelsOne,
}

/// How often what goes wrong, in per mille.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) request_lost: u32,
    pub(crate) answer_lost: u32,
    pub(crate) answer_late: u32,
    pub(crate) not_sent: u32,
    pub(crate) declined: u32,
    pub(crate) undo_declined: u32,
    pub(crate) read_fails: u32,
    pub(crate) notice_lost: u32,
    pub(crate) notice_doubled: u32,
    pub(crate) crash: u32,
    pub(crate) stale_writer: u32,
    pub(crate) disk_full: u32,
    pub(crate) clock_jump: u32,
    pub(crate) supplier_cancels: u32,
    pub(crate) airline_changes: u32,
    pub(crate) wrong_amount: u32,
    pub(crate) capture_lapses: u32,
    pub(crate) aside_leaves: u32,
    pub(crate) close_pending: u32,
    pub(crate) key_refused: u32,
    pub(crate) disputes: u32,
    pub(crate) refund_manual: u32,
    pub(crate) bit_flip: u32,
    pub(crate) dearer_again: u32,
    pub(crate) silent_for_ever: u32,
}

#[cfg(test)]
impl Rates {
    /// Nothing goes wrong by itself.
    pub(crate) const NONE: Self = Self {
        request_lost: 0,
        answer_lost: 0,
        answer_late: 0,
        not_sent: 0,
        declined: 0,
        undo_declined: 0,
        read_fails: 0,
        notice_lost: 0,
        notice_doubled: 0,
        crash: 0,
        stale_writer: 0,
        disk_full: 0,
        clock_jump: 0,
        supplier_cancels: 0,
        airline_changes: 0,
        wrong_amount: 0,
        capture_lapses: 0,
        aside_leaves: 0,
        close_pending: 0,
        key_refused: 0,
        disputes: 0,
        refund_manual: 0,
        bit_flip: 0,
        dearer_again: 0,
        silent_for_ever: 0,
    };
}

fn rate(rng: &mut Rng, most: u32) -> u32 {
    // Half of the seeds do not have this fault at all.
    if rng.bool() { 0 } else { rng.u32(0..=most) }
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut rates = Rates {
            request_lost: rate(rng, 300),
            answer_lost: rate(rng, 200),
            answer_late: rate(rng, 200),
            not_sent: rate(rng, 300),
            declined: rate(rng, 150),
            undo_declined: rate(rng, 100),
            read_fails: rate(rng, 300),
            notice_lost: if rng.u8(0..8) == 0 { 1_000 } else { rate(rng, 300) },
            notice_doubled: rate(rng, 500),
            crash: rate(rng, 120),
            stale_writer: rate(rng, 60),
            disk_full: rate(rng, 60),
            clock_jump: rate(rng, 30),
            supplier_cancels: rate(rng, 300),
            airline_changes: rate(rng, 300),
            wrong_amount: rate(rng, 60),
            capture_lapses: rate(rng, 60),
            aside_leaves: 0,
            close_pending: 0,
            key_refused: 0,
            disputes: rate(rng, 150),
            refund_manual: rate(rng, 200),
            bit_flip: if rng.u8(0..24) == 0 { 40 } else { 0 },
            dearer_again: rate(rng, 700),
            silent_for_ever: if rng.u8(0..24) == 0 { 150 } else { 0 },
        };
        let traveller = match rng.u8(0..16) {
            0..=3 => Traveller::Pays,
            4 => Traveller::RefusesFirst,
            5 => Traveller::Leaves,
            6..=8 => Traveller::PaysLate,
            9 => Traveller::PaysTwice,
            10 | 11 => Traveller::Cancels,
            12 => Traveller::CancelsAndPays,
            13 => Traveller::CancelsBooked,
            _ => Traveller::CancelsOne,
        };
        let count = rng.usize(1..=6);
        let mut items: Vec<ItemPlan> = Vec::with_capacity(count);
        for index in 0..count {
            let item = item(rng, index, &items);
            items.push(item);
        }
        let authorises = rng.u8(0..3) == 0;
        let split = rng.u8(0..4) == 0;
        let second = split.then(|| (rng.i64(1..=99), authorises && rng.bool()));
        let credit = (rng.u8(0..5) == 0).then(|| (rng.i64(1..=100), rng.u8(0..6) != 0));
        // Drawn apart, so that what came later leaves every other draw of a seed as it was.
        let mut apart = rng.clone();
        rates.close_pending = rate(&mut apart, 700);
        rates.key_refused = rate(&mut apart, 400);
        rates.aside_leaves = rate(&mut apart, 60);
        Self { items, traveller, rates, authorises, second, credit }
    }

    pub(crate) fn order(&self) -> NewOrder {
        let mut items: Vec<NewItem> = self.items.iter().map(new_item).collect();
        zhiyou_domain::order::inherit_must_have(&mut items);
        NewOrder {
            id: OrderId::from_ulid(id(1)),
            kind: OrderKind::Travel,
            plan: PlanId::from_ulid(id(2)),
            budget: cny(100_000_000),
            required_platforms: Vec::new(),
            repairs: None,
            items,
        }
    }

    pub(crate) fn item(&self, id: ItemId) -> Option<&ItemPlan> {
        self.items.iter().find(|item| item.id == id)
    }
}

/// Ids count up, so that a seed is the same bytes each time.
pub(crate) fn id(n: u64) -> Ulid {
    Ulid::from_parts(1_796_083_200_000, u128::from(n))
}

pub(crate) fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap_or(Money::zero(Currency::CNY))
}

fn item(rng: &mut Rng, index: usize, earlier: &[ItemPlan]) -> ItemPlan {
    let kind = match rng.u8(0..4) {
        0 => Kind::Flight,
        1 => Kind::Hotel,
        2 => Kind::Car,
        _ => Kind::Activity,
    };
    let price_minor = rng.i64(1..=300_000);
    let fee_minor = match rng.u8(0..3) {
        0 => 0,
        1 => price_minor,
        _ => rng.i64(0..=price_minor),
    };
    // Days rise with the index, so that any item may come after any earlier one; an activity would have to be in the stay.
    let fits = |other: &&ItemPlan| other.kind != Kind::Hotel || kind != Kind::Activity;
    let after = earlier.iter().filter(fits).filter(|_| rng.u8(0..3) == 0).map(|item| item.id).collect();
    ItemPlan {
        id: ItemId::from_ulid(id(100 + u64::try_from(index).unwrap_or(0))),
        index,
        kind,
        priority: match rng.u8(0..3) {
            0 => Priority::Optional,
            1 => Priority::Preferred,
            _ => Priority::MustHave,
        },
        after,
        price_minor,
        fee_minor,
        holdable: rng.bool(),
        decides_later: kind != Kind::Flight && rng.u8(0..4) == 0,
    }
}

pub(crate) fn day(index: usize) -> jiff::civil::Date {
    let first = jiff::civil::date(2026, 12, 4);
    first.checked_add(jiff::Span::new().days(i64::try_from(index).unwrap_or(0))).unwrap_or(first)
}

fn new_item(item: &ItemPlan) -> NewItem {
    let index = item.index;
    let (date, noon) = (day(index), day(index).at(12, 0, 0, 0));
    let at = |local| ZonedCivil { local, zone: "Asia/Shanghai".to_owned() };
    let request = match item.kind {
        Kind::Flight => ItemRequest::Flight {
            origin: "PEK".to_owned(),
            destination: "SHA".to_owned(),
            departure_date: date,
            cabin: CabinClass::Economy,
        },
        Kind::Hotel => {
            ItemRequest::Hotel { city: "Shanghai".to_owned(), check_in: date, check_out: day(index + 1), rooms: 1 }
        }
        Kind::Car => {
            ItemRequest::Car { airport: "SHA".to_owned(), starts: at(noon), ends: at(day(index).at(18, 0, 0, 0)) }
        }
        Kind::Activity => {
            ItemRequest::Activity { name: "Walk".to_owned(), city: "Shanghai".to_owned(), starts: at(noon) }
        }
    };
    NewItem {
        id: item.id,
        request,
        priority: item.priority,
        supplier: match item.kind {
            Kind::Flight => Supplier::Duffel,
            Kind::Hotel => Supplier::DuffelStays,
            Kind::Car => Supplier::DuffelCars,
            Kind::Activity => Supplier::Viator,
        },
        travellers: vec![TravellerId::from_ulid(id(3))],
        after: item.after.clone(),
        member_platform: None,
    }
}
