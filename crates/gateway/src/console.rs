//! What the merchant's console may do with kept notifications: list them, say what one is about, take an orphan in again.
//!
//! Nothing here shows a body: it can name a payer. Deliberately not here: what taking in means, which is the inbox's.

use crate::{
    Clock,
    config::Config,
    http::Http,
    inbox::{Inbox, Replayed},
    pay::{Channels, DisputeSeen, NoticeContent, PaymentSeen, RefundSeen},
    start::{StartError, channels},
    store::{
        Store, StoreError,
        inbox::{self, Disposition, Listed},
    },
};
use serde::Serialize;
use std::{path::Path, sync::Arc};
use zhiyou_domain::{money::Money, time::UtcMicros};

/// Most notifications that are listed.
const LISTED_MAX: i64 = 200;

/// Why the console could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// No gateway ever kept anything there.
    #[error("{0} holds no gateway's data")]
    NoData(String),
    /// The gateway's parts could not be put together.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database refused or failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// There is no such notification.
    #[error("there is no such notification")]
    NotFound,
    /// Only an orphan can be taken in again.
    #[error("only an orphan is taken in again; this one is: {0}")]
    NoOrphan(&'static str),
    /// Its content is not kept, or the keys of the configuration do not prove it.
    #[error("it cannot be proved with this configuration, or its content is not kept")]
    NotProved,
}

/// A kept notification, without personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Who sent it.
    pub provider: String,
    /// The provider's event id.
    pub event_id: String,
    /// When it arrived, RFC 3339.
    pub received_at: String,
    /// What became of it: `applied`, `orphan`, `ignored`, `foreign` or `conflict`.
    pub disposition: &'static str,
    /// SHA-256 of what it says, hex.
    pub digest: String,
    /// Size of what is kept of it, bytes.
    pub bytes: usize,
    /// What it is about, where the configuration has the keys to open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// The kept notifications of one data folder.
pub struct Console {
    inbox: Inbox,
}

impl Console {
    /// Opens the notifications of a configured gateway, which may be running.
    ///
    /// # Errors
    /// [`ConsoleError::NoData`], [`ConsoleError::Start`] or [`ConsoleError::Store`].
    pub async fn of_config(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ConsoleError> {
        let http = Http::with_timeout(config.profile, config.http.timeout).map_err(StartError::from)?;
        let channels = channels(config, &http, &clock, None).map_err(StartError::from)?;
        Self::open(&config.data_dir, channels, config.profile, clock).await
    }

    /// Opens the notifications of a data folder without any keys: to look at, not to take in again.
    ///
    /// # Errors
    /// [`ConsoleError::NoData`] or [`ConsoleError::Store`].
    pub async fn of_folder(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, ConsoleError> {
        Self::open(data_dir, Channels::default(), crate::Profile::Sandbox, clock).await
    }

    async fn open(
        data_dir: &Path,
        channels: Channels,
        profile: crate::Profile,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConsoleError> {
        if !data_dir.join("gateway.db").is_file() {
            return Err(ConsoleError::NoData(data_dir.display().to_string()));
        }
        Ok(Self { inbox: Inbox::new(Store::open(data_dir).await?, channels, clock, profile) })
    }

    /// The newest 200, orphans first.
    ///
    /// # Errors
    /// [`ConsoleError::Store`].
    pub async fn list(&self) -> Result<Vec<Notification>, ConsoleError> {
        let kept = inbox::newest(self.inbox.store.reader(), LISTED_MAX).await?;
        Ok(kept.iter().map(|kept| shown(kept, None)).collect())
    }

    /// One notification, with what it is about.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] or [`ConsoleError::Store`].
    pub async fn show(&self, provider: &str, event_id: &str) -> Result<Notification, ConsoleError> {
        let mut tx = self.inbox.store.begin().await?;
        let kept = inbox::get(&mut tx, provider, event_id).await?.ok_or(ConsoleError::NotFound)?;
        drop(tx);
        let about = self.inbox.opened(&kept).await.ok().map(|notice| about(&notice.content));
        Ok(shown(&kept, about))
    }

    /// Takes an orphan in again, exactly as if it had just arrived, once. Answers what became of it; it stays an orphan while
    /// its row is missing. A gateway that is running tells the engine with its next update.
    ///
    /// # Errors
    /// [`ConsoleError`]; nothing was changed.
    pub async fn replay(&self, provider: &str, event_id: &str) -> Result<&'static str, ConsoleError> {
        match self.inbox.replay(provider, event_id).await? {
            Replayed::Became(disposition) => Ok(disposition.word()),
            Replayed::NotFound => Err(ConsoleError::NotFound),
            Replayed::NoOrphan(disposition) => Err(ConsoleError::NoOrphan(disposition.word())),
            Replayed::NotProved => Err(ConsoleError::NotProved),
        }
    }

    /// Closes the database.
    pub async fn close(self) {
        self.inbox.store.close().await;
    }
}

fn shown(kept: &Listed, about: Option<String>) -> Notification {
    Notification {
        provider: kept.provider.clone(),
        event_id: kept.event_id.clone(),
        received_at: UtcMicros(kept.received_at_us).to_rfc3339(),
        disposition: Disposition::word(kept.disposition),
        digest: kept.digest.clone(),
        bytes: kept.body.len(),
        about,
    }
}

/// Numbers, states and amounts; never who paid.
fn about(content: &NoticeContent) -> String {
    let amount = |amount: Money| format!("{} {}", amount.to_decimal(), amount.currency());
    match content {
        NoticeContent::Payment(number, PaymentSeen { state, transaction_id, total, .. }) => format!(
            "payment {number}: {state:?}, {}, the channel's number {}",
            total.map_or_else(|| "no amount".to_owned(), amount),
            transaction_id.as_deref().unwrap_or("none")
        ),
        NoticeContent::Refund(number, RefundSeen { state, payment_number, amount: back, .. }) => {
            format!("refund {number} of payment {payment_number}: {state:?}, {}", amount(*back))
        }
        NoticeContent::Dispute(number, DisputeSeen { dispute_id, amount: about, state, .. }) => {
            let about = about.map_or_else(|| "all of it".to_owned(), amount);
            format!("dispute {dispute_id} of payment {number}: {state:?}, {about}")
        }
        NoticeContent::PaymentHint(number) => format!("something about payment {number}"),
        NoticeContent::RefundHint(number) => format!("something about refund {number}"),
        NoticeContent::FlightOrder(id) => format!("flight order {id}"),
        NoticeContent::HotelBooking(id) => format!("hotel booking {id}"),
        NoticeContent::Ignored(what) => format!("of no use: {what}"),
        NoticeContent::Foreign(problem) => format!("not ours: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::inbox::Kept;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> UtcMicros {
            UtcMicros(1_795_141_500_000_000)
        }
    }

    #[tokio::test]
    async fn orphans_are_listed_first_and_nothing_of_a_body_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Console::of_folder(folder.path(), Arc::new(Still)).await, Err(ConsoleError::NoData(_))));
        let store = Store::open(folder.path()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for (event_id, at, disposition) in [
            ("EV-1", 4, Disposition::Applied),
            ("EV-2", 1, Disposition::Orphan),
            ("EV-3", 3, Disposition::Foreign),
            ("EV-4", 2, Disposition::Orphan),
        ] {
            let kept = Kept {
                provider: "wechatpay",
                event_id: event_id.into(),
                received_at_us: at,
                disposition,
                digest: "d",
                headers: r#"{"wechatpay-signature":"c2lnbmF0dXJl"}"#,
                body: b"Amelia Earhart",
            };
            inbox::insert(&mut tx, &[kept]).await.unwrap();
        }
        store.commit(tx).await.unwrap();
        store.close().await;
        let console = Console::of_folder(folder.path(), Arc::new(Still)).await.unwrap();
        let listed = console.list().await.unwrap();
        let order: Vec<&str> = listed.iter().map(|kept| kept.event_id.as_str()).collect();
        assert_eq!(order, ["EV-4", "EV-2", "EV-3", "EV-1"]);
        let one = console.show("wechatpay", "EV-2").await.unwrap();
        assert_eq!((one.disposition, one.bytes, &one.about), ("orphan", 14, &None));
        let shown = serde_json::to_string(&(listed, one)).unwrap();
        assert!(!shown.contains("Amelia") && !shown.contains("c2lnbmF0dXJl"), "{shown}");
        assert!(matches!(console.show("wechatpay", "EV-9").await, Err(ConsoleError::NotFound)));
        assert!(matches!(console.replay("wechatpay", "EV-2").await, Err(ConsoleError::NotProved)), "without keys");
        assert!(matches!(console.replay("wechatpay", "EV-1").await, Err(ConsoleError::NoOrphan("applied"))));
        console.close().await;
    }
}
