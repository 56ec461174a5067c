//! Our book of payments and refunds against the channels' own bills, one day at a time.
//!
//! A day is the channel's: from midnight in Beijing for WeChat Pay and Alipay, from midnight UTC for Stripe and PayPal. What
//! was paid within minutes of midnight is looked for on the bills of both days. Nothing here changes a row: a difference is
//! for a person. Deliberately not here: how bills are fetched and read (`pay`).

mod book;
pub(crate) mod daily;
pub(crate) mod line;
mod matching;
mod report;

pub use crate::store::reconciled::KeptDay;
pub use line::{Day, DayError, What};
pub use matching::{Class, Difference, Totals};
pub use report::{Verdict, report, report_kept};

use crate::{
    Clock,
    config::Config,
    http::Http,
    pay::{Channels, PaymentChannel},
    start::{StartError, channels},
    store::{Store, StoreError, reconciled},
};
use line::{Bill, BillLine};
use matching::{Compared, compare};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use zhiyou_domain::{
    money::{Currency, MoneyError},
    port::{Outcome, ReasonCode, payments::Channel},
};

/// The most days that are shown of what the gateway found by itself.
const KEPT_MAX: i64 = 100;

/// Why a day could not be compared at all.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// No gateway ever kept anything there.
    #[error("{0} holds no gateway's data")]
    NoData(String),
    /// The gateway's parts could not be put together.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database refused or failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A sum left the range of amounts.
    #[error("sums: {0}")]
    Money(#[from] MoneyError),
    /// The channel is not configured.
    #[error("{0} is not configured")]
    NotConfigured(&'static str),
}

/// What became of a channel's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The bill was compared.
    Compared(Reconciled),
    /// The channel has no bill of the day: it is not over or not made up yet, or nothing was paid.
    NoBill,
    /// The bill could not be had, and why.
    NotHad(ReasonCode, String),
}

/// A compared day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// Every difference, oldest first.
    pub differences: Vec<Difference>,
    /// Sums per currency, minor units.
    pub totals: BTreeMap<Currency, Totals>,
    /// Rows that cannot be judged because a bill of a day beside is missing.
    pub undecided: usize,
}

/// Our book beside the configured channels.
pub struct Books {
    store: Store,
    channels: Channels,
}

impl Books {
    /// Opens the book of a configured gateway, which may be running.
    ///
    /// # Errors
    /// [`ReconcileError::NoData`], [`ReconcileError::Start`] or [`ReconcileError::Store`].
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ReconcileError> {
        if !config.data_dir.join("gateway.db").is_file() {
            return Err(ReconcileError::NoData(config.data_dir.display().to_string()));
        }
        let http = Http::with_timeout(config.profile, config.http.timeout).map_err(StartError::from)?;
        let channels =
            channels(config, &http.retrying(config.http.read_retries), &clock, None).map_err(StartError::from)?;
        Ok(Self { store: Store::open(&config.data_dir).await?, channels })
    }

    /// The book of this very gateway.
    pub(crate) const fn of(store: Store, channels: Channels) -> Self {
        Self { store, channels }
    }

    /// What the gateway found by itself, the newest day first; a hundred days at most, of all channels together.
    ///
    /// # Errors
    /// [`ReconcileError::Store`].
    pub async fn kept(&self) -> Result<Vec<KeptDay>, ReconcileError> {
        Ok(reconciled::kept(self.store.reader(), KEPT_MAX).await?)
    }

    /// The configured channels.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        self.channels.all().map(|(channel, _)| channel).collect()
    }

    /// Compares a day of a channel.
    ///
    /// # Errors
    /// [`ReconcileError::NotConfigured`], [`ReconcileError::Store`] or [`ReconcileError::Money`]; a bill that could not be had
    /// is an answer.
    pub async fn judge(&self, channel: Channel, day: Day) -> Result<Judged, ReconcileError> {
        let adapter = self.channels.of(channel).ok_or_else(|| ReconcileError::NotConfigured(channel.word()))?;
        let lines = match adapter.bill(day).await {
            Outcome::Done(Bill::Of(lines)) => lines,
            Outcome::Done(Bill::NotYet) => return Ok(Judged::NoBill),
            Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
                return Ok(Judged::NotHad(reason.code, reason.detail.into()));
            }
        };
        let mut bills = BTreeMap::from([(day, lines)]);
        let midnight = adapter.capabilities().midnight;
        let mut lacking = BTreeSet::new();
        loop {
            let book = book::around(&self.store, channel, day, midnight, &bills).await?;
            let found = compare(&book, day, midnight, &bills)?;
            let wanted: Vec<Day> = found.wanted.difference(&lacking).copied().collect();
            if wanted.is_empty() {
                let Compared { differences, totals, undecided, wanted: _ } = found;
                return Ok(Judged::Compared(Reconciled { differences, totals, undecided }));
            }
            for other in wanted {
                match beside(adapter, other).await {
                    Some(lines) => {
                        bills.insert(other, lines);
                    }
                    None => {
                        lacking.insert(other);
                    }
                }
            }
        }
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// The bill of a day beside, if it can be had.
async fn beside(adapter: &dyn PaymentChannel, day: Day) -> Option<Vec<BillLine>> {
    match adapter.bill(day).await {
        Outcome::Done(Bill::Of(lines)) => Some(lines),
        Outcome::Done(Bill::NotYet) => None,
        Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
            tracing::warn!(%day, code = ?reason.code, detail = %reason.detail, "the bill of a day beside cannot be had");
            None
        }
    }
}
