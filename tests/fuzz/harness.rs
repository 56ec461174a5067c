//! Inputs for the readers of what strangers write: each crate that has some includes this file.
//!
//! The ordinary tests give each reader a few thousand inputs on any toolchain, made from sound ones by changing, cutting,
//! doubling and mixing bytes; the same for the same seed (`ZHIYOU_FUZZ_SEED`). `cargo xtask fuzz` gives a million, found by
//! libFuzzer by what they reach in the code: then another program drives the same tests. Deliberately not here: what a
//! reader has to hold, which is each test's.

#[cfg(not(fuzzing))]
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Inputs in every run of the tests.
const INPUTS: u64 = 20_000;
/// Longest input, bytes; more than any reader takes.
const BYTES_MAX: usize = 160 * 1024;

/// Gives a reader inputs, from sound ones and words it knows. The reader panics when it does what it must not.
#[cfg(fuzzing)]
pub type Drive = fn(&[&[u8]], &[&str], &mut dyn FnMut(&[u8]));

#[cfg(fuzzing)]
static DRIVE: std::sync::OnceLock<Drive> = std::sync::OnceLock::new();

/// Runs a test of a reader with inputs from `drive`.
#[cfg(fuzzing)]
pub(crate) fn driven(drive: Drive, test: fn()) {
    DRIVE.get_or_init(|| drive);
    test();
}

/// Names the tests of readers for a program that gives them inputs.
#[cfg(fuzzing)]
macro_rules! fuzzed {
    ($($name:ident: $test:path;)*) => {
        /// Tests of readers that another program drives.
        pub mod fuzzed {
            pub use crate::fuzz::Drive;
            $(
                #[allow(missing_docs, reason = "each is a test, which says what it shows by its name")]
                pub fn $name(drive: Drive) {
                    crate::fuzz::driven(drive, $test);
                }
            )*
        }
    };
}
#[cfg(fuzzing)]
pub(crate) use fuzzed;

/// Gives a reader its inputs. `check` panics when the reader does what it must not.
#[cfg(fuzzing)]
pub(crate) fn fuzz(_: &str, corpus: &[&[u8]], words: &[&str], mut check: impl FnMut(&[u8])) {
    DRIVE.get().unwrap()(corpus, words, &mut check);
}

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap() }
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 0xff).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// A part of what is there, rarely a long one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let first = self.below(length + 1);
        let longest = if self.below(8) == 0 { length - first } else { (length - first).min(16) };
        first..first + self.below(longest + 1)
    }

    /// A sound input after a few changes; now and then noise.
    fn input(&mut self, corpus: &[&[u8]], words: &[&str]) -> Vec<u8> {
        if self.below(64) == 0 {
            let length = self.below(512);
            return std::iter::repeat_with(|| self.byte()).take(length).collect();
        }
        let mut input = self.one(corpus).to_vec();
        for _ in 0..=self.below(5) {
            self.change(&mut input, corpus, words);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[&[u8]], words: &[&str]) {
        const ODD: &[u8] = b"\0\n\r\t \"'\\/%&=?#+-.,:;<>[]{}()0919azAZ_~|^`\x7f\x80\xc0\xe2\xff";
        let (range, at) = (self.range(input.len()), self.below(input.len() + 1));
        match self.below(12) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = ODD[self.below(ODD.len())],
            2 if at < input.len() => input[at] = self.byte(),
            3 => drop(input.drain(range)),
            4 => input.insert(at, ODD[self.below(ODD.len())]),
            5 => {
                let word = self.one(words).as_bytes().to_vec();
                drop(input.splice(range, word));
            }
            6 => {
                let word = self.one(words).as_bytes().to_vec();
                drop(input.splice(at..at, word));
            }
            7 => {
                let part = input[range].to_vec();
                drop(input.splice(at..at, part));
            }
            8 => {
                let other = self.one(corpus);
                let part = other[self.range(other.len())].to_vec();
                drop(input.splice(range, part));
            }
            9 => input.truncate(at),
            10 => {
                // A number where one stands, of every size.
                let numbers = ["0", "-1", "-0", "1e9", "9007199254740993", "9223372036854775808", "0.1", "00", "1E400"];
                let number = numbers[self.below(numbers.len())].bytes();
                let first = input.iter().skip(at).position(u8::is_ascii_digit).map(|far| at + far);
                if let Some(first) = first {
                    let length = input[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    drop(input.splice(first..first + length, number));
                }
            }
            11 if self.below(16) == 0 => {
                let part = input[range].repeat(1 + self.below(2_000));
                let room = BYTES_MAX.saturating_sub(input.len());
                drop(input.splice(at..at, part.into_iter().take(room)));
            }
            _ => {}
        }
    }
}

/// Gives a reader its inputs. `check` panics when the reader does what it must not.
#[cfg(not(fuzzing))]
pub(crate) fn fuzz(name: &str, corpus: &[&[u8]], words: &[&str], mut check: impl FnMut(&[u8])) {
    let seed = std::env::var("ZHIYOU_FUZZ_SEED").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    for sound in corpus {
        check(sound);
    }
    for number in 0..INPUTS {
        let mut random = Random(seed.wrapping_mul(0xA076_1D64_78BD_642F) ^ number.wrapping_mul(0xE703_7ED1_A0B4_28DB));
        let input = random.input(corpus, words);
        if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
            panic!("{name}: input {number} of seed {seed}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}
