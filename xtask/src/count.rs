//! Counting tests in what test runners print. A suite that printed no count has not run.

/// Passed and failed, and what the runner said of each that failed: the end of a long log is all that some readers get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Count {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) told: Vec<String>,
}

/// Lines of what one failed test printed that are told again.
const TOLD: usize = 25;

impl Count {
    pub(crate) const PASSED: Self = Self::of(1, 0);

    pub(crate) const fn of(passed: u32, failed: u32) -> Self {
        Self { passed, failed, told: Vec::new() }
    }

    /// One failure that no runner counted.
    pub(crate) fn failure(what: impl Into<String>) -> Self {
        Self { failed: 1, told: vec![what.into()], ..Self::default() }
    }

    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.told.extend(other.told);
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed, told: self.told }
    }
}

/// libtest: `test result: ok. 14 passed; 0 failed; …`, one line per binary.
pub(crate) fn libtest(text: &str) -> Count {
    let results = text.lines().filter(|line| line.starts_with("test result:"));
    let mut count = results
        .fold(Count::default(), |sum, line| sum.plus(Count::of(before(line, " passed"), before(line, " failed"))));
    let heads = text.match_indices("\n---- ").map(|(start, _)| &text[start + 1..]);
    for block in heads.filter(|block| block.lines().next().is_some_and(|head| head.ends_with(" stdout ----"))) {
        let ends = |line: &str| line.starts_with("---- ") || line == "failures:";
        let lines = block.lines().enumerate().take_while(|(number, line)| *number == 0 || !ends(line)).take(TOLD);
        let lines: Vec<&str> = lines.map(|(_, line)| line).collect();
        count.told.push(lines.join("\n").trim_end().to_owned());
    }
    count
}

/// Vitest: `      Tests  12 passed (12)` or `Tests  1 failed | 11 passed (12)`.
pub(crate) fn vitest(text: &str) -> Count {
    let plain = without_colours(text);
    let line = plain.lines().find(|line| line.trim_start().starts_with("Tests ")).unwrap_or_default();
    Count { told: marked(&plain, " FAIL "), ..Count::of(before(line, " passed"), before(line, " failed")) }
}

/// node:test: `# pass 3` and `# fail 0`, or with an information sign.
pub(crate) fn node_test(text: &str) -> Count {
    let plain = without_colours(text);
    let after = |word: &str| {
        let numbers = plain.lines().filter_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix(word));
        numbers.filter_map(|rest| rest.trim().parse::<u32>().ok()).sum()
    };
    let told = ["✖ ", "not ok "].map(|mark| marked(&plain, mark)).concat();
    Count { told, ..Count::of(after("pass "), after("fail ")) }
}

/// The lines a runner marks as failed.
fn marked(text: &str, mark: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.trim_start().starts_with(mark.trim_start()));
    lines.take(TOLD).map(|line| line.trim().to_owned()).collect()
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
        let rust = "test result: ok. 14 passed; 0 failed; 0 ignored\nfailures:\n\n---- a::b stdout ----\n\nthread 'a::b' panicked\n\n\n\
             failures:\n    a::b\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored";
        let told = vec!["---- a::b stdout ----\n\nthread 'a::b' panicked".to_owned()];
        assert_eq!(libtest(rust), Count { told, ..Count::of(16, 1) });
        let vite = "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[31m1 failed\u{1b}[39m | \u{1b}[32m11 passed\u{1b}[39m (12)";
        assert_eq!(vitest(vite), Count::of(11, 1));
        assert_eq!(node_test("ℹ tests 3\nℹ pass 3\nℹ fail 0"), Count::of(3, 0));
        let node = Count { told: vec!["✖ refunds".to_owned()], ..Count::of(2, 1) };
        assert_eq!(node_test("  ✖ refunds\n# pass 2\n# fail 1"), node);
        assert_eq!(libtest("nothing ran"), Count::default());
    }
}
