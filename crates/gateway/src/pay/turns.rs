//! Turns: calls about one payment or one refund come one after the other, calls about different ones at once.
//!
//! Deliberately not here: what is done in a turn.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Quick, PoisonError, Weak},
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use zhiyou_domain::id::{AttemptId, RefundId};

/// Who is at it, one by one; remembers nothing about what nobody is at.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    held: Arc<Quick<BTreeMap<String, Weak<Mutex<()>>>>>,
}

impl Turns {
    /// Waits for the turn of a payment; it ends when the guard is dropped.
    pub(crate) async fn take(&self, id: AttemptId) -> OwnedMutexGuard<()> {
        self.at(id.to_string()).await
    }

    /// Waits for the turn of a refund, which is not its payment's.
    pub(crate) async fn take_refund(&self, id: RefundId) -> OwnedMutexGuard<()> {
        self.at(id.to_string()).await
    }

    async fn at(&self, id: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|_, turn| turn.strong_count() > 0);
            let turn = held.get(&id).and_then(Weak::upgrade).unwrap_or_default();
            held.insert(id, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[tokio::test]
    async fn calls_about_one_payment_wait_for_each_other_and_about_another_do_not() {
        let id = |text: &str| AttemptId::parse_bare(text).unwrap();
        let (one, other) = (id("01KA0000000000000000000ABC"), id("01KA0000000000000000000XYZ"));
        let turns = Turns::default();
        let first = turns.take(one).await;
        drop(turns.take(other).await);
        drop(turns.take_refund(RefundId::parse_bare(&one.bare()).unwrap()).await);
        let mut second = Box::pin(turns.take(one));
        assert!(matches!(std::future::poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx))).await, Poll::Pending));
        drop(first);
        drop(second.await);
        drop(turns.take(other).await);
        assert_eq!(turns.held.lock().unwrap().len(), 1, "nobody at it, nothing kept but the last");
    }
}
