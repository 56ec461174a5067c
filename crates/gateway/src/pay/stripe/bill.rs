//! The movements of the account's balance on a UTC day, page by page.
//!
//! Source: docs.stripe.com/api/balance_transactions and reporting categories, by which Stripe wants movements to be told
//! apart. What is taken of an authorisation in part is booked whole and the rest is booked back: here it is one payment. An
//! account whose balance is kept in another currency moves that one, so then the amount is the payment's own. Deliberately
//! not here: what the lines mean for our book.

use super::{Stripe, amount, integrity, is_id, wire};
use crate::reconcile::line::{Bill, BillLine, Day, LineState, Midnight, What};
use std::collections::BTreeMap;
use wire::{Category, Movement, SourceKind};
use zhiyou_domain::{
    money::Money,
    port::{Outcome, Reason, ReasonCode},
    time::UtcMicros,
};

/// Pages of a hundred movements that are read of a day before giving up.
const PAGES_MAX: usize = 1_000;
/// A movement is on the list at once; the clocks of both sides may differ by this much, seconds.
const SKEW_S: i64 = 300;

impl Stripe {
    /// Everything that moved on a day; none before the day is over.
    pub(super) async fn balance_of(&self, day: Day) -> Outcome<Bill> {
        let (from, until) = (day.from(Midnight::Utc), day.until(Midnight::Utc));
        if self.clock.now() < until.plus_seconds(SKEW_S) {
            return Outcome::Done(Bill::NotYet);
        }
        let seconds = |at: UtcMicros| at.0.div_euclid(1_000_000);
        let window = format!(
            "created%5Bgte%5D={}&created%5Blte%5D={}&limit=100&expand%5B%5D=data.source",
            seconds(from),
            seconds(until).saturating_sub(1)
        );
        let mut all = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/v1/balance_transactions?{window}{after}");
            let page = match self.get(&path).await.outcome::<wire::List<Movement>>() {
                Outcome::Done(page) => page,
                other => return other.map(|_| Bill::NotYet),
            };
            let last = page.data.last().map(|movement| movement.id.clone());
            all.extend(page.data);
            match last {
                None if page.has_more => return integrity("a page with nothing on it that is not the last"),
                Some(id) if page.has_more => {
                    if !is_id(&id, "txn_") {
                        return integrity("a movement under a name that is none");
                    }
                    after = format!("&starting_after={id}");
                }
                None | Some(_) => {
                    return self
                        .read_bill(&all, from, until)
                        .map_or_else(integrity, |lines| Outcome::Done(Bill::Of(lines)));
                }
            }
        }
        Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "too many movements on one day"))
    }

    fn read_bill(&self, all: &[Movement], from: UtcMicros, until: UtcMicros) -> Result<Vec<BillLine>, &'static str> {
        let mut untaken: BTreeMap<&str, i64> = BTreeMap::new();
        for movement in all.iter().filter(|one| one.reporting_category == Category::PartialCaptureReversal) {
            let source = movement.source.as_ref().ok_or("a movement without what moved it")?;
            let sum = untaken.entry(source.name()).or_default();
            *sum = sum.checked_add(movement.amount).ok_or("an impossible amount")?;
        }
        let mut lines = Vec::new();
        for movement in all {
            let at = UtcMicros(0).plus_seconds(movement.created);
            if at < from || at >= until {
                return Err("a movement of another day");
            }
            if movement.reporting_category != Category::PartialCaptureReversal {
                let untaken = movement.source.as_ref().and_then(|source| untaken.get(source.name())).copied();
                lines.push(line(movement, untaken.unwrap_or_default(), at)?);
            }
        }
        Ok(lines)
    }
}

impl wire::Related<wire::Source> {
    fn name(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(source) => &source.id,
        }
    }
}

fn line(movement: &Movement, untaken: i64, at: UtcMicros) -> Result<BillLine, &'static str> {
    let what = match movement.reporting_category {
        Category::Charge => What::Payment,
        Category::Refund => What::Refund,
        // The payer's bank did not pay after all.
        Category::ChargeFailure | Category::Dispute => What::Dispute,
        Category::RefundFailure => What::RefundReturned,
        Category::DisputeReversal => What::DisputeReturned,
        Category::Fee => What::Fee,
        Category::PartialCaptureReversal | Category::Unknown => What::Other,
    };
    let source = movement.source.as_ref().and_then(wire::Related::object);
    let fee = signed(movement.fee, &movement.currency)?;
    let told = |key: &str| source?.metadata.as_ref()?.get(key).cloned();
    let intent = || source.and_then(|source| source.payment_intent.clone());
    let bare = |amount: Money| BillLine {
        what,
        theirs: movement.id.clone(),
        ours: None,
        payment: None,
        amount,
        fee: Some(fee),
        at,
        state: LineState::Settled,
    };
    Ok(match what {
        What::Payment => {
            let charge = source.filter(|source| source.object == SourceKind::Charge);
            let charge = charge.ok_or("a payment without its charge")?;
            let taken = match movement.amount.checked_add(untaken) {
                Some(taken) if charge.currency == movement.currency => taken,
                Some(_) | None => charge.amount_captured.ok_or("a payment without what was taken")?,
            };
            BillLine {
                theirs: intent().unwrap_or_else(|| charge.id.clone()),
                ours: told(wire::ATTEMPT),
                ..bare(positive(taken, &charge.currency)?)
            }
        }
        What::Refund | What::RefundReturned => {
            let refund = source.filter(|source| source.object == SourceKind::Refund);
            let refund = refund.ok_or("a refund without its object")?;
            let same = refund.currency == movement.currency;
            let back = if same { movement.amount.saturating_abs() } else { refund.amount };
            BillLine {
                theirs: refund.id.clone(),
                ours: told(wire::REFUND),
                payment: intent(),
                state: match refund.status.as_deref() {
                    Some("succeeded") => LineState::Settled,
                    // It was booked all the same, and is booked back.
                    Some("failed" | "canceled") => LineState::Returned,
                    Some(_) | None => LineState::Pending,
                },
                ..bare(positive(back, &refund.currency)?)
            }
        }
        What::Dispute | What::DisputeReturned => {
            let same = source.is_none_or(|source| source.currency == movement.currency);
            let amount = match source.filter(|_| !same) {
                Some(source) => positive(source.amount, &source.currency)?,
                None => positive(movement.amount.saturating_abs(), &movement.currency)?,
            };
            let theirs = source.map_or_else(|| movement.id.clone(), |source| source.id.clone());
            BillLine { theirs, ours: told(wire::ATTEMPT), payment: intent(), ..bare(amount) }
        }
        // What the channel charges for itself leaves the account.
        What::Fee => BillLine { fee: None, ..bare(signed(movement.amount.saturating_neg(), &movement.currency)?) },
        What::Other => BillLine {
            ours: told(wire::ATTEMPT),
            payment: intent(),
            ..bare(signed(movement.amount, &movement.currency)?)
        },
    })
}

/// An amount that moved; nothing and less than nothing is none.
fn positive(minor: i64, currency: &str) -> Result<Money, &'static str> {
    amount::read(minor, currency).ok().filter(|amount| amount.is_positive()).ok_or("an impossible amount")
}

/// An amount of either sign.
fn signed(minor: i64, currency: &str) -> Result<Money, &'static str> {
    let size = amount::read(minor.checked_abs().ok_or("an impossible amount")?, currency)?;
    if minor < 0 { Money::zero(size.currency()).minus(size).map_err(|_| "an impossible amount") } else { Ok(size) }
}
