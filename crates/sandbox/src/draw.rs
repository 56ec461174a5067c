//! Fates drawn from the seed, and the ids that look like a provider's: the same seed and the same question give the same
//! answer on every machine.
//!
//! Deliberately not here: secrets. Keys and tokens come from the system's randomness (`keys`).

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A stream of numbers that belongs to one question.
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// The stream that belongs to `(seed, question)`.
    pub(crate) fn new(seed: u64, question: &[&str]) -> Self {
        let hash = fingerprint(seed, question);
        let state = hash.iter().take(8).fold(0_u64, |state, byte| (state << 8) | u64::from(*byte));
        Self { state }
    }

    /// A number in `0..bound`; zero when the bound is zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }

    /// A signed number in `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.below(span)).unwrap_or(0))
    }
}

/// Sixteen letters and digits that belong to `(seed, question)`: ids that can be recomputed instead of stored.
pub(crate) fn tag(seed: u64, question: &[&str]) -> String {
    letters(&fingerprint(seed, question), BASE62, 16)
}

fn fingerprint(seed: u64, question: &[&str]) -> Vec<u8> {
    let mut bytes = seed.to_be_bytes().to_vec();
    for part in question {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0);
    }
    digest(&SHA256, &bytes).as_ref().to_vec()
}

fn letters(bytes: &[u8], alphabet: &[u8], count: usize) -> String {
    bytes
        .iter()
        .take(count)
        .filter_map(|byte| alphabet.get(usize::from(*byte).checked_rem(alphabet.len())?))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Hands out ids that never repeat, not even after a restart on the same book.
pub(crate) struct Ids {
    seed: u64,
    start: String,
    next: AtomicU64,
}

impl Ids {
    /// Ids of the `start`-th run on this book.
    pub(crate) fn new(seed: u64, start: i64) -> Self {
        Self { seed, start: start.to_string(), next: AtomicU64::new(0) }
    }

    /// `off_0000` followed by sixteen letters and digits.
    pub(crate) fn duffel(&self, prefix: &str) -> String {
        format!("{prefix}_0000{}", letters(&self.fresh(prefix), BASE62, 16))
    }

    /// Digits only, `count` of them, the first one never zero.
    pub(crate) fn digits(&self, purpose: &str, count: usize) -> String {
        let fresh = self.fresh(purpose);
        letters(&fresh, b"123456789", 1)
            + &letters(fresh.get(1..).unwrap_or_default(), b"0123456789", count.saturating_sub(1))
    }

    /// An airline's booking reference: six letters and digits without the ones that are misread.
    pub(crate) fn booking_reference(&self) -> String {
        letters(&self.fresh("booking reference"), b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 6)
    }

    /// Letters and digits, at most 32.
    pub(crate) fn code(&self, purpose: &str, count: usize) -> String {
        letters(&self.fresh(purpose), BASE62, count)
    }

    /// A UUID-shaped id.
    pub(crate) fn uuid(&self, purpose: &str) -> String {
        let hex = hex::encode(self.fresh(purpose));
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    fn fresh(&self, purpose: &str) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        fingerprint(self.seed, &["id", purpose, &self.start, &number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_fate_and_another_seed_has_another() {
        let fate = |seed| {
            (0..8).scan(Draw::new(seed, &["PVG", "HND"]), |draw, _| Some(draw.below(1_000_000))).collect::<Vec<_>>()
        };
        assert_eq!(fate(7), fate(7));
        assert_ne!(fate(7), fate(8));
    }

    #[test]
    fn ids_never_repeat_over_restarts() {
        let (first, second) = (Ids::new(1, 1), Ids::new(1, 2));
        let all: std::collections::BTreeSet<_> =
            (0..100).flat_map(|_| [first.duffel("off"), second.duffel("off")]).collect();
        assert_eq!(all.len(), 200);
    }
}
