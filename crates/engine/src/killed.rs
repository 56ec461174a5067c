//! A test has this process killed, as a power cut would, just before or after the n-th write.
//!
//! Only where debug assertions are on, and only when `ZHIYOU_TEST_KILL_AT` (writes of journals) or `ZHIYOU_TEST_KILL_AT_COMMIT`
//! (all other commits) is set: point `2n` is before write n, `2n + 1` after it. Deliberately not here: anything a release
//! contains.

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Facts of orders.
    Journal,
    /// Anything else.
    Other,
}

#[cfg(debug_assertions)]
pub(crate) fn point(write: Write) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static JOURNAL: (OnceLock<Option<u64>>, AtomicU64) = (OnceLock::new(), AtomicU64::new(0));
    static OTHER: (OnceLock<Option<u64>>, AtomicU64) = (OnceLock::new(), AtomicU64::new(0));
    let ((at, seen), name) = match write {
        Write::Journal => (&JOURNAL, "ZHIYOU_TEST_KILL_AT"),
        Write::Other => (&OTHER, "ZHIYOU_TEST_KILL_AT_COMMIT"),
    };
    let at = at.get_or_init(|| std::env::var(name).ok()?.parse().ok());
    if *at == Some(seen.fetch_add(1, Ordering::SeqCst)) {
        let id = std::process::id().to_string();
        // Nothing of this process runs after it: no destructor, no flush.
        let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
        // Where there is no such program, this is as sudden.
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(crate) const fn point(_: Write) {}
