//! The port behind which journals are kept: claim, load, append, due.
//!
//! An order is a pure function of its journal; whoever keeps journals implements [`Journal`] and decides nothing. The
//! desktop keeps them in SQLite, the simulator in memory; both are held to the same conformance test. Deliberately not
//! here: what is written (see [`crate::booking`]), and a store.

use crate::{
    id::{OrderId, RequestId},
    order::{
        Fact, Illegal, Order,
        journal::{self, Row, Unusable},
    },
    time::UtcMicros,
};
use std::{future::Future, sync::Arc};

/// The right to write, as a number: whoever claims later has a higher one, and only the highest may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// An order as its journal tells it, and the end of the chain that the next row continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The order.
    pub order: Arc<Order>,
    /// Hash of the newest row; empty before the first.
    pub hash: Vec<u8>,
}

/// The name of a request from outside: the same request twice writes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// De-duplication id.
    pub id: RequestId,
    /// What was asked for.
    pub command: String,
    /// Its content; only compared.
    pub payload: String,
}

/// Facts that are written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The order before them; `None` for a new one.
    pub before: Option<Arc<Order>>,
    /// The order after them.
    pub order: Arc<Order>,
    /// Number of facts before them.
    pub after: u64,
    /// When.
    pub at: UtcMicros,
    /// The facts.
    pub facts: Vec<Fact>,
    /// The request that wants them.
    pub signal: Option<Signal>,
    /// Whether the order comes to rest with them: a good moment for whatever a driver keeps beside the journal.
    pub rests: bool,
    last: Vec<u8>,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is written; this is the order now.
    Written(Kept),
    /// The same request was carried out before, on this order. Nothing was written.
    Repeated(OrderId),
}

/// What time has come for, and when to look again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Orders with a deadline at or before the time asked for, by time, each once.
    pub orders: Vec<OrderId>,
    /// The first deadline after that time; none when nothing is waited for.
    pub next: Option<UtcMicros>,
}

/// Why a journal did nothing. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another program holds the right to write.
    #[error("another program has these journals in use")]
    InUse,
    /// The right to write was taken over by a newer writer.
    #[error("a newer writer has taken over")]
    Fenced,
    /// Somebody wrote after the order was read: read it again.
    #[error("the order changed meanwhile")]
    Stale,
    /// The request's id was used for something else.
    #[error("the request's id was used for something else")]
    OtherRequest,
    /// The journal does not verify, or a newer version wrote it: this order is frozen.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The store failed; what was to be written is still true.
    #[error("the store failed: {why}")]
    NotStored {
        /// Whether for want of space.
        full: bool,
        /// For the log.
        why: String,
    },
}

/// Where journals are kept. A handle may be one of several on the same store.
pub trait Journal {
    /// Takes the right to write from whoever had it.
    ///
    /// # Errors
    /// [`Refused::InUse`] while another living program holds it; [`Refused::NotStored`].
    fn claim(&mut self, now: UtcMicros) -> impl Future<Output = Result<Fence, Refused>> + Send;

    /// Reads an order, verifying its chain; `None` when there is none.
    ///
    /// # Errors
    /// [`Refused::Unusable`], [`Refused::NotStored`].
    fn load(&mut self, order: OrderId) -> impl Future<Output = Result<Option<Kept>, Refused>> + Send;

    /// Writes facts durably: after this returns they survive the power being cut.
    ///
    /// # Errors
    /// [`Refused`]; nothing was written.
    fn append(&mut self, fence: Fence, append: Append) -> impl Future<Output = Result<Appended, Refused>> + Send;

    /// The orders whose time has come at `now`, and the next time after it.
    ///
    /// # Errors
    /// [`Refused::NotStored`].
    fn due(&mut self, now: UtcMicros) -> impl Future<Output = Result<Due, Refused>> + Send;
}

impl Append {
    /// The first facts of an order.
    ///
    /// # Errors
    /// [`Illegal`] when they do not begin with its creation, or do not follow from each other.
    pub fn create(at: UtcMicros, facts: Vec<Fact>, signal: Option<Signal>) -> Result<Self, Illegal> {
        let Some((created, rest)) = facts.split_first() else {
            return Err(Illegal("an order begins with its creation".to_owned()));
        };
        let mut order = Order::create(at, created)?;
        rest.iter().try_for_each(|fact| order.advance_by(at, fact))?;
        Ok(Self { before: None, order: Arc::new(order), after: 0, at, facts, signal, rests: false, last: Vec::new() })
    }

    /// Further facts of an order.
    ///
    /// # Errors
    /// [`Illegal`] when one does not fit.
    pub fn facts(before: &Kept, at: UtcMicros, facts: Vec<Fact>, signal: Option<Signal>) -> Result<Self, Illegal> {
        let mut order = (*before.order).clone();
        facts.iter().try_for_each(|fact| order.advance_by(at, fact))?;
        Ok(Self { signal, ..Self::decided(before, at, facts, order, false) })
    }

    /// Facts whose outcome is known already, from [`crate::booking::advance`]. `rests` says that nothing is under way
    /// after them.
    #[must_use]
    pub fn decided(before: &Kept, at: UtcMicros, facts: Vec<Fact>, order: Order, rests: bool) -> Self {
        let (after, last) = (before.order.version, before.hash.clone());
        let (before, order) = (Some(Arc::clone(&before.order)), Arc::new(order));
        Self { before, order, after, at, facts, signal: None, rests, last }
    }

    /// The rows that continue the chain the order was read with.
    ///
    /// # Errors
    /// [`Unusable::Damaged`] when a fact cannot be written down.
    pub fn rows(&self) -> Result<Vec<Row>, Unusable> {
        journal::rows(self.order.id, self.after, &self.last, self.at, &self.facts)
    }
}
