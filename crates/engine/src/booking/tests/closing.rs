//! Closing a payment whose channel has not decided yet.

use super::*;
use std::sync::atomic::AtomicI64;
use zhiyou_domain::order::AttemptState;

/// Stands still until it is moved.
struct Moved(AtomicI64);

impl Moved {
    fn by_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> UtcMicros {
        UtcMicros(self.0.load(Ordering::SeqCst))
    }
}

/// As PayPal does while a capture is pending: "closed" is answered with where the payment stands.
#[tokio::test]
async fn a_payment_that_is_still_worked_on_is_closed_ever_more_slowly_until_its_channel_has_decided() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    *steps.closing.lock().unwrap() = Some(PaymentState::Processing);
    let clock = Arc::new(Moved(AtomicI64::new(Machine.now().0)));
    let running = start_at(folder.path(), &steps, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let id = running.order(1).await;
    let paying = running.pay(id).await;
    running.until(id, |order| order.attempts[0].state == AttemptState::RequiresAction).await;
    running.book.record(id, |_, _| Ok(vec![Fact::CancelRequested])).await.unwrap();
    running.runner.look(id);
    running.until(id, |order| order.attempts[0].state == AttemptState::Processing).await;
    for _ in 0..60 {
        clock.by_seconds(1);
        running.runner.clock_moved();
        // A close more would be two commits: it has the time of as many.
        for _ in 0..2 {
            running.report(id, PaymentStatus { state: PaymentState::RequiresAction, ..paying.clone() }).await;
        }
    }
    let calls = steps.closed.load(Ordering::SeqCst);
    assert!(calls <= 15, "closed {calls} times within a minute");
    *steps.closing.lock().unwrap() = Some(PaymentState::Closed);
    clock.by_seconds(600);
    running.runner.clock_moved();
    let order = running.until(id, |order| order.state == OrderState::Cancelled).await;
    assert_eq!((cart::money_map(&order).unwrap().paid, order.open_steps.len()), (cny(0), 0));
    running.stop().await;
}
