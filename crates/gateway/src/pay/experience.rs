//! Experience mode: every payment of WeChat Pay is given back within 24 hours, so nothing is ever left to settle.
//!
//! What is due is computed from the tables at every look, so a restart or a lost answer changes nothing. A refund's number is
//! the payment's own, counted up only after the channel closed an earlier one. Whoever reads the updates is told, because no
//! notification says it. Deliberately not here: the caps of the mode, which are the configuration's.

use super::desk::Desk;
use crate::store::{
    StoreError,
    attempts::{self, Attempt},
    own_refunds,
    refunds::{self, Refund, Standing},
    updates,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;
use zhiyou_domain::{
    id::RefundId,
    money::Money,
    port::{
        Outcome,
        payments::{Channel, CreateRefund, RefundState, UpdateContent},
    },
    time::UtcMicros,
};

/// Age at which a payment goes back, minutes: an hour before the day is over, to try again in.
const DUE_MIN: i64 = 23 * 60;
/// How often the tables are looked at, seconds of the gateway's clock.
const LOOK_EVERY_S: i64 = 60;
/// How often it is looked whether that time has come: the clock of a demo jumps, and then nobody waits for it.
const TICK: Duration = Duration::from_secs(1);
/// How long a payment nobody asked about any more is still asked about, minutes.
const ASK_MIN: i64 = 48 * 60;
/// What the payer reads.
const REASON: &str = "体验版自动退款";

/// Looks until it is stopped; first at once, because the gateway may have been away.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    let mut looked: Option<UtcMicros> = None;
    loop {
        let now = desk.clock.now();
        if looked.is_none_or(|looked| looked.plus_seconds(LOOK_EVERY_S) <= now || now < looked) {
            looked = Some(now);
            if let Err(error) = look(&desk).await {
                tracing::error!(%error, "the payments of the experience mode could not be read");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Gives back what is due now.
pub(crate) async fn look(desk: &Desk) -> Result<(), StoreError> {
    let due = desk.clock.now().plus_minutes(-DUE_MIN);
    let from = desk.clock.now().plus_minutes(-ASK_MIN);
    // Money that arrived without a notification goes back as well.
    for attempt in attempts::open_between(desk.store.reader(), Channel::Wechatpay, from, due).await? {
        if let Outcome::Unknown(reason) | Outcome::NotSent(reason) | Outcome::Declined(reason) =
            desk.status(attempt.attempt_id).await
        {
            tracing::warn!(attempt = %attempt.attempt_id, code = ?reason.code, "the channel did not say where it stands");
        }
    }
    for attempt in attempts::unreturned(desk.store.reader(), Channel::Wechatpay, due).await? {
        give_back(desk, &attempt).await?;
    }
    tell(desk).await
}

/// Says what went back. In one transaction with the mark that it was said: it is told once, and never not at all.
async fn tell(desk: &Desk) -> Result<(), StoreError> {
    for refund in own_refunds::untold(desk.store.reader()).await? {
        let Some(attempt) = attempts::find(desk.store.reader(), refund.attempt_id).await? else { continue };
        let content = UpdateContent::GivenBack { payment: attempt.status(), refund: refund.status() };
        let mut tx = desk.store.begin().await?;
        updates::append(&mut tx, &[(content, desk.clock.now())]).await?;
        own_refunds::told(&mut tx, refund.refund_id).await?;
        desk.store.commit(tx).await?;
    }
    Ok(())
}

async fn give_back(desk: &Desk, attempt: &Attempt) -> Result<(), StoreError> {
    let known = refunds::of_payment(desk.store.reader(), attempt.attempt_id).await?;
    for refund in known.iter().filter(|refund| refund.state == Standing::At(RefundState::Pending)) {
        // The channel decides what became of it; only one it never saw is asked for again.
        match desk.refund_status(refund.refund_id).await {
            Outcome::Done(status) if status.state == RefundState::NotFound => ask(desk, again(refund)).await,
            Outcome::Done(_) => {}
            Outcome::Unknown(reason) | Outcome::NotSent(reason) | Outcome::Declined(reason) => {
                tracing::warn!(refund = %refund.refund_id, code = ?reason.code, "the channel did not say where it stands");
            }
        }
    }
    let known = refunds::of_payment(desk.store.reader(), attempt.attempt_id).await?;
    let gone = known.iter().filter(|refund| refund.state.counts()).map(|refund| refund.amount);
    let taken = attempt.taken.unwrap_or(attempt.amount);
    let left = Money::sum(taken.currency(), gone).and_then(|gone| taken.minus(gone))?;
    if !left.is_positive() {
        return Ok(());
    }
    let wish = match known.iter().find(|refund| refund.state == Standing::Refused && refund.amount == left) {
        Some(refused) => again(refused),
        None => CreateRefund {
            refund_id: free_number(attempt, &known)?,
            attempt_id: attempt.attempt_id,
            amount: left,
            reason: REASON.to_owned(),
        },
    };
    let mut tx = desk.store.begin().await?;
    own_refunds::keep(&mut tx, wish.refund_id).await?;
    desk.store.commit(tx).await?;
    ask(desk, wish).await;
    Ok(())
}

fn again(refund: &Refund) -> CreateRefund {
    CreateRefund {
        refund_id: refund.refund_id,
        attempt_id: refund.attempt_id,
        amount: refund.amount,
        reason: refund.reason.clone(),
    }
}

async fn ask(desk: &Desk, wish: CreateRefund) {
    let refund = wish.refund_id;
    match desk.refund(wish).await {
        Outcome::Done(_) => tracing::info!(%refund, "a payment of the experience mode goes back"),
        Outcome::Unknown(reason) | Outcome::NotSent(reason) | Outcome::Declined(reason) => {
            tracing::error!(%refund, code = ?reason.code, detail = %reason.detail, "it did not go back yet; asked again");
        }
    }
}

/// The first number from the payment's own on that no refund of it has.
fn free_number(attempt: &Attempt, known: &[Refund]) -> Result<RefundId, StoreError> {
    let damaged = || StoreError::Damaged(format!("attempt {}", attempt.attempt_id));
    let own = Ulid::from_string(&attempt.attempt_id.bare()).map_err(|_| damaged())?;
    (0..=u128::try_from(known.len()).map_err(|_| damaged())?)
        .map(|step| RefundId::from_ulid(Ulid(own.0.wrapping_add(step))))
        .find(|id| known.iter().all(|refund| refund.refund_id != *id))
        .ok_or_else(damaged)
}
