//! The table of sign-in attacks and its tests say the same.

use super::super::defence::Defence;

const TABLE: &str = include_str!("../../../../../docs/faults.md");
const TESTS: [&str; 5] = [
    include_str!("demands.rs"),
    include_str!("local.rs"),
    include_str!("returns.rs"),
    include_str!("servers.rs"),
    include_str!("tokens.rs"),
];

/// Defences of the gateway, whose own tests take them away.
const ELSEWHERE: [&str; 2] =
    [include_str!("../../../../gateway/src/http/defence.rs"), include_str!("../../../../gateway/src/rest/defence.rs")];

/// Row, test and defence of every line of the table.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| OA-"));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[1], cells[3], cells[4])
        })
        .collect()
}

#[test]
fn every_attack_of_the_table_has_a_line() {
    for number in 1..=73 {
        let name = format!("OA-{number:02}");
        assert!(rows().iter().any(|(row, ..)| *row == name), "{name}");
    }
}

#[test]
fn the_test_of_a_line_takes_its_defence_away() {
    // What is granted and configured is the window's, and is taken away there.
    let elsewhere = |word: &str| matches!(word, "–" | "grants" | "configuration");
    let gateways = |word: &str| ELSEWHERE.iter().any(|list| list.contains(&format!(" = \"{word}\",")));
    let here = |word: &str| !elsewhere(word) && !gateways(word);
    for (row, test, word) in rows().into_iter().filter(|(.., word)| here(word)) {
        let defence = Defence::ALL.iter().find(|defence| defence.word() == word);
        let defence = defence.unwrap_or_else(|| panic!("{row}: no defence {word}"));
        let body = TESTS.iter().find_map(|text| text.split_once(&format!("fn {test}("))).map(|(_, after)| after);
        let body = body.unwrap_or_else(|| panic!("{row}: no test {test}"));
        let body = body.split("#[tokio::test]").next().unwrap();
        assert!(body.contains(&format!("stands(Defence::{defence:?}, ")), "{row}: {test} does not take {word} away");
    }
}

#[test]
fn every_defence_is_needed_against_some_attack() {
    for defence in Defence::ALL {
        assert!(rows().iter().any(|(.., word)| *word == defence.word()), "{defence:?}");
    }
}
