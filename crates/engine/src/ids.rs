//! New ids: ULIDs from the clock and the system's randomness.

use crate::ports::Clock;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;
use ulid::Ulid;
use zhiyou_domain::{
    id::{ItemId, PlanId, TravellerId},
    plan::import::NewIds,
};

/// Makes new ids.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
}

impl Ids {
    /// Ids whose time part comes from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// A fresh ULID.
    pub fn ulid(&self) -> Ulid {
        let mut bytes = [0_u8; 16];
        // The generator only fails when the system has no randomness at all; the time part still keeps ids apart then.
        if SystemRandom::new().fill(&mut bytes).is_err() {
            tracing::error!("the system has no randomness");
        }
        let ms = u64::try_from(self.clock.now().0 / 1_000).unwrap_or(0);
        Ulid::from_parts(ms, u128::from_be_bytes(bytes))
    }
}

impl NewIds for Ids {
    fn plan(&mut self) -> PlanId {
        PlanId::from_ulid(self.ulid())
    }
    fn item(&mut self) -> ItemId {
        ItemId::from_ulid(self.ulid())
    }
    fn traveller(&mut self) -> TravellerId {
        TravellerId::from_ulid(self.ulid())
    }
}
