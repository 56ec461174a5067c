//! Our rows as the comparison wants them: those of the day, and every one that a bill names.
//!
//! Deliberately not here: what a difference is.

use super::{
    line::{BillLine, Day, Midnight, What},
    matching::{Entry, Kind, Standing},
};
use crate::store::{
    Store, StoreError,
    attempts::{self, Attempt},
    refunds::{self, Refund},
    updates,
};
use std::collections::BTreeMap;
use zhiyou_domain::{
    port::payments::{Channel, DisputeState, DisputeStatus, PaymentState, RefundState},
    time::UtcMicros,
};

/// A row's time and the bill's may differ by this much, minutes: two clocks, and the way of an answer.
const EDGE_MIN: i64 = 5;

/// The rows that the bill of a day has to have, and those that the bills name.
pub(crate) async fn around(
    store: &Store,
    channel: Channel,
    day: Day,
    midnight: Midnight,
    bills: &BTreeMap<Day, Vec<BillLine>>,
) -> Result<Vec<Entry>, StoreError> {
    let pool = store.reader();
    let (from, until) = (day.from(midnight).plus_minutes(-EDGE_MIN), day.until(midnight));
    let mut rows: BTreeMap<(Kind, String), Entry> = BTreeMap::new();
    let mut keep = |entry: Entry| {
        let (kind, name) = (entry.kind, entry.theirs.clone().filter(|_| entry.kind == Kind::Dispute));
        rows.insert((kind, name.unwrap_or_else(|| entry.ours.clone())), entry);
    };
    for (attempt, updated) in attempts::paid_between(pool, channel, from, until).await? {
        keep(payment(&attempt, updated));
    }
    for (back, updated) in refunds::returned_between(pool, channel, from, until).await? {
        keep(refund(&back, updated));
    }
    for line in bills.values().flatten() {
        let own = [Some(line.theirs.as_str()), line.ours.as_deref()];
        let (payments, refunds) = match line.what {
            What::Payment => (own, [None, None]),
            What::Refund | What::RefundReturned => ([line.payment.as_deref(), line.ours.as_deref()], own),
            What::Dispute | What::DisputeReturned | What::Other => {
                ([line.payment.as_deref(), line.ours.as_deref()], [None, None])
            }
            What::Fee => continue,
        };
        for number in payments.into_iter().flatten() {
            if let Some((attempt, updated)) = attempts::numbered(pool, channel, number).await? {
                keep(payment(&attempt, updated));
            }
        }
        for number in refunds.into_iter().flatten() {
            if let Some((back, updated)) = refunds::numbered(pool, channel, number).await? {
                keep(refund(&back, updated));
            }
        }
        if matches!(line.what, What::Dispute | What::DisputeReturned)
            && let Some(status) = updates::dispute(pool, &line.theirs).await?
        {
            keep(dispute(status, line.at));
        }
    }
    Ok(rows.into_values().collect())
}

fn payment(attempt: &Attempt, updated: UtcMicros) -> Entry {
    let paid = attempt.paid_at_us.unwrap_or(updated);
    Entry {
        kind: Kind::Payment,
        ours: attempt.attempt_id.bare(),
        theirs: attempt.transaction_id.clone().filter(|_| attempt.state == PaymentState::Captured),
        amount: attempt.taken.unwrap_or(attempt.amount),
        standing: match attempt.state {
            PaymentState::Captured => Standing::Moved,
            PaymentState::NotFound
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Authorised => Standing::Open,
            PaymentState::Failed | PaymentState::Closed => Standing::Failed,
        },
        first: paid.plus_minutes(-EDGE_MIN),
        // Money set aside was taken some time later, at the latest when we learned of it.
        last: if attempt.authorise { updated } else { paid }.plus_minutes(EDGE_MIN),
    }
}

fn refund(refund: &Refund, updated: UtcMicros) -> Entry {
    Entry {
        kind: Kind::Refund,
        ours: refund.refund_id.bare(),
        theirs: refund.provider_ref.clone(),
        amount: refund.amount,
        standing: match refund.state {
            refunds::Standing::At(RefundState::Succeeded) => Standing::Moved,
            refunds::Standing::At(RefundState::Pending) => Standing::Open,
            refunds::Standing::At(RefundState::NeedsManual) => Standing::Manual,
            refunds::Standing::At(RefundState::Failed | RefundState::CameBack) => Standing::Failed,
            refunds::Standing::Refused | refunds::Standing::At(RefundState::NotFound) => Standing::Never,
        },
        first: refund.created_at_us.plus_minutes(-EDGE_MIN),
        last: updated.plus_minutes(EDGE_MIN),
    }
}

fn dispute(status: DisputeStatus, at: UtcMicros) -> Entry {
    Entry {
        kind: Kind::Dispute,
        ours: status.attempt_id.bare(),
        theirs: Some(status.dispute_id),
        amount: status.amount,
        standing: match status.state {
            DisputeState::Open | DisputeState::Lost => Standing::Moved,
            DisputeState::Won => Standing::Failed,
        },
        first: at,
        last: at,
    }
}
