//! The ceilings: commits of one row as large as a notification through SQLite's own interface, and signatures verified by the
//! crypto library, on every core.
//!
//! Deliberately not here: reading, deciding, answering.

use crate::{per_second, stage::Notice};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rusqlite::{Connection, params};
use std::{error::Error, path::Path, thread, time::Instant};

/// Commits a second, one row each, with the gateway's own settings.
pub(crate) fn commits(folder: &Path, notices: &[Notice]) -> Result<u64, Box<dyn Error>> {
    let database = Connection::open(folder.join("bare.db"))?;
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    database
        .execute_batch("CREATE TABLE inbox (event_id TEXT PRIMARY KEY, headers TEXT NOT NULL, body BYTEA NOT NULL)")?;
    let began = Instant::now();
    for notice in notices {
        let mut insert = database.prepare_cached("INSERT INTO inbox VALUES (?1, ?2, ?3)")?;
        insert.execute(params![notice.nonce, notice.timestamp, notice.body.as_bytes()])?;
    }
    per_second(notices.len(), began.elapsed())
}

/// Signatures a second, each verified as often as makes the measurement long enough.
pub(crate) fn verifies(public_key: &[u8], notices: &[Notice]) -> Result<u64, Box<dyn Error>> {
    const TIMES: usize = 20;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
    let messages: Vec<Vec<u8>> = notices.iter().map(Notice::message).collect();
    let one_core = || {
        let pairs = || messages.iter().zip(notices);
        (0..TIMES).all(|_| pairs().all(|(message, notice)| key.verify(message, &notice.signature).is_ok()))
    };
    let began = Instant::now();
    let good = thread::scope(|scope| {
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(one_core)).collect();
        running.into_iter().all(|core| core.join().unwrap_or(false))
    });
    if !good {
        return Err("a signature of our own does not verify".into());
    }
    per_second(notices.len() * TIMES * cores, began.elapsed())
}
