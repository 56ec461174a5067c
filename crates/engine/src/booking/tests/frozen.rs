//! News about an order that this program cannot read.

use super::*;
use crate::store::{kept_updates, settings};

/// A dispute is told once and never asked about: a refund on top of it would be paid twice.
#[tokio::test]
async fn what_is_told_of_a_frozen_order_is_applied_once_it_can_be_read_again() {
    let (folder, steps) = (folder(), Arc::new(Scripted::default()));
    let running = start(folder.path(), &steps).await;
    let id = running.order(1).await;
    let paid = running.pay(id).await;
    running.report(id, paid.clone()).await;
    running.until(id, |order| order.state == OrderState::Confirmed).await;
    running.stop().await;
    let newer = async |by: i64| {
        let db = Db::open(folder.path()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let sql = "UPDATE journal SET format = format + $1 WHERE order_id = $2";
        sqlx::query(sql).bind(by).bind(id.to_string()).execute(&mut *tx).await.unwrap();
        db.commit(tx).await.unwrap();
        db.close().await;
    };

    newer(100).await;
    let status = DisputeStatus {
        attempt_id: paid.attempt_id,
        dispute_id: "dp_1".to_owned(),
        amount: cny(100),
        state: DisputeState::Open,
        as_of_us: None,
    };
    steps.updates.lock().unwrap().push(UpdateContent::Dispute { status });
    steps.told.store(1, Ordering::SeqCst);
    let running = start(folder.path(), &steps).await;
    let past = async {
        while settings::gateway_cursor(running.db.reader()).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, past).await.expect("the others do not wait for it");
    assert_eq!(running.book.frozen(id), Some(FaultCode::NewerVersion));
    running.stop().await;

    newer(-100).await;
    let running = start(folder.path(), &steps).await;
    let order = running.until(id, |order| !order.disputes.is_empty()).await;
    assert_eq!(order.disputes[0].amount, cny(100));
    let gone = async {
        while !kept_updates::all(running.db.reader()).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("what was applied is not applied again");
    running.stop().await;
}
