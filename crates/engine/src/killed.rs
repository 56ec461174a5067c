//! A test has this process killed, as a power cut would, just before or after the n-th write of a journal.
//!
//! Only where debug assertions are on, and only when `ZHIYOU_TEST_KILL_AT` is set: point `2n` is before write n, `2n + 1`
//! after it. Deliberately not here: anything a release contains.

#[cfg(debug_assertions)]
pub(crate) fn point() {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static AT: OnceLock<Option<u64>> = OnceLock::new();
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let at = AT.get_or_init(|| std::env::var("ZHIYOU_TEST_KILL_AT").ok()?.parse().ok());
    if *at == Some(SEEN.fetch_add(1, Ordering::SeqCst)) {
        let id = std::process::id().to_string();
        // Nothing of this process runs after it: no destructor, no flush.
        let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
        // Where there is no such program, this is as sudden.
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(crate) const fn point() {}
