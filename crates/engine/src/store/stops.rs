//! Where a test stops the program as a power cut would: before or after a commit, or at a write to the keyring.
//!
//! Points are counted from the moment one is armed. What stands at the one that was armed never goes on, and neither does
//! what comes to a later one; the test drops it, and opens everything anew. Deliberately not here: anything the product has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;

/// Points of one database and of what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Stops(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    left: AtomicUsize,
    stopped: watch::Sender<bool>,
}

impl Default for Stops {
    fn default() -> Self {
        Self(Arc::new(Inner { left: AtomicUsize::new(usize::MAX), stopped: watch::Sender::new(false) }))
    }
}

impl Stops {
    /// Stops at the `point`-th point from now on, counted from 0.
    pub(crate) fn arm(&self, point: usize) {
        self.0.left.store(point, Ordering::SeqCst);
    }

    /// Stops nowhere any more.
    pub(crate) fn disarm(&self) {
        self.arm(usize::MAX);
    }

    /// Whether the program has ended at this point, or before it.
    pub(crate) fn ended(&self) -> bool {
        let counted = |left: usize| (left != usize::MAX).then(|| left.saturating_sub(1));
        let left = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
        if left == Ok(0) {
            self.0.stopped.send_replace(true);
        }
        *self.0.stopped.borrow()
    }

    /// A point in work that can wait: it never goes on where the program has ended.
    pub(crate) async fn point(&self) {
        if self.ended() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work` until it is done or the program ends at the `point`-th point; whether it ended.
    pub(crate) async fn cut<W: Future<Output = ()>>(&self, point: usize, work: W) -> bool {
        self.arm(point);
        let mut stopped = self.0.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => true,
            () = work => {
                self.disarm();
                false
            }
        }
    }
}
