//! The gate: what an agent wants done with money waits for a person, and only what the person saw is done, once.
//!
//! A call of an agent asks; the person reads it where only the person is let in (the REST surface) and says yes or no, or has
//! a code shown to tell the agent. A yes is bound to one call: to its person, tool, key and arguments. Deliberately not here:
//! what is then done, and letting an agent in.

use crate::{
    defence::{Defence, off},
    pay::desk::Desk,
    rest::problem::Problem,
    store::{
        StoreError,
        confirmations::{self, Confirmation, Gated, Said},
    },
};
use aws_lc_rs::{hmac, rand};
use std::sync::Arc;
use ulid::Ulid;
use zhiyou_domain::{
    id::{ConfirmationId, OrderId},
    money::Money,
    time::UtcMicros,
};

/// How long a person has, minutes.
const OPEN_MIN: i64 = 10;
/// Wrong codes after which it counts as a no.
const WRONG_CODES_MAX: i64 = 5;
/// Longest name a client is shown by, characters.
const CLIENT_CHARS_MAX: usize = 60;

/// Asks persons, and keeps what they said.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) desk: Desk,
    /// Authenticates codes; new at every start, so that none outlives it.
    codes: Arc<hmac::Key>,
}

/// What an agent wants done.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) subject: String,
    pub(crate) tool: Gated,
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    pub(crate) client: String,
    pub(crate) order_id: OrderId,
    pub(crate) amount: Money,
    pub(crate) reason: String,
}

/// What a call of an agent comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The person has to be waited for; `first` where this very call asked.
    Asked { asked: Confirmation, first: bool },
    /// Exactly this is to be done; by this call, or by this call again.
    Open(Confirmation),
}

/// Why a call does not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// The key stands for something else.
    #[error("the key was used for something else")]
    Conflict,
    /// The person said no.
    #[error("the person said no")]
    Denied,
    /// The code belongs to something that waited too long.
    #[error("it waited too long")]
    Expired,
    /// The person's yes was used, and what it was for was refused for good.
    #[error("it was refused after the yes")]
    Ended,
    /// Not the code that was shown.
    #[error("another code")]
    Mismatch,
    /// Our record failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error("no randomness")]
    Random,
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Yes,
    No,
}

impl Gate {
    pub(crate) fn new(desk: Desk) -> Result<Self, Stopped> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Stopped::Random)?;
        Ok(Self { desk, codes: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key)) })
    }

    /// What a key of an agent stands for, unless it waited too long.
    pub(crate) async fn known(
        &self,
        subject: &str,
        tool: Gated,
        key: &str,
    ) -> Result<Option<Confirmation>, StoreError> {
        let mut tx = self.desk.store.begin().await?;
        let known = confirmations::of_key(&mut tx, subject, tool, key).await?;
        Ok(known.filter(|known| !known.is_over(self.desk.clock.now())))
    }

    /// Lets a call pass whose person said yes, and asks the person otherwise. In one transaction: a yes is used once.
    pub(crate) async fn pass(&self, wanted: Wanted, code: Option<&str>) -> Result<Passage, Stopped> {
        let now = self.desk.clock.now();
        let mut tx = self.desk.store.begin().await?;
        let known = confirmations::of_key(&mut tx, &wanted.subject, wanted.tool, &wanted.key).await?;
        if known.as_ref().is_some_and(|known| known.fingerprint != wanted.fingerprint) {
            return Err(Stopped::Conflict);
        }
        let Some(mut known) = known.filter(|known| !known.is_over(now)) else {
            if code.is_some() {
                return Err(Stopped::Expired);
            }
            let asked = new(wanted, now)?;
            confirmations::put(&mut tx, &asked).await?;
            self.desk.store.commit(tx).await?;
            return Ok(if off(Defence::PersonAsked) {
                Passage::Open(asked)
            } else {
                Passage::Asked { asked, first: true }
            });
        };
        match (known.said, code) {
            (Said::Consumed, _) => return Ok(Passage::Open(known)),
            (Said::Denied, _) => return Err(Stopped::Denied),
            (Said::Ended, _) => return Err(Stopped::Ended),
            (Said::Pending, None) => return Ok(Passage::Asked { asked: known, first: false }),
            (Said::Approved, _) => known.said = Said::Consumed,
            (Said::Pending, Some(code)) if self.is_shown(&known, code) => known.said = Said::Consumed,
            (Said::Pending, Some(_)) => {
                known.wrong_codes = known.wrong_codes.saturating_add(1);
                if known.wrong_codes >= WRONG_CODES_MAX {
                    known.said = Said::Denied;
                }
            }
        }
        confirmations::keep(&mut tx, &known).await?;
        self.desk.store.commit(tx).await?;
        match known.said {
            Said::Consumed => Ok(Passage::Open(known)),
            Said::Denied => Err(Stopped::Denied),
            Said::Pending | Said::Approved | Said::Ended => Err(Stopped::Mismatch),
        }
    }

    /// What was approved has been refused for good: the yes that was used opens nothing any more.
    pub(crate) async fn end(&self, id: ConfirmationId) -> Result<(), StoreError> {
        let mut tx = self.desk.store.begin().await?;
        if let Some(mut known) = confirmations::get(&mut tx, id).await?.filter(|known| known.said == Said::Consumed) {
            known.said = Said::Ended;
            confirmations::keep(&mut tx, &known).await?;
        }
        self.desk.store.commit(tx).await
    }

    fn is_shown(&self, known: &Confirmation, code: &str) -> bool {
        let tag = known.code_tag.as_deref().and_then(|tag| hex::decode(tag).ok());
        tag.is_some_and(|tag| hmac::verify(&self.codes, &coded(known.confirmation_id, code), &tag).is_ok())
    }

    /// What a person is asked; theirs alone.
    pub(crate) async fn show(&self, subject: &str, id: ConfirmationId) -> Result<Confirmation, Problem> {
        let found = confirmations::find(self.desk.store.reader(), id).await?;
        found.filter(|found| found.subject == subject).ok_or_else(Problem::not_found)
    }

    /// Keeps what a person said. The same once more is no error; the opposite of what holds is told as one, so that nobody
    /// takes a no that came too late for one that counted.
    pub(crate) async fn say(&self, subject: &str, id: ConfirmationId, word: Word) -> Result<Confirmation, Problem> {
        self.decide(subject, id, |asked| {
            asked.said = match (asked.said, word) {
                (Said::Pending | Said::Approved, Word::Yes) => Said::Approved,
                (Said::Pending | Said::Approved, Word::No) => Said::Denied,
                (said @ (Said::Consumed | Said::Ended), Word::Yes) | (said @ Said::Denied, Word::No) => said,
                (Said::Consumed | Said::Ended, Word::No) | (Said::Denied, Word::Yes) => return Err(decided()),
            };
            Ok(())
        })
        .await
    }

    /// Makes a code the person can tell the agent; an earlier one is worth nothing any more.
    pub(crate) async fn code(&self, subject: &str, id: ConfirmationId) -> Result<String, Problem> {
        let code = fresh_code()?;
        let tag = hex::encode(hmac::sign(&self.codes, &coded(id, &code)));
        self.decide(subject, id, |asked| {
            asked.code_tag = Some(tag);
            if asked.said == Said::Pending { Ok(()) } else { Err(decided()) }
        })
        .await?;
        Ok(code)
    }

    async fn decide(
        &self,
        subject: &str,
        id: ConfirmationId,
        change: impl FnOnce(&mut Confirmation) -> Result<(), Problem> + Send,
    ) -> Result<Confirmation, Problem> {
        let mut tx = self.desk.store.begin().await?;
        let found = confirmations::get(&mut tx, id).await?.filter(|found| found.subject == subject);
        let mut asked = found.ok_or_else(Problem::not_found)?;
        if asked.is_over(self.desk.clock.now()) {
            return Err(Problem::conflict("confirmation_expired", "it waited too long; the agent has to ask again"));
        }
        change(&mut asked)?;
        confirmations::keep(&mut tx, &asked).await?;
        self.desk.store.commit(tx).await?;
        Ok(asked)
    }
}

fn decided() -> Problem {
    Problem::conflict("confirmation_decided", "it was decided before")
}

fn new(wanted: Wanted, now: UtcMicros) -> Result<Confirmation, Stopped> {
    let mut random = [0; 16];
    rand::fill(&mut random).map_err(|_| Stopped::Random)?;
    let millis = u64::try_from(now.0.div_euclid(1000)).map_err(|_| Stopped::Random)?;
    let client = wanted.client.chars().filter(|letter| !letter.is_control()).take(CLIENT_CHARS_MAX).collect();
    Ok(Confirmation {
        confirmation_id: ConfirmationId::from_ulid(Ulid::from_parts(millis, u128::from_be_bytes(random))),
        subject: wanted.subject,
        tool: wanted.tool,
        client_key: wanted.key,
        fingerprint: wanted.fingerprint,
        client,
        order_id: wanted.order_id,
        amount: wanted.amount,
        reason: wanted.reason,
        said: Said::Pending,
        created_at_us: now,
        expires_at_us: now.plus_minutes(OPEN_MIN),
        code_tag: None,
        wrong_codes: 0,
    })
}

fn coded(id: ConfirmationId, code: &str) -> Vec<u8> {
    format!("{id} {code}").into_bytes()
}

/// Eight digits, all of them as likely.
fn fresh_code() -> Result<String, Problem> {
    const CODES: u64 = 100_000_000;
    let whole = u64::MAX - u64::MAX % CODES;
    loop {
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| Problem::internal())?;
        let number = u64::from_be_bytes(random);
        if number < whole {
            return Ok(format!("{:08}", number % CODES));
        }
    }
}
