//! Drives the reader `plan`.

fn main() {
    zhiyou_domain::fuzzed::plan(zhiyou_fuzz::drive);
}
