//! What a window does: it asks commands, and learns of changes from the doorbell and the change feed alone.
//!
//! Deliberately not here: what is asked, and when.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use zhiyou_engine::Engine;

/// Longer than this nothing that works takes.
const PATIENCE: Duration = Duration::from_secs(30);

type Orders = Arc<Mutex<HashMap<String, watch::Sender<Value>>>>;

/// A window's state of all orders.
pub(crate) struct Screen {
    engine: Arc<Engine>,
    orders: Orders,
    feed: JoinHandle<()>,
}

fn slot(orders: &Orders, id: &str) -> watch::Sender<Value> {
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    orders.entry(id.to_owned()).or_insert_with(|| watch::Sender::new(Value::Null)).clone()
}

async fn follow(engine: Arc<Engine>, orders: Orders) {
    let mut doorbell = engine.doorbell();
    let mut cursor = 0;
    loop {
        doorbell.mark_unchanged();
        loop {
            let Ok(batch) = engine.dispatch("changes", json!({ "after": cursor })).await else { return };
            cursor = batch["cursor"].as_i64().unwrap_or(cursor);
            for order in batch["orders"].as_array().into_iter().flatten() {
                slot(&orders, order["id"].as_str().unwrap_or_default()).send_replace(order.clone());
            }
            if batch["more"] != true {
                break;
            }
        }
        if doorbell.changed().await.is_err() {
            return;
        }
    }
}

impl Screen {
    /// A window that shows every order.
    pub(crate) fn open(engine: &Arc<Engine>) -> Self {
        let orders = Orders::default();
        let feed = tokio::spawn(follow(Arc::clone(engine), Arc::clone(&orders)));
        Self { engine: Arc::clone(engine), orders, feed }
    }

    /// One command.
    pub(crate) async fn ask(&self, command: &str, payload: Value) -> Result<Value, Box<dyn Error>> {
        Ok(self.engine.dispatch(command, payload).await?)
    }

    /// The order as soon as the feed shows it as wanted; none when that never happens.
    pub(crate) async fn until(&self, id: &str, wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        let mut shown = slot(&self.orders, id).subscribe();
        let seen = tokio::time::timeout(PATIENCE, shown.wait_for(wanted)).await;
        seen.ok()?.ok().map(|order| order.clone())
    }

    pub(crate) fn close(self) {
        self.feed.abort();
    }
}
