//! Writing facts about orders: read, decide, append; when somebody else wrote meanwhile, read and decide again.
//!
//! Deliberately not here: which facts to write, and how they are stored.

use crate::{
    ids::Ids,
    ports::Clock,
    store::{
        Db,
        changes::{self, Entity},
        consents::Consent,
        group::SqlJournal,
        requests,
    },
};
use std::sync::Arc;
use zhiyou_domain::{
    driver::{Append, Appended, Due, Fence, Journal, Kept, Refused, Signal},
    fault::{Fault, FaultCode},
    id::OrderId,
    order::{Fact, Illegal, NewOrder, Order, journal::Unusable},
    time::UtcMicros,
};

/// How often a decision is made anew because somebody else wrote meanwhile, before it is called a defect.
const STALE_MAX: u32 = 100;

/// Reads orders and writes facts about them.
pub struct Book {
    db: Db,
    journal: SqlJournal,
    fence: Fence,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl Book {
    /// Takes the right to write.
    ///
    /// # Errors
    /// `DatabaseInUse` when another program has it; `DiskFull`, `Internal`.
    pub async fn open(db: Db, mut journal: SqlJournal, clock: Arc<dyn Clock>, ids: Ids) -> Result<Self, Fault> {
        let fence = journal.claim(clock.now()).await.map_err(fault)?;
        Ok(Self { db, journal, fence, clock, ids })
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

    /// Tells the interface to look at an order again although no fact was written.
    pub(super) async fn touch(&self, id: OrderId) -> Result<(), Fault> {
        let mut tx = self.db.begin().await?;
        changes::append(&mut tx, Entity::Order, &id.to_string(), self.now()).await?;
        Ok(self.db.commit(tx).await?)
    }

    /// Why an order is frozen, if it is.
    pub(crate) fn frozen(&self, id: OrderId) -> Option<FaultCode> {
        self.journal.frozen(id).map(|why| code_of(&why))
    }

    /// The orders whose time has come, and the next time after it.
    pub(super) async fn due(&self, now: UtcMicros) -> Result<Due, Refused> {
        self.journal.clone().due(now).await
    }

    /// Reads an order with the end of its journal.
    pub(super) async fn load(&self, id: OrderId) -> Result<Option<Kept>, Refused> {
        self.journal.clone().load(id).await
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended, Refused> {
        self.journal.clone().append(self.fence, append).await
    }

    async fn kept(&self, id: OrderId) -> Result<Kept, Fault> {
        let kept = self.load(id).await.map_err(fault)?;
        kept.ok_or_else(|| Fault::new(FaultCode::NotFound, format!("no order {id}")))
    }

    /// Reads an order.
    ///
    /// # Errors
    /// `NotFound`; `HistoryDamaged` or `NewerVersion` for one that is frozen.
    pub async fn get(&self, id: OrderId) -> Result<Arc<Order>, Fault> {
        Ok(self.kept(id).await?.order)
    }

    /// Makes an order, once per request.
    ///
    /// # Errors
    /// `MalformedInput` when the request's id was used for something else; store faults. Nothing was written.
    pub async fn create(&self, new: NewOrder, first: &[Fact], signal: Option<Signal>) -> Result<Arc<Order>, Fault> {
        if let Some(id) = self.earlier(signal.as_ref()).await? {
            return self.get(id).await;
        }
        let created = Fact::Created { order: Box::new(new) };
        let facts = std::iter::once(created).chain(first.iter().cloned()).collect();
        let append = Append::create(self.now(), facts, signal).map_err(wrong_state)?;
        match self.append(append).await.map_err(fault)? {
            Appended::Written(kept) => Ok(kept.order),
            Appended::Repeated(id) => self.get(id).await,
        }
    }

    /// Reads an order, lets `facts` say what happened, and writes it. Nothing is written for an empty answer.
    ///
    /// # Errors
    /// What `facts` says; `WrongState` when a fact does not fit; store faults. Nothing was written.
    pub async fn record(
        &self,
        id: OrderId,
        facts: impl Fn(&Order, UtcMicros) -> Result<Vec<Fact>, Fault> + Send,
    ) -> Result<Arc<Order>, Fault> {
        self.record_asked(id, None, facts).await
    }

    /// The same for a command with a request id: a repeat writes nothing and returns the order.
    ///
    /// # Errors
    /// As [`Book::record`], and as [`Book::create`].
    pub async fn record_asked(
        &self,
        id: OrderId,
        signal: Option<Signal>,
        facts: impl Fn(&Order, UtcMicros) -> Result<Vec<Fact>, Fault> + Send,
    ) -> Result<Arc<Order>, Fault> {
        self.record_agreed(id, signal, move |order, now| Ok((facts(order, now)?, None))).await
    }

    /// The same for what a person agreed to: the signed consent is kept in the transaction of the facts.
    ///
    /// # Errors
    /// As [`Book::record_asked`].
    pub(crate) async fn record_agreed(
        &self,
        id: OrderId,
        signal: Option<Signal>,
        facts: impl Fn(&Order, UtcMicros) -> Result<(Vec<Fact>, Option<Consent>), Fault> + Send,
    ) -> Result<Arc<Order>, Fault> {
        if let Some(id) = self.earlier(signal.as_ref()).await? {
            return self.get(id).await;
        }
        for _ in 0..STALE_MAX {
            let (before, now) = (self.kept(id).await?, self.now());
            let (facts, consent) = facts(&before.order, now)?;
            if facts.is_empty() {
                return Ok(before.order);
            }
            let append = Append::facts(&before, now, facts, signal.clone()).map_err(wrong_state)?;
            match self.journal.write(self.fence, append, consent).await {
                Ok(Appended::Written(kept)) => return Ok(kept.order),
                Ok(Appended::Repeated(id)) => return self.get(id).await,
                Err(Refused::Stale) => {}
                Err(refused) => return Err(fault(refused)),
            }
        }
        Err(Fault::new(FaultCode::Internal, "an order is written to all the time"))
    }

    /// What an earlier request with the same id made; a repeat must not be judged by the state it itself brought about.
    async fn earlier(&self, signal: Option<&Signal>) -> Result<Option<OrderId>, Fault> {
        let Some(signal) = signal else { return Ok(None) };
        match requests::earlier(self.db.reader(), signal.id, &signal.command, &signal.payload).await? {
            requests::Earlier::None => Ok(None),
            requests::Earlier::Made(id) => {
                id.parse().map(Some).map_err(|_| Fault::new(FaultCode::Internal, "a request made something else"))
            }
            requests::Earlier::Other => Err(fault(Refused::OtherRequest)),
        }
    }
}

fn wrong_state(error: Illegal) -> Fault {
    Fault::new(FaultCode::WrongState, error.to_string())
}

const fn code_of(why: &Unusable) -> FaultCode {
    match why {
        Unusable::Damaged { .. } => FaultCode::HistoryDamaged,
        Unusable::Newer { .. } => FaultCode::NewerVersion,
    }
}

pub(super) fn fault(refused: Refused) -> Fault {
    let code = match &refused {
        Refused::InUse | Refused::Fenced => FaultCode::DatabaseInUse,
        Refused::Stale => FaultCode::WrongState,
        Refused::OtherRequest => {
            return Fault::new(FaultCode::MalformedInput, refused.to_string())
                .with("path", "request_id")
                .with("problem", "duplicate_key");
        }
        Refused::Unusable(why) => code_of(why),
        Refused::NotStored { full: true, .. } => FaultCode::DiskFull,
        Refused::NotStored { full: false, .. } => FaultCode::Internal,
    };
    Fault::new(code, refused.to_string())
}
