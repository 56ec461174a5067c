//! Asks channels and suppliers beside what an order waits for: what had ended can have changed since.
//!
//! A question that a notification led to is stored until it is answered, so that neither the end of this program nor a channel
//! that is silent for long loses it; one a person's return or look led to is not. About one thing there is one question at a
//! time, and a hint that comes meanwhile has it asked once more. Deliberately not here: questions an order itself wants (the
//! runner's).

use super::{book::Book, runner::Handle, steps::Steps};
use crate::store::questions::{self, About, Question};
use futures::FutureExt;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{
    booking::Read,
    fault::{Fault, FaultCode},
    id::OrderId,
    order::{Fact, ItemState, Order, OrderItem},
    port::{Outcome, ReasonCode},
};

/// How long whoever did not answer is left alone, the first time and at most.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(15);
/// How often something is asked that nothing stored wants to know, or that whoever is asked does not know.
const TRIES_MAX: u32 = 6;

/// Asks, once at a time about each thing.
pub struct Questions {
    pub(super) book: Arc<Book>,
    pub(super) steps: Arc<dyn Steps>,
    pub(super) runner: Handle,
    pub(super) stop: CancellationToken,
    pub(super) tracker: TaskTracker,
    /// What is being asked, and how to say that it shall be asked again at once.
    pub(super) open: Mutex<BTreeMap<Question, Arc<Notify>>>,
}

/// How a question went.
enum Went {
    /// Answered, and the answer is written down.
    Answered,
    /// Whoever was asked knows no such thing.
    NotThere,
    /// Nobody knows yet.
    Silent,
}

impl Questions {
    /// Asks what an earlier program did not get an answer to.
    pub(super) async fn resume(self: &Arc<Self>) -> Result<(), Fault> {
        for question in questions::all(self.book.db().reader()).await? {
            self.ask(question);
        }
        Ok(())
    }

    /// Asks at once, however recently it was asked and whether or not the order still wants to know.
    pub(crate) fn ask(self: &Arc<Self>, question: Question) {
        let mut open = self.open();
        if let Some(again) = open.get(&question) {
            again.notify_one();
            return;
        }
        let again = Arc::new(Notify::new());
        open.insert(question.clone(), Arc::clone(&again));
        drop(open);
        self.tracker.spawn(Arc::clone(self).pursue(question, again));
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Question, Arc<Notify>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pursue(self: Arc<Self>, question: Question, again: Arc<Notify>) {
        let (mut tries, mut pause) = (0, PAUSE);
        loop {
            match self.asked(&question, tries).await {
                Ok(true) => {
                    let mut open = self.open();
                    // Whoever hints from now on begins anew.
                    if again.notified().now_or_never().is_none() {
                        open.remove(&question);
                        return;
                    }
                    drop(open);
                    (tries, pause) = (0, PAUSE);
                    continue;
                }
                Ok(false) => {}
                Err(fault) => tracing::error!(order = %question.order, %fault, "a question could not be kept"),
            }
            tries += 1;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = again.notified() => {}
                () = tokio::time::sleep(pause) => pause = PAUSE_MAX.min(pause * 2),
            }
        }
    }

    /// Asks once; whether nothing has to be asked any more.
    async fn asked(&self, question: &Question, tries: u32) -> Result<bool, Fault> {
        let db = self.book.db();
        let hints = questions::hints(db.reader(), question).await?;
        let went = match AssertUnwindSafe(self.ask_once(question)).catch_unwind().await {
            // What is stored waits for a program that can read the order.
            Ok(Err(fault)) if fault.code.is_frozen() => return Ok(true),
            Ok(went) => went?,
            Err(_) => Went::Silent,
        };
        match went {
            Went::Answered => {}
            Went::Silent if hints > 0 || tries < TRIES_MAX => return Ok(false),
            Went::NotThere if tries < TRIES_MAX => return Ok(false),
            Went::Silent | Went::NotThere => {
                tracing::error!(order = %question.order, about = ?question.about, "who had news does not tell them");
            }
        }
        if hints > 0 {
            let mut tx = db.begin().await?;
            questions::settle(&mut tx, question, hints).await?;
            db.commit(tx).await?;
        }
        Ok(questions::hints(db.reader(), question).await? == 0)
    }

    async fn ask_once(&self, question: &Question) -> Result<Went, Fault> {
        let order = self.book.get(question.order).await?;
        let said = match &question.about {
            About::Payment(attempt) => self.steps.ask_channel(&order, &Read::QueryPayment { attempt: *attempt }).await,
            About::Refund(refund) => self.steps.ask_channel(&order, &Read::QueryRefund { refund: *refund }).await,
            About::Booking(booking) => self.reread(&order, booking).await,
        };
        match said {
            Outcome::Done(news) => {
                self.report(question.order, news.as_slice()).await?;
                Ok(Went::Answered)
            }
            Outcome::Declined(reason) => {
                tracing::warn!(order = %order.id, about = ?question.about, ?reason, "a question was refused");
                // Whoever refuses us, e.g. our key, has not said that there is nothing to tell.
                Ok(if reason.code == ReasonCode::NotFound { Went::NotThere } else { Went::Silent })
            }
            Outcome::NotSent(reason) | Outcome::Unknown(reason) => {
                tracing::warn!(order = %order.id, about = ?question.about, ?reason, "a question was not answered");
                Ok(Went::Silent)
            }
        }
    }

    /// What the supplier says of a booking; of one that is none any more nobody has to know.
    async fn reread(&self, order: &Order, booking: &String) -> Outcome<Option<Fact>> {
        let booked = |item: &&OrderItem| {
            item.supplier_order.as_ref() == Some(booking) && ItemState::BOOKED.contains(&item.state)
        };
        match order.items.iter().find(booked) {
            Some(item) => self.steps.reread(order, item.wanted.id).await,
            None => Outcome::Done(None),
        }
    }

    /// Writes facts that nothing the order waits for brought; what no longer fits is let go. What concerns a frozen order is
    /// nobody's to let go: whoever has it keeps it.
    pub(super) async fn report(&self, order: OrderId, facts: &[Fact]) -> Result<(), Fault> {
        if facts.is_empty() {
            return Ok(());
        }
        match self.book.record(order, |_, _| Ok(facts.to_vec())).await {
            Ok(_) => self.runner.look(order),
            Err(fault) if fault.code == FaultCode::WrongState => {
                tracing::warn!(%order, %fault, "news no longer fit");
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}
