//! The security audit log: who did what to which thing, from where, and what came of it; one chain of hashes over all of it.
//!
//! It stands beside the order journals and is about the person's doings, not about an order's facts. An entry is written
//! in the transaction of what it tells of. It names things by their ids alone: nothing personal and no secret can be put
//! into one, and it outlives the erasing of a person. A row that does not verify is reported and stops nothing. A risk
//! score comes later than its row, and changes nothing of it (see [`risk`]). Deliberately not here: the SQL (see
//! [`crate::store::audit`]), and reckoning a risk score.

pub(crate) mod drops;
pub(crate) mod risk;

use crate::store::{
    Db, StoreError, Tx,
    audit::{self, Row},
};
use aws_lc_rs::digest::{Context, SHA256};
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::{OrderId, TravellerId},
    order::{Fact, Op},
    time::UtcMicros,
};

#[cfg(test)]
mod tests;

/// Version of the encoding this program writes. In format 1 the hash covered a risk score, so that none could follow.
const FORMAT: i64 = 2;
/// Whose doing: there is one person per profile.
const WHO: &str = "local";
/// Rows read at once while the chain is verified.
const BATCH: i64 = 1_000;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $category:literal . $word:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// Every action, for tables and tests.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// `sign_in`, `token`, `vault`, `configuration`, `payment`, `agent` or `profile`.
            pub(crate) const fn category(self) -> &'static str {
                match self { $(Self::$name => $category,)* }
            }

            /// Category and verb, e.g. `payment.confirm`.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => concat!($category, ".", $word),)* }
            }
        }
    };
}

actions! {
    /// A sign-in was begun.
    SignInStart = "sign_in"."start";
    /// The browser came back, and the sign-in stands or failed.
    SignInFinish = "sign_in"."finish";
    /// A return from a sign-in was not believed; one row for many of a kind.
    SignInDrop = "sign_in"."drop";
    /// Waiting for the browser was given up.
    SignInCancel = "sign_in"."cancel";
    /// The platform's tokens were forgotten on the person's wish.
    SignInDisconnect = "sign_in"."disconnect";
    /// A platform's tokens were replaced by new ones.
    TokenRefresh = "token"."refresh";
    /// A platform no longer accepts its tokens.
    TokenExpire = "token"."expire";
    /// A passphrase was chosen or entered.
    VaultUnlock = "vault"."unlock";
    /// The vault was locked, by the person or because nobody used the window.
    VaultLock = "vault"."lock";
    /// The keyring was tried again, or a vault that was locked was opened again.
    VaultRetry = "vault"."retry_keyring";
    /// The root key was replaced; what was begun is finished, whatever comes.
    RootKeyRotate = "vault"."rotate_root_key";
    /// A passphrase was set that is needed besides the keyring, or changed; what was begun is finished, whatever comes.
    AppLockSet = "vault"."set_app_lock";
    /// The keyring alone opens the vault again.
    AppLockRemove = "vault"."remove_app_lock";
    /// Settings were saved.
    SettingsSave = "configuration"."save";
    /// The key that signs what is agreed to was made.
    ConsentKeyMake = "configuration"."make_consent_key";
    /// The key that signs what is agreed to was replaced.
    ConsentKeyRotate = "configuration"."rotate_consent_key";
    /// The audit log was written to a file.
    AuditExport = "configuration"."export_audit";
    /// A cart was confirmed.
    PaymentConfirm = "payment"."confirm";
    /// A further payment was opened.
    PaymentRetry = "payment"."retry";
    /// An order was ended before anything was booked.
    OrderCancel = "payment"."cancel";
    /// A cancellation was accepted at its quoted cost.
    CancellationAccept = "payment"."accept_cancellation";
    /// A cancellation was accepted while the vault was closed, so that nothing is signed.
    ConsentUnsigned = "payment"."unsigned_consent";
    /// A supplier's change was kept.
    ChangeKeep = "payment"."keep_change";
    /// A matter was said to be settled.
    DebtSettle = "payment"."settle_debt";
    /// Money was sent back.
    RefundStart = "payment"."refund";
    /// A return from a payment that is none of ours was dropped; one row for many.
    ReturnDrop = "payment"."drop_return";
    /// A link was dropped before anybody read it; one row for many of a kind.
    LinkDrop = "agent"."drop_link";
    /// A program on this machine sent a command.
    AgentCommand = "agent"."command";
    /// A traveller was saved.
    TravellerSave = "profile"."save_traveller";
    /// A traveller was removed.
    TravellerRemove = "profile"."remove_traveller";
    /// Personal data was written to a file, masked.
    DataExport = "profile"."export";
    /// Personal data was written to a file, whole.
    DataExportWhole = "profile"."export_whole";
    /// Personal data was erased.
    DataErase = "profile"."erase";
}

/// What it was done to. Ids alone: there is no variant that takes any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// Nothing in particular.
    None,
    /// An order.
    Order(OrderId),
    /// A traveller.
    Traveller(TravellerId),
    /// A platform this program knows, by the program's own name for it.
    Platform(&'a str),
    /// A command of the API.
    Command(&'static str),
    /// A key, by its public name.
    Key(&'a str),
}

impl Resource<'_> {
    fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Order(id) => format!("order:{id}"),
            Self::Traveller(id) => format!("traveller:{id}"),
            Self::Platform(id) => format!("platform:{id}"),
            Self::Command(name) => format!("command:{name}"),
            Self::Key(id) => format!("key:{id}"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was done.
    Done,
    /// We refused it.
    Refused(FaultCode),
    /// Somebody else said no, in our word for it.
    Failed(&'static str),
}

impl Came {
    fn text(self) -> String {
        match self {
            Self::Done => "done".to_owned(),
            Self::Refused(code) => {
                let word = serde_json::to_value(code).ok();
                format!("refused:{}", word.as_ref().and_then(|word| word.as_str()).unwrap_or_default())
            }
            Self::Failed(why) => format!("failed:{why}"),
        }
    }
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Origin {
    /// Nobody asked: the core goes on by itself, or a link or the browser came back.
    #[default]
    Core,
    /// A person in the window.
    Window,
    /// A program on this machine, over the socket.
    Tool,
}

tokio::task_local! {
    static ORIGIN: Origin;
}

impl Origin {
    /// Who asked for what is going on.
    pub(crate) fn now() -> Self {
        ORIGIN.try_with(|origin| *origin).unwrap_or_default()
    }

    /// Does some work in the name of whoever asked.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        ORIGIN.scope(self, work).await
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Core | Self::Window => "local",
            Self::Tool => "socket",
        }
    }

    const fn agent(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Window => "window",
            Self::Tool => "tool",
        }
    }
}

/// One entry to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) action: Action,
    pub(crate) resource: Resource<'a>,
    pub(crate) came: Came,
    pub(crate) origin: Origin,
}

impl<'a> Entry<'a> {
    /// Something that was done, by whoever asks now.
    pub(crate) fn done(action: Action, resource: Resource<'a>) -> Self {
        Self { action, resource, came: Came::Done, origin: Origin::now() }
    }
}

/// Writes entries in the transaction of what they tell of.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn append(tx: &mut Tx, entries: &[Entry<'_>], now: UtcMicros) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let (mut seq, mut last) = audit::reserve(tx, entries.len()).await?;
    for entry in entries {
        seq = seq.saturating_add(1);
        let mut row = Row {
            seq,
            at: now,
            who: WHO.to_owned(),
            category: entry.action.category().to_owned(),
            action: entry.action.word().to_owned(),
            resource: entry.resource.text(),
            result: entry.came.text(),
            address: entry.origin.address().to_owned(),
            agent: entry.origin.agent().to_owned(),
            risk: None,
            score: None,
            reasons: String::new(),
            format: FORMAT,
            hash: Vec::new(),
        };
        row.hash = chained(&last, &row);
        audit::insert(tx, &row).await?;
        last = row.hash;
    }
    Ok(())
}

/// Notes one thing that was done, in its transaction.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn note(
    tx: &mut Tx,
    action: Action,
    resource: Resource<'_>,
    now: UtcMicros,
) -> Result<(), StoreError> {
    append(tx, &[Entry::done(action, resource)], now).await
}

/// Notes something about a platform's sign-in, in its transaction; `failed` is our word for why it did not work.
///
/// # Errors
/// [`StoreError::Sql`].
pub(crate) async fn of_platform(
    tx: &mut Tx,
    action: Action,
    platform: &str,
    failed: Option<&'static str>,
    now: UtcMicros,
) -> Result<(), StoreError> {
    let entry = Entry::done(action, Resource::Platform(platform));
    append(tx, &[Entry { came: failed.map_or(Came::Done, Came::Failed), ..entry }], now).await
}

/// Notes something that has no transaction of its own. What is noted happened already, so that a store that fails is only
/// logged.
pub(crate) async fn note_alone(db: &Db, entry: Entry<'_>, now: UtcMicros) {
    let written = async {
        let mut tx = db.begin().await?;
        append(&mut tx, &[entry], now).await?;
        db.commit(tx).await
    };
    if let Err(error) = written.await {
        tracing::error!(%error, action = entry.action.word(), "the audit log was not written");
    }
}

/// What facts about an order the log tells of.
pub(crate) fn of_facts(order: OrderId, facts: &[Fact], origin: Origin) -> Vec<Entry<'static>> {
    let entry = |fact: &Fact| {
        let action = action_of(fact)?;
        // What the core does by itself is the core's, whoever was served at that moment.
        let origin = if action == Action::RefundStart { Origin::Core } else { origin };
        Some(Entry { action, resource: Resource::Order(order), came: Came::Done, origin })
    };
    facts.iter().filter_map(entry).collect()
}

const fn action_of(fact: &Fact) -> Option<Action> {
    if let Fact::Confirmed { .. } = fact {
        Some(Action::PaymentConfirm)
    } else if let Fact::PaymentRetried { .. } = fact {
        Some(Action::PaymentRetry)
    } else if let Fact::CancelRequested = fact {
        Some(Action::OrderCancel)
    } else if let Fact::CancelAccepted { .. } = fact {
        Some(Action::CancellationAccept)
    } else if let Fact::ChangeAccepted { .. } = fact {
        Some(Action::ChangeKeep)
    } else if let Fact::DebtSettled { .. } = fact {
        Some(Action::DebtSettle)
    } else if let Fact::StepStarted { key } = fact
        && let Op::Refund { .. } = key.op
    {
        Some(Action::RefundStart)
    } else {
        None
    }
}

/// What verifying the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Rows that were ever appended.
    pub(crate) rows: i64,
    /// Numbers of rows that are missing or do not follow from the ones before them; the first hundred.
    pub(crate) damaged: Vec<i64>,
    /// Numbers of risk scores that are missing, were changed, or are not about their row any more; the first hundred.
    pub(crate) damaged_scores: Vec<i64>,
}

impl Report {
    /// Damaged rows, or scores, named at most.
    const DAMAGED_MAX: usize = 100;

    /// Whether nothing is missing or was changed.
    pub(crate) const fn is_intact(&self) -> bool {
        self.damaged.is_empty() && self.damaged_scores.is_empty()
    }
}

/// Verifies the whole chain. Damage is an answer, not an error: the rows after it are verified from what is stored.
///
/// # Errors
/// A `Fault` of the store.
pub(crate) async fn verify(db: &Db) -> Result<Report, Fault> {
    let rows = audit::count(db.reader()).await?;
    let (mut seq, mut last, mut damaged) = (0_i64, Vec::new(), Vec::new());
    loop {
        let batch = audit::after(db.reader(), seq, BATCH).await?;
        let Some(newest) = batch.last().map(|row| row.seq) else { break };
        for row in batch {
            let missing = seq.saturating_add(1)..row.seq;
            damaged.extend(missing.take(Report::DAMAGED_MAX.saturating_sub(damaged.len())));
            // A score in a row of a later format could only have been put there.
            let odd = row.format > 1 && row.risk.is_some();
            if (odd || chained(&last, &row) != row.hash) && damaged.len() < Report::DAMAGED_MAX {
                damaged.push(row.seq);
            }
            (seq, last) = (row.seq, row.hash);
        }
        seq = newest;
    }
    // Rows appended while this was going on are no rows that are missing.
    let cut = seq.saturating_add(1)..rows.saturating_add(1);
    damaged.extend(cut.take(Report::DAMAGED_MAX.saturating_sub(damaged.len())));
    Ok(Report { rows: rows.max(seq), damaged, damaged_scores: risk::verify(db).await? })
}

/// One row as a line of JSON, with its hash, so that the chain can be verified by others.
pub(crate) fn line(row: &Row) -> String {
    serde_json::json!({
        "seq": row.seq, "at": row.at.to_rfc3339(), "at_us": row.at.0, "who": row.who, "action": row.action,
        "category": row.category, "resource": row.resource, "result": row.result, "address": row.address,
        "agent": row.agent, "risk": row.score.or(row.risk), "risk_reasons": row.reasons, "format": row.format, "hash": hex::encode(&row.hash),
    })
    .to_string()
}

/// SHA-256 over the hash before and every field but the score.
fn chained(last: &[u8], row: &Row) -> Vec<u8> {
    let numbers = [row.seq, row.at.0, row.format].map(i64::to_be_bytes);
    let texts = [&row.who, &row.category, &row.action, &row.resource, &row.result, &row.address, &row.agent];
    let mut parts = vec![last];
    parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    parts.extend(texts.map(String::as_bytes));
    let risk = row.risk.map(i64::to_be_bytes);
    if row.format < 2 {
        parts.push(risk.as_ref().map_or(&[], <[u8; 8]>::as_slice));
    }
    hash_of(&parts)
}

/// SHA-256 over parts, each with its length in front, so that no two read alike.
fn hash_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref().to_vec()
}
