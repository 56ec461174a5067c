//! The port through which steps and questions are carried out.
//!
//! The product's is [`Suppliers`]: MCP calls to the merchant side. Benchmarks put an instant one in its place.
//! Deliberately not here: when anything is done (the runner's), and what follows from it (the domain's).

use super::calls::{Heard, Ports, Travellers};
use async_trait::async_trait;
use std::sync::Arc;
use zhiyou_domain::{
    booking::Read,
    id::ItemId,
    order::{Fact, Order, StepEnd, StepKey},
    port::{
        Outcome,
        payments::{ListUpdates, Updates},
    },
    time::UtcMicros,
};

/// What the runner needs of the outside.
#[async_trait]
pub trait Steps: Send + Sync {
    /// Carries out a step whose intent is written.
    async fn act(&self, order: &Order, key: &StepKey) -> StepEnd;

    /// Asks; `None` when there is nothing to tell yet. `tries` counts the earlier times the same was asked.
    async fn ask(&self, order: &Order, read: &Read, tries: u32, now: UtcMicros) -> Option<Fact>;

    /// What a supplier says of a booked item, where that is not what we know.
    async fn reread(&self, order: &Order, item: ItemId) -> Outcome<Option<Fact>>;

    /// What a channel says of a payment or refund, where that is not what we know.
    async fn ask_channel(&self, order: &Order, read: &Read) -> Outcome<Option<Fact>>;

    /// What notifications brought since cursor `after`.
    async fn updates(&self, after: i64) -> Outcome<Updates>;
}

/// The suppliers and channels, by MCP.
pub(crate) struct Suppliers {
    pub(crate) ports: Arc<Ports>,
    pub(crate) travellers: Arc<Travellers>,
}

#[async_trait]
impl Steps for Suppliers {
    async fn act(&self, order: &Order, key: &StepKey) -> StepEnd {
        self.ports.act(&self.travellers, order, key).await
    }

    async fn ask(&self, order: &Order, read: &Read, tries: u32, now: UtcMicros) -> Option<Fact> {
        if let Read::LookUp { key } = read {
            let end = self.ports.look_up(order, key, tries, now).await?;
            return Some(Fact::StepEnded { key: key.clone(), end });
        }
        match self.ports.read(&self.travellers, order, read, now).await {
            Heard::Fact(fact) => Some(*fact),
            Heard::Later => None,
        }
    }

    async fn reread(&self, order: &Order, item: ItemId) -> Outcome<Option<Fact>> {
        self.ports.reread(order, item).await
    }

    async fn ask_channel(&self, order: &Order, read: &Read) -> Outcome<Option<Fact>> {
        self.ports.ask_channel(order, read).await
    }

    async fn updates(&self, after: i64) -> Outcome<Updates> {
        match self.ports.payments.read("listUpdates", &ListUpdates { after }).await {
            Ok(updates) => Outcome::Done(updates),
            Err(reason) => Outcome::NotSent(reason),
        }
    }
}
