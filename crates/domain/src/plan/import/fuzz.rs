//! Plan files that somebody changed: each is refused with a place and a problem, or is a plan that prints and reads back as
//! the same plan.

use super::{tests::Counting, *};
use crate::fuzz::fuzz;

const SAMPLES: [&str; 4] = [
    include_str!("../../../../../examples/chengdu-four-days.en.json"),
    include_str!("../../../../../examples/chengdu-four-days.zh-CN.json"),
    include_str!("../../../../../examples/shanghai-weekend.en.json"),
    include_str!("../../../../../examples/shanghai-weekend.zh-CN.json"),
];

const WORDS: &[&str] = &[
    "\"flight\"",
    "\"hotel\"",
    "\"activity\"",
    "\"car\"",
    "\"PEK\"",
    "\"SHA\"",
    "\"上海\"",
    "\"+13d\"",
    "\"+999d\"",
    "\"-1d\"",
    "\"2026-02-29\"",
    "\"9999-12-31\"",
    "\"0000-01-01\"",
    "\"25:00\"",
    "\"02:30\"",
    "\"CNY\"",
    "\"KWD\"",
    "\"0.001\"",
    "null",
    "true",
    "[]",
    "{}",
    "\\u0000",
    "\\ud800",
    "\\u202e",
    "\"after\":[\"out\"],",
    "\"travellers\":[],",
    "\"economy\"",
    "\"must_have\"",
    "[[[[[[[[",
    "{\"a\":",
];

#[cfg_attr(test, test)]
pub(crate) fn fuzz_a_plan_file_is_refused_with_its_place_or_prints_back_to_the_same_plan() {
    let corpus = SAMPLES.map(str::as_bytes);
    let (mut kept, mut refused) = (0_u64, 0_u64);
    fuzz("plan files", &corpus, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        match read(&text, jiff::civil::date(2026, 11, 21), &mut Counting::default()) {
            Ok(imported) => {
                kept += 1;
                let plan = serde_json::to_string(&imported.plan).unwrap();
                assert!(serde_json::from_str::<Plan>(&plan).unwrap() == imported.plan);
                let travellers = serde_json::to_string(&imported.travellers).unwrap();
                assert!(serde_json::from_str::<Vec<Traveller>>(&travellers).unwrap() == imported.travellers);
                assert!(imported.plan.items.len() <= ITEMS_MAX && imported.travellers.len() <= TRAVELLERS_MAX);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.path.is_empty() && error.detail.len() <= 800, "{error}");
            }
        }
    });
    assert!(kept > 100 && refused > 100, "{kept} kept, {refused} refused");
}
