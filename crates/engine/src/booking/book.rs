//! The one place that writes facts: journal, snapshot, projections and change row in one transaction.
//!
//! Deliberately not here: which facts to write.

use crate::{
    ids::Ids,
    killed,
    ports::Clock,
    store::{Db, StoreError, Tx, changes, changes::Entity, journal, lease::Lease, orders, requests},
};
use std::sync::Arc;
use tokio::sync::Mutex;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{OrderId, RequestId},
    order::{Fact, Illegal, NewOrder, Order},
    time::UtcMicros,
};

/// Writes facts about orders. One writer at a time.
pub(crate) struct Book {
    db: Db,
    lease: Lease,
    clock: Arc<dyn Clock>,
    ids: Ids,
    writing: Mutex<()>,
}

/// A command that carries a request id: repeating it returns what it made.
pub(crate) struct Asked<'a> {
    pub(crate) id: RequestId,
    pub(crate) command: &'static str,
    pub(crate) payload: &'a str,
}

impl Book {
    pub(crate) fn new(db: Db, lease: Lease, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { db, lease, clock, ids, writing: Mutex::new(()) }
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) const fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(crate) fn now(&self) -> UtcMicros {
        self.clock.now()
    }

    pub(crate) async fn get(&self, id: OrderId) -> Result<Order, Fault> {
        let order = orders::get(self.db.reader(), id).await?;
        order.ok_or_else(|| Fault::new(FaultCode::NotFound, format!("no order {id}")))
    }

    /// Makes an order, once per request.
    pub(crate) async fn create(&self, new: NewOrder, first: &[Fact], asked: &Asked<'_>) -> Result<Order, Fault> {
        let _writing = self.writing.lock().await;
        let mut tx = self.db.begin().await?;
        if let Some(id) = earlier(&mut tx, asked).await? {
            drop(tx);
            return self.get(id).await;
        }
        let (now, id) = (self.now(), new.id);
        let created = Fact::Created { order: Box::new(new) };
        let order = Order::create(now, &created).map_err(wrong_state)?;
        let order = first.iter().try_fold(order, |order, fact| order.apply(now, fact)).map_err(wrong_state)?;
        let facts: Vec<Fact> = std::iter::once(created).chain(first.iter().cloned()).collect();
        self.write(&mut tx, 0, &order, now, &facts).await?;
        requests::remember(&mut tx, asked.id, asked.command, asked.payload, &id.to_string(), now).await?;
        self.commit(tx).await?;
        Ok(order)
    }

    /// Reads an order, lets `facts` say what happened, and writes it. Nothing is written for an empty answer.
    pub(crate) async fn record(
        &self,
        id: OrderId,
        facts: impl FnOnce(&Order, UtcMicros) -> Result<Vec<Fact>, Fault> + Send,
    ) -> Result<Order, Fault> {
        self.record_asked(id, None, facts).await
    }

    /// The same for a command with a request id: a repeat writes nothing and returns the order.
    pub(crate) async fn record_asked(
        &self,
        id: OrderId,
        asked: Option<&Asked<'_>>,
        facts: impl FnOnce(&Order, UtcMicros) -> Result<Vec<Fact>, Fault> + Send,
    ) -> Result<Order, Fault> {
        let _writing = self.writing.lock().await;
        let mut tx = self.db.begin().await?;
        if let Some(asked) = asked
            && earlier(&mut tx, asked).await?.is_some()
        {
            drop(tx);
            return self.get(id).await;
        }
        let (before, now) = (self.get(id).await?, self.now());
        let facts = facts(&before, now)?;
        if facts.is_empty() {
            return Ok(before);
        }
        let order = facts.iter().try_fold(before.clone(), |order, fact| order.apply(now, fact)).map_err(wrong_state)?;
        self.write(&mut tx, before.version, &order, now, &facts).await?;
        if let Some(asked) = asked {
            requests::remember(&mut tx, asked.id, asked.command, asked.payload, &id.to_string(), now).await?;
        }
        self.commit(tx).await?;
        Ok(order)
    }

    async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        killed::point();
        self.db.commit(tx).await?;
        killed::point();
        Ok(())
    }

    async fn write(
        &self,
        tx: &mut Tx,
        after: u64,
        order: &Order,
        now: UtcMicros,
        facts: &[Fact],
    ) -> Result<(), StoreError> {
        self.lease.check(tx).await?;
        let stored = orders::version(tx, order.id).await?.unwrap_or(0);
        if u64::try_from(stored) != Ok(after) {
            return Err(StoreError::Stale);
        }
        journal::append(tx, order.id, after, now, facts, self.lease.fence()).await?;
        orders::put(tx, order).await?;
        changes::append(tx, Entity::Order, &order.id.to_string(), now).await?;
        // The plan's card shows its order's state.
        changes::append(tx, Entity::Plan, &order.plan.to_string(), now).await
    }
}

async fn earlier(tx: &mut Tx, asked: &Asked<'_>) -> Result<Option<OrderId>, Fault> {
    match requests::earlier(tx, asked.id, asked.command, asked.payload).await? {
        requests::Earlier::None => Ok(None),
        requests::Earlier::Made(id) => {
            id.parse().map(Some).map_err(|_| Fault::new(FaultCode::Internal, "a request made something else"))
        }
        requests::Earlier::Other => Err(Fault::new(FaultCode::MalformedInput, "request id used for something else")
            .with("path", "request_id")
            .with("problem", "duplicate_key")),
    }
}

fn wrong_state(error: Illegal) -> Fault {
    Fault::new(FaultCode::WrongState, error.to_string())
}
