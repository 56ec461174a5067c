//! What a link to the app can be, and which returns are waited for: read from the store before anything runs, so that the
//! true return is known from the first link of a flood on.
//!
//! It says whose link has a place and who goes first, and nothing more; what a link may do is decided when it is taken.
//! Deliberately not here: taking a link, and opening the vault.

use crate::{
    api::handlers::payments::returned,
    auth,
    engine::screen_of,
    store::{Db, StoreError, orders, pending_sign_ins},
};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};
use zhiyou_domain::{fault::Fault, id::AttemptId};

/// Whether a link has the shape of one of ours: a return from a sign-in or from a payment, or a screen to show.
#[must_use]
pub fn is_ours(link: &str) -> bool {
    returned(link).is_some() || screen_of(link).is_some() || auth::visit_of(link).is_some()
}

/// Why a link was dropped before anybody read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// It was longer than any link of ours.
    Oversized,
    /// It had not the shape of a link of ours.
    Malformed,
    /// Too many waited already.
    Flood,
}

impl Dropped {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Flood => "flood",
        }
    }
}

/// Returns that were waited for when the app was closed.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Name of the visit, by platform.
    visits: HashMap<String, String>,
    payments: HashSet<AttemptId>,
}

impl Awaited {
    /// Reads them from the database in `data_dir`, which need not be in use by anybody; none where there is no database.
    /// Nothing is written, and the vault stays as it is.
    ///
    /// # Errors
    /// A [`Fault`] when the database cannot be read, or is of an older version than this program's.
    pub async fn read(data_dir: &Path) -> Result<Self, Fault> {
        let Some(pool) = Db::peek(data_dir).await? else { return Ok(Self::default()) };
        let read = async {
            let visits = pending_sign_ins::unused(&pool).await?.into_iter().collect();
            let payments = orders::open_attempts(&pool).await?.into_iter().collect();
            Ok::<_, StoreError>(Self { visits, payments })
        };
        let read = read.await;
        pool.close().await;
        Ok(read?)
    }

    /// Whether the link may be one of them.
    #[must_use]
    pub fn awaits(&self, link: &str) -> bool {
        if let Some(attempt) = returned(link) {
            return self.payments.contains(&attempt);
        }
        auth::visit_of(link).is_some_and(|(platform, name)| self.visits.get(platform) == Some(&name))
    }
}
