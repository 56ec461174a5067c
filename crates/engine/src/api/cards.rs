//! No card number enters: every text of every command is looked through before the command is read.
//!
//! What looks like a card number has a scheme's first digits and length and ends in the right check digit (ISO/IEC 7812-1,
//! Luhn). Deliberately not here: any field that could hold one; there is none.

use super::defence::{Defence, off};
use serde_json::Value;
use zhiyou_domain::fault::{Fault, FaultCode};

/// First digits, from and to, and the lengths numbers of that scheme have.
/// Source: the schemes' published ranges as far as they are generally known; identity numbers of 18 digits fit none.
const SCHEMES: [(u32, u32, &[usize]); 15] = [
    (4, 4, &[13, 16, 19]),
    (51, 55, &[16]),
    (2221, 2720, &[16]),
    (34, 34, &[15]),
    (37, 37, &[15]),
    (300, 305, &[14, 16]),
    (36, 36, &[14, 16]),
    (38, 39, &[14, 16]),
    (3528, 3589, &[16]),
    (6011, 6011, &[16, 19]),
    (644, 659, &[16, 19]),
    (62, 62, &[16, 17, 19]),
    (81, 81, &[16, 17, 19]),
    (6759, 6763, &[16, 19]),
    (5018, 5038, &[16, 19]),
];

/// Longest number there is, digits.
const DIGITS_MAX: usize = 19;
/// Longest gap between two groups of digits, characters.
const GAP_MAX: usize = 3;

/// Refuses a command that carries what looks like a card number; nothing of it is kept, and the refusal does not quote it.
///
/// # Errors
/// `MalformedInput` with the problem `card_number`.
pub(crate) fn refuse(payload: &Value) -> Result<(), Fault> {
    if is_somewhere(payload) && !off(Defence::CardNumbers) {
        let fault = Fault::new(FaultCode::MalformedInput, "it holds what looks like a card number");
        return Err(fault.with("problem", "card_number"));
    }
    Ok(())
}

fn is_somewhere(value: &Value) -> bool {
    match value {
        Value::String(text) => is_in(text),
        Value::Array(list) => list.iter().any(is_somewhere),
        Value::Object(fields) => fields.iter().any(|(name, value)| is_in(name) || is_somewhere(value)),
        Value::Number(number) => is_in(&number.to_string()),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether groups of digits, alone or set apart by spaces, tabs or hyphens, make a card number. Full stops and strokes are
/// no gaps: lists of dates would be taken for numbers.
fn is_in(text: &str) -> bool {
    // Each group with what stands before it; a number may be followed by others, such as its last month.
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let (mut in_group, mut gap, mut before, mut bound) = (false, 0, ' ', true);
    for letter in text.chars().chain(['\n']) {
        if let Some(digit) = digit(letter) {
            if groups.is_empty() {
                // What belongs to a longer word, or what a plus sign makes a telephone number, is none.
                bound = !before.is_ascii_alphanumeric() && !"+_.".contains(before);
            }
            match groups.last_mut().filter(|_| in_group) {
                Some(group) => group.push(digit),
                None => groups.push(vec![digit]),
            }
            (in_group, gap) = (true, 0);
        } else if !groups.is_empty() && gap < GAP_MAX && matches!(letter, ' ' | '-' | '\t' | '\u{a0}' | '\u{3000}') {
            (in_group, gap) = (false, gap + 1);
        } else {
            let ends = !letter.is_ascii_alphabetic() && letter != '_';
            if bound && any_is_number(&groups, ends) {
                return true;
            }
            groups.clear();
            in_group = false;
        }
        before = letter;
    }
    false
}

/// Whether neighbouring groups together are a number; the last one counts only if the word ends with it.
fn any_is_number(groups: &[Vec<u32>], ends: bool) -> bool {
    let counted = if ends { groups.len() } else { groups.len().saturating_sub(1) };
    (0..counted).any(|first| {
        let mut number: Vec<u32> = Vec::with_capacity(DIGITS_MAX);
        // No number has more groups than digits; without this a long list of digits would be read again and again.
        groups.iter().take(counted).skip(first).take(DIGITS_MAX).any(|group| {
            number.extend(group);
            number.len() <= DIGITS_MAX && of_scheme(&number)
        })
    })
}

/// ASCII and full-width digits, as input methods write them.
fn digit(letter: char) -> Option<u32> {
    letter.to_digit(10).or_else(|| u32::from(letter).checked_sub(0xff10).filter(|digit| *digit < 10))
}

fn of_scheme(digits: &[u32]) -> bool {
    let starts = |from: u32, to: u32| {
        let places = from.to_string().len();
        let first = digits.iter().take(places).fold(0, |number, digit| number * 10 + digit);
        (from..=to).contains(&first)
    };
    let known = SCHEMES.iter().any(|(from, to, lengths)| lengths.contains(&digits.len()) && starts(*from, *to));
    known && luhn(digits)
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let add = |(place, digit): (usize, &u32)| if place % 2 == 1 { doubled(*digit) } else { *digit };
    digits.iter().rev().enumerate().map(add).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::defence::take_away;
    use serde_json::json;

    /// Numbers of every scheme and length, each with its check digit.
    fn numbers(count: usize) -> Vec<String> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut made = Vec::new();
        while made.len() < count {
            let (from, to, lengths) = SCHEMES[made.len() % SCHEMES.len()];
            let mut digits: Vec<u32> = rng.u32(from..=to).to_string().chars().filter_map(digit).collect();
            let length = lengths[rng.usize(0..lengths.len())];
            digits.resize_with(length - 1, || rng.u32(0..10));
            digits.push(0);
            let last = (0..10).find(|last| luhn(&[&digits[..length - 1], &[*last][..]].concat())).unwrap();
            digits[length - 1] = last;
            made.push(digits.iter().map(u32::to_string).collect());
        }
        made
    }

    #[test]
    fn pm_01_nothing_else_keeps_a_card_number_out() {
        for number in numbers(1_000) {
            let payload = json!({ "plan": { "title": number } });
            assert!(refuse(&payload).is_err());
            take_away(Some(Defence::CardNumbers));
            assert!(refuse(&payload).is_ok(), "{number}");
            take_away(None);
        }
    }

    #[test]
    fn pm_01_a_thousand_card_numbers_are_found_however_they_are_typed() {
        for number in numbers(1_000) {
            let by_four = |gap: &str| {
                let groups: Vec<&str> =
                    number.as_bytes().chunks(4).map(|four| std::str::from_utf8(four).unwrap()).collect();
                groups.join(gap)
            };
            let wide: String =
                number.chars().map(|letter| char::from_u32(u32::from(letter) - 0x30 + 0xff10).unwrap()).collect();
            for typed in [
                number.clone(),
                by_four(" "),
                by_four("-"),
                by_four("  "),
                by_four(" - "),
                by_four("\t"),
                by_four("\u{3000}"),
                wide,
                format!("卡号{number}。"),
                format!("my card is {} 12/28 123", by_four(" ")),
                format!("{{\"title\":\"{number}\"}}"),
            ] {
                assert!(is_in(&typed), "{typed}");
                for payload in [json!(typed), json!({ "a": [typed] }), json!({ typed.as_str(): 1 })] {
                    let fault = refuse(&payload).unwrap_err();
                    assert!(!format!("{fault} {fault:?}").contains(&number[..8]), "the refusal quotes it");
                }
            }
        }
    }

    /// Twenty thousand groups, each read with the few that can belong to it and not with all that follow.
    #[test]
    fn a_long_list_of_digits_is_looked_through_once() {
        assert!(!is_in(&"1 ".repeat(20_000)));
        assert!(is_in(&format!("{}4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "0 ".repeat(20_000))));
    }

    #[test]
    fn what_is_no_card_number_passes() {
        let identity = ["11010519491231002X", "440524188001010014", "622301199001011232"];
        let others = [
            "+8613800000000",
            "+4915123456789",
            "1796083200000000",
            "ord_01KA0000000000000000000ABC",
            "ZZ1234567890",
            "2026-12-04 2026-12-06",
            "4111 1111     1111 1111",
            "4111/1111/1111/1111",
            "999-1234567890",
            "4111111111111112",
            "41111111",
            "4111 1111 1111",
            "0000000000000000",
            "x4111111111111111",
            "4111111111111111x",
            "EA1234567",
            "3081031234567890",
        ];
        for text in identity.iter().chain(&others) {
            assert!(!is_in(text), "{text}");
        }
        for example in ["shanghai-weekend.en", "chengdu-four-days.zh-CN", "new-york-weekend.en"] {
            let path = format!("{}/../../examples/{example}.json", env!("CARGO_MANIFEST_DIR"));
            assert!(!is_in(&std::fs::read_to_string(path).unwrap()));
        }
    }
}
