//! Counting tests in what test runners print. A suite that printed no count has not run.

/// Passed and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Count {
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1 };
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// libtest: `test result: ok. 14 passed; 0 failed; …`, one line per binary.
pub(crate) fn libtest(text: &str) -> Count {
    text.lines().filter(|line| line.starts_with("test result:")).fold(Count::default(), |sum, line| {
        sum.plus(Count { passed: before(line, " passed"), failed: before(line, " failed") })
    })
}

/// Vitest: `      Tests  12 passed (12)` or `Tests  1 failed | 11 passed (12)`.
pub(crate) fn vitest(text: &str) -> Count {
    let plain = without_colours(text);
    let line = plain.lines().find(|line| line.trim_start().starts_with("Tests ")).unwrap_or_default();
    Count { passed: before(line, " passed"), failed: before(line, " failed") }
}

/// node:test: `# pass 3` and `# fail 0`, or with an information sign.
pub(crate) fn node_test(text: &str) -> Count {
    let plain = without_colours(text);
    let after = |word: &str| {
        let numbers = plain.lines().filter_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix(word));
        numbers.filter_map(|rest| rest.trim().parse::<u32>().ok()).sum()
    };
    Count { passed: after("pass "), failed: after("fail ") }
}

fn before(line: &str, word: &str) -> u32 {
    let number = line.split_once(word).and_then(|(left, _)| left.rsplit([' ', '.']).find(|part| !part.is_empty()));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_is_counted() {
        let rust =
            "test result: ok. 14 passed; 0 failed; 0 ignored\nx\ntest result: FAILED. 2 passed; 1 failed; 0 ignored";
        assert_eq!(libtest(rust), Count { passed: 16, failed: 1 });
        let vite = "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[31m1 failed\u{1b}[39m | \u{1b}[32m11 passed\u{1b}[39m (12)";
        assert_eq!(vitest(vite), Count { passed: 11, failed: 1 });
        assert_eq!(node_test("ℹ tests 3\nℹ pass 3\nℹ fail 0"), Count { passed: 3, failed: 0 });
        assert_eq!(node_test("# pass 2\n# fail 1"), Count { passed: 2, failed: 1 });
        assert_eq!(libtest("nothing ran"), Count::default());
    }
}
